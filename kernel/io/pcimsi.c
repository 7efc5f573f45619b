/*
 * The registers with which a PCI function is told to send messages instead of asserting its line.
 *
 *     MSI     in configuration space: one address, one data word. A function with 2^n messages
 *             puts the message's number into the lowest n bits of the data.
 *     MSI-X   a table in the function's memory, with address and data for each message.
 *
 * A function does one or the other, or its line. Runs at PASSIVE_LEVEL; who starts and stops the
 * device keeps callers apart.
 */
#include "ke.h"
#include "pcifunction.h"

/* MSI: offsets from the capability, bits of its control word. */
#define MSI_CONTROL          2
#define MSI_ADDRESS          4
#define MSI_ADDRESS_UPPER    8
#define MSI_DATA_32          8
#define MSI_DATA_64          12
#define MSI_ENABLE           0x0001u
#define MSI_CAPABLE(control) (1u << ((control) >> 1 & 7u))
#define MSI_GRANT(log2)      ((log2) << 4)
#define MSI_GRANT_MASK       0x0070u
#define MSI_64_BIT           0x0080u
#define MSI_MOST             32u

/* MSI-X */
#define MSIX_CONTROL       2
#define MSIX_TABLE         4 /* BAR in the lowest three bits, offset in it above */
#define MSIX_SIZE(control) (((control)&0x7FFu) + 1)
#define MSIX_MASK_ALL      0x4000u
#define MSIX_ENABLE        0x8000u

typedef struct _MSIX_ENTRY {
    ULONG AddressLow, AddressHigh;
    ULONG Data;
    ULONG Control; /* bit 0: masked */
} MSIX_ENTRY;

#define MSIX_MASKED 1u

static ULONG ReadWord(const PCI_FUNCTION *Function, ULONG Offset)
{
    return ArchReadPciConfig(Function->Address, Offset, 2);
}

static VOID WriteWord(const PCI_FUNCTION *Function, ULONG Offset, ULONG Value)
{
    ArchWritePciConfig(Function->Address, Offset, 2, Value);
}

static VOID WriteLong(const PCI_FUNCTION *Function, ULONG Offset, ULONG Value)
{
    ArchWritePciConfig(Function->Address, Offset, 4, Value);
}

/* Messages need the function to write to memory; a line must be silent beside them. */
static VOID SetCommand(const PCI_FUNCTION *Function, BOOLEAN Messages)
{
    ULONG offset = FIELD_OFFSET(PCI_COMMON_HEADER, Command);
    ULONG command = ReadWord(Function, offset) & ~(ULONG)PCI_DISABLE_LEVEL_INTERRUPT;

    if (Messages)
        command |= PCI_ENABLE_BUS_MASTER | PCI_DISABLE_LEVEL_INTERRUPT;
    WriteWord(Function, offset, command);
}

/*
 * How many messages a function can send, in the form that is preferred: MSI-X, if it has both.
 *
 * IRQL:    any
 * Locks:   none
 * Context: any
 * Returns: 0 if it has its line only
 * Source:  PCI Local Bus 3.0, 6.8
 */
ULONG IopPciMessageCount(const PCI_FUNCTION *Function)
{
    ULONG count;

    if (Function->MsiXOffset)
        return MSIX_SIZE(ReadWord(Function, Function->MsiXOffset + MSIX_CONTROL));
    if (!Function->MsiOffset)
        return 0;
    count = MSI_CAPABLE(ReadWord(Function, Function->MsiOffset + MSI_CONTROL));
    return count <= MSI_MOST ? count : 1;
}

/* ---- MSI ---- */

static VOID EnableMsi(const PCI_FUNCTION *Function, const ARCH_MESSAGE *First, ULONG Count)
{
    ULONG msi = Function->MsiOffset;
    ULONG control = ReadWord(Function, msi + MSI_CONTROL) & ~(MSI_ENABLE | MSI_GRANT_MASK);

    WriteWord(Function, msi + MSI_CONTROL, control);
    WriteLong(Function, msi + MSI_ADDRESS, (ULONG)First->Address);
    if (control & MSI_64_BIT)
        WriteLong(Function, msi + MSI_ADDRESS_UPPER, (ULONG)(First->Address >> 32));
    WriteWord(Function, msi + (control & MSI_64_BIT ? MSI_DATA_64 : MSI_DATA_32), First->Data);
    control |= MSI_GRANT((ULONG)__builtin_ctz(Count));
    WriteWord(Function, msi + MSI_CONTROL, control | MSI_ENABLE);
}

/* ---- MSI-X ---- */

/* The table, mapped; NULL if the function says that it lies where there is no memory. */
static volatile MSIX_ENTRY *MapTable(const PCI_FUNCTION *Function, PSIZE_T Bytes)
{
    ULONG where = ArchReadPciConfig(Function->Address, Function->MsiXOffset + MSIX_TABLE, 4);
    ULONG index = where & 7u, offset = where & ~7u;
    const PCI_BAR *bar = &Function->Bars[index % PCI_TYPE0_ADDRESSES];

    *Bytes = IopPciMessageCount(Function) * sizeof(MSIX_ENTRY);
    if (index >= PCI_TYPE0_ADDRESSES || bar->Kind == PciBarNone || bar->Kind == PciBarIo ||
        bar->Range.Address == 0 || offset > bar->Range.Length ||
        *Bytes > bar->Range.Length - offset)
        return NULL;
    return MmMapIoSpace((PHYSICAL_ADDRESS){.QuadPart = (LONGLONG)(bar->Range.Address + offset)},
                        *Bytes, MmNonCached);
}

/* Entries that nobody uses stay masked; nothing is sent before all have been written. */
static NTSTATUS EnableMsiX(const PCI_FUNCTION *Function, const ARCH_MESSAGE *Messages, ULONG Count)
{
    ULONG control = Function->MsiXOffset + MSIX_CONTROL;
    ULONG size = IopPciMessageCount(Function);
    SIZE_T bytes;
    volatile MSIX_ENTRY *table = MapTable(Function, &bytes);

    if (!table)
        return STATUS_DEVICE_CONFIGURATION_ERROR;
    WriteWord(Function, control, ReadWord(Function, control) | MSIX_MASK_ALL | MSIX_ENABLE);
    for (ULONG i = 0; i < size; i++) {
        table[i].Control |= MSIX_MASKED;
        if (i >= Count)
            continue;
        table[i].AddressLow = (ULONG)Messages[i].Address;
        table[i].AddressHigh = (ULONG)(Messages[i].Address >> 32);
        table[i].Data = Messages[i].Data;
        table[i].Control &= ~MSIX_MASKED;
    }
    WriteWord(Function, control, ReadWord(Function, control) & ~MSIX_MASK_ALL);
    MmUnmapIoSpace((PVOID)table, bytes);
    return STATUS_SUCCESS;
}

/*
 * Has a function send messages: message n as Messages[n] says. Of plain MSI the first one says
 * all; the others follow it.
 *
 * IRQL:    PASSIVE_LEVEL
 * Locks:   none
 * Context: the interrupt is connected; the function's memory is decoded
 * Returns: STATUS_DEVICE_CONFIGURATION_ERROR if it contradicts itself
 * Source:  PCI Local Bus 3.0, 6.8.1 and 6.8.2
 */
NTSTATUS IopPciEnableMessages(const PCI_FUNCTION *Function, const ARCH_MESSAGE *Messages,
                              ULONG Count)
{
    KI_REQUIRE_IRQL_AT_MOST(PASSIVE_LEVEL, RULE_IRQL_IO_PASSIVE, "IrqlIoPassive2", Function);

    SetCommand(Function, TRUE);
    if (Function->MsiXOffset)
        return EnableMsiX(Function, Messages, Count);
    EnableMsi(Function, Messages, Count);
    return STATUS_SUCCESS;
}

/*
 * Ends messages: the function has its line again. One that is on its way still arrives.
 *
 * IRQL:    PASSIVE_LEVEL
 * Locks:   none
 * Context: the interrupt is disconnected
 * Returns: nothing
 * Source:  as IopPciEnableMessages
 */
VOID IopPciDisableMessages(const PCI_FUNCTION *Function)
{
    KI_REQUIRE_IRQL_AT_MOST(PASSIVE_LEVEL, RULE_IRQL_IO_PASSIVE, "IrqlIoPassive4", Function);

    if (Function->MsiXOffset) {
        ULONG control = Function->MsiXOffset + MSIX_CONTROL;

        WriteWord(Function, control, ReadWord(Function, control) & ~MSIX_ENABLE);
    } else {
        ULONG control = Function->MsiOffset + MSI_CONTROL;

        WriteWord(Function, control, ReadWord(Function, control) & ~MSI_ENABLE);
    }
    SetCommand(Function, FALSE);
}
