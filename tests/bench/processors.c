/*
 * Figures of several processors at once, free-running: nanoseconds, and operations a second. Each
 * processor takes part in a DPC routine, at DISPATCH_LEVEL.
 */
#include "bench.h"

#define RUN_TIME     10000000ULL /* 100 ns: a second */
#define LOOK_EVERY   64          /* operations of processor 0 between two looks at the time */
#define CALL_SAMPLES 201

typedef VOID OPERATION(ULONG Processor);

typedef struct DECLSPEC_ALIGN(64) _PART { /* a processor's own cache line */
    KDPC Dpc;
    ULONG64 Operations;
    KTIMER Timer;
} PART;

static PART Parts[MAXIMUM_PROCESSORS];
static struct {
    OPERATION *Operation;
    ULONG Participants;
    volatile LONG Arrived, Finished;
    volatile LONG Wanting;       /* participants that wait for the lock */
    volatile ULONG64 Start, End; /* interrupt time; 0: not yet */
} Run;

static DECLSPEC_ALIGN(64) KSPIN_LOCK Lock;
static DECLSPEC_ALIGN(64) ULONG64 Shared;

static ULONG Processors(VOID)
{
    return KeQueryActiveProcessorCountEx(ALL_PROCESSOR_GROUPS);
}

/*
 * All begin together and end when processor 0 says so. The others look at one word between two
 * operations and at nothing else: a processor that the host stops outside of a lock leaves the
 * lock to those that run, and the shorter the way outside, the rarer that is.
 */
DPC_ROUTINE(TakePart)
{
    ULONG processor = KeGetCurrentProcessorIndex();
    ULONG64 operations = 0;

    if (InterlockedIncrement(&Run.Arrived) == (LONG)Run.Participants)
        Run.Start = KiQueryInterruptTime();
    while (Run.Start == 0)
        ArchPause();
    while (Run.End == 0) {
        Run.Operation(processor);
        if (++operations % LOOK_EVERY == 0 && processor == 0) {
            ULONG64 now = KiQueryInterruptTime();
            if (now >= Run.Start + RUN_TIME)
                Run.End = now;
        }
    }
    Parts[processor].Operations = operations;
    InterlockedIncrement(&Run.Finished);
}

/* Returns the operations of all. This processor runs its own part when the IRQL falls. */
static ULONG64 RunOn(ULONG Participants, OPERATION *Operation)
{
    KIRQL oldIrql;
    ULONG64 sum = 0;

    Run.Operation = Operation;
    Run.Participants = Participants;
    Run.Arrived = Run.Finished = Run.Wanting = 0;
    Run.Start = Run.End = 0;
    KeRaiseIrql(DISPATCH_LEVEL, &oldIrql);
    for (ULONG i = 0; i < Participants; i++) {
        KeInitializeDpc(&Parts[i].Dpc, TakePart, NULL);
        KeSetImportanceDpc(&Parts[i].Dpc, HighImportance);
        KeSetTargetProcessorDpc(&Parts[i].Dpc, (CCHAR)i);
        KeInsertQueueDpc(&Parts[i].Dpc, NULL, NULL);
    }
    KeLowerIrql(oldIrql);
    while (Run.Finished != (LONG)Participants)
        ArchPause();
    for (ULONG i = 0; i < Participants; i++)
        sum += Parts[i].Operations;
    return sum;
}

static ULONG64 PerSecond(ULONG64 Operations)
{
    return Operations * 10000000ULL / (Run.End - Run.Start);
}

/* ---- operations ---- */

static VOID SpinLockOperation(UNUSED ULONG Processor)
{
    KeAcquireSpinLockAtDpcLevel(&Lock);
    Shared++;
    KeReleaseSpinLockFromDpcLevel(&Lock);
}

static VOID QueuedSpinLockOperation(UNUSED ULONG Processor)
{
    KLOCK_QUEUE_HANDLE handle;

    KeAcquireInStackQueuedSpinLockAtDpcLevel(&Lock, &handle);
    Shared++;
    KeReleaseInStackQueuedSpinLockFromDpcLevel(&handle);
}

/*
 * Fairness is a matter of those who want the lock, and a processor that the host has stopped
 * outside of it does not. So whoever has it keeps it until all others wait: each release has all
 * of them to choose from, and which one is next is the lock's doing.
 */
static VOID AwaitAllOthers(VOID)
{
    while (Run.Wanting != (LONG)Run.Participants - 1 && Run.End == 0)
        ArchPause();
}

static VOID SpinLockTurn(UNUSED ULONG Processor)
{
    InterlockedIncrement(&Run.Wanting);
    KeAcquireSpinLockAtDpcLevel(&Lock);
    InterlockedDecrement(&Run.Wanting);
    AwaitAllOthers();
    KeReleaseSpinLockFromDpcLevel(&Lock);
}

static VOID QueuedSpinLockTurn(UNUSED ULONG Processor)
{
    KLOCK_QUEUE_HANDLE handle;

    InterlockedIncrement(&Run.Wanting);
    KeAcquireInStackQueuedSpinLockAtDpcLevel(&Lock, &handle);
    InterlockedDecrement(&Run.Wanting);
    AwaitAllOthers();
    KeReleaseInStackQueuedSpinLockFromDpcLevel(&handle);
}

static VOID TimerOperation(ULONG Processor)
{
    KeSetTimer(&Parts[Processor].Timer, (LARGE_INTEGER){.QuadPart = -100000000LL}, NULL);
    KeCancelTimer(&Parts[Processor].Timer);
}

/* ---- figures ---- */

/* Slowest processor over fastest. */
static VOID Fairness(ULONG Participants, OPERATION *Turn, const char *Name)
{
    ULONG64 slowest = MAXULONG64, fastest = 0;

    RunOn(Participants, Turn);
    for (ULONG i = 0; i < Participants; i++) {
        slowest = min(slowest, Parts[i].Operations);
        fastest = max(fastest, Parts[i].Operations);
    }
    BenchPrint(slowest * 1000 / fastest, "permille", "%s_fairness_smp%u", Name, Participants);
}

static VOID Contended(ULONG Participants)
{
    ULONG64 sum;

    Shared = 0;
    sum = RunOn(Participants, SpinLockOperation);
    BenchPrint(PerSecond(sum), "per_s", "spinlock_contended_per_s_smp%u", Participants);
    if (Shared != sum)
        BenchError("the lock has let %I64u increments through of %I64u", Shared, sum);
    BenchPrint(PerSecond(RunOn(Participants, QueuedSpinLockOperation)), "per_s",
               "queued_spinlock_per_s_smp%u", Participants);
    Fairness(Participants, SpinLockTurn, "spinlock");
    Fairness(Participants, QueuedSpinLockTurn, "queued_spinlock");
}

static VOID SetAndCancel(ULONG Participants)
{
    BenchPrint(PerSecond(RunOn(Participants, TimerOperation)), "per_s",
               "timer_set_cancel_per_s_smp%u", Participants);
}

/* From here to the routine's entry on processor 1, which is idle and halts. */
static VOID CrossProcessor(VOID)
{
    static KDPC dpc;

    KeInitializeDpc(&dpc, BenchEndDpc, NULL);
    KeSetImportanceDpc(&dpc, HighImportance);
    KeSetTargetProcessorDpc(&dpc, 1);
    for (ULONG i = 0; i < CALL_SAMPLES; i++) {
        KeStallExecutionProcessor(200); /* so that it halts again */
        BenchRuns = 0;
        BENCH_BEGIN();
        KeInsertQueueDpc(&dpc, NULL, NULL);
        while (BenchRuns == 0)
            ArchPause();
        BenchTake(i, 1);
    }
    BenchReport(CALL_SAMPLES, "dpc_cross_cpu_smp%u", Processors());
}

static ULONG_PTR EmptyCall(UNUSED ULONG_PTR Argument)
{
    return 0;
}

static VOID IpiCall(VOID)
{
    for (ULONG i = 0; i < CALL_SAMPLES; i++) {
        KeStallExecutionProcessor(200);
        BENCH_BEGIN();
        KeIpiGenericCall(EmptyCall, 0);
        BENCH_END();
        BenchTake(i, 1);
    }
    BenchReport(CALL_SAMPLES, "ipi_call_smp%u", Processors());
}

VOID BenchProcessors(VOID)
{
    if (Processors() < 2) {
        BenchError("several processors are needed");
        return;
    }
    for (ULONG i = 0; i < Processors(); i++)
        KeInitializeTimer(&Parts[i].Timer);
    CrossProcessor();
    IpiCall();
    Contended(Processors());
    if (Processors() == 2)
        SetAndCancel(1);
    SetAndCancel(Processors());
}
