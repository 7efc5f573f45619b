/*
 * What an unloaded driver has left behind. Code or memory that something still points to would
 * fail later and elsewhere, so a checked build stops here, where it can say whose fault it is.
 * Runs at PASSIVE_LEVEL; findings are reported after the lock under which they were made.
 */
#include "iop.h"

/* One finding: the first one counts. */
typedef struct _LEFTOVER {
    PDRIVER_OBJECT DriverObject;
    ULONG Kind; /* as in bug check 0xC7 */
    PVOID Object;
    ULONG_PTR Start, End;
} LEFTOVER, *PLEFTOVER;

static BOOLEAN IsInCode(PDRIVER_OBJECT DriverObject, const VOID *Routine)
{
    return (ULONG_PTR)Routine - (ULONG_PTR)DriverObject->DriverStart < DriverObject->DriverSize;
}

static VOID Find(PLEFTOVER Leftover, ULONG Kind, PVOID Object, ULONG_PTR Start, SIZE_T Size)
{
    if (Leftover->Object)
        return;
    Leftover->Kind = Kind;
    Leftover->Object = Object;
    Leftover->Start = Start;
    Leftover->End = Start + Size;
}

/* Kind 0 or 1 if the object lies in an extension of one of the driver's devices. */
static VOID FindInExtension(PLEFTOVER Leftover, ULONG Kind, PVOID Object)
{
    PDEVICE_OBJECT device = Leftover->DriverObject->DeviceObject;

    for (; device; device = device->NextDevice) {
        ULONG_PTR start = (ULONG_PTR)device->DeviceExtension;
        SIZE_T size = device->DeviceObjectExtension->ExtensionSize;

        if ((ULONG_PTR)Object - start < size)
            Find(Leftover, Kind, Object, start, size);
    }
}

/* Kind 2 if the routine of a DPC or of an EX_TIMER is the driver's code. */
static VOID FindInCode(PLEFTOVER Leftover, PVOID Routine)
{
    PDRIVER_OBJECT driver = Leftover->DriverObject;

    if (IsInCode(driver, Routine))
        Find(Leftover, 2, Routine, (ULONG_PTR)driver->DriverStart, driver->DriverSize);
}

static VOID VisitTimer(PKTIMER Timer, PVOID Context)
{
    FindInExtension(Context, 0, Timer);
    if (Timer->Dpc)
        FindInCode(Context, (PVOID)Timer->Dpc->DeferredRoutine);
    FindInCode(Context, (PVOID)ExpCallbackOfTimer(Timer));
}

static VOID FindTimers(PLEFTOVER Leftover, PKPRCB Prcb)
{
    KIRQL oldIrql;

    KeAcquireSpinLock(&Prcb->TimerTable.Lock, &oldIrql);
    KiVisitTimers(&Prcb->TimerTable.Queue, VisitTimer, Leftover);
    KeReleaseSpinLock(&Prcb->TimerTable.Lock, oldIrql);
}

static VOID FindDpcs(PLEFTOVER Leftover, PKDPC_DATA Data)
{
    PLIST_ENTRY head = &Data->DpcList;
    KIRQL oldIrql = KiAcquireHighLock(&Data->Lock);

    for (PLIST_ENTRY link = head->Flink; link != head; link = link->Flink) {
        PKDPC dpc = CONTAINING_RECORD(link, KDPC, DpcListEntry);

        FindInExtension(Leftover, 1, dpc);
        FindInCode(Leftover, (PVOID)dpc->DeferredRoutine);
    }
    KiReleaseHighLock(&Data->Lock, oldIrql);
}

static VOID CheckTimersAndDpcs(PDRIVER_OBJECT DriverObject)
{
    LEFTOVER leftover = {.DriverObject = DriverObject};

    for (LONG n = 0; n < KeNumberProcessors; n++) {
        FindTimers(&leftover, KiProcessorBlock[n]);
        FindDpcs(&leftover, &KiProcessorBlock[n]->DpcData);
        FindDpcs(&leftover, &KiProcessorBlock[n]->ThreadedDpcData);
    }
    if (leftover.Object)
        KeBugCheckEx(TIMER_OR_DPC_INVALID, leftover.Kind, (ULONG_PTR)leftover.Object,
                     leftover.Start, leftover.End);
}

static VOID VisitInterrupt(const KINTERRUPT_INFORMATION *Information, PVOID Context)
{
    ULONG_PTR routine = (ULONG_PTR)Information->ServiceRoutine;
    PDRIVER_OBJECT driver = Context;

    if (routine - (ULONG_PTR)driver->DriverStart < driver->DriverSize)
        KeBugCheckEx(DRIVER_UNLOADED_WITHOUT_CANCELLING_PENDING_OPERATIONS, routine, 0, routine, 0);
}

/* Work and requests that would call the driver, and lookaside lists that would. */
static VOID CheckWork(PDRIVER_OBJECT DriverObject)
{
    PVOID start = DriverObject->DriverStart;
    ULONG_PTR routine = (ULONG_PTR)ExpFindWork(start, DriverObject->DriverSize);

    if (!routine)
        routine = (ULONG_PTR)ExpFindLookasideCallback(start, DriverObject->DriverSize);
    if (!routine)
        routine = (ULONG_PTR)IopFindRequestOf(DriverObject);
    if (routine)
        KeBugCheckEx(DRIVER_UNLOADED_WITHOUT_CANCELLING_PENDING_OPERATIONS, routine, 0, routine, 0);
}

/*
 * Looks for what a driver has left behind after its Unload routine, or after a routine of it has
 * failed. Interrupt objects, timers, DPCs, work, requests and lookaside lists with callbacks stop
 * a checked build; devices are named and deleted.
 *
 * IRQL:    PASSIVE_LEVEL
 * Locks:   takes timer table and DPC queue locks, one at a time
 * Context: the end of a driver, its DPCs flushed
 * Returns: STATUS_UNSUCCESSFUL if there were devices
 * Source:  contract T-DRIVER-4, T-IoDeleteDevice-3, T-TMR-22
 */
NTSTATUS IopCheckLeftovers(PDRIVER_OBJECT DriverObject, PCSTR Name)
{
    KI_REQUIRE_IRQL_AT_MOST(PASSIVE_LEVEL, RULE_IRQL_IO_PASSIVE, "IrqlIoPassive1", DriverObject);

    NTSTATUS status = STATUS_SUCCESS;

    if (DBG) {
        KiVisitInterrupts(VisitInterrupt, DriverObject);
        CheckTimersAndDpcs(DriverObject);
        CheckWork(DriverObject);
    }
    while (DriverObject->DeviceObject) {
        PDEVICE_OBJECT device = DriverObject->DeviceObject;
        PCUNICODE_STRING name = ObpNameOfDevice(device);

        DbgPrint("io: driver %s has not deleted its device %p", Name, device);
        if (name)
            DbgPrint(" %wZ", name);
        DbgPrint("\n");
        IoDeleteDevice(device);
        status = STATUS_UNSUCCESSFUL;
    }
    return status;
}
