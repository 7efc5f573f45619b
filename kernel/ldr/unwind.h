/*
 * The frames of functions in a driver's image, taken off the stack by the image's own tables
 * (.pdata, .xdata). A library as pe.h is one: it trusts nothing in an image or on a stack, and
 * where one of them is damaged it ends with a sentence (tests/host/unwind.c).
 */
#ifndef METRONOME_UNWIND_H
#define METRONOME_UNWIND_H

#include "exception.h"
#include "ldr/pe.h"

/* An image that runs, and the stack that its frames are on. */
typedef struct _LDR_UNWINDER {
    const LDR_IMAGE *Image;
    const VOID *Memory;            /* the image's bytes, without holes */
    ULONG64 Base;                  /* where it runs */
    ULONG_PTR StackLow, StackHigh; /* what may be read of the stack */
    PLDR_PROBLEM Problem;
} LDR_UNWINDER;

typedef struct _LDR_FRAME {
    ULONG64 Establisher; /* the address by which the compiler's code knows the frame */
    ULONG Function;      /* RVA of the PE_FUNCTION; 0: a leaf function without one */
    ULONG Handler;       /* RVA of the language's handler; 0: none for this place */
    ULONG HandlerData;   /* RVA of what the handler works with */
    BOOLEAN ForSearch;   /* the handler wants to be asked in the search for a handler */
    BOOLEAN ForUnwind;   /* and when the frame is left */
    BOOLEAN Interrupted; /* what the context shows now was interrupted: it has made no call */
} LDR_FRAME, *PLDR_FRAME;

/* A guarded range of code: __try. RVAs. */
typedef struct _LDR_SCOPE {
    ULONG Begin, End; /* End is not part of it */
    ULONG Handler;    /* the filter, 1: no filter, always; with Target = 0: what __finally does */
    ULONG Target;     /* the block of __except; 0: __finally */
} LDR_SCOPE, *PLDR_SCOPE;

#define LDR_SCOPE_ALWAYS 1

/* ---- unwind.c ---- */

BOOLEAN LdrpFindFunction(const LDR_IMAGE *Image, const VOID *Memory, ULONG64 Rva, PULONG Entry,
                         PE_FUNCTION *Function);
BOOLEAN LdrpUnwindFrame(const LDR_UNWINDER *Unwinder, BOOLEAN AfterCall, PCONTEXT Context,
                        PLDR_FRAME Frame);

/* ---- scopes.c ---- */

BOOLEAN LdrpIsCode(const LDR_IMAGE *Image, ULONG64 Rva);
BOOLEAN LdrpReadScope(const LDR_IMAGE *Image, const VOID *Memory, ULONG64 Table, ULONG Index,
                      PLDR_SCOPE Scope, PLDR_PROBLEM Problem);

#endif
