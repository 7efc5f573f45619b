/*
 * Base address registers and bridge windows: where a function's registers lie, and what a bridge
 * passes on. A BAR tells its length when all ones are written to it: the bits of the address
 * that stay 0 are those inside the range.
 *
 *     written  FFFFFFFF
 *     read     FFF00008      the lowest 1 above the flags: bit 20, so 1 MiB; bit 3: prefetchable
 *
 * Meanwhile the function would answer at that address, so decoding is off.
 */
#include "ke.h"
#include "pcifunction.h"

#define BAR_OFFSET(index) \
    ((ULONG)FIELD_OFFSET(PCI_COMMON_HEADER, u.type0.BaseAddresses) + 4 * (index))
#define COMMAND_OFFSET ((ULONG)FIELD_OFFSET(PCI_COMMON_HEADER, Command))
#define DECODING       (PCI_ENABLE_IO_SPACE | PCI_ENABLE_MEMORY_SPACE)

/* What can be written in the register, as far as 32 bits go. The register is as before. */
static ULONG WritableBits(ARCH_PCI_ADDRESS Address, ULONG Offset)
{
    ULONG saved = ArchReadPciConfig(Address, Offset, 4), bits;

    ArchWritePciConfig(Address, Offset, 4, MAXULONG);
    bits = ArchReadPciConfig(Address, Offset, 4);
    ArchWritePciConfig(Address, Offset, 4, saved);
    return bits;
}

static ULONG64 LowestBit(ULONG64 Bits)
{
    return Bits & (~Bits + 1);
}

static VOID DecodeIo(PCI_BAR *Bar, ULONG Value, ULONG Bits)
{
    Bar->Kind = PciBarIo;
    Bar->Range.Address = Value & PCI_ADDRESS_IO_ADDRESS_MASK;
    Bar->Range.Length = LowestBit(Bits & PCI_ADDRESS_IO_ADDRESS_MASK);
}

static VOID DecodeMemory(PCI_BAR *Bar, ULONG64 Value, ULONG64 Bits)
{
    const ULONG64 address = ~(ULONG64)0xF;

    Bar->Prefetchable = (Value & PCI_ADDRESS_MEMORY_PREFETCHABLE) != 0;
    Bar->Range.Address = Value & address;
    Bar->Range.Length = LowestBit(Bits & address);
}

/* One BAR, or two that belong together. Returns how many; 1 if there is none. */
static ULONG ReadBar(PPCI_FUNCTION Function, ULONG Index, ULONG Count)
{
    PCI_BAR *bar = &Function->Bars[Index];
    ULONG value = ArchReadPciConfig(Function->Address, BAR_OFFSET(Index), 4);
    ULONG bits = WritableBits(Function->Address, BAR_OFFSET(Index));
    ULONG high;

    if (value & PCI_ADDRESS_IO_SPACE) {
        DecodeIo(bar, value, bits);
    } else if ((value & PCI_ADDRESS_MEMORY_TYPE_MASK) != PCI_TYPE_64BIT) {
        bar->Kind = PciBarMemory32;
        DecodeMemory(bar, value, bits);
    } else if (Index + 1 < Count) {
        bar->Kind = PciBarMemory64;
        high = ArchReadPciConfig(Function->Address, BAR_OFFSET(Index + 1), 4);
        DecodeMemory(bar, (ULONG64)high << 32 | value,
                     (ULONG64)WritableBits(Function->Address, BAR_OFFSET(Index + 1)) << 32 | bits);
    }
    if (bar->Range.Length == 0)
        *bar = (PCI_BAR){0};
    return bar->Kind == PciBarMemory64 ? 2 : 1;
}

/*
 * Reads the BARs of a function and asks for their lengths. A 64-bit BAR without room for its
 * upper half, and one whose address cannot be written, count as none.
 *
 * IRQL:    PASSIVE_LEVEL
 * Locks:   none; nobody uses the function yet
 * Context: the start
 * Returns: nothing
 * Source:  PCI Local Bus 3.0, 6.2.5.1
 */
VOID IopPciReadBars(PPCI_FUNCTION Function)
{
    KI_REQUIRE_IRQL_AT_MOST(PASSIVE_LEVEL, RULE_IRQL_IO_PASSIVE, "IrqlIoPassive1", Function);

    ULONG count =
        Function->Type == PCI_BRIDGE_TYPE ? PCI_TYPE1_ADDRESSES : (ULONG)PCI_TYPE0_ADDRESSES;
    ULONG command = ArchReadPciConfig(Function->Address, COMMAND_OFFSET, 2);

    ArchWritePciConfig(Function->Address, COMMAND_OFFSET, 2, command & ~(ULONG)DECODING);
    for (ULONG index = 0; index < count;)
        index += ReadBar(Function, index, count);
    ArchWritePciConfig(Function->Address, COMMAND_OFFSET, 2, command);
}

/* From Base to Limit, both included; empty if Limit is below. */
static PCI_RANGE Window(ULONG64 Base, ULONG64 Limit)
{
    return (PCI_RANGE){Base, Base <= Limit ? Limit - Base + 1 : 0};
}

/*
 * Reads what a bridge passes on: ports in units of 4 KiB, memory in units of 1 MiB.
 *
 * IRQL:    any
 * Locks:   none
 * Context: the start
 * Returns: nothing
 * Source:  PCI-to-PCI Bridge 1.2, 3.2.5
 */
VOID IopPciReadWindows(PPCI_FUNCTION Bridge)
{
    PCI_COMMON_HEADER header;
    ULONG64 base, limit;

    for (ULONG offset = 0; offset < sizeof(header); offset += 4)
        *(PULONG)((PUCHAR)&header + offset) = ArchReadPciConfig(Bridge->Address, offset, 4);

    base = (header.u.type1.IOBase & 0xF0ull) << 8;
    limit = (header.u.type1.IOLimit & 0xF0ull) << 8 | 0xFFF;
    if ((header.u.type1.IOBase & 0xF) == 1) {
        base |= (ULONG64)header.u.type1.IOBaseUpper16 << 16;
        limit |= (ULONG64)header.u.type1.IOLimitUpper16 << 16;
    }
    Bridge->Windows.Io = Window(base, limit);

    base = (header.u.type1.MemoryBase & 0xFFF0ull) << 16;
    limit = (header.u.type1.MemoryLimit & 0xFFF0ull) << 16 | 0xFFFFF;
    Bridge->Windows.Memory = Window(base, limit);

    base = (header.u.type1.PrefetchBase & 0xFFF0ull) << 16;
    limit = (header.u.type1.PrefetchLimit & 0xFFF0ull) << 16 | 0xFFFFF;
    if ((header.u.type1.PrefetchBase & 0xF) == 1) {
        base |= (ULONG64)header.u.type1.PrefetchBaseUpper32 << 32;
        limit |= (ULONG64)header.u.type1.PrefetchLimitUpper32 << 32;
    }
    Bridge->Windows.Prefetchable = Window(base, limit);
}
