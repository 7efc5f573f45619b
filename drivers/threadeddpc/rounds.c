/*
 * Three ways to leave work for later, each with what it costs and what it allows:
 *
 *     RoundTimer -> device -> InterruptService (DIRQL)
 *                                |--> OrdinaryDpc   DISPATCH_LEVEL: the soonest. No waits.
 *                                |        '--> WorkItem  PASSIVE_LEVEL: the latest. May wait.
 *                                '--> ThreadedDpc   PASSIVE_LEVEL in a thread of the highest
 *                                                   priority: ordinary DPCs come first, threads
 *                                                   do not. Still no waits, since with the option
 *                                                   threadeddpc=off it is an ordinary DPC.
 *
 * An ISR can queue both kinds of DPC, but no work item: that takes DISPATCH_LEVEL at the most.
 *
 * The device is channel 0 of the PC's 8254 timer, told to interrupt once, in a millisecond.
 */
#include "threadeddpc.h"

#define ISA_INTERRUPT 0
#define COUNT_PORT    ((PUCHAR)0x40)
#define COMMAND_PORT  ((PUCHAR)0x43)

#define COUNT_ONCE  0x30 /* channel 0, low byte then high byte, mode 0: interrupt at zero */
#define MILLISECOND 1193 /* of the 8254, which counts 1193182 times a second */

#define UNITS_PER_MILLISECOND 10000 /* 100 ns */
#define ROUND_PERIOD          200   /* ms */
#define SHOWN_ROUNDS          2     /* enough to see how it goes on */

static ULONG64 Now(VOID)
{
    ULONG64 counter;

    return KeQueryInterruptTimePrecise(&counter);
}

/* ---- a round's three routines ---- */

/* Notes a run, and prints it in the first rounds. */
static VOID Note(PDEVICE_EXTENSION Extension, PLATENCY Latency, ULONG64 Delay, PCSTR Remark)
{
    Latency->Runs++;
    Latency->Sum += Delay;
    if (Delay > Latency->Greatest)
        Latency->Greatest = Delay;
    if (Delay < Latency->Least)
        Latency->Least = Delay;
    if (Extension->Round <= SHOWN_ROUNDS)
        DbgPrint(
            "threadeddpc: round %u: %s %I64u us after the interrupt, processor %u, IRQL %u%s\n",
            Extension->Round, Latency->Name, Delay / 10, KeGetCurrentProcessorIndex(),
            KeGetCurrentIrql(), Remark);
}

/*
 * The work item's routine. It runs in a thread at PASSIVE_LEVEL like any other, so it may wait. The
 * device object, and with it this code, stays until it has returned. IRQL: PASSIVE_LEVEL.
 */
static IO_WORKITEM_ROUTINE WorkItem;
static VOID WorkItem(PDEVICE_OBJECT DeviceObject, PVOID Context)
{
    PDEVICE_EXTENSION extension = DeviceObject->DeviceExtension;
    LARGE_INTEGER interval = {.QuadPart = -UNITS_PER_MILLISECOND};

    UNREFERENCED_PARAMETER(Context);
    Note(extension, &extension->Work, Now() - extension->WorkTime, ", waits for 1 ms");
    KeDelayExecutionThread(KernelMode, FALSE, &interval);
    KeSetEvent(&extension->WorkIdle, IO_NO_INCREMENT, FALSE);
    InterlockedDecrement(&extension->Unfinished); /* only now may a new round clear the event */
}

/*
 * CustomDpc. At DISPATCH_LEVEL no thread runs on this processor, so a wait would never end. An
 * event can be tested: a wait with a time-out of zero. IRQL: DISPATCH_LEVEL.
 */
static KDEFERRED_ROUTINE OrdinaryDpc;
static VOID OrdinaryDpc(PKDPC Dpc, PVOID DeferredContext, PVOID SystemArgument1,
                        PVOID SystemArgument2)
{
    PDEVICE_OBJECT device = DeferredContext;
    PDEVICE_EXTENSION extension = device->DeviceExtension;
    LARGE_INTEGER zero = {.QuadPart = 0};
    NTSTATUS status =
        KeWaitForSingleObject(&extension->WorkIdle, Executive, KernelMode, FALSE, &zero);

    UNREFERENCED_PARAMETER(Dpc);
    UNREFERENCED_PARAMETER(SystemArgument2);
    Note(extension, &extension->Ordinary, Now() - (ULONG64)SystemArgument1,
         status == STATUS_SUCCESS ? ", may only test: the worker is idle"
                                  : ", may only test: the worker is busy");
    extension->WorkTime = (ULONG64)SystemArgument1;
    KeClearEvent(&extension->WorkIdle);
    IoQueueWorkItem(extension->WorkItem, WorkItem, DelayedWorkQueue, NULL);
    InterlockedDecrement(&extension->Unfinished);
}

/*
 * CustomThreadedDpc. The same code has to be right at both IRQLs: it obeys the rules of
 * DISPATCH_LEVEL, and takes spin locks with the ForDpc routines, which look at the IRQL.
 */
static KDEFERRED_ROUTINE ThreadedDpc;
static VOID ThreadedDpc(PKDPC Dpc, PVOID DeferredContext, PVOID SystemArgument1,
                        PVOID SystemArgument2)
{
    PDEVICE_OBJECT device = DeferredContext;
    PDEVICE_EXTENSION extension = device->DeviceExtension;

    UNREFERENCED_PARAMETER(Dpc);
    UNREFERENCED_PARAMETER(SystemArgument2);
    Note(extension, &extension->Threaded, Now() - (ULONG64)SystemArgument1,
         KeGetCurrentIrql() == PASSIVE_LEVEL ? ", ordinary DPCs may interrupt it"
                                             : ", threaded DPCs are off");
    InterlockedDecrement(&extension->Unfinished);
}

/* ---- the device ---- */

static VOID QueueDpcs(PDEVICE_EXTENSION Extension)
{
    PVOID time = (PVOID)Now();

    KeInsertQueueDpc(&Extension->OrdinaryDpc, time, NULL);
    KeInsertQueueDpc(&Extension->ThreadedDpc, time, NULL);
}

/* InterruptService. The device cannot be asked whether it was the one; its line is not shared. */
static KSERVICE_ROUTINE InterruptService;
static BOOLEAN InterruptService(PKINTERRUPT Interrupt, PVOID ServiceContext)
{
    PDEVICE_EXTENSION extension = ServiceContext;

    UNREFERENCED_PARAMETER(Interrupt);
    if (!extension->Asked)
        return FALSE;
    extension->Asked = FALSE;
    QueueDpcs(extension); /* the last act: the DPCs may run at once elsewhere */
    return TRUE;
}

/* SynchCritSection: the device counts down once, then interrupts. */
static KSYNCHRONIZE_ROUTINE AskDevice;
static BOOLEAN AskDevice(PVOID SynchronizeContext)
{
    PDEVICE_EXTENSION extension = SynchronizeContext;

    extension->Asked = TRUE;
    WRITE_PORT_UCHAR(COMMAND_PORT, COUNT_ONCE);
    WRITE_PORT_UCHAR(COUNT_PORT, MILLISECOND & 0xFF);
    WRITE_PORT_UCHAR(COUNT_PORT, MILLISECOND >> 8);
    return TRUE;
}

/* SynchCritSection: a count that is not loaded is not counted. */
static KSYNCHRONIZE_ROUTINE SilenceDevice;
static BOOLEAN SilenceDevice(PVOID SynchronizeContext)
{
    PDEVICE_EXTENSION extension = SynchronizeContext;

    extension->Asked = FALSE;
    WRITE_PORT_UCHAR(COMMAND_PORT, COUNT_ONCE);
    return TRUE;
}

/* CustomTimerDpc: begins a round if the last one has ended. IRQL: DISPATCH_LEVEL. */
static KDEFERRED_ROUTINE RoundDpc;
static VOID RoundDpc(PKDPC Dpc, PVOID DeferredContext, PVOID SystemArgument1, PVOID SystemArgument2)
{
    PDEVICE_EXTENSION extension = DeferredContext;

    UNREFERENCED_PARAMETER(Dpc);
    UNREFERENCED_PARAMETER(SystemArgument1);
    UNREFERENCED_PARAMETER(SystemArgument2);
    if (InterlockedCompareExchange(&extension->Unfinished, 3, 0) != 0)
        return;
    extension->Round++;
    if (extension->Interrupt)
        KeSynchronizeExecution(extension->Interrupt, AskDevice, extension);
    else
        QueueDpcs(extension); /* counted from here: there is no interrupt to count from */
}

/* ---- start and end: PASSIVE_LEVEL ---- */

static VOID ConnectDevice(PDEVICE_EXTENSION Extension)
{
    KIRQL irql;
    KAFFINITY affinity;
    ULONG vector = HalGetInterruptVector(Isa, 0, ISA_INTERRUPT, ISA_INTERRUPT, &irql, &affinity);

    if (vector == 0 ||
        !NT_SUCCESS(IoConnectInterrupt(&Extension->Interrupt, InterruptService, Extension, NULL,
                                       vector, irql, irql, Latched, FALSE, affinity, FALSE))) {
        Extension->Interrupt = NULL;
        DbgPrint("threadeddpc: the 8254's line is in use; a timer's DPC plays the interrupt\n");
    }
}

static VOID InitializeLatency(PLATENCY Latency, PCSTR Name)
{
    Latency->Name = Name;
    Latency->Least = MAXULONG64;
}

/* All that a routine uses is made before anything can call it. */
NTSTATUS StartRounds(PDEVICE_OBJECT Device)
{
    PDEVICE_EXTENSION extension = Device->DeviceExtension;
    LARGE_INTEGER dueTime = {.QuadPart = -ROUND_PERIOD * UNITS_PER_MILLISECOND};

    InitializeLatency(&extension->Ordinary, "ordinary DPC");
    InitializeLatency(&extension->Threaded, "threaded DPC");
    InitializeLatency(&extension->Work, "work item");
    KeInitializeDpc(&extension->OrdinaryDpc, OrdinaryDpc, Device);
    KeInitializeThreadedDpc(&extension->ThreadedDpc, ThreadedDpc, Device);
    KeInitializeEvent(&extension->WorkIdle, NotificationEvent, TRUE);
    extension->WorkItem = IoAllocateWorkItem(Device);
    if (!extension->WorkItem)
        return STATUS_INSUFFICIENT_RESOURCES;
    KeInitializeTimer(&extension->RoundTimer);
    KeInitializeDpc(&extension->RoundDpc, RoundDpc, extension);
    ConnectDevice(extension);
    KeSetTimerEx(&extension->RoundTimer, dueTime, ROUND_PERIOD, &extension->RoundDpc);
    return STATUS_SUCCESS;
}

static VOID PrintLatency(const LATENCY *Latency)
{
    if (Latency->Runs)
        DbgPrint("threadeddpc: %-12s %u runs, %I64u to %I64u us after the interrupt, on average "
                 "%I64u\n",
                 Latency->Name, Latency->Runs, Latency->Least / 10, Latency->Greatest / 10,
                 Latency->Sum / Latency->Runs / 10);
}

/*
 * From the source down: no new round, no interrupt, no DPC of either kind, no work. The flush
 * covers threaded DPCs too. After it nobody queues the work item, but it may still run: it says
 * when it is as good as through, and the device object, with the extension, outlives its last
 * instructions.
 */
VOID StopRounds(PDEVICE_EXTENSION Extension)
{
    KeCancelTimer(&Extension->RoundTimer);
    KeFlushQueuedDpcs();
    if (Extension->Interrupt) {
        KeSynchronizeExecution(Extension->Interrupt, SilenceDevice, Extension);
        IoDisconnectInterrupt(Extension->Interrupt);
    }
    KeFlushQueuedDpcs();
    KeWaitForSingleObject(&Extension->WorkIdle, Executive, KernelMode, FALSE, NULL);
    IoFreeWorkItem(Extension->WorkItem);
    PrintLatency(&Extension->Ordinary);
    PrintLatency(&Extension->Threaded);
    PrintLatency(&Extension->Work);
}
