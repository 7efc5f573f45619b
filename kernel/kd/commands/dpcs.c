/*
 * The command dpcs. Entries are copied under the queue's lock, a bounded number, and printed
 * without it.
 */
#include "kd/kdp.h"

#define COPY_LIMIT 16

typedef struct _DPC_COPIES {
    ULONG Depth, RequestRate, Count;
    ULONG64 Started;
    BOOLEAN DispatchRequested, ProcessorIdle;
    struct {
        const VOID *Dpc;
        PKDEFERRED_ROUTINE Routine;
        PVOID Context;
        UCHAR Importance;
    } Copies[COPY_LIMIT];
} DPC_COPIES;

static VOID CopyQueue(DPC_COPIES *Copies, PKDPC_DATA Data)
{
    KIRQL oldIrql = KiAcquireHighLock(&Data->Lock);

    Copies->Depth = KiDpcQueueDepth(Data);
    Copies->RequestRate = Data->RequestRate;
    Copies->Started = Data->Count;
    Copies->DispatchRequested = Data->DispatchRequested;
    Copies->ProcessorIdle = Data->ProcessorIdle;
    Copies->Count = 0;
    for (PLIST_ENTRY entry = Data->DpcList.Flink;
         entry != &Data->DpcList && Copies->Count < COPY_LIMIT; entry = entry->Flink) {
        const KDPC *dpc = CONTAINING_RECORD(entry, KDPC, DpcListEntry);
        ULONG index = Copies->Count++;

        Copies->Copies[index].Dpc = dpc;
        Copies->Copies[index].Routine = dpc->DeferredRoutine;
        Copies->Copies[index].Context = dpc->DeferredContext;
        Copies->Copies[index].Importance = dpc->Importance;
    }
    KiReleaseHighLock(&Data->Lock, oldIrql);
}

static PCSTR ImportanceName(UCHAR Importance)
{
    static const PCSTR names[] = {"Low", "Medium", "High", "MediumHigh"};

    return Importance < ARRAYSIZE(names) ? names[Importance] : "?";
}

static VOID PrintEntries(const DPC_COPIES *Copies)
{
    CHAR name[64];

    for (ULONG i = 0; i < Copies->Count; i++)
        DbgPrint("       %-10s  %-28s  context %016llx  DPC %016llx\n",
                 ImportanceName(Copies->Copies[i].Importance),
                 KdFormatAddress(name, sizeof(name), (PVOID)Copies->Copies[i].Routine),
                 (ULONG64)Copies->Copies[i].Context, (ULONG64)Copies->Copies[i].Dpc);
    if (Copies->Depth > Copies->Count)
        DbgPrint("       and %u more\n", Copies->Depth - Copies->Count);
}

static VOID PrintOrdinary(const KPRCB *Prcb, const DPC_COPIES *Copies)
{
    CHAR name[64];
    PKDEFERRED_ROUTINE running = Prcb->DpcRoutine;

    DbgPrint("  %3u  ordinary  %5u  %8llu  %9u  %s%s\n", Prcb->Number, Copies->Depth,
             Copies->Started, Copies->RequestRate, Copies->ProcessorIdle ? "idle" : "awake",
             Copies->DispatchRequested ? ", drain requested" : "");
    if (running)
        DbgPrint("       running     %s%s\n", KdFormatAddress(name, sizeof(name), (PVOID)running),
                 Prcb->TimerDpc ? " (timer)" : "");
    PrintEntries(Copies);
}

static VOID PrintThreaded(const DPC_COPIES *Copies)
{
    DbgPrint("       threaded  %5u  %8llu          -  %s\n", Copies->Depth, Copies->Started,
             Copies->DispatchRequested ? "thread busy or woken" : "thread waits");
    PrintEntries(Copies);
}

/*
 * dpcs: every processor's DPC queues.
 *
 * IRQL:    PASSIVE_LEVEL (not checked)
 * Locks:   takes each DPC queue's lock to copy, not to print
 * Context: the monitor
 * Returns: nothing
 */
VOID KdpDpcs(ULONG Count, PCSTR Arguments[])
{
    static DPC_COPIES copies;

    UNREFERENCED_PARAMETER(Count);
    UNREFERENCED_PARAMETER(Arguments);
    DbgPrint("  cpu  kind      depth   started  rate/tick  state\n");
    for (LONG i = 0; i < KeNumberProcessors; i++) {
        CopyQueue(&copies, &KiProcessorBlock[i]->DpcData);
        PrintOrdinary(KiProcessorBlock[i], &copies);
        CopyQueue(&copies, &KiProcessorBlock[i]->ThreadedDpcData);
        PrintThreaded(&copies);
    }
    if (!KiThreadedDpcsEnabled)
        DbgPrint("Threaded DPCs are off: they run as ordinary ones.\n");
}
