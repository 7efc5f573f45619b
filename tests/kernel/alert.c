/* Alerts: dispatcher.md, Waits; time.md, KeDelayExecutionThread. */
#define SUITE "alert"
#include "thread_tool.h"

static KEVENT Event;

typedef struct _SLEEPER {
    KT_THREAD Thread;
    KPROCESSOR_MODE Mode;
    BOOLEAN Alertable, Delay;
    NTSTATUS Status;
    volatile LONG Done;
} SLEEPER;

static SLEEPER Sleeper;

ROUTINE(Sleep)
{
    SLEEPER *sleeper = Context;
    LARGE_INTEGER timeout = KtIn(KT_PATIENCE);

    if (sleeper->Delay)
        sleeper->Status = KeDelayExecutionThread(sleeper->Mode, sleeper->Alertable, &timeout);
    else
        sleeper->Status =
            KeWaitForSingleObject(&Event, UserRequest, sleeper->Mode, sleeper->Alertable, &timeout);
    InterlockedExchange(&sleeper->Done, 1);
}

static VOID StartSleeper(KPROCESSOR_MODE Mode, BOOLEAN Alertable, BOOLEAN Delay)
{
    memset(&Sleeper, 0, sizeof(Sleeper));
    Sleeper.Mode = Mode;
    Sleeper.Alertable = Alertable;
    Sleeper.Delay = Delay;
    KeInitializeEvent(&Event, SynchronizationEvent, FALSE);
    KtStartThread(&Sleeper.Thread, KT_ANY_PROCESSOR, KT_ABOVE, Sleep, &Sleeper);
    while (!KtIsWaiting(Sleeper.Thread.Object))
        KiSleep(MILLISECONDS(1));
}

static VOID EndSleeper(NTSTATUS Status)
{
    KtEndThread(&Sleeper.Thread);
    CHECK_EQUAL(Sleeper.Status, Status);
}

TEST(T_WAIT_10_alert__T_WAIT_4_alerted)
{
    StartSleeper(KernelMode, TRUE, FALSE);
    CHECK(!KeAlertThread(Sleeper.Thread.Object, KernelMode));
    EndSleeper(STATUS_ALERTED);
    StartSleeper(UserMode, TRUE, FALSE);
    CHECK(!KeAlertThread(Sleeper.Thread.Object, UserMode));
    EndSleeper(STATUS_ALERTED);
    StartSleeper(UserMode, TRUE, FALSE);
    CHECK(!KeAlertThread(Sleeper.Thread.Object, KernelMode));
    EndSleeper(STATUS_ALERTED);
    CHECK(IsListEmpty(&Event.Header.WaitListHead));
}

TEST(T_WAIT_10_handle)
{
    StartSleeper(KernelMode, TRUE, FALSE);
    CHECK_EQUAL(ZwAlertThread(Sleeper.Thread.Handle), STATUS_SUCCESS);
    EndSleeper(STATUS_ALERTED);
    CHECK(!NT_SUCCESS(ZwAlertThread((HANDLE)(ULONG_PTR)0x7FFFFFFC)));
}

TEST(T_KeDelayExecutionThread_2_alert)
{
    StartSleeper(KernelMode, TRUE, TRUE);
    KeAlertThread(Sleeper.Thread.Object, KernelMode);
    EndSleeper(STATUS_ALERTED);
}

/* A wait that is not alertable, or of the other mode, goes on; the alert is remembered. */
TEST(T_WAIT_10_not_alertable)
{
    for (ULONG n = 0; n < 2; n++) {
        KPROCESSOR_MODE mode = n ? UserMode : KernelMode;

        StartSleeper(KernelMode, n == 1, FALSE);
        CHECK(!KeAlertThread(Sleeper.Thread.Object, mode));
        CHECK(KeAlertThread(Sleeper.Thread.Object, mode));
        KiSleep(MILLISECONDS(1));
        CHECK_EQUAL(Sleeper.Done, 0);
        KeSetEvent(&Event, IO_NO_INCREMENT, FALSE);
        EndSleeper(STATUS_SUCCESS);
    }
}

static NTSTATUS Test(BOOLEAN Alertable)
{
    LARGE_INTEGER zero = {.QuadPart = 0};

    return KeWaitForSingleObject(&Event, UserRequest, KernelMode, Alertable, &zero);
}

/* The next alertable wait takes it: after the objects, before the time-out. */
TEST(T_WAIT_10_remembered)
{
    PKTHREAD me = KeGetCurrentThread();

    KeInitializeEvent(&Event, SynchronizationEvent, TRUE);
    CHECK(!KeAlertThread(me, KernelMode));
    CHECK_EQUAL(Test(TRUE), STATUS_SUCCESS);
    CHECK_EQUAL(Test(FALSE), STATUS_TIMEOUT);
    CHECK_EQUAL(Test(TRUE), STATUS_ALERTED);
    CHECK_EQUAL(Test(TRUE), STATUS_TIMEOUT);

    CHECK(!KeTestAlertThread(KernelMode));
    KeAlertThread(me, KernelMode);
    CHECK(!KeTestAlertThread(UserMode));
    CHECK(KeTestAlertThread(KernelMode));
    CHECK(!KeTestAlertThread(KernelMode));
}
