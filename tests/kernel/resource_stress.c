/* Readers and writers of every kind over a few resources, with APCs besides. */
#define SUITE "stress.resource"
#include "thread_tool.h"

#define PARTS     12 /* of stress=SECONDS, as the tests of stress.threads */
#define RESOURCES 2
#define USERS     32

static struct {
    ERESOURCE Resource;
    volatile LONG Readers, Writers;
    LONG64 Written; /* by writers only */
    volatile LONG64 Writes, Reads;
} Shared[RESOURCES];

static KT_THREAD Threads[USERS];
static PKTHREAD Objects[USERS];
static KAPC Apcs[USERS];
static KEVENT Gate;
static volatile LONG Stop;
static volatile LONG64 ApcRuns;

static VOID CountApc(UNUSED PKAPC Apc, UNUSED PKNORMAL_ROUTINE *NormalRoutine,
                     UNUSED PVOID *NormalContext, UNUSED PVOID *SystemArgument1,
                     UNUSED PVOID *SystemArgument2)
{
    InterlockedIncrement64(&ApcRuns);
}

static VOID ReadIt(ULONG Which)
{
    InterlockedIncrement(&Shared[Which].Readers);
    CHECK_EQUAL(Shared[Which].Writers, 0);
    LONG64 before = Shared[Which].Written;
    KtJitter(300);
    if (KtRandom(8) == 0)
        KiSleep(KtRandom(500));
    CHECK_EQUAL(Shared[Which].Written, before);
    InterlockedDecrement(&Shared[Which].Readers);
    InterlockedIncrement64(&Shared[Which].Reads);
}

static VOID WriteIt(ULONG Which)
{
    CHECK_EQUAL(InterlockedIncrement(&Shared[Which].Writers), 1);
    CHECK_EQUAL(Shared[Which].Readers, 0);
    LONG64 value = Shared[Which].Written;
    KtJitter(300);
    Shared[Which].Written = value + 1;
    InterlockedDecrement(&Shared[Which].Writers);
    InterlockedIncrement64(&Shared[Which].Writes);
}

static VOID UseAsReader(ULONG Which)
{
    PERESOURCE resource = &Shared[Which].Resource;
    ULONG kind = KtRandom(3), times = 1;
    BOOLEAN wait = (BOOLEAN)KtRandom(2);

    if (!(kind == 0   ? ExAcquireResourceSharedLite(resource, wait)
          : kind == 1 ? ExAcquireSharedStarveExclusive(resource, wait)
                      : ExAcquireSharedWaitForExclusive(resource, wait)))
        return;
    if (KtRandom(3) == 0 && CHECK(ExAcquireResourceSharedLite(resource, TRUE)))
        times++;
    ReadIt(Which);
    while (times--)
        ExReleaseResourceLite(resource);
}

static VOID UseAsWriter(ULONG Which)
{
    PERESOURCE resource = &Shared[Which].Resource;

    if (!ExAcquireResourceExclusiveLite(resource, (BOOLEAN)KtRandom(2)))
        return;
    WriteIt(Which);
    if (KtRandom(2)) {
        ExConvertExclusiveToSharedLite(resource);
        ReadIt(Which);
    }
    ExReleaseResourceLite(resource);
}

ROUTINE(Use)
{
    KeWaitForSingleObject(&Gate, Executive, KernelMode, FALSE, NULL);
    while (!Stop) {
        ULONG which = KtRandom(RESOURCES);

        if (KtRandom(3))
            UseAsReader(which);
        else
            UseAsWriter(which);
        KeInsertQueueApc(&Apcs[KtRandom(USERS)], NULL, NULL, 0);
        if (KtRandom(8) == 0)
            KiSleep(KtRandom(2000));
    }
}

TEST(T_ERES_2__T_ERES_4__T_ERES_5)
{
    KeSetPriorityThread(KeGetCurrentThread(), 15);
    memset(Shared, 0, sizeof(Shared));
    Stop = 0;
    ApcRuns = 0;
    KeInitializeEvent(&Gate, NotificationEvent, FALSE);
    for (ULONG i = 0; i < RESOURCES; i++)
        ExInitializeResourceLite(&Shared[i].Resource);
    for (ULONG i = 0; i < USERS; i++) {
        KtStartThread(&Threads[i], KT_ANY_PROCESSOR, 8, Use, NULL);
        Objects[i] = Threads[i].Object;
        ObReferenceObject(Objects[i]); /* an APC may be queued to a thread that has ended */
        KeInitializeApc(&Apcs[i], Objects[i], OriginalApcEnvironment, CountApc, NULL, NULL,
                        KernelMode, NULL);
    }
    KeSetEvent(&Gate, IO_NO_INCREMENT, FALSE);
    KiSleep(SECONDS(KiGetNumberOption("stress", PARTS)) / PARTS);
    InterlockedExchange(&Stop, 1);
    for (ULONG i = 0; i < USERS; i++)
        KtEndThread(&Threads[i]);
    for (ULONG i = 0; i < USERS; i++)
        ObDereferenceObject(Objects[i]);
    KeSetPriorityThread(KeGetCurrentThread(), 8);
    for (ULONG i = 0; i < RESOURCES; i++) {
        CHECK_EQUAL(Shared[i].Written, Shared[i].Writes);
        CHECK(Shared[i].Reads > 0 && Shared[i].Writes > 0);
        CHECK_EQUAL(ExDeleteResourceLite(&Shared[i].Resource), STATUS_SUCCESS);
    }
    CHECK(ApcRuns > 0);
}
