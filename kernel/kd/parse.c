/* What the commands read and print in common: numbers, times, status codes. Any IRQL, no lock. */
#include "kdp.h"

#define UNITS_PER_SECOND      10000000
#define UNITS_PER_MICROSECOND 10

/* The digit's value; more than 15 if it is none. */
static ULONG DigitValue(CHAR Digit)
{
    if (Digit >= '0' && Digit <= '9')
        return (ULONG)(Digit - '0');
    Digit |= 0x20;
    return Digit >= 'a' && Digit <= 'f' ? (ULONG)(Digit - 'a') + 10 : 16;
}

static BOOLEAN ParseDigits(PCSTR Text, ULONG Base, PULONG64 Value)
{
    ULONG64 value = 0;

    if (*Text == 0)
        return FALSE;
    for (; *Text; Text++) {
        ULONG digit = DigitValue(*Text);

        if (digit >= Base || __builtin_mul_overflow(value, (ULONG64)Base, &value) ||
            __builtin_add_overflow(value, (ULONG64)digit, &value))
            return FALSE;
    }
    *Value = value;
    return TRUE;
}

static BOOLEAN HasHexadecimalPrefix(PCSTR Text)
{
    return Text[0] == '0' && (Text[1] | 0x20) == 'x';
}

/*
 * Reads a number, decimal or 0x hexadecimal.
 *
 * IRQL:    any
 * Locks:   none
 * Context: any
 * Returns: TRUE and the number, or FALSE if Text is none or does not fit into 64 bits
 */
BOOLEAN KdpParseNumber(PCSTR Text, PULONG64 Value)
{
    if (HasHexadecimalPrefix(Text))
        return ParseDigits(Text + 2, 16, Value);
    return ParseDigits(Text, 10, Value);
}

/*
 * Reads a hexadecimal number, with or without 0x.
 *
 * IRQL:    any
 * Locks:   none
 * Context: any
 * Returns: TRUE and the number, or FALSE if Text is none or does not fit into 64 bits
 */
BOOLEAN KdpParseHexadecimal(PCSTR Text, PULONG64 Value)
{
    return ParseDigits(HasHexadecimalPrefix(Text) ? Text + 2 : Text, 16, Value);
}

/*
 * Prints an instant of the system time, without a line end.
 *
 * IRQL:    any
 * Locks:   takes the console's lock
 * Context: any
 * Returns: nothing
 */
VOID KdpPrintTime(LONG64 SystemTime)
{
    LARGE_INTEGER time = {.QuadPart = SystemTime};
    TIME_FIELDS fields;

    RtlTimeToTimeFields(&time, &fields);
    DbgPrint("%04d-%02d-%02d %02d:%02d:%02d.%03d UTC", fields.Year, fields.Month, fields.Day,
             fields.Hour, fields.Minute, fields.Second, fields.Milliseconds);
}

/*
 * Writes an interval of 100-ns units in seconds, to the microsecond.
 *
 * IRQL:    any
 * Locks:   none
 * Context: any
 * Returns: Buffer
 */
PCHAR KdpFormatInterval(PCHAR Buffer, SIZE_T Size, LONG64 Units)
{
    ULONG64 absolute = Units < 0 ? 0 - (ULONG64)Units : (ULONG64)Units;

    RtlStringPrint(Buffer, Size, "%s%llu.%06llu", Units < 0 ? "-" : "", absolute / UNITS_PER_SECOND,
                   absolute % UNITS_PER_SECOND / UNITS_PER_MICROSECOND);
    return Buffer;
}

static PCSTR StatusName(NTSTATUS Status)
{
    static const struct {
        NTSTATUS Status;
        PCSTR Text;
    } names[] = {
        {STATUS_INVALID_DEVICE_REQUEST, "the driver has no routine for that"},
        {STATUS_OBJECT_NAME_NOT_FOUND, "there is nothing of that name"},
        {STATUS_IMAGE_ALREADY_LOADED, "it is loaded already"},
        {STATUS_DEVICE_BUSY, "it is in use"},
        {STATUS_INSUFFICIENT_RESOURCES, "there is not enough memory"},
        {STATUS_NO_SUCH_DEVICE, "its device is not there"},
        {STATUS_DEVICE_DOES_NOT_EXIST, "none of its devices is here"},
        {STATUS_DELETE_PENDING, "its device is being removed"},
        {STATUS_ACCESS_DENIED, "it is open already, and exclusive"},
        {STATUS_INVALID_PARAMETER, "a parameter is wrong"},
        {STATUS_BUFFER_TOO_SMALL, "the buffer is too small"},
        {STATUS_CANCELLED, "it was cancelled"},
        {STATUS_IO_TIMEOUT, "the time was over"},
        {STATUS_DEVICE_NOT_READY, "the device is not ready"},
        {STATUS_IO_DEVICE_ERROR, "the device reports an error"},
    };

    for (ULONG n = 0; n < ARRAYSIZE(names); n++)
        if (names[n].Status == Status)
            return names[n].Text;
    return NULL;
}

/*
 * Says why something failed.
 *
 * IRQL:    any
 * Locks:   takes the console's lock
 * Context: any
 * Returns: nothing
 */
VOID KdpPrintStatus(PCSTR What, PCSTR Name, NTSTATUS Status)
{
    PCSTR name = StatusName(Status);

    if (name)
        DbgPrint("%s %s: %s.\n", What, Name, name);
    else
        DbgPrint("%s %s: status 0x%08X.\n", What, Name, (ULONG)Status);
}
