/* Errors with passive-level interrupts: interrupt.md, spinlock.md. */
#define SUITE "negative.passive"
#include "suite.h"

static PKINTERRUPT Interrupt;
static volatile LONG Runs;

#define VECTOR KT_VECTOR(5, 0)

static VOID ConnectTo(PKSERVICE_ROUTINE Routine)
{
    Runs = 0;
    CHECK_EQUAL(IoConnectInterrupt(&Interrupt, Routine, NULL, NULL, VECTOR, PASSIVE_LEVEL,
                                   PASSIVE_LEVEL, Latched, FALSE, KeQueryActiveProcessors(), FALSE),
                STATUS_SUCCESS);
}

SERVICE_ROUTINE(CountIsr)
{
    InterlockedIncrement(&Runs);
    return TRUE;
}

/* There is no lock: [choice] 0xC4/0x1008. */
TEST(T_KeAcquireInterruptSpinLock_3)
{
    ConnectTo(CountIsr);
    EXPECT_BUGCHECK(0xC4, 0x1008, Interrupt, ANY, ANY)
    {
        KeAcquireInterruptSpinLock(Interrupt);
    }
    CHECK_IRQL(PASSIVE_LEVEL);
    KtInterruptHere(VECTOR);
    CHECK(KtSleepUntil(&Runs, 1)); /* it works on */
    IoDisconnectInterrupt(Interrupt);
}

SYNCHRONIZE_ROUTINE(Nothing)
{
    return TRUE;
}

/* The caller must be able to block. */
TEST(T_KeSynchronizeExecution_5_raised)
{
    ConnectTo(CountIsr);
    for (KIRQL level = APC_LEVEL; level <= DISPATCH_LEVEL; level++)
        AT_IRQL(level)
        {
            EXPECT_BUGCHECK(0xC4, ANY, level, ANY, ANY)
            {
                KeSynchronizeExecution(Interrupt, Nothing, NULL);
            }
        }
    CHECK(KeSynchronizeExecution(Interrupt, Nothing, NULL)); /* nobody holds the event */
    IoDisconnectInterrupt(Interrupt);
}
