/* Errors with work items and EX_TIMER objects: io.md, timer.md. */
#define SUITE "negative.workitem"
#include "thread_tool.h"

static WORK_QUEUE_ITEM Items[24];
static KEVENT Gate;
static volatile LONG Runs;

static VOID WaitForGate(PVOID Parameter)
{
    UNREFERENCED_PARAMETER(Parameter);
    CHECK_EQUAL(KtWait(&Gate, 2 * KT_PATIENCE), STATUS_SUCCESS);
    InterlockedIncrement(&Runs);
}

/* The workers are busy, so the last item stays where it is. */
TEST(T_WORK_3)
{
    Runs = 0;
    KeInitializeEvent(&Gate, NotificationEvent, FALSE);
    for (ULONG i = 0; i < 24; i++) {
        ExInitializeWorkItem(&Items[i], WaitForGate, NULL);
        ExQueueWorkItem(&Items[i], DelayedWorkQueue);
    }
    KiSleep(A_WHILE);
    EXPECT_BUGCHECK(ANY, ANY, ANY, ANY, ANY)
    {
        ExQueueWorkItem(&Items[23], DelayedWorkQueue);
    }
    CHECK_IRQL(PASSIVE_LEVEL);
    KeSetEvent(&Gate, IO_NO_INCREMENT, FALSE);
    CHECK(KtSleepUntil(&Runs, 24));
}

TEST(T_WORK_1_irql)
{
    ExInitializeWorkItem(&Items[0], WaitForGate, NULL);
    AT_IRQL(CLOCK_LEVEL)
    {
        EXPECT_BUGCHECK(0xC4, ANY, CLOCK_LEVEL, ANY, ANY)
        {
            ExQueueWorkItem(&Items[0], DelayedWorkQueue);
        }
    }
}
