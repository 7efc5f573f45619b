/*
 * Ordinary spin locks. Any IRQL from DISPATCH_LEVEL on; the lock word is its own protection.
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

/*
 * Waits for a lock that was held, and takes it.
 *
 * IRQL:    any that the lock is taken at (not checked)
 * Locks:   returns with Lock held
 * Context: any
 * Returns: nothing
 * Source:  contract T-SL-4, X-7
 */
VOID KiWaitForLock(PKSPIN_LOCK Lock, PVOID Caller)
{
    KD_TRACE(KD_CLASS_LOCK, TraceLockContend, Lock, Caller, 0);
    UNREFERENCED_PARAMETER(Caller);
    do {
        ULONG_PTR holder = __atomic_load_n(Lock, __ATOMIC_RELAXED);

        KI_REQUIRE(holder != KI_LOCK_MARK, SPIN_LOCK_ALREADY_OWNED, Lock, 0, 0, 0);
        if (holder != 0)
            ArchPause();
    } while (!KiTryLock(Lock));
}

/*
 * IRQL:    any
 * Locks:   none that is named Lock
 * Context: checked builds
 * Returns: never
 * Source:  contract T-SL-12
 */
DECLSPEC_NORETURN VOID KiReportNotOwned(PKSPIN_LOCK Lock)
{
    KeBugCheckEx(SPIN_LOCK_NOT_OWNED, (ULONG_PTR)Lock, 0, 0, 0);
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

    KiLock(SpinLock);
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
    KiUnlock(SpinLock);
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
    KiLock(SpinLock);
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
    KiUnlock(SpinLock);
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
    return *SpinLock == 0 && KiTryLock(SpinLock);
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

    KiLock(SpinLock);
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
    KiUnlock(SpinLock);
    KiLowerIrql(OldIrql);
}
