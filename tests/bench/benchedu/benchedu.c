/*
 * The shortest driver with a StartIo routine, an ISR and a DpcForIsr, for QEMU's device edu:
 * StartIo writes the register that raises an interrupt at once. What drivers/edu has the device
 * compute is done by a thread of the emulator's, whose time no instruction counts.
 */
#include <ntddk.h>

#define REGISTER_CAUSES      0x24
#define REGISTER_RAISE       0x60
#define REGISTER_ACKNOWLEDGE 0x64

typedef struct _DEVICE_EXTENSION {
    PDEVICE_OBJECT Device, PhysicalDevice, LowerDevice;
    PUCHAR Registers; /* NULL: not started */
    SIZE_T RegisterBytes;
    PVOID Connection;
    ULONG ConnectionVersion;
} DEVICE_EXTENSION, *PDEVICE_EXTENSION;

static PULONG RegisterOf(PDEVICE_EXTENSION Extension, ULONG Offset)
{
    return (PULONG)(Extension->Registers + Offset);
}

static NTSTATUS Complete(PIRP Irp, NTSTATUS Status)
{
    Irp->IoStatus.Status = Status;
    Irp->IoStatus.Information = 0;
    IoCompleteRequest(Irp, IO_NO_INCREMENT);
    return Status;
}

/* ---- what is measured ---- */

/* IRP_MJ_READ. <= DISPATCH_LEVEL. */
static DRIVER_DISPATCH DispatchRead;
static NTSTATUS DispatchRead(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    IoMarkIrpPending(Irp);
    IoStartPacket(DeviceObject, Irp, NULL, NULL);
    return STATUS_PENDING;
}

static DRIVER_STARTIO StartIo;
static VOID StartIo(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    UNREFERENCED_PARAMETER(Irp);
    WRITE_REGISTER_ULONG(RegisterOf(DeviceObject->DeviceExtension, REGISTER_RAISE), 1);
}

static KSERVICE_ROUTINE InterruptService;
static BOOLEAN InterruptService(PKINTERRUPT Interrupt, PVOID ServiceContext)
{
    PDEVICE_EXTENSION extension = ServiceContext;
    ULONG causes = READ_REGISTER_ULONG(RegisterOf(extension, REGISTER_CAUSES));

    UNREFERENCED_PARAMETER(Interrupt);
    if (causes == 0)
        return FALSE;
    WRITE_REGISTER_ULONG(RegisterOf(extension, REGISTER_ACKNOWLEDGE), causes);
    IoRequestDpc(extension->Device, NULL, NULL);
    return TRUE;
}

static KMESSAGE_SERVICE_ROUTINE MessageService;
static BOOLEAN MessageService(PKINTERRUPT Interrupt, PVOID ServiceContext, ULONG MessageId)
{
    UNREFERENCED_PARAMETER(MessageId);
    return InterruptService(Interrupt, ServiceContext);
}

static IO_DPC_ROUTINE DpcForIsr;
static VOID DpcForIsr(PKDPC Dpc, PDEVICE_OBJECT DeviceObject, PIRP Irp, PVOID Context)
{
    PIRP current = DeviceObject->CurrentIrp;

    UNREFERENCED_PARAMETER(Dpc);
    UNREFERENCED_PARAMETER(Irp);
    UNREFERENCED_PARAMETER(Context);
    IoStartNextPacket(DeviceObject, FALSE);
    Complete(current, STATUS_SUCCESS);
}

/* ---- the device comes and goes. PASSIVE_LEVEL; no request is under way ---- */

static NTSTATUS MapRegisters(PDEVICE_EXTENSION Extension, PCM_RESOURCE_LIST Resources)
{
    PCM_PARTIAL_RESOURCE_LIST list = &Resources->List[0].PartialResourceList;
    PCM_PARTIAL_RESOURCE_DESCRIPTOR memory = list->PartialDescriptors;

    while (memory < list->PartialDescriptors + list->Count && memory->Type != CmResourceTypeMemory)
        memory++;
    if (memory == list->PartialDescriptors + list->Count)
        return STATUS_DEVICE_CONFIGURATION_ERROR;
    Extension->RegisterBytes = memory->u.Memory.Length;
    Extension->Registers =
        MmMapIoSpace(memory->u.Memory.Start, Extension->RegisterBytes, MmNonCached);
    return Extension->Registers ? STATUS_SUCCESS : STATUS_INSUFFICIENT_RESOURCES;
}

static NTSTATUS StartDevice(PDEVICE_EXTENSION Extension, PCM_RESOURCE_LIST Resources)
{
    IO_CONNECT_INTERRUPT_PARAMETERS parameters = {.Version = CONNECT_MESSAGE_BASED};
    NTSTATUS status = MapRegisters(Extension, Resources);

    if (!NT_SUCCESS(status))
        return status;
    parameters.MessageBased.PhysicalDeviceObject = Extension->PhysicalDevice;
    parameters.MessageBased.ConnectionContext.Generic = &Extension->Connection;
    parameters.MessageBased.MessageServiceRoutine = MessageService;
    parameters.MessageBased.FallBackServiceRoutine = InterruptService;
    parameters.MessageBased.ServiceContext = Extension;
    status = IoConnectInterruptEx(&parameters);
    Extension->ConnectionVersion = parameters.Version;
    if (!NT_SUCCESS(status)) {
        MmUnmapIoSpace(Extension->Registers, Extension->RegisterBytes);
        Extension->Registers = NULL;
    }
    return status;
}

static VOID StopDevice(PDEVICE_EXTENSION Extension)
{
    IO_DISCONNECT_INTERRUPT_PARAMETERS parameters = {.Version = Extension->ConnectionVersion};

    if (!Extension->Registers)
        return;
    parameters.ConnectionContext.Generic = Extension->Connection;
    IoDisconnectInterruptEx(&parameters);
    KeFlushQueuedDpcs();
    MmUnmapIoSpace(Extension->Registers, Extension->RegisterBytes);
}

static NTSTATUS PassOn(PDEVICE_EXTENSION Extension, PIRP Irp)
{
    IoSkipCurrentIrpStackLocation(Irp);
    return IoCallDriver(Extension->LowerDevice, Irp);
}

static DRIVER_DISPATCH DispatchPnp;
static NTSTATUS DispatchPnp(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    PDEVICE_EXTENSION extension = DeviceObject->DeviceExtension;
    PIO_STACK_LOCATION location = IoGetCurrentIrpStackLocation(Irp);
    NTSTATUS status = STATUS_UNSUCCESSFUL;

    switch (location->MinorFunction) {
    case IRP_MN_START_DEVICE:
        if (IoForwardIrpSynchronously(extension->LowerDevice, Irp))
            status = Irp->IoStatus.Status;
        if (NT_SUCCESS(status))
            status = StartDevice(extension,
                                 location->Parameters.StartDevice.AllocatedResourcesTranslated);
        return Complete(Irp, status);
    case IRP_MN_REMOVE_DEVICE:
        StopDevice(extension);
        Irp->IoStatus.Status = STATUS_SUCCESS;
        status = PassOn(extension, Irp);
        IoDetachDevice(extension->LowerDevice);
        IoDeleteDevice(DeviceObject);
        return status;
    case IRP_MN_QUERY_REMOVE_DEVICE:
    case IRP_MN_CANCEL_REMOVE_DEVICE:
        Irp->IoStatus.Status = STATUS_SUCCESS;
        break;
    }
    return PassOn(extension, Irp);
}

/* IRP_MJ_CREATE, CLEANUP, CLOSE. */
static DRIVER_DISPATCH DispatchOpenClose;
static NTSTATUS DispatchOpenClose(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    UNREFERENCED_PARAMETER(DeviceObject);
    return Complete(Irp, STATUS_SUCCESS);
}

static DRIVER_ADD_DEVICE AddDevice;
static NTSTATUS AddDevice(PDRIVER_OBJECT DriverObject, PDEVICE_OBJECT PhysicalDeviceObject)
{
    UNICODE_STRING name = RTL_CONSTANT_STRING(L"\\Device\\BenchEdu");
    PDEVICE_EXTENSION extension;
    PDEVICE_OBJECT device;
    NTSTATUS status = IoCreateDevice(DriverObject, sizeof(DEVICE_EXTENSION), &name,
                                     FILE_DEVICE_UNKNOWN, 0, FALSE, &device);

    if (!NT_SUCCESS(status))
        return status;
    extension = device->DeviceExtension;
    extension->Device = device;
    extension->PhysicalDevice = PhysicalDeviceObject;
    IoInitializeDpcRequest(device, DpcForIsr);
    extension->LowerDevice = IoAttachDeviceToDeviceStack(device, PhysicalDeviceObject);
    if (!extension->LowerDevice) {
        IoDeleteDevice(device);
        return STATUS_NO_SUCH_DEVICE;
    }
    device->Flags &= ~(ULONG)DO_DEVICE_INITIALIZING;
    return STATUS_SUCCESS;
}

/* Every device has been removed before. */
static DRIVER_UNLOAD Unload;
static VOID Unload(PDRIVER_OBJECT DriverObject)
{
    UNREFERENCED_PARAMETER(DriverObject);
}

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
    DriverObject->MajorFunction[IRP_MJ_READ] = DispatchRead;
    DriverObject->MajorFunction[IRP_MJ_PNP] = DispatchPnp;
    return STATUS_SUCCESS;
}
