/* Figures of threads: from a signal to the thread that waits, and what is left to threads. */
#include "bench.h"

#define WAITER_PRIORITY 16 /* above this thread's: a signal is a switch */

static KEVENT Ping, Pong;
static volatile BOOLEAN Ends;

/* The first instruction behind the wait ends the sample. */
static VOID Waiter(UNUSED PVOID StartContext)
{
    KeSetPriorityThread(KeGetCurrentThread(), WAITER_PRIORITY);
    while (!Ends) {
        KeWaitForSingleObject(&Ping, Executive, KernelMode, FALSE, NULL);
        BENCH_END();
        KeSetEvent(&Pong, IO_NO_INCREMENT, FALSE);
    }
    PsTerminateSystemThread(STATUS_SUCCESS);
}

static VOID Events(VOID)
{
    HANDLE thread;

    KeInitializeEvent(&Ping, SynchronizationEvent, FALSE);
    KeInitializeEvent(&Pong, SynchronizationEvent, FALSE);
    if (!NT_SUCCESS(PsCreateSystemThread(&thread, 0, NULL, NULL, NULL, Waiter, NULL))) {
        BenchError("no thread can be made");
        return;
    }
    KiSleep(1000); /* it waits now */
    for (ULONG i = 0; i < BENCH_SAMPLES; i++) {
        BenchQuiet();
        BENCH_BEGIN();
        KeSetEvent(&Ping, IO_NO_INCREMENT, FALSE); /* BenchEnd is set in the thread */
        BenchTake(i, 1);
        KeWaitForSingleObject(&Pong, Executive, KernelMode, FALSE, NULL);
    }
    BenchReport(BENCH_SAMPLES, "event_to_waiter");
    MEASURE("pingpong", {
        KeSetEvent(&Ping, IO_NO_INCREMENT, FALSE);
        KeWaitForSingleObject(&Pong, Executive, KernelMode, FALSE, NULL);
    });
    Ends = TRUE;
    KeSetEvent(&Ping, IO_NO_INCREMENT, FALSE);
    ZwClose(thread);

    for (ULONG i = 0; i < BENCH_SAMPLES; i++) {
        KeSetEvent(&Pong, IO_NO_INCREMENT, FALSE);
        BenchQuiet();
        BENCH_BEGIN();
        KeWaitForSingleObject(&Pong, Executive, KernelMode, FALSE, NULL);
        BENCH_END();
        BenchTake(i, 1);
    }
    BenchReport(BENCH_SAMPLES, "wait_satisfied");
}

static VOID Expect(ULONG Runs, PCSTR What)
{
    if (BenchRuns != Runs)
        BenchError("%u of %u %s have run", BenchRuns, Runs, What);
    BenchRuns = 0;
}

static VOID ThreadedDpc(VOID)
{
    static KDPC dpc;

    KeInitializeThreadedDpc(&dpc, BenchEndDpc, NULL);
    BenchRuns = 0;
    for (ULONG i = 0; i < BENCH_SAMPLES; i++) {
        BenchQuiet();
        BENCH_BEGIN();
        KeInsertQueueDpc(&dpc, NULL, NULL);
        BenchTake(i, 1);
    }
    Expect(BENCH_SAMPLES, "threaded DPCs");
    BenchReport(BENCH_SAMPLES, "threaded_dpc");
}

/* The worker's priority is above this thread's. Its routine is called like a DPC's, with less. */
static VOID WorkItem(VOID)
{
    static WORK_QUEUE_ITEM item;

    BenchRuns = 0;
    for (ULONG i = 0; i < BENCH_SAMPLES; i++) {
        ExInitializeWorkItem(&item, (PWORKER_THREAD_ROUTINE)(PVOID)BenchEndDpc, NULL);
        BenchQuiet();
        BENCH_BEGIN();
        ExQueueWorkItem(&item, CriticalWorkQueue);
        BenchTake(i, 1);
    }
    Expect(BENCH_SAMPLES, "work items");
    BenchReport(BENCH_SAMPLES, "workitem");
}

VOID BenchThreads(VOID)
{
    Events();
    ThreadedDpc();
    WorkItem();
}
