/*
 * The first page tables. Both maps of physical memory share all tables but the top one:
 *
 *     top table [0]   ----------+--> table of 512 GiB --> tables of 1 GiB, pages of 2 MiB
 *     top table [256] -- NX ----+
 *     top table [511] -------------> table of the last 512 GiB --> ... --> pages of 4 KiB
 */
#include "paging.h"

#include <stddef.h>

#define PAGE_SIZE 4096ULL
#define ENTRIES   512 /* of a table */

#define PRESENT    (1ULL << 0)
#define WRITABLE   (1ULL << 1)
#define LARGE      (1ULL << 7)
#define NO_EXECUTE (1ULL << 63)
#define ADDRESS    0x000FFFFFFFFFF000ULL

#define TABLE_SHIFT(level) (12 + 9 * (level)) /* an entry of a table of this level maps 2^shift */

#define DIRECT_MAP_INDEX ((DIRECT_MAP_BASE >> TABLE_SHIFT(3)) % ENTRIES)

/* The pages that are not a table yet. */
typedef struct _TABLE_POOL {
    uint64_t *Next;
} TABLE_POOL;

static uint64_t RoundUpShift(uint64_t Value, int Shift)
{
    return (Value + (1ULL << Shift) - 1) >> Shift;
}

uint64_t PagingPageCount(const BOOT_INFO *Info)
{
    uint64_t count = 1;

    count += RoundUpShift(Info->PhysicalLimit, TABLE_SHIFT(3));
    count += RoundUpShift(Info->PhysicalLimit, TABLE_SHIFT(2));
    count += 1 + 2; /* the kernel's space: the last 2 GiB */
    for (uint32_t i = 0; i < Info->SegmentCount; i++) {
        const BOOT_SEGMENT *segment = &Info->Segments[i];
        uint64_t last = segment->VirtualBase + (segment->Pages - 1) * PAGE_SIZE;

        count += (last >> TABLE_SHIFT(1)) - (segment->VirtualBase >> TABLE_SHIFT(1)) + 1;
    }
    return count;
}

static uint64_t *NewTable(TABLE_POOL *Pool)
{
    uint64_t *table = Pool->Next;

    for (int i = 0; i < ENTRIES; i++) {
        table[i] = 0;
    }
    Pool->Next += ENTRIES;
    return table;
}

/* The table that Entry leads to, made now if there is none. */
static uint64_t *Descend(TABLE_POOL *Pool, uint64_t *Entry)
{
    if ((*Entry & PRESENT) == 0) {
        *Entry = (uint64_t)(uintptr_t)NewTable(Pool) | PRESENT | WRITABLE;
    }
    return (uint64_t *)(uintptr_t)(*Entry & ADDRESS);
}

/* Entry for Address in a tree of tables, Level levels below Table, which has level 3. */
static uint64_t *FindEntry(TABLE_POOL *Pool, uint64_t *Table, uint64_t Address, int Level)
{
    uint64_t *entry = &Table[(Address >> TABLE_SHIFT(3)) % ENTRIES];

    for (int level = 2; level >= Level; level--) {
        entry = &Descend(Pool, entry)[(Address >> TABLE_SHIFT(level)) % ENTRIES];
    }
    return entry;
}

static void MapMemory(TABLE_POOL *Pool, uint64_t *Top, uint64_t Limit)
{
    for (uint64_t address = 0; address < Limit; address += 1ULL << TABLE_SHIFT(1)) {
        *FindEntry(Pool, Top, address, 1) = address | PRESENT | WRITABLE | LARGE;
    }
    for (uint64_t i = 0; i < RoundUpShift(Limit, TABLE_SHIFT(3)); i++) {
        Top[DIRECT_MAP_INDEX + i] = Top[i] | NO_EXECUTE;
    }
}

static void MapSegment(TABLE_POOL *Pool, uint64_t *Top, const BOOT_SEGMENT *Segment)
{
    uint64_t bits = PRESENT;

    if ((Segment->Flags & 2) != 0) {
        bits |= WRITABLE;
    }
    if ((Segment->Flags & 1) == 0) {
        bits |= NO_EXECUTE;
    }
    for (uint64_t i = 0; i < Segment->Pages; i++) {
        *FindEntry(Pool, Top, Segment->VirtualBase + i * PAGE_SIZE, 0) =
            (Segment->PhysicalBase + i * PAGE_SIZE) | bits;
    }
}

uint64_t PagingBuild(void *Pages, const BOOT_INFO *Info)
{
    TABLE_POOL pool = {Pages};
    uint64_t *top = NewTable(&pool);

    MapMemory(&pool, top, Info->PhysicalLimit);
    for (uint32_t i = 0; i < Info->SegmentCount; i++) {
        MapSegment(&pool, top, &Info->Segments[i]);
    }
    return (uint64_t)(uintptr_t)top;
}
