/* System threads. Contract: dispatcher.md, Threads and APC control. */
#ifndef METRONOME_THREAD_H
#define METRONOME_THREAD_H

#include "ntdef.h"
#include "dispatcher.h"

typedef struct _KTHREAD *PKTHREAD, *PRKTHREAD; /* opaque, made by the kernel */
typedef struct _KTHREAD *PETHREAD;

typedef VOID KSTART_ROUTINE(PVOID StartContext);
typedef KSTART_ROUTINE *PKSTART_ROUTINE;

typedef struct _OBJECT_ATTRIBUTES *POBJECT_ATTRIBUTES;
typedef struct _CLIENT_ID *PCLIENT_ID;
typedef struct _OBJECT_TYPE *POBJECT_TYPE;

#define LOW_PRIORITY          0
#define LOW_REALTIME_PRIORITY 16
#define HIGH_PRIORITY         31
#define MAXIMUM_PRIORITY      32

#define THREAD_ALL_ACCESS 0x1FFFFFu
#define SYNCHRONIZE       0x100000u

/*
 * Starts StartRoutine(StartContext) in a new thread at PASSIVE_LEVEL. The handle must be closed
 * by ZwClose; closing it does not end the thread. IRQL: PASSIVE_LEVEL.
 */
NTSTATUS PsCreateSystemThread(PHANDLE ThreadHandle, ULONG DesiredAccess,
                              POBJECT_ATTRIBUTES ObjectAttributes, HANDLE ProcessHandle,
                              PCLIENT_ID ClientId, PKSTART_ROUTINE StartRoutine,
                              PVOID StartContext);

/* Ends the calling thread. IRQL: PASSIVE_LEVEL. */
NTSTATUS PsTerminateSystemThread(NTSTATUS ExitStatus);

extern POBJECT_TYPE *PsThreadType;

/* The object behind a handle, with a reference of its own. IRQL: PASSIVE_LEVEL. */
NTSTATUS ObReferenceObjectByHandle(HANDLE Handle, ACCESS_MASK DesiredAccess,
                                   POBJECT_TYPE ObjectType, KPROCESSOR_MODE AccessMode,
                                   PVOID *Object, PVOID HandleInformation);
LONG_PTR ObfReferenceObject(PVOID Object);
LONG_PTR ObfDereferenceObject(PVOID Object);
#define ObReferenceObject(Object)   ObfReferenceObject(Object)
#define ObDereferenceObject(Object) ObfDereferenceObject(Object)
NTSTATUS ZwClose(HANDLE Handle);

#if defined(METRONOME_HOST)
PKTHREAD KeGetCurrentThread(VOID);
#else
/* IRQL: any. */
FORCEINLINE PKTHREAD KeGetCurrentThread(VOID)
{
    PKTHREAD thread;
    __asm__ volatile("movq %%gs:0x188, %0" : "=r"(thread));
    return thread;
}
#endif
#define PsGetCurrentThread() ((PETHREAD)KeGetCurrentThread())

/* Priorities 0 to 31. IRQL: PASSIVE_LEVEL. */
KPRIORITY KeSetPriorityThread(PKTHREAD Thread, KPRIORITY Priority);
KPRIORITY KeQueryPriorityThread(PKTHREAD Thread);
LONG KeSetBasePriorityThread(PKTHREAD Thread, LONG Increment);

/* The processors on which the current thread may run. IRQL: <= DISPATCH_LEVEL. */
KAFFINITY KeSetSystemAffinityThreadEx(KAFFINITY Affinity);
VOID KeRevertToUserAffinityThreadEx(KAFFINITY Affinity);

/*
 * Ends the thread's alertable wait with STATUS_ALERTED, or its next one if it is in none. A thread
 * that waits with WaitMode = KernelMode is not alerted by AlertMode = UserMode. The handle's
 * routine is the WDK's; the Ke routines are exported by Windows and declared nowhere.
 * IRQL: PASSIVE_LEVEL; <= DISPATCH_LEVEL, the thread's object referenced; <= DISPATCH_LEVEL.
 */
NTSTATUS ZwAlertThread(HANDLE ThreadHandle);
BOOLEAN KeAlertThread(PKTHREAD Thread, KPROCESSOR_MODE AlertMode);
BOOLEAN KeTestAlertThread(KPROCESSOR_MODE AlertMode);

/* APC control. IRQL: <= APC_LEVEL; the questions <= DISPATCH_LEVEL. */
VOID KeEnterCriticalRegion(VOID);
VOID KeLeaveCriticalRegion(VOID);
VOID KeEnterGuardedRegion(VOID);
VOID KeLeaveGuardedRegion(VOID);
BOOLEAN KeAreApcsDisabled(VOID);
BOOLEAN KeAreAllApcsDisabled(VOID);

#endif
