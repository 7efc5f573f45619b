/*
 * Completing a request: from the driver that calls IoCompleteRequest up to the requester, in the
 * completer's context, at its IRQL, without a lock.
 *
 *     IoCompleteRequest by the driver at location 1
 *       CurrentLocation 2   the routine in location 1, set by the driver of location 2
 *       CurrentLocation 3   the routine in location 2, set by the driver of location 3
 *       ...
 *       StackCount + 1      the routine in the last location, set by the IRP's maker
 *       StackCount + 2      the requester is told (kernel/io/irpfinish.c)
 *
 * A routine that keeps the IRP (STATUS_MORE_PROCESSING_REQUIRED) may complete it again: the walk
 * goes on from there. It may also do so at once on another processor, so nothing here touches the
 * IRP after such a routine has returned.
 */
#include "iop.h"

/* Does the routine in Location want to know of this end? */
static BOOLEAN IsWanted(PIRP Irp, UCHAR Control)
{
    if (Irp->Cancel && (Control & SL_INVOKE_ON_CANCEL))
        return TRUE;
    return (Control &
            (NT_SUCCESS(Irp->IoStatus.Status) ? SL_INVOKE_ON_SUCCESS : SL_INVOKE_ON_ERROR)) != 0;
}

static NTSTATUS CallRoutine(PIRP Irp, PIO_COMPLETION_ROUTINE Routine, PVOID Context)
{
    PDEVICE_OBJECT device = NULL;
    LONG apcDisable = KeGetCurrentThread()->KernelApcDisable;
    KIRQL irql = KeGetCurrentIrql();
    NTSTATUS status;

    if (Irp->CurrentLocation <= Irp->StackCount)
        device = IoGetCurrentIrpStackLocation(Irp)->DeviceObject;
    status = Routine(device, Irp, Context);
    KI_REQUIRE(KeGetCurrentIrql() == irql, DRIVER_VERIFIER_DETECTED_VIOLATION, 0xFA, Routine, irql,
               KeGetCurrentIrql());
    KI_REQUIRE(KeGetCurrentThread()->KernelApcDisable == apcDisable,
               DRIVER_VERIFIER_DETECTED_VIOLATION, 0xFB, Routine, apcDisable,
               KeGetCurrentThread()->KernelApcDisable);
    UNREFERENCED_PARAMETER(irql);
    UNREFERENCED_PARAMETER(apcDisable);
    return status;
}

/* Leaves the current location upwards. FALSE: its completion routine has kept the IRP. */
static BOOLEAN LeaveLocation(PIRP Irp)
{
    PIO_STACK_LOCATION location = IoGetCurrentIrpStackLocation(Irp);
    UCHAR control = location->Control;

    location->Control = 0; /* whoever sends the IRP down again begins with nothing set */
    IoSkipCurrentIrpStackLocation(Irp);
    Irp->PendingReturned = (control & SL_PENDING_RETURNED) != 0;
    if (IsWanted(Irp, control))
        return CallRoutine(Irp, location->CompletionRoutine, location->Context) !=
               STATUS_MORE_PROCESSING_REQUIRED;
    if (Irp->PendingReturned && Irp->CurrentLocation <= Irp->StackCount)
        IoMarkIrpPending(Irp);
    return TRUE;
}

/* What has to hold when a request is completed. Checked builds only, but for 0x44. */
static VOID CheckCompletion(PIRP Irp)
{
    KI_REQUIRE(KeGetCurrentIrql() <= DISPATCH_LEVEL, DRIVER_VERIFIER_IOMANAGER_VIOLATION, 0x0E,
               KeGetCurrentIrql(), Irp, 0);
    if (Irp->Type != IO_TYPE_IRP || Irp->CurrentLocation > Irp->StackCount + 1)
        KeBugCheckEx(MULTIPLE_IRP_COMPLETE_REQUESTS, (ULONG_PTR)Irp, 0, 0, 0);
    KI_REQUIRE(Irp->IoStatus.Status != STATUS_PENDING && Irp->IoStatus.Status != -1,
               DRIVER_VERIFIER_IOMANAGER_VIOLATION, 0x06, Irp->IoStatus.Status, Irp, 0);
    KI_REQUIRE(!Irp->CancelRoutine, DRIVER_VERIFIER_IOMANAGER_VIOLATION, 0x07, Irp->CancelRoutine,
               Irp, 0);
}

/*
 * Ends a request: every driver above hears of it that wants to, from below upwards, then the
 * requester. The caller, which had the IRP, no longer has it.
 *
 * IRQL:    <= DISPATCH_LEVEL (CheckCompletion)
 * Locks:   none may be held by the caller
 * Context: any: a dispatch routine, a DPC
 * Returns: nothing
 * Source:  contract T-IoCompleteRequest-1..6, T-IRQL-ERR-5
 */
VOID IofCompleteRequest(PIRP Irp, CCHAR PriorityBoost)
{
    PIRP_RECORD record = IopRecordOf(Irp);

    CheckCompletion(Irp);
    KD_TRACE(KD_CLASS_FLOW, TraceIrpComplete, Irp, Irp->IoStatus.Status, Irp->IoStatus.Information);
    if (record) {
        InterlockedIncrement(&record->Completions);
        record->Driver = NULL;
    }
    while (Irp->CurrentLocation <= Irp->StackCount) {
        if (!LeaveLocation(Irp))
            return;
    }
    Irp->CurrentLocation++; /* a completion after this one is the second: 0x44 */
    IopFinishRequest(Irp, PriorityBoost);
}

/* ---- IoSetCompletionRoutineEx ---- */

#define TAG_COMPLETION ((ULONG)'pmoC')

/* A completion routine, and the device whose driver it belongs to. */
typedef struct _COMPLETION {
    PDEVICE_OBJECT DeviceObject;
    PIO_COMPLETION_ROUTINE Routine;
    PVOID Context;
    BOOLEAN OnSuccess, OnError, OnCancel;
} COMPLETION, *PCOMPLETION;

/* Stands before the driver's routine; called in every case, so that the record is freed. */
static IO_COMPLETION_ROUTINE CompleteAndDereference;
static NTSTATUS CompleteAndDereference(PDEVICE_OBJECT DeviceObject, PIRP Irp, PVOID Context)
{
    COMPLETION completion = *(PCOMPLETION)Context;
    BOOLEAN wanted = (Irp->Cancel && completion.OnCancel) ||
                     (NT_SUCCESS(Irp->IoStatus.Status) ? completion.OnSuccess : completion.OnError);
    NTSTATUS status = STATUS_CONTINUE_COMPLETION;

    ExFreePoolWithTag(Context, TAG_COMPLETION);
    if (wanted)
        status = completion.Routine(DeviceObject, Irp, completion.Context);
    else if (Irp->PendingReturned && Irp->CurrentLocation <= Irp->StackCount)
        IoMarkIrpPending(Irp);
    IopDereferenceDevice(completion.DeviceObject);
    return status;
}

/*
 * As IoSetCompletionRoutine, and DeviceObject's driver is not unloaded before the routine has
 * returned. The IRP must then be sent: only its completion gives the reference back.
 *
 * IRQL:    <= DISPATCH_LEVEL
 * Locks:   the pool's, then IopDeviceLock
 * Context: who has the IRP
 * Returns: STATUS_INSUFFICIENT_RESOURCES, STATUS_NO_SUCH_DEVICE if the device is being deleted;
 *          nothing is set then
 */
NTSTATUS IoSetCompletionRoutineEx(PDEVICE_OBJECT DeviceObject, PIRP Irp,
                                  PIO_COMPLETION_ROUTINE CompletionRoutine, PVOID Context,
                                  BOOLEAN InvokeOnSuccess, BOOLEAN InvokeOnError,
                                  BOOLEAN InvokeOnCancel)
{
    KI_REQUIRE_IRQL_AT_MOST(DISPATCH_LEVEL, RULE_IRQL_KE_DISPATCH_LTE, "IrqlIoDispatch", Irp);

    PCOMPLETION completion =
        ExAllocatePool2(POOL_FLAG_NON_PAGED, sizeof(COMPLETION), TAG_COMPLETION);

    if (!completion)
        return STATUS_INSUFFICIENT_RESOURCES;
    if (!IopReferenceDevice(DeviceObject)) {
        ExFreePoolWithTag(completion, TAG_COMPLETION);
        return STATUS_NO_SUCH_DEVICE;
    }
    *completion = (COMPLETION){DeviceObject,    CompletionRoutine, Context,
                               InvokeOnSuccess, InvokeOnError,     InvokeOnCancel};
    IoSetCompletionRoutine(Irp, CompleteAndDereference, completion, TRUE, TRUE, TRUE);
    return STATUS_SUCCESS;
}
