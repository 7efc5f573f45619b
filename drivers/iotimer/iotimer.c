/*
 * iotimer: a watchdog over the requests to a device that sometimes does not answer. IoTimer, the
 * routine of the device's timer, is called about once a second.
 *
 *     a request begins     SecondsLeft = LIMIT_SECONDS + 1, and the device is asked
 *     InterruptService     SecondsLeft = NO_REQUEST; DpcForIsr completes the request
 *     IoTimer              SecondsLeft -= 1; at 0: resets the device and asks it once more;
 *                          at 0 again: SecondsLeft = NO_REQUEST; CustomDpc fails the request
 *
 * Whoever changes SecondsLeft to NO_REQUEST ends the request, and nobody else does; device.c says
 * how it is known who was first. The + 1: the second before the next call of IoTimer has begun
 * already.
 */
#include "iotimer.h"

/* A time in seconds, for "%I64u.%06I64u s". */
#define SECONDS(time) (time) / 10000000, (time) % 10000000 / 10

#define MILLISECOND    10000 /* in 100 ns */
#define ONE_SECOND     10000000
#define REQUEST_PERIOD 500 /* ms */

/* What happens in the first seconds of each minute is printed: all of it would be in the way. */
#define SHOWN_SECONDS 12

static ULONG64 Now(VOID)
{
    ULONG64 counter;

    return KeQueryInterruptTimePrecise(&counter);
}

/* ---- DPC routines: DISPATCH_LEVEL ---- */

static BOOLEAN IsShown(ULONG64 Time)
{
    return Time / ONE_SECOND % 60 < SHOWN_SECONDS;
}

static VOID PrintEvent(PDEVICE_EXTENSION Extension, PCSTR Routine, PCSTR Event)
{
    ULONG64 ran = Now() - Extension->StartTime;

    if (IsShown(ran))
        DbgPrint("iotimer: %s ran %I64u.%06I64u s, processor %u, IRQL %u: request %u %s\n", Routine,
                 SECONDS(ran), KeGetCurrentProcessorIndex(), KeGetCurrentIrql(), Extension->Number,
                 Event);
}

/* Makes the device busy with the next request. FALSE if it is busy. */
static BOOLEAN Claim(PDEVICE_EXTENSION Extension)
{
    BOOLEAN claimed;

    KeAcquireSpinLockAtDpcLevel(&Extension->Lock);
    claimed = !Extension->Busy;
    if (claimed) {
        Extension->Busy = TRUE;
        Extension->Number++;
    }
    KeReleaseSpinLockFromDpcLevel(&Extension->Lock);
    return claimed;
}

/* Ends the request and counts it. The device is free for the next one. */
static VOID Release(PDEVICE_EXTENSION Extension, PULONG Counter)
{
    KeAcquireSpinLockAtDpcLevel(&Extension->Lock);
    ++*Counter;
    Extension->Busy = FALSE;
    KeReleaseSpinLockFromDpcLevel(&Extension->Lock);
}

/* CustomTimerDpc, every half second: does what StartIo would do with a request of a program. */
static KDEFERRED_ROUTINE CustomTimerDpc;
static VOID CustomTimerDpc(PKDPC Dpc, PVOID DeferredContext, PVOID SystemArgument1,
                           PVOID SystemArgument2)
{
    PDEVICE_EXTENSION extension = DeferredContext;
    ULONG64 ran = Now() - extension->StartTime;
    ULONG64 due = ran - ran % (REQUEST_PERIOD * MILLISECOND);

    UNREFERENCED_PARAMETER(Dpc);
    UNREFERENCED_PARAMETER(SystemArgument1);
    UNREFERENCED_PARAMETER(SystemArgument2);
    if (!Claim(extension))
        return;
    if (IsShown(ran))
        DbgPrint("iotimer: CustomTimerDpc due %I64u.%06I64u s, ran %I64u.%06I64u s, processor %u, "
                 "IRQL %u: request %u begins\n",
                 SECONDS(due), SECONDS(ran), KeGetCurrentProcessorIndex(), KeGetCurrentIrql(),
                 extension->Number);
    AskDevice(extension);
}

/* DpcForIsr: the device has answered. */
static IO_DPC_ROUTINE DpcForIsr;
static VOID DpcForIsr(PKDPC Dpc, PDEVICE_OBJECT DeviceObject, struct _IRP *Irp, PVOID Context)
{
    PDEVICE_EXTENSION extension = DeviceObject->DeviceExtension;

    UNREFERENCED_PARAMETER(Dpc);
    UNREFERENCED_PARAMETER(Irp);
    UNREFERENCED_PARAMETER(Context);
    PrintEvent(extension, "DpcForIsr", "is completed");
    Release(extension, &extension->Completed);
}

/* CustomDpc: the device has not answered, after the reset neither. */
static KDEFERRED_ROUTINE CustomDpc;
static VOID CustomDpc(PKDPC Dpc, PVOID DeferredContext, PVOID SystemArgument1,
                      PVOID SystemArgument2)
{
    PDEVICE_EXTENSION extension = DeferredContext;

    UNREFERENCED_PARAMETER(Dpc);
    UNREFERENCED_PARAMETER(SystemArgument1);
    UNREFERENCED_PARAMETER(SystemArgument2);
    PrintEvent(extension, "CustomDpc", "has failed");
    Release(extension, &extension->Failed);
}

/*
 * IoTimer: the watchdog. Its first call comes about one second after IoStartTimer, and then one
 * about every second.
 */
static IO_TIMER_ROUTINE IoTimer;
static VOID IoTimer(PDEVICE_OBJECT DeviceObject, PVOID Context)
{
    static const PCSTR texts[] = {
        [NothingToDo] = "nothing to watch",
        [StillWaiting] = "no answer yet",
        [DeviceWasReset] = "no answer in time, the device is reset and asked again",
        [RequestHasFailed] = "no answer again, CustomDpc is queued",
    };
    PDEVICE_EXTENSION extension = Context;
    ULONG64 ran = Now() - extension->StartTime;
    VERDICT verdict = WatchDevice(extension);

    UNREFERENCED_PARAMETER(DeviceObject);
    if (IsShown(ran))
        DbgPrint(
            "iotimer: IoTimer due about %I64u s, ran %I64u.%06I64u s, processor %u, IRQL %u: %s\n",
            ran / ONE_SECOND, SECONDS(ran), KeGetCurrentProcessorIndex(), KeGetCurrentIrql(),
            texts[verdict]);
    if (verdict == RequestHasFailed)
        KeInsertQueueDpc(&extension->FailDpc, NULL, NULL);
}

/* ---- start and end: PASSIVE_LEVEL ---- */

/*
 * All that a routine uses is made before anything can call it. The requests come from the last
 * processor, the watchdog runs where it is started: the two really meet at their locks.
 */
NTSTATUS StartDriver(PDEVICE_OBJECT Device, PCM_RESOURCE_LIST Resources)
{
    PDEVICE_EXTENSION extension = Device->DeviceExtension;
    ULONG last = KeQueryActiveProcessorCountEx(ALL_PROCESSOR_GROUPS) - 1;
    LARGE_INTEGER dueTime = {.QuadPart = -REQUEST_PERIOD * MILLISECOND};
    NTSTATUS status;

    KeInitializeSpinLock(&extension->Lock);
    KeInitializeTimer(&extension->RequestTimer);
    KeInitializeDpc(&extension->RequestDpc, CustomTimerDpc, extension);
    KeSetTargetProcessorDpc(&extension->RequestDpc, (CCHAR)last);
    KeInitializeDpc(&extension->FailDpc, CustomDpc, extension);
    IoInitializeDpcRequest(Device, DpcForIsr);
    status = IoInitializeTimer(Device, IoTimer, extension);
    if (NT_SUCCESS(status))
        status = ConnectDevice(Device, Resources);
    if (!NT_SUCCESS(status))
        return status;
    extension->StartTime = Now();
    IoStartTimer(Device);
    KeSetTimerEx(&extension->RequestTimer, dueTime, REQUEST_PERIOD, &extension->RequestDpc);
    return STATUS_SUCCESS;
}

/*
 * First nobody begins or watches a request any more, then the device answers no more. DPCs are
 * waited for after each step: the first ones still use the interrupt object, and they may have
 * queued others.
 */
VOID StopDriver(PDEVICE_OBJECT Device)
{
    PDEVICE_EXTENSION extension = Device->DeviceExtension;

    KeCancelTimer(&extension->RequestTimer);
    IoStopTimer(Device);
    KeFlushQueuedDpcs();
    DisconnectDevice(extension);
    KeFlushQueuedDpcs();
    DbgPrint("iotimer: %u requests completed, %u failed\n", extension->Completed,
             extension->Failed);
}
