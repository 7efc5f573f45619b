/*
 * ExAllocatePool2 and ExAllocatePool3: requests by flags. Nonpaged pool at <= DISPATCH_LEVEL, paged
 * pool at <= APC_LEVEL; no lock of its own.
 */
#include "ex/expool.h"

#define POOL_FLAGS_OF_TYPE (POOL_FLAG_NON_PAGED | POOL_FLAG_NON_PAGED_EXECUTE | POOL_FLAG_PAGED)
#define POOL_FLAGS_KNOWN                                                                      \
    (POOL_FLAGS_OF_TYPE | POOL_FLAG_USE_QUOTA | POOL_FLAG_UNINITIALIZED | POOL_FLAG_SESSION | \
     POOL_FLAG_CACHE_ALIGNED | POOL_FLAG_RAISE_ON_FAILURE)
#define POOL_FLAGS_REQUIRED 0xFFFFFFFFULL

/* The POOL_TYPE for Flags; FALSE if they do not name exactly one, or ask for what nobody knows. */
static BOOLEAN TypeOfFlags(POOL_FLAGS Flags, POOL_TYPE *PoolType)
{
    POOL_TYPE type;

    switch (Flags & POOL_FLAGS_OF_TYPE) {
    case POOL_FLAG_NON_PAGED:
        type = NonPagedPoolNx;
        break;
    case POOL_FLAG_NON_PAGED_EXECUTE:
        type = NonPagedPoolExecute;
        break;
    case POOL_FLAG_PAGED:
        type = PagedPool;
        break;
    default:
        return FALSE;
    }
    *PoolType = Flags & POOL_FLAG_CACHE_ALIGNED ? type | POOL_CACHE_ALIGNED : type;
    return (Flags & POOL_FLAGS_REQUIRED & ~POOL_FLAGS_KNOWN) == 0;
}

/* Extended parameters: the priority and the node are hints; others are known to nobody. */
static BOOLEAN AreParametersKnown(PCPOOL_EXTENDED_PARAMETER Parameters, ULONG Count)
{
    const ULONG priority = 1, numaNode = 3;

    for (ULONG i = 0; i < Count; i++) {
        if (Parameters[i].Type != priority && Parameters[i].Type != numaNode &&
            !Parameters[i].Optional)
            return FALSE;
    }
    return TRUE;
}

static PVOID AllocateByFlags(POOL_FLAGS Flags, SIZE_T Bytes, ULONG Tag, PVOID Caller)
{
    POOL_TYPE poolType;
    PVOID payload = NULL;

    if (TypeOfFlags(Flags, &poolType) && Tag != 0 && Bytes != 0) {
        ExpCheckRequest(poolType, Bytes, Tag);
        payload = ExpAllocate(poolType, Bytes, Tag);
    }
    if (!payload && (Flags & POOL_FLAG_RAISE_ON_FAILURE))
        ExpRaiseNoMemory(Caller);
    if (payload && !(Flags & POOL_FLAG_UNINITIALIZED))
        memset(payload, 0, Bytes);
    return payload;
}

/*
 * Allocates memory, zeroed unless the flags say POOL_FLAG_UNINITIALIZED.
 *
 * IRQL:    that of the type: nonpaged <= DISPATCH_LEVEL, paged <= APC_LEVEL (ExpCheckRequest)
 * Locks:   takes a class's lock, or the page allocator's
 * Context: any
 * Returns: the memory; NULL if there is none, Tag or NumberOfBytes is 0, or the flags are wrong
 * Source:  contract T-POOL-1..4, T-POOL-8
 */
PVOID ExAllocatePool2(POOL_FLAGS Flags, SIZE_T NumberOfBytes, ULONG Tag)
{
    return AllocateByFlags(Flags, NumberOfBytes, Tag, __builtin_return_address(0));
}

/*
 * Allocates memory like ExAllocatePool2. Of the extended parameters the priority and the node are
 * accepted without effect; others make it fail unless they are optional.
 *
 * IRQL:    that of the type: nonpaged <= DISPATCH_LEVEL, paged <= APC_LEVEL (ExpCheckRequest)
 * Locks:   takes a class's lock, or the page allocator's
 * Context: any
 * Returns: the memory, or NULL
 * Source:  contract T-POOL-1..4, T-POOL-8
 */
PVOID ExAllocatePool3(POOL_FLAGS Flags, SIZE_T NumberOfBytes, ULONG Tag,
                      PCPOOL_EXTENDED_PARAMETER ExtendedParameters, ULONG ExtendedParametersCount)
{
    if (!AreParametersKnown(ExtendedParameters, ExtendedParametersCount))
        Tag = 0;
    return AllocateByFlags(Flags, NumberOfBytes, Tag, __builtin_return_address(0));
}
