/*
 * Calendar and time. A time is a count of 100 ns since 1 January 1601, a Monday, in the Gregorian
 * calendar. Any IRQL when the memory is resident.
 *
 * 1601 begins a cycle of 400 years = 146,097 days that repeats exactly. Days are counted here from
 * 1 March: then the leap day is the last day of its year, and the months' lengths follow one line:
 * 31, 30, 31, 30, 31 days, 153 days for every five months.
 *
 *     day of the year in which month m (March = 0) begins: (153 * m + 2) / 5
 */
#include "systime.h"

#define UNITS_PER_MILLISECOND 10000LL
#define MILLISECONDS_PER_DAY  86400000LL
#define DAYS_PER_CYCLE        146097 /* 400 years */
#define DAYS_PER_CENTURY      36524  /* the fourth one has a day more */
#define DAYS_PER_LEAP_PERIOD  1461   /* four years */
#define MARCH_1600            306    /* days from 1 March 1600 to 1 January 1601 */

/* Year, month (1 to 12) and day for a number of days since 1 January 1601. */
static VOID DateOfDays(LONG64 Days, PTIME_FIELDS Fields)
{
    LONG64 days = Days + MARCH_1600;
    LONG64 cycle = days >= 0 ? days / DAYS_PER_CYCLE : -1 - (-1 - days) / DAYS_PER_CYCLE;
    LONG day = (LONG)(days - cycle * DAYS_PER_CYCLE);
    /* Takes out the leap days, so that all years of the cycle have 365 days. */
    LONG year = (day - day / (DAYS_PER_LEAP_PERIOD - 1) + day / DAYS_PER_CENTURY -
                 day / (DAYS_PER_CYCLE - 1)) /
                365;
    LONG dayOfYear = day - (365 * year + year / 4 - year / 100);
    LONG month = (5 * dayOfYear + 2) / 153;

    Fields->Day = (SHORT)(dayOfYear - (153 * month + 2) / 5 + 1);
    Fields->Month = (SHORT)(month < 10 ? month + 3 : month - 9);
    Fields->Year = (SHORT)(1600 + cycle * 400 + year + (month < 10 ? 0 : 1));
}

/* Days from 1 January 1601 to a date that exists, from 1601 on. */
static LONG64 DaysOfDate(const TIME_FIELDS *Fields)
{
    LONG year = Fields->Year - 1600 - (Fields->Month < 3 ? 1 : 0);
    LONG month = Fields->Month < 3 ? Fields->Month + 9 : Fields->Month - 3;

    return 365LL * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + Fields->Day -
           1 - MARCH_1600;
}

static BOOLEAN IsLeapYear(LONG Year)
{
    return Year % 4 == 0 && (Year % 100 != 0 || Year % 400 == 0);
}

static LONG DaysInMonth(LONG Year, LONG Month)
{
    static const UCHAR days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

    return days[Month - 1] + (Month == 2 && IsLeapYear(Year) ? 1 : 0);
}

static BOOLEAN IsInRange(LONG Value, LONG First, LONG Last)
{
    return Value >= First && Value <= Last;
}

static BOOLEAN IsDate(const TIME_FIELDS *Fields)
{
    return Fields->Year >= 1601 && IsInRange(Fields->Month, 1, 12) &&
           IsInRange(Fields->Day, 1, DaysInMonth(Fields->Year, Fields->Month));
}

static BOOLEAN IsTimeOfDay(const TIME_FIELDS *Fields)
{
    return IsInRange(Fields->Hour, 0, 23) && IsInRange(Fields->Minute, 0, 59) &&
           IsInRange(Fields->Second, 0, 59) && IsInRange(Fields->Milliseconds, 0, 999);
}

/*
 * Splits a time into date and time of day; what is below a millisecond is cut off. A negative time
 * is one before 1601.
 *
 * IRQL:    any
 * Locks:   none
 * Context: any
 * Returns: nothing
 * Source:  contract T-RtlTimeToTimeFields-1
 */
VOID RtlTimeToTimeFields(PLARGE_INTEGER Time, PTIME_FIELDS TimeFields)
{
    LONG64 time = Time->QuadPart;
    LONG64 unitsPerDay = MILLISECONDS_PER_DAY * UNITS_PER_MILLISECOND;
    LONG64 days = time >= 0 ? time / unitsPerDay : -1 - (-1 - time) / unitsPerDay;
    LONG rest = (LONG)((time - days * unitsPerDay) / UNITS_PER_MILLISECOND);
    LONG weekday = (LONG)((days + 1) % 7);

    DateOfDays(days, TimeFields);
    TimeFields->Hour = (SHORT)(rest / 3600000);
    TimeFields->Minute = (SHORT)(rest / 60000 % 60);
    TimeFields->Second = (SHORT)(rest / 1000 % 60);
    TimeFields->Milliseconds = (SHORT)(rest % 1000);
    TimeFields->Weekday = (SHORT)(weekday < 0 ? weekday + 7 : weekday);
}

/*
 * Makes a time of date and time of day. Weekday has no meaning.
 *
 * IRQL:    any
 * Locks:   none
 * Context: any
 * Returns: TRUE, or FALSE if there is no such date or time, or no room for it in 63 bits
 * Source:  contract T-RtlTimeFieldsToTime-1
 */
BOOLEAN RtlTimeFieldsToTime(PTIME_FIELDS TimeFields, PLARGE_INTEGER Time)
{
    LONG64 milliseconds;

    if (!IsDate(TimeFields) || !IsTimeOfDay(TimeFields))
        return FALSE;
    milliseconds = DaysOfDate(TimeFields) * MILLISECONDS_PER_DAY + TimeFields->Hour * 3600000LL +
                   TimeFields->Minute * 60000LL + TimeFields->Second * 1000LL +
                   TimeFields->Milliseconds;
    if (milliseconds > MAXLONGLONG / UNITS_PER_MILLISECOND)
        return FALSE;
    Time->QuadPart = milliseconds * UNITS_PER_MILLISECOND;
    return TRUE;
}
