/*
 * StartIo: which request a device works on, and which comes next. DISPATCH_LEVEL. The device queue
 * has a lock of its own. With cancel routines, the cancel spin lock is held around each change of
 * the queue and of CurrentIrp, so that a cancel routine, which has it, sees the two fit together:
 * the IRP is either current, or waiting, or no longer here.
 *
 * A device is busy from the moment at which a request finds it idle until the end of a request
 * finds nothing that waits. Meanwhile exactly one party may go on: StartIo, then whatever serves
 * the hardware, then the one who calls IoStartNextPacket for this request. CurrentIrp is that
 * party's, and it must let go of it before the device can be found idle:
 *
 *     who has finished                    who comes with the next request
 *     removes from the queue: nothing,
 *     the device is idle
 *                                         finds it idle; CurrentIrp = its request; StartIo
 *     CurrentIrp = NULL                   StartIo finds CurrentIrp == NULL
 *
 * So CurrentIrp becomes NULL first, and the queue is asked after that.
 */
#include "iop.h"

/*
 * DEVOBJ_EXTENSION.StartIoState, used while DeferStartIo is set. The device's party sets it to
 * RUNS and calls StartIo; IoStartNextPacket may come meanwhile, in StartIo itself or, since the
 * hardware is fast, on another processor. Both change it by compare-and-exchange:
 *
 *     StartIo's caller                    IoStartNextPacket
 *                                         RUNS -> NEXT: succeeds, and returns
 *     RUNS -> NONE: fails, it is NEXT
 *     starts the next request
 * or
 *     RUNS -> NONE: succeeds, and returns
 *                                         RUNS -> NEXT: fails, it is NONE
 *                                         starts the next request
 *
 * Exactly one of the two goes on. NextKey and NextIsCancelable are written before the change to
 * NEXT and read after it.
 */
enum { STARTIO_NONE, STARTIO_RUNS, STARTIO_NEXT };

/* Kinds of 0xC9 that have no documented number. */
#define STARTIO_MISSING    0x8A /* [choice] the driver has no StartIo routine */
#define STARTIO_NOT_MARKED 0x8B /* [choice] the IRP was not marked pending before */

static VOID CallStartIo(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    PDRIVER_STARTIO startIo = DeviceObject->DriverObject->DriverStartIo;

    startIo(DeviceObject, Irp);
    KI_REQUIRE_IRQL_EXACTLY(DISPATCH_LEVEL, 0x2001D, "IrqlReturn", startIo);
}

/*
 * Takes the next request out of the queue and makes it the current one. NULL: nothing waits, and
 * the device is idle; it may be somebody else's already.
 */
static PIRP TakeNext(PDEVICE_OBJECT DeviceObject, BOOLEAN Cancelable, ULONG Key)
{
    PKDEVICE_QUEUE_ENTRY entry;
    PIRP irp = NULL;
    KIRQL irql;

    if (Cancelable)
        IoAcquireCancelSpinLock(&irql);
    DeviceObject->CurrentIrp = NULL;
    entry = KeRemoveByKeyDeviceQueue(&DeviceObject->DeviceQueue, Key);
    if (entry) {
        irp = CONTAINING_RECORD(entry, IRP, Tail.Overlay.DeviceQueueEntry);
        DeviceObject->CurrentIrp = irp;
        if (Cancelable && DeviceObject->DeviceObjectExtension->NonCancelable)
            IoSetCancelRoutine(irp, NULL);
    }
    if (Cancelable)
        IoReleaseCancelSpinLock(irql);
    return irp;
}

/* Calls StartIo with the current request, and, if it is not to be entered again, with more. */
static VOID Start(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    PDEVOBJ_EXTENSION extension = DeviceObject->DeviceObjectExtension;

    if (!extension->DeferStartIo) {
        CallStartIo(DeviceObject, Irp);
        return;
    }
    while (Irp) {
        extension->StartIoState = STARTIO_RUNS;
        CallStartIo(DeviceObject, Irp);
        if (InterlockedCompareExchange(&extension->StartIoState, STARTIO_NONE, STARTIO_RUNS) ==
            STARTIO_RUNS)
            return; /* the request is still under way, or whoever ended it has gone on */
        extension->StartIoState = STARTIO_NONE;
        Irp = TakeNext(DeviceObject, extension->NextIsCancelable, extension->NextKey);
    }
}

/* TRUE if StartIo runs and was left the word that it is to go on when it returns. */
static BOOLEAN Defer(PDEVICE_OBJECT DeviceObject, BOOLEAN Cancelable, ULONG Key)
{
    PDEVOBJ_EXTENSION extension = DeviceObject->DeviceObjectExtension;

    extension->NextIsCancelable = Cancelable;
    extension->NextKey = Key;
    return InterlockedCompareExchange(&extension->StartIoState, STARTIO_NEXT, STARTIO_RUNS) ==
           STARTIO_RUNS;
}

static VOID StartNext(PDEVICE_OBJECT DeviceObject, BOOLEAN Cancelable, ULONG Key)
{
    PIRP irp;

    if (DeviceObject->DeviceObjectExtension->DeferStartIo && Defer(DeviceObject, Cancelable, Key))
        return;
    irp = TakeNext(DeviceObject, Cancelable, Key);
    if (irp)
        Start(DeviceObject, irp);
}

/* Into the queue, or, FALSE, into the idle device. */
static BOOLEAN Enqueue(PDEVICE_OBJECT DeviceObject, PIRP Irp, PULONG Key)
{
    PKDEVICE_QUEUE queue = &DeviceObject->DeviceQueue;
    PKDEVICE_QUEUE_ENTRY entry = &Irp->Tail.Overlay.DeviceQueueEntry;
    BOOLEAN inserted =
        Key ? KeInsertByKeyDeviceQueue(queue, entry, *Key) : KeInsertDeviceQueue(queue, entry);

    if (!inserted)
        DeviceObject->CurrentIrp = Irp;
    return inserted;
}

/*
 * The same for a request that can be cancelled. One that was cancelled before it had a cancel
 * routine is cancelled here, if it waits; if it has the device, StartIo looks at Irp->Cancel.
 */
static BOOLEAN EnqueueCancelable(PDEVICE_OBJECT DeviceObject, PIRP Irp, PULONG Key,
                                 PDRIVER_CANCEL CancelFunction)
{
    BOOLEAN inserted;
    KIRQL irql;

    IoAcquireCancelSpinLock(&irql);
    IoSetCancelRoutine(Irp, CancelFunction);
    inserted = Enqueue(DeviceObject, Irp, Key);
    if (!inserted && DeviceObject->DeviceObjectExtension->NonCancelable)
        IoSetCancelRoutine(Irp, NULL);
    if (inserted && Irp->Cancel)
        IopCancelLockedIrp(Irp, irql);
    else
        IoReleaseCancelSpinLock(irql);
    return inserted;
}

/*
 * Gives a request to the device: StartIo is called at once if the device is idle, else the request
 * waits, behind those whose keys are not greater, without a key behind all.
 *
 * IRQL:    <= DISPATCH_LEVEL
 * Locks:   the device queue's; with CancelFunction the cancel spin lock around it; none of them
 *          while StartIo or CancelFunction runs, but that the latter frees the cancel spin lock
 * Context: a dispatch routine that has marked Irp pending and returns STATUS_PENDING
 * Returns: nothing; the IRP may have been completed
 * Source:  contract T-IoStartPacket-1..4, T-STARTIO-1..2
 */
VOID IoStartPacket(PDEVICE_OBJECT DeviceObject, PIRP Irp, PULONG Key, PDRIVER_CANCEL CancelFunction)
{
    KI_REQUIRE_IRQL_AT_MOST(DISPATCH_LEVEL, RULE_IRQL_KE_DISPATCH_LTE, "IrqlIoDispatch", Irp);
    KI_REQUIRE(DeviceObject->DriverObject->DriverStartIo, DRIVER_VERIFIER_IOMANAGER_VIOLATION,
               STARTIO_MISSING, DeviceObject, Irp, 0);
    KI_REQUIRE(IoGetCurrentIrpStackLocation(Irp)->Control & SL_PENDING_RETURNED,
               DRIVER_VERIFIER_IOMANAGER_VIOLATION, STARTIO_NOT_MARKED, DeviceObject, Irp, 0);

    KIRQL oldIrql = KiRaiseIrql(DISPATCH_LEVEL);
    BOOLEAN waits = CancelFunction ? EnqueueCancelable(DeviceObject, Irp, Key, CancelFunction)
                                   : Enqueue(DeviceObject, Irp, Key);

    if (!waits)
        Start(DeviceObject, Irp);
    KiLowerIrql(oldIrql);
}

/*
 * Ends the device's work on its current request: StartIo is called with the one that waits longest.
 * Called in StartIo it calls StartIo in turn, on the same stack, unless DeferredStartIo is set.
 *
 * IRQL:    = DISPATCH_LEVEL
 * Locks:   the device queue's; Cancelable: the cancel spin lock around it; none while StartIo runs.
 *          The caller holds none
 * Context: who has the device: its DpcForIsr, CustomTimerDpc, StartIo
 * Returns: nothing
 * Source:  contract T-IoStartNextPacket-1..3
 */
VOID IoStartNextPacket(PDEVICE_OBJECT DeviceObject, BOOLEAN Cancelable)
{
    KI_REQUIRE_IRQL_EXACTLY(DISPATCH_LEVEL, RULE_IRQL_DISPATCH, "IrqlDispatch", DeviceObject);
    StartNext(DeviceObject, Cancelable, 0); /* no key is less than 0: the first */
}

/*
 * The same with a choice: the first request whose key is at least Key, else the first of all.
 *
 * IRQL:    <= DISPATCH_LEVEL
 * Locks:   as IoStartNextPacket
 * Context: as IoStartNextPacket
 * Returns: nothing
 * Source:  contract T-IoStartNextPacketByKey-1, X-14
 */
VOID IoStartNextPacketByKey(PDEVICE_OBJECT DeviceObject, BOOLEAN Cancelable, ULONG Key)
{
    KI_REQUIRE_IRQL_AT_MOST(DISPATCH_LEVEL, RULE_IRQL_KE_DISPATCH_LTE, "IrqlKeDispatchLte",
                            DeviceObject);

    KIRQL oldIrql = KiRaiseIrql(DISPATCH_LEVEL);

    StartNext(DeviceObject, Cancelable, Key);
    KiLowerIrql(oldIrql);
}

/*
 * Says how StartIo is called for a device.
 *
 * IRQL:    any
 * Locks:   none: nobody else sets them, and a call of StartIo that is under way goes by the old
 * ones Context: AddDevice, before the first request Returns: nothing Source:  contract
 * T-IoSetStartIoAttributes-1
 */
VOID IoSetStartIoAttributes(PDEVICE_OBJECT DeviceObject, BOOLEAN DeferredStartIo,
                            BOOLEAN NonCancelable)
{
    DeviceObject->DeviceObjectExtension->DeferStartIo = DeferredStartIo;
    DeviceObject->DeviceObjectExtension->NonCancelable = NonCancelable;
}
