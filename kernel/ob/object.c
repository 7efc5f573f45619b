/*
 * Reference-counted objects and handles to them. A header lies before each object; the handle
 * table and its lock are below.
 */
#include "ke.h"
#include "ob.h"

typedef struct DECLSPEC_ALIGN(16) _OBJECT_HEADER {
    volatile LONG64 References;
    const OBJECT_TYPE *Type;
} OBJECT_HEADER, *POBJECT_HEADER;

/* A handle is (index + 1) * 4. */
#define HANDLE_LIMIT 4096
static PVOID Handles[HANDLE_LIMIT]; /* HandleLock */
static ULONG NextHandle;            /* where the search for a free one begins; HandleLock */
static KSPIN_LOCK HandleLock;       /* DISPATCH_LEVEL */

static POBJECT_HEADER HeaderOf(PVOID Object)
{
    return (POBJECT_HEADER)Object - 1;
}

/*
 * Makes an object, zeroed, with one reference.
 *
 * IRQL:    <= DISPATCH_LEVEL (not checked)
 * Locks:   the pool's
 * Context: any
 * Returns: NULL without memory
 */
PVOID ObpAllocateObject(const OBJECT_TYPE *Type, SIZE_T Size)
{
    POBJECT_HEADER header =
        ExAllocatePool2(POOL_FLAG_NON_PAGED, sizeof(OBJECT_HEADER) + Size, Type->Tag);

    if (!header)
        return NULL;
    header->References = 1;
    header->Type = Type;
    return header + 1;
}

/*
 * IRQL:    <= DISPATCH_LEVEL (not checked)
 * Locks:   none
 * Context: any that has a reference already
 * Returns: the new count
 */
LONG_PTR ObfReferenceObject(PVOID Object)
{
    return InterlockedIncrement64(&HeaderOf(Object)->References);
}

/*
 * Gives a reference back; the last one frees the object.
 *
 * IRQL:    <= DISPATCH_LEVEL (not checked)
 * Locks:   none
 * Context: any
 * Returns: the new count
 */
LONG_PTR ObfDereferenceObject(PVOID Object)
{
    POBJECT_HEADER header = HeaderOf(Object);
    LONG_PTR count = InterlockedDecrement64(&header->References);

    if (count == 0) {
        if (header->Type->Delete)
            header->Type->Delete(Object);
        ExFreePoolWithTag(header, header->Type->Tag);
    }
    return count;
}

/*
 * IRQL:    any
 * Locks:   none
 * Context: who knows what keeps the number from changing
 * Returns: the references on Object
 */
LONG64 ObpReferences(PVOID Object)
{
    return HeaderOf(Object)->References;
}

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

    if (slot && ObjectType && HeaderOf(*slot)->Type != ObjectType) {
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
 * Closes a handle.
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
    KIRQL oldIrql = KeAcquireSpinLockRaiseToDpc(&HandleLock);
    PVOID *slot = SlotOf(Handle);

    if (slot) {
        object = *slot;
        *slot = NULL;
    }
    KeReleaseSpinLock(&HandleLock, oldIrql);
    if (!object)
        return STATUS_INVALID_HANDLE;
    ObfDereferenceObject(object);
    return STATUS_SUCCESS;
}
