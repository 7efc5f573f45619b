/*
 * Threaded DPCs. Each processor has a queue of them and a thread of the highest priority, bound to
 * it, that runs their routines at PASSIVE_LEVEL. The queue's lock is taken at HIGH_LEVEL, like that
 * of the ordinary queue.
 *
 * Whoever inserts may be at any IRQL, and above DISPATCH_LEVEL nobody may set an event. So the
 * inserter only leaves a mark, DpcThreadRequested, and requests the dispatch interrupt, which sets
 * the event when its DPCs have run. The mark is to the interrupt what NextThread is: written before
 * the request, and read after the drain has taken the request back. DispatchRequested says that the
 * mark has been made and that the thread will look again:
 *
 *     inserter (queue's lock)             the processor of the queue
 *     links the DPC
 *     DispatchRequested = TRUE
 *     marks; requests the interrupt
 *                                         end of the drain: sets the event
 *     links another DPC; requested
 *     already
 *                                         thread: takes the one, runs it, takes the other, runs it
 *                                         finds the queue empty: DispatchRequested = FALSE
 *     links a third: asks anew
 *
 * Linking and asking are one step under the queue's lock, and so are finding nothing and taking
 * the request back: a DPC is either found by the thread or comes with a request of its own. The
 * event is set after the DPC was linked, and a synchronization event that is set while the thread
 * is busy stays set: it looks once for nothing, never once too few.
 */
#include "dpc.h"
#include "ps.h"

volatile BOOLEAN KiThreadedDpcsEnabled;

/*
 * Has the DPC thread of a processor look at its queue.
 *
 * IRQL:    HIGH_LEVEL (not checked)
 * Locks:   the lock of the threaded queue is held; takes that of the ordinary one
 * Context: insertion
 * Returns: nothing
 */
VOID KiRequestDpcThread(PKPRCB Prcb)
{
    if (Prcb->ThreadedDpcData.DispatchRequested)
        return;
    Prcb->ThreadedDpcData.DispatchRequested = TRUE;
    Prcb->DpcThreadRequested = TRUE;
    KiRequestDispatch(Prcb);
}

/*
 * Wakes the DPC thread, if it has been asked for.
 *
 * IRQL:    DISPATCH_LEVEL (not checked)
 * Locks:   the dispatcher lock is held
 * Context: the end of the dispatch interrupt
 * Returns: nothing
 */
VOID KiWakeDpcThread(PKPRCB Prcb)
{
    if (!Prcb->DpcThreadRequested)
        return;
    Prcb->DpcThreadRequested = FALSE;
    Prcb->DpcThreadEvent.Header.SignalState = 1;
    KiReleaseWaiters(&Prcb->DpcThreadEvent.Header, IO_NO_INCREMENT);
}

static BOOLEAN TakeThreadedDpc(PKDPC_DATA Data, KDPC_CALL *Call)
{
    KIRQL oldIrql = KiAcquireHighLock(&Data->Lock);
    BOOLEAN taken = KiTakeDpc(Data, Call);

    KiReleaseHighLock(&Data->Lock, oldIrql);
    return taken;
}

/* The routine may not leave the thread at another IRQL, nor with a changed APC-disable count. */
static VOID RunThreadedDpc(const KDPC_CALL *Call)
{
    PKTHREAD thread = KeGetCurrentThread();

    thread->InThreadedDpc = TRUE;
    KD_TRACE(KD_CLASS_FLOW, TraceDpcStart, Call->Dpc, Call->Routine,
             KiTraceDpcFlags(TRUE, Call->FromTimer));
    Call->Routine(Call->Dpc, Call->Context, Call->Argument1, Call->Argument2);
    KD_TRACE(KD_CLASS_FLOW, TraceDpcEnd, Call->Dpc, Call->Routine,
             KiTraceDpcFlags(TRUE, Call->FromTimer));
    thread->InThreadedDpc = FALSE;
    KI_REQUIRE(KeGetCurrentIrql() == PASSIVE_LEVEL, DRIVER_VERIFIER_DETECTED_VIOLATION, 0x31,
               KeGetCurrentIrql(), PASSIVE_LEVEL, 1);
    KI_REQUIRE(thread->KernelApcDisable == 0, TIMER_OR_DPC_INVALID, 4 + Call->FromTimer,
               Call->Routine, 0, thread->KernelApcDisable);
}

/* A processor's DPC thread. It is on its processor before it takes the first DPC. */
static VOID DpcThread(PVOID StartContext)
{
    PKPRCB prcb = StartContext;
    KDPC_CALL call;

    KeSetSystemAffinityThreadEx((KAFFINITY)1 << prcb->Number);
    for (;;) {
        KeWaitForSingleObject(&prcb->DpcThreadEvent, Executive, KernelMode, FALSE, NULL);
        while (TakeThreadedDpc(&prcb->ThreadedDpcData, &call))
            RunThreadedDpc(&call);
    }
}

static VOID StartDpcThread(PKPRCB Prcb)
{
    KeInitializeEvent(&Prcb->DpcThreadEvent, SynchronizationEvent, FALSE);
    if (!NT_SUCCESS(PspStartThread("threaded DPCs", HIGH_PRIORITY, DpcThread, Prcb)))
        ArchCannotStart("There is not enough memory for the DPC threads.");
}

/*
 * Starts the DPC threads, unless threaded DPCs are turned off. DPCs that were inserted before are
 * in the ordinary queues and stay there.
 *
 * IRQL:    PASSIVE_LEVEL (not checked)
 * Locks:   none
 * Context: the start, when all processors run
 * Returns: nothing
 * Source:  contract T-TDPC-1, X-6
 */
VOID KiStartDpcThreads(VOID)
{
    PCSTR option = KiGetOption("threadeddpc");

    for (LONG n = 0; n < KeNumberProcessors; n++)
        StartDpcThread(KiProcessorBlock[n]);
    KiThreadedDpcsEnabled = !option || strcmp(option, "off") != 0;
}
