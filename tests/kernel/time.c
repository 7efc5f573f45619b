/* time.md: the clocks. Setting the system time is in timer_absolute.c. */
#define SUITE "time"
#include "suite.h"

#define ONE_TICK_TRIES 100000

static ULONG64 Increment(VOID)
{
    return KeQueryTimeIncrement();
}

TEST(T_KeQueryTimeIncrement_1)
{
    ULONG increment = KeQueryTimeIncrement(), current;

    CHECK(increment > 0);
    CHECK(increment <= 156250); /* at most 15.625 ms */
    ExSetTimerResolution(10000, TRUE);
    for (ULONG i = 0; i < 5; i++) {
        CHECK_EQUAL(KeQueryTimeIncrement(), increment); /* constant, also at a faster rate */
        KtNextTick();
    }
    current = ExSetTimerResolution(0, FALSE);
    CHECK(current > 0);
    CHECK_EQUAL(KeQueryTimeIncrement(), increment);
}

TEST(T_KeQuerySystemTime_1)
{
    ULONG64 equal = 0;

    for (ULONG i = 0; i < 50; i++) {
        LARGE_INTEGER first, second, ticks, ticksAfter;

        KeQueryTickCount(&ticks);
        KeQuerySystemTime(&first);
        KeQuerySystemTime(&second);
        KeQueryTickCount(&ticksAfter);
        if (ticks.QuadPart == ticksAfter.QuadPart) {
            CHECK_EQUAL(first.QuadPart, second.QuadPart); /* two reads in one tick */
            equal++;
        }
        KtJitter(1000);
    }
    CHECK(equal > 0);
}

TEST(T_KeQuerySystemTime_1_advances)
{
    LARGE_INTEGER before, after;

    KeQuerySystemTime(&before);
    for (ULONG i = 0; i < 3; i++)
        KtNextTick();
    KeQuerySystemTime(&after);
    CHECK(after.QuadPart > before.QuadPart);
    CHECK_EQUAL((after.QuadPart - before.QuadPart) % (LONGLONG)Increment(), 0);
}

TEST(T_KeQuerySystemTime_2)
{
    LARGE_INTEGER last = {.QuadPart = 0}, now;

    for (ULONG i = 0; i < 2000; i++) {
        KeQuerySystemTime(&now);
        CHECK_AT_LEAST(now.QuadPart, last.QuadPart);
        last = now;
        KtJitter(100);
    }
    CHECK(last.QuadPart > 0x1D0000000000000); /* after the year 2014: the firmware's clock */
}

TEST(T_KeQuerySystemTimePrecise_1)
{
    LARGE_INTEGER coarse, precise, last = {.QuadPart = 0};

    for (ULONG i = 0; i < 2000; i++) {
        KeQuerySystemTime(&coarse);
        KeQuerySystemTimePrecise(&precise);
        CHECK_AT_LEAST(precise.QuadPart, coarse.QuadPart);
        CHECK_AT_LEAST(precise.QuadPart, last.QuadPart);
        last = precise;
        KtJitter(100);
    }
}

/* Accurate to a microsecond: it advances as much as the performance counter does. */
TEST(T_KeQuerySystemTimePrecise_1__T_KeQueryInterruptTimePrecise_1_rate)
{
    LARGE_INTEGER frequency;
    ULONG64 counter, counterAfter, start, end, elapsed;

    KeQueryPerformanceCounter(&frequency);
    for (ULONG i = 0; i < 20; i++) {
        start = KeQueryInterruptTimePrecise(&counter);
        KtStall(MICROSECONDS(300));
        end = KeQueryInterruptTimePrecise(&counterAfter);
        elapsed = (counterAfter - counter) * SECONDS(1) / (ULONG64)frequency.QuadPart;
        CHECK(end - start <= elapsed + 10 && elapsed <= end - start + 10); /* 1 us */
    }
}

TEST(T_KeQueryInterruptTime_1)
{
    ULONGLONG last = 0, now;

    for (ULONG i = 0; i < 2000; i++) {
        now = KeQueryInterruptTime();
        CHECK_AT_LEAST(now, last); /* monotonic */
        CHECK_AT_LEAST(KtNow(), now);
        last = now;
        KtJitter(100);
    }
    CHECK(last < SECONDS(36000));       /* counted from the start of the kernel */
    CHECK_EQUAL(last % Increment(), 0); /* increased by the tick's length */
}

TEST(T_KeQueryUnbiasedInterruptTime_1)
{
    ULONGLONG before, unbiased, after;

    for (ULONG i = 0; i < 100; i++) {
        before = KeQueryInterruptTime();
        unbiased = KeQueryUnbiasedInterruptTime();
        after = KtNow();
        CHECK_AT_LEAST(unbiased, before); /* the system has never slept */
        CHECK_AT_LEAST(after, unbiased);
        KtJitter(1000);
    }
}

TEST(T_KeQueryTickCount_1)
{
    LARGE_INTEGER ticks, again;
    ULONGLONG interruptTime;

    for (ULONG i = 0; i < 10; i++) {
        ULONG tries = 0;

        do { /* the three times are read one by one: all within one tick, sooner or later */
            KeQueryTickCount(&ticks);
            interruptTime = KeQueryInterruptTime();
            KeQueryTickCount(&again);
        } while ((ticks.QuadPart != again.QuadPart ||
                  (ULONGLONG)ticks.QuadPart * Increment() != interruptTime) &&
                 ++tries < ONE_TICK_TRIES);
        CHECK_EQUAL((ULONGLONG)ticks.QuadPart * Increment(), interruptTime);
        KtNextTick();
    }
}

/* Sleeping long: nobody ticks meanwhile, and yet the count is right when somebody looks. */
TEST(T_KeQueryTickCount_1_after_idling)
{
    for (ULONG i = 0; i < 5; i++) {
        LARGE_INTEGER before, after;
        ULONG64 start = KtNow(), elapsed;

        KeQueryTickCount(&before);
        KiSleep(MILLISECONDS(55));
        KeQueryTickCount(&after);
        elapsed = KtNow() - start;
        CHECK_AT_LEAST(elapsed, MILLISECONDS(55));
        CHECK_AT_LEAST((ULONG64)(after.QuadPart - before.QuadPart), MILLISECONDS(55) / Increment());
        CHECK((ULONG64)after.QuadPart <= (start + elapsed) / Increment()); /* never ahead */

        ULONG64 page = KeQueryInterruptTime(); /* first: it may go on before the next line */
        CHECK(KtNow() - page < Increment() + KT_PATIENCE);
    }
}

TEST(T_KeQueryPerformanceCounter_1)
{
    LARGE_INTEGER frequency = {.QuadPart = 0}, again = {.QuadPart = 0};
    LONGLONG last = 0;

    KeQueryPerformanceCounter(&frequency);
    CHECK_AT_LEAST(frequency.QuadPart, 1000000); /* finer than a microsecond */
    for (ULONG i = 0; i < 2000; i++) {
        LONGLONG now = KeQueryPerformanceCounter(i % 2 ? NULL : &again).QuadPart;

        CHECK_AT_LEAST(now, last);
        last = now;
    }
    CHECK_EQUAL(again.QuadPart, frequency.QuadPart);
}

/* ---- consistent across processors: a token with the time goes round ---- */

#define ROUNDS 300 /* at most; each pass may cost the host a change of processors */

static volatile LONG Token; /* whose turn it is, or -1: the time is up */
static volatile LONG Passes;
static volatile ULONG64 TokenEnd;
static volatile LONGLONG TokenCounter;
static volatile ULONG64 TokenTime;

PARALLEL_ROUTINE(PassTheToken)
{
    LONG count = (LONG)KtProcessors();

    for (LONG turn = (LONG)Processor; turn < ROUNDS * count; turn += count) {
        while (Token != turn) {
            if (Token < 0)
                return;
            ArchPause();
        }
        CHECK_AT_LEAST(KeQueryPerformanceCounter(NULL).QuadPart, TokenCounter);
        CHECK_AT_LEAST(KtNow(), TokenTime);
        TokenTime = KtNow();
        TokenCounter = KeQueryPerformanceCounter(NULL).QuadPart;
        Passes++;
        InterlockedExchange(&Token, KtNow() > TokenEnd ? -1 : turn + 1);
    }
}

TEST_ON(2, T_KeQueryPerformanceCounter_1_across_processors)
{
    Token = Passes = 0;
    TokenEnd = KtNow() + SECONDS(2);
    TokenCounter = 0;
    TokenTime = 0;
    KtRunOnAll(PassTheToken, NULL);
    CHECK_AT_LEAST(Passes, 3 * KtProcessors());
}

/* ---- stalling ---- */

TEST(T_KeStallExecutionProcessor_1)
{
    static const ULONG microseconds[] = {1, 10, 50, 100, 1000};

    for (KIRQL level = PASSIVE_LEVEL; level <= HIGH_LEVEL; level++)
        AT_IRQL(level)
        {
            for (ULONG i = 0; i < ARRAYSIZE(microseconds); i++) {
                ULONG64 start = KtNow(), elapsed;

                KeStallExecutionProcessor(microseconds[i]);
                elapsed = KtNow() - start;
                CHECK_AT_LEAST(elapsed, MICROSECONDS(microseconds[i]));
                if (KtIsExact()) /* not significantly longer; a clock interrupt may lie in it */
                    CHECK(elapsed <= MICROSECONDS(microseconds[i]) + MICROSECONDS(60));
                CHECK_IRQL(level);
            }
        }
}

static volatile LONG IsrRuns;

SERVICE_ROUTINE(CountIsr)
{
    InterlockedIncrement(&IsrRuns);
    return TRUE;
}

PARALLEL_ROUTINE(InterruptProcessor0)
{
    if (Processor == 1)
        ArchSendInterrupt(0, KT_VECTOR(9, 0));
}

TEST_ON(2, T_KeStallExecutionProcessor_1_interrupts_allowed)
{
    PKINTERRUPT interrupt;

    IsrRuns = 0;
    CHECK_EQUAL(KtConnect(&interrupt, KT_VECTOR(9, 0), CountIsr, NULL), STATUS_SUCCESS);
    KtStartOnOthers(InterruptProcessor0, NULL);
    for (ULONG i = 0; i < 1000 && !IsrRuns; i++)
        KeStallExecutionProcessor(1000);
    CHECK_EQUAL(IsrRuns, 1);
    KtJoin();
    IoDisconnectInterrupt(interrupt);
}

TEST(T_KeStallExecutionProcessor_2)
{
    ULONG64 start;
    ULONG_PTR flags;

    start = KtNow();
    KeStallExecutionProcessor(0);
    if (KtIsExact())
        CHECK(KtNow() - start < MICROSECONDS(20));
    flags = ArchDisableInterrupts(); /* works without interrupts too */
    start = KtNow();
    KeStallExecutionProcessor(20);
    CHECK_AT_LEAST(KtNow() - start, MICROSECONDS(20));
    CHECK(!ArchInterruptsEnabled());
    ArchRestoreInterrupts(flags);
}

/* ---- resolution ---- */

TEST(T_ExQueryTimerResolution_1)
{
    ULONG maximum = POISON, minimum = POISON, current = 0;

    ExQueryTimerResolution(&maximum, &minimum, &current);
    CHECK_AT_LEAST(maximum, current);
    CHECK_AT_LEAST(current, minimum);
    CHECK(minimum > 0);
}

static ULONG CurrentResolution(VOID)
{
    ULONG maximum, minimum, current;

    ExQueryTimerResolution(&maximum, &minimum, &current);
    return current;
}

TEST(T_ExSetTimerResolution_1__T_ExSetTimerResolution_3)
{
    ULONG maximum, minimum, start, now;

    ExQueryTimerResolution(&maximum, &minimum, &start);
    now = ExSetTimerResolution(1, TRUE); /* smaller than supported: the minimum */
    CHECK_EQUAL(now, minimum);
    CHECK_EQUAL(CurrentResolution(), now);
    CHECK_EQUAL(ExSetTimerResolution(maximum + 1000, TRUE), now); /* larger: the current one */
    CHECK_EQUAL(CurrentResolution(), now);
    ExSetTimerResolution(0, FALSE);
    ExSetTimerResolution(0, FALSE);
    CHECK_EQUAL(CurrentResolution(), start);
}

TEST(T_ExSetTimerResolution_2)
{
    ULONG maximum, minimum, start;

    ExQueryTimerResolution(&maximum, &minimum, &start);
    ExSetTimerResolution(minimum, TRUE);
    ExSetTimerResolution(minimum, TRUE);
    CHECK_EQUAL(CurrentResolution(), minimum);
    CHECK_EQUAL(ExSetTimerResolution(12345, FALSE), minimum); /* one still asks for it */
    CHECK_EQUAL(ExSetTimerResolution(0, FALSE), start);       /* now nobody does */
    CHECK_EQUAL(CurrentResolution(), start);
}
