/*
 * Waiting for dispatcher objects. Objects, wait blocks and threads' states are under the
 * dispatcher lock; a waiting thread has one block in the list of each object it waits for, and
 * one in the list of its own timer if there is a time-out: a time-out is one more object.
 */
#include "ke.h"

static PKMUTANT AsMutant(PDISPATCHER_HEADER Object)
{
    return CONTAINING_RECORD(Object, KMUTANT, Header);
}

/* Could Thread's wait for Object end now? The owner of a mutex can always have it once more. */
static BOOLEAN IsSignaledFor(PDISPATCHER_HEADER Object, PKTHREAD Thread)
{
    return Object->SignalState > 0 ||
           (Object->Type == MutantObject && AsMutant(Object)->OwnerThread == Thread);
}

static LONG64 ConsumeMutant(PKMUTANT Mutant, PKTHREAD Thread)
{
    BOOLEAN abandoned = Mutant->Abandoned;

    if (Mutant->Header.SignalState-- == 1) {
        Mutant->OwnerThread = Thread;
        Mutant->Raised = Thread->WaitIrql >= DISPATCH_LEVEL;
        Mutant->Abandoned = FALSE;
        InsertTailList(&Thread->MutantList, &Mutant->MutantListEntry);
        Thread->KernelApcDisable -= Mutant->ApcDisable;
    }
    return abandoned ? STATUS_ABANDONED_WAIT_0 : STATUS_WAIT_0;
}

/* What a satisfied wait does to the object. Returns the base of the wait's status. */
static LONG64 Consume(PDISPATCHER_HEADER Object, PKTHREAD Thread)
{
    switch (Object->Type) {
    case EventSynchronizationObject:
    case TimerSynchronizationObject:
        Object->SignalState = 0;
        break;
    case SemaphoreObject:
        Object->SignalState--;
        break;
    case MutantObject:
        return ConsumeMutant(AsMutant(Object), Thread);
    default:
        break;
    }
    return STATUS_WAIT_0;
}

/*
 * Satisfies the wait that Blocks describe if that is possible now. Any: the first object that is
 * signaled; All: only all of them together (T-WAIT-5..6).
 */
static BOOLEAN TrySatisfy(PKTHREAD Thread, ULONG Count, WAIT_TYPE Type, PKWAIT_BLOCK Blocks,
                          PLONG64 Status)
{
    ULONG signaled = 0;

    for (ULONG n = 0; n < Count; n++) {
        if (!IsSignaledFor(Blocks[n].Object, Thread))
            continue;
        if (Type == WaitAny) {
            *Status = Consume(Blocks[n].Object, Thread) + n;
            return TRUE;
        }
        signaled++;
    }
    if (Type == WaitAny || signaled != Count)
        return FALSE;
    *Status = STATUS_WAIT_0;
    for (ULONG n = 0; n < Count; n++) {
        LONG64 base = Consume(Blocks[n].Object, Thread);
        if (base != STATUS_WAIT_0 && *Status == STATUS_WAIT_0)
            *Status = base + n;
    }
    return TRUE;
}

static VOID LinkBlocks(PKTHREAD Thread)
{
    for (ULONG n = 0; n < Thread->WaitCount; n++) {
        PDISPATCHER_HEADER object = Thread->WaitBlocks[n].Object;
        InsertTailList(&object->WaitListHead, &Thread->WaitBlocks[n].WaitListEntry);
    }
    if (Thread->TimeoutBlock.Object)
        InsertTailList(&Thread->Timer.Header.WaitListHead, &Thread->TimeoutBlock.WaitListEntry);
}

static VOID UnlinkBlocks(PKTHREAD Thread)
{
    for (ULONG n = 0; n < Thread->WaitCount; n++)
        RemoveEntryList(&Thread->WaitBlocks[n].WaitListEntry);
    if (Thread->TimeoutBlock.Object)
        RemoveEntryList(&Thread->TimeoutBlock.WaitListEntry);
}

/* Above its base priority by Increment, but not real-time. Each quantum it uses takes one away. */
static VOID Boost(PKTHREAD Thread, KPRIORITY Increment)
{
    KPRIORITY room = LOW_REALTIME_PRIORITY - 1 - Thread->BasePriority;
    KPRIORITY boosted = Thread->BasePriority + (Increment < room ? Increment : room);

    if (Thread->Priority < boosted)
        Thread->Priority = (CHAR)boosted;
}

/*
 * IRQL:    DISPATCH_LEVEL (not checked)
 * Locks:   the dispatcher lock is held
 * Context: any; Thread waits
 * Returns: nothing
 * Source:  contract T-DISP-2, T-THREAD-3
 */
VOID KiEndWait(PKTHREAD Thread, LONG64 Status, KPRIORITY Increment)
{
    KD_TRACE(KD_CLASS_FLOW, TraceThreadWake, Thread, Status, 0);
    UnlinkBlocks(Thread);
    Thread->WaitStatus = Status;
    if (Increment > 0 && Thread->BasePriority < LOW_REALTIME_PRIORITY)
        Boost(Thread, Increment);
    KiReadyThread(Thread);
}

/* Ends the wait of a block's thread if the block's object, just signaled, allows it. */
static BOOLEAN ReleaseOne(PKWAIT_BLOCK Block, KPRIORITY Increment)
{
    PKTHREAD thread = Block->Thread;
    LONG64 status = STATUS_TIMEOUT;

    if (Block != &thread->TimeoutBlock &&
        !TrySatisfy(thread, thread->WaitCount, thread->WaitType, thread->WaitBlocks, &status))
        return FALSE;
    KiEndWait(thread, status, Increment);
    return TRUE;
}

/*
 * Releases the waiters of an object, the longest waiting first, as long as it stays signaled.
 *
 * IRQL:    DISPATCH_LEVEL (not checked)
 * Locks:   the dispatcher lock is held
 * Context: any
 * Returns: nothing
 * Source:  contract T-DISP-1..2
 */
VOID KiReleaseWaiters(PDISPATCHER_HEADER Object, KPRIORITY Increment)
{
    PLIST_ENTRY entry = Object->WaitListHead.Flink;

    while (Object->SignalState > 0 && entry != &Object->WaitListHead) {
        PKWAIT_BLOCK block = CONTAINING_RECORD(entry, KWAIT_BLOCK, WaitListEntry);
        /* A released thread may have had several blocks in this list: from the start again. */
        entry = ReleaseOne(block, Increment) ? Object->WaitListHead.Flink : entry->Flink;
    }
}

/*
 * Signals a timer that has expired, for its waiters. Nothing of it is touched after the lock is
 * freed: a thread that finds it signaled may free it.
 *
 * IRQL:    DISPATCH_LEVEL (not checked)
 * Locks:   takes the dispatcher lock; the timer table's lock is held
 * Context: timer expiry
 * Returns: nothing
 * Source:  contract T-TMR-10..11
 */
VOID KiSignalTimer(PKTIMER Timer)
{
    KeAcquireSpinLockAtDpcLevel(&KiDispatcherLock);
    Timer->Header.SignalState = 1;
    KiReleaseWaiters(&Timer->Header, IO_NO_INCREMENT);
    KeReleaseSpinLockFromDpcLevel(&KiDispatcherLock);
}

/* T-WAIT-IRQL-1, T-TDPC-3: who may not block, must not wait. */
static VOID RefuseToBlock(PVOID Object, KIRQL Irql, PLARGE_INTEGER Timeout)
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

static VOID PrepareBlocks(PKTHREAD Thread, ULONG Count, PVOID Objects[], PKWAIT_BLOCK Blocks)
{
    for (ULONG n = 0; n < Count; n++)
        Blocks[n] = (KWAIT_BLOCK){.Thread = Thread, .Object = Objects[n]};
    Thread->WaitBlocks = Blocks;
    Thread->WaitCount = Count;
}

/* Ends the wait without a sleep, if an object or the time-out allows it already. */
static BOOLEAN IsOver(PKTHREAD Thread, BOOLEAN TimerSet)
{
    LONG64 status;

    if (Thread->WaitCount &&
        TrySatisfy(Thread, Thread->WaitCount, Thread->WaitType, Thread->WaitBlocks, &status))
        Thread->WaitStatus = status;
    else if (TimerSet && Thread->Timer.Header.SignalState > 0)
        Thread->WaitStatus = STATUS_TIMEOUT;
    else
        return FALSE;
    return TRUE;
}

/*
 * Joins the lists of all objects. A timer, the time-out's or another, expires without the
 * dispatcher lock, so it may have done so between our look at it and our joining its list:
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
static BOOLEAN Join(PKTHREAD Thread, BOOLEAN TimerSet)
{
    Thread->TimeoutBlock.Object = TimerSet ? &Thread->Timer : NULL;
    LinkBlocks(Thread);
    KeMemoryBarrier();
    if (!IsOver(Thread, TimerSet))
        return TRUE;
    UnlinkBlocks(Thread);
    return FALSE;
}

/*
 * Ends the wait without a sleep for an alert, or for a kernel APC that is to run before it: its
 * interrupt, if it has been requested at all, would be taken by the next thread.
 */
static BOOLEAN IsCalledAway(PKTHREAD Thread, BOOLEAN MayBlock)
{
    if (Thread->Alertable && KiTakeAlert(Thread, Thread->WaitMode))
        Thread->WaitStatus = STATUS_ALERTED;
    else if (MayBlock && Thread->ApcPending && Thread->WaitIrql < APC_LEVEL &&
             KiMayDeliverApcs(Thread))
        Thread->WaitStatus = STATUS_KERNEL_APC;
    else
        return FALSE;
    return TRUE;
}

/* One look under the lock, and one sleep if there is nothing to have. FALSE: not over yet. */
static BOOLEAN WaitOnce(PKTHREAD Thread, BOOLEAN TimerSet, BOOLEAN MayBlock)
{
    if (IsOver(Thread, TimerSet) || IsCalledAway(Thread, MayBlock))
        return TRUE;
    if (!MayBlock)
        return FALSE;
    if (Join(Thread, TimerSet)) {
        Thread->State = ThreadWaiting;
        KD_TRACE(KD_CLASS_FLOW, TraceThreadWait, Thread->WaitCount ? Thread->WaitBlocks->Object : 0,
                 Thread->WaitReason, Thread->WaitCount);
        KiSwitchAway();
    }
    return TRUE;
}

/*
 * The wait itself, for any number of objects (none: a delay), as far as the next kernel APC. The
 * time-out's timer is set with no lock held, after a first look has found that it is needed.
 */
static NTSTATUS WaitOrApc(PKTHREAD Thread, PLARGE_INTEGER Timeout)
{
    BOOLEAN timerSet = FALSE, done;

    do {
        BOOLEAN mayBlock = !Timeout || timerSet;

        KiLockDispatcher();
        done = WaitOnce(Thread, timerSet, mayBlock);
        if (!done && Timeout && Timeout->QuadPart == 0) {
            Thread->WaitStatus = STATUS_TIMEOUT;
            done = TRUE;
        }
        KeReleaseSpinLockFromDpcLevel(&KiDispatcherLock);
        if (!done && !mayBlock) {
            KeSetTimer(&Thread->Timer, *Timeout, NULL);
            timerSet = TRUE;
        }
    } while (!done);
    if (timerSet)
        KeCancelTimer(&Thread->Timer);
    return (NTSTATUS)Thread->WaitStatus;
}

/* What the KTHREAD says of a wait, set aside while APCs run: they may wait themselves. */
typedef struct _WAIT_COPY {
    KIRQL WaitIrql;
    KWAIT_REASON WaitReason;
    WAIT_TYPE WaitType;
    BOOLEAN Alertable;
    KPROCESSOR_MODE WaitMode;
    ULONG WaitCount;
    PKWAIT_BLOCK WaitBlocks;
    KWAIT_BLOCK OwnWaitBlocks[THREAD_WAIT_OBJECTS];
} WAIT_COPY;

static VOID SetAside(const KTHREAD *Thread, WAIT_COPY *Copy)
{
    Copy->WaitIrql = Thread->WaitIrql;
    Copy->WaitReason = Thread->WaitReason;
    Copy->WaitType = Thread->WaitType;
    Copy->Alertable = Thread->Alertable;
    Copy->WaitMode = Thread->WaitMode;
    Copy->WaitCount = Thread->WaitCount;
    Copy->WaitBlocks = Thread->WaitBlocks;
    memcpy(Copy->OwnWaitBlocks, Thread->OwnWaitBlocks, sizeof(Copy->OwnWaitBlocks));
}

static VOID TakeUp(PKTHREAD Thread, const WAIT_COPY *Copy)
{
    Thread->WaitIrql = Copy->WaitIrql;
    Thread->WaitReason = Copy->WaitReason;
    Thread->WaitType = Copy->WaitType;
    Thread->Alertable = Copy->Alertable;
    Thread->WaitMode = Copy->WaitMode;
    Thread->WaitCount = Copy->WaitCount;
    Thread->WaitBlocks = Copy->WaitBlocks;
    memcpy(Thread->OwnWaitBlocks, Copy->OwnWaitBlocks, sizeof(Thread->OwnWaitBlocks));
}

/* A pause of the wait, at the IRQL that it was called at. */
static VOID PauseForApcs(PKTHREAD Thread)
{
    WAIT_COPY copy;

    SetAside(Thread, &copy);
    KiSendApcInterrupt();
    KiLowerIrql(copy.WaitIrql); /* they run here */
    KiRaiseIrql(DISPATCH_LEVEL);
    TakeUp(Thread, &copy);
}

/* How long it is to DueTime, as a relative time-out; 0 if that has passed. */
static LONG64 TimeUntil(ULONG64 DueTime)
{
    LONG64 left = (LONG64)(DueTime - KiQueryInterruptTime());

    return left > 0 ? -left : 0;
}

/*
 * The wait whole, then OldIrql. A kernel APC only interrupts it: the wait begins anew, behind all
 * others, with what is left of its time. Meanwhile the thread is in no list: a signal that stays is
 * found afterwards, a pulse is missed (T-KePulseEvent-1).
 */
static NTSTATUS Wait(PKTHREAD Thread, PLARGE_INTEGER Timeout, KIRQL OldIrql)
{
    LARGE_INTEGER left;
    NTSTATUS status;

    while ((status = WaitOrApc(Thread, Timeout)) == STATUS_KERNEL_APC) {
        ULONG64 due = Thread->Timer.DueTime.QuadPart;

        PauseForApcs(Thread);
        if (Timeout && Timeout->QuadPart < 0) {
            left.QuadPart = TimeUntil(due);
            Timeout = &left;
        }
    }
    /* The status is at hand before a DPC that runs here polls an object in this thread's name. */
    KiLowerIrql(OldIrql);
    return status;
}

/*
 * T-WAIT-9, T-KMUTEX-3. The state of a mutex that the thread owns is changed by nobody else, so it
 * can be read without the lock.
 */
static VOID CheckObject(PKTHREAD Thread, PDISPATCHER_HEADER Object, KPROCESSOR_MODE WaitMode)
{
    KI_REQUIRE(WaitMode == KernelMode || (PVOID)Object < Thread->StackLimit ||
                   (PVOID)Object >= Thread->StackBase,
               DRIVER_VERIFIER_DETECTED_VIOLATION, 0x123, Object, 0, 0);
    UNREFERENCED_PARAMETER(WaitMode);
    if (Object->Type == MutantObject && AsMutant(Object)->OwnerThread == Thread &&
        Object->SignalState < -MAXLONG)
        KeBugCheckEx(KMODE_EXCEPTION_NOT_HANDLED, (ULONG)STATUS_MUTANT_LIMIT_EXCEEDED,
                     (ULONG_PTR)__builtin_return_address(0), (ULONG_PTR)Object, 0);
}

/*
 * The end of KeSetEvent and its kin: restores the IRQL, or keeps it at DISPATCH_LEVEL for the wait
 * that must follow at once (BeginWait). No object is touched after the lock has been freed: a
 * released waiter may free it.
 *
 * IRQL:    DISPATCH_LEVEL (not checked)
 * Locks:   frees the dispatcher lock
 * Context: any; with Wait a thread
 * Returns: nothing
 * Source:  contract T-KeSetEvent-3, T-WAIT-IRQL-3
 */
VOID KiFinishSignal(KIRQL OldIrql, BOOLEAN Wait)
{
    PKTHREAD thread = KeGetCurrentThread();

    if (!Wait) {
        KiUnlockDispatcher(OldIrql);
        return;
    }
    thread->WaitNext = TRUE;
    thread->WaitIrql = OldIrql;
    KeReleaseSpinLockFromDpcLevel(&KiDispatcherLock);
}

/*
 * After KeSetEvent and its kin with Wait = TRUE the IRQL is raised already, and the wait restores
 * the one from before (T-WAIT-IRQL-3). That one must allow the wait as well.
 */
static KIRQL BeginWait(PKTHREAD Thread, PVOID Object, PLARGE_INTEGER Timeout)
{
    KIRQL oldIrql = Thread->WaitNext ? Thread->WaitIrql : KeGetCurrentIrql();

    Thread->WaitNext = FALSE;
    if ((oldIrql >= DISPATCH_LEVEL || KiKeepsDispatchRules()) &&
        (oldIrql > DISPATCH_LEVEL || !Timeout || Timeout->QuadPart))
        RefuseToBlock(Object, oldIrql, Timeout);
    /* Raised first: a DPC that polls in this thread's name would write WaitIrql, too. */
    KiRaiseIrql(DISPATCH_LEVEL);
    Thread->WaitIrql = oldIrql;
    return oldIrql;
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

    if (Count > MAXIMUM_WAIT_OBJECTS || (!WaitBlockArray && Count > THREAD_WAIT_OBJECTS))
        KeBugCheckEx(MAXIMUM_WAIT_OBJECTS_EXCEEDED, Count, 0, 0, 0);
    for (ULONG n = 0; n < Count; n++)
        CheckObject(thread, Object[n], WaitMode);

    KIRQL oldIrql = BeginWait(thread, Count ? Object[0] : NULL, Timeout);
    if (WaitType == WaitAll && HasDuplicate(Count, Object)) {
        KiLowerIrql(oldIrql);
        return STATUS_INVALID_PARAMETER_MIX;
    }
    thread->WaitType = WaitType;
    thread->WaitReason = WaitReason;
    thread->WaitMode = WaitMode;
    thread->Alertable = Alertable;
    PrepareBlocks(thread, Count, Object, WaitBlockArray ? WaitBlockArray : thread->OwnWaitBlocks);
    return Wait(thread, Timeout, oldIrql);
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
    return KeWaitForMultipleObjects(1, &Object, WaitAny, WaitReason, WaitMode, Alertable, Timeout,
                                    NULL);
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
    KIRQL oldIrql = BeginWait(thread, Interval, Interval);
    thread->WaitType = WaitAny;
    thread->WaitReason = DelayExecution;
    thread->WaitMode = WaitMode;
    thread->Alertable = Alertable;
    PrepareBlocks(thread, 0, NULL, NULL);
    if (Interval->QuadPart == 0) {
        KeGetCurrentPrcb()->QuantumEnd = TRUE;
        KiRequestDispatch(KeGetCurrentPrcb());
    }
    NTSTATUS status = Wait(thread, Interval, oldIrql);
    return status == STATUS_TIMEOUT ? STATUS_SUCCESS : status;
}
