/*
 * Passive-level interrupts: the service routine runs in a thread at PASSIVE_LEVEL, for devices
 * that can only be asked by way of something that waits. An event takes the place of the lock.
 *
 * The interrupt itself has to be over before that thread can run, so the source is silenced first.
 * A level-triggered line would interrupt again and again until the device has been served; it is
 * masked until the routine has returned. An edge is gone as soon as it has been taken:
 *
 *     interrupt (the vector's IRQL)     DPC               thread (PASSIVE_LEVEL)
 *     masks a level-triggered line
 *     queues the DPC
 *     end of interrupt
 *                                       sets Requested
 *                                                         takes Free, calls the routine, sets Free
 *                                                         opens the line again
 *
 * Every masking is followed by an opening: whatever masks queues the DPC afterwards, a DPC that is
 * queued already sets the event afterwards, and an event that is set already sends the thread
 * round once more. So edges, and interrupts that had left their controller before the line was
 * masked, are merged into one more call but never lost.
 */
#include "intobj.h"
#include "ps.h"

#define THREAD_PRIORITY (HIGH_PRIORITY - 1) /* below threaded DPCs */

/*
 * Waits until neither the service routine nor a routine of KeSynchronizeExecution runs, and keeps
 * them away.
 *
 * IRQL:    PASSIVE_LEVEL (not checked)
 * Locks:   takes the event of a passive-level interrupt object
 * Context: a thread that may wait
 * Returns: nothing
 * Source:  contract T-IoConnectInterruptEx-6, T-KeSynchronizeExecution-5
 */
VOID KiAcquirePassiveInterrupt(PKINTERRUPT Interrupt)
{
    KeWaitForSingleObject(&Interrupt->Passive.Free, Executive, KernelMode, FALSE, NULL);
}

/*
 * Lets the next one in.
 *
 * IRQL:    PASSIVE_LEVEL (not checked)
 * Locks:   gives the event back
 * Context: who has acquired it
 * Returns: nothing
 */
VOID KiReleasePassiveInterrupt(PKINTERRUPT Interrupt)
{
    KeSetEvent(&Interrupt->Passive.Free, IO_NO_INCREMENT, FALSE);
}

static VOID CallServiceRoutine(PKINTERRUPT Interrupt)
{
    BOOLEAN served = TRUE;

    KiAcquirePassiveInterrupt(Interrupt);
    if (Interrupt->Active) {
        KD_TRACE(KD_CLASS_FLOW, TraceServiceStart, Interrupt, Interrupt->ServiceRoutine,
                 Interrupt->Vector);
        served = Interrupt->ServiceRoutine(Interrupt, Interrupt->ServiceContext);
        KD_TRACE(KD_CLASS_FLOW, TraceServiceEnd, Interrupt, Interrupt->ServiceRoutine, served);
        KI_REQUIRE(KeGetCurrentIrql() == PASSIVE_LEVEL, DRIVER_VERIFIER_DETECTED_VIOLATION, 0x111,
                   Interrupt->ServiceRoutine, PASSIVE_LEVEL, KeGetCurrentIrql());
        Interrupt->Count += served != FALSE;
    }
    KiReleasePassiveInterrupt(Interrupt);
    if (!served)
        InterlockedIncrement64(&KiSpuriousInterrupts);
}

/* The last that the thread does with the object is to say that it has ended. */
static VOID PassiveThread(PVOID StartContext)
{
    PKINTERRUPT interrupt = StartContext;

    for (;;) {
        KeWaitForSingleObject(&interrupt->Passive.Requested, Executive, KernelMode, FALSE, NULL);
        if (interrupt->Passive.Stopping)
            break;
        CallServiceRoutine(interrupt);
        KiReopenLine(interrupt->Vector);
    }
    KeSetEvent(&interrupt->Passive.Ended, IO_NO_INCREMENT, FALSE);
}

static KDEFERRED_ROUTINE WakeThread;
static VOID WakeThread(PKDPC Dpc, PVOID Context, PVOID Argument1, PVOID Argument2)
{
    PKINTERRUPT interrupt = Context;

    UNREFERENCED_PARAMETER(Dpc);
    UNREFERENCED_PARAMETER(Argument1);
    UNREFERENCED_PARAMETER(Argument2);
    KeSetEvent(&interrupt->Passive.Requested, IO_NO_INCREMENT, FALSE);
}

/*
 * Serves the interrupt itself: silences its source and leaves the rest to the thread.
 *
 * IRQL:    the vector's (not checked)
 * Locks:   takes those of the interrupt controller and of the DPC queue
 * Context: the interrupt; the object cannot go before this has returned (connect.c)
 * Returns: nothing
 * Source:  contract T-IoConnectInterruptEx-6
 */
VOID KiRequestPassiveInterrupt(PKINTERRUPT Interrupt)
{
    ARCH_LINE line;

    if (NT_SUCCESS(ArchLineOfVector((UCHAR)Interrupt->Vector, &line)) && line.LevelTriggered)
        ArchCloseLine(&line);
    KeInsertQueueDpc(&Interrupt->Passive.Dpc, NULL, NULL);
}

/*
 * Starts the thread of an object that is not connected yet.
 *
 * IRQL:    PASSIVE_LEVEL (not checked)
 * Locks:   none
 * Context: a thread
 * Returns: STATUS_SUCCESS, STATUS_INSUFFICIENT_RESOURCES
 * Source:  contract T-IoConnectInterruptEx-6
 */
NTSTATUS KiStartPassiveInterrupt(PKINTERRUPT Interrupt)
{
    KeInitializeEvent(&Interrupt->Passive.Free, SynchronizationEvent, TRUE);
    KeInitializeEvent(&Interrupt->Passive.Requested, SynchronizationEvent, FALSE);
    KeInitializeEvent(&Interrupt->Passive.Ended, NotificationEvent, FALSE);
    KeInitializeDpc(&Interrupt->Passive.Dpc, WakeThread, Interrupt);
    return PspStartThread("passive interrupt", THREAD_PRIORITY, PassiveThread, Interrupt);
}

/*
 * Ends the thread of an object that has been unlinked and that no walk and no DPC knows any more.
 * A walk that was under way until then may have masked the line after another object was connected
 * to it, hence the last step.
 *
 * IRQL:    PASSIVE_LEVEL (not checked)
 * Locks:   takes KiConnectLock
 * Context: a thread, not that of the service routine
 * Returns: when the service routine is neither running nor called again
 * Source:  contract T-IoDisconnectInterrupt-1
 */
VOID KiStopPassiveInterrupt(PKINTERRUPT Interrupt)
{
    Interrupt->Passive.Stopping = TRUE;
    KeSetEvent(&Interrupt->Passive.Requested, IO_NO_INCREMENT, FALSE);
    KeWaitForSingleObject(&Interrupt->Passive.Ended, Executive, KernelMode, FALSE, NULL);
    KiReopenLine(Interrupt->Vector);
}
