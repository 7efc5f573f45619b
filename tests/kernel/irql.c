/*
 * irql.md: IRQL as a property of a processor, CR8, raising and lowering. Indented by IRQL: after
 * each step the test asks what has run.
 */
#define SUITE "irql"
#include "suite.h"

static volatile LONG IsrRuns[16];

SERVICE_ROUTINE(CountingIsr)
{
    InterlockedIncrement(&IsrRuns[KeGetCurrentIrql()]);
    return TRUE;
}

static LONG RunsOf(KIRQL Irql)
{
    return IsrRuns[Irql];
}

/* Connects one vector each at three device levels. */
static VOID ConnectThree(PKINTERRUPT Interrupts[3])
{
    memset((PVOID)IsrRuns, 0, sizeof(IsrRuns));
    CHECK_EQUAL(KtConnect(&Interrupts[0], KT_VECTOR(4, 0), CountingIsr, NULL), STATUS_SUCCESS);
    CHECK_EQUAL(KtConnect(&Interrupts[1], KT_VECTOR(7, 0), CountingIsr, NULL), STATUS_SUCCESS);
    CHECK_EQUAL(KtConnect(&Interrupts[2], KT_VECTOR(11, 0), CountingIsr, NULL), STATUS_SUCCESS);
}

static VOID DisconnectThree(PKINTERRUPT Interrupts[3])
{
    for (ULONG i = 0; i < 3; i++)
        IoDisconnectInterrupt(Interrupts[i]);
}

TEST(T_KeGetCurrentIrql_1)
{
    CHECK_EQUAL(KeGetCurrentIrql(), PASSIVE_LEVEL);
    for (KIRQL level = PASSIVE_LEVEL; level <= HIGH_LEVEL; level++)
        AT_IRQL(level)
        {
            CHECK_EQUAL(KeGetCurrentIrql(), level);
            CHECK_EQUAL(KeGetCurrentIrql(), level); /* asking changes nothing */
        }
    CHECK_EQUAL(KeGetCurrentIrql(), PASSIVE_LEVEL);
}

TEST(T_KeRaiseIrql_1)
{
    for (KIRQL level = APC_LEVEL; level <= HIGH_LEVEL; level++) {
        KIRQL oldIrql = POISON;

        KeRaiseIrql(level, &oldIrql);
        CHECK_IRQL(level);
        CHECK_EQUAL(oldIrql, PASSIVE_LEVEL);
        KeLowerIrql(oldIrql);
        CHECK_IRQL(PASSIVE_LEVEL);
    }
}

TEST(T_KeRaiseIrql_2)
{
    for (KIRQL level = PASSIVE_LEVEL; level <= HIGH_LEVEL; level++) {
        KIRQL outer = POISON, inner = POISON;

        KeRaiseIrql(level, &outer);
        KeRaiseIrql(level, &inner);
        CHECK_EQUAL(inner, level);
        CHECK_IRQL(level);
        KeLowerIrql(inner);
        CHECK_IRQL(level);
        KeLowerIrql(outer);
    }
    CHECK_IRQL(PASSIVE_LEVEL);
}

ROUTINE(RecordIrql)
{
    *(volatile LONG *)Context = KeGetCurrentIrql();
}

TEST_ON(2, T_KeRaiseIrql_5__T_IRQL_1_per_processor)
{
    volatile LONG other = -1;

    AT_IRQL(9)
    {
        KtRunOn(1, DISPATCH_LEVEL, RecordIrql, (PVOID)&other);
        CHECK_EQUAL(other, DISPATCH_LEVEL);
        CHECK_IRQL(9);
    }

    KtHold(1, IPI_LEVEL);
    CHECK_IRQL(PASSIVE_LEVEL); /* the other's level is not ours */
    KtLetGo();
}

TEST(KfRaiseIrql_returns_the_old_level)
{
    CHECK_EQUAL(KfRaiseIrql(5), PASSIVE_LEVEL);
    CHECK_EQUAL(KfRaiseIrql(9), 5);
    CHECK_EQUAL(KzRaiseIrql(), 9);
    CHECK_IRQL(HIGH_LEVEL);
    KzLowerIrql(9);
    CHECK_IRQL(9);
    KeLowerIrql(5);
    KeLowerIrql(PASSIVE_LEVEL);
    CHECK_IRQL(PASSIVE_LEVEL);
}

TEST(T_IRQL_6__T_KeLowerIrql_1_nested)
{
    KIRQL saved[HIGH_LEVEL + 1];

    for (KIRQL level = APC_LEVEL; level <= HIGH_LEVEL; level++) {
        KeRaiseIrql(level, &saved[level]);
        CHECK_EQUAL(saved[level], level - 1);
    }
    for (KIRQL level = HIGH_LEVEL; level >= APC_LEVEL; level--) {
        CHECK_IRQL(level);
        KeLowerIrql(saved[level]);
    }
    CHECK_IRQL(PASSIVE_LEVEL);
}

TEST(T_KeLowerIrql_3)
{
    KeLowerIrql(PASSIVE_LEVEL);
    CHECK_IRQL(PASSIVE_LEVEL);
    for (KIRQL level = APC_LEVEL; level <= HIGH_LEVEL; level++)
        AT_IRQL(level)
        {
            KeLowerIrql(level);
            CHECK_IRQL(level);
        }
}

TEST(T_KeRaiseIrqlToDpcLevel_1)
{
    KIRQL oldIrql = KeRaiseIrqlToDpcLevel();

    CHECK_EQUAL(oldIrql, PASSIVE_LEVEL);
    CHECK_IRQL(DISPATCH_LEVEL);
    KeLowerIrql(oldIrql);
    KeRaiseIrql(APC_LEVEL, &oldIrql);
    CHECK_EQUAL(KeRaiseIrqlToDpcLevel(), APC_LEVEL);
    CHECK_IRQL(DISPATCH_LEVEL);
    KeLowerIrql(PASSIVE_LEVEL);
}

TEST(T_KeRaiseIrqlToDpcLevel_2)
{
    KIRQL oldIrql = KeRaiseIrqlToDpcLevel();

    CHECK_EQUAL(KeRaiseIrqlToDpcLevel(), DISPATCH_LEVEL);
    CHECK_IRQL(DISPATCH_LEVEL);
    KeLowerIrql(oldIrql);
}

TEST(T_IRQL_7__T_KeLowerIrql_4_drains_dpcs)
{
    KT_PROBE probe;

    KtPrepareProbe(&probe);
    AT_IRQL(APC_LEVEL)
    {
        AT_IRQL(DISPATCH_LEVEL)
        {
            CHECK(KeInsertQueueDpc(&probe.Dpc, NULL, NULL));
            CHECK_EQUAL(probe.Runs, 0);
            AT_IRQL(6)
            {
                KtStall(MICROSECONDS(100));
                CHECK_EQUAL(probe.Runs, 0);
            }
            KtStall(MICROSECONDS(100));
            CHECK_EQUAL(probe.Runs, 0); /* not at DISPATCH_LEVEL */
        }
        CHECK_EQUAL(probe.Runs, 1); /* but below it, and before the lowering returned */
        CHECK_EQUAL(probe.Irql, DISPATCH_LEVEL);
        CHECK_IRQL(APC_LEVEL);
    }
    CHECK_EQUAL(probe.Runs, 1);
}

/* One vector, at every level: held at its own level and above, taken below. */
static VOID CheckMask(UCHAR Vector, KIRQL Level)
{
    KIRQL device = VECTOR_IRQL(Vector);
    LONG before = RunsOf(device);

    AT_IRQL(Level)
    {
        AT_IRQL(HIGH_LEVEL)
        {
            ArchSendInterrupt(KeGetCurrentProcessorIndex(), Vector);
            KtStall(MICROSECONDS(20));
            CHECK_EQUAL(RunsOf(device), before);
        }
        CHECK_EQUAL(RunsOf(device), before + (Level < device));
        KtStall(MICROSECONDS(20));
        CHECK_EQUAL(RunsOf(device), before + (Level < device));
    }
    CHECK_EQUAL(RunsOf(device), before + 1);
}

TEST(T_IRQL_2__T_CR8_1_every_level)
{
    PKINTERRUPT interrupts[3];

    ConnectThree(interrupts);
    for (KIRQL level = PASSIVE_LEVEL; level <= HIGH_LEVEL; level++) {
        CheckMask(KT_VECTOR(4, 0), level);
        CheckMask(KT_VECTOR(7, 0), level);
        CheckMask(KT_VECTOR(11, 0), level);
    }
    DisconnectThree(interrupts);
}

TEST(T_KeLowerIrql_4__T_IRQL_2_highest_first)
{
    PKINTERRUPT interrupts[3];
    ULONG self = KeGetCurrentProcessorIndex();

    ConnectThree(interrupts);
    AT_IRQL(5)
    {
        AT_IRQL(10)
        {
            AT_IRQL(HIGH_LEVEL)
            {
                ArchSendInterrupt(self, KT_VECTOR(4, 0));
                ArchSendInterrupt(self, KT_VECTOR(11, 0));
                ArchSendInterrupt(self, KT_VECTOR(7, 0));
                CHECK_EQUAL(RunsOf(4) + RunsOf(7) + RunsOf(11), 0);
            }
            CHECK_EQUAL(RunsOf(11), 1);
            CHECK_EQUAL(RunsOf(7), 0);
        }
        CHECK_EQUAL(RunsOf(7), 1);
        CHECK_EQUAL(RunsOf(4), 0);
    }
    CHECK_EQUAL(RunsOf(4), 1);
    DisconnectThree(interrupts);
}

TEST(T_IRQL_4_dispatch_level)
{
    PKINTERRUPT interrupts[3];
    PKPRCB prcb = KeGetCurrentPrcb();
    ULONG64 clocks = prcb->Clock.Interrupts;

    ConnectThree(interrupts);
    AT_IRQL(DISPATCH_LEVEL)
    {
        KtInterruptHere(KT_VECTOR(4, 0));
        CHECK_EQUAL(RunsOf(4), 1); /* devices interrupt */
        KtNextTick();
        CHECK(prcb->Clock.Interrupts > clocks); /* and so does the clock */
    }
    DisconnectThree(interrupts);
}

static ULONG_PTR CountIpi(ULONG_PTR Argument)
{
    return (ULONG_PTR)InterlockedIncrement((volatile LONG *)Argument);
}

PARALLEL_ROUTINE(BroadcastOnce)
{
    if (Processor == 1)
        KeIpiGenericCall(CountIpi, (ULONG_PTR)Context);
}

TEST_ON(2, T_IRQL_4_device_level)
{
    volatile LONG ipis = 0;
    PKINTERRUPT interrupts[3];
    ULONG64 clocks = KeGetCurrentPrcb()->Clock.Interrupts;

    ConnectThree(interrupts);
    AT_IRQL(7)
    {
        KtInterruptHere(KT_VECTOR(11, 0));
        CHECK_EQUAL(RunsOf(11), 1);
        KtInterruptHere(KT_VECTOR(4, 0));
        CHECK_EQUAL(RunsOf(4), 0);
        KtNextTick();
        CHECK(KeGetCurrentPrcb()->Clock.Interrupts > clocks);
        KtStartOnOthers(BroadcastOnce, (PVOID)&ipis);
        KtJoin(); /* processor 1 comes back only if this one has taken the IPI */
        CHECK_EQUAL(ipis, KtProcessors());
    }
    CHECK_EQUAL(RunsOf(4), 1);
    DisconnectThree(interrupts);
}

TEST(T_CR8_2_interrupt_flag)
{
    PKINTERRUPT interrupts[3];
    ULONG_PTR flags;
    ULONG self = KeGetCurrentProcessorIndex();

    ConnectThree(interrupts);
    flags = ArchDisableInterrupts();
    CHECK_IRQL(PASSIVE_LEVEL); /* IF is no level */
    ArchSendInterrupt(self, KT_VECTOR(11, 0));
    KtStall(MICROSECONDS(50));
    CHECK_EQUAL(RunsOf(11), 0);
    ArchRestoreInterrupts(flags);
    KtStall(MICROSECONDS(50));
    CHECK_EQUAL(RunsOf(11), 1);
    DisconnectThree(interrupts);
}

/* A driver's headers write CR8 themselves: the kernel sees no call. */
TEST(T_CR8_3_inline_lowering)
{
    KT_PROBE probe;

    KtPrepareProbe(&probe);
    ArchWriteIrql(DISPATCH_LEVEL);
    CHECK(KeInsertQueueDpc(&probe.Dpc, NULL, NULL));
    KtStall(MICROSECONDS(50));
    CHECK_EQUAL(probe.Runs, 0);
    ArchWriteIrql(APC_LEVEL);
    CHECK_EQUAL(probe.Runs, 1);
    ArchWriteIrql(PASSIVE_LEVEL);
    CHECK_EQUAL(probe.Runs, 1);
}

static KT_PROBE IsrProbe;
static ULONG64 InServiceInDpc;

DPC_ROUTINE(ReadInService)
{
    InServiceInDpc = 0;
    for (ULONG i = 1; i < 8; i++) /* vectors 0x20 to 0xFF */
        InServiceInDpc |= ArchLocalApic[(0x100 + 0x10 * i) / 4];
    CHECK_EQUAL(KeGetCurrentPrcb()->InterruptDepth, 0);
}

SERVICE_ROUTINE(QueueFromIsr)
{
    CHECK(KeInsertQueueDpc(&IsrProbe.Dpc, NULL, NULL));
    return TRUE;
}

TEST(T_CR8_4)
{
    PKINTERRUPT interrupt;

    KtPrepareProbe(&IsrProbe);
    KeInitializeDpc(&IsrProbe.Dpc, ReadInService, NULL);
    CHECK_EQUAL(KtConnect(&interrupt, KT_VECTOR(7, 0), QueueFromIsr, NULL), STATUS_SUCCESS);
    InServiceInDpc = MAXULONG64;
    KtInterruptHere(KT_VECTOR(7, 0));
    CHECK_EQUAL(InServiceInDpc, 0); /* no interrupt's end was outstanding in the DPC */
    IoDisconnectInterrupt(interrupt);
}

SERVICE_ROUTINE(CompareCr8)
{
    CHECK_EQUAL(KeGetCurrentIrql(), ArchReadIrql());
    CHECK_EQUAL(ArchReadIrql(), 7);
    return TRUE;
}

TEST(T_CR8_5)
{
    PKINTERRUPT interrupt;

    CHECK_EQUAL(KtConnect(&interrupt, KT_VECTOR(7, 0), CompareCr8, NULL), STATUS_SUCCESS);
    for (KIRQL level = PASSIVE_LEVEL; level <= HIGH_LEVEL; level++)
        AT_IRQL(level)
        {
            CHECK_EQUAL(ArchReadIrql(), level);
            CHECK_EQUAL(KeGetCurrentIrql(), level);
        }
    KtInterruptHere(KT_VECTOR(7, 0));
    IoDisconnectInterrupt(interrupt);
}
