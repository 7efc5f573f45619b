/*
 * The tables that the processor reads when something interrupts it. Per processor: a GDT, whose
 * last entry is the TSS, and the TSS with the interrupt stacks. One IDT for all.
 */
#ifndef METRONOME_ARCH_DESCRIPTORS_H
#define METRONOME_ARCH_DESCRIPTORS_H

#include "ke.h"

#define CODE_SELECTOR 0x08
#define DATA_SELECTOR 0x10
#define TSS_SELECTOR  0x18

/* Where the processor takes its stack pointer from when a gate names an interrupt stack. */
typedef struct __attribute__((packed)) _TASK_STATE {
    ULONG Reserved0;
    ULONG64 RingStack[3]; /* for a change of ring: never */
    ULONG64 Reserved1C;
    ULONG64 InterruptStack[7]; /* upper ends; a gate's index counts from 1 */
    ULONG64 Reserved5C;
    USHORT Reserved64;
    USHORT IoMapBase; /* beyond the end: there is no map */
} TASK_STATE;
_Static_assert(sizeof(TASK_STATE) == 104, "TASK_STATE has the wrong size");

/* Two entries of the GDT belong to the TSS. */
typedef struct _PROCESSOR_TABLES {
    ULONG64 Gdt[5];
    TASK_STATE Tss;
} DECLSPEC_ALIGN(256) PROCESSOR_TABLES;

/* An entry of the IDT. */
typedef struct _GATE {
    USHORT OffsetLow;
    USHORT Selector;
    UCHAR InterruptStack; /* 0: the stack that RSP points to */
    UCHAR Type;
    USHORT OffsetMiddle;
    ULONG OffsetHigh;
    ULONG Reserved;
} GATE;
_Static_assert(sizeof(GATE) == 16, "GATE has the wrong size");

#define GATE_INTERRUPT 0x8E /* present, ring 0, turns IF off */

#define INTERRUPT_STACKS 3 /* NMI, double fault, machine check */

/* Stacks of these three for processor Number. FALSE: no memory. */
BOOLEAN KiAllocateInterruptStacks(ULONG Number);

/* The interrupt stack of Vector's gate, counted from 1; 0: none. */
UCHAR KiInterruptStackOf(ULONG Vector);

/* TRUE if the stack whose upper end is StackTop is one of processor Number's three. */
BOOLEAN KiIsInterruptStack(ULONG Number, ULONG_PTR StackTop);

/* Loads GDT, IDT and TSS of this processor, which is Number. IF off. */
VOID KiLoadDescriptors(ULONG Number);

#endif
