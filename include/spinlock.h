/*
 * Spin locks. A KSPIN_LOCK is 0 when it is free; a held ordinary lock names the processor that
 * holds it, a held queued lock points to the handle of the last processor that asked.
 * A lock is used either as an ordinary or as a queued lock, never both (contract T-SL-9).
 */
#ifndef METRONOME_SPINLOCK_H
#define METRONOME_SPINLOCK_H

#include "ntdef.h"

typedef volatile ULONG_PTR KSPIN_LOCK, *PKSPIN_LOCK;

typedef struct _KSPIN_LOCK_QUEUE {
    struct _KSPIN_LOCK_QUEUE *volatile Next;
    PKSPIN_LOCK volatile Lock;
} KSPIN_LOCK_QUEUE, *PKSPIN_LOCK_QUEUE;

/* On the caller's stack, for one acquisition. */
typedef struct _KLOCK_QUEUE_HANDLE {
    KSPIN_LOCK_QUEUE LockQueue;
    KIRQL OldIrql;
} KLOCK_QUEUE_HANDLE, *PKLOCK_QUEUE_HANDLE;

ASSERT_SIZE(KSPIN_LOCK, 0x8);
ASSERT_SIZE(KLOCK_QUEUE_HANDLE, 0x18);
ASSERT_OFFSET(KLOCK_QUEUE_HANDLE, OldIrql, 0x10);

/* Ordinary locks. IRQLs and errors: contract spinlock.md, items of the routine's name. */
FORCEINLINE VOID KeInitializeSpinLock(PKSPIN_LOCK SpinLock)
{
    *SpinLock = 0;
}

#define KeAcquireSpinLock(SpinLock, OldIrql) (*(OldIrql) = KeAcquireSpinLockRaiseToDpc(SpinLock))
KIRQL KeAcquireSpinLockRaiseToDpc(PKSPIN_LOCK SpinLock);           /* <= DISPATCH_LEVEL */
VOID KeReleaseSpinLock(PKSPIN_LOCK SpinLock, KIRQL NewIrql);       /* = DISPATCH_LEVEL */
VOID KeAcquireSpinLockAtDpcLevel(PKSPIN_LOCK SpinLock);            /* >= DISPATCH_LEVEL */
VOID KeReleaseSpinLockFromDpcLevel(PKSPIN_LOCK SpinLock);          /* >= DISPATCH_LEVEL */
BOOLEAN KeTryToAcquireSpinLockAtDpcLevel(PKSPIN_LOCK SpinLock);    /* >= DISPATCH_LEVEL */
BOOLEAN KeTestSpinLock(PKSPIN_LOCK SpinLock);                      /* any */
KIRQL KeAcquireSpinLockForDpc(PKSPIN_LOCK SpinLock);               /* <= DISPATCH_LEVEL */
VOID KeReleaseSpinLockForDpc(PKSPIN_LOCK SpinLock, KIRQL OldIrql); /* = DISPATCH_LEVEL */

/* In-stack queued locks: first come, first served; each waiter spins on its own handle. */
VOID KeAcquireInStackQueuedSpinLock(PKSPIN_LOCK SpinLock, PKLOCK_QUEUE_HANDLE LockHandle);
VOID KeReleaseInStackQueuedSpinLock(PKLOCK_QUEUE_HANDLE LockHandle);
VOID KeAcquireInStackQueuedSpinLockAtDpcLevel(PKSPIN_LOCK SpinLock, PKLOCK_QUEUE_HANDLE LockHandle);
VOID KeReleaseInStackQueuedSpinLockFromDpcLevel(PKLOCK_QUEUE_HANDLE LockHandle);
VOID KeAcquireInStackQueuedSpinLockForDpc(PKSPIN_LOCK SpinLock, PKLOCK_QUEUE_HANDLE LockHandle);
VOID KeReleaseInStackQueuedSpinLockForDpc(PKLOCK_QUEUE_HANDLE LockHandle);

/* Reader/writer locks: zero when free; a waiting writer keeps new readers out. */
typedef volatile LONG EX_SPIN_LOCK, *PEX_SPIN_LOCK;

KIRQL ExAcquireSpinLockShared(PEX_SPIN_LOCK SpinLock);
VOID ExReleaseSpinLockShared(PEX_SPIN_LOCK SpinLock, KIRQL OldIrql);
KIRQL ExAcquireSpinLockExclusive(PEX_SPIN_LOCK SpinLock);
VOID ExReleaseSpinLockExclusive(PEX_SPIN_LOCK SpinLock, KIRQL OldIrql);
VOID ExAcquireSpinLockSharedAtDpcLevel(PEX_SPIN_LOCK SpinLock);
VOID ExReleaseSpinLockSharedFromDpcLevel(PEX_SPIN_LOCK SpinLock);
VOID ExAcquireSpinLockExclusiveAtDpcLevel(PEX_SPIN_LOCK SpinLock);
VOID ExReleaseSpinLockExclusiveFromDpcLevel(PEX_SPIN_LOCK SpinLock);
LOGICAL ExTryConvertSharedSpinLockExclusive(PEX_SPIN_LOCK SpinLock);

#endif
