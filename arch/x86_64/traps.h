/* Between the stubs of traps.asm, the tables that lead to them, and C. */
#ifndef METRONOME_ARCH_TRAPS_H
#define METRONOME_ARCH_TRAPS_H

#include "ke.h"

#define NMI_VECTOR           2
#define DOUBLE_FAULT_VECTOR  8
#define MACHINE_CHECK_VECTOR 18

/* `int 2C`: an assertion failure in code that was built with the WDK; served like int3. */
#define ASSERT_VECTOR 0x2C

/* traps.asm: the addresses of the stubs, by vector. */
extern const ULONG64 KiTrapStubs[256];

/* Where the stubs of all exceptions lead: keeps a processor that is to stop, passes on the rest. */
VOID KiHandleException(ULONG Vector, PKTRAP_FRAME TrapFrame);

#endif
