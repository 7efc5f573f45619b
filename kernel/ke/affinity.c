/* Where a thread may run, and how it gets away from where it may not. */
#include "readylist.h"

/* As the last word on where the thread may run; 0: anywhere. The dispatcher lock is held. */
static VOID SetAffinity(PKPRCB Prcb, KAFFINITY SystemAffinity)
{
    PKTHREAD thread = Prcb->CurrentThread;

    thread->SystemAffinity = SystemAffinity;
    thread->Affinity = SystemAffinity ? SystemAffinity : ~(KAFFINITY)0;
    if (!KiMayRunOn(thread, Prcb->Number))
        KiChooseAgain(Prcb);
}

/*
 * Restricts the current thread to the processors in Affinity. Below DISPATCH_LEVEL it runs on
 * one of them when the call returns; at DISPATCH_LEVEL it moves when the IRQL falls.
 *
 * IRQL:    <= DISPATCH_LEVEL
 * Locks:   takes the dispatcher lock
 * Context: a thread
 * Returns: the former system affinity, or 0
 * Source:  contract T-AFF-1
 */
KAFFINITY KeSetSystemAffinityThreadEx(KAFFINITY Affinity)
{
    KI_REQUIRE_IRQL_AT_MOST(DISPATCH_LEVEL, RULE_IRQL_KE_DISPATCH_LTE, "IrqlKeDispatchLte",
                            Affinity);
    KIRQL oldIrql = KiLockDispatcher();
    PKPRCB prcb = KeGetCurrentPrcb();
    KAFFINITY former = prcb->CurrentThread->SystemAffinity;

    if (Affinity & KiActiveProcessors)
        SetAffinity(prcb, Affinity & KiActiveProcessors);
    KiUnlockDispatcher(oldIrql);
    return former;
}

/*
 * Takes the restriction back: 0, or what the matching KeSetSystemAffinityThreadEx returned.
 *
 * IRQL:    <= DISPATCH_LEVEL
 * Locks:   takes the dispatcher lock
 * Context: a thread
 * Returns: nothing
 * Source:  contract T-AFF-1
 */
VOID KeRevertToUserAffinityThreadEx(KAFFINITY Affinity)
{
    KI_REQUIRE_IRQL_AT_MOST(DISPATCH_LEVEL, RULE_IRQL_KE_DISPATCH_LTE, "IrqlKeDispatchLte",
                            Affinity);
    KIRQL oldIrql = KiLockDispatcher();

    SetAffinity(KeGetCurrentPrcb(), Affinity & KiActiveProcessors);
    KiUnlockDispatcher(oldIrql);
}
