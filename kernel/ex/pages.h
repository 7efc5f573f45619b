/* The descriptor of a page, which the page allocator (pages.c) and the pool share. */
#ifndef METRONOME_PAGES_H
#define METRONOME_PAGES_H

#include "ntdef.h"

/* A block of pages is known by its first page; the others are MmPageOther. */
typedef enum _MM_PAGE_STATE {
    MmPageOther,      /* inside a block, or not the allocator's */
    MmPageFree,       /* the first of 2^Order free pages, aligned to their number */
    MmPageCached,     /* a free page that waits for the next request for one page */
    MmPageAllocated,  /* the first of Count pages */
    MmPagePoolBlocks, /* one page of equal pool blocks */
    MmPagePoolLarge   /* the first page of a pool block of whole pages */
} MM_PAGE_STATE;

typedef struct _MM_PAGE {
    LIST_ENTRY Link; /* Free, Cached: allocator's lock; PoolBlocks: class's lock */
    union {
        SIZE_T Count;     /* Allocated: pages; constant */
        SIZE_T Bytes;     /* PoolLarge: requested; constant */
        PVOID FreeBlocks; /* PoolBlocks: list of headers; class's lock */
    };
    union {
        ULONG Tag;        /* PoolLarge: constant */
        ULONG UsedBlocks; /* PoolBlocks: class's lock */
    };
    UCHAR State; /* MM_PAGE_STATE: the owner, or the allocator's lock */
    union {
        UCHAR Order;  /* Free: allocator's lock */
        UCHAR Class;  /* PoolBlocks: constant */
        UCHAR TagRow; /* PoolLarge: constant */
    };
    UCHAR PoolType; /* PoolLarge: 1 if paged; constant */
    UCHAR WasPool;  /* freed by the pool, not allocated since: tells a double free */
} MM_PAGE, *PMM_PAGE;

ASSERT_SIZE(MM_PAGE, 0x20);

/* The descriptors of all pages from the lowest to the highest that were free at the start. */
extern PMM_PAGE MiPages;
extern SIZE_T MiPageCount;
extern ULONG_PTR MiFirstPage; /* the first one's address in the direct map */

/* The number in MiPages of the page that contains Address; MiPageCount or more: it has none. */
FORCEINLINE SIZE_T MiIndexOf(const VOID *Address)
{
    return ((ULONG_PTR)Address - MiFirstPage) >> PAGE_SHIFT;
}

/* The descriptor of the page that contains Address; NULL if it has none. IRQL: any. */
FORCEINLINE PMM_PAGE MiPageOf(const VOID *Address)
{
    SIZE_T index = MiIndexOf(Address);

    return index < MiPageCount ? &MiPages[index] : NULL;
}

/* The address of a descriptor's page. IRQL: any. */
FORCEINLINE PVOID MiAddressOf(const MM_PAGE *Page)
{
    return (PVOID)(MiFirstPage + ((SIZE_T)(Page - MiPages) << PAGE_SHIFT));
}

/*
 * Count consecutive pages with whatever they contain, as MmPageAllocated; NULL when there are
 * none. Any IRQL.
 */
PMM_PAGE MiAllocatePages(SIZE_T Count);

/*
 * The same between two page numbers (both included) of physical memory, not across a multiple of
 * Boundary pages (a power of two; 0: anywhere). Walks the free blocks. Any IRQL.
 */
PMM_PAGE MiAllocatePagesWithin(SIZE_T Count, ULONG64 Lowest, ULONG64 Highest, ULONG64 Boundary);

/* Frees Count pages that are one allocation, whose first page has become MmPageAllocated again. */
VOID MiFreePages(PMM_PAGE Page, SIZE_T Count);

/* Fills in TotalPages and FreePages. Any IRQL. */
struct _MM_INFORMATION;
VOID MiQueryPages(struct _MM_INFORMATION *Information);

#endif
