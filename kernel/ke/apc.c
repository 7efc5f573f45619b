/*
 * Kernel APCs: a list of special and one of normal ones for each thread, under the dispatcher
 * lock. They are delivered by an interrupt of their own, of class APC_LEVEL, in the context of
 * their thread: who makes one deliverable requests it, and the processor holds it back while its
 * IRQL is APC_LEVEL or above.
 *
 * It is requested when an APC is queued to a thread that runs (on its processor), when a thread
 * comes to a processor with one that it may have, and when it leaves the last region or mutex that
 * kept one away. A thread that waits below APC_LEVEL is taken out of the wait and resumes it
 * afterwards. The interrupt means no more than "look at your lists": one too many does nothing.
 */
#include "ke.h"

enum { SPECIAL, NORMAL };

/* What is needed of an APC after its kernel routine, which may have freed it. */
typedef struct _APC_CALL {
    PKAPC Apc;
    PKKERNEL_ROUTINE KernelRoutine;
    PKNORMAL_ROUTINE NormalRoutine;
    PVOID NormalContext, SystemArgument1, SystemArgument2;
} APC_CALL;

/*
 * Prepares an APC: a special one if it has no normal routine.
 *
 * IRQL:    any
 * Locks:   none
 * Context: any; the APC is not queued
 * Returns: nothing
 * Source:  contract T-APC-4
 */
VOID KeInitializeApc(PRKAPC Apc, PRKTHREAD Thread, KAPC_ENVIRONMENT Environment,
                     PKKERNEL_ROUTINE KernelRoutine, PKRUNDOWN_ROUTINE RundownRoutine,
                     PKNORMAL_ROUTINE NormalRoutine, KPROCESSOR_MODE ApcMode, PVOID NormalContext)
{
    *Apc = (KAPC){.Type = ApcObject,
                  .Size = sizeof(KAPC),
                  .Thread = Thread,
                  .KernelRoutine = KernelRoutine,
                  .RundownRoutine = RundownRoutine,
                  .NormalRoutine = NormalRoutine,
                  .NormalContext = NormalRoutine ? NormalContext : NULL,
                  .ApcStateIndex = (CCHAR)Environment,
                  .ApcMode = NormalRoutine ? ApcMode : KernelMode};
}

/* ---- the lists: the dispatcher lock is held ---- */

/* The APC that Thread's regions let through first, or NULL: special ones before normal ones. */
static PKAPC NextApc(PKTHREAD Thread)
{
    PLIST_ENTRY list = &Thread->ApcLists[SPECIAL];

    if (Thread->SpecialApcDisable)
        return NULL;
    if (IsListEmpty(list)) {
        if (Thread->KernelApcDisable || Thread->NormalApcInProgress)
            return NULL;
        list = &Thread->ApcLists[NORMAL];
        if (IsListEmpty(list))
            return NULL;
    }
    return CONTAINING_RECORD(list->Flink, KAPC, ApcListEntry);
}

/*
 * IRQL:    DISPATCH_LEVEL (not checked)
 * Locks:   the dispatcher lock is held
 * Context: Thread itself, or any while it has no processor
 * Returns: TRUE if an APC is queued to Thread that its regions let through
 * Source:  contract T-APC-1
 */
BOOLEAN KiMayDeliverApcs(PKTHREAD Thread)
{
    return NextApc(Thread) != NULL;
}

static VOID Queue(PKTHREAD Thread, PKAPC Apc)
{
    PLIST_ENTRY list = &Thread->ApcLists[Apc->NormalRoutine ? NORMAL : SPECIAL];

    InsertTailList(list, &Apc->ApcListEntry);
    Apc->Inserted = TRUE;
    Thread->ApcPending = TRUE;
}

static VOID Unqueue(PKTHREAD Thread, PKAPC Apc)
{
    RemoveEntryList(&Apc->ApcListEntry);
    Apc->Inserted = FALSE;
    Thread->ApcPending =
        !IsListEmpty(&Thread->ApcLists[SPECIAL]) || !IsListEmpty(&Thread->ApcLists[NORMAL]);
}

/*
 * Makes Thread look at its lists, if nothing that it will do anyway does. One that runs is always
 * interrupted, whether it is in a region or not: its counts are its own, and change while we look.
 *
 *     leaves its last region                  queues an APC
 *                                             ApcPending = TRUE
 *     KernelApcDisable = 0                    sends the interrupt
 *     ApcPending?
 *
 * The interrupt comes to the processor of the left column. Before its first step, and the second
 * one sees ApcPending; after it, and the interrupt itself finds the count at 0. No barrier needed.
 */
static VOID Notify(PKTHREAD Thread, KPRIORITY Increment)
{
    if (Thread->State == ThreadRunning) {
        if (Thread == KeGetCurrentThread())
            KiSendApcInterrupt();
        else
            ArchSendInterrupt(Thread->LastProcessor, APC_VECTOR);
    } else if (Thread->State == ThreadWaiting) {
        if (Thread->WaitIrql < APC_LEVEL && KiMayDeliverApcs(Thread))
            KiEndWait(Thread, STATUS_KERNEL_APC, Increment);
    }
    /* Ready, standing by, not started: the switch to it requests the interrupt. */
}

/*
 * Queues an APC to its thread.
 *
 * IRQL:    <= DISPATCH_LEVEL
 * Locks:   takes the dispatcher lock
 * Context: any
 * Returns: TRUE if this call queued it; FALSE if it was queued already, its thread takes no more,
 *          or it is one for user mode
 * Source:  contract T-APC-1, T-APC-4, T-WAIT-10
 */
BOOLEAN KeInsertQueueApc(PRKAPC Apc, PVOID SystemArgument1, PVOID SystemArgument2,
                         KPRIORITY Increment)
{
    KI_REQUIRE_IRQL_AT_MOST(DISPATCH_LEVEL, RULE_IRQL_KE_DISPATCH_LTE, "IrqlKeDispatchLte", Apc);

    KIRQL oldIrql = KiLockDispatcher();
    PKTHREAD thread = Apc->Thread;
    BOOLEAN insert = !Apc->Inserted && !thread->ApcsRefused && Apc->ApcMode == KernelMode;

    if (insert) {
        Apc->SystemArgument1 = SystemArgument1;
        Apc->SystemArgument2 = SystemArgument2;
        Queue(thread, Apc);
        Notify(thread, Increment);
    }
    KiUnlockDispatcher(oldIrql);
    return insert;
}

/*
 * Takes an APC back, if its delivery has not begun.
 *
 * IRQL:    <= DISPATCH_LEVEL
 * Locks:   takes the dispatcher lock
 * Context: any
 * Returns: TRUE if it was queued
 * Source:  contract T-APC-4
 */
BOOLEAN KeRemoveQueueApc(PRKAPC Apc)
{
    KI_REQUIRE_IRQL_AT_MOST(DISPATCH_LEVEL, RULE_IRQL_KE_DISPATCH_LTE, "IrqlKeDispatchLte", Apc);

    KIRQL oldIrql = KiLockDispatcher();
    BOOLEAN queued = Apc->Inserted;

    if (queued)
        Unqueue(Apc->Thread, Apc);
    KiUnlockDispatcher(oldIrql);
    return queued;
}

/* ---- delivery ---- */

/*
 * Lets this thread have what it is owed: at once below APC_LEVEL, else when the IRQL falls. The
 * request is made at APC_LEVEL or above, so that lowering delivers it. If the thread goes to
 * another processor in between, the switch requests it there, and here it finds nothing.
 *
 * IRQL:    any (not checked)
 * Locks:   none
 * Context: a thread
 * Returns: nothing
 */
VOID KiRequestApcInterrupt(VOID)
{
    KIRQL irql = KeGetCurrentIrql();

    if (irql < APC_LEVEL)
        KiRaiseIrql(APC_LEVEL);
    KiSendApcInterrupt();
    KiLowerIrql(irql);
}

static BOOLEAN TakeApc(PKTHREAD Thread, APC_CALL *Call)
{
    KIRQL oldIrql = KiLockDispatcher();
    PKAPC apc = NextApc(Thread);

    if (apc) {
        Unqueue(Thread, apc);
        *Call = (APC_CALL){apc,
                           apc->KernelRoutine,
                           apc->NormalRoutine,
                           apc->NormalContext,
                           apc->SystemArgument1,
                           apc->SystemArgument2};
    }
    KiUnlockDispatcher(oldIrql);
    return apc != NULL;
}

/* Parameter 1 of bug check 0xC8. Which: 0 for a kernel routine, 1 for a normal one. */
#define UNEXPECTED_IRQL(expected, which) \
    ((ULONG)KeGetCurrentIrql() << 16 | (expected) << 8 | (which))

/* Special APCs may interrupt the normal routine, other normal ones not. */
static VOID CallNormalRoutine(PKTHREAD Thread, const APC_CALL *Call)
{
    Thread->NormalApcInProgress = TRUE;
    KiLowerIrql(PASSIVE_LEVEL);
    Call->NormalRoutine(Call->NormalContext, Call->SystemArgument1, Call->SystemArgument2);
    KI_REQUIRE(KeGetCurrentIrql() == PASSIVE_LEVEL, IRQL_UNEXPECTED_VALUE,
               UNEXPECTED_IRQL(PASSIVE_LEVEL, 1), Call->KernelRoutine, Call->Apc,
               Call->NormalRoutine);
    KiRaiseIrql(APC_LEVEL);
    Thread->NormalApcInProgress = FALSE;
}

/*
 * Runs what is queued to the current thread and allowed by its regions.
 *
 * IRQL:    APC_LEVEL at entry and at exit (not checked)
 * Locks:   takes the dispatcher lock; none around the routines
 * Context: the APC interrupt, on the thread's stack
 * Returns: nothing
 * Source:  contract T-APC-1, T-APC-4, T-KeLowerIrql-4
 */
VOID KiDeliverApcs(VOID)
{
    PKTHREAD thread = KeGetCurrentThread();
    APC_CALL call;

    while (TakeApc(thread, &call)) {
        BOOLEAN normal = call.NormalRoutine != NULL;

        call.KernelRoutine(call.Apc, &call.NormalRoutine, &call.NormalContext,
                           &call.SystemArgument1, &call.SystemArgument2);
        KI_REQUIRE(KeGetCurrentIrql() == APC_LEVEL, IRQL_UNEXPECTED_VALUE,
                   UNEXPECTED_IRQL(APC_LEVEL, 0), call.KernelRoutine, call.Apc, call.NormalRoutine);
        if (normal && call.NormalRoutine)
            CallNormalRoutine(thread, &call);
    }
}

/* ---- the end of a thread ---- */

/* Takes any APC, whatever the regions say. */
static PKAPC TakeAnyApc(PKTHREAD Thread)
{
    KIRQL oldIrql = KiLockDispatcher();
    PLIST_ENTRY list =
        &Thread->ApcLists[IsListEmpty(&Thread->ApcLists[SPECIAL]) ? NORMAL : SPECIAL];
    PKAPC apc = NULL;

    if (!IsListEmpty(list)) {
        apc = CONTAINING_RECORD(list->Flink, KAPC, ApcListEntry);
        Unqueue(Thread, apc);
    }
    KiUnlockDispatcher(oldIrql);
    return apc;
}

/*
 * The current thread takes no more APCs from now on. What it may still have is delivered, what its
 * regions keep away goes to the rundown routines; one without is taken off and left to its owner.
 *
 * IRQL:    PASSIVE_LEVEL (not checked)
 * Locks:   takes the dispatcher lock; none around the routines
 * Context: the thread that ends
 * Returns: nothing
 */
VOID KiRundownApcs(VOID)
{
    PKTHREAD thread = KeGetCurrentThread();
    KIRQL oldIrql = KiLockDispatcher();
    PKAPC apc;

    thread->ApcsRefused = TRUE;
    if (thread->ApcPending)
        KiSendApcInterrupt();
    KiUnlockDispatcher(oldIrql);
    while ((apc = TakeAnyApc(thread)) != NULL) {
        if (apc->RundownRoutine)
            apc->RundownRoutine(apc);
    }
}
