/*
 * I/O request packets: one request on its way down a stack of devices and back. An IRP has a stack
 * location for each device; the devices' headers look into both, so the layouts are the WDK's.
 * Contract: io.md, IRP handling.
 */
#ifndef METRONOME_IRP_H
#define METRONOME_IRP_H

#include "rtl.h"
#include "interlocked.h"
#include "iostack.h"
#include "apc.h"

/*
 * The request. Whoever has it (the driver that was called last) may touch it, but for the fields
 * of cancellation and those of the kernel's bookkeeping.
 */
typedef struct DECLSPEC_ALIGN(16) _IRP {
    CSHORT Type; /* IO_TYPE_IRP */
    USHORT Size; /* with the stack locations */
    struct _MDL *MdlAddress;
    ULONG Flags; /* IRP_... */
    union {
        struct _IRP *MasterIrp;
        volatile LONG IrpCount;
        PVOID SystemBuffer;
    } AssociatedIrp;
    LIST_ENTRY ThreadListEntry; /* in the requester's list; the thread's lock */
    IO_STATUS_BLOCK IoStatus;   /* set by who completes */
    KPROCESSOR_MODE RequestorMode;
    BOOLEAN PendingReturned; /* the driver below has marked it pending; set at completion */
    CHAR StackCount;
    CHAR CurrentLocation;    /* StackCount + 1: at nobody yet; the next one is one less */
    volatile BOOLEAN Cancel; /* set once by IoCancelIrp; the cancel spin lock */
    KIRQL CancelIrql;        /* to free the cancel spin lock with; its holder */
    CCHAR ApcEnvironment;
    UCHAR AllocationFlags;
    PIO_STATUS_BLOCK UserIosb;
    PKEVENT UserEvent;
    union {
        struct {
            union {
                PIO_APC_ROUTINE UserApcRoutine;
                PVOID IssuingProcess;
            };
            PVOID UserApcContext;
        } AsynchronousParameters;
        LARGE_INTEGER AllocationSize;
    } Overlay;
    volatile PDRIVER_CANCEL CancelRoutine; /* exchanged: who gets it completes the IRP */
    PVOID UserBuffer;
    union {
        struct {
            union {
                KDEVICE_QUEUE_ENTRY DeviceQueueEntry;
                PVOID DriverContext[4]; /* the driver's, while it has the IRP */
            };
            struct _KTHREAD *Thread; /* the requester */
            PCHAR AuxiliaryBuffer;
            LIST_ENTRY ListEntry; /* the driver's, while it has the IRP */
            union {
                struct _IO_STACK_LOCATION *CurrentStackLocation;
                ULONG PacketType;
            };
            struct _FILE_OBJECT *OriginalFileObject;
        } Overlay;
        KAPC Apc; /* not used here: no request ends by an APC */
        PVOID CompletionKey;
    } Tail;
} IRP, *PIRP;

ASSERT_SIZE(IRP, 0xD0);
ASSERT_OFFSET(IRP, MdlAddress, 0x8);
ASSERT_OFFSET(IRP, Flags, 0x10);
ASSERT_OFFSET(IRP, AssociatedIrp, 0x18);
ASSERT_OFFSET(IRP, ThreadListEntry, 0x20);
ASSERT_OFFSET(IRP, IoStatus, 0x30);
ASSERT_OFFSET(IRP, RequestorMode, 0x40);
ASSERT_OFFSET(IRP, PendingReturned, 0x41);
ASSERT_OFFSET(IRP, StackCount, 0x42);
ASSERT_OFFSET(IRP, CurrentLocation, 0x43);
ASSERT_OFFSET(IRP, Cancel, 0x44);
ASSERT_OFFSET(IRP, CancelIrql, 0x45);
ASSERT_OFFSET(IRP, UserIosb, 0x48);
ASSERT_OFFSET(IRP, UserEvent, 0x50);
ASSERT_OFFSET(IRP, Overlay, 0x58);
ASSERT_OFFSET(IRP, CancelRoutine, 0x68);
ASSERT_OFFSET(IRP, UserBuffer, 0x70);
ASSERT_OFFSET(IRP, Tail.Overlay.DeviceQueueEntry, 0x78);
ASSERT_OFFSET(IRP, Tail.Overlay.DriverContext, 0x78);
ASSERT_OFFSET(IRP, Tail.Apc, 0x78);
ASSERT_OFFSET(IRP, Tail.Overlay.Thread, 0x98);
ASSERT_OFFSET(IRP, Tail.Overlay.ListEntry, 0xA8);
ASSERT_OFFSET(IRP, Tail.Overlay.CurrentStackLocation, 0xB8);
ASSERT_OFFSET(IRP, Tail.Overlay.OriginalFileObject, 0xC0);

#define IO_TYPE_IRP 6

/* IRP.Flags */
#define IRP_NOCACHE             0x00000001
#define IRP_PAGING_IO           0x00000002
#define IRP_SYNCHRONOUS_API     0x00000004
#define IRP_ASSOCIATED_IRP      0x00000008
#define IRP_BUFFERED_IO         0x00000010
#define IRP_DEALLOCATE_BUFFER   0x00000020
#define IRP_INPUT_OPERATION     0x00000040
#define IRP_CREATE_OPERATION    0x00000080
#define IRP_READ_OPERATION      0x00000100
#define IRP_WRITE_OPERATION     0x00000200
#define IRP_CLOSE_OPERATION     0x00000400
#define IRP_DEFER_IO_COMPLETION 0x00000800

/* PriorityBoost of IoCompleteRequest, beside IO_NO_INCREMENT. */
#define IO_CD_ROM_INCREMENT   1
#define IO_DISK_INCREMENT     1
#define IO_PARALLEL_INCREMENT 1
#define IO_VIDEO_INCREMENT    1
#define IO_MAILSLOT_INCREMENT 2
#define IO_NETWORK_INCREMENT  2
#define IO_SERIAL_INCREMENT   2
#define IO_KEYBOARD_INCREMENT 6
#define IO_MOUSE_INCREMENT    6
#define IO_SOUND_INCREMENT    8

/* ---- making, sending and completing. IRQL: <= DISPATCH_LEVEL ---- */

PIRP IoAllocateIrp(CCHAR StackSize, BOOLEAN ChargeQuota);
VOID IoFreeIrp(PIRP Irp);
VOID IoReuseIrp(PIRP Irp, NTSTATUS Iostatus);
VOID IoInitializeIrp(PIRP Irp, USHORT PacketSize, CCHAR StackSize);

NTSTATUS IofCallDriver(PDEVICE_OBJECT DeviceObject, PIRP Irp);
VOID IofCompleteRequest(PIRP Irp, CCHAR PriorityBoost);
#define IoCallDriver(DeviceObject, Irp)       IofCallDriver((DeviceObject), (Irp))
#define IoCompleteRequest(Irp, PriorityBoost) IofCompleteRequest((Irp), (PriorityBoost))

/* The same as IoCallDriver, and nothing: power requests are no special case here. */
NTSTATUS PoCallDriver(PDEVICE_OBJECT DeviceObject, PIRP Irp);
VOID PoStartNextPowerIrp(PIRP Irp);

/* Sends a copy of the own location down and waits: FALSE if there is none left. PASSIVE_LEVEL. */
BOOLEAN IoForwardIrpSynchronously(PDEVICE_OBJECT DeviceObject, PIRP Irp);

NTSTATUS IoSetCompletionRoutineEx(PDEVICE_OBJECT DeviceObject, PIRP Irp,
                                  PIO_COMPLETION_ROUTINE CompletionRoutine, PVOID Context,
                                  BOOLEAN InvokeOnSuccess, BOOLEAN InvokeOnError,
                                  BOOLEAN InvokeOnCancel);

/* ---- requests that the kernel fills in. IRQL: <= APC_LEVEL ---- */

PIRP IoBuildAsynchronousFsdRequest(ULONG MajorFunction, PDEVICE_OBJECT DeviceObject, PVOID Buffer,
                                   ULONG Length, PLARGE_INTEGER StartingOffset,
                                   PIO_STATUS_BLOCK IoStatusBlock);
PIRP IoBuildSynchronousFsdRequest(ULONG MajorFunction, PDEVICE_OBJECT DeviceObject, PVOID Buffer,
                                  ULONG Length, PLARGE_INTEGER StartingOffset, PKEVENT Event,
                                  PIO_STATUS_BLOCK IoStatusBlock);
PIRP IoBuildDeviceIoControlRequest(ULONG IoControlCode, PDEVICE_OBJECT DeviceObject,
                                   PVOID InputBuffer, ULONG InputBufferLength, PVOID OutputBuffer,
                                   ULONG OutputBufferLength, BOOLEAN InternalDeviceIoControl,
                                   PKEVENT Event, PIO_STATUS_BLOCK IoStatusBlock);

/* ---- stack locations: inline, as in every WDM driver. IRQL: any ---- */

FORCEINLINE PIO_STACK_LOCATION IoGetCurrentIrpStackLocation(PIRP Irp)
{
    return Irp->Tail.Overlay.CurrentStackLocation;
}

FORCEINLINE PIO_STACK_LOCATION IoGetNextIrpStackLocation(PIRP Irp)
{
    return Irp->Tail.Overlay.CurrentStackLocation - 1;
}

/* For the maker of an IRP who wants a location of its own. */
FORCEINLINE VOID IoSetNextIrpStackLocation(PIRP Irp)
{
    Irp->CurrentLocation--;
    Irp->Tail.Overlay.CurrentStackLocation--;
}

/* The next driver gets this driver's location: nothing may be set in it. T-IoSkip-1 */
FORCEINLINE VOID IoSkipCurrentIrpStackLocation(PIRP Irp)
{
    Irp->CurrentLocation++;
    Irp->Tail.Overlay.CurrentStackLocation++;
}

/* The next driver gets a copy, without completion routine and control bits. T-IoCopy-1 */
FORCEINLINE VOID IoCopyCurrentIrpStackLocationToNext(PIRP Irp)
{
    PIO_STACK_LOCATION next = IoGetNextIrpStackLocation(Irp);

    RtlCopyMemory(next, IoGetCurrentIrpStackLocation(Irp),
                  FIELD_OFFSET(IO_STACK_LOCATION, CompletionRoutine));
    next->Control = 0;
}

/* Before the IRP is queued: STATUS_PENDING has to be returned from now on. T-IoMarkIrpPending-1 */
FORCEINLINE VOID IoMarkIrpPending(PIRP Irp)
{
    IoGetCurrentIrpStackLocation(Irp)->Control |= SL_PENDING_RETURNED;
}

/* The routine lies in the next driver's location: it is called when that is left upwards. */
FORCEINLINE VOID IoSetCompletionRoutine(PIRP Irp, PIO_COMPLETION_ROUTINE CompletionRoutine,
                                        PVOID Context, BOOLEAN InvokeOnSuccess,
                                        BOOLEAN InvokeOnError, BOOLEAN InvokeOnCancel)
{
    PIO_STACK_LOCATION next = IoGetNextIrpStackLocation(Irp);

    next->CompletionRoutine = CompletionRoutine;
    next->Context = Context;
    next->Control = (UCHAR)((InvokeOnSuccess ? SL_INVOKE_ON_SUCCESS : 0) |
                            (InvokeOnError ? SL_INVOKE_ON_ERROR : 0) |
                            (InvokeOnCancel ? SL_INVOKE_ON_CANCEL : 0));
}

/* Bytes of an IRP with so many locations. */
#define IoSizeOfIrp(StackSize) ((USHORT)(sizeof(IRP) + (StackSize) * sizeof(IO_STACK_LOCATION)))

#endif
