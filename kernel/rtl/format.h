/* What kernel/rtl/format.c, which reads formats, and formatput.c, which writes arguments, share. */
#ifndef METRONOME_FORMAT_H
#define METRONOME_FORMAT_H

#include "rtl.h"

/* Where the text goes. Position counts what is stored, so it never passes Limit. */
typedef struct _OUTPUT {
    union {
        PCHAR Buffer;
        PWSTR WideBuffer; /* if Wide */
    };
    SIZE_T Limit; /* characters in Buffer without the terminating zero */
    SIZE_T Position;
    BOOLEAN Wide; /* the text is UTF-16, and %s and %c mean such arguments */
    BOOLEAN Cut;  /* there was more text than room */
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

/* Appends one character, if there is room. */
VOID RtlpPut(OUTPUT *Output, WCHAR Character);

/* Appends formatted text, without a terminating zero. */
VOID RtlpFormat(OUTPUT *Output, PCSTR Format, va_list Arguments);
VOID RtlpFormatWide(OUTPUT *Output, PCWSTR Format, va_list Arguments);

/*
 * Writes the argument of a conversion; FALSE if its type is unknown, and then no argument has been
 * taken.
 */
BOOLEAN RtlpPutArgument(OUTPUT *Output, CONVERSION *How);

#endif
