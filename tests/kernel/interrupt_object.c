/* interrupt.md: connecting, disconnecting and switching interrupt objects. */
#define SUITE "interrupt.object"
#include "suite.h"
#include "testdriver.h"

static volatile LONG Runs;

SERVICE_ROUTINE(CountIsr)
{
    if (Context)
        InterlockedIncrement((volatile LONG *)Context);
    InterlockedIncrement(&Runs);
    return TRUE;
}

#define POISONED_INTERRUPT ((PKINTERRUPT)0x5A5A5A5A5A5A5A5A)

static NTSTATUS Connect(PKINTERRUPT *Interrupt, PKSPIN_LOCK Lock, UCHAR Vector,
                        KIRQL SynchronizeIrql, KINTERRUPT_MODE Mode, BOOLEAN Share, KAFFINITY Mask)
{
    *Interrupt = POISONED_INTERRUPT;
    return IoConnectInterrupt(Interrupt, CountIsr, NULL, Lock, Vector, VECTOR_IRQL(Vector),
                              SynchronizeIrql, Mode, Share, Mask, FALSE);
}

TEST(T_IoConnectInterrupt_1)
{
    PKINTERRUPT interrupt;
    volatile LONG mine = 0;

    Runs = 0;
    CHECK_EQUAL(KtConnect(&interrupt, KT_VECTOR(5, 0), CountIsr, (PVOID)&mine), STATUS_SUCCESS);
    CHECK(interrupt != NULL);
    KtInterruptHere(KT_VECTOR(5, 0));
    CHECK_EQUAL(mine, 1); /* the ServiceContext came along */
    IoDisconnectInterrupt(interrupt);
}

/* After a failure nothing is connected: the vector can be taken exclusively, and no ISR runs. */
static VOID CheckNothingConnected(UCHAR Vector)
{
    PKINTERRUPT interrupt;
    LONG before = Runs;

    KtInterruptHere(Vector);
    CHECK_EQUAL(Runs, before);
    CHECK_EQUAL(Connect(&interrupt, NULL, Vector, VECTOR_IRQL(Vector), Latched, FALSE, 1),
                STATUS_SUCCESS);
    IoDisconnectInterrupt(interrupt);
}

TEST(T_IoConnectInterrupt_2)
{
    PKINTERRUPT interrupt;
    UCHAR vector = KT_VECTOR(5, 0);
    KAFFINITY outside = ~KeQueryActiveProcessors();

    CHECK_EQUAL(Connect(&interrupt, NULL, vector, 5, Latched, FALSE, 0), STATUS_INVALID_PARAMETER);
    CheckNothingConnected(vector);
    if (outside)
        CHECK_EQUAL(Connect(&interrupt, NULL, vector, 5, Latched, FALSE, outside),
                    STATUS_INVALID_PARAMETER);
    CheckNothingConnected(vector);
}

TEST(T_IoConnectInterrupt_2_no_memory)
{
    PKINTERRUPT interrupt;
    UCHAR vector = KT_VECTOR(5, 0);
    NTSTATUS status;

    ExpFailEvery = 1;
    status = Connect(&interrupt, NULL, vector, 5, Latched, FALSE, 1);
    ExpFailEvery = 0;
    CHECK_EQUAL(status, STATUS_INSUFFICIENT_RESOURCES);
    if (NT_SUCCESS(status))
        IoDisconnectInterrupt(interrupt);
    CheckNothingConnected(vector);
}

TEST(T_IoConnectInterrupt_3)
{
    PKINTERRUPT one, other, own;
    KSPIN_LOCK lock;

    KeInitializeSpinLock(&lock);
    CHECK_EQUAL(Connect(&one, &lock, KT_VECTOR(4, 0), 8, Latched, FALSE, 1), STATUS_SUCCESS);
    CHECK_EQUAL(Connect(&other, &lock, KT_VECTOR(8, 0), 8, Latched, FALSE, 1), STATUS_SUCCESS);
    CHECK_EQUAL(Connect(&own, NULL, KT_VECTOR(6, 0), 6, Latched, FALSE, 1), STATUS_SUCCESS);
    AT_IRQL(8)
    {
        KIRQL oldIrql = KeAcquireInterruptSpinLock(one);

        CHECK_EQUAL(oldIrql, 8);
        CHECK(!KeTestSpinLock(&lock)); /* the driver's lock is the interrupt's */
        KeReleaseInterruptSpinLock(one, oldIrql);
        CHECK(KeTestSpinLock(&lock));
        oldIrql = KeAcquireInterruptSpinLock(other); /* both objects exclude each other */
        CHECK(!KeTestSpinLock(&lock));
        KeReleaseInterruptSpinLock(other, oldIrql);
    }
    KeReleaseInterruptSpinLock(own, KeAcquireInterruptSpinLock(own)); /* the built-in lock */
    IoDisconnectInterrupt(one);
    IoDisconnectInterrupt(other);
    IoDisconnectInterrupt(own);
}

TEST(T_IoConnectInterrupt_4)
{
    PKINTERRUPT interrupt;

    CHECK_EQUAL(Connect(&interrupt, NULL, KT_VECTOR(6, 0), 5, Latched, FALSE, 1),
                STATUS_INVALID_PARAMETER); /* below the vector's IRQL */
    CheckNothingConnected(KT_VECTOR(6, 0));
    CHECK_EQUAL(Connect(&interrupt, NULL, KT_VECTOR(6, 0), 10, Latched, FALSE, 1), STATUS_SUCCESS);
    IoDisconnectInterrupt(interrupt);
}

/* A vector's class is its IRQL: any other pair is refused. */
TEST(T_IoConnectInterrupt_4_class_and_irql)
{
    PKINTERRUPT interrupt = POISONED_INTERRUPT;
    static const ULONG wrong[] = {0x00, 0x1F, 0x2F, 0xCF, 0xD1, 0xE1, 0xFF, 0x100, 0x15A};

    CHECK_EQUAL(IoConnectInterrupt(&interrupt, CountIsr, NULL, NULL, KT_VECTOR(6, 0), 7, 7, Latched,
                                   FALSE, 1, FALSE),
                STATUS_INVALID_PARAMETER);
    for (ULONG i = 0; i < ARRAYSIZE(wrong); i++)
        CHECK(!NT_SUCCESS(IoConnectInterrupt(&interrupt, CountIsr, NULL, NULL, wrong[i],
                                             (KIRQL)(wrong[i] >> 4), (KIRQL)(wrong[i] >> 4),
                                             Latched, FALSE, 1, FALSE)));
}

TEST(T_IoConnectInterrupt_5)
{
    PKINTERRUPT first, second, third;
    UCHAR vector = KT_VECTOR(7, 0);

    CHECK_EQUAL(Connect(&first, NULL, vector, 7, Latched, FALSE, 1), STATUS_SUCCESS);
    CHECK_EQUAL(Connect(&second, NULL, vector, 7, Latched, TRUE, 1), STATUS_INVALID_PARAMETER);
    CHECK_EQUAL(Connect(&second, NULL, vector, 7, Latched, FALSE, 1), STATUS_INVALID_PARAMETER);
    IoDisconnectInterrupt(first);

    CHECK_EQUAL(Connect(&first, NULL, vector, 7, Latched, TRUE, 1), STATUS_SUCCESS);
    CHECK_EQUAL(Connect(&second, NULL, vector, 7, Latched, FALSE, 1), STATUS_INVALID_PARAMETER);
    CHECK_EQUAL(Connect(&second, NULL, vector, 7, LevelSensitive, TRUE, 1),
                STATUS_INVALID_PARAMETER); /* a different mode */
    CHECK_EQUAL(Connect(&third, NULL, vector, 7, Latched, TRUE, 1), STATUS_SUCCESS);
    Runs = 0;
    KtInterruptHere(vector);
    CHECK_EQUAL(Runs, 2);
    IoDisconnectInterrupt(first);
    KtInterruptHere(vector);
    CHECK_EQUAL(Runs, 3); /* the other one stays connected */
    IoDisconnectInterrupt(third);
}

TEST(T_IoConnectInterrupt_7)
{
    PKINTERRUPT interrupt;

    CHECK_EQUAL(IoConnectInterrupt(&interrupt, CountIsr, NULL, NULL, KT_VECTOR(5, 0), 5, 5, Latched,
                                   FALSE, 1, TRUE),
                STATUS_SUCCESS); /* FloatingSave is harmless on x64 */
    Runs = 0;
    KtInterruptHere(KT_VECTOR(5, 0));
    CHECK_EQUAL(Runs, 1);
    IoDisconnectInterrupt(interrupt);
}

/* ---- disconnecting ---- */

TEST(T_IoDisconnectInterrupt_1)
{
    PKINTERRUPT interrupt;
    UCHAR vector = KT_VECTOR(10, 0);

    for (ULONG i = 0; i < 50; i++) {
        Runs = 0;
        CHECK_EQUAL(KtConnect(&interrupt, vector, CountIsr, NULL), STATUS_SUCCESS);
        KtInterruptHere(vector);
        CHECK_EQUAL(Runs, 1);
        IoDisconnectInterrupt(interrupt);
        KtInterruptHere(vector);
        CHECK_EQUAL(Runs, 1); /* not called again */
    }
}

typedef struct _VICTIM {
    volatile LONG Alive; /* 0 from the moment when the disconnecting has returned */
    volatile LONG Runs;
} VICTIM;

SERVICE_ROUTINE(TouchVictim)
{
    VICTIM *victim = Context;

    CHECK_EQUAL(victim->Alive, 1);
    KtJitter(300);
    CHECK_EQUAL(victim->Alive, 1);
    InterlockedIncrement(&victim->Runs);
    return TRUE;
}

/* Not for long: the disconnecting may wait for the DPC routine that this is. */
PARALLEL_ROUTINE(FireForAWhile)
{
    ULONG64 start = KtNow();

    while (KtNow() - start < MILLISECONDS(2)) {
        ArchSendInterrupt(KtRandom(KtProcessors()), (UCHAR)(ULONG_PTR)Context);
        KtJitter(300);
    }
}

/* The other processors fire all the time; the context is freed after each disconnect. */
TEST_ON(2, T_IoDisconnectInterrupt_1_under_fire)
{
    UCHAR vector = KT_VECTOR(9, 1);
    LONG runs = 0;

    for (ULONG i = 0; i < 100; i++) {
        VICTIM *victim = ExAllocatePoolWithTag(NonPagedPool, sizeof(*victim), KT_TAG);
        PKINTERRUPT interrupt;

        if (!CHECK(victim != NULL))
            return;
        victim->Alive = 1;
        victim->Runs = 0;
        CHECK_EQUAL(KtConnect(&interrupt, vector, TouchVictim, victim), STATUS_SUCCESS);
        KtStartOnOthers(FireForAWhile, (PVOID)(ULONG_PTR)vector);
        KtStall(MICROSECONDS(KtRandom(1500)));
        IoDisconnectInterrupt(interrupt);
        runs += victim->Runs;
        victim->Alive = 0;
        KtPoison(victim);
        ExFreePoolWithTag(victim, KT_TAG);
        KtJoin();
    }
    CHECK(runs > 0);
}

static KT_PROBE Probe;

SERVICE_ROUTINE(QueueProbe)
{
    KeInsertQueueDpc(&Probe.Dpc, NULL, NULL);
    return TRUE;
}

/* The DPCs that an ISR has queued stay. */
TEST_ON(2, T_IoDisconnectInterrupt_1_dpcs_stay)
{
    PKINTERRUPT interrupt;

    KtPrepareProbe(&Probe);
    CHECK_EQUAL(KtConnect(&interrupt, KT_VECTOR(9, 0), QueueProbe, NULL), STATUS_SUCCESS);
    KtInterruptHere(KT_VECTOR(9, 0));
    IoDisconnectInterrupt(interrupt);
    KeFlushQueuedDpcs();
    CHECK_EQUAL(Probe.Runs, 1);
}

/* ---- active and inactive ---- */

static VOID Report(PKINTERRUPT Interrupt, BOOLEAN Active)
{
    IO_REPORT_INTERRUPT_ACTIVE_STATE_PARAMETERS parameters;

    KtPoison(&parameters);
    parameters.Version = CONNECT_FULLY_SPECIFIED;
    parameters.ConnectionContext.InterruptObject = Interrupt;
    if (Active)
        IoReportInterruptActive(&parameters);
    else
        IoReportInterruptInactive(&parameters);
}

TEST(T_IoReportInterrupt_1)
{
    PKINTERRUPT interrupt;
    UCHAR vector = KT_VECTOR(4, 1);

    Runs = 0;
    CHECK_EQUAL(KtConnect(&interrupt, vector, CountIsr, NULL), STATUS_SUCCESS);
    KtInterruptHere(vector);
    CHECK_EQUAL(Runs, 1); /* active after the connect */
    AT_IRQL(DISPATCH_LEVEL)
    {
        Report(interrupt, FALSE);
        Report(interrupt, FALSE); /* twice is no error */
    }
    KtInterruptHere(vector);
    CHECK_EQUAL(Runs, 1);
    Report(interrupt, TRUE);
    Report(interrupt, TRUE);
    KtInterruptHere(vector);
    CHECK_EQUAL(Runs, 2);
    Report(interrupt, FALSE);
    IoDisconnectInterrupt(interrupt); /* allowed in both states */
}

/* ---- the extended routines ---- */

static VOID FillFullySpecified(IO_CONNECT_INTERRUPT_PARAMETERS *Parameters, ULONG Version,
                               PKINTERRUPT *Interrupt, PDEVICE_OBJECT Device)
{
    IO_CONNECT_INTERRUPT_FULLY_SPECIFIED_PARAMETERS *full = &Parameters->FullySpecified;

    KtPoison(Parameters);
    Parameters->Version = Version;
    full->PhysicalDeviceObject = Device;
    full->InterruptObject = Interrupt;
    full->ServiceRoutine = CountIsr;
    full->ServiceContext = NULL;
    full->SpinLock = NULL;
    full->SynchronizeIrql = 8;
    full->FloatingSave = FALSE;
    full->ShareVector = FALSE;
    full->Vector = KT_VECTOR(8, 0);
    full->Irql = 8;
    full->InterruptMode = Latched;
    full->ProcessorEnableMask = KeQueryActiveProcessors();
    if (Version == CONNECT_FULLY_SPECIFIED_GROUP)
        full->Group = 0;
}

static PDEVICE_OBJECT CreateDevice(VOID)
{
    PDEVICE_OBJECT device = NULL;

    CHECK_EQUAL(IoCreateDevice(KtDriver(), 0, NULL, FILE_DEVICE_UNKNOWN, 0, FALSE, &device),
                STATUS_SUCCESS);
    return device;
}

TEST(T_IoConnectInterruptEx_1__T_IoConnectInterruptEx_2__T_IoDisconnectInterruptEx_1)
{
    static const ULONG versions[] = {CONNECT_FULLY_SPECIFIED, CONNECT_FULLY_SPECIFIED_GROUP};
    PDEVICE_OBJECT device = CreateDevice();

    for (ULONG i = 0; i < 2; i++) {
        IO_CONNECT_INTERRUPT_PARAMETERS parameters;
        IO_DISCONNECT_INTERRUPT_PARAMETERS disconnect;
        PKINTERRUPT interrupt = NULL;

        FillFullySpecified(&parameters, versions[i], &interrupt, device);
        CHECK_EQUAL(IoConnectInterruptEx(&parameters), STATUS_SUCCESS);
        Runs = 0;
        KtInterruptHere(KT_VECTOR(8, 0));
        CHECK_EQUAL(Runs, 1);
        disconnect.Version = parameters.Version;
        disconnect.ConnectionContext.InterruptObject = interrupt;
        IoDisconnectInterruptEx(&disconnect);
        KtInterruptHere(KT_VECTOR(8, 0));
        CHECK_EQUAL(Runs, 1);
    }
    IoDeleteDevice(device);
}

TEST(T_IoConnectInterruptEx_5)
{
    PDEVICE_OBJECT device = CreateDevice();
    IO_CONNECT_INTERRUPT_PARAMETERS parameters;
    PKINTERRUPT interrupt = NULL;

    FillFullySpecified(&parameters, 77, &interrupt, device);
    CHECK_EQUAL(IoConnectInterruptEx(&parameters), STATUS_INVALID_PARAMETER_1);
    CHECK_EQUAL(parameters.Version, CONNECT_FULLY_SPECIFIED); /* one that the kernel can do */
    FillFullySpecified(&parameters, CONNECT_FULLY_SPECIFIED, &interrupt, NULL);
    CHECK_EQUAL(IoConnectInterruptEx(&parameters), STATUS_INVALID_PARAMETER);
    FillFullySpecified(&parameters, CONNECT_FULLY_SPECIFIED, &interrupt, device);
    parameters.FullySpecified.ProcessorEnableMask = 0;
    CHECK_EQUAL(IoConnectInterruptEx(&parameters), STATUS_INVALID_PARAMETER_10);
    KtPoison(&parameters);
    parameters.Version = CONNECT_MESSAGE_BASED;
    parameters.MessageBased.PhysicalDeviceObject = NULL;
    CHECK_EQUAL(IoConnectInterruptEx(&parameters), STATUS_INVALID_PARAMETER);
    KtPoison(&parameters);
    parameters.Version = CONNECT_LINE_BASED;
    parameters.LineBased.PhysicalDeviceObject = device;
    parameters.LineBased.InterruptObject = &interrupt;
    parameters.LineBased.ServiceRoutine = CountIsr;
    parameters.LineBased.ServiceContext = NULL;
    parameters.LineBased.SpinLock = NULL;
    parameters.LineBased.SynchronizeIrql = PASSIVE_LEVEL;
    parameters.LineBased.FloatingSave = FALSE;
    CHECK_EQUAL(IoConnectInterruptEx(&parameters), STATUS_NOT_FOUND); /* the device has no line */
    CheckNothingConnected(KT_VECTOR(8, 0));
    IoDeleteDevice(device);
}

static volatile LONG IrqlInIsr;

SERVICE_ROUTINE(RecordIrql)
{
    IrqlInIsr = KeGetCurrentIrql();
    return TRUE;
}

/* The kernel knows the device's line; SynchronizeIrql is a minimum. */
TEST(T_IoConnectInterruptEx_3)
{
    static const KIRQL minimums[] = {PASSIVE_LEVEL, 4, 6, 9}, expected[] = {6, 6, 6, 9};
    PDEVICE_OBJECT device = CreateDevice();

    IopSetDeviceVector(device, KT_VECTOR(6, 2));
    for (ULONG i = 0; i < ARRAYSIZE(minimums); i++) {
        IO_CONNECT_INTERRUPT_PARAMETERS parameters;
        IO_DISCONNECT_INTERRUPT_PARAMETERS disconnect;
        PKINTERRUPT interrupt = NULL;

        KtPoison(&parameters);
        parameters.Version = CONNECT_LINE_BASED;
        parameters.LineBased.PhysicalDeviceObject = device;
        parameters.LineBased.InterruptObject = &interrupt;
        parameters.LineBased.ServiceRoutine = RecordIrql;
        parameters.LineBased.ServiceContext = NULL;
        parameters.LineBased.SpinLock = NULL;
        parameters.LineBased.SynchronizeIrql = minimums[i];
        parameters.LineBased.FloatingSave = FALSE;
        if (!CHECK_EQUAL(IoConnectInterruptEx(&parameters), STATUS_SUCCESS))
            break;
        IrqlInIsr = POISON;
        KtInterruptHere(KT_VECTOR(6, 2));
        CHECK_EQUAL(IrqlInIsr, expected[i]);
        disconnect.Version = parameters.Version;
        disconnect.ConnectionContext.InterruptObject = interrupt;
        IoDisconnectInterruptEx(&disconnect);
    }
    IopSetDeviceVector(device, 0);
    IoDeleteDevice(device);
}

/* T-IoDisconnectInterrupt-2: the order that a driver keeps, with the pointer in the extension. */
TEST(T_IoDisconnectInterrupt_2)
{
    PDEVICE_OBJECT device = NULL;
    PKINTERRUPT *kept;

    CHECK_EQUAL(
        IoCreateDevice(KtDriver(), sizeof(*kept), NULL, FILE_DEVICE_UNKNOWN, 0, FALSE, &device),
        STATUS_SUCCESS);
    kept = device->DeviceExtension;
    CHECK_EQUAL(KtConnect(kept, KT_VECTOR(8, 0), CountIsr, NULL), STATUS_SUCCESS);
    IoDisconnectInterrupt(*kept);
    IoDeleteDevice(device);
    Runs = 0;
    KtInterruptHere(KT_VECTOR(8, 0));
    CHECK_EQUAL(Runs, 0);
}
