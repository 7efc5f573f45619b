/* Stacks of test devices. PASSIVE_LEVEL unless stated. */
#include "irp_tool.h"
#include "io/iop.h"

static DRIVER_DISPATCH Dispatch;
static NTSTATUS Dispatch(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    PKT_LAYER layer = DeviceObject->DeviceExtension;

    layer->Major = IoGetCurrentIrpStackLocation(Irp)->MajorFunction;
    layer->Minor = IoGetCurrentIrpStackLocation(Irp)->MinorFunction;
    layer->Irql = KeGetCurrentIrql();
    layer->Thread = KeGetCurrentThread();
    InterlockedIncrement(&layer->Calls);
    return layer->Dispatch(layer, Irp);
}

PKT_LAYER KtMakeStack(ULONG Count, KT_DISPATCH *const Routines[])
{
    return KtMakeNamedStack(NULL, Count, Routines);
}

PKT_LAYER KtMakeNamedStack(PCWSTR Name, ULONG Count, KT_DISPATCH *const Routines[])
{
    UNICODE_STRING name;
    PDRIVER_OBJECT driver = KtDriver();
    PKT_LAYER top = NULL;

    for (ULONG n = 0; n <= IRP_MJ_MAXIMUM_FUNCTION; n++)
        driver->MajorFunction[n] = Dispatch;
    for (ULONG n = 0; n < Count; n++) {
        PDEVICE_OBJECT device = NULL;
        PUNICODE_STRING deviceName = Name && n == 0 ? &name : NULL;
        PKT_LAYER layer;

        RtlInitUnicodeString(&name, Name);
        CHECK_EQUAL(IoCreateDevice(driver, sizeof(KT_LAYER), deviceName, FILE_DEVICE_UNKNOWN, 0,
                                   FALSE, &device),
                    STATUS_SUCCESS);
        layer = device->DeviceExtension;
        layer->Device = device;
        layer->Dispatch = Routines[n];
        layer->Event = (CHAR)('a' + n);
        layer->Completion = KtTraceCompletion;
        layer->Lower = top ? IoAttachDeviceToDeviceStack(device, top->Device) : NULL;
        device->Flags &= ~(ULONG)DO_DEVICE_INITIALIZING;
        top = layer;
    }
    return top;
}

VOID KtFreeStack(PKT_LAYER Top)
{
    while (Top) {
        PKT_LAYER below = KtBelow(Top);

        if (below)
            IoDetachDevice(Top->Lower);
        IoDeleteDevice(Top->Device);
        Top = below;
    }
}

PKT_LAYER KtBelow(PKT_LAYER Layer)
{
    return Layer->Lower ? Layer->Lower->DeviceExtension : NULL;
}

VOID KtComplete(PIRP Irp, NTSTATUS Status)
{
    Irp->IoStatus.Status = Status;
    Irp->IoStatus.Information = 0;
    IoCompleteRequest(Irp, IO_NO_INCREMENT);
}

NTSTATUS KtSucceed(UNUSED PKT_LAYER Layer, PIRP Irp)
{
    Irp->IoStatus.Status = STATUS_SUCCESS;
    Irp->IoStatus.Information = 7;
    IoCompleteRequest(Irp, IO_NO_INCREMENT);
    return STATUS_SUCCESS;
}

NTSTATUS KtFail(UNUSED PKT_LAYER Layer, PIRP Irp)
{
    KtComplete(Irp, STATUS_UNSUCCESSFUL);
    return STATUS_UNSUCCESSFUL;
}

NTSTATUS KtPend(PKT_LAYER Layer, PIRP Irp)
{
    IoMarkIrpPending(Irp);
    Layer->Kept = Irp;
    return STATUS_PENDING;
}

NTSTATUS KtPassOn(PKT_LAYER Layer, PIRP Irp)
{
    IoSkipCurrentIrpStackLocation(Irp);
    return IoCallDriver(Layer->Lower, Irp);
}

NTSTATUS KtForward(PKT_LAYER Layer, PIRP Irp)
{
    IoCopyCurrentIrpStackLocationToNext(Irp);
    IoSetCompletionRoutine(Irp, Layer->Completion, Layer, TRUE, TRUE, TRUE);
    return IoCallDriver(Layer->Lower, Irp);
}

NTSTATUS KtTraceCompletion(PDEVICE_OBJECT DeviceObject, PIRP Irp, PVOID Context)
{
    PKT_LAYER layer = Context;

    CHECK_EQUAL(DeviceObject, layer->Device);
    KtTrace(layer->Event);
    if (Irp->PendingReturned)
        IoMarkIrpPending(Irp);
    return STATUS_CONTINUE_COMPLETION;
}

NTSTATUS KtCountAndKeep(PDEVICE_OBJECT DeviceObject, UNUSED PIRP Irp, PVOID Context)
{
    CHECK_EQUAL(DeviceObject, NULL); /* the maker has no location of its own */
    InterlockedIncrement((volatile LONG *)Context);
    return STATUS_MORE_PROCESSING_REQUIRED;
}

PIRP KtMakeRead(PKT_LAYER Top, PVOID Buffer, ULONG Length)
{
    PIRP irp = IoAllocateIrp(Top->Device->StackSize, FALSE);
    PIO_STACK_LOCATION next = IoGetNextIrpStackLocation(irp);

    next->MajorFunction = IRP_MJ_READ;
    next->Parameters.Read.Length = Length;
    irp->UserBuffer = Buffer;
    return irp;
}

NTSTATUS KtSend(PKT_LAYER Top, PIRP Irp, PKEVENT Event, PIO_STATUS_BLOCK Block)
{
    NTSTATUS status = IoCallDriver(Top->Device, Irp);

    if (status == STATUS_PENDING) {
        KeWaitForSingleObject(Event, Executive, KernelMode, FALSE, NULL);
        status = Block->Status;
    }
    CHECK_EQUAL(KeReadStateEvent(Event) || status != STATUS_SUCCESS || Block->Status == status,
                TRUE);
    return status;
}

ULONG KtCountIrps(VOID)
{
    ULONG count = 0;
    KIRQL oldIrql;

    KeAcquireSpinLock(&IopIrpLock, &oldIrql);
    for (PLIST_ENTRY link = IopIrpList.Flink; link != &IopIrpList; link = link->Flink)
        count++;
    KeReleaseSpinLock(&IopIrpLock, oldIrql);
    return count;
}
