/* The MCFG: where the configuration space of PCI Express lies in memory. */
#include "acpi_table.h"

#define MCFG_MINIMUM   44 /* header and eight reserved bytes */
#define ENTRY_LENGTH   16
#define ENTRY_SEGMENT  8
#define ENTRY_FIRST    10
#define ENTRY_LAST     11
#define BUS_WINDOW     (1ull << 20)
#define WINDOW_OF(bus) ((ULONG64)(bus)*BUS_WINDOW)

static const ACPI_TABLE_KIND McfgKind = ACPI_KIND("MCFG", "MCFG", MCFG_MINIMUM, 1u << 20);

/*
 * Takes the first entry of segment 0: this kernel looks for no other. The address of an entry is
 * that of bus 0, even if the entry begins with a later bus.
 *
 * IRQL:    any
 * Locks:   none
 * Context: any
 * Returns: NULL, or a sentence; Machine has the address then only if it can be used
 * Source:  PCI Firmware Specification 3.2, 4.1.2
 */
PCSTR AcpiReadMcfg(const ACPI_ROOT *Root, ACPI_MACHINE *Machine)
{
    ACPI_TABLE table;
    ULONG index = 0;
    PCSTR defect = AcpiNextTable(Root, &index, &McfgKind, &table);

    if (defect != NULL)
        return defect;
    for (ULONG offset = MCFG_MINIMUM; table.Length - offset >= ENTRY_LENGTH;
         offset += ENTRY_LENGTH) {
        const UCHAR *entry = table.Bytes + offset;
        ULONG64 address = AcpiField64(entry);
        UCHAR first = entry[ENTRY_FIRST], last = entry[ENTRY_LAST];

        if (AcpiField16(entry + ENTRY_SEGMENT) != 0)
            continue;
        if (address == 0 || address % BUS_WINDOW != 0 || first > last ||
            address > MAXULONG64 - WINDOW_OF(256))
            return "The ACPI table MCFG has an impossible range of buses.";
        Machine->PciConfigAddress = address;
        Machine->PciFirstBus = first;
        Machine->PciLastBus = last;
        return NULL;
    }
    return "The ACPI table MCFG has nothing for segment 0.";
}
