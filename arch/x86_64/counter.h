/*
 * The counters against which the processor's own is measured, and what the measuring yields.
 * Each of them wraps; only differences shorter than half its range are meant.
 */
#ifndef METRONOME_ARCH_COUNTER_H
#define METRONOME_ARCH_COUNTER_H

#include "arch.h"

typedef ULONG COUNTER_READ(VOID);

/* A counter whose frequency is known. */
typedef struct _REFERENCE {
    PCSTR Name;
    ULONG64 Frequency; /* counts a second */
    ULONG Mask;        /* the bits that it has */
    COUNTER_READ *Read;
} REFERENCE;

/* FALSE if the machine does not have it, or if the option hide= names it. At the start. */
BOOLEAN HpetReference(REFERENCE *Reference);
BOOLEAN PmTimerReference(REFERENCE *Reference);
BOOLEAN PitReference(REFERENCE *Reference);

/* Stops the PIT's channel 0, which the firmware may have left ticking. */
VOID PitSilence(VOID);

/* Sets ArchCounterFrequency and CounterApicFraction; stops with a sentence if it cannot. */
VOID CounterCalibrate(VOID);

/* Local APIC timer ticks in 2^32 counts of the time counter, rounded up; 0: it does not count. */
extern ULONG64 CounterApicFraction;

#endif
