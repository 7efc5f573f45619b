/*
 * What the trace's events add up to: time at each IRQL, for each DPC routine, for each interrupt
 * vector. Knows nothing of rings, locks or the console, so that the host tests can drive it.
 *
 * The time between two events of a processor belongs to the IRQL that the first of them left: a
 * move to CR8 that no event tells of counts from the next event on.
 */
#include "kd/kdtrace.h"

/*
 * Begins an account.
 *
 * IRQL:    any
 * Locks:   none
 * Context: any
 * Returns: nothing
 */
VOID KdpClearStats(PKD_STATS Stats)
{
    RtlZeroMemory(Stats, sizeof(*Stats));
}

static VOID AddDuration(PKD_DURATION Duration, ULONG64 Time)
{
    Duration->Count++;
    Duration->Total += Time;
    if (Time > Duration->Longest)
        Duration->Longest = Time;
}

/* ---- IRQL ---- */

/*
 * IRQL:    any
 * Locks:   none
 * Context: any
 * Returns: the level at which the processor is after an event
 */
KIRQL KdpIrqlAfter(const KTRACE_EVENT *Event)
{
    switch (KD_TRACE_TYPE(Event)) {
    case TraceIrqlLower:
    case TraceInterruptExit:
        return (KIRQL)Event->Argument1;
    default:
        return KD_TRACE_IRQL(Event);
    }
}

static VOID CountTime(PKD_PROCESSOR_STATS Processor, const KTRACE_EVENT *Event)
{
    ULONG64 time = Event->Time - Processor->Last;

    if (Processor->Last) {
        if (Processor->Irql == PASSIVE_LEVEL && Processor->InIdleThread)
            Processor->Idle += time;
        else
            Processor->Levels[Processor->Irql & HIGH_LEVEL] += time;
    }
    Processor->Last = Event->Time;
    Processor->Irql = KdpIrqlAfter(Event);
}

/* ---- interrupts ---- */

static VOID EnterInterrupt(PKD_PROCESSOR_STATS Processor, const KTRACE_EVENT *Event)
{
    if (Processor->Depth == KD_STATS_DEPTH)
        Processor->Depth = 0; /* the trace began, or lost events, in the middle */
    Processor->Entered[Processor->Depth] = Event->Time;
    Processor->Vectors[Processor->Depth++] = (UCHAR)Event->Argument1;
}

static VOID LeaveInterrupt(PKD_STATS Stats, PKD_PROCESSOR_STATS Processor, ULONG64 Now)
{
    if (Processor->Depth == 0)
        return;
    Processor->Depth--;
    AddDuration(&Stats->Vectors[Processor->Vectors[Processor->Depth]],
                Now - Processor->Entered[Processor->Depth]);
}

/*
 * The last work of the dispatch interrupt is the switch, and the exit is written when the thread
 * that was interrupted runs again, much later and perhaps elsewhere. So the interrupt counts up to
 * the switch; a switch in a wait has no interrupt under it.
 */
static VOID SwitchThread(PKD_STATS Stats, PKD_PROCESSOR_STATS Processor, const KTRACE_EVENT *Event)
{
    LONG64 priority = KD_TRACE_ARGUMENT2(Event) >> 8;

    Processor->InIdleThread = priority < 0;
    while (Processor->Depth)
        LeaveInterrupt(Stats, Processor, Event->Time);
}

/* ---- DPCs ---- */

static ULONG PlaceOf(ULONG64 Dpc)
{
    return (ULONG)(Dpc >> 4 ^ Dpc >> 12) % KD_STATS_PENDING;
}

/* The place where Dpc is, or a free one if it is nowhere; the table is never full of others for
 * long: a place is freed when the DPC starts. NULL if there is none. */
static PULONG64 FindPending(PKD_STATS Stats, ULONG64 Dpc)
{
    for (ULONG n = 0, place = PlaceOf(Dpc); n < KD_STATS_PENDING; n++) {
        ULONG index = (place + n) % KD_STATS_PENDING;

        if (Stats->Pending[index].Dpc == Dpc)
            return &Stats->Pending[index].Dpc;
    }
    return NULL;
}

static VOID Remember(PKD_STATS Stats, const KTRACE_EVENT *Event)
{
    PULONG64 place = FindPending(Stats, Event->Object);

    if (!place)
        place = FindPending(Stats, 0);
    if (!place)
        return;
    place[0] = Event->Object;
    place[1] = Event->Time;
}

/* Forgets a DPC; returns when it was queued, or 0. */
static ULONG64 Forget(PKD_STATS Stats, ULONG64 Dpc)
{
    PULONG64 place = FindPending(Stats, Dpc);

    if (!place)
        return 0;
    place[0] = 0;
    return place[1];
}

static PKD_DPC_STATS RowOf(PKD_STATS Stats, ULONG64 Routine)
{
    for (ULONG n = 0; n < Stats->DpcCount; n++)
        if (Stats->Dpcs[n].Routine == Routine)
            return &Stats->Dpcs[n];
    if (Stats->DpcCount == KD_STATS_DPCS)
        return NULL;
    Stats->Dpcs[Stats->DpcCount].Routine = Routine;
    return &Stats->Dpcs[Stats->DpcCount++];
}

static BOOLEAN IsThreaded(const KTRACE_EVENT *Event)
{
    return (KD_TRACE_ARGUMENT2(Event) & KD_TRACE_DPC_THREADED) != 0;
}

/* A threaded DPC can be interrupted and preempted: only how long it waited is counted. */
static VOID StartDpc(PKD_STATS Stats, PKD_PROCESSOR_STATS Processor, const KTRACE_EVENT *Event)
{
    ULONG64 queued = Forget(Stats, Event->Object);
    PKD_DPC_STATS row = RowOf(Stats, Event->Argument1);

    if (!row)
        Stats->Unlisted++;
    else if (queued)
        AddDuration(&row->Waited, Event->Time - queued);
    if (!IsThreaded(Event)) {
        Processor->DpcStarted = Event->Time;
        Processor->DpcRoutine = Event->Argument1;
    }
}

static VOID EndDpc(PKD_STATS Stats, PKD_PROCESSOR_STATS Processor, const KTRACE_EVENT *Event)
{
    PKD_DPC_STATS row = RowOf(Stats, Event->Argument1);

    if (IsThreaded(Event))
        return;
    if (row && Processor->DpcRoutine == Event->Argument1)
        AddDuration(&row->Ran, Event->Time - Processor->DpcStarted);
    Processor->DpcRoutine = 0;
}

/*
 * Adds one event. The events of all processors come in the order of time.
 *
 * IRQL:    any
 * Locks:   none; the caller keeps others away from Stats
 * Context: any
 * Returns: nothing
 */
VOID KdpCountEvent(PKD_STATS Stats, const KTRACE_EVENT *Event, ULONG Processor)
{
    PKD_PROCESSOR_STATS processor = &Stats->Processors[Processor];

    if (Stats->Events++ == 0)
        Stats->First = Event->Time;
    CountTime(processor, Event);
    switch (KD_TRACE_TYPE(Event)) {
    case TraceInterruptEnter:
        EnterInterrupt(processor, Event);
        break;
    case TraceInterruptExit:
        LeaveInterrupt(Stats, processor, Event->Time);
        break;
    case TraceThreadSwitch:
        SwitchThread(Stats, processor, Event);
        break;
    case TraceDpcQueue:
        Remember(Stats, Event);
        break;
    case TraceDpcRemove:
        Forget(Stats, Event->Object);
        break;
    case TraceDpcStart:
        StartDpc(Stats, processor, Event);
        break;
    case TraceDpcEnd:
        EndDpc(Stats, processor, Event);
        break;
    default:
        break;
    }
}
