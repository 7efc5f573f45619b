/* A device with an IoTimer, added by AddDevice to a physical device. */
#include <wdm.h>

typedef struct _EXTENSION {
    PDEVICE_OBJECT Lower;
    LONG Ticks;
} EXTENSION, *PEXTENSION;

DRIVER_INITIALIZE DriverEntry;
static DRIVER_ADD_DEVICE AddDevice;
static DRIVER_UNLOAD Unload;
static IO_TIMER_ROUTINE TimerRoutine;

static VOID NTAPI TimerRoutine(PDEVICE_OBJECT DeviceObject, PVOID Context)
{
    PEXTENSION extension = DeviceObject->DeviceExtension;

    DbgPrint("systimer: tick %d at IRQL %u, context %s\n", InterlockedIncrement(&extension->Ticks),
             KeGetCurrentIrql(), Context == extension ? "right" : "wrong");
}

static NTSTATUS NTAPI AddDevice(PDRIVER_OBJECT DriverObject, PDEVICE_OBJECT PhysicalDeviceObject)
{
    UNICODE_STRING name = RTL_CONSTANT_STRING(L"\\Device\\SysTimer");
    PDEVICE_OBJECT device;
    PEXTENSION extension;
    NTSTATUS status = IoCreateDevice(DriverObject, sizeof(EXTENSION), &name, FILE_DEVICE_UNKNOWN,
                                     FILE_DEVICE_SECURE_OPEN, FALSE, &device);

    if (!NT_SUCCESS(status))
        return status;
    extension = device->DeviceExtension;
    extension->Lower = IoAttachDeviceToDeviceStack(device, PhysicalDeviceObject);
    IoInitializeTimer(device, TimerRoutine, extension);
    IoStartTimer(device);
    device->Flags &= ~DO_DEVICE_INITIALIZING;
    DbgPrint("systimer: device added over %s\n",
             extension->Lower == PhysicalDeviceObject ? "the physical device" : "something else");
    return STATUS_SUCCESS;
}

static VOID NTAPI Unload(PDRIVER_OBJECT DriverObject)
{
    PDEVICE_OBJECT device = DriverObject->DeviceObject;
    PEXTENSION extension = device->DeviceExtension;

    IoStopTimer(device);
    IoDetachDevice(extension->Lower);
    DbgPrint("systimer: unloaded after %d ticks\n", extension->Ticks);
    IoDeleteDevice(device);
}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    UNREFERENCED_PARAMETER(RegistryPath);
    DriverObject->DriverExtension->AddDevice = AddDevice;
    DriverObject->DriverUnload = Unload;
    return STATUS_SUCCESS;
}
