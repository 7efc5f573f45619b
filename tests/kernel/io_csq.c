/* io.md, Cancel-safe queues; remove locks. */
#define SUITE "io.csq"
#include "irp_tool.h"
#include "thread_tool.h"

/* The driver's side of a queue. */
static struct {
    IO_CSQ Csq;
    LIST_ENTRY List;
    KSPIN_LOCK Lock;
    BOOLEAN Locked;
    NTSTATUS InsertStatus;
    PVOID InsertContext;
    PIRP Completed;
    BOOLEAN CompletedUnderLock;
} Queue;

static VOID Insert(UNUSED PIO_CSQ Csq, PIRP Irp)
{
    CHECK(Queue.Locked);
    KtTrace('i');
    InsertTailList(&Queue.List, &Irp->Tail.Overlay.ListEntry);
}

static NTSTATUS InsertEx(PIO_CSQ Csq, PIRP Irp, PVOID InsertContext)
{
    Queue.InsertContext = InsertContext;
    CHECK(IoGetCurrentIrpStackLocation(Irp)->Control & SL_PENDING_RETURNED);
    if (NT_SUCCESS(Queue.InsertStatus))
        Insert(Csq, Irp);
    return Queue.InsertStatus;
}

static VOID Remove(UNUSED PIO_CSQ Csq, PIRP Irp)
{
    CHECK(Queue.Locked);
    KtTrace('r');
    RemoveEntryList(&Irp->Tail.Overlay.ListEntry);
}

/* The first IRP behind Irp whose Key is PeekContext's, or any without one. */
static PIRP Peek(UNUSED PIO_CSQ Csq, PIRP Irp, PVOID PeekContext)
{
    PLIST_ENTRY link = Irp ? Irp->Tail.Overlay.ListEntry.Flink : Queue.List.Flink;

    CHECK(Queue.Locked);
    for (; link != &Queue.List; link = link->Flink) {
        PIRP irp = CONTAINING_RECORD(link, IRP, Tail.Overlay.ListEntry);

        if (!PeekContext || irp->UserBuffer == PeekContext)
            return irp;
    }
    return NULL;
}

static VOID Acquire(UNUSED PIO_CSQ Csq, PKIRQL Irql)
{
    KeAcquireSpinLock(&Queue.Lock, Irql);
    Queue.Locked = TRUE;
}

static VOID Release(UNUSED PIO_CSQ Csq, KIRQL Irql)
{
    Queue.Locked = FALSE;
    KeReleaseSpinLock(&Queue.Lock, Irql);
}

static VOID CompleteCancelled(UNUSED PIO_CSQ Csq, PIRP Irp)
{
    KtTrace('c');
    Queue.Completed = Irp;
    Queue.CompletedUnderLock = Queue.Locked;
    KtComplete(Irp, STATUS_CANCELLED);
}

static NTSTATUS QueueIt(UNUSED PKT_LAYER Layer, PIRP Irp)
{
    IoCsqInsertIrp(&Queue.Csq, Irp, NULL);
    return STATUS_PENDING;
}

static KT_DISPATCH *const Queuing[] = {QueueIt};
static LONG Completions;

static VOID PrepareQueue(VOID)
{
    KtPoison(&Queue);
    InitializeListHead(&Queue.List);
    KeInitializeSpinLock(&Queue.Lock);
    Queue.Locked = FALSE;
    Queue.Completed = NULL;
    Completions = 0;
    KtTraceReset();
    CHECK_EQUAL(
        IoCsqInitialize(&Queue.Csq, Insert, Remove, Peek, Acquire, Release, CompleteCancelled),
        STATUS_SUCCESS);
}

/* An IRP that is at a driver, so that it can be queued without one. */
static PIRP MakeIrp(PVOID Key)
{
    PIRP irp = IoAllocateIrp(1, FALSE);

    IoSetCompletionRoutine(irp, KtCountAndKeep, &Completions, TRUE, TRUE, TRUE);
    IoSetNextIrpStackLocation(irp);
    irp->UserBuffer = Key;
    return irp;
}

TEST(T_CSQ_1)
{
    PKT_LAYER layer = KtMakeStack(1, Queuing);
    PIRP irp;

    PrepareQueue();
    irp = KtMakeRead(layer, NULL, 0);
    IoSetCompletionRoutine(irp, KtCountAndKeep, &Completions, TRUE, TRUE, TRUE);
    CHECK_EQUAL(IoCallDriver(layer->Device, irp), STATUS_PENDING);
    CHECK(IoGetCurrentIrpStackLocation(irp)->Control & SL_PENDING_RETURNED);
    CHECK(irp->CancelRoutine != NULL);
    CHECK(!IsListEmpty(&Queue.List));
    CHECK_EQUAL(IoCsqRemoveNextIrp(&Queue.Csq, NULL), irp);
    CHECK_TRACE("ir");
    KtComplete(irp, STATUS_SUCCESS);
    IoFreeIrp(irp);
    KtFreeStack(layer);
}

/* Cancelled before it comes: it does not stay. */
TEST(T_CSQ_1_cancelled_before)
{
    PIRP irp;

    PrepareQueue();
    irp = MakeIrp(NULL);
    CHECK_EQUAL(IoCancelIrp(irp), FALSE);
    IoCsqInsertIrp(&Queue.Csq, irp, NULL);
    CHECK_TRACE("irc");
    CHECK_EQUAL(Queue.Completed, irp);
    CHECK_EQUAL(Queue.CompletedUnderLock, FALSE);
    CHECK_EQUAL(Completions, 1);
    CHECK(IsListEmpty(&Queue.List));
    IoFreeIrp(irp);
}

TEST(T_CSQ_2)
{
    PIRP irps[4];

    PrepareQueue();
    CHECK_EQUAL(IoCsqRemoveNextIrp(&Queue.Csq, NULL), NULL);
    for (ULONG n = 0; n < 4; n++) {
        irps[n] = MakeIrp((PVOID)(ULONG_PTR)(n % 2 + 1));
        IoCsqInsertIrp(&Queue.Csq, irps[n], NULL);
    }
    CHECK_EQUAL(IoCsqRemoveNextIrp(&Queue.Csq, (PVOID)2), irps[1]); /* the first that fits */
    CHECK_EQUAL(irps[1]->CancelRoutine, NULL);
    CHECK_EQUAL(IoCancelIrp(irps[1]), FALSE); /* it is the driver's now */
    CHECK_EQUAL(IoCsqRemoveNextIrp(&Queue.Csq, NULL), irps[0]);
    CHECK_EQUAL(IoCsqRemoveNextIrp(&Queue.Csq, (PVOID)2), irps[3]);
    CHECK_EQUAL(IoCsqRemoveNextIrp(&Queue.Csq, (PVOID)2), NULL);
    CHECK_EQUAL(IoCsqRemoveNextIrp(&Queue.Csq, NULL), irps[2]);
    CHECK_EQUAL(IoCsqRemoveNextIrp(&Queue.Csq, NULL), NULL);
    for (ULONG n = 0; n < 4; n++) {
        KtComplete(irps[n], STATUS_SUCCESS);
        IoFreeIrp(irps[n]);
    }
}

/*
 * The interleaving of csq.c: IoCancelIrp has the routine already and waits for the queue's lock
 * while the remover peeks. Here the exchange is made by hand.
 */
TEST(T_CSQ_2_never_a_cancelled_one)
{
    PIRP first, second;
    PDRIVER_CANCEL routine;
    KIRQL irql;

    PrepareQueue();
    first = MakeIrp(NULL);
    second = MakeIrp(NULL);
    IoCsqInsertIrp(&Queue.Csq, first, NULL);
    IoCsqInsertIrp(&Queue.Csq, second, NULL);
    IoAcquireCancelSpinLock(&irql);
    first->Cancel = TRUE;
    routine = IoSetCancelRoutine(first, NULL);
    first->CancelIrql = DISPATCH_LEVEL;
    CHECK_EQUAL(IoCsqRemoveNextIrp(&Queue.Csq, NULL), second);
    CHECK_EQUAL(IoCsqRemoveNextIrp(&Queue.Csq, NULL), NULL);
    routine(NULL, first); /* frees the cancel lock */
    KeLowerIrql(irql);
    CHECK_EQUAL(Queue.Completed, first);
    CHECK(IsListEmpty(&Queue.List));
    KtComplete(second, STATUS_SUCCESS);
    IoFreeIrp(first);
    IoFreeIrp(second);
}

TEST(T_CSQ_3)
{
    IO_CSQ_IRP_CONTEXT contexts[3];
    PIRP irps[3];

    PrepareQueue();
    KtPoison(&contexts);
    for (ULONG n = 0; n < 3; n++) {
        irps[n] = MakeIrp(NULL);
        IoCsqInsertIrp(&Queue.Csq, irps[n], &contexts[n]);
    }
    CHECK_EQUAL(IoCsqRemoveIrp(&Queue.Csq, &contexts[1]), irps[1]);
    CHECK_EQUAL(IoCsqRemoveIrp(&Queue.Csq, &contexts[1]), NULL); /* it has it already */
    CHECK_EQUAL(IoCancelIrp(irps[0]), TRUE);
    CHECK_EQUAL(IoCsqRemoveIrp(&Queue.Csq, &contexts[0]), NULL); /* cancelled meanwhile */
    CHECK_EQUAL(IoCsqRemoveNextIrp(&Queue.Csq, NULL), irps[2]);
    CHECK_EQUAL(IoCsqRemoveIrp(&Queue.Csq, &contexts[2]), NULL); /* removed by the other way */
    KtComplete(irps[1], STATUS_SUCCESS);
    KtComplete(irps[2], STATUS_SUCCESS);
    CHECK_EQUAL(Completions, 3);
    for (ULONG n = 0; n < 3; n++)
        IoFreeIrp(irps[n]);
}

TEST(T_CSQ_4)
{
    IO_CSQ_IRP_CONTEXT context;
    PIRP irp;

    for (ULONG withContext = 0; withContext < 2; withContext++) {
        PrepareQueue();
        irp = MakeIrp(NULL);
        IoCsqInsertIrp(&Queue.Csq, irp, withContext ? &context : NULL);
        CHECK_EQUAL(irp->Tail.Overlay.DriverContext[3],
                    withContext ? (PVOID)&context : (PVOID)&Queue.Csq);
        CHECK_EQUAL(IoCancelIrp(irp), TRUE);
        CHECK_IRQL(PASSIVE_LEVEL);
        CHECK_TRACE("irc");
        CHECK_EQUAL(Queue.CompletedUnderLock, FALSE);
        CHECK_EQUAL(irp->IoStatus.Status, STATUS_CANCELLED);
        CHECK_EQUAL(Completions, 1);
        IoFreeIrp(irp);
    }
}

TEST(T_CSQ_5)
{
    IO_CSQ_IRP_CONTEXT context;
    PIRP irp;

    PrepareQueue();
    irp = MakeIrp(NULL);
    CHECK_EQUAL(IoCsqInsertIrpEx(&Queue.Csq, irp, NULL, NULL), STATUS_SUCCESS);
    CHECK_EQUAL(IoCsqRemoveNextIrp(&Queue.Csq, NULL), irp);

    CHECK_EQUAL(
        IoCsqInitializeEx(&Queue.Csq, InsertEx, Remove, Peek, Acquire, Release, CompleteCancelled),
        STATUS_SUCCESS);
    Queue.InsertStatus = STATUS_PENDING; /* any success is passed on */
    CHECK_EQUAL(IoCsqInsertIrpEx(&Queue.Csq, irp, &context, &context), STATUS_PENDING);
    CHECK_EQUAL(Queue.InsertContext, &context);
    CHECK_EQUAL(IoCsqRemoveIrp(&Queue.Csq, &context), irp);
    Queue.InsertStatus = STATUS_DEVICE_BUSY;
    CHECK_EQUAL(IoCsqInsertIrpEx(&Queue.Csq, irp, &context, NULL), STATUS_DEVICE_BUSY);
    CHECK_EQUAL(irp->CancelRoutine, NULL);
    CHECK_EQUAL(IoCsqRemoveIrp(&Queue.Csq, &context), NULL);
    CHECK(IsListEmpty(&Queue.List));
    KtComplete(irp, STATUS_DEVICE_BUSY); /* the caller still has it */
    CHECK_EQUAL(Completions, 1);
    IoFreeIrp(irp);
}

/* ---- remove locks ---- */

typedef struct _LARGE_LOCK {
    IO_REMOVE_LOCK Lock;
    UCHAR Debugging[0x58]; /* what a checked driver's lock has behind it */
    ULONG Behind;
} LARGE_LOCK;

TEST(remove_lock)
{
    IO_REMOVE_LOCK lock;

    KtPoison(&lock);
    IoInitializeRemoveLock(&lock, KT_TAG, 0, 0);
    CHECK_EQUAL(IoAcquireRemoveLock(&lock, NULL), STATUS_SUCCESS);
    CHECK_EQUAL(IoAcquireRemoveLock(&lock, &lock), STATUS_SUCCESS);
    IoReleaseRemoveLock(&lock, NULL);
    IoReleaseRemoveLockAndWait(&lock, &lock); /* nobody else has it: returns at once */
    CHECK_EQUAL(IoAcquireRemoveLock(&lock, NULL), STATUS_DELETE_PENDING);
}

TEST(remove_lock_of_another_size)
{
    LARGE_LOCK large;

    KtPoison(&large);
    IoInitializeRemoveLockEx(&large.Lock, KT_TAG, 1, 10, offsetof(LARGE_LOCK, Behind));
    CHECK_EQUAL(large.Debugging[0], 0); /* all of it is initialized, and nothing behind */
    CHECK_EQUAL(large.Debugging[sizeof(large.Debugging) - 1], 0);
    CHECK_EQUAL(large.Behind, POISON * 0x01010101u);
    CHECK_EQUAL(IoAcquireRemoveLockEx(&large.Lock, NULL, "", 1, offsetof(LARGE_LOCK, Behind)),
                STATUS_SUCCESS);
    IoReleaseRemoveLockAndWaitEx(&large.Lock, NULL, offsetof(LARGE_LOCK, Behind));
    CHECK_EQUAL(large.Behind, POISON * 0x01010101u);
}

static IO_REMOVE_LOCK WaitedLock;
static volatile LONG Removed;

ROUTINE(RemoveIt)
{
    CHECK_EQUAL(IoAcquireRemoveLock(&WaitedLock, NULL), STATUS_SUCCESS);
    IoReleaseRemoveLockAndWait(&WaitedLock, NULL);
    Removed = 1;
}

TEST(remove_lock_waits_for_the_last_holder)
{
    KT_THREAD thread;

    Removed = 0;
    IoInitializeRemoveLock(&WaitedLock, KT_TAG, 0, 0);
    CHECK_EQUAL(IoAcquireRemoveLock(&WaitedLock, NULL), STATUS_SUCCESS);
    CHECK(KtStartThread(&thread, 0, KT_ABOVE, RemoveIt, NULL));
    CHECK(KtAwaitWait(thread.Object, &WaitedLock.Common.RemoveEvent));
    CHECK_EQUAL(IoAcquireRemoveLock(&WaitedLock, NULL), STATUS_DELETE_PENDING);
    CHECK_EQUAL(Removed, 0);
    AT_IRQL(DISPATCH_LEVEL)
    {
        IoReleaseRemoveLock(&WaitedLock, NULL);
    }
    CHECK(KtSleepUntil(&Removed, 1));
    CHECK(KtEndThread(&thread));
}
