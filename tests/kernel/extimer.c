/* EX_TIMER: timer.md. */
#define SUITE "extimer"
#include "thread_tool.h"

typedef struct _SEEN {
    volatile LONG Calls, Deletions;
    PEX_TIMER Timer;
    KIRQL Irql, DeleteIrql;
    ULONG64 When;
    BOOLEAN Result;
} SEEN;

static SEEN Seen;

static VOID Callback(PEX_TIMER Timer, PVOID Context)
{
    SEEN *seen = Context;

    seen->When = KtNow();
    seen->Timer = Timer;
    seen->Irql = KeGetCurrentIrql();
    InterlockedIncrement(&seen->Calls);
}

static VOID DeleteCallback(PVOID Context)
{
    SEEN *seen = Context;

    seen->DeleteIrql = KeGetCurrentIrql();
    InterlockedIncrement(&seen->Deletions);
}

static PEX_TIMER Allocate(ULONG Attributes)
{
    PEX_TIMER timer;

    memset(&Seen, 0, sizeof(Seen));
    timer = ExAllocateTimer(Callback, &Seen, Attributes);
    CHECK(timer != NULL);
    return timer;
}

static BOOLEAN Delete(PEX_TIMER Timer, BOOLEAN Cancel, BOOLEAN Wait)
{
    EXT_DELETE_PARAMETERS parameters;

    ExInitializeDeleteTimerParameters(&parameters);
    parameters.DeleteCallback = DeleteCallback;
    parameters.DeleteContext = &Seen;
    return ExDeleteTimer(Timer, Cancel, Wait, &parameters);
}

static VOID DeleteAndCheck(PEX_TIMER Timer)
{
    Delete(Timer, TRUE, TRUE);
    CHECK_EQUAL(Seen.Deletions, 1);
    CHECK_EQUAL(Seen.DeleteIrql, DISPATCH_LEVEL);
}

TEST(T_ExAllocateTimer_1)
{
    PEX_TIMER timer = Allocate(0);

    CHECK_EQUAL(KtTest(timer), STATUS_TIMEOUT);
    ExSetTimer(timer, -(LONGLONG)MILLISECONDS(1), 0, NULL);
    CHECK_EQUAL(KtWait(timer, KT_PATIENCE), STATUS_SUCCESS);
    CHECK_EQUAL(KtTest(timer), STATUS_TIMEOUT); /* a synchronization timer */
    DeleteAndCheck(timer);

    timer = Allocate(EX_TIMER_NOTIFICATION);
    ExSetTimer(timer, -(LONGLONG)MILLISECONDS(1), 0, NULL);
    CHECK_EQUAL(KtWait(timer, KT_PATIENCE), STATUS_SUCCESS);
    CHECK_EQUAL(KtTest(timer), STATUS_SUCCESS);
    ExSetTimer(timer, -(LONGLONG)SECONDS(100), 0, NULL);
    CHECK_EQUAL(KtTest(timer), STATUS_TIMEOUT); /* setting it clears it */
    DeleteAndCheck(timer);
}

TEST(T_ExAllocateTimer_2)
{
    PEX_TIMER timer = ExAllocateTimer(NULL, NULL, EX_TIMER_NO_WAKE);

    CHECK(timer != NULL);
    ExSetTimer(timer, -(LONGLONG)MILLISECONDS(1), 0, NULL);
    CHECK_EQUAL(KtWait(timer, KT_PATIENCE), STATUS_SUCCESS);
    CHECK(!ExDeleteTimer(timer, TRUE, TRUE, NULL));
    ExpFailEvery = 1;
    timer = ExAllocateTimer(NULL, NULL, 0);
    ExpFailEvery = 0;
    CHECK(timer == NULL);
}

TEST(T_EXT_CALLBACK_1__T_ExSetTimer_1)
{
    PEX_TIMER timer = Allocate(0);
    ULONG64 due = KtNow() + MILLISECONDS(5);

    CHECK(!ExSetTimer(timer, -(LONGLONG)MILLISECONDS(5), 0, NULL));
    CHECK(KtSleepUntil(&Seen.Calls, 1));
    CHECK_ON_TIME(Seen.When, due);
    CHECK_EQUAL(Seen.Irql, DISPATCH_LEVEL);
    CHECK(Seen.Timer == timer);
    KiSleep(A_WHILE);
    CHECK_EQUAL(Seen.Calls, 1); /* once */
    ExSetTimer(timer, (LONGLONG)KtSystemNow() + (LONGLONG)MILLISECONDS(5), 0, NULL);
    CHECK(KtSleepUntil(&Seen.Calls, 2));
    ExSetTimer(timer, 0, 0, NULL); /* long ago */
    CHECK(KtSleepUntil(&Seen.Calls, 3));
    DeleteAndCheck(timer);
}

/* The period is in 100 ns. */
TEST(T_ExSetTimer_1_period)
{
    PEX_TIMER timer = Allocate(0);
    ULONG64 start = KtNow();
    EXT_SET_PARAMETERS parameters;

    ExInitializeSetTimerParameters(&parameters);
    ExSetTimer(timer, -(LONGLONG)MILLISECONDS(20), (LONGLONG)MILLISECONDS(20), &parameters);
    CHECK(KtSleepUntil(&Seen.Calls, 5));
    CHECK_AT_LEAST(KtNow() - start, MILLISECONDS(100));
    CHECK(ExCancelTimer(timer, NULL));
    KeFlushQueuedDpcs();
    LONG calls = Seen.Calls;
    KiSleep(MILLISECONDS(60));
    CHECK_EQUAL(Seen.Calls, calls);
    DeleteAndCheck(timer);
}

TEST(T_ExSetTimer_2__T_ExCancelTimer_1)
{
    PEX_TIMER timer = Allocate(0);

    CHECK(!ExCancelTimer(timer, NULL)); /* never set */
    CHECK(!ExSetTimer(timer, -(LONGLONG)SECONDS(100), 0, NULL));
    CHECK(ExSetTimer(timer, -(LONGLONG)SECONDS(100), 0, NULL));
    CHECK(ExCancelTimer(timer, NULL));
    CHECK(!ExCancelTimer(timer, NULL)); /* cancelled before */
    CHECK(!ExSetTimer(timer, -(LONGLONG)MILLISECONDS(1), 0, NULL));
    CHECK(KtSleepUntil(&Seen.Calls, 1));
    CHECK(!ExCancelTimer(timer, NULL)); /* expired */
    CHECK(!ExSetTimer(timer, -(LONGLONG)SECONDS(100), 0, NULL));
    AT_IRQL(DISPATCH_LEVEL)
    CHECK(ExCancelTimer(timer, NULL));
    DeleteAndCheck(timer);
}

/* Cancelled: neither signaled nor called back; signaled: called back. */
TEST(T_ExCancelTimer_2)
{
    PEX_TIMER timer = Allocate(EX_TIMER_NOTIFICATION);
    LONG expected = 0;

    for (ULONG i = 0; i < 200; i++) {
        ExSetTimer(timer, -(LONGLONG)KtRandom(2000), 0, NULL);
        KtJitter(3000);
        if (ExCancelTimer(timer, NULL)) {
            CHECK_EQUAL(KtTest(timer), STATUS_TIMEOUT);
        } else {
            expected++;
            CHECK_EQUAL(KtTest(timer), STATUS_SUCCESS);
            CHECK(KtSpinUntil(&Seen.Calls, expected));
        }
        if (!CHECK_EQUAL(Seen.Calls, expected))
            break;
    }
    KiSleep(A_WHILE);
    CHECK_EQUAL(Seen.Calls, expected);
    DeleteAndCheck(timer);
}

/* However small the period, no more than one expiry a tick. */
TEST(T_ExSetTimer_4)
{
    PEX_TIMER timer = Allocate(0);
    ULONG64 start = KtNow(), elapsed;

    ExSetTimer(timer, -1, 1, NULL);
    KiSleep(MILLISECONDS(300));
    ExCancelTimer(timer, NULL);
    elapsed = KtNow() - start;
    CHECK_AT_LEAST(Seen.Calls, 2);
    CHECK_AT_LEAST(elapsed / KeQueryTimeIncrement() + 2, Seen.Calls);
    DeleteAndCheck(timer);
}

static VOID SetAgain(PEX_TIMER Timer, PVOID Context)
{
    SEEN *seen = Context;

    if (InterlockedIncrement(&seen->Calls) < 5)
        seen->Result |= ExSetTimer(Timer, -(LONGLONG)MILLISECONDS(1), 0, NULL);
}

TEST(T_ExSetTimer_7)
{
    PEX_TIMER timer;

    memset(&Seen, 0, sizeof(Seen));
    timer = ExAllocateTimer(SetAgain, &Seen, 0);
    ExSetTimer(timer, -(LONGLONG)MILLISECONDS(1), 0, NULL);
    CHECK(KtSleepUntil(&Seen.Calls, 5));
    CHECK(!Seen.Result); /* a one-shot is not set in its callback */
    KiSleep(A_WHILE);
    CHECK_EQUAL(Seen.Calls, 5);
    DeleteAndCheck(timer);
}

static volatile BOOLEAN DeleteResults[4];

static VOID DeleteInside(PEX_TIMER Timer, PVOID Context)
{
    SEEN *seen = Context;

    DeleteResults[0] = Delete(Timer, FALSE, FALSE);
    DeleteResults[1] = ExSetTimer(Timer, -(LONGLONG)MILLISECONDS(1), 0, NULL);
    DeleteResults[2] = ExCancelTimer(Timer, NULL);
    DeleteResults[3] = Delete(Timer, TRUE, FALSE);
    CHECK_EQUAL(seen->Deletions, 0); /* not before the callback has ended */
    InterlockedIncrement(&seen->Calls);
}

/* In its callback the timer can be deleted, and then nothing sets it any more. */
TEST(T_ExSetTimer_6__T_ExDeleteTimer_5__T_EXT_CALLBACK_1)
{
    PEX_TIMER timer;

    memset(&Seen, 0, sizeof(Seen));
    timer = ExAllocateTimer(DeleteInside, &Seen, 0);
    ExSetTimer(timer, -(LONGLONG)MILLISECONDS(1), 0, NULL);
    CHECK(KtSleepUntil(&Seen.Deletions, 1));
    KiSleep(A_WHILE);
    CHECK_EQUAL(Seen.Calls, 1);
    CHECK_EQUAL(Seen.Deletions, 1);
    for (ULONG i = 0; i < 4; i++)
        CHECK(!DeleteResults[i]);
}

TEST(T_ExDeleteTimer_2)
{
    PEX_TIMER timer = Allocate(0);

    ExSetTimer(timer, -(LONGLONG)SECONDS(100), 0, NULL);
    CHECK(Delete(timer, TRUE, TRUE)); /* a setting was cancelled */
    CHECK_EQUAL(Seen.Deletions, 1);
    CHECK_EQUAL(Seen.Calls, 0);
    timer = Allocate(0);
    CHECK(!Delete(timer, TRUE, TRUE)); /* there was none */
    CHECK_EQUAL(Seen.Deletions, 1);
    timer = Allocate(0);
    CHECK(!Delete(timer, FALSE, FALSE));
    CHECK(KtSleepUntil(&Seen.Deletions, 1));
}

/* Not cancelled: it expires once more, then it goes. */
TEST(T_ExDeleteTimer_3)
{
    for (LONGLONG period = 0; period <= (LONGLONG)MILLISECONDS(20);
         period += (LONGLONG)MILLISECONDS(20)) {
        PEX_TIMER timer = Allocate(0);

        ExSetTimer(timer, -(LONGLONG)MILLISECONDS(30), period, NULL);
        CHECK(!Delete(timer, FALSE, FALSE));
        CHECK(KtSleepUntil(&Seen.Deletions, 1));
        CHECK_EQUAL(Seen.Calls, 1);
        KiSleep(MILLISECONDS(60));
        CHECK_EQUAL(Seen.Calls, 1);
        CHECK_EQUAL(Seen.Deletions, 1);
    }
}

static VOID Dawdle(PEX_TIMER Timer, PVOID Context)
{
    UNREFERENCED_PARAMETER(Timer);
    InterlockedExchange(&((SEEN *)Context)->Calls, 1);
    KtStall(MILLISECONDS(10));
    InterlockedExchange(&((SEEN *)Context)->Calls, 2);
}

PARALLEL_ROUTINE(SetThere)
{
    if (Processor == 1)
        ExSetTimer(Context, -1, 0, NULL);
}

/* Wait: when it returns, the callback and the delete callback have ended. */
TEST_ON(2, T_ExDeleteTimer_4)
{
    for (ULONG i = 0; i < 10; i++) {
        PEX_TIMER timer;

        memset(&Seen, 0, sizeof(Seen));
        timer = ExAllocateTimer(Dawdle, &Seen, 0);
        KtStartOnOthers(SetThere, timer);
        KtJoin();
        CHECK(KtSpinUntil(&Seen.Calls, 1));
        CHECK(!Delete(timer, TRUE, TRUE));
        CHECK_EQUAL(Seen.Calls, 2);
        CHECK_EQUAL(Seen.Deletions, 1);
        CHECK_IRQL(PASSIVE_LEVEL);
    }
}

TEST(T_ExDeleteTimer_4_no_wait__T_ExDeleteTimer_6)
{
    PEX_TIMER timer = Allocate(0);

    ExSetTimer(timer, -(LONGLONG)SECONDS(100), (LONGLONG)MILLISECONDS(50), NULL);
    AT_IRQL(DISPATCH_LEVEL)
    CHECK(Delete(timer, TRUE, FALSE));
    CHECK(KtSleepUntil(&Seen.Deletions, 1));
    CHECK_EQUAL(Seen.DeleteIrql, DISPATCH_LEVEL);
    KiSleep(A_WHILE);
    CHECK_EQUAL(Seen.Deletions, 1);
    CHECK_EQUAL(Seen.Calls, 0);
}

TEST(T_EXHR_1)
{
    PEX_TIMER timer = Allocate(EX_TIMER_HIGH_RESOLUTION);

    for (LONG i = 1; i <= 20; i++) {
        ULONG64 due = KtNow() + MICROSECONDS(100) * i;

        ExSetTimer(timer, -(LONGLONG)MICROSECONDS(100) * i, 0, NULL);
        CHECK(KtSleepUntil(&Seen.Calls, i));
        CHECK_ON_TIME(Seen.When, due);
    }
    DeleteAndCheck(timer);
}

TEST(T_EXNW_1)
{
    PEX_TIMER timer = Allocate(EX_TIMER_NO_WAKE);
    EXT_SET_PARAMETERS parameters;

    ExInitializeSetTimerParameters(&parameters);
    parameters.NoWakeTolerance = EX_TIMER_UNLIMITED_TOLERANCE;
    ExSetTimer(timer, -(LONGLONG)MILLISECONDS(2), 0, &parameters);
    CHECK(KtSleepUntil(&Seen.Calls, 1));
    DeleteAndCheck(timer);
}

/* Set, cancelled and deleted at the moment of expiry, with exact accounts. */
TEST(T_ExDeleteTimer_4_race)
{
    for (ULONG i = 0; i < 100; i++) {
        PEX_TIMER timer = Allocate(0);

        ExSetTimer(timer, -(LONGLONG)KtRandom(2000), 0, NULL);
        KtJitter(4000);
        BOOLEAN cancelled = Delete(timer, TRUE, TRUE);
        CHECK_EQUAL(Seen.Calls, cancelled ? 0 : 1);
        if (!CHECK_EQUAL(Seen.Deletions, 1))
            break;
    }
}
