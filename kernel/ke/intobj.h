/* The interrupt object and the vectors' chains: interrupt.c calls them, connect.c changes them. */
#ifndef METRONOME_INTOBJ_H
#define METRONOME_INTOBJ_H

#include "ke.h"

/* What a passive-level interrupt has in addition: passiveint.c. */
typedef struct _KI_PASSIVE {
    KEVENT Free;      /* set: neither the ISR nor a SynchCritSection runs; in place of the lock */
    KEVENT Requested; /* the thread is to call the ISR, or to end */
    KEVENT Ended;     /* the thread knows the object no more */
    KDPC Dpc;         /* sets Requested */
    volatile BOOLEAN Stopping;
} KI_PASSIVE;

/*
 * Constant from the connection on, unless a line says otherwise.
 */
typedef struct _KINTERRUPT {
    struct _KINTERRUPT
        *volatile Next; /* in the chain; written under KiConnectLock, walked without */
    PKSERVICE_ROUTINE ServiceRoutine;
    PVOID ServiceContext;
    PKSPIN_LOCK ActualLock; /* the driver's, or &OwnLock */
    KSPIN_LOCK OwnLock;
    ULONG Vector;
    KIRQL Irql;            /* DIRQL: the vector's class; or PASSIVE_LEVEL */
    KIRQL SynchronizeIrql; /* the ISR's: at least Irql; PASSIVE_LEVEL with that Irql */
    KINTERRUPT_MODE Mode;
    BOOLEAN Shared;
    volatile BOOLEAN Active; /* the ISR may be called; written under KiConnectLock, and under
                              * ActualLock unless the level is passive */
    KAFFINITY Affinity;      /* processors that may take the interrupt */
    ULONG64 Count;           /* ISR calls that returned TRUE; ActualLock, or Passive.Free */
    KI_PASSIVE Passive;
} KINTERRUPT;

FORCEINLINE BOOLEAN KiIsPassiveInterrupt(const KINTERRUPT *Interrupt)
{
    return Interrupt->Irql == PASSIVE_LEVEL;
}

/* A device vector. Written under KiConnectLock; Chain and LineOpen are also read without. */
typedef struct _KI_VECTOR {
    PKINTERRUPT volatile Chain;
    ULONG Processor;           /* that the line is routed to, or would be */
    volatile BOOLEAN LineOpen; /* a line lies behind the vector and is open */
} KI_VECTOR, *PKI_VECTOR;

#define DEVICE_VECTORS (LAST_DEVICE_VECTOR - FIRST_DEVICE_VECTOR + 1)
extern KI_VECTOR KiVectors[DEVICE_VECTORS];

FORCEINLINE PKI_VECTOR KiVector(ULONG Vector)
{
    return &KiVectors[Vector - FIRST_DEVICE_VECTOR];
}

/* ---- passive-level interrupts ---- */

/* Makes and ends the thread; not connected yet, or no more. PASSIVE_LEVEL. */
NTSTATUS KiStartPassiveInterrupt(PKINTERRUPT Interrupt);
VOID KiStopPassiveInterrupt(PKINTERRUPT Interrupt);

/* The interrupt: masks a level-triggered line and has the thread called. The vector's IRQL. */
VOID KiRequestPassiveInterrupt(PKINTERRUPT Interrupt);

/* Opens the line that this has masked, unless it is meant to be closed. <= DISPATCH_LEVEL. */
VOID KiReopenLine(ULONG Vector);

/* The event in place of the lock. PASSIVE_LEVEL. */
VOID KiAcquirePassiveInterrupt(PKINTERRUPT Interrupt);
VOID KiReleasePassiveInterrupt(PKINTERRUPT Interrupt);

#endif
