/*
 * EX_TIMER: a dispatcher object and a callback, driven by a KTIMER (the engine) and its DPC. The
 * timer's lock, at DISPATCH_LEVEL, protects all that changes; under it the dispatcher lock and the
 * locks of timer tables and DPC queues are taken. The callbacks are called without it.
 *
 * A setting counts until the engine's DPC has taken it under the lock: only then is the timer
 * signaled, and only then is the callback owed. Before that it can be cancelled, whether the
 * engine has expired or not:
 *
 *     ExCancelTimer                        the engine's processor
 *                                          the engine expires: its DPC is queued
 *                                          the DPC is taken out of the queue, begins
 *     lock; Set = FALSE; returns TRUE
 *                                          lock; not Set: neither signals nor calls back
 *
 * References: one until ExDeleteTimer, one for every time that the engine was set. The latter is
 * given back by whoever stops that setting (the engine cancelled, or its DPC taken out of the DPC
 * queue), else by the DPC when it has run. There is exactly one such end for each setting, because
 * the engine is set only when it is not set and its DPC is not queued (Arm). With the last
 * reference nothing can call back any more.
 *
 * The engine is set once at a time and again by its DPC: that gives periods in 100 ns. They are
 * counted from Grid, not from the engine's due times, so they do not drift.
 */
#include "ke.h"
#include "ex.h"

#define TAG_EX_TIMER ((ULONG)'iTxE')

/* The kinds of misuse: P3 of bug check 0xC7/6. */
#define MISUSE_ATTRIBUTES    1 /* high resolution and no-wake */
#define MISUSE_ABSOLUTE      2 /* a high-resolution timer at an absolute time */
#define MISUSE_TOLERANCE     3 /* negative, and not "unlimited" */
#define MISUSE_PARAMETERS    4 /* a parameter block that no routine has initialized */
#define MISUSE_PERIOD        5 /* negative, or above MAXLONG */
#define MISUSE_WAIT          6 /* Wait without Cancel */
#define EX_TIMER_MISUSE_KIND 6

typedef struct _EX_TIMER {
    DISPATCHER_HEADER Header; /* what threads wait for; dispatcher lock */
    struct _EX_TIMER *Self;   /* until it is freed */
    KSPIN_LOCK Lock;          /* of all that follows and is not constant */
    KTIMER Engine;
    KDPC Dpc;
    PEXT_CALLBACK Callback; /* constant, may be NULL */
    PVOID CallbackContext;  /* constant */
    ULONG64 Grid;           /* the due time under way, in interrupt time */
    ULONG64 Step;           /* from one due time to the next, in 100 ns; 0: once */
    ULONG References;
    BOOLEAN HighResolution; /* constant */
    BOOLEAN Set;            /* a setting counts */
    BOOLEAN First;          /* it has not expired yet: Grid is when it was made */
    BOOLEAN Disabled;       /* by ExDeleteTimer */
    PEXT_DELETE_CALLBACK DeleteCallback;
    PVOID DeleteContext;
    PKEVENT Deleted; /* of who waits in ExDeleteTimer, or NULL */
} EX_TIMER;

static DECLSPEC_NORETURN VOID RefuseMisuse(PVOID Timer, ULONG Misuse, ULONG64 Value)
{
    KeBugCheckEx(TIMER_OR_DPC_INVALID, EX_TIMER_MISUSE_KIND, (ULONG_PTR)Timer, Misuse, Value);
}

/*
 * Drivers may call on after ExDeleteTimer, and then nothing is to happen. While the timer waits
 * for its end Disabled says so; this tells memory that has been freed, as long as no other timer
 * lies there. A driver should not count on that.
 */
static BOOLEAN IsFreed(PEX_TIMER Timer)
{
    return *(struct _EX_TIMER *volatile *)&Timer->Self != Timer;
}

static VOID SetSignalState(PEX_TIMER Timer, LONG State)
{
    KIRQL oldIrql = KiLockDispatcher();

    Timer->Header.SignalState = State;
    if (State)
        KiReleaseWaiters(&Timer->Header, IO_NO_INCREMENT);
    KiUnlockDispatcher(oldIrql);
}

/* The last reference has gone: nobody knows the timer any more. DISPATCH_LEVEL. */
static VOID DeleteTimer(PEX_TIMER Timer)
{
    PEXT_DELETE_CALLBACK callback = Timer->DeleteCallback;
    PVOID context = Timer->DeleteContext;
    PKEVENT deleted = Timer->Deleted;

    Timer->Self = NULL;
    ExFreePoolWithTag(Timer, TAG_EX_TIMER);
    if (callback)
        callback(context);
    if (deleted)
        KeSetEvent(deleted, IO_NO_INCREMENT, FALSE);
}

static VOID Dereference(PEX_TIMER Timer)
{
    KIRQL oldIrql = KeAcquireSpinLockRaiseToDpc(&Timer->Lock);
    BOOLEAN last = --Timer->References == 0;

    KeReleaseSpinLockFromDpcLevel(&Timer->Lock);
    if (last)
        DeleteTimer(Timer);
    KiLowerIrql(oldIrql);
}

/* ---- under the timer's lock ---- */

/*
 * Stops the engine, and its DPC if that is queued. A DPC that has left its queue already waits for
 * the timer's lock, and gives the reference back itself.
 */
static VOID Disarm(PEX_TIMER Timer)
{
    if (KeCancelTimer(&Timer->Engine) || KeRemoveQueueDpc(&Timer->Dpc))
        Timer->References--;
}

static VOID Arm(PEX_TIMER Timer, LONGLONG DueTime)
{
    LARGE_INTEGER dueTime = {.QuadPart = DueTime};

    Disarm(Timer);
    Timer->References++;
    KeSetTimer(&Timer->Engine, dueTime, &Timer->Dpc);
}

static BOOLEAN Cancel(PEX_TIMER Timer)
{
    BOOLEAN wasSet = Timer->Set;

    Timer->Set = FALSE;
    Disarm(Timer);
    return wasSet;
}

/* Sets the engine for the next due time of the grid that lies in the future (T-TMR-25). */
static VOID ArmNext(PEX_TIMER Timer)
{
    ULONG64 now = KiQueryInterruptTime();
    ULONG64 next = Timer->Grid + Timer->Step;

    if (next <= now)
        next += (now - next) / Timer->Step * Timer->Step + Timer->Step;
    Timer->Grid = next;
    Arm(Timer, -(LONGLONG)(next - now));
}

/*
 * Does this run of the DPC take an expiry? Not if the setting was cancelled, nor if it belonged to
 * an earlier setting: the engine is set again then. If the engine of the new setting has expired
 * as well, this run takes it, and the one that is queued by now finds nothing to do.
 */
static BOOLEAN TakeExpiry(PEX_TIMER Timer)
{
    if (!Timer->Set || *(volatile UCHAR *)&Timer->Engine.Header.Inserted)
        return FALSE;
    if (Timer->First && Timer->Engine.DueTime.QuadPart > Timer->Grid)
        Timer->Grid = Timer->Engine.DueTime.QuadPart;
    Timer->First = FALSE;
    SetSignalState(Timer, 1);
    Timer->Set = Timer->Step && !Timer->Disabled;
    if (Timer->Set)
        ArmNext(Timer);
    return TRUE;
}

/* The engine's DPC. The reference of its setting keeps the timer during the callback. */
static KDEFERRED_ROUTINE EngineDpc;
static VOID EngineDpc(PKDPC Dpc, PVOID DeferredContext, PVOID SystemArgument1,
                      PVOID SystemArgument2)
{
    PEX_TIMER timer = DeferredContext;
    BOOLEAN expired;

    UNREFERENCED_PARAMETER(Dpc);
    UNREFERENCED_PARAMETER(SystemArgument1);
    UNREFERENCED_PARAMETER(SystemArgument2);
    KeAcquireSpinLockAtDpcLevel(&timer->Lock);
    expired = TakeExpiry(timer);
    KeReleaseSpinLockFromDpcLevel(&timer->Lock);
    if (expired && timer->Callback)
        timer->Callback(timer, timer->CallbackContext);
    Dereference(timer);
}

/* ---- the routines ---- */

/*
 * Makes a timer that is not set.
 *
 * IRQL:    <= DISPATCH_LEVEL
 * Locks:   the pool's
 * Context: any
 * Returns: the timer, or NULL when there is no memory
 * Source:  contract T-ExAllocateTimer-1..2
 */
PEX_TIMER ExAllocateTimer(PEXT_CALLBACK Callback, PVOID CallbackContext, ULONG Attributes)
{
    KI_REQUIRE_IRQL_AT_MOST(DISPATCH_LEVEL, RULE_IRQL_KE_DISPATCH_LTE, "IrqlExDispatchLte",
                            Callback);
    if ((Attributes & EX_TIMER_HIGH_RESOLUTION) && (Attributes & EX_TIMER_NO_WAKE))
        RefuseMisuse(NULL, MISUSE_ATTRIBUTES, Attributes);

    PEX_TIMER timer = ExAllocatePool2(POOL_FLAG_NON_PAGED, sizeof(EX_TIMER), TAG_EX_TIMER);
    if (!timer)
        return NULL;
    timer->Header.Type =
        Attributes & EX_TIMER_NOTIFICATION ? TimerNotificationObject : TimerSynchronizationObject;
    timer->Header.Size = sizeof(EX_TIMER) / sizeof(ULONG);
    InitializeListHead(&timer->Header.WaitListHead);
    timer->Self = timer;
    KeInitializeSpinLock(&timer->Lock);
    KeInitializeTimer(&timer->Engine);
    KeInitializeDpc(&timer->Dpc, EngineDpc, timer);
    timer->Callback = Callback;
    timer->CallbackContext = CallbackContext;
    timer->HighResolution = (Attributes & EX_TIMER_HIGH_RESOLUTION) != 0;
    timer->References = 1;
    return timer;
}

static VOID CheckSetting(PEX_TIMER Timer, LONGLONG DueTime, LONGLONG Period,
                         const EXT_SET_PARAMETERS *Parameters)
{
    if (Timer->HighResolution && DueTime >= 0)
        RefuseMisuse(Timer, MISUSE_ABSOLUTE, (ULONG64)DueTime);
    if (Period < 0 || Period > MAXLONG)
        RefuseMisuse(Timer, MISUSE_PERIOD, (ULONG64)Period);
    if (!Parameters)
        return;
    if (Parameters->Version != 0 || Parameters->Reserved != 0)
        RefuseMisuse(Timer, MISUSE_PARAMETERS, (ULONG64)Parameters);
    if (Parameters->NoWakeTolerance < 0 &&
        Parameters->NoWakeTolerance != EX_TIMER_UNLIMITED_TOLERANCE)
        RefuseMisuse(Timer, MISUSE_TOLERANCE, (ULONG64)Parameters->NoWakeTolerance);
}

/* The least multiple of Period that is no shorter than a tick of this kind of timer. */
static ULONG64 StepOf(const EX_TIMER *Timer, ULONG64 Period)
{
    ULONG longest, shortest, current;
    ULONG64 tick;

    if (Period == 0)
        return 0;
    ExQueryTimerResolution(&longest, &shortest, &current);
    tick = Timer->HighResolution ? shortest : KeQueryTimeIncrement();
    return Period >= tick ? Period : (tick + Period - 1) / Period * Period;
}

/*
 * Sets the timer; an earlier setting is cancelled in the same step. Expiries of a period shorter
 * than a tick are merged: there is at most one in a tick.
 *
 * IRQL:    <= DISPATCH_LEVEL
 * Locks:   takes the timer's lock
 * Context: any; the callback too
 * Returns: TRUE if that cancelled a setting; FALSE, with nothing done, after ExDeleteTimer
 * Source:  contract T-ExSetTimer-1..7, T-TMR-12
 */
BOOLEAN ExSetTimer(PEX_TIMER Timer, LONGLONG DueTime, LONGLONG Period,
                   PEXT_SET_PARAMETERS Parameters)
{
    KI_REQUIRE_IRQL_AT_MOST(DISPATCH_LEVEL, RULE_IRQL_KE_DISPATCH_LTE, "IrqlExDispatchLte", Timer);
    if (IsFreed(Timer))
        return FALSE;
    CheckSetting(Timer, DueTime, Period, Parameters);

    BOOLEAN wasSet = FALSE;
    KIRQL oldIrql = KeAcquireSpinLockRaiseToDpc(&Timer->Lock);

    if (!Timer->Disabled) {
        wasSet = Cancel(Timer);
        SetSignalState(Timer, 0);
        Timer->Set = Timer->First = TRUE;
        Timer->Grid = KiQueryInterruptTime();
        Timer->Step = StepOf(Timer, (ULONG64)Period);
        Arm(Timer, DueTime);
    }
    KeReleaseSpinLock(&Timer->Lock, oldIrql);
    return wasSet;
}

/*
 * Cancels a setting: it neither signals nor calls back. A callback that runs goes on.
 *
 * IRQL:    <= DISPATCH_LEVEL
 * Locks:   takes the timer's lock
 * Context: any; the callback too
 * Returns: TRUE if there was one to cancel; FALSE also after ExDeleteTimer
 * Source:  contract T-ExCancelTimer-1..2
 */
BOOLEAN ExCancelTimer(PEX_TIMER Timer, PEXT_CANCEL_PARAMETERS Parameters)
{
    KI_REQUIRE_IRQL_AT_MOST(DISPATCH_LEVEL, RULE_IRQL_KE_DISPATCH_LTE, "IrqlExDispatchLte", Timer);
    UNREFERENCED_PARAMETER(Parameters);
    if (IsFreed(Timer))
        return FALSE;

    KIRQL oldIrql = KeAcquireSpinLockRaiseToDpc(&Timer->Lock);
    BOOLEAN wasSet = !Timer->Disabled && Cancel(Timer);

    KeReleaseSpinLock(&Timer->Lock, oldIrql);
    return wasSet;
}

static VOID RequireDeleteIrql(PEX_TIMER Timer, BOOLEAN Wait)
{
    if (Wait)
        KI_REQUIRE_IRQL_AT_MOST(APC_LEVEL, RULE_IRQL_EX_APC_LTE, "IrqlExApcLte1", Timer);
    else
        KI_REQUIRE_IRQL_AT_MOST(DISPATCH_LEVEL, RULE_IRQL_KE_DISPATCH_LTE, "IrqlExDispatchLte",
                                Timer);
    UNREFERENCED_PARAMETER(Timer);
}

/* The first ExDeleteTimer has it all its own way; *Cancelled says what it has cancelled. */
static BOOLEAN Disable(PEX_TIMER Timer, BOOLEAN CancelIt, const EXT_DELETE_PARAMETERS *Parameters,
                       PKEVENT Deleted, PBOOLEAN Cancelled)
{
    KIRQL oldIrql = KeAcquireSpinLockRaiseToDpc(&Timer->Lock);
    BOOLEAN first = !Timer->Disabled;

    if (first) {
        Timer->Disabled = TRUE;
        *Cancelled = CancelIt && Cancel(Timer);
        Timer->Deleted = Deleted;
        if (Parameters) {
            Timer->DeleteCallback = Parameters->DeleteCallback;
            Timer->DeleteContext = Parameters->DeleteContext;
        }
    }
    KeReleaseSpinLock(&Timer->Lock, oldIrql);
    return first;
}

/*
 * Disables the timer for good and gives it back. What is set and is not cancelled still expires,
 * once; the memory goes when nothing of the timer is under way any more.
 *
 * IRQL:    <= DISPATCH_LEVEL, with Wait <= APC_LEVEL (RequireDeleteIrql)
 * Locks:   takes the timer's lock
 * Context: any; with Wait not the callback
 * Returns: TRUE if a setting was cancelled; a second call: FALSE
 * Source:  contract T-ExDeleteTimer-1..6
 */
BOOLEAN ExDeleteTimer(PEX_TIMER Timer, BOOLEAN Cancel, BOOLEAN Wait,
                      PEXT_DELETE_PARAMETERS Parameters)
{
    BOOLEAN cancelled = FALSE;
    KEVENT deleted;

    RequireDeleteIrql(Timer, Wait);
    if (Wait && !Cancel)
        RefuseMisuse(Timer, MISUSE_WAIT, 0);
    if (Parameters && (Parameters->Version != 0 || Parameters->Reserved != 0))
        RefuseMisuse(Timer, MISUSE_PARAMETERS, (ULONG64)Parameters);

    KeInitializeEvent(&deleted, NotificationEvent, FALSE);
    if (IsFreed(Timer) || !Disable(Timer, Cancel, Parameters, Wait ? &deleted : NULL, &cancelled))
        return FALSE;
    Dereference(Timer);
    if (Wait)
        KeWaitForSingleObject(&deleted, Executive, KernelMode, FALSE, NULL);
    return cancelled;
}

/*
 * Whose callback does a set KTIMER lead to?
 *
 * IRQL:    DISPATCH_LEVEL (not checked)
 * Locks:   the lock of the table that holds the timer is held, so an EX_TIMER around it is there
 * Context: the check after an unload
 * Returns: the callback of the EX_TIMER whose engine it is, or NULL
 */
PEXT_CALLBACK ExpCallbackOfTimer(const KTIMER *Timer)
{
    if (!Timer->Dpc || Timer->Dpc->DeferredRoutine != EngineDpc)
        return NULL;
    return CONTAINING_RECORD(Timer, EX_TIMER, Engine)->Callback;
}
