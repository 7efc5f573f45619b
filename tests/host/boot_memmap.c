/* sources: boot/memmap.c */
/* The memory map: types, merging, overlaps, limits, and random maps against a simple model. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "memmap.h"

#define ENTRY_SIZE  48 /* longer than the structure, as real firmware has it */
#define MAX_ENTRIES 1200
#define RUNTIME     (1ULL << 63)

/* UEFI's numbers. */
enum {
    Reserved,
    LoaderCode,
    LoaderData,
    BootCode,
    BootData,
    RuntimeCode,
    RuntimeData,
    Conventional
};
enum { Unusable = 8, AcpiReclaim, AcpiStorage, MappedDevice, MappedPorts, PalCode, Persistent };

static BOOT_INFO Info;
static FIRMWARE_MAP Map;
static uint64_t Storage[MAX_ENTRIES * ENTRY_SIZE / 8];

static int Clear(void **State)
{
    (void)State;
    memset(&Info, 0, sizeof(Info));
    memset(Info.Ranges, 0xCC, sizeof(Info.Ranges));
    memset(Storage, 0xCC, sizeof(Storage));
    Map = (FIRMWARE_MAP){Storage, 0, ENTRY_SIZE};
    return 0;
}

static FIRMWARE_RANGE *Add(uint32_t Type, uint64_t Start, uint64_t Pages)
{
    FIRMWARE_RANGE *range = (FIRMWARE_RANGE *)((char *)Storage + Map.Size);

    assert_true(Map.Size + ENTRY_SIZE <= sizeof(Storage));
    *range = (FIRMWARE_RANGE){Type, 0, Start, 0, Pages, 0xF};
    Map.Size += ENTRY_SIZE;
    return range;
}

static void AssertRange(uint32_t Index, uint64_t Base, uint64_t Pages, uint32_t Type)
{
    assert_in_range(Index, 0, Info.RangeCount - 1);
    assert_int_equal(Info.Ranges[Index].Base, Base);
    assert_int_equal(Info.Ranges[Index].Pages, Pages);
    assert_int_equal(Info.Ranges[Index].Type, Type);
    assert_int_equal(Info.Ranges[Index].Reserved, 0);
}

/* The type that a firmware type becomes, with these attributes. */
static uint32_t Converted(uint32_t Type, uint64_t Attribute)
{
    Clear(NULL);
    Add(Type, 0x10000, 1)->Attribute = Attribute;
    assert_null(MemMapConvert(&Map, &Info));
    assert_int_equal(Info.RangeCount, 2);
    AssertRange(0, 0, 1, BootMemoryReserved);
    return Info.Ranges[1].Type;
}

static void Types(void **State)
{
    static const uint32_t expected[] = {
        [Reserved] = BootMemoryReserved,    [LoaderCode] = BootMemoryFree,
        [LoaderData] = BootMemoryLoader,    [BootCode] = BootMemoryFree,
        [BootData] = BootMemoryFree,        [RuntimeCode] = BootMemoryReserved,
        [RuntimeData] = BootMemoryReserved, [Conventional] = BootMemoryFree,
        [Unusable] = BootMemoryReserved,    [AcpiReclaim] = BootMemoryAcpi,
        [AcpiStorage] = BootMemoryReserved, [MappedDevice] = BootMemoryDevice,
        [MappedPorts] = BootMemoryDevice,   [PalCode] = BootMemoryReserved,
        [Persistent] = BootMemoryReserved,
    };

    (void)State;
    for (uint32_t type = 0; type <= Persistent; type++) {
        assert_int_equal(Converted(type, 0xF), expected[type]);
    }
    assert_int_equal(Converted(15, 0xF), BootMemoryReserved);
    assert_int_equal(Converted(0x80000000, 0xF), BootMemoryReserved);
    assert_int_equal(Converted(0xFFFFFFFF, 0xF), BootMemoryReserved);
    /* What the firmware needs at run time is never free. */
    assert_int_equal(Converted(Conventional, RUNTIME), BootMemoryReserved);
    assert_int_equal(Converted(LoaderData, RUNTIME), BootMemoryReserved);
    assert_int_equal(Converted(MappedDevice, RUNTIME), BootMemoryDevice);
}

static void SortedAndMerged(void **State)
{
    (void)State;
    Add(Conventional, 0x100000, 16);
    Add(BootData, 0x110000, 16); /* continues the one before: both are free */
    Add(Conventional, 0, 0x9F);
    Add(Reserved, 0x9F000, 1);
    Add(Conventional, 0x200000, 1); /* behind a hole */
    Add(Conventional, 0xA0000, 0);  /* no pages */
    assert_null(MemMapConvert(&Map, &Info));
    assert_int_equal(Info.RangeCount, 5);
    AssertRange(0, 0, 1, BootMemoryReserved);
    AssertRange(1, 0x1000, 0x9E, BootMemoryFree);
    AssertRange(2, 0x9F000, 1, BootMemoryReserved);
    AssertRange(3, 0x100000, 32, BootMemoryFree);
    AssertRange(4, 0x200000, 1, BootMemoryFree);
}

static void KernelSegments(void **State)
{
    (void)State;
    Add(LoaderData, 0x100000, 16);
    Info.SegmentCount = 2;
    Info.Segments[0] = (BOOT_SEGMENT){KERNEL_BASE, 0x104000, 2, 5, 0};
    Info.Segments[1] = (BOOT_SEGMENT){KERNEL_BASE + 0x2000, 0x108000, 8, 6, 0};
    assert_null(MemMapConvert(&Map, &Info));
    assert_int_equal(Info.RangeCount, 5);
    AssertRange(1, 0x100000, 4, BootMemoryLoader);
    AssertRange(2, 0x104000, 2, BootMemoryKernel);
    AssertRange(3, 0x106000, 2, BootMemoryLoader);
    AssertRange(4, 0x108000, 8, BootMemoryKernel);
}

/* Of two types for one page the one that allows less holds, whichever came first. */
static void Overlaps(void **State)
{
    (void)State;
    for (int order = 0; order < 2; order++) {
        Clear(NULL);
        if (order == 0) {
            Add(Reserved, 0x102000, 2);
        }
        Add(Conventional, 0x100000, 8);
        Add(AcpiReclaim, 0x103000, 10);
        if (order == 1) {
            Add(Reserved, 0x102000, 2);
        }
        assert_null(MemMapConvert(&Map, &Info));
        assert_int_equal(Info.RangeCount, 4);
        AssertRange(1, 0x100000, 2, BootMemoryFree);
        AssertRange(2, 0x102000, 2, BootMemoryReserved);
        AssertRange(3, 0x104000, 9, BootMemoryAcpi);
    }
}

static void EndOfAddresses(void **State)
{
    (void)State;
    Add(Conventional, 0x100000, UINT64_MAX);
    assert_null(MemMapConvert(&Map, &Info));
    assert_int_equal(Info.RangeCount, 2);
    AssertRange(1, 0x100000, (1ULL << 52) - 1 - 0x100, BootMemoryFree);
    assert_int_equal(MemMapLimit(&Map), 0xFFFFFFFFC0000000);
    Clear(NULL);
    Add(Conventional, 0xFFFFFFFFFFFFF000, 1);
    assert_null(MemMapConvert(&Map, &Info));
    assert_int_equal(Info.RangeCount, 1);
}

static void DamagedMaps(void **State)
{
    (void)State;
    assert_string_equal(MemMapConvert(&Map, &Info), "is empty");
    Add(Conventional, 0x100000, 1);
    Map.RangeSize = 32;
    assert_string_equal(MemMapConvert(&Map, &Info), "has entries of an unknown size");
    Map.RangeSize = 44;
    assert_string_equal(MemMapConvert(&Map, &Info), "has entries of an unknown size");
    Map.RangeSize = ENTRY_SIZE;
    Map.Size += 8;
    assert_string_equal(MemMapConvert(&Map, &Info), "has entries of an unknown size");
    Map.Size -= 8;
    Add(Conventional, 0x200800, 1);
    assert_string_equal(MemMapConvert(&Map, &Info), "has an entry that does not begin on a page");
    assert_int_equal(Info.RangeCount, 0);
}

static void TooManyRanges(void **State)
{
    (void)State;
    for (uint64_t i = 1; i < BOOT_MAX_RANGES; i++) {
        Add(Conventional, i * 0x10000, 1);
    }
    assert_null(MemMapConvert(&Map, &Info));
    assert_int_equal(Info.RangeCount, BOOT_MAX_RANGES);
    Add(Conventional, BOOT_MAX_RANGES * 0x10000, 1);
    assert_string_equal(MemMapConvert(&Map, &Info), "has more than 512 ranges");
    /* Many entries are no trouble as long as they merge. */
    Clear(NULL);
    for (uint64_t i = 0; i < 1000; i++) {
        Add(i % 2 == 0 ? Conventional : BootData, i * 0x1000, 1);
    }
    assert_null(MemMapConvert(&Map, &Info));
    assert_int_equal(Info.RangeCount, 2);
}

static void Limit(void **State)
{
    static const uint64_t gib = 1ULL << 30;

    (void)State;
    Add(Conventional, 0, 16384);
    assert_int_equal(MemMapLimit(&Map), 4 * gib);
    Add(MappedDevice, 0xFD00000000, 0x100000);
    Add(Reserved, 0xFD00000000, 0x100000);
    Add(Conventional, 0x100000000, 0);
    assert_int_equal(MemMapLimit(&Map), 4 * gib);
    Add(Conventional, 0x100000000, 1);
    assert_int_equal(MemMapLimit(&Map), 5 * gib);
    Add(BootData, 0x100000000, 0x80000);
    assert_int_equal(MemMapLimit(&Map), 6 * gib);
    Add(AcpiReclaim, 7 * gib, 0x40000 + 1);
    assert_int_equal(MemMapLimit(&Map), 9 * gib);
}

/* Random maps of 64 pages, compared with a model that keeps a type for every page. */
static void Model(void **State)
{
    static const uint32_t firmware[] = {Conventional, LoaderData, AcpiReclaim, MappedDevice,
                                        Reserved};
    static const uint32_t boot[] = {BootMemoryFree, BootMemoryLoader, BootMemoryAcpi,
                                    BootMemoryDevice, BootMemoryReserved};
    enum { ModelPages = 64, None = -1 };

    (void)State;
    srand(1);
    for (int round = 0; round < 3000; round++) {
        int model[ModelPages], page = 0;

        Clear(NULL);
        for (int i = 0; i < ModelPages; i++) {
            model[i] = None;
        }
        for (int entries = 1 + rand() % 12; entries > 0; entries--) {
            int start = rand() % ModelPages, length = rand() % (ModelPages - start);
            int type = rand() % 5;

            Add(firmware[type], (uint64_t)start * 4096, (uint64_t)length);
            for (int i = start; i < start + length; i++) {
                model[i] = type > model[i] ? type : model[i];
            }
        }
        model[0] = 4;
        assert_null(MemMapConvert(&Map, &Info));
        for (uint32_t i = 0; i < Info.RangeCount; i++) {
            const BOOT_MEMORY_RANGE *range = &Info.Ranges[i];

            assert_true(range->Pages != 0);
            for (; page < (int)(range->Base / 4096); page++) {
                assert_int_equal(model[page], None);
            }
            assert_int_equal(page, range->Base / 4096); /* no overlap, sorted */
            assert_true(i == 0 || range[-1].Type != range->Type ||
                        range[-1].Base + range[-1].Pages * 4096 != range->Base);
            for (uint64_t n = 0; n < range->Pages; n++, page++) {
                assert_in_range(page, 0, ModelPages - 1);
                assert_int_not_equal(model[page], None);
                assert_int_equal(boot[model[page]], range->Type);
            }
        }
        for (; page < ModelPages; page++) {
            assert_int_equal(model[page], None);
        }
    }
}

#define TEST(name) cmocka_unit_test_setup(name, Clear)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(Types),         TEST(SortedAndMerged), TEST(KernelSegments),
        TEST(Overlaps),      TEST(EndOfAddresses),  TEST(DamagedMaps),
        TEST(TooManyRanges), TEST(Limit),           TEST(Model),
    };

    return cmocka_run_group_tests_name("boot_memmap", tests, NULL, NULL);
}
