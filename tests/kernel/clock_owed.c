/*
 * The clock behind a timer that has expired: it is set when the first DPC routine has ended. Until
 * then the tick goes on, and what falls due meanwhile is found as if it had been set before.
 */
#define SUITE "clock.owed"
#include "suite.h"

static KT_PROBE First, Other, Target;
static KDPC Queued[2];
static volatile LONG Lingers;
static volatile ULONG64 TicksSeen;
static volatile BOOLEAN WasOwed;

static VOID Prepare(PKDEFERRED_ROUTINE Routine)
{
    KtPrepareProbe(&First);
    KtPrepareProbe(&Other);
    KtPrepareProbe(&Target);
    KeInitializeDpc(&First.Dpc, Routine, &First);
    Lingers = 0;
    KtTraceReset();
}

static VOID SetFirst(VOID)
{
    KtSetProbe(&First, KtIn(MICROSECONDS(100)), 0);
}

/* ---- the tick ---- */

DPC_ROUTINE(CountTicks)
{
    const volatile ULONG64 *ticks = &KeGetCurrentPrcb()->Clock.Ticks;
    ULONG64 before = *ticks, start = KtNow();

    WasOwed = KeGetCurrentPrcb()->TimerTable.Work != NoTimerWork;
    while (*ticks < before + 4 && KtNow() < start + KT_PATIENCE)
        ArchPause();
    TicksSeen = *ticks - before;
    InterlockedIncrement(&First.Runs);
}

/* T-DPCWD-2 counts ticks: a routine that does not end must not have stopped them. */
TEST(the_tick_goes_on__T_DPCWD_2)
{
    Prepare(CountTicks);
    SetFirst();
    CHECK(KtSleepUntil(&First.Runs, 1));
    CHECK(WasOwed);
    CHECK_AT_LEAST(TicksSeen, 4);
    KeFlushQueuedDpcs();
}

/* Nor must code at DISPATCH_LEVEL, for which the dispatch interrupt has to wait. */
TEST(the_tick_goes_on_at_dispatch_level)
{
    Prepare(KtProbeRoutine);
    AT_IRQL(DISPATCH_LEVEL)
    {
        const volatile ULONG64 *ticks = &KeGetCurrentPrcb()->Clock.Ticks;
        ULONG64 before, start = KtNow();

        SetFirst();
        KtAwaitClock();
        before = *ticks;
        while (*ticks < before + 4 && KtNow() < start + KT_PATIENCE)
            ArchPause();
        CHECK_AT_LEAST(*ticks, before + 4);
    }
    CHECK_EQUAL(First.Runs, 1);
    KeFlushQueuedDpcs();
}

/* ---- what falls due meanwhile ---- */

DPC_ROUTINE(TraceAndQueue)
{
    KtTrace('b');
    KeInsertQueueDpc(&Queued[1], NULL, NULL);
}

DPC_ROUTINE(TraceLast)
{
    KtTrace('d');
}

/* A second timer, set here, falls due here; a DPC is queued before anybody can have noticed. */
DPC_ROUTINE(SetSecond)
{
    KtTrace('a');
    KtSetProbe(&Other, KtIn(MICROSECONDS(50)), 0);
    KtStall(MILLISECONDS(1));
    KeInsertQueueDpc(&Queued[0], NULL, NULL);
    InterlockedIncrement(&First.Runs);
}

/* It expires behind the routine, so its DPC comes after what was queued, before what will be. */
TEST(due_between_two_dpcs)
{
    Prepare(SetSecond);
    Other.Event = 'c';
    KeInitializeDpc(&Queued[0], TraceAndQueue, NULL);
    KeInitializeDpc(&Queued[1], TraceLast, NULL);
    SetFirst();
    CHECK(KtSleepUntil(&First.Runs, 1));
    CHECK(KtSleepUntil(&Other.Runs, 1));
    KeFlushQueuedDpcs();
    CHECK_TRACE("abcd");
    CHECK_AT_LEAST(Other.When, Other.Timer.DueTime.QuadPart);
}

/* ---- another processor sets a timer for this one ---- */

DPC_ROUTINE(Linger)
{
    InterlockedIncrement(&Lingers);
    KtSpinUntil(&Lingers, 2);
    InterlockedIncrement(&First.Runs);
}

TEST_ON(2, set_from_elsewhere_meanwhile)
{
    for (ULONG i = 0; i < 20; i++) {
        Prepare(Linger);
        KeSetTargetProcessorDpc(&First.Dpc, 1);
        KeSetTargetProcessorDpc(&Target.Dpc, 1);
        SetFirst();
        CHECK(KtSpinUntil(&Lingers, 1));
        KtSetProbe(&Target, KtIn(MICROSECONDS(i * 10)), 0);
        InterlockedIncrement(&Lingers);
        CHECK(KtSleepUntil(&Target.Runs, 1));
        CHECK_EQUAL(Target.Processor, 1);
        CHECK_ON_TIME(Target.When, Target.Timer.DueTime.QuadPart);
        KeFlushQueuedDpcs();
    }
}
