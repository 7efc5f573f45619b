/*
 * Formatted text, for DbgPrint and the monitor: RtlStringPrint. Writes into the caller's buffer
 * and allocates nothing. Any IRQL when format and arguments are resident.
 *
 *     %[flags][width][.precision][size]type
 *     flags      - left, + and space for positive numbers, # prefix, 0 leading zeros
 *     size       hh h l ll w I I32 I64 j t z; `l` is 32 bits wide, as LONG is; `I`, `t`, `z` 64
 *     type       d i u x X o c s p %; C and S: UTF-16; Z: ANSI_STRING, wZ: UNICODE_STRING
 *
 * UTF-16 is written as UTF-8, unless the whole text is UTF-16 (RtlpFormatWide). Precision and width
 * of strings count characters of the argument. An unknown type is written as it stands, and so are
 * those for floating point.
 */
#include "format.h"

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

/* Decimal digits, or an asterisk for an argument. Kept small enough to compute with. */
static PCSTR ParseNumber(PCSTR Format, CONVERSION *How, int *Number)
{
    const int largest = 0xFFFF;
    int number = 0;

    if (*Format == '*') {
        number = va_arg(*How->Arguments, int);
        Format++;
    } else {
        for (; *Format >= '0' && *Format <= '9'; Format++)
            number = number > largest ? number : number * 10 + (*Format - '0');
    }
    *Number = number > largest ? largest : number < -largest ? -largest : number;
    return Format;
}

static PCSTR ParseWidth(PCSTR Format, CONVERSION *How)
{
    Format = ParseNumber(Format, How, &How->Width);
    if (How->Width < 0) {
        How->Flags |= FlagLeft;
        How->Width = -How->Width;
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

/*
 * In a wide format %s and %c are wide and %S and %C are not, unless a size says which: `h` (which
 * ParseSize leaves as two bytes or one) or `l` and `w`.
 */
static VOID TakeWideMeaning(CONVERSION *How)
{
    if ((How->Type == 's' || How->Type == 'c') && How->Bytes > sizeof(USHORT))
        How->Wide = TRUE;
    else if ((How->Type == 'S' || How->Type == 'C') && !How->Wide)
        How->Type = (CHAR)(How->Type + ('a' - 'A'));
}

/* The conversion whose percent sign stands at Format; returns what follows it. */
static PCSTR PutConversion(OUTPUT *Output, PCSTR Format, va_list *Arguments)
{
    CONVERSION how = {.Arguments = Arguments};
    PCSTR end = ParseFlags(Format + 1, &how);

    end = ParseWidth(end, &how);
    end = ParseSize(end, &how);
    how.Type = *end;
    if (Output->Wide)
        TakeWideMeaning(&how);
    if (RtlpPutArgument(Output, &how))
        return end + 1;
    RtlpPut(Output, '%');
    return Format + 1;
}

VOID RtlpFormat(OUTPUT *Output, PCSTR Format, va_list Arguments)
{
    va_list arguments;

    va_copy(arguments, Arguments);
    while (*Format) {
        if (*Format == '%')
            Format = PutConversion(Output, Format, &arguments);
        else
            RtlpPut(Output, (UCHAR)*Format++);
    }
    va_end(arguments);
}

/* A conversion is ASCII: it is read from a copy in which it is narrow. */
static PCWSTR PutWideConversion(OUTPUT *Output, PCWSTR Format, va_list *Arguments)
{
    CHAR copy[32];
    ULONG length = 0;

    while (length < sizeof(copy) - 1 && Format[length] != 0 && Format[length] < 0x80) {
        copy[length] = (CHAR)Format[length];
        length++;
    }
    copy[length] = 0;
    return Format + (PutConversion(Output, copy, Arguments) - copy);
}

VOID RtlpFormatWide(OUTPUT *Output, PCWSTR Format, va_list Arguments)
{
    va_list arguments;

    va_copy(arguments, Arguments);
    while (*Format) {
        if (*Format == '%')
            Format = PutWideConversion(Output, Format, &arguments);
        else
            RtlpPut(Output, *Format++);
    }
    va_end(arguments);
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

    if (Count == 0)
        return 0;
    RtlpFormat(&output, Format, Arguments);
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
