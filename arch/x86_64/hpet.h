/* The HPET: its main counter, and one comparator as a one-shot alarm. */
#ifndef METRONOME_ARCH_HPET_H
#define METRONOME_ARCH_HPET_H

#include "arch.h"

/* Maps it, starts its counter, turns its interrupts off. At the start; no HPET is no error. */
VOID HpetInitialize(VOID);

/* Why there is no HPET to be used, as a sentence; NULL if there is one. */
PCSTR HpetDefect(VOID);

/* Counts a second; 0 without an HPET. */
ULONG64 HpetFrequency(VOID);

/*
 * Routes one comparator to CLOCK_VECTOR of a processor. Returns NULL, or a sentence. At the
 * start, after IoApicInitialize.
 */
PCSTR HpetOpenAlarm(ULONG Processor);

/*
 * Sets the alarm Ticks from now, at most HPET_MAXIMUM_TICKS. FALSE: the moment passed while it
 * was being set, and whether the interrupt comes is uncertain. The caller serializes.
 */
#define HPET_MAXIMUM_TICKS 0x7FFFFFFFu
BOOLEAN HpetSetAlarm(ULONG Ticks);

/* Turns the alarm off until it is set again. An interrupt may be on its way. */
VOID HpetStopAlarm(VOID);

#endif
