/* The commands about processors: cpus, irql. PASSIVE_LEVEL, no lock. */
#include "kd/kdp.h"
#include "ke/bugreport.h"

/*
 * cpus: what each processor has done so far; a table.
 *
 * IRQL:    PASSIVE_LEVEL (not checked)
 * Locks:   none but the console's, for each line; the counters are read as they run
 * Context: the monitor
 * Returns: nothing
 */
VOID KdpCpus(ULONG Count, PCSTR Arguments[])
{
    UNREFERENCED_PARAMETER(Count);
    UNREFERENCED_PARAMETER(Arguments);
    DbgPrint("  cpu  interrupts    clock    ticks  dispatch     DPCs  timers set  state\n");
    for (LONG i = 0; i < KeNumberProcessors; i++) {
        const KPRCB *prcb = KiProcessorBlock[i];
        PCSTR state = prcb->IdleHalt ? "idle" : prcb->DpcRoutine ? "in a DPC" : "running";

        DbgPrint("  %3u  %10llu %8llu %8llu  %8llu %8llu  %10llu  %s\n", prcb->Number,
                 prcb->InterruptCount + prcb->DispatchCount + prcb->Clock.Interrupts,
                 prcb->Clock.Interrupts, prcb->Clock.Ticks, prcb->DispatchCount,
                 prcb->DpcData.Count, prcb->TimerTable.Queue.Count, state);
    }
}

/* Runs on every processor at IPI_LEVEL: notes at which level the call has found it. */
static ULONG_PTR NoteIrql(ULONG_PTR Argument)
{
    PKPRCB prcb = KeGetCurrentPrcb();

    ((PKIRQL)Argument)[prcb->Number] = prcb->InterruptedIrql;
    return 0;
}

static VOID PrintLevels(VOID)
{
    static const struct {
        PCSTR Name, Who, Blocks;
    } levels[] = {
        {" 0 PASSIVE_LEVEL ", "threads, DriverEntry, Unload", "nothing"},
        {" 1 APC_LEVEL     ", "special kernel APCs", "APCs (vector 1F)"},
        {" 2 DISPATCH_LEVEL", "DPCs, IoTimer, spin-lock holders", "DPCs too (vector 2F)"},
        {" 3-11 DIRQL      ", "interrupt service routines", "devices up to this level"},
        {"12 SYNCH_LEVEL   ", "the kernel only", "all devices"},
        {"13 CLOCK_LEVEL   ", "the clock interrupt", "the clock too (vector D1)"},
        {"14 IPI_LEVEL     ", "routines of KeIpiGenericCall", "IPIs too (vector E1)"},
        {"15 HIGH_LEVEL    ", "bug check", "every interrupt but NMI"},
    };

    DbgPrint("  level              who runs there                    what stays pending\n");
    for (ULONG i = 0; i < ARRAYSIZE(levels); i++)
        DbgPrint("  %s  %-32s  %s\n", levels[i].Name, levels[i].Who, levels[i].Blocks);
    DbgPrint("The IRQL is CR8; an interrupt waits while its vector / 16 is not above it.\n");
}

/*
 * irql: the IRQL of all processors at one moment. This one calls the others, so its own is read
 * here, before the call raises it.
 *
 * IRQL:    PASSIVE_LEVEL (not checked)
 * Locks:   none but the console's, for each line
 * Context: the monitor
 * Returns: nothing
 */
VOID KdpIrql(ULONG Count, PCSTR Arguments[])
{
    static KIRQL levels[MAXIMUM_PROCESSORS];
    ULONG current = KeGetCurrentPrcb()->Number;
    KIRQL irql = KeGetCurrentIrql();

    UNREFERENCED_PARAMETER(Count);
    UNREFERENCED_PARAMETER(Arguments);
    KeIpiGenericCall(NoteIrql, (ULONG_PTR)levels);
    levels[current] = irql;
    for (LONG i = 0; i < KeNumberProcessors; i++)
        DbgPrint("  processor %d: CR8 = %u, %s%s\n", i, levels[i], KiIrqlName(levels[i]),
                 (ULONG)i == current ? " (this monitor)" : "");
    PrintLevels();
}
