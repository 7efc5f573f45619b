/*
 * What the system does when nobody sits at it: the sample drivers run for a while and print,
 * then a summary, then the machine goes off. PASSIVE_LEVEL, no lock.
 */
#include "kdp.h"
#include "io.h"
#include "ldr.h"

#define UNITS_PER_SECOND 10000000ULL
#define UNLOAD_TRIES     100
#define UNLOAD_PAUSE     (UNITS_PER_SECOND / 100)

static const PCSTR SampleDrivers[] = {"customtimer",   "rtc", "iotimer",  "threadeddpc",
                                      "waitabletimer", "edu", "educlient"};

static BOOLEAN Load(PCSTR Name)
{
    NTSTATUS status = IopLoadDriver(Name);

    if (NT_SUCCESS(status) || status == STATUS_IMAGE_ALREADY_LOADED)
        return TRUE;
    KdReportNotLoaded(Name, status);
    return status == STATUS_DEVICE_DOES_NOT_EXIST; /* nothing is wrong with the driver */
}

/* TRUE if all of them run now. */
static BOOLEAN LoadAll(BOOLEAN Samples)
{
    BOOLEAN all = TRUE;

    for (ULONG i = 0; i < ARRAYSIZE(SampleDrivers) && Samples; i++)
        all &= Load(SampleDrivers[i]);
    for (ULONG i = 0; i < LdrFileCount; i++)
        all &= Load(LdrFiles[i].Name);
    return all;
}

/* A driver whose work item is under way is in use for a moment; one that stays so, fails. */
static NTSTATUS UnloadWhenFree(PCSTR Name)
{
    NTSTATUS status = IopUnloadDriver(Name);

    for (ULONG tries = 0; status == STATUS_DEVICE_BUSY && tries < UNLOAD_TRIES; tries++) {
        KiSleep(UNLOAD_PAUSE);
        status = IopUnloadDriver(Name);
    }
    return status;
}

static BOOLEAN Unload(PCSTR Name)
{
    NTSTATUS status = UnloadWhenFree(Name);

    /* What could not be loaded, or was a sample and a file at once, is not there any more. */
    if (NT_SUCCESS(status) || status == STATUS_OBJECT_NAME_NOT_FOUND)
        return TRUE;
    KdpPrintStatus("Cannot unload", Name, status);
    return FALSE;
}

static BOOLEAN UnloadAll(BOOLEAN Samples)
{
    BOOLEAN all = TRUE;

    for (ULONG i = LdrFileCount; i-- > 0;)
        all &= Unload(LdrFiles[i].Name);
    for (ULONG i = ARRAYSIZE(SampleDrivers); i-- > 0 && Samples;)
        all &= Unload(SampleDrivers[i]);
    return all;
}

static VOID PrintSummary(ULONG Seconds)
{
    ULONG64 dpcs = 0;
    ULONG busy = 0;

    for (LONG i = 0; i < KeNumberProcessors; i++) {
        dpcs += KiProcessorBlock[i]->DpcData.Count;
        busy += KiProcessorBlock[i]->DpcData.Count != 0;
    }
    DbgPrint("\nIn %u seconds %llu DPC routines ran, on %u of %d processors.\n", Seconds, dpcs,
             busy, KeNumberProcessors);
    KdExecute("cpus");
    KdExecute("mem");
}

/*
 * Runs the sample drivers, and those from files, for Seconds and ends the emulator: status 0, or 1
 * if a driver could not be loaded or unloaded.
 *
 * IRQL:    PASSIVE_LEVEL (not checked)
 * Locks:   none
 * Context: the start, processor 0
 * Returns: never
 */
VOID KdDemonstration(ULONG Seconds, BOOLEAN Samples)
{
    BOOLEAN good = LoadAll(Samples);

    KiSleep(Seconds * UNITS_PER_SECOND);
    good &= UnloadAll(Samples);
    PrintSummary(Seconds);
    KdpFinalStats();
    DbgPrint("%s\n", good ? "The demonstration has ended." : "The demonstration has failed.");
    KdFlushConsole();
    ArchExit(good ? EXIT_SUCCESS_VALUE : EXIT_FAILED_VALUE);
}
