/*
 * What the files of arch/x86_64 show each other about a processor's state, its tables, memory
 * and traps. The interrupt controllers and the clock have headers of their own.
 */
#ifndef METRONOME_ARCH_MACHINE_H
#define METRONOME_ARCH_MACHINE_H

#include "ke.h"

struct _BOOT_INFO;

/* `int 2C`: an assertion failure in code that was built with the WDK; served like int3. */
#define ASSERT_VECTOR 0x2C

/* ---- cpu.c ---- */

/* Ends the start with a sentence if the processor lacks what the kernel needs. */
VOID KiCheckProcessor(VOID);

/* The control registers, the same on every processor. IF off, on the kernel's page tables. */
VOID KiInitializeControlRegisters(VOID);

/* ---- descriptors.c ---- */

/* Stacks for NMI, double fault and machine check on processor Number. FALSE: no memory. */
BOOLEAN KiAllocateInterruptStacks(ULONG Number);

/* Loads GDT, IDT and TSS of this processor, which is Number. IF off. */
VOID KiLoadDescriptors(ULONG Number);

/* TRUE if the stack whose upper end is StackTop is one of processor Number's three. */
BOOLEAN KiIsInterruptStack(ULONG Number, ULONG_PTR StackTop);

/* ---- paging.c ---- */

/* Makes the kernel's page tables and changes to them. Processor 0, once. */
VOID KiInitializePaging(const struct _BOOT_INFO *BootInfo);

/* The kernel's top table. */
PULONG64 KiKernelTables(VOID);

#define MAP_READ_ONLY 0u
#define MAP_WRITE     1u
#define MAP_EXECUTE   2u
#define MAP_UNCACHED  4u

/*
 * Maps Bytes, rounded up to pages, under the top table Tables. What is mapped already stays as it
 * is. FALSE: no memory for tables. MAP_WRITE and MAP_EXECUTE exclude each other.
 */
BOOLEAN KiMapInto(PULONG64 Tables, ULONG64 Virtual, ULONG64 Physical, ULONG64 Bytes, ULONG Flags);

/* ---- stacks.c ---- */

/* The boot processor's stack (entry.asm), and the page below it that is not mapped. */
extern UCHAR KiBootStackGuard[], KiBootStack[], KiBootStackTop[];

/* The bounds of the stack that contains Address; FALSE if it lies in none. Any IRQL. */
BOOLEAN KiFindStack(ULONG_PTR Address, PULONG_PTR Low, PULONG_PTR High);

/* ---- trapframe.c ---- */

/* Where the stubs of all exceptions lead: keeps a processor that is to stop, passes on the rest. */
VOID KiHandleException(ULONG Vector, PKTRAP_FRAME TrapFrame);

#endif
