/*
 * Ordinary spin locks, and the kernel's own locks at HIGH_LEVEL. Any IRQL from DISPATCH_LEVEL on;
 * the lock word is its own protection.
 *
 * A lock word is 0 when the lock is free, else the address of the holder's KPRCB (in a free
 * build just 1). An acquisition changes 0 into that value in one step for all processors, so of
 * several that find the lock free exactly one gets it. Only the holder writes 0 back:
 *
 *     holder                             waiter
 *     writes what the lock protects      reads the word: not 0, again
 *     writes 0 (release)
 *                                        reads 0
 *                                        exchanges 0 for its own mark (acquire)
 *                                        sees all that the holder has written
 *
 * A waiter only reads until it sees 0, so waiting costs the holder nothing: the word stays in
 * the waiter's cache until it changes.
 *
 * The word names the holder to tell errors from waiting: a processor that meets its own name
 * waits for itself, for ever, and one that frees a lock must find its own name there. The answer
 * is never stale, because a processor's name is written and removed by that processor alone.
 */
#include "ke.h"

#if DBG
#define OWNER_MARK ((ULONG_PTR)KeGetCurrentPrcb())
#else
#define OWNER_MARK ((ULONG_PTR)1)
#endif

FORCEINLINE BOOLEAN TryAcquire(PKSPIN_LOCK SpinLock)
{
#if DBG
    ULONG_PTR unlocked = 0;

    return __atomic_compare_exchange_n(SpinLock, &unlocked, OWNER_MARK, FALSE, __ATOMIC_ACQUIRE,
                                       __ATOMIC_RELAXED);
#else
    return __atomic_exchange_n(SpinLock, OWNER_MARK, __ATOMIC_ACQUIRE) == 0;
#endif
}

/*
 * The lock was held: waits for it, then returns Result. It stands apart, and passes Result
 * through, so that the way without waiting needs neither a stack frame nor a saved register.
 */
static __attribute__((noinline)) KIRQL Wait(PKSPIN_LOCK SpinLock, KIRQL Result)
{
    do {
        ULONG_PTR owner = __atomic_load_n(SpinLock, __ATOMIC_RELAXED);

        KI_REQUIRE(owner != OWNER_MARK, SPIN_LOCK_ALREADY_OWNED, SpinLock, 0, 0, 0);
        if (owner != 0)
            ArchPause();
    } while (!TryAcquire(SpinLock));
    return Result;
}

FORCEINLINE VOID Release(PKSPIN_LOCK SpinLock)
{
    KI_REQUIRE(*SpinLock == OWNER_MARK, SPIN_LOCK_NOT_OWNED, SpinLock, 0, 0, 0);
    __atomic_store_n(SpinLock, 0, __ATOMIC_RELEASE);
}

/*
 * Raises the IRQL to DISPATCH_LEVEL and takes the lock.
 *
 * IRQL:    <= DISPATCH_LEVEL
 * Locks:   returns with SpinLock held
 * Context: any
 * Returns: the IRQL before, for KeReleaseSpinLock
 * Source:  contract T-KeAcquireSpinLock-1..3, T-KeAcquireSpinLockRaiseToDpc-1, T-SL-4, T-SL-11
 */
KIRQL KeAcquireSpinLockRaiseToDpc(PKSPIN_LOCK SpinLock)
{
    KI_REQUIRE_IRQL_AT_MOST(DISPATCH_LEVEL, 0x42, "SpinLock", SpinLock);

    KIRQL oldIrql = KiRaiseIrql(DISPATCH_LEVEL);

    if (!TryAcquire(SpinLock))
        return Wait(SpinLock, oldIrql);
    return oldIrql;
}

/*
 * Frees the lock, then restores the IRQL that the acquisition has returned. DPCs that were
 * queued meanwhile run before it returns, when NewIrql is below DISPATCH_LEVEL.
 *
 * IRQL:    = DISPATCH_LEVEL
 * Locks:   frees SpinLock
 * Context: any
 * Returns: nothing
 * Source:  contract T-KeReleaseSpinLock-1..2, T-SL-12
 */
VOID KeReleaseSpinLock(PKSPIN_LOCK SpinLock, KIRQL NewIrql)
{
    KI_REQUIRE_IRQL_EXACTLY(DISPATCH_LEVEL, 0x32, "IrqlKeReleaseSpinLock", SpinLock);
    KiRequireLowering(NewIrql);
    Release(SpinLock);
    KiLowerIrql(NewIrql);
}

/*
 * Takes the lock and leaves the IRQL as it is.
 *
 * IRQL:    >= DISPATCH_LEVEL
 * Locks:   returns with SpinLock held
 * Context: any but a threaded DPC
 * Returns: nothing
 * Source:  contract T-KeAcquireSpinLockAtDpcLevel-1, X-4
 */
VOID KeAcquireSpinLockAtDpcLevel(PKSPIN_LOCK SpinLock)
{
    KI_REQUIRE_IRQL_AT_LEAST(DISPATCH_LEVEL, 0x40, "IrqlDispatch", SpinLock);
    if (!TryAcquire(SpinLock))
        (void)Wait(SpinLock, 0);
}

/*
 * Frees the lock and leaves the IRQL as it is.
 *
 * IRQL:    >= DISPATCH_LEVEL
 * Locks:   frees SpinLock
 * Context: any but a threaded DPC
 * Returns: nothing
 * Source:  contract T-KeReleaseSpinLockFromDpcLevel-1..2
 */
VOID KeReleaseSpinLockFromDpcLevel(PKSPIN_LOCK SpinLock)
{
    KI_REQUIRE_IRQL_AT_LEAST(DISPATCH_LEVEL, 0x41, "IrqlDispatch", SpinLock);
    Release(SpinLock);
}

/*
 * Takes the lock if it is free. Looks before it writes, so that trying again and again does not
 * pull the word out of the holder's cache.
 *
 * IRQL:    >= DISPATCH_LEVEL
 * Locks:   returns with SpinLock held, if it was free
 * Context: any
 * Returns: TRUE if it was free; FALSE at once if anybody holds it, the caller included
 * Source:  contract T-KeTryToAcquireSpinLockAtDpcLevel-1..2
 */
BOOLEAN KeTryToAcquireSpinLockAtDpcLevel(PKSPIN_LOCK SpinLock)
{
    KI_REQUIRE_IRQL_AT_LEAST(DISPATCH_LEVEL, 0x40, "IrqlDispatch", SpinLock);
    return *SpinLock == 0 && TryAcquire(SpinLock);
}

/*
 * Is the lock free? The answer can be stale when it arrives, and orders nothing.
 *
 * IRQL:    any
 * Locks:   none
 * Context: any
 * Returns: TRUE if the lock was free
 * Source:  contract T-KeTestSpinLock-1
 */
BOOLEAN KeTestSpinLock(PKSPIN_LOCK SpinLock)
{
    return *SpinLock == 0;
}

/*
 * Takes the lock in a threaded DPC, which runs at PASSIVE_LEVEL or at DISPATCH_LEVEL.
 *
 * IRQL:    <= DISPATCH_LEVEL
 * Locks:   returns with SpinLock held
 * Context: a threaded DPC, or any other
 * Returns: the IRQL before, for KeReleaseSpinLockForDpc
 * Source:  contract T-KeAcquireSpinLockForDpc-1, T-SLFORDPC-1
 */
KIRQL KeAcquireSpinLockForDpc(PKSPIN_LOCK SpinLock)
{
    KI_REQUIRE_IRQL_AT_MOST(DISPATCH_LEVEL, 0x42, "SpinLockDpc", SpinLock);

    KIRQL oldIrql = KiRaiseIrql(DISPATCH_LEVEL);

    if (!TryAcquire(SpinLock))
        return Wait(SpinLock, oldIrql);
    return oldIrql;
}

/*
 * Frees the lock and restores the IRQL at which the threaded DPC runs.
 *
 * IRQL:    = DISPATCH_LEVEL
 * Locks:   frees SpinLock
 * Context: a threaded DPC, or any other
 * Returns: nothing
 * Source:  contract T-KeReleaseSpinLockForDpc-1
 */
VOID KeReleaseSpinLockForDpc(PKSPIN_LOCK SpinLock, KIRQL OldIrql)
{
    KI_REQUIRE_IRQL_EXACTLY(DISPATCH_LEVEL, 0x32, "SpinLockDpc", SpinLock);
    KiRequireLowering(OldIrql);
    Release(SpinLock);
    KiLowerIrql(OldIrql);
}

/*
 * Takes one of the kernel's own locks at HIGH_LEVEL, where no interrupt can ask for it again on
 * this processor.
 *
 * IRQL:    any
 * Locks:   returns with Lock held
 * Context: any, interrupt service routines included
 * Returns: the IRQL before, for KiReleaseHighLock
 */
KIRQL KiAcquireHighLock(PKSPIN_LOCK Lock)
{
    KIRQL oldIrql = KiRaiseIrql(HIGH_LEVEL);

    if (!TryAcquire(Lock))
        return Wait(Lock, oldIrql);
    return oldIrql;
}

/*
 * Frees a lock that KiAcquireHighLock has taken, then restores the IRQL.
 *
 * IRQL:    HIGH_LEVEL (not checked)
 * Locks:   frees Lock
 * Context: any
 * Returns: nothing
 */
VOID KiReleaseHighLock(PKSPIN_LOCK Lock, KIRQL OldIrql)
{
    Release(Lock);
    KiLowerIrql(OldIrql);
}
