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

#define BLOCK_UNIT 16

POOL_CLASS ExpPoolClasses[POOL_CLASSES];
volatile SIZE_T ExpPoolPages;

/* Strides, chosen so that little of a page is left over; then the cache-aligned classes'. */
static const USHORT Strides[POOL_CLASSES] = {
    32,  48,  64,  80,  96,  112, 128, 144,  160,  192,  224, 256, 272, 288,  304, 336,
    368, 400, 448, 512, 576, 672, 816, 1024, 1360, 2048, 128, 256, 512, 1024, 1984};
#define FIRST_ALIGNED_CLASS  26
#define FIRST_ALIGNED_OFFSET 48

/* By payload in units of 16 bytes, rounded up: the first class that is large enough. */
static UCHAR ClassOfUnits[POOL_MAXIMUM_BLOCK / BLOCK_UNIT + 1];

/* ---- locks ---- */

/*
 * The pool is used during the start too, at HIGH_LEVEL with one processor; otherwise at
 * DISPATCH_LEVEL at most, which is checked elsewhere.
 */
FORCEINLINE KIRQL AcquireClass(PPOOL_CLASS Class)
{
    KIRQL oldIrql = KeGetCurrentIrql();

    if (oldIrql < DISPATCH_LEVEL)
        ArchWriteIrql(DISPATCH_LEVEL);
    KeAcquireSpinLockAtDpcLevel(&Class->Lock);
    return oldIrql;
}

FORCEINLINE VOID ReleaseClass(PPOOL_CLASS Class, KIRQL OldIrql)
{
    KeReleaseSpinLockFromDpcLevel(&Class->Lock);
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
    for (ULONG units = 0; units < ARRAYSIZE(ClassOfUnits); units++) {
        if (units * BLOCK_UNIT + sizeof(POOL_HEADER) > Strides[class])
            class ++;
        ClassOfUnits[units] = (UCHAR) class;
    }
    ExpPoolPages = 0;
}

static PPOOL_CLASS AlignedClass(SIZE_T Bytes)
{
    for (ULONG i = FIRST_ALIGNED_CLASS; i < POOL_CLASSES; i++) {
        if (Bytes + POOL_CANARY_BYTES + sizeof(POOL_HEADER) <= Strides[i])
            return &ExpPoolClasses[i];
    }
    return NULL;
}

PPOOL_CLASS ExpClassForBytes(SIZE_T Bytes, BOOLEAN CacheAligned)
{
    if (Bytes > POOL_MAXIMUM_BLOCK - POOL_CANARY_BYTES)
        return NULL;
    if (CacheAligned)
        return AlignedClass(Bytes);
    return &ExpPoolClasses[ClassOfUnits[(Bytes + POOL_CANARY_BYTES + BLOCK_UNIT - 1) / BLOCK_UNIT]];
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
 * Takes the first free block of a page of this class. The class is locked, the list not empty.
 * FALSE if somebody has written over the block's header: then the page is given up, so that the
 * list is sound when the error is reported.
 */
FORCEINLINE BOOLEAN TakeBlock(PPOOL_CLASS Class, PPOOL_HEADER *Header)
{
    PMM_PAGE page = CONTAINING_RECORD(Class->Pages.Flink, MM_PAGE, Link);
    PPOOL_HEADER header = page->FreeBlocks, next = header->NextFree;
    BOOLEAN sound = header->State == POOL_STATE_FREE;

    *Header = header;
    if (next && ((ULONG_PTR)next ^ (ULONG_PTR)header) >= PAGE_SIZE)
        sound = FALSE;
    page->FreeBlocks = next;
    page->UsedBlocks++;
    if (!next || !sound)
        RemoveEntryList(&page->Link);
    return sound;
}

PVOID ExpAllocateBlock(PPOOL_CLASS Class, SIZE_T Bytes, ULONG Tag, ULONG Paged)
{
    PPOOL_HEADER header;
    BOOLEAN sound;
    KIRQL oldIrql;
    UCHAR row;

    while (oldIrql = AcquireClass(Class), IsListEmpty(&Class->Pages)) {
        ReleaseClass(Class, oldIrql);
        if (!AddPage(Class))
            return NULL;
    }
    sound = TakeBlock(Class, &header);
    ReleaseClass(Class, oldIrql);
    if (!sound)
        KeBugCheckEx(BAD_POOL_HEADER, 0x3, (ULONG_PTR)header, header->Word, header->Check);

    row = ExpFindTagRow(Tag);
    header->Word = Tag | (ULONG64)Bytes << 32 | (ULONG64)(POOL_STATE_ALLOCATED | Paged) << 48 |
                   (ULONG64)row << 56;
    header->Check = ExpHeaderCheck(header);
    ExpCountTag(row, Paged, 1, (LONG64)Bytes);
    return header + 1;
}

VOID ExpFreeBlock(PMM_PAGE Page, PPOOL_HEADER Header)
{
    PPOOL_CLASS class = &ExpPoolClasses[Page->Class];
    BOOLEAN empty = FALSE;
    KIRQL oldIrql = AcquireClass(class);

    Header->State = POOL_STATE_FREE;
    Header->NextFree = Page->FreeBlocks;
    if (!Page->FreeBlocks)
        InsertHeadList(&class->Pages, &Page->Link);
    Page->FreeBlocks = Header;
    if (--Page->UsedBlocks == 0 && class->Pages.Flink != class->Pages.Blink) {
        RemoveEntryList(&Page->Link);
        empty = TRUE;
    }
    ReleaseClass(class, oldIrql);
    if (empty)
        ReleasePage(Page);
}
