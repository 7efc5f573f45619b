/* What the files that deal with time know of each other. */
#ifndef METRONOME_KE_TIME_H
#define METRONOME_KE_TIME_H

#include "ke.h"

extern ULONG64 KiCounterBase;   /* the time counter at interrupt time 0; constant */
extern ULONG64 KiUnitsPerCount; /* 100 ns a count, times 2^64; constant */

FORCEINLINE ULONG64 KiMultiplyHigh(ULONG64 A, ULONG64 B)
{
    return (ULONG64)(((unsigned __int128)A * B) >> 64);
}

/* KiQueryInterruptTime, where each instruction counts. */
FORCEINLINE ULONG64 KiInterruptTimeNow(VOID)
{
    ULONG64 count = ArchReadCounter() - KiCounterBase;

    return KiMultiplyHigh(count, KiUnitsPerCount);
}

/* The counter value at which interrupt time has reached Time (100 ns). Any IRQL. */
ULONG64 KiCounterAtInterruptTime(ULONG64 Time);

/* Gives Prcb's timer table a new system time offset and moves its absolute timers. */
VOID KiMoveAbsoluteTimers(PKPRCB Prcb, LONG64 NewOffset);

#endif
