/*
 * What an address means in the page tables that this processor uses: also the loader's, during
 * the start. A table never goes away, so the walk needs no lock, whatever it has interrupted.
 * What it finds can change only for a driver's image, when that is unloaded.
 */
#include "cpu.h"
#include "pagetable.h"
#include "bootinfo.h"

/* The entry that maps Virtual in this processor's tables, and 2^Shift bytes; 0 if none does. */
static ULONG64 FindTranslation(ULONG64 Virtual, PULONG Shift)
{
    ULONG64 entry = KiReadCr3();

    if ((ULONG64)((LONG64)(Virtual << 16) >> 16) != Virtual)
        return 0; /* not canonical */
    for (ULONG shift = TOP_SHIFT;; shift -= LEVEL_BITS) {
        entry = __atomic_load_n(EntryIn(TableAt(entry), Virtual, shift), __ATOMIC_ACQUIRE);
        if ((entry & PRESENT) == 0)
            return 0;
        if (shift == PAGE_SHIFT || (entry & LARGE)) {
            *Shift = shift;
            return entry;
        }
    }
}

/*
 * IRQL:    any
 * Locks:   none
 * Context: any
 * Returns: Virtual's physical address; 0 if it is not mapped
 * Source:  arch.h
 */
ULONG64 ArchVirtualToPhysical(const VOID *Virtual)
{
    ULONG64 address = (ULONG64)Virtual, offset;
    ULONG shift;
    ULONG64 entry = FindTranslation(address, &shift);

    if (entry == 0)
        return 0;
    offset = (1ULL << shift) - 1;
    return (entry & ADDRESS & ~offset) | (address & offset);
}

/*
 * IRQL:    any
 * Locks:   none
 * Context: any
 * Returns: the direct map's address of Physical, which has to be memory
 * Source:  arch.h
 */
PVOID ArchPhysicalToVirtual(ULONG64 Physical)
{
    return (PVOID)(DIRECT_MAP_BASE + Physical);
}

/*
 * IRQL:    any
 * Locks:   none
 * Context: any
 * Returns: TRUE if a read at Address cannot fault
 * Source:  arch.h
 */
BOOLEAN ArchIsAddressMapped(const VOID *Address)
{
    ULONG shift;

    return FindTranslation((ULONG64)Address, &shift) != 0;
}
