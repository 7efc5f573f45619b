/* sources: boot/paging.c */
/* The first page tables, walked as the processor walks them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "paging.h"

#define GIB (1ULL << 30)

#define GUARD_PAGES 2 /* behind the tables: must stay as they were */
#define GUARD_BYTE  0xA5

/* What a walk found. */
typedef struct _MAPPING {
    int Present, Writable, Executable;
    uint64_t Physical;
} MAPPING;

static BOOT_INFO Info;
static unsigned char *Tables;
static uint64_t Cr3;

static MAPPING Walk(uint64_t Address)
{
    MAPPING result = {1, 1, 1, 0};
    uint64_t table = Cr3;

    for (int shift = 39; shift >= 12; shift -= 9) {
        uint64_t entry = ((uint64_t *)(uintptr_t)table)[(Address >> shift) % 512];
        int large = shift == 21 && (entry & 0x80) != 0;

        if ((entry & 1) == 0) {
            return (MAPPING){0, 0, 0, 0};
        }
        /* Neither user access nor odd caching anywhere; large pages at one level only. */
        assert_int_equal(entry & 0x1C, 0);
        assert_true(large || shift == 12 || (entry & 0x80) == 0);
        result.Writable &= (entry & 2) != 0;
        result.Executable &= entry >> 63 == 0;
        table = entry & 0x000FFFFFFFFFF000;
        if (large || shift == 12) {
            uint64_t within = (1ULL << shift) - 1;

            assert_int_equal(table & within, 0);
            result.Physical = table | (Address & within);
            return result;
        }
    }
    return result;
}

static void AssertMapped(uint64_t Address, uint64_t Physical, int Writable, int Executable)
{
    MAPPING mapping = Walk(Address);

    if (!mapping.Present) {
        fail_msg("%llx is not mapped", (unsigned long long)Address);
    }
    assert_int_equal(mapping.Physical, Physical);
    assert_int_equal(mapping.Writable, Writable);
    assert_int_equal(mapping.Executable, Executable);
}

/* Builds tables for Info in memory that was not clear, and watches their end. */
static void Build(void)
{
    size_t count = PagingPageCount(&Info);

    Tables = aligned_alloc(4096, (count + GUARD_PAGES) * 4096);
    assert_non_null(Tables);
    memset(Tables, GUARD_BYTE, (count + GUARD_PAGES) * 4096);
    Cr3 = PagingBuild(Tables, &Info);
    assert_int_equal(Cr3, (uintptr_t)Tables);
    for (size_t i = 0; i < GUARD_PAGES * 4096; i++) {
        assert_int_equal(Tables[count * 4096 + i], GUARD_BYTE);
    }
}

static int SetUp(void **State)
{
    (void)State;
    memset(&Info, 0, sizeof(Info));
    Info.PhysicalLimit = 4 * GIB;
    Info.SegmentCount = 3;
    Info.Segments[0] = (BOOT_SEGMENT){KERNEL_BASE, 0x7000000, 600, 5, 0};
    Info.Segments[1] = (BOOT_SEGMENT){KERNEL_BASE + 600 * 4096, 0x123000, 3, 4, 0};
    Info.Segments[2] = (BOOT_SEGMENT){KERNEL_BASE + 603 * 4096, 0x200000, 10, 6, 0};
    return 0;
}

static int TearDown(void **State)
{
    (void)State;
    free(Tables);
    Tables = NULL;
    return 0;
}

/* Looks at the edges of every 2-MiB page below the limit, and at the first bytes beyond. */
static void CheckMemory(uint64_t Step)
{
    for (uint64_t address = 0; address < Info.PhysicalLimit; address += Step) {
        AssertMapped(address, address, 1, 1);
        AssertMapped(address + 0x1FFFFF, address + 0x1FFFFF, 1, 1);
        AssertMapped(DIRECT_MAP_BASE + address, address, 1, 0);
        AssertMapped(DIRECT_MAP_BASE + address + 0x1FFFFF, address + 0x1FFFFF, 1, 0);
    }
    assert_false(Walk(Info.PhysicalLimit).Present);
    assert_false(Walk(DIRECT_MAP_BASE + Info.PhysicalLimit).Present);
    assert_false(Walk(KERNEL_BASE - 1).Present);
}

static void FourGib(void **State)
{
    (void)State;
    Build();
    CheckMemory(0x200000);
}

static void ManyGib(void **State)
{
    (void)State;
    Info.PhysicalLimit = 513 * GIB; /* a second table of 512 GiB */
    Build();
    CheckMemory(0x200000 * 37);
    AssertMapped(512 * GIB, 512 * GIB, 1, 1);
    AssertMapped(DIRECT_MAP_BASE + 513 * GIB - 1, 513 * GIB - 1, 1, 0);
}

static void Segments(void **State)
{
    (void)State;
    Build();
    for (uint32_t i = 0; i < Info.SegmentCount; i++) {
        const BOOT_SEGMENT *segment = &Info.Segments[i];

        for (uint64_t offset = 0; offset < segment->Pages * 4096; offset += 4096) {
            AssertMapped(segment->VirtualBase + offset + 5, segment->PhysicalBase + offset + 5,
                         (segment->Flags & 2) != 0, (segment->Flags & 1) != 0);
        }
    }
    assert_false(Walk(KERNEL_BASE + 613 * 4096).Present);
}

/* Segments far apart need all the tables that were counted, and no more. */
static void DistantSegments(void **State)
{
    (void)State;
    Info.Segments[0].Pages = 1;
    Info.Segments[1].VirtualBase = 0xFFFFFFFFBFFFF000; /* its pages lie in two different GiB */
    Info.Segments[2].VirtualBase = 0xFFFFFFFFFFFF4000;
    Build();
    AssertMapped(0xFFFFFFFFBFFFF000, 0x123000, 0, 0);
    AssertMapped(0xFFFFFFFFC0001000, 0x125000, 0, 0);
    AssertMapped(0xFFFFFFFFFFFFD000, 0x209000, 1, 0);
    assert_false(Walk(0xFFFFFFFFFFFFE000).Present);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, SetUp, TearDown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(FourGib),
        TEST(ManyGib),
        TEST(Segments),
        TEST(DistantSegments),
    };

    return cmocka_run_group_tests_name("boot_paging", tests, NULL, NULL);
}
