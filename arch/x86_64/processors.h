/* How a further processor gets from its start in real mode to C, and what is asked of it first. */
#ifndef METRONOME_ARCH_PROCESSORS_H
#define METRONOME_ARCH_PROCESSORS_H

#include "ke.h"

/*
 * The hand-over block: lies behind the start code in the start page. The boot processor writes
 * it before it wakes a processor; ap.asm reads it.
 */
typedef struct _START_BLOCK {
    ULONG StartRoot;    /* physical; page tables that also map the start page at its own address */
    ULONG ApicId;       /* of the processor that is meant; any other one halts for ever */
    ULONG64 KernelRoot; /* physical; the kernel's page tables */
    PVOID StackTop;
    PKPCR Pcr;
    PVOID Continue; /* KiContinueStart */
} START_BLOCK;

/* ap.asm: what is copied to the start page, its length, and where in it the block lies. */
extern const UCHAR KiStartCode[];
extern const ULONG KiStartCodeBytes, KiStartBlockOffset;

/* ap.asm: in the kernel's image, entered with Pcr in RCX and the kernel's tables in RDX. */
VOID KiContinueStart(VOID);

/* The first C function of a further processor: HIGH_LEVEL, IF off, on its own stack. */
DECLSPEC_NORETURN VOID KiStartThisProcessor(PKPCR Pcr);

/* ---- countercheck.c ---- */

typedef enum _COUNTER_VERDICT {
    CountersAgree,
    CountersDiffer,
    CountersSilent /* the other processor does not answer */
} COUNTER_VERDICT;

/* The boot processor's and the other processor's part in comparing their time counters. */
COUNTER_VERDICT KiCompareCounters(VOID);
VOID KiAnswerCounterComparison(VOID);

/* TRUE if Microseconds have passed since the counter stood at Begin. */
BOOLEAN KiHasPassed(ULONG64 Begin, ULONG64 Microseconds);

#endif
