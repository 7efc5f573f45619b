/*
 * The commands threads, waits and ready. What they show is copied under the dispatcher lock, a
 * bounded number of threads, and printed without it: no thread waits for the console.
 */
#include "kd/kdp.h"
#include "ex.h"
#include "ps.h"

#define COPY_LIMIT   128
#define OBJECT_LIMIT 4

/* What a thread waits for. */
typedef struct _OBJECT_COPY {
    const VOID *Object;
    UCHAR Type;
    const KTHREAD *Owner; /* who has to act before this ends the wait, or NULL: anybody may */
} OBJECT_COPY;

/* What is shown of a thread. The thread itself may be gone by then. */
typedef struct _THREAD_COPY {
    const KTHREAD *Thread; /* for comparisons only */
    PCSTR Name;            /* constant text */
    PKSTART_ROUTINE StartRoutine;
    KTHREAD_STATE State;
    CHAR Priority;
    CHAR Boost; /* part of Priority that goes with the quantum */
    BOOLEAN Alerted, Alertable;
    ULONG Apcs; /* queued */
    ULONG Processor;
    KAFFINITY Affinity;
    ULONG64 Switches;
    ULONG64 TimeoutDue; /* interrupt time; 0: no time-out */
    KWAIT_REASON WaitReason;
    WAIT_TYPE WaitType;
    ULONG WaitCount;
    OBJECT_COPY Objects[OBJECT_LIMIT];
    BOOLEAN Stuck;  /* in a ring of threads that wait for each other, or waits for one */
    BOOLEAN InRing; /* in a ring that was printed */
} THREAD_COPY;

typedef struct _THREAD_COPIES {
    ULONG Total, Count;
    THREAD_COPY Copies[COPY_LIMIT];
} THREAD_COPIES;

static THREAD_COPIES Threads; /* the monitor runs one command at a time */

/* ---- copying: the dispatcher lock is held ---- */

static const KTHREAD *OwnerOf(PDISPATCHER_HEADER Object, KWAIT_REASON Reason)
{
    if (Reason == WrFastMutex || Reason == WrGuardedMutex)
        return CONTAINING_RECORD(Object, FAST_MUTEX, Event)->Owner;
    if (Reason == WrResource)
        return ExpOwnerOfResource(Object);
    if (Object->Type == MutantObject)
        return CONTAINING_RECORD(Object, KMUTANT, Header)->OwnerThread;
    if (Object->Type == ThreadObject)
        return CONTAINING_RECORD(Object, KTHREAD, Header);
    return NULL;
}

static VOID CopyWait(THREAD_COPY *Copy, const KTHREAD *Thread)
{
    Copy->TimeoutDue = Thread->TimeoutBlock.Object ? Thread->Timer.DueTime.QuadPart : 0;
    Copy->WaitReason = Thread->WaitReason;
    Copy->WaitType = Thread->WaitType;
    Copy->WaitCount = Thread->WaitCount;
    for (ULONG n = 0; n < Thread->WaitCount && n < OBJECT_LIMIT; n++) {
        PDISPATCHER_HEADER object = Thread->WaitBlocks[n].Object;
        Copy->Objects[n] = (OBJECT_COPY){object, object->Type, OwnerOf(object, Thread->WaitReason)};
    }
}

static ULONG CountList(const LIST_ENTRY *List)
{
    ULONG count = 0;

    for (const LIST_ENTRY *entry = List->Flink; entry != List; entry = entry->Flink)
        count++;
    return count;
}

static VOID CopyThread(PKTHREAD Thread, PVOID Context)
{
    THREAD_COPIES *copies = Context;
    THREAD_COPY *copy = &copies->Copies[copies->Count];

    copies->Total++;
    if (copies->Count == COPY_LIMIT)
        return;
    copies->Count++;
    copy->Thread = Thread;
    copy->Name = Thread->Name;
    copy->StartRoutine = Thread->StartRoutine;
    copy->State = Thread->State;
    copy->Priority = Thread->Priority;
    copy->Boost = (CHAR)(Thread->Priority - Thread->BasePriority);
    copy->Alerted = Thread->Alerted[KernelMode] || Thread->Alerted[UserMode];
    copy->Alertable = Thread->Alertable;
    copy->Apcs = CountList(&Thread->ApcLists[0]) + CountList(&Thread->ApcLists[1]);
    copy->Processor = Thread->LastProcessor;
    copy->Affinity = Thread->Affinity;
    copy->Switches = Thread->Switches;
    copy->WaitCount = 0;
    copy->TimeoutDue = 0;
    if (Thread->State == ThreadWaiting)
        CopyWait(copy, Thread);
}

static VOID CopyThreads(VOID)
{
    Threads.Total = Threads.Count = 0;
    PspVisitThreads(CopyThread, &Threads);
}

/* ---- threads ---- */

static PCSTR StateName(KTHREAD_STATE State)
{
    static const PCSTR names[] = {"made", "ready", "next", "running", "waiting", "ended"};

    return (ULONG)State < ARRAYSIZE(names) ? names[State] : "?";
}

/* The name of a thread, or of the routine that it began with. Returns Buffer. */
static PCHAR FormatName(PCHAR Buffer, SIZE_T Size, const THREAD_COPY *Copy)
{
    if (!Copy->Name)
        return KdFormatAddress(Buffer, Size, (PVOID)Copy->StartRoutine);
    RtlStringPrint(Buffer, Size, "%s", Copy->Name);
    return Buffer;
}

/* What a thread is owed, where there is anything. */
static PCSTR FormatDebts(PCHAR Buffer, SIZE_T Size, const THREAD_COPY *Copy)
{
    Buffer[0] = 0;
    if (Copy->Apcs || Copy->Alerted)
        RtlStringPrint(Buffer, Size, "  %u APC%s queued%s", Copy->Apcs, Copy->Apcs == 1 ? "" : "s",
                       Copy->Alerted ? ", alerted" : "");
    return Buffer;
}

static VOID PrintThread(const THREAD_COPY *Copy)
{
    CHAR name[64], affinity[24] = "any", priority[16], debts[40];
    KAFFINITY all = KeQueryActiveProcessors();

    if ((Copy->Affinity & all) != all)
        RtlStringPrint(affinity, sizeof(affinity), "%llx", Copy->Affinity & all);
    RtlStringPrint(priority, sizeof(priority), Copy->Boost ? "%d+%d" : "%d",
                   Copy->Priority - Copy->Boost, Copy->Boost);
    DbgPrint("  %016llx  %-28s  %4s  %3u  %8s  %-7s  %10llu%s\n", (ULONG64)Copy->Thread,
             FormatName(name, sizeof(name), Copy), priority, Copy->Processor, affinity,
             StateName(Copy->State), Copy->Switches, FormatDebts(debts, sizeof(debts), Copy));
}

static VOID PrintTotal(VOID)
{
    if (Threads.Total > Threads.Count)
        DbgPrint("  and %u more\n", Threads.Total - Threads.Count);
}

/* The first idle thread is in the list of threads; the others began with their processors. */
static VOID PrintIdleThread(PKPRCB Prcb)
{
    static THREAD_COPIES idle;
    KIRQL oldIrql = KiLockDispatcher();

    idle.Total = idle.Count = 0;
    CopyThread(Prcb->IdleThread, &idle);
    KiUnlockDispatcher(oldIrql);
    PrintThread(&idle.Copies[0]);
}

/*
 * threads: every thread, with its priority (base and boost), the processor it runs on or ran on
 * last, how often it was given one, and APCs and alerts that it has not taken yet.
 *
 * IRQL:    PASSIVE_LEVEL (not checked)
 * Locks:   takes the dispatcher lock to copy, not to print
 * Context: the monitor
 * Returns: nothing
 */
VOID KdpThreads(ULONG Count, PCSTR Arguments[])
{
    UNREFERENCED_PARAMETER(Count);
    UNREFERENCED_PARAMETER(Arguments);
    CopyThreads();
    DbgPrint("  thread            name                          prio  cpu  affinity  state    "
             "  switches\n");
    for (ULONG n = 0; n < Threads.Count; n++)
        PrintThread(&Threads.Copies[n]);
    PrintTotal();
    for (LONG n = 1; n < KeNumberProcessors; n++)
        PrintIdleThread(KiProcessorBlock[n]);
}

/* ---- waits ---- */

static PCSTR ObjectName(UCHAR Type, KWAIT_REASON Reason)
{
    static const PCSTR names[] = {
        [EventNotificationObject] = "notification event",
        [EventSynchronizationObject] = "synchronization event",
        [MutantObject] = "mutex",
        [SemaphoreObject] = "semaphore",
        [ThreadObject] = "end of thread",
        [TimerNotificationObject] = "notification timer",
        [TimerSynchronizationObject] = "synchronization timer",
    };

    if (Reason == WrFastMutex)
        return "fast mutex";
    if (Reason == WrGuardedMutex)
        return "guarded mutex";
    if (Reason == WrResource)
        return "turn at a resource";
    return Type < ARRAYSIZE(names) && names[Type] ? names[Type] : "object";
}

static THREAD_COPY *FindCopy(const KTHREAD *Thread)
{
    for (ULONG n = 0; n < Threads.Count; n++) {
        if (Threads.Copies[n].Thread == Thread)
            return &Threads.Copies[n];
    }
    return NULL;
}

static VOID PrintObject(const OBJECT_COPY *Object, KWAIT_REASON Reason)
{
    CHAR name[64];
    const THREAD_COPY *owner = Object->Owner ? FindCopy(Object->Owner) : NULL;

    DbgPrint("      %-21s  %016llx", ObjectName(Object->Type, Reason), (ULONG64)Object->Object);
    if (owner && Object->Type != ThreadObject)
        DbgPrint(", owned by %016llx %s", (ULONG64)owner->Thread,
                 FormatName(name, sizeof(name), owner));
    DbgPrint("\n");
}

static VOID PrintWait(const THREAD_COPY *Copy)
{
    CHAR name[64], interval[32];

    DbgPrint("  %016llx  %s", (ULONG64)Copy->Thread, FormatName(name, sizeof(name), Copy));
    if (Copy->WaitCount > 1)
        DbgPrint(", for %s of %u", Copy->WaitType == WaitAll ? "all" : "one", Copy->WaitCount);
    if (Copy->Alertable)
        DbgPrint(", alertable");
    if (Copy->TimeoutDue)
        DbgPrint(", for %s s more at most",
                 KdpFormatInterval(interval, sizeof(interval),
                                   (LONG64)(Copy->TimeoutDue - KiQueryInterruptTime())));
    DbgPrint("\n");
    for (ULONG n = 0; n < Copy->WaitCount && n < OBJECT_LIMIT; n++)
        PrintObject(&Copy->Objects[n], Copy->WaitReason);
    if (Copy->WaitCount > OBJECT_LIMIT)
        DbgPrint("      and %u more\n", Copy->WaitCount - OBJECT_LIMIT);
}

/* ---- deadlocks ---- */

/* The owner of the wait's n-th object if that one is stuck; NULL otherwise. */
static THREAD_COPY *StuckOwner(const THREAD_COPY *Copy, ULONG Index)
{
    const KTHREAD *owner = Copy->Objects[Index].Owner;
    THREAD_COPY *copy = owner && owner != Copy->Thread ? FindCopy(owner) : NULL;

    return copy && copy->Stuck ? copy : NULL;
}

/*
 * Can nothing end the wait? One stuck owner is enough if all objects are needed (or there is but
 * one); if any object will do, all owners have to be.
 */
static BOOLEAN CannotGoOn(const THREAD_COPY *Copy)
{
    ULONG stuck = 0;

    if (Copy->State != ThreadWaiting || Copy->TimeoutDue)
        return FALSE;
    for (ULONG n = 0; n < Copy->WaitCount && n < OBJECT_LIMIT; n++)
        stuck += StuckOwner(Copy, n) != NULL;
    return Copy->WaitType == WaitAny ? stuck && stuck == Copy->WaitCount : stuck > 0;
}

/*
 * Who is stuck: everybody is thought to be, then those are taken out who can go on if the others
 * are, until nothing changes. What is left are the rings and who waits for them.
 */
static VOID FindStuck(VOID)
{
    BOOLEAN changed;

    for (ULONG n = 0; n < Threads.Count; n++) {
        Threads.Copies[n].Stuck = TRUE;
        Threads.Copies[n].InRing = FALSE;
    }
    do {
        changed = FALSE;
        for (ULONG n = 0; n < Threads.Count; n++) {
            THREAD_COPY *copy = &Threads.Copies[n];
            if (!copy->Stuck || CannotGoOn(copy))
                continue;
            copy->Stuck = FALSE;
            changed = TRUE;
        }
    } while (changed);
}

/* A stuck thread without which this stuck one cannot go on. */
static THREAD_COPY *NeededBy(const THREAD_COPY *Copy)
{
    THREAD_COPY *owner = NULL;

    for (ULONG n = 0; n < Copy->WaitCount && n < OBJECT_LIMIT && !owner; n++)
        owner = StuckOwner(Copy, n);
    return owner;
}

/* Threads that wait for each other in a ring, printed from the one that comes first in the list. */
static VOID PrintRing(THREAD_COPY *First)
{
    CHAR name[64];
    THREAD_COPY *copy = First;
    ULONG steps = 0;

    if (!First->Stuck)
        return;
    do {
        copy = NeededBy(copy);
        if (!copy || copy < First || ++steps > Threads.Count)
            return;
    } while (copy != First);
    DbgPrint("Deadlock:");
    do {
        DbgPrint(" %016llx %s waits for", (ULONG64)copy->Thread,
                 FormatName(name, sizeof(name), copy));
        copy->InRing = TRUE;
        copy = NeededBy(copy);
    } while (copy != First);
    DbgPrint(" %016llx.\n", (ULONG64)First->Thread);
}

/* Those who are in no ring that was printed but wait for somebody in one. */
static VOID PrintStuckBehind(VOID)
{
    CHAR name[64];
    ULONG found = 0;

    for (ULONG n = 0; n < Threads.Count; n++) {
        const THREAD_COPY *copy = &Threads.Copies[n];
        if (copy->Stuck && !copy->InRing)
            DbgPrint("%s %016llx %s", found++ ? "," : "Stuck behind it:", (ULONG64)copy->Thread,
                     FormatName(name, sizeof(name), copy));
    }
    if (found)
        DbgPrint(".\n");
}

/*
 * waits: what every waiting thread waits for, who owns it, and who waits for each other for ever.
 *
 * IRQL:    PASSIVE_LEVEL (not checked)
 * Locks:   takes the dispatcher lock to copy, not to print
 * Context: the monitor
 * Returns: nothing
 */
VOID KdpWaits(ULONG Count, PCSTR Arguments[])
{
    UNREFERENCED_PARAMETER(Count);
    UNREFERENCED_PARAMETER(Arguments);
    CopyThreads();
    for (ULONG n = 0; n < Threads.Count; n++) {
        if (Threads.Copies[n].State == ThreadWaiting)
            PrintWait(&Threads.Copies[n]);
    }
    PrintTotal();
    FindStuck();
    for (ULONG n = 0; n < Threads.Count; n++)
        PrintRing(&Threads.Copies[n]);
    PrintStuckBehind();
}

/* ---- ready ---- */

/* Prcb's lists, the highest priority first, into Threads. The dispatcher lock is held. */
static VOID CopyReadyLists(PKPRCB Prcb)
{
    for (LONG priority = MAXIMUM_PRIORITY - 1; priority >= 0; priority--) {
        PLIST_ENTRY list = &Prcb->ReadyLists[priority];
        for (PLIST_ENTRY entry = list->Flink; entry != list; entry = entry->Flink)
            CopyThread(CONTAINING_RECORD(entry, KTHREAD, ReadyListEntry), &Threads);
    }
}

/* What runs on a processor, what runs there next, what waits for its turn. */
static VOID CopyProcessor(PKPRCB Prcb)
{
    KIRQL oldIrql = KiLockDispatcher();

    Threads.Total = Threads.Count = 0;
    CopyThread(Prcb->CurrentThread, &Threads);
    if (Prcb->NextThread)
        CopyThread(Prcb->NextThread, &Threads);
    CopyReadyLists(Prcb);
    KiUnlockDispatcher(oldIrql);
}

/*
 * ready: for each processor the thread that runs, the one that is to run next, and its ready
 * lists.
 *
 * IRQL:    PASSIVE_LEVEL (not checked)
 * Locks:   takes the dispatcher lock to copy, not to print
 * Context: the monitor
 * Returns: nothing
 */
VOID KdpReady(ULONG Count, PCSTR Arguments[])
{
    CHAR name[64];

    UNREFERENCED_PARAMETER(Count);
    UNREFERENCED_PARAMETER(Arguments);
    DbgPrint("  cpu  state    prio  thread\n");
    for (LONG i = 0; i < KeNumberProcessors; i++) {
        CopyProcessor(KiProcessorBlock[i]);
        for (ULONG n = 0; n < Threads.Count; n++) {
            const THREAD_COPY *copy = &Threads.Copies[n];
            DbgPrint("  %3d  %-7s  %4d  %016llx %s\n", i, StateName(copy->State), copy->Priority,
                     (ULONG64)copy->Thread, FormatName(name, sizeof(name), copy));
        }
        PrintTotal();
    }
}
