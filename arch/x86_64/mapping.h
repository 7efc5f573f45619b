/* Page tables and stacks, as the files of arch/x86_64 show them to each other. */
#ifndef METRONOME_ARCH_MAPPING_H
#define METRONOME_ARCH_MAPPING_H

#include "ke.h"

struct _BOOT_INFO;

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

/*
 * Unmaps Bytes of pages of 4 KiB, for all processors: what of them was not mapped stays so.
 * < IPI_LEVEL, with no lock held that a processor may wait for at raised IRQL.
 */
VOID KiUnmap(ULONG64 Virtual, ULONG64 Bytes);

/* ---- stacks.c ---- */

/* The boot processor's stack (entry.asm), and the page below it that is not mapped. */
extern UCHAR KiBootStackGuard[], KiBootStack[], KiBootStackTop[];

/* The bounds of the stack that contains Address; FALSE if it lies in none. Any IRQL. */
BOOLEAN KiFindStack(ULONG_PTR Address, PULONG_PTR Low, PULONG_PTR High);

#endif
