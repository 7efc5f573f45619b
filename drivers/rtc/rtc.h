/* The device extension of rtc, and who may touch what in it. */
#ifndef RTC_H
#define RTC_H

#include <ntddk.h>

#define RTC_RATE 10 /* periodic interrupts: 32768 >> (10 - 1) = 64 a second */

/* What the interrupt service routine knows. All of it: the interrupt object's lock. */
typedef struct _RTC_STATE {
    ULONG64 Interrupts;
    ULONG64 Time;    /* of the last one */
    ULONG Processor; /* on which it was served */
    KIRQL Irql;
} RTC_STATE, *PRTC_STATE;

typedef struct _DEVICE_EXTENSION {
    PDEVICE_OBJECT LowerDevice;
    BOOLEAN Started;
    ULONG64 StartTime; /* the times that are printed count from here */
    PKINTERRUPT Interrupt;
    RTC_STATE State;      /* shared with the ISR: only in SynchCritSection routines */
    UCHAR SavedA, SavedB; /* the device's registers as they were: as State */

    KDPC InterruptDpc;      /* CustomDpc, queued by the ISR */
    ULONG InterruptDpcs;    /* its runs; always on the processor of the ISR: no lock */
    KTIMER ReportTimer;     /* once a second */
    KDPC ReportDpc;         /* CustomTimerDpc */
    ULONG64 FirstReport;    /* when ReportTimer is due first */
    ULONG64 LastInterrupts; /* ReportDpc only: what it counted last, and when it ran */
    ULONG64 LastTime;
} DEVICE_EXTENSION, *PDEVICE_EXTENSION;

/* device.c */
NTSTATUS ConnectRtc(PDEVICE_EXTENSION Extension, PCM_RESOURCE_LIST Resources);
VOID DisconnectRtc(PDEVICE_EXTENSION Extension);
ULONG64 Now(VOID);

#endif
