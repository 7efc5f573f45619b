/*
 * I/O request packets: memory for them, and the list of all that there are. An IRP is one block:
 *
 *     +0       IRP
 *     +0xD0    StackCount stack locations; the first driver's is the last one
 *     behind   IRP_RECORD, if the kernel has allocated it
 *
 * The list is under IopIrpLock, at DISPATCH_LEVEL. It is there for people and for checks: the
 * command `irps`, and the search for requests that a driver has left behind.
 */
#include "iop.h"

#define TAG_IRP        ((ULONG)' prI')
#define MAXIMUM_LEVELS 125 /* StackCount + 2 fits CurrentLocation */

KSPIN_LOCK IopIrpLock;
LIST_ENTRY IopIrpList = {&IopIrpList, &IopIrpList};

/*
 * What the kernel remembers of an IRP.
 *
 * IRQL:    any
 * Locks:   none
 * Context: who has the IRP
 * Returns: NULL if the IRP lies in a driver's own memory
 */
PIRP_RECORD IopRecordOf(PIRP Irp)
{
    if (!(Irp->AllocationFlags & IRP_HAS_RECORD))
        return NULL;
    return (PIRP_RECORD)(PVOID)((PUCHAR)Irp + Irp->Size);
}

static VOID Initialize(PIRP Irp, USHORT PacketSize, CCHAR StackSize)
{
    RtlZeroMemory(Irp, PacketSize);
    Irp->Type = IO_TYPE_IRP;
    Irp->Size = PacketSize;
    Irp->StackCount = StackSize;
    Irp->CurrentLocation = (CHAR)(StackSize + 1);
    Irp->Tail.Overlay.CurrentStackLocation = (PIO_STACK_LOCATION)(PVOID)(Irp + 1) + StackSize;
    InitializeListHead(&Irp->ThreadListEntry);
}

/*
 * Makes an IRP for Maker, the code to be named if it is forgotten.
 *
 * IRQL:    <= DISPATCH_LEVEL
 * Locks:   the pool's, then IopIrpLock
 * Context: any
 * Returns: NULL when there is no memory, or for no or more than 125 stack locations
 * Source:  contract T-IoAllocateIrp-1
 */
PIRP IopAllocateIrp(CCHAR StackSize, PVOID Maker)
{
    KI_REQUIRE_IRQL_AT_MOST(DISPATCH_LEVEL, RULE_IRQL_KE_DISPATCH_LTE, "IrqlIoDispatch", Maker);

    PIRP_RECORD record;
    KIRQL oldIrql;
    PIRP irp;

    if (StackSize < 1 || StackSize > MAXIMUM_LEVELS)
        return NULL;
    irp =
        ExAllocatePool2(POOL_FLAG_NON_PAGED, IoSizeOfIrp(StackSize) + sizeof(IRP_RECORD), TAG_IRP);
    if (!irp)
        return NULL;
    Initialize(irp, IoSizeOfIrp(StackSize), StackSize);
    irp->AllocationFlags = IRP_HAS_RECORD;
    record = IopRecordOf(irp);
    record->Irp = irp;
    record->References = 1;
    record->Maker = Maker;
    record->Since = KeQueryInterruptTime();
    KeAcquireSpinLock(&IopIrpLock, &oldIrql);
    InsertTailList(&IopIrpList, &record->Links);
    KeReleaseSpinLock(&IopIrpLock, oldIrql);
    return irp;
}

/*
 * Makes an IRP with StackSize locations: as many as the first device has, and one more if the
 * caller wants a location of its own. The caller frees it with IoFreeIrp, in a completion routine
 * that keeps it from going on.
 *
 * IRQL:    <= DISPATCH_LEVEL (IopAllocateIrp)
 * Locks:   the pool's, then IopIrpLock
 * Context: any
 * Returns: NULL when there is no memory
 * Source:  contract T-IoAllocateIrp-1
 */
PIRP IoAllocateIrp(CCHAR StackSize, BOOLEAN ChargeQuota)
{
    UNREFERENCED_PARAMETER(ChargeQuota);
    return IopAllocateIrp(StackSize, __builtin_return_address(0));
}

/*
 * Makes an IRP in the caller's memory, PacketSize bytes, IoSizeOfIrp(StackSize) at least. Nobody
 * lists it, and IoFreeIrp is not for it.
 *
 * IRQL:    any
 * Locks:   none
 * Context: any
 * Returns: nothing
 */
VOID IoInitializeIrp(PIRP Irp, USHORT PacketSize, CCHAR StackSize)
{
    Initialize(Irp, PacketSize, StackSize);
}

/*
 * Makes an IRP of IoAllocateIrp new again, for another request. Its owner has it back.
 *
 * IRQL:    <= DISPATCH_LEVEL
 * Locks:   none
 * Context: the IRP's owner
 * Returns: nothing
 */
VOID IoReuseIrp(PIRP Irp, NTSTATUS Iostatus)
{
    KI_REQUIRE_IRQL_AT_MOST(DISPATCH_LEVEL, RULE_IRQL_KE_DISPATCH_LTE, "IoReuseIrp", Irp);
    KI_REQUIRE(Irp->Type == IO_TYPE_IRP, DRIVER_VERIFIER_IOMANAGER_VIOLATION, 0x01, Irp, 0, 0);
    KI_REQUIRE(IsListEmpty(&Irp->ThreadListEntry), DRIVER_VERIFIER_IOMANAGER_VIOLATION, 0x02, Irp,
               0, 0);

    UCHAR allocationFlags = Irp->AllocationFlags;

    Initialize(Irp, Irp->Size, Irp->StackCount);
    Irp->AllocationFlags = allocationFlags;
    Irp->IoStatus.Status = Iostatus;
}

/*
 * Frees an IRP of IoAllocateIrp or IoBuildAsynchronousFsdRequest. Buffers and MDLs that its owner
 * has attached are the owner's to free.
 *
 * IRQL:    <= DISPATCH_LEVEL
 * Locks:   takes IopIrpLock, then the pool's
 * Context: the IRP's owner
 * Returns: nothing
 * Source:  contract T-IoAllocateIrp-1, bug check 0xC9 kinds 1 and 2
 */
VOID IoFreeIrp(PIRP Irp)
{
    KI_REQUIRE_IRQL_AT_MOST(DISPATCH_LEVEL, RULE_IRQL_KE_DISPATCH_LTE, "IoFreeIrp", Irp);
    KI_REQUIRE(Irp->Type == IO_TYPE_IRP && IopRecordOf(Irp), DRIVER_VERIFIER_IOMANAGER_VIOLATION,
               0x01, Irp, 0, 0);
    KI_REQUIRE(IsListEmpty(&Irp->ThreadListEntry), DRIVER_VERIFIER_IOMANAGER_VIOLATION, 0x02, Irp,
               0, 0);

    PIRP_RECORD record = IopRecordOf(Irp);
    KIRQL oldIrql;

    KeAcquireSpinLock(&IopIrpLock, &oldIrql);
    RemoveEntryList(&record->Links);
    KeReleaseSpinLock(&IopIrpLock, oldIrql);
    Irp->Type = 0;
    IopDereferenceRecord(record);
}

/*
 * Keeps an IRP's memory, not the IRP: it may be completed, freed, or made new meanwhile, so the
 * holder gets from the record to the IRP, and never back by AllocationFlags.
 *
 * IRQL:    any
 * Locks:   none
 * Context: who has the IRP, or holds IopIrpLock and has found it in a list
 * Returns: nothing
 */
VOID IopReferenceRecord(PIRP_RECORD Record)
{
    InterlockedIncrement(&Record->References);
}

/*
 * Gives a reference back. The last one frees IRP and record.
 *
 * IRQL:    <= DISPATCH_LEVEL
 * Locks:   the pool's
 * Context: any
 * Returns: nothing
 */
VOID IopDereferenceRecord(PIRP_RECORD Record)
{
    KI_REQUIRE_IRQL_AT_MOST(DISPATCH_LEVEL, RULE_IRQL_KE_DISPATCH_LTE, "IoFreeIrp", Record);
    if (InterlockedDecrement(&Record->References) == 0)
        ExFreePoolWithTag(Record->Irp, TAG_IRP);
}
