/* A wrong driver: frees the memory of a timer that is set. Bug check 0xC7. */
#include <ntddk.h>

#define TAG 'eerF'

DRIVER_INITIALIZE DriverEntry;
NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    LARGE_INTEGER due = {.QuadPart = -10000000};
    PKTIMER timer = ExAllocatePoolWithTag(NonPagedPool, sizeof(KTIMER), TAG);

    UNREFERENCED_PARAMETER(DriverObject);
    UNREFERENCED_PARAMETER(RegistryPath);
    if (!timer)
        return STATUS_INSUFFICIENT_RESOURCES;
    KeInitializeTimer(timer);
    KeSetTimer(timer, due, NULL);
    ExFreePoolWithTag(timer, TAG);
    return STATUS_SUCCESS;
}
