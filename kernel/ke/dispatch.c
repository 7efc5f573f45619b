/*
 * Every interrupt but those of the clock (clock.c) and the dispatch interrupt (dpcdrain.c) comes by
 * here, from the stubs of arch/: CR8 is the vector's class, interrupts are off. A handler of a
 * lower class never runs inside the in-service class of a higher one: the end-of-interrupt is sent
 * before this code returns, or earlier where that is right.
 */
#include "ke.h"

static volatile ULONG64 LocalApicErrors;

/* Ends first: the normal routines of APCs run at PASSIVE_LEVEL in here, and may wait. */
static VOID ApcInterrupt(VOID)
{
    ArchEndInterrupt();
    ArchEnableInterrupts();
    KiDeliverApcs();
    ArchMaskInterrupts();
}

/* APCs, other processors, and what the interrupt controller itself has to say. */
static __attribute__((noinline)) VOID SystemInterrupt(ULONG Vector, KIRQL InterruptedIrql)
{
    PKPRCB prcb = KiEnterInterrupt();

    prcb->InterruptCount++;
    if (Vector == IPI_VECTOR) {
        prcb->InterruptedIrql = InterruptedIrql;
        KiIpiInterrupt();
        ArchEndInterrupt();
    } else if (Vector == APC_VECTOR) {
        ApcInterrupt();
    } else if (Vector != SPURIOUS_VECTOR) {
        /* An APIC error, or nobody's vector. */
        if (Vector == ERROR_VECTOR)
            InterlockedIncrement64(&LocalApicErrors);
        else
            InterlockedIncrement64(&KiSpuriousInterrupts);
        ArchEndInterrupt();
    }
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
    if (Vector >= FIRST_DEVICE_VECTOR && Vector <= LAST_DEVICE_VECTOR)
        KiDispatchDeviceInterrupt(Vector);
    else
        SystemInterrupt(Vector, TrapFrame->PreviousIrql);
}
