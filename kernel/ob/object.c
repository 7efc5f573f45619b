/*
 * Reference-counted objects. A header lies before each object; its counts are changed by
 * interlocked operations only. IRQL: at or below DISPATCH_LEVEL.
 */
#include "ob/obp.h"

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
 * IRQL:    any
 * Locks:   none
 * Context: who knows what keeps the number from changing
 * Returns: the references on Object
 */
LONG64 ObpReferences(PVOID Object)
{
    return ObpHeaderOf(Object)->References;
}

/*
 * IRQL:    <= DISPATCH_LEVEL (not checked)
 * Locks:   none
 * Context: any that has a reference already
 * Returns: the new count
 */
LONG_PTR ObfReferenceObject(PVOID Object)
{
    return InterlockedIncrement64(&ObpHeaderOf(Object)->References);
}

static VOID Delete(PVOID Header)
{
    POBJECT_HEADER header = Header;

    if (header->Type->Delete)
        header->Type->Delete(header + 1);
    ExFreePoolWithTag(header, header->Type->Tag);
}

/*
 * Gives a reference back; the last one deletes the object: at once, or by a worker thread if the
 * type wants PASSIVE_LEVEL and this is not.
 *
 * IRQL:    <= DISPATCH_LEVEL (not checked)
 * Locks:   none
 * Context: any
 * Returns: the new count
 */
LONG_PTR ObfDereferenceObject(PVOID Object)
{
    POBJECT_HEADER header = ObpHeaderOf(Object);
    LONG_PTR count = InterlockedDecrement64(&header->References);

    if (count != 0)
        return count;
    if (header->Type->PassiveDelete && KeGetCurrentIrql() > PASSIVE_LEVEL) {
        ExInitializeWorkItem(&header->Deletion, Delete, header);
        ExQueueWorkItem(&header->Deletion, DelayedWorkQueue);
    } else {
        Delete(header);
    }
    return count;
}
