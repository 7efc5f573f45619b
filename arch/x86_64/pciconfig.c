/*
 * PCI configuration space: 256 bytes of each function through two ports, or 4096 through memory
 * where the MCFG says so. A bus takes 1 MiB of memory and is mapped when it is first asked for.
 * What is not there reads as all ones.
 */
#include "platform.h"
#include "ke.h"

#define ADDRESS_PORT 0xCF8
#define DATA_PORT    0xCFC

#define ENABLE           0x80000000u
#define PORT_SPACE_BYTES 256u
#define BUS_BYTES        (1ull << 20)

/* What a bus is reached through; NULL until it is mapped. Never taken back. */
static PUCHAR volatile BusWindows[256];

/* The ports are a pair, a selector and a window: held at HIGH_LEVEL around every use of both. */
static KSPIN_LOCK PortLock;

/* Two processors may both map a bus: one window is kept, the other one is never used. */
static PUCHAR WindowOfBus(ULONG Bus)
{
    PUCHAR window = BusWindows[Bus];

    if (window != NULL || ArchMachine.PciConfigAddress == 0 || Bus < ArchMachine.PciFirstBus ||
        Bus > ArchMachine.PciLastBus)
        return window;
    window = ArchMapDevice(ArchMachine.PciConfigAddress + Bus * BUS_BYTES, BUS_BYTES);
    if (window != NULL &&
        InterlockedCompareExchangePointer((PVOID volatile *)&BusWindows[Bus], window, NULL) != NULL)
        window = BusWindows[Bus];
    return window;
}

/* Where a register lies in memory; NULL if only the ports lead to it. */
static volatile VOID *RegisterInMemory(ARCH_PCI_ADDRESS Address, ULONG Offset)
{
    PUCHAR window = WindowOfBus(Address.Bus);

    if (window == NULL)
        return NULL;
    return window + ((ULONG)Address.Device << 15 | (ULONG)Address.Function << 12 | Offset);
}

static VOID SelectByPort(ARCH_PCI_ADDRESS Address, ULONG Offset)
{
    ArchOut32(ADDRESS_PORT, ENABLE | (ULONG)Address.Bus << 16 | (ULONG)Address.Device << 11 |
                                (ULONG)Address.Function << 8 | (Offset & ~3u));
}

static ULONG ReadByPort(ARCH_PCI_ADDRESS Address, ULONG Offset, ULONG Bytes)
{
    KIRQL oldIrql = KiAcquireHighLock(&PortLock);
    USHORT port = (USHORT)(DATA_PORT + (Offset & 3u));
    ULONG value;

    SelectByPort(Address, Offset);
    value = Bytes == 1 ? ArchIn8(port) : Bytes == 2 ? ArchIn16(port) : ArchIn32(port);
    KiReleaseHighLock(&PortLock, oldIrql);
    return value;
}

static VOID WriteByPort(ARCH_PCI_ADDRESS Address, ULONG Offset, ULONG Bytes, ULONG Value)
{
    KIRQL oldIrql = KiAcquireHighLock(&PortLock);
    USHORT port = (USHORT)(DATA_PORT + (Offset & 3u));

    SelectByPort(Address, Offset);
    if (Bytes == 1)
        ArchOut8(port, (UCHAR)Value);
    else if (Bytes == 2)
        ArchOut16(port, (USHORT)Value);
    else
        ArchOut32(port, Value);
    KiReleaseHighLock(&PortLock, oldIrql);
}

/*
 * IRQL:    any, once the bus has been read at <= DISPATCH_LEVEL
 * Locks:   takes PortLock
 * Context: any
 * Returns: the register of 1, 2 or 4 bytes at Offset, a multiple of Bytes; what the ports do not
 *          reach is all ones
 * Source:  PCI Local Bus 3.0, 3.2.2.3; PCI Express Base, 7.2.2
 */
ULONG ArchReadPciConfig(ARCH_PCI_ADDRESS Address, ULONG Offset, ULONG Bytes)
{
    const volatile VOID *in = RegisterInMemory(Address, Offset);

    if (in == NULL && Offset >= PORT_SPACE_BYTES)
        return MAXULONG >> (32 - 8 * Bytes);
    if (in == NULL)
        return ReadByPort(Address, Offset, Bytes);
    return Bytes == 1   ? *(const volatile UCHAR *)in
           : Bytes == 2 ? *(const volatile USHORT *)in
                        : *(const volatile ULONG *)in;
}

/*
 * IRQL:    any, once the bus has been read at <= DISPATCH_LEVEL
 * Locks:   takes PortLock
 * Context: any; who writes a part of a register that others write keeps them apart
 * Returns: nothing; what the ports do not reach is not written
 * Source:  as ArchReadPciConfig
 */
VOID ArchWritePciConfig(ARCH_PCI_ADDRESS Address, ULONG Offset, ULONG Bytes, ULONG Value)
{
    volatile VOID *out = RegisterInMemory(Address, Offset);

    if (out == NULL && Offset >= PORT_SPACE_BYTES)
        return;
    if (out == NULL)
        WriteByPort(Address, Offset, Bytes, Value);
    else if (Bytes == 1)
        *(volatile UCHAR *)out = (UCHAR)Value;
    else if (Bytes == 2)
        *(volatile USHORT *)out = (USHORT)Value;
    else
        *(volatile ULONG *)out = Value;
}

/*
 * IRQL:    any
 * Locks:   none
 * Context: any
 * Returns: how configuration space is reached, for people
 * Source:  -
 */
PCSTR ArchPciAccessName(VOID)
{
    return ArchMachine.PciConfigAddress != 0 ? "memory (MCFG)" : "ports 0xCF8 and 0xCFC";
}
