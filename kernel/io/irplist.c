/*
 * Looking through all requests: for the command `irps`, and for those that an unloaded driver has
 * left. Under IopIrpLock an IRP in the list is not freed, but who has it goes on with it: what is
 * read here is true or was true a moment ago, and it is only read, never followed.
 */
#include "iop.h"

/* A location that a completion may still come through: the current one and those above. */
static BOOLEAN IsActive(PIRP Irp, LONG Location)
{
    return Location >= Irp->CurrentLocation && Location <= Irp->StackCount;
}

static PIO_STACK_LOCATION LocationOf(PIRP Irp, LONG Location)
{
    return (PIO_STACK_LOCATION)(PVOID)(Irp + 1) + Location - 1;
}

static VOID Describe(PIRP_RECORD Record, IOP_REQUEST_INFORMATION *Information)
{
    PIRP irp = Record->Irp;
    LONG location = irp->CurrentLocation;

    RtlZeroMemory(Information, sizeof(*Information));
    Information->Irp = irp;
    Information->Location = (CHAR)location;
    Information->StackCount = irp->StackCount;
    Information->Cancel = irp->Cancel;
    Information->Cancellable = irp->CancelRoutine != NULL;
    Information->Thread = IsListEmpty(&irp->ThreadListEntry) ? NULL : irp->Tail.Overlay.Thread;
    Information->Maker = Record->Maker;
    Information->Driver = Record->Driver;
    Information->Since = Record->Since;
    if (!IsActive(irp, location) || location < 1)
        return;
    Information->MajorFunction = LocationOf(irp, location)->MajorFunction;
    Information->DeviceObject = LocationOf(irp, location)->DeviceObject;
    Information->Sent = TRUE;
}

/*
 * Copies what there is to know of the first Limit requests.
 *
 * IRQL:    <= DISPATCH_LEVEL
 * Locks:   takes IopIrpLock
 * Context: any
 * Returns: how many requests there are
 */
ULONG IopCopyRequests(IOP_REQUEST_INFORMATION *Copies, ULONG Limit)
{
    KI_REQUIRE_IRQL_AT_MOST(DISPATCH_LEVEL, RULE_IRQL_KE_DISPATCH_LTE, "IrqlIoDispatch", Copies);

    ULONG count = 0;
    KIRQL oldIrql;

    KeAcquireSpinLock(&IopIrpLock, &oldIrql);
    for (PLIST_ENTRY link = IopIrpList.Flink; link != &IopIrpList; link = link->Flink, count++) {
        if (count < Limit)
            Describe(CONTAINING_RECORD(link, IRP_RECORD, Links), &Copies[count]);
    }
    KeReleaseSpinLock(&IopIrpLock, oldIrql);
    return count;
}

static BOOLEAN IsInCode(PDRIVER_OBJECT DriverObject, PVOID Routine)
{
    return (ULONG_PTR)Routine - (ULONG_PTR)DriverObject->DriverStart < DriverObject->DriverSize;
}

/* Why the driver is still needed for this request: code that would be called, or the IRP. */
static PVOID TieTo(PDRIVER_OBJECT DriverObject, PIRP_RECORD Record)
{
    PIRP irp = Record->Irp;
    PVOID cancelRoutine = (PVOID)irp->CancelRoutine;

    if (IsInCode(DriverObject, cancelRoutine))
        return cancelRoutine;
    for (LONG n = max(irp->CurrentLocation, 1); n <= irp->StackCount; n++) {
        PIO_STACK_LOCATION location = LocationOf(irp, n);
        UCHAR invoke = SL_INVOKE_ON_SUCCESS | SL_INVOKE_ON_ERROR | SL_INVOKE_ON_CANCEL;

        if ((location->Control & invoke) &&
            IsInCode(DriverObject, (PVOID)location->CompletionRoutine))
            return (PVOID)location->CompletionRoutine;
    }
    if (IsInCode(DriverObject, Record->Maker))
        return Record->Maker;
    return Record->Driver == DriverObject ? irp : NULL;
}

/*
 * Looks for a request that the driver has made, keeps, or wants to hear of.
 *
 * IRQL:    <= DISPATCH_LEVEL
 * Locks:   takes IopIrpLock
 * Context: the end of a driver
 * Returns: the address in its code, or the IRP that was sent to it; NULL if there is none
 */
PVOID IopFindRequestOf(PDRIVER_OBJECT DriverObject)
{
    KI_REQUIRE_IRQL_AT_MOST(DISPATCH_LEVEL, RULE_IRQL_KE_DISPATCH_LTE, "IrqlIoDispatch",
                            DriverObject);

    PVOID found = NULL;
    KIRQL oldIrql;

    KeAcquireSpinLock(&IopIrpLock, &oldIrql);
    for (PLIST_ENTRY link = IopIrpList.Flink; link != &IopIrpList && !found; link = link->Flink)
        found = TieTo(DriverObject, CONTAINING_RECORD(link, IRP_RECORD, Links));
    KeReleaseSpinLock(&IopIrpLock, oldIrql);
    return found;
}
