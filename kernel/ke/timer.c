/*
 * Kernel timers: setting and cancelling. Runs at DISPATCH_LEVEL under the lock of the timer
 * table that holds the timer; the table's processor is in Timer->Processor.
 */
#include "ke.h"
#include "ke/time.h"

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

/* Takes Timer out of its queue if it is in one. Its table, Table, is locked. */
FORCEINLINE BOOLEAN RemoveIfSet(PKTIMER_TABLE Table, PKTIMER Timer)
{
    if (!Timer->Header.Inserted)
        return FALSE;
    KiRemoveTimer(&Table->Queue, Timer);
    Timer->Header.Inserted = FALSE;
    return TRUE;
}

/*
 * An absolute due time in interrupt time. One that has gone by is due at once; the grid of a
 * periodic timer begins there.
 */
FORCEINLINE ULONG64 AbsoluteDueTime(PKTIMER Timer, const KTIMER_TABLE *Table, LONG64 DueTime,
                                    LONG64 Now)
{
    LONG64 due;

    Timer->Header.Absolute = TRUE;
    if (__builtin_sub_overflow(DueTime, Table->SystemTimeOffset, &due))
        due = Table->SystemTimeOffset < 0 ? MAXLONGLONG : 0;
    if (due < Now && Timer->Period)
        due = Now;
    return due < 0 ? 0 : (ULONG64)due;
}

/* The due time in interrupt time. It saturates instead of wrapping into the past (T-TMR-5). */
FORCEINLINE ULONG64 ComputeDueTime(PKTIMER Timer, const KTIMER_TABLE *Table, LONG64 DueTime)
{
    LONG64 now = (LONG64)KiInterruptTimeNow();
    LONG64 due;

    Timer->Header.Absolute = FALSE;
    if (KI_UNLIKELY(DueTime >= 0))
        return AbsoluteDueTime(Timer, Table, DueTime, now);
    if (KI_UNLIKELY(__builtin_sub_overflow(now, DueTime, &due)))
        return MAXLONGLONG;
    return (ULONG64)due;
}

/*
 * A timer has become the earliest of Target's queue. Is the clock set too late for it?
 *
 *     this processor (P)                    Target (T), in KiSetClockForTimers
 *     NextDue = due (under the lock)        reads NextDue
 *     barrier                               Deadline = what it has read
 *     reads T's Deadline                    barrier
 *     due < Deadline: interrupt to T        reads NextDue again; changed: once more
 *
 * Each side writes its word, then reads the other's, so at least one of them sees the other. Who
 * has not brought NextDue down need not ask: the clock is set for NextDue, or somebody sees to it.
 */
FORCEINLINE BOOLEAN IsClockLate(PKPRCB Target, ULONG64 Due)
{
    KeMemoryBarrier();
    return Due < *(volatile ULONG64 *)&Target->Clock.Deadline;
}

static VOID SetClockOf(PKPRCB Target)
{
    if (Target == KeGetCurrentPrcb())
        KiSetClockForTimers(Target);
    else
        ArchSendInterrupt(Target->Number, CLOCK_VECTOR);
}

/* A timer with a targeted DPC lives with its target, so that the DPC is inserted there. */
FORCEINLINE PKPRCB ChooseProcessor(const KDPC *Dpc)
{
    return Dpc && Dpc->Number ? KiProcessorBlock[Dpc->Number - 1] : KeGetCurrentPrcb();
}

/*
 * The setting itself: the table of Target is locked, and is the one of Timer. Returns TRUE if the
 * clock has to be told.
 */
FORCEINLINE BOOLEAN SetLocked(PKTIMER Timer, LONG64 DueTime, PKPRCB Target)
{
    PKTIMER_TABLE table = &Target->TimerTable;

    Timer->Header.Inserted = TRUE;
    Timer->Header.SignalState = 0;

    ULONG64 due = ComputeDueTime(Timer, table, DueTime);

    KD_TRACE_LEAF(KD_CLASS_FLOW, TraceTimerSet, Timer, due, Timer->Dpc);
    return KiInsertTimer(&table->Queue, Timer, due);
}

/*
 * The end of a setting: the table of Target is locked, period and DPC are in the timer. Sets it and
 * lowers the IRQL.
 */
FORCEINLINE VOID FinishSetting(PKTIMER Timer, LONG64 DueTime, PKPRCB Target, KIRQL OldIrql)
{
    BOOLEAN earliest = SetLocked(Timer, DueTime, Target);
    ULONG64 due = Timer->DueTime.QuadPart;

    KiReleaseLockFromDpcLevel(&Target->TimerTable.Lock);

    /* From here on the timer may have expired and be gone. */
    if (KI_UNLIKELY(earliest) && IsClockLate(Target, due))
        ArchCallKeepingRegisters(SetClockOf, Target, 0, 0, 0);
    KiLowerIrql(OldIrql);
}

/* A timer that another processor holds, or held last. */
static BOOLEAN SetElsewhere(PKTIMER Timer, LONG64 DueTime, ULONG Period, PKDPC Dpc)
{
    KIRQL oldIrql = KiRaiseIrql(DISPATCH_LEVEL);
    PKPRCB target = ChooseProcessor(Dpc);
    ULONG source = LockTables(Timer, target->Number);
    BOOLEAN wasSet = RemoveIfSet(TableOf(source), Timer);

    if (source != target->Number) {
        Timer->Processor = target->Number;
        KiReleaseLockFromDpcLevel(&TableOf(source)->Lock);
    }
    Timer->Dpc = Dpc;
    Timer->Period = Period;
    FinishSetting(Timer, DueTime, target, oldIrql);
    return wasSet;
}

/* A timer that is set already. The table of Target, which is locked, has it and gets it again. */
static BOOLEAN SetAgain(PKTIMER Timer, LONG64 DueTime, PKPRCB Target, KIRQL OldIrql)
{
    KiRemoveTimer(&Target->TimerTable.Queue, Timer);
    FinishSetting(Timer, DueTime, Target, OldIrql);
    return TRUE;
}

/*
 * A timer stays with its processor, as a rule. Then the table that gets it is the one that holds
 * it, and its lock shows whether that is so. What else there may be is left to calls at the end:
 * a timer that is not set yet needs neither a stack frame nor saved registers.
 */
FORCEINLINE BOOLEAN SetTimer(PKTIMER Timer, LONG64 DueTime, ULONG Period, PKDPC Dpc)
{
    KIRQL oldIrql = KiRaiseIrql(DISPATCH_LEVEL);
    PKPRCB target = ChooseProcessor(Dpc);
    PKTIMER_TABLE table = &target->TimerTable;

    KiAcquireLockAtDpcLevel(&table->Lock);
    if (KI_UNLIKELY(Timer->Processor != target->Number)) {
        KiReleaseLockFromDpcLevel(&table->Lock);
        KiLowerIrql(oldIrql);
        return SetElsewhere(Timer, DueTime, Period, Dpc);
    }
    Timer->Dpc = Dpc;
    Timer->Period = Period;
    if (Timer->Header.Inserted)
        return SetAgain(Timer, DueTime, target, oldIrql);
    FinishSetting(Timer, DueTime, target, oldIrql);
    return FALSE;
}

static VOID RequireTimerAndDpc(const KTIMER *Timer, const KDPC *Dpc)
{
    KI_REQUIRE(IsTimerType(Timer), TIMER_OR_DPC_INVALID, 0, Timer, Timer, Timer + 1);
    KI_REQUIRE(!Dpc || Dpc->Number <= KeNumberProcessors, TIMER_OR_DPC_INVALID, 3, Dpc,
               Dpc->Number - 1, KeNumberProcessors);
    UNREFERENCED_PARAMETER(Timer);
    UNREFERENCED_PARAMETER(Dpc);
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
    RequireTimerAndDpc(Timer, Dpc);
    return SetTimer(Timer, DueTime.QuadPart, Period > 0 ? (ULONG)Period : 0, Dpc);
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
    RequireTimerAndDpc(Timer, Dpc);
    return SetTimer(Timer, DueTime.QuadPart, 0, Dpc);
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
    BOOLEAN wasSet = RemoveIfSet(table, Timer);

    KD_TRACE_LEAF(KD_CLASS_FLOW, TraceTimerCancel, Timer, wasSet, 0);
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
    if (IsClockLate(Prcb, due))
        SetClockOf(Prcb);
}
