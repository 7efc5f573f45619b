/*
 * Every interrupt comes by here, from the stubs of arch/: CR8 is the vector's class, interrupts
 * are off. A handler of a lower class never runs inside the in-service class of a higher one:
 * the end-of-interrupt is sent before this code returns, or earlier where that is right.
 */
#include "ke.h"

static volatile ULONG64 LocalApicErrors;

/* DPC work is not inside the interrupt's class (T-CR8-4), so its end comes first. */
static VOID DispatchInterrupt(PKPRCB Prcb)
{
    ArchEndInterrupt();
    ArchEnableInterrupts();
    Prcb->DispatchCount++;
    KiDispatchWork(Prcb);
    KiDispatchThreads(Prcb);
    ArchDisableInterrupts();
}

/* Higher classes may interrupt the ISR; its own class waits for the end-of-interrupt. */
static VOID DeviceInterrupt(PKPRCB Prcb, ULONG Vector)
{
    Prcb->InterruptDepth++;
    ArchEnableInterrupts();
    KiDispatchDeviceInterrupt(Vector);
    ArchDisableInterrupts();
    ArchEndInterrupt();
    Prcb->InterruptDepth--;
}

static VOID ClockInterrupt(PKPRCB Prcb, KIRQL InterruptedIrql)
{
    ArchClockInterrupt();
    ArchEndInterrupt();
    KiClockInterrupt(Prcb, InterruptedIrql);
}

/*
 * Serves one interrupt.
 *
 * IRQL:    the vector's class, interrupts off, at entry and at exit (not checked)
 * Locks:   none
 * Context: interrupt
 * Returns: nothing; the stub restores the IRQL
 * Source:  contract T-INT-1, T-INT-6, T-CR8-3..4
 */
VOID KiDispatchInterrupt(ULONG Vector, PKTRAP_FRAME TrapFrame)
{
    PKPRCB prcb = KeGetCurrentPrcb();

    prcb->InterruptCount++;
    if (prcb->IdleHalt)
        KiLeaveIdle(prcb);

    if (Vector == DISPATCH_VECTOR) {
        DispatchInterrupt(prcb);
    } else if (Vector >= FIRST_DEVICE_VECTOR && Vector <= LAST_DEVICE_VECTOR) {
        DeviceInterrupt(prcb, Vector);
    } else if (Vector == CLOCK_VECTOR) {
        ClockInterrupt(prcb, TrapFrame->PreviousIrql);
    } else if (Vector == IPI_VECTOR) {
        prcb->InterruptedIrql = TrapFrame->PreviousIrql;
        KiIpiInterrupt();
        ArchEndInterrupt();
    } else if (Vector != SPURIOUS_VECTOR) {
        /* An APC request (no thread has APCs yet), an APIC error, or nobody's vector. */
        if (Vector == ERROR_VECTOR)
            InterlockedIncrement64(&LocalApicErrors);
        else if (Vector != APC_VECTOR)
            InterlockedIncrement64(&KiSpuriousInterrupts);
        ArchEndInterrupt();
    }
}
