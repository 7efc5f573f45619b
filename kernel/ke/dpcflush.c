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

/*
 * Returns when every DPC that was queued or running at the call has finished, on all processors.
 * One DPC is put at the end of each queue: when it runs, all before it have run, and what ran
 * when it was inserted has ended, since DPCs of one processor never overlap.
 *
 * IRQL:    PASSIVE_LEVEL
 * Locks:   none
 * Context: a thread that holds no lock
 * Returns: nothing
 * Source:  contract T-KeFlushQueuedDpcs-1..5
 */
VOID KeFlushQueuedDpcs(VOID)
{
    KI_REQUIRE_IRQL_AT_MOST(PASSIVE_LEVEL, RULE_IRQL_KE_PASSIVE, "KeFlushQueuedDpcs", 0);

    KDPC dpcs[MAXIMUM_PROCESSORS];
    LONG processors = KeNumberProcessors;
    FLUSH flush = {.Remaining = processors};

    KeInitializeEvent(&flush.Done, NotificationEvent, FALSE);

    for (LONG n = 0; n < processors; n++) {
        dpcs[n].Type = 0; /* nothing that a check could take for a queued DPC */
        KeInitializeDpc(&dpcs[n], FlushDpc, &flush);
        KeSetTargetProcessorDpc(&dpcs[n], (CCHAR)n);
        KeSetImportanceDpc(&dpcs[n], MediumHighImportance);
        KeInsertQueueDpc(&dpcs[n], NULL, NULL);
    }
    KeWaitForSingleObject(&flush.Done, Executive, KernelMode, FALSE, NULL);
}
