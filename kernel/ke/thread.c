/* The life of a thread: made, started, ended, and taken apart by another one. */
#include "ke.h"
#include "ke/mutex.h"
#include "ps.h"
#include "io.h"

#define THREAD_TERMINATE_HELD_MUTEX 0x4000008A

static VOID InitializeThread(PKTHREAD Thread, PVOID StackTop, SIZE_T StackSize)
{
    RtlZeroMemory(Thread, sizeof(*Thread));
    Thread->Header.Type = ThreadObject;
    InitializeListHead(&Thread->Header.WaitListHead);
    InitializeListHead(&Thread->MutantList);
    InitializeListHead(&Thread->IrpList);
    InitializeListHead(&Thread->ApcLists[0]);
    InitializeListHead(&Thread->ApcLists[1]);
    KiInitializeTimer(&Thread->Timer, NotificationTimer);
    Thread->TimeoutBlock.Thread = Thread;
    Thread->TimeoutBlock.WaitType = WaitAny;
    Thread->TimeoutBlock.WaitKey = STATUS_TIMEOUT;
    Thread->StackBase = StackTop;
    Thread->StackLimit = (PCHAR)StackTop - StackSize;
    Thread->Affinity = ~(KAFFINITY)0;
    Thread->Priority = Thread->BasePriority = NORMAL_PRIORITY;
    Thread->Quantum = QUANTUM_TICKS;
    Thread->LastProcessor = KeGetCurrentPrcb()->Number;
}

/*
 * Makes a thread that will run StartRoutine(StartContext); KiReadyThread lets it run.
 *
 * IRQL:    <= DISPATCH_LEVEL (not checked)
 * Locks:   none; nobody else knows the thread yet
 * Context: any
 * Returns: nothing
 */
VOID KiInitializeThread(PKTHREAD Thread, PVOID StackTop, PKSTART_ROUTINE StartRoutine,
                        PVOID StartContext)
{
    InitializeThread(Thread, StackTop, KERNEL_STACK_SIZE);
    Thread->StartRoutine = StartRoutine;
    Thread->StartContext = StartContext;
    Thread->KernelStack = ArchPrepareStack(StackTop);
}

/*
 * Makes the code that already runs on a processor a thread: on processor 0 the start, which goes
 * on as an ordinary thread, on the others their idle thread.
 *
 * IRQL:    any (not checked)
 * Locks:   none
 * Context: the start of a processor
 * Returns: nothing
 */
VOID KiAdoptThread(PKPRCB Prcb, PVOID StackTop, SIZE_T StackSize)
{
    PKTHREAD thread = &Prcb->BootThread;

    InitializeThread(thread, StackTop, StackSize);
    thread->State = ThreadRunning;
    thread->LastProcessor = Prcb->Number;
    thread->Name = "system";
    Prcb->CurrentThread = thread;
    if (Prcb->Number)
        KiMakeIdleThread(Prcb, thread);
}

/*
 * Makes Thread the one that runs on a processor when no other wants to.
 *
 * IRQL:    any (not checked)
 * Locks:   none
 * Context: the start of a processor
 * Returns: nothing
 */
VOID KiMakeIdleThread(PKPRCB Prcb, PKTHREAD Thread)
{
    Thread->Name = "idle";
    Thread->Priority = Thread->BasePriority = IDLE_PRIORITY;
    Thread->Affinity = (KAFFINITY)1 << Prcb->Number;
    Prcb->IdleThread = Thread;
}

/*
 * A thread's first code. The switch that leads here was made with the dispatcher lock held.
 *
 * IRQL:    DISPATCH_LEVEL at entry, then PASSIVE_LEVEL (not checked)
 * Locks:   frees the dispatcher lock
 * Context: a new thread
 * Returns: never
 * Source:  contract T-PsCreateSystemThread-1, T-PsTerminateSystemThread-1
 */
VOID KiThreadStart(VOID)
{
    PKTHREAD thread = KeGetCurrentThread();

    KiUnlockDispatcher(PASSIVE_LEVEL);
    thread->StartRoutine(thread->StartContext);
    KiEndThread(STATUS_SUCCESS);
}

/* A mutex of KeInitializeMutex must not be held at the end; others are abandoned (T-KMUTEX-6). */
static VOID AbandonMutants(PKTHREAD Thread)
{
    while (!IsListEmpty(&Thread->MutantList)) {
        PKMUTANT mutant = CONTAINING_RECORD(Thread->MutantList.Flink, KMUTANT, MutantListEntry);
        if (mutant->ApcDisable) {
            KiUnlockDispatcher(PASSIVE_LEVEL);
            KeBugCheckEx(THREAD_TERMINATE_HELD_MUTEX, (ULONG_PTR)Thread, (ULONG_PTR)mutant, 0, 0);
        }
        KiFreeMutant(mutant, TRUE);
    }
}

/*
 * A thread may end in the critical region that a system thread begins in, and in no other. Those of
 * mutexes that it still owns are a matter for AbandonMutants.
 */
static VOID RequireOutsideRegions(PKTHREAD Thread)
{
    KI_REQUIRE(!IsListEmpty(&Thread->MutantList) ||
                   (Thread->KernelApcDisable >= -1 && Thread->SpecialApcDisable == 0),
               KERNEL_APC_PENDING_DURING_EXIT, 0,
               Thread->SpecialApcDisable ? Thread->SpecialApcDisable : Thread->KernelApcDisable,
               KeGetCurrentIrql(), 0);
    UNREFERENCED_PARAMETER(Thread);
}

/*
 * Ends the current thread: its APCs are run down, its waiters go on, and its stack is taken back by
 * the reaper, which cannot get the dispatcher lock before the thread has left the stack.
 *
 * IRQL:    PASSIVE_LEVEL
 * Locks:   takes the dispatcher lock
 * Context: the thread itself
 * Returns: never
 * Source:  contract T-PsTerminateSystemThread-1
 */
DECLSPEC_NORETURN VOID KiEndThread(NTSTATUS ExitStatus)
{
    KI_REQUIRE_IRQL_AT_MOST(PASSIVE_LEVEL, 0x2001C, "IrqlPsPassive", KeGetCurrentThread());

    PKTHREAD thread = KeGetCurrentThread();

    RequireOutsideRegions(thread);
    IopCancelRequestsOfThread(thread);
    KiRundownApcs();
    KiLockDispatcher();
    AbandonMutants(thread);
    thread->ExitStatus = ExitStatus;
    thread->State = ThreadTerminated;
    thread->Header.SignalState = 1;
    KiReleaseWaiters(&thread->Header, IO_NO_INCREMENT);
    PspGiveToReaper(thread);
    KiSwitchAway();
    __builtin_unreachable();
}

/*
 * Priorities of a thread.
 *
 * IRQL:    PASSIVE_LEVEL
 * Locks:   takes the dispatcher lock
 * Context: a thread
 * Returns: the old priority
 * Source:  contract T-KeSetPriorityThread-1
 */
KPRIORITY KeSetPriorityThread(PKTHREAD Thread, KPRIORITY Priority)
{
    KI_REQUIRE_IRQL_AT_MOST(PASSIVE_LEVEL, RULE_IRQL_KE_PASSIVE, "IrqlKePassive", Thread);

    KIRQL oldIrql = KiLockDispatcher();
    KPRIORITY old = Thread->Priority;

    if (Priority > LOW_PRIORITY && Priority <= HIGH_PRIORITY) {
        Thread->BasePriority = (CHAR)Priority;
        Thread->Quantum = QUANTUM_TICKS;
        KiSetPriority(Thread, (CHAR)Priority);
    }
    KiUnlockDispatcher(oldIrql);
    return old;
}

/*
 * IRQL:    PASSIVE_LEVEL
 * Locks:   none; the answer can be stale when it arrives
 * Context: a thread
 * Returns: the current priority
 * Source:  contract dispatcher.md, Threads
 */
KPRIORITY KeQueryPriorityThread(PKTHREAD Thread)
{
    KI_REQUIRE_IRQL_AT_MOST(PASSIVE_LEVEL, RULE_IRQL_KE_PASSIVE, "IrqlKePassive", Thread);
    return Thread->Priority;
}

/*
 * Sets the base priority relative to the one that system threads begin with.
 *
 * IRQL:    PASSIVE_LEVEL
 * Locks:   takes the dispatcher lock
 * Context: a thread
 * Returns: the old increment
 * Source:  contract dispatcher.md, Threads
 */
LONG KeSetBasePriorityThread(PKTHREAD Thread, LONG Increment)
{
    KI_REQUIRE_IRQL_AT_MOST(PASSIVE_LEVEL, RULE_IRQL_KE_PASSIVE, "IrqlKePassive", Thread);

    LONG old = Thread->BasePriority - NORMAL_PRIORITY;
    LONG priority = NORMAL_PRIORITY + Increment;

    if (priority < 1)
        priority = 1;
    if (priority > LOW_REALTIME_PRIORITY - 1)
        priority = LOW_REALTIME_PRIORITY - 1;
    KeSetPriorityThread(Thread, priority);
    return old;
}
