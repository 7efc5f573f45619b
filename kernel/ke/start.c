/*
 * The order in which the kernel comes to life. Processor 0 runs all of this; the others come in
 * through KiProcessorStart and go to their idle loop.
 */
#include "ke.h"
#include "ke/options.h"
#include "ex.h"
#include "io.h"
#include "kd.h"
#include "ldr.h"
#include "ps.h"
#include "bootinfo.h"
#if TESTS
#include "suite.h"
#endif

#if DBG
#define BUILD_KIND "checked"
#else
#define BUILD_KIND "free"
#endif

static VOID CheckBootInfo(const BOOT_INFO *BootInfo)
{
    if (BootInfo->Magic != BOOT_INFO_MAGIC || BootInfo->Version != BOOT_INFO_VERSION ||
        BootInfo->Size != sizeof(BOOT_INFO))
        ArchCannotStart("The loader and the kernel are of different versions.");
}

/*
 * A further processor, on its own stack and with its own block.
 *
 * IRQL:    HIGH_LEVEL, interrupts off (not checked)
 * Locks:   none
 * Context: the start of a processor
 * Returns: never
 */
VOID KiProcessorStart(PKPRCB Prcb)
{
    Prcb->TimerTable.SystemTimeOffset = KiQuerySystemTimeOffset();
    KiStartClock(Prcb);
    Prcb->Started = TRUE;
    ArchEnableInterrupts();
    ArchWriteIrql(PASSIVE_LEVEL);
    KiIdleLoop(Prcb);
}

static VOID StartOthers(VOID)
{
    ULONG count = ArchStartProcessors((ULONG)KiGetNumberOption("processors", 0));

    for (ULONG n = 0; n < count; n++) {
        while (!KiProcessorBlock[n]->Started)
            ArchPause();
    }
    KeNumberProcessors = (CCHAR)count;
    KiActiveProcessors = ~(KAFFINITY)0 >> (64 - count);
    DbgPrint("%u processor%s, clock %s, counter %I64u Hz\n", count, count == 1 ? "" : "s",
             ArchClockName(), ArchCounterFrequency);
}

static VOID LoadDriver(PCSTR Name)
{
    NTSTATUS status = IopLoadDriver(Name);

    if (!NT_SUCCESS(status))
        KdReportNotLoaded(Name, status);
}

static BOOLEAN DriversOptionIs(PCSTR Value)
{
    PCSTR which = KiGetOption("drivers");

    return which && strcmp(which, Value) == 0;
}

/* First those in the image, then files; a file takes the place of the one in the image. */
static VOID LoadDrivers(VOID)
{
    const DRIVER_IMAGE *driver = IopBuiltInDrivers;

    if (DriversOptionIs("none"))
        return;
    for (; driver->Name && !DriversOptionIs("files"); driver++)
        if (!LdrFindFile(driver->Name))
            LoadDriver(driver->Name);
    for (ULONG i = 0; i < LdrFileCount; i++)
        LoadDriver(LdrFiles[i].Name);
}

#if TESTS
static VOID RunTestsIfAsked(VOID)
{
    if (KiGetOption("bugcheck"))
        KiRunBugCheck(KiGetOption("bugcheck"));
    if (LdrFindFile("suites")) /* suites that are a driver's image take the kernel's place */
        LoadDriver("suites");
    if (KiGetOption("suite"))
        KiRunTests(KiGetOption("suite"));
}
#endif

/*
 * The kernel's first C code, on processor 0's start stack.
 *
 * IRQL:    HIGH_LEVEL, interrupts off (not checked)
 * Locks:   none
 * Context: the start
 * Returns: never
 */
VOID KiSystemStart(BOOT_INFO *BootInfo)
{
    ArchConsoleInitialize();
    CheckBootInfo(BootInfo);
    KiInitializeOptions(BootInfo->CommandLine);
    MmInitializePages(BootInfo);
    ArchInitializeProcessor(BootInfo);
    KdPrepareScreen(BootInfo);
    DbgPrint("Metronome, " BUILD_KIND " build, " __VERSION__ "\n");
    ExInitializePool();
    ArchInitializeMachine(BootInfo);
    KiInitializeTime(BootInfo);
    KiDpcTimeLimit = (ULONG)KiGetNumberOption("dpctimeout", KiDpcTimeLimit);
    KiDpcWatchdogLimit = (ULONG)KiGetNumberOption("dpcwatchdog", KiDpcWatchdogLimit);
    KiClockWatchdogLimit = (ULONG)KiGetNumberOption("clockwatchdog", KiClockWatchdogLimit);
    KiStartClock(KeGetCurrentPrcb());
    KiBootPcr.Prcb.Started = TRUE;
    ArchEnableInterrupts();
    KiLowerIrql(PASSIVE_LEVEL);

    PspInitialize();
    StartOthers();
    KdInitializeTrace();
    KdInitializeScreen();
    KiStartDpcThreads();
    ExpStartWorkers();
    LdrInitialize(BootInfo);
    IopInitialize();
#if TESTS
    RunTestsIfAsked();
#endif
    if (KiGetOption("demo"))
        KdDemonstration((ULONG)KiGetNumberOption("demo", 10), !DriversOptionIs("files"));
    KdInitializeInput();
    LoadDrivers();
    KdUseSerialDriver();
    KdMonitor();
}
