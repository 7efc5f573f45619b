/* Requests to the driver edu, for its tests and its stress. */
#ifndef METRONOME_TEST_EDU_TOOL_H
#define METRONOME_TEST_EDU_TOOL_H

#include "suite.h"
#include "pcitool.h"
#include "testdriver.h"
#include "pnp.h"
#include "../drivers/edu/eduioctl.h"

/* Loads the driver. FALSE: the machine has no device, or another error; the test is to return. */
BOOLEAN KtBeginEdu(VOID);
VOID KtEndEdu(VOID);

/* Of the first device, for IopRemoveDevice. */
PCSTR KtEduName(VOID);

/* The top of its stack, referenced; NULL if no driver has it. */
PDEVICE_OBJECT KtEduDevice(VOID);

ULONG KtFactorial(ULONG Number); /* modulo 2^32 */

/* Each sends a request and waits for its end. PASSIVE_LEVEL. */
NTSTATUS KtEduControl(ULONG Code, PVOID Input, ULONG InputBytes, PVOID Output, ULONG OutputBytes);
NTSTATUS KtEduFactorial(ULONG Number, PULONG Result);
NTSTATUS KtEduTransfer(BOOLEAN Write, PVOID Buffer, ULONG Length, ULONG64 Offset);
VOID KtEduMischief(ULONG Lose, ULONG Spurious);
EDU_STATISTICS KtEduStatistics(VOID);

/*
 * A request that is not waited for. The IRP stays with the test when it has been completed, so that
 * it can be cancelled at any time; Completions counts how often it was.
 */
typedef struct _KT_EDU_REQUEST {
    PIRP Irp;
    PDEVICE_OBJECT Device;
    KEVENT Event;
    IO_STATUS_BLOCK Block;
    volatile LONG Completions;
    ULONG Number; /* of a factorial: the input, then the result */
} KT_EDU_REQUEST, *PKT_EDU_REQUEST;

VOID KtEduSendFactorial(PKT_EDU_REQUEST Request, ULONG Number);
VOID KtEduSendTransfer(PKT_EDU_REQUEST Request, BOOLEAN Write, PVOID Buffer, ULONG Length,
                       ULONG64 Offset);
VOID KtEduWait(PKT_EDU_REQUEST Request);
VOID KtEduFree(PKT_EDU_REQUEST Request);

#endif
