/* A test device with a StartIo routine. <= DISPATCH_LEVEL unless stated. */
#include "startio_tool.h"

BOOLEAN KtUseKeys, KtCancelable;
PDRIVER_STARTIO KtStartIo;
volatile LONG KtStarted, KtDepth, KtDeepest, KtCompleted;

/* T-DRIVER_CANCEL-2: who finds the IRP in the queue completes it; StartIo looks at Cancel itself.
 */
VOID KtCancelWaiting(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    BOOLEAN removed = FALSE;

    CHECK_IRQL(DISPATCH_LEVEL);
    if (Irp != DeviceObject->CurrentIrp)
        removed = KeRemoveEntryDeviceQueue(&DeviceObject->DeviceQueue,
                                           &Irp->Tail.Overlay.DeviceQueueEntry);
    IoReleaseCancelSpinLock(Irp->CancelIrql);
    if (removed)
        KtComplete(Irp, STATUS_CANCELLED);
}

/* The dispatch routine. */
static NTSTATUS StartRequest(PKT_LAYER Layer, PIRP Irp)
{
    ULONG key = IoGetCurrentIrpStackLocation(Irp)->Parameters.Read.Key;

    IoMarkIrpPending(Irp);
    IoStartPacket(Layer->Device, Irp, KtUseKeys ? &key : NULL,
                  KtCancelable ? KtCancelWaiting : NULL);
    return STATUS_PENDING;
}

static DRIVER_STARTIO StartIo;
static VOID StartIo(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    LONG depth = InterlockedIncrement(&KtDepth);

    if (depth > KtDeepest)
        KtDeepest = depth;
    CHECK_IRQL(DISPATCH_LEVEL);
    CHECK_EQUAL(DeviceObject->CurrentIrp, Irp);
    CHECK_EQUAL(DeviceObject->DeviceQueue.Busy, TRUE);
    CHECK_EQUAL(Irp->Tail.Overlay.DeviceQueueEntry.Inserted, FALSE);
    KtTrace((CHAR)(ULONG_PTR)Irp->UserBuffer);
    InterlockedIncrement(&KtStarted);
    if (KtStartIo)
        KtStartIo(DeviceObject, Irp);
    InterlockedDecrement(&KtDepth);
}

PDEVICE_OBJECT KtMakeStartIoDevice(VOID)
{
    static KT_DISPATCH *const routine[] = {StartRequest};
    PKT_LAYER layer = KtMakeStack(1, routine);

    layer->Device->DriverObject->DriverStartIo = StartIo;
    KtUseKeys = KtCancelable = FALSE;
    KtStartIo = NULL;
    KtStarted = KtDepth = KtDeepest = KtCompleted = 0;
    KtTraceReset();
    return layer->Device;
}

VOID KtFreeStartIoDevice(PDEVICE_OBJECT DeviceObject)
{
    CHECK_EQUAL(DeviceObject->DeviceQueue.Busy, FALSE);
    CHECK_EQUAL(DeviceObject->CurrentIrp, NULL);
    CHECK_EQUAL(KtDepth, 0);
    DeviceObject->DriverObject->DriverStartIo = NULL;
    KtFreeStack(DeviceObject->DeviceExtension);
}

PIRP KtMakeRequest(PDEVICE_OBJECT DeviceObject, CHAR Letter, ULONG Key)
{
    PIRP irp = KtMakeRead(DeviceObject->DeviceExtension, (PVOID)(ULONG_PTR)Letter, 0);

    IoGetNextIrpStackLocation(irp)->Parameters.Read.Key = Key;
    IoSetCompletionRoutine(irp, KtCountAndKeep, (PVOID)&KtCompleted, TRUE, TRUE, TRUE);
    return irp;
}

PIRP KtRequest(PDEVICE_OBJECT DeviceObject, CHAR Letter, ULONG Key)
{
    PIRP irp = KtMakeRequest(DeviceObject, Letter, Key);

    CHECK_EQUAL(IoCallDriver(DeviceObject, irp), STATUS_PENDING);
    return irp;
}

VOID KtFinishCurrent(PDEVICE_OBJECT DeviceObject)
{
    PIRP irp = DeviceObject->CurrentIrp;
    KIRQL oldIrql;

    KeRaiseIrql(DISPATCH_LEVEL, &oldIrql);
    IoStartNextPacket(DeviceObject, KtCancelable);
    KtComplete(irp, STATUS_SUCCESS);
    KeLowerIrql(oldIrql);
}
