/* The variables that drivers read: constant, any IRQL, no lock. */
#include "ex.h"

BOOLEAN KdDebuggerEnabled = FALSE;
BOOLEAN KdDebuggerNotPresent = TRUE;
BOOLEAN NlsMbCodePageTag = FALSE;

/* The last 64 KiB of the lower half are nobody's, so that no user buffer ends at the gap. */
PVOID MmHighestUserAddress = (PVOID)0x00007FFFFFFEFFFF;
ULONG64 MmUserProbeAddress = 0x00007FFFFFFF0000;
PVOID MmSystemRangeStart = (PVOID)0xFFFF800000000000;
