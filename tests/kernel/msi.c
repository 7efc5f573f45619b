/*
 * Message-signaled interrupts, with the devices edu (MSI, one message) and e1000e (MSI-X, five).
 * Both raise an interrupt when a register is written.
 */
#define SUITE "msi"
#include "suite.h"
#include "pcitool.h"
#include "testdriver.h"
#include "io.h"
#include "io/iop.h"

static PUCHAR Registers;
static volatile LONG Calls, LineCalls;
static volatile ULONG LastMessage, LastProcessor;
static volatile KIRQL LastIrql;
static PVOID LastContext;

static ULONG ReadEdu(ULONG Offset)
{
    return READ_REGISTER_ULONG((PULONG)(Registers + Offset));
}

static VOID WriteEdu(ULONG Offset, ULONG Value)
{
    WRITE_REGISTER_ULONG((PULONG)(Registers + Offset), Value);
}

static VOID Note(PVOID Context, ULONG MessageId)
{
    LastMessage = MessageId;
    LastContext = Context;
    LastProcessor = KeGetCurrentProcessorIndex();
    LastIrql = KeGetCurrentIrql();
}

static BOOLEAN EduMessage(UNUSED PKINTERRUPT Interrupt, PVOID Context, ULONG MessageId)
{
    ULONG causes = ReadEdu(EDU_STATUS);

    if (causes == 0)
        return FALSE;
    WriteEdu(EDU_CLEAR, causes);
    Note(Context, MessageId);
    InterlockedIncrement(&Calls);
    return TRUE;
}

SERVICE_ROUTINE(EduLine)
{
    ULONG causes = ReadEdu(EDU_STATUS);

    if (causes == 0)
        return FALSE;
    WriteEdu(EDU_CLEAR, causes);
    Note(Context, MAXULONG);
    InterlockedIncrement(&LineCalls);
    return TRUE;
}

/* A device object that stands for a function, with messages or with the line. */
static PDEVICE_OBJECT MakeDevice(PPCI_FUNCTION Function, ULONG Messages)
{
    PDEVICE_OBJECT device = NULL;

    CHECK_EQUAL(IoCreateDevice(KtDriver(), 0, NULL, FILE_DEVICE_UNKNOWN, 0, FALSE, &device),
                STATUS_SUCCESS);
    if (Messages)
        CHECK_EQUAL(IopAssignMessages(device, Function, Messages), STATUS_SUCCESS);
    else
        IopSetDeviceVector(device, Function->Vector);
    return device;
}

static VOID RemoveDevice(PDEVICE_OBJECT Device)
{
    IopReleaseMessages(Device);
    IoDeleteDevice(Device);
}

static NTSTATUS Connect(PDEVICE_OBJECT Device, PVOID *Connection, PULONG Version,
                        PKMESSAGE_SERVICE_ROUTINE Routine, PKSERVICE_ROUTINE FallBack)
{
    IO_CONNECT_INTERRUPT_PARAMETERS parameters;
    NTSTATUS status;

    KtPoison(&parameters);
    parameters.Version = CONNECT_MESSAGE_BASED;
    parameters.MessageBased.PhysicalDeviceObject = Device;
    parameters.MessageBased.ConnectionContext.Generic = Connection;
    parameters.MessageBased.MessageServiceRoutine = Routine;
    parameters.MessageBased.ServiceContext = Device;
    parameters.MessageBased.SpinLock = NULL;
    parameters.MessageBased.SynchronizeIrql = PASSIVE_LEVEL;
    parameters.MessageBased.FloatingSave = FALSE;
    parameters.MessageBased.FallBackServiceRoutine = FallBack;
    status = IoConnectInterruptEx(&parameters);
    *Version = parameters.Version;
    return status;
}

static VOID Disconnect(PVOID Connection, ULONG Version)
{
    IO_DISCONNECT_INTERRUPT_PARAMETERS parameters = {.Version = Version,
                                                     .ConnectionContext.Generic = Connection};

    IoDisconnectInterruptEx(&parameters);
}

/* The device edu with its registers mapped, or NULL: the test is skipped. */
static PPCI_FUNCTION BeginEdu(VOID)
{
    PPCI_FUNCTION function = KtFindPci(EDU_VENDOR, EDU_DEVICE, 0);

    if (!function) {
        KtSkip("the machine has no device edu");
        return NULL;
    }
    Registers = KtMapPci(function);
    WriteEdu(EDU_CLEAR, MAXULONG);
    Calls = LineCalls = 0;
    return function;
}

/* The end of a test: nobody is called any more, then the device goes, then its registers. */
static VOID EndDevice(PPCI_FUNCTION Function, PDEVICE_OBJECT Device, PVOID Connection,
                      ULONG Version)
{
    if (Connection)
        Disconnect(Connection, Version);
    RemoveDevice(Device);
    KtUnmapPci(Function, Registers);
}

TEST(T_IoConnectInterruptEx_4)
{
    PPCI_FUNCTION function = BeginEdu();
    PIO_INTERRUPT_MESSAGE_INFO table = NULL;
    PDEVICE_OBJECT device;
    ULONG version;

    if (!function)
        return;
    device = MakeDevice(function, 8);
    CHECK_EQUAL(Connect(device, (PVOID *)&table, &version, EduMessage, EduLine), STATUS_SUCCESS);
    CHECK_EQUAL(version, CONNECT_MESSAGE_BASED);
    if (CHECK(table != NULL)) {
        CHECK_EQUAL(table->MessageCount, 1);
        CHECK_EQUAL(table->UnifiedIrql, VECTOR_IRQL(table->MessageInfo[0].Vector));
        CHECK_EQUAL(table->MessageInfo[0].Irql, table->UnifiedIrql);
        CHECK_EQUAL(table->MessageInfo[0].Mode, Latched);
        CHECK_EQUAL(table->MessageInfo[0].TargetProcessorSet, 1);
        WriteEdu(EDU_RAISE, 0x4000);
        CHECK(KtSpinUntil(&Calls, 1));
        CHECK_EQUAL(LastMessage, 0);
        CHECK_EQUAL(LastIrql, table->UnifiedIrql);
        CHECK_EQUAL((ULONG_PTR)LastContext, (ULONG_PTR)device);
        Disconnect(table, version);
        table = NULL;
    }
    WriteEdu(EDU_RAISE, 0x4000); /* neither the message nor the line calls anybody */
    KtStall(MILLISECONDS(2));
    CHECK_EQUAL(Calls, 1);
    CHECK_EQUAL(LineCalls, 0);
    WriteEdu(EDU_CLEAR, 0x4000);
    EndDevice(function, device, table, version);
}

/* A device that was given no messages: its line, if there is a routine for that. */
TEST(T_IoConnectInterruptEx_4_fallback)
{
    PPCI_FUNCTION function = BeginEdu();
    PKINTERRUPT interrupt = NULL;
    PDEVICE_OBJECT device;
    ULONG version;

    if (!function)
        return;
    device = MakeDevice(function, 0);
    CHECK_EQUAL(Connect(device, (PVOID *)&interrupt, &version, EduMessage, NULL), STATUS_NOT_FOUND);
    CHECK(interrupt == NULL);
    if (CHECK_EQUAL(Connect(device, (PVOID *)&interrupt, &version, EduMessage, EduLine),
                    STATUS_SUCCESS)) {
        CHECK_EQUAL(version, CONNECT_LINE_BASED);
        for (LONG n = 1; n <= 3; n++) {
            WriteEdu(EDU_RAISE, 1u << n);
            CHECK(KtSpinUntil(&LineCalls, n));
        }
        CHECK_EQUAL(Calls, 0);
        CHECK_EQUAL(LastIrql, VECTOR_IRQL(function->Vector));
        CHECK_EQUAL((ULONG_PTR)LastContext, (ULONG_PTR)device);
    }
    EndDevice(function, device, interrupt, version);
}

/* Two devices on one line: each routine answers for its own. */
TEST(two_devices_on_one_line)
{
    PPCI_FUNCTION first = KtFindPci(EDU_VENDOR, EDU_DEVICE, 0), second = NULL;
    PKINTERRUPT interrupts[2];
    PDEVICE_OBJECT devices[2];
    ULONG versions[2];

    for (ULONG n = 1; first && !second && KtFindPci(EDU_VENDOR, EDU_DEVICE, n); n++) {
        if (KtFindPci(EDU_VENDOR, EDU_DEVICE, n)->Vector == first->Vector)
            second = KtFindPci(EDU_VENDOR, EDU_DEVICE, n);
    }
    if (!second) {
        KtSkip("the machine has no two devices edu on one line");
        return;
    }
    BeginEdu();
    devices[0] = MakeDevice(second, 0);
    devices[1] = MakeDevice(first, 0);
    for (ULONG n = 0; n < 2; n++)
        CHECK_EQUAL(Connect(devices[n], (PVOID *)&interrupts[n], &versions[n], EduMessage, EduLine),
                    STATUS_SUCCESS);
    WriteEdu(EDU_RAISE, 1);
    CHECK(KtSpinUntil(&LineCalls, 1));
    for (ULONG n = 0; n < 2; n++) {
        Disconnect(interrupts[n], versions[n]);
        RemoveDevice(devices[n]);
    }
    KtUnmapPci(first, Registers);
}

/* While its vector is masked, a message that is pending already is not counted again. */
TEST(T_INT_9)
{
    PPCI_FUNCTION function = BeginEdu();
    PIO_INTERRUPT_MESSAGE_INFO table = NULL;
    PDEVICE_OBJECT device;
    ULONG version;

    if (!function)
        return;
    device = MakeDevice(function, 1);
    CHECK_EQUAL(Connect(device, (PVOID *)&table, &version, EduMessage, NULL), STATUS_SUCCESS);
    AT_IRQL(HIGH_LEVEL)
    {
        for (ULONG n = 0; n < 5; n++)
            WriteEdu(EDU_RAISE, 1u << n);
        CHECK_EQUAL(Calls, 0);
    }
    KtStall(MILLISECONDS(1));
    CHECK_EQUAL(Calls, 1);
    CHECK_EQUAL(ReadEdu(EDU_STATUS), 0); /* and the one call has seen all five causes */
    EndDevice(function, device, table, version);
}

TEST(inactive_messages)
{
    PPCI_FUNCTION function = BeginEdu();
    PIO_INTERRUPT_MESSAGE_INFO table = NULL;
    IO_REPORT_INTERRUPT_ACTIVE_STATE_PARAMETERS report;
    PDEVICE_OBJECT device;
    ULONG version;

    if (!function)
        return;
    device = MakeDevice(function, 1);
    CHECK_EQUAL(Connect(device, (PVOID *)&table, &version, EduMessage, NULL), STATUS_SUCCESS);
    report.Version = version;
    report.ConnectionContext.InterruptMessageTable = table;
    IoReportInterruptInactive(&report);
    WriteEdu(EDU_RAISE, 1);
    KtStall(MILLISECONDS(1));
    CHECK_EQUAL(Calls, 0);
    WriteEdu(EDU_CLEAR, 1);
    IoReportInterruptActive(&report);
    WriteEdu(EDU_RAISE, 1);
    CHECK(KtSpinUntil(&Calls, 1));
    EndDevice(function, device, table, version);
}

TEST(T_IoConnectInterruptEx_5_messages)
{
    DEVICE_MESSAGES two = {.Count = 2, .FirstVector = KT_VECTOR(5, 0)};
    IO_CONNECT_INTERRUPT_PARAMETERS parameters = {.Version = CONNECT_LINE_BASED};
    PKINTERRUPT interrupt = NULL;
    PDEVICE_OBJECT device = NULL;
    ULONG version;

    CHECK_EQUAL(IoCreateDevice(KtDriver(), 0, NULL, FILE_DEVICE_UNKNOWN, 0, FALSE, &device),
                STATUS_SUCCESS);
    CHECK_EQUAL(Connect(NULL, (PVOID *)&interrupt, &version, EduMessage, EduLine),
                STATUS_INVALID_PARAMETER);
    CHECK_EQUAL(Connect(device, (PVOID *)&interrupt, &version, EduMessage, EduLine),
                STATUS_NOT_FOUND); /* neither messages nor a line */
    device->DeviceObjectExtension->Messages = &two;
    CHECK_EQUAL(Connect(device, (PVOID *)&interrupt, &version, NULL, EduLine),
                STATUS_INVALID_PARAMETER);
    CHECK_EQUAL(Connect(device, NULL, &version, EduMessage, EduLine), STATUS_INVALID_PARAMETER);
    parameters.LineBased.PhysicalDeviceObject = device;
    parameters.LineBased.InterruptObject = &interrupt;
    parameters.LineBased.ServiceRoutine = EduLine;
    CHECK_EQUAL(IoConnectInterruptEx(&parameters), STATUS_INVALID_DEVICE_REQUEST);
    CHECK(interrupt == NULL);
    device->DeviceObjectExtension->Messages = NULL;
    IoDeleteDevice(device);
}

/* ---- vectors ---- */

/* All that there are, with nothing given out twice; then all of them are there again. */
TEST(vectors_are_given_out_once)
{
    static UCHAR vectors[LAST_DEVICE_VECTOR];
    BOOLEAN taken[LAST_DEVICE_VECTOR + 1] = {0};
    ULONG count = 0, again = 0;
    ARCH_LINE line;

    while ((vectors[count] = KiAllocateMessageVectors(1, FALSE)) != 0) {
        CHECK(vectors[count] >= FIRST_DEVICE_VECTOR && vectors[count] <= LAST_DEVICE_VECTOR);
        CHECK(!taken[vectors[count]]);
        CHECK_EQUAL(ArchLineOfVector(vectors[count], &line), STATUS_NOT_FOUND);
        taken[vectors[count]] = TRUE;
        count++;
    }
    CHECK_AT_LEAST(count, 90);
    for (ULONG n = 0; n < count; n++)
        KiFreeMessageVectors(vectors[n], 1);
    while ((vectors[again] = KiAllocateMessageVectors(1, FALSE)) != 0)
        again++;
    CHECK_EQUAL(again, count);
    for (ULONG n = 0; n < again; n++)
        KiFreeMessageVectors(vectors[n], 1);
}

TEST(runs_of_vectors)
{
    static const ULONG counts[] = {2, 4, 8};

    for (ULONG i = 0; i < ARRAYSIZE(counts); i++) {
        UCHAR aligned = KiAllocateMessageVectors(counts[i], TRUE);
        UCHAR other = KiAllocateMessageVectors(counts[i] - 1, FALSE);

        CHECK(aligned != 0 && aligned % counts[i] == 0);
        CHECK(other != 0 && VECTOR_IRQL(other) == VECTOR_IRQL(other + counts[i] - 2));
        CHECK(VECTOR_IRQL(other) != VECTOR_IRQL(aligned)); /* another IRQL has fewer messages */
        KiFreeMessageVectors(aligned, counts[i]);
        KiFreeMessageVectors(other, counts[i] - 1);
    }
    CHECK_EQUAL(KiAllocateMessageVectors(0, FALSE), 0);
    CHECK_EQUAL(KiAllocateMessageVectors(16, TRUE), 0); /* some of each sixteen are a line's */
    CHECK_EQUAL(KiAllocateMessageVectors(17, FALSE), 0);
}

/* ---- MSI-X ---- */

#define E1000E_VENDOR   0x8086
#define E1000E_DEVICE   0x10D3
#define E1000E_CAUSES   0xC0 /* read: why; clears itself */
#define E1000E_RAISE    0xC8
#define E1000E_ALLOW    0xD0
#define E1000E_MESSAGES 0xE4 /* which message each of five causes sends: four bits each */
#define FIRST_CAUSE     20

static BOOLEAN NetworkMessage(UNUSED PKINTERRUPT Interrupt, PVOID Context, ULONG MessageId)
{
    READ_REGISTER_ULONG((PULONG)(Registers + E1000E_CAUSES));
    Note(Context, MessageId);
    InterlockedIncrement(&Calls);
    return TRUE;
}

/* Each message comes with its own number, on its own processor. */
TEST(T_IoConnectInterruptEx_4_msix)
{
    PPCI_FUNCTION function = KtFindPci(E1000E_VENDOR, E1000E_DEVICE, 0);
    PIO_INTERRUPT_MESSAGE_INFO table = NULL;
    PDEVICE_OBJECT device;
    ULONG version;

    if (!function) {
        KtSkip("the machine has no device e1000e");
        return;
    }
    Registers = KtMapPci(function);
    Calls = 0;
    device = MakeDevice(function, 16);
    if (CHECK_EQUAL(Connect(device, (PVOID *)&table, &version, NetworkMessage, NULL),
                    STATUS_SUCCESS)) {
        CHECK_EQUAL(table->MessageCount, 5);
        WRITE_REGISTER_ULONG((PULONG)(Registers + E1000E_MESSAGES), 0x000CBA98);
        WRITE_REGISTER_ULONG((PULONG)(Registers + E1000E_ALLOW), 0x1Fu << FIRST_CAUSE);
        for (ULONG n = 0; n < 5; n++) {
            WRITE_REGISTER_ULONG((PULONG)(Registers + E1000E_RAISE), 1u << (FIRST_CAUSE + n));
            CHECK(KtSpinUntil(&Calls, (LONG)n + 1));
            CHECK_EQUAL(LastMessage, n);
            CHECK_EQUAL(LastProcessor, n % KtProcessors());
            CHECK_EQUAL(LastIrql, table->UnifiedIrql);
        }
        /*
         * After each message the emulator's device has a timer of 128 us running and does not stand
         * the end of messages meanwhile. The timer that ends this sleep goes off behind it.
         */
        KiSleep(MILLISECONDS(2));
    }
    EndDevice(function, device, table, version);
}
