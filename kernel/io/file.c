/*
 * File objects: one for each open of a device. All at PASSIVE_LEVEL. What the driver is told:
 *
 *     IRP_MJ_CREATE     ZwCreateFile, IoGetDeviceObjectPointer: if it fails there is no file
 *     IRP_MJ_CLEANUP    the last handle has been closed; requests may still be under way
 *     IRP_MJ_CLOSE      the last reference has gone: those of requests, too
 *
 * The references of a file object that is open hold the device and, with it, the driver.
 */
#include "iop.h"

#define TAG_FILE ((ULONG)'eliF')

static VOID CleanUpFile(PVOID Object);
static VOID DeleteFile(PVOID Object);

static OBJECT_TYPE FileType = {.Self = &FileType,
                               .Name = "file",
                               .Tag = TAG_FILE,
                               .PassiveDelete = TRUE,
                               .WaitOffset = offsetof(FILE_OBJECT, Event),
                               .LastHandle = CleanUpFile,
                               .Delete = DeleteFile};
static POBJECT_TYPE FileTypePointer = &FileType;
POBJECT_TYPE *IoFileObjectType = &FileTypePointer;

/*
 * The top of the stack that the file's device is in.
 *
 * IRQL:    <= DISPATCH_LEVEL
 * Locks:   takes IopDeviceLock
 * Context: who has a reference on the file
 * Returns: the device that the file's requests are sent to
 */
PDEVICE_OBJECT IoGetRelatedDeviceObject(PFILE_OBJECT FileObject)
{
    KI_REQUIRE_IRQL_AT_MOST(DISPATCH_LEVEL, RULE_IRQL_KE_DISPATCH_LTE, "IrqlIoDispatch",
                            FileObject);

    PDEVICE_OBJECT top = IoGetAttachedDeviceReference(FileObject->DeviceObject);

    ObfDereferenceObject(top); /* the stack keeps it, as long as nobody detaches it */
    return top;
}

/* A request that cannot be refused for lack of memory: waits until there is some. */
static PIRP AllocateWithPatience(PDEVICE_OBJECT DeviceObject)
{
    PIRP irp;

    while ((irp = IopAllocateIrp(DeviceObject->StackSize, NULL)) == NULL)
        KiSleep(KI_TIME_INCREMENT);
    return irp;
}

/* Sends one of the three requests above to the top of the stack, and waits for its end. */
static NTSTATUS SendAndWait(PFILE_OBJECT File, UCHAR MajorFunction, ULONG Flags,
                            const IO_STACK_LOCATION *Parameters)
{
    PDEVICE_OBJECT device = IoGetRelatedDeviceObject(File);
    PIRP irp = AllocateWithPatience(device);
    PIO_STACK_LOCATION next = IoGetNextIrpStackLocation(irp);
    IO_STATUS_BLOCK block;
    KEVENT event;

    KeInitializeEvent(&event, NotificationEvent, FALSE);
    if (Parameters)
        *next = *Parameters;
    next->MajorFunction = MajorFunction;
    next->FileObject = File;
    irp->Flags = Flags | IRP_SYNCHRONOUS_API;
    irp->UserIosb = &block;
    irp->UserEvent = &event;
    irp->Tail.Overlay.Thread = KeGetCurrentThread();
    irp->Tail.Overlay.OriginalFileObject = File;
    IopQueueRequestToThread(irp);
    if (IoCallDriver(device, irp) == STATUS_PENDING)
        KeWaitForSingleObject(&event, Executive, KernelMode, FALSE, NULL);
    return block.Status;
}

static VOID CleanUpFile(PVOID Object)
{
    PFILE_OBJECT file = Object;

    if (!(file->Flags & FO_FILE_OPEN))
        return;
    SendAndWait(file, IRP_MJ_CLEANUP, 0, NULL);
    file->Flags |= FO_CLEANUP_COMPLETE;
}

static VOID DeleteFile(PVOID Object)
{
    PFILE_OBJECT file = Object;

    if (file->Flags & FO_FILE_OPEN)
        SendAndWait(file, IRP_MJ_CLOSE, IRP_CLOSE_OPERATION, NULL);
    IopCloseDevice(file->DeviceObject);
}

/* The file object behind which the name's rest stands. Device has been opened for it. */
static PFILE_OBJECT MakeFile(PDEVICE_OBJECT Device, const UNICODE_STRING *Rest,
                             const IOP_OPEN *Open)
{
    PFILE_OBJECT file = ObpAllocateObject(&FileType, sizeof(FILE_OBJECT) + Rest->Length);

    if (!file)
        return NULL;
    file->Type = IO_TYPE_FILE;
    file->Size = sizeof(FILE_OBJECT);
    file->DeviceObject = Device;
    file->ReadAccess = (Open->DesiredAccess & (FILE_READ_DATA | GENERIC_READ | GENERIC_ALL)) != 0;
    file->WriteAccess =
        (Open->DesiredAccess & (FILE_WRITE_DATA | GENERIC_WRITE | GENERIC_ALL)) != 0;
    file->SharedRead = (Open->ShareAccess & FILE_SHARE_READ) != 0;
    file->SharedWrite = (Open->ShareAccess & FILE_SHARE_WRITE) != 0;
    if (Open->Options & (FILE_SYNCHRONOUS_IO_ALERT | FILE_SYNCHRONOUS_IO_NONALERT))
        file->Flags |= FO_SYNCHRONOUS_IO;
    KeInitializeEvent(&file->Lock, SynchronizationEvent, TRUE);
    KeInitializeEvent(&file->Event, NotificationEvent, FALSE);
    KeInitializeSpinLock(&file->IrpListLock);
    InitializeListHead(&file->IrpList);
    file->FileName = (UNICODE_STRING){Rest->Length, Rest->Length, (PWSTR)(PVOID)(file + 1)};
    RtlCopyMemory(file->FileName.Buffer, Rest->Buffer, Rest->Length);
    return file;
}

static NTSTATUS AskDriver(PFILE_OBJECT File, const IOP_OPEN *Open)
{
    IO_SECURITY_CONTEXT security = {NULL, NULL, Open->DesiredAccess, Open->Options};
    IO_STACK_LOCATION location = {0};
    NTSTATUS status;

    location.Parameters.Create.SecurityContext = &security;
    location.Parameters.Create.Options = Open->Disposition << 24 | (Open->Options & 0xFFFFFF);
    location.Parameters.Create.FileAttributes = (USHORT)Open->FileAttributes;
    location.Parameters.Create.ShareAccess = (USHORT)Open->ShareAccess;
    status = SendAndWait(File, IRP_MJ_CREATE, IRP_CREATE_OPERATION, &location);
    if (NT_SUCCESS(status))
        File->Flags |= FO_FILE_OPEN;
    return status;
}

/*
 * Opens the device that Name names or begins to name.
 *
 * IRQL:    PASSIVE_LEVEL
 * Locks:   takes the names' lock and IopDeviceLock; none around the driver
 * Context: a thread
 * Returns: STATUS_OBJECT_NAME_NOT_FOUND, STATUS_NO_SUCH_DEVICE, STATUS_ACCESS_DENIED,
 *          STATUS_INSUFFICIENT_RESOURCES, or what the driver says; *File has one reference
 * Source:  contract README, Clarifications
 */
NTSTATUS IopOpenFile(PCUNICODE_STRING Name, const IOP_OPEN *Open, PFILE_OBJECT *File)
{
    KI_REQUIRE_IRQL_AT_MOST(PASSIVE_LEVEL, RULE_IRQL_IO_PASSIVE, "IrqlZwPassive", Name);

    PDEVICE_OBJECT device;
    UNICODE_STRING rest;
    NTSTATUS status = ObpOpenDevice(Name, &device, &rest);

    if (!NT_SUCCESS(status))
        return status;
    *File = MakeFile(device, &rest, Open);
    if (!*File) {
        IopCloseDevice(device);
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    status = AskDriver(*File, Open);
    if (!NT_SUCCESS(status))
        ObfDereferenceObject(*File);
    return status;
}
