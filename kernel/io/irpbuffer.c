/*
 * How a requester's buffers get to the driver, and which way each device or control code wants:
 *
 *     buffered   a buffer of the kernel's, AssociatedIrp.SystemBuffer, copied to before the driver
 *                is called and from when the request is finished
 *     direct     the requester's pages, described by MdlAddress
 *     neither    the requester's address as it is
 *
 * Runs at or below APC_LEVEL, in the requester's context, without a lock. After a failure
 * IopFreeBuffers undoes what there is.
 */
#include "iop.h"

#define TAG_SYSTEM_BUFFER ((ULONG)'BsyS')

/* The system buffer, with Copy bytes of From in it. */
static NTSTATUS AttachSystemBuffer(PIRP Irp, ULONG Length, PVOID From, ULONG Copy)
{
    PVOID buffer;

    if (!Length)
        return STATUS_SUCCESS;
    buffer = ExAllocatePool2(POOL_FLAG_NON_PAGED, Length, TAG_SYSTEM_BUFFER);
    if (!buffer)
        return STATUS_INSUFFICIENT_RESOURCES;
    if (Copy)
        RtlCopyMemory(buffer, From, Copy);
    Irp->AssociatedIrp.SystemBuffer = buffer;
    Irp->Flags |= IRP_BUFFERED_IO | IRP_DEALLOCATE_BUFFER;
    return STATUS_SUCCESS;
}

/* What the driver leaves in the system buffer is for Buffer. */
static VOID WantBack(PIRP Irp, PVOID Buffer, ULONG Length)
{
    Irp->UserBuffer = Buffer;
    if (!Length)
        return;
    Irp->Flags |= IRP_INPUT_OPERATION;
    IopRecordOf(Irp)->BufferLength = Length;
}

static NTSTATUS AttachMdl(PIRP Irp, PVOID Buffer, ULONG Length, LOCK_OPERATION Operation)
{
    PMDL mdl;

    if (!Length)
        return STATUS_SUCCESS;
    mdl = IoAllocateMdl(Buffer, Length, FALSE, FALSE, Irp);
    if (!mdl)
        return STATUS_INSUFFICIENT_RESOURCES;
    MmProbeAndLockPages(mdl, KernelMode, Operation);
    return STATUS_SUCCESS;
}

/*
 * The buffer of a read or write, the way DeviceObject wants it.
 *
 * IRQL:    <= APC_LEVEL
 * Locks:   the pool's
 * Context: the requester
 * Returns: STATUS_SUCCESS, STATUS_INSUFFICIENT_RESOURCES
 * Source:  contract io.md, IRP handling
 */
NTSTATUS IopAttachTransferBuffer(PIRP Irp, PDEVICE_OBJECT DeviceObject, BOOLEAN Write, PVOID Buffer,
                                 ULONG Length)
{
    KI_REQUIRE_IRQL_AT_MOST(APC_LEVEL, RULE_IRQL_IO_APC_LTE, "IrqlIoApcLte", Irp);

    if (DeviceObject->Flags & DO_BUFFERED_IO) {
        if (!Write)
            WantBack(Irp, Buffer, Length);
        return AttachSystemBuffer(Irp, Length, Buffer, Write ? Length : 0);
    }
    if (DeviceObject->Flags & DO_DIRECT_IO)
        return AttachMdl(Irp, Buffer, Length, Write ? IoReadAccess : IoWriteAccess);
    Irp->UserBuffer = Buffer;
    return STATUS_SUCCESS;
}

/* METHOD_BUFFERED: one buffer, large enough for both; the input is in it first. */
static NTSTATUS AttachBoth(PIRP Irp, PVOID InputBuffer, ULONG InputLength, PVOID OutputBuffer,
                           ULONG OutputLength)
{
    WantBack(Irp, OutputBuffer, OutputLength);
    return AttachSystemBuffer(Irp, max(InputLength, OutputLength), InputBuffer, InputLength);
}

/* METHOD_x_DIRECT: the input is buffered, the other buffer is described. */
static NTSTATUS AttachDirect(PIRP Irp, ULONG Method, PVOID InputBuffer, ULONG InputLength,
                             PVOID OutputBuffer, ULONG OutputLength)
{
    NTSTATUS status = AttachSystemBuffer(Irp, InputLength, InputBuffer, InputLength);

    if (!NT_SUCCESS(status))
        return status;
    return AttachMdl(Irp, OutputBuffer, OutputLength,
                     Method == METHOD_IN_DIRECT ? IoReadAccess : IoWriteAccess);
}

/*
 * The buffers of a control request, the way its code says, and its stack location's parameters.
 *
 * IRQL:    <= APC_LEVEL
 * Locks:   the pool's
 * Context: the requester
 * Returns: STATUS_SUCCESS, STATUS_INSUFFICIENT_RESOURCES
 * Source:  contract T-IoBuildIoctl-1
 */
NTSTATUS IopAttachControlBuffers(PIRP Irp, PIO_STACK_LOCATION Location, ULONG IoControlCode,
                                 PVOID InputBuffer, ULONG InputLength, PVOID OutputBuffer,
                                 ULONG OutputLength)
{
    KI_REQUIRE_IRQL_AT_MOST(APC_LEVEL, RULE_IRQL_IO_APC_LTE, "IrqlIoApcLte", Irp);

    ULONG method = METHOD_FROM_CTL_CODE(IoControlCode);

    Location->Parameters.DeviceIoControl.IoControlCode = IoControlCode;
    Location->Parameters.DeviceIoControl.InputBufferLength = InputLength;
    Location->Parameters.DeviceIoControl.OutputBufferLength = OutputLength;
    if (method == METHOD_BUFFERED)
        return AttachBoth(Irp, InputBuffer, InputLength, OutputBuffer, OutputLength);
    if (method != METHOD_NEITHER)
        return AttachDirect(Irp, method, InputBuffer, InputLength, OutputBuffer, OutputLength);
    Location->Parameters.DeviceIoControl.Type3InputBuffer = InputBuffer;
    Irp->UserBuffer = OutputBuffer;
    return STATUS_SUCCESS;
}
