/* What the files of the event trace show to each other and to the commands. */
#ifndef METRONOME_KDTRACE_H
#define METRONOME_KDTRACE_H

#include "ke.h"
#include "kd.h"
#include "kd/trace.h"

/* ---- rings (trace.c) ---- */

/* Makes everything for so many events a processor, for ever. FALSE: no memory. PASSIVE_LEVEL. */
BOOLEAN KdpMakeTrace(ULONG64 Events, BOOLEAN Names);

/* Traces these classes from now on; 0: nothing. There are rings. Any IRQL. */
VOID KdpSetTraceClasses(UCHAR Classes);

/* ---- names (tracenames.c) ---- */

/* Header and names; NULL while there is no trace. Set once, at the start. */
extern PKTRACE_HEADER KdpTraceHeader;

/* Makes them, with the names of all functions and threads, or without. FALSE: no memory. */
BOOLEAN KdpMakeTraceHeader(ULONG64 Session, BOOLEAN Names);

/* ---- reading (traceread.c) ---- */

/* A walk over the rings of all processors, in the order of time. */
typedef struct _KD_TRACE_READER {
    ULONG64 Next[MAXIMUM_PROCESSORS]; /* number of the next event of each ring */
    ULONG64 End[MAXIMUM_PROCESSORS];  /* where the walk ends: events that existed at its begin */
    ULONG64 Lost;                     /* events that were overwritten before they could be read */
} KD_TRACE_READER, *PKD_TRACE_READER;

/* Begins at the oldest events, or at the last Limit of each ring. Any IRQL. */
VOID KdpBeginReading(PKD_TRACE_READER Reader, ULONG64 Limit);

/* The next event and its processor; FALSE at the end. Any IRQL. */
BOOLEAN KdpReadEvent(PKD_TRACE_READER Reader, PKTRACE_EVENT Event, PULONG Processor);

/* Another way through the rings: one processor's events only, in their order. */
BOOLEAN KdpReadEventOf(PKD_TRACE_READER Reader, ULONG Processor, PKTRACE_EVENT Event);

/* Lets the walk go on to what has been written since. There are rings. Any IRQL. */
VOID KdpContinueReading(PKD_TRACE_READER Reader);

/* ---- text (tracetext.c) ---- */

/* A line: when before Now, processor, IRQL, what. Any IRQL. */
VOID KdpPrintEvent(const KTRACE_EVENT *Event, ULONG Processor, ULONG64 Now);

/* ---- accounting (tracestats.c): no console, no lock, any IRQL ---- */

#define KD_STATS_DPCS    96
#define KD_STATS_PENDING 512 /* DPCs queued and not started; a power of two */
#define KD_STATS_DEPTH   16  /* interrupts within each other: one a level of IRQL at the most */

/* Durations in counts of the time counter. */
typedef struct _KD_DURATION {
    ULONG64 Count, Total, Longest;
} KD_DURATION, *PKD_DURATION;

typedef struct _KD_DPC_STATS {
    ULONG64 Routine;
    KD_DURATION Waited; /* from queued to started */
    KD_DURATION Ran;
} KD_DPC_STATS, *PKD_DPC_STATS;

typedef struct _KD_PROCESSOR_STATS {
    ULONG64 Levels[HIGH_LEVEL + 1]; /* time at each IRQL, idle apart */
    ULONG64 Idle;                   /* in the idle thread at PASSIVE_LEVEL */
    ULONG64 Last;                   /* time of the latest event; 0: none yet */
    KIRQL Irql;                     /* from then on */
    BOOLEAN InIdleThread;
    ULONG Depth;
    ULONG64 Entered[KD_STATS_DEPTH]; /* interrupts under way: when they began, */
    UCHAR Vectors[KD_STATS_DEPTH];   /* and which */
    ULONG64 DpcStarted, DpcRoutine;  /* the ordinary DPC that runs; 0: none */
} KD_PROCESSOR_STATS, *PKD_PROCESSOR_STATS;

typedef struct _KD_STATS {
    ULONG64 First, Events;
    KD_PROCESSOR_STATS Processors[MAXIMUM_PROCESSORS];
    KD_DURATION Vectors[256];
    KD_DPC_STATS Dpcs[KD_STATS_DPCS];
    ULONG DpcCount;
    ULONG64 Unlisted; /* runs of DPC routines for which there was no row left */
    struct {
        ULONG64 Dpc, Time;
    } Pending[KD_STATS_PENDING];
} KD_STATS, *PKD_STATS;

/* Begins with nothing; adds the events of all processors, in the order of time. */
VOID KdpClearStats(PKD_STATS Stats);
VOID KdpCountEvent(PKD_STATS Stats, const KTRACE_EVENT *Event, ULONG Processor);

/* The level at which the processor is after an event. */
KIRQL KdpIrqlAfter(const KTRACE_EVENT *Event);

#endif
