/* What machine.c, power.c and the counter devices show each other. */
#ifndef METRONOME_ARCH_PLATFORM_H
#define METRONOME_ARCH_PLATFORM_H

#include "arch.h"
#include "acpi.h"

/* What the firmware's tables say; constant after ArchInitializeMachine. */
extern ACPI_MACHINE ArchMachine;

/*
 * Is Item one of the comma-separated values of the option Name? hide=hpet,pit makes the kernel
 * act as if these devices were missing; pretend=x2apic as if the firmware had left that mode on.
 * Any IRQL.
 */
BOOLEAN MachineOptionLists(PCSTR Name, PCSTR Item);

/*
 * Waits about so long; before the counter's frequency is known, by a port that takes about a
 * microsecond to write. Any IRQL.
 */
VOID MachineStall(ULONG Microseconds);

/* Maps what ArchReboot needs, while mapping is still possible. */
VOID PowerInitialize(VOID);

#endif
