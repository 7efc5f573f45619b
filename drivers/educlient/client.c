/*
 * educlient: a program for the device edu, in the shape of a driver, because there are no programs
 * here. Its thread opens the device by name, has a factorial computed and a block copied there and
 * back each second, and looks whether the answers are right.
 *
 *     ZwDeviceIoControlFile -> IRP -> edu's dispatch routine -> StartIo -> the device
 *                                                                           interrupt
 *     the thread waits  <-  completion  <-  DpcForIsr  <-  InterruptService <-/
 */
#include <ntddk.h>
#include "../edu/eduioctl.h"

#define ONE_SECOND     10000000LL /* in 100 ns */
#define BLOCK_BYTES    1024
#define ROUNDS_PRINTED 3 /* more would be in the reader's way */

static UNICODE_STRING DeviceName = RTL_CONSTANT_STRING(L"\\DosDevices\\Edu0");

/* What the thread and Unload share: constant, but for the event. */
static PKTHREAD Thread;
static KEVENT Stop;

/* The thread's own. */
static ULONG Rounds, Wrong;
static UCHAR Written[BLOCK_BYTES], Read[BLOCK_BYTES];

static ULONG64 Now(VOID)
{
    ULONG64 counter;

    return KeQueryInterruptTimePrecise(&counter);
}

static NTSTATUS OpenDevice(PHANDLE Handle)
{
    OBJECT_ATTRIBUTES attributes;
    IO_STATUS_BLOCK block;

    InitializeObjectAttributes(&attributes, &DeviceName, OBJ_KERNEL_HANDLE, NULL, NULL);
    return ZwCreateFile(Handle, FILE_READ_DATA | FILE_WRITE_DATA | SYNCHRONIZE, &attributes, &block,
                        NULL, FILE_ATTRIBUTE_NORMAL, 0, FILE_OPEN, FILE_SYNCHRONOUS_IO_NONALERT,
                        NULL, 0);
}

static VOID AskFactorial(HANDLE Handle, ULONG Number)
{
    ULONG result = 0, expected = 1;
    IO_STATUS_BLOCK block;
    ULONG64 start = Now(), took;
    NTSTATUS status = ZwDeviceIoControlFile(Handle, NULL, NULL, NULL, &block, IOCTL_EDU_FACTORIAL,
                                            &Number, sizeof(Number), &result, sizeof(result));

    took = Now() - start;
    for (ULONG n = 2; n <= Number; n++)
        expected *= n;
    Wrong += !NT_SUCCESS(status) || result != expected;
    if (Rounds <= ROUNDS_PRINTED)
        DbgPrint("educlient: %u! = %u modulo 2^32, %s, status 0x%08x, after %I64u us\n", Number,
                 result, result == expected ? "right" : "wrong", status, took / 10);
}

static VOID CopyBlock(HANDLE Handle)
{
    LARGE_INTEGER offset = {.QuadPart = 256};
    IO_STATUS_BLOCK block;
    NTSTATUS status;
    BOOLEAN same;

    for (ULONG n = 0; n < BLOCK_BYTES; n++) {
        Written[n] = (UCHAR)(n * 7 + Rounds);
        Read[n] = 0;
    }
    status = ZwWriteFile(Handle, NULL, NULL, NULL, &block, Written, BLOCK_BYTES, &offset, NULL);
    if (NT_SUCCESS(status))
        status = ZwReadFile(Handle, NULL, NULL, NULL, &block, Read, BLOCK_BYTES, &offset, NULL);
    same = memcmp(Written, Read, BLOCK_BYTES) == 0;
    Wrong += !NT_SUCCESS(status) || !same;
    if (Rounds <= ROUNDS_PRINTED)
        DbgPrint("educlient: %u bytes by DMA to the device and back: %s, status 0x%08x\n",
                 BLOCK_BYTES, same ? "the same" : "not the same", status);
}

static VOID PrintStatistics(HANDLE Handle)
{
    EDU_STATISTICS statistics = {0};
    IO_STATUS_BLOCK block;

    ZwDeviceIoControlFile(Handle, NULL, NULL, NULL, &block, IOCTL_EDU_STATISTICS, NULL, 0,
                          &statistics, sizeof(statistics));
    DbgPrint(
        "educlient: %u rounds, %u answers wrong; the device: %I64u factorials, %I64u transfers, "
        "%I64u interrupts, %I64u lost, %I64u spurious\n",
        Rounds, Wrong, statistics.Factorials, statistics.Transfers, statistics.Interrupts,
        statistics.Lost, statistics.Spurious);
}

static KSTART_ROUTINE ThreadRoutine;
static VOID ThreadRoutine(PVOID StartContext)
{
    LARGE_INTEGER second = {.QuadPart = -ONE_SECOND};
    HANDLE handle = StartContext;

    while (KeWaitForSingleObject(&Stop, Executive, KernelMode, FALSE, &second) == STATUS_TIMEOUT) {
        Rounds++;
        AskFactorial(handle, Rounds % 20);
        CopyBlock(handle);
    }
    PrintStatistics(handle);
    ZwClose(handle);
    PsTerminateSystemThread(STATUS_SUCCESS);
}

/* Unload: the thread ends, and its handle with it. IRQL: PASSIVE_LEVEL. */
static DRIVER_UNLOAD Unload;
static VOID Unload(PDRIVER_OBJECT DriverObject)
{
    UNREFERENCED_PARAMETER(DriverObject);
    KeSetEvent(&Stop, IO_NO_INCREMENT, FALSE);
    KeWaitForSingleObject(Thread, Executive, KernelMode, FALSE, NULL);
    ObDereferenceObject(Thread);
}

/* DriverEntry: without the device there is nothing to do. IRQL: PASSIVE_LEVEL. */
DRIVER_INITIALIZE DriverEntry;
NTSTATUS DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    HANDLE device, thread;
    NTSTATUS status = OpenDevice(&device);

    UNREFERENCED_PARAMETER(RegistryPath);
    if (!NT_SUCCESS(status))
        return STATUS_DEVICE_DOES_NOT_EXIST;
    Rounds = Wrong = 0;
    KeInitializeEvent(&Stop, NotificationEvent, FALSE);
    DriverObject->DriverUnload = Unload;
    status =
        PsCreateSystemThread(&thread, THREAD_ALL_ACCESS, NULL, NULL, NULL, ThreadRoutine, device);
    if (!NT_SUCCESS(status)) {
        ZwClose(device);
        return status;
    }
    ObReferenceObjectByHandle(thread, THREAD_ALL_ACCESS, *PsThreadType, KernelMode,
                              (PVOID *)&Thread, NULL);
    ZwClose(thread);
    return STATUS_SUCCESS;
}
