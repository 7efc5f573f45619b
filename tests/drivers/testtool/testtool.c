/*
 * A driver for the tests: records how it is called, and does what a driver must not do when the
 * tests ask for it. Its device is \Device\TestTool, attached to the device that AddDevice gets.
 */
#include "testtool.h"

DRIVER_INITIALIZE DriverEntry;
static DRIVER_ADD_DEVICE AddDevice;
static DRIVER_UNLOAD Unload;

/* What Unload leaves behind lies here or in the pool: the extension goes with the device. */
static struct {
    KTIMER Timer;
    KDPC Dpc;
    NPAGED_LOOKASIDE_LIST List;
    PKINTERRUPT Interrupt;
    PIRP Irp;
    volatile LONG DpcRuns;
} Leftover;

static KIRQL EntryIrql;
static ULONG EntryCalls;
static USHORT RegistryPathLength;
static BOOLEAN MajorFunctionsSet;

static VOID Touch(volatile CHAR *Address, TESTTOOL_ACCESS Access)
{
    switch (Access) {
    case AccessRead:
        (void)*Address;
        break;
    case AccessWrite:
        *Address = 1;
        break;
    default:
        ((VOID(*)(VOID))(ULONG_PTR)Address)();
        break;
    }
    __asm__ volatile(""); /* no tail call: the return address has to lie in this driver */
}

static VOID CountingDpc(PKDPC Dpc, PVOID DeferredContext, PVOID SystemArgument1,
                        PVOID SystemArgument2)
{
    UNREFERENCED_PARAMETER(Dpc);
    UNREFERENCED_PARAMETER(SystemArgument1);
    UNREFERENCED_PARAMETER(SystemArgument2);
    InterlockedIncrement((volatile LONG *)DeferredContext);
}

static BOOLEAN Isr(PKINTERRUPT Interrupt, PVOID ServiceContext)
{
    UNREFERENCED_PARAMETER(Interrupt);
    UNREFERENCED_PARAMETER(ServiceContext);
    return TRUE;
}

static PVOID Allocate(POOL_TYPE PoolType, SIZE_T NumberOfBytes, ULONG Tag)
{
    return ExAllocatePoolWithTag(PoolType, NumberOfBytes, Tag);
}

static VOID Free(PVOID Buffer)
{
    ExFreePool(Buffer);
}

static VOID LeaveBehind(TESTTOOL_LEFTOVER What)
{
    const LARGE_INTEGER far = {.QuadPart = -1000000000000}, soon = {.QuadPart = -10000};

    KeInitializeTimer(&Leftover.Timer);
    KeInitializeDpc(&Leftover.Dpc, CountingDpc, (PVOID)&Leftover.DpcRuns);
    switch (What) {
    case LeaveTimer:
        KeSetTimer(&Leftover.Timer, far, &Leftover.Dpc);
        break;
    case LeaveRequest:
        Leftover.Irp = IoAllocateIrp(1, FALSE);
        break;
    case LeavePeriodicTimer:
        KeSetTimerEx(&Leftover.Timer, soon, 1, &Leftover.Dpc);
        break;
    case LeaveDpc:
        KeInsertQueueDpc(&Leftover.Dpc, NULL, NULL);
        break;
    case LeaveLookaside:
        ExInitializeNPagedLookasideList(&Leftover.List, Allocate, Free, 0, 64, TESTTOOL_TAG, 0);
        break;
    case LeaveInterrupt:
        IoConnectInterrupt(&Leftover.Interrupt, Isr, NULL, NULL, 0x7F, 7, 7, Latched, FALSE, 1,
                           FALSE);
        break;
    case LeavePool:
        (void)ExAllocatePoolWithTag(NonPagedPool, 100, TESTTOOL_TAG);
        break;
    default:
        break;
    }
}

static NTSTATUS AddDevice(PDRIVER_OBJECT DriverObject, PDEVICE_OBJECT PhysicalDeviceObject)
{
    UNICODE_STRING name = RTL_CONSTANT_STRING(L"\\Device\\TestTool");
    PTESTTOOL_EXTENSION extension;
    PDEVICE_OBJECT device;
    NTSTATUS status;

    status = IoCreateDevice(DriverObject, sizeof(*extension), &name, FILE_DEVICE_UNKNOWN, 0, FALSE,
                            &device);
    if (!NT_SUCCESS(status))
        return status;
    extension = device->DeviceExtension;
    extension->Magic = TESTTOOL_MAGIC;
    extension->EntryIrql = EntryIrql;
    extension->EntryCalls = EntryCalls;
    extension->RegistryPathLength = RegistryPathLength;
    extension->MajorFunctionsSet = MajorFunctionsSet;
    extension->AddDeviceIrql = KeGetCurrentIrql();
    extension->AddDeviceCalls++;
    extension->DriverObject = DriverObject;
    extension->PhysicalDevice = PhysicalDeviceObject;
    extension->Touch = Touch;
    extension->CountingDpc = CountingDpc;
    extension->Lower = IoAttachDeviceToDeviceStack(device, PhysicalDeviceObject);
    if (!extension->Lower) {
        IoDeleteDevice(device);
        return STATUS_NO_SUCH_DEVICE;
    }
    device->Flags &= ~DO_DEVICE_INITIALIZING;
    return STATUS_SUCCESS;
}

static VOID Unload(PDRIVER_OBJECT DriverObject)
{
    PDEVICE_OBJECT device = DriverObject->DeviceObject;
    PTESTTOOL_EXTENSION extension = device->DeviceExtension;
    TESTTOOL_LEFTOVER leave = extension->Leave;

    if (extension->UnloadCalls)
        InterlockedIncrement(extension->UnloadCalls);
    if (extension->UnloadIrql)
        *extension->UnloadIrql = KeGetCurrentIrql();
    IoDetachDevice(extension->Lower);
    IoDeleteDevice(device);
    LeaveBehind(leave);
}

NTSTATUS DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    EntryIrql = KeGetCurrentIrql();
    EntryCalls++;
    RegistryPathLength = RegistryPath ? RegistryPath->Length : 0;
    MajorFunctionsSet = TRUE;
    for (ULONG i = 0; i <= IRP_MJ_MAXIMUM_FUNCTION; i++)
        if (!DriverObject->MajorFunction[i])
            MajorFunctionsSet = FALSE;
    DriverObject->DriverExtension->AddDevice = AddDevice;
    DriverObject->DriverUnload = Unload;
    return STATUS_SUCCESS;
}
