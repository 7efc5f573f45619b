/* Timers as wait objects (timer.md) and KeDelayExecutionThread (time.md). */
#define SUITE "wait.timer"
#include "thread_tool.h"

static KTIMER Timer;
static KT_WAITER Waiters[3];

static VOID Prepare(TIMER_TYPE Type, ULONG WaiterCount)
{
    memset(Waiters, 0, sizeof(Waiters));
    KtPoison(&Timer);
    KeInitializeTimerEx(&Timer, Type);
    for (ULONG i = 0; i < WaiterCount; i++)
        KtStartWaiter(&Waiters[i], 0, KT_ABOVE, &Timer, FOR_EVER, (CHAR)('a' + i));
}

static VOID EndWaiters(ULONG Count)
{
    for (ULONG i = 0; i < Count; i++) {
        KtEndWaiter(&Waiters[i]);
        CHECK_EQUAL(Waiters[i].Status, STATUS_SUCCESS);
    }
}

TEST(T_TMR_11_notification)
{
    ULONG64 due;

    Prepare(NotificationTimer, 3);
    due = KtNow() + MILLISECONDS(5);
    KeSetTimer(&Timer, KtIn(MILLISECONDS(5)), NULL);
    EndWaiters(3);
    CHECK_TRACE("abc");
    for (ULONG i = 0; i < 3; i++)
        CHECK_AWAKE_ON_TIME(Waiters[i].When, due);
    CHECK(KeReadStateTimer(&Timer));
    CHECK_EQUAL(KtTest(&Timer), STATUS_SUCCESS);
    CHECK_EQUAL(KtTest(&Timer), STATUS_SUCCESS); /* stays signaled */
}

TEST(T_TMR_11_synchronization)
{
    Prepare(SynchronizationTimer, 3);
    for (LONG n = 1; n <= 3; n++) {
        KeSetTimer(&Timer, KtIn(MILLISECONDS(2)), NULL);
        CHECK(KtSleepUntil(&Waiters[n - 1].Done, 1));
        KiSleep(A_WHILE);
        CHECK_EQUAL(Waiters[0].Done + Waiters[1].Done + Waiters[2].Done, n);
        CHECK(!KeReadStateTimer(&Timer));
    }
    EndWaiters(3);
    CHECK_TRACE("abc");
    /* Nobody waits: until one wait consumes it. */
    KeSetTimer(&Timer, KtIn(MILLISECONDS(1)), NULL);
    KiSleep(MILLISECONDS(10));
    CHECK(KeReadStateTimer(&Timer));
    CHECK_EQUAL(KtTest(&Timer), STATUS_SUCCESS);
    CHECK_EQUAL(KtTest(&Timer), STATUS_TIMEOUT);
}

/* A periodic synchronization timer lets one thread go on at each expiry. */
TEST(T_TMR_11_periodic)
{
    Prepare(SynchronizationTimer, 3);
    KeSetTimerEx(&Timer, KtIn(MILLISECONDS(20)), 20, NULL);
    EndWaiters(3);
    CHECK(KeCancelTimer(&Timer));
    CHECK_TRACE("abc");
    CHECK_AT_LEAST(Waiters[1].When, Waiters[0].When);
    CHECK_AT_LEAST(Waiters[2].When - Waiters[0].When, MILLISECONDS(20));
}

TEST(T_TMR_12)
{
    for (TIMER_TYPE type = NotificationTimer; type <= SynchronizationTimer; type++) {
        Prepare(type, 0);
        KeSetTimer(&Timer, KtIn(1), NULL);
        KiSleep(MILLISECONDS(10));
        CHECK(KeReadStateTimer(&Timer));
        CHECK(!KeSetTimer(&Timer, KtIn(SECONDS(100)), NULL));
        CHECK(!KeReadStateTimer(&Timer));
        CHECK_EQUAL(KtTest(&Timer), STATUS_TIMEOUT);
        CHECK(KeCancelTimer(&Timer));
    }
}

TEST(T_TMR_13)
{
    Prepare(NotificationTimer, 0);
    KeSetTimer(&Timer, KtIn(SECONDS(100)), NULL);
    CHECK(KeCancelTimer(&Timer));
    CHECK_EQUAL(KtTest(&Timer), STATUS_TIMEOUT);
    KeSetTimer(&Timer, KtIn(1), NULL);
    CHECK_EQUAL(KtWait(&Timer, KT_PATIENCE), STATUS_SUCCESS);
    CHECK(!KeCancelTimer(&Timer));
    CHECK_EQUAL(KtTest(&Timer), STATUS_SUCCESS);
}

/* Set again, the timer keeps its waiters for the new expiry. */
TEST(T_KeSetTimer_9)
{
    ULONG64 due;

    Prepare(NotificationTimer, 2);
    KeSetTimer(&Timer, KtIn(MILLISECONDS(30)), NULL);
    KiSleep(MILLISECONDS(5));
    due = KtNow() + MILLISECONDS(80);
    CHECK(KeSetTimer(&Timer, KtIn(MILLISECONDS(80)), NULL) || KtNow() > due);
    EndWaiters(2);
    CHECK_AWAKE_ON_TIME(Waiters[0].When, due);
    CHECK_AWAKE_ON_TIME(Waiters[1].When, due);
}

TEST(T_KeCancelTimer_5)
{
    Prepare(SynchronizationTimer, 2);
    KeSetTimer(&Timer, KtIn(SECONDS(100)), NULL);
    CHECK(KeCancelTimer(&Timer));
    KiSleep(A_WHILE);
    CHECK_EQUAL(Waiters[0].Done + Waiters[1].Done, 0);
    CHECK(KtIsWaiting(Waiters[0].Thread.Object));
    KeSetTimer(&Timer, KtIn(1), NULL);
    CHECK(KtSleepUntil(&Waiters[0].Done, 1));
    KeSetTimer(&Timer, KtAt(0), NULL);
    EndWaiters(2);
}

/* The timer's DPC and its waiters: both, once. */
TEST(T_TMR_10_waiters_and_dpc)
{
    static KT_PROBE probe;
    KT_WAITER *waiter = &Waiters[0];

    KtPrepareProbe(&probe);
    memset(Waiters, 0, sizeof(Waiters));
    KtStartWaiter(waiter, 0, KT_ABOVE, &probe.Timer, FOR_EVER, 0);
    KtSetProbe(&probe, KtIn(MILLISECONDS(3)), 0);
    KtEndWaiter(waiter);
    CHECK(KtSleepUntil(&probe.Runs, 1));
    KiSleep(A_WHILE);
    CHECK_EQUAL(probe.Runs, 1);
}

/* Waits that begin just when the timer expires: none is missed. */
TEST(T_TMR_10_race)
{
    Prepare(SynchronizationTimer, 0);
    for (ULONG i = 0; i < 200; i++) {
        KeSetTimer(&Timer, KtIn(MICROSECONDS(20) + KtRandom(600)), NULL);
        KtJitter(2000);
        if (!CHECK_EQUAL(KtWait(&Timer, KT_PATIENCE), STATUS_SUCCESS))
            break;
        CHECK(!KeCancelTimer(&Timer));
    }
}

/* ---- KeDelayExecutionThread ---- */

TEST(T_KeDelayExecutionThread_1__T_KeDelayExecutionThread_3__T_TMR_8)
{
    static const ULONG64 intervals[] = {1, MICROSECONDS(10), MILLISECONDS(1), MILLISECONDS(33)};

    for (ULONG i = 0; i < 4; i++) {
        LARGE_INTEGER interval = KtIn(intervals[i]);
        ULONG64 start = KtNow();
        CHECK_EQUAL(KeDelayExecutionThread(KernelMode, FALSE, &interval), STATUS_SUCCESS);
        CHECK_AWAKE_ON_TIME(KtNow(), start + intervals[i]);
    }
}

TEST(T_KeDelayExecutionThread_1_absolute)
{
    LARGE_INTEGER due = KtAt(KtSystemNow() + MILLISECONDS(15)), past = KtAt(1);

    CHECK_EQUAL(KeDelayExecutionThread(KernelMode, FALSE, &due), STATUS_SUCCESS);
    CHECK_AT_LEAST(KtSystemNow(), due.QuadPart);
    CHECK_EQUAL(KeDelayExecutionThread(KernelMode, FALSE, &past), STATUS_SUCCESS);
}

static volatile LONG Turns;
static KEVENT Begin;

ROUTINE(TakeTurns)
{
    LARGE_INTEGER zero = {.QuadPart = 0};

    CHECK_EQUAL(KtWait(&Begin, KT_PATIENCE), STATUS_SUCCESS);
    for (ULONG i = 0; i < 20; i++) {
        KtTrace(*(PCHAR)Context);
        CHECK_EQUAL(KeDelayExecutionThread(KernelMode, FALSE, &zero), STATUS_SUCCESS);
    }
    InterlockedIncrement(&Turns);
}

/* 0 yields to equals: two threads alternate. */
TEST(T_KeDelayExecutionThread_1_zero)
{
    static CHAR names[2] = {'x', 'y'};
    KT_THREAD threads[2];
    ULONG changes = 0;

    Turns = 0;
    KeInitializeEvent(&Begin, NotificationEvent, FALSE);
    for (ULONG i = 0; i < 2; i++) {
        KtStartThread(&threads[i], 0, KT_ABOVE, TakeTurns, &names[i]);
        KtAwaitWait(threads[i].Object, &Begin);
    }
    KeSetEvent(&Begin, IO_NO_INCREMENT, FALSE);
    for (ULONG i = 0; i < 2; i++)
        KtEndThread(&threads[i]);
    for (PCSTR c = KtTraceText(); c[0] && c[1]; c++)
        changes += c[0] != c[1];
    CHECK_AT_LEAST(changes, 10);
    CHECK_EQUAL(Turns, 2);
}

TEST(T_KeDelayExecutionThread_2)
{
    LARGE_INTEGER interval = KtIn(MILLISECONDS(2));

    CHECK_EQUAL(KeDelayExecutionThread(KernelMode, TRUE, &interval), STATUS_SUCCESS);
    CHECK_EQUAL(KeDelayExecutionThread(UserMode, TRUE, &interval), STATUS_SUCCESS);
    AT_IRQL(APC_LEVEL)
    {
        CHECK_EQUAL(KeDelayExecutionThread(KernelMode, FALSE, &interval), STATUS_SUCCESS);
        CHECK_IRQL(APC_LEVEL);
    }
}

static LARGE_INTEGER LongDelay;
static volatile LONG DelayOver;

ROUTINE(DelayLong)
{
    CHECK_EQUAL(KeDelayExecutionThread(KernelMode, FALSE, &LongDelay), STATUS_SUCCESS);
    InterlockedExchange(&DelayOver, 1);
}

/* An absolute delay follows the system time. */
TEST(T_KeDelayExecutionThread_3_system_time)
{
    KT_THREAD thread;
    LARGE_INTEGER now, old;

    DelayOver = 0;
    LongDelay = KtAt(KtSystemNow() + SECONDS(500));
    KtStartThread(&thread, KT_ANY_PROCESSOR, KT_ABOVE, DelayLong, NULL);
    KiSleep(A_WHILE);
    CHECK_EQUAL(DelayOver, 0);
    now = KtAt(KtSystemNow() + SECONDS(1000));
    KeSetSystemTime(&now, &old);
    KtEndThread(&thread);
    now = KtAt(KtSystemNow() - SECONDS(1000));
    KeSetSystemTime(&now, &old);
}
