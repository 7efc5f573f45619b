/*
 * timer.md: KTIMER objects, setting, re-setting and cancelling, one-shot. Races are in
 * timer_race.c, periods in timer_periodic.c, absolute times in timer_absolute.c.
 */
#define SUITE "timer"
#include "suite.h"

#define FAR_AWAY SECONDS(100000)

static KT_PROBE Probe, Second;

/* Sets the probe's timer far away, and near enough to have expired in DISPATCH_LEVEL code. */
static BOOLEAN SetFar(VOID)
{
    return KtSetProbe(&Probe, KtIn(FAR_AWAY), 0);
}

static VOID ExpireProbe(VOID)
{
    LONG runs = Probe.Runs;

    KtSetProbe(&Probe, KtIn(MICROSECONDS(100)), 0);
    CHECK(KtSleepUntil(&Probe.Runs, runs + 1));
    KeFlushQueuedDpcs();
}

TEST(T_KeInitializeTimer_1)
{
    KTIMER timer;

    for (KIRQL level = PASSIVE_LEVEL; level <= DISPATCH_LEVEL; level++)
        AT_IRQL(level)
        {
            KtPoison(&timer);
            KeInitializeTimer(&timer);
            CHECK_EQUAL(timer.Header.Type, TimerNotificationObject);
            CHECK_EQUAL(KeReadStateTimer(&timer), FALSE);
            CHECK_EQUAL(KeCancelTimer(&timer), FALSE); /* not queued */
            CHECK_EQUAL(timer.Dpc, NULL);
            CHECK_EQUAL(timer.Period, 0);
            CHECK_EQUAL(timer.Header.Size, sizeof(KTIMER) / 4);
        }
}

TEST(T_KeInitializeTimerEx_1)
{
    KTIMER timer;

    KtPoison(&timer);
    KeInitializeTimerEx(&timer, NotificationTimer);
    CHECK_EQUAL(timer.Header.Type, TimerNotificationObject);
    KtPoison(&timer);
    KeInitializeTimerEx(&timer, SynchronizationTimer);
    CHECK_EQUAL(timer.Header.Type, TimerSynchronizationObject);
    CHECK_EQUAL(KeReadStateTimer(&timer), FALSE);
    CHECK_EQUAL(KeCancelTimer(&timer), FALSE);
}

/* Re-initializing makes an expired timer Not-Signaled again (T-TMR-11). */
TEST(T_KeInitializeTimer_1__T_TMR_11_again)
{
    KtPrepareProbe(&Probe);
    ExpireProbe();
    CHECK(KeReadStateTimer(&Probe.Timer));
    KeInitializeTimer(&Probe.Timer);
    CHECK(!KeReadStateTimer(&Probe.Timer));
}

TEST(T_KeSetTimer_1)
{
    KtPrepareProbe(&Probe);
    CHECK_EQUAL(SetFar(), FALSE); /* never set before */
    CHECK_EQUAL(SetFar(), TRUE);  /* in the queue */
    CHECK_EQUAL(SetFar(), TRUE);
    CHECK_EQUAL(KeCancelTimer(&Probe.Timer), TRUE);
    CHECK_EQUAL(SetFar(), FALSE); /* cancelled */
    CHECK_EQUAL(KeCancelTimer(&Probe.Timer), TRUE);
    ExpireProbe();
    CHECK_EQUAL(SetFar(), FALSE); /* expired */
    CHECK_EQUAL(KeCancelTimer(&Probe.Timer), TRUE);
}

TEST(T_KeSetTimer_2__T_TMR_12)
{
    KtPrepareProbe(&Probe);
    KtPrepareProbe(&Second);
    CHECK_EQUAL(KtSetProbe(&Probe, KtIn(MILLISECONDS(1)), 1), FALSE);
    CHECK(KtSleepUntil(&Probe.Runs, 3));
    CHECK(KeReadStateTimer(&Probe.Timer));
    AT_IRQL(DISPATCH_LEVEL)
    {
        CHECK_EQUAL(KeSetTimer(&Probe.Timer, KtIn(MILLISECONDS(2)), &Second.Dpc), TRUE);
        CHECK(!KeReadStateTimer(&Probe.Timer)); /* Not-Signaled at once */
    }
    CHECK(KtSleepUntil(&Second.Runs, 1));
    KeFlushQueuedDpcs();
    KiSleep(MILLISECONDS(10));
    CHECK_EQUAL(Second.Runs, 1); /* once, although it was periodic before */
    CHECK(KeReadStateTimer(&Probe.Timer));
    CHECK_EQUAL(KeCancelTimer(&Probe.Timer), FALSE);
}

TEST(T_KeSetTimer_3)
{
    KtPrepareProbe(&Probe);
    CHECK_EQUAL(KeSetTimer(&Probe.Timer, KtIn(MILLISECONDS(1)), NULL), FALSE);
    KiSleep(MILLISECONDS(5));
    CHECK(KeReadStateTimer(&Probe.Timer)); /* only the state tells */
    CHECK_EQUAL(Probe.Runs, 0);
}

TEST(T_KeSetTimer_4__T_TMR_17__S_19__S_52)
{
    ULONG64 due;

    KtPrepareProbe(&Probe);
    KtPrepareProbe(&Second);
    AT_IRQL(DISPATCH_LEVEL)
    {
        CHECK_EQUAL(KtSetProbe(&Probe, KtIn(MILLISECONDS(1)), 0), FALSE);
        due = KtNow() + MILLISECONDS(20);
        CHECK_EQUAL(KeSetTimer(&Probe.Timer, KtIn(MILLISECONDS(20)), &Second.Dpc), TRUE);
        KtStall(MILLISECONDS(3));
    }
    /* The first due time is over. Has anything happened? */
    if (KtNow() < due) {
        CHECK(!KeReadStateTimer(&Probe.Timer) || KtNow() >= due);
        CHECK(Second.Runs == 0 || KtNow() >= due);
    }
    CHECK(KtSleepUntil(&Second.Runs, 1));
    CHECK_ON_TIME(Second.When, due);
    CHECK_EQUAL(Probe.Runs, 0); /* the first DPC never ran */
    CHECK_EQUAL(Second.Runs, 1);
    KeFlushQueuedDpcs();
}

TEST(T_TMR_17_dpc_null_detaches)
{
    KtPrepareProbe(&Probe);
    CHECK_EQUAL(KtSetProbe(&Probe, KtIn(MILLISECONDS(5)), 0), FALSE);
    CHECK_EQUAL(KeSetTimer(&Probe.Timer, KtIn(MILLISECONDS(6)), NULL), TRUE);
    KiSleep(MILLISECONDS(15));
    CHECK(KeReadStateTimer(&Probe.Timer));
    CHECK_EQUAL(Probe.Runs, 0);
}

DPC_ROUTINE(SetAgain)
{
    PKT_PROBE probe = Context;

    if (probe->Runs < 4)
        CHECK_EQUAL(KtSetProbe(probe, KtIn(MICROSECONDS(200)), 0), FALSE);
    InterlockedIncrement(&probe->Runs);
}

TEST(T_KeSetTimer_5)
{
    KtPrepareProbe(&Probe);
    KeInitializeDpc(&Probe.Dpc, SetAgain, &Probe);
    CHECK_EQUAL(KtSetProbe(&Probe, KtIn(MICROSECONDS(200)), 0), FALSE);
    CHECK(KtSleepUntil(&Probe.Runs, 5));
    KiSleep(MILLISECONDS(5));
    CHECK_EQUAL(Probe.Runs, 5);
    KeFlushQueuedDpcs();
}

/* Due at once: 0, and an absolute time long ago. */
static VOID CheckImmediate(LARGE_INTEGER DueTime)
{
    KtPrepareProbe(&Probe);
    AT_IRQL(DISPATCH_LEVEL)
    {
        CHECK_EQUAL(KtSetProbe(&Probe, DueTime, 0), FALSE);
        CHECK_EQUAL(Probe.Runs, 0);
    }
    CHECK(KtSpinUntil(&Probe.Runs, 1));
    CHECK(KeReadStateTimer(&Probe.Timer));
    CHECK_EQUAL(KtSetProbe(&Probe, KtIn(FAR_AWAY), 0), FALSE);
    CHECK_EQUAL(KtSetProbe(&Probe, DueTime, 0), TRUE); /* it was queued: that alone counts */
    CHECK(KtSpinUntil(&Probe.Runs, 2));
    KeFlushQueuedDpcs();
    CHECK_EQUAL(Probe.Runs, 2);
    CHECK_EQUAL(KeCancelTimer(&Probe.Timer), FALSE);
}

TEST(T_TMR_2__T_TMR_3__T_KeSetTimer_6)
{
    LARGE_INTEGER now;

    CheckImmediate((LARGE_INTEGER){.QuadPart = 0});
    CheckImmediate((LARGE_INTEGER){.QuadPart = 1});
    KeQuerySystemTime(&now);
    CheckImmediate(now);
}

TEST(T_TMR_1__T_TMR_7__S_35__S_39__S_41__T_KDEFERRED_4)
{
    static const ULONG64 intervals[] = {1,      10,     12345,   9999,   100000,
                                        100001, 250000, 1000003, 654321, 50000};

    for (ULONG i = 0; i < ARRAYSIZE(intervals); i++) {
        ULONG64 due;

        KtPrepareProbe(&Probe);
        due = KtNow() + intervals[i];
        KtSetProbe(&Probe, KtIn(intervals[i]), 0);
        CHECK(KtSleepUntil(&Probe.Runs, 1));
        CHECK_ON_TIME(Probe.When, due); /* in units of 100 ns, and never early */
        CHECK_EQUAL(Probe.Irql, DISPATCH_LEVEL);
        KeFlushQueuedDpcs();
    }
}

/* The same without an idle processor: the clock must come without a halt. */
TEST(T_TMR_7_busy_processor)
{
    for (ULONG i = 0; i < 20; i++) {
        ULONG64 interval = MICROSECONDS(50 + KtRandom(3000)), due;

        KtPrepareProbe(&Probe);
        due = KtNow() + interval;
        KtSetProbe(&Probe, KtIn(interval), 0);
        CHECK(KtSpinUntil(&Probe.Runs, 1));
        CHECK_ON_TIME(Probe.When, due);
        KeFlushQueuedDpcs();
    }
}

PARALLEL_ROUTINE(SetOwnTimer)
{
    KT_PROBE *probes = Context;

    KtSetProbe(&probes[Processor], KtIn(MILLISECONDS(2)), 0);
}

TEST(T_TMR_7_every_processor)
{
    static KT_PROBE probes[MAXIMUM_PROCESSORS];

    for (ULONG i = 0; i < KtProcessors(); i++)
        KtPrepareProbe(&probes[i]);
    KtRunOnAll(SetOwnTimer, probes);
    for (ULONG i = 0; i < KtProcessors(); i++) {
        CHECK(KtSleepUntil(&probes[i].Runs, 1));
        CHECK_ON_TIME(probes[i].When, probes[i].Timer.DueTime.QuadPart);
        CHECK_EQUAL(probes[i].Processor, i); /* T-TMR-15: the one that handles the expiry */
    }
    KeFlushQueuedDpcs();
}

TEST(T_TMR_5)
{
    static const LONGLONG huge[] = {MINLONGLONG, MINLONGLONG + 1, -MAXLONGLONG, MINLONGLONG / 2};

    for (ULONG i = 0; i < ARRAYSIZE(huge); i++) {
        KtPrepareProbe(&Probe);
        CHECK_EQUAL(KtSetProbe(&Probe, (LARGE_INTEGER){.QuadPart = huge[i]}, 0), FALSE);
        KiSleep(MILLISECONDS(3));
        CHECK_EQUAL(Probe.Runs, 0);
        CHECK(!KeReadStateTimer(&Probe.Timer));
        CHECK_EQUAL(KeCancelTimer(&Probe.Timer), TRUE);
    }
    KtPrepareProbe(&Probe); /* and the farthest absolute time */
    CHECK_EQUAL(KtSetProbe(&Probe, (LARGE_INTEGER){.QuadPart = MAXLONGLONG}, 0), FALSE);
    KiSleep(MILLISECONDS(3));
    CHECK_EQUAL(Probe.Runs, 0);
    CHECK_EQUAL(KeCancelTimer(&Probe.Timer), TRUE);
}

TEST(T_TMR_9__S_50)
{
    ULONG64 increment = KeQueryTimeIncrement(), start = KtNow();

    for (LONG run = 1; run <= 20; run++) { /* many intervals far below a time increment */
        if (run == 1)
            KtPrepareProbe(&Probe);
        KtSetProbe(&Probe, KtIn(MICROSECONDS(100)), 0);
        CHECK(KtSleepUntil(&Probe.Runs, run));
    }
    CHECK_AT_LEAST(KtNow() - start, 20 * MICROSECONDS(100));
    if (KtIsExact())
        CHECK(KtNow() - start < 5 * increment);
    KeFlushQueuedDpcs();
}

TEST(T_KeCancelTimer_1__S_16__S_17)
{
    KtPrepareProbe(&Probe);
    CHECK_EQUAL(KeCancelTimer(&Probe.Timer), FALSE); /* never set */
    AT_IRQL(DISPATCH_LEVEL)
    {
        KtSetProbe(&Probe, KtIn(MILLISECONDS(1)), 0);
        CHECK_EQUAL(KeCancelTimer(&Probe.Timer), TRUE);
        CHECK_EQUAL(KeCancelTimer(&Probe.Timer), FALSE); /* cancelled already */
    }
    KiSleep(MILLISECONDS(5));
    CHECK_EQUAL(Probe.Runs, 0);
    CHECK(!KeReadStateTimer(&Probe.Timer));
    ExpireProbe();
    CHECK_EQUAL(KeCancelTimer(&Probe.Timer), FALSE); /* expired */
    CHECK_EQUAL(Probe.Runs, 1);
}

TEST(T_KeCancelTimer_5__T_TMR_13)
{
    KtPrepareProbe(&Probe);
    SetFar();
    CHECK(!KeReadStateTimer(&Probe.Timer));
    CHECK_EQUAL(KeCancelTimer(&Probe.Timer), TRUE);
    CHECK(!KeReadStateTimer(&Probe.Timer)); /* a cancelled one stays Not-Signaled */
    ExpireProbe();
    CHECK(KeReadStateTimer(&Probe.Timer));
    CHECK_EQUAL(KeCancelTimer(&Probe.Timer), FALSE);
    CHECK(KeReadStateTimer(&Probe.Timer)); /* an expired one stays Signaled */
}

TEST(T_KeReadStateTimer_1__T_TMR_11)
{
    KtPrepareProbe(&Probe);
    KeInitializeTimerEx(&Probe.Timer, SynchronizationTimer);
    CHECK_EQUAL(KeReadStateTimer(&Probe.Timer), FALSE);
    SetFar();
    CHECK_EQUAL(KeReadStateTimer(&Probe.Timer), FALSE);
    ExpireProbe();
    for (ULONG i = 0; i < 3; i++) /* with nobody waiting it stays Signaled; reading takes nothing */
        CHECK_EQUAL(KeReadStateTimer(&Probe.Timer), TRUE);
    SetFar();
    CHECK_EQUAL(KeReadStateTimer(&Probe.Timer), FALSE);
    CHECK(KeCancelTimer(&Probe.Timer));
}

static volatile BOOLEAN CancelledInDpc;

DPC_ROUTINE(CancelItself)
{
    CancelledInDpc = KeCancelTimer(&Probe.Timer);
    CHECK(KeReadStateTimer(&Probe.Timer)); /* T-TMR-10: Signaled before its DPC runs */
    InterlockedIncrement(&Probe.Runs);
}

TEST(T_KeCancelTimer_6__T_TMR_10)
{
    KtPrepareProbe(&Probe);
    KeInitializeDpc(&Probe.Dpc, CancelItself, NULL);
    CancelledInDpc = POISON;
    KtSetProbe(&Probe, KtIn(MICROSECONDS(100)), 0);
    CHECK(KtSleepUntil(&Probe.Runs, 1));
    CHECK_EQUAL(CancelledInDpc, FALSE); /* a one-shot has left the queue */
    KeFlushQueuedDpcs();

    KtPrepareProbe(&Probe);
    KeInitializeDpc(&Probe.Dpc, CancelItself, NULL);
    KtSetProbe(&Probe, KtIn(MICROSECONDS(100)), 1);
    CHECK(KtSleepUntil(&Probe.Runs, 1));
    CHECK_EQUAL(CancelledInDpc, TRUE); /* a periodic one is queued again already */
    KiSleep(MILLISECONDS(10));
    CHECK_EQUAL(Probe.Runs, 1); /* no further expiry */
    KeFlushQueuedDpcs();
}

/* A million would do the same: setting and cancelling among many, in any order. */
TEST(T_KeCancelTimer_1_among_many)
{
    const ULONG count = 2000;
    KTIMER *timers = ExAllocatePoolWithTag(NonPagedPool, count * sizeof(KTIMER), KT_TAG);

    if (!CHECK(timers != NULL))
        return;
    memset(timers, POISON, count * sizeof(KTIMER));
    for (ULONG i = 0; i < count; i++) {
        KeInitializeTimer(&timers[i]);
        CHECK_EQUAL(KeSetTimer(&timers[i], KtIn(SECONDS(10) + KtRandom(1u << 30)), NULL), FALSE);
    }
    for (ULONG i = 0; i < count; i++) {
        ULONG j = (i * 7919) % count; /* a permutation: 7919 and 2000 share no factor */

        CHECK_EQUAL(KeCancelTimer(&timers[j]), TRUE);
        CHECK_EQUAL(KeCancelTimer(&timers[j]), FALSE);
    }
    ExFreePoolWithTag(timers, KT_TAG);
}
