/*
 * The requests of each thread: in its list from their making to their end, so that a thread does
 * not end before them. The lists are under IopIrpLock, at DISPATCH_LEVEL.
 */
#include "iop.h"

#define CANCEL_PATIENCE (300ULL * 1000u) /* milliseconds: five minutes */

ULONG64 IopCancelPatience = CANCEL_PATIENCE;

/*
 * Makes the IRP one of the current thread's.
 *
 * IRQL:    <= APC_LEVEL
 * Locks:   takes IopIrpLock
 * Context: the thread
 * Returns: nothing
 * Source:  contract T-IoBuildSync-1
 */
VOID IopQueueRequestToThread(PIRP Irp)
{
    KI_REQUIRE_IRQL_AT_MOST(APC_LEVEL, RULE_IRQL_IO_APC_LTE, "IrqlIoApcLte", Irp);

    PKTHREAD thread = KeGetCurrentThread();
    KIRQL oldIrql;

    KeAcquireSpinLock(&IopIrpLock, &oldIrql);
    InsertTailList(&thread->IrpList, &Irp->ThreadListEntry);
    KeReleaseSpinLock(&IopIrpLock, oldIrql);
}

/*
 * Takes the IRP out of its thread's list, if it is in one. A thread that waits to end is told
 * under the lock: afterwards it may be gone.
 *
 * IRQL:    <= DISPATCH_LEVEL
 * Locks:   takes IopIrpLock, in it the dispatcher lock
 * Context: the end of a request
 * Returns: nothing
 */
VOID IopForgetRequest(PIRP Irp)
{
    KI_REQUIRE_IRQL_AT_MOST(DISPATCH_LEVEL, RULE_IRQL_KE_DISPATCH_LTE, "IoFreeIrp", Irp);

    PKTHREAD thread = Irp->Tail.Overlay.Thread;
    KIRQL oldIrql;

    KeAcquireSpinLock(&IopIrpLock, &oldIrql);
    if (!IsListEmpty(&Irp->ThreadListEntry)) {
        RemoveEntryList(&Irp->ThreadListEntry);
        InitializeListHead(&Irp->ThreadListEntry);
        if (thread->IrpListEmpty && IsListEmpty(&thread->IrpList))
            KeSetEvent(thread->IrpListEmpty, IO_NO_INCREMENT, FALSE);
    }
    KeReleaseSpinLock(&IopIrpLock, oldIrql);
}

/* A request of the thread that is not cancelled yet, with a reference on its memory; or NULL. */
static PIRP NextRequest(PKTHREAD Thread, PVOID FileObject)
{
    PIRP irp = NULL;
    PLIST_ENTRY link;
    KIRQL oldIrql;

    KeAcquireSpinLock(&IopIrpLock, &oldIrql);
    for (link = Thread->IrpList.Flink; link != &Thread->IrpList && !irp; link = link->Flink) {
        irp = CONTAINING_RECORD(link, IRP, ThreadListEntry);
        if (irp->Cancel || (FileObject && IopRecordOf(irp)->File != FileObject))
            irp = NULL;
    }
    if (irp)
        IopReferenceRecord(IopRecordOf(irp));
    KeReleaseSpinLock(&IopIrpLock, oldIrql);
    return irp;
}

/*
 * Cancels all requests of a thread, or those for one file. The reference lets IoCancelIrp look at
 * an IRP that is completed meanwhile:
 *
 *     this thread                         completer
 *     finds the IRP in the list
 *                                         takes it out of the list, frees it: Type = 0, but the
 *                                         memory stays
 *     IoCancelIrp: Cancel = TRUE, no
 *     cancel routine, nothing happens
 *     gives the reference back: the
 *     memory goes
 *
 * IRQL:    <= APC_LEVEL
 * Locks:   takes IopIrpLock and the cancel spin lock, one after the other
 * Context: the thread
 * Returns: nothing
 */
VOID IopCancelRequests(PKTHREAD Thread, PVOID FileObject)
{
    KI_REQUIRE_IRQL_AT_MOST(APC_LEVEL, RULE_IRQL_IO_APC_LTE, "IrqlIoApcLte", Thread);

    PIRP irp;

    while ((irp = NextRequest(Thread, FileObject)) != NULL) {
        PIRP_RECORD record = IopRecordOf(irp); /* a thread's IRP is never made new */

        IoCancelIrp(irp);
        IopDereferenceRecord(record);
    }
}

/* The time is over, and a cancelled request is still there. */
static VOID CheckPatience(PKTHREAD Thread)
{
    KI_REQUIRE(IsListEmpty(&Thread->IrpList), DRIVER_VERIFIER_DETECTED_VIOLATION, 0x135,
               CONTAINING_RECORD(Thread->IrpList.Flink, IRP, ThreadListEntry), IopCancelPatience,
               0);
    UNREFERENCED_PARAMETER(Thread);
}

/* Waits until the list is empty. A driver that keeps a cancelled request too long is reported. */
static VOID AwaitRequests(PKTHREAD Thread)
{
    LARGE_INTEGER timeout = {.QuadPart = -(LONGLONG)(IopCancelPatience * 10000u)};
    KEVENT event;
    BOOLEAN empty;
    KIRQL oldIrql;

    KeInitializeEvent(&event, NotificationEvent, FALSE);
    KeAcquireSpinLock(&IopIrpLock, &oldIrql);
    empty = IsListEmpty(&Thread->IrpList);
    Thread->IrpListEmpty = empty ? NULL : &event;
    KeReleaseSpinLock(&IopIrpLock, oldIrql);
    if (empty)
        return;
    while (KeWaitForSingleObject(&event, Executive, KernelMode, FALSE, &timeout) == STATUS_TIMEOUT)
        CheckPatience(Thread);
    KeAcquireSpinLock(&IopIrpLock, &oldIrql); /* who has set the event has left the lock then */
    Thread->IrpListEmpty = NULL;
    KeReleaseSpinLock(&IopIrpLock, oldIrql);
}

/*
 * A thread ends: its requests are cancelled, and awaited.
 *
 * IRQL:    PASSIVE_LEVEL
 * Locks:   takes IopIrpLock and the cancel spin lock, one after the other
 * Context: the thread
 * Returns: nothing
 * Source:  contract T-IoBuildSync-1; bug check 0xC4, kind 0x135
 */
VOID IopCancelRequestsOfThread(PKTHREAD Thread)
{
    KI_REQUIRE_IRQL_AT_MOST(PASSIVE_LEVEL, RULE_IRQL_IO_PASSIVE, "IrqlPsPassive", Thread);

    IopCancelRequests(Thread, NULL);
    AwaitRequests(Thread);
}
