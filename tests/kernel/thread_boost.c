/* Priority boosts, and what there is no remedy for. dispatcher.md, Threads. */
#define SUITE "thread"
#include "apc_tool.h"

static KEVENT Event;
static KSEMAPHORE Semaphore;
static KMUTEX Mutex;
static KT_WAITER Waiter;
static KPRIORITY Boosted;

ROUTINE(NotePriority)
{
    Boosted = KeQueryPriorityThread(KeGetCurrentThread());
}

static VOID StartWaiter(KPRIORITY Priority, PVOID Object)
{
    memset(&Waiter, 0, sizeof(Waiter));
    KeInitializeEvent(&Event, SynchronizationEvent, FALSE);
    KeInitializeSemaphore(&Semaphore, 0, 10);
    Waiter.Then = NotePriority;
    KtStartWaiter(&Waiter, 0, Priority, Object, FOR_EVER, 0);
}

static VOID EndWaiter(KPRIORITY Expected)
{
    KtEndWaiter(&Waiter);
    CHECK_EQUAL(Boosted, Expected);
}

/* Base priority, increment, what comes of them: at most 15, and nothing for real-time threads. */
TEST(T_THREAD_3)
{
    static const KPRIORITY cases[][3] = {{9, 0, 9},   {9, 1, 10},  {9, 3, 12},  {14, 5, 15},
                                         {15, 1, 15}, {16, 4, 16}, {24, 6, 24}, {9, 0x7FFFFFFF, 15},
                                         {9, -3, 9},  {10, 2, 12}};

    for (ULONG i = 0; i < ARRAYSIZE(cases); i++) {
        StartWaiter(cases[i][0], &Event);
        KeSetEvent(&Event, cases[i][1], FALSE);
        EndWaiter(cases[i][2]);
    }
}

TEST(T_THREAD_3_others)
{
    StartWaiter(9, &Event);
    KePulseEvent(&Event, 2, FALSE);
    EndWaiter(11);
    StartWaiter(9, &Semaphore);
    KeReleaseSemaphore(&Semaphore, 3, 1, FALSE);
    EndWaiter(12);
    StartWaiter(9, &Event); /* nobody is released: no boost is kept for later */
    KeResetEvent(&Event);
    KeReleaseSemaphore(&Semaphore, 3, 1, FALSE);
    KeSetEvent(&Event, IO_NO_INCREMENT, FALSE);
    EndWaiter(9);
}

/* A kernel APC that calls a thread out of its wait brings its increment along. */
TEST(T_THREAD_3_apc)
{
    KT_APC apc;

    StartWaiter(9, &Event);
    KtPrepareApc(&apc, Waiter.Thread.Object, 's', 0);
    KeInsertQueueApc(&apc.Apc, NULL, NULL, 4);
    CHECK(KtSleepUntil(&apc.KernelRuns, 1));
    KeSetEvent(&Event, IO_NO_INCREMENT, FALSE);
    EndWaiter(13);
}

static ULONG64 DecayTime;

/* A quantum each for the boosted levels, and the base priority in the end. */
ROUTINE(ComputeUntilBase)
{
    ULONG64 start = KtNow();

    Boosted = KeQueryPriorityThread(KeGetCurrentThread());
    while (KeQueryPriorityThread(KeGetCurrentThread()) > 9 && KtNow() - start < KT_PATIENCE)
        ArchPause();
    DecayTime = KtNow() - start;
    KtStall(MILLISECONDS(10));
    CHECK_EQUAL(KeQueryPriorityThread(KeGetCurrentThread()), 9);
}

TEST(T_THREAD_3_decay)
{
    memset(&Waiter, 0, sizeof(Waiter));
    KeInitializeEvent(&Event, SynchronizationEvent, FALSE);
    Waiter.Then = ComputeUntilBase;
    KtStartWaiter(&Waiter, 0, 9, &Event, FOR_EVER, 0);
    KeSetEvent(&Event, 2, FALSE);
    KtEndWaiter(&Waiter);
    CHECK_EQUAL(Boosted, 11);
    CHECK(DecayTime < KT_PATIENCE);
}

/* ---- inversion ---- */

static KEVENT Holding, Compute;
static volatile LONG Release;

ROUTINE(HoldMutex)
{
    CHECK_EQUAL(KtWait(&Mutex, KT_PATIENCE), STATUS_SUCCESS);
    KeSetEvent(&Holding, IO_NO_INCREMENT, FALSE);
    while (!Release)
        ArchPause();
    KtTrace('l');
    KeReleaseMutex(&Mutex, FALSE);
}

ROUTINE(ComputeInTheMiddle)
{
    CHECK_EQUAL(KtWait(&Compute, KT_PATIENCE), STATUS_SUCCESS);
    InterlockedExchange(&Release, 1); /* from now on it depends on who has the processor */
    KtStall(MILLISECONDS(30));
    KtTrace('m');
}

ROUTINE(WantMutex)
{
    CHECK_EQUAL(KtWait(&Holding, KT_PATIENCE), STATUS_SUCCESS);
    CHECK_EQUAL(KtWait(&Mutex, KT_PATIENCE), STATUS_SUCCESS);
    KtTrace('h');
    Boosted = KeQueryPriorityThread(KeGetCurrentThread());
    KeReleaseMutex(&Mutex, FALSE);
}

/*
 * Nothing is inherited: the middle thread passes the low one that holds the mutex, and so the high
 * one that waits for it. Who becomes the owner keeps its priority.
 */
TEST(T_KMUTEX_7_inversion)
{
    KT_THREAD low, middle, high;

    KtTraceReset();
    Release = 0;
    KeInitializeMutex(&Mutex, 0);
    KeInitializeEvent(&Holding, NotificationEvent, FALSE);
    KeInitializeEvent(&Compute, NotificationEvent, FALSE);
    KeSetPriorityThread(KeGetCurrentThread(), 13);
    KtStartThread(&middle, 0, 10, ComputeInTheMiddle, NULL);
    KtStartThread(&high, 0, 12, WantMutex, NULL);
    KtAwaitWait(middle.Object, &Compute);
    KtStartThread(&low, 0, 9, HoldMutex, NULL);
    KtAwaitWait(high.Object, &Mutex);
    KeSetEvent(&Compute, IO_NO_INCREMENT, FALSE);
    KtEndThread(&high);
    KtEndThread(&middle);
    KtEndThread(&low);
    KeSetPriorityThread(KeGetCurrentThread(), 8);
    CHECK_TRACE("mlh");
    CHECK_EQUAL(Boosted, 12);
}

/* ---- standing by for a processor that does not come down ---- */

ROUTINE(WaitOnTwo)
{
    KeSetSystemAffinityThreadEx(3);
    CHECK_EQUAL(KtWait(&Event, KT_PATIENCE), STATUS_SUCCESS);
    InterlockedExchange(&Release, 1);
}

/* Processor 0 turns idle and takes over the thread that stands by for processor 1. */
TEST_ON(2, T_DISP_2_take_over)
{
    KT_THREAD thread;
    volatile LONG seen = 0;

    Release = 0;
    KeInitializeEvent(&Event, SynchronizationEvent, FALSE);
    if (!KtStartThread(&thread, 1, 7, WaitOnTwo, NULL))
        return;
    KtAwaitWait(thread.Object, &Event);
    KtHold(1, DISPATCH_LEVEL);
    KeSetEvent(&Event, IO_NO_INCREMENT, FALSE); /* it would have to wait here: 7 < 8 */
    KtStall(MILLISECONDS(1));
    CHECK_EQUAL(Release, 0);
    KtSleepUntil(&Release, 1);
    seen = Release;
    KtLetGo();
    CHECK_EQUAL(seen, 1);
    KtEndThread(&thread);
}
