/* The device extension of iotimer, and who may touch what in it. */
#ifndef IOTIMER_H
#define IOTIMER_H

#include <ntddk.h>

#define NO_REQUEST    (-1)
#define LIMIT_SECONDS 1 /* that a request may take */

/*
 * Shared with the interrupt service routine: touched only there, and in SynchCritSection routines.
 */
typedef struct _REQUEST_STATE {
    LONG SecondsLeft; /* until the watchdog acts; NO_REQUEST: nothing to watch */
    UCHAR Answer;     /* what the device is going to answer */
    UCHAR SavedMode;  /* the device's command byte as it was */
    BOOLEAN WasReset; /* the device has been reset for this request */
    ULONG Losses;     /* how often the device is going to lose it */
} REQUEST_STATE, *PREQUEST_STATE;

typedef struct _DEVICE_EXTENSION {
    PDEVICE_OBJECT LowerDevice;
    BOOLEAN Started;
    ULONG64 StartTime; /* of both timers; the times that are printed count from here */
    PKINTERRUPT Interrupt;
    REQUEST_STATE State;

    KTIMER RequestTimer; /* plays the program that makes requests */
    KDPC RequestDpc;     /* CustomTimerDpc */
    KDPC FailDpc;        /* CustomDpc, queued by the watchdog */

    KSPIN_LOCK Lock; /* of the next ones: DPC routines on several processors use them */
    BOOLEAN Busy;    /* a request has been made and has not ended; until then Number stays */
    ULONG Number;    /* of the request, from 1 */
    ULONG Completed; /* how the earlier ones ended */
    ULONG Failed;
} DEVICE_EXTENSION, *PDEVICE_EXTENSION;

/* What the watchdog finds when another second has gone by. */
typedef enum _VERDICT { NothingToDo, StillWaiting, DeviceWasReset, RequestHasFailed } VERDICT;

/* iotimer.c. PASSIVE_LEVEL. */
NTSTATUS StartDriver(PDEVICE_OBJECT Device, PCM_RESOURCE_LIST Resources);
VOID StopDriver(PDEVICE_OBJECT Device);

/* device.c. ConnectDevice, DisconnectDevice: PASSIVE_LEVEL; the others: DISPATCH_LEVEL. */
NTSTATUS ConnectDevice(PDEVICE_OBJECT Device, PCM_RESOURCE_LIST Resources);
VOID DisconnectDevice(PDEVICE_EXTENSION Extension);
VOID AskDevice(PDEVICE_EXTENSION Extension);
VERDICT WatchDevice(PDEVICE_EXTENSION Extension);

#endif
