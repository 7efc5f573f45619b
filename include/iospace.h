/* Memory that devices have or reach: mapped registers, and buffers for DMA. */
#ifndef METRONOME_IOSPACE_H
#define METRONOME_IOSPACE_H

#include "ntdef.h"
#include "mdl.h"

/* Protect of MmMapIoSpaceEx */
#define PAGE_READONLY     0x02
#define PAGE_READWRITE    0x04
#define PAGE_NOCACHE      0x200
#define PAGE_WRITECOMBINE 0x400

/*
 * Maps a device's registers for the processor: NULL when there is no room. Write-combined memory
 * is mapped uncached. IRQL: <= DISPATCH_LEVEL.
 */
PVOID MmMapIoSpace(PHYSICAL_ADDRESS PhysicalAddress, SIZE_T NumberOfBytes,
                   MEMORY_CACHING_TYPE CacheType);
PVOID MmMapIoSpaceEx(PHYSICAL_ADDRESS PhysicalAddress, SIZE_T NumberOfBytes, ULONG Protect);
VOID MmUnmapIoSpace(PVOID BaseAddress, SIZE_T NumberOfBytes);

/*
 * Physically contiguous, page-aligned, nonpaged memory; its contents are what was there before.
 * NULL when there is none within the bounds. IRQL: <= DISPATCH_LEVEL.
 */
PVOID MmAllocateContiguousMemory(SIZE_T NumberOfBytes, PHYSICAL_ADDRESS HighestAcceptableAddress);
PVOID MmAllocateContiguousMemorySpecifyCache(SIZE_T NumberOfBytes,
                                             PHYSICAL_ADDRESS LowestAcceptableAddress,
                                             PHYSICAL_ADDRESS HighestAcceptableAddress,
                                             PHYSICAL_ADDRESS BoundaryAddressMultiple,
                                             MEMORY_CACHING_TYPE CacheType);
VOID MmFreeContiguousMemory(PVOID BaseAddress);
VOID MmFreeContiguousMemorySpecifyCache(PVOID BaseAddress, SIZE_T NumberOfBytes,
                                        MEMORY_CACHING_TYPE CacheType);

/* Of an address that is mapped; 0 otherwise. IRQL: any. */
PHYSICAL_ADDRESS MmGetPhysicalAddress(PVOID BaseAddress);

#endif
