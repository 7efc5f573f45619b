/*
 * Two devices without hardware, one on the other, for the figures of a request's way. The lower one
 * completes what it gets at once. The upper one passes reads on in its own stack location, which
 * leaves it out of the way back, and writes with a completion routine. <= DISPATCH_LEVEL.
 */
#include <ntddk.h>

static UNICODE_STRING LowerName = RTL_CONSTANT_STRING(L"\\Device\\BenchLower");
static UNICODE_STRING UpperName = RTL_CONSTANT_STRING(L"\\Device\\BenchUpper");
static PDEVICE_OBJECT Lower, Upper;

static IO_COMPLETION_ROUTINE Continue;
static NTSTATUS Continue(PDEVICE_OBJECT DeviceObject, PIRP Irp, PVOID Context)
{
    UNREFERENCED_PARAMETER(DeviceObject);
    UNREFERENCED_PARAMETER(Context);
    if (Irp->PendingReturned)
        IoMarkIrpPending(Irp);
    return STATUS_CONTINUE_COMPLETION;
}

static NTSTATUS PassOn(PIRP Irp)
{
    if (IoGetCurrentIrpStackLocation(Irp)->MajorFunction == IRP_MJ_WRITE) {
        IoCopyCurrentIrpStackLocationToNext(Irp);
        IoSetCompletionRoutine(Irp, Continue, NULL, TRUE, TRUE, TRUE);
    } else {
        IoSkipCurrentIrpStackLocation(Irp);
    }
    return IoCallDriver(Lower, Irp);
}

static DRIVER_DISPATCH Dispatch;
static NTSTATUS Dispatch(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    if (DeviceObject == Upper)
        return PassOn(Irp);
    Irp->IoStatus.Status = STATUS_SUCCESS;
    Irp->IoStatus.Information = 0;
    IoCompleteRequest(Irp, IO_NO_INCREMENT);
    return STATUS_SUCCESS;
}

/* PASSIVE_LEVEL. */
static DRIVER_UNLOAD Unload;
static VOID Unload(PDRIVER_OBJECT DriverObject)
{
    UNREFERENCED_PARAMETER(DriverObject);
    if (Upper) {
        IoDetachDevice(Lower);
        IoDeleteDevice(Upper);
    }
    IoDeleteDevice(Lower);
}

/* The request that opens the upper device goes down to the lower one, as any. PASSIVE_LEVEL. */
DRIVER_INITIALIZE DriverEntry;
NTSTATUS DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    NTSTATUS status =
        IoCreateDevice(DriverObject, 0, &LowerName, FILE_DEVICE_UNKNOWN, 0, FALSE, &Lower);

    UNREFERENCED_PARAMETER(RegistryPath);
    if (!NT_SUCCESS(status))
        return status;
    DriverObject->DriverUnload = Unload;
    for (ULONG n = 0; n <= IRP_MJ_MAXIMUM_FUNCTION; n++)
        DriverObject->MajorFunction[n] = Dispatch;
    status = IoCreateDevice(DriverObject, 0, &UpperName, FILE_DEVICE_UNKNOWN, 0, FALSE, &Upper);
    if (NT_SUCCESS(status))
        IoAttachDeviceToDeviceStack(Upper, Lower);
    else
        Unload(DriverObject);
    return status;
}
