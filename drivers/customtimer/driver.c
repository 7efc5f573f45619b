/*
 * customtimer: what a driver can do with timers and DPCs. This file is what every driver has:
 * DriverEntry, AddDevice, Unload. The timers are in timers.c.
 */
#include "customtimer.h"

static UNICODE_STRING DeviceName = RTL_CONSTANT_STRING(L"\\Device\\CustomTimer0");
static UNICODE_STRING LinkName = RTL_CONSTANT_STRING(L"\\DosDevices\\CustomTimer0");

/*
 * AddDevice: makes this driver's device object over the physical one and sets it to work. What it
 * cannot finish it undoes. IRQL: PASSIVE_LEVEL.
 */
static DRIVER_ADD_DEVICE AddDevice;
static NTSTATUS AddDevice(PDRIVER_OBJECT DriverObject, PDEVICE_OBJECT PhysicalDeviceObject)
{
    ULONG processors = KeQueryActiveProcessorCountEx(ALL_PROCESSOR_GROUPS);
    ULONG size = (ULONG)(sizeof(DEVICE_EXTENSION) + processors * sizeof(CUSTOM_TIMER));
    PDEVICE_OBJECT device;
    PDEVICE_EXTENSION extension;
    NTSTATUS status;

    /* The extension comes with the device object: nonpaged, zeroed, there as long as the device. */
    status = IoCreateDevice(DriverObject, size, &DeviceName, FILE_DEVICE_UNKNOWN,
                            FILE_DEVICE_SECURE_OPEN, FALSE, &device);
    if (!NT_SUCCESS(status))
        return status;
    status = IoCreateSymbolicLink(&LinkName, &DeviceName);
    if (!NT_SUCCESS(status)) {
        IoDeleteDevice(device);
        return status;
    }
    extension = device->DeviceExtension;
    extension->LowerDevice = IoAttachDeviceToDeviceStack(device, PhysicalDeviceObject);
    if (!extension->LowerDevice) {
        IoDeleteSymbolicLink(&LinkName);
        IoDeleteDevice(device);
        return STATUS_NO_SUCH_DEVICE;
    }
    extension->PeriodicCount = processors;
    InitializeTimers(extension);
    device->Flags &= ~(ULONG)DO_DEVICE_INITIALIZING; /* ready for use */
    StartTimers(extension);
    return STATUS_SUCCESS;
}

/* Unload: the reverse of AddDevice, last thing first. IRQL: PASSIVE_LEVEL. */
static DRIVER_UNLOAD Unload;
static VOID Unload(PDRIVER_OBJECT DriverObject)
{
    PDEVICE_OBJECT device = DriverObject->DeviceObject;
    PDEVICE_EXTENSION extension;

    if (!device) /* AddDevice has failed */
        return;
    extension = device->DeviceExtension;
    StopTimers(extension); /* before the memory goes in which they lie */
    IoDetachDevice(extension->LowerDevice);
    IoDeleteSymbolicLink(&LinkName);
    IoDeleteDevice(device);
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
