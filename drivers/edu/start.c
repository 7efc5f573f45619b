/*
 * The device comes and goes: resources, interrupt, timers. PASSIVE_LEVEL, one call after the other.
 *
 * StartEdu makes what the ISR uses before it is connected, and what requests use before there are
 * any; StopEdu takes it back in the other order.
 */
#include "edu.h"

#define HIGHEST_DMA_ADDRESS 0x0FFFFFFF /* the device has 28 address lines */

#define FACTORIAL_PATIENCE (1000 / WATCH_PERIOD) /* in periods of the watchdog */
#define TRANSFER_PATIENCE  (5000 / WATCH_PERIOD) /* a transfer takes 100 ms at least */

static PCM_PARTIAL_RESOURCE_DESCRIPTOR FindMemory(PCM_RESOURCE_LIST Resources)
{
    PCM_PARTIAL_RESOURCE_LIST list = &Resources->List[0].PartialResourceList;

    for (ULONG n = 0; n < list->Count; n++) {
        if (list->PartialDescriptors[n].Type == CmResourceTypeMemory)
            return &list->PartialDescriptors[n];
    }
    return NULL;
}

static NTSTATUS MapRegisters(PDEVICE_EXTENSION Extension, PCM_RESOURCE_LIST Resources)
{
    PCM_PARTIAL_RESOURCE_DESCRIPTOR memory = FindMemory(Resources);

    if (!memory)
        return STATUS_DEVICE_CONFIGURATION_ERROR;
    Extension->RegisterBytes = memory->u.Memory.Length;
    Extension->Registers =
        MmMapIoSpace(memory->u.Memory.Start, Extension->RegisterBytes, MmNonCached);
    if (!Extension->Registers)
        return STATUS_INSUFFICIENT_RESOURCES;
    return IsDevicePresent(Extension) ? STATUS_SUCCESS : STATUS_NO_SUCH_DEVICE;
}

static NTSTATUS AllocateBuffer(PDEVICE_EXTENSION Extension)
{
    PHYSICAL_ADDRESS highest = {.QuadPart = HIGHEST_DMA_ADDRESS};

    Extension->Buffer = MmAllocateContiguousMemory(EDU_BUFFER_BYTES, highest);
    if (!Extension->Buffer)
        return STATUS_INSUFFICIENT_RESOURCES;
    Extension->BufferAddress = (ULONG64)MmGetPhysicalAddress(Extension->Buffer).QuadPart;
    return STATUS_SUCCESS;
}

/* By message if the device was given some, else by its line: Version tells which it has become. */
static NTSTATUS ConnectInterrupt(PDEVICE_EXTENSION Extension)
{
    IO_CONNECT_INTERRUPT_PARAMETERS parameters = {.Version = CONNECT_MESSAGE_BASED};
    NTSTATUS status;

    parameters.MessageBased.PhysicalDeviceObject = Extension->PhysicalDevice;
    parameters.MessageBased.ConnectionContext.Generic = &Extension->Connection;
    parameters.MessageBased.MessageServiceRoutine = ServiceMessage;
    parameters.MessageBased.FallBackServiceRoutine = ServiceLine;
    parameters.MessageBased.ServiceContext = Extension;
    status = IoConnectInterruptEx(&parameters);
    if (!NT_SUCCESS(status))
        return status;
    Extension->ConnectionVersion = parameters.Version;
    if (parameters.Version == CONNECT_MESSAGE_BASED) {
        PIO_INTERRUPT_MESSAGE_INFO table = Extension->Connection;

        Extension->Interrupt = table->MessageInfo[0].InterruptObject;
        Extension->Statistics.Messages = table->MessageCount;
    } else {
        Extension->Interrupt = Extension->Connection;
    }
    return STATUS_SUCCESS;
}

static VOID DisconnectInterrupt(PDEVICE_EXTENSION Extension)
{
    IO_DISCONNECT_INTERRUPT_PARAMETERS parameters = {.Version = Extension->ConnectionVersion};

    parameters.ConnectionContext.Generic = Extension->Connection;
    IoDisconnectInterruptEx(&parameters);
    Extension->Interrupt = NULL;
}

static VOID FreeResources(PDEVICE_EXTENSION Extension)
{
    if (Extension->Buffer)
        MmFreeContiguousMemory(Extension->Buffer);
    if (Extension->Registers)
        MmUnmapIoSpace(Extension->Registers, Extension->RegisterBytes);
    Extension->Buffer = Extension->Registers = NULL;
}

NTSTATUS StartEdu(PDEVICE_EXTENSION Extension, PCM_RESOURCE_LIST Resources)
{
    LARGE_INTEGER dueTime = {.QuadPart = -WATCH_PERIOD * 10000LL};
    NTSTATUS status = MapRegisters(Extension, Resources);

    Extension->Factorial.Patience = FACTORIAL_PATIENCE;
    Extension->Dma.Patience = TRANSFER_PATIENCE;
    if (NT_SUCCESS(status))
        status = AllocateBuffer(Extension);
    if (NT_SUCCESS(status))
        status = ConnectInterrupt(Extension);
    if (!NT_SUCCESS(status)) {
        FreeResources(Extension);
        return status;
    }
    DbgPrint("edu%u: interrupts by %s\n", Extension->Number,
             Extension->Statistics.Messages ? "message" : "line");
    KeSetTimerEx(&Extension->WatchTimer, dueTime, WATCH_PERIOD, &Extension->WatchDpc);
    IoStartTimer(Extension->Device);
    return STATUS_SUCCESS;
}

/* All requests that there are end now; those that come later find that the device goes. */
VOID EndRequests(PDEVICE_EXTENSION Extension)
{
    PIRP irp;
    KIRQL irql;

    ForbidWork(Extension);
    KeRaiseIrql(DISPATCH_LEVEL, &irql);
    irp = TakeWork(Extension, &Extension->Factorial, NULL, FALSE);
    if (irp)
        EndFactorial(Extension, irp, STATUS_DELETE_PENDING); /* and StartIo those behind it */
    irp = TakeWork(Extension, &Extension->Dma, NULL, FALSE);
    if (irp)
        EndTransfer(Extension, irp, STATUS_DELETE_PENDING);
    StartNextTransfer(Extension);
    KeLowerIrql(irql);
}

/*
 * No request is left. The DPCs use the interrupt object and the ISR queues DPCs, so both timers go
 * first, then the interrupt, then what is still queued. A transfer that was given up may still go
 * on: its buffer is freed when the device has let go of it.
 */
VOID StopEdu(PDEVICE_EXTENSION Extension)
{
    LARGE_INTEGER interval = {.QuadPart = -WATCH_PERIOD * 10000LL};

    KeCancelTimer(&Extension->WatchTimer);
    IoStopTimer(Extension->Device);
    KeFlushQueuedDpcs();
    DisconnectInterrupt(Extension);
    KeFlushQueuedDpcs();
    while (IsDmaRunning(Extension))
        KeDelayExecutionThread(KernelMode, FALSE, &interval);
    FreeResources(Extension);
}
