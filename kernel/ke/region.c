/*
 * Critical and guarded regions: counts of the current thread that keep kernel APCs away. Only
 * the thread itself writes them.
 */
#include "ke.h"

static PKTHREAD EnterThread(VOID)
{
    KI_REQUIRE_IRQL_AT_MOST(APC_LEVEL, 0x11A, "IrqlKeApcLte2", 0);
    return KeGetCurrentThread();
}

static PKTHREAD LeaveThread(VOID)
{
    KI_REQUIRE_IRQL_AT_MOST(APC_LEVEL, 0x11B, "IrqlKeApcLte2", 0);
    return KeGetCurrentThread();
}

/*
 * Leaving the outermost region: what it has kept away comes now. The look at ApcPending comes after
 * the write of the count; why no barrier is needed says kernel/ke/apc.c.
 */
static VOID CatchUp(PKTHREAD Thread, SHORT Count)
{
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    if (Count == 0 && Thread->ApcPending)
        KiRequestApcInterrupt();
}

/*
 * No normal kernel APCs until the matching leave; nests.
 *
 * IRQL:    <= APC_LEVEL (EnterThread)
 * Locks:   none
 * Context: a thread
 * Returns: nothing
 * Source:  contract T-APC-1, T-APC-3
 */
VOID KeEnterCriticalRegion(VOID)
{
    EnterThread()->KernelApcDisable--;
}

/*
 * IRQL:    <= APC_LEVEL (LeaveThread)
 * Locks:   none
 * Context: a thread; its APCs run here if this was the outermost region
 * Returns: nothing
 * Source:  contract T-APC-1, T-APC-3
 */
VOID KeLeaveCriticalRegion(VOID)
{
    PKTHREAD thread = LeaveThread();

    KI_REQUIRE(thread->KernelApcDisable < 0, DRIVER_VERIFIER_DETECTED_VIOLATION, 0x3E, thread,
               thread->KernelApcDisable, 0);
    thread->KernelApcDisable++;
    CatchUp(thread, thread->KernelApcDisable);
}

/*
 * No kernel APCs at all until the matching leave; nests.
 *
 * IRQL:    <= APC_LEVEL (EnterThread)
 * Locks:   none
 * Context: a thread
 * Returns: nothing
 * Source:  contract T-APC-1
 */
VOID KeEnterGuardedRegion(VOID)
{
    EnterThread()->SpecialApcDisable--;
}

/*
 * IRQL:    <= APC_LEVEL (LeaveThread)
 * Locks:   none
 * Context: a thread
 * Returns: nothing
 * Source:  contract T-APC-1, T-APC-3
 */
VOID KeLeaveGuardedRegion(VOID)
{
    PKTHREAD thread = LeaveThread();

    KI_REQUIRE(thread->SpecialApcDisable < 0, DRIVER_VERIFIER_DETECTED_VIOLATION, 0x3E, thread,
               thread->SpecialApcDisable, 0);
    thread->SpecialApcDisable++;
    CatchUp(thread, thread->SpecialApcDisable);
}

/*
 * IRQL:    <= DISPATCH_LEVEL
 * Locks:   none
 * Context: a thread
 * Returns: TRUE in a critical or guarded region
 * Source:  contract T-APC-2
 */
BOOLEAN KeAreApcsDisabled(VOID)
{
    KI_REQUIRE_IRQL_AT_MOST(DISPATCH_LEVEL, RULE_IRQL_KE_DISPATCH_LTE, "IrqlKeDispatchLte", 0);

    PKTHREAD thread = KeGetCurrentThread();
    return thread->KernelApcDisable || thread->SpecialApcDisable;
}

/*
 * IRQL:    <= DISPATCH_LEVEL
 * Locks:   none
 * Context: a thread
 * Returns: TRUE in a guarded region or at APC_LEVEL and above
 * Source:  contract T-APC-2
 */
BOOLEAN KeAreAllApcsDisabled(VOID)
{
    KI_REQUIRE_IRQL_AT_MOST(DISPATCH_LEVEL, RULE_IRQL_KE_DISPATCH_LTE, "IrqlKeDispatchLte", 0);
    return KeGetCurrentThread()->SpecialApcDisable || KeGetCurrentIrql() >= APC_LEVEL;
}
