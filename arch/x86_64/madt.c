/* The MADT: processors, I/O APICs, and where the ISA interrupts arrive. */
#include "acpi_table.h"

#define MADT_MINIMUM            44
#define MADT_LOCAL_APIC_ADDRESS 36

#define ENTRY_PROCESSOR           0
#define ENTRY_IO_APIC             1
#define ENTRY_OVERRIDE            2
#define ENTRY_LOCAL_APIC_OVERRIDE 5
#define ENTRY_PROCESSOR_X2APIC    9

#define PROCESSOR_ENABLED 1u

/* Flags of an override. Zero in either field means "as the bus has it"; 2 is reserved. */
#define POLARITY_MASK       0x3u
#define POLARITY_ACTIVE_LOW 0x3u
#define TRIGGER_MASK        0xCu
#define TRIGGER_LEVEL       0xCu

static const ACPI_TABLE_KIND MadtKind = ACPI_KIND("APIC", "MADT", MADT_MINIMUM, 1u << 20);

/*
 * Firmware may list a processor in both forms of entry. One that is merely "online capable" is
 * an empty socket and is left out with the disabled ones.
 */
static VOID AddProcessor(ACPI_MACHINE *Machine, ULONG ApicId, ULONG Flags)
{
    if (!(Flags & PROCESSOR_ENABLED))
        return;
    if (ApicId >= ACPI_MAXIMUM_PROCESSORS) {
        Machine->ProcessorsOutOfReach++;
        return;
    }
    for (ULONG i = 0; i < Machine->ProcessorCount; i++) {
        if (Machine->ProcessorApicId[i] == ApicId)
            return;
    }
    Machine->ProcessorApicId[Machine->ProcessorCount++] = (UCHAR)ApicId;
}

/* An entry for all bits set in an 8-bit identifier is a place holder, not a processor. */
static VOID AddOldProcessor(ACPI_MACHINE *Machine, UCHAR ApicId, ULONG Flags)
{
    if (ApicId != 0xFF)
        AddProcessor(Machine, ApicId, Flags);
}

static PCSTR AddIoApic(ACPI_MACHINE *Machine, ULONG Address, ULONG GsiBase)
{
    if (Address == 0 || Address % 16 != 0)
        return "The ACPI table MADT has an I/O APIC with an impossible address.";
    for (ULONG i = 0; i < Machine->IoApicCount; i++) {
        if (Machine->IoApics[i].Address == Address || Machine->IoApics[i].GsiBase == GsiBase)
            return NULL;
    }
    /* What does not fit has GSIs far above those that have a vector. */
    if (Machine->IoApicCount < ACPI_MAXIMUM_IO_APICS) {
        Machine->IoApics[Machine->IoApicCount].Address = Address;
        Machine->IoApics[Machine->IoApicCount].GsiBase = GsiBase;
        Machine->IoApicCount++;
    }
    return NULL;
}

static VOID AddOverride(ACPI_MACHINE *Machine, UCHAR Bus, UCHAR Isa, ULONG Gsi, USHORT Flags)
{
    ACPI_ISA_LINE *line;

    if (Bus != 0 || Isa >= ACPI_ISA_INTERRUPTS)
        return;
    line = &Machine->Isa[Isa];
    if (line->Overridden)
        return;
    line->Gsi = Gsi;
    line->ActiveLow = (Flags & POLARITY_MASK) == POLARITY_ACTIVE_LOW;
    line->LevelTriggered = (Flags & TRIGGER_MASK) == TRIGGER_LEVEL;
    line->Overridden = TRUE;
}

/* ISA lines are edge-triggered and active high, and arrive at the pin of their own number. */
static VOID SetIsaLines(ACPI_MACHINE *Machine)
{
    for (ULONG i = 0; i < ACPI_ISA_INTERRUPTS; i++)
        Machine->Isa[i] = (ACPI_ISA_LINE){.Gsi = i};
}

/* What an entry of a known type must at least have; 0 for the types that are passed over. */
static ULONG MinimumEntryLength(UCHAR Type)
{
    switch (Type) {
    case ENTRY_PROCESSOR:
        return 8;
    case ENTRY_IO_APIC:
        return 12;
    case ENTRY_OVERRIDE:
        return 10;
    case ENTRY_LOCAL_APIC_OVERRIDE:
        return 12;
    case ENTRY_PROCESSOR_X2APIC:
        return 16;
    default:
        return 0;
    }
}

static PCSTR AddEntry(ACPI_MACHINE *Machine, const UCHAR *Entry)
{
    switch (Entry[0]) {
    case ENTRY_PROCESSOR:
        AddOldProcessor(Machine, Entry[3], AcpiField32(Entry + 4));
        break;
    case ENTRY_IO_APIC:
        return AddIoApic(Machine, AcpiField32(Entry + 4), AcpiField32(Entry + 8));
    case ENTRY_OVERRIDE:
        AddOverride(Machine, Entry[2], Entry[3], AcpiField32(Entry + 4), AcpiField16(Entry + 8));
        break;
    case ENTRY_LOCAL_APIC_OVERRIDE:
        Machine->LocalApicAddress = AcpiField64(Entry + 4);
        break;
    case ENTRY_PROCESSOR_X2APIC:
        AddProcessor(Machine, AcpiField32(Entry + 4), AcpiField32(Entry + 8));
        break;
    }
    return NULL;
}

/*
 *
 * IRQL:    any
 * Locks:   none
 * Context: any
 * Returns: NULL, or the sentence that says why the machine is unusable
 * Source:  ACPI 6.4, 5.2.12
 */
PCSTR AcpiReadMadt(const ACPI_ROOT *Root, ACPI_MACHINE *Machine)
{
    ACPI_TABLE table;
    ULONG index = 0;
    ULONG offset = MADT_MINIMUM;
    PCSTR defect = AcpiNextTable(Root, &index, &MadtKind, &table);

    if (defect != NULL)
        return defect;
    SetIsaLines(Machine);
    Machine->LocalApicAddress = AcpiField32(table.Bytes + MADT_LOCAL_APIC_ADDRESS);
    while (offset < table.Length) {
        const UCHAR *entry = table.Bytes + offset;
        ULONG left = table.Length - offset;

        if (left < 2 || entry[1] > left)
            return "The ACPI table MADT has an entry that reaches beyond its end.";
        if (entry[1] < 2 || entry[1] < MinimumEntryLength(entry[0]))
            return "The ACPI table MADT has an entry that is too short.";
        defect = AddEntry(Machine, entry);
        if (defect != NULL)
            return defect;
        offset += entry[1];
    }
    if (Machine->ProcessorCount == 0)
        return "The ACPI table MADT lists no processor that this kernel can use.";
    if (Machine->LocalApicAddress == 0 || Machine->LocalApicAddress % PAGE_SIZE != 0)
        return "The ACPI table MADT has an impossible address of the local APIC.";
    return NULL;
}
