/*
 * The event trace: each kind of event, in the order in which things happen, seen through the same
 * reader that `stats` uses. A test names the objects and vectors that are its own; what else the
 * machine does meanwhile (clock interrupts, other processors) is left out by that.
 */
#define SUITE "trace"
#include "suite.h"
#include "apc_tool.h"
#include "irp_tool.h"
#include "thread_tool.h"
#include "kd/kdtrace.h"

#define RING_EVENTS 1024u /* as many as a checked build has anyway */
#define MOST_OWN    8

/* One letter for each type of event, for CHECK_TRACE. */
static const CHAR Letters[TraceTypes] = {
    [TraceIrqlRaise] = 'r',     [TraceIrqlLower] = 'l',        [TraceInterruptEnter] = '(',
    [TraceInterruptExit] = ')', [TraceInterruptRequest] = '!', [TraceServiceStart] = 's',
    [TraceServiceEnd] = 'S',    [TraceDpcQueue] = 'q',         [TraceDpcRemove] = 'm',
    [TraceDpcStart] = 'd',      [TraceDpcEnd] = 'D',           [TraceTimerSet] = 't',
    [TraceTimerCancel] = 'c',   [TraceTimerExpire] = 'x',      [TraceLockAcquire] = 'a',
    [TraceLockContend] = 'w',   [TraceLockRelease] = 'f',      [TraceThreadSwitch] = 'T',
    [TraceThreadReady] = 'R',   [TraceThreadWait] = 'W',       [TraceThreadWake] = 'K',
    [TraceIrpDispatch] = 'i',   [TraceIrpComplete] = 'C',
};

static KD_TRACE_READER Reader;
static ULONG64 Marks[MAXIMUM_PROCESSORS];
static UCHAR ClassesBefore;
static ULONG64 Own[MOST_OWN]; /* objects, or vectors */
static ULONG OwnCount;
static KTRACE_EVENT Last[TraceTypes]; /* of the test's own events, by type */
static ULONG LastProcessor[TraceTypes];

static VOID Mine(ULONG64 Thing)
{
    Own[OwnCount++] = Thing;
}

static BOOLEAN IsMine(ULONG64 Thing)
{
    for (ULONG n = 0; n < OwnCount; n++)
        if (Own[n] == Thing)
            return TRUE;
    return FALSE;
}

/* From here on events count. */
static BOOLEAN Begin(UCHAR Classes)
{
    ClassesBefore = KdTraceClasses;
    if (!KdpMakeTrace(RING_EVENTS, FALSE)) {
        KtSkip("there is no memory for the rings");
        return FALSE;
    }
    RtlZeroMemory(Last, sizeof(Last));
    KdpSetTraceClasses(Classes);
    for (LONG n = 0; n < KeNumberProcessors; n++)
        Marks[n] = KiProcessorBlock[n]->TraceRing->Next;
    return TRUE;
}

/* The reader, from the marks on. */
static VOID Read(VOID)
{
    KdpSetTraceClasses(0);
    KdpBeginReading(&Reader, MAXULONG64);
    for (LONG n = 0; n < KeNumberProcessors; n++)
        if (Reader.Next[n] < Marks[n])
            Reader.Next[n] = Marks[n];
}

static struct {
    ULONG Depth;
    BOOLEAN Own[16];
} Nested; /* interrupts of this processor that have begun and not ended */

/*
 * Is the event the test's own? A vector is only here: the other processors have interrupts of the
 * same vectors meanwhile. The end of an interrupt is the test's if its beginning was.
 */
static BOOLEAN Belongs(const KTRACE_EVENT *Event, ULONG Processor)
{
    BOOLEAN here = Processor == KeGetCurrentProcessorIndex();

    switch (KD_TRACE_TYPE(Event)) {
    case TraceInterruptEnter:
        if (here)
            Nested.Own[Nested.Depth++ % 16] = IsMine(Event->Argument1);
        return here && IsMine(Event->Argument1);
    case TraceInterruptExit:
        return here && Nested.Depth && Nested.Own[--Nested.Depth % 16];
    case TraceInterruptRequest:
        return here && IsMine(Event->Argument1);
    default:
        return IsMine(Event->Object);
    }
}

/* Turns what happened since Begin into letters, for CHECK_TRACE. */
static VOID End(VOID)
{
    KTRACE_EVENT event;
    ULONG processor;

    Read();
    KtTraceReset();
    Nested.Depth = 0;
    while (KdpReadEvent(&Reader, &event, &processor)) {
        ULONG type = KD_TRACE_TYPE(&event);

        if (!CHECK(type != TraceNone && type < TraceTypes) || !Belongs(&event, processor))
            continue;
        Last[type] = event;
        LastProcessor[type] = processor;
        KtTrace(Letters[type]);
    }
    KdpSetTraceClasses(ClassesBefore);
    OwnCount = 0;
}

static volatile LONG Ran;

DPC_ROUTINE(CountRun)
{
    InterlockedIncrement(&Ran);
}

/* ---- interrupts and DPCs ---- */

static KDPC Dpc;

TEST(DPC_from_queue_to_end)
{
    KeInitializeDpc(&Dpc, CountRun, NULL);
    Mine((ULONG64)&Dpc);
    if (!Begin(KD_CLASS_FLOW))
        return;
    KeInsertQueueDpc(&Dpc, NULL, NULL);
    End();
    CHECK_TRACE("qdD");
    CHECK_EQUAL(Last[TraceDpcQueue].Argument1, (ULONG64)CountRun);
    CHECK_EQUAL(KD_TRACE_ARGUMENT2(&Last[TraceDpcQueue]), 0); /* processor 0, no timer */
    CHECK_EQUAL(KD_TRACE_IRQL(&Last[TraceDpcQueue]), HIGH_LEVEL);
    CHECK_EQUAL(KD_TRACE_IRQL(&Last[TraceDpcStart]), DISPATCH_LEVEL);
    CHECK_AT_LEAST(Last[TraceDpcStart].Time, Last[TraceDpcQueue].Time);
}

/*
 * The whole way: the request is held until IRQL falls, and taken there. FALSE: a clock interrupt
 * that was due as well has requested it once more, or before.
 */
static BOOLEAN TraceDpcByInterrupt(VOID)
{
    BOOLEAN begun = FALSE;

    Mine((ULONG64)&Dpc);
    Mine(DISPATCH_VECTOR);
    AT_IRQL(CLOCK_LEVEL)
    {
        begun = Begin(KD_CLASS_FLOW);
        KeInsertQueueDpc(&Dpc, NULL, NULL);
    }
    if (!begun)
        return TRUE;
    End();
    return strstr(KtTraceText(), "q!(dD)") != NULL;
}

TEST(DPC_by_its_interrupt)
{
    ULONG attempts = 20;

    KeInitializeDpc(&Dpc, CountRun, NULL);
    while (!TraceDpcByInterrupt() && --attempts > 0)
        ;
    CHECK(attempts > 0);
    CHECK_EQUAL(KD_TRACE_IRQL(&Last[TraceInterruptEnter]), DISPATCH_LEVEL);
    CHECK_EQUAL(KD_TRACE_ARGUMENT2(&Last[TraceInterruptEnter]), PASSIVE_LEVEL);
    CHECK_EQUAL(Last[TraceInterruptExit].Argument1, PASSIVE_LEVEL);
}

TEST(DPC_removed)
{
    KeInitializeDpc(&Dpc, CountRun, NULL);
    Mine((ULONG64)&Dpc);
    if (!Begin(KD_CLASS_FLOW))
        return;
    AT_IRQL(DISPATCH_LEVEL)
    {
        KeInsertQueueDpc(&Dpc, NULL, NULL);
        KeRemoveQueueDpc(&Dpc);
    }
    End();
    CHECK_TRACE("qm");
}

TEST(DPC_threaded)
{
    KeInitializeThreadedDpc(&Dpc, CountRun, NULL);
    Mine((ULONG64)&Dpc);
    Ran = 0;
    if (!Begin(KD_CLASS_FLOW))
        return;
    KeInsertQueueDpc(&Dpc, NULL, NULL);
    CHECK(KtSleepUntil(&Ran, 1));
    End();
    CHECK_TRACE("qdD");
    CHECK_EQUAL(KD_TRACE_ARGUMENT2(&Last[TraceDpcStart]), KD_TRACE_DPC_THREADED);
    CHECK_EQUAL(KD_TRACE_IRQL(&Last[TraceDpcStart]), PASSIVE_LEVEL);
}

/* Times are comparable: what one processor queues, another starts later. */
TEST_ON(2, DPC_on_another_processor)
{
    ULONG target = KtProcessors() - 1;

    KeInitializeDpc(&Dpc, CountRun, NULL);
    KeSetTargetProcessorDpc(&Dpc, (CCHAR)target);
    KeSetImportanceDpc(&Dpc, HighImportance);
    Mine((ULONG64)&Dpc);
    Ran = 0;
    if (!Begin(KD_CLASS_FLOW))
        return;
    KeInsertQueueDpc(&Dpc, NULL, NULL);
    CHECK(KtSpinUntil(&Ran, 1));
    KtStall(MILLISECONDS(1)); /* DpcEnd follows the routine */
    End();
    CHECK_TRACE("qdD");
    CHECK_EQUAL(LastProcessor[TraceDpcQueue], 0);
    CHECK_EQUAL(LastProcessor[TraceDpcStart], target);
    CHECK_EQUAL(KD_TRACE_ARGUMENT2(&Last[TraceDpcQueue]), target);
    CHECK_AT_LEAST(Last[TraceDpcStart].Time, Last[TraceDpcQueue].Time);
}

TEST(APC_by_its_interrupt)
{
    static KT_APC apc;
    BOOLEAN begun = FALSE;

    KtPrepareApc(&apc, KeGetCurrentThread(), 0, 0);
    Mine(APC_VECTOR);
    AT_IRQL(APC_LEVEL)
    {
        begun = Begin(KD_CLASS_FLOW);
        CHECK(KtQueueApc(&apc));
    }
    if (!begun)
        return;
    End();
    CHECK_TRACE("!()");
    CHECK_EQUAL(KD_TRACE_IRQL(&Last[TraceInterruptEnter]), APC_LEVEL);
    CHECK_EQUAL(Last[TraceInterruptExit].Argument1, PASSIVE_LEVEL);
}

SERVICE_ROUTINE(QuietIsr)
{
    return TRUE;
}

SERVICE_ROUTINE(InterruptingIsr)
{
    KtInterruptHere(KT_VECTOR(9, 0));
    return TRUE;
}

TEST(Interrupt_inside_an_interrupt)
{
    PKINTERRUPT low, high;

    CHECK_EQUAL(KtConnect(&low, KT_VECTOR(4, 0), InterruptingIsr, NULL), STATUS_SUCCESS);
    CHECK_EQUAL(KtConnect(&high, KT_VECTOR(9, 0), QuietIsr, NULL), STATUS_SUCCESS);
    Mine(KT_VECTOR(4, 0));
    Mine(KT_VECTOR(9, 0));
    Mine((ULONG64)low);
    Mine((ULONG64)high);
    if (!Begin(KD_CLASS_FLOW))
        return;
    KtInterruptHere(KT_VECTOR(4, 0));
    End();
    CHECK_TRACE("!(s!(sS)S)");
    CHECK_EQUAL(Last[TraceServiceEnd].Argument1, (ULONG64)InterruptingIsr);
    CHECK_EQUAL(KD_TRACE_IRQL(&Last[TraceServiceEnd]), 4);
    CHECK_EQUAL(Last[TraceInterruptExit].Argument1, PASSIVE_LEVEL);
    IoDisconnectInterrupt(low);
    IoDisconnectInterrupt(high);
}

/* ---- timers ---- */

TEST(Timer_from_set_to_DPC)
{
    KT_PROBE probe;

    KtPrepareProbe(&probe);
    Mine((ULONG64)&probe.Timer);
    Mine((ULONG64)&probe.Dpc);
    if (!Begin(KD_CLASS_FLOW))
        return;
    KtSetProbe(&probe, KtIn(MILLISECONDS(2)), 0);
    CHECK(KtSpinUntil(&probe.Runs, 1));
    KeCancelTimer(&probe.Timer);
    End();
    CHECK_TRACE("txqdDc");
    CHECK_EQUAL(KD_TRACE_ARGUMENT2(&Last[TraceTimerSet]), (LONG64)&probe.Dpc);
    CHECK_EQUAL(Last[TraceTimerExpire].Argument1, Last[TraceTimerSet].Argument1);
    CHECK(KD_TRACE_ARGUMENT2(&Last[TraceTimerExpire]) >= 0); /* never early */
    CHECK_EQUAL(KD_TRACE_ARGUMENT2(&Last[TraceDpcStart]), KD_TRACE_DPC_FROM_TIMER);
    CHECK_EQUAL(Last[TraceTimerCancel].Argument1, FALSE);
}

/* ---- IRQL and locks: checked builds only, and the test build is one ---- */

TEST(IRQL_raise_and_lower)
{
    KIRQL oldIrql;

    if (!Begin(KD_CLASS_IRQL))
        return;
    KeRaiseIrql(DISPATCH_LEVEL, &oldIrql);
    KeLowerIrql(oldIrql);
    Read();
    KTRACE_EVENT event;
    ULONG processor, found = 0;
    while (KdpReadEvent(&Reader, &event, &processor)) {
        PCSTR name = KdFindSymbol((PVOID)(event.Object - 1), NULL);
        if (!name || strcmp(name, "IRQL_raise_and_lower") != 0)
            continue;
        BOOLEAN raise = found++ == 0;
        CHECK_EQUAL(KD_TRACE_TYPE(&event), raise ? TraceIrqlRaise : TraceIrqlLower);
        CHECK_EQUAL(event.Argument1, raise ? DISPATCH_LEVEL : PASSIVE_LEVEL);
        CHECK_EQUAL(KD_TRACE_IRQL(&event), DISPATCH_LEVEL);
    }
    CHECK_EQUAL(found, 2);
    KdpSetTraceClasses(ClassesBefore);
}

TEST(Lock_taken_and_freed)
{
    KSPIN_LOCK lock, queued;
    KLOCK_QUEUE_HANDLE handle;
    KIRQL oldIrql;

    KeInitializeSpinLock(&lock);
    KeInitializeSpinLock(&queued);
    Mine((ULONG64)&lock);
    Mine((ULONG64)&queued);
    if (!Begin(KD_CLASS_LOCK))
        return;
    KeAcquireSpinLock(&lock, &oldIrql);
    KeAcquireInStackQueuedSpinLockAtDpcLevel(&queued, &handle);
    KeReleaseInStackQueuedSpinLockFromDpcLevel(&handle);
    KeReleaseSpinLock(&lock, oldIrql);
    End();
    CHECK_TRACE("aaff");
    CHECK_EQUAL(Last[TraceLockAcquire].Object, (ULONG64)&queued);
    CHECK_EQUAL(Last[TraceLockRelease].Object, (ULONG64)&lock);
}

static KSPIN_LOCK Contended;
static volatile LONG Holding;

/* Has processor 0 written that it waits? */
static BOOLEAN IsWaiting(VOID)
{
    const KTRACE_RING *ring = KiProcessorBlock[0]->TraceRing;

    for (ULONG64 n = Marks[0]; n < __atomic_load_n(&ring->Next, __ATOMIC_ACQUIRE); n++) {
        const KTRACE_EVENT *event = &ring->Events[n & ring->Mask];

        if (KD_TRACE_TYPE(event) == TraceLockContend && event->Object == (ULONG64)&Contended)
            return TRUE;
    }
    return FALSE;
}

PARALLEL_ROUTINE(HoldLock)
{
    if (Processor != 1)
        return;
    KeAcquireSpinLockAtDpcLevel(&Contended);
    Holding = 1;
    for (ULONG64 began = KtNow(); !IsWaiting() && KtNow() - began < KT_PATIENCE;)
        ArchPause();
    KeReleaseSpinLockFromDpcLevel(&Contended);
}

TEST_ON(2, Lock_contended)
{
    KIRQL oldIrql;

    KeInitializeSpinLock(&Contended);
    Holding = 0;
    Mine((ULONG64)&Contended);
    if (!Begin(KD_CLASS_LOCK))
        return;
    KtStartOnOthers(HoldLock, NULL);
    CHECK(KtSpinUntil(&Holding, 1));
    KeAcquireSpinLock(&Contended, &oldIrql);
    KeReleaseSpinLock(&Contended, oldIrql);
    KtJoin();
    End();
    CHECK_TRACE("awfaf");
    CHECK_EQUAL(LastProcessor[TraceLockContend], 0);
}

/* ---- threads ---- */

TEST(Thread_waits_and_is_woken)
{
    static KT_WAITER waiter;
    KEVENT event;
    BOOLEAN named = FALSE;

    KeInitializeEvent(&event, SynchronizationEvent, FALSE);
    Mine((ULONG64)&event);
    if (!Begin(KD_CLASS_FLOW))
        return;
    KtStartWaiter(&waiter, 0, KT_ABOVE, &event, FOR_EVER, 0);
    Mine((ULONG64)waiter.Thread.Object);
    KeSetEvent(&event, IO_NO_INCREMENT, FALSE);
    CHECK(KtEndWaiter(&waiter));
    End();
    /* It waits; the event's signal wakes it and makes it ready; it preempts this thread. */
    CHECK(strstr(KtTraceText(), "WKRT") != NULL);
    CHECK_EQUAL(Last[TraceThreadWait].Object, (ULONG64)&event);
    CHECK_EQUAL(KD_TRACE_ARGUMENT2(&Last[TraceThreadWait]), 1);
    CHECK_EQUAL(Last[TraceThreadWake].Argument1, STATUS_WAIT_0);
    CHECK_EQUAL(KD_TRACE_ARGUMENT2(&Last[TraceThreadReady]), KT_ABOVE);
    CHECK_EQUAL(KD_TRACE_ARGUMENT2(&Last[TraceThreadSwitch]) >> 8, KT_ABOVE);

    /* The thread has a name in the trace. */
    PUCHAR names = (PUCHAR)KdpTraceHeader + KD_TRACE_NAMES_OFFSET;
    for (ULONG at = 0; at < KdpTraceHeader->NamesUsed;) {
        const KTRACE_NAME *name = (PVOID)(names + at);
        named |= name->Kind == TraceNameThread && name->Address == Last[TraceThreadWake].Object;
        at += (ULONG)(sizeof(*name) + name->Length + 7) & ~7u;
    }
    CHECK(named || !KdpTraceHeader->NamesSize); /* only with the option trace= */
}

/* ---- the prompt ---- */

TEST(Commands_choose_what_is_traced)
{
    if (!Begin(KD_CLASS_FLOW))
        return;
    KdExecute("trace off");
    CHECK_EQUAL(KdTraceClasses, 0);
    KdExecute("trace on");
    CHECK_EQUAL(KdTraceClasses, KD_CLASS_ALL);
    KdExecute("trace brief");
    CHECK_EQUAL(KdTraceClasses, KD_CLASS_FLOW);
    KdExecute("trace loud"); /* refused with a sentence */
    CHECK_EQUAL(KdTraceClasses, KD_CLASS_FLOW);
    KdExecute("trace");
    KdExecute("trace last");
    KdExecute("stats");
    CHECK_IRQL(PASSIVE_LEVEL);
    KdpSetTraceClasses(ClassesBefore);
}

/* ---- requests ---- */

TEST(IRP_sent_passed_on_and_completed)
{
    static KT_DISPATCH *const routines[] = {KtSucceed, KtPassOn};
    volatile LONG completions = 0;
    PKT_LAYER top = KtMakeStack(ARRAYSIZE(routines), routines);
    PIRP irp = KtMakeRead(top, NULL, 0);

    IoSetCompletionRoutine(irp, KtCountAndKeep, (PVOID)&completions, TRUE, TRUE, TRUE);
    Mine((ULONG64)irp);
    if (!Begin(KD_CLASS_FLOW))
        return;
    IoCallDriver(top->Device, irp);
    End();
    CHECK_TRACE("iiC");
    CHECK_EQUAL(Last[TraceIrpDispatch].Argument1, (ULONG64)KtBelow(top)->Device);
    CHECK_EQUAL(KD_TRACE_ARGUMENT2(&Last[TraceIrpDispatch]), IRP_MJ_READ);
    CHECK_EQUAL(Last[TraceIrpComplete].Argument1, STATUS_SUCCESS);
    CHECK_EQUAL(KD_TRACE_ARGUMENT2(&Last[TraceIrpComplete]), 7);
    IoFreeIrp(irp);
    KtFreeStack(top);
}

/* ---- the rings ---- */

static VOID EverythingOnce(VOID)
{
    KT_PROBE probe;
    KSPIN_LOCK lock;
    KIRQL oldIrql;

    KtPrepareProbe(&probe);
    KeInitializeSpinLock(&lock);
    KeAcquireSpinLock(&lock, &oldIrql);
    KeReleaseSpinLock(&lock, oldIrql);
    KeInsertQueueDpc(&probe.Dpc, NULL, NULL);
    KtSetProbe(&probe, KtIn(MILLISECONDS(1)), 0);
    KtSleepUntil(&probe.Runs, 2);
}

static ULONG64 EventsSinceBegin(VOID)
{
    ULONG64 events = 0;

    for (LONG n = 0; n < KeNumberProcessors; n++)
        events += KiProcessorBlock[n]->TraceRing->Next - Marks[n];
    return events;
}

TEST(Off_means_nothing_is_written)
{
    if (!Begin(KD_CLASS_ALL))
        return;
    EverythingOnce();
    CHECK_AT_LEAST(EventsSinceBegin(), 20); /* or the rest would prove nothing */
    KdpSetTraceClasses(0);
    KtStall(MILLISECONDS(5)); /* events under way elsewhere have been written */
    for (LONG n = 0; n < KeNumberProcessors; n++)
        Marks[n] = KiProcessorBlock[n]->TraceRing->Next;
    EverythingOnce();
    CHECK_EQUAL(EventsSinceBegin(), 0);
    KdpSetTraceClasses(ClassesBefore);
}

TEST(Overflow_is_counted)
{
    PKTRACE_RING ring;
    KTRACE_EVENT event;
    ULONG processor;
    ULONG64 written, next, count = 0, previous = 0;

    if (!Begin(KD_CLASS_FLOW))
        return;
    ring = KeGetCurrentPrcb()->TraceRing;
    for (written = 0; written < ring->Capacity + 100; written++)
        KD_TRACE(KD_CLASS_FLOW, TraceBugCheck, 0x1234, written, 0);
    Read();
    next = ring->Next;
    KdpBeginReading(&Reader, MAXULONG64);
    CHECK_AT_LEAST(Reader.Lost, next - (ring->Capacity - 1));
    CHECK_EQUAL(Reader.End[0] - Reader.Next[0], ring->Capacity - 1);
    while (KdpReadEvent(&Reader, &event, &processor)) {
        if (KD_TRACE_TYPE(&event) != TraceBugCheck || event.Object != 0x1234)
            continue;
        CHECK(count++ == 0 || event.Argument1 == previous + 1);
        previous = event.Argument1;
    }
    CHECK_EQUAL(previous, written - 1); /* the newest stay */
    CHECK_AT_LEAST(count, 100);
    KdpSetTraceClasses(ClassesBefore);
}

/* Reads on in processor 0's ring: how many events 0x1234, numbered without a gap, up to Newest. */
static ULONG64 ReadOn(PULONG64 Newest)
{
    ULONG64 count = 0;
    KTRACE_EVENT event;

    while (KdpReadEventOf(&Reader, 0, &event)) {
        if (KD_TRACE_TYPE(&event) != TraceBugCheck || event.Object != 0x1234)
            continue;
        CHECK(count++ == 0 || event.Argument1 == *Newest + 1);
        *Newest = event.Argument1;
    }
    return count;
}

/* So the screen reads. */
TEST(A_walk_can_go_on)
{
    ULONG64 written = 0, newest = 0, capacity;

    if (!Begin(KD_CLASS_FLOW))
        return;
    capacity = KeGetCurrentPrcb()->TraceRing->Capacity;
    KdpBeginReading(&Reader, 0);
    for (; written < 10; written++)
        KD_TRACE(KD_CLASS_FLOW, TraceBugCheck, 0x1234, written, 0);
    CHECK_EQUAL(ReadOn(&newest), 0); /* a walk ends where the events ended when it began */
    KdpContinueReading(&Reader);
    CHECK_EQUAL(ReadOn(&newest), 10);
    CHECK_EQUAL(Reader.Lost, 0);

    for (; written < capacity + 100; written++)
        KD_TRACE(KD_CLASS_FLOW, TraceBugCheck, 0x1234, written, 0);
    KdpSetTraceClasses(0);
    KdpContinueReading(&Reader);
    CHECK_AT_LEAST(ReadOn(&newest), 100);
    CHECK_EQUAL(newest, written - 1);
    CHECK_AT_LEAST(Reader.Lost, 91); /* of those behind the first ten a ring holds all but 91 */
    KdpSetTraceClasses(ClassesBefore);
}

/* ---- no event is torn, none is left out, times never run backwards ---- */

#define ROUNDS 40

/*
 * What the reader finds of events 0x1234, numbered by processor: each number once, in order. A ring
 * may have overwritten the first ones.
 */
static VOID CheckNumbers(ULONG64 Numbers[MAXIMUM_PROCESSORS])
{
    KTRACE_EVENT event;
    ULONG processor;
    ULONG64 previous = 0;

    Read();
    while (KdpReadEvent(&Reader, &event, &processor)) {
        CHECK(KD_TRACE_TYPE(&event) != TraceNone && KD_TRACE_TYPE(&event) < TraceTypes);
        CHECK_AT_LEAST(event.Time, previous);
        previous = event.Time;
        if (KD_TRACE_TYPE(&event) != TraceBugCheck)
            continue;
        CHECK_EQUAL(event.Object, 0x1234);
        CHECK_EQUAL(KD_TRACE_ARGUMENT2(&event), processor);
        CHECK(Numbers[processor] == 0 || event.Argument1 == Numbers[processor] + 1);
        Numbers[processor] = event.Argument1;
    }
    KdpSetTraceClasses(ClassesBefore);
}

/*
 * Clock interrupts, which log themselves, at every place of the loop. Counting instructions, the
 * emulator lets them in between any two, those of the writer included.
 */
TEST(Interrupts_that_log_tear_nothing)
{
    KT_PROBE probe;
    ULONG64 numbers[MAXIMUM_PROCESSORS] = {0}, number = 0;

    KtPrepareProbe(&probe);
    if (!Begin(KD_CLASS_FLOW))
        return;
    for (LONG round = 0; round < ROUNDS; round++) {
        KtSetProbe(&probe, KtIn(MICROSECONDS(10) + KtRandom(100)), 0);
        while (probe.Runs <= round)
            KD_TRACE(KD_CLASS_FLOW, TraceBugCheck, 0x1234, ++number, 0);
    }
    CheckNumbers(numbers);
    CHECK_EQUAL(numbers[0], number);
}

PARALLEL_ROUTINE(WriteMany)
{
    for (ULONG n = 1; n <= 500; n++)
        KD_TRACE(KD_CLASS_FLOW, TraceBugCheck, 0x1234, n, Processor);
}

TEST_ON(2, Processors_do_not_mix)
{
    ULONG64 numbers[MAXIMUM_PROCESSORS] = {0};

    if (!Begin(KD_CLASS_FLOW))
        return;
    KtRunOnAll(WriteMany, NULL);
    CheckNumbers(numbers);
    for (ULONG n = 0; n < KtProcessors(); n++)
        CHECK_EQUAL(numbers[n], 500);
}
