/* What the files of the ACPI parser share: tables, their checks, fields at byte offsets. */
#ifndef METRONOME_ARCH_ACPI_TABLE_H
#define METRONOME_ARCH_ACPI_TABLE_H

#include "acpi.h"

#define ACPI_HEADER_LENGTH 36

/* A table whose length and checksum are right. Bytes is NULL when there is none. */
typedef struct _ACPI_TABLE {
    const UCHAR *Bytes;
    ULONG Length;
} ACPI_TABLE;

/* The root table, and how to read what it points to. */
typedef struct _ACPI_ROOT {
    ACPI_READER *Read;
    PVOID Context;
    ACPI_TABLE Table;
    ULONG EntrySize; /* 4: RSDT, 8: XSDT */
} ACPI_ROOT;

/* What is known of a kind of table before it is read, and the sentences on its defects. */
typedef struct _ACPI_TABLE_KIND {
    CHAR Signature[5];
    ULONG MinimumLength;
    ULONG MaximumLength; /* far above what exists: it bounds the time that a checksum takes */
    PCSTR Missing, Unreadable, WrongSignature, WrongLength, WrongChecksum;
} ACPI_TABLE_KIND;

#define ACPI_KIND(signature, name, minimum, maximum)                        \
    {                                                                       \
        signature, minimum, maximum, "The ACPI table " name " is missing.", \
            "The ACPI table " name " does not lie in readable memory.",     \
            "The ACPI table " name " has a wrong signature.",               \
            "The ACPI table " name " has an impossible length.",            \
            "The ACPI table " name " has a wrong checksum."                 \
    }

/* Fields are little-endian and not aligned. */
FORCEINLINE USHORT AcpiField16(const UCHAR *Bytes)
{
    return (USHORT)(Bytes[0] | Bytes[1] << 8);
}

FORCEINLINE ULONG AcpiField32(const UCHAR *Bytes)
{
    return AcpiField16(Bytes) | (ULONG)AcpiField16(Bytes + 2) << 16;
}

FORCEINLINE ULONG64 AcpiField64(const UCHAR *Bytes)
{
    return AcpiField32(Bytes) | (ULONG64)AcpiField32(Bytes + 4) << 32;
}

/* Reads and checks the table of this Kind at a physical address. Returns NULL or a sentence. */
PCSTR AcpiReadTable(const ACPI_ROOT *Root, ULONG64 Physical, const ACPI_TABLE_KIND *Kind,
                    ACPI_TABLE *Table);

/*
 * Finds the next table of this Kind at or behind entry *Index of the root table and moves *Index
 * behind it. Returns NULL or a sentence; at the end of the root table it is Kind->Missing.
 */
PCSTR AcpiNextTable(const ACPI_ROOT *Root, ULONG *Index, const ACPI_TABLE_KIND *Kind,
                    ACPI_TABLE *Table);

PCSTR AcpiReadMadt(const ACPI_ROOT *Root, ACPI_MACHINE *Machine);
PCSTR AcpiReadMcfg(const ACPI_ROOT *Root, ACPI_MACHINE *Machine);
PCSTR AcpiReadFadt(const ACPI_ROOT *Root, ACPI_MACHINE *Machine, ULONG64 *Dsdt);
PCSTR AcpiReadSleepType(const ACPI_ROOT *Root, ULONG64 Dsdt, ACPI_MACHINE *Machine);

#endif
