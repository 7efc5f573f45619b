/*
 * Kernel timers. A due time is a count of 100 ns: negative, an interval from now; otherwise an
 * instant of the system time (UTC since 1601). Exact to the unit, and never early.
 */
#ifndef METRONOME_TIMER_H
#define METRONOME_TIMER_H

#include "ntdef.h"
#include "dispatcher.h"
#include "dpc.h"

typedef enum _TIMER_TYPE { NotificationTimer, SynchronizationTimer } TIMER_TYPE;

/* Opaque to drivers. All fields but Header.SignalState: lock of the queue of Processor. */
typedef struct _KTIMER {
    DISPATCHER_HEADER Header;
    ULARGE_INTEGER DueTime; /* interrupt time in 100 ns, also for absolute timers */
    LIST_ENTRY TimerListEntry;
    struct _KDPC *Dpc;
    ULONG Processor; /* whose queue holds or last held the timer */
    ULONG Period;    /* in ms; 0: once */
} KTIMER, *PKTIMER, *PRKTIMER;

ASSERT_SIZE(KTIMER, 0x40);
ASSERT_OFFSET(KTIMER, DueTime, 0x18);
ASSERT_OFFSET(KTIMER, TimerListEntry, 0x20);
ASSERT_OFFSET(KTIMER, Dpc, 0x30);
ASSERT_OFFSET(KTIMER, Processor, 0x38);
ASSERT_OFFSET(KTIMER, Period, 0x3C);

/* All of these: IRQL <= DISPATCH_LEVEL. Contract: timer.md, items of the routine's name. */

VOID KeInitializeTimer(PKTIMER Timer);
VOID KeInitializeTimerEx(PKTIMER Timer, TIMER_TYPE Type);

/* TRUE if the timer was set already; that setting is forgotten in the same step. */
BOOLEAN KeSetTimer(PKTIMER Timer, LARGE_INTEGER DueTime, PKDPC Dpc);

/* Period in milliseconds. */
BOOLEAN KeSetTimerEx(PKTIMER Timer, LARGE_INTEGER DueTime, LONG Period, PKDPC Dpc);

/* Period and TolerableDelay in milliseconds. */
BOOLEAN KeSetCoalescableTimer(PKTIMER Timer, LARGE_INTEGER DueTime, ULONG Period,
                              ULONG TolerableDelay, PKDPC Dpc);

/* TRUE if the timer was set. Waits for nothing: a DPC of it may be queued or running. */
BOOLEAN KeCancelTimer(PKTIMER Timer);

BOOLEAN KeReadStateTimer(PKTIMER Timer);

#endif
