/*
 * Sending a request down and getting it back: what a driver does that has to do its own part after
 * the drivers below have done theirs, as with IRP_MN_START_DEVICE.
 */
#include "iop.h"

/* The request stays with the driver that sent it on; who waits is told. */
static IO_COMPLETION_ROUTINE Catch;
static NTSTATUS Catch(PDEVICE_OBJECT DeviceObject, PIRP Irp, PVOID Context)
{
    UNREFERENCED_PARAMETER(DeviceObject);
    UNREFERENCED_PARAMETER(Irp);
    KeSetEvent(Context, IO_NO_INCREMENT, FALSE);
    return STATUS_MORE_PROCESSING_REQUIRED;
}

/*
 * Sends Irp to DeviceObject with a copy of the current stack location, and waits until the drivers
 * below have completed it. It is the caller's again then, who completes it: IoStatus says what
 * they have made of it.
 *
 * IRQL:    PASSIVE_LEVEL
 * Locks:   none
 * Context: a dispatch routine in a thread that may wait
 * Returns: FALSE if the IRP has no location left: it has not been sent
 * Source:  contract io.md, IRP handling
 */
BOOLEAN IoForwardIrpSynchronously(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    KI_REQUIRE_IRQL_AT_MOST(PASSIVE_LEVEL, RULE_IRQL_IO_PASSIVE, "IrqlIoPassive1", Irp);

    KEVENT event;

    if (Irp->CurrentLocation <= 1)
        return FALSE;
    KeInitializeEvent(&event, NotificationEvent, FALSE);
    IoCopyCurrentIrpStackLocationToNext(Irp);
    IoSetCompletionRoutine(Irp, Catch, &event, TRUE, TRUE, TRUE);
    if (IoCallDriver(DeviceObject, Irp) == STATUS_PENDING)
        KeWaitForSingleObject(&event, Executive, KernelMode, FALSE, NULL);
    return TRUE;
}
