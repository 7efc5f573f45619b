/*
 * dpc.md: in which order DPCs run and when a drain is requested, for the current processor.
 * A Low DPC waits only while the queue's request rate is high: KeepBusy makes it high. A clock
 * tick may always come in between, so those tests look for one undisturbed attempt of several.
 */
#define SUITE "dpc.order"
#include "suite.h"

#define COUNT    6
#define ATTEMPTS 20

static KT_PROBE Probes[COUNT];

/* Probe i traces the letter 'a' + i. */
static VOID PrepareProbes(VOID)
{
    for (ULONG i = 0; i < COUNT; i++) {
        KtPrepareProbe(&Probes[i]);
        Probes[i].Event = (CHAR)('a' + i);
    }
    KtTraceReset();
}

static VOID Insert(ULONG Index, KDPC_IMPORTANCE Importance)
{
    KeSetImportanceDpc(&Probes[Index].Dpc, Importance);
    CHECK(KeInsertQueueDpc(&Probes[Index].Dpc, NULL, NULL));
}

static ULONG CountRuns(VOID)
{
    ULONG runs = 0;

    for (ULONG i = 0; i < COUNT; i++)
        runs += (ULONG)Probes[i].Runs;
    return runs;
}

TEST(T_DPCQ_3_fifo)
{
    PrepareProbes();
    AT_IRQL(DISPATCH_LEVEL)
    {
        Insert(0, MediumImportance);
        Insert(1, MediumHighImportance);
        Insert(2, LowImportance);
        Insert(3, MediumImportance);
        CHECK_TRACE("");
    }
    CHECK_TRACE("abcd");
}

TEST(T_DPCQ_3_high_at_the_head)
{
    PrepareProbes();
    AT_IRQL(DISPATCH_LEVEL)
    {
        Insert(0, MediumImportance);
        Insert(1, HighImportance);
        Insert(2, MediumImportance);
        Insert(3, HighImportance);
        Insert(4, LowImportance);
        Insert(5, HighImportance);
    }
    CHECK_TRACE("fdbace");
}

static KT_PROBE Late;

DPC_ROUTINE(InsertLateHigh)
{
    KtTrace('X');
    CHECK(KeInsertQueueDpc(&Late.Dpc, NULL, NULL));
}

TEST(T_DPCQ_3_while_draining)
{
    PrepareProbes();
    KtPrepareProbe(&Late);
    Late.Event = 'L';
    KeSetImportanceDpc(&Late.Dpc, HighImportance);
    KeInitializeDpc(&Probes[0].Dpc, InsertLateHigh, NULL);
    AT_IRQL(DISPATCH_LEVEL)
    {
        Insert(0, MediumImportance);
        Insert(1, MediumImportance);
    }
    CHECK_TRACE("XLb"); /* put at the head, before what was queued already */
}

TEST(T_DPCQ_4_no_reordering)
{
    PrepareProbes();
    AT_IRQL(DISPATCH_LEVEL)
    {
        Insert(0, MediumImportance);
        Insert(1, MediumImportance);
        KeSetImportanceDpc(&Probes[1].Dpc, HighImportance);
        CHECK_EQUAL(KeInsertQueueDpc(&Probes[1].Dpc, NULL, NULL), FALSE);
    }
    CHECK_TRACE("ab");
}

TEST(T_KeSetImportanceDpc_1)
{
    PrepareProbes();
    AT_IRQL(DISPATCH_LEVEL)
    {
        Insert(0, MediumImportance);
        Insert(1, MediumImportance);
        KeSetImportanceDpc(&Probes[1].Dpc, HighImportance); /* queued: nothing changes */
    }
    CHECK_TRACE("ab");
    KtTraceReset();
    AT_IRQL(DISPATCH_LEVEL)
    {
        CHECK(KeInsertQueueDpc(&Probes[0].Dpc, NULL, NULL));
        CHECK(KeInsertQueueDpc(&Probes[1].Dpc, NULL, NULL)); /* now it counts */
    }
    CHECK_TRACE("ba");
}

/* An expiry inserts by the importance too. */
TEST(T_KeSetImportanceDpc_1_timer)
{
    PrepareProbes();
    KeSetImportanceDpc(&Probes[2].Dpc, HighImportance);
    AT_IRQL(DISPATCH_LEVEL)
    {
        for (ULONG i = 0; i < 3; i++)
            KtSetProbe(&Probes[i], KtIn(MICROSECONDS(100)), 0);
        KtStall(MICROSECONDS(300));
        KtAwaitClock();
        CHECK_TRACE("");
    }
    CHECK_TRACE("cab");
}

TEST(T_KeSetImportanceDpc_2)
{
    PrepareProbes();
    AT_IRQL(DISPATCH_LEVEL)
    {
        Insert(0, MediumImportance);
        CHECK(KeInsertQueueDpc(&Probes[1].Dpc, NULL, NULL)); /* never told its importance */
        Insert(2, HighImportance);
    }
    CHECK_TRACE("cab");
}

DPC_ROUTINE(InsertTheNext)
{
    ULONG next = (ULONG)(ULONG_PTR)Context + 1;

    KtTrace((CHAR)('a' + next - 1));
    if (next < COUNT)
        CHECK(KeInsertQueueDpc(&Probes[next].Dpc, NULL, NULL));
}

TEST(T_DPCQ_6)
{
    PrepareProbes();
    for (ULONG_PTR i = 0; i < COUNT; i++)
        KeInitializeDpc(&Probes[i].Dpc, InsertTheNext, (PVOID)i);
    AT_IRQL(DISPATCH_LEVEL)
    {
        Insert(0, MediumImportance);
        CHECK_TRACE("");
    }
    CHECK_TRACE("abcdef"); /* one drain takes what is added meanwhile */
}

TEST(T_DPCQ_9)
{
    static const KDPC_IMPORTANCE atOnce[] = {MediumImportance, MediumHighImportance,
                                             HighImportance};

    for (ULONG i = 0; i < 3; i++) {
        PrepareProbes();
        Insert(0, atOnce[i]);
        CHECK_EQUAL(Probes[0].Runs, 1); /* has run when the call returns */
        AT_IRQL(APC_LEVEL)
        {
            Insert(0, atOnce[i]);
            CHECK_EQUAL(Probes[0].Runs, 2);
        }
        AT_IRQL(DISPATCH_LEVEL)
        {
            Insert(0, atOnce[i]);
            KtStall(MICROSECONDS(50));
            CHECK_EQUAL(Probes[0].Runs, 2);
        }
        CHECK_EQUAL(Probes[0].Runs, 3);
    }
}

/* Many DPCs in each of several ticks, then the beginning of a tick. */
static VOID KeepBusy(VOID)
{
    ULONG64 end = KtNow() + 8 * (ULONG64)KeQueryTimeIncrement();
    KT_PROBE probe;

    KtPrepareProbe(&probe);
    do {
        CHECK(KeInsertQueueDpc(&probe.Dpc, NULL, NULL));
        KtStall(MICROSECONDS(50));
    } while (KtNow() < end);
    KtNextTick();
}

static BOOLEAN SameTick(ULONG64 Since)
{
    return KtNow() - Since < KeQueryTimeIncrement() / 2;
}

TEST(T_DPCQ_11_low_waits__T_DPCQ_10)
{
    ULONG attempt;

    for (attempt = 0; attempt < ATTEMPTS; attempt++) {
        ULONG64 start;
        ULONG before;

        PrepareProbes();
        KeepBusy();
        start = KtNow();
        Insert(0, LowImportance);
        Insert(1, LowImportance);
        before = CountRuns();
        Insert(2, MediumImportance); /* a drain for any reason takes all */
        CHECK_EQUAL(CountRuns(), 3);
        if (before == 0 && SameTick(start))
            break;
    }
    CHECK(attempt < ATTEMPTS);
    CHECK_TRACE("abc");
}

TEST(T_DPCQ_11_depth)
{
    ULONG attempt;

    for (attempt = 0; attempt < ATTEMPTS; attempt++) {
        ULONG64 start;
        ULONG before;

        PrepareProbes();
        KeepBusy();
        start = KtNow();
        for (ULONG i = 0; i < MAXIMUM_DPC_QUEUE_DEPTH; i++)
            Insert(i, LowImportance);
        before = CountRuns();
        Insert(MAXIMUM_DPC_QUEUE_DEPTH, LowImportance); /* one more than the limit */
        if (before == 0 && SameTick(start)) {
            CHECK_EQUAL(CountRuns(), MAXIMUM_DPC_QUEUE_DEPTH + 1);
            break;
        }
        KeFlushQueuedDpcs();
    }
    CHECK(attempt < ATTEMPTS);
}

/* Below the minimum rate a Low DPC is as urgent as any: a quiet processor runs it at once. */
TEST(T_DPCQ_11_rate)
{
    PrepareProbes();
    for (ULONG i = 0; i < 60; i++)
        KtNextTick(); /* long without DPCs */
    Insert(0, LowImportance);
    CHECK_EQUAL(Probes[0].Runs, 1);
}

TEST(T_DPCQ_11_not_for_ever)
{
    for (ULONG i = 0; i < 3; i++) {
        PrepareProbes();
        KeepBusy();
        Insert(0, LowImportance);
        CHECK(KtSpinUntil(&Probes[0].Runs, 1)); /* the tick sees the rate fall */

        KeepBusy();
        Insert(0, LowImportance);
        KiSleep(MICROSECONDS(100)); /* the idle loop drains before it halts */
        CHECK_EQUAL(Probes[0].Runs, 2);
    }
}

TEST(T_DPCQ_8_exit_level)
{
    PrepareProbes();
    AT_IRQL(APC_LEVEL)
    {
        Insert(0, MediumImportance);
        CHECK_EQUAL(Probes[0].Irql, DISPATCH_LEVEL);
        CHECK_IRQL(APC_LEVEL); /* the drain gives the caller its level back */
    }
}
