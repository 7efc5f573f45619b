/*
 * Names what is wrong with an address that somebody frees although it is no allocated block. Any
 * IRQL, no lock: the system stops here.
 */
#include "ex/expool.h"

#define SYSTEM_SPACE_START 0xFFFF800000000000ULL

/* In a page of blocks: not at a block's start, freed already, or with a damaged header. */
static VOID ReportInPageOfBlocks(const MM_PAGE *Page, ULONG_PTR Address)
{
    const POOL_HEADER *header = (const POOL_HEADER *)Address - 1;
    ULONG stride = ExpPoolClasses[Page->Class].Stride;

    if (!ExpIsBlock(Page, header))
        KeBugCheckEx(BAD_POOL_CALLER, 0x99, Address, 0, 0);
    if (header->State == POOL_STATE_FREE)
        KeBugCheckEx(BAD_POOL_CALLER, 0x07, 0, header->Word, Address);
    KeBugCheckEx(BAD_POOL_HEADER, 0x20, (ULONG_PTR)header, (ULONG_PTR)header + stride, 0);
}

/*
 * Stops the system for a free of Address.
 *
 * IRQL:    any
 * Locks:   none
 * Context: the caller's
 * Returns: never
 * Source:  contract T-POOL-7, T-POOL-10, bugcheck-verifier.md 0xC2
 */
VOID ExpReportBadFree(PVOID Address)
{
    const MM_PAGE *page = MiPageOf(Address);
    ULONG_PTR address = (ULONG_PTR)Address;

    if (!page && address < SYSTEM_SPACE_START)
        KeBugCheckEx(BAD_POOL_CALLER, 0x40, address, SYSTEM_SPACE_START, 0);
    if (!page)
        KeBugCheckEx(BAD_POOL_CALLER, 0x42, address, 0, 0);
    if (page->State == MmPagePoolBlocks)
        ReportInPageOfBlocks(page, address);
    if (page->State == MmPagePoolLarge)
        KeBugCheckEx(BAD_POOL_CALLER, 0x99, address, 0, 0);
    if (page->WasPool)
        KeBugCheckEx(BAD_POOL_CALLER, 0x07, 0, 0, address);
    KeBugCheckEx(BAD_POOL_CALLER, 0x46, address, 0, 0);
}
