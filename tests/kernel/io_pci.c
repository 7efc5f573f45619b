/* The PCI bus of the machine that runs this: what was found is what the registers say. */
#define SUITE "io.pci"
#include "suite.h"
#include "pcifunction.h"

static PPCI_FUNCTION Next(PPCI_FUNCTION Function)
{
    PLIST_ENTRY link = Function ? Function->Links.Flink : IopPciFunctions.Flink;

    return link == &IopPciFunctions ? NULL : CONTAINING_RECORD(link, PCI_FUNCTION, Links);
}

static ULONG SlotOf(const PCI_FUNCTION *Function)
{
    PCI_SLOT_NUMBER slot = {.u.AsULONG = 0};

    slot.u.bits.DeviceNumber = Function->Address.Device;
    slot.u.bits.FunctionNumber = Function->Address.Function;
    return slot.u.AsULONG;
}

/* Host bridge, ISA bridge and display are on every machine that this kernel boots on. */
TEST(enumeration)
{
    ULONG host = 0, isa = 0, display = 0, count = 0;

    for (PPCI_FUNCTION f = Next(NULL); f; f = Next(f)) {
        host += f->Class == PCI_CLASS_BRIDGE_DEV && f->SubClass == PCI_SUBCLASS_BR_HOST;
        isa += f->Class == PCI_CLASS_BRIDGE_DEV && f->SubClass == PCI_SUBCLASS_BR_ISA;
        display += f->Class == 3;
        count++;
        for (PPCI_FUNCTION other = Next(f); other; other = Next(other))
            CHECK(memcmp(&f->Address, &other->Address, sizeof(f->Address)) != 0);
    }
    CHECK_EQUAL(host, 1);
    CHECK_EQUAL(isa, 1);
    CHECK_AT_LEAST(display, 1);
    CHECK_AT_LEAST(count, 4);
}

TEST(bus_data)
{
    for (PPCI_FUNCTION f = Next(NULL); f; f = Next(f)) {
        PCI_COMMON_CONFIG config, again;

        KtPoison(&config);
        CHECK_EQUAL(HalGetBusDataByOffset(PCIConfiguration, f->Address.Bus, SlotOf(f), &config, 0,
                                          sizeof(config)),
                    sizeof(config));
        CHECK_EQUAL(config.Header.VendorID, f->VendorId);
        CHECK_EQUAL(config.Header.DeviceID, f->DeviceId);
        CHECK_EQUAL(config.Header.BaseClass, f->Class);
        CHECK_EQUAL(config.Header.HeaderType & PCI_CONFIGURATION_TYPE, f->Type);
        for (ULONG offset = 0; offset < sizeof(again.Header); offset++)
            CHECK_EQUAL(HalGetBusDataByOffset(PCIConfiguration, f->Address.Bus, SlotOf(f),
                                              (PUCHAR)&again + offset, offset, 1),
                        1);
        again.Header.Status = config.Header.Status; /* the only one that may change by itself */
        CHECK(memcmp(&again.Header, &config.Header, sizeof(config.Header)) == 0);
    }
}

/* The line register, which the firmware fills in, is written and read back by one byte. */
TEST(bus_data_is_written)
{
    PPCI_FUNCTION f = Next(NULL);
    UCHAR offset = FIELD_OFFSET(PCI_COMMON_HEADER, u.type0.InterruptLine), line = 0x5A, read = 0;

    while (f && f->Pin == 0)
        f = Next(f);
    if (!f) {
        KtSkip("no function has an interrupt pin");
        return;
    }
    CHECK_EQUAL(
        HalSetBusDataByOffset(PCIConfiguration, f->Address.Bus, SlotOf(f), &line, offset, 1), 1);
    HalGetBusDataByOffset(PCIConfiguration, f->Address.Bus, SlotOf(f), &read, offset, 1);
    CHECK_EQUAL(read, 0x5A);
    HalSetBusDataByOffset(PCIConfiguration, f->Address.Bus, SlotOf(f), &f->Line, offset, 1);
}

TEST(no_such_function)
{
    USHORT vendor = 0;
    PCI_SLOT_NUMBER slot = {.u.bits = {.DeviceNumber = 23, .FunctionNumber = 7}};

    CHECK_EQUAL(HalGetBusDataByOffset(PCIConfiguration, 200, slot.u.AsULONG, &vendor, 0, 2), 2);
    CHECK_EQUAL(vendor, PCI_INVALID_VENDORID);
    CHECK_EQUAL(HalSetBusDataByOffset(PCIConfiguration, 200, slot.u.AsULONG, &vendor, 0, 2), 0);
    CHECK_EQUAL(HalGetBusDataByOffset(PCIConfiguration, 256, slot.u.AsULONG, &vendor, 0, 2), 0);
}

/* No two ranges of one kind overlap, and lengths are powers of two at a multiple of themselves. */
TEST(resources)
{
    for (PPCI_FUNCTION f = Next(NULL); f; f = Next(f)) {
        for (ULONG i = 0; i < PCI_TYPE0_ADDRESSES; i++) {
            const PCI_BAR *bar = &f->Bars[i];

            if (bar->Kind == PciBarNone)
                continue;
            CHECK_EQUAL(bar->Range.Length & (bar->Range.Length - 1), 0);
            CHECK_EQUAL(bar->Range.Address % bar->Range.Length, 0);
            for (PPCI_FUNCTION g = Next(f); g; g = Next(g)) {
                for (ULONG j = 0; j < PCI_TYPE0_ADDRESSES; j++) {
                    const PCI_BAR *other = &g->Bars[j];

                    if (other->Kind != PciBarNone && bar->Range.Address != 0 &&
                        (other->Kind == PciBarIo) == (bar->Kind == PciBarIo))
                        CHECK(bar->Range.Address + bar->Range.Length <= other->Range.Address ||
                              other->Range.Address + other->Range.Length <= bar->Range.Address);
                }
            }
        }
    }
}

/* A pin that leads somewhere leads to a line that can be opened, at the vector of its number. */
TEST(lines)
{
    for (PPCI_FUNCTION f = Next(NULL); f; f = Next(f)) {
        ARCH_LINE line;

        if (f->Vector == 0)
            continue;
        CHECK(f->Pin != 0);
        CHECK_EQUAL(ArchLineOfVector(f->Vector, &line), STATUS_SUCCESS);
        CHECK_EQUAL(line.Gsi, f->Gsi);
        CHECK(line.LevelTriggered);
    }
}
