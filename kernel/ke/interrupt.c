/*
 * Device interrupts: from the vector to the interrupt service routines, and the lock that keeps
 * other code apart from them. Runs at the vector's IRQL and, around a service routine, at the
 * object's SynchronizeIrql with the object's lock.
 *
 * A chain is walked without a lock. That is safe because an object is freed only after every
 * walk that could have met it has ended: connect.c says how that is known.
 */
#include "intobj.h"

#define KIND_WRONG_KIND_OF_LOCK 0x1008

KI_VECTOR KiVectors[DEVICE_VECTORS];
volatile ULONG64 KiSpuriousInterrupts;

/* Stands in for a service routine that is traced. */
static __attribute__((noinline)) BOOLEAN TraceService(PKINTERRUPT Interrupt, PVOID ServiceContext)
{
    KD_TRACE(KD_CLASS_FLOW, TraceServiceStart, Interrupt, Interrupt->ServiceRoutine,
             Interrupt->Vector);
    BOOLEAN served = Interrupt->ServiceRoutine(Interrupt, ServiceContext);

    KD_TRACE(KD_CLASS_FLOW, TraceServiceEnd, Interrupt, Interrupt->ServiceRoutine, served);
    return served;
}

/*
 * One service routine. Active is tested under the lock: who turned it off under the lock knows
 * that the routine is neither running nor called again.
 */
FORCEINLINE BOOLEAN CallServiceRoutine(PKINTERRUPT Interrupt)
{
    BOOLEAN served = FALSE;

    ArchWriteIrql(Interrupt->SynchronizeIrql);
    KiAcquireLockAtDpcLevel(Interrupt->ActualLock);
    if (Interrupt->Active) {
        if (KI_UNLIKELY(KdTraceClasses & KD_CLASS_FLOW))
            served = TraceService(Interrupt, Interrupt->ServiceContext);
        else
            served = Interrupt->ServiceRoutine(Interrupt, Interrupt->ServiceContext);
        KI_REQUIRE(KeGetCurrentIrql() == Interrupt->SynchronizeIrql,
                   DRIVER_VERIFIER_DETECTED_VIOLATION, 0x111, Interrupt->ServiceRoutine,
                   Interrupt->SynchronizeIrql, KeGetCurrentIrql());
        Interrupt->Count += served != FALSE;
    }
    KiReleaseLockFromDpcLevel(Interrupt->ActualLock);
    ArchWriteIrql(Interrupt->Irql);
    return served;
}

/*
 * One pass over a chain. A level-triggered line that another device still asserts interrupts
 * again, so the pass ends with the first device that has been served. An edge that came while
 * the line was high already is lost, so every latched device is asked.
 */
static BOOLEAN CallChain(PKINTERRUPT Interrupt)
{
    BOOLEAN served = FALSE;

    for (; Interrupt; Interrupt = Interrupt->Next) {
        if (!CallServiceRoutine(Interrupt))
            continue;
        served = TRUE;
        if (Interrupt->Mode == LevelSensitive)
            break;
    }
    return served;
}

/*
 * Serves a vector that has not exactly one service routine to call. Devices that share a latched
 * line get passes until one finds nothing to do:
 *
 *     the line               device A                     device B
 *     rises: the interrupt   asserts
 *     high                                                asserts: no edge
 *     high                   asked: served, releases
 *     high                   asserts again: no edge
 *     high                                                asked: served, releases
 *
 * Had the walk ended here, the line would stay high, and no edge would ever come again. After a
 * pass in which every device said no, the line is low or an edge has come. A vector that has no
 * line is raised by messages, each of which arrives for itself: one pass is enough.
 */
static BOOLEAN ServeOtherVector(PKI_VECTOR Vector)
{
    PKINTERRUPT first = Vector->Chain;

    if (first && KiIsPassiveInterrupt(first)) { /* it is alone */
        KiRequestPassiveInterrupt(first);
        return TRUE;
    }

    BOOLEAN again = first && first->Mode == Latched && Vector->LineOpen;

    if (!CallChain(first))
        return FALSE;
    while (again)
        again = CallChain(Vector->Chain);
    return TRUE;
}

/*
 * Serves a device interrupt. Higher classes may interrupt the service routines; their own class
 * waits for the end-of-interrupt.
 *
 * IRQL:    = VECTOR_IRQL(Vector), interrupts off at entry and at exit
 * Locks:   takes each interrupt object's lock around its service routine
 * Context: interrupt
 * Returns: nothing
 * Source:  contract T-INT-1..5
 */
VOID KiDispatchDeviceInterrupt(ULONG Vector)
{
    KI_REQUIRE_IRQL_EXACTLY(VECTOR_IRQL(Vector), RULE_IRQL_DISPATCH, "IrqlDeviceInterrupt", Vector);

    PKPRCB prcb = KiEnterInterrupt();
    PKINTERRUPT first = KiVector(Vector)->Chain;

    prcb->InterruptCount++;
    prcb->InterruptDepth++;
    ArchEnableInterrupts();
    BOOLEAN simple = first && !first->Next && !KiIsPassiveInterrupt(first);
    if (!(simple ? CallServiceRoutine(first) : ServeOtherVector(KiVector(Vector))))
        InterlockedIncrement64(&KiSpuriousInterrupts);
    ArchMaskInterrupts();
    ArchEndInterrupt();
    prcb->InterruptDepth--;
}

/*
 * Takes the lock under which the service routine runs. While it is held the routine does not run
 * on any processor: here it is masked, elsewhere it spins. A passive-level interrupt has none:
 * [choice] 0xC4/0x1008, in every build.
 *
 * IRQL:    <= Interrupt->SynchronizeIrql
 * Locks:   takes the interrupt object's lock
 * Context: any
 * Returns: the earlier IRQL, for the release
 * Source:  contract T-KeAcquireInterruptSpinLock-1..4
 */
KIRQL KeAcquireInterruptSpinLock(PKINTERRUPT Interrupt)
{
    if (KiIsPassiveInterrupt(Interrupt))
        KeBugCheckEx(DRIVER_VERIFIER_DETECTED_VIOLATION, KIND_WRONG_KIND_OF_LOCK,
                     (ULONG_PTR)Interrupt, 0, 0);
    KI_REQUIRE_IRQL_AT_MOST(Interrupt->SynchronizeIrql, 0x30, "IrqlKeRaiseLower",
                            Interrupt->SynchronizeIrql);

    KIRQL oldIrql = KiRaiseIrql(Interrupt->SynchronizeIrql);

    KiAcquireLockAtDpcLevel(Interrupt->ActualLock);
    return oldIrql;
}

/*
 * Releases the lock and restores the IRQL.
 *
 * IRQL:    = Interrupt->SynchronizeIrql
 * Locks:   releases the interrupt object's lock
 * Context: any
 * Returns: nothing
 * Source:  contract T-KeReleaseInterruptSpinLock-1
 */
VOID KeReleaseInterruptSpinLock(PKINTERRUPT Interrupt, KIRQL OldIrql)
{
    KI_REQUIRE_IRQL_EXACTLY(Interrupt->SynchronizeIrql, 0x31, "IrqlKeRaiseLower", OldIrql);

    KiReleaseLockFromDpcLevel(Interrupt->ActualLock);
    KiLowerIrql(OldIrql);
}

/*
 * Runs a routine as the service routine runs, hence never beside it, nor beside another routine
 * of the same lock.
 *
 * IRQL:    <= Interrupt->SynchronizeIrql
 * Locks:   takes the interrupt object's lock, or its event; the caller must not hold it
 * Context: any; for a passive-level interrupt a thread that may wait
 * Returns: what the routine returned
 * Source:  contract T-KeSynchronizeExecution-1..5
 */
BOOLEAN KeSynchronizeExecution(PKINTERRUPT Interrupt, PKSYNCHRONIZE_ROUTINE SynchronizeRoutine,
                               PVOID SynchronizeContext)
{
    KI_REQUIRE_IRQL_AT_MOST(Interrupt->SynchronizeIrql, 0x30, "IrqlKeRaiseLower",
                            Interrupt->SynchronizeIrql);

    BOOLEAN result;

    if (KiIsPassiveInterrupt(Interrupt)) {
        KiAcquirePassiveInterrupt(Interrupt);
        result = SynchronizeRoutine(SynchronizeContext);
        KiReleasePassiveInterrupt(Interrupt);
    } else {
        KIRQL oldIrql = KeAcquireInterruptSpinLock(Interrupt);

        result = SynchronizeRoutine(SynchronizeContext);
        KeReleaseInterruptSpinLock(Interrupt, oldIrql);
    }
    return result;
}
