/* Devices of the emulator that a test may use. PASSIVE_LEVEL. */
#include "pcitool.h"

PPCI_FUNCTION KtFindPci(USHORT VendorId, USHORT DeviceId, ULONG Index)
{
    for (PLIST_ENTRY link = IopPciFunctions.Flink; link != &IopPciFunctions; link = link->Flink) {
        PPCI_FUNCTION function = CONTAINING_RECORD(link, PCI_FUNCTION, Links);

        if (function->VendorId == VendorId && function->DeviceId == DeviceId && Index-- == 0)
            return function;
    }
    return NULL;
}

PUCHAR KtMapPci(PPCI_FUNCTION Function)
{
    PHYSICAL_ADDRESS address = {.QuadPart = (LONGLONG)Function->Bars[0].Range.Address};

    return MmMapIoSpace(address, Function->Bars[0].Range.Length, MmNonCached);
}

VOID KtUnmapPci(PPCI_FUNCTION Function, PUCHAR Registers)
{
    MmUnmapIoSpace(Registers, Function->Bars[0].Range.Length);
}
