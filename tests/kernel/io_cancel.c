/* io.md, Cancellation. */
#define SUITE "io.cancel"
#include "irp_tool.h"
#include "thread_tool.h"
#include "io/iop.h"

static volatile LONG CancelCalls;
static KIRQL CancelIrqlSeen;
static PDEVICE_OBJECT CancelDevice;

/* Completes the IRP as cancelled, after freeing the lock. */
static DRIVER_CANCEL CancelAndComplete;
static VOID CancelAndComplete(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    CancelDevice = DeviceObject;
    CancelIrqlSeen = KeGetCurrentIrql();
    IoReleaseCancelSpinLock(Irp->CancelIrql);
    InterlockedIncrement(&CancelCalls);
    KtComplete(Irp, STATUS_CANCELLED);
}

static NTSTATUS PendWithRoutine(PKT_LAYER Layer, PIRP Irp)
{
    IoMarkIrpPending(Irp);
    Layer->Kept = Irp;
    IoSetCancelRoutine(Irp, CancelAndComplete);
    return STATUS_PENDING;
}

static KT_DISPATCH *const Cancellable[] = {PendWithRoutine};
static KT_DISPATCH *const Stubborn[] = {KtPend};

TEST(T_IoSetCancelRoutine_1)
{
    PIRP irp = IoAllocateIrp(1, FALSE);

    CHECK_EQUAL(IoSetCancelRoutine(irp, CancelAndComplete), NULL);
    CHECK_EQUAL(irp->CancelRoutine, CancelAndComplete);
    CHECK_EQUAL(IoSetCancelRoutine(irp, NULL), CancelAndComplete);
    CHECK_EQUAL(IoSetCancelRoutine(irp, NULL), NULL);
    IoFreeIrp(irp);
}

/* At any IRQL up to DISPATCH_LEVEL, with the cancel spin lock or without. */
TEST(T_IoSetCancelRoutine_2)
{
    PIRP irp = IoAllocateIrp(1, FALSE);
    KIRQL irql;

    AT_IRQL(DISPATCH_LEVEL)
    {
        CHECK_EQUAL(IoSetCancelRoutine(irp, CancelAndComplete), NULL);
    }
    IoAcquireCancelSpinLock(&irql);
    CHECK_IRQL(DISPATCH_LEVEL);
    CHECK_EQUAL(irql, PASSIVE_LEVEL);
    CHECK_EQUAL(IoSetCancelRoutine(irp, NULL), CancelAndComplete);
    IoReleaseCancelSpinLock(irql);
    CHECK_IRQL(PASSIVE_LEVEL);
    IoFreeIrp(irp);
}

static VOID CancelOnce(KIRQL Irql)
{
    PKT_LAYER layer = KtMakeStack(1, Cancellable);
    LONG completions = 0;
    PIRP irp = KtMakeRead(layer, NULL, 0);

    CancelCalls = 0;
    IoSetCompletionRoutine(irp, KtCountAndKeep, &completions, FALSE, FALSE, TRUE);
    CHECK_EQUAL(IoCallDriver(layer->Device, irp), STATUS_PENDING);
    AT_IRQL(Irql)
    {
        CHECK_EQUAL(IoCancelIrp(irp), TRUE);
        CHECK_IRQL(Irql);
    }
    CHECK_EQUAL(CancelCalls, 1);
    CHECK_EQUAL(CancelIrqlSeen, DISPATCH_LEVEL);
    CHECK_EQUAL(CancelDevice, layer->Device);
    CHECK_EQUAL(irp->CancelIrql, Irql);
    CHECK_EQUAL(irp->Cancel, TRUE);
    CHECK_EQUAL(irp->CancelRoutine, NULL);
    CHECK_EQUAL(irp->IoStatus.Status, STATUS_CANCELLED);
    CHECK_EQUAL(irp->IoStatus.Information, 0);
    CHECK_EQUAL(completions, 1);
    IoFreeIrp(irp);
    KtFreeStack(layer);
}

TEST(T_IoCancelIrp_1)
{
    PKT_LAYER layer = KtMakeStack(1, Stubborn);
    LONG completions = 0;
    PIRP irp = KtMakeRead(layer, NULL, 0);

    CancelOnce(PASSIVE_LEVEL);
    CancelOnce(APC_LEVEL);
    CancelOnce(DISPATCH_LEVEL);

    IoSetCompletionRoutine(irp, KtCountAndKeep, &completions, TRUE, TRUE, TRUE);
    CHECK_EQUAL(IoCallDriver(layer->Device, irp), STATUS_PENDING);
    CHECK_EQUAL(IoCancelIrp(irp), FALSE); /* nobody can: only the mark stays */
    CHECK_EQUAL(irp->Cancel, TRUE);
    CHECK_EQUAL(completions, 0);
    CHECK_EQUAL(IoCancelIrp(irp), FALSE);
    KtComplete(irp, STATUS_SUCCESS);
    CHECK_EQUAL(completions, 1);
    IoFreeIrp(irp);
    KtFreeStack(layer);
}

/* The lock is taken: nobody else has it while the routine runs. */
static BOOLEAN WasFree;

static VOID LookAtTheLock(UNUSED PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    EXPECT_BUGCHECK(0xF, ANY, ANY, ANY, ANY)
    {
        KIRQL irql;

        IoAcquireCancelSpinLock(&irql);
        WasFree = TRUE;
    }
    IoReleaseCancelSpinLock(Irp->CancelIrql);
}

TEST(T_DRIVER_CANCEL_1)
{
    PIRP irp = IoAllocateIrp(1, FALSE);

    WasFree = FALSE;
    IoSetNextIrpStackLocation(irp);
    IoSetCancelRoutine(irp, LookAtTheLock);
    CHECK_EQUAL(IoCancelIrp(irp), TRUE);
    CHECK_EQUAL(WasFree, FALSE);
    IoFreeIrp(irp);
}

/* ---- the race ---- */

static struct {
    PIRP Irp;
    volatile LONG Normal, Cancelled;
} Race;

static VOID CountCancel(UNUSED PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    IoReleaseCancelSpinLock(Irp->CancelIrql);
    Race.Cancelled++;
}

PARALLEL_ROUTINE(RaceOnce)
{
    KtJitter(60);
    if (Processor == 0) {
        if (IoSetCancelRoutine(Race.Irp, NULL))
            Race.Normal++;
    } else if (Processor == 1) {
        IoCancelIrp(Race.Irp);
    }
}

/* Exactly one of the two paths gets the routine. */
TEST_ON(2, T_CANCEL_1)
{
    for (ULONG n = 0; n < 300; n++) {
        Race.Irp = IoAllocateIrp(1, FALSE);
        IoSetNextIrpStackLocation(Race.Irp);
        Race.Normal = Race.Cancelled = 0;
        IoSetCancelRoutine(Race.Irp, CountCancel);
        KtRunOnAll(RaceOnce, NULL);
        if (!CHECK_EQUAL(Race.Normal + Race.Cancelled, 1))
            break;
        IoFreeIrp(Race.Irp);
    }
}

/* The two columns of cancel.c, one after the other: the driver first, then IoCancelIrp; the
 * other way round is T-IoCancelIrp-1. */
TEST(T_CANCEL_1_driver_first)
{
    PIRP irp = IoAllocateIrp(1, FALSE);

    CancelCalls = 0;
    IoSetNextIrpStackLocation(irp);
    IoSetCancelRoutine(irp, CancelAndComplete);
    CHECK_EQUAL(IoSetCancelRoutine(irp, NULL), CancelAndComplete);
    CHECK_EQUAL(IoCancelIrp(irp), FALSE);
    CHECK_EQUAL(CancelCalls, 0);
    CHECK_EQUAL(irp->Cancel, TRUE); /* and the driver may see it */
    IoFreeIrp(irp);
}

/* ---- the requests of a thread that ends ---- */

static PKT_LAYER ThreadLayer;
static IO_STATUS_BLOCK ThreadBlocks[3];
static KEVENT ThreadEvents[3];

ROUTINE(LeaveRequests)
{
    for (ULONG n = 0; n < ARRAYSIZE(ThreadBlocks); n++) {
        PIRP irp = IoBuildSynchronousFsdRequest(IRP_MJ_READ, ThreadLayer->Device, NULL, 0, NULL,
                                                &ThreadEvents[n], &ThreadBlocks[n]);

        CHECK_EQUAL(IoCallDriver(ThreadLayer->Device, irp), STATUS_PENDING);
    }
}

static VOID PrepareThreadLayer(KT_DISPATCH *const Routines[])
{
    ThreadLayer = KtMakeStack(1, Routines);
    CancelCalls = 0;
    KtPoison(&ThreadBlocks);
    for (ULONG n = 0; n < ARRAYSIZE(ThreadBlocks); n++)
        KeInitializeEvent(&ThreadEvents[n], NotificationEvent, FALSE);
}

TEST(T_IoBuildSync_1_the_thread_ends)
{
    KT_THREAD thread;
    ULONG before = KtCountIrps();

    PrepareThreadLayer(Cancellable);
    CHECK(KtStartThread(&thread, KT_ANY_PROCESSOR, NORMAL_PRIORITY, LeaveRequests, NULL));
    CHECK(KtEndThread(&thread));
    CHECK_EQUAL(CancelCalls, 3);
    for (ULONG n = 0; n < ARRAYSIZE(ThreadBlocks); n++) {
        CHECK_EQUAL(ThreadBlocks[n].Status, STATUS_CANCELLED);
        CHECK_EQUAL(KeReadStateEvent(&ThreadEvents[n]), 1);
    }
    CHECK_EQUAL(KtCountIrps(), before);
    KtFreeStack(ThreadLayer);
}

/* One request only, whose driver cannot cancel it: the thread's end waits for it. */
ROUTINE(LeaveOne)
{
    PIRP irp = IoBuildSynchronousFsdRequest(IRP_MJ_READ, ThreadLayer->Device, NULL, 0, NULL,
                                            &ThreadEvents[0], &ThreadBlocks[0]);

    CHECK_EQUAL(IoCallDriver(ThreadLayer->Device, irp), STATUS_PENDING);
}

TEST(T_IoBuildSync_1_the_thread_waits)
{
    KT_THREAD thread;

    PrepareThreadLayer(Stubborn);
    CHECK(KtStartThread(&thread, KT_ANY_PROCESSOR, NORMAL_PRIORITY, LeaveOne, NULL));
    KiSleep(A_WHILE);
    CHECK_EQUAL(ThreadLayer->Calls, 1);
    CHECK_EQUAL(ThreadLayer->Kept->Cancel, TRUE);
    CHECK_EQUAL(KtWait(thread.Object, A_WHILE), STATUS_TIMEOUT);
    KtComplete(ThreadLayer->Kept, STATUS_SUCCESS);
    CHECK(KtEndThread(&thread));
    CHECK_EQUAL(ThreadBlocks[0].Status, STATUS_SUCCESS);
    KtFreeStack(ThreadLayer);
}
