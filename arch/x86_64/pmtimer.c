/* The ACPI power management timer: 3.58 MHz, 24 or 32 bits, one port. */
#include "counter.h"
#include "platform.h"

#define PM_TIMER_FREQUENCY 3579545u

static ULONG ReadPmTimer(VOID)
{
    return ArchIn32(ArchMachine.PmTimerPort);
}

/*
 * IRQL:    any
 * Locks:   none
 * Context: the start
 * Returns: FALSE if there is none
 * Source:  ACPI 6.4, 4.8.2.1
 */
BOOLEAN PmTimerReference(REFERENCE *Reference)
{
    ULONG mask = ArchMachine.PmTimerIs32Bit ? MAXULONG : 0xFFFFFFu;

    if (ArchMachine.PmTimerPort == 0 || MachineOptionLists("hide", "pmtimer"))
        return FALSE;
    *Reference = (REFERENCE){"ACPI PM timer", PM_TIMER_FREQUENCY, mask, ReadPmTimer};
    return TRUE;
}
