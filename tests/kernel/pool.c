/* pool.md: allocating and freeing. Errors are in negative_pool.c. */
#define SUITE "pool"
#include "suite.h"

static BOOLEAN IsFilledWith(const VOID *Block, SIZE_T Bytes, UCHAR Value)
{
    const UCHAR *bytes = Block;

    for (SIZE_T i = 0; i < Bytes; i++)
        if (bytes[i] != Value)
            return FALSE;
    return TRUE;
}

static VOID CheckPlace(const VOID *Block, SIZE_T Bytes)
{
    ULONG_PTR address = (ULONG_PTR)Block;

    if (Bytes < PAGE_SIZE) {
        CHECK_EQUAL(address % 16, 0);
        CHECK_EQUAL(address / PAGE_SIZE, (address + Bytes - 1) / PAGE_SIZE);
    } else {
        CHECK_EQUAL(address % PAGE_SIZE, 0);
    }
}

static const POOL_TYPE Types[] = {NonPagedPool, NonPagedPoolNx, PagedPool, NonPagedPoolCacheAligned,
                                  NonPagedPoolNxCacheAligned};

TEST(T_POOL_1)
{
    for (ULONG t = 0; t < ARRAYSIZE(Types); t++)
        for (SIZE_T bytes = 1; bytes < 4 * PAGE_SIZE; bytes += 1 + bytes / 7) {
            PVOID block = ExAllocatePoolWithTag(Types[t], bytes, KT_TAG);

            if (!CHECK(block != NULL))
                return;
            CheckPlace(block, bytes);
            memset(block, POISON, bytes);
            ExFreePoolWithTag(block, KT_TAG);
        }
}

TEST(T_POOL_1_around_a_page)
{
    static const SIZE_T sizes[] = {2031, 2032, 2033, 2048, 4079, 4080, 4081,
                                   4095, 4096, 4097, 8191, 8192, 65536};
    PVOID blocks[ARRAYSIZE(sizes)];

    for (ULONG i = 0; i < ARRAYSIZE(sizes); i++) {
        blocks[i] = ExAllocatePoolWithTag(NonPagedPool, sizes[i], KT_TAG);
        if (!CHECK(blocks[i] != NULL))
            return;
        CheckPlace(blocks[i], sizes[i]);
        memset(blocks[i], (int)i, sizes[i]);
    }
    for (ULONG i = 0; i < ARRAYSIZE(sizes); i++) { /* nobody's block lies in another's */
        CHECK(IsFilledWith(blocks[i], sizes[i], (UCHAR)i));
        ExFreePoolWithTag(blocks[i], KT_TAG);
    }
}

TEST(T_POOL_2)
{
    for (SIZE_T bytes = 1; bytes < 3 * PAGE_SIZE; bytes += 97) {
        PVOID block = ExAllocatePoolWithTag(NonPagedPool, bytes, KT_TAG);

        if (!CHECK(block != NULL))
            return;
        memset(block, POISON, bytes);
        ExFreePoolWithTag(block, KT_TAG);
        block = ExAllocatePool2(POOL_FLAG_NON_PAGED, bytes, KT_TAG);
        if (!CHECK(block != NULL))
            return;
        CHECK(IsFilledWith(block, bytes, 0));
        CheckPlace(block, bytes);
        ExFreePoolWithTag(block, KT_TAG);
    }
}

#define EXHAUST_BYTES (256 * 1024)

/* Takes all the memory, gets a clean NULL, gives it back, and has as much as before. */
TEST(T_POOL_3)
{
    MM_INFORMATION before, after;
    PVOID *last = NULL, *block;
    PVOID small;
    ULONG count = 0;

    MmQueryInformation(&before);
    while ((block = ExAllocatePoolWithTag(NonPagedPool, EXHAUST_BYTES, KT_TAG)) != NULL) {
        *block = last;
        last = block;
        count++;
    }
    CHECK(count > 0);
    CHECK_EQUAL(ExAllocatePool2(POOL_FLAG_NON_PAGED, EXHAUST_BYTES, KT_TAG), NULL);
    CHECK_EQUAL(ExAllocatePoolWithTag(PagedPool, EXHAUST_BYTES, KT_TAG), NULL);
    CHECK_EQUAL(ExAllocatePool2(POOL_FLAG_PAGED, (SIZE_T)1 << 62, KT_TAG), NULL);
    CHECK_EQUAL(ExAllocatePoolWithTag(NonPagedPool, MAXULONG64, KT_TAG), NULL);
    CHECK_EQUAL(ExAllocatePoolWithTag(NonPagedPool, MAXULONG64 - 4096, KT_TAG), NULL);
    while (last) {
        block = *last;
        ExFreePoolWithTag(last, KT_TAG);
        last = (PVOID *)block;
    }
    MmQueryInformation(&after);
    CHECK_EQUAL(after.FreePages + after.PoolPages, before.FreePages + before.PoolPages);
    CHECK_EQUAL(after.PoolBytes[0], before.PoolBytes[0]);
    small = ExAllocatePoolWithTag(NonPagedPool, 100, KT_TAG);
    CHECK(small != NULL);
    ExFreePoolWithTag(small, KT_TAG);
}

/* With small blocks too; they are many, so only until the pages have ended before. */
TEST(T_POOL_3_small_blocks)
{
    PVOID *pages = NULL, *blocks = NULL, *block;
    ULONG small = 0;

    while ((block = ExAllocatePoolWithTag(NonPagedPool, EXHAUST_BYTES, KT_TAG)) != NULL) {
        *block = pages;
        pages = block;
    }
    while ((block = ExAllocatePoolWithTag(NonPagedPool, 64, KT_TAG)) != NULL) {
        *block = blocks;
        blocks = block;
        small++;
    }
    CHECK_EQUAL(ExAllocatePoolWithTag(NonPagedPool, 64, KT_TAG), NULL);
    CHECK(small > 0);
    while (blocks) {
        block = *blocks;
        ExFreePoolWithTag(blocks, KT_TAG);
        blocks = (PVOID *)block;
    }
    while (pages) {
        block = *pages;
        ExFreePoolWithTag(pages, KT_TAG);
        pages = (PVOID *)block;
    }
}

TEST(T_POOL_3_every_nth)
{
    ULONG failures = 0;

    ExpFailEvery = 3;
    for (ULONG i = 0; i < 30; i++) {
        PVOID block = ExAllocatePoolWithTag(NonPagedPool, 100, KT_TAG);

        if (block)
            ExFreePoolWithTag(block, KT_TAG);
        else
            failures++;
    }
    ExpFailEvery = 0;
    CHECK_EQUAL(failures, 10);
}

TEST(T_POOL_4)
{
    static const POOL_FLAGS good[] = {POOL_FLAG_NON_PAGED,
                                      POOL_FLAG_NON_PAGED_EXECUTE,
                                      POOL_FLAG_PAGED,
                                      POOL_FLAG_NON_PAGED | POOL_FLAG_UNINITIALIZED,
                                      POOL_FLAG_NON_PAGED | POOL_FLAG_CACHE_ALIGNED,
                                      POOL_FLAG_PAGED | POOL_FLAG_USE_QUOTA,
                                      POOL_FLAG_NON_PAGED | 0x4000000000000000ULL,
                                      POOL_FLAG_PAGED | 0x100000000ULL};

    for (ULONG i = 0; i < ARRAYSIZE(good); i++) {
        PVOID block = ExAllocatePool2(good[i], 50, KT_TAG);

        if (!CHECK(block != NULL))
            continue;
        if (good[i] & POOL_FLAG_CACHE_ALIGNED)
            CHECK_EQUAL((ULONG_PTR)block % 64, 0);
        ExFreePoolWithTag(block, KT_TAG);
    }
    CHECK_EQUAL(ExAllocatePool2(POOL_FLAG_NON_PAGED | 0x80000000ULL, 50, KT_TAG), NULL);
    CHECK_EQUAL(ExAllocatePool2(POOL_FLAG_NON_PAGED | 0x400ULL, 50, KT_TAG), NULL);
    CHECK_EQUAL(ExAllocatePool2(POOL_FLAG_NON_PAGED, 50, 0), NULL); /* no tag */
}

TEST(T_POOL_5)
{
    /* "a", "ab", "abc", "a  ~", "abcd", "9" */
    static const ULONG tags[] = {0x61, 0x6261, 0x636261, 0x7E202061, 0x64636261, 0x39};

    for (ULONG i = 0; i < ARRAYSIZE(tags); i++) {
        SIZE_T blocks, bytes, blocksAfter, bytesAfter;
        PVOID block;

        ExQueryPoolTag(tags[i], &blocks, &bytes);
        block = ExAllocatePoolWithTag(NonPagedPool, 123, tags[i]);
        CHECK(block != NULL);
        ExQueryPoolTag(tags[i], &blocksAfter, &bytesAfter);
        CHECK_EQUAL(blocksAfter, blocks + 1);
        CHECK_EQUAL(bytesAfter, bytes + 123);
        ExFreePoolWithTag(block, tags[i]);
        ExQueryPoolTag(tags[i], &blocksAfter, &bytesAfter);
        CHECK_EQUAL(blocksAfter, blocks);
        CHECK_EQUAL(bytesAfter, bytes);
    }
}

TEST(T_POOL_6__T_POOL_7__S_5)
{
    for (KIRQL level = PASSIVE_LEVEL; level <= DISPATCH_LEVEL; level++)
        AT_IRQL(level)
        {
            PVOID block = ExAllocatePoolWithTag(NonPagedPool, 300, KT_TAG);

            CHECK(block != NULL);
            CHECK_IRQL(level);
            ExFreePoolWithTag(block, KT_TAG);
            block = ExAllocatePool2(POOL_FLAG_NON_PAGED, 5000, KT_TAG);
            CHECK(block != NULL);
            ExFreePool(block);
            CHECK_IRQL(level);
            if (level == DISPATCH_LEVEL)
                continue;
            block = ExAllocatePoolWithTag(PagedPool, 300, KT_TAG);
            CHECK(block != NULL);
            ExFreePoolWithTag(block, KT_TAG);
        }
}

TEST(T_POOL_10)
{
    PVOID block;

    block = ExAllocatePoolWithTag(NonPagedPool, 10, KT_TAG);
    ExFreePool(block);
    block = ExAllocatePool2(POOL_FLAG_NON_PAGED, 10, KT_TAG);
    ExFreePool(block);
    block = ExAllocatePool2(POOL_FLAG_PAGED, 10000, KT_TAG);
    ExFreePoolWithTag(block, KT_TAG);
    block = ExAllocatePool3(POOL_FLAG_NON_PAGED, 10, KT_TAG, NULL, 0);
    CHECK(block != NULL);
    CHECK(IsFilledWith(block, 10, 0));
    ExFreePoolWithTag(block, KT_TAG);
    block = ExAllocatePool(NonPagedPool, 10);
    CHECK(block != NULL);
    ExFreePool(block);
}

static volatile LONG DpcRuns;

DPC_ROUTINE(CountInContext)
{
    InterlockedIncrement((volatile LONG *)Context);
    InterlockedIncrement(&DpcRuns);
}

/* Kernel objects and a routine's context in nonpaged pool. */
TEST(T_POOL_11__S_37__S_38)
{
    struct {
        KTIMER Timer;
        KDPC Dpc;
        KSPIN_LOCK Lock;
        volatile LONG Context;
    } *objects = ExAllocatePoolWithTag(NonPagedPool, sizeof(*objects), KT_TAG);
    KIRQL oldIrql;

    if (!CHECK(objects != NULL))
        return;
    KtPoison(objects);
    objects->Context = DpcRuns = 0;
    KeInitializeSpinLock(&objects->Lock);
    KeInitializeDpc(&objects->Dpc, CountInContext, (PVOID)&objects->Context);
    KeInitializeTimer(&objects->Timer);
    KeAcquireSpinLock(&objects->Lock, &oldIrql);
    KeReleaseSpinLock(&objects->Lock, oldIrql);
    KeSetTimer(&objects->Timer, KtIn(MILLISECONDS(1)), &objects->Dpc);
    CHECK(KtSleepUntil(&DpcRuns, 1));
    CHECK_EQUAL(objects->Context, 1);
    KeFlushQueuedDpcs();
    ExFreePoolWithTag(objects, KT_TAG);
}

TEST(T_POOL_12)
{
    MM_INFORMATION before, after;
    PVOID paged;

    MmQueryInformation(&before);
    paged = ExAllocatePoolWithTag(PagedPool, 777, KT_TAG);
    MmQueryInformation(&after);
    CHECK_EQUAL(after.PoolBytes[1], before.PoolBytes[1] + 777); /* a type of its own */
    CHECK_EQUAL(after.PoolBytes[0], before.PoolBytes[0]);
    CHECK_EQUAL(after.PoolBlocks[1], before.PoolBlocks[1] + 1);
    ExFreePoolWithTag(paged, KT_TAG);
}

/* ---- from all processors ---- */

#define HELD 16

PARALLEL_ROUTINE(AllocateAndFree)
{
    UCHAR *held[HELD] = {NULL};
    USHORT sizes[HELD];
    UCHAR mark = (UCHAR)(Processor + 1);

    for (ULONG i = 0; i < 600; i++) {
        ULONG n = KtRandom(HELD);

        if (held[n]) {
            CHECK(IsFilledWith(held[n], sizes[n], mark));
            ExFreePoolWithTag(held[n], KT_TAG);
            held[n] = NULL;
        } else {
            sizes[n] = (USHORT)(1 + KtRandom(KtRandom(2) ? 200 : 6000));
            held[n] = ExAllocatePoolWithTag(NonPagedPool, sizes[n], KT_TAG);
            if (held[n])
                memset(held[n], mark, sizes[n]);
        }
    }
    for (ULONG n = 0; n < HELD; n++)
        if (held[n])
            ExFreePoolWithTag(held[n], KT_TAG);
}

TEST(T_POOL_1_from_all_processors)
{
    KtRunOnAll(AllocateAndFree, NULL);
    CHECK_IRQL(PASSIVE_LEVEL);
}
