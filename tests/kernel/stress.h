/*
 * What the stress suites share: how long they run, and work on all processors in turns short
 * enough for timers to expire and DPCs to run in between.
 */
#ifndef METRONOME_TEST_STRESS_H
#define METRONOME_TEST_STRESS_H

#include "suite.h"

/* Guest time for one of Parts equal parts of option stress=SECONDS (default 8): an eighth for each
 * of the timers' tests, a tenth for each of the others. */
ULONG64 KtStressTime(ULONG Parts);

/*
 * For Interval, Routine(Processor, Context) runs on every processor again and again: at
 * DISPATCH_LEVEL on the others, at PASSIVE_LEVEL on this one. Between two turns a processor goes
 * below DISPATCH_LEVEL, so that what is due there happens. Returns the number of turns.
 */
ULONG64 KtRunInTurns(ULONG64 Interval, KT_PARALLEL_ROUTINE *Routine, PVOID Context);

#endif
