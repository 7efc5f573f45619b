/*
 * The local APIC and the processors that the firmware lists: what apic.c offers to the rest of
 * this machine's part. Processors are named by index; index 0 is the boot processor.
 */
#ifndef METRONOME_ARCH_APIC_H
#define METRONOME_ARCH_APIC_H

#include "arch.h"
#include "acpi.h"

#define MSR_APIC_BASE     0x1Bu
#define APIC_BASE_X2APIC  (1ULL << 10)
#define APIC_BASE_ENABLE  (1ULL << 11)
#define APIC_BASE_ADDRESS 0x000FFFFFFFFFF000ULL

/* Registers: byte offsets from ArchLocalApic. */
#define APIC_ID              0x020
#define APIC_VERSION         0x030
#define APIC_DFR             0x0E0
#define APIC_SVR             0x0F0
#define APIC_ISR             0x100
#define APIC_IRR             0x200
#define APIC_ESR             0x280
#define APIC_LVT_CMCI        0x2F0
#define APIC_ICR_HIGH        0x310
#define APIC_LVT_TIMER       0x320
#define APIC_LVT_THERMAL     0x330
#define APIC_LVT_PERFORMANCE 0x340
#define APIC_LVT_LINT0       0x350
#define APIC_LVT_LINT1       0x360
#define APIC_LVT_ERROR       0x370
#define APIC_TIMER_CURRENT   0x390
#define APIC_TIMER_DIVIDE    0x3E0

#define APIC_SVR_ENABLE       (1u << 8)
#define APIC_LVT_MASKED       (1u << 16)
#define APIC_TIMER_DIVIDE_BY1 0xBu

#if !defined(METRONOME_HOST)
FORCEINLINE ULONG ApicRead(ULONG Register)
{
    return ArchLocalApic[Register / 4];
}

FORCEINLINE VOID ApicWrite(ULONG Register, ULONG Value)
{
    ArchLocalApic[Register / 4] = Value;
}
#endif

/* What makes a local APIC base register unusable, as a sentence; NULL if nothing does. */
FORCEINLINE PCSTR ApicBaseDefect(ULONG64 ApicBase)
{
    if (ApicBase & APIC_BASE_X2APIC)
        return "The firmware has left the local APIC in x2APIC mode, which this kernel does not "
               "use.";
    return NULL;
}

/* The processors that can be started, at most MAXIMUM_PROCESSORS; constant after the start. */
extern ULONG ArchProcessorCount;
extern UCHAR ArchProcessorApicId[MAXIMUM_PROCESSORS];

/* Maps the local APIC, initializes this processor's, numbers the processors. Once, at the start. */
VOID ApicInitialize(const ACPI_MACHINE *Machine);

/* Initializes the local APIC of the processor that calls it, with interrupts off. */
VOID ApicInitializeLocal(VOID);

/* The two steps that start a processor; the caller waits between them (10 ms, 200 us). */
VOID ApicSendInit(ULONG Processor);
VOID ApicSendStartup(ULONG Processor, ULONG64 PhysicalPage);

/*
 * For the NMI handler: notes what it was doing, counts it as stopped and halts it for ever if
 * ArchStopOtherProcessors has been called; returns if the NMI has another cause.
 */
VOID ApicStopIfRequested(const struct _KTRAP_FRAME *TrapFrame);

#endif
