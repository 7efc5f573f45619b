/*
 * The device: the PC's keyboard controller. It can be told to behave as if a byte had come from the
 * keyboard, and then interrupts: a request and its answer. A real device, because only a real
 * interrupt makes the interrupt object's lock necessary. The losses are made up: now and then
 * the driver "forgets" to tell it.
 *
 * All that shares REQUEST_STATE with InterruptService, and all port accesses, are in
 * SynchCritSection routines: they run as InterruptService runs, at DIRQL and under the interrupt
 * object's lock, hence never beside it on any processor.
 */
#include "iotimer.h"

#define DATA_PORT    ((PUCHAR)0x60)
#define COMMAND_PORT ((PUCHAR)0x64) /* read: status */

#define STATUS_OUTPUT_FULL 0x01 /* a byte waits at DATA_PORT */
#define STATUS_INPUT_FULL  0x02 /* the controller has not taken the last byte yet */
#define NO_CONTROLLER      0xFF

#define COMMAND_READ_MODE  0x20
#define COMMAND_WRITE_MODE 0x60
#define COMMAND_ECHO       0xD2 /* the next byte comes back as if from the keyboard */
#define MODE_INTERRUPT     0x01

/* Waits, but not for ever, until a status bit is as wanted. */
static VOID WaitForStatus(UCHAR Bit, UCHAR Wanted)
{
    for (ULONG n = 0; n < 20 && (READ_PORT_UCHAR(COMMAND_PORT) & Bit) != Wanted; n++)
        KeStallExecutionProcessor(1);
}

static VOID WriteDevice(PUCHAR Port, UCHAR Value)
{
    WaitForStatus(STATUS_INPUT_FULL, 0);
    WRITE_PORT_UCHAR(Port, Value);
}

/* Asks the device for an answer, or loses the request. The clock starts anew. */
static VOID SendRequest(PREQUEST_STATE State)
{
    State->SecondsLeft = LIMIT_SECONDS + 1;
    if (State->Losses) {
        State->Losses--;
        return;
    }
    WriteDevice(COMMAND_PORT, COMMAND_ECHO);
    WriteDevice(DATA_PORT, State->Answer);
}

/*
 * InterruptService. The byte must be read, whoever it is for: else the device never interrupts
 * again. It ends the request if one is under way and the byte is right; a key that somebody
 * presses, or an answer that comes after the watchdog has given up, ends nothing.
 */
static KSERVICE_ROUTINE InterruptService;
static BOOLEAN InterruptService(PKINTERRUPT Interrupt, PVOID ServiceContext)
{
    PDEVICE_OBJECT device = ServiceContext;
    PDEVICE_EXTENSION extension = device->DeviceExtension;
    PREQUEST_STATE state = &extension->State;

    UNREFERENCED_PARAMETER(Interrupt);
    if (!(READ_PORT_UCHAR(COMMAND_PORT) & STATUS_OUTPUT_FULL))
        return FALSE;
    if (READ_PORT_UCHAR(DATA_PORT) == state->Answer && state->SecondsLeft != NO_REQUEST) {
        state->SecondsLeft = NO_REQUEST;
        IoRequestDpc(device, NULL, NULL); /* the last act: DpcForIsr may run at once elsewhere */
    }
    return TRUE;
}

/* ---- SynchCritSection routines, each with the routine that has it run ---- */

/* Every third request is lost once, every fifth one twice. */
static KSYNCHRONIZE_ROUTINE BeginRequest;
static BOOLEAN BeginRequest(PVOID SynchronizeContext)
{
    PDEVICE_EXTENSION extension = SynchronizeContext;
    PREQUEST_STATE state = &extension->State;

    state->Answer = (UCHAR)extension->Number;
    state->Losses = extension->Number % 5 == 0 ? 2 : extension->Number % 3 == 0 ? 1 : 0;
    state->WasReset = FALSE;
    SendRequest(state);
    return TRUE;
}

VOID AskDevice(PDEVICE_EXTENSION Extension)
{
    KeSynchronizeExecution(Extension->Interrupt, BeginRequest, Extension);
}

typedef struct _WATCH {
    PREQUEST_STATE State;
    VERDICT Verdict; /* the answer */
} WATCH;

/*
 * Another second has gone by. Looks and acts in one go: had it looked in one SynchCritSection and
 * acted in a second one, the answer could have come in between.
 */
static KSYNCHRONIZE_ROUTINE WatchRequest;
static BOOLEAN WatchRequest(PVOID SynchronizeContext)
{
    WATCH *watch = SynchronizeContext;
    PREQUEST_STATE state = watch->State;

    if (state->SecondsLeft == NO_REQUEST) {
        watch->Verdict = NothingToDo;
    } else if (--state->SecondsLeft > 0) {
        watch->Verdict = StillWaiting;
    } else if (!state->WasReset) {
        watch->Verdict = DeviceWasReset;
        state->WasReset = TRUE;
        SendRequest(state); /* a real device would be reset here */
    } else {
        watch->Verdict = RequestHasFailed;
        state->SecondsLeft = NO_REQUEST;
    }
    return TRUE;
}

VERDICT WatchDevice(PDEVICE_EXTENSION Extension)
{
    WATCH watch = {.State = &Extension->State};

    KeSynchronizeExecution(Extension->Interrupt, WatchRequest, &watch);
    return watch.Verdict;
}

/* Empties the controller and lets it interrupt. FALSE if there is none. */
static KSYNCHRONIZE_ROUTINE StartDevice;
static BOOLEAN StartDevice(PVOID SynchronizeContext)
{
    PREQUEST_STATE state = SynchronizeContext;

    state->SecondsLeft = NO_REQUEST;
    if (READ_PORT_UCHAR(COMMAND_PORT) == NO_CONTROLLER)
        return FALSE;
    for (ULONG n = 0; n < 16 && (READ_PORT_UCHAR(COMMAND_PORT) & STATUS_OUTPUT_FULL); n++)
        READ_PORT_UCHAR(DATA_PORT);
    WriteDevice(COMMAND_PORT, COMMAND_READ_MODE);
    WaitForStatus(STATUS_OUTPUT_FULL, STATUS_OUTPUT_FULL);
    state->SavedMode = READ_PORT_UCHAR(DATA_PORT);
    WriteDevice(COMMAND_PORT, COMMAND_WRITE_MODE);
    WriteDevice(DATA_PORT, state->SavedMode | MODE_INTERRUPT);
    return TRUE;
}

static KSYNCHRONIZE_ROUTINE StopDevice;
static BOOLEAN StopDevice(PVOID SynchronizeContext)
{
    PREQUEST_STATE state = SynchronizeContext;

    state->SecondsLeft = NO_REQUEST;
    WriteDevice(COMMAND_PORT, COMMAND_WRITE_MODE);
    WriteDevice(DATA_PORT, state->SavedMode);
    return TRUE;
}

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

/*
 * Connects the interrupt, then starts the device. ISR and DPC routines must be ready: the first
 * interrupt can come while IoConnectInterrupt has not returned yet.
 */
NTSTATUS ConnectDevice(PDEVICE_OBJECT Device, PCM_RESOURCE_LIST Resources)
{
    PDEVICE_EXTENSION extension = Device->DeviceExtension;
    PCM_PARTIAL_RESOURCE_DESCRIPTOR interrupt = FindInterrupt(Resources);
    NTSTATUS status;

    if (!interrupt)
        return STATUS_DEVICE_CONFIGURATION_ERROR;
    status = IoConnectInterrupt(&extension->Interrupt, InterruptService, Device, NULL,
                                interrupt->u.Interrupt.Vector, (KIRQL)interrupt->u.Interrupt.Level,
                                (KIRQL)interrupt->u.Interrupt.Level, Latched, FALSE,
                                interrupt->u.Interrupt.Affinity, FALSE);
    if (!NT_SUCCESS(status))
        return status;
    if (!KeSynchronizeExecution(extension->Interrupt, StartDevice, &extension->State)) {
        IoDisconnectInterrupt(extension->Interrupt);
        return STATUS_NO_SUCH_DEVICE;
    }
    return STATUS_SUCCESS;
}

/* Stops the device, then disconnects the interrupt. DPCs of the ISR may still be queued. */
VOID DisconnectDevice(PDEVICE_EXTENSION Extension)
{
    KeSynchronizeExecution(Extension->Interrupt, StopDevice, &Extension->State);
    IoDisconnectInterrupt(Extension->Interrupt);
}
