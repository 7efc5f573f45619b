/* sources: kernel/ex/pages.c kernel/ex/pool.c kernel/ex/poolflags.c kernel/ex/poolblock.c kernel/ex/poolcheck.c kernel/ex/poolreport.c kernel/ex/pooltag.c kernel/ex/lookasidecore.c kernel/ex/interlocked.c kernel/ex/slist.c kernel/ke/spinlock.c tests/host/support/support.c tests/host/support/memory.c tests/host/support/threads.c */
/* The pool in its checked build: placement, contents, statistics, and each error with its code. */
#include "support/support.h"
#include "support/memory.h"
#include "support/threads.h"
#include "ex/expool.h"
#include "ex/explookaside.h"

#define PAGES 4096
#define TAG   0x74736554u /* "Test" */

static int Start(void **State)
{
    const HOST_RANGE all = {1, PAGES - 1, BootMemoryFree};

    (void)State;
    HostStartPages(PAGES, &all, 1);
    ExInitializePool();
    HostIrql = PASSIVE_LEVEL;
    ExpFailEvery = 0;
    return 0;
}

static PVOID Allocate(SIZE_T Bytes)
{
    return ExAllocatePoolWithTag(NonPagedPoolNx, Bytes, TAG);
}

static VOID AssertUse(ULONG Tag, SIZE_T Blocks, SIZE_T Bytes)
{
    SIZE_T blocks, bytes;

    ExQueryPoolTag(Tag, &blocks, &bytes);
    assert_int_equal(blocks, Blocks);
    assert_int_equal(bytes, Bytes);
}

static VOID AssertNothingLost(VOID)
{
    MM_INFORMATION information;

    MmQueryInformation(&information);
    AssertUse(0, 0, 0);
    assert_int_equal(information.TotalPages - information.FreePages, information.PoolPages);
    /* A class may keep one page. */
    assert_true(information.PoolPages <= POOL_CLASSES);
}

/* ---- placement: T-POOL-1 ---- */

static VOID AssertPlace(PVOID Block, SIZE_T Bytes)
{
    ULONG_PTR offset = (ULONG_PTR)((PUCHAR)Block - HostMemory) % PAGE_SIZE;

    assert_int_equal(offset % 16, 0);
    if (Bytes < PAGE_SIZE)
        assert_true(offset + Bytes <= PAGE_SIZE);
    else
        assert_int_equal(offset, 0);
}

static void EachSizeLiesAsDocumented(void **State)
{
    (void)State;
    for (SIZE_T bytes = 1; bytes <= 3 * PAGE_SIZE; bytes++) {
        PVOID first = Allocate(bytes), second = Allocate(bytes);

        AssertPlace(first, bytes);
        AssertPlace(second, bytes);
        memset(first, 1, bytes);
        memset(second, 2, bytes);
        ExFreePool(first);
        ExFreePool(second);
    }
    AssertNothingLost();
}

static void CacheAlignedBlocksBeginALine(void **State)
{
    (void)State;
    for (SIZE_T bytes = 1; bytes <= 2 * PAGE_SIZE; bytes++) {
        PVOID blocks[5];

        for (ULONG i = 0; i < ARRAYSIZE(blocks); i++) {
            blocks[i] =
                i % 2 ? ExAllocatePoolWithTag(NonPagedPoolNxCacheAligned, bytes, TAG)
                      : ExAllocatePool2(POOL_FLAG_PAGED | POOL_FLAG_CACHE_ALIGNED, bytes, TAG);
            AssertPlace(blocks[i], bytes);
            assert_int_equal(((PUCHAR)blocks[i] - HostMemory) % 64, 0);
        }
        for (ULONG i = 0; i < ARRAYSIZE(blocks); i++)
            ExFreePool(blocks[i]);
    }
    AssertNothingLost();
}

static void TheLastFreedIsTheFirstAllocated(void **State)
{
    PVOID first = Allocate(100), second = Allocate(100);

    (void)State;
    ExFreePool(first);
    ExFreePool(second);
    assert_ptr_equal(Allocate(100), second);
    assert_ptr_equal(Allocate(100), first);
}

/* ---- contents: T-POOL-2 ---- */

static BOOLEAN IsFilled(const UCHAR *Bytes, SIZE_T Count, UCHAR Value)
{
    for (SIZE_T i = 0; i < Count; i++) {
        if (Bytes[i] != Value)
            return FALSE;
    }
    return TRUE;
}

static void ContentsAreAsAskedFor(void **State)
{
    static const SIZE_T sizes[] = {1, 63, 64, 2024, 2025, 4096, 9000};

    (void)State;
    for (ULONG i = 0; i < ARRAYSIZE(sizes); i++) {
        SIZE_T bytes = sizes[i];
        PUCHAR block = ExAllocatePool2(POOL_FLAG_NON_PAGED, bytes, TAG);

        assert_true(IsFilled(block, bytes, 0));
        memset(block, 0x77, bytes);
        ExFreePool(block);
        assert_true(bytes <= 2024 ? IsFilled(block, bytes, POOL_FREED_FILL) : TRUE);
        assert_true(IsFilled(Allocate(bytes), bytes, POOL_FRESH_FILL));
        assert_true(IsFilled(ExAllocatePool2(POOL_FLAG_PAGED | POOL_FLAG_UNINITIALIZED, bytes, TAG),
                             bytes, POOL_FRESH_FILL));
    }
}

/* ---- flags: T-POOL-4, T-POOL-8 ---- */

static PVOID Allocate2(POOL_FLAGS Flags)
{
    return ExAllocatePool2(Flags, 40, TAG);
}

static void FlagsFollowTheirRules(void **State)
{
    const POOL_FLAGS good = POOL_FLAG_NON_PAGED;

    (void)State;
    assert_non_null(Allocate2(POOL_FLAG_NON_PAGED));
    assert_non_null(Allocate2(POOL_FLAG_NON_PAGED_EXECUTE));
    assert_non_null(Allocate2(POOL_FLAG_PAGED));
    assert_non_null(Allocate2(good | POOL_FLAG_USE_QUOTA | POOL_FLAG_CACHE_ALIGNED));
    for (ULONG bit = 32; bit < 64; bit++)
        assert_non_null(Allocate2(good | 1ULL << bit));

    assert_null(Allocate2(0));
    assert_null(Allocate2(POOL_FLAG_UNINITIALIZED));
    assert_null(Allocate2(POOL_FLAG_NON_PAGED | POOL_FLAG_PAGED));
    assert_null(Allocate2(POOL_FLAG_NON_PAGED | POOL_FLAG_NON_PAGED_EXECUTE));
    assert_null(Allocate2(good | 0x10));
    for (ULONG bit = 9; bit < 32; bit++)
        assert_null(Allocate2(good | 1ULL << bit));
    assert_null(ExAllocatePool2(good, 40, 0));
    assert_null(ExAllocatePool2(good, 0, TAG));
}

static void ExtendedParametersFollowTheirRules(void **State)
{
    POOL_EXTENDED_PARAMETER parameters[2] = {{.Type = 1}, {.Type = 3}};

    (void)State;
    assert_non_null(ExAllocatePool3(POOL_FLAG_PAGED, 40, TAG, NULL, 0));
    assert_non_null(ExAllocatePool3(POOL_FLAG_PAGED, 40, TAG, parameters, 2));
    parameters[1].Type = 2;
    assert_null(ExAllocatePool3(POOL_FLAG_PAGED, 40, TAG, parameters, 2));
    assert_non_null(ExAllocatePool3(POOL_FLAG_PAGED, 40, TAG, parameters, 1));
    parameters[1].Optional = 1;
    assert_non_null(ExAllocatePool3(POOL_FLAG_PAGED, 40, TAG, parameters, 2));
}

/* ---- failure: T-POOL-3 ---- */

static void FailureIsNullOrRaised(void **State)
{
    const SIZE_T tooMuch = PAGES * PAGE_SIZE;

    (void)State;
    assert_null(Allocate(tooMuch));
    assert_null(Allocate(MAXULONG64));
    assert_null(ExAllocatePool2(POOL_FLAG_PAGED, MAXULONG64 - 100, TAG));
    EXPECT_BUGCHECK(KMODE_EXCEPTION_NOT_HANDLED, STATUS_INSUFFICIENT_RESOURCES,
                    ExAllocatePool2(POOL_FLAG_PAGED | POOL_FLAG_RAISE_ON_FAILURE, tooMuch, TAG));
    assert_int_not_equal(HostBugCheck.Parameters[1], 0);
    EXPECT_BUGCHECK(KMODE_EXCEPTION_NOT_HANDLED, STATUS_INSUFFICIENT_RESOURCES,
                    ExAllocatePool2(POOL_FLAG_PAGED | POOL_FLAG_RAISE_ON_FAILURE, 8, 0));
    EXPECT_BUGCHECK(KMODE_EXCEPTION_NOT_HANDLED, STATUS_INSUFFICIENT_RESOURCES,
                    ExAllocatePoolWithTag(POOL_RAISE_IF_ALLOCATION_FAILURE, tooMuch, TAG));
    AssertNothingLost();
}

static void EveryNthRequestFails(void **State)
{
    ULONG failures = 0;

    (void)State;
    ExpFailEvery = 3;
    for (ULONG i = 0; i < 300; i++)
        failures += Allocate(i % 2 ? 50 : 5000) == NULL;
    assert_int_equal(failures, 100);
    ExpFailEvery = 0;
    for (ULONG i = 0; i < 300; i++)
        assert_non_null(Allocate(50));
}

/* All memory in blocks of one size; then all of it in blocks of another. */
static void MemoryCanBeUsedUpAndComesBack(void **State)
{
    static PVOID blocks[PAGES * 128];

    (void)State;
    for (SIZE_T bytes = 16; bytes < 10000; bytes = bytes * 5 + 3) {
        SIZE_T count = 0;

        while ((blocks[count] = Allocate(bytes)) != NULL)
            count++;
        assert_true(count * (bytes + 64) > PAGES * PAGE_SIZE / 2);
        while (count > 0)
            ExFreePoolWithTag(blocks[--count], TAG);
        AssertNothingLost();
    }
}

/* ---- statistics ---- */

static void TagsAreCounted(void **State)
{
    PVOID small = ExAllocatePoolWithTag(PagedPool, 100, TAG);
    PVOID large = ExAllocatePoolWithTag(NonPagedPool, 10000, TAG);
    PVOID other = ExAllocatePool(NonPagedPool, 7);
    MM_INFORMATION information;

    (void)State;
    AssertUse(TAG, 2, 10100);
    AssertUse(0x656E6F4E, 1, 7);
    AssertUse(0x41414141, 0, 0);
    AssertUse(0, 3, 10107);
    MmQueryInformation(&information);
    assert_int_equal(information.PoolBlocks[0], 2);
    assert_int_equal(information.PoolBytes[0], 10007);
    assert_int_equal(information.PoolBlocks[1], 1);
    assert_int_equal(information.PoolBytes[1], 100);
    assert_int_equal(information.PoolPages, 1 + 3 + 1);
    ExFreePool(small);
    ExFreePool(large);
    ExFreePool(other);
    AssertNothingLost();
}

/* A tag whose hash is the last row's number gets a row of its own all the same. */
static void TheLastRowIsNobodysOwn(void **State)
{
    ULONG tag = TAG;

    (void)State;
    while (EXP_TAG_HASH(tag) != POOL_TAG_ROWS - 1)
        tag++;
    ExAllocatePoolWithTag(NonPagedPool, 10, tag);
    AssertUse(tag, 1, 10);
    assert_int_equal(ExpTagRows[POOL_TAG_ROWS - 1].Blocks[0], 0);
}

/* More tags than rows: the rest shares a row, and the sum is right. */
static void TheTableOfTagsIsBounded(void **State)
{
    PVOID blocks[1000];

    (void)State;
    for (ULONG i = 0; i < ARRAYSIZE(blocks); i++)
        blocks[i] = ExAllocatePoolWithTag(NonPagedPool, 10 + i % 7, 0x61000000 + i);
    AssertUse(0x61000000, 1, 10);
    AssertUse(0, 1000, 12997);
    assert_true(ExpTagRows[POOL_TAG_ROWS - 1].Blocks[0] > 0);
    assert_int_equal(ExpTagRows[POOL_TAG_ROWS - 1].Word, 0);
    for (ULONG i = 0; i < ARRAYSIZE(blocks); i++)
        ExFreePoolWithTag(blocks[i], 0x61000000 + i);
    AssertNothingLost();
    for (ULONG i = 0; i < POOL_TAG_ROWS; i++)
        assert_int_equal(ExpTagRows[i].Blocks[0] | ExpTagRows[i].Bytes[0], 0);
}

/* ---- at random, against a model ---- */

#define MODEL_BLOCKS 500

typedef struct _MODEL_BLOCK {
    PUCHAR Address; /* NULL: none */
    SIZE_T Bytes;
    ULONG Tag;
} MODEL_BLOCK;

static VOID Fill(const MODEL_BLOCK *Block)
{
    for (SIZE_T i = 0; i < Block->Bytes; i++)
        Block->Address[i] = (UCHAR)(Block->Tag + i);
}

static VOID AssertFilled(const MODEL_BLOCK *Block)
{
    for (SIZE_T i = 0; i < Block->Bytes; i++)
        assert_int_equal(Block->Address[i], (UCHAR)(Block->Tag + i));
}

static SIZE_T RandomSize(VOID)
{
    static const SIZE_T limits[] = {16, 64, 200, 2100, 20000};

    return 1 + HostRandomBelow(limits[HostRandomBelow(ARRAYSIZE(limits))]);
}

static void RandomAgainstModel(void **State)
{
    static const POOL_TYPE types[] = {NonPagedPool, PagedPool, NonPagedPoolNx,
                                      NonPagedPoolCacheAligned, PagedPoolCacheAligned};
    static MODEL_BLOCK blocks[MODEL_BLOCKS];
    SIZE_T used = 0, bytes = 0;

    (void)State;
    for (ULONG n = 0; n < 100000; n++) {
        MODEL_BLOCK *block = &blocks[HostRandomBelow(MODEL_BLOCKS)];

        if (block->Address) {
            AssertFilled(block);
            ExFreePoolWithTag(block->Address, HostRandomBelow(2) ? block->Tag : 0);
            used--;
            bytes -= block->Bytes;
            block->Address = NULL;
        } else {
            block->Bytes = RandomSize();
            block->Tag = 0x30303030 + (ULONG)HostRandomBelow(50);
            block->Address = ExAllocatePoolWithTag(types[HostRandomBelow(ARRAYSIZE(types))],
                                                   block->Bytes, block->Tag);
            AssertPlace(block->Address, block->Bytes);
            Fill(block);
            used++;
            bytes += block->Bytes;
        }
        AssertUse(0, used, bytes);
    }
    for (ULONG i = 0; i < MODEL_BLOCKS; i++) {
        if (blocks[i].Address)
            ExFreePool(blocks[i].Address);
    }
    AssertNothingLost();
}

/* ---- several threads ---- */

/*
 * Each thread has blocks of its own, nearly all of one class. A block that two threads have would
 * be written by both.
 */
static ULONG_PTR UsePool(ULONG Number)
{
    PULONG blocks[16] = {NULL};
    ULONG seed = Number;

    for (ULONG n = 0; n < 300000; n++) {
        PULONG *block;

        seed = seed * 1664525 + 1013904223;
        block = &blocks[seed >> 28];
        if (*block) {
            if (**block != (seed >> 28 << 8) + Number)
                abort();
            ExFreePoolWithTag(*block, TAG + Number % 2);
            *block = NULL;
        } else {
            *block = ExAllocatePoolWithTag(NonPagedPool, (seed >> 16 & 0xFFF) ? 10 : 5000,
                                           TAG + Number % 2);
            **block = (seed >> 28 << 8) + Number;
        }
    }
    for (ULONG i = 0; i < ARRAYSIZE(blocks); i++) {
        if (blocks[i])
            ExFreePool(blocks[i]);
    }
    return 0;
}

static void ThreadsShareThePool(void **State)
{
    (void)State;
    HostRunThreads(UsePool);
    AssertNothingLost();
}

/* Tags with the same hash, which all threads see for the first time at the same moment. */
static ULONG CollidingTags[8];

static ULONG_PTR UseNewTags(ULONG Number)
{
    for (ULONG i = 0; i < ARRAYSIZE(CollidingTags); i++)
        ExAllocatePoolWithTag(NonPagedPool, 16, CollidingTags[(i + Number) % 8]);
    return 0;
}

static void ATagHasOneRow(void **State)
{
    ULONG count = 0;

    (void)State;
    for (ULONG tag = TAG; count < ARRAYSIZE(CollidingTags); tag++) {
        if (EXP_TAG_HASH(tag) == EXP_TAG_HASH(TAG))
            CollidingTags[count++] = tag;
    }
    for (ULONG round = 0; round < 300; round++) {
        ExInitializePool();
        HostRunThreads(UseNewTags);
        for (ULONG i = 0; i < ARRAYSIZE(CollidingTags); i++)
            AssertUse(CollidingTags[i], HOST_THREADS, HOST_THREADS * 16);
    }
}

/* ---- errors of requests: T-POOL-5, T-POOL-6, T-POOL-8 ---- */

static void RequestsAtTooHighAnIrql(void **State)
{
    (void)State;
    HostIrql = DISPATCH_LEVEL;
    ExFreePool(ExAllocatePoolWithTag(NonPagedPool, 10, TAG));
    EXPECT_BUGCHECK(DRIVER_VERIFIER_DETECTED_VIOLATION, 0x01,
                    ExAllocatePoolWithTag(PagedPool, 10, TAG));
    ASSERT_PARAMETERS(DISPATCH_LEVEL, PagedPool, 10);
    EXPECT_BUGCHECK(DRIVER_VERIFIER_DETECTED_VIOLATION, 0x01,
                    ExAllocatePool2(POOL_FLAG_PAGED, 11, TAG));
    HostIrql = DISPATCH_LEVEL + 1;
    EXPECT_BUGCHECK(DRIVER_VERIFIER_DETECTED_VIOLATION, 0x02,
                    ExAllocatePoolWithTag(NonPagedPool, 12, TAG));
    ASSERT_PARAMETERS(DISPATCH_LEVEL + 1, NonPagedPool, 12);
    EXPECT_BUGCHECK(DRIVER_VERIFIER_DETECTED_VIOLATION, 0x02,
                    ExAllocatePool2(POOL_FLAG_NON_PAGED, 12, TAG));
    ASSERT_PARAMETERS(DISPATCH_LEVEL + 1, NonPagedPoolNx, 12);
    HostIrql = APC_LEVEL;
    ExFreePool(ExAllocatePoolWithTag(PagedPool, 10, TAG));
    AssertNothingLost();
}

/* The start: HIGH_LEVEL on a processor that has not been started. */
static void TheStartMayAllocateAtHighLevel(void **State)
{
    (void)State;
    HostStarted = FALSE;
    HostIrql = HIGH_LEVEL;
    ExFreePool(ExAllocatePoolWithTag(PagedPool, 10, TAG));
    ExFreePool(ExAllocatePoolWithTag(NonPagedPool, 10000, TAG));
    assert_int_equal(HostIrql, HIGH_LEVEL);
    HostStarted = TRUE;
    AssertNothingLost();
}

static void RequestsThatAskForNothing(void **State)
{
    (void)State;
    EXPECT_BUGCHECK(DRIVER_VERIFIER_DETECTED_VIOLATION, 0x00,
                    ExAllocatePoolWithTag(PagedPool, 0, TAG));
    ASSERT_PARAMETERS(PASSIVE_LEVEL, PagedPool, 0);
    EXPECT_BUGCHECK(BAD_POOL_CALLER, 0x9B, ExAllocatePoolWithTag(NonPagedPool, 10, 0));
    EXPECT_BUGCHECK(BAD_POOL_CALLER, 0x9D, ExAllocatePoolWithTag(NonPagedPool, 10, 0x2E2E2E2E));
    EXPECT_BUGCHECK(BAD_POOL_CALLER, 0x9D, ExAllocatePool2(POOL_FLAG_PAGED, 10, 0x2E2E2E2E));
    assert_non_null(ExAllocatePoolWithTag(NonPagedPool, 10, '.' | 'x' << 8));
    AssertUse(0, 1, 10);
}

/* ---- errors of frees: T-POOL-7, T-POOL-9, T-POOL-10 ---- */

static void FreesAtTooHighAnIrql(void **State)
{
    PVOID paged = ExAllocatePoolWithTag(PagedPool, 10, TAG);
    PVOID nonPaged = ExAllocatePoolWithTag(NonPagedPool, 10000, TAG);

    (void)State;
    HostIrql = DISPATCH_LEVEL;
    EXPECT_BUGCHECK(DRIVER_VERIFIER_DETECTED_VIOLATION, 0x11, ExFreePool(paged));
    ASSERT_PARAMETERS(DISPATCH_LEVEL, PagedPool, paged);
    HostIrql = CLOCK_LEVEL;
    EXPECT_BUGCHECK(DRIVER_VERIFIER_DETECTED_VIOLATION, 0x12, ExFreePool(nonPaged));
    ASSERT_PARAMETERS(CLOCK_LEVEL, NonPagedPool, nonPaged);
    HostIrql = PASSIVE_LEVEL;
    AssertUse(0, 2, 10010);
    ExFreePool(paged);
    ExFreePool(nonPaged);
    AssertNothingLost();
}

static void SecondFrees(void **State)
{
    PVOID neighbour = Allocate(100), small = Allocate(100), large = Allocate(8192);
    PVOID alone = Allocate(2000), second = Allocate(2000), third = Allocate(2000);

    (void)State;
    ExFreePool(small);
    EXPECT_BUGCHECK(BAD_POOL_CALLER, 0x07, ExFreePool(small));
    assert_int_equal(HostBugCheck.Parameters[3], (ULONG_PTR)small);
    ExFreePool(large);
    EXPECT_BUGCHECK(BAD_POOL_CALLER, 0x07, ExFreePool(large));
    assert_int_equal(HostBugCheck.Parameters[3], (ULONG_PTR)large);

    /* The page of the third block goes back to the page allocator. */
    ExFreePool(alone);
    ExFreePool(third);
    EXPECT_BUGCHECK(BAD_POOL_CALLER, 0x07, ExFreePool(third));
    ExFreePool(second);
    ExFreePool(neighbour);
    AssertNothingLost();
}

static void FreesWithAnotherTag(void **State)
{
    PVOID small = Allocate(100), large = Allocate(8192);

    (void)State;
    EXPECT_BUGCHECK(BAD_POOL_CALLER, 0x0A, ExFreePoolWithTag(small, TAG + 1));
    ASSERT_PARAMETERS(small, TAG, TAG + 1);
    EXPECT_BUGCHECK(BAD_POOL_CALLER, 0x0A, ExFreePoolWithTag(large, TAG + 1));
    ASSERT_PARAMETERS(large, TAG, TAG + 1);
    ExFreePoolWithTag(small, TAG);
    ExFreePoolWithTag(large, TAG);
    AssertNothingLost();
}

static void FreesOfWhatIsNoBlock(void **State)
{
    PUCHAR small = Allocate(100), large = Allocate(8192), pages = MmAllocatePages(2);
    ULONG local;

    (void)State;
    EXPECT_BUGCHECK(BAD_POOL_CALLER, 0x40, ExFreePool(NULL));
    EXPECT_BUGCHECK(BAD_POOL_CALLER, 0x40, ExFreePool(&local));
    EXPECT_BUGCHECK(BAD_POOL_CALLER, 0x42, ExFreePool((PVOID)0xFFFF900000000000));
    EXPECT_BUGCHECK(BAD_POOL_CALLER, 0x42, ExFreePool((PVOID)0xFFFFFFFF80001000));
    EXPECT_BUGCHECK(BAD_POOL_CALLER, 0x46, ExFreePool(pages));
    EXPECT_BUGCHECK(BAD_POOL_CALLER, 0x46, ExFreePool(pages + PAGE_SIZE));
    EXPECT_BUGCHECK(BAD_POOL_CALLER, 0x99, ExFreePool(small + 16));
    EXPECT_BUGCHECK(BAD_POOL_CALLER, 0x99, ExFreePool(small + 1));
    EXPECT_BUGCHECK(BAD_POOL_CALLER, 0x99, ExFreePool(small - 16));
    EXPECT_BUGCHECK(BAD_POOL_CALLER, 0x99, ExFreePool(large + 16));
    EXPECT_BUGCHECK(BAD_POOL_CALLER, 0x46, ExFreePool(large + PAGE_SIZE));
    ExFreePool(small);
    ExFreePool(large);
    MmFreePages(pages, 2);
    AssertNothingLost();
}

static VOID AssertOverrunFound(SIZE_T Bytes)
{
    PUCHAR block = Allocate(Bytes);
    UCHAR before = block[Bytes];

    block[Bytes] = 0;
    EXPECT_BUGCHECK(DRIVER_VERIFIER_DETECTED_VIOLATION, 0x51, ExFreePool(block));
    ASSERT_PARAMETERS(block, block + Bytes, Bytes);
    block[Bytes] = before;
    ExFreePool(block);
}

/* One byte behind the block, for each kind of block. */
static void OverrunsAreFound(void **State)
{
    static const SIZE_T sizes[] = {1, 8, 16, 24, 100, 2023, 2024, 2025, 4000, 4095, 5000};

    (void)State;
    for (ULONG i = 0; i < ARRAYSIZE(sizes); i++)
        AssertOverrunFound(sizes[i]);
    AssertNothingLost();
}

/* Any damaged bit of an allocated block's header. */
static void DamagedHeadersAreFound(void **State)
{
    PUCHAR block = Allocate(100);
    PPOOL_HEADER header = (PPOOL_HEADER)block - 1;

    (void)State;
    for (ULONG bit = 0; bit < 128; bit++) {
        ((PUCHAR)header)[bit / 8] ^= 1u << bit % 8;
        EXPECT_BUGCHECK(BAD_POOL_HEADER, 0x20, ExFreePool(block));
        ASSERT_PARAMETERS(header, (PUCHAR)header + 128, 0);
        ((PUCHAR)header)[bit / 8] ^= 1u << bit % 8;
    }
    ExFreePool(block);
    AssertNothingLost();
}

/* A free block's header is written over; the pool lives on without that page. */
static void DamagedFreeBlocksAreFound(void **State)
{
    PVOID first = Allocate(100), second = Allocate(100);
    PPOOL_HEADER header = (PPOOL_HEADER)second - 1;

    (void)State;
    ExFreePool(second);
    header->NextFree = (PVOID)0xDEAD;
    EXPECT_BUGCHECK(BAD_POOL_HEADER, 0x03, Allocate(100));
    assert_int_equal(HostBugCheck.Parameters[1], (ULONG_PTR)header);
    assert_int_equal(HostIrql, PASSIVE_LEVEL);
    second = Allocate(100);
    assert_true(((ULONG_PTR)second ^ (ULONG_PTR)header) >= PAGE_SIZE);
    ExFreePool(second);
    ExFreePool(first);
    AssertUse(0, 0, 0);
}

static VOID AssertTimerFound(PVOID Block, SIZE_T Bytes, SIZE_T Offset)
{
    PKTIMER timer = (PKTIMER)((PUCHAR)Block + Offset);

    timer->Header.Type = TimerSynchronizationObject;
    timer->Header.Inserted = TRUE;
    InitializeListHead(&timer->TimerListEntry);
    EXPECT_BUGCHECK(TIMER_OR_DPC_INVALID, 0, ExFreePool(Block));
    ASSERT_PARAMETERS(timer, Block, (PUCHAR)Block + Bytes);
    timer->Header.Type = TimerNotificationObject;
    EXPECT_BUGCHECK(TIMER_OR_DPC_INVALID, 0, ExFreePool(Block));
    timer->Header.Inserted = FALSE;
}

static VOID AssertDpcFound(PVOID Block, SIZE_T Bytes, SIZE_T Offset)
{
    PKDPC dpc = (PKDPC)((PUCHAR)Block + Offset);

    dpc->Type = DpcObject;
    dpc->DpcData = dpc;
    EXPECT_BUGCHECK(TIMER_OR_DPC_INVALID, 1, ExFreePool(Block));
    ASSERT_PARAMETERS(dpc, Block, (PUCHAR)Block + Bytes);
    dpc->Type = ThreadedDpcObject;
    EXPECT_BUGCHECK(TIMER_OR_DPC_INVALID, 1, ExFreePool(Block));
    dpc->DpcData = NULL;
}

/* A timer or DPC that is in use at every place where one can lie, in small and large blocks. */
static void ActiveObjectsAreFound(void **State)
{
    static const SIZE_T sizes[] = {64, 72, 200, 201, 2000, 4096, 6000};

    (void)State;
    for (ULONG i = 0; i < ARRAYSIZE(sizes); i++) {
        PVOID block = ExAllocatePool2(POOL_FLAG_NON_PAGED, sizes[i], TAG);

        for (SIZE_T offset = 0; offset + sizeof(KTIMER) <= sizes[i]; offset += 8) {
            AssertTimerFound(block, sizes[i], offset);
            AssertDpcFound(block, sizes[i], offset);
        }
        AssertUse(TAG, 1, sizes[i]);
        ExFreePool(block);
    }
    AssertNothingLost();
}

static void LiveLookasideListsAreFound(void **State)
{
    PUCHAR block = Allocate(600);
    PNPAGED_LOOKASIDE_LIST list = (PVOID)ALIGN_UP_BY(block + 100, 64);

    (void)State;
    ExpInitializeLookaside(&list->L, NonPagedPool, 100, TAG);
    EXPECT_BUGCHECK(DRIVER_VERIFIER_DETECTED_VIOLATION, 0xCC, ExFreePool(block));
    ASSERT_PARAMETERS(list, block, 600);
    ExpLeaveLookaside(&list->L);
    ExFreePool(block);
    AssertNothingLost();
}

#define TEST(name) cmocka_unit_test_setup(name, Start)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(EachSizeLiesAsDocumented),
        TEST(CacheAlignedBlocksBeginALine),
        TEST(TheLastFreedIsTheFirstAllocated),
        TEST(ContentsAreAsAskedFor),
        TEST(FlagsFollowTheirRules),
        TEST(ExtendedParametersFollowTheirRules),
        TEST(FailureIsNullOrRaised),
        TEST(EveryNthRequestFails),
        TEST(MemoryCanBeUsedUpAndComesBack),
        TEST(TagsAreCounted),
        TEST(TheLastRowIsNobodysOwn),
        TEST(TheTableOfTagsIsBounded),
        TEST(RandomAgainstModel),
        TEST(ThreadsShareThePool),
        TEST(ATagHasOneRow),
        TEST(RequestsAtTooHighAnIrql),
        TEST(TheStartMayAllocateAtHighLevel),
        TEST(RequestsThatAskForNothing),
        TEST(FreesAtTooHighAnIrql),
        TEST(SecondFrees),
        TEST(FreesWithAnotherTag),
        TEST(FreesOfWhatIsNoBlock),
        TEST(OverrunsAreFound),
        TEST(DamagedHeadersAreFound),
        TEST(DamagedFreeBlocksAreFound),
        TEST(ActiveObjectsAreFound),
        TEST(LiveLookasideListsAreFound),
    };

    return cmocka_run_group_tests_name("pool", tests, NULL, NULL);
}
