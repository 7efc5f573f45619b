/*
 * Many threads over all dispatcher objects, with exact accounts. The tests share stress=SECONDS
 * among them (default: a second each); the seed decides what happens in them.
 */
#define SUITE "stress.threads"
#include "thread_tool.h"

#define TESTS_HERE 12
#define MOST       192

static KT_THREAD Threads[MOST];
static ULONG ThreadCount;
static KEVENT Gate;
static volatile LONG Stop;

static ULONG64 Duration(VOID)
{
    return SECONDS(KiGetNumberOption("stress", TESTS_HERE)) / TESTS_HERE;
}

/* All threads begin together, once Go is called. The tests' own thread stays above them. */
static VOID Add(ULONG Count, KT_ROUTINE *Routine, PVOID Context)
{
    for (ULONG i = 0; i < Count && ThreadCount < MOST; i++)
        KtStartThread(&Threads[ThreadCount++], KT_ANY_PROCESSOR, 8, Routine, Context);
}

static VOID Prepare(VOID)
{
    KeSetPriorityThread(KeGetCurrentThread(), 15);
    KeInitializeEvent(&Gate, NotificationEvent, FALSE);
    ThreadCount = 0;
    Stop = 0;
}

static VOID AwaitGate(VOID)
{
    KeWaitForSingleObject(&Gate, Executive, KernelMode, FALSE, NULL);
}

static VOID Join(VOID)
{
    InterlockedExchange(&Stop, 1);
    for (ULONG i = 0; i < ThreadCount; i++)
        KtEndThread(&Threads[i]);
    KeSetPriorityThread(KeGetCurrentThread(), 8);
}

static VOID Go(VOID)
{
    KeSetEvent(&Gate, IO_NO_INCREMENT, FALSE);
    KiSleep(Duration());
    Join();
}

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
    AwaitGate();
    while (!Stop) {
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
    AwaitGate();
    while (!Stop)
        ConsumeOne(KtRandom(4));
}

TEST(T_DISP_1_semaphores__T_KeReleaseSemaphore_1)
{
    Prepare();
    PrepareSemaphores();
    Add(40, Produce, NULL);
    Add(80, Consume, NULL);
    Go();
    CheckSemaphores();
}

/* ---- any and all of them ---- */

ROUTINE(ConsumeMany)
{
    KWAIT_BLOCK blocks[4];
    PVOID objects[4];

    AwaitGate();
    for (ULONG i = 0; i < 4; i++)
        objects[i] = &Semaphores[i];
    while (!Stop) {
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
    Prepare();
    PrepareSemaphores();
    Add(40, Produce, NULL);
    Add(30, Consume, NULL);
    Add(60, ConsumeMany, NULL);
    Go();
    CheckSemaphores();
}

/* ---- priorities and affinities change under way ---- */

ROUTINE(ConsumeAnywhere)
{
    KAFFINITY all = KeQueryActiveProcessors();

    AwaitGate();
    while (!Stop) {
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
    AwaitGate();
    while (!Stop) {
        PKTHREAD thread = Threads[KtRandom(ThreadCount)].Object;

        KeSetPriorityThread(thread, 1 + (KPRIORITY)KtRandom(14));
        KtJitter(2000);
        if (KtRandom(8) == 0)
            KiSleep(KtRandom(5000));
    }
}

/* Whoever has been left at the bottom must come to its end too. */
static VOID RestorePriorities(VOID)
{
    for (ULONG i = 0; i < ThreadCount; i++)
        KeSetPriorityThread(Threads[i].Object, 8);
}

TEST(T_KeSetPriorityThread_1__T_AFF_1)
{
    Prepare();
    PrepareSemaphores();
    Add(40, Produce, NULL);
    Add(60, ConsumeAnywhere, NULL);
    Add(30, ConsumeMany, NULL);
    Add(4, ChangePriorities, NULL);
    KeSetEvent(&Gate, IO_NO_INCREMENT, FALSE);
    KiSleep(Duration());
    InterlockedExchange(&Stop, 1);
    KiSleep(MILLISECONDS(50));
    RestorePriorities();
    Join();
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

    AwaitGate();
    while (!Stop) {
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

    AwaitGate();
    for (;;) {
        NTSTATUS status = KtWait(&Mailboxes[me].Full, Stop ? MILLISECONDS(500) : KT_PATIENCE);

        if (Stop && status == STATUS_TIMEOUT)
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

    Prepare();
    for (ULONG i = 0; i < PAIRS; i++) {
        memset(&Mailboxes[i], 0, sizeof(Mailboxes[i]));
        KeInitializeEvent(&Mailboxes[i].Full, SynchronizationEvent, FALSE);
        KeInitializeEvent(&Mailboxes[i].Empty, SynchronizationEvent, TRUE);
        Add(1, SendLetters, (PVOID)(ULONG_PTR)i);
        Add(1, ReceiveLetters, (PVOID)(ULONG_PTR)i);
    }
    Go();
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
    AwaitGate();
    for (LONG round = 0;; round++) {
        if (!CHECK_EQUAL(KtWait(&Gates[round % 2], KT_PATIENCE), STATUS_SUCCESS))
            return;
        CHECK_EQUAL(Rounds, round);
        BOOLEAN last = Stop;
        InterlockedIncrement(&Passed);
        if (last)
            return;
    }
}

/* Stop is written while all wait, so all see it in the same round. */
TEST(T_KeSetEvent_2_notification)
{
    ULONG64 start;

    Prepare();
    KeInitializeEvent(&Gates[0], NotificationEvent, FALSE);
    KeInitializeEvent(&Gates[1], NotificationEvent, FALSE);
    Passed = Rounds = 0;
    Add(WALKERS, Walk, NULL);
    KeSetEvent(&Gate, IO_NO_INCREMENT, FALSE);
    start = KtNow();
    for (BOOLEAN last = FALSE; !last; Rounds++) {
        last = KtNow() - start > Duration();
        if (last)
            InterlockedExchange(&Stop, 1);
        Passed = 0;
        KeSetEvent(&Gates[Rounds % 2], IO_NO_INCREMENT, FALSE);
        if (!CHECK(KtSleepUntil(&Passed, WALKERS)))
            break;
        KeResetEvent(&Gates[Rounds % 2]);
    }
    Join();
    CHECK_EQUAL(Passed, WALKERS);
    CHECK_AT_LEAST(Rounds, 2);
}

/* ---- mutexes ---- */

static KMUTEX Mutexes[3];
static ULONG64 Guarded[3]; /* written by the owner only */
static volatile LONG64 Entered[3];

ROUTINE(OwnMutexes)
{
    AwaitGate();
    while (!Stop) {
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
    Prepare();
    for (ULONG i = 0; i < 3; i++) {
        KeInitializeMutex(&Mutexes[i], 0);
        Guarded[i] = 0;
        Entered[i] = 0;
    }
    Add(100, OwnMutexes, NULL);
    Go();
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

    AwaitGate();
    while (!Stop) {
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
    Prepare();
    KeInitializeMutant(&Mutant, FALSE);
    Abandonments = Noticed = Created = 0;
    Add(24, Spawn, (PVOID)TakeAndAbandon);
    Go();
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
    Prepare();
    Created = Over = 0;
    Add(48, Spawn, (PVOID)CountEnd);
    Go();
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

    AwaitGate();
    for (LONG round = 1; !Stop; round++) {
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
    Prepare();
    for (ULONG i = 0; i < 64; i++) {
        memset(&Racers[i], 0, sizeof(RACER));
        KeInitializeTimer(&Racers[i].Timer);
        KeInitializeDpc(&Racers[i].Dpc, SetRacersEvent, &Racers[i]);
        KeInitializeEvent(&Racers[i].Event, SynchronizationEvent, FALSE);
        Add(1, RaceWithTimeout, &Racers[i]);
    }
    Go();
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
    AwaitGate();
    while (!Stop) {
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
    AwaitGate();
    while (!Stop)
        if (KtWait(&Shared, MILLISECONDS(50)) == STATUS_SUCCESS)
            InterlockedIncrement64(&Wakeups);
}

/* One of many waiters for each expiry. */
ROUTINE(SetShared)
{
    AwaitGate();
    while (!Stop) {
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
    Prepare();
    Cancelled = Expired = Expiries = Wakeups = 0;
    KeInitializeTimerEx(&Shared, SynchronizationTimer);
    Add(60, CancelTimers, NULL);
    Add(30, AwaitShared, NULL);
    Add(1, SetShared, NULL);
    Go();
    CHECK(Cancelled > 0 && Expired > 0);
    CHECK_EQUAL(Wakeups, Expiries);
}

/* ---- waits for other threads, each for the one before ---- */

static PKTHREAD Chain[MOST];

ROUTINE(AwaitPredecessor)
{
    ULONG me = (ULONG)(ULONG_PTR)Context;

    AwaitGate();
    if (me > 0)
        CHECK_EQUAL(KtWait(Chain[me - 1], 2 * KT_PATIENCE), STATUS_SUCCESS);
    InterlockedIncrement64(&Over);
    CHECK_EQUAL(Over, me + 1);
}

TEST(T_PsTerminateSystemThread_1_chain)
{
    Prepare();
    Over = 0;
    for (ULONG i = 0; i < MOST; i++) {
        Add(1, AwaitPredecessor, (PVOID)(ULONG_PTR)i);
        Chain[i] = Threads[i].Object;
        ObReferenceObject(Chain[i]); /* its successor waits for it */
    }
    KeSetEvent(&Gate, IO_NO_INCREMENT, FALSE);
    Join();
    for (ULONG i = 0; i < MOST; i++)
        ObDereferenceObject(Chain[i]);
    CHECK_EQUAL(Over, MOST);
}
