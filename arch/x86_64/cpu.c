/* What every processor must be able to do, and the state that the kernel puts it in. */
#include "arch.h"
#include "cpu.h"

/* One feature: a bit in an answer of CPUID. */
typedef struct _CPU_FEATURE {
    ULONG Leaf;
    ULONG Register; /* 0 EAX to 3 EDX */
    ULONG Bit;
    PCSTR Sentence;
} CPU_FEATURE;

static const CPU_FEATURE Required[] = {
    {1, 3, 4, "This processor has no time-stamp counter, from which the kernel takes the time."},
    {1, 3, 9, "This processor has no local APIC, which holds back interrupts for the IRQL."},
    {1, 3, 24, "This processor has no FXSAVE, which SSE code needs."},
    {1, 3, 26, "This processor has no SSE2, which drivers may use."},
    {1, 2, 13, "This processor has no CMPXCHG16B, which sequenced lists need."},
    {0x80000001, 3, 20, "This processor has no NX bit: it cannot keep data from being executed."},
};

#define FEATURE_LEAF 7u
#define SMEP_BIT     7  /* EBX */
#define SMAP_BIT     20 /* EBX */
#define UMIP_BIT     2  /* ECX */

/* Bits of SSE's control word: all exceptions masked, round to nearest. */
#define DEFAULT_MXCSR 0x1F80u

/* The reset value: index 0 write-back, 1 write-through, 2 uncached unless MTRRs say more, 3
 * uncached; the same again for 4 to 7. Page tables use 0 and 3. */
#define DEFAULT_PAT 0x0007040600070406ULL

/* What CPUID says of Leaf; zeros when the processor does not know the leaf. */
static CPUID_ANSWER AskProcessor(ULONG Leaf)
{
    CPUID_ANSWER none = {0, 0, 0, 0};

    if (Leaf > KiCpuid(Leaf & 0x80000000u).Eax)
        return none;
    return KiCpuid(Leaf);
}

/*
 * IRQL:    any
 * Locks:   none
 * Context: the start; the console works, nothing else
 * Returns: if the processor can run the kernel
 * Source:  DESIGN.md, Memory; [arch]
 */
VOID KiCheckProcessor(VOID)
{
    for (ULONG i = 0; i < ARRAYSIZE(Required); i++) {
        CPUID_ANSWER answer = AskProcessor(Required[i].Leaf);
        const ULONG registers[4] = {answer.Eax, answer.Ebx, answer.Ecx, answer.Edx};

        if ((registers[Required[i].Register] & (1u << Required[i].Bit)) == 0)
            ArchCannotStart(Required[i].Sentence);
    }
    if (KiReadCr4() & CR4_FIVE_LEVELS)
        ArchCannotStart("The firmware left page tables of five levels; the kernel knows four.");
}

/*
 * Sets CR0, CR4, the PAT, the x87 and SSE control words as a whole: nothing that the firmware or
 * a start from real mode left in them matters any more. Clearing CR4.PGE on the way flushes what
 * the firmware may have mapped as global.
 *
 * IRQL:    any, IF off (not checked)
 * Locks:   none
 * Context: the start of a processor, on the kernel's page tables
 * Returns: always
 * Source:  DESIGN.md, Memory; [arch]
 */
VOID KiInitializeControlRegisters(VOID)
{
    ULONG64 cr4 = CR4_PAE | CR4_MACHINE_CHECK | CR4_FXSR | CR4_SIMD_EXCEPTIONS;
    CPUID_ANSWER features = AskProcessor(FEATURE_LEAF);
    const ULONG mxcsr = DEFAULT_MXCSR;

    if (features.Ebx & (1u << SMEP_BIT))
        cr4 |= CR4_SMEP;
    if (features.Ebx & (1u << SMAP_BIT))
        cr4 |= CR4_SMAP;
    if (features.Ecx & (1u << UMIP_BIT))
        cr4 |= CR4_UMIP;
    KiWriteCr4(cr4);
    KiWriteCr0(CR0_PROTECTED_MODE | CR0_MONITOR_FPU | CR0_EXTENSION_TYPE | CR0_NUMERIC_ERROR |
               CR0_WRITE_PROTECT | CR0_PAGING);
    KiWriteMsr(MSR_PAT, DEFAULT_PAT);
    __asm__ volatile("fninit; ldmxcsr %0" : : "m"(mxcsr));
}
