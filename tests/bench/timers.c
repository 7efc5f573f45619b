/* Figures of setting and cancelling a timer, with so many others pending. */
#include "bench.h"

#define MILLISECONDS 10000ULL /* in 100 ns */
#define SECONDS      10000000ULL
#define EARLIEST_DUE 1000 /* seconds: nothing expires while the figures are taken */
#define DUE_RANGE    3600 /* seconds */

static KTIMER Probe;
static PKTIMER Pending; /* the others, in pages of their own */
static ULONG PendingCount;

static LARGE_INTEGER RandomDueTime(VOID)
{
    ULONG64 due = EARLIEST_DUE * SECONDS + BenchRandom(DUE_RANGE) * SECONDS + BenchRandom(SECONDS);

    return (LARGE_INTEGER){.QuadPart = -(LONGLONG)due};
}

static VOID AddPending(ULONG Count)
{
    for (; PendingCount < Count; PendingCount++) {
        KeInitializeTimer(&Pending[PendingCount]);
        KeSetTimer(&Pending[PendingCount], RandomDueTime(), NULL);
    }
}

static VOID CancelPending(VOID)
{
    while (PendingCount) {
        if (!KeCancelTimer(&Pending[--PendingCount]))
            BenchError("timer %u was not pending", PendingCount);
    }
}

static VOID SetAtRandom(ULONG Pending)
{
    for (ULONG i = 0; i < BENCH_SAMPLES; i++) {
        LARGE_INTEGER due = RandomDueTime();

        BenchQuiet();
        BENCH_BEGIN();
        KeSetTimer(&Probe, due, NULL);
        BENCH_END();
        BenchTake(i, 1);
        KeCancelTimer(&Probe);
    }
    BenchReport(BENCH_SAMPLES, "timer_set_%u", Pending);
}

static VOID CancelAtRandom(ULONG Pending)
{
    for (ULONG i = 0; i < BENCH_SAMPLES; i++) {
        KeSetTimer(&Probe, RandomDueTime(), NULL);
        BenchQuiet();
        BENCH_BEGIN();
        KeCancelTimer(&Probe);
        BENCH_END();
        BenchTake(i, 1);
    }
    BenchReport(BENCH_SAMPLES, "timer_cancel_%u", Pending);
}

/* A timer that is set already: out and in again in one call. */
static VOID ResetAtRandom(ULONG Pending)
{
    KeSetTimer(&Probe, RandomDueTime(), NULL);
    for (ULONG i = 0; i < BENCH_SAMPLES; i++) {
        LARGE_INTEGER due = RandomDueTime();

        BenchQuiet();
        BENCH_BEGIN();
        KeSetTimer(&Probe, due, NULL);
        BENCH_END();
        BenchTake(i, 1);
    }
    KeCancelTimer(&Probe);
    BenchReport(BENCH_SAMPLES, "timer_reset_%u", Pending);
}

/* ---- the earliest: before all others and before the next tick, so the clock is set, too ---- */

static const LARGE_INTEGER Soon = {.QuadPart = -(LONGLONG)(MILLISECONDS / 5)};

static VOID SetAsEarliest(ULONG Pending)
{
    for (ULONG i = 0; i < BENCH_SAMPLES; i++) {
        BenchQuiet();
        BENCH_BEGIN();
        KeSetTimer(&Probe, Soon, NULL);
        BENCH_END();
        BenchTake(i, 1);
        KeCancelTimer(&Probe);
    }
    BenchReport(BENCH_SAMPLES, "timer_set_earliest_%u", Pending);
}

/* From one of the others to the earliest. */
static VOID ResetAsEarliest(ULONG Pending)
{
    for (ULONG i = 0; i < BENCH_SAMPLES; i++) {
        KeSetTimer(&Probe, RandomDueTime(), NULL);
        BenchQuiet();
        BENCH_BEGIN();
        KeSetTimer(&Probe, Soon, NULL);
        BENCH_END();
        BenchTake(i, 1);
        KeCancelTimer(&Probe);
    }
    BenchReport(BENCH_SAMPLES, "timer_reset_earliest_%u", Pending);
}

static VOID CancelEarliest(ULONG Pending)
{
    for (ULONG i = 0; i < BENCH_SAMPLES; i++) {
        BenchQuiet();
        KeSetTimer(&Probe, Soon, NULL);
        BENCH_BEGIN();
        KeCancelTimer(&Probe);
        BENCH_END();
        BenchTake(i, 1);
    }
    BenchReport(BENCH_SAMPLES, "timer_cancel_earliest_%u", Pending);
}

VOID BenchTimers(VOID)
{
    static const ULONG counts[] = {0, 100, 1000, 10000, 100000, 1000000};
    SIZE_T pages = (SIZE_T)BenchLimit * sizeof(KTIMER) / PAGE_SIZE + 1;

    Pending = MmAllocatePages(pages);
    if (!Pending) {
        BenchError("there is no memory for %u timers", BenchLimit);
        return;
    }
    KeInitializeTimer(&Probe);
    for (ULONG i = 0; i < ARRAYSIZE(counts) && counts[i] <= BenchLimit; i++) {
        AddPending(counts[i]);
        SetAtRandom(counts[i]);
        SetAsEarliest(counts[i]);
        ResetAtRandom(counts[i]);
        CancelAtRandom(counts[i]);
        ResetAsEarliest(counts[i]);
        CancelEarliest(counts[i]);
    }
    CancelPending();
    MmFreePages(Pending, pages);
}
