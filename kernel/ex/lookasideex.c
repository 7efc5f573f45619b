/*
 * Lookaside lists with the extended interface: the callbacks know the list, and the list the type
 * of its memory. <= DISPATCH_LEVEL, with paged memory <= APC_LEVEL (the pool checks); no lock.
 */
#include "ex/explookaside.h"

/* ---- callbacks for those who bring none ---- */

static PVOID AllocateEntryEx(POOL_TYPE PoolType, SIZE_T Bytes, ULONG Tag,
                             PLOOKASIDE_LIST_EX Lookaside)
{
    UNREFERENCED_PARAMETER(Lookaside);
    return ExAllocatePoolWithTag(PoolType, Bytes, Tag);
}

static VOID FreeEntryEx(PVOID Buffer, PLOOKASIDE_LIST_EX Lookaside)
{
    UNREFERENCED_PARAMETER(Lookaside);
    ExFreePool(Buffer);
}

/* ---- the routines ---- */

static BOOLEAN IsPoolType(POOL_TYPE PoolType)
{
    return PoolType == NonPagedPool || PoolType == PagedPool || PoolType == NonPagedPoolNx ||
           PoolType == NonPagedPoolCacheAligned || PoolType == PagedPoolCacheAligned ||
           PoolType == NonPagedPoolNxCacheAligned;
}

/*
 * Makes a lookaside list. Allocate and Free may be NULL: the pool. Flags: 0 or one of
 * EX_LOOKASIDE_LIST_EX_FLAGS_RAISE_ON_FAIL and _FAIL_NO_RAISE. Depth has no meaning.
 *
 * IRQL:    <= DISPATCH_LEVEL
 * Locks:   takes ExpLookasideLock
 * Context: any
 * Returns: STATUS_SUCCESS, STATUS_INVALID_PARAMETER_4 (type), STATUS_INVALID_PARAMETER_5 (flags)
 * Source:  contract T-LL-1, T-LL-4, T-LL-5
 */
NTSTATUS ExInitializeLookasideListEx(PLOOKASIDE_LIST_EX Lookaside, PALLOCATE_FUNCTION_EX Allocate,
                                     PFREE_FUNCTION_EX Free, POOL_TYPE PoolType, ULONG Flags,
                                     SIZE_T Size, ULONG Tag, USHORT Depth)
{
    KI_REQUIRE_IRQL_AT_MOST(DISPATCH_LEVEL, RULE_IRQL_EX_ALLOCATE_POOL, "IrqlExAllocatePool",
                            Lookaside);
    UNREFERENCED_PARAMETER(Depth);
    if (!IsPoolType(PoolType))
        return STATUS_INVALID_PARAMETER_4;
    if (Flags > EX_LOOKASIDE_LIST_EX_FLAGS_FAIL_NO_RAISE)
        return STATUS_INVALID_PARAMETER_5;
    if (Flags == EX_LOOKASIDE_LIST_EX_FLAGS_RAISE_ON_FAIL)
        PoolType |= (POOL_TYPE)POOL_RAISE_IF_ALLOCATION_FAILURE;
    ExpInitializeLookaside(&Lookaside->L, PoolType, Size, Tag);
    Lookaside->L.AllocateEx = Allocate ? Allocate : AllocateEntryEx;
    Lookaside->L.FreeEx = Free ? Free : FreeEntryEx;
    return STATUS_SUCCESS;
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
PVOID ExAllocateFromLookasideListEx(PLOOKASIDE_LIST_EX Lookaside)
{
    KI_REQUIRE_IRQL_AT_MOST(DISPATCH_LEVEL, RULE_IRQL_EX_ALLOCATE_POOL, "IrqlExAllocatePool",
                            Lookaside);

    PGENERAL_LOOKASIDE list = &Lookaside->L;
    PVOID entry = ExpPopLookaside(list);

    return entry ? entry : list->AllocateEx(list->Type, list->Size, list->Tag, Lookaside);
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
VOID ExFreeToLookasideListEx(PLOOKASIDE_LIST_EX Lookaside, PVOID Entry)
{
    KI_REQUIRE_IRQL_AT_MOST(DISPATCH_LEVEL, RULE_IRQL_EX_ALLOCATE_POOL, "IrqlExAllocatePool",
                            Lookaside);
    if (!ExpPushLookaside(&Lookaside->L, Entry))
        Lookaside->L.FreeEx(Entry, Lookaside);
}

/*
 * Gives all entries that the list holds back to its source. No lock is held meanwhile.
 *
 * IRQL:    <= DISPATCH_LEVEL
 * Locks:   none
 * Context: any
 * Returns: nothing
 * Source:  contract T-LL-5
 */
VOID ExFlushLookasideListEx(PLOOKASIDE_LIST_EX Lookaside)
{
    KI_REQUIRE_IRQL_AT_MOST(DISPATCH_LEVEL, RULE_IRQL_EX_ALLOCATE_POOL, "IrqlExAllocatePool",
                            Lookaside);

    PSLIST_ENTRY entry, next;

    for (entry = ExInterlockedFlushSList(&Lookaside->L.ListHead); entry; entry = next) {
        next = entry->Next;
        Lookaside->L.FreeEx(entry, Lookaside);
    }
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
VOID ExDeleteLookasideListEx(PLOOKASIDE_LIST_EX Lookaside)
{
    KI_REQUIRE_IRQL_AT_MOST(DISPATCH_LEVEL, RULE_IRQL_EX_ALLOCATE_POOL, "IrqlExAllocatePool",
                            Lookaside);
    ExpLeaveLookaside(&Lookaside->L);
    ExFlushLookasideListEx(Lookaside);
}
