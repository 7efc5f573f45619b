/* sources: kernel/ke/devqueue.c kernel/ke/spinlock.c tests/host/support/support.c tests/host/support/threads.c */
/* Device queues: against a plain array, at random; and used by several threads at once. */
#include "support/support.h"
#include "support/threads.h"

#define ENTRIES 12
#define STEPS   200000
#define ROUNDS  300000

static KDEVICE_QUEUE Queue;
static KDEVICE_QUEUE_ENTRY Entries[ENTRIES];

static int Start(void **State)
{
    (void)State;
    HostIrql = DISPATCH_LEVEL;
    memset(&Queue, 0x55, sizeof(Queue));
    memset(Entries, 0x55, sizeof(Entries));
    KeInitializeDeviceQueue(&Queue);
    return 0;
}

/* ---- the model: what waits, in the order of service ---- */

static ULONG Waiting[ENTRIES], Keys[ENTRIES], Length;
static BOOLEAN Busy, Used[ENTRIES]; /* an entry that waits or is being served */

static VOID ModelInsertAt(ULONG Place, ULONG Entry, ULONG Key)
{
    memmove(&Waiting[Place + 1], &Waiting[Place], (Length - Place) * sizeof(ULONG));
    Waiting[Place] = Entry;
    Keys[Entry] = Key;
    Length++;
}

static VOID ModelInsert(ULONG Entry, ULONG Key)
{
    ULONG place = 0;

    while (place < Length && Keys[Waiting[place]] <= Key)
        place++;
    ModelInsertAt(place, Entry, Key);
}

static VOID ModelRemoveAt(ULONG Place)
{
    memmove(&Waiting[Place], &Waiting[Place + 1], (Length - Place - 1) * sizeof(ULONG));
    Length--;
}

static ULONG ModelPlaceByKey(ULONG Key)
{
    for (ULONG place = 0; place < Length; place++)
        if (Keys[Waiting[place]] >= Key)
            return place;
    return 0;
}

static VOID AssertLikeModel(VOID)
{
    PLIST_ENTRY link = Queue.DeviceListHead.Flink;

    assert_int_equal(Queue.Busy, Busy);
    for (ULONG place = 0; place < Length; place++, link = link->Flink) {
        assert_ptr_equal(link, &Entries[Waiting[place]].DeviceListEntry);
        assert_ptr_equal(link->Flink->Blink, link);
        assert_true(Entries[Waiting[place]].Inserted);
    }
    assert_ptr_equal(link, &Queue.DeviceListHead);
    assert_int_equal(Queue.Lock, 0);
}

/* ---- steps ---- */

static VOID InsertSomething(BOOLEAN ByKey)
{
    ULONG entry = (ULONG)HostRandomBelow(ENTRIES), key = (ULONG)HostRandomBelow(5);
    BOOLEAN inserted;

    if (Used[entry])
        return;
    inserted = ByKey ? KeInsertByKeyDeviceQueue(&Queue, &Entries[entry], key)
                     : KeInsertDeviceQueue(&Queue, &Entries[entry]);
    assert_int_equal(inserted, Busy);
    assert_int_equal(Entries[entry].Inserted, inserted);
    if (inserted && ByKey)
        ModelInsert(entry, key);
    else if (inserted)
        ModelInsertAt(Length, entry, Length ? Keys[Waiting[Length - 1]] : 0);
    Used[entry] = inserted; /* what is not queued is over at once, the device stays busy */
    Busy = TRUE;
}

static VOID RemoveNext(ULONG Kind)
{
    ULONG key = (ULONG)HostRandomBelow(6), place = Kind == 0 ? 0 : ModelPlaceByKey(key);
    PKDEVICE_QUEUE_ENTRY entry;

    if (!Busy && Kind != 2)
        return;
    entry = Kind == 0   ? KeRemoveDeviceQueue(&Queue)
            : Kind == 1 ? KeRemoveByKeyDeviceQueue(&Queue, key)
                        : KeRemoveByKeyDeviceQueueIfBusy(&Queue, key);
    if (Length == 0) {
        assert_null(entry);
        Busy = FALSE;
        return;
    }
    assert_ptr_equal(entry, &Entries[Waiting[place]]);
    assert_false(entry->Inserted);
    Used[Waiting[place]] = FALSE;
    ModelRemoveAt(place);
}

static VOID RemoveOne(VOID)
{
    ULONG entry = (ULONG)HostRandomBelow(ENTRIES), place = 0;

    if (Entries[entry].Inserted == 0x55)
        return; /* it has not been given to the queue yet */
    HostIrql = (KIRQL)HostRandomBelow(DISPATCH_LEVEL + 1);
    assert_int_equal(KeRemoveEntryDeviceQueue(&Queue, &Entries[entry]), Used[entry]);
    HostIrql = DISPATCH_LEVEL;
    if (!Used[entry])
        return;
    while (Waiting[place] != entry)
        place++;
    ModelRemoveAt(place);
    Used[entry] = FALSE;
}

/* T-KDQ-1..5 */
static void TheQueueIsLikeTheModel(void **State)
{
    (void)State;
    for (ULONG step = 0; step < STEPS; step++) {
        ULONG what = (ULONG)HostRandomBelow(10);

        if (what < 6)
            InsertSomething(what < 3);
        else if (what < 9)
            RemoveNext(what - 6);
        else
            RemoveOne();
        AssertLikeModel();
    }
}

/* ---- errors ---- */

static void WrongUseIsReported(void **State)
{
    (void)State;
    EXPECT_BUGCHECK(DRIVER_VERIFIER_DETECTED_VIOLATION, RULE_DEVICE_QUEUE_BUSY,
                    KeRemoveDeviceQueue(&Queue));
    ASSERT_PARAMETERS(DISPATCH_LEVEL, &Queue, 0);
    Queue.Lock = 0;
    EXPECT_BUGCHECK(DRIVER_VERIFIER_DETECTED_VIOLATION, RULE_DEVICE_QUEUE_BUSY,
                    KeRemoveByKeyDeviceQueue(&Queue, 1));
    Queue.Lock = 0;
    HostIrql = PASSIVE_LEVEL;
    EXPECT_BUGCHECK(DRIVER_VERIFIER_DETECTED_VIOLATION, RULE_IRQL_DISPATCH,
                    KeInsertDeviceQueue(&Queue, &Entries[0]));
    HostIrql = DISPATCH_LEVEL + 1;
    EXPECT_BUGCHECK(DRIVER_VERIFIER_DETECTED_VIOLATION, RULE_IRQL_KE_DISPATCH_LTE,
                    KeRemoveEntryDeviceQueue(&Queue, &Entries[0]));
}

/* ---- several at once ---- */

static volatile LONG Serving, ServedCount, Removed;

static VOID Serve(VOID)
{
    if (InterlockedIncrement(&Serving) != 1)
        abort();
    InterlockedIncrement(&ServedCount);
    InterlockedDecrement(&Serving);
}

/*
 * A thread makes its request; if the device was idle, the thread serves what comes until nothing
 * waits, else it takes its request back, unless another thread was faster. The entry may be used
 * again at once then: whoever has removed it does not touch it any more.
 */
static ULONG_PTR RequestAndCancel(ULONG Number)
{
    PKDEVICE_QUEUE_ENTRY mine = &Entries[Number];
    ULONG_PTR requests = 0;

    HostIrql = DISPATCH_LEVEL;
    for (ULONG round = 0; round < ROUNDS; round++, requests++) {
        if (!KeInsertByKeyDeviceQueue(&Queue, mine, round % 3)) {
            do
                Serve();
            while (KeRemoveDeviceQueue(&Queue));
        } else if (KeRemoveEntryDeviceQueue(&Queue, mine)) {
            InterlockedIncrement(&Removed);
        }
    }
    return requests;
}

static void EveryRequestEndsOnce(void **State)
{
    ULONG_PTR requests;

    (void)State;
    Serving = ServedCount = Removed = 0;
    requests = HostRunThreads(RequestAndCancel);
    assert_int_equal((ULONG_PTR)ServedCount + (ULONG_PTR)Removed, requests);
    assert_false(Queue.Busy);
    assert_true(IsListEmpty(&Queue.DeviceListHead));
}

#define TEST(name) cmocka_unit_test_setup(name, Start)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(TheQueueIsLikeTheModel),
        TEST(WrongUseIsReported),
        TEST(EveryRequestEndsOnce),
    };

    return cmocka_run_group_tests_name("devqueue", tests, NULL, NULL);
}
