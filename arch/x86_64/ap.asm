; The first instructions of every processor but the first: from real mode to the kernel's tables.
;
; A processor that receives the start-up interrupt begins at offset 0 of the start page, a page
; below 1 MiB which holds a copy of KiStartCode. It gets to 64-bit mode in one step: with PAE,
; page tables and EFER.LME set up, the write to CR0 turns on protection and paging together. The
; page tables for that moment map the kernel's image, and the start page at its own address;
; KiContinueStart, in the image, leaves them again, and with them everything that the processor
; remembers of that mapping.

default rel

%include "offsets.inc"

CODE_SELECTOR equ 8

section .rodata

; Offsets inside the start page.
%define AT(label) ((label) - KiStartCode)

    align 16
global KiStartCode
global KiStartCodeBytes
global KiStartBlockOffset

bits 16
KiStartCode:
    cli
    cld
    mov     ax, cs
    mov     ds, ax
    movzx   ebx, ax
    shl     ebx, 4                      ; ebx: the page's linear address

    ; Two addresses depend on it. Every processor writes the same values.
    lea     eax, [ebx + AT(.gdt)]
    mov     [AT(.gdt_pointer) + 2], eax
    lea     eax, [ebx + AT(.long_mode)]
    mov     [AT(.far_pointer)], eax

    o32 lgdt [AT(.gdt_pointer)]
    mov     eax, START_CR4
    mov     cr4, eax
    mov     eax, [AT(.block) + START_ROOT]
    mov     cr3, eax
    mov     ecx, EFER_MSR
    mov     eax, START_EFER
    xor     edx, edx
    wrmsr
    mov     eax, START_CR0              ; caches on, too
    mov     cr0, eax
    jmp     dword far [AT(.far_pointer)]

bits 64
.long_mode:
    mov     edi, ebx                    ; rdi: the page; the upper half was undefined
    xor     eax, eax
    mov     ss, eax
    mov     ds, eax
    mov     es, eax

    ; The block is for one processor. One that was given up and comes too late stays here.
    mov     eax, 1
    cpuid
    shr     ebx, 24
    cmp     ebx, [rdi + AT(.block) + START_APIC_ID]
    jne     .halt
    mov     rsp, [rdi + AT(.block) + START_STACK_TOP]
    mov     rcx, [rdi + AT(.block) + START_PCR]
    mov     rdx, [rdi + AT(.block) + START_KERNEL_ROOT]
    jmp     [rdi + AT(.block) + START_CONTINUE]

.halt:
    cli
    hlt
    jmp     .halt

    align 8
.gdt:
    dq      0
    dq      0x00209A0000000000          ; 64-bit code, ring 0
.gdt_end:
.gdt_pointer:
    dw      .gdt_end - .gdt - 1
    dd      0
.far_pointer:
    dd      0
    dw      CODE_SELECTOR
    align 8
.block:
    times START_BLOCK_BYTES db 0
.end:

KiStartCodeBytes:
    dd      KiStartCode.end - KiStartCode
KiStartBlockOffset:
    dd      KiStartCode.block - KiStartCode

bits 64
section .text

extern KiStartThisProcessor

; RCX: the KPCR, RDX: the kernel's page tables, RSP: the upper end of the processor's stack.
global KiContinueStart
KiContinueStart:
    mov     cr3, rdx
    xor     ebp, ebp
    sub     rsp, HOME_BYTES
    push    rbp                         ; a return address that leads nowhere
    jmp     KiStartThisProcessor

section .note.GNU-stack noalloc noexec nowrite progbits
