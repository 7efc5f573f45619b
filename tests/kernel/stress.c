/*
 * The engine of the stress suites. Each further processor has a DPC that does one turn; a turn
 * that has ended is started again by processor 0, between turns of its own.
 */
#include "stress.h"

#define DEFAULT_SECONDS 8

typedef struct _WORKER {
    KDPC Dpc;
    volatile LONG Busy;
    KT_PARALLEL_ROUTINE *Routine;
    PVOID Context;
    volatile LONG64 Turns;
} WORKER;

static WORKER Workers[MAXIMUM_PROCESSORS];

ULONG64 KtStressTime(ULONG Parts)
{
    return SECONDS(KiGetNumberOption("stress", DEFAULT_SECONDS)) / Parts;
}

DPC_ROUTINE(WorkerDpc)
{
    WORKER *worker = Context;

    worker->Routine((ULONG)(worker - Workers), worker->Context);
    worker->Turns++;
    InterlockedExchange(&worker->Busy, 0);
}

static VOID PrepareWorkers(KT_PARALLEL_ROUTINE *Routine, PVOID Context)
{
    for (ULONG i = 0; i < KtProcessors(); i++) {
        WORKER *worker = &Workers[i];

        KtPoison(worker);
        worker->Busy = 0;
        worker->Routine = Routine;
        worker->Context = Context;
        worker->Turns = 0;
        KeInitializeDpc(&worker->Dpc, WorkerDpc, worker);
        KeSetTargetProcessorDpc(&worker->Dpc, (CCHAR)i);
        KeSetImportanceDpc(&worker->Dpc, MediumHighImportance);
    }
}

static VOID StartIdleWorkers(VOID)
{
    for (ULONG i = 1; i < KtProcessors(); i++)
        if (!InterlockedExchange(&Workers[i].Busy, 1))
            CHECK(KeInsertQueueDpc(&Workers[i].Dpc, NULL, NULL));
}

ULONG64 KtRunInTurns(ULONG64 Interval, KT_PARALLEL_ROUTINE *Routine, PVOID Context)
{
    ULONG64 start = KtNow(), turns = 0;

    PrepareWorkers(Routine, Context);
    do {
        StartIdleWorkers();
        Routine(0, Context);
        turns++;
        if (KtRandom(16) == 0)
            KiSleep(MICROSECONDS(KtRandom(300))); /* this processor idles now and then, too */
    } while (KtNow() - start < Interval);
    for (ULONG i = 1; i < KtProcessors(); i++) {
        while (Workers[i].Busy)
            ArchPause();
        turns += (ULONG64)Workers[i].Turns;
    }
    KeFlushQueuedDpcs();
    return turns;
}
