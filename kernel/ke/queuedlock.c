/*
 * In-stack queued spin locks (MCS): first come, first served. Any IRQL from DISPATCH_LEVEL on. The
 * lock word is 0, or points to the handle of the last processor that asked; each handle points to
 * the next one, so the word is the end of a queue whose front is the holder:
 *
 *     lock ------------------------------------+
 *                                              v
 *     holder's handle --Next--> second --Next--> last
 *                               waits            waits, each in its own handle's memory
 *
 * A handle's place in the queue is its exchange with the lock word: one step for all processors,
 * and that is the order. Whether it still waits is the lowest bit of its Lock field, which only
 * the one before it clears:
 *
 *     holder: release                    newcomer: acquire
 *                                        exchanges the word for its handle: was the holder's
 *     Next is NULL: word still own
 *     handle? No: somebody is coming
 *     reads Next until it is not NULL
 *                                        sets its own wait bit
 *                                        holder's Next = own handle
 *     clears the newcomer's wait bit
 *                                        sees it: holder
 *
 * The wait bit is set before Next is written, so the holder cannot clear it too early. If the word
 * is still the holder's handle, it becomes 0 by a compare-and-exchange, which fails as soon as a
 * newcomer has been quicker; nobody is lost between the look and the write.
 */
#include "ke.h"

#define WAITING ((ULONG_PTR)1)

FORCEINLINE PKSPIN_LOCK_QUEUE *LastOf(PKSPIN_LOCK SpinLock)
{
    return (PKSPIN_LOCK_QUEUE *)SpinLock;
}

FORCEINLINE ULONG_PTR *LockFieldOf(PKSPIN_LOCK_QUEUE Queue)
{
    return (ULONG_PTR *)&Queue->Lock;
}

/* Joins the queue behind Last and waits for its turn. */
static __attribute__((noinline)) VOID Wait(PKSPIN_LOCK_QUEUE Last, PKSPIN_LOCK_QUEUE Own)
{
    ULONG_PTR lock = (ULONG_PTR)Own->Lock;

    KD_TRACE(KD_CLASS_LOCK, TraceLockContend, lock, KD_TRACE_CALLER, 0);
    __atomic_store_n(LockFieldOf(Own), lock | WAITING, __ATOMIC_RELAXED);
    __atomic_store_n(&Last->Next, Own, __ATOMIC_RELEASE);
    while (__atomic_load_n(LockFieldOf(Own), __ATOMIC_ACQUIRE) & WAITING)
        ArchPause();
}

FORCEINLINE VOID Acquire(PKSPIN_LOCK SpinLock, PKLOCK_QUEUE_HANDLE LockHandle)
{
    PKSPIN_LOCK_QUEUE own = &LockHandle->LockQueue, last;

    own->Next = NULL;
    own->Lock = SpinLock;
    last = __atomic_exchange_n(LastOf(SpinLock), own, __ATOMIC_ACQ_REL);
    if (last)
        Wait(last, own);
    KD_TRACE_CHECKED(KD_CLASS_LOCK, TraceLockAcquire, SpinLock, KD_TRACE_CALLER, 0);
}

/* Gives the lock to the next one, who has come or is coming. */
FORCEINLINE VOID HandOver(PKSPIN_LOCK_QUEUE Own)
{
    PKSPIN_LOCK_QUEUE next;

    while (!(next = __atomic_load_n(&Own->Next, __ATOMIC_ACQUIRE)))
        ArchPause();
    __atomic_store_n(LockFieldOf(next), (ULONG_PTR)next->Lock & ~WAITING, __ATOMIC_RELEASE);
}

/* A checked build clears Lock, so that a second release is found. */
FORCEINLINE VOID Release(PKLOCK_QUEUE_HANDLE LockHandle)
{
    PKSPIN_LOCK_QUEUE own = &LockHandle->LockQueue, expected = own;
    PKSPIN_LOCK lock = own->Lock;

    KI_REQUIRE(lock && *lock != 0, SPIN_LOCK_NOT_OWNED, lock, 0, 0, 0);
    KD_TRACE_CHECKED(KD_CLASS_LOCK, TraceLockRelease, lock, KD_TRACE_CALLER, 0);
    if (own->Next || !__atomic_compare_exchange_n(LastOf(lock), &expected, NULL, FALSE,
                                                  __ATOMIC_RELEASE, __ATOMIC_RELAXED))
        HandOver(own);
#if DBG
    own->Lock = NULL;
#endif
}

/*
 * Raises the IRQL to DISPATCH_LEVEL and takes the lock when all who asked before have had it.
 *
 * IRQL:    <= DISPATCH_LEVEL
 * Locks:   returns with SpinLock held, until LockHandle is released
 * Context: any
 * Returns: nothing; LockHandle holds the IRQL before
 * Source:  contract T-ISQSL-1..3, T-ISQSL-6
 */
VOID KeAcquireInStackQueuedSpinLock(PKSPIN_LOCK SpinLock, PKLOCK_QUEUE_HANDLE LockHandle)
{
    KI_REQUIRE_IRQL_AT_MOST(DISPATCH_LEVEL, 0x42, "QueuedSpinLock", SpinLock);
    LockHandle->OldIrql = KiRaiseIrql(DISPATCH_LEVEL);
    Acquire(SpinLock, LockHandle);
}

/*
 * Frees the lock, then restores the IRQL of the acquisition.
 *
 * IRQL:    = DISPATCH_LEVEL
 * Locks:   frees the lock of LockHandle
 * Context: any
 * Returns: nothing
 * Source:  contract T-ISQSL-3, T-ISQSL-7
 */
VOID KeReleaseInStackQueuedSpinLock(PKLOCK_QUEUE_HANDLE LockHandle)
{
    KI_REQUIRE_IRQL_EXACTLY(DISPATCH_LEVEL, 0x36, "QueuedSpinLockRelease",
                            LockHandle->LockQueue.Lock);
    KiRequireLowering(LockHandle->OldIrql);
    Release(LockHandle);
    KiLowerIrql(LockHandle->OldIrql);
}

/*
 * Takes the lock in the order of asking and leaves the IRQL as it is.
 *
 * IRQL:    >= DISPATCH_LEVEL
 * Locks:   returns with SpinLock held, until LockHandle is released
 * Context: any but a threaded DPC
 * Returns: nothing
 * Source:  contract T-ISQSL-1..2, T-ISQSL-4
 */
VOID KeAcquireInStackQueuedSpinLockAtDpcLevel(PKSPIN_LOCK SpinLock, PKLOCK_QUEUE_HANDLE LockHandle)
{
    KI_REQUIRE_IRQL_AT_LEAST(DISPATCH_LEVEL, 0x40, "QueuedSpinLock", SpinLock);
    Acquire(SpinLock, LockHandle);
}

/*
 * Frees the lock and leaves the IRQL as it is.
 *
 * IRQL:    >= DISPATCH_LEVEL
 * Locks:   frees the lock of LockHandle
 * Context: any but a threaded DPC
 * Returns: nothing
 * Source:  contract T-ISQSL-4
 */
VOID KeReleaseInStackQueuedSpinLockFromDpcLevel(PKLOCK_QUEUE_HANDLE LockHandle)
{
    KI_REQUIRE_IRQL_AT_LEAST(DISPATCH_LEVEL, 0x41, "QueuedSpinLockRelease",
                             LockHandle->LockQueue.Lock);
    Release(LockHandle);
}

/*
 * Takes the lock in a threaded DPC, which runs at PASSIVE_LEVEL or at DISPATCH_LEVEL.
 *
 * IRQL:    <= DISPATCH_LEVEL
 * Locks:   returns with SpinLock held, until LockHandle is released
 * Context: a threaded DPC, or any other
 * Returns: nothing; LockHandle holds the IRQL before
 * Source:  contract T-ISQSL-5
 */
VOID KeAcquireInStackQueuedSpinLockForDpc(PKSPIN_LOCK SpinLock, PKLOCK_QUEUE_HANDLE LockHandle)
{
    KI_REQUIRE_IRQL_AT_MOST(DISPATCH_LEVEL, 0x42, "QueuedSpinLock", SpinLock);
    LockHandle->OldIrql = KiRaiseIrql(DISPATCH_LEVEL);
    Acquire(SpinLock, LockHandle);
}

/*
 * Frees the lock and restores the IRQL at which the threaded DPC runs.
 *
 * IRQL:    = DISPATCH_LEVEL
 * Locks:   frees the lock of LockHandle
 * Context: a threaded DPC, or any other
 * Returns: nothing
 * Source:  contract T-ISQSL-5, T-ISQSL-7
 */
VOID KeReleaseInStackQueuedSpinLockForDpc(PKLOCK_QUEUE_HANDLE LockHandle)
{
    KI_REQUIRE_IRQL_EXACTLY(DISPATCH_LEVEL, 0x36, "QueuedSpinLockRelease",
                            LockHandle->LockQueue.Lock);
    KiRequireLowering(LockHandle->OldIrql);
    Release(LockHandle);
    KiLowerIrql(LockHandle->OldIrql);
}
