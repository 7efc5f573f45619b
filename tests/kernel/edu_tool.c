/* Requests to the driver edu. PASSIVE_LEVEL. */
#include "edu_tool.h"

static CHAR Name[16];

BOOLEAN KtBeginEdu(VOID)
{
    PPCI_FUNCTION function = KtFindPci(EDU_VENDOR, EDU_DEVICE, 0);

    if (!function) {
        KtSkip("the machine has no device edu");
        return FALSE;
    }
    RtlStringPrint(Name, sizeof(Name), PCI_ADDRESS_FORMAT,
                   PCI_ADDRESS_ARGUMENTS(function->Address));
    return CHECK_EQUAL(IopLoadDriver("edu"), STATUS_SUCCESS);
}

VOID KtEndEdu(VOID)
{
    CHECK_EQUAL(IopUnloadDriver("edu"), STATUS_SUCCESS);
}

PCSTR KtEduName(VOID)
{
    return Name;
}

PDEVICE_OBJECT KtEduDevice(VOID)
{
    PDEVICE_OBJECT top = NULL;
    PPNP_NODE node;

    IopBeginPnp();
    node = IopNextNode(NULL);
    while (node && strcmp(node->Name, Name) != 0)
        node = IopNextNode(node);
    if (node && node->Driver)
        top = IoGetAttachedDeviceReference(node->PhysicalDevice);
    IopEndPnp();
    return top;
}

ULONG KtFactorial(ULONG Number)
{
    ULONG result = 1;

    for (ULONG n = 2; n <= Number && result; n++)
        result *= n;
    return result;
}

static NTSTATUS SendAndWait(PDEVICE_OBJECT Device, PIRP Irp, PKEVENT Event, PIO_STATUS_BLOCK Block)
{
    if (!Irp)
        return STATUS_INSUFFICIENT_RESOURCES;
    if (IoCallDriver(Device, Irp) == STATUS_PENDING)
        KeWaitForSingleObject(Event, Executive, KernelMode, FALSE, NULL);
    return Block->Status;
}

NTSTATUS KtEduControl(ULONG Code, PVOID Input, ULONG InputBytes, PVOID Output, ULONG OutputBytes)
{
    PDEVICE_OBJECT device = KtEduDevice();
    IO_STATUS_BLOCK block = {.Status = STATUS_UNSUCCESSFUL};
    KEVENT event;
    NTSTATUS status;

    if (!device)
        return STATUS_NO_SUCH_DEVICE;
    KeInitializeEvent(&event, NotificationEvent, FALSE);
    status = SendAndWait(device,
                         IoBuildDeviceIoControlRequest(Code, device, Input, InputBytes, Output,
                                                       OutputBytes, FALSE, &event, &block),
                         &event, &block);
    ObDereferenceObject(device);
    return status;
}

NTSTATUS KtEduFactorial(ULONG Number, PULONG Result)
{
    return KtEduControl(IOCTL_EDU_FACTORIAL, &Number, sizeof(Number), Result, sizeof(*Result));
}

NTSTATUS KtEduTransfer(BOOLEAN Write, PVOID Buffer, ULONG Length, ULONG64 Offset)
{
    PDEVICE_OBJECT device = KtEduDevice();
    LARGE_INTEGER offset = {.QuadPart = (LONGLONG)Offset};
    IO_STATUS_BLOCK block = {.Status = STATUS_UNSUCCESSFUL};
    KEVENT event;
    NTSTATUS status;

    if (!device)
        return STATUS_NO_SUCH_DEVICE;
    KeInitializeEvent(&event, NotificationEvent, FALSE);
    status = SendAndWait(device,
                         IoBuildSynchronousFsdRequest(Write ? IRP_MJ_WRITE : IRP_MJ_READ, device,
                                                      Buffer, Length, &offset, &event, &block),
                         &event, &block);
    ObDereferenceObject(device);
    return status;
}

VOID KtEduMischief(ULONG Lose, ULONG Spurious)
{
    EDU_MISCHIEF mischief = {Lose, Spurious};

    CHECK_EQUAL(KtEduControl(IOCTL_EDU_MISCHIEF, &mischief, sizeof(mischief), NULL, 0),
                STATUS_SUCCESS);
}

EDU_STATISTICS KtEduStatistics(VOID)
{
    EDU_STATISTICS statistics = {0};

    CHECK_EQUAL(KtEduControl(IOCTL_EDU_STATISTICS, NULL, 0, &statistics, sizeof(statistics)),
                STATUS_SUCCESS);
    return statistics;
}

/* ---- requests that are not waited for ---- */

/* The IRP stays the test's, whose memory it is until KtEduFree. */
static IO_COMPLETION_ROUTINE Keep;
static NTSTATUS Keep(PDEVICE_OBJECT DeviceObject, PIRP Irp, PVOID Context)
{
    PKT_EDU_REQUEST request = Context;

    UNREFERENCED_PARAMETER(DeviceObject);
    request->Block = Irp->IoStatus;
    InterlockedIncrement(&request->Completions);
    KeSetEvent(&request->Event, IO_NO_INCREMENT, FALSE);
    return STATUS_MORE_PROCESSING_REQUIRED;
}

static PIO_STACK_LOCATION Prepare(PKT_EDU_REQUEST Request, UCHAR Major)
{
    PIO_STACK_LOCATION next;

    memset(Request, 0, sizeof(*Request));
    KeInitializeEvent(&Request->Event, NotificationEvent, FALSE);
    Request->Device = KtEduDevice();
    if (!Request->Device)
        return NULL;
    Request->Irp = IoAllocateIrp(Request->Device->StackSize, FALSE);
    if (!CHECK(Request->Irp != NULL))
        return NULL;
    next = IoGetNextIrpStackLocation(Request->Irp);
    next->MajorFunction = Major;
    IoSetCompletionRoutine(Request->Irp, Keep, Request, TRUE, TRUE, TRUE);
    return next;
}

VOID KtEduSendFactorial(PKT_EDU_REQUEST Request, ULONG Number)
{
    PIO_STACK_LOCATION next = Prepare(Request, IRP_MJ_DEVICE_CONTROL);

    if (!next)
        return;
    Request->Number = Number;
    Request->Irp->AssociatedIrp.SystemBuffer = &Request->Number;
    next->Parameters.DeviceIoControl.IoControlCode = IOCTL_EDU_FACTORIAL;
    next->Parameters.DeviceIoControl.InputBufferLength = sizeof(ULONG);
    next->Parameters.DeviceIoControl.OutputBufferLength = sizeof(ULONG);
    IoCallDriver(Request->Device, Request->Irp);
}

VOID KtEduSendTransfer(PKT_EDU_REQUEST Request, BOOLEAN Write, PVOID Buffer, ULONG Length,
                       ULONG64 Offset)
{
    PIO_STACK_LOCATION next = Prepare(Request, Write ? IRP_MJ_WRITE : IRP_MJ_READ);

    if (!next)
        return;
    next->Parameters.Read.Length = Length;
    next->Parameters.Read.ByteOffset.QuadPart = (LONGLONG)Offset;
    IoAllocateMdl(Buffer, Length, FALSE, FALSE, Request->Irp);
    MmBuildMdlForNonPagedPool(Request->Irp->MdlAddress);
    IoCallDriver(Request->Device, Request->Irp);
}

VOID KtEduWait(PKT_EDU_REQUEST Request)
{
    LARGE_INTEGER limit = KtIn(KT_PATIENCE);

    if (Request->Irp)
        CHECK_EQUAL(KeWaitForSingleObject(&Request->Event, Executive, KernelMode, FALSE, &limit),
                    STATUS_SUCCESS);
}

VOID KtEduFree(PKT_EDU_REQUEST Request)
{
    if (Request->Irp) {
        if (Request->Irp->MdlAddress)
            IoFreeMdl(Request->Irp->MdlAddress);
        Request->Irp->MdlAddress = NULL;
        IoFreeIrp(Request->Irp);
    }
    if (Request->Device)
        ObDereferenceObject(Request->Device);
}
