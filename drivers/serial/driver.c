/*
 * What every driver has: DriverEntry, Unload, and the requests that open and close a port. The PC's
 * serial ports stand at fixed addresses and no bus announces them, so DriverEntry looks for them
 * itself, as drivers did before Plug and Play. A port is touched only while it is open.
 */
#include "serial.h"

typedef struct _PORT_ADDRESS {
    PUCHAR Base;
    ULONG IsaInterrupt;
    UNICODE_STRING DeviceName, LinkName;
} PORT_ADDRESS;

static PORT_ADDRESS Addresses[] = {
    {(PUCHAR)0x3F8, 4, RTL_CONSTANT_STRING(L"\\Device\\Serial0"),
     RTL_CONSTANT_STRING(L"\\DosDevices\\COM1")},
    {(PUCHAR)0x2F8, 3, RTL_CONSTANT_STRING(L"\\Device\\Serial1"),
     RTL_CONSTANT_STRING(L"\\DosDevices\\COM2")},
};

/* ---- open and close ---- */

static NTSTATUS ConnectInterrupt(PSERIAL_PORT Port)
{
    KAFFINITY affinity;
    KIRQL irql;
    ULONG vector =
        HalGetInterruptVector(Isa, 0, Port->IsaInterrupt, Port->IsaInterrupt, &irql, &affinity);

    if (vector == 0)
        return STATUS_NO_SUCH_DEVICE;
    return IoConnectInterrupt(&Port->Interrupt, InterruptService, Port, NULL, vector, irql, irql,
                              Latched, FALSE, affinity, FALSE);
}

static VOID ResetState(PSERIAL_PORT Port)
{
    Port->Head = Port->Tail = 0;
    Port->Console = NULL;
    Port->WriteIrp = NULL;
    Port->WriteLeft = 0;
    Port->Enabled = Port->ModemControl = 0;
    Port->WantDpc = FALSE;
    Port->Errors = 0;
    Port->Purging = FALSE;
    RtlZeroMemory(&Port->Stats, sizeof(Port->Stats));
    RtlZeroMemory(&Port->Timeouts, sizeof(Port->Timeouts));
    Port->Handflow = (SERIAL_HANDFLOW){0, SERIAL_RTS_CONTROL, RING_SIZE / 4, RING_SIZE / 4};
}

static BOOLEAN IsConsole(PFILE_OBJECT File)
{
    static const UNICODE_STRING name = RTL_CONSTANT_STRING(KD_PORT_FILE);

    return File && RtlEqualUnicodeString(&File->FileName, &name, FALSE);
}

/* IRP_MJ_CREATE: one at a time may have the port. IRQL: PASSIVE_LEVEL. */
static DRIVER_DISPATCH DispatchCreate;
static NTSTATUS DispatchCreate(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    PSERIAL_PORT port = DeviceObject->DeviceExtension;
    NTSTATUS status;
    KIRQL irql;

    if (InterlockedCompareExchange(&port->Opened, 1, 0) != 0)
        return CompleteRequest(Irp, STATUS_ACCESS_DENIED, 0);
    ResetState(port);
    status = ConnectInterrupt(port);
    if (!NT_SUCCESS(status)) {
        InterlockedExchange(&port->Opened, 0);
        return CompleteRequest(Irp, status, 0);
    }
    port->Adopted = IsConsole(IoGetCurrentIrpStackLocation(Irp)->FileObject);
    irql = KeAcquireInterruptSpinLock(port->Interrupt);
    if (port->Adopted)
        AdoptUart(port);
    else
        StartUart(port);
    KeReleaseInterruptSpinLock(port->Interrupt, irql);
    return CompleteRequest(Irp, STATUS_SUCCESS, FILE_OPENED);
}

/* IRP_MJ_CLEANUP: the last handle is gone, so nobody waits for answers any more. */
static DRIVER_DISPATCH DispatchCleanup;
static NTSTATUS DispatchCleanup(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    PSERIAL_PORT port = DeviceObject->DeviceExtension;

    CancelReads(port);
    CancelWrites(port);
    return CompleteRequest(Irp, STATUS_SUCCESS, 0);
}

/*
 * IRP_MJ_CLOSE: no request is left. First the device is silenced, then the DPCs that it has caused
 * are waited for, then the interrupt object goes that they use. IRQL: PASSIVE_LEVEL.
 */
static DRIVER_DISPATCH DispatchClose;
static NTSTATUS DispatchClose(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    PSERIAL_PORT port = DeviceObject->DeviceExtension;
    KIRQL irql = KeAcquireInterruptSpinLock(port->Interrupt);

    StopUart(port);
    KeReleaseInterruptSpinLock(port->Interrupt, irql);
    KeCancelTimer(&port->ReadTimer);
    KeFlushQueuedDpcs();
    IoDisconnectInterrupt(port->Interrupt);
    InterlockedExchange(&port->Opened, 0);
    return CompleteRequest(Irp, STATUS_SUCCESS, 0);
}

/* ---- the driver ---- */

static NTSTATUS CreatePort(PDRIVER_OBJECT DriverObject, ULONG Number)
{
    PORT_ADDRESS *address = &Addresses[Number];
    PDEVICE_OBJECT device;
    PSERIAL_PORT port;
    NTSTATUS status =
        IoCreateDevice(DriverObject, sizeof(SERIAL_PORT), &address->DeviceName,
                       FILE_DEVICE_SERIAL_PORT, FILE_DEVICE_SECURE_OPEN, TRUE, &device);

    if (!NT_SUCCESS(status))
        return status;
    status = IoCreateSymbolicLink(&address->LinkName, &address->DeviceName);
    if (!NT_SUCCESS(status)) {
        IoDeleteDevice(device);
        return status;
    }
    port = device->DeviceExtension;
    port->Device = device;
    port->Number = Number;
    port->Base = address->Base;
    port->IsaInterrupt = address->IsaInterrupt;
    InitializeReads(port);
    IoInitializeDpcRequest(device, DpcForIsr);
    IoSetStartIoAttributes(device, TRUE, FALSE); /* StartIo ends cancelled writes itself */
    device->Flags |= DO_BUFFERED_IO;
    device->Flags &= ~(ULONG)DO_DEVICE_INITIALIZING;
    return STATUS_SUCCESS;
}

/* Unload: no port is open. IRQL: PASSIVE_LEVEL. */
static DRIVER_UNLOAD Unload;
static VOID Unload(PDRIVER_OBJECT DriverObject)
{
    while (DriverObject->DeviceObject) {
        PSERIAL_PORT port = DriverObject->DeviceObject->DeviceExtension;

        IoDeleteSymbolicLink(&Addresses[port->Number].LinkName);
        IoDeleteDevice(port->Device);
    }
}

/* DriverEntry: finds the ports. IRQL: PASSIVE_LEVEL. */
DRIVER_INITIALIZE DriverEntry;
NTSTATUS DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    NTSTATUS status = STATUS_NO_SUCH_DEVICE;

    UNREFERENCED_PARAMETER(RegistryPath);
    DriverObject->DriverUnload = Unload;
    DriverObject->DriverStartIo = StartIo;
    DriverObject->MajorFunction[IRP_MJ_CREATE] = DispatchCreate;
    DriverObject->MajorFunction[IRP_MJ_CLEANUP] = DispatchCleanup;
    DriverObject->MajorFunction[IRP_MJ_CLOSE] = DispatchClose;
    DriverObject->MajorFunction[IRP_MJ_READ] = DispatchRead;
    DriverObject->MajorFunction[IRP_MJ_WRITE] = DispatchWrite;
    DriverObject->MajorFunction[IRP_MJ_DEVICE_CONTROL] = DispatchControl;
    DriverObject->MajorFunction[IRP_MJ_INTERNAL_DEVICE_CONTROL] = DispatchInternalControl;
    for (ULONG n = 0; n < ARRAYSIZE(Addresses); n++) {
        if (!IsPresent(Addresses[n].Base))
            continue;
        status = CreatePort(DriverObject, n);
        if (!NT_SUCCESS(status)) {
            Unload(DriverObject);
            return status;
        }
    }
    return status;
}
