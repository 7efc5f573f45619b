/*
 * A test device with a StartIo routine, for the suites of StartIo and controllers. One device at a
 * time; a request carries a letter, which is traced when StartIo gets it.
 */
#ifndef METRONOME_TEST_STARTIO_TOOL_H
#define METRONOME_TEST_STARTIO_TOOL_H

#include "irp_tool.h"

/* What the dispatch routine tells IoStartPacket, and what IoStartNextPacket is told. */
extern BOOLEAN KtUseKeys, KtCancelable;

/* Called by StartIo, if it is set, after the checks and the trace. */
extern PDRIVER_STARTIO KtStartIo;

extern volatile LONG KtStarted;   /* calls of StartIo */
extern volatile LONG KtDepth;     /* of them under way */
extern volatile LONG KtDeepest;   /* the greatest number of them at once */
extern volatile LONG KtCompleted; /* requests that were completed */

PDEVICE_OBJECT KtMakeStartIoDevice(VOID);
VOID KtFreeStartIoDevice(PDEVICE_OBJECT DeviceObject);

/* A request with that letter and key, not sent yet. Its completion is counted; free it then. */
PIRP KtMakeRequest(PDEVICE_OBJECT DeviceObject, CHAR Letter, ULONG Key);

/* Makes it and sends it: it is pending. <= DISPATCH_LEVEL. */
PIRP KtRequest(PDEVICE_OBJECT DeviceObject, CHAR Letter, ULONG Key);

/* Completes the current request and starts the next. Any IRQL up to DISPATCH_LEVEL. */
VOID KtFinishCurrent(PDEVICE_OBJECT DeviceObject);

/* Cancel routine as io.md (T-DRIVER_CANCEL-2) describes it. */
DRIVER_CANCEL KtCancelWaiting;

#endif
