/* Private: until the framework's copy links. */
#include "suite.h"
DECLSPEC_NORETURN VOID KiRunBugCheck(PCSTR Name)
{
    UNREFERENCED_PARAMETER(Name);
    for (;;)
        ArchPause();
}
