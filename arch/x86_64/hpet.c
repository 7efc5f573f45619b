/*
 * The HPET: a counter of at least 10 MHz for the whole machine, with comparators that interrupt
 * through the I/O APIC. Only the low 32 bits are used, of the counter and of the comparator: all
 * HPETs have these, and one read gets them. Its registers need no lock here: the counter is only
 * read, and the clock serializes the use of the comparator.
 */
#include "hpet.h"
#include "counter.h"
#include "ioapic.h"
#include "ke.h"
#include "platform.h"

#define HPET_BYTES 0x400

/* Byte offsets of registers of 64 bits; each half can be used on its own. */
#define CAPABILITIES         0x000
#define PERIOD               0x004 /* of a count, in 10^-15 s */
#define CONFIGURATION        0x010
#define INTERRUPT_STATUS     0x020
#define MAIN_COUNTER         0x0F0
#define COMPARATOR_CONFIG(n) (0x100u + 0x20u * (n))
#define COMPARATOR_ROUTES(n) (0x104u + 0x20u * (n)) /* bit mask of the GSIs that it can reach */
#define COMPARATOR_VALUE(n)  (0x108u + 0x20u * (n))

#define CONFIGURATION_ENABLE (1u << 0)
#define CONFIGURATION_LEGACY (1u << 1)

#define COMPARATOR_LEVEL      (1u << 1)
#define COMPARATOR_INTERRUPTS (1u << 2)
#define COMPARATOR_PERIODIC   (1u << 3)
#define COMPARATOR_32_BIT     (1u << 8)
#define COMPARATOR_MESSAGES   (1u << 14)
#define ROUTE_SHIFT           9
#define ROUTE_MASK            (0x1Fu << ROUTE_SHIFT)

#define SECOND_IN_PERIOD_UNITS 1000000000000000ULL
#define MAXIMUM_PERIOD         100000000u /* the specification's: 10 MHz */

static volatile UCHAR *Registers; /* NULL without an HPET */
static ULONG64 Frequency;
static PCSTR Defect;
static ULONG AlarmComparator;
static BOOLEAN AlarmEnabled; /* the user of the alarm serializes */

static ULONG Read(ULONG Register)
{
    return *(volatile ULONG *)(Registers + Register);
}

static VOID Write(ULONG Register, ULONG Value)
{
    *(volatile ULONG *)(Registers + Register) = Value;
}

static ULONG ReadCounter(VOID)
{
    return Read(MAIN_COUNTER);
}

static ULONG LastComparator(VOID)
{
    return Read(CAPABILITIES) >> 8 & 0x1F;
}

/* Whatever the firmware used it for ends here; its own interrupts replaced those of the PIT. */
static VOID TakeOver(VOID)
{
    ULONG config = Read(CONFIGURATION);

    for (ULONG n = 0; n <= LastComparator(); n++)
        Write(COMPARATOR_CONFIG(n), Read(COMPARATOR_CONFIG(n)) & ~COMPARATOR_INTERRUPTS);
    config &= ~CONFIGURATION_LEGACY;
    Write(CONFIGURATION, config | CONFIGURATION_ENABLE);
}

/*
 * Looks whether the HPET can be used, and takes it over from the firmware.
 *
 * IRQL:    HIGH_LEVEL, interrupts off (not checked)
 * Locks:   none
 * Context: once, on the boot processor
 * Returns: nothing; HpetDefect tells
 * Source:  IA-PC HPET specification 1.0a, 2.3
 */
VOID HpetInitialize(VOID)
{
    ULONG period;

    Defect = ArchMachine.HpetDefect;
    if (MachineOptionLists("hide", "hpet"))
        Defect = "The option hide= hides the HPET.";
    if (Defect != NULL)
        return;
    Registers = ArchMapDevice(ArchMachine.HpetAddress, HPET_BYTES);
    if (Registers == NULL) {
        Defect = "There is no room to map the HPET.";
        return;
    }
    period = Read(PERIOD);
    if (period == 0 || period > MAXIMUM_PERIOD) {
        Defect = "The HPET states an impossible period of its counter.";
        Registers = NULL;
        return;
    }
    Frequency = SECOND_IN_PERIOD_UNITS / period;
    TakeOver();
}

/*
 *
 * IRQL:    any
 * Locks:   none
 * Context: after HpetInitialize
 * Returns: why there is no HPET to be used; NULL if there is one
 */
PCSTR HpetDefect(VOID)
{
    return Defect;
}

/*
 *
 * IRQL:    any
 * Locks:   none
 * Context: after HpetInitialize
 * Returns: counts a second; 0 without an HPET
 */
ULONG64 HpetFrequency(VOID)
{
    return Frequency;
}

/*
 *
 * IRQL:    any
 * Locks:   none
 * Context: the start
 * Returns: FALSE without an HPET
 */
BOOLEAN HpetReference(REFERENCE *Reference)
{
    if (Registers == NULL)
        return FALSE;
    *Reference = (REFERENCE){"HPET", Frequency, MAXULONG, ReadCounter};
    return TRUE;
}

/* Tries to set a comparator up for this line: hardware that cannot shows it by another value. */
static BOOLEAN TryRoute(ULONG Comparator, ULONG Gsi, ULONG Processor)
{
    ULONG config = Read(COMPARATOR_CONFIG(Comparator));

    if (Gsi > 31 || !(Read(COMPARATOR_ROUTES(Comparator)) & 1u << Gsi))
        return FALSE;
    config &= ~(COMPARATOR_LEVEL | COMPARATOR_INTERRUPTS | COMPARATOR_PERIODIC |
                COMPARATOR_MESSAGES | ROUTE_MASK);
    config |= COMPARATOR_32_BIT | Gsi << ROUTE_SHIFT;
    Write(COMPARATOR_CONFIG(Comparator), config);
    if ((Read(COMPARATOR_CONFIG(Comparator)) & ROUTE_MASK) != Gsi << ROUTE_SHIFT)
        return FALSE;
    return NT_SUCCESS(IoApicTakeLine(Gsi, CLOCK_VECTOR, Processor));
}

/*
 * The line is taken from the devices, so one that no device needs is the best: the PIT's, which
 * is silent. Next the high ones, which PCI devices may share, then the other ISA lines.
 */
static BOOLEAN FindRoute(ULONG Comparator, ULONG Processor)
{
    if (TryRoute(Comparator, IoApicTimerGsi(), Processor))
        return TRUE;
    for (ULONG gsi = 31; gsi > 0; gsi--) {
        if (TryRoute(Comparator, gsi, Processor))
            return TRUE;
    }
    return FALSE;
}

/*
 * Finds a comparator and a line through which it interrupts Processor, and takes both.
 *
 * IRQL:    HIGH_LEVEL, interrupts off (not checked)
 * Locks:   none
 * Context: once, on the boot processor, after IoApicInitialize
 * Returns: NULL, or why there is no alarm
 * Source:  IA-PC HPET specification 1.0a, 2.3.8
 */
PCSTR HpetOpenAlarm(ULONG Processor)
{
    if (Registers == NULL)
        return Defect;
    for (ULONG n = 0; n <= LastComparator(); n++) {
        if (!FindRoute(n, Processor))
            continue;
        AlarmComparator = n;
        return NULL;
    }
    return "The HPET has no comparator that can interrupt through the I/O APIC.";
}

static VOID EnableAlarm(BOOLEAN Enable)
{
    ULONG config = Read(COMPARATOR_CONFIG(AlarmComparator)) & ~COMPARATOR_INTERRUPTS;

    if (Enable)
        config |= COMPARATOR_INTERRUPTS;
    Write(COMPARATOR_CONFIG(AlarmComparator), config);
    AlarmEnabled = Enable;
}

/*
 * The comparator interrupts when the counter equals it, not when it has passed it. Reading the
 * counter after writing the comparator tells the two cases apart:
 *
 *     counter   ---- start ---------- write ---- again ---->
 *     value                     ^ missed                ^ the interrupt comes
 *
 * A value that the counter reaches between the write and the second read is reported as missed
 * though its interrupt comes: one interrupt too many does no harm, one too few stops the clock.
 *
 * IRQL:    any
 * Locks:   the caller's, around all uses
 * Context: any, after HpetOpenAlarm
 * Returns: FALSE if the moment has passed
 * Source:  IA-PC HPET specification 1.0a, 2.3.9.2
 */
BOOLEAN HpetSetAlarm(ULONG Ticks)
{
    ULONG value = ReadCounter() + Ticks;

    Write(COMPARATOR_VALUE(AlarmComparator), value);
    if (!AlarmEnabled)
        EnableAlarm(TRUE);
    return (LONG)(value - ReadCounter()) > 0;
}

/*
 * IRQL:    any
 * Locks:   the caller's, around all uses
 * Context: any, after HpetOpenAlarm
 * Returns: nothing
 * Source:  IA-PC HPET specification 1.0a, 2.3.8
 */
VOID HpetStopAlarm(VOID)
{
    if (AlarmEnabled)
        EnableAlarm(FALSE);
}
