/*
 * Structured exceptions. Runs at the IRQL of the code that caused the exception, on its stack, and
 * holds no lock: handlers are driver code.
 *
 * Two walks over the frames, innermost first. The first asks each function's handler whether it
 * takes the exception, with all frames still there. Once one has, the second goes the same way
 * and has each frame left (__finally), up to the frame of the handler, whose registers then become
 * those of the trap frame.
 *
 * Both end at the first frame that is not in an image that was loaded from a file: the kernel's
 * own code has no tables. So an exception is seen by the driver code that has caused it and by
 * driver code that called that directly, never through the kernel.
 */
#include "ke/seh.h"
#include "kd.h"
#include "ldr.h"
#include "ldr/unwind.h"

typedef struct _WALK {
    PEXCEPTION_RECORD Record;
    CONTEXT Original; /* of the exception; a filter may change it */
    BOOLEAN OriginalAfterCall;
    ULONG_PTR StackLow, StackHigh;

    /* The frame that NextFrame has come to. */
    PLDR_FILE File;
    LDR_FRAME Frame;
    CONTEXT Inside; /* the registers in its function */
    DISPATCHER_CONTEXT Dispatcher;

    CONTEXT Outside; /* the registers in its caller */
    BOOLEAN AfterCall;
} WALK;

static VOID StartWalk(WALK *Walk)
{
    Walk->Outside = Walk->Original;
    Walk->AfterCall = Walk->OriginalAfterCall;
}

static VOID FillDispatcher(WALK *Walk, ULONG64 ControlPc)
{
    PUCHAR base = Walk->File->Base;

    Walk->Dispatcher.ControlPc = ControlPc;
    Walk->Dispatcher.ImageBase = (ULONG64)base;
    Walk->Dispatcher.FunctionEntry = base + Walk->Frame.Function;
    Walk->Dispatcher.EstablisherFrame = Walk->Frame.Establisher;
    Walk->Dispatcher.ContextRecord = &Walk->Inside;
    Walk->Dispatcher.LanguageHandler = base + Walk->Frame.Handler;
    Walk->Dispatcher.HandlerData = base + Walk->Frame.HandlerData;
}

/* One frame outwards. FALSE if it is not in a driver's image, or the image is damaged. */
static BOOLEAN NextFrame(WALK *Walk)
{
    LDR_PROBLEM problem;
    ULONG64 pc = Walk->Outside.Rip - (Walk->AfterCall ? 1 : 0);

    Walk->File = LdrFindByAddress((PVOID)pc);
    if (!Walk->File)
        return FALSE;

    LDR_UNWINDER unwinder = {
        .Image = &Walk->File->Image,
        .Memory = Walk->File->Memory,
        .Base = (ULONG_PTR)Walk->File->Base,
        .StackLow = Walk->StackLow,
        .StackHigh = Walk->StackHigh,
        .Problem = &problem,
    };

    Walk->Inside = Walk->Outside;
    if (!LdrpUnwindFrame(&unwinder, Walk->AfterCall, &Walk->Outside, &Walk->Frame)) {
        DbgPrint("%s.sys %s.\n", Walk->File->Name, problem.Sentence);
        return FALSE;
    }
    Walk->AfterCall = !Walk->Frame.Interrupted;
    FillDispatcher(Walk, pc);
    return TRUE;
}

static EXCEPTION_DISPOSITION CallHandler(WALK *Walk)
{
    EXCEPTION_ROUTINE *handler = (EXCEPTION_ROUTINE *)Walk->Dispatcher.LanguageHandler;

    return handler(Walk->Record, (PVOID)Walk->Frame.Establisher, &Walk->Original,
                   &Walk->Dispatcher);
}

/* The first walk. It ends in the frame whose handler has not said ExceptionContinueSearch. */
static EXCEPTION_DISPOSITION Search(WALK *Walk)
{
    StartWalk(Walk);
    while (NextFrame(Walk)) {
        EXCEPTION_DISPOSITION answer = ExceptionContinueSearch;

        if (Walk->Frame.ForSearch)
            answer = CallHandler(Walk);
        if (answer != ExceptionContinueSearch)
            return answer;
    }
    return ExceptionContinueSearch;
}

/* The second walk, to the frame Target; it ends early only if what it reads has changed. */
static BOOLEAN Leave(WALK *Walk, ULONG64 Target)
{
    Walk->Record->ExceptionFlags |= EXCEPTION_UNWINDING;
    StartWalk(Walk);
    while (NextFrame(Walk)) {
        BOOLEAN isTarget = Walk->Frame.ForSearch && Walk->Frame.Establisher == Target;

        if (isTarget)
            Walk->Record->ExceptionFlags |= EXCEPTION_TARGET_UNWIND;
        if (Walk->Frame.ForUnwind && CallHandler(Walk) != ExceptionContinueSearch)
            return FALSE;
        if (isTarget)
            return TRUE;
    }
    return FALSE;
}

/* The block of __except finds the exception's code in RAX. */
static BOOLEAN GoToHandler(WALK *Walk, PKTRAP_FRAME TrapFrame)
{
    if (!Leave(Walk, Walk->Frame.Establisher))
        return FALSE;
    Walk->Inside.Rip = Walk->Dispatcher.TargetIp;
    Walk->Inside.Rax = (ULONG)Walk->Record->ExceptionCode;
    ArchWriteContext(TrapFrame, &Walk->Inside);
    return TRUE;
}

/* Did the code jump to an address that cannot be executed? */
static BOOLEAN IsJumpIntoNowhere(const EXCEPTION_RECORD *Record)
{
    return Record->ExceptionCode == STATUS_ACCESS_VIOLATION && Record->NumberParameters == 2 &&
           Record->ExceptionInformation[0] == EXECUTE_ACCESS &&
           Record->ExceptionInformation[1] == (ULONG_PTR)Record->ExceptionAddress;
}

/* A call has pushed where it returns to, and done nothing else: the exception is the caller's. */
static VOID LeaveNowhere(WALK *Walk)
{
    const ULONG64 *stack = (const ULONG64 *)Walk->Original.Rsp;

    if (Walk->StackHigh - Walk->Original.Rsp < sizeof(*stack))
        return;
    Walk->Original.Rip = *stack;
    Walk->Original.Rsp = (ULONG64)(stack + 1);
    Walk->OriginalAfterCall = TRUE;
}

/*
 * Looks for a handler of an exception in the driver images that have led to it.
 *
 * IRQL:    any
 * Locks:   none
 * Context: the exception's
 * Returns: FALSE if there is none; else TrapFrame says where to go on
 * Source:  DESIGN.md, Driver images
 */
BOOLEAN KiDeliverException(PKTRAP_FRAME TrapFrame, PEXCEPTION_RECORD Record)
{
    WALK walk = {.Record = Record, .StackLow = TrapFrame->Rsp};

    if (!ArchReadContext(TrapFrame, &walk.Original, &walk.OriginalAfterCall, &walk.StackHigh))
        return FALSE;
    if (IsJumpIntoNowhere(Record))
        LeaveNowhere(&walk);
    if (walk.OriginalAfterCall)
        Record->ExceptionFlags |= EXCEPTION_NONCONTINUABLE; /* a part of the call was done */
    switch (Search(&walk)) {
    case ExceptionHandled:
        return GoToHandler(&walk, TrapFrame);
    case ExceptionContinueExecution:
        if (Record->ExceptionFlags & EXCEPTION_NONCONTINUABLE)
            return FALSE;
        ArchWriteContext(TrapFrame, &walk.Original);
        return TRUE;
    default:
        return FALSE;
    }
}
