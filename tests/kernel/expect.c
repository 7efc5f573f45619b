/*
 * Expected bug checks. The hook of KeBugCheckEx jumps back into the test, and what the jump skips
 * is repaired here: IRQL, interrupt flag, interrupts in service, the processor's bookkeeping.
 * Every processor has its own expectation; it is armed and met on that processor.
 */
#include "suite.h"

#define APIC_IN_SERVICE 0x100 /* eight registers, 16 bytes apart */

/* RIP, RSP and the registers that a callee preserves. */
typedef ULONG_PTR JUMP_BUFFER[10];

typedef struct _EXPECTATION {
    JUMP_BUFFER Jump;
    volatile BOOLEAN Armed;
    ULONG64 Code;
    ULONG_PTR Parameters[4];
    PCSTR File;
    ULONG Line;
    KT_BUGCHECK Actual;

    /* as they were when it was armed */
    KIRQL Irql;
    ULONG_PTR Flags;
    ULONG InService;
    ULONG InterruptDepth, DpcTimeCount, DpcWatchdogCount;
    PKDEFERRED_ROUTINE DpcRoutine;
    BOOLEAN TimerDpc, DispatchRequested;
} EXPECTATION;

static EXPECTATION Expectations[MAXIMUM_PROCESSORS];

VOID KtNameCurrentTest(VOID);
DECLSPEC_NORETURN VOID KtLongJump(PVOID Buffer, ULONG Value);

/* ULONG KtSetJump(PVOID Buffer) returns 0, and again with Value after KtLongJump. */
__asm__(".text\n"
        ".globl KtSetJump, KtLongJump, KtReadByte, KtWriteByte, KtJumpTo\n"
        "KtSetJump:\n"
        "    movq (%rsp), %rax\n"
        "    movq %rax, 0(%rcx)\n"
        "    leaq 8(%rsp), %rax\n"
        "    movq %rax, 8(%rcx)\n"
        "    movq %rbx, 16(%rcx)\n"
        "    movq %rbp, 24(%rcx)\n"
        "    movq %rsi, 32(%rcx)\n"
        "    movq %rdi, 40(%rcx)\n"
        "    movq %r12, 48(%rcx)\n"
        "    movq %r13, 56(%rcx)\n"
        "    movq %r14, 64(%rcx)\n"
        "    movq %r15, 72(%rcx)\n"
        "    xorl %eax, %eax\n"
        "    ret\n"
        "KtLongJump:\n"
        "    movl %edx, %eax\n"
        "    movq 8(%rcx), %rsp\n"
        "    movq 16(%rcx), %rbx\n"
        "    movq 24(%rcx), %rbp\n"
        "    movq 32(%rcx), %rsi\n"
        "    movq 40(%rcx), %rdi\n"
        "    movq 48(%rcx), %r12\n"
        "    movq 56(%rcx), %r13\n"
        "    movq 64(%rcx), %r14\n"
        "    movq 72(%rcx), %r15\n"
        "    jmp *(%rcx)\n"
        "KtReadByte:\n"
        "    movb (%rcx), %al\n"
        "    ret\n"
        "KtWriteByte:\n"
        "    movb %dl, (%rcx)\n"
        "    ret\n"
        "KtJumpTo:\n"
        "    jmp *%rcx\n");

static EXPECTATION *Mine(VOID)
{
    return &Expectations[KeGetCurrentProcessorIndex()];
}

PVOID KtJumpBuffer(VOID)
{
    return Mine()->Jump;
}

const KT_BUGCHECK *KtLastBugCheck(VOID)
{
    return &Mine()->Actual;
}

/* Interrupts whose end the local APIC has not been told. */
static ULONG CountInService(VOID)
{
    ULONG count = 0;

    for (ULONG i = 0; i < 8; i++)
        for (ULONG bits = ArchLocalApic[APIC_IN_SERVICE / 4 + 4 * i]; bits; bits &= bits - 1)
            count++;
    return count;
}

/* KeBugCheckEx calls this first. Returns only when nobody has expected this. */
static VOID Hook(ULONG Code, const ULONG_PTR Parameters[4], KIRQL Irql)
{
    EXPECTATION *mine = Mine();

    if (!mine->Armed) {
        KiBugCheckHook = NULL;
        KtNameCurrentTest();
        return;
    }
    ArchDisableInterrupts();
    mine->Armed = FALSE;
    mine->Actual.Code = Code;
    memcpy(mine->Actual.Parameters, Parameters, sizeof(mine->Actual.Parameters));
    mine->Actual.Irql = Irql;
    KtLongJump(mine->Jump, 1);
}

BOOLEAN KtArm(ULONG64 Code, ULONG_PTR P1, ULONG_PTR P2, ULONG_PTR P3, ULONG_PTR P4, PCSTR File,
              ULONG Line)
{
    PKPRCB prcb = KeGetCurrentPrcb();
    EXPECTATION *mine = Mine();

    mine->Code = Code;
    mine->Parameters[0] = P1;
    mine->Parameters[1] = P2;
    mine->Parameters[2] = P3;
    mine->Parameters[3] = P4;
    mine->File = File;
    mine->Line = Line;
    mine->Irql = KeGetCurrentIrql();
    mine->Flags = ArchDisableInterrupts();
    mine->InService = CountInService();
    mine->InterruptDepth = prcb->InterruptDepth;
    mine->DpcTimeCount = prcb->DpcTimeCount;
    mine->DpcWatchdogCount = prcb->DpcWatchdogCount;
    mine->DpcRoutine = prcb->DpcRoutine;
    mine->TimerDpc = prcb->TimerDpc;
    mine->DispatchRequested = prcb->DpcData.DispatchRequested;
    ArchRestoreInterrupts(mine->Flags);
    KiBugCheckHook = Hook;
    return TRUE;
}

/* With interrupts off: what the skipped part of the kernel would have undone. */
static VOID Repair(const EXPECTATION *Mine)
{
    PKPRCB prcb = KeGetCurrentPrcb();

    while (CountInService() > Mine->InService)
        ArchEndInterrupt();
    prcb->InterruptDepth = Mine->InterruptDepth;
    prcb->DpcTimeCount = Mine->DpcTimeCount;
    prcb->DpcWatchdogCount = Mine->DpcWatchdogCount;
    prcb->DpcRoutine = Mine->DpcRoutine;
    prcb->TimerDpc = Mine->TimerDpc;
    prcb->DpcData.DispatchRequested = Mine->DispatchRequested;
    KiSetClockForTimers(prcb); /* if a clock interrupt was left, it has not set the next one */
}

static BOOLEAN Agrees(ULONG64 Expected, ULONG64 Actual)
{
    return Expected == ANY || Expected == Actual;
}

static VOID Judge(const EXPECTATION *Mine)
{
    const ULONG_PTR *actual = Mine->Actual.Parameters;
    BOOLEAN agrees = Agrees(Mine->Code, Mine->Actual.Code);
    CHAR text[200];

    for (ULONG i = 0; i < 4; i++)
        if (!Agrees(Mine->Parameters[i], actual[i]))
            agrees = FALSE;
    RtlStringPrint(text, sizeof(text),
                   "bug check 0x%X (0x%llX, 0x%llX, 0x%llX, 0x%llX) in place of 0x%llX "
                   "(0x%llX, 0x%llX, 0x%llX, 0x%llX)",
                   Mine->Actual.Code, actual[0], actual[1], actual[2], actual[3], Mine->Code,
                   Mine->Parameters[0], Mine->Parameters[1], Mine->Parameters[2],
                   Mine->Parameters[3]);
    KtCheck(agrees, text, Mine->File, Mine->Line);
}

/* TRUE at first; FALSE after the jump back. */
BOOLEAN KtEnter(ULONG Jumped)
{
    EXPECTATION *mine = Mine();

    if (!Jumped) {
        mine->Armed = TRUE;
        return TRUE;
    }
    Repair(mine);
    ArchWriteIrql(mine->Irql);
    ArchRestoreInterrupts(mine->Flags);
    Judge(mine);
    return FALSE;
}

/* The statements have come to their end: no bug check. */
BOOLEAN KtMissed(VOID)
{
    EXPECTATION *mine = Mine();
    CHAR text[64];

    mine->Armed = FALSE;
    memset(&mine->Actual, 0, sizeof(mine->Actual));
    RtlStringPrint(text, sizeof(text), "no bug check, but 0x%llX was expected", mine->Code);
    KtCheck(FALSE, text, mine->File, mine->Line);
    if (KeGetCurrentIrql() != mine->Irql)
        ArchWriteIrql(mine->Irql);
    ArchRestoreInterrupts(mine->Flags);
    return FALSE;
}
