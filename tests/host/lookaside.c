/* sources: kernel/ex/lookaside.c kernel/ex/lookasideex.c kernel/ex/lookasidecore.c kernel/ex/pages.c kernel/ex/pool.c kernel/ex/poolflags.c kernel/ex/poolblock.c kernel/ex/poolcheck.c kernel/ex/poolreport.c kernel/ex/pooltag.c kernel/ex/interlocked.c kernel/ex/slist.c kernel/ke/spinlock.c tests/host/support/support.c tests/host/support/memory.c */
/* Lookaside lists of the three kinds over the real pool. */
#include "support/support.h"
#include "support/memory.h"
#include "ex.h"

#define PAGES 256
#define TAG   0x6B6F6F4Cu /* "Look" */
#define BYTES 200

static NPAGED_LOOKASIDE_LIST NonPaged;
static PAGED_LOOKASIDE_LIST Paged;
static LOOKASIDE_LIST_EX Extended;

static ULONG Allocations, Frees;
static PVOID LastLookaside;

static int Start(void **State)
{
    const HOST_RANGE all = {1, PAGES - 1, BootMemoryFree};

    (void)State;
    HostStartPages(PAGES, &all, 1);
    ExInitializePool();
    HostIrql = PASSIVE_LEVEL;
    memset(&NonPaged, 0x55, sizeof(NonPaged));
    memset(&Paged, 0x55, sizeof(Paged));
    memset(&Extended, 0x55, sizeof(Extended));
    Allocations = Frees = 0;
    return 0;
}

static SIZE_T BlocksInUse(VOID)
{
    SIZE_T blocks, bytes;

    ExQueryPoolTag(TAG, &blocks, &bytes);
    assert_int_equal(bytes, blocks * BYTES);
    return blocks;
}

/* ---- T-LL-2: order, reuse, bound ---- */

static void TheEntryFreedLastComesFirst(void **State)
{
    PVOID first, second;

    (void)State;
    ExInitializeNPagedLookasideList(&NonPaged, NULL, NULL, 0, BYTES, TAG, 0);
    assert_int_equal(BlocksInUse(), 0);
    first = ExAllocateFromNPagedLookasideList(&NonPaged);
    second = ExAllocateFromNPagedLookasideList(&NonPaged);
    memset(first, 0x77, BYTES);
    ExFreeToNPagedLookasideList(&NonPaged, first);
    ExFreeToNPagedLookasideList(&NonPaged, second);
    assert_int_equal(BlocksInUse(), 2);
    assert_ptr_equal(ExAllocateFromNPagedLookasideList(&NonPaged), second);
    assert_ptr_equal(ExAllocateFromNPagedLookasideList(&NonPaged), first);
    assert_int_equal(NonPaged.L.TotalAllocates, 4);
    assert_int_equal(NonPaged.L.AllocateMisses, 2);
    ExFreeToNPagedLookasideList(&NonPaged, first);
    ExFreeToNPagedLookasideList(&NonPaged, second);
    ExDeleteNPagedLookasideList(&NonPaged);
    assert_int_equal(BlocksInUse(), 0);
}

/* As many entries as the depth says stay; the others go back to the pool. T-LL-4: delete. */
static void TheListKeepsABoundedNumber(void **State)
{
    PVOID entries[100];

    (void)State;
    ExInitializePagedLookasideList(&Paged, NULL, NULL, 0, BYTES, TAG, 0);
    for (ULONG i = 0; i < ARRAYSIZE(entries); i++)
        entries[i] = ExAllocateFromPagedLookasideList(&Paged);
    for (ULONG i = 0; i < ARRAYSIZE(entries); i++)
        ExFreeToPagedLookasideList(&Paged, entries[i]);
    assert_int_equal(BlocksInUse(), Paged.L.Depth);
    assert_int_equal(ExQueryDepthSList(&Paged.L.ListHead), Paged.L.Depth);
    assert_int_equal(Paged.L.TotalFrees, 100);
    assert_int_equal(Paged.L.FreeMisses, 100 - Paged.L.Depth);
    ExDeletePagedLookasideList(&Paged);
    assert_int_equal(BlocksInUse(), 0);
}

/* ---- callbacks ---- */

static PVOID AllocateEntry(POOL_TYPE PoolType, SIZE_T NumberOfBytes, ULONG Tag)
{
    assert_int_equal(PoolType, NonPagedPool);
    Allocations++;
    return Allocations > 2 ? NULL : ExAllocatePoolWithTag(PoolType, NumberOfBytes, Tag);
}

static VOID FreeEntry(PVOID Buffer)
{
    Frees++;
    ExFreePool(Buffer);
}

static void CallbacksAreUsed(void **State)
{
    PVOID first, second;

    (void)State;
    ExInitializeNPagedLookasideList(&NonPaged, AllocateEntry, FreeEntry, 0, BYTES, TAG, 0);
    first = ExAllocateFromNPagedLookasideList(&NonPaged);
    second = ExAllocateFromNPagedLookasideList(&NonPaged);
    assert_null(ExAllocateFromNPagedLookasideList(&NonPaged));
    ExFreeToNPagedLookasideList(&NonPaged, first);
    ExFreeToNPagedLookasideList(&NonPaged, second);
    assert_int_equal(Frees, 0);
    ExDeleteNPagedLookasideList(&NonPaged);
    assert_int_equal(Allocations, 3);
    assert_int_equal(Frees, 2);
}

static PVOID AllocateEntryEx(POOL_TYPE PoolType, SIZE_T NumberOfBytes, ULONG Tag,
                             PLOOKASIDE_LIST_EX Lookaside)
{
    Allocations++;
    LastLookaside = Lookaside;
    return ExAllocatePoolWithTag(PoolType, NumberOfBytes, Tag);
}

static VOID FreeEntryEx(PVOID Buffer, PLOOKASIDE_LIST_EX Lookaside)
{
    Frees++;
    LastLookaside = Lookaside;
    ExFreePool(Buffer);
}

static NTSTATUS InitializeEx(POOL_TYPE PoolType, ULONG Flags)
{
    return ExInitializeLookasideListEx(&Extended, AllocateEntryEx, FreeEntryEx, PoolType, Flags,
                                       BYTES, TAG, 0);
}

/* T-LL-5 */
static void ExtendedListsKnowThemselves(void **State)
{
    PVOID entry;

    (void)State;
    assert_int_equal(InitializeEx(PagedPool, 0), STATUS_SUCCESS);
    entry = ExAllocateFromLookasideListEx(&Extended);
    assert_ptr_equal(LastLookaside, &Extended);
    ExFreeToLookasideListEx(&Extended, entry);
    assert_ptr_equal(ExAllocateFromLookasideListEx(&Extended), entry);
    ExFreeToLookasideListEx(&Extended, entry);
    assert_int_equal(Allocations, 1);
    assert_int_equal(Frees, 0);

    LastLookaside = NULL;
    ExFlushLookasideListEx(&Extended);
    assert_int_equal(Frees, 1);
    assert_ptr_equal(LastLookaside, &Extended);
    assert_int_equal(ExQueryDepthSList(&Extended.L.ListHead), 0);
    entry = ExAllocateFromLookasideListEx(&Extended);
    ExFreeToLookasideListEx(&Extended, entry);
    ExDeleteLookasideListEx(&Extended);
    assert_int_equal(Frees, 2);
    assert_int_equal(BlocksInUse(), 0);
}

static void ExtendedListsCheckTheirParameters(void **State)
{
    (void)State;
    assert_int_equal(InitializeEx((POOL_TYPE)77, 0), STATUS_INVALID_PARAMETER_4);
    assert_int_equal(InitializeEx(NonPagedPool, 3), STATUS_INVALID_PARAMETER_5);
    assert_int_equal(InitializeEx(NonPagedPool, 4), STATUS_INVALID_PARAMETER_5);
    assert_int_equal(InitializeEx(NonPagedPoolNx, EX_LOOKASIDE_LIST_EX_FLAGS_FAIL_NO_RAISE),
                     STATUS_SUCCESS);
    ExDeleteLookasideListEx(&Extended);
    assert_int_equal(InitializeEx(NonPagedPoolNx, EX_LOOKASIDE_LIST_EX_FLAGS_RAISE_ON_FAIL),
                     STATUS_SUCCESS);
    ExpFailEvery = 1;
    EXPECT_BUGCHECK(KMODE_EXCEPTION_NOT_HANDLED, STATUS_INSUFFICIENT_RESOURCES,
                    ExAllocateFromLookasideListEx(&Extended));
    ExpFailEvery = 0;
    ExDeleteLookasideListEx(&Extended);

    assert_int_equal(
        ExInitializeLookasideListEx(&Extended, NULL, NULL, NonPagedPool, 0, BYTES, TAG, 0),
        STATUS_SUCCESS);
    ExFreeToLookasideListEx(&Extended, ExAllocateFromLookasideListEx(&Extended));
    ExDeleteLookasideListEx(&Extended);
    assert_int_equal(BlocksInUse(), 0);
}

/* ---- errors ---- */

/* T-LL-1, T-LL-4 */
static void MisuseIsReported(void **State)
{
    (void)State;
    EXPECT_BUGCHECK(DRIVER_VERIFIER_DETECTED_VIOLATION, 0xCD,
                    ExInitializeNPagedLookasideList(&NonPaged, NULL, NULL, 0, 7, TAG, 0));
    ASSERT_PARAMETERS(&NonPaged, 7, LOOKASIDE_MINIMUM_BLOCK_SIZE);
    EXPECT_BUGCHECK(DRIVER_VERIFIER_DETECTED_VIOLATION, 0xCB,
                    ExDeleteNPagedLookasideList(&NonPaged));
    assert_int_equal(HostBugCheck.Parameters[1], (ULONG_PTR)&NonPaged);

    ExInitializeNPagedLookasideList(&NonPaged, NULL, NULL, 0, 8, TAG, 0);
    EXPECT_BUGCHECK(DRIVER_VERIFIER_DETECTED_VIOLATION, 0xCA,
                    ExInitializeNPagedLookasideList(&NonPaged, NULL, NULL, 0, 8, TAG, 0));
    assert_int_equal(HostBugCheck.Parameters[1], (ULONG_PTR)&NonPaged);
    ExDeleteNPagedLookasideList(&NonPaged);
    EXPECT_BUGCHECK(DRIVER_VERIFIER_DETECTED_VIOLATION, 0xCB,
                    ExDeleteNPagedLookasideList(&NonPaged));
}

static void IrqlsAreChecked(void **State)
{
    PVOID entry;

    (void)State;
    ExInitializePagedLookasideList(&Paged, NULL, NULL, 0, BYTES, TAG, 0);
    ExInitializeNPagedLookasideList(&NonPaged, NULL, NULL, 0, BYTES, TAG, 0);
    HostIrql = DISPATCH_LEVEL;
    entry = ExAllocateFromNPagedLookasideList(&NonPaged);
    EXPECT_BUGCHECK(DRIVER_VERIFIER_DETECTED_VIOLATION, RULE_IRQL_EX_APC_LTE,
                    ExAllocateFromPagedLookasideList(&Paged));
    EXPECT_BUGCHECK(DRIVER_VERIFIER_DETECTED_VIOLATION, RULE_IRQL_EX_APC_LTE,
                    ExFreeToPagedLookasideList(&Paged, entry));
    EXPECT_BUGCHECK(DRIVER_VERIFIER_DETECTED_VIOLATION, RULE_IRQL_EX_APC_LTE,
                    ExDeletePagedLookasideList(&Paged));
    HostIrql = CLOCK_LEVEL;
    EXPECT_BUGCHECK(DRIVER_VERIFIER_DETECTED_VIOLATION, RULE_IRQL_EX_ALLOCATE_POOL,
                    ExAllocateFromNPagedLookasideList(&NonPaged));
    EXPECT_BUGCHECK(DRIVER_VERIFIER_DETECTED_VIOLATION, RULE_IRQL_EX_ALLOCATE_POOL,
                    ExFreeToNPagedLookasideList(&NonPaged, entry));
    EXPECT_BUGCHECK(DRIVER_VERIFIER_DETECTED_VIOLATION, RULE_IRQL_EX_ALLOCATE_POOL,
                    ExDeleteNPagedLookasideList(&NonPaged));
    HostIrql = PASSIVE_LEVEL;
    ExFreeToNPagedLookasideList(&NonPaged, entry);
    ExDeleteNPagedLookasideList(&NonPaged);
    ExDeletePagedLookasideList(&Paged);
    assert_int_equal(BlocksInUse(), 0);
}

#define TEST(name) cmocka_unit_test_setup(name, Start)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(TheEntryFreedLastComesFirst),
        TEST(TheListKeepsABoundedNumber),
        TEST(CallbacksAreUsed),
        TEST(ExtendedListsKnowThemselves),
        TEST(ExtendedListsCheckTheirParameters),
        TEST(MisuseIsReported),
        TEST(IrqlsAreChecked),
    };

    return cmocka_run_group_tests_name("lookaside", tests, NULL, NULL);
}
