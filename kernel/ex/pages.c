/*
 * The page allocator: a binary buddy system over all memory that the loader left free. Any IRQL;
 * all lists under MiLock, which is taken at HIGH_LEVEL because pages are needed before the IRQL
 * has fallen for the first time.
 *
 * A free block has 2^k pages and lies at a multiple of 2^k. Its buddy is the block of the same
 * size with which it forms one of 2^(k+1): their page numbers differ in bit k alone.
 *
 *     page   8   9  10  11  12  13  14  15
 *          |   free (2^2)  |used| f | free 2^1 |      12 is freed: joins 13, then 14-15,
 *                                                     then 8-11: one block of 2^3
 *
 * A request for n pages takes the first n of a block that is large enough; the rest goes back. So
 * requests need not be powers of two, and both directions are O(log n).
 *
 * Most requests are for one page. A few single pages that were freed wait for them in a list,
 * neither joined with their buddies nor cut off again each time; when a request finds no block,
 * they join.
 */
#include "ke.h"
#include "ex.h"
#include "ex/pages.h"
#include "bootinfo.h"

#define MAXIMUM_ORDER 20 /* 4 GiB */
#define MAXIMUM_CACHE 32 /* pages */

PMM_PAGE MiPages;
SIZE_T MiPageCount;
ULONG_PTR MiFirstPage;

static ULONG64 MiFirstNumber; /* physical page number of MiPages[0] */
static KSPIN_LOCK MiLock;
static LIST_ENTRY MiFree[MAXIMUM_ORDER + 1];
static ULONG64 MiOrders; /* bit k: MiFree[k] is not empty */
static LIST_ENTRY MiCache;
static SIZE_T MiCacheCount;
static SIZE_T MiTotalPages, MiFreePageCount; /* with the cached ones */

static ULONG64 NumberOf(const MM_PAGE *Page)
{
    return MiFirstNumber + (ULONG64)(Page - MiPages);
}

/* ---- blocks; the caller holds MiLock ---- */

static VOID LinkBlock(PMM_PAGE Page, ULONG Order)
{
    Page->State = MmPageFree;
    Page->Order = (UCHAR)Order;
    InsertHeadList(&MiFree[Order], &Page->Link);
    MiOrders |= 1ULL << Order;
}

static VOID UnlinkBlock(PMM_PAGE Page)
{
    ULONG order = Page->Order;

    Page->State = MmPageOther;
    RemoveEntryList(&Page->Link);
    if (IsListEmpty(&MiFree[order]))
        MiOrders &= ~(1ULL << order);
}

/* The other half of the block of 2^(Order + 1), if it is free as a whole; else NULL. */
static PMM_PAGE FreeBuddy(const MM_PAGE *Page, ULONG Order)
{
    SIZE_T index = (NumberOf(Page) ^ (1ULL << Order)) - MiFirstNumber;

    if (index >= MiPageCount || MiPages[index].State != MmPageFree || MiPages[index].Order != Order)
        return NULL;
    return &MiPages[index];
}

static VOID FreeBlock(PMM_PAGE Page, ULONG Order)
{
    PMM_PAGE buddy;

    Page->State = MmPageOther;
    while (Order < MAXIMUM_ORDER && (buddy = FreeBuddy(Page, Order)) != NULL) {
        UnlinkBlock(buddy);
        if (buddy < Page)
            Page = buddy;
        Order++;
    }
    LinkBlock(Page, Order);
}

/* Frees Count pages as the largest blocks that their numbers allow. */
static VOID FreeRange(PMM_PAGE Page, SIZE_T Count)
{
    while (Count != 0) {
        ULONG order = 63 - (ULONG)__builtin_clzll(Count);
        ULONG alignment = (ULONG)__builtin_ctzll(NumberOf(Page) | 1ULL << MAXIMUM_ORDER);

        if (order > alignment)
            order = alignment;
        FreeBlock(Page, order);
        Page += 1ULL << order;
        Count -= 1ULL << order;
    }
}

/* The first page of a block of at least Count pages that is now nobody's; NULL if there is none. */
static PMM_PAGE TakeBlock(SIZE_T Count)
{
    ULONG order = Count > 1 ? 64 - (ULONG)__builtin_clzll(Count - 1) : 0;
    ULONG64 orders = order > MAXIMUM_ORDER ? 0 : MiOrders >> order << order;
    PMM_PAGE page;

    if (orders == 0)
        return NULL;
    order = (ULONG)__builtin_ctzll(orders);
    page = CONTAINING_RECORD(MiFree[order].Flink, MM_PAGE, Link);
    UnlinkBlock(page);
    FreeRange(page + Count, (1ULL << order) - Count);
    return page;
}

/*
 * The number of the first page of Count ones inside a free block, within the bounds; 0: there is
 * none. (Page 0 is never the allocator's.) Where the lowest place crosses a boundary, the next one
 * begins at it, since Count is no more than from one boundary to the next.
 */
static ULONG64 PlaceInBlock(const MM_PAGE *Block, SIZE_T Count, ULONG64 Lowest, ULONG64 Highest,
                            ULONG64 Boundary)
{
    ULONG64 first = NumberOf(Block), end = first + (1ULL << Block->Order);

    if (first < Lowest)
        first = Lowest;
    if (end > Highest)
        end = Highest + 1;
    if (Boundary && (first ^ (first + Count - 1)) >= Boundary)
        first = ALIGN_UP_BY(first, Boundary);
    return first < end && Count <= end - first ? first : 0;
}

/* As TakeBlock, within bounds: the blocks are looked at one by one, small ones first. */
static PMM_PAGE TakeWithin(SIZE_T Count, ULONG64 Lowest, ULONG64 Highest, ULONG64 Boundary)
{
    ULONG order = Count > 1 ? 64 - (ULONG)__builtin_clzll(Count - 1) : 0;

    for (; order <= MAXIMUM_ORDER; order++) {
        for (PLIST_ENTRY link = MiFree[order].Flink; link != &MiFree[order]; link = link->Flink) {
            PMM_PAGE block = CONTAINING_RECORD(link, MM_PAGE, Link);
            ULONG64 number = PlaceInBlock(block, Count, Lowest, Highest, Boundary);
            PMM_PAGE page;

            if (number == 0)
                continue;
            page = &MiPages[number - MiFirstNumber];
            UnlinkBlock(block);
            FreeRange(block, (SIZE_T)(page - block));
            FreeRange(page + Count, (SIZE_T)(block + (1ULL << order) - page) - Count);
            return page;
        }
    }
    return NULL;
}

static PMM_PAGE TakeCached(VOID)
{
    MiCacheCount--;
    return CONTAINING_RECORD(RemoveHeadList(&MiCache), MM_PAGE, Link);
}

static PMM_PAGE TakePages(SIZE_T Count)
{
    PMM_PAGE page;

    if (Count == 1 && MiCacheCount != 0)
        return TakeCached();
    page = TakeBlock(Count);
    if (page || MiCacheCount == 0)
        return page;
    while (MiCacheCount != 0)
        FreeBlock(TakeCached(), 0);
    return TakeBlock(Count);
}

/* ---- for the pool ---- */

/* Under MiLock. */
static PMM_PAGE GiveOut(PMM_PAGE Page, SIZE_T Count)
{
    if (Page) {
        MiFreePageCount -= Count;
        Page->State = MmPageAllocated;
        Page->Count = Count;
        Page->WasPool = FALSE;
    }
    return Page;
}

PMM_PAGE MiAllocatePages(SIZE_T Count)
{
    KIRQL oldIrql;
    PMM_PAGE page;

    if (Count == 0 || Count > MiPageCount)
        return NULL;
    oldIrql = KiAcquireHighLock(&MiLock);
    page = GiveOut(TakePages(Count), Count);
    KiReleaseHighLock(&MiLock, oldIrql);
    return page;
}

PMM_PAGE MiAllocatePagesWithin(SIZE_T Count, ULONG64 Lowest, ULONG64 Highest, ULONG64 Boundary)
{
    KIRQL oldIrql;
    PMM_PAGE page;

    if (Count == 0 || Count > MiPageCount || (Boundary && Count > Boundary))
        return NULL;
    oldIrql = KiAcquireHighLock(&MiLock);
    while (MiCacheCount != 0)
        FreeBlock(TakeCached(), 0);
    page = GiveOut(TakeWithin(Count, Lowest, Highest, Boundary), Count);
    KiReleaseHighLock(&MiLock, oldIrql);
    return page;
}

VOID MiFreePages(PMM_PAGE Page, SIZE_T Count)
{
    KIRQL oldIrql = KiAcquireHighLock(&MiLock);

    MiFreePageCount += Count;
    if (Count == 1 && MiCacheCount < MAXIMUM_CACHE) {
        Page->State = MmPageCached;
        InsertHeadList(&MiCache, &Page->Link);
        MiCacheCount++;
    } else {
        FreeRange(Page, Count);
    }
    KiReleaseHighLock(&MiLock, oldIrql);
}

/* ---- for everybody ---- */

/*
 * Allocates Count physically consecutive pages and fills them with zeros.
 *
 * IRQL:    any
 * Locks:   takes MiLock
 * Context: any; above DISPATCH_LEVEL only during the start
 * Returns: their address in the direct map, or NULL
 */
PVOID MmAllocatePages(SIZE_T Count)
{
    PMM_PAGE page = MiAllocatePages(Count);

    if (!page)
        return NULL;
    return memset(MiAddressOf(page), 0, Count << PAGE_SHIFT);
}

/*
 * Frees what one call of MmAllocatePages has allocated.
 *
 * IRQL:    any
 * Locks:   takes MiLock
 * Context: any; above DISPATCH_LEVEL only during the start
 * Returns: nothing
 */
VOID MmFreePages(PVOID Address, SIZE_T Count)
{
    PMM_PAGE page = MiPageOf(Address);

    KI_REQUIRE(page && page->State == MmPageAllocated && page->Count == Count &&
                   MiAddressOf(page) == Address,
               BAD_POOL_CALLER, 0x46, Address, Count, 0);
    MiFreePages(page, Count);
}

/* No lock: each number is that of one moment. */
VOID MiQueryPages(PMM_INFORMATION Information)
{
    Information->TotalPages = MiTotalPages;
    Information->FreePages = *(volatile SIZE_T *)&MiFreePageCount;
}

/* ---- start ---- */

static BOOLEAN IsUsable(const BOOT_INFO *BootInfo, const BOOT_MEMORY_RANGE *Range)
{
    return Range->Type == BootMemoryFree && Range->Pages != 0 &&
           Range->Base + (Range->Pages << PAGE_SHIFT) <= BootInfo->PhysicalLimit;
}

/* From the first to the last free page: these get descriptors. */
static VOID FindExtent(const BOOT_INFO *BootInfo)
{
    ULONG64 first = MAXULONG64, end = 0;

    for (ULONG i = 0; i < BootInfo->RangeCount; i++) {
        const BOOT_MEMORY_RANGE *range = &BootInfo->Ranges[i];

        if (!IsUsable(BootInfo, range))
            continue;
        if (range->Base < first)
            first = range->Base;
        if (range->Base + (range->Pages << PAGE_SHIFT) > end)
            end = range->Base + (range->Pages << PAGE_SHIFT);
    }
    if (end == 0)
        ArchCannotStart("The loader has found no free memory.");
    MiFirstNumber = first >> PAGE_SHIFT;
    MiFirstPage = (ULONG_PTR)ArchPhysicalToVirtual(first);
    MiPageCount = (end - first) >> PAGE_SHIFT;
}

/*
 * Takes the room for the descriptors from the end of the highest range that has it. Returns that
 * range.
 */
static const BOOT_MEMORY_RANGE *PlaceDescriptors(const BOOT_INFO *BootInfo, SIZE_T Pages)
{
    for (ULONG i = BootInfo->RangeCount; i-- > 0;) {
        const BOOT_MEMORY_RANGE *range = &BootInfo->Ranges[i];

        if (IsUsable(BootInfo, range) && range->Pages >= Pages) {
            MiPages = ArchPhysicalToVirtual(range->Base + ((range->Pages - Pages) << PAGE_SHIFT));
            memset(MiPages, 0, MiPageCount * sizeof(MM_PAGE));
            return range;
        }
    }
    ArchCannotStart("There is no room for the descriptors of the memory.");
}

/*
 * Takes over all free ranges.
 *
 * IRQL:    any
 * Locks:   none
 * Context: the start, one processor
 * Returns: nothing
 */
VOID MmInitializePages(const BOOT_INFO *BootInfo)
{
    const BOOT_MEMORY_RANGE *holder;
    SIZE_T tablePages;

    for (ULONG order = 0; order <= MAXIMUM_ORDER; order++)
        InitializeListHead(&MiFree[order]);
    InitializeListHead(&MiCache);
    MiOrders = MiCacheCount = MiTotalPages = 0;

    FindExtent(BootInfo);
    tablePages = ALIGN_UP_BY(MiPageCount * sizeof(MM_PAGE), PAGE_SIZE) >> PAGE_SHIFT;
    holder = PlaceDescriptors(BootInfo, tablePages);
    for (ULONG i = 0; i < BootInfo->RangeCount; i++) {
        const BOOT_MEMORY_RANGE *range = &BootInfo->Ranges[i];
        SIZE_T pages = range->Pages - (range == holder ? tablePages : 0);

        if (!IsUsable(BootInfo, range))
            continue;
        FreeRange(&MiPages[(range->Base >> PAGE_SHIFT) - MiFirstNumber], pages);
        MiTotalPages += pages;
    }
    MiFreePageCount = MiTotalPages;
}
