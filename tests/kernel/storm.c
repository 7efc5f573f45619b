/* Threads that begin and end together: storm.h. */
#include "storm.h"

#define SHARES 20 /* that share the time */

KT_THREAD KtStormThreads[KT_STORM_MOST];
ULONG KtStormThreadCount;
volatile LONG KtStormEnds;
static KEVENT Gate;

ULONG64 KtStormTime(VOID)
{
    return SECONDS(KiGetNumberOption("stress", SHARES)) / SHARES;
}

VOID KtPrepareStorm(VOID)
{
    KeSetPriorityThread(KeGetCurrentThread(), 15);
    KeInitializeEvent(&Gate, NotificationEvent, FALSE);
    KtStormThreadCount = 0;
    KtStormEnds = 0;
}

VOID KtAddToStorm(ULONG Count, KT_ROUTINE *Routine, PVOID Context)
{
    for (ULONG i = 0; i < Count && KtStormThreadCount < KT_STORM_MOST; i++)
        KtStartThread(&KtStormThreads[KtStormThreadCount++], KT_ANY_PROCESSOR, 8, Routine, Context);
}

VOID KtAwaitStorm(VOID)
{
    KeWaitForSingleObject(&Gate, Executive, KernelMode, FALSE, NULL);
}

VOID KtReleaseStorm(VOID)
{
    KeSetEvent(&Gate, IO_NO_INCREMENT, FALSE);
}

VOID KtEndStorm(VOID)
{
    InterlockedExchange(&KtStormEnds, 1);
    for (ULONG i = 0; i < KtStormThreadCount; i++)
        KtEndThread(&KtStormThreads[i]);
    KeSetPriorityThread(KeGetCurrentThread(), 8);
}

VOID KtRunStorm(VOID)
{
    KtReleaseStorm();
    KiSleep(KtStormTime());
    KtEndStorm();
}
