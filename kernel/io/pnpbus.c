/*
 * The driver of the physical device objects, "\Driver\PnpManager": what a bus driver does with the
 * requests that come down to it. It is the last one in each stack, so it completes all of them,
 * those that it does not know with the status that they came with.
 */
#include "iop.h"
#include "pnp.h"
#include "pcifunction.h"

#define COMMAND_OFFSET ((ULONG)FIELD_OFFSET(PCI_COMMON_HEADER, Command))
#define ENABLED        (PCI_ENABLE_IO_SPACE | PCI_ENABLE_MEMORY_SPACE | PCI_ENABLE_BUS_MASTER)

static const WCHAR PnpName[] = L"\\Driver\\PnpManager";
static DRIVER_EXTENSION PnpExtension;
DRIVER_OBJECT IopPnpDriver;

static PPNP_NODE NodeOf(PDEVICE_OBJECT PhysicalDevice)
{
    return PhysicalDevice->DeviceExtension;
}

static VOID SetCommand(const PCI_FUNCTION *Function, ULONG Clear, ULONG Set)
{
    ULONG command = ArchReadPciConfig(Function->Address, COMMAND_OFFSET, 2);

    ArchWritePciConfig(Function->Address, COMMAND_OFFSET, 2, (command & ~Clear) | Set);
}

/* The function answers at its addresses, and may write to memory. */
static NTSTATUS StartFunction(const PCI_FUNCTION *Function)
{
    for (ULONG n = 0; n < PCI_TYPE0_ADDRESSES; n++) {
        const PCI_BAR *bar = &Function->Bars[n];

        if (bar->Kind != PciBarNone && (bar->Range.Address == 0 || bar->OutOfWindow))
            return STATUS_DEVICE_CONFIGURATION_ERROR;
    }
    SetCommand(Function, 0, ENABLED);
    return STATUS_SUCCESS;
}

/* It must not write to memory any more that its driver frees. Bridges go on for those behind. */
static VOID StopFunction(const PCI_FUNCTION *Function)
{
    if (Function->Type == PCI_DEVICE_TYPE)
        SetCommand(Function, PCI_ENABLE_BUS_MASTER, 0);
}

/* IRP_MN_READ_CONFIG, IRP_MN_WRITE_CONFIG: of the device's own configuration space. */
static NTSTATUS TransferConfig(const PCI_FUNCTION *Function, PIRP Irp)
{
    PIO_STACK_LOCATION location = IoGetCurrentIrpStackLocation(Irp);
    PCI_SLOT_NUMBER slot = {.u.AsULONG = 0};
    ULONG moved;

    if (!Function || location->Parameters.ReadWriteConfig.WhichSpace != PCI_WHICHSPACE_CONFIG)
        return STATUS_INVALID_DEVICE_REQUEST;
    slot.u.bits.DeviceNumber = Function->Address.Device;
    slot.u.bits.FunctionNumber = Function->Address.Function;
    moved = (location->MinorFunction == IRP_MN_READ_CONFIG ? HalGetBusDataByOffset
                                                           : HalSetBusDataByOffset)(
        PCIConfiguration, Function->Address.Bus, slot.u.AsULONG,
        location->Parameters.ReadWriteConfig.Buffer, location->Parameters.ReadWriteConfig.Offset,
        location->Parameters.ReadWriteConfig.Length);
    Irp->IoStatus.Information = moved;
    return moved == location->Parameters.ReadWriteConfig.Length ? STATUS_SUCCESS
                                                                : STATUS_INVALID_PARAMETER;
}

static DRIVER_DISPATCH DispatchPnp;
static NTSTATUS DispatchPnp(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    const PCI_FUNCTION *function = NodeOf(DeviceObject)->Function;
    NTSTATUS status = Irp->IoStatus.Status;

    switch (IoGetCurrentIrpStackLocation(Irp)->MinorFunction) {
    case IRP_MN_START_DEVICE:
        status = function ? StartFunction(function) : STATUS_SUCCESS;
        break;
    case IRP_MN_STOP_DEVICE:
    case IRP_MN_REMOVE_DEVICE:
        if (function)
            StopFunction(function);
        status = STATUS_SUCCESS;
        break;
    case IRP_MN_QUERY_STOP_DEVICE:
    case IRP_MN_CANCEL_STOP_DEVICE:
    case IRP_MN_QUERY_REMOVE_DEVICE:
    case IRP_MN_CANCEL_REMOVE_DEVICE:
    case IRP_MN_SURPRISE_REMOVAL:
        status = STATUS_SUCCESS;
        break;
    case IRP_MN_READ_CONFIG:
    case IRP_MN_WRITE_CONFIG:
        status = TransferConfig(function, Irp);
        break;
    }
    Irp->IoStatus.Status = status;
    IoCompleteRequest(Irp, IO_NO_INCREMENT);
    return status;
}

/* Devices are always in D0: whatever state is asked for or set, it is agreed to. */
static DRIVER_DISPATCH DispatchPower;
static NTSTATUS DispatchPower(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    UCHAR minor = IoGetCurrentIrpStackLocation(Irp)->MinorFunction;
    NTSTATUS status = Irp->IoStatus.Status;

    UNREFERENCED_PARAMETER(DeviceObject);
    if (minor == IRP_MN_SET_POWER || minor == IRP_MN_QUERY_POWER)
        status = STATUS_SUCCESS;
    PoStartNextPowerIrp(Irp);
    Irp->IoStatus.Status = status;
    IoCompleteRequest(Irp, IO_NO_INCREMENT);
    return status;
}

/*
 * Makes the driver object that owns the physical device objects.
 *
 * IRQL:    PASSIVE_LEVEL
 * Locks:   none
 * Context: the start of the system
 * Returns: nothing
 */
VOID IopInitializePnpDriver(VOID)
{
    KI_REQUIRE_IRQL_AT_MOST(PASSIVE_LEVEL, RULE_IRQL_IO_PASSIVE, "IrqlIoPassive1", &IopPnpDriver);

    IopPnpDriver.Type = IO_TYPE_DRIVER;
    IopPnpDriver.Size = sizeof(IopPnpDriver);
    IopPnpDriver.DriverExtension = &PnpExtension;
    PnpExtension.DriverObject = &IopPnpDriver;
    for (ULONG n = 0; n <= IRP_MJ_MAXIMUM_FUNCTION; n++)
        IopPnpDriver.MajorFunction[n] = IopInvalidDeviceRequest;
    IopPnpDriver.MajorFunction[IRP_MJ_PNP] = DispatchPnp;
    IopPnpDriver.MajorFunction[IRP_MJ_POWER] = DispatchPower;
    RtlInitUnicodeString(&IopPnpDriver.DriverName, PnpName);
}

/*
 * Gives a physical device object the line at Vector; 0: none.
 *
 * IRQL:    PASSIVE_LEVEL
 * Locks:   none; the device's creator
 * Context: any
 * Returns: nothing
 */
VOID IopSetDeviceVector(PDEVICE_OBJECT PhysicalDevice, ULONG Vector)
{
    KI_REQUIRE_IRQL_AT_MOST(PASSIVE_LEVEL, RULE_IRQL_IO_PASSIVE, "IrqlIoPassive1", PhysicalDevice);
    PhysicalDevice->DeviceObjectExtension->Vector = Vector;
}

/*
 * The vector of the line of a physical device object.
 *
 * IRQL:    PASSIVE_LEVEL
 * Locks:   none; the vector does not change while a driver has the device
 * Context: any
 * Returns: 0 if the device has no line
 */
ULONG IopGetDeviceVector(PDEVICE_OBJECT PhysicalDevice)
{
    KI_REQUIRE_IRQL_AT_MOST(PASSIVE_LEVEL, RULE_IRQL_IO_PASSIVE, "IrqlIoPassive1", PhysicalDevice);
    return PhysicalDevice->DeviceObjectExtension->Vector;
}
