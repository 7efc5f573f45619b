/* sources: kernel/rtl/timefields.c tests/host/support/support.c */
/* Calendar conversion: the contract's vectors, each day of eight centuries, each field's limits. */
#include "support/support.h"

#define MILLISECOND 10000LL
#define SECOND      (1000 * MILLISECOND)
#define DAY         (86400 * SECOND)

static TIME_FIELDS FieldsOf(LONG64 Time)
{
    LARGE_INTEGER time = {.QuadPart = Time};
    TIME_FIELDS fields;

    memset(&fields, 0x55, sizeof(fields));
    RtlTimeToTimeFields(&time, &fields);
    return fields;
}

/* MINLONGLONG if the fields are refused; then the time must be as it was. */
static LONG64 TimeOf(TIME_FIELDS Fields)
{
    LARGE_INTEGER time = {.QuadPart = 4711};

    if (RtlTimeFieldsToTime(&Fields, &time))
        return time.QuadPart;
    assert_int_equal(time.QuadPart, 4711);
    return MINLONGLONG;
}

static VOID AssertFields(LONG64 Time, TIME_FIELDS Expected)
{
    TIME_FIELDS fields = FieldsOf(Time);

    assert_memory_equal(&fields, &Expected, sizeof(fields));
}

/* T-RtlTimeToTimeFields-1 */
static void KnownMoments(void **State)
{
    (void)State;
    AssertFields(0, (TIME_FIELDS){1601, 1, 1, 0, 0, 0, 0, 1});
    AssertFields(116444736000000000, (TIME_FIELDS){1970, 1, 1, 0, 0, 0, 0, 4});
    AssertFields(125911584000000000, (TIME_FIELDS){2000, 1, 1, 0, 0, 0, 0, 6});
    AssertFields(DAY - 1, (TIME_FIELDS){1601, 1, 1, 23, 59, 59, 999, 1});
    AssertFields(-1, (TIME_FIELDS){1600, 12, 31, 23, 59, 59, 999, 0});
    AssertFields(-366 * DAY, (TIME_FIELDS){1600, 1, 1, 0, 0, 0, 0, 6});
    AssertFields(MAXLONGLONG, (TIME_FIELDS){30828, 9, 14, 2, 48, 5, 477, 4});
}

static LONG DaysIn(LONG Year, LONG Month)
{
    if (Month == 2)
        return (Year % 4 == 0 && Year % 100 != 0) || Year % 400 == 0 ? 29 : 28;
    return Month == 4 || Month == 6 || Month == 9 || Month == 11 ? 30 : 31;
}

/* Counts the calendar up day by day and compares both directions, at a different time each day. */
static void EachDayFrom1601To2400(void **State)
{
    LONG64 days = 0;

    (void)State;
    for (SHORT year = 1601; year <= 2400; year++) {
        for (SHORT month = 1; month <= 12; month++) {
            for (SHORT day = 1; day <= DaysIn(year, month); day++, days++) {
                LONG64 milliseconds = (LONG64)HostRandomBelow(86400000);
                LONG64 time = days * DAY + milliseconds * MILLISECOND;
                TIME_FIELDS expected = {
                    year,
                    month,
                    day,
                    (SHORT)(milliseconds / 3600000),
                    (SHORT)(milliseconds / 60000 % 60),
                    (SHORT)(milliseconds / 1000 % 60),
                    (SHORT)(milliseconds % 1000),
                    (SHORT)((days + 1) % 7),
                };

                AssertFields(time + (LONG64)HostRandomBelow(MILLISECOND), expected);
                assert_int_equal(TimeOf(expected), time);
            }
        }
    }
    assert_int_equal(days, 2 * 146097);
}

/* Over the whole range there and back, for whole milliseconds. */
static void ThereAndBack(void **State)
{
    (void)State;
    for (ULONG n = 0; n < 200000; n++) {
        LONG64 time = (LONG64)(HostRandom() >> (1 + HostRandomBelow(40)));

        time -= time % MILLISECOND;
        assert_int_equal(TimeOf(FieldsOf(time)), time);
    }
    assert_int_equal(TimeOf(FieldsOf(MAXLONGLONG)), MAXLONGLONG - MAXLONGLONG % MILLISECOND);
}

/* T-RtlTimeFieldsToTime-1 */
static void WeekdayIsIgnored(void **State)
{
    TIME_FIELDS fields = FieldsOf(125911584000000000);

    (void)State;
    for (LONG weekday = -32768; weekday < 32768; weekday += 255) {
        fields.Weekday = (SHORT)weekday;
        assert_int_equal(TimeOf(fields), 125911584000000000);
    }
}

/* Sets one field of a good set of fields. */
static TIME_FIELDS With(ULONG Field, SHORT Value)
{
    SHORT fields[] = {2023, 6, 15, 12, 30, 30, 500, 0};
    TIME_FIELDS result;

    fields[Field] = Value;
    memcpy(&result, fields, sizeof(result));
    return result;
}

/* Each field takes exactly the values of its range. */
static void FieldsOutOfRangeAreRefused(void **State)
{
    static const SHORT first[] = {1601, 1, 1, 0, 0, 0, 0},
                       last[] = {30827, 12, 30, 23, 59, 59, 999};

    (void)State;
    for (ULONG field = 0; field < ARRAYSIZE(first); field++) {
        for (LONG value = -32768; value <= 32767; value++) {
            BOOLEAN good = value >= first[field] && value <= last[field];

            /* A good day of the latest year: only up to 14 September of 30828 is there room. */
            if (field == 0 && value == 30828)
                continue;
            assert_int_equal(TimeOf(With(field, (SHORT)value)) != MINLONGLONG, good);
        }
    }
}

static void DaysThatDoNotExistAreRefused(void **State)
{
    (void)State;
    for (SHORT year = 1601; year <= 2400; year++) {
        for (SHORT month = 1; month <= 12; month++) {
            TIME_FIELDS fields = {.Year = year, .Month = month};

            fields.Day = (SHORT)DaysIn(year, month);
            assert_int_not_equal(TimeOf(fields), MINLONGLONG);
            fields.Day++;
            assert_int_equal(TimeOf(fields), MINLONGLONG);
        }
    }
}

static void TheLastMomentFits(void **State)
{
    TIME_FIELDS last = {30828, 9, 14, 2, 48, 5, 477, 0};

    (void)State;
    assert_int_not_equal(TimeOf(last), MINLONGLONG);
    last.Milliseconds++;
    assert_int_equal(TimeOf(last), MINLONGLONG);
    last = (TIME_FIELDS){32767, 12, 31, 23, 59, 59, 999, 0};
    assert_int_equal(TimeOf(last), MINLONGLONG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(KnownMoments),
        cmocka_unit_test(EachDayFrom1601To2400),
        cmocka_unit_test(ThereAndBack),
        cmocka_unit_test(WeekdayIsIgnored),
        cmocka_unit_test(FieldsOutOfRangeAreRefused),
        cmocka_unit_test(DaysThatDoNotExistAreRefused),
        cmocka_unit_test(TheLastMomentFits),
    };

    return cmocka_run_group_tests_name("timefields", tests, NULL, NULL);
}
