/* The life of an executive resource, and questions about it: resource.c says what it is. */
#include "ke.h"
#include "resource_claim.h"

#define KIND_DELETE_IN_USE 0xD2 /* of bug check 0xC4 */

/*
 * IRQL:    <= DISPATCH_LEVEL
 * Locks:   none
 * Context: any
 * Returns: STATUS_SUCCESS
 * Source:  contract T-ERES-1
 */
NTSTATUS ExInitializeResourceLite(PERESOURCE Resource)
{
    KI_REQUIRE_IRQL_AT_MOST(DISPATCH_LEVEL, RULE_IRQL_KE_DISPATCH_LTE, "IrqlExDispatchLte",
                            Resource);
    RtlZeroMemory(Resource, sizeof(*Resource));
    InitializeListHead(&Resource->Owners);
    InitializeListHead(&Resource->Waiting);
    return STATUS_SUCCESS;
}

/* A resource that is thrown away must be free. T-ERES-1 */
static VOID RequireFree(PERESOURCE Resource)
{
    KI_REQUIRE(IsListEmpty(&Resource->Owners) && IsListEmpty(&Resource->Waiting),
               DRIVER_VERIFIER_DETECTED_VIOLATION, KIND_DELETE_IN_USE, Resource,
               KeGetCurrentThread(), 0);
    UNREFERENCED_PARAMETER(Resource);
}

/*
 * As new; it must not be in use.
 *
 * IRQL:    <= APC_LEVEL
 * Locks:   none
 * Context: any
 * Returns: STATUS_SUCCESS
 * Source:  contract T-ERES-1
 */
NTSTATUS ExReinitializeResourceLite(PERESOURCE Resource)
{
    KI_REQUIRE_IRQL_AT_MOST(APC_LEVEL, RULE_IRQL_EX_RESOURCE, "IrqlExApcLte3", Resource);
    RequireFree(Resource);
    return ExInitializeResourceLite(Resource);
}

/*
 * The end of a resource that is not in use. It owns nothing, so this only checks.
 *
 * IRQL:    <= APC_LEVEL
 * Locks:   none
 * Context: any
 * Returns: STATUS_SUCCESS
 * Source:  contract T-ERES-1
 */
NTSTATUS ExDeleteResourceLite(PERESOURCE Resource)
{
    KI_REQUIRE_IRQL_AT_MOST(APC_LEVEL, RULE_IRQL_EX_RESOURCE, "IrqlExApcLte3", Resource);
    RequireFree(Resource);
    return STATUS_SUCCESS;
}

/* ---- questions ---- */

/*
 * IRQL:    <= DISPATCH_LEVEL
 * Locks:   takes the resource's lock
 * Context: a thread
 * Returns: how often the current thread has it, in either way
 * Source:  contract T-ERES-9
 */
ULONG ExIsResourceAcquiredSharedLite(PERESOURCE Resource)
{
    KI_REQUIRE_IRQL_AT_MOST(DISPATCH_LEVEL, RULE_IRQL_KE_DISPATCH_LTE, "IrqlExDispatchLte",
                            Resource);

    KIRQL oldIrql;
    KeAcquireSpinLock(&Resource->Lock, &oldIrql);
    PERESOURCE_CLAIM claim = ExpFindClaim(Resource, KeGetCurrentThread());
    ULONG count = claim ? claim->Count : 0;
    KeReleaseSpinLock(&Resource->Lock, oldIrql);
    return count;
}

/*
 * IRQL:    <= DISPATCH_LEVEL
 * Locks:   none: the current thread's having it cannot change meanwhile
 * Context: a thread
 * Returns: TRUE if the current thread has it alone
 * Source:  contract T-ERES-9
 */
BOOLEAN ExIsResourceAcquiredExclusiveLite(PERESOURCE Resource)
{
    KI_REQUIRE_IRQL_AT_MOST(DISPATCH_LEVEL, RULE_IRQL_KE_DISPATCH_LTE, "IrqlExDispatchLte",
                            Resource);
    return Resource->Exclusive && Resource->First.Thread == KeGetCurrentThread();
}

/*
 * IRQL:    <= DISPATCH_LEVEL
 * Locks:   none; the answer can be stale when it arrives
 * Context: any
 * Returns: how many threads wait to have it alone
 * Source:  contract T-ERES-9
 */
ULONG ExGetExclusiveWaiterCount(PERESOURCE Resource)
{
    KI_REQUIRE_IRQL_AT_MOST(DISPATCH_LEVEL, RULE_IRQL_KE_DISPATCH_LTE, "IrqlExDispatchLte",
                            Resource);
    return Resource->ExclusiveWaiters;
}

/*
 * IRQL:    <= DISPATCH_LEVEL
 * Locks:   none; the answer can be stale when it arrives
 * Context: any
 * Returns: how many threads wait to share it
 * Source:  contract T-ERES-9
 */
ULONG ExGetSharedWaiterCount(PERESOURCE Resource)
{
    KI_REQUIRE_IRQL_AT_MOST(DISPATCH_LEVEL, RULE_IRQL_KE_DISPATCH_LTE, "IrqlExDispatchLte",
                            Resource);
    return Resource->SharedWaiters;
}

/*
 * Thread's claim to Resource.
 *
 * IRQL:    DISPATCH_LEVEL (not checked)
 * Locks:   the resource's lock is held
 * Context: any
 * Returns: the claim, or NULL
 */
PERESOURCE_CLAIM ExpFindClaim(PERESOURCE Resource, PKTHREAD Thread)
{
    for (PLIST_ENTRY entry = Resource->Owners.Flink; entry != &Resource->Owners;
         entry = entry->Flink) {
        PERESOURCE_CLAIM claim = CONTAINING_RECORD(entry, ERESOURCE_CLAIM, ListEntry);
        if (claim->Thread == Thread)
            return claim;
    }
    return NULL;
}
