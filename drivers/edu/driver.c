/*
 * edu: a driver for QEMU's educational PCI device, as a WDM driver is made. This file is its face
 * to the kernel: DriverEntry, AddDevice, plug and play, power, and the dispatch routines that only
 * sort requests. start.c sets the device to work, unit.c has its registers and its interrupt,
 * factorial.c and dma.c are the two ways of a request, watch.c looks after what goes wrong.
 */
#include "edu.h"

#define MOST_DEVICES 10 /* a digit in the name */

static PDEVICE_OBJECT Devices[MOST_DEVICES]; /* by number; plug and play is one call at a time */

/* "\Device\Edu0" and "\DosDevices\Edu0": Buffer gets Prefix with the digit at its end. */
static VOID MakeName(PUNICODE_STRING Name, PWSTR Buffer, ULONG Number)
{
    ULONG length = 0;

    while (Buffer[length])
        length++;
    Buffer[length - 1] = (WCHAR)('0' + Number);
    RtlInitUnicodeString(Name, Buffer);
}

#define DEVICE_NAME L"\\Device\\Edu#"
#define LINK_NAME   L"\\DosDevices\\Edu#"

NTSTATUS CompleteRequest(PDEVICE_EXTENSION Extension, PIRP Irp, NTSTATUS Status,
                         ULONG_PTR Information)
{
    Irp->IoStatus.Status = Status;
    Irp->IoStatus.Information = Information;
    IoCompleteRequest(Irp, IO_NO_INCREMENT);
    IoReleaseRemoveLock(&Extension->RemoveLock, Irp); /* Irp is only a tag here */
    return Status;
}

/* ---- AddDevice and its reverse. PASSIVE_LEVEL ---- */

static VOID DeleteDevice(PDEVICE_EXTENSION Extension)
{
    WCHAR text[] = LINK_NAME;
    UNICODE_STRING link;

    MakeName(&link, text, Extension->Number);
    IoDeleteSymbolicLink(&link);
    Devices[Extension->Number] = NULL;
    if (Extension->LowerDevice)
        IoDetachDevice(Extension->LowerDevice);
    IoDeleteDevice(Extension->Device);
}

static NTSTATUS InitializeExtension(PDEVICE_EXTENSION Extension)
{
    NTSTATUS status;

    IoInitializeRemoveLock(&Extension->RemoveLock, 'udEE', 0, 0);
    IoInitializeDpcRequest(Extension->Device, DpcForIsr);
    KeInitializeTimer(&Extension->WatchTimer);
    KeInitializeDpc(&Extension->WatchDpc, WatchDpcRoutine, Extension);
    status = InitializeDma(Extension);
    if (NT_SUCCESS(status))
        status = IoInitializeTimer(Extension->Device, ReportSecond, Extension);
    return status;
}

static NTSTATUS CreateDevice(PDRIVER_OBJECT DriverObject, ULONG Number, PDEVICE_OBJECT *Device)
{
    WCHAR deviceText[] = DEVICE_NAME, linkText[] = LINK_NAME;
    UNICODE_STRING deviceName, linkName;
    NTSTATUS status;

    MakeName(&deviceName, deviceText, Number);
    MakeName(&linkName, linkText, Number);
    status = IoCreateDevice(DriverObject, sizeof(DEVICE_EXTENSION), &deviceName,
                            FILE_DEVICE_UNKNOWN, FILE_DEVICE_SECURE_OPEN, FALSE, Device);
    if (!NT_SUCCESS(status))
        return status;
    status = IoCreateSymbolicLink(&linkName, &deviceName);
    if (!NT_SUCCESS(status))
        IoDeleteDevice(*Device);
    return status;
}

/* AddDevice: once for each device. The hardware is not touched before IRP_MN_START_DEVICE. */
static DRIVER_ADD_DEVICE AddDevice;
static NTSTATUS AddDevice(PDRIVER_OBJECT DriverObject, PDEVICE_OBJECT PhysicalDeviceObject)
{
    PDEVICE_EXTENSION extension;
    PDEVICE_OBJECT device;
    ULONG number = 0;
    NTSTATUS status;

    while (number < MOST_DEVICES && Devices[number])
        number++;
    if (number == MOST_DEVICES)
        return STATUS_INSUFFICIENT_RESOURCES;
    status = CreateDevice(DriverObject, number, &device);
    if (!NT_SUCCESS(status))
        return status;
    Devices[number] = device;
    extension = device->DeviceExtension;
    extension->Device = device;
    extension->PhysicalDevice = PhysicalDeviceObject;
    extension->Number = number;
    status = InitializeExtension(extension);
    if (NT_SUCCESS(status)) {
        extension->LowerDevice = IoAttachDeviceToDeviceStack(device, PhysicalDeviceObject);
        if (!extension->LowerDevice)
            status = STATUS_NO_SUCH_DEVICE;
    }
    if (!NT_SUCCESS(status)) {
        DeleteDevice(extension);
        return status;
    }
    IoSetStartIoAttributes(device, TRUE, FALSE); /* StartIo may end a request and so call itself */
    device->Flags |= DO_DIRECT_IO;               /* read and write: an MDL */
    device->Flags &= ~(ULONG)DO_DEVICE_INITIALIZING;
    return STATUS_SUCCESS;
}

/* ---- plug and play, power ---- */

static NTSTATUS PassOn(PDEVICE_EXTENSION Extension, PIRP Irp)
{
    IoSkipCurrentIrpStackLocation(Irp);
    return IoCallDriver(Extension->LowerDevice, Irp);
}

/* The bus first: before it the device does not answer. */
static NTSTATUS Start(PDEVICE_EXTENSION Extension, PIRP Irp)
{
    PCM_RESOURCE_LIST resources =
        IoGetCurrentIrpStackLocation(Irp)->Parameters.StartDevice.AllocatedResourcesTranslated;
    NTSTATUS status = STATUS_UNSUCCESSFUL;

    if (IoForwardIrpSynchronously(Extension->LowerDevice, Irp))
        status = Irp->IoStatus.Status;
    if (NT_SUCCESS(status))
        status = StartEdu(Extension, resources);
    Extension->Started = NT_SUCCESS(status);
    return CompleteRequest(Extension, Irp, status, 0);
}

/*
 * REMOVE: requests end, then the last one leaves (the remove lock), then nobody uses the device any
 * more. The lock that this request holds itself is given back by the wait.
 */
static NTSTATUS Remove(PDEVICE_EXTENSION Extension, PIRP Irp)
{
    NTSTATUS status;

    if (Extension->Started)
        EndRequests(Extension);
    IoReleaseRemoveLockAndWait(&Extension->RemoveLock, Irp);
    if (Extension->Started)
        StopEdu(Extension);
    Extension->Started = FALSE;
    Irp->IoStatus.Status = STATUS_SUCCESS;
    status = PassOn(Extension, Irp);
    DeleteDevice(Extension);
    return status;
}

/* IRP_MJ_PNP. PASSIVE_LEVEL. */
static DRIVER_DISPATCH DispatchPnp;
static NTSTATUS DispatchPnp(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    PDEVICE_EXTENSION extension = DeviceObject->DeviceExtension;
    NTSTATUS status = IoAcquireRemoveLock(&extension->RemoveLock, Irp);

    if (!NT_SUCCESS(status)) {
        Irp->IoStatus.Status = status;
        IoCompleteRequest(Irp, IO_NO_INCREMENT);
        return status;
    }
    switch (IoGetCurrentIrpStackLocation(Irp)->MinorFunction) {
    case IRP_MN_START_DEVICE:
        return Start(extension, Irp);
    case IRP_MN_REMOVE_DEVICE:
        return Remove(extension, Irp);
    case IRP_MN_SURPRISE_REMOVAL:
        if (extension->Started)
            EndRequests(extension); /* whoever waits is told; the rest is for REMOVE */
        Irp->IoStatus.Status = STATUS_SUCCESS;
        break;
    case IRP_MN_QUERY_REMOVE_DEVICE: /* requests under way are no reason to refuse */
    case IRP_MN_CANCEL_REMOVE_DEVICE:
        Irp->IoStatus.Status = STATUS_SUCCESS;
        break;
    }
    status = PassOn(extension, Irp);
    IoReleaseRemoveLock(&extension->RemoveLock, Irp);
    return status;
}

/* IRP_MJ_POWER: the bus knows what to do. */
static DRIVER_DISPATCH DispatchPower;
static NTSTATUS DispatchPower(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    PDEVICE_EXTENSION extension = DeviceObject->DeviceExtension;

    PoStartNextPowerIrp(Irp);
    IoSkipCurrentIrpStackLocation(Irp);
    return PoCallDriver(extension->LowerDevice, Irp);
}

/* ---- requests ---- */

/* IRP_MJ_CREATE, CLEANUP, CLOSE: a handle has nothing of its own. */
static DRIVER_DISPATCH DispatchOpenClose;
static NTSTATUS DispatchOpenClose(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    UNREFERENCED_PARAMETER(DeviceObject);
    Irp->IoStatus.Status = STATUS_SUCCESS;
    Irp->IoStatus.Information = 0;
    IoCompleteRequest(Irp, IO_NO_INCREMENT);
    return STATUS_SUCCESS;
}

/* The buffers are large enough for what the code says; METHOD_BUFFERED: one buffer for both. */
static NTSTATUS Control(PDEVICE_EXTENSION Extension, PIRP Irp)
{
    PIO_STACK_LOCATION location = IoGetCurrentIrpStackLocation(Irp);
    ULONG input = location->Parameters.DeviceIoControl.InputBufferLength;
    ULONG output = location->Parameters.DeviceIoControl.OutputBufferLength;
    PVOID buffer = Irp->AssociatedIrp.SystemBuffer;

    switch (location->Parameters.DeviceIoControl.IoControlCode) {
    case IOCTL_EDU_FACTORIAL:
        if (input < sizeof(ULONG) || output < sizeof(ULONG))
            return CompleteRequest(Extension, Irp, STATUS_BUFFER_TOO_SMALL, 0);
        IoMarkIrpPending(Irp);
        IoStartPacket(Extension->Device, Irp, NULL, CancelFactorial);
        return STATUS_PENDING;
    case IOCTL_EDU_MISCHIEF:
        if (input < sizeof(EDU_MISCHIEF))
            return CompleteRequest(Extension, Irp, STATUS_BUFFER_TOO_SMALL, 0);
        MakeMischief(Extension, buffer);
        return CompleteRequest(Extension, Irp, STATUS_SUCCESS, 0);
    case IOCTL_EDU_STATISTICS:
        if (output < sizeof(EDU_STATISTICS))
            return CompleteRequest(Extension, Irp, STATUS_BUFFER_TOO_SMALL, 0);
        CopyStatistics(Extension, buffer);
        return CompleteRequest(Extension, Irp, STATUS_SUCCESS, sizeof(EDU_STATISTICS));
    }
    return CompleteRequest(Extension, Irp, STATUS_INVALID_DEVICE_REQUEST, 0);
}

/* IRP_MJ_DEVICE_CONTROL. <= DISPATCH_LEVEL. */
static DRIVER_DISPATCH DispatchControl;
static NTSTATUS DispatchControl(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    PDEVICE_EXTENSION extension = DeviceObject->DeviceExtension;
    NTSTATUS status = IoAcquireRemoveLock(&extension->RemoveLock, Irp);

    if (!NT_SUCCESS(status)) {
        Irp->IoStatus.Status = status;
        Irp->IoStatus.Information = 0;
        IoCompleteRequest(Irp, IO_NO_INCREMENT);
        return status;
    }
    if (!extension->Started)
        return CompleteRequest(extension, Irp, STATUS_DEVICE_NOT_READY, 0);
    return Control(extension, Irp);
}

/* Unload: every device has been removed before. PASSIVE_LEVEL. */
static DRIVER_UNLOAD Unload;
static VOID Unload(PDRIVER_OBJECT DriverObject)
{
    UNREFERENCED_PARAMETER(DriverObject);
}

/* DriverEntry: tells the kernel which routines the driver has. PASSIVE_LEVEL. */
DRIVER_INITIALIZE DriverEntry;
NTSTATUS DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    UNREFERENCED_PARAMETER(RegistryPath);
    DriverObject->DriverExtension->AddDevice = AddDevice;
    DriverObject->DriverStartIo = StartIo;
    DriverObject->DriverUnload = Unload;
    DriverObject->MajorFunction[IRP_MJ_CREATE] = DispatchOpenClose;
    DriverObject->MajorFunction[IRP_MJ_CLEANUP] = DispatchOpenClose;
    DriverObject->MajorFunction[IRP_MJ_CLOSE] = DispatchOpenClose;
    DriverObject->MajorFunction[IRP_MJ_READ] = DispatchTransfer;
    DriverObject->MajorFunction[IRP_MJ_WRITE] = DispatchTransfer;
    DriverObject->MajorFunction[IRP_MJ_DEVICE_CONTROL] = DispatchControl;
    DriverObject->MajorFunction[IRP_MJ_PNP] = DispatchPnp;
    DriverObject->MajorFunction[IRP_MJ_POWER] = DispatchPower;
    return STATUS_SUCCESS;
}
