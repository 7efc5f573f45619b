/*
 * Fast and guarded mutexes: mutual exclusion among threads, without recursion and without a wait
 * routine of their own. Contract: dispatcher.md, Fast and guarded mutexes.
 */
#ifndef METRONOME_FASTMUTEX_H
#define METRONOME_FASTMUTEX_H

#include "ntdef.h"
#include "dispatcher.h"
#include "wait.h"

/* Drivers provide the storage, resident and 8-byte aligned, and initialize it. */
typedef struct _FAST_MUTEX {
    volatile LONG Count;    /* 1 free, 0 owned, -n owned and n threads wait; interlocked */
    struct _KTHREAD *Owner; /* the owner writes it */
    ULONG Contention;       /* acquisitions that had to wait; interlocked */
    KEVENT Event;           /* set once for each thread that is let in */
    ULONG OldIrql;          /* of the owner before; the owner */
} FAST_MUTEX, *PFAST_MUTEX;

ASSERT_SIZE(FAST_MUTEX, 0x38);
ASSERT_OFFSET(FAST_MUTEX, Owner, 0x8);
ASSERT_OFFSET(FAST_MUTEX, Contention, 0x10);
ASSERT_OFFSET(FAST_MUTEX, Event, 0x18);
ASSERT_OFFSET(FAST_MUTEX, OldIrql, 0x30);

typedef FAST_MUTEX KGUARDED_MUTEX, *PKGUARDED_MUTEX;

/* IRQL: <= DISPATCH_LEVEL. */
FORCEINLINE VOID ExInitializeFastMutex(PFAST_MUTEX FastMutex)
{
    FastMutex->Count = 1;
    FastMutex->Owner = NULL;
    FastMutex->Contention = 0;
    KeInitializeEvent(&FastMutex->Event, SynchronizationEvent, FALSE);
}

/* Held at APC_LEVEL: the release restores the IRQL. */
VOID ExAcquireFastMutex(PFAST_MUTEX FastMutex);         /* <= APC_LEVEL */
BOOLEAN ExTryToAcquireFastMutex(PFAST_MUTEX FastMutex); /* <= APC_LEVEL */
VOID ExReleaseFastMutex(PFAST_MUTEX FastMutex);         /* = APC_LEVEL */

/* At APC_LEVEL or in a critical region; the IRQL stays as it is. */
VOID ExAcquireFastMutexUnsafe(PFAST_MUTEX FastMutex);
VOID ExReleaseFastMutexUnsafe(PFAST_MUTEX FastMutex);

/* Held in a guarded region; the IRQL stays as it is. IRQL: <= APC_LEVEL. */
VOID KeInitializeGuardedMutex(PKGUARDED_MUTEX Mutex);
VOID KeAcquireGuardedMutex(PKGUARDED_MUTEX Mutex);
BOOLEAN KeTryToAcquireGuardedMutex(PKGUARDED_MUTEX Mutex);
VOID KeReleaseGuardedMutex(PKGUARDED_MUTEX Mutex);

#endif
