/*
 * The addresses of driver images. They are handed out once and never again, so that a pointer to
 * an unloaded driver leads nowhere instead of into the next one: there are 32 TiB of them.
 */
#include "mapping.h"
#include "bootinfo.h"

#define IMAGE_BASE 0xFFFFC00000000000ULL
#define IMAGE_END  0xFFFFE00000000000ULL

/* Images begin where relocations for 64 KiB are as good as for any other address. */
#define IMAGE_ALIGNMENT 0x10000u

static volatile ULONG64 NextImage = IMAGE_BASE + IMAGE_ALIGNMENT;

/*
 * IRQL:    any
 * Locks:   none
 * Context: any
 * Returns: the first address; NULL if there are no more
 * Source:  arch.h
 */
PVOID ArchReserveImageSpace(SIZE_T Bytes)
{
    ULONG64 length = ALIGN_UP_BY(Bytes, IMAGE_ALIGNMENT) + IMAGE_ALIGNMENT;
    ULONG64 base;

    if (Bytes == 0 || Bytes > IMAGE_END - IMAGE_BASE)
        return NULL;
    base = InterlockedExchangeAdd64(&NextImage, length);
    return base + length > IMAGE_END ? NULL : (PVOID)base;
}

/*
 * IRQL:    <= DISPATCH_LEVEL (not checked)
 * Locks:   none
 * Context: any
 * Returns: FALSE if there is no memory for a table; a part may be mapped then
 * Source:  arch.h
 */
BOOLEAN ArchMapImagePages(PVOID Virtual, PVOID Memory, SIZE_T Bytes, BOOLEAN Write, BOOLEAN Execute)
{
    ULONG flags = MAP_READ_ONLY;

    if (Write)
        flags |= MAP_WRITE;
    if (Execute)
        flags |= MAP_EXECUTE;
    /* One by one, so that none of them becomes a large page, which KiUnmap does not know. */
    for (SIZE_T offset = 0; offset < Bytes; offset += PAGE_SIZE) {
        ULONG64 physical = ArchVirtualToPhysical((PUCHAR)Memory + offset);

        if (!KiMapInto(KiKernelTables(), (ULONG64)Virtual + offset, physical, PAGE_SIZE, flags))
            return FALSE;
    }
    return TRUE;
}

/*
 * IRQL:    < IPI_LEVEL (not checked)
 * Locks:   none
 * Context: as KiUnmap
 * Returns: when no processor can reach the image any more
 * Source:  arch.h
 */
VOID ArchUnmapImage(PVOID Virtual, SIZE_T Bytes)
{
    KiUnmap((ULONG64)Virtual, Bytes);
}
