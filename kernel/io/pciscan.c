/*
 * Looking for PCI functions. The list of what was found is also the list of what is to be done: a
 * bridge that the walk comes to has the functions behind it appended.
 *
 *     list   00.0   01.0   1c.0*  1f.0   1f.2 | 05:00.0
 *                          ^ bridge to bus 5: its functions go to the end
 *
 * Runs at PASSIVE_LEVEL, once, before anybody uses the bus.
 */
#include "pcifunction.h"
#include "ke.h"

#define BUSES           256
#define DEVICES_A_BUS   32
#define FUNCTIONS       8
#define HEADER_OFFSET   ((ULONG)FIELD_OFFSET(PCI_COMMON_HEADER, HeaderType))
#define OFFSET_OF(name) ((ULONG)FIELD_OFFSET(PCI_COMMON_HEADER, name))

typedef struct _PCI_SCAN {
    PLIST_ENTRY List;
    ULONG64 BusesSeen[BUSES / 64]; /* a bridge that leads back would never end */
    BOOLEAN OutOfMemory;
} PCI_SCAN, *PPCI_SCAN;

static ULONG Read(PPCI_FUNCTION Function, ULONG Offset, ULONG Bytes)
{
    return ArchReadPciConfig(Function->Address, Offset, Bytes);
}

static VOID ReadIdentity(PPCI_FUNCTION Function)
{
    Function->VendorId = (USHORT)Read(Function, OFFSET_OF(VendorID), 2);
    Function->DeviceId = (USHORT)Read(Function, OFFSET_OF(DeviceID), 2);
    Function->Revision = (UCHAR)Read(Function, OFFSET_OF(RevisionID), 1);
    Function->ProgIf = (UCHAR)Read(Function, OFFSET_OF(ProgIf), 1);
    Function->SubClass = (UCHAR)Read(Function, OFFSET_OF(SubClass), 1);
    Function->Class = (UCHAR)Read(Function, OFFSET_OF(BaseClass), 1);
    Function->Type = (UCHAR)Read(Function, HEADER_OFFSET, 1) & PCI_CONFIGURATION_TYPE;
    Function->Line = (UCHAR)Read(Function, OFFSET_OF(u.type0.InterruptLine), 1);
    Function->Pin = (UCHAR)Read(Function, OFFSET_OF(u.type0.InterruptPin), 1);
    if (Function->Pin > 4)
        Function->Pin = 0;
    Function->MsiOffset = IopPciFindCapability(Function->Address, PCI_CAPABILITY_ID_MSI);
    Function->MsiXOffset = IopPciFindCapability(Function->Address, PCI_CAPABILITY_ID_MSIX);
}

/* The two types of header that this kernel knows have their own fields; another type has none. */
static VOID ReadRest(PPCI_FUNCTION Function)
{
    if (Function->Type == PCI_BRIDGE_TYPE) {
        Function->SecondaryBus = (UCHAR)Read(Function, OFFSET_OF(u.type1.SecondaryBus), 1);
        IopPciReadWindows(Function);
        IopPciReadBars(Function);
    } else if (Function->Type == PCI_DEVICE_TYPE) {
        Function->SubVendorId = (USHORT)Read(Function, OFFSET_OF(u.type0.SubVendorID), 2);
        Function->SubSystemId = (USHORT)Read(Function, OFFSET_OF(u.type0.SubSystemID), 2);
        /* The host bridge must go on decoding: memory lies behind it. */
        if (Function->Class != PCI_CLASS_BRIDGE_DEV || Function->SubClass != PCI_SUBCLASS_BR_HOST)
            IopPciReadBars(Function);
    }
}

static VOID AddFunction(PPCI_SCAN Scan, ARCH_PCI_ADDRESS Address, PPCI_FUNCTION Bridge)
{
    PPCI_FUNCTION function = ExAllocatePool2(POOL_FLAG_NON_PAGED, sizeof(PCI_FUNCTION), TAG_PCI);

    if (!function) {
        Scan->OutOfMemory = TRUE;
        return;
    }
    function->Address = Address;
    function->Bridge = Bridge;
    ReadIdentity(function);
    ReadRest(function);
    InsertTailList(Scan->List, &function->Links);
}

/* Function 0 says whether there are others; a device without it is not there. */
static VOID ScanDevice(PPCI_SCAN Scan, ARCH_PCI_ADDRESS Address, PPCI_FUNCTION Bridge)
{
    ULONG count = 1;

    for (ULONG function = 0; function < count; function++) {
        Address.Function = (UCHAR)function;
        if (ArchReadPciConfig(Address, OFFSET_OF(VendorID), 2) == PCI_INVALID_VENDORID)
            continue;
        AddFunction(Scan, Address, Bridge);
        if (function == 0 && (ArchReadPciConfig(Address, HEADER_OFFSET, 1) & PCI_MULTIFUNCTION))
            count = FUNCTIONS;
    }
}

static VOID ScanBus(PPCI_SCAN Scan, UCHAR Bus, PPCI_FUNCTION Bridge)
{
    ULONG64 *seen = &Scan->BusesSeen[Bus / 64], bit = 1ULL << (Bus % 64);

    if (*seen & bit)
        return;
    *seen |= bit;
    for (ULONG device = 0; device < DEVICES_A_BUS; device++) {
        ARCH_PCI_ADDRESS address = {.Bus = Bus, .Device = (UCHAR)device};

        ScanDevice(Scan, address, Bridge);
    }
}

/*
 * Finds all functions that bus 0 leads to. A bridge to which the firmware has given no bus
 * leads nowhere.
 *
 * IRQL:    PASSIVE_LEVEL
 * Locks:   none
 * Context: the start
 * Returns: STATUS_INSUFFICIENT_RESOURCES if not all of them could be kept
 * Source:  PCI Local Bus 3.0, 6.1; PCI-to-PCI Bridge 1.2, 3.2
 */
NTSTATUS IopPciScan(PLIST_ENTRY List)
{
    KI_REQUIRE_IRQL_AT_MOST(PASSIVE_LEVEL, RULE_IRQL_IO_PASSIVE, "IrqlIoPassive1", List);

    PCI_SCAN scan = {.List = List};

    ScanBus(&scan, 0, NULL);
    for (PLIST_ENTRY link = List->Flink; link != List; link = link->Flink) {
        PPCI_FUNCTION function = CONTAINING_RECORD(link, PCI_FUNCTION, Links);

        if (function->Type == PCI_BRIDGE_TYPE && function->SecondaryBus != 0)
            ScanBus(&scan, function->SecondaryBus, function);
    }
    return scan.OutOfMemory ? STATUS_INSUFFICIENT_RESOURCES : STATUS_SUCCESS;
}
