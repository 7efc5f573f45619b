/* The second serial port through drivers/serial, for its suites. All at PASSIVE_LEVEL. */
#ifndef METRONOME_TEST_SERIAL_TOOL_H
#define METRONOME_TEST_SERIAL_TOOL_H

#include "suite.h"
#include "ntddser.h"

/* A transfer that is under way. */
typedef struct _KT_TRANSFER {
    IO_STATUS_BLOCK Block;
    HANDLE Event;
} KT_TRANSFER, *PKT_TRANSFER;

/* Loads the driver and opens the port; FALSE, with KtSkip, if the machine has none. */
BOOLEAN KtOpenSerial(PHANDLE Handle);
NTSTATUS KtTryOpenSerial(PHANDLE Handle);
/* Closes it and unloads the driver. */
VOID KtCloseSerial(HANDLE Handle);

NTSTATUS KtSerialControl(HANDLE Handle, ULONG Code, PVOID Input, ULONG InputLength, PVOID Output,
                         ULONG OutputLength);
VOID KtSetModemControl(HANDLE Handle, ULONG Value);
VOID KtSetHandflow(HANDLE Handle, ULONG ControlHandShake, ULONG FlowReplace);
VOID KtSetTimeouts(HANDLE Handle, ULONG Interval, ULONG Multiplier, ULONG Constant);

/* Begins a transfer; STATUS_PENDING, or its end. */
NTSTATUS KtBeginRead(HANDLE Handle, PKT_TRANSFER Transfer, PVOID Buffer, ULONG Length);
NTSTATUS KtBeginWrite(HANDLE Handle, PKT_TRANSFER Transfer, PVOID Buffer, ULONG Length);
/* Waits for its end and frees the event; its status. */
NTSTATUS KtEndTransfer(PKT_TRANSFER Transfer);
/* Has it ended? */
BOOLEAN KtHasEnded(PKT_TRANSFER Transfer);

#endif
