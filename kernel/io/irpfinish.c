/*
 * The end of a request, after its last completion routine: the requester gets data, status and
 * event. In the completer's context, at its IRQL; DESIGN.md says why no APC is needed for it.
 *
 * The event comes last: from then on the requester goes on, and the status block and the event may
 * stand on a stack that is left. Everything that is the request's is gone by then, so who waits
 * for the event and counts finds nothing left.
 */
#include "iop.h"

/* Kind of 0xC9 that has no documented number. */
#define TOO_MUCH_INFORMATION 0x82 /* [choice] more bytes reported than the buffer has */

/* Buffered input goes from the system buffer to where the requester wants it. */
static VOID CopyBack(PIRP Irp)
{
    ULONG_PTR length = Irp->IoStatus.Information;
    ULONG limit = IopRecordOf(Irp)->BufferLength;

    if (!(Irp->Flags & IRP_INPUT_OPERATION) || NT_ERROR(Irp->IoStatus.Status) || !length)
        return;
    KI_REQUIRE(length <= limit, DRIVER_VERIFIER_IOMANAGER_VIOLATION, TOO_MUCH_INFORMATION, Irp,
               length, limit);
    RtlCopyMemory(Irp->UserBuffer, Irp->AssociatedIrp.SystemBuffer, min(length, limit));
}

/*
 * Gives back the buffer and the MDLs that the kernel has attached to an IRP.
 *
 * IRQL:    <= DISPATCH_LEVEL
 * Locks:   the pool's
 * Context: the end of a request, or of the attempt to build one
 * Returns: nothing
 */
VOID IopFreeBuffers(PIRP Irp)
{
    KI_REQUIRE_IRQL_AT_MOST(DISPATCH_LEVEL, RULE_IRQL_KE_DISPATCH_LTE, "IoFreeIrp", Irp);

    PMDL mdl = Irp->MdlAddress;

    if (Irp->Flags & IRP_DEALLOCATE_BUFFER)
        ExFreePool(Irp->AssociatedIrp.SystemBuffer);
    Irp->Flags &= ~(ULONG)(IRP_DEALLOCATE_BUFFER | IRP_INPUT_OPERATION);
    Irp->MdlAddress = NULL;
    while (mdl) {
        PMDL next = mdl->Next;

        if (mdl->MdlFlags & MDL_PAGES_LOCKED)
            MmUnlockPages(mdl);
        IoFreeMdl(mdl);
        mdl = next;
    }
}

/*
 * Sets who waits free: the event that the requester has named, and the file object's if there is
 * none or if it is the file's only request. The IRP is gone; File and Event are referenced.
 */
static VOID Signal(PKEVENT UserEvent, PKEVENT Event, PFILE_OBJECT File, CCHAR PriorityBoost)
{
    if (UserEvent)
        KeSetEvent(UserEvent, PriorityBoost, FALSE);
    if (File && (!UserEvent || (File->Flags & FO_SYNCHRONOUS_IO)))
        KeSetEvent(&File->Event, PriorityBoost, FALSE);
    if (Event)
        ObfDereferenceObject(Event);
    if (File)
        ObfDereferenceObject(File);
}

/*
 * Tells the requester, and frees the IRP. One of IoAllocateIrp comes here too if no completion
 * routine has kept it; then it is freed as any other.
 *
 * IRQL:    <= DISPATCH_LEVEL
 * Locks:   takes IopIrpLock, the pool's, the dispatcher lock, one after the other
 * Context: IoCompleteRequest
 * Returns: nothing
 * Source:  contract T-IoCompleteRequest-4, T-IoBuildSync-1
 */
VOID IopFinishRequest(PIRP Irp, CCHAR PriorityBoost)
{
    KI_REQUIRE_IRQL_AT_MOST(DISPATCH_LEVEL, RULE_IRQL_KE_DISPATCH_LTE, "IoCompleteRequest", Irp);

    PIRP_RECORD record = IopRecordOf(Irp);
    PKEVENT userEvent = Irp->UserEvent, event;
    PFILE_OBJECT file;

    if (!record)
        return; /* in a driver's own memory: the driver's to keep */
    file = record->File;
    event = record->Event;
    if (file)
        file->FinalStatus = Irp->IoStatus.Status;
    CopyBack(Irp);
    IopFreeBuffers(Irp);
    if (Irp->UserIosb)
        *Irp->UserIosb = Irp->IoStatus;
    IopForgetRequest(Irp);
    IoFreeIrp(Irp);
    Signal(userEvent, event, file, PriorityBoost);
}
