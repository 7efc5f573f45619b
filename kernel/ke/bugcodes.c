/*
 * The names of bug-check codes and what their parameters mean. Constant data: any IRQL, no lock.
 * Contract: bugcheck-verifier.md.
 */
#include "bugreport.h"

typedef struct _CODE {
    ULONG Code;
    PCSTR Name;
    PCSTR Meanings[4];
} CODE;

/* clang-format off */
static const CODE Codes[] = {
    {IRQL_NOT_DISPATCH_LEVEL, "IRQL_NOT_DISPATCH_LEVEL", {0}},
    {IRQL_NOT_GREATER_OR_EQUAL, "IRQL_NOT_GREATER_OR_EQUAL",
     {"the current IRQL", "the IRQL that was asked for"}},
    {IRQL_NOT_LESS_OR_EQUAL, "IRQL_NOT_LESS_OR_EQUAL",
     {"the address that was touched", "the IRQL", "the access: 0 read, 1 write, 8 execute",
      "the instruction"}},
    {MAXIMUM_WAIT_OBJECTS_EXCEEDED, "MAXIMUM_WAIT_OBJECTS_EXCEEDED", {0}},
    {SPIN_LOCK_ALREADY_OWNED, "SPIN_LOCK_ALREADY_OWNED",
     {"the lock, which this processor holds already"}},
    {SPIN_LOCK_NOT_OWNED, "SPIN_LOCK_NOT_OWNED", {"the lock, which this processor does not hold"}},
    {THREAD_NOT_MUTEX_OWNER, "THREAD_NOT_MUTEX_OWNER", {0}},
    {BAD_POOL_HEADER, "BAD_POOL_HEADER", {"the kind of damage", "the block"}},
    {KMODE_EXCEPTION_NOT_HANDLED, "KMODE_EXCEPTION_NOT_HANDLED",
     {"the exception's status", "its address"}},
    {KERNEL_APC_PENDING_DURING_EXIT, "KERNEL_APC_PENDING_DURING_EXIT",
     {"0", "the thread's APC-disable count", "the IRQL"}},
    {PHASE0_INITIALIZATION_FAILED, "PHASE0_INITIALIZATION_FAILED", {0}},
    {NO_MORE_IRP_STACK_LOCATIONS, "NO_MORE_IRP_STACK_LOCATIONS", {"the IRP"}},
    {MULTIPLE_IRP_COMPLETE_REQUESTS, "MULTIPLE_IRP_COMPLETE_REQUESTS", {"the IRP"}},
    {PAGE_FAULT_IN_NONPAGED_AREA, "PAGE_FAULT_IN_NONPAGED_AREA",
     {"the address that was touched", "the access: 0 read, 2 write, 0x10 execute",
      "the instruction", "the fault: 2 no page is there, 1 the page does not allow the access"}},
    {UNEXPECTED_KERNEL_MODE_TRAP, "UNEXPECTED_KERNEL_MODE_TRAP",
     {"the trap number", "the processor's error code", "the instruction"}},
    {NMI_HARDWARE_FAILURE, "NMI_HARDWARE_FAILURE", {0}},
    {MACHINE_CHECK_EXCEPTION, "MACHINE_CHECK_EXCEPTION", {0}},
    {ATTEMPTED_SWITCH_FROM_DPC, "ATTEMPTED_SWITCH_FROM_DPC",
     {"the thread", "the next thread", "the thread's stack"}},
    {BAD_POOL_CALLER, "BAD_POOL_CALLER", {0}},
    {DRIVER_VERIFIER_DETECTED_VIOLATION, "DRIVER_VERIFIER_DETECTED_VIOLATION", {0}},
    {TIMER_OR_DPC_INVALID, "TIMER_OR_DPC_INVALID", {0}},
    {IRQL_UNEXPECTED_VALUE, "IRQL_UNEXPECTED_VALUE",
     {"current IRQL << 16 | expected IRQL << 8 | 0 for a kernel routine, 1 for a normal one",
      "the APC's kernel routine", "the APC", "the APC's normal routine"}},
    {DRIVER_VERIFIER_IOMANAGER_VIOLATION, "DRIVER_VERIFIER_IOMANAGER_VIOLATION", {0}},
    {DRIVER_UNLOADED_WITHOUT_CANCELLING_PENDING_OPERATIONS,
     "DRIVER_UNLOADED_WITHOUT_CANCELLING_PENDING_OPERATIONS",
     {"the address that was touched", "the access: 0 read, 1 write", "the instruction"}},
    {DRIVER_IRQL_NOT_LESS_OR_EQUAL, "DRIVER_IRQL_NOT_LESS_OR_EQUAL",
     {"the address that was touched", "the IRQL", "the access: 0 read, 1 write, 8 execute",
      "the driver's instruction"}},
    {SYSTEM_SCAN_AT_RAISED_IRQL_CAUGHT_IMPROPER_DRIVER_UNLOAD,
     "SYSTEM_SCAN_AT_RAISED_IRQL_CAUGHT_IMPROPER_DRIVER_UNLOAD",
     {"the address that was touched", "the IRQL", "the access: 0 read, 1 write",
      "the instruction"}},
    {MANUALLY_INITIATED_CRASH, "MANUALLY_INITIATED_CRASH", {0}},
    {WORKER_THREAD_RETURNED_AT_BAD_IRQL, "WORKER_THREAD_RETURNED_AT_BAD_IRQL",
     {"the work routine", "the IRQL", "its parameter", "the work item, or 0"}},
    {RESOURCE_NOT_OWNED, "RESOURCE_NOT_OWNED",
     {"the resource", "the thread that does not have it", "the list of its owners"}},
    {WORKER_INVALID, "WORKER_INVALID",
     {"0 a queued item is freed, 1 a queued item is queued again", "the work item",
      "0: the memory's start, 1: the routine", "the memory's end"}},
    {CLOCK_WATCHDOG_TIMEOUT, "CLOCK_WATCHDOG_TIMEOUT",
     {"the ticks without a clock interrupt", NULL, "the processor's block", "the processor"}},
    {DPC_WATCHDOG_TIMEOUT, "DPC_WATCHDOG_TIMEOUT", {"the ticks", "the processor's block"}},
    {DRIVER_RETURNED_HOLDING_CANCEL_LOCK, "DRIVER_RETURNED_HOLDING_CANCEL_LOCK",
     {"the IRP", "the cancel routine"}},
    {DPC_WATCHDOG_VIOLATION, "DPC_WATCHDOG_VIOLATION", {0}},
};
/* clang-format on */

static const CODE *FindCode(ULONG Code)
{
    for (ULONG i = 0; i < ARRAYSIZE(Codes); i++)
        if (Codes[i].Code == Code)
            return &Codes[i];
    return NULL;
}

/*
 * The name of a bug-check code.
 *
 * IRQL:    any
 * Locks:   none
 * Context: any
 * Returns: the name, or NULL for an unknown code
 */
PCSTR KiBugCheckName(ULONG Code)
{
    const CODE *code = FindCode(Code);

    return code ? code->Name : NULL;
}

/*
 * What a parameter stands for; with some codes the first parameter decides about the others.
 *
 * IRQL:    any
 * Locks:   none
 * Context: any
 * Returns: a few words, or NULL if the parameter has no meaning
 */
PCSTR KiBugCheckParameterMeaning(ULONG Code, const ULONG_PTR Parameters[4], ULONG Index)
{
    const KBUGCHECK_KIND *kind = KiFindBugCheckKind(Code, Parameters[0]);
    const CODE *code = FindCode(Code);

    if (Index > 3)
        return NULL;
    if (kind)
        return kind->Meanings[Index];
    return code ? code->Meanings[Index] : NULL;
}
