/*
 * The command timers. Timers are copied under their table's lock, a bounded number, and printed
 * without it: no driver's timer waits for the console.
 */
#include "kd/kdp.h"

#define COPY_LIMIT 32

/* What is shown of a timer. The objects themselves may be gone by then. */
typedef struct _TIMER_COPY {
    const VOID *Timer;
    ULONG64 Due; /* interrupt time */
    ULONG Period;
    BOOLEAN Absolute;
    PKDEFERRED_ROUTINE Routine; /* NULL: no DPC */
} TIMER_COPY;

typedef struct _TIMER_COPIES {
    ULONG64 Total;
    LONG64 SystemTimeOffset;
    ULONG Count;
    TIMER_COPY Copies[COPY_LIMIT];
} TIMER_COPIES;

/* The table's lock is held, so timer and DPC are still what the driver has set. */
static VOID CopyTimer(TIMER_COPIES *Copies, const KTIMER *Timer)
{
    TIMER_COPY *copy = &Copies->Copies[Copies->Count++];

    copy->Timer = Timer;
    copy->Due = Timer->DueTime.QuadPart;
    copy->Period = Timer->Period;
    copy->Absolute = Timer->Header.Absolute;
    copy->Routine =
        Timer->Dpc && ArchIsAddressMapped(Timer->Dpc) ? Timer->Dpc->DeferredRoutine : NULL;
}

/* Copies lists in the order of their due times until there is no room (see timerqueue.c). */
static VOID CopyQueue(TIMER_COPIES *Copies, const KTIMER_QUEUE *Queue)
{
    for (ULONG list = KiNextTimerList(Queue, 0); list < TIMER_LISTS;
         list = KiNextTimerList(Queue, list + 1)) {
        const LIST_ENTRY *head = &Queue->Lists[list];

        for (PLIST_ENTRY entry = head->Flink; entry != head; entry = entry->Flink) {
            if (Copies->Count == COPY_LIMIT)
                return;
            CopyTimer(Copies, CONTAINING_RECORD(entry, KTIMER, TimerListEntry));
        }
    }
}

static VOID CopyTable(TIMER_COPIES *Copies, PKTIMER_TABLE Table)
{
    KIRQL oldIrql;

    Copies->Count = 0;
    KeAcquireSpinLock(&Table->Lock, &oldIrql);
    Copies->Total = Table->Queue.Count;
    Copies->SystemTimeOffset = Table->SystemTimeOffset;
    CopyQueue(Copies, &Table->Queue);
    KeReleaseSpinLock(&Table->Lock, oldIrql);
}

/* Lists of higher levels are not sorted in themselves. Few entries: insertion. */
static VOID SortByDueTime(TIMER_COPIES *Copies)
{
    for (ULONG i = 1; i < Copies->Count; i++) {
        TIMER_COPY copy = Copies->Copies[i];
        ULONG place = i;

        for (; place > 0 && Copies->Copies[place - 1].Due > copy.Due; place--)
            Copies->Copies[place] = Copies->Copies[place - 1];
        Copies->Copies[place] = copy;
    }
}

static VOID PrintTimer(ULONG Processor, const TIMER_COPY *Copy, LONG64 SystemTimeOffset)
{
    CHAR dueIn[32], period[24] = "once", routine[64] = "-";
    ULONG64 now = KiQueryInterruptTime();

    KdpFormatInterval(dueIn, sizeof(dueIn), (LONG64)(Copy->Due - now));
    if (Copy->Period)
        RtlStringPrint(period, sizeof(period), "%u ms", Copy->Period);
    if (Copy->Routine)
        KdFormatAddress(routine, sizeof(routine), (PVOID)Copy->Routine);
    DbgPrint("  %3u  %12s  %8s  %-4s  %-24s  %016llx\n", Processor, dueIn, period,
             Copy->Absolute ? "abs" : "rel", routine, (ULONG64)Copy->Timer);
    if (Copy->Absolute) {
        DbgPrint("       due at ");
        KdpPrintTime((LONG64)Copy->Due + SystemTimeOffset);
        DbgPrint("\n");
    }
}

/*
 * timers: the timers that are set, processor by processor, the earliest first.
 *
 * IRQL:    PASSIVE_LEVEL (not checked)
 * Locks:   takes each timer table's lock to copy, not to print
 * Context: the monitor
 * Returns: nothing
 */
VOID KdpTimers(ULONG Count, PCSTR Arguments[])
{
    static TIMER_COPIES copies;
    ULONG64 total = 0;

    UNREFERENCED_PARAMETER(Count);
    UNREFERENCED_PARAMETER(Arguments);
    DbgPrint("  cpu    due in (s)    period  kind  routine                   timer\n");
    for (LONG i = 0; i < KeNumberProcessors; i++) {
        CopyTable(&copies, &KiProcessorBlock[i]->TimerTable);
        SortByDueTime(&copies);
        for (ULONG n = 0; n < copies.Count; n++)
            PrintTimer((ULONG)i, &copies.Copies[n], copies.SystemTimeOffset);
        if (copies.Total > copies.Count)
            DbgPrint("  %3d  and %llu more\n", i, copies.Total - copies.Count);
        total += copies.Total;
    }
    DbgPrint("%llu timer%s set.\n", total, total == 1 ? " is" : "s are");
}
