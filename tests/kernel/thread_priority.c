/* Priorities, preemption, time slices, affinity. dispatcher.md, Threads. */
#define SUITE "thread"
#include "thread_tool.h"

static KEVENT Event;
static KT_WAITER Waiter;

static VOID StartHigh(KPRIORITY Priority, CHAR Name)
{
    memset(&Waiter, 0, sizeof(Waiter));
    KeInitializeEvent(&Event, SynchronizationEvent, FALSE);
    KtStartWaiter(&Waiter, 0, Priority, &Event, FOR_EVER, Name);
}

/* A thread of a higher priority runs before the call that has readied it returns. */
TEST(T_THREAD_2)
{
    for (KPRIORITY priority = 9; priority <= HIGH_PRIORITY; priority += 11) {
        KtTraceReset();
        StartHigh(priority, 'T');
        KeSetEvent(&Event, IO_NO_INCREMENT, FALSE);
        KtTrace('m');
        CHECK_TRACE("Tm");
        KtEndWaiter(&Waiter);
    }
}

TEST(T_THREAD_2_apc_level)
{
    StartHigh(KT_ABOVE, 'T');
    AT_IRQL(APC_LEVEL)
    {
        KeSetEvent(&Event, IO_NO_INCREMENT, FALSE);
        KtTrace('m');
    }
    CHECK_TRACE("Tm");
    CHECK_EQUAL(Waiter.Irql, PASSIVE_LEVEL);
    KtEndWaiter(&Waiter);
}

/* At DISPATCH_LEVEL it is put off, to the moment at which the IRQL falls below. */
TEST(T_THREAD_2_dispatch_level__T_IRQL_8)
{
    StartHigh(HIGH_PRIORITY, 'T');
    AT_IRQL(APC_LEVEL)
    {
        AT_IRQL(DISPATCH_LEVEL)
        {
            KeSetEvent(&Event, IO_NO_INCREMENT, FALSE);
            KtStall(MILLISECONDS(15)); /* over a tick */
            KtTrace('d');
        }
        KtTrace('a');
    }
    CHECK_TRACE("dTa");
    KtEndWaiter(&Waiter);
}

/* Releasing a spin lock is such a fall. */
TEST(T_THREAD_2_spin_lock)
{
    KSPIN_LOCK lock;
    KIRQL oldIrql;

    KeInitializeSpinLock(&lock);
    StartHigh(KT_ABOVE, 'T');
    KeAcquireSpinLock(&lock, &oldIrql);
    KeSetEvent(&Event, IO_NO_INCREMENT, FALSE);
    KtTrace('l');
    KeReleaseSpinLock(&lock, oldIrql);
    KtTrace('m');
    CHECK_TRACE("lTm");
    KtEndWaiter(&Waiter);
}

/* A lower or an equal one does not preempt. */
TEST(T_THREAD_2_not_higher)
{
    for (KPRIORITY priority = 7; priority <= 8; priority++) {
        KtTraceReset();
        StartHigh(priority, 'T');
        AT_IRQL(DISPATCH_LEVEL) /* no tick, no end of a quantum in between */
        {
            KeSetEvent(&Event, IO_NO_INCREMENT, FALSE);
            KtTrace('m');
        }
        KtEndWaiter(&Waiter);
        CHECK_TRACE("mT");
    }
}

PARALLEL_ROUTINE(SetFromAfar)
{
    if (Processor == 1)
        KeSetEvent(&Event, IO_NO_INCREMENT, FALSE);
}

/* A wake-up by another processor preempts a busy one. */
TEST_ON(2, T_THREAD_2_other_processor)
{
    StartHigh(KT_ABOVE, 'T');
    KtStartOnOthers(SetFromAfar, NULL);
    CHECK(KtSpinUntil(&Waiter.Done, 1)); /* this thread never sleeps */
    KtJoin();
    KtEndWaiter(&Waiter);
}

/* ---- priorities ---- */

TEST(T_KeSetPriorityThread_1__T_THREAD_1_values)
{
    PKTHREAD me = KeGetCurrentThread();

    CHECK_EQUAL(LOW_PRIORITY, 0);
    CHECK_EQUAL(LOW_REALTIME_PRIORITY, 16);
    CHECK_EQUAL(HIGH_PRIORITY, 31);
    CHECK_EQUAL(KeQueryPriorityThread(me), 8);
    CHECK_EQUAL(KeSetPriorityThread(me, 13), 8);
    CHECK_EQUAL(KeQueryPriorityThread(me), 13);
    CHECK_EQUAL(KeSetPriorityThread(me, HIGH_PRIORITY), 13);
    CHECK_EQUAL(KeSetPriorityThread(me, 8), HIGH_PRIORITY);
    CHECK_EQUAL(KeQueryPriorityThread(me), 8);
}

TEST(T_KeSetPriorityThread_1_base)
{
    PKTHREAD me = KeGetCurrentThread();

    CHECK_EQUAL(KeSetBasePriorityThread(me, 2), 0);
    CHECK_EQUAL(KeQueryPriorityThread(me), 10);
    CHECK_EQUAL(KeSetBasePriorityThread(me, -2), 2);
    CHECK_EQUAL(KeQueryPriorityThread(me), 6);
    CHECK_EQUAL((LONG)KeSetBasePriorityThread(me, 0), -2);
    CHECK_EQUAL(KeQueryPriorityThread(me), 8);
}

/* Lowering oneself below a ready thread switches at once. */
TEST(T_KeSetPriorityThread_1_lower)
{
    StartHigh(9, 'T');
    KeSetPriorityThread(KeGetCurrentThread(), 12);
    KeSetEvent(&Event, IO_NO_INCREMENT, FALSE);
    KtTrace('m');
    KeSetPriorityThread(KeGetCurrentThread(), 8);
    KtTrace('n');
    CHECK_TRACE("mTn");
    KtEndWaiter(&Waiter);
}

/* Raising a ready thread makes it preempt; lowering it keeps it away. */
TEST(T_KeSetPriorityThread_1_ready)
{
    StartHigh(9, 'T');
    KeSetPriorityThread(KeGetCurrentThread(), 12);
    KeSetEvent(&Event, IO_NO_INCREMENT, FALSE);
    KtTrace('m');
    CHECK_EQUAL(KeSetPriorityThread(Waiter.Thread.Object, 14), 9);
    KtTrace('n');
    KeSetPriorityThread(KeGetCurrentThread(), 8);
    CHECK_TRACE("mTn");
    KtEndWaiter(&Waiter);
}

/* A waiting thread has the new priority when it wakes. */
TEST(T_KeSetPriorityThread_1_waiting)
{
    StartHigh(7, 'T');
    KeSetPriorityThread(Waiter.Thread.Object, 20);
    KeSetEvent(&Event, IO_NO_INCREMENT, FALSE);
    KtTrace('m');
    CHECK_TRACE("Tm");
    KtEndWaiter(&Waiter);
}

/* ---- time slices ---- */

static volatile LONG64 Work[2];
static volatile LONG Alternations, Latest;
static KEVENT Begin;
static ULONG64 BusyTime;
static LONG Enough; /* alternations, for which a busy host, which loses ticks, gets more time */

/* Counts how often the other one has worked since this one has. */
ROUTINE(BeBusy)
{
    LONG me = (LONG)(LONG_PTR)Context;

    KtWait(&Begin, KT_PATIENCE);
    for (ULONG64 start = KtNow(), now = start;
         now - start < BusyTime || (Alternations < Enough && now - start < KT_PATIENCE);
         Work[me]++, now = KtNow()) {
        if (Latest != me) {
            Latest = me;
            InterlockedIncrement(&Alternations);
        }
    }
}

static VOID RunTwo(KPRIORITY First, KPRIORITY Second, ULONG64 Time, LONG Alternate)
{
    KT_THREAD threads[2];

    Enough = Alternate;
    Work[0] = Work[1] = 0;
    Alternations = 0;
    Latest = 0;
    BusyTime = Time;
    KeInitializeEvent(&Begin, NotificationEvent, FALSE);
    KtStartThread(&threads[0], 0, First, BeBusy, (PVOID)0);
    KtStartThread(&threads[1], 0, Second, BeBusy, (PVOID)1);
    KtAwaitWait(threads[0].Object, &Begin);
    KtAwaitWait(threads[1].Object, &Begin);
    KeSetEvent(&Begin, IO_NO_INCREMENT, FALSE);
    KtEndThread(&threads[0]);
    KtEndThread(&threads[1]);
}

TEST(T_THREAD_1_variable_round_robin)
{
    RunTwo(9, 9, MILLISECONDS(600), 4);
    CHECK_AT_LEAST(Alternations, 4);
    CHECK(Work[0] && Work[1]);
}

TEST(T_THREAD_1_realtime_round_robin)
{
    RunTwo(LOW_REALTIME_PRIORITY, LOW_REALTIME_PRIORITY, MILLISECONDS(600), 4);
    CHECK_AT_LEAST(Alternations, 4);
}

/* Until it blocks, nobody below gets the processor. */
TEST(T_THREAD_1_realtime_starves)
{
    RunTwo(HIGH_PRIORITY, 10, MILLISECONDS(300), 0);
    CHECK(Alternations <= 2);
    CHECK(Work[0]);
}

static volatile LONG Stop;
static volatile LONG64 Progress;

ROUTINE(CountOn)
{
    UNREFERENCED_PARAMETER(Context);
    while (!Stop)
        Progress++;
}

/* The exact form: while the real-time thread is busy, the normal one does nothing. */
TEST(T_THREAD_1_starvation_exact)
{
    KT_THREAD normal;
    LONG64 before, after;

    Stop = 0;
    Progress = 0;
    KeSetPriorityThread(KeGetCurrentThread(), LOW_REALTIME_PRIORITY);
    KtStartThread(&normal, 0, 8, CountOn, NULL); /* sleeps: it comes to its loop */
    KiSleep(A_WHILE);
    before = Progress;
    KtStall(MILLISECONDS(200));
    after = Progress;
    KiSleep(A_WHILE);
    CHECK(Progress > after);
    Stop = 1;
    CHECK_EQUAL(after, before);
    KtEndThread(&normal);
    KeSetPriorityThread(KeGetCurrentThread(), 8);
}

/* ---- several processors ---- */

static volatile LONG Arrived;

/* At DISPATCH_LEVEL nobody else can run here: all arrive only if each has its own processor. */
ROUTINE(OccupyOne)
{
    UNREFERENCED_PARAMETER(Context);
    AT_IRQL(DISPATCH_LEVEL)
    {
        InterlockedIncrement(&Arrived);
        CHECK(KtSpinUntil(&Arrived, (LONG)KtProcessors()));
    }
}

ROUTINE(OccupyAfterGate)
{
    KtWait(&Begin, KT_PATIENCE);
    OccupyOne(Context);
}

/* As many threads as processors: all run at the same time. */
TEST_ON(2, T_DISP_2_all_processors)
{
    static KT_THREAD threads[MAXIMUM_PROCESSORS];
    ULONG count = KtProcessors();

    Arrived = 0;
    KeInitializeEvent(&Begin, NotificationEvent, FALSE);
    for (ULONG i = 0; i < count; i++) {
        KtStartThread(&threads[i], KT_ANY_PROCESSOR, KT_ABOVE, OccupyAfterGate, NULL);
        KtAwaitWait(threads[i].Object, &Begin);
    }
    KeSetEvent(&Begin, IO_NO_INCREMENT, FALSE);
    for (ULONG i = 0; i < count; i++)
        KtEndThread(&threads[i]);
    CHECK_EQUAL(Arrived, count);
}

ROUTINE(CountOnFromZero)
{
    UNREFERENCED_PARAMETER(Context);
    KeRevertToUserAffinityThreadEx(0); /* begins on processor 0, may go anywhere */
    InterlockedExchange(&Arrived, 1);
    while (!Stop)
        Progress++;
}

/* A preempted thread goes on elsewhere if a processor is idle. */
TEST_ON(2, T_DISP_2_preempted_moves)
{
    KT_THREAD thread;
    LONG64 before;

    Stop = 0;
    Progress = 0;
    Arrived = 0;
    KtStartThread(&thread, 0, 7, CountOnFromZero, NULL);
    CHECK(KtSleepUntil(&Arrived, 1)); /* this thread, of priority 8, takes processor 0 again */
    for (ULONG round = 0; round < 3; round++) {
        before = Progress;
        for (ULONG64 start = KtNow(); Progress == before && KtNow() - start < KT_PATIENCE;)
            ArchPause(); /* busy here: the other one has to be elsewhere */
        CHECK(Progress > before);
        KiSleep(MILLISECONDS(2));
    }
    Stop = 1;
    KtEndThread(&thread);
}

/* ---- affinity ---- */

static ULONG Here(VOID)
{
    return KeGetCurrentProcessorIndex();
}

ROUTINE(Wander)
{
    KAFFINITY all = KeQueryActiveProcessors();
    ULONG count = KtProcessors();

    UNREFERENCED_PARAMETER(Context);
    CHECK_EQUAL(KeSetSystemAffinityThreadEx(1), 0);
    CHECK_EQUAL(Here(), 0);
    for (ULONG i = 0; i < 4 * count; i++) {
        ULONG before = i ? (i - 1) % count : 0;
        CHECK_EQUAL(KeSetSystemAffinityThreadEx((KAFFINITY)1 << (i % count)),
                    (KAFFINITY)1 << before);
        CHECK_EQUAL(Here(), i % count);
        KiSleep(1);
        CHECK_EQUAL(Here(), i % count);
    }
    /* No processor that exists: no effect. */
    KAFFINITY current = (KAFFINITY)1 << ((4 * count - 1) % count);
    if (~all) {
        KeSetSystemAffinityThreadEx(~all);
        CHECK_EQUAL(KeSetSystemAffinityThreadEx(0), current);
        CHECK_EQUAL(Here(), (4 * count - 1) % count);
    }
    KeRevertToUserAffinityThreadEx(0);
    CHECK_EQUAL(KeSetSystemAffinityThreadEx(all), 0);
    KeRevertToUserAffinityThreadEx(0);
}

TEST(T_AFF_1)
{
    KT_THREAD thread;

    KtStartThread(&thread, KT_ANY_PROCESSOR, KT_ABOVE, Wander, NULL);
    KtEndThread(&thread);
}

ROUTINE(MoveAtDispatch)
{
    UNREFERENCED_PARAMETER(Context);
    for (ULONG i = 0; i < 20; i++) {
        ULONG from = i % 2, to = 1 - from;

        KeSetSystemAffinityThreadEx((KAFFINITY)1 << from);
        CHECK_EQUAL(Here(), from);
        AT_IRQL(APC_LEVEL)
        {
            AT_IRQL(DISPATCH_LEVEL)
            {
                KeSetSystemAffinityThreadEx((KAFFINITY)1 << to);
                CHECK_EQUAL(Here(), from); /* put off */
            }
            CHECK_EQUAL(Here(), to); /* moved when the IRQL fell */
            KeSetSystemAffinityThreadEx((KAFFINITY)1 << from);
            CHECK_EQUAL(Here(), from); /* at APC_LEVEL at once */
        }
    }
    KeRevertToUserAffinityThreadEx(0);
}

TEST_ON(2, T_AFF_1_dispatch_level)
{
    KT_THREAD thread;

    KtStartThread(&thread, KT_ANY_PROCESSOR, KT_ABOVE, MoveAtDispatch, NULL);
    KtEndThread(&thread);
}

/* The thread moves although the other processor is busy with an equal one. */
TEST_ON(2, T_AFF_1_busy_target)
{
    KT_THREAD busy, mover;

    Stop = 0;
    KtStartThread(&busy, 1, 8, CountOn, NULL);
    KtStartThread(&mover, KT_ANY_PROCESSOR, 8, MoveAtDispatch, NULL);
    KtEndThread(&mover);
    Stop = 1;
    KtEndThread(&busy);
}

/* Raised from another processor, a running thread stays in front of one that stands by. */
static volatile LONG Holding, LetGo;

ROUTINE(HoldProcessorOne)
{
    UNREFERENCED_PARAMETER(Context);
    AT_IRQL(DISPATCH_LEVEL)
    {
        InterlockedExchange(&Holding, 1);
        CHECK(KtSpinUntil(&LetGo, 1));
    }
    KtTrace('r');
}

TEST_ON(2, T_DISP_2_raised_while_other_stands_by)
{
    KT_THREAD running;

    Holding = LetGo = 0;
    memset(&Waiter, 0, sizeof(Waiter));
    KeInitializeEvent(&Event, SynchronizationEvent, FALSE);
    KtStartWaiter(&Waiter, 1, 10, &Event, FOR_EVER, 's');
    KtStartThread(&running, 1, KT_ABOVE, HoldProcessorOne, NULL);
    CHECK(KtSleepUntil(&Holding, 1));
    KeSetEvent(&Event, IO_NO_INCREMENT, FALSE); /* stands by on processor 1 */
    KeSetPriorityThread(running.Object, 15);    /* ... whose thread is the better one now */
    InterlockedExchange(&LetGo, 1);
    KtEndThread(&running);
    KtEndWaiter(&Waiter);
    CHECK_TRACE("rs");
}
