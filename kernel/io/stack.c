/* Device stacks: one device over another, as a function device stands over its physical device. */
#include "iop.h"

static PDEVICE_OBJECT TopOfStack(PDEVICE_OBJECT DeviceObject)
{
    while (DeviceObject->AttachedDevice)
        DeviceObject = DeviceObject->AttachedDevice;
    return DeviceObject;
}

/*
 * Layers SourceDevice over the top of TargetDevice's stack.
 *
 * IRQL:    <= DISPATCH_LEVEL
 * Locks:   takes IopDeviceLock
 * Context: AddDevice
 * Returns: the former top, for requests to the lower driver; NULL if that one is being deleted
 * Source:  contract T-IoAttach-1
 */
PDEVICE_OBJECT IoAttachDeviceToDeviceStack(PDEVICE_OBJECT SourceDevice, PDEVICE_OBJECT TargetDevice)
{
    KI_REQUIRE_IRQL_AT_MOST(DISPATCH_LEVEL, RULE_IRQL_KE_DISPATCH_LTE, "IrqlIoDispatch",
                            SourceDevice);

    PDEVICE_OBJECT top;
    KIRQL oldIrql;

    KeAcquireSpinLock(&IopDeviceLock, &oldIrql);
    top = TopOfStack(TargetDevice);
    if (top->DeviceObjectExtension->DeletePending) {
        top = NULL;
    } else {
        top->AttachedDevice = SourceDevice;
        SourceDevice->DeviceObjectExtension->AttachedTo = top;
        SourceDevice->StackSize = (CCHAR)(top->StackSize + 1);
        SourceDevice->AlignmentRequirement = top->AlignmentRequirement;
        SourceDevice->SectorSize = top->SectorSize;
    }
    KeReleaseSpinLock(&IopDeviceLock, oldIrql);
    return top;
}

/*
 * Takes the device that is attached to TargetDevice off it.
 *
 * IRQL:    <= APC_LEVEL
 * Locks:   takes IopDeviceLock
 * Context: Unload, a failing AddDevice
 * Returns: nothing
 */
VOID IoDetachDevice(PDEVICE_OBJECT TargetDevice)
{
    KI_REQUIRE_IRQL_AT_MOST(APC_LEVEL, RULE_IRQL_IO_APC_LTE, "IrqlIoPassive3", TargetDevice);

    BOOLEAN unused;
    KIRQL oldIrql;

    KeAcquireSpinLock(&IopDeviceLock, &oldIrql);
    if (TargetDevice->AttachedDevice) {
        TargetDevice->AttachedDevice->DeviceObjectExtension->AttachedTo = NULL;
        TargetDevice->AttachedDevice = NULL;
    }
    unused = IopUnlinkIfUnused(TargetDevice);
    KeReleaseSpinLock(&IopDeviceLock, oldIrql);
    if (unused)
        IopFreeDevice(TargetDevice);
}

/*
 * The top of the stack that a device is in, with a reference on its memory that the caller gives
 * back by ObDereferenceObject.
 *
 * IRQL:    <= DISPATCH_LEVEL
 * Locks:   takes IopDeviceLock
 * Context: any
 * Returns: the top, which is DeviceObject itself if nothing is attached to it
 */
PDEVICE_OBJECT IoGetAttachedDeviceReference(PDEVICE_OBJECT DeviceObject)
{
    KI_REQUIRE_IRQL_AT_MOST(DISPATCH_LEVEL, RULE_IRQL_KE_DISPATCH_LTE, "IrqlIoDispatch",
                            DeviceObject);

    PDEVICE_OBJECT top;
    KIRQL oldIrql;

    KeAcquireSpinLock(&IopDeviceLock, &oldIrql);
    top = TopOfStack(DeviceObject);
    ObfReferenceObject(top);
    KeReleaseSpinLock(&IopDeviceLock, oldIrql);
    return top;
}
