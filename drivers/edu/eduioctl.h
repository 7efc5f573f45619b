/* What a program asks of the driver edu, beside reading and writing the device's buffer. */
#ifndef EDUIOCTL_H
#define EDUIOCTL_H

#include <ntddk.h>

/* Input a ULONG, output its factorial modulo 2^32, also a ULONG. */
#define IOCTL_EDU_FACTORIAL CTL_CODE(FILE_DEVICE_UNKNOWN, 0x800, METHOD_BUFFERED, FILE_ANY_ACCESS)

/* Input an EDU_MISCHIEF: what the device is to do wrong. */
#define IOCTL_EDU_MISCHIEF CTL_CODE(FILE_DEVICE_UNKNOWN, 0x801, METHOD_BUFFERED, FILE_ANY_ACCESS)

/* Output an EDU_STATISTICS. */
#define IOCTL_EDU_STATISTICS CTL_CODE(FILE_DEVICE_UNKNOWN, 0x802, METHOD_BUFFERED, FILE_ANY_ACCESS)

/* IRP_MJ_READ and IRP_MJ_WRITE: byte offset + length are less than this. */
#define EDU_BUFFER_BYTES 4096

typedef struct _EDU_MISCHIEF {
    ULONG Lose;     /* so many of the next interrupts do not come */
    ULONG Spurious; /* so many interrupts come now for no reason */
} EDU_MISCHIEF, *PEDU_MISCHIEF;

typedef struct _EDU_STATISTICS {
    ULONG64 Interrupts; /* that had a cause which somebody waited for */
    ULONG64 Spurious;   /* that nobody waited for */
    ULONG64 Lost;       /* that never came; the watchdog has found the work done */
    ULONG64 TimeOuts;   /* requests that the watchdog has given up */
    ULONG64 Factorials, Transfers, Cancelled;
    ULONG Messages; /* by which the device interrupts; 0: by its line */
} EDU_STATISTICS, *PEDU_STATISTICS;

#endif
