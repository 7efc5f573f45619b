/*
 * Reads: they wait in a cancel-safe queue, and the first of them is filled from the receive ring.
 * All state here is under ReadLock, which is the queue's lock too.
 *
 * A read stays in the queue while it is being filled. So it can be cancelled at any time, and then
 * ends with the characters that it has got. When it is full, or its time is up, it is marked
 * (ReadEnded) and taken out by IoCsqRemoveNextIrp, which settles the race with a cancellation.
 */
#include "serial.h"

#define MILLISECOND 10000 /* in 100 ns */

/* The contexts with which the queue is asked for its first IRP. */
#define ANY_READ   ((PVOID)0)
#define ENDED_READ ((PVOID)1)

static PSERIAL_PORT PortOf(PIO_CSQ Csq)
{
    return CONTAINING_RECORD(Csq, SERIAL_PORT, Reads);
}

static ULONG64 Now(VOID)
{
    ULONG64 counter;

    return KeQueryInterruptTimePrecise(&counter);
}

/* ---- the queue's routines ---- */

static IO_CSQ_INSERT_IRP InsertRead;
static VOID InsertRead(PIO_CSQ Csq, PIRP Irp)
{
    InsertTailList(&PortOf(Csq)->ReadList, &Irp->Tail.Overlay.ListEntry);
}

static IO_CSQ_REMOVE_IRP RemoveRead;
static VOID RemoveRead(PIO_CSQ Csq, PIRP Irp)
{
    PSERIAL_PORT port = PortOf(Csq);

    RemoveEntryList(&Irp->Tail.Overlay.ListEntry);
    if (port->Reading == Irp) {
        port->Reading = NULL;
        port->ReadEnded = FALSE;
        KeCancelTimer(&port->ReadTimer);
    }
}

static PIRP FirstRead(PSERIAL_PORT Port)
{
    if (IsListEmpty(&Port->ReadList))
        return NULL;
    return CONTAINING_RECORD(Port->ReadList.Flink, IRP, Tail.Overlay.ListEntry);
}

static IO_CSQ_PEEK_NEXT_IRP PeekRead;
static PIRP PeekRead(PIO_CSQ Csq, PIRP Irp, PVOID PeekContext)
{
    PSERIAL_PORT port = PortOf(Csq);

    if (Irp) /* the first was cancelled a moment ago: its routine removes it and serves the next */
        return NULL;
    if (PeekContext == ENDED_READ && !port->ReadEnded)
        return NULL;
    return FirstRead(port);
}

static IO_CSQ_ACQUIRE_LOCK AcquireReads;
static VOID AcquireReads(PIO_CSQ Csq, PKIRQL Irql)
{
    KeAcquireSpinLock(&PortOf(Csq)->ReadLock, Irql);
}

static IO_CSQ_RELEASE_LOCK ReleaseReads;
static VOID ReleaseReads(PIO_CSQ Csq, KIRQL Irql)
{
    KeReleaseSpinLock(&PortOf(Csq)->ReadLock, Irql);
}

static IO_CSQ_COMPLETE_CANCELED_IRP CompleteCanceledRead;
static VOID CompleteCanceledRead(PIO_CSQ Csq, PIRP Irp)
{
    CompleteRequest(Irp, STATUS_CANCELLED, Irp->IoStatus.Information);
    ServeReads(PortOf(Csq)); /* the next one may find characters */
}

/* ---- filling ---- */

/* Moves what fits from the ring into the read. TRUE: there was something. */
static BOOLEAN Fill(PSERIAL_PORT Port, PIRP Irp, ULONG Length)
{
    PUCHAR buffer = Irp->AssociatedIrp.SystemBuffer;
    ULONG_PTR before = Irp->IoStatus.Information;
    KIRQL irql = KeAcquireInterruptSpinLock(Port->Interrupt);

    while (Port->Tail != Port->Head && Irp->IoStatus.Information < Length)
        buffer[Irp->IoStatus.Information++] = Port->Ring[Port->Tail++ % RING_SIZE];
    if (Irp->IoStatus.Information != before)
        MakeRoom(Port);
    KeReleaseInterruptSpinLock(Port->Interrupt, irql);
    return Irp->IoStatus.Information != before;
}

/* When the read's time is up (SERIAL_TIMEOUTS); 0: now; MAXULONG64: never. */
static ULONG64 DeadlineOf(PSERIAL_PORT Port, PIRP Irp, ULONG Length)
{
    const SERIAL_TIMEOUTS *limits = &Port->Timeouts;
    ULONG64 milliseconds = limits->ReadTotalTimeoutConstant, deadline = MAXULONG64;
    BOOLEAN atOnce = limits->ReadIntervalTimeout == MAXULONG;
    BOOLEAN forOne = atOnce && limits->ReadTotalTimeoutMultiplier == MAXULONG;

    if (atOnce && (!forOne || Irp->IoStatus.Information > 0))
        return 0;
    if (!forOne)
        milliseconds += (ULONG64)limits->ReadTotalTimeoutMultiplier * Length;
    if (milliseconds != 0)
        deadline = Port->ReadBegan + milliseconds * MILLISECOND;
    if (!atOnce && limits->ReadIntervalTimeout != 0 && Irp->IoStatus.Information > 0) {
        ULONG64 pause = Port->LastCame + (ULONG64)limits->ReadIntervalTimeout * MILLISECOND;

        deadline = pause < deadline ? pause : deadline;
    }
    return deadline;
}

/* Has the read time left? Then the timer is set to when it is up. */
static BOOLEAN MayWait(PSERIAL_PORT Port, PIRP Irp, ULONG Length)
{
    ULONG64 now = Now(), deadline = DeadlineOf(Port, Irp, Length);
    LARGE_INTEGER dueTime;

    if (deadline <= now)
        return FALSE;
    if (deadline != MAXULONG64) {
        dueTime.QuadPart = -(LONG64)(deadline - now);
        KeSetTimer(&Port->ReadTimer, dueTime, &Port->ReadTimerDpc);
    }
    return TRUE;
}

/* Gives the first read what there is for it. With ReadLock. */
static VOID ContinueRead(PSERIAL_PORT Port)
{
    PIRP irp = FirstRead(Port);
    ULONG length;

    if (!irp || Port->ReadEnded)
        return;
    length = IoGetCurrentIrpStackLocation(irp)->Parameters.Read.Length;
    if (Port->Reading != irp) {
        Port->Reading = irp;
        Port->ReadBegan = Now();
    }
    if (Fill(Port, irp, length))
        Port->LastCame = Now();
    irp->IoStatus.Status = irp->IoStatus.Information > 0 ? STATUS_SUCCESS : STATUS_TIMEOUT;
    Port->ReadEnded = irp->IoStatus.Information == length || !MayWait(Port, irp, length);
}

/*
 * Fills reads and completes those that have ended, as long as there are such. Called after each
 * change: a read has come or gone, characters have come, a time is up. IRQL: <= DISPATCH_LEVEL.
 */
VOID ServeReads(PSERIAL_PORT Port)
{
    PIRP irp;
    KIRQL irql;

    do {
        KeAcquireSpinLock(&Port->ReadLock, &irql);
        ContinueRead(Port);
        KeReleaseSpinLock(&Port->ReadLock, irql);
        irp = IoCsqRemoveNextIrp(&Port->Reads, ENDED_READ);
        if (irp)
            CompleteRequest(irp, irp->IoStatus.Status, irp->IoStatus.Information);
    } while (irp);
}

/*
 * CustomTimerDpc: a read's time may be up. It may also be late, for a read that has gone; then
 * ContinueRead finds that the present one has time left, and sets the timer for that.
 */
static KDEFERRED_ROUTINE ReadTimeout;
static VOID ReadTimeout(PKDPC Dpc, PVOID DeferredContext, PVOID SystemArgument1,
                        PVOID SystemArgument2)
{
    UNREFERENCED_PARAMETER(Dpc);
    UNREFERENCED_PARAMETER(SystemArgument1);
    UNREFERENCED_PARAMETER(SystemArgument2);
    ServeReads(DeferredContext);
}

VOID InitializeReads(PSERIAL_PORT Port)
{
    KeInitializeSpinLock(&Port->ReadLock);
    InitializeListHead(&Port->ReadList);
    KeInitializeTimer(&Port->ReadTimer);
    KeInitializeDpc(&Port->ReadTimerDpc, ReadTimeout, Port);
    IoCsqInitialize(&Port->Reads, InsertRead, RemoveRead, PeekRead, AcquireReads, ReleaseReads,
                    CompleteCanceledRead);
}

VOID CancelReads(PSERIAL_PORT Port)
{
    PIRP irp;

    while ((irp = IoCsqRemoveNextIrp(&Port->Reads, ANY_READ)) != NULL)
        CompleteRequest(irp, STATUS_CANCELLED, irp->IoStatus.Information);
}

/* IRP_MJ_READ. IRQL: <= DISPATCH_LEVEL. */
NTSTATUS DispatchRead(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    PSERIAL_PORT port = DeviceObject->DeviceExtension;

    Irp->IoStatus.Information = 0;
    if (IoGetCurrentIrpStackLocation(Irp)->Parameters.Read.Length == 0)
        return CompleteRequest(Irp, STATUS_SUCCESS, 0);
    IoCsqInsertIrp(&port->Reads, Irp, NULL); /* marks it pending */
    ServeReads(port);
    return STATUS_PENDING;
}
