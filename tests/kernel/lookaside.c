/* pool.md: lookaside lists. */
#define SUITE "lookaside"
#include "suite.h"

#define ENTRY_SIZE 96

static NPAGED_LOOKASIDE_LIST List;
static PAGED_LOOKASIDE_LIST PagedList;
static LOOKASIDE_LIST_EX ExList;
static volatile LONG Allocated, Freed;

static PVOID CountingAllocate(POOL_TYPE PoolType, SIZE_T NumberOfBytes, ULONG Tag)
{
    InterlockedIncrement(&Allocated);
    return ExAllocatePoolWithTag(PoolType, NumberOfBytes, Tag);
}

static VOID CountingFree(PVOID Buffer)
{
    InterlockedIncrement(&Freed);
    ExFreePool(Buffer);
}

static PVOID CountingAllocateEx(POOL_TYPE PoolType, SIZE_T NumberOfBytes, ULONG Tag,
                                PLOOKASIDE_LIST_EX Lookaside)
{
    CHECK_EQUAL(Lookaside, &ExList);
    return CountingAllocate(PoolType, NumberOfBytes, Tag);
}

static VOID CountingFreeEx(PVOID Buffer, PLOOKASIDE_LIST_EX Lookaside)
{
    CHECK_EQUAL(Lookaside, &ExList);
    CountingFree(Buffer);
}

static SIZE_T TaggedBlocks(VOID)
{
    SIZE_T blocks, bytes;

    ExQueryPoolTag(KT_TAG, &blocks, &bytes);
    return blocks;
}

static VOID PrepareList(VOID)
{
    KtPoison(&List);
    Allocated = Freed = 0;
    ExInitializeNPagedLookasideList(&List, CountingAllocate, CountingFree, 0, ENTRY_SIZE, KT_TAG,
                                    0);
}

TEST(T_LL_1)
{
    for (KIRQL level = PASSIVE_LEVEL; level <= DISPATCH_LEVEL; level++)
        AT_IRQL(level)
        {
            PVOID entry;

            PrepareList();
            CHECK_EQUAL(Allocated, 0); /* initialization allocates no entry */
            CHECK_EQUAL(TaggedBlocks(), 0);
            CHECK_EQUAL((ULONG_PTR)&List % 16, 0);
            entry = ExAllocateFromNPagedLookasideList(&List);
            CHECK(entry != NULL);
            memset(entry, POISON, ENTRY_SIZE);
            ExFreeToNPagedLookasideList(&List, entry);
            ExDeleteNPagedLookasideList(&List);
            CHECK_EQUAL(TaggedBlocks(), 0);
        }
}

TEST(T_LL_1_smallest_entry)
{
    PVOID entry;

    KtPoison(&List);
    ExInitializeNPagedLookasideList(&List, NULL, NULL, 0, LOOKASIDE_MINIMUM_BLOCK_SIZE, KT_TAG, 0);
    entry = ExAllocateFromNPagedLookasideList(&List);
    CHECK(entry != NULL);
    ExFreeToNPagedLookasideList(&List, entry);
    ExDeleteNPagedLookasideList(&List);
}

TEST(T_LL_2)
{
    PVOID a, b, c;

    PrepareList();
    a = ExAllocateFromNPagedLookasideList(&List);
    b = ExAllocateFromNPagedLookasideList(&List);
    c = ExAllocateFromNPagedLookasideList(&List);
    CHECK(a && b && c && a != b && b != c && a != c);
    CHECK_EQUAL(Allocated, 3); /* the list was empty */
    ExFreeToNPagedLookasideList(&List, a);
    ExFreeToNPagedLookasideList(&List, b);
    ExFreeToNPagedLookasideList(&List, c);
    CHECK_EQUAL(Freed, 0);
    CHECK_EQUAL(ExAllocateFromNPagedLookasideList(&List), c); /* the last freed is the first */
    CHECK_EQUAL(ExAllocateFromNPagedLookasideList(&List), b);
    CHECK_EQUAL(ExAllocateFromNPagedLookasideList(&List), a);
    CHECK_EQUAL(Allocated, 3);
    ExFreeToNPagedLookasideList(&List, a);
    ExFreeToNPagedLookasideList(&List, b);
    ExFreeToNPagedLookasideList(&List, c);
    ExDeleteNPagedLookasideList(&List);
    CHECK_EQUAL(Freed, 3);
}

#define MANY 2000

/* Beyond its maximum the list gives entries back. */
TEST(T_LL_2_maximum)
{
    static PVOID entries[MANY];

    PrepareList();
    for (ULONG i = 0; i < MANY; i++) {
        entries[i] = ExAllocateFromNPagedLookasideList(&List);
        CHECK(entries[i] != NULL);
    }
    for (ULONG i = 0; i < MANY; i++)
        if (entries[i])
            ExFreeToNPagedLookasideList(&List, entries[i]);
    CHECK(Freed > 0);    /* not all of them are kept */
    CHECK(Freed < MANY); /* but some are */
    ExDeleteNPagedLookasideList(&List);
    CHECK_EQUAL(Freed, MANY);
    CHECK_EQUAL(Allocated, MANY);
}

static PVOID FailingAllocate(POOL_TYPE PoolType, SIZE_T NumberOfBytes, ULONG Tag)
{
    UNREFERENCED_PARAMETER(PoolType);
    UNREFERENCED_PARAMETER(NumberOfBytes);
    UNREFERENCED_PARAMETER(Tag);
    return NULL;
}

TEST(T_LL_2_no_memory)
{
    KtPoison(&List);
    ExInitializeNPagedLookasideList(&List, FailingAllocate, NULL, 0, ENTRY_SIZE, KT_TAG, 0);
    CHECK_EQUAL(ExAllocateFromNPagedLookasideList(&List), NULL);
    ExDeleteNPagedLookasideList(&List);
}

/* An entry's first 16 bytes belong to the list while it is free; after them, its owner's count. */
typedef struct _OWNED {
    ULONG64 Link[2];
    volatile LONG Owners;
} OWNED;

PARALLEL_ROUTINE(UseList)
{
    for (ULONG i = 0; i < 1500; i++) {
        OWNED *entry = ExAllocateFromNPagedLookasideList(&List);

        if (!CHECK(entry != NULL))
            return;
        InterlockedExchange(&entry->Owners, 1);
        KtJitter(20);
        CHECK_EQUAL(InterlockedExchange(&entry->Owners, 0), 1); /* nobody else had it */
        ExFreeToNPagedLookasideList(&List, entry);
    }
}

TEST(T_LL_3)
{
    PrepareList();
    KtRunOnAll(UseList, NULL);
    ExDeleteNPagedLookasideList(&List);
    CHECK_EQUAL(Allocated, Freed);
    CHECK_EQUAL(TaggedBlocks(), 0);
}

TEST(T_LL_4)
{
    PVOID entries[5];

    PrepareList();
    for (ULONG i = 0; i < 5; i++)
        entries[i] = ExAllocateFromNPagedLookasideList(&List);
    for (ULONG i = 0; i < 5; i++)
        ExFreeToNPagedLookasideList(&List, entries[i]);
    CHECK_EQUAL(TaggedBlocks(), 5);
    ExDeleteNPagedLookasideList(&List); /* frees what it holds */
    CHECK_EQUAL(Freed, 5);
    CHECK_EQUAL(TaggedBlocks(), 0);
    PrepareList(); /* after the deletion it can be made again */
    ExDeleteNPagedLookasideList(&List);
}

TEST(T_LL_2_paged)
{
    PVOID entry, again;

    KtPoison(&PagedList);
    Allocated = Freed = 0;
    ExInitializePagedLookasideList(&PagedList, CountingAllocate, CountingFree, 0, ENTRY_SIZE,
                                   KT_TAG, 0);
    AT_IRQL(APC_LEVEL)
    {
        entry = ExAllocateFromPagedLookasideList(&PagedList);
        CHECK(entry != NULL);
        ExFreeToPagedLookasideList(&PagedList, entry);
        again = ExAllocateFromPagedLookasideList(&PagedList);
        CHECK_EQUAL(again, entry);
        ExFreeToPagedLookasideList(&PagedList, again);
    }
    CHECK_EQUAL(Allocated, 1);
    ExDeletePagedLookasideList(&PagedList);
    CHECK_EQUAL(Freed, 1);
}

TEST(T_LL_5)
{
    PVOID entries[4];

    KtPoison(&ExList);
    CHECK_EQUAL(ExInitializeLookasideListEx(&ExList, NULL, NULL, (POOL_TYPE)0x7777, 0, ENTRY_SIZE,
                                            KT_TAG, 0),
                STATUS_INVALID_PARAMETER_4);
    CHECK_EQUAL(
        ExInitializeLookasideListEx(&ExList, NULL, NULL, NonPagedPool, 0x80, ENTRY_SIZE, KT_TAG, 0),
        STATUS_INVALID_PARAMETER_5);
    Allocated = Freed = 0;
    CHECK_EQUAL(ExInitializeLookasideListEx(&ExList, CountingAllocateEx, CountingFreeEx,
                                            NonPagedPool, 0, ENTRY_SIZE, KT_TAG, 0),
                STATUS_SUCCESS);
    AT_IRQL(DISPATCH_LEVEL)
    {
        for (ULONG i = 0; i < 4; i++) {
            entries[i] = ExAllocateFromLookasideListEx(&ExList);
            CHECK(entries[i] != NULL);
        }
        for (ULONG i = 0; i < 4; i++)
            ExFreeToLookasideListEx(&ExList, entries[i]);
        CHECK_EQUAL(Freed, 0);
        ExFlushLookasideListEx(&ExList); /* empties the list */
        CHECK_EQUAL(Freed, 4);
        CHECK_EQUAL(TaggedBlocks(), 0);
        entries[0] = ExAllocateFromLookasideListEx(&ExList); /* and it goes on */
        CHECK_EQUAL(Allocated, 5);
        ExFreeToLookasideListEx(&ExList, entries[0]);
    }
    ExDeleteLookasideListEx(&ExList);
    CHECK_EQUAL(Freed, 5);
}
