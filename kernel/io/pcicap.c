/* The list of capabilities in a function's configuration space. Any IRQL, no lock. */
#include "pcifunction.h"

#define FIRST_OFFSET 0x40 /* before it is the header */
#define LAST_OFFSET  0xFC
#define MOST         ((LAST_OFFSET - FIRST_OFFSET) / 4 + 1) /* more would be a circle */

static UCHAR FirstCapability(ARCH_PCI_ADDRESS Address)
{
    if (!(ArchReadPciConfig(Address, FIELD_OFFSET(PCI_COMMON_HEADER, Status), 2) &
          PCI_STATUS_CAPABILITIES_LIST))
        return 0;
    return (UCHAR)ArchReadPciConfig(Address,
                                    FIELD_OFFSET(PCI_COMMON_HEADER, u.type0.CapabilitiesPtr), 1);
}

/*
 * Looks for a capability. A list that leads into the header, or in a circle, ends there.
 *
 * IRQL:    any
 * Locks:   none
 * Context: any
 * Returns: its offset, 0 if there is none
 * Source:  PCI Local Bus 3.0, 6.7
 */
USHORT IopPciFindCapability(ARCH_PCI_ADDRESS Address, UCHAR CapabilityId)
{
    UCHAR offset = FirstCapability(Address) & 0xFC;

    for (ULONG n = 0; n < MOST && offset >= FIRST_OFFSET; n++) {
        if (ArchReadPciConfig(Address, offset, 1) == CapabilityId)
            return offset;
        offset = (UCHAR)ArchReadPciConfig(Address, offset + 1u, 1) & 0xFC;
    }
    return 0;
}
