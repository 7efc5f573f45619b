/*
 * All processors set, set again, cancel and let expire the same timers. Every setting of a
 * one-shot timer ends in exactly one way: a TRUE of the next KeSetTimer or KeCancelTimer, or an
 * expiry. An expiry runs the DPC, unless the DPC is still queued for an earlier one (T-DPCQ-15).
 * The second test rules merges out: a ticket says who may set a timer, and its DPC gives the
 * ticket back. There every setting is cancelled or runs the DPC, exactly once.
 */
#define SUITE "stress.timer"
#include "stress.h"

#define TIMERS 12

typedef struct _ONE_SHOT {
    KTIMER Timer;
    KDPC Dpc;
    volatile LONG64 Sets, Forgotten, Runs; /* Forgotten: the TRUE results */
    ULONG64 Due;                           /* earliest possible expiry; Lock */
    KSPIN_LOCK Lock;
    volatile LONG Early;
} ONE_SHOT;

static ONE_SHOT OneShots[TIMERS];

DPC_ROUTINE(CountRun)
{
    ONE_SHOT *one = Context;

    InterlockedIncrement64(&one->Runs);
}

static VOID PrepareOneShots(VOID)
{
    for (ULONG i = 0; i < TIMERS; i++) {
        ONE_SHOT *one = &OneShots[i];

        KtPoison(one);
        one->Sets = one->Forgotten = one->Runs = one->Early = 0;
        KeInitializeSpinLock(&one->Lock);
        KeInitializeTimer(&one->Timer);
        KeInitializeDpc(&one->Dpc, CountRun, one);
        if (i % 3 == 1)
            KeSetTargetProcessorDpc(&one->Dpc, (CCHAR)(i % KtProcessors()));
        if (i % 4 == 2)
            KeSetImportanceDpc(&one->Dpc, HighImportance);
    }
}

/* Mostly soon, now and then at once or far away, sometimes by the system time. */
static LARGE_INTEGER RandomDueTime(VOID)
{
    ULONG kind = KtRandom(16);

    if (kind == 0)
        return (LARGE_INTEGER){.QuadPart = 0};
    if (kind == 1)
        return KtIn(SECONDS(1 + KtRandom(100)));
    if (kind < 5)
        return KtAt(KtSystemNow() + MICROSECONDS(KtRandom(400)));
    return KtIn(1 + KtRandom(3000)); /* up to 300 us, to the unit */
}

PARALLEL_ROUTINE(SetAndCancelAny)
{
    for (ULONG i = 0; i < 20; i++) {
        ONE_SHOT *one = &OneShots[KtRandom(TIMERS)];

        if (KtRandom(3) == 0) {
            if (KeCancelTimer(&one->Timer))
                InterlockedIncrement64(&one->Forgotten);
        } else {
            BOOLEAN wasSet = KeSetTimer(&one->Timer, RandomDueTime(), &one->Dpc);

            InterlockedIncrement64(&one->Sets);
            if (wasSet)
                InterlockedIncrement64(&one->Forgotten);
        }
        KtJitter(400);
    }
}

/* With all quiet: cancels what is set, lets the DPCs run. */
static VOID SettleOneShots(VOID)
{
    for (ULONG i = 0; i < TIMERS; i++)
        if (KeCancelTimer(&OneShots[i].Timer))
            OneShots[i].Forgotten++;
    KeFlushQueuedDpcs();
}

TEST(T_TMR_17__T_TMR_20__T_TMR_14_one_shots)
{
    ULONG64 turns, sets = 0, runs = 0;

    PrepareOneShots();
    turns = KtRunInTurns(KtStressTime(8), SetAndCancelAny, NULL);
    SettleOneShots();
    for (ULONG i = 0; i < TIMERS; i++) {
        const ONE_SHOT *one = &OneShots[i];

        CHECK(one->Runs + one->Forgotten <= one->Sets);
        CHECK(one->Sets == one->Forgotten || one->Runs > 0);
        sets += (ULONG64)one->Sets;
        runs += (ULONG64)one->Runs;
    }
    CHECK(runs > 0);
    DbgPrint("     %llu turns, %llu settings, %llu expiries run\n", turns, sets, runs);
}

/* ---- exactly once: a ticket says who may set; the DPC gives it back ---- */

typedef struct _TICKETED {
    KTIMER Timer;
    KDPC Dpc;
    volatile LONG Ticket; /* 0: free; 1: the timer is set, or about to be */
    volatile ULONG64 Due; /* not before this; the ticket's owner */
    volatile LONG64 Sets, Cancels, Runs;
    volatile LONG Early, Again;
} TICKETED;

static TICKETED Ticketed[TIMERS];

DPC_ROUTINE(ReturnTicket)
{
    TICKETED *timer = Context;

    if (KtNow() < timer->Due)
        InterlockedIncrement(&timer->Early);
    InterlockedIncrement64(&timer->Runs);
    if (InterlockedExchange(&timer->Ticket, 0) != 1)
        InterlockedIncrement(&timer->Again); /* it ran for no setting, or twice for one */
}

static VOID PrepareTicketed(VOID)
{
    for (ULONG i = 0; i < TIMERS; i++) {
        TICKETED *timer = &Ticketed[i];

        KtPoison(timer);
        timer->Ticket = timer->Early = timer->Again = 0;
        timer->Sets = timer->Cancels = timer->Runs = 0;
        KeInitializeTimerEx(&timer->Timer, i % 2 ? SynchronizationTimer : NotificationTimer);
        KeInitializeDpc(&timer->Dpc, ReturnTicket, timer);
        if (i % 3)
            KeSetTargetProcessorDpc(&timer->Dpc, (CCHAR)((i / 3) % KtProcessors()));
    }
}

/* Who gets the ticket sets the timer; anybody may cancel it, and gets the ticket with the TRUE. */
PARALLEL_ROUTINE(SetWithTicket)
{
    for (ULONG i = 0; i < 20; i++) {
        TICKETED *timer = &Ticketed[KtRandom(TIMERS)];

        if (KtRandom(3) == 0) {
            if (KeCancelTimer(&timer->Timer)) {
                InterlockedIncrement64(&timer->Cancels);
                if (InterlockedExchange(&timer->Ticket, 0) != 1)
                    InterlockedIncrement(&timer->Again);
            }
        } else if (InterlockedCompareExchange(&timer->Ticket, 1, 0) == 0) {
            ULONG64 interval = 1 + KtRandom(2500);

            timer->Due = KtNow() + interval;
            InterlockedIncrement64(&timer->Sets);
            if (KeSetTimer(&timer->Timer, KtIn(interval), &timer->Dpc))
                InterlockedIncrement(&timer->Again); /* nobody else can have set it */
        }
        KtJitter(300);
    }
}

/* The last settings expire; a timer that has got lost never gives its ticket back. */
static VOID AwaitTickets(VOID)
{
    ULONG64 start = KtNow();

    for (ULONG i = 0; i < TIMERS; i++) {
        while (Ticketed[i].Ticket && KtNow() - start < KT_PATIENCE)
            KiSleep(MILLISECONDS(1));
        CHECK_EQUAL(Ticketed[i].Ticket, 0);
    }
}

TEST(T_TMR_20__T_TMR_10_exactly_once)
{
    ULONG64 turns, sets = 0, runs = 0;

    PrepareTicketed();
    turns = KtRunInTurns(KtStressTime(8), SetWithTicket, NULL);
    AwaitTickets();
    KeFlushQueuedDpcs();
    for (ULONG i = 0; i < TIMERS; i++) {
        const TICKETED *timer = &Ticketed[i];

        CHECK_EQUAL(timer->Runs + timer->Cancels, timer->Sets); /* each exactly once */
        CHECK_EQUAL(timer->Early, 0);
        CHECK_EQUAL(timer->Again, 0);
        sets += (ULONG64)timer->Sets;
        runs += (ULONG64)timer->Runs;
    }
    CHECK(runs > 0);
    DbgPrint("     %llu turns, %llu settings, %llu expiries\n", turns, sets, runs);
}

/* ---- periodic timers, started and stopped from everywhere ---- */

static KT_PROBE Periodic[6];
static volatile LONG64 PeriodicStarts, PeriodicStops;

PARALLEL_ROUTINE(StartAndStop)
{
    for (ULONG i = 0; i < 10; i++) {
        PKT_PROBE probe = &Periodic[KtRandom(ARRAYSIZE(Periodic))];

        switch (KtRandom(4)) {
        case 0:
            if (KeCancelTimer(&probe->Timer))
                InterlockedIncrement64(&PeriodicStops);
            break;
        case 1:
            if (KeSetTimer(&probe->Timer, KtIn(MICROSECONDS(KtRandom(300))), &probe->Dpc))
                InterlockedIncrement64(&PeriodicStops);
            break;
        default:
            if (KtSetProbe(probe, KtIn(MICROSECONDS(KtRandom(1500))), (LONG)(1 + KtRandom(2))))
                InterlockedIncrement64(&PeriodicStops);
            InterlockedIncrement64(&PeriodicStarts);
            break;
        }
        KtJitter(1000);
    }
}

TEST(T_TMR_23__T_TMR_24_periodic)
{
    LONG runs = 0;

    PeriodicStarts = PeriodicStops = 0;
    for (ULONG i = 0; i < ARRAYSIZE(Periodic); i++) {
        KtPrepareProbe(&Periodic[i]);
        if (i % 2)
            KeSetTargetProcessorDpc(&Periodic[i].Dpc, (CCHAR)(i % KtProcessors()));
    }
    KtRunInTurns(KtStressTime(8), StartAndStop, NULL);
    for (ULONG i = 0; i < ARRAYSIZE(Periodic); i++)
        KeCancelTimer(&Periodic[i].Timer);
    KeFlushQueuedDpcs();
    for (ULONG i = 0; i < ARRAYSIZE(Periodic); i++) {
        runs += Periodic[i].Runs;
        CHECK_EQUAL(Periodic[i].Started, Periodic[i].Runs);
        Periodic[i].Runs = 0;
    }
    CHECK(runs > 0);
    KiSleep(MILLISECONDS(10));
    for (ULONG i = 0; i < ARRAYSIZE(Periodic); i++)
        CHECK_EQUAL(Periodic[i].Runs, 0); /* cancelled and flushed is quiet */
}

/* ---- the system time goes to and fro under absolute timers ---- */

#define JUMP ((LONGLONG)SECONDS(1000))

static volatile LONG Jumps;

DPC_ROUTINE(ReturnAbsoluteTicket)
{
    TICKETED *timer = Context;

    InterlockedIncrement64(&timer->Runs);
    if (InterlockedExchange(&timer->Ticket, 0) != 1)
        InterlockedIncrement(&timer->Again);
}

static VOID Jump(LONGLONG Shift)
{
    LARGE_INTEGER now, old;

    AT_IRQL(DISPATCH_LEVEL)
    {
        KeQuerySystemTimePrecise(&now);
        now.QuadPart += Shift;
        KeSetSystemTime(&now, &old);
    }
    InterlockedIncrement(&Jumps);
}

PARALLEL_ROUTINE(SetAbsolute)
{
    for (ULONG i = 0; i < 12; i++) {
        TICKETED *timer = &Ticketed[KtRandom(TIMERS)];

        if (Processor == 0 && KtRandom(8) == 0) {
            Jump(JUMP);
            Jump(-JUMP); /* so that the time is right again on average */
        }
        if (KtRandom(3) == 0) {
            if (KeCancelTimer(&timer->Timer)) {
                InterlockedIncrement64(&timer->Cancels);
                if (InterlockedExchange(&timer->Ticket, 0) != 1)
                    InterlockedIncrement(&timer->Again);
            }
        } else if (InterlockedCompareExchange(&timer->Ticket, 1, 0) == 0) {
            ULONG64 ahead = KtRandom(4) ? MICROSECONDS(KtRandom(500)) : SECONDS(1 + KtRandom(900));

            InterlockedIncrement64(&timer->Sets);
            if (KeSetTimer(&timer->Timer, KtAt(KtSystemNow() + ahead), &timer->Dpc))
                InterlockedIncrement(&timer->Again);
        }
        KtJitter(500);
    }
}

TEST(T_TMR_4_absolute)
{
    Jumps = 0;
    PrepareTicketed();
    for (ULONG i = 0; i < TIMERS; i++) {
        KeInitializeDpc(&Ticketed[i].Dpc, ReturnAbsoluteTicket, &Ticketed[i]);
        if (i % 3)
            KeSetTargetProcessorDpc(&Ticketed[i].Dpc, (CCHAR)((i / 3) % KtProcessors()));
    }
    KtRunInTurns(KtStressTime(8), SetAbsolute, NULL);
    KiSleep(MILLISECONDS(5));
    for (ULONG i = 0; i < TIMERS; i++)
        if (KeCancelTimer(&Ticketed[i].Timer))
            Ticketed[i].Cancels++;
    KeFlushQueuedDpcs();
    for (ULONG i = 0; i < TIMERS; i++) {
        const TICKETED *timer = &Ticketed[i];

        CHECK_EQUAL(timer->Runs + timer->Cancels, timer->Sets);
        CHECK_EQUAL(timer->Again, 0);
    }
    CHECK(Jumps > 0);
}
