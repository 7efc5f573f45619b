/* Fast and guarded mutexes: dispatcher.md. */
#define SUITE "mutex.fast"
#include "thread_tool.h"

static FAST_MUTEX Fast;
static KGUARDED_MUTEX Guarded;

static VOID Prepare(VOID)
{
    KtPoison(&Fast);
    ExInitializeFastMutex(&Fast);
    KtPoison(&Guarded);
    KeInitializeGuardedMutex(&Guarded);
}

TEST(T_FM_1)
{
    Prepare();
    for (KIRQL irql = PASSIVE_LEVEL; irql <= APC_LEVEL; irql++) {
        AT_IRQL(irql)
        {
            ExAcquireFastMutex(&Fast);
            CHECK_IRQL(APC_LEVEL);
            ExReleaseFastMutex(&Fast);
            CHECK_IRQL(irql);
            CHECK(ExTryToAcquireFastMutex(&Fast));
            CHECK_IRQL(APC_LEVEL);
            ExReleaseFastMutex(&Fast);
            CHECK_IRQL(irql);
        }
    }
}

static volatile LONG Owned, Release;

ROUTINE(OwnBoth)
{
    ExAcquireFastMutex(&Fast);
    KeAcquireGuardedMutex(&Guarded);
    InterlockedExchange(&Owned, 1);
    while (!Release)
        KiSleep(MILLISECONDS(1));
    KeReleaseGuardedMutex(&Guarded);
    ExReleaseFastMutex(&Fast);
}

/* A try that fails changes nothing; the wait ends with the owner's release. */
TEST(T_FM_1_owned__T_GM_1_owned)
{
    KT_THREAD thread;

    Prepare();
    Owned = Release = 0;
    KtStartThread(&thread, KT_ANY_PROCESSOR, KT_ABOVE, OwnBoth, NULL);
    CHECK(KtSleepUntil(&Owned, 1));
    CHECK(!ExTryToAcquireFastMutex(&Fast));
    CHECK_IRQL(PASSIVE_LEVEL);
    CHECK(!KeTryToAcquireGuardedMutex(&Guarded));
    CHECK(!KeAreAllApcsDisabled());
    CHECK_IRQL(PASSIVE_LEVEL);
    InterlockedExchange(&Release, 1);
    ExAcquireFastMutex(&Fast);
    KeAcquireGuardedMutex(&Guarded);
    KeReleaseGuardedMutex(&Guarded);
    ExReleaseFastMutex(&Fast);
    CHECK_IRQL(PASSIVE_LEVEL);
    KtEndThread(&thread);
}

TEST(T_FM_3)
{
    Prepare();
    KeEnterCriticalRegion();
    ExAcquireFastMutexUnsafe(&Fast);
    CHECK_IRQL(PASSIVE_LEVEL);
    ExReleaseFastMutexUnsafe(&Fast);
    CHECK_IRQL(PASSIVE_LEVEL);
    KeLeaveCriticalRegion();
    AT_IRQL(APC_LEVEL)
    {
        ExAcquireFastMutexUnsafe(&Fast);
        CHECK_IRQL(APC_LEVEL);
        ExReleaseFastMutexUnsafe(&Fast);
        CHECK_IRQL(APC_LEVEL);
    }
    CHECK(ExTryToAcquireFastMutex(&Fast)); /* it is free */
    ExReleaseFastMutex(&Fast);
}

/* Held inside of one another, released in the reverse order. */
TEST(T_FM_2)
{
    static FAST_MUTEX second;

    Prepare();
    ExInitializeFastMutex(&second);
    ExAcquireFastMutex(&Fast);
    ExAcquireFastMutex(&second);
    ExReleaseFastMutex(&second);
    CHECK_IRQL(APC_LEVEL);
    ExReleaseFastMutex(&Fast);
    CHECK_IRQL(PASSIVE_LEVEL);
}

TEST(T_GM_1)
{
    Prepare();
    for (KIRQL irql = PASSIVE_LEVEL; irql <= APC_LEVEL; irql++) {
        AT_IRQL(irql)
        {
            KeAcquireGuardedMutex(&Guarded);
            CHECK_IRQL(irql);
            CHECK(KeAreAllApcsDisabled());
            KeReleaseGuardedMutex(&Guarded);
            CHECK_EQUAL(KeAreAllApcsDisabled(), irql == APC_LEVEL);
            CHECK(KeTryToAcquireGuardedMutex(&Guarded));
            CHECK(KeAreAllApcsDisabled());
            KeReleaseGuardedMutex(&Guarded);
            CHECK_IRQL(irql);
        }
    }
}

static volatile LONG Inside, Entries;

static VOID Enter(VOID)
{
    CHECK_EQUAL(InterlockedIncrement(&Inside), 1);
    Entries++;
    KtJitter(200);
    InterlockedDecrement(&Inside);
}

ROUTINE(UseFast)
{
    for (ULONG i = 0; i < 300; i++) {
        if (KtRandom(4) == 0) {
            if (!ExTryToAcquireFastMutex(&Fast))
                continue;
        } else {
            ExAcquireFastMutex(&Fast);
        }
        Enter();
        ExReleaseFastMutex(&Fast);
    }
}

ROUTINE(UseGuarded)
{
    for (ULONG i = 0; i < 300; i++) {
        KeAcquireGuardedMutex(&Guarded);
        Enter();
        KeReleaseGuardedMutex(&Guarded);
    }
}

static VOID Contend(KT_ROUTINE *Routine)
{
    static KT_THREAD threads[12];

    Prepare();
    Inside = Entries = 0;
    for (ULONG i = 0; i < 12; i++)
        KtStartThread(&threads[i], KT_ANY_PROCESSOR, 8, Routine, NULL);
    for (ULONG i = 0; i < 12; i++)
        KtEndThread(&threads[i]);
    CHECK(Entries > 300);
}

TEST(T_FM_1_contention)
{
    Contend(UseFast);
    CHECK(ExTryToAcquireFastMutex(&Fast));
    ExReleaseFastMutex(&Fast);
}

TEST(T_GM_1_contention)
{
    Contend(UseGuarded);
    CHECK_EQUAL(Entries, 3600);
}
