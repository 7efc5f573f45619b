/*
 * What a checked build looks at: requests for memory, and blocks that are about to be freed.
 * Nothing has been changed when an error is found. At the IRQL of the caller; no lock is held.
 */
#include "ex/expool.h"

#if DBG

/* Is the IRQL too high for this type of pool? Not during the start, at HIGH_LEVEL. */
static BOOLEAN IsIrqlTooHigh(ULONG Paged)
{
    if (Paged && KiKeepsDispatchRules())
        return TRUE;
    return KeGetCurrentIrql() > (Paged ? APC_LEVEL : DISPATCH_LEVEL) && KeGetCurrentPrcb()->Started;
}

/* ---- requests ---- */

static BOOLEAN HasLetterOrDigit(ULONG Tag)
{
    for (; Tag != 0; Tag >>= 8) {
        CHAR c = (CHAR)Tag;

        if ((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'))
            return TRUE;
    }
    return FALSE;
}

/* Source: contract T-POOL-5, T-POOL-6, T-POOL-8, bugcheck-verifier.md 0xC2, 0xC4 */
VOID ExpCheckRequest(POOL_TYPE PoolType, SIZE_T Bytes, ULONG Tag)
{
    ULONG paged = PoolType & PagedPool;

    KI_REQUIRE(!IsIrqlTooHigh(paged), DRIVER_VERIFIER_DETECTED_VIOLATION, paged ? 0x01 : 0x02,
               KeGetCurrentIrql(), PoolType, Bytes);
    KI_REQUIRE(Bytes != 0, DRIVER_VERIFIER_DETECTED_VIOLATION, 0x00, KeGetCurrentIrql(), PoolType,
               Bytes);
    KI_REQUIRE(Tag != 0, BAD_POOL_CALLER, 0x9B, PoolType, Bytes, 0);
    KI_REQUIRE(HasLetterOrDigit(Tag), BAD_POOL_CALLER, 0x9D, Tag, PoolType, 0);
}

/* ---- patterns ---- */

/* From the payload to the end of its block. */
static SIZE_T CapacityOf(PVOID Payload)
{
    const MM_PAGE *page = MiPageOf(Payload);

    if (page->State == MmPagePoolLarge)
        return ALIGN_UP_BY(page->Bytes, PAGE_SIZE);
    return ExpPoolClasses[page->Class].Stride - sizeof(POOL_HEADER);
}

VOID ExpFillFresh(PVOID Payload, SIZE_T Bytes)
{
    memset(Payload, POOL_FRESH_FILL, Bytes);
    memset((PUCHAR)Payload + Bytes, POOL_CANARY_FILL, CapacityOf(Payload) - Bytes);
}

VOID ExpFillFreed(PVOID Payload, SIZE_T Bytes)
{
    memset(Payload, POOL_FREED_FILL, Bytes);
}

/* The first byte of the canary that somebody has written over, or NULL. */
static PVOID FindOverrun(PVOID Payload, SIZE_T Bytes)
{
    PUCHAR end = (PUCHAR)Payload + CapacityOf(Payload);

    for (PUCHAR at = (PUCHAR)Payload + Bytes; at < end; at++) {
        if (*at != POOL_CANARY_FILL)
            return at;
    }
    return NULL;
}

/* ---- objects in freed memory ---- */

static VOID CheckObject(PUCHAR At, SIZE_T Left, ULONG_PTR Start, ULONG_PTR End)
{
    if (Left >= sizeof(KTIMER) &&
        (*At == TimerNotificationObject || *At == TimerSynchronizationObject))
        KI_REQUIRE(!KiIsTimerQueued((PKTIMER)At), TIMER_OR_DPC_INVALID, 0, At, Start, End);
    if (Left >= sizeof(KDPC) && (*At == DpcObject || *At == ThreadedDpcObject))
        KI_REQUIRE(!KiIsDpcQueued((PKDPC)At), TIMER_OR_DPC_INVALID, 1, At, Start, End);
}

/*
 * Looks for timers that are set and DPCs that are queued, wherever one can lie. The queue would
 * go on using the memory.
 *
 * Source: contract T-POOL-9, bugcheck-verifier.md 0xC7
 */
static VOID CheckObjects(PVOID Payload, SIZE_T Bytes)
{
    ULONG_PTR start = (ULONG_PTR)Payload;
    PVOID lookaside = ExpFindLookaside(Payload, Bytes);

    KI_REQUIRE(!lookaside, DRIVER_VERIFIER_DETECTED_VIOLATION, 0xCC, lookaside, start, Bytes);
    for (SIZE_T i = 0; i < Bytes; i += sizeof(PVOID))
        CheckObject((PUCHAR)Payload + i, Bytes - i, start, start + Bytes);
}

/* Source: contract T-POOL-7, T-POOL-9, T-POOL-10 */
VOID ExpCheckFree(PVOID Payload, SIZE_T Bytes, ULONG Paged)
{
    PVOID overrun;

    KI_REQUIRE(!IsIrqlTooHigh(Paged), DRIVER_VERIFIER_DETECTED_VIOLATION, Paged ? 0x11 : 0x12,
               KeGetCurrentIrql(), Paged, Payload);
    overrun = FindOverrun(Payload, Bytes);
    KI_REQUIRE(!overrun, DRIVER_VERIFIER_DETECTED_VIOLATION, 0x51, Payload, overrun, Bytes);
    CheckObjects(Payload, Bytes);
}

#endif
