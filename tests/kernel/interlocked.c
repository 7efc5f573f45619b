/* spinlock.md: interlocked lists and counters under a spin lock (T-EXI-1 to -4). */
#define SUITE "interlocked"
#include "suite.h"

#define ENTRIES 8
#define TURNS   1500

typedef struct _ITEM {
    LIST_ENTRY Link;
    SINGLE_LIST_ENTRY Single;
    volatile LONG Owners; /* 1 while somebody has taken it out of a list */
} ITEM;

static KSPIN_LOCK Lock;
static LIST_ENTRY List;
static SINGLE_LIST_ENTRY SingleList;
static ITEM Items[ENTRIES];

static VOID PrepareLists(VOID)
{
    KtPoison(&Items);
    KeInitializeSpinLock(&Lock);
    InitializeListHead(&List);
    SingleList.Next = NULL;
    for (ULONG i = 0; i < ENTRIES; i++)
        Items[i].Owners = 1;
}

TEST(T_EXI_1_doubly_linked)
{
    LIST_ENTRY a, b, c;

    PrepareLists();
    CHECK_EQUAL(ExInterlockedRemoveHeadList(&List, &Lock), NULL);
    CHECK_EQUAL(ExInterlockedInsertHeadList(&List, &a, &Lock), NULL); /* it was empty */
    CHECK_EQUAL(ExInterlockedInsertHeadList(&List, &b, &Lock), &a);   /* the former first */
    CHECK_EQUAL(ExInterlockedInsertTailList(&List, &c, &Lock), &a);   /* the former last */
    CHECK_EQUAL(ExInterlockedRemoveHeadList(&List, &Lock), &b);
    CHECK_EQUAL(ExInterlockedRemoveHeadList(&List, &Lock), &a);
    CHECK_EQUAL(ExInterlockedRemoveHeadList(&List, &Lock), &c);
    CHECK_EQUAL(ExInterlockedRemoveHeadList(&List, &Lock), NULL);
    CHECK_EQUAL(ExInterlockedInsertTailList(&List, &c, &Lock), NULL);
    CHECK(List.Flink == &c && List.Blink == &c);
    CHECK(KeTestSpinLock(&Lock));
}

TEST(T_EXI_1_singly_linked)
{
    SINGLE_LIST_ENTRY a, b;

    PrepareLists();
    CHECK_EQUAL(ExInterlockedPopEntryList(&SingleList, &Lock), NULL);
    CHECK_EQUAL(ExInterlockedPushEntryList(&SingleList, &a, &Lock), NULL);
    CHECK_EQUAL(ExInterlockedPushEntryList(&SingleList, &b, &Lock), &a);
    CHECK_EQUAL(ExInterlockedPopEntryList(&SingleList, &Lock), &b);
    CHECK_EQUAL(ExInterlockedPopEntryList(&SingleList, &Lock), &a);
    CHECK_EQUAL(ExInterlockedPopEntryList(&SingleList, &Lock), NULL);
}

TEST(T_EXI_1_counters)
{
    ULONG number = 0xFFFFFFFE;
    LARGE_INTEGER large = {.QuadPart = 0xFFFFFFFF}, three = {.QuadPart = 3},
                  minus = {.QuadPart = -5};

    PrepareLists();
    CHECK_EQUAL(ExInterlockedAddUlong(&number, 1, &Lock), 0xFFFFFFFE); /* the value before */
    CHECK_EQUAL(ExInterlockedAddUlong(&number, 5, &Lock), 0xFFFFFFFF);
    CHECK_EQUAL(number, 4);
    CHECK_EQUAL(ExInterlockedAddLargeInteger(&large, three, &Lock).QuadPart, 0xFFFFFFFF);
    CHECK_EQUAL(large.QuadPart, 0x100000002);
    CHECK_EQUAL(ExInterlockedAddLargeInteger(&large, minus, &Lock).QuadPart, 0x100000002);
    CHECK_EQUAL(large.QuadPart, 0xFFFFFFFD);
}

static VOID CallAll(VOID)
{
    LARGE_INTEGER large = {.QuadPart = 0}, one = {.QuadPart = 1};
    ULONG number = 0;

    ExInterlockedInsertHeadList(&List, &Items[0].Link, &Lock);
    ExInterlockedInsertTailList(&List, &Items[1].Link, &Lock);
    ExInterlockedRemoveHeadList(&List, &Lock);
    ExInterlockedRemoveHeadList(&List, &Lock);
    ExInterlockedPushEntryList(&SingleList, &Items[0].Single, &Lock);
    ExInterlockedPopEntryList(&SingleList, &Lock);
    ExInterlockedAddUlong(&number, 1, &Lock);
    ExInterlockedAddLargeInteger(&large, one, &Lock);
}

TEST(T_EXI_4)
{
    PrepareLists();
    for (KIRQL level = PASSIVE_LEVEL; level <= HIGH_LEVEL; level++)
        AT_IRQL(level)
        {
            ULONG_PTR flags;

            CallAll();
            CHECK_IRQL(level);
            CHECK(ArchInterruptsEnabled());
            flags = ArchDisableInterrupts();
            CallAll();
            CHECK(!ArchInterruptsEnabled());
            ArchRestoreInterrupts(flags);
            CHECK_IRQL(level);
        }
}

/* Takes an item out, owns it alone for a moment and puts it back. */
static VOID Circulate(ULONG Turn)
{
    PLIST_ENTRY link = ExInterlockedRemoveHeadList(&List, &Lock);
    ITEM *item;

    if (!link)
        return;
    item = CONTAINING_RECORD(link, ITEM, Link);
    CHECK_EQUAL(InterlockedIncrement(&item->Owners), 1);
    KtJitter(10);
    InterlockedDecrement(&item->Owners);
    if (Turn % 2)
        ExInterlockedInsertHeadList(&List, link, &Lock);
    else
        ExInterlockedInsertTailList(&List, link, &Lock);
}

static VOID FillList(VOID)
{
    PrepareLists();
    for (ULONG i = 0; i < ENTRIES; i++) {
        Items[i].Owners = 0;
        ExInterlockedInsertTailList(&List, &Items[i].Link, &Lock);
    }
}

static ULONG CountList(VOID)
{
    ULONG count = 0;

    while (ExInterlockedRemoveHeadList(&List, &Lock))
        count++;
    return count;
}

static ULONG Sum;
static LARGE_INTEGER LargeSum;

PARALLEL_ROUTINE(CirculateMany)
{
    LARGE_INTEGER big = {.QuadPart = 0x80000001};

    for (ULONG i = 0; i < TURNS; i++) {
        Circulate(i);
        ExInterlockedAddUlong(&Sum, 3, &Lock);
        ExInterlockedAddLargeInteger(&LargeSum, big, &Lock);
    }
}

TEST(T_EXI_2)
{
    ULONG turns = KtProcessors() * TURNS;

    FillList();
    Sum = 0;
    LargeSum.QuadPart = 0;
    KtRunOnAll(CirculateMany, NULL);
    CHECK_EQUAL(CountList(), ENTRIES);
    CHECK_EQUAL(Sum, 3 * turns);
    CHECK_EQUAL(LargeSum.QuadPart, 0x80000001ULL * turns);
}

static volatile LONG IsrRuns;

/* An ISR uses the same lock and list as the code that it interrupts. */
SERVICE_ROUTINE(CirculateInIsr)
{
    Circulate((ULONG)InterlockedIncrement(&IsrRuns));
    return TRUE;
}

PARALLEL_ROUTINE(RaiseVectors)
{
    for (ULONG i = 0; i < TURNS / 4; i++) {
        ArchSendInterrupt(i % KtProcessors(), KT_VECTOR(3 + 4 * (i % 3), 0));
        Circulate(i);
        KtJitter(50);
    }
}

TEST(T_EXI_3__T_SL_8)
{
    PKINTERRUPT interrupts[3];

    FillList();
    IsrRuns = 0;
    for (ULONG i = 0; i < 3; i++)
        CHECK_EQUAL(KtConnect(&interrupts[i], KT_VECTOR(3 + 4 * i, 0), CirculateInIsr, NULL),
                    STATUS_SUCCESS);
    KtRunOnAll(RaiseVectors, NULL);
    for (ULONG i = 0; i < TURNS; i++) { /* PASSIVE_LEVEL code that its own ISR interrupts */
        if (i % 8 == 0)
            ArchSendInterrupt(KeGetCurrentProcessorIndex(), KT_VECTOR(3 + 4 * (i % 3), 0));
        Circulate(i);
    }
    for (ULONG i = 0; i < 3; i++)
        IoDisconnectInterrupt(interrupts[i]);
    CHECK(IsrRuns > 0);
    CHECK_EQUAL(CountList(), ENTRIES);
}
