/* Events as objects with handles, for the requests of threads. PASSIVE_LEVEL. */
#include "ex.h"
#include "ke.h"
#include "ob.h"

#define TAG_EVENT ((ULONG)'nevE')

static OBJECT_TYPE EventType = {.Self = &EventType, .Name = "event", .Tag = TAG_EVENT};
static POBJECT_TYPE EventTypePointer = &EventType;
POBJECT_TYPE *ExEventObjectType = &EventTypePointer;

/*
 * Makes an event and a handle to it. Names are not supported: ObjectAttributes has none.
 *
 * IRQL:    PASSIVE_LEVEL
 * Locks:   takes the handle lock
 * Context: a thread
 * Returns: STATUS_INVALID_PARAMETER for a name or a type that is none,
 *          STATUS_INSUFFICIENT_RESOURCES
 */
NTSTATUS ZwCreateEvent(PHANDLE EventHandle, ACCESS_MASK DesiredAccess,
                       POBJECT_ATTRIBUTES ObjectAttributes, EVENT_TYPE EventType,
                       BOOLEAN InitialState)
{
    KI_REQUIRE_IRQL_AT_MOST(PASSIVE_LEVEL, RULE_IRQL_IO_PASSIVE, "IrqlZwPassive", EventHandle);
    UNREFERENCED_PARAMETER(DesiredAccess);

    NTSTATUS status;
    PKEVENT event;

    if ((ObjectAttributes && ObjectAttributes->ObjectName) ||
        (EventType != NotificationEvent && EventType != SynchronizationEvent))
        return STATUS_INVALID_PARAMETER;
    event = ObpAllocateObject(EventTypePointer, sizeof(KEVENT));
    if (!event)
        return STATUS_INSUFFICIENT_RESOURCES;
    KeInitializeEvent(event, EventType, InitialState);
    status = ObpCreateHandle(event, EventHandle);
    ObfDereferenceObject(event);
    return status;
}
