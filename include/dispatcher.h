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
    ApcObject = 0x12,
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
typedef enum _WAIT_TYPE { WaitAll, WaitAny } WAIT_TYPE;
/* clang-format off */
typedef enum _KWAIT_REASON { Executive, FreePage, PageIn, PoolAllocation, DelayExecution, Suspended,
                             UserRequest, WrResource = 27, WrFastMutex = 34, WrGuardedMutex } KWAIT_REASON;
/* clang-format on */

#define IO_NO_INCREMENT     0
#define EVENT_INCREMENT     1
#define SEMAPHORE_INCREMENT 1
#define MUTANT_INCREMENT    1

struct _KTHREAD;

/* All fields of the objects, and of the wait blocks: the dispatcher lock. */
typedef struct _KEVENT {
    DISPATCHER_HEADER Header;
} KEVENT, *PKEVENT, *PRKEVENT;

typedef struct _KSEMAPHORE {
    DISPATCHER_HEADER Header; /* SignalState is the count */
    LONG Limit;
} KSEMAPHORE, *PKSEMAPHORE, *PRKSEMAPHORE;

typedef struct _KMUTANT {
    DISPATCHER_HEADER Header;   /* SignalState: 1 free, 0 owned, -n owned n + 1 times */
    LIST_ENTRY MutantListEntry; /* in the owner's list */
    struct _KTHREAD *OwnerThread;
    BOOLEAN Abandoned;
    UCHAR ApcDisable; /* 1: normal kernel APCs are off while it is owned */
    BOOLEAN Raised;   /* acquired at DISPATCH_LEVEL, and to be released there */
} KMUTANT, *PKMUTANT, *PRKMUTANT, KMUTEX, *PKMUTEX, *PRKMUTEX;

/* One thread waiting for one object. */
typedef struct _KWAIT_BLOCK {
    LIST_ENTRY WaitListEntry; /* in the object's list */
    USHORT WaitType;          /* WAIT_TYPE */
    USHORT WaitKey; /* the status of a wait for any that this object ends: 0 to 63, or time-out */
    ULONG Reserved14;
    struct _KTHREAD *Thread;
    PVOID Object;
    struct _KWAIT_BLOCK *NextWaitBlock; /* of the same wait, or NULL */
} KWAIT_BLOCK, *PKWAIT_BLOCK, *PRKWAIT_BLOCK;

ASSERT_SIZE(DISPATCHER_HEADER, 0x18);
ASSERT_OFFSET(DISPATCHER_HEADER, Size, 2);
ASSERT_OFFSET(DISPATCHER_HEADER, SignalState, 4);
ASSERT_OFFSET(DISPATCHER_HEADER, WaitListHead, 8);
ASSERT_SIZE(KEVENT, 0x18);
ASSERT_SIZE(KSEMAPHORE, 0x20);
ASSERT_OFFSET(KSEMAPHORE, Limit, 0x18);
ASSERT_SIZE(KMUTANT, 0x38);
ASSERT_OFFSET(KMUTANT, MutantListEntry, 0x18);
ASSERT_OFFSET(KMUTANT, OwnerThread, 0x28);
ASSERT_OFFSET(KMUTANT, Abandoned, 0x30);
ASSERT_OFFSET(KMUTANT, ApcDisable, 0x31);
ASSERT_SIZE(KWAIT_BLOCK, 0x30);

#endif
