/*
 * The clock: one interrupt on request, on each processor, at CLOCK_VECTOR. The device is the
 * local APIC's timer, which every processor has to itself, or the HPET (clock_hpet.c).
 */
#include "clock.h"
#include "apic.h"
#include "counter.h"
#include "ke.h"
#include "muldiv.h"

/* Written once, before the first use. */
static const CLOCK_DEVICE *Device;
ULONG ClockApicRepeat;
BOOLEAN ClockIsShared;

/* ---- the local APIC's timer ---- */

static ULONG64 LongestApicInterval; /* counts that its 32 bits hold */

static ULONG64 ApicTicks(ULONG64 Counts)
{
    return (ULONG64)((unsigned __int128)Counts * CounterApicFraction >> 32);
}

static VOID InitializeApicTimer(VOID)
{
    if (CounterApicFraction == 0)
        ArchCannotStart("The local APIC's timer does not count.");
    LongestApicInterval = ArchMultiplyDivide(MAXULONG - 1, 1ULL << 32, CounterApicFraction);
    ClockApicRepeat = (ULONG)ApicTicks(ClockIncrement());
}

/*
 * Rounded up: an interrupt that comes early only has to be asked for again, and so it is for a
 * deadline beyond the timer's 32 bits. Writing 0 stops the timer. What stands between the reading
 * and the writing makes every alarm late.
 */
static VOID SetApicTimer(ULONG64 Counter)
{
    if (Counter == MAXULONG64) {
        ApicWrite(APIC_TIMER_COUNT, 0);
        return;
    }

    ULONG64 counts = Counter - ArchReadCounter();

    if (KI_UNLIKELY(counts > LongestApicInterval))
        counts = (LONG64)counts < 0 ? 0 : LongestApicInterval;
    ApicWrite(APIC_TIMER_COUNT, (ULONG)ApicTicks(counts) + 1);
}

const CLOCK_DEVICE ClockApic = {"apic", InitializeApicTimer, SetApicTimer};

/* ---- the clock of kernel/arch.h ---- */

static BOOLEAN TextEquals(PCSTR Left, PCSTR Right)
{
    while (*Left != '\0' && *Left == *Right) {
        Left++;
        Right++;
    }
    return *Left == *Right;
}

/*
 * Chooses the device that the option clock= names.
 *
 * IRQL:    HIGH_LEVEL, interrupts off (not checked)
 * Locks:   none
 * Context: once, on the boot processor, after CounterCalibrate
 * Returns: if it can be used; ends the start if it cannot
 */
VOID ClockInitialize(VOID)
{
    static const CLOCK_DEVICE *const devices[] = {&ClockApic, &ClockHpet};
    PCSTR name = KiGetOption("clock");

    if (name == NULL)
        name = ClockApic.Name;
    for (ULONG i = 0; i < ARRAYSIZE(devices); i++) {
        if (TextEquals(name, devices[i]->Name))
            Device = devices[i];
    }
    if (Device == NULL)
        ArchCannotStart("The option clock= knows apic and hpet.");
    Device->Initialize();
}

/*
 * Asks for one clock interrupt on this processor at Counter, or soon after; it may be early by
 * the error of the measurement. MAXULONG64: none.
 *
 * IRQL:    >= CLOCK_LEVEL (not checked)
 * Locks:   takes the HPET clock's
 * Context: any
 * Returns: nothing
 */
VOID ArchSetClock(ULONG64 Counter)
{
    Device->Set(Counter);
}

/*
 * How far the time counter gets in a time increment.
 *
 * IRQL:    any
 * Locks:   none
 * Context: after CounterCalibrate
 * Returns: counts
 */
ULONG64 ClockIncrement(VOID)
{
    return ArchCounterFrequency / (10000000 / KI_TIME_INCREMENT);
}

/*
 * IRQL:    any
 * Locks:   none
 * Context: any
 * Returns: "apic" or "hpet"
 */
PCSTR ArchClockName(VOID)
{
    return Device->Name;
}
