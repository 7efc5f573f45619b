/* What drivers import by name. */
#define SUITE "ldr.exports"
#include "suite.h"
#include "ldr/ldrp.h"

/* Every line of the list, here in its own order: the bisection finds each of them. */
#define NT_FUNCTION(Name)  {#Name, LdrModuleKernel},
#define NT_INLINE(Name)    {#Name, LdrModuleKernel},
#define NT_VARIABLE(Name)  {#Name, LdrModuleKernel},
#define NT_POINTER(Name)   {#Name, LdrModuleKernel},
#define NT_HIDDEN(Name)    {#Name, LdrModuleKernel},
#define HAL_FUNCTION(Name) {#Name, LdrModuleHal},

static const struct {
    PCSTR Name;
    LDR_MODULE Module;
} Names[] = {
#include "ldr/exports.h"
};

TEST(every_name_is_found_in_its_module_alone)
{
    for (ULONG i = 0; i < ARRAYSIZE(Names); i++) {
        LDR_MODULE other = Names[i].Module == LdrModuleHal ? LdrModuleKernel : LdrModuleHal;

        if (!LdrpFindExport(Names[i].Module, Names[i].Name))
            CHECK(!Names[i].Name);
        CHECK_EQUAL(LdrpFindExport(other, Names[i].Name), NULL);
    }
}

TEST(unknown_names_are_not_found)
{
    CHECK_EQUAL(LdrpFindExport(LdrModuleKernel, ""), NULL);
    CHECK_EQUAL(LdrpFindExport(LdrModuleKernel, "A"), NULL);
    CHECK_EQUAL(LdrpFindExport(LdrModuleKernel, "KeSetTime"), NULL);
    CHECK_EQUAL(LdrpFindExport(LdrModuleKernel, "KeSetTimerExx"), NULL);
    CHECK_EQUAL(LdrpFindExport(LdrModuleKernel, "zzz"), NULL);
    CHECK_EQUAL(LdrpFindExport(LdrModuleUnknown, "KeSetTimer"), NULL);
}

TEST(functions_variables_and_pointers)
{
    CHECK_EQUAL(LdrpFindExport(LdrModuleKernel, "KeSetTimer"), (PVOID)KeSetTimer);
    CHECK_EQUAL(LdrpFindExport(LdrModuleKernel, "KeNumberProcessors"), &KeNumberProcessors);
    CHECK_EQUAL(LdrpFindExport(LdrModuleKernel, "PsThreadType"), PsThreadType);
    CHECK_EQUAL(LdrpFindExport(LdrModuleKernel, "KeWaitForMutexObject"),
                (PVOID)KeWaitForSingleObject);
}

/* What *PsThreadType is with headers in which the slot is the variable, and in which it is not. */
TEST(object_types_are_reached_by_either_kind_of_header)
{
    static const PCSTR names[] = {"PsThreadType", "ExEventObjectType", "IoFileObjectType"};

    for (ULONG i = 0; i < ARRAYSIZE(names); i++) {
        POBJECT_TYPE *slot = LdrpFindExport(LdrModuleKernel, names[i]); /* the WDK's: *slot */

        CHECK(*slot != NULL);
        CHECK_EQUAL(**(POBJECT_TYPE **)slot, *slot); /* mingw-w64's */
    }
    CHECK_EQUAL(*(POBJECT_TYPE *)LdrpFindExport(LdrModuleKernel, "PsThreadType"), *PsThreadType);
}

/* An inline function's exported form is the same function. */
TEST(inline_functions_work_through_the_table)
{
    KIRQL (*currentIrql)(VOID) = LdrpFindExport(LdrModuleKernel, "KeGetCurrentIrql");
    PKTHREAD (*currentThread)(VOID) = LdrpFindExport(LdrModuleKernel, "KeGetCurrentThread");
    KIRQL oldIrql = KeRaiseIrqlToDpcLevel();

    CHECK_EQUAL(currentIrql(), DISPATCH_LEVEL);
    KeLowerIrql(oldIrql);
    CHECK_EQUAL(currentIrql(), PASSIVE_LEVEL);
    CHECK_EQUAL(currentThread(), KeGetCurrentThread());
}

TEST(modules_are_file_names)
{
    CHECK_EQUAL(LdrpFindModuleOfKernel("ntoskrnl.exe"), LdrModuleKernel);
    CHECK_EQUAL(LdrpFindModuleOfKernel("NTOSKRNL.EXE"), LdrModuleKernel);
    CHECK_EQUAL(LdrpFindModuleOfKernel("HAL.dll"), LdrModuleHal);
    CHECK_EQUAL(LdrpFindModuleOfKernel("hal"), LdrModuleUnknown);
    CHECK_EQUAL(LdrpFindModuleOfKernel("hal.dll.sys"), LdrModuleUnknown);
    CHECK_EQUAL(LdrpFindModuleOfKernel(""), LdrModuleUnknown);
}

TEST(variables_tell_the_bounds_of_addresses)
{
    CHECK_EQUAL((ULONG64)MmHighestUserAddress + 1, MmUserProbeAddress);
    CHECK((PVOID)&KeNumberProcessors >= MmSystemRangeStart);
    CHECK(!KdDebuggerEnabled);
    CHECK(KdDebuggerNotPresent);
    CHECK(!NlsMbCodePageTag);
}
