/* sources: kernel/io/pciscan.c kernel/io/pcibar.c kernel/io/pcicap.c kernel/io/pcidata.c kernel/io/pcimsi.c tests/host/support/support.c */
/* The PCI decoders against a configuration space that remembers what may be written where. */
#include "support/support.h"
#include "pcifunction.h"

#define MOST_FUNCTIONS 40

/* A function's 256 bytes, and which of their bits can be written. */
typedef struct _FAKE_FUNCTION {
    ARCH_PCI_ADDRESS Address;
    UCHAR Bytes[256];
    UCHAR Writable[256];
} FAKE_FUNCTION;

static FAKE_FUNCTION Functions[MOST_FUNCTIONS];
static ULONG FunctionCount;
static ULONG64 Accesses;       /* an endless loop would show here */
static BOOLEAN DecodedAllOnes; /* a BAR had all ones while the function answered */
static LIST_ENTRY List;

static FAKE_FUNCTION *Find(ARCH_PCI_ADDRESS Address)
{
    for (ULONG i = 0; i < FunctionCount; i++) {
        if (memcmp(&Functions[i].Address, &Address, sizeof(Address)) == 0)
            return &Functions[i];
    }
    return NULL;
}

ULONG ArchReadPciConfig(ARCH_PCI_ADDRESS Address, ULONG Offset, ULONG Bytes)
{
    const FAKE_FUNCTION *function = Find(Address);
    ULONG value = 0;

    assert_true(++Accesses < 10000000);
    assert_true(Offset % Bytes == 0 && Address.Device < 32 && Address.Function < 8);
    if (!function || Offset >= 256)
        return MAXULONG >> (32 - 8 * Bytes);
    memcpy(&value, function->Bytes + Offset, Bytes);
    return value;
}

VOID ArchWritePciConfig(ARCH_PCI_ADDRESS Address, ULONG Offset, ULONG Bytes, ULONG Value)
{
    FAKE_FUNCTION *function = Find(Address);

    assert_true(Offset % Bytes == 0 && Address.Device < 32 && Address.Function < 8);
    if (!function || Offset >= 256)
        return;
    if (Offset >= 0x10 && Offset < 0x28 && Value == MAXULONG && (function->Bytes[4] & 3))
        DecodedAllOnes = TRUE;
    for (ULONG i = 0; i < Bytes; i++) {
        UCHAR mask = function->Writable[Offset + i], byte = (UCHAR)(Value >> (8 * i));

        function->Bytes[Offset + i] =
            (UCHAR)((function->Bytes[Offset + i] & ~mask) | (byte & mask));
    }
}

/* A function's memory: what is mapped has to lie in it. */
#define TABLE_AT 0xFEB00800u
static ULONG Table[8 * 4];

PVOID MmMapIoSpace(PHYSICAL_ADDRESS PhysicalAddress, SIZE_T NumberOfBytes,
                   MEMORY_CACHING_TYPE CacheType)
{
    assert_int_equal(PhysicalAddress.QuadPart, TABLE_AT);
    assert_true(NumberOfBytes <= sizeof(Table) && CacheType == MmNonCached);
    return Table;
}

VOID MmUnmapIoSpace(PVOID BaseAddress, SIZE_T NumberOfBytes)
{
    assert_true(BaseAddress == Table && NumberOfBytes <= sizeof(Table));
}

/* The pool of this test. */
PVOID ExAllocatePool2(ULONG64 Flags, SIZE_T NumberOfBytes, ULONG Tag)
{
    (void)Flags;
    (void)Tag;
    return calloc(1, NumberOfBytes);
}

static void Put(FAKE_FUNCTION *Function, ULONG Offset, ULONG Bytes, ULONG Value)
{
    memcpy(Function->Bytes + Offset, &Value, Bytes);
}

static FAKE_FUNCTION *Add(UCHAR Bus, UCHAR Device, UCHAR Number, ULONG Id)
{
    FAKE_FUNCTION *function = &Functions[FunctionCount++];

    assert_true(FunctionCount <= MOST_FUNCTIONS);
    memset(function, 0, sizeof(*function));
    function->Address = (ARCH_PCI_ADDRESS){Bus, Device, Number};
    Put(function, 0, 4, Id);
    Put(function, 4, 2, 7); /* decodes */
    memset(function->Writable + 4, 0xFF, 2);
    return function;
}

static FAKE_FUNCTION *AddBridge(UCHAR Bus, UCHAR Device, UCHAR Secondary)
{
    FAKE_FUNCTION *bridge = Add(Bus, Device, 0, 0x0001AAAA);

    bridge->Bytes[0x0B] = PCI_CLASS_BRIDGE_DEV;
    bridge->Bytes[0x0A] = PCI_SUBCLASS_BR_PCI_TO_PCI;
    bridge->Bytes[0x0E] = PCI_BRIDGE_TYPE;
    bridge->Bytes[0x19] = Secondary;
    return bridge;
}

/* Register Index of a BAR: its value, and the bits that can be written. */
static void PutBar(FAKE_FUNCTION *Function, ULONG Index, ULONG Value, ULONG Writable)
{
    Put(Function, 0x10 + 4 * Index, 4, Value);
    memcpy(Function->Writable + 0x10 + 4 * Index, &Writable, 4);
}

static void FreeList(void)
{
    while (!IsListEmpty(&List))
        free(CONTAINING_RECORD(RemoveHeadList(&List), PCI_FUNCTION, Links));
}

static int Prepare(void **State)
{
    (void)State;
    FunctionCount = 0;
    Accesses = 0;
    DecodedAllOnes = FALSE;
    InitializeListHead(&List);
    return 0;
}

static int Clean(void **State)
{
    (void)State;
    FreeList();
    return 0;
}

/* Scans; the names of what was found, in order. */
static const char *Scan(void)
{
    static char names[1024];
    size_t length = 0;

    FreeList();
    assert_int_equal(IopPciScan(&List), STATUS_SUCCESS);
    names[0] = 0;
    for (PLIST_ENTRY link = List.Flink; link != &List; link = link->Flink) {
        PPCI_FUNCTION f = CONTAINING_RECORD(link, PCI_FUNCTION, Links);

        length += (size_t)snprintf(names + length, sizeof(names) - length, "%s" PCI_ADDRESS_FORMAT,
                                   length ? " " : "", PCI_ADDRESS_ARGUMENTS(f->Address));
        assert_true(length < sizeof(names));
    }
    return names;
}

static PPCI_FUNCTION First(void)
{
    assert_false(IsListEmpty(&List));
    return CONTAINING_RECORD(List.Flink, PCI_FUNCTION, Links);
}

/* ---- what there is ---- */

static void AnEmptyBus(void **State)
{
    (void)State;
    assert_string_equal(Scan(), "");
}

static void FunctionsOfADevice(void **State)
{
    (void)State;
    Add(0, 3, 0, 0x11112222);
    Add(0, 3, 5, 0x11112222); /* function 0 does not say that there are more */
    Add(0, 7, 0, 0x11112222)->Bytes[0x0E] = PCI_MULTIFUNCTION;
    Add(0, 7, 2, 0x11112222);
    Add(0, 7, 7, 0x11112222);
    Add(0, 9, 1, 0x11112222); /* no function 0: no device */
    assert_string_equal(Scan(), "00:03.0 00:07.0 00:07.2 00:07.7");
}

static void BusesBehindBridges(void **State)
{
    (void)State;
    AddBridge(0, 1, 4);
    AddBridge(0, 2, 0); /* not set up */
    Add(0, 3, 0, 0x11112222);
    Add(4, 0, 0, 0x11112222);
    AddBridge(4, 31, 255);
    Add(255, 31, 0, 0x33334444);
    assert_string_equal(Scan(), "00:01.0 00:02.0 00:03.0 04:00.0 04:1f.0 ff:1f.0");
    assert_int_equal(CONTAINING_RECORD(List.Blink, PCI_FUNCTION, Links)->Bridge->Address.Bus, 4);
    assert_int_equal(CONTAINING_RECORD(List.Blink, PCI_FUNCTION, Links)->VendorId, 0x4444);
}

/* Bridges that lead to their own bus, back, and twice to the same one. */
static void BridgesInACircle(void **State)
{
    (void)State;
    AddBridge(0, 1, 5);
    AddBridge(0, 2, 5);
    AddBridge(5, 0, 5);
    AddBridge(5, 1, 6);
    AddBridge(6, 0, 5);
    assert_string_equal(Scan(), "00:01.0 00:02.0 05:00.0 05:01.0 06:00.0");
}

static void IdentityAndInterrupt(void **State)
{
    FAKE_FUNCTION *fake = Add(0, 2, 0, 0x11E81234);

    (void)State;
    Put(fake, 8, 4, 0x00FF0110);
    Put(fake, 0x2C, 4, 0x11001AF4);
    Put(fake, 0x3C, 2, 0x020B);
    Scan();
    assert_int_equal(First()->VendorId, 0x1234);
    assert_int_equal(First()->DeviceId, 0x11E8);
    assert_int_equal(First()->Revision, 0x10);
    assert_int_equal(First()->ProgIf, 0x01);
    assert_int_equal(First()->SubClass, 0xFF);
    assert_int_equal(First()->Class, 0);
    assert_int_equal(First()->SubVendorId, 0x1AF4);
    assert_int_equal(First()->SubSystemId, 0x1100);
    assert_int_equal(First()->Line, 11);
    assert_int_equal(First()->Pin, 2);
    fake->Bytes[0x3D] = 5; /* there are four pins */
    Scan();
    assert_int_equal(First()->Pin, 0);
}

/* ---- BARs ---- */

static void CheckBar(ULONG Index, PCI_BAR_KIND Kind, ULONG64 Address, ULONG64 Length)
{
    const PCI_BAR *bar = &First()->Bars[Index];

    assert_int_equal(bar->Kind, Kind);
    assert_int_equal(bar->Range.Address, Address);
    assert_int_equal(bar->Range.Length, Length);
}

static void KindsOfBars(void **State)
{
    FAKE_FUNCTION *fake = Add(0, 2, 0, 0x11E81234);
    UCHAR before[256];

    (void)State;
    PutBar(fake, 0, 0xFEA00000, 0xFFF00000); /* 1 MiB */
    PutBar(fake, 1, 0xC001, 0xFFE0);         /* 32 ports, 16 address bits */
    PutBar(fake, 2, 0x0000000C, 0xFFFFC000); /* 64 bits, prefetchable, 16 KiB */
    PutBar(fake, 3, 0x000000E0, 0xFFFFFFFF); /* ... its upper half */
    PutBar(fake, 4, 0, 0);                   /* none */
    PutBar(fake, 5, 0x00000001, 0xFFFFFF00); /* 256 ports, not assigned */
    memcpy(before, fake->Bytes, sizeof(before));
    Scan();
    CheckBar(0, PciBarMemory32, 0xFEA00000, 0x100000);
    CheckBar(1, PciBarIo, 0xC000, 0x20);
    CheckBar(2, PciBarMemory64, 0xE000000000, 0x4000);
    assert_true(First()->Bars[2].Prefetchable && !First()->Bars[0].Prefetchable);
    CheckBar(3, PciBarNone, 0, 0);
    CheckBar(4, PciBarNone, 0, 0);
    CheckBar(5, PciBarIo, 0, 0x100);
    assert_memory_equal(before, fake->Bytes, sizeof(before)); /* all is as it was */
    assert_false(DecodedAllOnes);
}

static void LargeBar(void **State)
{
    FAKE_FUNCTION *fake = Add(0, 2, 0, 0x11E81234);

    (void)State;
    PutBar(fake, 0, 0x00000004, 0x00000000); /* 8 GiB: no bit of the lower half */
    PutBar(fake, 1, 0x00000008, 0xFFFFFFFE);
    Scan();
    CheckBar(0, PciBarMemory64, 0x800000000, 0x200000000);
}

/* Half a BAR, an unwritable one, and holes in the mask: nothing but a smaller length or none. */
static void BrokenBars(void **State)
{
    FAKE_FUNCTION *fake = Add(0, 2, 0, 0x11E81234);

    (void)State;
    PutBar(fake, 5, 0xFEA00004, 0xFFFFF000); /* 64 bits, and no register behind it */
    PutBar(fake, 0, 0xFEB00000, 0);          /* an address that cannot be written */
    PutBar(fake, 1, 0xFEC00000, 0xF0F00000);
    Scan();
    CheckBar(5, PciBarNone, 0, 0);
    CheckBar(0, PciBarMemory32, 0xFEB00000, 0x100000);
    CheckBar(1, PciBarMemory32, 0xFEC00000, 0x100000);
}

/* Its two BARs are a bridge's; what follows are bus numbers and windows. */
static void WindowsOfABridge(void **State)
{
    FAKE_FUNCTION *bridge = AddBridge(0, 1, 1);

    (void)State;
    PutBar(bridge, 0, 0xFEA00000, 0xFFFFF000);
    memset(bridge->Writable + 0x18, 0xFF, 0x18);
    Put(bridge, 0x1C, 2, 0x7060);     /* 6000 to 7fff */
    Put(bridge, 0x20, 4, 0xC110C100); /* c1000000 to c11fffff */
    Put(bridge, 0x24, 4, 0x00010001); /* 64 bits */
    Put(bridge, 0x28, 4, 0xE0);
    Put(bridge, 0x2C, 4, 0xE1);
    Scan();
    CheckBar(0, PciBarMemory32, 0xFEA00000, 0x1000);
    CheckBar(2, PciBarNone, 0, 0);
    assert_int_equal(First()->Windows.Io.Address, 0x6000);
    assert_int_equal(First()->Windows.Io.Length, 0x2000);
    assert_int_equal(First()->Windows.Memory.Address, 0xC1000000);
    assert_int_equal(First()->Windows.Memory.Length, 0x200000);
    assert_int_equal(First()->Windows.Prefetchable.Address, 0xE000000000);
    assert_int_equal(First()->Windows.Prefetchable.Length, 0x100100000);
    assert_int_equal(First()->SecondaryBus, 1);

    Put(bridge, 0x1C, 2, 0x6171); /* 32 bits of ports: 17000 and above to 26fff */
    Put(bridge, 0x30, 4, 0x00020001);
    Put(bridge, 0x20, 4, 0x0000FFF0); /* the limit below the base: closed */
    Scan();
    assert_int_equal(First()->Windows.Io.Address, 0x17000);
    assert_int_equal(First()->Windows.Io.Length, 0x10000);
    assert_int_equal(First()->Windows.Memory.Length, 0);
}

/* Memory lies behind the host bridge: its decoding is never touched. */
static void TheHostBridgeIsLeftAlone(void **State)
{
    FAKE_FUNCTION *host = Add(0, 0, 0, 0x29C08086);

    (void)State;
    host->Bytes[0x0B] = PCI_CLASS_BRIDGE_DEV;
    PutBar(host, 0, 0xFEA00000, 0xFFFFF000);
    Scan();
    CheckBar(0, PciBarNone, 0, 0);
}

/* ---- capabilities ---- */

static void Capabilities(void **State)
{
    FAKE_FUNCTION *fake = Add(0, 2, 0, 0x11E81234);

    (void)State;
    fake->Bytes[0x34] = 0x40;
    Put(fake, 0x40, 2, 0x5009); /* vendor-specific, next 0x50 */
    Put(fake, 0x50, 2, 0x6305); /* MSI, next 0x60 with reserved bits */
    Put(fake, 0x60, 2, 0x0011);
    Scan();
    assert_int_equal(First()->MsiOffset, 0); /* the status register says that there is no list */
    fake->Bytes[6] = PCI_STATUS_CAPABILITIES_LIST;
    Scan();
    assert_int_equal(First()->MsiOffset, 0x50);
    assert_int_equal(First()->MsiXOffset, 0x60);
    assert_int_equal(IopPciFindCapability(fake->Address, 0x10), 0);
}

/* Whatever the bytes are: the walk ends, and stays inside. */
static void BrokenCapabilityLists(void **State)
{
    FAKE_FUNCTION *fake = Add(0, 2, 0, 0x11E81234);

    (void)State;
    fake->Bytes[6] = PCI_STATUS_CAPABILITIES_LIST;
    fake->Bytes[0x34] = 0x40;
    Put(fake, 0x40, 2, 0x4009); /* leads to itself */
    assert_int_equal(IopPciFindCapability(fake->Address, 5), 0);
    Put(fake, 0x40, 2, 0x2009); /* leads into the header */
    assert_int_equal(IopPciFindCapability(fake->Address, 5), 0);
    for (ULONG round = 0; round < 3000; round++) {
        for (ULONG i = 0x34; i < 256; i++)
            fake->Bytes[i] = (UCHAR)HostRandom();
        for (ULONG id = 0; id < 256; id++) {
            ULONG offset = IopPciFindCapability(fake->Address, (UCHAR)id);

            assert_true(offset == 0 || (offset >= 0x40 && fake->Bytes[offset] == id));
        }
        Accesses = 0;
    }
}

/* Random headers: a scan ends, and leaves every byte as it was. */
static void RandomHeaders(void **State)
{
    (void)State;
    for (ULONG round = 0; round < 2000; round++) {
        UCHAR before[8][256];

        FunctionCount = 0;
        for (ULONG f = 0; f < 8; f++) {
            FAKE_FUNCTION *fake = Add((UCHAR)(f < 4 ? 0 : HostRandomBelow(4)),
                                      (UCHAR)HostRandomBelow(32), 0, 0x00011234);

            for (ULONG i = 4; i < 256; i++)
                fake->Bytes[i] = (UCHAR)HostRandom();
            for (ULONG i = 0x10; i < 0x28; i++)
                fake->Writable[i] = (UCHAR)HostRandom();
            fake->Bytes[0x0E] &= 0x83;
            memcpy(before[f], fake->Bytes, 256);
        }
        Accesses = 0;
        Scan();
        for (ULONG f = 0; f < 8; f++)
            assert_memory_equal(before[f], Functions[f].Bytes, 256);
    }
}

/* ---- messages ---- */

static ULONG Get(const FAKE_FUNCTION *Function, ULONG Offset, ULONG Bytes)
{
    ULONG value = 0;

    memcpy(&value, Function->Bytes + Offset, Bytes);
    return value;
}

/* A function with one capability at 0x40 whose registers can all be written. */
static FAKE_FUNCTION *AddWithCapability(UCHAR Id, ULONG Control)
{
    FAKE_FUNCTION *fake = Add(0, 2, 0, 0x11E81234);

    fake->Bytes[6] = PCI_STATUS_CAPABILITIES_LIST;
    fake->Bytes[0x34] = 0x40;
    Put(fake, 0x40, 2, Id);
    Put(fake, 0x42, 2, Control);
    memset(fake->Writable + 0x42, 0xFF, 0x20);
    return fake;
}

static void Msi(void **State)
{
    static const ARCH_MESSAGE message = {.Address = 0x1FEE03000ull, .Data = 0x48};

    (void)State;
    for (ULONG wide = 0; wide < 2; wide++) {
        FAKE_FUNCTION *fake;

        FunctionCount = 0;
        fake = AddWithCapability(PCI_CAPABILITY_ID_MSI, wide ? 0x86 : 0x06); /* 8 messages */
        Scan();
        assert_int_equal(IopPciMessageCount(First()), 8);
        assert_int_equal(IopPciEnableMessages(First(), &message, 4), STATUS_SUCCESS);
        assert_int_equal(Get(fake, 0x42, 2), (wide ? 0x86 : 0x06) | 0x20 | 1); /* four of them */
        assert_int_equal(Get(fake, 0x44, 4), 0xFEE03000);
        assert_int_equal(Get(fake, wide ? 0x4C : 0x48, 2), 0x48);
        if (wide)
            assert_int_equal(Get(fake, 0x48, 4), 1);
        assert_int_equal(Get(fake, 4, 2), 0x0407); /* the line is silent */
        IopPciDisableMessages(First());
        assert_int_equal(Get(fake, 0x42, 2) & 1, 0);
        assert_int_equal(Get(fake, 4, 2), 0x0007);
    }
    AddWithCapability(PCI_CAPABILITY_ID_MSI, 0x0E); /* 128 messages: nonsense */
    Functions[0] = Functions[FunctionCount - 1];
    FunctionCount = 1;
    Scan();
    assert_int_equal(IopPciMessageCount(First()), 1);
}

static void MsiX(void **State)
{
    static const ARCH_MESSAGE messages[] = {{0xFEE00000, 0x43}, {0xFEE01000, 0x44}};
    FAKE_FUNCTION *fake = AddWithCapability(PCI_CAPABILITY_ID_MSIX, 7); /* 8 messages */

    (void)State;
    PutBar(fake, 1, 0xFEB00000, 0xFFFFF000);
    Put(fake, 0x44, 4, 0x801); /* in BAR 1 */
    memset(Table, 0xA5, sizeof(Table));
    Scan();
    assert_int_equal(IopPciMessageCount(First()), 8);
    assert_int_equal(IopPciEnableMessages(First(), messages, 2), STATUS_SUCCESS);
    assert_int_equal(Get(fake, 0x42, 2), 0x8007);
    for (ULONG n = 0; n < 2; n++) {
        assert_int_equal(Table[4 * n], messages[n].Address);
        assert_int_equal(Table[4 * n + 1], 0);
        assert_int_equal(Table[4 * n + 2], messages[n].Data);
        assert_int_equal(Table[4 * n + 3] & 1, 0);
    }
    for (ULONG n = 2; n < 8; n++)
        assert_int_equal(Table[4 * n + 3] & 1, 1); /* masked */
    IopPciDisableMessages(First());
    assert_int_equal(Get(fake, 0x42, 2), 0x0007);

    Put(fake, 0x44, 4, 0xF89); /* the table's end is outside */
    assert_int_equal(IopPciEnableMessages(First(), messages, 2), STATUS_DEVICE_CONFIGURATION_ERROR);
    Put(fake, 0x44, 4, 0x800); /* BAR 0 is none */
    assert_int_equal(IopPciEnableMessages(First(), messages, 2), STATUS_DEVICE_CONFIGURATION_ERROR);
    Put(fake, 0x44, 4, 0x807); /* there is no BAR 7 */
    assert_int_equal(IopPciEnableMessages(First(), messages, 2), STATUS_DEVICE_CONFIGURATION_ERROR);
}

/* ---- for drivers ---- */

static void BytesForDrivers(void **State)
{
    FAKE_FUNCTION *fake = Add(2, 5, 3, 0x11E81234);
    PCI_SLOT_NUMBER slot = {.u.bits = {.DeviceNumber = 5, .FunctionNumber = 3}};
    UCHAR buffer[300];

    (void)State;
    for (ULONG i = 4; i < 256; i++)
        fake->Bytes[i] = (UCHAR)(i * 7);
    for (ULONG offset = 0; offset < 9; offset++) {
        for (ULONG length = 0; length < 9; length++) {
            memset(buffer, 0xA5, sizeof(buffer));
            assert_int_equal(
                HalGetBusDataByOffset(PCIConfiguration, 2, slot.u.AsULONG, buffer, offset, length),
                length);
            assert_memory_equal(buffer, fake->Bytes + offset, length);
            assert_int_equal(buffer[length], 0xA5);
        }
    }
    assert_int_equal(HalGetBusDataByOffset(PCIConfiguration, 2, 0, buffer, 0, 64), 2);
    assert_true(buffer[0] == 0xFF && buffer[1] == 0xFF);
    assert_int_equal(HalGetBusDataByOffset(PCIConfiguration, 256, 0, buffer, 0, 64), 0);
    assert_int_equal(HalGetBusDataByOffset(PCIConfiguration, 2, slot.u.AsULONG, buffer, 4090, 64),
                     6);

    memset(fake->Writable + 0x41, 0xFF, 3);
    assert_int_equal(HalSetBusDataByOffset(PCIConfiguration, 2, slot.u.AsULONG, "abc", 0x41, 3), 3);
    assert_memory_equal(fake->Bytes + 0x41, "abc", 3);
    assert_int_equal(HalSetBusDataByOffset(PCIConfiguration, 2, 0, "abc", 0x41, 3), 0);
    EXPECT_BUGCHECK(DRIVER_VERIFIER_DETECTED_VIOLATION, RULE_IRQL_KE_DISPATCH_LTE,
                    HostIrql = CLOCK_LEVEL;
                    HalGetBusDataByOffset(PCIConfiguration, 2, 0, buffer, 0, 1));
    HostIrql = PASSIVE_LEVEL;
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, Prepare, Clean)
    const struct CMUnitTest tests[] = {
        CASE(AnEmptyBus),
        CASE(FunctionsOfADevice),
        CASE(BusesBehindBridges),
        CASE(BridgesInACircle),
        CASE(IdentityAndInterrupt),
        CASE(KindsOfBars),
        CASE(LargeBar),
        CASE(BrokenBars),
        CASE(WindowsOfABridge),
        CASE(Capabilities),
        CASE(TheHostBridgeIsLeftAlone),
        CASE(BrokenCapabilityLists),
        CASE(RandomHeaders),
        CASE(Msi),
        CASE(MsiX),
        CASE(BytesForDrivers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
