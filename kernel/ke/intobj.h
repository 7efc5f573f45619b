/* The interrupt object and the vectors' chains: interrupt.c calls them, connect.c changes them. */
#ifndef METRONOME_INTOBJ_H
#define METRONOME_INTOBJ_H

#include "ke.h"

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
    KIRQL Irql;            /* DIRQL: the vector's class */
    KIRQL SynchronizeIrql; /* the ISR's: at least Irql */
    KINTERRUPT_MODE Mode;
    BOOLEAN Shared;
    BOOLEAN Active;     /* the ISR may be called; written under KiConnectLock and ActualLock */
    KAFFINITY Affinity; /* processors that may take the interrupt */
    ULONG64 Count;      /* ISR calls that returned TRUE; ActualLock */
} KINTERRUPT;

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

#endif
