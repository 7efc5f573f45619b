/* The driver that the book writes step by step: reads that end when the bell rings. */
#define SUITE "io.bell"
#include "irp_tool.h"

#define IOCTL_BELL_SET CTL_CODE(FILE_DEVICE_UNKNOWN, 0x800, METHOD_BUFFERED, FILE_ANY_ACCESS)

static HANDLE File;
static LARGE_INTEGER Offset;

static NTSTATUS SetBell(ULONG Milliseconds)
{
    IO_STATUS_BLOCK block;

    return ZwDeviceIoControlFile(File, NULL, NULL, NULL, &block, IOCTL_BELL_SET, &Milliseconds,
                                 sizeof(Milliseconds), NULL, 0);
}

static ULONG ReadBell(VOID)
{
    IO_STATUS_BLOCK block;
    ULONG rings = 0;

    CHECK_EQUAL(ZwReadFile(File, NULL, NULL, NULL, &block, &rings, sizeof(rings), &Offset, NULL),
                STATUS_PENDING);
    CHECK_EQUAL(ZwWaitForSingleObject(File, FALSE, NULL), STATUS_SUCCESS);
    CHECK_EQUAL(block.Status, STATUS_SUCCESS);
    CHECK_EQUAL(block.Information, sizeof(rings));
    return rings;
}

TEST(bell_rings_for_those_who_wait)
{
    UNICODE_STRING name = RTL_CONSTANT_STRING(L"\\??\\Bell");
    OBJECT_ATTRIBUTES attributes;
    IO_STATUS_BLOCK block, waiting;
    ULONG rings;

    CHECK_EQUAL(IopLoadDriver("bell"), STATUS_SUCCESS);
    InitializeObjectAttributes(&attributes, &name, OBJ_KERNEL_HANDLE, NULL, NULL);
    CHECK_EQUAL(ZwOpenFile(&File, FILE_GENERIC_READ, &attributes, &block, 0, 0), STATUS_SUCCESS);
    CHECK_EQUAL(ZwReadFile(File, NULL, NULL, NULL, &block, &rings, 3, &Offset, NULL),
                STATUS_BUFFER_TOO_SMALL);
    CHECK_EQUAL(SetBell(5), STATUS_SUCCESS);
    rings = ReadBell();
    CHECK_AT_LEAST(rings, 1);
    CHECK_AT_LEAST(ReadBell(), rings + 1);
    CHECK_EQUAL(SetBell(0), STATUS_SUCCESS);
    CHECK_EQUAL(SetBell(0x80000000), STATUS_INVALID_PARAMETER);
    CHECK_EQUAL(ZwReadFile(File, NULL, NULL, NULL, &waiting, &rings, 4, &Offset, NULL),
                STATUS_PENDING);
    CHECK_EQUAL(ZwClose(File), STATUS_SUCCESS);
    CHECK_EQUAL(waiting.Status, STATUS_CANCELLED);
    CHECK_EQUAL(IopUnloadDriver("bell"), STATUS_SUCCESS);
}
