/*
 * The way from the RSDP to the tables: root table, lengths, checksums. Runs once, on the boot
 * processor; every byte is used only after the reader has vouched for it.
 */
#include "acpi_table.h"

#define RSDP_LENGTH_1 20 /* the part that its first checksum covers */
#define RSDP_LENGTH_2 36
#define RSDP_LIMIT    4096
#define RSDP_REVISION 15
#define RSDP_RSDT     16
#define RSDP_LENGTH   20
#define RSDP_XSDT     24

#define HEADER_LENGTH 4

#define HPET_TABLE_LENGTH 56
#define HPET_SPACE        40
#define HPET_ADDRESS      44

static const ACPI_TABLE_KIND RsdtKind = ACPI_KIND("RSDT", "RSDT", ACPI_HEADER_LENGTH, 1u << 20);
static const ACPI_TABLE_KIND XsdtKind = ACPI_KIND("XSDT", "XSDT", ACPI_HEADER_LENGTH, 1u << 20);
static const ACPI_TABLE_KIND HpetKind = ACPI_KIND("HPET", "HPET", HPET_TABLE_LENGTH, 1u << 20);

static BOOLEAN SumIsZero(const UCHAR *Bytes, SIZE_T Length)
{
    UCHAR sum = 0;

    for (SIZE_T i = 0; i < Length; i++)
        sum = (UCHAR)(sum + Bytes[i]);
    return sum == 0;
}

static BOOLEAN TextMatches(const UCHAR *Bytes, PCSTR Text)
{
    for (SIZE_T i = 0; Text[i] != '\0'; i++) {
        if (Bytes[i] != (UCHAR)Text[i])
            return FALSE;
    }
    return TRUE;
}

/*
 * Reads and checks one table. No byte is used before the reader has vouched for it.
 *
 * IRQL:    any
 * Locks:   none
 * Context: any
 * Returns: NULL, or the sentence of Kind on the defect
 * Source:  ACPI 6.4, 5.2.6
 */
PCSTR AcpiReadTable(const ACPI_ROOT *Root, ULONG64 Physical, const ACPI_TABLE_KIND *Kind,
                    ACPI_TABLE *Table)
{
    const UCHAR *bytes = Root->Read(Root->Context, Physical, ACPI_HEADER_LENGTH);
    ULONG length;

    Table->Bytes = NULL;
    Table->Length = 0;
    if (bytes == NULL)
        return Kind->Unreadable;
    if (!TextMatches(bytes, Kind->Signature))
        return Kind->WrongSignature;
    length = AcpiField32(bytes + HEADER_LENGTH);
    if (length < Kind->MinimumLength || length > Kind->MaximumLength)
        return Kind->WrongLength;
    bytes = Root->Read(Root->Context, Physical, length);
    if (bytes == NULL)
        return Kind->Unreadable;
    if (!SumIsZero(bytes, length))
        return Kind->WrongChecksum;
    Table->Bytes = bytes;
    Table->Length = length;
    return NULL;
}

/*
 * A root table that points to itself, or twice to one table, is harmless: tables are taken by
 * signature, the first of a kind counts, and the entries are walked once.
 *
 * IRQL:    any
 * Locks:   none
 * Context: any
 * Returns: NULL, or a sentence; Kind->Missing at the end of the root table
 * Source:  ACPI 6.4, 5.2.7 and 5.2.8
 */
PCSTR AcpiNextTable(const ACPI_ROOT *Root, ULONG *Index, const ACPI_TABLE_KIND *Kind,
                    ACPI_TABLE *Table)
{
    ULONG count = (Root->Table.Length - ACPI_HEADER_LENGTH) / Root->EntrySize;

    Table->Bytes = NULL;
    Table->Length = 0;
    while (*Index < count) {
        const UCHAR *entry = Root->Table.Bytes + ACPI_HEADER_LENGTH + *Index * Root->EntrySize;
        ULONG64 physical = Root->EntrySize == 8 ? AcpiField64(entry) : AcpiField32(entry);
        const UCHAR *header = NULL;

        (*Index)++;
        if (physical != 0)
            header = Root->Read(Root->Context, physical, ACPI_HEADER_LENGTH);
        if (header != NULL && TextMatches(header, Kind->Signature))
            return AcpiReadTable(Root, physical, Kind, Table);
    }
    return Kind->Missing;
}

/* Revision 0 is ACPI 1.0: 20 bytes and an RSDT. From revision 2 on there is an XSDT as well. */
static PCSTR FindRoot(ACPI_ROOT *Root, ULONG64 RootPointer)
{
    const UCHAR *rsdp;
    ULONG64 xsdt = 0;
    PCSTR defect;

    if (RootPointer == 0)
        return "The firmware has no ACPI tables.";
    rsdp = Root->Read(Root->Context, RootPointer, RSDP_LENGTH_1);
    if (rsdp == NULL)
        return "The ACPI table RSDP does not lie in readable memory.";
    if (!TextMatches(rsdp, "RSD PTR "))
        return "The ACPI table RSDP has a wrong signature.";
    if (!SumIsZero(rsdp, RSDP_LENGTH_1))
        return "The ACPI table RSDP has a wrong checksum.";
    if (rsdp[RSDP_REVISION] >= 2) {
        ULONG length;

        rsdp = Root->Read(Root->Context, RootPointer, RSDP_LENGTH_2);
        if (rsdp == NULL)
            return "The ACPI table RSDP does not lie in readable memory.";
        length = AcpiField32(rsdp + RSDP_LENGTH);
        if (length < RSDP_LENGTH_2 || length > RSDP_LIMIT)
            return "The ACPI table RSDP has an impossible length.";
        rsdp = Root->Read(Root->Context, RootPointer, length);
        if (rsdp == NULL)
            return "The ACPI table RSDP does not lie in readable memory.";
        if (!SumIsZero(rsdp, length))
            return "The ACPI table RSDP has a wrong extended checksum.";
        xsdt = AcpiField64(rsdp + RSDP_XSDT);
    }
    if (xsdt != 0) {
        Root->EntrySize = 8;
        defect = AcpiReadTable(Root, xsdt, &XsdtKind, &Root->Table);
    } else {
        Root->EntrySize = 4;
        defect = AcpiReadTable(Root, AcpiField32(rsdp + RSDP_RSDT), &RsdtKind, &Root->Table);
    }
    if (defect == NULL && (Root->Table.Length - ACPI_HEADER_LENGTH) % Root->EntrySize != 0)
        defect = xsdt != 0 ? XsdtKind.WrongLength : RsdtKind.WrongLength;
    return defect;
}

static PCSTR ReadHpet(const ACPI_ROOT *Root, ACPI_MACHINE *Machine)
{
    ACPI_TABLE table;
    ULONG index = 0;
    PCSTR defect = AcpiNextTable(Root, &index, &HpetKind, &table);
    ULONG64 address;

    if (defect != NULL)
        return defect;
    address = AcpiField64(table.Bytes + HPET_ADDRESS);
    if (table.Bytes[HPET_SPACE] != AcpiSpaceMemory || address == 0 || address % 8 != 0)
        return "The ACPI table HPET has an impossible address of the registers.";
    Machine->HpetAddress = address;
    return NULL;
}

/*
 * A defect of an optional table is kept in Machine, and what the table would have told is zero.
 *
 * IRQL:    any
 * Locks:   none
 * Context: any
 * Returns: NULL, or the sentence that says why the machine is unusable
 * Source:  ACPI 6.4, 5.2
 */
PCSTR AcpiReadMachine(ACPI_READER *Read, PVOID Context, ULONG64 RootPointer, ACPI_MACHINE *Machine)
{
    ACPI_ROOT root = {.Read = Read, .Context = Context};
    ULONG64 dsdt = 0;
    PCSTR defect;

    *Machine = (ACPI_MACHINE){0};
    defect = FindRoot(&root, RootPointer);
    if (defect == NULL)
        defect = AcpiReadMadt(&root, Machine);
    if (defect != NULL)
        return defect;
    Machine->HpetDefect = ReadHpet(&root, Machine);
    Machine->PciConfigDefect = AcpiReadMcfg(&root, Machine);
    Machine->FadtDefect = AcpiReadFadt(&root, Machine, &dsdt);
    Machine->SleepDefect = Machine->FadtDefect;
    if (Machine->FadtDefect == NULL)
        Machine->SleepDefect = AcpiReadSleepType(&root, dsdt, Machine);
    return NULL;
}
