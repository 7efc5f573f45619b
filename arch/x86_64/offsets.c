/*
 * The numbers that the assembly files need, taken from the C structures. This file is compiled
 * to assembly only; each line below leaves "->NAME $value" there, which Makefile.inc turns into
 * "NAME equ value" in $(BUILD)/arch/offsets.inc.
 */
#include "ke.h"
#include "cpu.h"
#include "processors.h"
#include "traps.h"

#define VALUE(name, value) \
    __asm__ volatile("\n\t.ascii \"->" #name " %0\"" : : "i"((ULONG64)(value)))
#define OFFSET(name, type, field) VALUE(name, offsetof(type, field))

/* The stubs write these three with one 32-bit store. */
_Static_assert(offsetof(KTRAP_FRAME, PreviousIrql) % 4 == 0 &&
                   offsetof(KTRAP_FRAME, IsException) == offsetof(KTRAP_FRAME, PreviousIrql) + 1 &&
                   offsetof(KTRAP_FRAME, Reserved) == offsetof(KTRAP_FRAME, PreviousIrql) + 2,
               "PreviousIrql, IsException and Reserved are not one ULONG");
/* RSP is 16-aligned behind the processor's pushes and RBP; it has to be again in front of C. */
_Static_assert(offsetof(KTRAP_FRAME, Rbp) % 16 == 0 && offsetof(KTRAP_FRAME, Xmm) % 16 == 0,
               "a trap frame would not be aligned");
/* [rbp] and [rbp + 8] are what a backtrace reads. */
_Static_assert(offsetof(KTRAP_FRAME, Rip) == offsetof(KTRAP_FRAME, Rbp) + 8,
               "a trap frame is no link in the chain of frame pointers");
_Static_assert(sizeof(KTRAP_FRAME) == offsetof(KTRAP_FRAME, Rip) + 5 * 8,
               "something follows what the processor pushes");

/* Never called, and never linked. */
static __attribute__((used)) VOID Offsets(VOID)
{
    OFFSET(TF_XMM, KTRAP_FRAME, Xmm);
    OFFSET(TF_RAX, KTRAP_FRAME, Rax);
    OFFSET(TF_RCX, KTRAP_FRAME, Rcx);
    OFFSET(TF_RDX, KTRAP_FRAME, Rdx);
    OFFSET(TF_R8, KTRAP_FRAME, R8);
    OFFSET(TF_R9, KTRAP_FRAME, R9);
    OFFSET(TF_R10, KTRAP_FRAME, R10);
    OFFSET(TF_R11, KTRAP_FRAME, R11);
    OFFSET(TF_RBX, KTRAP_FRAME, Rbx);
    OFFSET(TF_RSI, KTRAP_FRAME, Rsi);
    OFFSET(TF_RDI, KTRAP_FRAME, Rdi);
    OFFSET(TF_R12, KTRAP_FRAME, R12);
    OFFSET(TF_R13, KTRAP_FRAME, R13);
    OFFSET(TF_R14, KTRAP_FRAME, R14);
    OFFSET(TF_R15, KTRAP_FRAME, R15);
    OFFSET(TF_ERROR_CODE, KTRAP_FRAME, ErrorCode);
    OFFSET(TF_CR2, KTRAP_FRAME, Cr2);
    OFFSET(TF_MXCSR, KTRAP_FRAME, MxCsr);
    OFFSET(TF_PREVIOUS_IRQL, KTRAP_FRAME, PreviousIrql);
    OFFSET(TF_IS_EXCEPTION, KTRAP_FRAME, IsException);
    OFFSET(TF_RBP, KTRAP_FRAME, Rbp);
    OFFSET(TF_RIP, KTRAP_FRAME, Rip);

    OFFSET(START_ROOT, START_BLOCK, StartRoot);
    OFFSET(START_APIC_ID, START_BLOCK, ApicId);
    OFFSET(START_KERNEL_ROOT, START_BLOCK, KernelRoot);
    OFFSET(START_STACK_TOP, START_BLOCK, StackTop);
    OFFSET(START_PCR, START_BLOCK, Pcr);
    OFFSET(START_CONTINUE, START_BLOCK, Continue);
    VALUE(START_BLOCK_BYTES, sizeof(START_BLOCK));

    OFFSET(THREAD_STACK, KTHREAD, KernelStack);
    VALUE(DEFAULT_MXCSR, 0x1F80);

    OFFSET(PCR_TRACE_RING, KPCR, Prcb.TraceRing);
    OFFSET(RING_NEXT, KTRACE_RING, Next);
    OFFSET(RING_MASK, KTRACE_RING, Mask);
    OFFSET(RING_EVENTS, KTRACE_RING, Events);
    VALUE(EVENT_SHIFT, __builtin_ctz(sizeof(KTRACE_EVENT)));
    OFFSET(EVENT_TIME, KTRACE_EVENT, Time);
    OFFSET(EVENT_OBJECT, KTRACE_EVENT, Object);
    OFFSET(EVENT_ARGUMENT1, KTRACE_EVENT, Argument1);
    OFFSET(EVENT_TAIL, KTRACE_EVENT, Tail);
    VALUE(TRACE_FLOW, KD_CLASS_FLOW);

    VALUE(APC_VECTOR, APC_VECTOR);
    VALUE(DISPATCH_VECTOR, DISPATCH_VECTOR);
    VALUE(CLOCK_VECTOR, CLOCK_VECTOR);
    VALUE(ASSERT_VECTOR, ASSERT_VECTOR);
    VALUE(RAISED_VECTOR, RAISED_VECTOR);
    VALUE(HIGHEST_IRQL, HIGH_LEVEL);
    VALUE(PAGE_BYTES, PAGE_SIZE);
    VALUE(STACK_BYTES, KERNEL_STACK_SIZE);
    VALUE(HOME_BYTES, sizeof(((KTRAP_FRAME *)0)->Home));
    VALUE(GS_BASE_MSR, MSR_GS_BASE);
    VALUE(EFER_MSR, MSR_EFER);
    VALUE(START_EFER, EFER_LONG_MODE | EFER_NO_EXECUTE);
    VALUE(START_CR4, CR4_PAE);
    VALUE(START_CR0, CR0_PROTECTED_MODE | CR0_EXTENSION_TYPE | CR0_WRITE_PROTECT | CR0_PAGING);
}
