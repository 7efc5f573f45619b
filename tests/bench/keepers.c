/*
 * The kernel's timer queue, and what textbooks offer instead: a sorted list and a binary heap. The
 * two keep equal due times in the order of setting as well, the heap by a sequence number.
 */
#include "queues.h"

/* ---- the kernel's ---- */

static KTIMER_QUEUE Queue;

static VOID ClearLevels(VOID)
{
    KiInitializeTimerQueue(&Queue);
}

static VOID SetInLevels(PKTIMER Timer, ULONG64 Due)
{
    KiInsertTimer(&Queue, Timer, Due);
}

static VOID CancelInLevels(PKTIMER Timer)
{
    KiRemoveTimer(&Queue, Timer);
}

static PKTIMER TakeFromLevels(ULONG64 Now)
{
    return KiTakeDueTimer(&Queue, Now);
}

const TIMER_KEEPER BenchLevels = {"levels", ClearLevels, SetInLevels, CancelInLevels,
                                  TakeFromLevels};

/* ---- a sorted list ---- */

static LIST_ENTRY Sorted;

static PKTIMER TimerOf(PLIST_ENTRY Entry)
{
    return CONTAINING_RECORD(Entry, KTIMER, TimerListEntry);
}

static VOID ClearList(VOID)
{
    InitializeListHead(&Sorted);
}

static VOID SetInList(PKTIMER Timer, ULONG64 Due)
{
    PLIST_ENTRY before = Sorted.Flink;

    Timer->DueTime.QuadPart = Due;
    while (before != &Sorted && TimerOf(before)->DueTime.QuadPart <= Due)
        before = before->Flink;
    InsertTailList(before, &Timer->TimerListEntry);
}

static VOID CancelInList(PKTIMER Timer)
{
    RemoveEntryList(&Timer->TimerListEntry);
}

static PKTIMER TakeFromList(ULONG64 Now)
{
    if (IsListEmpty(&Sorted) || TimerOf(Sorted.Flink)->DueTime.QuadPart > Now)
        return NULL;
    return TimerOf(RemoveHeadList(&Sorted));
}

const TIMER_KEEPER BenchSortedList = {"list", ClearList, SetInList, CancelInList, TakeFromList};

/* ---- a binary heap; a timer's place is kept in the space of its list entry ---- */

static struct {
    PKTIMER Timer;
    ULONG64 Due, Sequence;
} Heap[MOST_QUEUED + 1]; /* from 1 on */
static ULONG64 HeapCount, HeapSequence;

static VOID ClearHeap(VOID)
{
    HeapCount = HeapSequence = 0;
}

static BOOLEAN Precedes(ULONG64 A, ULONG64 B)
{
    return Heap[A].Due < Heap[B].Due ||
           (Heap[A].Due == Heap[B].Due && Heap[A].Sequence < Heap[B].Sequence);
}

static VOID NotePlace(ULONG64 Place)
{
    Heap[Place].Timer->TimerListEntry.Flink = (PLIST_ENTRY)Place;
}

static VOID Exchange(ULONG64 A, ULONG64 B)
{
    __typeof__(Heap[0]) kept = Heap[A];

    Heap[A] = Heap[B];
    Heap[B] = kept;
    NotePlace(A);
    NotePlace(B);
}

static VOID Rise(ULONG64 Place)
{
    for (; Place > 1 && Precedes(Place, Place / 2); Place /= 2)
        Exchange(Place, Place / 2);
}

static VOID Sink(ULONG64 Place)
{
    for (;;) {
        ULONG64 child = 2 * Place;

        if (child > HeapCount)
            return;
        if (child < HeapCount && Precedes(child + 1, child))
            child++;
        if (!Precedes(child, Place))
            return;
        Exchange(Place, child);
        Place = child;
    }
}

static VOID SetInHeap(PKTIMER Timer, ULONG64 Due)
{
    HeapCount++;
    Heap[HeapCount].Timer = Timer;
    Heap[HeapCount].Due = Timer->DueTime.QuadPart = Due;
    Heap[HeapCount].Sequence = HeapSequence++;
    NotePlace(HeapCount);
    Rise(HeapCount);
}

static VOID CancelInHeap(PKTIMER Timer)
{
    ULONG64 place = (ULONG64)Timer->TimerListEntry.Flink;

    if (place != HeapCount) {
        Heap[place] = Heap[HeapCount];
        NotePlace(place);
    }
    HeapCount--;
    if (place <= HeapCount) {
        Rise(place);
        Sink(place);
    }
}

static PKTIMER TakeFromHeap(ULONG64 Now)
{
    PKTIMER first = Heap[1].Timer;

    if (HeapCount == 0 || Heap[1].Due > Now)
        return NULL;
    CancelInHeap(first);
    return first;
}

const TIMER_KEEPER BenchHeap = {"heap", ClearHeap, SetInHeap, CancelInHeap, TakeFromHeap};
