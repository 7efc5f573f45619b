/* What the system tells by variables. They do not change after the start. Any IRQL. */
#ifndef METRONOME_VARIABLES_H
#define METRONOME_VARIABLES_H

#include "ntdef.h"

extern BOOLEAN KdDebuggerEnabled;    /* a debugger talks to the kernel itself: never here */
extern BOOLEAN KdDebuggerNotPresent; /* GDB works outside of the machine, unseen */
extern BOOLEAN NlsMbCodePageTag;     /* 8-bit strings may have characters of two bytes */

/* The bounds of user and system addresses. There is no user mode; drivers compare with them. */
extern PVOID MmHighestUserAddress;
extern PVOID MmSystemRangeStart;
extern ULONG64 MmUserProbeAddress;

#endif
