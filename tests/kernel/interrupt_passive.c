/*
 * interrupt.md, passive-level interrupts: the service routine in a thread. The edges come from the
 * real-time clock and from software; the level-triggered line from a comparator of the HPET, which
 * keeps it asserted until it is told that it was heard.
 */
#define SUITE "interrupt.passive"
#include "suite.h"

typedef struct _PASSIVE_RECORD {
    volatile LONG Started, Runs, Inside, Overlaps, WrongContext;
    LONGLONG Duration;         /* of the routine, spent in a wait */
    PKEVENT Gate;              /* that the routine waits for, or NULL */
    VOID (*Acknowledge)(VOID); /* at the end of the routine */
    PKTHREAD Thread;
} PASSIVE_RECORD;

static PASSIVE_RECORD Record;

static VOID Delay(LONGLONG Interval)
{
    LARGE_INTEGER interval = {.QuadPart = -Interval};

    KeDelayExecutionThread(KernelMode, FALSE, &interval);
}

SERVICE_ROUTINE(PassiveIsr)
{
    PASSIVE_RECORD *record = Context;

    InterlockedIncrement(&record->Started);
    if (InterlockedIncrement(&record->Inside) != 1)
        InterlockedIncrement(&record->Overlaps);
    if (KeGetCurrentIrql() != PASSIVE_LEVEL || KeIsExecutingDpc() || !ArchInterruptsEnabled())
        InterlockedIncrement(&record->WrongContext);
    record->Thread = KeGetCurrentThread();
    if (record->Duration)
        Delay(record->Duration);
    if (record->Gate)
        KeWaitForSingleObject(record->Gate, Executive, KernelMode, FALSE, NULL);
    if (record->Acknowledge)
        record->Acknowledge();
    InterlockedDecrement(&record->Inside);
    InterlockedIncrement(&record->Runs);
    return TRUE;
}

static NTSTATUS ConnectAt(PKINTERRUPT *Interrupt, ULONG Vector, KIRQL Irql, KIRQL SynchronizeIrql,
                          PKSPIN_LOCK Lock, KINTERRUPT_MODE Mode, BOOLEAN Share)
{
    static DEVICE_OBJECT anyDevice;
    IO_CONNECT_INTERRUPT_PARAMETERS parameters = {.Version = CONNECT_FULLY_SPECIFIED};

    *Interrupt = NULL;
    parameters.FullySpecified.PhysicalDeviceObject = &anyDevice;
    parameters.FullySpecified.InterruptObject = Interrupt;
    parameters.FullySpecified.ServiceRoutine = PassiveIsr;
    parameters.FullySpecified.ServiceContext = &Record;
    parameters.FullySpecified.SpinLock = Lock;
    parameters.FullySpecified.Vector = Vector;
    parameters.FullySpecified.Irql = Irql;
    parameters.FullySpecified.SynchronizeIrql = SynchronizeIrql;
    parameters.FullySpecified.InterruptMode = Mode;
    parameters.FullySpecified.ShareVector = Share;
    parameters.FullySpecified.ProcessorEnableMask = KeQueryActiveProcessors();
    return IoConnectInterruptEx(&parameters);
}

static NTSTATUS ConnectPassive(PKINTERRUPT *Interrupt, ULONG Vector, KINTERRUPT_MODE Mode)
{
    memset(&Record, 0, sizeof(Record));
    return ConnectAt(Interrupt, Vector, PASSIVE_LEVEL, PASSIVE_LEVEL, NULL, Mode, FALSE);
}

static VOID CheckRecord(VOID)
{
    CHECK_EQUAL(Record.WrongContext, 0);
    CHECK_EQUAL(Record.Overlaps, 0);
    CHECK(Record.Thread != KeGetCurrentThread());
}

/* ---- connecting ---- */

TEST(T_IoConnectInterruptEx_6__T_IoConnectInterruptEx_5)
{
    PKINTERRUPT interrupt;
    KSPIN_LOCK lock;
    UCHAR vector = KT_VECTOR(5, 0);

    KeInitializeSpinLock(&lock);
    CHECK_EQUAL(ConnectAt(&interrupt, vector, PASSIVE_LEVEL, PASSIVE_LEVEL, &lock, Latched, FALSE),
                STATUS_INVALID_PARAMETER);
    CHECK_EQUAL(ConnectAt(&interrupt, vector, PASSIVE_LEVEL, 5, NULL, Latched, FALSE),
                STATUS_INVALID_PARAMETER);
    CHECK_EQUAL(ConnectAt(&interrupt, vector, 5, PASSIVE_LEVEL, NULL, Latched, FALSE),
                STATUS_INVALID_PARAMETER);
    if (!CHECK_EQUAL(ConnectPassive(&interrupt, vector, Latched), STATUS_SUCCESS))
        return;
    KtInterruptHere(vector);
    CHECK(KtSleepUntil(&Record.Runs, 1));
    CheckRecord();
    IoDisconnectInterrupt(interrupt);
    KtInterruptHere(vector);
    KiSleep(MILLISECONDS(2));
    CHECK_EQUAL(Record.Runs, 1);
}

TEST(T_IoConnectInterruptEx_6_no_memory)
{
    PKINTERRUPT interrupt;

    for (ULONG every = 1; every <= 2; every++) {
        ExpFailEvery = every;
        NTSTATUS status = ConnectPassive(&interrupt, KT_VECTOR(5, 0), Latched);
        ExpFailEvery = 0;
        CHECK_EQUAL(status, STATUS_INSUFFICIENT_RESOURCES);
        CHECK(interrupt == NULL);
    }
}

/* [choice] It does not share its vector, in either order. */
TEST(T_IoConnectInterruptEx_6_shared)
{
    PKINTERRUPT first, second;
    UCHAR vector = KT_VECTOR(5, 0);

    CHECK_EQUAL(ConnectAt(&first, vector, PASSIVE_LEVEL, PASSIVE_LEVEL, NULL, Latched, TRUE),
                STATUS_SUCCESS);
    CHECK_EQUAL(ConnectAt(&second, vector, PASSIVE_LEVEL, PASSIVE_LEVEL, NULL, Latched, TRUE),
                STATUS_INVALID_PARAMETER);
    CHECK_EQUAL(ConnectAt(&second, vector, 5, 5, NULL, Latched, TRUE), STATUS_INVALID_PARAMETER);
    IoDisconnectInterrupt(first);
    CHECK_EQUAL(ConnectAt(&first, vector, 5, 5, NULL, Latched, TRUE), STATUS_SUCCESS);
    CHECK_EQUAL(ConnectAt(&second, vector, PASSIVE_LEVEL, PASSIVE_LEVEL, NULL, Latched, TRUE),
                STATUS_INVALID_PARAMETER);
    IoDisconnectInterrupt(first);
}

/* ---- edges ---- */

/* Those that come while the routine runs are merged into one more call. */
TEST(T_IoConnectInterruptEx_6_edges)
{
    PKINTERRUPT interrupt;
    KEVENT gate;
    UCHAR vector = KT_VECTOR(5, 0);

    if (!CHECK_EQUAL(ConnectPassive(&interrupt, vector, Latched), STATUS_SUCCESS))
        return;
    KeInitializeEvent(&gate, NotificationEvent, FALSE);
    Record.Gate = &gate;
    KtInterruptHere(vector);
    CHECK(KtSleepUntil(&Record.Started, 1));
    for (ULONG i = 0; i < 3; i++)
        KtInterruptHere(vector);
    CHECK_EQUAL(Record.Started, 1);
    KeSetEvent(&gate, IO_NO_INCREMENT, FALSE);
    CHECK(KtSleepUntil(&Record.Runs, 2));
    KiSleep(MILLISECONDS(3));
    CHECK_EQUAL(Record.Started, 2);
    CheckRecord();
    IoDisconnectInterrupt(interrupt);
}

static UCHAR ReadRtc(UCHAR Register)
{
    ArchOut8(0x70, Register);
    return ArchIn8(0x71);
}

static VOID WriteRtc(UCHAR Register, UCHAR Value)
{
    ArchOut8(0x70, Register);
    ArchOut8(0x71, Value);
}

static VOID AcknowledgeRtc(VOID)
{
    ReadRtc(0xC);
}

#define RTC_A_RATE_1024 0x26
#define RTC_B_PERIODIC  0x40

TEST(T_IoConnectInterruptEx_6_edge_triggered_line)
{
    PKINTERRUPT interrupt;
    KAFFINITY affinity;
    KIRQL irql;
    ULONG vector = HalGetInterruptVector(Isa, 0, 8, 8, &irql, &affinity);
    UCHAR savedA = ReadRtc(0xA), savedB = ReadRtc(0xB);

    if (!CHECK_EQUAL(ConnectPassive(&interrupt, vector, Latched), STATUS_SUCCESS))
        return;
    Record.Acknowledge = AcknowledgeRtc;
    WriteRtc(0xA, RTC_A_RATE_1024);
    WriteRtc(0xB, (UCHAR)((savedB & ~0x70u) | RTC_B_PERIODIC));
    AcknowledgeRtc();
    CHECK(KtSleepUntil(&Record.Runs, 10)); /* each one asks the next one to come */
    WriteRtc(0xA, savedA);
    WriteRtc(0xB, (UCHAR)(savedB & ~0x70u));
    IoDisconnectInterrupt(interrupt);
    AcknowledgeRtc();
    CheckRecord();
}

/* ---- a level-triggered line: the HPET's last comparator ---- */

#define HPET_ADDRESS             0xFED00000ull
#define HPET_CAPABILITIES        0x000
#define HPET_PERIOD              0x004
#define HPET_STATUS              0x020
#define HPET_COUNTER             0x0F0
#define HPET_CONFIG              (0x100u + 0x20u * HPET_COMPARATOR)
#define HPET_ROUTES              (0x104u + 0x20u * HPET_COMPARATOR)
#define HPET_VALUE               (0x108u + 0x20u * HPET_COMPARATOR)
#define HPET_COMPARATOR          2u
#define HPET_32_BIT_LEVEL_ENABLE 0x106u
#define HPET_ROUTE(gsi)          ((gsi) << 9)
#define HPET_LONGEST_PERIOD      100000000u
#define FEMTOSECONDS_PER_MICRO   1000000000u
#define FIRST_PCI_GSI            16u
#define LAST_HPET_GSI            31u

static volatile UCHAR *Hpet;

static ULONG ReadHpet(ULONG Register)
{
    return *(volatile ULONG *)(Hpet + Register);
}

static VOID WriteHpet(ULONG Register, ULONG Value)
{
    *(volatile ULONG *)(Hpet + Register) = Value;
}

static BOOLEAN FindHpet(VOID)
{
    if (!Hpet)
        Hpet = ArchMapDevice(HPET_ADDRESS, PAGE_SIZE);
    return Hpet && ReadHpet(HPET_PERIOD) != 0 && ReadHpet(HPET_PERIOD) <= HPET_LONGEST_PERIOD &&
           (ReadHpet(HPET_CAPABILITIES) >> 8 & 0x1F) >= HPET_COMPARATOR &&
           strcmp(ArchClockName(), "hpet") != 0;
}

static VOID AcknowledgeHpet(VOID)
{
    WriteHpet(HPET_STATUS, 1u << HPET_COMPARATOR);
}

/* From then on the line is asserted, until it is acknowledged. */
static VOID AssertSoon(VOID)
{
    ULONG counts = (ULONG)(100ull * FEMTOSECONDS_PER_MICRO / ReadHpet(HPET_PERIOD));

    WriteHpet(HPET_VALUE, ReadHpet(HPET_COUNTER) + counts);
}

/* A value that has passed would assert the line at once. */
static VOID AssertMuchLater(VOID)
{
    WriteHpet(HPET_VALUE, ReadHpet(HPET_COUNTER) + MAXLONG);
}

/* Connects a line that the comparator can reach and nobody has; its number, or 0. */
static ULONG ConnectHpet(PKINTERRUPT *Interrupt)
{
    for (ULONG gsi = LAST_HPET_GSI; gsi >= FIRST_PCI_GSI && FindHpet(); gsi--) {
        ARCH_LINE line;

        if (!(ReadHpet(HPET_ROUTES) >> gsi & 1) || !NT_SUCCESS(ArchPciLine(gsi, &line)) ||
            !NT_SUCCESS(ConnectPassive(Interrupt, line.Vector, LevelSensitive)))
            continue;
        Record.Acknowledge = AcknowledgeHpet;
        AssertMuchLater();
        AcknowledgeHpet();
        WriteHpet(HPET_CONFIG, HPET_32_BIT_LEVEL_ENABLE | HPET_ROUTE(gsi));
        return gsi;
    }
    KtSkip("no comparator reaches a level-triggered line");
    return 0;
}

static VOID DisconnectHpet(PKINTERRUPT Interrupt)
{
    WriteHpet(HPET_CONFIG, 0);
    AcknowledgeHpet();
    IoDisconnectInterrupt(Interrupt);
}

#define A_STORM 1000 /* an unmasked line that is asserted interrupts again and again */

/*
 * While the routine waits the line stays asserted, and yet the processor that takes the interrupt
 * has its peace: the line is masked. One assertion, one call; then it works again.
 */
TEST(T_IoConnectInterruptEx_6_level_triggered_line)
{
    PKINTERRUPT interrupt;
    ULONG64 interrupts;

    if (!ConnectHpet(&interrupt))
        return;
    Record.Duration = (LONGLONG)MILLISECONDS(5);
    for (LONG round = 1; round <= 3; round++) {
        interrupts = KiProcessorBlock[0]->InterruptCount;
        AssertSoon();
        CHECK(KtSpinUntil(&Record.Started, round));
        KtStall(MILLISECONDS(2));
        CHECK(KiProcessorBlock[0]->InterruptCount - interrupts < A_STORM);
        CHECK(KtSleepUntil(&Record.Runs, round));
        KiSleep(MILLISECONDS(3));
        CHECK_EQUAL(Record.Started, round);
    }
    CheckRecord();
    DisconnectHpet(interrupt);
}

/* A line that is still asserted when the routine returns calls it again. */
static VOID AcknowledgeThirdTime(VOID)
{
    if (Record.Started >= 3)
        AcknowledgeHpet();
}

TEST(T_IoConnectInterruptEx_6_still_asserted)
{
    PKINTERRUPT interrupt;

    if (!ConnectHpet(&interrupt))
        return;
    Record.Acknowledge = AcknowledgeThirdTime;
    AssertSoon();
    CHECK(KtSleepUntil(&Record.Runs, 3));
    KiSleep(MILLISECONDS(3));
    CHECK_EQUAL(Record.Started, 3);
    DisconnectHpet(interrupt);
}

/* Inactive while the line is masked: it stays closed until the object is active again. */
TEST(T_IoReportInterrupt_1_passive)
{
    IO_REPORT_INTERRUPT_ACTIVE_STATE_PARAMETERS parameters = {.Version = CONNECT_FULLY_SPECIFIED};
    PKINTERRUPT interrupt;

    if (!ConnectHpet(&interrupt))
        return;
    Record.Duration = (LONGLONG)MILLISECONDS(3);
    parameters.ConnectionContext.InterruptObject = interrupt;
    AssertSoon();
    CHECK(KtSpinUntil(&Record.Started, 1));
    IoReportInterruptInactive(&parameters);
    CHECK(KtSleepUntil(&Record.Runs, 1));
    AssertSoon();
    KiSleep(MILLISECONDS(3));
    CHECK_EQUAL(Record.Started, 1);
    IoReportInterruptActive(&parameters); /* the line is still asserted */
    CHECK(KtSleepUntil(&Record.Runs, 2));
    DisconnectHpet(interrupt);
    CHECK_EQUAL(Record.Started, 2);
}

/* ---- synchronization ---- */

static volatile LONG InsideAtSection;

SYNCHRONIZE_ROUTINE(Section)
{
    InsideAtSection = Record.Inside;
    CHECK_IRQL(PASSIVE_LEVEL);
    InterlockedIncrement(&Record.Inside); /* the routine would see it as an overlap */
    Delay((LONGLONG)MILLISECONDS(2));
    InterlockedDecrement(&Record.Inside);
    return Context != NULL;
}

/* The routine waits inside, the section waits for it; and the other way round. */
TEST(T_KeSynchronizeExecution_5)
{
    PKINTERRUPT interrupt;
    UCHAR vector = KT_VECTOR(5, 0);

    if (!CHECK_EQUAL(ConnectPassive(&interrupt, vector, Latched), STATUS_SUCCESS))
        return;
    Record.Duration = (LONGLONG)MILLISECONDS(3);
    for (LONG round = 1; round <= 3; round++) {
        KtInterruptHere(vector);
        CHECK(KtSleepUntil(&Record.Started, round));
        CHECK_EQUAL(KeSynchronizeExecution(interrupt, Section, round == 2 ? &Record : NULL),
                    round == 2);
        CHECK_EQUAL(InsideAtSection, 0);
        CHECK_EQUAL(Record.Runs, round); /* it had ended */
    }
    KtInterruptHere(vector);
    KeSynchronizeExecution(interrupt, Section, NULL);
    KtInterruptHere(vector);
    KeSynchronizeExecution(interrupt, Section, NULL);
    KiSleep(MILLISECONDS(5));
    CheckRecord();
    IoDisconnectInterrupt(interrupt);
}

/* Disconnecting waits for the routine, which waits itself. */
TEST(T_IoDisconnectInterrupt_1_passive)
{
    PKINTERRUPT interrupt;
    UCHAR vector = KT_VECTOR(5, 0);

    for (ULONG i = 0; i < 5; i++) {
        if (!CHECK_EQUAL(ConnectPassive(&interrupt, vector, Latched), STATUS_SUCCESS))
            return;
        Record.Duration = (LONGLONG)MILLISECONDS(2);
        KtInterruptHere(vector);
        KtInterruptHere(vector);
        if (i % 2)
            CHECK(KtSleepUntil(&Record.Started, 1));
        IoDisconnectInterrupt(interrupt);
        CHECK_EQUAL(Record.Inside, 0);
        CHECK_EQUAL(Record.Runs, Record.Started);
        LONG runs = Record.Runs;
        KtInterruptHere(vector);
        KiSleep(MILLISECONDS(3));
        CHECK_EQUAL(Record.Started, runs);
    }
}

/* ---- under fire ---- */

typedef struct _VICTIM {
    volatile LONG Alive, Inside, Runs;
} VICTIM;

static VOID VisitVictim(VICTIM *Victim)
{
    CHECK_EQUAL(Victim->Alive, 1);
    CHECK_EQUAL(InterlockedIncrement(&Victim->Inside), 1);
    if (KtRandom(4) == 0)
        KiSleep(KtRandom(1000));
    CHECK_EQUAL(Victim->Alive, 1);
    InterlockedDecrement(&Victim->Inside);
    InterlockedIncrement(&Victim->Runs);
}

SERVICE_ROUTINE(TouchVictim)
{
    VisitVictim(Context);
    return TRUE;
}

SYNCHRONIZE_ROUTINE(TouchVictimBeside)
{
    VisitVictim(Context);
    return TRUE;
}

/* Not for long: the disconnecting may wait for the DPC routine that this is. */
PARALLEL_ROUTINE(FireForAWhile)
{
    ULONG64 start = KtNow();

    while (KtNow() - start < MILLISECONDS(1)) {
        ArchSendInterrupt(KtRandom(KtProcessors()), KT_VECTOR(9, 1));
        KtJitter(300);
    }
}

/* The others fire all the time; the context is freed after each disconnect. */
TEST_ON(2, T_IoDisconnectInterrupt_1_passive_under_fire__T_KeSynchronizeExecution_5)
{
    LONG runs = 0, mine = 0;

    for (ULONG i = 0; i < 40; i++) {
        VICTIM *victim = ExAllocatePoolWithTag(NonPagedPool, sizeof(*victim), KT_TAG);
        PKINTERRUPT interrupt;

        if (!CHECK(victim != NULL))
            return;
        *victim = (VICTIM){.Alive = 1};
        CHECK_EQUAL(IoConnectInterrupt(&interrupt, TouchVictim, victim, NULL, KT_VECTOR(9, 1),
                                       PASSIVE_LEVEL, PASSIVE_LEVEL, Latched, FALSE,
                                       KeQueryActiveProcessors(), FALSE),
                    STATUS_SUCCESS);
        KtStartOnOthers(FireForAWhile, NULL);
        for (ULONG n = KtRandom(3); n > 0; n--, mine++)
            CHECK(KeSynchronizeExecution(interrupt, TouchVictimBeside, victim));
        if (i == 0) /* at least once the service routine runs, too, however slow the machine */
            CHECK(KtSleepUntil(&victim->Runs, mine + 1));
        KtStall(MICROSECONDS(KtRandom(500)));
        IoDisconnectInterrupt(interrupt);
        runs += victim->Runs;
        KtPoison(victim);
        ExFreePoolWithTag(victim, KT_TAG);
        KtJoin();
    }
    CHECK(runs > mine);
}
