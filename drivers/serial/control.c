/*
 * IRP_MJ_DEVICE_CONTROL: baud rate, line, handshake, time-outs, state. Each code is one case; the
 * buffer is one for input and output, and its lengths are checked before anything is done.
 */
#include "serial.h"

/* A control request, taken apart. */
typedef struct _CONTROL_REQUEST {
    PSERIAL_PORT Port;
    PVOID Buffer;
    ULONG Code, InputLength, OutputLength;
    ULONG Written; /* of the output */
} CONTROL_REQUEST, *PCONTROL_REQUEST;

/* What an input or output must have room for; 0: the code has none. */
static ULONG InputSize(ULONG Code)
{
    switch (Code) {
    case IOCTL_SERIAL_SET_BAUD_RATE:
        return sizeof(SERIAL_BAUD_RATE);
    case IOCTL_SERIAL_SET_LINE_CONTROL:
        return sizeof(SERIAL_LINE_CONTROL);
    case IOCTL_SERIAL_SET_TIMEOUTS:
        return sizeof(SERIAL_TIMEOUTS);
    case IOCTL_SERIAL_SET_HANDFLOW:
        return sizeof(SERIAL_HANDFLOW);
    case IOCTL_SERIAL_SET_MODEM_CONTROL:
    case IOCTL_SERIAL_PURGE:
        return sizeof(ULONG);
    default:
        return 0;
    }
}

/* Copies an answer to the requester's buffer. */
static NTSTATUS Answer(PCONTROL_REQUEST Control, const VOID *Value, ULONG Size)
{
    if (Control->OutputLength < Size)
        return STATUS_BUFFER_TOO_SMALL;
    RtlCopyMemory(Control->Buffer, Value, Size);
    Control->Written = Size;
    return STATUS_SUCCESS;
}

#define ANSWER(control, value) Answer((control), &(value), sizeof(value))

/* ---- settings; with the interrupt object's lock ---- */

static NTSTATUS SetHandflow(PSERIAL_PORT Port, const SERIAL_HANDFLOW *Handflow)
{
    ULONG rts = Handflow->FlowReplace & SERIAL_RTS_MASK;

    if ((Handflow->ControlHandShake & ~(ULONG)SERIAL_CTS_HANDSHAKE) ||
        (Handflow->FlowReplace & ~(ULONG)SERIAL_RTS_MASK) || rts == SERIAL_RTS_MASK)
        return STATUS_NOT_SUPPORTED;
    if (Handflow->XonLimit < 0 || Handflow->XoffLimit < 0 ||
        Handflow->XonLimit + Handflow->XoffLimit >= RING_SIZE)
        return STATUS_INVALID_PARAMETER;
    Port->Handflow = *Handflow;
    SetModemControl(Port, rts ? Port->ModemControl | SERIAL_IOC_MCR_RTS
                              : Port->ModemControl & (UCHAR)~SERIAL_IOC_MCR_RTS);
    Transmit(Port); /* CTS may not matter any more */
    return STATUS_SUCCESS;
}

/* A change of the loopback mode or, in it, of RTS changes CTS. */
static NTSTATUS ChangeModemControl(PSERIAL_PORT Port, UCHAR Value)
{
    SetModemControl(Port, Value | SERIAL_IOC_MCR_OUT2);
    Transmit(Port);
    return STATUS_SUCCESS;
}

static NTSTATUS Set(PCONTROL_REQUEST Control)
{
    PSERIAL_PORT port = Control->Port;

    switch (Control->Code) {
    case IOCTL_SERIAL_SET_BAUD_RATE:
        return SetBaudRate(port, *(PULONG)Control->Buffer);
    case IOCTL_SERIAL_SET_LINE_CONTROL:
        return SetLineControl(port, Control->Buffer);
    case IOCTL_SERIAL_SET_HANDFLOW:
        return SetHandflow(port, Control->Buffer);
    case IOCTL_SERIAL_SET_MODEM_CONTROL:
        return ChangeModemControl(port, (UCHAR)(*(PULONG)Control->Buffer & 0x1F));
    case IOCTL_SERIAL_SET_RTS:
        return ChangeModemControl(port, port->ModemControl | SERIAL_IOC_MCR_RTS);
    case IOCTL_SERIAL_CLR_RTS:
        return ChangeModemControl(port, port->ModemControl & (UCHAR)~SERIAL_IOC_MCR_RTS);
    case IOCTL_SERIAL_SET_DTR:
        return ChangeModemControl(port, port->ModemControl | SERIAL_IOC_MCR_DTR);
    case IOCTL_SERIAL_CLR_DTR:
        return ChangeModemControl(port, port->ModemControl & (UCHAR)~SERIAL_IOC_MCR_DTR);
    case IOCTL_SERIAL_CLEAR_STATS:
        RtlZeroMemory(&port->Stats, sizeof(port->Stats));
        return STATUS_SUCCESS;
    default:
        return STATUS_INVALID_DEVICE_REQUEST;
    }
}

static NTSTATUS GetStatus(PCONTROL_REQUEST Control)
{
    PSERIAL_PORT port = Control->Port;
    SERIAL_STATUS status = {
        .Errors = port->Errors,
        .HoldReasons = IsHeld(port) ? SERIAL_TX_WAITING_FOR_CTS : 0,
        .AmountInInQueue = port->Head - port->Tail,
        .AmountInOutQueue = port->WriteLeft,
    };
    NTSTATUS result = ANSWER(Control, status);

    if (NT_SUCCESS(result))
        port->Errors = 0;
    return result;
}

static NTSTATUS Get(PCONTROL_REQUEST Control)
{
    PSERIAL_PORT port = Control->Port;
    ULONG value;

    switch (Control->Code) {
    case IOCTL_SERIAL_GET_BAUD_RATE:
        return ANSWER(Control, port->BaudRate);
    case IOCTL_SERIAL_GET_LINE_CONTROL:
        return ANSWER(Control, port->Line);
    case IOCTL_SERIAL_GET_HANDFLOW:
        return ANSWER(Control, port->Handflow);
    case IOCTL_SERIAL_GET_STATS:
        return ANSWER(Control, port->Stats);
    case IOCTL_SERIAL_GET_COMMSTATUS:
        return GetStatus(Control);
    case IOCTL_SERIAL_GET_MODEMSTATUS:
        value = In(port, MODEM_STATUS);
        return ANSWER(Control, value);
    case IOCTL_SERIAL_GET_MODEM_CONTROL:
        value = port->ModemControl;
        return ANSWER(Control, value);
    default:
        return Set(Control);
    }
}

/* ---- reads: with ReadLock, or none ---- */

/* Time-outs of writes are not implemented, and not ignored either. */
static NTSTATUS SetTimeouts(PSERIAL_PORT Port, const SERIAL_TIMEOUTS *Timeouts)
{
    KIRQL irql;

    if (Timeouts->WriteTotalTimeoutConstant || Timeouts->WriteTotalTimeoutMultiplier)
        return STATUS_NOT_SUPPORTED;
    if (Timeouts->ReadIntervalTimeout == MAXULONG && Timeouts->ReadTotalTimeoutConstant == MAXULONG)
        return STATUS_INVALID_PARAMETER;
    KeAcquireSpinLock(&Port->ReadLock, &irql);
    Port->Timeouts = *Timeouts;
    KeReleaseSpinLock(&Port->ReadLock, irql);
    ServeReads(Port);
    return STATUS_SUCCESS;
}

static NTSTATUS GetTimeouts(PCONTROL_REQUEST Control)
{
    PSERIAL_PORT port = Control->Port;
    SERIAL_TIMEOUTS timeouts;
    KIRQL irql;

    KeAcquireSpinLock(&port->ReadLock, &irql);
    timeouts = port->Timeouts;
    KeReleaseSpinLock(&port->ReadLock, irql);
    return ANSWER(Control, timeouts);
}

static NTSTATUS Purge(PSERIAL_PORT Port, ULONG What)
{
    KIRQL irql;

    if (What == 0 || (What & ~(ULONG)(SERIAL_PURGE_RXABORT | SERIAL_PURGE_RXCLEAR)))
        return What ? STATUS_NOT_SUPPORTED : STATUS_INVALID_PARAMETER;
    if (What & SERIAL_PURGE_RXABORT)
        CancelReads(Port);
    if (What & SERIAL_PURGE_RXCLEAR) {
        irql = KeAcquireInterruptSpinLock(Port->Interrupt);
        Port->Tail = Port->Head;
        MakeRoom(Port);
        KeReleaseInterruptSpinLock(Port->Interrupt, irql);
    }
    return STATUS_SUCCESS;
}

static NTSTATUS Execute(PCONTROL_REQUEST Control)
{
    NTSTATUS status;
    KIRQL irql;

    if (Control->InputLength < InputSize(Control->Code))
        return STATUS_BUFFER_TOO_SMALL;
    switch (Control->Code) {
    case IOCTL_SERIAL_SET_TIMEOUTS:
        return SetTimeouts(Control->Port, Control->Buffer);
    case IOCTL_SERIAL_GET_TIMEOUTS:
        return GetTimeouts(Control);
    case IOCTL_SERIAL_PURGE:
        return Purge(Control->Port, *(PULONG)Control->Buffer);
    default:
        irql = KeAcquireInterruptSpinLock(Control->Port->Interrupt);
        status = Get(Control);
        KeReleaseInterruptSpinLock(Control->Port->Interrupt, irql);
        return status;
    }
}

/* IRP_MJ_DEVICE_CONTROL. IRQL: <= DISPATCH_LEVEL. */
NTSTATUS DispatchControl(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    PIO_STACK_LOCATION location = IoGetCurrentIrpStackLocation(Irp);
    CONTROL_REQUEST control = {
        .Port = DeviceObject->DeviceExtension,
        .Buffer = Irp->AssociatedIrp.SystemBuffer,
        .Code = location->Parameters.DeviceIoControl.IoControlCode,
        .InputLength = location->Parameters.DeviceIoControl.InputBufferLength,
        .OutputLength = location->Parameters.DeviceIoControl.OutputBufferLength,
    };
    NTSTATUS status = Execute(&control);

    return CompleteRequest(Irp, status, control.Written);
}
