/*
 * Mutexes: an owner, who may have it several times over. State, owner and the owner's list are
 * under the dispatcher lock. SignalState is 1 when free, 0 when owned once, -n when n times more.
 */
#include "ke.h"
#include "ke/mutex.h"

static VOID InitializeMutant(PRKMUTANT Mutant, UCHAR ApcDisable)
{
    Mutant->Header.Type = MutantObject;
    Mutant->Header.Absolute = 0;
    Mutant->Header.Size = sizeof(KMUTANT) / sizeof(ULONG);
    Mutant->Header.Inserted = 0;
    Mutant->Header.SignalState = 1;
    InitializeListHead(&Mutant->Header.WaitListHead);
    Mutant->OwnerThread = NULL;
    Mutant->Abandoned = FALSE;
    Mutant->ApcDisable = ApcDisable;
    Mutant->Raised = FALSE;
}

/*
 * Makes a free mutex, whose owner gets no normal kernel APCs and may not end.
 *
 * IRQL:    any
 * Locks:   none
 * Context: any
 * Returns: nothing
 * Source:  contract T-KMUTEX-1, T-KMUTEX-4, T-KMUTEX-6
 */
VOID KeInitializeMutex(PRKMUTEX Mutex, ULONG Level)
{
    UNREFERENCED_PARAMETER(Level);
    InitializeMutant(Mutex, 1);
}

/*
 * Makes a mutex that its owner abandons by ending.
 *
 * IRQL:    <= APC_LEVEL (not checked)
 * Locks:   takes the dispatcher lock if InitialOwner
 * Context: any
 * Returns: nothing
 * Source:  contract T-KMUTEX-6
 */
VOID KeInitializeMutant(PRKMUTANT Mutant, BOOLEAN InitialOwner)
{
    LARGE_INTEGER zero = {.QuadPart = 0};

    InitializeMutant(Mutant, 0);
    if (InitialOwner)
        KeWaitForSingleObject(Mutant, Executive, KernelMode, FALSE, &zero);
}

/*
 * What a satisfied wait does to a mutex, which is free or Thread's already.
 *
 * IRQL:    DISPATCH_LEVEL (not checked)
 * Locks:   the dispatcher lock is held
 * Context: Thread itself, or any while it waits
 * Returns: STATUS_WAIT_0, or STATUS_ABANDONED_WAIT_0
 * Source:  contract T-KMUTEX-2, T-KMUTEX-4, T-KMUTEX-6
 */
LONG64 KiTakeMutant(PKMUTANT Mutant, PKTHREAD Thread)
{
    BOOLEAN abandoned = Mutant->Abandoned;

    if (Mutant->Header.SignalState-- == 1) {
        Mutant->OwnerThread = Thread;
        Mutant->Raised = Thread->WaitIrql >= DISPATCH_LEVEL;
        Mutant->Abandoned = FALSE;
        InsertTailList(&Thread->MutantList, &Mutant->MutantListEntry);
        Thread->KernelApcDisable -= Mutant->ApcDisable;
    }
    return abandoned ? STATUS_ABANDONED_WAIT_0 : STATUS_WAIT_0;
}

/*
 * Free again: whoever waits longest gets it.
 *
 * IRQL:    DISPATCH_LEVEL (not checked)
 * Locks:   the dispatcher lock is held
 * Context: the release, or the end of the owner
 * Returns: nothing
 * Source:  contract T-KMUTEX-2, T-KMUTEX-6
 */
VOID KiFreeMutant(PKMUTANT Mutant, BOOLEAN Abandoned)
{
    PKTHREAD owner = Mutant->OwnerThread;

    owner->KernelApcDisable += Mutant->ApcDisable;
    if (owner->ApcPending)
        KiSendApcInterrupt(); /* this thread's, when the IRQL falls */
    RemoveEntryList(&Mutant->MutantListEntry);
    Mutant->OwnerThread = NULL;
    Mutant->Abandoned = Abandoned;
    Mutant->Header.SignalState = 1;
    KiReleaseWaiters(&Mutant->Header, IO_NO_INCREMENT);
}

/*
 * Gives one acquisition back. By anybody but the owner, or on the other side of DISPATCH_LEVEL than
 * it was acquired, it is an exception, hence bug check 0x1E.
 *
 * IRQL:    <= DISPATCH_LEVEL
 * Locks:   takes the dispatcher lock
 * Context: the owner
 * Returns: 0 if this made the mutex free, else non-zero
 * Source:  contract T-KMUTEX-2..3, T-KMUTEX-5, X-17
 */
LONG KeReleaseMutex(PRKMUTEX Mutex, BOOLEAN Wait)
{
    KI_REQUIRE_IRQL_AT_MOST(DISPATCH_LEVEL, RULE_IRQL_KE_DISPATCH_LTE, "IrqlKeDispatchLte", Mutex);
    KI_REQUIRE(!Wait || KeGetCurrentIrql() <= APC_LEVEL, DRIVER_VERIFIER_DETECTED_VIOLATION,
               RULE_IRQL_KE_APC_LTE, KeGetCurrentIrql(), Mutex, 0);

    PKTHREAD thread = KeGetCurrentThread();
    KIRQL oldIrql = KiLockDispatcher();
    LONG previous = Mutex->Header.SignalState;

    if (Mutex->OwnerThread != thread ||
        (previous == 0 && Mutex->Raised != (oldIrql >= DISPATCH_LEVEL))) {
        KiUnlockDispatcher(oldIrql);
        KeBugCheckEx(KMODE_EXCEPTION_NOT_HANDLED, (ULONG)STATUS_MUTANT_NOT_OWNED,
                     (ULONG_PTR)__builtin_return_address(0), (ULONG_PTR)Mutex, 0);
    }
    if (previous == 0)
        KiFreeMutant(Mutex, FALSE);
    else
        Mutex->Header.SignalState = previous + 1;
    KiFinishSignal(oldIrql, Wait);
    return previous;
}

/*
 * IRQL:    <= DISPATCH_LEVEL
 * Locks:   none; the answer can be stale when it arrives
 * Context: any
 * Returns: 1 if free
 * Source:  contract T-KMUTEX-1
 */
LONG KeReadStateMutex(PRKMUTEX Mutex)
{
    KI_REQUIRE_IRQL_AT_MOST(DISPATCH_LEVEL, RULE_IRQL_KE_DISPATCH_LTE, "IrqlKeDispatchLte", Mutex);
    return Mutex->Header.SignalState;
}
