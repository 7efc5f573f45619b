/*
 * Counted strings: UNICODE_STRING and ANSI_STRING. Any IRQL when the strings are resident.
 *
 * A buffer's terminating zero is not counted in Length; where there is room, one is written.
 * Comparison without case knows the letters of Latin-1 only.
 */
#include "rtl.h"
#include "ntstatus.h"

/* The largest even number of bytes that leaves room for the zero in MaximumLength. */
#define MAXIMUM_STRING_BYTES (MAXUSHORT - 1 - sizeof(WCHAR))

static SIZE_T WideLength(PCWSTR String)
{
    SIZE_T length = 0;

    while (String[length] != 0)
        length++;
    return length;
}

/*
 * Makes DestinationString describe a zero-terminated string; NULL gives an empty one.
 *
 * IRQL:    any
 * Locks:   none
 * Context: any
 * Returns: nothing
 */
VOID RtlInitUnicodeString(PUNICODE_STRING DestinationString, PCWSTR SourceString)
{
    SIZE_T bytes = SourceString ? WideLength(SourceString) * sizeof(WCHAR) : 0;

    if (bytes > MAXIMUM_STRING_BYTES)
        bytes = MAXIMUM_STRING_BYTES;
    DestinationString->Length = (USHORT)bytes;
    DestinationString->MaximumLength = SourceString ? (USHORT)(bytes + sizeof(WCHAR)) : 0;
    DestinationString->Buffer = (PWSTR)SourceString;
}

/*
 * Makes DestinationString describe a zero-terminated string; NULL gives an empty one.
 *
 * IRQL:    any
 * Locks:   none
 * Context: any
 * Returns: nothing
 */
VOID RtlInitAnsiString(PANSI_STRING DestinationString, PCSTR SourceString)
{
    SIZE_T bytes = SourceString ? strlen(SourceString) : 0;

    if (bytes > MAXUSHORT - 1)
        bytes = MAXUSHORT - 1;
    DestinationString->Length = (USHORT)bytes;
    DestinationString->MaximumLength = SourceString ? (USHORT)(bytes + 1) : 0;
    DestinationString->Buffer = (PCHAR)SourceString;
}

/* The capital letter, for Latin-1. */
static WCHAR Upcase(WCHAR Character)
{
    const WCHAR divisionSign = 0xF7, yWithDiaeresis = 0xFF;

    if (Character >= 'a' && Character <= 'z')
        return Character - ('a' - 'A');
    if (Character >= 0xE0 && Character <= 0xFE && Character != divisionSign)
        return Character - 0x20;
    return Character == yWithDiaeresis ? 0x178 : Character;
}

/*
 * Compares two strings unit by unit; a string is less than its continuations.
 *
 * IRQL:    any
 * Locks:   none
 * Context: any
 * Returns: less than, equal to or greater than 0
 */
LONG RtlCompareUnicodeString(PCUNICODE_STRING String1, PCUNICODE_STRING String2,
                             BOOLEAN CaseInSensitive)
{
    SIZE_T length1 = String1->Length / sizeof(WCHAR), length2 = String2->Length / sizeof(WCHAR);

    for (SIZE_T i = 0; i < length1 && i < length2; i++) {
        WCHAR a = String1->Buffer[i], b = String2->Buffer[i];

        if (CaseInSensitive) {
            a = Upcase(a);
            b = Upcase(b);
        }
        if (a != b)
            return (LONG)a - (LONG)b;
    }
    return (LONG)length1 - (LONG)length2;
}

/*
 * Are two strings equal?
 *
 * IRQL:    any
 * Locks:   none
 * Context: any
 * Returns: TRUE if they are
 */
BOOLEAN RtlEqualUnicodeString(PCUNICODE_STRING String1, PCUNICODE_STRING String2,
                              BOOLEAN CaseInSensitive)
{
    return String1->Length == String2->Length &&
           RtlCompareUnicodeString(String1, String2, CaseInSensitive) == 0;
}

/* Puts a zero behind the string, if there is room. */
static VOID Terminate(PUNICODE_STRING String)
{
    if (String->Length + sizeof(WCHAR) <= String->MaximumLength)
        String->Buffer[String->Length / sizeof(WCHAR)] = 0;
}

/*
 * Copies as much of a string as the destination's buffer has room for; NULL gives an empty one.
 *
 * IRQL:    any
 * Locks:   none
 * Context: any
 * Returns: nothing
 */
VOID RtlCopyUnicodeString(PUNICODE_STRING DestinationString, PCUNICODE_STRING SourceString)
{
    USHORT bytes = 0;

    if (SourceString) {
        bytes = SourceString->Length < DestinationString->MaximumLength
                    ? SourceString->Length
                    : DestinationString->MaximumLength & ~1u;
        memmove(DestinationString->Buffer, SourceString->Buffer, bytes);
    }
    DestinationString->Length = bytes;
    Terminate(DestinationString);
}

/*
 * Appends a zero-terminated string, as a whole or not at all.
 *
 * IRQL:    any
 * Locks:   none
 * Context: any
 * Returns: STATUS_SUCCESS, or STATUS_BUFFER_TOO_SMALL and nothing is changed
 */
NTSTATUS RtlAppendUnicodeToString(PUNICODE_STRING Destination, PCWSTR Source)
{
    SIZE_T bytes = Source ? WideLength(Source) * sizeof(WCHAR) : 0;

    if (bytes == 0)
        return STATUS_SUCCESS;
    if (Destination->Length + bytes > Destination->MaximumLength)
        return STATUS_BUFFER_TOO_SMALL;
    memmove((PCHAR)Destination->Buffer + Destination->Length, Source, bytes);
    Destination->Length = (USHORT)(Destination->Length + bytes);
    Terminate(Destination);
    return STATUS_SUCCESS;
}
