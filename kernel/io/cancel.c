/*
 * Cancelling one request. The cancel spin lock (DISPATCH_LEVEL) serializes the setting of Cancel
 * and the calls of cancel routines in the whole system; the exchange of Irp->CancelRoutine decides
 * each single race.
 *
 *     driver, normal path                     IoCancelIrp
 *                                             takes the cancel spin lock; Cancel = TRUE
 *     routine = IoSetCancelRoutine(Irp, NULL) routine = IoSetCancelRoutine(Irp, NULL)
 *
 * Only one of the two exchanges can return the routine, and who gets it completes the IRP:
 *
 *     it is the driver: it goes on as if      NULL: releases the lock, returns FALSE; the driver
 *     nothing had happened                    may see Cancel later
 *
 *     NULL: the driver leaves the IRP alone;  calls the routine, which takes the IRP out of the
 *     the routine has it                      driver's queue and completes it
 *
 * A driver that queues an IRP sets the routine first and then looks at Cancel: if IoCancelIrp came
 * before, the driver's own exchange gets the routine back, unless the cancel routine runs already.
 */
#include "iop.h"

static KSPIN_LOCK CancelLock;

/*
 * IRQL:    <= DISPATCH_LEVEL
 * Locks:   returns with the cancel spin lock held
 * Context: any
 * Returns: nothing; *Irql is for IoReleaseCancelSpinLock
 * Source:  contract io.md, Cancellation
 */
VOID IoAcquireCancelSpinLock(PKIRQL Irql)
{
    KI_REQUIRE_IRQL_AT_MOST(DISPATCH_LEVEL, RULE_IRQL_KE_DISPATCH_LTE, "CancelSpinLock", Irql);
    *Irql = KeAcquireSpinLockRaiseToDpc(&CancelLock);
}

/*
 * IRQL:    = DISPATCH_LEVEL
 * Locks:   frees the cancel spin lock
 * Context: any
 * Returns: nothing
 * Source:  contract io.md, Cancellation
 */
VOID IoReleaseCancelSpinLock(KIRQL Irql)
{
    KI_REQUIRE_IRQL_EXACTLY(DISPATCH_LEVEL, RULE_IRQL_DISPATCH, "CancelSpinlockRelease", 0);
    KeReleaseSpinLock(&CancelLock, Irql);
}

/*
 * A cancel routine has returned: at the IRQL of before, and without the lock. The processor's name
 * stands in the lock that it still holds; at DISPATCH_LEVEL it is the same processor as before.
 */
static VOID CheckReturn(PIRP Irp, PDRIVER_CANCEL Routine, KIRQL Irql)
{
    KI_REQUIRE(KeGetCurrentIrql() == Irql && (Irql < DISPATCH_LEVEL || CancelLock != KI_LOCK_MARK),
               DRIVER_RETURNED_HOLDING_CANCEL_LOCK, Irp, Routine, KeGetCurrentIrql(), Irql);
    UNREFERENCED_PARAMETER(Irp);
    UNREFERENCED_PARAMETER(Routine);
    UNREFERENCED_PARAMETER(Irql);
}

/*
 * Cancels a request for a caller that has the cancel spin lock, which is free on return.
 *
 * IRQL:    DISPATCH_LEVEL (IoReleaseCancelSpinLock)
 * Locks:   the caller holds the cancel spin lock; it, or the cancel routine, frees it
 * Context: IoCancelIrp, IoStartPacket; Irql is what IoAcquireCancelSpinLock has returned
 * Returns: TRUE if there was a cancel routine: it has been called
 * Source:  contract T-IoCancelIrp-1, T-DRIVER_CANCEL-1
 */
BOOLEAN IopCancelLockedIrp(PIRP Irp, KIRQL Irql)
{
    PDRIVER_CANCEL routine;

    Irp->Cancel = TRUE;
    routine = IoSetCancelRoutine(Irp, NULL);
    if (!routine) {
        IoReleaseCancelSpinLock(Irql);
        return FALSE;
    }
    Irp->CancelIrql = Irql;
    routine(IoGetCurrentIrpStackLocation(Irp)->DeviceObject, Irp);
    CheckReturn(Irp, routine, Irql);
    return TRUE;
}

/*
 * Marks a request as cancelled, and has the driver that can cancel it do so.
 *
 * IRQL:    <= DISPATCH_LEVEL
 * Locks:   takes the cancel spin lock; the cancel routine frees it
 * Context: who knows that the IRP is not freed meanwhile
 * Returns: TRUE if there was a cancel routine: it has been called
 * Source:  contract T-IoCancelIrp-1, T-DRIVER_CANCEL-1, T-CANCEL-1
 */
BOOLEAN IoCancelIrp(PIRP Irp)
{
    KI_REQUIRE_IRQL_AT_MOST(DISPATCH_LEVEL, RULE_IRQL_KE_DISPATCH_LTE, "IrqlIoDispatch", Irp);

    KIRQL irql;

    IoAcquireCancelSpinLock(&irql);
    return IopCancelLockedIrp(Irp, irql);
}
