/* The commands about clocks: time, settime. PASSIVE_LEVEL, no lock. */
#include "kd/kdp.h"

#define UNITS_PER_SECOND 10000000

/*
 * time: the system time, the interrupt time, the ticks.
 *
 * IRQL:    PASSIVE_LEVEL (not checked)
 * Locks:   none but the console's, for each line
 * Context: the monitor
 * Returns: nothing
 */
VOID KdpTime(ULONG Count, PCSTR Arguments[])
{
    CHAR interval[32];
    LARGE_INTEGER time, ticks;

    UNREFERENCED_PARAMETER(Count);
    UNREFERENCED_PARAMETER(Arguments);
    KeQuerySystemTimePrecise(&time);
    KeQueryTickCount(&ticks);
    DbgPrint("System time     ");
    KdpPrintTime(time.QuadPart);
    DbgPrint(" (%lld)\n", time.QuadPart);
    DbgPrint("Interrupt time  %s s\n",
             KdpFormatInterval(interval, sizeof(interval), (LONG64)KiQueryInterruptTime()));
    DbgPrint("Ticks           %lld of %u us\n", ticks.QuadPart, KeQueryTimeIncrement() / 10);
    DbgPrint("Counter         %llu Hz, clock interrupts from the %s\n", ArchCounterFrequency,
             ArchClockName());
}

/* A decimal number of exactly Digits digits; moves *Text behind it. */
static BOOLEAN TakeDigits(PCSTR *Text, ULONG Digits, SHORT *Value)
{
    SHORT value = 0;

    for (; Digits > 0; Digits--, (*Text)++) {
        if (**Text < '0' || **Text > '9')
            return FALSE;
        value = (SHORT)(value * 10 + (**Text - '0'));
    }
    *Value = value;
    return TRUE;
}

static BOOLEAN TakeCharacter(PCSTR *Text, CHAR Character)
{
    if (**Text != Character)
        return FALSE;
    (*Text)++;
    return TRUE;
}

/* YYYY-MM-DD, and HH:MM:SS in a word of its own or behind a T. */
static BOOLEAN ParseDateTime(ULONG Count, PCSTR Words[], PLARGE_INTEGER Time)
{
    TIME_FIELDS fields = {0};
    PCSTR text = Words[0];

    if (!TakeDigits(&text, 4, &fields.Year) || !TakeCharacter(&text, '-') ||
        !TakeDigits(&text, 2, &fields.Month) || !TakeCharacter(&text, '-') ||
        !TakeDigits(&text, 2, &fields.Day))
        return FALSE;
    if (Count == 2) {
        if (*text)
            return FALSE;
        text = Words[1];
    } else if (!TakeCharacter(&text, 'T')) {
        return FALSE;
    }
    if (!TakeDigits(&text, 2, &fields.Hour) || !TakeCharacter(&text, ':') ||
        !TakeDigits(&text, 2, &fields.Minute) || !TakeCharacter(&text, ':') ||
        !TakeDigits(&text, 2, &fields.Second))
        return FALSE;
    return *text == 0 && RtlTimeFieldsToTime(&fields, Time);
}

/* +SECONDS or -SECONDS from the present time. */
static BOOLEAN ParseShift(ULONG Count, PCSTR Words[], PLARGE_INTEGER Time)
{
    ULONG64 seconds;
    LONG64 shift;

    if (Count != 1 || (Words[0][0] != '+' && Words[0][0] != '-') ||
        !KdpParseNumber(&Words[0][1], &seconds) || seconds > MAXLONGLONG / UNITS_PER_SECOND)
        return FALSE;
    shift = (LONG64)seconds * UNITS_PER_SECOND;
    KeQuerySystemTimePrecise(Time);
    if (Words[0][0] == '-')
        shift = -shift;
    return !__builtin_add_overflow(Time->QuadPart, shift, &Time->QuadPart) && Time->QuadPart >= 0;
}

/*
 * settime: the time, or how far to move it.
 *
 * IRQL:    PASSIVE_LEVEL (not checked)
 * Locks:   none but the console's, for each line
 * Context: the monitor
 * Returns: nothing
 */
VOID KdpSetTime(ULONG Count, PCSTR Arguments[])
{
    LARGE_INTEGER newTime, oldTime;

    if (!ParseShift(Count, Arguments, &newTime) && !ParseDateTime(Count, Arguments, &newTime)) {
        DbgPrint("That is no time: write 2026-01-31 13:30:00, +60 or -60.\n");
        return;
    }
    KeSetSystemTime(&newTime, &oldTime);
    DbgPrint("The system time was ");
    KdpPrintTime(oldTime.QuadPart);
    DbgPrint(" and is now ");
    KdpPrintTime(newTime.QuadPart);
    DbgPrint(".\n");
}
