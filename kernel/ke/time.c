/*
 * The clocks that software reads. One counter, the same on all processors, is the only source:
 * interrupt time is the counter since the start, scaled to 100 ns. The coarse times stand in the
 * time page, which KiUpdateTimePage brings up to date at every time increment.
 */
#include "ke.h"
#include "ke/time.h"
#include "bootinfo.h"

#define UNITS_PER_SECOND 10000000ULL

/* Written at the start. */
ULONG64 KiCounterBase;
ULONG64 KiUnitsPerCount;
static ULONG64 CountsPerUnit; /* counts in 100 ns, times 2^32 */

/* The page that drivers see read-only at KI_USER_SHARED_DATA. */
static union {
    KUSER_SHARED_DATA Data;
    UCHAR Page[PAGE_SIZE];
} TimePage __attribute__((aligned(PAGE_SIZE)));

static KSPIN_LOCK TimePageLock;          /* HIGH_LEVEL: writing TimePage and SystemTimeOffset */
static volatile LONG64 SystemTimeOffset; /* system time - interrupt time */
static KSPIN_LOCK SetTimeLock;           /* DISPATCH_LEVEL: one KeSetSystemTime at a time */

/* A time in the page: 8 bytes that need not be aligned to 8. */
typedef ULONG64 __attribute__((aligned(4), may_alias)) PAGE_TIME;

/* Numerator * 2^Bits / Divisor, for Numerator < Divisor * 2^(64 - Bits). */
static ULONG64 ScaledQuotient(ULONG64 Numerator, ULONG Bits, ULONG64 Divisor)
{
    ULONG64 quotient = Numerator / Divisor, rest = Numerator % Divisor;

    for (ULONG bit = 0; bit < Bits; bit++) {
        rest <<= 1;
        quotient <<= 1;
        if (rest >= Divisor) {
            rest -= Divisor;
            quotient |= 1;
        }
    }
    return quotient;
}

/*
 * Interrupt time now, exact to the unit.
 *
 * IRQL:    any
 * Locks:   none
 * Context: any
 * Returns: 100 ns since the start of the kernel
 * Source:  contract T-KeQueryInterruptTimePrecise-1
 */
ULONG64 KiQueryInterruptTime(VOID)
{
    return KiInterruptTimeNow();
}

/*
 * The counter's value at which KiQueryInterruptTime has reached Time. Two counts later than the
 * quotient, so that rounding never makes it too early.
 *
 * IRQL:    any
 * Locks:   none
 * Context: any
 * Returns: a counter value; MAXULONG64 for times that the counter does not reach
 */
ULONG64 KiCounterAtInterruptTime(ULONG64 Time)
{
    unsigned __int128 counts = (unsigned __int128)Time * CountsPerUnit >> 32;

    if (counts >= (ULONG64)MAXLONGLONG)
        return MAXULONG64;
    return KiCounterBase + (ULONG64)counts + 2;
}

/*
 * Stores a time so that one 8-byte load of it is always whole, and that a reader who takes
 * high 1, low, high 2 sees different highs when he has been overtaken: high 2 is written first
 * and read last.
 */
static VOID StoreTime(volatile KSYSTEM_TIME *Destination, ULONG64 Time)
{
    Destination->High2Time = (LONG)(Time >> 32);
    *(volatile PAGE_TIME *)&Destination->LowPart = Time;
}

static ULONG64 LoadTime(const volatile KSYSTEM_TIME *Source)
{
    return *(const volatile PAGE_TIME *)&Source->LowPart;
}

static ULONG64 PageInterruptTime(VOID)
{
    return LoadTime(&TimePage.Data.InterruptTime);
}

/*
 * Brings the time page up to the last multiple of the time increment.
 *
 * IRQL:    any
 * Locks:   takes the time page's lock when a tick has passed
 * Context: any; the clock interrupt, and the first interrupt after an idle period
 * Returns: nothing
 * Source:  contract T-KeQuerySystemTime-1, T-KeQueryInterruptTime-1, T-KeQueryTickCount-1
 */
VOID KiUpdateTimePage(ULONG64 Now)
{
    ULONG64 ticks = Now / KI_TIME_INCREMENT;

    if (ticks * KI_TIME_INCREMENT <= PageInterruptTime())
        return;

    KIRQL oldIrql = KiAcquireHighLock(&TimePageLock);
    if (ticks * KI_TIME_INCREMENT > PageInterruptTime()) {
        StoreTime(&TimePage.Data.InterruptTime, ticks * KI_TIME_INCREMENT);
        StoreTime(&TimePage.Data.SystemTime, ticks * KI_TIME_INCREMENT + SystemTimeOffset);
        TimePage.Data.TickCountLowDeprecated = (ULONG)ticks;
        TimePage.Data.TickCount.High2Time = (LONG)(ticks >> 32);
        TimePage.Data.TickCountQuad = ticks;
    }
    KiReleaseHighLock(&TimePageLock, oldIrql);
}

/*
 * Starts the clocks. The firmware's time was read together with the counter, so what the start
 * took since then is not lost.
 *
 * IRQL:    HIGH_LEVEL (not checked)
 * Locks:   none
 * Context: the start, processor 0 alone
 * Returns: nothing
 */
VOID KiInitializeTime(const BOOT_INFO *BootInfo)
{
    LONG bias = (LONG)KiGetNumberOption("tzbias", 0); /* minutes west of Greenwich */

    KiCounterBase = ArchReadCounter();
    KiUnitsPerCount = ScaledQuotient(UNITS_PER_SECOND, 64, ArchCounterFrequency);
    CountsPerUnit = ScaledQuotient(ArchCounterFrequency, 32, UNITS_PER_SECOND);
    if (BootInfo->FirmwareTime)
        SystemTimeOffset =
            BootInfo->FirmwareTime +
            (LONG64)KiMultiplyHigh(KiCounterBase - BootInfo->FirmwareCounter, KiUnitsPerCount);
    KiProcessorBlock[0]->TimerTable.SystemTimeOffset = SystemTimeOffset;

    TimePage.Data.NtMajorVersion = 10;
    TimePage.Data.TickCountMultiplier = KI_TIME_INCREMENT / 10000 << 24;
    StoreTime(&TimePage.Data.TimeZoneBias, (ULONG64)(bias * 60 * (LONG64)UNITS_PER_SECOND));
    StoreTime(&TimePage.Data.SystemTime, (ULONG64)SystemTimeOffset);
    ArchMapReadOnlyPage((PVOID)KI_USER_SHARED_DATA, ArchVirtualToPhysical(&TimePage));
}

/*
 * System time minus interrupt time.
 *
 * IRQL:    any
 * Locks:   none
 * Context: any
 * Returns: 100 ns
 */
LONG64 KiQuerySystemTimeOffset(VOID)
{
    return SystemTimeOffset;
}

/*
 * Sets the system time (UTC since 1601, 100 ns). Interrupt time, tick count, relative timers and
 * periods go on undisturbed; absolute timers move by the difference, each queue under its lock
 * together with the queue's own copy of the offset. A KeSetTimer that comes before that uses the
 * old offset and is moved; one that comes after uses the new one.
 *
 * IRQL:    <= DISPATCH_LEVEL
 * Locks:   takes the set-time lock, then the time page's lock, then each timer table's lock
 * Context: any
 * Returns: nothing; *OldTime, if given, gets the time before
 * Source:  contract time.md "Setting the system time", T-TMR-4, X-1
 */
VOID KeSetSystemTime(PLARGE_INTEGER NewTime, PLARGE_INTEGER OldTime)
{
    KI_REQUIRE_IRQL_AT_MOST(DISPATCH_LEVEL, RULE_IRQL_KE_DISPATCH_LTE, "IrqlKeDispatchLte",
                            NewTime);

    KIRQL oldIrql = KeAcquireSpinLockRaiseToDpc(&SetTimeLock);
    LONG64 now = (LONG64)KiQueryInterruptTime();
    LONG64 newOffset = NewTime->QuadPart - now;

    if (OldTime)
        OldTime->QuadPart = now + SystemTimeOffset;

    KIRQL dispatch = KiAcquireHighLock(&TimePageLock);
    SystemTimeOffset = newOffset;
    StoreTime(&TimePage.Data.SystemTime, PageInterruptTime() + (ULONG64)newOffset);
    KiReleaseHighLock(&TimePageLock, dispatch);

    for (LONG n = 0; n < KeNumberProcessors; n++)
        KiMoveAbsoluteTimers(KiProcessorBlock[n], newOffset);
    KeReleaseSpinLock(&SetTimeLock, oldIrql);
}

/*
 * System time of the last tick.
 *
 * IRQL:    any
 * Locks:   none
 * Context: any
 * Returns: nothing; *CurrentTime gets 100 ns since 1601
 * Source:  contract T-KeQuerySystemTime-1..2
 */
VOID KeQuerySystemTime(PLARGE_INTEGER CurrentTime)
{
    CurrentTime->QuadPart = (LONGLONG)LoadTime(&TimePage.Data.SystemTime);
}

/*
 * System time now.
 *
 * IRQL:    any
 * Locks:   none
 * Context: any
 * Returns: nothing; *CurrentTime gets 100 ns since 1601
 * Source:  contract T-KeQuerySystemTimePrecise-1
 */
VOID KeQuerySystemTimePrecise(PLARGE_INTEGER CurrentTime)
{
    CurrentTime->QuadPart = (LONGLONG)KiQueryInterruptTime() + SystemTimeOffset;
}

/*
 * Interrupt time of the last tick.
 *
 * IRQL:    any
 * Locks:   none
 * Context: any
 * Returns: 100 ns since the start of the kernel
 * Source:  contract T-KeQueryInterruptTime-1
 */
ULONGLONG KeQueryInterruptTime(VOID)
{
    return PageInterruptTime();
}

/*
 * Interrupt time now, with the counter value that it was made of.
 *
 * IRQL:    any
 * Locks:   none
 * Context: any
 * Returns: 100 ns since the start of the kernel
 * Source:  contract T-KeQueryInterruptTimePrecise-1
 */
ULONG64 KeQueryInterruptTimePrecise(PULONG64 QpcTimeStamp)
{
    ULONG64 count = ArchReadCounter() - KiCounterBase;

    if (QpcTimeStamp)
        *QpcTimeStamp = count;
    return KiMultiplyHigh(count, KiUnitsPerCount);
}

/*
 * Interrupt time without the time spent asleep: this kernel never sleeps.
 *
 * IRQL:    any
 * Locks:   none
 * Context: any
 * Returns: 100 ns since the start of the kernel
 * Source:  contract T-KeQueryUnbiasedInterruptTime-1
 */
ULONGLONG KeQueryUnbiasedInterruptTime(VOID)
{
    return PageInterruptTime();
}

/*
 * Ticks since the start.
 *
 * IRQL:    any
 * Locks:   none
 * Context: any
 * Returns: nothing; *CurrentCount gets the number of time increments
 * Source:  contract T-KeQueryTickCount-1
 */
VOID KeQueryTickCount(PLARGE_INTEGER CurrentCount)
{
    CurrentCount->QuadPart = (LONGLONG) * (volatile ULONG64 *)&TimePage.Data.TickCountQuad;
}

/*
 * Units of 100 ns that a tick adds.
 *
 * IRQL:    any
 * Locks:   none
 * Context: any
 * Returns: a constant
 * Source:  contract T-KeQueryTimeIncrement-1, X-8
 */
ULONG KeQueryTimeIncrement(VOID)
{
    return KI_TIME_INCREMENT;
}

/*
 * The counter itself.
 *
 * IRQL:    any
 * Locks:   none
 * Context: any
 * Returns: counts since the start; *PerformanceFrequency, if given, gets counts a second
 * Source:  contract T-KeQueryPerformanceCounter-1
 */
LARGE_INTEGER KeQueryPerformanceCounter(PLARGE_INTEGER PerformanceFrequency)
{
    LARGE_INTEGER count = {.QuadPart = (LONGLONG)(ArchReadCounter() - KiCounterBase)};

    if (PerformanceFrequency)
        PerformanceFrequency->QuadPart = (LONGLONG)ArchCounterFrequency;
    return count;
}

/*
 * Spins for at least MicroSeconds. Works as soon as the counter's frequency is known.
 *
 * IRQL:    any
 * Locks:   none
 * Context: any
 * Returns: nothing
 * Source:  contract T-KeStallExecutionProcessor-1..2
 */
VOID KeStallExecutionProcessor(ULONG MicroSeconds)
{
    ULONG64 start = ArchReadCounter();
    ULONG64 counts = MicroSeconds * (ArchCounterFrequency / 1000) / 1000 + (MicroSeconds != 0);

    while (ArchReadCounter() - start < counts)
        ArchPause();
}

static LONG64 TimeZoneBias(VOID)
{
    return (LONG64)LoadTime(&TimePage.Data.TimeZoneBias);
}

/*
 * UTC to local time and back.
 *
 * IRQL:    any
 * Locks:   none
 * Context: any
 * Returns: nothing
 * Source:  contract T-ExSystemTimeToLocalTime-1
 */
VOID ExSystemTimeToLocalTime(PLARGE_INTEGER SystemTime, PLARGE_INTEGER LocalTime)
{
    LocalTime->QuadPart = SystemTime->QuadPart - TimeZoneBias();
}

/* As above, the other way. IRQL: any. */
VOID ExLocalTimeToSystemTime(PLARGE_INTEGER LocalTime, PLARGE_INTEGER SystemTime)
{
    SystemTime->QuadPart = LocalTime->QuadPart + TimeZoneBias();
}
