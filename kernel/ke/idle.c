/* What a processor does when it has nothing to do. */
#include "ke.h"

/*
 * Says that this processor is about to halt, unless DPCs are queued. Under the queue's lock, so
 * that an insert either comes first and is seen here, or sees the flag and sends the interrupt.
 */
static BOOLEAN DeclareIdle(PKPRCB Prcb)
{
    KIRQL oldIrql = KiAcquireHighLock(&Prcb->DpcData.Lock);
    BOOLEAN idle = IsListEmpty(&Prcb->DpcData.DpcList);

    Prcb->DpcData.ProcessorIdle = idle;
    KiReleaseHighLock(&Prcb->DpcData.Lock, oldIrql);
    return idle;
}

/*
 * The idle loop: drains what nobody asked to drain, then halts without a tick.
 *
 * IRQL:    PASSIVE_LEVEL (not checked)
 * Locks:   none
 * Context: the idle thread of Prcb's processor
 * Returns: never
 * Source:  contract T-DPCQ-11
 */
DECLSPEC_NORETURN VOID KiIdleLoop(PKPRCB Prcb)
{
    for (;;) {
        ULONG_PTR flags = ArchDisableInterrupts();
        if (DeclareIdle(Prcb)) {
            KiEnterIdle(Prcb);
            ArchIdle();
        } else {
            ArchRestoreInterrupts(flags);
            KiRequestDispatch(Prcb);
        }
    }
}

/*
 * Looks at Condition(Context) at every time increment until it is TRUE.
 *
 * IRQL:    PASSIVE_LEVEL (not checked)
 * Locks:   none
 * Context: a thread
 * Returns: nothing
 */
VOID KiWaitUntil(KI_CONDITION *Condition, PVOID Context)
{
    while (!Condition(Context))
        KiSleep(KI_TIME_INCREMENT);
}

/*
 * Waits for Interval (100 ns), never less.
 *
 * IRQL:    PASSIVE_LEVEL (not checked)
 * Locks:   none
 * Context: a thread
 * Returns: nothing
 */
VOID KiSleep(ULONG64 Interval)
{
    LARGE_INTEGER interval = {.QuadPart = -(LONGLONG)Interval};

    KeDelayExecutionThread(KernelMode, FALSE, &interval);
}
