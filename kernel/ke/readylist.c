/*
 * The search for the thread that runs next. A processor looks into the lists of all others too: a
 * thread does not wait for one processor while another has less to do. DISPATCH_LEVEL, the
 * dispatcher lock is held.
 */
#include "readylist.h"

KAFFINITY KiReadyProcessors;

/* The first thread of the highest priority in the lists of Owner that may run on Processor. */
static PKTHREAD BestIn(PKPRCB Owner, ULONG Processor, LONG Above)
{
    for (ULONG summary = Owner->ReadySummary; summary;) {
        ULONG priority = 31 - (ULONG)__builtin_clz(summary);
        PLIST_ENTRY list = &Owner->ReadyLists[priority];

        if ((LONG)priority <= Above)
            break;
        for (PLIST_ENTRY entry = list->Flink; entry != list; entry = entry->Flink) {
            PKTHREAD thread = CONTAINING_RECORD(entry, KTHREAD, ReadyListEntry);
            if (KiMayRunOn(thread, Processor))
                return thread;
        }
        summary &= ~(1u << priority);
    }
    return NULL;
}

/* The same in the lists of all processors but Prcb's, and NULL if there is none above Above. */
static PKTHREAD BestElsewhere(PKPRCB Prcb, LONG Above)
{
    PKTHREAD best = NULL;

    for (KAFFINITY others = KiReadyProcessors & ~Prcb->SetMember; others; others &= others - 1) {
        PKTHREAD other = BestIn(KiProcessorBlock[__builtin_ctzll(others)], Prcb->Number, Above);
        if (other) {
            best = other;
            Above = other->Priority;
        }
    }
    return best;
}

PKTHREAD KiBestReady(PKPRCB Prcb)
{
    PKTHREAD best = Prcb->ReadySummary ? KiFirstReady(Prcb) : NULL;
    PKTHREAD other = BestElsewhere(Prcb, best ? best->Priority : IDLE_PRIORITY);

    return other ? other : best;
}
