/*
 * The real-time clock's interrupt, from the device to the two DPC routines:
 *
 *     device --> InterruptService (DIRQL) --> CustomDpc (DISPATCH_LEVEL)
 *                      | RTC_STATE
 *     ReportTimer, every second ----> CustomTimerDpc --SynchCritSection--> a copy of RTC_STATE
 *
 * The interrupt is given to the last processor and the report to the first, so that the two
 * really run at the same time. What keeps them apart is the interrupt object's lock: the kernel
 * holds it around InterruptService, and KeSynchronizeExecution takes it, at the same IRQL.
 */
#include "rtc.h"

/* A time in seconds, for "%I64u.%06I64u s". */
#define SECONDS(time) (time) / 10000000, (time) % 10000000 / 10

#define ONE_SECOND       10000000 /* in 100 ns */
#define REPORTS_A_MINUTE 12       /* that are printed; more would be in the reader's way */

/*
 * The device is reached by two ports: the number of a register is written to one, the register
 * is read or written at the other. Nobody may come in between, so all of this runs under the
 * interrupt object's lock.
 */
#define INDEX_PORT ((PUCHAR)0x70)
#define DATA_PORT  ((PUCHAR)0x71)

#define REGISTER_A 0x0A /* low four bits: rate of the periodic interrupt */
#define REGISTER_B 0x0B
#define REGISTER_C 0x0C /* why it interrupted; reading it allows the next interrupt */

#define RATE_MASK          0x0F
#define PERIODIC_INTERRUPT 0x40 /* in B: wanted; in C: happened */

static UCHAR ReadRegister(UCHAR Register)
{
    WRITE_PORT_UCHAR(INDEX_PORT, Register);
    return READ_PORT_UCHAR(DATA_PORT);
}

static VOID WriteRegister(UCHAR Register, UCHAR Value)
{
    WRITE_PORT_UCHAR(INDEX_PORT, Register);
    WRITE_PORT_UCHAR(DATA_PORT, Value);
}

ULONG64 Now(VOID)
{
    ULONG64 counter;

    return KeQueryInterruptTimePrecise(&counter);
}

/*
 * InterruptService: asks the device whether it was the one, notes what there is to note, leaves
 * the rest to a DPC. Queuing the DPC is the last act: it may run on another processor while this
 * routine has not returned yet. IRQL: DIRQL, the interrupt object's lock is held.
 */
static KSERVICE_ROUTINE InterruptService;
static BOOLEAN InterruptService(PKINTERRUPT Interrupt, PVOID ServiceContext)
{
    PDEVICE_EXTENSION extension = ServiceContext;
    PRTC_STATE state = &extension->State;

    UNREFERENCED_PARAMETER(Interrupt);
    if (!(ReadRegister(REGISTER_C) & PERIODIC_INTERRUPT))
        return FALSE;
    state->Interrupts++;
    state->Time = Now();
    state->Processor = KeGetCurrentProcessorIndex();
    state->Irql = KeGetCurrentIrql();
    KeInsertQueueDpc(&extension->InterruptDpc, NULL, NULL);
    return TRUE;
}

/* ---- SynchCritSection routines: run as InterruptService runs, hence never beside it ---- */

typedef struct _COPY_STATE {
    PDEVICE_EXTENSION Extension;
    RTC_STATE State; /* the answer */
} COPY_STATE;

static KSYNCHRONIZE_ROUTINE CopyState;
static BOOLEAN CopyState(PVOID SynchronizeContext)
{
    COPY_STATE *copy = SynchronizeContext;

    copy->State = copy->Extension->State;
    return TRUE;
}

static KSYNCHRONIZE_ROUTINE StartDevice;
static BOOLEAN StartDevice(PVOID SynchronizeContext)
{
    PDEVICE_EXTENSION extension = SynchronizeContext;

    extension->SavedA = ReadRegister(REGISTER_A);
    extension->SavedB = ReadRegister(REGISTER_B);
    WriteRegister(REGISTER_A, (UCHAR)((extension->SavedA & ~RATE_MASK) | RTC_RATE));
    WriteRegister(REGISTER_B, extension->SavedB | PERIODIC_INTERRUPT);
    ReadRegister(REGISTER_C); /* an old reason would keep the new ones from interrupting */
    return TRUE;
}

static KSYNCHRONIZE_ROUTINE StopDevice;
static BOOLEAN StopDevice(PVOID SynchronizeContext)
{
    PDEVICE_EXTENSION extension = SynchronizeContext;

    WriteRegister(REGISTER_B, extension->SavedB);
    WriteRegister(REGISTER_A, extension->SavedA);
    ReadRegister(REGISTER_C);
    return TRUE;
}

static RTC_STATE GetState(PDEVICE_EXTENSION Extension)
{
    COPY_STATE copy = {.Extension = Extension};

    KeSynchronizeExecution(Extension->Interrupt, CopyState, &copy);
    return copy.State;
}

/* ---- DPC routines: DISPATCH_LEVEL ---- */

/*
 * CustomDpc: the rest of the work of an interrupt. Several interrupts can have come since it was
 * queued: it looks at what there is to do, and never counts on one run for each interrupt.
 */
static KDEFERRED_ROUTINE CustomDpc;
static VOID CustomDpc(PKDPC Dpc, PVOID DeferredContext, PVOID SystemArgument1,
                      PVOID SystemArgument2)
{
    PDEVICE_EXTENSION extension = DeferredContext;
    RTC_STATE state = GetState(extension);
    ULONG64 ran = Now();

    UNREFERENCED_PARAMETER(Dpc);
    UNREFERENCED_PARAMETER(SystemArgument1);
    UNREFERENCED_PARAMETER(SystemArgument2);
    if (++extension->InterruptDpcs > 3) /* enough to see how it goes on */
        return;
    DbgPrint("rtc: interrupt #%I64u at %I64u.%06I64u s, processor %u, IRQL %u; "
             "DPC ran %I64u.%06I64u s, processor %u, IRQL %u\n",
             state.Interrupts, SECONDS(state.Time - extension->StartTime), state.Processor,
             state.Irql, SECONDS(ran - extension->StartTime), KeGetCurrentProcessorIndex(),
             KeGetCurrentIrql());
}

/*
 * CustomTimerDpc, every second: how many interrupts since the last time? The timer's due times are
 * FirstReport, FirstReport + 1 s, ... however late this runs.
 */
static KDEFERRED_ROUTINE CustomTimerDpc;
static VOID CustomTimerDpc(PKDPC Dpc, PVOID DeferredContext, PVOID SystemArgument1,
                           PVOID SystemArgument2)
{
    PDEVICE_EXTENSION extension = DeferredContext;
    RTC_STATE state = GetState(extension);
    ULONG64 ran = Now();
    ULONG64 number = (ran - extension->FirstReport) / ONE_SECOND;
    ULONG64 due = extension->FirstReport + number * ONE_SECOND;
    ULONG64 interrupts = state.Interrupts - extension->LastInterrupts;
    ULONG64 tenths = interrupts * 10 * ONE_SECOND / (ran - extension->LastTime);

    UNREFERENCED_PARAMETER(Dpc);
    UNREFERENCED_PARAMETER(SystemArgument1);
    UNREFERENCED_PARAMETER(SystemArgument2);
    extension->LastInterrupts = state.Interrupts;
    extension->LastTime = ran;
    if (number % 60 >= REPORTS_A_MINUTE)
        return;
    DbgPrint("rtc: report due %I64u.%06I64u s, ran %I64u.%06I64u s, processor %u, IRQL %u: "
             "%I64u interrupts, %I64u.%I64u a second\n",
             SECONDS(due - extension->StartTime), SECONDS(ran - extension->StartTime),
             KeGetCurrentProcessorIndex(), KeGetCurrentIrql(), interrupts, tenths / 10,
             tenths % 10);
}

/* ---- start and end: PASSIVE_LEVEL ---- */

/* The interrupt among the device's resources; NULL if it has none. */
static PCM_PARTIAL_RESOURCE_DESCRIPTOR FindInterrupt(PCM_RESOURCE_LIST Resources)
{
    PCM_PARTIAL_RESOURCE_LIST list = &Resources->List[0].PartialResourceList;

    for (ULONG n = 0; n < list->Count; n++) {
        if (list->PartialDescriptors[n].Type == CmResourceTypeInterrupt)
            return &list->PartialDescriptors[n];
    }
    return NULL;
}

static NTSTATUS ConnectInterrupt(PDEVICE_EXTENSION Extension, PCM_RESOURCE_LIST Resources)
{
    PCM_PARTIAL_RESOURCE_DESCRIPTOR interrupt = FindInterrupt(Resources);
    ULONG last = KeQueryActiveProcessorCountEx(ALL_PROCESSOR_GROUPS) - 1;
    ULONG vector;
    KIRQL irql;

    if (!interrupt)
        return STATUS_DEVICE_CONFIGURATION_ERROR;
    vector = interrupt->u.Interrupt.Vector;
    irql = (KIRQL)interrupt->u.Interrupt.Level;
    DbgPrint("rtc: vector 0x%02x, IRQL %u, processor %u\n", vector, irql, last);
    return IoConnectInterrupt(&Extension->Interrupt, InterruptService, Extension, NULL, vector,
                              irql, irql, Latched, FALSE, (KAFFINITY)1 << last, FALSE);
}

/*
 * Connects the ISR, then lets the device interrupt. All that the ISR uses is there before: the
 * first interrupt can come while IoConnectInterrupt has not returned yet.
 */
NTSTATUS ConnectRtc(PDEVICE_EXTENSION Extension, PCM_RESOURCE_LIST Resources)
{
    LARGE_INTEGER dueTime = {.QuadPart = -ONE_SECOND};
    NTSTATUS status;

    KeInitializeDpc(&Extension->InterruptDpc, CustomDpc, Extension);
    KeInitializeTimer(&Extension->ReportTimer);
    KeInitializeDpc(&Extension->ReportDpc, CustomTimerDpc, Extension);
    KeSetTargetProcessorDpc(&Extension->ReportDpc, 0);
    Extension->StartTime = Extension->LastTime = Now();

    status = ConnectInterrupt(Extension, Resources);
    if (!NT_SUCCESS(status))
        return status;
    KeSynchronizeExecution(Extension->Interrupt, StartDevice, Extension);
    Extension->FirstReport = Now() + ONE_SECOND;
    KeSetTimerEx(&Extension->ReportTimer, dueTime, 1000, &Extension->ReportDpc);
    return STATUS_SUCCESS;
}

/*
 * The reverse: first the device stops interrupting, then the ISR is disconnected; then nobody
 * queues a DPC any more, and those that are queued are waited for. The report's DPC uses the
 * interrupt object, so it goes before the object does.
 */
VOID DisconnectRtc(PDEVICE_EXTENSION Extension)
{
    KeSynchronizeExecution(Extension->Interrupt, StopDevice, Extension);
    KeCancelTimer(&Extension->ReportTimer);
    KeFlushQueuedDpcs();
    DbgPrint("rtc: %I64u interrupts, %u runs of CustomDpc\n", GetState(Extension).Interrupts,
             Extension->InterruptDpcs);
    IoDisconnectInterrupt(Extension->Interrupt);
}
