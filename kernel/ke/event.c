/* Events and semaphores. Their state is under the dispatcher lock. */
#include "ke.h"

static VOID RequireSignalIrql(PVOID Object, BOOLEAN Wait)
{
    if (Wait)
        KI_REQUIRE_IRQL_AT_MOST(APC_LEVEL, 0x80, "IrqlKeSetEvent", Object);
    else
        KI_REQUIRE_IRQL_AT_MOST(DISPATCH_LEVEL, 0x80, "IrqlKeSetEvent", Object);
    UNREFERENCED_PARAMETER(Object);
}

/*
 * IRQL:    any
 * Locks:   none
 * Context: any
 * Returns: nothing
 * Source:  contract dispatcher.md, Events
 */
VOID KeInitializeEvent(PRKEVENT Event, EVENT_TYPE Type, BOOLEAN State)
{
    Event->Header.Type = (UCHAR)Type;
    Event->Header.Absolute = 0;
    Event->Header.Size = sizeof(KEVENT) / sizeof(ULONG);
    Event->Header.Inserted = 0;
    Event->Header.SignalState = State != FALSE;
    InitializeListHead(&Event->Header.WaitListHead);
}

/*
 * Signals an event: all waiters of a notification event go on, one of a synchronization event.
 *
 * IRQL:    <= DISPATCH_LEVEL, with Wait <= APC_LEVEL (RequireSignalIrql)
 * Locks:   takes the dispatcher lock
 * Context: any
 * Returns: the previous state
 * Source:  contract T-KeSetEvent-1..4
 */
LONG KeSetEvent(PRKEVENT Event, KPRIORITY Increment, BOOLEAN Wait)
{
    RequireSignalIrql(Event, Wait);

    KIRQL oldIrql = KiLockDispatcher();
    LONG previous = Event->Header.SignalState;

    Event->Header.SignalState = 1;
    if (!IsListEmpty(&Event->Header.WaitListHead))
        KiReleaseWaiters(&Event->Header, Increment);
    KiFinishSignal(oldIrql, Wait);
    return previous;
}

/*
 * Releases who waits now, one thread of a synchronization event, and leaves the event unsignaled.
 *
 * IRQL:    <= DISPATCH_LEVEL, with Wait <= APC_LEVEL (RequireSignalIrql)
 * Locks:   takes the dispatcher lock
 * Context: any
 * Returns: the previous state
 * Source:  contract T-KePulseEvent-1
 */
LONG KePulseEvent(PRKEVENT Event, KPRIORITY Increment, BOOLEAN Wait)
{
    RequireSignalIrql(Event, Wait);

    KIRQL oldIrql = KiLockDispatcher();
    LONG previous = Event->Header.SignalState;

    Event->Header.SignalState = 1;
    KiReleaseWaiters(&Event->Header, Increment);
    Event->Header.SignalState = 0;
    KiFinishSignal(oldIrql, Wait);
    return previous;
}

/*
 * IRQL:    <= DISPATCH_LEVEL
 * Locks:   takes the dispatcher lock
 * Context: any
 * Returns: the previous state
 * Source:  contract T-KeResetEvent-1
 */
LONG KeResetEvent(PRKEVENT Event)
{
    KI_REQUIRE_IRQL_AT_MOST(DISPATCH_LEVEL, RULE_IRQL_KE_DISPATCH_LTE, "IrqlKeDispatchLte", Event);

    KIRQL oldIrql = KiLockDispatcher();
    LONG previous = Event->Header.SignalState;

    Event->Header.SignalState = 0;
    KiUnlockDispatcher(oldIrql);
    return previous;
}

/*
 * IRQL:    <= DISPATCH_LEVEL
 * Locks:   takes the dispatcher lock
 * Context: any
 * Returns: nothing
 * Source:  contract T-KeClearEvent-1
 */
VOID KeClearEvent(PRKEVENT Event)
{
    KI_REQUIRE_IRQL_AT_MOST(DISPATCH_LEVEL, RULE_IRQL_KE_DISPATCH_LTE, "IrqlKeDispatchLte", Event);
    KeResetEvent(Event);
}

/*
 * IRQL:    any, if the event is resident
 * Locks:   none; the answer can be stale when it arrives
 * Context: any
 * Returns: non-zero if signaled
 * Source:  contract T-KeReadStateEvent-1
 */
LONG KeReadStateEvent(PRKEVENT Event)
{
    return Event->Header.SignalState;
}

/*
 * IRQL:    any
 * Locks:   none
 * Context: any
 * Returns: nothing
 * Source:  contract T-KeInitializeSemaphore-1
 */
VOID KeInitializeSemaphore(PRKSEMAPHORE Semaphore, LONG Count, LONG Limit)
{
    Semaphore->Header.Type = SemaphoreObject;
    Semaphore->Header.Absolute = 0;
    Semaphore->Header.Size = sizeof(KSEMAPHORE) / sizeof(ULONG);
    Semaphore->Header.Inserted = 0;
    Semaphore->Header.SignalState = Count;
    InitializeListHead(&Semaphore->Header.WaitListHead);
    Semaphore->Limit = Limit;
}

/*
 * Adds Adjustment to the count, and lets as many waiters go on as it allows. Beyond the limit the
 * count stays; with no one to handle the exception that is bug check 0x1E.
 *
 * IRQL:    <= DISPATCH_LEVEL, with Wait <= APC_LEVEL (RequireSignalIrql)
 * Locks:   takes the dispatcher lock
 * Context: any
 * Returns: the previous count
 * Source:  contract T-KeReleaseSemaphore-1..2, X-17
 */
LONG KeReleaseSemaphore(PRKSEMAPHORE Semaphore, KPRIORITY Increment, LONG Adjustment, BOOLEAN Wait)
{
    RequireSignalIrql(Semaphore, Wait);

    KIRQL oldIrql = KiLockDispatcher();
    LONG previous = Semaphore->Header.SignalState;
    LONG count;

    if (Adjustment <= 0 || __builtin_add_overflow(previous, Adjustment, &count) ||
        count > Semaphore->Limit) {
        KiUnlockDispatcher(oldIrql);
        KeBugCheckEx(KMODE_EXCEPTION_NOT_HANDLED, (ULONG)STATUS_SEMAPHORE_LIMIT_EXCEEDED,
                     (ULONG_PTR)__builtin_return_address(0), (ULONG_PTR)Semaphore, 0);
    }
    Semaphore->Header.SignalState = count;
    KiReleaseWaiters(&Semaphore->Header, Increment);
    KiFinishSignal(oldIrql, Wait);
    return previous;
}

/*
 * IRQL:    any
 * Locks:   none; the answer can be stale when it arrives
 * Context: any
 * Returns: the count
 * Source:  contract T-KeReadStateSemaphore-1
 */
LONG KeReadStateSemaphore(PRKSEMAPHORE Semaphore)
{
    return Semaphore->Header.SignalState;
}
