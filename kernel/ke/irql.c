/*
 * Raising and lowering IRQL. The work is one move to CR8; the rest are the checks. Whatever
 * becomes unmasked by a lower is taken by the processor before the next instruction.
 */
#include "ke.h"

/* The exported routines; a free build's headers have inline versions of the same names. */
#undef KfRaiseIrql
#undef KeLowerIrql
#undef KeRaiseIrqlToDpcLevel

/*
 * Raises the IRQL of this processor.
 *
 * IRQL:    any, at most NewIrql
 * Locks:   none
 * Context: any
 * Returns: the earlier IRQL
 * Source:  contract T-KeRaiseIrql-1..5
 */
KIRQL KfRaiseIrql(KIRQL NewIrql)
{
    KIRQL oldIrql = KeGetCurrentIrql();

    KI_REQUIRE(NewIrql >= oldIrql && NewIrql <= HIGH_LEVEL, DRIVER_VERIFIER_DETECTED_VIOLATION,
               0x30, oldIrql, NewIrql, 0);
    if (NewIrql < oldIrql)
        KeBugCheckEx(IRQL_NOT_GREATER_OR_EQUAL, oldIrql, NewIrql, 0, 0);
    ArchWriteIrql(NewIrql);
    KD_TRACE_IRQL_RAISE(NewIrql, oldIrql);
    return oldIrql;
}

#if DBG
/*
 * What every way to lower the IRQL has to respect, in a checked build.
 *
 * IRQL:    any
 * Locks:   none
 * Context: any
 * Returns: nothing
 * Source:  contract T-KeLowerIrql-2
 */
VOID KiRequireLowering(KIRQL NewIrql)
{
    KI_REQUIRE(NewIrql <= KeGetCurrentIrql(), DRIVER_VERIFIER_DETECTED_VIOLATION, 0x31,
               KeGetCurrentIrql(), NewIrql, 0);
    KI_REQUIRE(NewIrql >= DISPATCH_LEVEL || !KeIsExecutingDpc(), DRIVER_VERIFIER_DETECTED_VIOLATION,
               0x31, KeGetCurrentIrql(), NewIrql, 1);
}
#endif

/*
 * Restores the IRQL that the matching raise has returned.
 *
 * IRQL:    any, at least NewIrql
 * Locks:   none
 * Context: any
 * Returns: nothing
 * Source:  contract T-KeLowerIrql-1..5
 */
VOID KeLowerIrql(KIRQL NewIrql)
{
    KIRQL irql = KeGetCurrentIrql();

    KiRequireLowering(NewIrql);
    if (NewIrql > irql)
        KeBugCheckEx(IRQL_NOT_LESS_OR_EQUAL, NewIrql, irql, 0, 0);
    KD_TRACE_IRQL_LOWER(NewIrql);
    ArchWriteIrql(NewIrql);
}

/*
 * Raises the IRQL to DISPATCH_LEVEL.
 *
 * IRQL:    any, at most DISPATCH_LEVEL (KfRaiseIrql checks)
 * Locks:   none
 * Context: any
 * Returns: the earlier IRQL
 * Source:  contract T-KeRaiseIrqlToDpcLevel-1..3
 */
KIRQL KeRaiseIrqlToDpcLevel(VOID)
{
    return KfRaiseIrql(DISPATCH_LEVEL);
}

/*
 * Raises the IRQL to HIGH_LEVEL, and restores it.
 *
 * IRQL:    any
 * Locks:   none
 * Context: any
 * Returns: the earlier IRQL
 */
KIRQL KzRaiseIrql(VOID)
{
    return KfRaiseIrql(HIGH_LEVEL);
}

/* As KeLowerIrql. IRQL: any. */
VOID KzLowerIrql(KIRQL OldIrql)
{
    KeLowerIrql(OldIrql);
}
