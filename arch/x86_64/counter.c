/*
 * How fast the time counter (the TSC) and the local APIC's timer run, measured at the start
 * against a counter of known frequency. Interrupts are off; but below an emulator the processor
 * can lose time between any two instructions, so every reading is bracketed and the tightest
 * of several is taken.
 */
#include "counter.h"
#include "apic.h"
#include "ke.h"
#include "muldiv.h"
#include "platform.h"

#define WINDOWS          3
#define WINDOWS_A_SECOND 60      /* a window lasts a sixtieth of a second */
#define EDGE_READS       8       /* at each end of a window */
#define STUCK_READS      100000u /* without a change: it does not count at all */
#define WINDOW_READS     1000000u

ULONG64 ArchCounterFrequency;
ULONG64 CounterApicFraction;

/* What a counter read while the time counter stood within Width / 2 of Time. */
typedef struct _READING {
    ULONG Value;
    ULONG64 Time;
    ULONG64 Width;
} READING;

/* Both timers over one window. Uncertainty: in counts, of the differences. */
typedef struct _WINDOW {
    ULONG64 Counts, ReferenceTicks;
    ULONG64 ApicCounts, ApicTicks;
    ULONG64 Uncertainty, ApicUncertainty;
} WINDOW;

/* The APIC's timer counts down. */
static ULONG ReadApicTimer(VOID)
{
    return ~ApicRead(APIC_TIMER_CURRENT);
}

static READING ReadBracketed(COUNTER_READ *Read)
{
    READING best = {0, 0, MAXULONG64};

    for (ULONG i = 0; i < EDGE_READS; i++) {
        ULONG64 before = ArchReadCounter();
        ULONG value = Read();
        ULONG64 after = ArchReadCounter();

        if (after - before < best.Width)
            best = (READING){value, before + (after - before) / 2, after - before};
    }
    return best;
}

static BOOLEAN IsCounting(const REFERENCE *Reference)
{
    ULONG first = Reference->Read() & Reference->Mask;

    for (ULONG i = 0; i < STUCK_READS; i++) {
        if ((Reference->Read() & Reference->Mask) != first)
            return TRUE;
    }
    return FALSE;
}

/* FALSE if the reference stops before the window ends. */
static BOOLEAN MeasureWindow(const REFERENCE *Reference, WINDOW *Window)
{
    ULONG length = (ULONG)(Reference->Frequency / WINDOWS_A_SECOND);
    READING apicStart, start, end, apicEnd;
    ULONG reads = 0;

    ApicWrite(APIC_TIMER_COUNT, MAXULONG);
    apicStart = ReadBracketed(ReadApicTimer);
    start = ReadBracketed(Reference->Read);
    while (((Reference->Read() - start.Value) & Reference->Mask) < length) {
        if (++reads == WINDOW_READS)
            return FALSE;
    }
    end = ReadBracketed(Reference->Read);
    apicEnd = ReadBracketed(ReadApicTimer);

    Window->Counts = end.Time - start.Time;
    Window->ReferenceTicks = (end.Value - start.Value) & Reference->Mask;
    Window->Uncertainty = start.Width / 2 + end.Width / 2;
    Window->ApicCounts = apicEnd.Time - apicStart.Time;
    Window->ApicTicks = apicEnd.Value - apicStart.Value;
    Window->ApicUncertainty = apicStart.Width / 2 + apicEnd.Width / 2;
    return TRUE;
}

/*
 * A window that took far longer than another was interrupted from outside for so long that the
 * reference or the APIC's timer may have come round: only those near the shortest count.
 */
static const WINDOW *BestWindow(const WINDOW *Windows)
{
    const WINDOW *best = NULL;
    ULONG64 shortest = MAXULONG64;

    for (ULONG i = 0; i < WINDOWS; i++) {
        if (Windows[i].Counts < shortest)
            shortest = Windows[i].Counts;
    }
    for (ULONG i = 0; i < WINDOWS; i++) {
        if (Windows[i].Counts / 2 >= shortest)
            continue;
        if (best == NULL || Windows[i].Uncertainty + Windows[i].ApicUncertainty <
                                best->Uncertainty + best->ApicUncertainty)
            best = &Windows[i];
    }
    return best;
}

/*
 * FALSE if the reference cannot be used. The APIC's fraction is taken too large by its own
 * uncertainty: with one that is too small every clock interrupt would be early, and would have
 * to be asked for again.
 */
static BOOLEAN MeasureAgainst(const REFERENCE *Reference)
{
    WINDOW windows[WINDOWS];
    const WINDOW *best;

    for (ULONG i = 0; i < WINDOWS; i++) {
        if (!MeasureWindow(Reference, &windows[i]))
            return FALSE;
    }
    best = BestWindow(windows);
    if (best == NULL)
        ArchCannotStart("The processor's time-stamp counter does not count.");
    ArchCounterFrequency =
        ArchMultiplyDivide(best->Counts, Reference->Frequency, best->ReferenceTicks);
    CounterApicFraction = 0;
    if (best->ApicTicks != 0)
        CounterApicFraction = ArchMultiplyDivide(best->ApicTicks, 1ULL << 32,
                                                 best->ApicCounts - best->ApicUncertainty) +
                              1;
    return TRUE;
}

/*
 * Measures the time counter and the local APIC's timer against the HPET, else the ACPI timer,
 * else the PIT.
 *
 * IRQL:    HIGH_LEVEL, interrupts off (not checked)
 * Locks:   none
 * Context: once, on the boot processor, after ApicInitialize and HpetInitialize
 * Returns: if one of them could be used; ends the start if none could
 */
VOID CounterCalibrate(VOID)
{
    static BOOLEAN (*const references[])(REFERENCE *) = {HpetReference, PmTimerReference,
                                                         PitReference};
    ULONG timerEntry = ApicRead(APIC_LVT_TIMER);

    ApicWrite(APIC_LVT_TIMER, timerEntry | APIC_LVT_MASKED);
    for (ULONG i = 0; i < ARRAYSIZE(references) && ArchCounterFrequency == 0; i++) {
        REFERENCE reference;

        if (!references[i](&reference) || !IsCounting(&reference))
            continue;
        if (MeasureAgainst(&reference))
            DbgPrint("Counter: %u kHz, measured against the %s.\n",
                     (ULONG)(ArchCounterFrequency / 1000), reference.Name);
    }
    ApicWrite(APIC_TIMER_COUNT, 0);
    ApicWrite(APIC_LVT_TIMER, timerEntry);
    if (ArchCounterFrequency == 0)
        ArchCannotStart("There is no HPET, ACPI timer or PIT to measure the processor's counter.");
}
