/* io.md, IRP handling: the way back up. */
#define SUITE "io.complete"
#include "irp_tool.h"
#include "thread_tool.h"

static KT_DISPATCH *const Forwarding[] = {KtSucceed, KtForward, KtForward, KtForward};
static KT_DISPATCH *const ForwardingFailure[] = {KtFail, KtForward, KtForward, KtForward};
static KT_DISPATCH *const ForwardingPend[] = {KtPend, KtForward, KtForward, KtForward};

/* Sends a read to the top that its maker keeps; the IRP is the caller's to free. */
static PIRP SendRead(PKT_LAYER Top, NTSTATUS Expected, LONG *Completions)
{
    PIRP irp = KtMakeRead(Top, NULL, 0);

    *Completions = 0;
    KtTraceReset();
    IoSetCompletionRoutine(irp, KtCountAndKeep, Completions, TRUE, TRUE, TRUE);
    CHECK_EQUAL(IoCallDriver(Top->Device, irp), Expected);
    return irp;
}

/* From the next-higher driver to the highest, then the maker. */
TEST(T_IoCompleteRequest_1)
{
    PKT_LAYER top = KtMakeStack(4, Forwarding);
    LONG completions;
    PIRP irp = SendRead(top, STATUS_SUCCESS, &completions);

    CHECK_TRACE("bcd");
    CHECK_EQUAL(completions, 1);
    CHECK_EQUAL(irp->IoStatus.Information, 7);
    IoFreeIrp(irp);
    KtFreeStack(top);
}

/* Which ends a routine is called for. One location, all eight settings, four ends. */
TEST(T_IoCompleteRequest_1_conditions)
{
    PKT_LAYER layer = KtMakeStack(1, ForwardingPend);

    for (ULONG n = 0; n < 32; n++) {
        BOOLEAN onSuccess = n & 1, onError = (n >> 1) & 1, onCancel = (n >> 2) & 1;
        BOOLEAN success = (n >> 3) & 1, cancelled = (n >> 4) & 1;
        LONG calls = 0;
        PIRP irp = IoAllocateIrp(1, FALSE);
        BOOLEAN wanted = (success && onSuccess) || (!success && onError) || (cancelled && onCancel);

        IoGetNextIrpStackLocation(irp)->MajorFunction = IRP_MJ_READ;
        IoSetCompletionRoutine(irp, KtCountAndKeep, &calls, onSuccess, onError, onCancel);
        CHECK_EQUAL(IoCallDriver(layer->Device, irp), STATUS_PENDING);
        if (cancelled)
            CHECK_EQUAL(IoCancelIrp(irp), FALSE);
        KtComplete(irp, success ? STATUS_SUCCESS : STATUS_IO_DEVICE_ERROR);
        CHECK_EQUAL(calls, wanted);
        if (wanted)
            IoFreeIrp(irp); /* otherwise it has gone to its end */
    }
    KtFreeStack(layer);
}

/* At the completer's IRQL, here in a DPC. */
static PIRP DpcIrp;

DPC_ROUTINE(CompleteInDpc)
{
    KtComplete(DpcIrp, STATUS_SUCCESS);
}

static KIRQL CompletionIrql;

static NTSTATUS NoteIrql(UNUSED PDEVICE_OBJECT DeviceObject, UNUSED PIRP Irp, UNUSED PVOID Context)
{
    CompletionIrql = KeGetCurrentIrql();
    return STATUS_MORE_PROCESSING_REQUIRED;
}

TEST(T_IoCompleteRequest_1_irql__T_KDEFERRED_6__S_67)
{
    PKT_LAYER layer = KtMakeStack(1, ForwardingPend);
    PIRP irp = KtMakeRead(layer, NULL, 0);
    KDPC dpc;

    CompletionIrql = HIGH_LEVEL;
    IoSetCompletionRoutine(irp, NoteIrql, NULL, TRUE, TRUE, TRUE);
    CHECK_EQUAL(IoCallDriver(layer->Device, irp), STATUS_PENDING);
    DpcIrp = layer->Kept;
    KeInitializeDpc(&dpc, CompleteInDpc, NULL);
    KeInsertQueueDpc(&dpc, NULL, NULL);
    CHECK_EQUAL(CompletionIrql, DISPATCH_LEVEL);
    IoFreeIrp(irp);
    KtFreeStack(layer);
}

/* The middle driver keeps the IRP once; what is above hears of it when that driver goes on. */
static LONG KeepOnce;

static NTSTATUS KeepFirstTime(UNUSED PDEVICE_OBJECT DeviceObject, UNUSED PIRP Irp, PVOID Context)
{
    PKT_LAYER layer = Context;

    KtTrace(layer->Event);
    return InterlockedExchange(&KeepOnce, 0) ? STATUS_MORE_PROCESSING_REQUIRED
                                             : STATUS_CONTINUE_COMPLETION;
}

TEST(T_IoCompleteRequest_2)
{
    PKT_LAYER top = KtMakeStack(4, Forwarding);
    LONG completions;
    PIRP irp;

    KeepOnce = 1;
    KtBelow(top)->Completion = KeepFirstTime;
    irp = SendRead(top, STATUS_SUCCESS, &completions);
    CHECK_TRACE("bc");
    CHECK_EQUAL(completions, 0);
    CHECK_EQUAL(IoGetCurrentIrpStackLocation(irp)->DeviceObject, KtBelow(top)->Device);
    CHECK_EQUAL(IoGetNextIrpStackLocation(irp)->Control, 0); /* if it is sent down again */
    IoCompleteRequest(irp, IO_NO_INCREMENT);                 /* resumes above */
    CHECK_TRACE("bcd");
    CHECK_EQUAL(completions, 1);
    IoFreeIrp(irp);
    KtFreeStack(top);
}

/* The middle driver sends the IRP down again from its completion routine: a retry. */
static LONG Retries;

static NTSTATUS SendAgain(UNUSED PDEVICE_OBJECT DeviceObject, PIRP Irp, PVOID Context)
{
    PKT_LAYER layer = Context;

    KtTrace(layer->Event);
    if (++Retries == 3)
        return STATUS_CONTINUE_COMPLETION;
    KtForward(layer, Irp);
    return STATUS_MORE_PROCESSING_REQUIRED;
}

TEST(T_IoCompleteRequest_2_retry__S_68)
{
    PKT_LAYER top = KtMakeStack(4, ForwardingFailure);
    LONG completions;
    PIRP irp;

    Retries = 0;
    KtBelow(top)->Completion = SendAgain;
    irp = SendRead(top, STATUS_UNSUCCESSFUL, &completions);
    CHECK_TRACE("bcbcbcd");
    CHECK_EQUAL(KtBelow(KtBelow(KtBelow(top)))->Calls, 3);
    CHECK_EQUAL(completions, 1);
    IoFreeIrp(irp);
    KtFreeStack(top);
}

/* A level whose routine is not called, or that has none, passes the mark on. */
static LONG SeenPending;

static NTSTATUS NotePending(UNUSED PDEVICE_OBJECT DeviceObject, PIRP Irp, UNUSED PVOID Context)
{
    SeenPending = Irp->PendingReturned;
    return STATUS_MORE_PROCESSING_REQUIRED;
}

static NTSTATUS CopyWithoutRoutine(PKT_LAYER Layer, PIRP Irp)
{
    IoCopyCurrentIrpStackLocationToNext(Irp);
    return IoCallDriver(Layer->Lower, Irp);
}

static NTSTATUS CopyForErrorOnly(PKT_LAYER Layer, PIRP Irp)
{
    IoCopyCurrentIrpStackLocationToNext(Irp);
    IoSetCompletionRoutine(Irp, KtTraceCompletion, Layer, FALSE, TRUE, FALSE);
    return IoCallDriver(Layer->Lower, Irp);
}

static VOID CheckPropagation(KT_DISPATCH *Bottom, NTSTATUS Expected, BOOLEAN Pending)
{
    KT_DISPATCH *const routines[] = {Bottom, CopyWithoutRoutine, CopyForErrorOnly};
    PKT_LAYER top = KtMakeStack(3, routines);
    PIRP irp = KtMakeRead(top, NULL, 0);

    SeenPending = -1;
    IoSetCompletionRoutine(irp, NotePending, NULL, TRUE, TRUE, TRUE);
    CHECK_EQUAL(IoCallDriver(top->Device, irp), Expected);
    if (Pending)
        KtComplete(irp, STATUS_SUCCESS);
    CHECK_EQUAL(SeenPending, Pending);
    IoFreeIrp(irp);
    KtFreeStack(top);
}

TEST(T_IoCompleteRequest_3)
{
    CheckPropagation(KtPend, STATUS_PENDING, TRUE);
    CheckPropagation(KtSucceed, STATUS_SUCCESS, FALSE);
}

/* Marked, and completed before the dispatch routine returns: it returns STATUS_PENDING all the
 * same, and whoever waits is told. */
static NTSTATUS PendAndSucceed(UNUSED PKT_LAYER Layer, PIRP Irp)
{
    IoMarkIrpPending(Irp);
    KtComplete(Irp, STATUS_SUCCESS);
    return STATUS_PENDING;
}

TEST(T_IoMarkIrpPending_1_completed_at_once)
{
    KT_DISPATCH *const routines[] = {PendAndSucceed, KtForward};
    PKT_LAYER top = KtMakeStack(2, routines);
    IO_STATUS_BLOCK block;
    KEVENT event;
    PIRP irp;

    KtPoison(&block);
    KeInitializeEvent(&event, NotificationEvent, FALSE);
    irp = IoBuildSynchronousFsdRequest(IRP_MJ_FLUSH_BUFFERS, top->Device, NULL, 0, NULL, &event,
                                       &block);
    CHECK_EQUAL(IoCallDriver(top->Device, irp), STATUS_PENDING);
    CHECK_EQUAL(KeReadStateEvent(&event), 1);
    CHECK_EQUAL(block.Status, STATUS_SUCCESS);
    KtFreeStack(top);
}

/*
 * The maker has no location of its own: its completion routine runs with DeviceObject NULL and
 * there is nothing to mark. The memory behind the last location is not touched.
 */
TEST(T_IoMarkIrpPending_2)
{
    PKT_LAYER layer = KtMakeStack(1, ForwardingPend);
    LONG completions = 0;
    PIRP irp = KtMakeRead(layer, NULL, 0);
    PUCHAR behind = (PUCHAR)irp + irp->Size;
    UCHAR before[offsetof(IO_STACK_LOCATION, Parameters)];

    memcpy(before, behind, sizeof(before));
    IoSetCompletionRoutine(irp, KtCountAndKeep, &completions, TRUE, TRUE, TRUE);
    CHECK_EQUAL(IoCallDriver(layer->Device, irp), STATUS_PENDING);
    KtComplete(irp, STATUS_SUCCESS);
    CHECK_EQUAL(completions, 1);
    CHECK_EQUAL(memcmp(before, behind, sizeof(before)), 0);
    IoFreeIrp(irp);
    KtFreeStack(layer);
}

/* Status block, event, and the IRP is gone. */
TEST(T_IoCompleteRequest_4)
{
    PKT_LAYER top = KtMakeStack(4, ForwardingPend);
    ULONG before = KtCountIrps();
    IO_STATUS_BLOCK block;
    KEVENT event;
    PIRP irp;

    KtPoison(&block);
    KeInitializeEvent(&event, NotificationEvent, FALSE);
    irp = IoBuildSynchronousFsdRequest(IRP_MJ_READ, top->Device, NULL, 0, NULL, &event, &block);
    CHECK_EQUAL(IoCallDriver(top->Device, irp), STATUS_PENDING);
    CHECK_EQUAL(KeReadStateEvent(&event), 0);
    CHECK_EQUAL(KtCountIrps(), before + 1);
    irp->IoStatus.Status = STATUS_BUFFER_OVERFLOW;
    irp->IoStatus.Information = 1234;
    IoCompleteRequest(irp, IO_SERIAL_INCREMENT);
    CHECK_EQUAL(KeReadStateEvent(&event), 1);
    CHECK_EQUAL(block.Status, STATUS_BUFFER_OVERFLOW);
    CHECK_EQUAL(block.Information, 1234);
    CHECK_EQUAL(KtCountIrps(), before);
    KtFreeStack(top);
}

/* The same when nobody waits, and the request fails at once. */
TEST(T_IoCompleteRequest_4_failure)
{
    PKT_LAYER top = KtMakeStack(4, ForwardingFailure);
    ULONG before = KtCountIrps();
    IO_STATUS_BLOCK block;
    KEVENT event;
    PIRP irp;

    KtPoison(&block);
    KeInitializeEvent(&event, NotificationEvent, FALSE);
    irp = IoBuildSynchronousFsdRequest(IRP_MJ_WRITE, top->Device, NULL, 0, NULL, &event, &block);
    CHECK_EQUAL(IoCallDriver(top->Device, irp), STATUS_UNSUCCESSFUL);
    CHECK_EQUAL(KeReadStateEvent(&event), 1);
    CHECK_EQUAL(block.Status, STATUS_UNSUCCESSFUL);
    CHECK_EQUAL(block.Information, 0);
    CHECK_EQUAL(KtCountIrps(), before);
    KtFreeStack(top);
}

/* The boost of IoCompleteRequest reaches the thread that waits. */
static PKT_LAYER BoostLayer;
static KPRIORITY BoostedPriority;
static KEVENT BoostEvent;

ROUTINE(WaitForRequest)
{
    IO_STATUS_BLOCK block;
    PIRP irp = IoBuildSynchronousFsdRequest(IRP_MJ_READ, BoostLayer->Device, NULL, 0, NULL,
                                            &BoostEvent, &block);

    CHECK_EQUAL(KtSend(BoostLayer, irp, &BoostEvent, &block), STATUS_SUCCESS);
    BoostedPriority = KeQueryPriorityThread(KeGetCurrentThread());
}

TEST(T_IoCompleteRequest_4_boost)
{
    static const CCHAR boosts[] = {IO_NO_INCREMENT, IO_SERIAL_INCREMENT, IO_KEYBOARD_INCREMENT};

    BoostLayer = KtMakeStack(1, ForwardingPend);
    for (ULONG n = 0; n < ARRAYSIZE(boosts); n++) {
        KT_THREAD thread;

        KeInitializeEvent(&BoostEvent, NotificationEvent, FALSE);
        CHECK(KtStartThread(&thread, 0, KT_ABOVE, WaitForRequest, NULL));
        CHECK(KtAwaitWait(thread.Object, &BoostEvent));
        BoostLayer->Kept->IoStatus.Status = STATUS_SUCCESS;
        IoCompleteRequest(BoostLayer->Kept, boosts[n]);
        CHECK(KtEndThread(&thread));
        CHECK_EQUAL(BoostedPriority, KT_ABOVE + boosts[n]);
    }
    KtFreeStack(BoostLayer);
}

/* The completer's last look: the IRP is free when IoCompleteRequest returns. */
TEST(T_IoCompleteRequest_6)
{
    PKT_LAYER layer = KtMakeStack(1, ForwardingPend);
    SIZE_T before, after;
    KEVENT event;
    PIRP irp;

    KeInitializeEvent(&event, NotificationEvent, FALSE);
    before = KtCountIrps();
    irp = IoBuildSynchronousFsdRequest(IRP_MJ_READ, layer->Device, NULL, 0, NULL, &event, NULL);
    CHECK_EQUAL(IoCallDriver(layer->Device, irp), STATUS_PENDING);
    KtComplete(irp, STATUS_SUCCESS);
    after = KtCountIrps();
    CHECK_EQUAL(after, before);
    KtFreeStack(layer);
}

TEST(T_IoSetCompletionRoutine_1)
{
    PIRP irp = IoAllocateIrp(2, FALSE);
    LONG context = 0;
    PIO_STACK_LOCATION next = IoGetNextIrpStackLocation(irp);

    IoSetCompletionRoutine(irp, KtCountAndKeep, &context, TRUE, FALSE, TRUE);
    CHECK_EQUAL(next->CompletionRoutine, KtCountAndKeep);
    CHECK_EQUAL(next->Context, &context);
    CHECK_EQUAL(next->Control, SL_INVOKE_ON_SUCCESS | SL_INVOKE_ON_CANCEL);
    IoSetCompletionRoutine(irp, KtCountAndKeep, &context, FALSE, TRUE, FALSE);
    CHECK_EQUAL(next->Control, SL_INVOKE_ON_ERROR);
    IoFreeIrp(irp);
}

/* The device is referenced from setting the routine to its return. */
static PDEVICE_OBJECT ExDevice;

static NTSTATUS CheckReferenced(UNUSED PDEVICE_OBJECT DeviceObject, UNUSED PIRP Irp,
                                UNUSED PVOID Context)
{
    KtTrace('x');
    CHECK_EQUAL(ExDevice->ReferenceCount, 1);
    return STATUS_MORE_PROCESSING_REQUIRED;
}

TEST(IoSetCompletionRoutineEx_references_the_device)
{
    static KT_DISPATCH *const plain[] = {KtSucceed};
    PKT_LAYER layer = KtMakeStack(1, plain);
    PIRP irp = KtMakeRead(layer, NULL, 0);

    KtTraceReset();
    ExDevice = layer->Device;
    CHECK_EQUAL(
        IoSetCompletionRoutineEx(layer->Device, irp, CheckReferenced, NULL, TRUE, TRUE, TRUE),
        STATUS_SUCCESS);
    CHECK_EQUAL(layer->Device->ReferenceCount, 1);
    CHECK_EQUAL(IoCallDriver(layer->Device, irp), STATUS_SUCCESS);
    CHECK_EQUAL(layer->Device->ReferenceCount, 0);
    CHECK_TRACE("x");
    IoFreeIrp(irp);

    irp = KtMakeRead(layer, NULL,
                     0); /* for errors only: not called, the reference goes all the same */
    CHECK_EQUAL(
        IoSetCompletionRoutineEx(layer->Device, irp, CheckReferenced, NULL, FALSE, TRUE, FALSE),
        STATUS_SUCCESS);
    CHECK_EQUAL(IoCallDriver(layer->Device, irp), STATUS_SUCCESS);
    CHECK_EQUAL(layer->Device->ReferenceCount, 0);
    CHECK_TRACE("x");

    irp = KtMakeRead(layer, NULL, 0);
    ExpFailEvery = 1;
    CHECK_EQUAL(
        IoSetCompletionRoutineEx(layer->Device, irp, CheckReferenced, NULL, TRUE, TRUE, TRUE),
        STATUS_INSUFFICIENT_RESOURCES);
    ExpFailEvery = 0;
    CHECK_EQUAL(layer->Device->ReferenceCount, 0);
    IoFreeIrp(irp);
    KtFreeStack(layer);
}
