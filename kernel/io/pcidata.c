/*
 * HalGetBusDataByOffset and HalSetBusDataByOffset: configuration space for drivers that know the
 * function's place. Each access is as wide as offset and length allow, since registers of two or
 * four bytes have to be read and written whole.
 */
#include "pcifunction.h"
#include "ke.h"

#define SPACE_BYTES 4096u

static ULONG WidthOf(ULONG Offset, ULONG Left)
{
    if (Offset % 4 == 0 && Left >= 4)
        return 4;
    return Offset % 2 == 0 && Left >= 2 ? 2 : 1;
}

/* FALSE if there is no function there. */
static BOOLEAN FindFunction(ULONG BusNumber, ULONG SlotNumber, ARCH_PCI_ADDRESS *Address)
{
    PCI_SLOT_NUMBER slot = {.u.AsULONG = SlotNumber};

    *Address = (ARCH_PCI_ADDRESS){.Bus = (UCHAR)BusNumber,
                                  .Device = (UCHAR)slot.u.bits.DeviceNumber,
                                  .Function = (UCHAR)slot.u.bits.FunctionNumber};
    return ArchReadPciConfig(*Address, 0, 2) != PCI_INVALID_VENDORID;
}

/* How many of the bytes exist. */
static ULONG Clamp(ULONG Offset, ULONG Length)
{
    if (Offset >= SPACE_BYTES)
        return 0;
    return Length < SPACE_BYTES - Offset ? Length : SPACE_BYTES - Offset;
}

/*
 * Reads configuration space.
 *
 * IRQL:    <= DISPATCH_LEVEL
 * Locks:   none
 * Context: any
 * Returns: the number of bytes read; 0 if there is no such bus; 2 if there is no such function:
 *          Buffer then has PCI_INVALID_VENDORID
 */
ULONG HalGetBusDataByOffset(BUS_DATA_TYPE BusDataType, ULONG BusNumber, ULONG SlotNumber,
                            PVOID Buffer, ULONG Offset, ULONG Length)
{
    KI_REQUIRE_IRQL_AT_MOST(DISPATCH_LEVEL, RULE_IRQL_KE_DISPATCH_LTE, "IrqlKeDispatchLte", Buffer);

    ARCH_PCI_ADDRESS address;
    ULONG length = Clamp(Offset, Length), width;

    if (BusDataType != PCIConfiguration || BusNumber > MAXUCHAR)
        return 0;
    if (!FindFunction(BusNumber, SlotNumber, &address)) {
        if (Length >= sizeof(USHORT))
            *(PUCHAR)Buffer = *((PUCHAR)Buffer + 1) = MAXUCHAR;
        return Length < sizeof(USHORT) ? 0 : sizeof(USHORT);
    }
    for (ULONG done = 0; done < length; done += width) {
        ULONG value;

        width = WidthOf(Offset + done, length - done);
        value = ArchReadPciConfig(address, Offset + done, width);
        RtlCopyMemory((PUCHAR)Buffer + done, &value, width);
    }
    return length;
}

/*
 * Writes configuration space.
 *
 * IRQL:    <= DISPATCH_LEVEL
 * Locks:   none
 * Context: any
 * Returns: the number of bytes written; 0 if there is no such function
 */
ULONG HalSetBusDataByOffset(BUS_DATA_TYPE BusDataType, ULONG BusNumber, ULONG SlotNumber,
                            PVOID Buffer, ULONG Offset, ULONG Length)
{
    KI_REQUIRE_IRQL_AT_MOST(DISPATCH_LEVEL, RULE_IRQL_KE_DISPATCH_LTE, "IrqlKeDispatchLte", Buffer);

    ARCH_PCI_ADDRESS address;
    ULONG length = Clamp(Offset, Length), width;

    if (BusDataType != PCIConfiguration || BusNumber > MAXUCHAR ||
        !FindFunction(BusNumber, SlotNumber, &address))
        return 0;
    for (ULONG done = 0; done < length; done += width) {
        ULONG value = 0;

        width = WidthOf(Offset + done, length - done);
        RtlCopyMemory(&value, (PUCHAR)Buffer + done, width);
        ArchWritePciConfig(address, Offset + done, width, value);
    }
    return length;
}
