/* Errors with device queues. */
#define SUITE "negative.devqueue"
#include "suite.h"

static KDEVICE_QUEUE Queue;
static KDEVICE_QUEUE_ENTRY Entry;

/* Each routine of IrqlDispatch, called at the current IRQL. */
static VOID CallEach(KIRQL Irql)
{
    EXPECT_BUGCHECK(0xC4, RULE_IRQL_DISPATCH, Irql, &Queue, 0)
    {
        KeInsertDeviceQueue(&Queue, &Entry);
    }
    EXPECT_BUGCHECK(0xC4, RULE_IRQL_DISPATCH, Irql, &Queue, 0)
    {
        KeInsertByKeyDeviceQueue(&Queue, &Entry, 1);
    }
    EXPECT_BUGCHECK(0xC4, RULE_IRQL_DISPATCH, Irql, &Queue, 0)
    {
        KeRemoveDeviceQueue(&Queue);
    }
    EXPECT_BUGCHECK(0xC4, RULE_IRQL_DISPATCH, Irql, &Queue, 0)
    {
        KeRemoveByKeyDeviceQueue(&Queue, 1);
    }
    EXPECT_BUGCHECK(0xC4, RULE_IRQL_DISPATCH, Irql, &Queue, 0)
    {
        KeRemoveByKeyDeviceQueueIfBusy(&Queue, 1);
    }
}

TEST(device_queues_at_the_wrong_irql)
{
    static const KIRQL levels[] = {PASSIVE_LEVEL, APC_LEVEL, 3};

    KeInitializeDeviceQueue(&Queue);
    for (ULONG n = 0; n < ARRAYSIZE(levels); n++)
        AT_IRQL(levels[n])
        {
            CallEach(levels[n]);
        }
    CHECK_EQUAL(Queue.Busy, FALSE);
    AT_IRQL(3)
    {
        EXPECT_BUGCHECK(0xC4, RULE_IRQL_KE_DISPATCH_LTE, 3, &Queue, 0)
        {
            KeRemoveEntryDeviceQueue(&Queue, &Entry);
        }
        EXPECT_BUGCHECK(0xC4, RULE_IRQL_KE_DISPATCH_LTE, 3, &Queue, 0)
        {
            KeInitializeDeviceQueue(&Queue);
        }
    }
}

/* An idle device has finished nothing. The report leaves the queue's lock held. */
TEST(T_KDQ_3_of_an_idle_device)
{
    KeInitializeDeviceQueue(&Queue);
    AT_IRQL(DISPATCH_LEVEL)
    {
        EXPECT_BUGCHECK(0xC4, RULE_DEVICE_QUEUE_BUSY, DISPATCH_LEVEL, &Queue, 0)
        {
            KeRemoveDeviceQueue(&Queue);
        }
        KeInitializeSpinLock(&Queue.Lock);
        EXPECT_BUGCHECK(0xC4, RULE_DEVICE_QUEUE_BUSY, DISPATCH_LEVEL, &Queue, 0)
        {
            KeRemoveByKeyDeviceQueue(&Queue, 1);
        }
    }
}
