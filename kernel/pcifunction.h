/*
 * The PCI bus inside the kernel: what is known of each function. All of it is found out at the
 * start, before drivers run, and constant from then on; what changes later says so.
 */
#ifndef METRONOME_PCIFUNCTION_H
#define METRONOME_PCIFUNCTION_H

#include "ntddk.h"
#include "pci.h"
#include "arch.h"

#define TAG_PCI 0x69635049u /* "IPci" */

typedef enum _PCI_BAR_KIND { PciBarNone, PciBarIo, PciBarMemory32, PciBarMemory64 } PCI_BAR_KIND;

/* A range of ports or of memory. Of a BAR: Length is a power of two; Address 0: not assigned. */
typedef struct _PCI_RANGE {
    ULONG64 Address;
    ULONG64 Length;
} PCI_RANGE;

typedef struct _PCI_BAR {
    PCI_BAR_KIND Kind;
    BOOLEAN Prefetchable;
    BOOLEAN OutOfWindow; /* a bridge above does not pass it on */
    PCI_RANGE Range;
} PCI_BAR;

/* What a bridge passes on to the bus behind it; Length 0: nothing. */
typedef struct _PCI_WINDOWS {
    PCI_RANGE Io, Memory, Prefetchable;
} PCI_WINDOWS;

typedef struct _PCI_FUNCTION {
    LIST_ENTRY Links; /* all functions, in the order in which they were found */
    ARCH_PCI_ADDRESS Address;
    struct _PCI_FUNCTION *Bridge; /* behind which it lies; NULL: bus 0 */
    USHORT VendorId, DeviceId, SubVendorId, SubSystemId;
    UCHAR Class, SubClass, ProgIf, Revision;
    UCHAR Type;                   /* PCI_DEVICE_TYPE, PCI_BRIDGE_TYPE */
    UCHAR Pin;                    /* 1 to 4 for A to D; 0: none */
    UCHAR Line;                   /* what the firmware has left in the register; for people */
    USHORT MsiOffset, MsiXOffset; /* of the capabilities; 0: none */
    ULONG Gsi;                    /* at which the pin arrives */
    UCHAR Vector;                 /* its vector; 0: the pin leads nowhere that is known */
    PCI_BAR Bars[PCI_TYPE0_ADDRESSES];
    UCHAR SecondaryBus; /* of a bridge */
    PCI_WINDOWS Windows;
} PCI_FUNCTION, *PPCI_FUNCTION;

/* ---- pciscan.c: what there is ---- */

/*
 * Finds all functions that bus 0 leads to and appends them to List. STATUS_INSUFFICIENT_RESOURCES
 * if not all of them could be kept. PASSIVE_LEVEL, once.
 */
NTSTATUS IopPciScan(PLIST_ENTRY List);

/* ---- pcibar.c: BARs and windows ---- */

/* Reads and sizes the BARs of a function that nobody uses yet. PASSIVE_LEVEL. */
VOID IopPciReadBars(PPCI_FUNCTION Function);
VOID IopPciReadWindows(PPCI_FUNCTION Bridge);

/* ---- pcicap.c: capabilities ---- */

/* The offset of the first capability with this identifier, 0 if there is none. Any IRQL. */
USHORT IopPciFindCapability(ARCH_PCI_ADDRESS Address, UCHAR CapabilityId);

/* ---- pcimsi.c: messages instead of the line ---- */

ULONG IopPciMessageCount(const PCI_FUNCTION *Function); /* 0: it has none. Any IRQL */

/* Message n is sent as Messages[n] says; plain MSI: as the first one says. PASSIVE_LEVEL. */
NTSTATUS IopPciEnableMessages(const PCI_FUNCTION *Function, const ARCH_MESSAGE *Messages,
                              ULONG Count);
VOID IopPciDisableMessages(const PCI_FUNCTION *Function);

/* ---- pcibus.c: the functions of this machine ---- */

VOID IopPciInitialize(VOID);
extern LIST_ENTRY IopPciFunctions;

/* "00:1f.2" */
#define PCI_ADDRESS_FORMAT       "%02x:%02x.%u"
#define PCI_ADDRESS_ARGUMENTS(a) (a).Bus, (a).Device, (a).Function

#endif
