/*
 * Where the interrupt pins of PCI devices arrive. The firmware describes that in AML, which this
 * kernel does not interpret; so the chipset is asked, as far as it is known:
 *
 *     ICH9 (q35)    pins lead to PIRQ A to H, which are the lines 16 to 23 of the I/O APIC. Which
 *                   pin leads where is in registers for the devices 25 to 29 and 31; the
 *                   others are wired: device 30's to E-H, those below 25 to E-H in turn.
 *     PIIX (pc)     pins lead to PIRQ A to D in turn, and registers of the ISA bridge say at which
 *                   ISA interrupt each of them arrives.
 */
#include "platform.h"
#include "ke.h"

#define VENDOR_INTEL 0x8086

static const ARCH_PCI_ADDRESS Ich9Lpc = {0, 31, 0};
#define ICH9_LPC_DEVICE 0x2918
#define ICH9_RCBA       0xF0 /* address of the chipset's registers; bit 0: they are there */
#define RCBA_ADDRESS    0xFFFFC000u
#define RCBA_BYTES      0x4000u
#define FIRST_PIRQ_GSI  16u
#define FIRST_ROUTED    25u /* the first device with a register of its own */
#define DMI_BRIDGE      30u

static const ARCH_PCI_ADDRESS PiixIsa = {0, 1, 0};
#define PIIX3_ISA_DEVICE 0x7000
#define PIIX_PIRQ_ROUTE  0x60 /* one byte each for A to D */
#define PIIX_NOT_ROUTED  0x80u

/* D25IR to D31IR, four bits for each pin; device 30 has none. */
static const USHORT Ich9RouteRegisters[] = {0x3150, 0x314C, 0x3148, 0x3146, 0x3144, 0, 0x3140};

static PUCHAR Ich9Registers; /* mapped at the start; NULL: no such chipset */

static BOOLEAN IsFunction(ARCH_PCI_ADDRESS Address, ULONG DeviceId)
{
    return ArchReadPciConfig(Address, 0, 4) == (DeviceId << 16 | VENDOR_INTEL);
}

/*
 * Finds out how pins are routed, while mapping is still cheap.
 *
 * IRQL:    <= DISPATCH_LEVEL (not checked)
 * Locks:   none
 * Context: the start, once
 * Returns: nothing
 * Source:  -
 */
VOID ArchInitializePciRouting(VOID)
{
    ULONG base;

    if (!IsFunction(Ich9Lpc, ICH9_LPC_DEVICE))
        return;
    base = ArchReadPciConfig(Ich9Lpc, ICH9_RCBA, 4);
    if (base & 1)
        Ich9Registers = ArchMapDevice(base & RCBA_ADDRESS, RCBA_BYTES);
}

/* PIRQ A to H as 0 to 7. */
static ULONG Ich9Pirq(ULONG Device, ULONG Pin)
{
    const volatile USHORT *route;

    if (Device < FIRST_ROUTED)
        return 4 + (Device + Pin) % 4;
    if (Device == DMI_BRIDGE)
        return 4 + Pin;
    route = (const volatile USHORT *)(Ich9Registers + Ich9RouteRegisters[Device - FIRST_ROUTED]);
    return (ULONG)(*route >> (4 * Pin)) & 7u;
}

static NTSTATUS PiixLine(ULONG Device, ULONG Pin, ARCH_LINE *Line)
{
    ULONG pirq = (Device + Pin + 3) % 4; /* device 1's pin A leads to PIRQ A */
    ULONG route = ArchReadPciConfig(PiixIsa, PIIX_PIRQ_ROUTE + pirq, 1);
    NTSTATUS status;

    if (route & PIIX_NOT_ROUTED)
        return STATUS_NOT_FOUND;
    status = ArchIsaLine(route & 0xF, Line);
    if (NT_SUCCESS(status))
        status = ArchPciLine(Line->Gsi, Line);
    return status;
}

/*
 * The line at which a pin of a device on bus 0 arrives. Pin: 0 to 3 for A to D.
 *
 * IRQL:    any
 * Locks:   PortLock
 * Context: any, after ArchInitializePciRouting
 * Returns: STATUS_NOT_SUPPORTED with another chipset, STATUS_NOT_FOUND if the pin leads nowhere
 * Source:  Intel ICH9 data sheet, 10.1.37 to 10.1.44; Intel 82371SB data sheet, 2.2.6
 */
NTSTATUS ArchPciPinLine(ULONG Device, ULONG Pin, ARCH_LINE *Line)
{
    if (Ich9Registers != NULL)
        return ArchPciLine(FIRST_PIRQ_GSI + Ich9Pirq(Device, Pin), Line);
    if (IsFunction(PiixIsa, PIIX3_ISA_DEVICE))
        return PiixLine(Device, Pin, Line);
    return STATUS_NOT_SUPPORTED;
}
