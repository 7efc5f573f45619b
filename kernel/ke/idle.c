/* What a processor does when it has nothing to do, and how code waits as long as there are no
 * threads. */
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
 * Halts between interrupts until Condition(Context). This processor keeps its tick, so a
 * condition that another processor makes true is seen after one tick at the latest.
 *
 * IRQL:    PASSIVE_LEVEL (not checked)
 * Locks:   none
 * Context: code that may wait
 * Returns: nothing
 */
VOID KiWaitUntil(KI_CONDITION *Condition, PVOID Context)
{
    while (!Condition(Context)) {
        ULONG_PTR flags = ArchDisableInterrupts();
        if (Condition(Context))
            ArchRestoreInterrupts(flags);
        else
            ArchIdle();
    }
}

static KDEFERRED_ROUTINE SleepDpc;
static VOID SleepDpc(PKDPC Dpc, PVOID Context, PVOID Argument1, PVOID Argument2)
{
    UNREFERENCED_PARAMETER(Dpc);
    UNREFERENCED_PARAMETER(Argument1);
    UNREFERENCED_PARAMETER(Argument2);
    *(volatile BOOLEAN *)Context = TRUE;
}

static BOOLEAN IsAwake(PVOID Context)
{
    return *(volatile BOOLEAN *)Context;
}

/*
 * Waits for Interval (100 ns), never less.
 *
 * IRQL:    PASSIVE_LEVEL (not checked)
 * Locks:   none
 * Context: code that may wait
 * Returns: nothing
 */
VOID KiSleep(ULONG64 Interval)
{
    KDPC dpc = {.Type = 0};
    KTIMER timer = {.Header.Type = 0};
    volatile BOOLEAN awake = FALSE;

    KeInitializeDpc(&dpc, SleepDpc, (PVOID)&awake);
    KeInitializeTimer(&timer);
    KeSetTimer(&timer, (LARGE_INTEGER){.QuadPart = -(LONGLONG)Interval}, &dpc);
    KiWaitUntil(IsAwake, (PVOID)&awake);
}
