/*
 * An event of the trace as a line of text, and the last events for a bug check's report. Any IRQL,
 * no lock but the console's.
 */
#include "kd/kdtrace.h"

#define LAST_EVENTS 24u /* in a report, of all processors together */

typedef enum _ARGUMENT_KIND { None, Number, Address, Signed, Vector } ARGUMENT_KIND;

/* How an event reads: its words, then what its two arguments are. */
typedef struct _WORDING {
    PCSTR Text;
    BOOLEAN Object; /* its object says something, too */
    ARGUMENT_KIND Kind1, Kind2;
    PCSTR Between; /* in front of the second argument */
} WORDING;

static const WORDING Wordings[TraceTypes] = {
    [TraceIrqlRaise] = {"raises IRQL to", FALSE, Number, Number, " from "},
    [TraceIrqlLower] = {"lowers IRQL to", FALSE, Number, None, ""},
    [TraceInterruptEnter] = {"interrupt", FALSE, Vector, Number, " at IRQL "},
    [TraceInterruptExit] = {"end of interrupt, back to IRQL", FALSE, Number, None, ""},
    [TraceInterruptRequest] = {"requests interrupt", FALSE, Vector, Number, " on processor "},
    [TraceServiceStart] = {"ISR", FALSE, Address, Vector, " for "},
    [TraceServiceEnd] = {"end of ISR", FALSE, Address, Number, " returns "},
    [TraceDpcQueue] = {"queues DPC", TRUE, Address, Number, " processor and flags "},
    [TraceDpcRemove] = {"removes DPC", TRUE, Address, None, ""},
    [TraceDpcStart] = {"DPC", TRUE, Address, None, ""},
    [TraceDpcEnd] = {"end of DPC", TRUE, Address, None, ""},
    [TraceTimerSet] = {"sets timer", TRUE, Number, Address, " DPC "},
    [TraceTimerCancel] = {"cancels timer", TRUE, Number, None, ""},
    [TraceTimerExpire] = {"timer expires", TRUE, Number, Signed, " late by "},
    [TraceLockAcquire] = {"takes lock", TRUE, Address, None, ""},
    [TraceLockContend] = {"waits for lock", TRUE, Address, None, ""},
    [TraceLockRelease] = {"frees lock", TRUE, Address, None, ""},
    [TraceThreadSwitch] = {"switches to thread", TRUE, None, None, ""},
    [TraceThreadReady] = {"makes ready thread", TRUE, None, Signed, "priority "},
    [TraceThreadWait] = {"thread waits for", TRUE, None, Number, "objects: "},
    [TraceThreadWake] = {"wakes thread", TRUE, Signed, None, ""},
    [TraceIrpDispatch] = {"dispatches IRP", TRUE, Address, Number, " major "},
    [TraceIrpComplete] = {"completes IRP", TRUE, Signed, Number, " information "},
    [TraceBugCheck] = {"bug check", TRUE, Address, None, ""},
};

static VOID FormatArgument(PCHAR Buffer, SIZE_T Size, ARGUMENT_KIND Kind, ULONG64 Value)
{
    Buffer[0] = 0;
    if (Kind == Number)
        RtlStringPrint(Buffer, Size, "%llu", Value);
    else if (Kind == Signed)
        RtlStringPrint(Buffer, Size, "%lld", (LONG64)Value);
    else if (Kind == Vector)
        RtlStringPrint(Buffer, Size, "0x%02llx", Value);
    else if (Kind == Address)
        KdFormatAddress(Buffer, Size, (PVOID)Value);
}

/*
 * Prints an event as a line: when it was before Now, where, at which IRQL, and what.
 *
 * IRQL:    any
 * Locks:   takes the console's lock
 * Context: any
 * Returns: nothing
 */
VOID KdpPrintEvent(const KTRACE_EVENT *Event, ULONG Processor, ULONG64 Now)
{
    UCHAR type = KD_TRACE_TYPE(Event);
    const WORDING *wording = &Wordings[type < TraceTypes ? type : TraceNone];
    ULONG64 microseconds = (Now - Event->Time) / (ArchCounterFrequency / 1000000 + 1);
    CHAR object[24] = "", first[64], second[64];

    if (wording->Object)
        RtlStringPrint(object, sizeof(object), " %llx", Event->Object);
    FormatArgument(first, sizeof(first), wording->Kind1, Event->Argument1);
    FormatArgument(second, sizeof(second), wording->Kind2, (ULONG64)KD_TRACE_ARGUMENT2(Event));
    DbgPrint("  %10llu us  %3u  %4u  %s%s %s%s%s\n", microseconds, Processor, KD_TRACE_IRQL(Event),
             wording->Text ? wording->Text : "?", object, first, wording->Between, second);
}

/*
 * Prints what happened last, on all processors, in the order of time; nothing if nothing was
 * traced.
 *
 * IRQL:    any
 * Locks:   takes the console's lock
 * Context: the report of a bug check: nobody else runs
 * Returns: nothing
 */
VOID KdPrintLastEvents(VOID)
{
    static KD_TRACE_READER reader;
    ULONG64 now = ArchReadCounter(), count = 0;
    KTRACE_EVENT event;
    ULONG processor;

    if (!KdpTraceHeader)
        return;
    KdpBeginReading(&reader, LAST_EVENTS);
    while (KdpReadEvent(&reader, &event, &processor))
        count++;
    DbgPrint("Trace      the last events\n    before now  cpu  IRQL  event\n");
    KdpBeginReading(&reader, LAST_EVENTS);
    for (; KdpReadEvent(&reader, &event, &processor); count--)
        if (count <= LAST_EVENTS)
            KdpPrintEvent(&event, processor, now);
}
