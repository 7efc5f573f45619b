/*
 * The kernel's page tables, made once from what the loader reports, and added to later.
 *
 *     FFFF8000 00000000   memory at its physical address, never executable (DIRECT_MAP_BASE)
 *     FFFFA000 00000000   device registers, uncached (mapping.c)
 *     FFFFB000 00000000   stacks, each over pages that are not mapped (stacks.c)
 *     FFFFC000 00000000   driver images, each between pages that are not mapped (images.c)
 *     FFFFF780 00000000   the time page, read-only
 *     FFFFFFFF 80000000   the kernel's image, each segment with its own rights
 *     FFFFFFFF FFFE0000   the local APIC's registers, uncached (apic.c)
 *
 * Nothing else is mapped: not page 0, not the lower half, not the kernel's image a second time.
 * No page is writable and executable.
 *
 * An entry only ever changes from "not present" to its final value, by compare-and-exchange.
 * That is why no lock is needed, why any processor may read the tables at any IRQL, and why no
 * other processor has to forget a translation: "not present" is never remembered.
 *
 * The exception are the pages of a driver's image that is unloaded (KiUnmap): their entries
 * become "not present" again, for good, and all processors are made to forget them. The tables
 * above stay, so reading them is safe still.
 */
#include "mapping.h"
#include "cpu.h"
#include "pagetable.h"
#include "ex.h"
#include "bootinfo.h"

/* ELF's flags of a segment. */
#define SEGMENT_EXECUTE 1u
#define SEGMENT_WRITE   2u

/* The top table; every processor that runs C has it in CR3. */
static ULONG64 *KernelTables;

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
 * IRQL:    <= DISPATCH_LEVEL, or the start (not checked)
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
 * IRQL:    HIGH_LEVEL, IF off (not checked)
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

/* The entry of the page at Virtual; NULL if there is no table for it. */
static ULONG64 *FindEntry(ULONG64 Virtual)
{
    ULONG64 *table = KernelTables;

    for (ULONG shift = TOP_SHIFT; shift > PAGE_SHIFT; shift -= LEVEL_BITS) {
        ULONG64 entry = __atomic_load_n(EntryIn(table, Virtual, shift), __ATOMIC_ACQUIRE);

        if ((entry & PRESENT) == 0)
            return NULL;
        table = TableAt(entry);
    }
    return EntryIn(table, Virtual, PAGE_SHIFT);
}

/* Loading CR3 makes a processor forget all translations: none of them is marked as global. */
static ULONG_PTR ForgetTranslations(ULONG_PTR Unused)
{
    UNREFERENCED_PARAMETER(Unused);
    KiWriteCr3(KiReadCr3());
    return 0;
}

/*
 * Takes mappings back. Between the two steps a processor may use an entry or not; behind them
 * none can, and the pages may be used for something else.
 *
 * IRQL:    < IPI_LEVEL (KeIpiGenericCall)
 * Locks:   none; the caller alone has to do with this range
 * Context: any in which KeIpiGenericCall may be called
 * Returns: when all processors have forgotten the translations
 * Source:  DESIGN.md, Driver images
 */
VOID KiUnmap(ULONG64 Virtual, ULONG64 Bytes)
{
    for (ULONG64 end = Virtual + Bytes; Virtual < end; Virtual += PAGE_SIZE) {
        ULONG64 *entry = FindEntry(Virtual);

        if (entry != NULL)
            __atomic_store_n(entry, 0, __ATOMIC_RELEASE);
    }
    KeIpiGenericCall(ForgetTranslations, 0);
}

/*
 * IRQL:    any
 * Locks:   none
 * Context: any
 * Returns: the kernel's top table
 * Source:  -
 */
PULONG64 KiKernelTables(VOID)
{
    return KernelTables;
}
