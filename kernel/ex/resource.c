/*
 * Executive resources. Who has one is a list of claims, one for each thread, with a count of its
 * acquisitions; who wants one waits in one queue, whichever way it wants it. Under the resource's
 * spin lock, which comes before the dispatcher lock.
 *
 * A resource is handed over: the release makes the claims of those whose turn it is and then wakes
 * them. So it is never free while somebody waits, and nobody overtakes the queue. Its head decides:
 * a writer alone, or all readers before the next writer.
 *
 * The first claim lies in the resource itself; another reader's comes from the pool, before it is
 * needed: the release allocates nothing.
 */
#include "ke.h"
#include "ex.h"
#include "resource_claim.h"

#define TAG_RESOURCE ((ULONG)'seRE')

/* 0xC4 kinds (bugcheck-verifier.md). */
#define KIND_ACQUIRE_WITH_APCS 0x37
#define KIND_RELEASE_WITH_APCS 0x38
#define KIND_SELF_DEADLOCK     0x1000

/* How an acquisition treats the writers that wait already. */
typedef enum _MANNER { Write, Read, ReadBeforeWriters, ReadAfterWriters } MANNER;

/* A thread in the queue, on its own stack. The resource's lock. */
typedef struct _WAITER {
    LIST_ENTRY ListEntry;
    PERESOURCE Resource;    /* constant */
    PKTHREAD Thread;        /* constant */
    BOOLEAN Write;          /* constant */
    PERESOURCE_CLAIM Spare; /* a reader's claim; NULL once it is in use */
    KEVENT Granted;
} WAITER;

/* ---- claims: the resource's lock is held ---- */

static VOID MakeClaim(PERESOURCE Resource, PERESOURCE_CLAIM Claim, PKTHREAD Thread)
{
    Claim->Thread = Thread;
    Claim->Count = 1;
    InsertTailList(&Resource->Owners, &Claim->ListEntry);
}

/* May a thread that has no claim have one now? */
static BOOLEAN MayEnter(PERESOURCE Resource, MANNER Manner)
{
    if (IsListEmpty(&Resource->Owners))
        return TRUE;
    return Manner != Write && !Resource->Exclusive &&
           (Manner == ReadBeforeWriters || Resource->ExclusiveWaiters == 0);
}

/* May a thread have it once more? A reader can become a writer only by way of the release. */
static BOOLEAN MayEnterAgain(PERESOURCE Resource, MANNER Manner)
{
    if (Resource->Exclusive || Manner == Read || Manner == ReadBeforeWriters)
        return TRUE;
    return Manner == ReadAfterWriters && Resource->ExclusiveWaiters == 0;
}

typedef enum _ANSWER { Taken, NeedsSpare, MustWait } ANSWER;

/* Takes the resource if that is possible at once; *Spare is used up if it is needed. */
static ANSWER TryToTake(PERESOURCE Resource, MANNER Manner, PERESOURCE_CLAIM *Spare)
{
    PKTHREAD thread = KeGetCurrentThread();
    PERESOURCE_CLAIM claim = ExpFindClaim(Resource, thread);

    if (claim) {
        if (!MayEnterAgain(Resource, Manner))
            return MustWait;
        claim->Count++;
        return Taken;
    }
    if (!MayEnter(Resource, Manner))
        return MustWait;
    if (Resource->First.Thread == NULL) {
        MakeClaim(Resource, &Resource->First, thread);
    } else {
        if (!*Spare)
            return NeedsSpare;
        MakeClaim(Resource, *Spare, thread);
        *Spare = NULL;
    }
    Resource->Exclusive = Manner == Write;
    return Taken;
}

/* ---- handing over: the resource's lock is held ---- */

/* The waiter's stack is its own again as soon as the event is set. */
static VOID Grant(PERESOURCE Resource, WAITER *Waiter)
{
    PERESOURCE_CLAIM claim = ExpFindClaim(Resource, Waiter->Thread);

    RemoveEntryList(&Waiter->ListEntry);
    if (Waiter->Write) {
        Resource->ExclusiveWaiters--;
        Resource->Exclusive = TRUE;
        MakeClaim(Resource, &Resource->First, Waiter->Thread);
    } else {
        Resource->SharedWaiters--;
        if (claim) {
            claim->Count++;
        } else {
            MakeClaim(Resource, Waiter->Spare, Waiter->Thread);
            Waiter->Spare = NULL;
        }
    }
    KeSetEvent(&Waiter->Granted, IO_NO_INCREMENT, FALSE);
}

/* Lets the readers at the head of the queue in; a writer there only if nobody has the resource. */
static VOID GrantNext(PERESOURCE Resource)
{
    while (!Resource->Exclusive && !IsListEmpty(&Resource->Waiting)) {
        WAITER *waiter = CONTAINING_RECORD(Resource->Waiting.Flink, WAITER, ListEntry);
        if (waiter->Write && !IsListEmpty(&Resource->Owners))
            return;
        Grant(Resource, waiter);
    }
}

/* ---- acquiring ---- */

static PERESOURCE_CLAIM AllocateClaim(VOID)
{
    return ExAllocatePool2(POOL_FLAG_NON_PAGED, sizeof(ERESOURCE_CLAIM), TAG_RESOURCE);
}

static VOID FreeClaim(PERESOURCE_CLAIM Claim)
{
    if (Claim)
        ExFreePoolWithTag(Claim, TAG_RESOURCE);
}

/* Joins the queue with the lock held, frees the lock, waits. */
static VOID WaitForTurn(PERESOURCE Resource, MANNER Manner, PERESOURCE_CLAIM *Spare, KIRQL OldIrql)
{
    WAITER waiter = {.Resource = Resource,
                     .Thread = KeGetCurrentThread(),
                     .Write = Manner == Write,
                     .Spare = *Spare};

    KeInitializeEvent(&waiter.Granted, NotificationEvent, FALSE);
    InsertTailList(&Resource->Waiting, &waiter.ListEntry);
    if (waiter.Write)
        Resource->ExclusiveWaiters++;
    else
        Resource->SharedWaiters++;
    Resource->ContentionCount++;
    KeReleaseSpinLock(&Resource->Lock, OldIrql);
    KeWaitForSingleObject(&waiter.Granted, WrResource, KernelMode, FALSE, NULL);
    *Spare = waiter.Spare;
}

/* A writer of whom it depends itself that it gets the resource would wait for ever. */
static VOID RequireNotReading(PERESOURCE Resource, MANNER Manner)
{
    KI_REQUIRE(Manner != Write || !ExpFindClaim(Resource, KeGetCurrentThread()),
               DRIVER_VERIFIER_DETECTED_VIOLATION, KIND_SELF_DEADLOCK, Resource,
               KeGetCurrentThread(), 0);
    UNREFERENCED_PARAMETER(Resource);
    UNREFERENCED_PARAMETER(Manner);
}

/*
 * One look, and the wait. FALSE: a claim has to be allocated first, or it cannot be had at once.
 * A reader that waits brings its claim, used or not: the release has no time to ask for memory.
 */
static BOOLEAN TakeOrWait(PERESOURCE Resource, MANNER Manner, BOOLEAN Wait, PERESOURCE_CLAIM *Spare,
                          ANSWER *Answer)
{
    KIRQL oldIrql;

    KeAcquireSpinLock(&Resource->Lock, &oldIrql);
    *Answer = TryToTake(Resource, Manner, Spare);
    if (*Answer == MustWait && Wait && (Manner == Write || *Spare)) {
        RequireNotReading(Resource, Manner);
        WaitForTurn(Resource, Manner, Spare, oldIrql);
        return TRUE;
    }
    KeReleaseSpinLock(&Resource->Lock, oldIrql);
    return *Answer == Taken;
}

static VOID RequireNoApcs(ULONG Kind, PERESOURCE Resource)
{
    KI_REQUIRE(KeAreApcsDisabled() || KeAreAllApcsDisabled(), DRIVER_VERIFIER_DETECTED_VIOLATION,
               Kind, KeGetCurrentIrql(), KeGetCurrentThread()->KernelApcDisable, Resource);
    UNREFERENCED_PARAMETER(Kind);
    UNREFERENCED_PARAMETER(Resource);
}

/* Without memory for a claim: who must not wait gets no, who may looks again at the next tick. */
static BOOLEAN Acquire(PERESOURCE Resource, MANNER Manner, BOOLEAN Wait)
{
    PERESOURCE_CLAIM spare = NULL;
    BOOLEAN taken;
    ANSWER answer;

    KI_REQUIRE_IRQL_AT_MOST(APC_LEVEL, RULE_IRQL_EX_RESOURCE, "IrqlExApcLte3", Resource);
    RequireNoApcs(KIND_ACQUIRE_WITH_APCS, Resource);
    while (!(taken = TakeOrWait(Resource, Manner, Wait, &spare, &answer))) {
        if (answer == MustWait && !Wait)
            break;
        spare = AllocateClaim();
        if (!spare && !Wait)
            break;
        if (!spare)
            KiSleep(KI_TIME_INCREMENT);
    }
    FreeClaim(spare);
    return taken;
}

/*
 * For the current thread alone. A thread that has it shared cannot have it so as well.
 *
 * IRQL:    <= APC_LEVEL (Acquire)
 * Locks:   takes the resource's lock
 * Context: a thread without normal kernel APCs
 * Returns: TRUE if the thread has it; FALSE only with Wait = FALSE
 * Source:  contract T-ERES-2..6, T-ERES-8
 */
BOOLEAN ExAcquireResourceExclusiveLite(PERESOURCE Resource, BOOLEAN Wait)
{
    return Acquire(Resource, Write, Wait);
}

/*
 * With others; behind the writers that wait, unless the thread has it already.
 *
 * IRQL:    <= APC_LEVEL (Acquire)
 * Locks:   takes the resource's lock
 * Context: a thread without normal kernel APCs
 * Returns: TRUE if the thread has it; FALSE only with Wait = FALSE
 * Source:  contract T-ERES-2..5, T-ERES-8
 */
BOOLEAN ExAcquireResourceSharedLite(PERESOURCE Resource, BOOLEAN Wait)
{
    return Acquire(Resource, Read, Wait);
}

/*
 * With others, even if writers wait: they may starve.
 *
 * IRQL:    <= APC_LEVEL (Acquire)
 * Locks:   takes the resource's lock
 * Context: a thread without normal kernel APCs
 * Returns: TRUE if the thread has it; FALSE only with Wait = FALSE
 * Source:  contract T-ERES-4
 */
BOOLEAN ExAcquireSharedStarveExclusive(PERESOURCE Resource, BOOLEAN Wait)
{
    return Acquire(Resource, ReadBeforeWriters, Wait);
}

/*
 * With others, but behind the writers that wait, even if the thread has it already.
 *
 * IRQL:    <= APC_LEVEL (Acquire)
 * Locks:   takes the resource's lock
 * Context: a thread without normal kernel APCs
 * Returns: TRUE if the thread has it; FALSE only with Wait = FALSE
 * Source:  contract T-ERES-4
 */
BOOLEAN ExAcquireSharedWaitForExclusive(PERESOURCE Resource, BOOLEAN Wait)
{
    return Acquire(Resource, ReadAfterWriters, Wait);
}

/* ---- releasing ---- */

/* Gives one acquisition of Thread back. Returns the claim to free, or NULL. */
static PERESOURCE_CLAIM GiveBack(PERESOURCE Resource, PKTHREAD Thread, KIRQL OldIrql)
{
    PERESOURCE_CLAIM claim = ExpFindClaim(Resource, Thread);

    if (!claim) {
        KeReleaseSpinLock(&Resource->Lock, OldIrql);
        KeBugCheckEx(RESOURCE_NOT_OWNED, (ULONG_PTR)Resource, (ULONG_PTR)Thread,
                     (ULONG_PTR)&Resource->Owners, 0);
    }
    if (--claim->Count)
        return NULL;
    RemoveEntryList(&claim->ListEntry);
    claim->Thread = NULL;
    if (IsListEmpty(&Resource->Owners)) {
        Resource->Exclusive = FALSE;
        GrantNext(Resource);
    }
    return claim == &Resource->First ? NULL : claim;
}

/*
 * Gives one acquisition of the current thread back.
 *
 * IRQL:    <= DISPATCH_LEVEL (ExReleaseResourceForThreadLite)
 * Locks:   takes the resource's lock
 * Context: a thread that has it
 * Returns: nothing
 * Source:  contract T-ERES-2, T-ERES-7..8
 */
VOID ExReleaseResourceLite(PERESOURCE Resource)
{
    ExReleaseResourceForThreadLite(Resource, ExGetCurrentResourceThread());
}

/*
 * The same for another thread that has it.
 *
 * IRQL:    <= DISPATCH_LEVEL
 * Locks:   takes the resource's lock
 * Context: any without normal kernel APCs
 * Returns: nothing
 * Source:  contract T-ERES-2, T-ERES-8
 */
VOID ExReleaseResourceForThreadLite(PERESOURCE Resource, ERESOURCE_THREAD ResourceThreadId)
{
    KI_REQUIRE_IRQL_AT_MOST(DISPATCH_LEVEL, RULE_IRQL_KE_DISPATCH_LTE, "IrqlExDispatchLte",
                            Resource);
    RequireNoApcs(KIND_RELEASE_WITH_APCS, Resource);

    KIRQL oldIrql;
    KeAcquireSpinLock(&Resource->Lock, &oldIrql);
    PERESOURCE_CLAIM claim = GiveBack(Resource, (PKTHREAD)ResourceThreadId, oldIrql);
    KeReleaseSpinLock(&Resource->Lock, oldIrql);
    FreeClaim(claim);
}

/*
 * The writer becomes a reader, all its acquisitions included; the readers at the head of the queue
 * join it.
 *
 * IRQL:    <= DISPATCH_LEVEL
 * Locks:   takes the resource's lock
 * Context: the thread that has it exclusively
 * Returns: nothing
 * Source:  contract T-ERES-5
 */
VOID ExConvertExclusiveToSharedLite(PERESOURCE Resource)
{
    KI_REQUIRE_IRQL_AT_MOST(DISPATCH_LEVEL, RULE_IRQL_KE_DISPATCH_LTE, "IrqlExDispatchLte",
                            Resource);
    KI_REQUIRE(ExIsResourceAcquiredExclusiveLite(Resource), RESOURCE_NOT_OWNED, Resource,
               KeGetCurrentThread(), &Resource->Owners, 0);

    KIRQL oldIrql;
    KeAcquireSpinLock(&Resource->Lock, &oldIrql);
    Resource->Exclusive = FALSE;
    GrantNext(Resource);
    KeReleaseSpinLock(&Resource->Lock, oldIrql);
}

/*
 * IRQL:    <= APC_LEVEL (KeEnterCriticalRegion)
 * Locks:   takes the resource's lock
 * Context: a thread
 * Returns: nothing that a driver may use
 * Source:  contract T-ERES-8
 */
PVOID ExEnterCriticalRegionAndAcquireResourceExclusive(PERESOURCE Resource)
{
    KeEnterCriticalRegion();
    ExAcquireResourceExclusiveLite(Resource, TRUE);
    return NULL;
}

/*
 * IRQL:    <= APC_LEVEL (KeEnterCriticalRegion)
 * Locks:   takes the resource's lock
 * Context: a thread
 * Returns: nothing that a driver may use
 * Source:  contract T-ERES-8
 */
PVOID ExEnterCriticalRegionAndAcquireResourceShared(PERESOURCE Resource)
{
    KeEnterCriticalRegion();
    ExAcquireResourceSharedLite(Resource, TRUE);
    return NULL;
}

/*
 * IRQL:    <= APC_LEVEL (KeLeaveCriticalRegion)
 * Locks:   takes the resource's lock
 * Context: a thread that has it
 * Returns: nothing
 * Source:  contract T-ERES-8
 */
VOID ExReleaseResourceAndLeaveCriticalRegion(PERESOURCE Resource)
{
    ExReleaseResourceLite(Resource);
    KeLeaveCriticalRegion();
}

/*
 * For the monitor: whom the waiter to whom Granted belongs waits for.
 *
 * IRQL:    DISPATCH_LEVEL (not checked)
 * Locks:   the dispatcher lock is held, so the waiter waits on; the answer can be stale
 * Context: any
 * Returns: the thread that has the resource alone, or NULL
 */
const KTHREAD *ExpOwnerOfResource(PDISPATCHER_HEADER Granted)
{
    PERESOURCE resource = CONTAINING_RECORD(Granted, WAITER, Granted.Header)->Resource;

    return resource->Exclusive ? resource->First.Thread : NULL;
}
