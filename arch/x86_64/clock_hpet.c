/*
 * One comparator of the HPET as the clock of all processors. Each processor's deadline stands in
 * a table; the comparator is set to the earliest. Its interrupt goes to processor 0, which sends
 * CLOCK_VECTOR to every other processor whose deadline has passed and sets the next one. All of
 * it under Lock, which is taken at HIGH_LEVEL.
 *
 *     processor 0   --- comparator --> pass on --- set the next ---
 *     processor 1                        \--- CLOCK_VECTOR ---> its clock interrupt
 */
#include "clock.h"
#include "apic.h"
#include "counter.h"
#include "hpet.h"
#include "ke.h"
#include "muldiv.h"

#define RECEIVER 0u /* the processor that the comparator interrupts */

static KSPIN_LOCK Lock;
static ULONG64 Deadlines[MAXIMUM_PROCESSORS]; /* in counts of the time counter; Lock */
static ULONG64 AlarmDeadline;                 /* what the comparator is set to, if; Lock */
static BOOLEAN AlarmSet;                      /* since its last interrupt; Lock */
static ULONG64 HpetFraction;                  /* HPET ticks in 2^32 counts, rounded up */

static VOID InitializeHpet(VOID)
{
    PCSTR defect = HpetOpenAlarm(RECEIVER);

    if (defect != NULL) {
        DbgPrint("clock=hpet: %s\n", defect);
        ArchCannotStart("The option clock=hpet asks for an HPET, and there is none to be used.");
    }
    for (ULONG i = 0; i < MAXIMUM_PROCESSORS; i++)
        Deadlines[i] = MAXULONG64;
    ClockIsShared = TRUE;
    HpetFraction = ArchMultiplyDivide(HpetFrequency(), 1ULL << 32, ArchCounterFrequency) + 1;
}

static ULONG64 EarliestDeadline(VOID)
{
    ULONG64 earliest = MAXULONG64;

    for (ULONG i = 0; i < ArchProcessorCount; i++) {
        if (Deadlines[i] < earliest)
            earliest = Deadlines[i];
    }
    return earliest;
}

/*
 * Sets the comparator to the earliest deadline. What has passed meanwhile is made up for by an
 * interrupt that this processor sends.
 */
static VOID SetAlarm(VOID)
{
    ULONG64 earliest = EarliestDeadline();
    ULONG64 now, ticks = 1;

    if (AlarmSet && earliest == AlarmDeadline)
        return;
    AlarmDeadline = earliest;
    AlarmSet = TRUE;
    if (earliest == MAXULONG64) {
        HpetStopAlarm();
        return;
    }
    now = ArchReadCounter();
    if (earliest > now)
        ticks += ArchMultiplyFraction(earliest - now, HpetFraction);
    if (ticks > HPET_MAXIMUM_TICKS)
        ticks = HPET_MAXIMUM_TICKS;
    if (!HpetSetAlarm((ULONG)ticks))
        ArchSendInterrupt(RECEIVER, CLOCK_VECTOR);
}

static VOID SetHpet(ULONG64 Counter)
{
    KIRQL oldIrql = KiAcquireHighLock(&Lock);

    Deadlines[KeGetCurrentPrcb()->Number] = Counter;
    SetAlarm();
    KiReleaseHighLock(&Lock, oldIrql);
}

/*
 * The part of the HPET in a clock interrupt. Only the receiver looks at the table. For any other
 * processor this is the interrupt that the receiver has passed on.
 *
 * IRQL:    CLOCK_LEVEL (not checked)
 * Locks:   takes the HPET clock's
 * Context: the clock interrupt
 * Returns: nothing
 */
VOID ClockPassOn(VOID)
{
    KIRQL oldIrql;
    ULONG64 now;

    if (KeGetCurrentPrcb()->Number != RECEIVER)
        return;
    oldIrql = KiAcquireHighLock(&Lock);
    AlarmSet = FALSE;
    now = ArchReadCounter();
    for (ULONG i = 0; i < ArchProcessorCount; i++) {
        if (Deadlines[i] > now)
            continue;
        Deadlines[i] = now + ClockIncrement();
        if (i != RECEIVER)
            ArchSendInterrupt(i, CLOCK_VECTOR);
    }
    SetAlarm();
    KiReleaseHighLock(&Lock, oldIrql);
}

const CLOCK_DEVICE ClockHpet = {"hpet", InitializeHpet, SetHpet};
