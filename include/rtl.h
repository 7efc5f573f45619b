/* Strings and memory. */
#ifndef METRONOME_RTL_H
#define METRONOME_RTL_H

#include <stdarg.h>
#include "ntdef.h"

void *memcpy(void *destination, const void *source, size_t count);
void *memmove(void *destination, const void *source, size_t count);
void *memset(void *destination, int value, size_t count);
int memcmp(const void *first, const void *second, size_t count);
size_t strlen(const char *string);
int strcmp(const char *first, const char *second);
int strncmp(const char *first, const char *second, size_t count);
char *strcpy(char *destination, const char *source);
char *strchr(const char *string, int character);
char *strstr(const char *string, const char *part);
size_t wcslen(const WCHAR *string);

#define RtlCopyMemory(Destination, Source, Length) memcpy((Destination), (Source), (Length))
#define RtlMoveMemory(Destination, Source, Length) memmove((Destination), (Source), (Length))
#define RtlFillMemory(Destination, Length, Fill)   memset((Destination), (Fill), (Length))
#define RtlZeroMemory(Destination, Length)         memset((Destination), 0, (Length))

/* A constant UNICODE_STRING: RTL_CONSTANT_STRING(L"\\Device\\Name"). */
#define RTL_CONSTANT_STRING(s)                            \
    {                                                     \
        sizeof(s) - sizeof((s)[0]), sizeof(s), (PVOID)(s) \
    }

/* Any IRQL when the strings are resident. */
VOID RtlInitUnicodeString(PUNICODE_STRING DestinationString, PCWSTR SourceString);
VOID RtlInitAnsiString(PANSI_STRING DestinationString, PCSTR SourceString);
LONG RtlCompareUnicodeString(PCUNICODE_STRING String1, PCUNICODE_STRING String2,
                             BOOLEAN CaseInSensitive);
BOOLEAN RtlEqualUnicodeString(PCUNICODE_STRING String1, PCUNICODE_STRING String2,
                              BOOLEAN CaseInSensitive);
VOID RtlCopyUnicodeString(PUNICODE_STRING DestinationString, PCUNICODE_STRING SourceString);
NTSTATUS RtlAppendUnicodeToString(PUNICODE_STRING Destination, PCWSTR Source);

/* Format like DbgPrint; at most Count bytes, always terminated; the length without the end. */
int RtlStringPrint(PCHAR Buffer, SIZE_T Count, PCSTR Format, ...);
int RtlStringPrintV(PCHAR Buffer, SIZE_T Count, PCSTR Format, va_list Arguments);

/* The same as the C library of Windows does it: -1 if it does not fit, then without a zero. */
int _snprintf(char *buffer, size_t count, const char *format, ...);
int _vsnprintf(char *buffer, size_t count, const char *format, va_list arguments);
int _snwprintf(WCHAR *buffer, size_t count, const WCHAR *format, ...);
int _vsnwprintf(WCHAR *buffer, size_t count, const WCHAR *format, va_list arguments);

#endif
