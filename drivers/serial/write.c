/*
 * Writes: one after the other by StartIo. The ISR sends from the request's own buffer.
 *
 * The request that is being sent can be cancelled: CTS may stay off for ever. WriteIrp, under the
 * interrupt object's lock, says whose it is to complete:
 *
 *     DpcForIsr, all has been sent           cancel routine, with the cancel spin lock
 *     takes WriteIrp: NULL from now on
 *                                            looks for WriteIrp: it is not this one; so it
 *                                            only frees the cancel spin lock, with Irp->CancelIrql
 *     waits for the cancel spin lock
 *     completes the IRP
 *
 * The last wait is needed: without it the IRP could be gone when the cancel routine reads
 * CancelIrql.
 */
#include "serial.h"

/* Takes WriteIrp if it is Irp (NULL: any) and, with OnlyFinished, if all of it has been sent. */
static PIRP TakeWrite(PSERIAL_PORT Port, PIRP Irp, BOOLEAN OnlyFinished)
{
    PIRP taken = NULL;
    KIRQL irql = KeAcquireInterruptSpinLock(Port->Interrupt);

    if (Port->WriteIrp && (!Irp || Irp == Port->WriteIrp) &&
        (!OnlyFinished || Port->WriteLeft == 0)) {
        taken = Port->WriteIrp;
        taken->IoStatus.Information =
            IoGetCurrentIrpStackLocation(taken)->Parameters.Write.Length - Port->WriteLeft;
        Port->WriteIrp = NULL;
        Port->WriteLeft = 0;
    }
    KeReleaseInterruptSpinLock(Port->Interrupt, irql);
    return taken;
}

/* Ends the current write, which the caller has taken. IRQL: DISPATCH_LEVEL. */
static VOID EndWrite(PSERIAL_PORT Port, PIRP Irp, NTSTATUS Status)
{
    KIRQL irql;

    IoAcquireCancelSpinLock(&irql);
    IoSetCancelRoutine(Irp, NULL);
    IoReleaseCancelSpinLock(irql);
    IoStartNextPacket(Port->Device, TRUE);
    CompleteRequest(Irp, Status, Irp->IoStatus.Information);
}

VOID FinishWrite(PSERIAL_PORT Port)
{
    PIRP irp = TakeWrite(Port, NULL, TRUE);

    if (irp)
        EndWrite(Port, irp, STATUS_SUCCESS);
}

/* The cancel routine, for a write that waits and for the one that is being sent. */
static DRIVER_CANCEL CancelWrite;
static VOID CancelWrite(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    PSERIAL_PORT port = DeviceObject->DeviceExtension;
    BOOLEAN current = Irp == DeviceObject->CurrentIrp;
    BOOLEAN mine = current ? TakeWrite(port, Irp, FALSE) != NULL
                           : KeRemoveEntryDeviceQueue(&DeviceObject->DeviceQueue,
                                                      &Irp->Tail.Overlay.DeviceQueueEntry);
    KIRQL irql;

    IoReleaseCancelSpinLock(Irp->CancelIrql);
    if (!mine)
        return;
    if (!current) {
        CompleteRequest(Irp, STATUS_CANCELLED, 0);
        return;
    }
    KeRaiseIrql(DISPATCH_LEVEL, &irql);
    EndWrite(port, Irp, STATUS_CANCELLED);
    KeLowerIrql(irql);
}

/* The ISR does all the sending: the transmitter is empty, so its interrupt comes at once. */
static VOID GiveToTransmitter(PSERIAL_PORT Port, PIRP Irp)
{
    KIRQL irql = KeAcquireInterruptSpinLock(Port->Interrupt);

    Port->WriteIrp = Irp;
    Port->WriteNext = Irp->AssociatedIrp.SystemBuffer;
    Port->WriteLeft = IoGetCurrentIrpStackLocation(Irp)->Parameters.Write.Length;
    SetEnabled(Port, Port->Enabled | ENABLE_TRANSMITTER);
    KeReleaseInterruptSpinLock(Port->Interrupt, irql);
}

/*
 * StartIo. IRQL: DISPATCH_LEVEL. The write goes to the transmitter with the cancel spin lock held,
 * so that the cancel routine finds it there, or StartIo finds it cancelled.
 */
VOID StartIo(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    PSERIAL_PORT port = DeviceObject->DeviceExtension;
    BOOLEAN cancelled;
    KIRQL irql;

    IoAcquireCancelSpinLock(&irql);
    cancelled = Irp->Cancel || port->Purging;
    if (!cancelled)
        GiveToTransmitter(port, Irp);
    IoReleaseCancelSpinLock(irql);
    if (cancelled) {
        Irp->IoStatus.Information = 0;
        EndWrite(port, Irp, STATUS_CANCELLED);
    }
}

/* The handle is closed: StartIo ends what waits, one after the other, once the current is ended. */
VOID CancelWrites(PSERIAL_PORT Port)
{
    PIRP irp;
    KIRQL irql;

    IoAcquireCancelSpinLock(&irql);
    Port->Purging = TRUE;
    IoReleaseCancelSpinLock(irql);
    irp = TakeWrite(Port, NULL, FALSE);
    if (!irp)
        return;
    KeRaiseIrql(DISPATCH_LEVEL, &irql);
    EndWrite(Port, irp, STATUS_CANCELLED);
    KeLowerIrql(irql);
}

/* IRP_MJ_WRITE. IRQL: <= DISPATCH_LEVEL. */
NTSTATUS DispatchWrite(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    PSERIAL_PORT port = DeviceObject->DeviceExtension;

    if (port->Console) /* the kernel sends otherwise */
        return CompleteRequest(Irp, STATUS_INVALID_DEVICE_REQUEST, 0);
    if (IoGetCurrentIrpStackLocation(Irp)->Parameters.Write.Length == 0)
        return CompleteRequest(Irp, STATUS_SUCCESS, 0);
    IoMarkIrpPending(Irp);
    IoStartPacket(DeviceObject, Irp, NULL, CancelWrite);
    return STATUS_PENDING;
}
