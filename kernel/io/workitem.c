/*
 * Work items of device objects: a work item whose device cannot go before its routine has
 * returned. The references are under IopDeviceLock; whoever owns the item owns its other fields.
 *
 *     IoQueueWorkItem   Queued = 1, the device is referenced
 *     worker            copies the item, Queued = 0
 *                       calls the routine, which may queue the item again (another reference) or
 *                       free it
 *                       gives the reference back
 */
#include "iop.h"

#define TAG_WORK_ITEM ((ULONG)'iWoI')

typedef struct _IO_WORKITEM {
    WORK_QUEUE_ITEM Item;
    PVOID IoObject;
    PIO_WORKITEM_ROUTINE Routine; /* one of the two */
    PIO_WORKITEM_ROUTINE_EX RoutineEx;
    PVOID Context;
    volatile LONG Queued; /* exchanged; from 0 to 1 by the one who queues it */
} IO_WORKITEM;

/* A driver object is nobody's to free while the driver is loaded; only devices are counted. */
static PDEVICE_OBJECT DeviceOf(PVOID IoObject)
{
    return ((PDEVICE_OBJECT)IoObject)->Type == IO_TYPE_DEVICE ? IoObject : NULL;
}

/*
 * Unlike IopReferenceDevice also when the device is delete-pending: the caller holds a reference
 * then, for example because it is the routine of the item itself, which queues it once more.
 */
static VOID ReferenceDevice(PDEVICE_OBJECT DeviceObject)
{
    KIRQL oldIrql;

    KeAcquireSpinLock(&IopDeviceLock, &oldIrql);
    DeviceObject->ReferenceCount++;
    KeReleaseSpinLock(&IopDeviceLock, oldIrql);
}

/* The worker's routine. The item may be gone as soon as the driver's routine has begun. */
static WORKER_THREAD_ROUTINE RunWorkItem;
static VOID RunWorkItem(PVOID Parameter)
{
    PIO_WORKITEM item = Parameter;
    IO_WORKITEM copy = *item;
    PDEVICE_OBJECT device = DeviceOf(copy.IoObject);
    PVOID routine = copy.Routine ? (PVOID)copy.Routine : (PVOID)copy.RoutineEx;

    InterlockedExchange(&item->Queued, 0);
    if (copy.Routine)
        copy.Routine(copy.IoObject, copy.Context);
    else
        copy.RoutineEx(copy.IoObject, copy.Context, item);
    KI_REQUIRE(KeGetCurrentIrql() == PASSIVE_LEVEL, WORKER_THREAD_RETURNED_AT_BAD_IRQL, routine,
               KeGetCurrentIrql(), copy.Context, item);
    UNREFERENCED_PARAMETER(routine);
    if (device)
        IopDereferenceDevice(device);
}

static VOID Queue(PIO_WORKITEM Item, PIO_WORKITEM_ROUTINE Routine,
                  PIO_WORKITEM_ROUTINE_EX RoutineEx, WORK_QUEUE_TYPE QueueType, PVOID Context)
{
    PDEVICE_OBJECT device = DeviceOf(Item->IoObject);
    LONG queued = InterlockedExchange(&Item->Queued, 1);

    KI_REQUIRE(!queued, WORKER_INVALID, 1, Item, Routine ? (PVOID)Routine : (PVOID)RoutineEx, 0);
    UNREFERENCED_PARAMETER(queued);
    Item->Routine = Routine;
    Item->RoutineEx = RoutineEx;
    Item->Context = Context;
    if (device)
        ReferenceDevice(device);
    ExQueueWorkItem(&Item->Item, QueueType);
}

/*
 * IRQL:    any
 * Locks:   none
 * Context: any
 * Returns: the bytes that an item takes
 * Source:  contract io.md, Work items
 */
ULONG IoSizeofWorkItem(VOID)
{
    return sizeof(IO_WORKITEM);
}

/*
 * Makes an item in the caller's memory. IoObject is a device object or a driver object.
 *
 * IRQL:    any
 * Locks:   none
 * Context: any
 * Returns: nothing
 * Source:  contract io.md, Work items
 */
VOID IoInitializeWorkItem(PVOID IoObject, PIO_WORKITEM IoWorkItem)
{
    RtlZeroMemory(IoWorkItem, sizeof(*IoWorkItem));
    IoWorkItem->IoObject = IoObject;
    ExInitializeWorkItem(&IoWorkItem->Item, RunWorkItem, IoWorkItem);
}

/*
 * The end of an item in the caller's memory. It is not queued.
 *
 * IRQL:    any
 * Locks:   none
 * Context: any; the item's routine too
 * Returns: nothing
 * Source:  contract T-WORK-2
 */
VOID IoUninitializeWorkItem(PIO_WORKITEM IoWorkItem)
{
    KI_REQUIRE(!IoWorkItem->Queued, WORKER_INVALID, 0, IoWorkItem, IoWorkItem, IoWorkItem + 1);
    UNREFERENCED_PARAMETER(IoWorkItem);
}

/*
 * IRQL:    <= DISPATCH_LEVEL
 * Locks:   the pool's
 * Context: any
 * Returns: the item, or NULL when there is no memory
 * Source:  contract io.md, Work items
 */
PIO_WORKITEM IoAllocateWorkItem(PDEVICE_OBJECT DeviceObject)
{
    KI_REQUIRE_IRQL_AT_MOST(DISPATCH_LEVEL, RULE_IRQL_KE_DISPATCH_LTE, "IrqlIoDispatch",
                            DeviceObject);

    PIO_WORKITEM item = ExAllocatePool2(POOL_FLAG_NON_PAGED, sizeof(IO_WORKITEM), TAG_WORK_ITEM);
    if (item)
        IoInitializeWorkItem(DeviceObject, item);
    return item;
}

/*
 * Frees an item that is not queued.
 *
 * IRQL:    <= DISPATCH_LEVEL
 * Locks:   the pool's
 * Context: any; the item's routine too
 * Returns: nothing
 * Source:  contract T-WORK-2
 */
VOID IoFreeWorkItem(PIO_WORKITEM IoWorkItem)
{
    KI_REQUIRE_IRQL_AT_MOST(DISPATCH_LEVEL, RULE_IRQL_KE_DISPATCH_LTE, "IrqlIoDispatch",
                            IoWorkItem);

    IoUninitializeWorkItem(IoWorkItem);
    ExFreePoolWithTag(IoWorkItem, TAG_WORK_ITEM);
}

/*
 * Has WorkerRoutine(DeviceObject, Context) run once in a worker thread.
 *
 * IRQL:    <= DISPATCH_LEVEL
 * Locks:   takes IopDeviceLock and the work queue's lock, one after the other
 * Context: any
 * Returns: nothing
 * Source:  contract T-WORK-1..6
 */
VOID IoQueueWorkItem(PIO_WORKITEM IoWorkItem, PIO_WORKITEM_ROUTINE WorkerRoutine,
                     WORK_QUEUE_TYPE QueueType, PVOID Context)
{
    KI_REQUIRE_IRQL_AT_MOST(DISPATCH_LEVEL, RULE_IRQL_KE_DISPATCH_LTE, "IrqlIoDispatch",
                            IoWorkItem);
    Queue(IoWorkItem, WorkerRoutine, NULL, QueueType, Context);
}

/*
 * As IoQueueWorkItem; the routine gets the item too.
 *
 * IRQL:    <= DISPATCH_LEVEL
 * Locks:   takes IopDeviceLock and the work queue's lock, one after the other
 * Context: any
 * Returns: nothing
 * Source:  contract T-WORK-1..6
 */
VOID IoQueueWorkItemEx(PIO_WORKITEM IoWorkItem, PIO_WORKITEM_ROUTINE_EX WorkerRoutine,
                       WORK_QUEUE_TYPE QueueType, PVOID Context)
{
    KI_REQUIRE_IRQL_AT_MOST(DISPATCH_LEVEL, RULE_IRQL_KE_DISPATCH_LTE, "IrqlIoDispatch",
                            IoWorkItem);
    Queue(IoWorkItem, NULL, WorkerRoutine, QueueType, Context);
}

static BOOLEAN AreUnreferenced(PVOID Context)
{
    PDRIVER_OBJECT driver = Context;
    PDEVICE_OBJECT device;
    KIRQL oldIrql;

    KeAcquireSpinLock(&IopDeviceLock, &oldIrql);
    device = driver->DeviceObject;
    while (device && device->ReferenceCount == 0)
        device = device->NextDevice;
    KeReleaseSpinLock(&IopDeviceLock, oldIrql);
    return !device;
}

/*
 * Waits until no work item holds a device of the driver any more, deleted or not: Unload has
 * returned, and the driver's code and driver object are needed until then.
 *
 * IRQL:    PASSIVE_LEVEL
 * Locks:   takes IopDeviceLock
 * Context: the end of a driver; not a worker thread
 * Returns: nothing
 * Source:  contract T-WORK-4
 */
VOID IopWaitForWorkItems(PDRIVER_OBJECT DriverObject)
{
    KI_REQUIRE_IRQL_AT_MOST(PASSIVE_LEVEL, RULE_IRQL_IO_PASSIVE, "IrqlIoPassive1", DriverObject);
    KiWaitUntil(AreUnreferenced, DriverObject);
}
