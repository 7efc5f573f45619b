/* The bytes that wait, and where they meet a read. At or below DISPATCH_LEVEL. */
#include "echo.h"

/* With DataLock. */
static ULONG PutBytes(PECHO Echo, const UCHAR *Bytes, ULONG Length)
{
    ULONG count = min(Length, RING_SIZE - Echo->Count);

    for (ULONG n = 0; n < count; n++)
        Echo->Ring[(Echo->First + Echo->Count++) % RING_SIZE] = Bytes[n];
    return count;
}

/* With DataLock. */
static ULONG TakeBytes(PECHO Echo, UCHAR *Bytes, ULONG Length)
{
    ULONG count = min(Length, Echo->Count);

    for (ULONG n = 0; n < count; n++, Echo->Count--) {
        Bytes[n] = Echo->Ring[Echo->First];
        Echo->First = (Echo->First + 1) % RING_SIZE;
    }
    return count;
}

/*
 * Takes the oldest read and gives it bytes, in one step under DataLock, so that two who serve at
 * the same time do not change the order. NULL: there is no read, or there are no bytes.
 */
static PIRP MatchOne(PECHO Echo)
{
    PIRP irp = NULL;
    KIRQL irql;

    KeAcquireSpinLock(&Echo->DataLock, &irql);
    if (Echo->Count)
        irp = IoCsqRemoveNextIrp(&Echo->Readers, NULL);
    if (irp)
        irp->IoStatus.Information =
            TakeBytes(Echo, irp->AssociatedIrp.SystemBuffer,
                      IoGetCurrentIrpStackLocation(irp)->Parameters.Read.Length);
    KeReleaseSpinLock(&Echo->DataLock, irql);
    return irp;
}

/* Completes reads as long as there are bytes for them; without a lock. */
VOID EchoServeReaders(PECHO Echo)
{
    PIRP irp;

    while ((irp = MatchOne(Echo)) != NULL) {
        irp->IoStatus.Status = STATUS_SUCCESS;
        IoCompleteRequest(irp, IO_NO_INCREMENT);
    }
}

/* Every read is queued, and then served if it can be: so there is one way, and no gap in it. */
NTSTATUS EchoRead(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    PECHO echo = DeviceObject->DeviceExtension;

    if (IoGetCurrentIrpStackLocation(Irp)->Parameters.Read.Length == 0) {
        Irp->IoStatus.Status = STATUS_SUCCESS;
        Irp->IoStatus.Information = 0;
        IoCompleteRequest(Irp, IO_NO_INCREMENT);
        return STATUS_SUCCESS;
    }
    IoCsqInsertIrp(&echo->Readers, Irp, NULL); /* marks it pending */
    EchoServeReaders(echo);
    return STATUS_PENDING;
}

/* Takes as many bytes as there is room for; none: STATUS_DEVICE_BUSY. */
NTSTATUS EchoWrite(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    PECHO echo = DeviceObject->DeviceExtension;
    ULONG length = IoGetCurrentIrpStackLocation(Irp)->Parameters.Write.Length;
    NTSTATUS status;
    ULONG count;
    KIRQL irql;

    KeAcquireSpinLock(&echo->DataLock, &irql);
    count = PutBytes(echo, Irp->AssociatedIrp.SystemBuffer, length);
    KeReleaseSpinLock(&echo->DataLock, irql);
    status = count || !length ? STATUS_SUCCESS : STATUS_DEVICE_BUSY;
    Irp->IoStatus.Status = status;
    Irp->IoStatus.Information = count;
    IoCompleteRequest(Irp, IO_NO_INCREMENT);
    EchoServeReaders(echo);
    return status;
}
