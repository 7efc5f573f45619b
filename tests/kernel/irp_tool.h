/*
 * Stacks of test devices for the suites of requests: each device has a routine of the test's that
 * gets the requests, whatever their kind. All at PASSIVE_LEVEL unless stated.
 */
#ifndef METRONOME_TEST_IRP_TOOL_H
#define METRONOME_TEST_IRP_TOOL_H

#include "suite.h"
#include "testdriver.h"

#define KT_MAXIMUM_LAYERS 4

struct _KT_LAYER;
typedef NTSTATUS KT_DISPATCH(struct _KT_LAYER *Layer, PIRP Irp);

/* A device's extension. */
typedef struct _KT_LAYER {
    PDEVICE_OBJECT Device;
    PDEVICE_OBJECT Lower; /* NULL at the bottom */
    KT_DISPATCH *Dispatch;
    PIO_COMPLETION_ROUTINE Completion; /* of KtForward */
    CHAR Event;                        /* traced by KtForward's completion routine */
    PIRP Kept;                         /* by KtPend: the latest */
    volatile LONG Calls;
    UCHAR Major, Minor; /* of the latest call */
    KIRQL Irql;
    PKTHREAD Thread;
} KT_LAYER, *PKT_LAYER;

/* Makes Count devices, one over the other; Routines[0] is the bottom's. The top's layer. */
PKT_LAYER KtMakeStack(ULONG Count, KT_DISPATCH *const Routines[]);
/* The same with a name for the bottom. */
PKT_LAYER KtMakeNamedStack(PCWSTR Name, ULONG Count, KT_DISPATCH *const Routines[]);
VOID KtFreeStack(PKT_LAYER Top);

/* The layer below; NULL at the bottom. */
PKT_LAYER KtBelow(PKT_LAYER Layer);

/* ---- dispatch routines ---- */

/* Completes with STATUS_SUCCESS and Information = 7. */
KT_DISPATCH KtSucceed;
/* Completes with STATUS_UNSUCCESSFUL. */
KT_DISPATCH KtFail;
/* Marks it pending and keeps it in Layer->Kept. */
KT_DISPATCH KtPend;
/* Passes it on in its own location, or in a copy with Layer->Completion as completion routine. */
KT_DISPATCH KtPassOn;
KT_DISPATCH KtForward;

/* A completion routine that traces the layer's Event (Context: the layer), and goes on. */
IO_COMPLETION_ROUTINE KtTraceCompletion;

/* Completes with a status and no information. <= DISPATCH_LEVEL. */
VOID KtComplete(PIRP Irp, NTSTATUS Status);

/* ---- requesters ---- */

/* A read of Length bytes to the top, not sent yet, with a completion routine that keeps it. */
PIRP KtMakeRead(PKT_LAYER Top, PVOID Buffer, ULONG Length);

/* The completion routine of KtMakeRead: counts in *Context (a LONG), keeps the IRP. */
IO_COMPLETION_ROUTINE KtCountAndKeep;

/* Sends a synchronous request and waits for it: its final status. */
NTSTATUS KtSend(PKT_LAYER Top, PIRP Irp, PKEVENT Event, PIO_STATUS_BLOCK Block);

/* IRPs that exist. <= DISPATCH_LEVEL. */
ULONG KtCountIrps(VOID);

#endif
