/*
 * Work items and the threads that do the work. Three queues, each with its own threads, whose
 * number never changes. A semaphore counts a queue's items, so a worker that comes through has one;
 * the items are under the dispatcher lock as the semaphore is, and queuing one is a single step.
 *
 * The item is out of the queue, and forgotten, before its routine is called: the routine may queue
 * it again or free it.
 */
#include "ke.h"
#include "ex.h"
#include "ps.h"

#define MAXIMUM_WORKERS 4

typedef struct _WORK_QUEUE {
    PCSTR Name;
    KPRIORITY Priority;
    ULONG Workers;
    LIST_ENTRY Items; /* the longest waiting first; the dispatcher lock */
    /* One for each worker, or NULL. Set with the item's leaving the list, in one step. */
    volatile PWORKER_THREAD_ROUTINE Running[MAXIMUM_WORKERS];
    KSEMAPHORE Count; /* of items that no worker has gone for */
} WORK_QUEUE, *PWORK_QUEUE;

/* In the order of WORK_QUEUE_TYPE. Priorities: contract T-WORK-5. */
static WORK_QUEUE Queues[] = {
    {.Name = "critical worker", .Priority = 13, .Workers = 3},
    {.Name = "delayed worker", .Priority = 12, .Workers = MAXIMUM_WORKERS},
    {.Name = "hypercritical worker", .Priority = 15, .Workers = 1},
};

/* What a worker needs to know of itself. */
typedef struct _WORKER {
    PWORK_QUEUE Queue;
    ULONG Index;
} WORKER;
static WORKER Workers[ARRAYSIZE(Queues) * MAXIMUM_WORKERS];

/*
 * Queues an item. An item that is queued already would tie the queue's list in a knot.
 *
 * IRQL:    <= DISPATCH_LEVEL
 * Locks:   takes the dispatcher lock
 * Context: any
 * Returns: nothing
 * Source:  contract T-WORK-1..3, T-WORK-5..6
 */
VOID ExQueueWorkItem(PWORK_QUEUE_ITEM WorkItem, WORK_QUEUE_TYPE QueueType)
{
    KI_REQUIRE_IRQL_AT_MOST(DISPATCH_LEVEL, RULE_IRQL_KE_DISPATCH_LTE, "IrqlExDispatchLte",
                            WorkItem);

    PWORK_QUEUE queue =
        &Queues[(ULONG)QueueType < ARRAYSIZE(Queues) ? QueueType : DelayedWorkQueue];
    KIRQL oldIrql = KiLockDispatcher();

    if (KI_UNLIKELY(WorkItem->List.Flink != NULL)) {
        KiUnlockDispatcher(oldIrql);
        KeBugCheckEx(WORKER_INVALID, 1, (ULONG_PTR)WorkItem, (ULONG_PTR)WorkItem->WorkerRoutine, 0);
    }
    InsertTailList(&queue->Items, &WorkItem->List);
    queue->Count.Header.SignalState++;
    KiReleaseWaiters(&queue->Count.Header, IO_NO_INCREMENT);
    KiUnlockDispatcher(oldIrql);
}

/* The semaphore has let this worker through, so there is an item for it. */
static WORK_QUEUE_ITEM TakeItem(const WORKER *Worker)
{
    PWORK_QUEUE queue = Worker->Queue;
    KIRQL oldIrql = KiLockDispatcher();
    PWORK_QUEUE_ITEM item = CONTAINING_RECORD(RemoveHeadList(&queue->Items), WORK_QUEUE_ITEM, List);
    WORK_QUEUE_ITEM copy = *item;

    queue->Running[Worker->Index] = copy.WorkerRoutine;
    item->List.Flink = NULL;
    KiUnlockDispatcher(oldIrql);
    return copy;
}

static VOID WorkerThread(PVOID StartContext)
{
    const WORKER *worker = StartContext;

    for (;;) {
        KeWaitForSingleObject(&worker->Queue->Count, Executive, KernelMode, FALSE, NULL);
        WORK_QUEUE_ITEM item = TakeItem(worker);
        item.WorkerRoutine(item.Parameter);
        KI_REQUIRE(KeGetCurrentIrql() == PASSIVE_LEVEL, WORKER_THREAD_RETURNED_AT_BAD_IRQL,
                   item.WorkerRoutine, KeGetCurrentIrql(), item.Parameter, 0);
        worker->Queue->Running[worker->Index] = NULL;
    }
}

static VOID StartWorker(PWORK_QUEUE Queue, ULONG Index)
{
    WORKER *worker = &Workers[(ULONG)(Queue - Queues) * MAXIMUM_WORKERS + Index];

    worker->Queue = Queue;
    worker->Index = Index;
    if (!NT_SUCCESS(PspStartThread(Queue->Name, Queue->Priority, WorkerThread, worker)))
        ArchCannotStart("There is not enough memory for the worker threads.");
}

/*
 * Makes the queues and starts their workers.
 *
 * IRQL:    PASSIVE_LEVEL (not checked)
 * Locks:   none
 * Context: the start
 * Returns: nothing
 */
VOID ExpStartWorkers(VOID)
{
    for (ULONG n = 0; n < ARRAYSIZE(Queues); n++) {
        InitializeListHead(&Queues[n].Items);
        KeInitializeSemaphore(&Queues[n].Count, 0, MAXLONG);
        for (ULONG index = 0; index < Queues[n].Workers; index++)
            StartWorker(&Queues[n], index);
    }
}

static BOOLEAN IsIn(PWORKER_THREAD_ROUTINE Routine, const VOID *Start, SIZE_T Size)
{
    return (ULONG_PTR)Routine - (ULONG_PTR)Start < Size;
}

/* The dispatcher lock is held. */
static PWORKER_THREAD_ROUTINE FindInQueue(PWORK_QUEUE Queue, const VOID *Start, SIZE_T Size)
{
    for (ULONG n = 0; n < Queue->Workers; n++) {
        if (IsIn(Queue->Running[n], Start, Size))
            return Queue->Running[n];
    }
    for (PLIST_ENTRY link = Queue->Items.Flink; link != &Queue->Items; link = link->Flink) {
        PWORK_QUEUE_ITEM item = CONTAINING_RECORD(link, WORK_QUEUE_ITEM, List);
        if (IsIn(item->WorkerRoutine, Start, Size))
            return item->WorkerRoutine;
    }
    return NULL;
}

/*
 * Is work left that would run code between Start and Start + Size, or does?
 *
 * IRQL:    <= DISPATCH_LEVEL (not checked)
 * Locks:   takes the dispatcher lock, for each queue anew
 * Context: the check after an unload
 * Returns: the routine, or NULL
 */
PWORKER_THREAD_ROUTINE ExpFindWork(const VOID *Start, SIZE_T Size)
{
    PWORKER_THREAD_ROUTINE found = NULL;

    for (ULONG n = 0; n < ARRAYSIZE(Queues) && !found; n++) {
        KIRQL oldIrql = KiLockDispatcher();
        found = FindInQueue(&Queues[n], Start, Size);
        KiUnlockDispatcher(oldIrql);
    }
    return found;
}
