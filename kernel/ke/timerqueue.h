/*
 * A processor's timer queue as a data structure: what is due when. Knows nothing of locks, of
 * processors or of the clock, so that the host tests can drive it.
 */
#ifndef METRONOME_TIMERQUEUE_H
#define METRONOME_TIMERQUEUE_H

#include "ntdef.h"
#include "timer.h"

#define TIMER_LEVELS 11 /* 6 bits each: enough for 63-bit due times */
#define TIMER_SLOTS  64

typedef struct _KTIMER_QUEUE {
    ULONG64 Cursor;              /* everything due before it has been taken out */
    ULONG64 NextDue;             /* nothing is due before it; MAXULONG64: nothing at all */
    ULONG64 Levels;              /* bit n: level n has a timer */
    ULONG64 Slots[TIMER_LEVELS]; /* bit n of word l: list [l][n] has a timer */
    ULONG64 Count;
    LIST_ENTRY Lists[TIMER_LEVELS][TIMER_SLOTS];
} KTIMER_QUEUE, *PKTIMER_QUEUE;

/* All of these: under the queue's lock, any IRQL. Times in 100 ns of interrupt time. */

VOID KiInitializeTimerQueue(PKTIMER_QUEUE Queue);

/* Puts Timer, whose DueTime is set, into the queue. A due time that has gone by counts as now. */
VOID KiInsertTimer(PKTIMER_QUEUE Queue, PKTIMER Timer);

VOID KiRemoveTimer(PKTIMER_QUEUE Queue, PKTIMER Timer);

/*
 * Takes out the timer with the earliest due time, if that is not after Now; equal due times in
 * the order of insertion. NULL if nothing is due: NextDue is then brought up to date.
 */
PKTIMER KiTakeDueTimer(PKTIMER_QUEUE Queue, ULONG64 Now);

/*
 * Calls Visit for every timer, in no particular order. Visit must not change the queue.
 */
typedef VOID KTIMER_VISITOR(PKTIMER Timer, PVOID Context);
VOID KiVisitTimers(PKTIMER_QUEUE Queue, KTIMER_VISITOR *Visit, PVOID Context);

/*
 * Adds Shift to the due time of every absolute timer (the system time has been set back by
 * Shift). A due time that would lie before the cursor becomes due at once.
 */
VOID KiShiftAbsoluteTimers(PKTIMER_QUEUE Queue, LONG64 Shift);

#endif
