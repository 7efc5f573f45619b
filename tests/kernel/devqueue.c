/* io.md: device queues (T-KDQ-1..5). */
#define SUITE "devqueue"
#include "suite.h"

#define ENTRIES 5

static KDEVICE_QUEUE Queue;
static KDEVICE_QUEUE_ENTRY Entries[ENTRIES];

static VOID Prepare(VOID)
{
    KtPoison(&Queue);
    KtPoison(&Entries);
    KeInitializeDeviceQueue(&Queue);
}

/* The number of an entry, so that a failing check says which one it was; ENTRIES: none. */
static ULONG NumberOf(PKDEVICE_QUEUE_ENTRY Entry)
{
    return Entry ? (ULONG)(Entry - Entries) : ENTRIES;
}

TEST(T_KDQ_1)
{
    Prepare();
    CHECK_EQUAL(Queue.Type, DeviceQueueObject);
    CHECK_EQUAL(Queue.Size, sizeof(KDEVICE_QUEUE));
    CHECK_EQUAL(Queue.Busy, FALSE);
    CHECK(IsListEmpty(&Queue.DeviceListHead));
    CHECK(KeTestSpinLock(&Queue.Lock));
}

TEST(T_KDQ_2__T_KDQ_3)
{
    Prepare();
    AT_IRQL(DISPATCH_LEVEL)
    {
        CHECK(!KeInsertDeviceQueue(&Queue, &Entries[0]));
        CHECK_EQUAL(Queue.Busy, TRUE);
        CHECK(IsListEmpty(&Queue.DeviceListHead));
        CHECK_EQUAL(Entries[0].Inserted, FALSE);

        for (ULONG n = 1; n < ENTRIES; n++) {
            CHECK(KeInsertDeviceQueue(&Queue, &Entries[n]));
            CHECK_EQUAL(Entries[n].Inserted, TRUE);
        }
        for (ULONG n = 1; n < ENTRIES; n++) {
            CHECK_EQUAL(NumberOf(KeRemoveDeviceQueue(&Queue)), n);
            CHECK_EQUAL(Entries[n].Inserted, FALSE);
            CHECK_EQUAL(Queue.Busy, TRUE);
        }
        CHECK_EQUAL(KeRemoveDeviceQueue(&Queue), NULL);
        CHECK_EQUAL(Queue.Busy, FALSE);
        CHECK(!KeInsertDeviceQueue(&Queue, &Entries[2])); /* the device is free again */
    }
}

/* Behind all keys that are not greater: equal keys are served first come, first served. */
TEST(T_KDQ_2_by_key)
{
    static const ULONG keys[ENTRIES] = {0, 7, 3, 7, 3}, order[] = {2, 4, 1, 3};

    Prepare();
    AT_IRQL(DISPATCH_LEVEL)
    {
        CHECK(!KeInsertByKeyDeviceQueue(&Queue, &Entries[0], 9));
        CHECK_EQUAL(Entries[0].SortKey, 9);
        for (ULONG n = 1; n < ENTRIES; n++)
            CHECK(KeInsertByKeyDeviceQueue(&Queue, &Entries[n], keys[n]));
        for (ULONG n = 0; n < ARRAYSIZE(order); n++)
            CHECK_EQUAL(NumberOf(KeRemoveDeviceQueue(&Queue)), order[n]);
        CHECK_EQUAL(KeRemoveDeviceQueue(&Queue), NULL);
    }
}

/* Without a key: the tail, whatever keys stand before it, and the order of keys still holds. */
TEST(T_KDQ_2_with_and_without_key)
{
    static const ULONG order[] = {3, 1, 2, 4};

    Prepare();
    AT_IRQL(DISPATCH_LEVEL)
    {
        CHECK(!KeInsertDeviceQueue(&Queue, &Entries[0]));
        CHECK(KeInsertByKeyDeviceQueue(&Queue, &Entries[1], MAXULONG));
        CHECK(KeInsertDeviceQueue(&Queue, &Entries[2]));
        CHECK(KeInsertByKeyDeviceQueue(&Queue, &Entries[3], 5));
        CHECK(KeInsertDeviceQueue(&Queue, &Entries[4]));
        for (ULONG n = 0; n < ARRAYSIZE(order); n++)
            CHECK_EQUAL(NumberOf(KeRemoveDeviceQueue(&Queue)), order[n]);
    }
}

TEST(T_KDQ_4)
{
    Prepare();
    AT_IRQL(DISPATCH_LEVEL)
    {
        CHECK(!KeInsertByKeyDeviceQueue(&Queue, &Entries[0], 0));
        for (ULONG n = 1; n < ENTRIES; n++)
            CHECK(KeInsertByKeyDeviceQueue(&Queue, &Entries[n], 10 * n));
        CHECK_EQUAL(NumberOf(KeRemoveByKeyDeviceQueue(&Queue, 20)), 2); /* equal is enough */
        CHECK_EQUAL(NumberOf(KeRemoveByKeyDeviceQueue(&Queue, 21)), 3);
        CHECK_EQUAL(NumberOf(KeRemoveByKeyDeviceQueue(&Queue, 41)), 1); /* none: the first */
        CHECK_EQUAL(NumberOf(KeRemoveByKeyDeviceQueueIfBusy(&Queue, 0)), 4);
        CHECK_EQUAL(Queue.Busy, TRUE);
        CHECK_EQUAL(KeRemoveByKeyDeviceQueue(&Queue, 0), NULL);
        CHECK_EQUAL(Queue.Busy, FALSE);
        CHECK_EQUAL(KeRemoveByKeyDeviceQueueIfBusy(&Queue, 0), NULL); /* no error here */
        CHECK_EQUAL(Queue.Busy, FALSE);
    }
}

TEST(T_KDQ_5)
{
    Prepare();
    AT_IRQL(DISPATCH_LEVEL)
    {
        CHECK(!KeInsertDeviceQueue(&Queue, &Entries[0]));
        for (ULONG n = 1; n < 4; n++)
            CHECK(KeInsertDeviceQueue(&Queue, &Entries[n]));
        CHECK(!KeRemoveEntryDeviceQueue(&Queue, &Entries[0])); /* it is being served */
    }
    for (KIRQL level = PASSIVE_LEVEL; level <= DISPATCH_LEVEL; level++)
        AT_IRQL(level)
        {
            ULONG n = level == APC_LEVEL ? 1u : level == PASSIVE_LEVEL ? 2u : 3u;

            CHECK(KeRemoveEntryDeviceQueue(&Queue, &Entries[n]));
            CHECK(!KeRemoveEntryDeviceQueue(&Queue, &Entries[n]));
            CHECK_EQUAL(Entries[n].Inserted, FALSE);
            CHECK_EQUAL(Queue.Busy, TRUE);
            CHECK_IRQL(level);
        }
    CHECK(IsListEmpty(&Queue.DeviceListHead)); /* empty, and still busy */
    AT_IRQL(DISPATCH_LEVEL)
    {
        CHECK(KeInsertDeviceQueue(&Queue, &Entries[4]));
        CHECK_EQUAL(NumberOf(KeRemoveDeviceQueue(&Queue)), 4);
        CHECK_EQUAL(KeRemoveDeviceQueue(&Queue), NULL);
        CHECK_EQUAL(Queue.Busy, FALSE);
    }
}
