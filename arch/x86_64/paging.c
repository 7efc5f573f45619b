/*
 * The kernel's page tables, made once from what the loader reports, and added to later.
 *
 *     FFFF8000 00000000   memory at its physical address, never executable (DIRECT_MAP_BASE)
 *     FFFFA000 00000000   device registers, uncached (mapping.c)
 *     FFFFB000 00000000   stacks, each over pages that are not mapped (stacks.c)
 *     FFFFF780 00000000   the time page, read-only
 *     FFFFFFFF 80000000   the kernel's image, each segment with its own rights
 *
 * Nothing else is mapped: not page 0, not the lower half, not the kernel's image a second time.
 * No page is writable and executable.
 *
 * An entry only ever changes from "not present" to its final value, by compare-and-exchange.
 * That is why no lock is needed, why any processor may read the tables at any IRQL, and why no
 * other processor has to forget a translation: "not present" is never remembered.
 */
#include "machine.h"
#include "cpu.h"
#include "ex.h"
#include "bootinfo.h"

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

/* ELF's flags of a segment. */
#define SEGMENT_EXECUTE 1u
#define SEGMENT_WRITE   2u

/* The top table; every processor that runs C has it in CR3. */
static ULONG64 *KernelTables;

/* Tables lie in pages of the page allocator, or in the loader's; both are in the direct map. */
static ULONG64 *TableAt(ULONG64 Entry)
{
    return (ULONG64 *)ArchPhysicalToVirtual(Entry & ADDRESS);
}

static ULONG64 *EntryIn(ULONG64 *Table, ULONG64 Virtual, ULONG Shift)
{
    return &Table[(Virtual >> Shift) % ENTRIES];
}

/*
 * The table that Entry leads to, made now if there is none; NULL without memory. Two processors
 * may find the entry empty: one exchange wins, the loser gives its page back.
 */
static ULONG64 *Descend(ULONG64 *Entry)
{
    ULONG64 found = __atomic_load_n(Entry, __ATOMIC_ACQUIRE);

    if ((found & PRESENT) == 0) {
        PVOID page = MmAllocatePages(1);
        ULONG64 made = (ULONG64)page - DIRECT_MAP_BASE + (PRESENT | WRITABLE);

        if (page == NULL)
            return NULL;
        if (__atomic_compare_exchange_n(Entry, &found, made, FALSE, __ATOMIC_ACQ_REL,
                                        __ATOMIC_ACQUIRE))
            found = made;
        else
            MmFreePages(page, 1);
    }
    return TableAt(found);
}

/* Maps the page of 2^Shift bytes at Virtual, unless something is mapped there. */
static BOOLEAN MapOne(PULONG64 Tables, ULONG64 Virtual, ULONG64 Value, ULONG Shift)
{
    ULONG64 *entry = EntryIn(Tables, Virtual, TOP_SHIFT);
    ULONG64 empty = 0;

    for (ULONG shift = TOP_SHIFT - LEVEL_BITS; shift >= Shift; shift -= LEVEL_BITS) {
        ULONG64 *table = Descend(entry);

        if (table == NULL)
            return FALSE;
        entry = EntryIn(table, Virtual, shift);
    }
    __atomic_compare_exchange_n(entry, &empty, Value, FALSE, __ATOMIC_RELEASE, __ATOMIC_RELAXED);
    return TRUE;
}

static ULONG64 EntryBits(ULONG Flags)
{
    ULONG64 bits = PRESENT;

    if (Flags & MAP_WRITE)
        bits |= WRITABLE;
    if ((Flags & MAP_EXECUTE) == 0)
        bits |= NO_EXECUTE;
    if (Flags & MAP_UNCACHED)
        bits |= CACHE_OFF | WRITE_THROUGH;
    return bits;
}

/*
 * Pages of 2 MiB where both addresses and the length allow it, of 4 KiB elsewhere.
 *
 * IRQL:    <= DISPATCH_LEVEL, or the start
 * Locks:   none
 * Context: any; a range is mapped by one caller
 * Returns: FALSE if there is no memory for a table; a part may be mapped then
 * Source:  DESIGN.md, Memory
 */
BOOLEAN KiMapInto(PULONG64 Tables, ULONG64 Virtual, ULONG64 Physical, ULONG64 Bytes, ULONG Flags)
{
    ULONG64 bits = EntryBits(Flags);
    ULONG64 end = Virtual + ALIGN_UP_BY(Bytes, PAGE_SIZE);

    while (Virtual != end) {
        BOOLEAN large = (Virtual | Physical) % LARGE_SIZE == 0 && end - Virtual >= LARGE_SIZE;
        ULONG shift = large ? LARGE_SHIFT : PAGE_SHIFT;

        if (!MapOne(Tables, Virtual, Physical | bits | (large ? LARGE : 0), shift))
            return FALSE;
        Virtual += 1ULL << shift;
        Physical += 1ULL << shift;
    }
    return TRUE;
}

static VOID MapAtStart(ULONG64 Virtual, ULONG64 Physical, ULONG64 Bytes, ULONG Flags)
{
    if (!KiMapInto(KernelTables, Virtual, Physical, Bytes, Flags))
        ArchCannotStart("There is not enough memory for the kernel's page tables.");
}

/* A segment of the image, without the guard page below the boot processor's stack. */
static VOID MapSegment(const BOOT_SEGMENT *Segment)
{
    ULONG64 guard = (ULONG64)KiBootStackGuard;
    ULONG flags = MAP_READ_ONLY;

    if (Segment->Flags & SEGMENT_WRITE)
        flags |= MAP_WRITE;
    if (Segment->Flags & SEGMENT_EXECUTE)
        flags |= MAP_EXECUTE;
    if ((flags & MAP_WRITE) && (flags & MAP_EXECUTE))
        ArchCannotStart("A segment of the kernel is both writable and executable.");
    for (ULONG64 i = 0; i < Segment->Pages; i++) {
        ULONG64 address = Segment->VirtualBase + i * PAGE_SIZE;

        if (address != guard)
            MapAtStart(address, Segment->PhysicalBase + i * PAGE_SIZE, PAGE_SIZE, flags);
    }
}

/*
 * Reserved ranges are either the firmware's own memory, where some firmware keeps ACPI tables,
 * or places of devices. The first kind lies in the middle of memory.
 */
static BOOLEAN TouchesMemory(const BOOT_INFO *BootInfo, ULONG Index)
{
    const BOOT_MEMORY_RANGE *range = &BootInfo->Ranges[Index], *next = range + 1;

    if (Index > 0 && range[-1].Base + range[-1].Pages * PAGE_SIZE == range->Base &&
        range[-1].Type != BootMemoryDevice)
        return TRUE;
    return Index + 1 < BootInfo->RangeCount && next->Type != BootMemoryDevice &&
           range->Base + range->Pages * PAGE_SIZE == next->Base;
}

/* How a range appears in the direct map; FALSE: not at all. */
static BOOLEAN DirectMapFlags(const BOOT_INFO *BootInfo, ULONG Index, PULONG Flags)
{
    ULONG type = BootInfo->Ranges[Index].Type;

    *Flags = type == BootMemoryFree || type == BootMemoryLoader ? MAP_WRITE : MAP_READ_ONLY;
    return *Flags == MAP_WRITE || type == BootMemoryAcpi ||
           (type == BootMemoryReserved && TouchesMemory(BootInfo, Index));
}

/* Neighbours with the same rights become one range, so that more of it fits large pages. */
static VOID MapMemory(const BOOT_INFO *BootInfo)
{
    ULONG64 base = 0, end = 0;
    ULONG flags = 0;

    for (ULONG i = 0; i < BootInfo->RangeCount; i++) {
        const BOOT_MEMORY_RANGE *range = &BootInfo->Ranges[i];
        ULONG own;

        if (range->Base >= BootInfo->PhysicalLimit || !DirectMapFlags(BootInfo, i, &own))
            continue;
        if (range->Base != end || own != flags) {
            MapAtStart(DIRECT_MAP_BASE + base, base, end - base, flags);
            base = range->Base;
            flags = own;
        }
        end = range->Base + range->Pages * PAGE_SIZE;
        if (end > BootInfo->PhysicalLimit)
            end = BootInfo->PhysicalLimit;
    }
    MapAtStart(DIRECT_MAP_BASE + base, base, end - base, flags);
}

/*
 * IRQL:    HIGH_LEVEL, IF off
 * Locks:   none
 * Context: the start, on the loader's page tables; the page allocator works
 * Returns: on the kernel's page tables, or ends the start
 * Source:  DESIGN.md, Memory
 */
VOID KiInitializePaging(const struct _BOOT_INFO *BootInfo)
{
    KernelTables = MmAllocatePages(1);
    if (KernelTables == NULL)
        ArchCannotStart("There is not enough memory for the kernel's page tables.");
    for (ULONG i = 0; i < BootInfo->SegmentCount; i++)
        MapSegment(&BootInfo->Segments[i]);
    MapMemory(BootInfo);
    KiWriteMsr(MSR_EFER, KiReadMsr(MSR_EFER) | EFER_NO_EXECUTE);
    KiWriteCr3(ArchVirtualToPhysical(KernelTables));
}

/* The kernel's top table. IRQL: any. */
PULONG64 KiKernelTables(VOID)
{
    return KernelTables;
}

/* The entry that maps Virtual in this processor's tables, and 2^Shift bytes; 0 if none does. */
static ULONG64 FindTranslation(ULONG64 Virtual, PULONG Shift)
{
    ULONG64 entry = KiReadCr3();

    if ((ULONG64)((LONG64)(Virtual << 16) >> 16) != Virtual)
        return 0; /* not canonical */
    for (ULONG shift = TOP_SHIFT;; shift -= LEVEL_BITS) {
        entry = __atomic_load_n(EntryIn(TableAt(entry), Virtual, shift), __ATOMIC_ACQUIRE);
        if ((entry & PRESENT) == 0)
            return 0;
        if (shift == PAGE_SHIFT || (entry & LARGE)) {
            *Shift = shift;
            return entry;
        }
    }
}

/*
 * IRQL:    any
 * Locks:   none
 * Context: any
 * Returns: Virtual's physical address; 0 if it is not mapped
 * Source:  arch.h
 */
ULONG64 ArchVirtualToPhysical(const VOID *Virtual)
{
    ULONG64 address = (ULONG64)Virtual, offset;
    ULONG shift;
    ULONG64 entry = FindTranslation(address, &shift);

    if (entry == 0)
        return 0;
    offset = (1ULL << shift) - 1;
    return (entry & ADDRESS & ~offset) | (address & offset);
}

/*
 * IRQL:    any
 * Locks:   none
 * Context: any
 * Returns: the direct map's address of Physical, which has to be memory
 * Source:  arch.h
 */
PVOID ArchPhysicalToVirtual(ULONG64 Physical)
{
    return (PVOID)(DIRECT_MAP_BASE + Physical);
}

/*
 * IRQL:    any
 * Locks:   none
 * Context: any
 * Returns: TRUE if a read at Address cannot fault
 * Source:  arch.h
 */
BOOLEAN ArchIsAddressMapped(const VOID *Address)
{
    ULONG shift;

    return FindTranslation((ULONG64)Address, &shift) != 0;
}
