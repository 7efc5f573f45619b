/* sources: kernel/ke/spinlock.c kernel/ke/queuedlock.c kernel/ke/rwlock.c tests/host/support/support.c tests/host/support/threads.c */
/* Spin locks of the three kinds: states, IRQLs and errors by one thread, exclusion by several. */
#include "support/support.h"
#include "support/threads.h"

#define ROUNDS 50000

static KSPIN_LOCK Lock;
static EX_SPIN_LOCK ReaderWriterLock;

static int Start(void **State)
{
    (void)State;
    Lock = (KSPIN_LOCK)0x5555;
    KeInitializeSpinLock(&Lock);
    ReaderWriterLock = 0;
    HostIrql = PASSIVE_LEVEL;
    return 0;
}

/* ---- ordinary locks ---- */

static void AcquireRaisesReleaseRestores(void **State)
{
    (void)State;
    for (KIRQL irql = PASSIVE_LEVEL; irql <= DISPATCH_LEVEL; irql++) {
        KIRQL oldIrql = 0x55;

        HostIrql = irql;
        KeAcquireSpinLock(&Lock, &oldIrql);
        assert_int_equal(oldIrql, irql);
        assert_int_equal(HostIrql, DISPATCH_LEVEL);
        assert_int_equal(Lock, (ULONG_PTR)KeGetCurrentPrcb());
        assert_false(KeTestSpinLock(&Lock));
        KeReleaseSpinLock(&Lock, oldIrql);
        assert_int_equal(HostIrql, irql);
        assert_true(KeTestSpinLock(&Lock));

        assert_int_equal(KeAcquireSpinLockForDpc(&Lock), irql);
        assert_int_equal(HostIrql, DISPATCH_LEVEL);
        KeReleaseSpinLockForDpc(&Lock, irql);
        assert_int_equal(HostIrql, irql);
    }
}

static void AtDpcLevelLeavesTheIrql(void **State)
{
    (void)State;
    for (HostIrql = DISPATCH_LEVEL; HostIrql < HIGH_LEVEL; HostIrql++) {
        KIRQL irql = HostIrql;

        KeAcquireSpinLockAtDpcLevel(&Lock);
        assert_false(KeTryToAcquireSpinLockAtDpcLevel(&Lock));
        KeReleaseSpinLockFromDpcLevel(&Lock);
        assert_true(KeTryToAcquireSpinLockAtDpcLevel(&Lock));
        KeReleaseSpinLockFromDpcLevel(&Lock);
        assert_int_equal(HostIrql, irql);
    }
}

static void HighLocksWorkAtAnyIrql(void **State)
{
    KIRQL oldIrql;

    (void)State;
    for (KIRQL irql = PASSIVE_LEVEL; irql <= HIGH_LEVEL; irql++) {
        HostIrql = irql;
        oldIrql = KiAcquireHighLock(&Lock);
        assert_int_equal(HostIrql, HIGH_LEVEL);
        KiReleaseHighLock(&Lock, oldIrql);
        assert_int_equal(HostIrql, irql);
    }
}

/* T-SL-4, T-SL-12 and the IRQL rules */
static void OrdinaryLocksReportErrors(void **State)
{
    (void)State;
    EXPECT_BUGCHECK(DRIVER_VERIFIER_DETECTED_VIOLATION, 0x40, KeAcquireSpinLockAtDpcLevel(&Lock));
    ASSERT_PARAMETERS(PASSIVE_LEVEL, &Lock, 0);
    EXPECT_BUGCHECK(DRIVER_VERIFIER_DETECTED_VIOLATION, 0x40,
                    KeTryToAcquireSpinLockAtDpcLevel(&Lock));
    EXPECT_BUGCHECK(DRIVER_VERIFIER_DETECTED_VIOLATION, 0x41, KeReleaseSpinLockFromDpcLevel(&Lock));
    EXPECT_BUGCHECK(DRIVER_VERIFIER_DETECTED_VIOLATION, 0x32, KeReleaseSpinLock(&Lock, 0));
    HostIrql = DISPATCH_LEVEL + 1;
    EXPECT_BUGCHECK(DRIVER_VERIFIER_DETECTED_VIOLATION, 0x42, KeAcquireSpinLockRaiseToDpc(&Lock));
    EXPECT_BUGCHECK(DRIVER_VERIFIER_DETECTED_VIOLATION, 0x42, KeAcquireSpinLockForDpc(&Lock));
    EXPECT_BUGCHECK(DRIVER_VERIFIER_DETECTED_VIOLATION, 0x32, KeReleaseSpinLock(&Lock, 0));

    HostIrql = DISPATCH_LEVEL;
    EXPECT_BUGCHECK(SPIN_LOCK_NOT_OWNED, &Lock, KeReleaseSpinLock(&Lock, 0));
    EXPECT_BUGCHECK(SPIN_LOCK_NOT_OWNED, &Lock, KeReleaseSpinLockFromDpcLevel(&Lock));
    KeAcquireSpinLockAtDpcLevel(&Lock);
    EXPECT_BUGCHECK(SPIN_LOCK_ALREADY_OWNED, &Lock, KeAcquireSpinLockAtDpcLevel(&Lock));
    EXPECT_BUGCHECK(SPIN_LOCK_ALREADY_OWNED, &Lock, KeAcquireSpinLockRaiseToDpc(&Lock));
    EXPECT_BUGCHECK(SPIN_LOCK_ALREADY_OWNED, &Lock, KeAcquireSpinLockForDpc(&Lock));
    EXPECT_BUGCHECK(SPIN_LOCK_ALREADY_OWNED, &Lock, KiAcquireHighLock(&Lock));
}

/* A lock that another processor holds. */
static void AnothersLockIsNotReleased(void **State)
{
    (void)State;
    HostIrql = DISPATCH_LEVEL;
    Lock = (ULONG_PTR)KeGetCurrentPrcb() + 8;
    EXPECT_BUGCHECK(SPIN_LOCK_NOT_OWNED, &Lock, KeReleaseSpinLock(&Lock, 0));
}

/* ---- queued locks ---- */

static void QueuedLocksKeepTheIrqlInTheHandle(void **State)
{
    KLOCK_QUEUE_HANDLE handle;

    (void)State;
    for (KIRQL irql = PASSIVE_LEVEL; irql <= DISPATCH_LEVEL; irql++) {
        HostIrql = irql;
        memset(&handle, 0x55, sizeof(handle));
        KeAcquireInStackQueuedSpinLock(&Lock, &handle);
        assert_int_equal(HostIrql, DISPATCH_LEVEL);
        assert_int_equal(Lock, (ULONG_PTR)&handle);
        KeReleaseInStackQueuedSpinLock(&handle);
        assert_int_equal(HostIrql, irql);
        assert_int_equal(Lock, 0);

        memset(&handle, 0x55, sizeof(handle));
        KeAcquireInStackQueuedSpinLockForDpc(&Lock, &handle);
        assert_int_equal(HostIrql, DISPATCH_LEVEL);
        KeReleaseInStackQueuedSpinLockForDpc(&handle);
        assert_int_equal(HostIrql, irql);
    }
    HostIrql = CLOCK_LEVEL;
    KeAcquireInStackQueuedSpinLockAtDpcLevel(&Lock, &handle);
    KeReleaseInStackQueuedSpinLockFromDpcLevel(&handle);
    assert_int_equal(HostIrql, CLOCK_LEVEL);
}

static void QueuedLocksReportErrors(void **State)
{
    static KLOCK_QUEUE_HANDLE handle;

    (void)State;
    EXPECT_BUGCHECK(DRIVER_VERIFIER_DETECTED_VIOLATION, 0x40,
                    KeAcquireInStackQueuedSpinLockAtDpcLevel(&Lock, &handle));
    KeAcquireInStackQueuedSpinLock(&Lock, &handle);
    HostIrql = PASSIVE_LEVEL;
    EXPECT_BUGCHECK(DRIVER_VERIFIER_DETECTED_VIOLATION, 0x36,
                    KeReleaseInStackQueuedSpinLock(&handle));
    ASSERT_PARAMETERS(PASSIVE_LEVEL, &Lock, 0);
    EXPECT_BUGCHECK(DRIVER_VERIFIER_DETECTED_VIOLATION, 0x36,
                    KeReleaseInStackQueuedSpinLockForDpc(&handle));
    EXPECT_BUGCHECK(DRIVER_VERIFIER_DETECTED_VIOLATION, 0x41,
                    KeReleaseInStackQueuedSpinLockFromDpcLevel(&handle));
    HostIrql = DISPATCH_LEVEL;
    KeReleaseInStackQueuedSpinLock(&handle);
    HostIrql = DISPATCH_LEVEL;
    EXPECT_BUGCHECK(SPIN_LOCK_NOT_OWNED, 0, KeReleaseInStackQueuedSpinLock(&handle));
    HostIrql = DISPATCH_LEVEL + 1;
    EXPECT_BUGCHECK(DRIVER_VERIFIER_DETECTED_VIOLATION, 0x42,
                    KeAcquireInStackQueuedSpinLock(&Lock, &handle));
}

/* ---- reader/writer locks ---- */

static void ReadersShareWritersDoNot(void **State)
{
    (void)State;
    assert_int_equal(ExAcquireSpinLockShared(&ReaderWriterLock), PASSIVE_LEVEL);
    assert_int_equal(ExAcquireSpinLockShared(&ReaderWriterLock), DISPATCH_LEVEL);
    assert_false(ExTryConvertSharedSpinLockExclusive(&ReaderWriterLock));
    ExReleaseSpinLockShared(&ReaderWriterLock, DISPATCH_LEVEL);
    assert_true(ExTryConvertSharedSpinLockExclusive(&ReaderWriterLock));
    ExReleaseSpinLockExclusive(&ReaderWriterLock, PASSIVE_LEVEL);
    assert_int_equal(HostIrql, PASSIVE_LEVEL);
    assert_int_equal(ReaderWriterLock, 0);

    assert_int_equal(ExAcquireSpinLockExclusive(&ReaderWriterLock), PASSIVE_LEVEL);
    assert_int_equal(HostIrql, DISPATCH_LEVEL);
    ExReleaseSpinLockExclusive(&ReaderWriterLock, APC_LEVEL);
    assert_int_equal(HostIrql, APC_LEVEL);

    HostIrql = CLOCK_LEVEL;
    ExAcquireSpinLockExclusiveAtDpcLevel(&ReaderWriterLock);
    ExReleaseSpinLockExclusiveFromDpcLevel(&ReaderWriterLock);
    ExAcquireSpinLockSharedAtDpcLevel(&ReaderWriterLock);
    ExReleaseSpinLockSharedFromDpcLevel(&ReaderWriterLock);
    assert_int_equal(HostIrql, CLOCK_LEVEL);
    assert_int_equal(ReaderWriterLock, 0);
}

/* T-RWSL-6 and the IRQL rules */
static void ReaderWriterLocksReportErrors(void **State)
{
    PEX_SPIN_LOCK lock = &ReaderWriterLock;

    (void)State;
    EXPECT_BUGCHECK(DRIVER_VERIFIER_DETECTED_VIOLATION, 0x40,
                    ExAcquireSpinLockSharedAtDpcLevel(lock));
    EXPECT_BUGCHECK(DRIVER_VERIFIER_DETECTED_VIOLATION, 0x40,
                    ExAcquireSpinLockExclusiveAtDpcLevel(lock));
    EXPECT_BUGCHECK(DRIVER_VERIFIER_DETECTED_VIOLATION, 0x41,
                    ExReleaseSpinLockSharedFromDpcLevel(lock));
    EXPECT_BUGCHECK(DRIVER_VERIFIER_DETECTED_VIOLATION, 0x32, ExReleaseSpinLockShared(lock, 0));
    EXPECT_BUGCHECK(DRIVER_VERIFIER_DETECTED_VIOLATION, 0x32, ExReleaseSpinLockExclusive(lock, 0));
    HostIrql = CLOCK_LEVEL;
    EXPECT_BUGCHECK(DRIVER_VERIFIER_DETECTED_VIOLATION, 0x42, ExAcquireSpinLockShared(lock));
    EXPECT_BUGCHECK(DRIVER_VERIFIER_DETECTED_VIOLATION, 0x42, ExAcquireSpinLockExclusive(lock));
    HostIrql = DISPATCH_LEVEL;
    EXPECT_BUGCHECK(SPIN_LOCK_NOT_OWNED, lock, ExReleaseSpinLockShared(lock, 0));
    EXPECT_BUGCHECK(SPIN_LOCK_NOT_OWNED, lock, ExReleaseSpinLockExclusive(lock, 0));
    EXPECT_BUGCHECK(SPIN_LOCK_NOT_OWNED, lock, ExTryConvertSharedSpinLockExclusive(lock));
    ExAcquireSpinLockExclusiveAtDpcLevel(lock);
    EXPECT_BUGCHECK(SPIN_LOCK_NOT_OWNED, lock, ExReleaseSpinLockShared(lock, 0));
}

/* ---- several threads ---- */

/* What a lock protects: not atomic, so that two at the same time show. */
static volatile ULONG64 Shared[2];
static volatile LONG Inside;

static VOID ChangeShared(VOID)
{
    if (InterlockedIncrement(&Inside) != 1)
        abort();
    Shared[0] = Shared[0] + 1;
    Shared[1] = Shared[1] + 1;
    InterlockedDecrement(&Inside);
}

static ULONG_PTR UseOrdinary(ULONG Number)
{
    for (ULONG n = 0; n < ROUNDS; n++) {
        KIRQL oldIrql = KeAcquireSpinLockRaiseToDpc(&Lock);

        ChangeShared();
        KeReleaseSpinLock(&Lock, oldIrql);
    }
    UNREFERENCED_PARAMETER(Number);
    return ROUNDS;
}

static ULONG_PTR UseQueued(ULONG Number)
{
    KLOCK_QUEUE_HANDLE handle;

    for (ULONG n = 0; n < ROUNDS; n++) {
        memset(&handle, 0x55, sizeof(handle));
        KeAcquireInStackQueuedSpinLock(&Lock, &handle);
        ChangeShared();
        KeReleaseInStackQueuedSpinLock(&handle);
    }
    UNREFERENCED_PARAMETER(Number);
    return ROUNDS;
}

/* Two readings in four rounds, a writing, and a reading that tries to become a writing. */
static ULONG_PTR UseReaderWriter(ULONG Number)
{
    ULONG_PTR writings = 0;

    for (ULONG n = 0; n < ROUNDS; n++) {
        KIRQL oldIrql;

        if (n % 4 == 0) {
            oldIrql = ExAcquireSpinLockExclusive(&ReaderWriterLock);
            ChangeShared();
            writings++;
            ExReleaseSpinLockExclusive(&ReaderWriterLock, oldIrql);
            continue;
        }
        oldIrql = ExAcquireSpinLockShared(&ReaderWriterLock);
        if (Inside != 0 || Shared[0] != Shared[1])
            abort();
        if (n % 4 == 1 && ExTryConvertSharedSpinLockExclusive(&ReaderWriterLock)) {
            ChangeShared();
            writings++;
            ExReleaseSpinLockExclusive(&ReaderWriterLock, oldIrql);
        } else {
            ExReleaseSpinLockShared(&ReaderWriterLock, oldIrql);
        }
    }
    UNREFERENCED_PARAMETER(Number);
    return writings;
}

/* What the threads say that they have done is what has been done. */
static VOID AssertExclusion(HOST_ROUTINE *Routine)
{
    ULONG_PTR changes;

    Shared[0] = Shared[1] = 0;
    Inside = 0;
    changes = HostRunThreads(Routine);
    assert_int_equal(Shared[0], changes);
    assert_int_equal(Shared[1], changes);
    assert_int_equal(Lock, 0);
    assert_int_equal(ReaderWriterLock, 0);
}

static void EachKindExcludes(void **State)
{
    (void)State;
    AssertExclusion(UseOrdinary);
    AssertExclusion(UseQueued);
    AssertExclusion(UseReaderWriter);
}

/* ---- order ---- */

static volatile LONG Asked, Served;
static LONG OrderOfService[HOST_THREADS];

/* Thread 0 holds the lock while the others ask one after the other. */
static ULONG_PTR AskInTurn(ULONG Number)
{
    KLOCK_QUEUE_HANDLE handle;

    HostIrql = DISPATCH_LEVEL;
    while (Asked != (LONG)Number)
        ArchPause();
    KeAcquireInStackQueuedSpinLockAtDpcLevel(&Lock, &handle);
    for (ULONG_PTR last = Lock; Number == 0 && Asked < HOST_THREADS - 1; last = Lock) {
        Asked++;
        while (Lock == last)
            ArchPause();
    }
    OrderOfService[Served++] = (LONG)Number;
    KeReleaseInStackQueuedSpinLockFromDpcLevel(&handle);
    return 0;
}

/* T-ISQSL-1 */
static void QueuedLocksAreFair(void **State)
{
    (void)State;
    for (ULONG round = 0; round < 200; round++) {
        Asked = Served = 0;
        HostRunThreads(AskInTurn);
        for (LONG i = 0; i < HOST_THREADS; i++)
            assert_int_equal(OrderOfService[i], i);
    }
}

/*
 * Thread 0 reads until threads 1 and 2 wait as writers; thread 3 asks to read then, and must find
 * both served.
 */
static ULONG_PTR ReadAndWrite(ULONG Number)
{
    const LONG bothWait = 2 << 16 | 1;

    HostIrql = DISPATCH_LEVEL;
    while (Number != 0 && (ReaderWriterLock & 0xFFFF) == 0 && Served == 0)
        ArchPause();
    if (Number == 1 || Number == 2) {
        ExAcquireSpinLockExclusiveAtDpcLevel(&ReaderWriterLock);
        InterlockedIncrement(&Served);
        ExReleaseSpinLockExclusiveFromDpcLevel(&ReaderWriterLock);
        return 0;
    }
    while (Number == 3 && !Asked)
        ArchPause();
    ExAcquireSpinLockSharedAtDpcLevel(&ReaderWriterLock);
    if (Number == 3 && Served != 2)
        abort();
    while (Number == 0 && ReaderWriterLock != bothWait)
        ArchPause();
    if (Number == 0) {
        Asked = TRUE;
        if (ExTryConvertSharedSpinLockExclusive(&ReaderWriterLock))
            abort();
    }
    ExReleaseSpinLockSharedFromDpcLevel(&ReaderWriterLock);
    return 0;
}

/* T-RWSL-3: waiting writers keep new readers out, also when there are two of them. */
static void WritersComeFirst(void **State)
{
    (void)State;
    for (ULONG round = 0; round < 500; round++) {
        Asked = Served = 0;
        HostRunThreads(ReadAndWrite);
        assert_int_equal(Served, 2);
        assert_int_equal(ReaderWriterLock, 0);
    }
}

#define TEST(name) cmocka_unit_test_setup(name, Start)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(AcquireRaisesReleaseRestores),
        TEST(AtDpcLevelLeavesTheIrql),
        TEST(HighLocksWorkAtAnyIrql),
        TEST(OrdinaryLocksReportErrors),
        TEST(AnothersLockIsNotReleased),
        TEST(QueuedLocksKeepTheIrqlInTheHandle),
        TEST(QueuedLocksReportErrors),
        TEST(ReadersShareWritersDoNot),
        TEST(ReaderWriterLocksReportErrors),
        TEST(EachKindExcludes),
        TEST(QueuedLocksAreFair),
        TEST(WritersComeFirst),
    };

    return cmocka_run_group_tests_name("locks", tests, NULL, NULL);
}
