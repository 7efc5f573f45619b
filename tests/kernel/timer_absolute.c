/*
 * timer.md and time.md: absolute due times while the system time is set forward and back.
 * Every test leaves the system time as it would be without it.
 */
#define SUITE "timer.absolute"
#include "suite.h"

static KT_PROBE Absolute, Relative;

/* Moves the system time by Shift (100 ns, either sign). */
static VOID MoveSystemTime(LONGLONG Shift)
{
    LARGE_INTEGER now, old;

    AT_IRQL(DISPATCH_LEVEL) /* no DPC between asking and setting */
    {
        KeQuerySystemTimePrecise(&now);
        now.QuadPart += Shift;
        KeSetSystemTime(&now, &old);
    }
}

#define HOUR ((LONGLONG)SECONDS(3600))

TEST(T_TMR_1__S_40_absolute)
{
    static const ULONG64 intervals[] = {MILLISECONDS(1), MILLISECONDS(25), 123457};

    for (ULONG i = 0; i < ARRAYSIZE(intervals); i++) {
        ULONG64 due;

        KtPrepareProbe(&Absolute);
        due = KtSystemNow() + intervals[i];
        CHECK_EQUAL(KtSetProbe(&Absolute, KtAt(due), 0), FALSE);
        CHECK(KtSleepUntil(&Absolute.Runs, 1));
        CHECK_ON_TIME(Absolute.SystemWhen, due);
        KeFlushQueuedDpcs();
    }
}

TEST(T_TMR_6)
{
    for (ULONG i = 0; i < 10; i++) {
        ULONG64 due;

        KtPrepareProbe(&Absolute);
        due = KtSystemNow() + MICROSECONDS(KtRandom(5000));
        KtSetProbe(&Absolute, KtAt(due), 0);
        CHECK(KtSpinUntil(&Absolute.Runs, 1));
        CHECK_ON_TIME(Absolute.SystemWhen, due); /* not before, and by the next tick */
        KeFlushQueuedDpcs();
    }
}

TEST(T_TMR_4_forward__S_42)
{
    ULONG64 due, start;

    KtPrepareProbe(&Absolute);
    due = KtSystemNow() + (ULONG64)HOUR;
    KtSetProbe(&Absolute, KtAt(due), 0);
    KiSleep(MILLISECONDS(3));
    CHECK_EQUAL(Absolute.Runs, 0);
    MoveSystemTime(HOUR / 2); /* half of the way */
    KiSleep(MILLISECONDS(3));
    CHECK_EQUAL(Absolute.Runs, 0);
    CHECK(!KeReadStateTimer(&Absolute.Timer));
    start = KtNow();
    MoveSystemTime(HOUR / 2); /* past it: expires at the next tick at the latest */
    CHECK(KtSleepUntil(&Absolute.Runs, 1));
    CHECK_AT_LEAST(Absolute.SystemWhen, due);
    CHECK(Absolute.When < start + KT_LATE);
    CHECK(KeReadStateTimer(&Absolute.Timer));
    MoveSystemTime(-HOUR);
    KiSleep(MILLISECONDS(3));
    CHECK_EQUAL(Absolute.Runs, 1); /* setting it back does not bring the expiry again */
    KeFlushQueuedDpcs();
}

TEST(T_TMR_4_back__S_42)
{
    ULONG64 due;

    KtPrepareProbe(&Absolute);
    due = KtSystemNow() + MILLISECONDS(30);
    KtSetProbe(&Absolute, KtAt(due), 0);
    MoveSystemTime(-HOUR); /* now it waits an hour longer */
    KiSleep(MILLISECONDS(60));
    CHECK_EQUAL(Absolute.Runs, 0);
    MoveSystemTime(HOUR);
    CHECK(KtSleepUntil(&Absolute.Runs, 1));
    CHECK_AT_LEAST(Absolute.SystemWhen, due);
    KeFlushQueuedDpcs();
}

TEST(T_TMR_4_back_a_little)
{
    ULONG64 due, start = KtNow();

    KtPrepareProbe(&Absolute);
    due = KtSystemNow() + MILLISECONDS(10);
    KtSetProbe(&Absolute, KtAt(due), 0);
    MoveSystemTime(-(LONGLONG)MILLISECONDS(20));
    CHECK(KtSleepUntil(&Absolute.Runs, 1));
    CHECK_ON_TIME(Absolute.SystemWhen, due);
    CHECK_AT_LEAST(Absolute.When, start + MILLISECONDS(30));
    MoveSystemTime((LONGLONG)MILLISECONDS(20));
    KeFlushQueuedDpcs();
}

TEST(T_TMR_4_relative__S_43)
{
    ULONG64 due;

    KtPrepareProbe(&Relative);
    due = KtNow() + MILLISECONDS(20);
    KtSetProbe(&Relative, KtIn(MILLISECONDS(20)), 0);
    MoveSystemTime(HOUR); /* would be past it */
    KiSleep(MILLISECONDS(5));
    if (KtNow() < due)
        CHECK(Relative.Runs == 0 || KtNow() >= due);
    MoveSystemTime(-2 * HOUR); /* and this long before it */
    CHECK(KtSleepUntil(&Relative.Runs, 1));
    CHECK_ON_TIME(Relative.When, due);
    MoveSystemTime(HOUR);
    KeFlushQueuedDpcs();
}

TEST_ON(2, T_TMR_4_every_processor)
{
    static KT_PROBE probes[MAXIMUM_PROCESSORS];
    ULONG64 due = KtSystemNow() + (ULONG64)HOUR, start;

    for (ULONG i = 0; i < KtProcessors(); i++) {
        KtPrepareProbe(&probes[i]);
        KeSetTargetProcessorDpc(&probes[i].Dpc, (CCHAR)i);
        KtSetProbe(&probes[i], KtAt(due), 0);
    }
    KiSleep(MILLISECONDS(3)); /* the others halt */
    for (ULONG i = 0; i < KtProcessors(); i++)
        CHECK_EQUAL(probes[i].Runs, 0);
    start = KtNow();
    MoveSystemTime(HOUR);
    for (ULONG i = 0; i < KtProcessors(); i++) {
        CHECK(KtSleepUntil(&probes[i].Runs, 1));
        CHECK_EQUAL(probes[i].Processor, i);
        CHECK_AT_LEAST(probes[i].SystemWhen, due);
        CHECK(probes[i].When < start + KT_LATE); /* at the next tick at the latest */
    }
    MoveSystemTime(-HOUR);
    KeFlushQueuedDpcs();
}

/* The order by due time holds between absolute timers that a jump makes due together. */
TEST(T_TMR_16__T_TMR_4_order_after_a_jump)
{
    static KT_PROBE probes[4];
    static const ULONG64 offsets[] = {30, 10, 40, 20};
    ULONG64 base = KtSystemNow() + (ULONG64)HOUR;

    for (ULONG i = 0; i < 4; i++) {
        KtPrepareProbe(&probes[i]);
        probes[i].Event = (CHAR)('a' + i);
        KtSetProbe(&probes[i], KtAt(base - SECONDS(60) + SECONDS(offsets[i])), 0);
    }
    MoveSystemTime(HOUR);
    for (ULONG i = 0; i < 4; i++)
        CHECK(KtSleepUntil(&probes[i].Runs, 1));
    CHECK_TRACE("bdac");
    MoveSystemTime(-HOUR);
    KeFlushQueuedDpcs();
}

TEST(KeSetSystemTime_effects)
{
    LARGE_INTEGER set, old, before, after, ticks, ticksAfter;
    ULONGLONG interruptTime, unbiased;
    LONGLONG counter;

    KeQuerySystemTimePrecise(&before);
    interruptTime = KeQueryInterruptTime();
    unbiased = KeQueryUnbiasedInterruptTime();
    KeQueryTickCount(&ticks);
    counter = KeQueryPerformanceCounter(NULL).QuadPart;
    set.QuadPart = before.QuadPart + 24 * HOUR;
    KtPoison(&old);
    KeSetSystemTime(&set, &old);
    KeQuerySystemTimePrecise(&after);

    CHECK_AT_LEAST(old.QuadPart, before.QuadPart - KeQueryTimeIncrement()); /* the time replaced */
    CHECK(old.QuadPart < before.QuadPart + HOUR);
    CHECK_AT_LEAST(after.QuadPart, set.QuadPart);
    CHECK(after.QuadPart < set.QuadPart + HOUR);
    KeQuerySystemTime(&after);
    CHECK(after.QuadPart > before.QuadPart + 23 * HOUR); /* the coarse time too */
    CHECK(after.QuadPart < set.QuadPart + HOUR);

    KeQueryTickCount(&ticksAfter); /* nothing else has moved */
    CHECK_AT_LEAST(ticksAfter.QuadPart, ticks.QuadPart);
    CHECK(ticksAfter.QuadPart - ticks.QuadPart < 6000);
    CHECK_AT_LEAST(KeQueryInterruptTime(), interruptTime);
    CHECK(KeQueryInterruptTime() - interruptTime < SECONDS(60));
    CHECK(KeQueryUnbiasedInterruptTime() - unbiased < SECONDS(60));
    CHECK_AT_LEAST(KeQueryPerformanceCounter(NULL).QuadPart, counter);
    MoveSystemTime(-24 * HOUR);
}

TEST(KeSetSystemTime_every_level)
{
    for (KIRQL level = PASSIVE_LEVEL; level <= DISPATCH_LEVEL; level++)
        AT_IRQL(level)
        {
            LARGE_INTEGER now, old;
            ULONG64 before = KtSystemNow();

            now.QuadPart = (LONGLONG)before + HOUR;
            KeSetSystemTime(&now, &old);
            CHECK_AT_LEAST(KtSystemNow(), before + (ULONG64)HOUR);
            CHECK_IRQL(level);
            now.QuadPart = (LONGLONG)KtSystemNow() - HOUR;
            KeSetSystemTime(&now, &old);
        }
    CHECK(KtSystemNow() > 0);
}
