/*
 * The soak: for soak=SECONDS of guest time everything that can be made is made, used and ended, by
 * many threads at once; in the end everything is as it was. What is counted: pool blocks and bytes,
 * threads, drivers, devices, connected interrupts, timers that are set. A handle that was left open
 * would keep its object, which lies in the pool.
 */
#define SUITE "soak"
#include "io.h"
#include "ps.h"
#include "storm.h"
#include "testdriver.h"

#define DEFAULT_SECONDS 5
#define WARM_UP         SECONDS(2) /* caches fill, once and for all */

/* ---- what is made and ended; each routine leaves nothing ---- */

static VOID ShortLife(PVOID Context)
{
    UNREFERENCED_PARAMETER(Context);
    KiSleep(KtRandom(10000));
}

static VOID UseThread(VOID)
{
    HANDLE handle;
    PVOID thread;

    if (!CHECK_EQUAL(
            PsCreateSystemThread(&handle, THREAD_ALL_ACCESS, NULL, NULL, NULL, ShortLife, NULL),
            STATUS_SUCCESS))
        return;
    CHECK_EQUAL(
        ObReferenceObjectByHandle(handle, SYNCHRONIZE, *PsThreadType, KernelMode, &thread, NULL),
        STATUS_SUCCESS);
    CHECK_EQUAL(ZwClose(handle), STATUS_SUCCESS);
    if (KtRandom(4)) /* now and then nobody waits for it */
        CHECK_EQUAL(KtWait(thread, 2 * KT_PATIENCE), STATUS_SUCCESS);
    ObDereferenceObject(thread);
}

typedef struct _OBJECTS {
    KEVENT Event;
    KSEMAPHORE Semaphore;
    KMUTEX Mutex;
    KTIMER Timer;
    KDPC Dpc;
} OBJECTS;

static VOID *Allocate(SIZE_T Bytes)
{
    PVOID block = ExAllocatePoolWithTag(NonPagedPool, Bytes, KT_TAG);

    CHECK(block != NULL);
    return block;
}

DPC_ROUTINE(SetContextEvent)
{
    KeSetEvent(Context, IO_NO_INCREMENT, FALSE);
}

/* The routine's last word is the event: then the memory may go (T-DPCQ-12). */
static VOID UseTimerAndDpc(VOID)
{
    OBJECTS *objects = Allocate(sizeof(*objects));

    if (!objects)
        return;
    KeInitializeEvent(&objects->Event, SynchronizationEvent, FALSE);
    KeInitializeTimerEx(&objects->Timer, KtRandom(2) ? NotificationTimer : SynchronizationTimer);
    if (KtRandom(2))
        KeInitializeThreadedDpc(&objects->Dpc, SetContextEvent, &objects->Event);
    else
        KeInitializeDpc(&objects->Dpc, SetContextEvent, &objects->Event);
    KeSetTargetProcessorDpc(&objects->Dpc, (CCHAR)KtRandom(KtProcessors()));
    KeSetTimer(&objects->Timer, KtIn(KtRandom(20000)), &objects->Dpc);
    if (KtRandom(2))
        KiSleep(KtRandom(20000));
    if (!KeCancelTimer(&objects->Timer))
        CHECK_EQUAL(KtWait(&objects->Event, KT_PATIENCE), STATUS_SUCCESS);
    ExFreePoolWithTag(objects, KT_TAG);
}

static VOID UseObjects(VOID)
{
    OBJECTS *objects = Allocate(sizeof(*objects));

    if (!objects)
        return;
    KeInitializeEvent(&objects->Event, NotificationEvent, FALSE);
    KeInitializeSemaphore(&objects->Semaphore, 1, 3);
    KeInitializeMutex(&objects->Mutex, 0);
    KeInitializeTimer(&objects->Timer);
    KeSetTimer(&objects->Timer, KtIn(KtRandom(20000)), NULL);

    PVOID all[] = {&objects->Semaphore, &objects->Mutex, &objects->Timer};
    CHECK_EQUAL(KeWaitForMultipleObjects(3, all, WaitAll, Executive, KernelMode, FALSE, NULL, NULL),
                STATUS_SUCCESS);
    CHECK_EQUAL(KtWait(&objects->Event, KtRandom(10000)), STATUS_TIMEOUT);
    KeReleaseMutex(&objects->Mutex, FALSE);
    ExFreePoolWithTag(objects, KT_TAG);
}

static VOID CountCall(PEX_TIMER Timer, PVOID Context)
{
    UNREFERENCED_PARAMETER(Timer);
    InterlockedIncrement((volatile LONG *)Context);
}

static VOID UseExTimer(VOID)
{
    volatile LONG calls = 0;
    PEX_TIMER timer = ExAllocateTimer(CountCall, (PVOID)&calls, 0);

    if (!CHECK(timer != NULL))
        return;
    ExSetTimer(timer, -(LONGLONG)KtRandom(20000), KtRandom(2) ? (LONGLONG)MILLISECONDS(10) : 0,
               NULL);
    KtWait(timer, KtRandom(50000));
    ExDeleteTimer(timer, TRUE, TRUE, NULL);
    LONG seen = calls;
    KiSleep(KtRandom(20000));
    CHECK_EQUAL(calls, seen); /* it has ended: the count lies on this stack */
}

static volatile LONG ItemsQueued, ItemsDone;

static VOID RunItem(PVOID Parameter)
{
    KiSleep(KtRandom(3000));
    ExFreePoolWithTag(Parameter, KT_TAG);
    InterlockedIncrement(&ItemsDone);
}

static VOID UseWorkItem(VOID)
{
    PWORK_QUEUE_ITEM item = Allocate(sizeof(*item));

    if (!item)
        return;
    ExInitializeWorkItem(item, RunItem, item);
    InterlockedIncrement(&ItemsQueued);
    ExQueueWorkItem(item, KtRandom(2) ? DelayedWorkQueue : CriticalWorkQueue);
}

static VOID SetEventOfItem(PDEVICE_OBJECT DeviceObject, PVOID Context)
{
    UNREFERENCED_PARAMETER(DeviceObject);
    KeSetEvent(Context, IO_NO_INCREMENT, FALSE);
}

static PDRIVER_OBJECT Owner; /* of the devices; to look for it would keep testtool loaded */

/* The device goes while the item may still be returning: the item keeps it. */
static VOID UseDevice(VOID)
{
    PDEVICE_OBJECT device;
    PIO_WORKITEM item;
    KEVENT event;

    if (!CHECK_EQUAL(IoCreateDevice(Owner, 64, NULL, FILE_DEVICE_UNKNOWN, 0, FALSE, &device),
                     STATUS_SUCCESS))
        return;
    KeInitializeEvent(&event, NotificationEvent, FALSE);
    item = IoAllocateWorkItem(device);
    if (CHECK(item != NULL)) {
        IoQueueWorkItem(item, SetEventOfItem, DelayedWorkQueue, &event);
        CHECK_EQUAL(KtWait(&event, KT_PATIENCE), STATUS_SUCCESS);
        IoFreeWorkItem(item);
    }
    IoDeleteDevice(device);
}

static volatile LONG VectorInUse[4];

SERVICE_ROUTINE(CountInterrupt)
{
    InterlockedIncrement((volatile LONG *)Context);
    return TRUE;
}

static VOID UseInterrupt(VOID)
{
    ULONG which = KtRandom(4);
    KIRQL level = KtRandom(2) ? PASSIVE_LEVEL : 5;
    volatile LONG calls = 0;
    PKINTERRUPT interrupt;

    if (InterlockedExchange(&VectorInUse[which], 1))
        return;
    if (CHECK_EQUAL(IoConnectInterrupt(&interrupt, CountInterrupt, (PVOID)&calls, NULL,
                                       KT_VECTOR(5, which), level, level, Latched, FALSE,
                                       KeQueryActiveProcessors(), FALSE),
                    STATUS_SUCCESS)) {
        KtInterruptHere(KT_VECTOR(5, which));
        KiSleep(KtRandom(3000));
        IoDisconnectInterrupt(interrupt);
        CHECK(calls <= 1);
    }
    InterlockedExchange(&VectorInUse[which], 0);
}

static VOID UsePool(VOID)
{
    PVOID blocks[16];

    for (ULONG i = 0; i < ARRAYSIZE(blocks); i++)
        blocks[i] = ExAllocatePoolWithTag(KtRandom(2) ? PagedPool : NonPagedPool,
                                          1 + KtRandom(KtRandom(2) ? 200 : 20000), KT_TAG);
    KiSleep(KtRandom(1000));
    for (ULONG i = 0; i < ARRAYSIZE(blocks); i++)
        if (CHECK(blocks[i] != NULL))
            ExFreePoolWithTag(blocks[i], KT_TAG);
}

static volatile LONG DriverInUse;

static VOID UseDriver(VOID)
{
    if (InterlockedExchange(&DriverInUse, 1))
        return;
    if (CHECK_EQUAL(IopLoadDriver("testtool"), STATUS_SUCCESS)) {
        CHECK(KtToolExtension() != NULL);
        KiSleep(KtRandom(50000));
        CHECK_EQUAL(IopUnloadDriver("testtool"), STATUS_SUCCESS);
    }
    InterlockedExchange(&DriverInUse, 0);
}

static const struct {
    PCSTR Name;
    VOID (*Use)(VOID);
    ULONG Threads;
} Kinds[] = {
    {"threads", UseThread, 4},       {"timers and DPCs", UseTimerAndDpc, 4},
    {"waits", UseObjects, 4},        {"EX_TIMERs", UseExTimer, 3},
    {"work items", UseWorkItem, 2},  {"devices", UseDevice, 2},
    {"interrupts", UseInterrupt, 2}, {"pool blocks", UsePool, 2},
    {"drivers", UseDriver, 1},
};

static volatile LONG64 Uses[ARRAYSIZE(Kinds)];

ROUTINE(UseAgainAndAgain)
{
    ULONG kind = (ULONG)(ULONG_PTR)Context;

    KtAwaitStorm();
    while (!KtStormEnds) {
        Kinds[kind].Use();
        InterlockedIncrement64(&Uses[kind]);
        KiSleep(MILLISECONDS(1) + KtRandom(100000));
    }
}

/* ---- the account ---- */

typedef struct _ACCOUNT {
    ULONG64 Blocks, Bytes, Threads, Drivers, Devices, Interrupts, Timers;
} ACCOUNT;

static VOID CountThread(PKTHREAD Thread, PVOID Context)
{
    UNREFERENCED_PARAMETER(Thread);
    ++*(PULONG64)Context;
}

static VOID CountDriver(PDRIVER_OBJECT DriverObject, PVOID Context)
{
    ACCOUNT *account = Context;

    account->Drivers++;
    for (PDEVICE_OBJECT device = DriverObject->DeviceObject; device; device = device->NextDevice)
        account->Devices++;
}

static VOID CountInterruptObject(const KINTERRUPT_INFORMATION *Information, PVOID Context)
{
    UNREFERENCED_PARAMETER(Information);
    ++*(PULONG64)Context;
}

static ACCOUNT TakeAccount(VOID)
{
    ACCOUNT account = {0};
    MM_INFORMATION memory;

    PspVisitThreads(CountThread, &account.Threads);
    IopVisitDrivers(CountDriver, &account);
    KiVisitInterrupts(CountInterruptObject, &account.Interrupts);
    for (ULONG n = 0; n < KtProcessors(); n++)
        account.Timers += KiProcessorBlock[n]->TimerTable.Queue.Count;
    MmQueryInformation(&memory);
    account.Blocks = memory.PoolBlocks[0] + memory.PoolBlocks[1];
    account.Bytes = memory.PoolBytes[0] + memory.PoolBytes[1];
    return account;
}

static VOID RunFor(ULONG64 Interval)
{
    KtPrepareStorm();
    for (ULONG kind = 0; kind < ARRAYSIZE(Kinds); kind++)
        KtAddToStorm(Kinds[kind].Threads, UseAgainAndAgain, (PVOID)(ULONG_PTR)kind);
    KtReleaseStorm();
    KiSleep(Interval);
    KtEndStorm();
    CHECK(KtSleepUntil(&ItemsDone, ItemsQueued));
}

/* The reaper may still have to free the last threads. */
static ACCOUNT AwaitAccount(const ACCOUNT *Expected)
{
    ACCOUNT account = TakeAccount();

    for (ULONG64 start = KtNow();
         memcmp(&account, Expected, sizeof(account)) != 0 && KtNow() - start < KT_PATIENCE;) {
        KiSleep(MILLISECONDS(20));
        account = TakeAccount();
    }
    return account;
}

static VOID PrintFigures(ULONG64 Interval, const ACCOUNT *Account)
{
    DbgPrint("soak: %llu s;", Interval / SECONDS(1));
    for (ULONG kind = 0; kind < ARRAYSIZE(Kinds); kind++)
        DbgPrint(" %lld %s%s", Uses[kind], Kinds[kind].Name,
                 kind + 1 < ARRAYSIZE(Kinds) ? "," : "\n");
    DbgPrint("soak: in the end %llu pool blocks of %llu bytes, %llu threads, %llu drivers, "
             "%llu devices, %llu interrupts, %llu timers\n",
             Account->Blocks, Account->Bytes, Account->Threads, Account->Drivers, Account->Devices,
             Account->Interrupts, Account->Timers);
}

TEST(everything_is_as_before)
{
    ULONG64 interval = SECONDS(KiGetNumberOption("soak", DEFAULT_SECONDS));
    ACCOUNT before, after, none = {0};

    Owner = KtDriver(); /* loaded once and for all */
    RunFor(WARM_UP);
    KtThreadBlocks();
    before = TakeAccount();
    memset((PVOID)Uses, 0, sizeof(Uses));
    RunFor(interval);
    after = AwaitAccount(&before);
    PrintFigures(interval, &after);
    CHECK(memcmp(&before, &none, sizeof(none)) != 0);
    CHECK_EQUAL(after.Blocks, before.Blocks);
    CHECK_EQUAL(after.Bytes, before.Bytes);
    CHECK_EQUAL(after.Threads, before.Threads);
    CHECK_EQUAL(after.Drivers, before.Drivers);
    CHECK_EQUAL(after.Devices, before.Devices);
    CHECK_EQUAL(after.Interrupts, before.Interrupts);
    CHECK_EQUAL(after.Timers, before.Timers);
    for (ULONG kind = 0; kind < ARRAYSIZE(Kinds); kind++)
        CHECK(Uses[kind] > 0);
}
