/* What fills and what empties DPC queues: dpc.c, dpcdrain.c and threadeddpc.c. */
#ifndef METRONOME_KE_DPC_H
#define METRONOME_KE_DPC_H

#include "ke.h"

/* A DPC as it was when it left its queue: the object may be queued again or freed at any time. */
typedef struct _KDPC_CALL {
    PKDPC Dpc;
    PKDEFERRED_ROUTINE Routine;
    PVOID Context, Argument1, Argument2;
    BOOLEAN FromTimer;
} KDPC_CALL;

/*
 * Makes Data the queue of Dpc, if it has none. Setting DpcData from NULL by compare-and-exchange
 * makes exactly one of several inserters, each perhaps under a different queue's lock, the one.
 */
FORCEINLINE BOOLEAN KiClaimDpc(PKDPC Dpc, PKDPC_DATA Data)
{
    PVOID none = NULL;

    return __atomic_compare_exchange_n(&Dpc->DpcData, &none, Data, FALSE, __ATOMIC_ACQ_REL,
                                       __ATOMIC_RELAXED);
}

/* The rest of an insertion, for the one who has claimed the DPC. The queue's lock is held. */
FORCEINLINE VOID KiLinkDpc(PKDPC Dpc, PKDPC_DATA Data, PVOID Argument1, PVOID Argument2,
                           BOOLEAN FromTimer, BOOLEAN AtHead)
{
    Dpc->SystemArgument1 = Argument1;
    Dpc->SystemArgument2 = Argument2;
#if DBG
    Dpc->FromTimer = FromTimer;
#endif
    UNREFERENCED_PARAMETER(FromTimer);
    if (AtHead)
        InsertHeadList(&Data->DpcList, &Dpc->DpcListEntry);
    else
        InsertTailList(&Data->DpcList, &Dpc->DpcListEntry);
    Data->Inserted++;
}

/*
 * Lets go of a DPC that has left its queue. From this store on another inserter, under another
 * queue's lock, may claim and write the object: nothing of it is read or written after.
 */
FORCEINLINE VOID KiDisownDpc(PKDPC Dpc)
{
    __atomic_store_n(&Dpc->DpcData, NULL, __ATOMIC_RELEASE);
}

FORCEINLINE KDPC_CALL KiCallOf(PKDPC Dpc, BOOLEAN FromTimer)
{
    return (KDPC_CALL){
        .Dpc = Dpc,
        .Routine = Dpc->DeferredRoutine,
        .Context = Dpc->DeferredContext,
        .Argument1 = Dpc->SystemArgument1,
        .Argument2 = Dpc->SystemArgument2,
        .FromTimer = FromTimer,
    };
}

/*
 * Is Dpc as KeInitializeDpc has made it: ordinary, of medium importance, for the processor that
 * inserts? One comparison of the three fields that stand side by side.
 */
FORCEINLINE BOOLEAN KiIsPlainDpc(const KDPC *Dpc)
{
    const ULONG plain = DpcObject | MediumImportance << 8;

    return *(const ULONG *)&Dpc->Type == plain;
}

/*
 * Takes the next DPC out of a queue, or, in the same step as seeing that there is none left, takes
 * the request back: whoever inserts from then on requests anew. The queue's lock is held.
 */
FORCEINLINE BOOLEAN KiTakeDpc(PKDPC_DATA Data, KDPC_CALL *Call)
{
    if (IsListEmpty(&Data->DpcList)) {
        Data->DispatchRequested = FALSE;
        return FALSE;
    }

    PKDPC dpc = CONTAINING_RECORD(RemoveHeadList(&Data->DpcList), KDPC, DpcListEntry);

    Data->Count++;
    *Call = KiCallOf(dpc, dpc->FromTimer);
    KiDisownDpc(dpc);
    return TRUE;
}

/* How the trace describes a DPC (docs/TRACE.md). */
#define KiTraceDpcFlags(Threaded, FromTimer) \
    (((Threaded) ? KD_TRACE_DPC_THREADED : 0u) | ((FromTimer) ? KD_TRACE_DPC_FROM_TIMER : 0u))

/* The queue of Target into which Dpc goes: the answer holds for this insertion (T-TDPC-1). */
FORCEINLINE PKDPC_DATA KiDpcQueueFor(const KDPC *Dpc, PKPRCB Target)
{
    if (Dpc->Type == ThreadedDpcObject && KiThreadedDpcsEnabled)
        return &Target->ThreadedDpcData;
    return &Target->DpcData;
}

/* Has the queue of threaded DPCs drained; its lock is held. HIGH_LEVEL. */
VOID KiRequestDpcThread(PKPRCB Prcb);

#endif
