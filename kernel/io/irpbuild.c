/*
 * Requests that the kernel fills in for a driver: IRP, first stack location and buffers. Runs at or
 * below APC_LEVEL, in the requester's context, without a lock.
 */
#include "iop.h"

/* The kinds of requests that the two Fsd routines can make. */
static BOOLEAN IsFsdFunction(ULONG MajorFunction)
{
    return MajorFunction == IRP_MJ_READ || MajorFunction == IRP_MJ_WRITE ||
           MajorFunction == IRP_MJ_FLUSH_BUFFERS || MajorFunction == IRP_MJ_SHUTDOWN ||
           MajorFunction == IRP_MJ_PNP;
}

/* Read.Length and so on, which are in the same place as Write's. */
static NTSTATUS FillTransfer(PIRP Irp, PDEVICE_OBJECT DeviceObject, PVOID Buffer, ULONG Length,
                             PLARGE_INTEGER StartingOffset)
{
    PIO_STACK_LOCATION next = IoGetNextIrpStackLocation(Irp);
    BOOLEAN write = next->MajorFunction == IRP_MJ_WRITE;

    if (!write && next->MajorFunction != IRP_MJ_READ)
        return STATUS_SUCCESS;
    next->Parameters.Read.Length = Length;
    if (StartingOffset)
        next->Parameters.Read.ByteOffset = *StartingOffset;
    Irp->Flags |= write ? IRP_WRITE_OPERATION : IRP_READ_OPERATION;
    return IopAttachTransferBuffer(Irp, DeviceObject, write, Buffer, Length);
}

static PIRP BuildFsdRequest(ULONG MajorFunction, PDEVICE_OBJECT DeviceObject, PVOID Buffer,
                            ULONG Length, PLARGE_INTEGER StartingOffset,
                            PIO_STATUS_BLOCK IoStatusBlock, PVOID Maker)
{
    PIRP irp = IsFsdFunction(MajorFunction) ? IopAllocateIrp(DeviceObject->StackSize, Maker) : NULL;

    if (!irp)
        return NULL;
    IoGetNextIrpStackLocation(irp)->MajorFunction = (UCHAR)MajorFunction;
    irp->Tail.Overlay.Thread = KeGetCurrentThread();
    irp->UserIosb = IoStatusBlock;
    if (!NT_SUCCESS(FillTransfer(irp, DeviceObject, Buffer, Length, StartingOffset))) {
        IopFreeBuffers(irp);
        IoFreeIrp(irp);
        return NULL;
    }
    return irp;
}

/*
 * Makes a request whose end a completion routine of the caller's awaits: the routine frees what is
 * attached to the IRP, and the IRP, and keeps it from going on.
 *
 * IRQL:    <= APC_LEVEL
 * Locks:   the pool's, then IopIrpLock
 * Context: any: the request is nobody's
 * Returns: NULL when there is no memory, or for any kind but PnP, read, write, flush and shutdown
 * Source:  contract T-IoBuildAsync-1
 */
PIRP IoBuildAsynchronousFsdRequest(ULONG MajorFunction, PDEVICE_OBJECT DeviceObject, PVOID Buffer,
                                   ULONG Length, PLARGE_INTEGER StartingOffset,
                                   PIO_STATUS_BLOCK IoStatusBlock)
{
    KI_REQUIRE_IRQL_AT_MOST(APC_LEVEL, RULE_IRQL_IO_APC_LTE, "IrqlIoApcLte", DeviceObject);
    return BuildFsdRequest(MajorFunction, DeviceObject, Buffer, Length, StartingOffset,
                           IoStatusBlock, __builtin_return_address(0));
}

/*
 * Makes a request of the current thread: at its end the kernel sets Event and *IoStatusBlock, and
 * frees the IRP. If the thread ends before, the request is cancelled.
 *
 * IRQL:    <= APC_LEVEL
 * Locks:   the pool's, IopIrpLock
 * Context: a thread, which then sends the IRP and waits for Event
 * Returns: NULL, as IoBuildAsynchronousFsdRequest
 * Source:  contract T-IoBuildSync-1
 */
PIRP IoBuildSynchronousFsdRequest(ULONG MajorFunction, PDEVICE_OBJECT DeviceObject, PVOID Buffer,
                                  ULONG Length, PLARGE_INTEGER StartingOffset, PKEVENT Event,
                                  PIO_STATUS_BLOCK IoStatusBlock)
{
    KI_REQUIRE_IRQL_AT_MOST(APC_LEVEL, RULE_IRQL_IO_APC_LTE, "IrqlIoApcLte", DeviceObject);

    PIRP irp = BuildFsdRequest(MajorFunction, DeviceObject, Buffer, Length, StartingOffset,
                               IoStatusBlock, __builtin_return_address(0));

    if (!irp)
        return NULL;
    irp->UserEvent = Event;
    IopQueueRequestToThread(irp);
    return irp;
}

/*
 * Makes a control request of the current thread, as IoBuildSynchronousFsdRequest does; with
 * InternalDeviceIoControl one that only drivers send.
 *
 * IRQL:    <= APC_LEVEL
 * Locks:   the pool's, IopIrpLock
 * Context: a thread, which then sends the IRP and waits for Event
 * Returns: NULL when there is no memory
 * Source:  contract T-IoBuildIoctl-1
 */
PIRP IoBuildDeviceIoControlRequest(ULONG IoControlCode, PDEVICE_OBJECT DeviceObject,
                                   PVOID InputBuffer, ULONG InputBufferLength, PVOID OutputBuffer,
                                   ULONG OutputBufferLength, BOOLEAN InternalDeviceIoControl,
                                   PKEVENT Event, PIO_STATUS_BLOCK IoStatusBlock)
{
    KI_REQUIRE_IRQL_AT_MOST(APC_LEVEL, RULE_IRQL_IO_APC_LTE, "IrqlIoPassive1", DeviceObject);

    PIRP irp = IopAllocateIrp(DeviceObject->StackSize, __builtin_return_address(0));
    PIO_STACK_LOCATION next;

    if (!irp)
        return NULL;
    next = IoGetNextIrpStackLocation(irp);
    next->MajorFunction =
        InternalDeviceIoControl ? IRP_MJ_INTERNAL_DEVICE_CONTROL : IRP_MJ_DEVICE_CONTROL;
    irp->Tail.Overlay.Thread = KeGetCurrentThread();
    irp->UserIosb = IoStatusBlock;
    irp->UserEvent = Event;
    if (!NT_SUCCESS(IopAttachControlBuffers(irp, next, IoControlCode, InputBuffer,
                                            InputBufferLength, OutputBuffer, OutputBufferLength))) {
        IopFreeBuffers(irp);
        IoFreeIrp(irp);
        return NULL;
    }
    IopQueueRequestToThread(irp);
    return irp;
}
