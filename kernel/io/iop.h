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

struct _PCI_FUNCTION;

/*
 * The messages that a physical device may interrupt with: vectors FirstVector, FirstVector + 1...
 * Constant from the start of the device to its removal; Connection: who starts and stops it.
 */
#define MAXIMUM_MESSAGES 16
typedef struct _DEVICE_MESSAGES {
    struct _PCI_FUNCTION *Function;
    ULONG Count;
    UCHAR FirstVector;
    struct _MESSAGE_CONNECTION *Connection; /* NULL: not connected */
} DEVICE_MESSAGES, *PDEVICE_MESSAGES;

/*
 * The kernel's part of a device object, behind the driver's extension. IopDeviceLock, but for the
 * fields of StartIo.
 */
typedef struct _DEVOBJ_EXTENSION {
    CSHORT Type;
    USHORT Size;
    PDEVICE_OBJECT DeviceObject;
    PDEVICE_OBJECT AttachedTo; /* the one below in the device stack */
    SIZE_T ExtensionSize;      /* of the driver's extension, in bytes */
    ULONG Vector;              /* the vector of the device's interrupt line; 0: it has none */
    ULONG OpenCount;           /* file objects */
    PDEVICE_MESSAGES Messages; /* of a physical device; NULL: none */
    BOOLEAN DeletePending;     /* IoDeleteDevice has been called */
    BOOLEAN UnloadPending;     /* its driver is being unloaded: nobody opens it any more */

    /* Of StartIo; kernel/io/startio.c says who may touch them, and when. */
    BOOLEAN DeferStartIo, NonCancelable;
    BOOLEAN NextIsCancelable;
    ULONG NextKey;
    volatile LONG StartIoState;
} DEVOBJ_EXTENSION, *PDEVOBJ_EXTENSION;

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
    const DRIVER_IMAGE *Image;
    DRIVER_OBJECT Object;
    DRIVER_EXTENSION Extension;
    WCHAR Name[64];
} LOADED_DRIVER, *PLOADED_DRIVER;

/* kernel/io/driver.c */
BOOLEAN IopMakeName(PUNICODE_STRING Result, PWSTR Buffer, SIZE_T Characters, PCSTR Prefix,
                    PCSTR Name);
PLOADED_DRIVER IopMakeDriver(const DRIVER_IMAGE *Image);
BOOLEAN IopInsertDriver(PLOADED_DRIVER Driver);
VOID IopDriverIsLoaded(PLOADED_DRIVER Driver);
NTSTATUS IopClaimForUnload(PCSTR Name, PLOADED_DRIVER *Driver);
VOID IopCancelUnload(PLOADED_DRIVER Driver);
VOID IopFreeDriver(PLOADED_DRIVER Driver);

/* A routine of a driver has to come back at PASSIVE_LEVEL. kernel/io/load.c */
VOID IopCheckReturn(PVOID Routine);

/* ---- plug and play; kernel/pnp.h has the types ---- */

struct _PNP_NODE;

/* kernel/io/pnpbus.c: the driver of the physical device objects */
extern DRIVER_OBJECT IopPnpDriver;
VOID IopInitializePnpDriver(VOID);

/* kernel/io/pnpnode.c */
VOID IopInitializePnp(VOID);
NTSTATUS IopMakeNode(const struct _PNP_NODE *Description, struct _PNP_NODE **Node);
VOID IopInsertNode(struct _PNP_NODE *Node);
VOID IopDeleteNode(struct _PNP_NODE *Node);

/* kernel/io/pnpresource.c */
BOOLEAN IopMakeResourceLists(const struct _PNP_NODE *Node, PCM_RESOURCE_LIST *Raw,
                             PCM_RESOURCE_LIST *Translated);
VOID IopFreeResourceLists(PCM_RESOURCE_LIST Raw, PCM_RESOURCE_LIST Translated);

/* kernel/io/pnprequest.c: the lists are for IRP_MN_START_DEVICE */
NTSTATUS IopSendPnpRequest(PDEVICE_OBJECT PhysicalDevice, UCHAR MinorFunction,
                           PCM_RESOURCE_LIST Raw, PCM_RESOURCE_LIST Translated);

/* kernel/io/pnp.c: a driver gets its devices, gives them up if it agrees, and is forgotten */
NTSTATUS IopAddDevices(PLOADED_DRIVER Driver);
NTSTATUS IopRemoveDevices(PLOADED_DRIVER Driver);
VOID IopForgetDriver(PLOADED_DRIVER Driver);

/* Messages of a device: vectors, connections. PASSIVE_LEVEL. kernel/io/message.c */
NTSTATUS IopAssignMessages(PDEVICE_OBJECT PhysicalDevice, struct _PCI_FUNCTION *Function,
                           ULONG Limit);
VOID IopReleaseMessages(PDEVICE_OBJECT PhysicalDevice);
NTSTATUS IopConnectMessages(PDEVICE_MESSAGES Messages,
                            const IO_CONNECT_INTERRUPT_MESSAGE_BASED_PARAMETERS *Parameters);
VOID IopDisconnectMessages(PIO_INTERRUPT_MESSAGE_INFO Table);
VOID IopSetMessagesActive(PIO_INTERRUPT_MESSAGE_INFO Table, BOOLEAN Active); /* <= DISPATCH */
VOID IopCheckMessages(PDEVICE_OBJECT PhysicalDevice);

/*
 * Looks for what a driver has left behind: bug check, or devices, which are deleted.
 * kernel/io/leftover.c
 */
NTSTATUS IopCheckLeftovers(PDRIVER_OBJECT DriverObject, PCSTR Name);

/* kernel/io/workitem.c */
VOID IopWaitForWorkItems(PDRIVER_OBJECT DriverObject);

/* ---- requests ---- */

/*
 * What the kernel remembers of an IRP that it has allocated. Stands behind the stack locations;
 * IRP.AllocationFlags says that it is there.
 */
typedef struct _IRP_RECORD {
    LIST_ENTRY Links;          /* of all these IRPs; IopIrpLock */
    PIRP Irp;                  /* constant */
    volatile LONG References;  /* one until it is freed, and one for each who looks at it; the last
                                * one frees the memory */
    volatile LONG Completions; /* calls of IoCompleteRequest that have begun */
    PDRIVER_OBJECT Driver;     /* called last, and has not completed it; or NULL */
    ULONG64 Since;             /* interrupt time of that call, from the time page */
    PVOID Maker;               /* the code that has asked for it */
    ULONG BufferLength;        /* of the requester's buffer that is copied to at the end */
    struct _FILE_OBJECT *File; /* that it was sent through, referenced; or NULL */
    PKEVENT Event;             /* from a handle, referenced; or NULL */
} IRP_RECORD, *PIRP_RECORD;

#define IRP_HAS_RECORD 0x80 /* IRP.AllocationFlags */

/* The list of all IRPs and the lists of the threads' IRPs. DISPATCH_LEVEL. */
extern KSPIN_LOCK IopIrpLock;
extern LIST_ENTRY IopIrpList;

/* kernel/io/irp.c */
PIRP IopAllocateIrp(CCHAR StackSize, PVOID Maker);
PIRP_RECORD IopRecordOf(PIRP Irp);
VOID IopReferenceRecord(PIRP_RECORD Record);
VOID IopDereferenceRecord(PIRP_RECORD Record);

/* Completes with STATUS_INVALID_DEVICE_REQUEST: a driver's entry that it has not set. */
DRIVER_DISPATCH IopInvalidDeviceRequest;

/* The end of a request's way: what the requester is told. kernel/io/irpfinish.c */
VOID IopFinishRequest(PIRP Irp, CCHAR PriorityBoost);
VOID IopFreeBuffers(PIRP Irp);

/* How a device is opened: the parameters of ZwCreateFile. */
typedef struct _IOP_OPEN {
    ACCESS_MASK DesiredAccess;
    ULONG FileAttributes, ShareAccess, Disposition, Options;
} IOP_OPEN;

/* kernel/io/file.c */
NTSTATUS IopOpenFile(PCUNICODE_STRING Name, const IOP_OPEN *Open, PFILE_OBJECT *File);

/* kernel/io/irpbuffer.c */
NTSTATUS IopAttachTransferBuffer(PIRP Irp, PDEVICE_OBJECT DeviceObject, BOOLEAN Write, PVOID Buffer,
                                 ULONG Length);
NTSTATUS IopAttachControlBuffers(PIRP Irp, PIO_STACK_LOCATION Location, ULONG IoControlCode,
                                 PVOID InputBuffer, ULONG InputLength, PVOID OutputBuffer,
                                 ULONG OutputLength);

/* kernel/io/irplist.c */
PVOID IopFindRequestOf(PDRIVER_OBJECT DriverObject);

/* kernel/io/irpthread.c */
VOID IopQueueRequestToThread(PIRP Irp);
VOID IopForgetRequest(PIRP Irp);
VOID IopCancelRequests(PKTHREAD Thread, PVOID FileObject);

/* kernel/io/cancel.c */
BOOLEAN IopCancelLockedIrp(PIRP Irp, KIRQL Irql);

#endif
