/*
 * Cancel-safe queues: the driver keeps the list and the lock, the kernel the cancel routine and the
 * race with it. IRQL: at or below DISPATCH_LEVEL; the driver's lock is taken by its own callbacks,
 * and held around its insert, remove and peek callbacks, but not around CsqCompleteCanceledIrp.
 *
 * While an IRP is queued, DriverContext[3] leads to the queue: through the context that the driver
 * has given, or at once. Both begin with their type.
 *
 *     IoCsqRemoveNextIrp                      IoCancelIrp
 *     takes the queue's lock
 *                                             gets the cancel routine (by exchange), calls it: it
 *                                             frees the cancel lock and waits for the queue's lock
 *     peeks at the IRP; its exchange gets
 *     NULL: the IRP stays for the cancel
 *     routine, and the next one is tried
 *     frees the queue's lock
 *                                             takes the IRP out, frees the lock, has it completed
 */
#include "iop.h"

static DRIVER_CANCEL CancelQueued;

static NTSTATUS Initialize(PIO_CSQ Csq, ULONG Type, PVOID CsqInsertIrp,
                           PIO_CSQ_REMOVE_IRP CsqRemoveIrp, PIO_CSQ_PEEK_NEXT_IRP CsqPeekNextIrp,
                           PIO_CSQ_ACQUIRE_LOCK CsqAcquireLock, PIO_CSQ_RELEASE_LOCK CsqReleaseLock,
                           PIO_CSQ_COMPLETE_CANCELED_IRP CsqCompleteCanceledIrp)
{
    Csq->Type = Type;
    Csq->CsqInsertIrp = (PIO_CSQ_INSERT_IRP)CsqInsertIrp;
    Csq->CsqRemoveIrp = CsqRemoveIrp;
    Csq->CsqPeekNextIrp = CsqPeekNextIrp;
    Csq->CsqAcquireLock = CsqAcquireLock;
    Csq->CsqReleaseLock = CsqReleaseLock;
    Csq->CsqCompleteCanceledIrp = CsqCompleteCanceledIrp;
    Csq->ReservePointer = NULL;
    return STATUS_SUCCESS;
}

/*
 * IRQL:    any
 * Locks:   none
 * Context: any
 * Returns: STATUS_SUCCESS
 * Source:  contract io.md, Cancel-safe queues
 */
NTSTATUS IoCsqInitialize(PIO_CSQ Csq, PIO_CSQ_INSERT_IRP CsqInsertIrp,
                         PIO_CSQ_REMOVE_IRP CsqRemoveIrp, PIO_CSQ_PEEK_NEXT_IRP CsqPeekNextIrp,
                         PIO_CSQ_ACQUIRE_LOCK CsqAcquireLock, PIO_CSQ_RELEASE_LOCK CsqReleaseLock,
                         PIO_CSQ_COMPLETE_CANCELED_IRP CsqCompleteCanceledIrp)
{
    return Initialize(Csq, IO_TYPE_CSQ, (PVOID)CsqInsertIrp, CsqRemoveIrp, CsqPeekNextIrp,
                      CsqAcquireLock, CsqReleaseLock, CsqCompleteCanceledIrp);
}

/*
 * As IoCsqInitialize, with an insert callback that may refuse.
 *
 * IRQL:    any
 * Locks:   none
 * Context: any
 * Returns: STATUS_SUCCESS
 * Source:  contract T-CSQ-5
 */
NTSTATUS IoCsqInitializeEx(PIO_CSQ Csq, PIO_CSQ_INSERT_IRP_EX CsqInsertIrp,
                           PIO_CSQ_REMOVE_IRP CsqRemoveIrp, PIO_CSQ_PEEK_NEXT_IRP CsqPeekNextIrp,
                           PIO_CSQ_ACQUIRE_LOCK CsqAcquireLock, PIO_CSQ_RELEASE_LOCK CsqReleaseLock,
                           PIO_CSQ_COMPLETE_CANCELED_IRP CsqCompleteCanceledIrp)
{
    return Initialize(Csq, IO_TYPE_CSQ_EX, (PVOID)CsqInsertIrp, CsqRemoveIrp, CsqPeekNextIrp,
                      CsqAcquireLock, CsqReleaseLock, CsqCompleteCanceledIrp);
}

/* The queue's lock is held: takes the IRP out and breaks its tie with the context. */
static VOID Remove(PIO_CSQ Csq, PIRP Irp)
{
    PIO_CSQ_IRP_CONTEXT context = Irp->Tail.Overlay.DriverContext[3];

    if (context->Type == IO_TYPE_CSQ_IRP_CONTEXT)
        context->Irp = NULL;
    Irp->Tail.Overlay.DriverContext[3] = NULL;
    Csq->CsqRemoveIrp(Csq, Irp);
}

/* The cancel routine of every queued IRP. */
static VOID CancelQueued(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    PIO_CSQ_IRP_CONTEXT context = Irp->Tail.Overlay.DriverContext[3];
    PIO_CSQ csq = context->Type == IO_TYPE_CSQ_IRP_CONTEXT ? context->Csq : (PVOID)context;
    KIRQL irql;

    UNREFERENCED_PARAMETER(DeviceObject);
    IoReleaseCancelSpinLock(Irp->CancelIrql);
    csq->CsqAcquireLock(csq, &irql);
    Remove(csq, Irp);
    csq->CsqReleaseLock(csq, irql);
    csq->CsqCompleteCanceledIrp(csq, Irp);
}

static NTSTATUS CallInsert(PIO_CSQ Csq, PIRP Irp, PVOID InsertContext)
{
    if (Csq->Type == IO_TYPE_CSQ_EX)
        return ((PIO_CSQ_INSERT_IRP_EX)(PVOID)Csq->CsqInsertIrp)(Csq, Irp, InsertContext);
    Csq->CsqInsertIrp(Csq, Irp);
    return STATUS_SUCCESS;
}

static VOID TieToQueue(PIO_CSQ Csq, PIRP Irp, PIO_CSQ_IRP_CONTEXT Context)
{
    Irp->Tail.Overlay.DriverContext[3] = Context ? (PVOID)Context : (PVOID)Csq;
    if (!Context)
        return;
    Context->Type = IO_TYPE_CSQ_IRP_CONTEXT;
    Context->Irp = Irp;
    Context->Csq = Csq;
}

/*
 * Queues an IRP, marked pending. One that is cancelled already, or just now, does not stay: it is
 * handed to CsqCompleteCanceledIrp, by this call or by the cancel routine.
 *
 * IRQL:    <= DISPATCH_LEVEL
 * Locks:   takes the queue's lock, by the driver's callback
 * Context: the driver that has the IRP
 * Returns: what CsqInsertIrp returns, on a queue of IoCsqInitializeEx: if that is a failure, the
 *          caller still has the IRP; else STATUS_SUCCESS
 * Source:  contract T-CSQ-1, T-CSQ-5
 */
NTSTATUS IoCsqInsertIrpEx(PIO_CSQ Csq, PIRP Irp, PIO_CSQ_IRP_CONTEXT Context, PVOID InsertContext)
{
    KI_REQUIRE_IRQL_AT_MOST(DISPATCH_LEVEL, RULE_IRQL_KE_DISPATCH_LTE, "IrqlIoDispatch", Irp);

    BOOLEAN cancelled = FALSE;
    NTSTATUS status;
    KIRQL irql;

    Csq->CsqAcquireLock(Csq, &irql);
    TieToQueue(Csq, Irp, Context);
    IoMarkIrpPending(Irp);
    status = CallInsert(Csq, Irp, InsertContext);
    if (NT_SUCCESS(status)) {
        IoSetCancelRoutine(Irp, CancelQueued);
        /* Cancelled before: whoever gets the routine by the exchange completes it. */
        cancelled = Irp->Cancel && IoSetCancelRoutine(Irp, NULL) != NULL;
        if (cancelled)
            Remove(Csq, Irp);
    } else {
        Irp->Tail.Overlay.DriverContext[3] = NULL;
        if (Context)
            Context->Irp = NULL;
    }
    Csq->CsqReleaseLock(Csq, irql);
    if (cancelled)
        Csq->CsqCompleteCanceledIrp(Csq, Irp);
    return status;
}

/*
 * As IoCsqInsertIrpEx, for insert callbacks that cannot refuse.
 *
 * IRQL:    <= DISPATCH_LEVEL (IoCsqInsertIrpEx)
 * Locks:   takes the queue's lock, by the driver's callback
 * Context: the driver that has the IRP
 * Returns: nothing
 * Source:  contract T-CSQ-1
 */
VOID IoCsqInsertIrp(PIO_CSQ Csq, PIRP Irp, PIO_CSQ_IRP_CONTEXT Context)
{
    (void)IoCsqInsertIrpEx(Csq, Irp, Context, NULL);
}

/*
 * Takes the first IRP that fits PeekContext out of the queue.
 *
 * IRQL:    <= DISPATCH_LEVEL
 * Locks:   takes the queue's lock, by the driver's callback
 * Context: any
 * Returns: the IRP, which nobody can cancel any more; NULL if there is none
 * Source:  contract T-CSQ-2
 */
PIRP IoCsqRemoveNextIrp(PIO_CSQ Csq, PVOID PeekContext)
{
    KI_REQUIRE_IRQL_AT_MOST(DISPATCH_LEVEL, RULE_IRQL_KE_DISPATCH_LTE, "IrqlIoDispatch", Csq);

    PIRP irp;
    KIRQL irql;

    Csq->CsqAcquireLock(Csq, &irql);
    irp = Csq->CsqPeekNextIrp(Csq, NULL, PeekContext);
    while (irp && !IoSetCancelRoutine(irp, NULL))
        irp = Csq->CsqPeekNextIrp(Csq, irp, PeekContext);
    if (irp)
        Remove(Csq, irp);
    Csq->CsqReleaseLock(Csq, irql);
    return irp;
}

/*
 * Takes the IRP that Context was given with out of the queue.
 *
 * IRQL:    <= DISPATCH_LEVEL
 * Locks:   takes the queue's lock, by the driver's callback
 * Context: any
 * Returns: the IRP; NULL if it has been cancelled, or removed, meanwhile
 * Source:  contract T-CSQ-3
 */
PIRP IoCsqRemoveIrp(PIO_CSQ Csq, PIO_CSQ_IRP_CONTEXT Context)
{
    KI_REQUIRE_IRQL_AT_MOST(DISPATCH_LEVEL, RULE_IRQL_KE_DISPATCH_LTE, "IrqlIoDispatch", Csq);

    PIRP irp;
    KIRQL irql;

    Csq->CsqAcquireLock(Csq, &irql);
    irp = Context->Irp;
    if (irp && !IoSetCancelRoutine(irp, NULL))
        irp = NULL; /* the cancel routine has it, and waits for the lock */
    if (irp)
        Remove(Csq, irp);
    Csq->CsqReleaseLock(Csq, irql);
    return irp;
}
