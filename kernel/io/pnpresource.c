/*
 * The resource lists of a device: raw as its bus knows them, translated as the processor does. The
 * order is the same in both: ranges by the number of the BAR, then the interrupt. PASSIVE_LEVEL,
 * no lock: what is told is constant while the device is started.
 */
#include "iop.h"
#include "pnp.h"
#include "pcifunction.h"

#define TAG_RESOURCES 0x73655249u /* "IRes" */

#define MEMORY_LARGE_40 0x0200 /* flags: the length is in units of 256 bytes */
#define MOST_RANGES     ((ULONG)PCI_TYPE0_ADDRESSES)

static PCM_RESOURCE_LIST AllocateList(INTERFACE_TYPE Interface, ULONG Bus, ULONG Room)
{
    PCM_RESOURCE_LIST list = ExAllocatePool2(
        POOL_FLAG_NON_PAGED,
        sizeof(CM_RESOURCE_LIST) + Room * sizeof(CM_PARTIAL_RESOURCE_DESCRIPTOR), TAG_RESOURCES);

    if (!list)
        return NULL;
    list->Count = 1;
    list->List[0].InterfaceType = Interface;
    list->List[0].BusNumber = Bus;
    list->List[0].PartialResourceList.Version = 1;
    list->List[0].PartialResourceList.Revision = 1;
    return list;
}

static PCM_PARTIAL_RESOURCE_DESCRIPTOR Append(PCM_RESOURCE_LIST List, UCHAR Type, UCHAR Share,
                                              USHORT Flags)
{
    PCM_PARTIAL_RESOURCE_LIST partial = &List->List[0].PartialResourceList;
    PCM_PARTIAL_RESOURCE_DESCRIPTOR descriptor = &partial->PartialDescriptors[partial->Count++];

    descriptor->Type = Type;
    descriptor->ShareDisposition = Share;
    descriptor->Flags = Flags;
    return descriptor;
}

/* Ranges of both lists are the same: the processor sees the bus's addresses. */
static VOID AppendRange(PCM_RESOURCE_LIST List, UCHAR Type, USHORT Flags, const PCI_RANGE *Range)
{
    PCM_PARTIAL_RESOURCE_DESCRIPTOR descriptor;
    BOOLEAN large = Range->Length > MAXULONG;

    if (large)
        Flags |= MEMORY_LARGE_40;
    descriptor = Append(List, large ? CmResourceTypeMemoryLarge : Type,
                        CmResourceShareDeviceExclusive, Flags);
    descriptor->u.Generic.Start.QuadPart = (LONGLONG)Range->Address;
    descriptor->u.Generic.Length = (ULONG)(large ? Range->Length >> 8 : Range->Length);
}

static VOID AppendBar(PCM_RESOURCE_LIST List, const PCI_BAR *Bar)
{
    if (Bar->Kind == PciBarIo)
        AppendRange(List, CmResourceTypePort, CM_RESOURCE_PORT_IO, &Bar->Range);
    else if (Bar->Kind != PciBarNone)
        AppendRange(List, CmResourceTypeMemory,
                    Bar->Prefetchable ? CM_RESOURCE_MEMORY_PREFETCHABLE : 0, &Bar->Range);
}

static VOID AppendRanges(PCM_RESOURCE_LIST List, const PNP_NODE *Node)
{
    for (ULONG n = 0; Node->Function && n < PCI_TYPE0_ADDRESSES; n++)
        AppendBar(List, &Node->Function->Bars[n]);
    for (ULONG n = 0; Node->Ports && n < ARRAYSIZE(Node->Ports->First); n++) {
        PCI_RANGE range = {Node->Ports->First[n], Node->Ports->Length[n]};

        if (range.Length)
            AppendRange(List, CmResourceTypePort, CM_RESOURCE_PORT_IO, &range);
    }
}

/* One raw descriptor for all messages, one translated one for each. */
static VOID AppendMessages(PCM_RESOURCE_LIST Raw, PCM_RESOURCE_LIST Translated,
                           const DEVICE_MESSAGES *Messages)
{
    const USHORT flags = CM_RESOURCE_INTERRUPT_LATCHED | CM_RESOURCE_INTERRUPT_MESSAGE;
    PCM_PARTIAL_RESOURCE_DESCRIPTOR descriptor =
        Append(Raw, CmResourceTypeInterrupt, CmResourceShareDeviceExclusive, flags);

    descriptor->u.MessageInterrupt.Raw.MessageCount = (USHORT)Messages->Count;
    descriptor->u.MessageInterrupt.Raw.Vector = CM_RESOURCE_INTERRUPT_MESSAGE_TOKEN;
    descriptor->u.MessageInterrupt.Raw.Affinity = KeQueryActiveProcessors();
    for (ULONG n = 0; n < Messages->Count; n++) {
        descriptor =
            Append(Translated, CmResourceTypeInterrupt, CmResourceShareDeviceExclusive, flags);
        descriptor->u.MessageInterrupt.Translated.Level = VECTOR_IRQL(Messages->FirstVector);
        descriptor->u.MessageInterrupt.Translated.Vector = Messages->FirstVector + n;
        descriptor->u.MessageInterrupt.Translated.Affinity = KeQueryActiveProcessors();
    }
}

static VOID AppendLine(PCM_RESOURCE_LIST Raw, PCM_RESOURCE_LIST Translated, ULONG Number,
                       UCHAR Vector)
{
    PCM_PARTIAL_RESOURCE_DESCRIPTOR descriptor;
    ARCH_LINE line;
    BOOLEAN level = NT_SUCCESS(ArchLineOfVector(Vector, &line)) && line.LevelTriggered;
    UCHAR share = level ? CmResourceShareShared : CmResourceShareDeviceExclusive;
    USHORT flags = level ? CM_RESOURCE_INTERRUPT_LEVEL_SENSITIVE : CM_RESOURCE_INTERRUPT_LATCHED;

    descriptor = Append(Raw, CmResourceTypeInterrupt, share, flags);
    descriptor->u.Interrupt.Level = Number;
    descriptor->u.Interrupt.Vector = Number;
    descriptor->u.Interrupt.Affinity = KeQueryActiveProcessors();
    descriptor = Append(Translated, CmResourceTypeInterrupt, share, flags);
    descriptor->u.Interrupt.Level = VECTOR_IRQL(Vector);
    descriptor->u.Interrupt.Vector = Vector;
    descriptor->u.Interrupt.Affinity = KeQueryActiveProcessors();
}

/*
 * Makes both lists of a device that is going to be started. Its messages have been assigned.
 *
 * IRQL:    PASSIVE_LEVEL
 * Locks:   none
 * Context: in one's turn
 * Returns: FALSE if there is no memory
 */
BOOLEAN IopMakeResourceLists(const PNP_NODE *Node, PCM_RESOURCE_LIST *Raw,
                             PCM_RESOURCE_LIST *Translated)
{
    KI_REQUIRE_IRQL_AT_MOST(PASSIVE_LEVEL, RULE_IRQL_IO_PASSIVE, "IrqlIoPassive1", Node);

    const DEVOBJ_EXTENSION *device = Node->PhysicalDevice->DeviceObjectExtension;
    INTERFACE_TYPE interface = Node->Function ? PCIBus : Isa;
    ULONG bus = Node->Function ? Node->Function->Address.Bus : 0;
    ULONG number = Node->Function ? Node->Function->Gsi : Node->IsaInterrupt;
    ULONG interrupts = device->Messages ? device->Messages->Count : 1;

    *Raw = AllocateList(interface, bus, MOST_RANGES + 1);
    *Translated = AllocateList(interface, bus, MOST_RANGES + interrupts);
    if (!*Raw || !*Translated) {
        IopFreeResourceLists(*Raw, *Translated);
        return FALSE;
    }
    AppendRanges(*Raw, Node);
    AppendRanges(*Translated, Node);
    if (device->Messages)
        AppendMessages(*Raw, *Translated, device->Messages);
    else if (device->Vector)
        AppendLine(*Raw, *Translated, number, (UCHAR)device->Vector);
    return TRUE;
}

/*
 * IRQL:    <= DISPATCH_LEVEL (ExFreePoolWithTag)
 * Locks:   the pool's
 * Context: any
 * Returns: nothing; NULL is no list
 */
VOID IopFreeResourceLists(PCM_RESOURCE_LIST Raw, PCM_RESOURCE_LIST Translated)
{
    if (Raw)
        ExFreePoolWithTag(Raw, TAG_RESOURCES);
    if (Translated)
        ExFreePoolWithTag(Translated, TAG_RESOURCES);
}
