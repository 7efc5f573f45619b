/*
 * What a wait and a signal have in common: when an object satisfies a wait, and what that does to
 * it. The dispatcher lock is held, unless stated.
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

/* Block's object satisfies Thread's wait: what that does to the object, and the wait's status. */
FORCEINLINE VOID KiSatisfyBy(PKWAIT_BLOCK Block, PKTHREAD Thread)
{
    PDISPATCHER_HEADER object = Block->Object;
    UCHAR type = object->Type;

    Thread->WaitStatus = Block->WaitKey;
    if (type == EventSynchronizationObject || type == TimerSynchronizationObject)
        object->SignalState = 0;
    else if (type == SemaphoreObject)
        object->SignalState--;
    else if (type == MutantObject)
        Thread->WaitStatus += KiTakeMutant(KiAsMutant(object), Thread);
}

/*
 * Satisfies Thread's wait for all of its objects, if all of them allow it now. WaitStatus becomes
 * that of the first abandoned mutex among them, else STATUS_WAIT_0.
 */
BOOLEAN KiSatisfyAll(PKTHREAD Thread);

/* Takes a thread's blocks out of the lists of the objects that it waits for. */
FORCEINLINE VOID KiUnlinkBlocks(PKTHREAD Thread)
{
    for (PKWAIT_BLOCK block = Thread->WaitBlocks; block; block = block->NextWaitBlock)
        RemoveEntryList(&block->WaitListEntry);
}

/* A pause of Thread's wait for its kernel APCs; returns what is left of Timeout (waitpause.c). No
 * lock. */
PLARGE_INTEGER KiPauseForApcs(PKTHREAD Thread, PLARGE_INTEGER Timeout, PLARGE_INTEGER Left);

#endif
