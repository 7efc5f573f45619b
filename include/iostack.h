/*
 * Stack locations: what each driver of a device stack is asked to do with a request, and the types
 * of the routines that deal with requests. Contract: io.md, IRP handling.
 */
#ifndef METRONOME_IOSTACK_H
#define METRONOME_IOSTACK_H

#include "ntdef.h"
#include "ntstatus.h"
#include "device.h"
#include "irpcodes.h"

struct _MDL;
struct _FILE_OBJECT;
struct _KTHREAD;
struct _CM_RESOURCE_LIST;
struct _DEVICE_CAPABILITIES;

/* How a request has ended: what the requester sees. */
typedef struct _IO_STATUS_BLOCK {
    union {
        NTSTATUS Status;
        PVOID Pointer;
    };
    ULONG_PTR Information; /* of a transfer: bytes moved */
} IO_STATUS_BLOCK, *PIO_STATUS_BLOCK;

typedef VOID IO_APC_ROUTINE(PVOID ApcContext, PIO_STATUS_BLOCK IoStatusBlock, ULONG Reserved);
typedef IO_APC_ROUTINE *PIO_APC_ROUTINE;

/*
 * IRQL: <= DISPATCH_LEVEL, that of the completer. Returns STATUS_MORE_PROCESSING_REQUIRED to keep
 * the IRP, anything else (STATUS_CONTINUE_COMPLETION) to let it go on. DeviceObject is that of
 * the driver that set the routine; NULL if it has no location of its own.
 * T-IoCompleteRequest-1..3
 */
typedef NTSTATUS IO_COMPLETION_ROUTINE(PDEVICE_OBJECT DeviceObject, struct _IRP *Irp,
                                       PVOID Context);
typedef IO_COMPLETION_ROUTINE *PIO_COMPLETION_ROUTINE;

/* IRQL: DISPATCH_LEVEL, with the cancel spin lock, which it frees. T-DRIVER_CANCEL-1..2 */
typedef VOID DRIVER_CANCEL(PDEVICE_OBJECT DeviceObject, struct _IRP *Irp);
typedef DRIVER_CANCEL *PDRIVER_CANCEL;

/* Who opens a device, and what for. */
typedef struct _IO_SECURITY_CONTEXT {
    PVOID SecurityQos;
    PVOID AccessState;
    ACCESS_MASK DesiredAccess;
    ULONG FullCreateOptions;
} IO_SECURITY_CONTEXT, *PIO_SECURITY_CONTEXT;

ASSERT_SIZE(IO_SECURITY_CONTEXT, 0x18);
ASSERT_OFFSET(IO_SECURITY_CONTEXT, DesiredAccess, 0x10);

typedef enum _DEVICE_RELATION_TYPE {
    BusRelations,
    EjectionRelations,
    PowerRelations,
    RemovalRelations,
    TargetDeviceRelation
} DEVICE_RELATION_TYPE;

typedef enum _BUS_QUERY_ID_TYPE {
    BusQueryDeviceID,
    BusQueryHardwareIDs,
    BusQueryCompatibleIDs,
    BusQueryInstanceID,
    BusQueryDeviceSerialNumber
} BUS_QUERY_ID_TYPE;

/* What one driver is asked to do. Belongs to the driver that the request is at. */
typedef struct _IO_STACK_LOCATION {
    UCHAR MajorFunction;
    UCHAR MinorFunction;
    UCHAR Flags;
    UCHAR Control; /* SL_PENDING_RETURNED, SL_INVOKE_ON_... */
    union {
        struct {
            PIO_SECURITY_CONTEXT SecurityContext;
            ULONG Options; /* disposition in the high byte, options below */
            USHORT FileAttributes DECLSPEC_ALIGN(8);
            USHORT ShareAccess;
            ULONG EaLength DECLSPEC_ALIGN(8);
        } Create;
        struct {
            ULONG Length;
            ULONG Key DECLSPEC_ALIGN(8);
            ULONG Flags;
            LARGE_INTEGER ByteOffset;
        } Read;
        struct {
            ULONG Length;
            ULONG Key DECLSPEC_ALIGN(8);
            ULONG Flags;
            LARGE_INTEGER ByteOffset;
        } Write;
        struct {
            ULONG OutputBufferLength;
            ULONG InputBufferLength DECLSPEC_ALIGN(8);
            ULONG IoControlCode DECLSPEC_ALIGN(8);
            PVOID Type3InputBuffer;
        } DeviceIoControl;
        struct {
            DEVICE_RELATION_TYPE Type;
        } QueryDeviceRelations;
        struct {
            struct _DEVICE_CAPABILITIES *Capabilities;
        } DeviceCapabilities;
        struct {
            ULONG WhichSpace;
            PVOID Buffer;
            ULONG Offset;
            ULONG Length DECLSPEC_ALIGN(8);
        } ReadWriteConfig;
        struct {
            BUS_QUERY_ID_TYPE IdType;
        } QueryId;
        struct {
            struct _CM_RESOURCE_LIST *AllocatedResources;
            struct _CM_RESOURCE_LIST *AllocatedResourcesTranslated;
        } StartDevice;
        struct {
            PVOID Argument1;
            PVOID Argument2;
            PVOID Argument3;
            PVOID Argument4;
        } Others;
    } Parameters;
    PDEVICE_OBJECT DeviceObject; /* set by IoCallDriver */
    struct _FILE_OBJECT *FileObject;
    PIO_COMPLETION_ROUTINE CompletionRoutine; /* of the driver above this location's */
    PVOID Context;
} IO_STACK_LOCATION, *PIO_STACK_LOCATION;

ASSERT_SIZE(IO_STACK_LOCATION, 0x48);
ASSERT_OFFSET(IO_STACK_LOCATION, Control, 0x3);
ASSERT_OFFSET(IO_STACK_LOCATION, Parameters, 0x8);
ASSERT_OFFSET(IO_STACK_LOCATION, Parameters.Create.FileAttributes, 0x18);
ASSERT_OFFSET(IO_STACK_LOCATION, Parameters.Create.ShareAccess, 0x1A);
ASSERT_OFFSET(IO_STACK_LOCATION, Parameters.Create.EaLength, 0x20);
ASSERT_OFFSET(IO_STACK_LOCATION, Parameters.Read.Key, 0x10);
ASSERT_OFFSET(IO_STACK_LOCATION, Parameters.Read.ByteOffset, 0x18);
ASSERT_OFFSET(IO_STACK_LOCATION, Parameters.Write.ByteOffset, 0x18);
ASSERT_OFFSET(IO_STACK_LOCATION, Parameters.DeviceIoControl.InputBufferLength, 0x10);
ASSERT_OFFSET(IO_STACK_LOCATION, Parameters.DeviceIoControl.IoControlCode, 0x18);
ASSERT_OFFSET(IO_STACK_LOCATION, Parameters.DeviceIoControl.Type3InputBuffer, 0x20);
ASSERT_OFFSET(IO_STACK_LOCATION, Parameters.ReadWriteConfig.Length, 0x20);
ASSERT_OFFSET(IO_STACK_LOCATION, Parameters.StartDevice.AllocatedResourcesTranslated, 0x10);
ASSERT_OFFSET(IO_STACK_LOCATION, DeviceObject, 0x28);
ASSERT_OFFSET(IO_STACK_LOCATION, FileObject, 0x30);
ASSERT_OFFSET(IO_STACK_LOCATION, CompletionRoutine, 0x38);
ASSERT_OFFSET(IO_STACK_LOCATION, Context, 0x40);

/* IO_STACK_LOCATION.Control */
#define SL_PENDING_RETURNED  0x01
#define SL_ERROR_RETURNED    0x02
#define SL_INVOKE_ON_CANCEL  0x20
#define SL_INVOKE_ON_SUCCESS 0x40
#define SL_INVOKE_ON_ERROR   0x80

#endif
