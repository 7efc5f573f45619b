/*
 * The Io routines for interrupt objects: which of the documented forms was meant, and what it
 * means. The work is done in kernel/ke/connect.c. Runs at PASSIVE_LEVEL, without locks.
 */
#include "iop.h"

/*
 * Connects a service routine to a device vector.
 *
 * IRQL:    PASSIVE_LEVEL
 * Locks:   none
 * Context: AddDevice
 * Returns: STATUS_INVALID_PARAMETER, STATUS_INSUFFICIENT_RESOURCES; then nothing is connected
 * Source:  contract T-IoConnectInterrupt-1..7
 */
NTSTATUS IoConnectInterrupt(PKINTERRUPT *InterruptObject, PKSERVICE_ROUTINE ServiceRoutine,
                            PVOID ServiceContext, PKSPIN_LOCK SpinLock, ULONG Vector, KIRQL Irql,
                            KIRQL SynchronizeIrql, KINTERRUPT_MODE InterruptMode,
                            BOOLEAN ShareVector, KAFFINITY ProcessorEnableMask,
                            BOOLEAN FloatingSave)
{
    KI_REQUIRE_IRQL_AT_MOST(PASSIVE_LEVEL, RULE_IRQL_IO_PASSIVE, "IrqlIoPassive2", ServiceRoutine);

    IO_CONNECT_INTERRUPT_FULLY_SPECIFIED_PARAMETERS parameters = {
        .InterruptObject = InterruptObject,
        .ServiceRoutine = ServiceRoutine,
        .ServiceContext = ServiceContext,
        .SpinLock = SpinLock,
        .SynchronizeIrql = SynchronizeIrql,
        .FloatingSave = FloatingSave,
        .ShareVector = ShareVector,
        .Vector = Vector,
        .Irql = Irql,
        .InterruptMode = InterruptMode,
        .ProcessorEnableMask = ProcessorEnableMask,
    };
    return KiConnectInterrupt(&parameters);
}

static NTSTATUS
ConnectFullySpecified(const IO_CONNECT_INTERRUPT_FULLY_SPECIFIED_PARAMETERS *Parameters,
                      USHORT Group)
{
    if (!Parameters->PhysicalDeviceObject || Group != 0)
        return STATUS_INVALID_PARAMETER;
    if (!(Parameters->ProcessorEnableMask & KeQueryActiveProcessors()))
        return STATUS_INVALID_PARAMETER_10;
    return KiConnectInterrupt(Parameters);
}

static ULONG MessageCountOf(PDEVICE_OBJECT PhysicalDevice)
{
    const DEVICE_MESSAGES *messages = PhysicalDevice->DeviceObjectExtension->Messages;

    return messages ? messages->Count : 0;
}

/*
 * The device's line says vector, IRQL and mode; a level-triggered one can have other devices on it.
 */
static NTSTATUS ConnectLineBased(const IO_CONNECT_INTERRUPT_LINE_BASED_PARAMETERS *Parameters)
{
    ULONG vector;
    KIRQL irql;
    ARCH_LINE line;
    BOOLEAN level;

    if (!Parameters->PhysicalDeviceObject)
        return STATUS_INVALID_PARAMETER;
    if (MessageCountOf(Parameters->PhysicalDeviceObject) > 1)
        return STATUS_INVALID_DEVICE_REQUEST;
    vector = IopGetDeviceVector(Parameters->PhysicalDeviceObject);
    if (vector == 0)
        return STATUS_NOT_FOUND;
    irql = VECTOR_IRQL(vector);
    level = NT_SUCCESS(ArchLineOfVector((UCHAR)vector, &line)) && line.LevelTriggered;

    IO_CONNECT_INTERRUPT_FULLY_SPECIFIED_PARAMETERS full = {
        .InterruptObject = Parameters->InterruptObject,
        .ServiceRoutine = Parameters->ServiceRoutine,
        .ServiceContext = Parameters->ServiceContext,
        .SpinLock = Parameters->SpinLock,
        .SynchronizeIrql = Parameters->SynchronizeIrql > irql ? Parameters->SynchronizeIrql : irql,
        .ShareVector = level,
        .Vector = vector,
        .Irql = irql,
        .InterruptMode = level ? LevelSensitive : Latched,
        .ProcessorEnableMask = KeQueryActiveProcessors(),
    };
    return KiConnectInterrupt(&full);
}

/*
 * By messages if the device has been given some, else by its line, if the driver has a routine for
 * that. Version tells which.
 */
static NTSTATUS ConnectMessageBased(PIO_CONNECT_INTERRUPT_PARAMETERS Parameters)
{
    const IO_CONNECT_INTERRUPT_MESSAGE_BASED_PARAMETERS *wanted = &Parameters->MessageBased;

    if (!wanted->PhysicalDeviceObject)
        return STATUS_INVALID_PARAMETER;
    if (MessageCountOf(wanted->PhysicalDeviceObject))
        return IopConnectMessages(wanted->PhysicalDeviceObject->DeviceObjectExtension->Messages,
                                  wanted);
    if (!wanted->FallBackServiceRoutine)
        return STATUS_NOT_FOUND;

    IO_CONNECT_INTERRUPT_LINE_BASED_PARAMETERS line = {
        .PhysicalDeviceObject = wanted->PhysicalDeviceObject,
        .InterruptObject = wanted->ConnectionContext.InterruptObject,
        .ServiceRoutine = wanted->FallBackServiceRoutine,
        .ServiceContext = wanted->ServiceContext,
        .SpinLock = wanted->SpinLock,
        .SynchronizeIrql = wanted->SynchronizeIrql,
    };
    Parameters->Version = CONNECT_LINE_BASED;
    return ConnectLineBased(&line);
}

/*
 * Connects a service routine to an interrupt that Parameters describe in one of several ways.
 *
 * IRQL:    PASSIVE_LEVEL
 * Locks:   none
 * Context: AddDevice
 * Returns: STATUS_INVALID_PARAMETER, _1 (version; it is then one that this kernel can do), _10 (no
 *          processor), STATUS_NOT_FOUND, STATUS_INVALID_DEVICE_REQUEST (by line, for a device
 *          with several messages), STATUS_INSUFFICIENT_RESOURCES
 * Source:  contract T-IoConnectInterruptEx-1..5
 */
NTSTATUS IoConnectInterruptEx(PIO_CONNECT_INTERRUPT_PARAMETERS Parameters)
{
    KI_REQUIRE_IRQL_AT_MOST(PASSIVE_LEVEL, RULE_IRQL_IO_PASSIVE, "IrqlIoPassive2", Parameters);

    switch (Parameters->Version) {
    case CONNECT_FULLY_SPECIFIED:
        return ConnectFullySpecified(&Parameters->FullySpecified, 0);
    case CONNECT_FULLY_SPECIFIED_GROUP:
        return ConnectFullySpecified(&Parameters->FullySpecified, Parameters->FullySpecified.Group);
    case CONNECT_LINE_BASED:
        return ConnectLineBased(&Parameters->LineBased);
    case CONNECT_MESSAGE_BASED:
        return ConnectMessageBased(Parameters);
    default:
        Parameters->Version = CONNECT_FULLY_SPECIFIED;
        return STATUS_INVALID_PARAMETER_1;
    }
}

/*
 * Disconnects an interrupt object.
 *
 * IRQL:    PASSIVE_LEVEL
 * Locks:   none
 * Context: Unload, a failing AddDevice
 * Returns: when the service routine is neither running nor called again
 * Source:  contract T-IoDisconnectInterrupt-1..2
 */
VOID IoDisconnectInterrupt(PKINTERRUPT InterruptObject)
{
    KI_REQUIRE_IRQL_AT_MOST(PASSIVE_LEVEL, RULE_IRQL_IO_PASSIVE, "IrqlIoPassive4", InterruptObject);
    KiDisconnectInterrupt(InterruptObject);
}

/*
 * Disconnects what IoConnectInterruptEx has connected: one interrupt object, or all of a table.
 *
 * IRQL:    PASSIVE_LEVEL
 * Locks:   none
 * Context: Unload, a failing AddDevice
 * Returns: when the service routine is neither running nor called again
 * Source:  contract T-IoDisconnectInterruptEx-1
 */
VOID IoDisconnectInterruptEx(PIO_DISCONNECT_INTERRUPT_PARAMETERS Parameters)
{
    KI_REQUIRE_IRQL_AT_MOST(PASSIVE_LEVEL, RULE_IRQL_IO_PASSIVE, "IrqlIoPassive4", Parameters);
    if (Parameters->Version == CONNECT_MESSAGE_BASED)
        IopDisconnectMessages(Parameters->ConnectionContext.InterruptMessageTable);
    else
        KiDisconnectInterrupt(Parameters->ConnectionContext.InterruptObject);
}

static VOID SetActive(const IO_REPORT_INTERRUPT_ACTIVE_STATE_PARAMETERS *Parameters, BOOLEAN Active)
{
    if (Parameters->Version == CONNECT_MESSAGE_BASED)
        IopSetMessagesActive(Parameters->ConnectionContext.InterruptMessageTable, Active);
    else
        KiSetInterruptActive(Parameters->ConnectionContext.InterruptObject, Active);
}

/*
 * Lets the service routine be called again.
 *
 * IRQL:    <= DISPATCH_LEVEL
 * Locks:   none
 * Context: any
 * Returns: nothing
 * Source:  contract T-IoReportInterrupt-1
 */
VOID IoReportInterruptActive(PIO_REPORT_INTERRUPT_ACTIVE_STATE_PARAMETERS Parameters)
{
    KI_REQUIRE_IRQL_AT_MOST(DISPATCH_LEVEL, RULE_IRQL_DISPATCH, "IrqlIoDispatch", Parameters);
    SetActive(Parameters, TRUE);
}

/*
 * Keeps the service routine from being called; it stays connected.
 *
 * IRQL:    <= DISPATCH_LEVEL
 * Locks:   none
 * Context: any
 * Returns: when the service routine is not running
 * Source:  contract T-IoReportInterrupt-1
 */
VOID IoReportInterruptInactive(PIO_REPORT_INTERRUPT_ACTIVE_STATE_PARAMETERS Parameters)
{
    KI_REQUIRE_IRQL_AT_MOST(DISPATCH_LEVEL, RULE_IRQL_DISPATCH, "IrqlIoDispatch", Parameters);
    SetActive(Parameters, FALSE);
}

/*
 * Translates a line of a bus: the vector at which it arrives, that vector's IRQL, and the
 * processors that can take it. The other two parameters mean nothing for these buses.
 *
 * IRQL:    PASSIVE_LEVEL
 * Locks:   none
 * Context: AddDevice
 * Returns: 0 if there is no such line
 */
ULONG HalGetInterruptVector(INTERFACE_TYPE InterfaceType, ULONG BusNumber, ULONG BusInterruptLevel,
                            ULONG BusInterruptVector, PKIRQL Irql, PKAFFINITY Affinity)
{
    KI_REQUIRE_IRQL_AT_MOST(PASSIVE_LEVEL, RULE_IRQL_IO_PASSIVE, "IrqlIoPassive2", Irql);

    NTSTATUS status = STATUS_NOT_FOUND;
    ARCH_LINE line = {0}, open;

    UNREFERENCED_PARAMETER(BusNumber);
    UNREFERENCED_PARAMETER(BusInterruptVector);
    if (InterfaceType == Isa)
        status = ArchIsaLine(BusInterruptLevel, &line);
    else if (InterfaceType == PCIBus)
        status = ArchPciLine(BusInterruptLevel, &line);
    /* The clock may have taken the line for itself: its vector then has no line. */
    if (!NT_SUCCESS(status) || !NT_SUCCESS(ArchLineOfVector(line.Vector, &open)))
        return 0;
    *Irql = VECTOR_IRQL(line.Vector);
    *Affinity = KeQueryActiveProcessors();
    return line.Vector;
}
