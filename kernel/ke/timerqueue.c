/*
 * A processor's timer queue: 8 levels of 256 lists, by exact due time. The caller holds the
 * queue's lock; any IRQL.
 *
 * Read a due time as 8 bytes. The cursor is the time up to which everything has been taken out. A
 * timer lies on the level of the highest byte in which its due time differs from the cursor, in
 * the list of that byte's value:
 *
 *     cursor      ... 07 31 12 40
 *     due         ... 07 31 12 55   level 0, list 55: this list holds this one due time only
 *     due         ... 07 31 20 03   level 1, list 20
 *     due         ... 09 00 00 00   level 3, list 9
 *
 * So the place depends on due time and cursor alone. Two timers with the same due time are
 * always in the same list, in the order of setting, and stay so when a list moves down; and
 * whatever is on a lower level is due before whatever is on a higher one. When the cursor enters
 * the range of a list on a higher level, its timers move down; the levels below are empty then.
 *
 * Numbered through all levels, the lists are in the order of their due times, and the earliest one
 * is two instructions away: the lowest bit of Words names a word of Occupied, and the lowest bit
 * of that word names the list. A list keeps its bit when its last timer is taken out; who finds it
 * empty there clears the bit. So each setting makes work for one clearing at the most.
 */
#include "timerqueue.h"

/* How many timers of one list are looked at for the exact earliest due time. */
#define SCAN_LIMIT 8

/* The first due time that belongs to a list. */
static ULONG64 StartOf(const KTIMER_QUEUE *Queue, const LIST_ENTRY *List)
{
    ULONG number = (ULONG)(List - Queue->Lists);
    ULONG shift = number / TIMER_DIGITS * 8;
    ULONG64 digitsAbove = Queue->Cursor >> shift >> 8 << 8 << shift;

    return digitsAbove | ((ULONG64)(number % TIMER_DIGITS) << shift);
}

VOID KiInitializeTimerQueue(PKTIMER_QUEUE Queue)
{
    Queue->Cursor = 0;
    Queue->NextDue = MAXULONG64;
    Queue->Count = 0;
    Queue->Words = 0;
    for (ULONG word = 0; word < TIMER_LISTS / 64; word++)
        Queue->Occupied[word] = 0;
    for (ULONG list = 0; list < TIMER_LISTS; list++)
        InitializeListHead(&Queue->Lists[list]);
}

/* The earliest list that has a timer; NULL if none has. */
FORCEINLINE PLIST_ENTRY EarliestList(PKTIMER_QUEUE Queue)
{
    while (Queue->Words) {
        SIZE_T word = (SIZE_T)__builtin_ctzll(Queue->Words);
        SIZE_T bit = (SIZE_T)__builtin_ctzll(Queue->Occupied[word]);
        PLIST_ENTRY list = &Queue->Lists[word * 64 + bit];

        if (!IsListEmpty(list))
            return list;
        Queue->Occupied[word] &= Queue->Occupied[word] - 1; /* clears the lowest bit */
        if (Queue->Occupied[word] == 0)
            Queue->Words &= Queue->Words - 1;
    }
    return NULL;
}

static ULONG64 Earlier(ULONG64 A, ULONG64 B)
{
    return A < B ? A : B;
}

static PKTIMER TimerOf(const LIST_ENTRY *Entry)
{
    return CONTAINING_RECORD(Entry, KTIMER, TimerListEntry);
}

/* The earliest due time in a list, or, if that would take long, the start of its range. */
static ULONG64 EarliestInList(const KTIMER_QUEUE *Queue, const LIST_ENTRY *List)
{
    ULONG64 earliest = MAXULONG64;
    ULONG seen = 0;

    for (PLIST_ENTRY entry = List->Flink; entry != List; entry = entry->Flink) {
        if (++seen > SCAN_LIMIT)
            return StartOf(Queue, List);
        earliest = Earlier(earliest, TimerOf(entry)->DueTime.QuadPart);
    }
    return earliest;
}

/* All entries of From, in their order, to the end of To. */
static void MoveAll(PLIST_ENTRY From, PLIST_ENTRY To)
{
    PLIST_ENTRY first = From->Flink, last = From->Blink;

    first->Blink = To->Blink;
    To->Blink->Flink = first;
    last->Flink = To;
    To->Blink = last;
    InitializeListHead(From);
}

/* Are all timers of a list due at the same time? */
static BOOLEAN IsOneDueTime(const LIST_ENTRY *List, ULONG64 Due)
{
    const LIST_ENTRY *entry = List->Flink;

    while (entry != List && TimerOf(entry)->DueTime.QuadPart == Due)
        entry = entry->Flink;
    return entry == List;
}

/*
 * The range of this list has been entered: moves the cursor into it, as far as its first timer
 * or Now, and the timers to the levels below. Each timer moves down at least one level. If all
 * have one due time, the list moves as it is.
 */
static VOID MoveDown(PKTIMER_QUEUE Queue, PLIST_ENTRY List, ULONG64 Now)
{
    ULONG64 first = TimerOf(List->Flink)->DueTime.QuadPart;
    ULONG64 earliest = Earlier(first, Now);

    if (IsOneDueTime(List, first)) {
        SIZE_T list = KiTimerList(earliest, first);

        Queue->Cursor = earliest;
        MoveAll(List, &Queue->Lists[list]);
        KiMarkTimerList(Queue, list);
        return;
    }

    LIST_ENTRY moving;

    for (PLIST_ENTRY entry = List->Flink; entry != List; entry = entry->Flink)
        earliest = Earlier(earliest, TimerOf(entry)->DueTime.QuadPart);
    Queue->Cursor = earliest;
    InitializeListHead(&moving);
    MoveAll(List, &moving);
    while (!IsListEmpty(&moving)) {
        PKTIMER timer = TimerOf(RemoveHeadList(&moving));
        KiPlaceTimer(Queue, timer, earliest, timer->DueTime.QuadPart);
    }
}

/* Perhaps it has to move down again. Apart, so that the usual case needs no stack frame. */
static __attribute__((noinline)) PLIST_ENTRY DueTimersBelow(PKTIMER_QUEUE Queue, PLIST_ENTRY List,
                                                            ULONG64 Now)
{
    MoveDown(Queue, List, Now);
    return KiDueTimers(Queue, Now);
}

PLIST_ENTRY KiDueTimers(PKTIMER_QUEUE Queue, ULONG64 Now)
{
    PLIST_ENTRY list = EarliestList(Queue);

    if (!list)
        return NULL;

    ULONG64 due = TimerOf(list->Flink)->DueTime.QuadPart;

    if (due <= Now && (list->Flink == list->Blink || list < &Queue->Lists[TIMER_DIGITS])) {
        Queue->Cursor = due;
        return list;
    }
    return StartOf(Queue, list) <= Now ? DueTimersBelow(Queue, list, Now) : NULL;
}

VOID KiFindNextDue(PKTIMER_QUEUE Queue, ULONG64 Now)
{
    PLIST_ENTRY list = EarliestList(Queue);

    Queue->NextDue = list ? EarliestInList(Queue, list) : MAXULONG64;
    /*
     * If no list begins at or before Now, the cursor may come up to Now: a timer's highest byte
     * that differs from the cursor is the same before and after.
     */
    if (Queue->Cursor < Now && (!list || StartOf(Queue, list) > Now))
        Queue->Cursor = Now;
}

PKTIMER KiTakeDueTimer(PKTIMER_QUEUE Queue, ULONG64 Now)
{
    PLIST_ENTRY due = KiDueTimers(Queue, Now);

    if (!due) {
        KiFindNextDue(Queue, Now);
        return NULL;
    }

    PKTIMER timer = TimerOf(due->Flink);

    KiRemoveTimer(Queue, timer);
    return timer;
}

ULONG KiNextTimerList(const KTIMER_QUEUE *Queue, ULONG List)
{
    while (List < TIMER_LISTS && !(Queue->Occupied[List / 64] >> List % 64 & 1))
        List++;
    return List;
}

VOID KiVisitTimers(PKTIMER_QUEUE Queue, KTIMER_VISITOR *Visit, PVOID Context)
{
    for (ULONG list = KiNextTimerList(Queue, 0); list < TIMER_LISTS;
         list = KiNextTimerList(Queue, list + 1)) {
        PLIST_ENTRY head = &Queue->Lists[list];
        for (PLIST_ENTRY entry = head->Flink; entry != head; entry = entry->Flink)
            Visit(TimerOf(entry), Context);
    }
}

/* Due time + Shift, kept between 0 and the latest time there is. */
static ULONG64 ShiftedDueTime(ULONG64 Due, LONG64 Shift)
{
    LONG64 shifted;

    if (__builtin_add_overflow((LONG64)Due, Shift, &shifted))
        return Shift > 0 ? (ULONG64)MAXLONGLONG : 0;
    return shifted < 0 ? 0 : (ULONG64)shifted;
}

/*
 * Takes all timers out in order and inserts them again in that order: those that the shift moves
 * behind the cursor become due at once, and still expire in the order of their due times.
 */
VOID KiShiftAbsoluteTimers(PKTIMER_QUEUE Queue, LONG64 Shift)
{
    ULONG64 cursor = Queue->Cursor;
    LIST_ENTRY all;
    PKTIMER timer;

    InitializeListHead(&all);
    while ((timer = KiTakeDueTimer(Queue, MAXLONGLONG)) != NULL)
        InsertTailList(&all, &timer->TimerListEntry);
    Queue->Cursor = cursor;
    while (!IsListEmpty(&all)) {
        timer = TimerOf(RemoveHeadList(&all));
        ULONG64 due = timer->DueTime.QuadPart;
        KiInsertTimer(Queue, timer, timer->Header.Absolute ? ShiftedDueTime(due, Shift) : due);
    }
}
