/* Threaded DPCs: dpc.md. With the option threadeddpc=off they are ordinary ones. */
#define SUITE "threadeddpc"
#include "thread_tool.h"

static KT_PROBE Probe;
static KDPC Dpcs[4];

static BOOLEAN IsOff(VOID)
{
    PCSTR option = KiGetOption("threadeddpc");

    return option && strcmp(option, "off") == 0;
}

static KIRQL ExpectedIrql(VOID)
{
    return IsOff() ? DISPATCH_LEVEL : PASSIVE_LEVEL;
}

static VOID Prepare(VOID)
{
    KtPrepareProbe(&Probe);
    KtPoison(&Probe.Dpc);
    KeInitializeThreadedDpc(&Probe.Dpc, KtProbeRoutine, &Probe);
}

TEST(T_TDPC_1__T_KDEFERRED_1__T_KDEFERRED_2__T_KDEFERRED_4)
{
    for (ULONG processor = 0; processor < KtProcessors(); processor++) {
        Prepare();
        KeSetTargetProcessorDpc(&Probe.Dpc, (CCHAR)processor);
        CHECK(KeInsertQueueDpc(&Probe.Dpc, &Dpcs, &Probe));
        CHECK(KtSleepUntil(&Probe.Runs, 1));
        CHECK_EQUAL(Probe.Irql, ExpectedIrql());
        CHECK_EQUAL(Probe.Processor, processor);
        CHECK(Probe.RunDpc == &Probe.Dpc);
        CHECK(Probe.Argument1 == &Dpcs && Probe.Argument2 == &Probe);
        CHECK(Probe.Interruptible);
        CHECK_EQUAL(Probe.ExecutingDpc, IsOff());
        KiSleep(A_WHILE);
        CHECK_EQUAL(Probe.Runs, 1);
    }
}

TEST(T_KeInitializeThreadedDpc_1__S_60__S_69)
{
    KtPrepareProbe(&Probe);
    AT_IRQL(HIGH_LEVEL)
    {
        KtPoison(&Probe.Dpc);
        KeInitializeThreadedDpc(&Probe.Dpc, KtProbeRoutine, &Probe);
    }
    CHECK(!KeRemoveQueueDpc(&Probe.Dpc));
    KiSleep(A_WHILE);
    CHECK_EQUAL(Probe.Runs, 0);
}

static PKTHREAD Runner;
static volatile LONG Runs;

DPC_ROUTINE(SeeThread)
{
    Runner = KeGetCurrentThread();
    InterlockedIncrement(&Runs);
}

/* A thread of its own for each processor, a real-time one. */
TEST(T_TDPC_1_thread__S_56__S_70)
{
    PKTHREAD earlier = NULL;

    if (IsOff()) {
        KtSkip("threaded DPCs are off");
        return;
    }
    for (ULONG processor = 0; processor < KtProcessors(); processor++) {
        Runs = 0;
        KeInitializeThreadedDpc(&Dpcs[0], SeeThread, NULL);
        KeSetTargetProcessorDpc(&Dpcs[0], (CCHAR)processor);
        KeInsertQueueDpc(&Dpcs[0], NULL, NULL);
        CHECK(KtSleepUntil(&Runs, 1));
        CHECK(Runner != KeGetCurrentThread() && Runner != earlier);
        CHECK_AT_LEAST(KeQueryPriorityThread(Runner), LOW_REALTIME_PRIORITY);
        earlier = Runner;
    }
}

/* Above DISPATCH_LEVEL too; nothing runs before the IRQL has fallen. */
TEST(T_TDPC_5_high_level__T_KeInsertQueueDpc_5)
{
    Prepare();
    AT_IRQL(HIGH_LEVEL)
    {
        CHECK(KeInsertQueueDpc(&Probe.Dpc, NULL, NULL));
        CHECK(!KeInsertQueueDpc(&Probe.Dpc, NULL, NULL));
        CHECK_EQUAL(Probe.Runs, 0);
        CHECK_IRQL(HIGH_LEVEL);
    }
    CHECK_EQUAL(Probe.Runs, 1); /* it is above this thread */
}

DPC_ROUTINE(TraceOrdinary)
{
    KtTrace('o');
}

DPC_ROUTINE(InsertOrdinary)
{
    KtTrace('(');
    KeInsertQueueDpc(&Dpcs[1], NULL, NULL);
    KtTrace(')');
}

/* An ordinary DPC runs in the middle of a threaded one, but not of an ordinary one. */
TEST(T_TDPC_2)
{
    KeInitializeDpc(&Dpcs[1], TraceOrdinary, NULL);
    KeInitializeThreadedDpc(&Dpcs[0], InsertOrdinary, NULL);
    KeInsertQueueDpc(&Dpcs[0], NULL, NULL);
    CHECK_TRACE(IsOff() ? "()o" : "(o)");
}

DPC_ROUTINE(TraceName)
{
    KtTrace(*(PCHAR)Context);
}

static VOID PrepareFour(VOID)
{
    static CHAR names[] = "abcd";

    for (ULONG i = 0; i < 4; i++) {
        KtPoison(&Dpcs[i]);
        KeInitializeThreadedDpc(&Dpcs[i], TraceName, &names[i]);
    }
}

/* Only HighImportance goes to the head. */
TEST(T_TDPC_4)
{
    PrepareFour();
    KeSetImportanceDpc(&Dpcs[1], LowImportance);
    KeSetImportanceDpc(&Dpcs[2], MediumHighImportance);
    KeSetImportanceDpc(&Dpcs[3], HighImportance);
    AT_IRQL(DISPATCH_LEVEL)
    {
        for (ULONG i = 0; i < 4; i++)
            CHECK(KeInsertQueueDpc(&Dpcs[i], NULL, NULL));
    }
    KeFlushQueuedDpcs();
    CHECK_TRACE("dabc");
}

/* Importance has no say in when the queue is looked at. */
TEST(T_TDPC_4_when)
{
    if (IsOff()) {
        KtSkip("threaded DPCs are off");
        return;
    }
    PrepareFour();
    for (ULONG i = 0; i < 4; i++) {
        KeSetImportanceDpc(&Dpcs[i], (KDPC_IMPORTANCE)i);
        KeInsertQueueDpc(&Dpcs[i], NULL, NULL);
        KtTrace('.');
    }
    CHECK_TRACE("a.b.c.d.");
}

TEST(T_TDPC_5__T_KeRemoveQueueDpc_3)
{
    Prepare();
    AT_IRQL(DISPATCH_LEVEL)
    {
        CHECK(KeInsertQueueDpc(&Probe.Dpc, NULL, NULL));
        CHECK(KeRemoveQueueDpc(&Probe.Dpc));
        CHECK(!KeRemoveQueueDpc(&Probe.Dpc));
    }
    KiSleep(A_WHILE);
    CHECK_EQUAL(Probe.Runs, 0);
    CHECK(KeInsertQueueDpc(&Probe.Dpc, NULL, NULL));
    KeFlushQueuedDpcs();
    CHECK_EQUAL(Probe.Runs, 1);
    CHECK(!KeRemoveQueueDpc(&Probe.Dpc));
}

/* The arguments of the insertion that counts. */
TEST(T_TDPC_5_twice__T_KeInsertQueueDpc_2)
{
    Prepare();
    AT_IRQL(DISPATCH_LEVEL)
    {
        CHECK(KeInsertQueueDpc(&Probe.Dpc, (PVOID)1, (PVOID)2));
        CHECK(!KeInsertQueueDpc(&Probe.Dpc, (PVOID)3, (PVOID)4));
    }
    KeFlushQueuedDpcs();
    CHECK_EQUAL(Probe.Runs, 1);
    CHECK(Probe.Argument1 == (PVOID)1 && Probe.Argument2 == (PVOID)2);
}

static LONG Nested, Deepest;

DPC_ROUTINE(InsertAgain)
{
    if (++Nested > Deepest)
        Deepest = Nested;
    if (Runs < 9)
        CHECK(KeInsertQueueDpc(Dpc, NULL, NULL));
    Nested--;
    InterlockedIncrement(&Runs);
}

TEST(T_TDPC_5_again__T_KeInsertQueueDpc_4)
{
    Runs = 0;
    Nested = Deepest = 0;
    KeInitializeThreadedDpc(&Dpcs[0], InsertAgain, NULL);
    CHECK(KeInsertQueueDpc(&Dpcs[0], NULL, NULL));
    CHECK(KtSleepUntil(&Runs, 10));
    CHECK_EQUAL(Deepest, 1);
}

DPC_ROUTINE(Dawdle)
{
    KtStall(MILLISECONDS(5));
    InterlockedIncrement(&Runs);
}

/* Those queued before the flush have ended after it, on all processors. */
TEST(T_KeFlushQueuedDpcs_1)
{
    static KDPC dpcs[MAXIMUM_PROCESSORS];
    ULONG count = KtProcessors();

    Runs = 0;
    for (ULONG i = 0; i < count; i++) {
        KeInitializeThreadedDpc(&dpcs[i], Dawdle, NULL);
        KeSetTargetProcessorDpc(&dpcs[i], (CCHAR)i);
        CHECK(KeInsertQueueDpc(&dpcs[i], NULL, NULL));
    }
    KeFlushQueuedDpcs();
    CHECK_EQUAL(Runs, count);
}

TEST(T_KeSetTimer_8)
{
    Prepare();
    ULONG64 due = KtNow() + MILLISECONDS(3);
    KtSetProbe(&Probe, KtIn(MILLISECONDS(3)), 0);
    CHECK(KtSleepUntil(&Probe.Runs, 1));
    CHECK_EQUAL(Probe.Irql, ExpectedIrql());
    CHECK_AWAKE_ON_TIME(Probe.When, due);
    KeFlushQueuedDpcs();
}

static KSPIN_LOCK Lock;
static KIRQL Inside, After;

DPC_ROUTINE(LockForDpc)
{
    KIRQL oldIrql = KeAcquireSpinLockForDpc(&Lock);

    Inside = KeGetCurrentIrql();
    KeReleaseSpinLockForDpc(&Lock, oldIrql);
    After = KeGetCurrentIrql();
    InterlockedIncrement(&Runs);
}

/* The lock form that fits both kinds. */
TEST(T_TDPC_3_lock_forms__T_SLFORDPC_1)
{
    KeInitializeSpinLock(&Lock);
    for (ULONG threaded = 0; threaded < 2; threaded++) {
        Runs = 0;
        if (threaded)
            KeInitializeThreadedDpc(&Dpcs[0], LockForDpc, NULL);
        else
            KeInitializeDpc(&Dpcs[0], LockForDpc, NULL);
        KeInsertQueueDpc(&Dpcs[0], NULL, NULL);
        KeFlushQueuedDpcs();
        CHECK_EQUAL(Runs, 1);
        CHECK_EQUAL(Inside, DISPATCH_LEVEL);
        CHECK_EQUAL(After, threaded ? ExpectedIrql() : DISPATCH_LEVEL);
    }
}

/* What a threaded DPC may do for a thread: set an event. */
static KEVENT Event;

DPC_ROUTINE(SetEvent)
{
    KeSetEvent(&Event, IO_NO_INCREMENT, FALSE);
}

TEST(T_DISP_3_threaded)
{
    KeInitializeEvent(&Event, SynchronizationEvent, FALSE);
    KeInitializeThreadedDpc(&Dpcs[0], SetEvent, NULL);
    for (ULONG i = 0; i < 50; i++) {
        KeSetTargetProcessorDpc(&Dpcs[0], (CCHAR)(i % KtProcessors()));
        CHECK(KeInsertQueueDpc(&Dpcs[0], NULL, NULL));
        CHECK_EQUAL(KtWait(&Event, KT_PATIENCE), STATUS_SUCCESS);
        KeFlushQueuedDpcs();
    }
}

static volatile LONG Inserted;

PARALLEL_ROUTINE(InsertMany)
{
    for (ULONG i = 0; i < 2000; i++) {
        if (KeInsertQueueDpc(&Dpcs[i % 4], NULL, NULL))
            InterlockedIncrement(&Inserted);
        KtJitter(200);
    }
}

DPC_ROUTINE(CountRun)
{
    InterlockedIncrement(&Runs);
}

/* One run for each insertion that said TRUE, from all processors. */
TEST(T_TDPC_5_race__T_KeInsertQueueDpc_3)
{
    Runs = Inserted = 0;
    for (ULONG i = 0; i < 4; i++)
        KeInitializeThreadedDpc(&Dpcs[i], CountRun, NULL);
    KtRunOnAll(InsertMany, NULL);
    KeFlushQueuedDpcs();
    CHECK_EQUAL(Runs, Inserted);
    CHECK(Runs > 0);
}
