/* Text on the debug console: any IRQL, any processor; a call's text is never torn apart. */
#ifndef METRONOME_DEBUG_H
#define METRONOME_DEBUG_H

#include <stdarg.h>
#include "ntdef.h"

/*
 * Formats as RtlStringCbPrintf does for: %d %i %u %x %X %o %c %s %p %% with flags, width,
 * precision, h, l, ll, I64, z; %S and %ws (UTF-16), %wZ (UNICODE_STRING), %Z (ANSI_STRING).
 * A message longer than 511 bytes is cut. Returns STATUS_SUCCESS.
 */
ULONG DbgPrint(PCSTR Format, ...);
ULONG DbgPrintEx(ULONG ComponentId, ULONG Level, PCSTR Format, ...);

#if DBG
#define KdPrint(parenthesized) DbgPrint parenthesized
#else
#define KdPrint(parenthesized) ((void)0)
#endif

#define DPFLTR_IHVDRIVER_ID 77
#define DPFLTR_ERROR_LEVEL  0
#define DPFLTR_INFO_LEVEL   3

FORCEINLINE VOID DbgBreakPoint(VOID)
{
    __asm__ volatile("int3");
}

/* Stops the system with the expression's text in a checked build; nothing in a free one. */
DECLSPEC_NORETURN VOID RtlAssert(PVOID FailedAssertion, PVOID FileName, ULONG LineNumber,
                                 PSTR Message);
#if DBG
#define NT_ASSERT(expression) \
    ((expression) ? (void)0 : RtlAssert((PVOID) #expression, (PVOID)__FILE__, __LINE__, NULL))
#else
#define NT_ASSERT(expression) ((void)0)
#endif
#define ASSERT NT_ASSERT

#endif
