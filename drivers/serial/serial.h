/*
 * serial: a driver for the 16550 UART, the PC's serial ports.
 *
 *     reads                                                     writes
 *     cancel-safe queue                                         device queue, StartIo
 *         ^                                                         |
 *         | DpcForIsr                                               v
 *     receive ring <-- InterruptService (DIRQL) --> transmitter <-- the write's own buffer
 *
 * Which state is under which lock is said here for each part of SERIAL_PORT. Locks, from the first
 * that is taken to the last: cancel spin lock or ReadLock, then the interrupt object's.
 */
#ifndef SERIAL_H
#define SERIAL_H

#include <ntddk.h>
#include <ntddser.h>
#include <kdport.h>

/* ---- the device: eight ports ---- */

#define DATA             0 /* read: received; write: to be sent */
#define INTERRUPT_ENABLE 1
#define INTERRUPT_ID     2 /* read */
#define FIFO_CONTROL     2 /* write */
#define LINE_CONTROL     3
#define MODEM_CONTROL    4
#define LINE_STATUS      5
#define MODEM_STATUS     6
#define DIVISOR_LOW      0 /* while LINE_DIVISOR is set */
#define DIVISOR_HIGH     1

/* INTERRUPT_ENABLE */
#define ENABLE_RECEIVED    0x01
#define ENABLE_TRANSMITTER 0x02
#define ENABLE_LINE_STATUS 0x04
#define ENABLE_MODEM       0x08
#define ENABLE_RESERVED    0xF0 /* reads as zero */

/* INTERRUPT_ID */
#define ID_NONE        0x01
#define ID_MASK        0x0E
#define ID_MODEM       0x00
#define ID_TRANSMITTER 0x02
#define ID_RECEIVED    0x04
#define ID_LINE_STATUS 0x06
#define ID_TIMEOUT     0x0C /* received some time ago, fewer than the trigger level */
#define ID_FIFO        0xC0

/* FIFO_CONTROL: on, both emptied, an interrupt at 8 received characters */
#define FIFO_START 0x87

#define LINE_DIVISOR 0x80

/* LINE_STATUS */
#define STATUS_RECEIVED    0x01
#define STATUS_OVERRUN     0x02
#define STATUS_PARITY      0x04
#define STATUS_FRAMING     0x08
#define STATUS_BREAK       0x10
#define STATUS_ERRORS      0x1E
#define STATUS_TRANSMITTER 0x20 /* has room for a whole FIFO */

#define FIFO_LENGTH  16
#define BAUD_HIGHEST 115200

/* ---- a port ---- */

#define RING_SIZE 4096

typedef struct _SERIAL_PORT {
    /* Constant. */
    PDEVICE_OBJECT Device;
    PUCHAR Base;
    ULONG Number, IsaInterrupt;

    /* From open to close; 1: open. */
    volatile LONG Opened;
    PKINTERRUPT Interrupt;
    BOOLEAN Adopted; /* the kernel's console: its line stays as it is */

    /* Shared with the ISR: under the interrupt object's lock. */
    UCHAR Ring[RING_SIZE];
    ULONG Head, Tail; /* counts of characters; the difference is what lies in the ring */
    PKD_PORT Console; /* what is sent is the kernel's, or NULL */
    PIRP WriteIrp;    /* that is being sent, or NULL */
    PUCHAR WriteNext;
    ULONG WriteLeft;
    UCHAR Enabled; /* what INTERRUPT_ENABLE was set to */
    UCHAR ModemControl;
    UCHAR FifoLength;
    BOOLEAN WantDpc; /* there is work for DpcForIsr */
    ULONG Errors;    /* SERIAL_ERROR_... */
    SERIAL_BAUD_RATE BaudRate;
    SERIAL_LINE_CONTROL Line;
    SERIAL_HANDFLOW Handflow;
    SERIALPERF_STATS Stats;

    /* Reads: under ReadLock. */
    IO_CSQ Reads;
    KSPIN_LOCK ReadLock;
    LIST_ENTRY ReadList;
    SERIAL_TIMEOUTS Timeouts;
    PIRP Reading;      /* the first read, once it has begun; it stays in the list until its end */
    BOOLEAN ReadEnded; /* Reading is to be completed */
    ULONG64 ReadBegan; /* interrupt time */
    ULONG64 LastCame;  /* when the latest character of Reading was taken */
    KTIMER ReadTimer;
    KDPC ReadTimerDpc;

    BOOLEAN Purging; /* writes end at once; the cancel spin lock */
} SERIAL_PORT, *PSERIAL_PORT;

FORCEINLINE UCHAR In(PSERIAL_PORT Port, ULONG Register)
{
    return READ_PORT_UCHAR(Port->Base + Register);
}

FORCEINLINE VOID Out(PSERIAL_PORT Port, ULONG Register, UCHAR Value)
{
    WRITE_PORT_UCHAR(Port->Base + Register, Value);
}

/* Completes a request. <= DISPATCH_LEVEL, no lock held. */
FORCEINLINE NTSTATUS CompleteRequest(PIRP Irp, NTSTATUS Status, ULONG_PTR Information)
{
    Irp->IoStatus.Status = Status;
    Irp->IoStatus.Information = Information;
    IoCompleteRequest(Irp, NT_SUCCESS(Status) ? IO_SERIAL_INCREMENT : IO_NO_INCREMENT);
    return Status;
}

/* ---- uart.c: with the interrupt object's lock, but for IsPresent ---- */

BOOLEAN IsPresent(PUCHAR Base);
VOID StartUart(PSERIAL_PORT Port);
VOID AdoptUart(PSERIAL_PORT Port);
VOID StopUart(PSERIAL_PORT Port);
NTSTATUS SetBaudRate(PSERIAL_PORT Port, ULONG BaudRate);
NTSTATUS SetLineControl(PSERIAL_PORT Port, const SERIAL_LINE_CONTROL *Line);
VOID SetModemControl(PSERIAL_PORT Port, UCHAR Value);
VOID SetEnabled(PSERIAL_PORT Port, UCHAR Value);

/* ---- isr.c: with the interrupt object's lock, but for the two routines ---- */

KSERVICE_ROUTINE InterruptService;
IO_DPC_ROUTINE DpcForIsr;
UCHAR ReadLineStatus(PSERIAL_PORT Port);
VOID Transmit(PSERIAL_PORT Port);
BOOLEAN IsHeld(PSERIAL_PORT Port); /* the other side does not want to be sent to */
VOID MakeRoom(PSERIAL_PORT Port);  /* characters have been taken out of the ring */

/* ---- read.c ---- */

VOID InitializeReads(PSERIAL_PORT Port);
VOID ServeReads(PSERIAL_PORT Port); /* <= DISPATCH_LEVEL */
VOID CancelReads(PSERIAL_PORT Port);
DRIVER_DISPATCH DispatchRead;

/* ---- write.c ---- */

VOID FinishWrite(PSERIAL_PORT Port); /* DISPATCH_LEVEL */
VOID CancelWrites(PSERIAL_PORT Port);
DRIVER_DISPATCH DispatchWrite;
DRIVER_STARTIO StartIo;

/* ---- control.c ---- */

DRIVER_DISPATCH DispatchControl;

/* ---- console.c ---- */

VOID TransmitConsole(PSERIAL_PORT Port); /* with the interrupt object's lock */
DRIVER_DISPATCH DispatchInternalControl;

#endif
