/*
 * The timers: set, set again, cancelled in time and too late, and the routines that they call.
 * What happens in the first two seconds, by the timers' names:
 *
 *     0 s       0.2         0.25        0.3         0.5         0.8         1.5
 *     +---------+-----------+-----------+-----------+-----------+-----------+-->
 *     all set   early runs  once runs:  (late: was  (reset: was reset runs  absolute runs
 *                           cancels     cancelled)  set again)
 *                           both
 *     periodic runs at 0.1, 0.2, 0.3, ... on every processor
 */
#include "customtimer.h"

/* A time in seconds, for "%I64u.%06I64u s". */
#define SECONDS(time) (time) / 10000000, (time) % 10000000 / 10

/* Interrupt time: it only ever goes forward, whatever happens to the time of day. */
static ULONG64 Now(VOID)
{
    ULONG64 counter;

    return KeQueryInterruptTimePrecise(&counter);
}

static VOID PrintRun(PDEVICE_EXTENSION Extension, PCSTR Name, ULONG64 Due, ULONG64 Ran)
{
    DbgPrint("customtimer: %s due %I64u.%06I64u s, ran %I64u.%06I64u s, processor %u, IRQL %u\n",
             Name, SECONDS(Due - Extension->StartTime), SECONDS(Ran - Extension->StartTime),
             KeGetCurrentProcessorIndex(), KeGetCurrentIrql());
}

/*
 * Counts a run. A DPC routine runs at DISPATCH_LEVEL already, so it takes the lock with the
 * AtDpcLevel form. Without the lock, two processors could both read Runs, and both write the same
 * next number.
 */
static VOID CountRun(PDEVICE_EXTENSION Extension, ULONG64 Delay)
{
    KeAcquireSpinLockAtDpcLevel(&Extension->Lock);
    Extension->Runs++;
    if (Delay > Extension->GreatestDelay)
        Extension->GreatestDelay = Delay;
    KeReleaseSpinLockFromDpcLevel(&Extension->Lock);
}

/*
 * The CustomTimerDpc of the timers that expire once. DeferredContext is what KeInitializeDpc was
 * given: the device extension. Which timer it was follows from the address of the DPC. The two
 * system arguments mean nothing when a timer has queued the DPC.
 */
static KDEFERRED_ROUTINE OneShotDpc;
static VOID OneShotDpc(PKDPC Dpc, PVOID DeferredContext, PVOID SystemArgument1,
                       PVOID SystemArgument2)
{
    PDEVICE_EXTENSION extension = DeferredContext;
    PCUSTOM_TIMER timer = CONTAINING_RECORD(Dpc, CUSTOM_TIMER, Dpc);
    ULONG64 ran = Now();

    UNREFERENCED_PARAMETER(SystemArgument1);
    UNREFERENCED_PARAMETER(SystemArgument2);
    CountRun(extension, ran - timer->Due);
    PrintRun(extension, timer->Name, timer->Due, ran);
}

/*
 * The CustomTimerDpc of Once: cancels one timer that has expired and one that has not. The answer
 * says which of the two it was: TRUE, and the routine will not run; FALSE, and it has run, is
 * running, or is about to. Nothing in between is possible.
 */
static KDEFERRED_ROUTINE CancellingDpc;
static VOID CancellingDpc(PKDPC Dpc, PVOID DeferredContext, PVOID SystemArgument1,
                          PVOID SystemArgument2)
{
    PDEVICE_EXTENSION extension = DeferredContext;
    BOOLEAN early, late;

    OneShotDpc(Dpc, DeferredContext, SystemArgument1, SystemArgument2);
    early = KeCancelTimer(&extension->Early.Timer);
    late = KeCancelTimer(&extension->Late.Timer);
    DbgPrint("customtimer: cancelling 'early', due 0.2 s: %s; cancelling 'late', due 0.3 s: %s\n",
             early ? "TRUE" : "FALSE, too late", late ? "TRUE, it never runs" : "FALSE");
}

/* Ten runs a second are too many to read: the first ones of a minute and two later ones. */
static BOOLEAN IsShown(ULONG64 Number)
{
    ULONG64 ofMinute = Number % (60000 / PERIOD);

    return ofMinute < 3 || ofMinute == 49 || ofMinute == 99;
}

/*
 * The CustomTimerDpc of the periodic timers. The timer is set again already when this runs: its
 * due times are Due, Due + PERIOD, ... however late the routine is. If a stall makes it miss some
 * of them, they are merged into one run, so the number is taken from the time, not from a count.
 */
static KDEFERRED_ROUTINE PeriodicDpc;
static VOID PeriodicDpc(PKDPC Dpc, PVOID DeferredContext, PVOID SystemArgument1,
                        PVOID SystemArgument2)
{
    PDEVICE_EXTENSION extension = DeferredContext;
    PCUSTOM_TIMER timer = CONTAINING_RECORD(Dpc, CUSTOM_TIMER, Dpc);
    ULONG64 ran = Now();
    ULONG64 number = (ran - timer->Due) / (PERIOD * MILLISECOND);
    ULONG64 due = timer->Due + number * PERIOD * MILLISECOND;
    CHAR name[32];

    UNREFERENCED_PARAMETER(SystemArgument1);
    UNREFERENCED_PARAMETER(SystemArgument2);
    CountRun(extension, ran - due);
    if (IsShown(number)) {
        _snprintf(name, sizeof(name), "%s #%I64u", timer->Name, number + 1);
        PrintRun(extension, name, due, ran);
    }
}

/* The CustomTimerDpc of Absolute: due and ran are times of day here. */
static KDEFERRED_ROUTINE AbsoluteDpc;
static VOID AbsoluteDpc(PKDPC Dpc, PVOID DeferredContext, PVOID SystemArgument1,
                        PVOID SystemArgument2)
{
    PDEVICE_EXTENSION extension = DeferredContext;
    LARGE_INTEGER due = {.QuadPart = (LONGLONG)extension->Absolute.Due};
    LARGE_INTEGER ran;
    TIME_FIELDS day;

    UNREFERENCED_PARAMETER(Dpc);
    UNREFERENCED_PARAMETER(SystemArgument1);
    UNREFERENCED_PARAMETER(SystemArgument2);
    KeQuerySystemTimePrecise(&ran);
    CountRun(extension, (ULONG64)(ran.QuadPart - due.QuadPart));
    RtlTimeToTimeFields(&due, &day);
    DbgPrint("customtimer: absolute due %02d:%02d:%02d.%06u UTC, ran %u microseconds later, "
             "processor %u, IRQL %u\n",
             day.Hour, day.Minute, day.Second, (ULONG)(due.QuadPart % 10000000 / 10),
             (ULONG)((ran.QuadPart - due.QuadPart) / 10), KeGetCurrentProcessorIndex(),
             KeGetCurrentIrql());
}

static VOID InitializeOne(PCUSTOM_TIMER Timer, PCSTR Name, PKDEFERRED_ROUTINE Routine,
                          PDEVICE_EXTENSION Extension)
{
    Timer->Name = Name;
    KeInitializeTimer(&Timer->Timer);
    KeInitializeDpc(&Timer->Dpc, Routine, Extension);
}

/* Makes all timers and DPCs. Nothing is set yet. IRQL: PASSIVE_LEVEL, from AddDevice. */
VOID InitializeTimers(PDEVICE_EXTENSION Extension)
{
    KeInitializeSpinLock(&Extension->Lock);
    InitializeOne(&Extension->Early, "early", OneShotDpc, Extension);
    InitializeOne(&Extension->Once, "once", CancellingDpc, Extension);
    InitializeOne(&Extension->Late, "late", OneShotDpc, Extension);
    InitializeOne(&Extension->Reset, "reset", OneShotDpc, Extension);
    InitializeOne(&Extension->Absolute, "absolute", AbsoluteDpc, Extension);
    for (ULONG n = 0; n < Extension->PeriodicCount; n++) {
        InitializeOne(&Extension->Periodic[n], "periodic", PeriodicDpc, Extension);
        KeSetTargetProcessorDpc(&Extension->Periodic[n].Dpc, (CCHAR)n);
    }
}

/* Sets a timer that is due so many milliseconds from now: a negative due time. */
static BOOLEAN SetRelative(PCUSTOM_TIMER Timer, LONG Milliseconds, LONG Period)
{
    LARGE_INTEGER dueTime = {.QuadPart = -Milliseconds * MILLISECOND};

    Timer->Due = Now() + Milliseconds * MILLISECOND;
    return KeSetTimerEx(&Timer->Timer, dueTime, Period, &Timer->Dpc);
}

/* Sets a timer that is due at a time of day: a positive due time. */
static VOID SetAbsolute(PCUSTOM_TIMER Timer, LONG Milliseconds)
{
    LARGE_INTEGER dueTime;

    KeQuerySystemTime(&dueTime);
    dueTime.QuadPart += Milliseconds * MILLISECOND;
    Timer->Due = (ULONG64)dueTime.QuadPart;
    KeSetTimer(&Timer->Timer, dueTime, &Timer->Dpc);
}

/* Sets the timers, one of them twice. IRQL: PASSIVE_LEVEL, from AddDevice. */
VOID StartTimers(PDEVICE_EXTENSION Extension)
{
    BOOLEAN first, second;

    Extension->StartTime = Now();
    SetRelative(&Extension->Early, 200, 0);
    SetRelative(&Extension->Once, 250, 0);
    SetRelative(&Extension->Late, 300, 0);
    first = SetRelative(&Extension->Reset, 500, 0);
    second = SetRelative(&Extension->Reset, 800, 0);
    SetAbsolute(&Extension->Absolute, 1500);
    for (ULONG n = 0; n < Extension->PeriodicCount; n++)
        SetRelative(&Extension->Periodic[n], PERIOD, PERIOD);
    DbgPrint("customtimer: setting 'reset' to 0.5 s: was set: %s; to 0.8 s: was set: %s\n",
             first ? "TRUE" : "FALSE", second ? "TRUE, so 0.5 s is forgotten" : "FALSE");
}

/*
 * Stops everything. KeCancelTimer waits for nobody: a routine may still be queued or running
 * somewhere, that of a periodic timer even after TRUE. KeFlushQueuedDpcs waits until they are
 * through. No routine of this driver sets a timer; one that did would have to be told first
 * that the end has come. IRQL: PASSIVE_LEVEL, from Unload.
 */
VOID StopTimers(PDEVICE_EXTENSION Extension)
{
    KIRQL oldIrql;
    ULONG runs;
    ULONG64 delay;

    KeCancelTimer(&Extension->Early.Timer);
    KeCancelTimer(&Extension->Once.Timer);
    KeCancelTimer(&Extension->Late.Timer);
    KeCancelTimer(&Extension->Reset.Timer);
    KeCancelTimer(&Extension->Absolute.Timer);
    for (ULONG n = 0; n < Extension->PeriodicCount; n++)
        KeCancelTimer(&Extension->Periodic[n].Timer);
    KeFlushQueuedDpcs();

    /* Nobody else is left; the lock is taken all the same: data with a lock has no exceptions. */
    KeAcquireSpinLock(&Extension->Lock, &oldIrql);
    runs = Extension->Runs;
    delay = Extension->GreatestDelay;
    KeReleaseSpinLock(&Extension->Lock, oldIrql);
    DbgPrint("customtimer: %u runs in all, the latest one %I64u microseconds after it was due\n",
             runs, delay / 10);
}
