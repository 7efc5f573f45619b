/* APCs for the tests. What apc_tool.h says. */
#include "apc_tool.h"

static VOID NoteRun(PKT_APC Apc)
{
    Apc->RunThread = KeGetCurrentThread();
    Apc->Processor = KeGetCurrentProcessorIndex();
}

static VOID KernelRoutine(PKAPC Apc, UNUSED PKNORMAL_ROUTINE *NormalRoutine,
                          UNUSED PVOID *NormalContext, UNUSED PVOID *SystemArgument1,
                          UNUSED PVOID *SystemArgument2)
{
    PKT_APC apc = CONTAINING_RECORD(Apc, KT_APC, Apc);

    NoteRun(apc);
    apc->KernelIrql = KeGetCurrentIrql();
    KtTrace(apc->KernelEvent);
    InterlockedIncrement(&apc->KernelRuns);
}

static VOID NormalRoutine(PVOID NormalContext, PVOID SystemArgument1, PVOID SystemArgument2)
{
    PKT_APC apc = NormalContext;

    NoteRun(apc);
    apc->NormalIrql = KeGetCurrentIrql();
    apc->Argument1 = (ULONG_PTR)SystemArgument1;
    apc->Argument2 = (ULONG_PTR)SystemArgument2;
    KtTrace(apc->NormalEvent);
    InterlockedIncrement(&apc->NormalRuns);
}

static VOID RundownRoutine(PKAPC Apc)
{
    PKT_APC apc = CONTAINING_RECORD(Apc, KT_APC, Apc);

    NoteRun(apc);
    apc->RundownIrql = KeGetCurrentIrql();
    KtTrace('r');
    InterlockedIncrement(&apc->RundownRuns);
}

VOID KtPrepareApc(PKT_APC Apc, PKTHREAD Thread, CHAR KernelEvent, CHAR NormalEvent)
{
    memset(Apc, 0, sizeof(*Apc));
    KtPoison(&Apc->Apc);
    Apc->KernelEvent = KernelEvent;
    Apc->NormalEvent = NormalEvent;
    KeInitializeApc(&Apc->Apc, Thread, OriginalApcEnvironment, KernelRoutine, RundownRoutine,
                    NormalEvent ? NormalRoutine : NULL, KernelMode, Apc);
}

BOOLEAN KtQueueApc(PKT_APC Apc)
{
    return KeInsertQueueApc(&Apc->Apc, (PVOID)0x11, (PVOID)0x22, IO_NO_INCREMENT);
}
