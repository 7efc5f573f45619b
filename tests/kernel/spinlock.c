/* spinlock.md: ordinary spin locks. */
#define SUITE "spinlock"
#include "suite.h"

static KSPIN_LOCK Lock;
static volatile ULONG64 Counter; /* Lock; not atomic */
static volatile LONG Inside;

#define TURNS       2000
#define TIGHT_TURNS 40000

TEST(T_KeInitializeSpinLock_1__T_SL_1__T_SL_2)
{
    KSPIN_LOCK lock;

    CHECK_EQUAL(sizeof(KSPIN_LOCK), sizeof(PVOID));
    KtPoison(&lock);
    KeInitializeSpinLock(&lock);
    CHECK(KeTestSpinLock(&lock));
    for (KIRQL level = PASSIVE_LEVEL; level <= HIGH_LEVEL; level++)
        AT_IRQL(level)
        {
            lock = POISON;
            KeInitializeSpinLock(&lock);
            CHECK(KeTestSpinLock(&lock));
            CHECK_IRQL(level);
        }
}

TEST(T_KeAcquireSpinLock_1__T_SL_3)
{
    KIRQL oldIrql = POISON;

    KeInitializeSpinLock(&Lock);
    KeAcquireSpinLock(&Lock, &oldIrql);
    CHECK_IRQL(DISPATCH_LEVEL);
    CHECK_EQUAL(oldIrql, PASSIVE_LEVEL);
    CHECK(!KeTestSpinLock(&Lock));
    KeReleaseSpinLock(&Lock, oldIrql);
    CHECK_IRQL(PASSIVE_LEVEL);
    CHECK(KeTestSpinLock(&Lock));

    AT_IRQL(APC_LEVEL)
    {
        KeAcquireSpinLock(&Lock, &oldIrql);
        CHECK_IRQL(DISPATCH_LEVEL);
        CHECK_EQUAL(oldIrql, APC_LEVEL);
        KeReleaseSpinLock(&Lock, oldIrql);
        CHECK_IRQL(APC_LEVEL);
    }
}

static volatile KIRQL SharedOldIrql; /* protected by Lock, as the contract allows */

PARALLEL_ROUTINE(KeepSharedOldIrql)
{
    if (Processor != 1)
        return;
    KeAcquireSpinLockAtDpcLevel(&Lock);
    SharedOldIrql = POISON;
    InterlockedExchange(&Inside, 1);
    KtStall(MILLISECONDS(5));
    CHECK_EQUAL(SharedOldIrql, POISON); /* the one who waits has not written yet */
    KeReleaseSpinLockFromDpcLevel(&Lock);
}

TEST_ON(2, T_KeAcquireSpinLock_1_old_irql_after_ownership)
{
    KeInitializeSpinLock(&Lock);
    Inside = 0;
    KtStartOnOthers(KeepSharedOldIrql, NULL);
    CHECK(KtSpinUntil(&Inside, 1));
    KeAcquireSpinLock(&Lock, &SharedOldIrql);
    CHECK_EQUAL(SharedOldIrql, PASSIVE_LEVEL);
    KeReleaseSpinLock(&Lock, SharedOldIrql);
    KtJoin();
}

TEST(T_KeAcquireSpinLock_2)
{
    KIRQL oldIrql = POISON;

    KeInitializeSpinLock(&Lock);
    AT_IRQL(DISPATCH_LEVEL)
    {
        KeAcquireSpinLock(&Lock, &oldIrql);
        CHECK_EQUAL(oldIrql, DISPATCH_LEVEL);
        CHECK_IRQL(DISPATCH_LEVEL);
        KeReleaseSpinLock(&Lock, oldIrql);
        CHECK_IRQL(DISPATCH_LEVEL);
    }
}

TEST(T_KeReleaseSpinLock_1)
{
    KT_PROBE probe;
    KIRQL oldIrql;

    KeInitializeSpinLock(&Lock);
    KtPrepareProbe(&probe);
    KeAcquireSpinLock(&Lock, &oldIrql);
    CHECK(KeInsertQueueDpc(&probe.Dpc, NULL, NULL));
    CHECK_EQUAL(probe.Runs, 0);
    KeReleaseSpinLock(&Lock, oldIrql);
    CHECK_EQUAL(probe.Runs, 1); /* inside the release */
    CHECK_IRQL(PASSIVE_LEVEL);

    AT_IRQL(DISPATCH_LEVEL)
    {
        KeAcquireSpinLock(&Lock, &oldIrql);
        CHECK(KeInsertQueueDpc(&probe.Dpc, NULL, NULL));
        KeReleaseSpinLock(&Lock, oldIrql);
        CHECK_EQUAL(probe.Runs, 1); /* NewIrql is not below DISPATCH_LEVEL */
    }
    CHECK_EQUAL(probe.Runs, 2);
}

static volatile BOOLEAN LockWasFree;

DPC_ROUTINE(TryLockInDpc)
{
    LockWasFree = KeTestSpinLock(&Lock);
}

TEST(T_KeReleaseSpinLock_1_free_before_the_irql_falls)
{
    KDPC dpc;
    KIRQL oldIrql;

    KeInitializeSpinLock(&Lock);
    KtPoison(&dpc);
    KeInitializeDpc(&dpc, TryLockInDpc, NULL);
    KeAcquireSpinLock(&Lock, &oldIrql);
    CHECK(KeInsertQueueDpc(&dpc, NULL, NULL));
    KeReleaseSpinLock(&Lock, oldIrql);
    CHECK(LockWasFree);
}

TEST(T_KeAcquireSpinLockRaiseToDpc_1)
{
    KeInitializeSpinLock(&Lock);
    CHECK_EQUAL(KeAcquireSpinLockRaiseToDpc(&Lock), PASSIVE_LEVEL);
    CHECK_IRQL(DISPATCH_LEVEL);
    CHECK(!KeTestSpinLock(&Lock));
    KeReleaseSpinLock(&Lock, PASSIVE_LEVEL);
    CHECK_IRQL(PASSIVE_LEVEL);
    AT_IRQL(DISPATCH_LEVEL)
    {
        CHECK_EQUAL(KeAcquireSpinLockRaiseToDpc(&Lock), DISPATCH_LEVEL);
        KeReleaseSpinLock(&Lock, DISPATCH_LEVEL);
        CHECK_IRQL(DISPATCH_LEVEL);
    }
}

/* also above DISPATCH_LEVEL. */
TEST(T_KeAcquireSpinLockAtDpcLevel_1__T_KeReleaseSpinLockFromDpcLevel_1)
{
    KeInitializeSpinLock(&Lock);
    for (KIRQL level = DISPATCH_LEVEL; level <= HIGH_LEVEL; level++)
        AT_IRQL(level)
        {
            KeAcquireSpinLockAtDpcLevel(&Lock);
            CHECK_IRQL(level);
            CHECK(!KeTestSpinLock(&Lock));
            KeReleaseSpinLockFromDpcLevel(&Lock);
            CHECK_IRQL(level);
            CHECK(KeTestSpinLock(&Lock));
        }
}

TEST(T_KeReleaseSpinLockFromDpcLevel_2)
{
    KIRQL oldIrql;

    KeInitializeSpinLock(&Lock);
    KeAcquireSpinLock(&Lock, &oldIrql);
    KeReleaseSpinLockFromDpcLevel(&Lock);
    CHECK(KeTestSpinLock(&Lock));
    CHECK_IRQL(DISPATCH_LEVEL); /* the price of the wrong release */
    KeLowerIrql(oldIrql);
}

TEST(T_KeTryToAcquireSpinLockAtDpcLevel_1)
{
    KeInitializeSpinLock(&Lock);
    AT_IRQL(DISPATCH_LEVEL)
    {
        CHECK_EQUAL(KeTryToAcquireSpinLockAtDpcLevel(&Lock), TRUE);
        CHECK_IRQL(DISPATCH_LEVEL);
        CHECK(!KeTestSpinLock(&Lock));
        CHECK_EQUAL(KeTryToAcquireSpinLockAtDpcLevel(&Lock), FALSE); /* its own, and no 0xF */
        CHECK_IRQL(DISPATCH_LEVEL);
        KeReleaseSpinLockFromDpcLevel(&Lock);
        CHECK(KeTestSpinLock(&Lock));
    }
}

PARALLEL_ROUTINE(TryInVain)
{
    CHECK_EQUAL(KeTryToAcquireSpinLockAtDpcLevel(&Lock), FALSE);
    CHECK_IRQL(DISPATCH_LEVEL);
}

TEST_ON(2, T_KeTryToAcquireSpinLockAtDpcLevel_1_other_processor)
{
    KIRQL oldIrql;

    KeInitializeSpinLock(&Lock);
    KeAcquireSpinLock(&Lock, &oldIrql);
    KtStartOnOthers(TryInVain, NULL);
    KtJoin();
    CHECK(!KeTestSpinLock(&Lock));
    KeReleaseSpinLock(&Lock, oldIrql);
}

TEST(T_KeTryToAcquireSpinLockAtDpcLevel_2)
{
    KIRQL oldIrql;

    KeInitializeSpinLock(&Lock);
    KeRaiseIrql(DISPATCH_LEVEL, &oldIrql);
    CHECK(KeTryToAcquireSpinLockAtDpcLevel(&Lock));
    KeReleaseSpinLockFromDpcLevel(&Lock);
    CHECK_IRQL(DISPATCH_LEVEL);
    CHECK(KeTryToAcquireSpinLockAtDpcLevel(&Lock)); /* */
    KeReleaseSpinLock(&Lock, oldIrql);
    CHECK_IRQL(PASSIVE_LEVEL);
    CHECK(KeTestSpinLock(&Lock));
}

TEST(T_KeTestSpinLock_1)
{
    KIRQL oldIrql;

    KeInitializeSpinLock(&Lock);
    for (KIRQL level = PASSIVE_LEVEL; level <= HIGH_LEVEL; level++)
        AT_IRQL(level)
        {
            CHECK_EQUAL(KeTestSpinLock(&Lock), TRUE);
            CHECK_EQUAL(KeTestSpinLock(&Lock), TRUE); /* it has not taken it */
            CHECK_IRQL(level);
        }
    KeAcquireSpinLock(&Lock, &oldIrql);
    CHECK_EQUAL(KeTestSpinLock(&Lock), FALSE);
    KeReleaseSpinLock(&Lock, oldIrql);
}

TEST(T_KeAcquireSpinLockForDpc_1__T_KeReleaseSpinLockForDpc_1)
{
    KIRQL oldIrql;

    KeInitializeSpinLock(&Lock);
    oldIrql = KeAcquireSpinLockForDpc(&Lock);
    CHECK_EQUAL(oldIrql, PASSIVE_LEVEL);
    CHECK_IRQL(DISPATCH_LEVEL);
    KeReleaseSpinLockForDpc(&Lock, oldIrql);
    CHECK_IRQL(PASSIVE_LEVEL);
    AT_IRQL(DISPATCH_LEVEL)
    {
        oldIrql = KeAcquireSpinLockForDpc(&Lock);
        CHECK_EQUAL(oldIrql, DISPATCH_LEVEL);
        CHECK_IRQL(DISPATCH_LEVEL);
        KeReleaseSpinLockForDpc(&Lock, oldIrql);
        CHECK_IRQL(DISPATCH_LEVEL);
        CHECK(KeTestSpinLock(&Lock));
    }
}

TEST(T_SL_10)
{
    KSPIN_LOCK inner;
    KIRQL outerIrql, innerIrql;

    KeInitializeSpinLock(&Lock);
    KeInitializeSpinLock(&inner);
    KeAcquireSpinLock(&Lock, &outerIrql);
    KeAcquireSpinLock(&inner, &innerIrql);
    CHECK_EQUAL(innerIrql, DISPATCH_LEVEL);
    KeReleaseSpinLock(&inner, innerIrql);
    CHECK_IRQL(DISPATCH_LEVEL);
    CHECK(!KeTestSpinLock(&Lock));
    KeReleaseSpinLock(&Lock, outerIrql);
    CHECK_IRQL(PASSIVE_LEVEL);
}

/* One at a time, and the earlier holder's writes are seen: a lost update shows in the sum. */
PARALLEL_ROUTINE(CountUnderLock)
{
    KIRQL oldIrql;

    for (ULONG i = 0; i < TURNS; i++) {
        if (i % 3 == 0) {
            while (!KeTryToAcquireSpinLockAtDpcLevel(&Lock))
                ArchPause();
        } else if (i % 3 == 1) {
            KeAcquireSpinLockAtDpcLevel(&Lock);
        } else {
            KeAcquireSpinLock(&Lock, &oldIrql);
        }
        CHECK_EQUAL(InterlockedIncrement(&Inside), 1);
        Counter = Counter + 1;
        KtJitter(20);
        InterlockedDecrement(&Inside);
        if (i % 3 == 2)
            KeReleaseSpinLock(&Lock, oldIrql);
        else
            KeReleaseSpinLockFromDpcLevel(&Lock);
    }
}

TEST(T_SL_11)
{
    KeInitializeSpinLock(&Lock);
    Counter = 0;
    Inside = 0;
    KtRunOnAll(CountUnderLock, NULL);
    CHECK_EQUAL(Counter, (ULONG64)KtProcessors() * TURNS);
    CHECK(KeTestSpinLock(&Lock));
}

/* Nothing but the lock and the count, as fast as can be: two owners would meet soon. */
PARALLEL_ROUTINE(CountInATightLoop)
{
    for (ULONG i = 0; i < TIGHT_TURNS; i++) {
        KeAcquireSpinLockAtDpcLevel(&Lock);
        Counter = Counter + 1;
        KeReleaseSpinLockFromDpcLevel(&Lock);
    }
}

TEST(T_SL_11_tight_loop)
{
    KeInitializeSpinLock(&Lock);
    Counter = 0;
    KtRunOnAll(CountInATightLoop, NULL);
    CHECK_EQUAL(Counter, (ULONG64)KtProcessors() * TIGHT_TURNS);
}
