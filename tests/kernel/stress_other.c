/*
 * DPCs, locks, lists, interrupts and IPIs from all processors at once. What is inserted is taken
 * out or run exactly once; what is locked is alone.
 */
#define SUITE "stress.other"
#include "stress.h"

/* ---- DPCs ---- */

#define DPCS 8

typedef struct _COUNTED_DPC {
    KDPC Dpc;
    volatile LONG64 Inserted, Removed, Runs;
} COUNTED_DPC;

static COUNTED_DPC Dpcs[DPCS];

DPC_ROUTINE(CountDpc)
{
    COUNTED_DPC *counted = Context;

    InterlockedIncrement64(&counted->Runs);
    if (KtRandom(4) == 0 && KeInsertQueueDpc(Dpc, NULL, NULL))
        InterlockedIncrement64(&counted->Inserted);
}

static VOID InsertOrRemove(COUNTED_DPC *Counted)
{
    if (KtRandom(3) == 0) {
        if (KeRemoveQueueDpc(&Counted->Dpc))
            InterlockedIncrement64(&Counted->Removed);
    } else if (KeInsertQueueDpc(&Counted->Dpc, NULL, NULL)) {
        InterlockedIncrement64(&Counted->Inserted);
    }
}

static PKINTERRUPT DpcInterrupt;

SERVICE_ROUTINE(InsertFromIsr)
{
    InsertOrRemove(&Dpcs[KtRandom(DPCS)]);
    return TRUE;
}

PARALLEL_ROUTINE(HandleDpcs)
{
    for (ULONG i = 0; i < 20; i++) {
        COUNTED_DPC *counted = &Dpcs[KtRandom(DPCS)];

        switch (KtRandom(8)) {
        case 0:
            KeSetTargetProcessorDpc(&counted->Dpc, (CCHAR)KtRandom(KtProcessors()));
            break;
        case 1:
            KeSetImportanceDpc(&counted->Dpc, (KDPC_IMPORTANCE)KtRandom(4));
            break;
        case 2:
            ArchSendInterrupt(KtRandom(KtProcessors()), KT_VECTOR(7, 0));
            break;
        default:
            InsertOrRemove(counted);
            break;
        }
        KtJitter(200);
    }
}

TEST(T_KeInsertQueueDpc_3__T_KeRemoveQueueDpc_1__T_DPCQ_15)
{
    LONG64 runs = 0;

    for (ULONG i = 0; i < DPCS; i++) {
        KtPoison(&Dpcs[i]);
        Dpcs[i].Inserted = Dpcs[i].Removed = Dpcs[i].Runs = 0;
        KeInitializeDpc(&Dpcs[i].Dpc, CountDpc, &Dpcs[i]);
    }
    CHECK_EQUAL(KtConnect(&DpcInterrupt, KT_VECTOR(7, 0), InsertFromIsr, NULL), STATUS_SUCCESS);
    KtRunInTurns(KtStressTime(10), HandleDpcs, NULL);
    IoDisconnectInterrupt(DpcInterrupt);
    for (ULONG i = 0; i < 5; i++) /* a flush promises nothing for what is queued meanwhile */
        KeFlushQueuedDpcs();
    for (ULONG i = 0; i < DPCS; i++) {
        if (KeRemoveQueueDpc(&Dpcs[i].Dpc))
            Dpcs[i].Removed++;
        CHECK_EQUAL(Dpcs[i].Runs + Dpcs[i].Removed, Dpcs[i].Inserted);
        runs += Dpcs[i].Runs;
    }
    KeFlushQueuedDpcs();
    CHECK(runs > 0);
}

/* ---- locks ---- */

static KSPIN_LOCK Ordinary, Queued;
static EX_SPIN_LOCK ReadWrite;
static volatile LONG64 OrdinaryCount, QueuedCount, WriteCount; /* under their locks */
static volatile LONG64 OrdinaryTurns, QueuedTurns, WriteTurns;
static volatile LONG Readers, Writers;

static VOID TakeReadWrite(VOID)
{
    KIRQL oldIrql;

    if (KtRandom(4)) {
        oldIrql = ExAcquireSpinLockShared(&ReadWrite);
        InterlockedIncrement(&Readers);
        CHECK_EQUAL(Writers, 0);
        InterlockedDecrement(&Readers);
        if (KtRandom(8) == 0 && ExTryConvertSharedSpinLockExclusive(&ReadWrite)) {
            CHECK_EQUAL(Readers, 0);
            WriteCount = WriteCount + 1;
            InterlockedIncrement64(&WriteTurns);
            ExReleaseSpinLockExclusive(&ReadWrite, oldIrql);
        } else {
            ExReleaseSpinLockShared(&ReadWrite, oldIrql);
        }
    } else {
        oldIrql = ExAcquireSpinLockExclusive(&ReadWrite);
        CHECK_EQUAL(InterlockedIncrement(&Writers), 1);
        CHECK_EQUAL(Readers, 0);
        WriteCount = WriteCount + 1;
        InterlockedIncrement64(&WriteTurns);
        InterlockedDecrement(&Writers);
        ExReleaseSpinLockExclusive(&ReadWrite, oldIrql);
    }
}

PARALLEL_ROUTINE(HandleLocks)
{
    KLOCK_QUEUE_HANDLE handle;
    KIRQL oldIrql;

    for (ULONG i = 0; i < 30; i++) {
        switch (KtRandom(3)) {
        case 0:
            KeAcquireSpinLock(&Ordinary, &oldIrql);
            OrdinaryCount = OrdinaryCount + 1;
            KeReleaseSpinLock(&Ordinary, oldIrql);
            InterlockedIncrement64(&OrdinaryTurns);
            break;
        case 1:
            KeAcquireInStackQueuedSpinLock(&Queued, &handle);
            QueuedCount = QueuedCount + 1;
            KeReleaseInStackQueuedSpinLock(&handle);
            InterlockedIncrement64(&QueuedTurns);
            break;
        default:
            TakeReadWrite();
            break;
        }
        KtJitter(60);
    }
}

TEST(T_SL_11__T_ISQSL_1__T_RWSL_2)
{
    KeInitializeSpinLock(&Ordinary);
    KeInitializeSpinLock(&Queued);
    ReadWrite = 0;
    OrdinaryCount = QueuedCount = WriteCount = OrdinaryTurns = QueuedTurns = WriteTurns = 0;
    Readers = Writers = 0;
    KtRunInTurns(KtStressTime(10), HandleLocks, NULL);
    CHECK_EQUAL(OrdinaryCount, OrdinaryTurns);
    CHECK_EQUAL(QueuedCount, QueuedTurns);
    CHECK_EQUAL(WriteCount, WriteTurns);
    CHECK(KeTestSpinLock(&Ordinary) && KeTestSpinLock(&Queued));
    CHECK_EQUAL(ReadWrite, 0);
}

/* ---- sequenced lists ---- */

#define ITEMS 6

typedef struct _ITEM {
    SLIST_ENTRY Link;
    volatile LONG Owners;
} ITEM;

static SLIST_HEADER Head;
static ITEM Items[ITEMS];

PARALLEL_ROUTINE(PopAndPush)
{
    for (ULONG i = 0; i < 100; i++) {
        PSLIST_ENTRY link = ExInterlockedPopEntrySList(&Head, NULL);

        if (!link)
            continue;
        CHECK_EQUAL(InterlockedIncrement(&CONTAINING_RECORD(link, ITEM, Link)->Owners), 1);
        KtJitter(10);
        InterlockedDecrement(&CONTAINING_RECORD(link, ITEM, Link)->Owners);
        ExInterlockedPushEntrySList(&Head, link, NULL);
    }
}

TEST(T_EXI_5)
{
    ExInitializeSListHead(&Head);
    for (ULONG i = 0; i < ITEMS; i++) {
        Items[i].Owners = 0;
        ExInterlockedPushEntrySList(&Head, &Items[i].Link, NULL);
    }
    KtRunInTurns(KtStressTime(10), PopAndPush, NULL);
    CHECK_EQUAL(ExQueryDepthSList(&Head), ITEMS);
    for (ULONG i = 0; i < ITEMS; i++)
        CHECK(ExInterlockedPopEntrySList(&Head, NULL) != NULL);
    CHECK_EQUAL(ExInterlockedPopEntrySList(&Head, NULL), NULL);
}

/* ---- interrupts under fire, with IPIs in between ---- */

typedef struct _VICTIM {
    volatile LONG Alive;
    volatile LONG64 Runs;
} VICTIM;

static volatile LONG64 IsrRuns, Connections;

SERVICE_ROUTINE(TouchVictim)
{
    VICTIM *victim = Context;

    CHECK_EQUAL(victim->Alive, 1);
    victim->Runs++;
    InterlockedIncrement64(&IsrRuns);
    return TRUE;
}

/*
 * Processor 0 connects and disconnects; it alone is at PASSIVE_LEVEL. All of them fire: the others
 * at random, and processor 0 at each of them and itself before it goes on. On a busy host the
 * others may not run for as long as an interrupt is connected.
 */
PARALLEL_ROUTINE(FireAndReconnect)
{
    static const UCHAR vectors[] = {KT_VECTOR(4, 1), KT_VECTOR(7, 1), KT_VECTOR(10, 1)};
    UCHAR vector = vectors[KtRandom(ARRAYSIZE(vectors))];

    if (Processor == 0) {
        VICTIM *victim = ExAllocatePoolWithTag(NonPagedPool, sizeof(*victim), KT_TAG);
        PKINTERRUPT interrupt;

        if (!victim)
            return;
        victim->Alive = 1;
        victim->Runs = 0;
        CHECK_EQUAL(KtConnect(&interrupt, vector, TouchVictim, victim), STATUS_SUCCESS);
        for (ULONG i = 0; i < KtProcessors(); i++)
            ArchSendInterrupt(i, vector);
        KtStall(MICROSECONDS(KtRandom(400)));
        IoDisconnectInterrupt(interrupt);
        victim->Alive = 0;
        KtPoison(victim);
        ExFreePoolWithTag(victim, KT_TAG);
        InterlockedIncrement64(&Connections);
        return;
    }
    for (ULONG i = 0; i < 20; i++) {
        ArchSendInterrupt(KtRandom(KtProcessors()), vectors[KtRandom(ARRAYSIZE(vectors))]);
        KtJitter(300);
    }
}

TEST_ON(2, T_IoDisconnectInterrupt_1)
{
    IsrRuns = Connections = 0;
    KtRunInTurns(KtStressTime(10), FireAndReconnect, NULL);
    CHECK(Connections > 0);
    CHECK(IsrRuns > 0);
}

static volatile LONG64 Broadcasts, BroadcastRuns;

static ULONG_PTR CountBroadcast(ULONG_PTR Argument)
{
    InterlockedIncrement64(&BroadcastRuns);
    return Argument;
}

PARALLEL_ROUTINE(BroadcastInTurn)
{
    KIRQL oldIrql = KfRaiseIrql((KIRQL)(DISPATCH_LEVEL + KtRandom(12)));

    CHECK_EQUAL(KeIpiGenericCall(CountBroadcast, Processor), Processor);
    KeLowerIrql(oldIrql);
    InterlockedIncrement64(&Broadcasts);
    KtJitter(500);
}

TEST(T_KeIpiGenericCall_1__T_KeIpiGenericCall_2)
{
    Broadcasts = BroadcastRuns = 0;
    KtRunInTurns(KtStressTime(10), BroadcastInTurn, NULL);
    CHECK(Broadcasts > 0);
    CHECK_EQUAL(BroadcastRuns, Broadcasts * KtProcessors());
}
