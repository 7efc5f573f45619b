/* What kernel/ex shows to the rest of the kernel: pages and the pool. */
#ifndef METRONOME_EX_H
#define METRONOME_EX_H

#include "ntddk.h"

struct _BOOT_INFO;

/* ---- pages (kernel/ex/pages.c) ---- */

/* Takes over all BootMemoryFree ranges. Before anything else allocates. */
VOID MmInitializePages(const struct _BOOT_INFO *BootInfo);

/*
 * Count physically consecutive pages, zeroed, at their address in the direct map; NULL when
 * there are none. Any IRQL up to HIGH_LEVEL during the start, then <= DISPATCH_LEVEL.
 */
PVOID MmAllocatePages(SIZE_T Count);
VOID MmFreePages(PVOID Address, SIZE_T Count);

typedef struct _MM_INFORMATION {
    SIZE_T TotalPages, FreePages;
    SIZE_T PoolPages;    /* held by the pool */
    SIZE_T PoolBytes[2]; /* requested and not freed: nonpaged, paged */
    SIZE_T PoolBlocks[2];
} MM_INFORMATION, *PMM_INFORMATION;
VOID MmQueryInformation(PMM_INFORMATION Information);

/* ---- pool (kernel/ex/pool.c) ---- */

VOID ExInitializePool(VOID);

/* Blocks and bytes that are in use with a tag; all tags: Tag 0. For leak checks. */
VOID ExQueryPoolTag(ULONG Tag, PSIZE_T Blocks, PSIZE_T Bytes);

/* Makes every n-th allocation fail (tests); 0: never. */
extern volatile ULONG ExpFailEvery;

/*
 * A live lookaside list's callback inside the code at Start, or NULL; checked builds only. A list
 * without callbacks of its own cannot be told to be a driver's. <= DISPATCH_LEVEL.
 */
PVOID ExpFindLookasideCallback(const VOID *Start, SIZE_T Size);

/* ---- work items (kernel/ex/workitem.c) ---- */

/* Starts the worker threads. PASSIVE_LEVEL, once. */
VOID ExpStartWorkers(VOID);

/* A queued or running work routine inside the code at Start, or NULL. <= DISPATCH_LEVEL. */
PWORKER_THREAD_ROUTINE ExpFindWork(const VOID *Start, SIZE_T Size);

/* ---- EX_TIMER (kernel/ex/extimer.c) ---- */

/* The callback of the EX_TIMER that Timer drives, or NULL. Its table's lock is held. */
PEXT_CALLBACK ExpCallbackOfTimer(const KTIMER *Timer);

/* ---- executive resources (kernel/ex/resource.c) ---- */

/*
 * Of a wait with reason WrResource, by its object: the thread that has the resource alone, or NULL.
 * The dispatcher lock is held.
 */
const struct _KTHREAD *ExpOwnerOfResource(PDISPATCHER_HEADER Granted);

#endif
