/*
 * Who runs where. Each processor has ready lists by priority; all of them, and every thread's
 * state, are under the dispatcher lock, at DISPATCH_LEVEL.
 *
 * A thread that becomes ready goes to the processor that runs the least: an idle one, or the one
 * with the lowest priority if that is lower than its own; it stands by there (NextThread). The
 * switch is made when that processor's IRQL falls below DISPATCH_LEVEL, after the DPCs: another
 * processor is sent the dispatch interrupt, whose last work is the switch. This processor looks
 * when the lock is freed (KiUnlockDispatcher), and gives way at once if its IRQL allows.
 *
 * The dispatcher lock is held across a switch: the thread that leaves has taken it, the thread
 * that comes frees it. Nobody can therefore find a thread ready, or free its stack, before it
 * has really left its processor.
 */
#include "readylist.h"

KSPIN_LOCK KiDispatcherLock;

/* What a newcomer on this processor has to beat. */
static CHAR PriorityOn(const KPRCB *Prcb)
{
    return (Prcb->NextThread ? Prcb->NextThread : Prcb->CurrentThread)->Priority;
}

/* Out of whatever ready lists it is in. */
static VOID Dequeue(PKTHREAD Thread)
{
    KiDequeueReady(KiProcessorBlock[Thread->LastProcessor], Thread);
}

/* ChooseProcessor, where there is a choice. */
static __attribute__((noinline)) PKPRCB ChooseAmong(KAFFINITY Allowed, ULONG LastProcessor)
{
    BOOLEAN same = Allowed >> LastProcessor & 1;
    PKPRCB best = KiProcessorBlock[same ? LastProcessor : (ULONG)__builtin_ctzll(Allowed)];
    CHAR least = PriorityOn(best);

    for (; Allowed && least > IDLE_PRIORITY; Allowed &= Allowed - 1) {
        PKPRCB prcb = KiProcessorBlock[__builtin_ctzll(Allowed)];
        CHAR priority = PriorityOn(prcb);
        if (priority < least) {
            best = prcb;
            least = priority;
        }
    }
    return best;
}

/* The processor on which Thread displaces the least; on a tie the one where it ran last. */
FORCEINLINE PKPRCB ChooseProcessor(const KTHREAD *Thread)
{
    KAFFINITY allowed = Thread->Affinity & KiActiveProcessors;
    PKPRCB last = KiProcessorBlock[Thread->LastProcessor];

    if (allowed == last->SetMember)
        return last;
    return ChooseAmong(allowed, Thread->LastProcessor);
}

static VOID ReadyElsewhere(PKTHREAD Thread);

/* Prcb's processor, if it is another one, is told that a thread stands by, and Displaced, if there
 * is one, does not any more. */
static __attribute__((noinline)) VOID StandByInstead(PKPRCB Prcb, PKTHREAD Displaced)
{
    if (Prcb != KeGetCurrentPrcb())
        KiRequestDispatch(Prcb);
    if (Displaced) {
        KiEnqueueReady(Prcb, Displaced, TRUE);
        ReadyElsewhere(Displaced);
    }
}

/*
 * Lets Thread run as soon as its priority allows. If it stands by for this very processor, nothing
 * is requested: whoever frees the dispatcher lock makes the switch (KiUnlockDispatcher), or in a
 * DPC, or when timers expire, the end of the drain does.
 *
 * IRQL:    DISPATCH_LEVEL (not checked)
 * Locks:   the dispatcher lock is held
 * Context: any
 * Returns: nothing
 * Source:  contract T-DISP-2..3, T-THREAD-2, T-IRQL-8
 */
VOID KiReadyThread(PKTHREAD Thread)
{
    PKPRCB prcb = ChooseProcessor(Thread);

    Thread->LastProcessor = prcb->Number;
    KD_TRACE_LEAF(KD_CLASS_FLOW, TraceThreadReady, Thread, prcb->Number, Thread->Priority);

    PKTHREAD displaced = prcb->NextThread;

    if (Thread->Priority <= PriorityOn(prcb)) {
        KiEnqueueReady(prcb, Thread, FALSE);
        return;
    }
    prcb->NextThread = Thread;
    Thread->State = ThreadStandby;
    if (displaced || prcb != KeGetCurrentPrcb())
        StandByInstead(prcb, displaced);
}

/*
 * A thread in a ready list that has lost its place goes to a processor that does less, if there
 * is one: an idle processor does not look into the lists by itself. Ends, since each thread that
 * is displaced has a lower priority than the one before.
 */
static VOID ReadyElsewhere(PKTHREAD Thread)
{
    if (PriorityOn(ChooseProcessor(Thread)) >= Thread->Priority)
        return;
    Dequeue(Thread);
    KiReadyThread(Thread);
}

/*
 * Somebody else may be the best for Prcb's processor now: it looks as at the end of a quantum.
 *
 * IRQL:    DISPATCH_LEVEL (not checked)
 * Locks:   the dispatcher lock is held
 * Context: any
 * Returns: nothing
 */
VOID KiChooseAgain(PKPRCB Prcb)
{
    Prcb->QuantumEnd = TRUE;
    KiRequestDispatch(Prcb);
}

/*
 * The best thread that stands by for another processor and may run on this one, which would be idle
 * otherwise; else the idle thread. The other one may stay at DISPATCH_LEVEL for long; if not, its
 * interrupt is in vain.
 */
static PKTHREAD TakeOver(PKPRCB Prcb)
{
    PKPRCB from = NULL;
    PKTHREAD thread = NULL;

    for (LONG n = 0; n < KeNumberProcessors; n++) {
        PKTHREAD next = KiProcessorBlock[n]->NextThread;
        if (next && KiMayRunOn(next, Prcb->Number) &&
            (!thread || next->Priority > thread->Priority)) {
            thread = next;
            from = KiProcessorBlock[n];
        }
    }
    if (thread) {
        from->NextThread = NULL;
        PKTHREAD best = KiBestReady(from);
        if (best && best->Priority > from->CurrentThread->Priority)
            KiChooseAgain(from); /* it has been put off by the one that stood by */
    }
    return thread ? thread : Prcb->IdleThread;
}

static PKTHREAD TakeStandby(PKPRCB Prcb)
{
    PKTHREAD next = Prcb->NextThread;

    Prcb->NextThread = NULL;
    return next;
}

/*
 * The thread to run on Prcb's processor now: the one that stands by, else the best in all ready
 * lists, its own first, else one that stands by elsewhere, else the idle thread.
 */
static PKTHREAD SelectThread(PKPRCB Prcb)
{
    if (Prcb->NextThread)
        return TakeStandby(Prcb);

    PKTHREAD best = KiBestReady(Prcb);

    if (best)
        Dequeue(best);
    else
        best = TakeOver(Prcb);
    best->LastProcessor = Prcb->Number;
    return best;
}

/* A thread that comes to a processor takes the APCs that it may have when it lowers the IRQL. */
static VOID SendApcInterruptOf(PKTHREAD Thread)
{
    if (KiMayDeliverApcs(Thread))
        KiSendApcInterrupt();
}

/* From Old, the thread of Prcb's processor up to here, to Next. Returns when Old runs again. */
FORCEINLINE VOID SwitchTo(PKPRCB Prcb, PKTHREAD Old, PKTHREAD Next)
{
    Next->State = ThreadRunning;
    Next->Switches++;
    if (Next->Quantum <= 0)
        Next->Quantum = QUANTUM_TICKS;
    Prcb->QuantumEnd = FALSE; /* the best thread has just been chosen */
    Prcb->SwitchCount++;
    Prcb->CurrentThread = Next;
    if (KI_UNLIKELY(Next->ApcPending))
        ArchCallKeepingRegisters(SendApcInterruptOf, Next, 0, 0, 0);
    KD_TRACE_LEAF(KD_CLASS_FLOW, TraceThreadSwitch, Next, Old,
                  Old->State | (LONG64)Next->Priority * 256);
    ArchSwitchThread(Old, Next);
}

static __attribute__((noinline)) VOID SwitchToBest(PKPRCB Prcb)
{
    SwitchTo(Prcb, Prcb->CurrentThread, SelectThread(Prcb));
}

/*
 * Gives the processor away, most often to a thread in its own lists, and nobody else has any. The
 * caller has said where its thread stands now: waiting, or ended.
 * Returns when this thread has a processor again, perhaps another one.
 *
 * IRQL:    DISPATCH_LEVEL (not checked)
 * Locks:   the dispatcher lock is held, and is held again at the return
 * Context: a thread
 * Returns: nothing
 */
VOID KiSwitchAway(VOID)
{
    PKPRCB prcb = KeGetCurrentPrcb();

    if (!prcb->NextThread && KiReadyProcessors == prcb->SetMember) {
        PKTHREAD next = KiFirstReady(prcb);
        KiDequeueReady(prcb, next);
        SwitchTo(prcb, prcb->CurrentThread, next);
    } else {
        SwitchToBest(prcb);
    }
}

/*
 * Next takes the processor of the running thread, which stays ready: first in its list if it was
 * preempted, last if its time is over, or elsewhere, if another processor does less or it may not
 * run here any more. Whoever looks for a processor finds Next here already.
 */
FORCEINLINE VOID GiveWay(PKPRCB Prcb, PKTHREAD Next, BOOLEAN First)
{
    PKTHREAD old = Prcb->CurrentThread;

    Prcb->CurrentThread = Next;
    if (old != Prcb->IdleThread) {
        PKPRCB best = ChooseProcessor(old);
        if (best == Prcb || (KiMayRunOn(old, Prcb->Number) && PriorityOn(best) >= old->Priority))
            KiEnqueueReady(Prcb, old, First);
        else
            KiReadyThread(old);
    }
    SwitchTo(Prcb, old, Next);
}

/*
 * A better thread than the caller's stands by here, and the caller is about to free the dispatcher
 * lock. Below DISPATCH_LEVEL it gives way at once; DPCs that wait come first, and so the switch is
 * left to their interrupt. At DISPATCH_LEVEL that interrupt comes when the IRQL falls, and in a DPC
 * the drain, which has it under way, makes the switch at its end.
 *
 * IRQL:    DISPATCH_LEVEL (not checked)
 * Locks:   the dispatcher lock is held, and is held again at the return
 * Context: any; below DISPATCH_LEVEL a thread
 * Returns: when this thread runs again
 * Source:  contract T-THREAD-2, T-DISP-3, T-IRQL-8, T-KeLowerIrql-4
 */
VOID KiPreempt(KIRQL OldIrql)
{
    PKPRCB prcb = KeGetCurrentPrcb();

    if (OldIrql >= DISPATCH_LEVEL || prcb->DpcData.DispatchRequested)
        KiRequestDispatch(prcb);
    else
        GiveWay(prcb, TakeStandby(prcb), TRUE);
}

/* A new quantum; a boosted thread comes down by one level. */
static VOID EndQuantum(PKPRCB Prcb, PKTHREAD Thread)
{
    Prcb->QuantumEnd = FALSE;
    Thread->Quantum = QUANTUM_TICKS;
    if (Thread->Priority > Thread->BasePriority && Thread->Priority < LOW_REALTIME_PRIORITY)
        Thread->Priority--;
}

/* Who takes over from Thread at the end of its quantum; NULL: nobody, it goes on. */
static PKTHREAD SelectAtQuantumEnd(PKPRCB Prcb, PKTHREAD Thread)
{
    if (Prcb->NextThread || Thread == Prcb->IdleThread || !KiMayRunOn(Thread, Prcb->Number)) {
        PKTHREAD next = SelectThread(Prcb);
        return next == Thread ? NULL : next;
    }

    PKTHREAD next = KiBestReady(Prcb);

    if (!next || next->Priority < Thread->Priority)
        return NULL;
    Dequeue(next);
    next->LastProcessor = Prcb->Number;
    return next;
}

/*
 * The last work of the dispatch interrupt: threaded DPCs' thread, a thread that stands by, or the
 * end of a quantum.
 *
 * IRQL:    DISPATCH_LEVEL (not checked)
 * Locks:   takes the dispatcher lock
 * Context: the dispatch interrupt, on the interrupted thread's stack
 * Returns: when the interrupted thread runs again
 * Source:  contract T-IRQL-8, T-THREAD-1..2, T-DISP-3
 */
VOID KiDispatchThreads(PKPRCB Prcb)
{
    KiAcquireLockAtDpcLevel(&KiDispatcherLock);

    PKTHREAD thread = Prcb->CurrentThread;
    BOOLEAN quantumEnd = Prcb->QuantumEnd;
    PKTHREAD next;

    KiWakeDpcThread(Prcb);
    if (quantumEnd) {
        EndQuantum(Prcb, thread);
        next = SelectAtQuantumEnd(Prcb, thread);
    } else {
        next = TakeStandby(Prcb); /* NULL, if another processor has taken it over meanwhile */
    }
    if (next)
        GiveWay(Prcb, next, !quantumEnd);
    KiReleaseLockFromDpcLevel(&KiDispatcherLock);
}

/*
 * Counts a tick against the running thread.
 *
 * IRQL:    CLOCK_LEVEL (not checked)
 * Locks:   takes the DPC queue's lock when the quantum is over
 * Context: the clock interrupt
 * Returns: nothing
 * Source:  contract T-THREAD-1
 */
VOID KiQuantumTick(PKPRCB Prcb)
{
    PKTHREAD thread = Prcb->CurrentThread;

    if (thread == Prcb->IdleThread || --thread->Quantum > 0)
        return;
    Prcb->QuantumEnd = TRUE;
    KiRequestDispatch(Prcb);
}

/* The thread that stands by does not beat the running one any more: it looks for another place. */
static VOID SendAway(PKPRCB Prcb)
{
    PKTHREAD next = Prcb->NextThread;

    if (!next || next->Priority > Prcb->CurrentThread->Priority)
        return;
    Prcb->NextThread = NULL;
    KiReadyThread(next);
}

/*
 * Changes a thread's priority, wherever it stands.
 *
 * IRQL:    DISPATCH_LEVEL (not checked)
 * Locks:   the dispatcher lock is held
 * Context: any
 * Returns: nothing
 * Source:  contract T-KeSetPriorityThread-1
 */
VOID KiSetPriority(PKTHREAD Thread, CHAR Priority)
{
    PKPRCB prcb = KiProcessorBlock[Thread->LastProcessor];
    CHAR earlier = Thread->Priority;

    switch (Thread->State) {
    case ThreadReady:
        Dequeue(Thread);
        Thread->Priority = Priority;
        KiReadyThread(Thread);
        break;
    case ThreadStandby:
        prcb->NextThread = NULL;
        Thread->Priority = Priority;
        KiReadyThread(Thread);
        KiChooseAgain(prcb);
        break;
    case ThreadRunning:
        Thread->Priority = Priority;
        if (Priority < earlier)
            KiChooseAgain(prcb);
        else
            SendAway(prcb);
        break;
    default:
        Thread->Priority = Priority;
    }
}
