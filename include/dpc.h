/*
 * Deferred procedure calls. A DPC is work that an ISR, a timer or anybody else leaves for
 * DISPATCH_LEVEL: it runs on its processor when the IRQL there is about to fall below 2.
 */
#ifndef METRONOME_DPC_H
#define METRONOME_DPC_H

#include "ntdef.h"
#include "dispatcher.h"

struct _KDPC;

/*
 * A DPC routine: CustomDpc, CustomTimerDpc, CustomThreadedDpc.
 * The kernel does not touch the object after the call: the routine may queue it again or free it.
 * IRQL: DISPATCH_LEVEL (a threaded DPC: PASSIVE_LEVEL when threaded DPCs are enabled).
 * Source: contract T-KDEFERRED-1..7
 */
typedef VOID KDEFERRED_ROUTINE(struct _KDPC *Dpc, PVOID DeferredContext, PVOID SystemArgument1,
                               PVOID SystemArgument2);
typedef KDEFERRED_ROUTINE *PKDEFERRED_ROUTINE;

typedef enum _KDPC_IMPORTANCE {
    LowImportance,
    MediumImportance,
    HighImportance,
    MediumHighImportance
} KDPC_IMPORTANCE;

/* Opaque to drivers: they provide resident storage and pass pointers. */
typedef struct _KDPC {
    UCHAR Type;        /* DpcObject or ThreadedDpcObject */
    UCHAR Importance;  /* KDPC_IMPORTANCE */
    USHORT Number;     /* target processor + 1, or 0: the processor that inserts */
    BOOLEAN FromTimer; /* the insertion was a timer's expiry; queue's lock; checked builds only */
    UCHAR Reserved[3];
    LIST_ENTRY DpcListEntry; /* queue's lock */
    PKDEFERRED_ROUTINE DeferredRoutine;
    PVOID DeferredContext;
    PVOID SystemArgument1; /* of the insertion; owner of DpcData */
    PVOID SystemArgument2;
    PVOID volatile DpcData; /* the queue that holds the object, or NULL */
} KDPC, *PKDPC, *PRKDPC;

ASSERT_SIZE(KDPC, 0x40);
ASSERT_OFFSET(KDPC, Importance, 0x1);
ASSERT_OFFSET(KDPC, Number, 0x2);
ASSERT_OFFSET(KDPC, DpcListEntry, 0x8);
ASSERT_OFFSET(KDPC, DeferredRoutine, 0x18);
ASSERT_OFFSET(KDPC, DeferredContext, 0x20);
ASSERT_OFFSET(KDPC, SystemArgument1, 0x28);
ASSERT_OFFSET(KDPC, SystemArgument2, 0x30);
ASSERT_OFFSET(KDPC, DpcData, 0x38);

/* Makes an ordinary DPC: not queued, MediumImportance, no target. IRQL: any. */
VOID KeInitializeDpc(PRKDPC Dpc, PKDEFERRED_ROUTINE DeferredRoutine, PVOID DeferredContext);

/* Makes a threaded DPC. IRQL: any. */
VOID KeInitializeThreadedDpc(PRKDPC Dpc, PKDEFERRED_ROUTINE DeferredRoutine, PVOID DeferredContext);

/* Queues a DPC; FALSE if it is queued already. IRQL: any. */
BOOLEAN KeInsertQueueDpc(PRKDPC Dpc, PVOID SystemArgument1, PVOID SystemArgument2);

/* Takes a queued DPC back; FALSE if it is not queued (any more). IRQL: any. */
BOOLEAN KeRemoveQueueDpc(PRKDPC Dpc);

/* Returns when every DPC queued or running at the call has finished. IRQL: PASSIVE_LEVEL. */
VOID KeFlushQueuedDpcs(VOID);

/* Both take effect at the next insertion. IRQL: any. */
VOID KeSetImportanceDpc(PRKDPC Dpc, KDPC_IMPORTANCE Importance);
VOID KeSetTargetProcessorDpc(PRKDPC Dpc, CCHAR Number);
NTSTATUS KeSetTargetProcessorDpcEx(PKDPC Dpc, PPROCESSOR_NUMBER ProcNumber);

/* Non-zero while an ordinary DPC routine runs on this processor. IRQL: any. */
LOGICAL KeIsExecutingDpc(VOID);

/* Limits and what is left of them, in time increments (KeQueryTimeIncrement). */
typedef struct _KDPC_WATCHDOG_INFORMATION {
    ULONG DpcTimeLimit;
    ULONG DpcTimeCount;
    ULONG DpcWatchdogLimit;
    ULONG DpcWatchdogCount;
    ULONG Reserved;
} KDPC_WATCHDOG_INFORMATION, *PKDPC_WATCHDOG_INFORMATION;

/* STATUS_UNSUCCESSFUL outside of a DPC. */
NTSTATUS KeQueryDpcWatchdogInformation(PKDPC_WATCHDOG_INFORMATION WatchdogInformation);

#endif
