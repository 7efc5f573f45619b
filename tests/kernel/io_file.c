/* Names and handles (contract README, Clarifications), files and requests through them. */
#define SUITE "io.file"
#include "irp_tool.h"
#include "thread_tool.h"
#include "io/iop.h"

#define DEVICE_NAME L"\\Device\\KtFile"

/* What the driver has heard, in order: C create, U cleanup, X close, R read, W write, I ioctl. */
static NTSTATUS CreateStatus;
static UNICODE_STRING SeenName;
static PFILE_OBJECT SeenFile;
static IO_STACK_LOCATION Seen;

static NTSTATUS Complete(PIRP Irp, NTSTATUS Status, ULONG_PTR Information)
{
    Irp->IoStatus.Status = Status;
    Irp->IoStatus.Information = Information;
    IoCompleteRequest(Irp, IO_NO_INCREMENT);
    return Status;
}

static NTSTATUS Serve(PKT_LAYER Layer, PIRP Irp)
{
    PIO_STACK_LOCATION location = IoGetCurrentIrpStackLocation(Irp);

    Seen = *location;
    SeenFile = location->FileObject;
    CHECK_IRQL(PASSIVE_LEVEL);
    switch (location->MajorFunction) {
    case IRP_MJ_CREATE:
        KtTrace('C');
        SeenName = location->FileObject->FileName;
        location->FileObject->FsContext = Layer;
        return Complete(Irp, CreateStatus, 0);
    case IRP_MJ_CLEANUP:
        KtTrace('U');
        return Complete(Irp, STATUS_SUCCESS, 0);
    case IRP_MJ_CLOSE:
        KtTrace('X');
        return Complete(Irp, STATUS_SUCCESS, 0);
    case IRP_MJ_READ:
        KtTrace('R');
        break;
    case IRP_MJ_WRITE:
        KtTrace('W');
        break;
    case IRP_MJ_DEVICE_CONTROL:
        KtTrace('I');
        break;
    case IRP_MJ_FLUSH_BUFFERS:
        KtTrace('F');
        return Complete(Irp, STATUS_SUCCESS, 0);
    }
    CHECK_EQUAL(location->FileObject->FsContext, Layer);
    if (Layer->Event == '!') /* pending ones are kept */
        return KtPend(Layer, Irp);
    return Complete(Irp, STATUS_SUCCESS, 3);
}

static KT_DISPATCH *const Serving[] = {Serve};
static KT_DISPATCH *const Layered[] = {Serve, KtPassOn};

static PKT_LAYER Prepare(ULONG Count)
{
    CreateStatus = STATUS_SUCCESS;
    KtTraceReset();
    return KtMakeNamedStack(DEVICE_NAME, Count, Count == 1 ? Serving : Layered);
}

static NTSTATUS Open(PCWSTR Name, ULONG Options, PHANDLE Handle)
{
    OBJECT_ATTRIBUTES attributes;
    UNICODE_STRING name;
    IO_STATUS_BLOCK block;
    NTSTATUS status;

    RtlInitUnicodeString(&name, Name);
    InitializeObjectAttributes(&attributes, &name, OBJ_KERNEL_HANDLE, NULL, NULL);
    KtPoison(&block);
    status = ZwCreateFile(Handle, FILE_READ_DATA, &attributes, &block, NULL, FILE_ATTRIBUTE_NORMAL,
                          FILE_SHARE_WRITE, FILE_OPEN, Options, NULL, 0);
    CHECK_EQUAL(block.Status, status);
    CHECK_EQUAL(block.Information, NT_SUCCESS(status) ? FILE_OPENED : 0);
    return status;
}

TEST(create_cleanup_close)
{
    PKT_LAYER layer = Prepare(1);
    HANDLE handle;

    CHECK_EQUAL(Open(DEVICE_NAME, FILE_SYNCHRONOUS_IO_NONALERT, &handle), STATUS_SUCCESS);
    CHECK_TRACE("C");
    CHECK_EQUAL(SeenName.Length, 0);
    CHECK_EQUAL(Seen.Parameters.Create.Options, FILE_OPEN << 24 | FILE_SYNCHRONOUS_IO_NONALERT);
    CHECK_EQUAL(Seen.Parameters.Create.ShareAccess, FILE_SHARE_WRITE);
    CHECK_EQUAL(Seen.Parameters.Create.FileAttributes, FILE_ATTRIBUTE_NORMAL);
    CHECK_EQUAL(SeenFile->DeviceObject, layer->Device);
    CHECK(SeenFile->ReadAccess && !SeenFile->WriteAccess && SeenFile->SharedWrite);
    CHECK(SeenFile->Flags & FO_SYNCHRONOUS_IO);
    CHECK_EQUAL(layer->Device->ReferenceCount, 1);
    CHECK_EQUAL(ZwClose(handle), STATUS_SUCCESS);
    CHECK_TRACE("CUX");
    CHECK_EQUAL(layer->Device->ReferenceCount, 0);
    CHECK_EQUAL(ZwClose(handle), STATUS_INVALID_HANDLE);
    KtFreeStack(layer);
}

/* The last handle means cleanup, the last reference close. */
TEST(close_waits_for_the_last_reference)
{
    PKT_LAYER layer = Prepare(1);
    PVOID file;
    HANDLE handle, second;

    CHECK_EQUAL(Open(DEVICE_NAME, 0, &handle), STATUS_SUCCESS);
    CHECK_EQUAL(ObReferenceObjectByHandle(handle, 0, *IoFileObjectType, KernelMode, &file, NULL),
                STATUS_SUCCESS);
    CHECK_EQUAL(file, SeenFile);
    CHECK_EQUAL(ObReferenceObjectByHandle(handle, 0, *PsThreadType, KernelMode, &file, NULL),
                STATUS_OBJECT_TYPE_MISMATCH);
    CHECK_EQUAL(ObpCreateHandle(file, &second), STATUS_SUCCESS);
    ZwClose(handle);
    CHECK_TRACE("C");
    ZwClose(second);
    CHECK_TRACE("CU");
    ObDereferenceObject(file);
    CHECK_TRACE("CUX");
    KtFreeStack(layer);
}

/* The last reference goes at DISPATCH_LEVEL: a worker closes the file, at PASSIVE_LEVEL. */
TEST(close_from_dispatch_level)
{
    PKT_LAYER layer = Prepare(1);
    PVOID file;
    HANDLE handle;

    CHECK_EQUAL(Open(DEVICE_NAME, 0, &handle), STATUS_SUCCESS);
    ObReferenceObjectByHandle(handle, 0, *IoFileObjectType, KernelMode, &file, NULL);
    ZwClose(handle);
    AT_IRQL(DISPATCH_LEVEL)
    {
        ObDereferenceObject(file);
        CHECK_TRACE("CU");
    }
    CHECK(KtSleepUntil(&layer->Calls, 3));
    while (layer->Device->ReferenceCount)
        KiSleep(MILLISECONDS(1));
    CHECK_TRACE("CUX");
    KtFreeStack(layer);
}

/* A driver that says no: no file, and neither cleanup nor close. */
TEST(create_fails)
{
    PKT_LAYER layer = Prepare(1);
    HANDLE handle;

    CreateStatus = STATUS_DEVICE_NOT_READY;
    CHECK_EQUAL(Open(DEVICE_NAME, 0, &handle), STATUS_DEVICE_NOT_READY);
    CHECK_TRACE("C");
    CHECK_EQUAL(layer->Device->ReferenceCount, 0);
    CHECK_EQUAL(Open(L"\\Device\\KtNowhere", 0, &handle), STATUS_OBJECT_NAME_NOT_FOUND);
    CHECK_EQUAL(Open(L"\\Device\\KtFileMore", 0, &handle), STATUS_OBJECT_NAME_NOT_FOUND);
    CHECK_EQUAL(Open(L"KtFile", 0, &handle), STATUS_OBJECT_NAME_NOT_FOUND);
    KtFreeStack(layer);
}

/* By the device's name and by its links; what follows is the file's name. */
TEST(names_and_links)
{
    UNICODE_STRING name = RTL_CONSTANT_STRING(DEVICE_NAME);
    UNICODE_STRING link = RTL_CONSTANT_STRING(L"\\DosDevices\\KtLink");
    UNICODE_STRING deep = RTL_CONSTANT_STRING(L"\\Deep\\er");
    PKT_LAYER layer = Prepare(1);
    HANDLE handle;

    CHECK_EQUAL(IoCreateSymbolicLink(&link, &name), STATUS_SUCCESS);
    CHECK_EQUAL(Open(L"\\??\\ktlink", 0, &handle), STATUS_SUCCESS);
    CHECK_EQUAL(SeenName.Length, 0);
    ZwClose(handle);
    CHECK_EQUAL(Open(L"\\??\\KtLink\\Deep\\er", 0, &handle), STATUS_SUCCESS);
    CHECK(RtlEqualUnicodeString(&SeenFile->FileName, &deep, FALSE));
    ZwClose(handle);
    CHECK_EQUAL(Open(DEVICE_NAME L"\\", 0, &handle), STATUS_SUCCESS);
    CHECK_EQUAL(SeenFile->FileName.Length, sizeof(WCHAR));
    ZwClose(handle);
    CHECK_EQUAL(IoDeleteSymbolicLink(&link), STATUS_SUCCESS);
    CHECK_EQUAL(Open(L"\\??\\KtLink", 0, &handle), STATUS_OBJECT_NAME_NOT_FOUND);
    KtFreeStack(layer);
}

TEST(exclusive_and_not_ready_devices)
{
    PKT_LAYER layer = Prepare(1);
    HANDLE first, second;

    layer->Device->Flags |= DO_EXCLUSIVE;
    CHECK_EQUAL(Open(DEVICE_NAME, 0, &first), STATUS_SUCCESS);
    CHECK_EQUAL(Open(DEVICE_NAME, 0, &second), STATUS_ACCESS_DENIED);
    ZwClose(first);
    CHECK_EQUAL(Open(DEVICE_NAME, 0, &first), STATUS_SUCCESS);
    ZwClose(first);
    layer->Device->Flags |= DO_DEVICE_INITIALIZING;
    CHECK_EQUAL(Open(DEVICE_NAME, 0, &first), STATUS_NO_SUCH_DEVICE);
    KtFreeStack(layer);
}

TEST(requests_of_a_synchronous_file)
{
    PKT_LAYER layer = Prepare(2);
    LARGE_INTEGER offset = {.QuadPart = 77};
    IO_STATUS_BLOCK block;
    UCHAR buffer[8];
    ULONG key = 5;
    HANDLE handle;

    CHECK_EQUAL(Open(DEVICE_NAME, FILE_SYNCHRONOUS_IO_NONALERT, &handle), STATUS_SUCCESS);
    CHECK_EQUAL(ZwReadFile(handle, NULL, NULL, NULL, &block, buffer, 8, &offset, &key),
                STATUS_SUCCESS);
    CHECK_EQUAL(block.Information, 3);
    CHECK_EQUAL(Seen.Parameters.Read.Length, 8);
    CHECK_EQUAL(Seen.Parameters.Read.ByteOffset.QuadPart, 77);
    CHECK_EQUAL(Seen.Parameters.Read.Key, 5);
    SeenFile->CurrentByteOffset.QuadPart = 99;
    CHECK_EQUAL(ZwWriteFile(handle, NULL, NULL, NULL, &block, buffer, 7, NULL, NULL),
                STATUS_SUCCESS);
    CHECK_EQUAL(Seen.Parameters.Write.ByteOffset.QuadPart, 99); /* where the file stands */
    CHECK_EQUAL(
        ZwDeviceIoControlFile(handle, NULL, NULL, NULL, &block, 0x222003, buffer, 1, buffer, 2),
        STATUS_SUCCESS);
    CHECK_EQUAL(Seen.Parameters.DeviceIoControl.IoControlCode, 0x222003);
    CHECK_EQUAL(ZwFlushBuffersFile(handle, &block), STATUS_SUCCESS);
    CHECK_EQUAL(ZwReadFile(handle, NULL, (PIO_APC_ROUTINE)(PVOID)buffer, NULL, &block, buffer, 8,
                           NULL, NULL),
                STATUS_INVALID_PARAMETER);
    CHECK_EQUAL(ZwClose(handle), STATUS_SUCCESS);
    CHECK_TRACE("CRWIFUX");
    KtFreeStack(layer);
}

/* Pending, with the file as the object to wait for, then with an event. */
TEST(requests_of_an_asynchronous_file)
{
    PKT_LAYER layer = Prepare(1);
    LARGE_INTEGER offset = {.QuadPart = 0}, zero = {.QuadPart = 0};
    IO_STATUS_BLOCK block;
    HANDLE handle, event;

    CHECK_EQUAL(Open(DEVICE_NAME, 0, &handle), STATUS_SUCCESS);
    layer->Event = '!';
    CHECK_EQUAL(ZwReadFile(handle, NULL, NULL, NULL, &block, NULL, 0, NULL, NULL),
                STATUS_INVALID_PARAMETER); /* no offset */
    CHECK_EQUAL(ZwReadFile(handle, NULL, NULL, NULL, &block, NULL, 0, &offset, NULL),
                STATUS_PENDING);
    CHECK_EQUAL(ZwWaitForSingleObject(handle, FALSE, &zero), STATUS_TIMEOUT);
    Complete(layer->Kept, STATUS_SUCCESS, 11);
    CHECK_EQUAL(ZwWaitForSingleObject(handle, FALSE, &zero), STATUS_SUCCESS);
    CHECK_EQUAL(block.Information, 11);

    CHECK_EQUAL(ZwCreateEvent(&event, 0, NULL, NotificationEvent, TRUE), STATUS_SUCCESS);
    CHECK_EQUAL(ZwWriteFile(handle, event, NULL, NULL, &block, NULL, 0, &offset, NULL),
                STATUS_PENDING);
    CHECK_EQUAL(ZwWaitForSingleObject(event, FALSE, &zero), STATUS_TIMEOUT); /* cleared */
    Complete(layer->Kept, STATUS_UNSUCCESSFUL, 0);
    CHECK_EQUAL(ZwWaitForSingleObject(event, FALSE, &zero), STATUS_SUCCESS);
    CHECK_EQUAL(ZwWaitForSingleObject(handle, FALSE, &zero), STATUS_TIMEOUT);
    CHECK_EQUAL(block.Status, STATUS_UNSUCCESSFUL);
    CHECK_EQUAL(ZwClose(event), STATUS_SUCCESS);
    CHECK_EQUAL(ZwClose(handle), STATUS_SUCCESS);
    CHECK_EQUAL(ZwWriteFile(handle, NULL, NULL, NULL, &block, NULL, 0, &offset, NULL),
                STATUS_INVALID_HANDLE);
    KtFreeStack(layer);
}

/* A request under way keeps the file: cleanup with the handle, close with the request. */
TEST(handle_closed_with_a_request_under_way)
{
    PKT_LAYER layer = Prepare(1);
    LARGE_INTEGER offset = {.QuadPart = 0};
    IO_STATUS_BLOCK block;
    HANDLE handle;

    CHECK_EQUAL(Open(DEVICE_NAME, 0, &handle), STATUS_SUCCESS);
    layer->Event = '!';
    CHECK_EQUAL(ZwReadFile(handle, NULL, NULL, NULL, &block, NULL, 0, &offset, NULL),
                STATUS_PENDING);
    CHECK_EQUAL(ZwClose(handle), STATUS_SUCCESS);
    CHECK_TRACE("CRU");
    Complete(layer->Kept, STATUS_SUCCESS, 0);
    CHECK_TRACE("CRUX");
    KtFreeStack(layer);
}

/* A synchronous file's second caller waits for his turn. */
static HANDLE SharedHandle;
static volatile LONG SecondDone;

ROUTINE(ReadShared)
{
    IO_STATUS_BLOCK block;

    CHECK_EQUAL(ZwReadFile(SharedHandle, NULL, NULL, NULL, &block, NULL, 0, NULL, NULL),
                STATUS_SUCCESS);
    InterlockedIncrement(&SecondDone);
}

TEST(synchronous_requests_take_turns)
{
    PKT_LAYER layer = Prepare(1);
    KT_THREAD first, second;

    SecondDone = 0;
    CHECK_EQUAL(Open(DEVICE_NAME, FILE_SYNCHRONOUS_IO_NONALERT, &SharedHandle), STATUS_SUCCESS);
    layer->Event = '!';
    CHECK(KtStartThread(&first, 0, KT_ABOVE, ReadShared, NULL));
    CHECK(KtAwaitWait(first.Object, &SeenFile->Event));
    CHECK(KtStartThread(&second, 0, KT_ABOVE, ReadShared, NULL));
    CHECK(KtAwaitWait(second.Object, &SeenFile->Lock));
    CHECK_EQUAL(layer->Calls, 2);
    Complete(layer->Kept, STATUS_SUCCESS, 0);
    CHECK(KtSleepUntil(&layer->Calls, 3));
    CHECK(KtSleepUntil(&SecondDone, 1));
    CHECK(KtAwaitWait(second.Object, &SeenFile->Event));
    Complete(layer->Kept, STATUS_SUCCESS, 0);
    CHECK(KtEndThread(&first));
    CHECK(KtEndThread(&second));
    CHECK_EQUAL(SecondDone, 2);
    ZwClose(SharedHandle);
    KtFreeStack(layer);
}

/* ZwCancelIoFile: the thread's requests to this file, not to another. */
static VOID CancelRead(UNUSED PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    IoReleaseCancelSpinLock(Irp->CancelIrql);
    KtComplete(Irp, STATUS_CANCELLED);
}

static NTSTATUS PendCancellable(PKT_LAYER Layer, PIRP Irp)
{
    if (IoGetCurrentIrpStackLocation(Irp)->MajorFunction != IRP_MJ_READ)
        return Serve(Layer, Irp);
    IoMarkIrpPending(Irp);
    IoSetCancelRoutine(Irp, CancelRead);
    return STATUS_PENDING;
}

TEST(cancel_the_requests_of_a_file)
{
    PKT_LAYER layer = Prepare(1);
    LARGE_INTEGER offset = {.QuadPart = 0};
    IO_STATUS_BLOCK blocks[2], block;
    HANDLE first, second;

    layer->Dispatch = PendCancellable;
    KtPoison(&blocks);
    CHECK_EQUAL(Open(DEVICE_NAME, 0, &first), STATUS_SUCCESS);
    CHECK_EQUAL(Open(DEVICE_NAME, 0, &second), STATUS_SUCCESS);
    ZwReadFile(first, NULL, NULL, NULL, &blocks[0], NULL, 0, &offset, NULL);
    ZwReadFile(second, NULL, NULL, NULL, &blocks[1], NULL, 0, &offset, NULL);
    CHECK_EQUAL(ZwCancelIoFile(first, &block), STATUS_SUCCESS);
    CHECK_EQUAL(blocks[0].Status, STATUS_CANCELLED);
    CHECK(blocks[1].Status != STATUS_CANCELLED);
    CHECK_EQUAL(ZwCancelIoFile(second, &block), STATUS_SUCCESS);
    CHECK_EQUAL(blocks[1].Status, STATUS_CANCELLED);
    ZwClose(first);
    ZwClose(second);
    KtFreeStack(layer);
}

TEST(device_object_pointer)
{
    UNICODE_STRING name = RTL_CONSTANT_STRING(DEVICE_NAME);
    PKT_LAYER top = Prepare(2);
    PDEVICE_OBJECT device;
    PFILE_OBJECT file;

    CHECK_EQUAL(IoGetDeviceObjectPointer(&name, FILE_READ_DATA, &file, &device), STATUS_SUCCESS);
    CHECK_TRACE("CU");
    CHECK_EQUAL(device, top->Device);
    CHECK_EQUAL(file->DeviceObject, KtBelow(top)->Device);
    CHECK_EQUAL(IoGetRelatedDeviceObject(file), top->Device);
    ObDereferenceObject(file);
    CHECK_TRACE("CUX");
    name.Length -= sizeof(WCHAR);
    CHECK_EQUAL(IoGetDeviceObjectPointer(&name, 0, &file, &device), STATUS_OBJECT_NAME_NOT_FOUND);
    KtFreeStack(top);
}

/* A driver is not unloaded while one of its devices is open, or referenced by a pointer. */
TEST(T_DRIVER_4_open_files)
{
    UNICODE_STRING name = RTL_CONSTANT_STRING(L"\\Device\\TestTool");
    PDEVICE_OBJECT device;
    PFILE_OBJECT file;

    CHECK_EQUAL(IopLoadDriver("testtool"), STATUS_SUCCESS);
    CHECK_EQUAL(IoGetDeviceObjectPointer(&name, 0, &file, &device), STATUS_INVALID_DEVICE_REQUEST);
    device = KtToolDevice();
    ObReferenceObject(device);
    CHECK_EQUAL(IopUnloadDriver("testtool"), STATUS_DEVICE_BUSY);
    ObDereferenceObject(device);
    CHECK_EQUAL(IopOpenDevice(device), STATUS_SUCCESS);
    CHECK_EQUAL(IopUnloadDriver("testtool"), STATUS_DEVICE_BUSY);
    IopCloseDevice(device);
    CHECK_EQUAL(IopUnloadDriver("testtool"), STATUS_SUCCESS);
}

/* Whichever allocation fails, nothing is left and nothing stays open. */
TEST(every_failure)
{
    PKT_LAYER layer = Prepare(1);
    LARGE_INTEGER offset = {.QuadPart = 0};
    ULONG irps = KtCountIrps();
    IO_STATUS_BLOCK block;
    UCHAR buffer[8];
    NTSTATUS status;
    HANDLE handle;

    ExpFailEvery = 1; /* the file object: requests to open wait for memory */
    status = Open(DEVICE_NAME, 0, &handle);
    ExpFailEvery = 0;
    CHECK_EQUAL(status, STATUS_INSUFFICIENT_RESOURCES);
    CHECK_EQUAL(layer->Device->ReferenceCount, 0);
    CHECK_EQUAL(Open(DEVICE_NAME, FILE_SYNCHRONOUS_IO_NONALERT, &handle), STATUS_SUCCESS);
    layer->Device->Flags |= DO_BUFFERED_IO;
    for (ULONG n = 1; n <= 2; n++) {
        ExpFailEvery = n;
        status = ZwReadFile(handle, NULL, NULL, NULL, &block, buffer, 8, &offset, NULL);
        ExpFailEvery = 0;
        CHECK_EQUAL(status, STATUS_INSUFFICIENT_RESOURCES);
        CHECK_EQUAL(KtCountIrps(), irps);
    }
    layer->Device->Flags &= ~(ULONG)DO_BUFFERED_IO;
    CHECK_EQUAL(ZwReadFile(handle, NULL, NULL, NULL, &block, buffer, 8, &offset, NULL),
                STATUS_SUCCESS); /* the turn was given back */
    ZwClose(handle);
    CHECK_TRACE("CRUX");
    KtFreeStack(layer);
}
