/*
 * The commands trace and stats. The rings are read while the processors go on writing.
 * PASSIVE_LEVEL; one reader at a time, since the account is too large for a stack.
 */
#include "kd/kdtrace.h"
#include "kd/kdp.h"

#define LAST_EVENTS 40u

static KD_STATS Stats;
static KD_TRACE_READER Reader;

static BOOLEAN HaveTrace(VOID)
{
    if (!KdpTraceHeader)
        DbgPrint("There is no trace: start with the option trace=on, or run-qemu.sh --trace.\n");
    return KdpTraceHeader != NULL;
}

/* Counts of the time counter as "123.4" microseconds. */
static PCHAR FormatMicroseconds(PCHAR Buffer, SIZE_T Size, ULONG64 Counts)
{
    ULONG64 perTenth = ArchCounterFrequency / 10000000;
    ULONG64 tenths = Counts / (perTenth ? perTenth : 1);

    RtlStringPrint(Buffer, Size, "%llu.%llu", tenths / 10, tenths % 10);
    return Buffer;
}

/* ---- trace ---- */

static VOID PrintState(VOID)
{
    UCHAR classes = KdTraceClasses;

    DbgPrint("Traced now: %s%s%s%s\n", classes == 0 ? "nothing" : "",
             classes & KD_CLASS_FLOW ? "interrupts, DPCs, timers, threads, IRPs" : "",
             classes & KD_CLASS_IRQL ? ", IRQL" : "", classes & KD_CLASS_LOCK ? ", locks" : "");
    DbgPrint("  cpu  ring for      events  overwritten\n");
    for (LONG n = 0; n < KeNumberProcessors; n++) {
        const KTRACE_RING *ring = KiProcessorBlock[n]->TraceRing;
        ULONG64 next = ring->Next, kept = ring->Capacity - 1;

        DbgPrint("  %3d  %8llu  %10llu  %11llu\n", n, ring->Capacity, next,
                 next > kept ? next - kept : 0);
    }
}

static VOID PrintLast(VOID)
{
    ULONG64 now = ArchReadCounter(), count = 0;
    KTRACE_EVENT event;
    ULONG processor;

    KdpBeginReading(&Reader, LAST_EVENTS);
    while (KdpReadEvent(&Reader, &event, &processor))
        count++;
    DbgPrint("    before now  cpu  IRQL  event\n");
    KdpBeginReading(&Reader, LAST_EVENTS);
    for (; KdpReadEvent(&Reader, &event, &processor); count--)
        if (count <= LAST_EVENTS)
            KdpPrintEvent(&event, processor, now);
}

/*
 * trace: what is traced; on, brief, off; the last events.
 *
 * IRQL:    PASSIVE_LEVEL (not checked)
 * Locks:   none but the console's, for each line
 * Context: the monitor
 * Returns: nothing
 */
VOID KdpTrace(ULONG Count, PCSTR Arguments[])
{
    if (!HaveTrace())
        return;
    if (Count == 0)
        PrintState();
    else if (strcmp(Arguments[0], "on") == 0)
        KdpSetTraceClasses(KD_CLASS_ALL);
    else if (strcmp(Arguments[0], "brief") == 0)
        KdpSetTraceClasses(KD_CLASS_FLOW);
    else if (strcmp(Arguments[0], "off") == 0)
        KdpSetTraceClasses(0);
    else if (strcmp(Arguments[0], "last") == 0)
        PrintLast();
    else
        DbgPrint("trace takes on, brief, off or last.\n");
}

/* ---- stats ---- */

static VOID PrintLevels(VOID)
{
    DbgPrint("Time at each IRQL, in permille\n"
             "  cpu    idle       0       1       2    3-11   12-15  all, ms\n");
    for (LONG n = 0; n < KeNumberProcessors; n++) {
        const KD_PROCESSOR_STATS *processor = &Stats.Processors[n];
        ULONG64 device = 0, high = 0, all = processor->Idle;

        for (KIRQL irql = 0; irql <= HIGH_LEVEL; irql++) {
            all += processor->Levels[irql];
            if (irql > DISPATCH_LEVEL)
                *(irql < SYNCH_LEVEL ? &device : &high) += processor->Levels[irql];
        }
        ULONG64 unit = all / 1000 ? all / 1000 : 1;
        DbgPrint("  %3d  %6llu  %6llu  %6llu  %6llu  %6llu  %6llu  %7llu\n", n,
                 processor->Idle / unit, processor->Levels[PASSIVE_LEVEL] / unit,
                 processor->Levels[APC_LEVEL] / unit, processor->Levels[DISPATCH_LEVEL] / unit,
                 device / unit, high / unit, all / (ArchCounterFrequency / 1000));
    }
}

static ULONG64 Average(const KD_DURATION *Duration)
{
    return Duration->Count ? Duration->Total / Duration->Count : 0;
}

static VOID PrintDpcs(VOID)
{
    CHAR name[64], wait[24], longestWait[24], run[24], longestRun[24];

    DbgPrint("DPC routines, in microseconds   waited: average  longest  ran: average  longest\n");
    for (ULONG n = 0; n < Stats.DpcCount; n++) {
        const KD_DPC_STATS *row = &Stats.Dpcs[n];

        DbgPrint("  %7llu  %-28s %8s %8s      %8s %8s\n",
                 row->Waited.Count > row->Ran.Count ? row->Waited.Count : row->Ran.Count,
                 KdFormatAddress(name, sizeof(name), (PVOID)row->Routine),
                 FormatMicroseconds(wait, sizeof(wait), Average(&row->Waited)),
                 FormatMicroseconds(longestWait, sizeof(longestWait), row->Waited.Longest),
                 FormatMicroseconds(run, sizeof(run), Average(&row->Ran)),
                 FormatMicroseconds(longestRun, sizeof(longestRun), row->Ran.Longest));
    }
    if (Stats.Unlisted)
        DbgPrint("  %7llu  runs of other routines\n", Stats.Unlisted);
}

static PCSTR VectorName(ULONG Vector)
{
    switch (Vector) {
    case APC_VECTOR:
        return "APC request";
    case DISPATCH_VECTOR:
        return "dispatch: timers, DPCs";
    case CLOCK_VECTOR:
        return "clock";
    case IPI_VECTOR:
        return "from another processor";
    default:
        return Vector >= FIRST_DEVICE_VECTOR && Vector <= LAST_DEVICE_VECTOR ? "device" : "other";
    }
}

static VOID PrintVectors(VOID)
{
    CHAR average[24], longest[24];

    DbgPrint("Interrupts, in microseconds, with all that came between\n"
             "  vector  IRQL     count  average   longest\n");
    for (ULONG vector = 0; vector < ARRAYSIZE(Stats.Vectors); vector++) {
        const KD_DURATION *row = &Stats.Vectors[vector];

        if (row->Count)
            DbgPrint("    0x%02x  %4u  %8llu  %7s  %8s  %s\n", vector, VECTOR_IRQL(vector),
                     row->Count, FormatMicroseconds(average, sizeof(average), Average(row)),
                     FormatMicroseconds(longest, sizeof(longest), row->Longest),
                     VectorName(vector));
    }
}

/*
 * stats: time at each IRQL, for each DPC routine and each interrupt, of what the rings hold.
 *
 * IRQL:    PASSIVE_LEVEL (not checked)
 * Locks:   none but the console's, for each line
 * Context: the monitor, the end of the demonstration
 * Returns: nothing
 */
VOID KdpStats(ULONG Count, PCSTR Arguments[])
{
    KTRACE_EVENT event;
    ULONG processor;

    UNREFERENCED_PARAMETER(Count);
    UNREFERENCED_PARAMETER(Arguments);
    if (!HaveTrace())
        return;
    KdpClearStats(&Stats);
    KdpBeginReading(&Reader, MAXULONG64);
    while (KdpReadEvent(&Reader, &event, &processor))
        KdpCountEvent(&Stats, &event, processor);
    DbgPrint("%llu events; %llu older ones were overwritten.\n", Stats.Events, Reader.Lost);
    PrintLevels();
    PrintDpcs();
    PrintVectors();
}

/*
 * The same for who leaves the machine.
 *
 * IRQL:    PASSIVE_LEVEL (not checked)
 * Locks:   none but the console's, for each line
 * Context: a thread
 * Returns: nothing
 */
VOID KdpFinalStats(VOID)
{
    if (KdTraceClasses)
        KdpStats(0, NULL);
}
