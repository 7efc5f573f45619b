/*
 * StartIo: the kernel serves a driver that can do one request at a time. The requests wait in the
 * device's queue; the driver's StartIo routine is called with one after the other.
 * Contract: io.md, StartIo and the system device queue.
 */
#ifndef METRONOME_STARTIO_H
#define METRONOME_STARTIO_H

#include "cancel.h"

/*
 * From the dispatch routine, which has marked Irp pending. Key NULL: first come, first served.
 * CancelFunction may be NULL. IRQL: <= DISPATCH_LEVEL. T-IoStartPacket-1..4
 */
VOID IoStartPacket(PDEVICE_OBJECT DeviceObject, PIRP Irp, PULONG Key,
                   PDRIVER_CANCEL CancelFunction);

/*
 * The device has finished the current request: the next one. Cancelable: IoStartPacket is given a
 * cancel routine. IRQL: DISPATCH_LEVEL; ByKey <= DISPATCH_LEVEL.
 */
VOID IoStartNextPacket(PDEVICE_OBJECT DeviceObject, BOOLEAN Cancelable);
VOID IoStartNextPacketByKey(PDEVICE_OBJECT DeviceObject, BOOLEAN Cancelable, ULONG Key);

/*
 * DeferredStartIo: StartIo is not entered before it has returned from the call before.
 * NonCancelable: a request that reaches StartIo can no longer be cancelled. IRQL: any.
 */
VOID IoSetStartIoAttributes(PDEVICE_OBJECT DeviceObject, BOOLEAN DeferredStartIo,
                            BOOLEAN NonCancelable);

#endif
