/*
 * Expiry: what becomes of timers that are due. Runs at DISPATCH_LEVEL in the dispatch interrupt,
 * before DPCs are taken out of their queue, under the lock of this processor's timer table.
 */
#include "dpc.h"
#include "time.h"

#define UNITS_PER_MILLISECOND 10000ULL

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

/*
 * Signals the timer and releases its waiters. Without a DPC the timer may be freed by whoever sees
 * it signaled in a wait, so that happens under the dispatcher lock, and nothing of it is touched
 * after. A timer with a DPC is not freed before its DPC has run, so the lock is needed only if
 * somebody waits; Join in wait.c is the other half of that look at the list.
 */
FORCEINLINE VOID SignalTimer(PKTIMER Timer, const KDPC *Dpc)
{
    if (KI_LIKELY(Dpc)) {
        Timer->Header.SignalState = 1;
        KeMemoryBarrier();
        if (KI_LIKELY(IsListEmpty(&Timer->Header.WaitListHead)))
            return;
    }
    KiSignalTimer(Timer);
}

/*
 * Queues a timer's DPC on this processor, whose drain is under way: nothing has to be requested.
 * Interrupts are off meanwhile, in the place of HIGH_LEVEL. The arguments mean nothing.
 */
FORCEINLINE VOID QueuePlainDpc(PKPRCB Prcb, PKDPC Dpc)
{
    ArchMaskInterrupts();
    KiLock(&Prcb->DpcData.Lock);
    if (KI_LIKELY(KiClaimDpc(Dpc, &Prcb->DpcData))) {
        KiLinkDpc(Dpc, &Prcb->DpcData, NULL, NULL, TRUE, FALSE);
        KD_TRACE_LEAF(KD_CLASS_FLOW, TraceDpcQueue, Dpc, Dpc->DeferredRoutine,
                      KiTraceDpcFlags(FALSE, TRUE) | Prcb->Number);
    }
    KiUnlock(&Prcb->DpcData.Lock);
    ArchEnableInterrupts();
}

/*
 * One expiry: out of the queue (a periodic timer: in again), signaled, waiters released, DPC
 * inserted: one step for everybody who takes the table's lock (T-TMR-10). The DPC's routine may
 * free a one-shot timer on another processor, so the insertion comes last.
 */
FORCEINLINE VOID ExpireTimer(PKPRCB Prcb, PKTIMER Timer)
{
    PKTIMER_QUEUE queue = &Prcb->TimerTable.Queue;
    PKDPC dpc = Timer->Dpc;

    KD_TRACE_LEAF(KD_CLASS_FLOW, TraceTimerExpire, Timer, Timer->DueTime.QuadPart,
                  KiInterruptTimeNow() - Timer->DueTime.QuadPart);
    KiRemoveTimer(queue, Timer);
    if (KI_UNLIKELY(Timer->Period)) {
        Timer->Header.Absolute = FALSE;
        KiInsertTimer(queue, Timer, NextPeriod(Timer, KiInterruptTimeNow()));
    } else {
        Timer->Header.Inserted = FALSE;
    }
    SignalTimer(Timer, dpc);
    if (KI_LIKELY(dpc && KiIsPlainDpc(dpc)))
        QueuePlainDpc(Prcb, dpc);
    else if (dpc)
        KiInsertTimerDpc(dpc);
}

/* The timer to expire next; its table is locked. What is due at the cursor needs no clock. */
FORCEINLINE PKTIMER NextDueTimer(PKTIMER_QUEUE Queue)
{
    PKTIMER timer = KiTimerAtCursor(Queue);

    if (KI_LIKELY(timer))
        return timer;
    return KiAdvanceTimerQueue(Queue, KiInterruptTimeNow()) ? KiTimerAtCursor(Queue) : NULL;
}

/*
 * Expires what is due on this processor, in order of due time, then sets the clock for the rest.
 *
 * IRQL:    DISPATCH_LEVEL (not checked)
 * Locks:   takes this processor's timer table's lock, for one timer at a time
 * Context: the dispatch interrupt
 * Returns: nothing
 * Source:  contract T-TMR-10, T-TMR-16, T-TMR-23..26
 */
VOID KiExpireTimers(PKPRCB Prcb)
{
    PKTIMER_TABLE table = &Prcb->TimerTable;
    PKTIMER timer;

    do {
        KiAcquireLockAtDpcLevel(&table->Lock);
        timer = NextDueTimer(&table->Queue);
        if (KI_LIKELY(timer))
            ExpireTimer(Prcb, timer);
        KiReleaseLockFromDpcLevel(&table->Lock);
    } while (timer);
    table->Requested = FALSE;
    KiSetClockForTimers(Prcb);
}
