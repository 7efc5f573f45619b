/* What the files for structured exceptions show each other: raise.c, seh.c, scope.c. */
#ifndef METRONOME_SEH_H
#define METRONOME_SEH_H

#include "ke.h"
#include "exception.h"

/* The first parameter of an access violation. */
#define READ_ACCESS    0
#define WRITE_ACCESS   1
#define EXECUTE_ACCESS 8

/* What a language's handler answers. Handled is the kernel's own (scope.c). */
typedef enum _EXCEPTION_DISPOSITION {
    ExceptionContinueExecution = 0,
    ExceptionContinueSearch = 1,
    ExceptionNestedException = 2,
    ExceptionCollidedUnwind = 3,
    ExceptionHandled = 0x100
} EXCEPTION_DISPOSITION;

/* What the handler is told of its frame; the layout is that of the Windows headers. */
typedef struct _DISPATCHER_CONTEXT {
    ULONG64 ControlPc; /* the instruction; of a call one byte of it */
    ULONG64 ImageBase;
    PVOID FunctionEntry;
    ULONG64 EstablisherFrame;
    ULONG64 TargetIp; /* set by the handler that says ExceptionHandled */
    PCONTEXT ContextRecord;
    PVOID LanguageHandler;
    PVOID HandlerData;
    PVOID HistoryTable; /* NULL */
    ULONG ScopeIndex;   /* not used */
    ULONG Fill0;
} DISPATCHER_CONTEXT, *PDISPATCHER_CONTEXT;

ASSERT_SIZE(DISPATCHER_CONTEXT, 80);
ASSERT_OFFSET(DISPATCHER_CONTEXT, HandlerData, 56);

typedef EXCEPTION_DISPOSITION EXCEPTION_ROUTINE(PEXCEPTION_RECORD ExceptionRecord,
                                                PVOID EstablisherFrame, PCONTEXT ContextRecord,
                                                PDISPATCHER_CONTEXT DispatcherContext);

/* The handler of C (scope.c); images import it. */
EXCEPTION_ROUTINE __C_specific_handler;

/* raise.c: what a trap is as an exception; FALSE: nothing that a driver could handle. */
BOOLEAN KiDescribeException(ULONG Vector, const KTRAP_FRAME *TrapFrame, PEXCEPTION_RECORD Record);

/*
 * seh.c: looks for a handler in the frames of driver images; TRUE: the interrupted code goes on,
 * with what TrapFrame holds now.
 */
BOOLEAN KiDeliverException(PKTRAP_FRAME TrapFrame, PEXCEPTION_RECORD Record);

#endif
