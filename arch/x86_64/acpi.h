/*
 * What the firmware's ACPI tables say about the machine, as far as this kernel wants to know it.
 * The parser sees memory only through a reader and has no state: the host tests compile it too.
 */
#ifndef METRONOME_ARCH_ACPI_H
#define METRONOME_ARCH_ACPI_H

#include "ntdef.h"

/* Bytes bytes at a physical address, which stay readable; NULL when that is no memory. */
typedef const UCHAR *ACPI_READER(PVOID Context, ULONG64 Physical, SIZE_T Bytes);

#define ACPI_MAXIMUM_PROCESSORS 255 /* APIC identifiers 0 to 254; 255 means all of them */
#define ACPI_MAXIMUM_IO_APICS   16
#define ACPI_ISA_INTERRUPTS     16

typedef struct _ACPI_IO_APIC {
    ULONG Address; /* physical */
    ULONG GsiBase; /* the global system interrupt of its first pin */
} ACPI_IO_APIC;

/* Where an ISA interrupt arrives: as ISA has it, or as an override says. */
typedef struct _ACPI_ISA_LINE {
    ULONG Gsi;
    BOOLEAN LevelTriggered;
    BOOLEAN ActiveLow;
    BOOLEAN Overridden;
} ACPI_ISA_LINE;

enum AcpiSpace { AcpiSpaceMemory = 0, AcpiSpaceIo = 1, AcpiSpacePciConfiguration = 2 };

/* A generic address. PCI: device << 32 | function << 16 | offset, on bus 0. */
typedef struct _ACPI_REGISTER {
    UCHAR Space;     /* enum AcpiSpace */
    ULONG64 Address; /* 0: there is none */
} ACPI_REGISTER;

typedef struct _ACPI_MACHINE {
    /* MADT */
    ULONG64 LocalApicAddress;
    ULONG ProcessorCount;       /* enabled ones, in the table's order, each once */
    ULONG ProcessorsOutOfReach; /* enabled ones with an x2APIC identifier above 254 */
    UCHAR ProcessorApicId[ACPI_MAXIMUM_PROCESSORS];
    ULONG IoApicCount;
    ACPI_IO_APIC IoApics[ACPI_MAXIMUM_IO_APICS];
    ACPI_ISA_LINE Isa[ACPI_ISA_INTERRUPTS];

    /* HPET */
    ULONG64 HpetAddress; /* 0: there is none */
    PCSTR HpetDefect;    /* why there is none; NULL when there is one */

    /* MCFG */
    ULONG64 PciConfigAddress; /* of bus 0's configuration space; 0: only ports lead to it */
    UCHAR PciFirstBus, PciLastBus;
    PCSTR PciConfigDefect; /* why it is unknown; NULL when it is known */

    /* FADT; ports are 0 when there is none */
    PCSTR FadtDefect;
    USHORT PmTimerPort;
    BOOLEAN PmTimerIs32Bit; /* else 24 */
    USHORT SmiCommandPort;  /* write AcpiEnableValue to it to take the hardware from the BIOS */
    UCHAR AcpiEnableValue;
    USHORT Pm1aControlPort, Pm1bControlPort;
    ACPI_REGISTER ResetRegister;
    UCHAR ResetValue;

    /* \_S5 in the DSDT or an SSDT: the values that switch the machine off */
    PCSTR SleepDefect; /* why they are unknown; NULL when they are known */
    UCHAR SleepTypeA, SleepTypeB;
} ACPI_MACHINE;

/*
 * Reads all tables that hang on the RSDP at RootPointer. A defect of the RSDP, the root table or
 * the MADT is returned as a sentence, else NULL; defects of the others are in Machine. Any IRQL.
 */
PCSTR AcpiReadMachine(ACPI_READER *Read, PVOID Context, ULONG64 RootPointer, ACPI_MACHINE *Machine);

#endif
