/* Physical memory for the page allocator under test. */
#define _GNU_SOURCE
#include <sys/mman.h>
#include "support.h"
#include "memory.h"
#include "ex.h"

static SIZE_T HostBytes;

/* A stretch of addresses with a page behind it that cannot be touched. */
static VOID MakeMemory(SIZE_T Pages)
{
    if (HostMemory)
        munmap(HostMemory, HostBytes + PAGE_SIZE);
    HostBytes = Pages * PAGE_SIZE;
    HostMemory = mmap(NULL, HostBytes + PAGE_SIZE, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    assert_ptr_not_equal(HostMemory, MAP_FAILED);
    mprotect(HostMemory + HostBytes, PAGE_SIZE, PROT_NONE);
    memset(HostMemory, 0xA5, HostBytes);
}

VOID HostStartPages(SIZE_T Pages, const HOST_RANGE *Ranges, SIZE_T Count)
{
    static BOOT_INFO info;

    MakeMemory(Pages);
    memset(&info, 0, sizeof(info));
    info.PhysicalLimit = Pages * PAGE_SIZE;
    info.RangeCount = (uint32_t)Count;
    for (SIZE_T i = 0; i < Count; i++)
        info.Ranges[i] = (BOOT_MEMORY_RANGE){
            Ranges[i].First * PAGE_SIZE,
            Ranges[i].Pages,
            Ranges[i].Type,
            0,
        };
    MmInitializePages(&info);
}
