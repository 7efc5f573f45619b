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

/* ---- the local APIC's timer ---- */

static VOID InitializeApicTimer(VOID)
{
    if (CounterApicFraction == 0)
        ArchCannotStart("The local APIC's timer does not count.");
}

/*
 * Rounded up: an interrupt that comes early only has to be asked for again. A deadline beyond
 * the timer's 32 bits gives such an interrupt, too. Writing 0 stops the timer.
 */
static VOID SetApicTimer(ULONG64 Counter)
{
    ULONG64 now = ArchReadCounter();
    ULONG64 ticks = 1;

    if (Counter == MAXULONG64)
        ticks = 0;
    else if (Counter > now)
        ticks += ArchMultiplyFraction(Counter - now, CounterApicFraction);
    if (ticks > MAXULONG)
        ticks = MAXULONG;
    ApicWrite(APIC_TIMER_COUNT, (ULONG)ticks);
}

static VOID IgnoreInterrupt(VOID)
{
}

const CLOCK_DEVICE ClockApic = {"apic", InitializeApicTimer, SetApicTimer, IgnoreInterrupt};

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
 * The device's part of a clock interrupt, at its start.
 *
 * IRQL:    CLOCK_LEVEL (not checked)
 * Locks:   takes the HPET clock's
 * Context: the clock interrupt
 * Returns: nothing
 */
VOID ArchClockInterrupt(VOID)
{
    Device->Interrupt();
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
