/* Figures of what nearly every driver does all the time: IRQL, locks, lists, memory. */
#include "bench.h"

static KSPIN_LOCK Lock;
static KLOCK_QUEUE_HANDLE Handle;
static LIST_ENTRY List;
static LIST_ENTRY Entry;

static VOID IrqlAndLocks(VOID)
{
    KIRQL oldIrql;

    MEASURE("irql_raise_lower", {
        KeRaiseIrql(DISPATCH_LEVEL, &oldIrql);
        KeLowerIrql(oldIrql);
    });
    MEASURE("spinlock_pair", {
        KeAcquireSpinLock(&Lock, &oldIrql);
        KeReleaseSpinLock(&Lock, oldIrql);
    });
    KeRaiseIrql(DISPATCH_LEVEL, &oldIrql);
    MEASURE("spinlock_atdpc_pair", {
        KeAcquireSpinLockAtDpcLevel(&Lock);
        KeReleaseSpinLockFromDpcLevel(&Lock);
    });
    KeLowerIrql(oldIrql);
    MEASURE("queued_spinlock_pair", {
        KeAcquireInStackQueuedSpinLock(&Lock, &Handle);
        KeReleaseInStackQueuedSpinLock(&Handle);
    });
}

static VOID Lists(VOID)
{
    InitializeListHead(&List);
    MEASURE("interlocked_list_pair", {
        ExInterlockedInsertTailList(&List, &Entry, &Lock);
        ExInterlockedRemoveHeadList(&List, &Lock);
    });
}

static VOID Pool(VOID)
{
    PVOID block;

    MEASURE("pool_pair_64", {
        block = ExAllocatePoolWithTag(NonPagedPool, 64, BENCH_TAG);
        ExFreePoolWithTag(block, BENCH_TAG);
    });
    MEASURE("pool_pair_4096", {
        block = ExAllocatePoolWithTag(NonPagedPool, 4096, BENCH_TAG);
        ExFreePoolWithTag(block, BENCH_TAG);
    });
}

VOID BenchLocks(VOID)
{
    KeInitializeSpinLock(&Lock);
    IrqlAndLocks();
    Lists();
    Pool();
}
