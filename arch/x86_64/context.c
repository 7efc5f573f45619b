/*
 * Between the frame of an exception and the CONTEXT of the Windows headers. The stubs save XMM0 to
 * XMM5; the others are in the processor still, because the kernel itself uses none, and a switch
 * of threads keeps them.
 */
#include "traps.h"
#include "mapping.h"
#include "exception.h"

#define FIRST_LIVE_XMM 6
#define CONTEXT_FULL   0x0010000Bu /* control, integer and floating point registers of x86-64 */

/* block.asm */
extern const UCHAR KiBlockFunctions[], KiBlockFunctionsEnd[];

_Static_assert(sizeof(((KTRAP_FRAME *)0)->Xmm) == FIRST_LIVE_XMM * sizeof(M128A),
               "a trap frame holds other XMM registers");

static VOID ReadLiveXmm(PM128A Xmm)
{
    __asm__ volatile("movups %%xmm6, 0x60(%0)\n\tmovups %%xmm7, 0x70(%0)\n\t"
                     "movups %%xmm8, 0x80(%0)\n\tmovups %%xmm9, 0x90(%0)\n\t"
                     "movups %%xmm10, 0xA0(%0)\n\tmovups %%xmm11, 0xB0(%0)\n\t"
                     "movups %%xmm12, 0xC0(%0)\n\tmovups %%xmm13, 0xD0(%0)\n\t"
                     "movups %%xmm14, 0xE0(%0)\n\tmovups %%xmm15, 0xF0(%0)"
                     :
                     : "r"(Xmm)
                     : "memory");
}

/* What the kernel's code up to the stub's end leaves alone. */
static VOID WriteLiveXmm(const M128A *Xmm)
{
    __asm__ volatile("movups 0x60(%0), %%xmm6\n\tmovups 0x70(%0), %%xmm7\n\t"
                     "movups 0x80(%0), %%xmm8\n\tmovups 0x90(%0), %%xmm9\n\t"
                     "movups 0xA0(%0), %%xmm10\n\tmovups 0xB0(%0), %%xmm11\n\t"
                     "movups 0xC0(%0), %%xmm12\n\tmovups 0xD0(%0), %%xmm13\n\t"
                     "movups 0xE0(%0), %%xmm14\n\tmovups 0xF0(%0), %%xmm15"
                     :
                     : "r"(Xmm)
                     : "memory");
}

/* A block function has moved three registers and its return address (block.asm). */
static VOID LeaveBlockFunction(PCONTEXT Context)
{
    const ULONG64 *link = (const ULONG64 *)Context->Rbp;

    Context->Rdi = Context->R10;
    Context->Rsi = Context->R11;
    Context->Rsp = (ULONG64)(link + 2);
    Context->Rip = link[1];
    Context->Rbp = link[0];
}

/*
 * The registers of the code that caused an exception. A fault in memcpy, memmove or memset counts
 * as one of their caller: then *AfterCall is set, Rip being where the call would have returned to.
 * *StackEnd is the upper end of the stack that it runs on.
 *
 * IRQL:    any
 * Locks:   none
 * Context: the exception's, in which no code has run that uses SSE
 * Returns: FALSE if RSP is in no stack of the kernel's
 * Source:  arch.h
 */
BOOLEAN ArchReadContext(const struct _KTRAP_FRAME *TrapFrame, PCONTEXT Context, PBOOLEAN AfterCall,
                        PULONG_PTR StackEnd)
{
    const KTRAP_FRAME *frame = TrapFrame;
    ULONG_PTR low;

    if (!KiFindStack(frame->Rsp, &low, StackEnd))
        return FALSE;
    *Context = (CONTEXT){
        .ContextFlags = CONTEXT_FULL,
        .MxCsr = frame->MxCsr,
        .SegCs = (USHORT)frame->SegCs,
        .SegSs = (USHORT)frame->SegSs,
        .EFlags = (ULONG)frame->RFlags,
        .Rip = frame->Rip,
        .Rax = frame->Rax,
        .Rcx = frame->Rcx,
        .Rdx = frame->Rdx,
        .Rbx = frame->Rbx,
        .Rsp = frame->Rsp,
        .Rbp = frame->Rbp,
        .Rsi = frame->Rsi,
        .Rdi = frame->Rdi,
        .R8 = frame->R8,
        .R9 = frame->R9,
        .R10 = frame->R10,
        .R11 = frame->R11,
        .R12 = frame->R12,
        .R13 = frame->R13,
        .R14 = frame->R14,
        .R15 = frame->R15,
    };
    memcpy(Context->Xmm, frame->Xmm, sizeof(frame->Xmm));
    ReadLiveXmm(Context->Xmm);
    *AfterCall =
        frame->Rip >= (ULONG_PTR)KiBlockFunctions && frame->Rip < (ULONG_PTR)KiBlockFunctionsEnd;
    if (*AfterCall)
        LeaveBlockFunction(Context);
    return TRUE;
}

/*
 * Makes the end of an exception go on with other registers. The caller returns to the stub without
 * running code that uses SSE. Segments and flags stay as they are.
 *
 * IRQL:    any
 * Locks:   none
 * Context: the exception's
 * Returns: nothing
 * Source:  arch.h
 */
VOID ArchWriteContext(struct _KTRAP_FRAME *TrapFrame, const CONTEXT *Context)
{
    PKTRAP_FRAME frame = TrapFrame;

    frame->Rip = Context->Rip;
    frame->Rsp = Context->Rsp;
    frame->Rbp = Context->Rbp;
    frame->Rax = Context->Rax;
    frame->Rcx = Context->Rcx;
    frame->Rdx = Context->Rdx;
    frame->Rbx = Context->Rbx;
    frame->Rsi = Context->Rsi;
    frame->Rdi = Context->Rdi;
    frame->R8 = Context->R8;
    frame->R9 = Context->R9;
    frame->R10 = Context->R10;
    frame->R11 = Context->R11;
    frame->R12 = Context->R12;
    frame->R13 = Context->R13;
    frame->R14 = Context->R14;
    frame->R15 = Context->R15;
    memcpy(frame->Xmm, Context->Xmm, sizeof(frame->Xmm));
    WriteLiveXmm(Context->Xmm);
}
