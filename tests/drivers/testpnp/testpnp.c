/* A plug and play driver for the tests: records what it is called for. */
#include "testpnp.h"

static TESTPNP_STATE State;

static VOID Note(CHAR Letter)
{
    if (State.Calls < sizeof(State.Log) - 1)
        State.Log[State.Calls++] = Letter;
}

static DRIVER_ADD_DEVICE AddDevice;
static NTSTATUS AddDevice(PDRIVER_OBJECT DriverObject, PDEVICE_OBJECT PhysicalDeviceObject)
{
    PDEVICE_OBJECT device;
    PTESTPNP_EXTENSION extension;
    WCHAR text[] = L"\\Device\\TestPnp0";
    UNICODE_STRING name = RTL_CONSTANT_STRING(text);
    ULONG number = 0;
    NTSTATUS status;

    Note('A');
    while (number < ARRAYSIZE(State.Devices) && State.Devices[number])
        number++;
    text[ARRAYSIZE(text) - 2] = (WCHAR)('0' + number);
    status = IoCreateDevice(DriverObject, sizeof(TESTPNP_EXTENSION), &name, FILE_DEVICE_UNKNOWN, 0,
                            FALSE, &device);
    if (!NT_SUCCESS(status))
        return status;
    extension = device->DeviceExtension;
    extension->State = &State;
    extension->Number = number;
    extension->PhysicalDevice = PhysicalDeviceObject;
    extension->Lower = IoAttachDeviceToDeviceStack(device, PhysicalDeviceObject);
    State.Devices[number] = device;
    device->Flags &= ~(ULONG)DO_DEVICE_INITIALIZING;
    return STATUS_SUCCESS;
}

static ULONG CopyList(PCM_PARTIAL_RESOURCE_DESCRIPTOR To, PCM_RESOURCE_LIST List)
{
    PCM_PARTIAL_RESOURCE_LIST partial = &List->List[0].PartialResourceList;

    for (ULONG n = 0; n < partial->Count && n < TESTPNP_RANGES; n++)
        To[n] = partial->PartialDescriptors[n];
    return partial->Count;
}

static NTSTATUS Start(PTESTPNP_EXTENSION Extension, PIRP Irp)
{
    PIO_STACK_LOCATION location = IoGetCurrentIrpStackLocation(Irp);

    Extension->StartIrql = KeGetCurrentIrql();
    Extension->Interface =
        location->Parameters.StartDevice.AllocatedResources->List[0].InterfaceType;
    Extension->RawCount =
        CopyList(Extension->Raw, location->Parameters.StartDevice.AllocatedResources);
    Extension->TranslatedCount = CopyList(
        Extension->Translated, location->Parameters.StartDevice.AllocatedResourcesTranslated);
    IoForwardIrpSynchronously(Extension->Lower, Irp);
    Extension->LowerStatus = Irp->IoStatus.Status;
    Irp->IoStatus.Status = State.StartStatus;
    IoCompleteRequest(Irp, IO_NO_INCREMENT);
    return State.StartStatus;
}

static NTSTATUS PassOn(PTESTPNP_EXTENSION Extension, PIRP Irp)
{
    IoSkipCurrentIrpStackLocation(Irp);
    return IoCallDriver(Extension->Lower, Irp);
}

static NTSTATUS QueryRemove(PTESTPNP_EXTENSION Extension, PIRP Irp)
{
    if (State.RefuseFrom && ++State.Queries >= State.RefuseFrom) {
        Irp->IoStatus.Status = STATUS_UNSUCCESSFUL;
        IoCompleteRequest(Irp, IO_NO_INCREMENT);
        return STATUS_UNSUCCESSFUL;
    }
    Irp->IoStatus.Status = STATUS_SUCCESS;
    return PassOn(Extension, Irp);
}

static NTSTATUS Remove(PDEVICE_OBJECT Device, PIRP Irp)
{
    PTESTPNP_EXTENSION extension = Device->DeviceExtension;
    PDEVICE_OBJECT lower = extension->Lower;
    NTSTATUS status;

    State.Devices[extension->Number] = NULL;
    Irp->IoStatus.Status = STATUS_SUCCESS;
    status = PassOn(extension, Irp);
    IoDetachDevice(lower);
    IoDeleteDevice(Device);
    return status;
}

static DRIVER_DISPATCH DispatchPnp;
static NTSTATUS DispatchPnp(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    static const CHAR letters[] = {
        [IRP_MN_START_DEVICE] = 'S',     [IRP_MN_QUERY_REMOVE_DEVICE] = 'Q',
        [IRP_MN_REMOVE_DEVICE] = 'R',    [IRP_MN_CANCEL_REMOVE_DEVICE] = 'C',
        [IRP_MN_SURPRISE_REMOVAL] = 'X',
    };
    UCHAR minor = IoGetCurrentIrpStackLocation(Irp)->MinorFunction;

    if (minor < sizeof(letters) && letters[minor])
        Note(letters[minor]);
    switch (minor) {
    case IRP_MN_START_DEVICE:
        return Start(DeviceObject->DeviceExtension, Irp);
    case IRP_MN_QUERY_REMOVE_DEVICE:
        return QueryRemove(DeviceObject->DeviceExtension, Irp);
    case IRP_MN_REMOVE_DEVICE:
        return Remove(DeviceObject, Irp);
    case IRP_MN_CANCEL_REMOVE_DEVICE:
    case IRP_MN_SURPRISE_REMOVAL:
        Irp->IoStatus.Status = STATUS_SUCCESS;
        break;
    }
    return PassOn(DeviceObject->DeviceExtension, Irp);
}

static DRIVER_DISPATCH DispatchOther;
static NTSTATUS DispatchOther(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    UNREFERENCED_PARAMETER(DeviceObject);
    Irp->IoStatus.Status = STATUS_SUCCESS;
    Irp->IoStatus.Information = 0;
    IoCompleteRequest(Irp, IO_NO_INCREMENT);
    return STATUS_SUCCESS;
}

static DRIVER_DISPATCH DispatchPower;
static NTSTATUS DispatchPower(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    return PassOn(DeviceObject->DeviceExtension, Irp);
}

static DRIVER_UNLOAD Unload;
static VOID Unload(PDRIVER_OBJECT DriverObject)
{
    UNREFERENCED_PARAMETER(DriverObject);
    Note('U');
}

DRIVER_INITIALIZE DriverEntry;
NTSTATUS DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    UNREFERENCED_PARAMETER(RegistryPath);
    DriverObject->DriverExtension->AddDevice = AddDevice;
    DriverObject->DriverUnload = Unload;
    DriverObject->MajorFunction[IRP_MJ_CREATE] = DispatchOther;
    DriverObject->MajorFunction[IRP_MJ_CLEANUP] = DispatchOther;
    DriverObject->MajorFunction[IRP_MJ_CLOSE] = DispatchOther;
    DriverObject->MajorFunction[IRP_MJ_PNP] = DispatchPnp;
    DriverObject->MajorFunction[IRP_MJ_POWER] = DispatchPower;
    return STATUS_SUCCESS;
}
