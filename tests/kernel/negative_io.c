/* Errors of interrupt.md, io.md and time.md. */
#define SUITE "negative.io"
#include "suite.h"
#include "testdriver.h"

static KSPIN_LOCK IsrLock;

static VOID NeverCalled(PDEVICE_OBJECT DeviceObject, PVOID Context)
{
    UNREFERENCED_PARAMETER(DeviceObject);
    UNREFERENCED_PARAMETER(Context);
    CHECK(!"this routine must not be called");
}

static PDEVICE_OBJECT Create(VOID)
{
    PDEVICE_OBJECT device = NULL;

    CHECK_EQUAL(IoCreateDevice(KtDriver(), 0, NULL, FILE_DEVICE_UNKNOWN, 0, FALSE, &device),
                STATUS_SUCCESS);
    return device;
}

/* 0xC9/0x0A: device. */
TEST(T_IoInitializeTimer_1)
{
    PDEVICE_OBJECT device = Create();

    CHECK_EQUAL(IoInitializeTimer(device, NeverCalled, NULL), STATUS_SUCCESS);
    EXPECT_BUGCHECK(0xC9, 0x0A, device, ANY, ANY)
    {
        IoInitializeTimer(device, NeverCalled, NULL);
    }
    IoDeleteDevice(device);
}

TEST(io_timer_at_the_wrong_irql)
{
    PDEVICE_OBJECT device = Create();

    AT_IRQL(APC_LEVEL)
    {
        EXPECT_BUGCHECK(0xC4, ANY, APC_LEVEL, ANY, ANY)
        {
            IoInitializeTimer(device, NeverCalled, NULL);
        }
    }
    CHECK_EQUAL(IoInitializeTimer(device, NeverCalled, NULL), STATUS_SUCCESS);
    AT_IRQL(3)
    {
        EXPECT_BUGCHECK(0xC4, ANY, 3, ANY, ANY)
        {
            IoStartTimer(device);
        }
        EXPECT_BUGCHECK(0xC4, ANY, 3, ANY, ANY)
        {
            IoStopTimer(device);
        }
    }
    IoDeleteDevice(device);
}

static volatile LONG StopRuns;

/*
 * T-IoStopTimer-1: not from within the routine. No code is documented; here the console says so,
 * and the call comes back with the timer stopped.
 */
static VOID StopInside(PDEVICE_OBJECT DeviceObject, PVOID Context)
{
    UNREFERENCED_PARAMETER(Context);
    IoStopTimer(DeviceObject);
    CHECK_IRQL(DISPATCH_LEVEL);
    InterlockedIncrement(&StopRuns);
}

TEST(T_IoStopTimer_1)
{
    PDEVICE_OBJECT device = Create();

    StopRuns = 0;
    CHECK_EQUAL(IoInitializeTimer(device, StopInside, NULL), STATUS_SUCCESS);
    IoStartTimer(device);
    CHECK(KtSleepUntil(&StopRuns, 1));
    KiSleep(MILLISECONDS(1300));
    CHECK_EQUAL(StopRuns, 1);
    IoDeleteDevice(device);
}

TEST(devices_at_the_wrong_irql)
{
    PDEVICE_OBJECT device = Create();

    AT_IRQL(DISPATCH_LEVEL)
    {
        EXPECT_BUGCHECK(0xC4, ANY, DISPATCH_LEVEL, ANY, ANY)
        {
            PDEVICE_OBJECT another;

            IoCreateDevice(KtDriver(), 0, NULL, FILE_DEVICE_UNKNOWN, 0, FALSE, &another);
        }
        EXPECT_BUGCHECK(0xC4, RULE_IRQL_IO_APC_LTE, DISPATCH_LEVEL, ANY, ANY)
        {
            IoDeleteDevice(device);
        }
    }
    IoDeleteDevice(device);
}

/* ---- interrupt objects ---- */

SERVICE_ROUTINE(ClaimIt)
{
    return TRUE;
}

SYNCHRONIZE_ROUTINE(DoNothing)
{
    return TRUE;
}

TEST(interrupt_objects_at_the_wrong_irql)
{
    PKINTERRUPT interrupt;

    AT_IRQL(APC_LEVEL)
    {
        EXPECT_BUGCHECK(0xC4, RULE_IRQL_IO_PASSIVE, APC_LEVEL, ANY, ANY)
        {
            PKINTERRUPT another;

            KtConnect(&another, KT_VECTOR(6, 0), ClaimIt, NULL);
        }
    }
    CHECK_EQUAL(KtConnect(&interrupt, KT_VECTOR(6, 0), ClaimIt, NULL), STATUS_SUCCESS);
    AT_IRQL(APC_LEVEL)
    {
        EXPECT_BUGCHECK(0xC4, RULE_IRQL_IO_PASSIVE, APC_LEVEL, ANY, ANY)
        {
            IoDisconnectInterrupt(interrupt);
        }
    }
    IoDisconnectInterrupt(interrupt);
}

/* Above SynchronizeIrql. The codes are not documented. */
TEST(T_KeAcquireInterruptSpinLock_4__T_KeSynchronizeExecution_4)
{
    PKINTERRUPT interrupt;

    CHECK_EQUAL(KtConnect(&interrupt, KT_VECTOR(6, 0), ClaimIt, NULL), STATUS_SUCCESS);
    for (KIRQL level = 7; level <= HIGH_LEVEL; level++)
        AT_IRQL(level)
        {
            EXPECT_BUGCHECK(0xC4, ANY, level, ANY, ANY)
            {
                KeAcquireInterruptSpinLock(interrupt);
            }
            EXPECT_BUGCHECK(0xC4, ANY, level, ANY, ANY)
            {
                KeSynchronizeExecution(interrupt, DoNothing, NULL);
            }
        }
    IoDisconnectInterrupt(interrupt);
}

SYNCHRONIZE_ROUTINE(SynchronizeAgain)
{
    return KeSynchronizeExecution(Context, DoNothing, NULL);
}

/* Not while holding that lock already: with the driver's lock, 0xF. */
TEST(T_KeSynchronizeExecution_4_recursion)
{
    PKINTERRUPT interrupt;

    KeInitializeSpinLock(&IsrLock);
    CHECK_EQUAL(IoConnectInterrupt(&interrupt, ClaimIt, NULL, &IsrLock, KT_VECTOR(6, 0), 6, 6,
                                   Latched, FALSE, 1, FALSE),
                STATUS_SUCCESS);
    EXPECT_BUGCHECK(0xF, &IsrLock, ANY, ANY, ANY)
    {
        KeSynchronizeExecution(interrupt, SynchronizeAgain, interrupt);
    }
    KeInitializeSpinLock(&IsrLock);
    IoDisconnectInterrupt(interrupt);
}

SERVICE_ROUTINE(ReturnAtAnotherLevel)
{
    KfRaiseIrql(9);
    return TRUE;
}

/* 0xC4/0x111: ISR, IRQL before, after. The jump leaves the interrupt, and its lock held. */
TEST(T_INT_5)
{
    PKINTERRUPT interrupt;

    KeInitializeSpinLock(&IsrLock);
    CHECK_EQUAL(IoConnectInterrupt(&interrupt, ReturnAtAnotherLevel, NULL, &IsrLock,
                                   KT_VECTOR(6, 0), 6, 6, Latched, FALSE, 1, FALSE),
                STATUS_SUCCESS);
    EXPECT_BUGCHECK(0xC4, 0x111, ReturnAtAnotherLevel, 6, 9)
    {
        KtInterruptHere(KT_VECTOR(6, 0));
    }
    CHECK_IRQL(PASSIVE_LEVEL);
    KeInitializeSpinLock(&IsrLock);
    IoDisconnectInterrupt(interrupt);
}

SERVICE_ROUTINE(UseForbidden)
{
    KSPIN_LOCK lock;

    KeInitializeSpinLock(&lock);
    EXPECT_BUGCHECK(0xC4, 0x42, 6, &lock, ANY)
    {
        KIRQL oldIrql;

        KeAcquireSpinLock(&lock, &oldIrql);
    }
    EXPECT_BUGCHECK(0xC4, RULE_IRQL_KE_DISPATCH_LTE, 6, ANY, ANY)
    {
        KTIMER timer;

        KeCancelTimer(&timer);
    }
    EXPECT_BUGCHECK(ANY, ANY, 6, ANY, ANY)
    {
        ExAllocatePoolWithTag(NonPagedPool, 10, KT_TAG);
    }
    return TRUE;
}

/* The other half of T-INT-7: what an ISR may not use. */
TEST(T_INT_7)
{
    PKINTERRUPT interrupt;

    CHECK_EQUAL(KtConnect(&interrupt, KT_VECTOR(6, 0), UseForbidden, NULL), STATUS_SUCCESS);
    KtInterruptHere(KT_VECTOR(6, 0));
    CHECK_IRQL(PASSIVE_LEVEL);
    IoDisconnectInterrupt(interrupt);
}

TEST(ExSetTimerResolution_at_the_wrong_irql)
{
    AT_IRQL(DISPATCH_LEVEL)
    {
        EXPECT_BUGCHECK(0xC4, ANY, DISPATCH_LEVEL, ANY, ANY)
        {
            ExSetTimerResolution(10000, TRUE);
        }
    }
}
