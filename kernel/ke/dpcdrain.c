/*
 * The dispatch interrupt: timers that are due, then DPCs, until neither is left, then the thread
 * switch. DISPATCH_LEVEL. Routines run with interrupts on and no lock held; between two routines
 * interrupts are off, which keeps everybody else of this processor away from the queue's lock as
 * well as HIGH_LEVEL would.
 */
#include "dpc.h"

/* Stands in for the routine when it is traced, so that nothing of that is in the drain. */
static __attribute__((noinline)) VOID TraceRoutine(PKDPC Dpc, PVOID Context, PVOID Argument1,
                                                   PVOID Argument2)
{
    PKPRCB prcb = KeGetCurrentPrcb();
    PKDEFERRED_ROUTINE routine = prcb->DpcRoutine;

    KD_TRACE(KD_CLASS_FLOW, TraceDpcStart, Dpc, routine, KiTraceDpcFlags(FALSE, prcb->TimerDpc));
    routine(Dpc, Context, Argument1, Argument2);
    KD_TRACE(KD_CLASS_FLOW, TraceDpcEnd, Dpc, routine, KiTraceDpcFlags(FALSE, prcb->TimerDpc));
}

static VOID RunDpc(PKPRCB Prcb, const KDPC_CALL *Call)
{
#if DBG
    SHORT before = KeGetCurrentThread()->KernelApcDisable;

    Prcb->TimerDpc = Call->FromTimer;
#endif
    Prcb->DpcRoutine = Call->Routine;
    if (KI_UNLIKELY(KdTraceClasses & KD_CLASS_FLOW))
        TraceRoutine(Call->Dpc, Call->Context, Call->Argument1, Call->Argument2);
    else
        Call->Routine(Call->Dpc, Call->Context, Call->Argument1, Call->Argument2);
    Prcb->DpcRoutine = NULL;
    KI_REQUIRE(KeGetCurrentIrql() == DISPATCH_LEVEL, DRIVER_VERIFIER_DETECTED_VIOLATION, 0x31,
               KeGetCurrentIrql(), DISPATCH_LEVEL, 1);
    KI_REQUIRE(KeGetCurrentThread()->KernelApcDisable == before, TIMER_OR_DPC_INVALID,
               4 + Call->FromTimer, Call->Routine, before, KeGetCurrentThread()->KernelApcDisable);
}

/*
 * Due timers, with interrupts on. The clock is set behind a DPC routine rather than before it:
 *
 *     clock interrupt      dispatch interrupt
 *     Work = TimersDue
 *                          Work = ClockOwed; they expire
 *                          a DPC routine, if there is one
 *                          Work = NoTimerWork; sets the clock, or finds that more are due:
 *                              Work = TimersDue, ClockOwed; they expire
 *                          the next DPC routine
 *
 * So a timer that falls due between two DPCs expires there, and its own DPC takes its turn.
 */
FORCEINLINE VOID ServeTimers(PKPRCB Prcb)
{
    ArchEnableInterrupts();
    if (Prcb->TimerTable.Work == ClockOwed)
        KiSettleClock(Prcb);
    while (Prcb->TimerTable.Work == TimersDue)
        KiExpireTimers(Prcb);
    ArchMaskInterrupts();
}

/*
 * Due timers first, so that one drain runs a DPC once that both a timer and a driver have queued.
 * The clock interrupt of this processor is what sets Work, so with interrupts off the look at it
 * and the look at the queue are one step. With the queue empty, a clock that is owed is set.
 */
FORCEINLINE BOOLEAN TakeWork(PKPRCB Prcb, KDPC_CALL *Call)
{
    BOOLEAN taken;

    do {
        if (KI_UNLIKELY(Prcb->TimerTable.Work))
            ServeTimers(Prcb);
        KiLock(&Prcb->DpcData.Lock);
        taken = KiTakeDpc(&Prcb->DpcData, Call);
        KiUnlock(&Prcb->DpcData.Lock);
    } while (KI_UNLIKELY(!taken && Prcb->TimerTable.Work));
    return taken;
}

/*
 * Serves the dispatch interrupt. Its end comes first: DPC work is not inside the interrupt's class
 * (T-CR8-4), and the next request can become pending behind it.
 *
 * IRQL:    DISPATCH_LEVEL, interrupts off, at entry and at exit (not checked)
 * Locks:   none held while a routine runs
 * Context: interrupt
 * Returns: nothing; the stub restores the IRQL
 * Source:  contract T-DPCQ-6..7, T-DPCQ-10, T-IRQL-7, T-KeInsertQueueDpc-6, T-CR8-3..4
 */
VOID KiDispatchLevelInterrupt(VOID)
{
    PKPRCB prcb = KiEnterInterrupt();
    KDPC_CALL call;

    prcb->DispatchCount++;
    ArchEndInterrupt();
    while (KI_LIKELY(TakeWork(prcb, &call))) {
        ArchEnableInterrupts();
        RunDpc(prcb, &call);
        ArchMaskInterrupts();
    }
    if (prcb->NextThread || prcb->QuantumEnd || prcb->DpcThreadRequested) {
        ArchEnableInterrupts();
        KiDispatchThreads(prcb);
        ArchMaskInterrupts();
    }
}
