/*
 * The benchmark's framework. Linked into the configurations bench and bench-checked only; the
 * kernel's own objects there are those of the free and the checked build.
 *
 * A sample is two readings of the time-stamp counter. In QEMU's instruction counting mode with
 * shift=4 that counter advances by 16 an instruction, and RDTSC ends a translation block, so the
 * difference is exact. What the two readings cost themselves is measured and taken off.
 */
#ifndef METRONOME_BENCH_H
#define METRONOME_BENCH_H

#include "ke.h"
#include "ex.h"

#define COUNTS_AN_INSTRUCTION 16  /* -icount shift=4: 16 ns, and a counter of 1 GHz */
#define BENCH_SAMPLES         201 /* of each figure, unless it says otherwise */
#define BENCH_MOST_SAMPLES    512
#define BENCH_TAG             'hcnB'

#define UNUSED __attribute__((unused))
#define DPC_ROUTINE(name)                                                            \
    static VOID name(UNUSED PKDPC Dpc, UNUSED PVOID Context, UNUSED PVOID Argument1, \
                     UNUSED PVOID Argument2)

/* The counter at a sample's two ends: the low 32 bits, which come round after 4 seconds. */
extern volatile ULONG BenchStart, BenchEnd;

/*
 * One instruction follows each reading, so an empty sample costs two. The registers of a call's
 * arguments are named so that the compiler loads them inside of the sample, where they belong.
 */
#define BENCH_BEGIN()                        \
    __asm__ volatile("rdtsc; movl %%eax, %0" \
                     : "=m"(BenchStart)      \
                     :                       \
                     : "rax", "rdx", "rcx", "r8", "r9", "r10", "r11", "memory")
#define BENCH_END() \
    __asm__ volatile("rdtsc; movl %%eax, %0" : "=m"(BenchEnd) : : "rax", "rdx", "memory")

/* ---- samples (bench.c) ---- */

/*
 * Spins until the next clock interrupt is at least half a millisecond of guest time away. So a
 * short sample lies between two ticks, and nothing has to be discarded: BenchTake proves it.
 */
VOID BenchQuiet(VOID);

/* Stops this processor's tick, as the idle loop does, and starts it again: for long samples. */
VOID BenchStopTick(VOID);
VOID BenchStartTick(VOID);

/*
 * Ends sample Index: BenchEnd - BenchStart without the readings' own cost, by Operations. A clock
 * interrupt since BenchQuiet is reported and makes the run fail, when instructions are counted.
 */
VOID BenchTake(ULONG Index, ULONG Operations);

/* A sample that somebody else has measured, in counts. */
VOID BenchTakeCounts(ULONG Index, ULONG64 Counts);

/* Prints the median of the first Count samples, as instructions or, free-running, as ns. */
VOID BenchReport(ULONG Count, PCSTR Format, ...);

/* As BenchReport, but the 50th and 99th percentile and the maximum, as three figures. */
VOID BenchReportDistribution(ULONG Count, PCSTR Name);

/* One number of another kind. */
VOID BenchPrint(ULONG64 Value, PCSTR Unit, PCSTR Format, ...);

/* Reports what makes the figures worthless; the run ends with a failure. */
VOID BenchError(PCSTR Format, ...);

/* Measures an operation that needs no preparation. */
#define MEASURE(name, statement)                       \
    do {                                               \
        for (ULONG s_ = 0; s_ < BENCH_SAMPLES; s_++) { \
            BenchQuiet();                              \
            BENCH_BEGIN();                             \
            statement;                                 \
            BENCH_END();                               \
            BenchTake(s_, 1);                          \
        }                                              \
        BenchReport(BENCH_SAMPLES, name);              \
    } while (0)

/* A DPC routine that is nothing but the end of a sample, and how often it has run. */
KDEFERRED_ROUTINE BenchEndDpc;
extern volatile ULONG BenchRuns;

/* The same numbers in every run. Any IRQL, one processor. */
ULONG BenchRandom(ULONG Below);

/* Are instructions counted? Otherwise the run is free-running, and the host may stop it anywhere.
 */
extern BOOLEAN BenchCounting;

/* Set while a driver of the benchmark's own may be loaded. */
extern BOOLEAN BenchLoads;

/* The largest N of the timer figures: the option limit=. */
extern ULONG BenchLimit;

/* ---- the figures ---- */

VOID BenchLocks(VOID);      /* locks.c */
VOID BenchDpcs(VOID);       /* dpcs.c */
VOID BenchTrace(VOID);      /* trace.c */
VOID BenchTimers(VOID);     /* timers.c */
VOID BenchThreads(VOID);    /* threads.c */
VOID BenchRequests(VOID);   /* requests.c */
VOID BenchQueues(VOID);     /* queues.c */
VOID BenchExpiry(VOID);     /* expiry.c */
VOID BenchLateness(VOID);   /* expiry.c */
VOID BenchProcessors(VOID); /* processors.c */
VOID BenchDispatcher(VOID); /* dispatcher.c */

#endif
