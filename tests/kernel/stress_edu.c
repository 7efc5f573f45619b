/*
 * 64 requests to the device edu at a time, factorials and transfers, from eight threads: cancelled
 * at random, with interrupts lost and others for no reason, some too long for the driver's
 * patience, and the device taken away under them again and again. Each request is completed once,
 * what succeeds is right, nothing is left.
 */
#define SUITE "stress.edu"
#include "edu_tool.h"
#include "stress.h"

#define THREADS     8
#define SLOTS       8 /* of a thread */
#define BLOCK_BYTES 32

typedef struct _SLOT {
    KT_EDU_REQUEST Request;
    BOOLEAN Used, IsFactorial;
    ULONG Number;
    UCHAR Block[BLOCK_BYTES]; /* of a transfer */
} SLOT, *PSLOT;

static SLOT Slots[THREADS][SLOTS];
static volatile LONG Stop, Ended;
static volatile LONG Sent, Succeeded, Cancelled, TimedOut, Removed, Refused;

static VOID Send(PSLOT Slot)
{
    ULONG kind = KtRandom(100);

    Slot->Used = TRUE;
    Slot->IsFactorial = kind < 80;
    Slot->Number = KtRandom(150) == 0 ? 1500000000 : KtRandom(40); /* a few take seconds */
    if (Slot->IsFactorial)
        KtEduSendFactorial(&Slot->Request, Slot->Number);
    else
        KtEduSendTransfer(&Slot->Request, KtRandom(2) == 0, Slot->Block, BLOCK_BYTES,
                          KtRandom(100) * BLOCK_BYTES);
    if (Slot->Request.Irp)
        InterlockedIncrement(&Sent);
}

static VOID CountEnd(PSLOT Slot)
{
    NTSTATUS status = Slot->Request.Block.Status;

    CHECK_EQUAL(Slot->Request.Completions, 1);
    if (status == STATUS_CANCELLED)
        InterlockedIncrement(&Cancelled);
    else if (status == STATUS_IO_TIMEOUT)
        InterlockedIncrement(&TimedOut);
    else if (status == STATUS_DELETE_PENDING)
        InterlockedIncrement(&Removed);
    else if (status == STATUS_DEVICE_NOT_READY)
        InterlockedIncrement(&Refused);
    else if (CHECK_EQUAL(status, STATUS_SUCCESS))
        InterlockedIncrement(&Succeeded);
    if (NT_SUCCESS(status) && Slot->IsFactorial)
        CHECK_EQUAL(Slot->Request.Number, KtFactorial(Slot->Number));
}

/* Waits for a slot's request, if it has one, and frees it. */
static VOID Finish(PSLOT Slot)
{
    if (!Slot->Used)
        return;
    if (Slot->Request.Irp) {
        KtEduWait(&Slot->Request);
        CountEnd(Slot);
    }
    KtEduFree(&Slot->Request);
    Slot->Used = FALSE;
}

static VOID Mischief(VOID)
{
    EDU_MISCHIEF mischief = {KtRandom(2), KtRandom(2)};

    KtEduControl(IOCTL_EDU_MISCHIEF, &mischief, sizeof(mischief), NULL, 0);
}

static VOID Worker(PVOID Context)
{
    PSLOT slots = Context;

    while (!Stop) {
        PSLOT slot = &slots[KtRandom(SLOTS)];

        if (!slot->Used)
            Send(slot);
        else if (KtRandom(4) == 0 && slot->Request.Irp)
            IoCancelIrp(slot->Request.Irp);
        else if (slot->Request.Completions || KtRandom(8) == 0)
            Finish(slot);
        if (KtRandom(50) == 0)
            Mischief();
        if (KtRandom(20) == 0)
            KiSleep(MILLISECONDS(1));
    }
    for (ULONG n = 0; n < SLOTS; n++)
        Finish(&slots[n]);
    InterlockedIncrement(&Ended);
    PsTerminateSystemThread(STATUS_SUCCESS);
}

/* A request that a thread has not freed yet still refers to the device: later, then. */
static VOID UnloadWhenFree(VOID)
{
    NTSTATUS status;

    for (ULONG tries = 0; tries < 3000; tries++) {
        status = IopUnloadDriver("edu");
        if (status != STATUS_DEVICE_BUSY)
            break;
        KiSleep(MILLISECONDS(2));
    }
    CHECK_EQUAL(status, STATUS_SUCCESS);
}

/* The device is gone at once, whoever uses it; then it is there again. */
static VOID TakeAwayAndBring(VOID)
{
    CHECK_EQUAL(IopRemoveDevice(KtEduName(), TRUE), STATUS_SUCCESS);
    UnloadWhenFree();
    CHECK_EQUAL(IopLoadDriver("edu"), STATUS_SUCCESS);
}

TEST(requests_and_removals)
{
    MM_INFORMATION before, after;
    ULONG64 end;
    LONG removals = 0;

    if (!KtBeginEdu())
        return;
    KtEndEdu();
    MmQueryInformation(&before);
    Stop = Ended = Sent = Succeeded = Cancelled = TimedOut = Removed = Refused = 0;
    CHECK_EQUAL(IopLoadDriver("edu"), STATUS_SUCCESS);
    for (ULONG n = 0; n < THREADS; n++) {
        HANDLE handle;

        CHECK_EQUAL(
            PsCreateSystemThread(&handle, THREAD_ALL_ACCESS, NULL, NULL, NULL, Worker, Slots[n]),
            STATUS_SUCCESS);
        ZwClose(handle);
    }
    end = KtNow() + KtStressTime(10);
    while (KtNow() < end) {
        KiSleep(MILLISECONDS(100 + KtRandom(300)));
        TakeAwayAndBring();
        removals++;
    }
    Stop = 1;
    CHECK(KtSleepUntil(&Ended, THREADS));
    UnloadWhenFree();
    DbgPrint("stress.edu: %d requests: %d succeeded, %d cancelled, %d timed out, %d ended by %d "
             "removals, %d came too early\n",
             Sent, Succeeded, Cancelled, TimedOut, Removed, removals, Refused);
    CHECK_EQUAL(Succeeded + Cancelled + TimedOut + Removed + Refused, Sent);
    CHECK(Succeeded > 0 && Cancelled > 0 && Removed > 0);
    KiSleep(MILLISECONDS(50)); /* stacks of the ended threads */
    MmQueryInformation(&after);
    CHECK_EQUAL(after.PoolBlocks[0], before.PoolBlocks[0]);
}
