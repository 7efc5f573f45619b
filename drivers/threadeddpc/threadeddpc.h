/* The device extension of threadeddpc, and who may touch what in it. */
#ifndef THREADEDDPC_H
#define THREADEDDPC_H

#include <ntddk.h>

/* How long after the interrupt a kind of routine ran, in 100 ns. */
typedef struct _LATENCY {
    PCSTR Name;
    ULONG Runs;
    ULONG64 Least, Greatest, Sum;
} LATENCY, *PLATENCY;

/*
 * A round is one interrupt and what follows from it: three routines, each of which writes its own
 * part. The next round begins when Unfinished is 0 again, so no lock is needed between rounds.
 */
typedef struct _DEVICE_EXTENSION {
    PDEVICE_OBJECT LowerDevice;
    PKINTERRUPT Interrupt; /* NULL: somebody else has the line, there are no interrupts */
    BOOLEAN Asked;         /* the device is to interrupt; the interrupt object's lock */

    KTIMER RoundTimer; /* begins a round now and then */
    KDPC RoundDpc;
    volatile LONG Unfinished; /* routines of this round that have not ended; interlocked */
    ULONG Round;              /* RoundDpc writes it when Unfinished is 0 */

    KDPC OrdinaryDpc;
    KDPC ThreadedDpc;
    PIO_WORKITEM WorkItem; /* queued by OrdinaryDpc */
    ULONG64 WorkTime;      /* of the interrupt; OrdinaryDpc, then the work item */
    KEVENT WorkIdle;       /* set while the work item is neither queued nor running */

    LATENCY Ordinary, Threaded, Work;
} DEVICE_EXTENSION, *PDEVICE_EXTENSION;

/* rounds.c. PASSIVE_LEVEL. */
NTSTATUS StartRounds(PDEVICE_OBJECT Device);
VOID StopRounds(PDEVICE_EXTENSION Extension);

#endif
