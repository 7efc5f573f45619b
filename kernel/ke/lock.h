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
    return !ArchTestAndSetBit0(Lock);
#endif
}

/* Waits for a lock that was held, and takes it. Caller is who wants it, for the trace. */
VOID KiWaitForLock(PKSPIN_LOCK Lock, PVOID Caller);

/*
 * Takes the lock. In a free build the wait costs those who need not wait neither a stack frame nor
 * a register for the lock's address.
 */
FORCEINLINE VOID KiLock(PKSPIN_LOCK Lock)
{
    if (KI_LIKELY(KiTryLock(Lock)))
        return;
#if DBG
    KiWaitForLock(Lock, KD_TRACE_CALLER);
#else
    ArchCallFromHere(KiWaitForLock, ArchAddressHere(Lock));
#endif
}

/* Bug check: this processor does not hold the lock that it frees. */
DECLSPEC_NORETURN VOID KiReportNotOwned(PKSPIN_LOCK Lock);

/* Frees the lock, which this processor holds. */
FORCEINLINE VOID KiUnlock(PKSPIN_LOCK Lock)
{
#if DBG
    if (*Lock != KI_LOCK_MARK)
        KiReportNotOwned(Lock);
#endif
    KD_TRACE_CHECKED(KD_CLASS_LOCK, TraceLockRelease, Lock, KD_TRACE_CALLER, 0);
    /*
     * The fence is for the compiler; this processor's stores become visible in their order. The
     * store names the lock by its place in a structure, where __atomic_store_n would want its
     * address in a register.
     */
    __atomic_thread_fence(__ATOMIC_RELEASE);
    *(volatile KSPIN_LOCK *)Lock = 0;
}

#endif
