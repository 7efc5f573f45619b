/*
 * The device extension of edu, and who may touch what in it.
 *
 * The device has two units that work side by side, one request each: it computes factorials, and it
 * copies between its own buffer and memory (DMA). A request goes through these hands:
 *
 *     dispatch routine -> queue -> BeginWork -> the unit -> interrupt -> DPC -> completed
 *                                                  \-> watchdog, when no interrupt comes
 *                                                   \-> cancel routine
 *
 * Whoever gets the request out of UNIT.Irp completes it: the DPC, the watchdog, the cancel routine
 * or the removal of the device. That is decided under the interrupt object's lock (unit.c).
 */
#ifndef EDU_H
#define EDU_H

#include <ntddk.h>
#include "eduioctl.h"

#define WATCH_PERIOD 20 /* ms: how often the watchdog looks */

struct _DEVICE_EXTENSION;

/* All of it: the interrupt object's lock. */
typedef struct _UNIT {
    PIRP Irp;          /* that it works on; NULL: none */
    BOOLEAN Begun;     /* the device has been told; else it still works on a lost request */
    ULONG Periods;     /* of the watchdog, since Irp came */
    ULONG DonePeriods; /* ... in which it was found done */
    ULONG Patience;    /* after so many it is given up; constant */
    ULONG64 From, To;  /* of a transfer */
    ULONG Number;      /* of a factorial: the input; of a transfer: bytes */
    ULONG Result;      /* of a factorial */
} UNIT, *PUNIT;

typedef struct _DEVICE_EXTENSION {
    PDEVICE_OBJECT Device, PhysicalDevice, LowerDevice;
    ULONG Number;              /* of \Device\EduN */
    IO_REMOVE_LOCK RemoveLock; /* held by each request */
    BOOLEAN Started;

    PUCHAR Registers; /* mapped from start to removal, as the two below */
    SIZE_T RegisterBytes;
    PUCHAR Buffer; /* for DMA: contiguous, below the device's limit */
    ULONG64 BufferAddress;

    PKINTERRUPT Interrupt; /* one object: by message or by line */
    PVOID Connection;      /* for the disconnect */
    ULONG ConnectionVersion;

    UNIT Factorial, Dma; /* as the three below: the interrupt object's lock */
    BOOLEAN Stopping;    /* no request is begun any more */
    ULONG Lose;          /* so many interrupts are not asked for */
    EDU_STATISTICS Statistics;

    IO_CSQ DmaQueue;    /* transfers that wait */
    LIST_ENTRY DmaList; /* DmaLock */
    KSPIN_LOCK DmaLock;
    volatile LONG DmaBusy; /* a transfer has been begun and has not been ended: dma.c */
    KDPC DmaDpc;           /* CustomDpc, queued by the ISR */

    KTIMER WatchTimer;         /* every WATCH_PERIOD */
    KDPC WatchDpc;             /* CustomTimerDpc */
    EDU_STATISTICS LastSecond; /* IoTimer's only */
} DEVICE_EXTENSION, *PDEVICE_EXTENSION;

/* ---- unit.c: the registers. Any IRQL up to the interrupt's ---- */

KSERVICE_ROUTINE ServiceLine;
KMESSAGE_SERVICE_ROUTINE ServiceMessage;

/* Gives Irp to an idle unit. FALSE if the device is being removed: Irp is still the caller's. */
BOOLEAN BeginWork(PDEVICE_EXTENSION Extension, PUNIT Unit, PIRP Irp);

/*
 * Takes the request out of a unit, if there is one and it is Irp (NULL: any); with OnlyDone only if
 * its work is done. Who gets it completes it.
 */
PIRP TakeWork(PDEVICE_EXTENSION Extension, PUNIT Unit, PIRP Irp, BOOLEAN OnlyDone);

/* What the watchdog finds: a request to be completed with *Status, or NULL. */
PIRP WatchWork(PDEVICE_EXTENSION Extension, PUNIT Unit, PNTSTATUS Status);

VOID ForbidWork(PDEVICE_EXTENSION Extension);
BOOLEAN IsDmaRunning(PDEVICE_EXTENSION Extension);
VOID MakeMischief(PDEVICE_EXTENSION Extension, const EDU_MISCHIEF *Mischief);
VOID CopyStatistics(PDEVICE_EXTENSION Extension, PEDU_STATISTICS Statistics);
BOOLEAN IsDevicePresent(PDEVICE_EXTENSION Extension);

/* ---- factorial.c: StartIo. DISPATCH_LEVEL ---- */

DRIVER_STARTIO StartIo;
IO_DPC_ROUTINE DpcForIsr;
DRIVER_CANCEL CancelFactorial;
VOID EndFactorial(PDEVICE_EXTENSION Extension, PIRP Irp, NTSTATUS Status);

/* ---- dma.c: the driver's own queue. <= DISPATCH_LEVEL ---- */

NTSTATUS InitializeDma(PDEVICE_EXTENSION Extension);
DRIVER_DISPATCH DispatchTransfer;
KDEFERRED_ROUTINE DmaDpcRoutine;
VOID EndTransfer(PDEVICE_EXTENSION Extension, PIRP Irp, NTSTATUS Status);
VOID StartNextTransfer(PDEVICE_EXTENSION Extension);

/* The data of a write go into the buffer for DMA. Any IRQL up to the interrupt's. */
VOID FillBuffer(PDEVICE_EXTENSION Extension);

/* ---- watch.c ---- */

KDEFERRED_ROUTINE WatchDpcRoutine;
IO_TIMER_ROUTINE ReportSecond;

/* ---- start.c: PASSIVE_LEVEL ---- */

NTSTATUS StartEdu(PDEVICE_EXTENSION Extension, PCM_RESOURCE_LIST Resources);
VOID EndRequests(PDEVICE_EXTENSION Extension);
VOID StopEdu(PDEVICE_EXTENSION Extension);

/* ---- driver.c ---- */

/* Completes a request and lets the device go for it. <= DISPATCH_LEVEL. */
NTSTATUS CompleteRequest(PDEVICE_EXTENSION Extension, PIRP Irp, NTSTATUS Status,
                         ULONG_PTR Information);

#endif
