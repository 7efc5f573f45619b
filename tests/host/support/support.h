/* The machine and the kernel around a source under test: what a host test links from support.c. */
#ifndef METRONOME_HOST_SUPPORT_H
#define METRONOME_HOST_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "ke.h"

/* ---- bug checks ---- */

/* The latest bug check. Each thread has its own. */
typedef struct _HOST_BUGCHECK {
    ULONG Code;
    ULONG_PTR Parameters[4];
    PCSTR Rule; /* of a violated IRQL rule, else NULL */
    KIRQL Irql;
} HOST_BUGCHECK;
extern __thread HOST_BUGCHECK HostBugCheck;

/* Where a bug check goes. While HostBugCheckExpected is FALSE it ends the program instead. */
extern __thread jmp_buf HostBugCheckJump;
extern __thread BOOLEAN HostBugCheckExpected;

/* ArchCannotStart arrives as this code; Rule is its sentence. */
#define HOST_CANNOT_START 0xFFFF

/* Executes a statement that must end in a bug check with this code and first parameter. */
#define EXPECT_BUGCHECK(code, p1, statement)                           \
    do {                                                               \
        HostBugCheckExpected = TRUE;                                   \
        if (setjmp(HostBugCheckJump) == 0) {                           \
            statement;                                                 \
            HostBugCheckExpected = FALSE;                              \
            fail_msg("no bug check: %s", #statement);                  \
        }                                                              \
        HostBugCheckExpected = FALSE;                                  \
        assert_int_equal(HostBugCheck.Code, (code));                   \
        assert_int_equal(HostBugCheck.Parameters[0], (ULONG_PTR)(p1)); \
    } while (0)

/* The other three parameters of the latest bug check. */
#define ASSERT_PARAMETERS(p2, p3, p4)                                  \
    do {                                                               \
        assert_int_equal(HostBugCheck.Parameters[1], (ULONG_PTR)(p2)); \
        assert_int_equal(HostBugCheck.Parameters[2], (ULONG_PTR)(p3)); \
        assert_int_equal(HostBugCheck.Parameters[3], (ULONG_PTR)(p4)); \
    } while (0)

/* ---- processors: each thread is one ---- */

/* All of these are the thread's own, and a test may set them. */
extern __thread KIRQL HostIrql;
extern __thread BOOLEAN HostInterruptsOff;
extern __thread BOOLEAN HostStarted; /* KPRCB.Started; TRUE at first */

/* ---- physical memory ---- */

/* Physical address 0 lies here; a test sets it. */
extern PUCHAR HostMemory;

/* ---- random numbers: the same ones in each run ---- */

extern ULONG64 HostSeed;
ULONG64 HostRandom(VOID);
/* From 0 to Limit - 1. */
ULONG64 HostRandomBelow(ULONG64 Limit);

#endif
