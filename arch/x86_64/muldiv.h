/*
 * Products of 128 bits and their quotients. The compiler's own 128-bit division is a library
 * call; the processor has both as one instruction. Inline functions only, any IRQL.
 */
#ifndef METRONOME_ARCH_MULDIV_H
#define METRONOME_ARCH_MULDIV_H

#include "ntdef.h"

/* Value * Numerator / Denominator, rounded down; MAXULONG64 when that needs more than 64 bits. */
FORCEINLINE ULONG64 ArchMultiplyDivide(ULONG64 Value, ULONG64 Numerator, ULONG64 Denominator)
{
    ULONG64 low, high, quotient, remainder;

    __asm__("mulq %3" : "=a"(low), "=d"(high) : "a"(Value), "rm"(Numerator) : "cc");
    if (high >= Denominator) /* the quotient would not fit: divq faults */
        return MAXULONG64;
    __asm__("divq %4"
            : "=a"(quotient), "=d"(remainder)
            : "a"(low), "d"(high), "rm"(Denominator)
            : "cc");
    return quotient;
}

/* Value * Fraction / 2^32, rounded down; MAXULONG64 when that needs more than 64 bits. */
FORCEINLINE ULONG64 ArchMultiplyFraction(ULONG64 Value, ULONG64 Fraction)
{
    ULONG64 low, high;

    __asm__("mulq %3" : "=a"(low), "=d"(high) : "a"(Value), "rm"(Fraction) : "cc");
    if (high >> 32)
        return MAXULONG64;
    return (high << 32) | (low >> 32);
}

#endif
