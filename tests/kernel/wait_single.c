/* Waits: return values, time-outs, IRQL. dispatcher.md, Waits. */
#define SUITE "wait"
#include "thread_tool.h"

static KEVENT Event;
static KT_WAITER Waiter;

static VOID Prepare(EVENT_TYPE Type, BOOLEAN State)
{
    memset(&Waiter, 0, sizeof(Waiter));
    KtPoison(&Event);
    KeInitializeEvent(&Event, Type, State);
}

/* No time-out: as long as it takes. */
TEST(T_WAIT_1_null)
{
    Prepare(SynchronizationEvent, FALSE);
    KtStartWaiter(&Waiter, KT_ANY_PROCESSOR, KT_ABOVE, &Event, FOR_EVER, 0);
    KiSleep(MILLISECONDS(60));
    CHECK_EQUAL(Waiter.Done, 0);
    KeSetEvent(&Event, IO_NO_INCREMENT, FALSE);
    KtEndWaiter(&Waiter);
    CHECK_EQUAL(Waiter.Status, STATUS_SUCCESS);
}

/* A test does not block, and it consumes. */
TEST(T_WAIT_1_zero__T_WAIT_2__T_WAIT_4)
{
    Prepare(SynchronizationEvent, TRUE);
    CHECK_EQUAL(KtTest(&Event), STATUS_SUCCESS);
    CHECK(!KeReadStateEvent(&Event));
    CHECK_EQUAL(KtTest(&Event), STATUS_TIMEOUT);
    CHECK_EQUAL(STATUS_SUCCESS, 0);
    CHECK_EQUAL(STATUS_TIMEOUT, 0x102);
    CHECK_EQUAL(STATUS_ALERTED, 0x101);
    CHECK_EQUAL(STATUS_USER_APC, 0xC0);
    CHECK_EQUAL(STATUS_ABANDONED_WAIT_0, 0x80);
    CHECK(NT_SUCCESS(STATUS_TIMEOUT));
}

/* The objects are looked at before the time-out, whichever it is. */
TEST(T_WAIT_2_signaled)
{
    LARGE_INTEGER past = KtAt(1), soon = KtIn(1);

    Prepare(NotificationEvent, TRUE);
    CHECK_EQUAL(KeWaitForSingleObject(&Event, Executive, KernelMode, FALSE, &past), STATUS_SUCCESS);
    CHECK_EQUAL(KeWaitForSingleObject(&Event, Executive, KernelMode, FALSE, &soon), STATUS_SUCCESS);
}

TEST(T_WAIT_1_relative__T_TMR_7)
{
    ULONG64 intervals[] = {1, MICROSECONDS(50), MILLISECONDS(1), MILLISECONDS(37)};

    Prepare(NotificationEvent, FALSE);
    for (ULONG i = 0; i < 4; i++) {
        ULONG64 start = KtNow();
        CHECK_EQUAL(KtWait(&Event, intervals[i]), STATUS_TIMEOUT);
        ULONG64 end = KtNow();
        /* A tick early is allowed by the contract; this kernel is never early. */
        CHECK_AT_LEAST(end - start, intervals[i]);
        CHECK(end - start < intervals[i] + KT_PATIENCE);
    }
}

TEST(T_WAIT_1_absolute)
{
    LARGE_INTEGER due = KtAt(KtSystemNow() + MILLISECONDS(25)), past = KtAt(KtSystemNow() - 1);

    Prepare(NotificationEvent, FALSE);
    CHECK_EQUAL(KeWaitForSingleObject(&Event, Executive, KernelMode, FALSE, &due), STATUS_TIMEOUT);
    CHECK_AT_LEAST(KtSystemNow(), due.QuadPart);
    ULONG64 start = KtNow();
    CHECK_EQUAL(KeWaitForSingleObject(&Event, Executive, KernelMode, FALSE, &past), STATUS_TIMEOUT);
    CHECK(KtNow() - start < KT_PATIENCE);
}

static VOID ShiftSystemTime(LONG64 By)
{
    LARGE_INTEGER now = {.QuadPart = (LONGLONG)KtSystemNow() + By}, old;

    KeSetSystemTime(&now, &old);
}

TEST(T_WAIT_3_absolute)
{
    Prepare(SynchronizationEvent, FALSE);
    KtStartWaiter(&Waiter, KT_ANY_PROCESSOR, KT_ABOVE, &Event, KtAt(KtSystemNow() + SECONDS(1000)),
                  0);
    KtAwaitWait(Waiter.Thread.Object, &Event);
    ShiftSystemTime((LONG64)SECONDS(2000));
    CHECK(KtSleepUntil(&Waiter.Done, 1));
    ShiftSystemTime(-(LONG64)SECONDS(2000));
    KeSetEvent(&Event, IO_NO_INCREMENT, FALSE); /* whatever happened */
    KtEndWaiter(&Waiter);
    CHECK_EQUAL(Waiter.Status, STATUS_TIMEOUT);
}

TEST(T_WAIT_3_relative)
{
    Prepare(SynchronizationEvent, FALSE);
    KtStartWaiter(&Waiter, KT_ANY_PROCESSOR, KT_ABOVE, &Event, KtIn(SECONDS(100)), 0);
    KtAwaitWait(Waiter.Thread.Object, &Event);
    ShiftSystemTime((LONG64)SECONDS(2000));
    KiSleep(A_WHILE);
    CHECK_EQUAL(Waiter.Done, 0);
    ShiftSystemTime(-(LONG64)SECONDS(2000));
    KiSleep(A_WHILE);
    CHECK_EQUAL(Waiter.Done, 0);
    KeSetEvent(&Event, IO_NO_INCREMENT, FALSE);
    KtEndWaiter(&Waiter);
    CHECK_EQUAL(Waiter.Status, STATUS_SUCCESS);
}

/* A time-out takes the waiter out of the queue: the next signal is not lost on it. */
TEST(T_WAIT_1_timeout_leaves)
{
    Prepare(SynchronizationEvent, FALSE);
    CHECK_EQUAL(KtWait(&Event, MILLISECONDS(1)), STATUS_TIMEOUT);
    CHECK(IsListEmpty(&Event.Header.WaitListHead));
    KeSetEvent(&Event, IO_NO_INCREMENT, FALSE);
    CHECK_EQUAL(KtTest(&Event), STATUS_SUCCESS);
    /* Nor does the time-out of a satisfied wait come later. */
    KeSetEvent(&Event, IO_NO_INCREMENT, FALSE);
    CHECK_EQUAL(KtWait(&Event, MILLISECONDS(5)), STATUS_SUCCESS);
    KtStartWaiter(&Waiter, KT_ANY_PROCESSOR, KT_ABOVE, &Event, FOR_EVER, 0);
    KiSleep(A_WHILE);
    CHECK_EQUAL(Waiter.Done, 0);
    KeSetEvent(&Event, IO_NO_INCREMENT, FALSE);
    KtEndWaiter(&Waiter);
}

TEST(T_WAIT_IRQL_3)
{
    Prepare(SynchronizationEvent, TRUE);
    AT_IRQL(APC_LEVEL)
    {
        CHECK_EQUAL(KtWait(&Event, MILLISECONDS(1)), STATUS_SUCCESS);
        CHECK_IRQL(APC_LEVEL);
        CHECK_EQUAL(KtWait(&Event, MILLISECONDS(1)), STATUS_TIMEOUT);
        CHECK_IRQL(APC_LEVEL);
    }
    AT_IRQL(DISPATCH_LEVEL)
    {
        CHECK_EQUAL(KtTest(&Event), STATUS_TIMEOUT);
        CHECK_IRQL(DISPATCH_LEVEL);
    }
}

static NTSTATUS FirstTest, SecondTest;

DPC_ROUTINE(TestInDpc)
{
    FirstTest = KtTest(&Event);
    SecondTest = KtTest(&Event);
}

TEST(T_WAIT_IRQL_2)
{
    KDPC dpc;

    Prepare(SynchronizationEvent, TRUE);
    AT_IRQL(DISPATCH_LEVEL)
    {
        CHECK_EQUAL(KtTest(&Event), STATUS_SUCCESS);
        CHECK_EQUAL(KtTest(&Event), STATUS_TIMEOUT);
    }
    KeSetEvent(&Event, IO_NO_INCREMENT, FALSE);
    KeInitializeDpc(&dpc, TestInDpc, NULL);
    KeInsertQueueDpc(&dpc, NULL, NULL);
    CHECK_EQUAL(FirstTest, STATUS_SUCCESS);
    CHECK_EQUAL(SecondTest, STATUS_TIMEOUT);
}

/* Alertable waits without an alert, and those of UserMode on objects that lie elsewhere. */
TEST(T_WAIT_10)
{
    LARGE_INTEGER timeout = KtIn(MILLISECONDS(2));

    Prepare(NotificationEvent, FALSE);
    CHECK_EQUAL(KeWaitForSingleObject(&Event, UserRequest, KernelMode, TRUE, &timeout),
                STATUS_TIMEOUT);
    CHECK_EQUAL(KeWaitForSingleObject(&Event, UserRequest, UserMode, TRUE, &timeout),
                STATUS_TIMEOUT);
    KeSetEvent(&Event, IO_NO_INCREMENT, FALSE);
    CHECK_EQUAL(KeWaitForSingleObject(&Event, UserRequest, UserMode, TRUE, NULL), STATUS_SUCCESS);
}

/* Timer expiry and set at the same instant: one of them ends the wait, and the account fits. */
TEST(T_WAIT_4_race)
{
    static KT_PROBE setter;
    ULONG taken = 0, timeouts = 0, left = 0;

    for (ULONG i = 0; i < 50; i++) {
        LARGE_INTEGER due;

        Prepare(SynchronizationEvent, FALSE);
        KtPrepareProbe(&setter);
        due = KtAt(KtSystemNow() + MICROSECONDS(300));
        KeSetTimer(&setter.Timer, due, &setter.Dpc);
        NTSTATUS status = KeWaitForSingleObject(&Event, Executive, KernelMode, FALSE, &due);
        CHECK_EQUAL(status, STATUS_TIMEOUT); /* nobody sets the event */
        timeouts += status == STATUS_TIMEOUT;
        taken += status == STATUS_SUCCESS;
        CHECK(KtSpinUntil(&setter.Runs, 1));
        left += KeReadStateEvent(&Event) != 0;
    }
    CHECK_EQUAL(timeouts, 50);
    CHECK_EQUAL(taken + left, 0);
}

DPC_ROUTINE(SetEventDpc)
{
    KeSetEvent(&Event, IO_NO_INCREMENT, FALSE);
    InterlockedIncrement((volatile LONG *)Context);
}

TEST(T_WAIT_4_race_set)
{
    KTIMER timer;
    KDPC dpc;
    volatile LONG sets = 0;
    LONG taken = 0;

    KeInitializeTimer(&timer);
    KeInitializeDpc(&dpc, SetEventDpc, (PVOID)&sets);
    Prepare(SynchronizationEvent, FALSE);
    for (LONG i = 1; i <= 100; i++) {
        LARGE_INTEGER due = KtAt(KtSystemNow() + MICROSECONDS(200));

        KeSetTargetProcessorDpc(&dpc, (CCHAR)(i % (LONG)KtProcessors()));
        KeSetTimer(&timer, due, &dpc);
        if (KeWaitForSingleObject(&Event, Executive, KernelMode, FALSE, &due) == STATUS_SUCCESS)
            taken++;
        CHECK(KtSpinUntil(&sets, i));
        if (KtTest(&Event) == STATUS_SUCCESS)
            taken++;
        if (taken != i)
            break;
    }
    CHECK_EQUAL(taken, 100);
    KeFlushQueuedDpcs();
}
