/* What the two drains of DPC queues share: kernel/ke/dpc.c and kernel/ke/threadeddpc.c. */
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
 * Takes the next DPC out of a queue, or, in the same step as seeing that there is none left, takes
 * the request back, unless *MoreWork (NULL: nothing) will make the caller look again: whoever
 * inserts from then on requests anew. Any IRQL.
 */
BOOLEAN KiTakeDpc(PKDPC_DATA Data, const volatile BOOLEAN *MoreWork, KDPC_CALL *Call);

/* How the trace describes a DPC (docs/TRACE.md). */
#define KiTraceDpcFlags(Threaded, FromTimer) \
    (((Threaded) ? KD_TRACE_DPC_THREADED : 0u) | ((FromTimer) ? KD_TRACE_DPC_FROM_TIMER : 0u))

/* The queue of Target into which Dpc goes. */
PKDPC_DATA KiDpcQueueFor(const KDPC *Dpc, PKPRCB Target);

/* Has the queue of threaded DPCs drained; its lock is held. HIGH_LEVEL. */
VOID KiRequestDpcThread(PKPRCB Prcb);

#endif
