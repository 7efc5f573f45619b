/* The commands about plug and play devices. PASSIVE_LEVEL, no lock. */
#include "kd/kdp.h"
#include "pnp.h"

/*
 * pnp: the devices that there are, and which driver has which.
 *
 * IRQL:    PASSIVE_LEVEL (not checked)
 * Locks:   the plug and play turn
 * Context: the monitor
 * Returns: nothing
 */
VOID KdpPnp(ULONG Count, PCSTR Arguments[])
{
    UNREFERENCED_PARAMETER(Count);
    UNREFERENCED_PARAMETER(Arguments);
    DbgPrint("  device    driver            state     hardware identifier\n");
    IopBeginPnp();
    for (PPNP_NODE node = IopNextNode(NULL); node; node = IopNextNode(node))
        DbgPrint("  %-8s  %-16s  %-8s  %s\n", node->Name,
                 node->Driver ? IopDriverNameOfNode(node) : "-",
                 node->Gone     ? "gone"
                 : node->Driver ? "started"
                                : "idle",
                 node->HardwareId);
    IopEndPnp();
}

/*
 * remove DEVICE [surprise].
 *
 * IRQL:    PASSIVE_LEVEL (not checked)
 * Locks:   the plug and play turn
 * Context: the monitor
 * Returns: nothing
 */
VOID KdpRemove(ULONG Count, PCSTR Arguments[])
{
    BOOLEAN surprise = Count == 2 && strcmp(Arguments[1], "surprise") == 0;
    NTSTATUS status;

    if (Count == 2 && !surprise) {
        DbgPrint("'%s' is not 'surprise'.\n", Arguments[1]);
        return;
    }
    status = IopRemoveDevice(Arguments[0], surprise);
    if (status == STATUS_PENDING)
        DbgPrint("The driver knows that %s has gone; handles are open. Close them and remove it "
                 "again.\n",
                 Arguments[0]);
    else if (status == STATUS_INVALID_DEVICE_REQUEST)
        DbgPrint("No driver has %s that could give it up.\n", Arguments[0]);
    else if (NT_SUCCESS(status))
        DbgPrint("Removed %s; its driver stays loaded.\n", Arguments[0]);
    else
        KdpPrintStatus("Cannot remove", Arguments[0], status);
}
