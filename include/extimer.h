/*
 * Timers that the system allocates: a callback instead of a DPC, periods in 100 ns, and a deletion
 * that can wait. A dispatcher object: threads wait for it as for any other. Contract: timer.md,
 * EX_TIMER routines.
 */
#ifndef METRONOME_EXTIMER_H
#define METRONOME_EXTIMER_H

#include "ntdef.h"
#include "rtl.h"

typedef struct _EX_TIMER EX_TIMER, *PEX_TIMER; /* opaque */

/* IRQL: DISPATCH_LEVEL. Timer stays valid until it returns. Source: T-EXT_CALLBACK-1..2 */
typedef VOID EXT_CALLBACK(PEX_TIMER Timer, PVOID Context);
typedef EXT_CALLBACK *PEXT_CALLBACK;

/* IRQL: DISPATCH_LEVEL. The timer is gone. Source: T-ExDeleteTimer-6 */
typedef VOID EXT_DELETE_CALLBACK(PVOID Context);
typedef EXT_DELETE_CALLBACK *PEXT_DELETE_CALLBACK;

/* Attributes of ExAllocateTimer. */
#define EX_TIMER_HIGH_RESOLUTION 4u
#define EX_TIMER_NO_WAKE         8u
#define EX_TIMER_NOTIFICATION    0x80000000u /* otherwise a synchronization timer */

#define EX_TIMER_UNLIMITED_TOLERANCE ((LONGLONG)-1)

typedef struct _EXT_SET_PARAMETERS_V0 {
    ULONG Version;
    ULONG Reserved;
    LONGLONG NoWakeTolerance; /* 100 ns; no state of the processor here makes it matter */
} EXT_SET_PARAMETERS, *PEXT_SET_PARAMETERS;

typedef struct _EXT_CANCEL_PARAMETERS_V0 {
    ULONG Version;
    ULONG Reserved;
} EXT_CANCEL_PARAMETERS, *PEXT_CANCEL_PARAMETERS;

typedef struct _EXT_DELETE_PARAMETERS_V0 {
    ULONG Version;
    ULONG Reserved;
    PEXT_DELETE_CALLBACK DeleteCallback;
    PVOID DeleteContext;
} EXT_DELETE_PARAMETERS, *PEXT_DELETE_PARAMETERS;

ASSERT_SIZE(EXT_SET_PARAMETERS, 0x10);
ASSERT_SIZE(EXT_DELETE_PARAMETERS, 0x18);

/* IRQL: any. */
FORCEINLINE VOID ExInitializeSetTimerParameters(PEXT_SET_PARAMETERS Parameters)
{
    RtlZeroMemory(Parameters, sizeof(*Parameters));
}

FORCEINLINE VOID ExInitializeDeleteTimerParameters(PEXT_DELETE_PARAMETERS Parameters)
{
    RtlZeroMemory(Parameters, sizeof(*Parameters));
}

/* Callback may be NULL. NULL when there is no memory. IRQL: <= DISPATCH_LEVEL. */
PEX_TIMER ExAllocateTimer(PEXT_CALLBACK Callback, PVOID CallbackContext, ULONG Attributes);

/*
 * Sets the timer: DueTime as for KeSetTimer, Period in 100 ns (0: once). TRUE if that cancelled an
 * earlier setting. IRQL: <= DISPATCH_LEVEL.
 */
BOOLEAN ExSetTimer(PEX_TIMER Timer, LONGLONG DueTime, LONGLONG Period,
                   PEXT_SET_PARAMETERS Parameters);

/* TRUE: the timer was set, and is neither signaled nor calls back. IRQL: <= DISPATCH_LEVEL. */
BOOLEAN ExCancelTimer(PEX_TIMER Timer, PEXT_CANCEL_PARAMETERS Parameters);

/*
 * Gives the timer back. Cancel: a setting is cancelled, otherwise it still expires once. Wait (with
 * Cancel only): returns when callback and delete callback are through.
 * IRQL: <= DISPATCH_LEVEL, with Wait <= APC_LEVEL.
 */
BOOLEAN ExDeleteTimer(PEX_TIMER Timer, BOOLEAN Cancel, BOOLEAN Wait,
                      PEXT_DELETE_PARAMETERS Parameters);

#endif
