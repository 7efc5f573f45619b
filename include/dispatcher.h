/* The head that all dispatcher objects share, and the objects' layouts. */
#ifndef METRONOME_DISPATCHER_H
#define METRONOME_DISPATCHER_H

#include "ntdef.h"

/* DISPATCHER_HEADER.Type, and the type bytes of the other kernel objects. */
enum {
    EventNotificationObject = 0,
    EventSynchronizationObject = 1,
    MutantObject = 2,
    SemaphoreObject = 5,
    ThreadObject = 6,
    TimerNotificationObject = 8,
    TimerSynchronizationObject = 9,
    DpcObject = 0x13,
    DeviceQueueObject = 0x14,
    ThreadedDpcObject = 0x18
};

typedef struct _DISPATCHER_HEADER {
    UCHAR Type;
    UCHAR Absolute; /* timers: the due time follows the system time; queue's lock */
    UCHAR Size;     /* in 4-byte units */
    UCHAR Inserted; /* timers: in a timer queue; queue's lock */
    volatile LONG SignalState;
    LIST_ENTRY WaitListHead;
} DISPATCHER_HEADER, *PDISPATCHER_HEADER;

typedef enum _EVENT_TYPE { NotificationEvent, SynchronizationEvent } EVENT_TYPE;

typedef struct _KEVENT {
    DISPATCHER_HEADER Header;
} KEVENT, *PKEVENT, *PRKEVENT;

ASSERT_SIZE(DISPATCHER_HEADER, 0x18);
ASSERT_OFFSET(DISPATCHER_HEADER, Size, 2);
ASSERT_OFFSET(DISPATCHER_HEADER, SignalState, 4);
ASSERT_OFFSET(DISPATCHER_HEADER, WaitListHead, 8);
ASSERT_SIZE(KEVENT, 0x18);

#endif
