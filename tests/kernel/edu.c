/*
 * The driver edu and its device, from IoCallDriver to the interrupt and back: right answers from
 * requests on all processors, bad requests, spurious interrupts. edu_slow.c has what takes time.
 */
#define SUITE "edu"
#include "edu_tool.h"

/* All ways of asking for a factorial give the same result. */
TEST(factorials)
{
    if (!KtBeginEdu())
        return;
    for (ULONG n = 0; n <= 40; n++) {
        ULONG result = 0;

        CHECK_EQUAL(KtEduFactorial(n, &result), STATUS_SUCCESS);
        CHECK_EQUAL(result, KtFactorial(n));
    }
    KtEndEdu();
}

TEST(bad_requests)
{
    UCHAR buffer[16];
    ULONG result;

    if (!KtBeginEdu())
        return;
    CHECK_EQUAL(KtEduTransfer(TRUE, buffer, 1, 4095), STATUS_INVALID_PARAMETER);
    CHECK_EQUAL(KtEduTransfer(TRUE, buffer, 16, 4090), STATUS_INVALID_PARAMETER);
    CHECK_EQUAL(KtEduTransfer(FALSE, buffer, 1, 0x100000000ULL), STATUS_INVALID_PARAMETER);
    CHECK_EQUAL(KtEduTransfer(FALSE, buffer, 1, MAXULONG64), STATUS_INVALID_PARAMETER);
    CHECK_EQUAL(KtEduTransfer(FALSE, buffer, 0, 0), STATUS_SUCCESS);
    CHECK_EQUAL(KtEduControl(IOCTL_EDU_FACTORIAL, buffer, 3, &result, 4), STATUS_BUFFER_TOO_SMALL);
    CHECK_EQUAL(KtEduControl(IOCTL_EDU_FACTORIAL, buffer, 4, &result, 3), STATUS_BUFFER_TOO_SMALL);
    CHECK_EQUAL(KtEduControl(IOCTL_EDU_STATISTICS, NULL, 0, &result, 4), STATUS_BUFFER_TOO_SMALL);
    CHECK_EQUAL(KtEduControl(IOCTL_EDU_MISCHIEF, buffer, 4, NULL, 0), STATUS_BUFFER_TOO_SMALL);
    CHECK_EQUAL(KtEduControl(CTL_CODE(FILE_DEVICE_UNKNOWN, 0x8FF, METHOD_BUFFERED, FILE_ANY_ACCESS),
                             NULL, 0, NULL, 0),
                STATUS_INVALID_DEVICE_REQUEST);
    KtEndEdu();
}

/* Interrupts for no reason are counted and end nothing. */
TEST(spurious_interrupts)
{
    EDU_STATISTICS before, after;
    ULONG result = 0;

    if (!KtBeginEdu())
        return;
    before = KtEduStatistics();
    for (ULONG n = 0; n < 5; n++) {
        KtEduMischief(0, 1);
        CHECK_EQUAL(KtEduFactorial(6, &result), STATUS_SUCCESS);
        CHECK_EQUAL(result, 720);
    }
    after = KtEduStatistics();
    CHECK_AT_LEAST(after.Spurious, before.Spurious + 1);
    KtEndEdu();
}

/* ---- from all processors at once ---- */

static volatile LONG Right, Ended;

static VOID AskManyTimes(PVOID Context)
{
    ULONG first = (ULONG)(ULONG_PTR)Context;

    for (ULONG n = 0; n < 20; n++) {
        ULONG number = (first * 5 + n) % 30, result = 0;

        if (NT_SUCCESS(KtEduFactorial(number, &result)) && result == KtFactorial(number))
            InterlockedIncrement(&Right);
    }
    InterlockedIncrement(&Ended);
    PsTerminateSystemThread(STATUS_SUCCESS);
}

TEST(threads_on_all_processors)
{
    ULONG threads = 2 * KtProcessors();

    if (!KtBeginEdu())
        return;
    Right = Ended = 0;
    for (ULONG n = 0; n < threads; n++) {
        HANDLE handle;

        CHECK_EQUAL(PsCreateSystemThread(&handle, THREAD_ALL_ACCESS, NULL, NULL, NULL, AskManyTimes,
                                         (PVOID)(ULONG_PTR)n),
                    STATUS_SUCCESS);
        ZwClose(handle);
    }
    CHECK(KtSleepUntil(&Ended, (LONG)threads));
    CHECK_EQUAL(Right, 20 * threads);
    KtEndEdu();
}

/* Loading and unloading again and again leaves nothing behind. */
TEST(load_and_unload)
{
    MM_INFORMATION before, after;
    ULONG result;

    if (!KtBeginEdu())
        return;
    KtEndEdu();
    MmQueryInformation(&before);
    for (ULONG n = 0; n < 5; n++) {
        if (!KtBeginEdu())
            return;
        CHECK_EQUAL(KtEduFactorial(4, &result), STATUS_SUCCESS);
        KtEndEdu();
    }
    MmQueryInformation(&after);
    CHECK_EQUAL(after.PoolBlocks[0], before.PoolBlocks[0]);
    CHECK_EQUAL(after.FreePages, before.FreePages);
}
