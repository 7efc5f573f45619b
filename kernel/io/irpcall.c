/*
 * Sending a request down: the next stack location, and the driver's routine for its kind. In the
 * caller's context, without a lock.
 *
 *     CurrentLocation
 *     StackCount + 1   at nobody: just made, or back with its maker
 *     StackCount       at the first driver
 *     ...              one less for each IoCallDriver, one more for each level completed
 *     1                at the last driver that there is a location for
 */
#include "iop.h"

/* Kinds of 0xC9 that have no documented number. */
#define DISPATCH_LEFT_IRP    0x80 /* [choice] returned, IRP neither completed nor passed on */
#define DISPATCH_NOT_PENDING 0x81 /* [choice] returned STATUS_PENDING, IRP not marked */

/* Only transfers and control requests are for DISPATCH_LEVEL (SDV ForwardedAtBadIrql). */
static BOOLEAN IsForDispatchLevel(UCHAR MajorFunction)
{
    return MajorFunction == IRP_MJ_READ || MajorFunction == IRP_MJ_WRITE ||
           MajorFunction == IRP_MJ_DEVICE_CONTROL ||
           MajorFunction == IRP_MJ_INTERNAL_DEVICE_CONTROL || MajorFunction == IRP_MJ_POWER;
}

static VOID CheckIrqlOfKind(PIRP Irp, UCHAR MajorFunction)
{
    if (!IsForDispatchLevel(MajorFunction))
        KI_REQUIRE_IRQL_AT_MOST(APC_LEVEL, RULE_IRQL_IO_FORWARD, "ForwardedAtBadIrql", Irp);
    UNREFERENCED_PARAMETER(Irp);
}

/* What has to hold before a request is sent. Checked builds only. */
static VOID CheckCall(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    KI_REQUIRE(KeGetCurrentIrql() <= DISPATCH_LEVEL, DRIVER_VERIFIER_IOMANAGER_VIOLATION, 0x10,
               DeviceObject, KeGetCurrentIrql(), Irp);
    KI_REQUIRE(ArchInterruptsEnabled(), DRIVER_VERIFIER_DETECTED_VIOLATION, 0xC0, Irp, 0, 0);
    KI_REQUIRE(Irp->Type == IO_TYPE_IRP, DRIVER_VERIFIER_IOMANAGER_VIOLATION, 0x03, Irp, 0, 0);
    KI_REQUIRE(DeviceObject && DeviceObject->Type == IO_TYPE_DEVICE,
               DRIVER_VERIFIER_IOMANAGER_VIOLATION, 0x04, DeviceObject, Irp, 0);
    KI_REQUIRE(!Irp->CancelRoutine, DRIVER_VERIFIER_IOMANAGER_VIOLATION, 0x203, Irp,
               Irp->CancelRoutine, DeviceObject);
    UNREFERENCED_PARAMETER(DeviceObject);
    UNREFERENCED_PARAMETER(Irp);
}

/*
 * A driver has had a request, and what it returns must fit what it did (T-DRIVER-6). The IRP's
 * memory is kept; whose the IRP is nobody knows, so the answer counts only if no completion has
 * begun before it was read: then the location is still the driver's.
 */
static VOID CheckResult(PDEVICE_OBJECT DeviceObject, PIRP_RECORD Record,
                        PIO_STACK_LOCATION Location, LONG Completions, NTSTATUS Status)
{
    BOOLEAN marked = (Location->Control & SL_PENDING_RETURNED) != 0;
    BOOLEAN passedOn = IoGetCurrentIrpStackLocation(Record->Irp) != Location;
    ULONG kind = 0;

    if (Status != STATUS_PENDING)
        kind = DISPATCH_LEFT_IRP;
    else if (!marked && !passedOn) /* one who passes it on may mark it in his completion routine */
        kind = DISPATCH_NOT_PENDING;
    KeMemoryBarrier();
    if (kind && Record->Completions == Completions)
        KeBugCheckEx(DRIVER_VERIFIER_IOMANAGER_VIOLATION, kind, (ULONG_PTR)DeviceObject,
                     (ULONG_PTR)Record->Irp, (ULONG_PTR)Status);
}

static NTSTATUS CallDispatch(PDEVICE_OBJECT DeviceObject, PIRP Irp, UCHAR MajorFunction)
{
    PDRIVER_DISPATCH dispatch = DeviceObject->DriverObject->MajorFunction[MajorFunction];
    KIRQL irql = KeGetCurrentIrql();
    NTSTATUS status = dispatch(DeviceObject, Irp);

    KI_REQUIRE(KeGetCurrentIrql() == irql, DRIVER_VERIFIER_IOMANAGER_VIOLATION, 0x05, DeviceObject,
               irql, KeGetCurrentIrql());
    UNREFERENCED_PARAMETER(irql);
    return status;
}

/* The same in a checked build, with the IRP's memory kept until the result has been looked at. */
static NTSTATUS CallAndCheck(PDEVICE_OBJECT DeviceObject, PIRP Irp, PIO_STACK_LOCATION Location)
{
    PIRP_RECORD record = IopRecordOf(Irp);
    LONG completions = record->Completions;
    NTSTATUS status;

    IopReferenceRecord(record);
    status = CallDispatch(DeviceObject, Irp, Location->MajorFunction);
    CheckResult(DeviceObject, record, Location, completions, status);
    IopDereferenceRecord(record);
    return status;
}

/*
 * Sends Irp to the driver of DeviceObject, which finds its task in the next stack location. The
 * caller no longer has the IRP, not even on return, unless its completion routine keeps it.
 *
 * IRQL:    <= DISPATCH_LEVEL (CheckCall)
 * Locks:   none
 * Context: any that the receiving driver can be called in
 * Returns: what the driver's dispatch routine returns
 * Source:  contract T-IoCallDriver-1..2, T-DRIVER-6, T-IRQL-ERR-5
 */
NTSTATUS IofCallDriver(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    PIRP_RECORD record = IopRecordOf(Irp);
    PIO_STACK_LOCATION location;

    CheckCall(DeviceObject, Irp);
    if (Irp->CurrentLocation <= 1)
        KeBugCheckEx(NO_MORE_IRP_STACK_LOCATIONS, (ULONG_PTR)Irp, 0, 0, 0);
    IoSetNextIrpStackLocation(Irp);
    location = IoGetCurrentIrpStackLocation(Irp);
    location->DeviceObject = DeviceObject;
    KD_TRACE(KD_CLASS_FLOW, TraceIrpDispatch, Irp, DeviceObject,
             location->MajorFunction | location->MinorFunction << 8);
    CheckIrqlOfKind(Irp, location->MajorFunction);
    if (record) {
        record->Driver = DeviceObject->DriverObject;
        record->Since = KeQueryInterruptTime();
    }
    if (DBG && record)
        return CallAndCheck(DeviceObject, Irp, location);
    return CallDispatch(DeviceObject, Irp, location->MajorFunction);
}

/*
 * What is called for a kind of request that the driver has not said anything about.
 *
 * IRQL:    <= DISPATCH_LEVEL (not checked)
 * Locks:   none
 * Context: IoCallDriver
 * Returns: STATUS_INVALID_DEVICE_REQUEST
 * Source:  contract T-DRIVER-5
 */
NTSTATUS IopInvalidDeviceRequest(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    UNREFERENCED_PARAMETER(DeviceObject);
    Irp->IoStatus.Status = STATUS_INVALID_DEVICE_REQUEST;
    Irp->IoStatus.Information = 0;
    IofCompleteRequest(Irp, IO_NO_INCREMENT);
    return STATUS_INVALID_DEVICE_REQUEST;
}
