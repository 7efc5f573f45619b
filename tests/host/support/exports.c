/* A kernel that exports few names: what the tests of driver images are linked with. */
#include "ldr/ldrp.h"

#include <string.h>

LDR_MODULE LdrpFindModuleOfKernel(PCSTR Name)
{
    if (strcmp(Name, "ntoskrnl.exe") == 0)
        return LdrModuleKernel;
    return strcmp(Name, "HAL.dll") == 0 ? LdrModuleHal : LdrModuleUnknown;
}

PVOID LdrpFindExport(LDR_MODULE Module, PCSTR Name)
{
    if (Module == LdrModuleKernel && strcmp(Name, "KeSetTimer") == 0)
        return (PVOID)0xFFFFFFFF80001000;
    if (Module == LdrModuleKernel && strcmp(Name, "DbgPrint") == 0)
        return (PVOID)0xFFFFFFFF80002000;
    if (Module == LdrModuleHal && strcmp(Name, "KeStallExecutionProcessor") == 0)
        return (PVOID)0xFFFFFFFF80003000;
    return NULL;
}
