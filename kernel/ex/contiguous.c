/*
 * Memory for DMA: physically contiguous pages within bounds. A device sees what the processor sees
 * (DMA is coherent on this architecture), so the memory is cached whatever was asked for, and lies
 * in the direct map.
 */
#include "ke.h"
#include "ex.h"
#include "ex/pages.h"

/* The page that a limit allows as the last one: the whole page must be allowed. */
static ULONG64 LastPage(PHYSICAL_ADDRESS Highest)
{
    return ((ULONG64)Highest.QuadPart + 1) / PAGE_SIZE - 1;
}

/*
 * Allocates memory for DMA within bounds: not below the lowest address, not above the highest one,
 * not across a multiple of BoundaryAddressMultiple.
 *
 * IRQL:    <= DISPATCH_LEVEL
 * Locks:   takes the page allocator's lock, under which the free blocks are looked at one by one
 * Context: any
 * Returns: NULL if there is none, or if the boundary is no power of two
 */
PVOID MmAllocateContiguousMemorySpecifyCache(SIZE_T NumberOfBytes,
                                             PHYSICAL_ADDRESS LowestAcceptableAddress,
                                             PHYSICAL_ADDRESS HighestAcceptableAddress,
                                             PHYSICAL_ADDRESS BoundaryAddressMultiple,
                                             MEMORY_CACHING_TYPE CacheType)
{
    KI_REQUIRE_IRQL_AT_MOST(DISPATCH_LEVEL, RULE_IRQL_KE_DISPATCH_LTE, "IrqlMmDispatch",
                            NumberOfBytes);

    ULONG64 boundary = (ULONG64)BoundaryAddressMultiple.QuadPart;
    ULONG64 lowest = ALIGN_UP_BY(LowestAcceptableAddress.QuadPart, PAGE_SIZE) / PAGE_SIZE;
    PMM_PAGE page;

    UNREFERENCED_PARAMETER(CacheType);
    if ((boundary & (boundary - 1)) != 0 || (boundary != 0 && boundary < PAGE_SIZE) ||
        (ULONG64)HighestAcceptableAddress.QuadPart < PAGE_SIZE - 1 ||
        NumberOfBytes > (SIZE_T)MAXLONGLONG)
        return NULL;
    page = MiAllocatePagesWithin(ALIGN_UP_BY(NumberOfBytes, PAGE_SIZE) / PAGE_SIZE, lowest,
                                 LastPage(HighestAcceptableAddress), boundary / PAGE_SIZE);
    return page ? MiAddressOf(page) : NULL;
}

/*
 * Allocates memory for DMA up to a highest address.
 *
 * IRQL:    <= DISPATCH_LEVEL (MmAllocateContiguousMemorySpecifyCache)
 * Locks:   the page allocator's
 * Context: any
 * Returns: NULL if there is none
 */
PVOID MmAllocateContiguousMemory(SIZE_T NumberOfBytes, PHYSICAL_ADDRESS HighestAcceptableAddress)
{
    PHYSICAL_ADDRESS zero = {.QuadPart = 0};

    return MmAllocateContiguousMemorySpecifyCache(NumberOfBytes, zero, HighestAcceptableAddress,
                                                  zero, MmCached);
}

/*
 * Frees what one of the two has allocated. The device must not use it any more.
 *
 * IRQL:    <= DISPATCH_LEVEL
 * Locks:   takes the page allocator's lock
 * Context: any
 * Returns: nothing
 */
VOID MmFreeContiguousMemory(PVOID BaseAddress)
{
    KI_REQUIRE_IRQL_AT_MOST(DISPATCH_LEVEL, RULE_IRQL_KE_DISPATCH_LTE, "IrqlMmDispatch",
                            BaseAddress);

    PMM_PAGE page = MiPageOf(BaseAddress);

    KI_REQUIRE(page && page->State == MmPageAllocated && MiAddressOf(page) == BaseAddress,
               BAD_POOL_CALLER, 0x46, BaseAddress, 0, 0);
    MiFreePages(page, page->Count);
}

/*
 * As MmFreeContiguousMemory; the size is known anyway.
 *
 * IRQL:    <= DISPATCH_LEVEL (MmFreeContiguousMemory)
 * Locks:   the page allocator's
 * Context: any
 * Returns: nothing
 */
VOID MmFreeContiguousMemorySpecifyCache(PVOID BaseAddress, SIZE_T NumberOfBytes,
                                        MEMORY_CACHING_TYPE CacheType)
{
    UNREFERENCED_PARAMETER(NumberOfBytes);
    UNREFERENCED_PARAMETER(CacheType);
    MmFreeContiguousMemory(BaseAddress);
}

/*
 * IRQL:    any
 * Locks:   none
 * Context: any
 * Returns: the physical address behind a mapped one; 0 if it is not mapped
 */
PHYSICAL_ADDRESS MmGetPhysicalAddress(PVOID BaseAddress)
{
    return (PHYSICAL_ADDRESS){.QuadPart = (LONGLONG)ArchVirtualToPhysical(BaseAddress)};
}
