/*
 * The pool's routines: ExAllocatePool..., ExFreePool.... Nonpaged pool at <= DISPATCH_LEVEL, paged
 * pool at <= APC_LEVEL: a kernel without paging gives both the same memory, and checks both rules.
 *
 * Blocks of up to POOL_MAXIMUM_BLOCK bytes come from pages of blocks (poolblock.c); larger ones
 * are whole pages, known by the descriptor of the first. All routines are safe on any processor;
 * the locks are those of the classes and of the page allocator.
 */
#include "ex/expool.h"

#define TAG_NONE 0x656E6F4Eu /* "None": for ExAllocatePool, which has no tag */

#define CACHE_ALIGNED 4 /* in POOL_TYPE */

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

    if (!page)
        return NULL;
    page->Bytes = Bytes;
    page->Tag = Tag;
    page->TagRow = ExpFindTagRow(Tag);
    page->PoolType = (UCHAR)Paged;
    page->State = MmPagePoolLarge;
    InterlockedExchangeAdd(&ExpPoolPages, PagesFor(Bytes));
    ExpCountTag(page->TagRow, Paged, 1, (LONG64)Bytes);
    return MiAddressOf(page);
}

/* What all allocation routines come to. NULL if there is no memory. */
FORCEINLINE PVOID Allocate(POOL_TYPE PoolType, SIZE_T Bytes, ULONG Tag)
{
    ULONG paged = PoolType & PagedPool;
    PPOOL_CLASS class = ExpClassForBytes(Bytes, (PoolType & CACHE_ALIGNED) != 0);
    PVOID payload;

    if (ExpFailEvery != 0 && ShallFail())
        return NULL;
    payload = class ? ExpAllocateBlock(class, Bytes, Tag, paged) : AllocateLarge(Bytes, Tag, paged);
    if (payload)
        ExpFillFresh(payload, Bytes);
    return payload;
}

/* There is no exception handling: an exception that the caller asked for ends the system. */
static DECLSPEC_NORETURN VOID RaiseNoMemory(PVOID Caller)
{
    KeBugCheckEx(KMODE_EXCEPTION_NOT_HANDLED, (ULONG_PTR)STATUS_INSUFFICIENT_RESOURCES,
                 (ULONG_PTR)Caller, 0, 0);
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
    PVOID payload;

    ExpCheckRequest(PoolType, NumberOfBytes, Tag);
    payload = Allocate(PoolType, NumberOfBytes, Tag);
    if (!payload && (PoolType & POOL_RAISE_IF_ALLOCATION_FAILURE))
        RaiseNoMemory(__builtin_return_address(0));
    return payload;
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

/* ---- allocation by flags ---- */

#define POOL_FLAGS_OF_TYPE (POOL_FLAG_NON_PAGED | POOL_FLAG_NON_PAGED_EXECUTE | POOL_FLAG_PAGED)
#define POOL_FLAGS_KNOWN                                                                      \
    (POOL_FLAGS_OF_TYPE | POOL_FLAG_USE_QUOTA | POOL_FLAG_UNINITIALIZED | POOL_FLAG_SESSION | \
     POOL_FLAG_CACHE_ALIGNED | POOL_FLAG_RAISE_ON_FAILURE)
#define POOL_FLAGS_REQUIRED 0xFFFFFFFFULL

/* The POOL_TYPE for Flags; FALSE if they do not name exactly one, or ask for what nobody knows. */
static BOOLEAN TypeOfFlags(POOL_FLAGS Flags, POOL_TYPE *PoolType)
{
    POOL_TYPE type;

    switch (Flags & POOL_FLAGS_OF_TYPE) {
    case POOL_FLAG_NON_PAGED:
        type = NonPagedPoolNx;
        break;
    case POOL_FLAG_NON_PAGED_EXECUTE:
        type = NonPagedPoolExecute;
        break;
    case POOL_FLAG_PAGED:
        type = PagedPool;
        break;
    default:
        return FALSE;
    }
    *PoolType = Flags & POOL_FLAG_CACHE_ALIGNED ? type | CACHE_ALIGNED : type;
    return (Flags & POOL_FLAGS_REQUIRED & ~POOL_FLAGS_KNOWN) == 0;
}

/* Extended parameters: the priority and the node are hints; others are known to nobody. */
static BOOLEAN AreParametersKnown(PCPOOL_EXTENDED_PARAMETER Parameters, ULONG Count)
{
    const ULONG priority = 1, numaNode = 3;

    for (ULONG i = 0; i < Count; i++) {
        if (Parameters[i].Type != priority && Parameters[i].Type != numaNode &&
            !Parameters[i].Optional)
            return FALSE;
    }
    return TRUE;
}

static PVOID AllocateByFlags(POOL_FLAGS Flags, SIZE_T Bytes, ULONG Tag, PVOID Caller)
{
    POOL_TYPE poolType;
    PVOID payload = NULL;

    if (TypeOfFlags(Flags, &poolType) && Tag != 0 && Bytes != 0) {
        ExpCheckRequest(poolType, Bytes, Tag);
        payload = Allocate(poolType, Bytes, Tag);
    }
    if (!payload && (Flags & POOL_FLAG_RAISE_ON_FAILURE))
        RaiseNoMemory(Caller);
    if (payload && !(Flags & POOL_FLAG_UNINITIALIZED))
        memset(payload, 0, Bytes);
    return payload;
}

/*
 * Allocates memory, zeroed unless the flags say POOL_FLAG_UNINITIALIZED.
 *
 * IRQL:    that of the type: nonpaged <= DISPATCH_LEVEL, paged <= APC_LEVEL (ExpCheckRequest)
 * Locks:   takes a class's lock, or the page allocator's
 * Context: any
 * Returns: the memory; NULL if there is none, Tag or NumberOfBytes is 0, or the flags are wrong
 * Source:  contract T-POOL-1..4, T-POOL-8
 */
PVOID ExAllocatePool2(POOL_FLAGS Flags, SIZE_T NumberOfBytes, ULONG Tag)
{
    return AllocateByFlags(Flags, NumberOfBytes, Tag, __builtin_return_address(0));
}

/*
 * Allocates memory like ExAllocatePool2. Of the extended parameters the priority and the node are
 * accepted without effect; others make it fail unless they are optional.
 *
 * IRQL:    that of the type: nonpaged <= DISPATCH_LEVEL, paged <= APC_LEVEL (ExpCheckRequest)
 * Locks:   takes a class's lock, or the page allocator's
 * Context: any
 * Returns: the memory, or NULL
 * Source:  contract T-POOL-1..4, T-POOL-8
 */
PVOID ExAllocatePool3(POOL_FLAGS Flags, SIZE_T NumberOfBytes, ULONG Tag,
                      PCPOOL_EXTENDED_PARAMETER ExtendedParameters, ULONG ExtendedParametersCount)
{
    if (!AreParametersKnown(ExtendedParameters, ExtendedParametersCount))
        Tag = 0;
    return AllocateByFlags(Flags, NumberOfBytes, Tag, __builtin_return_address(0));
}

/* ---- free ---- */

static VOID CheckTag(PVOID Payload, ULONG Tag, ULONG GivenTag)
{
    if (GivenTag != 0 && GivenTag != Tag)
        KeBugCheckEx(BAD_POOL_CALLER, 0x0A, (ULONG_PTR)Payload, Tag, GivenTag);
}

static __attribute__((noinline)) VOID FreeLarge(PMM_PAGE Page, PVOID Payload, ULONG Tag)
{
    SIZE_T pages = PagesFor(Page->Bytes);

    CheckTag(Payload, Page->Tag, Tag);
    ExpCheckFree(Payload, Page->Bytes, Page->PoolType);
    ExpFillFreed(Payload, Page->Bytes);
    ExpCountTag(Page->TagRow, Page->PoolType, -1, -(LONG64)Page->Bytes);
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

    CheckTag(Header + 1, Header->Tag, Tag);
    ExpCheckFree(Header + 1, Header->Bytes, paged);
    ExpFillFreed(Header + 1, Header->Bytes);
    ExpCountTag(Header->TagRow, paged, -1, -(LONG64)Header->Bytes);
    ExpFreeBlock(Page, Header);
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
    PMM_PAGE page = MiPageOf(P);
    ULONG state = page ? page->State : MmPageOther;

    if (state == MmPagePoolBlocks && IsAllocatedBlock(P))
        FreeBlock(page, (PPOOL_HEADER)P - 1, Tag);
    else if (state == MmPagePoolLarge && MiAddressOf(page) == P)
        FreeLarge(page, P, Tag);
    else
        ExpReportBadFree(P);
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
