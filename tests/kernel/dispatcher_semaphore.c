/* Semaphores: dispatcher.md. */
#define SUITE "dispatcher.semaphore"
#include "thread_tool.h"

static KSEMAPHORE Semaphore;
static KT_WAITER Waiters[4];

static VOID Start(LONG Count, LONG Limit, ULONG WaiterCount)
{
    memset(Waiters, 0, sizeof(Waiters));
    KtPoison(&Semaphore);
    KeInitializeSemaphore(&Semaphore, Count, Limit);
    for (ULONG i = 0; i < WaiterCount; i++)
        KtStartWaiter(&Waiters[i], 0, KT_ABOVE, &Semaphore, FOR_EVER, (CHAR)('a' + i));
}

TEST(T_KeInitializeSemaphore_1__T_KeReadStateSemaphore_1)
{
    Start(0, 5, 0);
    CHECK_EQUAL(KeReadStateSemaphore(&Semaphore), 0);
    CHECK_EQUAL(KtTest(&Semaphore), STATUS_TIMEOUT);
    Start(3, 3, 0);
    AT_IRQL(HIGH_LEVEL)
    CHECK_EQUAL(KeReadStateSemaphore(&Semaphore), 3);
    for (LONG left = 2; left >= 0; left--) {
        CHECK_EQUAL(KtTest(&Semaphore), STATUS_SUCCESS);
        CHECK_EQUAL(KeReadStateSemaphore(&Semaphore), left);
    }
    CHECK_EQUAL(KtTest(&Semaphore), STATUS_TIMEOUT);
}

TEST(T_KeReleaseSemaphore_1)
{
    Start(0, 10, 0);
    CHECK_EQUAL(KeReleaseSemaphore(&Semaphore, IO_NO_INCREMENT, 2, FALSE), 0);
    AT_IRQL(DISPATCH_LEVEL)
    CHECK_EQUAL(KeReleaseSemaphore(&Semaphore, IO_NO_INCREMENT, 8, FALSE), 2);
    CHECK_EQUAL(KeReadStateSemaphore(&Semaphore), 10);
}

TEST(T_KeReleaseSemaphore_1_waiters)
{
    Start(0, 10, 4);
    CHECK_EQUAL(KeReleaseSemaphore(&Semaphore, IO_NO_INCREMENT, 1, FALSE), 0);
    KiSleep(A_WHILE);
    CHECK_TRACE("a");
    CHECK_EQUAL(KeReleaseSemaphore(&Semaphore, IO_NO_INCREMENT, 2, FALSE), 0);
    KiSleep(A_WHILE);
    CHECK_TRACE("abc");
    CHECK_EQUAL(KeReadStateSemaphore(&Semaphore), 0);
    CHECK_EQUAL(KeReleaseSemaphore(&Semaphore, IO_NO_INCREMENT, 3, FALSE), 0);
    CHECK_TRACE("abcd");
    CHECK_EQUAL(KeReadStateSemaphore(&Semaphore), 2);
    for (ULONG i = 0; i < 4; i++) {
        KtEndWaiter(&Waiters[i]);
        CHECK_EQUAL(Waiters[i].Status, STATUS_SUCCESS);
    }
}

TEST(T_KeReleaseSemaphore_1_wait)
{
    Start(0, 1, 0);
    KeReleaseSemaphore(&Semaphore, IO_NO_INCREMENT, 1, TRUE);
    CHECK(KeGetCurrentIrql() > PASSIVE_LEVEL);
    CHECK_EQUAL(KtTest(&Semaphore), STATUS_SUCCESS);
    CHECK_IRQL(PASSIVE_LEVEL);
    CHECK_EQUAL(KeReadStateSemaphore(&Semaphore), 0);
}
