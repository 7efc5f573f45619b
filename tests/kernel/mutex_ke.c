/* Kernel mutexes: dispatcher.md, Mutexes. */
#define SUITE "mutex"
#include "thread_tool.h"

static KMUTEX Mutex;
static KEVENT Gate;
static KT_THREAD Owner;
static volatile LONG Owned;

static VOID Prepare(VOID)
{
    KtPoison(&Mutex);
    KeInitializeMutex(&Mutex, 0);
    KeInitializeEvent(&Gate, SynchronizationEvent, FALSE);
    Owned = 0;
}

TEST(T_KMUTEX_1)
{
    AT_IRQL(HIGH_LEVEL)
    Prepare();
    CHECK_EQUAL(KeReadStateMutex(&Mutex), 1);
    CHECK_EQUAL(KtTest(&Mutex), STATUS_SUCCESS);
    CHECK(KeReadStateMutex(&Mutex) != 1);
    CHECK_EQUAL(KeReleaseMutex(&Mutex, FALSE), 0);
    CHECK_EQUAL(KeReadStateMutex(&Mutex), 1);
}

TEST(T_KMUTEX_2)
{
    Prepare();
    for (ULONG i = 0; i < 5; i++)
        CHECK_EQUAL(KeWaitForMutexObject(&Mutex, Executive, KernelMode, FALSE, NULL),
                    STATUS_SUCCESS);
    for (ULONG i = 0; i < 4; i++) {
        CHECK(KeReleaseMutex(&Mutex, FALSE) != 0);
        CHECK(KeReadStateMutex(&Mutex) != 1);
    }
    CHECK_EQUAL(KeReleaseMutex(&Mutex, FALSE), 0);
    CHECK_EQUAL(KeReadStateMutex(&Mutex), 1);
}

/* Holds the mutex Context times over, from now until the gate opens. */
ROUTINE(HoldMutex)
{
    LONG times = (LONG)(LONG_PTR)Context;

    for (LONG i = 0; i < times; i++)
        CHECK_EQUAL(KtWait(&Mutex, KT_PATIENCE), STATUS_SUCCESS);
    InterlockedExchange(&Owned, 1);
    CHECK_EQUAL(KtWait(&Gate, 2 * KT_PATIENCE), STATUS_SUCCESS);
    for (LONG i = 0; i < times; i++)
        KeReleaseMutex(&Mutex, FALSE);
}

static VOID StartOwner(LONG Times)
{
    KtStartThread(&Owner, KT_ANY_PROCESSOR, KT_ABOVE, HoldMutex, (PVOID)(LONG_PTR)Times);
    CHECK(KtSleepUntil(&Owned, 1));
}

TEST(T_KMUTEX_2_others_wait)
{
    Prepare();
    StartOwner(2);
    CHECK_EQUAL(KtTest(&Mutex), STATUS_TIMEOUT);
    CHECK_EQUAL(KtWait(&Mutex, MILLISECONDS(3)), STATUS_TIMEOUT);
    KeSetEvent(&Gate, IO_NO_INCREMENT, FALSE);
    CHECK_EQUAL(KtWait(&Mutex, KT_PATIENCE), STATUS_SUCCESS);
    CHECK_EQUAL(KeReleaseMutex(&Mutex, FALSE), 0);
    KtEndThread(&Owner);
}

ROUTINE(ReleaseIt)
{
    CHECK_EQUAL(KeReleaseMutex(&Mutex, FALSE), 0);
}

/* A release hands the mutex to the longest waiter. */
TEST(T_DISP_2_mutex_fifo)
{
    static KT_WAITER waiters[3];

    Prepare();
    CHECK_EQUAL(KtTest(&Mutex), STATUS_SUCCESS);
    for (ULONG i = 0; i < 3; i++) {
        waiters[i].Then = ReleaseIt;
        KtStartWaiter(&waiters[i], 0, KT_ABOVE, &Mutex, FOR_EVER, (CHAR)('a' + i));
    }
    CHECK_EQUAL(KeReleaseMutex(&Mutex, FALSE), 0);
    for (ULONG i = 0; i < 3; i++)
        KtEndWaiter(&waiters[i]);
    CHECK_TRACE("abc");
    CHECK_EQUAL(KeReadStateMutex(&Mutex), 1);
}

TEST(T_KMUTEX_4)
{
    Prepare();
    CHECK(!KeAreApcsDisabled());
    KtTest(&Mutex);
    CHECK(KeAreApcsDisabled());
    CHECK(!KeAreAllApcsDisabled());
    KtTest(&Mutex);
    KeReleaseMutex(&Mutex, FALSE);
    CHECK(KeAreApcsDisabled());
    KeReleaseMutex(&Mutex, FALSE);
    CHECK(!KeAreApcsDisabled());
}

TEST(T_KMUTEX_5)
{
    Prepare();
    AT_IRQL(DISPATCH_LEVEL)
    {
        CHECK_EQUAL(KtTest(&Mutex), STATUS_SUCCESS);
        CHECK_EQUAL(KeReleaseMutex(&Mutex, FALSE), 0);
    }
    CHECK_EQUAL(KeReadStateMutex(&Mutex), 1);
}

static KMUTANT Mutant;

ROUTINE(AbandonMutant)
{
    CHECK_EQUAL(KtTest(&Mutant), STATUS_SUCCESS);
    CHECK_EQUAL(KtTest(&Mutant), STATUS_SUCCESS);
}

static VOID Abandon(VOID)
{
    KtStartThread(&Owner, KT_ANY_PROCESSOR, 8, AbandonMutant, NULL);
    KtEndThread(&Owner);
}

TEST(T_KMUTEX_6__T_WAIT_6)
{
    KtPoison(&Mutant);
    KeInitializeMutant(&Mutant, FALSE);
    Abandon();
    CHECK_EQUAL(KeReadStateMutex(&Mutant), 1);
    CHECK_EQUAL(KtTest(&Mutant), STATUS_ABANDONED_WAIT_0);
    CHECK_EQUAL(KtTest(&Mutant), STATUS_SUCCESS); /* said once */
    CHECK(KeReleaseMutex(&Mutant, FALSE) != 0);
    CHECK_EQUAL(KeReleaseMutex(&Mutant, FALSE), 0);
    CHECK_EQUAL(KtTest(&Mutant), STATUS_SUCCESS);
    KeReleaseMutex(&Mutant, FALSE);
}

/* A thread that waits already gets it with the same status; the index is the object's. */
TEST(T_KMUTEX_6_waiting__T_WAIT_6_index)
{
    KEVENT never;
    PVOID objects[2] = {&never, &Mutant};
    LARGE_INTEGER patience = KtIn(KT_PATIENCE);

    KeInitializeEvent(&never, NotificationEvent, FALSE);
    KeInitializeMutant(&Mutant, FALSE);
    Abandon();
    CHECK_EQUAL(KeWaitForMultipleObjects(2, objects, WaitAny, Executive, KernelMode, FALSE,
                                         &patience, NULL),
                STATUS_ABANDONED_WAIT_0 + 1);
    KeReleaseMutex(&Mutant, FALSE);

    KeInitializeMutant(&Mutant, FALSE);
    KtStartThread(&Owner, KT_ANY_PROCESSOR, 8, AbandonMutant, NULL);
    NTSTATUS status = KtWait(&Mutant, KT_PATIENCE); /* perhaps before it had it: then again */
    KeReleaseMutex(&Mutant, FALSE);
    if (status == STATUS_SUCCESS) {
        KtEndThread(&Owner);
        CHECK_EQUAL(KtTest(&Mutant), STATUS_ABANDONED_WAIT_0);
        KeReleaseMutex(&Mutant, FALSE);
    } else {
        CHECK_EQUAL(status, STATUS_ABANDONED_WAIT_0);
        KtEndThread(&Owner);
    }
}

/* KeInitializeMutant's mutexes leave APCs alone, and can begin owned. */
TEST(T_KMUTEX_6_mutant)
{
    KtPoison(&Mutant);
    KeInitializeMutant(&Mutant, TRUE);
    CHECK(KeReadStateMutex(&Mutant) != 1);
    CHECK(!KeAreApcsDisabled());
    CHECK_EQUAL(KeReleaseMutex(&Mutant, FALSE), 0);
}

/* The priority of the owner is the old one afterwards. */
TEST(T_KMUTEX_7)
{
    KPRIORITY before = KeQueryPriorityThread(KeGetCurrentThread());

    Prepare();
    StartOwner(1);
    KeSetEvent(&Gate, IO_NO_INCREMENT, FALSE);
    CHECK_EQUAL(KtWait(&Mutex, KT_PATIENCE), STATUS_SUCCESS);
    CHECK(KeQueryPriorityThread(KeGetCurrentThread()) <= LOW_REALTIME_PRIORITY);
    KeReleaseMutex(&Mutex, FALSE);
    CHECK_EQUAL(KeQueryPriorityThread(KeGetCurrentThread()), before);
    KtEndThread(&Owner);
}

static volatile LONG Inside, Entries;

ROUTINE(EnterAndLeave)
{
    for (ULONG i = 0; i < 300; i++) {
        CHECK_EQUAL(KtWait(&Mutex, KT_PATIENCE), STATUS_SUCCESS);
        CHECK_EQUAL(InterlockedIncrement(&Inside), 1);
        Entries++;
        KtJitter(100);
        InterlockedDecrement(&Inside);
        CHECK_EQUAL(KeReleaseMutex(&Mutex, FALSE), 0);
    }
}

TEST(T_DISP_1_mutex)
{
    KT_THREAD threads[4];

    Prepare();
    Inside = Entries = 0;
    for (ULONG i = 0; i < 4; i++)
        KtStartThread(&threads[i], KT_ANY_PROCESSOR, 8, EnterAndLeave, NULL);
    for (ULONG i = 0; i < 4; i++)
        KtEndThread(&threads[i]);
    CHECK_EQUAL(Entries, 1200);
    CHECK_EQUAL(KeReadStateMutex(&Mutex), 1);
}

/* Release and wait in one: the mutex goes, the event is waited for. */
TEST(T_KMUTEX_2_release_and_wait)
{
    Prepare();
    KtTest(&Mutex);
    CHECK_EQUAL(KeReleaseMutex(&Mutex, TRUE), 0);
    CHECK(KeGetCurrentIrql() > PASSIVE_LEVEL);
    CHECK_EQUAL(KtWait(&Gate, MILLISECONDS(2)), STATUS_TIMEOUT);
    CHECK_IRQL(PASSIVE_LEVEL);
    CHECK_EQUAL(KeReadStateMutex(&Mutex), 1);
}
