/*
 * The string functions of the C library that the kernel and the compiler use. Any IRQL
 * when the memory is resident. UNICODE_STRING routines: kernel/rtl/unicode.c.
 *
 * A compiler turns a plain loop that copies, fills or counts into a call of memcpy, memset or
 * strlen, and here that would be a call of the function by itself. On the machine the loops
 * therefore hide their counter, and memcpy, memmove and memset are the machine's (arch/).
 */
#if defined(METRONOME_HOST)
/* Under names of their own, so that a test can compare them with the C library's. */
#define memcmp  RtlpMemcmp
#define strlen  RtlpStrlen
#define strcmp  RtlpStrcmp
#define strncmp RtlpStrncmp
#define strcpy  RtlpStrcpy
#define strchr  RtlpStrchr
#define strstr  RtlpStrstr
#define wcslen  RtlpWcslen
#define HIDE(variable)
#else
#define HIDE(variable) __asm__("" : "+r"(variable))
#endif
#include "rtl.h"

int memcmp(const void *first, const void *second, size_t count)
{
    const UCHAR *a = first, *b = second;

    for (; count != 0; count--, a++, b++) {
        HIDE(count);
        if (*a != *b)
            return *a - *b;
    }
    return 0;
}

size_t strlen(const char *string)
{
    size_t length = 0;

    while (string[length] != 0) {
        length++;
        HIDE(length);
    }
    return length;
}

size_t wcslen(const WCHAR *string)
{
    size_t length = 0;

    while (string[length] != 0) {
        length++;
        HIDE(length);
    }
    return length;
}

int strcmp(const char *first, const char *second)
{
    return strncmp(first, second, SIZE_MAX);
}

int strncmp(const char *first, const char *second, size_t count)
{
    for (; count != 0; count--, first++, second++) {
        if (*first != *second || *first == 0)
            return (UCHAR)*first - (UCHAR)*second;
    }
    return 0;
}

char *strcpy(char *destination, const char *source)
{
    return memcpy(destination, source, strlen(source) + 1);
}

/* The zero at the end counts as a character of the string. */
char *strchr(const char *string, int character)
{
    for (; *string != (char)character; string++) {
        if (*string == 0)
            return NULL;
    }
    return (char *)string;
}

char *strstr(const char *string, const char *part)
{
    size_t length = strlen(part);

    for (;; string++) {
        if (strncmp(string, part, length) == 0)
            return (char *)string;
        if (*string == 0)
            return NULL;
    }
}
