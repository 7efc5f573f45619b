/* APCs that say when and how their routines ran. */
#ifndef METRONOME_TEST_APC_TOOL_H
#define METRONOME_TEST_APC_TOOL_H

#include "thread_tool.h"

typedef struct _KT_APC {
    KAPC Apc;
    CHAR KernelEvent, NormalEvent; /* traced; the rundown routine traces 'r' */
    volatile LONG KernelRuns, NormalRuns, RundownRuns;
    PKTHREAD RunThread; /* of the latest run of any of them, as all below */
    ULONG Processor;
    KIRQL KernelIrql, NormalIrql, RundownIrql;
    ULONG_PTR Argument1, Argument2;
} KT_APC, *PKT_APC;

/* Poisons and initializes; NormalEvent 0: a special APC. */
VOID KtPrepareApc(PKT_APC Apc, PKTHREAD Thread, CHAR KernelEvent, CHAR NormalEvent);

/* KeInsertQueueApc with the arguments 0x11 and 0x22. */
BOOLEAN KtQueueApc(PKT_APC Apc);

#endif
