/* spinlock.md: reader/writer spin locks. */
#define SUITE "rwlock"
#include "suite.h"

static EX_SPIN_LOCK Lock;
static volatile LONG Readers, Writers;
static volatile LONG Counter;

#define TURNS 1500

TEST(T_RWSL_1)
{
    EX_SPIN_LOCK lock = 0;

    for (KIRQL level = PASSIVE_LEVEL; level <= DISPATCH_LEVEL; level++)
        AT_IRQL(level)
        {
            CHECK_EQUAL(ExAcquireSpinLockShared(&lock), level);
            CHECK_IRQL(DISPATCH_LEVEL);
            ExReleaseSpinLockShared(&lock, level);
            CHECK_IRQL(level);
            CHECK_EQUAL(ExAcquireSpinLockExclusive(&lock), level);
            CHECK_IRQL(DISPATCH_LEVEL);
            ExReleaseSpinLockExclusive(&lock, level);
            CHECK_IRQL(level);
            CHECK_EQUAL(lock, 0);
        }
    for (KIRQL level = DISPATCH_LEVEL; level <= HIGH_LEVEL; level++)
        AT_IRQL(level)
        {
            ExAcquireSpinLockSharedAtDpcLevel(&lock);
            CHECK_IRQL(level);
            ExReleaseSpinLockSharedFromDpcLevel(&lock);
            CHECK_IRQL(level);
            ExAcquireSpinLockExclusiveAtDpcLevel(&lock);
            CHECK_IRQL(level);
            ExReleaseSpinLockExclusiveFromDpcLevel(&lock);
            CHECK_IRQL(level);
            CHECK_EQUAL(lock, 0);
        }
}

TEST(T_RWSL_1_drains_dpcs)
{
    KT_PROBE probe;
    KIRQL oldIrql;

    Lock = 0;
    KtPrepareProbe(&probe);
    oldIrql = ExAcquireSpinLockShared(&Lock);
    CHECK(KeInsertQueueDpc(&probe.Dpc, NULL, NULL));
    CHECK_EQUAL(probe.Runs, 0);
    ExReleaseSpinLockShared(&Lock, oldIrql);
    CHECK_EQUAL(probe.Runs, 1);
    oldIrql = ExAcquireSpinLockExclusive(&Lock);
    CHECK(KeInsertQueueDpc(&probe.Dpc, NULL, NULL));
    CHECK_EQUAL(probe.Runs, 1);
    ExReleaseSpinLockExclusive(&Lock, oldIrql);
    CHECK_EQUAL(probe.Runs, 2);
}

/* Comes back only if all processors are inside at the same time. */
PARALLEL_ROUTINE(ReadTogether)
{
    ExAcquireSpinLockSharedAtDpcLevel(&Lock);
    InterlockedIncrement(&Readers);
    CHECK(KtSpinUntil(&Readers, (LONG)KtProcessors()));
    ExReleaseSpinLockSharedFromDpcLevel(&Lock);
}

TEST(T_RWSL_2_readers_share)
{
    Lock = 0;
    Readers = 0;
    KtRunOnAll(ReadTogether, NULL);
    CHECK_EQUAL(Lock, 0);
}

static VOID ReadOnce(VOID)
{
    ExAcquireSpinLockSharedAtDpcLevel(&Lock);
    InterlockedIncrement(&Readers);
    CHECK_EQUAL(Writers, 0);
    KtJitter(20);
    InterlockedDecrement(&Readers);
    ExReleaseSpinLockSharedFromDpcLevel(&Lock);
}

static VOID WriteOnce(VOID)
{
    ExAcquireSpinLockExclusiveAtDpcLevel(&Lock);
    CHECK_EQUAL(InterlockedIncrement(&Writers), 1);
    CHECK_EQUAL(Readers, 0);
    Counter = Counter + 1;
    KtJitter(20);
    InterlockedDecrement(&Writers);
    ExReleaseSpinLockExclusiveFromDpcLevel(&Lock);
}

PARALLEL_ROUTINE(ReadAndWrite)
{
    for (ULONG i = 0; i < TURNS; i++) {
        if (i % 4 == 0)
            WriteOnce();
        else
            ReadOnce();
    }
}

TEST(T_RWSL_2_writers_exclude)
{
    Lock = 0;
    Readers = Writers = Counter = 0;
    KtRunOnAll(ReadAndWrite, NULL);
    CHECK_EQUAL(Counter, KtProcessors() * (TURNS / 4));
    CHECK_EQUAL(Lock, 0);
}

/*
 * A writer that waits must have changed the lock's word: there is no other place where the
 * readers who come later could learn of it. Held is the word with this one reader.
 */
static BOOLEAN WriterWaits(LONG Held)
{
    ULONG64 start = KtNow();

    while (Lock == Held) {
        if (KtNow() - start > KT_PATIENCE)
            return FALSE;
        ArchPause();
    }
    return TRUE;
}

static volatile LONG ReaderMayAsk, ReaderHasAsked;

/* Processor 1 writes, processor 2 reads after it has been told to. */
PARALLEL_ROUTINE(WriterThenReader)
{
    if (Processor == 1) {
        ExAcquireSpinLockExclusiveAtDpcLevel(&Lock);
        KtTrace('W');
        KtStall(MILLISECONDS(1));
        KtTrace('w');
        ExReleaseSpinLockExclusiveFromDpcLevel(&Lock);
    } else if (Processor == 2) {
        CHECK(KtSpinUntil(&ReaderMayAsk, 1));
        InterlockedExchange(&ReaderHasAsked, 1);
        ExAcquireSpinLockSharedAtDpcLevel(&Lock);
        KtTrace('R');
        ExReleaseSpinLockSharedFromDpcLevel(&Lock);
    }
}

TEST_ON(3, T_RWSL_3)
{
    KIRQL oldIrql;
    LONG held;

    Lock = 0;
    ReaderMayAsk = ReaderHasAsked = 0;
    oldIrql = ExAcquireSpinLockShared(&Lock);
    held = Lock;
    KtStartOnOthers(WriterThenReader, NULL);
    CHECK(WriterWaits(held));
    InterlockedExchange(&ReaderMayAsk, 1);
    CHECK(KtSpinUntil(&ReaderHasAsked, 1));
    KtStall(MILLISECONDS(3));
    CHECK_TRACE(""); /* the new reader waits although the lock is held by a reader */
    ExReleaseSpinLockShared(&Lock, oldIrql);
    KtJoin();
    CHECK_TRACE("WwR");
    CHECK_EQUAL(Lock, 0);
}

TEST(T_RWSL_5)
{
    KIRQL oldIrql;

    Lock = 0;
    oldIrql = ExAcquireSpinLockShared(&Lock);
    CHECK(ExTryConvertSharedSpinLockExclusive(&Lock)); /* the sole reader */
    CHECK_IRQL(DISPATCH_LEVEL);
    ExReleaseSpinLockExclusive(&Lock, oldIrql);
    CHECK_IRQL(PASSIVE_LEVEL);
    CHECK_EQUAL(Lock, 0);

    AT_IRQL(DISPATCH_LEVEL)
    {
        ExAcquireSpinLockSharedAtDpcLevel(&Lock);
        CHECK(ExTryConvertSharedSpinLockExclusive(&Lock));
        ExReleaseSpinLockExclusiveFromDpcLevel(&Lock);
        CHECK_EQUAL(Lock, 0);
    }
}

static volatile LONG ReaderInside, ReaderMayLeave;

PARALLEL_ROUTINE(KeepReading)
{
    if (Processor != 1)
        return;
    ExAcquireSpinLockSharedAtDpcLevel(&Lock);
    InterlockedExchange(&ReaderInside, 1);
    CHECK(KtSpinUntil(&ReaderMayLeave, 1));
    ExReleaseSpinLockSharedFromDpcLevel(&Lock);
}

TEST_ON(2, T_RWSL_5_second_reader)
{
    KIRQL oldIrql;

    Lock = 0;
    ReaderInside = ReaderMayLeave = 0;
    KtStartOnOthers(KeepReading, NULL);
    CHECK(KtSpinUntil(&ReaderInside, 1));
    oldIrql = ExAcquireSpinLockShared(&Lock);
    CHECK(!ExTryConvertSharedSpinLockExclusive(&Lock)); /* at once, not after a wait */
    InterlockedExchange(&ReaderMayLeave, 1);
    KtJoin();
    CHECK(ExTryConvertSharedSpinLockExclusive(&Lock)); /* it still held the lock shared */
    ExReleaseSpinLockExclusive(&Lock, oldIrql);
    CHECK_EQUAL(Lock, 0);
}

PARALLEL_ROUTINE(WriteOnOne)
{
    if (Processor == 1)
        WriteOnce();
}

TEST_ON(2, T_RWSL_5_waiting_writer)
{
    KIRQL oldIrql;
    LONG held;

    Lock = 0;
    Readers = Writers = Counter = 0;
    oldIrql = ExAcquireSpinLockShared(&Lock);
    held = Lock;
    KtStartOnOthers(WriteOnOne, NULL);
    CHECK(WriterWaits(held));
    CHECK(!ExTryConvertSharedSpinLockExclusive(&Lock)); /* although this is the sole reader */
    CHECK_EQUAL(Counter, 0);
    ExReleaseSpinLockShared(&Lock, oldIrql);
    KtJoin();
    CHECK_EQUAL(Counter, 1);
    CHECK_EQUAL(Lock, 0);
}
