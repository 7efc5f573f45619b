/*
 * What a wait and a signal have in common: when an object satisfies a wait, and what that does to
 * it. The dispatcher lock is held.
 */
#ifndef METRONOME_KE_WAIT_H
#define METRONOME_KE_WAIT_H

#include "ke.h"
#include "ke/mutex.h"

FORCEINLINE PKMUTANT KiAsMutant(PDISPATCHER_HEADER Object)
{
    return CONTAINING_RECORD(Object, KMUTANT, Header);
}

/* Could Thread's wait for Object end now? The owner of a mutex can always have it once more. */
FORCEINLINE BOOLEAN KiIsSignaledFor(PDISPATCHER_HEADER Object, PKTHREAD Thread)
{
    return Object->SignalState > 0 ||
           (Object->Type == MutantObject && KiAsMutant(Object)->OwnerThread == Thread);
}

/* What a satisfied wait does to the object. Returns the base of the wait's status. */
FORCEINLINE LONG64 KiConsume(PDISPATCHER_HEADER Object, PKTHREAD Thread)
{
    switch (Object->Type) {
    case EventSynchronizationObject:
    case TimerSynchronizationObject:
        Object->SignalState = 0;
        break;
    case SemaphoreObject:
        Object->SignalState--;
        break;
    case MutantObject:
        return KiTakeMutant(KiAsMutant(Object), Thread);
    default:
        break;
    }
    return STATUS_WAIT_0;
}

/*
 * Satisfies Thread's wait for all of its objects, if all of them allow it now. The status is that
 * of the first abandoned mutex among them, else STATUS_WAIT_0.
 */
BOOLEAN KiSatisfyAll(PKTHREAD Thread, PLONG64 Status);

/* Takes a thread's blocks out of the lists of the objects that it waits for. */
FORCEINLINE VOID KiUnlinkBlocks(PKTHREAD Thread)
{
    for (PKWAIT_BLOCK block = Thread->WaitBlocks; block; block = block->NextWaitBlock)
        RemoveEntryList(&block->WaitListEntry);
}

#endif
