/* Errors with EX_TIMER objects: timer.md. */
#define SUITE "negative.extimer"
#include "thread_tool.h"

TEST(T_ExAllocateTimer_2)
{
    EXPECT_BUGCHECK(ANY, ANY, ANY, ANY, ANY)
    {
        ExAllocateTimer(NULL, NULL, EX_TIMER_HIGH_RESOLUTION | EX_TIMER_NO_WAKE);
    }
}

TEST(T_ExSetTimer_3)
{
    PEX_TIMER timer = ExAllocateTimer(NULL, NULL, EX_TIMER_HIGH_RESOLUTION);

    EXPECT_BUGCHECK(ANY, ANY, ANY, ANY, ANY)
    {
        ExSetTimer(timer, 0, 0, NULL);
    }
    EXPECT_BUGCHECK(ANY, ANY, ANY, ANY, ANY)
    {
        ExSetTimer(timer, (LONGLONG)KtSystemNow(), 0, NULL);
    }
    CHECK(!ExDeleteTimer(timer, TRUE, TRUE, NULL));
}

TEST(T_ExSetTimer_5)
{
    PEX_TIMER timer = ExAllocateTimer(NULL, NULL, EX_TIMER_NO_WAKE);
    EXT_SET_PARAMETERS parameters;

    ExInitializeSetTimerParameters(&parameters);
    parameters.NoWakeTolerance = -2;
    EXPECT_BUGCHECK(ANY, ANY, ANY, ANY, ANY)
    {
        ExSetTimer(timer, -1, 0, &parameters);
    }
    CHECK(!ExDeleteTimer(timer, TRUE, TRUE, NULL));
}

TEST(T_ExDeleteTimer_1)
{
    PEX_TIMER timer = ExAllocateTimer(NULL, NULL, 0);

    EXPECT_BUGCHECK(ANY, ANY, ANY, ANY, ANY)
    {
        ExDeleteTimer(timer, FALSE, TRUE, NULL);
    }
    CHECK(!ExDeleteTimer(timer, TRUE, TRUE, NULL));
}

TEST(T_ExDeleteTimer_4)
{
    PEX_TIMER timer = ExAllocateTimer(NULL, NULL, 0);

    AT_IRQL(DISPATCH_LEVEL)
    {
        EXPECT_BUGCHECK(ANY, ANY, ANY, ANY, ANY)
        {
            ExDeleteTimer(timer, TRUE, TRUE, NULL);
        }
    }
    CHECK(!ExDeleteTimer(timer, TRUE, TRUE, NULL));
}
