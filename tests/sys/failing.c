/* A driver whose DriverEntry fails, having undone what it did. */
#include <ntddk.h>

DRIVER_INITIALIZE DriverEntry;

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    PVOID memory = ExAllocatePoolWithTag(NonPagedPool, 100, 'liaF');

    UNREFERENCED_PARAMETER(DriverObject);
    UNREFERENCED_PARAMETER(RegistryPath);
    ExFreePoolWithTag(memory, 'liaF');
    return STATUS_NO_SUCH_DEVICE;
}
