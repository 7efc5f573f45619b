/*
 * What a bug check prints. One processor runs, at HIGH_LEVEL with interrupts off, and the
 * console's lock is broken; nothing here allocates, waits or takes a lock.
 */
#include "bugreport.h"
#include "kd.h"

/*
 * Names an IRQL.
 *
 * IRQL:    any
 * Locks:   none
 * Context: any
 * Returns: the name; every device level is "DIRQL"
 */
PCSTR KiIrqlName(KIRQL Irql)
{
    switch (Irql) {
    case PASSIVE_LEVEL:
        return "PASSIVE_LEVEL";
    case APC_LEVEL:
        return "APC_LEVEL";
    case DISPATCH_LEVEL:
        return "DISPATCH_LEVEL";
    case SYNCH_LEVEL:
        return "SYNCH_LEVEL";
    case CLOCK_LEVEL:
        return "CLOCK_LEVEL";
    case IPI_LEVEL:
        return "IPI_LEVEL";
    case HIGH_LEVEL:
        return "HIGH_LEVEL";
    default:
        return Irql < SYNCH_LEVEL ? "DIRQL" : "no level";
    }
}

/* "    P1 00000000000000C4  what it means (name+0x12)". */
static VOID PrintParameter(const KBUGCHECK_REPORT *Report, ULONG Index)
{
    ULONG_PTR value = Report->Parameters[Index];
    PCSTR meaning = KiBugCheckParameterMeaning(Report->Code, Report->Parameters, Index);
    CHAR name[64] = "";

    KdNameAddress(name, sizeof(name), (PVOID)value);
    DbgPrint("    P%u %016llx  %s%s%s\n", Index + 1, value, meaning ? meaning : "-",
             name[0] ? ": " : "", name);
}

static VOID PrintCode(const KBUGCHECK_REPORT *Report)
{
    const ULONG_PTR *p = Report->Parameters;
    PCSTR name = KiBugCheckName(Report->Code);

    /* The first line has the form that Windows prints; tests and scripts look for it. */
    DbgPrint("\n*** STOP: 0x%08X (0x%016llX,0x%016llX,0x%016llX,0x%016llX)\n", Report->Code, p[0],
             p[1], p[2], p[3]);
    DbgPrint("    %s\n", name ? name : "(a code without a name)");
    for (ULONG i = 0; i < 4; i++)
        PrintParameter(Report, i);
}

static VOID PrintRule(const KBUGCHECK_REPORT *Report)
{
    if (Report->File)
        DbgPrint("Assertion  %s\nSource     %s, line %u\n", Report->Rule, Report->File,
                 Report->Line);
    else if (Report->Rule)
        DbgPrint("Rule       %s\n", Report->Rule);
    if (Report->Detail)
        DbgPrint("Note       %s\n", Report->Detail);
}

/* What a processor was doing, in a few words. */
static VOID PrintActivity(PKPRCB Prcb)
{
    CHAR name[64];
    PKDEFERRED_ROUTINE routine = Prcb->DpcRoutine;
    const KTRAP_FRAME *frame = Prcb->StoppedFrame;

    if (routine)
        DbgPrint("in the %s routine %s", Prcb->TimerDpc ? "timer DPC" : "DPC",
                 KdFormatAddress(name, sizeof(name), (PVOID)routine));
    else if (Prcb->InterruptDepth)
        DbgPrint("in an interrupt handler");
    else if (Prcb->IdleHalt)
        DbgPrint("idle");
    else if (Prcb->CurrentThread->InThreadedDpc)
        DbgPrint("in a threaded DPC routine");
    else
        DbgPrint("in a thread");
    if (frame)
        DbgPrint(", at %s, IRQL %u", KdFormatAddress(name, sizeof(name), (PVOID)frame->Rip),
                 frame->PreviousIrql);
    DbgPrint("\n");
}

/* The processors that were at work, one line each, and how many were idle. */
static VOID PrintOthers(PKPRCB Current)
{
    ULONG idle = 0;

    for (LONG i = 0; i < KeNumberProcessors; i++) {
        PKPRCB prcb = KiProcessorBlock[i];

        if (prcb == NULL || prcb == Current)
            continue;
        if (prcb->IdleHalt) {
            idle++;
            continue;
        }
        DbgPrint("Processor  %u, ", prcb->Number);
        PrintActivity(prcb);
    }
    if (idle)
        DbgPrint("Others     %u idle\n", idle);
}

static VOID PrintProcessors(const KBUGCHECK_REPORT *Report)
{
    PKPRCB current = KeGetCurrentPrcb();

    DbgPrint("IRQL       %u %s, before the bug check\n", Report->Irql, KiIrqlName(Report->Irql));
    DbgPrint("Processor  %u of %d, ", current->Number, KeNumberProcessors);
    PrintActivity(current);
    PrintOthers(current);
}

/* The three registers that a frame tells about the caller of the function that it belongs to. */
static VOID PrintCallerRegisters(const VOID *Frame)
{
    const ULONG_PTR *frame = Frame;
    CHAR name[64];

    DbgPrint("Registers  of the caller\n  rip=%016llx  %s\n  rsp=%016llx  rbp=%016llx\n", frame[1],
             KdFormatAddress(name, sizeof(name), (PVOID)frame[1]), (ULONG64)&frame[2], frame[0]);
}

/*
 * Where it happened. An exception's frame tells exactly: its instruction first, then the callers
 * of that function. Otherwise Frame is the function that has detected the error.
 */
static VOID PrintPlace(const KBUGCHECK_REPORT *Report)
{
    const KTRAP_FRAME *trapFrame = Report->TrapFrame;
    CHAR name[64];

    if (trapFrame) {
        DbgPrint("Registers\n");
        ArchPrintTrapFrame(trapFrame);
        DbgPrint("Backtrace  from %s\n",
                 KdFormatAddress(name, sizeof(name), (PVOID)trapFrame->Rip));
        if (Report->Caller)
            DbgPrint("     called by %s\n", KdFormatAddress(name, sizeof(name), Report->Caller));
        if (trapFrame->Rbp)
            KdPrintBacktrace((PVOID)trapFrame->Rbp);
    } else {
        PrintCallerRegisters(Report->Frame);
        DbgPrint("Backtrace\n");
        KdPrintBacktrace(Report->Frame);
    }
}

/*
 * Prints the report of a bug check.
 *
 * IRQL:    HIGH_LEVEL (not checked)
 * Locks:   none
 * Context: the one processor that still runs
 * Returns: nothing
 * Source:  contract T-BUGCHECK-1
 */
VOID KiPrintBugCheck(const KBUGCHECK_REPORT *Report)
{
    PrintCode(Report);
    PrintRule(Report);
    PrintProcessors(Report);
    PrintPlace(Report);
    KdPrintLastEvents();
    DbgPrint("*** The system has been stopped.\n");
}
