/* io.md, IRP handling: making, sending and completing requests. */
#define SUITE "io.irp"
#include "irp_tool.h"
#include "io/iop.h"

static KT_DISPATCH *const Plain[] = {KtSucceed};
static KT_DISPATCH *const Pending[] = {KtPend};

TEST(T_IoAllocateIrp_1)
{
    ULONG before = KtCountIrps();

    for (CCHAR levels = 1; levels <= 8; levels++) {
        PIRP irp = IoAllocateIrp(levels, FALSE);

        CHECK_EQUAL(irp->Type, IO_TYPE_IRP);
        CHECK_EQUAL(irp->Size, IoSizeOfIrp(levels));
        CHECK_EQUAL(irp->StackCount, levels);
        CHECK_EQUAL(irp->CurrentLocation, levels + 1);
        CHECK_EQUAL(IoGetNextIrpStackLocation(irp),
                    (PIO_STACK_LOCATION)(PVOID)(irp + 1) + levels - 1);
        CHECK_EQUAL(irp->CancelRoutine, NULL);
        CHECK(!irp->Cancel && !irp->MdlAddress && !irp->UserIosb && !irp->UserEvent);
        CHECK(IsListEmpty(&irp->ThreadListEntry));
        RtlZeroMemory(irp + 1, (SIZE_T)levels * sizeof(IO_STACK_LOCATION)); /* it is all there */
        CHECK_EQUAL(KtCountIrps(), before + 1);
        IoFreeIrp(irp);
    }
    CHECK_EQUAL(KtCountIrps(), before);
    CHECK_EQUAL(IoAllocateIrp(0, FALSE), NULL);
    CHECK_EQUAL(IoAllocateIrp(126, FALSE), NULL);
    ExpFailEvery = 1;
    CHECK_EQUAL(IoAllocateIrp(1, FALSE), NULL);
    ExpFailEvery = 0;
}

TEST(IoReuseIrp_keeps_the_memory_and_nothing_else)
{
    PIRP irp = IoAllocateIrp(2, FALSE);

    irp->UserBuffer = irp;
    IoSetNextIrpStackLocation(irp);
    IoMarkIrpPending(irp);
    IoReuseIrp(irp, STATUS_NOT_SUPPORTED);
    CHECK_EQUAL(irp->IoStatus.Status, STATUS_NOT_SUPPORTED);
    CHECK_EQUAL(irp->UserBuffer, NULL);
    CHECK_EQUAL(irp->CurrentLocation, 3);
    CHECK_EQUAL(IoGetNextIrpStackLocation(irp)->Control, 0);
    IoFreeIrp(irp);
}

/* In the driver's own memory: not in the list, and at the end nobody frees it. */
TEST(IoInitializeIrp_in_own_memory)
{
    PKT_LAYER layer = KtMakeStack(1, Plain);
    PIRP irp = ExAllocatePoolWithTag(NonPagedPool, IoSizeOfIrp(1), KT_TAG);
    ULONG before = KtCountIrps();

    memset(irp, POISON, IoSizeOfIrp(1));
    IoInitializeIrp(irp, IoSizeOfIrp(1), 1);
    CHECK_EQUAL(KtCountIrps(), before);
    IoGetNextIrpStackLocation(irp)->MajorFunction = IRP_MJ_READ;
    CHECK_EQUAL(IoCallDriver(layer->Device, irp), STATUS_SUCCESS);
    CHECK_EQUAL(irp->IoStatus.Information, 7);
    ExFreePoolWithTag(irp, KT_TAG);
    KtFreeStack(layer);
}

static NTSTATUS CheckLocation(PKT_LAYER Layer, PIRP Irp)
{
    PIO_STACK_LOCATION location = IoGetCurrentIrpStackLocation(Irp);

    CHECK_EQUAL(location->DeviceObject, Layer->Device);
    CHECK_EQUAL(location->Parameters.Read.Length, 99);
    CHECK_EQUAL(Irp->CurrentLocation, 1);
    KtComplete(Irp, STATUS_DEVICE_NOT_READY);
    return STATUS_DEVICE_NOT_READY;
}

TEST(T_IoCallDriver_1)
{
    static KT_DISPATCH *const routines[] = {CheckLocation};
    PKT_LAYER layer = KtMakeStack(1, routines);
    LONG completions = 0;
    PIRP irp = KtMakeRead(layer, NULL, 99);

    IoSetCompletionRoutine(irp, KtCountAndKeep, &completions, TRUE, TRUE, TRUE);
    CHECK_EQUAL(IoCallDriver(layer->Device, irp), STATUS_DEVICE_NOT_READY); /* its own status */
    CHECK_EQUAL(layer->Calls, 1);
    CHECK_EQUAL(layer->Major, IRP_MJ_READ);
    CHECK_EQUAL(layer->Irql, PASSIVE_LEVEL);
    CHECK_EQUAL(layer->Thread, KeGetCurrentThread()); /* the caller's context */
    CHECK_EQUAL(completions, 1);
    CHECK_EQUAL(irp->CurrentLocation, 2);
    IoFreeIrp(irp);
    KtFreeStack(layer);
}

/* Reads, writes and control requests may be sent at DISPATCH_LEVEL. */
TEST(T_IoCallDriver_2)
{
    static const UCHAR majors[] = {IRP_MJ_READ, IRP_MJ_WRITE, IRP_MJ_DEVICE_CONTROL,
                                   IRP_MJ_INTERNAL_DEVICE_CONTROL, IRP_MJ_POWER};
    PKT_LAYER layer = KtMakeStack(1, Plain);
    LONG completions = 0;

    for (ULONG n = 0; n < ARRAYSIZE(majors); n++) {
        PIRP irp = KtMakeRead(layer, NULL, 0);

        IoGetNextIrpStackLocation(irp)->MajorFunction = majors[n];
        IoSetCompletionRoutine(irp, KtCountAndKeep, &completions, TRUE, TRUE, TRUE);
        AT_IRQL(DISPATCH_LEVEL)
        {
            CHECK_EQUAL(IoCallDriver(layer->Device, irp), STATUS_SUCCESS);
            CHECK_EQUAL(layer->Irql, DISPATCH_LEVEL);
        }
        IoFreeIrp(irp);
    }
    CHECK_EQUAL(completions, ARRAYSIZE(majors));
    KtFreeStack(layer);
}

/* What the driver has not set is answered with STATUS_INVALID_DEVICE_REQUEST, and completed. */
TEST(T_DRIVER_5)
{
    PKT_LAYER layer = KtMakeStack(1, Plain);
    PDRIVER_DISPATCH saved = KtDriver()->MajorFunction[IRP_MJ_WRITE];
    LONG completions = 0;
    PIRP irp = KtMakeRead(layer, NULL, 0);

    KtDriver()->MajorFunction[IRP_MJ_WRITE] = IopInvalidDeviceRequest;
    IoGetNextIrpStackLocation(irp)->MajorFunction = IRP_MJ_WRITE;
    IoSetCompletionRoutine(irp, KtCountAndKeep, &completions, FALSE, TRUE, FALSE);
    CHECK_EQUAL(IoCallDriver(layer->Device, irp), STATUS_INVALID_DEVICE_REQUEST);
    CHECK_EQUAL(completions, 1);
    CHECK_EQUAL(irp->IoStatus.Status, STATUS_INVALID_DEVICE_REQUEST);
    CHECK_EQUAL(layer->Calls, 0);
    IoFreeIrp(irp);
    KtDriver()->MajorFunction[IRP_MJ_WRITE] = saved;
    KtFreeStack(layer);
}

/* A new driver object has that routine for every kind. */
TEST(T_DRIVER_5_every_kind)
{
    PDRIVER_OBJECT driver = KtFindDriver("testtool");
    BOOLEAN load = !driver;

    if (load) {
        CHECK_EQUAL(IopLoadDriver("testtool"), STATUS_SUCCESS);
        driver = KtFindDriver("testtool");
    }
    for (ULONG n = 0; n <= IRP_MJ_MAXIMUM_FUNCTION; n++)
        CHECK_EQUAL(driver->MajorFunction[n], IopInvalidDeviceRequest);
    if (load)
        CHECK_EQUAL(IopUnloadDriver("testtool"), STATUS_SUCCESS);
}

/* Pending or done: the two results that are right. */
TEST(T_DRIVER_6)
{
    PKT_LAYER layer = KtMakeStack(1, Pending);
    LONG completions = 0;
    PIRP irp = KtMakeRead(layer, NULL, 0);

    IoSetCompletionRoutine(irp, KtCountAndKeep, &completions, TRUE, TRUE, TRUE);
    CHECK_EQUAL(IoCallDriver(layer->Device, irp), STATUS_PENDING);
    CHECK_EQUAL(completions, 0);
    CHECK_EQUAL(layer->Kept, irp);
    CHECK(IoGetCurrentIrpStackLocation(irp)->Control & SL_PENDING_RETURNED);
    KtComplete(irp, STATUS_SUCCESS);
    CHECK_EQUAL(completions, 1);
    CHECK_EQUAL(irp->PendingReturned, TRUE);
    IoFreeIrp(irp);
    KtFreeStack(layer);
}

/* The lower driver has the upper one's location. */
TEST(T_IoSkip_1)
{
    static KT_DISPATCH *const routines[] = {KtSucceed, KtPassOn, KtPassOn};
    PKT_LAYER top = KtMakeStack(3, routines);
    LONG completions = 0;
    PIRP irp = KtMakeRead(top, NULL, 0);
    PIO_STACK_LOCATION first = IoGetNextIrpStackLocation(irp);

    CHECK_EQUAL(top->Device->StackSize, 3);
    IoSetCompletionRoutine(irp, KtCountAndKeep, &completions, TRUE, TRUE, TRUE);
    CHECK_EQUAL(IoCallDriver(top->Device, irp), STATUS_SUCCESS);
    CHECK_EQUAL(completions, 1);
    CHECK_EQUAL(first->DeviceObject, KtBelow(KtBelow(top))->Device);
    CHECK_EQUAL(irp->CurrentLocation, 4);
    IoFreeIrp(irp);
    KtFreeStack(top);
}

TEST(T_IoCopy_1)
{
    PIRP irp = IoAllocateIrp(3, FALSE);
    PIO_STACK_LOCATION current, next;

    IoSetNextIrpStackLocation(irp);
    current = IoGetCurrentIrpStackLocation(irp);
    next = IoGetNextIrpStackLocation(irp);
    memset(current, 0x11, sizeof(*current));
    memset(next, 0x22, sizeof(*next));
    IoCopyCurrentIrpStackLocationToNext(irp);
    CHECK_EQUAL(next->MajorFunction, 0x11);
    CHECK_EQUAL(memcmp(&next->Parameters, &current->Parameters, sizeof(next->Parameters)), 0);
    CHECK_EQUAL(next->DeviceObject, current->DeviceObject);
    CHECK_EQUAL(next->FileObject, current->FileObject);
    CHECK_EQUAL(next->Control, 0);                                /* no routine will be called */
    CHECK_EQUAL((ULONG_PTR)next->Context, 0x2222222222222222ULL); /* ... nor is one copied */
    CHECK_EQUAL(current->Control, 0x11);
    IoFreeIrp(irp);
}

TEST(T_IoMarkIrpPending_1)
{
    PIRP irp = IoAllocateIrp(2, FALSE);

    IoSetNextIrpStackLocation(irp);
    IoGetCurrentIrpStackLocation(irp)->Control = SL_INVOKE_ON_ERROR;
    AT_IRQL(HIGH_LEVEL)
    {
        IoMarkIrpPending(irp);
    }
    CHECK_EQUAL(IoGetCurrentIrpStackLocation(irp)->Control,
                SL_INVOKE_ON_ERROR | SL_PENDING_RETURNED);
    CHECK_EQUAL(IoGetNextIrpStackLocation(irp)->Control, 0);
    IoFreeIrp(irp);
}

TEST(T_IoAttach_1)
{
    static KT_DISPATCH *const routines[] = {KtSucceed, KtPassOn, KtPassOn, KtPassOn};
    PKT_LAYER top = KtMakeStack(4, routines);
    PKT_LAYER third = KtBelow(top);
    PDEVICE_OBJECT found;

    CHECK_EQUAL(top->Device->StackSize, 4);
    CHECK_EQUAL(top->Lower, third->Device);
    found = IoGetAttachedDeviceReference(KtBelow(KtBelow(third))->Device);
    CHECK_EQUAL(found, top->Device);
    ObDereferenceObject(found);
    found = IoGetAttachedDeviceReference(top->Device);
    CHECK_EQUAL(found, top->Device);
    ObDereferenceObject(found);
    KtFreeStack(top);
}

/* A PnP request is a request like any other. */
TEST(T_IoAttach_1_pnp_request)
{
    static KT_DISPATCH *const routines[] = {KtSucceed, KtForward};
    PKT_LAYER top = KtMakeStack(2, routines);
    LONG completions = 0;
    PIRP irp = KtMakeRead(top, NULL, 0);

    KtTraceReset();
    IoGetNextIrpStackLocation(irp)->MajorFunction = IRP_MJ_PNP;
    IoGetNextIrpStackLocation(irp)->MinorFunction = IRP_MN_REMOVE_DEVICE;
    IoSetCompletionRoutine(irp, KtCountAndKeep, &completions, TRUE, TRUE, TRUE);
    irp->IoStatus.Status = STATUS_NOT_SUPPORTED;
    CHECK_EQUAL(IoCallDriver(top->Device, irp), STATUS_SUCCESS);
    CHECK_EQUAL(KtBelow(top)->Major, IRP_MJ_PNP);
    CHECK_EQUAL(KtBelow(top)->Minor, IRP_MN_REMOVE_DEVICE);
    CHECK_TRACE("b");
    IoFreeIrp(irp);
    KtFreeStack(top);
}
