/* The commands about the system as a whole: version, mem, bugcheck, reboot, poweroff. */
#include "kd/kdp.h"
#include "ex.h"

#if DBG
#define BUILD_KIND "checked"
#else
#define BUILD_KIND "free"
#endif

/*
 * version: which kernel this is, and on what it runs.
 *
 * IRQL:    PASSIVE_LEVEL (not checked)
 * Locks:   none but the console's, for each line
 * Context: the monitor
 * Returns: nothing
 */
VOID KdpVersion(ULONG Count, PCSTR Arguments[])
{
    UNREFERENCED_PARAMETER(Count);
    UNREFERENCED_PARAMETER(Arguments);
    DbgPrint("Metronome, %s build, compiler %s\n", BUILD_KIND, __VERSION__);
    DbgPrint("%d processor%s, clock interrupts from the %s\n", KeNumberProcessors,
             KeNumberProcessors == 1 ? "" : "s", ArchClockName());
}

/*
 * mem: how much memory is in use.
 *
 * IRQL:    PASSIVE_LEVEL (not checked)
 * Locks:   none but the console's, for each line
 * Context: the monitor
 * Returns: nothing
 */
VOID KdpMemory(ULONG Count, PCSTR Arguments[])
{
    static const PCSTR names[] = {"nonpaged", "paged"};
    MM_INFORMATION information;

    UNREFERENCED_PARAMETER(Count);
    UNREFERENCED_PARAMETER(Arguments);
    MmQueryInformation(&information);
    DbgPrint("Pages of %u bytes: %llu, %llu of them free, %llu held by the pool\n", PAGE_SIZE,
             information.TotalPages, information.FreePages, information.PoolPages);
    for (ULONG i = 0; i < ARRAYSIZE(names); i++)
        DbgPrint("%-8s pool:   %llu bytes in %llu blocks\n", names[i], information.PoolBytes[i],
                 information.PoolBlocks[i]);
}

/*
 * bugcheck [CODE [P1..P4]]: hexadecimal numbers.
 *
 * IRQL:    PASSIVE_LEVEL (not checked)
 * Locks:   none but the console's, for each line
 * Context: the monitor
 * Returns: only if a number is wrong
 */
VOID KdpBugCheck(ULONG Count, PCSTR Arguments[])
{
    ULONG64 numbers[5] = {MANUALLY_INITIATED_CRASH, 0, 0, 0, 0};

    for (ULONG i = 0; i < Count; i++) {
        if (!KdpParseHexadecimal(Arguments[i], &numbers[i])) {
            DbgPrint("'%s' is no hexadecimal number of 64 bits.\n", Arguments[i]);
            return;
        }
    }
    if (numbers[0] > MAXULONG) {
        DbgPrint("A bug-check code has 32 bits.\n");
        return;
    }
    KeBugCheckEx((ULONG)numbers[0], numbers[1], numbers[2], numbers[3], numbers[4]);
}

/*
 * reboot.
 *
 * IRQL:    PASSIVE_LEVEL (not checked)
 * Locks:   none
 * Context: the monitor
 * Returns: never
 */
VOID KdpReboot(ULONG Count, PCSTR Arguments[])
{
    UNREFERENCED_PARAMETER(Count);
    UNREFERENCED_PARAMETER(Arguments);
    KdFlushConsole();
    ArchReboot();
}

/*
 * poweroff.
 *
 * IRQL:    PASSIVE_LEVEL (not checked)
 * Locks:   none
 * Context: the monitor
 * Returns: never
 */
VOID KdpPowerOff(ULONG Count, PCSTR Arguments[])
{
    UNREFERENCED_PARAMETER(Count);
    UNREFERENCED_PARAMETER(Arguments);
    KdpFinalStats();
    KdFlushConsole();
    ArchPowerOff();
}
