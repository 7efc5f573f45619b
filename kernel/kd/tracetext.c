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
    enum { Silent, Plain, Thread } Object; /* what its object says */
    ARGUMENT_KIND Kind1, Kind2;
    PCSTR Between; /* in front of the second argument */
} WORDING;

static const WORDING Wordings[TraceTypes] = {
    [TraceIrqlRaise] = {"raises IRQL to", Silent, Number, Number, " from "},
    [TraceIrqlLower] = {"lowers IRQL to", Silent, Number, None, ""},
    [TraceInterruptEnter] = {"interrupt", Silent, Vector, Number, " at IRQL "},
    [TraceInterruptExit] = {"end of interrupt, back to IRQL", Silent, Number, None, ""},
    [TraceInterruptRequest] = {"requests interrupt", Silent, Vector, Number, " on processor "},
    [TraceServiceStart] = {"ISR", Silent, Address, Vector, " for "},
    [TraceServiceEnd] = {"end of ISR", Silent, Address, Number, " returns "},
    [TraceDpcQueue] = {"queues DPC", Plain, Address, Number, " processor and flags "},
    [TraceDpcRemove] = {"removes DPC", Plain, Address, None, ""},
    [TraceDpcStart] = {"DPC", Plain, Address, None, ""},
    [TraceDpcEnd] = {"end of DPC", Plain, Address, None, ""},
    [TraceTimerSet] = {"sets timer", Plain, Number, Address, " DPC "},
    [TraceTimerCancel] = {"cancels timer", Plain, Number, None, ""},
    [TraceTimerExpire] = {"timer expires", Plain, Number, Signed, " late by "},
    [TraceLockAcquire] = {"takes lock", Plain, Address, None, ""},
    [TraceLockContend] = {"waits for lock", Plain, Address, None, ""},
    [TraceLockRelease] = {"frees lock", Plain, Address, None, ""},
    [TraceThreadSwitch] = {"switches to thread", Thread, None, None, ""},
    [TraceThreadReady] = {"makes ready thread", Thread, None, Signed, " priority "},
    [TraceThreadWait] = {"thread waits for", Plain, None, Number, " objects: "},
    [TraceThreadWake] = {"wakes thread", Thread, Signed, None, ""},
    [TraceIrpDispatch] = {"dispatches IRP", Plain, Address, Number, " major "},
    [TraceIrpComplete] = {"completes IRP", Plain, Signed, Number, " information "},
    [TraceBugCheck] = {"bug check", Plain, Address, None, ""},
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

/* A thread's name, believing nothing: the thread may be gone. */
static VOID FormatThread(PCHAR Buffer, SIZE_T Size, ULONG64 Address)
{
    const KTHREAD *thread = (const KTHREAD *)Address;

    if (!ArchIsAddressMapped(thread) || !ArchIsAddressMapped(thread + 1) ||
        thread->Header.Type != ThreadObject)
        RtlStringPrint(Buffer, Size, " %llx", Address);
    else if (thread->Name && ArchIsAddressMapped(thread->Name))
        RtlStringPrint(Buffer, Size, " %.30s", thread->Name);
    else
        RtlStringPrint(Buffer, Size, " %llx", Address);
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
    CHAR object[40] = "", first[64], second[64];

    if (wording->Object == Plain)
        RtlStringPrint(object, sizeof(object), " %llx", Event->Object);
    else if (wording->Object == Thread)
        FormatThread(object, sizeof(object), Event->Object);
    FormatArgument(first, sizeof(first), wording->Kind1, Event->Argument1);
    FormatArgument(second, sizeof(second), wording->Kind2, (ULONG64)KD_TRACE_ARGUMENT2(Event));
    DbgPrint("  %10llu us  %3u  %4u  %s%s%s%s%s%s\n", microseconds, Processor, KD_TRACE_IRQL(Event),
             wording->Text ? wording->Text : "?", object, first[0] ? " " : "", first,
             wording->Between, second);
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
