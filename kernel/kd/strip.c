/*
 * From the events of the trace to columns: for each processor and each piece of time, how much of
 * it was spent at which IRQL. No lock, any IRQL; one caller at a time.
 *
 * A column shows shares. Most of the time nothing happens, and what happens is short, so heights
 * are cube roots, and whatever occurred has one pixel at least.
 */
#include "kd/kdtrace.h"
#include "kd/screen.h"

/* ---- heights ---- */

/* The cube root of less than 2^24: heights have 8 bits. */
static ULONG CubeRoot(ULONG64 Value)
{
    ULONG64 root = 0;

    for (ULONG64 bit = 1ULL << 7; bit; bit >>= 1)
        if ((root + bit) * (root + bit) * (root + bit) <= Value)
            root += bit;
    return (ULONG)root;
}

/*
 * Makes a column. From the top down: the height of a kind together with all above it is Height
 * times the cube root of their share of Whole.
 *
 * IRQL:    any
 * Locks:   none
 * Context: any
 * Returns: nothing
 */
VOID KdpMakeColumn(PKD_STRIP_COLUMN Column, const ULONG64 Spent[StripKinds], ULONG64 Whole,
                   ULONG Height)
{
    ULONG64 sum = 0;
    ULONG used = 0;

    *Column = (KD_STRIP_COLUMN){.Words = {0, 0}};
    for (ULONG kind = StripKinds; kind-- > 0;) {
        ULONG top;

        if (Spent[kind] == 0)
            continue;
        sum += Spent[kind];
        top = CubeRoot((ULONG64)Height * Height * Height * sum / Whole);
        if (top <= used)
            top = used + 1;
        if (top > Height)
            top = Height;
        Column->Heights[kind] = (UCHAR)(top - used);
        used = top;
    }
}

/* ---- time ---- */

static KD_STRIP_KIND KindOf(const KD_STRIP_PROCESSOR *Processor)
{
    if (!Processor->Known)
        return StripUnknown;
    switch (Processor->Irql) {
    case PASSIVE_LEVEL:
        return Processor->InIdleThread      ? StripIdle
               : Processor->InDrawingThread ? StripDrawing
                                            : StripPassive;
    case APC_LEVEL:
        return StripApc;
    case DISPATCH_LEVEL:
        return StripDispatch;
    case SYNCH_LEVEL:
    case CLOCK_LEVEL:
        return StripClock;
    case IPI_LEVEL:
        return StripIpi;
    case HIGH_LEVEL:
        return StripHigh;
    default:
        return StripDevice;
    }
}

static VOID Spend(PKD_STRIP_PROCESSOR Processor, ULONG64 Time)
{
    Processor->Spent[KindOf(Processor)] += Time - Processor->Last;
    Processor->Last = Time;
}

static VOID FinishColumn(PKD_STRIP Strip, ULONG Processor)
{
    PKD_STRIP_PROCESSOR processor = &Strip->Processor[Processor];
    ULONG64 number = processor->ColumnEnd / Strip->ColumnTime - 1;

    Spend(processor, processor->ColumnEnd);
    KdpMakeColumn(&Strip->Ring[(SIZE_T)Processor * Strip->Places + number % Strip->Places],
                  processor->Spent, Strip->ColumnTime, Strip->Height);
    RtlZeroMemory(processor->Spent, sizeof(processor->Spent));
    processor->ColumnEnd += Strip->ColumnTime;
}

/* After a long pause only as many columns are made as there are. */
static VOID SkipColumns(PKD_STRIP Strip, PKD_STRIP_PROCESSOR Processor, ULONG64 Time)
{
    ULONG64 all = Strip->ColumnTime * Strip->Columns, late;

    if (Time < Processor->ColumnEnd + all)
        return;
    late = (Time - Processor->ColumnEnd - all) / Strip->ColumnTime * Strip->ColumnTime;
    if (late == 0)
        return;
    RtlZeroMemory(Processor->Spent, sizeof(Processor->Spent));
    Processor->ColumnEnd += late;
    Processor->Last = Processor->ColumnEnd - Strip->ColumnTime;
}

/* The level holds until Time. An event may come with a time that has been passed already. */
static VOID PassTime(PKD_STRIP Strip, ULONG Processor, ULONG64 Time)
{
    PKD_STRIP_PROCESSOR processor = &Strip->Processor[Processor];

    SkipColumns(Strip, processor, Time);
    while (Time >= processor->ColumnEnd)
        FinishColumn(Strip, Processor);
    if (Time > processor->Last)
        Spend(processor, Time);
}

/*
 * Begins a strip at a time: from then on all processors are idle. The column in which that is
 * counts as idle up to then.
 *
 * IRQL:    any
 * Locks:   none
 * Context: any; Memory holds KD_STRIP_BYTES zeros
 * Returns: nothing
 */
VOID KdpBeginStrip(PKD_STRIP Strip, PVOID Memory, ULONG64 Now)
{
    Strip->Places = Strip->Columns + KD_STRIP_AHEAD;
    Strip->Ring = Memory;
    Strip->Shown = Strip->Ring + (SIZE_T)Strip->Processors * Strip->Places;
    Strip->Processor = (PVOID)(Strip->Shown + (SIZE_T)Strip->Processors * Strip->Columns);
    Strip->Next = Now / Strip->ColumnTime;
    Strip->Traced = TRUE;
    for (ULONG n = 0; n < Strip->Processors; n++)
        Strip->Processor[n] = (KD_STRIP_PROCESSOR){
            .Last = Now,
            .ColumnEnd = (Strip->Next + 1) * Strip->ColumnTime,
            .Known = TRUE,
            .InIdleThread = TRUE,
        };
}

/* ---- events ---- */

/*
 * Where no event tells of a lower IRQL, one that was written at a raised level says nothing about
 * the time after it; only an interrupt lasts until there is an event. And a thread is taken to run
 * below DISPATCH_LEVEL as soon as it has been switched to.
 */
static BOOLEAN TellsLevel(const KD_STRIP *Strip, const KTRACE_EVENT *Event)
{
    UCHAR type = KD_TRACE_TYPE(Event);

    return Strip->TellsLower || type == TraceInterruptEnter || type == TraceInterruptExit;
}

static VOID SwitchThread(const KD_STRIP *Strip, PKD_STRIP_PROCESSOR Processor,
                         const KTRACE_EVENT *Event)
{
    Processor->InIdleThread = KD_TRACE_ARGUMENT2(Event) >> 8 < 0;
    Processor->InDrawingThread = Event->Object == Strip->DrawingThread;
    if (!Strip->TellsLower)
        Processor->Irql = PASSIVE_LEVEL;
}

/*
 * Takes an event. Those of a processor come in the order of time.
 *
 * IRQL:    any
 * Locks:   none
 * Context: any
 * Returns: nothing
 */
VOID KdpStripEvent(PKD_STRIP Strip, ULONG Processor, const KTRACE_EVENT *Event)
{
    PKD_STRIP_PROCESSOR processor = &Strip->Processor[Processor];

    PassTime(Strip, Processor, Event->Time);
    if (!processor->Known || TellsLevel(Strip, Event))
        processor->Irql = KdpIrqlAfter(Event);
    processor->Known = TRUE;
    if (KD_TRACE_TYPE(Event) == TraceThreadSwitch)
        SwitchThread(Strip, processor, Event);
}

/*
 * Events of a processor are missing behind the last one.
 *
 * IRQL:    any
 * Locks:   none
 * Context: any
 * Returns: nothing
 */
VOID KdpStripGap(PKD_STRIP Strip, ULONG Processor)
{
    Strip->Processor[Processor].Known = FALSE;
}

/*
 * Completes the columns up to a time, before which no event is missing any more.
 *
 * IRQL:    any
 * Locks:   none
 * Context: any
 * Returns: nothing
 */
VOID KdpAdvanceStrip(PKD_STRIP Strip, ULONG64 Time)
{
    ULONG64 next = Time / Strip->ColumnTime;

    if (next <= Strip->Next)
        return;
    for (ULONG n = 0; n < Strip->Processors; n++) {
        Strip->Processor[n].Known &= Strip->Traced;
        PassTime(Strip, n, next * Strip->ColumnTime);
    }
    Strip->Next = next;
}
