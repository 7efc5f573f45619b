/*
 * Reading the rings inside the kernel: all processors' events merged in the order of time. Any
 * IRQL, no lock; the processors go on writing meanwhile, and what they overwrite is counted.
 */
#include "kd/kdtrace.h"

/* The oldest event that is surely whole: one less than the capacity (trace.c). */
static ULONG64 OldestOf(const KTRACE_RING *Ring)
{
    ULONG64 next = __atomic_load_n(&Ring->Next, __ATOMIC_ACQUIRE);

    return next < Ring->Capacity ? 0 : next - (Ring->Capacity - 1);
}

/*
 * Begins a walk: the oldest events that are still there, or the last Limit of each processor.
 *
 * IRQL:    any
 * Locks:   none
 * Context: any; there are rings
 * Returns: nothing
 */
VOID KdpBeginReading(PKD_TRACE_READER Reader, ULONG64 Limit)
{
    Reader->Lost = 0;
    for (LONG n = 0; n < KeNumberProcessors; n++) {
        const KTRACE_RING *ring = KiProcessorBlock[n]->TraceRing;
        ULONG64 end = __atomic_load_n(&ring->Next, __ATOMIC_ACQUIRE);
        ULONG64 oldest = OldestOf(ring);

        if (end - oldest > Limit)
            oldest = end - Limit;
        else
            Reader->Lost += oldest;
        Reader->Next[n] = oldest;
        Reader->End[n] = end;
    }
}

/* Copies the next event of a ring. What was overwritten before or during the copy is passed over.
 */
static BOOLEAN Peek(PKD_TRACE_READER Reader, LONG Processor, PKTRACE_EVENT Event)
{
    const KTRACE_RING *ring = KiProcessorBlock[Processor]->TraceRing;
    PULONG64 next = &Reader->Next[Processor];

    while (*next < Reader->End[Processor]) {
        *Event = ring->Events[*next & (ring->Capacity - 1)];
        KeMemoryBarrier();
        ULONG64 oldest = OldestOf(ring);
        if (*next >= oldest)
            return TRUE;
        Reader->Lost += oldest - *next;
        *next = oldest;
    }
    return FALSE;
}

/*
 * Takes the earliest of all processors' next events.
 *
 * IRQL:    any
 * Locks:   none
 * Context: any
 * Returns: FALSE if there is none left
 */
BOOLEAN KdpReadEvent(PKD_TRACE_READER Reader, PKTRACE_EVENT Event, PULONG Processor)
{
    BOOLEAN found = FALSE;
    KTRACE_EVENT event;

    for (LONG n = 0; n < KeNumberProcessors; n++) {
        if (!Peek(Reader, n, &event) || (found && event.Time >= Event->Time))
            continue;
        found = TRUE;
        *Event = event;
        *Processor = (ULONG)n;
    }
    if (found)
        Reader->Next[*Processor]++;
    return found;
}

/*
 * Takes the next event of one processor.
 *
 * IRQL:    any
 * Locks:   none
 * Context: any
 * Returns: FALSE if there is none left
 */
BOOLEAN KdpReadEventOf(PKD_TRACE_READER Reader, ULONG Processor, PKTRACE_EVENT Event)
{
    if (!Peek(Reader, (LONG)Processor, Event))
        return FALSE;
    Reader->Next[Processor]++;
    return TRUE;
}

/*
 * Lets a walk go on from where it ended. What has been overwritten in between is counted when the
 * next event is read.
 *
 * IRQL:    any
 * Locks:   none
 * Context: any; there are rings
 * Returns: nothing
 */
VOID KdpContinueReading(PKD_TRACE_READER Reader)
{
    for (LONG n = 0; n < KeNumberProcessors; n++)
        Reader->End[n] = __atomic_load_n(&KiProcessorBlock[n]->TraceRing->Next, __ATOMIC_ACQUIRE);
}
