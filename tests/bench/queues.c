/* Figures of three timer queues side by side: docs/book, "Which timer queue?". */
#include "queues.h"

#define SAMPLES 101
#define RANGE   0xFFFFFFFFu /* due times are random below it: 429 seconds */

static KTIMER Timers[MOST_QUEUED];

static VOID Fill(const TIMER_KEEPER *Keeper, ULONG Count)
{
    Keeper->Clear();
    for (ULONG i = 0; i < Count; i++)
        Keeper->Set(&Timers[i], 1 + BenchRandom(RANGE));
}

/* With Count others pending. The probe is Timers[Count]. */
static VOID SetAndCancel(const TIMER_KEEPER *Keeper, ULONG Count)
{
    PKTIMER probe = &Timers[Count];

    Fill(Keeper, Count);
    for (ULONG i = 0; i < SAMPLES; i++) {
        ULONG64 due = 1 + BenchRandom(RANGE);

        BenchQuiet();
        BENCH_BEGIN();
        Keeper->Set(probe, due);
        BENCH_END();
        BenchTake(i, 1);
        Keeper->Cancel(probe);
    }
    BenchReport(SAMPLES, "queue_%s_set_%u", Keeper->Name, Count);
    for (ULONG i = 0; i < SAMPLES; i++) {
        Keeper->Set(probe, 1 + BenchRandom(RANGE));
        BenchQuiet();
        BENCH_BEGIN();
        Keeper->Cancel(probe);
        BENCH_END();
        BenchTake(i, 1);
    }
    BenchReport(SAMPLES, "queue_%s_cancel_%u", Keeper->Name, Count);
}

/*
 * All of Count timers, one after the other, in as many steps of time: what each costs on the
 * average, moves to lower levels included. In order, or the figure is worthless.
 */
static VOID ExpireAll(const TIMER_KEEPER *Keeper, ULONG Count)
{
    ULONG64 last = 0, sum = 0;
    ULONG taken = 0;
    PKTIMER timer;

    Fill(Keeper, Count);
    for (ULONG step = 1; step <= Count; step++) {
        ULONG64 now = (ULONG64)RANGE * step / Count + 1;

        do {
            BenchQuiet();
            BENCH_BEGIN();
            timer = Keeper->TakeFirst(now);
            BENCH_END();
            BenchTake(0, 1);
            sum += BenchEnd - BenchStart;
            if (timer) {
                if (timer->DueTime.QuadPart < last)
                    BenchError("%s: a timer comes too late", Keeper->Name);
                last = timer->DueTime.QuadPart;
                taken++;
            }
        } while (timer);
    }
    if (taken != Count)
        BenchError("%s: %u of %u timers have expired", Keeper->Name, taken, Count);
    BenchPrint(sum / COUNTS_AN_INSTRUCTION / Count, "insn", "queue_%s_expire_%u", Keeper->Name,
               Count);
}

VOID BenchQueues(VOID)
{
    static const TIMER_KEEPER *const keepers[] = {&BenchLevels, &BenchSortedList, &BenchHeap};
    static const ULONG counts[] = {1, 10, 100, 1000, 10000};

    BenchStopTick(); /* a long list takes longer than the time between two ticks */
    for (ULONG k = 0; k < ARRAYSIZE(keepers); k++) {
        for (ULONG i = 0; i < ARRAYSIZE(counts); i++) {
            SetAndCancel(keepers[k], counts[i]);
            ExpireAll(keepers[k], counts[i]);
        }
    }
    BenchStartTick();
}
