/* Atomic operations: the Interlocked intrinsics, and lists and counters under a spin lock. */
#ifndef METRONOME_INTERLOCKED_H
#define METRONOME_INTERLOCKED_H

#include "ntdef.h"
#include "spinlock.h"

/* All of these are full barriers. The arithmetic ones return the new value, as the WDK's do. */
#define InterlockedIncrement(Addend)      __sync_add_and_fetch((Addend), 1)
#define InterlockedDecrement(Addend)      __sync_sub_and_fetch((Addend), 1)
#define InterlockedIncrement64(Addend)    __sync_add_and_fetch((Addend), 1)
#define InterlockedDecrement64(Addend)    __sync_sub_and_fetch((Addend), 1)
#define InterlockedExchange(Target, V)    __atomic_exchange_n((Target), (V), __ATOMIC_SEQ_CST)
#define InterlockedExchange64(Target, V)  __atomic_exchange_n((Target), (V), __ATOMIC_SEQ_CST)
#define InterlockedExchangePointer(T, V)  __atomic_exchange_n((T), (V), __ATOMIC_SEQ_CST)
#define InterlockedExchangeAdd(Addend, V) __sync_fetch_and_add((Addend), (V))
#define InterlockedExchangeAdd64(A, V)    __sync_fetch_and_add((A), (V))
#define InterlockedAdd(Addend, V)         __sync_add_and_fetch((Addend), (V))
#define InterlockedOr(Target, V)          __sync_fetch_and_or((Target), (V))
#define InterlockedAnd(Target, V)         __sync_fetch_and_and((Target), (V))
#define InterlockedCompareExchange(Destination, Exchange, Comperand) \
    __sync_val_compare_and_swap((Destination), (Comperand), (Exchange))
#define InterlockedCompareExchange64(D, E, C)      __sync_val_compare_and_swap((D), (C), (E))
#define InterlockedCompareExchangePointer(D, E, C) __sync_val_compare_and_swap((D), (C), (E))
#define KeMemoryBarrier()                          __sync_synchronize()

/*
 * Any IRQL, also above DISPATCH_LEVEL when only such callers use the lock: the operation runs
 * with interrupts off. NULL when the list is (was) empty. Contract: T-EXI-1..4.
 */
PLIST_ENTRY ExInterlockedInsertHeadList(PLIST_ENTRY ListHead, PLIST_ENTRY ListEntry,
                                        PKSPIN_LOCK Lock);
PLIST_ENTRY ExInterlockedInsertTailList(PLIST_ENTRY ListHead, PLIST_ENTRY ListEntry,
                                        PKSPIN_LOCK Lock);
PLIST_ENTRY ExInterlockedRemoveHeadList(PLIST_ENTRY ListHead, PKSPIN_LOCK Lock);
PSINGLE_LIST_ENTRY ExInterlockedPushEntryList(PSINGLE_LIST_ENTRY ListHead,
                                              PSINGLE_LIST_ENTRY ListEntry, PKSPIN_LOCK Lock);
PSINGLE_LIST_ENTRY ExInterlockedPopEntryList(PSINGLE_LIST_ENTRY ListHead, PKSPIN_LOCK Lock);
ULONG ExInterlockedAddUlong(PULONG Addend, ULONG Increment, PKSPIN_LOCK Lock);
LARGE_INTEGER ExInterlockedAddLargeInteger(PLARGE_INTEGER Addend, LARGE_INTEGER Increment,
                                           PKSPIN_LOCK Lock);

/* Sequenced lists: last in, first out, without a lock. */
typedef struct DECLSPEC_ALIGN(16) _SLIST_ENTRY {
    struct _SLIST_ENTRY *Next;
} SLIST_ENTRY, *PSLIST_ENTRY;

typedef union DECLSPEC_ALIGN(16) _SLIST_HEADER {
    struct {
        ULONGLONG Alignment;
        ULONGLONG Region;
    };
    struct {
        ULONGLONG Depth : 16;
        ULONGLONG Sequence : 48;
        ULONGLONG Reserved : 4;
        ULONGLONG NextEntry : 60; /* the address without its four low bits */
    } HeaderX64;
} SLIST_HEADER, *PSLIST_HEADER;

ASSERT_SIZE(SLIST_HEADER, 0x10);
ASSERT_SIZE(SLIST_ENTRY, 0x10);

FORCEINLINE VOID InitializeSListHead(PSLIST_HEADER SListHead)
{
    SListHead->Alignment = 0;
    SListHead->Region = 0;
}
#define ExInitializeSListHead InitializeSListHead

USHORT ExQueryDepthSList(PSLIST_HEADER SListHead);
PSLIST_ENTRY ExpInterlockedPushEntrySList(PSLIST_HEADER ListHead, PSLIST_ENTRY ListEntry);
PSLIST_ENTRY ExpInterlockedPopEntrySList(PSLIST_HEADER ListHead);
PSLIST_ENTRY ExpInterlockedFlushSList(PSLIST_HEADER ListHead);
#define ExInterlockedPushEntrySList(ListHead, ListEntry, Lock) \
    ((void)(Lock), ExpInterlockedPushEntrySList(ListHead, ListEntry))
#define ExInterlockedPopEntrySList(ListHead, Lock) \
    ((void)(Lock), ExpInterlockedPopEntrySList(ListHead))
#define ExInterlockedFlushSList(ListHead) ExpInterlockedFlushSList(ListHead)

#endif
