/*
 * The kernel's console on this port. What is to be sent is the kernel's: it prints at any IRQL, in
 * a bug check too, and then writes to the UART itself, so the two exclude each other by the
 * kernel's lock, between Acquire and Release, and each looks whether the transmitter has room.
 * Input is nothing special: the kernel reads it like anybody else.
 */
#include "serial.h"

/* With the interrupt object's lock: Acquire's lock is taken inside it, never around it. */
VOID TransmitConsole(PSERIAL_PORT Port)
{
    UCHAR buffer[FIFO_LENGTH];
    ULONG count = 0;
    BOOLEAN room;
    KIRQL irql = Port->Console->Acquire();

    room = (ReadLineStatus(Port) & STATUS_TRANSMITTER) != 0;
    if (room) {
        count = Port->Console->Fetch(buffer, Port->FifoLength);
        for (ULONG n = 0; n < count; n++)
            Out(Port, DATA, buffer[n]);
    }
    Port->Console->Release(irql);
    Port->Stats.TransmittedCount += count;
    if (room && count == 0)
        SetEnabled(Port, Port->Enabled & (UCHAR)~ENABLE_TRANSMITTER);
}

/* The transmitter is empty, so turning its interrupt on makes it interrupt. */
static KD_PORT_KICK KickTransmitter;
static VOID KickTransmitter(PVOID Context)
{
    PSERIAL_PORT port = Context;
    KIRQL irql = KeAcquireInterruptSpinLock(port->Interrupt);

    SetEnabled(port, port->Enabled | ENABLE_TRANSMITTER);
    KeReleaseInterruptSpinLock(port->Interrupt, irql);
}

/* IRP_MJ_INTERNAL_DEVICE_CONTROL. IRQL: <= DISPATCH_LEVEL. */
NTSTATUS DispatchInternalControl(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    PSERIAL_PORT port = DeviceObject->DeviceExtension;
    PIO_STACK_LOCATION location = IoGetCurrentIrpStackLocation(Irp);
    PKD_PORT console = location->Parameters.DeviceIoControl.Type3InputBuffer;
    KIRQL irql;

    if (location->Parameters.DeviceIoControl.IoControlCode != IOCTL_INTERNAL_CONNECT_KD_PORT)
        return CompleteRequest(Irp, STATUS_INVALID_DEVICE_REQUEST, 0);
    if (!port->Adopted || port->FifoLength < 2)
        return CompleteRequest(Irp, STATUS_NOT_SUPPORTED, 0);
    console->Kick = KickTransmitter;
    console->Context = port;
    irql = KeAcquireInterruptSpinLock(port->Interrupt);
    port->Console = console;
    KeReleaseInterruptSpinLock(port->Interrupt, irql);
    return CompleteRequest(Irp, STATUS_SUCCESS, 0);
}
