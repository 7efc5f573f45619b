/*
 * Lookaside lists of nonpaged and of paged memory: free entries of one size in front of the pool.
 * <= DISPATCH_LEVEL (paged lists <= APC_LEVEL), no lock of their own.
 *
 * A driver's inline routines use the same fields: so the callbacks are never NULL, and they have
 * the prototypes of the pool's routines.
 */
#include "ex/explookaside.h"

/* ---- both kinds ---- */

static PVOID AllocateEntry(PGENERAL_LOOKASIDE Lookaside)
{
    PVOID entry = ExpPopLookaside(Lookaside);

    return entry ? entry : Lookaside->Allocate(Lookaside->Type, Lookaside->Size, Lookaside->Tag);
}

static VOID FreeEntry(PGENERAL_LOOKASIDE Lookaside, PVOID Entry)
{
    if (!ExpPushLookaside(Lookaside, Entry))
        Lookaside->Free(Entry);
}

/* Gives all entries back. No lock is held while the callback runs. */
static VOID DeleteList(PGENERAL_LOOKASIDE Lookaside)
{
    PSLIST_ENTRY entry, next;

    ExpLeaveLookaside(Lookaside);
    for (entry = ExInterlockedFlushSList(&Lookaside->ListHead); entry; entry = next) {
        next = entry->Next;
        Lookaside->Free(entry);
    }
}

/* ---- nonpaged ---- */

/*
 * Makes a lookaside list of nonpaged memory. Allocate and Free may be NULL: the pool. Flags: 0, or
 * POOL_RAISE_IF_ALLOCATION_FAILURE, POOL_NX_ALLOCATION (512). Depth has no meaning.
 *
 * IRQL:    <= DISPATCH_LEVEL
 * Locks:   takes ExpLookasideLock
 * Context: any
 * Returns: nothing
 * Source:  contract T-LL-1, T-LL-4
 */
VOID ExInitializeNPagedLookasideList(PNPAGED_LOOKASIDE_LIST Lookaside, PALLOCATE_FUNCTION Allocate,
                                     PFREE_FUNCTION Free, ULONG Flags, SIZE_T Size, ULONG Tag,
                                     USHORT Depth)
{
    KI_REQUIRE_IRQL_AT_MOST(DISPATCH_LEVEL, RULE_IRQL_EX_ALLOCATE_POOL, "IrqlExAllocatePool",
                            Lookaside);
    UNREFERENCED_PARAMETER(Depth);
    ExpInitializeLookaside(&Lookaside->L, NonPagedPool | (POOL_TYPE)Flags, Size, Tag);
    Lookaside->L.Allocate = Allocate ? Allocate : ExAllocatePoolWithTag;
    Lookaside->L.Free = Free ? Free : ExFreePool;
}

/*
 * Takes the entry that was freed last; if the list has none, a new one from the list's source.
 *
 * IRQL:    <= DISPATCH_LEVEL
 * Locks:   none
 * Context: any
 * Returns: the entry, or NULL
 * Source:  contract T-LL-2, T-LL-3
 */
PVOID ExAllocateFromNPagedLookasideList(PNPAGED_LOOKASIDE_LIST Lookaside)
{
    KI_REQUIRE_IRQL_AT_MOST(DISPATCH_LEVEL, RULE_IRQL_EX_ALLOCATE_POOL, "IrqlExAllocatePool",
                            Lookaside);
    return AllocateEntry(&Lookaside->L);
}

/*
 * Gives an entry back, to the list or, if that is full, to the list's source.
 *
 * IRQL:    <= DISPATCH_LEVEL
 * Locks:   none
 * Context: any
 * Returns: nothing
 * Source:  contract T-LL-2, T-LL-3
 */
VOID ExFreeToNPagedLookasideList(PNPAGED_LOOKASIDE_LIST Lookaside, PVOID Entry)
{
    KI_REQUIRE_IRQL_AT_MOST(DISPATCH_LEVEL, RULE_IRQL_EX_ALLOCATE_POOL, "IrqlExAllocatePool",
                            Lookaside);
    FreeEntry(&Lookaside->L, Entry);
}

/*
 * Gives all entries of the list back to its source and ends the list.
 *
 * IRQL:    <= DISPATCH_LEVEL
 * Locks:   takes ExpLookasideLock
 * Context: any; nobody uses the list any more
 * Returns: nothing
 * Source:  contract T-LL-4
 */
VOID ExDeleteNPagedLookasideList(PNPAGED_LOOKASIDE_LIST Lookaside)
{
    KI_REQUIRE_IRQL_AT_MOST(DISPATCH_LEVEL, RULE_IRQL_EX_ALLOCATE_POOL, "IrqlExAllocatePool",
                            Lookaside);
    DeleteList(&Lookaside->L);
}

/* ---- paged ---- */

/*
 * Makes a lookaside list of paged memory; otherwise as ExInitializeNPagedLookasideList.
 *
 * IRQL:    <= APC_LEVEL
 * Locks:   takes ExpLookasideLock
 * Context: any
 * Returns: nothing
 * Source:  contract T-LL-1, T-LL-4
 */
VOID ExInitializePagedLookasideList(PPAGED_LOOKASIDE_LIST Lookaside, PALLOCATE_FUNCTION Allocate,
                                    PFREE_FUNCTION Free, ULONG Flags, SIZE_T Size, ULONG Tag,
                                    USHORT Depth)
{
    KI_REQUIRE_IRQL_AT_MOST(APC_LEVEL, RULE_IRQL_EX_APC_LTE, "IrqlExApcLte2", Lookaside);
    UNREFERENCED_PARAMETER(Depth);
    ExpInitializeLookaside(&Lookaside->L, PagedPool | (POOL_TYPE)Flags, Size, Tag);
    Lookaside->L.Allocate = Allocate ? Allocate : ExAllocatePoolWithTag;
    Lookaside->L.Free = Free ? Free : ExFreePool;
}

/*
 * As ExAllocateFromNPagedLookasideList.
 *
 * IRQL:    <= APC_LEVEL
 * Locks:   none
 * Context: any
 * Returns: the entry, or NULL
 * Source:  contract T-LL-2, T-LL-3
 */
PVOID ExAllocateFromPagedLookasideList(PPAGED_LOOKASIDE_LIST Lookaside)
{
    KI_REQUIRE_IRQL_AT_MOST(APC_LEVEL, RULE_IRQL_EX_APC_LTE, "IrqlExApcLte2", Lookaside);
    return AllocateEntry(&Lookaside->L);
}

/*
 * As ExFreeToNPagedLookasideList.
 *
 * IRQL:    <= APC_LEVEL
 * Locks:   none
 * Context: any
 * Returns: nothing
 * Source:  contract T-LL-2, T-LL-3
 */
VOID ExFreeToPagedLookasideList(PPAGED_LOOKASIDE_LIST Lookaside, PVOID Entry)
{
    KI_REQUIRE_IRQL_AT_MOST(APC_LEVEL, RULE_IRQL_EX_APC_LTE, "IrqlExApcLte2", Lookaside);
    FreeEntry(&Lookaside->L, Entry);
}

/*
 * As ExDeleteNPagedLookasideList.
 *
 * IRQL:    <= APC_LEVEL
 * Locks:   takes ExpLookasideLock
 * Context: any; nobody uses the list any more
 * Returns: nothing
 * Source:  contract T-LL-4
 */
VOID ExDeletePagedLookasideList(PPAGED_LOOKASIDE_LIST Lookaside)
{
    KI_REQUIRE_IRQL_AT_MOST(APC_LEVEL, RULE_IRQL_EX_APC_LTE, "IrqlExApcLte2", Lookaside);
    DeleteList(&Lookaside->L);
}
