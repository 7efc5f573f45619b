/* What ioapic.c offers to the clock beside the lines of kernel/arch.h. */
#ifndef METRONOME_ARCH_IOAPIC_H
#define METRONOME_ARCH_IOAPIC_H

#include "arch.h"
#include "acpi.h"

/* Maps the I/O APICs, masks all their pins, silences the 8259 pair. Once, at the start. */
VOID IoApicInitialize(const ACPI_MACHINE *Machine);

/*
 * Takes an edge-triggered, active high line away from the devices for good and opens it at
 * Vector to one processor. STATUS_NOT_FOUND when no I/O APIC has it. <= DISPATCH_LEVEL.
 */
NTSTATUS IoApicTakeLine(ULONG Gsi, UCHAR Vector, ULONG Processor);

/* The line at which the ISA timer (interrupt 0) arrives. */
ULONG IoApicTimerGsi(VOID);

/* Moves the 8259 pair's vectors away from the exceptions' and masks all its lines (pic.c). */
VOID PicSilence(VOID);

#endif
