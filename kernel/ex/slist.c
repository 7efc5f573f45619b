/*
 * Sequenced lists: last in, first out, without a lock. Any IRQL when header and entries are
 * resident. Each change replaces the whole 16-byte header in one step (cmpxchg16b).
 *
 * A pop reads the first entry's link before it replaces the header. Meanwhile others may have
 * taken that entry and put it back over another one:
 *
 *     this processor: pop                 others                       list
 *                                                                      A B
 *     header: first A, sequence 7
 *     A's link: B
 *                                         pop A, pop B, push A         A
 *     replaces (A, 7) by (B, 8): fails, as the sequence is 10          A
 *
 * With the first entry alone to compare it would succeed, and B would be in the list although
 * somebody owns it. A 48-bit sequence does not come round within one pop.
 *
 * Reading A's link may even read memory that A's new owner has freed: what is read is thrown away,
 * as the sequence has changed, and the direct map has no holes where pool memory can lie.
 *
 * The two halves of the header are read one after the other, so they may not belong together.
 * Then the comparison fails, since it is made with both in one step.
 */
#include "interlocked.h"

typedef union _HEADER {
    SLIST_HEADER List;
    unsigned __int128 Whole;
} HEADER;

/* The instruction is asked for here, so that the host's compiler has it as well. */
#define WITH_CMPXCHG16B __attribute__((target("cx16")))

FORCEINLINE HEADER Read(PSLIST_HEADER ListHead)
{
    HEADER header;

    header.List.Alignment = *(volatile ULONGLONG *)&ListHead->Alignment;
    header.List.Region = *(volatile ULONGLONG *)&ListHead->Region;
    return header;
}

FORCEINLINE PSLIST_ENTRY First(HEADER Header)
{
    return (PSLIST_ENTRY)((ULONG_PTR)Header.List.HeaderX64.NextEntry << 4);
}

/* Old with another first entry and depth, one further in the sequence. */
FORCEINLINE HEADER Successor(HEADER Old, PSLIST_ENTRY First, ULONG Depth)
{
    HEADER new = {.Whole = 0};

    new.List.HeaderX64.Depth = Depth &MAXUSHORT;
    new.List.HeaderX64.Sequence = (Old.List.HeaderX64.Sequence + 1) & 0xFFFFFFFFFFFFULL;
    new.List.HeaderX64.NextEntry = (ULONG_PTR)First >> 4;
    return new;
}

WITH_CMPXCHG16B static inline BOOLEAN Replace(PSLIST_HEADER ListHead, HEADER Old, HEADER New)
{
    return __sync_bool_compare_and_swap((unsigned __int128 *)ListHead, Old.Whole, New.Whole);
}

/*
 * Puts an entry in front.
 *
 * IRQL:    any
 * Locks:   none
 * Context: any, interrupt service routines included
 * Returns: the entry that was the first one, or NULL
 * Source:  contract T-EXI-1, T-EXI-5
 */
WITH_CMPXCHG16B PSLIST_ENTRY ExpInterlockedPushEntrySList(PSLIST_HEADER ListHead,
                                                          PSLIST_ENTRY ListEntry)
{
    HEADER old;

    do {
        old = Read(ListHead);
        ListEntry->Next = First(old);
    } while (!Replace(ListHead, old, Successor(old, ListEntry, old.List.HeaderX64.Depth + 1u)));
    return First(old);
}

/*
 * Takes the first entry.
 *
 * IRQL:    any
 * Locks:   none
 * Context: any, interrupt service routines included
 * Returns: the entry, or NULL if the list is empty
 * Source:  contract T-EXI-1, T-EXI-5
 */
WITH_CMPXCHG16B PSLIST_ENTRY ExpInterlockedPopEntrySList(PSLIST_HEADER ListHead)
{
    PSLIST_ENTRY first, second;
    HEADER old;

    do {
        old = Read(ListHead);
        first = First(old);
        if (!first)
            return NULL;
        second = *(PSLIST_ENTRY volatile *)&first->Next;
    } while (!Replace(ListHead, old, Successor(old, second, old.List.HeaderX64.Depth - 1u)));
    return first;
}

/*
 * Empties the list in one step.
 *
 * IRQL:    any
 * Locks:   none
 * Context: any, interrupt service routines included
 * Returns: the entry that was the first one, linked to the others, or NULL
 * Source:  contract T-EXI-5
 */
WITH_CMPXCHG16B PSLIST_ENTRY ExpInterlockedFlushSList(PSLIST_HEADER ListHead)
{
    HEADER old;

    do {
        old = Read(ListHead);
        if (!First(old))
            return NULL;
    } while (!Replace(ListHead, old, Successor(old, NULL, 0)));
    return First(old);
}

/*
 * Says how many entries the list holds, modulo 65,536.
 *
 * IRQL:    any
 * Locks:   none; the answer can be stale when it arrives
 * Context: any
 * Returns: the number of entries
 * Source:  contract T-EXI-5
 */
USHORT ExQueryDepthSList(PSLIST_HEADER SListHead)
{
    return (USHORT)Read(SListHead).List.HeaderX64.Depth;
}
