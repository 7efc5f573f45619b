/* Figures of timers that fall due: what an expiry costs, and how late a DPC routine starts. */
#include "bench.h"
#include "ke/time.h"

#define MICROSECONDS  10u /* in 100 ns */
#define SECONDS       10000000LL
#define LATE_SAMPLES  401
#define EXPIRY_ROUNDS 101

typedef struct _EXPIRING {
    KTIMER Timer;
    KDPC Dpc;
} EXPIRING, *PEXPIRING;

/* ---- many at one moment ---- */

/*
 * All timers for the same due time, which is far enough away to set them all before, even if the
 * host takes the processor away for a while.
 */
static VOID SetAll(PEXPIRING Timers, ULONG Count)
{
    LARGE_INTEGER due;

    KeQuerySystemTimePrecise(&due);
    due.QuadPart += BenchCounting ? SECONDS / 1000 + Count * 100LL : SECONDS / 5 + Count * 20LL;
    for (ULONG i = 0; i < Count; i++)
        KeSetTimer(&Timers[i].Timer, due, &Timers[i].Dpc);
}

/*
 * At HIGH_LEVEL until all are due; then, from the lowering of the IRQL: the clock interrupt, the
 * dispatch interrupt, all expiries, all DPC routines, and back. The tick is stopped meanwhile.
 */
static VOID ExpireAll(PEXPIRING Timers, ULONG Count, ULONG Sample)
{
    KIRQL oldIrql;
    ULONG64 due;

    BenchRuns = 0;
    SetAll(Timers, Count);
    due = Timers[Count - 1].Timer.DueTime.QuadPart;
    KeRaiseIrql(HIGH_LEVEL, &oldIrql);
    if (BenchRuns)
        BenchError("%u of %u timers were due too early", BenchRuns, Count);
    while (KiQueryInterruptTime() < due + SECONDS / 10000)
        ;
    BENCH_BEGIN();
    KeLowerIrql(PASSIVE_LEVEL);
    while (BenchRuns != Count) /* free-running, the emulator brings the interrupt some time later */
        ;
    BENCH_END();
    BenchTake(Sample, Count);
}

static VOID ExpireEach(ULONG Count)
{
    SIZE_T pages = (Count * sizeof(EXPIRING) + PAGE_SIZE - 1) / PAGE_SIZE;
    PEXPIRING timers = MmAllocatePages(pages);

    if (!timers) {
        BenchError("there is no memory for %u timers", Count);
        return;
    }
    for (ULONG i = 0; i < Count; i++) {
        KeInitializeTimer(&timers[i].Timer);
        KeInitializeDpc(&timers[i].Dpc, BenchEndDpc, NULL);
    }
    BenchStopTick();
    for (ULONG i = 0; i < EXPIRY_ROUNDS; i++)
        ExpireAll(timers, Count, i);
    BenchStartTick();
    BenchReport(EXPIRY_ROUNDS, "timer_expire_each_%u", Count);
    MmFreePages(timers, pages);
}

VOID BenchExpiry(VOID)
{
    ExpireEach(1000);
    if (BenchLimit >= 100000)
        ExpireEach(100000);
}

/* ---- lateness: from the exact due time to the DPC routine's first instruction ---- */

static KTIMER Timer;
static KDPC Dpc;

static VOID WaitBusy(VOID)
{
    while (BenchRuns == 0)
        ;
}

/* What the idle loop does. */
static VOID WaitIdle(VOID)
{
    PKPRCB prcb = KeGetCurrentPrcb();

    while (BenchRuns == 0) {
        ULONG_PTR flags = ArchDisableInterrupts();

        if (BenchRuns == 0) {
            prcb->DpcData.ProcessorIdle = TRUE;
            KiEnterIdle(prcb);
            ArchIdle();
        } else {
            ArchRestoreInterrupts(flags);
        }
    }
}

/* The two counts that KiCounterAtInterruptTime rounds up by are taken off again. */
static ULONG64 CountsAfter(ULONG64 Due)
{
    LONG late = (LONG)(BenchEnd - (ULONG)(KiCounterAtInterruptTime(Due) - 2));

    if (late < 0) {
        BenchError("a timer was %d counts early", -late);
        return 0;
    }
    return (ULONG64)late;
}

static VOID OneShot(PCSTR Name, VOID (*Wait)(VOID))
{
    for (ULONG i = 0; i < LATE_SAMPLES; i++) {
        ULONG interval = 50 * MICROSECONDS + BenchRandom(9950 * MICROSECONDS);

        BenchRuns = 0;
        KeSetTimer(&Timer, (LARGE_INTEGER){.QuadPart = -(LONGLONG)interval}, &Dpc);
        ULONG64 due = Timer.DueTime.QuadPart;
        Wait();
        BenchTakeCounts(i, CountsAfter(due));
    }
    BenchReportDistribution(LATE_SAMPLES, Name);
}

/* Free-running, a period that the host sleeps over is left out: the timer says which one is next.
 */
static VOID Periodic(PCSTR Name, VOID (*Wait)(VOID))
{
    LARGE_INTEGER first = {.QuadPart = -(LONGLONG)(1000 * MICROSECONDS)};
    KIRQL oldIrql;

    BenchRuns = 0;
    KeSetTimerEx(&Timer, first, 1, &Dpc);
    ULONG64 due = Timer.DueTime.QuadPart;
    for (ULONG i = 0; i < LATE_SAMPLES; i++) {
        Wait();
        KeRaiseIrql(DISPATCH_LEVEL, &oldIrql); /* nothing expires between these */
        BenchRuns = 0;
        BenchTakeCounts(i, CountsAfter(due));
        due = Timer.DueTime.QuadPart;
        KeLowerIrql(oldIrql);
    }
    KeCancelTimer(&Timer);
    BenchReportDistribution(LATE_SAMPLES, Name);
}

VOID BenchLateness(VOID)
{
    KeInitializeTimer(&Timer);
    KeInitializeDpc(&Dpc, BenchEndDpc, NULL);
    OneShot("timer_late", WaitBusy);
    Periodic("timer_late_periodic", WaitBusy);
    OneShot("timer_late_idle", WaitIdle);
    Periodic("timer_late_periodic_idle", WaitIdle);
}
