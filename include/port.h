/* Device ports and registers. Any IRQL. */
#ifndef METRONOME_PORT_H
#define METRONOME_PORT_H

#include "ntdef.h"

FORCEINLINE UCHAR READ_PORT_UCHAR(PUCHAR Port)
{
    UCHAR value;
    __asm__ volatile("inb %w1, %0" : "=a"(value) : "Nd"((USHORT)(ULONG_PTR)Port) : "memory");
    return value;
}

FORCEINLINE USHORT READ_PORT_USHORT(PUSHORT Port)
{
    USHORT value;
    __asm__ volatile("inw %w1, %0" : "=a"(value) : "Nd"((USHORT)(ULONG_PTR)Port) : "memory");
    return value;
}

FORCEINLINE ULONG READ_PORT_ULONG(PULONG Port)
{
    ULONG value;
    __asm__ volatile("inl %w1, %0" : "=a"(value) : "Nd"((USHORT)(ULONG_PTR)Port) : "memory");
    return value;
}

FORCEINLINE VOID WRITE_PORT_UCHAR(PUCHAR Port, UCHAR Value)
{
    __asm__ volatile("outb %0, %w1" : : "a"(Value), "Nd"((USHORT)(ULONG_PTR)Port) : "memory");
}

FORCEINLINE VOID WRITE_PORT_USHORT(PUSHORT Port, USHORT Value)
{
    __asm__ volatile("outw %0, %w1" : : "a"(Value), "Nd"((USHORT)(ULONG_PTR)Port) : "memory");
}

FORCEINLINE VOID WRITE_PORT_ULONG(PULONG Port, ULONG Value)
{
    __asm__ volatile("outl %0, %w1" : : "a"(Value), "Nd"((USHORT)(ULONG_PTR)Port) : "memory");
}

#endif
