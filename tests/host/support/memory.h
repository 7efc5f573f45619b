/* Physical memory for the page allocator under test: support/memory.c. */
#ifndef METRONOME_HOST_MEMORY_H
#define METRONOME_HOST_MEMORY_H

#include "ntdef.h"
#include "bootinfo.h"

typedef struct _HOST_RANGE {
    SIZE_T First, Pages; /* page numbers */
    uint32_t Type;
} HOST_RANGE;

/*
 * Makes Pages pages of memory, full of garbage, at HostMemory in the place of those of the last
 * call, and hands the page allocator a boot information with these ranges.
 */
VOID HostStartPages(SIZE_T Pages, const HOST_RANGE *Ranges, SIZE_T Count);

#endif
