/*
 * Waiting for dispatcher objects: what the thread that waits does. signal.c has the other side, and
 * says what lies in which list.
 */
#include "ke.h"
#include "ke/wait.h"

/* T-WAIT-IRQL-1, T-TDPC-3: who may not block, must not wait. */
static __attribute__((noinline)) DECLSPEC_NORETURN VOID RefuseToBlock(PVOID Object, KIRQL Irql,
                                                                      PLARGE_INTEGER Timeout)
{
    PKTHREAD thread = KeGetCurrentThread();

    if (KeIsExecutingDpc() || KiKeepsDispatchRules())
        KeBugCheckEx(ATTEMPTED_SWITCH_FROM_DPC, (ULONG_PTR)thread, 0, (ULONG_PTR)&thread, 0);
    KeBugCheckEx(DRIVER_VERIFIER_DETECTED_VIOLATION,
                 Irql > DISPATCH_LEVEL ? 0x120
                 : Timeout             ? 0x122
                                       : 0x121,
                 (ULONG_PTR)&Irql, (ULONG_PTR)Object, (ULONG_PTR)Timeout);
}

/*
 * Only a timer can become signaled without the dispatcher lock. The two types are 8 and 9, all
 * others are less.
 */
FORCEINLINE BOOLEAN IsTimer(PDISPATCHER_HEADER Object)
{
    return (Object->Type & TimerNotificationObject) != 0;
}

FORCEINLINE VOID PrepareBlock(PKTHREAD Thread, PKWAIT_BLOCK Block, PVOID Object, WAIT_TYPE Type,
                              ULONG Index, BOOLEAN Last)
{
    Block->WaitType = (USHORT)Type;
    Block->WaitKey = (USHORT)Index;
    Block->Thread = Thread;
    Block->Object = Object;
    Block->NextWaitBlock = Last ? NULL : Block + 1;
}

/* The link to the time-out's block, the last of a wait. */
static PKWAIT_BLOCK *TimeoutLink(PKTHREAD Thread)
{
    return Thread->WaitCount ? &Thread->WaitBlocks[Thread->WaitCount - 1].NextWaitBlock
                             : &Thread->WaitBlocks;
}

static __attribute__((noinline)) VOID BeginTimeout(PKTHREAD Thread, LARGE_INTEGER Timeout)
{
    KeSetTimer(&Thread->Timer, Timeout, NULL);
    Thread->TimeoutBlock.Object = &Thread->Timer;
    *TimeoutLink(Thread) = &Thread->TimeoutBlock;
}

static __attribute__((noinline)) VOID EndTimeout(PKTHREAD Thread)
{
    KeCancelTimer(&Thread->Timer);
    Thread->TimeoutBlock.Object = NULL;
    *TimeoutLink(Thread) = NULL;
}

/* Joins the lists of all objects. Returns whether a timer is among them. */
FORCEINLINE BOOLEAN LinkBlocks(PKTHREAD Thread)
{
    BOOLEAN timer = FALSE;

    for (PKWAIT_BLOCK block = Thread->WaitBlocks; block; block = block->NextWaitBlock) {
        PDISPATCHER_HEADER object = block->Object;
        InsertTailList(&object->WaitListHead, &block->WaitListEntry);
        timer |= IsTimer(object);
    }
    return timer;
}

/* Satisfies the wait by the first object that is signaled (T-WAIT-5), the time-out last. */
FORCEINLINE BOOLEAN SatisfyAny(PKTHREAD Thread)
{
    for (PKWAIT_BLOCK block = Thread->WaitBlocks; block; block = block->NextWaitBlock) {
        if (KiIsSignaledFor(block->Object, Thread)) {
            KiSatisfyBy(block, Thread);
            return TRUE;
        }
    }
    return FALSE;
}

static __attribute__((noinline)) BOOLEAN SatisfyAllOrTimeout(PKTHREAD Thread)
{
    if (KiSatisfyAll(Thread))
        return TRUE;
    if (!Thread->TimeoutBlock.Object || Thread->Timer.Header.SignalState <= 0)
        return FALSE;
    Thread->WaitStatus = STATUS_TIMEOUT;
    return TRUE;
}

/* Ends the wait without a sleep, if an object or the time-out allows it already. */
FORCEINLINE BOOLEAN IsOver(PKTHREAD Thread)
{
    return Thread->WaitType == WaitAny ? SatisfyAny(Thread) : SatisfyAllOrTimeout(Thread);
}

/*
 * A timer, the time-out's or another, expires without the dispatcher lock, so it may have done so
 * between our look at it and our joining its list:
 *
 *     waiter (dispatcher lock)            expiry (timer table's lock)
 *     timer not signaled
 *                                         SignalState = 1
 *     joins the list                      barrier
 *     barrier                             list empty? nobody to release
 *     looks at all objects again
 *
 * Each side writes, then reads what the other writes: at least one of them notices.
 */
static __attribute__((noinline)) BOOLEAN IsOverAfterAll(PKTHREAD Thread)
{
    KeMemoryBarrier();
    if (!IsOver(Thread))
        return FALSE;
    KiUnlinkBlocks(Thread);
    return TRUE;
}

/* Ends the wait for an alert that has been kept for it. */
FORCEINLINE BOOLEAN IsAlerted(PKTHREAD Thread)
{
    if (!Thread->Alertable || !KiTakeAlert(Thread, Thread->WaitMode))
        return FALSE;
    Thread->WaitStatus = STATUS_ALERTED;
    return TRUE;
}

/*
 * Interrupts the wait for a kernel APC that is to run before the sleep: its interrupt, if it has
 * been requested at all, would be taken by the next thread.
 */
FORCEINLINE BOOLEAN IsCalledAway(PKTHREAD Thread)
{
    if (KI_LIKELY(!Thread->ApcPending) || Thread->WaitIrql >= APC_LEVEL ||
        !KiMayDeliverApcs(Thread))
        return FALSE;
    Thread->WaitStatus = STATUS_KERNEL_APC;
    return TRUE;
}

FORCEINLINE VOID Sleep(PKTHREAD Thread)
{
    Thread->State = ThreadWaiting;
    KD_TRACE(KD_CLASS_FLOW, TraceThreadWait, Thread->WaitCount ? Thread->WaitBlocks->Object : 0,
             Thread->WaitReason, Thread->WaitCount);
    KiSwitchAway();
}

/*
 * One look under the lock, and one sleep if there is nothing to have. FALSE: there is a time-out to
 * be set first, or to be found zero.
 */
FORCEINLINE BOOLEAN WaitOnce(PKTHREAD Thread, PLARGE_INTEGER Timeout)
{
    if (IsOver(Thread) || IsAlerted(Thread))
        return TRUE;
    if (Timeout && !Thread->TimeoutBlock.Object)
        return FALSE;
    if (IsCalledAway(Thread))
        return TRUE;
    if (KI_LIKELY(!LinkBlocks(Thread)) || !IsOverAfterAll(Thread))
        Sleep(Thread);
    return TRUE;
}

/*
 * The wait itself, for any number of objects (none: a delay), as far as the next kernel APC. The
 * time-out's timer is set with no lock held, after a first look has found that it is needed.
 */
FORCEINLINE NTSTATUS WaitOrApc(PKTHREAD Thread, PLARGE_INTEGER Timeout)
{
    KiAcquireLockAtDpcLevel(&KiDispatcherLock);
    while (!WaitOnce(Thread, Timeout)) {
        if (Timeout->QuadPart == 0) {
            Thread->WaitStatus = STATUS_TIMEOUT;
            break;
        }
        KiReleaseLockFromDpcLevel(&KiDispatcherLock);
        BeginTimeout(Thread, *Timeout);
        KiAcquireLockAtDpcLevel(&KiDispatcherLock);
    }
    KiReleaseLockFromDpcLevel(&KiDispatcherLock);
    if (Thread->TimeoutBlock.Object)
        EndTimeout(Thread);
    return (NTSTATUS)Thread->WaitStatus;
}

/*
 * The wait whole, then the IRQL that it was called at. A kernel APC only interrupts it: the wait
 * begins anew, behind all others, with what is left of its time.
 */
static __attribute__((noinline)) NTSTATUS WaitForObjects(PKTHREAD Thread, PLARGE_INTEGER Timeout)
{
    LARGE_INTEGER left;
    NTSTATUS status;

    while ((status = WaitOrApc(Thread, Timeout)) == STATUS_KERNEL_APC)
        Timeout = KiPauseForApcs(Thread, Timeout, &left);
    /* The status is at hand before a DPC that runs here polls an object in this thread's name. */
    KiLowerIrql(Thread->WaitIrql);
    return status;
}

static __attribute__((noinline)) DECLSPEC_NORETURN VOID RefuseMutant(PKMUTANT Mutant)
{
    KeBugCheckEx(KMODE_EXCEPTION_NOT_HANDLED, (ULONG)STATUS_MUTANT_LIMIT_EXCEEDED,
                 (ULONG_PTR)ArchThisPlace(), (ULONG_PTR)Mutant, 0);
}

/*
 * T-WAIT-9, T-KMUTEX-3. The state of a mutex that the thread owns is changed by nobody else, so it
 * can be read without the lock.
 */
FORCEINLINE VOID CheckObject(PKTHREAD Thread, PDISPATCHER_HEADER Object, KPROCESSOR_MODE WaitMode)
{
    KI_REQUIRE(WaitMode == KernelMode || (PVOID)Object < Thread->StackLimit ||
                   (PVOID)Object >= Thread->StackBase,
               DRIVER_VERIFIER_DETECTED_VIOLATION, 0x123, Object, 0, 0);
    UNREFERENCED_PARAMETER(WaitMode);
    if (Object->Type == MutantObject && KiAsMutant(Object)->OwnerThread == Thread &&
        Object->SignalState < -MAXLONG)
        RefuseMutant(KiAsMutant(Object));
}

/*
 * After KeSetEvent and its kin with Wait = TRUE the IRQL is raised already, and the wait restores
 * the one from before (T-WAIT-IRQL-3). That one must allow the wait as well.
 */
FORCEINLINE VOID BeginWait(PKTHREAD Thread, PVOID Object, PLARGE_INTEGER Timeout)
{
    KIRQL oldIrql = Thread->WaitNext ? Thread->WaitIrql : KeGetCurrentIrql();

    Thread->WaitNext = FALSE;
    if ((oldIrql >= DISPATCH_LEVEL || KiKeepsDispatchRules()) &&
        (oldIrql > DISPATCH_LEVEL || !Timeout || Timeout->QuadPart))
        RefuseToBlock(Object, oldIrql, Timeout);
    /* Raised first: a DPC that polls in this thread's name would write WaitIrql, too. */
    KiRaiseIrqlFrom(oldIrql, DISPATCH_LEVEL);
    Thread->WaitIrql = oldIrql;
}

FORCEINLINE VOID Describe(PKTHREAD Thread, WAIT_TYPE Type, KWAIT_REASON Reason,
                          KPROCESSOR_MODE WaitMode, BOOLEAN Alertable)
{
    Thread->WaitType = Type;
    Thread->WaitReason = Reason;
    Thread->WaitMode = WaitMode;
    Thread->Alertable = Alertable;
}

static BOOLEAN HasDuplicate(ULONG Count, PVOID Objects[])
{
    for (ULONG n = 0; n < Count; n++) {
        for (ULONG m = 0; m < n; m++) {
            if (Objects[n] == Objects[m])
                return TRUE;
        }
    }
    return FALSE;
}

/*
 * Waits for any or all of several objects.
 *
 * IRQL:    any; above APC_LEVEL only to test (*Timeout = 0, <= DISPATCH_LEVEL)
 * Locks:   takes the dispatcher lock
 * Context: a thread; not a DPC, unless to test
 * Returns: STATUS_WAIT_0 + index, STATUS_ABANDONED_WAIT_0 + index, STATUS_TIMEOUT, STATUS_ALERTED,
 *          STATUS_INVALID_PARAMETER_MIX for an object twice in WaitAll
 * Source:  contract T-WAIT-1..10, T-WAIT-IRQL-1..3
 */
NTSTATUS KeWaitForMultipleObjects(ULONG Count, PVOID Object[], WAIT_TYPE WaitType,
                                  KWAIT_REASON WaitReason, KPROCESSOR_MODE WaitMode,
                                  BOOLEAN Alertable, PLARGE_INTEGER Timeout,
                                  PKWAIT_BLOCK WaitBlockArray)
{
    PKTHREAD thread = KeGetCurrentThread();
    PKWAIT_BLOCK blocks = WaitBlockArray ? WaitBlockArray : thread->OwnWaitBlocks;

    if (Count > MAXIMUM_WAIT_OBJECTS || (!WaitBlockArray && Count > THREAD_WAIT_OBJECTS))
        KeBugCheckEx(MAXIMUM_WAIT_OBJECTS_EXCEEDED, Count, 0, 0, 0);
    for (ULONG n = 0; n < Count; n++)
        CheckObject(thread, Object[n], WaitMode);

    BeginWait(thread, Count ? Object[0] : NULL, Timeout);
    if (WaitType == WaitAll && HasDuplicate(Count, Object)) {
        KiLowerIrql(thread->WaitIrql);
        return STATUS_INVALID_PARAMETER_MIX;
    }
    Describe(thread, WaitType, WaitReason, WaitMode, Alertable);
    thread->WaitCount = Count;
    thread->WaitBlocks = Count ? blocks : NULL;
    for (ULONG n = 0; n < Count; n++)
        PrepareBlock(thread, &blocks[n], Object[n], WaitType, n, n + 1 == Count);
    return WaitForObjects(thread, Timeout);
}

/*
 * Waits for one object.
 *
 * IRQL:    any; above APC_LEVEL only to test (*Timeout = 0, <= DISPATCH_LEVEL)
 * Locks:   takes the dispatcher lock
 * Context: a thread; not a DPC, unless to test
 * Returns: STATUS_SUCCESS, STATUS_ABANDONED_WAIT_0, STATUS_TIMEOUT, STATUS_ALERTED
 * Source:  contract T-WAIT-1..10, T-WAIT-IRQL-1..3
 */
NTSTATUS KeWaitForSingleObject(PVOID Object, KWAIT_REASON WaitReason, KPROCESSOR_MODE WaitMode,
                               BOOLEAN Alertable, PLARGE_INTEGER Timeout)
{
    PKTHREAD thread = KeGetCurrentThread();

    CheckObject(thread, Object, WaitMode);
    BeginWait(thread, Object, Timeout);
    Describe(thread, WaitAny, WaitReason, WaitMode, Alertable);
    thread->WaitCount = 1;
    thread->WaitBlocks = thread->OwnWaitBlocks;
    PrepareBlock(thread, thread->OwnWaitBlocks, Object, WaitAny, 0, TRUE);
    return WaitForObjects(thread, Timeout);
}

/*
 * Lets the thread sleep until Interval has passed (negative) or the system time has come; 0 lets
 * others of its priority run first.
 *
 * IRQL:    any, fatal above APC_LEVEL
 * Locks:   takes the dispatcher lock
 * Context: a thread
 * Returns: STATUS_SUCCESS, STATUS_ALERTED
 * Source:  contract T-KeDelayExecutionThread-1..4
 */
NTSTATUS KeDelayExecutionThread(KPROCESSOR_MODE WaitMode, BOOLEAN Alertable,
                                PLARGE_INTEGER Interval)
{
    PKTHREAD thread = KeGetCurrentThread();

    if ((KeGetCurrentIrql() > APC_LEVEL && !thread->WaitNext) || KiKeepsDispatchRules())
        RefuseToBlock(Interval, KeGetCurrentIrql(), Interval);
    BeginWait(thread, Interval, Interval);
    Describe(thread, WaitAny, DelayExecution, WaitMode, Alertable);
    thread->WaitCount = 0;
    thread->WaitBlocks = NULL;
    if (Interval->QuadPart == 0) {
        KeGetCurrentPrcb()->QuantumEnd = TRUE;
        KiRequestDispatch(KeGetCurrentPrcb());
    }
    NTSTATUS status = WaitForObjects(thread, Interval);
    return status == STATUS_TIMEOUT ? STATUS_SUCCESS : status;
}
