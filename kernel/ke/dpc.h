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
 * Lets go of a DPC that has left its queue. From this store on another inserter, under another
 * queue's lock, may claim and write the object: nothing of it is read or written after.
 */
FORCEINLINE VOID KiDisownDpc(PKDPC Dpc)
{
    __atomic_store_n(&Dpc->DpcData, NULL, __ATOMIC_RELEASE);
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
    *Call = (KDPC_CALL){
        .Dpc = dpc,
        .Routine = dpc->DeferredRoutine,
        .Context = dpc->DeferredContext,
        .Argument1 = dpc->SystemArgument1,
        .Argument2 = dpc->SystemArgument2,
        .FromTimer = dpc->FromTimer,
    };
    KiDisownDpc(dpc);
    return TRUE;
}

/* How the trace describes a DPC (docs/TRACE.md). */
#define KiTraceDpcFlags(Threaded, FromTimer) \
    (((Threaded) ? KD_TRACE_DPC_THREADED : 0u) | ((FromTimer) ? KD_TRACE_DPC_FROM_TIMER : 0u))

/* The queue of Target into which Dpc goes. */
PKDPC_DATA KiDpcQueueFor(const KDPC *Dpc, PKPRCB Target);

/* Has the queue of threaded DPCs drained; its lock is held. HIGH_LEVEL. */
VOID KiRequestDpcThread(PKPRCB Prcb);

#endif
