/* spinlock.md: in-stack queued spin locks. */
#define SUITE "queuedlock"
#include "suite.h"

static KSPIN_LOCK Lock;
static volatile ULONG64 Counter;
static volatile LONG Inside;
static KLOCK_QUEUE_HANDLE Handles[MAXIMUM_PROCESSORS];

#define TURNS 1500

TEST(T_ISQSL_2__T_ISQSL_3__T_ISQSL_6)
{
    KLOCK_QUEUE_HANDLE handle;

    KtPoison(&Lock);
    KeInitializeSpinLock(&Lock);
    for (KIRQL level = PASSIVE_LEVEL; level <= DISPATCH_LEVEL; level++)
        AT_IRQL(level)
        {
            KtPoison(&handle);
            KeAcquireInStackQueuedSpinLock(&Lock, &handle);
            CHECK_IRQL(DISPATCH_LEVEL);
            CHECK_EQUAL(handle.OldIrql, level);
            CHECK(!KeTestSpinLock(&Lock));
            KeReleaseInStackQueuedSpinLock(&handle);
            CHECK_IRQL(level);
            CHECK(KeTestSpinLock(&Lock));
        }
}

TEST(T_ISQSL_3_drains_dpcs)
{
    KLOCK_QUEUE_HANDLE handle;
    KT_PROBE probe;

    KeInitializeSpinLock(&Lock);
    KtPrepareProbe(&probe);
    KeAcquireInStackQueuedSpinLock(&Lock, &handle);
    CHECK(KeInsertQueueDpc(&probe.Dpc, NULL, NULL));
    CHECK_EQUAL(probe.Runs, 0);
    KeReleaseInStackQueuedSpinLock(&handle);
    CHECK_EQUAL(probe.Runs, 1);
}

TEST(T_ISQSL_4)
{
    KLOCK_QUEUE_HANDLE handle;

    KeInitializeSpinLock(&Lock);
    for (KIRQL level = DISPATCH_LEVEL; level <= HIGH_LEVEL; level++)
        AT_IRQL(level)
        {
            KtPoison(&handle);
            KeAcquireInStackQueuedSpinLockAtDpcLevel(&Lock, &handle);
            CHECK_IRQL(level);
            CHECK(!KeTestSpinLock(&Lock));
            KeReleaseInStackQueuedSpinLockFromDpcLevel(&handle);
            CHECK_IRQL(level);
            CHECK(KeTestSpinLock(&Lock));
        }
}

TEST(T_ISQSL_5)
{
    KLOCK_QUEUE_HANDLE handle;

    KeInitializeSpinLock(&Lock);
    KtPoison(&handle);
    KeAcquireInStackQueuedSpinLockForDpc(&Lock, &handle);
    CHECK_IRQL(DISPATCH_LEVEL);
    KeReleaseInStackQueuedSpinLockForDpc(&handle);
    CHECK_IRQL(PASSIVE_LEVEL);
    AT_IRQL(DISPATCH_LEVEL)
    {
        KtPoison(&handle);
        KeAcquireInStackQueuedSpinLockForDpc(&Lock, &handle);
        CHECK_IRQL(DISPATCH_LEVEL);
        KeReleaseInStackQueuedSpinLockForDpc(&handle);
        CHECK_IRQL(DISPATCH_LEVEL);
    }
    CHECK(KeTestSpinLock(&Lock));
}

ROUTINE(AskInTurn)
{
    ULONG self = KeGetCurrentProcessorIndex();

    UNREFERENCED_PARAMETER(Context);
    KeAcquireInStackQueuedSpinLockAtDpcLevel(&Lock, &Handles[self]);
    KtTrace((CHAR)('A' + self));
    KeReleaseInStackQueuedSpinLockFromDpcLevel(&Handles[self]);
}

static volatile ULONG NextToAsk;

/* Each waits for its turn to ask, and has asked when the lock's word names its handle. */
PARALLEL_ROUTINE(WaitForTurn)
{
    while (NextToAsk != Processor)
        ArchPause();
    AskInTurn(Context);
}

static BOOLEAN HasAsked(ULONG Processor)
{
    ULONG64 start = KtNow();

    while (Lock != (KSPIN_LOCK)&Handles[Processor])
        if (KtNow() - start > KT_PATIENCE)
            return FALSE;
    return TRUE;
}

/* Odd processors ask first, in rising order, then the even ones in falling order. */
TEST_ON(3, T_ISQSL_1)
{
    KLOCK_QUEUE_HANDLE mine;
    ULONG count = KtProcessors(), length = 0;
    CHAR expected[MAXIMUM_PROCESSORS + 1];

    KeInitializeSpinLock(&Lock);
    NextToAsk = MAXULONG;
    KtStartOnOthers(WaitForTurn, NULL);
    KeAcquireInStackQueuedSpinLock(&Lock, &mine);
    for (ULONG i = 1; i < count; i += 2) {
        expected[length++] = (CHAR)('A' + i);
        NextToAsk = i;
        CHECK(HasAsked(i));
    }
    for (ULONG i = (count - 1) & ~1u; i >= 2; i -= 2) {
        expected[length++] = (CHAR)('A' + i);
        NextToAsk = i;
        CHECK(HasAsked(i));
    }
    expected[length] = 0;
    CHECK_TRACE(""); /* all of them wait */
    KeReleaseInStackQueuedSpinLock(&mine);
    KtJoin();
    CHECK_TRACE(expected);
    CHECK(KeTestSpinLock(&Lock));
}

static volatile LONG64 Acquisitions;

/* A queue hands the lock to one processor, which its host may not be running: for a while only. */
PARALLEL_ROUTINE(CountUnderLock)
{
    KLOCK_QUEUE_HANDLE handle;
    ULONG64 start = KtNow();

    for (ULONG i = 0; i < TURNS && KtNow() - start < SECONDS(2); i++) {
        switch (i % 3) {
        case 0:
            KeAcquireInStackQueuedSpinLock(&Lock, &handle);
            break;
        case 1:
            KeAcquireInStackQueuedSpinLockAtDpcLevel(&Lock, &handle);
            break;
        default:
            KeAcquireInStackQueuedSpinLockForDpc(&Lock, &handle);
            break;
        }
        CHECK_EQUAL(InterlockedIncrement(&Inside), 1);
        Counter = Counter + 1;
        InterlockedDecrement(&Inside);
        switch (i % 3) {
        case 0:
            KeReleaseInStackQueuedSpinLock(&handle);
            break;
        case 1:
            KeReleaseInStackQueuedSpinLockFromDpcLevel(&handle);
            break;
        default:
            KeReleaseInStackQueuedSpinLockForDpc(&handle);
            break;
        }
        InterlockedIncrement64(&Acquisitions);
        KtJitter(30);
    }
}

TEST(T_ISQSL_1__T_SL_11_exclusion)
{
    KeInitializeSpinLock(&Lock);
    Counter = 0;
    Inside = 0;
    Acquisitions = 0;
    KtRunOnAll(CountUnderLock, NULL);
    CHECK_AT_LEAST(Acquisitions, KtProcessors());
    CHECK_EQUAL(Counter, (ULONG64)Acquisitions);
    CHECK(KeTestSpinLock(&Lock));
}
