; The last instructions of the loader. They run in the identity map, which the firmware's tables
; and the kernel's first ones have in common; the kernel's entry point ends their use.

bits 64
default rel

EFER            equ 0xC0000080
EFER_NO_EXECUTE equ 1 << 11     ; NXE: bit 63 of a page table entry forbids execution
CR0_PROTECT     equ 1 << 16     ; WP: read-only pages hold for ring 0, too
FLAGS_CLEAR     equ 2           ; the bit of RFLAGS that is always set
HOME_SPACE      equ 32

section .text

; void JumpToKernel(UINT64 Cr3, UINT64 StackTop, UINT64 BootInfo, UINT64 Entry)
; Microsoft x64: rcx, rdx, r8, r9. Does not return.
global JumpToKernel
JumpToKernel:
    cli
    mov     r10, rcx
    mov     r11, rdx

    mov     ecx, EFER
    rdmsr
    or      eax, EFER_NO_EXECUTE
    wrmsr

    mov     cr3, r10
    mov     rax, cr0
    or      rax, CR0_PROTECT
    mov     cr0, rax

    ; The entry point sees what a function sees after a call:
    ;
    ;     StackTop ->  (aligned to 16)
    ;                  32 bytes of home space
    ;     rsp ->       return address: 0, where a backtrace ends
    mov     rsp, r11
    push    qword FLAGS_CLEAR
    popfq
    sub     rsp, HOME_SPACE
    push    qword 0
    xor     ebp, ebp
    mov     rcx, r8
    jmp     r9

section .note.GNU-stack noalloc noexec nowrite progbits
