/* The once-a-second timer of a device object. Contract: io.md, IoTimer. */
#ifndef METRONOME_IOTIMER_H
#define METRONOME_IOTIMER_H

#include "ntdef.h"
#include "device.h"

/* IRQL: DISPATCH_LEVEL; never twice at the same time for one device. T-IO_TIMER-1..5 */
typedef VOID IO_TIMER_ROUTINE(struct _DEVICE_OBJECT *DeviceObject, PVOID Context);
typedef IO_TIMER_ROUTINE *PIO_TIMER_ROUTINE;

/* Once per device; the timer is stopped at first. IRQL: PASSIVE_LEVEL. */
NTSTATUS IoInitializeTimer(PDEVICE_OBJECT DeviceObject, PIO_TIMER_ROUTINE TimerRoutine,
                           PVOID Context);

/* The routine is called about one second later, and then every second. <= DISPATCH_LEVEL. */
VOID IoStartTimer(PDEVICE_OBJECT DeviceObject);

/* Not from within the routine. A call under way on another processor goes on. */
VOID IoStopTimer(PDEVICE_OBJECT DeviceObject);

#endif
