/*
 * Processor exceptions in the kernel. All but a breakpoint, and what a driver's __except handles
 * (seh.c), are bug checks; this file chooses the code and the parameters. Runs at the IRQL of the
 * code that caused the exception, and holds no lock.
 */
#include "bugreport.h"
#include "io.h"
#include "kd.h"
#include "ldr.h"
#include "ke/seh.h"

/* Exceptions by vector. */
#define TRAP_NMI           2
#define TRAP_BREAKPOINT    3
#define TRAP_DOUBLE_FAULT  8
#define TRAP_PAGE_FAULT    14
#define TRAP_MACHINE_CHECK 18
#define TRAP_ASSERTION     0x2C

/* The error code of a page fault. */
#define FAULT_PRESENT 0x01u
#define FAULT_WRITE   0x02u
#define FAULT_EXECUTE 0x10u

/* 0x50 P4: no page is there; a page is there, but not for this access ([choice]). */
#define FAULT_KIND_NOT_PRESENT   2
#define FAULT_KIND_NOT_PERMITTED 1

/*
 * Who has caused a page fault: the instruction, but for a jump into nowhere the caller, whose
 * return address is on the stack still.
 */
static const VOID *FindCause(const KTRAP_FRAME *TrapFrame)
{
    const ULONG_PTR *stack = (const ULONG_PTR *)TrapFrame->Rsp;

    if (!(TrapFrame->ErrorCode & FAULT_EXECUTE) || TrapFrame->Cr2 != TrapFrame->Rip)
        return (PVOID)TrapFrame->Rip;
    if (((ULONG_PTR)stack & 7) != 0 || !ArchIsAddressMapped(stack))
        return NULL;
    return (PVOID)*stack;
}

/* Above APC_LEVEL nothing can be paged in: 0xA, or 0xD1 when a driver did it. */
static VOID DescribeRaisedFault(PKBUGCHECK_REPORT Report)
{
    const KTRAP_FRAME *trapFrame = Report->TrapFrame;
    ULONG_PTR access = 0;

    if (trapFrame->ErrorCode & FAULT_EXECUTE)
        access = 8;
    else if (trapFrame->ErrorCode & FAULT_WRITE)
        access = 1;
    Report->Code = IopFindDriverByAddress(FindCause(trapFrame)) ? DRIVER_IRQL_NOT_LESS_OR_EQUAL
                                                                : IRQL_NOT_LESS_OR_EQUAL;
    Report->Parameters[1] = Report->Irql;
    Report->Parameters[2] = access;
    Report->Parameters[3] = trapFrame->Rip;
}

/* At a level where pages could be read in there is no page to read: 0x50. */
static VOID DescribeLowFault(PKBUGCHECK_REPORT Report)
{
    const KTRAP_FRAME *trapFrame = Report->TrapFrame;
    ULONG_PTR access = 0;

    if (trapFrame->ErrorCode & FAULT_EXECUTE)
        access = 0x10;
    else if (trapFrame->ErrorCode & FAULT_WRITE)
        access = 2;
    Report->Code = PAGE_FAULT_IN_NONPAGED_AREA;
    Report->Parameters[1] = access;
    Report->Parameters[2] = trapFrame->Rip;
    Report->Parameters[3] =
        (trapFrame->ErrorCode & FAULT_PRESENT) ? FAULT_KIND_NOT_PERMITTED : FAULT_KIND_NOT_PRESENT;
}

/* Code or data of a driver that is gone: something still pointed to it. 0xCE, raised 0xD4. */
static VOID DescribeUnloadedFault(PKBUGCHECK_REPORT Report)
{
    const KTRAP_FRAME *trapFrame = Report->TrapFrame;
    ULONG_PTR access = (trapFrame->ErrorCode & FAULT_WRITE) ? 1 : 0;

    Report->Detail = "The address lies in the image of a driver that was unloaded.";
    Report->Parameters[3] = 0;
    if (Report->Irql <= APC_LEVEL) {
        Report->Code = DRIVER_UNLOADED_WITHOUT_CANCELLING_PENDING_OPERATIONS;
        Report->Parameters[1] = access;
        Report->Parameters[2] = trapFrame->Rip;
    } else {
        Report->Code = SYSTEM_SCAN_AT_RAISED_IRQL_CAUGHT_IMPROPER_DRIVER_UNLOAD;
        Report->Parameters[1] = Report->Irql;
        Report->Parameters[2] = access;
        Report->Parameters[3] = trapFrame->Rip;
    }
}

static VOID DescribePageFault(PKBUGCHECK_REPORT Report)
{
    const KTRAP_FRAME *trapFrame = Report->TrapFrame;
    ULONG_PTR address = trapFrame->Cr2;

    Report->Parameters[0] = address;
    if (address == trapFrame->Rip)
        Report->Caller = FindCause(trapFrame);
    if (LdrFindUnloaded((PVOID)address))
        DescribeUnloadedFault(Report);
    else if (Report->Irql > APC_LEVEL)
        DescribeRaisedFault(Report);
    else
        DescribeLowFault(Report);
    if (address < PAGE_SIZE)
        Report->Detail = "The address lies in page 0: a NULL pointer was used.";
}

/* A stack that has run into its guard page cannot take the page fault: a double fault is left. */
static VOID DescribeDoubleFault(PKBUGCHECK_REPORT Report)
{
    PKTHREAD thread = KeGetCurrentPrcb()->CurrentThread;
    ULONG_PTR stack = Report->TrapFrame->Rsp;

    if (thread && stack < (ULONG_PTR)thread->StackLimit + sizeof(KTRAP_FRAME) &&
        stack + KERNEL_STACK_SIZE > (ULONG_PTR)thread->StackLimit)
        Report->Detail = "The stack is used up: RSP has reached its lower end.";
}

/* ExRaiseStatus, and no handler: 0x1E with the exception's code and the caller's address. */
static VOID DescribeRaise(PKBUGCHECK_REPORT Report, const EXCEPTION_RECORD *Record)
{
    Report->Code = KMODE_EXCEPTION_NOT_HANDLED;
    Report->Parameters[0] = (ULONG_PTR)(LONG_PTR)Record->ExceptionCode;
    Report->Parameters[1] = (ULONG_PTR)Record->ExceptionAddress;
    Report->Parameters[2] = Report->Parameters[3] = 0;
    Report->Detail = "An exception was raised, and no __except has handled it.";
}

/* A breakpoint that no debugger has set: said, and passed over. */
static VOID ReportBreakpoint(const KTRAP_FRAME *TrapFrame)
{
    CHAR name[64];

    DbgPrint("Breakpoint at %s, processor %u, IRQL %u: no debugger has taken it, going on.\n",
             KdFormatAddress(name, sizeof(name), (PVOID)(TrapFrame->Rip - 1)),
             KeGetCurrentPrcb()->Number, TrapFrame->PreviousIrql);
}

/*
 * Every processor exception, and those that are raised by a call. QEMU's debugger takes the
 * breakpoints that it has set itself; an int3 in the code comes here.
 *
 * IRQL:    any
 * Locks:   none
 * Context: the code that caused the exception; double fault and machine check on stacks of their
 *          own
 * Returns: after a breakpoint, and when a driver has handled the exception
 * Source:  contract T-IRQL-ERR-2, bugcheck-verifier.md
 */
VOID KiDispatchException(ULONG Vector, PKTRAP_FRAME TrapFrame)
{
    KBUGCHECK_REPORT report = {
        .Code = UNEXPECTED_KERNEL_MODE_TRAP,
        .Parameters = {Vector, TrapFrame->ErrorCode, TrapFrame->Rip, 0},
        .Irql = TrapFrame->PreviousIrql,
        .TrapFrame = TrapFrame,
    };
    EXCEPTION_RECORD record = {.NumberParameters = 0};

    if (KiDescribeException(Vector, TrapFrame, &record) && KiDeliverException(TrapFrame, &record))
        return;
    switch (Vector) {
    case RAISED_VECTOR:
        DescribeRaise(&report, &record);
        break;
    case TRAP_BREAKPOINT:
        ReportBreakpoint(TrapFrame);
        return;
    case TRAP_ASSERTION:
        KiAssertionTrap(TrapFrame);
    case TRAP_PAGE_FAULT:
        DescribePageFault(&report);
        break;
    case TRAP_DOUBLE_FAULT:
        DescribeDoubleFault(&report);
        break;
    case TRAP_NMI:
        report.Code = NMI_HARDWARE_FAILURE;
        report.Parameters[0] = report.Parameters[1] = report.Parameters[2] = 0;
        break;
    case TRAP_MACHINE_CHECK:
        report.Code = MACHINE_CHECK_EXCEPTION;
        report.Parameters[0] = report.Parameters[1] = report.Parameters[2] = 0;
        break;
    default:
        break;
    }
    KiBugCheck(&report);
}
