/* io.md, IRP handling: requests that the kernel fills in, and the ways of their buffers. */
#define SUITE "io.buffer"
#include "irp_tool.h"
#include "thread_tool.h"
#include "io/iop.h"

#define BYTES 6000 /* more than a page */

static UCHAR Input[BYTES], Output[BYTES];

static VOID Fill(UCHAR *Buffer, UCHAR Value)
{
    memset(Buffer, Value, BYTES);
}

static BOOLEAN IsFilled(const UCHAR *Buffer, ULONG From, ULONG To, UCHAR Value)
{
    while (From < To && Buffer[From] == Value)
        From++;
    return From == To;
}

/* What the driver has found: checked by each test. */
static struct {
    PVOID SystemBuffer, UserBuffer, Type3InputBuffer;
    PMDL Mdl;
    CSHORT MdlFlags;
    UCHAR First; /* of the data that came down */
    ULONG Length, OutputLength;
} Seen;

/* Notes where the data is, and answers with Information bytes of 0xDD where it may. */
static NTSTATUS Answer(UNUSED PKT_LAYER Layer, PIRP Irp)
{
    PIO_STACK_LOCATION location = IoGetCurrentIrpStackLocation(Irp);
    UCHAR *data = Irp->AssociatedIrp.SystemBuffer;

    memset(&Seen, 0, sizeof(Seen));
    Seen.SystemBuffer = data;
    Seen.UserBuffer = Irp->UserBuffer;
    Seen.Mdl = Irp->MdlAddress;
    Seen.MdlFlags = Irp->MdlAddress ? Irp->MdlAddress->MdlFlags : 0;
    Seen.Type3InputBuffer = location->Parameters.DeviceIoControl.Type3InputBuffer;
    Seen.Length = location->Parameters.DeviceIoControl.InputBufferLength;
    Seen.OutputLength = location->Parameters.DeviceIoControl.OutputBufferLength;
    if (data)
        Seen.First = data[0];
    if (Irp->MdlAddress)
        data = MmGetSystemAddressForMdlSafe(Irp->MdlAddress, NormalPagePriority);
    if (!Seen.SystemBuffer && Irp->MdlAddress)
        Seen.First = data[0];
    if (data)
        memset(data, 0xDD, 10);
    Irp->IoStatus.Status = STATUS_SUCCESS;
    Irp->IoStatus.Information = 10;
    IoCompleteRequest(Irp, IO_NO_INCREMENT);
    return STATUS_SUCCESS;
}

static KT_DISPATCH *const Answering[] = {Answer};

static VOID Transfer(PKT_LAYER Layer, ULONG Major, UCHAR *Buffer, ULONG Length)
{
    LARGE_INTEGER offset = {.QuadPart = 0x123456789};
    IO_STATUS_BLOCK block;
    KEVENT event;
    PIRP irp;

    KeInitializeEvent(&event, NotificationEvent, FALSE);
    irp =
        IoBuildSynchronousFsdRequest(Major, Layer->Device, Buffer, Length, &offset, &event, &block);
    CHECK_EQUAL(IoGetNextIrpStackLocation(irp)->Parameters.Read.Length, Length);
    CHECK_EQUAL(IoGetNextIrpStackLocation(irp)->Parameters.Read.ByteOffset.QuadPart,
                offset.QuadPart);
    CHECK_EQUAL(irp->RequestorMode, KernelMode);
    CHECK_EQUAL(KtSend(Layer, irp, &event, &block), STATUS_SUCCESS);
    CHECK_EQUAL(block.Information, 10);
    CHECK_EQUAL(KeReadStateEvent(&event), 1);
}

TEST(T_IoBuildSync_1_buffered)
{
    PKT_LAYER layer = KtMakeStack(1, Answering);

    layer->Device->Flags |= DO_BUFFERED_IO;
    Fill(Input, 1);
    Transfer(layer, IRP_MJ_READ, Input, BYTES);
    CHECK(Seen.SystemBuffer && Seen.SystemBuffer != Input);
    CHECK(IsFilled(Input, 0, 10, 0xDD)); /* as many bytes as Information says */
    CHECK(IsFilled(Input, 10, BYTES, 1));

    Fill(Input, 2);
    Transfer(layer, IRP_MJ_WRITE, Input, BYTES);
    CHECK_EQUAL(Seen.First, 2);
    CHECK(IsFilled(Input, 0, BYTES, 2)); /* a write changes nothing here */
    Transfer(layer, IRP_MJ_WRITE, NULL, 0);
    CHECK_EQUAL(Seen.SystemBuffer, NULL);
    KtFreeStack(layer);
}

TEST(T_IoBuildSync_1_direct)
{
    PKT_LAYER layer = KtMakeStack(1, Answering);

    layer->Device->Flags |= DO_DIRECT_IO;
    Fill(Input, 3);
    Transfer(layer, IRP_MJ_READ, Input + 1, BYTES - 1);
    CHECK(Seen.Mdl != NULL && Seen.SystemBuffer == NULL);
    CHECK(Seen.MdlFlags & MDL_PAGES_LOCKED);
    CHECK(Seen.MdlFlags & MDL_WRITE_OPERATION); /* the device writes to memory */
    CHECK_EQUAL(Seen.First, 3);
    CHECK(IsFilled(Input, 1, 11, 0xDD));
    CHECK_EQUAL(Input[0], 3);
    Transfer(layer, IRP_MJ_WRITE, Input, BYTES);
    CHECK(!(Seen.MdlFlags & MDL_WRITE_OPERATION));
    KtFreeStack(layer);
}

TEST(T_IoBuildSync_1_neither)
{
    PKT_LAYER layer = KtMakeStack(1, Answering);

    Transfer(layer, IRP_MJ_READ, Input, BYTES);
    CHECK_EQUAL(Seen.UserBuffer, Input);
    CHECK(!Seen.Mdl && !Seen.SystemBuffer);
    KtFreeStack(layer);
}

/* The IRP is the building thread's until it ends. */
TEST(T_IoBuildSync_1)
{
    static KT_DISPATCH *const pending[] = {KtPend};
    PKT_LAYER layer = KtMakeStack(1, pending);
    PKTHREAD thread = KeGetCurrentThread();
    IO_STATUS_BLOCK block;
    KEVENT event;
    PIRP irp;

    KeInitializeEvent(&event, SynchronizationEvent, FALSE);
    CHECK(IsListEmpty(&thread->IrpList));
    irp =
        IoBuildSynchronousFsdRequest(IRP_MJ_SHUTDOWN, layer->Device, NULL, 0, NULL, &event, &block);
    CHECK_EQUAL(irp->Tail.Overlay.Thread, thread);
    CHECK_EQUAL(thread->IrpList.Flink, &irp->ThreadListEntry);
    CHECK_EQUAL(IoCallDriver(layer->Device, irp), STATUS_PENDING);
    KtComplete(irp, STATUS_SUCCESS);
    CHECK_EQUAL(KtTest(&event), STATUS_SUCCESS);
    CHECK(IsListEmpty(&thread->IrpList));
    KtFreeStack(layer);
}

/* Only these five kinds; nobody's IRP; freed by the completion routine. */
TEST(T_IoBuildAsync_1)
{
    PKT_LAYER layer = KtMakeStack(1, Answering);
    ULONG before = KtCountIrps();

    for (ULONG major = 0; major <= IRP_MJ_MAXIMUM_FUNCTION; major++) {
        PIRP irp = IoBuildAsynchronousFsdRequest(major, layer->Device, Input, 100, NULL, NULL);
        BOOLEAN allowed = major == IRP_MJ_READ || major == IRP_MJ_WRITE ||
                          major == IRP_MJ_FLUSH_BUFFERS || major == IRP_MJ_SHUTDOWN ||
                          major == IRP_MJ_PNP;
        LONG completions = 0;

        CHECK_EQUAL(irp != NULL, allowed);
        if (!irp)
            continue;
        CHECK(IsListEmpty(&irp->ThreadListEntry));
        IoSetCompletionRoutine(irp, KtCountAndKeep, &completions, TRUE, TRUE, TRUE);
        CHECK_EQUAL(IoCallDriver(layer->Device, irp), STATUS_SUCCESS);
        CHECK_EQUAL(completions, 1);
        IoFreeIrp(irp);
    }
    CHECK_EQUAL(KtCountIrps(), before);
    KtFreeStack(layer);
}

static NTSTATUS Control(PKT_LAYER Layer, ULONG Method, ULONG InputLength, ULONG OutputLength)
{
    ULONG code = CTL_CODE(FILE_DEVICE_UNKNOWN, 0x800, Method, FILE_ANY_ACCESS);
    IO_STATUS_BLOCK block;
    KEVENT event;
    PIRP irp;

    Fill(Input, 4);
    Fill(Output, 5);
    KeInitializeEvent(&event, NotificationEvent, FALSE);
    irp = IoBuildDeviceIoControlRequest(code, Layer->Device, Input, InputLength, Output,
                                        OutputLength, FALSE, &event, &block);
    CHECK_EQUAL(IoGetNextIrpStackLocation(irp)->Parameters.DeviceIoControl.IoControlCode, code);
    CHECK_EQUAL(irp->RequestorMode, KernelMode);
    return KtSend(Layer, irp, &event, &block);
}

TEST(T_IoBuildIoctl_1)
{
    PKT_LAYER layer = KtMakeStack(1, Answering);

    CHECK_EQUAL(Control(layer, METHOD_BUFFERED, 50, BYTES), STATUS_SUCCESS);
    CHECK_EQUAL(layer->Major, IRP_MJ_DEVICE_CONTROL);
    CHECK_EQUAL(Seen.Length, 50);
    CHECK_EQUAL(Seen.OutputLength, BYTES);
    CHECK_EQUAL(Seen.First, 4);
    CHECK(IsFilled(Output, 0, 10, 0xDD) && IsFilled(Output, 10, BYTES, 5));

    CHECK_EQUAL(Control(layer, METHOD_IN_DIRECT, 50, BYTES), STATUS_SUCCESS);
    CHECK(Seen.SystemBuffer && Seen.Mdl && !(Seen.MdlFlags & MDL_WRITE_OPERATION));
    CHECK_EQUAL(Control(layer, METHOD_OUT_DIRECT, 50, BYTES), STATUS_SUCCESS);
    CHECK(Seen.SystemBuffer && Seen.Mdl && (Seen.MdlFlags & MDL_WRITE_OPERATION));
    CHECK_EQUAL(Seen.First, 4);
    CHECK(IsFilled(Output, 0, 10, 0xDD) && IsFilled(Output, 10, BYTES, 5));

    CHECK_EQUAL(Control(layer, METHOD_NEITHER, 50, BYTES), STATUS_SUCCESS);
    CHECK_EQUAL(Seen.Type3InputBuffer, Input);
    CHECK_EQUAL(Seen.UserBuffer, Output);
    CHECK(!Seen.SystemBuffer && !Seen.Mdl);
    KtFreeStack(layer);
}

/* Without an event, with a completion routine; and the kind that only drivers send. */
TEST(T_IoBuildIoctl_1_without_an_event)
{
    PKT_LAYER layer = KtMakeStack(1, Answering);
    IO_STATUS_BLOCK block;
    LONG completions = 0;
    PIRP irp =
        IoBuildDeviceIoControlRequest(1, layer->Device, NULL, 0, NULL, 0, TRUE, NULL, &block);

    IoSetCompletionRoutine(irp, KtCountAndKeep, &completions, TRUE, TRUE, TRUE);
    CHECK_EQUAL(IoCallDriver(layer->Device, irp), STATUS_SUCCESS);
    CHECK_EQUAL(layer->Major, IRP_MJ_INTERNAL_DEVICE_CONTROL);
    CHECK_EQUAL(completions, 1);
    IoCompleteRequest(irp, IO_NO_INCREMENT); /* let it go on to its end */
    CHECK_EQUAL(block.Information, 10);
    CHECK(IsListEmpty(&KeGetCurrentThread()->IrpList));
    KtFreeStack(layer);
}

/* A failing request copies nothing back. */
static NTSTATUS FillAndFail(UNUSED PKT_LAYER Layer, PIRP Irp)
{
    memset(Irp->AssociatedIrp.SystemBuffer, 0xDD, 10);
    Irp->IoStatus.Status = STATUS_IO_DEVICE_ERROR;
    Irp->IoStatus.Information = 10;
    IoCompleteRequest(Irp, IO_NO_INCREMENT);
    return STATUS_IO_DEVICE_ERROR;
}

TEST(T_IoBuildIoctl_1_failure)
{
    static KT_DISPATCH *const failing[] = {FillAndFail};
    PKT_LAYER layer = KtMakeStack(1, failing);

    CHECK_EQUAL(Control(layer, METHOD_BUFFERED, 50, 50), STATUS_IO_DEVICE_ERROR);
    CHECK(IsFilled(Output, 0, 50, 5));
    KtFreeStack(layer);
}

/* Whichever allocation fails, nothing is left. */
TEST(T_IoBuildIoctl_1_every_failure)
{
    PKT_LAYER layer = KtMakeStack(1, Answering);
    ULONG code = CTL_CODE(FILE_DEVICE_UNKNOWN, 0x800, METHOD_OUT_DIRECT, FILE_ANY_ACCESS);
    ULONG before = KtCountIrps();
    MM_INFORMATION first, last;
    IO_STATUS_BLOCK block;
    KEVENT event;

    MmQueryInformation(&first);
    for (ULONG n = 1; n <= 3; n++) {
        PIRP irp;

        ExpFailEvery = n;
        irp = IoBuildDeviceIoControlRequest(code, layer->Device, Input, 10, Output, 10, FALSE,
                                            &event, &block);
        ExpFailEvery = 0;
        CHECK_EQUAL(irp, NULL);
        CHECK_EQUAL(KtCountIrps(), before);
    }
    MmQueryInformation(&last);
    CHECK_EQUAL(last.PoolBlocks[0], first.PoolBlocks[0]);
    KtFreeStack(layer);
}

/* ---- memory descriptor lists ---- */

TEST(mdl_pages_are_those_of_the_buffer)
{
    static const ULONG lengths[] = {1, 100, PAGE_SIZE, PAGE_SIZE + 1, 5 * PAGE_SIZE};

    for (ULONG n = 0; n < ARRAYSIZE(lengths); n++) {
        UCHAR *buffer = ExAllocatePoolWithTag(NonPagedPool, lengths[n] + 10, KT_TAG);
        PMDL mdl = IoAllocateMdl(buffer + 3, lengths[n], FALSE, FALSE, NULL);
        ULONG pages = ADDRESS_AND_SIZE_TO_SPAN_PAGES(buffer + 3, lengths[n]);

        CHECK_EQUAL(MmGetMdlVirtualAddress(mdl), buffer + 3);
        CHECK_EQUAL(MmGetMdlByteCount(mdl), lengths[n]);
        CHECK_EQUAL(MmGetMdlByteOffset(mdl), BYTE_OFFSET(buffer + 3));
        MmBuildMdlForNonPagedPool(mdl);
        CHECK_EQUAL(MmGetSystemAddressForMdlSafe(mdl, NormalPagePriority), buffer + 3);
        for (ULONG page = 0; page < pages; page++) {
            PVOID address = (PUCHAR)PAGE_ALIGN(buffer + 3) + (SIZE_T)page * PAGE_SIZE;

            CHECK_EQUAL(MmGetMdlPfnArray(mdl)[page] << PAGE_SHIFT, ArchVirtualToPhysical(address));
        }
        IoFreeMdl(mdl);
        ExFreePoolWithTag(buffer, KT_TAG);
    }
    CHECK_EQUAL(IoAllocateMdl(Input, 64u << 20, FALSE, FALSE, NULL), NULL);
}

TEST(mdl_lock_and_map)
{
    UCHAR local[10]; /* the stack's pages, too */
    PMDL mdl = IoAllocateMdl(local, sizeof(local), FALSE, FALSE, NULL);

    MmProbeAndLockPages(mdl, KernelMode, IoModifyAccess);
    CHECK(mdl->MdlFlags & MDL_PAGES_LOCKED);
    CHECK_EQUAL(MmGetSystemAddressForMdlSafe(mdl, HighPagePriority), local);
    CHECK(mdl->MdlFlags & MDL_MAPPED_TO_SYSTEM_VA);
    MmUnlockPages(mdl);
    CHECK_EQUAL(mdl->MdlFlags, 0);
    EXPECT_BUGCHECK(0x1E, (LONG_PTR)(LONG)0xC0000005, ANY, ANY, 0x10000)
    {
        MmInitializeMdl(mdl, (PVOID)0x10000, 8);
        MmProbeAndLockPages(mdl, KernelMode, IoReadAccess);
    }
    IoFreeMdl(mdl);
}

TEST(mdl_chain_of_an_irp)
{
    PIRP irp = IoAllocateIrp(1, FALSE);
    PMDL first = IoAllocateMdl(Input, 10, FALSE, FALSE, irp);
    PMDL second = IoAllocateMdl(Output, 10, TRUE, FALSE, irp);
    PMDL third = IoAllocateMdl(Output, 10, TRUE, FALSE, irp);

    CHECK_EQUAL(irp->MdlAddress, first);
    CHECK_EQUAL(first->Next, second);
    CHECK_EQUAL(second->Next, third);
    CHECK_EQUAL(third->Next, NULL);
    IopFreeBuffers(irp); /* the whole chain */
    CHECK_EQUAL(irp->MdlAddress, NULL);
    IoFreeIrp(irp);
}
