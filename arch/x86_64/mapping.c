/* Mappings that are asked for one by one: device registers, and pages that drivers only read. */
#include "mapping.h"
#include "bootinfo.h"

#define DEVICE_BASE 0xFFFFA00000000000ULL
#define DEVICE_END  0xFFFFB00000000000ULL

/* The first address that no device has got. Addresses are handed out once and not taken back. */
static volatile ULONG64 DeviceNext = DEVICE_BASE;

static PVOID Map(ULONG64 Physical, SIZE_T Bytes, ULONG Flags)
{
    ULONG64 offset = Physical % PAGE_SIZE;
    ULONG64 length, base;

    if (Bytes == 0 || Bytes > DEVICE_END - DEVICE_BASE)
        return NULL;
    length = ALIGN_UP_BY(offset + Bytes, PAGE_SIZE);
    base = InterlockedExchangeAdd64(&DeviceNext, length + PAGE_SIZE);
    if (base + length > DEVICE_END)
        return NULL;
    if (!KiMapInto(KiKernelTables(), base, Physical - offset, length, MAP_WRITE | Flags))
        return NULL;
    return (PVOID)(base + offset);
}

/*
 * Each call gets pages of its own with an unmapped page behind them, so that running over the
 * end faults, and a second mapping of the same registers does no harm.
 *
 * IRQL:    <= DISPATCH_LEVEL (not checked)
 * Locks:   none
 * Context: any
 * Returns: the address of the first register; NULL if there is no room or no memory for tables
 * Source:  arch.h
 */
PVOID ArchMapDevice(ULONG64 Physical, SIZE_T Bytes)
{
    return Map(Physical, Bytes, MAP_UNCACHED);
}

/*
 * As ArchMapDevice, for what behaves like memory.
 *
 * IRQL:    <= DISPATCH_LEVEL (not checked)
 * Locks:   none
 * Context: any
 * Returns: as ArchMapDevice
 * Source:  arch.h
 */
PVOID ArchMapCached(ULONG64 Physical, SIZE_T Bytes)
{
    return Map(Physical, Bytes, 0);
}

/*
 * IRQL:    <= DISPATCH_LEVEL (not checked)
 * Locks:   none
 * Context: the start: Virtual is not mapped yet
 * Returns: always; without memory for tables the start ends
 * Source:  arch.h
 */
VOID ArchMapReadOnlyPage(PVOID Virtual, ULONG64 Physical)
{
    if (!KiMapInto(KiKernelTables(), (ULONG64)Virtual, Physical, PAGE_SIZE, MAP_READ_ONLY))
        ArchCannotStart("There is not enough memory for a read-only page's tables.");
}
