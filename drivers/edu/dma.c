/*
 * Transfers between the device's buffer and memory: IRP_MJ_READ and IRP_MJ_WRITE. They wait in a
 * queue of the driver's own, a cancel-safe one, because the unit for transfers works beside the
 * one for factorials. Each goes through one buffer of the driver's that the device can reach; so a
 * request can be given up while the device still copies. One that waits can be cancelled; the one
 * that the device copies cannot, it has ended before long. <= DISPATCH_LEVEL.
 *
 * A transfer that was given up may still be copied when the next one begins to wait for the unit:
 * into the buffer, if it was a read, so what a write has put there could be overwritten. That is
 * why a write fills the buffer when the unit begins with it (FillBuffer), not before.
 */
#include "edu.h"

#define DEVICE_BUFFER 0x40000 /* the device's own, in its address space */

static PDEVICE_EXTENSION ExtensionOf(PIO_CSQ Csq)
{
    return CONTAINING_RECORD(Csq, DEVICE_EXTENSION, DmaQueue);
}

/* ---- the queue: the kernel calls these, and has the cancel routine ---- */

static IO_CSQ_INSERT_IRP Insert;
static VOID Insert(PIO_CSQ Csq, PIRP Irp)
{
    InsertTailList(&ExtensionOf(Csq)->DmaList, &Irp->Tail.Overlay.ListEntry);
}

static IO_CSQ_REMOVE_IRP Remove;
static VOID Remove(PIO_CSQ Csq, PIRP Irp)
{
    UNREFERENCED_PARAMETER(Csq);
    RemoveEntryList(&Irp->Tail.Overlay.ListEntry);
}

static IO_CSQ_PEEK_NEXT_IRP PeekNext;
static PIRP PeekNext(PIO_CSQ Csq, PIRP Irp, PVOID PeekContext)
{
    PLIST_ENTRY head = &ExtensionOf(Csq)->DmaList;
    PLIST_ENTRY next = Irp ? Irp->Tail.Overlay.ListEntry.Flink : head->Flink;

    UNREFERENCED_PARAMETER(PeekContext);
    return next == head ? NULL : CONTAINING_RECORD(next, IRP, Tail.Overlay.ListEntry);
}

static IO_CSQ_ACQUIRE_LOCK AcquireLock;
static VOID AcquireLock(PIO_CSQ Csq, PKIRQL Irql)
{
    KeAcquireSpinLock(&ExtensionOf(Csq)->DmaLock, Irql);
}

static IO_CSQ_RELEASE_LOCK ReleaseLock;
static VOID ReleaseLock(PIO_CSQ Csq, KIRQL Irql)
{
    KeReleaseSpinLock(&ExtensionOf(Csq)->DmaLock, Irql);
}

static VOID CompleteCancelled(PDEVICE_EXTENSION Extension, PIRP Irp, NTSTATUS Status)
{
    InterlockedIncrement64((volatile LONG64 *)&Extension->Statistics.Cancelled);
    CompleteRequest(Extension, Irp, Status, 0);
}

static IO_CSQ_COMPLETE_CANCELED_IRP CompleteCanceledIrp;
static VOID CompleteCanceledIrp(PIO_CSQ Csq, PIRP Irp)
{
    CompleteCancelled(ExtensionOf(Csq), Irp, STATUS_CANCELLED);
}

NTSTATUS InitializeDma(PDEVICE_EXTENSION Extension)
{
    InitializeListHead(&Extension->DmaList);
    KeInitializeSpinLock(&Extension->DmaLock);
    KeInitializeDpc(&Extension->DmaDpc, DmaDpcRoutine, Extension);
    return IoCsqInitialize(&Extension->DmaQueue, Insert, Remove, PeekNext, AcquireLock, ReleaseLock,
                           CompleteCanceledIrp);
}

/* ---- one transfer ---- */

static BOOLEAN IsWrite(PIRP Irp)
{
    return IoGetCurrentIrpStackLocation(Irp)->MajorFunction == IRP_MJ_WRITE;
}

/* Read and Write have the same fields in the same places. */
static PVOID BufferOf(PIRP Irp)
{
    return MmGetSystemAddressForMdlSafe(Irp->MdlAddress, NormalPagePriority);
}

/* Called when the device begins: it copies nothing any more. Under the interrupt object's lock. */
VOID FillBuffer(PDEVICE_EXTENSION Extension)
{
    PIRP irp = Extension->Dma.Irp;

    if (IsWrite(irp))
        RtlCopyMemory(Extension->Buffer, irp->MdlAddress->MappedSystemVa, Extension->Dma.Number);
}

/* The unit and the buffer are this request's. */
static BOOLEAN BeginTransfer(PDEVICE_EXTENSION Extension, PIRP Irp)
{
    PIO_STACK_LOCATION location = IoGetCurrentIrpStackLocation(Irp);
    ULONG64 device = DEVICE_BUFFER + (ULONG64)location->Parameters.Read.ByteOffset.QuadPart;
    PUNIT unit = &Extension->Dma;

    if (!BufferOf(Irp))
        return FALSE;
    unit->Number = location->Parameters.Read.Length;
    unit->From = IsWrite(Irp) ? Extension->BufferAddress : device;
    unit->To = IsWrite(Irp) ? device : Extension->BufferAddress;
    return BeginWork(Extension, unit, Irp);
}

/*
 * DmaBusy is set by whoever begins a transfer and cleared by whoever has ended it: between the two
 * the unit and the buffer are that transfer's.
 */
VOID StartNextTransfer(PDEVICE_EXTENSION Extension)
{
    while (InterlockedExchange(&Extension->DmaBusy, 1) == 0) {
        PIRP irp = IoCsqRemoveNextIrp(&Extension->DmaQueue, NULL);

        if (irp && BeginTransfer(Extension, irp))
            return;
        if (irp)
            CompleteCancelled(Extension, irp, STATUS_DELETE_PENDING);
        InterlockedExchange(&Extension->DmaBusy, 0);
        /*
         * Here                                  another processor
         * finds the queue empty
         *                                       inserts a request, finds DmaBusy set: leaves it
         * here clears DmaBusy, looks once more
         */
        if (!irp && IsListEmpty(&Extension->DmaList))
            return;
    }
}

/* The end of a transfer that the caller has taken out of the unit. */
VOID EndTransfer(PDEVICE_EXTENSION Extension, PIRP Irp, NTSTATUS Status)
{
    ULONG bytes = IoGetCurrentIrpStackLocation(Irp)->Parameters.Read.Length;

    if (NT_SUCCESS(Status) && !IsWrite(Irp))
        RtlCopyMemory(BufferOf(Irp), Extension->Buffer, bytes);
    if (NT_SUCCESS(Status))
        InterlockedIncrement64((volatile LONG64 *)&Extension->Statistics.Transfers);
    InterlockedExchange(&Extension->DmaBusy, 0);
    CompleteRequest(Extension, Irp, Status, NT_SUCCESS(Status) ? bytes : 0);
    StartNextTransfer(Extension);
}

/* CustomDpc, queued by the ISR: a transfer is done. */
VOID DmaDpcRoutine(PKDPC Dpc, PVOID DeferredContext, PVOID SystemArgument1, PVOID SystemArgument2)
{
    PDEVICE_EXTENSION extension = DeferredContext;
    PIRP irp = TakeWork(extension, &extension->Dma, NULL, TRUE);

    UNREFERENCED_PARAMETER(Dpc);
    UNREFERENCED_PARAMETER(SystemArgument1);
    UNREFERENCED_PARAMETER(SystemArgument2);
    if (irp)
        EndTransfer(extension, irp, STATUS_SUCCESS);
}

/* The range lies in the device's buffer. */
static BOOLEAN IsRangeValid(PIO_STACK_LOCATION Location)
{
    ULONG64 offset = (ULONG64)Location->Parameters.Read.ByteOffset.QuadPart;
    ULONG length = Location->Parameters.Read.Length;

    return offset < EDU_BUFFER_BYTES && length < EDU_BUFFER_BYTES - offset;
}

static NTSTATUS Transfer(PDEVICE_EXTENSION Extension, PIRP Irp)
{
    PIO_STACK_LOCATION location = IoGetCurrentIrpStackLocation(Irp);

    if (!Extension->Started)
        return CompleteRequest(Extension, Irp, STATUS_DEVICE_NOT_READY, 0);
    if (!IsRangeValid(location))
        return CompleteRequest(Extension, Irp, STATUS_INVALID_PARAMETER, 0);
    if (location->Parameters.Read.Length == 0)
        return CompleteRequest(Extension, Irp, STATUS_SUCCESS, 0);
    IoCsqInsertIrp(&Extension->DmaQueue, Irp, NULL); /* marks it pending */
    StartNextTransfer(Extension);
    return STATUS_PENDING;
}

/*
 * IRP_MJ_READ and IRP_MJ_WRITE. The remove lock is taken twice: the request can be completed, and
 * its hold be given back, while StartNextTransfer still uses the extension.
 */
NTSTATUS DispatchTransfer(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    PDEVICE_EXTENSION extension = DeviceObject->DeviceExtension;
    NTSTATUS status = IoAcquireRemoveLock(&extension->RemoveLock, DeviceObject);

    if (NT_SUCCESS(status)) {
        status = IoAcquireRemoveLock(&extension->RemoveLock, Irp);
        if (!NT_SUCCESS(status))
            IoReleaseRemoveLock(&extension->RemoveLock, DeviceObject);
    }
    if (!NT_SUCCESS(status)) {
        Irp->IoStatus.Status = status;
        Irp->IoStatus.Information = 0;
        IoCompleteRequest(Irp, IO_NO_INCREMENT);
        return status;
    }
    status = Transfer(extension, Irp);
    IoReleaseRemoveLock(&extension->RemoveLock, DeviceObject);
    return status;
}
