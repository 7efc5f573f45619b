/*
 * PCI configuration space as a driver sees it: the header, the command register, capabilities.
 * Layouts: PCI Local Bus 3.0, 6.1 and 6.7, under the WDK's names.
 */
#ifndef METRONOME_PCI_H
#define METRONOME_PCI_H

#include "ntdef.h"

#define PCI_TYPE0_ADDRESSES 6
#define PCI_TYPE1_ADDRESSES 2

typedef struct _PCI_SLOT_NUMBER {
    union {
        struct {
            ULONG DeviceNumber : 5;
            ULONG FunctionNumber : 3;
            ULONG Reserved : 24;
        } bits;
        ULONG AsULONG;
    } u;
} PCI_SLOT_NUMBER, *PPCI_SLOT_NUMBER;

typedef struct _PCI_COMMON_HEADER {
    USHORT VendorID;
    USHORT DeviceID;
    USHORT Command;
    USHORT Status;
    UCHAR RevisionID;
    UCHAR ProgIf;
    UCHAR SubClass;
    UCHAR BaseClass;
    UCHAR CacheLineSize;
    UCHAR LatencyTimer;
    UCHAR HeaderType;
    UCHAR BIST;
    union {
        struct {
            ULONG BaseAddresses[PCI_TYPE0_ADDRESSES];
            ULONG CIS;
            USHORT SubVendorID;
            USHORT SubSystemID;
            ULONG ROMBaseAddress;
            UCHAR CapabilitiesPtr;
            UCHAR Reserved1[3];
            ULONG Reserved2;
            UCHAR InterruptLine;
            UCHAR InterruptPin;
            UCHAR MinimumGrant;
            UCHAR MaximumLatency;
        } type0;
        struct {
            ULONG BaseAddresses[PCI_TYPE1_ADDRESSES];
            UCHAR PrimaryBus;
            UCHAR SecondaryBus;
            UCHAR SubordinateBus;
            UCHAR SecondaryLatency;
            UCHAR IOBase;
            UCHAR IOLimit;
            USHORT SecondaryStatus;
            USHORT MemoryBase;
            USHORT MemoryLimit;
            USHORT PrefetchBase;
            USHORT PrefetchLimit;
            ULONG PrefetchBaseUpper32;
            ULONG PrefetchLimitUpper32;
            USHORT IOBaseUpper16;
            USHORT IOLimitUpper16;
            UCHAR CapabilitiesPtr;
            UCHAR Reserved1[3];
            ULONG ROMBaseAddress;
            UCHAR InterruptLine;
            UCHAR InterruptPin;
            USHORT BridgeControl;
        } type1;
    } u;
} PCI_COMMON_HEADER, *PPCI_COMMON_HEADER;

ASSERT_SIZE(PCI_COMMON_HEADER, 0x40);
ASSERT_OFFSET(PCI_COMMON_HEADER, HeaderType, 0x0E);
ASSERT_OFFSET(PCI_COMMON_HEADER, u.type0.BaseAddresses, 0x10);
ASSERT_OFFSET(PCI_COMMON_HEADER, u.type0.SubVendorID, 0x2C);
ASSERT_OFFSET(PCI_COMMON_HEADER, u.type0.CapabilitiesPtr, 0x34);
ASSERT_OFFSET(PCI_COMMON_HEADER, u.type0.InterruptLine, 0x3C);
ASSERT_OFFSET(PCI_COMMON_HEADER, u.type1.SecondaryBus, 0x19);
ASSERT_OFFSET(PCI_COMMON_HEADER, u.type1.IOBase, 0x1C);
ASSERT_OFFSET(PCI_COMMON_HEADER, u.type1.MemoryBase, 0x20);
ASSERT_OFFSET(PCI_COMMON_HEADER, u.type1.PrefetchBaseUpper32, 0x28);
ASSERT_OFFSET(PCI_COMMON_HEADER, u.type1.IOBaseUpper16, 0x30);
ASSERT_OFFSET(PCI_COMMON_HEADER, u.type1.InterruptLine, 0x3C);

typedef struct _PCI_COMMON_CONFIG {
    PCI_COMMON_HEADER Header;
    UCHAR DeviceSpecific[192];
} PCI_COMMON_CONFIG, *PPCI_COMMON_CONFIG;

ASSERT_SIZE(PCI_COMMON_CONFIG, 0x100);

#define PCI_INVALID_VENDORID 0xFFFF

/* HeaderType */
#define PCI_MULTIFUNCTION      0x80
#define PCI_DEVICE_TYPE        0x00
#define PCI_BRIDGE_TYPE        0x01
#define PCI_CARDBUS_TYPE       0x02
#define PCI_CONFIGURATION_TYPE 0x7F /* the type's bits */

/* Command */
#define PCI_ENABLE_IO_SPACE         0x0001
#define PCI_ENABLE_MEMORY_SPACE     0x0002
#define PCI_ENABLE_BUS_MASTER       0x0004
#define PCI_DISABLE_LEVEL_INTERRUPT 0x0400

/* Status */
#define PCI_STATUS_CAPABILITIES_LIST 0x0010

/* BaseAddresses */
#define PCI_ADDRESS_IO_SPACE            0x00000001
#define PCI_ADDRESS_MEMORY_TYPE_MASK    0x00000006
#define PCI_TYPE_32BIT                  0
#define PCI_TYPE_20BIT                  2
#define PCI_TYPE_64BIT                  4
#define PCI_ADDRESS_MEMORY_PREFETCHABLE 0x00000008
#define PCI_ADDRESS_IO_ADDRESS_MASK     0xFFFFFFFC
#define PCI_ADDRESS_MEMORY_ADDRESS_MASK 0xFFFFFFF0

#define PCI_CAPABILITY_ID_POWER_MANAGEMENT 0x01
#define PCI_CAPABILITY_ID_MSI              0x05
#define PCI_CAPABILITY_ID_VENDOR_SPECIFIC  0x09
#define PCI_CAPABILITY_ID_PCI_EXPRESS      0x10
#define PCI_CAPABILITY_ID_MSIX             0x11

typedef struct _PCI_CAPABILITIES_HEADER {
    UCHAR CapabilityID;
    UCHAR Next; /* offset in configuration space; 0 ends the list */
} PCI_CAPABILITIES_HEADER, *PPCI_CAPABILITIES_HEADER;

#define PCI_CLASS_BRIDGE_DEV       0x06
#define PCI_SUBCLASS_BR_HOST       0x00
#define PCI_SUBCLASS_BR_ISA        0x01
#define PCI_SUBCLASS_BR_PCI_TO_PCI 0x04

/*
 * Bytes of a PCI function's configuration space. BusDataType PCIConfiguration, SlotNumber a
 * PCI_SLOT_NUMBER. Returns how many bytes were moved: 0 when there is no such bus, 2 (the vendor
 * PCI_INVALID_VENDORID) when there is no such function. IRQL: <= DISPATCH_LEVEL.
 */
/* WhichSpace of IRP_MN_READ_CONFIG and IRP_MN_WRITE_CONFIG */
#define PCI_WHICHSPACE_CONFIG 0

typedef enum _BUS_DATA_TYPE { PCIConfiguration = 4 } BUS_DATA_TYPE;

ULONG HalGetBusDataByOffset(BUS_DATA_TYPE BusDataType, ULONG BusNumber, ULONG SlotNumber,
                            PVOID Buffer, ULONG Offset, ULONG Length);
ULONG HalSetBusDataByOffset(BUS_DATA_TYPE BusDataType, ULONG BusNumber, ULONG SlotNumber,
                            PVOID Buffer, ULONG Offset, ULONG Length);

#endif
