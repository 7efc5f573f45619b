/* Conversion of the firmware's date to 100-ns units since 1601, with the calendar checked. */
#include "fwtime.h"

static int IsLeapYear(uint32_t Year)
{
    return (Year % 4 == 0 && Year % 100 != 0) || Year % 400 == 0;
}

static uint32_t DaysInMonth(uint32_t Year, uint32_t Month)
{
    static const uint8_t days[12] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

    return Month == 2 && IsLeapYear(Year) ? 29 : days[Month - 1];
}

static int IsValid(const FIRMWARE_TIME *Time)
{
    if (Time->Year < 1900 || Time->Year > 9999 || Time->Month < 1 || Time->Month > 12) {
        return 0;
    }
    if (Time->Day < 1 || Time->Day > DaysInMonth(Time->Year, Time->Month)) {
        return 0;
    }
    if (Time->Hour > 23 || Time->Minute > 59 || Time->Second > 59) {
        return 0;
    }
    if (Time->Nanosecond > 999999999) {
        return 0;
    }
    return Time->TimeZone == FIRMWARE_TIME_ZONE_UNKNOWN ||
           (Time->TimeZone >= -1440 && Time->TimeZone <= 1440);
}

/* Whole days from 1 January 1601, with which a cycle of 400 years begins. */
static int64_t DaysSince1601(const FIRMWARE_TIME *Time)
{
    int64_t years = (int64_t)Time->Year - 1601;
    int64_t days = years * 365 + years / 4 - years / 100 + years / 400;

    for (uint32_t month = 1; month < Time->Month; month++) {
        days += DaysInMonth(Time->Year, month);
    }
    return days + Time->Day - 1;
}

int64_t FirmwareTimeToCount(const FIRMWARE_TIME *Time)
{
    int64_t minutes;

    if (!IsValid(Time)) {
        return 0;
    }
    minutes = (DaysSince1601(Time) * 24 + Time->Hour) * 60 + Time->Minute;
    if (Time->TimeZone != FIRMWARE_TIME_ZONE_UNKNOWN) {
        minutes += Time->TimeZone;
    }
    return (minutes * 60 + Time->Second) * 10000000 + Time->Nanosecond / 100;
}
