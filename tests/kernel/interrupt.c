/* interrupt.md: how a device interrupt is dispatched (T-INT, T-KSERVICE). */
#define SUITE "interrupt"
#include "suite.h"

typedef struct _ISR_RECORD {
    PKINTERRUPT Interrupt; /* of the connection */
    UCHAR Vector;
    volatile LONG Runs, Inside;
    PKINTERRUPT Seen; /* of the latest call */
    KIRQL Irql;
    BOOLEAN LockHeld;
    BOOLEAN Claim; /* what the ISR returns */
    CHAR Event;
    PKSPIN_LOCK Lock; /* the driver's, or NULL */
} ISR_RECORD;

static ISR_RECORD Records[3];

SERVICE_ROUTINE(RecordIsr)
{
    ISR_RECORD *record = Context;

    record->Seen = Interrupt;
    record->Irql = KeGetCurrentIrql();
    record->LockHeld = record->Lock && !KeTestSpinLock(record->Lock);
    if (record->Event)
        KtTrace(record->Event);
    InterlockedIncrement(&record->Runs);
    return record->Claim;
}

static VOID ConnectRecord(ISR_RECORD *Record, UCHAR Vector, KINTERRUPT_MODE Mode, BOOLEAN Shared,
                          PKSPIN_LOCK Lock, KIRQL SynchronizeIrql)
{
    KtPoison(Record);
    Record->Vector = Vector;
    Record->Runs = Record->Inside = 0;
    Record->Claim = TRUE;
    Record->Event = 0;
    Record->Lock = Lock;
    CHECK_EQUAL(IoConnectInterrupt(&Record->Interrupt, RecordIsr, Record, Lock, Vector,
                                   VECTOR_IRQL(Vector), SynchronizeIrql, Mode, Shared,
                                   KeQueryActiveProcessors(), FALSE),
                STATUS_SUCCESS);
}

TEST(T_INT_1__T_KSERVICE_1)
{
    KSPIN_LOCK lock;

    for (KIRQL level = 3; level <= 11; level++) {
        KeInitializeSpinLock(&lock);
        ConnectRecord(&Records[0], KT_VECTOR(level, 1), Latched, FALSE, &lock, level);
        KtInterruptHere(KT_VECTOR(level, 1));
        CHECK_EQUAL(Records[0].Runs, 1);
        CHECK_EQUAL(Records[0].Seen, Records[0].Interrupt);
        CHECK_EQUAL(Records[0].Irql, level);
        CHECK(Records[0].LockHeld);
        CHECK(KeTestSpinLock(&lock)); /* released */
        CHECK_IRQL(PASSIVE_LEVEL);    /* restored */
        IoDisconnectInterrupt(Records[0].Interrupt);
    }
}

/* SynchronizeIrql above the vector's IRQL: the ISR runs there. */
TEST(T_INT_1_synchronize_irql)
{
    KSPIN_LOCK lock;

    KeInitializeSpinLock(&lock);
    ConnectRecord(&Records[0], KT_VECTOR(4, 0), Latched, FALSE, &lock, 9);
    ConnectRecord(&Records[1], KT_VECTOR(9, 0), Latched, FALSE, &lock, 9);
    KtInterruptHere(KT_VECTOR(4, 0));
    CHECK_EQUAL(Records[0].Irql, 9);
    KtInterruptHere(KT_VECTOR(9, 0));
    CHECK_EQUAL(Records[1].Irql, 9);
    CHECK(Records[0].LockHeld && Records[1].LockHeld);
    CHECK_IRQL(PASSIVE_LEVEL);
    IoDisconnectInterrupt(Records[0].Interrupt);
    IoDisconnectInterrupt(Records[1].Interrupt);
}

static volatile LONG Counter; /* the ISR's own, not atomic */
static volatile LONG IsrInside, IsrRuns;

SERVICE_ROUTINE(CountAlone)
{
    CHECK_EQUAL(InterlockedIncrement(&IsrInside), 1); /* never on two processors at once */
    Counter = Counter + 1;
    KtJitter(4000);
    InterlockedDecrement(&IsrInside);
    InterlockedIncrement(&IsrRuns);
    return TRUE;
}

PARALLEL_ROUTINE(FireAtRandom)
{
    for (ULONG i = 0; i < 500; i++) {
        ArchSendInterrupt(KtRandom(KtProcessors()), (UCHAR)(ULONG_PTR)Context);
        KtJitter(400);
    }
}

TEST_ON(2, T_INT_1_one_at_a_time)
{
    PKINTERRUPT interrupt;
    UCHAR vector = KT_VECTOR(6, 0);

    Counter = IsrInside = IsrRuns = 0;
    CHECK_EQUAL(KtConnect(&interrupt, vector, CountAlone, NULL), STATUS_SUCCESS);
    KtRunOnAll(FireAtRandom, (PVOID)(ULONG_PTR)vector);
    IoDisconnectInterrupt(interrupt);
    CHECK(IsrRuns > 0);
    CHECK_EQUAL(Counter, IsrRuns);
}

SERVICE_ROUTINE(LowIsr)
{
    KtTrace('l');
    KtInterruptHere(KT_VECTOR(11, 0)); /* comes in at once */
    KtTrace('m');
    KtNextTick();                     /* and so does the clock */
    KtInterruptHere(KT_VECTOR(5, 0)); /* the same level: waits until this ISR has returned */
    KtTrace('n');
    return TRUE;
}

SERVICE_ROUTINE(HighIsr)
{
    KtTrace('H');
    CHECK_IRQL(11);
    return TRUE;
}

SERVICE_ROUTINE(SameLevelIsr)
{
    KtTrace('S');
    return TRUE;
}

TEST(T_INT_2)
{
    PKINTERRUPT low, high, same;

    CHECK_EQUAL(KtConnect(&low, KT_VECTOR(5, 1), LowIsr, NULL), STATUS_SUCCESS);
    CHECK_EQUAL(KtConnect(&same, KT_VECTOR(5, 0), SameLevelIsr, NULL), STATUS_SUCCESS);
    CHECK_EQUAL(KtConnect(&high, KT_VECTOR(11, 0), HighIsr, NULL), STATUS_SUCCESS);
    KtInterruptHere(KT_VECTOR(5, 1));
    CHECK_TRACE("lHmnS");
    CHECK_IRQL(PASSIVE_LEVEL);
    IoDisconnectInterrupt(low);
    IoDisconnectInterrupt(same);
    IoDisconnectInterrupt(high);
}

static VOID ConnectChain(UCHAR Vector, KINTERRUPT_MODE Mode)
{
    for (ULONG i = 0; i < 3; i++) {
        ConnectRecord(&Records[i], Vector, Mode, TRUE, NULL, VECTOR_IRQL(Vector));
        Records[i].Event = (CHAR)('a' + i);
    }
    KtTraceReset();
}

static VOID DisconnectChain(VOID)
{
    for (ULONG i = 0; i < 3; i++)
        IoDisconnectInterrupt(Records[i].Interrupt);
}

/* Latched: all must be called, whoever claims it. */
TEST(T_INT_3_latched)
{
    ConnectChain(KT_VECTOR(7, 2), Latched);
    KtInterruptHere(KT_VECTOR(7, 2));
    for (ULONG i = 0; i < 3; i++) {
        CHECK_EQUAL(Records[i].Runs, 1);
        CHECK_EQUAL(Records[i].Seen, Records[i].Interrupt);
    }
    DisconnectChain();
}

/* Level: in turn until one claims it; the others may be left out. */
TEST(T_INT_3_level)
{
    for (ULONG claimer = 0; claimer < 3; claimer++) {
        LONG before;
        PCSTR order;

        ConnectChain(KT_VECTOR(7, 2), LevelSensitive);
        for (ULONG i = 0; i < 3; i++)
            Records[i].Claim = (i == claimer);
        KtInterruptHere(KT_VECTOR(7, 2));
        CHECK_EQUAL(Records[claimer].Runs, 1); /* found, past those who said FALSE */
        before = Records[0].Runs + Records[1].Runs + Records[2].Runs;
        order = KtTraceText();
        CHECK_EQUAL(strlen(order), (size_t)before);
        for (ULONG i = 0; i < 3; i++)
            CHECK(Records[i].Runs <= 1);
        DisconnectChain();
    }
}

TEST(T_INT_4)
{
    ULONG64 before = KiSpuriousInterrupts;

    ConnectChain(KT_VECTOR(8, 2), Latched);
    for (ULONG i = 0; i < 3; i++)
        Records[i].Claim = FALSE;
    for (LONG run = 1; run <= 5; run++) {
        KtInterruptHere(KT_VECTOR(8, 2)); /* acknowledged: the next one comes in too */
        for (ULONG i = 0; i < 3; i++)
            CHECK_EQUAL(Records[i].Runs, run);
    }
    CHECK_EQUAL(KiSpuriousInterrupts, before + 5);
    DisconnectChain();
    KtInterruptHere(KT_VECTOR(8, 2)); /* nobody is connected: the same */
    CHECK_EQUAL(KiSpuriousInterrupts, before + 6);
}

static KT_PROBE Probe;

SERVICE_ROUTINE(QueueDpc)
{
    CHECK(KeInsertQueueDpc(&Probe.Dpc, NULL, NULL));
    return TRUE;
}

TEST(T_INT_6__S_65)
{
    PKINTERRUPT interrupt;
    UCHAR vector = KT_VECTOR(6, 1);

    KtPrepareProbe(&Probe);
    CHECK_EQUAL(KtConnect(&interrupt, vector, QueueDpc, NULL), STATUS_SUCCESS);
    KtInterruptHere(vector);
    CHECK_EQUAL(Probe.Runs, 1); /* before the interrupted code went on */
    AT_IRQL(APC_LEVEL)
    {
        KtInterruptHere(vector);
        CHECK_EQUAL(Probe.Runs, 2);
    }
    AT_IRQL(DISPATCH_LEVEL)
    {
        KtInterruptHere(vector);
        CHECK_EQUAL(Probe.Runs, 2); /* stays pending */
        KtStall(MICROSECONDS(50));
        CHECK_EQUAL(Probe.Runs, 2);
    }
    CHECK_EQUAL(Probe.Runs, 3);
    IoDisconnectInterrupt(interrupt);
}

static KSPIN_LOCK IsrLock;
static LIST_ENTRY IsrList;
static PKINTERRUPT HigherInterrupt;

SYNCHRONIZE_ROUTINE(ReturnTrue)
{
    return TRUE;
}

SERVICE_ROUTINE(UseWhatIsAllowed)
{
    LIST_ENTRY entry;
    LARGE_INTEGER time;

    CHECK(KeInsertQueueDpc(&Probe.Dpc, NULL, NULL));
    ExInterlockedInsertTailList(&IsrList, &entry, &IsrLock);
    CHECK_EQUAL(ExInterlockedRemoveHeadList(&IsrList, &IsrLock), &entry);
    CHECK_IRQL(6);
    KeQuerySystemTime(&time);
    CHECK(KeQueryInterruptTime() <= KtNow());
    KeQueryPerformanceCounter(NULL);
    KeStallExecutionProcessor(5);
    CHECK(KeSynchronizeExecution(HigherInterrupt, ReturnTrue, NULL));
    CHECK_IRQL(6);
    return TRUE;
}

TEST(T_INT_7)
{
    PKINTERRUPT interrupt;

    KtPrepareProbe(&Probe);
    KeInitializeSpinLock(&IsrLock);
    InitializeListHead(&IsrList);
    ConnectRecord(&Records[0], KT_VECTOR(9, 0), Latched, FALSE, NULL, 9);
    HigherInterrupt = Records[0].Interrupt;
    CHECK_EQUAL(KtConnect(&interrupt, KT_VECTOR(6, 0), UseWhatIsAllowed, NULL), STATUS_SUCCESS);
    KtInterruptHere(KT_VECTOR(6, 0));
    CHECK_EQUAL(Probe.Runs, 1);
    IoDisconnectInterrupt(interrupt);
    IoDisconnectInterrupt(HigherInterrupt);
}
