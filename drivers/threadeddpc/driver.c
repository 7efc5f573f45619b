/*
 * threadeddpc: an ordinary DPC, a threaded DPC and a work item that follow from one interrupt. This
 * file is what every driver has: DriverEntry, AddDevice, Unload. The rest is in rounds.c.
 */
#include "threadeddpc.h"

static UNICODE_STRING DeviceName = RTL_CONSTANT_STRING(L"\\Device\\ThreadedDpc0");

/* Takes back what AddDevice has done before the first round. IRQL: PASSIVE_LEVEL. */
static VOID RemoveDevice(PDEVICE_OBJECT Device)
{
    PDEVICE_EXTENSION extension = Device->DeviceExtension;

    if (extension->LowerDevice)
        IoDetachDevice(extension->LowerDevice);
    IoDeleteDevice(Device);
}

/* AddDevice: makes the device object and sets everything to work. IRQL: PASSIVE_LEVEL. */
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
    extension->LowerDevice = IoAttachDeviceToDeviceStack(device, PhysicalDeviceObject);
    status = extension->LowerDevice ? StartRounds(device) : STATUS_NO_SUCH_DEVICE;
    if (!NT_SUCCESS(status)) {
        RemoveDevice(device);
        return status;
    }
    device->Flags &= ~(ULONG)DO_DEVICE_INITIALIZING; /* ready for use */
    return STATUS_SUCCESS;
}

/* Unload: the reverse of AddDevice. IRQL: PASSIVE_LEVEL. */
static DRIVER_UNLOAD Unload;
static VOID Unload(PDRIVER_OBJECT DriverObject)
{
    PDEVICE_OBJECT device = DriverObject->DeviceObject;

    if (!device) /* AddDevice has failed */
        return;
    StopRounds(device->DeviceExtension); /* before the memory goes that the routines use */
    RemoveDevice(device);
}

/* DriverEntry: tells the kernel which routines the driver has. IRQL: PASSIVE_LEVEL. */
DRIVER_INITIALIZE DriverEntry;
NTSTATUS DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    UNREFERENCED_PARAMETER(RegistryPath);
    DriverObject->DriverExtension->AddDevice = AddDevice;
    DriverObject->DriverUnload = Unload;
    return STATUS_SUCCESS;
}
