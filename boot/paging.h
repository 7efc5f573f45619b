/* The page tables with which the kernel starts. It replaces them by its own. */
#ifndef METRONOME_BOOT_PAGING_H
#define METRONOME_BOOT_PAGING_H

#include "bootinfo.h"

/* The direct map ends below the last entry of the top table, which is the kernel's. */
#define PAGING_MAX_LIMIT (255ULL << 39)

/* How many pages PagingBuild needs for Info->PhysicalLimit and Info->Segments. */
uint64_t PagingPageCount(const BOOT_INFO *Info);

/*
 * Builds page tables in PagingPageCount(Info) pages, contiguous, mapped at their own physical
 * address. All memory below Info->PhysicalLimit, a multiple of 1 GiB up to PAGING_MAX_LIMIT, is
 * mapped at its own address (for the jump only: executable) and at DIRECT_MAP_BASE (not
 * executable); each segment at its link address with its own permissions.
 *
 * Returns: the value for CR3
 */
uint64_t PagingBuild(void *Pages, const BOOT_INFO *Info);

#endif
