/* Errors of io.md, IRP handling and Cancellation, with the codes of bugcheck-verifier.md. */
#define SUITE "negative.irp"
#include "irp_tool.h"
#include "thread_tool.h"
#include "io/iop.h"

static KT_DISPATCH *const Plain[] = {KtSucceed};
static KT_DISPATCH *const Pending[] = {KtPend};

static LONG Completions;

static PIRP MakeRead(PKT_LAYER Layer)
{
    PIRP irp = KtMakeRead(Layer, NULL, 0);

    IoSetCompletionRoutine(irp, KtCountAndKeep, &Completions, TRUE, TRUE, TRUE);
    return irp;
}

/* 0x35: IRP. */
TEST(T_IoCallDriver_1)
{
    PKT_LAYER layer = KtMakeStack(1, Plain);
    PIRP irp = MakeRead(layer);

    CHECK_EQUAL(IoCallDriver(layer->Device, irp), STATUS_SUCCESS);
    IoSetNextIrpStackLocation(irp); /* as if the driver passed it on once more */
    EXPECT_BUGCHECK(0x35, irp, ANY, ANY, ANY)
    {
        IoCallDriver(layer->Device, irp);
    }
    IoReuseIrp(irp, 0);
    IoFreeIrp(irp);
    KtFreeStack(layer);
}

static DRIVER_CANCEL NeverCancelled;
static VOID NeverCancelled(UNUSED PDEVICE_OBJECT DeviceObject, UNUSED PIRP Irp)
{
    CHECK(!"this routine must not be called");
}

/* 0xC9/0x203 with a cancel routine, 0xC4/0xC0 with interrupts off, 0xC9/3 and 4 for no objects. */
TEST(T_IoCallDriver_2)
{
    PKT_LAYER layer = KtMakeStack(1, Plain);
    PIRP irp = MakeRead(layer);

    IoSetCancelRoutine(irp, NeverCancelled);
    EXPECT_BUGCHECK(0xC9, 0x203, irp, NeverCancelled, layer->Device)
    {
        IoCallDriver(layer->Device, irp);
    }
    IoSetCancelRoutine(irp, NULL);
    EXPECT_BUGCHECK(0xC4, 0xC0, irp, ANY, ANY)
    {
        ArchDisableInterrupts();
        IoCallDriver(layer->Device, irp);
    }
    EXPECT_BUGCHECK(0xC9, 0x03, layer->Device, ANY, ANY)
    {
        IoCallDriver(layer->Device, (PIRP)(PVOID)layer->Device);
    }
    EXPECT_BUGCHECK(0xC9, 0x04, irp, ANY, ANY)
    {
        IoCallDriver((PDEVICE_OBJECT)(PVOID)irp, irp);
    }
    IoFreeIrp(irp);
    KtFreeStack(layer);
}

/* Kinds of requests that are not for DISPATCH_LEVEL. */
TEST(T_IoCallDriver_2_forwarded_at_a_bad_irql)
{
    PKT_LAYER layer = KtMakeStack(1, Plain);
    PIRP irp = MakeRead(layer);

    IoGetNextIrpStackLocation(irp)->MajorFunction = IRP_MJ_PNP;
    AT_IRQL(DISPATCH_LEVEL)
    {
        EXPECT_BUGCHECK(0xC4, RULE_IRQL_IO_FORWARD, DISPATCH_LEVEL, irp, ANY)
        {
            IoCallDriver(layer->Device, irp);
        }
    }
    IoReuseIrp(irp, 0);
    IoFreeIrp(irp);
    KtFreeStack(layer);
}

/* 0xC9/0x10: device, IRQL; 0xC9/0x0E: IRQL, IRP. */
TEST(T_IRQL_ERR_5)
{
    PKT_LAYER layer = KtMakeStack(1, Plain);
    PIRP irp = MakeRead(layer);

    AT_IRQL(5)
    {
        EXPECT_BUGCHECK(0xC9, 0x10, layer->Device, 5, irp)
        {
            IoCallDriver(layer->Device, irp);
        }
        EXPECT_BUGCHECK(0xC9, 0x0E, 5, irp, ANY)
        {
            IoCompleteRequest(irp, IO_NO_INCREMENT);
        }
    }
    IoFreeIrp(irp);
    KtFreeStack(layer);
}

static KIRQL LeaveAt;
static NTSTATUS ReturnsAtAnotherLevel(PKT_LAYER Layer, PIRP Irp)
{
    KfRaiseIrql(LeaveAt);
    return KtSucceed(Layer, Irp);
}

static NTSTATUS ForgetsTheIrp(PKT_LAYER Layer, PIRP Irp)
{
    Layer->Kept = Irp;
    return STATUS_SUCCESS;
}

static NTSTATUS ForgetsTheMark(PKT_LAYER Layer, PIRP Irp)
{
    Layer->Kept = Irp;
    return STATUS_PENDING;
}

/* 0xC9/5: device, IRQL before, after. 0xC9/0x80 and 0x81: device, IRP, status. */
TEST(T_DRIVER_6)
{
    PKT_LAYER layer = KtMakeStack(1, Plain);
    PIRP irp = MakeRead(layer);

    LeaveAt = DISPATCH_LEVEL;
    layer->Dispatch = ReturnsAtAnotherLevel;
    EXPECT_BUGCHECK(0xC9, 0x05, layer->Device, PASSIVE_LEVEL, DISPATCH_LEVEL)
    {
        IoCallDriver(layer->Device, irp);
    }
    IoFreeIrp(irp);
    layer->Dispatch = ForgetsTheIrp;
    irp = MakeRead(layer);
    EXPECT_BUGCHECK(0xC9, 0x80, layer->Device, irp, STATUS_SUCCESS)
    {
        IoCallDriver(layer->Device, irp);
    }
    KtComplete(irp, STATUS_SUCCESS);
    IoFreeIrp(irp);
    layer->Dispatch = ForgetsTheMark;
    irp = MakeRead(layer);
    EXPECT_BUGCHECK(0xC9, 0x81, layer->Device, irp, STATUS_PENDING)
    {
        IoCallDriver(layer->Device, irp);
    }
    KtComplete(irp, STATUS_SUCCESS);
    IoFreeIrp(irp);
    KtFreeStack(layer);
}

/* 0x44 on the second completion that nobody has asked for; 0xC9/6; 0xC9/7. */
TEST(T_IoCompleteRequest_5)
{
    PKT_LAYER layer = KtMakeStack(1, Pending);
    PIRP irp = MakeRead(layer);
    PIRP_RECORD record;

    CHECK_EQUAL(IoCallDriver(layer->Device, irp), STATUS_PENDING);
    irp->IoStatus.Status = STATUS_PENDING;
    EXPECT_BUGCHECK(0xC9, 0x06, STATUS_PENDING, irp, ANY)
    {
        IoCompleteRequest(irp, IO_NO_INCREMENT);
    }
    irp->IoStatus.Status = -1;
    EXPECT_BUGCHECK(0xC9, 0x06, ANY, irp, ANY)
    {
        IoCompleteRequest(irp, IO_NO_INCREMENT);
    }
    irp->IoStatus.Status = STATUS_SUCCESS;
    IoSetCancelRoutine(irp, NeverCancelled);
    EXPECT_BUGCHECK(0xC9, 0x07, NeverCancelled, irp, ANY)
    {
        IoCompleteRequest(irp, IO_NO_INCREMENT);
    }
    IoSetCancelRoutine(irp, NULL);
    Completions = 0;
    IoCompleteRequest(irp, IO_NO_INCREMENT);
    CHECK_EQUAL(Completions, 1);
    record = IopRecordOf(irp);
    IopReferenceRecord(record);              /* so that the test may still look at it */
    IoCompleteRequest(irp, IO_NO_INCREMENT); /* its owner lets it go on: the end */
    EXPECT_BUGCHECK(0x44, irp, ANY, ANY, ANY)
    {
        IoCompleteRequest(irp, IO_NO_INCREMENT);
    }
    IopDereferenceRecord(record);
    KtFreeStack(layer);
}

/* The same of one in a driver's own memory, which is still an IRP afterwards. */
TEST(T_IoCompleteRequest_5_own_memory)
{
    PKT_LAYER layer = KtMakeStack(1, Pending);
    PIRP irp = ExAllocatePoolWithTag(NonPagedPool, IoSizeOfIrp(1), KT_TAG);

    IoInitializeIrp(irp, IoSizeOfIrp(1), 1);
    IoGetNextIrpStackLocation(irp)->MajorFunction = IRP_MJ_READ;
    CHECK_EQUAL(IoCallDriver(layer->Device, irp), STATUS_PENDING);
    KtComplete(irp, STATUS_SUCCESS);
    EXPECT_BUGCHECK(0x44, irp, ANY, ANY, ANY)
    {
        KtComplete(irp, STATUS_SUCCESS);
    }
    ExFreePoolWithTag(irp, KT_TAG);
    KtFreeStack(layer);
}

static NTSTATUS CompletesAtAnotherLevel(UNUSED PDEVICE_OBJECT DeviceObject, UNUSED PIRP Irp,
                                        UNUSED PVOID Context)
{
    KfRaiseIrql(LeaveAt);
    return STATUS_MORE_PROCESSING_REQUIRED;
}

static NTSTATUS CompletesInARegion(UNUSED PDEVICE_OBJECT DeviceObject, UNUSED PIRP Irp,
                                   UNUSED PVOID Context)
{
    KeEnterCriticalRegion();
    return STATUS_MORE_PROCESSING_REQUIRED;
}

/* 0xC4/0xFA: routine, IRQL before, after; 0xC4/0xFB: the same of the APC count. */
TEST(T_IoCompleteRequest_1)
{
    PKT_LAYER layer = KtMakeStack(1, Plain);
    PIRP irp = KtMakeRead(layer, NULL, 0);

    LeaveAt = APC_LEVEL;
    IoSetCompletionRoutine(irp, CompletesAtAnotherLevel, NULL, TRUE, TRUE, TRUE);
    EXPECT_BUGCHECK(0xC4, 0xFA, CompletesAtAnotherLevel, PASSIVE_LEVEL, APC_LEVEL)
    {
        IoCallDriver(layer->Device, irp);
    }
    IoFreeIrp(irp);
    irp = KtMakeRead(layer, NULL, 0);
    IoSetCompletionRoutine(irp, CompletesInARegion, NULL, TRUE, TRUE, TRUE);
    EXPECT_BUGCHECK(0xC4, 0xFB, CompletesInARegion, ANY, ANY)
    {
        IoCallDriver(layer->Device, irp);
    }
    IoFreeIrp(irp);
    if (KeAreApcsDisabled())
        KeLeaveCriticalRegion();
    KtFreeStack(layer);
}

/* 0xC9/1 for what is no IRP or is free already, 0xC9/2 for one that is a thread's. */
TEST(IoFreeIrp_of_the_wrong_thing)
{
    PKT_LAYER layer = KtMakeStack(1, Pending);
    IO_STATUS_BLOCK block;
    PIRP_RECORD record;
    KEVENT event;
    PIRP irp;

    EXPECT_BUGCHECK(0xC9, 0x01, layer->Device, ANY, ANY)
    {
        IoFreeIrp((PIRP)(PVOID)layer->Device);
    }
    KeInitializeEvent(&event, NotificationEvent, FALSE);
    irp = IoBuildSynchronousFsdRequest(IRP_MJ_READ, layer->Device, NULL, 0, NULL, &event, &block);
    EXPECT_BUGCHECK(0xC9, 0x02, irp, ANY, ANY)
    {
        IoFreeIrp(irp);
    }
    CHECK_EQUAL(IoCallDriver(layer->Device, irp), STATUS_PENDING);
    record = IopRecordOf(irp);
    IopReferenceRecord(record);
    KtComplete(irp, STATUS_SUCCESS);
    EXPECT_BUGCHECK(0xC9, 0x01, irp, ANY, ANY)
    {
        IoFreeIrp(irp);
    }
    IopDereferenceRecord(record);
    KtFreeStack(layer);
}

/* ---- cancellation ---- */

static VOID KeepsTheLock(UNUSED PDEVICE_OBJECT DeviceObject, UNUSED PIRP Irp)
{
}

static VOID FreesItAtAnotherLevel(UNUSED PDEVICE_OBJECT DeviceObject, UNUSED PIRP Irp)
{
    IoReleaseCancelSpinLock(DISPATCH_LEVEL);
}

/* 0x11B: IRP, cancel routine. */
TEST(T_DRIVER_CANCEL_1)
{
    PIRP irp = IoAllocateIrp(1, FALSE);

    IoSetNextIrpStackLocation(irp);
    IoSetCancelRoutine(irp, KeepsTheLock);
    EXPECT_BUGCHECK(0x11B, irp, KeepsTheLock, ANY, ANY)
    {
        IoCancelIrp(irp);
    }
    AT_IRQL(DISPATCH_LEVEL)
    {
        IoReleaseCancelSpinLock(DISPATCH_LEVEL);
        IoSetCancelRoutine(irp, KeepsTheLock);
        EXPECT_BUGCHECK(0x11B, irp, KeepsTheLock, ANY, ANY)
        {
            IoCancelIrp(irp);
        }
        IoReleaseCancelSpinLock(DISPATCH_LEVEL);
    }
    IoSetCancelRoutine(irp, FreesItAtAnotherLevel);
    EXPECT_BUGCHECK(0x11B, irp, FreesItAtAnotherLevel, DISPATCH_LEVEL, PASSIVE_LEVEL)
    {
        IoCancelIrp(irp);
    }
    IoFreeIrp(irp);
}

/* 0xC4/0x135: IRP, milliseconds. The thread ends for real when the request is completed. */
static PKT_LAYER StubbornLayer;

ROUTINE(EndTooEarly)
{
    IO_STATUS_BLOCK block;
    KEVENT event;
    PIRP irp;

    KeInitializeEvent(&event, NotificationEvent, FALSE);
    irp = IoBuildSynchronousFsdRequest(IRP_MJ_READ, StubbornLayer->Device, NULL, 0, NULL, &event,
                                       &block);
    CHECK_EQUAL(IoCallDriver(StubbornLayer->Device, irp), STATUS_PENDING);
    EXPECT_BUGCHECK(0xC4, 0x135, irp, 20, ANY)
    {
        IopCancelRequestsOfThread(KeGetCurrentThread());
    }
    KeGetCurrentThread()->IrpListEmpty = NULL;
    KtComplete(irp, STATUS_CANCELLED);
}

TEST(T_IoBuildSync_1)
{
    ULONG64 patience = IopCancelPatience;
    KT_THREAD thread;

    StubbornLayer = KtMakeStack(1, Pending);
    IopCancelPatience = 20;
    CHECK(KtStartThread(&thread, 0, NORMAL_PRIORITY, EndTooEarly, NULL));
    CHECK(KtEndThread(&thread));
    IopCancelPatience = patience;
    KtFreeStack(StubbornLayer);
}

/* [choice] 0xC9/0x82: IRP, Information, the buffer's length. */
static NTSTATUS SaysTooMuch(UNUSED PKT_LAYER Layer, PIRP Irp)
{
    Irp->IoStatus.Status = STATUS_SUCCESS;
    Irp->IoStatus.Information = 100;
    IoCompleteRequest(Irp, IO_NO_INCREMENT);
    return STATUS_SUCCESS;
}

TEST(more_information_than_the_buffer_holds)
{
    PKT_LAYER layer = KtMakeStack(1, Plain);
    UCHAR buffer[10];
    PIRP irp;

    layer->Device->Flags |= DO_BUFFERED_IO;
    layer->Dispatch = SaysTooMuch;
    irp = IoBuildAsynchronousFsdRequest(IRP_MJ_READ, layer->Device, buffer, sizeof(buffer), NULL,
                                        NULL);
    EXPECT_BUGCHECK(0xC9, 0x82, irp, 100, sizeof(buffer))
    {
        IoCallDriver(layer->Device, irp);
    }
    IopFreeBuffers(irp);
    IoFreeIrp(irp);
    KtFreeStack(layer);
}

/* 0xCE: what is left of a driver's requests at its unload. Nothing in a driver's code here, so
 * it is the IRP that was sent to it. */
TEST(T_DRIVER_4_request_left_behind)
{
    PKT_LAYER layer = KtMakeStack(1, Pending);
    PIRP irp = MakeRead(layer);

    CHECK_EQUAL(IopFindRequestOf(KtDriver()), NULL);
    CHECK_EQUAL(IoCallDriver(layer->Device, irp), STATUS_PENDING);
    CHECK_EQUAL(IopFindRequestOf(KtDriver()), irp);
    EXPECT_BUGCHECK(0xCE, irp, 0, irp, ANY)
    {
        IopCheckLeftovers(KtDriver(), "testplain");
    }
    KtComplete(irp, STATUS_SUCCESS);
    CHECK_EQUAL(IopFindRequestOf(KtDriver()), NULL);
    IoFreeIrp(irp);
    KtFreeStack(layer);
}

/* ... and the three ways by which a request leads to code. */
TEST(T_DRIVER_4_code_of_a_request)
{
    PKT_LAYER layer = KtMakeStack(1, Pending);
    PIRP irp = MakeRead(layer);
    DRIVER_OBJECT driver = {.DriverStart = (PVOID)KtCountAndKeep, .DriverSize = 1};

    CHECK_EQUAL(IoCallDriver(layer->Device, irp), STATUS_PENDING);
    CHECK_EQUAL(IopFindRequestOf(&driver), KtCountAndKeep);
    driver.DriverStart = (PVOID)NeverCancelled;
    CHECK_EQUAL(IopFindRequestOf(&driver), NULL);
    IoSetCancelRoutine(irp, NeverCancelled);
    CHECK_EQUAL(IopFindRequestOf(&driver), NeverCancelled);
    IoSetCancelRoutine(irp, NULL);
    driver.DriverStart = IopRecordOf(irp)->Maker;
    CHECK_EQUAL(IopFindRequestOf(&driver), driver.DriverStart);
    driver.DriverStart = (PVOID)KtCountAndKeep;
    KtComplete(irp, STATUS_SUCCESS);
    CHECK_EQUAL(IopFindRequestOf(&driver), NULL);
    IoFreeIrp(irp);
    KtFreeStack(layer);
}
