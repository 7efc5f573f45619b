/*
 * A driver whose DriverEntry fails, after it has undone its own work. If Unload were called all
 * the same, the symbolic link \DosDevices\TestFailUnload would be there.
 */
#include <ntddk.h>

DRIVER_INITIALIZE DriverEntry;
static DRIVER_UNLOAD Unload;

static VOID Unload(PDRIVER_OBJECT DriverObject)
{
    UNICODE_STRING link = RTL_CONSTANT_STRING(L"\\DosDevices\\TestFailUnload"),
                   target = RTL_CONSTANT_STRING(L"\\Device\\Nowhere");

    UNREFERENCED_PARAMETER(DriverObject);
    IoCreateSymbolicLink(&link, &target);
}

NTSTATUS DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    PDEVICE_OBJECT device;
    NTSTATUS status;

    UNREFERENCED_PARAMETER(RegistryPath);
    DriverObject->DriverUnload = Unload;
    status = IoCreateDevice(DriverObject, 100, NULL, FILE_DEVICE_UNKNOWN, 0, FALSE, &device);
    if (!NT_SUCCESS(status))
        return status;
    IoDeleteDevice(device);
    return STATUS_NO_SUCH_DEVICE;
}
