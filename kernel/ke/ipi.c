/*
 * Running a routine on all processors at once. One call at a time: Call belongs to the processor
 * that holds CallLock.
 */
#include "ke.h"

static KSPIN_LOCK CallLock; /* SYNCH_LEVEL or above, but below IPI_LEVEL: see AcquireCall */
static struct {
    PKIPI_BROADCAST_WORKER Routine;
    ULONG_PTR Context;
    volatile LONG Arrived;
    volatile LONG Finished;
} Call;

/*
 * All processors meet, run the routine and report. Every processor comes here exactly once for
 * each call, and the caller leaves last, so Call is not reused too early.
 */
static ULONG_PTR TakePart(VOID)
{
    PKIPI_BROADCAST_WORKER routine = Call.Routine;
    ULONG_PTR context = Call.Context;

    InterlockedIncrement(&Call.Arrived);
    while (Call.Arrived != KeNumberProcessors)
        ArchPause();
    ULONG_PTR result = routine(context);
    InterlockedIncrement(&Call.Finished);
    return result;
}

/*
 * The receiving end.
 *
 * IRQL:    IPI_LEVEL (not checked)
 * Locks:   none
 * Context: the IPI interrupt
 * Returns: nothing
 * Source:  contract T-KeIpiGenericCall-1
 */
VOID KiIpiInterrupt(VOID)
{
    TakePart();
}

/*
 * Waits for the right to call, at an IRQL at which this processor still takes part in the calls
 * of others: two callers that waited for each other at IPI_LEVEL would wait for ever.
 */
static VOID AcquireCall(VOID)
{
    while (InterlockedExchange64(&CallLock, 1))
        ArchPause();
}

/*
 * Runs BroadcastFunction(Context) on every processor at IPI_LEVEL. None starts it before all
 * have arrived; the call returns when all have finished.
 *
 * IRQL:    < IPI_LEVEL
 * Locks:   takes the call lock; the caller holds no lock that code above its IRQL may want
 * Context: any
 * Returns: what the routine returned on this processor
 * Source:  contract T-KeIpiGenericCall-1..2
 */
ULONG_PTR KeIpiGenericCall(PKIPI_BROADCAST_WORKER BroadcastFunction, ULONG_PTR Context)
{
    KI_REQUIRE_IRQL_AT_MOST(CLOCK_LEVEL, RULE_IRQL_KE_IPI, "KeIpiGenericCall", BroadcastFunction);

    KIRQL oldIrql = KeGetCurrentIrql();
    if (oldIrql < SYNCH_LEVEL)
        ArchWriteIrql(SYNCH_LEVEL);
    AcquireCall();
    Call.Routine = BroadcastFunction;
    Call.Context = Context;
    Call.Arrived = Call.Finished = 0;
    KeMemoryBarrier();
    ArchWriteIrql(IPI_LEVEL);
    ArchSendInterruptToOthers(IPI_VECTOR);
    ULONG_PTR result = TakePart();
    while (Call.Finished != KeNumberProcessors)
        ArchPause();
    InterlockedExchange64(&CallLock, 0);
    ArchWriteIrql(oldIrql);
    return result;
}
