/*
 * What looks after the device without being asked: the watchdog, a CustomTimerDpc every
 * WATCH_PERIOD, and the statistics, an IoTimer routine once a second. DISPATCH_LEVEL.
 */
#include "edu.h"

/* Requests whose interrupt was lost, and requests that take too long. */
VOID WatchDpcRoutine(PKDPC Dpc, PVOID DeferredContext, PVOID SystemArgument1, PVOID SystemArgument2)
{
    PDEVICE_EXTENSION extension = DeferredContext;
    NTSTATUS status;
    PIRP irp = WatchWork(extension, &extension->Factorial, &status);

    UNREFERENCED_PARAMETER(Dpc);
    UNREFERENCED_PARAMETER(SystemArgument1);
    UNREFERENCED_PARAMETER(SystemArgument2);
    if (irp)
        EndFactorial(extension, irp, status);
    irp = WatchWork(extension, &extension->Dma, &status);
    if (irp)
        EndTransfer(extension, irp, status);
}

/* IoTimer: says what the device has done wrong in the last second; a good device is not news. */
VOID ReportSecond(PDEVICE_OBJECT DeviceObject, PVOID Context)
{
    PDEVICE_EXTENSION extension = Context;
    EDU_STATISTICS now;

    UNREFERENCED_PARAMETER(DeviceObject);
    CopyStatistics(extension, &now);
    if (now.Lost != extension->LastSecond.Lost || now.TimeOuts != extension->LastSecond.TimeOuts) {
        KdPrint(("edu%u: in the last second %I64u interrupts were lost, %I64u requests given up\n",
                 extension->Number, now.Lost - extension->LastSecond.Lost,
                 now.TimeOuts - extension->LastSecond.TimeOuts));
    }
    extension->LastSecond = now;
}
