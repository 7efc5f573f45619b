/*
 * Deferred procedure calls: the objects, and how they come into a queue. Each processor has one
 * queue of ordinary DPCs and one of threaded ones; a queue's lock is taken at HIGH_LEVEL, because
 * an ISR, the clock and code at HIGH_LEVEL may insert. dpcdrain.c says how the ordinary queue is
 * emptied, threadeddpc.c how the other one is.
 */
#include "dpc.h"

static VOID InitializeDpc(PKDPC Dpc, UCHAR Type, PKDEFERRED_ROUTINE Routine, PVOID Context)
{
    KI_REQUIRE(!KiIsDpcQueued(Dpc), TIMER_OR_DPC_INVALID, 1, Dpc, Dpc, Dpc + 1);
    Dpc->Type = Type;
    Dpc->Importance = MediumImportance;
    Dpc->Number = 0;
    Dpc->FromTimer = FALSE;
    Dpc->DpcListEntry.Flink = Dpc->DpcListEntry.Blink = NULL;
    Dpc->DeferredRoutine = Routine;
    Dpc->DeferredContext = Context;
    Dpc->SystemArgument1 = Dpc->SystemArgument2 = NULL;
    Dpc->DpcData = NULL;
}

/*
 * Makes an ordinary DPC.
 *
 * IRQL:    any
 * Locks:   none
 * Context: any
 * Returns: nothing
 * Source:  contract T-KeInitializeDpc-1..3
 */
VOID KeInitializeDpc(PRKDPC Dpc, PKDEFERRED_ROUTINE DeferredRoutine, PVOID DeferredContext)
{
    InitializeDpc(Dpc, DpcObject, DeferredRoutine, DeferredContext);
}

/*
 * Makes a threaded DPC. Whether a thread runs it or it is treated as an ordinary one is decided
 * when it is inserted.
 *
 * IRQL:    any
 * Locks:   none
 * Context: any
 * Returns: nothing
 * Source:  contract T-KeInitializeThreadedDpc-1, T-TDPC-1
 */
VOID KeInitializeThreadedDpc(PRKDPC Dpc, PKDEFERRED_ROUTINE DeferredRoutine, PVOID DeferredContext)
{
    InitializeDpc(Dpc, ThreadedDpcObject, DeferredRoutine, DeferredContext);
}

/*
 * Is Dpc queued? Believes nothing of what it finds: the memory may be anything.
 *
 * IRQL:    any
 * Locks:   none; the answer is a hint unless the caller keeps the DPC still
 * Context: any
 * Returns: TRUE if it looks like a queued DPC and the queue's list agrees
 * Source:  contract T-KeInitializeDpc-3
 */
BOOLEAN KiIsDpcQueued(const KDPC *Dpc)
{
    const LIST_ENTRY *entry = &Dpc->DpcListEntry;

    if (Dpc->Type != DpcObject && Dpc->Type != ThreadedDpcObject)
        return FALSE;
    for (LONG n = 0; n < KeNumberProcessors; n++) {
        if (Dpc->DpcData == &KiProcessorBlock[n]->DpcData ||
            Dpc->DpcData == &KiProcessorBlock[n]->ThreadedDpcData)
            return ArchIsAddressMapped(&entry->Flink->Blink) && entry->Flink->Blink == entry;
    }
    return FALSE;
}

/*
 * Sends the dispatch interrupt unless one is on its way or a drain will look again. CR8 is at
 * HIGH_LEVEL, so an interrupt to this processor waits in the APIC until IRQL falls.
 */
FORCEINLINE VOID RequestDispatchLocked(PKPRCB Prcb)
{
    if (Prcb == KeGetCurrentPrcb()) {
        KiRequestOwnDispatch(Prcb);
    } else if (!Prcb->DpcData.DispatchRequested) {
        Prcb->DpcData.DispatchRequested = TRUE;
        ArchCallKeepingRegisters(ArchSendInterrupt, Prcb->Number, DISPATCH_VECTOR, 0, 0);
    }
}

/*
 * Requests the dispatch interrupt on a processor.
 *
 * IRQL:    any
 * Locks:   takes the DPC queue's lock
 * Context: any
 * Returns: nothing
 * Source:  contract T-CR8-3
 */
VOID KiRequestDispatch(PKPRCB Prcb)
{
    KIRQL oldIrql = KiAcquireHighLock(&Prcb->DpcData.Lock);

    RequestDispatchLocked(Prcb);
    KiReleaseHighLock(&Prcb->DpcData.Lock, oldIrql);
}

/* The table of dpc.md, "When draining is requested": for ordinary DPCs. */
static BOOLEAN IsUrgent(const KDPC *Dpc, const KPRCB *Target)
{
    const KDPC_DATA *data = &Target->DpcData;

    if (KiDpcQueueDepth(data) > MAXIMUM_DPC_QUEUE_DEPTH || data->ProcessorIdle)
        return TRUE;
    if (Target != KeGetCurrentPrcb())
        return Dpc->Importance >= HighImportance;
    return Dpc->Importance != LowImportance || data->RequestRate < MINIMUM_DPC_RATE;
}

/* The queue's lock is held. A threaded DPC's importance says nothing about when (T-TDPC-4). */
static VOID RequestDrain(const KDPC *Dpc, PKPRCB Target, const KDPC_DATA *Data)
{
    if (Data == &Target->ThreadedDpcData)
        KiRequestDpcThread(Target);
    else if (IsUrgent(Dpc, Target))
        RequestDispatchLocked(Target);
}

/*
 * Any DPC, by its type, its importance and its target. At HIGH_LEVEL from the start: this processor
 * must not change between choosing the queue and locking it.
 */
static BOOLEAN InsertAnyDpc(PKDPC Dpc, PVOID Argument1, PVOID Argument2, BOOLEAN FromTimer)
{
    KIRQL oldIrql = KiRaiseIrql(HIGH_LEVEL);
    PKPRCB target = Dpc->Number ? KiProcessorBlock[Dpc->Number - 1] : KeGetCurrentPrcb();
    PKDPC_DATA data = KiDpcQueueFor(Dpc, target);

    KiLock(&data->Lock);
    BOOLEAN inserted = KiClaimDpc(Dpc, data);

    if (inserted) {
        KiLinkDpc(Dpc, data, Argument1, Argument2, FromTimer, Dpc->Importance == HighImportance);
        KD_TRACE(KD_CLASS_FLOW, TraceDpcQueue, Dpc, Dpc->DeferredRoutine,
                 KiTraceDpcFlags(data == &target->ThreadedDpcData, FromTimer) | target->Number);
        RequestDrain(Dpc, target, data);
    }
    KiReleaseHighLock(&data->Lock, oldIrql);
    return inserted;
}

/* A plain DPC's insertion, and the request that will follow. */
static VOID TraceInsertion(PKDPC Dpc, const KDPC_DATA *Data, ULONG64 FromTimer)
{
    ULONG processor = KeGetCurrentPrcb()->Number;

    KD_TRACE(KD_CLASS_FLOW, TraceDpcQueue, Dpc, Dpc->DeferredRoutine,
             KiTraceDpcFlags(FALSE, FromTimer) | processor);
    if (!Data->DispatchRequested)
        KD_TRACE(KD_CLASS_FLOW, TraceInterruptRequest, 0, DISPATCH_VECTOR, processor);
}

/*
 * The same for a plain DPC, as nearly all are: nothing is left to be decided. Small enough to stand
 * where it is called, with no stack frame for it.
 */
FORCEINLINE BOOLEAN InsertPlainDpc(PKDPC Dpc, PVOID Argument1, PVOID Argument2, BOOLEAN FromTimer)
{
    KIRQL oldIrql = KiRaiseIrql(HIGH_LEVEL);
    PKDPC_DATA data = &KeGetCurrentPrcb()->DpcData;

    KiLock(&data->Lock);
    if (!KiClaimDpc(Dpc, data)) {
        KiReleaseHighLock(&data->Lock, oldIrql);
        return FALSE;
    }
    KiLinkDpc(Dpc, data, Argument1, Argument2, FromTimer, FALSE);
    if (KI_UNLIKELY(KdTraceClasses & KD_CLASS_FLOW))
        ArchCallKeepingRegisters(TraceInsertion, Dpc, data, FromTimer, 0);
    if (!data->DispatchRequested) {
        data->DispatchRequested = TRUE;
        ArchRequestSoftwareInterrupt(DISPATCH_LEVEL);
    }
    KiReleaseHighLock(&data->Lock, oldIrql);
    return TRUE;
}

/*
 * Queues a DPC with two arguments, unless it is queued already. Called below DISPATCH_LEVEL for
 * this processor, an urgent DPC has run when the call returns: releasing the queue's lock lowers
 * CR8, and the interrupt is taken.
 *
 * IRQL:    any
 * Locks:   takes the target queue's lock
 * Context: any, interrupt service routines included
 * Returns: TRUE if this call queued it, FALSE if it was queued already
 * Source:  contract T-KeInsertQueueDpc-1..6, T-DPCQ-1..5, T-DPCQ-9..16
 */
BOOLEAN KeInsertQueueDpc(PRKDPC Dpc, PVOID SystemArgument1, PVOID SystemArgument2)
{
    KI_REQUIRE(Dpc->Number <= KeNumberProcessors, TIMER_OR_DPC_INVALID, 3, Dpc, Dpc->Number - 1,
               KeNumberProcessors);
    if (KI_UNLIKELY(!KiIsPlainDpc(Dpc)))
        return InsertAnyDpc(Dpc, SystemArgument1, SystemArgument2, FALSE);
    return InsertPlainDpc(Dpc, SystemArgument1, SystemArgument2, FALSE);
}

/*
 * Queues the DPC of a timer that has expired. Its arguments mean nothing.
 *
 * IRQL:    DISPATCH_LEVEL (not checked)
 * Locks:   takes the target queue's lock; the caller holds a timer table's lock
 * Context: timer expiry
 * Returns: FALSE if it was queued already: this expiry adds no second run
 * Source:  contract T-TMR-14..15, T-KDEFERRED-3
 */
BOOLEAN KiInsertTimerDpc(PKDPC Dpc)
{
    if (KI_UNLIKELY(!KiIsPlainDpc(Dpc)))
        return InsertAnyDpc(Dpc, NULL, NULL, TRUE);
    return InsertPlainDpc(Dpc, NULL, NULL, TRUE);
}

/*
 * Takes a DPC out of its queue. DpcData can change until the queue's lock is held:
 *
 *     this processor                       the queue's processor
 *     data = Dpc->DpcData
 *                                          takes the DPC out: DpcData = NULL
 *     locks data: DpcData is not data any
 *     more: somebody else has the DPC
 *
 * IRQL:    any
 * Locks:   takes the lock of the queue that holds it
 * Context: any
 * Returns: TRUE if it was queued and will not run for that insertion
 * Source:  contract T-KeRemoveQueueDpc-1..4
 */
BOOLEAN KeRemoveQueueDpc(PRKDPC Dpc)
{
    PKDPC_DATA data = Dpc->DpcData;
    BOOLEAN removed = FALSE;

    while (data && !removed) {
        KIRQL oldIrql = KiAcquireHighLock(&data->Lock);
        if (Dpc->DpcData == data) {
            RemoveEntryList(&Dpc->DpcListEntry);
            data->Removed++;
            KD_TRACE(KD_CLASS_FLOW, TraceDpcRemove, Dpc, Dpc->DeferredRoutine, 0);
            KiDisownDpc(Dpc);
            removed = TRUE;
        }
        KiReleaseHighLock(&data->Lock, oldIrql);
        data = Dpc->DpcData;
    }
    return removed;
}

/*
 * Where the DPC is put in its queue, and how urgent it is, from the next insertion on.
 *
 * IRQL:    any
 * Locks:   none
 * Context: any
 * Returns: nothing
 * Source:  contract T-KeSetImportanceDpc-1..3
 */
VOID KeSetImportanceDpc(PRKDPC Dpc, KDPC_IMPORTANCE Importance)
{
    Dpc->Importance = (UCHAR)Importance;
}

/*
 * The processor on which the DPC is to run, from the next insertion on. A number that no
 * processor has is ignored.
 *
 * IRQL:    any
 * Locks:   none
 * Context: any
 * Returns: nothing
 * Source:  contract T-KeSetTargetProcessorDpc-1..2
 */
VOID KeSetTargetProcessorDpc(PRKDPC Dpc, CCHAR Number)
{
    if (Number >= 0 && Number < KeNumberProcessors)
        Dpc->Number = (USHORT)(Number + 1);
}

/*
 * As KeSetTargetProcessorDpc, with a status.
 *
 * IRQL:    any
 * Locks:   none
 * Context: any
 * Returns: STATUS_SUCCESS, or STATUS_INVALID_PARAMETER and nothing changed
 * Source:  contract T-KeSetTargetProcessorDpcEx-1
 */
NTSTATUS KeSetTargetProcessorDpcEx(PKDPC Dpc, PPROCESSOR_NUMBER ProcNumber)
{
    if (ProcNumber->Group != 0 || ProcNumber->Reserved != 0 ||
        ProcNumber->Number >= KeNumberProcessors)
        return STATUS_INVALID_PARAMETER;
    Dpc->Number = (USHORT)(ProcNumber->Number + 1);
    return STATUS_SUCCESS;
}

/*
 * Does an ordinary DPC routine run on this processor (perhaps interrupted by the caller)?
 *
 * IRQL:    any
 * Locks:   none
 * Context: any
 * Returns: non-zero if so
 * Source:  contract T-KeIsExecutingDpc-1
 */
LOGICAL KeIsExecutingDpc(VOID)
{
    KIRQL oldIrql = KiRaiseIrql(HIGH_LEVEL);
    LOGICAL executing = KeGetCurrentPrcb()->DpcRoutine != NULL;

    KiLowerIrql(oldIrql);
    return executing;
}
