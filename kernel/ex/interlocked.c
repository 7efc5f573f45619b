/*
 * Lists and numbers under a spin lock that any code may take, from PASSIVE_LEVEL to an interrupt
 * service routine: each operation runs with interrupts off, whatever the IRQL.
 *
 * Why interrupts, and not the IRQL: the lock says nothing about who else uses it.
 *
 *     a DPC on this processor              an ISR on the same processor
 *     takes the lock
 *                                          takes the lock: spins for ever
 *
 * With interrupts off the right column cannot begin before the left one has ended. The lock word
 * is that of an ordinary spin lock, so that code at DISPATCH_LEVEL may share the lock by the Ke
 * routines, if then nobody uses it above DISPATCH_LEVEL.
 */
#include "ke.h"

/* Interrupts off, the lock taken. Returns the flags before, for Release. */
FORCEINLINE ULONG_PTR Acquire(PKSPIN_LOCK Lock)
{
    ULONG_PTR flags = ArchDisableInterrupts();

    KiLock(Lock);
    return flags;
}

FORCEINLINE VOID Release(PKSPIN_LOCK Lock, ULONG_PTR Flags)
{
    KiUnlock(Lock);
    ArchRestoreInterrupts(Flags);
}

/*
 * Puts an entry in front of a list.
 *
 * IRQL:    any
 * Locks:   takes Lock
 * Context: any, interrupt service routines included
 * Returns: the entry that was the first one, or NULL if the list was empty
 * Source:  contract T-EXI-1..4
 */
PLIST_ENTRY ExInterlockedInsertHeadList(PLIST_ENTRY ListHead, PLIST_ENTRY ListEntry,
                                        PKSPIN_LOCK Lock)
{
    ULONG_PTR flags = Acquire(Lock);
    PLIST_ENTRY first = ListHead->Flink;

    InsertHeadList(ListHead, ListEntry);
    Release(Lock, flags);
    return first == ListHead ? NULL : first;
}

/*
 * Puts an entry at the end of a list.
 *
 * IRQL:    any
 * Locks:   takes Lock
 * Context: any, interrupt service routines included
 * Returns: the entry that was the last one, or NULL if the list was empty
 * Source:  contract T-EXI-1..4
 */
PLIST_ENTRY ExInterlockedInsertTailList(PLIST_ENTRY ListHead, PLIST_ENTRY ListEntry,
                                        PKSPIN_LOCK Lock)
{
    ULONG_PTR flags = Acquire(Lock);
    PLIST_ENTRY last = ListHead->Blink;

    InsertTailList(ListHead, ListEntry);
    Release(Lock, flags);
    return last == ListHead ? NULL : last;
}

/*
 * Takes the first entry of a list.
 *
 * IRQL:    any
 * Locks:   takes Lock
 * Context: any, interrupt service routines included
 * Returns: the entry, or NULL if the list was empty
 * Source:  contract T-EXI-1..4
 */
PLIST_ENTRY ExInterlockedRemoveHeadList(PLIST_ENTRY ListHead, PKSPIN_LOCK Lock)
{
    ULONG_PTR flags = Acquire(Lock);
    PLIST_ENTRY entry = IsListEmpty(ListHead) ? NULL : RemoveHeadList(ListHead);

    Release(Lock, flags);
    return entry;
}

/*
 * Puts an entry in front of a singly linked list.
 *
 * IRQL:    any
 * Locks:   takes Lock
 * Context: any, interrupt service routines included
 * Returns: the entry that was the first one, or NULL if the list was empty
 * Source:  contract T-EXI-1..4
 */
PSINGLE_LIST_ENTRY ExInterlockedPushEntryList(PSINGLE_LIST_ENTRY ListHead,
                                              PSINGLE_LIST_ENTRY ListEntry, PKSPIN_LOCK Lock)
{
    ULONG_PTR flags = Acquire(Lock);
    PSINGLE_LIST_ENTRY first = ListHead->Next;

    PushEntryList(ListHead, ListEntry);
    Release(Lock, flags);
    return first;
}

/*
 * Takes the first entry of a singly linked list.
 *
 * IRQL:    any
 * Locks:   takes Lock
 * Context: any, interrupt service routines included
 * Returns: the entry, or NULL if the list was empty
 * Source:  contract T-EXI-1..4
 */
PSINGLE_LIST_ENTRY ExInterlockedPopEntryList(PSINGLE_LIST_ENTRY ListHead, PKSPIN_LOCK Lock)
{
    ULONG_PTR flags = Acquire(Lock);
    PSINGLE_LIST_ENTRY entry = PopEntryList(ListHead);

    Release(Lock, flags);
    return entry;
}

/*
 * Adds to a number.
 *
 * IRQL:    any
 * Locks:   takes Lock
 * Context: any, interrupt service routines included
 * Returns: the number before
 * Source:  contract T-EXI-2..4
 */
ULONG ExInterlockedAddUlong(PULONG Addend, ULONG Increment, PKSPIN_LOCK Lock)
{
    ULONG_PTR flags = Acquire(Lock);
    ULONG before = *Addend;

    *Addend = before + Increment;
    Release(Lock, flags);
    return before;
}

/*
 * Adds to a 64-bit number.
 *
 * IRQL:    any
 * Locks:   takes Lock
 * Context: any, interrupt service routines included
 * Returns: the number before
 * Source:  contract T-EXI-2..4
 */
LARGE_INTEGER ExInterlockedAddLargeInteger(PLARGE_INTEGER Addend, LARGE_INTEGER Increment,
                                           PKSPIN_LOCK Lock)
{
    ULONG_PTR flags = Acquire(Lock);
    LARGE_INTEGER before = *Addend;

    Addend->QuadPart = (LONGLONG)((ULONGLONG)before.QuadPart + (ULONGLONG)Increment.QuadPart);
    Release(Lock, flags);
    return before;
}
