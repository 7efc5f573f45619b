/*
 * Which processor exceptions are structured exceptions that a driver may handle, and what they
 * are called then. Runs at the IRQL of the code that caused the exception; no lock.
 */
#include "ke/seh.h"
#include "variables.h"

#define TRAP_DIVIDE              0
#define TRAP_INVALID_INSTRUCTION 6
#define TRAP_STACK               12
#define TRAP_PROTECTION          13
#define TRAP_PAGE_FAULT          14

/* The error code of a page fault. */
#define FAULT_WRITE   0x02u
#define FAULT_EXECUTE 0x10u

static BOOLEAN DescribeAccess(PEXCEPTION_RECORD Record, ULONG_PTR Access, ULONG_PTR Address)
{
    Record->ExceptionCode = STATUS_ACCESS_VIOLATION;
    Record->NumberParameters = 2;
    Record->ExceptionInformation[0] = Access;
    Record->ExceptionInformation[1] = Address;
    return TRUE;
}

/*
 * As in Windows, a handler protects against addresses of the user's half. An address of the
 * system's half that has no page is an error of the kernel's: 0x50, whatever guards it; and from
 * DISPATCH_LEVEL on every page fault is one.
 */
static BOOLEAN DescribePageFault(const KTRAP_FRAME *TrapFrame, PEXCEPTION_RECORD Record)
{
    ULONG_PTR access = READ_ACCESS;

    if (TrapFrame->PreviousIrql > APC_LEVEL || TrapFrame->Cr2 >= (ULONG_PTR)MmSystemRangeStart)
        return FALSE;
    if (TrapFrame->ErrorCode & FAULT_EXECUTE)
        access = EXECUTE_ACCESS;
    else if (TrapFrame->ErrorCode & FAULT_WRITE)
        access = WRITE_ACCESS;
    return DescribeAccess(Record, access, TrapFrame->Cr2);
}

/* Fills in Record, which is all zeros. FALSE: this is a bug check and nothing else. */
BOOLEAN KiDescribeException(ULONG Vector, const KTRAP_FRAME *TrapFrame, PEXCEPTION_RECORD Record)
{
    Record->ExceptionAddress = (PVOID)TrapFrame->Rip;
    switch (Vector) {
    case TRAP_DIVIDE:
        Record->ExceptionCode = STATUS_INTEGER_DIVIDE_BY_ZERO;
        return TRUE;
    case TRAP_INVALID_INSTRUCTION:
        Record->ExceptionCode = STATUS_ILLEGAL_INSTRUCTION;
        return TRUE;
    case TRAP_STACK:
    case TRAP_PROTECTION: /* most often an address that is none; the processor does not say it */
        return DescribeAccess(Record, READ_ACCESS, MAXULONG64);
    case TRAP_PAGE_FAULT:
        return DescribePageFault(TrapFrame, Record);
    case RAISED_VECTOR:
        Record->ExceptionCode = (NTSTATUS)TrapFrame->Rcx;
        Record->ExceptionFlags = EXCEPTION_NONCONTINUABLE;
        return TRUE;
    default:
        return FALSE;
    }
}
