/* sources: kernel/kd/strip.c kernel/kd/tracestats.c tests/host/support/support.c */
/* The strip of IRQLs: from events made by hand to columns. */
#include "support/support.h"
#include "kd/kdtrace.h"
#include "kd/screen.h"

#define COLUMNS 10u
#define HEIGHT  20u
#define TIME    1000u /* of a column */

static KD_STRIP Strip;
static void *Memory;

/* Begins in the middle of column 100, with two processors. */
static int Start(void **State)
{
    (void)State;
    Memory = calloc(1, KD_STRIP_BYTES(2, COLUMNS));
    Strip = (KD_STRIP){.Processors = 2,
                       .Columns = COLUMNS,
                       .Height = HEIGHT,
                       .ColumnTime = TIME,
                       .TellsLower = TRUE,
                       .DrawingThread = 0x77};
    KdpBeginStrip(&Strip, Memory, 100 * TIME + TIME / 2);
    return 0;
}

static int End(void **State)
{
    (void)State;
    free(Memory);
    return 0;
}

static void AddTo(ULONG Processor, ULONG64 Time, KTRACE_TYPE Type, KIRQL Irql, ULONG64 Object,
                  ULONG64 Argument1, ULONG64 Argument2, BOOLEAN Lost)
{
    KTRACE_EVENT event = {
        .Time = Time,
        .Object = Object,
        .Argument1 = Argument1,
        .Tail = Argument2 << 16 | (ULONG64)Irql << 8 | Type,
    };

    if (Lost)
        KdpStripGap(&Strip, Processor);
    KdpStripEvent(&Strip, Processor, &event);
}

static void Raise(ULONG64 Time, KIRQL Irql)
{
    AddTo(0, Time, TraceIrqlRaise, Irql, 0, Irql, 0, FALSE);
}

static void Lower(ULONG64 Time, KIRQL Irql)
{
    AddTo(0, Time, TraceIrqlLower, HIGH_LEVEL, 0, Irql, 0, FALSE);
}

static void SwitchTo(ULONG64 Time, ULONG64 Thread, LONG Priority)
{
    AddTo(0, Time, TraceThreadSwitch, DISPATCH_LEVEL, Thread, 0,
          (ULONG64)((LONG64)Priority * 256 | 4), FALSE);
}

static const UCHAR *Column(ULONG Processor, ULONG64 Number)
{
    return Strip.Ring[(SIZE_T)Processor * Strip.Places + Number % Strip.Places].Heights;
}

static ULONG Sum(const UCHAR *Heights)
{
    ULONG sum = 0;

    for (ULONG kind = 0; kind < StripKinds; kind++)
        sum += Heights[kind];
    return sum;
}

/* ---- heights ---- */

static void HeightsAreCubeRoots(void **State)
{
    KD_STRIP_COLUMN column;
    ULONG64 spent[StripKinds] = {0};

    (void)State;
    KdpMakeColumn(&column, spent, TIME, HEIGHT);
    assert_int_equal(Sum(column.Heights), 0);
    spent[StripDispatch] = TIME;
    KdpMakeColumn(&column, spent, TIME, HEIGHT);
    assert_int_equal(column.Heights[StripDispatch], HEIGHT);
    spent[StripDispatch] = TIME / 8;
    KdpMakeColumn(&column, spent, TIME, HEIGHT);
    assert_int_equal(column.Heights[StripDispatch], HEIGHT / 2);
    spent[StripHigh] = TIME / 1000; /* a tenth at the top; together still a half, and a bit more */
    KdpMakeColumn(&column, spent, TIME, HEIGHT);
    assert_int_equal(column.Heights[StripHigh], HEIGHT / 10);
    assert_int_equal(Sum(column.Heights), HEIGHT / 2);
    spent[StripHigh] = TIME / 8; /* the one below: together 9/16, which makes 16 of 20 */
    spent[StripDispatch] = TIME * 7 / 16;
    KdpMakeColumn(&column, spent, TIME, HEIGHT);
    assert_int_equal(column.Heights[StripHigh], HEIGHT / 2);
    assert_int_equal(column.Heights[StripDispatch], 16 - HEIGHT / 2);
}

static void WhateverOccurredIsSeen(void **State)
{
    KD_STRIP_COLUMN column;
    ULONG64 spent[StripKinds];

    (void)State;
    for (ULONG kind = 0; kind < StripKinds; kind++)
        spent[kind] = 1;
    KdpMakeColumn(&column, spent, 1000000000, HEIGHT);
    for (ULONG kind = 0; kind < StripKinds; kind++)
        assert_int_equal(column.Heights[kind], 1);
    spent[StripPassive] = 1000000000 - (StripKinds - 1);
    KdpMakeColumn(&column, spent, 1000000000, HEIGHT);
    assert_int_equal(Sum(column.Heights), HEIGHT);
    KdpMakeColumn(&column, spent, 1000000000, 3); /* no room for all: the highest ones are seen */
    assert_int_equal(Sum(column.Heights), 3);
    assert_int_equal(column.Heights[StripHigh], 1);
}

/* ---- events ---- */

static void AllIsIdleAtFirst(void **State)
{
    (void)State;
    KdpAdvanceStrip(&Strip, 105 * TIME);
    assert_int_equal(Strip.Next, 105);
    for (ULONG64 n = 100; n < 105; n++)
        assert_int_equal(Sum(Column(0, n)) + Sum(Column(1, n)), 0);
}

static void LevelsFillColumns(void **State)
{
    (void)State;
    Raise(101 * TIME, 2);
    Lower(103 * TIME + TIME / 8, 0);
    SwitchTo(104 * TIME, 1, 8);
    Lower(104 * TIME, 0);
    KdpAdvanceStrip(&Strip, 106 * TIME);
    assert_int_equal(Sum(Column(0, 100)), 0);
    assert_int_equal(Column(0, 101)[StripDispatch], HEIGHT);
    assert_int_equal(Column(0, 102)[StripDispatch], HEIGHT);
    assert_int_equal(Column(0, 103)[StripDispatch], HEIGHT / 2);
    assert_int_equal(Sum(Column(0, 103)), HEIGHT / 2); /* the rest is idle */
    assert_int_equal(Column(0, 104)[StripPassive], HEIGHT);
    assert_int_equal(Column(0, 105)[StripPassive], HEIGHT);
    assert_int_equal(Sum(Column(1, 103)), 0);
}

static void EachLevelHasItsKind(void **State)
{
    static const UCHAR kinds[HIGH_LEVEL + 1] = {
        StripPassive, StripApc,    StripDispatch, StripDevice, StripDevice, StripDevice,
        StripDevice,  StripDevice, StripDevice,   StripDevice, StripDevice, StripDevice,
        StripClock,   StripClock,  StripIpi,      StripHigh};

    (void)State;
    SwitchTo(101 * TIME, 1, 8);
    for (KIRQL irql = 0; irql <= HIGH_LEVEL; irql++) {
        Raise((102 + irql) * TIME, irql);
        KdpAdvanceStrip(&Strip, (103 + irql) * TIME);
        assert_int_equal(Column(0, 102 + irql)[kinds[irql]], HEIGHT);
    }
}

static void IdleAndDrawingAreToldFromWork(void **State)
{
    (void)State;
    SwitchTo(101 * TIME, 0x77, 7); /* the thread that draws */
    Lower(101 * TIME, 0);
    SwitchTo(102 * TIME, 2, 8);
    Lower(102 * TIME, 0);
    SwitchTo(103 * TIME, 3, -1);
    Lower(103 * TIME, 0);
    KdpAdvanceStrip(&Strip, 104 * TIME);
    assert_int_equal(Column(0, 101)[StripDrawing], HEIGHT);
    assert_int_equal(Column(0, 102)[StripPassive], HEIGHT);
    assert_int_equal(Sum(Column(0, 103)), 0);
}

/* A free build has no event for a lower IRQL. */
static void OnlyInterruptsLastWhereNothingElseTells(void **State)
{
    (void)State;
    Strip.TellsLower = FALSE;
    SwitchTo(101 * TIME, 2, 8);
    AddTo(0, 102 * TIME, TraceDpcQueue, HIGH_LEVEL, 1, 2, 0, FALSE); /* by a thread, under a lock */
    SwitchTo(103 * TIME, 3, -1);
    AddTo(0, 104 * TIME, TraceInterruptEnter, CLOCK_LEVEL, 0, CLOCK_VECTOR, 0, FALSE);
    AddTo(0, 105 * TIME, TraceDpcQueue, HIGH_LEVEL, 1, 2, 0, FALSE);
    AddTo(0, 106 * TIME, TraceInterruptExit, CLOCK_LEVEL, 0, PASSIVE_LEVEL, 0, FALSE);
    KdpAdvanceStrip(&Strip, 107 * TIME);
    assert_int_equal(Column(0, 101)[StripPassive], HEIGHT);
    assert_int_equal(Column(0, 102)[StripPassive], HEIGHT);
    assert_int_equal(Sum(Column(0, 103)), 0);
    assert_int_equal(Column(0, 104)[StripClock], HEIGHT);
    assert_int_equal(Column(0, 105)[StripClock], HEIGHT);
    assert_int_equal(Sum(Column(0, 106)), 0);
}

static void LostEventsLeaveTimeUnknown(void **State)
{
    (void)State;
    Raise(101 * TIME, 2);
    AddTo(0, 104 * TIME, TraceIrqlRaise, 13, 0, 13, 2, TRUE);
    KdpAdvanceStrip(&Strip, 105 * TIME);
    for (ULONG64 n = 101; n < 104; n++)
        assert_int_equal(Column(0, n)[StripUnknown], HEIGHT);
    assert_int_equal(Column(0, 104)[StripClock], HEIGHT);
    assert_int_equal(Sum(Column(1, 102)), 0);
    KdpStripGap(&Strip, 0); /* and none has come since */
    KdpAdvanceStrip(&Strip, 106 * TIME);
    assert_int_equal(Column(0, 105)[StripUnknown], HEIGHT);
}

static void WhatIsNotTracedIsUnknown(void **State)
{
    (void)State;
    KdpAdvanceStrip(&Strip, 102 * TIME);
    Strip.Traced = FALSE;
    KdpAdvanceStrip(&Strip, 104 * TIME);
    Strip.Traced = TRUE;
    Raise(105 * TIME, 2);
    KdpAdvanceStrip(&Strip, 106 * TIME);
    assert_int_equal(Sum(Column(0, 101)), 0);
    for (ULONG64 n = 102; n < 105; n++)
        assert_int_equal(Column(0, n)[StripUnknown], HEIGHT);
    assert_int_equal(Column(0, 105)[StripDispatch], HEIGHT);
    assert_int_equal(Column(1, 105)[StripUnknown], HEIGHT); /* nothing has come from it yet */
}

/* An event that was written late has an earlier time than the columns that are complete. */
static void LateEventsChangeNoCompleteColumn(void **State)
{
    (void)State;
    KdpAdvanceStrip(&Strip, 103 * TIME);
    Raise(102 * TIME, 2);
    Lower(103 * TIME + TIME / 8, 0);
    KdpAdvanceStrip(&Strip, 104 * TIME);
    assert_int_equal(Sum(Column(0, 102)), 0);
    assert_int_equal(Column(0, 103)[StripDispatch], HEIGHT / 2);
}

/* Hours later: at once, and with the level that held all the time. */
static void LongPausesAreShort(void **State)
{
    const ULONG64 later = 1ULL << 50;

    (void)State;
    Raise(101 * TIME, 2);
    KdpAdvanceStrip(&Strip, later);
    assert_int_equal(Strip.Next, later / TIME);
    for (ULONG64 n = later / TIME - COLUMNS; n < later / TIME; n++) {
        assert_int_equal(Column(0, n)[StripDispatch], HEIGHT);
        assert_int_equal(Sum(Column(1, n)), 0);
    }
}

/* Whatever comes, a column is never higher than it may be. */
static void AnyEventsGiveColumns(void **State)
{
    ULONG64 time = 100 * TIME;

    (void)State;
    for (ULONG n = 0; n < 100000; n++) {
        ULONG processor = (ULONG)HostRandomBelow(2);

        time += HostRandomBelow(HostRandomBelow(50) ? TIME / 10 : TIME * COLUMNS * 3);
        AddTo(processor, time, (KTRACE_TYPE)HostRandomBelow(TraceTypes), (KIRQL)HostRandomBelow(16),
              HostRandomBelow(2) ? 0x77 : 1, HostRandomBelow(16), HostRandom(),
              HostRandomBelow(100) == 0);
        if (HostRandomBelow(20) == 0)
            KdpAdvanceStrip(&Strip, time);
    }
    for (ULONG n = 0; n < 2 * Strip.Places; n++)
        assert_true(Sum(Strip.Ring[n].Heights) <= HEIGHT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(HeightsAreCubeRoots),
        cmocka_unit_test(WhateverOccurredIsSeen),
        cmocka_unit_test_setup_teardown(AllIsIdleAtFirst, Start, End),
        cmocka_unit_test_setup_teardown(LevelsFillColumns, Start, End),
        cmocka_unit_test_setup_teardown(EachLevelHasItsKind, Start, End),
        cmocka_unit_test_setup_teardown(IdleAndDrawingAreToldFromWork, Start, End),
        cmocka_unit_test_setup_teardown(OnlyInterruptsLastWhereNothingElseTells, Start, End),
        cmocka_unit_test_setup_teardown(LostEventsLeaveTimeUnknown, Start, End),
        cmocka_unit_test_setup_teardown(WhatIsNotTracedIsUnknown, Start, End),
        cmocka_unit_test_setup_teardown(LateEventsChangeNoCompleteColumn, Start, End),
        cmocka_unit_test_setup_teardown(LongPausesAreShort, Start, End),
        cmocka_unit_test_setup_teardown(AnyEventsGiveColumns, Start, End),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
