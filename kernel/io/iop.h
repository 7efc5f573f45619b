/* What the files of kernel/io show each other. */
#ifndef METRONOME_IOP_H
#define METRONOME_IOP_H

#include "ke.h"
#include "ex.h"
#include "io.h"
#include "ob.h"

#define TAG_DEVICE ((ULONG)'iveD')
#define TAG_DRIVER ((ULONG)'virD')
#define TAG_TIMER  ((ULONG)'iTIo')

#define IO_TYPE_DEVICE           3
#define IO_TYPE_DRIVER           4
#define IO_TYPE_TIMER            9
#define IO_TYPE_DEVICE_EXTENSION 13

/* The kernel's part of a device object, behind the driver's extension. All: IopDeviceLock. */
typedef struct _DEVOBJ_EXTENSION {
    CSHORT Type;
    USHORT Size;
    PDEVICE_OBJECT DeviceObject;
    PDEVICE_OBJECT AttachedTo; /* the one below in the device stack */
    SIZE_T ExtensionSize;      /* of the driver's extension, in bytes */
    ULONG Vector;              /* the vector of the device's interrupt line; 0: it has none */
    BOOLEAN DeletePending;     /* IoDeleteDevice has been called */
} DEVOBJ_EXTENSION;

/*
 * The devices' lists, stacks and reference counts. DISPATCH_LEVEL; no other lock is taken under
 * it.
 */
extern KSPIN_LOCK IopDeviceLock;

/* kernel/io/device.c */
BOOLEAN IopUnlinkIfUnused(PDEVICE_OBJECT DeviceObject);
VOID IopFreeDevice(PDEVICE_OBJECT DeviceObject);

/* A driver in the list. State, Visitors: DriversLock; the rest: who loads or unloads it. */
typedef enum _DRIVER_STATE { DriverLoading, DriverLoaded, DriverUnloading } DRIVER_STATE;

typedef struct _LOADED_DRIVER {
    LIST_ENTRY Links;
    DRIVER_STATE State;
    ULONG Visitors; /* keep it from being unloaded */
    const BUILT_IN_DRIVER *Image;
    PDEVICE_OBJECT PhysicalDevice; /* that AddDevice was called with, or NULL */
    DRIVER_OBJECT Object;
    DRIVER_EXTENSION Extension;
    WCHAR Name[64];
} LOADED_DRIVER, *PLOADED_DRIVER;

/* kernel/io/driver.c */
BOOLEAN IopMakeName(PUNICODE_STRING Result, PWSTR Buffer, SIZE_T Characters, PCSTR Prefix,
                    PCSTR Name);
PLOADED_DRIVER IopMakeDriver(const BUILT_IN_DRIVER *Image);
BOOLEAN IopInsertDriver(PLOADED_DRIVER Driver);
VOID IopDriverIsLoaded(PLOADED_DRIVER Driver);
NTSTATUS IopClaimForUnload(PCSTR Name, PLOADED_DRIVER *Driver);
VOID IopFreeDriver(PLOADED_DRIVER Driver);

/*
 * The driver that owns the physical device objects: makes one for a driver, with the line that the
 * platform gives to a driver of this name. kernel/io/pnp.c
 */
VOID IopInitializePnp(VOID);
NTSTATUS IopCreatePhysicalDevice(PCSTR DriverName, PDEVICE_OBJECT *PhysicalDevice);

/*
 * Looks for what a driver has left behind: bug check, or devices, which are deleted.
 * kernel/io/leftover.c
 */
NTSTATUS IopCheckLeftovers(PDRIVER_OBJECT DriverObject, PCSTR Name);

/* kernel/io/workitem.c */
VOID IopWaitForWorkItems(PDRIVER_OBJECT DriverObject);

#endif
