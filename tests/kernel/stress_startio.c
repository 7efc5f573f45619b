/*
 * StartIo from all processors at once: requests with random keys, cancelled at random, served by a
 * device that forgets some of its interrupts, so that a CustomTimerDpc has to end those requests.
 * Interrupt, time-out and cancellation race for each of them; each request is completed once.
 */
#define SUITE "stress.startio"
#include "stress.h"
#include "startio_tool.h"

#define REQUESTS 64
#define VECTOR   KT_VECTOR(9, 1)

/* A request, which belongs to one processor. */
typedef struct _SLOT {
    PIRP Irp;
    LONG Sent;
    volatile LONG Completed;
} SLOT;

static SLOT Slots[REQUESTS];
static ULONG Used; /* slots; with few of them the device is idle now and then */
static PDEVICE_OBJECT Device;
static volatile LONG Succeeded, TimedOut, Cancelled;

/* The device's work. Whoever changes Working from 1 to 0 ends the current request. */
static volatile LONG Working;
static volatile ULONG64 Deadline; /* of the current request; written before Working */
static KTIMER Guard;
static KDPC GuardDpc;
static PKINTERRUPT Interrupt;

static VOID End(NTSTATUS Status)
{
    PIRP irp = Device->CurrentIrp;

    KeCancelTimer(&Guard);
    if (KtRandom(2))
        IoStartNextPacketByKey(Device, TRUE, KtRandom(8));
    else
        IoStartNextPacket(Device, TRUE);
    KtComplete(irp, Status);
}

/* A request that was cancelled on its way here is completed here (T-DRIVER_CANCEL-2). */
static VOID StartWork(UNUSED PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    BOOLEAN cancelled;
    KIRQL irql;

    IoAcquireCancelSpinLock(&irql);
    cancelled = Irp->Cancel;
    IoSetCancelRoutine(Irp, NULL);
    IoReleaseCancelSpinLock(irql);
    if (cancelled) {
        End(STATUS_CANCELLED);
        return;
    }
    Deadline = KtNow() + MICROSECONDS(20 + KtRandom(200));
    KeSetTimer(&Guard, KtIn(Deadline - KtNow()), &GuardDpc);
    InterlockedExchange(&Working, 1);
    if (KtRandom(4))
        ArchSendInterrupt(KtRandom(KtProcessors()), VECTOR);
}

SERVICE_ROUTINE(Isr)
{
    IoRequestDpc(Device, NULL, NULL);
    return TRUE;
}

static IO_DPC_ROUTINE DpcForIsr;
static VOID DpcForIsr(UNUSED PKDPC Dpc, UNUSED PDEVICE_OBJECT DeviceObject, UNUSED PIRP Irp,
                      UNUSED PVOID Context)
{
    if (InterlockedExchange(&Working, 0))
        End(STATUS_SUCCESS);
}

/*
 * CustomTimerDpc. It may have been queued for a request that is over by now, while the next one has
 * set the timer again; that one's time is not up yet, and its own expiry is still to come.
 */
DPC_ROUTINE(TimeOut)
{
    if (Working && KtNow() < Deadline)
        return;
    if (InterlockedExchange(&Working, 0))
        End(STATUS_IO_TIMEOUT);
}

/* ---- requesters ---- */

static NTSTATUS Completed(UNUSED PDEVICE_OBJECT DeviceObject, PIRP Irp, PVOID Context)
{
    SLOT *slot = Context;

    InterlockedIncrement(Irp->IoStatus.Status == STATUS_SUCCESS      ? &Succeeded
                         : Irp->IoStatus.Status == STATUS_IO_TIMEOUT ? &TimedOut
                                                                     : &Cancelled);
    InterlockedIncrement(&slot->Completed); /* from now on it may be sent again */
    return STATUS_MORE_PROCESSING_REQUIRED;
}

static VOID Send(SLOT *Slot)
{
    PIO_STACK_LOCATION next;

    IoReuseIrp(Slot->Irp, STATUS_SUCCESS);
    next = IoGetNextIrpStackLocation(Slot->Irp);
    next->MajorFunction = IRP_MJ_READ;
    next->Parameters.Read.Key = KtRandom(8);
    Slot->Irp->UserBuffer = (PVOID)(ULONG_PTR)'r';
    IoSetCompletionRoutine(Slot->Irp, Completed, Slot, TRUE, TRUE, TRUE);
    Slot->Sent++;
    IoCallDriver(Device, Slot->Irp);
}

/* Processor's own slots: some are sent, some of those that are under way cancelled. */
PARALLEL_ROUTINE(UseSlots)
{
    for (ULONG turn = 0; turn < 8; turn++) {
        ULONG n = Processor + KtProcessors() * KtRandom(Used / KtProcessors() + 1);
        SLOT *slot = &Slots[n % REQUESTS];

        if (n >= Used)
            continue;
        if (slot->Sent == slot->Completed)
            Send(slot);
        else if (KtRandom(4) == 0)
            IoCancelIrp(slot->Irp);
        KtJitter(100);
    }
}

static VOID Prepare(BOOLEAN Deferred, ULONG Requests)
{
    Used = Requests;
    Device = KtMakeStartIoDevice();
    KtUseKeys = KtCancelable = TRUE;
    KtStartIo = StartWork;
    IoSetStartIoAttributes(Device, Deferred, FALSE);
    IoInitializeDpcRequest(Device, DpcForIsr);
    KeInitializeTimer(&Guard);
    KeInitializeDpc(&GuardDpc, TimeOut, NULL);
    Working = 0;
    Succeeded = TimedOut = Cancelled = 0;
    for (ULONG n = 0; n < REQUESTS; n++) {
        Slots[n].Irp = IoAllocateIrp(Device->StackSize, FALSE);
        Slots[n].Sent = Slots[n].Completed = 0;
    }
    CHECK_EQUAL(KtConnect(&Interrupt, VECTOR, Isr, NULL), STATUS_SUCCESS);
}

static VOID CheckAndFree(VOID)
{
    LONG sent = 0;

    for (ULONG n = 0; n < REQUESTS; n++) {
        CHECK(KtSleepUntil(&Slots[n].Completed, Slots[n].Sent));
        CHECK_EQUAL(Slots[n].Completed, Slots[n].Sent);
        sent += Slots[n].Sent;
    }
    IoDisconnectInterrupt(Interrupt);
    KeCancelTimer(&Guard);
    KeFlushQueuedDpcs();
    CHECK_EQUAL(Succeeded + TimedOut + Cancelled, sent);
    CHECK(Succeeded > 0 && TimedOut > 0 && Cancelled > 0);
    for (ULONG n = 0; n < REQUESTS; n++) {
        CHECK_EQUAL(Slots[n].Completed, Slots[n].Sent); /* still: none came later */
        IoFreeIrp(Slots[n].Irp);
    }
    KtFreeStartIoDevice(Device);
}

TEST(T_STARTIO_1__T_IoSetStartIoAttributes_1)
{
    Prepare(TRUE, REQUESTS);
    KtRunInTurns(KtStressTime(10), UseSlots, NULL);
    CheckAndFree();
    CHECK_EQUAL(KtDeepest, 1);
}

/* Only cancelled requests are ended in StartIo; a processor's stack holds that many calls. */
TEST(T_DRIVER_CANCEL_2__T_CANCEL_1)
{
    Prepare(FALSE, REQUESTS);
    KtRunInTurns(KtStressTime(10), UseSlots, NULL);
    CheckAndFree();
}

/*
 * CurrentIrp belongs to who has the device, also when it changes hands by way of being idle. Two
 * requests at least: one alone always has the device and is never found cancelled in the queue.
 */
TEST(T_IoStartNextPacket_1__T_IoStartPacket_1)
{
    Prepare(FALSE, KtProcessors() > 1 ? KtProcessors() : 2);
    KtRunInTurns(KtStressTime(10), UseSlots, NULL);
    CheckAndFree();
}
