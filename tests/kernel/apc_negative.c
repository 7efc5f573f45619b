/* Errors with APCs and alerts: each ends in its bug check. */
#define SUITE "negative.apc"
#include "apc_tool.h"

static KT_APC Apc;

TEST(T_APC_4_irql)
{
    KtPrepareApc(&Apc, KeGetCurrentThread(), 's', 0);
    AT_IRQL(3)
    {
        EXPECT_BUGCHECK(0xC4, 0x20011, 3, &Apc.Apc, ANY)
        {
            KtQueueApc(&Apc);
        }
        EXPECT_BUGCHECK(0xC4, 0x20011, 3, &Apc.Apc, ANY)
        {
            KeRemoveQueueApc(&Apc.Apc);
        }
        EXPECT_BUGCHECK(0xC4, 0x20011, 3, KeGetCurrentThread(), ANY)
        {
            KeAlertThread(KeGetCurrentThread(), KernelMode);
        }
    }
}

static VOID RaiseIrql(UNUSED PKAPC Object, UNUSED PKNORMAL_ROUTINE *NormalRoutine,
                      UNUSED PVOID *NormalContext, UNUSED PVOID *SystemArgument1,
                      UNUSED PVOID *SystemArgument2)
{
    KfRaiseIrql(DISPATCH_LEVEL);
}

/* A routine that returns at another IRQL than it was called at. */
TEST(T_APC_4_irql_on_return)
{
    KtPrepareApc(&Apc, KeGetCurrentThread(), 's', 0);
    Apc.Apc.KernelRoutine = RaiseIrql;
    EXPECT_BUGCHECK(0xC8, 0x00020100, RaiseIrql, &Apc.Apc, 0)
    {
        KtQueueApc(&Apc);
    }
    CHECK_IRQL(PASSIVE_LEVEL);
}

ROUTINE(EndInRegion)
{
    KeEnterCriticalRegion(); /* besides the one that the thread began in */
    EXPECT_BUGCHECK(0x20, 0, ANY, PASSIVE_LEVEL, ANY)
    {
        PsTerminateSystemThread(STATUS_SUCCESS);
    }
    KeLeaveCriticalRegion();
    KeEnterGuardedRegion();
    EXPECT_BUGCHECK(0x20, 0, ANY, PASSIVE_LEVEL, ANY)
    {
        PsTerminateSystemThread(STATUS_SUCCESS);
    }
    KeLeaveGuardedRegion();
}

TEST(T_APC_3_thread_end)
{
    KT_THREAD thread;

    if (KtStartThread(&thread, 0, KT_ABOVE, EndInRegion, NULL))
        KtEndThread(&thread);
}
