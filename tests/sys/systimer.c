/*
 * A PnP driver: its device has an IoTimer, which runs from IRP_MN_START_DEVICE to
 * IRP_MN_REMOVE_DEVICE. Forwards requests with the inline functions of the WDK's headers.
 */
#include <wdm.h>

typedef struct _EXTENSION {
    PDEVICE_OBJECT Lower;
    LONG Ticks;
} EXTENSION, *PEXTENSION;

DRIVER_INITIALIZE DriverEntry;
static DRIVER_ADD_DEVICE AddDevice;
static DRIVER_UNLOAD Unload;
static DRIVER_DISPATCH Pnp;
static IO_TIMER_ROUTINE TimerRoutine;
static IO_COMPLETION_ROUTINE StartIsDone;

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
    device->Flags &= ~DO_DEVICE_INITIALIZING;
    DbgPrint("systimer: device added over %s\n",
             extension->Lower == PhysicalDeviceObject ? "the physical device" : "something else");
    return STATUS_SUCCESS;
}

static NTSTATUS NTAPI StartIsDone(PDEVICE_OBJECT DeviceObject, PIRP Irp, PVOID Context)
{
    UNREFERENCED_PARAMETER(DeviceObject);
    UNREFERENCED_PARAMETER(Irp);
    KeSetEvent(Context, IO_NO_INCREMENT, FALSE);
    return STATUS_MORE_PROCESSING_REQUIRED;
}

/* The devices below start first. */
static NTSTATUS Start(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    PEXTENSION extension = DeviceObject->DeviceExtension;
    NTSTATUS status;
    KEVENT done;

    KeInitializeEvent(&done, NotificationEvent, FALSE);
    IoCopyCurrentIrpStackLocationToNext(Irp);
    IoSetCompletionRoutine(Irp, StartIsDone, &done, TRUE, TRUE, TRUE);
    IoCallDriver(extension->Lower, Irp);
    KeWaitForSingleObject(&done, Executive, KernelMode, FALSE, NULL);
    status = Irp->IoStatus.Status;
    if (NT_SUCCESS(status))
        IoStartTimer(DeviceObject);
    DbgPrint("systimer: start, status 0x%08x\n", status);
    IoCompleteRequest(Irp, IO_NO_INCREMENT);
    return status;
}

static NTSTATUS Remove(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    PEXTENSION extension = DeviceObject->DeviceExtension;
    NTSTATUS status;

    IoStopTimer(DeviceObject);
    Irp->IoStatus.Status = STATUS_SUCCESS;
    IoSkipCurrentIrpStackLocation(Irp);
    status = IoCallDriver(extension->Lower, Irp);
    IoDetachDevice(extension->Lower);
    DbgPrint("systimer: removed after %d ticks\n", extension->Ticks);
    IoDeleteDevice(DeviceObject);
    return status;
}

static NTSTATUS NTAPI Pnp(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    PEXTENSION extension = DeviceObject->DeviceExtension;

    switch (IoGetCurrentIrpStackLocation(Irp)->MinorFunction) {
    case IRP_MN_START_DEVICE:
        return Start(DeviceObject, Irp);
    case IRP_MN_REMOVE_DEVICE:
        return Remove(DeviceObject, Irp);
    case IRP_MN_QUERY_REMOVE_DEVICE:
        Irp->IoStatus.Status = STATUS_SUCCESS;
        break;
    }
    IoSkipCurrentIrpStackLocation(Irp);
    return IoCallDriver(extension->Lower, Irp);
}

static VOID NTAPI Unload(PDRIVER_OBJECT DriverObject)
{
    DbgPrint("systimer: unloaded, devices: %s\n", DriverObject->DeviceObject ? "some" : "none");
}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    UNREFERENCED_PARAMETER(RegistryPath);
    DriverObject->MajorFunction[IRP_MJ_PNP] = Pnp;
    DriverObject->DriverExtension->AddDevice = AddDevice;
    DriverObject->DriverUnload = Unload;
    return STATUS_SUCCESS;
}
