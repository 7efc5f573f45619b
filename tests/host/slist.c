/* sources: kernel/ex/slist.c tests/host/support/support.c tests/host/support/threads.c */
/* Sequenced lists: order and depth by one thread, nothing lost or doubled by several. */
#include "support/support.h"
#include "support/threads.h"
#include <sched.h>

#define ENTRIES 64
#define ROUNDS  100000

typedef struct _ITEM {
    SLIST_ENTRY Entry;
    volatile LONG Owners; /* threads that hold the item: at most one */
    ULONG Number;
} ITEM;

static SLIST_HEADER Head;
static ITEM Items[ENTRIES];

static int Start(void **State)
{
    (void)State;
    memset(&Head, 0x55, sizeof(Head));
    ExInitializeSListHead(&Head);
    memset(Items, 0x55, sizeof(Items));
    for (ULONG i = 0; i < ENTRIES; i++) {
        Items[i].Number = i;
        Items[i].Owners = 0;
    }
    return 0;
}

static PSLIST_ENTRY Push(ULONG Number)
{
    return ExInterlockedPushEntrySList(&Head, &Items[Number].Entry, NULL);
}

static PSLIST_ENTRY Pop(VOID)
{
    return ExInterlockedPopEntrySList(&Head, NULL);
}

/* T-EXI-1, T-EXI-5 */
static void LastInFirstOut(void **State)
{
    (void)State;
    assert_null(Pop());
    for (ULONG i = 0; i < ENTRIES; i++) {
        assert_ptr_equal(Push(i), i == 0 ? NULL : &Items[i - 1].Entry);
        assert_int_equal(ExQueryDepthSList(&Head), i + 1);
    }
    for (ULONG i = ENTRIES; i-- > 0;) {
        assert_ptr_equal(Pop(), &Items[i].Entry);
        assert_int_equal(ExQueryDepthSList(&Head), i);
    }
    assert_null(Pop());
    assert_null(Pop());
    assert_int_equal(ExQueryDepthSList(&Head), 0);
}

static void FlushGivesTheWholeChain(void **State)
{
    PSLIST_ENTRY chain;

    (void)State;
    assert_null(ExInterlockedFlushSList(&Head));
    for (ULONG i = 0; i < ENTRIES; i++)
        Push(i);
    chain = ExInterlockedFlushSList(&Head);
    for (ULONG i = ENTRIES; i-- > 0; chain = chain->Next)
        assert_ptr_equal(chain, &Items[i].Entry);
    assert_null(chain);
    assert_int_equal(ExQueryDepthSList(&Head), 0);
    assert_null(Pop());
    assert_null(Push(3));
    assert_ptr_equal(Pop(), &Items[3].Entry);
}

/* Each change but that of an empty list to an empty list is one further in the sequence. */
static void TheSequenceCounts(void **State)
{
    (void)State;
    Pop();
    ExInterlockedFlushSList(&Head);
    assert_int_equal(Head.HeaderX64.Sequence, 0);
    Push(0);
    Push(1);
    Pop();
    ExInterlockedFlushSList(&Head);
    assert_int_equal(Head.HeaderX64.Sequence, 4);

    Head.HeaderX64.Sequence = 0xFFFFFFFFFFFF;
    Push(0);
    assert_int_equal(Head.HeaderX64.Sequence, 0);
    assert_int_equal(Head.HeaderX64.Depth, 1);
    assert_ptr_equal(Pop(), &Items[0].Entry);
}

/* The depth has 16 bits and runs over into nothing. */
static void TheDepthWrapsAlone(void **State)
{
    (void)State;
    Push(0);
    Head.HeaderX64.Depth = 0xFFFF;
    Push(1);
    assert_int_equal(ExQueryDepthSList(&Head), 0);
    assert_int_equal(Head.HeaderX64.Sequence, 2);
    assert_ptr_equal(Pop(), &Items[1].Entry);
    assert_int_equal(ExQueryDepthSList(&Head), 0xFFFF);
}

/* ---- several threads ---- */

static ITEM *Take(PSLIST_ENTRY Entry)
{
    ITEM *item = CONTAINING_RECORD(Entry, ITEM, Entry);

    if (InterlockedIncrement(&item->Owners) != 1)
        abort(); /* in the list although somebody had it */
    return item;
}

static VOID Give(ITEM *Item)
{
    InterlockedDecrement(&Item->Owners);
    ExInterlockedPushEntrySList(&Head, &Item->Entry, NULL);
}

/* Takes up to three entries and puts them back in another order; now and then takes all. */
static ULONG_PTR Shuffle(ULONG Number)
{
    ULONG seed = Number;

    for (ULONG n = 0; n < ROUNDS; n++) {
        ITEM *items[3] = {NULL, NULL, NULL};

        seed = seed * 1664525 + 1013904223;
        if (seed >> 24 == 0) {
            PSLIST_ENTRY entry = ExInterlockedFlushSList(&Head), next;

            for (; entry; entry = next) {
                next = entry->Next;
                Give(Take(entry));
            }
            continue;
        }
        for (ULONG i = 0; i <= (seed >> 20) % 3; i++) {
            PSLIST_ENTRY entry = ExInterlockedPopEntrySList(&Head, NULL);

            items[i] = entry ? Take(entry) : NULL;
        }
        if (seed >> 28 == 0)
            sched_yield();
        for (ULONG i = 0; i < 3; i++) {
            if (items[i])
                Give(items[i]);
        }
    }
    return 0;
}

static VOID AssertAllThereOnce(ULONG Count)
{
    ULONG64 seen = 0;
    PSLIST_ENTRY entry;

    assert_int_equal(ExQueryDepthSList(&Head), Count);
    while ((entry = Pop()) != NULL)
        seen |= 1ULL << Take(entry)->Number;
    assert_int_equal(seen, Count == 64 ? UINT64_MAX : (1ULL << Count) - 1);
}

/* With many entries, and with so few that an entry comes back while others look at it. */
static void NothingIsLostOrDoubled(void **State)
{
    static const ULONG counts[] = {2, 3, ENTRIES};

    (void)State;
    for (ULONG i = 0; i < ARRAYSIZE(counts); i++) {
        Start(NULL);
        for (ULONG n = 0; n < counts[i]; n++)
            Push(n);
        HostRunThreads(Shuffle);
        AssertAllThereOnce(counts[i]);
    }
}

#define TEST(name) cmocka_unit_test_setup(name, Start)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(LastInFirstOut),     TEST(FlushGivesTheWholeChain), TEST(TheSequenceCounts),
        TEST(TheDepthWrapsAlone), TEST(NothingIsLostOrDoubled),
    };

    return cmocka_run_group_tests_name("slist", tests, NULL, NULL);
}
