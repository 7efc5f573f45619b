/* The command pci: what is on the PCI bus, and where. PASSIVE_LEVEL, no lock. */
#include "kd/kdp.h"
#include "pcifunction.h"

typedef struct _CLASS_NAME {
    USHORT Class; /* class and subclass */
    PCSTR Name;
} CLASS_NAME;

/* The first that fits; a subclass of FF stands for all. */
static const CLASS_NAME ClassNames[] = {
    {0x00FF, "no class"},
    {0x0101, "IDE controller"},
    {0x0106, "SATA controller"},
    {0x0108, "NVMe controller"},
    {0x01FF, "storage controller"},
    {0x02FF, "network controller"},
    {0x0300, "VGA display"},
    {0x03FF, "display"},
    {0x04FF, "multimedia device"},
    {0x05FF, "memory controller"},
    {0x0600, "host bridge"},
    {0x0601, "ISA bridge"},
    {0x0604, "PCI bridge"},
    {0x06FF, "bridge"},
    {0x07FF, "communication device"},
    {0x08FF, "system device"},
    {0x09FF, "input device"},
    {0x0C03, "USB controller"},
    {0x0C05, "SMBus controller"},
    {0x0CFF, "serial bus"},
};

static PCSTR ClassName(const PCI_FUNCTION *Function)
{
    for (ULONG i = 0; i < ARRAYSIZE(ClassNames); i++) {
        USHORT class = ClassNames[i].Class;

        if (class >> 8 == Function->Class &&
            ((class & 0xFF) == 0xFF || (class & 0xFF) == Function->SubClass))
            return ClassNames[i].Name;
    }
    return "unknown class";
}

/* How it interrupts, or could. */
static PCHAR FormatInterrupt(PCHAR Buffer, SIZE_T Size, const PCI_FUNCTION *Function)
{
    CHAR line[40] = "no line";

    if (Function->Pin && Function->Vector)
        RtlStringPrint(line, sizeof(line), "INT%c GSI %u vector %02X", 'A' + Function->Pin - 1,
                       Function->Gsi, Function->Vector);
    else if (Function->Pin)
        RtlStringPrint(line, sizeof(line), "INT%c not routed", 'A' + Function->Pin - 1);
    RtlStringPrint(Buffer, Size, "%s%s%s", line, Function->MsiOffset ? ", MSI" : "",
                   Function->MsiXOffset ? ", MSI-X" : "");
    return Buffer;
}

static VOID PrintLine(const PCI_FUNCTION *Function)
{
    CHAR interrupt[64];

    DbgPrint("  " PCI_ADDRESS_FORMAT "  %04x:%04x  %02x%02x%02x  %-20s  %s\n",
             PCI_ADDRESS_ARGUMENTS(Function->Address), Function->VendorId, Function->DeviceId,
             Function->Class, Function->SubClass, Function->ProgIf, ClassName(Function),
             FormatInterrupt(interrupt, sizeof(interrupt), Function));
}

static VOID PrintBar(ULONG Index, const PCI_BAR *Bar)
{
    static const PCSTR kinds[] = {"", "ports", "memory", "64-bit memory"};

    if (Bar->Kind == PciBarNone)
        return;
    DbgPrint("    BAR %u  %-13s  %llx to %llx%s%s\n", Index, kinds[Bar->Kind], Bar->Range.Address,
             Bar->Range.Address + Bar->Range.Length - 1, Bar->Prefetchable ? ", prefetchable" : "",
             Bar->Range.Address == 0 ? ", not assigned"
             : Bar->OutOfWindow      ? ", not passed on by a bridge"
                                     : "");
}

static VOID PrintWindow(PCSTR Name, const PCI_RANGE *Range)
{
    if (Range->Length)
        DbgPrint("    passes on %-12s  %llx to %llx\n", Name, Range->Address,
                 Range->Address + Range->Length - 1);
}

static VOID PrintAll(const PCI_FUNCTION *Function)
{
    PrintLine(Function);
    DbgPrint("    revision %02x, subsystem %04x:%04x, command %04x, firmware's line register %u\n",
             Function->Revision, Function->SubVendorId, Function->SubSystemId,
             ArchReadPciConfig(Function->Address, FIELD_OFFSET(PCI_COMMON_HEADER, Command), 2),
             Function->Line);
    for (ULONG index = 0; index < PCI_TYPE0_ADDRESSES; index++)
        PrintBar(index, &Function->Bars[index]);
    if (Function->Type != PCI_BRIDGE_TYPE)
        return;
    DbgPrint("    bridge to bus %02x\n", Function->SecondaryBus);
    PrintWindow("ports", &Function->Windows.Io);
    PrintWindow("memory", &Function->Windows.Memory);
    PrintWindow("prefetchable", &Function->Windows.Prefetchable);
}

/*
 * pci: all functions, one a line; pci BUS:DEV.FN: one of them with its resources.
 *
 * IRQL:    PASSIVE_LEVEL (not checked)
 * Locks:   none but the console's, for each line
 * Context: the monitor
 * Returns: nothing
 */
VOID KdpPci(ULONG Count, PCSTR Arguments[])
{
    BOOLEAN any = FALSE;

    for (PLIST_ENTRY link = IopPciFunctions.Flink; link != &IopPciFunctions; link = link->Flink) {
        const PCI_FUNCTION *function = CONTAINING_RECORD(link, PCI_FUNCTION, Links);
        CHAR name[16];

        RtlStringPrint(name, sizeof(name), PCI_ADDRESS_FORMAT,
                       PCI_ADDRESS_ARGUMENTS(function->Address));
        if (Count == 0)
            PrintLine(function);
        else if (strcmp(name, Arguments[0]) == 0)
            PrintAll(function);
        else
            continue;
        any = TRUE;
    }
    if (!any)
        DbgPrint("There is no PCI function%s%s; 'pci' lists those that there are.\n",
                 Count ? " " : "", Count ? Arguments[0] : "");
}
