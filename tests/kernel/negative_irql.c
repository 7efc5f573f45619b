/* Errors of irql.md: each must end in the documented bug check, which the test survives. */
#define SUITE "negative.irql"
#include "suite.h"

/* 0xC4/0x30: current IRQL, requested. */
TEST(T_KeRaiseIrql_3)
{
    for (KIRQL level = APC_LEVEL; level <= HIGH_LEVEL; level++)
        AT_IRQL(level)
        {
            EXPECT_BUGCHECK(0xC4, 0x30, level, level - 1, ANY)
            {
                KfRaiseIrql((KIRQL)(level - 1));
            }
            CHECK_EQUAL(KtLastBugCheck()->Irql, level);
            EXPECT_BUGCHECK(0xC4, 0x30, level, PASSIVE_LEVEL, ANY)
            {
                KIRQL oldIrql;

                KeRaiseIrql(PASSIVE_LEVEL, &oldIrql);
            }
            CHECK_IRQL(level);
        }
}

TEST(T_KeRaiseIrql_4)
{
    EXPECT_BUGCHECK(0xC4, 0x30, PASSIVE_LEVEL, HIGH_LEVEL + 1, ANY)
    {
        KfRaiseIrql(HIGH_LEVEL + 1);
    }
    EXPECT_BUGCHECK(0xC4, 0x30, PASSIVE_LEVEL, 255, ANY)
    {
        KfRaiseIrql(255);
    }
    CHECK_IRQL(PASSIVE_LEVEL);
}

TEST(T_KeRaiseIrqlToDpcLevel_3)
{
    for (KIRQL level = 3; level <= HIGH_LEVEL; level++)
        AT_IRQL(level)
        {
            EXPECT_BUGCHECK(0xC4, ANY, level, ANY, ANY)
            {
                KeRaiseIrqlToDpcLevel();
            }
            CHECK(KtLastBugCheck()->Parameters[0] == 0x30 ||
                  KtLastBugCheck()->Parameters[0] == RULE_IRQL_KE_DISPATCH_LTE);
        }
}

/* 0xC4/0x31: current, requested, 0. */
TEST(T_KeLowerIrql_2)
{
    for (KIRQL level = PASSIVE_LEVEL; level < HIGH_LEVEL; level++)
        AT_IRQL(level)
        {
            EXPECT_BUGCHECK(0xC4, 0x31, level, level + 1, 0)
            {
                KeLowerIrql((KIRQL)(level + 1));
            }
            EXPECT_BUGCHECK(0xC4, 0x31, level, HIGH_LEVEL + 1, 0)
            {
                KeLowerIrql(HIGH_LEVEL + 1);
            }
            CHECK_IRQL(level);
        }
}

static volatile LONG DpcRuns;

DPC_ROUTINE(LowerInDpc)
{
    EXPECT_BUGCHECK(0xC4, 0x31, DISPATCH_LEVEL, PASSIVE_LEVEL, 1)
    {
        KeLowerIrql(PASSIVE_LEVEL);
    }
    EXPECT_BUGCHECK(0xC4, 0x31, DISPATCH_LEVEL, APC_LEVEL, 1)
    {
        KeLowerIrql(APC_LEVEL);
    }
    CHECK_IRQL(DISPATCH_LEVEL);
    DpcRuns++;
}

TEST(T_KeLowerIrql_2__T_DPCQ_8_in_a_dpc)
{
    KDPC dpc;

    KtPoison(&dpc);
    DpcRuns = 0;
    KeInitializeDpc(&dpc, LowerInDpc, NULL);
    CHECK(KeInsertQueueDpc(&dpc, NULL, NULL));
    CHECK_EQUAL(DpcRuns, 1);
}

/* P4 = 1 is about DPC routines only: between a raise and its lower no DPC runs. */
TEST(T_KeLowerIrql_2_after_a_dpc)
{
    KT_PROBE probe;

    KtPrepareProbe(&probe);
    CHECK(KeInsertQueueDpc(&probe.Dpc, NULL, NULL));
    AT_IRQL(DISPATCH_LEVEL)
    {
        CHECK(KeInsertQueueDpc(&probe.Dpc, NULL, NULL));
    }
    CHECK_EQUAL(probe.Runs, 2);
}

/* The lock is still held below its IRQL: the next acquisition on this processor finds it so. */
TEST(T_KeLowerIrql_5)
{
    KSPIN_LOCK lock;

    KeInitializeSpinLock(&lock);
    EXPECT_BUGCHECK(0xF, &lock, ANY, ANY, ANY)
    {
        KIRQL oldIrql;

        KeAcquireSpinLock(&lock, &oldIrql);
        KeLowerIrql(oldIrql);
        KeAcquireSpinLock(&lock, &oldIrql);
    }
}

static ULONG_PTR DoNothing(ULONG_PTR Argument)
{
    return Argument;
}

TEST(KeIpiGenericCall_at_ipi_level)
{
    for (KIRQL level = IPI_LEVEL; level <= HIGH_LEVEL; level++)
        AT_IRQL(level)
        {
            EXPECT_BUGCHECK(0xC4, ANY, level, ANY, ANY)
            {
                KeIpiGenericCall(DoNothing, 0);
            }
        }
}

TEST(T_BUGCHECK_1)
{
    for (KIRQL level = PASSIVE_LEVEL; level <= HIGH_LEVEL; level++)
        AT_IRQL(level)
        {
            EXPECT_BUGCHECK(0xE2, 0x1111111111111111, 0x22, MAXULONG64, 0x44)
            {
                KeBugCheckEx(MANUALLY_INITIATED_CRASH, 0x1111111111111111, 0x22, MAXULONG64, 0x44);
            }
            CHECK_EQUAL(KtLastBugCheck()->Irql, level); /* as before the bug check */
            EXPECT_BUGCHECK(0xDEAD, 0, 0, 0, 0)
            {
                KeBugCheck(0xDEAD);
            }
            CHECK_IRQL(level);
        }
}

/* Also when interrupts are off, and on another processor. */
ROUTINE(CheckOnProcessor)
{
    EXPECT_BUGCHECK(0xC4, 0x30, 7, 6, ANY)
    {
        KfRaiseIrql(6);
    }
    CHECK_IRQL(7);
}

TEST_ON(2, T_KeRaiseIrql_3_on_another_processor)
{
    ULONG_PTR flags;

    KtRunOn(1, 7, CheckOnProcessor, NULL);
    flags = ArchDisableInterrupts();
    KtRunAt(7, CheckOnProcessor, NULL);
    CHECK(!ArchInterruptsEnabled());
    ArchRestoreInterrupts(flags);
}
