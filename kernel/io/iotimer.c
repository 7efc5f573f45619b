/*
 * IoTimer: a routine that is called about once a second for a device object. Each has a KTIMER
 * with a period of one second and a DPC of its own; no lock is held around the driver's routine.
 *
 * The DPC has one processor for life: the one on which the timer is started first. DPCs of one
 * processor run one after the other, so:
 *   - there are never two calls for one device at the same time, however it is stopped and started
 *   - a call under way has ended when a second DPC, queued to the same processor, has run
 */
#include "iop.h"

#define ONE_SECOND          10000000LL /* in 100 ns */
#define PERIOD_MILLISECONDS 1000

typedef struct _IO_TIMER {
    CSHORT Type;
    BOOLEAN Running; /* the routine is to be called; Lock */
    BOOLEAN Calling; /* the routine runs; the timer's processor only */
    KSPIN_LOCK Lock; /* DISPATCH_LEVEL; not held around the routine */
    KTIMER Timer;    /* set exactly while Running */
    KDPC Dpc;
    PIO_TIMER_ROUTINE Routine;
    PVOID Context;
    PDEVICE_OBJECT DeviceObject;
    KDPC EndDpc;         /* runs behind the last call */
    volatile LONG Ended; /* it has run */
} IO_TIMER;

/*
 * The timer's DPC. A stop that comes between the test and the call finds the routine "still
 * running", as T-IoStopTimer-2 has it: nothing that the driver can see tells the two apart.
 */
static VOID CallTimerRoutine(PKDPC Dpc, PVOID DeferredContext, PVOID SystemArgument1,
                             PVOID SystemArgument2)
{
    PIO_TIMER timer = DeferredContext;
    BOOLEAN running;

    UNREFERENCED_PARAMETER(Dpc);
    UNREFERENCED_PARAMETER(SystemArgument1);
    UNREFERENCED_PARAMETER(SystemArgument2);
    KeAcquireSpinLockAtDpcLevel(&timer->Lock);
    running = timer->Running;
    KeReleaseSpinLockFromDpcLevel(&timer->Lock);
    if (!running)
        return;
    timer->Calling = TRUE;
    timer->Routine(timer->DeviceObject, timer->Context);
    timer->Calling = FALSE;
}

/* On the timer's processor nothing but the routine itself can run at DISPATCH_LEVEL during a call.
 */
static BOOLEAN IsInsideRoutine(const IO_TIMER *Timer)
{
    return KeGetCurrentProcessorIndex() == Timer->Dpc.Number - 1u && Timer->Calling;
}

/* The last DPC of a timer: nobody touches the timer after Ended has been set. */
static VOID EndTimer(PKDPC Dpc, PVOID DeferredContext, PVOID SystemArgument1, PVOID SystemArgument2)
{
    PIO_TIMER timer = DeferredContext;

    UNREFERENCED_PARAMETER(Dpc);
    UNREFERENCED_PARAMETER(SystemArgument1);
    UNREFERENCED_PARAMETER(SystemArgument2);
    InterlockedExchange(&timer->Ended, 1);
}

/*
 * Gives a device object a timer. It does not run yet.
 *
 * IRQL:    PASSIVE_LEVEL
 * Locks:   none
 * Context: AddDevice, once for each device object
 * Returns: STATUS_INSUFFICIENT_RESOURCES; STATUS_INVALID_DEVICE_REQUEST for a device that has a
 *          timer (bug check 0xC9/0x0A in a checked build)
 * Source:  contract T-IoInitializeTimer-1..3
 */
NTSTATUS IoInitializeTimer(PDEVICE_OBJECT DeviceObject, PIO_TIMER_ROUTINE TimerRoutine,
                           PVOID Context)
{
    KI_REQUIRE_IRQL_AT_MOST(PASSIVE_LEVEL, RULE_IRQL_IO_PASSIVE, "IrqlIoPassive5", DeviceObject);
    KI_REQUIRE(!DeviceObject->Timer, DRIVER_VERIFIER_IOMANAGER_VIOLATION, 0x0A, DeviceObject, 0, 0);

    PIO_TIMER timer;

    if (DeviceObject->Timer)
        return STATUS_INVALID_DEVICE_REQUEST;
    timer = ExAllocatePool2(POOL_FLAG_NON_PAGED, sizeof(IO_TIMER), TAG_TIMER);
    if (!timer)
        return STATUS_INSUFFICIENT_RESOURCES;
    timer->Type = IO_TYPE_TIMER;
    timer->Routine = TimerRoutine;
    timer->Context = Context;
    timer->DeviceObject = DeviceObject;
    KeInitializeSpinLock(&timer->Lock);
    KeInitializeTimer(&timer->Timer);
    KeInitializeDpc(&timer->Dpc, CallTimerRoutine, timer);
    KeInitializeDpc(&timer->EndDpc, EndTimer, timer);
    DeviceObject->Timer = timer;
    return STATUS_SUCCESS;
}

/* Under Lock, so at DISPATCH_LEVEL: the processor does not change meanwhile. */
static VOID ChooseProcessor(PIO_TIMER Timer)
{
    CCHAR processor = (CCHAR)KeGetCurrentProcessorIndex();

    if (Timer->Dpc.Number != 0)
        return;
    KeSetTargetProcessorDpc(&Timer->Dpc, processor);
    KeSetTargetProcessorDpc(&Timer->EndDpc, processor);
}

/*
 * Starts a device's timer: the routine is called in a second, and every second from then on. A
 * timer that runs already is left as it is.
 *
 * IRQL:    <= DISPATCH_LEVEL
 * Locks:   takes the device timer's lock
 * Context: any; the IoTimer routine too
 * Returns: nothing
 * Source:  contract T-IoStartTimer-1..2
 */
VOID IoStartTimer(PDEVICE_OBJECT DeviceObject)
{
    KI_REQUIRE_IRQL_AT_MOST(DISPATCH_LEVEL, RULE_IRQL_KE_DISPATCH_LTE, "IrqlKeDispatchLte",
                            DeviceObject);

    PIO_TIMER timer = DeviceObject->Timer;
    LARGE_INTEGER dueTime = {.QuadPart = -ONE_SECOND};
    KIRQL oldIrql;

    KeAcquireSpinLock(&timer->Lock, &oldIrql);
    if (!timer->Running) {
        timer->Running = TRUE;
        ChooseProcessor(timer);
        KeSetTimerEx(&timer->Timer, dueTime, PERIOD_MILLISECONDS, &timer->Dpc);
    }
    KeReleaseSpinLock(&timer->Lock, oldIrql);
}

/*
 * Stops a device's timer. A call that is under way on another processor goes on; no other begins
 * before the timer is started again.
 *
 * IRQL:    <= DISPATCH_LEVEL
 * Locks:   takes the device timer's lock
 * Context: any but the device's own IoTimer routine
 * Returns: nothing
 * Source:  contract T-IoStopTimer-1..2
 */
VOID IoStopTimer(PDEVICE_OBJECT DeviceObject)
{
    KI_REQUIRE_IRQL_AT_MOST(DISPATCH_LEVEL, RULE_IRQL_KE_DISPATCH_LTE, "IrqlKeDispatchLte",
                            DeviceObject);

    PIO_TIMER timer = DeviceObject->Timer;
    KIRQL oldIrql;

    KeAcquireSpinLock(&timer->Lock, &oldIrql);
    if (IsInsideRoutine(timer))
        KdPrint(("io: IoStopTimer is called by the device's own IoTimer routine %p\n",
                 (PVOID)timer->Routine));
    timer->Running = FALSE;
    KeCancelTimer(&timer->Timer);
    KeRemoveQueueDpc(&timer->Dpc);
    KeReleaseSpinLock(&timer->Lock, oldIrql);
}

/*
 * Stops a device's timer for good and frees it:
 *
 *     this processor                          the timer's processor
 *     stops the timer                         has taken its DPC out of the queue: calls the routine
 *     queues EndDpc there                     the routine runs on
 *     waits for Ended                         the routine returns
 *                                             EndDpc: Ended = 1
 *     frees the timer
 *
 * On the timer's own processor no DPC is under way, because the IRQL is below DISPATCH_LEVEL: there
 * EndDpc has run when the insertion returns. So it has for a timer that was never started.
 *
 * IRQL:    <= APC_LEVEL
 * Locks:   takes the device timer's lock
 * Context: IoDeleteDevice
 * Returns: when the routine is neither running nor called again
 * Source:  contract T-IoDeleteDevice-2
 */
VOID IopDeleteTimer(PDEVICE_OBJECT DeviceObject)
{
    KI_REQUIRE_IRQL_AT_MOST(APC_LEVEL, RULE_IRQL_IO_APC_LTE, "IrqlIoApcLte", DeviceObject);

    PIO_TIMER timer = DeviceObject->Timer;

    if (!timer)
        return;
    IoStopTimer(DeviceObject);
    KeSetImportanceDpc(&timer->EndDpc, HighImportance);
    KeInsertQueueDpc(&timer->EndDpc, NULL, NULL);
    while (!timer->Ended)
        ArchPause();
    DeviceObject->Timer = NULL;
    ExFreePoolWithTag(timer, TAG_TIMER);
}
