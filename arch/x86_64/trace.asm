; The event trace's one writer. It is called where instructions are counted, so it is written out.
;
; A ring has one writer, its own processor, and the interrupt flag is off for the length of one
; event. So nothing comes between the choice of a place and the count that makes it valid: an
; interrupt that would log in the middle of a log is held until the event is whole, the thread
; cannot move to another processor meanwhile, and the times in a ring never decrease. No operation
; has to be atomic. An NMI is not held back, and does not log.
;
; The count is written last, and x86 keeps the order of writes: whoever reads the ring, on another
; processor or from outside, finds whole events below it. Places are used again, so of a full ring
; the oldest event may be in the middle of being overwritten: readers leave it out.

bits 64
default rel

%include "offsets.inc"

section .text

; VOID ArchWriteTraceEvent(ULONG64 Type, ULONG64 Object, ULONG64 Argument1, ULONG64 Argument2)
global ArchWriteTraceEvent
ArchWriteTraceEvent:
    pushfq
    cli
    mov     r10, [gs:PCR_TRACE_RING]
    mov     rax, [r10 + RING_NEXT]
    and     rax, [r10 + RING_MASK]
    shl     rax, EVENT_SHIFT
    lea     r11, [r10 + rax + RING_EVENTS]
    mov     [r11 + EVENT_OBJECT], rdx
    mov     [r11 + EVENT_ARGUMENT1], r8
    rdtsc
    shl     rdx, 32
    or      rax, rdx
    mov     [r11 + EVENT_TIME], rax
    shl     r9, 16
    mov     rax, cr8
    mov     [r11 + EVENT_TAIL], r9
    mov     [r11 + EVENT_TAIL], cl      ; the type
    mov     [r11 + EVENT_TAIL + 1], al  ; the IRQL
    inc     qword [r10 + RING_NEXT]
    popfq
    ret

section .note.GNU-stack noalloc noexec nowrite progbits
