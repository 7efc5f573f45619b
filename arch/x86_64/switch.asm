; The switch from one thread to another: the registers that a called function must preserve go to
; the old thread's stack, the stack pointer to its KTHREAD, and the same backwards for the new
; one. Everything else the compiler has saved, since for it this is a call.

bits 64
default rel

%include "offsets.inc"

extern KiThreadStart

; XMM6 to XMM15, MXCSR, and 4 bytes that align.
SWITCH_XMM equ 10 * 16
SWITCH_BYTES equ SWITCH_XMM + 8
SWITCH_PUSHES equ 8

section .text

; VOID ArchSwitchThread(PKTHREAD Old, PKTHREAD New)
global ArchSwitchThread
ArchSwitchThread:
    push    rbp
    mov     rbp, rsp
    push    rbx
    push    rsi
    push    rdi
    push    r12
    push    r13
    push    r14
    push    r15
    sub     rsp, SWITCH_BYTES
%assign n 0
%rep 10
    %assign register n + 6
    movaps  [rsp + n * 16], xmm %+ register
    %assign n n + 1
%endrep
    stmxcsr [rsp + SWITCH_XMM]
    mov     [rcx + THREAD_STACK], rsp

    mov     rsp, [rdx + THREAD_STACK]
    ldmxcsr [rsp + SWITCH_XMM]
%assign n 0
%rep 10
    %assign register n + 6
    movaps  xmm %+ register, [rsp + n * 16]
    %assign n n + 1
%endrep
    add     rsp, SWITCH_BYTES
    pop     r15
    pop     r14
    pop     r13
    pop     r12
    pop     rdi
    pop     rsi
    pop     rbx
    pop     rbp
    ret

; Where the first switch to a thread returns to: a call, so that KiThreadStart finds the stack as
; the calling convention has it. It never returns.
ThreadBegin:
    call    KiThreadStart
    ud2

; PVOID ArchPrepareStack(PVOID StackTop): what a switch expects on a stack, with zeros in all
; registers, RBP among them (the end of the chain of frame pointers), and above it the home space
; of KiThreadStart.
global ArchPrepareStack
ArchPrepareStack:
    lea     rdx, [rcx - HOME_BYTES - 8]
    lea     rax, [ThreadBegin]
    mov     [rdx], rax
%assign n 1
%rep (SWITCH_PUSHES + SWITCH_BYTES / 8)
    mov     qword [rdx - n * 8], 0
    %assign n n + 1
%endrep
    lea     rax, [rdx - SWITCH_PUSHES * 8 - SWITCH_BYTES]
    mov     dword [rax + SWITCH_XMM], DEFAULT_MXCSR
    ret

section .note.GNU-stack noalloc noexec nowrite progbits
