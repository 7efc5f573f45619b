/* Executive resources: one writer or many readers, among threads. Contract: dispatcher.md. */
#ifndef METRONOME_RESOURCE_H
#define METRONOME_RESOURCE_H

#include "ntdef.h"
#include "dispatcher.h"
#include "thread.h"
#include "spinlock.h"

typedef ULONG_PTR ERESOURCE_THREAD, *PERESOURCE_THREAD;

/* A thread that has the resource. The resource's lock. */
typedef struct _ERESOURCE_CLAIM {
    LIST_ENTRY ListEntry; /* in Owners */
    PKTHREAD Thread;      /* NULL: not in use */
    ULONG Count;          /* acquisitions that have not been released */
} ERESOURCE_CLAIM, *PERESOURCE_CLAIM;

/* To be kept 8-byte aligned in nonpaged memory. All fields: Lock. */
typedef struct _ERESOURCE {
    KSPIN_LOCK Lock;
    LIST_ENTRY Owners;     /* claims: one if Exclusive, else any number */
    LIST_ENTRY Waiting;    /* first come, first served */
    ERESOURCE_CLAIM First; /* a claim that needs no memory; the exclusive owner's */
    ULONG SharedWaiters;
    ULONG ExclusiveWaiters;
    ULONG ContentionCount; /* acquisitions that had to wait */
    BOOLEAN Exclusive;
    UCHAR Reserved[19];
} ERESOURCE, *PERESOURCE;

ASSERT_SIZE(ERESOURCE, 0x68);

/* IRQL: <= DISPATCH_LEVEL; <= APC_LEVEL. */
NTSTATUS ExInitializeResourceLite(PERESOURCE Resource);
NTSTATUS ExReinitializeResourceLite(PERESOURCE Resource);
NTSTATUS ExDeleteResourceLite(PERESOURCE Resource);

/*
 * Normal kernel APCs must be disabled, from the acquisition to the release: an APC could want the
 * resource of the thread that it interrupts. With Wait = FALSE: FALSE if it cannot be had at once.
 * IRQL: <= APC_LEVEL.
 */
BOOLEAN ExAcquireResourceExclusiveLite(PERESOURCE Resource, BOOLEAN Wait);
BOOLEAN ExAcquireResourceSharedLite(PERESOURCE Resource, BOOLEAN Wait);
BOOLEAN ExAcquireSharedStarveExclusive(PERESOURCE Resource, BOOLEAN Wait);
BOOLEAN ExAcquireSharedWaitForExclusive(PERESOURCE Resource, BOOLEAN Wait);

/* IRQL: <= DISPATCH_LEVEL. */
VOID ExReleaseResourceLite(PERESOURCE Resource);
VOID ExReleaseResourceForThreadLite(PERESOURCE Resource, ERESOURCE_THREAD ResourceThreadId);
VOID ExConvertExclusiveToSharedLite(PERESOURCE Resource);

/* Critical region and acquisition in one. IRQL: <= APC_LEVEL. */
PVOID ExEnterCriticalRegionAndAcquireResourceExclusive(PERESOURCE Resource);
PVOID ExEnterCriticalRegionAndAcquireResourceShared(PERESOURCE Resource);
VOID ExReleaseResourceAndLeaveCriticalRegion(PERESOURCE Resource);

/* Of the current thread: how often it has the resource, in either way. IRQL: <= DISPATCH_LEVEL. */
BOOLEAN ExIsResourceAcquiredExclusiveLite(PERESOURCE Resource);
ULONG ExIsResourceAcquiredSharedLite(PERESOURCE Resource);
#define ExIsResourceAcquiredLite(Resource) ExIsResourceAcquiredSharedLite(Resource)

/* Threads that wait. IRQL: <= DISPATCH_LEVEL. */
ULONG ExGetExclusiveWaiterCount(PERESOURCE Resource);
ULONG ExGetSharedWaiterCount(PERESOURCE Resource);

#define ExGetCurrentResourceThread() ((ERESOURCE_THREAD)KeGetCurrentThread())

#endif
