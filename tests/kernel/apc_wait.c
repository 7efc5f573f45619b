/* Kernel APCs and alerts in the middle of waits. dispatcher.md, Waits and APC control. */
#define SUITE "apc"
#include "apc_tool.h"

static KEVENT Event, Other, Gate;
static KT_WAITER Waiter;
static KT_APC Apc;

static VOID Prepare(EVENT_TYPE Type)
{
    memset(&Waiter, 0, sizeof(Waiter));
    KeInitializeEvent(&Event, Type, FALSE);
    KeInitializeEvent(&Other, SynchronizationEvent, FALSE);
    KeInitializeEvent(&Gate, NotificationEvent, FALSE);
    KtTraceReset();
}

static VOID SetAndEnd(VOID)
{
    KeSetEvent(&Event, IO_NO_INCREMENT, FALSE);
    KtEndWaiter(&Waiter);
}

/* The APC runs and the wait goes on; the signal comes later, and is not lost. */
TEST(T_WAIT_10_kernel_apc)
{
    Prepare(SynchronizationEvent);
    KtStartWaiter(&Waiter, KT_ANY_PROCESSOR, KT_ABOVE, &Event, FOR_EVER, 'w');
    KtPrepareApc(&Apc, Waiter.Thread.Object, 's', 0);
    for (LONG i = 1; i <= 5; i++) {
        CHECK(KtQueueApc(&Apc));
        CHECK(KtSleepUntil(&Apc.KernelRuns, i));
        KtAwaitWait(Waiter.Thread.Object, &Event);
    }
    CHECK_EQUAL(Waiter.Done, 0);
    CHECK(Apc.RunThread == Waiter.Thread.Object);
    SetAndEnd();
    CHECK_TRACE("sssssw");
    CHECK_EQUAL(Waiter.Status, STATUS_SUCCESS);
    CHECK_EQUAL(Waiter.Irql, PASSIVE_LEVEL);
}

/* A critical region keeps a normal one from a waiting thread as from any other. */
TEST(T_WAIT_10_region__T_PsCreateSystemThread_1_region)
{
    Prepare(SynchronizationEvent);
    KtStartWaiter(&Waiter, KT_ANY_PROCESSOR, KT_ABOVE, &Event, FOR_EVER, 'w');
    KtPrepareApc(&Apc, Waiter.Thread.Object, 'k', 'n');
    ULONG64 switches = Waiter.Thread.Object->Switches;
    CHECK(KtQueueApc(&Apc));
    KiSleep(MILLISECONDS(2));
    CHECK_EQUAL(Apc.KernelRuns, 0);
    CHECK_EQUAL(Waiter.Thread.Object->Switches, switches); /* not even woken */
    SetAndEnd();
    CHECK_TRACE("wr");
}

ROUTINE(WaitAtApcLevel)
{
    AT_IRQL(APC_LEVEL)
    {
        CHECK_EQUAL(KtWait(&Event, KT_PATIENCE), STATUS_SUCCESS);
        KtTrace('w');
    }
    KtTrace('l');
}

TEST(T_WAIT_10_apc_level)
{
    KT_THREAD thread;

    Prepare(SynchronizationEvent);
    if (!KtStartThread(&thread, KT_ANY_PROCESSOR, KT_ABOVE, WaitAtApcLevel, NULL))
        return;
    KtAwaitWait(thread.Object, &Event);
    KtPrepareApc(&Apc, thread.Object, 's', 0);
    ULONG64 switches = thread.Object->Switches;
    CHECK(KtQueueApc(&Apc));
    KiSleep(MILLISECONDS(2));
    CHECK_EQUAL(Apc.KernelRuns, 0);
    CHECK_EQUAL(thread.Object->Switches, switches); /* not even woken */
    KeSetEvent(&Event, IO_NO_INCREMENT, FALSE);
    KtEndThread(&thread);
    CHECK_TRACE("wsl");
}

/* The time-out counts from the beginning of the wait, whatever interrupts it. */
TEST(T_WAIT_3_apcs__T_WAIT_10_timeout)
{
    for (ULONG absolute = 0; absolute < 2; absolute++) {
        LARGE_INTEGER timeout =
            absolute ? KtAt(KtSystemNow() + MILLISECONDS(40)) : KtIn(MILLISECONDS(40));

        Prepare(SynchronizationEvent);
        KtStartWaiter(&Waiter, KT_ANY_PROCESSOR, KT_ABOVE, &Event, timeout, 0);
        KtPrepareApc(&Apc, Waiter.Thread.Object, 's', 0);
        for (ULONG i = 0; i < 100 && !Waiter.Done; i++) {
            KtQueueApc(&Apc);
            KiSleep(MILLISECONDS(2));
        }
        CHECK(Waiter.Done); /* 200 ms were enough for 40 */
        KtEndWaiter(&Waiter);
        CHECK_EQUAL(Waiter.Status, STATUS_TIMEOUT);
        CHECK(Apc.KernelRuns > 0);
        if (!absolute)
            CHECK_AT_LEAST(Waiter.When - Waiter.Began, MILLISECONDS(40));
    }
}

ROUTINE(DelayALittle)
{
    LARGE_INTEGER interval = KtIn(MILLISECONDS(30));
    ULONG64 start = KtNow();

    CHECK_EQUAL(KeDelayExecutionThread(KernelMode, FALSE, &interval), STATUS_SUCCESS);
    CHECK_AT_LEAST(KtNow() - start, MILLISECONDS(30));
    InterlockedIncrement((volatile LONG *)Context);
}

TEST(T_KeDelayExecutionThread_1_apcs)
{
    KT_THREAD thread;
    volatile LONG done = 0;

    Prepare(SynchronizationEvent);
    if (!KtStartThread(&thread, KT_ANY_PROCESSOR, KT_ABOVE, DelayALittle, (PVOID)&done))
        return;
    KtPrepareApc(&Apc, thread.Object, 's', 0);
    while (!done) {
        KtQueueApc(&Apc);
        KiSleep(MILLISECONDS(2));
    }
    KtEndThread(&thread);
    CHECK(Apc.KernelRuns > 0);
}

/* The routine waits itself, with the thread's own wait blocks and timer. */
static VOID WaitInside(UNUSED PVOID Context, UNUSED PVOID Argument1, UNUSED PVOID Argument2)
{
    PVOID objects[3] = {&Other, &Other, &Gate};

    KtTrace('(');
    CHECK_EQUAL(KtWait(&Other, MICROSECONDS(100)), STATUS_TIMEOUT);
    CHECK_EQUAL(
        KeWaitForMultipleObjects(3, objects, WaitAny, Suspended, KernelMode, FALSE, NULL, NULL),
        STATUS_WAIT_0 + 2);
    KtTrace(')');
}

static NTSTATUS ManyStatus;

ROUTINE(WaitForTwo)
{
    PVOID objects[2] = {&Other, &Event};
    LARGE_INTEGER timeout = KtIn(KT_PATIENCE);

    KeLeaveCriticalRegion();
    ManyStatus =
        KeWaitForMultipleObjects(2, objects, WaitAny, Executive, KernelMode, FALSE, &timeout, NULL);
    KtTrace('w');
    KeEnterCriticalRegion();
}

TEST(T_WAIT_10_routine_waits)
{
    KT_THREAD thread;

    Prepare(SynchronizationEvent);
    if (!KtStartThread(&thread, KT_ANY_PROCESSOR, KT_ABOVE, WaitForTwo, NULL))
        return;
    KtAwaitWait(thread.Object, &Other);
    KtPrepareApc(&Apc, thread.Object, 'k', 'n');
    Apc.Apc.NormalRoutine = WaitInside;
    CHECK(KtQueueApc(&Apc));
    while (IsListEmpty(&Gate.Header.WaitListHead))
        KiSleep(MILLISECONDS(1));
    KeSetEvent(&Gate, IO_NO_INCREMENT, FALSE);
    KtAwaitWait(thread.Object, &Other); /* the outer wait again */
    CHECK_TRACE("k()");
    KeSetEvent(&Event, IO_NO_INCREMENT, FALSE);
    KtEndThread(&thread);
    CHECK_TRACE("k()w");
    CHECK_EQUAL(ManyStatus, STATUS_WAIT_0 + 1);
}

/* ---- signals while the routine runs ---- */

static VOID StayInApc(UNUSED PVOID Context, UNUSED PVOID Argument1, UNUSED PVOID Argument2)
{
    KtTrace('(');
    CHECK_EQUAL(KtWait(&Gate, KT_PATIENCE), STATUS_SUCCESS);
    KtTrace(')');
}

ROUTINE(WaitOutsideRegion)
{
    KeLeaveCriticalRegion();
    CHECK_EQUAL(KtWait(&Event, KT_PATIENCE), STATUS_SUCCESS);
    KtTrace('w');
    KeEnterCriticalRegion();
}

/* A thread that waits for Event, and is in the middle of an APC that waits for Gate. */
static BOOLEAN StartInApc(PKT_THREAD Thread)
{
    if (!KtStartThread(Thread, KT_ANY_PROCESSOR, KT_ABOVE, WaitOutsideRegion, NULL))
        return FALSE;
    KtAwaitWait(Thread->Object, &Event);
    KtPrepareApc(&Apc, Thread->Object, 'k', 'n');
    Apc.Apc.NormalRoutine = StayInApc;
    CHECK(KtQueueApc(&Apc));
    return KtAwaitWait(Thread->Object, &Gate);
}

TEST(T_KePulseEvent_1_apc)
{
    KT_THREAD thread;

    Prepare(NotificationEvent);
    if (!StartInApc(&thread))
        return;
    KePulseEvent(&Event, IO_NO_INCREMENT, FALSE); /* missed */
    KeSetEvent(&Gate, IO_NO_INCREMENT, FALSE);
    KtAwaitWait(thread.Object, &Event);
    CHECK_TRACE("k()");
    KePulseEvent(&Event, IO_NO_INCREMENT, FALSE);
    KtEndThread(&thread);
    CHECK_TRACE("k()w");
}

TEST(T_WAIT_10_signal_stays)
{
    KT_THREAD thread;

    Prepare(SynchronizationEvent);
    if (!StartInApc(&thread))
        return;
    KeSetEvent(&Event, IO_NO_INCREMENT, FALSE);
    CHECK(KeReadStateEvent(&Event));
    KeSetEvent(&Gate, IO_NO_INCREMENT, FALSE);
    KtEndThread(&thread);
    CHECK_TRACE("k()w");
    CHECK(!KeReadStateEvent(&Event));
}

/* Who has been called away waits behind the others afterwards. */
TEST(T_DISP_2_apc)
{
    static KT_WAITER second;

    Prepare(SynchronizationEvent);
    memset(&second, 0, sizeof(second));
    KtStartWaiter(&Waiter, 0, KT_ABOVE, &Event, FOR_EVER, '1');
    KtStartWaiter(&second, 0, KT_ABOVE, &Event, FOR_EVER, '2');
    KtPrepareApc(&Apc, Waiter.Thread.Object, 's', 0);
    KtQueueApc(&Apc);
    CHECK(KtSleepUntil(&Apc.KernelRuns, 1));
    KtAwaitWait(Waiter.Thread.Object, &Event);
    KeSetEvent(&Event, IO_NO_INCREMENT, FALSE);
    CHECK(KtSleepUntil(&second.Done, 1));
    SetAndEnd();
    KtEndWaiter(&second);
    CHECK_TRACE("s21");
}

/* ---- one that is pending when the wait begins ---- */

static VOID SetEventRoutine(UNUSED PKAPC Object, UNUSED PKNORMAL_ROUTINE *NormalRoutine,
                            UNUSED PVOID *NormalContext, UNUSED PVOID *SystemArgument1,
                            UNUSED PVOID *SystemArgument2)
{
    KtTrace('s');
    KeSetEvent(&Event, IO_NO_INCREMENT, FALSE);
}

TEST(T_WAIT_10_pending)
{
    Prepare(SynchronizationEvent);
    KtPrepareApc(&Apc, KeGetCurrentThread(), 's', 0);
    Apc.Apc.KernelRoutine = SetEventRoutine;
    KeSetEvent(&Other, IO_NO_INCREMENT, TRUE); /* stays at DISPATCH_LEVEL */
    CHECK_IRQL(DISPATCH_LEVEL);
    CHECK(KtQueueApc(&Apc));
    CHECK_TRACE("");
    CHECK_EQUAL(KtWait(&Event, SECONDS(1)), STATUS_SUCCESS);
    CHECK_TRACE("s");
    CHECK_IRQL(PASSIVE_LEVEL);
}
