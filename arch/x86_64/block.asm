; The block functions of the C library: memcpy, memmove, memset. A driver calls them with addresses
; that may be wrong, inside __try: so at every instruction that can fault it must be known what the
; registers were in the caller. Nothing is pushed but RBP, R10 holds the caller's RDI, R11 its RSI,
; and no other register that a function must keep is used (ArchReadContext, context.c).

bits 64
default rel

%ifdef METRONOME_HOST
    %define memcpy  RtlpMemcpy
    %define memmove RtlpMemmove
    %define memset  RtlpMemset
%endif

section .text

%macro ENTER_BLOCK 0
    push    rbp
    mov     rbp, rsp
    mov     r10, rdi
    mov     r11, rsi
    mov     rax, rcx
    mov     rdi, rcx
%endmacro

%macro LEAVE_BLOCK 0
    mov     rdi, r10
    mov     rsi, r11
    pop     rbp
    ret
%endmacro

; Eight bytes at a time, then the rest.
%macro COPY_UPWARDS 0
    mov     rcx, r8
    shr     rcx, 3
    rep     movsq
    mov     ecx, r8d
    and     ecx, 7
    rep     movsb
%endmacro

global KiBlockFunctions
KiBlockFunctions:

; void *memcpy(void *destination, const void *source, size_t count)
    align 16
global memcpy
memcpy:
    ENTER_BLOCK
    mov     rsi, rdx
    COPY_UPWARDS
    LEAVE_BLOCK

; void *memmove(void *destination, const void *source, size_t count): downwards only if the
; destination overlaps the end of the source.
    align 16
global memmove
memmove:
    ENTER_BLOCK
    mov     rsi, rdx
    mov     rcx, rdi
    sub     rcx, rsi
    cmp     rcx, r8
    jb      .downwards
    COPY_UPWARDS
    LEAVE_BLOCK
.downwards:
    mov     cl, [rsi + r8 - 1]
    mov     [rdi + r8 - 1], cl
    dec     r8
    jnz     .downwards
    LEAVE_BLOCK

; void *memset(void *destination, int value, size_t count)
    align 16
global memset
memset:
    ENTER_BLOCK
    mov     r9, rax
    movzx   eax, dl
    mov     rdx, 0x0101010101010101
    imul    rax, rdx
    mov     rcx, r8
    shr     rcx, 3
    rep     stosq
    mov     ecx, r8d
    and     ecx, 7
    rep     stosb
    mov     rax, r9
    LEAVE_BLOCK

global KiBlockFunctionsEnd
KiBlockFunctionsEnd:

section .note.GNU-stack noalloc noexec nowrite progbits
