/* Executive resources: dispatcher.md. All tests stay in a critical region, as the rule has it. */
#define SUITE "resource"
#include "thread_tool.h"

static ERESOURCE Resource;

static VOID Prepare(VOID)
{
    KtPoison(&Resource);
    CHECK_EQUAL(ExInitializeResourceLite(&Resource), STATUS_SUCCESS);
    KeEnterCriticalRegion();
    KtTraceReset();
}

static VOID Finish(VOID)
{
    CHECK_EQUAL(ExGetExclusiveWaiterCount(&Resource), 0);
    CHECK_EQUAL(ExGetSharedWaiterCount(&Resource), 0);
    CHECK_EQUAL(ExDeleteResourceLite(&Resource), STATUS_SUCCESS);
    KeLeaveCriticalRegion();
}

static VOID CheckMine(BOOLEAN Exclusive, ULONG Count)
{
    CHECK_EQUAL(ExIsResourceAcquiredExclusiveLite(&Resource), Exclusive);
    CHECK_EQUAL(ExIsResourceAcquiredSharedLite(&Resource), Count);
    CHECK_EQUAL(ExIsResourceAcquiredLite(&Resource), Count);
}

/* ---- one thread ---- */

TEST(T_ERES_1__T_ERES_2__T_ERES_9)
{
    CHECK_EQUAL(sizeof(ERESOURCE), 0x68);
    Prepare();
    CheckMine(FALSE, 0);
    CHECK(ExAcquireResourceExclusiveLite(&Resource, FALSE));
    CheckMine(TRUE, 1);
    CHECK(ExAcquireResourceExclusiveLite(&Resource, TRUE));
    CHECK(ExAcquireResourceSharedLite(&Resource, TRUE)); /* counts as one more of the same */
    CHECK(ExAcquireSharedStarveExclusive(&Resource, FALSE));
    CHECK(ExAcquireSharedWaitForExclusive(&Resource, FALSE));
    CheckMine(TRUE, 5);
    for (ULONG left = 5; left; left--) {
        CheckMine(TRUE, left);
        ExReleaseResourceLite(&Resource);
    }
    CheckMine(FALSE, 0);
    CHECK_EQUAL(ExReinitializeResourceLite(&Resource), STATUS_SUCCESS);
    Finish();
}

TEST(T_ERES_3__T_ERES_6)
{
    Prepare();
    CHECK(ExAcquireResourceSharedLite(&Resource, FALSE));
    CHECK(ExAcquireResourceSharedLite(&Resource, FALSE));
    CheckMine(FALSE, 2);
    CHECK(!ExAcquireResourceExclusiveLite(&Resource, FALSE)); /* not even for its only reader */
    ExReleaseResourceLite(&Resource);
    ExReleaseResourceLite(&Resource);
    CHECK(ExAcquireResourceExclusiveLite(&Resource, FALSE));
    ExReleaseResourceLite(&Resource);
    Finish();
}

TEST(T_ERES_8_regions)
{
    Prepare();
    KeLeaveCriticalRegion();
    ExEnterCriticalRegionAndAcquireResourceExclusive(&Resource);
    CHECK(KeAreApcsDisabled());
    CheckMine(TRUE, 1);
    ExReleaseResourceAndLeaveCriticalRegion(&Resource);
    ExEnterCriticalRegionAndAcquireResourceShared(&Resource);
    CheckMine(FALSE, 1);
    ExReleaseResourceAndLeaveCriticalRegion(&Resource);
    CHECK(!KeAreApcsDisabled());
    AT_IRQL(APC_LEVEL) /* as good as a region */
    {
        CHECK(ExAcquireResourceExclusiveLite(&Resource, TRUE));
        AT_IRQL(DISPATCH_LEVEL)
        ExReleaseResourceLite(&Resource);
    }
    KeEnterCriticalRegion();
    Finish();
}

/* ---- several threads ---- */

typedef BOOLEAN ACQUIRE(PERESOURCE Resource, BOOLEAN Wait);

typedef struct _USER {
    KT_THREAD Thread;
    ACQUIRE *Acquire;
    CHAR Event;
    KEVENT Release;
    volatile LONG Has;
} USER;

static USER Users[5];

ROUTINE(Use)
{
    USER *user = Context;

    CHECK(user->Acquire(&Resource, TRUE));
    KtTrace(user->Event);
    InterlockedExchange(&user->Has, 1);
    CHECK_EQUAL(KtWait(&user->Release, KT_PATIENCE), STATUS_SUCCESS);
    InterlockedExchange(&user->Has, 0);
    ExReleaseResourceLite(&Resource);
}

/* Starts a thread that wants the resource; it is in the queue, or has it, when this returns. */
static VOID StartUser(ULONG Index, ACQUIRE *Acquire, CHAR Event)
{
    USER *user = &Users[Index];
    ULONG waiters = Resource.SharedWaiters + Resource.ExclusiveWaiters;

    user->Acquire = Acquire;
    user->Event = Event;
    user->Has = 0;
    KeInitializeEvent(&user->Release, NotificationEvent, FALSE);
    KtStartThread(&user->Thread, KT_ANY_PROCESSOR, KT_ABOVE, Use, user);
    while (!user->Has && Resource.SharedWaiters + Resource.ExclusiveWaiters == waiters)
        KiSleep(MILLISECONDS(1));
}

static VOID EndUser(ULONG Index)
{
    CHECK(KtSleepUntil(&Users[Index].Has, 1));
    KeSetEvent(&Users[Index].Release, IO_NO_INCREMENT, FALSE);
    KtEndThread(&Users[Index].Thread);
}

/* A writer keeps all others out; those without time are told so. */
TEST(T_ERES_2_exclusive__T_ERES_3_exclusive)
{
    Prepare();
    StartUser(0, ExAcquireResourceExclusiveLite, 'w');
    CheckMine(FALSE, 0);
    CHECK(!ExAcquireResourceExclusiveLite(&Resource, FALSE));
    CHECK(!ExAcquireResourceSharedLite(&Resource, FALSE));
    CHECK(!ExAcquireSharedStarveExclusive(&Resource, FALSE));
    CHECK(!ExAcquireSharedWaitForExclusive(&Resource, FALSE));
    EndUser(0);
    CHECK(ExAcquireResourceExclusiveLite(&Resource, FALSE));
    ExReleaseResourceLite(&Resource);
    Finish();
}

TEST(T_ERES_2_shared)
{
    Prepare();
    CHECK(ExAcquireResourceSharedLite(&Resource, FALSE));
    for (ULONG i = 0; i < 4; i++)
        StartUser(i, ExAcquireResourceSharedLite, 'r');
    for (ULONG i = 0; i < 4; i++)
        CHECK_EQUAL(Users[i].Has, 1);
    ExReleaseResourceLite(&Resource); /* the first claim, the others stay */
    CHECK(!ExAcquireResourceExclusiveLite(&Resource, FALSE));
    CHECK(ExAcquireResourceSharedLite(&Resource, FALSE));
    for (ULONG i = 0; i < 4; i++)
        EndUser(i);
    ExReleaseResourceLite(&Resource);
    Finish();
}

/* Who reads, and how, while a writer waits. */
TEST(T_ERES_4)
{
    Prepare();
    StartUser(0, ExAcquireResourceSharedLite, 'r');
    CHECK(ExAcquireResourceSharedLite(&Resource, FALSE));
    StartUser(1, ExAcquireResourceExclusiveLite, 'w');
    CHECK_EQUAL(ExGetExclusiveWaiterCount(&Resource), 1);

    CHECK(ExAcquireResourceSharedLite(&Resource, FALSE)); /* once more: yes */
    CHECK(!ExAcquireSharedWaitForExclusive(&Resource, FALSE));
    CheckMine(FALSE, 2);
    ExReleaseResourceLite(&Resource);
    ExReleaseResourceLite(&Resource);

    CHECK(!ExAcquireResourceSharedLite(&Resource, FALSE)); /* anew: no */
    CHECK(!ExAcquireSharedWaitForExclusive(&Resource, FALSE));
    CHECK(ExAcquireSharedStarveExclusive(&Resource, FALSE));
    ExReleaseResourceLite(&Resource);
    CHECK_EQUAL(Users[1].Has, 0);
    EndUser(0);
    EndUser(1);
    CHECK_TRACE("rw");
    Finish();
}

TEST(T_ERES_5)
{
    Prepare();
    CHECK(ExAcquireResourceExclusiveLite(&Resource, TRUE));
    CHECK(ExAcquireResourceExclusiveLite(&Resource, TRUE));
    StartUser(0, ExAcquireResourceSharedLite, 'r');
    StartUser(1, ExAcquireResourceExclusiveLite, 'w');
    CHECK_EQUAL(ExGetSharedWaiterCount(&Resource), 1);
    ExConvertExclusiveToSharedLite(&Resource);
    CHECK(KtSleepUntil(&Users[0].Has, 1));
    CheckMine(FALSE, 2);
    CHECK_EQUAL(Users[1].Has, 0);
    EndUser(0);
    ExReleaseResourceLite(&Resource);
    ExReleaseResourceLite(&Resource);
    EndUser(1);
    CHECK_TRACE("rw");
    Finish();
}

/* First come, first served; readers that stand together go in together. */
TEST(T_ERES_7)
{
    Prepare();
    CHECK(ExAcquireResourceExclusiveLite(&Resource, TRUE));
    StartUser(0, ExAcquireResourceSharedLite, 'r');
    StartUser(1, ExAcquireResourceSharedLite, 'r');
    StartUser(2, ExAcquireResourceExclusiveLite, 'w');
    StartUser(3, ExAcquireResourceSharedLite, 'R');
    StartUser(4, ExAcquireResourceExclusiveLite, 'W');
    CHECK_EQUAL(ExGetSharedWaiterCount(&Resource), 3);
    CHECK_EQUAL(ExGetExclusiveWaiterCount(&Resource), 2);
    ExReleaseResourceLite(&Resource);
    CHECK(KtSleepUntil(&Users[0].Has, 1));
    CHECK(KtSleepUntil(&Users[1].Has, 1));
    CHECK_TRACE("rr");
    for (ULONG i = 0; i < 5; i++)
        EndUser(i);
    CHECK_TRACE("rrwRW");
    Finish();
}

ROUTINE(AcquireForAnother)
{
    CHECK(ExAcquireResourceExclusiveLite(&Resource, TRUE));
    CHECK_EQUAL(KtWait(Context, KT_PATIENCE), STATUS_SUCCESS);
}

/* Somebody else gives it back. */
TEST(T_ERES_2_for_thread)
{
    KT_THREAD thread;
    KEVENT end;

    Prepare();
    KeInitializeEvent(&end, NotificationEvent, FALSE);
    KtStartThread(&thread, KT_ANY_PROCESSOR, KT_ABOVE, AcquireForAnother, &end);
    KtAwaitWait(thread.Object, &end);
    CHECK(!ExAcquireResourceExclusiveLite(&Resource, FALSE));
    ExReleaseResourceForThreadLite(&Resource, (ERESOURCE_THREAD)thread.Object);
    CHECK(ExAcquireResourceExclusiveLite(&Resource, FALSE));
    ExReleaseResourceLite(&Resource);
    KeSetEvent(&end, IO_NO_INCREMENT, FALSE);
    KtEndThread(&thread);
    Finish();
}

/* Without memory: who must not wait is told so, who waits gets it when there is some again. */
ROUTINE(FindMemory)
{
    KiSleep(MILLISECONDS(5));
    ExpFailEvery = 0;
}

TEST(T_ERES_3_no_memory)
{
    KT_THREAD thread;

    Prepare();
    StartUser(0, ExAcquireResourceSharedLite, 'r'); /* has the claim that needs none */
    KtStartThread(&thread, KT_ANY_PROCESSOR, KT_ABOVE, FindMemory, NULL);
    ExpFailEvery = 1;
    BOOLEAN taken = ExAcquireResourceSharedLite(&Resource, FALSE);
    BOOLEAN later = ExAcquireResourceSharedLite(&Resource, TRUE);
    CHECK(!taken || ExpFailEvery == 0);
    CHECK(later);
    KtEndThread(&thread);
    for (ULONG count = ExIsResourceAcquiredSharedLite(&Resource); count; count--)
        ExReleaseResourceLite(&Resource);
    EndUser(0);
    Finish();
}
