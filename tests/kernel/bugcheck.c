/*
 * Violations without a hook: option bugcheck=NAME breaks one rule, and the boot has to end with
 * the report and the status of a bug check. The codes stand in tests/kernel/bugchecks.txt.
 */
#include "suite.h"
#include "testdriver.h"

typedef struct _VIOLATION {
    PCSTR Name;
    VOID (*Commit)(VOID);
} VIOLATION;

static KSPIN_LOCK Lock;
static KT_PROBE Probe;

static VOID Manual(VOID)
{
    KeBugCheckEx(MANUALLY_INITIATED_CRASH, 1, 2, 3, 4);
}

/* ---- faults ---- */

#define NO_ADDRESS ((volatile VOID *)0xFFFFE00012345000ULL)

static VOID PageFault(VOID)
{
    KtReadByte(NO_ADDRESS);
}

static VOID IrqlFault(VOID)
{
    KfRaiseIrql(DISPATCH_LEVEL);
    KtWriteByte(NO_ADDRESS, 1);
}

static VOID NullPointer(VOID)
{
    KfRaiseIrql(DISPATCH_LEVEL);
    KtJumpTo(NULL);
}

static PTESTTOOL_EXTENSION LoadTool(VOID)
{
    PTESTTOOL_EXTENSION extension = NULL;

    if (NT_SUCCESS(IopLoadDriver("testtool")))
        extension = KtToolExtension();
    if (!extension) {
        DbgPrint("FAIL bugcheck: testtool has no device\n");
        ArchExit(EXIT_FAILED_VALUE);
    }
    return extension;
}

static VOID DriverFault(VOID)
{
    PTESTTOOL_EXTENSION extension = LoadTool();

    KfRaiseIrql(DISPATCH_LEVEL);
    extension->Touch((volatile CHAR *)NO_ADDRESS, AccessRead);
}

static VOID WriteToCode(VOID)
{
    KtWriteByte((volatile VOID *)(ULONG_PTR)KtReadByte, 0x90);
}

static ULONG Recurse(volatile ULONG *Depth)
{
    volatile ULONG here[64];

    here[0] = ++*Depth;
    if (*Depth == 0)
        return 0;
    return Recurse(Depth) + here[0];
}

static VOID DoubleFault(VOID)
{
    volatile ULONG depth = 0;

    Recurse(&depth);
}

static VOID RaisedStatus(VOID)
{
    ExRaiseStatus(STATUS_INVALID_PARAMETER);
}

static VOID DivideByZero(VOID)
{
    ULONG low = 1, high = 0;

    __asm__ volatile("divl %2" : "+a"(low), "+d"(high) : "r"(0));
}

static VOID Assertion(VOID)
{
    NT_ASSERT(KtProcessors() == 0);
}

/* ---- IRQL and locks ---- */

static VOID RaiseDownwards(VOID)
{
    KfRaiseIrql(7);
    KfRaiseIrql(DISPATCH_LEVEL);
}

DPC_ROUTINE(LowerInDpc)
{
    KeLowerIrql(PASSIVE_LEVEL);
}

static VOID LowerInADpc(VOID)
{
    KtPrepareProbe(&Probe);
    KeInitializeDpc(&Probe.Dpc, LowerInDpc, NULL);
    KeInsertQueueDpc(&Probe.Dpc, NULL, NULL);
}

static VOID SpinLockRecursive(VOID)
{
    KIRQL oldIrql;

    KeInitializeSpinLock(&Lock);
    KeAcquireSpinLock(&Lock, &oldIrql);
    KeAcquireSpinLock(&Lock, &oldIrql);
}

static VOID SpinLockNotOwned(VOID)
{
    KeInitializeSpinLock(&Lock);
    KfRaiseIrql(DISPATCH_LEVEL);
    KeReleaseSpinLockFromDpcLevel(&Lock);
}

static VOID TimerAtDirql(VOID)
{
    KtPrepareProbe(&Probe);
    KfRaiseIrql(5);
    KeSetTimer(&Probe.Timer, KtIn(SECONDS(1)), &Probe.Dpc);
}

SERVICE_ROUTINE(ReturnAtAnotherLevel)
{
    KfRaiseIrql(9);
    return TRUE;
}

static VOID IsrChangesIrql(VOID)
{
    PKINTERRUPT interrupt;

    KtConnect(&interrupt, KT_VECTOR(6, 0), ReturnAtAnotherLevel, NULL);
    KtInterruptHere(KT_VECTOR(6, 0));
}

/* ---- watchdog; with dpctimeout=N and dpcwatchdog=N shorter ---- */

DPC_ROUTINE(RunForEver)
{
    for (;;)
        ArchPause();
}

static VOID DpcWatchdog(VOID)
{
    KtPrepareProbe(&Probe);
    KeInitializeDpc(&Probe.Dpc, RunForEver, NULL);
    KeInsertQueueDpc(&Probe.Dpc, NULL, NULL);
}

static VOID CumulativeWatchdog(VOID)
{
    KfRaiseIrql(DISPATCH_LEVEL);
    for (;;)
        ArchPause();
}

/* Every other processor is idle; with clockwatchdog=N shorter. */
static VOID ClockWatchdog(VOID)
{
    KfRaiseIrql(HIGH_LEVEL);
    for (;;)
        ArchPause();
}

DPC_ROUTINE(WaitForTheEvent)
{
    KeWaitForSingleObject(Context, Executive, KernelMode, FALSE, NULL);
}

static VOID ThreadedDpcWaits(VOID)
{
    KEVENT event;

    KeInitializeEvent(&event, SynchronizationEvent, FALSE);
    KeInitializeThreadedDpc(&Probe.Dpc, WaitForTheEvent, &event);
    KeInsertQueueDpc(&Probe.Dpc, NULL, NULL);
    KiSleep(MILLISECONDS(50));
}

/* ---- pool ---- */

static VOID PoolDoubleFree(VOID)
{
    PVOID block = ExAllocatePoolWithTag(NonPagedPool, 100, KT_TAG);

    ExFreePoolWithTag(block, KT_TAG);
    ExFreePoolWithTag(block, KT_TAG);
}

static VOID PoolWrongTag(VOID)
{
    ExFreePoolWithTag(ExAllocatePoolWithTag(NonPagedPool, 100, KT_TAG), 0x67617457);
}

static VOID PoolOverrun(VOID)
{
    UCHAR *block = ExAllocatePoolWithTag(NonPagedPool, 100, KT_TAG);

    memset(block, POISON, 104);
    ExFreePoolWithTag(block, KT_TAG);
}

static VOID PoolIrql(VOID)
{
    KfRaiseIrql(DISPATCH_LEVEL);
    ExAllocatePoolWithTag(PagedPool, 100, KT_TAG);
}

static VOID PoolTimer(VOID)
{
    PKT_PROBE probe = ExAllocatePoolWithTag(NonPagedPool, sizeof(*probe), KT_TAG);

    KtPrepareProbe(probe);
    KtSetProbe(probe, KtIn(SECONDS(100)), 0);
    ExFreePoolWithTag(probe, KT_TAG);
}

/* ---- drivers ---- */

static VOID IoTimerRoutine(PDEVICE_OBJECT DeviceObject, PVOID Context)
{
    UNREFERENCED_PARAMETER(DeviceObject);
    UNREFERENCED_PARAMETER(Context);
}

static VOID IoTimerTwice(VOID)
{
    PDEVICE_OBJECT device;

    if (NT_SUCCESS(IoCreateDevice(KtDriver(), 0, NULL, FILE_DEVICE_UNKNOWN, 0, FALSE, &device))) {
        IoInitializeTimer(device, IoTimerRoutine, NULL);
        IoInitializeTimer(device, IoTimerRoutine, NULL);
    }
}

static VOID UnloadLeaving(TESTTOOL_LEFTOVER What)
{
    PTESTTOOL_EXTENSION extension = LoadTool();

    extension->Leave = What;
    IopUnloadDriver("testtool");
    KiSleep(MILLISECONDS(50));
}

static VOID UnloadTimer(VOID)
{
    UnloadLeaving(LeaveTimer);
}

static VOID UnloadPeriodicTimer(VOID)
{
    UnloadLeaving(LeavePeriodicTimer);
}

static VOID UnloadLookaside(VOID)
{
    UnloadLeaving(LeaveLookaside);
}

static VOID UnloadInterrupt(VOID)
{
    UnloadLeaving(LeaveInterrupt);
}

static VOID UnloadRequest(VOID)
{
    UnloadLeaving(LeaveRequest);
}

/* ---- requests ---- */

static VOID CompleteTwice(VOID)
{
    PIRP irp = IoAllocateIrp(1, FALSE);

    IoCompleteRequest(irp, IO_NO_INCREMENT); /* at its end nobody keeps it: it is freed */
    IoCompleteRequest(irp, IO_NO_INCREMENT);
}

/* ---- several processors ---- */

ROUTINE(BugCheckHere)
{
    UNREFERENCED_PARAMETER(Context);
    KeBugCheckEx(MANUALLY_INITIATED_CRASH, KeGetCurrentProcessorIndex(), 2, 3, 4);
}

/* This processor hears nothing but an NMI. */
static VOID OtherProcessor(VOID)
{
    KT_PROBE probe;

    KtPrepareProbe(&probe);
    KfRaiseIrql(HIGH_LEVEL);
    ArchDisableInterrupts();
    KtRunOn(KtProcessors() - 1, DISPATCH_LEVEL, BugCheckHere, NULL);
}

PARALLEL_ROUTINE(BugCheckTogether)
{
    UNREFERENCED_PARAMETER(Processor);
    BugCheckHere(Context);
}

static VOID AllAtOnce(VOID)
{
    KtRunOnAll(BugCheckTogether, NULL);
}

static const VIOLATION Violations[] = {
    {"manual", Manual},
    {"page_fault", PageFault},
    {"irql_fault", IrqlFault},
    {"null_pointer", NullPointer},
    {"driver_fault", DriverFault},
    {"write_to_code", WriteToCode},
    {"double_fault", DoubleFault},
    {"divide_by_zero", DivideByZero},
    {"raised_status", RaisedStatus},
    {"assertion", Assertion},
    {"raise_downwards", RaiseDownwards},
    {"lower_in_dpc", LowerInADpc},
    {"spinlock_recursive", SpinLockRecursive},
    {"spinlock_not_owned", SpinLockNotOwned},
    {"timer_at_dirql", TimerAtDirql},
    {"isr_changes_irql", IsrChangesIrql},
    {"dpc_watchdog", DpcWatchdog},
    {"cumulative_watchdog", CumulativeWatchdog},
    {"clock_watchdog", ClockWatchdog},
    {"threaded_dpc_waits", ThreadedDpcWaits},
    {"pool_double_free", PoolDoubleFree},
    {"pool_wrong_tag", PoolWrongTag},
    {"pool_overrun", PoolOverrun},
    {"pool_irql", PoolIrql},
    {"pool_timer", PoolTimer},
    {"io_timer_twice", IoTimerTwice},
    {"unload_timer", UnloadTimer},
    {"unload_periodic_timer", UnloadPeriodicTimer},
    {"unload_lookaside", UnloadLookaside},
    {"unload_interrupt", UnloadInterrupt},
    {"unload_request", UnloadRequest},
    {"irp_completed_twice", CompleteTwice},
    {"other_processor", OtherProcessor},
    {"all_at_once", AllAtOnce},
};

VOID KiRunBugCheck(PCSTR Name)
{
    KeSetSystemAffinityThreadEx(1); /* on processor 0, as the tests */
    for (ULONG i = 0; i < ARRAYSIZE(Violations); i++)
        if (strcmp(Violations[i].Name, Name) == 0) {
            Violations[i].Commit();
            DbgPrint("FAIL bugcheck.%s: the rule was broken and nothing happened\n", Name);
            ArchExit(EXIT_FAILED_VALUE);
        }
    DbgPrint("FAIL bugcheck: no violation is named \"%s\"; there are:", Name);
    for (ULONG i = 0; i < ARRAYSIZE(Violations); i++)
        DbgPrint(" %s", Violations[i].Name);
    DbgPrint("\n");
    ArchExit(EXIT_FAILED_VALUE);
}
