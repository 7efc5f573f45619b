/*
 * The UART's registers. All of it runs with the interrupt object's lock held, so that the ISR never
 * sees the divisor in the place of the data register. Source: the data sheet of the PC16550D.
 */
#include "serial.h"

/* A port that nobody answers reads as 0xFF; a UART keeps four bits of this register zero. */
BOOLEAN IsPresent(PUCHAR Base)
{
    return (READ_PORT_UCHAR(Base + INTERRUPT_ENABLE) & ENABLE_RESERVED) == 0 &&
           READ_PORT_UCHAR(Base + LINE_STATUS) != 0xFF;
}

VOID SetEnabled(PSERIAL_PORT Port, UCHAR Value)
{
    if (Port->Enabled == Value)
        return;
    Port->Enabled = Value;
    Out(Port, INTERRUPT_ENABLE, Value);
}

VOID SetModemControl(PSERIAL_PORT Port, UCHAR Value)
{
    if (Port->ModemControl == Value)
        return;
    Port->ModemControl = Value;
    Out(Port, MODEM_CONTROL, Value);
}

/* A rate that the divisor does not give to within three per cent is refused. */
NTSTATUS SetBaudRate(PSERIAL_PORT Port, ULONG BaudRate)
{
    ULONG divisor, real;
    UCHAR line;

    if (BaudRate < 50 || BaudRate > BAUD_HIGHEST)
        return STATUS_INVALID_PARAMETER;
    divisor = (BAUD_HIGHEST + BaudRate / 2) / BaudRate;
    real = BAUD_HIGHEST / divisor;
    if ((real > BaudRate ? real - BaudRate : BaudRate - real) > BaudRate * 3 / 100)
        return STATUS_INVALID_PARAMETER;
    line = In(Port, LINE_CONTROL);
    Out(Port, LINE_CONTROL, line | LINE_DIVISOR);
    Out(Port, DIVISOR_LOW, (UCHAR)divisor);
    Out(Port, DIVISOR_HIGH, (UCHAR)(divisor >> 8));
    Out(Port, LINE_CONTROL, line);
    Port->BaudRate.BaudRate = BaudRate;
    return STATUS_SUCCESS;
}

NTSTATUS SetLineControl(PSERIAL_PORT Port, const SERIAL_LINE_CONTROL *Line)
{
    static const UCHAR parities[] = {0x00, 0x08, 0x18, 0x28, 0x38};
    UCHAR value;

    if (Line->WordLength < 5 || Line->WordLength > 8 || Line->Parity > SPACE_PARITY ||
        Line->StopBits > STOP_BITS_2)
        return STATUS_INVALID_PARAMETER;
    /* One bit stands for one and a half stop bits with words of five bits, else for two. */
    if ((Line->StopBits == STOP_BITS_1_5) !=
        (Line->StopBits != STOP_BIT_1 && Line->WordLength == 5))
        return STATUS_INVALID_PARAMETER;
    value = (UCHAR)(Line->WordLength - 5) | parities[Line->Parity];
    if (Line->StopBits != STOP_BIT_1)
        value |= 0x04;
    Out(Port, LINE_CONTROL, value);
    Port->Line = *Line;
    return STATUS_SUCCESS;
}

/* At the highest rate, eight bits, no parity, no handshake. The other side is told to send. */
VOID StartUart(PSERIAL_PORT Port)
{
    static const SERIAL_LINE_CONTROL line = {STOP_BIT_1, NO_PARITY, 8};

    SetLineControl(Port, &line);
    SetBaudRate(Port, BAUD_HIGHEST);
    Out(Port, FIFO_CONTROL, FIFO_START);
    Port->FifoLength = (In(Port, INTERRUPT_ID) & ID_FIFO) == ID_FIFO ? FIFO_LENGTH : 1;
    SetModemControl(Port, SERIAL_IOC_MCR_DTR | SERIAL_IOC_MCR_RTS | SERIAL_IOC_MCR_OUT2);
    SetEnabled(Port, ENABLE_RECEIVED | ENABLE_LINE_STATUS | ENABLE_MODEM);
}

/*
 * The port is in use: line, FIFOs and what is in them stay. The interrupt was off while nobody had
 * connected it, and an edge may have come then: enabling again makes a new one.
 */
VOID AdoptUart(PSERIAL_PORT Port)
{
    Port->BaudRate.BaudRate = BAUD_HIGHEST;
    Port->Line = (SERIAL_LINE_CONTROL){STOP_BIT_1, NO_PARITY, 8};
    Port->FifoLength = (In(Port, INTERRUPT_ID) & ID_FIFO) == ID_FIFO ? FIFO_LENGTH : 1;
    Port->ModemControl = In(Port, MODEM_CONTROL);
    Out(Port, INTERRUPT_ENABLE, 0);
    SetEnabled(Port, ENABLE_RECEIVED | ENABLE_LINE_STATUS);
}

/* OUT2 connects the interrupt line; without it, and with nothing enabled, the port is silent. */
VOID StopUart(PSERIAL_PORT Port)
{
    SetEnabled(Port, 0);
    if (!Port->Adopted)
        SetModemControl(Port, 0);
}
