/*
 * Factorials: the kernel queues the requests, StartIo gets one after the other, DpcForIsr ends
 * them. DISPATCH_LEVEL.
 *
 * Cancelling the current request against its end, by DPC or watchdog:
 *
 *     DpcForIsr                                 CancelFactorial, with the cancel spin lock
 *     takes the request out of the unit
 *                                               looks for it there: it is gone; so it only frees
 *                                               the cancel spin lock, with Irp->CancelIrql
 *     waits for the cancel spin lock
 *     completes the request
 *
 * Without the wait the IRP could be gone when the cancel routine reads CancelIrql.
 */
#include "edu.h"

/*
 * The end of the current request, which the caller has taken out of the unit. The next one is
 * started first: its StartIo can run while this one's requester wakes up.
 */
VOID EndFactorial(PDEVICE_EXTENSION Extension, PIRP Irp, NTSTATUS Status)
{
    ULONG result = Extension->Factorial.Result;
    KIRQL irql;

    IoAcquireCancelSpinLock(&irql);
    IoSetCancelRoutine(Irp, NULL);
    IoReleaseCancelSpinLock(irql);
    if (NT_SUCCESS(Status)) {
        *(PULONG)Irp->AssociatedIrp.SystemBuffer = result;
        InterlockedIncrement64((volatile LONG64 *)&Extension->Statistics.Factorials);
    } else {
        InterlockedIncrement64((volatile LONG64 *)&Extension->Statistics.Cancelled);
    }
    IoStartNextPacket(Extension->Device, TRUE);
    CompleteRequest(Extension, Irp, Status, NT_SUCCESS(Status) ? sizeof(ULONG) : 0);
}

/* DpcForIsr. The request is looked for in the unit: the watchdog may have been here before. */
VOID DpcForIsr(PKDPC Dpc, PDEVICE_OBJECT DeviceObject, PIRP Irp, PVOID Context)
{
    PDEVICE_EXTENSION extension = DeviceObject->DeviceExtension;
    PIRP irp = TakeWork(extension, &extension->Factorial, NULL, TRUE);

    UNREFERENCED_PARAMETER(Dpc);
    UNREFERENCED_PARAMETER(Irp);
    UNREFERENCED_PARAMETER(Context);
    if (irp)
        EndFactorial(extension, irp, STATUS_SUCCESS);
}

/*
 * StartIo. With the cancel spin lock held, so that either the cancel routine finds the request in
 * the unit, or this routine finds it cancelled.
 */
VOID StartIo(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    PDEVICE_EXTENSION extension = DeviceObject->DeviceExtension;
    NTSTATUS status = STATUS_SUCCESS;
    KIRQL irql;

    IoAcquireCancelSpinLock(&irql);
    extension->Factorial.Number = *(PULONG)Irp->AssociatedIrp.SystemBuffer;
    if (Irp->Cancel)
        status = STATUS_CANCELLED;
    else if (!BeginWork(extension, &extension->Factorial, Irp))
        status = STATUS_DELETE_PENDING;
    IoReleaseCancelSpinLock(irql);
    if (!NT_SUCCESS(status))
        EndFactorial(extension, Irp, status);
}

/* For a request that waits in the device's queue, and for the one that is being worked on. */
VOID CancelFactorial(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    PDEVICE_EXTENSION extension = DeviceObject->DeviceExtension;
    BOOLEAN queued =
        KeRemoveEntryDeviceQueue(&DeviceObject->DeviceQueue, &Irp->Tail.Overlay.DeviceQueueEntry);
    BOOLEAN current = !queued && TakeWork(extension, &extension->Factorial, Irp, FALSE) == Irp;
    KIRQL irql;

    IoReleaseCancelSpinLock(Irp->CancelIrql);
    if (queued) {
        InterlockedIncrement64((volatile LONG64 *)&extension->Statistics.Cancelled);
        CompleteRequest(extension, Irp, STATUS_CANCELLED, 0);
    } else if (current) {
        KeRaiseIrql(DISPATCH_LEVEL, &irql); /* IoStartNextPacket wants it */
        EndFactorial(extension, Irp, STATUS_CANCELLED);
        KeLowerIrql(irql);
    }
}
