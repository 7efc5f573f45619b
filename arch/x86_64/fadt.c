/* The FADT: the ports of the power management hardware, the reset register, the DSDT. */
#include "acpi_table.h"

#define FADT_MINIMUM            116 /* ACPI 1.0 */
#define FADT_DSDT               40
#define FADT_SMI_COMMAND        48
#define FADT_ACPI_ENABLE        52
#define FADT_PM1A_CONTROL       64
#define FADT_PM1B_CONTROL       68
#define FADT_PM_TIMER           76
#define FADT_PM1_CONTROL_LENGTH 89
#define FADT_PM_TIMER_LENGTH    91
#define FADT_FLAGS              112
#define FADT_RESET_REGISTER     116
#define FADT_RESET_VALUE        128
#define FADT_X_DSDT             140
#define FADT_X_PM1A_CONTROL     172
#define FADT_X_PM1B_CONTROL     184
#define FADT_X_PM_TIMER         208

#define GENERIC_LENGTH  12
#define GENERIC_ADDRESS 4

#define FLAG_TIMER_32_BIT   (1u << 8)
#define FLAG_RESET_REGISTER (1u << 10)

static const ACPI_TABLE_KIND FadtKind = ACPI_KIND("FACP", "FADT", FADT_MINIMUM, 1u << 20);

/* A generic address, or none if the table is too old to have it. */
static ACPI_REGISTER GenericAddress(const ACPI_TABLE *Table, ULONG Offset)
{
    ACPI_REGISTER none = {0};

    if (Table->Length < Offset + GENERIC_LENGTH)
        return none;
    return (ACPI_REGISTER){
        .Space = Table->Bytes[Offset],
        .Address = AcpiField64(Table->Bytes + Offset + GENERIC_ADDRESS),
    };
}

/*
 * The port of a register that the table names twice: the newer field counts where it is filled
 * in. 0 when there is none, or when it is not a port.
 */
static USHORT PortOf(const ACPI_TABLE *Table, ULONG OldOffset, ULONG NewOffset)
{
    ACPI_REGISTER generic = GenericAddress(Table, NewOffset);
    ULONG64 port = AcpiField32(Table->Bytes + OldOffset);

    if (generic.Address != 0 && generic.Space == AcpiSpaceIo)
        port = generic.Address;
    return port <= 0xFFFF ? (USHORT)port : 0;
}

/*
 *
 * IRQL:    any
 * Locks:   none
 * Context: any
 * Returns: NULL and the DSDT's address, 0 if there is none; or a sentence
 * Source:  ACPI 6.4, 5.2.9
 */
PCSTR AcpiReadFadt(const ACPI_ROOT *Root, ACPI_MACHINE *Machine, ULONG64 *Dsdt)
{
    ACPI_TABLE table;
    ULONG index = 0;
    ULONG flags;
    PCSTR defect = AcpiNextTable(Root, &index, &FadtKind, &table);

    if (defect != NULL)
        return defect;
    flags = AcpiField32(table.Bytes + FADT_FLAGS);
    if (table.Bytes[FADT_PM_TIMER_LENGTH] == 4)
        Machine->PmTimerPort = PortOf(&table, FADT_PM_TIMER, FADT_X_PM_TIMER);
    Machine->PmTimerIs32Bit = (flags & FLAG_TIMER_32_BIT) != 0;
    if (AcpiField32(table.Bytes + FADT_SMI_COMMAND) <= 0xFFFF)
        Machine->SmiCommandPort = AcpiField16(table.Bytes + FADT_SMI_COMMAND);
    Machine->AcpiEnableValue = table.Bytes[FADT_ACPI_ENABLE];
    if (table.Bytes[FADT_PM1_CONTROL_LENGTH] >= 2) {
        Machine->Pm1aControlPort = PortOf(&table, FADT_PM1A_CONTROL, FADT_X_PM1A_CONTROL);
        Machine->Pm1bControlPort = PortOf(&table, FADT_PM1B_CONTROL, FADT_X_PM1B_CONTROL);
    }
    if ((flags & FLAG_RESET_REGISTER) && table.Length > FADT_RESET_VALUE) {
        Machine->ResetRegister = GenericAddress(&table, FADT_RESET_REGISTER);
        Machine->ResetValue = table.Bytes[FADT_RESET_VALUE];
    }
    *Dsdt = AcpiField32(table.Bytes + FADT_DSDT);
    if (table.Length >= FADT_X_DSDT + 8 && AcpiField64(table.Bytes + FADT_X_DSDT) != 0)
        *Dsdt = AcpiField64(table.Bytes + FADT_X_DSDT);
    return NULL;
}
