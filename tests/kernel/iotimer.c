/* io.md: the once-a-second timer of a device object. These tests take seconds of guest time. */
#define SUITE "io.timer"
#include "suite.h"
#include "testdriver.h"

typedef struct _RECORD {
    PDEVICE_OBJECT Device;
    volatile LONG Runs, Inside;
    ULONG64 Times[8];
    BOOLEAN DeviceAgrees;
    KIRQL Irql;
} RECORD;

static VOID RecordRun(PDEVICE_OBJECT DeviceObject, PVOID Context)
{
    RECORD *record = Context;

    CHECK_EQUAL(InterlockedIncrement(&record->Inside), 1); /* T-IO_TIMER-3 */
    record->DeviceAgrees = (DeviceObject == record->Device);
    record->Irql = KeGetCurrentIrql();
    if (record->Runs < 8)
        record->Times[record->Runs] = KtNow();
    InterlockedDecrement(&record->Inside);
    InterlockedIncrement(&record->Runs);
}

/* A device whose extension is the record; the routine is given another pointer if Context. */
static RECORD *CreateTimedDevice(PIO_TIMER_ROUTINE Routine)
{
    PDEVICE_OBJECT device = NULL;
    RECORD *record;

    if (!CHECK_EQUAL(IoCreateDevice(KtDriver(), sizeof(RECORD), NULL, FILE_DEVICE_UNKNOWN, 0, FALSE,
                                    &device),
                     STATUS_SUCCESS))
        return NULL;
    record = device->DeviceExtension;
    record->Device = device;
    CHECK_EQUAL(IoInitializeTimer(device, Routine, record), STATUS_SUCCESS);
    CHECK(device->Timer != NULL);
    return record;
}

/* One run after the other: each may take a second. */
static BOOLEAN AwaitRuns(const RECORD *Record, LONG Runs)
{
    while (Record->Runs < Runs)
        if (!KtSleepUntil(&Record->Runs, Record->Runs + 1))
            return FALSE;
    return TRUE;
}

TEST(T_IoInitializeTimer_1)
{
    RECORD *record = CreateTimedDevice(RecordRun);

    if (!record)
        return;
    KiSleep(MILLISECONDS(1300));
    CHECK_EQUAL(record->Runs, 0); /* disabled at first */
    IoDeleteDevice(record->Device);
}

TEST(T_IoInitializeTimer_1_no_memory)
{
    PDEVICE_OBJECT device = NULL;
    NTSTATUS status;

    CHECK_EQUAL(IoCreateDevice(KtDriver(), 0, NULL, FILE_DEVICE_UNKNOWN, 0, FALSE, &device),
                STATUS_SUCCESS);
    ExpFailEvery = 1;
    status = IoInitializeTimer(device, RecordRun, NULL);
    ExpFailEvery = 0;
    CHECK_EQUAL(status, STATUS_INSUFFICIENT_RESOURCES);
    CHECK_EQUAL(device->Timer, NULL);
    IoDeleteDevice(device);
}

TEST(T_IoInitializeTimer_2__T_IO_TIMER_1__T_IoStartTimer_1__T_IO_TIMER_2__S_9__S_10__S_11__S_51)
{
    RECORD *record = CreateTimedDevice(RecordRun);
    ULONG64 start, slack = KeQueryTimeIncrement();

    if (!record)
        return;
    start = KtNow();
    IoStartTimer(record->Device);
    CHECK_EQUAL(record->Runs, 0); /* not immediately */
    CHECK(AwaitRuns(record, 3));
    IoStopTimer(record->Device);
    KeFlushQueuedDpcs();
    CHECK(record->DeviceAgrees);
    CHECK_EQUAL(record->Irql, DISPATCH_LEVEL);
    CHECK(record->Times[0] - start <= SECONDS(1) + slack + (KtIsExact() ? 0 : KT_PATIENCE));
    for (ULONG i = 1; i < 3 && KtIsExact(); i++) { /* about a second apart */
        ULONG64 gap = record->Times[i] - record->Times[i - 1];

        CHECK(gap >= SECONDS(1) - slack && gap <= SECONDS(1) + slack);
    }
    /* The first call may come early; the host may have delayed any of them. */
    CHECK_AT_LEAST(record->Times[2], start + SECONDS(2) - slack);
    IoDeleteDevice(record->Device);
}

TEST(T_IoInitializeTimer_3)
{
    RECORD *first = CreateTimedDevice(RecordRun), *second = CreateTimedDevice(RecordRun);

    if (!first || !second)
        return;
    IoStartTimer(first->Device);
    IoStartTimer(second->Device);
    CHECK(AwaitRuns(first, 2));
    CHECK(AwaitRuns(second, 2));
    CHECK(first->DeviceAgrees && second->DeviceAgrees); /* each with its own Context */
    IoDeleteDevice(first->Device);
    IoDeleteDevice(second->Device);
}

TEST(T_IoStartTimer_2)
{
    RECORD *record = CreateTimedDevice(RecordRun);
    ULONG64 start;

    if (!record)
        return;
    start = KtNow();
    IoStartTimer(record->Device);
    KiSleep(MILLISECONDS(300));
    AT_IRQL(DISPATCH_LEVEL)
    {
        IoStartTimer(record->Device); /* started already: nothing changes */
        IoStartTimer(record->Device);
    }
    CHECK(AwaitRuns(record, 2));
    CHECK_AT_LEAST(record->Times[1], start + SECONDS(1)); /* not called twice as often */
    if (KtIsExact())
        CHECK(record->Times[0] <= start + SECONDS(1) + MILLISECONDS(20)); /* nor put off */
    IoStopTimer(record->Device);
    KeFlushQueuedDpcs();
    record->Runs = 0;
    IoStartTimer(record->Device); /* again after a stop */
    CHECK(AwaitRuns(record, 1));
    IoDeleteDevice(record->Device);
}

TEST(T_IoStopTimer_1)
{
    RECORD *record = CreateTimedDevice(RecordRun);
    LONG runs;

    if (!record)
        return;
    IoStopTimer(record->Device); /* never started: nothing to do */
    IoStartTimer(record->Device);
    CHECK(AwaitRuns(record, 1));
    AT_IRQL(DISPATCH_LEVEL)
    {
        IoStopTimer(record->Device);
    }
    KeFlushQueuedDpcs();
    runs = record->Runs;
    KiSleep(MILLISECONDS(1300));
    CHECK_EQUAL(record->Runs, runs);
    IoDeleteDevice(record->Device);
}

static volatile LONG Entered, MayLeave;

static VOID StayInside(PDEVICE_OBJECT DeviceObject, PVOID Context)
{
    RECORD *record = Context;

    UNREFERENCED_PARAMETER(DeviceObject);
    InterlockedIncrement(&Entered);
    CHECK(KtSpinUntil(&MayLeave, 1));
    InterlockedIncrement(&record->Runs);
}

PARALLEL_ROUTINE(StartTimerHere)
{
    if (Processor == 1)
        IoStartTimer(Context);
}

/* Started on processor 1, so that its routine runs there while processor 0 stops it. */
TEST_ON(2, T_IoStopTimer_2)
{
    RECORD *record = CreateTimedDevice(StayInside);

    if (!record)
        return;
    Entered = MayLeave = 0;
    KtStartOnOthers(StartTimerHere, record->Device);
    KtJoin();
    CHECK(KtSpinUntil(&Entered, 1));
    if (record->Runs == 0)
        IoStopTimer(record->Device); /* comes back although the routine runs */
    CHECK_EQUAL(record->Runs, 0);
    InterlockedExchange(&MayLeave, 1);
    CHECK(KtSpinUntil(&record->Runs, 1));
    KiSleep(MILLISECONDS(1500));
    CHECK_EQUAL(Entered, 1); /* not started again */
    IoDeleteDevice(record->Device);
}

/*
 * Stopped and started again on processor 0 while the routine still runs on processor 1: the next
 * second must not call it there as well.
 */
TEST_ON(2, T_IO_TIMER_3)
{
    RECORD *record = CreateTimedDevice(StayInside);

    if (!record)
        return;
    Entered = MayLeave = 0;
    KtStartOnOthers(StartTimerHere, record->Device);
    KtJoin();
    CHECK(KtSpinUntil(&Entered, 1));
    IoStopTimer(record->Device);
    IoStartTimer(record->Device);
    KtStall(MILLISECONDS(2200)); /* two seconds are over, and it is still inside */
    CHECK_EQUAL(Entered, 1);
    CHECK_EQUAL(record->Runs, 0);
    InterlockedExchange(&MayLeave, 1);
    CHECK(KtSpinUntil(&record->Runs, 2)); /* now it is called again */
    IoDeleteDevice(record->Device);
}

TEST(T_IoDeleteDevice_2)
{
    RECORD *record = CreateTimedDevice(RecordRun);
    static RECORD outside;
    PDEVICE_OBJECT device = NULL;

    if (!record)
        return;
    IoStartTimer(record->Device); /* and not stopped */
    IoDeleteDevice(record->Device);

    memset(&outside, 0, sizeof(outside));
    CHECK_EQUAL(IoCreateDevice(KtDriver(), 0, NULL, FILE_DEVICE_UNKNOWN, 0, FALSE, &device),
                STATUS_SUCCESS);
    CHECK_EQUAL(IoInitializeTimer(device, RecordRun, &outside), STATUS_SUCCESS);
    outside.Device = device;
    IoStartTimer(device);
    CHECK(AwaitRuns(&outside, 1));
    IoDeleteDevice(device);
    outside.Runs = 0;
    KiSleep(MILLISECONDS(1300));
    CHECK_EQUAL(outside.Runs, 0); /* not called afterwards */
}

/* The deletion waits for a call under way: the routine uses the extension until its end. */
TEST_ON(2, T_IoDeleteDevice_2_while_running)
{
    for (ULONG i = 0; i < 2; i++) {
        RECORD *record = CreateTimedDevice(RecordRun);

        if (!record)
            return;
        KtStartOnOthers(StartTimerHere, record->Device);
        KtJoin();
        while (record->Runs == 0 && record->Inside == 0)
            ArchPause();
        IoDeleteDevice(record->Device);
    }
    CHECK_IRQL(PASSIVE_LEVEL);
}

TEST(T_IO_TIMER_2_system_time)
{
    RECORD *record = CreateTimedDevice(RecordRun);
    LARGE_INTEGER set, old;
    ULONG64 start;

    if (!record)
        return;
    start = KtNow();
    IoStartTimer(record->Device);
    set = KtAt(KtSystemNow() + SECONDS(3600));
    KeSetSystemTime(&set, &old);
    CHECK(KtNow() - start > MILLISECONDS(900) || record->Runs == 0); /* not called early */
    set = KtAt(KtSystemNow() - SECONDS(7200));
    KeSetSystemTime(&set, &old);
    CHECK(AwaitRuns(record, 1)); /* nor late */
    set = KtAt(KtSystemNow() + SECONDS(3600));
    KeSetSystemTime(&set, &old);
    IoDeleteDevice(record->Device);
}

/* ---- T-IO_TIMER-4 and -5: the watchdog counter that an ISR, a DPC and the timer share ---- */

#define IDLE  (-1)
#define LIMIT 1 /* seconds */

static PKINTERRUPT WatchdogInterrupt;
static KSPIN_LOCK OthersLock; /* protects Resets: state that the ISR does not share */
static LONG Remaining;        /* shared with the ISR: in SynchCritSections only */
static volatile LONG Resets;

SERVICE_ROUTINE(DeviceAnswers)
{
    Remaining = IDLE;
    return TRUE;
}

SYNCHRONIZE_ROUTINE(StartRequest)
{
    Remaining = LIMIT + 1;
    return TRUE;
}

/* TRUE once, when the time is up. */
SYNCHRONIZE_ROUTINE(CountDown)
{
    if (Remaining == IDLE)
        return FALSE;
    if (--Remaining > 0)
        return FALSE;
    Remaining = IDLE;
    return TRUE;
}

static VOID Watch(PDEVICE_OBJECT DeviceObject, PVOID Context)
{
    RECORD *record = Context;

    UNREFERENCED_PARAMETER(DeviceObject);
    if (KeSynchronizeExecution(WatchdogInterrupt, CountDown, NULL)) {
        KeAcquireSpinLockAtDpcLevel(&OthersLock);
        Resets++;
        KeReleaseSpinLockFromDpcLevel(&OthersLock);
    }
    InterlockedIncrement(&record->Runs);
}

TEST(T_IO_TIMER_4__T_IO_TIMER_5__S_14__S_15)
{
    RECORD *record = CreateTimedDevice(Watch);

    if (!record)
        return;
    KeInitializeSpinLock(&OthersLock);
    Remaining = IDLE;
    Resets = 0;
    CHECK_EQUAL(KtConnect(&WatchdogInterrupt, KT_VECTOR(6, 0), DeviceAnswers, NULL),
                STATUS_SUCCESS);
    IoStartTimer(record->Device);

    KeSynchronizeExecution(WatchdogInterrupt, StartRequest, NULL);
    KtInterruptHere(KT_VECTOR(6, 0)); /* the device answers in time */
    CHECK(AwaitRuns(record, 2));
    CHECK_EQUAL(Resets, 0);

    KeSynchronizeExecution(WatchdogInterrupt, StartRequest, NULL); /* and this time it does not */
    CHECK(AwaitRuns(record, record->Runs + LIMIT + 2));
    CHECK_EQUAL(Resets, 1); /* once */
    CHECK_EQUAL(Remaining, IDLE);
    IoStopTimer(record->Device);
    KeFlushQueuedDpcs();
    IoDisconnectInterrupt(WatchdogInterrupt);
    IoDeleteDevice(record->Device);
}
