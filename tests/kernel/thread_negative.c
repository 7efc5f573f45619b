/* Errors of dispatcher.md and time.md: each ends in its bug check. */
#define SUITE "negative.thread"
#include "thread_tool.h"

static KEVENT Event;
static KMUTEX Mutex;
static KSEMAPHORE Semaphore;
static KTIMER Timer;
static LARGE_INTEGER Zero, Millisecond = {.QuadPart = -10000}, *NoTimeout;

static VOID Prepare(VOID)
{
    KeInitializeEvent(&Event, SynchronizationEvent, FALSE);
    KeInitializeMutex(&Mutex, 0);
    KeInitializeSemaphore(&Semaphore, 1, 2);
    KeInitializeTimer(&Timer);
}

static NTSTATUS WaitForEvent(PLARGE_INTEGER Timeout)
{
    return KeWaitForSingleObject(&Event, Executive, KernelMode, FALSE, Timeout);
}

/* ---- waits at raised IRQL ---- */

TEST(T_WAIT_IRQL_1_dispatch_level__T_IRQL_ERR_1)
{
    PVOID objects[2] = {&Event, &Semaphore};

    Prepare();
    KeResetEvent(&Event);
    AT_IRQL(DISPATCH_LEVEL)
    {
        EXPECT_BUGCHECK(0xC4, 0x121, ANY, &Event, 0)
        {
            WaitForEvent(NoTimeout);
        }
        EXPECT_BUGCHECK(0xC4, 0x122, ANY, &Event, &Millisecond)
        {
            WaitForEvent(&Millisecond);
        }
        EXPECT_BUGCHECK(0xC4, 0x121, ANY, ANY, 0)
        {
            KeWaitForMultipleObjects(2, objects, WaitAll, Executive, KernelMode, FALSE, NULL, NULL);
        }
        CHECK_EQUAL(WaitForEvent(&Zero), STATUS_TIMEOUT);
    }
}

/* Not even if the object is signaled: the rule is about the call. */
TEST(T_WAIT_IRQL_1_signaled)
{
    Prepare();
    KeSetEvent(&Event, IO_NO_INCREMENT, FALSE);
    AT_IRQL(DISPATCH_LEVEL)
    {
        EXPECT_BUGCHECK(0xC4, 0x121, ANY, &Event, 0)
        {
            WaitForEvent(NoTimeout);
        }
    }
}

TEST(T_WAIT_IRQL_1_above_dispatch__T_WAIT_IRQL_2)
{
    Prepare();
    AT_IRQL(CLOCK_LEVEL)
    {
        EXPECT_BUGCHECK(0xC4, 0x120, ANY, &Event, 0)
        {
            WaitForEvent(NoTimeout);
        }
        EXPECT_BUGCHECK(0xC4, 0x120, ANY, &Event, &Zero)
        {
            WaitForEvent(&Zero);
        }
    }
}

/* In a DPC: the switch that cannot be. */
DPC_ROUTINE(WaitInDpc)
{
    EXPECT_BUGCHECK(0xB8, KeGetCurrentThread(), ANY, ANY, ANY)
    {
        WaitForEvent(NoTimeout);
    }
    EXPECT_BUGCHECK(0xB8, KeGetCurrentThread(), ANY, ANY, ANY)
    {
        WaitForEvent(&Millisecond);
    }
    EXPECT_BUGCHECK(0xB8, KeGetCurrentThread(), ANY, ANY, ANY)
    {
        KeDelayExecutionThread(KernelMode, FALSE, &Millisecond);
    }
}

TEST(T_WAIT_IRQL_1_dpc__T_DPCQ_8__T_KeDelayExecutionThread_4_dpc)
{
    KDPC dpc;

    Prepare();
    KeInitializeDpc(&dpc, WaitInDpc, NULL);
    KeInsertQueueDpc(&dpc, NULL, NULL);
    KeFlushQueuedDpcs();
    CHECK_EQUAL(KtLastBugCheck()->Code, 0xB8);
}

TEST(T_KeDelayExecutionThread_4)
{
    AT_IRQL(DISPATCH_LEVEL)
    {
        EXPECT_BUGCHECK(ANY, ANY, ANY, ANY, ANY)
        {
            KeDelayExecutionThread(KernelMode, FALSE, &Millisecond);
        }
        EXPECT_BUGCHECK(ANY, ANY, ANY, ANY, ANY)
        {
            KeDelayExecutionThread(KernelMode, FALSE, &Zero);
        }
    }
}

/* ---- too many objects, objects of the wrong place ---- */

TEST(T_WAIT_7)
{
    static PVOID objects[MAXIMUM_WAIT_OBJECTS + 1];
    static KWAIT_BLOCK blocks[MAXIMUM_WAIT_OBJECTS + 1];

    Prepare();
    for (ULONG i = 0; i <= MAXIMUM_WAIT_OBJECTS; i++)
        objects[i] = &Event;
    EXPECT_BUGCHECK(0xC, ANY, ANY, ANY, ANY)
    {
        KeWaitForMultipleObjects(THREAD_WAIT_OBJECTS + 1, objects, WaitAny, Executive, KernelMode,
                                 FALSE, &Zero, NULL);
    }
    EXPECT_BUGCHECK(0xC, ANY, ANY, ANY, ANY)
    {
        KeWaitForMultipleObjects(MAXIMUM_WAIT_OBJECTS + 1, objects, WaitAny, Executive, KernelMode,
                                 FALSE, &Zero, blocks);
    }
    CHECK_EQUAL(KeWaitForMultipleObjects(MAXIMUM_WAIT_OBJECTS, objects, WaitAny, Executive,
                                         KernelMode, FALSE, &Zero, blocks),
                STATUS_TIMEOUT);
}

TEST(T_WAIT_9)
{
    KEVENT onStack;

    KeInitializeEvent(&onStack, NotificationEvent, TRUE);
    EXPECT_BUGCHECK(0xC4, 0x123, ANY, ANY, ANY)
    {
        KeWaitForSingleObject(&onStack, UserRequest, UserMode, FALSE, &Zero);
    }
    CHECK_EQUAL(KeWaitForSingleObject(&onStack, UserRequest, KernelMode, FALSE, &Zero),
                STATUS_SUCCESS);
}

/* ---- events and semaphores ---- */

TEST(T_KeSetEvent_4)
{
    Prepare();
    AT_IRQL(DISPATCH_LEVEL + 1)
    {
        EXPECT_BUGCHECK(0xC4, 0x80, DISPATCH_LEVEL + 1, &Event, ANY)
        {
            KeSetEvent(&Event, IO_NO_INCREMENT, FALSE);
        }
    }
    CHECK(!KeReadStateEvent(&Event));
    AT_IRQL(DISPATCH_LEVEL)
    {
        EXPECT_BUGCHECK(0xC4, ANY, DISPATCH_LEVEL, ANY, ANY) /* Wait = TRUE: <= APC_LEVEL */
        {
            KeSetEvent(&Event, IO_NO_INCREMENT, TRUE);
        }
    }
}

TEST(T_KeResetEvent_1_irql)
{
    Prepare();
    AT_IRQL(CLOCK_LEVEL)
    {
        EXPECT_BUGCHECK(0xC4, 0x20011, CLOCK_LEVEL, ANY, ANY)
        {
            KeResetEvent(&Event);
        }
        EXPECT_BUGCHECK(0xC4, 0x20011, CLOCK_LEVEL, ANY, ANY)
        {
            KeClearEvent(&Event);
        }
        EXPECT_BUGCHECK(0xC4, ANY, CLOCK_LEVEL, ANY, ANY)
        {
            KePulseEvent(&Event, IO_NO_INCREMENT, FALSE);
        }
        EXPECT_BUGCHECK(0xC4, 0x20011, CLOCK_LEVEL, ANY, ANY)
        {
            KeReleaseMutex(&Mutex, FALSE);
        }
        EXPECT_BUGCHECK(0xC4, ANY, CLOCK_LEVEL, ANY, ANY)
        {
            KeReleaseSemaphore(&Semaphore, IO_NO_INCREMENT, 1, FALSE);
        }
    }
}

TEST(T_KeReleaseSemaphore_2)
{
    Prepare();
    EXPECT_BUGCHECK(0x1E, (ULONG)STATUS_SEMAPHORE_LIMIT_EXCEEDED, ANY, ANY, ANY)
    {
        KeReleaseSemaphore(&Semaphore, IO_NO_INCREMENT, 2, FALSE);
    }
    CHECK_EQUAL((ULONG)STATUS_SEMAPHORE_LIMIT_EXCEEDED, 0xC0000047);
    CHECK_EQUAL(KeReadStateSemaphore(&Semaphore), 1);
    EXPECT_BUGCHECK(0x1E, (ULONG)STATUS_SEMAPHORE_LIMIT_EXCEEDED, ANY, ANY, ANY)
    {
        KeReleaseSemaphore(&Semaphore, IO_NO_INCREMENT, MAXLONG, FALSE);
    }
    CHECK_EQUAL(KeReleaseSemaphore(&Semaphore, IO_NO_INCREMENT, 1, FALSE), 1);
    CHECK_IRQL(PASSIVE_LEVEL);
}

/* ---- mutexes ---- */

TEST(T_KMUTEX_3)
{
    Prepare();
    EXPECT_BUGCHECK(0x1E, (ULONG)STATUS_MUTANT_NOT_OWNED, ANY, ANY, ANY)
    {
        KeReleaseMutex(&Mutex, FALSE); /* nobody's */
    }
    CHECK_EQUAL((ULONG)STATUS_MUTANT_NOT_OWNED, 0xC0000046);
    CHECK_EQUAL(KeReadStateMutex(&Mutex), 1);
    CHECK_EQUAL(KtTest(&Mutex), STATUS_SUCCESS);
    CHECK_EQUAL(KeReleaseMutex(&Mutex, FALSE), 0);
}

static volatile LONG Owned, Release;

ROUTINE(OwnForAWhile)
{
    UNREFERENCED_PARAMETER(Context);
    CHECK_EQUAL(KtTest(&Mutex), STATUS_SUCCESS);
    InterlockedExchange(&Owned, 1);
    CHECK(KtSleepUntil(&Release, 1));
    CHECK_EQUAL(KeReleaseMutex(&Mutex, FALSE), 0);
}

TEST(T_KMUTEX_3_other_owner)
{
    KT_THREAD thread;

    Prepare();
    Owned = Release = 0;
    KtStartThread(&thread, KT_ANY_PROCESSOR, 8, OwnForAWhile, NULL);
    CHECK(KtSleepUntil(&Owned, 1));
    EXPECT_BUGCHECK(0x1E, (ULONG)STATUS_MUTANT_NOT_OWNED, ANY, ANY, ANY)
    {
        KeReleaseMutex(&Mutex, FALSE);
    }
    InterlockedExchange(&Release, 1);
    KtEndThread(&thread);
    CHECK_EQUAL(KeReadStateMutex(&Mutex), 1);
}

/* As if it had been acquired so often. */
TEST(T_KMUTEX_3_limit)
{
    Prepare();
    CHECK_EQUAL(KtTest(&Mutex), STATUS_SUCCESS);
    Mutex.Header.SignalState = -MAXLONG - 1;
    EXPECT_BUGCHECK(0x1E, (ULONG)STATUS_MUTANT_LIMIT_EXCEEDED, ANY, ANY, ANY)
    {
        KtTest(&Mutex);
    }
    Mutex.Header.SignalState = 0;
    CHECK_EQUAL(KeReleaseMutex(&Mutex, FALSE), 0);
}

TEST(T_KMUTEX_5)
{
    volatile BOOLEAN raised = FALSE;

    Prepare();
    CHECK_EQUAL(KtTest(&Mutex), STATUS_SUCCESS);
    AT_IRQL(DISPATCH_LEVEL)
    {
        EXPECT_BUGCHECK(0x1E, ANY, ANY, ANY, ANY)
        {
            KeReleaseMutex(&Mutex, FALSE);
            raised = TRUE;
        }
    }
    if (!raised)
        KeReleaseMutex(&Mutex, FALSE);

    raised = FALSE;
    AT_IRQL(DISPATCH_LEVEL)
    CHECK_EQUAL(KtTest(&Mutex), STATUS_SUCCESS);
    EXPECT_BUGCHECK(0x1E, ANY, ANY, ANY, ANY)
    {
        KeReleaseMutex(&Mutex, FALSE);
        raised = TRUE;
    }
    if (!raised) {
        AT_IRQL(DISPATCH_LEVEL)
        KeReleaseMutex(&Mutex, FALSE);
    }
    CHECK_EQUAL(KeReadStateMutex(&Mutex), 1);
}

/* Runs on processor 0 all the time, as the expectation needs. */
ROUTINE(EndWithMutex)
{
    UNREFERENCED_PARAMETER(Context);
    CHECK_EQUAL(KtTest(&Mutex), STATUS_SUCCESS);
    EXPECT_BUGCHECK(0x4000008A, KeGetCurrentThread(), ANY, ANY, ANY)
    {
        PsTerminateSystemThread(STATUS_SUCCESS);
    }
    CHECK_EQUAL(KeReleaseMutex(&Mutex, FALSE), 0);
    CHECK_IRQL(PASSIVE_LEVEL);
}

TEST(T_KMUTEX_6)
{
    KT_THREAD thread;

    Prepare();
    KtStartThread(&thread, 0, KT_ABOVE, EndWithMutex, NULL);
    KtEndThread(&thread);
}

/* ---- regions ---- */

TEST(T_APC_3)
{
    EXPECT_BUGCHECK(0xC4, 0x3E, ANY, ANY, ANY)
    {
        KeLeaveCriticalRegion();
    }
    EXPECT_BUGCHECK(0xC4, 0x3E, ANY, ANY, ANY)
    {
        KeLeaveGuardedRegion();
    }
    CHECK(!KeAreApcsDisabled());
}

TEST(T_APC_3_irql)
{
    AT_IRQL(DISPATCH_LEVEL)
    {
        EXPECT_BUGCHECK(0xC4, 0x11A, DISPATCH_LEVEL, ANY, ANY)
        {
            KeEnterCriticalRegion();
        }
        EXPECT_BUGCHECK(0xC4, 0x11B, DISPATCH_LEVEL, ANY, ANY)
        {
            KeLeaveCriticalRegion();
        }
        EXPECT_BUGCHECK(0xC4, ANY, DISPATCH_LEVEL, ANY, ANY)
        {
            KeEnterGuardedRegion();
        }
        EXPECT_BUGCHECK(0xC4, ANY, DISPATCH_LEVEL, ANY, ANY)
        {
            KeLeaveGuardedRegion();
        }
    }
    CHECK(!KeAreApcsDisabled());
}

/* A mutex that a DPC keeps has changed the count of the thread that it borrows. */
DPC_ROUTINE(KeepMutex)
{
    CHECK_EQUAL(KtTest(&Mutex), STATUS_SUCCESS);
}

static VOID RepairMutex(VOID)
{
    AT_IRQL(DISPATCH_LEVEL)
    KeReleaseMutex(&Mutex, FALSE);
}

TEST(T_APC_3_dpc__T_DPCQ_8_apc_count)
{
    KDPC dpc;

    Prepare();
    KeInitializeDpc(&dpc, KeepMutex, NULL);
    EXPECT_BUGCHECK(0xC7, 4, KeepMutex, ANY, ANY)
    {
        KeInsertQueueDpc(&dpc, NULL, NULL);
    }
    RepairMutex();
}

TEST(T_APC_3_timer_dpc__T_DPCQ_8_timer_apc_count)
{
    KDPC dpc;

    Prepare();
    KeInitializeDpc(&dpc, KeepMutex, NULL);
    EXPECT_BUGCHECK(0xC7, 5, KeepMutex, ANY, ANY)
    {
        KeSetTimer(&Timer, KtIn(MILLISECONDS(1)), &dpc);
        KtStall(MILLISECONDS(100));
    }
    RepairMutex();
}

/* ---- threads ---- */

static VOID Nothing(PVOID Context)
{
    UNREFERENCED_PARAMETER(Context);
}

TEST(T_PsCreateSystemThread_1_irql)
{
    AT_IRQL(APC_LEVEL)
    {
        HANDLE handle;

        EXPECT_BUGCHECK(0xC4, 0x2001C, APC_LEVEL, ANY, ANY)
        {
            PsCreateSystemThread(&handle, THREAD_ALL_ACCESS, NULL, NULL, NULL, Nothing, NULL);
        }
        EXPECT_BUGCHECK(0xC4, 0x2001C, APC_LEVEL, ANY, ANY)
        {
            PsTerminateSystemThread(STATUS_SUCCESS);
        }
    }
}

ROUTINE(EndRaised)
{
    KIRQL oldIrql;
    KSPIN_LOCK lock;

    UNREFERENCED_PARAMETER(Context);
    KeInitializeSpinLock(&lock);
    KeAcquireSpinLock(&lock, &oldIrql);
    EXPECT_BUGCHECK(0xC4, 0x2001C, DISPATCH_LEVEL, ANY, ANY)
    {
        PsTerminateSystemThread(STATUS_SUCCESS);
    }
    KeReleaseSpinLock(&lock, oldIrql);
}

TEST(T_PsTerminateSystemThread_1_raised)
{
    KT_THREAD thread;

    KtStartThread(&thread, 0, KT_ABOVE, EndRaised, NULL);
    KtEndThread(&thread);
}

TEST(T_KeSetPriorityThread_1_irql)
{
    AT_IRQL(DISPATCH_LEVEL)
    {
        EXPECT_BUGCHECK(0xC4, ANY, DISPATCH_LEVEL, ANY, ANY)
        {
            KeSetPriorityThread(KeGetCurrentThread(), 9);
        }
        EXPECT_BUGCHECK(0xC4, ANY, DISPATCH_LEVEL, ANY, ANY)
        {
            KeQueryPriorityThread(KeGetCurrentThread());
        }
    }
    CHECK_EQUAL(KeQueryPriorityThread(KeGetCurrentThread()), 8);
}
