/*
 * Takes one frame of a driver's image off the stack: from the registers in a function to those in
 * its caller, by what the compiler has noted about the function's prologue. Any IRQL, no lock;
 * allocates nothing.
 *
 * The codes of a function list its prologue backwards, each with the offset behind its
 * instruction: undoing those that have been executed, in this order, is unwinding. Epilogues are
 * not recognized: nothing in one can fault, and no call returns into one.
 */
#include "ldr/unwind.h"
#include "ntstatus.h"
#include "rtl.h"

#define REFUSE(...) LdrpRefuse(Unwinder->Problem, STATUS_INVALID_IMAGE_FORMAT, __VA_ARGS__)

#define UNWIND_VERSION   1
#define LONGEST_CHAIN    32
#define WHOLE_PROLOGUE   MAXULONG /* offset: all of it was executed */
#define ALLOCATION_UNIT  8
#define FRAME_UNIT       16
#define MACHINE_FRAME_SP 24 /* from the place of RIP to that of RSP */

/* UNWIND_INFO.Flags */
#define FLAG_SEARCH  1
#define FLAG_UNWIND  2
#define FLAG_CHAINED 4

enum {
    PushRegister = 0,
    AllocateLarge = 1,
    AllocateSmall = 2,
    SetFrameRegister = 3,
    SaveRegister = 4,
    SaveRegisterFar = 5,
    SaveXmm = 8,
    SaveXmmFar = 9,
    PushMachineFrame = 10
};

typedef struct _UNWIND_CODE {
    UCHAR Offset;
    UCHAR Operation : 4;
    UCHAR Info : 4;
} UNWIND_CODE;

typedef struct _UNWIND_INFO {
    UCHAR Version : 3;
    UCHAR Flags : 5;
    UCHAR PrologueSize;
    UCHAR CodeCount;
    UCHAR FrameRegister : 4; /* 0: none */
    UCHAR FrameOffset : 4;
    UNWIND_CODE Codes[256]; /* in the image, as many as CodeCount, rounded up to be even */
} UNWIND_INFO;

#define INFO_HEADER_SIZE offsetof(UNWIND_INFO, Codes)

ASSERT_SIZE(UNWIND_CODE, 2);
ASSERT_OFFSET(UNWIND_INFO, Codes, 4);

/* ---- reading ---- */

static BOOLEAN ReadImage(const LDR_UNWINDER *Unwinder, ULONG64 Rva, PVOID Buffer, SIZE_T Bytes)
{
    const UCHAR *place = LdrpAt(Unwinder->Image, Unwinder->Memory, Rva, Bytes);

    if (!place)
        return REFUSE("has unwind information at 0x%llx, outside the image", Rva);
    memcpy(Buffer, place, Bytes);
    return TRUE;
}

static BOOLEAN ReadStack(const LDR_UNWINDER *Unwinder, ULONG64 Address, PVOID Buffer, SIZE_T Bytes)
{
    if (Address < Unwinder->StackLow || Address > Unwinder->StackHigh ||
        Bytes > Unwinder->StackHigh - Address)
        return REFUSE("has a frame that leads to 0x%llx, outside the stack", Address);
    memcpy(Buffer, (const VOID *)(ULONG_PTR)Address, Bytes);
    return TRUE;
}

/* Header and codes at an RVA; *End is the RVA of what follows them. */
static BOOLEAN ReadInfo(const LDR_UNWINDER *Unwinder, ULONG Rva, UNWIND_INFO *Info, PULONG64 End)
{
    ULONG slots;

    if (!ReadImage(Unwinder, Rva, Info, INFO_HEADER_SIZE))
        return FALSE;
    if (Info->Version != UNWIND_VERSION)
        return REFUSE("has unwind information of version %u at 0x%x; this kernel knows version 1",
                      Info->Version, Rva);
    slots = (Info->CodeCount + 1u) & ~1u;
    *End = (ULONG64)Rva + INFO_HEADER_SIZE + slots * sizeof(UNWIND_CODE);
    return ReadImage(Unwinder, Rva + (ULONG64)INFO_HEADER_SIZE, Info->Codes,
                     slots * sizeof(UNWIND_CODE));
}

/* ---- undoing a prologue ---- */

static ULONG64 FrameOf(const UNWIND_INFO *Info, const CONTEXT *Context)
{
    return Context->Integer[Info->FrameRegister] - Info->FrameOffset * (ULONG64)FRAME_UNIT;
}

/* How many slots behind an operation belong to it; all of them are within CodeCount, or none. */
static ULONG OperandSlots(UNWIND_CODE Code)
{
    switch (Code.Operation) {
    case AllocateLarge:
        return Code.Info == 0 ? 1 : 2;
    case SaveRegister:
    case SaveXmm:
        return 1;
    case SaveRegisterFar:
    case SaveXmmFar:
        return 2;
    default:
        return 0;
    }
}

/* Where the frame lies; before the prologue has set the frame register, RSP alone says it. */
static ULONG64 FindEstablisher(const UNWIND_INFO *Info, const CONTEXT *Context, ULONG Offset)
{
    if (Info->FrameRegister == 0)
        return Context->Rsp;
    if (Offset >= Info->PrologueSize)
        return FrameOf(Info, Context);
    for (ULONG i = 0; i < Info->CodeCount; i += 1 + OperandSlots(Info->Codes[i])) {
        if (Info->Codes[i].Operation == SetFrameRegister && Info->Codes[i].Offset <= Offset)
            return FrameOf(Info, Context);
    }
    return Context->Rsp;
}

static BOOLEAN UndoPush(const LDR_UNWINDER *Unwinder, PCONTEXT Context, PULONG64 Register)
{
    ULONG64 value;

    if (!ReadStack(Unwinder, Context->Rsp, &value, sizeof(value)))
        return FALSE;
    Context->Rsp += sizeof(value);
    *Register = value;
    return TRUE;
}

/* The processor's own frame, with an error code below it or without. */
static BOOLEAN UndoMachineFrame(const LDR_UNWINDER *Unwinder, PCONTEXT Context, ULONG HasCode)
{
    ULONG64 place = Context->Rsp + (HasCode ? sizeof(ULONG64) : 0);

    return ReadStack(Unwinder, place, &Context->Rip, sizeof(Context->Rip)) &&
           ReadStack(Unwinder, place + MACHINE_FRAME_SP, &Context->Rsp, sizeof(Context->Rsp));
}

static BOOLEAN UndoOne(const LDR_UNWINDER *Unwinder, const UNWIND_INFO *Info, UNWIND_CODE Code,
                       ULONG Operand, ULONG64 Establisher, PCONTEXT Context)
{
    PULONG64 integer = &Context->Integer[Code.Info];
    PM128A xmm = &Context->Xmm[Code.Info];

    switch (Code.Operation) {
    case PushRegister:
        return UndoPush(Unwinder, Context, integer);
    case AllocateLarge:
        Context->Rsp += Code.Info == 0 ? (ULONG64)Operand * ALLOCATION_UNIT : Operand;
        return TRUE;
    case AllocateSmall:
        Context->Rsp += (Code.Info + 1u) * ALLOCATION_UNIT;
        return TRUE;
    case SetFrameRegister:
        Context->Rsp = FrameOf(Info, Context);
        return TRUE;
    case SaveRegister:
        return ReadStack(Unwinder, Establisher + Operand * sizeof(*integer), integer,
                         sizeof(*integer));
    case SaveRegisterFar:
        return ReadStack(Unwinder, Establisher + Operand, integer, sizeof(*integer));
    case SaveXmm:
        return ReadStack(Unwinder, Establisher + Operand * sizeof(*xmm), xmm, sizeof(*xmm));
    case SaveXmmFar:
        return ReadStack(Unwinder, Establisher + Operand, xmm, sizeof(*xmm));
    case PushMachineFrame:
        return UndoMachineFrame(Unwinder, Context, Code.Info);
    default:
        return REFUSE("has the unknown unwind operation %u", Code.Operation);
    }
}

/* Undoes what the instructions before Offset have done. */
static BOOLEAN UndoPrologue(const LDR_UNWINDER *Unwinder, const UNWIND_INFO *Info, ULONG Offset,
                            ULONG64 Establisher, PCONTEXT Context, PBOOLEAN Interrupted)
{
    ULONG slots;

    for (ULONG i = 0; i < Info->CodeCount; i += 1 + slots) {
        UNWIND_CODE code = Info->Codes[i];
        ULONG operand = 0;

        slots = OperandSlots(code);
        if (i + slots >= Info->CodeCount)
            return REFUSE("has an unwind operation %u without its operand", code.Operation);
        memcpy(&operand, &Info->Codes[i + 1], slots * sizeof(UNWIND_CODE));
        if (code.Offset > Offset)
            continue;
        if (!UndoOne(Unwinder, Info, code, operand, Establisher, Context))
            return FALSE;
        if (code.Operation == PushMachineFrame)
            *Interrupted = TRUE;
    }
    return TRUE;
}

/* ---- functions ---- */

/* The function that contains an RVA, and the RVA of its entry in the table. */
BOOLEAN LdrpFindFunction(const LDR_IMAGE *Image, const VOID *Memory, ULONG64 Rva, PULONG Entry,
                         PE_FUNCTION *Function)
{
    ULONG low = 0, high = Image->Exceptions.Size / sizeof(PE_FUNCTION);

    while (low < high) {
        ULONG middle = low + (high - low) / 2;
        const UCHAR *place;

        *Entry = Image->Exceptions.Rva + middle * (ULONG)sizeof(PE_FUNCTION);
        place = LdrpAt(Image, Memory, *Entry, sizeof(PE_FUNCTION));
        if (!place)
            return FALSE;
        memcpy(Function, place, sizeof(*Function));
        if (Rva < Function->Begin)
            high = middle;
        else if (Rva >= Function->End)
            low = middle + 1;
        else
            return TRUE;
    }
    return FALSE;
}

/* The handler stands behind the codes, and its data behind it; in a prologue nothing is guarded. */
static BOOLEAN ReadHandler(const LDR_UNWINDER *Unwinder, const UNWIND_INFO *Info, ULONG64 Rva,
                           PLDR_FRAME Frame)
{
    if ((Info->Flags & (FLAG_SEARCH | FLAG_UNWIND)) == 0)
        return TRUE;
    if (!ReadImage(Unwinder, Rva, &Frame->Handler, sizeof(Frame->Handler)))
        return FALSE;
    if (!LdrpIsCode(Unwinder->Image, Frame->Handler))
        return REFUSE("has a language handler at 0x%x, where there is no code", Frame->Handler);
    Frame->HandlerData = (ULONG)Rva + sizeof(Frame->Handler);
    Frame->ForSearch = (Info->Flags & FLAG_SEARCH) != 0;
    Frame->ForUnwind = (Info->Flags & FLAG_UNWIND) != 0;
    return TRUE;
}

/* A function may lie in several parts; each but the first names the one that it goes on from. */
static BOOLEAN UnwindFunction(const LDR_UNWINDER *Unwinder, PE_FUNCTION Function, ULONG Offset,
                              PCONTEXT Context, PLDR_FRAME Frame)
{
    BOOLEAN inPrologue = FALSE;
    UNWIND_INFO info;
    ULONG64 end = 0;

    for (ULONG part = 0; part < LONGEST_CHAIN; part++) {
        ULONG64 establisher;

        if (!ReadInfo(Unwinder, Function.UnwindInfo, &info, &end))
            return FALSE;
        establisher = FindEstablisher(&info, Context, Offset);
        if (part == 0) {
            Frame->Establisher = establisher;
            inPrologue = Offset < info.PrologueSize;
        }
        if (!UndoPrologue(Unwinder, &info, Offset, establisher, Context, &Frame->Interrupted))
            return FALSE;
        if ((info.Flags & FLAG_CHAINED) == 0)
            return inPrologue || ReadHandler(Unwinder, &info, end, Frame);
        if (!ReadImage(Unwinder, end, &Function, sizeof(Function)))
            return FALSE;
        Offset = WHOLE_PROLOGUE;
    }
    return REFUSE("has a function of more than %u parts", LONGEST_CHAIN);
}

/*
 * From the registers in a function of the image to those in its caller. AfterCall: Rip is where a
 * call returns to, and that may be the first byte of what is not guarded, or of another function;
 * the call itself counts.
 */
BOOLEAN LdrpUnwindFrame(const LDR_UNWINDER *Unwinder, BOOLEAN AfterCall, PCONTEXT Context,
                        PLDR_FRAME Frame)
{
    ULONG64 rva = Context->Rip - (AfterCall ? 1 : 0) - Unwinder->Base, stack = Context->Rsp;
    PE_FUNCTION function;

    memset(Frame, 0, sizeof(*Frame));
    Frame->Establisher = stack;
    if (LdrpFindFunction(Unwinder->Image, Unwinder->Memory, rva, &Frame->Function, &function)) {
        if (!UnwindFunction(Unwinder, function, (ULONG)rva - function.Begin, Context, Frame))
            return FALSE;
    } else {
        Frame->Function = 0;
    }
    if (!Frame->Interrupted && !UndoPush(Unwinder, Context, &Context->Rip))
        return FALSE;
    if (Context->Rsp <= stack)
        return REFUSE("has a frame that leads down the stack, from 0x%llx to 0x%llx", stack,
                      Context->Rsp);
    return TRUE;
}
