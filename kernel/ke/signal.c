/*
 * Signals: what the threads that wait for an object get when its state rises. Objects, wait blocks
 * and threads' states are under the dispatcher lock; a waiting thread has one block in the list of
 * each object it waits for, and one in the list of its own timer if there is a time-out: a time-out
 * is one more object.
 */
#include "ke.h"
#include "ke/wait.h"

/*
 * IRQL:    DISPATCH_LEVEL (not checked)
 * Locks:   the dispatcher lock is held
 * Context: Thread itself, or any while it waits
 * Returns: TRUE if the wait is over (wait.h)
 * Source:  contract T-WAIT-5..6
 */
BOOLEAN KiSatisfyAll(PKTHREAD Thread)
{
    for (ULONG n = 0; n < Thread->WaitCount; n++) {
        if (!KiIsSignaledFor(Thread->WaitBlocks[n].Object, Thread))
            return FALSE;
    }

    LONG64 status = STATUS_WAIT_0;

    for (ULONG n = 0; n < Thread->WaitCount; n++) {
        KiSatisfyBy(&Thread->WaitBlocks[n], Thread);
        if (status == STATUS_WAIT_0 && Thread->WaitStatus >= STATUS_ABANDONED_WAIT_0)
            status = Thread->WaitStatus;
    }
    Thread->WaitStatus = status;
    return TRUE;
}

/* Above its base priority by Increment, but not real-time. Each quantum it uses takes one away. */
static __attribute__((noinline)) VOID Boost(PKTHREAD Thread, KPRIORITY Increment)
{
    KPRIORITY room = LOW_REALTIME_PRIORITY - 1 - Thread->BasePriority;
    KPRIORITY boosted = Thread->BasePriority + (Increment < room ? Increment : room);

    if (Thread->Priority < boosted)
        Thread->Priority = (CHAR)boosted;
}

/* The end of Thread's wait with WaitStatus; its priority rises by Increment for a while. */
FORCEINLINE VOID EndWait(PKTHREAD Thread, KPRIORITY Increment)
{
    KD_TRACE(KD_CLASS_FLOW, TraceThreadWake, Thread, Thread->WaitStatus, 0);
    KiUnlinkBlocks(Thread);
    if (Increment > 0 && Thread->BasePriority < LOW_REALTIME_PRIORITY)
        Boost(Thread, Increment);
    KiReadyThread(Thread);
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
    Thread->WaitStatus = Status;
    EndWait(Thread, Increment);
}

/*
 * The thread whose wait Object, which is signaled, ends first: the longest waiting one, if it does
 * not lack other objects. A wait for any ends with whichever object comes first: none was signaled
 * before, or the thread would not wait.
 */
FORCEINLINE PKTHREAD SatisfyFirst(PDISPATCHER_HEADER Object)
{
    PLIST_ENTRY head = &Object->WaitListHead;

    for (PLIST_ENTRY entry = head->Flink; entry != head; entry = entry->Flink) {
        PKWAIT_BLOCK block = CONTAINING_RECORD(entry, KWAIT_BLOCK, WaitListEntry);
        PKTHREAD thread = block->Thread;
        if (KI_LIKELY(block->WaitType == WaitAny)) {
            KiSatisfyBy(block, thread);
            return thread;
        }
        if (KiSatisfyAll(thread))
            return thread;
    }
    return NULL;
}

/*
 * Releases the waiters of an object that has been signaled, as long as it stays so. Each time from
 * the start of the list: a released thread may have had several blocks in it.
 *
 * IRQL:    DISPATCH_LEVEL (not checked)
 * Locks:   the dispatcher lock is held
 * Context: any
 * Returns: nothing
 * Source:  contract T-DISP-1..2
 */
VOID KiReleaseWaiters(PDISPATCHER_HEADER Object, KPRIORITY Increment)
{
    do {
        PKTHREAD thread = SatisfyFirst(Object);
        if (!thread)
            return;
        EndWait(thread, Increment);
    } while (Object->SignalState > 0);
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
    KiAcquireLockAtDpcLevel(&KiDispatcherLock);
    Timer->Header.SignalState = 1;
    KiReleaseWaiters(&Timer->Header, IO_NO_INCREMENT);
    KiReleaseLockFromDpcLevel(&KiDispatcherLock);
}

/*
 * The end of KeSetEvent and its kin with Wait = TRUE: the IRQL stays at DISPATCH_LEVEL for the wait
 * that must follow at once, and OldIrql is what that one restores.
 *
 * IRQL:    DISPATCH_LEVEL (not checked)
 * Locks:   frees the dispatcher lock
 * Context: a thread
 * Returns: nothing
 * Source:  contract T-KeSetEvent-3, T-WAIT-IRQL-3
 */
VOID KiKeepIrqlForWait(KIRQL OldIrql)
{
    PKPRCB prcb = KeGetCurrentPrcb();

    prcb->CurrentThread->WaitNext = TRUE;
    prcb->CurrentThread->WaitIrql = OldIrql;
    if (prcb->NextThread)
        KiRequestDispatch(prcb); /* the wait may end at once, and make no switch */
    KiReleaseLockFromDpcLevel(&KiDispatcherLock);
}
