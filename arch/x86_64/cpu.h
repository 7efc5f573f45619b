/*
 * The processor's own registers and instructions that C has no words for, the bits in them that
 * the kernel uses, and the state that a processor is put in. The inline functions are one
 * instruction each, at any IRQL.
 */
#ifndef METRONOME_ARCH_CPU_H
#define METRONOME_ARCH_CPU_H

#include "ntdef.h"

#define CR0_PROTECTED_MODE (1ULL << 0)
#define CR0_MONITOR_FPU    (1ULL << 1)
#define CR0_EXTENSION_TYPE (1ULL << 4)
#define CR0_NUMERIC_ERROR  (1ULL << 5)
#define CR0_WRITE_PROTECT  (1ULL << 16)
#define CR0_PAGING         (1ULL << 31)

#define CR4_PAE             (1ULL << 5)
#define CR4_MACHINE_CHECK   (1ULL << 6)
#define CR4_FXSR            (1ULL << 9)
#define CR4_SIMD_EXCEPTIONS (1ULL << 10)
#define CR4_UMIP            (1ULL << 11)
#define CR4_FIVE_LEVELS     (1ULL << 12)
#define CR4_SMEP            (1ULL << 20)
#define CR4_SMAP            (1ULL << 21)

#define MSR_PAT     0x277u
#define MSR_EFER    0xC0000080u
#define MSR_GS_BASE 0xC0000101u

#define EFER_LONG_MODE  (1ULL << 8)
#define EFER_NO_EXECUTE (1ULL << 11)

/* What the processor does to a CPUID question: the four registers of the answer. */
typedef struct _CPUID_ANSWER {
    ULONG Eax, Ebx, Ecx, Edx;
} CPUID_ANSWER;

FORCEINLINE CPUID_ANSWER KiCpuid(ULONG Leaf)
{
    CPUID_ANSWER answer;
    __asm__ volatile("cpuid"
                     : "=a"(answer.Eax), "=b"(answer.Ebx), "=c"(answer.Ecx), "=d"(answer.Edx)
                     : "a"(Leaf), "c"(0));
    return answer;
}

FORCEINLINE ULONG64 KiReadMsr(ULONG Register)
{
    ULONG low, high;
    __asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(Register));
    return ((ULONG64)high << 32) | low;
}

FORCEINLINE VOID KiWriteMsr(ULONG Register, ULONG64 Value)
{
    __asm__ volatile("wrmsr"
                     :
                     : "c"(Register), "a"((ULONG)Value), "d"((ULONG)(Value >> 32))
                     : "memory");
}

FORCEINLINE ULONG64 KiReadCr3(VOID)
{
    ULONG64 value;
    __asm__ volatile("movq %%cr3, %0" : "=r"(value));
    return value;
}

FORCEINLINE VOID KiWriteCr3(ULONG64 Value)
{
    __asm__ volatile("movq %0, %%cr3" : : "r"(Value) : "memory");
}

FORCEINLINE ULONG64 KiReadCr4(VOID)
{
    ULONG64 value;
    __asm__ volatile("movq %%cr4, %0" : "=r"(value));
    return value;
}

FORCEINLINE VOID KiWriteCr4(ULONG64 Value)
{
    __asm__ volatile("movq %0, %%cr4" : : "r"(Value) : "memory");
}

FORCEINLINE VOID KiWriteCr0(ULONG64 Value)
{
    __asm__ volatile("movq %0, %%cr0" : : "r"(Value) : "memory");
}

/* Waits for an interrupt; with interrupts off only NMI, SMI and INIT end it. */
FORCEINLINE VOID KiHalt(VOID)
{
    __asm__ volatile("hlt" : : : "memory");
}

/* cpu.c: ends the start with a sentence if the processor lacks what the kernel needs. */
VOID KiCheckProcessor(VOID);

/* cpu.c: control registers, the same on every processor. IF off, on the kernel's page tables. */
VOID KiInitializeControlRegisters(VOID);

#endif
