/*
 * Controller objects: devices take turns at one piece of hardware. A controller is a device queue
 * whose entries are devices: busy means that a device has the controller, and what waits in the
 * queue are the devices that want it. DISPATCH_LEVEL; no lock is held while a ControllerControl
 * routine runs.
 *
 *     IoAllocateController ---- idle ----> ControllerControl --- KeepObject ---> the device has it
 *            |                                 ^      |                               |
 *           busy                               |  DeallocateObject              IoFreeController
 *            v                                 |      v                               |
 *     the device waits --------------------- next <---------------------------------- +
 */
#include "iop.h"

#define TAG_CONTROLLER ((ULONG)'rtnC')

/* Kinds of 0xC9 that have no documented number. */
#define CONTROLLER_WANTED_TWICE 0x8C /* [choice] the device waits for a controller already */
#define CONTROLLER_WRONG_RESULT 0x8D /* [choice] of a ControllerControl routine */
#define CONTROLLER_DELETED_BUSY 0x8E /* [choice] a device has it */

/*
 * Makes a controller object with an extension of Size zero bytes.
 *
 * IRQL:    PASSIVE_LEVEL
 * Locks:   the pool's
 * Context: AddDevice, DriverEntry
 * Returns: NULL if there is no memory
 * Source:  contract T-IoCreateController-1
 */
PCONTROLLER_OBJECT IoCreateController(ULONG Size)
{
    KI_REQUIRE_IRQL_AT_MOST(PASSIVE_LEVEL, RULE_IRQL_IO_PASSIVE, "IrqlIoPassive2", Size);

    const SIZE_T head = ALIGN_UP_BY(sizeof(CONTROLLER_OBJECT), 16);
    PCONTROLLER_OBJECT controller =
        ExAllocatePool2(POOL_FLAG_NON_PAGED, head + Size, TAG_CONTROLLER);

    if (!controller)
        return NULL;
    controller->Type = IO_TYPE_CONTROLLER;
    controller->Size = (CSHORT)(head + Size > MAXUSHORT / 2 ? MAXUSHORT / 2 : head + Size);
    controller->ControllerExtension = (PUCHAR)controller + head;
    KeInitializeDeviceQueue(&controller->DeviceWaitQueue);
    return controller;
}

/*
 * Frees a controller object and its extension. Interrupts whose routines use it are disconnected.
 *
 * IRQL:    PASSIVE_LEVEL
 * Locks:   the pool's
 * Context: Unload
 * Returns: nothing
 * Source:  contract T-IoDeleteController-1
 */
VOID IoDeleteController(PCONTROLLER_OBJECT ControllerObject)
{
    KI_REQUIRE_IRQL_AT_MOST(PASSIVE_LEVEL, RULE_IRQL_IO_PASSIVE, "IrqlIoPassive2",
                            ControllerObject);
    KI_REQUIRE(
        ControllerObject->Type == IO_TYPE_CONTROLLER && !ControllerObject->DeviceWaitQueue.Busy,
        DRIVER_VERIFIER_IOMANAGER_VIOLATION, CONTROLLER_DELETED_BUSY, ControllerObject, 0, 0);
    ExFreePoolWithTag(ControllerObject, TAG_CONTROLLER);
}

/*
 * Calls the routine of a device whose turn it is. From then on the device may ask again, so its
 * block is read before. TRUE: the device keeps the controller.
 */
static BOOLEAN GiveTo(PDEVICE_OBJECT DeviceObject)
{
    PDRIVER_CONTROL routine = DeviceObject->Queue.Wcb.DeviceRoutine;
    IO_ALLOCATION_ACTION action = routine(DeviceObject, DeviceObject->CurrentIrp, NULL,
                                          DeviceObject->Queue.Wcb.DeviceContext);

    KI_REQUIRE_IRQL_EXACTLY(DISPATCH_LEVEL, 0x2001D, "IrqlReturn", routine);
    KI_REQUIRE(action == KeepObject || action == DeallocateObject,
               DRIVER_VERIFIER_IOMANAGER_VIOLATION, CONTROLLER_WRONG_RESULT, routine, action,
               DeviceObject);
    return action == KeepObject;
}

/* The controller is free: the devices that wait have their turns, until one keeps it. */
static VOID GiveToNext(PCONTROLLER_OBJECT ControllerObject)
{
    PKDEVICE_QUEUE_ENTRY entry;

    do {
        entry = KeRemoveDeviceQueue(&ControllerObject->DeviceWaitQueue);
    } while (entry && !GiveTo(CONTAINING_RECORD(entry, DEVICE_OBJECT, Queue.Wcb.WaitQueueEntry)));
}

/*
 * Has ExecutionRoutine called when the controller is DeviceObject's: before this returns, if the
 * controller is free, else when those that came before have freed it.
 *
 * IRQL:    = DISPATCH_LEVEL
 * Locks:   the controller queue's; none while a routine runs
 * Context: StartIo. A device waits for one controller at a time
 * Returns: nothing
 * Source:  contract T-IoAllocateController-1..3
 */
VOID IoAllocateController(PCONTROLLER_OBJECT ControllerObject, PDEVICE_OBJECT DeviceObject,
                          PDRIVER_CONTROL ExecutionRoutine, PVOID Context)
{
    KI_REQUIRE_IRQL_EXACTLY(DISPATCH_LEVEL, RULE_IRQL_DISPATCH, "IrqlDispatch", ControllerObject);

    PWAIT_CONTEXT_BLOCK block = &DeviceObject->Queue.Wcb;

    KI_REQUIRE(!block->WaitQueueEntry.Inserted, DRIVER_VERIFIER_IOMANAGER_VIOLATION,
               CONTROLLER_WANTED_TWICE, DeviceObject, ControllerObject, 0);
    block->DeviceRoutine = ExecutionRoutine;
    block->DeviceContext = Context;
    if (KeInsertDeviceQueue(&ControllerObject->DeviceWaitQueue, &block->WaitQueueEntry))
        return;
    if (!GiveTo(DeviceObject))
        GiveToNext(ControllerObject);
}

/*
 * Frees the controller that a ControllerControl routine has kept. The next device's routine is
 * called before this returns.
 *
 * IRQL:    = DISPATCH_LEVEL
 * Locks:   the controller queue's; none while a routine runs
 * Context: DpcForIsr, before the IRP is completed
 * Returns: nothing
 * Source:  contract T-IoFreeController-1, T-IO_DPC-2
 */
VOID IoFreeController(PCONTROLLER_OBJECT ControllerObject)
{
    KI_REQUIRE_IRQL_EXACTLY(DISPATCH_LEVEL, RULE_IRQL_DISPATCH, "IrqlDispatch", ControllerObject);
    GiveToNext(ControllerObject);
}
