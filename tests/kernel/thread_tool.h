/*
 * Threads for the tests: started on a chosen processor at a chosen priority, watched, ended. All
 * at PASSIVE_LEVEL unless stated. The tests' own thread has priority 8 and stays on processor 0.
 */
#ifndef METRONOME_TEST_THREAD_TOOL_H
#define METRONOME_TEST_THREAD_TOOL_H

#include "suite.h"

#define KT_ANY_PROCESSOR 0xFFFFFFFFu
#define KT_ABOVE         9 /* preempts the tests' own thread */

typedef struct _KT_THREAD {
    KT_ROUTINE *Routine;
    PVOID Context;
    ULONG Processor;
    KPRIORITY Priority;
    HANDLE Handle;
    PKTHREAD Object;
    volatile LONG Started; /* it is where it should be, at its priority */
} KT_THREAD, *PKT_THREAD;

/* Returns when the thread has come to its processor; FALSE and a failure if it does not. */
BOOLEAN KtStartThread(PKT_THREAD Thread, ULONG Processor, KPRIORITY Priority, KT_ROUTINE *Routine,
                      PVOID Context);

/* Waits until it has ended and gives its object back; FALSE and a failure if it does not end. */
BOOLEAN KtEndThread(PKT_THREAD Thread);

/* Until the thread waits for Object (its first one, if there are several). */
BOOLEAN KtAwaitWait(PKTHREAD Thread, PVOID Object);

/* Is the thread in a wait now? IRQL: <= DISPATCH_LEVEL. */
BOOLEAN KtIsWaiting(PKTHREAD Thread);

/* A thread that waits once for one object, and says how that went. */
typedef struct _KT_WAITER {
    KT_THREAD Thread;
    PVOID Object;
    LARGE_INTEGER Timeout; /* of KtIn or KtAt; 0: none */
    CHAR Event;            /* traced after the wait, unless 0 */
    KT_ROUTINE *Then;      /* called with the waiter after the wait, unless NULL */
    volatile LONG Done;
    NTSTATUS Status;
    KIRQL Irql;
    ULONG64 Began, When;
} KT_WAITER, *PKT_WAITER;

/* Returns when the thread waits. */
VOID KtStartWaiter(PKT_WAITER Waiter, ULONG Processor, KPRIORITY Priority, PVOID Object,
                   LARGE_INTEGER Timeout, CHAR Event);
#define KtEndWaiter(waiter) KtEndThread(&(waiter)->Thread)

/* One wait of the current thread: with a relative time-out, and as a mere test (any IRQL). */
NTSTATUS KtWait(PVOID Object, ULONG64 Interval);
NTSTATUS KtTest(PVOID Object);

#define FOR_EVER ((LARGE_INTEGER){.QuadPart = 0})
#define A_WHILE  MILLISECONDS(20) /* enough for a thread that should not go on to do so */

/* Thread objects in the pool, once the ended ones have been freed. */
SIZE_T KtThreadBlocks(VOID);
VOID KtAwaitThreadBlocks(SIZE_T Blocks); /* a failure if there are more in the end */

#endif
