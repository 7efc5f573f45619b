/* sources: kernel/ex/pages.c kernel/ke/spinlock.c tests/host/support/support.c tests/host/support/memory.c */
/* The page allocator against a model that knows the owner of each page. */
#include "support/support.h"
#include "support/memory.h"
#include "ex.h"
#include "ex/pages.h"

#define PAGES 600

static MM_INFORMATION Query(VOID)
{
    MM_INFORMATION information = {0};

    MiQueryPages(&information);
    return information;
}

static SIZE_T PageIndex(const VOID *Address)
{
    return (SIZE_T)((const UCHAR *)Address - HostMemory) / PAGE_SIZE;
}

/* ---- the start ---- */

/* All free pages but the descriptors' are there to be had, one by one, each once. */
static VOID AllocateAll(const BOOLEAN *IsFree, SIZE_T TablePages)
{
    BOOLEAN taken[PAGES] = {0};
    SIZE_T count = 0, expected = 0;
    PUCHAR page;

    for (SIZE_T i = 0; i < PAGES; i++)
        expected += IsFree[i];
    while ((page = MmAllocatePages(1)) != NULL) {
        SIZE_T index = PageIndex(page);

        assert_true(index < PAGES && IsFree[index] && !taken[index]);
        assert_int_equal((ULONG_PTR)(page - HostMemory) % PAGE_SIZE, 0);
        taken[index] = TRUE;
        count++;
    }
    assert_int_equal(count, expected - TablePages);
    assert_int_equal(Query().TotalPages, count);
    assert_int_equal(Query().FreePages, 0);
}

static void FreeRangesAreTakenOver(void **State)
{
    static const HOST_RANGE ranges[] = {
        {1, 7, BootMemoryFree},     {8, 2, BootMemoryLoader},   {10, 100, BootMemoryFree},
        {110, 1, BootMemoryKernel}, {111, 89, BootMemoryFree},  {200, 100, BootMemoryReserved},
        {300, 5, BootMemoryAcpi},   {305, 255, BootMemoryFree}, {560, 20, BootMemoryDevice},
        {580, 20, BootMemoryFree},
    };
    BOOLEAN isFree[PAGES] = {0};

    (void)State;
    HostStartPages(PAGES, ranges, ARRAYSIZE(ranges));
    for (ULONG i = 0; i < ARRAYSIZE(ranges); i++) {
        for (SIZE_T n = 0; n < ranges[i].Pages; n++)
            isFree[ranges[i].First + n] = ranges[i].Type == BootMemoryFree;
    }
    /* 599 descriptors of 32 bytes. */
    AllocateAll(isFree, 5);
}

/* What lies above the direct map is left alone. */
static void PagesBehindTheLimitAreNotUsed(void **State)
{
    static const HOST_RANGE ranges[] = {{1, 9, BootMemoryFree}, {1000, 10, BootMemoryFree}};
    BOOLEAN isFree[PAGES] = {0};

    (void)State;
    memset(isFree + 1, TRUE, 9);
    HostStartPages(PAGES, ranges, ARRAYSIZE(ranges));
    AllocateAll(isFree, 1);
}

/* The descriptors go to the highest range that is large enough, and that range may be all of it. */
static void DescriptorsFindTheirPlace(void **State)
{
    static const HOST_RANGE ranges[] = {{1, 20, BootMemoryFree}, {590, 2, BootMemoryFree}};
    static const HOST_RANGE exact[] = {{1, 20, BootMemoryFree}, {590, 5, BootMemoryFree}};

    (void)State;
    HostStartPages(PAGES, ranges, ARRAYSIZE(ranges));
    assert_int_equal(PageIndex(MiPages), 16);
    assert_int_equal(Query().TotalPages, 17);
    HostStartPages(PAGES, exact, ARRAYSIZE(exact));
    assert_int_equal(PageIndex(MiPages), 590);
    assert_int_equal(Query().TotalPages, 20);
}

static void TooLittleMemoryIsSaid(void **State)
{
    static const HOST_RANGE none[] = {{1, 20, BootMemoryReserved}};
    static const HOST_RANGE apart[] = {{1, 2, BootMemoryFree}, {590, 2, BootMemoryFree}};

    (void)State;
    EXPECT_BUGCHECK(HOST_CANNOT_START, 0, HostStartPages(PAGES, none, ARRAYSIZE(none)));
    assert_string_equal(HostBugCheck.Rule, "The loader has found no free memory.");
    EXPECT_BUGCHECK(HOST_CANNOT_START, 0, HostStartPages(PAGES, apart, ARRAYSIZE(apart)));
    assert_string_equal(HostBugCheck.Rule, "There is no room for the descriptors of the memory.");
}

/* ---- blocks ---- */

static VOID StartAll(SIZE_T Pages)
{
    const HOST_RANGE all = {1, Pages - 1, BootMemoryFree};

    HostStartPages(Pages, &all, 1);
}

static void MemoryIsZeroed(void **State)
{
    (void)State;
    StartAll(PAGES);
    for (ULONG n = 0; n < 50; n++) {
        SIZE_T count = 1 + HostRandomBelow(20);
        PUCHAR pages = MmAllocatePages(count);

        for (SIZE_T i = 0; i < count * PAGE_SIZE; i++)
            assert_int_equal(pages[i], 0);
        memset(pages, 0xAA, count * PAGE_SIZE);
        MmFreePages(pages, count);
    }
}

/* After everything has been freed in any order, the largest block there was is there again. */
static void BuddiesJoin(void **State)
{
    static PVOID pages[PAGES];
    SIZE_T count = 0, largest = 0, cached = 0;
    PVOID block;

    (void)State;
    StartAll(PAGES);
    for (SIZE_T n = PAGES; n > 0 && largest == 0; n--) {
        block = MmAllocatePages(n);
        if (block) {
            largest = n;
            MmFreePages(block, n);
        }
    }
    /* Pages 256 to 511 are one aligned block. */
    assert_int_equal(largest, 256);

    while ((block = MmAllocatePages(1)) != NULL)
        pages[count++] = block;
    for (SIZE_T left = count; left > 0; left--) {
        SIZE_T n = HostRandomBelow(left);

        MmFreePages(pages[n], 1);
        pages[n] = pages[left - 1];
    }
    assert_int_equal(Query().FreePages, count);
    /* A few single pages wait apart. */
    for (SIZE_T i = 0; i < MiPageCount; i++)
        cached += MiPages[i].State == MmPageCached;
    assert_in_range(cached, 1, 32);
    block = MmAllocatePages(largest);
    assert_non_null(block);
    assert_int_equal(PageIndex(block), 256);
}

static void ImpossibleCountsFail(void **State)
{
    (void)State;
    StartAll(PAGES);
    assert_null(MmAllocatePages(0));
    assert_null(MmAllocatePages(257));
    assert_null(MmAllocatePages(PAGES));
    assert_null(MmAllocatePages(1ULL << 40));
    assert_null(MmAllocatePages(MAXULONG64));
    assert_int_equal(Query().FreePages, Query().TotalPages);
}

/* ---- within bounds ---- */

/* Bounds at random against the answer of a search page by page; nothing is lost in the end. */
static void BoundsAreKept(void **State)
{
    enum { MOST = 60 };
    struct {
        PMM_PAGE Page;
        SIZE_T Count;
    } held[MOST] = {{0}};
    BOOLEAN used[PAGES];
    ULONG hits = 0, misses = 0;

    (void)State;
    StartAll(PAGES);
    memset(used, FALSE, sizeof(used));
    memset(used + 1 + Query().TotalPages, TRUE, PAGES - 1 - Query().TotalPages); /* descriptors */
    for (ULONG round = 0; round < 20000; round++) {
        ULONG slot = (ULONG)HostRandomBelow(MOST);
        SIZE_T count = 1 + HostRandomBelow(24);
        ULONG64 low = HostRandomBelow(PAGES), high = low + HostRandomBelow(PAGES / 2);
        ULONG64 boundary = HostRandomBelow(2) ? 0 : 1ULL << HostRandomBelow(6);

        if (held[slot].Page) {
            memset(used + PageIndex(MiAddressOf(held[slot].Page)), FALSE, held[slot].Count);
            MiFreePages(held[slot].Page, held[slot].Count);
        }
        held[slot].Count = count;
        held[slot].Page = MiAllocatePagesWithin(count, low, high, boundary);
        if (held[slot].Page) {
            SIZE_T first = PageIndex(MiAddressOf(held[slot].Page));

            assert_true(first >= low && first + count - 1 <= high);
            assert_true(!boundary || first / boundary == (first + count - 1) / boundary);
            for (SIZE_T i = first; i < first + count; i++) {
                assert_false(used[i]);
                used[i] = TRUE;
            }
            hits++;
        } else if (count == 1 && !boundary) { /* a single page is found wherever one is free */
            for (ULONG64 i = low < 1 ? 1 : low; i <= high && i < PAGES; i++)
                assert_true(used[i]);
            misses++;
        }
    }
    assert_in_range(hits, 1000, 20000);
    assert_in_range(misses, 1, 20000);
    for (ULONG slot = 0; slot < MOST; slot++) {
        if (held[slot].Page)
            MiFreePages(held[slot].Page, held[slot].Count);
    }
    assert_int_equal(Query().FreePages, Query().TotalPages);
    assert_non_null(MmAllocatePages(256)); /* everything has joined again */
}

static void ImpossibleBoundsFail(void **State)
{
    (void)State;
    StartAll(PAGES);
    assert_null(MiAllocatePagesWithin(0, 0, PAGES, 0));
    assert_null(MiAllocatePagesWithin(1, 0, 0, 0)); /* page 0 is not the allocator's */
    assert_null(MiAllocatePagesWithin(9, 0, PAGES, 8));
    assert_null(MiAllocatePagesWithin(2, 10, 10, 0));
    assert_null(MiAllocatePagesWithin(1, 20, 10, 0));
    assert_null(MiAllocatePagesWithin(MAXULONG64, 0, MAXULONG64 / PAGE_SIZE, 0));
    assert_non_null(MiAllocatePagesWithin(8, 8, 15, 8));
    assert_null(MiAllocatePagesWithin(1, 8, 15, 0));
}

/* ---- at random ---- */

#define MODEL_PAGES  3000
#define MODEL_BLOCKS 200

typedef struct _MODEL_BLOCK {
    PUCHAR Address; /* NULL: none */
    SIZE_T Count;
} MODEL_BLOCK;

static USHORT Owner[MODEL_PAGES]; /* 0: nobody */

static VOID Mark(const MODEL_BLOCK *Block, USHORT From, USHORT To)
{
    SIZE_T first = PageIndex(Block->Address);

    assert_true(first + Block->Count <= MODEL_PAGES);
    for (SIZE_T i = first; i < first + Block->Count; i++) {
        assert_int_equal(Owner[i], From);
        Owner[i] = To;
        /* Each page says whose it is: a page given out twice would be written over. */
        if (To != 0)
            *(USHORT *)(HostMemory + i * PAGE_SIZE) = To;
        else
            assert_int_equal(*(USHORT *)(HostMemory + i * PAGE_SIZE), From);
    }
}

static SIZE_T RandomCount(VOID)
{
    static const SIZE_T limits[] = {2, 5, 17, 100, 600};

    return 1 + HostRandomBelow(limits[HostRandomBelow(ARRAYSIZE(limits))]);
}

static void RandomAgainstModel(void **State)
{
    static MODEL_BLOCK blocks[MODEL_BLOCKS];
    SIZE_T used = 0;

    (void)State;
    StartAll(MODEL_PAGES);
    for (ULONG n = 0; n < 200000; n++) {
        USHORT i = (USHORT)HostRandomBelow(MODEL_BLOCKS);
        MODEL_BLOCK *block = &blocks[i];

        if (block->Address) {
            Mark(block, i + 1, 0);
            MmFreePages(block->Address, block->Count);
            used -= block->Count;
            block->Address = NULL;
        } else {
            block->Count = RandomCount();
            block->Address = MmAllocatePages(block->Count);
            if (block->Address) {
                Mark(block, 0, i + 1);
                used += block->Count;
            }
        }
        assert_int_equal(Query().FreePages, Query().TotalPages - used);
    }
}

/* ---- errors ---- */

static void WrongFreesAreReported(void **State)
{
    PUCHAR pages;

    (void)State;
    StartAll(PAGES);
    pages = MmAllocatePages(4);
    EXPECT_BUGCHECK(BAD_POOL_CALLER, 0x46, MmFreePages(pages, 3));
    ASSERT_PARAMETERS(pages, 3, 0);
    EXPECT_BUGCHECK(BAD_POOL_CALLER, 0x46, MmFreePages(pages + PAGE_SIZE, 3));
    EXPECT_BUGCHECK(BAD_POOL_CALLER, 0x46, MmFreePages(pages + 8, 4));
    EXPECT_BUGCHECK(BAD_POOL_CALLER, 0x46, MmFreePages(HostMemory, 1));
    EXPECT_BUGCHECK(BAD_POOL_CALLER, 0x46, MmFreePages(HostMemory + PAGES * PAGE_SIZE, 1));
    EXPECT_BUGCHECK(BAD_POOL_CALLER, 0x46, MmFreePages(NULL, 1));
    MmFreePages(pages, 4);
    EXPECT_BUGCHECK(BAD_POOL_CALLER, 0x46, MmFreePages(pages, 4));
    pages = MmAllocatePages(1);
    MmFreePages(pages, 1);
    EXPECT_BUGCHECK(BAD_POOL_CALLER, 0x46, MmFreePages(pages, 1));
    assert_int_equal(Query().FreePages, Query().TotalPages);
}

/* Any IRQL, and the IRQL stays. */
static void WorksAtHighLevel(void **State)
{
    PVOID pages;

    (void)State;
    StartAll(PAGES);
    HostIrql = HIGH_LEVEL;
    pages = MmAllocatePages(3);
    assert_int_equal(HostIrql, HIGH_LEVEL);
    MmFreePages(pages, 3);
    assert_int_equal(HostIrql, HIGH_LEVEL);
    HostIrql = PASSIVE_LEVEL;
    MmFreePages(MmAllocatePages(3), 3);
    assert_int_equal(HostIrql, PASSIVE_LEVEL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(FreeRangesAreTakenOver),
        cmocka_unit_test(PagesBehindTheLimitAreNotUsed),
        cmocka_unit_test(DescriptorsFindTheirPlace),
        cmocka_unit_test(TooLittleMemoryIsSaid),
        cmocka_unit_test(MemoryIsZeroed),
        cmocka_unit_test(BuddiesJoin),
        cmocka_unit_test(ImpossibleCountsFail),
        cmocka_unit_test(BoundsAreKept),
        cmocka_unit_test(ImpossibleBoundsFail),
        cmocka_unit_test(RandomAgainstModel),
        cmocka_unit_test(WrongFreesAreReported),
        cmocka_unit_test(WorksAtHighLevel),
    };

    return cmocka_run_group_tests_name("pages", tests, NULL, NULL);
}
