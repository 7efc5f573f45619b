/* Mapped registers and memory for DMA. */
#define SUITE "io.memory"
#include "suite.h"

#define LOCAL_APIC      0xFEE00000u
#define APIC_VERSION_AT 0x30

static PHYSICAL_ADDRESS Physical(ULONG64 Address)
{
    return (PHYSICAL_ADDRESS){.QuadPart = (LONGLONG)Address};
}

/* A register of a device that every processor has: the local APIC's version. */
TEST(registers_are_mapped)
{
    PUCHAR registers = MmMapIoSpace(Physical(LOCAL_APIC), PAGE_SIZE, MmNonCached);

    if (!CHECK(registers != NULL))
        return;
    CHECK_EQUAL(READ_REGISTER_ULONG((PULONG)(registers + APIC_VERSION_AT)) & 0xF0, 0x10);
    CHECK_EQUAL(MmGetPhysicalAddress(registers + 0x30).QuadPart, LOCAL_APIC + 0x30);
    MmUnmapIoSpace(registers, PAGE_SIZE);
}

/* The room of a mapping that was given back is used again, for the same range only. */
TEST(mappings_are_used_again)
{
    PVOID first, second, other;

    AT_IRQL(DISPATCH_LEVEL)
    {
        first = MmMapIoSpace(Physical(LOCAL_APIC + 0x20), 0x10, MmNonCached);
        MmUnmapIoSpace(first, 0x10);
        for (ULONG i = 0; i < 100; i++) {
            second = MmMapIoSpace(Physical(LOCAL_APIC + 0x20), 0x10, MmNonCached);
            CHECK_EQUAL((ULONG_PTR)second, (ULONG_PTR)first);
            MmUnmapIoSpace(second, 0x10);
        }
        CHECK_EQUAL((ULONG_PTR)first % PAGE_SIZE, 0x20);
        other = MmMapIoSpaceEx(Physical(LOCAL_APIC + 0x20), 0x20, PAGE_READWRITE | PAGE_NOCACHE);
        CHECK(other != NULL && other != first);
        MmUnmapIoSpace(other, 0x20);
    }
}

TEST(impossible_mappings_fail)
{
    CHECK(MmMapIoSpace(Physical(LOCAL_APIC), 0, MmNonCached) == NULL);
    CHECK(MmMapIoSpace(Physical(LOCAL_APIC), MAXULONG64, MmNonCached) == NULL);
    CHECK(MmMapIoSpace(Physical(LOCAL_APIC), 1ULL << 45, MmNonCached) == NULL);
    CHECK(MmMapIoSpaceEx(Physical(LOCAL_APIC), PAGE_SIZE, 0x40) == NULL); /* executable */
}

/* A cached mapping of ordinary memory shows what the direct map shows. */
TEST(cached_mapping)
{
    PULONG memory = MmAllocateContiguousMemory(PAGE_SIZE, Physical(MAXULONG64 >> 1));
    PULONG again;

    if (!CHECK(memory != NULL))
        return;
    again = MmMapIoSpace(MmGetPhysicalAddress(memory), PAGE_SIZE, MmCached);
    if (CHECK(again != NULL)) {
        *memory = 0x12345678;
        CHECK_EQUAL(*again, 0x12345678);
        WRITE_REGISTER_ULONG(again, 0x87654321);
        CHECK_EQUAL(*memory, 0x87654321);
        MmUnmapIoSpace(again, PAGE_SIZE);
    }
    MmFreeContiguousMemory(memory);
}

TEST(unmapping_what_is_not_mapped)
{
    PVOID registers = MmMapIoSpace(Physical(LOCAL_APIC), 0x40, MmNonCached);

    EXPECT_BUGCHECK(0xC4, 0x20009, registers, 0x80, 0)
    {
        MmUnmapIoSpace(registers, 0x80);
    }
    MmUnmapIoSpace(registers, 0x40);
    EXPECT_BUGCHECK(0xC4, 0x20009, registers, 0x40, 0)
    {
        MmUnmapIoSpace(registers, 0x40);
    }
}

/* Every page follows the one before, all within the bounds; freed memory can be had again. */
TEST(contiguous_memory)
{
    static const struct {
        SIZE_T Bytes;
        ULONG64 Lowest, Highest, Boundary;
    } cases[] = {
        {1, 0, 0x0FFFFFFF, 0},
        {PAGE_SIZE + 1, 0, 0x0FFFFFFF, 0},
        {0x10000, 0x1800000, 0x3FFFFFF, 0},
        {0x8000, 0, 0x0FFFFFFF, 0x8000},
        {0x3000, 0x1234567, 0x3FFFFFE, 0x4000},
    };
    MM_INFORMATION before, after;

    MmQueryInformation(&before);
    for (ULONG i = 0; i < ARRAYSIZE(cases); i++) {
        PUCHAR memory = MmAllocateContiguousMemorySpecifyCache(
            cases[i].Bytes, Physical(cases[i].Lowest), Physical(cases[i].Highest),
            Physical(cases[i].Boundary), MmNonCached);
        SIZE_T bytes = ALIGN_UP_BY(cases[i].Bytes, PAGE_SIZE);
        ULONG64 first;

        if (!CHECK(memory != NULL))
            continue;
        first = (ULONG64)MmGetPhysicalAddress(memory).QuadPart;
        CHECK_EQUAL(first % PAGE_SIZE, 0);
        CHECK(first >= cases[i].Lowest && first + bytes - 1 <= cases[i].Highest);
        if (cases[i].Boundary)
            CHECK_EQUAL(first / cases[i].Boundary, (first + bytes - 1) / cases[i].Boundary);
        for (SIZE_T offset = 0; offset < bytes; offset += PAGE_SIZE)
            CHECK_EQUAL(MmGetPhysicalAddress(memory + offset).QuadPart, first + offset);
        memset(memory, POISON, bytes);
        MmFreeContiguousMemorySpecifyCache(memory, cases[i].Bytes, MmNonCached);
    }
    MmQueryInformation(&after);
    CHECK_EQUAL(after.FreePages, before.FreePages);
}

TEST(contiguous_memory_that_is_not_there)
{
    CHECK(MmAllocateContiguousMemory(PAGE_SIZE, Physical(0xFFE)) == NULL);
    CHECK(MmAllocateContiguousMemory(0, Physical(0x0FFFFFFF)) == NULL);
    CHECK(MmAllocateContiguousMemory(1ULL << 46, Physical(MAXULONG64 >> 1)) == NULL);
    CHECK(MmAllocateContiguousMemorySpecifyCache(0x2000, Physical(0), Physical(0x0FFFFFFF),
                                                 Physical(0x1000), MmCached) == NULL);
    CHECK(MmAllocateContiguousMemorySpecifyCache(0x1000, Physical(0), Physical(0x0FFFFFFF),
                                                 Physical(0x3000), MmCached) == NULL);
}

TEST(wrong_free_of_contiguous_memory)
{
    PUCHAR memory = MmAllocateContiguousMemory(2 * PAGE_SIZE, Physical(0x0FFFFFFF));

    if (!CHECK(memory != NULL))
        return;
    EXPECT_BUGCHECK(0xC2, 0x46, memory + 16, 0, 0)
    {
        MmFreeContiguousMemory(memory + 16);
    }
    EXPECT_BUGCHECK(0xC2, 0x46, memory + PAGE_SIZE, 0, 0)
    {
        MmFreeContiguousMemory(memory + PAGE_SIZE);
    }
    MmFreeContiguousMemory(memory);
}
