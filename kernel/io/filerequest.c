/*
 * Requests through a handle. Each routine prepares a request (references, the file's turn, an IRP),
 * fills in its own parameters, and sends it. PASSIVE_LEVEL; no lock around the driver.
 *
 * A file that was opened with FILE_SYNCHRONOUS_IO_... does one request at a time, and the caller
 * waits for its end. Any other answers STATUS_PENDING, and the caller waits for the event that he
 * has named, or for the file.
 */
#include "iop.h"

typedef struct _REQUEST {
    PFILE_OBJECT File; /* referenced; from the sending on by the IRP as well */
    PKEVENT Event;     /* the caller's, referenced, or NULL; the IRP's from the sending on */
    PIO_STATUS_BLOCK Block;
    PDEVICE_OBJECT Device;
    PIRP Irp;
    PIO_STACK_LOCATION Location; /* the first driver's */
} REQUEST, *PREQUEST;

static BOOLEAN IsSynchronous(PFILE_OBJECT File)
{
    return (File->Flags & FO_SYNCHRONOUS_IO) != 0;
}

/* A synchronous file's turn. */
static VOID AwaitTurn(PFILE_OBJECT File)
{
    if (IsSynchronous(File))
        KeWaitForSingleObject(&File->Lock, Executive, KernelMode, FALSE, NULL);
}

static VOID EndTurn(PFILE_OBJECT File)
{
    if (IsSynchronous(File))
        KeSetEvent(&File->Lock, IO_NO_INCREMENT, FALSE);
}

/* The objects behind the handles. */
static NTSTATUS ReferenceObjects(PREQUEST Request, HANDLE FileHandle, HANDLE Event)
{
    PVOID object;
    NTSTATUS status =
        ObReferenceObjectByHandle(FileHandle, 0, *IoFileObjectType, KernelMode, &object, NULL);

    if (!NT_SUCCESS(status))
        return status;
    Request->File = object;
    if (!Event)
        return STATUS_SUCCESS;
    status = ObReferenceObjectByHandle(Event, 0, *ExEventObjectType, KernelMode, &object, NULL);
    if (NT_SUCCESS(status))
        Request->Event = object;
    else
        ObfDereferenceObject(Request->File);
    return status;
}

/* Gives back what Prepare has taken, after a failure before the sending. */
static NTSTATUS Abandon(PREQUEST Request, NTSTATUS Status)
{
    if (Request->Irp) {
        IopFreeBuffers(Request->Irp);
        IoFreeIrp(Request->Irp);
    }
    EndTurn(Request->File);
    if (Request->Event)
        ObfDereferenceObject(Request->Event);
    ObfDereferenceObject(Request->File);
    return Status;
}

/* The IRP's tie to file, event and status block, before the parameters are filled in. */
static VOID Tie(PREQUEST Request, UCHAR MajorFunction)
{
    PIRP irp = Request->Irp;

    Request->Location = IoGetNextIrpStackLocation(irp);
    Request->Location->MajorFunction = MajorFunction;
    Request->Location->FileObject = Request->File;
    irp->UserIosb = Request->Block;
    irp->UserEvent = Request->Event;
    irp->Tail.Overlay.Thread = KeGetCurrentThread();
    irp->Tail.Overlay.OriginalFileObject = Request->File;
    if (IsSynchronous(Request->File))
        irp->Flags |= IRP_SYNCHRONOUS_API;
}

/* From here on the request is either sent or abandoned. */
static NTSTATUS Prepare(PREQUEST Request, HANDLE FileHandle, HANDLE Event,
                        PIO_APC_ROUTINE ApcRoutine, PIO_STATUS_BLOCK IoStatusBlock,
                        UCHAR MajorFunction)
{
    NTSTATUS status;

    RtlZeroMemory(Request, sizeof(*Request));
    if (!IoStatusBlock || ApcRoutine)
        return STATUS_INVALID_PARAMETER;
    status = ReferenceObjects(Request, FileHandle, Event);
    if (!NT_SUCCESS(status))
        return status;
    AwaitTurn(Request->File);
    Request->Block = IoStatusBlock;
    Request->Device = IoGetRelatedDeviceObject(Request->File);
    Request->Irp = IopAllocateIrp(Request->Device->StackSize, NULL);
    if (!Request->Irp)
        return Abandon(Request, STATUS_INSUFFICIENT_RESOURCES);
    Tie(Request, MajorFunction);
    return STATUS_SUCCESS;
}

/* Sends the request; waits for its end if the file is synchronous. */
static NTSTATUS Send(PREQUEST Request)
{
    PIRP_RECORD record = IopRecordOf(Request->Irp);
    PFILE_OBJECT file = Request->File;
    NTSTATUS status;

    if (Request->Event)
        KeClearEvent(Request->Event);
    KeClearEvent(&file->Event);
    record->Event = Request->Event;
    record->File = file;
    ObfReferenceObject(file);
    IopQueueRequestToThread(Request->Irp);
    status = IoCallDriver(Request->Device, Request->Irp);
    if (IsSynchronous(file)) {
        if (status == STATUS_PENDING) {
            KeWaitForSingleObject(&file->Event, Executive, KernelMode, FALSE, NULL);
            status = Request->Block->Status;
        }
        EndTurn(file);
    }
    ObfDereferenceObject(file);
    return status;
}

/* The offset that the caller names; a synchronous file has one of its own. FALSE: there is none. */
static BOOLEAN ChooseOffset(PFILE_OBJECT File, PLARGE_INTEGER ByteOffset, PLARGE_INTEGER Offset)
{
    BOOLEAN own = !ByteOffset || (ByteOffset->HighPart == -1 &&
                                  ByteOffset->LowPart == FILE_USE_FILE_POINTER_POSITION);

    *Offset = own ? File->CurrentByteOffset : *ByteOffset;
    return !own || IsSynchronous(File);
}

static NTSTATUS Transfer(UCHAR MajorFunction, HANDLE FileHandle, HANDLE Event,
                         PIO_APC_ROUTINE ApcRoutine, PIO_STATUS_BLOCK IoStatusBlock, PVOID Buffer,
                         ULONG Length, PLARGE_INTEGER ByteOffset, PULONG Key)
{
    BOOLEAN write = MajorFunction == IRP_MJ_WRITE;
    REQUEST request;
    NTSTATUS status =
        Prepare(&request, FileHandle, Event, ApcRoutine, IoStatusBlock, MajorFunction);

    if (!NT_SUCCESS(status))
        return status;
    if (!ChooseOffset(request.File, ByteOffset, &request.Location->Parameters.Read.ByteOffset))
        return Abandon(&request, STATUS_INVALID_PARAMETER);
    request.Location->Parameters.Read.Length = Length; /* Write's are in the same places */
    request.Location->Parameters.Read.Key = Key ? *Key : 0;
    request.Irp->Flags |= write ? IRP_WRITE_OPERATION : IRP_READ_OPERATION;
    status = IopAttachTransferBuffer(request.Irp, request.Device, write, Buffer, Length);
    if (!NT_SUCCESS(status))
        return Abandon(&request, status);
    return Send(&request);
}

/*
 * Reads from a device.
 *
 * IRQL:    PASSIVE_LEVEL
 * Locks:   waits for the file's turn, if the file is synchronous
 * Context: a thread
 * Returns: STATUS_INVALID_HANDLE, STATUS_OBJECT_TYPE_MISMATCH, STATUS_INVALID_PARAMETER (an APC
 *          routine, no status block, no offset on an asynchronous file),
 *          STATUS_INSUFFICIENT_RESOURCES, or what the driver says; *IoStatusBlock is written at the
 *          request's end
 */
NTSTATUS ZwReadFile(HANDLE FileHandle, HANDLE Event, PIO_APC_ROUTINE ApcRoutine, PVOID ApcContext,
                    PIO_STATUS_BLOCK IoStatusBlock, PVOID Buffer, ULONG Length,
                    PLARGE_INTEGER ByteOffset, PULONG Key)
{
    KI_REQUIRE_IRQL_AT_MOST(PASSIVE_LEVEL, RULE_IRQL_IO_PASSIVE, "IrqlZwPassive", FileHandle);
    UNREFERENCED_PARAMETER(ApcContext);
    return Transfer(IRP_MJ_READ, FileHandle, Event, ApcRoutine, IoStatusBlock, Buffer, Length,
                    ByteOffset, Key);
}

/*
 * Writes to a device.
 *
 * IRQL:    PASSIVE_LEVEL
 * Locks:   waits for the file's turn, if the file is synchronous
 * Context: a thread
 * Returns: as ZwReadFile
 */
NTSTATUS ZwWriteFile(HANDLE FileHandle, HANDLE Event, PIO_APC_ROUTINE ApcRoutine, PVOID ApcContext,
                     PIO_STATUS_BLOCK IoStatusBlock, PVOID Buffer, ULONG Length,
                     PLARGE_INTEGER ByteOffset, PULONG Key)
{
    KI_REQUIRE_IRQL_AT_MOST(PASSIVE_LEVEL, RULE_IRQL_IO_PASSIVE, "IrqlZwPassive", FileHandle);
    UNREFERENCED_PARAMETER(ApcContext);
    return Transfer(IRP_MJ_WRITE, FileHandle, Event, ApcRoutine, IoStatusBlock, Buffer, Length,
                    ByteOffset, Key);
}

/*
 * Sends a control code and its buffers to a device.
 *
 * IRQL:    PASSIVE_LEVEL
 * Locks:   waits for the file's turn, if the file is synchronous
 * Context: a thread
 * Returns: as ZwReadFile
 */
NTSTATUS ZwDeviceIoControlFile(HANDLE FileHandle, HANDLE Event, PIO_APC_ROUTINE ApcRoutine,
                               PVOID ApcContext, PIO_STATUS_BLOCK IoStatusBlock,
                               ULONG IoControlCode, PVOID InputBuffer, ULONG InputBufferLength,
                               PVOID OutputBuffer, ULONG OutputBufferLength)
{
    KI_REQUIRE_IRQL_AT_MOST(PASSIVE_LEVEL, RULE_IRQL_IO_PASSIVE, "IrqlZwPassive", FileHandle);
    UNREFERENCED_PARAMETER(ApcContext);

    REQUEST request;
    NTSTATUS status =
        Prepare(&request, FileHandle, Event, ApcRoutine, IoStatusBlock, IRP_MJ_DEVICE_CONTROL);

    if (!NT_SUCCESS(status))
        return status;
    status = IopAttachControlBuffers(request.Irp, request.Location, IoControlCode, InputBuffer,
                                     InputBufferLength, OutputBuffer, OutputBufferLength);
    if (!NT_SUCCESS(status))
        return Abandon(&request, status);
    return Send(&request);
}

/*
 * Asks the driver to finish what it has buffered.
 *
 * IRQL:    PASSIVE_LEVEL
 * Locks:   waits for the file's turn, if the file is synchronous
 * Context: a thread
 * Returns: as ZwReadFile
 */
NTSTATUS ZwFlushBuffersFile(HANDLE FileHandle, PIO_STATUS_BLOCK IoStatusBlock)
{
    KI_REQUIRE_IRQL_AT_MOST(PASSIVE_LEVEL, RULE_IRQL_IO_PASSIVE, "IrqlZwPassive", FileHandle);

    REQUEST request;
    NTSTATUS status =
        Prepare(&request, FileHandle, NULL, NULL, IoStatusBlock, IRP_MJ_FLUSH_BUFFERS);

    return NT_SUCCESS(status) ? Send(&request) : status;
}

/*
 * Cancels the current thread's requests to a file. They may still be under way on return: each one
 * ends in its own time, mostly with STATUS_CANCELLED.
 *
 * IRQL:    PASSIVE_LEVEL
 * Locks:   takes IopIrpLock and the cancel spin lock, one after the other
 * Context: a thread
 * Returns: STATUS_INVALID_HANDLE, STATUS_OBJECT_TYPE_MISMATCH
 */
NTSTATUS ZwCancelIoFile(HANDLE FileHandle, PIO_STATUS_BLOCK IoStatusBlock)
{
    KI_REQUIRE_IRQL_AT_MOST(PASSIVE_LEVEL, RULE_IRQL_IO_PASSIVE, "IrqlZwPassive", FileHandle);

    REQUEST request = {0};
    NTSTATUS status = ReferenceObjects(&request, FileHandle, NULL);

    if (NT_SUCCESS(status)) {
        IopCancelRequests(KeGetCurrentThread(), request.File);
        ObfDereferenceObject(request.File);
    }
    IoStatusBlock->Status = status;
    IoStatusBlock->Information = 0;
    return status;
}
