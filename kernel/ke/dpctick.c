/*
 * What the tick does for DPCs: it measures how often they are inserted, wakes those that were
 * not urgent, and guards against routines that do not end.
 */
#include "ke.h"

/* In ticks; 0 turns the check off (T-DPCWD-3). */
ULONG KiDpcTimeLimit = 0x500;
ULONG KiDpcWatchdogLimit = 0x1E00;

/* Begins to count anew if another routine has started since the last look. */
static VOID NoteRoutine(PKPRCB Prcb)
{
    if (Prcb->DpcTimed == Prcb->DpcData.Count)
        return;
    Prcb->DpcTimed = Prcb->DpcData.Count;
    Prcb->DpcTimeCount = 0;
}

/* T-DPCWD-2. The report names the routine that runs (Prcb->DpcRoutine). */
static VOID CheckTimeLimits(PKPRCB Prcb, KIRQL InterruptedIrql)
{
    if (InterruptedIrql < DISPATCH_LEVEL) {
        Prcb->DpcTimeCount = Prcb->DpcWatchdogCount = 0;
        return;
    }
    NoteRoutine(Prcb);
    if (Prcb->DpcRoutine || InterruptedIrql > DISPATCH_LEVEL)
        Prcb->DpcTimeCount++;
    Prcb->DpcWatchdogCount++;
    if (KiDpcTimeLimit && Prcb->DpcTimeCount > KiDpcTimeLimit)
        KeBugCheckEx(DPC_WATCHDOG_VIOLATION, 0, Prcb->DpcTimeCount, KiDpcTimeLimit, 0);
    if (KiDpcWatchdogLimit && Prcb->DpcWatchdogCount > KiDpcWatchdogLimit)
        KeBugCheckEx(DPC_WATCHDOG_VIOLATION, 1, KiDpcWatchdogLimit, 0, 0);
}

/*
 * The tick's part in the life of DPCs. What waits in the queue although nobody has asked for a
 * drain (Low, or Medium from another processor) gets one when insertions are rare; when they are
 * frequent, the depth limit drains the queue. Elapsed: increments since the last tick here.
 *
 * IRQL:    CLOCK_LEVEL (not checked)
 * Locks:   takes the DPC queue's lock
 * Context: the clock interrupt
 * Returns: nothing
 * Source:  contract T-DPCQ-11, T-DPCWD-2
 */
VOID KiDpcTick(PKPRCB Prcb, KIRQL InterruptedIrql, ULONG64 Elapsed)
{
    PKDPC_DATA data = &Prcb->DpcData;

    CheckTimeLimits(Prcb, InterruptedIrql);

    KIRQL oldIrql = KiAcquireHighLock(&data->Lock);
    ULONG64 insertions = data->Inserted - data->InsertedAtTick;
    data->RequestRate = (data->RequestRate + (ULONG)(insertions / Elapsed)) / 2;
    data->InsertedAtTick = data->Inserted;
    BOOLEAN overdue = !IsListEmpty(&data->DpcList) && data->RequestRate < MINIMUM_DPC_RATE;
    KiReleaseHighLock(&data->Lock, oldIrql);
    if (overdue)
        KiRequestDispatch(Prcb);
}

static ULONG Remaining(ULONG Limit, ULONG Used)
{
    return Limit > Used ? Limit - Used : 0;
}

/*
 * Limits of the DPC watchdog and what is left of them, in ticks.
 *
 * IRQL:    any
 * Locks:   none
 * Context: a DPC routine
 * Returns: STATUS_SUCCESS, or STATUS_UNSUCCESSFUL outside of a DPC
 * Source:  contract T-KeQueryDpcWatchdogInformation-1..2
 */
NTSTATUS KeQueryDpcWatchdogInformation(PKDPC_WATCHDOG_INFORMATION WatchdogInformation)
{
    if (KeGetCurrentIrql() < DISPATCH_LEVEL || !KeIsExecutingDpc())
        return STATUS_UNSUCCESSFUL;

    PKPRCB prcb = KeGetCurrentPrcb();
    ULONG used = prcb->DpcTimed == prcb->DpcData.Count ? prcb->DpcTimeCount : 0;

    *WatchdogInformation = (KDPC_WATCHDOG_INFORMATION){
        .DpcTimeLimit = KiDpcTimeLimit,
        .DpcTimeCount = Remaining(KiDpcTimeLimit, used),
        .DpcWatchdogLimit = KiDpcWatchdogLimit,
        .DpcWatchdogCount = Remaining(KiDpcWatchdogLimit, prcb->DpcWatchdogCount),
    };
    return STATUS_SUCCESS;
}
