/* The driver echo: what is written to \\.\Echo is read from it, by whoever reads first. */
#ifndef ECHO_H
#define ECHO_H

#include <ntddk.h>

/* Out: a ULONG, the bytes that wait to be read. */
#define IOCTL_ECHO_COUNT CTL_CODE(FILE_DEVICE_UNKNOWN, 0x800, METHOD_BUFFERED, FILE_ANY_ACCESS)
/* In: a ULONG, milliseconds that a read waits at most; 0: for ever. */
#define IOCTL_ECHO_TIMEOUT CTL_CODE(FILE_DEVICE_UNKNOWN, 0x801, METHOD_BUFFERED, FILE_ANY_ACCESS)

#define RING_SIZE 4096

/* The device extension. */
typedef struct _ECHO {
    KSPIN_LOCK DataLock; /* Ring, First, Count; taken before QueueLock */
    UCHAR Ring[RING_SIZE];
    ULONG First, Count; /* the bytes that wait to be read */

    IO_CSQ Readers;
    KSPIN_LOCK QueueLock;   /* Queue, and setting Timer */
    LIST_ENTRY Queue;       /* reads that wait, the oldest first */
    volatile ULONG Timeout; /* milliseconds, 0: none */
    KTIMER Timer;           /* due when the time of a read is over */
    KDPC TimerDpc;
} ECHO, *PECHO;

/* Which reads are looked for: those of a file, those that are too old, or any. */
typedef struct _READ_FILTER {
    PFILE_OBJECT File;
    ULONGLONG Deadline;
} READ_FILTER, *PREAD_FILTER;

/* queue.c: the reads that wait. */
VOID EchoInitializeQueue(PECHO Echo);
VOID EchoFailReads(PECHO Echo, PREAD_FILTER Filter, NTSTATUS Status);

/* data.c: the bytes, and where they meet a read. */
VOID EchoServeReaders(PECHO Echo);
DRIVER_DISPATCH EchoRead, EchoWrite;

#endif
