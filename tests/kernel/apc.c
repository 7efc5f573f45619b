/* Kernel APCs: when they run, where, in which order. dispatcher.md, APC control. */
#define SUITE "apc"
#include "apc_tool.h"

static KT_APC Special, Normal;

static VOID PrepareBoth(VOID)
{
    KtPrepareApc(&Special, KeGetCurrentThread(), 's', 0);
    KtPrepareApc(&Normal, KeGetCurrentThread(), 'k', 'n');
    KtTraceReset();
}

TEST(T_APC_4_special)
{
    PrepareBoth();
    CHECK(KtQueueApc(&Special));
    CHECK_TRACE("s"); /* before the call returned */
    CHECK_EQUAL(Special.KernelIrql, APC_LEVEL);
    CHECK(Special.RunThread == KeGetCurrentThread());
    CHECK(!Special.Apc.Inserted);
    CHECK_IRQL(PASSIVE_LEVEL);
}

TEST(T_APC_4_normal)
{
    PrepareBoth();
    CHECK(KtQueueApc(&Normal));
    CHECK_TRACE("kn");
    CHECK_EQUAL(Normal.KernelIrql, APC_LEVEL);
    CHECK_EQUAL(Normal.NormalIrql, PASSIVE_LEVEL);
    CHECK(Normal.RunThread == KeGetCurrentThread());
    CHECK_EQUAL(Normal.Argument1, 0x11);
    CHECK_EQUAL(Normal.Argument2, 0x22);
    CHECK_IRQL(PASSIVE_LEVEL);
}

/* The APC is free when its kernel routine runs: it can be queued again there, or elsewhere. */
TEST(T_APC_4_again)
{
    PrepareBoth();
    for (ULONG i = 0; i < 3; i++) {
        CHECK(KtQueueApc(&Special));
        CHECK(KtQueueApc(&Normal));
    }
    CHECK_TRACE("sknsknskn");
}

static VOID DropNormal(PKAPC Apc, PKNORMAL_ROUTINE *NormalRoutine, PVOID *NormalContext,
                       PVOID *SystemArgument1, PVOID *SystemArgument2)
{
    CHECK(*NormalContext == &Normal);
    CHECK_EQUAL(*SystemArgument1, 0x11);
    CHECK_EQUAL(*SystemArgument2, 0x22);
    KtTrace('x');
    *NormalRoutine = NULL;
    memset(Apc, POISON, sizeof(*Apc)); /* nobody looks at it any more */
}

TEST(T_APC_4_kernel_routine_decides)
{
    PrepareBoth();
    Normal.Apc.KernelRoutine = DropNormal;
    CHECK(KtQueueApc(&Normal));
    CHECK_TRACE("x");
}

/* Lowering below APC_LEVEL delivers, by the hardware: after the DPCs. */
DPC_ROUTINE(TraceDpc)
{
    KtTrace('d');
}

TEST(T_APC_1_irql__T_APC_4__T_KeLowerIrql_4)
{
    KDPC dpc;

    PrepareBoth();
    KeInitializeDpc(&dpc, TraceDpc, NULL);
    AT_IRQL(APC_LEVEL)
    {
        AT_IRQL(DISPATCH_LEVEL)
        {
            KtQueueApc(&Normal);
            KtQueueApc(&Special);
            KeInsertQueueDpc(&dpc, NULL, NULL);
            KtTrace('2');
        }
        KtTrace('1');
    }
    CHECK_TRACE("2d1skn");
}

TEST(T_APC_1_critical_region)
{
    PrepareBoth();
    KeEnterCriticalRegion();
    KeEnterCriticalRegion();
    CHECK(KtQueueApc(&Normal));
    CHECK(KtQueueApc(&Special));
    KtTrace('2');
    KeLeaveCriticalRegion();
    KtTrace('1');
    KeLeaveCriticalRegion();
    KtTrace('0');
    CHECK_TRACE("s21kn0");
}

TEST(T_APC_1_guarded_region)
{
    PrepareBoth();
    KeEnterGuardedRegion();
    KeEnterCriticalRegion();
    KtQueueApc(&Normal);
    KtQueueApc(&Special);
    KtTrace('2');
    KeLeaveGuardedRegion();
    KtTrace('1');
    KeLeaveCriticalRegion();
    KtTrace('0');
    CHECK_TRACE("2s1kn0");
}

/* A region that is left at APC_LEVEL lets nothing through before the IRQL falls. */
TEST(T_APC_1_leave_at_apc_level)
{
    PrepareBoth();
    AT_IRQL(APC_LEVEL)
    {
        KeEnterCriticalRegion();
        KtQueueApc(&Normal);
        KeLeaveCriticalRegion();
        KtTrace('a');
    }
    CHECK_TRACE("akn");
}

TEST(T_KMUTEX_4_apcs__T_APC_1_mutex)
{
    KMUTEX mutex;

    PrepareBoth();
    KeInitializeMutex(&mutex, 0);
    CHECK_EQUAL(KtWait(&mutex, KT_PATIENCE), STATUS_SUCCESS);
    KtQueueApc(&Normal);
    KtQueueApc(&Special);
    KtTrace('m');
    KeReleaseMutex(&mutex, FALSE);
    KtTrace('f');
    CHECK_TRACE("smknf");
}

TEST(T_GM_1_apcs__T_FM_1_apcs)
{
    FAST_MUTEX fast;
    KGUARDED_MUTEX guarded;

    PrepareBoth();
    ExInitializeFastMutex(&fast);
    KeInitializeGuardedMutex(&guarded);
    ExAcquireFastMutex(&fast);
    KtQueueApc(&Special);
    KtTrace('m');
    ExReleaseFastMutex(&fast);
    KeAcquireGuardedMutex(&guarded);
    KtQueueApc(&Special);
    KtTrace('g');
    KeReleaseGuardedMutex(&guarded);
    CHECK_TRACE("msgs");
}

/* ---- order ---- */

TEST(T_APC_4_order)
{
    KT_APC apcs[4];

    KtTraceReset();
    KtPrepareApc(&apcs[0], KeGetCurrentThread(), 'a', 'A');
    KtPrepareApc(&apcs[1], KeGetCurrentThread(), 'b', 0);
    KtPrepareApc(&apcs[2], KeGetCurrentThread(), 'c', 'C');
    KtPrepareApc(&apcs[3], KeGetCurrentThread(), 'd', 0);
    AT_IRQL(APC_LEVEL)
    {
        for (ULONG i = 0; i < 4; i++)
            CHECK(KtQueueApc(&apcs[i]));
    }
    CHECK_TRACE("bdaAcC"); /* special ones first, each kind in the order of queuing */
}

static VOID QueueBoth(PVOID Context, PVOID Argument1, PVOID Argument2)
{
    UNREFERENCED_PARAMETER(Context);
    UNREFERENCED_PARAMETER(Argument1);
    UNREFERENCED_PARAMETER(Argument2);
    KtQueueApc(&Normal);
    KtTrace('(');
    KtQueueApc(&Special);
    KeEnterCriticalRegion();
    KeLeaveCriticalRegion(); /* no chance for the next one here either */
    KtTrace(')');
}

/* A special APC interrupts a normal routine; another normal one comes after it. */
TEST(T_APC_4_nesting)
{
    KT_APC outer;

    PrepareBoth();
    KtPrepareApc(&outer, KeGetCurrentThread(), 'o', 'O');
    outer.Apc.NormalRoutine = QueueBoth;
    KtQueueApc(&outer);
    CHECK_TRACE("o(s)kn");
}

/* ---- queuing and taking back ---- */

TEST(T_APC_4_insert_twice__T_APC_4_remove)
{
    PrepareBoth();
    CHECK(!KeRemoveQueueApc(&Normal.Apc));
    KeEnterCriticalRegion();
    CHECK(KtQueueApc(&Normal));
    CHECK(!KtQueueApc(&Normal));
    CHECK(Normal.Apc.Inserted);
    CHECK(KeRemoveQueueApc(&Normal.Apc));
    CHECK(!KeRemoveQueueApc(&Normal.Apc));
    KeLeaveCriticalRegion();
    CHECK_TRACE("");
    CHECK(KtQueueApc(&Normal));
    CHECK_TRACE("kn");
}

/* There is no user mode to deliver one to. */
TEST(T_WAIT_10_user_apc)
{
    PrepareBoth();
    Normal.Apc.ApcMode = UserMode;
    CHECK(!KtQueueApc(&Normal));
    CHECK(!Normal.Apc.Inserted);
    CHECK_TRACE("");
}

/* ---- another thread ---- */

static volatile LONG Stop;

ROUTINE(Spin)
{
    KeLeaveCriticalRegion();
    while (!Stop)
        ArchPause();
    KeEnterCriticalRegion();
}

/* It runs on another processor, and never sleeps. */
TEST_ON(2, T_APC_4_other_processor)
{
    KT_THREAD thread;

    Stop = 0;
    if (!KtStartThread(&thread, 1, KT_ABOVE, Spin, NULL))
        return;
    KtPrepareApc(&Normal, thread.Object, 'k', 'n');
    KtPrepareApc(&Special, thread.Object, 's', 0);
    KtTraceReset();
    CHECK(KtQueueApc(&Normal));
    CHECK(KtSleepUntil(&Normal.NormalRuns, 1));
    CHECK(KtQueueApc(&Special));
    CHECK(KtSleepUntil(&Special.KernelRuns, 1));
    CHECK_TRACE("kns");
    CHECK(Normal.RunThread == thread.Object);
    CHECK_EQUAL(Normal.Processor, 1);
    Stop = 1;
    KtEndThread(&thread);
}

ROUTINE(SpinAndTrace)
{
    KtTrace('b');
    while (!Stop)
        ArchPause();
    KtTrace('e');
}

/* It is ready, and has the APC when the processor comes back to it, before it goes on. */
TEST(T_APC_4_ready)
{
    KT_THREAD thread;
    PKTHREAD me = KeGetCurrentThread();

    Stop = 0;
    KtTraceReset();
    KeSetPriorityThread(me, 12);
    if (!KtStartThread(&thread, 0, KT_ABOVE, SpinAndTrace, NULL))
        return;
    KiSleep(MILLISECONDS(1)); /* it gets to its loop */
    KtPrepareApc(&Special, thread.Object, 's', 0);
    CHECK(KtQueueApc(&Special));
    KtTrace('m');
    Stop = 1;
    KtEndThread(&thread);
    KeSetPriorityThread(me, 8);
    CHECK_TRACE("bmse");
    CHECK(Special.RunThread == thread.Object);
}

/* ---- the end of a thread ---- */

static KEVENT Gate;

ROUTINE(AwaitGate)
{
    KtWait(&Gate, KT_PATIENCE);
    KtTrace('e');
}

/* What its regions have kept away is run down in its context; what comes later is refused. */
TEST(T_APC_5)
{
    KT_THREAD thread;
    KT_APC orphan;

    KtTraceReset();
    KeInitializeEvent(&Gate, NotificationEvent, FALSE);
    if (!KtStartThread(&thread, KT_ANY_PROCESSOR, KT_ABOVE, AwaitGate, NULL))
        return;
    PKTHREAD object = thread.Object;
    ObReferenceObject(object);
    KtPrepareApc(&Normal, object, 'k', 'n');
    KtPrepareApc(&Special, object, 's', 0);
    KtPrepareApc(&orphan, object, 'o', 'O');
    orphan.Apc.RundownRoutine = NULL;
    CHECK(KtQueueApc(&orphan));
    CHECK(KtQueueApc(&Normal)); /* a system thread is in a critical region */
    KeSetEvent(&Gate, IO_NO_INCREMENT, FALSE);
    KtEndThread(&thread);
    CHECK_TRACE("er");
    CHECK_EQUAL(Normal.RundownIrql, PASSIVE_LEVEL);
    CHECK(Normal.RunThread == object);
    CHECK(!Normal.Apc.Inserted);
    CHECK(!orphan.Apc.Inserted);
    CHECK(!KtQueueApc(&Normal));
    CHECK(!KtQueueApc(&Special));
    CHECK_TRACE("er");
    ObDereferenceObject(object);
}
