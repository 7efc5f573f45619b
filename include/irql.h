/*
 * Interrupt request levels. The IRQL is a property of a processor: it is CR8, the task priority
 * of the local APIC. At IRQL n every interrupt source of level n and below stays pending here.
 */
#ifndef METRONOME_IRQL_H
#define METRONOME_IRQL_H

#include "ntdef.h"

/*
 * level            who runs there                         blocks                vectors
 * PASSIVE_LEVEL    threads, DriverEntry, AddDevice,       nothing               -
 *                  Unload
 * APC_LEVEL        special kernel APCs, fast mutexes      APCs                  0x1F
 * DISPATCH_LEVEL   DPC routines, IoTimer, StartIo,        APCs, DPCs, thread    0x2F
 *                  holders of executive spin locks        switches
 * 3 to 11 (DIRQL)  interrupt service routines,            devices of this level 0x30-0xBF
 *                  SynchCritSection routines              and below
 * SYNCH_LEVEL      the kernel only                        all devices           0xC0-0xCF
 * CLOCK_LEVEL      the clock interrupt                    the clock too         0xD1
 * IPI_LEVEL        routines of KeIpiGenericCall           IPIs too              0xE1
 * HIGH_LEVEL       bug check, the DPC queue's lock        every interrupt but   0xFE, 0xFF
 *                                                         NMI
 */
#define PASSIVE_LEVEL  0
#define LOW_LEVEL      0
#define APC_LEVEL      1
#define DISPATCH_LEVEL 2
#define DPC_LEVEL      2
#define SYNCH_LEVEL    12
#define CLOCK_LEVEL    13
#define IPI_LEVEL      14
#define POWER_LEVEL    14
#define DRS_LEVEL      14
#define PROFILE_LEVEL  15
#define HIGH_LEVEL     15

#if defined(METRONOME_HOST)
KIRQL KeGetCurrentIrql(VOID);
#else
/* The IRQL of this processor. IRQL: any. Source: contract T-KeGetCurrentIrql-1. */
FORCEINLINE KIRQL KeGetCurrentIrql(VOID)
{
    ULONG64 irql;
    __asm__ volatile("mov %%cr8, %0" : "=r"(irql));
    return (KIRQL)irql;
}
#endif

/*
 * Raises the IRQL and returns the earlier one. IRQL: any, at most NewIrql.
 * An attempt to lower with it is bug check 0xC4/0x30 in a checked build, 0x9 in a free one.
 * Source: contract T-KeRaiseIrql-1..5
 */
KIRQL KfRaiseIrql(KIRQL NewIrql);
#define KeRaiseIrql(NewIrql, OldIrql) (*(OldIrql) = KfRaiseIrql(NewIrql))

/*
 * Restores the IRQL that the matching raise returned. Before it returns, what became unmasked
 * has been served: interrupts, then DPCs (below DISPATCH_LEVEL), then APCs.
 * Source: contract T-KeLowerIrql-1..5
 */
VOID KeLowerIrql(KIRQL NewIrql);

/* Raises to DISPATCH_LEVEL. IRQL: <= DISPATCH_LEVEL. Source: T-KeRaiseIrqlToDpcLevel-1..3 */
KIRQL KeRaiseIrqlToDpcLevel(VOID);

#if defined(DBG) && !DBG && !defined(METRONOME_HOST)
/* A free build moves to CR8 on the spot, as drivers built elsewhere do: nothing is checked. */
FORCEINLINE KIRQL KiRaiseIrqlUnchecked(KIRQL NewIrql)
{
    KIRQL oldIrql = KeGetCurrentIrql();
    __asm__ volatile("mov %0, %%cr8" : : "r"((ULONG64)NewIrql) : "memory");
    return oldIrql;
}

FORCEINLINE VOID KiLowerIrqlUnchecked(KIRQL NewIrql)
{
    __asm__ volatile("mov %0, %%cr8" : : "r"((ULONG64)NewIrql) : "memory");
}

#define KfRaiseIrql(NewIrql)    KiRaiseIrqlUnchecked(NewIrql)
#define KeLowerIrql(NewIrql)    KiLowerIrqlUnchecked(NewIrql)
#define KeRaiseIrqlToDpcLevel() KiRaiseIrqlUnchecked(DISPATCH_LEVEL)
#endif

/* As KfRaiseIrql and KeLowerIrql, for HIGH_LEVEL. */
KIRQL KzRaiseIrql(VOID);
VOID KzLowerIrql(KIRQL OldIrql);

/*
 * Runs BroadcastFunction(Context) on every processor at IPI_LEVEL at the same time and returns
 * this processor's result when all have ended. IRQL: < IPI_LEVEL.
 * Source: contract T-KeIpiGenericCall-1..2
 */
typedef ULONG_PTR KIPI_BROADCAST_WORKER(ULONG_PTR Argument);
typedef KIPI_BROADCAST_WORKER *PKIPI_BROADCAST_WORKER;
ULONG_PTR KeIpiGenericCall(PKIPI_BROADCAST_WORKER BroadcastFunction, ULONG_PTR Context);

/* ---- processors; all of these at any IRQL ---- */

#define ALL_PROCESSOR_GROUPS 0xFFFF

/* Stale at once below DISPATCH_LEVEL, because the thread may move. */
ULONG KeGetCurrentProcessorNumberEx(PPROCESSOR_NUMBER ProcNumber);
ULONG KeGetCurrentProcessorIndex(VOID);
ULONG KeQueryActiveProcessorCountEx(USHORT GroupNumber);
ULONG KeQueryMaximumProcessorCountEx(USHORT GroupNumber);
KAFFINITY KeQueryActiveProcessors(VOID);
extern volatile CCHAR KeNumberProcessors;

#endif
