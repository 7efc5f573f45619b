/* Errors of spinlock.md. */
#define SUITE "negative.lock"
#include "suite.h"

static KSPIN_LOCK Lock;

/* 0xF with the lock, in place of a certain deadlock. */
TEST(T_SL_4)
{
    KIRQL oldIrql;

    KeInitializeSpinLock(&Lock);
    KeAcquireSpinLock(&Lock, &oldIrql);
    EXPECT_BUGCHECK(0xF, &Lock, ANY, ANY, ANY)
    {
        KeAcquireSpinLockAtDpcLevel(&Lock);
    }
    EXPECT_BUGCHECK(0xF, &Lock, ANY, ANY, ANY)
    {
        KeAcquireSpinLockRaiseToDpc(&Lock);
    }
    EXPECT_BUGCHECK(0xF, &Lock, ANY, ANY, ANY)
    {
        KeAcquireSpinLockForDpc(&Lock);
    }
    CHECK_IRQL(DISPATCH_LEVEL);
    KeReleaseSpinLock(&Lock, oldIrql);
    CHECK(KeTestSpinLock(&Lock));
}

static volatile LONG Waiting;

PARALLEL_ROUTINE(WaitForLock)
{
    if (Processor != 1)
        return;
    InterlockedExchange(&Waiting, 1);
    KeAcquireSpinLockAtDpcLevel(&Lock); /* another processor's: it just spins */
    KeReleaseSpinLockFromDpcLevel(&Lock);
    InterlockedExchange(&Waiting, 2);
}

TEST_ON(2, T_SL_4_other_owner_spins)
{
    KIRQL oldIrql;

    KeInitializeSpinLock(&Lock);
    Waiting = 0;
    KeAcquireSpinLock(&Lock, &oldIrql);
    KtStartOnOthers(WaitForLock, NULL);
    CHECK(KtSpinUntil(&Waiting, 1));
    KtStall(MILLISECONDS(2));
    CHECK_EQUAL(Waiting, 1);
    KeReleaseSpinLock(&Lock, oldIrql);
    KtJoin();
    CHECK_EQUAL(Waiting, 2);
}

/* 0x10 with the lock. */
TEST(T_SL_12)
{
    KeInitializeSpinLock(&Lock);
    AT_IRQL(DISPATCH_LEVEL)
    {
        EXPECT_BUGCHECK(0x10, &Lock, ANY, ANY, ANY)
        {
            KeReleaseSpinLock(&Lock, PASSIVE_LEVEL);
        }
        EXPECT_BUGCHECK(0x10, &Lock, ANY, ANY, ANY)
        {
            KeReleaseSpinLockFromDpcLevel(&Lock);
        }
        EXPECT_BUGCHECK(0x10, &Lock, ANY, ANY, ANY)
        {
            KeReleaseSpinLockForDpc(&Lock, DISPATCH_LEVEL);
        }
        KeAcquireSpinLockAtDpcLevel(&Lock);
        KeReleaseSpinLockFromDpcLevel(&Lock);
        EXPECT_BUGCHECK(0x10, &Lock, ANY, ANY, ANY)
        {
            KeReleaseSpinLockFromDpcLevel(&Lock); /* a second time */
        }
        CHECK_IRQL(DISPATCH_LEVEL);
    }
    CHECK(KeTestSpinLock(&Lock));
}

ROUTINE(AcquireAndKeep)
{
    UNREFERENCED_PARAMETER(Context);
    KeAcquireSpinLockAtDpcLevel(&Lock);
}

TEST_ON(2, T_SL_12_other_owner)
{
    KeInitializeSpinLock(&Lock);
    KtRunOn(1, DISPATCH_LEVEL, AcquireAndKeep, NULL);
    AT_IRQL(DISPATCH_LEVEL)
    {
        EXPECT_BUGCHECK(0x10, &Lock, ANY, ANY, ANY)
        {
            KeReleaseSpinLockFromDpcLevel(&Lock);
        }
    }
    KeInitializeSpinLock(&Lock);
}

/* 0xC4/0x42: IRQL, lock. */
TEST(T_KeAcquireSpinLock_3__T_IRQL_ERR_4__T_SL_8)
{
    KeInitializeSpinLock(&Lock);
    for (KIRQL level = 3; level <= HIGH_LEVEL; level++)
        AT_IRQL(level)
        {
            EXPECT_BUGCHECK(0xC4, 0x42, level, &Lock, ANY)
            {
                KIRQL oldIrql;

                KeAcquireSpinLock(&Lock, &oldIrql);
            }
            EXPECT_BUGCHECK(0xC4, ANY, level, ANY, ANY)
            {
                KeAcquireSpinLockForDpc(&Lock);
            }
            CHECK(KeTestSpinLock(&Lock));
        }
}

/* 0xC4/0x32: IRQL, lock. */
TEST(T_KeReleaseSpinLock_2__T_IRQL_ERR_3)
{
    static const KIRQL wrong[] = {PASSIVE_LEVEL, APC_LEVEL, 3, 9, HIGH_LEVEL};

    for (ULONG i = 0; i < ARRAYSIZE(wrong); i++) {
        KIRQL oldIrql;

        KeInitializeSpinLock(&Lock);
        KeAcquireSpinLock(&Lock, &oldIrql);
        ArchWriteIrql(wrong[i]); /* what a driver's own headers would do */
        EXPECT_BUGCHECK(0xC4, 0x32, wrong[i], &Lock, ANY)
        {
            KeReleaseSpinLock(&Lock, PASSIVE_LEVEL);
        }
        ArchWriteIrql(PASSIVE_LEVEL);
    }
    KeInitializeSpinLock(&Lock);
    EXPECT_BUGCHECK(0xC4, 0x32, PASSIVE_LEVEL, &Lock, ANY) /* a double release shows so */
    {
        KIRQL oldIrql;

        KeAcquireSpinLock(&Lock, &oldIrql);
        KeReleaseSpinLock(&Lock, oldIrql);
        KeReleaseSpinLock(&Lock, oldIrql);
    }
    KeInitializeSpinLock(&Lock);
}

/* 0xC4/0x40 and 0x41: IRQL, lock. */
TEST(T_KeAcquireSpinLockAtDpcLevel_1__T_KeReleaseSpinLockFromDpcLevel_1)
{
    for (KIRQL level = PASSIVE_LEVEL; level <= APC_LEVEL; level++)
        AT_IRQL(level)
        {
            KeInitializeSpinLock(&Lock);
            EXPECT_BUGCHECK(0xC4, 0x40, level, &Lock, ANY)
            {
                KeAcquireSpinLockAtDpcLevel(&Lock);
            }
            EXPECT_BUGCHECK(0xC4, 0x41, level, &Lock, ANY)
            {
                KeReleaseSpinLockFromDpcLevel(&Lock);
            }
            EXPECT_BUGCHECK(0xC4, ANY, level, ANY, ANY)
            {
                KeTryToAcquireSpinLockAtDpcLevel(&Lock);
            }
            CHECK(KeTestSpinLock(&Lock));
        }
}

/* 0xC4/0x36: IRQL, lock or number, old IRQL. */
TEST(T_ISQSL_7)
{
    static const KIRQL wrong[] = {PASSIVE_LEVEL, APC_LEVEL, 5};

    for (ULONG i = 0; i < ARRAYSIZE(wrong); i++) {
        KLOCK_QUEUE_HANDLE handle;

        KeInitializeSpinLock(&Lock);
        KeAcquireInStackQueuedSpinLock(&Lock, &handle);
        ArchWriteIrql(wrong[i]);
        EXPECT_BUGCHECK(0xC4, 0x36, wrong[i], ANY, PASSIVE_LEVEL)
        {
            KeReleaseInStackQueuedSpinLock(&handle);
        }
        ArchWriteIrql(DISPATCH_LEVEL);
        KeReleaseInStackQueuedSpinLock(&handle);
        CHECK_IRQL(PASSIVE_LEVEL);
        CHECK(KeTestSpinLock(&Lock));
    }
}

TEST(queued_lock_at_the_wrong_irql)
{
    KLOCK_QUEUE_HANDLE handle;

    KeInitializeSpinLock(&Lock);
    AT_IRQL(5)
    {
        EXPECT_BUGCHECK(0xC4, ANY, 5, ANY, ANY)
        {
            KeAcquireInStackQueuedSpinLock(&Lock, &handle);
        }
    }
    EXPECT_BUGCHECK(0xC4, ANY, PASSIVE_LEVEL, ANY, ANY)
    {
        KeAcquireInStackQueuedSpinLockAtDpcLevel(&Lock, &handle);
    }
    CHECK(KeTestSpinLock(&Lock));
}

/* T-RWSL-6: an error of some kind; the code is not documented. */
TEST(T_RWSL_6)
{
    EX_SPIN_LOCK lock = 0;

    AT_IRQL(DISPATCH_LEVEL)
    {
        EXPECT_BUGCHECK(ANY, ANY, ANY, ANY, ANY)
        {
            ExReleaseSpinLockSharedFromDpcLevel(&lock);
        }
        lock = 0;
        EXPECT_BUGCHECK(ANY, ANY, ANY, ANY, ANY)
        {
            ExReleaseSpinLockExclusiveFromDpcLevel(&lock);
        }
        lock = 0;
        ExAcquireSpinLockSharedAtDpcLevel(&lock);
        EXPECT_BUGCHECK(ANY, ANY, ANY, ANY, ANY)
        {
            ExReleaseSpinLockExclusiveFromDpcLevel(&lock);
        }
        lock = 0;
        ExAcquireSpinLockExclusiveAtDpcLevel(&lock);
        EXPECT_BUGCHECK(ANY, ANY, ANY, ANY, ANY)
        {
            ExReleaseSpinLockSharedFromDpcLevel(&lock);
        }
    }
}

TEST(rwlock_at_the_wrong_irql)
{
    EX_SPIN_LOCK lock = 0;

    AT_IRQL(5)
    {
        EXPECT_BUGCHECK(0xC4, ANY, 5, ANY, ANY)
        {
            ExAcquireSpinLockShared(&lock);
        }
        EXPECT_BUGCHECK(0xC4, ANY, 5, ANY, ANY)
        {
            ExAcquireSpinLockExclusive(&lock);
        }
    }
    EXPECT_BUGCHECK(0xC4, ANY, PASSIVE_LEVEL, ANY, ANY)
    {
        ExAcquireSpinLockSharedAtDpcLevel(&lock);
    }
    EXPECT_BUGCHECK(0xC4, ANY, PASSIVE_LEVEL, ANY, ANY)
    {
        ExAcquireSpinLockExclusiveAtDpcLevel(&lock);
    }
    CHECK_EQUAL(lock, 0);
}
