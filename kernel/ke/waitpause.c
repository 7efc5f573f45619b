/*
 * The pause in a wait for kernel APCs, which may wait themselves: with the same KTHREAD, its wait
 * blocks and its timer. At DISPATCH_LEVEL but for the pause itself, without a lock.
 */
#include "ke.h"
#include "ke/wait.h"

/* What the KTHREAD says of a wait, set aside while APCs run: they may wait themselves. */
typedef struct _WAIT_COPY {
    KIRQL WaitIrql;
    KWAIT_REASON WaitReason;
    WAIT_TYPE WaitType;
    BOOLEAN Alertable;
    KPROCESSOR_MODE WaitMode;
    ULONG WaitCount;
    PKWAIT_BLOCK WaitBlocks;
    KWAIT_BLOCK OwnWaitBlocks[THREAD_WAIT_OBJECTS];
} WAIT_COPY;

static VOID SetAside(const KTHREAD *Thread, WAIT_COPY *Copy)
{
    Copy->WaitIrql = Thread->WaitIrql;
    Copy->WaitReason = Thread->WaitReason;
    Copy->WaitType = Thread->WaitType;
    Copy->Alertable = Thread->Alertable;
    Copy->WaitMode = Thread->WaitMode;
    Copy->WaitCount = Thread->WaitCount;
    Copy->WaitBlocks = Thread->WaitBlocks;
    memcpy(Copy->OwnWaitBlocks, Thread->OwnWaitBlocks, sizeof(Copy->OwnWaitBlocks));
}

static VOID TakeUp(PKTHREAD Thread, const WAIT_COPY *Copy)
{
    Thread->WaitIrql = Copy->WaitIrql;
    Thread->WaitReason = Copy->WaitReason;
    Thread->WaitType = Copy->WaitType;
    Thread->Alertable = Copy->Alertable;
    Thread->WaitMode = Copy->WaitMode;
    Thread->WaitCount = Copy->WaitCount;
    Thread->WaitBlocks = Copy->WaitBlocks;
    memcpy(Thread->OwnWaitBlocks, Copy->OwnWaitBlocks, sizeof(Thread->OwnWaitBlocks));
}

/* How long it is to DueTime, as a relative time-out; 0 if that has passed. */
static LONG64 TimeUntil(ULONG64 DueTime)
{
    LONG64 left = (LONG64)(DueTime - KiQueryInterruptTime());

    return left > 0 ? -left : 0;
}

/*
 * Lets the thread's kernel APCs run at the IRQL that the wait was called at. Meanwhile the thread
 * is in no list: a signal that stays is found afterwards, a pulse is missed.
 *
 * IRQL:    DISPATCH_LEVEL, and meanwhile the wait's (not checked)
 * Locks:   none
 * Context: Thread itself, out of its wait
 * Returns: the time-out of the rest of the wait; *Left is room for it
 * Source:  contract T-WAIT-10, T-KePulseEvent-1
 */
PLARGE_INTEGER KiPauseForApcs(PKTHREAD Thread, PLARGE_INTEGER Timeout, PLARGE_INTEGER Left)
{
    ULONG64 due = Thread->Timer.DueTime.QuadPart;
    WAIT_COPY copy;

    SetAside(Thread, &copy);
    KiSendApcInterrupt();
    KiLowerIrql(copy.WaitIrql); /* they run here */
    KiRaiseIrql(DISPATCH_LEVEL);
    TakeUp(Thread, &copy);
    if (!Timeout || Timeout->QuadPart >= 0)
        return Timeout;
    Left->QuadPart = TimeUntil(due);
    return Left;
}
