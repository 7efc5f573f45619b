/*
 * The pool's routines: ExAllocatePoolWithTag, ExFreePool and so on. Nonpaged pool at
 * <= DISPATCH_LEVEL, paged pool at <= APC_LEVEL: a kernel without paging gives both the same memory
 * and checks both rules. ExAllocatePool2 and 3: poolflags.c.
 *
 * Blocks of up to POOL_MAXIMUM_BLOCK bytes come from pages of blocks (poolblock.c); larger ones
 * are whole pages, known by the descriptor of the first. All routines are safe on any processor;
 * the locks are those of the classes and of the page allocator.
 */
#include "ex/expool.h"

#define TAG_NONE 0x656E6F4Eu /* "None": for ExAllocatePool, which has no tag */

volatile ULONG ExpFailEvery;

/*
 * Makes the pool empty.
 *
 * IRQL:    any
 * Locks:   none
 * Context: the start, one processor
 * Returns: nothing
 */
VOID ExInitializePool(VOID)
{
    ExpInitializeClasses();
    ExpInitializeTags();
}

/* ---- allocation ---- */

/* For tests: TRUE for every n-th request. */
static BOOLEAN ShallFail(VOID)
{
    static volatile LONG requests;
    ULONG every = ExpFailEvery;

    return every != 0 && (ULONG)InterlockedIncrement(&requests) % every == 0;
}

/* 0 for a number of bytes that is too large to be rounded up: nobody has that many. */
static SIZE_T PagesFor(SIZE_T Bytes)
{
    return (Bytes + PAGE_SIZE - 1) >> PAGE_SHIFT;
}

static __attribute__((noinline)) PVOID AllocateLarge(SIZE_T Bytes, ULONG Tag, ULONG Paged)
{
    PMM_PAGE page = MiAllocatePages(PagesFor(Bytes));
    PPOOL_TAG_ROW row;

    if (!page)
        return NULL;
    row = ExpFindTagRow(Tag);
    page->Bytes = Bytes;
    page->Tag = Tag;
    page->TagRow = (UCHAR)(row - ExpTagRows);
    page->PoolType = (UCHAR)Paged;
    page->State = MmPagePoolLarge;
    InterlockedExchangeAdd(&ExpPoolPages, PagesFor(Bytes));
    ExpCountTag(row, Paged, 1, (LONG64)Bytes);
    return MiAddressOf(page);
}

PVOID ExpAllocate(POOL_TYPE PoolType, SIZE_T Bytes, ULONG Tag)
{
    ULONG paged = PoolType & PagedPool;
    PPOOL_CLASS class = NULL;
    PVOID payload;

    if (ShallFail())
        return NULL;
    if (Bytes <= POOL_MAXIMUM_BLOCK - POOL_CANARY_BYTES)
        class = PoolType & POOL_CACHE_ALIGNED ? ExpAlignedClassForBytes(Bytes)
                                              : ExpClassForBytes(Bytes);
    payload = class ? ExpAllocateBlock(class, Bytes, Tag, paged) : AllocateLarge(Bytes, Tag, paged);
    if (payload)
        ExpFillFresh(payload, Bytes);
    return payload;
}

VOID ExpRaiseNoMemory(PVOID Caller)
{
    KeBugCheckEx(KMODE_EXCEPTION_NOT_HANDLED, (ULONG_PTR)STATUS_INSUFFICIENT_RESOURCES,
                 (ULONG_PTR)Caller, 0, 0);
}

static __attribute__((noinline)) PVOID AllocateOrRaise(POOL_TYPE PoolType, SIZE_T Bytes, ULONG Tag,
                                                       PVOID Caller)
{
    PVOID payload = ExpAllocate(PoolType, Bytes, Tag);

    if (!payload)
        ExpRaiseNoMemory(Caller);
    return payload;
}

/* A free build need not look further: a small block, no attributes, no test under way. */
FORCEINLINE BOOLEAN IsSimple(POOL_TYPE PoolType, SIZE_T Bytes)
{
    return !DBG && (PoolType & (POOL_CACHE_ALIGNED | POOL_RAISE_IF_ALLOCATION_FAILURE)) == 0 &&
           Bytes <= POOL_MAXIMUM_BLOCK && ExpFailEvery == 0;
}

/*
 * Allocates uninitialized memory: below PAGE_SIZE aligned to 16 bytes and inside one page, from
 * PAGE_SIZE on aligned to pages.
 *
 * IRQL:    that of the type: nonpaged <= DISPATCH_LEVEL, paged <= APC_LEVEL (ExpCheckRequest)
 * Locks:   takes a class's lock, or the page allocator's
 * Context: any
 * Returns: the memory, or NULL
 * Source:  contract T-POOL-1..3, T-POOL-5, T-POOL-6, T-POOL-8, T-POOL-12
 */
PVOID ExAllocatePoolWithTag(POOL_TYPE PoolType, SIZE_T NumberOfBytes, ULONG Tag)
{
    ExpCheckRequest(PoolType, NumberOfBytes, Tag);
    if (IsSimple(PoolType, NumberOfBytes))
        return ExpAllocateBlock(ExpClassForBytes(NumberOfBytes), NumberOfBytes, Tag,
                                PoolType & PagedPool);
    if (PoolType & POOL_RAISE_IF_ALLOCATION_FAILURE)
        return AllocateOrRaise(PoolType, NumberOfBytes, Tag, __builtin_return_address(0));
    return ExpAllocate(PoolType, NumberOfBytes, Tag);
}

/*
 * Allocates uninitialized memory with the tag "None".
 *
 * IRQL:    that of the type: nonpaged <= DISPATCH_LEVEL, paged <= APC_LEVEL (ExpCheckRequest)
 * Locks:   takes a class's lock, or the page allocator's
 * Context: any
 * Returns: the memory, or NULL
 * Source:  contract T-POOL-1..3
 */
PVOID ExAllocatePool(POOL_TYPE PoolType, SIZE_T NumberOfBytes)
{
    return ExAllocatePoolWithTag(PoolType, NumberOfBytes, TAG_NONE);
}

/* ---- free ---- */

/* Not marked as one that does not return: so the callers end in a jump to here. */
static __attribute__((noinline)) VOID ReportWrongTag(PVOID Payload, ULONG Tag, ULONG GivenTag)
{
    KeBugCheckEx(BAD_POOL_CALLER, 0x0A, (ULONG_PTR)Payload, Tag, GivenTag);
}

FORCEINLINE BOOLEAN IsOtherTag(ULONG GivenTag, ULONG Tag)
{
    return GivenTag != 0 && GivenTag != Tag;
}

static VOID FreeLarge(PMM_PAGE Page, PVOID Payload, ULONG Tag)
{
    SIZE_T pages = PagesFor(Page->Bytes);

    if (IsOtherTag(Tag, Page->Tag))
        ReportWrongTag(Payload, Page->Tag, Tag);
    ExpCheckFree(Payload, Page->Bytes, Page->PoolType);
    ExpFillFreed(Payload, Page->Bytes);
    ExpCountTag(&ExpTagRows[Page->TagRow], Page->PoolType, -1, -(LONG64)Page->Bytes);
    InterlockedExchangeAdd(&ExpPoolPages, -pages);
    Page->WasPool = TRUE;
    Page->State = MmPageAllocated;
    MiFreePages(Page, pages);
}

/* Is there a sound header in front of an address in a page of blocks? */
FORCEINLINE BOOLEAN IsAllocatedBlock(PVOID Payload)
{
    PPOOL_HEADER header = (PPOOL_HEADER)Payload - 1;

    return (ULONG_PTR)Payload % sizeof(POOL_HEADER) == 0 && (ULONG_PTR)Payload % PAGE_SIZE != 0 &&
           header->Check == ExpHeaderCheck(header);
}

FORCEINLINE VOID FreeBlock(PMM_PAGE Page, PPOOL_HEADER Header, ULONG Tag)
{
    ULONG paged = Header->State & POOL_STATE_PAGED;

    if (IsOtherTag(Tag, Header->Tag)) {
        ReportWrongTag(Header + 1, Header->Tag, Tag);
        return;
    }
    ExpCheckFree(Header + 1, Header->Bytes, paged);
    ExpFillFreed(Header + 1, Header->Bytes);
    ExpCountTag(&ExpTagRows[Header->TagRow], paged, -1, -(LONG64)Header->Bytes);
    ExpFreeBlock(Page, Header);
}

static __attribute__((noinline)) VOID FreeLargeOrReport(PVOID P, ULONG Tag)
{
    PMM_PAGE page = MiPageOf(P);

    if (!page || page->State != MmPagePoolLarge || MiAddressOf(page) != P)
        ExpReportBadFree(P);
    FreeLarge(page, P, Tag);
}

/*
 * Frees a block of any allocation routine. With a Tag that is not 0, it must be the block's.
 *
 * IRQL:    that of the block: nonpaged <= DISPATCH_LEVEL, paged <= APC_LEVEL (ExpCheckFree)
 * Locks:   takes a class's lock, or the page allocator's
 * Context: any
 * Returns: nothing
 * Source:  contract T-POOL-7, T-POOL-9, T-POOL-10
 */
VOID ExFreePoolWithTag(PVOID P, ULONG Tag)
{
    SIZE_T index = MiIndexOf(P);

    if (index < MiPageCount && MiPages[index].State == MmPagePoolBlocks && IsAllocatedBlock(P))
        FreeBlock(&MiPages[index], (PPOOL_HEADER)P - 1, Tag);
    else
        FreeLargeOrReport(P, Tag);
}

/*
 * Frees a block of any allocation routine.
 *
 * IRQL:    that of the block: nonpaged <= DISPATCH_LEVEL, paged <= APC_LEVEL (ExpCheckFree)
 * Locks:   takes a class's lock, or the page allocator's
 * Context: any
 * Returns: nothing
 * Source:  contract T-POOL-7, T-POOL-9, T-POOL-10
 */
VOID ExFreePool(PVOID P)
{
    ExFreePoolWithTag(P, 0);
}
