/* The layout of a page table: what an entry says, and the way from a table to the next one. */
#ifndef METRONOME_ARCH_PAGETABLE_H
#define METRONOME_ARCH_PAGETABLE_H

#include "arch.h"

#define ENTRIES 512 /* of a table */

#define PRESENT       (1ULL << 0)
#define WRITABLE      (1ULL << 1)
#define WRITE_THROUGH (1ULL << 3)
#define CACHE_OFF     (1ULL << 4)
#define LARGE         (1ULL << 7) /* in a table whose entries map 2 MiB or 1 GiB */
#define NO_EXECUTE    (1ULL << 63)
#define ADDRESS       0x000FFFFFFFFFF000ULL

/* An entry of the top table maps 2^39 bytes; one level down is 9 bits less; 2^12 is a page. */
#define TOP_SHIFT   39
#define LEVEL_BITS  9
#define LARGE_SHIFT 21
#define LARGE_SIZE  (1ULL << LARGE_SHIFT)

/* Tables lie in pages of the page allocator, or in the loader's; both are in the direct map. */
FORCEINLINE ULONG64 *TableAt(ULONG64 Entry)
{
    return (ULONG64 *)ArchPhysicalToVirtual(Entry & ADDRESS);
}

FORCEINLINE ULONG64 *EntryIn(ULONG64 *Table, ULONG64 Virtual, ULONG Shift)
{
    return &Table[(Virtual >> Shift) % ENTRIES];
}

#endif
