/*
 * The driver object of the suites' image: DriverEntry hands the tests to the kernel's runner. The
 * section .kt is sorted by what follows its dollar sign, so the two marks enclose the entries.
 */
#include "suite.h"

static const KTEST *const First __attribute__((section(".kt$a"), used));
static const KTEST *const End __attribute__((section(".kt$c"), used));

DRIVER_INITIALIZE DriverEntry;
NTSTATUS NTAPI DriverEntry(UNUSED PDRIVER_OBJECT DriverObject, UNUSED PUNICODE_STRING RegistryPath)
{
    KtAddSuites(&First, &End);
    return STATUS_SUCCESS;
}
