/*
 * interrupt.md on the machine's own lines: the interval timer, the serial port and the real-time
 * clock, at three different IRQLs. Each device raises its line by itself; the line is routed to
 * the processors that the connection names.
 */
#define SUITE "interrupt.line"
#include "suite.h"

typedef struct _LINE_DEVICE {
    PCSTR Name;
    ULONG IsaInterrupt;
    VOID (*Start)(VOID);       /* makes it interrupt, again and again or once */
    VOID (*Acknowledge)(VOID); /* in the ISR */
    VOID (*Stop)(VOID);
} LINE_DEVICE;

/* ---- the real-time clock: 1024 interrupts a second ---- */

#define RTC_A_RATE_1024 0x26
#define RTC_B_PERIODIC  0x40

static UCHAR SavedA, SavedB;

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

static VOID StartRtc(VOID)
{
    SavedA = ReadRtc(0xA);
    SavedB = ReadRtc(0xB);
    WriteRtc(0xA, RTC_A_RATE_1024);
    WriteRtc(0xB, (UCHAR)((SavedB & ~0x70u) | RTC_B_PERIODIC));
    ReadRtc(0xC);
}

static VOID AcknowledgeRtc(VOID)
{
    ReadRtc(0xC);
}

static VOID StopRtc(VOID)
{
    WriteRtc(0xA, SavedA);
    WriteRtc(0xB, (UCHAR)(SavedB & ~0x70u));
    ReadRtc(0xC);
}

/* ---- the interval timer: 1000 interrupts a second ---- */

static VOID StartPit(VOID)
{
    ArchOut8(0x43, 0x34); /* counter 0, both bytes, rate generator */
    ArchOut8(0x40, 1193 & 0xFF);
    ArchOut8(0x40, 1193 >> 8);
}

static VOID AcknowledgeNothing(VOID)
{
}

static VOID StopPit(VOID)
{
    ArchOut8(0x43, 0x30); /* one-shot, never loaded: quiet */
}

/* ---- the serial port: "transmitter empty", once each time it is switched on ---- */

#define UART 0x3F8

static VOID StartUart(VOID)
{
    ArchOut8(UART + 4, 0x0B); /* OUT2 lets the interrupt out */
    ArchOut8(UART + 1, 0);
    ArchOut8(UART + 1, 2);
}

static VOID AcknowledgeUart(VOID)
{
    ArchIn8(UART + 2); /* reading the cause takes it back */
    ArchOut8(UART + 1, 0);
    ArchOut8(UART + 1, 2); /* and asks for the next one */
}

static VOID StopUart(VOID)
{
    ArchOut8(UART + 1, 0);
    ArchIn8(UART + 2);
}

static const LINE_DEVICE Devices[] = {
    {"interval timer", 0, StartPit, AcknowledgeNothing, StopPit},
    {"serial port", 4, StartUart, AcknowledgeUart, StopUart},
    {"real-time clock", 8, StartRtc, AcknowledgeRtc, StopRtc},
};

/* ---- the tests ---- */

typedef struct _LINE_RECORD {
    const LINE_DEVICE *Device;
    KIRQL Irql;
    volatile LONG Runs, WrongIrql;
    volatile ULONG64 Processors; /* a bit for each one that it ran on */
    LONG Wanted;                 /* quiet after so many */
    KT_PROBE Probe;
} LINE_RECORD;

static LINE_RECORD Record;

SERVICE_ROUTINE(LineIsr)
{
    LINE_RECORD *record = Context;

    if (KeGetCurrentIrql() != record->Irql)
        InterlockedIncrement(&record->WrongIrql);
    InterlockedOr(&record->Processors, 1ULL << KeGetCurrentProcessorIndex());
    if (InterlockedIncrement(&record->Runs) >= record->Wanted)
        record->Device->Stop();
    else
        record->Device->Acknowledge();
    KeInsertQueueDpc(&record->Probe.Dpc, NULL, NULL);
    return TRUE;
}

/* The clock's own line cannot be connected: there is no vector, or the connecting fails. */
static BOOLEAN IsTakenByTheClock(const LINE_DEVICE *Device)
{
    return Device->IsaInterrupt == 0 && strcmp(ArchClockName(), "hpet") == 0;
}

/*
 * Connects the device's line for the processors in Mask and lets it interrupt Count times.
 * FALSE if it cannot be connected.
 */
static BOOLEAN RunLine(const LINE_DEVICE *Device, KAFFINITY Mask, LONG Count)
{
    PKINTERRUPT interrupt;
    KAFFINITY possible = 0;
    NTSTATUS status;
    ULONG vector;

    memset(&Record, 0, sizeof(Record));
    KtPrepareProbe(&Record.Probe);
    Record.Device = Device;
    Record.Wanted = Count;
    vector = HalGetInterruptVector(Isa, 0, Device->IsaInterrupt, Device->IsaInterrupt, &Record.Irql,
                                   &possible);
    if (vector == 0 && IsTakenByTheClock(Device))
        return FALSE;
    CHECK(vector != 0);
    CHECK_EQUAL(vector >> 4, Record.Irql);
    CHECK_EQUAL(possible & KeQueryActiveProcessors(), KeQueryActiveProcessors());
    status = IoConnectInterrupt(&interrupt, LineIsr, &Record, NULL, vector, Record.Irql,
                                Record.Irql, Latched, FALSE, Mask, FALSE);
    if (!NT_SUCCESS(status) && IsTakenByTheClock(Device))
        return FALSE;
    if (!CHECK_EQUAL(status, STATUS_SUCCESS))
        return FALSE;
    Device->Start();
    CHECK(KtSleepUntil(&Record.Runs, Count));
    Device->Stop();
    IoDisconnectInterrupt(interrupt);
    KeFlushQueuedDpcs();
    CHECK_EQUAL(Record.WrongIrql, 0);
    CHECK(Record.Probe.Runs > 0);
    return TRUE;
}

TEST(T_IoConnectInterrupt_1__T_INT_1_three_levels)
{
    ULONG levels = 0;

    for (ULONG i = 0; i < ARRAYSIZE(Devices); i++) {
        if (!RunLine(&Devices[i], KeQueryActiveProcessors(), 10))
            continue;
        CHECK_AT_LEAST(Record.Runs, 10);
        levels |= 1u << Record.Irql;
    }
    /* three devices, three IRQLs; the HPET takes the interval timer's line for itself */
    CHECK_EQUAL(KtCountBits(levels), IsTakenByTheClock(&Devices[0]) ? 2 : 3);
}

TEST(T_IoConnectInterrupt_6)
{
    for (ULONG i = 0; i < ARRAYSIZE(Devices); i++)
        for (ULONG p = 0; p < KtProcessors(); p++)
            if (RunLine(&Devices[i], 1ULL << p, 5))
                CHECK_EQUAL(Record.Processors, 1ULL << p);
}

TEST(HalGetInterruptVector_no_such_line)
{
    KIRQL irql = 0;
    KAFFINITY affinity = 0;

    CHECK_EQUAL(HalGetInterruptVector(Isa, 0, 999, 999, &irql, &affinity), 0);
    CHECK_EQUAL(HalGetInterruptVector(PCIBus, 0, 100000, 0, &irql, &affinity), 0);
}

/* A line that has been disconnected is closed, and can be connected again. */
TEST(T_IoDisconnectInterrupt_1_line)
{
    for (ULONG i = 0; i < 5; i++) {
        LONG runs;

        RunLine(&Devices[2], 1, 3);
        runs = Record.Runs;
        StartRtc(); /* it goes on, but nobody hears it */
        KtStall(MILLISECONDS(5));
        CHECK_EQUAL(Record.Runs, runs);
        StopRtc();
    }
}

/* The ISR of a fast device against everything else: rate and count agree at the end. */
TEST(T_INT_6__S_55__S_65_line)
{
    RunLine(&Devices[2], KeQueryActiveProcessors(), 100);
    CHECK_AT_LEAST(Record.Runs, 100);
    CHECK(Record.Probe.Runs <= Record.Runs); /* T-DPCQ-15: merged, never more */
    CHECK_EQUAL(Record.Probe.Irql, DISPATCH_LEVEL);
}

/* ---- the time page, when a device ends an idle period and no clock interrupt does ---- */

#define RTC_A_RATE_16 0x2C

static volatile LONG Fresh, Stale;

/* Is the page of this tick? The host may stop this processor between the two readings. */
SERVICE_ROUTINE(LookAtThePage)
{
    ULONG64 now = KtNow(), page = KeQueryInterruptTime();

    if (page > now || now - page <= (ULONG64)KeQueryTimeIncrement() + MICROSECONDS(50))
        InterlockedIncrement(&Fresh);
    else
        InterlockedIncrement(&Stale);
    AcknowledgeRtc();
    return TRUE;
}

TEST(time_page_after_idle_by_a_device)
{
    KAFFINITY possible;
    PKINTERRUPT interrupt;
    KIRQL irql;
    ULONG vector = HalGetInterruptVector(Isa, 0, 8, 8, &irql, &possible);

    Fresh = Stale = 0;
    if (!CHECK_EQUAL(IoConnectInterrupt(&interrupt, LookAtThePage, NULL, NULL, vector, irql, irql,
                                        Latched, FALSE, 1, FALSE),
                     STATUS_SUCCESS))
        return;
    StartRtc();
    WriteRtc(0xA, RTC_A_RATE_16); /* every 62 ms: six increments lie between */
    KiSleep(MILLISECONDS(900));   /* all processors idle meanwhile */
    StopRtc();
    IoDisconnectInterrupt(interrupt);
    CHECK_AT_LEAST(Fresh, 6);
    if (KtIsExact())
        CHECK_EQUAL(Stale, 0);
    CHECK(Fresh > 2 * Stale);
}
