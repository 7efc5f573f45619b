/*
 * Requests under load: many at once through two drivers, completed by DPCs, by time-outs and by
 * who cancels them, on all processors. Each one completes exactly once, and nothing is left.
 */
#define SUITE "stress.irp"
#include "stress.h"
#include "irp_tool.h"
#include "thread_tool.h"

#define REQUESTS 64

/* The lower driver: reads wait in a cancel-safe queue. */
static struct {
    IO_CSQ Csq;
    KSPIN_LOCK Lock;
    LIST_ENTRY List;
    IO_REMOVE_LOCK RemoveLock;
    volatile LONG Queued, Served, Cancelled, TimedOut;
} Driver;

static VOID Insert(UNUSED PIO_CSQ Csq, PIRP Irp)
{
    InsertTailList(&Driver.List, &Irp->Tail.Overlay.ListEntry);
    InterlockedIncrement(&Driver.Queued);
}

static VOID Remove(UNUSED PIO_CSQ Csq, PIRP Irp)
{
    RemoveEntryList(&Irp->Tail.Overlay.ListEntry);
}

static PIRP Peek(UNUSED PIO_CSQ Csq, PIRP Irp, UNUSED PVOID PeekContext)
{
    PLIST_ENTRY link = Irp ? Irp->Tail.Overlay.ListEntry.Flink : Driver.List.Flink;

    return link == &Driver.List ? NULL : CONTAINING_RECORD(link, IRP, Tail.Overlay.ListEntry);
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
    InterlockedIncrement(Counter);
    KtComplete(Irp, Status);
    IoReleaseRemoveLock(&Driver.RemoveLock, NULL);
}

static VOID CompleteCancelled(UNUSED PIO_CSQ Csq, PIRP Irp)
{
    Finish(Irp, STATUS_CANCELLED, &Driver.Cancelled);
}

static NTSTATUS QueueIt(UNUSED PKT_LAYER Layer, PIRP Irp)
{
    NTSTATUS status = IoAcquireRemoveLock(&Driver.RemoveLock, NULL);

    if (!NT_SUCCESS(status)) {
        KtComplete(Irp, status);
        return status;
    }
    IoCsqInsertIrp(&Driver.Csq, Irp, NULL);
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

PARALLEL_ROUTINE(Turn)
{
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
    KeInitializeSpinLock(&Driver.Lock);
    InitializeListHead(&Driver.List);
    IoInitializeRemoveLock(&Driver.RemoveLock, KT_TAG, 0, 0);
    IoCsqInitialize(&Driver.Csq, Insert, Remove, Peek, Acquire, Release, CompleteCancelled);
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

/*
 * Removal under load: the lower device goes away while requests come and wait. Those that wait are
 * ended by the remover, the others are refused; nobody is in the driver when it returns.
 */
static VOID RemoveUnderLoad(VOID)
{
    PIRP irp;

    CHECK_EQUAL(IoAcquireRemoveLock(&Driver.RemoveLock, NULL), STATUS_SUCCESS);
    Driver.RemoveLock.Common.Removed =
        TRUE; /* as the wait below begins, so that none comes after */
    while ((irp = IoCsqRemoveNextIrp(&Driver.Csq, NULL)) != NULL)
        Finish(irp, STATUS_DELETE_PENDING, &Driver.Served);
    IoReleaseRemoveLockAndWait(&Driver.RemoveLock, NULL);
}

TEST(requests_cancels_and_time_outs)
{
    ULONG before = KtCountIrps();

    Prepare();
    Top->Completion = ForwardQuietly;
    KtRunInTurns(KtStressTime(10), Turn, NULL);
    RemoveUnderLoad();
    CHECK(IsListEmpty(&Driver.List));
    CHECK_EQUAL(Back, Sent);
    CHECK_EQUAL(Driver.Served + Driver.Cancelled + Driver.TimedOut, Driver.Queued);
    CHECK_AT_LEAST(Driver.Served, 1);
    CHECK_AT_LEAST(Driver.Cancelled, 1);
    CHECK_AT_LEAST(Driver.TimedOut, 1);
    for (ULONG n = 0; n < REQUESTS; n++) {
        TakeBack(&Requesters[n]);
        CHECK_EQUAL(Requesters[n].Away, FALSE);
        IoFreeIrp(Requesters[n].Irp);
    }
    CHECK_EQUAL(KtCountIrps(), before);
    KtFreeStack(Top);
}
