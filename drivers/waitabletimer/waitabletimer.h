/* The device extension of waitabletimer, and who may touch what in it. */
#ifndef WAITABLETIMER_H
#define WAITABLETIMER_H

#include <ntddk.h>

#define MILLISECOND 10000LL /* in 100 ns */

/*
 * Two timers for two purposes. One timer has one setting: if the thread set the timer that the
 * DPC counts on, it would take away the DPC's setting, and the other way round. And the signal of a
 * synchronization timer lets one waiter through; a timer that has a thread of its own to wait for
 * it says for certain which thread that is.
 */
typedef struct _DEVICE_EXTENSION {
    PDEVICE_OBJECT LowerDevice;
    ULONG64 StartTime; /* the times that are printed count from here */

    PKTHREAD Thread;    /* with a reference, so that its end can be waited for */
    KEVENT Stop;        /* set by Unload: the thread is to end */
    KTIMER ThreadTimer; /* the thread alone sets it and waits for it */
    ULONG Wakes;        /* the thread's */

    KTIMER DpcTimer; /* calls CustomTimerDpc; nobody waits for it */
    KDPC Dpc;
    ULONG Calls;   /* CustomTimerDpc's */
    KEVENT DpcRan; /* set by CustomTimerDpc: a DPC that has something for a thread sets an event */
    ULONG Reminders; /* the thread's: how often it has seen that */
} DEVICE_EXTENSION, *PDEVICE_EXTENSION;

/* timers.c. PASSIVE_LEVEL. */
NTSTATUS StartTimers(PDEVICE_EXTENSION Extension);
VOID StopTimers(PDEVICE_EXTENSION Extension);

#endif
