/*
 * The plug and play manager: brings drivers and devices together, and apart. PASSIVE_LEVEL, in
 * one's turn (pnpnode.c); no lock.
 *
 *     a driver is loaded     AddDevice(PDO), then IRP_MN_START_DEVICE, for each device that its INF
 *                            file names; a driver without one gets a device made for it alone
 *     it is unloaded, or     IRP_MN_QUERY_REMOVE_DEVICE, which may refuse; then
 *     kd> remove             IRP_MN_REMOVE_DEVICE
 *     the device has gone    IRP_MN_SURPRISE_REMOVAL, and IRP_MN_REMOVE_DEVICE when nobody uses
 *                            the device any more
 *
 * A driver that has AddDevice and no routine for IRP_MJ_PNP is of an older kind: its AddDevice
 * starts the device and its Unload removes it; it is sent nothing.
 */
#include "iop.h"
#include "pnp.h"
#include "pcifunction.h"
#include "ke/options.h"

static BOOLEAN HandlesPnp(const LOADED_DRIVER *Driver)
{
    return Driver->Object.MajorFunction[IRP_MJ_PNP] != IopInvalidDeviceRequest;
}

/* ---- which driver is for which device ---- */

/*
 * The option device=NAME:ID stands in for the INF file of a driver that the build does not know.
 * *Index is moved on to the next one of the driver's.
 */
static PCSTR NextHardwareId(PCSTR Driver, PULONG Index, PULONG Messages)
{
    PCSTR option = KiGetOption("device");
    SIZE_T length = strlen(Driver);

    if ((*Index)++ == 0 && option && strncmp(option, Driver, length) == 0 &&
        option[length] == ':') {
        *Messages = MAXIMUM_MESSAGES;
        return option + length + 1;
    }
    for (const PNP_DRIVER_ID *id = &IopDriverIds[*Index - 1]; id->Driver; id++, (*Index)++) {
        if (strcmp(id->Driver, Driver) != 0)
            continue;
        *Messages = (ULONG)id->Messages;
        return id->HardwareId;
    }
    return NULL;
}

static BOOLEAN Matches(PCSTR Driver, PCSTR HardwareId, PULONG Messages)
{
    ULONG index = 0;
    PCSTR id;

    while ((id = NextHardwareId(Driver, &index, Messages)) != NULL) {
        if (strcmp(id, HardwareId) == 0)
            return TRUE;
    }
    return FALSE;
}

static BOOLEAN HasHardwareIds(PCSTR Driver)
{
    ULONG index = 0, messages;

    return NextHardwareId(Driver, &index, &messages) != NULL;
}

/* ---- add and start ---- */

/* Messages if the INF file asks for them and there are some; msi=off has all devices use lines. */
static VOID AssignInterrupts(PPNP_NODE Node, ULONG Messages)
{
    PCSTR option = KiGetOption("msi");

    if (Node->Function && Messages && !(option && strcmp(option, "off") == 0))
        (void)IopAssignMessages(Node->PhysicalDevice, Node->Function, Messages);
}

static NTSTATUS StartDevice(PPNP_NODE Node)
{
    PCM_RESOURCE_LIST raw, translated;
    NTSTATUS status;

    if (!IopMakeResourceLists(Node, &raw, &translated))
        return STATUS_INSUFFICIENT_RESOURCES;
    status = IopSendPnpRequest(Node->PhysicalDevice, IRP_MN_START_DEVICE, raw, translated);
    IopFreeResourceLists(raw, translated);
    return status;
}

/* The driver gives the device up for good, and nobody has it any more. */
static VOID RemoveDevice(PPNP_NODE Node)
{
    (void)IopSendPnpRequest(Node->PhysicalDevice, IRP_MN_REMOVE_DEVICE, NULL, NULL);
    IopCheckMessages(Node->PhysicalDevice);
    IopReleaseMessages(Node->PhysicalDevice);
    Node->Driver = NULL;
    Node->Gone = FALSE;
}

static NTSTATUS AddDevice(PLOADED_DRIVER Driver, PPNP_NODE Node, ULONG Messages)
{
    PDRIVER_ADD_DEVICE addDevice = Driver->Extension.AddDevice;
    NTSTATUS status;

    Node->Driver = Driver;
    status = addDevice(&Driver->Object, Node->PhysicalDevice);
    IopCheckReturn((PVOID)addDevice);
    if (NT_SUCCESS(status) && HandlesPnp(Driver)) {
        AssignInterrupts(Node, Messages);
        status = StartDevice(Node);
        if (!NT_SUCCESS(status))
            RemoveDevice(Node);
    }
    if (!NT_SUCCESS(status))
        Node->Driver = NULL;
    return status;
}

/* A device for a driver that is for none: it has no resources. */
static NTSTATUS AddMadeDevice(PLOADED_DRIVER Driver)
{
    PNP_NODE description = {.IsaInterrupt = NO_ISA_INTERRUPT, .MadeForDriver = TRUE};
    PPNP_NODE node;
    NTSTATUS status;

    RtlStringPrint(description.Name, sizeof(description.Name), "%s", Driver->Image->Name);
    RtlStringPrint(description.HardwareId, sizeof(description.HardwareId), "ROOT\\%s",
                   Driver->Image->Name);
    status = IopMakeNode(&description, &node);
    if (!NT_SUCCESS(status))
        return status;
    IopInsertNode(node);
    return AddDevice(Driver, node, 0);
}

static NTSTATUS AddMatchingDevices(PLOADED_DRIVER Driver)
{
    NTSTATUS result = STATUS_DEVICE_DOES_NOT_EXIST;
    ULONG messages, added = 0;

    for (PPNP_NODE node = IopNextNode(NULL); node; node = IopNextNode(node)) {
        if (node->Driver || !Matches(Driver->Image->Name, node->HardwareId, &messages))
            continue;
        result = AddDevice(Driver, node, messages);
        if (NT_SUCCESS(result))
            added++;
        else
            DbgPrint("pnp: driver %s does not start device %s: status 0x%08x.\n",
                     Driver->Image->Name, node->Name, result);
    }
    return added ? STATUS_SUCCESS : result;
}

/*
 * Gives a driver that has been loaded its devices.
 *
 * IRQL:    PASSIVE_LEVEL
 * Locks:   none
 * Context: loading; not in one's turn
 * Returns: success if it has got one, or wants none; STATUS_DEVICE_DOES_NOT_EXIST if there is none
 *          for it; else what it said to the last one
 * Source:  contract T-DRIVER-3
 */
NTSTATUS IopAddDevices(PLOADED_DRIVER Driver)
{
    KI_REQUIRE_IRQL_AT_MOST(PASSIVE_LEVEL, RULE_IRQL_IO_PASSIVE, "IrqlIoPassive1", Driver);

    NTSTATUS status;

    if (!Driver->Extension.AddDevice)
        return STATUS_SUCCESS;
    IopBeginPnp();
    status =
        HasHardwareIds(Driver->Image->Name) ? AddMatchingDevices(Driver) : AddMadeDevice(Driver);
    IopEndPnp();
    return status;
}

/* ---- remove ---- */

/* The name of the driver that has a node. IRQL: any; the caller has the turn. */
PCSTR IopDriverNameOfNode(const PNP_NODE *Node)
{
    return Node->Driver->Image->Name;
}

/* Does anybody have a handle to a device of the stack, or work for it? */
static BOOLEAN IsStackInUse(const PNP_NODE *Node)
{
    BOOLEAN inUse = FALSE;
    KIRQL oldIrql;

    KeAcquireSpinLock(&IopDeviceLock, &oldIrql);
    for (PDEVICE_OBJECT device = Node->PhysicalDevice; device; device = device->AttachedDevice)
        inUse |= device->ReferenceCount != 0;
    KeReleaseSpinLock(&IopDeviceLock, oldIrql);
    return inUse;
}

/* May the device be taken away? */
static NTSTATUS QueryRemove(PPNP_NODE Node)
{
    NTSTATUS status =
        IopSendPnpRequest(Node->PhysicalDevice, IRP_MN_QUERY_REMOVE_DEVICE, NULL, NULL);

    if (NT_SUCCESS(status))
        return STATUS_SUCCESS;
    (void)IopSendPnpRequest(Node->PhysicalDevice, IRP_MN_CANCEL_REMOVE_DEVICE, NULL, NULL);
    return STATUS_DEVICE_BUSY;
}

/* Puts the devices back that have been asked before Refused. */
static VOID CancelRemovals(const LOADED_DRIVER *Driver, const PNP_NODE *Refused)
{
    for (PPNP_NODE node = IopNextNode(NULL); node != Refused; node = IopNextNode(node)) {
        if (node->Driver == Driver && !node->Gone)
            (void)IopSendPnpRequest(node->PhysicalDevice, IRP_MN_CANCEL_REMOVE_DEVICE, NULL, NULL);
    }
}

static NTSTATUS QueryRemoveAll(const LOADED_DRIVER *Driver)
{
    for (PPNP_NODE node = IopNextNode(NULL); node; node = IopNextNode(node)) {
        if (node->Driver == Driver && !node->Gone && !NT_SUCCESS(QueryRemove(node))) {
            CancelRemovals(Driver, node);
            return STATUS_DEVICE_BUSY;
        }
    }
    return STATUS_SUCCESS;
}

/*
 * Takes all devices of a driver away, if it agrees.
 *
 * IRQL:    PASSIVE_LEVEL
 * Locks:   none
 * Context: unloading; nobody uses the driver's devices; not in one's turn
 * Returns: STATUS_DEVICE_BUSY if the driver refuses: all are as before then
 */
NTSTATUS IopRemoveDevices(PLOADED_DRIVER Driver)
{
    KI_REQUIRE_IRQL_AT_MOST(PASSIVE_LEVEL, RULE_IRQL_IO_PASSIVE, "IrqlIoPassive1", Driver);

    NTSTATUS status;

    if (!HandlesPnp(Driver))
        return STATUS_SUCCESS;
    IopBeginPnp();
    status = QueryRemoveAll(Driver);
    for (PPNP_NODE node = IopNextNode(NULL); node && NT_SUCCESS(status); node = IopNextNode(node)) {
        if (node->Driver == Driver)
            RemoveDevice(node);
    }
    IopEndPnp();
    return status;
}

/*
 * Forgets a driver that has ended: the devices that its Unload has removed, and the one that was
 * made for it.
 *
 * IRQL:    PASSIVE_LEVEL
 * Locks:   none
 * Context: the end of a driver; not in one's turn
 * Returns: nothing
 */
VOID IopForgetDriver(PLOADED_DRIVER Driver)
{
    KI_REQUIRE_IRQL_AT_MOST(PASSIVE_LEVEL, RULE_IRQL_IO_PASSIVE, "IrqlIoPassive1", Driver);

    PPNP_NODE next;

    IopBeginPnp();
    for (PPNP_NODE node = IopNextNode(NULL); node; node = next) {
        next = IopNextNode(node);
        if (node->Driver == Driver)
            node->Driver = NULL;
        if (node->MadeForDriver && strcmp(node->Name, Driver->Image->Name) == 0)
            IopDeleteNode(node);
    }
    IopEndPnp();
}

static PPNP_NODE FindNode(PCSTR Name)
{
    PPNP_NODE node = IopNextNode(NULL);

    while (node && strcmp(node->Name, Name) != 0)
        node = IopNextNode(node);
    return node;
}

/* The device is said to have gone; what is left of the removal waits for the last handle. */
static NTSTATUS SurpriseRemove(PPNP_NODE Node)
{
    (void)IopSendPnpRequest(Node->PhysicalDevice, IRP_MN_SURPRISE_REMOVAL, NULL, NULL);
    Node->Gone = TRUE;
    if (IsStackInUse(Node))
        return STATUS_PENDING;
    RemoveDevice(Node);
    return STATUS_SUCCESS;
}

static NTSTATUS RemoveNode(PPNP_NODE Node, BOOLEAN Surprise)
{
    NTSTATUS status = STATUS_SUCCESS;

    if (!Node)
        return STATUS_NO_SUCH_DEVICE;
    if (!Node->Driver || !HandlesPnp(Node->Driver))
        return STATUS_INVALID_DEVICE_REQUEST;
    if (Surprise && !Node->Gone)
        return SurpriseRemove(Node);
    if (IsStackInUse(Node))
        return STATUS_DEVICE_BUSY;
    if (!Node->Gone)
        status = QueryRemove(Node);
    if (NT_SUCCESS(status))
        RemoveDevice(Node);
    return status;
}

/*
 * Has the driver of a device give it up, as when somebody takes it out of the machine; Surprise:
 * without asking. After a surprise, handles that are still open keep the device until this is
 * called again without any. The driver stays loaded.
 *
 * IRQL:    PASSIVE_LEVEL
 * Locks:   takes IopDeviceLock, not around a driver's routine
 * Context: a thread that may wait; not in one's turn
 * Returns: STATUS_NO_SUCH_DEVICE; STATUS_INVALID_DEVICE_REQUEST if no driver has it that can give
 *          it up; STATUS_DEVICE_BUSY if it is in use, or if the driver refuses; STATUS_PENDING
 *          after a surprise, while handles are open
 */
NTSTATUS IopRemoveDevice(PCSTR Name, BOOLEAN Surprise)
{
    KI_REQUIRE_IRQL_AT_MOST(PASSIVE_LEVEL, RULE_IRQL_IO_PASSIVE, "IrqlIoPassive1", Name);

    NTSTATUS status;

    IopBeginPnp();
    status = RemoveNode(FindNode(Name), Surprise);
    IopEndPnp();
    return status;
}
