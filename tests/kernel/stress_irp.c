/*
 * Requests under load: many at once through two drivers, completed by DPCs, by time-outs and by
 * who cancels them, on all processors, while the device is removed again and again. Each one
 * completes exactly once, and nothing is left.
 */
#define SUITE "stress.irp"
#include "stress.h"
#include "irp_tool.h"
#include "thread_tool.h"

#define REQUESTS 64
#define LIVES    64 /* of the device: removals, and one */

/*
 * The lower driver: reads wait in a cancel-safe queue. After each removal the device lives again,
 * with another remove lock. A read remembers the lock that it has acquired.
 */
static struct {
    IO_CSQ Csq;
    KSPIN_LOCK Lock;
    LIST_ENTRY List;
    volatile ULONG Life; /* the present one; changed under Lock */
    IO_REMOVE_LOCK RemoveLocks[LIVES];
    volatile LONG Queued, Served, Cancelled, TimedOut, Removed, Refused;
} Driver;

#define REMOVE_LOCK(irp) (*(PIO_REMOVE_LOCK *)&(irp)->Tail.Overlay.DriverContext[0])

/* Refuses what has come in during a life that has ended meanwhile: nobody would look for it. */
static NTSTATUS Insert(UNUSED PIO_CSQ Csq, PIRP Irp, UNUSED PVOID InsertContext)
{
    if (REMOVE_LOCK(Irp) != &Driver.RemoveLocks[Driver.Life])
        return STATUS_DELETE_PENDING;
    InsertTailList(&Driver.List, &Irp->Tail.Overlay.ListEntry);
    InterlockedIncrement(&Driver.Queued);
    return STATUS_SUCCESS;
}

static VOID Remove(UNUSED PIO_CSQ Csq, PIRP Irp)
{
    RemoveEntryList(&Irp->Tail.Overlay.ListEntry);
}

/* PeekContext: a remove lock whose requests are wanted, or NULL. */
static PIRP Peek(UNUSED PIO_CSQ Csq, PIRP Irp, PVOID PeekContext)
{
    PLIST_ENTRY link = Irp ? Irp->Tail.Overlay.ListEntry.Flink : Driver.List.Flink;

    for (; link != &Driver.List; link = link->Flink) {
        PIRP irp = CONTAINING_RECORD(link, IRP, Tail.Overlay.ListEntry);

        if (!PeekContext || REMOVE_LOCK(irp) == PeekContext)
            return irp;
    }
    return NULL;
}

static VOID Acquire(UNUSED PIO_CSQ Csq, PKIRQL Irql)
{
    KeAcquireSpinLock(&Driver.Lock, Irql);
}

static VOID Release(UNUSED PIO_CSQ Csq, KIRQL Irql)
{
    KeReleaseSpinLock(&Driver.Lock, Irql);
}

static VOID Finish(PIRP Irp, NTSTATUS Status, volatile LONG *Counter)
{
    PIO_REMOVE_LOCK lock = REMOVE_LOCK(Irp); /* the IRP is another request soon */

    InterlockedIncrement(Counter);
    KtComplete(Irp, Status);
    IoReleaseRemoveLock(lock, NULL);
}

static VOID CompleteCancelled(UNUSED PIO_CSQ Csq, PIRP Irp)
{
    Finish(Irp, STATUS_CANCELLED, &Driver.Cancelled);
}

static NTSTATUS QueueIt(UNUSED PKT_LAYER Layer, PIRP Irp)
{
    PIO_REMOVE_LOCK lock = &Driver.RemoveLocks[Driver.Life];
    NTSTATUS status = IoAcquireRemoveLock(lock, NULL);

    if (!NT_SUCCESS(status)) {
        InterlockedIncrement(&Driver.Refused);
        KtComplete(Irp, status);
        return status;
    }
    REMOVE_LOCK(Irp) = lock;
    status = IoCsqInsertIrpEx(&Driver.Csq, Irp, NULL, NULL);
    if (!NT_SUCCESS(status)) /* it is marked pending already, so that is what it will be */
        Finish(Irp, status, &Driver.Refused);
    return STATUS_PENDING;
}

/* Two turns in three: serves the oldest request. The third: its time is over. */
static VOID ServeOne(VOID)
{
    PIRP irp = IoCsqRemoveNextIrp(&Driver.Csq, NULL);

    if (irp && KtRandom(3) == 0)
        Finish(irp, STATUS_IO_TIMEOUT, &Driver.TimedOut);
    else if (irp)
        Finish(irp, STATUS_SUCCESS, &Driver.Served);
}

static KT_DISPATCH *const Stack[] = {QueueIt, KtForward};

/* ---- the requesters: IRPs of IoAllocateIrp, sent again and again ---- */

typedef struct _REQUESTER {
    PIRP Irp;
    KSPIN_LOCK Lock;         /* Away: so that nobody cancels an IRP that is being made new */
    BOOLEAN Away;            /* sent, and not back */
    volatile LONG Completed; /* times, since it was sent: 1 at the end */
} REQUESTER;

static REQUESTER Requesters[REQUESTS];
static PKT_LAYER Top;
static volatile LONG64 Sent, Back;

static IO_COMPLETION_ROUTINE ComeBack;
static NTSTATUS ComeBack(UNUSED PDEVICE_OBJECT DeviceObject, UNUSED PIRP Irp, PVOID Context)
{
    REQUESTER *requester = Context;

    InterlockedIncrement64(&Back);
    InterlockedIncrement(&requester->Completed);
    return STATUS_MORE_PROCESSING_REQUIRED;
}

static VOID SendOne(REQUESTER *Requester)
{
    KIRQL irql;

    KeAcquireSpinLock(&Requester->Lock, &irql);
    if (Requester->Away) {
        KeReleaseSpinLock(&Requester->Lock, irql);
        return;
    }
    Requester->Away = TRUE;
    Requester->Completed = 0;
    IoReuseIrp(Requester->Irp, STATUS_SUCCESS);
    IoGetNextIrpStackLocation(Requester->Irp)->MajorFunction = IRP_MJ_READ;
    IoSetCompletionRoutine(Requester->Irp, ComeBack, Requester, TRUE, TRUE, TRUE);
    KeReleaseSpinLock(&Requester->Lock, irql);
    InterlockedIncrement64(&Sent);
    IoCallDriver(Top->Device, Requester->Irp);
}

/* Back: exactly once, and nobody is about to cancel it. Then it may be sent again. */
static VOID TakeBack(REQUESTER *Requester)
{
    KIRQL irql;

    KeAcquireSpinLock(&Requester->Lock, &irql);
    if (Requester->Away && Requester->Completed) {
        CHECK_EQUAL(Requester->Completed, 1);
        Requester->Away = FALSE;
    }
    KeReleaseSpinLock(&Requester->Lock, irql);
}

static VOID CancelOne(REQUESTER *Requester)
{
    KIRQL irql;

    KeAcquireSpinLock(&Requester->Lock, &irql); /* the IRP is not made new under our hands */
    if (Requester->Away)
        IoCancelIrp(Requester->Irp);
    KeReleaseSpinLock(&Requester->Lock, irql);
}

/*
 * Removal under load, in the order that a driver needs: nobody else comes in (a new life begins,
 * under the queue's lock), what waits is ended, and then whoever is still inside is awaited.
 */
static VOID RemoveUnderLoad(VOID)
{
    PIO_REMOVE_LOCK lock = &Driver.RemoveLocks[Driver.Life];
    PIRP irp;
    KIRQL irql;

    CHECK_EQUAL(IoAcquireRemoveLock(lock, NULL), STATUS_SUCCESS);
    Acquire(&Driver.Csq, &irql);
    Driver.Life++;
    Release(&Driver.Csq, irql);
    while ((irp = IoCsqRemoveNextIrp(&Driver.Csq, lock)) != NULL)
        Finish(irp, STATUS_DELETE_PENDING, &Driver.Removed);
    IoReleaseRemoveLockAndWait(lock, NULL);
    Acquire(&Driver.Csq, &irql);
    CHECK_EQUAL(Peek(&Driver.Csq, NULL, lock), NULL);
    Release(&Driver.Csq, irql);
}

/* Processor 0 is at PASSIVE_LEVEL and may wait; the others go on meanwhile. */
PARALLEL_ROUTINE(Turn)
{
    if (Processor == 0 && Driver.Life < LIVES - 2 && KtRandom(20) == 0)
        RemoveUnderLoad();
    for (ULONG n = 0; n < 20; n++) {
        REQUESTER *requester = &Requesters[KtRandom(REQUESTS)];

        switch (KtRandom(5)) {
        case 0:
        case 1:
            TakeBack(requester);
            SendOne(requester);
            break;
        case 2:
            CancelOne(requester);
            break;
        default:
            ServeOne();
        }
    }
}

static VOID Prepare(VOID)
{
    KtPoison(&Driver);
    Driver.Queued = Driver.Served = Driver.Cancelled = Driver.TimedOut = 0;
    Driver.Removed = Driver.Refused = 0;
    Driver.Life = 0;
    KeInitializeSpinLock(&Driver.Lock);
    InitializeListHead(&Driver.List);
    for (ULONG n = 0; n < LIVES; n++)
        IoInitializeRemoveLock(&Driver.RemoveLocks[n], KT_TAG, 0, 0);
    IoCsqInitializeEx(&Driver.Csq, Insert, Remove, Peek, Acquire, Release, CompleteCancelled);
    Top = KtMakeStack(2, Stack);
    Sent = Back = 0;
    memset(Requesters, 0, sizeof(Requesters));
    for (ULONG n = 0; n < REQUESTS; n++)
        Requesters[n].Irp = IoAllocateIrp(Top->Device->StackSize, FALSE);
}

static NTSTATUS ForwardQuietly(UNUSED PDEVICE_OBJECT DeviceObject, PIRP Irp, UNUSED PVOID Context)
{
    if (Irp->PendingReturned)
        IoMarkIrpPending(Irp);
    return STATUS_CONTINUE_COMPLETION;
}

TEST(requests_cancels_time_outs_and_removals)
{
    ULONG before = KtCountIrps();

    Prepare();
    Top->Completion = ForwardQuietly;
    KtRunInTurns(KtStressTime(10), Turn, NULL);
    RemoveUnderLoad();
    CHECK(IsListEmpty(&Driver.List));
    CHECK_EQUAL(Back, Sent);
    CHECK_EQUAL(Driver.Served + Driver.Cancelled + Driver.TimedOut + Driver.Removed, Driver.Queued);
    CHECK_EQUAL(Driver.Queued + Driver.Refused, Sent);
    CHECK_AT_LEAST(Driver.Served, 1);
    CHECK_AT_LEAST(Driver.Cancelled, 1);
    CHECK_AT_LEAST(Driver.TimedOut, 1);
    CHECK_AT_LEAST(Driver.Removed, 1);
    CHECK_AT_LEAST(Driver.Life, 2);
    for (ULONG n = 0; n < REQUESTS; n++) {
        TakeBack(&Requesters[n]);
        CHECK_EQUAL(Requesters[n].Away, FALSE);
        IoFreeIrp(Requesters[n].Irp);
    }
    CHECK_EQUAL(KtCountIrps(), before);
    KtFreeStack(Top);
}
