/* System threads as objects: made, listed, and freed by the reaper. */
#include "ke.h"
#include "ob.h"
#include "ps.h"

#define TAG_THREAD ((ULONG)'erhT')

static LIST_ENTRY ThreadList;   /* the dispatcher lock */
static LIST_ENTRY EndedThreads; /* the dispatcher lock */
static KEVENT ThreadHasEnded;

static OBJECT_TYPE ThreadType = {.Self = &ThreadType, .Name = "thread", .Tag = TAG_THREAD};
static POBJECT_TYPE ThreadTypePointer = &ThreadType;
POBJECT_TYPE *PsThreadType = &ThreadTypePointer;

/* Takes one ended thread out of the lists; NULL if there is none. */
static PKTHREAD NextEnded(VOID)
{
    PKTHREAD thread = NULL;
    KIRQL oldIrql = KiLockDispatcher();

    if (!IsListEmpty(&EndedThreads)) {
        thread = CONTAINING_RECORD(RemoveHeadList(&EndedThreads), KTHREAD, ReadyListEntry);
        RemoveEntryList(&thread->ThreadListEntry);
    }
    KiUnlockDispatcher(oldIrql);
    return thread;
}

/*
 * The reaper: takes ended threads apart. It has had the dispatcher lock after the thread gave
 * its processor away, so nothing runs on the stack any more.
 */
static VOID Reaper(PVOID Context)
{
    PKTHREAD thread;

    UNREFERENCED_PARAMETER(Context);
    for (;;) {
        KeWaitForSingleObject(&ThreadHasEnded, Executive, KernelMode, FALSE, NULL);
        while ((thread = NextEnded()) != NULL) {
            ArchFreeStack(thread->StackBase);
            ObfDereferenceObject(thread);
        }
    }
}

/*
 * Hands an ended thread to the reaper.
 *
 * IRQL:    DISPATCH_LEVEL (not checked)
 * Locks:   the dispatcher lock is held
 * Context: the thread itself
 * Returns: nothing
 */
VOID PspGiveToReaper(PKTHREAD Thread)
{
    InsertTailList(&EndedThreads, &Thread->ReadyListEntry);
    ThreadHasEnded.Header.SignalState = 1;
    KiReleaseWaiters(&ThreadHasEnded.Header, IO_NO_INCREMENT);
}

static VOID AddToList(PKTHREAD Thread)
{
    KIRQL oldIrql = KiLockDispatcher();

    InsertTailList(&ThreadList, &Thread->ThreadListEntry);
    KiUnlockDispatcher(oldIrql);
}

/* A thread that does not run yet, with the reference that the reaper gives back. */
static PKTHREAD MakeThread(PCSTR Name, PKSTART_ROUTINE StartRoutine, PVOID StartContext)
{
    PKTHREAD thread = ObpAllocateObject(&ThreadType, sizeof(KTHREAD));
    PVOID stack = thread ? ArchAllocateStack() : NULL;

    if (!stack) {
        if (thread)
            ObfDereferenceObject(thread);
        return NULL;
    }
    KiInitializeThread(thread, stack, StartRoutine, StartContext);
    thread->Name = Name;
    thread->System = TRUE;
    KdTraceThread(thread);
    AddToList(thread);
    return thread;
}

static VOID LetRun(PKTHREAD Thread)
{
    KIRQL oldIrql = KiLockDispatcher();

    KiReadyThread(Thread);
    KiUnlockDispatcher(oldIrql);
}

static VOID Idle(PVOID Context)
{
    KiIdleLoop(Context);
}

/*
 * Makes processor 0's idle thread, the list of threads, and the reaper.
 *
 * IRQL:    PASSIVE_LEVEL (not checked)
 * Locks:   none
 * Context: the start
 * Returns: nothing
 */
VOID PspInitialize(VOID)
{
    InitializeListHead(&ThreadList);
    InitializeListHead(&EndedThreads);
    KeInitializeEvent(&ThreadHasEnded, SynchronizationEvent, FALSE);

    PKPRCB prcb = KeGetCurrentPrcb();
    PKTHREAD idle = MakeThread("idle", Idle, prcb);
    if (!idle)
        ArchCannotStart("There is not enough memory for the first threads.");
    KiMakeIdleThread(prcb, idle);
    AddToList(prcb->CurrentThread);
    if (!NT_SUCCESS(PspStartThread("reaper", LOW_REALTIME_PRIORITY, Reaper, NULL)))
        ArchCannotStart("There is not enough memory for the first threads.");
}

/*
 * Starts a thread of the kernel's own.
 *
 * IRQL:    PASSIVE_LEVEL (not checked)
 * Locks:   takes the dispatcher lock
 * Context: a thread
 * Returns: STATUS_SUCCESS, STATUS_INSUFFICIENT_RESOURCES
 */
NTSTATUS PspStartThread(PCSTR Name, KPRIORITY Priority, PKSTART_ROUTINE StartRoutine,
                        PVOID StartContext)
{
    PKTHREAD thread = MakeThread(Name, StartRoutine, StartContext);

    if (!thread)
        return STATUS_INSUFFICIENT_RESOURCES;
    thread->Priority = thread->BasePriority = (CHAR)Priority;
    LetRun(thread);
    return STATUS_SUCCESS;
}

/* What a thread does that was made but could not be given a handle. */
static VOID EndAtOnce(PVOID Context)
{
    KiEndThread((NTSTATUS)(LONG_PTR)Context);
}

/*
 * Starts a system thread, inside a critical region.
 *
 * IRQL:    PASSIVE_LEVEL
 * Locks:   takes the dispatcher lock
 * Context: a thread
 * Returns: STATUS_SUCCESS and a handle, STATUS_INSUFFICIENT_RESOURCES
 * Source:  contract T-PsCreateSystemThread-1
 */
NTSTATUS PsCreateSystemThread(PHANDLE ThreadHandle, ULONG DesiredAccess,
                              POBJECT_ATTRIBUTES ObjectAttributes, HANDLE ProcessHandle,
                              PCLIENT_ID ClientId, PKSTART_ROUTINE StartRoutine, PVOID StartContext)
{
    KI_REQUIRE_IRQL_AT_MOST(PASSIVE_LEVEL, 0x2001C, "IrqlPsPassive", StartRoutine);
    UNREFERENCED_PARAMETER(DesiredAccess);
    UNREFERENCED_PARAMETER(ObjectAttributes);
    UNREFERENCED_PARAMETER(ProcessHandle);
    UNREFERENCED_PARAMETER(ClientId);

    PKTHREAD thread = MakeThread(NULL, StartRoutine, StartContext);
    if (!thread)
        return STATUS_INSUFFICIENT_RESOURCES;
    thread->KernelApcDisable = -1;

    NTSTATUS status = ObpCreateHandle(thread, ThreadHandle);
    if (!NT_SUCCESS(status)) {
        thread->StartRoutine = EndAtOnce;
        thread->StartContext = (PVOID)(LONG_PTR)status;
    }
    LetRun(thread);
    return status;
}

/*
 * Ends the calling thread.
 *
 * IRQL:    PASSIVE_LEVEL
 * Locks:   takes the dispatcher lock
 * Context: a system thread
 * Returns: not at all; STATUS_INVALID_PARAMETER in any other thread
 * Source:  contract T-PsTerminateSystemThread-1
 */
NTSTATUS PsTerminateSystemThread(NTSTATUS ExitStatus)
{
    KI_REQUIRE_IRQL_AT_MOST(PASSIVE_LEVEL, 0x2001C, "IrqlPsPassive", KeGetCurrentThread());
    if (!KeGetCurrentThread()->System)
        return STATUS_INVALID_PARAMETER;
    KiEndThread(ExitStatus);
}

/*
 * Alerts the thread behind a handle.
 *
 * IRQL:    PASSIVE_LEVEL
 * Locks:   takes the dispatcher lock
 * Context: a thread
 * Returns: STATUS_SUCCESS, or why there is no such thread
 * Source:  contract T-WAIT-10
 */
NTSTATUS ZwAlertThread(HANDLE ThreadHandle)
{
    KI_REQUIRE_IRQL_AT_MOST(PASSIVE_LEVEL, 0x2001C, "IrqlPsPassive", ThreadHandle);

    PVOID thread;
    NTSTATUS status = ObReferenceObjectByHandle(ThreadHandle, THREAD_ALL_ACCESS, *PsThreadType,
                                                KernelMode, &thread, NULL);
    if (!NT_SUCCESS(status))
        return status;
    KeAlertThread(thread, KernelMode);
    ObfDereferenceObject(thread);
    return STATUS_SUCCESS;
}

/*
 * IRQL:    <= DISPATCH_LEVEL (not checked)
 * Locks:   takes the dispatcher lock, around Visit too
 * Context: the monitor
 * Returns: nothing
 */
VOID PspVisitThreads(PSP_THREAD_VISITOR *Visit, PVOID Context)
{
    KIRQL oldIrql = KiLockDispatcher();

    for (PLIST_ENTRY entry = ThreadList.Flink; entry != &ThreadList; entry = entry->Flink)
        Visit(CONTAINING_RECORD(entry, KTHREAD, ThreadListEntry), Context);
    KiUnlockDispatcher(oldIrql);
}
