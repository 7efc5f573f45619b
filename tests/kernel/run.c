/*
 * Code on chosen processors: each has one call block, whose DPC is targeted at it, so a processor
 * other than 0 does a test's work inside of a DPC routine.
 */
#include "suite.h"

typedef struct _CALL {
    KDPC Dpc;
    volatile LONG Busy;
    KIRQL Irql;
    KT_ROUTINE *Routine; /* one of these two */
    KT_PARALLEL_ROUTINE *Parallel;
    PVOID Context;
    volatile LONG *Barrier; /* counts those who have arrived, or NULL */
} CALL;

static CALL Calls[MAXIMUM_PROCESSORS];
static volatile LONG HeldUntil; /* the processors that KtHold keeps wait for a change */

ULONG KtProcessors(VOID)
{
    return KeQueryActiveProcessorCountEx(ALL_PROCESSOR_GROUPS);
}

/* Waits until all processors have come. */
static VOID WaitAtBarrier(volatile LONG *Barrier)
{
    InterlockedIncrement(Barrier);
    CHECK(KtSpinUntil(Barrier, (LONG)KtProcessors()));
}

DPC_ROUTINE(CallRoutine)
{
    CALL *call = Context;
    ULONG processor = (ULONG)(call - Calls);
    KIRQL oldIrql = KfRaiseIrql(call->Irql);

    if (call->Barrier)
        WaitAtBarrier(call->Barrier);
    if (call->Routine)
        call->Routine(call->Context);
    else
        call->Parallel(processor, call->Context);
    KeLowerIrql(oldIrql);
    InterlockedExchange(&call->Busy, 0);
}

/* Queues a call on Processor's behalf; it begins when that processor gets to its DPCs. */
static VOID StartCall(ULONG Processor, const CALL *What)
{
    CALL *call = &Calls[Processor];

    if (!CHECK(InterlockedExchange(&call->Busy, 1) == 0))
        return;
    KtPoison(&call->Dpc);
    KeInitializeDpc(&call->Dpc, CallRoutine, call);
    KeSetImportanceDpc(&call->Dpc, HighImportance);
    KeSetTargetProcessorDpc(&call->Dpc, (CCHAR)Processor);
    call->Irql = What->Irql;
    call->Routine = What->Routine;
    call->Parallel = What->Parallel;
    call->Context = What->Context;
    call->Barrier = What->Barrier;
    CHECK(KeInsertQueueDpc(&call->Dpc, NULL, NULL));
}

static VOID AwaitCall(ULONG Processor)
{
    ULONG64 start = KtNow();

    while (Calls[Processor].Busy) {
        if (KtNow() - start > KT_PATIENCE) {
            CHECK(!"the processor has not ended its part");
            return;
        }
        ArchPause();
    }
}

VOID KtRunAt(KIRQL Irql, KT_ROUTINE *Routine, PVOID Context)
{
    KIRQL oldIrql = KfRaiseIrql(Irql);

    Routine(Context);
    KeLowerIrql(oldIrql);
}

VOID KtRunOn(ULONG Processor, KIRQL Irql, KT_ROUTINE *Routine, PVOID Context)
{
    CALL call = {.Irql = Irql, .Routine = Routine, .Context = Context};

    StartCall(Processor, &call);
    AwaitCall(Processor);
}

VOID KtRunOnAll(KT_PARALLEL_ROUTINE *Routine, PVOID Context)
{
    volatile LONG barrier = 0;
    CALL call = {
        .Irql = DISPATCH_LEVEL, .Parallel = Routine, .Context = Context, .Barrier = &barrier};
    KIRQL oldIrql = KeRaiseIrqlToDpcLevel();

    for (ULONG i = 0; i < KtProcessors(); i++)
        StartCall(i, &call);
    KeLowerIrql(oldIrql); /* this processor's part runs here */
    for (ULONG i = 0; i < KtProcessors(); i++)
        AwaitCall(i);
}

VOID KtStartOnOthers(KT_PARALLEL_ROUTINE *Routine, PVOID Context)
{
    CALL call = {.Irql = DISPATCH_LEVEL, .Parallel = Routine, .Context = Context};

    for (ULONG i = 0; i < KtProcessors(); i++)
        if (i != KeGetCurrentProcessorIndex())
            StartCall(i, &call);
}

VOID KtJoin(VOID)
{
    for (ULONG i = 0; i < KtProcessors(); i++)
        if (i != KeGetCurrentProcessorIndex())
            AwaitCall(i);
}

/* Context counts the processors that are held. */
ROUTINE(HoldRoutine)
{
    LONG before = HeldUntil;
    ULONG64 start = KtNow();

    InterlockedIncrement((volatile LONG *)Context);
    while (HeldUntil == before && KtNow() - start < KT_PATIENCE)
        ArchPause();
}

VOID KtHold(ULONG Processor, KIRQL Irql)
{
    static volatile LONG held;
    LONG before = held;
    CALL call = {.Irql = Irql, .Routine = HoldRoutine, .Context = (PVOID)&held};

    StartCall(Processor, &call);
    CHECK(KtSpinUntil(&held, before + 1));
}

VOID KtLetGo(VOID)
{
    InterlockedIncrement(&HeldUntil);
    KtJoin();
}
