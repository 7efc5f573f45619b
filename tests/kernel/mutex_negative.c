/* Errors with fast and guarded mutexes: dispatcher.md. */
#define SUITE "negative.mutex"
#include "thread_tool.h"

static FAST_MUTEX Fast;
static KGUARDED_MUTEX Guarded;

TEST(T_FM_4_acquire)
{
    ExInitializeFastMutex(&Fast);
    AT_IRQL(DISPATCH_LEVEL)
    {
        EXPECT_BUGCHECK(0xC4, 0x33, DISPATCH_LEVEL, &Fast, ANY)
        {
            ExAcquireFastMutex(&Fast);
        }
        EXPECT_BUGCHECK(0xC4, ANY, DISPATCH_LEVEL, &Fast, ANY)
        {
            if (ExTryToAcquireFastMutex(&Fast))
                CHECK(!"acquired above APC_LEVEL");
        }
    }
}

TEST(T_FM_4_release)
{
    ExInitializeFastMutex(&Fast);
    ExAcquireFastMutex(&Fast);
    AT_IRQL(DISPATCH_LEVEL)
    {
        EXPECT_BUGCHECK(0xC4, 0x34, DISPATCH_LEVEL, ANY, &Fast)
        {
            ExReleaseFastMutex(&Fast);
        }
    }
    KeLowerIrql(PASSIVE_LEVEL);
    EXPECT_BUGCHECK(0xC4, 0x34, PASSIVE_LEVEL, ANY, &Fast)
    {
        ExReleaseFastMutex(&Fast);
    }
    CHECK_IRQL(PASSIVE_LEVEL);
    KfRaiseIrql(APC_LEVEL);
    ExReleaseFastMutex(&Fast);
    CHECK_IRQL(PASSIVE_LEVEL);
}

TEST(T_FM_4_unsafe)
{
    ExInitializeFastMutex(&Fast);
    EXPECT_BUGCHECK(0xC4, 0x39, PASSIVE_LEVEL, ANY, ANY)
    {
        ExAcquireFastMutexUnsafe(&Fast);
    }
    KeEnterCriticalRegion();
    ExAcquireFastMutexUnsafe(&Fast);
    KeLeaveCriticalRegion();
    EXPECT_BUGCHECK(0xC4, 0x3A, PASSIVE_LEVEL, ANY, ANY)
    {
        ExReleaseFastMutexUnsafe(&Fast);
    }
    KeEnterCriticalRegion();
    ExReleaseFastMutexUnsafe(&Fast);
    KeLeaveCriticalRegion();
    AT_IRQL(DISPATCH_LEVEL)
    {
        EXPECT_BUGCHECK(0xC4, 0x39, DISPATCH_LEVEL, ANY, ANY)
        {
            ExAcquireFastMutexUnsafe(&Fast);
        }
    }
}

/* IrqlKeApcLte1. */
TEST(T_GM_1_irql)
{
    KeInitializeGuardedMutex(&Guarded);
    AT_IRQL(DISPATCH_LEVEL)
    {
        EXPECT_BUGCHECK(0xC4, ANY, DISPATCH_LEVEL, ANY, ANY)
        {
            KeAcquireGuardedMutex(&Guarded);
        }
        EXPECT_BUGCHECK(0xC4, ANY, DISPATCH_LEVEL, ANY, ANY)
        {
            if (KeTryToAcquireGuardedMutex(&Guarded))
                CHECK(!"acquired above APC_LEVEL");
        }
    }
    CHECK(!KeAreAllApcsDisabled());
}
