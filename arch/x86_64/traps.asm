; The ways into the kernel: one stub per vector, each a few instructions that say which vector it
; is, then one of two common paths: interrupts, exceptions. Clock and dispatch interrupt have their own.
;
; What a stub leaves on the stack (KTRAP_FRAME, arch_inline.h), seen from the called C code:
;
;     SegSs, Rsp, RFlags, SegCs, Rip    pushed by the processor
;     Rbp                               <- RBP points here: a link in the chain of frame pointers,
;                                          [rbp] = interrupted RBP, [rbp + 8] = interrupted RIP
;     ... the other registers ...
;     Home                              <- RSP points here: the callee's home space
;
; Some exceptions push an error code behind RIP, where RBP belongs: the stub swaps the two.
; The processor aligns RSP to 16 before it pushes, and the frame is a multiple of 16 long, so the
; XMM registers lie aligned and the called function finds RSP as the calling convention wants it.

bits 64
default rel

%include "offsets.inc"

extern KiDispatchInterrupt
extern KiDispatchLevelInterrupt
extern KiClockInterrupt
extern KiHandleException
extern KdTraceClasses
extern KdTraceInterruptEnter
extern KdTraceInterruptExit

section .text

; ---- what the paths share ----

; The stub's first steps: room for the frame, and RBP as a link in the chain of frame pointers.
%macro MAKE_FRAME 0
    push    rbp
    mov     rbp, rsp
    sub     rsp, TF_RBP
    mov     [rsp + TF_RCX], rcx
%endmacro

; The volatile registers but RCX, which the stub has saved.
%macro SAVE_VOLATILE 0
    mov     [rsp + TF_RAX], rax
    mov     [rsp + TF_RDX], rdx
    mov     [rsp + TF_R8], r8
    mov     [rsp + TF_R9], r9
    mov     [rsp + TF_R10], r10
    mov     [rsp + TF_R11], r11
%endmacro

%macro SAVE_SSE 0
    movaps  [rsp + TF_XMM + 0x00], xmm0
    movaps  [rsp + TF_XMM + 0x10], xmm1
    movaps  [rsp + TF_XMM + 0x20], xmm2
    movaps  [rsp + TF_XMM + 0x30], xmm3
    movaps  [rsp + TF_XMM + 0x40], xmm4
    movaps  [rsp + TF_XMM + 0x50], xmm5
    stmxcsr [rsp + TF_MXCSR]
%endmacro

; One store for three fields: PreviousIrql, IsException = 0, Reserved = 0.
%macro SAVE_IRQL 0
    mov     rax, cr8
    mov     [rsp + TF_PREVIOUS_IRQL], eax
%endmacro

%macro RESTORE_SSE 0
    ldmxcsr [rsp + TF_MXCSR]
    movaps  xmm0, [rsp + TF_XMM + 0x00]
    movaps  xmm1, [rsp + TF_XMM + 0x10]
    movaps  xmm2, [rsp + TF_XMM + 0x20]
    movaps  xmm3, [rsp + TF_XMM + 0x30]
    movaps  xmm4, [rsp + TF_XMM + 0x40]
    movaps  xmm5, [rsp + TF_XMM + 0x50]
%endmacro

%macro RESTORE_VOLATILE 0
    mov     rax, [rsp + TF_RAX]
    mov     rcx, [rsp + TF_RCX]
    mov     rdx, [rsp + TF_RDX]
    mov     r8, [rsp + TF_R8]
    mov     r9, [rsp + TF_R9]
    mov     r10, [rsp + TF_R10]
    mov     r11, [rsp + TF_R11]
%endmacro

; ---- interrupts ----

; Interrupts are off all the way; what the called C code may change is saved, and nothing else.
; Costs are counted in instructions here.

; What has become pending below the vector's class waits in the local APIC; lowering CR8 lets it
; through, iretq turns interrupts on, and it is taken there, before the interrupted code goes on
; and with this frame already gone.
%macro RETURN_FROM_INTERRUPT 0
    mov     eax, [rsp + TF_PREVIOUS_IRQL]
    mov     cr8, rax
    RESTORE_VOLATILE
    leave
    iretq
%endmacro

; The common path, the vector in ECX. The vector's class is its IRQL.
    align 16
KiInterrupt:
    SAVE_VOLATILE
    SAVE_SSE
    SAVE_IRQL
    mov     edx, ecx
    shr     edx, 4
    mov     cr8, rdx

    cld
    mov     rdx, rsp
    test    byte [KdTraceClasses], TRACE_FLOW
    jnz     KiTraceInterrupt.enter
.entered:
    call    KiDispatchInterrupt
    test    byte [KdTraceClasses], TRACE_FLOW
    jnz     KiTraceInterrupt.exit
.served:
    RESTORE_SSE
    RETURN_FROM_INTERRUPT
INTERRUPT_BYTES equ $ - KiInterrupt

; What the event trace costs while it is on lies out of the way.
KiTraceInterrupt:
.enter:
    call    KdTraceInterruptEnter
    mov     ecx, eax
    mov     rdx, rsp
    jmp     KiInterrupt.entered
.exit:
    mov     rcx, rsp
    call    KdTraceInterruptExit
    jmp     KiInterrupt.served
TRACE_BYTES equ $ - KiTraceInterrupt

%macro INTERRUPT_STUB 1
    align 16
KiTrap%1:
    MAKE_FRAME
    mov     ecx, %1
    jmp     KiInterrupt
%endmacro

; The dispatch interrupt is what everything leads to, and the clock's is what comes most often. Each
; has a path to itself: its stub leads nowhere else, and nobody has to look up which vector it was.
; %1 vector, %2 label, %3 C function, %4 1: it may call a driver's code, which may use SSE,
; %5 1: it is given the frame.
%macro DIRECT_STUB 5
    align 16
KiTrap%1:
    MAKE_FRAME
%2:
    SAVE_VOLATILE
    %if %4
        SAVE_SSE
    %endif
    SAVE_IRQL
    mov     edx, %1 >> 4
    mov     cr8, rdx

    cld
    test    byte [KdTraceClasses], TRACE_FLOW
    jnz     .traced
    %if %5
        mov     rcx, rsp
    %endif
    call    %3
.return:
    %if %4
        RESTORE_SSE
    %endif
    RETURN_FROM_INTERRUPT

.traced:
    mov     ecx, %1
    mov     rdx, rsp
    call    KdTraceInterruptEnter
    mov     rcx, rsp
    call    %3
    test    byte [KdTraceClasses], TRACE_FLOW   ; another thread may have run meanwhile
    jz      .return
    mov     rcx, rsp
    call    KdTraceInterruptExit
    jmp     .return
%2_BYTES equ $ - %2
%endmacro

; ---- exceptions ----

%macro EXCEPTION_STUB 1
    align 16
KiTrap%1:
    MAKE_FRAME
    mov     qword [rsp + TF_ERROR_CODE], 0
    mov     ecx, %1
    jmp     KiException
%endmacro

; The error code lies where RBP belongs.
%macro EXCEPTION_STUB_WITH_CODE 1
    align 16
KiTrap%1:
    xchg    rbp, [rsp]
    sub     rsp, TF_RBP
    mov     [rsp + TF_ERROR_CODE], rbp
    lea     rbp, [rsp + TF_RBP]
    mov     [rsp + TF_RCX], rcx
    mov     ecx, %1
    jmp     KiException
%endmacro

; An exception runs at the IRQL of the code that caused it, and KiHandleException restores its
; interrupt flag. All registers are kept, for the report, and loaded again: the handler may have
; changed them.
    align 16
KiException:
    SAVE_VOLATILE
    mov     [rsp + TF_RBX], rbx
    mov     [rsp + TF_RSI], rsi
    mov     [rsp + TF_RDI], rdi
    mov     [rsp + TF_R12], r12
    mov     [rsp + TF_R13], r13
    mov     [rsp + TF_R14], r14
    mov     [rsp + TF_R15], r15
    mov     rax, cr2
    mov     [rsp + TF_CR2], rax
    SAVE_SSE
    SAVE_IRQL
    mov     byte [rsp + TF_IS_EXCEPTION], 1

    cld
    mov     rdx, rsp
    call    KiHandleException

    RESTORE_SSE
    RESTORE_VOLATILE
    mov     rbx, [rsp + TF_RBX]
    mov     rsi, [rsp + TF_RSI]
    mov     rdi, [rsp + TF_RDI]
    mov     r12, [rsp + TF_R12]
    mov     r13, [rsp + TF_R13]
    mov     r14, [rsp + TF_R14]
    mov     r15, [rsp + TF_R15]
    leave
EXCEPTION_BYTES equ $ - KiException
    iretq

; ---- exceptions that are raised by a call ----

; The stack as a trap would have left it that came right behind the call: so the dispatcher sees one
; kind of exception. The status stands where RCX of the frame does; the vector is one that no
; processor has. A caller has RSP at a multiple of 16 when it calls, as the processor makes it.
    align 16
global ExRaiseAccessViolation
ExRaiseAccessViolation:
    mov     ecx, 0xC0000005
    jmp     ExRaiseStatus

    align 16
global ExRaiseDatatypeMisalignment
ExRaiseDatatypeMisalignment:
    mov     ecx, 0x80000002
    jmp     ExRaiseStatus

    align 16
global ExRaiseStatus
ExRaiseStatus:
    pop     rax
    mov     r10, rsp
    mov     edx, ss
    push    rdx
    push    r10
    pushfq
    mov     edx, cs
    push    rdx
    push    rax
    MAKE_FRAME
    mov     qword [rsp + TF_ERROR_CODE], 0
    mov     ecx, RAISED_VECTOR
    jmp     KiException

; ---- a call that changes no register ----

; The function and its four arguments lie on the stack (ArchCallKeepingRegisters, arch_inline.h)
; and are taken off it.
    align 16
global KiCallKeepingRegisters
KiCallKeepingRegisters:
    push    rbp
    mov     rbp, rsp
    push    rax
    push    rcx
    push    rdx
    push    r8
    push    r9
    push    r10
    push    r11
    mov     rcx, [rbp + 24]
    mov     rdx, [rbp + 32]
    mov     r8, [rbp + 40]
    mov     r9, [rbp + 48]
    sub     rsp, HOME_BYTES
    and     rsp, -16
    call    [rbp + 16]
    mov     r11, [rbp - 56]
    mov     r10, [rbp - 48]
    mov     r9, [rbp - 40]
    mov     r8, [rbp - 32]
    mov     rdx, [rbp - 24]
    mov     rcx, [rbp - 16]
    mov     rax, [rbp - 8]
    leave
    ret     40

; ---- the stubs ----

; Double fault, invalid TSS, segment not present, stack fault, general protection, page fault,
; alignment check, control protection, VMM communication, security.
%define HAS_CODE(v) ((v) == 8 || ((v) >= 10 && (v) <= 14) || (v) == 17 || (v) == 21 || (v) == 29 \
        || (v) == 30)

; 0x1F is the APC interrupt. `int 2C` is an assertion failure in code built with the WDK: it
; is raised by an instruction, so it is served like int3.
%define IS_EXCEPTION(v) ((v) < APC_VECTOR || (v) == ASSERT_VECTOR)

%assign vector 0
%rep 256
    %if vector == DISPATCH_VECTOR
        DIRECT_STUB vector, KiDispatchLevel, KiDispatchLevelInterrupt, 1, 0
    %elif vector == CLOCK_VECTOR
        DIRECT_STUB vector, KiClock, KiClockInterrupt, 0, 1
    %elif !IS_EXCEPTION(vector)
        INTERRUPT_STUB vector
    %elif HAS_CODE(vector)
        EXCEPTION_STUB_WITH_CODE vector
    %else
        EXCEPTION_STUB vector
    %endif
    %assign vector vector + 1
%endrep

section .rodata
    align 8
global KiTrapStubs
KiTrapStubs:
%macro STUB_ADDRESS 1
    dq      KiTrap%1
%endmacro
%assign vector 0
%rep 256
    STUB_ADDRESS vector
    %assign vector vector + 1
%endrep

; ---- for the debugger ----

%include "unwind.inc"
    UNWIND_ENTRY KiInterrupt, INTERRUPT_BYTES, SAVED_BY_INTERRUPT
    UNWIND_ENTRY KiTraceInterrupt, TRACE_BYTES, SAVED_BY_INTERRUPT
    UNWIND_ENTRY KiDispatchLevel, KiDispatchLevel_BYTES, SAVED_BY_INTERRUPT
    UNWIND_ENTRY KiClock, KiClock_BYTES, SAVED_BY_INTERRUPT
    UNWIND_ENTRY KiException, EXCEPTION_BYTES, SAVED_BY_EXCEPTION

section .note.GNU-stack noalloc noexec nowrite progbits
