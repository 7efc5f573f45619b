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
 * Connects a service routine to an interrupt that Parameters describe in one of several ways. No
 * device has message-signaled interrupts yet.
 *
 * IRQL:    PASSIVE_LEVEL
 * Locks:   none
 * Context: AddDevice
 * Returns: STATUS_INVALID_PARAMETER, _1 (version), _10 (no processor), STATUS_NOT_FOUND,
 *          STATUS_INSUFFICIENT_RESOURCES; Version is then one that this kernel can do
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
        Parameters->Version = CONNECT_FULLY_SPECIFIED;
        return STATUS_NOT_FOUND;
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
 * Disconnects what IoConnectInterruptEx has connected: so far always one interrupt object.
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
    KiDisconnectInterrupt(Parameters->ConnectionContext.InterruptObject);
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
    KiSetInterruptActive(Parameters->ConnectionContext.InterruptObject, TRUE);
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
    KiSetInterruptActive(Parameters->ConnectionContext.InterruptObject, FALSE);
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
