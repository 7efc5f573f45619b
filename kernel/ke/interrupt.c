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

/*
 * One service routine. Active is tested under the lock: who turned it off under the lock knows
 * that the routine is neither running nor called again.
 */
static BOOLEAN CallServiceRoutine(PKINTERRUPT Interrupt)
{
    KIRQL oldIrql = KiRaiseIrql(Interrupt->SynchronizeIrql);
    BOOLEAN served = FALSE;

    KeAcquireSpinLockAtDpcLevel(Interrupt->ActualLock);
    if (Interrupt->Active) {
        KD_TRACE(KD_CLASS_FLOW, TraceServiceStart, Interrupt, Interrupt->ServiceRoutine,
                 Interrupt->Vector);
        served = Interrupt->ServiceRoutine(Interrupt, Interrupt->ServiceContext);
        KD_TRACE(KD_CLASS_FLOW, TraceServiceEnd, Interrupt, Interrupt->ServiceRoutine, served);
        KI_REQUIRE(KeGetCurrentIrql() == Interrupt->SynchronizeIrql,
                   DRIVER_VERIFIER_DETECTED_VIOLATION, 0x111, Interrupt->ServiceRoutine,
                   Interrupt->SynchronizeIrql, KeGetCurrentIrql());
        Interrupt->Count += served != FALSE;
    }
    KeReleaseSpinLockFromDpcLevel(Interrupt->ActualLock);
    KiLowerIrql(oldIrql);
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
 * Serves a device interrupt. Devices that share a latched line get passes until one finds nothing
 * to do:
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
 *
 * IRQL:    = VECTOR_IRQL(Vector)
 * Locks:   takes each interrupt object's lock around its service routine
 * Context: the interrupt, interrupts on; the caller ends the interrupt afterwards
 * Returns: nothing
 * Source:  contract T-INT-1..5
 */
VOID KiDispatchDeviceInterrupt(ULONG Vector)
{
    KI_REQUIRE_IRQL_EXACTLY(VECTOR_IRQL(Vector), RULE_IRQL_DISPATCH, "IrqlDeviceInterrupt", Vector);

    PKI_VECTOR vector = KiVector(Vector);
    PKINTERRUPT first = vector->Chain;

    if (first && KiIsPassiveInterrupt(first)) { /* it is alone */
        KiRequestPassiveInterrupt(first);
        return;
    }

    BOOLEAN again = first && first->Mode == Latched && first->Next && vector->LineOpen;

    if (!CallChain(first)) {
        InterlockedIncrement64(&KiSpuriousInterrupts);
        return;
    }
    while (again)
        again = CallChain(vector->Chain);
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

    KeAcquireSpinLockAtDpcLevel(Interrupt->ActualLock);
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

    KeReleaseSpinLockFromDpcLevel(Interrupt->ActualLock);
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
