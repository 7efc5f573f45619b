/* What time.c, clock.c and timer.c know of each other. */
#ifndef METRONOME_KE_TIME_H
#define METRONOME_KE_TIME_H

#include "ke.h"

/* The counter value at which interrupt time has reached Time (100 ns). Any IRQL. */
ULONG64 KiCounterAtInterruptTime(ULONG64 Time);

/* Gives Prcb's timer table a new system time offset and moves its absolute timers. */
VOID KiMoveAbsoluteTimers(PKPRCB Prcb, LONG64 NewOffset);

#endif
