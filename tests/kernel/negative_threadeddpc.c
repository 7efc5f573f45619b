/*
 * T-TDPC-3: a threaded DPC's routine keeps the rules of DISPATCH_LEVEL although it runs at
 * PASSIVE_LEVEL. What breaks them is found there, and not only on the day when threaded DPCs are
 * turned off. With threadeddpc=off the same calls end in the same bug checks.
 */
#define SUITE "negative.threadeddpc"
#include "thread_tool.h"

static KEVENT Event;
static KSPIN_LOCK Lock;
static FAST_MUTEX FastMutex;
static LARGE_INTEGER Zero, Millisecond = {.QuadPart = -10000};
static volatile LONG Runs;

/* Runs Routine as a threaded DPC and waits for its end. */
static VOID RunThreaded(PKDEFERRED_ROUTINE Routine)
{
    KDPC dpc;

    Runs = 0;
    KtPoison(&dpc);
    KeInitializeThreadedDpc(&dpc, Routine, NULL);
    CHECK(KeInsertQueueDpc(&dpc, NULL, NULL));
    KeFlushQueuedDpcs();
    CHECK_EQUAL(Runs, 1);
}

static NTSTATUS WaitForEvent(PLARGE_INTEGER Timeout)
{
    return KeWaitForSingleObject(&Event, Executive, KernelMode, FALSE, Timeout);
}

DPC_ROUTINE(Wait)
{
    KIRQL irql = KeGetCurrentIrql();
    PVOID objects[1] = {&Event};

    EXPECT_BUGCHECK(0xB8, KeGetCurrentThread(), ANY, ANY, ANY)
    {
        WaitForEvent(NULL);
    }
    EXPECT_BUGCHECK(0xB8, KeGetCurrentThread(), ANY, ANY, ANY)
    {
        WaitForEvent(&Millisecond);
    }
    EXPECT_BUGCHECK(0xB8, KeGetCurrentThread(), ANY, ANY, ANY)
    {
        KeWaitForMultipleObjects(1, objects, WaitAll, Executive, KernelMode, FALSE, NULL, NULL);
    }
    EXPECT_BUGCHECK(0xB8, KeGetCurrentThread(), ANY, ANY, ANY)
    {
        KeDelayExecutionThread(KernelMode, FALSE, &Millisecond);
    }
    EXPECT_BUGCHECK(0xB8, KeGetCurrentThread(), ANY, ANY, ANY)
    {
        KeDelayExecutionThread(KernelMode, FALSE, &Zero);
    }
    CHECK_IRQL(irql);
    InterlockedIncrement(&Runs);
}

/* Whether the event is signaled or not: the rule is about the call. */
TEST(T_TDPC_3_wait)
{
    for (BOOLEAN signaled = FALSE; signaled <= TRUE; signaled++) {
        KeInitializeEvent(&Event, NotificationEvent, signaled);
        RunThreaded(Wait);
    }
}

DPC_ROUTINE(TestObjects)
{
    KeInitializeEvent(&Event, SynchronizationEvent, TRUE);
    CHECK_EQUAL(WaitForEvent(&Zero), STATUS_SUCCESS);
    CHECK_EQUAL(WaitForEvent(&Zero), STATUS_TIMEOUT);
    KeSetEvent(&Event, IO_NO_INCREMENT, FALSE);
    CHECK(KeReadStateEvent(&Event) != 0);
    InterlockedIncrement(&Runs);
}

/* What DISPATCH_LEVEL allows is allowed: to look, and to signal. */
TEST(T_TDPC_3_allowed)
{
    RunThreaded(TestObjects);
}

DPC_ROUTINE(UseWhatWaits)
{
    KIRQL irql = KeGetCurrentIrql();

    EXPECT_BUGCHECK(0xC4, 0x33, irql, &FastMutex, ANY)
    {
        ExAcquireFastMutex(&FastMutex);
    }
    EXPECT_BUGCHECK(0xC4, 0x33, irql, &FastMutex, ANY)
    {
        ExTryToAcquireFastMutex(&FastMutex);
    }
    EXPECT_BUGCHECK(0xC4, 0x11A, irql, ANY, ANY)
    {
        KeEnterCriticalRegion();
    }
    EXPECT_BUGCHECK(0xC4, ANY, irql, ANY, ANY)
    {
        KeFlushQueuedDpcs();
    }
    EXPECT_BUGCHECK(0xC4, 0x80, irql, ANY, ANY)
    {
        KeSetEvent(&Event, IO_NO_INCREMENT, TRUE);
    }
    InterlockedIncrement(&Runs);
}

/* Also where the call would have succeeded at once: the mutex is free. */
TEST(T_TDPC_3_routines_for_lower_levels)
{
    KeInitializeEvent(&Event, SynchronizationEvent, FALSE);
    ExInitializeFastMutex(&FastMutex);
    RunThreaded(UseWhatWaits);
    CHECK_EQUAL(FastMutex.Count, 1);
}

DPC_ROUTINE(UsePagedPool)
{
    EXPECT_BUGCHECK(0xC4, 0x01, KeGetCurrentIrql(), PagedPool, 100)
    {
        ExAllocatePoolWithTag(PagedPool, 100, KT_TAG);
    }
    PVOID block = ExAllocatePoolWithTag(NonPagedPool, 100, KT_TAG);
    CHECK(block != NULL);
    ExFreePoolWithTag(block, KT_TAG);
    InterlockedIncrement(&Runs);
}

TEST(T_TDPC_3_pageable_memory__T_POOL_5_threaded)
{
    RunThreaded(UsePagedPool);
}

DPC_ROUTINE(UseWrongLockForms)
{
    if (KeGetCurrentIrql() < DISPATCH_LEVEL) {
        EXPECT_BUGCHECK(0xC4, 0x40, KeGetCurrentIrql(), &Lock, ANY)
        {
            KeAcquireSpinLockAtDpcLevel(&Lock);
        }
        EXPECT_BUGCHECK(0xC4, 0x41, KeGetCurrentIrql(), &Lock, ANY)
        {
            KeReleaseSpinLockFromDpcLevel(&Lock);
        }
    }
    InterlockedIncrement(&Runs);
}

TEST(T_TDPC_3_dpc_level_locks)
{
    KeInitializeSpinLock(&Lock);
    RunThreaded(UseWrongLockForms);
    CHECK(KeTestSpinLock(&Lock));
}

/* The rules end with the routine: the DPC thread itself waits for its next work. */
TEST(T_TDPC_3_afterwards)
{
    RunThreaded(TestObjects);
    RunThreaded(TestObjects);
    KeEnterCriticalRegion(); /* nor do they hold for other threads */
    KeLeaveCriticalRegion();
}
