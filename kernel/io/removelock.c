/*
 * Remove locks: a count of those who use a device, and a gate that shuts. A checked driver's lock
 * is larger than a free one's and says so by RemlockSize; the kernel uses what both have in front.
 * The count is changed by interlocked operations only.
 */
#include "iop.h"

/*
 * IRQL:    PASSIVE_LEVEL
 * Locks:   none
 * Context: AddDevice
 * Returns: nothing
 * Source:  contract README, Clarifications
 */
VOID IoInitializeRemoveLockEx(PIO_REMOVE_LOCK Lock, ULONG AllocateTag, ULONG MaxLockedMinutes,
                              ULONG HighWatermark, ULONG RemlockSize)
{
    KI_REQUIRE_IRQL_AT_MOST(PASSIVE_LEVEL, RULE_IRQL_IO_PASSIVE, "IrqlIoPassive1", Lock);
    UNREFERENCED_PARAMETER(AllocateTag);
    UNREFERENCED_PARAMETER(MaxLockedMinutes);
    UNREFERENCED_PARAMETER(HighWatermark);

    RtlZeroMemory(Lock, RemlockSize);
    Lock->Common.IoCount = 1; /* the device's own, given back when it is removed */
    KeInitializeEvent(&Lock->Common.RemoveEvent, SynchronizationEvent, FALSE);
}

/*
 * Begins to use the device.
 *
 *     user                                remover, who has acquired it: IoCount is 2
 *     IoCount 2 -> 3
 *                                         Removed = TRUE
 *                                         gives two shares back, 3 -> 1: waits
 *     sees Removed: 1 -> 0, wakes the
 *     remover, fails
 *
 * Counting before looking is what makes it safe: a user who does not see Removed has been counted
 * before the remover looks at the count.
 *
 * IRQL:    <= DISPATCH_LEVEL
 * Locks:   none
 * Context: any
 * Returns: STATUS_SUCCESS; STATUS_DELETE_PENDING once IoReleaseRemoveLockAndWait has begun
 * Source:  contract README, Clarifications
 */
NTSTATUS IoAcquireRemoveLockEx(PIO_REMOVE_LOCK RemoveLock, PVOID Tag, PCSTR File, ULONG Line,
                               ULONG RemlockSize)
{
    KI_REQUIRE_IRQL_AT_MOST(DISPATCH_LEVEL, RULE_IRQL_KE_DISPATCH_LTE, "IrqlIoDispatch",
                            RemoveLock);
    UNREFERENCED_PARAMETER(File);
    UNREFERENCED_PARAMETER(Line);

    InterlockedIncrement(&RemoveLock->Common.IoCount);
    if (!__atomic_load_n(&RemoveLock->Common.Removed, __ATOMIC_SEQ_CST))
        return STATUS_SUCCESS;
    IoReleaseRemoveLockEx(RemoveLock, Tag, RemlockSize);
    return STATUS_DELETE_PENDING;
}

/*
 * Ends the use of the device. The last one after the removal has begun wakes the remover.
 *
 * IRQL:    <= DISPATCH_LEVEL
 * Locks:   none
 * Context: any
 * Returns: nothing
 * Source:  contract README, Clarifications
 */
VOID IoReleaseRemoveLockEx(PIO_REMOVE_LOCK RemoveLock, PVOID Tag, ULONG RemlockSize)
{
    KI_REQUIRE_IRQL_AT_MOST(DISPATCH_LEVEL, RULE_IRQL_KE_DISPATCH_LTE, "IrqlIoDispatch",
                            RemoveLock);
    UNREFERENCED_PARAMETER(Tag);
    UNREFERENCED_PARAMETER(RemlockSize);

    if (InterlockedDecrement(&RemoveLock->Common.IoCount) == 0)
        KeSetEvent(&RemoveLock->Common.RemoveEvent, IO_NO_INCREMENT, FALSE);
}

/*
 * Shuts the gate, gives back the caller's own share and the device's, and waits for all others.
 *
 * IRQL:    PASSIVE_LEVEL
 * Locks:   none
 * Context: the driver's REMOVE_DEVICE, which has acquired the lock
 * Returns: nothing
 * Source:  contract README, Clarifications
 */
VOID IoReleaseRemoveLockAndWaitEx(PIO_REMOVE_LOCK RemoveLock, PVOID Tag, ULONG RemlockSize)
{
    KI_REQUIRE_IRQL_AT_MOST(PASSIVE_LEVEL, RULE_IRQL_IO_PASSIVE, "IrqlIoPassive1", RemoveLock);
    UNREFERENCED_PARAMETER(Tag);
    UNREFERENCED_PARAMETER(RemlockSize);

    __atomic_store_n(&RemoveLock->Common.Removed, TRUE, __ATOMIC_SEQ_CST);
    if (InterlockedAdd(&RemoveLock->Common.IoCount, -2) > 0)
        KeWaitForSingleObject(&RemoveLock->Common.RemoveEvent, Executive, KernelMode, FALSE, NULL);
}
