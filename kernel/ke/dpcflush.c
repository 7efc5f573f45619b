/* Waiting until all DPCs that are queued now have run. */
#include "ke.h"

typedef struct _FLUSH {
    volatile LONG Remaining; /* processors that have not come by yet */
    KEVENT Done;
} FLUSH;

static KDEFERRED_ROUTINE FlushDpc;
static VOID FlushDpc(PKDPC Dpc, PVOID Context, PVOID Argument1, PVOID Argument2)
{
    FLUSH *flush = Context;

    UNREFERENCED_PARAMETER(Dpc);
    UNREFERENCED_PARAMETER(Argument1);
    UNREFERENCED_PARAMETER(Argument2);
    if (InterlockedDecrement(&flush->Remaining) == 0)
        KeSetEvent(&flush->Done, IO_NO_INCREMENT, FALSE);
}

typedef VOID INITIALIZE_DPC(PRKDPC Dpc, PKDEFERRED_ROUTINE DeferredRoutine, PVOID DeferredContext);

/*
 * One DPC is put at the end of each processor's queue of a kind: when it runs, all before it have
 * run, and what ran when it was inserted has ended, since DPCs of one queue never overlap.
 */
static VOID FlushQueues(INITIALIZE_DPC *Initialize)
{
    KDPC dpcs[MAXIMUM_PROCESSORS];
    LONG processors = KeNumberProcessors;
    FLUSH flush = {.Remaining = processors};

    KeInitializeEvent(&flush.Done, NotificationEvent, FALSE);

    for (LONG n = 0; n < processors; n++) {
        dpcs[n].Type = 0; /* nothing that a check could take for a queued DPC */
        Initialize(&dpcs[n], FlushDpc, &flush);
        KeSetTargetProcessorDpc(&dpcs[n], (CCHAR)n);
        KeSetImportanceDpc(&dpcs[n], MediumHighImportance);
        KeInsertQueueDpc(&dpcs[n], NULL, NULL);
    }
    KeWaitForSingleObject(&flush.Done, Executive, KernelMode, FALSE, NULL);
}

/*
 * Returns when every DPC that was queued or running at the call has finished, on all processors.
 * Ordinary ones first: the threaded ones that they have queued are waited for too.
 *
 * IRQL:    PASSIVE_LEVEL
 * Locks:   none
 * Context: a thread that holds no lock; not a threaded DPC
 * Returns: nothing
 * Source:  contract T-KeFlushQueuedDpcs-1..5
 */
VOID KeFlushQueuedDpcs(VOID)
{
    KI_REQUIRE_IRQL_AT_MOST(PASSIVE_LEVEL, RULE_IRQL_KE_PASSIVE, "KeFlushQueuedDpcs", 0);

    FlushQueues(KeInitializeDpc);
    if (KiThreadedDpcsEnabled)
        FlushQueues(KeInitializeThreadedDpc);
}
