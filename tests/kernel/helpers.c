/*
 * Time, chance, the order of events, probes and device vectors for the tests. Any IRQL unless
 * suite.h says otherwise.
 */
#include "suite.h"

/* ---- time ---- */

ULONG64 KtNow(VOID)
{
    ULONG64 counter;

    return KeQueryInterruptTimePrecise(&counter);
}

ULONG64 KtSystemNow(VOID)
{
    LARGE_INTEGER now;

    KeQuerySystemTimePrecise(&now);
    return (ULONG64)now.QuadPart;
}

LARGE_INTEGER KtIn(ULONG64 Interval)
{
    return (LARGE_INTEGER){.QuadPart = -(LONGLONG)Interval};
}

LARGE_INTEGER KtAt(ULONG64 SystemTime)
{
    return (LARGE_INTEGER){.QuadPart = (LONGLONG)SystemTime};
}

VOID KtStall(ULONG64 Interval)
{
    ULONG64 start = KtNow();

    while (KtNow() - start < Interval)
        ArchPause();
}

BOOLEAN KtSpinUntil(const volatile LONG *Value, LONG Least)
{
    ULONG64 start = KtNow();

    while (*Value < Least) {
        if (KtNow() - start > KT_PATIENCE)
            return FALSE;
        ArchPause();
    }
    return TRUE;
}

BOOLEAN KtSleepUntil(const volatile LONG *Value, LONG Least)
{
    ULONG64 start = KtNow();

    while (*Value < Least) {
        if (KtNow() - start > KT_PATIENCE)
            return FALSE;
        KiSleep(MILLISECONDS(1));
    }
    return TRUE;
}

VOID KtNextTick(VOID)
{
    LARGE_INTEGER before, now;

    KeQueryTickCount(&before);
    do {
        ArchPause();
        KeQueryTickCount(&now);
    } while (now.QuadPart == before.QuadPart);
}

VOID KtAwaitClock(VOID)
{
    volatile ULONG64 *interrupts = &KeGetCurrentPrcb()->Clock.Interrupts;
    ULONG64 before = *interrupts;

    while (*interrupts == before)
        ArchPause();
}

BOOLEAN KtIsExact(VOID)
{
    return KiGetOption("exact") != NULL;
}

/* ---- chance ---- */

/* Each processor's state of a 64-bit xorshift generator; 0: not seeded yet. */
static ULONG64 RandomStates[MAXIMUM_PROCESSORS];

ULONG KtRandom(ULONG Below)
{
    ULONG processor = KeGetCurrentProcessorIndex();
    ULONG64 x = RandomStates[processor];

    if (x == 0)
        x = (KiGetNumberOption("seed", 1) + 1) * 0x9E3779B97F4A7C15ULL + processor * 0x1234567ULL;
    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    RandomStates[processor] = x;
    return (ULONG)(((x * 0x2545F4914F6CDD1DULL) >> 32) % Below);
}

VOID KtJitter(ULONG Most)
{
    for (volatile ULONG i = KtRandom(Most + 1); i > 0; i--)
        ;
}

/* ---- the order of events ---- */

static CHAR Trace[128];
static volatile LONG TraceLength;

VOID KtTraceReset(VOID)
{
    memset(Trace, 0, sizeof(Trace));
    TraceLength = 0;
}

VOID KtTrace(CHAR Event)
{
    LONG place = InterlockedIncrement(&TraceLength) - 1;

    if (place < (LONG)sizeof(Trace) - 1)
        Trace[place] = Event;
}

PCSTR KtTraceText(VOID)
{
    return Trace;
}

ULONG KtCountBits(ULONG64 Bits)
{
    ULONG count = 0;

    for (; Bits; Bits &= Bits - 1)
        count++;
    return count;
}

/* ---- probes ---- */

VOID KtProbeRoutine(PKDPC Dpc, PVOID DeferredContext, PVOID SystemArgument1, PVOID SystemArgument2)
{
    PKT_PROBE probe = DeferredContext;

    InterlockedIncrement(&probe->Started);
    probe->When = KtNow();
    probe->SystemWhen = KtSystemNow();
    probe->RunDpc = Dpc;
    probe->Argument1 = SystemArgument1;
    probe->Argument2 = SystemArgument2;
    probe->Processor = KeGetCurrentProcessorIndex();
    probe->Irql = KeGetCurrentIrql();
    probe->Interruptible = ArchInterruptsEnabled();
    probe->ExecutingDpc = KeIsExecutingDpc() != 0;
    if (probe->Event)
        KtTrace(probe->Event);
    InterlockedIncrement(&probe->Runs);
}

VOID KtPrepareProbe(PKT_PROBE Probe)
{
    KtPoison(Probe);
    Probe->Runs = Probe->Started = 0;
    Probe->Event = 0;
    KeInitializeTimer(&Probe->Timer);
    KeInitializeDpc(&Probe->Dpc, KtProbeRoutine, Probe);
}

BOOLEAN KtSetProbe(PKT_PROBE Probe, LARGE_INTEGER DueTime, LONG Period)
{
    return KeSetTimerEx(&Probe->Timer, DueTime, Period, &Probe->Dpc);
}

/* ---- device vectors ---- */

NTSTATUS KtConnect(PKINTERRUPT *Interrupt, UCHAR Vector, PKSERVICE_ROUTINE Routine, PVOID Context)
{
    return IoConnectInterrupt(Interrupt, Routine, Context, NULL, Vector, VECTOR_IRQL(Vector),
                              VECTOR_IRQL(Vector), Latched, FALSE, KeQueryActiveProcessors(),
                              FALSE);
}

VOID KtInterruptHere(UCHAR Vector)
{
    KIRQL oldIrql = KfRaiseIrql(HIGH_LEVEL);

    ArchSendInterrupt(KeGetCurrentProcessorIndex(), Vector);
    KeLowerIrql(oldIrql);
}
