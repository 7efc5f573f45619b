/*
 * Plug and play requests: sent to the top of a device's stack, and waited for. PASSIVE_LEVEL, in a
 * thread, no lock.
 */
#include "iop.h"
#include "pnp.h"

/*
 * Sends one IRP_MJ_PNP request down a stack. A driver that does not know it passes it on with the
 * status as it is: STATUS_NOT_SUPPORTED.
 *
 * IRQL:    PASSIVE_LEVEL
 * Locks:   takes IopDeviceLock, not around a driver's routine
 * Context: in one's turn
 * Returns: what the drivers have made of it, or STATUS_INSUFFICIENT_RESOURCES
 * Source:  contract io.md, IRP handling
 */
NTSTATUS IopSendPnpRequest(PDEVICE_OBJECT PhysicalDevice, UCHAR MinorFunction,
                           PCM_RESOURCE_LIST Raw, PCM_RESOURCE_LIST Translated)
{
    KI_REQUIRE_IRQL_AT_MOST(PASSIVE_LEVEL, RULE_IRQL_IO_PASSIVE, "IrqlIoPassive1", PhysicalDevice);

    PDEVICE_OBJECT top = IoGetAttachedDeviceReference(PhysicalDevice);
    IO_STATUS_BLOCK result = {.Status = STATUS_INSUFFICIENT_RESOURCES};
    NTSTATUS status;
    KEVENT event;
    PIRP irp;

    KeInitializeEvent(&event, NotificationEvent, FALSE);
    irp = IoBuildSynchronousFsdRequest(IRP_MJ_PNP, top, NULL, 0, NULL, &event, &result);
    if (irp) {
        PIO_STACK_LOCATION next = IoGetNextIrpStackLocation(irp);

        irp->IoStatus.Status = STATUS_NOT_SUPPORTED;
        next->MinorFunction = MinorFunction;
        if (MinorFunction == IRP_MN_START_DEVICE) {
            next->Parameters.StartDevice.AllocatedResources = Raw;
            next->Parameters.StartDevice.AllocatedResourcesTranslated = Translated;
        }
        status = IoCallDriver(top, irp);
        if (status == STATUS_PENDING)
            KeWaitForSingleObject(&event, Executive, KernelMode, FALSE, NULL);
    }
    ObDereferenceObject(top);
    return result.Status;
}
