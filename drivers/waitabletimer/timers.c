/*
 * A thread that waits for its timer, for a DPC's message and for the end, all at once:
 *
 *     ThreadTimer, every 400 ms --------------------------> thread
 *     DpcTimer, every 700 ms --> CustomTimerDpc --DpcRan--> thread
 *     Unload ------------------------------------ Stop ---> thread, which ends
 */
#include "waitabletimer.h"

#define THREAD_PERIOD 400 /* ms */
#define DPC_PERIOD    700
#define SHOWN         3 /* of each kind: enough to see how it goes on */

/* A time in seconds, for "%I64u.%06I64u s". */
#define SECONDS(time) (time) / 10000000, (time) % 10000000 / 10

static ULONG64 Now(VOID)
{
    ULONG64 counter;

    return KeQueryInterruptTimePrecise(&counter);
}

static VOID Print(PDEVICE_EXTENSION Extension, ULONG Number, PCSTR What)
{
    if (Number <= SHOWN)
        DbgPrint("waitabletimer: %s #%u at %I64u.%06I64u s, processor %u, IRQL %u\n", What, Number,
                 SECONDS(Now() - Extension->StartTime), KeGetCurrentProcessorIndex(),
                 KeGetCurrentIrql());
}

/*
 * CustomTimerDpc: may set an event, may not wait for anything. The event is a synchronization
 * event: two expiries before the thread looks are one message. IRQL: DISPATCH_LEVEL.
 */
static KDEFERRED_ROUTINE CustomTimerDpc;
static VOID CustomTimerDpc(PKDPC Dpc, PVOID DeferredContext, PVOID SystemArgument1,
                           PVOID SystemArgument2)
{
    PDEVICE_EXTENSION extension = DeferredContext;

    UNREFERENCED_PARAMETER(Dpc);
    UNREFERENCED_PARAMETER(SystemArgument1);
    UNREFERENCED_PARAMETER(SystemArgument2);
    Print(extension, ++extension->Calls, "CustomTimerDpc");
    KeSetEvent(&extension->DpcRan, IO_NO_INCREMENT, FALSE);
}

/*
 * The thread. The wait says which object has ended it by its place in the array; if several are
 * signaled it is the first, so Stop comes before the others. A thread ends by its own act: nobody
 * else can end it. IRQL: PASSIVE_LEVEL.
 */
static KSTART_ROUTINE ThreadRoutine;
static VOID ThreadRoutine(PVOID StartContext)
{
    PDEVICE_EXTENSION extension = StartContext;
    PVOID objects[] = {&extension->Stop, &extension->ThreadTimer, &extension->DpcRan};
    LARGE_INTEGER dueTime = {.QuadPart = -THREAD_PERIOD * MILLISECOND};
    NTSTATUS status;

    KeSetTimerEx(&extension->ThreadTimer, dueTime, THREAD_PERIOD, NULL);
    do {
        /* Up to three objects: the thread's own wait blocks are enough (the last parameter). */
        status = KeWaitForMultipleObjects(ARRAYSIZE(objects), objects, WaitAny, Executive,
                                          KernelMode, FALSE, NULL, NULL);
        if (status == STATUS_WAIT_0 + 1)
            Print(extension, ++extension->Wakes, "thread, its timer");
        else if (status == STATUS_WAIT_0 + 2)
            Print(extension, ++extension->Reminders, "thread, the DPC's event");
    } while (status != STATUS_WAIT_0);
    KeCancelTimer(&extension->ThreadTimer);
    PsTerminateSystemThread(STATUS_SUCCESS);
}

/*
 * The handle is exchanged for a reference to the thread object: Unload waits for the thread's end,
 * and a wait takes objects, not handles. Closing the handle does not end the thread.
 */
static NTSTATUS StartThread(PDEVICE_EXTENSION Extension)
{
    HANDLE handle;
    NTSTATUS status = PsCreateSystemThread(&handle, THREAD_ALL_ACCESS, NULL, NULL, NULL,
                                           ThreadRoutine, Extension);

    if (!NT_SUCCESS(status))
        return status;
    /* This cannot fail: it is a handle to a thread, and nobody else knows it. */
    status = ObReferenceObjectByHandle(handle, SYNCHRONIZE, *PsThreadType, KernelMode,
                                       (PVOID *)&Extension->Thread, NULL);
    ZwClose(handle);
    return status;
}

NTSTATUS StartTimers(PDEVICE_EXTENSION Extension)
{
    LARGE_INTEGER dueTime = {.QuadPart = -DPC_PERIOD * MILLISECOND};
    NTSTATUS status;

    KeInitializeEvent(&Extension->Stop, NotificationEvent, FALSE);
    KeInitializeEvent(&Extension->DpcRan, SynchronizationEvent, FALSE);
    KeInitializeTimerEx(&Extension->ThreadTimer, SynchronizationTimer);
    KeInitializeTimer(&Extension->DpcTimer);
    KeInitializeDpc(&Extension->Dpc, CustomTimerDpc, Extension);
    Extension->StartTime = Now();
    status = StartThread(Extension);
    if (NT_SUCCESS(status))
        KeSetTimerEx(&Extension->DpcTimer, dueTime, DPC_PERIOD, &Extension->Dpc);
    return status;
}

/* The DPC first, since it sets an event of the thread's; then the thread, which runs our code. */
VOID StopTimers(PDEVICE_EXTENSION Extension)
{
    KeCancelTimer(&Extension->DpcTimer);
    KeFlushQueuedDpcs();
    KeSetEvent(&Extension->Stop, IO_NO_INCREMENT, FALSE);
    KeWaitForSingleObject(Extension->Thread, Executive, KernelMode, FALSE, NULL);
    ObDereferenceObject(Extension->Thread);
    DbgPrint("waitabletimer: the thread has ended; %u wakes by its timer, %u calls of the DPC, %u "
             "of its events seen\n",
             Extension->Wakes, Extension->Calls, Extension->Reminders);
}
