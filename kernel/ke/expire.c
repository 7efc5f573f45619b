/*
 * Expiry: what becomes of timers that are due. Runs at DISPATCH_LEVEL in the dispatch interrupt,
 * before DPCs are taken out of their queue, under the lock of this processor's timer table.
 */
#include "dpc.h"
#include "time.h"

#define UNITS_PER_MILLISECOND 10000ULL
#define LONGEST_RUN           16 /* timers that expire with interrupts off */

/*
 * The next due time of a periodic timer: on its grid, hence without drift, and in the future.
 * Expiries that a stall has made late are merged into the one that is happening (T-TMR-25).
 */
static ULONG64 NextPeriod(const KTIMER *Timer, ULONG64 Now)
{
    ULONG64 period = Timer->Period * UNITS_PER_MILLISECOND;
    ULONG64 next = Timer->DueTime.QuadPart + period;

    if (next <= Now)
        next += (Now - next) / period * period + period;
    return next;
}

/* A periodic timer is in the queue again before anybody hears of its expiry (T-TMR-23). */
static VOID SetAgain(PKTIMER_QUEUE Queue, PKTIMER Timer, ULONG64 Now)
{
    Timer->Header.Absolute = FALSE;
    KiInsertTimer(Queue, Timer, NextPeriod(Timer, Now));
}

/*
 * One expiry: out of the queue (a periodic timer: in again), signaled, waiters released, DPC
 * inserted: one step for everybody who takes the table's lock (T-TMR-10).
 *
 * Without a DPC the timer may be freed by whoever sees it signaled, so that happens under the
 * dispatcher lock, and nothing of it is touched after. The routine of a DPC that has a target may
 * free a one-shot timer on another processor, so the insertion comes last.
 */
static __attribute__((noinline)) VOID ExpireTimer(PKPRCB Prcb, PKTIMER Timer, ULONG64 Now)
{
    PKTIMER_QUEUE queue = &Prcb->TimerTable.Queue;
    PKDPC dpc = Timer->Dpc;

    KD_TRACE(KD_CLASS_FLOW, TraceTimerExpire, Timer, Timer->DueTime.QuadPart,
             Now - Timer->DueTime.QuadPart);
    KiRemoveTimer(queue, Timer);
    if (Timer->Period)
        SetAgain(queue, Timer, Now);
    else
        Timer->Header.Inserted = FALSE;
    KiSignalTimer(Timer);
    if (dpc)
        KiInsertTimerDpc(dpc);
}

/* As nearly all are: set once, with a DPC that belongs into this processor's queue. */
FORCEINLINE BOOLEAN IsPlainTimer(const KTIMER *Timer)
{
    return !Timer->Period && Timer->Dpc && KiIsPlainDpc(Timer->Dpc);
}

/* Queued: the timer's DPC, or NULL if it was queued before. */
static VOID TraceExpiry(const KTIMER *Timer, PKDPC Queued)
{
    ULONG64 due = Timer->DueTime.QuadPart;

    KD_TRACE(KD_CLASS_FLOW, TraceTimerExpire, Timer, due, KiInterruptTimeNow() - due);
    if (Queued)
        KD_TRACE(KD_CLASS_FLOW, TraceDpcQueue, Queued, Queued->DeferredRoutine,
                 KiTraceDpcFlags(FALSE, TRUE) | KeGetCurrentPrcb()->Number);
}

/*
 * The expiry of a plain timer but for the queue, which its caller sees to. The DPC queue is locked:
 * its drain is under way, so nothing has to be requested.
 */
FORCEINLINE VOID SignalPlainTimer(PKTIMER Timer, PKDPC_DATA Data)
{
    PKDPC dpc = Timer->Dpc;

    Timer->Header.Inserted = FALSE;
    Timer->Header.SignalState = 1;
    if (KI_LIKELY(KiClaimDpc(dpc, Data))) {
        KiLinkDpc(dpc, Data, NULL, NULL, TRUE, FALSE);
        if (KI_UNLIKELY(KdTraceClasses & KD_CLASS_FLOW))
            ArchCallKeepingRegisters(TraceExpiry, Timer, dpc, 0, 0);
    } else if (KdTraceClasses & KD_CLASS_FLOW) {
        ArchCallKeepingRegisters(TraceExpiry, Timer, NULL, 0, 0);
    }
}

/* Waiters of a timer that is signaled already. */
static VOID ReleaseWaiters(PKTIMER Timer)
{
    KiAcquireLockAtDpcLevel(&KiDispatcherLock);
    KiReleaseWaiters(&Timer->Header, IO_NO_INCREMENT);
    KiReleaseLockFromDpcLevel(&KiDispatcherLock);
}

/*
 * Expires the plain timers at the begin of a list, the first of which is one: all of them under one
 * hold of the DPC queue's lock, with interrupts off in the place of HIGH_LEVEL, hence not too many;
 * and none beyond one for which somebody waits. Those are released last: a timer with a plain DPC
 * is not freed before that has run on this processor.
 *
 * The claim of the DPC, a locked operation, is the barrier between the signal and the look at the
 * waiters; IsOverAfterAll in wait.c is the other half of it.
 */
static __attribute__((noinline)) VOID ExpirePlainTimers(PKPRCB Prcb, PLIST_ENTRY Due)
{
    PKDPC_DATA data = &Prcb->DpcData;
    PLIST_ENTRY entry = Due->Flink;
    ULONG room = LONGEST_RUN;
    PKTIMER timer;

    ArchMaskInterrupts();
    KiLock(&data->Lock);
    do {
        timer = CONTAINING_RECORD(entry, KTIMER, TimerListEntry);
        SignalPlainTimer(timer, data);
        entry = entry->Flink;
    } while (--room != 0 && entry != Due && IsListEmpty(&timer->Header.WaitListHead) &&
             IsPlainTimer(CONTAINING_RECORD(entry, KTIMER, TimerListEntry)));
    Due->Flink = entry;
    entry->Blink = Due;
    Prcb->TimerTable.Queue.Count -= LONGEST_RUN - room;
    BOOLEAN waited = !IsListEmpty(&timer->Header.WaitListHead);
    KiUnlock(&data->Lock);
    ArchEnableInterrupts();

    if (KI_UNLIKELY(waited))
        ReleaseWaiters(timer);
}

/*
 * Expires what is due, in order of due time; the table's lock is freed now and then. Behind it the
 * clock is owed: NextDue is still the time that has come, so nobody who sets a timer brings it
 * down, and nobody tells the clock, which will be set for that timer too.
 *
 * IRQL:    DISPATCH_LEVEL (not checked)
 * Locks:   takes this processor's timer table's lock, for some timers at a time
 * Context: the dispatch interrupt
 * Returns: nothing
 * Source:  contract T-TMR-10, T-TMR-16, T-TMR-23..26
 */
VOID KiExpireTimers(PKPRCB Prcb)
{
    PKTIMER_TABLE table = &Prcb->TimerTable;
    PLIST_ENTRY due;

    table->Work = ClockOwed; /* before the time is read: the clock may ask again from now on */

    ULONG64 now = KiInterruptTimeNow();

    do {
        KiAcquireLockAtDpcLevel(&table->Lock);
        due = KiDueTimers(&table->Queue, now);
        if (due) {
            PKTIMER first = CONTAINING_RECORD(due->Flink, KTIMER, TimerListEntry);

            if (KI_LIKELY(IsPlainTimer(first)))
                ExpirePlainTimers(Prcb, due);
            else
                ExpireTimer(Prcb, first, now);
        }
        KiReleaseLockFromDpcLevel(&table->Lock);
    } while (due && table->Queue.Count != 0); /* KiSettleClock sees what is added from now on */
}

/*
 * Sets the clock for the timers that are left, which it was owed. If more are due by now, Work says
 * so again.
 *
 * IRQL:    DISPATCH_LEVEL (not checked)
 * Locks:   takes this processor's timer table's lock
 * Context: the dispatch interrupt
 * Returns: nothing
 * Source:  contract T-TMR-6
 */
VOID KiSettleClock(PKPRCB Prcb)
{
    PKTIMER_TABLE table = &Prcb->TimerTable;

    table->Work = NoTimerWork;
    KiAcquireLockAtDpcLevel(&table->Lock);
    KiFindNextDue(&table->Queue, KiInterruptTimeNow());
    KiReleaseLockFromDpcLevel(&table->Lock);
    KiSetClockForTimers(Prcb);
}
