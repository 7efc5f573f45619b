/*
 * The handler that clang and Microsoft's compiler name for functions with __try: it knows their
 * tables. Runs driver code, filters and __finally blocks, at the IRQL of the exception; no lock.
 *
 * Windows' own leaves the frames from inside this handler. Here it says where the program is to
 * go on, and the dispatcher (seh.c) leaves them.
 */
#include "ke/seh.h"
#include "kd.h"
#include "ldr.h"
#include "ldr/unwind.h"

typedef LONG FILTER(PEXCEPTION_POINTERS Exception, PVOID EstablisherFrame);
typedef VOID TERMINATION(BOOLEAN AbnormalTermination, PVOID EstablisherFrame);

/* The function's table, and the place in the function. */
typedef struct _SCOPE_READER {
    PLDR_FILE File;
    ULONG64 Base, Table, Rva;
    ULONG Next; /* entry of the table */
    LDR_PROBLEM Problem;
} SCOPE_READER;

static BOOLEAN OpenScopes(SCOPE_READER *Reader, const DISPATCHER_CONTEXT *Dispatcher)
{
    Reader->File = LdrFindByAddress((PVOID)Dispatcher->ControlPc);
    if (!Reader->File)
        return FALSE;
    Reader->Base = (ULONG_PTR)Reader->File->Base;
    Reader->Table = (ULONG64)Dispatcher->HandlerData - Reader->Base;
    Reader->Rva = Dispatcher->ControlPc - Reader->Base;
    Reader->Next = 0;
    Reader->Problem.Sentence[0] = 0;
    return TRUE;
}

/* The next scope around the place; FALSE behind the outermost, or if the table is damaged. */
static BOOLEAN NextScope(SCOPE_READER *Reader, PLDR_SCOPE Scope)
{
    while (LdrpReadScope(&Reader->File->Image, Reader->File->Memory, Reader->Table, Reader->Next,
                         Scope, &Reader->Problem)) {
        Reader->Next++;
        if (Reader->Rva >= Scope->Begin && Reader->Rva < Scope->End)
            return TRUE;
    }
    return FALSE;
}

/* What is left to say when no scope has taken the exception. */
static EXCEPTION_DISPOSITION CloseScopes(const SCOPE_READER *Reader)
{
    if (!Reader->Problem.Sentence[0])
        return ExceptionContinueSearch;
    DbgPrint("%s.sys %s.\n", Reader->File->Name, Reader->Problem.Sentence);
    return ExceptionNestedException;
}

/* Asks the filters, from the innermost scope outwards. */
static EXCEPTION_DISPOSITION Search(SCOPE_READER *Reader, PEXCEPTION_POINTERS Exception,
                                    PVOID EstablisherFrame, PDISPATCHER_CONTEXT Dispatcher)
{
    LDR_SCOPE scope;

    while (NextScope(Reader, &scope)) {
        LONG answer = EXCEPTION_EXECUTE_HANDLER;

        if (scope.Target == 0)
            continue;
        if (scope.Handler != LDR_SCOPE_ALWAYS)
            answer = ((FILTER *)(Reader->Base + scope.Handler))(Exception, EstablisherFrame);
        if (answer < 0)
            return ExceptionContinueExecution;
        if (answer == EXCEPTION_CONTINUE_SEARCH)
            continue;
        Dispatcher->TargetIp = Reader->Base + scope.Target;
        return ExceptionHandled;
    }
    return CloseScopes(Reader);
}

/* Runs what __finally says, up to the scope that has handled the exception if this is its frame. */
static EXCEPTION_DISPOSITION Leave(SCOPE_READER *Reader, BOOLEAN IsTarget, PVOID EstablisherFrame,
                                   const DISPATCHER_CONTEXT *Dispatcher)
{
    LDR_SCOPE scope;

    while (NextScope(Reader, &scope)) {
        if (scope.Target == 0)
            ((TERMINATION *)(Reader->Base + scope.Handler))(TRUE, EstablisherFrame);
        else if (IsTarget && Reader->Base + scope.Target == Dispatcher->TargetIp)
            return ExceptionContinueSearch;
    }
    return CloseScopes(Reader);
}

/*
 * What the scopes of a function have to say about an exception: in the search, whether one
 * handles it; when the frame is left, nothing, but __finally runs.
 *
 * IRQL:    any
 * Locks:   none
 * Context: the exception's
 * Returns: ExceptionNestedException if the function's table is damaged
 * Source:  the format is public: Microsoft's documentation of x64 exception handling
 */
EXCEPTION_DISPOSITION __C_specific_handler(PEXCEPTION_RECORD ExceptionRecord,
                                           PVOID EstablisherFrame, PCONTEXT ContextRecord,
                                           PDISPATCHER_CONTEXT DispatcherContext)
{
    EXCEPTION_POINTERS exception = {ExceptionRecord, ContextRecord};
    ULONG flags = ExceptionRecord->ExceptionFlags;
    SCOPE_READER reader;

    if (!OpenScopes(&reader, DispatcherContext))
        return ExceptionNestedException;
    if (flags & EXCEPTION_UNWINDING)
        return Leave(&reader, (flags & EXCEPTION_TARGET_UNWIND) != 0, EstablisherFrame,
                     DispatcherContext);
    return Search(&reader, &exception, EstablisherFrame, DispatcherContext);
}
