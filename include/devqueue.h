/* Device queues: a busy flag and a list of waiting requests. Contract: io.md, T-KDQ-1..5. */
#ifndef METRONOME_DEVQUEUE_H
#define METRONOME_DEVQUEUE_H

#include "ntdef.h"
#include "spinlock.h"

typedef struct _KDEVICE_QUEUE_ENTRY {
    LIST_ENTRY DeviceListEntry;
    ULONG SortKey;
    BOOLEAN Inserted;
} KDEVICE_QUEUE_ENTRY, *PKDEVICE_QUEUE_ENTRY;

typedef struct _KDEVICE_QUEUE {
    CSHORT Type;
    CSHORT Size;
    LIST_ENTRY DeviceListHead;
    KSPIN_LOCK Lock;
    BOOLEAN Busy;
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

#endif
