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

/*
 * Registers in mapped memory (MmMapIoSpace). The mapping is uncached, so accesses reach the device
 * in program order; what is left to do is to keep the compiler from moving or merging them.
 */
FORCEINLINE UCHAR READ_REGISTER_UCHAR(volatile UCHAR *Register)
{
    UCHAR value = *Register;
    __asm__ volatile("" : : : "memory");
    return value;
}

FORCEINLINE VOID WRITE_REGISTER_UCHAR(volatile UCHAR *Register, UCHAR Value)
{
    __asm__ volatile("" : : : "memory");
    *Register = Value;
    __asm__ volatile("" : : : "memory");
}

FORCEINLINE USHORT READ_REGISTER_USHORT(volatile USHORT *Register)
{
    USHORT value = *Register;
    __asm__ volatile("" : : : "memory");
    return value;
}

FORCEINLINE VOID WRITE_REGISTER_USHORT(volatile USHORT *Register, USHORT Value)
{
    __asm__ volatile("" : : : "memory");
    *Register = Value;
    __asm__ volatile("" : : : "memory");
}

FORCEINLINE ULONG READ_REGISTER_ULONG(volatile ULONG *Register)
{
    ULONG value = *Register;
    __asm__ volatile("" : : : "memory");
    return value;
}

FORCEINLINE VOID WRITE_REGISTER_ULONG(volatile ULONG *Register, ULONG Value)
{
    __asm__ volatile("" : : : "memory");
    *Register = Value;
    __asm__ volatile("" : : : "memory");
}

FORCEINLINE ULONG64 READ_REGISTER_ULONG64(volatile ULONG64 *Register)
{
    ULONG64 value = *Register;
    __asm__ volatile("" : : : "memory");
    return value;
}

FORCEINLINE VOID WRITE_REGISTER_ULONG64(volatile ULONG64 *Register, ULONG64 Value)
{
    __asm__ volatile("" : : : "memory");
    *Register = Value;
    __asm__ volatile("" : : : "memory");
}

#endif
