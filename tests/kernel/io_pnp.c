/*
 * Plug and play: how devices and drivers come together and apart. The driver testpnp is for the
 * real-time clock, which every machine has, and for all devices edu; its log has one letter for
 * each call: A AddDevice, S start, Q query remove, C cancel, X surprise, R remove, U Unload.
 */
#define SUITE "io.pnp"
#include "suite.h"
#include "testdriver.h"
#include "pcitool.h"
#include "io/iop.h"
#include "pnp.h"
#include "../drivers/testpnp/testpnp.h"

#define CLOCK "PNP0B00"

static PTESTPNP_STATE State; /* the driver's; found when it is loaded for the first time */
static ULONG DeviceCount;    /* that it gets */
static MM_INFORMATION Before;

static PPNP_NODE FindNode(PCSTR Name)
{
    PPNP_NODE node;

    IopBeginPnp();
    node = IopNextNode(NULL);
    while (node && strcmp(node->Name, Name) != 0)
        node = IopNextNode(node);
    IopEndPnp();
    return node;
}

static VOID ResetLog(VOID)
{
    memset(State->Log, 0, sizeof(State->Log));
    State->Calls = State->Queries = 0;
}

/* Loaded once to find its state, unloaded again, and the state made that of a willing driver. */
static BOOLEAN Prepare(VOID)
{
    if (!State) {
        PDRIVER_OBJECT driver;

        CHECK_EQUAL(IopLoadDriver("testpnp"), STATUS_SUCCESS);
        driver = KtFindDriver("testpnp");
        if (!CHECK(driver && driver->DeviceObject))
            return FALSE;
        State = ((PTESTPNP_EXTENSION)driver->DeviceObject->DeviceExtension)->State;
        CHECK_EQUAL(IopUnloadDriver("testpnp"), STATUS_SUCCESS);
    }
    DeviceCount = 1;
    while (KtFindPci(EDU_VENDOR, EDU_DEVICE, DeviceCount - 1))
        DeviceCount++;
    ResetLog();
    State->StartStatus = STATUS_SUCCESS;
    State->RefuseFrom = 0;
    KtDriver();
    MmQueryInformation(&Before);
    return TRUE;
}

static VOID CheckMemory(VOID)
{
    MM_INFORMATION after;

    MmQueryInformation(&after);
    CHECK_EQUAL(after.PoolBlocks[0], Before.PoolBlocks[0]);
    CHECK_EQUAL(after.PoolBytes[0], Before.PoolBytes[0]);
}

/* Is the log First for each device, then Second for each device, then Rest? */
static BOOLEAN LogIs(PCSTR First, PCSTR Second, PCSTR Rest)
{
    CHAR expected[sizeof(State->Log)] = "";
    SIZE_T length = 0;

    for (ULONG n = 0; n < 2 * DeviceCount; n++)
        length += (SIZE_T)RtlStringPrint(expected + length, sizeof(expected) - length, "%s",
                                         n < DeviceCount ? First : Second);
    RtlStringPrint(expected + length, sizeof(expected) - length, "%s", Rest);
    if (strcmp(State->Log, expected) == 0)
        return TRUE;
    DbgPrint("the log is %s and not %s\n", State->Log, expected);
    return FALSE;
}

/* AddDevice and START once for each device; at the end the devices go first, then the driver. */
TEST(T_DRIVER_3_each_device)
{
    if (!Prepare())
        return;
    CHECK_EQUAL(IopLoadDriver("testpnp"), STATUS_SUCCESS);
    CHECK(LogIs("AS", "", ""));
    for (ULONG n = 0; n < DeviceCount; n++) {
        PTESTPNP_EXTENSION extension = State->Devices[n]->DeviceExtension;

        CHECK_EQUAL(extension->StartIrql, PASSIVE_LEVEL);
        CHECK_EQUAL(extension->LowerStatus, STATUS_SUCCESS);
        CHECK_EQUAL(extension->PhysicalDevice->AttachedDevice, State->Devices[n]);
        for (ULONG other = 0; other < n; other++)
            CHECK(State->Devices[other]->DeviceObjectExtension->AttachedTo !=
                  extension->PhysicalDevice);
    }
    ResetLog();
    CHECK_EQUAL(IopUnloadDriver("testpnp"), STATUS_SUCCESS);
    CHECK(LogIs("Q", "R", "U")); /* all are asked before one is taken */
    CheckMemory();
}

/* The device that stands on a physical one. */
static PTESTPNP_EXTENSION ExtensionOf(PCSTR Name)
{
    PPNP_NODE node = FindNode(Name);

    return node && node->PhysicalDevice->AttachedDevice
               ? node->PhysicalDevice->AttachedDevice->DeviceExtension
               : NULL;
}

TEST(resources_of_the_clock)
{
    PTESTPNP_EXTENSION extension;
    ARCH_LINE line;

    if (!Prepare())
        return;
    CHECK_EQUAL(IopLoadDriver("testpnp"), STATUS_SUCCESS);
    extension = ExtensionOf(CLOCK);
    if (CHECK(extension != NULL)) {
        CHECK_EQUAL(ArchIsaLine(8, &line), STATUS_SUCCESS);
        CHECK_EQUAL(extension->Interface, Isa);
        CHECK_EQUAL(extension->RawCount, 2);
        CHECK_EQUAL(extension->TranslatedCount, 2);
        CHECK_EQUAL(extension->Raw[0].Type, CmResourceTypePort);
        CHECK_EQUAL(extension->Raw[0].u.Port.Start.QuadPart, 0x70);
        CHECK_EQUAL(extension->Raw[0].u.Port.Length, 2);
        CHECK_EQUAL(extension->Raw[1].Type, CmResourceTypeInterrupt);
        CHECK_EQUAL(extension->Raw[1].u.Interrupt.Level, 8);
        CHECK_EQUAL(extension->Translated[1].Flags, CM_RESOURCE_INTERRUPT_LATCHED);
        CHECK_EQUAL(extension->Translated[1].u.Interrupt.Vector, line.Vector);
        CHECK_EQUAL(extension->Translated[1].u.Interrupt.Level, VECTOR_IRQL(line.Vector));
        CHECK_EQUAL(extension->Translated[1].u.Interrupt.Affinity, KeQueryActiveProcessors());
    }
    CHECK_EQUAL(IopUnloadDriver("testpnp"), STATUS_SUCCESS);
    CheckMemory();
}

/* The driver's INF file asks for messages. */
TEST(resources_of_edu)
{
    PPCI_FUNCTION function = KtFindPci(EDU_VENDOR, EDU_DEVICE, 0);
    PTESTPNP_EXTENSION extension;
    CHAR name[16];

    if (!Prepare())
        return;
    if (!function) {
        KtSkip("the machine has no device edu");
        return;
    }
    RtlStringPrint(name, sizeof(name), PCI_ADDRESS_FORMAT,
                   PCI_ADDRESS_ARGUMENTS(function->Address));
    CHECK_EQUAL(IopLoadDriver("testpnp"), STATUS_SUCCESS);
    extension = ExtensionOf(name);
    if (CHECK(extension != NULL)) {
        CHECK_EQUAL(extension->Interface, PCIBus);
        CHECK_EQUAL(extension->RawCount, 2);
        CHECK_EQUAL(extension->TranslatedCount, 2);
        CHECK_EQUAL(extension->Translated[0].Type, CmResourceTypeMemory);
        CHECK_EQUAL(extension->Translated[0].u.Memory.Start.QuadPart,
                    function->Bars[0].Range.Address);
        CHECK_EQUAL(extension->Translated[0].u.Memory.Length, 0x100000);
        CHECK_EQUAL(extension->Raw[1].Flags,
                    CM_RESOURCE_INTERRUPT_LATCHED | CM_RESOURCE_INTERRUPT_MESSAGE);
        CHECK_EQUAL(extension->Raw[1].u.MessageInterrupt.Raw.MessageCount, 1);
        CHECK_EQUAL(extension->Translated[1].Flags, extension->Raw[1].Flags);
        CHECK_EQUAL(extension->Translated[1].u.MessageInterrupt.Translated.Level,
                    VECTOR_IRQL(extension->Translated[1].u.MessageInterrupt.Translated.Vector));
    }
    CHECK_EQUAL(IopUnloadDriver("testpnp"), STATUS_SUCCESS);
    CheckMemory();
}

/* One device refuses: those that were asked before it are told, and all goes on. */
TEST(T_DRIVER_4_a_device_refuses)
{
    if (!Prepare())
        return;
    CHECK_EQUAL(IopLoadDriver("testpnp"), STATUS_SUCCESS);
    ResetLog();
    State->RefuseFrom = DeviceCount;
    CHECK_EQUAL(IopUnloadDriver("testpnp"), STATUS_DEVICE_BUSY);
    CHECK(LogIs("Q", "C", ""));
    CHECK(KtFindDriver("testpnp") != NULL);
    State->RefuseFrom = 0;
    CHECK_EQUAL(IopUnloadDriver("testpnp"), STATUS_SUCCESS);
    CheckMemory();
}

/* A device that does not start is removed, and the driver with it when it has no other. */
TEST(a_device_does_not_start)
{
    if (!Prepare())
        return;
    State->StartStatus = STATUS_DEVICE_CONFIGURATION_ERROR;
    CHECK_EQUAL(IopLoadDriver("testpnp"), STATUS_DEVICE_CONFIGURATION_ERROR);
    CHECK(LogIs("ASR", "", "U"));
    CHECK_EQUAL(KtFindDriver("testpnp"), NULL);
    CheckMemory();
    ResetLog();
    State->StartStatus = STATUS_SUCCESS;
    CHECK_EQUAL(IopLoadDriver("testpnp"), STATUS_SUCCESS);
    CHECK(LogIs("AS", "", ""));
    CHECK_EQUAL(IopUnloadDriver("testpnp"), STATUS_SUCCESS);
    CheckMemory();
}

TEST(removal_of_one_device)
{
    PPNP_NODE node;

    if (!Prepare())
        return;
    CHECK_EQUAL(IopRemoveDevice("nobody", FALSE), STATUS_NO_SUCH_DEVICE);
    CHECK_EQUAL(IopRemoveDevice(CLOCK, FALSE), STATUS_INVALID_DEVICE_REQUEST); /* it is idle */
    CHECK_EQUAL(IopLoadDriver("testpnp"), STATUS_SUCCESS);
    node = FindNode(CLOCK);
    CHECK(node && node->Driver != NULL);
    ResetLog();
    State->RefuseFrom = 1;
    CHECK_EQUAL(IopRemoveDevice(CLOCK, FALSE), STATUS_DEVICE_BUSY);
    CHECK(LogIs("", "", "QC"));
    CHECK(node->PhysicalDevice->AttachedDevice != NULL);
    State->RefuseFrom = 0;
    ResetLog();
    CHECK_EQUAL(IopRemoveDevice(CLOCK, FALSE), STATUS_SUCCESS);
    CHECK(LogIs("", "", "QR"));
    CHECK(node->PhysicalDevice->AttachedDevice == NULL && node->Driver == NULL);
    CHECK(KtFindDriver("testpnp") != NULL);
    CHECK_EQUAL(IopRemoveDevice(CLOCK, FALSE), STATUS_INVALID_DEVICE_REQUEST);
    CHECK_EQUAL(IopUnloadDriver("testpnp"), STATUS_SUCCESS);
    CheckMemory();
}

static HANDLE OpenDevice(PTESTPNP_EXTENSION Extension)
{
    WCHAR text[] = L"\\Device\\TestPnp0";
    UNICODE_STRING name = RTL_CONSTANT_STRING(text);
    OBJECT_ATTRIBUTES attributes;
    IO_STATUS_BLOCK block;
    HANDLE handle = NULL;

    text[ARRAYSIZE(text) - 2] = (WCHAR)('0' + Extension->Number);
    InitializeObjectAttributes(&attributes, &name, OBJ_KERNEL_HANDLE, NULL, NULL);
    CHECK_EQUAL(ZwCreateFile(&handle, FILE_READ_DATA, &attributes, &block, NULL,
                             FILE_ATTRIBUTE_NORMAL, 0, FILE_OPEN, 0, NULL, 0),
                STATUS_SUCCESS);
    return handle;
}

/* An open handle keeps a device from being removed; after a surprise it is removed behind it. */
TEST(removal_and_open_handles)
{
    PTESTPNP_EXTENSION extension;
    HANDLE handle;

    if (!Prepare())
        return;
    CHECK_EQUAL(IopLoadDriver("testpnp"), STATUS_SUCCESS);
    extension = ExtensionOf(CLOCK);
    if (!CHECK(extension != NULL))
        return;
    handle = OpenDevice(extension);
    ResetLog();
    CHECK_EQUAL(IopRemoveDevice(CLOCK, FALSE), STATUS_DEVICE_BUSY);
    CHECK(LogIs("", "", ""));
    CHECK_EQUAL(IopRemoveDevice(CLOCK, TRUE), STATUS_PENDING);
    CHECK(LogIs("", "", "X"));
    CHECK_EQUAL(IopRemoveDevice(CLOCK, TRUE), STATUS_DEVICE_BUSY);
    CHECK_EQUAL(IopUnloadDriver("testpnp"), STATUS_DEVICE_BUSY);
    ZwClose(handle);
    CHECK_EQUAL(IopRemoveDevice(CLOCK, TRUE), STATUS_SUCCESS);
    CHECK(LogIs("", "", "XR"));
    CHECK_EQUAL(IopUnloadDriver("testpnp"), STATUS_SUCCESS);
    CheckMemory();
}

/* What one driver has, another one does not get. */
TEST(a_device_has_one_driver)
{
    if (!Prepare())
        return;
    CHECK_EQUAL(IopLoadDriver("testpnp"), STATUS_SUCCESS);
    CHECK_EQUAL(IopLoadDriver("rtc"), STATUS_DEVICE_DOES_NOT_EXIST);
    CHECK_EQUAL(KtFindDriver("rtc"), NULL);
    CHECK_EQUAL(IopUnloadDriver("testpnp"), STATUS_SUCCESS);
    CHECK_EQUAL(IopLoadDriver("rtc"), STATUS_SUCCESS);
    ResetLog();
    CHECK_EQUAL(IopUnloadDriver("rtc"), STATUS_SUCCESS);
    CheckMemory();
}

/* The option device=NAME:ID says what an INF file would say: testtool gets the second serial port.
 */
TEST(option_device)
{
    PCSTR option = KiGetOption("device");
    PTESTTOOL_EXTENSION extension;
    PPNP_NODE node;

    if (!option || strcmp(option, "testtool:ACPI\\PNP0501") != 0) {
        KtSkip("needs the option device=testtool:ACPI\\PNP0501");
        return;
    }
    CHECK_EQUAL(IopLoadDriver("testtool"), STATUS_SUCCESS);
    node = FindNode("PNP0501");
    extension = KtToolExtension();
    if (CHECK(node && extension))
        CHECK_EQUAL(extension->PhysicalDevice, node->PhysicalDevice);
    CHECK_EQUAL(IopUnloadDriver("testtool"), STATUS_SUCCESS);
    CHECK(node->Driver == NULL);
}

/* Whichever allocation fails while devices are added and started, nothing is left behind. */
TEST(T_DRIVER_2_every_failure_of_a_device)
{
    if (!Prepare())
        return;
    for (ULONG n = 1; n < 16; n++) {
        NTSTATUS status;

        ExpFailEvery = n;
        status = IopLoadDriver("testpnp");
        ExpFailEvery = 0;
        if (NT_SUCCESS(status))
            CHECK_EQUAL(IopUnloadDriver("testpnp"), STATUS_SUCCESS);
        CHECK_EQUAL(KtFindDriver("testpnp"), NULL);
        for (ULONG device = 0; device < ARRAYSIZE(State->Devices); device++)
            CHECK(State->Devices[device] == NULL);
        CheckMemory();
    }
}

/* ---- what the bus does ---- */

static NTSTATUS SendToBus(PDEVICE_OBJECT PhysicalDevice, UCHAR Major, UCHAR Minor, PVOID Buffer,
                          ULONG Length, PULONG_PTR Information)
{
    IO_STATUS_BLOCK block = {.Status = STATUS_PENDING};
    KEVENT event;
    PIRP irp;
    PIO_STACK_LOCATION next;

    KeInitializeEvent(&event, NotificationEvent, FALSE);
    irp = IoBuildSynchronousFsdRequest(IRP_MJ_PNP, PhysicalDevice, NULL, 0, NULL, &event, &block);
    if (!CHECK(irp != NULL))
        return STATUS_INSUFFICIENT_RESOURCES;
    next = IoGetNextIrpStackLocation(irp);
    next->MajorFunction = Major;
    next->MinorFunction = Minor;
    next->Parameters.ReadWriteConfig.WhichSpace = PCI_WHICHSPACE_CONFIG;
    next->Parameters.ReadWriteConfig.Buffer = Buffer;
    next->Parameters.ReadWriteConfig.Offset = 0;
    next->Parameters.ReadWriteConfig.Length = Length;
    irp->IoStatus.Status = STATUS_NOT_SUPPORTED;
    if (IoCallDriver(PhysicalDevice, irp) == STATUS_PENDING)
        KeWaitForSingleObject(&event, Executive, KernelMode, FALSE, NULL);
    *Information = block.Information;
    return block.Status;
}

TEST(requests_to_the_bus)
{
    PPCI_FUNCTION function = CONTAINING_RECORD(IopPciFunctions.Flink, PCI_FUNCTION, Links);
    PCI_COMMON_HEADER header = {0};
    ULONG_PTR information = 0;
    PPNP_NODE clock = FindNode(CLOCK), host = FindNode("00:00.0");

    if (!CHECK(clock && host))
        return;
    CHECK_EQUAL(SendToBus(host->PhysicalDevice, IRP_MJ_PNP, IRP_MN_READ_CONFIG, &header,
                          sizeof(header), &information),
                STATUS_SUCCESS);
    CHECK_EQUAL(information, sizeof(header));
    CHECK_EQUAL(header.VendorID, function->VendorId);
    CHECK_EQUAL(SendToBus(clock->PhysicalDevice, IRP_MJ_PNP, IRP_MN_READ_CONFIG, &header,
                          sizeof(header), &information),
                STATUS_INVALID_DEVICE_REQUEST); /* it has no such space */
    CHECK_EQUAL(SendToBus(clock->PhysicalDevice, IRP_MJ_PNP, IRP_MN_QUERY_PNP_DEVICE_STATE, NULL, 0,
                          &information),
                STATUS_NOT_SUPPORTED); /* as it came */
    CHECK_EQUAL(
        SendToBus(clock->PhysicalDevice, IRP_MJ_POWER, IRP_MN_SET_POWER, NULL, 0, &information),
        STATUS_SUCCESS);
    CHECK_EQUAL(
        SendToBus(clock->PhysicalDevice, IRP_MJ_POWER, IRP_MN_WAIT_WAKE, NULL, 0, &information),
        STATUS_NOT_SUPPORTED);
}
