/* dpc.md: the time limits of DPCs (T-DPCWD, KeQueryDpcWatchdogInformation). */
#define SUITE "dpc.watchdog"
#include "suite.h"

static KT_PROBE Probe;
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

DPC_ROUTINE(RunForTicks)
{
    ULONG ticks = (ULONG)(ULONG_PTR)Argument1;

    for (ULONG i = 0; i < ticks; i++)
        KtNextTick();
    Probe.Runs++;
}

static VOID RunDpcForTicks(ULONG Ticks)
{
    KtPrepareProbe(&Probe);
    KeInitializeDpc(&Probe.Dpc, RunForTicks, NULL);
    CHECK(KeInsertQueueDpc(&Probe.Dpc, (PVOID)(ULONG_PTR)Ticks, NULL));
    CHECK_EQUAL(Probe.Runs, 1);
}

/* The guideline of 100 us is not enforced; the limits are long. */
TEST(T_DPCWD_1)
{
    RunDpcForTicks(3);
}

TEST(T_DPCWD_2_below_the_limits)
{
    SetLimits(100, 200);
    RunDpcForTicks(3);
    RunDpcForTicks(3);
    RestoreLimits();
}

TEST(T_DPCWD_3)
{
    SetLimits(0, 0);
    RunDpcForTicks(10);
    RestoreLimits();
}

static KDPC_WATCHDOG_INFORMATION First, Later;

DPC_ROUTINE(AskTwice)
{
    KtPoison(&First);
    KtPoison(&Later);
    CHECK_EQUAL(KeQueryDpcWatchdogInformation(&First), STATUS_SUCCESS);
    for (ULONG i = 0; i < 4; i++)
        KtNextTick();
    CHECK_EQUAL(KeQueryDpcWatchdogInformation(&Later), STATUS_SUCCESS);
    Probe.Runs++;
}

TEST(T_KeQueryDpcWatchdogInformation_1)
{
    SetLimits(1000, 5000);
    KtPrepareProbe(&Probe);
    KeInitializeDpc(&Probe.Dpc, AskTwice, NULL);
    CHECK(KeInsertQueueDpc(&Probe.Dpc, NULL, NULL));
    CHECK_EQUAL(Probe.Runs, 1);
    CHECK_EQUAL(First.DpcTimeLimit, 1000);
    CHECK_EQUAL(First.DpcWatchdogLimit, 5000);
    CHECK(First.DpcTimeCount <= 1000 && First.DpcWatchdogCount <= 5000); /* what remains */
    CHECK_AT_LEAST(First.DpcTimeCount, 990);
    CHECK_EQUAL(Later.DpcTimeLimit, 1000);
    CHECK(Later.DpcTimeCount + 3 <= First.DpcTimeCount);
    CHECK(Later.DpcWatchdogCount + 3 <= First.DpcWatchdogCount);
    RestoreLimits();
}

/* A new DPC begins with its whole allowance. */
TEST(T_KeQueryDpcWatchdogInformation_1_each_dpc)
{
    SetLimits(1000, 5000);
    RunDpcForTicks(5);
    KtPrepareProbe(&Probe);
    KeInitializeDpc(&Probe.Dpc, AskTwice, NULL);
    CHECK(KeInsertQueueDpc(&Probe.Dpc, NULL, NULL));
    CHECK_AT_LEAST(First.DpcTimeCount, 999);
    RestoreLimits();
}

TEST(T_KeQueryDpcWatchdogInformation_2)
{
    KDPC_WATCHDOG_INFORMATION information;

    KtPoison(&information);
    CHECK_EQUAL(KeQueryDpcWatchdogInformation(&information), STATUS_UNSUCCESSFUL);
    AT_IRQL(APC_LEVEL)
    {
        CHECK_EQUAL(KeQueryDpcWatchdogInformation(&information), STATUS_UNSUCCESSFUL);
    }
}
