/*
 * Formatted text, for DbgPrint and the monitor: RtlStringPrint. Writes into the caller's buffer
 * and allocates nothing. Any IRQL when format and arguments are resident.
 *
 *     %[flags][width][.precision][size]type
 *     flags      - left, + and space for positive numbers, # prefix, 0 leading zeros
 *     size       hh h l ll w I I32 I64 j t z; `l` is 32 bits wide, as LONG is; `I`, `t`, `z` 64
 *     type       d i u x X o c s p %; C and S: UTF-16; Z: ANSI_STRING, wZ: UNICODE_STRING
 *
 * UTF-16 is written as UTF-8. Precision and width of strings count characters of the argument. An
 * unknown type is written as it stands, and so are those for floating point.
 */
#include "rtl.h"

/* Where the text goes. Position counts what is stored, so it never passes Limit. */
typedef struct _OUTPUT {
    PCHAR Buffer;
    SIZE_T Limit; /* bytes in Buffer without the terminating zero */
    SIZE_T Position;
} OUTPUT;

enum { FlagLeft = 1, FlagPlus = 2, FlagSpace = 4, FlagPrefix = 8, FlagZero = 16, FlagUpper = 32 };

#define NO_PRECISION (-1)

typedef struct _CONVERSION {
    ULONG Flags;
    int Width;
    int Precision;
    ULONG Bytes;  /* of an integer argument */
    BOOLEAN Wide; /* UTF-16 */
    CHAR Type;
    va_list *Arguments;
} CONVERSION;

static VOID Put(OUTPUT *Output, CHAR Character)
{
    if (Output->Position < Output->Limit)
        Output->Buffer[Output->Position++] = Character;
}

static VOID PutMany(OUTPUT *Output, CHAR Character, int Count)
{
    while (Count-- > 0)
        Put(Output, Character);
}

/* ---- numbers ---- */

/* The digits of Value, the last one first. Returns how many: at least 1, unless Value is 0. */
static int MakeDigits(PCHAR Digits, ULONG64 Value, ULONG Base, BOOLEAN Upper)
{
    PCSTR names = Upper ? "0123456789ABCDEF" : "0123456789abcdef";
    int count = 0;

    for (; Value != 0; Value /= Base)
        Digits[count++] = names[Value % Base];
    return count;
}

/* Prefix, then zeros, then digits, in a field of Width. */
static VOID PutNumber(OUTPUT *Output, const CONVERSION *How, ULONG64 Value, ULONG Base,
                      PCSTR Prefix)
{
    CHAR digits[22]; /* 64 bits in octal */
    int count = MakeDigits(digits, Value, Base, (How->Flags & FlagUpper) != 0);
    int length = (int)strlen(Prefix);
    int zeros = (How->Precision == NO_PRECISION ? 1 : How->Precision) - count;

    if (zeros < 0)
        zeros = 0;
    if (How->Precision == NO_PRECISION && (How->Flags & (FlagZero | FlagLeft)) == FlagZero &&
        zeros < How->Width - length - count)
        zeros = How->Width - length - count;

    int blanks = How->Width - length - zeros - count;

    if (!(How->Flags & FlagLeft))
        PutMany(Output, ' ', blanks);
    while (*Prefix)
        Put(Output, *Prefix++);
    PutMany(Output, '0', zeros);
    while (count > 0)
        Put(Output, digits[--count]);
    if (How->Flags & FlagLeft)
        PutMany(Output, ' ', blanks);
}

static ULONG64 UnsignedArgument(const CONVERSION *How)
{
    if (How->Bytes == 8)
        return va_arg(*How->Arguments, ULONG64);

    ULONG value = va_arg(*How->Arguments, ULONG);

    return How->Bytes == 1 ? (UCHAR)value : How->Bytes == 2 ? (USHORT)value : value;
}

static LONG64 SignedArgument(const CONVERSION *How)
{
    if (How->Bytes == 8)
        return va_arg(*How->Arguments, LONG64);

    LONG value = va_arg(*How->Arguments, LONG);

    return How->Bytes == 1 ? (INT8)value : How->Bytes == 2 ? (SHORT)value : value;
}

static VOID PutSigned(OUTPUT *Output, const CONVERSION *How)
{
    LONG64 value = SignedArgument(How);
    PCSTR sign = How->Flags & FlagPlus ? "+" : How->Flags & FlagSpace ? " " : "";

    if (value < 0)
        PutNumber(Output, How, 0 - (ULONG64)value, 10, "-");
    else
        PutNumber(Output, How, (ULONG64)value, 10, sign);
}

static VOID PutUnsigned(OUTPUT *Output, CONVERSION *How)
{
    ULONG64 value = UnsignedArgument(How);
    BOOLEAN prefix = (How->Flags & FlagPrefix) != 0;

    switch (How->Type) {
    case 'u':
        PutNumber(Output, How, value, 10, "");
        break;
    case 'o':
        PutNumber(Output, How, value, 8, prefix && value ? "0" : "");
        break;
    case 'X':
        How->Flags |= FlagUpper;
        PutNumber(Output, How, value, 16, prefix && value ? "0X" : "");
        break;
    default:
        PutNumber(Output, How, value, 16, prefix && value ? "0x" : "");
    }
}

/* A pointer: always sixteen digits. */
static VOID PutPointer(OUTPUT *Output, CONVERSION *How)
{
    How->Precision = 16;
    How->Flags |= FlagUpper;
    PutNumber(Output, How, (ULONG_PTR)va_arg(*How->Arguments, PVOID), 16, "");
}

/* ---- characters and strings ---- */

static VOID PutCodePoint(OUTPUT *Output, ULONG Code)
{
    if (Code < 0x80) {
        Put(Output, (CHAR)Code);
    } else if (Code < 0x800) {
        Put(Output, (CHAR)(0xC0 | Code >> 6));
        Put(Output, (CHAR)(0x80 | (Code & 0x3F)));
    } else if (Code < 0x10000) {
        Put(Output, (CHAR)(0xE0 | Code >> 12));
        Put(Output, (CHAR)(0x80 | (Code >> 6 & 0x3F)));
        Put(Output, (CHAR)(0x80 | (Code & 0x3F)));
    } else {
        Put(Output, (CHAR)(0xF0 | Code >> 18));
        Put(Output, (CHAR)(0x80 | (Code >> 12 & 0x3F)));
        Put(Output, (CHAR)(0x80 | (Code >> 6 & 0x3F)));
        Put(Output, (CHAR)(0x80 | (Code & 0x3F)));
    }
}

/* UTF-16 units as UTF-8; a surrogate without its partner becomes U+FFFD. */
static VOID PutWide(OUTPUT *Output, PCWSTR Units, int Count)
{
    for (int i = 0; i < Count; i++) {
        ULONG code = Units[i];

        if (code >= 0xD800 && code < 0xE000) {
            BOOLEAN pair =
                code < 0xDC00 && i + 1 < Count && Units[i + 1] >= 0xDC00 && Units[i + 1] < 0xE000;

            code = pair ? 0x10000 + ((code - 0xD800) << 10) + (Units[++i] - 0xDC00u) : 0xFFFD;
        }
        PutCodePoint(Output, code);
    }
}

/* Count characters at Text in a field of Width. */
static VOID PutField(OUTPUT *Output, const CONVERSION *How, const VOID *Text, int Count)
{
    if (!(How->Flags & FlagLeft))
        PutMany(Output, ' ', How->Width - Count);
    if (How->Wide)
        PutWide(Output, Text, Count);
    else
        for (int i = 0; i < Count; i++)
            Put(Output, ((PCSTR)Text)[i]);
    if (How->Flags & FlagLeft)
        PutMany(Output, ' ', How->Width - Count);
}

/* The length of a zero-terminated string, never looking behind the precision. */
static int Length(const CONVERSION *How, const VOID *Text)
{
    int limit = How->Precision == NO_PRECISION ? MAXLONG : How->Precision;
    int length = 0;

    while (length < limit && (How->Wide ? ((PCWSTR)Text)[length] : ((PCSTR)Text)[length]) != 0)
        length++;
    return length;
}

static VOID PutString(OUTPUT *Output, CONVERSION *How)
{
    const VOID *text = va_arg(*How->Arguments, PVOID);

    if (!text) {
        text = "(null)";
        How->Wide = FALSE;
    }
    PutField(Output, How, text, Length(How, text));
}

/* ANSI_STRING and UNICODE_STRING have the same fields; lengths are in bytes. */
static VOID PutCounted(OUTPUT *Output, CONVERSION *How)
{
    const ANSI_STRING *string = va_arg(*How->Arguments, PVOID);
    const VOID *text = string ? string->Buffer : NULL;
    int count = text ? string->Length >> (How->Wide ? 1 : 0) : 6;

    if (!text) {
        text = "(null)";
        How->Wide = FALSE;
    }
    if (How->Precision != NO_PRECISION && How->Precision < count)
        count = How->Precision;
    PutField(Output, How, text, count);
}

static VOID PutCharacter(OUTPUT *Output, const CONVERSION *How)
{
    ULONG value = va_arg(*How->Arguments, ULONG);
    WCHAR wide = (WCHAR)value;
    CHAR narrow = (CHAR)value;

    PutField(Output, How, How->Wide ? (const VOID *)&wide : &narrow, 1);
}

/* ---- the format ---- */

static PCSTR ParseFlags(PCSTR Format, CONVERSION *How)
{
    static const CHAR names[] = "-+ #0";
    PCSTR found;

    while (*Format && (found = strchr(names, *Format)) != NULL) {
        How->Flags |= 1u << (found - names);
        Format++;
    }
    return Format;
}

/* Decimal digits, or an asterisk for an argument. */
static PCSTR ParseNumber(PCSTR Format, CONVERSION *How, int *Number)
{
    const int largest = 0xFFFF;

    *Number = 0;
    if (*Format == '*') {
        *Number = va_arg(*How->Arguments, int);
        return Format + 1;
    }
    for (; *Format >= '0' && *Format <= '9'; Format++) {
        if (*Number < largest)
            *Number = *Number * 10 + (*Format - '0');
    }
    return Format;
}

static PCSTR ParseWidth(PCSTR Format, CONVERSION *How)
{
    Format = ParseNumber(Format, How, &How->Width);
    if (How->Width < 0) {
        How->Flags |= FlagLeft;
        How->Width = How->Width < -MAXLONG ? MAXLONG : -How->Width;
    }
    How->Precision = NO_PRECISION;
    if (*Format == '.') {
        Format = ParseNumber(Format + 1, How, &How->Precision);
        if (How->Precision < 0)
            How->Precision = NO_PRECISION;
    }
    return Format;
}

static PCSTR ParseSize(PCSTR Format, CONVERSION *How)
{
    How->Bytes = 4;
    for (;; Format++) {
        switch (*Format) {
        case 'h':
            How->Bytes = How->Bytes == 2 ? 1 : 2;
            How->Wide = FALSE;
            break;
        case 'l':
            How->Bytes = How->Wide ? 8 : 4;
            How->Wide = TRUE;
            break;
        case 'w':
            How->Wide = TRUE;
            break;
        case 'I':
            How->Bytes = 8;
            if (Format[1] == '3' && Format[2] == '2') {
                How->Bytes = 4;
                Format += 2;
            } else if (Format[1] == '6' && Format[2] == '4') {
                Format += 2;
            }
            break;
        case 'j':
        case 't':
        case 'z':
            How->Bytes = 8;
            break;
        default:
            return Format;
        }
    }
}

/* Writes one argument. FALSE if there is no such conversion. */
static BOOLEAN Convert(OUTPUT *Output, CONVERSION *How)
{
    switch (How->Type) {
    case 'd':
    case 'i':
        PutSigned(Output, How);
        return TRUE;
    case 'u':
    case 'x':
    case 'X':
    case 'o':
        PutUnsigned(Output, How);
        return TRUE;
    case 'p':
        PutPointer(Output, How);
        return TRUE;
    case 'C':
        How->Wide = TRUE;
        /* fall through */
    case 'c':
        PutCharacter(Output, How);
        return TRUE;
    case 'S':
        How->Wide = TRUE;
        /* fall through */
    case 's':
        PutString(Output, How);
        return TRUE;
    case 'Z':
        PutCounted(Output, How);
        return TRUE;
    case '%':
        Put(Output, '%');
        return TRUE;
    default:
        return FALSE;
    }
}

/* The conversion whose percent sign stands at Format; returns what follows it. */
static PCSTR PutConversion(OUTPUT *Output, PCSTR Format, va_list *Arguments)
{
    CONVERSION how = {.Arguments = Arguments};
    PCSTR end = ParseFlags(Format + 1, &how);

    end = ParseWidth(end, &how);
    end = ParseSize(end, &how);
    how.Type = *end;
    if (Convert(Output, &how))
        return end + 1;
    Put(Output, '%');
    return Format + 1;
}

/*
 * Writes formatted text into Buffer: as much as fits, always with a terminating zero unless
 * Count is 0.
 *
 * IRQL:    any
 * Locks:   none
 * Context: any
 * Returns: the number of bytes written, without the terminating zero
 */
int RtlStringPrintV(PCHAR Buffer, SIZE_T Count, PCSTR Format, va_list Arguments)
{
    OUTPUT output = {.Buffer = Buffer, .Limit = Count - 1};
    va_list arguments;

    if (Count == 0)
        return 0;
    va_copy(arguments, Arguments);
    while (*Format) {
        if (*Format == '%')
            Format = PutConversion(&output, Format, &arguments);
        else
            Put(&output, *Format++);
    }
    va_end(arguments);
    Buffer[output.Position] = 0;
    return (int)output.Position;
}

/*
 * The same, with the arguments themselves.
 *
 * IRQL:    any
 * Locks:   none
 * Context: any
 * Returns: the number of bytes written, without the terminating zero
 */
int RtlStringPrint(PCHAR Buffer, SIZE_T Count, PCSTR Format, ...)
{
    va_list arguments;
    int length;

    va_start(arguments, Format);
    length = RtlStringPrintV(Buffer, Count, Format, arguments);
    va_end(arguments);
    return length;
}
