/* The parts of kernel/arch.h that are a few instructions on this machine. */
#ifndef METRONOME_ARCH_INLINE_H
#define METRONOME_ARCH_INLINE_H

#include "ntdef.h"

struct _KPRCB;

#define RFLAGS_IF 0x200u

/*
 * What a trap stub leaves on the stack, lowest address first. A stub that interrupts code
 * between two instructions keeps the registers that the called C code may change; an exception
 * stub keeps all of them, for the report. RBP, RIP and the return frame lie so that the frame
 * is a link in the chain of frame pointers.
 */
typedef struct _KTRAP_FRAME {
    ULONG64 Home[4]; /* the callee's home space */
    UCHAR Xmm[6][16];
    ULONG64 Rax, Rcx, Rdx, R8, R9, R10, R11;
    ULONG64 Rbx, Rsi, Rdi, R12, R13, R14, R15; /* exceptions only */
    ULONG64 ErrorCode, Cr2;                    /* exceptions only */
    ULONG MxCsr;
    KIRQL PreviousIrql; /* CR8 before the trap */
    UCHAR IsException;
    USHORT Reserved;
    ULONG64 Alignment;
    ULONG64 Rbp;
    ULONG64 Rip, SegCs, RFlags, Rsp, SegSs;
} KTRAP_FRAME, *PKTRAP_FRAME;

/* CR8 has four bits: knowing that, the compiler need not cut the value down to a KIRQL. */
FORCEINLINE KIRQL ArchReadIrql(VOID)
{
    ULONG64 irql;
    __asm__ volatile("mov %%cr8, %0" : "=r"(irql));
    if (irql > 0xF)
        __builtin_unreachable();
    return (KIRQL)irql;
}

FORCEINLINE VOID ArchWriteIrql(KIRQL Irql)
{
    __asm__ volatile("mov %0, %%cr8" : : "r"((ULONG64)Irql) : "memory");
}

FORCEINLINE ULONG_PTR ArchDisableInterrupts(VOID)
{
    ULONG_PTR flags;
    __asm__ volatile("pushfq; popq %0; cli" : "=r"(flags) : : "memory");
    return flags;
}

FORCEINLINE VOID ArchEnableInterrupts(VOID)
{
    __asm__ volatile("sti" : : : "memory");
}

FORCEINLINE VOID ArchMaskInterrupts(VOID)
{
    __asm__ volatile("cli" : : : "memory");
}

FORCEINLINE VOID ArchRestoreInterrupts(ULONG_PTR Flags)
{
    if (Flags & RFLAGS_IF)
        ArchEnableInterrupts();
}

FORCEINLINE BOOLEAN ArchInterruptsEnabled(VOID)
{
    ULONG_PTR flags;
    __asm__ volatile("pushfq; popq %0" : "=r"(flags));
    return (flags & RFLAGS_IF) != 0;
}

/* STI takes effect after the next instruction: no interrupt comes between the two. */
FORCEINLINE VOID ArchIdle(VOID)
{
    __asm__ volatile("sti; hlt" : : : "memory");
}

FORCEINLINE VOID ArchPause(VOID)
{
    __asm__ volatile("pause" : : : "memory");
}

FORCEINLINE ULONG64 ArchReadCounter(VOID)
{
    ULONG64 count; /* RDTSC clears the upper halves of both registers */
    __asm__ volatile("rdtsc; shlq $32, %%rdx; orq %%rdx, %0"
                     : "=a"(count)
                     :
                     : "rdx", "cc", "memory");
    return count;
}

FORCEINLINE struct _KPRCB *KeGetCurrentPrcb(VOID)
{
    struct _KPRCB *prcb;
    __asm__ volatile("movq %%gs:0x20, %0" : "=r"(prcb));
    return prcb;
}

/* The answer is a processor flag, on which the caller jumps. */
FORCEINLINE BOOLEAN ArchTestAndSetBit0(volatile ULONG_PTR *Word)
{
    BOOLEAN was;
    __asm__ volatile("lock btsq $0, %1" : "=@ccc"(was), "+m"(*Word) : : "memory");
    return was;
}

FORCEINLINE PVOID ArchThisPlace(VOID)
{
    PVOID place;
    __asm__ volatile("leaq (%%rip), %0" : "=r"(place)); /* volatile: asked where it is needed */
    return place;
}

/* An object's address, computed where it is asked for and not before. */
#define ArchAddressHere(Object)                                           \
    ({                                                                    \
        PVOID address;                                                    \
        __asm__ volatile("leaq %1, %0" : "=r"(address) : "m"(*(Object))); \
        address;                                                          \
    })

/*
 * Calls Function(A, B, C, D) so that no register changes: for what a short function does rarely.
 * The compiler sees no call in it, and gives the rest neither a stack frame nor saved registers.
 */
#define ArchCallKeepingRegisters(Function, A, B, C, D)                                            \
    __asm__ volatile("pushq %4; pushq %3; pushq %2; pushq %1; pushq %0; "                         \
                     "call KiCallKeepingRegisters"                                                \
                     :                                                                            \
                     : "i"(Function), "re"((ULONG64)(A)), "re"((ULONG64)(B)), "re"((ULONG64)(C)), \
                       "re"((ULONG64)(D))                                                         \
                     : "memory", "cc")

/* The same with two arguments: A, and an address in the code that calls. Takes one register. */
#define ArchCallFromHere(Function, A)                                     \
    __asm__ volatile("pushq $0; pushq $0; pushq $.; pushq %1; pushq %0; " \
                     "call KiCallKeepingRegisters"                        \
                     :                                                    \
                     : "i"(Function), "re"((ULONG64)(A))                  \
                     : "memory", "cc")

FORCEINLINE VOID ArchOut8(USHORT Port, UCHAR Value)
{
    __asm__ volatile("outb %0, %1" : : "a"(Value), "Nd"(Port) : "memory");
}

FORCEINLINE VOID ArchOut16(USHORT Port, USHORT Value)
{
    __asm__ volatile("outw %0, %1" : : "a"(Value), "Nd"(Port) : "memory");
}

FORCEINLINE VOID ArchOut32(USHORT Port, ULONG Value)
{
    __asm__ volatile("outl %0, %1" : : "a"(Value), "Nd"(Port) : "memory");
}

FORCEINLINE UCHAR ArchIn8(USHORT Port)
{
    UCHAR value;
    __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(Port) : "memory");
    return value;
}

FORCEINLINE USHORT ArchIn16(USHORT Port)
{
    USHORT value;
    __asm__ volatile("inw %1, %0" : "=a"(value) : "Nd"(Port) : "memory");
    return value;
}

FORCEINLINE ULONG ArchIn32(USHORT Port)
{
    ULONG value;
    __asm__ volatile("inl %1, %0" : "=a"(value) : "Nd"(Port) : "memory");
    return value;
}

/*
 * The local APIC's registers, mapped by ArchInitializeMachine: at a fixed address, which costs an
 * instruction less than a pointer does wherever an interrupt is requested or ended.
 */
#define LOCAL_APIC_BASE  0xFFFFFFFFFFFE0000ULL
#define ArchLocalApic    ((volatile ULONG *)LOCAL_APIC_BASE)
#define APIC_EOI         0xB0
#define APIC_ICR         0x300
#define APIC_TIMER_COUNT 0x380

/* A self-interrupt of a class that CR8 masks waits in the APIC until CR8 falls below it. */
FORCEINLINE VOID ArchRequestSoftwareInterrupt(KIRQL Irql)
{
    const ULONG self = 1u << 18;
    ArchLocalApic[APIC_ICR / 4] = self | ((ULONG)Irql << 4) | 0xF;
}

FORCEINLINE VOID ArchEndInterrupt(VOID)
{
    ArchLocalApic[APIC_EOI / 4] = 0;
}

/* What the local APIC's timer counts in a time increment; 0 if the clock is another device ... */
extern ULONG ClockApicRepeat;
/* ... which all processors share (clock.c, clock_hpet.c). Constant. */
extern BOOLEAN ClockIsShared;
VOID ClockPassOn(VOID);

FORCEINLINE VOID ArchClockInterrupt(VOID)
{
    ArchLocalApic[APIC_TIMER_COUNT / 4] = ClockApicRepeat;
    if (KI_UNLIKELY(ClockIsShared))
        ArchCallKeepingRegisters(ClockPassOn, 0, 0, 0, 0);
}

#endif
