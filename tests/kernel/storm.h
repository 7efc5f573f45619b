/*
 * Many threads that begin together, run for a share of the time that the stress suites have, and
 * are told to end. The tests' own thread stays above them. PASSIVE_LEVEL.
 */
#ifndef METRONOME_TEST_STORM_H
#define METRONOME_TEST_STORM_H

#include "thread_tool.h"

#define KT_STORM_MOST 192

extern KT_THREAD KtStormThreads[KT_STORM_MOST];
extern ULONG KtStormThreadCount;
extern volatile LONG KtStormEnds; /* the threads look at it and come to their end */

/* The share of one test of stress=SECONDS (default: a second each). */
ULONG64 KtStormTime(VOID);

/* Nobody is there; then threads that wait in KtAwaitStorm first of all. */
VOID KtPrepareStorm(VOID);
VOID KtAddToStorm(ULONG Count, KT_ROUTINE *Routine, PVOID Context);
VOID KtAwaitStorm(VOID);

/* Lets them go; tells them to end and waits for that; both, with the test's time between them. */
VOID KtReleaseStorm(VOID);
VOID KtEndStorm(VOID);
VOID KtRunStorm(VOID);

#endif
