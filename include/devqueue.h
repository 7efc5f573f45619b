/* Device queues: a busy flag and a list of waiting requests. Contract: io.md, T-KDQ-1..5. */
#ifndef METRONOME_DEVQUEUE_H
#define METRONOME_DEVQUEUE_H

#include "ntdef.h"
#include "spinlock.h"

/* All of it is the queue's, under its lock, once the entry has been given to it. */
typedef struct _KDEVICE_QUEUE_ENTRY {
    LIST_ENTRY DeviceListEntry;
    ULONG SortKey;
    BOOLEAN Inserted; /* it waits in the list */
} KDEVICE_QUEUE_ENTRY, *PKDEVICE_QUEUE_ENTRY;

typedef struct _KDEVICE_QUEUE {
    CSHORT Type; /* DeviceQueueObject */
    CSHORT Size;
    LIST_ENTRY DeviceListHead; /* sorted by SortKey; under Lock, as Busy */
    KSPIN_LOCK Lock;           /* DISPATCH_LEVEL; no other lock is taken under it */
    BOOLEAN Busy;              /* somebody serves a request, which is not in the list */
} KDEVICE_QUEUE, *PKDEVICE_QUEUE;

ASSERT_SIZE(KDEVICE_QUEUE_ENTRY, 0x18);
ASSERT_OFFSET(KDEVICE_QUEUE_ENTRY, SortKey, 0x10);
ASSERT_OFFSET(KDEVICE_QUEUE_ENTRY, Inserted, 0x14);
ASSERT_SIZE(KDEVICE_QUEUE, 0x28);
ASSERT_OFFSET(KDEVICE_QUEUE, DeviceListHead, 0x8);
ASSERT_OFFSET(KDEVICE_QUEUE, Lock, 0x18);
ASSERT_OFFSET(KDEVICE_QUEUE, Busy, 0x20);

/* An empty queue that is not busy. IRQL: <= DISPATCH_LEVEL. */
VOID KeInitializeDeviceQueue(PKDEVICE_QUEUE DeviceQueue);

/* IRQL: DISPATCH_LEVEL. FALSE: the device was idle and is the caller's; nothing was inserted. */
BOOLEAN KeInsertDeviceQueue(PKDEVICE_QUEUE DeviceQueue, PKDEVICE_QUEUE_ENTRY DeviceQueueEntry);
BOOLEAN KeInsertByKeyDeviceQueue(PKDEVICE_QUEUE DeviceQueue, PKDEVICE_QUEUE_ENTRY DeviceQueueEntry,
                                 ULONG SortKey);

/* IRQL: DISPATCH_LEVEL. NULL: nothing waits, and the device is idle. */
PKDEVICE_QUEUE_ENTRY KeRemoveDeviceQueue(PKDEVICE_QUEUE DeviceQueue);
PKDEVICE_QUEUE_ENTRY KeRemoveByKeyDeviceQueue(PKDEVICE_QUEUE DeviceQueue, ULONG SortKey);
PKDEVICE_QUEUE_ENTRY KeRemoveByKeyDeviceQueueIfBusy(PKDEVICE_QUEUE DeviceQueue, ULONG SortKey);

/* IRQL: <= DISPATCH_LEVEL. FALSE: it is not in the queue. */
BOOLEAN KeRemoveEntryDeviceQueue(PKDEVICE_QUEUE DeviceQueue, PKDEVICE_QUEUE_ENTRY DeviceQueueEntry);

#endif
