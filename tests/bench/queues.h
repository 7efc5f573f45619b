/* Three ways to keep timers behind one interface, to compare what they cost. */
#ifndef METRONOME_BENCH_QUEUES_H
#define METRONOME_BENCH_QUEUES_H

#include "bench.h"

#define MOST_QUEUED 10001

typedef struct _TIMER_KEEPER {
    PCSTR Name;
    VOID (*Clear)(VOID);
    VOID (*Set)(PKTIMER Timer, ULONG64 Due);
    VOID (*Cancel)(PKTIMER Timer);
    PKTIMER (*TakeFirst)(ULONG64 Now); /* the earliest one, if it is due */
} TIMER_KEEPER;

extern const TIMER_KEEPER BenchLevels;     /* the kernel's queue */
extern const TIMER_KEEPER BenchSortedList; /* a list in the order of due times */
extern const TIMER_KEEPER BenchHeap;       /* a binary heap in an array */

#endif
