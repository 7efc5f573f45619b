/* Work items: io.md. */
#define SUITE "workitem"
#include "thread_tool.h"
#include "testdriver.h"

static WORK_QUEUE_ITEM Items[24];
static volatile LONG Runs;
static KEVENT Gate;
static struct {
    PVOID Parameter;
    KIRQL Irql;
    KPRIORITY Priority;
    PKTHREAD Thread;
} Seen;

static VOID Look(PVOID Parameter)
{
    Seen.Parameter = Parameter;
    Seen.Irql = KeGetCurrentIrql();
    Seen.Thread = KeGetCurrentThread();
    Seen.Priority = KeQueryPriorityThread(Seen.Thread);
    KiSleep(MILLISECONDS(1)); /* may block */
    InterlockedIncrement(&Runs);
}

static VOID Queue(PWORK_QUEUE_ITEM Item, PWORKER_THREAD_ROUTINE Routine, PVOID Parameter,
                  WORK_QUEUE_TYPE Type)
{
    KtPoison(Item);
    ExInitializeWorkItem(Item, Routine, Parameter);
    ExQueueWorkItem(Item, Type);
}

TEST(T_WORK_1)
{
    Runs = 0;
    AT_IRQL(DISPATCH_LEVEL)
    {
        Queue(&Items[0], Look, &Gate, DelayedWorkQueue);
        CHECK_IRQL(DISPATCH_LEVEL);
    }
    CHECK(KtSleepUntil(&Runs, 1));
    KiSleep(A_WHILE);
    CHECK_EQUAL(Runs, 1);
    CHECK(Seen.Parameter == &Gate);
    CHECK_EQUAL(Seen.Irql, PASSIVE_LEVEL);
    CHECK(Seen.Thread != KeGetCurrentThread());
}

DPC_ROUTINE(QueueInDpc)
{
    Queue(&Items[0], Look, Context, DelayedWorkQueue);
}

TEST(T_WORK_1_from_dpc__T_KDEFERRED_7)
{
    KDPC dpc;

    Runs = 0;
    KeInitializeDpc(&dpc, QueueInDpc, &dpc);
    KeInsertQueueDpc(&dpc, NULL, NULL);
    CHECK(KtSleepUntil(&Runs, 1));
    CHECK(Seen.Parameter == &dpc);
}

TEST(T_WORK_5)
{
    static const struct {
        WORK_QUEUE_TYPE Type;
        KPRIORITY Priority;
    } kinds[] = {{CriticalWorkQueue, 13}, {DelayedWorkQueue, 12}, {HyperCriticalWorkQueue, 15}};

    CHECK_EQUAL(CriticalWorkQueue, 0);
    CHECK_EQUAL(DelayedWorkQueue, 1);
    CHECK_EQUAL(HyperCriticalWorkQueue, 2);
    for (ULONG i = 0; i < 3; i++) {
        Runs = 0;
        Queue(&Items[0], Look, NULL, kinds[i].Type);
        CHECK(KtSleepUntil(&Runs, 1));
        CHECK_EQUAL(Seen.Priority, kinds[i].Priority);
    }
}

static VOID QueueAgain(PVOID Parameter)
{
    if (InterlockedIncrement(&Runs) < 50)
        ExQueueWorkItem(Parameter, DelayedWorkQueue);
}

TEST(T_WORK_2_again)
{
    Runs = 0;
    Queue(&Items[0], QueueAgain, &Items[0], DelayedWorkQueue);
    CHECK(KtSleepUntil(&Runs, 50));
    KiSleep(A_WHILE);
    CHECK_EQUAL(Runs, 50);
}

static VOID FreeItem(PVOID Parameter)
{
    ExFreePoolWithTag(Parameter, KT_TAG);
    InterlockedIncrement(&Runs);
}

TEST(T_WORK_2_free)
{
    Runs = 0;
    for (LONG i = 1; i <= 20; i++) {
        PWORK_QUEUE_ITEM item = ExAllocatePool2(POOL_FLAG_NON_PAGED, sizeof(*item), KT_TAG);

        Queue(item, FreeItem, item, DelayedWorkQueue);
    }
    CHECK(KtSleepUntil(&Runs, 20));
}

static volatile LONG Waiting;

static VOID WaitForGate(PVOID Parameter)
{
    UNREFERENCED_PARAMETER(Parameter);
    InterlockedIncrement(&Waiting);
    CHECK_EQUAL(KtWait(&Gate, KT_PATIENCE), STATUS_SUCCESS);
    InterlockedIncrement(&Runs);
}

static VOID OpenGate(PVOID Parameter)
{
    UNREFERENCED_PARAMETER(Parameter);
    KeSetEvent(&Gate, IO_NO_INCREMENT, FALSE);
    InterlockedIncrement(&Runs);
}

/* One that waits does not stop another one. */
TEST(T_WORK_6)
{
    Runs = Waiting = 0;
    KeInitializeEvent(&Gate, NotificationEvent, FALSE);
    Queue(&Items[0], WaitForGate, NULL, DelayedWorkQueue);
    CHECK(KtSleepUntil(&Waiting, 1));
    Queue(&Items[1], OpenGate, NULL, DelayedWorkQueue);
    CHECK(KtSleepUntil(&Runs, 2));
}

/* More items than workers: all of them run in the end, and the queues do not stop each other. */
TEST(T_WORK_1_many)
{
    Runs = Waiting = 0;
    KeInitializeEvent(&Gate, NotificationEvent, FALSE);
    for (ULONG i = 0; i < 23; i++)
        Queue(&Items[i], WaitForGate, NULL, DelayedWorkQueue);
    KiSleep(A_WHILE);
    CHECK_EQUAL(Runs, 0);
    Queue(&Items[23], OpenGate, NULL, CriticalWorkQueue);
    CHECK(KtSleepUntil(&Runs, 24));
    CHECK_EQUAL(Waiting, 23);
}

/* ---- items of device objects ---- */

static PDEVICE_OBJECT Device;
static PIO_WORKITEM IoItem;
static PVOID SeenDevice, SeenItem;
static LONG SeenReferences;

static PDEVICE_OBJECT CreateDevice(VOID)
{
    PDEVICE_OBJECT device = NULL;

    CHECK_EQUAL(
        IoCreateDevice(KtDriver(), sizeof(LONG), NULL, FILE_DEVICE_UNKNOWN, 0, FALSE, &device),
        STATUS_SUCCESS);
    return device;
}

static VOID IoRoutine(PDEVICE_OBJECT DeviceObject, PVOID Context)
{
    SeenDevice = DeviceObject;
    Seen.Parameter = Context;
    Seen.Irql = KeGetCurrentIrql();
    SeenReferences = DeviceObject->ReferenceCount;
    InterlockedIncrement(&Runs);
}

static VOID IoRoutineEx(PVOID IoObject, PVOID Context, PIO_WORKITEM Item)
{
    SeenItem = Item;
    IoRoutine(IoObject, Context);
    if (Context == &IoItem)
        IoFreeWorkItem(Item);
}

TEST(T_WORK_1_device__T_WORK_4)
{
    Runs = 0;
    Device = CreateDevice();
    IoItem = IoAllocateWorkItem(Device);
    CHECK(IoItem != NULL);
    AT_IRQL(DISPATCH_LEVEL)
    IoQueueWorkItem(IoItem, IoRoutine, DelayedWorkQueue, (PVOID)&Runs);
    CHECK(KtSleepUntil(&Runs, 1));
    CHECK(SeenDevice == Device && Seen.Parameter == (PVOID)&Runs);
    CHECK_EQUAL(Seen.Irql, PASSIVE_LEVEL);
    CHECK_AT_LEAST(SeenReferences, 1); /* held meanwhile */
    KiSleep(A_WHILE);
    CHECK_EQUAL(Device->ReferenceCount, 0);
    IoFreeWorkItem(IoItem);
    IoDeleteDevice(Device);
}

TEST(T_WORK_1_device_ex__T_WORK_2)
{
    Runs = 0;
    Device = CreateDevice();
    IoItem = IoAllocateWorkItem(Device);
    IoQueueWorkItemEx(IoItem, IoRoutineEx, DelayedWorkQueue, &IoItem); /* frees itself */
    CHECK(KtSleepUntil(&Runs, 1));
    CHECK(SeenItem == IoItem && SeenDevice == Device);

    IoItem = ExAllocatePool2(POOL_FLAG_NON_PAGED, IoSizeofWorkItem(), KT_TAG);
    IoInitializeWorkItem(Device, IoItem);
    IoQueueWorkItemEx(IoItem, IoRoutineEx, CriticalWorkQueue, NULL);
    CHECK(KtSleepUntil(&Runs, 2));
    KiSleep(A_WHILE);
    IoUninitializeWorkItem(IoItem);
    ExFreePoolWithTag(IoItem, KT_TAG);
    CHECK_EQUAL(Device->ReferenceCount, 0);
    IoDeleteDevice(Device);
}

static volatile LONG InRoutine, LetGo;

static VOID UseDevice(PDEVICE_OBJECT DeviceObject, PVOID Context)
{
    UNREFERENCED_PARAMETER(Context);
    InterlockedExchange(&InRoutine, 1);
    CHECK(KtSleepUntil(&LetGo, 1));
    CHECK_EQUAL(*(PLONG)DeviceObject->DeviceExtension, 4711);
    InterlockedIncrement(&Runs);
}

/* Deleted while the item runs: the device is there until the routine has returned. */
TEST(T_WORK_4_delete)
{
    Runs = InRoutine = LetGo = 0;
    Device = CreateDevice();
    *(PLONG)Device->DeviceExtension = 4711;
    IoItem = IoAllocateWorkItem(Device);
    IoQueueWorkItem(IoItem, UseDevice, DelayedWorkQueue, NULL);
    CHECK(KtSleepUntil(&InRoutine, 1));
    IoDeleteDevice(Device);
    InterlockedExchange(&LetGo, 1);
    CHECK(KtSleepUntil(&Runs, 1));
    KiSleep(A_WHILE);
    IoFreeWorkItem(IoItem);
}
