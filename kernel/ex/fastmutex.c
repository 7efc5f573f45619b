/*
 * Fast and guarded mutexes. Count is changed by interlocked operations alone; a mutex that nobody
 * else wants is taken and freed without a lock. One that is wanted is handed over:
 *
 *     owner                        waiter
 *     Count 1 -> 0
 *                                  Count 0 -> -1: not free, waits for the event
 *     Count -1 -> 0: one waits
 *     sets the event
 *                                  goes on as the owner: Count has stayed 0
 *
 * Each thread that waits has taken one from Count, each release gives one back and lets one
 * thread in if the result shows that there is one; a thread that has taken its one but does not
 * wait yet finds the event set. Count never becomes 1 while somebody waits, so nobody overtakes,
 * and the event's waiters are let in first come, first served.
 */
#include "ke.h"

/* 0xC4 kinds (bugcheck-verifier.md). */
#define KIND_ACQUIRE        0x33
#define KIND_RELEASE        0x34
#define KIND_ACQUIRE_UNSAFE 0x39
#define KIND_RELEASE_UNSAFE 0x3A
#define KIND_SELF_DEADLOCK  0x1000
#define KIND_NOT_THE_OWNER  0x1004

static VOID Acquire(PFAST_MUTEX Mutex, KWAIT_REASON Reason)
{
    PKTHREAD thread = KeGetCurrentThread();

    KI_REQUIRE(Mutex->Owner != thread, DRIVER_VERIFIER_DETECTED_VIOLATION, KIND_SELF_DEADLOCK,
               Mutex, thread, 0);
    if (InterlockedDecrement(&Mutex->Count) != 0) {
        InterlockedIncrement(&Mutex->Contention);
        KeWaitForSingleObject(&Mutex->Event, Reason, KernelMode, FALSE, NULL);
    }
    Mutex->Owner = thread;
}

static BOOLEAN TryToAcquire(PFAST_MUTEX Mutex)
{
    if (InterlockedCompareExchange(&Mutex->Count, 0, 1) != 1)
        return FALSE;
    Mutex->Owner = KeGetCurrentThread();
    return TRUE;
}

/* The mutex may be gone when the event has been set: its new owner may free it. */
static VOID Release(PFAST_MUTEX Mutex)
{
    KI_REQUIRE(Mutex->Owner == KeGetCurrentThread(), DRIVER_VERIFIER_DETECTED_VIOLATION,
               KIND_NOT_THE_OWNER, Mutex, Mutex->Owner, KeGetCurrentThread());
    Mutex->Owner = NULL;
    if (InterlockedIncrement(&Mutex->Count) <= 0)
        KeSetEvent(&Mutex->Event, IO_NO_INCREMENT, FALSE);
}

/* T-FM-4: P2 the IRQL, P3 the APC-disable count, P4 the mutex. */
static VOID RequireApcLevel(PFAST_MUTEX Mutex)
{
    KI_REQUIRE(KeGetCurrentIrql() == APC_LEVEL, DRIVER_VERIFIER_DETECTED_VIOLATION, KIND_RELEASE,
               KeGetCurrentIrql(), KeGetCurrentThread()->KernelApcDisable, Mutex);
    UNREFERENCED_PARAMETER(Mutex);
}

/* At APC_LEVEL, or below it in a region that keeps kernel APCs away. */
static VOID RequireNoApcs(ULONG Kind, PFAST_MUTEX Mutex)
{
    KI_REQUIRE(KeGetCurrentIrql() <= APC_LEVEL &&
                   (KeGetCurrentIrql() == APC_LEVEL || KeAreApcsDisabled()),
               DRIVER_VERIFIER_DETECTED_VIOLATION, Kind, KeGetCurrentIrql(), Mutex, 0);
    UNREFERENCED_PARAMETER(Kind);
    UNREFERENCED_PARAMETER(Mutex);
}

/*
 * Takes the mutex, and stays at APC_LEVEL.
 *
 * IRQL:    <= APC_LEVEL
 * Locks:   returns with the mutex held
 * Context: a thread that does not hold it
 * Returns: nothing
 * Source:  contract T-FM-1..2, T-FM-4
 */
VOID ExAcquireFastMutex(PFAST_MUTEX FastMutex)
{
    KI_REQUIRE_IRQL_AT_MOST(APC_LEVEL, KIND_ACQUIRE, "IrqlExApcLte1", FastMutex);

    KIRQL oldIrql = KiRaiseIrql(APC_LEVEL);

    Acquire(FastMutex, WrFastMutex);
    FastMutex->OldIrql = oldIrql;
}

/*
 * Takes the mutex if it is free; then stays at APC_LEVEL.
 *
 * IRQL:    <= APC_LEVEL
 * Locks:   returns with the mutex held, if it was free
 * Context: a thread
 * Returns: TRUE if it was free
 * Source:  contract T-FM-1..2, T-FM-4
 */
BOOLEAN ExTryToAcquireFastMutex(PFAST_MUTEX FastMutex)
{
    KI_REQUIRE_IRQL_AT_MOST(APC_LEVEL, KIND_ACQUIRE, "IrqlExApcLte1", FastMutex);

    KIRQL oldIrql = KiRaiseIrql(APC_LEVEL);

    if (!TryToAcquire(FastMutex)) {
        KiLowerIrql(oldIrql);
        return FALSE;
    }
    FastMutex->OldIrql = oldIrql;
    return TRUE;
}

/*
 * Gives the mutex to the thread that has waited longest, or frees it, and restores the IRQL.
 *
 * IRQL:    = APC_LEVEL (RequireApcLevel)
 * Locks:   frees the mutex
 * Context: the thread that holds it
 * Returns: nothing
 * Source:  contract T-FM-1..2, T-FM-4
 */
VOID ExReleaseFastMutex(PFAST_MUTEX FastMutex)
{
    RequireApcLevel(FastMutex);

    KIRQL oldIrql = (KIRQL)FastMutex->OldIrql;

    Release(FastMutex);
    KiLowerIrql(oldIrql);
}

/*
 * Takes the mutex and leaves the IRQL as it is.
 *
 * IRQL:    <= APC_LEVEL, in a critical region if below (RequireNoApcs)
 * Locks:   returns with the mutex held
 * Context: a thread that does not hold it
 * Returns: nothing
 * Source:  contract T-FM-3..4
 */
VOID ExAcquireFastMutexUnsafe(PFAST_MUTEX FastMutex)
{
    RequireNoApcs(KIND_ACQUIRE_UNSAFE, FastMutex);
    Acquire(FastMutex, WrFastMutex);
}

/*
 * The reverse.
 *
 * IRQL:    <= APC_LEVEL, in a critical region if below (RequireNoApcs)
 * Locks:   frees the mutex
 * Context: the thread that holds it
 * Returns: nothing
 * Source:  contract T-FM-3..4
 */
VOID ExReleaseFastMutexUnsafe(PFAST_MUTEX FastMutex)
{
    RequireNoApcs(KIND_RELEASE_UNSAFE, FastMutex);
    Release(FastMutex);
}

/*
 * IRQL:    <= APC_LEVEL
 * Locks:   none
 * Context: any
 * Returns: nothing
 * Source:  contract T-GM-1
 */
VOID KeInitializeGuardedMutex(PKGUARDED_MUTEX Mutex)
{
    KI_REQUIRE_IRQL_AT_MOST(APC_LEVEL, RULE_IRQL_KE_APC_LTE, "IrqlKeApcLte1", Mutex);
    ExInitializeFastMutex(Mutex);
}

/*
 * Enters a guarded region and takes the mutex; the IRQL stays as it is.
 *
 * IRQL:    <= APC_LEVEL
 * Locks:   returns with the mutex held
 * Context: a thread that does not hold it
 * Returns: nothing
 * Source:  contract T-GM-1
 */
VOID KeAcquireGuardedMutex(PKGUARDED_MUTEX Mutex)
{
    KI_REQUIRE_IRQL_AT_MOST(APC_LEVEL, RULE_IRQL_KE_APC_LTE, "IrqlKeApcLte1", Mutex);
    KeEnterGuardedRegion();
    Acquire(Mutex, WrGuardedMutex);
}

/*
 * Takes the mutex if it is free; then the thread is in a guarded region.
 *
 * IRQL:    <= APC_LEVEL
 * Locks:   returns with the mutex held, if it was free
 * Context: a thread
 * Returns: TRUE if it was free
 * Source:  contract T-GM-1
 */
BOOLEAN KeTryToAcquireGuardedMutex(PKGUARDED_MUTEX Mutex)
{
    KI_REQUIRE_IRQL_AT_MOST(APC_LEVEL, RULE_IRQL_KE_APC_LTE, "IrqlKeApcLte1", Mutex);

    KeEnterGuardedRegion();
    if (TryToAcquire(Mutex))
        return TRUE;
    KeLeaveGuardedRegion();
    return FALSE;
}

/*
 * Gives the mutex to the thread that has waited longest, or frees it, and leaves the region.
 *
 * IRQL:    <= APC_LEVEL
 * Locks:   frees the mutex
 * Context: the thread that holds it
 * Returns: nothing
 * Source:  contract T-GM-1
 */
VOID KeReleaseGuardedMutex(PKGUARDED_MUTEX Mutex)
{
    KI_REQUIRE_IRQL_AT_MOST(APC_LEVEL, RULE_IRQL_KE_APC_LTE, "IrqlKeApcLte1", Mutex);
    Release(Mutex);
    KeLeaveGuardedRegion();
}
