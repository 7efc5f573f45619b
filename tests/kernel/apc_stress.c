/*
 * APCs and alerts against waits, signals, time-outs, regions and the ends of threads, on all
 * processors. Whatever was queued was delivered, run down or taken back: exactly one of them.
 */
#define SUITE "stress.apc"
#include "thread_tool.h"

#define PARTS   12 /* of stress=SECONDS, as the tests of stress.threads */
#define SLOTS   16
#define CALLERS 12
#define APCS    3 /* of a slot: special, normal, normal */

/* One thread after the other, with the APCs that are queued to it. */
typedef struct _SLOT {
    KAPC Apcs[APCS];
    PKTHREAD Thread;
    volatile LONG Open; /* the APCs are those of a thread that is still referenced */
    volatile LONG Callers;
    volatile LONG64 Queued, Kernel, Normal, Rundown, Removed;
    volatile LONG InNormal;
} SLOT;

static SLOT Slots[SLOTS];
static KT_THREAD Threads[SLOTS + CALLERS];
static KSEMAPHORE Semaphore;
static KMUTEX Mutex;
static volatile LONG64 Produced, Consumed, Alerts, Lives;
static volatile LONG Stop;

/* ---- the routines ---- */

static VOID KernelRoutine(PKAPC Apc, PKNORMAL_ROUTINE *NormalRoutine, PVOID *NormalContext,
                          PVOID *SystemArgument1, PVOID *SystemArgument2)
{
    SLOT *slot = *SystemArgument1;

    CHECK_IRQL(APC_LEVEL);
    CHECK(slot->Thread == KeGetCurrentThread());
    CHECK(!KeGetCurrentThread()->SpecialApcDisable);
    UNREFERENCED_PARAMETER(NormalContext);
    UNREFERENCED_PARAMETER(SystemArgument2);
    if (*NormalRoutine)
        CHECK(!KeAreApcsDisabled());
    KtJitter(200);
    InterlockedIncrement64(&slot->Kernel);
    UNREFERENCED_PARAMETER(Apc);
}

static VOID NormalRoutine(PVOID NormalContext, PVOID SystemArgument1, UNUSED PVOID SystemArgument2)
{
    SLOT *slot = SystemArgument1;

    CHECK_IRQL(PASSIVE_LEVEL);
    CHECK(NormalContext == slot);
    CHECK(slot->Thread == KeGetCurrentThread());
    CHECK_EQUAL(InterlockedIncrement(&slot->InNormal), 1);
    if (KtRandom(4) == 0)
        KtWait(&Mutex, KtRandom(1000)) == STATUS_SUCCESS ? KeReleaseMutex(&Mutex, FALSE) : 0;
    else if (KtRandom(4) == 0)
        KiSleep(KtRandom(2000));
    InterlockedDecrement(&slot->InNormal);
    InterlockedIncrement64(&slot->Normal);
}

static VOID RundownRoutine(PKAPC Apc)
{
    CHECK_IRQL(PASSIVE_LEVEL);
    CHECK(Apc->Thread == KeGetCurrentThread());
    InterlockedIncrement64(&((SLOT *)Apc->SystemArgument1)->Rundown);
}

/* ---- the threads that the APCs are for ---- */

static VOID WaitALittle(VOID)
{
    LARGE_INTEGER timeout = KtIn(KtRandom(20000));
    NTSTATUS status =
        KeWaitForSingleObject(&Semaphore, Executive, KernelMode, (BOOLEAN)KtRandom(2), &timeout);

    if (status == STATUS_SUCCESS)
        InterlockedIncrement64(&Consumed);
    else if (status == STATUS_ALERTED)
        InterlockedIncrement64(&Alerts);
    else
        CHECK_EQUAL(status, STATUS_TIMEOUT);
}

static VOID WaitForBoth(VOID)
{
    PVOID objects[2] = {&Mutex, &Semaphore};
    LARGE_INTEGER timeout = KtIn(KtRandom(20000));
    NTSTATUS status =
        KeWaitForMultipleObjects(2, objects, WaitAll, Executive, KernelMode, FALSE, &timeout, NULL);

    if (status == STATUS_SUCCESS) {
        CHECK(KeAreApcsDisabled());
        InterlockedIncrement64(&Consumed);
        KtJitter(300);
        KeReleaseMutex(&Mutex, FALSE);
    } else {
        CHECK_EQUAL(status, STATUS_TIMEOUT);
    }
}

static VOID Live(VOID)
{
    switch (KtRandom(6)) {
    case 0:
        KeEnterCriticalRegion();
        WaitALittle();
        KeLeaveCriticalRegion();
        break;
    case 1:
        KeEnterGuardedRegion();
        KtJitter(1000);
        KeLeaveGuardedRegion();
        break;
    case 2:
        AT_IRQL(KtRandom(2) ? APC_LEVEL : DISPATCH_LEVEL)
        KtJitter(1000);
        break;
    case 3:
        WaitForBoth();
        break;
    case 4:
        KtJitter(3000);
        break;
    default:
        WaitALittle();
    }
}

ROUTINE(Victim)
{
    KeLeaveCriticalRegion();
    for (ULONG turns = 1 + KtRandom(40); turns && !Stop; turns--)
        Live();
    KeEnterCriticalRegion();
    if (KtRandom(2))
        KiSleep(KtRandom(20000)); /* normal ones that come now are run down */
}

static VOID Open(SLOT *Slot, PKTHREAD Thread)
{
    Slot->Thread = Thread;
    for (ULONG i = 0; i < APCS; i++)
        KeInitializeApc(&Slot->Apcs[i], Thread, OriginalApcEnvironment, KernelRoutine,
                        RundownRoutine, i ? NormalRoutine : NULL, KernelMode, Slot);
    InterlockedExchange(&Slot->Open, 1);
}

static VOID Close(SLOT *Slot)
{
    InterlockedExchange(&Slot->Open, 0);
    while (Slot->Callers)
        KiSleep(1000);
    for (ULONG i = 0; i < APCS; i++)
        CHECK(!Slot->Apcs[i].Inserted);
    CHECK_EQUAL(Slot->Kernel + Slot->Rundown + Slot->Removed, Slot->Queued);
}

/* Threads one after the other, each with its APCs. */
ROUTINE(KeepSlot)
{
    SLOT *slot = Context;

    while (!Stop) {
        HANDLE handle;
        PVOID object;

        if (!CHECK_EQUAL(
                PsCreateSystemThread(&handle, THREAD_ALL_ACCESS, NULL, NULL, NULL, Victim, NULL),
                STATUS_SUCCESS))
            break;
        CHECK_EQUAL(ObReferenceObjectByHandle(handle, THREAD_ALL_ACCESS, *PsThreadType, KernelMode,
                                              &object, NULL),
                    STATUS_SUCCESS);
        Open(slot, object);
        CHECK_EQUAL(KtWait(object, 2 * KT_PATIENCE), STATUS_SUCCESS);
        Close(slot);
        ObDereferenceObject(object);
        ZwClose(handle);
        InterlockedIncrement64(&Lives);
    }
}

/* ---- who calls them ---- */

static VOID CallOne(SLOT *Slot)
{
    PKAPC apc = &Slot->Apcs[KtRandom(APCS)];

    if (KeInsertQueueApc(apc, Slot, NULL, (KPRIORITY)KtRandom(3)))
        InterlockedIncrement64(&Slot->Queued);
    KtJitter(300);
    if (KtRandom(4) == 0 && KeRemoveQueueApc(apc))
        InterlockedIncrement64(&Slot->Removed);
    if (KtRandom(4) == 0)
        KeAlertThread(Slot->Thread, KernelMode);
    if (KtRandom(2) == 0) {
        InterlockedIncrement64(&Produced);
        KeReleaseSemaphore(&Semaphore, (KPRIORITY)KtRandom(3), 1, FALSE);
    }
}

ROUTINE(Call)
{
    while (!Stop) {
        SLOT *slot = &Slots[KtRandom(SLOTS)];

        InterlockedIncrement(&slot->Callers);
        if (slot->Open) {
            AT_IRQL((KIRQL)KtRandom(DISPATCH_LEVEL + 1))
            CallOne(slot);
        }
        InterlockedDecrement(&slot->Callers);
        if (KtRandom(4) == 0)
            KiSleep(KtRandom(3000));
        else
            KtJitter(2000);
    }
}

TEST(T_APC_4__T_APC_5__T_WAIT_10)
{
    LONG64 queued = 0, normal = 0, rundown = 0;

    KeSetPriorityThread(KeGetCurrentThread(), 15);
    memset(Slots, 0, sizeof(Slots));
    KeInitializeSemaphore(&Semaphore, 0, MAXLONG);
    KeInitializeMutex(&Mutex, 0);
    Produced = Consumed = Alerts = Lives = 0;
    Stop = 0;
    for (ULONG i = 0; i < SLOTS; i++)
        KtStartThread(&Threads[i], KT_ANY_PROCESSOR, 9, KeepSlot, &Slots[i]);
    for (ULONG i = 0; i < CALLERS; i++)
        KtStartThread(&Threads[SLOTS + i], KT_ANY_PROCESSOR, 8, Call, NULL);
    KiSleep(SECONDS(KiGetNumberOption("stress", PARTS)) / PARTS);
    InterlockedExchange(&Stop, 1);
    for (ULONG i = 0; i < SLOTS + CALLERS; i++)
        KtEndThread(&Threads[i]);
    KeSetPriorityThread(KeGetCurrentThread(), 8);

    CHECK_EQUAL(Consumed + KeReadStateSemaphore(&Semaphore), Produced);
    CHECK(IsListEmpty(&Semaphore.Header.WaitListHead));
    CHECK_EQUAL(KeReadStateMutex(&Mutex), 1);
    for (ULONG i = 0; i < SLOTS; i++) {
        CHECK_EQUAL(Slots[i].Kernel + Slots[i].Rundown + Slots[i].Removed, Slots[i].Queued);
        queued += Slots[i].Queued;
        normal += Slots[i].Normal;
        rundown += Slots[i].Rundown;
    }
    CHECK(queued > 0 && normal > 0 && rundown > 0 && Consumed > 0 && Alerts > 0 && Lives > 0);
    DbgPrint("  %lld APCs, %lld normal routines, %lld run down, %lld alerts, %lld threads\n",
             queued, normal, rundown, Alerts, Lives);
}
