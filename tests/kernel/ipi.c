/*
 * irql.md: KeIpiGenericCall, the identity of processors, and the IRQL of every callback that
 * exists so far (T-IRQL-5).
 */
#define SUITE "ipi"
#include "suite.h"

static volatile LONG Arrived, Wrong, Started;
static volatile LONG RunsOn[MAXIMUM_PROCESSORS];

static VOID ResetCounts(VOID)
{
    Arrived = Wrong = Started = 0;
    memset((PVOID)RunsOn, 0, sizeof(RunsOn));
}

/* A processor that begins before all have arrived cannot see all of them inside. */
static ULONG_PTR MeetTheOthers(ULONG_PTR Argument)
{
    ULONG self = KeGetCurrentProcessorIndex();

    CHECK_IRQL(IPI_LEVEL);
    InterlockedIncrement(&RunsOn[self]);
    InterlockedIncrement(&Arrived);
    CHECK(KtSpinUntil(&Arrived, (LONG)KtProcessors()));
    return Argument + self;
}

TEST(T_KeIpiGenericCall_1)
{
    ResetCounts();
    KeIpiGenericCall(MeetTheOthers, 1000);
    for (ULONG i = 0; i < KtProcessors(); i++)
        CHECK_EQUAL(RunsOn[i], 1);
    CHECK_IRQL(PASSIVE_LEVEL);
}

static volatile LONG HeldNow, Calling;

static ULONG_PTR SeeNobodyHeld(ULONG_PTR Argument)
{
    UNREFERENCED_PARAMETER(Argument);
    if (HeldNow)
        InterlockedIncrement(&Wrong);
    InterlockedIncrement(&Started);
    return 0;
}

/* Stays at the IPI's level for a while after the call has begun: nobody may have started. */
PARALLEL_ROUTINE(DelayTheBarrier)
{
    KIRQL oldIrql;

    if (Processor != 1)
        return;
    KeRaiseIrql(IPI_LEVEL, &oldIrql);
    InterlockedExchange(&HeldNow, 1);
    CHECK(KtSpinUntil(&Calling, 1));
    KtStall(MILLISECONDS(1));
    if (Started)
        InterlockedIncrement(&Wrong);
    InterlockedExchange(&HeldNow, 0);
    KeLowerIrql(oldIrql);
}

TEST_ON(2, T_KeIpiGenericCall_1_barrier)
{
    for (ULONG i = 0; i < 20; i++) {
        ResetCounts();
        HeldNow = Calling = 0;
        KtStartOnOthers(DelayTheBarrier, NULL);
        CHECK(KtSpinUntil(&HeldNow, 1));
        InterlockedExchange(&Calling, 1);
        KeIpiGenericCall(SeeNobodyHeld, 0);
        KtJoin();
        CHECK_EQUAL(Wrong, 0);
        CHECK_EQUAL(Started, KtProcessors());
    }
}

static ULONG_PTR EndLate(ULONG_PTR Argument)
{
    ULONG self = KeGetCurrentProcessorIndex();

    if (self == Argument)
        KtStall(MILLISECONDS(2));
    InterlockedIncrement(&Arrived);
    return 1000 + self;
}

TEST(T_KeIpiGenericCall_2)
{
    for (ULONG late = 0; late < KtProcessors(); late++) {
        ResetCounts();
        CHECK_EQUAL(KeIpiGenericCall(EndLate, late), 1000); /* this processor's value */
        CHECK_EQUAL(Arrived, KtProcessors());
    }
}

ROUTINE(BroadcastFromHere)
{
    ULONG_PTR result = KeIpiGenericCall(EndLate, MAXULONG);

    CHECK_EQUAL(result, 1000 + KeGetCurrentProcessorIndex());
}

TEST(T_KeIpiGenericCall_2_every_level)
{
    for (KIRQL level = PASSIVE_LEVEL; level < IPI_LEVEL; level++) {
        ResetCounts();
        KtRunAt(level, BroadcastFromHere, NULL);
        CHECK_EQUAL(Arrived, KtProcessors());
    }
}

TEST_ON(2, T_KeIpiGenericCall_2_other_callers)
{
    for (ULONG i = 1; i < KtProcessors(); i++) {
        ResetCounts();
        KtRunOn(i, CLOCK_LEVEL, BroadcastFromHere, NULL);
        CHECK_EQUAL(Arrived, KtProcessors());
    }
}

static ULONG_PTR CountBroadcast(ULONG_PTR Argument)
{
    InterlockedIncrement((volatile LONG *)Argument);
    return 0;
}

#define BROADCASTS 50

static volatile LONG Made;

PARALLEL_ROUTINE(BroadcastMany)
{
    ULONG64 start = KtNow();

    for (ULONG i = 0; i < BROADCASTS && KtNow() - start < SECONDS(2); i++) {
        KeIpiGenericCall(CountBroadcast, (ULONG_PTR)Context);
        InterlockedIncrement(&Made);
        KtJitter(500);
    }
}

TEST_ON(2, T_KeIpiGenericCall_2_all_at_once)
{
    volatile LONG calls = 0;

    Made = 0;
    KtRunOnAll(BroadcastMany, (PVOID)&calls);
    CHECK_AT_LEAST(Made, KtProcessors());
    CHECK_EQUAL(calls, Made * KtProcessors());
}

static ULONG_PTR RecordIdentity(ULONG_PTR Argument)
{
    ULONG *numbers = (ULONG *)Argument;
    PROCESSOR_NUMBER number;
    ULONG index;

    KtPoison(&number);
    index = KeGetCurrentProcessorNumberEx(&number);
    CHECK_EQUAL(KeGetCurrentProcessorNumberEx(NULL), index);
    CHECK_EQUAL(KeGetCurrentProcessorIndex(), index);
    CHECK_EQUAL(number.Group, 0);
    CHECK_EQUAL(number.Number, index);
    if (index < MAXIMUM_PROCESSORS)
        numbers[index]++;
    return 0;
}

TEST(processor_identity)
{
    ULONG numbers[MAXIMUM_PROCESSORS] = {0};
    ULONG count = KeQueryActiveProcessorCountEx(ALL_PROCESSOR_GROUPS);

    KeIpiGenericCall(RecordIdentity, (ULONG_PTR)numbers);
    for (ULONG i = 0; i < count; i++)
        CHECK_EQUAL(numbers[i], 1); /* each processor has a number of its own */
}

TEST(processor_counts)
{
    ULONG count = KeQueryActiveProcessorCountEx(0);
    ULONG bits = KtCountBits(KeQueryActiveProcessors());

    CHECK_AT_LEAST(count, 1);
    CHECK_EQUAL(KeQueryActiveProcessorCountEx(ALL_PROCESSOR_GROUPS), count);
    CHECK_EQUAL(bits, count);
    CHECK_EQUAL(KeNumberProcessors, count);
    CHECK_AT_LEAST(KeQueryMaximumProcessorCountEx(0), count);
    CHECK(KeQueryMaximumProcessorCountEx(ALL_PROCESSOR_GROUPS) <= 64);
    CHECK_EQUAL(KeQueryActiveProcessorCountEx(7), 0); /* there is no such group */
}

/* T-IRQL-5: the callbacks' levels; drivers' entry points are in driver.c, IoTimer in iotimer.c. */

SERVICE_ROUTINE(CheckIsrLevel)
{
    CHECK_IRQL((ULONG_PTR)Context);
    return TRUE;
}

SYNCHRONIZE_ROUTINE(CheckSynchronizeLevel)
{
    CHECK_IRQL((ULONG_PTR)Context);
    return TRUE;
}

TEST(T_IRQL_5_callbacks)
{
    KT_PROBE probe;

    KtPrepareProbe(&probe);
    CHECK(KeInsertQueueDpc(&probe.Dpc, NULL, NULL));
    CHECK_EQUAL(probe.Irql, DISPATCH_LEVEL); /* CustomDpc */
    probe.Irql = POISON;
    KtSetProbe(&probe, KtIn(MILLISECONDS(1)), 0);
    CHECK(KtSleepUntil(&probe.Runs, 2));
    CHECK_EQUAL(probe.Irql, DISPATCH_LEVEL); /* CustomTimerDpc */
    KeFlushQueuedDpcs();

    for (KIRQL level = 3; level <= 11; level += 4) {
        PVOID context = (PVOID)(ULONG_PTR)level;
        PKINTERRUPT interrupt;

        CHECK_EQUAL(KtConnect(&interrupt, KT_VECTOR(level, 0), CheckIsrLevel, context),
                    STATUS_SUCCESS);
        KtInterruptHere(KT_VECTOR(level, 0));
        CHECK(KeSynchronizeExecution(interrupt, CheckSynchronizeLevel, context));
        CHECK_IRQL(PASSIVE_LEVEL);
        IoDisconnectInterrupt(interrupt);
    }
}
