/*
 * Many threads over all dispatcher objects, with exact accounts. The tests share stress=SECONDS
 * among them (default: a second each); the seed decides what happens in them.
 */
#define SUITE "stress.threads"
#include "storm.h"

/* ---- semaphores: all that is produced is consumed or left ---- */

static KSEMAPHORE Semaphores[4];
static volatile LONG64 Produced[4], Consumed[4];

static VOID PrepareSemaphores(VOID)
{
    for (ULONG i = 0; i < 4; i++) {
        KeInitializeSemaphore(&Semaphores[i], 0, MAXLONG);
        Produced[i] = Consumed[i] = 0;
    }
}

static VOID CheckSemaphores(VOID)
{
    for (ULONG i = 0; i < 4; i++) {
        CHECK_EQUAL(Consumed[i] + KeReadStateSemaphore(&Semaphores[i]), Produced[i]);
        CHECK(IsListEmpty(&Semaphores[i].Header.WaitListHead));
    }
    CHECK(Consumed[0] > 0);
}

ROUTINE(Produce)
{
    KtAwaitStorm();
    while (!KtStormEnds) {
        ULONG which = KtRandom(4);
        LONG count = 1 + (LONG)KtRandom(3);

        InterlockedExchangeAdd64(&Produced[which], count);
        KeReleaseSemaphore(&Semaphores[which], IO_NO_INCREMENT, count, FALSE);
        if (KtRandom(4) == 0)
            KiSleep(KtRandom(3000));
        else
            KtJitter(3000);
    }
}

static VOID ConsumeOne(ULONG Which)
{
    NTSTATUS status = KtWait(&Semaphores[Which], KtRandom(20000));

    if (status == STATUS_SUCCESS)
        InterlockedIncrement64(&Consumed[Which]);
    else
        CHECK_EQUAL(status, STATUS_TIMEOUT);
}

ROUTINE(Consume)
{
    KtAwaitStorm();
    while (!KtStormEnds)
        ConsumeOne(KtRandom(4));
}

TEST(T_DISP_1_semaphores__T_KeReleaseSemaphore_1)
{
    KtPrepareStorm();
    PrepareSemaphores();
    KtAddToStorm(40, Produce, NULL);
    KtAddToStorm(80, Consume, NULL);
    KtRunStorm();
    CheckSemaphores();
}

/* ---- any and all of them ---- */

ROUTINE(ConsumeMany)
{
    KWAIT_BLOCK blocks[4];
    PVOID objects[4];

    KtAwaitStorm();
    for (ULONG i = 0; i < 4; i++)
        objects[i] = &Semaphores[i];
    while (!KtStormEnds) {
        ULONG count = 2 + KtRandom(3);
        WAIT_TYPE type = KtRandom(2) ? WaitAny : WaitAll;
        LARGE_INTEGER timeout = KtIn(KtRandom(20000));
        NTSTATUS status = KeWaitForMultipleObjects(count, objects, type, Executive, KernelMode,
                                                   FALSE, &timeout, blocks);

        if (status == STATUS_TIMEOUT)
            continue;
        if (type == WaitAny && CHECK(status >= 0 && status < (NTSTATUS)count))
            InterlockedIncrement64(&Consumed[status]);
        for (ULONG i = 0; type == WaitAll && i < count; i++)
            InterlockedIncrement64(&Consumed[i]);
    }
}

TEST(T_WAIT_5)
{
    KtPrepareStorm();
    PrepareSemaphores();
    KtAddToStorm(40, Produce, NULL);
    KtAddToStorm(30, Consume, NULL);
    KtAddToStorm(60, ConsumeMany, NULL);
    KtRunStorm();
    CheckSemaphores();
}

/* ---- priorities and affinities change under way ---- */

ROUTINE(ConsumeAnywhere)
{
    KAFFINITY all = KeQueryActiveProcessors();

    KtAwaitStorm();
    while (!KtStormEnds) {
        KAFFINITY some = (KAFFINITY)(1 + KtRandom((ULONG)all)) & all;

        KeSetSystemAffinityThreadEx(some);
        if (!CHECK(some >> KeGetCurrentProcessorIndex() & 1))
            break;
        ConsumeOne(KtRandom(4));
        CHECK(some >> KeGetCurrentProcessorIndex() & 1);
        if (KtRandom(3) == 0)
            KeRevertToUserAffinityThreadEx(0);
    }
    KeRevertToUserAffinityThreadEx(0);
}

ROUTINE(ChangePriorities)
{
    KtAwaitStorm();
    while (!KtStormEnds) {
        PKTHREAD thread = KtStormThreads[KtRandom(KtStormThreadCount)].Object;

        KeSetPriorityThread(thread, 1 + (KPRIORITY)KtRandom(14));
        KtJitter(2000);
        if (KtRandom(8) == 0)
            KiSleep(KtRandom(5000));
    }
}

/* Whoever has been left at the bottom must come to its end too. */
static VOID RestorePriorities(VOID)
{
    for (ULONG i = 0; i < KtStormThreadCount; i++)
        KeSetPriorityThread(KtStormThreads[i].Object, 8);
}

TEST(T_KeSetPriorityThread_1__T_AFF_1)
{
    KtPrepareStorm();
    PrepareSemaphores();
    KtAddToStorm(40, Produce, NULL);
    KtAddToStorm(60, ConsumeAnywhere, NULL);
    KtAddToStorm(30, ConsumeMany, NULL);
    KtAddToStorm(4, ChangePriorities, NULL);
    KtReleaseStorm();
    KiSleep(KtStormTime());
    InterlockedExchange(&KtStormEnds, 1);
    KiSleep(MILLISECONDS(50));
    RestorePriorities();
    KtEndStorm();
    CheckSemaphores();
}

/* ---- synchronization events: a place for one letter between two threads ---- */

#define PAIRS 48

static struct {
    KEVENT Full, Empty;
    ULONG64 Letter, Sent, Received;
} Mailboxes[PAIRS];

ROUTINE(SendLetters)
{
    ULONG me = (ULONG)(ULONG_PTR)Context;

    KtAwaitStorm();
    while (!KtStormEnds) {
        if (!CHECK_EQUAL(KtWait(&Mailboxes[me].Empty, KT_PATIENCE), STATUS_SUCCESS))
            break;
        Mailboxes[me].Letter = ++Mailboxes[me].Sent;
        KtJitter(500);
        CHECK_EQUAL(KeSetEvent(&Mailboxes[me].Full, IO_NO_INCREMENT, FALSE), 0);
    }
}

ROUTINE(ReceiveLetters)
{
    ULONG me = (ULONG)(ULONG_PTR)Context;

    KtAwaitStorm();
    for (;;) {
        NTSTATUS status =
            KtWait(&Mailboxes[me].Full, KtStormEnds ? MILLISECONDS(500) : KT_PATIENCE);

        if (KtStormEnds && status == STATUS_TIMEOUT)
            return;
        if (!CHECK_EQUAL(status, STATUS_SUCCESS) ||
            !CHECK_EQUAL(Mailboxes[me].Letter, Mailboxes[me].Received + 1))
            return;
        Mailboxes[me].Received++;
        KeSetEvent(&Mailboxes[me].Empty, IO_NO_INCREMENT, FALSE);
    }
}

TEST(T_KeSetEvent_2_synchronization)
{
    ULONG64 letters = 0;

    KtPrepareStorm();
    for (ULONG i = 0; i < PAIRS; i++) {
        memset(&Mailboxes[i], 0, sizeof(Mailboxes[i]));
        KeInitializeEvent(&Mailboxes[i].Full, SynchronizationEvent, FALSE);
        KeInitializeEvent(&Mailboxes[i].Empty, SynchronizationEvent, TRUE);
        KtAddToStorm(1, SendLetters, (PVOID)(ULONG_PTR)i);
        KtAddToStorm(1, ReceiveLetters, (PVOID)(ULONG_PTR)i);
    }
    KtRunStorm();
    for (ULONG i = 0; i < PAIRS; i++) {
        CHECK_EQUAL(Mailboxes[i].Received, Mailboxes[i].Sent);
        letters += Mailboxes[i].Received;
    }
    CHECK(letters > 0);
}

/* ---- notification events: everybody passes each gate once ---- */

#define WALKERS 100

static KEVENT Gates[2];
static volatile LONG Passed, Rounds;

ROUTINE(Walk)
{
    KtAwaitStorm();
    for (LONG round = 0;; round++) {
        if (!CHECK_EQUAL(KtWait(&Gates[round % 2], KT_PATIENCE), STATUS_SUCCESS))
            return;
        CHECK_EQUAL(Rounds, round);
        BOOLEAN last = KtStormEnds;
        InterlockedIncrement(&Passed);
        if (last)
            return;
    }
}

/* KtStormEnds is written while all wait, so all see it in the same round. */
TEST(T_KeSetEvent_2_notification)
{
    ULONG64 start;

    KtPrepareStorm();
    KeInitializeEvent(&Gates[0], NotificationEvent, FALSE);
    KeInitializeEvent(&Gates[1], NotificationEvent, FALSE);
    Passed = Rounds = 0;
    KtAddToStorm(WALKERS, Walk, NULL);
    KtReleaseStorm();
    start = KtNow();
    for (BOOLEAN last = FALSE; !last; Rounds++) {
        last = KtNow() - start > KtStormTime();
        if (last)
            InterlockedExchange(&KtStormEnds, 1);
        Passed = 0;
        KeSetEvent(&Gates[Rounds % 2], IO_NO_INCREMENT, FALSE);
        if (!CHECK(KtSleepUntil(&Passed, WALKERS)))
            break;
        KeResetEvent(&Gates[Rounds % 2]);
    }
    KtEndStorm();
    CHECK_EQUAL(Passed, WALKERS);
    CHECK_AT_LEAST(Rounds, 2);
}

/* ---- mutexes ---- */

static KMUTEX Mutexes[3];
static ULONG64 Guarded[3]; /* written by the owner only */
static volatile LONG64 Entered[3];

ROUTINE(OwnMutexes)
{
    KtAwaitStorm();
    while (!KtStormEnds) {
        ULONG which = KtRandom(3), times = 1 + KtRandom(3), had = 0;

        while (had < times && KtWait(&Mutexes[which], KtRandom(30000)) == STATUS_SUCCESS)
            had++;
        if (!had)
            continue;
        ULONG64 value = Guarded[which];
        KtJitter(300);
        if (KtRandom(16) == 0)
            KiSleep(KtRandom(500));
        Guarded[which] = value + 1;
        InterlockedIncrement64(&Entered[which]);
        for (; had > 1; had--)
            CHECK(KeReleaseMutex(&Mutexes[which], FALSE) != 0);
        CHECK_EQUAL(KeReleaseMutex(&Mutexes[which], FALSE), 0);
    }
}

TEST(T_KMUTEX_2)
{
    KtPrepareStorm();
    for (ULONG i = 0; i < 3; i++) {
        KeInitializeMutex(&Mutexes[i], 0);
        Guarded[i] = 0;
        Entered[i] = 0;
    }
    KtAddToStorm(100, OwnMutexes, NULL);
    KtRunStorm();
    for (ULONG i = 0; i < 3; i++) {
        CHECK_EQUAL(Guarded[i], Entered[i]);
        CHECK_EQUAL(KeReadStateMutex(&Mutexes[i]), 1);
        CHECK(Guarded[i] > 0);
    }
}

/* Abandoned all the time: whoever gets it knows, or it was given back. */
static KMUTANT Mutant;
static volatile LONG64 Abandonments, Noticed;

static VOID TakeAndAbandon(PVOID Context)
{
    UNREFERENCED_PARAMETER(Context);
    NTSTATUS status = KtWait(&Mutant, KT_PATIENCE);

    CHECK(status == STATUS_SUCCESS || status == STATUS_ABANDONED_WAIT_0);
    if (status == STATUS_ABANDONED_WAIT_0)
        InterlockedIncrement64(&Noticed);
    if (KtRandom(2))
        KeReleaseMutex(&Mutant, FALSE);
    else
        InterlockedIncrement64(&Abandonments);
}

static volatile LONG64 Created, Over;

static VOID CountEnd(PVOID Context)
{
    UNREFERENCED_PARAMETER(Context);
    if (KtRandom(2))
        KiSleep(KtRandom(2000));
    InterlockedIncrement64(&Over);
}

/* Creates threads that run Context, some of them awaited. */
ROUTINE(Spawn)
{
    PKSTART_ROUTINE routine = (PKSTART_ROUTINE)Context;

    KtAwaitStorm();
    while (!KtStormEnds) {
        HANDLE handle;
        PVOID object;

        if (!CHECK_EQUAL(
                PsCreateSystemThread(&handle, THREAD_ALL_ACCESS, NULL, NULL, NULL, routine, NULL),
                STATUS_SUCCESS))
            break;
        InterlockedIncrement64(&Created);
        CHECK_EQUAL(ObReferenceObjectByHandle(handle, SYNCHRONIZE, *PsThreadType, KernelMode,
                                              &object, NULL),
                    STATUS_SUCCESS);
        if (KtRandom(2))
            ZwClose(handle), handle = NULL;
        CHECK_EQUAL(KtWait(object, 2 * KT_PATIENCE), STATUS_SUCCESS);
        ObDereferenceObject(object);
        if (handle)
            ZwClose(handle);
    }
}

TEST(T_KMUTEX_6__T_WAIT_6)
{
    KtPrepareStorm();
    KeInitializeMutant(&Mutant, FALSE);
    Abandonments = Noticed = Created = 0;
    KtAddToStorm(24, Spawn, (PVOID)TakeAndAbandon);
    KtRunStorm();
    if (KtTest(&Mutant) == STATUS_ABANDONED_WAIT_0)
        Noticed++;
    CHECK_EQUAL(Noticed, Abandonments);
    CHECK(Created > 0);
}

/* ---- threads come and go; nothing is left ---- */

static SIZE_T PoolPages(VOID)
{
    MM_INFORMATION information;

    MmQueryInformation(&information);
    return information.PoolPages;
}

static VOID RunStorm(VOID)
{
    KtPrepareStorm();
    Created = Over = 0;
    KtAddToStorm(48, Spawn, (PVOID)CountEnd);
    KtRunStorm();
    CHECK_EQUAL(Over, Created);
    CHECK(Created > 48);
}

TEST(T_PsCreateSystemThread_1__T_PsTerminateSystemThread_1)
{
    SIZE_T blocks = KtThreadBlocks(), pages;

    RunStorm();
    KtAwaitThreadBlocks(blocks);
    pages = PoolPages();
    RunStorm();
    KtAwaitThreadBlocks(blocks);
    CHECK(PoolPages() <= pages + 4);
}

/* More threads than there are handles, one after the other. */
TEST(T_PsCreateSystemThread_1_handles)
{
    SIZE_T blocks = KtThreadBlocks();
    HANDLE handle;

    Over = 0;
    for (LONG64 i = 0; i < 5000; i++) {
        if (!CHECK_EQUAL(
                PsCreateSystemThread(&handle, THREAD_ALL_ACCESS, NULL, NULL, NULL, CountEnd, NULL),
                STATUS_SUCCESS))
            break;
        ZwClose(handle);
        if (i % 64 == 63)
            KiSleep(MILLISECONDS(1));
    }
    KtAwaitThreadBlocks(blocks);
    CHECK_EQUAL(Over, 5000);
}

/* ---- a time-out and a set at the same instant ---- */

typedef struct _RACER {
    KTIMER Timer;
    KDPC Dpc;
    KEVENT Event;
    volatile LONG Sets;
    LONG Taken, TimedOut;
} RACER;

static RACER Racers[64];

DPC_ROUTINE(SetRacersEvent)
{
    RACER *racer = Context;

    KeSetEvent(&racer->Event, IO_NO_INCREMENT, FALSE);
    InterlockedIncrement(&racer->Sets);
}

ROUTINE(RaceWithTimeout)
{
    RACER *racer = Context;

    KtAwaitStorm();
    for (LONG round = 1; !KtStormEnds; round++) {
        LARGE_INTEGER due = KtAt(KtSystemNow() + KtRandom(20000));

        KeSetTargetProcessorDpc(&racer->Dpc, (CCHAR)KtRandom(KtProcessors()));
        KeSetTimer(&racer->Timer, due, &racer->Dpc);
        if (KeWaitForSingleObject(&racer->Event, Executive, KernelMode, FALSE, &due) ==
            STATUS_TIMEOUT) {
            racer->TimedOut++;
            /* The set comes later, or has come: exactly once. */
            if (!CHECK_EQUAL(KtWait(&racer->Event, KT_PATIENCE), STATUS_SUCCESS))
                return;
        }
        racer->Taken++;
        if (!CHECK_EQUAL(KtTest(&racer->Event), STATUS_TIMEOUT))
            return;
        CHECK(KtSpinUntil(&racer->Sets, round));
    }
}

TEST(T_WAIT_2__T_DISP_1_timeouts)
{
    KtPrepareStorm();
    for (ULONG i = 0; i < 64; i++) {
        memset(&Racers[i], 0, sizeof(RACER));
        KeInitializeTimer(&Racers[i].Timer);
        KeInitializeDpc(&Racers[i].Dpc, SetRacersEvent, &Racers[i]);
        KeInitializeEvent(&Racers[i].Event, SynchronizationEvent, FALSE);
        KtAddToStorm(1, RaceWithTimeout, &Racers[i]);
    }
    KtRunStorm();
    KeFlushQueuedDpcs();
    for (ULONG i = 0; i < 64; i++)
        CHECK_EQUAL(Racers[i].Taken, Racers[i].Sets);
}

/* ---- waitable timers set, cancelled, waited for ---- */

static volatile LONG64 Cancelled, Expired;

/* Its own timer: cancelled and never signaled, or not cancelled and signaled once. */
ROUTINE(CancelTimers)
{
    KTIMER timer;

    KeInitializeTimerEx(&timer, SynchronizationTimer);
    KtAwaitStorm();
    while (!KtStormEnds) {
        KeSetTimer(&timer, KtIn(KtRandom(3000)), NULL);
        if (KtRandom(2))
            KtJitter(3000);
        else
            KiSleep(KtRandom(3000));
        if (KeCancelTimer(&timer)) {
            InterlockedIncrement64(&Cancelled);
        } else {
            InterlockedIncrement64(&Expired);
            CHECK_EQUAL(KtTest(&timer), STATUS_SUCCESS);
        }
        if (!CHECK_EQUAL(KtTest(&timer), STATUS_TIMEOUT))
            break;
    }
}

static KTIMER Shared;
static volatile LONG64 Expiries, Wakeups;

ROUTINE(AwaitShared)
{
    KtAwaitStorm();
    while (!KtStormEnds)
        if (KtWait(&Shared, MILLISECONDS(50)) == STATUS_SUCCESS)
            InterlockedIncrement64(&Wakeups);
}

/* One of many waiters for each expiry. */
ROUTINE(SetShared)
{
    KtAwaitStorm();
    while (!KtStormEnds) {
        LONG64 before = Wakeups;

        KeSetTimer(&Shared, KtIn(KtRandom(20000)), NULL);
        KiSleep(KtRandom(20000));
        if (KeCancelTimer(&Shared))
            continue;
        Expiries++;
        for (ULONG64 start = KtNow(); Wakeups == before && KtNow() - start < KT_PATIENCE;)
            KiSleep(1000);
        if (!CHECK_EQUAL(Wakeups, before + 1))
            break;
    }
}

TEST(T_TMR_20__T_TMR_11)
{
    KtPrepareStorm();
    Cancelled = Expired = Expiries = Wakeups = 0;
    KeInitializeTimerEx(&Shared, SynchronizationTimer);
    KtAddToStorm(60, CancelTimers, NULL);
    KtAddToStorm(30, AwaitShared, NULL);
    KtAddToStorm(1, SetShared, NULL);
    KtRunStorm();
    CHECK(Cancelled > 0 && Expired > 0);
    CHECK_EQUAL(Wakeups, Expiries);
}

/* ---- waits for other threads, each for the one before ---- */

static PKTHREAD Chain[KT_STORM_MOST];

ROUTINE(AwaitPredecessor)
{
    ULONG me = (ULONG)(ULONG_PTR)Context;

    KtAwaitStorm();
    if (me > 0)
        CHECK_EQUAL(KtWait(Chain[me - 1], 2 * KT_PATIENCE), STATUS_SUCCESS);
    InterlockedIncrement64(&Over);
    CHECK_EQUAL(Over, me + 1);
}

TEST(T_PsTerminateSystemThread_1_chain)
{
    KtPrepareStorm();
    Over = 0;
    for (ULONG i = 0; i < KT_STORM_MOST; i++) {
        KtAddToStorm(1, AwaitPredecessor, (PVOID)(ULONG_PTR)i);
        Chain[i] = KtStormThreads[i].Object;
        ObReferenceObject(Chain[i]); /* its successor waits for it */
    }
    KtReleaseStorm();
    KtEndStorm();
    for (ULONG i = 0; i < KT_STORM_MOST; i++)
        ObDereferenceObject(Chain[i]);
    CHECK_EQUAL(Over, KT_STORM_MOST);
}
