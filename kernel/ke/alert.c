/*
 * Alerts: the polite way to tell a thread that it need not wait any longer. A thread that has said
 * so (Alertable) leaves its wait with STATUS_ALERTED; for any other the alert is remembered, one
 * for each mode, until an alertable wait takes it. All under the dispatcher lock.
 */
#include "ke.h"

/* An alert of KernelMode reaches every alertable wait, one of UserMode only those of UserMode. */
static BOOLEAN Reaches(KPROCESSOR_MODE AlertMode, KPROCESSOR_MODE WaitMode)
{
    return AlertMode == KernelMode || WaitMode == UserMode;
}

/*
 * Takes an alert that was remembered.
 *
 * IRQL:    DISPATCH_LEVEL (not checked)
 * Locks:   the dispatcher lock is held
 * Context: Thread itself, which is about to wait
 * Returns: TRUE if there was one for a wait of WaitMode
 * Source:  contract T-WAIT-10
 */
BOOLEAN KiTakeAlert(PKTHREAD Thread, KPROCESSOR_MODE WaitMode)
{
    for (ULONG mode = KernelMode; mode <= UserMode; mode++) {
        if (Thread->Alerted[mode] && Reaches((KPROCESSOR_MODE)mode, WaitMode)) {
            Thread->Alerted[mode] = FALSE;
            return TRUE;
        }
    }
    return FALSE;
}

/*
 * Alerts a thread.
 *
 * IRQL:    <= DISPATCH_LEVEL
 * Locks:   takes the dispatcher lock
 * Context: any
 * Returns: TRUE if an earlier alert of this mode has not been taken yet
 * Source:  contract T-WAIT-10
 */
BOOLEAN KeAlertThread(PKTHREAD Thread, KPROCESSOR_MODE AlertMode)
{
    KI_REQUIRE_IRQL_AT_MOST(DISPATCH_LEVEL, RULE_IRQL_KE_DISPATCH_LTE, "IrqlKeDispatchLte", Thread);

    KIRQL oldIrql = KiLockDispatcher();
    ULONG mode = AlertMode != KernelMode;
    BOOLEAN previous = Thread->Alerted[mode];

    if (Thread->State == ThreadWaiting && Thread->Alertable && Reaches(AlertMode, Thread->WaitMode))
        KiEndWait(Thread, STATUS_ALERTED, IO_NO_INCREMENT);
    else
        Thread->Alerted[mode] = TRUE;
    KiUnlockDispatcher(oldIrql);
    return previous;
}

/*
 * Has the current thread been alerted? The alert is taken.
 *
 * IRQL:    <= DISPATCH_LEVEL
 * Locks:   takes the dispatcher lock
 * Context: a thread
 * Returns: TRUE if there was an alert of this mode
 * Source:  contract T-WAIT-10
 */
BOOLEAN KeTestAlertThread(KPROCESSOR_MODE AlertMode)
{
    KI_REQUIRE_IRQL_AT_MOST(DISPATCH_LEVEL, RULE_IRQL_KE_DISPATCH_LTE, "IrqlKeDispatchLte", 0);

    KIRQL oldIrql = KiLockDispatcher();
    PKTHREAD thread = KeGetCurrentThread();
    ULONG mode = AlertMode != KernelMode;
    BOOLEAN alerted = thread->Alerted[mode];

    thread->Alerted[mode] = FALSE;
    KiUnlockDispatcher(oldIrql);
    return alerted;
}
