/* A processor that takes no clock interrupts: 0x101, on the processor that looks after it. */
#define SUITE "negative.clock"
#include "suite.h"

#define TICKS 8 /* looks come every other tick */

static VOID LookAgain(VOID)
{
    AT_IRQL(HIGH_LEVEL)
    {
        PKCLOCK clock = &KeGetCurrentPrcb()->Clock;

        clock->NextLook = 0;
        clock->SeenPromise = 0;
        clock->BrokenLooks = 0;
    }
}

/* The clock interrupt finds it: the jump back leaves that interrupt. */
TEST_ON(2, T_BUGCHECK_1_clock_watchdog)
{
    ULONG saved = KiClockWatchdogLimit;

    KtHold(1, HIGH_LEVEL);
    KiClockWatchdogLimit = TICKS;
    LookAgain();
    EXPECT_BUGCHECK(0x101, ANY, 0, KiProcessorBlock[1], 1)
    {
        KtStall(KT_PATIENCE);
    }
    KiClockWatchdogLimit = saved;
    LookAgain();
    CHECK_AT_LEAST(KtLastBugCheck()->Parameters[0], TICKS);
    KtLetGo();
    KtNextTick();
    CHECK_IRQL(PASSIVE_LEVEL);
}

/* At CLOCK_LEVEL the clock is masked; below it is not, and the promise is renewed. */
TEST_ON(2, T_BUGCHECK_1_clock_watchdog_levels)
{
    volatile ULONG64 *promise = &KiProcessorBlock[1]->Clock.NextTick;
    ULONG64 seen, start;

    KtHold(1, CLOCK_LEVEL);
    seen = *promise;
    KtStall(MILLISECONDS(35));
    CHECK_EQUAL(*promise, seen);
    CHECK(*promise < KtNow());
    KtLetGo();

    KtHold(1, SYNCH_LEVEL);
    seen = *promise;
    for (start = KtNow(); *promise == seen && KtNow() - start < KT_PATIENCE;)
        ArchPause();
    CHECK(*promise > seen);
    KtLetGo();
}
