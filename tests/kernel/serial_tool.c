/* The second serial port. PASSIVE_LEVEL. */
#include "serial_tool.h"
#include "io.h"

NTSTATUS KtTryOpenSerial(PHANDLE Handle)
{
    UNICODE_STRING name = RTL_CONSTANT_STRING(L"\\DosDevices\\COM2");
    OBJECT_ATTRIBUTES attributes;
    IO_STATUS_BLOCK block;

    InitializeObjectAttributes(&attributes, &name, OBJ_CASE_INSENSITIVE | OBJ_KERNEL_HANDLE, NULL,
                               NULL);
    return ZwCreateFile(Handle, GENERIC_READ | GENERIC_WRITE, &attributes, &block, NULL,
                        FILE_ATTRIBUTE_NORMAL, 0, FILE_OPEN, FILE_NON_DIRECTORY_FILE, NULL, 0);
}

BOOLEAN KtOpenSerial(PHANDLE Handle)
{
    NTSTATUS status;

    CHECK_EQUAL(IopLoadDriver("serial"), STATUS_SUCCESS);
    status = KtTryOpenSerial(Handle);
    if (status == STATUS_OBJECT_NAME_NOT_FOUND) {
        CHECK_EQUAL(IopUnloadDriver("serial"), STATUS_SUCCESS);
        KtSkip("the machine has no second serial port");
        return FALSE;
    }
    return CHECK_EQUAL(status, STATUS_SUCCESS);
}

VOID KtCloseSerial(HANDLE Handle)
{
    CHECK_EQUAL(ZwClose(Handle), STATUS_SUCCESS);
    CHECK_EQUAL(IopUnloadDriver("serial"), STATUS_SUCCESS);
}

NTSTATUS KtSerialControl(HANDLE Handle, ULONG Code, PVOID Input, ULONG InputLength, PVOID Output,
                         ULONG OutputLength)
{
    IO_STATUS_BLOCK block;

    return ZwDeviceIoControlFile(Handle, NULL, NULL, NULL, &block, Code, Input, InputLength, Output,
                                 OutputLength);
}

VOID KtSetModemControl(HANDLE Handle, ULONG Value)
{
    CHECK_EQUAL(
        KtSerialControl(Handle, IOCTL_SERIAL_SET_MODEM_CONTROL, &Value, sizeof(Value), NULL, 0),
        STATUS_SUCCESS);
}

VOID KtSetHandflow(HANDLE Handle, ULONG ControlHandShake, ULONG FlowReplace)
{
    SERIAL_HANDFLOW handflow = {ControlHandShake, FlowReplace, 1024, 1024};

    CHECK_EQUAL(
        KtSerialControl(Handle, IOCTL_SERIAL_SET_HANDFLOW, &handflow, sizeof(handflow), NULL, 0),
        STATUS_SUCCESS);
}

VOID KtSetTimeouts(HANDLE Handle, ULONG Interval, ULONG Multiplier, ULONG Constant)
{
    SERIAL_TIMEOUTS timeouts = {Interval, Multiplier, Constant, 0, 0};

    CHECK_EQUAL(
        KtSerialControl(Handle, IOCTL_SERIAL_SET_TIMEOUTS, &timeouts, sizeof(timeouts), NULL, 0),
        STATUS_SUCCESS);
}

static VOID Prepare(PKT_TRANSFER Transfer)
{
    KtPoison(&Transfer->Block);
    CHECK_EQUAL(ZwCreateEvent(&Transfer->Event, SYNCHRONIZE, NULL, SynchronizationEvent, FALSE),
                STATUS_SUCCESS);
}

NTSTATUS KtBeginRead(HANDLE Handle, PKT_TRANSFER Transfer, PVOID Buffer, ULONG Length)
{
    LARGE_INTEGER offset = {.QuadPart = 0};

    Prepare(Transfer);
    return ZwReadFile(Handle, Transfer->Event, NULL, NULL, &Transfer->Block, Buffer, Length,
                      &offset, NULL);
}

NTSTATUS KtBeginWrite(HANDLE Handle, PKT_TRANSFER Transfer, PVOID Buffer, ULONG Length)
{
    LARGE_INTEGER offset = {.QuadPart = 0};

    Prepare(Transfer);
    return ZwWriteFile(Handle, Transfer->Event, NULL, NULL, &Transfer->Block, Buffer, Length,
                       &offset, NULL);
}

NTSTATUS KtEndTransfer(PKT_TRANSFER Transfer)
{
    LARGE_INTEGER patience = KtIn(KT_PATIENCE);

    CHECK_EQUAL(ZwWaitForSingleObject(Transfer->Event, FALSE, &patience), STATUS_SUCCESS);
    ZwClose(Transfer->Event);
    return Transfer->Block.Status;
}

BOOLEAN KtHasEnded(PKT_TRANSFER Transfer)
{
    return *(volatile NTSTATUS *)&Transfer->Block.Status != (NTSTATUS)0x5A5A5A5A;
}
