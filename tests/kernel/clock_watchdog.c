/*
 * bugcheck-verifier.md, 0x101: a processor that takes no clock interrupts is named by another one.
 * Who looks after whom, and that nobody is accused who is idle or late together with the rest.
 */
#define SUITE "clock.watchdog"
#include "suite.h"

#define STARTS_AT SECONDS(100)
#define INTERVAL  SECONDS(1)

/* Looks at intervals at a neighbour that has promised an interrupt at Promised; how many accuse? */
static ULONG Accusations(PKCLOCK Watcher, ULONG64 Promised, ULONG Looks)
{
    ULONG accusations = 0;

    for (ULONG i = 1; i <= Looks; i++)
        accusations += KiIsClockOverdue(Watcher, Promised, STARTS_AT + i * INTERVAL);
    return accusations;
}

TEST(a_promise_that_stays_broken)
{
    KCLOCK watcher = {0};

    CHECK_EQUAL(Accusations(&watcher, STARTS_AT, 5), 0); /* the first look only notes it */
    CHECK(KiIsClockOverdue(&watcher, STARTS_AT, STARTS_AT + 6 * INTERVAL));
}

TEST(a_promise_for_later_is_not_broken)
{
    KCLOCK watcher = {0};

    CHECK_EQUAL(Accusations(&watcher, STARTS_AT + 20 * INTERVAL, 20), 0); /* it is idle */
    CHECK_EQUAL(Accusations(&watcher, MAXULONG64, 20), 0);                /* it has no tick */
}

/* Nothing is added up over promises that were kept in the end. */
TEST(a_promise_that_is_kept_late)
{
    KCLOCK watcher = {0};

    for (ULONG i = 0; i < 20; i++)
        CHECK_EQUAL(Accusations(&watcher, STARTS_AT + i, 5), 0);
}

/* A debugger or the emulator's host has stopped everybody: one look, however long it was. */
TEST(a_leap_of_time_counts_once)
{
    KCLOCK watcher = {0};

    CHECK(!KiIsClockOverdue(&watcher, STARTS_AT, STARTS_AT - 1));
    for (ULONG i = 1; i <= 3; i++)
        CHECK(!KiIsClockOverdue(&watcher, STARTS_AT, STARTS_AT + i * SECONDS(1000)));
}

/* ---- the processors ---- */

#define SOON MILLISECONDS(20)

static BOOLEAN IsOff(VOID)
{
    if (KiClockWatchdogLimit)
        return FALSE;
    KtSkip("the clock watchdog is off");
    return TRUE;
}

static VOID CheckPromise(const KPRCB *Prcb, ULONG64 Now)
{
    ULONG64 interval = (ULONG64)KiClockWatchdogLimit * KI_TIME_INCREMENT / 4;

    CHECK(Prcb->Clock.NextTick <= Now + interval + MILLISECONDS(100));
}

TEST_ON(2, idle_processors_have_promised_too)
{
    ULONG64 now;

    if (IsOff())
        return;
    KiSleep(MILLISECONDS(20));
    now = KtNow();
    for (ULONG n = 0; n < KtProcessors(); n++)
        CheckPromise(KiProcessorBlock[n], now + SECONDS(1));
}

PARALLEL_ROUTINE(LookSoon)
{
    KeGetCurrentPrcb()->Clock.NextLook = KtNow() + SOON;
}

/* They wake by themselves for it: nothing else runs on them. */
TEST_ON(2, idle_processors_look)
{
    ULONG64 start = KtNow();

    if (IsOff())
        return;
    KtRunOnAll(LookSoon, NULL);
    KiSleep(SOON + MILLISECONDS(30));
    for (ULONG n = 1; n < KtProcessors(); n++) {
        volatile ULONG64 *nextLook = &KiProcessorBlock[n]->Clock.NextLook;

        while (*nextLook < start + SECONDS(1) && KtNow() < start + KT_PATIENCE)
            KiSleep(MILLISECONDS(5));
        CHECK_AT_LEAST(*nextLook, start + SECONDS(1));
    }
}

/* With the check off nobody wakes for it. */
TEST(a_limit_of_zero)
{
    ULONG saved = KiClockWatchdogLimit;

    KiClockWatchdogLimit = 0;
    CHECK_EQUAL(KiNextClockLook(KeGetCurrentPrcb()), MAXULONG64);
    KiClockWatchdogLimit = saved;
}
