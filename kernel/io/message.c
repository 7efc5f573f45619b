/*
 * Message-signaled interrupts for drivers: an interrupt object for each message, and a table that
 * says which is which.
 *
 *     device object's extension --> DEVICE_MESSAGES      the vectors, from start to removal
 *                                        | Connection    from connect to disconnect
 *                                        v
 *              MESSAGE_CONNECTION { Messages[n] --> ISR of message n; Table, the driver's view }
 *
 * Several messages with one cause that come close together may arrive as one: a vector is pending
 * or not, nobody counts. Runs at PASSIVE_LEVEL; the driver that starts and stops its device keeps
 * connecting and disconnecting apart.
 */
#include "iop.h"
#include "pcifunction.h"

#define TAG_MESSAGES 0x67734D49u /* "IMsg" */

/* What one message calls. Constant while it is connected. */
typedef struct _MESSAGE {
    PKMESSAGE_SERVICE_ROUTINE Routine;
    PVOID Context;
    ULONG MessageId;
} MESSAGE, *PMESSAGE;

typedef struct _MESSAGE_CONNECTION {
    PDEVICE_MESSAGES Owner;
    MESSAGE Messages[MAXIMUM_MESSAGES];
    IO_INTERRUPT_MESSAGE_INFO Table; /* with as many entries as there are messages */
} MESSAGE_CONNECTION, *PMESSAGE_CONNECTION;

static PMESSAGE_CONNECTION ConnectionOf(PIO_INTERRUPT_MESSAGE_INFO Table)
{
    return CONTAINING_RECORD(Table, MESSAGE_CONNECTION, Table);
}

/* The service routine of every message's interrupt object. */
static KSERVICE_ROUTINE CallMessageRoutine;
static BOOLEAN CallMessageRoutine(PKINTERRUPT Interrupt, PVOID ServiceContext)
{
    PMESSAGE message = ServiceContext;

    return message->Routine(Interrupt, message->Context, message->MessageId);
}

/*
 * Gives a device vectors for as many messages as its function can send, Limit at most: a power of
 * two for plain MSI. The device keeps them until IopReleaseMessages.
 *
 * IRQL:    PASSIVE_LEVEL
 * Locks:   takes the vectors' lock
 * Context: the device is started
 * Returns: STATUS_NOT_FOUND if the function has its line only, STATUS_INSUFFICIENT_RESOURCES
 */
NTSTATUS IopAssignMessages(PDEVICE_OBJECT PhysicalDevice, PPCI_FUNCTION Function, ULONG Limit)
{
    KI_REQUIRE_IRQL_AT_MOST(PASSIVE_LEVEL, RULE_IRQL_IO_PASSIVE, "IrqlIoPassive2", PhysicalDevice);

    PDEVICE_MESSAGES messages;
    BOOLEAN aligned = Function->MsiXOffset == 0;
    ULONG count = IopPciMessageCount(Function);

    if (Limit > MAXIMUM_MESSAGES)
        Limit = MAXIMUM_MESSAGES;
    while (count > Limit)
        count = aligned ? count / 2 : Limit;
    if (count == 0)
        return STATUS_NOT_FOUND;
    messages = ExAllocatePool2(POOL_FLAG_NON_PAGED, sizeof(DEVICE_MESSAGES), TAG_MESSAGES);
    if (!messages)
        return STATUS_INSUFFICIENT_RESOURCES;
    while (count != 0 && (messages->FirstVector = KiAllocateMessageVectors(count, aligned)) == 0)
        count /= 2;
    if (count == 0) {
        ExFreePoolWithTag(messages, TAG_MESSAGES);
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    messages->Function = Function;
    messages->Count = count;
    PhysicalDevice->DeviceObjectExtension->Messages = messages;
    return STATUS_SUCCESS;
}

/*
 * Takes the vectors of a device back. It is disconnected.
 *
 * IRQL:    PASSIVE_LEVEL
 * Locks:   takes the vectors' lock
 * Context: the device is removed
 * Returns: nothing; also if it has none
 */
VOID IopReleaseMessages(PDEVICE_OBJECT PhysicalDevice)
{
    KI_REQUIRE_IRQL_AT_MOST(PASSIVE_LEVEL, RULE_IRQL_IO_PASSIVE, "IrqlIoPassive4", PhysicalDevice);

    PDEVICE_MESSAGES messages = PhysicalDevice->DeviceObjectExtension->Messages;

    if (!messages)
        return;
    PhysicalDevice->DeviceObjectExtension->Messages = NULL;
    KiFreeMessageVectors(messages->FirstVector, messages->Count);
    ExFreePoolWithTag(messages, TAG_MESSAGES);
}

static VOID Disconnect(PMESSAGE_CONNECTION Connection)
{
    for (ULONG n = 0; n < Connection->Table.MessageCount; n++) {
        if (Connection->Table.MessageInfo[n].InterruptObject)
            IoDisconnectInterrupt(Connection->Table.MessageInfo[n].InterruptObject);
    }
    Connection->Owner->Connection = NULL;
    ExFreePoolWithTag(Connection, TAG_MESSAGES);
}

/*
 * The processor of a message: with MSI-X they are dealt out in turn; the messages of plain MSI
 * have one address between them, hence one processor.
 */
static ULONG ProcessorOf(const DEVICE_MESSAGES *Messages, ULONG MessageId)
{
    return Messages->Function->MsiXOffset ? MessageId % (ULONG)KeNumberProcessors : 0;
}

static VOID FillTable(PMESSAGE_CONNECTION Connection,
                      const IO_CONNECT_INTERRUPT_MESSAGE_BASED_PARAMETERS *Parameters)
{
    const DEVICE_MESSAGES *owner = Connection->Owner;
    KIRQL irql = VECTOR_IRQL(owner->FirstVector);

    Connection->Table.UnifiedIrql =
        Parameters->SynchronizeIrql > irql ? Parameters->SynchronizeIrql : irql;
    Connection->Table.MessageCount = owner->Count;
    for (ULONG n = 0; n < owner->Count; n++) {
        PIO_INTERRUPT_MESSAGE_INFO_ENTRY entry = &Connection->Table.MessageInfo[n];
        ULONG processor = ProcessorOf(owner, n);
        UCHAR vector = (UCHAR)(owner->FirstVector + n);
        ARCH_MESSAGE message = ArchMessage(processor, vector);

        Connection->Messages[n] =
            (MESSAGE){Parameters->MessageServiceRoutine, Parameters->ServiceContext, n};
        entry->MessageAddress.QuadPart = (LONGLONG)message.Address;
        entry->MessageData = message.Data;
        entry->TargetProcessorSet = (KAFFINITY)1 << processor;
        entry->Vector = vector;
        entry->Irql = irql;
        entry->Mode = Latched;
        entry->Polarity = InterruptRisingEdge;
    }
}

static NTSTATUS ConnectAll(PMESSAGE_CONNECTION Connection,
                           const IO_CONNECT_INTERRUPT_MESSAGE_BASED_PARAMETERS *Parameters)
{
    NTSTATUS status = STATUS_SUCCESS;

    for (ULONG n = 0; n < Connection->Table.MessageCount && NT_SUCCESS(status); n++) {
        PIO_INTERRUPT_MESSAGE_INFO_ENTRY entry = &Connection->Table.MessageInfo[n];
        IO_CONNECT_INTERRUPT_FULLY_SPECIFIED_PARAMETERS full = {
            .InterruptObject = &entry->InterruptObject,
            .ServiceRoutine = CallMessageRoutine,
            .ServiceContext = &Connection->Messages[n],
            .SpinLock = Parameters->SpinLock,
            .SynchronizeIrql = Connection->Table.UnifiedIrql,
            .Vector = entry->Vector,
            .Irql = entry->Irql,
            .InterruptMode = Latched,
            .ProcessorEnableMask = entry->TargetProcessorSet,
        };
        status = KiConnectInterrupt(&full);
    }
    return status;
}

/* The device may send from the moment on when its registers say so: everything is there then. */
static NTSTATUS EnableDevice(PMESSAGE_CONNECTION Connection)
{
    ARCH_MESSAGE messages[MAXIMUM_MESSAGES];

    for (ULONG n = 0; n < Connection->Table.MessageCount; n++)
        messages[n] = ArchMessage(ProcessorOf(Connection->Owner, n),
                                  (UCHAR)Connection->Table.MessageInfo[n].Vector);
    return IopPciEnableMessages(Connection->Owner->Function, messages,
                                Connection->Table.MessageCount);
}

/*
 * Connects MessageServiceRoutine to all messages of a device that has some; *InterruptMessageTable
 * is set before the first can come.
 *
 * IRQL:    PASSIVE_LEVEL
 * Locks:   none
 * Context: IRP_MN_START_DEVICE
 * Returns: STATUS_INVALID_PARAMETER, STATUS_INVALID_DEVICE_REQUEST if they are connected already,
 *          STATUS_INSUFFICIENT_RESOURCES; then nothing is connected
 * Source:  contract T-IoConnectInterruptEx-4
 */
NTSTATUS IopConnectMessages(PDEVICE_MESSAGES Messages,
                            const IO_CONNECT_INTERRUPT_MESSAGE_BASED_PARAMETERS *Parameters)
{
    KI_REQUIRE_IRQL_AT_MOST(PASSIVE_LEVEL, RULE_IRQL_IO_PASSIVE, "IrqlIoPassive2", Parameters);

    PMESSAGE_CONNECTION connection;
    NTSTATUS status;

    if (!Parameters->MessageServiceRoutine || !Parameters->ConnectionContext.Generic)
        return STATUS_INVALID_PARAMETER;
    if (Messages->Connection)
        return STATUS_INVALID_DEVICE_REQUEST;
    connection = ExAllocatePool2(POOL_FLAG_NON_PAGED,
                                 sizeof(MESSAGE_CONNECTION) +
                                     Messages->Count * sizeof(IO_INTERRUPT_MESSAGE_INFO_ENTRY),
                                 TAG_MESSAGES);
    if (!connection)
        return STATUS_INSUFFICIENT_RESOURCES;
    connection->Owner = Messages;
    Messages->Connection = connection;
    FillTable(connection, Parameters);
    *Parameters->ConnectionContext.InterruptMessageTable = &connection->Table;
    status = ConnectAll(connection, Parameters);
    if (NT_SUCCESS(status))
        status = EnableDevice(connection);
    if (!NT_SUCCESS(status)) {
        IopPciDisableMessages(Messages->Function);
        *Parameters->ConnectionContext.InterruptMessageTable = NULL;
        Disconnect(connection);
    }
    return status;
}

/*
 * The device's messages end, then the routine is disconnected from all of them.
 *
 * IRQL:    PASSIVE_LEVEL
 * Locks:   none
 * Context: the device is stopped
 * Returns: when the routine is neither running nor called again
 * Source:  contract T-IoDisconnectInterruptEx-1
 */
VOID IopDisconnectMessages(PIO_INTERRUPT_MESSAGE_INFO Table)
{
    KI_REQUIRE_IRQL_AT_MOST(PASSIVE_LEVEL, RULE_IRQL_IO_PASSIVE, "IrqlIoPassive4", Table);

    PMESSAGE_CONNECTION connection = ConnectionOf(Table);

    IopPciDisableMessages(connection->Owner->Function);
    Disconnect(connection);
}

/*
 * Lets the routine be called, or not, for all messages.
 *
 * IRQL:    <= DISPATCH_LEVEL
 * Locks:   none
 * Context: any
 * Returns: after FALSE: when the routine is not running
 * Source:  contract T-IoReportInterrupt-1
 */
VOID IopSetMessagesActive(PIO_INTERRUPT_MESSAGE_INFO Table, BOOLEAN Active)
{
    KI_REQUIRE_IRQL_AT_MOST(DISPATCH_LEVEL, RULE_IRQL_DISPATCH, "IrqlIoDispatch", Table);

    for (ULONG n = 0; n < Table->MessageCount; n++)
        KiSetInterruptActive(Table->MessageInfo[n].InterruptObject, Active);
}

/*
 * The driver of a device has given it up: its routine must not be connected any more. A checked
 * build stops, a free one disconnects it.
 *
 * IRQL:    PASSIVE_LEVEL
 * Locks:   none
 * Context: the device has been removed
 * Returns: nothing
 * Source:  contract T-DRIVER-4
 */
VOID IopCheckMessages(PDEVICE_OBJECT PhysicalDevice)
{
    KI_REQUIRE_IRQL_AT_MOST(PASSIVE_LEVEL, RULE_IRQL_IO_PASSIVE, "IrqlIoPassive4", PhysicalDevice);

    const DEVICE_MESSAGES *messages = PhysicalDevice->DeviceObjectExtension->Messages;
    ULONG_PTR routine;

    if (!messages || !messages->Connection)
        return;
    routine = (ULONG_PTR)messages->Connection->Messages[0].Routine;
    if (DBG)
        KeBugCheckEx(DRIVER_UNLOADED_WITHOUT_CANCELLING_PENDING_OPERATIONS, routine, 0, routine, 0);
    IopDisconnectMessages(&messages->Connection->Table);
}
