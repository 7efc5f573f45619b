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
    LIST_ENTRY Lists[TIMER_LISTS]; /* level l, digit d: Lists[l * TIMER_DIGITS + d] */
    ULONG64 Cursor;                /* everything due before it has been taken out */
    ULONG64 NextDue;               /* nothing is due before it; MAXULONG64: nothing at all */
    ULONG64 Count;
    ULONG64 Words;                      /* bit w: Occupied[w] is not 0 */
    ULONG64 Occupied[TIMER_LISTS / 64]; /* bit n % 64 of word n / 64: Lists[n] has a timer, or had
                                         * one: cleared by who looks for the earliest list */
} KTIMER_QUEUE, *PKTIMER_QUEUE;

/*
 * Sets bit Number of a string of bits: one instruction. The host's tests are another compiler's.
 */
FORCEINLINE VOID KiSetBit(PULONG64 Bits, SIZE_T Number)
{
#if defined(METRONOME_HOST)
    Bits[Number / 64] |= 1ULL << Number % 64;
#else
    __asm__("btsq %1, %0" : "+m"(*(ULONG64(*)[TIMER_LISTS / 64]) Bits) : "r"(Number) : "cc");
#endif
}

/* All of these: under the queue's lock, any IRQL. Times in 100 ns of interrupt time. */

VOID KiInitializeTimerQueue(PKTIMER_QUEUE Queue);

/*
 * The number of the list for a due time: the level is the highest byte in which it differs from the
 * cursor, and the digit is that byte. Shift is 8 * level, so Shift * 32 is the level's first list.
 */
FORCEINLINE SIZE_T KiTimerList(ULONG64 Cursor, ULONG64 Due)
{
    SIZE_T shift = (63 - (ULONG)__builtin_clzll((Due ^ Cursor) | 1)) & ~7u;

    return shift * (TIMER_DIGITS / 8) + (UCHAR)(Due >> shift);
}

FORCEINLINE VOID KiMarkTimerList(PKTIMER_QUEUE Queue, SIZE_T List)
{
    KiSetBit(Queue->Occupied, List);
    KiSetBit(&Queue->Words, List / 64);
}

/*
 * At the end of its list, which is marked when it gets its first timer. That counts as likely, so
 * that the compiler leaves the marking in line.
 */
FORCEINLINE VOID KiPlaceTimer(PKTIMER_QUEUE Queue, PKTIMER Timer, ULONG64 Cursor, ULONG64 Due)
{
    PLIST_ENTRY list = Queue->Lists + KiTimerList(Cursor, Due);

    if (__builtin_expect(IsListEmpty(list), 1))
        KiMarkTimerList(Queue, (SIZE_T)(list - Queue->Lists));
    InsertTailList(list, &Timer->TimerListEntry);
}

/*
 * Puts Timer into the queue, due at Due or, if that has gone by, now. Returns TRUE if nothing is
 * due before it: NextDue has come down.
 */
FORCEINLINE BOOLEAN KiInsertTimer(PKTIMER_QUEUE Queue, PKTIMER Timer, ULONG64 Due)
{
    ULONG64 cursor = Queue->Cursor;

    if (__builtin_expect(Due < cursor, 0))
        Due = cursor;
    Timer->DueTime.QuadPart = Due;
    KiPlaceTimer(Queue, Timer, cursor, Due);
    Queue->Count++;
    if (__builtin_expect(Due >= Queue->NextDue, 1))
        return FALSE;
    Queue->NextDue = Due;
    return TRUE;
}

/*
 * NextDue and the list's bit stay: nothing is due before NextDue, which remains true, and a list
 * that is marked may be empty. The clock may come once for nothing, and the queue is looked at
 * then.
 */
FORCEINLINE VOID KiRemoveTimer(PKTIMER_QUEUE Queue, PKTIMER Timer)
{
    RemoveEntryList(&Timer->TimerListEntry);
    Queue->Count--;
}

/*
 * The list of the timers that are due next, if that is not after Now; NULL if nothing is due. All
 * of them are due at one moment, in the order of insertion, and the cursor has moved there. A timer
 * that is alone in its list is found where it lies: take it out before the lock is released.
 */
PLIST_ENTRY KiDueTimers(PKTIMER_QUEUE Queue, ULONG64 Now);

/* Brings NextDue up to date, and the cursor up to Now if nothing is due. */
VOID KiFindNextDue(PKTIMER_QUEUE Queue, ULONG64 Now);

/*
 * Takes out the timer with the earliest due time, if that is not after Now; equal due times in
 * the order of insertion. NULL if nothing is due: NextDue is then up to date.
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
