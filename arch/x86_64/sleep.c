/*
 * The object \_S5 in the firmware's byte code: Name (_S5, Package () {a, b, ...}). The kernel has
 * no interpreter; the name's definition is searched for, and its first two constants are read.
 */
#include "acpi_table.h"

#define AML_ZERO    0x00
#define AML_ONE     0x01
#define AML_NAME    0x08
#define AML_BYTE    0x0A
#define AML_WORD    0x0B
#define AML_DWORD   0x0C
#define AML_QWORD   0x0E
#define AML_PACKAGE 0x12

#define MAXIMUM_TYPE 7 /* the control register has three bits for it */

static const ACPI_TABLE_KIND DsdtKind = ACPI_KIND("DSDT", "DSDT", ACPI_HEADER_LENGTH, 16u << 20);
static const ACPI_TABLE_KIND SsdtKind = ACPI_KIND("SSDT", "SSDT", ACPI_HEADER_LENGTH, 16u << 20);

static const CHAR Missing[] = "The ACPI table DSDT does not define _S5.";
static const CHAR Truncated[] = "The ACPI table DSDT has a _S5 package that is cut short.";
static const CHAR NotConstant[] = "The ACPI table DSDT has a _S5 package without plain numbers.";
static const CHAR OutOfRange[] = "The ACPI table DSDT has a _S5 package with a sleep type above 7.";

/* What is left to read; Truncated once more has been asked for than there is. */
typedef struct _AML {
    const UCHAR *Next;
    SIZE_T Left;
    BOOLEAN Truncated;
} AML;

static UCHAR TakeByte(AML *Aml)
{
    if (Aml->Left == 0) {
        Aml->Truncated = TRUE;
        return 0;
    }
    Aml->Left--;
    return *Aml->Next++;
}

/*
 * A package length counts its own bytes. The first byte's top two bits say how many more bytes
 * there are; with none its low 6 bits are the length, else its low 4 are the lowest ones.
 */
static VOID EnterPackage(AML *Aml)
{
    AML start = *Aml;
    UCHAR first = TakeByte(Aml);
    ULONG more = first >> 6;
    SIZE_T length = more == 0 ? first & 0x3F : first & 0x0F;
    SIZE_T used;

    for (ULONG i = 0; i < more; i++)
        length |= (SIZE_T)TakeByte(Aml) << (4 + 8 * i);
    used = start.Left - Aml->Left;
    if (length < used || length > start.Left) {
        Aml->Truncated = TRUE;
        Aml->Left = 0;
        return;
    }
    Aml->Left = length - used;
}

static PCSTR TakeSleepType(AML *Aml, UCHAR *Type)
{
    UCHAR code = TakeByte(Aml);
    ULONG bytes = 0;
    ULONG64 value = 0;

    switch (code) {
    case AML_ZERO:
        break;
    case AML_ONE:
        value = 1;
        break;
    case AML_BYTE:
        bytes = 1;
        break;
    case AML_WORD:
        bytes = 2;
        break;
    case AML_DWORD:
        bytes = 4;
        break;
    case AML_QWORD:
        bytes = 8;
        break;
    default:
        return NotConstant;
    }
    for (ULONG i = 0; i < bytes; i++)
        value |= (ULONG64)TakeByte(Aml) << (8 * i);
    if (Aml->Truncated)
        return Truncated;
    if (value > MAXIMUM_TYPE)
        return OutOfRange;
    *Type = (UCHAR)value;
    return NULL;
}

/* Aml stands behind the package's opcode. */
static PCSTR ReadPackage(AML Aml, ACPI_MACHINE *Machine)
{
    UCHAR a = 0, b = 0, elements;
    PCSTR defect;

    EnterPackage(&Aml);
    elements = TakeByte(&Aml);
    if (elements < 2) /* 0 when nothing was left to read */
        return Truncated;
    defect = TakeSleepType(&Aml, &a);
    if (defect == NULL)
        defect = TakeSleepType(&Aml, &b);
    if (defect != NULL)
        return defect;
    Machine->SleepTypeA = a;
    Machine->SleepTypeB = b;
    return NULL;
}

/* "_S5_" as a defined name: behind NameOp, with or without the root's backslash. */
static BOOLEAN IsDefinition(const UCHAR *Bytes, SIZE_T At)
{
    if (Bytes[At] != '_' || Bytes[At + 1] != 'S' || Bytes[At + 2] != '5' || Bytes[At + 3] != '_')
        return FALSE;
    if (Bytes[At - 1] == '\\')
        return Bytes[At - 2] == AML_NAME;
    return Bytes[At - 1] == AML_NAME;
}

/* The header in front of the code makes it safe to look two bytes back. */
static PCSTR SearchTable(const ACPI_TABLE *Table, ACPI_MACHINE *Machine)
{
    PCSTR defect = Missing;

    for (SIZE_T at = ACPI_HEADER_LENGTH; at + 4 <= Table->Length; at++) {
        AML aml = {Table->Bytes + at + 4, Table->Length - at - 4, FALSE};

        if (!IsDefinition(Table->Bytes, at))
            continue;
        if (TakeByte(&aml) != AML_PACKAGE) {
            defect = aml.Truncated ? Truncated : NotConstant;
            continue;
        }
        defect = ReadPackage(aml, Machine);
        if (defect == NULL)
            return NULL;
    }
    return defect;
}

/*
 * Searches the DSDT, then the SSDTs.
 *
 * IRQL:    any
 * Locks:   none
 * Context: any
 * Returns: NULL, or what is wrong with the DSDT's definition
 * Source:  ACPI 6.4, 7.4.2 and 20.2
 */
PCSTR AcpiReadSleepType(const ACPI_ROOT *Root, ULONG64 Dsdt, ACPI_MACHINE *Machine)
{
    ACPI_TABLE table;
    ULONG index = 0;
    PCSTR defect = DsdtKind.Missing;
    PCSTR other;

    if (Dsdt != 0)
        defect = AcpiReadTable(Root, Dsdt, &DsdtKind, &table);
    if (defect == NULL)
        defect = SearchTable(&table, Machine);
    if (defect == NULL)
        return NULL;

    /* Some firmware defines it in one of the tables that extend the DSDT. */
    while ((other = AcpiNextTable(Root, &index, &SsdtKind, &table)) != SsdtKind.Missing) {
        if (other == NULL && SearchTable(&table, Machine) == NULL)
            return NULL;
    }
    return defect;
}
