/* sources: kernel/ex/interlocked.c kernel/ke/spinlock.c tests/host/support/support.c tests/host/support/threads.c */
/* Lists and numbers under a lock: results, the interrupt flag, exclusion by several threads. */
#include "support/support.h"
#include "support/threads.h"

#define ROUNDS 200000

static KSPIN_LOCK Lock;
static LIST_ENTRY List;
static SINGLE_LIST_ENTRY Stack;

static int Start(void **State)
{
    (void)State;
    Lock = 0;
    InitializeListHead(&List);
    Stack.Next = NULL;
    HostIrql = PASSIVE_LEVEL;
    HostInterruptsOff = FALSE;
    return 0;
}

/* T-EXI-4: nothing is left behind. */
static VOID AssertUntouched(KIRQL Irql, BOOLEAN InterruptsOff)
{
    assert_int_equal(Lock, 0);
    assert_int_equal(HostIrql, Irql);
    assert_int_equal(HostInterruptsOff, InterruptsOff);
}

/* T-EXI-1 */
static void ListsReturnNeighboursOrNull(void **State)
{
    LIST_ENTRY entries[3];

    (void)State;
    assert_null(ExInterlockedRemoveHeadList(&List, &Lock));
    assert_null(ExInterlockedInsertHeadList(&List, &entries[1], &Lock));
    assert_ptr_equal(ExInterlockedInsertHeadList(&List, &entries[0], &Lock), &entries[1]);
    assert_ptr_equal(ExInterlockedInsertTailList(&List, &entries[2], &Lock), &entries[1]);
    for (ULONG i = 0; i < 3; i++)
        assert_ptr_equal(ExInterlockedRemoveHeadList(&List, &Lock), &entries[i]);
    assert_null(ExInterlockedRemoveHeadList(&List, &Lock));
    assert_null(ExInterlockedInsertTailList(&List, &entries[2], &Lock));
    AssertUntouched(PASSIVE_LEVEL, FALSE);
}

static void StacksReturnTheFirstOrNull(void **State)
{
    SINGLE_LIST_ENTRY entries[2];

    (void)State;
    assert_null(ExInterlockedPopEntryList(&Stack, &Lock));
    assert_null(ExInterlockedPushEntryList(&Stack, &entries[0], &Lock));
    assert_ptr_equal(ExInterlockedPushEntryList(&Stack, &entries[1], &Lock), &entries[0]);
    assert_ptr_equal(ExInterlockedPopEntryList(&Stack, &Lock), &entries[1]);
    assert_ptr_equal(ExInterlockedPopEntryList(&Stack, &Lock), &entries[0]);
    assert_null(ExInterlockedPopEntryList(&Stack, &Lock));
    AssertUntouched(PASSIVE_LEVEL, FALSE);
}

static void AdditionsReturnTheValueBefore(void **State)
{
    ULONG number = 0xFFFFFFFE;
    LARGE_INTEGER large = {.QuadPart = MAXLONGLONG}, one = {.QuadPart = 1};

    (void)State;
    assert_int_equal(ExInterlockedAddUlong(&number, 3, &Lock), 0xFFFFFFFE);
    assert_int_equal(number, 1);
    assert_int_equal(ExInterlockedAddLargeInteger(&large, one, &Lock).QuadPart, MAXLONGLONG);
    assert_int_equal(large.QuadPart, MINLONGLONG);
    AssertUntouched(PASSIVE_LEVEL, FALSE);
}

/* T-EXI-3, T-EXI-4: at any IRQL, with interrupts on or off. */
static void FlagAndIrqlAreRestored(void **State)
{
    ULONG number = 0;

    (void)State;
    for (KIRQL irql = PASSIVE_LEVEL; irql <= HIGH_LEVEL; irql++) {
        for (BOOLEAN off = FALSE; off <= TRUE; off++) {
            HostIrql = irql;
            HostInterruptsOff = off;
            ExInterlockedAddUlong(&number, 1, &Lock);
            AssertUntouched(irql, off);
        }
    }
    assert_int_equal(number, 32);
}

/* A lock that this processor holds by another routine. */
static void RecursionIsReported(void **State)
{
    ULONG number = 0;

    (void)State;
    Lock = (ULONG_PTR)KeGetCurrentPrcb();
    EXPECT_BUGCHECK(SPIN_LOCK_ALREADY_OWNED, &Lock, ExInterlockedAddUlong(&number, 1, &Lock));
}

/* ---- several threads ---- */

static LIST_ENTRY Entries[16];
static ULONG Sum;
static LARGE_INTEGER LargeSum;

static ULONG_PTR Work(ULONG Number)
{
    const LARGE_INTEGER step = {.QuadPart = 0x100000001};

    for (ULONG n = 0; n < ROUNDS; n++) {
        PLIST_ENTRY entry = ExInterlockedRemoveHeadList(&List, &Lock);

        if (!HostInterruptsOff && entry) {
            if (n % 2)
                ExInterlockedInsertHeadList(&List, entry, &Lock);
            else
                ExInterlockedInsertTailList(&List, entry, &Lock);
        }
        ExInterlockedAddUlong(&Sum, 1, &Lock);
        ExInterlockedAddLargeInteger(&LargeSum, step, &Lock);
    }
    return Number;
}

static void OperationsAreOneStep(void **State)
{
    ULONG count = 0;

    (void)State;
    for (ULONG i = 0; i < ARRAYSIZE(Entries); i++)
        InsertTailList(&List, &Entries[i]);
    HostRunThreads(Work);
    for (PLIST_ENTRY entry = List.Flink; entry != &List; entry = entry->Flink) {
        assert_ptr_equal(entry->Flink->Blink, entry);
        count++;
    }
    assert_int_equal(count, ARRAYSIZE(Entries));
    assert_int_equal(Sum, HOST_THREADS * ROUNDS);
    assert_int_equal(LargeSum.QuadPart, HOST_THREADS * ROUNDS * 0x100000001);
}

#define TEST(name) cmocka_unit_test_setup(name, Start)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(ListsReturnNeighboursOrNull),   TEST(StacksReturnTheFirstOrNull),
        TEST(AdditionsReturnTheValueBefore), TEST(FlagAndIrqlAreRestored),
        TEST(RecursionIsReported),           TEST(OperationsAreOneStep),
    };

    return cmocka_run_group_tests_name("interlocked", tests, NULL, NULL);
}
