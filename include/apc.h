/*
 * Asynchronous procedure calls: a routine that runs in the context of a chosen thread. The layout
 * and the types of the routines are in the WDK's headers; KeInitializeApc, KeInsertQueueApc and
 * KeRemoveQueueApc are exported by Windows and declared in none of them. Contract: dispatcher.md,
 * APC control.
 */
#ifndef METRONOME_APC_H
#define METRONOME_APC_H

#include "ntdef.h"
#include "thread.h"

struct _KAPC;

/* At PASSIVE_LEVEL. May wait; another normal APC of the thread comes only after its end. */
typedef VOID KNORMAL_ROUTINE(PVOID NormalContext, PVOID SystemArgument1, PVOID SystemArgument2);
typedef KNORMAL_ROUTINE *PKNORMAL_ROUTINE;

/*
 * At APC_LEVEL. The APC is not queued any more: it may be freed, or queued again. What the
 * pointers lead to is the APC's copy: a normal routine that is set to NULL is not called.
 */
typedef VOID KKERNEL_ROUTINE(struct _KAPC *Apc, PKNORMAL_ROUTINE *NormalRoutine,
                             PVOID *NormalContext, PVOID *SystemArgument1, PVOID *SystemArgument2);
typedef KKERNEL_ROUTINE *PKKERNEL_ROUTINE;

/* At PASSIVE_LEVEL in the thread that ends, in place of the others. */
typedef VOID KRUNDOWN_ROUTINE(struct _KAPC *Apc);
typedef KRUNDOWN_ROUTINE *PKRUNDOWN_ROUTINE;

/* All fields: the dispatcher lock while it is queued, else its owner. */
typedef struct _KAPC {
    UCHAR Type;
    UCHAR SpareByte0;
    UCHAR Size;
    UCHAR SpareByte1;
    ULONG SpareLong0;
    PKTHREAD Thread;
    LIST_ENTRY ApcListEntry; /* in the thread's list of special or of normal APCs */
    PKKERNEL_ROUTINE KernelRoutine;
    PKRUNDOWN_ROUTINE RundownRoutine; /* or NULL */
    PKNORMAL_ROUTINE NormalRoutine;   /* NULL: a special APC */
    PVOID NormalContext;
    PVOID SystemArgument1;
    PVOID SystemArgument2;
    CCHAR ApcStateIndex;
    KPROCESSOR_MODE ApcMode;
    BOOLEAN Inserted; /* queued, and neither delivered nor removed yet */
} KAPC, *PKAPC, *PRKAPC;

ASSERT_SIZE(KAPC, 0x58);
ASSERT_OFFSET(KAPC, Thread, 0x8);
ASSERT_OFFSET(KAPC, ApcListEntry, 0x10);
ASSERT_OFFSET(KAPC, KernelRoutine, 0x20);
ASSERT_OFFSET(KAPC, NormalRoutine, 0x30);
ASSERT_OFFSET(KAPC, ApcMode, 0x51);

/* Whose address space the routines want. There is one address space: it is not looked at. */
typedef enum _KAPC_ENVIRONMENT {
    OriginalApcEnvironment,
    AttachedApcEnvironment,
    CurrentApcEnvironment,
    InsertApcEnvironment
} KAPC_ENVIRONMENT;

/* The thread's object must be referenced as long as the APC can be queued. IRQL: any. */
VOID KeInitializeApc(PRKAPC Apc, PRKTHREAD Thread, KAPC_ENVIRONMENT Environment,
                     PKKERNEL_ROUTINE KernelRoutine, PKRUNDOWN_ROUTINE RundownRoutine,
                     PKNORMAL_ROUTINE NormalRoutine, KPROCESSOR_MODE ApcMode, PVOID NormalContext);

/*
 * FALSE: it is queued already, its thread takes no more, or it is one for user mode. TRUE: exactly
 * one of these comes to pass: its routines run, its rundown routine runs, KeRemoveQueueApc returns
 * TRUE. IRQL: <= DISPATCH_LEVEL.
 */
BOOLEAN KeInsertQueueApc(PRKAPC Apc, PVOID SystemArgument1, PVOID SystemArgument2,
                         KPRIORITY Increment);
BOOLEAN KeRemoveQueueApc(PRKAPC Apc);

#endif
