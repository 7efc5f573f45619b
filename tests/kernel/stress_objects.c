/*
 * The objects that thread_stress.c leaves out, with exact accounts: pulses, notification timers,
 * EX_TIMERs, abandonment seen by a wait for all, and time-outs at the instant of the last signal.
 */
#define SUITE "stress.objects"
#include "storm.h"

/* ---- a crowd that passes one signal after the other, each of them exactly once ---- */

#define CROWD 60

static PVOID Doors[2]; /* objects, waited for by turns */
static volatile LONG Arrived, Passed;

ROUTINE(WalkThrough)
{
    KtAwaitStorm();
    for (ULONG round = 0;; round++) {
        InterlockedIncrement(&Arrived);
        if (!CHECK_EQUAL(KtWait(Doors[round % 2], 3 * KT_PATIENCE), STATUS_SUCCESS))
            return;
        BOOLEAN last = KtStormEnds; /* written while all wait: all see it in the same round */
        InterlockedIncrement(&Passed);
        if (last)
            return;
    }
}

static VOID AwaitAllWaiting(VOID)
{
    ULONG64 start = KtNow();

    for (ULONG i = 0; i < KtStormThreadCount; i++)
        while (!KtIsWaiting(KtStormThreads[i].Object) && KtNow() - start < KT_PATIENCE)
            KiSleep(1000);
}

typedef VOID SIGNAL_ROUTINE(ULONG Door);

/* Signal lets the crowd through a door; CloseDoor makes it not-signaled before they come again. */
static VOID RunCrowd(SIGNAL_ROUTINE *Signal, SIGNAL_ROUTINE *CloseDoor)
{
    ULONG64 start;
    ULONG rounds = 0;

    KtPrepareStorm();
    Arrived = Passed = 0;
    KtAddToStorm(CROWD, WalkThrough, NULL);
    KtReleaseStorm();
    start = KtNow();
    for (; !KtStormEnds; rounds++) {
        if (!CHECK(KtSleepUntil(&Arrived, (LONG)(rounds + 1) * CROWD)))
            break;
        AwaitAllWaiting();
        Passed = 0;
        if (KtNow() - start > KtStormTime() / 2 && rounds > 0)
            InterlockedExchange(&KtStormEnds, 1);
        Signal(rounds % 2);
        if (!CHECK(KtSleepUntil(&Passed, CROWD)))
            break;
        CHECK_EQUAL(Passed, CROWD);
        CloseDoor(rounds % 2);
    }
    KtEndStorm();
    CHECK_AT_LEAST(rounds, 2);
}

/* ---- pulses ---- */

static KEVENT Pulsed[2];

static VOID PulseOnce(ULONG Door)
{
    CHECK_EQUAL(KePulseEvent(&Pulsed[Door], IO_NO_INCREMENT, FALSE), 0);
}

/* Each pulse releases one, and never more. */
static VOID PulseForEach(ULONG Door)
{
    for (LONG n = 1; n <= CROWD; n++) {
        PulseOnce(Door);
        if (n % 16 == 0)
            CHECK(KtSleepUntil(&Passed, n));
        CHECK(Passed <= n);
    }
}

static VOID CheckNotSignaled(ULONG Door)
{
    CHECK_EQUAL(KeReadStateEvent(&Pulsed[Door]), 0);
    CHECK(IsListEmpty(&Pulsed[Door].Header.WaitListHead));
}

static VOID RunPulses(EVENT_TYPE Type, SIGNAL_ROUTINE *Signal)
{
    for (ULONG i = 0; i < 2; i++) {
        KeInitializeEvent(&Pulsed[i], Type, FALSE);
        Doors[i] = &Pulsed[i];
    }
    RunCrowd(Signal, CheckNotSignaled);
}

TEST(T_KePulseEvent_1_notification)
{
    RunPulses(NotificationEvent, PulseOnce);
}

TEST(T_KePulseEvent_1_synchronization)
{
    RunPulses(SynchronizationEvent, PulseForEach);
}

/* ---- notification timers of both kinds: an expiry releases all ---- */

static KTIMER Timers[2];
static PEX_TIMER ExTimers[4];
static volatile LONG64 Callbacks[4];

static VOID SetTimerSoon(ULONG Door)
{
    CHECK(!KeSetTimer(&Timers[Door], KtIn(KtRandom(5000)), NULL));
}

static VOID ResetTimer(ULONG Door)
{
    KeSetTimer(&Timers[Door], KtIn(SECONDS(1000)), NULL);
    CHECK(KeCancelTimer(&Timers[Door]));
    CHECK(!KeReadStateTimer(&Timers[Door]));
}

TEST(T_TMR_10__T_WAIT_4_notification_timer)
{
    for (ULONG i = 0; i < 2; i++) {
        KeInitializeTimer(&Timers[i]);
        Doors[i] = &Timers[i];
    }
    RunCrowd(SetTimerSoon, ResetTimer);
}

static VOID CountCallback(PEX_TIMER Timer, PVOID Context)
{
    UNREFERENCED_PARAMETER(Timer);
    InterlockedIncrement64((volatile LONG64 *)Context);
}

static BOOLEAN MakeExTimers(ULONG Count, ULONG Attributes)
{
    for (ULONG i = 0; i < Count; i++) {
        Callbacks[i] = 0;
        ExTimers[i] = ExAllocateTimer(CountCallback, (PVOID)&Callbacks[i], Attributes);
        if (!CHECK(ExTimers[i] != NULL))
            return FALSE;
    }
    return TRUE;
}

static VOID DeleteExTimers(ULONG Count)
{
    for (ULONG i = 0; i < Count; i++)
        CHECK(!ExDeleteTimer(ExTimers[i], TRUE, TRUE, NULL)); /* nothing is set any more */
}

static VOID SetExTimerSoon(ULONG Door)
{
    CHECK(!ExSetTimer(ExTimers[Door], -(LONGLONG)KtRandom(5000), 0, NULL));
}

static VOID ResetExTimer(ULONG Door)
{
    ExSetTimer(ExTimers[Door], -(LONGLONG)SECONDS(1000), 0, NULL);
    CHECK(ExCancelTimer(ExTimers[Door], NULL));
}

TEST(T_ExAllocateTimer_1_notification)
{
    if (!MakeExTimers(2, EX_TIMER_NOTIFICATION))
        return;
    Doors[0] = ExTimers[0];
    Doors[1] = ExTimers[1];
    RunCrowd(SetExTimerSoon, ResetExTimer);
    DeleteExTimers(2);
}

/* ---- synchronization EX_TIMERs: one expiry, one callback, one waiter; or all cancelled ---- */

static volatile LONG64 Woken[4];
static volatile LONG Setters; /* that have not ended; the last expiry needs a waiter, too */

ROUTINE(AwaitExTimer)
{
    ULONG which = (ULONG)(ULONG_PTR)Context;

    KtAwaitStorm();
    while (Setters)
        if (KtWait(ExTimers[which], MILLISECONDS(20)) == STATUS_SUCCESS)
            InterlockedIncrement64(&Woken[which]);
}

static BOOLEAN Reaches(const volatile LONG64 *Value, LONG64 Wanted)
{
    for (ULONG64 start = KtNow(); *Value < Wanted && KtNow() - start < KT_PATIENCE;)
        KiSleep(1000);
    return CHECK_EQUAL(*Value, Wanted);
}

static volatile LONG64 Expiries;

/* Waiters are always there or will be; so no expiry stays without one. */
ROUTINE(SetExTimer)
{
    ULONG which = (ULONG)(ULONG_PTR)Context;

    KtAwaitStorm();
    for (LONG64 expiries = 0; !KtStormEnds;) {
        ExSetTimer(ExTimers[which], -(LONGLONG)KtRandom(10000), 0, NULL);
        KiSleep(KtRandom(10000));
        if (!ExCancelTimer(ExTimers[which], NULL)) {
            InterlockedIncrement64(&Expiries);
            expiries++;
        }
        if (!Reaches(&Callbacks[which], expiries) || !Reaches(&Woken[which], expiries))
            break;
    }
    InterlockedDecrement(&Setters);
}

TEST(T_ExCancelTimer_2__T_EXT_CALLBACK_1)
{
    if (!MakeExTimers(4, 0))
        return;
    KtPrepareStorm();
    Expiries = 0;
    Setters = 4;
    for (ULONG i = 0; i < 4; i++) {
        Woken[i] = 0;
        KtAddToStorm(1, SetExTimer, (PVOID)(ULONG_PTR)i);
        KtAddToStorm(15, AwaitExTimer, (PVOID)(ULONG_PTR)i);
    }
    KtRunStorm();
    CHECK(Expiries > 0);
    DeleteExTimers(4);
}

/* ---- a wait for all, of two mutexes that are abandoned now and then and a semaphore ---- */

#define TOKENS 3

static KMUTANT Mutants[2];
static KSEMAPHORE Tokens;
static volatile LONG Inside;
static volatile LONG64 Abandoned, Noticed, Served, TimedOut;

/* With all three in hand, nobody else is here. A wait that times out has changed nothing. */
static BOOLEAN TakeAll(VOID)
{
    PVOID objects[3] = {&Mutants[0], &Mutants[1], &Tokens};
    LARGE_INTEGER timeout = KtIn(KtRandom(20000));
    NTSTATUS status =
        KeWaitForMultipleObjects(3, objects, WaitAll, Executive, KernelMode, FALSE, &timeout, NULL);

    if (status == STATUS_TIMEOUT) {
        InterlockedIncrement64(&TimedOut);
        return FALSE;
    }
    CHECK(status == STATUS_SUCCESS || status == STATUS_ABANDONED_WAIT_0);
    CHECK_EQUAL(InterlockedIncrement(&Inside), 1);
    if (status == STATUS_ABANDONED_WAIT_0)
        InterlockedIncrement64(&Noticed);
    InterlockedIncrement64(&Served);
    KtJitter(300);
    InterlockedDecrement(&Inside);
    return TRUE;
}

static VOID TakeAllAndEnd(PVOID Context)
{
    UNREFERENCED_PARAMETER(Context);
    while (!TakeAll())
        ;
    KeReleaseSemaphore(&Tokens, IO_NO_INCREMENT, 1, FALSE);
    InterlockedIncrement64(&Abandoned); /* both mutexes, by the end of this thread */
}

ROUTINE(TakeAllAndRelease)
{
    KtAwaitStorm();
    while (!KtStormEnds) {
        if (!TakeAll())
            continue;
        KeReleaseSemaphore(&Tokens, IO_NO_INCREMENT, 1, FALSE);
        CHECK_EQUAL(KeReleaseMutex(&Mutants[0], FALSE), 0);
        CHECK_EQUAL(KeReleaseMutex(&Mutants[1], FALSE), 0);
    }
}

ROUTINE(SpawnAbandoners)
{
    KtAwaitStorm();
    while (!KtStormEnds) {
        HANDLE handle;
        PVOID thread;

        if (!CHECK_EQUAL(PsCreateSystemThread(&handle, THREAD_ALL_ACCESS, NULL, NULL, NULL,
                                              TakeAllAndEnd, NULL),
                         STATUS_SUCCESS))
            return;
        CHECK_EQUAL(ObReferenceObjectByHandle(handle, SYNCHRONIZE, *PsThreadType, KernelMode,
                                              &thread, NULL),
                    STATUS_SUCCESS);
        ZwClose(handle);
        CHECK_EQUAL(KtWait(thread, 4 * KT_PATIENCE), STATUS_SUCCESS);
        ObDereferenceObject(thread);
        KiSleep(KtRandom(20000));
    }
}

TEST(T_WAIT_6__T_KMUTEX_6_all)
{
    KtPrepareStorm();
    KeInitializeMutant(&Mutants[0], FALSE);
    KeInitializeMutant(&Mutants[1], FALSE);
    KeInitializeSemaphore(&Tokens, TOKENS, TOKENS);
    Inside = 0;
    Abandoned = Noticed = Served = TimedOut = 0;
    KtAddToStorm(50, TakeAllAndRelease, NULL);
    KtAddToStorm(6, SpawnAbandoners, NULL);
    KtRunStorm();
    if (Noticed < Abandoned && TakeAll()) /* the last one to abandon them had no successor */
        CHECK_EQUAL(Noticed, Abandoned);
    CHECK_EQUAL(Noticed, Abandoned);
    CHECK_AT_LEAST(KeReadStateSemaphore(&Tokens), TOKENS - 1);
    CHECK(Abandoned > 0 && Served > Abandoned);
    if (KeReadStateMutex(&Mutants[0]) != 1) {
        KeReleaseMutex(&Mutants[0], FALSE);
        KeReleaseMutex(&Mutants[1], FALSE);
    }
}

/* ---- a wait for all whose time-out and last signals come at the same instant ---- */

typedef struct _ALL_RACER {
    KTIMER Timers[2];
    KDPC Dpcs[2];
    KEVENT Events[2];
    volatile LONG Sets;
    ULONG64 Satisfied, TimedOut;
} ALL_RACER;

static ALL_RACER Racers[48];

DPC_ROUTINE(SetOneEvent)
{
    ALL_RACER *racer = Context;

    KeSetEvent(&racer->Events[Dpc == &racer->Dpcs[1]], IO_NO_INCREMENT, FALSE);
    InterlockedIncrement(&racer->Sets);
}

static VOID PrepareRacer(ALL_RACER *Racer)
{
    memset(Racer, 0, sizeof(*Racer));
    for (ULONG i = 0; i < 2; i++) {
        KeInitializeTimer(&Racer->Timers[i]);
        KeInitializeDpc(&Racer->Dpcs[i], SetOneEvent, Racer);
        KeInitializeEvent(&Racer->Events[i], SynchronizationEvent, FALSE);
    }
}

/* All or nothing: satisfied, and both events are consumed; timed out, and both are still there. */
static BOOLEAN RaceOnce(ALL_RACER *Racer, LONG Round)
{
    PVOID objects[2] = {&Racer->Events[0], &Racer->Events[1]};
    LARGE_INTEGER due = KtAt(KtSystemNow() + KtRandom(20000));
    NTSTATUS status, expected;

    for (ULONG i = 0; i < 2; i++) {
        KeSetTargetProcessorDpc(&Racer->Dpcs[i], (CCHAR)KtRandom(KtProcessors()));
        KeSetTimer(&Racer->Timers[i], due, &Racer->Dpcs[i]);
    }
    status =
        KeWaitForMultipleObjects(2, objects, WaitAll, Executive, KernelMode, FALSE, &due, NULL);
    if (status == STATUS_TIMEOUT)
        Racer->TimedOut++;
    else
        Racer->Satisfied++;
    expected = status == STATUS_TIMEOUT ? STATUS_SUCCESS : STATUS_TIMEOUT;
    return CHECK(KtSleepUntil(&Racer->Sets, 2 * Round)) &&
           CHECK_EQUAL(KtTest(&Racer->Events[0]), expected) &&
           CHECK_EQUAL(KtTest(&Racer->Events[1]), expected);
}

ROUTINE(RaceForAll)
{
    KtAwaitStorm();
    for (LONG round = 1; !KtStormEnds && RaceOnce(Context, round); round++)
        ;
}

TEST(T_WAIT_2__T_WAIT_5_all_or_nothing)
{
    ULONG64 rounds = 0;

    KtPrepareStorm();
    for (ULONG i = 0; i < ARRAYSIZE(Racers); i++) {
        PrepareRacer(&Racers[i]);
        KtAddToStorm(1, RaceForAll, &Racers[i]);
    }
    KtRunStorm();
    KeFlushQueuedDpcs();
    for (ULONG i = 0; i < ARRAYSIZE(Racers); i++) {
        CHECK_EQUAL(2 * (Racers[i].Satisfied + Racers[i].TimedOut), Racers[i].Sets);
        rounds += Racers[i].Satisfied + Racers[i].TimedOut;
    }
    CHECK(rounds > 0);
}

/* ---- fast and guarded mutexes ---- */

static FAST_MUTEX FastMutex;
static KGUARDED_MUTEX GuardedMutex;
static ULONG64 Counters[2]; /* each under its mutex */
static volatile LONG64 Entries[2];

static VOID EnterOne(ULONG Which)
{
    ULONG64 value = Counters[Which];

    KtJitter(200);
    if (KtRandom(32) == 0)
        KiSleep(KtRandom(500));
    Counters[Which] = value + 1;
    InterlockedIncrement64(&Entries[Which]);
}

ROUTINE(EnterFastMutexes)
{
    KtAwaitStorm();
    while (!KtStormEnds) {
        if (KtRandom(4) == 0) {
            if (!ExTryToAcquireFastMutex(&FastMutex))
                continue;
        } else {
            ExAcquireFastMutex(&FastMutex);
        }
        EnterOne(0);
        ExReleaseFastMutex(&FastMutex);
        KeAcquireGuardedMutex(&GuardedMutex);
        EnterOne(1);
        KeReleaseGuardedMutex(&GuardedMutex);
    }
}

TEST(T_FM_1__T_FM_3)
{
    KtPrepareStorm();
    ExInitializeFastMutex(&FastMutex);
    KeInitializeGuardedMutex(&GuardedMutex);
    Counters[0] = Counters[1] = 0;
    Entries[0] = Entries[1] = 0;
    KtAddToStorm(80, EnterFastMutexes, NULL);
    KtRunStorm();
    for (ULONG i = 0; i < 2; i++) {
        CHECK_EQUAL(Counters[i], Entries[i]);
        CHECK(Counters[i] > 0);
    }
    CHECK_EQUAL(FastMutex.Count, 1);
}
