/*
 * Threads that wait for each other for ever, shown by the command `waits`. What it prints is
 * looked at by tests/run; here the rings are made, and broken again by taking a mutex away.
 */
#define SUITE "wait.deadlock"
#include "kd/kdp.h"
#include "ke/mutex.h"
#include "ps.h"
#include "thread_tool.h"

static KMUTANT Mutants[3];
static FAST_MUTEX FastMutex;
static KGUARDED_MUTEX GuardedMutex;
static KSEMAPHORE Semaphore;
static KEVENT Everybody; /* has what the others will want */
static volatile LONG Have, Ended;

static VOID WaitFor(PVOID Object)
{
    KeWaitForSingleObject(Object, Executive, KernelMode, FALSE, NULL);
}

static VOID AwaitEverybody(VOID)
{
    InterlockedIncrement(&Have);
    WaitFor(&Everybody);
}

/* ---- a ring of three kinds of mutexes ---- */

static VOID FirstPhilosopher(PVOID Context)
{
    UNREFERENCED_PARAMETER(Context);
    WaitFor(&Mutants[0]);
    AwaitEverybody();
    ExAcquireFastMutex(&FastMutex);
    ExReleaseFastMutex(&FastMutex);
    InterlockedIncrement(&Ended); /* its mutex was taken away */
}

static VOID SecondPhilosopher(PVOID Context)
{
    UNREFERENCED_PARAMETER(Context);
    ExAcquireFastMutex(&FastMutex);
    AwaitEverybody();
    KeAcquireGuardedMutex(&GuardedMutex);
    KeReleaseGuardedMutex(&GuardedMutex);
    ExReleaseFastMutex(&FastMutex);
    InterlockedIncrement(&Ended);
}

static VOID ThirdPhilosopher(PVOID Context)
{
    UNREFERENCED_PARAMETER(Context);
    KeAcquireGuardedMutex(&GuardedMutex);
    AwaitEverybody();
    WaitFor(&Mutants[0]);
    KeReleaseMutex(&Mutants[0], FALSE);
    KeReleaseGuardedMutex(&GuardedMutex);
    InterlockedIncrement(&Ended);
}

/* ---- a ring of waits for all and for any ---- */

/* The semaphore is free, the mutex is not: all are needed. */
static VOID Collector(PVOID Context)
{
    PVOID both[] = {&Semaphore, &Mutants[1]};

    UNREFERENCED_PARAMETER(Context);
    WaitFor(&Mutants[2]);
    AwaitEverybody();
    KeWaitForMultipleObjects(2, both, WaitAll, Executive, KernelMode, FALSE, NULL, NULL);
    KeReleaseMutex(&Mutants[1], FALSE);
    InterlockedIncrement(&Ended);
}

/* Either mutex would do, and the owner of neither can go on. */
static VOID Chooser(PVOID Context)
{
    PVOID either[] = {&Mutants[0], &Mutants[2]};
    PKMUTANT taken;

    UNREFERENCED_PARAMETER(Context);
    WaitFor(&Mutants[1]);
    AwaitEverybody();
    taken = either[KeWaitForMultipleObjects(2, either, WaitAny, Executive, KernelMode, FALSE, NULL,
                                            NULL) %
                   STATUS_ABANDONED_WAIT_0];
    KeReleaseMutex(taken, FALSE);
    KeReleaseMutex(&Mutants[1], FALSE);
    InterlockedIncrement(&Ended);
}

/* ---- no ring: a bystander who waits for one in it, and one whose wait has an end ---- */

static VOID Bystander(PVOID Context)
{
    UNREFERENCED_PARAMETER(Context);
    AwaitEverybody();
    ExAcquireFastMutex(&FastMutex);
    ExReleaseFastMutex(&FastMutex);
    InterlockedIncrement(&Ended);
}

static VOID Impatient(PVOID Context)
{
    UNREFERENCED_PARAMETER(Context);
    AwaitEverybody();
    KtWait(&Mutants[1], SECONDS(1000));
    KeReleaseMutex(&Mutants[1], FALSE);
    InterlockedIncrement(&Ended);
}

static const struct {
    PCSTR Name;
    PKSTART_ROUTINE Routine;
} People[] = {
    {"philosopher 1", FirstPhilosopher},
    {"philosopher 2", SecondPhilosopher},
    {"philosopher 3", ThirdPhilosopher},
    {"collector", Collector},
    {"chooser", Chooser},
    {"bystander", Bystander},
    {"impatient", Impatient},
};

static VOID TakeAway(PKMUTANT Mutant)
{
    KIRQL oldIrql = KiLockDispatcher();

    KiFreeMutant(Mutant, TRUE);
    KiUnlockDispatcher(oldIrql);
}

static VOID PrepareObjects(VOID)
{
    for (ULONG i = 0; i < ARRAYSIZE(Mutants); i++)
        KeInitializeMutant(&Mutants[i], FALSE);
    ExInitializeFastMutex(&FastMutex);
    KeInitializeGuardedMutex(&GuardedMutex);
    KeInitializeSemaphore(&Semaphore, 1, 1);
    KeInitializeEvent(&Everybody, NotificationEvent, FALSE);
    Have = Ended = 0;
}

static ULONG CountWaiters(PDISPATCHER_HEADER Object)
{
    KIRQL oldIrql = KiLockDispatcher();
    ULONG count = 0;

    for (PLIST_ENTRY entry = Object->WaitListHead.Flink; entry != &Object->WaitListHead;
         entry = entry->Flink)
        count++;
    KiUnlockDispatcher(oldIrql);
    return count;
}

/* All have come to their second wait. */
static VOID AwaitDeadlock(VOID)
{
    ULONG64 start = KtNow();

    while ((CountWaiters(&FastMutex.Event.Header) < 2 ||
            CountWaiters(&GuardedMutex.Event.Header) < 1 || CountWaiters(&Mutants[0].Header) < 2 ||
            CountWaiters(&Mutants[1].Header) < 2) &&
           CHECK(KtNow() - start < KT_PATIENCE))
        KiSleep(MILLISECONDS(1));
}

TEST(rings_are_shown_by_the_command_waits)
{
    SIZE_T blocks = KtThreadBlocks();

    PrepareObjects();
    for (ULONG i = 0; i < ARRAYSIZE(People); i++)
        CHECK_EQUAL(PspStartThread(People[i].Name, 8, People[i].Routine, NULL), STATUS_SUCCESS);
    CHECK(KtSleepUntil(&Have, ARRAYSIZE(People)));
    DbgPrint("Not yet a deadlock:\n");
    KdpWaits(0, NULL);
    KeSetEvent(&Everybody, IO_NO_INCREMENT, FALSE);
    AwaitDeadlock();
    DbgPrint("A deadlock:\n");
    KdpWaits(0, NULL);
    CHECK_EQUAL(Ended, 0);
    TakeAway(&Mutants[0]);
    TakeAway(&Mutants[2]);
    CHECK(KtSleepUntil(&Ended, ARRAYSIZE(People)));
    DbgPrint("No deadlock any more.\n");
    KdpWaits(0, NULL);
    KtAwaitThreadBlocks(blocks);
}
