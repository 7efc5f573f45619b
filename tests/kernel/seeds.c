/*
 * The starting statements (S-1 to S-73 of the contract's README) as a driver would meet them:
 * a device extension with a timer, a DPC, a spin lock and an ISR's data in it.
 */
#define SUITE "seeds"
#include "suite.h"
#include "testdriver.h"

typedef struct _EXTENSION {
    PDEVICE_OBJECT Self; /* the association that a CustomTimerDpc does not get otherwise */
    KTIMER Timer;
    KDPC Dpc;
    KSPIN_LOCK Lock;
    PKINTERRUPT Interrupt;
    volatile LONG Runs, IsrRuns;
    LONG Shared;        /* Lock */
    LONG SharedWithIsr; /* SynchCritSections */
    PVOID SeenContext, SeenDpc, SeenArgument1, SeenArgument2;
    PDEVICE_OBJECT SeenDevice;
    KIRQL Irql;
    ULONG64 When;
} EXTENSION, *PEXTENSION;

DPC_ROUTINE(CustomTimerDpc)
{
    PEXTENSION extension = Context;

    extension->SeenContext = Context;
    extension->SeenDpc = Dpc;
    extension->SeenArgument1 = Argument1;
    extension->SeenArgument2 = Argument2;
    extension->SeenDevice = extension->Self;
    extension->Irql = KeGetCurrentIrql();
    extension->When = KtNow();
    KeAcquireSpinLockAtDpcLevel(&extension->Lock);
    extension->Shared++;
    KeReleaseSpinLockFromDpcLevel(&extension->Lock);
    InterlockedIncrement(&extension->Runs);
}

/* What AddDevice does. */
static PEXTENSION AddDevice(PKDEFERRED_ROUTINE Routine)
{
    PDEVICE_OBJECT device = NULL;
    PEXTENSION extension;

    if (!CHECK_EQUAL(IoCreateDevice(KtDriver(), sizeof(EXTENSION), NULL, FILE_DEVICE_UNKNOWN, 0,
                                    FALSE, &device),
                     STATUS_SUCCESS))
        return NULL;
    extension = device->DeviceExtension;
    extension->Self = device;
    KeInitializeSpinLock(&extension->Lock);
    KeInitializeDpc(&extension->Dpc, Routine, extension);
    KeInitializeTimer(&extension->Timer);
    return extension;
}

static VOID RemoveDevice(PEXTENSION Extension)
{
    KeCancelTimer(&Extension->Timer);
    KeFlushQueuedDpcs();
    IoDeleteDevice(Extension->Self);
}

TEST(S_1__S_2__S_3__S_4__S_6__S_34)
{
    PEXTENSION extension = AddDevice(CustomTimerDpc);

    if (!extension)
        return;
    for (LONG run = 1; run <= 5; run++) {
        extension->SeenContext = extension->SeenDevice = NULL;
        KeSetTimer(&extension->Timer, KtIn(MICROSECONDS(300)), &extension->Dpc);
        CHECK(KtSleepUntil(&extension->Runs, run));
        CHECK_EQUAL(extension->SeenContext, extension); /* in every call */
        CHECK_EQUAL(extension->SeenDevice, extension->Self);
    }
    RemoveDevice(extension);
}

/* State shared with a thread, under an executive spin lock, on every processor. */
PARALLEL_ROUTINE(AddUnderLock)
{
    PEXTENSION extension = Context;

    for (ULONG i = 0; i < 500; i++) {
        KeAcquireSpinLockAtDpcLevel(&extension->Lock);
        extension->Shared++;
        KeReleaseSpinLockFromDpcLevel(&extension->Lock);
        KtJitter(100);
    }
}

TEST(S_8)
{
    PEXTENSION extension = AddDevice(CustomTimerDpc);
    KIRQL oldIrql;

    if (!extension)
        return;
    KeSetTimerEx(&extension->Timer, KtIn(MILLISECONDS(1)), 1, &extension->Dpc);
    KtRunOnAll(AddUnderLock, extension);
    for (ULONG i = 0; i < 2000; i++) { /* the DPC may come at any point outside of the lock */
        KeAcquireSpinLock(&extension->Lock, &oldIrql);
        extension->Shared++;
        KeReleaseSpinLock(&extension->Lock, oldIrql);
    }
    CHECK(KtSleepUntil(&extension->Runs, 3));
    CHECK(KeCancelTimer(&extension->Timer));
    KeFlushQueuedDpcs();
    CHECK_EQUAL(extension->Shared, KtProcessors() * 500 + 2000 + (ULONG)extension->Runs);
    RemoveDevice(extension);
}

/* ---- S-7: shared with the ISR ---- */

SYNCHRONIZE_ROUTINE(TakeCount)
{
    PEXTENSION extension = Context;

    extension->Shared += extension->SharedWithIsr;
    extension->SharedWithIsr = 0;
    return TRUE;
}

DPC_ROUTINE(CollectCounts)
{
    PEXTENSION extension = Context;

    KeSynchronizeExecution(extension->Interrupt, TakeCount, extension);
    InterlockedIncrement(&extension->Runs);
}

SERVICE_ROUTINE(CountInIsr)
{
    PEXTENSION extension = Context;

    extension->SharedWithIsr = extension->SharedWithIsr + 1;
    InterlockedIncrement(&extension->IsrRuns);
    return TRUE;
}

PARALLEL_ROUTINE(Fire)
{
    for (ULONG i = 0; i < 300; i++) {
        ArchSendInterrupt((Processor + i) % KtProcessors(), KT_VECTOR(8, 0));
        KtJitter(200);
    }
}

TEST(S_7)
{
    PEXTENSION extension = AddDevice(CollectCounts);

    if (!extension)
        return;
    CHECK_EQUAL(KtConnect(&extension->Interrupt, KT_VECTOR(8, 0), CountInIsr, extension),
                STATUS_SUCCESS);
    KeSetTimerEx(&extension->Timer, KtIn(MILLISECONDS(1)), 1, &extension->Dpc);
    for (ULONG i = 0; i < 5; i++)
        KtRunOnAll(Fire, extension);
    CHECK(KtSleepUntil(&extension->Runs, 3));
    KeCancelTimer(&extension->Timer);
    KeFlushQueuedDpcs();
    KeSynchronizeExecution(extension->Interrupt, TakeCount, extension);
    IoDisconnectInterrupt(extension->Interrupt);
    CHECK(extension->IsrRuns > 0);
    CHECK_EQUAL(extension->Shared, extension->IsrRuns); /* not one was lost */
    RemoveDevice(extension);
}

/* ---- IoTimer with its context in nonpaged pool ---- */

static VOID IoTimerRoutine(PDEVICE_OBJECT DeviceObject, PVOID Context)
{
    UNREFERENCED_PARAMETER(DeviceObject);
    InterlockedIncrement((volatile LONG *)Context);
}

TEST(S_12)
{
    PEXTENSION extension = AddDevice(CustomTimerDpc);
    volatile LONG *context = ExAllocatePool2(POOL_FLAG_NON_PAGED, sizeof(*context), KT_TAG);

    if (!extension || !CHECK(context != NULL))
        return;
    CHECK_EQUAL(IoInitializeTimer(extension->Self, IoTimerRoutine, (PVOID)context), STATUS_SUCCESS);
    IoStartTimer(extension->Self);
    CHECK(KtSleepUntil(context, 1));
    RemoveDevice(extension);
    ExFreePoolWithTag((PVOID)context, KT_TAG);
}

/* ---- setting, re-setting, cancelling ---- */

TEST(S_20)
{
    PEXTENSION extension = AddDevice(CustomTimerDpc);
    ULONG64 due;

    if (!extension)
        return;
    KeSetTimer(&extension->Timer, KtIn(SECONDS(1000)), &extension->Dpc);
    due = KtNow() + MILLISECONDS(3);
    CHECK(KeSetTimer(&extension->Timer, KtIn(MILLISECONDS(3)), &extension->Dpc));
    CHECK(KtSleepUntil(&extension->Runs, 1)); /* sooner than the first setting */
    CHECK_ON_TIME(extension->When, due);
    RemoveDevice(extension);
}

PARALLEL_ROUTINE(CancelForAnotherPurpose)
{
    if (Processor == KtProcessors() - 1)
        KeCancelTimer(Context);
}

/* One timer for two purposes: whoever cancels it takes the other's call away. */
TEST(S_21)
{
    PEXTENSION extension = AddDevice(CustomTimerDpc);

    if (!extension)
        return;
    KeSetTimer(&extension->Timer, KtIn(SECONDS(100)), &extension->Dpc);
    KtRunOnAll(CancelForAnotherPurpose, &extension->Timer);
    CHECK_EQUAL(KeCancelTimer(&extension->Timer), FALSE);
    CHECK_EQUAL(extension->Runs, 0);
    RemoveDevice(extension);
}

/* A timer for each routine: they do not disturb each other. */
TEST(S_23)
{
    PEXTENSION first = AddDevice(CustomTimerDpc), second = AddDevice(CustomTimerDpc);

    if (!first || !second)
        return;
    KeSetTimer(&first->Timer, KtIn(MILLISECONDS(2)), &first->Dpc);
    KeSetTimer(&second->Timer, KtIn(MILLISECONDS(2)), &second->Dpc);
    CHECK_EQUAL(KeSetTimer(&second->Timer, KtIn(MILLISECONDS(4)), &second->Dpc), TRUE);
    CHECK(KtSleepUntil(&first->Runs, 1));
    CHECK(KtSleepUntil(&second->Runs, 1));
    KeFlushQueuedDpcs();
    CHECK_EQUAL(first->Runs, 1);
    CHECK_EQUAL(second->Runs, 1);
    RemoveDevice(first);
    RemoveDevice(second);
}

SERVICE_ROUTINE(QueueTheTimersDpc)
{
    PEXTENSION extension = Context;

    if (KeInsertQueueDpc(&extension->Dpc, extension, extension))
        InterlockedIncrement(&extension->IsrRuns);
    return TRUE;
}

/* "StartIo" sets the timer with a DPC that the ISR queues too: the first of the two runs it. */
TEST(S_30__S_31__S_32)
{
    PEXTENSION extension = AddDevice(CustomTimerDpc);

    if (!extension)
        return;
    CHECK_EQUAL(KtConnect(&extension->Interrupt, KT_VECTOR(6, 0), QueueTheTimersDpc, extension),
                STATUS_SUCCESS);
    KeSetTimer(&extension->Timer, KtIn(SECONDS(100)), &extension->Dpc);
    KtInterruptHere(KT_VECTOR(6, 0));
    CHECK_EQUAL(extension->Runs, 1); /* the interrupt came first */
    CHECK(KeCancelTimer(&extension->Timer));

    KeSetTimer(&extension->Timer, KtIn(MICROSECONDS(300)), &extension->Dpc);
    CHECK(KtSleepUntil(&extension->Runs, 2)); /* the interval was over first */

    extension->IsrRuns = 0;
    AT_IRQL(DISPATCH_LEVEL) /* both before the routine could start: one party's work is lost */
    {
        KeSetTimer(&extension->Timer, KtIn(MICROSECONDS(100)), &extension->Dpc);
        KtInterruptHere(KT_VECTOR(6, 0));
        KtStall(MICROSECONDS(200));
        KtAwaitClock();
    }
    KeFlushQueuedDpcs();
    CHECK_EQUAL(extension->IsrRuns, 1);
    CHECK_EQUAL(extension->Runs, 3);
    IoDisconnectInterrupt(extension->Interrupt);
    RemoveDevice(extension);
}

/* ---- how the routine is called ---- */

TEST(S_36__S_46__S_57__S_72)
{
    PEXTENSION extension = AddDevice(CustomTimerDpc);
    ULONG64 due;

    if (!extension)
        return;
    due = KtNow() + MILLISECONDS(2);
    KeSetTimer(&extension->Timer, KtIn(MILLISECONDS(2)), &extension->Dpc);
    CHECK(!KeReadStateTimer(&extension->Timer));
    CHECK(KtSleepUntil(&extension->Runs, 1));
    CHECK_ON_TIME(extension->When, due);
    CHECK(KeReadStateTimer(&extension->Timer));           /* set to Signaled */
    CHECK_EQUAL(KeCancelTimer(&extension->Timer), FALSE); /* and out of the timer queue */
    RemoveDevice(extension);
}

static volatile ULONG64 Progress; /* of the thread */
static volatile ULONG64 ProgressBefore, ProgressAfter;

DPC_ROUTINE(WatchTheThread)
{
    ProgressBefore = Progress;
    KtStall(MILLISECONDS(2));
    ProgressAfter = Progress;
    CHECK_IRQL(DISPATCH_LEVEL);
    InterlockedIncrement(&((PEXTENSION)Context)->Runs);
}

TEST(S_49)
{
    PEXTENSION extension = AddDevice(WatchTheThread);
    ULONG64 start = KtNow();

    if (!extension)
        return;
    KeSetTimer(&extension->Timer, KtIn(MILLISECONDS(1)), &extension->Dpc);
    while (!extension->Runs && KtNow() - start < KT_PATIENCE)
        Progress++;
    CHECK_EQUAL(extension->Runs, 1);
    CHECK_EQUAL(ProgressAfter, ProgressBefore); /* no thread runs on that processor */
    RemoveDevice(extension);
}

/* The prototypes are the same: one routine, as CustomDpc and as CustomTimerDpc. */
TEST(S_53__S_54__S_71__S_58__S_59__S_61__S_62__S_63)
{
    PEXTENSION extension = AddDevice(CustomTimerDpc);

    if (!extension)
        return;
    CHECK(KeInsertQueueDpc(&extension->Dpc, (PVOID)0x61, (PVOID)0x62));
    CHECK_EQUAL(extension->Runs, 1);
    CHECK_EQUAL(extension->SeenDpc, &extension->Dpc);
    CHECK_EQUAL(extension->SeenContext, extension);
    CHECK_EQUAL(extension->SeenArgument1, 0x61);
    CHECK_EQUAL(extension->SeenArgument2, 0x62);
    extension->SeenDpc = extension->SeenContext = NULL;
    KeSetTimer(&extension->Timer, KtIn(MICROSECONDS(300)), &extension->Dpc);
    CHECK(KtSleepUntil(&extension->Runs, 2));
    CHECK_EQUAL(extension->SeenDpc, &extension->Dpc);
    CHECK_EQUAL(extension->SeenContext, extension); /* not the KDPC */
    RemoveDevice(extension);
}

/* Several CustomDpcs beside the DpcForIsr, each with work of its own. */
static volatile LONG DpcForIsrRuns;

static VOID DpcForIsr(PKDPC Dpc, PDEVICE_OBJECT DeviceObject, struct _IRP *Irp, PVOID Context)
{
    UNREFERENCED_PARAMETER(Dpc);
    UNREFERENCED_PARAMETER(DeviceObject);
    UNREFERENCED_PARAMETER(Irp);
    UNREFERENCED_PARAMETER(Context);
    DpcForIsrRuns++;
}

static KT_PROBE Reader, Writer;

SERVICE_ROUTINE(QueueAllOfThem)
{
    PEXTENSION extension = Context;

    KeInsertQueueDpc(&Reader.Dpc, NULL, NULL);
    KeInsertQueueDpc(&Writer.Dpc, NULL, NULL);
    IoRequestDpc(extension->Self, NULL, NULL);
    return TRUE;
}

TEST(S_66)
{
    PEXTENSION extension = AddDevice(CustomTimerDpc);

    if (!extension)
        return;
    KtPrepareProbe(&Reader);
    KtPrepareProbe(&Writer);
    DpcForIsrRuns = 0;
    IoInitializeDpcRequest(extension->Self, DpcForIsr);
    CHECK_EQUAL(KtConnect(&extension->Interrupt, KT_VECTOR(6, 0), QueueAllOfThem, extension),
                STATUS_SUCCESS);
    KtInterruptHere(KT_VECTOR(6, 0));
    CHECK_EQUAL(Reader.Runs, 1);
    CHECK_EQUAL(Writer.Runs, 1);
    CHECK_EQUAL(DpcForIsrRuns, 1);
    IoDisconnectInterrupt(extension->Interrupt);
    RemoveDevice(extension);
}
