/* KeWaitForMultipleObjects: dispatcher.md, Waits. */
#define SUITE "wait"
#include "thread_tool.h"

#define MANY MAXIMUM_WAIT_OBJECTS

static KEVENT Events[MANY];
static PVOID Objects[MANY];
static KWAIT_BLOCK Blocks[MANY];

static VOID Prepare(EVENT_TYPE Type, BOOLEAN State)
{
    memset(Blocks, POISON, sizeof(Blocks));
    for (ULONG i = 0; i < MANY; i++) {
        KtPoison(&Events[i]);
        KeInitializeEvent(&Events[i], Type, State);
        Objects[i] = &Events[i];
    }
}

static NTSTATUS WaitFor(ULONG Count, WAIT_TYPE Type, ULONG64 Interval)
{
    LARGE_INTEGER timeout = KtIn(Interval);

    return KeWaitForMultipleObjects(Count, Objects, Type, Executive, KernelMode, FALSE, &timeout,
                                    Count > THREAD_WAIT_OBJECTS ? Blocks : NULL);
}

static ULONG CountSignaled(ULONG Count)
{
    ULONG signaled = 0;

    for (ULONG i = 0; i < Count; i++)
        signaled += KeReadStateEvent(&Events[i]) != 0;
    return signaled;
}

TEST(T_WAIT_5_any)
{
    Prepare(SynchronizationEvent, FALSE);
    CHECK_EQUAL(WaitFor(3, WaitAny, 0), STATUS_TIMEOUT);
    CHECK_EQUAL(WaitFor(3, WaitAny, MILLISECONDS(2)), STATUS_TIMEOUT);
    KeSetEvent(&Events[2], IO_NO_INCREMENT, FALSE);
    KeSetEvent(&Events[1], IO_NO_INCREMENT, FALSE);
    CHECK_EQUAL(WaitFor(3, WaitAny, KT_PATIENCE), STATUS_WAIT_0 + 1);
    CHECK(!KeReadStateEvent(&Events[1]));
    CHECK(KeReadStateEvent(&Events[2])); /* untouched */
    CHECK_EQUAL(WaitFor(3, WaitAny, 0), STATUS_WAIT_0 + 2);
    CHECK_EQUAL(WaitFor(3, WaitAny, 0), STATUS_TIMEOUT);
}

/* WaitAll takes all of them, or none. */
TEST(T_WAIT_5_all)
{
    Prepare(SynchronizationEvent, TRUE);
    KeResetEvent(&Events[1]);
    CHECK_EQUAL(WaitFor(3, WaitAll, 0), STATUS_TIMEOUT);
    CHECK_EQUAL(WaitFor(3, WaitAll, MILLISECONDS(2)), STATUS_TIMEOUT);
    CHECK_EQUAL(CountSignaled(3), 2);
    KeSetEvent(&Events[1], IO_NO_INCREMENT, FALSE);
    CHECK_EQUAL(WaitFor(3, WaitAll, KT_PATIENCE), STATUS_SUCCESS);
    CHECK_EQUAL(CountSignaled(3), 0);
}

static volatile LONG Done;
static NTSTATUS Status;

/* Context: count * 2 + 1 for WaitAny. */
ROUTINE(WaitMany)
{
    ULONG kind = (ULONG)(ULONG_PTR)Context;

    Status = KeWaitForMultipleObjects(kind / 2, Objects, kind % 2 ? WaitAny : WaitAll, Executive,
                                      KernelMode, FALSE, NULL, Blocks);
    InterlockedExchange(&Done, 1);
}

static VOID StartMany(PKT_THREAD Thread, ULONG Count, WAIT_TYPE Type)
{
    Done = 0;
    KtStartThread(Thread, 0, KT_ABOVE, WaitMany, (PVOID)(ULONG_PTR)(Count * 2 + (Type == WaitAny)));
    KtAwaitWait(Thread->Object, Objects[0]);
}

TEST(T_WAIT_5_all_blocked)
{
    KT_THREAD thread;

    Prepare(SynchronizationEvent, FALSE);
    StartMany(&thread, 3, WaitAll);
    KeSetEvent(&Events[0], IO_NO_INCREMENT, FALSE);
    KeSetEvent(&Events[2], IO_NO_INCREMENT, FALSE);
    KiSleep(A_WHILE);
    CHECK_EQUAL(Done, 0);
    CHECK_EQUAL(CountSignaled(3), 2);                /* not taken before the last one */
    CHECK_EQUAL(KtTest(&Events[0]), STATUS_SUCCESS); /* another one may have it meanwhile */
    KeSetEvent(&Events[1], IO_NO_INCREMENT, FALSE);
    KiSleep(A_WHILE);
    CHECK_EQUAL(Done, 0);
    KeSetEvent(&Events[0], IO_NO_INCREMENT, FALSE);
    CHECK_EQUAL(Done, 1);
    CHECK_EQUAL(CountSignaled(3), 0);
    KtEndThread(&thread);
    CHECK_EQUAL(Status, STATUS_SUCCESS);
}

/* The array may be anything before, and is free afterwards. */
TEST(T_WAIT_7_many)
{
    KT_THREAD thread;

    Prepare(SynchronizationEvent, FALSE);
    StartMany(&thread, MANY, WaitAny);
    KeSetEvent(&Events[63], IO_NO_INCREMENT, FALSE);
    CHECK_EQUAL(Done, 1);
    KtEndThread(&thread);
    CHECK_EQUAL(Status, STATUS_WAIT_0 + 63);
    memset(Blocks, POISON, sizeof(Blocks));
    for (ULONG i = 0; i < MANY; i++) {
        CHECK(IsListEmpty(&Events[i].Header.WaitListHead));
        KeSetEvent(&Events[i], IO_NO_INCREMENT, FALSE);
    }
    CHECK_EQUAL(WaitFor(MANY, WaitAll, KT_PATIENCE), STATUS_SUCCESS);
    CHECK_EQUAL(CountSignaled(MANY), 0);
    CHECK_EQUAL(WaitFor(MANY, WaitAll, MILLISECONDS(2)), STATUS_TIMEOUT);
}

TEST(T_WAIT_7_own_blocks)
{
    Prepare(SynchronizationEvent, FALSE);
    for (ULONG count = 1; count <= THREAD_WAIT_OBJECTS; count++) {
        KeSetEvent(&Events[count - 1], IO_NO_INCREMENT, FALSE);
        CHECK_EQUAL(WaitFor(count, WaitAny, KT_PATIENCE), STATUS_WAIT_0 + count - 1);
        CHECK_EQUAL(WaitFor(count, WaitAny, MILLISECONDS(1)), STATUS_TIMEOUT);
    }
}

TEST(T_WAIT_8)
{
    Prepare(NotificationEvent, TRUE);
    Objects[1] = Objects[0];
    CHECK_EQUAL(WaitFor(2, WaitAll, 0), STATUS_INVALID_PARAMETER_MIX);
    CHECK_IRQL(PASSIVE_LEVEL);
    CHECK_EQUAL(WaitFor(2, WaitAny, 0), STATUS_WAIT_0);
    /* WaitAny on an object twice, blocked: once is enough to be released. */
    KT_THREAD thread;
    Prepare(SynchronizationEvent, FALSE);
    Objects[1] = Objects[0];
    StartMany(&thread, 2, WaitAny);
    KeSetEvent(&Events[0], IO_NO_INCREMENT, FALSE);
    KtEndThread(&thread);
    CHECK_EQUAL(Status, STATUS_WAIT_0);
    CHECK(IsListEmpty(&Events[0].Header.WaitListHead));
}

/* All kinds of object in one wait, and what it does to each. */
TEST(T_WAIT_5_kinds)
{
    KMUTEX mutex;
    KSEMAPHORE semaphore;
    KTIMER timer;
    KEVENT event;
    PVOID objects[4] = {&mutex, &semaphore, &timer, &event};
    LARGE_INTEGER patience = KtIn(KT_PATIENCE);

    KeInitializeMutex(&mutex, 0);
    KeInitializeSemaphore(&semaphore, 2, 2);
    KeInitializeTimerEx(&timer, SynchronizationTimer);
    KeInitializeEvent(&event, NotificationEvent, TRUE);
    KeSetTimer(&timer, KtIn(MILLISECONDS(5)), NULL);
    CHECK_EQUAL(KeWaitForMultipleObjects(4, objects, WaitAll, Executive, KernelMode, FALSE,
                                         &patience, Blocks),
                STATUS_SUCCESS);
    CHECK_EQUAL(KeReadStateSemaphore(&semaphore), 1);
    CHECK(!KeReadStateTimer(&timer));
    CHECK(KeReadStateEvent(&event));
    CHECK(KeReadStateMutex(&mutex) != 1);
    CHECK_EQUAL(KeReleaseMutex(&mutex, FALSE), 0);
}

/* The owner of a mutex gets it again in WaitAll, whatever its state is for others. */
TEST(T_WAIT_5_all_own_mutex)
{
    KMUTEX mutex;
    PVOID objects[2] = {&mutex, &Events[0]};
    LARGE_INTEGER patience = KtIn(KT_PATIENCE);

    Prepare(SynchronizationEvent, TRUE);
    KeInitializeMutex(&mutex, 0);
    KtTest(&mutex);
    CHECK_EQUAL(KeWaitForMultipleObjects(2, objects, WaitAll, Executive, KernelMode, FALSE,
                                         &patience, NULL),
                STATUS_SUCCESS);
    CHECK(KeReleaseMutex(&mutex, FALSE) != 0);
    CHECK_EQUAL(KeReleaseMutex(&mutex, FALSE), 0);
}

/* An abandoned mutex in WaitAll: the status says so, and all are taken. */
ROUTINE(TakeAndEnd)
{
    CHECK_EQUAL(KtTest(Context), STATUS_SUCCESS);
}

TEST(T_WAIT_6_all)
{
    KMUTANT mutant;
    PVOID objects[2] = {&Events[0], &mutant};
    LARGE_INTEGER patience = KtIn(KT_PATIENCE);
    KT_THREAD thread;

    Prepare(SynchronizationEvent, TRUE);
    KeInitializeMutant(&mutant, FALSE);
    KtStartThread(&thread, KT_ANY_PROCESSOR, 8, TakeAndEnd, &mutant);
    KtEndThread(&thread);
    NTSTATUS status = KeWaitForMultipleObjects(2, objects, WaitAll, Executive, KernelMode, FALSE,
                                               &patience, NULL);
    CHECK(status >= STATUS_ABANDONED_WAIT_0 && status <= STATUS_ABANDONED_WAIT_0 + 1);
    CHECK(!KeReadStateEvent(&Events[0]));
    CHECK_EQUAL(KeReleaseMutex(&mutant, FALSE), 0);
}
