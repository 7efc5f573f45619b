/*
 * The memory and string functions of the C library that the kernel and the compiler use. Any IRQL
 * when the memory is resident. UNICODE_STRING routines: kernel/rtl/unicode.c.
 *
 * A compiler turns a plain loop that copies, fills or counts into a call of memcpy, memset or
 * strlen, and here that would be a call of the function by itself. On the machine the block
 * functions are therefore one instruction each, and the loops hide their counter.
 */
#if defined(METRONOME_HOST)
/* Under names of their own, so that a test can compare them with the C library's. */
#define memcpy  RtlpMemcpy
#define memmove RtlpMemmove
#define memset  RtlpMemset
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

/* Copies upwards: eight bytes at a time, then the rest. */
static void CopyUp(char *Destination, const char *Source, size_t Count)
{
#if defined(METRONOME_HOST)
    for (size_t i = 0; i < Count; i++)
        Destination[i] = Source[i];
#else
    size_t words = Count / 8, rest = Count % 8;

    __asm__ volatile("rep movsq" : "+D"(Destination), "+S"(Source), "+c"(words) : : "memory");
    __asm__ volatile("rep movsb" : "+D"(Destination), "+S"(Source), "+c"(rest) : : "memory");
#endif
}

/* Copies downwards, for a destination that overlaps the end of the source. */
static void CopyDown(char *Destination, const char *Source, size_t Count)
{
    while (Count != 0) {
        Count--;
        HIDE(Count);
        Destination[Count] = Source[Count];
    }
}

void *memcpy(void *destination, const void *source, size_t count)
{
    CopyUp(destination, source, count);
    return destination;
}

void *memmove(void *destination, const void *source, size_t count)
{
    if ((ULONG_PTR)destination - (ULONG_PTR)source < count)
        CopyDown(destination, source, count);
    else
        CopyUp(destination, source, count);
    return destination;
}

void *memset(void *destination, int value, size_t count)
{
    char *to = destination;

#if defined(METRONOME_HOST)
    for (size_t i = 0; i < count; i++)
        to[i] = (char)value;
#else
    ULONG64 pattern = (UCHAR)value * 0x0101010101010101ULL;
    size_t words = count / 8, rest = count % 8;

    __asm__ volatile("rep stosq" : "+D"(to), "+c"(words) : "a"(pattern) : "memory");
    __asm__ volatile("rep stosb" : "+D"(to), "+c"(rest) : "a"(pattern) : "memory");
#endif
    return destination;
}

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
