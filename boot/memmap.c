/*
 * Conversion of the memory map by one sweep from its lowest address to its highest:
 *
 *     firmware     |--- free ---|     |-- loader --|-- free --|
 *     kernel                            |- kernel -|
 *     stops        ^            ^     ^ ^          ^          ^
 *     result       |--- free ---|     |L|- kernel -|-- free --|
 *
 * Between two stops every range either covers all pages or none. The sweep asks all ranges at
 * each stop; it needs no sorted input and no memory of its own.
 */
#include "memmap.h"

#include <stddef.h>

#define PAGE_SIZE 4096ULL
#define GIB_PAGES (1ULL << 18)       /* pages of 1 GiB */
#define MOST_GIB  ((1ULL << 34) - 1) /* whose number of bytes still has 64 bits */

#define ATTRIBUTE_RUNTIME (1ULL << 63)

/* The page number behind the last one: addresses have 64 bits. */
#define LAST_PAGE ((1ULL << 52) - 1)

typedef struct _PAGE_RANGE {
    uint64_t First, End; /* page numbers; End is not part of the range */
    uint32_t Type;       /* enum BootMemoryType */
} PAGE_RANGE;

/* UEFI's memory types in the order of their numbers. */
static const uint8_t KindOfType[] = {
    BootMemoryReserved, /*  0 reserved */
    BootMemoryFree,     /*  1 loader code: this program, which has ended when the kernel runs */
    BootMemoryLoader,   /*  2 loader data: all that this program allocates */
    BootMemoryFree,     /*  3 boot services code */
    BootMemoryFree,     /*  4 boot services data */
    BootMemoryReserved, /*  5 runtime services code */
    BootMemoryReserved, /*  6 runtime services data */
    BootMemoryFree,     /*  7 conventional memory */
    BootMemoryReserved, /*  8 unusable */
    BootMemoryAcpi,     /*  9 ACPI tables */
    BootMemoryReserved, /* 10 ACPI non-volatile storage */
    BootMemoryDevice,   /* 11 memory-mapped devices */
    BootMemoryDevice,   /* 12 memory-mapped ports */
    BootMemoryReserved, /* 13 processor abstraction layer */
};

/* How little a type allows: of two types for one page the higher one holds. */
static const uint8_t Strictness[] = {
    [BootMemoryFree] = 0, [BootMemoryLoader] = 1, [BootMemoryKernel] = 2,
    [BootMemoryAcpi] = 3, [BootMemoryDevice] = 4, [BootMemoryReserved] = 5,
};

static uint32_t ConvertType(const FIRMWARE_RANGE *Range)
{
    uint32_t kind = BootMemoryReserved;

    if (Range->Type < sizeof(KindOfType)) {
        kind = KindOfType[Range->Type];
    }
    if ((Range->Attribute & ATTRIBUTE_RUNTIME) != 0 && kind != BootMemoryDevice) {
        kind = BootMemoryReserved;
    }
    return kind;
}

static uint64_t FirmwareCount(const FIRMWARE_MAP *Map)
{
    return Map->Size / Map->RangeSize;
}

static const FIRMWARE_RANGE *FirmwareRange(const FIRMWARE_MAP *Map, uint64_t Index)
{
    return (const FIRMWARE_RANGE *)((const uint8_t *)Map->Ranges + Index * Map->RangeSize);
}

static PAGE_RANGE MakeRange(uint64_t Base, uint64_t Pages, uint32_t Type)
{
    uint64_t first = Base / PAGE_SIZE;
    uint64_t room = LAST_PAGE - first;

    return (PAGE_RANGE){first, first + (Pages < room ? Pages : room), Type};
}

/* The ranges that take part in the sweep: page 0, then the kernel's, then the firmware's. */
static PAGE_RANGE Participant(const FIRMWARE_MAP *Map, const BOOT_INFO *Info, uint64_t Index)
{
    const FIRMWARE_RANGE *range;

    if (Index == 0) {
        return MakeRange(0, 1, BootMemoryReserved);
    }
    Index--;
    if (Index < Info->SegmentCount) {
        const BOOT_SEGMENT *segment = &Info->Segments[Index];

        return MakeRange(segment->PhysicalBase, segment->Pages, BootMemoryKernel);
    }
    range = FirmwareRange(Map, Index - Info->SegmentCount);
    return MakeRange(range->PhysicalStart, range->Pages, ConvertType(range));
}

/* Appends pages First to End, as a part of the last range where they continue it. */
static const char *Append(BOOT_INFO *Info, PAGE_RANGE Range)
{
    BOOT_MEMORY_RANGE *last = &Info->Ranges[Info->RangeCount];

    if (Info->RangeCount != 0) {
        last--;
        if (last->Type == Range.Type && last->Base / PAGE_SIZE + last->Pages == Range.First) {
            last->Pages += Range.End - Range.First;
            return NULL;
        }
        last++;
    }
    if (Info->RangeCount == BOOT_MAX_RANGES) {
        return "has more than 512 ranges";
    }
    last->Base = Range.First * PAGE_SIZE;
    last->Pages = Range.End - Range.First;
    last->Type = Range.Type;
    last->Reserved = 0;
    Info->RangeCount++;
    return NULL;
}

static const char *CheckMap(const FIRMWARE_MAP *Map)
{
    if (Map->RangeSize < sizeof(FIRMWARE_RANGE) || Map->RangeSize % 8 != 0 ||
        Map->Size % Map->RangeSize != 0) {
        return "has entries of an unknown size";
    }
    if (Map->Size == 0) {
        return "is empty";
    }
    for (uint64_t i = 0; i < FirmwareCount(Map); i++) {
        if (FirmwareRange(Map, i)->PhysicalStart % PAGE_SIZE != 0) {
            return "has an entry that does not begin on a page";
        }
    }
    return NULL;
}

const char *MemMapConvert(const FIRMWARE_MAP *Map, BOOT_INFO *Info)
{
    const char *problem = CheckMap(Map);
    uint64_t count, page = 0;

    Info->RangeCount = 0;
    if (problem != NULL) {
        return problem;
    }
    count = 1 + Info->SegmentCount + FirmwareCount(Map);
    while (problem == NULL && page != LAST_PAGE) {
        PAGE_RANGE piece = {page, LAST_PAGE, BootMemoryFree};
        int covered = 0;

        for (uint64_t i = 0; i < count; i++) {
            PAGE_RANGE range = Participant(Map, Info, i);

            if (range.First > page && range.First < piece.End) {
                piece.End = range.First;
            }
            if (range.End > page && range.End < piece.End) {
                piece.End = range.End;
            }
            if (range.First <= page && range.End > page) {
                if (!covered || Strictness[range.Type] > Strictness[piece.Type]) {
                    piece.Type = range.Type;
                }
                covered = 1;
            }
        }
        if (covered) {
            problem = Append(Info, piece);
        }
        page = piece.End;
    }
    return problem;
}

uint64_t MemMapLimit(const FIRMWARE_MAP *Map)
{
    uint64_t limit = 4, end; /* in GiB */

    for (uint64_t i = 0; i < FirmwareCount(Map); i++) {
        const FIRMWARE_RANGE *range = FirmwareRange(Map, i);
        uint32_t type = ConvertType(range);

        if (type != BootMemoryDevice && type != BootMemoryReserved) {
            end = MakeRange(range->PhysicalStart, range->Pages, type).End;
            end = (end + GIB_PAGES - 1) / GIB_PAGES;
            limit = end > limit ? end : limit;
        }
    }
    return limit < MOST_GIB ? limit << 30 : MOST_GIB << 30;
}
