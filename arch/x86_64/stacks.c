/*
 * Stacks, each in a slot of its own. A slot is aligned to its size, so that an address tells
 * the bounds of its stack without a table:
 *
 *     slot                     middle                    next slot
 *     |------ not mapped ------|--------- stack ---------|------ not mapped ...
 *
 * Whoever runs over the end of a stack faults, and cannot reach another one for 32 KiB.
 */
#include "mapping.h"
#include "ex.h"

#define STACK_REGION 0xFFFFB00000000000ULL
#define SLOT_SIZE    (2ULL * KERNEL_STACK_SIZE)
#define SLOT_LIMIT   (1ULL << 16)

_Static_assert((SLOT_SIZE & (SLOT_SIZE - 1)) == 0, "a slot's size is no power of two");

/* Slots handed out so far; a slot whose stack could not be mapped stays unused. */
static volatile LONG64 SlotCount;

/* Stacks that were given back: they stay mapped, and hold their own list entries. */
static SLIST_HEADER FreeStacks;

static PSLIST_ENTRY EntryOf(PVOID StackTop)
{
    return (PSLIST_ENTRY)StackTop - 1;
}

/*
 * IRQL:    <= DISPATCH_LEVEL, or the start (not checked)
 * Locks:   none
 * Context: any
 * Returns: the address above the stack, 16-aligned; NULL if there is no memory
 * Source:  arch.h; design.md, decision 9
 */
PVOID ArchAllocateStack(VOID)
{
    const SIZE_T pages = KERNEL_STACK_SIZE / PAGE_SIZE;
    PSLIST_ENTRY old = ExpInterlockedPopEntrySList(&FreeStacks);
    PVOID memory;
    ULONG64 slot, low;

    if (old != NULL)
        return old + 1;
    memory = MmAllocatePages(pages);
    if (memory == NULL)
        return NULL;
    slot = InterlockedExchangeAdd64(&SlotCount, 1);
    low = STACK_REGION + slot * SLOT_SIZE + KERNEL_STACK_SIZE;
    if (slot >= SLOT_LIMIT || !KiMapInto(KiKernelTables(), low, ArchVirtualToPhysical(memory),
                                         KERNEL_STACK_SIZE, MAP_WRITE)) {
        MmFreePages(memory, pages);
        return NULL;
    }
    return (PVOID)(low + KERNEL_STACK_SIZE);
}

/*
 * Takes back a stack on which nothing runs. It stays mapped, for the next one who asks.
 *
 * IRQL:    <= DISPATCH_LEVEL (not checked)
 * Locks:   none
 * Context: any
 * Returns: nothing
 * Source:  arch.h
 */
VOID ArchFreeStack(PVOID StackTop)
{
    ExpInterlockedPushEntrySList(&FreeStacks, EntryOf(StackTop));
}

/*
 * IRQL:    any
 * Locks:   none
 * Context: any
 * Returns: FALSE if Address is not inside a stack, its guard pages included
 * Source:  DESIGN.md, Memory
 */
BOOLEAN KiFindStack(ULONG_PTR Address, PULONG_PTR Low, PULONG_PTR High)
{
    ULONG_PTR slot = Address & ~(SLOT_SIZE - 1);

    if (Address >= (ULONG_PTR)KiBootStack && Address < (ULONG_PTR)KiBootStackTop) {
        *Low = (ULONG_PTR)KiBootStack;
        *High = (ULONG_PTR)KiBootStackTop;
        return TRUE;
    }
    if (Address < STACK_REGION || slot >= STACK_REGION + SlotCount * SLOT_SIZE ||
        Address < slot + KERNEL_STACK_SIZE)
        return FALSE;
    *Low = slot + KERNEL_STACK_SIZE;
    *High = slot + SLOT_SIZE;
    return TRUE;
}
