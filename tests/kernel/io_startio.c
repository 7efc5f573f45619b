/* io.md: StartIo and the system device queue. */
#define SUITE "io.startio"
#include "startio_tool.h"

#define REQUESTS 5

static PIRP Irps[REQUESTS];

/* Sends the requests 'a', 'b', ... with these keys. */
static VOID Request(PDEVICE_OBJECT Device, const ULONG Keys[], ULONG Count)
{
    for (ULONG n = 0; n < Count; n++)
        Irps[n] = KtRequest(Device, (CHAR)('a' + n), Keys ? Keys[n] : 0);
}

static VOID FreeAll(ULONG Count)
{
    CHECK_EQUAL(KtCompleted, Count);
    for (ULONG n = 0; n < Count; n++)
        IoFreeIrp(Irps[n]);
}

/* Idle: StartIo before the call returns, at DISPATCH_LEVEL, and the IRQL is as before. */
TEST(T_IoStartPacket_1__T_STARTIO_1)
{
    PDEVICE_OBJECT device = KtMakeStartIoDevice();

    for (KIRQL level = PASSIVE_LEVEL; level <= DISPATCH_LEVEL; level++)
        AT_IRQL(level)
        {
            LONG before = KtStarted;

            Request(device, NULL, 1);
            CHECK_EQUAL(KtStarted, before + 1);
            CHECK_IRQL(level);
            CHECK_EQUAL(device->CurrentIrp, Irps[0]);
            CHECK_EQUAL(device->DeviceQueue.Busy, TRUE);
            KtFinishCurrent(device);
            CHECK_EQUAL(device->CurrentIrp, NULL);
            CHECK_EQUAL(device->DeviceQueue.Busy, FALSE);
            CHECK_EQUAL(Irps[0]->IoStatus.Status, STATUS_SUCCESS);
            IoFreeIrp(Irps[0]);
        }
    CHECK_EQUAL(KtCompleted, 3);
    KtFreeStartIoDevice(device);
}

TEST(T_IoStartPacket_2__T_IoStartNextPacket_1__T_STARTIO_2)
{
    PDEVICE_OBJECT device = KtMakeStartIoDevice();

    Request(device, NULL, REQUESTS);
    CHECK_TRACE("a");
    for (ULONG n = 0; n < REQUESTS; n++) {
        CHECK_EQUAL(device->CurrentIrp, Irps[n]);
        KtFinishCurrent(device);
        CHECK_EQUAL(KtCompleted, n + 1);
    }
    CHECK_TRACE("abcde");
    FreeAll(REQUESTS);
    KtFreeStartIoDevice(device);
}

/* By key, equal keys first come, first served. The first finds the device idle. */
TEST(T_IoStartPacket_2_by_key__T_STARTIO_2_by_key)
{
    static const ULONG keys[REQUESTS] = {9, 7, 3, 7, 3};
    PDEVICE_OBJECT device = KtMakeStartIoDevice();

    KtUseKeys = TRUE;
    Request(device, keys, REQUESTS);
    for (ULONG n = 0; n < REQUESTS; n++)
        KtFinishCurrent(device);
    CHECK_TRACE("acebd");
    FreeAll(REQUESTS);
    KtFreeStartIoDevice(device);
}

/* The first with a key of at least Key, else the first. Below DISPATCH_LEVEL too. */
TEST(T_IoStartNextPacketByKey_1)
{
    static const ULONG keys[REQUESTS] = {0, 10, 20, 30, 40};
    static const ULONG wanted[REQUESTS] = {20, 21, 41, 0, 0};
    PDEVICE_OBJECT device = KtMakeStartIoDevice();

    KtUseKeys = TRUE;
    Request(device, keys, REQUESTS);
    for (ULONG n = 0; n < REQUESTS; n++) {
        PIRP irp = device->CurrentIrp;

        IoStartNextPacketByKey(device, FALSE, wanted[n]);
        CHECK_IRQL(PASSIVE_LEVEL);
        KtComplete(irp, STATUS_SUCCESS);
    }
    CHECK_TRACE("acdbe");
    FreeAll(REQUESTS);
    KtFreeStartIoDevice(device);
}

/* ---- cancelling ---- */

/* Waiting, current, over: T-DRIVER_CANCEL-2's three cases. */
TEST(T_IoStartPacket_3__T_DRIVER_CANCEL_2)
{
    PDEVICE_OBJECT device = KtMakeStartIoDevice();

    KtCancelable = TRUE;
    Request(device, NULL, 3);
    CHECK_EQUAL((ULONG_PTR)Irps[1]->CancelRoutine, (ULONG_PTR)KtCancelWaiting);

    CHECK(IoCancelIrp(Irps[1]));
    CHECK_EQUAL(KtCompleted, 1);
    CHECK_EQUAL(Irps[1]->IoStatus.Status, STATUS_CANCELLED);

    CHECK(IoCancelIrp(Irps[0])); /* current: the routine leaves it to StartIo's side */
    CHECK_EQUAL(KtCompleted, 1);
    CHECK_EQUAL(device->CurrentIrp, Irps[0]);
    CHECK(Irps[0]->Cancel);
    KtFinishCurrent(device);
    CHECK(!IoCancelIrp(Irps[0])); /* over */

    CHECK_EQUAL(device->CurrentIrp, Irps[2]);
    IoSetCancelRoutine(Irps[2], NULL);
    KtFinishCurrent(device);
    CHECK_TRACE("ac");
    FreeAll(3);
    KtFreeStartIoDevice(device);
}

/* The routine runs although the IRP has left the queue meanwhile: nothing is removed twice. */
TEST(T_DRIVER_CANCEL_2_not_in_the_queue)
{
    PDEVICE_OBJECT device = KtMakeStartIoDevice();
    KIRQL oldIrql;

    KtCancelable = TRUE;
    Request(device, NULL, 2);
    IoAcquireCancelSpinLock(&oldIrql);
    CHECK(KeRemoveEntryDeviceQueue(&device->DeviceQueue, &Irps[1]->Tail.Overlay.DeviceQueueEntry));
    IoReleaseCancelSpinLock(oldIrql);
    CHECK(IoCancelIrp(Irps[1]));
    CHECK_EQUAL(KtCompleted, 0);
    KtComplete(Irps[1], STATUS_CANCELLED);
    IoSetCancelRoutine(Irps[0], NULL);
    KtFinishCurrent(device);
    FreeAll(2);
    KtFreeStartIoDevice(device);
}

/* Cancelled before it was queued: its routine is called when it has to wait, and only then. */
TEST(T_IoStartPacket_3_cancelled_before)
{
    PDEVICE_OBJECT device = KtMakeStartIoDevice();

    KtCancelable = TRUE;
    Irps[0] = KtMakeRequest(device, 'a', 0);
    Irps[0]->Cancel = TRUE;
    CHECK_EQUAL(IoCallDriver(device, Irps[0]), STATUS_PENDING);
    CHECK_EQUAL(KtCompleted, 0);
    CHECK_EQUAL(device->CurrentIrp, Irps[0]); /* StartIo has seen Cancel */

    Irps[1] = KtMakeRequest(device, 'b', 0);
    Irps[1]->Cancel = TRUE;
    CHECK_EQUAL(IoCallDriver(device, Irps[1]), STATUS_PENDING);
    CHECK_EQUAL(KtCompleted, 1);
    CHECK_EQUAL(Irps[1]->IoStatus.Status, STATUS_CANCELLED);
    CHECK_IRQL(PASSIVE_LEVEL);

    IoSetCancelRoutine(Irps[0], NULL);
    KtFinishCurrent(device);
    CHECK_TRACE("a");
    FreeAll(2);
    KtFreeStartIoDevice(device);
}

/* StartIo takes the cancel spin lock: it is free, and CurrentIrp fits. */
static VOID LookAtCancel(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    KIRQL irql;

    IoAcquireCancelSpinLock(&irql);
    CHECK_EQUAL(DeviceObject->CurrentIrp, Irp);
    CHECK_EQUAL((ULONG_PTR)IoSetCancelRoutine(Irp, NULL), (ULONG_PTR)KtCancelWaiting);
    IoReleaseCancelSpinLock(irql);
}

TEST(T_IoStartNextPacket_2)
{
    PDEVICE_OBJECT device = KtMakeStartIoDevice();

    KtCancelable = TRUE;
    KtStartIo = LookAtCancel;
    Request(device, NULL, 2);
    KtFinishCurrent(device);
    CHECK(!IoCancelIrp(Irps[1])); /* StartIo has taken the routine away */
    KtFinishCurrent(device);
    CHECK_TRACE("ab");
    FreeAll(2);
    KtFreeStartIoDevice(device);
}

/* ---- attributes ---- */

/* Each request is over at once: StartIo itself starts the next one. */
static VOID FinishAtOnce(PDEVICE_OBJECT DeviceObject, UNUSED PIRP Irp)
{
    KtFinishCurrent(DeviceObject);
}

/* The first is finished with the others waiting. */
static VOID FinishWithAllWaiting(PDEVICE_OBJECT Device)
{
    KtStartIo = NULL;
    Request(Device, NULL, REQUESTS);
    KtStartIo = FinishAtOnce;
    KtFinishCurrent(Device);
    CHECK_TRACE("abcde");
    FreeAll(REQUESTS);
}

/* By default it recurses. */
TEST(T_IoStartNextPacket_3)
{
    PDEVICE_OBJECT device = KtMakeStartIoDevice();

    FinishWithAllWaiting(device);
    CHECK_EQUAL(KtDeepest, REQUESTS - 1);
    KtFreeStartIoDevice(device);
}

TEST(T_IoSetStartIoAttributes_1__T_STARTIO_1_deferred)
{
    PDEVICE_OBJECT device = KtMakeStartIoDevice();

    IoSetStartIoAttributes(device, TRUE, FALSE);
    FinishWithAllWaiting(device);
    CHECK_EQUAL(KtDeepest, 1);

    KtTraceReset(); /* and for one that finds the device idle */
    KtCompleted = 0;
    Irps[0] = KtRequest(device, 'x', 0);
    CHECK_EQUAL(KtDeepest, 1);
    CHECK_TRACE("x");
    FreeAll(1);
    KtFreeStartIoDevice(device);
}

/* Another processor ends the request while StartIo has not returned yet. */
ROUTINE(FinishElsewhere)
{
    KtFinishCurrent(Context);
}

static VOID FinishFirstElsewhere(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    if (Irp != Irps[0])
        return;
    KtStartIo = NULL;
    KtRunOn(1, DISPATCH_LEVEL, FinishElsewhere, DeviceObject);
    CHECK_TRACE("ab"); /* StartIo has not been called with the third one */
    CHECK_EQUAL(DeviceObject->DeviceQueue.Busy, TRUE);
}

TEST_ON(2, T_IoSetStartIoAttributes_1_two_processors)
{
    PDEVICE_OBJECT device = KtMakeStartIoDevice();
    PIRP first;

    IoSetStartIoAttributes(device, TRUE, FALSE);
    first = KtRequest(device, 'a', 0);
    KtStartIo = FinishFirstElsewhere;
    Irps[0] = KtRequest(device, 'b', 0);
    Irps[1] = KtRequest(device, 'c', 0);
    KtFinishCurrent(device); /* StartIo with b, which ends b elsewhere, and then c */
    CHECK_TRACE("abc");
    CHECK_EQUAL(KtDeepest, 1);
    KtFinishCurrent(device);
    IoFreeIrp(first);
    KtCompleted--;
    FreeAll(2);
    KtFreeStartIoDevice(device);
}

TEST(T_IoSetStartIoAttributes_1_noncancelable)
{
    PDEVICE_OBJECT device = KtMakeStartIoDevice();

    KtCancelable = TRUE;
    IoSetStartIoAttributes(device, FALSE, TRUE);
    Request(device, NULL, 3);
    CHECK(IoCancelIrp(Irps[2])); /* as long as it waits */
    CHECK(!IoCancelIrp(Irps[0]));
    KtFinishCurrent(device);
    CHECK(!IoCancelIrp(Irps[1]));
    KtFinishCurrent(device);
    CHECK_TRACE("ab");
    FreeAll(3);
    KtFreeStartIoDevice(device);
}
