; The kernel's entry point: from the loader's stack and tables to the first C function.
;
; RCX is the BOOT_INFO, interrupts are off, the kernel's segments are mapped (boot/bootinfo.h).

bits 64
default rel

%include "offsets.inc"

; The stack of the boot processor. The page below it is mapped by the loader, as it is a part of
; the image; the kernel's own page tables leave it out (paging.c).
section .bss.stack nobits alloc noexec write align=4096
global KiBootStackGuard
global KiBootStack
global KiBootStackTop
KiBootStackGuard:
    resb    PAGE_BYTES
KiBootStack:
    resb    STACK_BYTES
KiBootStackTop:

section .text

extern KiBootPcr
extern KiSystemStart

; VOID KiEntry(BOOT_INFO *BootInfo). Does not return.
global KiEntry
KiEntry:
    cli
    cld
    mov     r10, rcx

    ; The processor block behind GS, so that KeGetCurrentPrcb works from the first C line on.
    lea     rax, [KiBootPcr]
    mov     rdx, rax
    shr     rdx, 32
    mov     ecx, GS_BASE_MSR
    wrmsr

    mov     eax, HIGHEST_IRQL
    mov     cr8, rax

    ; RBP = 0 ends the chain of frame pointers; the zero is a return address that leads nowhere.
    lea     rsp, [KiBootStackTop]
    xor     ebp, ebp
    mov     rcx, r10
    sub     rsp, HOME_BYTES
    push    rbp
    jmp     KiSystemStart

section .note.GNU-stack noalloc noexec nowrite progbits
