/* Devices of the emulator that a test may use: found on the PCI bus, driven by hand. */
#ifndef METRONOME_TEST_PCITOOL_H
#define METRONOME_TEST_PCITOOL_H

#include "suite.h"
#include "pcifunction.h"

/* edu, the educational device: raises interrupts when told to. */
#define EDU_VENDOR 0x1234
#define EDU_DEVICE 0x11E8
#define EDU_STATUS 0x24 /* causes that are raised */
#define EDU_RAISE  0x60
#define EDU_CLEAR  0x64

/* The Index-th function with these identifiers, or NULL. */
PPCI_FUNCTION KtFindPci(USHORT VendorId, USHORT DeviceId, ULONG Index);

/* The registers behind BAR 0, mapped; to be given back with KtUnmapPci. */
PUCHAR KtMapPci(PPCI_FUNCTION Function);
VOID KtUnmapPci(PPCI_FUNCTION Function, PUCHAR Registers);

#endif
