/*
 * The processor's clock: one-shot interrupts at the next tick or the next due timer, whichever is
 * first. Runs at CLOCK_LEVEL or above, on the processor that owns the clock.
 */
#include "ke.h"
#include "ke/time.h"

/* How often a busy processor is interrupted, in 100 ns. ExSetTimerResolution makes it shorter. */
#define MINIMUM_TICK_INTERVAL 10000u /* 1 ms */
static volatile ULONG TickInterval = KI_TIME_INCREMENT;
static ULONG ResolutionRequests; /* ResolutionLock */
static KSPIN_LOCK ResolutionLock;

static ULONG64 NextTickAfter(ULONG64 Now)
{
    ULONG interval = TickInterval;

    return Now / interval * interval + interval;
}

static ULONG64 NextDue(PKPRCB Prcb)
{
    return *(volatile ULONG64 *)&Prcb->TimerTable.Queue.NextDue;
}

/*
 * When this processor wants its next clock interrupt. A due timer for which the dispatch
 * interrupt has been requested already does not count: it needs IRQL to fall, not the clock.
 */
static ULONG64 NextDeadline(PKPRCB Prcb)
{
    ULONG64 tick = Prcb->Clock.NextTick;
    ULONG64 due = NextDue(Prcb);

    return Prcb->TimerTable.Work == TimersDue || tick < due ? tick : due;
}

/* Timers that are due by now are left to the dispatch interrupt. TRUE: it has been requested. */
FORCEINLINE BOOLEAN RequestExpiry(PKPRCB Prcb, ULONG64 Now)
{
    if (NextDue(Prcb) > Now || Prcb->TimerTable.Work == TimersDue)
        return FALSE;
    Prcb->TimerTable.Work = TimersDue;
    KiRequestOwnDispatch(Prcb);
    return TRUE;
}

/* The hardware itself. The tick is asked for again and again, so its counter value is kept. */
static VOID SetAlarm(PKPRCB Prcb, ULONG64 Time)
{
    Prcb->Clock.Alarm = Time;
    if (Time == Prcb->Clock.NextTick)
        ArchSetClock(Prcb->Clock.NextTickCounter);
    else
        ArchSetClock(KiCounterAtInterruptTime(Time));
}

static VOID SetNextTick(PKPRCB Prcb, ULONG64 Time)
{
    Prcb->Clock.NextTick = Time;
    Prcb->Clock.NextTickCounter = Time == MAXULONG64 ? MAXULONG64 : KiCounterAtInterruptTime(Time);
}

/*
 * Sets this processor's clock for its next tick or its next timer. The loop and the barrier
 * answer the race that IsClockLate in timer.c draws.
 *
 * IRQL:    any (not checked); runs at CLOCK_LEVEL at least
 * Locks:   none
 * Context: on Prcb's own processor
 * Returns: nothing
 * Source:  contract T-TMR-6..8
 */
VOID KiSetClockForTimers(PKPRCB Prcb)
{
    KIRQL oldIrql = ArchReadIrql();
    ULONG64 deadline;

    if (oldIrql < CLOCK_LEVEL)
        ArchWriteIrql(CLOCK_LEVEL);
    do {
        RequestExpiry(Prcb, KiInterruptTimeNow());
        deadline = NextDeadline(Prcb);
        Prcb->Clock.Deadline = deadline;
        KeMemoryBarrier();
    } while (NextDeadline(Prcb) != deadline);
    if (deadline != Prcb->Clock.Alarm)
        SetAlarm(Prcb, deadline);
    ArchWriteIrql(oldIrql);
}

/*
 * Starts the tick of this processor.
 *
 * IRQL:    >= CLOCK_LEVEL (not checked)
 * Locks:   none
 * Context: the start of a processor
 * Returns: nothing
 */
VOID KiStartClock(PKPRCB Prcb)
{
    SetNextTick(Prcb, NextTickAfter(KiQueryInterruptTime()));
    KiSetClockForTimers(Prcb);
}

/* Seldom: has this processor to look after another one now? */
static VOID WatchClock(PKPRCB Prcb, ULONG64 Now)
{
    if (Now >= Prcb->Clock.NextLook)
        KiWatchClock(Prcb, Now);
}

/*
 * The tick's duties, once in a time increment however often the clock interrupts. Increments
 * that went by while the processor was idle count, but are not made up for.
 */
static VOID Tick(PKPRCB Prcb, ULONG64 Now, KIRQL InterruptedIrql)
{
    ULONG64 increment = Now / KI_TIME_INCREMENT;
    ULONG64 elapsed = increment - Prcb->Clock.LastIncrement;

    if (elapsed == 0)
        return;
    Prcb->Clock.LastIncrement = increment;
    Prcb->Clock.Ticks++;
    WatchClock(Prcb, Now);
    KiDpcTick(Prcb, InterruptedIrql, elapsed);
    KiQuantumTick(Prcb);
}

/* The first interrupt of an idle processor. The time page first: nobody reads an old time. */
static VOID EndIdle(PKPRCB Prcb, ULONG64 Now)
{
    Prcb->IdleHalt = FALSE;
    Prcb->DpcData.ProcessorIdle = FALSE;
    KiUpdateTimePage(Now);
    SetNextTick(Prcb, NextTickAfter(Now));
    WatchClock(Prcb, Now);
}

/* A clock interrupt that is more than the end of a timer's interval. */
static __attribute__((noinline)) VOID ServeClock(PKPRCB Prcb, ULONG64 Now, KIRQL InterruptedIrql)
{
    if (Prcb->IdleHalt) {
        EndIdle(Prcb, Now);
    } else if (Now >= Prcb->Clock.NextTick) {
        KiUpdateTimePage(Now);
        SetNextTick(Prcb, NextTickAfter(Now));
        Tick(Prcb, Now, InterruptedIrql);
    }
    if (!RequestExpiry(Prcb, Now))
        KiSetClockForTimers(Prcb);
}

/*
 * The clock interrupt: time page, the tick's duties, due timers, and the next deadline. It may
 * come early or for nothing; it looks at the time and never at the reason. No driver's code is
 * called from here, so the stub saves no SSE registers.
 *
 * When timers are due, the clock stays as ArchClockInterrupt leaves it, a time increment from its
 * next interrupt: the dispatch interrupt finds out what is due next, and sets it. Should that not
 * come, because IRQL does not fall or a DPC routine does not end, the clock interrupts again, finds
 * the request still there, and sets itself for the tick.
 *
 * IRQL:    CLOCK_LEVEL, interrupts off (not checked)
 * Locks:   none held
 * Context: interrupt
 * Returns: nothing; the stub restores the IRQL
 * Source:  contract T-TMR-6, T-DPCQ-11, T-DPCWD-2
 */
VOID KiClockInterrupt(PKTRAP_FRAME TrapFrame)
{
    PKPRCB prcb = KeGetCurrentPrcb();

    ArchClockInterrupt();
    ArchEndInterrupt();
    prcb->Clock.Interrupts++;
    prcb->Clock.Alarm = 0;

    ULONG64 now = KiInterruptTimeNow();

    if (KI_UNLIKELY(prcb->IdleHalt || now >= prcb->Clock.NextTick) || !RequestExpiry(prcb, now))
        ServeClock(prcb, now, TrapFrame->PreviousIrql);
}

/*
 * Gives up the tick: an idle processor is woken by timers and other interrupts only, and by the
 * rare duty to look after another processor.
 *
 * IRQL:    PASSIVE_LEVEL, interrupts off (not checked)
 * Locks:   none
 * Context: the idle loop
 * Returns: nothing
 */
VOID KiEnterIdle(PKPRCB Prcb)
{
    Prcb->IdleHalt = TRUE;
    SetNextTick(Prcb, KiNextClockLook(Prcb));
    KiSetClockForTimers(Prcb);
}

/*
 * Ends an idle period.
 *
 * IRQL:    any, interrupts off (not checked)
 * Locks:   none
 * Context: the first interrupt of an idle processor, if it is not the clock's
 * Returns: nothing
 */
VOID KiLeaveIdle(PKPRCB Prcb)
{
    EndIdle(Prcb, KiQueryInterruptTime());
    KiSetClockForTimers(Prcb);
}

/*
 * Asks for a shorter clock interrupt interval (SetResolution TRUE) or withdraws one request. The
 * shortest interval asked for stays until every request has been withdrawn.
 *
 * IRQL:    <= APC_LEVEL
 * Locks:   takes the resolution lock
 * Context: any
 * Returns: the interval in force, in 100 ns
 * Source:  contract T-ExSetTimerResolution-1..3
 */
ULONG ExSetTimerResolution(ULONG DesiredTime, BOOLEAN SetResolution)
{
    KI_REQUIRE_IRQL_AT_MOST(APC_LEVEL, RULE_IRQL_EX_APC_LTE, "IrqlExApcLte2", DesiredTime);

    KIRQL oldIrql = KeAcquireSpinLockRaiseToDpc(&ResolutionLock);
    if (SetResolution) {
        ResolutionRequests++;
        if (DesiredTime < MINIMUM_TICK_INTERVAL)
            DesiredTime = MINIMUM_TICK_INTERVAL;
        if (DesiredTime < TickInterval)
            TickInterval = DesiredTime;
    } else if (ResolutionRequests && --ResolutionRequests == 0) {
        TickInterval = KI_TIME_INCREMENT;
    }
    ULONG interval = TickInterval;
    KeReleaseSpinLock(&ResolutionLock, oldIrql);
    return interval;
}

/*
 * The longest, the shortest and the current clock interrupt interval, in 100 ns.
 *
 * IRQL:    any
 * Locks:   none
 * Context: any
 * Returns: nothing
 * Source:  contract T-ExQueryTimerResolution-1
 */
VOID ExQueryTimerResolution(PULONG MaximumTime, PULONG MinimumTime, PULONG CurrentTime)
{
    *MaximumTime = KI_TIME_INCREMENT;
    *MinimumTime = MINIMUM_TICK_INTERVAL;
    *CurrentTime = TickInterval;
}
