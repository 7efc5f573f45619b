/*
 * The clock watchdog: a processor that takes no clock interrupts is named by another one. Runs at
 * CLOCK_LEVEL or with interrupts off, without a lock.
 *
 * Every processor has promised a clock interrupt: NextTick says when. A busy one promises the next
 * tick; an idle one promises to be there when its turn comes to look after its neighbour, seconds
 * later, and so nobody has to be told from anybody: a promise that is kept is renewed, and one that
 * stays the same long after its time is broken. The processors watch in a ring, each one the next:
 *
 *     processor 0 --> 1 --> 2 --> 3 --> 0
 *
 * Of several that stand still, the first one behind a processor that runs is reported.
 *
 * Looks are counted, not time alone. The time goes on when a debugger steps or the emulator is not
 * scheduled, and everybody is late then; but whoever looks has taken a clock interrupt for it, and
 * between two looks lies a wait of its own, in which the neighbour could have done the same.
 */
#include "ke.h"

#define LOOKS 5 /* that find the same broken promise: four intervals lie between them */

/* In ticks; 0 turns the check off. */
ULONG KiClockWatchdogLimit = 0xC00;

static ULONG64 LookInterval(VOID)
{
    return (ULONG64)KiClockWatchdogLimit * KI_TIME_INCREMENT / (LOOKS - 1);
}

/*
 * When an idle processor has to wake to look after its neighbour.
 *
 * IRQL:    any (not checked)
 * Locks:   none
 * Context: the idle loop, on Prcb's processor
 * Returns: interrupt time; MAXULONG64 if there is nobody to look after
 */
ULONG64 KiNextClockLook(PKPRCB Prcb)
{
    return KiClockWatchdogLimit && KeNumberProcessors > 1 ? Prcb->Clock.NextLook : MAXULONG64;
}

/*
 * One look: has the neighbour, which promised a clock interrupt at Promised, broken its promise at
 * this look and the ones before?
 *
 * IRQL:    any (not checked)
 * Locks:   none
 * Context: on the processor whose clock Watcher is
 * Returns: TRUE if it is to be reported
 * Source:  contract bugcheck-verifier.md, 0x101
 */
BOOLEAN KiIsClockOverdue(PKCLOCK Watcher, ULONG64 Promised, ULONG64 Now)
{
    if (Promised > Now || Promised != Watcher->SeenPromise) {
        Watcher->SeenPromise = Promised;
        Watcher->BrokenLooks = 0;
        return FALSE;
    }
    return ++Watcher->BrokenLooks >= LOOKS;
}

/*
 * Looks after the next processor: NextLook has come.
 *
 * IRQL:    >= CLOCK_LEVEL, or interrupts off (not checked)
 * Locks:   none
 * Context: the tick, and the end of an idle period, on Prcb's processor
 * Returns: nothing
 * Source:  contract bugcheck-verifier.md, 0x101
 */
VOID KiWatchClock(PKPRCB Prcb, ULONG64 Now)
{
    if (!KiClockWatchdogLimit) {
        Prcb->Clock.NextLook = MAXULONG64;
        return;
    }
    Prcb->Clock.NextLook = Now + LookInterval();

    PKPRCB other = KiProcessorBlock[(Prcb->Number + 1) % (ULONG)KeNumberProcessors];
    ULONG64 promised = *(volatile ULONG64 *)&other->Clock.NextTick;

    if (KiIsClockOverdue(&Prcb->Clock, promised, Now))
        KeBugCheckEx(CLOCK_WATCHDOG_TIMEOUT, (Now - promised) / KI_TIME_INCREMENT, 0,
                     (ULONG_PTR)other, other->Number);
}
