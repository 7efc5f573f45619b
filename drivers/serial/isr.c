/*
 * The interrupt service routine and its DPC. The ISR moves characters between the UART and memory,
 * at DIRQL, under the interrupt object's lock; it completes nothing. DpcForIsr does that.
 *
 * The line is edge-triggered: it must fall before it can rise again, so the ISR goes on until the
 * UART has no reason to interrupt left.
 *
 * Nothing is thrown away here. When the ring is full, the characters stay in the UART: its
 * interrupt is turned off until there is room (MakeRoom). If the other side honours RTS nothing
 * more comes; if it does not, the UART overruns in the end, and that is counted.
 */
#include "serial.h"

static VOID CountErrors(PSERIAL_PORT Port, UCHAR Status)
{
    if (!(Status & STATUS_ERRORS))
        return;
    if (Status & STATUS_OVERRUN) {
        Port->Stats.SerialOverrunErrorCount++;
        Port->Errors |= SERIAL_ERROR_OVERRUN;
    }
    if (Status & STATUS_PARITY) {
        Port->Stats.ParityErrorCount++;
        Port->Errors |= SERIAL_ERROR_PARITY;
    }
    if (Status & STATUS_BREAK) { /* it counts as a framing error, too, and is none */
        Port->Errors |= SERIAL_ERROR_BREAK;
    } else if (Status & STATUS_FRAMING) {
        Port->Stats.FrameErrorCount++;
        Port->Errors |= SERIAL_ERROR_FRAMING;
    }
}

/* The register forgets the errors when it is read, so each reading counts them. */
UCHAR ReadLineStatus(PSERIAL_PORT Port)
{
    UCHAR status = In(Port, LINE_STATUS);

    CountErrors(Port, status);
    return status;
}

/* ---- receiving ---- */

static BOOLEAN RtsFollowsRing(PSERIAL_PORT Port)
{
    return (Port->Handflow.FlowReplace & SERIAL_RTS_MASK) == SERIAL_RTS_HANDSHAKE;
}

static VOID Receive(PSERIAL_PORT Port)
{
    while (ReadLineStatus(Port) & STATUS_RECEIVED) {
        if (Port->Head - Port->Tail == RING_SIZE) {
            SetEnabled(Port, Port->Enabled & (UCHAR)~ENABLE_RECEIVED);
            break;
        }
        Port->Ring[Port->Head++ % RING_SIZE] = In(Port, DATA);
        Port->Stats.ReceivedCount++;
        Port->WantDpc = TRUE;
    }
    if (RtsFollowsRing(Port) &&
        RING_SIZE - (Port->Head - Port->Tail) <= (ULONG)Port->Handflow.XoffLimit)
        SetModemControl(Port, Port->ModemControl & (UCHAR)~SERIAL_IOC_MCR_RTS);
}

/* In loopback mode RTS is CTS, and not every UART interrupts for the change. */
static VOID RaiseRts(PSERIAL_PORT Port)
{
    SetModemControl(Port, Port->ModemControl | SERIAL_IOC_MCR_RTS);
    if (Port->ModemControl & SERIAL_IOC_MCR_LOOP)
        Transmit(Port);
}

VOID MakeRoom(PSERIAL_PORT Port)
{
    SetEnabled(Port, Port->Enabled | ENABLE_RECEIVED);
    if (RtsFollowsRing(Port) && Port->Head - Port->Tail <= (ULONG)Port->Handflow.XonLimit)
        RaiseRts(Port);
}

/* ---- transmitting ---- */

BOOLEAN IsHeld(PSERIAL_PORT Port)
{
    return (Port->Handflow.ControlHandShake & SERIAL_CTS_HANDSHAKE) &&
           !(In(Port, MODEM_STATUS) & SERIAL_MSR_CTS);
}

/*
 * Fills the transmitter, if it is empty and may send. Its interrupt is on only while there is
 * something to send: an idle transmitter would interrupt at once.
 */
VOID Transmit(PSERIAL_PORT Port)
{
    ULONG room = Port->FifoLength;

    if (Port->Console) {
        TransmitConsole(Port);
        return;
    }
    if (Port->WriteLeft == 0) {
        SetEnabled(Port, Port->Enabled & (UCHAR)~ENABLE_TRANSMITTER);
        return;
    }
    if (!(ReadLineStatus(Port) & STATUS_TRANSMITTER) || IsHeld(Port))
        return;
    for (; room > 0 && Port->WriteLeft > 0; room--) {
        Out(Port, DATA, *Port->WriteNext++);
        Port->WriteLeft--;
        Port->Stats.TransmittedCount++;
    }
    if (Port->WriteLeft == 0)
        Port->WantDpc = TRUE;
}

/* ---- the two routines ---- */

/* InterruptService. IRQL: DIRQL, the interrupt object's lock is held. */
BOOLEAN InterruptService(PKINTERRUPT Interrupt, PVOID ServiceContext)
{
    PSERIAL_PORT port = ServiceContext;
    BOOLEAN served = FALSE;
    UCHAR reason;

    UNREFERENCED_PARAMETER(Interrupt);
    while (!((reason = In(port, INTERRUPT_ID)) & ID_NONE)) {
        served = TRUE;
        switch (reason & ID_MASK) {
        case ID_RECEIVED:
        case ID_TIMEOUT:
            Receive(port);
            break;
        case ID_LINE_STATUS:
            ReadLineStatus(port);
            break;
        case ID_MODEM:
            In(port, MODEM_STATUS); /* which ends this reason; CTS may have come on */
            Transmit(port);
            break;
        default:
            Transmit(port);
            break;
        }
    }
    if (port->WantDpc) {
        port->WantDpc = FALSE;
        IoRequestDpc(port->Device, NULL, NULL);
    }
    return served;
}

/* DpcForIsr. IRQL: DISPATCH_LEVEL. */
VOID DpcForIsr(PKDPC Dpc, PDEVICE_OBJECT DeviceObject, PIRP Irp, PVOID Context)
{
    PSERIAL_PORT port = DeviceObject->DeviceExtension;

    UNREFERENCED_PARAMETER(Dpc);
    UNREFERENCED_PARAMETER(Irp);
    UNREFERENCED_PARAMETER(Context);
    FinishWrite(port);
    ServeReads(port);
}
