/*
 * What iotimer is for the plug and play manager: how its device comes and goes. What it does with
 * the device is in iotimer.c.
 *
 *     AddDevice                  a device object for the physical device that the bus has found
 *     IRP_MN_START_DEVICE        where the device is: now it can be set to work
 *     IRP_MN_SURPRISE_REMOVAL    it has gone: nobody touches it any more
 *     IRP_MN_REMOVE_DEVICE       the end of AddDevice and of the device object
 *     Unload                     nothing is left to do
 *
 * All of this runs at PASSIVE_LEVEL, in the kernel's thread, one call after the other.
 */
#include "iotimer.h"

static UNICODE_STRING DeviceName = RTL_CONSTANT_STRING(L"\\Device\\IoTimer0");
static UNICODE_STRING LinkName = RTL_CONSTANT_STRING(L"\\DosDevices\\IoTimer0");

/* AddDevice: the device object, on top of the physical one. Nothing is touched yet. */
static DRIVER_ADD_DEVICE AddDevice;
static NTSTATUS AddDevice(PDRIVER_OBJECT DriverObject, PDEVICE_OBJECT PhysicalDeviceObject)
{
    PDEVICE_OBJECT device;
    PDEVICE_EXTENSION extension;
    NTSTATUS status = IoCreateDevice(DriverObject, sizeof(DEVICE_EXTENSION), &DeviceName,
                                     FILE_DEVICE_UNKNOWN, FILE_DEVICE_SECURE_OPEN, FALSE, &device);

    if (!NT_SUCCESS(status))
        return status;
    extension = device->DeviceExtension;
    status = IoCreateSymbolicLink(&LinkName, &DeviceName);
    if (NT_SUCCESS(status)) {
        extension->LowerDevice = IoAttachDeviceToDeviceStack(device, PhysicalDeviceObject);
        if (extension->LowerDevice) {
            device->Flags &= ~(ULONG)DO_DEVICE_INITIALIZING; /* ready for requests */
            return STATUS_SUCCESS;
        }
        IoDeleteSymbolicLink(&LinkName);
        status = STATUS_NO_SUCH_DEVICE;
    }
    IoDeleteDevice(device);
    return status;
}

static NTSTATUS Complete(PIRP Irp, NTSTATUS Status)
{
    Irp->IoStatus.Status = Status;
    IoCompleteRequest(Irp, IO_NO_INCREMENT);
    return Status;
}

/* For the drivers below; this one has done its part, or has none. */
static NTSTATUS PassOn(PDEVICE_EXTENSION Extension, PIRP Irp)
{
    IoSkipCurrentIrpStackLocation(Irp);
    return IoCallDriver(Extension->LowerDevice, Irp);
}

/* The bus goes first, from the bottom up: before it the device does not answer. */
static NTSTATUS Start(PDEVICE_OBJECT Device, PIRP Irp)
{
    PDEVICE_EXTENSION extension = Device->DeviceExtension;
    PCM_RESOURCE_LIST resources =
        IoGetCurrentIrpStackLocation(Irp)->Parameters.StartDevice.AllocatedResourcesTranslated;
    NTSTATUS status = STATUS_UNSUCCESSFUL;

    if (IoForwardIrpSynchronously(extension->LowerDevice, Irp))
        status = Irp->IoStatus.Status;
    if (NT_SUCCESS(status))
        status = StartDriver(Device, resources);
    extension->Started = NT_SUCCESS(status);
    return Complete(Irp, status);
}

/* However often it is called. */
static VOID Stop(PDEVICE_OBJECT Device)
{
    PDEVICE_EXTENSION extension = Device->DeviceExtension;

    if (extension->Started)
        StopDriver(Device);
    extension->Started = FALSE;
}

/* This driver goes first, from the top down; then the device object goes. */
static NTSTATUS Remove(PDEVICE_OBJECT Device, PIRP Irp)
{
    PDEVICE_EXTENSION extension = Device->DeviceExtension;
    PDEVICE_OBJECT lower = extension->LowerDevice;
    NTSTATUS status;

    Stop(Device); /* before the memory goes that its routines use */
    Irp->IoStatus.Status = STATUS_SUCCESS;
    status = PassOn(extension, Irp);
    IoDetachDevice(lower);
    IoDeleteSymbolicLink(&LinkName);
    IoDeleteDevice(Device);
    return status;
}

/* IRP_MJ_PNP. What is not for this driver is passed on as it is. */
static DRIVER_DISPATCH DispatchPnp;
static NTSTATUS DispatchPnp(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    switch (IoGetCurrentIrpStackLocation(Irp)->MinorFunction) {
    case IRP_MN_START_DEVICE:
        return Start(DeviceObject, Irp);
    case IRP_MN_REMOVE_DEVICE:
        return Remove(DeviceObject, Irp);
    case IRP_MN_SURPRISE_REMOVAL:
        Stop(DeviceObject);
        Irp->IoStatus.Status = STATUS_SUCCESS;
        break;
    case IRP_MN_QUERY_REMOVE_DEVICE: /* nobody has a request here: it may go at any time */
    case IRP_MN_CANCEL_REMOVE_DEVICE:
        Irp->IoStatus.Status = STATUS_SUCCESS;
        break;
    }
    return PassOn(DeviceObject->DeviceExtension, Irp);
}

/* IRP_MJ_POWER: the bus knows what to do. */
static DRIVER_DISPATCH DispatchPower;
static NTSTATUS DispatchPower(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    PDEVICE_EXTENSION extension = DeviceObject->DeviceExtension;

    PoStartNextPowerIrp(Irp);
    IoSkipCurrentIrpStackLocation(Irp);
    return PoCallDriver(extension->LowerDevice, Irp);
}

/* Unload: every device has been removed before. */
static DRIVER_UNLOAD Unload;
static VOID Unload(PDRIVER_OBJECT DriverObject)
{
    UNREFERENCED_PARAMETER(DriverObject);
}

/* DriverEntry: tells the kernel which routines the driver has. IRQL: PASSIVE_LEVEL. */
DRIVER_INITIALIZE DriverEntry;
NTSTATUS DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    UNREFERENCED_PARAMETER(RegistryPath);
    DriverObject->DriverExtension->AddDevice = AddDevice;
    DriverObject->MajorFunction[IRP_MJ_PNP] = DispatchPnp;
    DriverObject->MajorFunction[IRP_MJ_POWER] = DispatchPower;
    DriverObject->DriverUnload = Unload;
    return STATUS_SUCCESS;
}
