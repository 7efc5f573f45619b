/* timer.md: periodic and coalescable timers. */
#define SUITE "timer.periodic"
#include "suite.h"

static KT_PROBE Probe, Second;

#define RECORDED 12

static ULONG64 Times[RECORDED];
static volatile LONG Recorded;

DPC_ROUTINE(RecordTime)
{
    if (Recorded < RECORDED)
        Times[Recorded] = KtNow();
    InterlockedIncrement(&Recorded);
}

static VOID PrepareRecord(PKT_PROBE Probe)
{
    KtPrepareProbe(Probe);
    KeInitializeDpc(&Probe->Dpc, RecordTime, NULL);
    Recorded = 0;
}

static VOID StopProbe(PKT_PROBE Probe)
{
    CHECK_EQUAL(KeCancelTimer(&Probe->Timer), TRUE);
    KeFlushQueuedDpcs();
    CHECK_EQUAL(KeCancelTimer(&Probe->Timer), FALSE);
}

TEST(T_TMR_23__T_KeSetTimerEx_2__S_44)
{
    const ULONG64 period = MILLISECONDS(3);
    ULONG64 due;

    PrepareRecord(&Probe);
    due = KtNow() + MILLISECONDS(10);
    CHECK_EQUAL(KtSetProbe(&Probe, KtIn(MILLISECONDS(10)), 3), FALSE);
    CHECK(KtSleepUntil(&Recorded, RECORDED));
    CHECK(KeReadStateTimer(&Probe.Timer));
    StopProbe(&Probe);
    for (ULONG i = 0; i < RECORDED; i++) {
        CHECK_AT_LEAST(Times[i], due + i * period); /* DueTime in 100 ns, Period in ms */
        if (KtIsExact())
            CHECK_ON_TIME(Times[i], due + i * period);
    }
}

TEST(T_KeSetTimerEx_1__S_45)
{
    KtPrepareProbe(&Probe);
    CHECK_EQUAL(KeSetTimerEx(&Probe.Timer, KtIn(MILLISECONDS(1)), 0, &Probe.Dpc), FALSE);
    CHECK(KtSleepUntil(&Probe.Runs, 1));
    KiSleep(MILLISECONDS(5));
    CHECK_EQUAL(Probe.Runs, 1);
    CHECK_EQUAL(KeCancelTimer(&Probe.Timer), FALSE);
    KeFlushQueuedDpcs();
}

TEST(T_KeSetTimerEx_3)
{
    KtPrepareProbe(&Probe);
    CHECK_EQUAL(KtSetProbe(&Probe, KtIn(MILLISECONDS(2)), 2), FALSE);
    CHECK_EQUAL(KtSetProbe(&Probe, KtIn(MILLISECONDS(2)), 2), TRUE);
    CHECK(KtSleepUntil(&Probe.Runs, 3)); /* expired, and in the queue all the same */
    CHECK_EQUAL(KtSetProbe(&Probe, KtIn(MILLISECONDS(2)), 2), TRUE);
    CHECK(KtSleepUntil(&Probe.Runs, 6));
    StopProbe(&Probe);
    CHECK_EQUAL(KtSetProbe(&Probe, KtIn(MILLISECONDS(2)), 2), FALSE);
    StopProbe(&Probe);
}

TEST(T_TMR_23_until_set_again_as_one_shot)
{
    KtPrepareProbe(&Probe);
    KtSetProbe(&Probe, KtIn(MILLISECONDS(1)), 1);
    CHECK(KtSleepUntil(&Probe.Runs, 3));
    CHECK_EQUAL(KeSetTimer(&Probe.Timer, KtIn(MILLISECONDS(1)), &Second.Dpc), TRUE);
    CHECK_EQUAL(KeCancelTimer(&Probe.Timer), TRUE);
    KeFlushQueuedDpcs();
    Probe.Runs = 0;
    KiSleep(MILLISECONDS(8));
    CHECK_EQUAL(Probe.Runs, 0);
}

/* The next due time is exactly the last one plus Period, however late the DPC runs. */
TEST(T_TMR_25_no_drift)
{
    ULONG64 first;

    PrepareRecord(&Probe);
    AT_IRQL(DISPATCH_LEVEL)
    {
        KtSetProbe(&Probe, KtIn(MILLISECONDS(2)), 2);
        first = Probe.Timer.DueTime.QuadPart;
    }
    for (ULONG i = 0; i < 10; i++) {
        AT_IRQL(DISPATCH_LEVEL) /* DPCs and expiries wait for a while */
        {
            KtStall(MICROSECONDS(KtRandom(1500)));
        }
        KiSleep(MICROSECONDS(KtRandom(1500)));
        CHECK_EQUAL((Probe.Timer.DueTime.QuadPart - first) % MILLISECONDS(2), 0);
    }
    CHECK(KtSleepUntil(&Recorded, 3));
    StopProbe(&Probe);
    for (LONG i = 0; i < Recorded && i < RECORDED; i++)
        CHECK_AT_LEAST(Times[i], first + (ULONG64)i * MILLISECONDS(2));
}

/* After a stall of many periods: one expiry, no burst, and the grid is kept. */
TEST(T_TMR_25_stall__T_TMR_24)
{
    const ULONG64 period = MILLISECONDS(2);
    ULONG64 first, end;
    LONG atOnce;

    PrepareRecord(&Probe);
    AT_IRQL(DISPATCH_LEVEL)
    {
        KtSetProbe(&Probe, KtIn(period), 2);
        first = Probe.Timer.DueTime.QuadPart;
        KtStall(MILLISECONDS(41)); /* 20 periods, four time increments */
        CHECK_EQUAL(Recorded, 0);
        end = KtNow();
    }
    atOnce = Recorded;
    if ((KtNow() - first) / period == (end - first) / period) /* no later one has fallen due */
        CHECK_EQUAL(atOnce, 1);
    CHECK(KtSleepUntil(&Recorded, 4));
    CHECK_EQUAL((Probe.Timer.DueTime.QuadPart - first) % period, 0);
    StopProbe(&Probe);
    /* At most one expiry in an increment until it has caught up: never a second one at once. */
    CHECK_AT_LEAST(Times[1], first + 20 * period);
    for (ULONG i = 1; i < 4; i++)
        CHECK_AT_LEAST(Times[i], first + (19 + i) * period);
}

static volatile LONG Inside;

DPC_ROUTINE(StayInside)
{
    InterlockedIncrement(&Inside);
    CHECK(KtSpinUntil(&Inside, 2)); /* another processor runs it too */
    InterlockedIncrement(&Probe.Runs);
}

/* While the routine runs on processor 0, processor 1 sets the timer again: now it expires there. */
PARALLEL_ROUTINE(MoveTimerHere)
{
    if (Processor != 1)
        return;
    CHECK(KtSpinUntil(&Inside, 1));
    CHECK_EQUAL(KtSetProbe(&Probe, KtIn(MILLISECONDS(1)), 1), TRUE);
}

TEST_ON(2, T_TMR_24_on_two_processors)
{
    KtPrepareProbe(&Probe);
    Inside = 0;
    KeInitializeDpc(&Probe.Dpc, StayInside, NULL);
    KtStartOnOthers(MoveTimerHere, NULL);
    KtSetProbe(&Probe, KtIn(MILLISECONDS(1)), 1);
    CHECK(KtSpinUntil(&Probe.Runs, 2));
    KtJoin();
    StopProbe(&Probe);
    CHECK_EQUAL(Probe.Runs, Inside);
}

/* While the DPC still waits in its queue an expiry adds nothing. */
TEST_ON(2, T_TMR_24_merged)
{
    KtPrepareProbe(&Probe);
    KtHold(1, DISPATCH_LEVEL);
    KeSetTargetProcessorDpc(&Probe.Dpc, 1);
    CHECK(KeInsertQueueDpc(&Probe.Dpc, NULL, NULL)); /* stands in for an earlier expiry */
    KtSetProbe(&Probe, KtIn(MILLISECONDS(1)), 1);
    KtStall(MILLISECONDS(10));
    CHECK_EQUAL(Probe.Runs, 0);
    CHECK_EQUAL(KeCancelTimer(&Probe.Timer), TRUE);
    KtLetGo();
    KeFlushQueuedDpcs();
    CHECK_EQUAL(Probe.Runs, 1);
}

TEST(T_TMR_26)
{
    LARGE_INTEGER old, shifted;
    ULONG64 start;

    PrepareRecord(&Probe);
    start = KtNow();
    KtSetProbe(&Probe, KtAt(KtSystemNow() + MILLISECONDS(2)), 4); /* the first one absolute */
    CHECK(KtSleepUntil(&Recorded, 1));
    shifted = KtAt(KtSystemNow() + SECONDS(3600));
    KeSetSystemTime(&shifted, &old); /* later ones are intervals */
    CHECK(KtSleepUntil(&Recorded, 3));
    CHECK_AT_LEAST(Times[2], start + MILLISECONDS(10));
    shifted = KtAt(KtSystemNow() - SECONDS(7200));
    KeSetSystemTime(&shifted, &old);
    CHECK(KtSleepUntil(&Recorded, 6));
    StopProbe(&Probe);
    shifted = KtAt(KtSystemNow() + SECONDS(3600));
    KeSetSystemTime(&shifted, &old);
    CHECK(KtNow() - start < SECONDS(60));
}

/* ---- coalescable ---- */

TEST(T_KeSetCoalescableTimer_1__T_KeSetCoalescableTimer_3)
{
    KtPrepareProbe(&Probe);
    CHECK_EQUAL(KeSetCoalescableTimer(&Probe.Timer, KtIn(SECONDS(100)), 0, 0, &Probe.Dpc), FALSE);
    CHECK_EQUAL(KeSetCoalescableTimer(&Probe.Timer, KtIn(MILLISECONDS(2)), 0, 0, &Probe.Dpc), TRUE);
    CHECK(KtSleepUntil(&Probe.Runs, 1));
    CHECK_EQUAL(KeSetCoalescableTimer(&Probe.Timer, KtIn(MILLISECONDS(2)), MAXLONG, 50, &Probe.Dpc),
                FALSE); /* expired before */
    CHECK(KtSleepUntil(&Probe.Runs, 2));
    StopProbe(&Probe);
}

TEST(T_KeSetCoalescableTimer_2)
{
    const ULONG period = 5, tolerance = 2;
    ULONG64 due;

    PrepareRecord(&Probe);
    due = KtNow() + MILLISECONDS(5);
    KeSetCoalescableTimer(&Probe.Timer, KtIn(MILLISECONDS(5)), period, tolerance, &Probe.Dpc);
    CHECK(KtSleepUntil(&Recorded, 8));
    StopProbe(&Probe);
    for (ULONG i = 0; i < 8; i++)
        CHECK_AT_LEAST(Times[i], due + i * MILLISECONDS(period - (i ? tolerance : 0)));
    if (KtIsExact())
        for (ULONG i = 1; i < 8; i++)
            CHECK(Times[i] - Times[i - 1] <= MILLISECONDS(period + tolerance));
}
