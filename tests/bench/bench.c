/*
 * The benchmark's frame: where it comes into the kernel's start, samples and their statistics.
 * PASSIVE_LEVEL on processor 0.
 *
 * The kernel knows nothing of it. The linker puts the functions __wrap_* below in front of three
 * functions of the kernel (--wrap, in the Makefile), so the kernel that is measured has the same
 * object code as the free (or the checked) build.
 */
#include "bench.h"
#include "bootinfo.h"
#include <stdarg.h>

#define QUIET_TIME     5000u /* 100 ns */
#define KERNEL_ENTRY   13u   /* instructions of KiEntry before KiSystemStart */
#define SAMPLE_READING 2u    /* instructions that an empty sample counts */

volatile ULONG BenchStart, BenchEnd, BenchRuns;
ULONG BenchLimit;
BOOLEAN BenchCounting, BenchLoads;

static ULONG64 Samples[BENCH_MOST_SAMPLES]; /* counts */
static ULONG Reading;                       /* counts of an empty sample */
static ULONG64 InterruptsBefore;            /* clock interrupts, at BenchQuiet */
static ULONG64 EntryCounter, DriverCounter;
static ULONG64 LoaderPages; /* that the loader has left free */
static ULONG Errors;

/* ---- text ---- */

static VOID PrintName(PCSTR Kind, PCSTR Format, va_list Arguments)
{
    CHAR name[96];

    RtlStringPrintV(name, sizeof(name), Format, Arguments);
    DbgPrint("%s %s", Kind, name);
}

VOID BenchPrint(ULONG64 Value, PCSTR Unit, PCSTR Format, ...)
{
    va_list arguments;

    va_start(arguments, Format);
    PrintName("BENCH", Format, arguments);
    va_end(arguments);
    DbgPrint(" %I64u %s\n", Value, Unit);
}

VOID BenchError(PCSTR Format, ...)
{
    va_list arguments;

    va_start(arguments, Format);
    PrintName("BENCH_ERROR", Format, arguments);
    va_end(arguments);
    DbgPrint("\n");
    Errors++;
}

/* ---- samples ---- */

VOID BenchQuiet(VOID)
{
    PKPRCB prcb = KeGetCurrentPrcb();
    const volatile ULONG64 *deadline = &prcb->Clock.Deadline;

    while (*deadline < KiQueryInterruptTime() + QUIET_TIME)
        ;
    InterruptsBefore = prcb->Clock.Interrupts;
}

VOID BenchStopTick(VOID)
{
    KIRQL oldIrql = KfRaiseIrql(CLOCK_LEVEL);

    KeGetCurrentPrcb()->Clock.NextTick = KeGetCurrentPrcb()->Clock.NextTickCounter = MAXULONG64;
    KiSetClockForTimers(KeGetCurrentPrcb());
    KeLowerIrql(oldIrql);
}

VOID BenchStartTick(VOID)
{
    KIRQL oldIrql = KfRaiseIrql(CLOCK_LEVEL);

    KiStartClock(KeGetCurrentPrcb());
    KeLowerIrql(oldIrql);
}

VOID BenchTakeCounts(ULONG Index, ULONG64 Counts)
{
    Samples[Index] = Counts;
}

VOID BenchTake(ULONG Index, ULONG Operations)
{
    ULONG counts = BenchEnd - BenchStart;

    if (BenchCounting && Operations == 1 &&
        KeGetCurrentPrcb()->Clock.Interrupts != InterruptsBefore)
        BenchError("sample %u was disturbed by a clock interrupt", Index);
    Samples[Index] = counts > Reading ? (counts - Reading) / Operations : 0;
}

static VOID Sort(ULONG64 *Values, ULONG Count)
{
    for (ULONG i = 1; i < Count; i++) {
        ULONG64 value = Values[i];
        ULONG place = i;

        for (; place > 0 && Values[place - 1] > value; place--)
            Values[place] = Values[place - 1];
        Values[place] = value;
    }
}

/* Instructions, to the nearest one; free-running, nanoseconds. */
static ULONG64 InUnits(ULONG64 Counts)
{
    if (BenchCounting)
        return (Counts + COUNTS_AN_INSTRUCTION / 2) / COUNTS_AN_INSTRUCTION;
    return Counts * 1000 / (ArchCounterFrequency / 1000000);
}

static PCSTR Unit(VOID)
{
    return BenchCounting ? "insn" : "ns";
}

VOID BenchReport(ULONG Count, PCSTR Format, ...)
{
    va_list arguments;

    Sort(Samples, Count);
    va_start(arguments, Format);
    PrintName("BENCH", Format, arguments);
    va_end(arguments);
    DbgPrint(" %I64u %s min %I64u p99 %I64u max %I64u\n", InUnits(Samples[Count / 2]), Unit(),
             InUnits(Samples[0]), InUnits(Samples[Count * 99 / 100]), InUnits(Samples[Count - 1]));
}

VOID BenchReportDistribution(ULONG Count, PCSTR Name)
{
    Sort(Samples, Count);
    BenchPrint(InUnits(Samples[Count / 2]), Unit(), "%s_p50", Name);
    BenchPrint(InUnits(Samples[Count * 99 / 100]), Unit(), "%s_p99", Name);
    BenchPrint(InUnits(Samples[Count - 1]), Unit(), "%s_max", Name);
}

/* Nothing stands before the reading, not even a stack frame; then one store, and the count. */
__attribute__((naked)) VOID BenchEndDpc(UNUSED PKDPC Dpc, UNUSED PVOID DeferredContext,
                                        UNUSED PVOID SystemArgument1, UNUSED PVOID SystemArgument2)
{
    __asm__ volatile("rdtsc; movl %eax, BenchEnd(%rip); incl BenchRuns(%rip); ret");
}

ULONG BenchRandom(ULONG Below)
{
    static ULONG64 state = 0x9E3779B97F4A7C15ULL; /* xorshift */

    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return (ULONG)(((state * 0x2545F4914F6CDD1DULL) >> 32) * Below >> 32);
}

/* ---- the unit ---- */

static VOID CheckLength(ULONG Expected, PCSTR What)
{
    ULONG counts = BenchEnd - BenchStart - Reading;

    if (counts != Expected * COUNTS_AN_INSTRUCTION)
        BenchError("the unit is wrong: %s are %u instructions and count %u/16", What, Expected,
                   counts);
}

/*
 * The unit, proved in the run itself: an empty sample, 1000 instructions in a row, and a loop.
 */
static VOID CheckUnit(VOID)
{
    Reading = SAMPLE_READING * COUNTS_AN_INSTRUCTION;
    BenchQuiet();
    BENCH_BEGIN();
    BENCH_END();
    CheckLength(0, "no instructions");

    BenchQuiet();
    BENCH_BEGIN();
    __asm__ volatile(".rept 1000; nop; .endr");
    BENCH_END();
    CheckLength(1000, "nops");

    BenchQuiet();
    BENCH_BEGIN();
    __asm__ volatile("movl $5000, %%ecx; 1: decl %%ecx; jnz 1b" : : : "rcx", "cc");
    BENCH_END();
    CheckLength(10001, "rounds of a loop");
    BenchPrint(BenchEnd - BenchStart - Reading, "counts", "unit_10001_insn");
}

/* Free-running, the shortest empty sample is what the readings cost at least. */
static VOID MeasureReading(VOID)
{
    Reading = MAXULONG;
    for (ULONG i = 0; i < BENCH_SAMPLES; i++) {
        BENCH_BEGIN();
        BENCH_END();
        if (BenchEnd - BenchStart < Reading)
            Reading = BenchEnd - BenchStart;
    }
}

/* ---- the run ---- */

/*
 * At the prompt, with the sample drivers loaded: the instructions since the kernel's entry, and
 * the memory that the kernel has taken of what the loader has left. The image, which lies
 * elsewhere, is added by tests/bench/run, which knows its size without the benchmark.
 */
static VOID BenchBoot(VOID)
{
    MM_INFORMATION memory;

    MmQueryInformation(&memory);
    BenchPrint(InUnits(DriverCounter - EntryCounter) + KERNEL_ENTRY, "insn",
               "boot_entry_to_first_driver");
    BenchPrint((LoaderPages - memory.FreePages) * PAGE_SIZE, "bytes", "memory_pages");
}

static VOID BenchOneProcessor(VOID)
{
    if (BenchCounting)
        CheckUnit();
    else
        MeasureReading();
    BenchLocks();
    BenchDpcs();
    BenchTrace();
    BenchThreads();
    BenchRequests();
    BenchTimers();
    BenchExpiry();
    BenchLateness();
}

/*
 * Runs what the option bench= names and ends the emulator. The option counting says that the
 * emulator counts instructions; without it, the figures are nanoseconds.
 */
static VOID RunBenchmarks(PCSTR What)
{
    BenchCounting = KiGetOption("counting") != NULL;
    BenchLimit = (ULONG)KiGetNumberOption("limit", 1000000);
    if (strcmp(What, "all") == 0)
        BenchOneProcessor();
    else if (strcmp(What, "boot") == 0)
        BenchBoot();
    else if (strcmp(What, "queues") == 0)
        BenchQueues();
    else if (strcmp(What, "lateness") == 0)
        BenchLateness();
    else if (strcmp(What, "smp") == 0)
        BenchProcessors();
    else if (strcmp(What, "dispatcher") == 0)
        BenchDispatcher();
    else
        BenchError("bench=%s names nothing", What);
    DbgPrint("BENCH_END %u errors\n", Errors);
    ArchExit(Errors ? EXIT_FAILED_VALUE : EXIT_SUCCESS_VALUE);
}

/* ---- in front of the kernel's functions ---- */

VOID __real_KiSystemStart(BOOT_INFO *BootInfo);
VOID __wrap_KiSystemStart(BOOT_INFO *BootInfo);
NTSTATUS __real_IopLoadDriver(PCSTR Name);
NTSTATUS __wrap_IopLoadDriver(PCSTR Name);
DECLSPEC_NORETURN VOID __real_KdMonitor(VOID);
DECLSPEC_NORETURN VOID __wrap_KdMonitor(VOID);

/*
 * The emulator keeps what it has translated of the firmware's code, and a store to a page with such
 * code takes a hundred times as long as another, even when the page is the kernel's data by now: a
 * matter of luck that free-running figures must not depend on. It forgets what is overwritten.
 */
static VOID ForgetFirmware(const BOOT_MEMORY_RANGE *Free)
{
    PVOID page = ArchPhysicalToVirtual(Free->Base);
    ULONG64 words = Free->Pages * PAGE_SIZE / sizeof(ULONG64);

    __asm__ volatile("rep stosq" : "+D"(page), "+c"(words) : "a"(0) : "memory");
}

VOID __wrap_KiSystemStart(BOOT_INFO *BootInfo)
{
    for (ULONG i = 0; i < BootInfo->RangeCount; i++) {
        if (BootInfo->Ranges[i].Type == BootMemoryFree) {
            ForgetFirmware(&BootInfo->Ranges[i]);
            LoaderPages += BootInfo->Ranges[i].Pages;
        }
    }
    EntryCounter = ArchReadCounter();
    __real_KiSystemStart(BootInfo);
}

NTSTATUS __wrap_IopLoadDriver(PCSTR Name)
{
    if (DriverCounter == 0)
        DriverCounter = ArchReadCounter();
    if (strncmp(Name, "bench", 5) == 0 && !BenchLoads) /* not at the start, with the samples */
        return STATUS_SUCCESS;
    return __real_IopLoadDriver(Name);
}

VOID __wrap_KdMonitor(VOID)
{
    PCSTR what = KiGetOption("bench");

    if (what)
        RunBenchmarks(what);
    __real_KdMonitor();
}
