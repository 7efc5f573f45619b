/*
 * The report of a bug check, and who may ask for one with more than a code and parameters. Only
 * the files of kernel/ke and kernel/kd include this.
 */
#ifndef METRONOME_BUGREPORT_H
#define METRONOME_BUGREPORT_H

#include "ke.h"

/* Filled in by whoever detects the error; lives on its stack. */
typedef struct _KBUGCHECK_REPORT {
    ULONG Code;
    ULONG_PTR Parameters[4];
    KIRQL Irql;   /* before the bug check */
    PCSTR Rule;   /* the rule that was broken, or NULL */
    PCSTR Detail; /* one more sentence, or NULL */
    PCSTR File;   /* of a failed assertion, or NULL */
    ULONG Line;
    const KTRAP_FRAME *TrapFrame; /* of the exception, or NULL */
    const VOID *Caller;           /* of a jump into nowhere: the return address, or NULL */
    const VOID *Frame;            /* the detecting function's frame when there is no TrapFrame */
} KBUGCHECK_REPORT, *PKBUGCHECK_REPORT;

/* Stops the system and prints the report. IRQL: any. */
DECLSPEC_NORETURN VOID KiBugCheck(const KBUGCHECK_REPORT *Report);

/* Prints the report (kernel/ke/bugreport.c). Only one processor runs, at HIGH_LEVEL. */
VOID KiPrintBugCheck(const KBUGCHECK_REPORT *Report);

/* "DISPATCH_LEVEL", "DIRQL"; for any number. IRQL: any. */
PCSTR KiIrqlName(KIRQL Irql);

/* An assertion that was raised with `int 2C`. IRQL: any. */
DECLSPEC_NORETURN VOID KiAssertionTrap(PKTRAP_FRAME TrapFrame);

/* 0xC4, 0xC2 and the like: what P1 stands for (kernel/ke/bugkinds.c). */
typedef struct _KBUGCHECK_KIND {
    ULONG Code;
    ULONG Kind;        /* P1; a status stands there with its sign */
    PCSTR Meanings[4]; /* of P1 to P4 */
} KBUGCHECK_KIND;
const KBUGCHECK_KIND *KiFindBugCheckKind(ULONG Code, ULONG_PTR Kind);

#endif
