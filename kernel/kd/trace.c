/*
 * The event trace: its rings, one a processor, and when they are written. PASSIVE_LEVEL at the
 * start; the hooks (trace.h) at any IRQL, without a lock. ArchWriteTraceEvent writes the events.
 */
#include "kd/kdtrace.h"
#include "ex.h"

#define LEAST_EVENTS   64u
#define MOST_EVENTS    (1u << 22) /* 128 MB a processor */
#define DEFAULT_EVENTS 4096u
#define SCREEN_EVENTS  8192u /* without an option, for the screen: 256 KB */
#define REPORT_EVENTS  1024u /* without an option, in a checked build: 32 KB */

UCHAR KdTraceClasses;

/*
 * The beginning and the end of an interrupt, from the stub.
 *
 * IRQL:    the vector's class, interrupts off (not checked)
 * Locks:   none
 * Context: interrupt
 * Returns: Vector, which the stub needs again
 */
ULONG KdTraceInterruptEnter(ULONG Vector, const KTRAP_FRAME *TrapFrame)
{
    ArchWriteTraceEvent(TraceInterruptEnter, TrapFrame->Rip, Vector, TrapFrame->PreviousIrql);
    return Vector;
}

/* The same for the end. IRQL: any. */
VOID KdTraceInterruptExit(const KTRAP_FRAME *TrapFrame)
{
    ArchWriteTraceEvent(TraceInterruptExit, TrapFrame->Rip, TrapFrame->PreviousIrql, 0);
}

/* ---- start and end ---- */

static SIZE_T RingPages(ULONG64 Capacity)
{
    SIZE_T bytes = KD_TRACE_EVENT_OFFSET + Capacity * sizeof(KTRACE_EVENT);

    return (bytes + PAGE_SIZE - 1) / PAGE_SIZE;
}

static ULONG64 RoundDown(ULONG64 Events)
{
    if (Events < LEAST_EVENTS)
        return LEAST_EVENTS;
    return Events > MOST_EVENTS ? MOST_EVENTS : 1ULL << (63 - __builtin_clzll(Events));
}

static VOID FreeRings(VOID)
{
    for (LONG n = 0; n < KeNumberProcessors; n++) {
        PKTRACE_RING ring = KiProcessorBlock[n]->TraceRing;

        KiProcessorBlock[n]->TraceRing = NULL;
        if (ring)
            MmFreePages(ring, RingPages(ring->Capacity));
    }
}

/* A ring for every processor, or none. */
static BOOLEAN AllocateRings(ULONG64 Capacity, ULONG64 Session)
{
    for (LONG n = 0; n < KeNumberProcessors; n++) {
        PKTRACE_RING ring = MmAllocatePages(RingPages(Capacity));

        if (!ring) {
            FreeRings();
            return FALSE;
        }
        ring->Magic = KD_TRACE_RING_MAGIC;
        ring->Session = Session;
        ring->Capacity = Capacity;
        ring->Mask = Capacity - 1;
        ring->Processor = (ULONG)n;
        KiProcessorBlock[n]->TraceRing = ring;
    }
    return TRUE;
}

/* Takes half of what does not fit. */
static BOOLEAN MakeRings(ULONG64 Events, ULONG64 Session)
{
    ULONG64 capacity = RoundDown(Events);

    while (!AllocateRings(capacity, Session)) {
        if (capacity == LEAST_EVENTS)
            return FALSE;
        capacity /= 2;
    }
    return TRUE;
}

/*
 * Makes the rings, the header and, with Names, the first names, unless there are some. They stay
 * for ever: a thread may have seen that something is traced, and have been preempted before it
 * wrote.
 *
 * IRQL:    PASSIVE_LEVEL (not checked)
 * Locks:   none
 * Context: the start, or a test; all processors run
 * Returns: FALSE without memory
 */
BOOLEAN KdpMakeTrace(ULONG64 Events, BOOLEAN Names)
{
    LARGE_INTEGER session;

    if (KdpTraceHeader)
        return TRUE;
    KeQuerySystemTimePrecise(&session);
    if (!MakeRings(Events, (ULONG64)session.QuadPart))
        return FALSE;
    if (KdpMakeTraceHeader((ULONG64)session.QuadPart, Names))
        return TRUE;
    FreeRings();
    return FALSE;
}

/*
 * Traces these classes from now on, or nothing with 0. An event that is being written elsewhere
 * may still arrive after that.
 *
 * IRQL:    any
 * Locks:   none
 * Context: any; there are rings
 * Returns: nothing
 */
VOID KdpSetTraceClasses(UCHAR Classes)
{
    KdpTraceHeader->Classes |= Classes;
    __atomic_store_n(&KdTraceClasses, Classes, __ATOMIC_RELEASE);
}

/* What the options ask for: trace=on, brief or off; FALSE for anything else. */
static BOOLEAN ReadOption(PCSTR Option, PUCHAR Classes)
{
    if (strcmp(Option, "on") == 0)
        *Classes = KD_CLASS_ALL;
    else if (strcmp(Option, "brief") == 0)
        *Classes = KD_CLASS_FLOW;
    else if (strcmp(Option, "off") == 0)
        *Classes = 0;
    else
        return FALSE;
    return TRUE;
}

/*
 * Starts to trace what the options trace= and tracesize= (events a processor) say. Without them
 * what the screen shows is traced, if there is one; else a checked build keeps a few events, for
 * the report of a bug check, and a free one none.
 *
 * IRQL:    PASSIVE_LEVEL (not checked)
 * Locks:   none
 * Context: the start, when all processors run
 * Returns: nothing
 */
VOID KdInitializeTrace(VOID)
{
    PCSTR option = KiGetOption("trace");
    BOOLEAN forScreen = !option && KdIsScreenWanted();
    ULONG64 events = KiGetNumberOption("tracesize", option      ? DEFAULT_EVENTS
                                                    : forScreen ? SCREEN_EVENTS
                                                                : REPORT_EVENTS);
    UCHAR classes = forScreen ? KD_CLASS_FLOW | KD_CLASS_IRQL : DBG ? KD_CLASS_FLOW : 0;

    if (option && !ReadOption(option, &classes)) {
        DbgPrint("The option trace= knows on, brief and off; nothing is traced.\n");
        return;
    }
    if (!classes)
        return;
    if (!KdpMakeTrace(events, option != NULL)) {
        DbgPrint("There is no memory for a trace.\n");
        return;
    }
    KdpSetTraceClasses(classes);
    if (KiBootPcr.Prcb.TraceRing->Capacity != events)
        DbgPrint("The trace keeps the last %I64u events of each processor.\n",
                 KiBootPcr.Prcb.TraceRing->Capacity);
}
