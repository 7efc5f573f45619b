/*
 * Reader/writer spin locks. Any IRQL from DISPATCH_LEVEL on. One 32-bit word holds the whole
 * state, so every step is one atomic change of it:
 *
 *     31          30 ... 16          15 ... 0
 *     exclusive   waiting writers    readers
 *
 * A writer first counts itself among the waiting ones. From then on no reader comes in, since a
 * reader enters only where bits 31 to 16 are 0. Readers that are in leave; the writer that finds
 * neither readers nor a writer changes "waiting" into "exclusive" in one step:
 *
 *     reader 1        reader 2              writer
 *     readers = 1
 *                                           waiting = 1
 *                     sees waiting: spins
 *     readers = 0
 *                                           waiting 1 -> 0, exclusive 0 -> 1
 *                     sees exclusive: spins
 *                                           exclusive = 0
 *                     readers = 1
 *
 * It is a count, not a flag: when one of two waiting writers gets the lock, the other one still
 * keeps readers out.
 */
#include "ke.h"

#define EXCLUSIVE  0x80000000u
#define ONE_WRITER 0x00010000u /* that waits */
#define READERS    0x0000FFFFu

static ULONG Load(PEX_SPIN_LOCK SpinLock)
{
    return (ULONG)__atomic_load_n(SpinLock, __ATOMIC_RELAXED);
}

/* Changes the whole word from Old to New; FALSE if it was no longer Old. */
static BOOLEAN Change(PEX_SPIN_LOCK SpinLock, ULONG Old, ULONG New)
{
    LONG expected = (LONG)Old;

    return __atomic_compare_exchange_n(SpinLock, &expected, (LONG)New, FALSE, __ATOMIC_ACQUIRE,
                                       __ATOMIC_RELAXED);
}

static VOID AcquireShared(PEX_SPIN_LOCK SpinLock)
{
    for (;;) {
        ULONG word = Load(SpinLock);

        if ((word & ~READERS) == 0 && Change(SpinLock, word, word + 1))
            return;
        ArchPause();
    }
}

static VOID ReleaseShared(PEX_SPIN_LOCK SpinLock)
{
    KI_REQUIRE((Load(SpinLock) & READERS) != 0, SPIN_LOCK_NOT_OWNED, SpinLock, 0, 0, 0);
    __atomic_fetch_sub(SpinLock, 1, __ATOMIC_RELEASE);
}

static __attribute__((noinline)) VOID WaitExclusive(PEX_SPIN_LOCK SpinLock)
{
    __atomic_fetch_add(SpinLock, (LONG)ONE_WRITER, __ATOMIC_RELAXED);
    for (;;) {
        ULONG word = Load(SpinLock);

        if ((word & (EXCLUSIVE | READERS)) == 0 &&
            Change(SpinLock, word, (word - ONE_WRITER) | EXCLUSIVE))
            return;
        ArchPause();
    }
}

static VOID AcquireExclusive(PEX_SPIN_LOCK SpinLock)
{
    if (!Change(SpinLock, 0, EXCLUSIVE))
        WaitExclusive(SpinLock);
}

static VOID ReleaseExclusive(PEX_SPIN_LOCK SpinLock)
{
    KI_REQUIRE((Load(SpinLock) & EXCLUSIVE) != 0, SPIN_LOCK_NOT_OWNED, SpinLock, 0, 0, 0);
    __atomic_fetch_and(SpinLock, (LONG)~EXCLUSIVE, __ATOMIC_RELEASE);
}

/*
 * Raises the IRQL to DISPATCH_LEVEL and takes the lock together with other readers.
 *
 * IRQL:    <= DISPATCH_LEVEL
 * Locks:   returns with SpinLock held, shared
 * Context: any
 * Returns: the IRQL before, for ExReleaseSpinLockShared
 * Source:  contract T-RWSL-1..4
 */
KIRQL ExAcquireSpinLockShared(PEX_SPIN_LOCK SpinLock)
{
    KI_REQUIRE_IRQL_AT_MOST(DISPATCH_LEVEL, 0x42, "SpinLock", SpinLock);

    KIRQL oldIrql = KiRaiseIrql(DISPATCH_LEVEL);

    AcquireShared(SpinLock);
    return oldIrql;
}

/*
 * Leaves a lock that the caller holds as a reader, then restores the IRQL.
 *
 * IRQL:    = DISPATCH_LEVEL
 * Locks:   frees the caller's share of SpinLock
 * Context: any
 * Returns: nothing
 * Source:  contract T-RWSL-1, T-RWSL-6
 */
VOID ExReleaseSpinLockShared(PEX_SPIN_LOCK SpinLock, KIRQL OldIrql)
{
    KI_REQUIRE_IRQL_EXACTLY(DISPATCH_LEVEL, 0x32, "SpinlockRelease", SpinLock);
    KiRequireLowering(OldIrql);
    ReleaseShared(SpinLock);
    KiLowerIrql(OldIrql);
}

/*
 * Raises the IRQL to DISPATCH_LEVEL and takes the lock alone. Readers that come later wait.
 *
 * IRQL:    <= DISPATCH_LEVEL
 * Locks:   returns with SpinLock held, exclusive
 * Context: any
 * Returns: the IRQL before, for ExReleaseSpinLockExclusive
 * Source:  contract T-RWSL-1..4
 */
KIRQL ExAcquireSpinLockExclusive(PEX_SPIN_LOCK SpinLock)
{
    KI_REQUIRE_IRQL_AT_MOST(DISPATCH_LEVEL, 0x42, "SpinLock", SpinLock);

    KIRQL oldIrql = KiRaiseIrql(DISPATCH_LEVEL);

    AcquireExclusive(SpinLock);
    return oldIrql;
}

/*
 * Leaves a lock that the caller holds alone, then restores the IRQL.
 *
 * IRQL:    = DISPATCH_LEVEL
 * Locks:   frees SpinLock
 * Context: any
 * Returns: nothing
 * Source:  contract T-RWSL-1, T-RWSL-6
 */
VOID ExReleaseSpinLockExclusive(PEX_SPIN_LOCK SpinLock, KIRQL OldIrql)
{
    KI_REQUIRE_IRQL_EXACTLY(DISPATCH_LEVEL, 0x32, "SpinlockRelease", SpinLock);
    KiRequireLowering(OldIrql);
    ReleaseExclusive(SpinLock);
    KiLowerIrql(OldIrql);
}

/*
 * Takes the lock together with other readers and leaves the IRQL as it is.
 *
 * IRQL:    >= DISPATCH_LEVEL
 * Locks:   returns with SpinLock held, shared
 * Context: any
 * Returns: nothing
 * Source:  contract T-RWSL-1..4
 */
VOID ExAcquireSpinLockSharedAtDpcLevel(PEX_SPIN_LOCK SpinLock)
{
    KI_REQUIRE_IRQL_AT_LEAST(DISPATCH_LEVEL, 0x40, "SpinLock", SpinLock);
    AcquireShared(SpinLock);
}

/*
 * Leaves a lock that the caller holds as a reader; the IRQL stays.
 *
 * IRQL:    >= DISPATCH_LEVEL
 * Locks:   frees the caller's share of SpinLock
 * Context: any
 * Returns: nothing
 * Source:  contract T-RWSL-1, T-RWSL-6
 */
VOID ExReleaseSpinLockSharedFromDpcLevel(PEX_SPIN_LOCK SpinLock)
{
    KI_REQUIRE_IRQL_AT_LEAST(DISPATCH_LEVEL, 0x41, "SpinlockRelease", SpinLock);
    ReleaseShared(SpinLock);
}

/*
 * Takes the lock alone and leaves the IRQL as it is.
 *
 * IRQL:    >= DISPATCH_LEVEL
 * Locks:   returns with SpinLock held, exclusive
 * Context: any
 * Returns: nothing
 * Source:  contract T-RWSL-1..4
 */
VOID ExAcquireSpinLockExclusiveAtDpcLevel(PEX_SPIN_LOCK SpinLock)
{
    KI_REQUIRE_IRQL_AT_LEAST(DISPATCH_LEVEL, 0x40, "SpinLock", SpinLock);
    AcquireExclusive(SpinLock);
}

/*
 * Leaves a lock that the caller holds alone; the IRQL stays.
 *
 * IRQL:    >= DISPATCH_LEVEL
 * Locks:   frees SpinLock
 * Context: any
 * Returns: nothing
 * Source:  contract T-RWSL-1, T-RWSL-6
 */
VOID ExReleaseSpinLockExclusiveFromDpcLevel(PEX_SPIN_LOCK SpinLock)
{
    KI_REQUIRE_IRQL_AT_LEAST(DISPATCH_LEVEL, 0x41, "SpinlockRelease", SpinLock);
    ReleaseExclusive(SpinLock);
}

/*
 * Makes the only reader the writer, if no writer waits. The whole word must be "one reader": so a
 * writer that counts itself in at the same time either comes first, and this fails, or finds the
 * lock exclusive. Never waits.
 *
 * IRQL:    = DISPATCH_LEVEL
 * Locks:   SpinLock is held shared before; exclusive after TRUE, shared after FALSE
 * Context: any
 * Returns: TRUE if the caller holds the lock alone now
 * Source:  contract T-RWSL-5
 */
LOGICAL ExTryConvertSharedSpinLockExclusive(PEX_SPIN_LOCK SpinLock)
{
    KI_REQUIRE_IRQL_EXACTLY(DISPATCH_LEVEL, RULE_IRQL_DISPATCH, "IrqlDispatch", SpinLock);
    KI_REQUIRE((Load(SpinLock) & READERS) != 0, SPIN_LOCK_NOT_OWNED, SpinLock, 0, 0, 0);
    return Change(SpinLock, 1, EXCLUSIVE);
}
