/*
 * A spin lock's word: 0 when the lock is free, else the address of the holder's KPRCB (in a free
 * build just 1). For the kernel's own code, without any check of the IRQL; kernel/ke/spinlock.c
 * says why it works.
 */
#ifndef METRONOME_LOCK_H
#define METRONOME_LOCK_H

#include "ntddk.h"
#include "arch.h"
#include "kd/trace.h"

#if DBG
#define KI_LOCK_MARK ((ULONG_PTR)KeGetCurrentPrcb())
#else
#define KI_LOCK_MARK ((ULONG_PTR)1)
#endif

/* Takes the lock if it is free. */
FORCEINLINE BOOLEAN KiTryLock(PKSPIN_LOCK Lock)
{
#if DBG
    ULONG_PTR unlocked = 0;

    if (!__atomic_compare_exchange_n(Lock, &unlocked, KI_LOCK_MARK, FALSE, __ATOMIC_ACQUIRE,
                                     __ATOMIC_RELAXED))
        return FALSE;
    KD_TRACE(KD_CLASS_LOCK, TraceLockAcquire, Lock, KD_TRACE_CALLER, 0);
    return TRUE;
#else
    /* To set a bit and to look at what it was is one instruction, if it is written like this. */
    if (__atomic_fetch_or(Lock, KI_LOCK_MARK, __ATOMIC_ACQUIRE) & KI_LOCK_MARK)
        return FALSE;
    return TRUE;
#endif
}

/* Waits for a lock that was held and takes it. Returns Result. */
KIRQL KiWaitForLock(PKSPIN_LOCK Lock, KIRQL Result);

/* Takes the lock. In a free build it waits here, so that the caller needs no stack frame for it. */
FORCEINLINE VOID KiLock(PKSPIN_LOCK Lock)
{
#if DBG
    if (!KiTryLock(Lock))
        (void)KiWaitForLock(Lock, 0);
#else
    while (!KiTryLock(Lock)) {
        while (*Lock != 0)
            ArchPause();
    }
#endif
}

/* Frees the lock, which this processor holds. */
FORCEINLINE VOID KiUnlock(PKSPIN_LOCK Lock)
{
    KD_TRACE_CHECKED(KD_CLASS_LOCK, TraceLockRelease, Lock, KD_TRACE_CALLER, 0);
    __atomic_store_n(Lock, 0, __ATOMIC_RELEASE);
}

#endif
