/*
 * Structured exceptions: what a filter of `__except` is shown, and how code raises one. The
 * layouts are those of the Windows headers. Drivers with `__try` are built with clang's mingw
 * target; the compiler of this kernel does not know the word.
 */
#ifndef METRONOME_EXCEPTION_H
#define METRONOME_EXCEPTION_H

#include "ntdef.h"

#define EXCEPTION_EXECUTE_HANDLER    1 /* of filters */
#define EXCEPTION_CONTINUE_SEARCH    0
#define EXCEPTION_CONTINUE_EXECUTION (-1)

/* EXCEPTION_RECORD.ExceptionFlags */
#define EXCEPTION_NONCONTINUABLE 0x01u
#define EXCEPTION_UNWINDING      0x02u
#define EXCEPTION_TARGET_UNWIND  0x20u

#define EXCEPTION_MAXIMUM_PARAMETERS 15

typedef struct _EXCEPTION_RECORD {
    NTSTATUS ExceptionCode;
    ULONG ExceptionFlags;
    struct _EXCEPTION_RECORD *ExceptionRecord;
    PVOID ExceptionAddress;
    ULONG NumberParameters;
    ULONG_PTR ExceptionInformation[EXCEPTION_MAXIMUM_PARAMETERS];
} EXCEPTION_RECORD, *PEXCEPTION_RECORD;

typedef struct DECLSPEC_ALIGN(16) _M128A {
    ULONG64 Low;
    LONG64 High;
} M128A, *PM128A;

/* The registers of a piece of code. Integer has the machine's own numbers as indexes. */
typedef struct DECLSPEC_ALIGN(16) _CONTEXT {
    ULONG64 P1Home, P2Home, P3Home, P4Home, P5Home, P6Home;
    ULONG ContextFlags;
    ULONG MxCsr;
    USHORT SegCs, SegDs, SegEs, SegFs, SegGs, SegSs;
    ULONG EFlags;
    ULONG64 Dr0, Dr1, Dr2, Dr3, Dr6, Dr7;
    union {
        struct {
            ULONG64 Rax, Rcx, Rdx, Rbx, Rsp, Rbp, Rsi, Rdi;
            ULONG64 R8, R9, R10, R11, R12, R13, R14, R15;
        };
        ULONG64 Integer[16];
    };
    ULONG64 Rip;
    ULONG64 X87[20]; /* not filled in: drivers do not use it */
    M128A Xmm[16];   /* 0 to 15 */
    ULONG64 Rest[12 + 2 * 26 + 6];
} CONTEXT, *PCONTEXT;

typedef struct _EXCEPTION_POINTERS {
    PEXCEPTION_RECORD ExceptionRecord;
    PCONTEXT ContextRecord;
} EXCEPTION_POINTERS, *PEXCEPTION_POINTERS;

ASSERT_SIZE(EXCEPTION_RECORD, 152);
ASSERT_OFFSET(EXCEPTION_RECORD, ExceptionInformation, 32);
ASSERT_SIZE(CONTEXT, 1232);
ASSERT_OFFSET(CONTEXT, MxCsr, 0x34);
ASSERT_OFFSET(CONTEXT, EFlags, 0x44);
ASSERT_OFFSET(CONTEXT, Rax, 0x78);
ASSERT_OFFSET(CONTEXT, Rip, 0xF8);
ASSERT_OFFSET(CONTEXT, Xmm, 0x1A0);

/*
 * Raise an exception at the place of the call: a handler of the calling driver's image gets it,
 * or it is bug check 0x1E. IRQL: any. An access violation is STATUS_ACCESS_VIOLATION without
 * parameters, a misalignment STATUS_DATATYPE_MISALIGNMENT.
 */
DECLSPEC_NORETURN VOID ExRaiseStatus(NTSTATUS Status);
DECLSPEC_NORETURN VOID ExRaiseAccessViolation(VOID);
DECLSPEC_NORETURN VOID ExRaiseDatatypeMisalignment(VOID);

#endif
