/* Critical and guarded regions: dispatcher.md, APC control. */
#define SUITE "dispatcher.region"
#include "thread_tool.h"

static VOID CheckRegions(BOOLEAN Apcs, BOOLEAN AllApcs)
{
    CHECK_EQUAL(KeAreApcsDisabled(), Apcs);
    CHECK_EQUAL(KeAreAllApcsDisabled(), AllApcs);
}

TEST(T_APC_1_nesting__T_APC_2)
{
    CheckRegions(FALSE, FALSE);
    KeEnterCriticalRegion();
    CheckRegions(TRUE, FALSE);
    KeEnterCriticalRegion();
    KeLeaveCriticalRegion();
    CheckRegions(TRUE, FALSE);
    KeEnterGuardedRegion();
    CheckRegions(TRUE, TRUE);
    KeEnterGuardedRegion();
    KeLeaveGuardedRegion();
    CheckRegions(TRUE, TRUE);
    KeLeaveGuardedRegion();
    CheckRegions(TRUE, FALSE);
    KeLeaveCriticalRegion();
    CheckRegions(FALSE, FALSE);
    KeEnterGuardedRegion();
    CheckRegions(TRUE, TRUE);
    KeLeaveGuardedRegion();
    CheckRegions(FALSE, FALSE);
}

TEST(T_APC_2_irql)
{
    AT_IRQL(APC_LEVEL)
    {
        CheckRegions(FALSE, TRUE);
        KeEnterCriticalRegion();
        CheckRegions(TRUE, TRUE);
        KeLeaveCriticalRegion();
        AT_IRQL(DISPATCH_LEVEL)
        CheckRegions(FALSE, TRUE);
    }
}

ROUTINE(CheckOwnRegion)
{
    CheckRegions(TRUE, FALSE); /* a system thread begins in a critical region */
    KeLeaveCriticalRegion();
    CheckRegions(FALSE, FALSE);
    KeEnterCriticalRegion();
    KeEnterGuardedRegion();
    KiSleep(A_WHILE);
    CheckRegions(TRUE, TRUE);
    KeLeaveGuardedRegion();
}

/* The counts belong to the thread, over switches too. */
TEST(T_APC_1_thread)
{
    KT_THREAD thread;

    if (!KtStartThread(&thread, 0, KT_ABOVE, CheckOwnRegion, NULL))
        return;
    CheckRegions(FALSE, FALSE);
    KtEndThread(&thread);
    CheckRegions(FALSE, FALSE);
}
