/* dpc.md: on which processor a DPC runs, and how urgent another processor's DPC is. */
#define SUITE "dpc.target"
#include "suite.h"

#define ATTEMPTS 20

static KT_PROBE Probe, Second;

TEST_ON(2, T_DPCQ_1__T_DPCQ_2__T_KeSetTargetProcessorDpc_2)
{
    for (ULONG i = 0; i < KtProcessors(); i++) {
        KtPrepareProbe(&Probe);
        KeSetImportanceDpc(&Probe.Dpc, HighImportance);
        KeSetTargetProcessorDpc(&Probe.Dpc, (CCHAR)i);
        for (LONG run = 1; run <= 3; run++) { /* stays in force for later insertions */
            Probe.Processor = MAXULONG;
            CHECK(KeInsertQueueDpc(&Probe.Dpc, NULL, NULL));
            CHECK(KtSpinUntil(&Probe.Runs, run));
            CHECK_EQUAL(Probe.Processor, i);
            CHECK_EQUAL(Probe.Irql, DISPATCH_LEVEL);
        }
        KeFlushQueuedDpcs();
    }
}

PARALLEL_ROUTINE(InsertHere)
{
    KT_PROBE *probes = Context;

    CHECK(KeInsertQueueDpc(&probes[Processor].Dpc, NULL, NULL));
}

/* Without a target: where the insertion runs. X-3: each in the queue of its own processor. */
TEST(T_DPCQ_2_no_target__S_47)
{
    static KT_PROBE probes[MAXIMUM_PROCESSORS];

    for (ULONG i = 0; i < KtProcessors(); i++)
        KtPrepareProbe(&probes[i]);
    KtRunOnAll(InsertHere, probes);
    for (ULONG i = 0; i < KtProcessors(); i++) {
        CHECK(KtSpinUntil(&probes[i].Runs, 1));
        CHECK_EQUAL(probes[i].Processor, i);
    }
    KeFlushQueuedDpcs();
}

TEST_ON(2, T_DPCQ_2_later_retargeting)
{
    KtPrepareProbe(&Probe);
    AT_IRQL(DISPATCH_LEVEL)
    {
        CHECK(KeInsertQueueDpc(&Probe.Dpc, NULL, NULL));
        KeSetTargetProcessorDpc(&Probe.Dpc, 1); /* too late for this insertion */
        KtStall(MILLISECONDS(1));
        CHECK_EQUAL(Probe.Runs, 0);
    }
    CHECK_EQUAL(Probe.Runs, 1);
    CHECK_EQUAL(Probe.Processor, 0);
    CHECK(KeInsertQueueDpc(&Probe.Dpc, NULL, NULL));
    CHECK(KtSpinUntil(&Probe.Runs, 2));
    CHECK_EQUAL(Probe.Processor, 1);
    KeFlushQueuedDpcs();
}

TEST(T_KeSetTargetProcessorDpc_1)
{
    CCHAR last = (CCHAR)(KtProcessors() - 1);

    KtPrepareProbe(&Probe);
    KeSetImportanceDpc(&Probe.Dpc, HighImportance);
    KeSetTargetProcessorDpc(&Probe.Dpc, last);
    KeSetTargetProcessorDpc(&Probe.Dpc, (CCHAR)(last + 1)); /* ignored */
    KeSetTargetProcessorDpc(&Probe.Dpc, 127);
    KeSetTargetProcessorDpc(&Probe.Dpc, -1);
    CHECK(KeInsertQueueDpc(&Probe.Dpc, NULL, NULL));
    CHECK(KtSpinUntil(&Probe.Runs, 1));
    CHECK_EQUAL(Probe.Processor, last);
    KeFlushQueuedDpcs();
}

TEST(T_KeSetTargetProcessorDpcEx_1)
{
    UCHAR last = (UCHAR)(KtProcessors() - 1);
    PROCESSOR_NUMBER good = {0, last, 0}, number = {0, (UCHAR)(last + 1), 0}, group = {3, 0, 0};

    KtPrepareProbe(&Probe);
    KeSetImportanceDpc(&Probe.Dpc, HighImportance);
    CHECK_EQUAL(KeSetTargetProcessorDpcEx(&Probe.Dpc, &good), STATUS_SUCCESS);
    CHECK_EQUAL(KeSetTargetProcessorDpcEx(&Probe.Dpc, &number), STATUS_INVALID_PARAMETER);
    CHECK_EQUAL(KeSetTargetProcessorDpcEx(&Probe.Dpc, &group), STATUS_INVALID_PARAMETER);
    CHECK(KeInsertQueueDpc(&Probe.Dpc, NULL, NULL));
    CHECK(KtSpinUntil(&Probe.Runs, 1));
    CHECK_EQUAL(Probe.Processor, last); /* the errors have changed nothing */
    KeFlushQueuedDpcs();
}

/* Whatever the importance, a processor that sleeps is woken. */
TEST_ON(2, T_DPCQ_11_idle_target)
{
    for (LONG i = 0; i < 12; i++) {
        KtPrepareProbe(&Probe);
        KeSetImportanceDpc(&Probe.Dpc, (KDPC_IMPORTANCE)(i % 4));
        KeSetTargetProcessorDpc(&Probe.Dpc, (CCHAR)(1 + (ULONG)i % (KtProcessors() - 1)));
        KtStall(MILLISECONDS(2)); /* the others have nothing to do: they halt */
        CHECK(KeInsertQueueDpc(&Probe.Dpc, NULL, NULL));
        CHECK(KtSpinUntil(&Probe.Runs, 1));
        KeFlushQueuedDpcs();
    }
}

TEST_ON(2, T_DPCQ_9_target_at_dispatch_level)
{
    KtPrepareProbe(&Probe);
    KeSetTargetProcessorDpc(&Probe.Dpc, 1);
    KeSetImportanceDpc(&Probe.Dpc, HighImportance);
    KtHold(1, DISPATCH_LEVEL);
    CHECK(KeInsertQueueDpc(&Probe.Dpc, NULL, NULL));
    KtStall(MILLISECONDS(3));
    CHECK_EQUAL(Probe.Runs, 0); /* it is at DISPATCH_LEVEL */
    KtLetGo();
    CHECK(KtSpinUntil(&Probe.Runs, 1));
    CHECK_EQUAL(Probe.Processor, 1);
    KeFlushQueuedDpcs();
}

/* ---- another processor queues to this one, which is busy at PASSIVE_LEVEL ---- */

static KDPC_IMPORTANCE Importance;
static volatile LONG HasInserted, MayInsert;

PARALLEL_ROUTINE(InsertToProcessor0)
{
    if (Processor != 1)
        return;
    CHECK(KtSpinUntil(&MayInsert, 1));
    KeSetImportanceDpc(&Probe.Dpc, Importance);
    KeSetTargetProcessorDpc(&Probe.Dpc, 0);
    CHECK(KeInsertQueueDpc(&Probe.Dpc, NULL, NULL));
    InterlockedExchange(&HasInserted, 1);
}

/* Makes this processor's request rate high, and lets processor 1 insert at a tick's beginning. */
static VOID InsertFromOutside(KDPC_IMPORTANCE Which)
{
    ULONG64 end = KtNow() + 8 * (ULONG64)KeQueryTimeIncrement();

    KtPrepareProbe(&Probe);
    KtPrepareProbe(&Second);
    Importance = Which;
    HasInserted = MayInsert = 0;
    KtStartOnOthers(InsertToProcessor0, NULL);
    do {
        CHECK(KeInsertQueueDpc(&Second.Dpc, NULL, NULL));
        KtStall(MICROSECONDS(50));
    } while (KtNow() < end);
    Second.Runs = 0;
    KtNextTick();
    InterlockedExchange(&MayInsert, 1);
    CHECK(KtSpinUntil(&HasInserted, 1));
}

/* Does a DPC of this importance, from outside, wait for this processor's next drain? */
static BOOLEAN IsDeferred(KDPC_IMPORTANCE Which)
{
    BOOLEAN deferred = FALSE;

    for (ULONG i = 0; i < ATTEMPTS && !deferred; i++) {
        InsertFromOutside(Which);
        KtStall(MICROSECONDS(200));
        deferred = (Probe.Runs == 0);
        CHECK(KeInsertQueueDpc(&Second.Dpc, NULL, NULL)); /* this one drains */
        CHECK_EQUAL(Second.Runs, 1);
        CHECK_EQUAL(Probe.Runs, 1);
        KtJoin();
    }
    return deferred;
}

TEST_ON(2, T_DPCQ_12__T_DPCQ_13_medium_and_low_wait)
{
    CHECK(IsDeferred(MediumImportance));
    CHECK(IsDeferred(LowImportance));
}

TEST_ON(2, T_DPCQ_12_high_at_once)
{
    static const KDPC_IMPORTANCE urgent[] = {MediumHighImportance, HighImportance};

    for (ULONG i = 0; i < 2; i++) {
        InsertFromOutside(urgent[i]);
        CHECK(KtSpinUntil(&Probe.Runs, 1)); /* without a drain of its own */
        CHECK_EQUAL(Probe.Processor, 0);
        CHECK_EQUAL(Second.Runs, 0);
        KtJoin();
    }
    KeFlushQueuedDpcs();
}

/* Sooner or later the tick finds the rate low. */
TEST_ON(2, T_DPCQ_11_deferred_runs_at_last)
{
    InsertFromOutside(MediumImportance);
    CHECK(KtSpinUntil(&Probe.Runs, 1));
    KtJoin();
    InsertFromOutside(LowImportance);
    CHECK(KtSpinUntil(&Probe.Runs, 1));
    KtJoin();
    KeFlushQueuedDpcs();
}

static KT_PROBE Many[MAXIMUM_DPC_QUEUE_DEPTH + 1];

PARALLEL_ROUTINE(InsertManyToProcessor0)
{
    if (Processor != 1)
        return;
    for (ULONG i = 0; i < ARRAYSIZE(Many); i++) {
        KeSetTargetProcessorDpc(&Many[i].Dpc, 0);
        CHECK(KeInsertQueueDpc(&Many[i].Dpc, NULL, NULL));
    }
}

/* Beyond the depth limit a distant Medium DPC asks for the drain. */
TEST_ON(2, T_DPCQ_12_depth)
{
    KtPrepareProbe(&Second);
    for (ULONG i = 0; i < ARRAYSIZE(Many); i++)
        KtPrepareProbe(&Many[i]);
    KtStartOnOthers(InsertManyToProcessor0, NULL);
    for (ULONG i = 0; i < ARRAYSIZE(Many); i++)
        CHECK(KtSpinUntil(&Many[i].Runs, 1));
    KtJoin();
    KeFlushQueuedDpcs();
}
