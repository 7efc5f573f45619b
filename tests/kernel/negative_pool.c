/*
 * Errors of pool.md. Most have two documented codes, 0xC2 and the verifier's 0xC4; either is
 * right. After the jump back the block is as it was, and is freed properly.
 */
#define SUITE "negative.pool"
#include "suite.h"

/* The latest bug check: 0xC2 with P1 = Caller, or 0xC4 with P1 = Verifier. */
static BOOLEAN IsEither(ULONG64 Caller, ULONG64 Verifier)
{
    const KT_BUGCHECK *seen = KtLastBugCheck();

    return (seen->Code == 0xC2 && seen->Parameters[0] == Caller) ||
           (seen->Code == 0xC4 && seen->Parameters[0] == Verifier);
}

static PVOID Allocate(SIZE_T Bytes)
{
    PVOID block = ExAllocatePoolWithTag(NonPagedPool, Bytes, KT_TAG);

    CHECK(block != NULL);
    return block;
}

TEST(T_POOL_6_paged_at_dispatch_level)
{
    for (KIRQL level = DISPATCH_LEVEL; level <= HIGH_LEVEL; level++)
        AT_IRQL(level)
        {
            EXPECT_BUGCHECK(ANY, ANY, level, PagedPool, 123)
            {
                ExAllocatePoolWithTag(PagedPool, 123, KT_TAG);
            }
            CHECK(IsEither(0x08, 0x01));
            EXPECT_BUGCHECK(ANY, ANY, level, ANY, 123)
            {
                ExAllocatePool2(POOL_FLAG_PAGED, 123, KT_TAG);
            }
            CHECK(IsEither(0x08, 0x01));
        }
}

TEST(T_POOL_6_nonpaged_above_dispatch_level)
{
    for (KIRQL level = DISPATCH_LEVEL + 1; level <= HIGH_LEVEL; level++)
        AT_IRQL(level)
        {
            EXPECT_BUGCHECK(ANY, ANY, level, NonPagedPool, 4567)
            {
                ExAllocatePoolWithTag(NonPagedPool, 4567, KT_TAG);
            }
            CHECK(IsEither(0x08, 0x02));
        }
}

TEST(T_POOL_7_irql__T_POOL_12)
{
    PVOID paged = ExAllocatePoolWithTag(PagedPool, 50, KT_TAG), nonpaged = Allocate(50);

    for (KIRQL level = DISPATCH_LEVEL; level <= HIGH_LEVEL; level++)
        AT_IRQL(level)
        {
            EXPECT_BUGCHECK(ANY, ANY, level, ANY, paged)
            {
                ExFreePoolWithTag(paged, KT_TAG);
            }
            CHECK(IsEither(0x09, 0x11));
            if (level > DISPATCH_LEVEL) {
                EXPECT_BUGCHECK(ANY, ANY, level, ANY, nonpaged)
                {
                    ExFreePool(nonpaged);
                }
                CHECK(IsEither(0x09, 0x12));
            }
        }
    ExFreePoolWithTag(paged, KT_TAG);
    ExFreePoolWithTag(nonpaged, KT_TAG);
}

TEST(T_POOL_7_twice)
{
    static const SIZE_T sizes[] = {1, 40, 500, 2000, 3000, 4096, 100000};

    for (ULONG i = 0; i < ARRAYSIZE(sizes); i++) {
        PVOID block = Allocate(sizes[i]);
        const KT_BUGCHECK *seen;

        ExFreePoolWithTag(block, KT_TAG);
        EXPECT_BUGCHECK(ANY, ANY, ANY, ANY, ANY)
        {
            ExFreePoolWithTag(block, KT_TAG);
        }
        seen = KtLastBugCheck();
        CHECK(IsEither(0x07, 0x13) || IsEither(0x06, 0x14) ||
              (sizes[i] > 2032 && seen->Code == 0xC2)); /* its page may belong to nobody now */
    }
}

TEST(T_POOL_7_wrong_tag)
{
    static const SIZE_T sizes[] = {24, 5000};

    for (ULONG i = 0; i < 2; i++) {
        PVOID block = Allocate(sizes[i]);

        EXPECT_BUGCHECK(0xC2, 0x0A, block, KT_TAG, 0x67617457)
        {
            ExFreePoolWithTag(block, 0x67617457);
        }
        ExFreePoolWithTag(block, KT_TAG);
    }
}

/* Never allocated: one of the kinds for bad addresses. */
static VOID FreeBadAddress(PVOID Address)
{
    static const UCHAR kinds[] = {0x40, 0x41, 0x42, 0x43, 0x44, 0x46, 0x47, 0x48, 0x50, 0x99};
    const KT_BUGCHECK *seen;
    BOOLEAN known = FALSE;

    EXPECT_BUGCHECK(ANY, ANY, ANY, ANY, ANY)
    {
        ExFreePool(Address);
    }
    seen = KtLastBugCheck();
    for (ULONG i = 0; i < sizeof(kinds); i++)
        if (seen->Code == 0xC2 && seen->Parameters[0] == kinds[i])
            known = TRUE;
    if (!known && !(seen->Code == 0xC4 && seen->Parameters[0] == 0x16) && seen->Code != 0x19) {
        CHECK_EQUAL(Address, seen->Parameters[0]); /* shows both */
        CHECK_EQUAL(seen->Code, 0xC2);
    }
}

TEST(T_POOL_7_never_allocated)
{
    static UCHAR inTheImage[64] DECLSPEC_ALIGN(16);
    UCHAR onTheStack[64] DECLSPEC_ALIGN(16);
    UCHAR *block = Allocate(200), *large = Allocate(20000);

    memset(onTheStack, POISON, sizeof(onTheStack));
    memset(block, POISON, 200); /* no headers of earlier blocks */
    memset(large, POISON, 20000);
    FreeBadAddress(inTheImage);
    FreeBadAddress(onTheStack);
    FreeBadAddress((PVOID)(ULONG_PTR)FreeBadAddress);
    FreeBadAddress((PVOID)0x10000); /* a user-mode address */
    FreeBadAddress(NULL);
    FreeBadAddress((PVOID)0xFFFFE00012345000ULL); /* not mapped */
    FreeBadAddress(block + 16);                   /* in the middle */
    FreeBadAddress(block + 1);
    FreeBadAddress(large + PAGE_SIZE);
    FreeBadAddress(large + 16);
    ExFreePoolWithTag(block, KT_TAG);
    ExFreePoolWithTag(large, KT_TAG);
}

TEST(T_POOL_8)
{
    EXPECT_BUGCHECK(ANY, ANY, ANY, ANY, ANY)
    {
        ExAllocatePoolWithTag(NonPagedPool, 0, KT_TAG);
    }
    CHECK(IsEither(0x00, 0x00));
    CHECK_EQUAL(ExAllocatePool2(POOL_FLAG_NON_PAGED, 0, KT_TAG), NULL);
}

TEST(T_POOL_5_bad_tags)
{
    EXPECT_BUGCHECK(0xC2, 0x9B, ANY, ANY, ANY)
    {
        ExAllocatePoolWithTag(NonPagedPool, 16, 0);
    }
    EXPECT_BUGCHECK(0xC2, 0x9D, ANY, ANY, ANY)
    {
        ExAllocatePoolWithTag(NonPagedPool, 16, 0x2D2D2D2D); /* "----" */
    }
}

/* A byte behind the block's end, found when it is freed. */
TEST(T_POOL_10_overrun)
{
    static const SIZE_T sizes[] = {1, 15, 16, 17, 32, 100, 1000, 2032, 3000, 4000};

    for (ULONG i = 0; i < ARRAYSIZE(sizes); i++) {
        UCHAR *block = Allocate(sizes[i]), saved = block[sizes[i]];
        const KT_BUGCHECK *seen;

        block[sizes[i]] = (UCHAR)~saved;
        EXPECT_BUGCHECK(ANY, ANY, ANY, ANY, ANY)
        {
            ExFreePoolWithTag(block, KT_TAG);
        }
        seen = KtLastBugCheck();
        CHECK(seen->Code == 0x19 ||
              (seen->Code == 0xC4 && seen->Parameters[0] >= 0x51 && seen->Parameters[0] <= 0x59));
        block[sizes[i]] = saved;
        ExFreePoolWithTag(block, KT_TAG);
    }
}

TEST(T_POOL_10_header)
{
    for (ULONG offset = 1; offset <= 16; offset++) {
        UCHAR *block = Allocate(64), saved = block[-(LONG)offset];
        const KT_BUGCHECK *seen;

        block[-(LONG)offset] = (UCHAR)~saved;
        EXPECT_BUGCHECK(ANY, ANY, ANY, ANY, ANY)
        {
            ExFreePool(block);
        }
        seen = KtLastBugCheck();
        CHECK(seen->Code == 0x19 || seen->Code == 0xC2 ||
              (seen->Code == 0xC4 && seen->Parameters[0] >= 0x51 && seen->Parameters[0] <= 0x59));
        block[-(LONG)offset] = saved;
        ExFreePoolWithTag(block, KT_TAG);
    }
}

/* There is nobody to handle the exception that a failing allocation raises. */
TEST(T_POOL_3_raise_on_failure)
{
    EXPECT_BUGCHECK(0x1E, (ULONG_PTR)(LONG64)STATUS_INSUFFICIENT_RESOURCES, ANY, ANY, ANY)
    {
        ExAllocatePool2(POOL_FLAG_NON_PAGED | POOL_FLAG_RAISE_ON_FAILURE, (SIZE_T)1 << 60, KT_TAG);
    }
}

/* ---- lookaside lists ---- */

static NPAGED_LOOKASIDE_LIST List;
static PAGED_LOOKASIDE_LIST PagedList;

TEST(T_LL_1)
{
    memset(&List, 0, sizeof(List));
    EXPECT_BUGCHECK(0xC4, 0xCD, ANY, ANY, ANY)
    {
        ExInitializeNPagedLookasideList(&List, NULL, NULL, 0, LOOKASIDE_MINIMUM_BLOCK_SIZE - 1,
                                        KT_TAG, 0);
    }
}

TEST(T_LL_4)
{
    memset(&List, 0, sizeof(List));
    EXPECT_BUGCHECK(0xC4, 0xCB, ANY, ANY, ANY)
    {
        ExDeleteNPagedLookasideList(&List);
    }
    ExInitializeNPagedLookasideList(&List, NULL, NULL, 0, 64, KT_TAG, 0);
    EXPECT_BUGCHECK(0xC4, 0xCA, ANY, ANY, ANY)
    {
        ExInitializeNPagedLookasideList(&List, NULL, NULL, 0, 64, KT_TAG, 0);
    }
    ExDeleteNPagedLookasideList(&List);
}

TEST(T_POOL_9_active_lookaside)
{
    PNPAGED_LOOKASIDE_LIST list = ExAllocatePoolWithTag(NonPagedPool, sizeof(*list), KT_TAG);

    ExInitializeNPagedLookasideList(list, NULL, NULL, 0, 64, KT_TAG, 0);
    EXPECT_BUGCHECK(0xC4, 0xCC, ANY, ANY, ANY)
    {
        ExFreePoolWithTag(list, KT_TAG);
    }
    ExDeleteNPagedLookasideList(list);
    ExFreePoolWithTag(list, KT_TAG);
}

TEST(T_LL_2_irql)
{
    PVOID entry;

    memset(&List, 0, sizeof(List));
    memset(&PagedList, 0, sizeof(PagedList));
    ExInitializeNPagedLookasideList(&List, NULL, NULL, 0, 64, KT_TAG, 0);
    ExInitializePagedLookasideList(&PagedList, NULL, NULL, 0, 64, KT_TAG, 0);
    entry = ExAllocateFromPagedLookasideList(&PagedList);
    AT_IRQL(DISPATCH_LEVEL)
    {
        EXPECT_BUGCHECK(0xC4, ANY, DISPATCH_LEVEL, ANY, ANY)
        {
            ExAllocateFromPagedLookasideList(&PagedList);
        }
        EXPECT_BUGCHECK(0xC4, ANY, DISPATCH_LEVEL, ANY, ANY)
        {
            ExFreeToPagedLookasideList(&PagedList, entry);
        }
    }
    AT_IRQL(3)
    {
        EXPECT_BUGCHECK(0xC4, ANY, 3, ANY, ANY)
        {
            ExAllocateFromNPagedLookasideList(&List);
        }
    }
    ExFreeToPagedLookasideList(&PagedList, entry);
    ExDeletePagedLookasideList(&PagedList);
    ExDeleteNPagedLookasideList(&List);
}
