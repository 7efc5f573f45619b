/*
 * The driver bell: a clock that rings, and reads that wait for it. It is written step by step in
 * docs/book/10-writing-a-driver.md. A read of four bytes ends at the next ring with the number of
 * rings so far.
 */
#include <ntddk.h>

/* In: a ULONG, the milliseconds between two rings; 0 stops the bell. */
#define IOCTL_BELL_SET CTL_CODE(FILE_DEVICE_UNKNOWN, 0x800, METHOD_BUFFERED, FILE_ANY_ACCESS)

/* The device extension. */
typedef struct _BELL {
    KTIMER Timer;
    KDPC Dpc;            /* rings */
    volatile LONG Rings; /* so far */
    IO_CSQ Readers;
    KSPIN_LOCK Lock;    /* Waiting */
    LIST_ENTRY Waiting; /* reads */
} BELL, *PBELL;

static UNICODE_STRING DeviceName = RTL_CONSTANT_STRING(L"\\Device\\Bell");
static UNICODE_STRING LinkName = RTL_CONSTANT_STRING(L"\\DosDevices\\Bell");

static NTSTATUS Complete(PIRP Irp, NTSTATUS Status, ULONG_PTR Information)
{
    Irp->IoStatus.Status = Status;
    Irp->IoStatus.Information = Information;
    IoCompleteRequest(Irp, IO_NO_INCREMENT);
    return Status;
}

/* ---- the reads that wait: <= DISPATCH_LEVEL ---- */

static VOID AcquireLock(PIO_CSQ Csq, PKIRQL Irql)
{
    KeAcquireSpinLock(&CONTAINING_RECORD(Csq, BELL, Readers)->Lock, Irql);
}

static VOID ReleaseLock(PIO_CSQ Csq, KIRQL Irql)
{
    KeReleaseSpinLock(&CONTAINING_RECORD(Csq, BELL, Readers)->Lock, Irql);
}

static VOID InsertRead(PIO_CSQ Csq, PIRP Irp)
{
    InsertTailList(&CONTAINING_RECORD(Csq, BELL, Readers)->Waiting, &Irp->Tail.Overlay.ListEntry);
}

static VOID RemoveRead(PIO_CSQ Csq, PIRP Irp)
{
    UNREFERENCED_PARAMETER(Csq);
    RemoveEntryList(&Irp->Tail.Overlay.ListEntry);
}

/* The first read behind Irp that is of the file PeekContext; NULL: of any. */
static PIRP PeekRead(PIO_CSQ Csq, PIRP Irp, PVOID PeekContext)
{
    PLIST_ENTRY head = &CONTAINING_RECORD(Csq, BELL, Readers)->Waiting;
    PLIST_ENTRY entry = Irp ? Irp->Tail.Overlay.ListEntry.Flink : head->Flink;

    for (; entry != head; entry = entry->Flink) {
        PIRP irp = CONTAINING_RECORD(entry, IRP, Tail.Overlay.ListEntry);

        if (!PeekContext || IoGetCurrentIrpStackLocation(irp)->FileObject == PeekContext)
            return irp;
    }
    return NULL;
}

static VOID CompleteCanceledRead(PIO_CSQ Csq, PIRP Irp)
{
    UNREFERENCED_PARAMETER(Csq);
    Complete(Irp, STATUS_CANCELLED, 0);
}

/* CustomTimerDpc: the bell rings, and all who wait for it are told. DISPATCH_LEVEL. */
static KDEFERRED_ROUTINE Ring;
static VOID Ring(PKDPC Dpc, PVOID Context, PVOID Argument1, PVOID Argument2)
{
    PBELL bell = Context;
    ULONG rings = (ULONG)InterlockedIncrement(&bell->Rings);
    PIRP irp;

    UNREFERENCED_PARAMETER(Dpc);
    UNREFERENCED_PARAMETER(Argument1);
    UNREFERENCED_PARAMETER(Argument2);
    while ((irp = IoCsqRemoveNextIrp(&bell->Readers, NULL)) != NULL) {
        *(PULONG)irp->AssociatedIrp.SystemBuffer = rings;
        Complete(irp, STATUS_SUCCESS, sizeof(ULONG));
    }
}

/* ---- dispatch routines: PASSIVE_LEVEL ---- */

static DRIVER_DISPATCH CreateClose, Cleanup, Read, DeviceControl;

static NTSTATUS CreateClose(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    UNREFERENCED_PARAMETER(DeviceObject);
    return Complete(Irp, STATUS_SUCCESS, 0);
}

/* The last handle of a file is closed: its reads end. */
static NTSTATUS Cleanup(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    PBELL bell = DeviceObject->DeviceExtension;
    PFILE_OBJECT file = IoGetCurrentIrpStackLocation(Irp)->FileObject;
    PIRP read;

    while ((read = IoCsqRemoveNextIrp(&bell->Readers, file)) != NULL)
        Complete(read, STATUS_CANCELLED, 0);
    return Complete(Irp, STATUS_SUCCESS, 0);
}

static NTSTATUS Read(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    PBELL bell = DeviceObject->DeviceExtension;

    if (IoGetCurrentIrpStackLocation(Irp)->Parameters.Read.Length < sizeof(ULONG))
        return Complete(Irp, STATUS_BUFFER_TOO_SMALL, 0);
    IoCsqInsertIrp(&bell->Readers, Irp, NULL);
    return STATUS_PENDING;
}

static VOID SetBell(PBELL Bell, ULONG Milliseconds)
{
    LARGE_INTEGER due = {.QuadPart = -10000LL * Milliseconds};

    if (Milliseconds)
        KeSetTimerEx(&Bell->Timer, due, (LONG)Milliseconds, &Bell->Dpc);
    else
        KeCancelTimer(&Bell->Timer);
}

static NTSTATUS DeviceControl(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    PIO_STACK_LOCATION location = IoGetCurrentIrpStackLocation(Irp);
    PULONG milliseconds = Irp->AssociatedIrp.SystemBuffer;

    if (location->Parameters.DeviceIoControl.IoControlCode != IOCTL_BELL_SET)
        return Complete(Irp, STATUS_INVALID_DEVICE_REQUEST, 0);
    if (location->Parameters.DeviceIoControl.InputBufferLength < sizeof(ULONG))
        return Complete(Irp, STATUS_BUFFER_TOO_SMALL, 0);
    if (*milliseconds > MAXLONG)
        return Complete(Irp, STATUS_INVALID_PARAMETER, 0);
    SetBell(DeviceObject->DeviceExtension, *milliseconds);
    return Complete(Irp, STATUS_SUCCESS, 0);
}

/* ---- beginning and end: PASSIVE_LEVEL ---- */

/* No file is open any more, so no read waits. The bell may still ring. */
static DRIVER_UNLOAD Unload;
static VOID Unload(PDRIVER_OBJECT DriverObject)
{
    PBELL bell = DriverObject->DeviceObject->DeviceExtension;

    KeCancelTimer(&bell->Timer);
    KeFlushQueuedDpcs();
    IoDeleteSymbolicLink(&LinkName);
    IoDeleteDevice(DriverObject->DeviceObject);
}

static VOID InitializeBell(PBELL Bell)
{
    KeInitializeTimerEx(&Bell->Timer, NotificationTimer);
    KeInitializeDpc(&Bell->Dpc, Ring, Bell);
    KeInitializeSpinLock(&Bell->Lock);
    InitializeListHead(&Bell->Waiting);
    IoCsqInitialize(&Bell->Readers, InsertRead, RemoveRead, PeekRead, AcquireLock, ReleaseLock,
                    CompleteCanceledRead);
}

DRIVER_INITIALIZE DriverEntry;
NTSTATUS DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    PDEVICE_OBJECT device;
    NTSTATUS status;

    UNREFERENCED_PARAMETER(RegistryPath);
    status = IoCreateDevice(DriverObject, sizeof(BELL), &DeviceName, FILE_DEVICE_UNKNOWN, 0, FALSE,
                            &device);
    if (!NT_SUCCESS(status))
        return status;
    device->Flags |= DO_BUFFERED_IO;
    InitializeBell(device->DeviceExtension);
    status = IoCreateSymbolicLink(&LinkName, &DeviceName);
    if (!NT_SUCCESS(status)) {
        IoDeleteDevice(device);
        return status;
    }
    DriverObject->MajorFunction[IRP_MJ_CREATE] = CreateClose;
    DriverObject->MajorFunction[IRP_MJ_CLOSE] = CreateClose;
    DriverObject->MajorFunction[IRP_MJ_CLEANUP] = Cleanup;
    DriverObject->MajorFunction[IRP_MJ_READ] = Read;
    DriverObject->MajorFunction[IRP_MJ_DEVICE_CONTROL] = DeviceControl;
    DriverObject->DriverUnload = Unload;
    return STATUS_SUCCESS;
}
