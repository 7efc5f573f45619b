/* Events of both kinds: dispatcher.md, Events. */
#define SUITE "dispatcher.event"
#include "thread_tool.h"

static KEVENT Event;
static KT_WAITER Waiters[3];

static VOID StartThree(EVENT_TYPE Type)
{
    memset(Waiters, 0, sizeof(Waiters));
    KtPoison(&Event);
    KeInitializeEvent(&Event, Type, FALSE);
    for (ULONG i = 0; i < 3; i++)
        KtStartWaiter(&Waiters[i], 0, KT_ABOVE, &Event, FOR_EVER, (CHAR)('a' + i));
}

static LONG CountDone(VOID)
{
    return Waiters[0].Done + Waiters[1].Done + Waiters[2].Done;
}

static VOID EndThree(VOID)
{
    for (ULONG i = 0; i < 3; i++) {
        KtEndWaiter(&Waiters[i]);
        CHECK_EQUAL(Waiters[i].Status, STATUS_SUCCESS);
        CHECK_EQUAL(Waiters[i].Irql, PASSIVE_LEVEL);
    }
}

/* The state that KeInitializeEvent is given, at any IRQL. */
TEST(initialize)
{
    AT_IRQL(HIGH_LEVEL)
    {
        KtPoison(&Event);
        KeInitializeEvent(&Event, NotificationEvent, TRUE);
    }
    CHECK_EQUAL(Event.Header.Type, NotificationEvent);
    CHECK(KeReadStateEvent(&Event));
    KtPoison(&Event);
    KeInitializeEvent(&Event, SynchronizationEvent, FALSE);
    CHECK_EQUAL(Event.Header.Type, SynchronizationEvent);
    CHECK(!KeReadStateEvent(&Event));
}

TEST(T_KeSetEvent_1)
{
    for (EVENT_TYPE type = NotificationEvent; type <= SynchronizationEvent; type++) {
        KtPoison(&Event);
        KeInitializeEvent(&Event, type, FALSE);
        CHECK_EQUAL(KeSetEvent(&Event, IO_NO_INCREMENT, FALSE), 0);
        CHECK(KeSetEvent(&Event, IO_NO_INCREMENT, FALSE) != 0);
        CHECK(KeReadStateEvent(&Event) != 0);
        CHECK_EQUAL(KtTest(&Event), STATUS_SUCCESS);
        /* Set twice is set once. */
        CHECK_EQUAL(KtTest(&Event), type == NotificationEvent ? STATUS_SUCCESS : STATUS_TIMEOUT);
    }
}

TEST(T_KeSetEvent_2_notification)
{
    StartThree(NotificationEvent);
    CHECK_EQUAL(CountDone(), 0);
    CHECK_EQUAL(KeSetEvent(&Event, IO_NO_INCREMENT, FALSE), 0);
    CHECK_EQUAL(CountDone(), 3);
    CHECK(KeReadStateEvent(&Event));
    EndThree();
}

TEST(T_KeSetEvent_2_synchronization)
{
    StartThree(SynchronizationEvent);
    for (LONG n = 1; n <= 3; n++) {
        CHECK_EQUAL(KeSetEvent(&Event, IO_NO_INCREMENT, FALSE), 0);
        CHECK(!KeReadStateEvent(&Event));
        KiSleep(A_WHILE);
        CHECK_EQUAL(CountDone(), n);
    }
    EndThree();
    /* Nobody waits: it stays until one wait. */
    CHECK_EQUAL(KeSetEvent(&Event, IO_NO_INCREMENT, FALSE), 0);
    CHECK(KeReadStateEvent(&Event));
    CHECK_EQUAL(KtTest(&Event), STATUS_SUCCESS);
    CHECK(!KeReadStateEvent(&Event));
    CHECK_EQUAL(KtTest(&Event), STATUS_TIMEOUT);
}

static KEVENT Answer;

ROUTINE(SetAnswer)
{
    KeSetEvent(&Answer, IO_NO_INCREMENT, FALSE);
}

/* IRQL stays up after the call; the wait, whether it blocks or not, restores it. */
TEST(T_KeSetEvent_3__T_WAIT_IRQL_3)
{
    memset(Waiters, 0, sizeof(Waiters));
    KeInitializeEvent(&Event, SynchronizationEvent, FALSE);
    KeInitializeEvent(&Answer, SynchronizationEvent, TRUE);
    KeSetEvent(&Event, IO_NO_INCREMENT, TRUE);
    CHECK(KeGetCurrentIrql() > PASSIVE_LEVEL);
    CHECK_EQUAL(KeWaitForSingleObject(&Answer, Executive, KernelMode, FALSE, NULL), STATUS_SUCCESS);
    CHECK_IRQL(PASSIVE_LEVEL);
    CHECK_EQUAL(KtTest(&Event), STATUS_SUCCESS);

    Waiters[0].Then = SetAnswer;
    KtStartWaiter(&Waiters[0], 0, KT_ABOVE, &Event, FOR_EVER, 0);
    AT_IRQL(APC_LEVEL)
    {
        KeSetEvent(&Event, IO_NO_INCREMENT, TRUE);
        CHECK(KeGetCurrentIrql() > APC_LEVEL);
        CHECK_EQUAL(Waiters[0].Done, 0); /* no switch before the wait */
        CHECK_EQUAL(KtWait(&Answer, KT_PATIENCE), STATUS_SUCCESS);
        CHECK_IRQL(APC_LEVEL);
    }
    KtEndWaiter(&Waiters[0]);
}

/* A wait that ends at once gives way, too, to the thread that the signal has made ready. */
TEST(T_KeSetEvent_3_preempted__T_IRQL_8)
{
    memset(Waiters, 0, sizeof(Waiters));
    KeInitializeEvent(&Event, SynchronizationEvent, FALSE);
    KeInitializeEvent(&Answer, SynchronizationEvent, TRUE);
    KtStartWaiter(&Waiters[0], 0, KT_ABOVE, &Event, FOR_EVER, 0);
    KeSetEvent(&Event, IO_NO_INCREMENT, TRUE);
    CHECK_EQUAL(Waiters[0].Done, 0);
    CHECK_EQUAL(KtTest(&Answer), STATUS_SUCCESS);
    CHECK_EQUAL(Waiters[0].Done, 1);
    KtEndWaiter(&Waiters[0]);
}

/* With a time-out that passes, too. */
TEST(T_KeSetEvent_3_timeout)
{
    KeInitializeEvent(&Event, SynchronizationEvent, FALSE);
    KeInitializeEvent(&Answer, SynchronizationEvent, FALSE);
    KeSetEvent(&Event, IO_NO_INCREMENT, TRUE);
    CHECK_EQUAL(KtWait(&Answer, MILLISECONDS(2)), STATUS_TIMEOUT);
    CHECK_IRQL(PASSIVE_LEVEL);
    KePulseEvent(&Event, IO_NO_INCREMENT, TRUE);
    CHECK(KeGetCurrentIrql() > PASSIVE_LEVEL);
    CHECK_EQUAL(KtTest(&Answer), STATUS_TIMEOUT);
    CHECK_IRQL(PASSIVE_LEVEL);
}

TEST(T_KeResetEvent_1__T_KeClearEvent_1__T_KeReadStateEvent_1)
{
    for (EVENT_TYPE type = NotificationEvent; type <= SynchronizationEvent; type++) {
        KtPoison(&Event);
        KeInitializeEvent(&Event, type, TRUE);
        CHECK(KeReadStateEvent(&Event));
        CHECK(KeReadStateEvent(&Event)); /* consumes nothing */
        AT_IRQL(DISPATCH_LEVEL)
        {
            CHECK(KeResetEvent(&Event) != 0);
            CHECK_EQUAL(KeResetEvent(&Event), 0);
            CHECK(!KeReadStateEvent(&Event));
            KeSetEvent(&Event, IO_NO_INCREMENT, FALSE);
            KeClearEvent(&Event);
            CHECK(!KeReadStateEvent(&Event));
        }
        CHECK_EQUAL(KtTest(&Event), STATUS_TIMEOUT);
    }
}

TEST(T_KePulseEvent_1_notification)
{
    StartThree(NotificationEvent);
    CHECK_EQUAL(KePulseEvent(&Event, IO_NO_INCREMENT, FALSE), 0);
    CHECK_EQUAL(CountDone(), 3);
    CHECK(!KeReadStateEvent(&Event));
    EndThree();
    KeSetEvent(&Event, IO_NO_INCREMENT, FALSE);
    CHECK(KePulseEvent(&Event, IO_NO_INCREMENT, FALSE) != 0);
    CHECK(!KeReadStateEvent(&Event));
    CHECK_EQUAL(KtWait(&Event, MILLISECONDS(2)), STATUS_TIMEOUT);
}

TEST(T_KePulseEvent_1_synchronization)
{
    StartThree(SynchronizationEvent);
    for (LONG n = 1; n <= 3; n++) {
        CHECK_EQUAL(KePulseEvent(&Event, IO_NO_INCREMENT, FALSE), 0);
        KiSleep(A_WHILE);
        CHECK_EQUAL(CountDone(), n);
        CHECK(!KeReadStateEvent(&Event));
    }
    EndThree();
    /* Nobody waits: lost. */
    KePulseEvent(&Event, IO_NO_INCREMENT, FALSE);
    CHECK_EQUAL(KtTest(&Event), STATUS_TIMEOUT);
}

/* Equal waiters are released in the order of their waits. */
TEST(T_DISP_2_fifo)
{
    StartThree(SynchronizationEvent);
    for (ULONG i = 0; i < 3; i++)
        KeSetEvent(&Event, IO_NO_INCREMENT, FALSE);
    EndThree();
    CHECK_TRACE("abc");

    KtTraceReset();
    StartThree(NotificationEvent);
    AT_IRQL(DISPATCH_LEVEL)
    KeSetEvent(&Event, IO_NO_INCREMENT, FALSE);
    EndThree();
    CHECK_TRACE("abc");
}

/* One signal wakes one thread: the others are not even given the processor. */
TEST(T_DISP_2_no_herd)
{
    ULONG64 switches[3];

    StartThree(SynchronizationEvent);
    for (ULONG i = 0; i < 3; i++)
        switches[i] = Waiters[i].Thread.Object->Switches;
    KeSetEvent(&Event, IO_NO_INCREMENT, FALSE);
    KiSleep(A_WHILE);
    CHECK(Waiters[0].Done);
    CHECK_EQUAL(Waiters[1].Thread.Object->Switches, switches[1]);
    CHECK_EQUAL(Waiters[2].Thread.Object->Switches, switches[2]);
    KeSetEvent(&Event, IO_NO_INCREMENT, FALSE);
    KeSetEvent(&Event, IO_NO_INCREMENT, FALSE);
    EndThree();
}

/* Of the ready threads the one of the highest priority runs first. */
TEST(T_DISP_2_priority)
{
    memset(Waiters, 0, sizeof(Waiters));
    KeInitializeEvent(&Event, NotificationEvent, FALSE);
    KtStartWaiter(&Waiters[0], 0, 9, &Event, FOR_EVER, 'l');
    KtStartWaiter(&Waiters[1], 0, 18, &Event, FOR_EVER, 'h');
    KtStartWaiter(&Waiters[2], 0, 12, &Event, FOR_EVER, 'm');
    AT_IRQL(DISPATCH_LEVEL)
    KeSetEvent(&Event, IO_NO_INCREMENT, FALSE);
    CHECK_TRACE("hml");
    EndThree();
}

static KDPC First, Second;

DPC_ROUTINE(SetInDpc)
{
    KtTrace('1');
    KeSetEvent(&Event, IO_NO_INCREMENT, FALSE);
    KeInsertQueueDpc(&Second, NULL, NULL);
    KtTrace('2');
}

DPC_ROUTINE(TraceThree)
{
    KtTrace('3');
}

/* A set in a DPC: the thread runs when the queue is empty, before the insert returns. */
TEST(T_DISP_3)
{
    memset(Waiters, 0, sizeof(Waiters));
    KeInitializeEvent(&Event, SynchronizationEvent, FALSE);
    KeInitializeDpc(&First, SetInDpc, NULL);
    KeInitializeDpc(&Second, TraceThree, NULL);
    KtStartWaiter(&Waiters[0], 0, HIGH_PRIORITY, &Event, FOR_EVER, 'T');
    KeInsertQueueDpc(&First, NULL, NULL);
    KtTrace('m');
    CHECK_TRACE("123Tm");
    KtEndWaiter(&Waiters[0]);
}

static volatile LONG Tokens;
#define ROUNDS 300

ROUTINE(TakeTokens)
{
    for (ULONG i = 0; i < ROUNDS; i++) {
        CHECK_EQUAL(KtWait(&Event, KT_PATIENCE), STATUS_SUCCESS);
        CHECK_EQUAL(InterlockedIncrement(&Tokens), 1); /* nobody else has it */
        KtJitter(50);
        InterlockedDecrement(&Tokens);
        CHECK_EQUAL(KeSetEvent(&Event, IO_NO_INCREMENT, FALSE), 0);
    }
}

/* Signal and consumption are one step: an event as a token that one thread has at a time. */
TEST(T_DISP_1)
{
    KT_THREAD threads[4];

    KeInitializeEvent(&Event, SynchronizationEvent, TRUE);
    Tokens = 0;
    for (ULONG i = 0; i < 4; i++)
        KtStartThread(&threads[i], KT_ANY_PROCESSOR, 8, TakeTokens, NULL);
    for (ULONG i = 0; i < 4; i++)
        KtEndThread(&threads[i]);
    CHECK(KeReadStateEvent(&Event));
}
