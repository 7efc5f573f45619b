/*
 * dpc.md: DpcForIsr with requests. StartIo starts a piece of a transfer, the interrupt reports its
 * end, and the DPC goes on with the next piece, tries again, or completes the request.
 */
#define SUITE "io.startio.dpc"
#include "startio_tool.h"

#define VECTOR KT_VECTOR(7, 1)
#define PIECES 3

/* The device: at the end of a piece it interrupts; every FailEvery-th piece fails. */
static ULONG Piece, Pieces, FailEvery;
static BOOLEAN Failed;
static PKINTERRUPT Interrupt;
static volatile LONG DpcRuns;

static VOID StartPiece(VOID)
{
    Pieces++;
    Failed = FailEvery != 0 && Pieces % FailEvery == 0;
    KtInterruptHere(VECTOR);
}

static VOID StartTransfer(UNUSED PDEVICE_OBJECT DeviceObject, UNUSED PIRP Irp)
{
    Piece = 0;
    StartPiece();
}

SERVICE_ROUTINE(Isr)
{
    PDEVICE_OBJECT device = Context;

    IoRequestDpc(device, device->CurrentIrp, (PVOID)(ULONG_PTR)Pieces);
    return TRUE;
}

/* S-67, S-68: retries, starts the next piece, or completes and starts the next request. */
static IO_DPC_ROUTINE DpcForIsr;
static VOID DpcForIsr(PKDPC Dpc, PDEVICE_OBJECT DeviceObject, PIRP Irp, PVOID Context)
{
    DpcRuns++;
    CHECK_IRQL(DISPATCH_LEVEL);
    CHECK_EQUAL(Dpc, &DeviceObject->Dpc);
    CHECK_EQUAL(Irp, DeviceObject->CurrentIrp);
    CHECK_EQUAL((ULONG_PTR)Context, Pieces);
    if (Failed || ++Piece < PIECES) {
        StartPiece();
        return;
    }
    Irp->IoStatus.Status = STATUS_SUCCESS;
    Irp->IoStatus.Information = Piece;
    IoStartNextPacket(DeviceObject, FALSE);
    IoCompleteRequest(Irp, IO_NO_INCREMENT);
}

static PDEVICE_OBJECT Prepare(VOID)
{
    PDEVICE_OBJECT device = KtMakeStartIoDevice();

    Pieces = FailEvery = 0;
    DpcRuns = 0;
    KtStartIo = StartTransfer;
    IoInitializeDpcRequest(device, DpcForIsr);
    CHECK_EQUAL(KtConnect(&Interrupt, VECTOR, Isr, device), STATUS_SUCCESS);
    return device;
}

static VOID Finish(PDEVICE_OBJECT DeviceObject)
{
    IoDisconnectInterrupt(Interrupt);
    KeFlushQueuedDpcs();
    KtFreeStartIoDevice(DeviceObject);
}

TEST(T_KDEFERRED_6__S_67)
{
    PDEVICE_OBJECT device = Prepare();
    PIRP irps[4];

    AT_IRQL(DISPATCH_LEVEL) /* so that they wait for each other */
    {
        for (ULONG n = 0; n < ARRAYSIZE(irps); n++)
            irps[n] = KtRequest(device, (CHAR)('a' + n), 0);
        CHECK_TRACE("a");
    }
    CHECK_TRACE("abcd");
    CHECK_EQUAL(KtCompleted, ARRAYSIZE(irps));
    CHECK_EQUAL(DpcRuns, PIECES * ARRAYSIZE(irps));
    for (ULONG n = 0; n < ARRAYSIZE(irps); n++) {
        CHECK_EQUAL(irps[n]->IoStatus.Status, STATUS_SUCCESS);
        CHECK_EQUAL(irps[n]->IoStatus.Information, PIECES);
        IoFreeIrp(irps[n]);
    }
    Finish(device);
}

/* Every second piece fails and is done again. */
TEST(S_68)
{
    PDEVICE_OBJECT device = Prepare();
    PIRP irp;

    FailEvery = 2;
    irp = KtRequest(device, 'a', 0);
    CHECK_EQUAL(KtCompleted, 1);
    CHECK_EQUAL(irp->IoStatus.Information, PIECES);
    CHECK_EQUAL(Pieces, 5); /* done, failed, done, failed, done */
    IoFreeIrp(irp);
    Finish(device);
}
