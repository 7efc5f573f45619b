/*
 * timer.md: expiry against KeSetTimer, KeCancelTimer and the DPC: what one processor may see of
 * another's timers, the order of expiries, and memory that goes away.
 */
#define SUITE "timer.race"
#include "suite.h"

static KT_PROBE Probe, Second;

/* At DISPATCH_LEVEL: until the timer is due and the clock has said so; it has not expired yet. */
static VOID LetItBecomeDue(PKT_PROBE Probe, ULONG64 Interval)
{
    KtSetProbe(Probe, KtIn(Interval), 0);
    KtStall(Interval);
    KtAwaitClock();
}

/*
 * A timer that is due while its processor is at DISPATCH_LEVEL: the expiry is detected by the
 * clock and done at the fall of the IRQL. Until then either answer is consistent.
 */
TEST(T_TMR_20_at_dispatch_level)
{
    BOOLEAN cancelled = FALSE;

    KtPrepareProbe(&Probe);
    AT_IRQL(DISPATCH_LEVEL)
    {
        LetItBecomeDue(&Probe, MICROSECONDS(100));
        CHECK_EQUAL(Probe.Runs, 0);
        cancelled = KeCancelTimer(&Probe.Timer);
    }
    KiSleep(MILLISECONDS(3));
    CHECK_EQUAL(Probe.Runs, cancelled ? 0 : 1);
    CHECK_EQUAL(KeReadStateTimer(&Probe.Timer), !cancelled);
}

static volatile LONG Turn, Done;

/* Processor 1 sets; its clock lets the timer expire there. */
PARALLEL_ROUTINE(SetManyTimers)
{
    if (Processor != 1)
        return;
    KtSetProbe(&Probe, KtIn(MICROSECONDS(30 + KtRandom(40))), 0);
}

TEST_ON(2, T_TMR_20_cancel_against_expiry__S_18__S_24)
{
    ULONG wins[2] = {0, 0};

    for (ULONG round = 0; round < 400; round++) {
        BOOLEAN cancelled;

        KtPrepareProbe(&Probe);
        KtStartOnOthers(SetManyTimers, NULL);
        KtJoin();
        KtStall(MICROSECONDS(KtRandom(80)));
        cancelled = KeCancelTimer(&Probe.Timer);
        wins[cancelled]++;
        if (!cancelled)
            CHECK(KtSpinUntil(&Probe.Runs, 1)); /* FALSE: the DPC comes, or has come */
        KeFlushQueuedDpcs();
        CHECK_EQUAL(Probe.Runs, cancelled ? 0 : 1);
        CHECK_EQUAL(KeReadStateTimer(&Probe.Timer), !cancelled);
    }
    CHECK(wins[0] + wins[1] == 400);
}

/*
 * Re-setting in place of cancelling: TRUE takes the first expiry back, FALSE comes after it. Two
 * expiries may be merged into one run of the DPC (T-TMR-14).
 */
TEST_ON(2, T_TMR_18__T_KeSetTimer_1_set_against_expiry)
{
    for (ULONG round = 0; round < 300; round++) {
        LONG expiries = 2;

        KtPrepareProbe(&Probe);
        KtStartOnOthers(SetManyTimers, NULL);
        KtJoin();
        KtStall(MICROSECONDS(KtRandom(80)));
        expiries -= KtSetProbe(&Probe, KtIn(MICROSECONDS(50)), 0);
        KtStall(MICROSECONDS(KtRandom(150)));
        expiries -= KeCancelTimer(&Probe.Timer);
        KeFlushQueuedDpcs();
        CHECK(Probe.Runs <= expiries);
        CHECK(Probe.Runs > 0 || expiries == 0);
    }
}

static volatile BOOLEAN CancelResult, SetResult, RemoveResult;

/* Runs after the expiry of Probe's timer and before Probe's DPC. */
DPC_ROUTINE(CancelInBetween)
{
    CancelResult = KeCancelTimer(&Probe.Timer);
    CHECK_EQUAL(Probe.Runs, 0);
    CHECK(KeReadStateTimer(&Probe.Timer));
}

/* Both timers are due at the same drain; the one set first expires first, and so runs first. */
static VOID ExpireBoth(PKDEFERRED_ROUTINE First, LONG Period)
{
    LARGE_INTEGER due;

    KtPrepareProbe(&Probe);
    KtPrepareProbe(&Second);
    KeInitializeDpc(&Second.Dpc, First, &Second);
    AT_IRQL(DISPATCH_LEVEL)
    {
        due = KtAt(KtSystemNow() + MICROSECONDS(200));
        KtSetProbe(&Second, due, 0);
        KtSetProbe(&Probe, due, Period);
        KtStall(MICROSECONDS(300));
        KtAwaitClock();
    }
}

TEST(T_KeCancelTimer_2)
{
    CancelResult = POISON;
    ExpireBoth(CancelInBetween, 0);
    CHECK_EQUAL(CancelResult, FALSE);
    CHECK_EQUAL(Probe.Runs, 1); /* the DPC was queued, and has run in spite of the cancel */
    CHECK(KeReadStateTimer(&Probe.Timer));
}

TEST(T_KeCancelTimer_3)
{
    CancelResult = POISON;
    ExpireBoth(CancelInBetween, 100);
    CHECK_EQUAL(CancelResult, TRUE); /* armed again already */
    CHECK_EQUAL(Probe.Runs, 1);      /* the DPC of the expiry before still runs */
    CHECK_EQUAL(KeCancelTimer(&Probe.Timer), FALSE);
    KeFlushQueuedDpcs();
    CHECK_EQUAL(Probe.Runs, 1);
}

DPC_ROUTINE(SetInBetween)
{
    SetResult = KtSetProbe(&Probe, KtIn(MILLISECONDS(5)), 0);
    CHECK(!KeReadStateTimer(&Probe.Timer));
    CHECK_EQUAL(Probe.Runs, 0);
}

/* The old DPC still runs; the new setting runs it once more. */
TEST(T_TMR_18)
{
    SetResult = POISON;
    ExpireBoth(SetInBetween, 0);
    CHECK_EQUAL(SetResult, FALSE);
    CHECK_AT_LEAST(Probe.Runs, 1);
    CHECK(KtSleepUntil(&Probe.Runs, 2));
    KeFlushQueuedDpcs();
    CHECK_EQUAL(Probe.Runs, 2);
}

DPC_ROUTINE(RemoveInBetween)
{
    RemoveResult = KeRemoveQueueDpc(&Probe.Dpc);
}

TEST(T_KeCancelTimer_7__T_KeRemoveQueueDpc_4)
{
    RemoveResult = POISON;
    ExpireBoth(RemoveInBetween, 0);
    CHECK_EQUAL(RemoveResult, TRUE);
    KeFlushQueuedDpcs();
    CHECK_EQUAL(Probe.Runs, 0);
    CHECK(KeReadStateTimer(&Probe.Timer)); /* the timer stays Signaled */
}

/* Expired while its DPC is queued already: no second run. */
TEST(T_TMR_14__S_25__S_48)
{
    KtPrepareProbe(&Probe);
    AT_IRQL(DISPATCH_LEVEL)
    {
        CHECK(KeInsertQueueDpc(&Probe.Dpc, (PVOID)1, NULL));
        LetItBecomeDue(&Probe, MICROSECONDS(100));
        CHECK_EQUAL(Probe.Runs, 0);
    }
    CHECK_EQUAL(Probe.Runs, 1);
    KiSleep(MILLISECONDS(2));
    CHECK_EQUAL(Probe.Runs, 1);
}

/* Two drivers of one CustomTimerDpc: one run, after the second interval. */
TEST(T_TMR_19__S_26__S_27)
{
    ULONG64 due;

    KtPrepareProbe(&Probe);
    AT_IRQL(DISPATCH_LEVEL)
    {
        KtSetProbe(&Probe, KtIn(MILLISECONDS(2)), 0);
        due = KtNow() + MILLISECONDS(12);
        KtSetProbe(&Probe, KtIn(MILLISECONDS(12)), 0);
    }
    CHECK(KtSleepUntil(&Probe.Runs, 1));
    CHECK_ON_TIME(Probe.When, due);
    KiSleep(MILLISECONDS(5));
    CHECK_EQUAL(Probe.Runs, 1);
    KeFlushQueuedDpcs();
}

/* ---- order ---- */

#define ORDERED 8

TEST(T_TMR_16)
{
    static KT_PROBE probes[ORDERED];
    static const ULONG offsets[ORDERED] = {70, 10, 50, 10, 90, 50, 10, 30}; /* microseconds */
    ULONG64 base;

    for (ULONG i = 0; i < ORDERED; i++) {
        KtPrepareProbe(&probes[i]);
        probes[i].Event = (CHAR)('a' + i);
    }
    AT_IRQL(DISPATCH_LEVEL)
    {
        base = KtSystemNow() + MILLISECONDS(1);
        for (ULONG i = 0; i < ORDERED; i++)
            KtSetProbe(&probes[i], KtAt(base + MICROSECONDS(offsets[i])), 0);
        KtStall(MILLISECONDS(3));
        KtAwaitClock();
        CHECK_TRACE("");
    }
    CHECK_TRACE("bdghcfae"); /* by due time; equal ones in the order of setting */
}

/* Due times one unit of 100 ns apart are told apart. */
TEST(T_TMR_16_neighbours)
{
    static KT_PROBE probes[ORDERED];
    ULONG64 base;

    for (ULONG i = 0; i < ORDERED; i++) {
        KtPrepareProbe(&probes[i]);
        probes[i].Event = (CHAR)('a' + i);
    }
    AT_IRQL(DISPATCH_LEVEL)
    {
        base = KtSystemNow() + MILLISECONDS(1);
        for (ULONG i = 0; i < ORDERED; i++)
            KtSetProbe(&probes[i], KtAt(base + (ORDERED - i)), 0);
        KtStall(MILLISECONDS(3));
        KtAwaitClock();
    }
    CHECK_TRACE("hgfedcba");
}

/* Relative and absolute due times are one order; a re-set timer goes behind its equals. */
TEST(T_TMR_16_reset)
{
    static KT_PROBE probes[3];
    LARGE_INTEGER due;

    for (ULONG i = 0; i < 3; i++) {
        KtPrepareProbe(&probes[i]);
        probes[i].Event = (CHAR)('a' + i);
    }
    AT_IRQL(DISPATCH_LEVEL)
    {
        due = KtAt(KtSystemNow() + MILLISECONDS(1));
        for (ULONG i = 0; i < 3; i++)
            KtSetProbe(&probes[i], due, 0);
        CHECK(KtSetProbe(&probes[0], due, 0));
        KtStall(MILLISECONDS(2));
        KtAwaitClock();
    }
    CHECK_TRACE("bca");
}

TEST_ON(2, T_TMR_15)
{
    for (ULONG i = 0; i < KtProcessors(); i++) {
        KtPrepareProbe(&Probe);
        KeSetTargetProcessorDpc(&Probe.Dpc, (CCHAR)i);
        KtSetProbe(&Probe, KtIn(MICROSECONDS(300)), 0);
        CHECK(KtSleepUntil(&Probe.Runs, 1));
        CHECK_EQUAL(Probe.Processor, i);
        KeFlushQueuedDpcs();
    }
}

/* ---- memory ---- */

static volatile LONG FreedRuns;

DPC_ROUTINE(FreeTimerAndDpc)
{
    memset(Context, POISON, sizeof(KT_PROBE));
    ExFreePoolWithTag(Context, KT_TAG);
    InterlockedIncrement(&FreedRuns);
}

TEST(T_TMR_21__S_29)
{
    FreedRuns = 0;
    for (LONG i = 1; i <= 60; i++) {
        PKT_PROBE probe = ExAllocatePoolWithTag(NonPagedPool, sizeof(*probe), KT_TAG);

        if (!CHECK(probe != NULL))
            return;
        KtPrepareProbe(probe);
        KeInitializeDpc(&probe->Dpc, FreeTimerAndDpc, probe);
        KeSetTargetProcessorDpc(&probe->Dpc, (CCHAR)((ULONG)i % KtProcessors()));
        KtSetProbe(probe, KtIn(MICROSECONDS(KtRandom(200))), 0);
        CHECK(KtSpinUntil(&FreedRuns, i));
    }
    KeFlushQueuedDpcs();
}

/* What an Unload routine does: cancel, flush, free. */
TEST(T_TMR_22)
{
    for (ULONG round = 0; round < 40; round++) {
        PKT_PROBE probe = ExAllocatePoolWithTag(NonPagedPool, sizeof(*probe), KT_TAG);

        if (!CHECK(probe != NULL))
            return;
        KtPrepareProbe(probe);
        KeSetTargetProcessorDpc(&probe->Dpc, (CCHAR)(round % KtProcessors()));
        KtSetProbe(probe, KtIn(MICROSECONDS(KtRandom(100))), 1);
        KtStall(MICROSECONDS(KtRandom(2500)));
        CHECK_EQUAL(KeCancelTimer(&probe->Timer), TRUE);
        KeFlushQueuedDpcs();
        CHECK_EQUAL(probe->Started, probe->Runs);
        memset(probe, POISON, sizeof(*probe));
        ExFreePoolWithTag(probe, KT_TAG);
    }
    CHECK_IRQL(PASSIVE_LEVEL);
}

/* KeCancelTimer never waits for the DPC. */
DPC_ROUTINE(RunUntilTold)
{
    InterlockedExchange(&Turn, 1);
    CHECK(KtSpinUntil(&Done, 1));
    InterlockedIncrement(&Probe.Runs);
}

TEST_ON(2, T_KeCancelTimer_4)
{
    KtPrepareProbe(&Probe);
    Turn = Done = 0;
    KeInitializeDpc(&Probe.Dpc, RunUntilTold, NULL);
    KeSetTargetProcessorDpc(&Probe.Dpc, 1);
    KtSetProbe(&Probe, KtIn(MICROSECONDS(100)), 0);
    CHECK(KtSpinUntil(&Turn, 1));
    CHECK_EQUAL(KeCancelTimer(&Probe.Timer), FALSE); /* comes back while the routine runs */
    CHECK_EQUAL(Probe.Runs, 0);
    InterlockedExchange(&Done, 1);
    CHECK(KtSpinUntil(&Probe.Runs, 1));
    KeFlushQueuedDpcs();
}

/* ---- all processors set and cancel one timer: TRUE results and runs add up ---- */

static volatile LONG Sets, Forgotten;

PARALLEL_ROUTINE(SetAndCancel)
{
    for (ULONG i = 0; i < 400; i++) {
        if (KtRandom(3)) {
            BOOLEAN wasSet = KtSetProbe(&Probe, KtIn(MICROSECONDS(KtRandom(60))), 0);

            InterlockedIncrement(&Sets);
            if (wasSet)
                InterlockedIncrement(&Forgotten);
        } else if (KeCancelTimer(&Probe.Timer)) {
            InterlockedIncrement(&Forgotten);
        }
        KtJitter(300);
    }
}

/*
 * Every setting is forgotten (a TRUE) or expires. An expiry runs the DPC unless it is queued
 * already: so runs are at most the expiries, and at least one if there is any.
 */
TEST(T_TMR_17__T_TMR_20_from_all_processors)
{
    KtPrepareProbe(&Probe);
    Sets = Forgotten = 0;
    for (ULONG round = 0; round < 5; round++) {
        KtRunOnAll(SetAndCancel, NULL);
        if (KeCancelTimer(&Probe.Timer))
            Forgotten++;
        KeFlushQueuedDpcs();
        CHECK(Probe.Runs <= Sets - Forgotten);
        CHECK(Sets == Forgotten || Probe.Runs > 0);
    }
}
