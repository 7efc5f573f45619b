/*
 * What mingw-w64's driver headers leave out or have otherwise, for drivers that are built with them:
 *
 *     x86_64-w64-mingw32-gcc -isystem .../ddk -include tools/sdk/ddk.h ...
 *
 * Names, prototypes and values are the WDK's; docs/EXPORTS.md lists what the kernel exports.
 */
#ifndef METRONOME_SDK_DDK_H
#define METRONOME_SDK_DDK_H

#include <ntddk.h>

/* ---- IRQL, DPCs, processors, interrupts ---- */

NTKERNELAPI KIRQL NTAPI KzRaiseIrql(VOID);
NTKERNELAPI VOID NTAPI KzLowerIrql(KIRQL OldIrql);

NTKERNELAPI LOGICAL NTAPI KeIsExecutingDpc(VOID);
NTHALAPI ULONG NTAPI HalGetInterruptVector(INTERFACE_TYPE InterfaceType, ULONG BusNumber,
                                           ULONG BusInterruptLevel, ULONG BusInterruptVector,
                                           PKIRQL Irql, PKAFFINITY Affinity);
#define KeGetCurrentProcessorIndex() KeGetCurrentProcessorNumberEx(NULL)

/* ---- time ---- */

NTKERNELAPI VOID NTAPI KeQuerySystemTimePrecise(PLARGE_INTEGER CurrentTime);
NTKERNELAPI ULONG64 NTAPI KeQueryInterruptTimePrecise(PULONG64 QpcTimeStamp);
NTKERNELAPI VOID NTAPI ExQueryTimerResolution(PULONG MaximumTime, PULONG MinimumTime,
                                              PULONG CurrentTime);

/* ---- pool ---- */

typedef ULONG64 POOL_FLAGS;
#define POOL_FLAG_USE_QUOTA         0x1ULL
#define POOL_FLAG_UNINITIALIZED     0x2ULL
#define POOL_FLAG_CACHE_ALIGNED     0x8ULL
#define POOL_FLAG_RAISE_ON_FAILURE  0x20ULL
#define POOL_FLAG_NON_PAGED         0x40ULL
#define POOL_FLAG_NON_PAGED_EXECUTE 0x80ULL
#define POOL_FLAG_PAGED             0x100ULL

NTKERNELAPI PVOID NTAPI ExAllocatePool2(POOL_FLAGS Flags, SIZE_T NumberOfBytes, ULONG Tag);

/* ---- mutexes, EX_TIMER ---- */

NTKERNELAPI VOID NTAPI KeInitializeMutant(PRKMUTEX Mutant, BOOLEAN InitialOwner);

FORCEINLINE VOID ExInitializeDeleteTimerParameters(PEXT_DELETE_PARAMETERS Parameters)
{
    RtlZeroMemory(Parameters, sizeof(*Parameters));
}

/* ---- reader/writer spin locks ---- */

typedef volatile LONG EX_SPIN_LOCK, *PEX_SPIN_LOCK;

NTKERNELAPI KIRQL NTAPI ExAcquireSpinLockShared(PEX_SPIN_LOCK SpinLock);
NTKERNELAPI VOID NTAPI ExReleaseSpinLockShared(PEX_SPIN_LOCK SpinLock, KIRQL OldIrql);
NTKERNELAPI KIRQL NTAPI ExAcquireSpinLockExclusive(PEX_SPIN_LOCK SpinLock);
NTKERNELAPI VOID NTAPI ExReleaseSpinLockExclusive(PEX_SPIN_LOCK SpinLock, KIRQL OldIrql);
NTKERNELAPI VOID NTAPI ExAcquireSpinLockSharedAtDpcLevel(PEX_SPIN_LOCK SpinLock);
NTKERNELAPI VOID NTAPI ExReleaseSpinLockSharedFromDpcLevel(PEX_SPIN_LOCK SpinLock);
NTKERNELAPI VOID NTAPI ExAcquireSpinLockExclusiveAtDpcLevel(PEX_SPIN_LOCK SpinLock);
NTKERNELAPI VOID NTAPI ExReleaseSpinLockExclusiveFromDpcLevel(PEX_SPIN_LOCK SpinLock);
NTKERNELAPI LOGICAL NTAPI ExTryConvertSharedSpinLockExclusive(PEX_SPIN_LOCK SpinLock);

/* ---- cancel-safe queues: the routines' types, of which wdm.h has only the pointers ---- */

typedef VOID NTAPI IO_CSQ_INSERT_IRP(struct _IO_CSQ *Csq, PIRP Irp);
typedef VOID NTAPI IO_CSQ_REMOVE_IRP(struct _IO_CSQ *Csq, PIRP Irp);
typedef PIRP NTAPI IO_CSQ_PEEK_NEXT_IRP(struct _IO_CSQ *Csq, PIRP Irp, PVOID PeekContext);
typedef VOID NTAPI IO_CSQ_ACQUIRE_LOCK(struct _IO_CSQ *Csq, PKIRQL Irql);
typedef VOID NTAPI IO_CSQ_RELEASE_LOCK(struct _IO_CSQ *Csq, KIRQL Irql);
typedef VOID NTAPI IO_CSQ_COMPLETE_CANCELED_IRP(struct _IO_CSQ *Csq, PIRP Irp);

/* ---- device memory, MDLs ---- */

#define MdlMappingNoExecute 0x40000000

NTKERNELAPI PVOID NTAPI MmMapIoSpaceEx(PHYSICAL_ADDRESS PhysicalAddress, SIZE_T NumberOfBytes,
                                       ULONG Protect);

FORCEINLINE VOID WRITE_REGISTER_ULONG64(volatile ULONG64 *Register, ULONG64 Value)
{
    *Register = Value;
    __sync_synchronize();
}

/* ---- ntddser.h ---- */

#define SERIAL_MSR_CTS 0x10

/* ---- the C run-time library's part that ntoskrnl.exe exports ---- */

int __cdecl _snprintf(char *buffer, size_t count, const char *format, ...);

#endif
