/*
 * What the system does when nobody sits at it: the sample drivers run for a while and print,
 * then a summary, then the machine goes off. PASSIVE_LEVEL, no lock.
 */
#include "kdp.h"
#include "io.h"

#define UNITS_PER_SECOND 10000000ULL
#define UNLOAD_TRIES     100
#define UNLOAD_PAUSE     (UNITS_PER_SECOND / 100)

static const PCSTR SampleDrivers[] = {"customtimer", "rtc", "iotimer", "threadeddpc",
                                      "waitabletimer"};

/* TRUE if all of them run now. */
static BOOLEAN LoadSamples(VOID)
{
    BOOLEAN all = TRUE;

    for (ULONG i = 0; i < ARRAYSIZE(SampleDrivers); i++) {
        NTSTATUS status = IopLoadDriver(SampleDrivers[i]);

        if (!NT_SUCCESS(status) && status != STATUS_IMAGE_ALREADY_LOADED) {
            KdpPrintStatus("Cannot load", SampleDrivers[i], status);
            all = FALSE;
        }
    }
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

static BOOLEAN UnloadSamples(VOID)
{
    BOOLEAN all = TRUE;

    for (ULONG i = ARRAYSIZE(SampleDrivers); i-- > 0;) {
        NTSTATUS status = UnloadWhenFree(SampleDrivers[i]);

        if (!NT_SUCCESS(status)) {
            KdpPrintStatus("Cannot unload", SampleDrivers[i], status);
            all = FALSE;
        }
    }
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
 * Runs the sample drivers for Seconds and ends the emulator: status 0, or 1 if a driver could
 * not be loaded or unloaded.
 *
 * IRQL:    PASSIVE_LEVEL (not checked)
 * Locks:   none
 * Context: the start, processor 0
 * Returns: never
 */
VOID KdDemonstration(ULONG Seconds)
{
    BOOLEAN good = LoadSamples();

    KiSleep(Seconds * UNITS_PER_SECOND);
    good &= UnloadSamples();
    PrintSummary(Seconds);
    KdpFinalStats();
    DbgPrint("%s\n", good ? "The demonstration has ended." : "The demonstration has failed.");
    ArchExit(good ? EXIT_SUCCESS_VALUE : EXIT_FAILED_VALUE);
}
