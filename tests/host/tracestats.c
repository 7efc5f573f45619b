/* sources: kernel/kd/tracestats.c tests/host/support/support.c */
/* What stats adds up: time at each IRQL, DPC routines, interrupts, from events made by hand. */
#include "support/support.h"
#include "kd/kdtrace.h"

static KD_STATS Stats;

static int Start(void **State)
{
    (void)State;
    KdpClearStats(&Stats);
    return 0;
}

static void Add(ULONG Processor, ULONG64 Time, KTRACE_TYPE Type, KIRQL Irql, ULONG64 Object,
                ULONG64 Argument1, ULONG64 Argument2)
{
    KTRACE_EVENT event = {
        .Time = Time,
        .Object = Object,
        .Argument1 = Argument1,
        .Tail = Argument2 << 16 | (ULONG64)Irql << 8 | Type,
    };

    KdpCountEvent(&Stats, &event, Processor);
}

#define SWITCH_TO(priority) ((ULONG64)((LONG64)(priority)*256 | 4))

/* ---- IRQL ---- */

/* 0 until 100, 2 until 130, 15 until 140, 2 until 150, 0 until 200. */
static void TimeAtEachIrql(void **State)
{
    (void)State;
    Add(0, 1, TraceInterruptRequest, 0, 0, 0x2F, 0);
    Add(0, 100, TraceIrqlRaise, 2, 0, 2, 0);
    Add(0, 130, TraceIrqlRaise, 15, 0, 15, 2);
    Add(0, 140, TraceIrqlLower, 15, 0, 2, 0);
    Add(0, 150, TraceIrqlLower, 2, 0, 0, 0);
    Add(0, 200, TraceInterruptRequest, 0, 0, 0x2F, 0);
    assert_int_equal(Stats.Processors[0].Levels[0], 99 + 50);
    assert_int_equal(Stats.Processors[0].Levels[2], 30 + 10);
    assert_int_equal(Stats.Processors[0].Levels[15], 10);
    assert_int_equal(Stats.Processors[0].Idle, 0);
    assert_int_equal(Stats.First, 1);
    assert_int_equal(Stats.Events, 6);
}

/* A move to CR8 that no event tells of counts from the next event on. */
static void InlineMovesAreInferred(void **State)
{
    (void)State;
    Add(0, 10, TraceInterruptRequest, 0, 0, 0x2F, 0);
    Add(0, 50, TraceDpcQueue, 2, 1, 2, 0);
    Add(0, 60, TraceDpcQueue, 0, 2, 2, 0);
    Add(0, 70, TraceDpcQueue, 0, 3, 2, 0);
    assert_int_equal(Stats.Processors[0].Levels[0], 40 + 10);
    assert_int_equal(Stats.Processors[0].Levels[2], 10);
}

static void IdleIsCountedApart(void **State)
{
    (void)State;
    Add(1, 100, TraceThreadSwitch, 2, 1, 2, SWITCH_TO(-1));
    Add(1, 110, TraceIrqlLower, 2, 0, 0, 0);
    Add(1, 160, TraceInterruptEnter, 13, 0, 0xD1, 0);
    Add(1, 165, TraceInterruptExit, 13, 0, 0, 0);
    Add(1, 175, TraceThreadSwitch, 2, 2, 1, SWITCH_TO(8));
    Add(1, 180, TraceIrqlLower, 2, 0, 0, 0);
    Add(1, 200, TraceIrqlRaise, 2, 0, 2, 0);
    assert_int_equal(Stats.Processors[1].Idle, 50 + 10);
    assert_int_equal(Stats.Processors[1].Levels[13], 5);
    assert_int_equal(Stats.Processors[1].Levels[2], 10 + 5);
    assert_int_equal(Stats.Processors[1].Levels[0], 20);
    assert_int_equal(Stats.Processors[0].Levels[0], 0);
}

/* ---- DPCs ---- */

static void DpcsWaitAndRun(void **State)
{
    (void)State;
    Add(0, 100, TraceDpcQueue, 15, 0x1000, 0xAA, 1);
    Add(0, 105, TraceDpcQueue, 15, 0x2000, 0xBB, 0);
    Add(0, 120, TraceDpcStart, 2, 0x2000, 0xBB, 0);
    Add(1, 130, TraceDpcStart, 2, 0x1000, 0xAA, 0);
    Add(1, 131, TraceDpcQueue, 15, 0x1000, 0xAA, 1); /* again, by its own routine */
    Add(0, 150, TraceDpcEnd, 2, 0x2000, 0xBB, 0);
    Add(1, 170, TraceDpcEnd, 2, 0x1000, 0xAA, 0);
    Add(1, 171, TraceDpcStart, 2, 0x1000, 0xAA, 0);
    Add(1, 181, TraceDpcEnd, 2, 0x1000, 0xAA, 0);
    assert_int_equal(Stats.DpcCount, 2);
    assert_int_equal(Stats.Dpcs[0].Routine, 0xBB); /* in the order of first starts */
    assert_int_equal(Stats.Dpcs[0].Waited.Longest, 15);
    assert_int_equal(Stats.Dpcs[0].Ran.Longest, 30);
    assert_int_equal(Stats.Dpcs[1].Waited.Count, 2);
    assert_int_equal(Stats.Dpcs[1].Waited.Total, 30 + 40);
    assert_int_equal(Stats.Dpcs[1].Waited.Longest, 40);
    assert_int_equal(Stats.Dpcs[1].Ran.Total, 40 + 10);
}

/* Removed, queued again later: the first insertion does not count. */
static void RemovedDpcsDoNotWait(void **State)
{
    (void)State;
    Add(0, 100, TraceDpcQueue, 15, 0x1000, 0xAA, 0);
    Add(0, 110, TraceDpcRemove, 15, 0x1000, 0xAA, 0);
    Add(0, 200, TraceDpcQueue, 15, 0x1000, 0xAA, 0);
    Add(0, 203, TraceDpcStart, 2, 0x1000, 0xAA, 0);
    assert_int_equal(Stats.Dpcs[0].Waited.Count, 1);
    assert_int_equal(Stats.Dpcs[0].Waited.Longest, 3);
}

/* The trace begins in the middle: a start without a queue, an end without a start. */
static void HalvesDoNotCount(void **State)
{
    (void)State;
    Add(0, 100, TraceDpcEnd, 2, 0x1000, 0xAA, 0);
    Add(0, 110, TraceDpcStart, 2, 0x2000, 0xAA, 0);
    Add(0, 115, TraceInterruptExit, 2, 0, 0, 0);
    assert_int_equal(Stats.Dpcs[0].Waited.Count, 0);
    assert_int_equal(Stats.Dpcs[0].Ran.Count, 0);
}

/* A threaded DPC may be preempted: how long it waited is counted, how long it ran is not. */
static void ThreadedDpcs(void **State)
{
    (void)State;
    Add(0, 100, TraceDpcQueue, 15, 0x1000, 0xAA, KD_TRACE_DPC_THREADED);
    Add(0, 140, TraceDpcStart, 0, 0x1000, 0xAA, KD_TRACE_DPC_THREADED);
    Add(0, 190, TraceDpcEnd, 0, 0x1000, 0xAA, KD_TRACE_DPC_THREADED);
    assert_int_equal(Stats.Dpcs[0].Waited.Longest, 40);
    assert_int_equal(Stats.Dpcs[0].Ran.Count, 0);
}

/* More DPCs at once, and more routines, than there are places. */
static void FullTables(void **State)
{
    (void)State;
    for (ULONG64 n = 1; n <= KD_STATS_PENDING + 100; n++)
        Add(0, n, TraceDpcQueue, 15, n * 64, n, 0);
    for (ULONG64 n = 1; n <= KD_STATS_PENDING + 100; n++)
        Add(0, 10000 + n, TraceDpcStart, 2, n * 64, n, 0);
    assert_int_equal(Stats.DpcCount, KD_STATS_DPCS);
    assert_int_equal(Stats.Unlisted, KD_STATS_PENDING + 100 - KD_STATS_DPCS);
    for (ULONG n = 0; n < KD_STATS_DPCS; n++)
        assert_int_equal(Stats.Dpcs[n].Waited.Longest, 10000);
    Add(0, 20000, TraceDpcQueue, 15, 64, 1, 0); /* there is room again */
    Add(0, 20007, TraceDpcStart, 2, 64, 1, 0);
    assert_int_equal(Stats.Dpcs[0].Waited.Count, 2);
}

/* ---- interrupts ---- */

static void InterruptsInsideOfInterrupts(void **State)
{
    (void)State;
    Add(0, 100, TraceInterruptEnter, 4, 0, 0x40, 0);
    Add(0, 110, TraceInterruptEnter, 9, 0, 0x90, 4);
    Add(0, 130, TraceInterruptExit, 9, 0, 4, 0);
    Add(0, 150, TraceInterruptExit, 4, 0, 0, 0);
    Add(0, 160, TraceInterruptEnter, 4, 0, 0x40, 0);
    Add(0, 165, TraceInterruptExit, 4, 0, 0, 0);
    assert_int_equal(Stats.Vectors[0x90].Count, 1);
    assert_int_equal(Stats.Vectors[0x90].Longest, 20);
    assert_int_equal(Stats.Vectors[0x40].Count, 2);
    assert_int_equal(Stats.Vectors[0x40].Total, 50 + 5);
    assert_int_equal(Stats.Processors[0].Levels[4], 10 + 20 + 5);
    assert_int_equal(Stats.Processors[0].Levels[9], 20);
}

/* The dispatch interrupt ends with the switch; the other thread's exit is none of this one. */
static void SwitchEndsTheDispatchInterrupt(void **State)
{
    (void)State;
    Add(0, 100, TraceInterruptEnter, 2, 0, 0x2F, 0);
    Add(0, 130, TraceThreadSwitch, 2, 1, 2, SWITCH_TO(8));
    Add(0, 135, TraceInterruptExit, 2, 0, 0, 0);
    Add(0, 500, TraceInterruptEnter, 2, 0, 0x2F, 0);
    Add(0, 510, TraceInterruptExit, 2, 0, 0, 0);
    assert_int_equal(Stats.Vectors[0x2F].Count, 2);
    assert_int_equal(Stats.Vectors[0x2F].Longest, 30);
    assert_int_equal(Stats.Processors[0].Levels[0], 500 - 135);
}

/* Events were lost, exits among them: the account goes on. */
static void MoreEntriesThanLevels(void **State)
{
    (void)State;
    for (ULONG n = 0; n < 100; n++)
        Add(0, 100 + n, TraceInterruptEnter, 4, 0, 0x40, 0);
    Add(0, 300, TraceInterruptExit, 4, 0, 0, 0);
    assert_int_equal(Stats.Vectors[0x40].Count, 1);
    assert_true(Stats.Processors[0].Depth < KD_STATS_DEPTH);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(TimeAtEachIrql, Start),
        cmocka_unit_test_setup(InlineMovesAreInferred, Start),
        cmocka_unit_test_setup(IdleIsCountedApart, Start),
        cmocka_unit_test_setup(DpcsWaitAndRun, Start),
        cmocka_unit_test_setup(RemovedDpcsDoNotWait, Start),
        cmocka_unit_test_setup(HalvesDoNotCount, Start),
        cmocka_unit_test_setup(ThreadedDpcs, Start),
        cmocka_unit_test_setup(FullTables, Start),
        cmocka_unit_test_setup(InterruptsInsideOfInterrupts, Start),
        cmocka_unit_test_setup(SwitchEndsTheDispatchInterrupt, Start),
        cmocka_unit_test_setup(MoreEntriesThanLevels, Start),
    };

    return cmocka_run_group_tests_name("tracestats", tests, NULL, NULL);
}
