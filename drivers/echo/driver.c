/*
 * The driver echo: a device without hardware that shows what becomes of a request. Its reads wait
 * until there is something to read, until they are cancelled, or until their time is over.
 */
#include "echo.h"

static DRIVER_UNLOAD Unload;
static DRIVER_DISPATCH CreateClose, Cleanup, DeviceControl;
DRIVER_INITIALIZE DriverEntry;

static UNICODE_STRING DeviceName = RTL_CONSTANT_STRING(L"\\Device\\Echo");
static UNICODE_STRING LinkName = RTL_CONSTANT_STRING(L"\\DosDevices\\Echo");

static NTSTATUS Complete(PIRP Irp, NTSTATUS Status, ULONG_PTR Information)
{
    Irp->IoStatus.Status = Status;
    Irp->IoStatus.Information = Information;
    IoCompleteRequest(Irp, IO_NO_INCREMENT);
    return Status;
}

static NTSTATUS CreateClose(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    UNREFERENCED_PARAMETER(DeviceObject);
    return Complete(Irp, STATUS_SUCCESS, 0);
}

/* The file's last handle is gone: nobody waits for its reads any more. */
static NTSTATUS Cleanup(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    READ_FILTER ofThisFile = {IoGetCurrentIrpStackLocation(Irp)->FileObject, 0};

    EchoFailReads(DeviceObject->DeviceExtension, &ofThisFile, STATUS_CANCELLED);
    return Complete(Irp, STATUS_SUCCESS, 0);
}

static NTSTATUS DeviceControl(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    PECHO echo = DeviceObject->DeviceExtension;
    PIO_STACK_LOCATION location = IoGetCurrentIrpStackLocation(Irp);
    PULONG value = Irp->AssociatedIrp.SystemBuffer;

    switch (location->Parameters.DeviceIoControl.IoControlCode) {
    case IOCTL_ECHO_COUNT:
        if (location->Parameters.DeviceIoControl.OutputBufferLength < sizeof(ULONG))
            return Complete(Irp, STATUS_BUFFER_TOO_SMALL, 0);
        *value = echo->Count;
        return Complete(Irp, STATUS_SUCCESS, sizeof(ULONG));
    case IOCTL_ECHO_TIMEOUT:
        if (location->Parameters.DeviceIoControl.InputBufferLength < sizeof(ULONG))
            return Complete(Irp, STATUS_BUFFER_TOO_SMALL, 0);
        echo->Timeout = *value;
        return Complete(Irp, STATUS_SUCCESS, 0);
    default:
        return Complete(Irp, STATUS_INVALID_DEVICE_REQUEST, 0);
    }
}

/* Called when no file is open, so no read waits; the timer may still be set. */
static VOID Unload(PDRIVER_OBJECT DriverObject)
{
    PECHO echo = DriverObject->DeviceObject->DeviceExtension;

    KeCancelTimer(&echo->Timer);
    KeFlushQueuedDpcs();
    IoDeleteSymbolicLink(&LinkName);
    IoDeleteDevice(DriverObject->DeviceObject);
}

NTSTATUS DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    PDEVICE_OBJECT device;
    NTSTATUS status;

    UNREFERENCED_PARAMETER(RegistryPath);
    DriverObject->MajorFunction[IRP_MJ_CREATE] = CreateClose;
    DriverObject->MajorFunction[IRP_MJ_CLOSE] = CreateClose;
    DriverObject->MajorFunction[IRP_MJ_CLEANUP] = Cleanup;
    DriverObject->MajorFunction[IRP_MJ_READ] = EchoRead;
    DriverObject->MajorFunction[IRP_MJ_WRITE] = EchoWrite;
    DriverObject->MajorFunction[IRP_MJ_DEVICE_CONTROL] = DeviceControl;
    DriverObject->DriverUnload = Unload;

    status = IoCreateDevice(DriverObject, sizeof(ECHO), &DeviceName, FILE_DEVICE_UNKNOWN, 0, FALSE,
                            &device);
    if (!NT_SUCCESS(status))
        return status;
    device->Flags |= DO_BUFFERED_IO;
    KeInitializeSpinLock(&((PECHO)device->DeviceExtension)->DataLock);
    EchoInitializeQueue(device->DeviceExtension);
    status = IoCreateSymbolicLink(&LinkName, &DeviceName);
    if (!NT_SUCCESS(status))
        IoDeleteDevice(device);
    return status;
}
