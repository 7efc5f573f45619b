/*
 * What all kinds of lookaside lists have in common: free entries of one size in a sequenced list.
 * <= DISPATCH_LEVEL. The entries need no lock; the list of all live lookaside lists, which a
 * checked build keeps, has ExpLookasideLock.
 */
#include "ex/explookaside.h"
#include "ex/expool.h"

/* Most entries that a list keeps. */
#define LOOKASIDE_DEPTH         32
#define LOOKASIDE_MAXIMUM_DEPTH 256

/* ---- the live lists ---- */

#if DBG
static KSPIN_LOCK ExpLookasideLock; /* DISPATCH_LEVEL */
static LIST_ENTRY ExpLookasideLists = {&ExpLookasideLists, &ExpLookasideLists};

/*
 * Looks for a live lookaside list in memory that is about to be freed.
 *
 * IRQL:    <= DISPATCH_LEVEL
 * Locks:   takes ExpLookasideLock
 * Context: any
 * Returns: the list, or NULL
 * Source:  contract T-POOL-9
 */
PVOID ExpFindLookaside(const VOID *Start, SIZE_T Bytes)
{
    PVOID found = NULL;
    KIRQL oldIrql;

    /* During the start there are none, and the IRQL is HIGH_LEVEL. */
    if (IsListEmpty(&ExpLookasideLists))
        return NULL;
    KI_REQUIRE_IRQL_AT_MOST(DISPATCH_LEVEL, RULE_IRQL_EX_ALLOCATE_POOL, "IrqlExAllocatePool",
                            Start);
    oldIrql = KeAcquireSpinLockRaiseToDpc(&ExpLookasideLock);
    for (PLIST_ENTRY entry = ExpLookasideLists.Flink; entry != &ExpLookasideLists;
         entry = entry->Flink) {
        PGENERAL_LOOKASIDE list = CONTAINING_RECORD(entry, GENERAL_LOOKASIDE, ListEntry);

        if ((ULONG_PTR)list - (ULONG_PTR)Start < Bytes)
            found = list;
    }
    KeReleaseSpinLock(&ExpLookasideLock, oldIrql);
    return found;
}

/*
 * Looks for a live lookaside list that would call a driver's code.
 *
 * IRQL:    <= DISPATCH_LEVEL
 * Locks:   takes ExpLookasideLock
 * Context: the end of a driver
 * Returns: the callback inside the code at Start, or NULL
 * Source:  contract T-LL-4
 */
PVOID ExpFindLookasideCallback(const VOID *Start, SIZE_T Size)
{
    KI_REQUIRE_IRQL_AT_MOST(DISPATCH_LEVEL, RULE_IRQL_EX_ALLOCATE_POOL, "IrqlExAllocatePool",
                            Start);
    PVOID found = NULL;
    KIRQL oldIrql = KeAcquireSpinLockRaiseToDpc(&ExpLookasideLock);

    for (PLIST_ENTRY entry = ExpLookasideLists.Flink; entry != &ExpLookasideLists;
         entry = entry->Flink) {
        PGENERAL_LOOKASIDE list = CONTAINING_RECORD(entry, GENERAL_LOOKASIDE, ListEntry);

        if ((ULONG_PTR)list->Allocate - (ULONG_PTR)Start < Size)
            found = (PVOID)list->Allocate;
        if ((ULONG_PTR)list->Free - (ULONG_PTR)Start < Size)
            found = (PVOID)list->Free;
    }
    KeReleaseSpinLock(&ExpLookasideLock, oldIrql);
    return found;
}

/* Enters a list among the live ones, whatever it contains. Source: contract T-LL-4 (0xCA) */
static VOID Enter(PGENERAL_LOOKASIDE Lookaside)
{
    KI_REQUIRE(ExpFindLookaside(Lookaside, 1) == NULL, DRIVER_VERIFIER_DETECTED_VIOLATION, 0xCA,
               Lookaside, 0, 0);
    ExInterlockedInsertTailList(&ExpLookasideLists, &Lookaside->ListEntry, &ExpLookasideLock);
}

/* Takes a list from the live ones. Source: contract T-LL-4 (0xCB) */
VOID ExpLeaveLookaside(PGENERAL_LOOKASIDE Lookaside)
{
    KIRQL oldIrql;

    KI_REQUIRE(ExpFindLookaside(Lookaside, 1) == Lookaside, DRIVER_VERIFIER_DETECTED_VIOLATION,
               0xCB, Lookaside, 0, 0);
    oldIrql = KeAcquireSpinLockRaiseToDpc(&ExpLookasideLock);
    RemoveEntryList(&Lookaside->ListEntry);
    KeReleaseSpinLock(&ExpLookasideLock, oldIrql);
}
#else
/* A free build keeps no list of them. IRQL: any. */
PVOID ExpFindLookasideCallback(const VOID *Start, SIZE_T Size)
{
    UNREFERENCED_PARAMETER(Start);
    UNREFERENCED_PARAMETER(Size);
    return NULL;
}

static VOID Enter(PGENERAL_LOOKASIDE Lookaside)
{
    InitializeListHead(&Lookaside->ListEntry);
}

VOID ExpLeaveLookaside(PGENERAL_LOOKASIDE Lookaside)
{
    UNREFERENCED_PARAMETER(Lookaside);
}
#endif

/* ---- what all kinds have in common ---- */

/* Everything but the callbacks. Source: contract T-LL-1 (0xCD) */
VOID ExpInitializeLookaside(PGENERAL_LOOKASIDE Lookaside, POOL_TYPE PoolType, SIZE_T Size,
                            ULONG Tag)
{
    KI_REQUIRE(Size >= LOOKASIDE_MINIMUM_BLOCK_SIZE, DRIVER_VERIFIER_DETECTED_VIOLATION, 0xCD,
               Lookaside, Size, LOOKASIDE_MINIMUM_BLOCK_SIZE);
    Enter(Lookaside);

    /* An entry that lies in the list holds the list's link. */
    if (Size < sizeof(PVOID))
        Size = sizeof(PVOID);
    ExInitializeSListHead(&Lookaside->ListHead);
    Lookaside->Depth = LOOKASIDE_DEPTH;
    Lookaside->MaximumDepth = LOOKASIDE_MAXIMUM_DEPTH;
    Lookaside->TotalAllocates = Lookaside->AllocateMisses = 0;
    Lookaside->TotalFrees = Lookaside->FreeMisses = 0;
    Lookaside->Type = PoolType;
    Lookaside->Tag = Tag;
    Lookaside->Size = (ULONG)Size;
    Lookaside->LastTotalAllocates = Lookaside->LastAllocateMisses = 0;
    Lookaside->Future[0] = Lookaside->Future[1] = 0;
}

/* The entry that was freed last; NULL if the list holds none. Counts the request. */
PVOID ExpPopLookaside(PGENERAL_LOOKASIDE Lookaside)
{
    PVOID entry = ExInterlockedPopEntrySList(&Lookaside->ListHead, NULL);

    InterlockedIncrement(&Lookaside->TotalAllocates);
    if (!entry)
        InterlockedIncrement(&Lookaside->AllocateMisses);
    return entry;
}

/*
 * Keeps the entry, unless the list is full: then FALSE. Several processors that look at the depth
 * at the same time may all find room for one: the list then grows by one for each of them, and
 * the next ones find it full. The depth is a wish, not a bound.
 */
BOOLEAN ExpPushLookaside(PGENERAL_LOOKASIDE Lookaside, PVOID Entry)
{
    InterlockedIncrement(&Lookaside->TotalFrees);
    if (ExQueryDepthSList(&Lookaside->ListHead) >= Lookaside->Depth) {
        InterlockedIncrement(&Lookaside->FreeMisses);
        return FALSE;
    }
    ExInterlockedPushEntrySList(&Lookaside->ListHead, Entry, NULL);
    return TRUE;
}
