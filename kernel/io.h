/* What kernel/io shows to the rest of the kernel: loading drivers, and lists for the monitor. */
#ifndef METRONOME_IO_H
#define METRONOME_IO_H

#include "ntddk.h"

/* A driver's code: linked into the kernel's image, or loaded from a file (ldr.h). */
typedef struct _DRIVER_IMAGE {
    PCSTR Name;
    PDRIVER_INITIALIZE DriverEntry;
    PVOID TextStart, TextEnd;
} DRIVER_IMAGE;
extern const DRIVER_IMAGE IopBuiltInDrivers[]; /* made by the build; a NULL name ends it */

VOID IopInitialize(VOID);

/*
 * Loads a driver by name, from a file if there is one, else what is linked into the image:
 * DriverEntry, then AddDevice with a new physical device object if the driver has one.
 * STATUS_OBJECT_NAME_NOT_FOUND, STATUS_IMAGE_ALREADY_LOADED, or what the driver says; after a
 * failure the kernel is as before. IRQL: PASSIVE_LEVEL.
 */
NTSTATUS IopLoadDriver(PCSTR Name);

/* The same for a driver that stands in no table. Image stays valid until it is unloaded. */
NTSTATUS IopLoadImage(const DRIVER_IMAGE *Image);

/*
 * STATUS_INVALID_DEVICE_REQUEST if it has no Unload, STATUS_DEVICE_BUSY if it is in use,
 * STATUS_UNSUCCESSFUL if it is gone but has left devices behind. IRQL: PASSIVE_LEVEL.
 */
NTSTATUS IopUnloadDriver(PCSTR Name);

/* Why the driver's file was not loaded: the end of a sentence; NULL if there is nothing to say. */
PCSTR IopWhyNotLoaded(PCSTR Name);

/* The driver whose code contains Address, or NULL. Any IRQL, no lock. */
const DRIVER_IMAGE *IopFindDriverByAddress(const VOID *Address);

/* For the monitor: loaded drivers, which stay loaded meanwhile. <= APC_LEVEL. */
typedef VOID IOP_DRIVER_VISITOR(PDRIVER_OBJECT DriverObject, PVOID Context);
VOID IopVisitDrivers(IOP_DRIVER_VISITOR *Visit, PVOID Context);

/*
 * The device vector of the line of a physical device object, 0 for none: what a line-based
 * connection connects. IRQL: PASSIVE_LEVEL.
 */
VOID IopSetDeviceVector(PDEVICE_OBJECT PhysicalDevice, ULONG Vector);
ULONG IopGetDeviceVector(PDEVICE_OBJECT PhysicalDevice);

/*
 * Keeps a device's memory from going; FALSE if the device is being deleted. <= DISPATCH_LEVEL.
 */
BOOLEAN IopReferenceDevice(PDEVICE_OBJECT DeviceObject);
VOID IopDereferenceDevice(PDEVICE_OBJECT DeviceObject);

/*
 * One open more of a device that has a name, and one less. Opening says STATUS_NO_SUCH_DEVICE of a
 * device that is not ready or about to go, STATUS_ACCESS_DENIED of an exclusive one that is open.
 * <= DISPATCH_LEVEL.
 */
NTSTATUS IopOpenDevice(PDEVICE_OBJECT DeviceObject);
VOID IopCloseDevice(PDEVICE_OBJECT DeviceObject);

/* A request under way, for the monitor: a copy, to be read and not followed. */
typedef struct _IOP_REQUEST_INFORMATION {
    PIRP Irp;
    PKTHREAD Thread;       /* that waits for it or will; NULL: a driver's own */
    PDRIVER_OBJECT Driver; /* that has it; NULL: not known */
    PDEVICE_OBJECT DeviceObject;
    PVOID Maker;   /* the code that has asked for it; NULL: the kernel, for a handle's user */
    ULONG64 Since; /* interrupt time of the last IoCallDriver */
    UCHAR MajorFunction;
    CHAR Location, StackCount;
    BOOLEAN Sent, Cancel, Cancellable;
} IOP_REQUEST_INFORMATION;

/* Copies the first Limit requests; returns how many there are. <= DISPATCH_LEVEL. */
ULONG IopCopyRequests(IOP_REQUEST_INFORMATION *Copies, ULONG Limit);

/* A thread ends: cancels its requests and waits until they are completed. PASSIVE_LEVEL. */
VOID IopCancelRequestsOfThread(PKTHREAD Thread);

/* How long it waits before that is an error, in milliseconds. */
extern ULONG64 IopCancelPatience;

/* Stops the device's timer for good and waits for a call under way. IoDeleteDevice. */
VOID IopDeleteTimer(PDEVICE_OBJECT DeviceObject);

#endif
