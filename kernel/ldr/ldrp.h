/* What the files of kernel/ldr show each other. */
#ifndef METRONOME_LDRP_H
#define METRONOME_LDRP_H

#include "ntddk.h"

/* ---- exports.c ---- */

/* What drivers import from. */
typedef enum _LDR_MODULE { LdrModuleUnknown, LdrModuleKernel, LdrModuleHal } LDR_MODULE;

BOOLEAN LdrpIsFileName(PCSTR Name, PCSTR LowerCaseName);
LDR_MODULE LdrpFindModuleOfKernel(PCSTR Name);
PVOID LdrpFindExport(LDR_MODULE Module, PCSTR Name);

#endif
