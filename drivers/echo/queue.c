/*
 * The reads that wait for data, in a cancel-safe queue, and the timer that ends them. A read leaves
 * the queue in one of three ways: data has come, it is cancelled, its time is over. The queue sees
 * to it that each read takes exactly one of them.
 */
#include "echo.h"

#define UNITS_PER_MILLISECOND 10000 /* of 100 ns */

/* While a read waits, its deadline stands in the IRP; MAXULONG64: none. */
#define DEADLINE(irp) (*(PULONGLONG) & (irp)->Tail.Overlay.DriverContext[0])

static PECHO EchoOf(PIO_CSQ Csq)
{
    return CONTAINING_RECORD(Csq, ECHO, Readers);
}

static PIRP IrpOf(PLIST_ENTRY Entry)
{
    return CONTAINING_RECORD(Entry, IRP, Tail.Overlay.ListEntry);
}

static VOID AcquireLock(PIO_CSQ Csq, PKIRQL Irql)
{
    KeAcquireSpinLock(&EchoOf(Csq)->QueueLock, Irql);
}

static VOID ReleaseLock(PIO_CSQ Csq, KIRQL Irql)
{
    KeReleaseSpinLock(&EchoOf(Csq)->QueueLock, Irql);
}

/* With QueueLock: the timer is due with the read whose time is over first. */
static VOID SetTimer(PECHO Echo)
{
    ULONGLONG now = KeQueryInterruptTime(), earliest = MAXULONG64;

    for (PLIST_ENTRY entry = Echo->Queue.Flink; entry != &Echo->Queue; entry = entry->Flink)
        earliest = min(earliest, DEADLINE(IrpOf(entry)));
    if (earliest != MAXULONG64) {
        LARGE_INTEGER due = {.QuadPart = earliest > now ? -(LONGLONG)(earliest - now) : -1};

        KeSetTimer(&Echo->Timer, due, &Echo->TimerDpc);
    }
}

static VOID InsertIrp(PIO_CSQ Csq, PIRP Irp)
{
    PECHO echo = EchoOf(Csq);
    ULONG timeout = echo->Timeout;

    DEADLINE(Irp) =
        timeout ? KeQueryInterruptTime() + (ULONGLONG)timeout * UNITS_PER_MILLISECOND : MAXULONG64;
    InsertTailList(&echo->Queue, &Irp->Tail.Overlay.ListEntry);
    SetTimer(echo);
}

static VOID RemoveIrp(PIO_CSQ Csq, PIRP Irp)
{
    UNREFERENCED_PARAMETER(Csq);
    RemoveEntryList(&Irp->Tail.Overlay.ListEntry);
}

static BOOLEAN Fits(PIRP Irp, PREAD_FILTER Filter)
{
    if (!Filter)
        return TRUE;
    if (Filter->File)
        return IoGetCurrentIrpStackLocation(Irp)->FileObject == Filter->File;
    return DEADLINE(Irp) <= Filter->Deadline;
}

/* The first read behind Irp (NULL: the first of all) that fits the filter. */
static PIRP PeekNextIrp(PIO_CSQ Csq, PIRP Irp, PVOID PeekContext)
{
    PECHO echo = EchoOf(Csq);
    PLIST_ENTRY entry = Irp ? Irp->Tail.Overlay.ListEntry.Flink : echo->Queue.Flink;

    while (entry != &echo->Queue && !Fits(IrpOf(entry), PeekContext))
        entry = entry->Flink;
    return entry == &echo->Queue ? NULL : IrpOf(entry);
}

static VOID CompleteRead(PIRP Irp, NTSTATUS Status)
{
    Irp->IoStatus.Status = Status;
    Irp->IoStatus.Information = 0;
    IoCompleteRequest(Irp, IO_NO_INCREMENT);
}

static VOID CompleteCanceledIrp(PIO_CSQ Csq, PIRP Irp)
{
    UNREFERENCED_PARAMETER(Csq);
    CompleteRead(Irp, STATUS_CANCELLED);
}

/* Ends all reads that fit. Each one is taken out of the queue first: nobody else has it then. */
VOID EchoFailReads(PECHO Echo, PREAD_FILTER Filter, NTSTATUS Status)
{
    PIRP irp;

    while ((irp = IoCsqRemoveNextIrp(&Echo->Readers, Filter)) != NULL)
        CompleteRead(irp, Status);
}

/* The time of a read is over, unless it has left the queue; then the timer waits for the next. */
static KDEFERRED_ROUTINE TimerDpc;
static VOID TimerDpc(PKDPC Dpc, PVOID Context, PVOID Argument1, PVOID Argument2)
{
    PECHO echo = Context;
    READ_FILTER tooOld = {NULL, KeQueryInterruptTime()};
    KIRQL irql;

    UNREFERENCED_PARAMETER(Dpc);
    UNREFERENCED_PARAMETER(Argument1);
    UNREFERENCED_PARAMETER(Argument2);
    EchoFailReads(echo, &tooOld, STATUS_IO_TIMEOUT);
    KeAcquireSpinLock(&echo->QueueLock, &irql);
    SetTimer(echo);
    KeReleaseSpinLock(&echo->QueueLock, irql);
}

VOID EchoInitializeQueue(PECHO Echo)
{
    InitializeListHead(&Echo->Queue);
    KeInitializeSpinLock(&Echo->QueueLock);
    KeInitializeTimer(&Echo->Timer);
    KeInitializeDpc(&Echo->TimerDpc, TimerDpc, Echo);
    IoCsqInitialize(&Echo->Readers, InsertIrp, RemoveIrp, PeekNextIrp, AcquireLock, ReleaseLock,
                    CompleteCanceledIrp);
}
