/* interrupt.md and spinlock.md: KeSynchronizeExecution and the interrupt spin lock. */
#define SUITE "interrupt.synchronize"
#include "suite.h"

static PKINTERRUPT Interrupt4, Interrupt9;
static KSPIN_LOCK SharedLock;
static volatile LONG Inside, Runs, IsrRuns;
static volatile LONG Counter; /* under the interrupts' lock, not atomic */

static VOID EnterAndLeave(VOID)
{
    CHECK_EQUAL(InterlockedIncrement(&Inside), 1);
    CHECK_IRQL(9);
    Counter = Counter + 1;
    KtJitter(100);
    InterlockedDecrement(&Inside);
}

SERVICE_ROUTINE(SharedIsr)
{
    EnterAndLeave();
    InterlockedIncrement(&IsrRuns);
    return TRUE;
}

SYNCHRONIZE_ROUTINE(SharedCritSection)
{
    EnterAndLeave();
    InterlockedIncrement(&Runs);
    return TRUE;
}

/* Two vectors of one driver, under its lock, at the higher level of the two. */
static VOID ConnectPair(VOID)
{
    KeInitializeSpinLock(&SharedLock);
    Inside = Runs = IsrRuns = Counter = 0;
    CHECK_EQUAL(IoConnectInterrupt(&Interrupt4, SharedIsr, NULL, &SharedLock, KT_VECTOR(4, 0), 4, 9,
                                   Latched, FALSE, KeQueryActiveProcessors(), FALSE),
                STATUS_SUCCESS);
    CHECK_EQUAL(IoConnectInterrupt(&Interrupt9, SharedIsr, NULL, &SharedLock, KT_VECTOR(9, 0), 9, 9,
                                   Latched, FALSE, KeQueryActiveProcessors(), FALSE),
                STATUS_SUCCESS);
}

static VOID DisconnectPair(VOID)
{
    IoDisconnectInterrupt(Interrupt4);
    IoDisconnectInterrupt(Interrupt9);
    CHECK(KeTestSpinLock(&SharedLock));
}

static ULONG SeenProcessor;

SYNCHRONIZE_ROUTINE(RecordCritSection)
{
    CHECK_EQUAL(Context, &Runs);
    CHECK_IRQL(9);
    CHECK(!KeTestSpinLock(&SharedLock));
    SeenProcessor = KeGetCurrentProcessorIndex();
    return TRUE;
}

TEST(T_KeSynchronizeExecution_1__T_KSYNC_1__T_KeSynchronizeExecution_4)
{
    ConnectPair();
    for (KIRQL level = PASSIVE_LEVEL; level <= 9; level++)
        AT_IRQL(level) /* up to SynchronizeIrql itself */
        {
            SeenProcessor = MAXULONG;
            CHECK(KeSynchronizeExecution(Interrupt4, RecordCritSection, (PVOID)&Runs));
            CHECK_EQUAL(SeenProcessor, KeGetCurrentProcessorIndex());
            CHECK_IRQL(level); /* the caller's IRQL again */
            CHECK(KeTestSpinLock(&SharedLock));
        }
    DisconnectPair();
}

SYNCHRONIZE_ROUTINE(ReturnContext)
{
    return (BOOLEAN)(ULONG_PTR)Context;
}

TEST(T_KeSynchronizeExecution_2)
{
    static const BOOLEAN values[] = {FALSE, TRUE, 2, 0x80, 0xFF};

    ConnectPair();
    for (ULONG i = 0; i < ARRAYSIZE(values); i++)
        CHECK_EQUAL(KeSynchronizeExecution(Interrupt9, ReturnContext, (PVOID)(ULONG_PTR)values[i]),
                    values[i]);
    DisconnectPair();
}

SYNCHRONIZE_ROUTINE(HoldOffIsr)
{
    KtInterruptHere(KT_VECTOR(9, 0)); /* masked: same level */
    KtInterruptHere(KT_VECTOR(4, 0));
    CHECK_EQUAL(IsrRuns, 0);
    return TRUE;
}

TEST(T_KeSynchronizeExecution_3)
{
    ConnectPair();
    CHECK(KeSynchronizeExecution(Interrupt9, HoldOffIsr, NULL));
    CHECK_EQUAL(IsrRuns, 2); /* taken when the IRQL fell */
    DisconnectPair();
}

PARALLEL_ROUTINE(FireAndSynchronize)
{
    for (ULONG i = 0; i < 400; i++) {
        switch (i % 4) {
        case 0:
            ArchSendInterrupt(KtRandom(KtProcessors()), KT_VECTOR(4, 0));
            break;
        case 1:
            ArchSendInterrupt(KtRandom(KtProcessors()), KT_VECTOR(9, 0));
            break;
        case 2:
            KeSynchronizeExecution(Interrupt4, SharedCritSection, NULL);
            break;
        default: {
            KIRQL oldIrql = KeAcquireInterruptSpinLock(Interrupt9);

            EnterAndLeave();
            InterlockedIncrement(&Runs);
            KeReleaseInterruptSpinLock(Interrupt9, oldIrql);
            break;
        }
        }
        KtJitter(100);
    }
}

TEST(T_KeSynchronizeExecution_3__T_KeAcquireInterruptSpinLock_2__S_7__S_14)
{
    ConnectPair();
    KtRunOnAll(FireAndSynchronize, NULL);
    DisconnectPair();
    CHECK_EQUAL(Runs, KtProcessors() * 200);
    CHECK(IsrRuns > 0);
    CHECK_EQUAL(Counter, Runs + IsrRuns);
}

DPC_ROUTINE(SynchronizeInDpc)
{
    CHECK(KeSynchronizeExecution(Interrupt4, SharedCritSection, NULL));
    CHECK_IRQL(DISPATCH_LEVEL);
}

TEST(T_KeSynchronizeExecution_4_from_a_dpc)
{
    KDPC dpc;

    ConnectPair();
    KtPoison(&dpc);
    KeInitializeDpc(&dpc, SynchronizeInDpc, NULL);
    CHECK(KeInsertQueueDpc(&dpc, NULL, NULL));
    CHECK_EQUAL(Runs, 1);
    DisconnectPair();
}

TEST(T_KeAcquireInterruptSpinLock_1__T_KeReleaseInterruptSpinLock_1)
{
    ConnectPair();
    for (KIRQL level = PASSIVE_LEVEL; level <= 9; level++)
        AT_IRQL(level)
        {
            KIRQL oldIrql = KeAcquireInterruptSpinLock(Interrupt4);

            CHECK_EQUAL(oldIrql, level);
            CHECK_IRQL(9); /* SynchronizeIrql, not the vector's 4 */
            CHECK(!KeTestSpinLock(&SharedLock));
            KeReleaseInterruptSpinLock(Interrupt4, oldIrql);
            CHECK_IRQL(level);
            CHECK(KeTestSpinLock(&SharedLock));
        }
    DisconnectPair();
}

static volatile LONG Fired;

PARALLEL_ROUTINE(FireOnOthers)
{
    ArchSendInterrupt(Processor, KT_VECTOR(9, 0)); /* on itself: spins there on the lock */
    InterlockedIncrement(&Fired);
    KtJitter(10);
}

/* While it is held the ISR runs on no processor. */
TEST_ON(2, T_KeAcquireInterruptSpinLock_2)
{
    KIRQL oldIrql;

    ConnectPair();
    Fired = 0;
    oldIrql = KeAcquireInterruptSpinLock(Interrupt9);
    KtStartOnOthers(FireOnOthers, NULL);
    ArchSendInterrupt(KeGetCurrentProcessorIndex(), KT_VECTOR(9, 0));
    KtStall(MILLISECONDS(3));
    CHECK_EQUAL(IsrRuns, 0);
    KeReleaseInterruptSpinLock(Interrupt9, oldIrql);
    KtJoin();
    CHECK(KtSpinUntil(&IsrRuns, (LONG)KtProcessors()));
    DisconnectPair();
}
