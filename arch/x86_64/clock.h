/* What the clock's choice (clock.c) knows of its devices. */
#ifndef METRONOME_ARCH_CLOCK_H
#define METRONOME_ARCH_CLOCK_H

#include "arch.h"

/* A clock device, behind the routines of kernel/arch.h. */
typedef struct _CLOCK_DEVICE {
    PCSTR Name;
    VOID (*Initialize)(VOID); /* stops with a sentence if it cannot be used */
    VOID (*Set)(ULONG64 Counter);
} CLOCK_DEVICE;

extern const CLOCK_DEVICE ClockApic;
extern const CLOCK_DEVICE ClockHpet;

/* Counts of the time counter in a time increment. */
ULONG64 ClockIncrement(VOID);

/* Chooses the device that the option clock= names. Once, after CounterCalibrate. */
VOID ClockInitialize(VOID);

#endif
