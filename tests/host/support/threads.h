/* Several threads that begin at the same moment: support/threads.c. */
#ifndef METRONOME_HOST_THREADS_H
#define METRONOME_HOST_THREADS_H

#include "ntdef.h"

#define HOST_THREADS 4

/* A thread's work; Number is 0 to HOST_THREADS - 1. */
typedef ULONG_PTR HOST_ROUTINE(ULONG Number);

/* Runs Routine in HOST_THREADS threads and waits for them. Returns the sum of their results. */
ULONG_PTR HostRunThreads(HOST_ROUTINE *Routine);

#endif
