/*
 * A processor's timer queue as a data structure: what is due when. Knows nothing of locks, of
 * processors or of the clock, so that the host tests can drive it. timerqueue.c says how it works;
 * what setting, cancelling and expiring need each time is here, to be compiled into them.
 */
#ifndef METRONOME_TIMERQUEUE_H
#define METRONOME_TIMERQUEUE_H

#include "ntdef.h"
#include "list.h"
#include "timer.h"

#define TIMER_DIGITS 256 /* lists of a level: one for each value of a byte */
#define TIMER_LISTS  (8 * TIMER_DIGITS)

typedef struct _KTIMER_QUEUE {
    ULONG64 Cursor;  /* everything due before it has been taken out */
    ULONG64 NextDue; /* nothing is due before it; MAXULONG64: nothing at all */
    ULONG64 Count;
    ULONG Words;                        /* bit w: Occupied[w] is not 0 */
    ULONG64 Occupied[TIMER_LISTS / 64]; /* bit n % 64 of word n / 64: Lists[n] has a timer */
    LIST_ENTRY Lists[TIMER_LISTS];      /* level l, digit d: Lists[l * TIMER_DIGITS + d] */
} KTIMER_QUEUE, *PKTIMER_QUEUE;

/* All of these: under the queue's lock, any IRQL. Times in 100 ns of interrupt time. */

VOID KiInitializeTimerQueue(PKTIMER_QUEUE Queue);

/*
 * The list for a due time: the level is the highest byte in which it differs from the cursor, and
 * the digit is that byte. Shift is 8 * level, so Shift * 32 is the level's first list.
 */
FORCEINLINE SIZE_T KiTimerList(const KTIMER_QUEUE *Queue, ULONG64 Due)
{
    SIZE_T shift = (63 - (ULONG)__builtin_clzll((Due ^ Queue->Cursor) | 1)) & ~7u;

    return shift * (TIMER_DIGITS / 8) + (UCHAR)(Due >> shift);
}

FORCEINLINE VOID KiMarkTimerList(PKTIMER_QUEUE Queue, SIZE_T List)
{
    Queue->Occupied[List / 64] |= 1ULL << List % 64;
    Queue->Words |= 1u << List / 64;
}

FORCEINLINE VOID KiUnmarkTimerList(PKTIMER_QUEUE Queue, SIZE_T List)
{
    Queue->Occupied[List / 64] &= ~(1ULL << List % 64);
    if (Queue->Occupied[List / 64] == 0)
        Queue->Words &= ~(1u << List / 64);
}

/* At the end of its list, which is marked when it gets its first timer. */
FORCEINLINE VOID KiPlaceTimer(PKTIMER_QUEUE Queue, PKTIMER Timer, ULONG64 Due)
{
    SIZE_T list = KiTimerList(Queue, Due);

    if (IsListEmpty(&Queue->Lists[list]))
        KiMarkTimerList(Queue, list);
    InsertTailList(&Queue->Lists[list], &Timer->TimerListEntry);
}

/*
 * Puts Timer into the queue, due at Due or, if that has gone by, now. Returns TRUE if nothing is
 * due before it: NextDue has come down.
 */
FORCEINLINE BOOLEAN KiInsertTimer(PKTIMER_QUEUE Queue, PKTIMER Timer, ULONG64 Due)
{
    if (__builtin_expect(Due < Queue->Cursor, 0))
        Due = Queue->Cursor;
    Timer->DueTime.QuadPart = Due;
    KiPlaceTimer(Queue, Timer, Due);
    Queue->Count++;
    if (Due >= Queue->NextDue)
        return FALSE;
    Queue->NextDue = Due;
    return TRUE;
}

/*
 * NextDue stays: it is a time before which nothing is due, and that remains true. The clock may
 * come once for nothing, and the queue is looked at then.
 */
FORCEINLINE VOID KiRemoveTimer(PKTIMER_QUEUE Queue, PKTIMER Timer)
{
    /* What is left of an emptied list is its head, whose position tells which one it is. */
    if (RemoveEntryList(&Timer->TimerListEntry))
        KiUnmarkTimerList(Queue, (SIZE_T)(Timer->TimerListEntry.Flink - Queue->Lists));
    Queue->Count--;
}

/*
 * Moves the cursor to the earliest due time, if that is not after Now. FALSE if nothing is due:
 * NextDue is then brought up to date.
 */
BOOLEAN KiAdvanceTimerQueue(PKTIMER_QUEUE Queue, ULONG64 Now);

/*
 * The timers that are due exactly at the cursor, in the order of insertion; nothing is due before
 * them. NULL: there are none, and the cursor has to advance.
 */
FORCEINLINE PKTIMER KiTimerAtCursor(const KTIMER_QUEUE *Queue)
{
    const LIST_ENTRY *head = &Queue->Lists[Queue->Cursor % TIMER_DIGITS];

    return IsListEmpty(head) ? NULL : CONTAINING_RECORD(head->Flink, KTIMER, TimerListEntry);
}

/*
 * Takes out the timer with the earliest due time, if that is not after Now; equal due times in
 * the order of insertion. NULL if nothing is due.
 */
PKTIMER KiTakeDueTimer(PKTIMER_QUEUE Queue, ULONG64 Now);

/*
 * The first list from List on that has a timer; TIMER_LISTS if there is none. Whatever is in a
 * list is due before whatever is in a later one.
 */
ULONG KiNextTimerList(const KTIMER_QUEUE *Queue, ULONG List);

/*
 * Calls Visit for every timer, in no particular order. Visit must not change the queue.
 */
typedef VOID KTIMER_VISITOR(PKTIMER Timer, PVOID Context);
VOID KiVisitTimers(PKTIMER_QUEUE Queue, KTIMER_VISITOR *Visit, PVOID Context);

/*
 * Adds Shift to the due time of every absolute timer (the system time has been set back by
 * Shift). A due time that would lie before the cursor becomes due at once.
 */
VOID KiShiftAbsoluteTimers(PKTIMER_QUEUE Queue, LONG64 Shift);

#endif
