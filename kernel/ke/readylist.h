/*
 * Ready lists: one list per priority for each processor, of the threads that wait to run there. Who
 * goes into which, and who runs, is schedule.c's business. Everything here: the dispatcher lock is
 * held, DISPATCH_LEVEL.
 */
#ifndef METRONOME_READYLIST_H
#define METRONOME_READYLIST_H

#include "ke.h"

/* The processors that have a thread in a ready list. */
extern KAFFINITY KiReadyProcessors;

FORCEINLINE BOOLEAN KiMayRunOn(const KTHREAD *Thread, ULONG Processor)
{
    return Thread->Affinity >> Processor & 1;
}

/* Into the ready lists of the processor that the thread ran on last, or is to run on. */
FORCEINLINE VOID KiEnqueueReady(PKPRCB Prcb, PKTHREAD Thread, BOOLEAN First)
{
    PLIST_ENTRY list = &Prcb->ReadyLists[(UCHAR)Thread->Priority];

    Thread->State = ThreadReady;
    if (First)
        InsertHeadList(list, &Thread->ReadyListEntry);
    else
        InsertTailList(list, &Thread->ReadyListEntry);
    Prcb->ReadySummary |= 1u << Thread->Priority;
    KiReadyProcessors |= Prcb->SetMember;
}

/* Out of the ready lists of Prcb. */
FORCEINLINE VOID KiDequeueReady(PKPRCB Prcb, PKTHREAD Thread)
{
    if (!RemoveEntryList(&Thread->ReadyListEntry))
        return;
    Prcb->ReadySummary &= ~(1u << Thread->Priority);
    if (!Prcb->ReadySummary)
        KiReadyProcessors &= ~Prcb->SetMember;
}

/* The best thread in Prcb's own lists, which are not empty: whoever is in there may run there. */
FORCEINLINE PKTHREAD KiFirstReady(PKPRCB Prcb)
{
    PLIST_ENTRY list = &Prcb->ReadyLists[31 - __builtin_clz(Prcb->ReadySummary)];

    return CONTAINING_RECORD(list->Flink, KTHREAD, ReadyListEntry);
}

/* The best thread for Prcb's processor in the lists of all, its own first; NULL: there is none. */
PKTHREAD KiBestReady(PKPRCB Prcb);

#endif
