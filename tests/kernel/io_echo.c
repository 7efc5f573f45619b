/* The sample driver echo: a read that waits, and the four ways in which it ends. */
#define SUITE "io.echo"
#include "irp_tool.h"
#include "thread_tool.h"
#include "../../drivers/echo/echo.h"

static HANDLE File;
static LARGE_INTEGER Offset;

static VOID OpenEcho(VOID)
{
    UNICODE_STRING name = RTL_CONSTANT_STRING(L"\\??\\Echo");
    OBJECT_ATTRIBUTES attributes;
    IO_STATUS_BLOCK block;

    CHECK_EQUAL(IopLoadDriver("echo"), STATUS_SUCCESS);
    InitializeObjectAttributes(&attributes, &name, OBJ_KERNEL_HANDLE, NULL, NULL);
    CHECK_EQUAL(ZwOpenFile(&File, FILE_GENERIC_READ, &attributes, &block, 0, 0), STATUS_SUCCESS);
}

static VOID CloseEcho(VOID)
{
    CHECK_EQUAL(IopUnloadDriver("echo"), STATUS_DEVICE_BUSY);
    CHECK_EQUAL(ZwClose(File), STATUS_SUCCESS);
    CHECK_EQUAL(IopUnloadDriver("echo"), STATUS_SUCCESS);
}

static NTSTATUS Read(PIO_STATUS_BLOCK Block, PVOID Buffer, ULONG Length)
{
    return ZwReadFile(File, NULL, NULL, NULL, Block, Buffer, Length, &Offset, NULL);
}

static VOID Write(PCSTR Text, ULONG Expected)
{
    IO_STATUS_BLOCK block;

    CHECK_EQUAL(ZwWriteFile(File, NULL, NULL, NULL, &block, (PVOID)Text, (ULONG)strlen(Text),
                            &Offset, NULL),
                Expected ? STATUS_SUCCESS : STATUS_DEVICE_BUSY);
    CHECK_EQUAL(block.Information, Expected);
}

static NTSTATUS Control(ULONG Code, PULONG Value, ULONG InputLength, ULONG OutputLength)
{
    IO_STATUS_BLOCK block;

    return ZwDeviceIoControlFile(File, NULL, NULL, NULL, &block, Code, Value, InputLength, Value,
                                 OutputLength);
}

TEST(echo_reads_what_was_written)
{
    IO_STATUS_BLOCK blocks[3];
    CHAR text[3][8] = {{0}};
    ULONG count = 99;

    OpenEcho();
    Write("hello", 5);
    CHECK_EQUAL(Control(IOCTL_ECHO_COUNT, &count, 0, sizeof(count)), STATUS_SUCCESS);
    CHECK_EQUAL(count, 5);
    CHECK_EQUAL(Control(IOCTL_ECHO_COUNT, &count, 0, 1), STATUS_BUFFER_TOO_SMALL);
    Read(&blocks[0], text[0], 3); /* done before it returns, and yet pending */
    CHECK_EQUAL(blocks[0].Information, 3);
    CHECK_EQUAL(strcmp(text[0], "hel"), 0);
    Read(&blocks[1], text[1], 8);
    CHECK_EQUAL(blocks[1].Information, 2);

    CHECK_EQUAL(Read(&blocks[0], text[0], 4), STATUS_PENDING); /* these two wait */
    CHECK_EQUAL(Read(&blocks[1], text[1], 4), STATUS_PENDING);
    Write("abcdef", 6);
    CHECK_EQUAL(blocks[0].Information, 4);
    CHECK_EQUAL(blocks[1].Information, 2);
    CHECK_EQUAL(strcmp(text[1], "ef"), 0);
    CloseEcho();
}

TEST(echo_is_full)
{
    static CHAR many[RING_SIZE + 2], taken[RING_SIZE];
    IO_STATUS_BLOCK block;

    memset(many, 'x', RING_SIZE + 1);
    OpenEcho();
    Write(many, RING_SIZE);
    Write("y", 0);
    Read(&block, taken, sizeof(taken));
    CHECK_EQUAL(block.Information, RING_SIZE);
    Write("y", 1);
    CloseEcho();
}

TEST(echo_read_is_cancelled)
{
    IO_STATUS_BLOCK blocks[2], block;
    CHAR text[8];

    OpenEcho();
    CHECK_EQUAL(Read(&blocks[0], text, 8), STATUS_PENDING);
    CHECK_EQUAL(ZwCancelIoFile(File, &block), STATUS_SUCCESS);
    CHECK_EQUAL(blocks[0].Status, STATUS_CANCELLED);
    CHECK_EQUAL(Read(&blocks[1], text, 8), STATUS_PENDING); /* cleanup ends this one */
    CloseEcho();
    CHECK_EQUAL(blocks[1].Status, STATUS_CANCELLED);
}

TEST(echo_read_times_out)
{
    IO_STATUS_BLOCK blocks[3];
    ULONG timeout = 30;
    CHAR text[8];
    ULONG64 began;

    OpenEcho();
    CHECK_EQUAL(Read(&blocks[0], text, 8), STATUS_PENDING); /* without a time-out */
    CHECK_EQUAL(Control(IOCTL_ECHO_TIMEOUT, &timeout, sizeof(timeout), 0), STATUS_SUCCESS);
    began = KtNow();
    CHECK_EQUAL(Read(&blocks[1], text, 8), STATUS_PENDING);
    timeout = 10;
    CHECK_EQUAL(Control(IOCTL_ECHO_TIMEOUT, &timeout, sizeof(timeout), 0), STATUS_SUCCESS);
    CHECK_EQUAL(Read(&blocks[2], text, 8), STATUS_PENDING);
    blocks[0].Status = blocks[1].Status = STATUS_PENDING;
    while (*(volatile NTSTATUS *)&blocks[1].Status == STATUS_PENDING &&
           KtNow() - began < KT_PATIENCE)
        KiSleep(MILLISECONDS(1));
    CHECK_AT_LEAST(KtNow() - began, MILLISECONDS(30) - KI_TIME_INCREMENT); /* by the coarse time */
    CHECK_EQUAL(blocks[1].Status, STATUS_IO_TIMEOUT);
    CHECK_EQUAL(blocks[2].Status, STATUS_IO_TIMEOUT);
    CHECK_EQUAL(blocks[0].Status, STATUS_PENDING);
    CloseEcho();
}
