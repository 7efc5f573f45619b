/*
 * The end: KeBugCheckEx and its relatives. The first processor that comes here reports; it runs
 * with interrupts off at HIGH_LEVEL, alone, and takes no lock.
 */
#include "bugreport.h"
#include "kd.h"

volatile LONG KiBugCheckActive; /* 0, or the reporting processor's number + 1 */
KBUGCHECK_HOOK *volatile KiBugCheckHook;

/* What an assertion raises, in Windows too: STATUS_ASSERTION_FAILURE, a status, so with its sign.
 */
#define ASSERTION_FAILURE ((ULONG_PTR)(NTSTATUS)0xC0000420)

/* A second bug check: inside the report of the first one, or on a processor that comes too late. */
static DECLSPEC_NORETURN VOID EndHere(const KBUGCHECK_REPORT *Report, LONG Reporter)
{
    static volatile LONG again;

    if (Reporter == (LONG)KeGetCurrentPrcb()->Number + 1) {
        if (InterlockedIncrement(&again) == 1)
            DbgPrint("\n*** another bug check during the report: 0x%X (0x%llX, 0x%llX, 0x%llX, "
                     "0x%llX)\n",
                     Report->Code, Report->Parameters[0], Report->Parameters[1],
                     Report->Parameters[2], Report->Parameters[3]);
        ArchExit(EXIT_BUGCHECK_VALUE);
    }
    for (;;)
        ArchPause(); /* until the reporter's NMI arrives */
}

/*
 * Stops the system and prints the report. A test's hook sees the bug check first and may leave it
 * without a trace, by a jump: so nothing is changed before the hook is called.
 *
 * IRQL:    any
 * Locks:   none; breaks the console's
 * Context: any
 * Returns: never
 * Source:  contract T-BUGCHECK-1
 */
VOID KiBugCheck(const KBUGCHECK_REPORT *Report)
{
    KBUGCHECK_HOOK *hook = KiBugCheckHook;
    LONG reporter;

    if (hook)
        hook(Report->Code, Report->Parameters, Report->Irql);

    ArchDisableInterrupts();
    KiRaiseIrql(HIGH_LEVEL);
    reporter =
        InterlockedCompareExchange(&KiBugCheckActive, (LONG)KeGetCurrentPrcb()->Number + 1, 0);
    if (reporter != 0)
        EndHere(Report, reporter);
    KD_TRACE(KD_CLASS_FLOW, TraceBugCheck, Report->Parameters[0], Report->Code, 0);
    ArchStopOtherProcessors();
    KdTraceClasses = 0; /* the report is no part of what led to it */
    KdBreakConsoleLock();
    KiPrintBugCheck(Report);
    KdShowBugCheck();
    ArchExit(EXIT_BUGCHECK_VALUE);
}

/*
 * Stops the system with a code and four parameters, and reports what the caller was doing.
 *
 * IRQL:    any
 * Locks:   none
 * Context: any
 * Returns: never
 * Source:  contract T-BUGCHECK-1
 */
VOID KeBugCheckEx(ULONG BugCheckCode, ULONG_PTR BugCheckParameter1, ULONG_PTR BugCheckParameter2,
                  ULONG_PTR BugCheckParameter3, ULONG_PTR BugCheckParameter4)
{
    KBUGCHECK_REPORT report = {
        .Code = BugCheckCode,
        .Parameters = {BugCheckParameter1, BugCheckParameter2, BugCheckParameter3,
                       BugCheckParameter4},
        .Irql = KeGetCurrentIrql(),
        .Frame = __builtin_frame_address(0),
    };

    KiBugCheck(&report);
}

/*
 * Stops the system with a code.
 *
 * IRQL:    any
 * Locks:   none
 * Context: any
 * Returns: never
 */
VOID KeBugCheck(ULONG BugCheckCode)
{
    KBUGCHECK_REPORT report = {
        .Code = BugCheckCode,
        .Irql = KeGetCurrentIrql(),
        .Frame = __builtin_frame_address(0),
    };

    KiBugCheck(&report);
}

/*
 * Reports a routine that was called at the wrong IRQL: 0xC4 (Kind, IRQL, Object, 0).
 *
 * IRQL:    any
 * Locks:   none
 * Context: the routine's; the backtrace begins with it
 * Returns: never
 * Source:  contract bugcheck-verifier.md, 0xC4
 */
VOID KiReportIrqlViolation(ULONG Kind, PCSTR Rule, ULONG_PTR Object)
{
    KIRQL irql = KeGetCurrentIrql();
    KBUGCHECK_REPORT report = {
        .Code = DRIVER_VERIFIER_DETECTED_VIOLATION,
        .Parameters = {Kind, irql, Object, 0},
        .Irql = irql,
        .Rule = Rule,
        .Detail = KiKeepsDispatchRules()
                      ? "In a threaded DPC routine the rules of DISPATCH_LEVEL hold."
                      : NULL,
        .Frame = __builtin_frame_address(0),
    };

    KiBugCheck(&report);
}

/*
 * Reports an assertion that does not hold. The code is the one that Windows gives for an
 * assertion which nobody handles: 0x1E with the status of an assertion failure and its address.
 * What P3 and P4 mean is the project's [choice]: the file's name and the line.
 *
 * IRQL:    any
 * Locks:   none
 * Context: any
 * Returns: never
 */
VOID RtlAssert(PVOID FailedAssertion, PVOID FileName, ULONG LineNumber, PSTR Message)
{
    KBUGCHECK_REPORT report = {
        .Code = KMODE_EXCEPTION_NOT_HANDLED,
        .Parameters = {ASSERTION_FAILURE, (ULONG_PTR)__builtin_return_address(0),
                       (ULONG_PTR)FileName, LineNumber},
        .Irql = KeGetCurrentIrql(),
        .Rule = FailedAssertion,
        .Detail = Message,
        .File = FileName,
        .Line = LineNumber,
        .Frame = __builtin_frame_address(0),
    };

    KiBugCheck(&report);
}

/*
 * Reports an assertion that code built with the WDK's headers raised with `int 2C`: the same
 * code as RtlAssert's, without a text.
 *
 * IRQL:    any
 * Locks:   none
 * Context: the trap of vector 0x2C
 * Returns: never
 */
VOID KiAssertionTrap(PKTRAP_FRAME TrapFrame)
{
    const ULONG instructionLength = 2;
    KBUGCHECK_REPORT report = {
        .Code = KMODE_EXCEPTION_NOT_HANDLED,
        .Parameters = {ASSERTION_FAILURE, TrapFrame->Rip - instructionLength},
        .Irql = TrapFrame->PreviousIrql,
        .Detail = "An assertion in the code has failed (int 2C).",
        .TrapFrame = TrapFrame,
    };

    KiBugCheck(&report);
}
