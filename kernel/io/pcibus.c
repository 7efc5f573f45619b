/*
 * The PCI functions of this machine: found once at the start, with their interrupt lines, and with
 * a sentence about what the firmware has left in a state that no driver could use.
 */
#include "pcifunction.h"
#include "iop.h"

LIST_ENTRY IopPciFunctions = {&IopPciFunctions, &IopPciFunctions};

static BOOLEAN Contains(const PCI_RANGE *Outer, const PCI_RANGE *Inner)
{
    return Inner->Address >= Outer->Address && Inner->Length <= Outer->Length &&
           Inner->Address - Outer->Address <= Outer->Length - Inner->Length;
}

/* Do all bridges on the way pass the range on? Prefetchable memory may go through either window. */
static BOOLEAN IsPassedOn(const PCI_FUNCTION *Bridge, const PCI_BAR *Bar)
{
    for (; Bridge; Bridge = Bridge->Bridge) {
        const PCI_WINDOWS *windows = &Bridge->Windows;

        if (Bar->Kind == PciBarIo && !Contains(&windows->Io, &Bar->Range))
            return FALSE;
        if (Bar->Kind != PciBarIo && !Contains(&windows->Memory, &Bar->Range) &&
            !Contains(&windows->Prefetchable, &Bar->Range))
            return FALSE;
    }
    return TRUE;
}

static VOID CheckBars(PPCI_FUNCTION Function)
{
    for (ULONG index = 0; index < PCI_TYPE0_ADDRESSES; index++) {
        PCI_BAR *bar = &Function->Bars[index];

        if (bar->Kind == PciBarNone)
            continue;
        if (bar->Range.Address == 0) {
            DbgPrint("pci: " PCI_ADDRESS_FORMAT ": the firmware has given BAR %u no address.\n",
                     PCI_ADDRESS_ARGUMENTS(Function->Address), index);
        } else if (!IsPassedOn(Function->Bridge, bar)) {
            bar->OutOfWindow = TRUE;
            DbgPrint("pci: " PCI_ADDRESS_FORMAT ": no bridge passes the address of BAR %u on.\n",
                     PCI_ADDRESS_ARGUMENTS(Function->Address), index);
        }
    }
}

/*
 * A bridge hands the pins of the devices behind it on as its own, each device's turned by its
 * number, so that neighbours do not share: pin P of device D is pin (P + D) mod 4 of the bridge.
 */
static VOID RoutePin(PPCI_FUNCTION Function)
{
    const PCI_FUNCTION *on = Function;
    ULONG pin = Function->Pin - 1u; /* A is 0 */
    ARCH_LINE line;

    if (Function->Pin == 0)
        return;
    for (; on->Bridge; on = on->Bridge)
        pin = (pin + on->Address.Device) % 4;
    if (!NT_SUCCESS(ArchPciPinLine(on->Address.Device, pin, &line)))
        return;
    Function->Gsi = line.Gsi;
    Function->Vector = line.Vector;
}

/*
 * Finds the PCI functions.
 *
 * IRQL:    PASSIVE_LEVEL
 * Locks:   none
 * Context: the start of the system
 * Returns: nothing
 */
VOID IopPciInitialize(VOID)
{
    KI_REQUIRE_IRQL_AT_MOST(PASSIVE_LEVEL, RULE_IRQL_IO_PASSIVE, "IrqlIoPassive1", 0);

    ULONG count = 0;

    ArchInitializePciRouting();
    if (!NT_SUCCESS(IopPciScan(&IopPciFunctions)))
        DbgPrint("pci: there is not enough memory for all functions.\n");
    for (PLIST_ENTRY link = IopPciFunctions.Flink; link != &IopPciFunctions; link = link->Flink) {
        PPCI_FUNCTION function = CONTAINING_RECORD(link, PCI_FUNCTION, Links);

        CheckBars(function);
        RoutePin(function);
        count++;
    }
    DbgPrint("pci: %u functions, configuration through %s\n", count, ArchPciAccessName());
}
