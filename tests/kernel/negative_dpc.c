/* Errors of dpc.md and timer.md: wrong IRQL, objects that go away too early, the watchdog. */
#define SUITE "negative.dpc"
#include "suite.h"

static KT_PROBE Probe;

/* ---- timer routines above DISPATCH_LEVEL: 0xC4/0x20011 ---- */

TEST(T_KeSetTimer_7)
{
    KtPrepareProbe(&Probe);
    for (KIRQL level = 3; level <= HIGH_LEVEL; level += 3)
        AT_IRQL(level)
        {
            EXPECT_BUGCHECK(0xC4, RULE_IRQL_KE_DISPATCH_LTE, level, ANY, ANY)
            {
                KeSetTimer(&Probe.Timer, KtIn(SECONDS(1)), &Probe.Dpc);
            }
            EXPECT_BUGCHECK(0xC4, RULE_IRQL_KE_DISPATCH_LTE, level, ANY, ANY)
            {
                KeSetTimerEx(&Probe.Timer, KtIn(SECONDS(1)), 10, &Probe.Dpc);
            }
            EXPECT_BUGCHECK(0xC4, ANY, level, ANY, ANY)
            {
                KeSetCoalescableTimer(&Probe.Timer, KtIn(SECONDS(1)), 10, 1, &Probe.Dpc);
            }
            EXPECT_BUGCHECK(0xC4, RULE_IRQL_KE_DISPATCH_LTE, level, ANY, ANY)
            {
                KeCancelTimer(&Probe.Timer);
            }
            EXPECT_BUGCHECK(0xC4, RULE_IRQL_KE_DISPATCH_LTE, level, ANY, ANY)
            {
                KeReadStateTimer(&Probe.Timer);
            }
            EXPECT_BUGCHECK(0xC4, RULE_IRQL_KE_DISPATCH_LTE, level, ANY, ANY)
            {
                KeInitializeTimer(&Probe.Timer);
            }
            EXPECT_BUGCHECK(0xC4, RULE_IRQL_KE_DISPATCH_LTE, level, ANY, ANY)
            {
                KeInitializeTimerEx(&Probe.Timer, SynchronizationTimer);
            }
        }
    CHECK_EQUAL(KeCancelTimer(&Probe.Timer), FALSE); /* none of them has set it */
}

TEST(KeSetSystemTime_above_dispatch_level)
{
    AT_IRQL(5)
    {
        EXPECT_BUGCHECK(0xC4, ANY, 5, ANY, ANY)
        {
            LARGE_INTEGER now, old;

            KeQuerySystemTime(&now);
            KeSetSystemTime(&now, &old);
        }
    }
}

/* A queued object must not be initialized again. */
TEST(T_KeInitializeTimer_2)
{
    KtPrepareProbe(&Probe);
    KtSetProbe(&Probe, KtIn(SECONDS(1000)), 0);
    EXPECT_BUGCHECK(0xC7, ANY, ANY, ANY, ANY)
    {
        KeInitializeTimer(&Probe.Timer);
    }
    CHECK_EQUAL(KeCancelTimer(&Probe.Timer), TRUE); /* still in the queue */
}

TEST(T_KeInitializeDpc_3)
{
    KtPrepareProbe(&Probe);
    AT_IRQL(DISPATCH_LEVEL)
    {
        CHECK(KeInsertQueueDpc(&Probe.Dpc, NULL, NULL));
        EXPECT_BUGCHECK(0xC7, ANY, ANY, ANY, ANY)
        {
            KeInitializeDpc(&Probe.Dpc, KtProbeRoutine, &Probe);
        }
        CHECK_EQUAL(KeRemoveQueueDpc(&Probe.Dpc), TRUE);
    }
    CHECK_EQUAL(Probe.Runs, 0);
}

TEST(T_KeFlushQueuedDpcs_3)
{
    for (KIRQL level = APC_LEVEL; level <= HIGH_LEVEL; level++)
        AT_IRQL(level)
        {
            EXPECT_BUGCHECK(0xC4, ANY, level, ANY, ANY)
            {
                KeFlushQueuedDpcs();
            }
        }
}

DPC_ROUTINE(ReturnAtAnotherLevel)
{
    KfRaiseIrql(7);
}

/* T-DPCQ-8: the routine's exit IRQL; the drain finds it. The code is not documented. */
TEST(T_DPCQ_8)
{
    KtPrepareProbe(&Probe);
    KeInitializeDpc(&Probe.Dpc, ReturnAtAnotherLevel, NULL);
    EXPECT_BUGCHECK(ANY, ANY, ANY, ANY, ANY)
    {
        KeInsertQueueDpc(&Probe.Dpc, NULL, NULL);
    }
    CHECK_IRQL(PASSIVE_LEVEL);
    KtPrepareProbe(&Probe);
    CHECK(KeInsertQueueDpc(&Probe.Dpc, NULL, NULL)); /* the queue works on */
    CHECK_EQUAL(Probe.Runs, 1);
}

/* ---- memory that goes away: 0xC7, or the verifier's 0xC4/0x15 ---- */

TEST(T_TMR_21__T_POOL_9_active_timer)
{
    for (ULONG i = 0; i < 2; i++) {
        PKT_PROBE probe = ExAllocatePoolWithTag(NonPagedPool, sizeof(*probe), KT_TAG);
        const KT_BUGCHECK *seen;

        KtPrepareProbe(probe);
        KtSetProbe(probe, KtIn(SECONDS(1000)), i ? 1000 : 0);
        EXPECT_BUGCHECK(ANY, ANY, ANY, ANY, ANY)
        {
            ExFreePoolWithTag(probe, KT_TAG);
        }
        seen = KtLastBugCheck();
        if (seen->Code == 0xC7) {
            CHECK_EQUAL(seen->Parameters[0], 0);
            CHECK_EQUAL(seen->Parameters[1], &probe->Timer);
            CHECK(seen->Parameters[2] <= (ULONG_PTR)probe);
            CHECK(seen->Parameters[3] >= (ULONG_PTR)(probe + 1) - 1);
        } else {
            CHECK_EQUAL(seen->Code, 0xC4);
            CHECK_EQUAL(seen->Parameters[0], 0x15);
            CHECK_EQUAL(seen->Parameters[1], &probe->Timer);
        }
        CHECK_EQUAL(KeCancelTimer(&probe->Timer), TRUE);
        KeFlushQueuedDpcs();
        ExFreePoolWithTag(probe, KT_TAG);
    }
}

/* A periodic timer's own DPC cannot free it: it is in the timer queue again already. */
DPC_ROUTINE(FreePeriodicTimer)
{
    PKT_PROBE probe = Context;

    if (probe->Runs == 0)
        EXPECT_BUGCHECK(ANY, ANY, ANY, ANY, ANY)
        {
            ExFreePoolWithTag(probe, KT_TAG);
        }
    CHECK(KtLastBugCheck()->Code == 0xC7 || KtLastBugCheck()->Code == 0xC4);
    CHECK_EQUAL(KtLastBugCheck()->Parameters[1], &probe->Timer);
    InterlockedIncrement(&probe->Runs);
}

TEST(T_TMR_21__S_28)
{
    PKT_PROBE probe = ExAllocatePoolWithTag(NonPagedPool, sizeof(*probe), KT_TAG);

    KtPrepareProbe(probe);
    KeInitializeDpc(&probe->Dpc, FreePeriodicTimer, probe);
    KtSetProbe(probe, KtIn(MILLISECONDS(1)), 10);
    CHECK(KtSleepUntil(&probe->Runs, 1));
    CHECK(KeCancelTimer(&probe->Timer));
    KeFlushQueuedDpcs();
    ExFreePoolWithTag(probe, KT_TAG);
}

TEST(T_POOL_9_queued_dpc)
{
    PKT_PROBE probe = ExAllocatePoolWithTag(NonPagedPool, sizeof(*probe), KT_TAG);

    KtPrepareProbe(probe);
    AT_IRQL(DISPATCH_LEVEL)
    {
        CHECK(KeInsertQueueDpc(&probe->Dpc, NULL, NULL));
        EXPECT_BUGCHECK(0xC7, 1, &probe->Dpc, ANY, ANY)
        {
            ExFreePoolWithTag(probe, KT_TAG);
        }
        CHECK(KtLastBugCheck()->Parameters[2] <= (ULONG_PTR)probe);
        CHECK(KtLastBugCheck()->Parameters[3] >= (ULONG_PTR)(probe + 1) - 1);
        CHECK(KeRemoveQueueDpc(&probe->Dpc));
    }
    ExFreePoolWithTag(probe, KT_TAG);
}

/* A target processor that is not there, by a stray write into the object: 0xC7/3. */
TEST(bad_processor_number_in_a_dpc)
{
    KtPrepareProbe(&Probe);
    Probe.Dpc.Number = 4000;
    EXPECT_BUGCHECK(0xC7, 3, &Probe.Dpc, ANY, KtProcessors())
    {
        KeInsertQueueDpc(&Probe.Dpc, NULL, NULL);
    }
    KtPrepareProbe(&Probe);
}

/* ---- the watchdog: 0x133 ---- */

static ULONG SavedTimeLimit, SavedWatchdogLimit;

static VOID SetLimits(ULONG TimeLimit, ULONG WatchdogLimit)
{
    SavedTimeLimit = KiDpcTimeLimit;
    SavedWatchdogLimit = KiDpcWatchdogLimit;
    KiDpcTimeLimit = TimeLimit;
    KiDpcWatchdogLimit = WatchdogLimit;
}

static VOID RestoreLimits(VOID)
{
    KiDpcTimeLimit = SavedTimeLimit;
    KiDpcWatchdogLimit = SavedWatchdogLimit;
}

static VOID RunTooLong(VOID)
{
    ULONG64 start = KtNow();

    while (KtNow() - start < 20 * (ULONG64)KeQueryTimeIncrement())
        ArchPause();
}

/* The clock interrupt finds it: the jump back leaves that interrupt. */
DPC_ROUTINE(DpcTooLong)
{
    EXPECT_BUGCHECK(0x133, 0, ANY, 4, ANY)
    {
        RunTooLong();
    }
    CHECK_AT_LEAST(KtLastBugCheck()->Parameters[1], 4); /* ticks used, ticks allowed */
    CHECK(KtLastBugCheck()->Parameters[1] <= 6);
    Probe.Runs++;
}

TEST(T_DPCWD_2_single_dpc)
{
    SetLimits(4, 0);
    KtPrepareProbe(&Probe);
    KeInitializeDpc(&Probe.Dpc, DpcTooLong, NULL);
    CHECK(KeInsertQueueDpc(&Probe.Dpc, NULL, NULL));
    CHECK_EQUAL(Probe.Runs, 1);
    RestoreLimits();
    KtNextTick(); /* the clock goes on */
    KiSleep(MILLISECONDS(15));
}

SERVICE_ROUTINE(IsrTooLong)
{
    EXPECT_BUGCHECK(0x133, 0, ANY, 4, ANY)
    {
        RunTooLong();
    }
    Probe.Runs++;
    return TRUE;
}

TEST(T_DPCWD_2_single_isr)
{
    PKINTERRUPT interrupt;

    SetLimits(4, 0);
    KtPrepareProbe(&Probe);
    CHECK_EQUAL(KtConnect(&interrupt, KT_VECTOR(5, 0), IsrTooLong, NULL), STATUS_SUCCESS);
    KtInterruptHere(KT_VECTOR(5, 0));
    CHECK_EQUAL(Probe.Runs, 1);
    RestoreLimits();
    IoDisconnectInterrupt(interrupt);
    KtNextTick();
}

TEST(T_DPCWD_2_cumulative)
{
    SetLimits(0, 5);
    AT_IRQL(DISPATCH_LEVEL)
    {
        EXPECT_BUGCHECK(0x133, 1, 5, ANY, ANY) /* P2: the watchdog period */
        {
            RunTooLong();
        }
    }
    RestoreLimits();
    KtNextTick();
    KiSleep(MILLISECONDS(15));
    CHECK_IRQL(PASSIVE_LEVEL);
}
