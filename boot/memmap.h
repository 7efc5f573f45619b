/* The firmware's memory map, turned into the kernel's. */
#ifndef METRONOME_BOOT_MEMMAP_H
#define METRONOME_BOOT_MEMMAP_H

#include "bootinfo.h"

/* A descriptor as UEFI's GetMemoryMap writes it; the firmware's may be longer. */
typedef struct _FIRMWARE_RANGE {
    uint32_t Type; /* UEFI's number */
    uint32_t Padding;
    uint64_t PhysicalStart;
    uint64_t VirtualStart;
    uint64_t Pages;
    uint64_t Attribute;
} FIRMWARE_RANGE;

/* What GetMemoryMap returned. */
typedef struct _FIRMWARE_MAP {
    const void *Ranges;
    uint64_t Size;      /* of all ranges, in bytes */
    uint64_t RangeSize; /* of one range, in bytes: a multiple of 8, from 40 on */
} FIRMWARE_MAP;

/*
 * Writes the ranges of Map to Info->Ranges: converted, sorted, merged with their neighbours of
 * the same type, and without overlaps. Info->Segments, which must be filled in, become
 * BootMemoryKernel and page 0 becomes BootMemoryReserved. Where two ranges overlap, the pages
 * that they share get the type that allows less.
 *
 * Returns: NULL, or what is wrong, as the end of a sentence that begins with "the memory map"
 */
const char *MemMapConvert(const FIRMWARE_MAP *Map, BOOT_INFO *Info);

/*
 * The first physical address above all memory, rounded up to 1 GiB and 4 GiB at least: what the
 * direct map has to cover. Devices and reserved ranges do not count: firmware lists some of these
 * at the far end of the address space.
 */
uint64_t MemMapLimit(const FIRMWARE_MAP *Map);

#endif
