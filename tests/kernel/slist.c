/* spinlock.md: sequenced lists (T-EXI-5). */
#define SUITE "slist"
#include "suite.h"

#define ENTRIES 4 /* few, so that the same one comes back at once: the ABA case */
#define TURNS   4000

typedef struct _ITEM {
    SLIST_ENTRY Link;
    volatile LONG Owners;
} ITEM;

static SLIST_HEADER Head;
static ITEM Items[ENTRIES];
static volatile LONG Pops, IsrPops;

TEST(T_EXI_5_last_in_first_out)
{
    SLIST_ENTRY a, b, c;

    CHECK_EQUAL((ULONG_PTR)&Head % 16, 0);
    KtPoison(&Head);
    ExInitializeSListHead(&Head);
    CHECK_EQUAL(ExQueryDepthSList(&Head), 0);
    CHECK_EQUAL(ExInterlockedPopEntrySList(&Head, NULL), NULL);
    CHECK_EQUAL(ExInterlockedPushEntrySList(&Head, &a, NULL), NULL);
    CHECK_EQUAL(ExInterlockedPushEntrySList(&Head, &b, NULL), &a);
    CHECK_EQUAL(ExInterlockedPushEntrySList(&Head, &c, NULL), &b);
    CHECK_EQUAL(ExQueryDepthSList(&Head), 3);
    CHECK_EQUAL(ExInterlockedPopEntrySList(&Head, NULL), &c);
    CHECK_EQUAL(ExInterlockedPopEntrySList(&Head, NULL), &b);
    CHECK_EQUAL(ExQueryDepthSList(&Head), 1);
    CHECK_EQUAL(ExInterlockedPopEntrySList(&Head, NULL), &a);
    CHECK_EQUAL(ExInterlockedPopEntrySList(&Head, NULL), NULL);
    CHECK_EQUAL(ExQueryDepthSList(&Head), 0);
}

TEST(T_EXI_5_flush)
{
    SLIST_ENTRY a, b;
    PSLIST_ENTRY chain;

    ExInitializeSListHead(&Head);
    CHECK_EQUAL(ExInterlockedFlushSList(&Head), NULL);
    ExInterlockedPushEntrySList(&Head, &a, NULL);
    ExInterlockedPushEntrySList(&Head, &b, NULL);
    chain = ExInterlockedFlushSList(&Head);
    CHECK_EQUAL(chain, &b);
    CHECK_EQUAL(chain->Next, &a); /* the entries themselves are as they were */
    CHECK_EQUAL(a.Next, NULL);
    CHECK_EQUAL(ExQueryDepthSList(&Head), 0);
    CHECK_EQUAL(ExInterlockedPopEntrySList(&Head, NULL), NULL);
}

TEST(T_EXI_5_every_level)
{
    SLIST_ENTRY entry;

    ExInitializeSListHead(&Head);
    for (KIRQL level = PASSIVE_LEVEL; level <= HIGH_LEVEL; level++)
        AT_IRQL(level)
        {
            CHECK_EQUAL(ExInterlockedPushEntrySList(&Head, &entry, NULL), NULL);
            CHECK_EQUAL(ExInterlockedPopEntrySList(&Head, NULL), &entry);
            CHECK_IRQL(level);
            CHECK(ArchInterruptsEnabled());
        }
}

/* Owning an item that another one owns too would be the ABA error. */
static VOID Circulate(volatile LONG *Count)
{
    PSLIST_ENTRY link = ExInterlockedPopEntrySList(&Head, NULL);
    ITEM *item;

    if (!link)
        return;
    item = CONTAINING_RECORD(link, ITEM, Link);
    CHECK_EQUAL(InterlockedIncrement(&item->Owners), 1);
    link->Next = (PSLIST_ENTRY)(ULONG_PTR)0x5A5A5A5A5A5A5A50; /* nobody may follow it now */
    InterlockedDecrement(&item->Owners);
    InterlockedIncrement(Count);
    ExInterlockedPushEntrySList(&Head, link, NULL);
}

static VOID FillHead(VOID)
{
    ExInitializeSListHead(&Head);
    for (ULONG i = 0; i < ENTRIES; i++) {
        Items[i].Owners = 0;
        ExInterlockedPushEntrySList(&Head, &Items[i].Link, NULL);
    }
    Pops = IsrPops = 0;
}

static VOID CheckHead(VOID)
{
    ULONG count = 0;

    CHECK_EQUAL(ExQueryDepthSList(&Head), ENTRIES);
    while (ExInterlockedPopEntrySList(&Head, NULL))
        count++;
    CHECK_EQUAL(count, ENTRIES);
}

PARALLEL_ROUTINE(CirculateMany)
{
    for (ULONG i = 0; i < TURNS; i++)
        Circulate(&Pops);
}

TEST(T_EXI_5_sequenced)
{
    FillHead();
    KtRunOnAll(CirculateMany, NULL);
    CHECK(Pops > 0);
    CheckHead();
}

SERVICE_ROUTINE(CirculateInIsr)
{
    Circulate(&IsrPops);
    return TRUE;
}

PARALLEL_ROUTINE(CirculateUnderFire)
{
    for (ULONG i = 0; i < TURNS; i++) {
        if (i % 16 == 0)
            ArchSendInterrupt((Processor + i / 16) % KtProcessors(), KT_VECTOR(8, 0));
        Circulate(&Pops);
    }
}

TEST(T_EXI_5_with_an_isr)
{
    PKINTERRUPT interrupt;

    FillHead();
    CHECK_EQUAL(KtConnect(&interrupt, KT_VECTOR(8, 0), CirculateInIsr, NULL), STATUS_SUCCESS);
    KtRunOnAll(CirculateUnderFire, NULL);
    IoDisconnectInterrupt(interrupt);
    CHECK(IsrPops > 0);
    CheckHead();
}

/* One flushes, the others push and pop: every entry is in the list or in exactly one hand. */
PARALLEL_ROUTINE(FlushAndPush)
{
    for (ULONG i = 0; i < TURNS / 4; i++) {
        PSLIST_ENTRY chain;

        if (Processor != 0) {
            Circulate(&Pops);
            continue;
        }
        chain = ExInterlockedFlushSList(&Head);
        while (chain) {
            PSLIST_ENTRY next = chain->Next;
            ITEM *item = CONTAINING_RECORD(chain, ITEM, Link);

            CHECK_EQUAL(InterlockedIncrement(&item->Owners), 1);
            InterlockedDecrement(&item->Owners);
            ExInterlockedPushEntrySList(&Head, chain, NULL);
            chain = next;
        }
    }
}

TEST(T_EXI_5_flush_against_others)
{
    FillHead();
    KtRunOnAll(FlushAndPush, NULL);
    CheckHead();
}
