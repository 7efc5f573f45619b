/* sources: boot/fwtime.c */
/* The firmware's calendar: known moments, time zones, and every field out of its range. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "fwtime.h"

#define SECOND 10000000LL
#define DAY    (86400 * SECOND)

static FIRMWARE_TIME At(uint32_t Year, uint32_t Month, uint32_t Day)
{
    return (FIRMWARE_TIME){Year, Month, Day, 0, 0, 0, 0, FIRMWARE_TIME_ZONE_UNKNOWN};
}

static int64_t Count(FIRMWARE_TIME Time)
{
    return FirmwareTimeToCount(&Time);
}

static void KnownMoments(void **State)
{
    FIRMWARE_TIME time = At(2024, 2, 29);

    (void)State;
    assert_int_equal(Count(At(1970, 1, 1)), 116444736000000000LL);
    assert_int_equal(Count(At(2000, 1, 1)), 125911584000000000LL);
    time.Hour = 23;
    time.Minute = 59;
    time.Second = 58;
    time.Nanosecond = 999999999;
    /* 1709251198 is this second since 1970. */
    assert_int_equal(Count(time), (1709251198LL + 11644473600LL) * SECOND + 9999999);
}

/* Walks day by day through all years and compares with a plain count. */
static void EveryDay(void **State)
{
    static const uint32_t lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int64_t expected = Count(At(1900, 1, 1));

    (void)State;
    assert_int_equal(expected, 109207 * DAY);
    for (uint32_t year = 1900; year <= 9999; year++) {
        uint32_t leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

        for (uint32_t month = 1; month <= 12; month++) {
            uint32_t last = lengths[month - 1] + (month == 2 ? leap : 0);

            for (uint32_t day = 1; day <= last; day++, expected += DAY) {
                if (Count(At(year, month, day)) != expected) {
                    fail_msg("wrong at %u-%u-%u", year, month, day);
                }
            }
            assert_int_equal(Count(At(year, month, last + 1)), 0);
        }
    }
}

static void TimeZones(void **State)
{
    FIRMWARE_TIME time = At(2001, 1, 1);
    int64_t utc = Count(time);

    (void)State;
    time.TimeZone = 0;
    assert_int_equal(Count(time), utc);
    time.TimeZone = -60; /* east of Greenwich: UTC is earlier */
    assert_int_equal(Count(time), utc - 3600 * SECOND);
    time.TimeZone = 1440;
    assert_int_equal(Count(time), utc + DAY);
    time.TimeZone = -1440;
    assert_int_equal(Count(time), utc - DAY);
}

static void FieldsOutOfRange(void **State)
{
    FIRMWARE_TIME good = At(2001, 1, 1), time;

    (void)State;
    assert_int_equal(Count(At(0, 1, 1)), 0);
    assert_int_equal(Count(At(1899, 12, 31)), 0);
    assert_int_equal(Count(At(10000, 1, 1)), 0);
    assert_int_equal(Count(At(2001, 0, 1)), 0);
    assert_int_equal(Count(At(2001, 13, 1)), 0);
    assert_int_equal(Count(At(2001, 255, 1)), 0);
    assert_int_equal(Count(At(2001, 1, 0)), 0);
    assert_int_equal(Count(At(2001, 2, 29)), 0);
    assert_int_not_equal(Count(At(2004, 2, 29)), 0);
    assert_int_equal(Count(At(2100, 2, 29)), 0);
    time = good;
    time.Hour = 24;
    assert_int_equal(Count(time), 0);
    time = good;
    time.Minute = 60;
    assert_int_equal(Count(time), 0);
    time = good;
    time.Second = 60;
    assert_int_equal(Count(time), 0);
    time = good;
    time.Nanosecond = 1000000000;
    assert_int_equal(Count(time), 0);
    time = good;
    time.TimeZone = 1441;
    assert_int_equal(Count(time), 0);
    time.TimeZone = -1441;
    assert_int_equal(Count(time), 0);
    time.TimeZone = 0x7FE;
    assert_int_equal(Count(time), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(KnownMoments),
        cmocka_unit_test(EveryDay),
        cmocka_unit_test(TimeZones),
        cmocka_unit_test(FieldsOutOfRange),
    };

    return cmocka_run_group_tests_name("boot_fwtime", tests, NULL, NULL);
}
