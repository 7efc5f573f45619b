/*
 * Work items: work that a DPC, or anybody else at or below DISPATCH_LEVEL, leaves for a thread of
 * the system. Contract: io.md, Work items.
 */
#ifndef METRONOME_WORKITEM_H
#define METRONOME_WORKITEM_H

#include "ntdef.h"
#include "device.h"

/* Which threads do the work, and at which priority. Drivers use DelayedWorkQueue. */
typedef enum _WORK_QUEUE_TYPE {
    CriticalWorkQueue,      /* 13 */
    DelayedWorkQueue,       /* 12; every value that is not listed here means this one too */
    HyperCriticalWorkQueue, /* 15 */
    MaximumWorkQueue = 7
} WORK_QUEUE_TYPE;

/* IRQL: PASSIVE_LEVEL, in a system worker thread. May wait, briefly. Source: T-WORK-1 */
typedef VOID WORKER_THREAD_ROUTINE(PVOID Parameter);
typedef WORKER_THREAD_ROUTINE *PWORKER_THREAD_ROUTINE;

typedef struct _WORK_QUEUE_ITEM {
    LIST_ENTRY List; /* queue's lock; Flink is NULL while it is not queued */
    PWORKER_THREAD_ROUTINE WorkerRoutine;
    PVOID Parameter;
} WORK_QUEUE_ITEM, *PWORK_QUEUE_ITEM;

ASSERT_SIZE(WORK_QUEUE_ITEM, 0x20);
ASSERT_OFFSET(WORK_QUEUE_ITEM, WorkerRoutine, 0x10);
ASSERT_OFFSET(WORK_QUEUE_ITEM, Parameter, 0x18);

/* IRQL: any. */
FORCEINLINE VOID ExInitializeWorkItem(PWORK_QUEUE_ITEM Item, PWORKER_THREAD_ROUTINE Routine,
                                      PVOID Context)
{
    Item->WorkerRoutine = Routine;
    Item->Parameter = Context;
    Item->List.Flink = NULL;
}

/*
 * Has the routine run once. It may queue or free the item again. Nothing keeps the driver from
 * being unloaded meanwhile: drivers use IoQueueWorkItem. IRQL: <= DISPATCH_LEVEL.
 */
VOID ExQueueWorkItem(PWORK_QUEUE_ITEM WorkItem, WORK_QUEUE_TYPE QueueType);

typedef struct _IO_WORKITEM *PIO_WORKITEM; /* opaque */

/* IRQL: PASSIVE_LEVEL. IoObject: the device (or driver) object that the item was made for. */
typedef VOID IO_WORKITEM_ROUTINE(PDEVICE_OBJECT DeviceObject, PVOID Context);
typedef IO_WORKITEM_ROUTINE *PIO_WORKITEM_ROUTINE;
typedef VOID IO_WORKITEM_ROUTINE_EX(PVOID IoObject, PVOID Context, PIO_WORKITEM IoWorkItem);
typedef IO_WORKITEM_ROUTINE_EX *PIO_WORKITEM_ROUTINE_EX;

/* NULL when there is no memory. IRQL: <= DISPATCH_LEVEL. */
PIO_WORKITEM IoAllocateWorkItem(PDEVICE_OBJECT DeviceObject);

/* The item is not queued; its routine may free it. IRQL: <= DISPATCH_LEVEL. */
VOID IoFreeWorkItem(PIO_WORKITEM IoWorkItem);

/* The same for an item in the driver's own memory of IoSizeofWorkItem() bytes. IRQL: any. */
ULONG IoSizeofWorkItem(VOID);
VOID IoInitializeWorkItem(PVOID IoObject, PIO_WORKITEM IoWorkItem);
VOID IoUninitializeWorkItem(PIO_WORKITEM IoWorkItem);

/*
 * Has the routine run once. The device object, and with it the driver, stays until it has
 * returned. IRQL: <= DISPATCH_LEVEL.
 */
VOID IoQueueWorkItem(PIO_WORKITEM IoWorkItem, PIO_WORKITEM_ROUTINE WorkerRoutine,
                     WORK_QUEUE_TYPE QueueType, PVOID Context);
VOID IoQueueWorkItemEx(PIO_WORKITEM IoWorkItem, PIO_WORKITEM_ROUTINE_EX WorkerRoutine,
                       WORK_QUEUE_TYPE QueueType, PVOID Context);

#endif
