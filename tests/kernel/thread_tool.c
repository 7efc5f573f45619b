/* Threads for the tests. What thread_tool.h says. */
#include "thread_tool.h"

#define TAG_THREAD ((ULONG)'erhT')

ROUTINE(ThreadRoutine)
{
    PKT_THREAD thread = Context;

    if (thread->Processor != KT_ANY_PROCESSOR)
        KeSetSystemAffinityThreadEx((KAFFINITY)1 << thread->Processor);
    KeSetPriorityThread(KeGetCurrentThread(), thread->Priority);
    InterlockedExchange(&thread->Started, 1);
    thread->Routine(thread->Context);
}

BOOLEAN KtStartThread(PKT_THREAD Thread, ULONG Processor, KPRIORITY Priority, KT_ROUTINE *Routine,
                      PVOID Context)
{
    PVOID object = NULL;

    Thread->Routine = Routine;
    Thread->Context = Context;
    Thread->Processor = Processor;
    Thread->Priority = Priority;
    Thread->Object = NULL;
    Thread->Started = 0;
    if (!CHECK_EQUAL(PsCreateSystemThread(&Thread->Handle, THREAD_ALL_ACCESS, NULL, NULL, NULL,
                                          ThreadRoutine, Thread),
                     STATUS_SUCCESS))
        return FALSE;
    CHECK_EQUAL(ObReferenceObjectByHandle(Thread->Handle, THREAD_ALL_ACCESS, *PsThreadType,
                                          KernelMode, &object, NULL),
                STATUS_SUCCESS);
    Thread->Object = object;
    return CHECK(KtSleepUntil(&Thread->Started, 1));
}

BOOLEAN KtEndThread(PKT_THREAD Thread)
{
    BOOLEAN ended;

    if (!Thread->Object)
        return FALSE;
    ended = CHECK_EQUAL(KtWait(Thread->Object, 2 * KT_PATIENCE), STATUS_SUCCESS);
    if (ended) {
        ObDereferenceObject(Thread->Object);
        CHECK_EQUAL(ZwClose(Thread->Handle), STATUS_SUCCESS);
    }
    return ended;
}

BOOLEAN KtIsWaiting(PKTHREAD Thread)
{
    KIRQL oldIrql = KiLockDispatcher();
    BOOLEAN waiting = Thread->State == ThreadWaiting;

    KiUnlockDispatcher(oldIrql);
    return waiting;
}

static BOOLEAN WaitsFor(PKTHREAD Thread, PVOID Object)
{
    KIRQL oldIrql = KiLockDispatcher();
    BOOLEAN waits = Thread->State == ThreadWaiting && Thread->WaitCount > 0 &&
                    Thread->WaitBlocks[0].Object == Object;

    KiUnlockDispatcher(oldIrql);
    return waits;
}

BOOLEAN KtAwaitWait(PKTHREAD Thread, PVOID Object)
{
    ULONG64 start = KtNow();

    while (!WaitsFor(Thread, Object)) {
        if (KtNow() - start > KT_PATIENCE)
            return CHECK(!"the thread does not wait");
        KiSleep(MILLISECONDS(1));
    }
    return TRUE;
}

ROUTINE(WaiterRoutine)
{
    PKT_WAITER waiter = Context;

    waiter->Began = KtNow();
    waiter->Status = KeWaitForSingleObject(waiter->Object, Executive, KernelMode, FALSE,
                                           waiter->Timeout.QuadPart ? &waiter->Timeout : NULL);
    waiter->When = KtNow();
    waiter->Irql = KeGetCurrentIrql();
    if (waiter->Event)
        KtTrace(waiter->Event);
    if (waiter->Then)
        waiter->Then(waiter);
    InterlockedExchange(&waiter->Done, 1);
}

VOID KtStartWaiter(PKT_WAITER Waiter, ULONG Processor, KPRIORITY Priority, PVOID Object,
                   LARGE_INTEGER Timeout, CHAR Event)
{
    KT_ROUTINE *then = Waiter->Then;

    memset(Waiter, 0, sizeof(*Waiter));
    Waiter->Then = then;
    Waiter->Object = Object;
    Waiter->Timeout = Timeout;
    Waiter->Event = Event;
    if (KtStartThread(&Waiter->Thread, Processor, Priority, WaiterRoutine, Waiter) &&
        Timeout.QuadPart == 0)
        KtAwaitWait(Waiter->Thread.Object, Object);
}

NTSTATUS KtWait(PVOID Object, ULONG64 Interval)
{
    LARGE_INTEGER timeout = KtIn(Interval);

    return KeWaitForSingleObject(Object, Executive, KernelMode, FALSE, &timeout);
}

NTSTATUS KtTest(PVOID Object)
{
    LARGE_INTEGER zero = {.QuadPart = 0};

    return KeWaitForSingleObject(Object, Executive, KernelMode, FALSE, &zero);
}

static SIZE_T CountThreadBlocks(VOID)
{
    SIZE_T blocks = 0, bytes = 0;

    ExQueryPoolTag(TAG_THREAD, &blocks, &bytes);
    return blocks;
}

SIZE_T KtThreadBlocks(VOID)
{
    SIZE_T before, now = CountThreadBlocks();

    do {
        before = now;
        KiSleep(MILLISECONDS(20)); /* the reaper's part for threads that have ended before */
        now = CountThreadBlocks();
    } while (now != before);
    return now;
}

VOID KtAwaitThreadBlocks(SIZE_T Blocks)
{
    ULONG64 start = KtNow();

    while (CountThreadBlocks() > Blocks && KtNow() - start < KT_PATIENCE)
        KiSleep(MILLISECONDS(1));
    CHECK_EQUAL(CountThreadBlocks(), Blocks);
}
