/* Handles: one table for all threads. HandleLock, at DISPATCH_LEVEL; no other lock under it. */
#include "ob/obp.h"

/* A handle is (index + 1) * 4. */
#define HANDLE_LIMIT 4096
static PVOID Handles[HANDLE_LIMIT]; /* HandleLock */
static ULONG NextHandle;            /* where the search for a free one begins; HandleLock */
static KSPIN_LOCK HandleLock;

/*
 * Makes a handle, with a reference of its own.
 *
 * IRQL:    <= DISPATCH_LEVEL (not checked)
 * Locks:   takes the handle lock
 * Context: any
 * Returns: STATUS_SUCCESS, or STATUS_INSUFFICIENT_RESOURCES when all handles are in use
 */
NTSTATUS ObpCreateHandle(PVOID Object, PHANDLE Handle)
{
    NTSTATUS status = STATUS_INSUFFICIENT_RESOURCES;
    KIRQL oldIrql = KeAcquireSpinLockRaiseToDpc(&HandleLock);

    for (ULONG n = 0; n < HANDLE_LIMIT && !NT_SUCCESS(status); n++) {
        ULONG index = (NextHandle + n) % HANDLE_LIMIT;
        if (Handles[index])
            continue;
        ObfReferenceObject(Object);
        ObpHeaderOf(Object)->Handles++;
        Handles[index] = Object;
        NextHandle = index + 1;
        *Handle = (HANDLE)(ULONG_PTR)((index + 1) * 4);
        status = STATUS_SUCCESS;
    }
    KeReleaseSpinLock(&HandleLock, oldIrql);
    return status;
}

/* The slot of a handle; NULL if it is no handle. HandleLock is held. */
static PVOID *SlotOf(HANDLE Handle)
{
    ULONG_PTR value = (ULONG_PTR)Handle;

    if (value % 4 != 0 || value == 0 || value / 4 > HANDLE_LIMIT || !Handles[value / 4 - 1])
        return NULL;
    return &Handles[value / 4 - 1];
}

/*
 * The object behind a handle, with a reference that the caller gives back.
 *
 * IRQL:    PASSIVE_LEVEL
 * Locks:   takes the handle lock
 * Context: a thread
 * Returns: STATUS_SUCCESS, STATUS_INVALID_HANDLE, STATUS_OBJECT_TYPE_MISMATCH
 * Source:  contract dispatcher.md, Threads
 */
NTSTATUS ObReferenceObjectByHandle(HANDLE Handle, ACCESS_MASK DesiredAccess,
                                   POBJECT_TYPE ObjectType, KPROCESSOR_MODE AccessMode,
                                   PVOID *Object, PVOID HandleInformation)
{
    KI_REQUIRE_IRQL_AT_MOST(PASSIVE_LEVEL, RULE_IRQL_IO_PASSIVE, "IrqlObPassive", Handle);
    UNREFERENCED_PARAMETER(DesiredAccess);
    UNREFERENCED_PARAMETER(AccessMode);
    UNREFERENCED_PARAMETER(HandleInformation);

    NTSTATUS status = STATUS_INVALID_HANDLE;
    KIRQL oldIrql = KeAcquireSpinLockRaiseToDpc(&HandleLock);
    PVOID *slot = SlotOf(Handle);

    if (slot && ObjectType && ObpHeaderOf(*slot)->Type != ObjectType) {
        status = STATUS_OBJECT_TYPE_MISMATCH;
    } else if (slot) {
        ObfReferenceObject(*slot);
        *Object = *slot;
        status = STATUS_SUCCESS;
    }
    KeReleaseSpinLock(&HandleLock, oldIrql);
    return status;
}

/*
 * Closes a handle. If it was the object's last one, the object hears of it: a file's driver gets
 * IRP_MJ_CLEANUP.
 *
 * IRQL:    PASSIVE_LEVEL
 * Locks:   takes the handle lock
 * Context: a thread
 * Returns: STATUS_SUCCESS, STATUS_INVALID_HANDLE
 * Source:  contract T-PsCreateSystemThread-1
 */
NTSTATUS ZwClose(HANDLE Handle)
{
    KI_REQUIRE_IRQL_AT_MOST(PASSIVE_LEVEL, RULE_IRQL_IO_PASSIVE, "IrqlZwPassive", Handle);

    PVOID object = NULL;
    BOOLEAN last = FALSE;
    KIRQL oldIrql = KeAcquireSpinLockRaiseToDpc(&HandleLock);
    PVOID *slot = SlotOf(Handle);

    if (slot) {
        object = *slot;
        *slot = NULL;
        last = --ObpHeaderOf(object)->Handles == 0;
    }
    KeReleaseSpinLock(&HandleLock, oldIrql);
    if (!object)
        return STATUS_INVALID_HANDLE;
    if (last && ObpHeaderOf(object)->Type->LastHandle)
        ObpHeaderOf(object)->Type->LastHandle(object);
    ObfDereferenceObject(object);
    return STATUS_SUCCESS;
}

/*
 * Waits for the object behind a handle: a thread, an event, or a file, which is signaled when a
 * request without an event of its own has ended.
 *
 * IRQL:    PASSIVE_LEVEL
 * Locks:   takes the handle lock, the dispatcher lock
 * Context: a thread
 * Returns: STATUS_INVALID_HANDLE, or as KeWaitForSingleObject
 */
NTSTATUS ZwWaitForSingleObject(HANDLE Handle, BOOLEAN Alertable, PLARGE_INTEGER Timeout)
{
    KI_REQUIRE_IRQL_AT_MOST(PASSIVE_LEVEL, RULE_IRQL_IO_PASSIVE, "IrqlZwPassive", Handle);

    PVOID object;
    NTSTATUS status =
        ObReferenceObjectByHandle(Handle, SYNCHRONIZE, NULL, KernelMode, &object, NULL);

    if (!NT_SUCCESS(status))
        return status;
    status = KeWaitForSingleObject((PUCHAR)object + ObpHeaderOf(object)->Type->WaitOffset,
                                   UserRequest, KernelMode, Alertable, Timeout);
    ObfDereferenceObject(object);
    return status;
}
