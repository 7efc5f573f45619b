/* Figures of the event trace: a hook that is off, one that is on, and a DPC's way with all of them.
 */
#include "bench.h"
#include "kd/kdtrace.h"

static KDPC Dpc;
static LONG64 Object; /* what a hook has at hand */

VOID BenchTrace(VOID)
{
    KeInitializeDpc(&Dpc, BenchEndDpc, NULL);
    MEASURE("trace_off_event", KD_TRACE(KD_CLASS_FLOW, TraceTimerCancel, &Object, 1, 2));
    if (!KdpMakeTrace(4096, FALSE)) {
        BenchError("there is no memory for a trace");
        return;
    }
    KdpSetTraceClasses(KD_CLASS_FLOW);
    MEASURE("trace_on_event", KD_TRACE(KD_CLASS_FLOW, TraceTimerCancel, &Object, 1, 2));
    MEASURE("trace_on_dpc_round_trip", KeInsertQueueDpc(&Dpc, NULL, NULL));
    KdpSetTraceClasses(0);
}
