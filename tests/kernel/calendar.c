/* time.md: calendar and time-zone conversions. */
#define SUITE "time.calendar"
#include "suite.h"

static VOID CheckFields(LONGLONG Time, SHORT Year, SHORT Month, SHORT Day, SHORT Weekday)
{
    LARGE_INTEGER time = {.QuadPart = Time}, back;
    TIME_FIELDS fields;

    KtPoison(&fields);
    RtlTimeToTimeFields(&time, &fields);
    CHECK_EQUAL(fields.Year, Year);
    CHECK_EQUAL(fields.Month, Month);
    CHECK_EQUAL(fields.Day, Day);
    CHECK_EQUAL(fields.Weekday, Weekday);
    CHECK(RtlTimeFieldsToTime(&fields, &back));
    CHECK_EQUAL(back.QuadPart, Time - Time % 10000);
}

TEST(T_RtlTimeToTimeFields_1)
{
    CheckFields(0, 1601, 1, 1, 1);
    CheckFields(116444736000000000, 1970, 1, 1, 4);
    CheckFields(125911584000000000, 2000, 1, 1, 6);
    CheckFields(125962560000000000, 2000, 2, 29, 2); /* a leap day of a century */
    CheckFields(157766399999999999, 2100, 12, 10, 5);
}

TEST(T_RtlTimeToTimeFields_1_time_of_day)
{
    LARGE_INTEGER time = {.QuadPart = 116444736000000000 + ((23 * 60 + 59) * 60 + 58) * 10000000LL +
                                      9879999};
    TIME_FIELDS fields;

    RtlTimeToTimeFields(&time, &fields);
    CHECK_EQUAL(fields.Hour, 23);
    CHECK_EQUAL(fields.Minute, 59);
    CHECK_EQUAL(fields.Second, 58);
    CHECK_EQUAL(fields.Milliseconds, 987);
}

/* Every day of eight centuries, counted here one by one. */
TEST(T_RtlTimeToTimeFields_1__T_RtlTimeFieldsToTime_1_every_day)
{
    static const SHORT lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    SHORT year = 1601, month = 1, day = 1;

    for (LONGLONG n = 0; n < 800 * 365; n++) {
        LARGE_INTEGER time = {.QuadPart = n * 864000000000LL}, back;
        TIME_FIELDS fields;
        BOOLEAN leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

        RtlTimeToTimeFields(&time, &fields);
        if (fields.Year != year || fields.Month != month || fields.Day != day ||
            fields.Weekday != (n + 1) % 7 || !RtlTimeFieldsToTime(&fields, &back) ||
            back.QuadPart != time.QuadPart) {
            CHECK_EQUAL(n, -1);
            break;
        }
        if (++day > lengths[month - 1] + (leap && month == 2)) {
            day = 1;
            if (++month > 12) {
                month = 1;
                year++;
            }
        }
    }
    CHECK_AT_LEAST(year, 2399);
}

TEST(T_RtlTimeFieldsToTime_1)
{
    static const TIME_FIELDS wrong[] = {
        {2023, 2, 30, 0, 0, 0, 0, 0}, {2023, 13, 1, 0, 0, 0, 0, 0},   {1600, 12, 31, 0, 0, 0, 0, 0},
        {2023, 2, 29, 0, 0, 0, 0, 0}, {2100, 2, 29, 0, 0, 0, 0, 0},   {2023, 0, 1, 0, 0, 0, 0, 0},
        {2023, 1, 0, 0, 0, 0, 0, 0},  {2023, 1, 1, 24, 0, 0, 0, 0},   {2023, 1, 1, 0, 60, 0, 0, 0},
        {2023, 1, 1, 0, 0, 60, 0, 0}, {2023, 1, 1, 0, 0, 0, 1000, 0}, {2023, 1, 1, 0, 0, 0, -1, 0},
        {2023, 4, 31, 0, 0, 0, 0, 0},
    };
    TIME_FIELDS right = {1970, 1, 1, 0, 0, 0, 0, 99}; /* the weekday is ignored */
    LARGE_INTEGER time;

    for (ULONG i = 0; i < ARRAYSIZE(wrong); i++) {
        TIME_FIELDS fields = wrong[i];

        CHECK_EQUAL(RtlTimeFieldsToTime(&fields, &time), FALSE);
    }
    CHECK(RtlTimeFieldsToTime(&right, &time));
    CHECK_EQUAL(time.QuadPart, 116444736000000000);
}

TEST(T_ExSystemTimeToLocalTime_1)
{
    LARGE_INTEGER now, local, back;
    LONGLONG bias;

    KeQuerySystemTime(&now);
    ExSystemTimeToLocalTime(&now, &local);
    ExLocalTimeToSystemTime(&local, &back);
    CHECK_EQUAL(back.QuadPart, now.QuadPart);
    bias = now.QuadPart - local.QuadPart;
    CHECK(bias >= -(LONGLONG)SECONDS(15 * 3600) && bias <= (LONGLONG)SECONDS(15 * 3600));
    CHECK_EQUAL(bias % (LONGLONG)SECONDS(60), 0);
    now.QuadPart += 12345678901;
    ExSystemTimeToLocalTime(&now, &local);
    CHECK_EQUAL(now.QuadPart - local.QuadPart, bias); /* the same whatever the time */
}
