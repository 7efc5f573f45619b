/*
 * How much of the dispatcher is its one lock: pairs of threads that wake each other by events, each
 * pair on a processor of its own, so that they share nothing but the lock. A ping-pong is two
 * KeSetEvent, two waits that block, two switches.
 *
 * How long the lock is held and waited for is not measured in the kernel, which would change it,
 * but sampled: the real-time clock interrupts processor 0 thousands of times a second, above
 * DISPATCH_LEVEL, and the service routine looks at the lock and at where it has come in.
 */
#include "bench.h"
#include "kd.h"

#define RUN_TIME     10000000LL /* 100 ns: a second */
#define MOST_SAMPLES 16384u
#define FRAMES       12
#define RTC_LINE     8
#define RTC_8192_HZ  0x23
#define RTC_PERIODIC 0x40

typedef struct DECLSPEC_ALIGN(64) _PAIR { /* a processor's own cache lines */
    KEVENT Events[2];
    ULONG Processor;
    ULONG64 PingPongs;
    PVOID Threads[2];
} PAIR;

static PAIR Pairs[MAXIMUM_PROCESSORS];
static KEVENT Go;
static volatile BOOLEAN Stop;

static struct {
    PVOID Address; /* of the instruction that was interrupted */
    BOOLEAN Held;
} Samples[MOST_SAMPLES];
static ULONG SampleCount;

/* ---- the pairs ---- */

static VOID Wait(PKEVENT Event)
{
    KeWaitForSingleObject(Event, Executive, KernelMode, FALSE, NULL);
}

static VOID Play(PAIR *Pair, ULONG Me)
{
    KeSetSystemAffinityThreadEx((KAFFINITY)1 << Pair->Processor);
    Wait(&Go);
    while (!Stop) {
        KeSetEvent(&Pair->Events[!Me], IO_NO_INCREMENT, FALSE);
        Wait(&Pair->Events[Me]);
        Pair->PingPongs += Me;
    }
    KeSetEvent(&Pair->Events[!Me], IO_NO_INCREMENT, FALSE); /* the other one waits, perhaps */
}

static VOID PlayFirst(PVOID Context)
{
    Play(Context, 0);
}

static VOID PlaySecond(PVOID Context)
{
    Play(Context, 1);
}

static PVOID StartThread(PKSTART_ROUTINE Routine, PAIR *Pair)
{
    HANDLE handle;
    PVOID thread = NULL;

    if (NT_SUCCESS(
            PsCreateSystemThread(&handle, THREAD_ALL_ACCESS, NULL, NULL, NULL, Routine, Pair))) {
        ObReferenceObjectByHandle(handle, SYNCHRONIZE, *PsThreadType, KernelMode, &thread, NULL);
        ZwClose(handle);
    } else {
        BenchError("a thread could not be made");
    }
    return thread;
}

static VOID StartPairs(ULONG Count)
{
    KeInitializeEvent(&Go, NotificationEvent, FALSE);
    Stop = FALSE;
    for (ULONG i = 0; i < Count; i++) {
        PAIR *pair = &Pairs[i];

        KeInitializeEvent(&pair->Events[0], SynchronizationEvent, FALSE);
        KeInitializeEvent(&pair->Events[1], SynchronizationEvent, FALSE);
        pair->Processor = i;
        pair->PingPongs = 0;
        pair->Threads[0] = StartThread(PlayFirst, pair);
        pair->Threads[1] = StartThread(PlaySecond, pair);
    }
    KiSleep(RUN_TIME / 20); /* all of them are in their places */
}

static ULONG64 EndPairs(ULONG Count)
{
    ULONG64 sum = 0;

    Stop = TRUE;
    for (ULONG i = 0; i < Count; i++) {
        for (ULONG n = 0; n < 2; n++) {
            if (!Pairs[i].Threads[n])
                continue;
            KeWaitForSingleObject(Pairs[i].Threads[n], Executive, KernelMode, FALSE, NULL);
            ObDereferenceObject(Pairs[i].Threads[n]);
        }
        sum += Pairs[i].PingPongs;
    }
    return sum;
}

/* Lets Count pairs play for a while. Returns their ping-pongs; *Time: 100 ns. */
static ULONG64 RunPairs(ULONG Count, PULONG64 Time)
{
    ULONG64 start;

    StartPairs(Count);
    start = KiQueryInterruptTime();
    KeSetEvent(&Go, IO_NO_INCREMENT, FALSE);
    KiSleep(RUN_TIME);
    *Time = KiQueryInterruptTime() - start;
    return EndPairs(Count);
}

/* ---- the samples ---- */

static UCHAR ReadRtc(UCHAR Register)
{
    ArchOut8(0x70, Register);
    return ArchIn8(0x71);
}

static VOID WriteRtc(UCHAR Register, UCHAR Value)
{
    ArchOut8(0x70, Register);
    ArchOut8(0x71, Value);
}

/* The first address behind the stub of interrupts in the chain of frames. */
static PVOID InterruptedAddress(VOID)
{
    PVOID addresses[FRAMES];
    ULONG count = ArchBacktrace(NULL, addresses, FRAMES);

    for (ULONG i = 0; i + 1 < count; i++) {
        PCSTR name = KdFindSymbol(addresses[i], NULL);

        if (name && strcmp(name, "KiInterrupt") == 0)
            return addresses[i + 1];
    }
    return NULL;
}

/* The stall is of random length, so that the samples do not keep step with the ping-pongs. */
static BOOLEAN TakeSample(UNUSED PKINTERRUPT Interrupt, UNUSED PVOID Context)
{
    ReadRtc(0xC);
    if (SampleCount < MOST_SAMPLES && !Stop) {
        Samples[SampleCount].Held = KiDispatcherLock != 0;
        Samples[SampleCount++].Address = InterruptedAddress();
    }
    for (volatile ULONG turns = BenchRandom(400); turns > 0; turns--)
        ;
    return TRUE;
}

static PKINTERRUPT StartSampling(VOID)
{
    KAFFINITY possible;
    KIRQL irql;
    ULONG vector = HalGetInterruptVector(Isa, 0, RTC_LINE, RTC_LINE, &irql, &possible);
    PKINTERRUPT interrupt;

    SampleCount = 0;
    if (!NT_SUCCESS(IoConnectInterrupt(&interrupt, TakeSample, NULL, NULL, vector, irql, irql,
                                       Latched, FALSE, 1, FALSE))) {
        BenchError("the real-time clock could not be connected");
        return NULL;
    }
    WriteRtc(0xA, RTC_8192_HZ);
    WriteRtc(0xB, (UCHAR)((ReadRtc(0xB) & ~0x70u) | RTC_PERIODIC));
    ReadRtc(0xC);
    return interrupt;
}

static VOID EndSampling(PKINTERRUPT Interrupt)
{
    WriteRtc(0xB, (UCHAR)(ReadRtc(0xB) & ~0x70u));
    ReadRtc(0xC);
    if (Interrupt)
        IoDisconnectInterrupt(Interrupt);
}

/* Does this processor wait for the lock? There is no other that it might wait for. */
static BOOLEAN IsWaiting(PVOID Address)
{
    PCSTR name = Address ? KdFindSymbol(Address, NULL) : NULL;

    return name && strcmp(name, "KiWaitForLock") == 0;
}

static VOID ReportSamples(ULONG Count)
{
    ULONG held = 0, waiting = 0;

    for (ULONG i = 0; i < SampleCount; i++) {
        held += Samples[i].Held;
        waiting += IsWaiting(Samples[i].Address);
    }
    if (SampleCount < 100) {
        BenchError("%u samples are too few", SampleCount);
        return;
    }
    BenchPrint(held * 1000ull / SampleCount, "permille", "dispatcher_lock_held_smp%u_pairs%u",
               KeQueryActiveProcessorCountEx(ALL_PROCESSOR_GROUPS), Count);
    BenchPrint(waiting * 1000ull / SampleCount, "permille", "dispatcher_lock_waiting_smp%u_pairs%u",
               KeQueryActiveProcessorCountEx(ALL_PROCESSOR_GROUPS), Count);
}

/* ---- the figures ---- */

static VOID MeasurePairs(ULONG Count)
{
    ULONG64 time, pingPongs = RunPairs(Count, &time);
    PKINTERRUPT interrupt;

    if (pingPongs == 0) {
        BenchError("the pairs have not played");
        return;
    }
    if (BenchCounting)
        BenchPrint(time * 100 / COUNTS_AN_INSTRUCTION / pingPongs, "insn_about", "event_pingpong");
    else
        BenchPrint(pingPongs * 10000000ull / time, "per_s", "event_pingpong_per_s_smp%u_pairs%u",
                   KeQueryActiveProcessorCountEx(ALL_PROCESSOR_GROUPS), Count);
    interrupt = StartSampling();
    RunPairs(Count, &time);
    EndSampling(interrupt);
    ReportSamples(Count);
}

VOID BenchDispatcher(VOID)
{
    ULONG processors = KeQueryActiveProcessorCountEx(ALL_PROCESSOR_GROUPS);

    for (ULONG count = 1; count <= processors; count *= 2)
        MeasurePairs(count);
}
