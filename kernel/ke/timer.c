/*
 * Kernel timers: setting, cancelling, expiry. Runs at DISPATCH_LEVEL under the lock of the timer
 * table that holds the timer; the table's processor is in Timer->Processor.
 */
#include "ke.h"
#include "ke/time.h"

#define UNITS_PER_MILLISECOND 10000ULL

/* Expiries under one hold of the lock; then other processors get their turn. */
#define EXPIRY_BATCH 16

static PKTIMER_TABLE TableOf(ULONG Processor)
{
    return &KiProcessorBlock[Processor]->TimerTable;
}

static BOOLEAN IsTimerType(const KTIMER *Timer)
{
    return Timer->Header.Type == TimerNotificationObject ||
           Timer->Header.Type == TimerSynchronizationObject;
}

/*
 * Is Timer in a timer queue? Believes nothing of what it finds: the memory may be anything.
 *
 * IRQL:    any
 * Locks:   none; the answer is a hint unless the caller keeps the timer still
 * Context: any
 * Returns: TRUE if it looks like a queued timer and the queue's list agrees
 * Source:  contract T-TMR-21, T-KeInitializeTimer-2
 */
BOOLEAN KiIsTimerQueued(const KTIMER *Timer)
{
    const LIST_ENTRY *entry = &Timer->TimerListEntry;

    return IsTimerType(Timer) && Timer->Header.Inserted == TRUE &&
           Timer->Header.Size == sizeof(KTIMER) / sizeof(ULONG) &&
           Timer->Processor < (ULONG)KeNumberProcessors &&
           ArchIsAddressMapped(&entry->Flink->Blink) && entry->Flink->Blink == entry &&
           ArchIsAddressMapped(entry->Blink) && entry->Blink->Flink == entry;
}

/*
 * Makes a timer, without questions.
 *
 * IRQL:    any (not checked)
 * Locks:   none
 * Context: any
 * Returns: nothing
 */
VOID KiInitializeTimer(PKTIMER Timer, TIMER_TYPE Type)
{
    Timer->Header.Type = TimerNotificationObject + (UCHAR)Type;
    Timer->Header.Absolute = FALSE;
    Timer->Header.Size = sizeof(KTIMER) / sizeof(ULONG);
    Timer->Header.Inserted = FALSE;
    Timer->Header.SignalState = 0;
    InitializeListHead(&Timer->Header.WaitListHead);
    Timer->DueTime.QuadPart = 0;
    Timer->TimerListEntry.Flink = Timer->TimerListEntry.Blink = NULL;
    Timer->Dpc = NULL;
    Timer->Processor = KeGetCurrentPrcb()->Number;
    Timer->Period = 0;
}

/*
 * Makes a timer: not set, not signaled.
 *
 * IRQL:    <= DISPATCH_LEVEL
 * Locks:   none
 * Context: any
 * Returns: nothing
 * Source:  contract T-KeInitializeTimer-1..2, T-KeInitializeTimerEx-1
 */
VOID KeInitializeTimerEx(PKTIMER Timer, TIMER_TYPE Type)
{
    KI_REQUIRE_IRQL_AT_MOST(DISPATCH_LEVEL, RULE_IRQL_KE_DISPATCH_LTE, "IrqlKeDispatchLte", Timer);
    KI_REQUIRE(!KiIsTimerQueued(Timer), TIMER_OR_DPC_INVALID, 0, Timer, Timer, Timer + 1);

    KiInitializeTimer(Timer, Type);
}

/*
 * Makes a notification timer.
 *
 * IRQL:    <= DISPATCH_LEVEL
 * Locks:   none
 * Context: any
 * Returns: nothing
 * Source:  contract T-KeInitializeTimer-1
 */
VOID KeInitializeTimer(PKTIMER Timer)
{
    KI_REQUIRE_IRQL_AT_MOST(DISPATCH_LEVEL, RULE_IRQL_KE_DISPATCH_LTE, "IrqlKeDispatchLte", Timer);
    KeInitializeTimerEx(Timer, NotificationTimer);
}

/*
 * Locks the table that holds Timer and the table of processor Target, in the order of processor
 * numbers, and returns the number of the former. Timer->Processor changes only under the lock of
 * the table that it names, so it is looked at again when the locks are held:
 *
 *     this processor                      another processor, setting the same timer
 *     source = Timer->Processor (0)
 *                                         has table 0: Timer->Processor = 1, releases table 0
 *     locks table 0 (and Target's)
 *     Timer->Processor is 1: releases, again from the start
 */
static ULONG LockTables(PKTIMER Timer, ULONG Target)
{
    for (;;) {
        ULONG source = *(volatile ULONG *)&Timer->Processor;
        ULONG first = source < Target ? source : Target;
        ULONG second = source < Target ? Target : source;

        KiAcquireLockAtDpcLevel(&TableOf(first)->Lock);
        if (second != first)
            KiAcquireLockAtDpcLevel(&TableOf(second)->Lock);
        if (*(volatile ULONG *)&Timer->Processor == source)
            return source;
        if (second != first)
            KiReleaseLockFromDpcLevel(&TableOf(second)->Lock);
        KiReleaseLockFromDpcLevel(&TableOf(first)->Lock);
    }
}

static VOID UnlockTables(ULONG Source, ULONG Target)
{
    if (Source != Target)
        KiReleaseLockFromDpcLevel(&TableOf(Source)->Lock);
    KiReleaseLockFromDpcLevel(&TableOf(Target)->Lock);
}

/* Locks the table that holds Timer, by the same rule. */
static PKTIMER_TABLE LockTable(PKTIMER Timer)
{
    for (;;) {
        ULONG processor = *(volatile ULONG *)&Timer->Processor;

        KiAcquireLockAtDpcLevel(&TableOf(processor)->Lock);
        if (*(volatile ULONG *)&Timer->Processor == processor)
            return TableOf(processor);
        KiReleaseLockFromDpcLevel(&TableOf(processor)->Lock);
    }
}

/* Takes Timer out of its queue if it is in one. Its table is locked. */
static BOOLEAN RemoveIfSet(PKTIMER Timer)
{
    if (!Timer->Header.Inserted)
        return FALSE;
    KiRemoveTimer(&TableOf(Timer->Processor)->Queue, Timer);
    Timer->Header.Inserted = FALSE;
    return TRUE;
}

/*
 * The due time in interrupt time. It saturates instead of wrapping into the past (T-TMR-5). An
 * absolute one that has gone by is due at once; the grid of a periodic timer begins there.
 */
static ULONG64 ComputeDueTime(const KTIMER_TABLE *Table, LONG64 DueTime, ULONG Period)
{
    LONG64 now = (LONG64)KiQueryInterruptTime();
    LONG64 due;

    if (DueTime < 0) {
        if (__builtin_sub_overflow(now, DueTime, &due))
            due = MAXLONGLONG;
        return (ULONG64)due;
    }
    if (__builtin_sub_overflow(DueTime, Table->SystemTimeOffset, &due))
        due = Table->SystemTimeOffset < 0 ? MAXLONGLONG : 0;
    if (due < now && Period)
        due = now;
    return due < 0 ? 0 : (ULONG64)due;
}

/*
 * Timer has become the earliest of Target's queue, perhaps. Tells the clock.
 *
 *     this processor (P)                    Target (T), in KiSetClockForTimers
 *     NextDue = due (under the lock)        reads NextDue
 *     barrier                               Deadline = what it has read
 *     reads T's Deadline                    barrier
 *     due < Deadline: interrupt to T        reads NextDue again; changed: once more
 *
 * Each side writes its word, then reads the other's, so at least one of them sees the other.
 */
static VOID TellClock(ULONG Target, ULONG64 Due)
{
    PKPRCB prcb = KiProcessorBlock[Target];

    KeMemoryBarrier();
    if (Due >= *(volatile ULONG64 *)&prcb->Clock.Deadline)
        return;
    if (prcb == KeGetCurrentPrcb())
        KiSetClockForTimers(prcb);
    else
        ArchSendInterrupt(Target, CLOCK_VECTOR);
}

/* A timer with a targeted DPC lives with its target, so that the DPC is inserted there. */
static ULONG ChooseProcessor(const KDPC *Dpc)
{
    return Dpc && Dpc->Number ? Dpc->Number - 1u : KeGetCurrentPrcb()->Number;
}

static BOOLEAN SetTimer(PKTIMER Timer, LARGE_INTEGER DueTime, ULONG Period, PKDPC Dpc)
{
    KIRQL oldIrql = KiRaiseIrql(DISPATCH_LEVEL);
    ULONG target = ChooseProcessor(Dpc);
    ULONG source = LockTables(Timer, target);
    PKTIMER_TABLE table = TableOf(target);
    BOOLEAN wasSet = RemoveIfSet(Timer);
    ULONG64 due = ComputeDueTime(table, DueTime.QuadPart, Period);

    Timer->Header.SignalState = 0;
    Timer->Header.Absolute = DueTime.QuadPart >= 0;
    Timer->Header.Inserted = TRUE;
    Timer->DueTime.QuadPart = due;
    Timer->Dpc = Dpc;
    Timer->Period = Period;
    Timer->Processor = target;
    KiInsertTimer(&table->Queue, Timer);
    KD_TRACE(KD_CLASS_FLOW, TraceTimerSet, Timer, due, Dpc);
    UnlockTables(source, target);

    /* From here on the timer may have expired and be gone. */
    TellClock(target, due);
    KiLowerIrql(oldIrql);
    return wasSet;
}

/*
 * Sets a timer to expire at DueTime (100 ns; negative: from now) and, if Period is not 0, every
 * Period milliseconds after that. A timer that is set already is taken out in the same step.
 *
 * IRQL:    <= DISPATCH_LEVEL
 * Locks:   takes the locks of the timer tables that hold and get the timer
 * Context: any
 * Returns: TRUE if the timer was set already
 * Source:  contract T-KeSetTimerEx-1..3, T-KeSetTimer-1..9, T-TMR-1..5, T-TMR-17
 */
BOOLEAN KeSetTimerEx(PKTIMER Timer, LARGE_INTEGER DueTime, LONG Period, PKDPC Dpc)
{
    KI_REQUIRE_IRQL_AT_MOST(DISPATCH_LEVEL, RULE_IRQL_KE_DISPATCH_LTE, "IrqlKeDispatchLte", Timer);
    KI_REQUIRE(IsTimerType(Timer), TIMER_OR_DPC_INVALID, 0, Timer, Timer, Timer + 1);
    KI_REQUIRE(!Dpc || Dpc->Number <= KeNumberProcessors, TIMER_OR_DPC_INVALID, 3, Dpc,
               Dpc->Number - 1, KeNumberProcessors);
    return SetTimer(Timer, DueTime, Period > 0 ? (ULONG)Period : 0, Dpc);
}

/*
 * Sets a timer to expire once.
 *
 * IRQL:    <= DISPATCH_LEVEL
 * Locks:   takes the locks of the timer tables that hold and get the timer
 * Context: any
 * Returns: TRUE if the timer was set already
 * Source:  contract T-KeSetTimer-1..9
 */
BOOLEAN KeSetTimer(PKTIMER Timer, LARGE_INTEGER DueTime, PKDPC Dpc)
{
    KI_REQUIRE_IRQL_AT_MOST(DISPATCH_LEVEL, RULE_IRQL_KE_DISPATCH_LTE, "IrqlKeDispatchLte", Timer);
    return KeSetTimerEx(Timer, DueTime, 0, Dpc);
}

/*
 * Sets a timer whose expiry may be late by TolerableDelay ms. It comes exactly on time: with
 * one-shot hardware there is no tick that expiries could share.
 *
 * IRQL:    <= DISPATCH_LEVEL
 * Locks:   takes the locks of the timer tables that hold and get the timer
 * Context: any
 * Returns: TRUE if the timer was set already
 * Source:  contract T-KeSetCoalescableTimer-1..4
 */
BOOLEAN KeSetCoalescableTimer(PKTIMER Timer, LARGE_INTEGER DueTime, ULONG Period,
                              ULONG TolerableDelay, PKDPC Dpc)
{
    KI_REQUIRE_IRQL_AT_MOST(DISPATCH_LEVEL, RULE_IRQL_KE_DISPATCH_LTE, "IrqlKeDispatchLte", Timer);
    UNREFERENCED_PARAMETER(TolerableDelay);
    return KeSetTimerEx(Timer, DueTime, Period > MAXLONG ? MAXLONG : (LONG)Period, Dpc);
}

/*
 * Takes a timer out of its queue. Signal state and waiters stay as they are; a DPC that is
 * queued or running stays so too.
 *
 * IRQL:    <= DISPATCH_LEVEL
 * Locks:   takes the lock of the timer table that holds the timer
 * Context: any
 * Returns: TRUE if the timer was set
 * Source:  contract T-KeCancelTimer-1..7, T-TMR-13, T-TMR-20
 */
BOOLEAN KeCancelTimer(PKTIMER Timer)
{
    KI_REQUIRE_IRQL_AT_MOST(DISPATCH_LEVEL, RULE_IRQL_KE_DISPATCH_LTE, "IrqlKeDispatchLte", Timer);
    KI_REQUIRE(IsTimerType(Timer), TIMER_OR_DPC_INVALID, 0, Timer, Timer, Timer + 1);

    KIRQL oldIrql = KiRaiseIrql(DISPATCH_LEVEL);
    PKTIMER_TABLE table = LockTable(Timer);
    BOOLEAN wasSet = RemoveIfSet(Timer);

    KD_TRACE(KD_CLASS_FLOW, TraceTimerCancel, Timer, wasSet, 0);
    KiReleaseLockFromDpcLevel(&table->Lock);
    KiLowerIrql(oldIrql);
    return wasSet;
}

/*
 * Has the timer expired since it was last set? Consumes nothing.
 *
 * IRQL:    <= DISPATCH_LEVEL
 * Locks:   none; the answer can be stale when it arrives
 * Context: any
 * Returns: TRUE if it is signaled
 * Source:  contract T-KeReadStateTimer-1
 */
BOOLEAN KeReadStateTimer(PKTIMER Timer)
{
    KI_REQUIRE_IRQL_AT_MOST(DISPATCH_LEVEL, RULE_IRQL_KE_DISPATCH_LTE, "IrqlKeDispatchLte", Timer);
    return Timer->Header.SignalState != 0;
}

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
static VOID SignalTimer(PKTIMER Timer)
{
    if (Timer->Dpc) {
        Timer->Header.SignalState = 1;
        KeMemoryBarrier();
        if (IsListEmpty(&Timer->Header.WaitListHead))
            return;
    }
    KiSignalTimer(Timer);
}

/*
 * One expiry: out of the queue (a periodic timer: in again), signaled, waiters released, DPC
 * inserted: one step for everybody who takes the table's lock (T-TMR-10). The DPC's routine may
 * free a one-shot timer on another processor, so the insertion comes last.
 */
static VOID ExpireTimer(PKTIMER_TABLE Table, PKTIMER Timer, ULONG64 Now)
{
    PKDPC dpc = Timer->Dpc;

    KD_TRACE(KD_CLASS_FLOW, TraceTimerExpire, Timer, Timer->DueTime.QuadPart,
             Now - (ULONG64)Timer->DueTime.QuadPart);
    if (Timer->Period) {
        Timer->Header.Absolute = FALSE;
        Timer->DueTime.QuadPart = NextPeriod(Timer, Now);
        KiInsertTimer(&Table->Queue, Timer);
    } else {
        Timer->Header.Inserted = FALSE;
    }
    SignalTimer(Timer);
    if (dpc)
        KiInsertTimerDpc(dpc);
}

/*
 * Expires what is due on this processor, in order of due time, then sets the clock for the rest.
 *
 * IRQL:    DISPATCH_LEVEL (not checked)
 * Locks:   takes this processor's timer table's lock, in batches
 * Context: the dispatch interrupt
 * Returns: nothing
 * Source:  contract T-TMR-10, T-TMR-16, T-TMR-23..26
 */
VOID KiExpireTimers(PKPRCB Prcb)
{
    PKTIMER_TABLE table = &Prcb->TimerTable;
    ULONG64 now = KiQueryInterruptTime();
    PKTIMER timer;

    table->Requested = FALSE;
    do {
        KiAcquireLockAtDpcLevel(&table->Lock);
        for (ULONG n = 0; n < EXPIRY_BATCH; n++) {
            timer = KiTakeDueTimer(&table->Queue, now);
            if (!timer)
                break;
            ExpireTimer(table, timer, now);
        }
        KiReleaseLockFromDpcLevel(&table->Lock);
    } while (timer);
    KiSetClockForTimers(Prcb);
}

/*
 * Moves a processor's absolute timers to a new relation of system time and interrupt time.
 *
 * IRQL:    DISPATCH_LEVEL (not checked)
 * Locks:   takes the timer table's lock; walks its whole queue
 * Context: KeSetSystemTime
 * Returns: nothing
 * Source:  contract T-TMR-4, T-TMR-26
 */
VOID KiMoveAbsoluteTimers(PKPRCB Prcb, LONG64 NewOffset)
{
    PKTIMER_TABLE table = &Prcb->TimerTable;

    KiAcquireLockAtDpcLevel(&table->Lock);
    KiShiftAbsoluteTimers(&table->Queue, table->SystemTimeOffset - NewOffset);
    table->SystemTimeOffset = NewOffset;
    ULONG64 due = table->Queue.NextDue;
    KiReleaseLockFromDpcLevel(&table->Lock);
    TellClock(Prcb->Number, due);
}
