/*
 * Device queues: a flag that says whether the device is busy, and the requests that wait for it.
 * DISPATCH_LEVEL; flag and list are under the queue's own lock, which is a leaf.
 *
 * What makes the queue useful is that flag and list change in one step. Whoever wants the device
 * inserts a request; FALSE says that the device was idle and is the caller's now, with the request,
 * which is in no list. Whoever has finished removes the next request; NULL says that there is none,
 * and that the device is idle again. Were the flag kept apart from the list, this could happen:
 *
 *     who has finished              who comes with a request
 *     looks into the list: empty
 *                                   looks at the flag: busy
 *                                   puts the request into the list
 *     clears the flag
 *
 * and the request would wait for a device that nobody starts.
 *
 * The list is sorted by SortKey at all times, equal keys in the order of their coming. An entry
 * that comes without a key goes to the tail and takes over the key that it finds there.
 */
#include "ke.h"

/*
 * Makes an empty device queue that is not busy.
 *
 * IRQL:    <= DISPATCH_LEVEL
 * Locks:   none
 * Context: any
 * Returns: nothing
 * Source:  contract T-KDQ-1
 */
VOID KeInitializeDeviceQueue(PKDEVICE_QUEUE DeviceQueue)
{
    KI_REQUIRE_IRQL_AT_MOST(DISPATCH_LEVEL, RULE_IRQL_KE_DISPATCH_LTE, "IrqlKeDispatchLte",
                            DeviceQueue);

    DeviceQueue->Type = DeviceQueueObject;
    DeviceQueue->Size = sizeof(KDEVICE_QUEUE);
    InitializeListHead(&DeviceQueue->DeviceListHead);
    KeInitializeSpinLock(&DeviceQueue->Lock);
    DeviceQueue->Busy = FALSE;
}

FORCEINLINE PKDEVICE_QUEUE_ENTRY EntryAt(PLIST_ENTRY Link)
{
    return CONTAINING_RECORD(Link, KDEVICE_QUEUE_ENTRY, DeviceListEntry);
}

/* The greatest key of the queue; 0 if the queue is empty. Under the queue's lock. */
static ULONG LastKey(PKDEVICE_QUEUE DeviceQueue)
{
    if (IsListEmpty(&DeviceQueue->DeviceListHead))
        return 0;
    return EntryAt(DeviceQueue->DeviceListHead.Blink)->SortKey;
}

/*
 * Takes the idle device for the entry, or lets the entry wait behind all whose keys are not
 * greater. The search begins at the tail: equal or rising keys, the common case, are found at once.
 */
static BOOLEAN Insert(PKDEVICE_QUEUE DeviceQueue, PKDEVICE_QUEUE_ENTRY Entry, ULONG SortKey)
{
    PLIST_ENTRY head = &DeviceQueue->DeviceListHead, before = head->Blink;

    Entry->SortKey = SortKey;
    Entry->Inserted = DeviceQueue->Busy;
    if (!DeviceQueue->Busy) {
        DeviceQueue->Busy = TRUE;
        return FALSE;
    }
    while (before != head && EntryAt(before)->SortKey > SortKey)
        before = before->Blink;
    InsertHeadList(before, &Entry->DeviceListEntry);
    return TRUE;
}

/*
 * Makes the device busy, or puts the entry at the tail of those that wait for it.
 *
 * IRQL:    = DISPATCH_LEVEL
 * Locks:   takes the queue's lock
 * Context: any
 * Returns: FALSE if the device was idle: it is busy now, and the caller serves the entry, which
 *          was not inserted
 * Source:  contract T-KDQ-2
 */
BOOLEAN KeInsertDeviceQueue(PKDEVICE_QUEUE DeviceQueue, PKDEVICE_QUEUE_ENTRY DeviceQueueEntry)
{
    KI_REQUIRE_IRQL_EXACTLY(DISPATCH_LEVEL, RULE_IRQL_DISPATCH, "IrqlDispatch", DeviceQueue);

    BOOLEAN inserted;

    KeAcquireSpinLockAtDpcLevel(&DeviceQueue->Lock);
    inserted = Insert(DeviceQueue, DeviceQueueEntry, LastKey(DeviceQueue));
    KeReleaseSpinLockFromDpcLevel(&DeviceQueue->Lock);
    return inserted;
}

/*
 * The same with a key: the entry waits behind those whose keys are not greater.
 *
 * IRQL:    = DISPATCH_LEVEL
 * Locks:   takes the queue's lock
 * Context: any
 * Returns: as KeInsertDeviceQueue
 * Source:  contract T-KDQ-2
 */
BOOLEAN KeInsertByKeyDeviceQueue(PKDEVICE_QUEUE DeviceQueue, PKDEVICE_QUEUE_ENTRY DeviceQueueEntry,
                                 ULONG SortKey)
{
    KI_REQUIRE_IRQL_EXACTLY(DISPATCH_LEVEL, RULE_IRQL_DISPATCH, "IrqlDispatch", DeviceQueue);

    BOOLEAN inserted;

    KeAcquireSpinLockAtDpcLevel(&DeviceQueue->Lock);
    inserted = Insert(DeviceQueue, DeviceQueueEntry, SortKey);
    KeReleaseSpinLockFromDpcLevel(&DeviceQueue->Lock);
    return inserted;
}

/*
 * Takes out the first entry with a key of at least SortKey, else the very first one. A device for
 * which nothing waits becomes idle, or stays so.
 */
static PKDEVICE_QUEUE_ENTRY Remove(PKDEVICE_QUEUE DeviceQueue, ULONG SortKey)
{
    PLIST_ENTRY head = &DeviceQueue->DeviceListHead, link = head->Flink;

    if (link == head) {
        DeviceQueue->Busy = FALSE;
        return NULL;
    }
    while (link != head && EntryAt(link)->SortKey < SortKey)
        link = link->Flink;
    if (link == head)
        link = head->Flink;
    RemoveEntryList(link);
    EntryAt(link)->Inserted = FALSE;
    return EntryAt(link);
}

/* Who removes has finished with the device: it must be busy. */
static PKDEVICE_QUEUE_ENTRY RemoveFromBusy(PKDEVICE_QUEUE DeviceQueue, ULONG SortKey)
{
    PKDEVICE_QUEUE_ENTRY entry;

    KeAcquireSpinLockAtDpcLevel(&DeviceQueue->Lock);
    KI_REQUIRE(DeviceQueue->Busy, DRIVER_VERIFIER_DETECTED_VIOLATION, RULE_DEVICE_QUEUE_BUSY,
               DISPATCH_LEVEL, DeviceQueue, 0);
    entry = Remove(DeviceQueue, SortKey);
    KeReleaseSpinLockFromDpcLevel(&DeviceQueue->Lock);
    return entry;
}

/*
 * Takes the first entry out for a device that has finished the one before.
 *
 * IRQL:    = DISPATCH_LEVEL
 * Locks:   takes the queue's lock
 * Context: who has made the device busy; not a cancel routine
 * Returns: the entry; NULL if none waits: the device is idle now
 * Source:  contract T-KDQ-3, X-10
 */
PKDEVICE_QUEUE_ENTRY KeRemoveDeviceQueue(PKDEVICE_QUEUE DeviceQueue)
{
    KI_REQUIRE_IRQL_EXACTLY(DISPATCH_LEVEL, RULE_IRQL_DISPATCH, "IrqlDispatch", DeviceQueue);
    return RemoveFromBusy(DeviceQueue, 0);
}

/*
 * Takes the first entry out whose key is at least SortKey; if there is none, the first of all. A
 * disk's arm that sweeps in one direction asks so for the next request ahead of it.
 *
 * IRQL:    = DISPATCH_LEVEL
 * Locks:   takes the queue's lock
 * Context: who has made the device busy; not a cancel routine
 * Returns: the entry; NULL if none waits: the device is idle now
 * Source:  contract T-KDQ-4, X-10
 */
PKDEVICE_QUEUE_ENTRY KeRemoveByKeyDeviceQueue(PKDEVICE_QUEUE DeviceQueue, ULONG SortKey)
{
    KI_REQUIRE_IRQL_EXACTLY(DISPATCH_LEVEL, RULE_IRQL_DISPATCH, "IrqlDispatch", DeviceQueue);
    return RemoveFromBusy(DeviceQueue, SortKey);
}

/*
 * The same for a caller that does not know whether the device is busy.
 *
 * IRQL:    = DISPATCH_LEVEL
 * Locks:   takes the queue's lock
 * Context: any but a cancel routine
 * Returns: the entry; NULL if none waits: the device is idle now, or was so before
 * Source:  contract T-KDQ-4
 */
PKDEVICE_QUEUE_ENTRY KeRemoveByKeyDeviceQueueIfBusy(PKDEVICE_QUEUE DeviceQueue, ULONG SortKey)
{
    KI_REQUIRE_IRQL_EXACTLY(DISPATCH_LEVEL, RULE_IRQL_DISPATCH, "IrqlDispatch", DeviceQueue);

    PKDEVICE_QUEUE_ENTRY entry;

    KeAcquireSpinLockAtDpcLevel(&DeviceQueue->Lock);
    entry = Remove(DeviceQueue, SortKey);
    KeReleaseSpinLockFromDpcLevel(&DeviceQueue->Lock);
    return entry;
}

/*
 * Takes one certain entry out, if it still waits: for a request that is cancelled. The device is as
 * busy as before, since whoever serves it now knows nothing of this.
 *
 * IRQL:    <= DISPATCH_LEVEL
 * Locks:   takes the queue's lock
 * Context: any; the entry has been given to one of the insert routines before
 * Returns: FALSE if the entry is no longer in the queue, or never was
 * Source:  contract T-KDQ-5, X-10
 */
BOOLEAN KeRemoveEntryDeviceQueue(PKDEVICE_QUEUE DeviceQueue, PKDEVICE_QUEUE_ENTRY DeviceQueueEntry)
{
    KI_REQUIRE_IRQL_AT_MOST(DISPATCH_LEVEL, RULE_IRQL_KE_DISPATCH_LTE, "IrqlKeDispatchLte",
                            DeviceQueue);

    BOOLEAN removed;
    KIRQL oldIrql;

    KeAcquireSpinLock(&DeviceQueue->Lock, &oldIrql);
    removed = DeviceQueueEntry->Inserted;
    if (removed) {
        RemoveEntryList(&DeviceQueueEntry->DeviceListEntry);
        DeviceQueueEntry->Inserted = FALSE;
    }
    KeReleaseSpinLock(&DeviceQueue->Lock, oldIrql);
    return removed;
}
