/*
 * Looks up the names that drivers import. Constant data: any IRQL, no lock. exports.h is the
 * list, and says what its words mean.
 */
#include "ldr/ldrp.h"
#include "ke.h"

/* What a free build's headers make of these are inline functions; here the routines are meant. */
#undef KfRaiseIrql
#undef KeLowerIrql
#undef KeRaiseIrqlToDpcLevel

/* The helpers that compilers call; their types are of no interest here. */
#define NT_FUNCTION(Name)
#define NT_INLINE(Name)
#define NT_VARIABLE(Name)
#define NT_POINTER(Name)
#define NT_HIDDEN(Name) extern VOID Name(VOID);
#define HAL_FUNCTION(Name)
#include "ldr/exports.h"
#undef NT_FUNCTION
#undef NT_INLINE
#undef NT_VARIABLE
#undef NT_POINTER
#undef NT_HIDDEN
#undef HAL_FUNCTION

#define NT_FUNCTION(Name)  {#Name, (PVOID)Name, LdrModuleKernel, FALSE},
#define NT_VARIABLE(Name)  {#Name, (PVOID)&Name, LdrModuleKernel, FALSE},
#define NT_POINTER(Name)   {#Name, (PVOID)&Name, LdrModuleKernel, TRUE},
#define NT_INLINE(Name)    {#Name, (PVOID)Name, LdrModuleKernel, FALSE},
#define NT_HIDDEN(Name)    {#Name, (PVOID)Name, LdrModuleKernel, FALSE},
#define HAL_FUNCTION(Name) {#Name, (PVOID)Name, LdrModuleHal, FALSE},

typedef struct _LDR_EXPORT {
    PCSTR Name;
    PVOID Address;
    LDR_MODULE Module;
    BOOLEAN IsPointer; /* the import slot gets what stands at Address */
} LDR_EXPORT;

static const LDR_EXPORT Exports[] = {
#include "ldr/exports.h"
};

#if TESTS
/* For suites that are built as a driver's image. They are no part of what drivers may use. */
#include "suite.h"
#include "thread_tool.h"
#include "irp_tool.h"
#include "testdriver.h"

#define TEST_FUNCTION(Name) {#Name, (PVOID)Name, LdrModuleKernel, FALSE},
#define TEST_VARIABLE(Name) {#Name, (PVOID)&Name, LdrModuleKernel, FALSE},

static const LDR_EXPORT TestExports[] = {
#include "testexports.h"
};

static PVOID FindTestExport(PCSTR Name)
{
    for (SIZE_T i = 0; i < ARRAYSIZE(TestExports); i++)
        if (strcmp(TestExports[i].Name, Name) == 0)
            return TestExports[i].Address;
    return NULL;
}
#else
#define FindTestExport(Name) NULL
#endif

static CHAR LowerCase(CHAR Character)
{
    return Character >= 'A' && Character <= 'Z' ? (CHAR)(Character + ('a' - 'A')) : Character;
}

/*
 * Is this the name of a file, written in any case?
 *
 * IRQL:    any
 * Locks:   none
 * Context: any
 * Returns: TRUE if it is
 */
BOOLEAN LdrpIsFileName(PCSTR Name, PCSTR LowerCaseName)
{
    while (*Name && LowerCase(*Name) == *LowerCaseName) {
        Name++;
        LowerCaseName++;
    }
    return *Name == *LowerCaseName;
}

/*
 * The module whose file name this is; case does not matter, as in file names of Windows.
 *
 * IRQL:    any
 * Locks:   none
 * Context: any
 * Returns: LdrModuleUnknown if drivers cannot import from it
 */
LDR_MODULE LdrpFindModuleOfKernel(PCSTR Name)
{
    if (LdrpIsFileName(Name, "ntoskrnl.exe"))
        return LdrModuleKernel;
    return LdrpIsFileName(Name, "hal.dll") ? LdrModuleHal : LdrModuleUnknown;
}

/*
 * What an import slot for Name gets.
 *
 * IRQL:    any
 * Locks:   none
 * Context: any
 * Returns: NULL if Module does not export it
 */
PVOID LdrpFindExport(LDR_MODULE Module, PCSTR Name)
{
    SIZE_T low = 0, high = ARRAYSIZE(Exports);

    while (low < high) {
        SIZE_T middle = low + (high - low) / 2;
        const LDR_EXPORT *export = &Exports[middle];
        int order = strcmp(Name, export->Name);

        if (order == 0 && export->Module != Module)
            return NULL;
        if (order == 0)
            return export->IsPointer ? *(PVOID *)export->Address : export->Address;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return Module == LdrModuleKernel ? FindTestExport(Name) : NULL;
}
