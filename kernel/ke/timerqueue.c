/*
 * A processor's timer queue: 11 levels of 64 lists, by exact due time. The caller holds the
 * queue's lock; any IRQL.
 *
 * Read a due time as 11 digits of 6 bits. The cursor is the time up to which everything has been
 * taken out. A timer lies on the level of the highest digit in which its due time differs from
 * the cursor, in the list of that digit:
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
 */
#include "timerqueue.h"
#include "list.h"

#define DIGIT_BITS 6

/* How many timers of one list are looked at for the exact earliest due time. */
#define SCAN_LIMIT 8

static ULONG LowestBit(ULONG64 Word)
{
    return (ULONG)__builtin_ctzll(Word);
}

static ULONG LevelOf(ULONG64 Due, ULONG64 Cursor)
{
    return (63 - (ULONG)__builtin_clzll((Due ^ Cursor) | 1)) / DIGIT_BITS;
}

/* The first due time that belongs to a list. */
static ULONG64 StartOf(const KTIMER_QUEUE *Queue, ULONG Level, ULONG Slot)
{
    ULONG shift = Level * DIGIT_BITS;
    ULONG64 digitsAbove = Level == TIMER_LEVELS - 1
                              ? 0
                              : Queue->Cursor >> (shift + DIGIT_BITS) << (shift + DIGIT_BITS);

    return digitsAbove | ((ULONG64)Slot << shift);
}

static void Place(PKTIMER_QUEUE Queue, PKTIMER Timer)
{
    ULONG64 due = Timer->DueTime.QuadPart;
    ULONG level = LevelOf(due, Queue->Cursor);
    ULONG slot = (due >> (level * DIGIT_BITS)) % TIMER_SLOTS;

    InsertTailList(&Queue->Lists[level][slot], &Timer->TimerListEntry);
    Queue->Slots[level] |= 1ULL << slot;
    Queue->Levels |= 1ULL << level;
}

static void MarkEmpty(PKTIMER_QUEUE Queue, ULONG Level, ULONG Slot)
{
    Queue->Slots[Level] &= ~(1ULL << Slot);
    if (!Queue->Slots[Level])
        Queue->Levels &= ~(1ULL << Level);
}

VOID KiInitializeTimerQueue(PKTIMER_QUEUE Queue)
{
    Queue->Cursor = 0;
    Queue->NextDue = MAXULONG64;
    Queue->Levels = 0;
    Queue->Count = 0;
    for (ULONG level = 0; level < TIMER_LEVELS; level++) {
        Queue->Slots[level] = 0;
        for (ULONG slot = 0; slot < TIMER_SLOTS; slot++)
            InitializeListHead(&Queue->Lists[level][slot]);
    }
}

VOID KiInsertTimer(PKTIMER_QUEUE Queue, PKTIMER Timer)
{
    if (Timer->DueTime.QuadPart < Queue->Cursor)
        Timer->DueTime.QuadPart = Queue->Cursor;
    Place(Queue, Timer);
    Queue->Count++;
    if (Timer->DueTime.QuadPart < Queue->NextDue)
        Queue->NextDue = Timer->DueTime.QuadPart;
}

/*
 * NextDue stays: it is a time before which nothing is due, and that remains true. The clock may
 * come once for nothing, and the queue is looked at then.
 */
VOID KiRemoveTimer(PKTIMER_QUEUE Queue, PKTIMER Timer)
{
    if (RemoveEntryList(&Timer->TimerListEntry)) {
        /* What is left is the list's head, whose position tells level and slot. */
        ULONG index = (ULONG)(Timer->TimerListEntry.Flink - &Queue->Lists[0][0]);
        MarkEmpty(Queue, index / TIMER_SLOTS, index % TIMER_SLOTS);
    }
    Queue->Count--;
}

static ULONG64 Earlier(ULONG64 A, ULONG64 B)
{
    return A < B ? A : B;
}

static PKTIMER TimerOf(PLIST_ENTRY Entry)
{
    return CONTAINING_RECORD(Entry, KTIMER, TimerListEntry);
}

/* The earliest due time in a list, or, if that would take long, the start of its range. */
static ULONG64 EarliestInList(const KTIMER_QUEUE *Queue, ULONG Level, ULONG Slot)
{
    const LIST_ENTRY *head = &Queue->Lists[Level][Slot];
    ULONG64 earliest = MAXULONG64;
    ULONG seen = 0;

    for (PLIST_ENTRY entry = head->Flink; entry != head; entry = entry->Flink) {
        if (++seen > SCAN_LIMIT)
            return StartOf(Queue, Level, Slot);
        earliest = Earlier(earliest, TimerOf(entry)->DueTime.QuadPart);
    }
    return earliest;
}

/*
 * The range of this list has been entered: moves the cursor into it, as far as its first timer
 * or Now, and the timers to the levels below. Each timer moves down at least one level.
 */
static void MoveDown(PKTIMER_QUEUE Queue, ULONG Level, ULONG Slot, ULONG64 Now)
{
    PLIST_ENTRY head = &Queue->Lists[Level][Slot];
    ULONG64 earliest = Now;
    LIST_ENTRY moving;

    for (PLIST_ENTRY entry = head->Flink; entry != head; entry = entry->Flink)
        earliest = Earlier(earliest, TimerOf(entry)->DueTime.QuadPart);

    InsertTailList(head, &moving);
    RemoveEntryList(head);
    InitializeListHead(head);
    MarkEmpty(Queue, Level, Slot);

    Queue->Cursor = earliest;
    while (!IsListEmpty(&moving))
        Place(Queue, TimerOf(RemoveHeadList(&moving)));
}

/*
 * The first timer of the earliest list, if nothing can be due before it: on level 0 all are due
 * at once, and on a higher level it may be alone. NULL: the list has to move down first.
 */
static PKTIMER DueWithoutMoving(PLIST_ENTRY Head, ULONG Level, ULONG64 Now)
{
    PKTIMER first = TimerOf(Head->Flink);
    BOOLEAN alone = Head->Flink == Head->Blink;

    return Level == 0 || (alone && first->DueTime.QuadPart <= Now) ? first : NULL;
}

PKTIMER KiTakeDueTimer(PKTIMER_QUEUE Queue, ULONG64 Now)
{
    while (Queue->Levels) {
        ULONG level = LowestBit(Queue->Levels);
        ULONG slot = LowestBit(Queue->Slots[level]);
        ULONG64 start = StartOf(Queue, level, slot);

        if (start > Now) {
            Queue->NextDue = EarliestInList(Queue, level, slot);
            break;
        }
        PKTIMER timer = DueWithoutMoving(&Queue->Lists[level][slot], level, Now);
        if (timer) {
            Queue->Cursor = timer->DueTime.QuadPart;
            KiRemoveTimer(Queue, timer);
            return timer;
        }
        MoveDown(Queue, level, slot, Now);
    }
    if (!Queue->Levels)
        Queue->NextDue = MAXULONG64;
    /*
     * No list begins at or before Now, so the cursor may come up to Now: a timer's highest digit
     * that differs from the cursor is the same before and after.
     */
    if (Queue->Cursor < Now)
        Queue->Cursor = Now;
    return NULL;
}

VOID KiVisitTimers(PKTIMER_QUEUE Queue, KTIMER_VISITOR *Visit, PVOID Context)
{
    for (ULONG level = 0; level < TIMER_LEVELS; level++) {
        for (ULONG64 slots = Queue->Slots[level]; slots; slots &= slots - 1) {
            PLIST_ENTRY head = &Queue->Lists[level][LowestBit(slots)];
            for (PLIST_ENTRY entry = head->Flink; entry != head; entry = entry->Flink)
                Visit(TimerOf(entry), Context);
        }
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
        if (timer->Header.Absolute)
            timer->DueTime.QuadPart = ShiftedDueTime(timer->DueTime.QuadPart, Shift);
        KiInsertTimer(Queue, timer);
    }
}
