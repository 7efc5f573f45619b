/* Writes the arguments of a formatted text: numbers, pointers, characters, strings. Any IRQL. */
#include "format.h"

VOID RtlpPut(OUTPUT *Output, WCHAR Character)
{
    if (Output->Position == Output->Limit)
        Output->Cut = TRUE;
    else if (Output->Wide)
        Output->WideBuffer[Output->Position++] = Character;
    else
        Output->Buffer[Output->Position++] = (CHAR)Character;
}

static VOID PutMany(OUTPUT *Output, CHAR Character, int Count)
{
    for (; Count > 0 && !Output->Cut; Count--)
        RtlpPut(Output, Character);
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
    /* An octal number's prefix is a zero in front of the digits, which may be there already. */
    if (Base == 8 && (How->Flags & FlagPrefix) && zeros == 0)
        zeros = 1;
    if (How->Precision == NO_PRECISION && (How->Flags & (FlagZero | FlagLeft)) == FlagZero &&
        zeros < How->Width - length - count)
        zeros = How->Width - length - count;

    int blanks = How->Width - length - zeros - count;

    if (!(How->Flags & FlagLeft))
        PutMany(Output, ' ', blanks);
    while (*Prefix)
        RtlpPut(Output, *Prefix++);
    PutMany(Output, '0', zeros);
    while (count > 0)
        RtlpPut(Output, digits[--count]);
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
        PutNumber(Output, How, value, 8, "");
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
        RtlpPut(Output, (WCHAR)Code);
    } else if (Code < 0x800) {
        RtlpPut(Output, (WCHAR)(0xC0 | Code >> 6));
        RtlpPut(Output, (WCHAR)(0x80 | (Code & 0x3F)));
    } else if (Code < 0x10000) {
        RtlpPut(Output, (WCHAR)(0xE0 | Code >> 12));
        RtlpPut(Output, (WCHAR)(0x80 | (Code >> 6 & 0x3F)));
        RtlpPut(Output, (WCHAR)(0x80 | (Code & 0x3F)));
    } else {
        RtlpPut(Output, (WCHAR)(0xF0 | Code >> 18));
        RtlpPut(Output, (WCHAR)(0x80 | (Code >> 12 & 0x3F)));
        RtlpPut(Output, (WCHAR)(0x80 | (Code >> 6 & 0x3F)));
        RtlpPut(Output, (WCHAR)(0x80 | (Code & 0x3F)));
    }
}

/* UTF-16 units as UTF-8; a surrogate without its partner becomes U+FFFD. */
static VOID PutWide(OUTPUT *Output, PCWSTR Units, int Count)
{
    for (int i = 0; i < Count; i++) {
        ULONG code = Units[i];

        if (Output->Wide) {
            RtlpPut(Output, Units[i]);
            continue;
        }
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
            RtlpPut(Output, ((const UCHAR *)Text)[i]);
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

/* ---- all of them ---- */

BOOLEAN RtlpPutArgument(OUTPUT *Output, CONVERSION *How)
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
        RtlpPut(Output, '%');
        return TRUE;
    default:
        return FALSE;
    }
}
