/* Faults: T-IRQL-ERR-2, T-IRQL-3, and other processor exceptions. */
#define SUITE "negative.fault"
#include "suite.h"
#include "testdriver.h"

#define NO_ADDRESS ((volatile UCHAR *)0xFFFFE00012345000ULL)

static volatile UCHAR *Unmapped(VOID)
{
    CHECK(!ArchIsAddressMapped((PVOID)NO_ADDRESS));
    return NO_ADDRESS;
}

TEST(T_IRQL_ERR_2__T_IRQL_3_read)
{
    volatile UCHAR *address = Unmapped();

    for (KIRQL level = PASSIVE_LEVEL; level <= APC_LEVEL; level++)
        AT_IRQL(level)
        {
            EXPECT_BUGCHECK(0x50, address, 0, KtReadByte, ANY)
            {
                KtReadByte(address);
            }
        }
    for (KIRQL level = DISPATCH_LEVEL; level <= HIGH_LEVEL; level++)
        AT_IRQL(level)
        {
            EXPECT_BUGCHECK(0xA, address, level, 0, KtReadByte)
            {
                KtReadByte(address);
            }
            CHECK_EQUAL(KtLastBugCheck()->Irql, level);
        }
}

TEST(T_IRQL_ERR_2_write)
{
    volatile UCHAR *address = Unmapped();

    EXPECT_BUGCHECK(0x50, address, 2, KtWriteByte, ANY)
    {
        KtWriteByte(address, 1);
    }
    AT_IRQL(DISPATCH_LEVEL)
    {
        EXPECT_BUGCHECK(0xA, address, DISPATCH_LEVEL, 1, KtWriteByte)
        {
            KtWriteByte(address, 1);
        }
    }
}

TEST(T_IRQL_ERR_2_execute)
{
    volatile UCHAR *address = Unmapped();

    EXPECT_BUGCHECK(0x50, address, 0x10, address, ANY)
    {
        KtJumpTo((PVOID)address);
    }
    AT_IRQL(DISPATCH_LEVEL)
    {
        EXPECT_BUGCHECK(0xA, address, DISPATCH_LEVEL, 8, address)
        {
            KtJumpTo((PVOID)address);
        }
    }
}

/* P1 below 0x1000: a NULL pointer; page 0 is not mapped. */
TEST(T_IRQL_ERR_2_null_pointer)
{
    for (ULONG_PTR offset = 0; offset < PAGE_SIZE; offset += 0x3FF)
        AT_IRQL(DISPATCH_LEVEL)
        {
            EXPECT_BUGCHECK(0xA, offset, DISPATCH_LEVEL, 0, KtReadByte)
            {
                KtReadByte((PVOID)offset);
            }
        }
    EXPECT_BUGCHECK(0x50, 0, 2, KtWriteByte, ANY)
    {
        KtWriteByte(NULL, 1);
    }
    EXPECT_BUGCHECK(0x50, 0, 0x10, 0, ANY)
    {
        KtJumpTo(NULL);
    }
}

/* W^X: the code cannot be written, the data cannot be executed. */
static UCHAR DataWithCode[16] = {0xC3}; /* ret */

TEST(write_or_execute)
{
    PVOID text = (PVOID)(ULONG_PTR)KtReadByte, pool;

    EXPECT_BUGCHECK(0x50, text, 2, KtWriteByte, ANY)
    {
        KtWriteByte(text, 0x90);
    }
    EXPECT_BUGCHECK(0x50, "constant", 2, KtWriteByte, ANY)
    {
        KtWriteByte((volatile VOID *)(ULONG_PTR) "constant", 'C');
    }
    EXPECT_BUGCHECK(0x50, DataWithCode, 0x10, DataWithCode, ANY)
    {
        KtJumpTo(DataWithCode);
    }
    pool = ExAllocatePoolWithTag(NonPagedPoolNx, 64, KT_TAG);
    memset(pool, 0xC3, 64);
    EXPECT_BUGCHECK(0x50, pool, 0x10, pool, ANY)
    {
        KtJumpTo(pool);
    }
    ExFreePoolWithTag(pool, KT_TAG);
    EXPECT_BUGCHECK(0x50, KI_USER_SHARED_DATA + 8, 2, KtWriteByte, ANY)
    {
        KtWriteByte((PVOID)(KI_USER_SHARED_DATA + 8), 0);
    }
}

TEST(guard_page_of_a_stack)
{
    UCHAR *limit = KeGetCurrentPrcb()->CurrentThread->StackLimit;

    EXPECT_BUGCHECK(0x50, limit - 1, 2, KtWriteByte, ANY)
    {
        KtWriteByte(limit - 1, 0);
    }
    if (KtProcessors() > 1) {
        limit = KiProcessorBlock[1]->CurrentThread->StackLimit;
        EXPECT_BUGCHECK(0x50, limit - 1, 2, KtWriteByte, ANY)
        {
            KtWriteByte(limit - 1, 0);
        }
    }
}

/* The way it happens: too deep a recursion. The fault has no stack left: a double fault. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Winfinite-recursion"
static ULONG Recurse(volatile ULONG *Depth)
{
    volatile ULONG here[64];

    here[0] = ++*Depth;
    return Recurse(Depth) + here[0];
}
#pragma GCC diagnostic pop

TEST(stack_overflow_is_a_double_fault)
{
    volatile ULONG depth = 0;

    EXPECT_BUGCHECK(0x7F, 8, ANY, ANY, ANY)
    {
        Recurse(&depth);
    }
    CHECK_AT_LEAST(depth, 20);
    CHECK_IRQL(PASSIVE_LEVEL);
}

/* 0xD1 in place of 0xA when a driver's code did it. */
TEST(T_IRQL_ERR_2_driver)
{
    volatile CHAR *address = (volatile CHAR *)Unmapped();
    PTESTTOOL_EXTENSION extension;
    const DRIVER_IMAGE *culprit;

    CHECK_EQUAL(IopLoadDriver("testtool"), STATUS_SUCCESS);
    extension = KtToolExtension();
    if (!CHECK(extension != NULL))
        return;
    AT_IRQL(DISPATCH_LEVEL)
    {
        EXPECT_BUGCHECK(0xD1, address, DISPATCH_LEVEL, 0, ANY)
        {
            extension->Touch(address, AccessRead);
        }
        culprit = IopFindDriverByAddress((PVOID)KtLastBugCheck()->Parameters[3]);
        CHECK(culprit && strcmp(culprit->Name, "testtool") == 0);
        EXPECT_BUGCHECK(0xD1, address, DISPATCH_LEVEL, 1, ANY)
        {
            extension->Touch(address, AccessWrite);
        }
        EXPECT_BUGCHECK(0xD1, address, DISPATCH_LEVEL, ANY, ANY)
        {
            extension->Touch(address, AccessExecute);
        }
        CHECK(KtLastBugCheck()->Parameters[2] == 2 || KtLastBugCheck()->Parameters[2] == 8);
    }
    EXPECT_BUGCHECK(0x50, address, 0, ANY, ANY)
    {
        extension->Touch(address, AccessRead);
    }
    CHECK_EQUAL(IopUnloadDriver("testtool"), STATUS_SUCCESS);
}

TEST(unexpected_traps)
{
    EXPECT_BUGCHECK(0x7F, 0, ANY, ANY, ANY)
    {
        ULONG low = 1, high = 0;

        __asm__ volatile("divl %2" : "+a"(low), "+d"(high) : "r"(0));
    }
    EXPECT_BUGCHECK(0x7F, 6, ANY, ANY, ANY)
    {
        __asm__ volatile("ud2");
    }
    EXPECT_BUGCHECK(0x7F, 13, ANY, ANY, ANY) /* an address that is none */
    {
        KtReadByte((PVOID)0x8000000000000000ULL);
    }
}

TEST(assertion)
{
    EXPECT_BUGCHECK(0x1E, (LONG64)(LONG)0xC0000420, ANY, ANY, ANY)
    {
        NT_ASSERT(KtProcessors() == 0);
    }
    NT_ASSERT(KtProcessors() > 0);
}
