/*
 * Small pool blocks: pages cut into blocks of equal size, a list of free blocks in each page, and
 * in each class a list of the pages that have one. <= DISPATCH_LEVEL (at the start above it);
 * everything under the class's lock.
 *
 *     class: Pages -> page A -> page B            a full page is in no list
 *                     | FreeBlocks
 *                     block 5 -> block 0 -> block 9
 *
 * The block that was freed last is allocated first, since the cache knows it. A page whose last
 * block is freed goes back to the page allocator, unless it is the only one in the list: so one
 * block that is allocated and freed again and again does not move a page each time.
 */
#include "ex/expool.h"

POOL_CLASS ExpPoolClasses[POOL_CLASSES];
volatile SIZE_T ExpPoolPages;

/* Strides, chosen so that little of a page is left over; then the cache-aligned classes'. */
static const USHORT Strides[POOL_CLASSES] = {
    32,  48,  64,  80,  96,  112, 128, 144,  160,  192,  224, 256, 272, 288,  304, 336,
    368, 400, 448, 512, 576, 672, 816, 1024, 1360, 2048, 128, 256, 512, 1024, 1984};
#define FIRST_ALIGNED_CLASS  26
#define FIRST_ALIGNED_OFFSET 48

PPOOL_CLASS ExpClassOfUnits[POOL_MAXIMUM_BLOCK / POOL_BLOCK_UNIT + 1];

/* ---- locks ---- */

/*
 * The pool is used during the start too, at HIGH_LEVEL. The IRQL then falls here for a moment,
 * which nobody sees: interrupts are off, and there is one processor.
 */
FORCEINLINE KIRQL AcquireClass(PPOOL_CLASS Class)
{
    KIRQL oldIrql = KiRaiseIrql(DISPATCH_LEVEL);

    KiLock(&Class->Lock);
    return oldIrql;
}

FORCEINLINE VOID ReleaseClass(PPOOL_CLASS Class, KIRQL OldIrql)
{
    KiUnlock(&Class->Lock);
    KiLowerIrql(OldIrql);
}

/* ---- classes ---- */

VOID ExpInitializeClasses(VOID)
{
    ULONG class = 0;

    for (ULONG i = 0; i < POOL_CLASSES; i++) {
        KeInitializeSpinLock(&ExpPoolClasses[i].Lock);
        InitializeListHead(&ExpPoolClasses[i].Pages);
        ExpPoolClasses[i].Stride = Strides[i];
        ExpPoolClasses[i].First = i < FIRST_ALIGNED_CLASS ? 0 : FIRST_ALIGNED_OFFSET;
    }
    for (ULONG units = 0; units < ARRAYSIZE(ExpClassOfUnits); units++) {
        if (units * POOL_BLOCK_UNIT + sizeof(POOL_HEADER) > Strides[class])
            class ++;
        ExpClassOfUnits[units] = &ExpPoolClasses[class];
    }
    ExpPoolPages = 0;
}

PPOOL_CLASS ExpAlignedClassForBytes(SIZE_T Bytes)
{
    for (ULONG i = FIRST_ALIGNED_CLASS; i < POOL_CLASSES; i++) {
        if (Bytes + POOL_CANARY_BYTES + sizeof(POOL_HEADER) <= Strides[i])
            return &ExpPoolClasses[i];
    }
    return NULL;
}

BOOLEAN ExpIsBlock(const MM_PAGE *Page, const POOL_HEADER *Header)
{
    const POOL_CLASS *class = &ExpPoolClasses[Page->Class];
    SIZE_T offset = (ULONG_PTR)Header % PAGE_SIZE;

    return offset >= class->First && (offset - class->First) % class->Stride == 0 &&
           offset + class->Stride <= PAGE_SIZE;
}

/* ---- pages of a class ---- */

/* A new page, cut into free blocks; the lowest is allocated first. It belongs to nobody yet. */
static PMM_PAGE CutPage(PPOOL_CLASS Class)
{
    PMM_PAGE page = MiAllocatePages(1);
    PPOOL_HEADER next = NULL;

    if (!page)
        return NULL;
    for (SIZE_T n = (PAGE_SIZE - Class->First) / Class->Stride; n-- > 0;) {
        PPOOL_HEADER header =
            (PPOOL_HEADER)((PUCHAR)MiAddressOf(page) + Class->First + n * Class->Stride);

        header->Word = 0;
        header->State = POOL_STATE_FREE;
        header->NextFree = next;
        next = header;
    }
    page->FreeBlocks = next;
    page->UsedBlocks = 0;
    page->Class = (UCHAR)(Class - ExpPoolClasses);
    page->State = MmPagePoolBlocks;
    InterlockedExchangeAdd(&ExpPoolPages, 1);
    return page;
}

/*
 * Adds a page to the class, whose lock is free meanwhile: if another processor does the same, or
 * frees a block, there is a page more than necessary.
 */
static __attribute__((noinline)) BOOLEAN AddPage(PPOOL_CLASS Class)
{
    PMM_PAGE page = CutPage(Class);
    KIRQL oldIrql;

    if (!page)
        return FALSE;
    oldIrql = AcquireClass(Class);
    InsertTailList(&Class->Pages, &page->Link);
    ReleaseClass(Class, oldIrql);
    return TRUE;
}

static __attribute__((noinline)) VOID ReleasePage(PMM_PAGE Page)
{
    InterlockedExchangeAdd(&ExpPoolPages, -1);
    Page->WasPool = TRUE;
    Page->State = MmPageAllocated;
    MiFreePages(Page, 1);
}

/* ---- blocks ---- */

/*
 * Is a free block's header as it was left? It belongs to nobody, so nobody should have written over
 * it. A checked build looks at the link, too.
 */
FORCEINLINE BOOLEAN IsSound(const POOL_HEADER *Header)
{
#if DBG
    if (Header->NextFree && ((ULONG_PTR)Header->NextFree ^ (ULONG_PTR)Header) >= PAGE_SIZE)
        return FALSE;
#endif
    return Header->State == POOL_STATE_FREE;
}

/* Takes the first free block of a page. The class is locked. */
FORCEINLINE PPOOL_HEADER TakeBlock(PMM_PAGE Page)
{
    PPOOL_HEADER header = Page->FreeBlocks, next = header->NextFree;

    Page->FreeBlocks = next;
    Page->UsedBlocks++;
    if (!next)
        RemoveEntryList(&Page->Link);
    return header;
}

/* Makes a block that nobody else knows an allocated one. Word: what its tag's headers begin with.
 */
FORCEINLINE PVOID Finish(PPOOL_HEADER Header, SIZE_T Bytes, ULONG64 Word, PPOOL_TAG_ROW Row,
                         ULONG Paged)
{
    Header->Word = Word | Bytes << POOL_WORD_BYTES_SHIFT | (ULONG64)Paged << POOL_WORD_PAGED_SHIFT;
    Header->Check = ExpHeaderCheck(Header);
    ExpCountTag(Row, Paged, 1, (LONG64)Bytes);
    return Header + 1;
}

/* The page with a damaged free block is given up, so that the list is sound for whoever is left. */
static DECLSPEC_NORETURN VOID ReportDamage(PPOOL_CLASS Class, PMM_PAGE Page, KIRQL OldIrql)
{
    PPOOL_HEADER header = Page->FreeBlocks;

    RemoveEntryList(&Page->Link);
    ReleaseClass(Class, OldIrql);
    KeBugCheckEx(BAD_POOL_HEADER, 0x3, (ULONG_PTR)header, header->Word, header->Check);
}

/* The whole way: with a new page, a new row for the tag, or a damaged block. */
static __attribute__((noinline)) PVOID AllocateSlowly(PPOOL_CLASS Class, SIZE_T Bytes, ULONG Tag,
                                                      ULONG Paged)
{
    PPOOL_TAG_ROW row = ExpFindTagRow(Tag);
    PPOOL_HEADER header;
    PMM_PAGE page;
    KIRQL oldIrql;

    while (oldIrql = AcquireClass(Class), IsListEmpty(&Class->Pages)) {
        ReleaseClass(Class, oldIrql);
        if (!AddPage(Class))
            return NULL;
    }
    page = CONTAINING_RECORD(Class->Pages.Flink, MM_PAGE, Link);
    if (!IsSound(page->FreeBlocks))
        ReportDamage(Class, page, oldIrql);
    header = TakeBlock(page);
    ReleaseClass(Class, oldIrql);
    return Finish(header, Bytes, POOL_WORD_OF_TAG(Tag, row - ExpTagRows), row, Paged);
}

/*
 * Nearly always there is a page with a free block, and the tag has been seen before. This way calls
 * nothing, so it needs no stack frame; whatever else happens begins again, in AllocateSlowly.
 */
PVOID ExpAllocateBlock(PPOOL_CLASS Class, SIZE_T Bytes, ULONG Tag, ULONG Paged)
{
    PPOOL_TAG_ROW row = &ExpTagRows[EXP_TAG_HASH(Tag)];
    PPOOL_HEADER header;
    PMM_PAGE page;
    KIRQL oldIrql;

    if ((ULONG)row->Word != Tag)
        return AllocateSlowly(Class, Bytes, Tag, Paged);
    oldIrql = AcquireClass(Class);
    page = CONTAINING_RECORD(Class->Pages.Flink, MM_PAGE, Link);
    if (IsListEmpty(&Class->Pages) || !IsSound(page->FreeBlocks)) {
        ReleaseClass(Class, oldIrql);
        return AllocateSlowly(Class, Bytes, (ULONG)row->Word, Paged);
    }
    header = TakeBlock(page);
    ReleaseClass(Class, oldIrql);
    return Finish(header, Bytes, row->Word, row, Paged);
}

/* A page that was full belongs into the class's list; one that is empty back to the allocator. */
static __attribute__((noinline)) VOID MovePage(PPOOL_CLASS Class, PMM_PAGE Page, BOOLEAN WasFull,
                                               KIRQL OldIrql)
{
    BOOLEAN release;

    if (WasFull)
        InsertHeadList(&Class->Pages, &Page->Link);
    release = Page->UsedBlocks == 0 && Class->Pages.Flink != Class->Pages.Blink;
    if (release)
        RemoveEntryList(&Page->Link);
    ReleaseClass(Class, OldIrql);
    if (release)
        ReleasePage(Page);
}

VOID ExpFreeBlock(PMM_PAGE Page, PPOOL_HEADER Header)
{
    PPOOL_CLASS class = &ExpPoolClasses[Page->Class];
    KIRQL oldIrql = AcquireClass(class);
    PPOOL_HEADER next = Page->FreeBlocks;

    Header->State = POOL_STATE_FREE;
    Header->NextFree = next;
    Page->FreeBlocks = Header;
    Page->UsedBlocks--;
    if (!next || (Page->UsedBlocks == 0 && class->Pages.Flink != class->Pages.Blink))
        MovePage(class, Page, !next, oldIrql);
    else
        ReleaseClass(class, oldIrql);
}
