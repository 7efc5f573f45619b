/*
 * The start of everything that is not the processor itself: what there is, in which order it is
 * brought up, and the reading of the firmware's tables. Runs once, on the boot processor.
 */
#include "platform.h"
#include "bootinfo.h"
#include "apic.h"
#include "clock.h"
#include "counter.h"
#include "hpet.h"
#include "ioapic.h"
#include "ke.h"

#define DELAY_PORT   0x80 /* nobody's; writing to it takes about a microsecond */
#define MICROSECONDS 1000000u

ACPI_MACHINE ArchMachine;

/* What the option hide= may name. */
static const PCSTR Hideable[] = {"hpet", "pmtimer", "pit", "ioapic"};

/* Does the list begin with Item, and does Item end there? */
static BOOLEAN BeginsWith(PCSTR List, PCSTR Item)
{
    while (*Item != '\0') {
        if (*List++ != *Item++)
            return FALSE;
    }
    return *List == '\0' || *List == ',';
}

/*
 *
 * IRQL:    any
 * Locks:   none
 * Context: any, once the options are known
 * Returns: TRUE if Item is one of the comma-separated values of the option Name
 */
BOOLEAN MachineOptionLists(PCSTR Name, PCSTR Item)
{
    PCSTR list = KiGetOption(Name);

    while (list != NULL && *list != '\0') {
        if (BeginsWith(list, Item))
            return TRUE;
        while (*list != '\0' && *list++ != ',')
            ;
    }
    return FALSE;
}

/* A name that is spelled wrong would hide nothing and let a test pass. */
static VOID CheckHideOption(VOID)
{
    PCSTR list = KiGetOption("hide");

    while (list != NULL && *list != '\0') {
        BOOLEAN known = FALSE;

        for (ULONG i = 0; i < ARRAYSIZE(Hideable); i++) {
            if (BeginsWith(list, Hideable[i]))
                known = TRUE;
        }
        if (!known)
            ArchCannotStart("The option hide= knows hpet, pmtimer, pit and ioapic.");
        while (*list != '\0' && *list++ != ',')
            ;
    }
}

/*
 * Waits about so long. Before the counter's frequency is known, a write to a port that nobody
 * owns has to stand for a microsecond.
 *
 * IRQL:    any
 * Locks:   none
 * Context: any
 * Returns: nothing
 */
VOID MachineStall(ULONG Microseconds)
{
    ULONG64 start = ArchReadCounter();
    ULONG64 counts = ArchCounterFrequency * Microseconds / MICROSECONDS;

    if (ArchCounterFrequency == 0) {
        for (ULONG i = 0; i < Microseconds; i++)
            ArchOut8(DELAY_PORT, 0);
        return;
    }
    while (ArchReadCounter() - start < counts)
        ArchPause();
}

/* Firmware tables lie in memory of the direct map; anything else would fault. */
static const UCHAR *ReadPhysical(PVOID Context, ULONG64 Physical, SIZE_T Bytes)
{
    const BOOT_INFO *bootInfo = Context;
    ULONG64 limit = bootInfo->PhysicalLimit;

    if (Physical >= limit || Bytes > limit - Physical)
        return NULL;
    for (ULONG64 page = Physical / PAGE_SIZE; page <= (Physical + Bytes - 1) / PAGE_SIZE; page++) {
        if (!ArchIsAddressMapped(ArchPhysicalToVirtual(page * PAGE_SIZE)))
            return NULL;
    }
    return ArchPhysicalToVirtual(Physical);
}

/*
 * Brings the machine up: firmware tables, interrupt controllers, counters, the clock. The order
 * matters: the tables say where everything is, the APIC's timer and the HPET must run before
 * anything is measured, and the clock needs what was measured.
 *
 * IRQL:    HIGH_LEVEL, interrupts off (not checked)
 * Locks:   none
 * Context: once, on the boot processor; memory can be mapped
 * Returns: if the machine can be used; ends the start if it cannot
 */
VOID ArchInitializeMachine(const BOOT_INFO *BootInfo)
{
    PCSTR defect;

    CheckHideOption();
    defect =
        AcpiReadMachine(ReadPhysical, (PVOID)BootInfo, BootInfo->AcpiRootPointer, &ArchMachine);
    if (defect != NULL)
        ArchCannotStart(defect);
    PowerInitialize();
    ApicInitialize(&ArchMachine);
    IoApicInitialize(&ArchMachine);
    PitSilence();
    HpetInitialize();
    CounterCalibrate();
    ClockInitialize();
}
