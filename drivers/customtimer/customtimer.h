/* The device extension of customtimer: what its routines share, and who may touch it when. */
#ifndef CUSTOMTIMER_H
#define CUSTOMTIMER_H

#include <ntddk.h>

#define MILLISECOND 10000LL /* in 100 ns, the unit of due times */
#define PERIOD      100     /* ms */

/*
 * A timer and the DPC that it queues. They stay together for life: a timer for each purpose, a
 * DPC for each timer. The kernel keeps its own state in both, so they lie in nonpaged memory.
 */
typedef struct _CUSTOM_TIMER {
    KTIMER Timer;
    KDPC Dpc;
    PCSTR Name;
    ULONG64 Due; /* when it was set to expire first; written before it is set */
} CUSTOM_TIMER, *PCUSTOM_TIMER;

typedef struct _DEVICE_EXTENSION {
    PDEVICE_OBJECT LowerDevice; /* that this device is attached to */
    ULONG64 StartTime;          /* the times that are printed count from here */

    KSPIN_LOCK Lock;       /* of the next two: routines on several processors change them */
    ULONG Runs;            /* of all CustomTimerDpc routines together */
    ULONG64 GreatestDelay; /* from due to run, in 100 ns */

    CUSTOM_TIMER Early;    /* expires before it is cancelled */
    CUSTOM_TIMER Once;     /* cancels the one above and the one below */
    CUSTOM_TIMER Late;     /* is cancelled before it expires */
    CUSTOM_TIMER Reset;    /* is set twice, expires once */
    CUSTOM_TIMER Absolute; /* expires at a time of day */

    ULONG PeriodicCount; /* one for each processor */
    CUSTOM_TIMER Periodic[];
} DEVICE_EXTENSION, *PDEVICE_EXTENSION;

/* timers.c */
VOID InitializeTimers(PDEVICE_EXTENSION Extension);
VOID StartTimers(PDEVICE_EXTENSION Extension);
VOID StopTimers(PDEVICE_EXTENSION Extension);

#endif
