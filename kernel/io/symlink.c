/* Symbolic links: names for devices that do not change with the driver behind them. */
#include "iop.h"

/*
 * Makes "\DosDevices\X" another name of a device. The device need not exist yet.
 *
 * IRQL:    PASSIVE_LEVEL
 * Locks:   takes the names' lock
 * Context: DriverEntry, AddDevice
 * Returns: STATUS_OBJECT_NAME_COLLISION, _NAME_INVALID, STATUS_INSUFFICIENT_RESOURCES
 */
NTSTATUS IoCreateSymbolicLink(PUNICODE_STRING SymbolicLinkName, PUNICODE_STRING DeviceName)
{
    KI_REQUIRE_IRQL_AT_MOST(PASSIVE_LEVEL, RULE_IRQL_IO_PASSIVE, "IrqlIoPassive1",
                            SymbolicLinkName);
    return ObpInsertName(SymbolicLinkName, ObNameSymbolicLink, NULL, DeviceName);
}

/*
 * Removes the link, not what it names.
 *
 * IRQL:    PASSIVE_LEVEL
 * Locks:   takes the names' lock
 * Context: Unload, a failing AddDevice
 * Returns: STATUS_OBJECT_NAME_NOT_FOUND
 */
NTSTATUS IoDeleteSymbolicLink(PUNICODE_STRING SymbolicLinkName)
{
    KI_REQUIRE_IRQL_AT_MOST(PASSIVE_LEVEL, RULE_IRQL_IO_PASSIVE, "IrqlIoPassive1",
                            SymbolicLinkName);
    return ObpRemoveName(SymbolicLinkName, ObNameSymbolicLink);
}
