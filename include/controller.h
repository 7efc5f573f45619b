/*
 * Controller objects: several devices that share one piece of hardware take turns. Each device asks
 * for the controller when it has a request, and its ControllerControl routine is called when it is
 * the device's turn. Contract: io.md, Controller objects.
 */
#ifndef METRONOME_CONTROLLER_H
#define METRONOME_CONTROLLER_H

#include "device.h"

typedef struct _CONTROLLER_OBJECT {
    CSHORT Type;                   /* IO_TYPE_CONTROLLER */
    CSHORT Size;                   /* with the extension */
    PVOID ControllerExtension;     /* the driver's, zeroed, 16-aligned */
    KDEVICE_QUEUE DeviceWaitQueue; /* busy: a device has the controller */
    ULONG Spare1;
    LARGE_INTEGER Spare2;
} CONTROLLER_OBJECT, *PCONTROLLER_OBJECT;

ASSERT_SIZE(CONTROLLER_OBJECT, 0x48);
ASSERT_OFFSET(CONTROLLER_OBJECT, ControllerExtension, 0x8);
ASSERT_OFFSET(CONTROLLER_OBJECT, DeviceWaitQueue, 0x10);

#define IO_TYPE_CONTROLLER 2

/* IRQL: PASSIVE_LEVEL */
PCONTROLLER_OBJECT IoCreateController(ULONG Size);
VOID IoDeleteController(PCONTROLLER_OBJECT ControllerObject);

/* IRQL: DISPATCH_LEVEL */
VOID IoAllocateController(PCONTROLLER_OBJECT ControllerObject, PDEVICE_OBJECT DeviceObject,
                          PDRIVER_CONTROL ExecutionRoutine, PVOID Context);
VOID IoFreeController(PCONTROLLER_OBJECT ControllerObject);

#endif
