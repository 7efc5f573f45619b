/* dpc.md: DPC objects, insertion, removal, and how a routine is called. */
#define SUITE "dpc"
#include "suite.h"

static KT_PROBE Probe;

TEST(T_KeInitializeDpc_1)
{
    KDPC dpc;

    for (KIRQL level = PASSIVE_LEVEL; level <= HIGH_LEVEL; level++)
        AT_IRQL(level)
        {
            KtPoison(&dpc);
            KeInitializeDpc(&dpc, KtProbeRoutine, &Probe);
            CHECK_EQUAL(dpc.Type, DpcObject);
            CHECK_EQUAL(dpc.DeferredRoutine, KtProbeRoutine);
            CHECK_EQUAL(dpc.DeferredContext, &Probe);
            CHECK_EQUAL(dpc.Importance, MediumImportance);
            CHECK_EQUAL(dpc.Number, 0); /* no target */
            CHECK_EQUAL(dpc.DpcData, NULL);
            CHECK_EQUAL(KeRemoveQueueDpc(&dpc), FALSE);
        }
}

TEST(T_KeInitializeDpc_2)
{
    KtPrepareProbe(&Probe);
    KiSleep(MILLISECONDS(15));
    CHECK_EQUAL(Probe.Runs, 0); /* initializing queues nothing */
    CHECK(KeInsertQueueDpc(&Probe.Dpc, NULL, NULL));
    CHECK_EQUAL(Probe.Runs, 1);
    KeSetTimer(&Probe.Timer, KtIn(MILLISECONDS(1)), &Probe.Dpc);
    CHECK(KtSleepUntil(&Probe.Runs, 2));
    KeFlushQueuedDpcs();
}

TEST(T_KeInsertQueueDpc_1__T_KDEFERRED_1__T_KDEFERRED_2__T_KDEFERRED_4)
{
    PVOID first = (PVOID)0x1111, second = (PVOID)0x2222;

    KtPrepareProbe(&Probe);
    CHECK_EQUAL(KeInsertQueueDpc(&Probe.Dpc, first, second), TRUE);
    CHECK_EQUAL(Probe.Runs, 1);
    CHECK_EQUAL(Probe.RunDpc, &Probe.Dpc);
    CHECK_EQUAL(Probe.Argument1, first);
    CHECK_EQUAL(Probe.Argument2, second);
    CHECK_EQUAL(Probe.Irql, DISPATCH_LEVEL);
    CHECK_EQUAL(Probe.Processor, 0);
    CHECK(Probe.Interruptible);
    CHECK_EQUAL(KeInsertQueueDpc(&Probe.Dpc, second, first), TRUE); /* again after its run */
    CHECK_EQUAL(Probe.Runs, 2);
    CHECK_EQUAL(Probe.Argument1, second);
    CHECK_EQUAL(Probe.Argument2, first);
    CHECK_IRQL(PASSIVE_LEVEL);
}

TEST(T_KeInsertQueueDpc_2__T_DPCQ_4__T_DPCQ_15)
{
    KtPrepareProbe(&Probe);
    AT_IRQL(DISPATCH_LEVEL)
    {
        CHECK_EQUAL(KeInsertQueueDpc(&Probe.Dpc, (PVOID)1, (PVOID)2), TRUE);
        for (ULONG_PTR i = 3; i < 20; i++)
            CHECK_EQUAL(KeInsertQueueDpc(&Probe.Dpc, (PVOID)i, (PVOID)i), FALSE);
        CHECK_EQUAL(Probe.Runs, 0);
    }
    CHECK_EQUAL(Probe.Runs, 1);
    CHECK_EQUAL(Probe.Argument1, 1); /* the first call's */
    CHECK_EQUAL(Probe.Argument2, 2);
}

PARALLEL_ROUTINE(InsertAgain)
{
    CHECK_EQUAL(KeInsertQueueDpc(&Probe.Dpc, (PVOID)(ULONG_PTR)(10 + Processor), NULL), FALSE);
}

TEST_ON(2, T_KeInsertQueueDpc_2_queued_elsewhere)
{
    KtPrepareProbe(&Probe);
    AT_IRQL(DISPATCH_LEVEL)
    {
        CHECK(KeInsertQueueDpc(&Probe.Dpc, (PVOID)1, NULL));
        KtStartOnOthers(InsertAgain, NULL);
        KtJoin();
        CHECK_EQUAL(Probe.Runs, 0);
    }
    CHECK_EQUAL(Probe.Runs, 1);
    CHECK_EQUAL(Probe.Argument1, 1);
    CHECK_EQUAL(Probe.Processor, 0);
}

static volatile LONG Inserted, Removed;

PARALLEL_ROUTINE(InsertMany)
{
    for (ULONG i = 0; i < 2000; i++) {
        if (KeInsertQueueDpc(&Probe.Dpc, NULL, NULL))
            InterlockedIncrement(&Inserted);
        KtJitter(30);
    }
}

TEST(T_KeInsertQueueDpc_3)
{
    KtPrepareProbe(&Probe);
    Inserted = 0;
    for (ULONG i = 0; i < 10; i++) {
        KtRunOnAll(InsertMany, NULL);
        KeFlushQueuedDpcs();
        CHECK_EQUAL(Probe.Runs, Inserted); /* one TRUE for each run */
    }
    CHECK(Inserted > 0);
}

static LONG Depth;

DPC_ROUTINE(InsertItself)
{
    PKT_PROBE probe = Context;

    CHECK_EQUAL(Depth, 0); /* never nested */
    Depth++;
    if (probe->Runs < 5) {
        CHECK_EQUAL(KeInsertQueueDpc(Dpc, NULL, NULL), TRUE);
        CHECK_EQUAL(KeInsertQueueDpc(Dpc, NULL, NULL), FALSE);
    }
    probe->Runs++;
    Depth--;
}

TEST(T_KeInsertQueueDpc_4__T_DPCQ_5__T_DPCQ_6_own_routine)
{
    KtPrepareProbe(&Probe);
    KeInitializeDpc(&Probe.Dpc, InsertItself, &Probe);
    CHECK(KeInsertQueueDpc(&Probe.Dpc, NULL, NULL));
    CHECK_EQUAL(Probe.Runs, 6); /* one drain takes what its routines add */
}

TEST(T_KeInsertQueueDpc_5_every_level)
{
    for (KIRQL level = DISPATCH_LEVEL; level <= HIGH_LEVEL; level++) {
        KtPrepareProbe(&Probe);
        AT_IRQL(level)
        {
            CHECK(KeInsertQueueDpc(&Probe.Dpc, NULL, NULL));
            CHECK_IRQL(level);
            CHECK(ArchInterruptsEnabled());
            KtStall(MICROSECONDS(20));
            CHECK_EQUAL(Probe.Runs, 0);
        }
        CHECK_EQUAL(Probe.Runs, 1);
    }
}

SERVICE_ROUTINE(InsertFromIsr)
{
    KIRQL irql = KeGetCurrentIrql();

    CHECK(KeInsertQueueDpc(&Probe.Dpc, Context, NULL));
    CHECK_IRQL(irql);
    CHECK_EQUAL(Probe.Runs, 0);
    return TRUE;
}

TEST(T_KeInsertQueueDpc_5_from_an_isr)
{
    for (KIRQL level = 3; level <= 11; level += 4) {
        PKINTERRUPT interrupt;

        CHECK_EQUAL(KtConnect(&interrupt, KT_VECTOR(level, 0), InsertFromIsr, &Probe),
                    STATUS_SUCCESS);
        KtPrepareProbe(&Probe);
        AT_IRQL(DISPATCH_LEVEL)
        {
            KtInterruptHere(KT_VECTOR(level, 0));
            CHECK_EQUAL(Probe.Runs, 0); /* the interrupt has returned, but to DISPATCH_LEVEL */
        }
        CHECK_EQUAL(Probe.Runs, 1);
        CHECK_EQUAL(Probe.Argument1, &Probe);
        IoDisconnectInterrupt(interrupt);
    }
}

/* S-30: a driver must not, but if one does, the first event runs it and the other's is lost. */
TEST(T_KeInsertQueueDpc_6)
{
    KtPrepareProbe(&Probe);
    AT_IRQL(DISPATCH_LEVEL)
    {
        KtSetProbe(&Probe, KtIn(MICROSECONDS(200)), 0);
        CHECK_EQUAL(KeInsertQueueDpc(&Probe.Dpc, (PVOID)1, NULL), TRUE);
        KtStall(MICROSECONDS(200));
        KtAwaitClock(); /* the timer is due, and that is known before the queue is drained */
        CHECK_EQUAL(Probe.Runs, 0);
    }
    CHECK_EQUAL(Probe.Runs, 1);
    CHECK_EQUAL(Probe.Argument1, 1);
    CHECK(KeReadStateTimer(&Probe.Timer));
    KiSleep(MILLISECONDS(5));
    CHECK_EQUAL(Probe.Runs, 1);

    KtSetProbe(&Probe, KtIn(SECONDS(1000)), 0);
    CHECK_EQUAL(KeInsertQueueDpc(&Probe.Dpc, (PVOID)2, NULL), TRUE);
    CHECK_EQUAL(Probe.Runs, 2); /* before the timer's event */
    CHECK(KeCancelTimer(&Probe.Timer));
}

TEST(T_KeRemoveQueueDpc_1)
{
    for (KIRQL level = DISPATCH_LEVEL; level <= HIGH_LEVEL; level++) {
        KtPrepareProbe(&Probe);
        AT_IRQL(level)
        {
            CHECK(KeInsertQueueDpc(&Probe.Dpc, (PVOID)1, NULL));
            CHECK_EQUAL(KeRemoveQueueDpc(&Probe.Dpc), TRUE);
            CHECK_EQUAL(KeRemoveQueueDpc(&Probe.Dpc), FALSE);
            CHECK_IRQL(level);
        }
        CHECK_EQUAL(Probe.Runs, 0);
    }
    AT_IRQL(DISPATCH_LEVEL)
    {
        CHECK(KeInsertQueueDpc(&Probe.Dpc, (PVOID)1, NULL));
        CHECK(KeRemoveQueueDpc(&Probe.Dpc));
        CHECK(KeInsertQueueDpc(&Probe.Dpc, (PVOID)2, NULL)); /* it is free again */
    }
    CHECK_EQUAL(Probe.Runs, 1);
    CHECK_EQUAL(Probe.Argument1, 2);
}

DPC_ROUTINE(RemoveItself)
{
    CHECK_EQUAL(KeRemoveQueueDpc(Dpc), FALSE); /* it runs: not queued any more */
    Probe.Runs++;
}

TEST(T_KeRemoveQueueDpc_2)
{
    KtPrepareProbe(&Probe);
    CHECK_EQUAL(KeRemoveQueueDpc(&Probe.Dpc), FALSE);
    KeInitializeDpc(&Probe.Dpc, RemoveItself, NULL);
    CHECK(KeInsertQueueDpc(&Probe.Dpc, NULL, NULL));
    CHECK_EQUAL(Probe.Runs, 1);
    CHECK_EQUAL(KeRemoveQueueDpc(&Probe.Dpc), FALSE);
}

DPC_ROUTINE(RunLong)
{
    InterlockedIncrement(&Probe.Started);
    KtStall(MILLISECONDS(5));
    InterlockedIncrement(&Probe.Runs);
}

TEST_ON(2, T_KeRemoveQueueDpc_2_does_not_wait)
{
    KtPrepareProbe(&Probe);
    KeInitializeDpc(&Probe.Dpc, RunLong, NULL);
    KeSetTargetProcessorDpc(&Probe.Dpc, 1);
    for (LONG i = 1; i <= 10; i++) {
        LONG runs;

        CHECK(KeInsertQueueDpc(&Probe.Dpc, NULL, NULL));
        CHECK(KtSpinUntil(&Probe.Started, i));
        CHECK_EQUAL(KeRemoveQueueDpc(&Probe.Dpc), FALSE);
        runs = Probe.Runs;
        CHECK(KtSpinUntil(&Probe.Runs, i));
        if (runs == i - 1)
            break; /* the call came back while the routine ran */
        CHECK(i < 10);
    }
    KeFlushQueuedDpcs();
}

PARALLEL_ROUTINE(RemoveFromHere)
{
    if (KeRemoveQueueDpc(&Probe.Dpc))
        InterlockedIncrement(&Removed);
}

TEST_ON(2, T_KeRemoveQueueDpc_3)
{
    KtPrepareProbe(&Probe);
    Removed = 0;
    AT_IRQL(DISPATCH_LEVEL)
    {
        CHECK(KeInsertQueueDpc(&Probe.Dpc, NULL, NULL));
        KtStartOnOthers(RemoveFromHere, NULL);
        KtJoin();
        CHECK_EQUAL(Removed, 1); /* exactly one of them */
    }
    CHECK_EQUAL(Probe.Runs, 0);
}

PARALLEL_ROUTINE(InsertOrRemoveMany)
{
    for (ULONG i = 0; i < 2000; i++) {
        if (KtRandom(2)) {
            if (KeInsertQueueDpc(&Probe.Dpc, NULL, NULL))
                InterlockedIncrement(&Inserted);
        } else if (KeRemoveQueueDpc(&Probe.Dpc)) {
            InterlockedIncrement(&Removed);
        }
        KtJitter(30);
    }
}

TEST(T_KeRemoveQueueDpc_1_against_insertions)
{
    KtPrepareProbe(&Probe);
    Inserted = Removed = 0;
    for (ULONG i = 0; i < 10; i++) {
        KtRunOnAll(InsertOrRemoveMany, NULL);
        KeFlushQueuedDpcs();
        CHECK_EQUAL(Probe.Runs + Removed, Inserted);
    }
}

TEST(T_KeRemoveQueueDpc_4)
{
    KtPrepareProbe(&Probe);
    AT_IRQL(DISPATCH_LEVEL)
    {
        KtSetProbe(&Probe, KtIn(SECONDS(1000)), 0);
        CHECK_EQUAL(KeRemoveQueueDpc(&Probe.Dpc), FALSE); /* before the expiry */
        CHECK_EQUAL(KeCancelTimer(&Probe.Timer), TRUE);   /* and the timer is still set */
    }
    CHECK_EQUAL(Probe.Runs, 0);
}
