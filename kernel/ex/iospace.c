/*
 * Device registers for drivers. The kernel's page tables only grow, so a mapping stays for ever;
 * it is kept in a list when its driver has given it back, and whoever asks for the same range
 * again gets the same addresses. So loading and unloading a driver a thousand times takes the
 * room of once. The list is under IoSpaceLock (DISPATCH_LEVEL).
 */
#include "ke.h"
#include "ex.h"

#define TAG_IO_SPACE 0x70536F49u /* "IoSp" */

typedef struct _IO_SPACE {
    LIST_ENTRY Links;
    ULONG64 Physical;
    SIZE_T Bytes;
    BOOLEAN Cached;
    PVOID Virtual; /* all of this: constant */
    ULONG Users;   /* 0: given back */
} IO_SPACE, *PIO_SPACE;

static LIST_ENTRY IoSpaces = {&IoSpaces, &IoSpaces};
static KSPIN_LOCK IoSpaceLock;

/* Under the lock. Virtual or Physical says what is looked for. */
static PIO_SPACE Find(const VOID *Virtual, ULONG64 Physical, SIZE_T Bytes, BOOLEAN Cached)
{
    for (PLIST_ENTRY link = IoSpaces.Flink; link != &IoSpaces; link = link->Flink) {
        PIO_SPACE space = CONTAINING_RECORD(link, IO_SPACE, Links);

        if (space->Bytes == Bytes &&
            (Virtual ? space->Virtual == Virtual
                     : space->Physical == Physical && space->Cached == Cached))
            return space;
    }
    return NULL;
}

/* A range that was mapped before; NULL if there is none. */
static PVOID UseAgain(ULONG64 Physical, SIZE_T Bytes, BOOLEAN Cached)
{
    PIO_SPACE space;
    KIRQL oldIrql;

    KeAcquireSpinLock(&IoSpaceLock, &oldIrql);
    space = Find(NULL, Physical, Bytes, Cached);
    if (space)
        space->Users++;
    KeReleaseSpinLock(&IoSpaceLock, oldIrql);
    return space ? space->Virtual : NULL;
}

/* Two processors may map the same range at once: then it is mapped twice, which does no harm. */
static PVOID MapAnew(ULONG64 Physical, SIZE_T Bytes, BOOLEAN Cached)
{
    PIO_SPACE space = ExAllocatePool2(POOL_FLAG_NON_PAGED, sizeof(IO_SPACE), TAG_IO_SPACE);
    KIRQL oldIrql;

    if (!space)
        return NULL;
    space->Physical = Physical;
    space->Bytes = Bytes;
    space->Cached = Cached;
    space->Users = 1;
    space->Virtual = Cached ? ArchMapCached(Physical, Bytes) : ArchMapDevice(Physical, Bytes);
    if (!space->Virtual) {
        ExFreePoolWithTag(space, TAG_IO_SPACE);
        return NULL;
    }
    KeAcquireSpinLock(&IoSpaceLock, &oldIrql);
    InsertTailList(&IoSpaces, &space->Links);
    KeReleaseSpinLock(&IoSpaceLock, oldIrql);
    return space->Virtual;
}

/*
 * Maps a range of physical addresses. MmCached is for what behaves like memory; everything else is
 * uncached.
 *
 * IRQL:    <= DISPATCH_LEVEL
 * Locks:   takes IoSpaceLock
 * Context: any
 * Returns: NULL if there is no room
 */
PVOID MmMapIoSpace(PHYSICAL_ADDRESS PhysicalAddress, SIZE_T NumberOfBytes,
                   MEMORY_CACHING_TYPE CacheType)
{
    KI_REQUIRE_IRQL_AT_MOST(DISPATCH_LEVEL, RULE_IRQL_KE_DISPATCH_LTE, "IrqlMmDispatch",
                            NumberOfBytes);

    ULONG64 physical = (ULONG64)PhysicalAddress.QuadPart;
    BOOLEAN cached = CacheType == MmCached;
    PVOID address;

    if (NumberOfBytes == 0 || NumberOfBytes > MAXULONG64 - physical)
        return NULL;
    address = UseAgain(physical, NumberOfBytes, cached);
    return address ? address : MapAnew(physical, NumberOfBytes, cached);
}

/*
 * As MmMapIoSpace, by protection. Read-only and executable mappings do not exist: read-only is
 * read-write, executable is refused.
 *
 * IRQL:    <= DISPATCH_LEVEL
 * Locks:   takes IoSpaceLock
 * Context: any
 * Returns: NULL if there is no room, or for another protection
 */
PVOID MmMapIoSpaceEx(PHYSICAL_ADDRESS PhysicalAddress, SIZE_T NumberOfBytes, ULONG Protect)
{
    KI_REQUIRE_IRQL_AT_MOST(DISPATCH_LEVEL, RULE_IRQL_KE_DISPATCH_LTE, "IrqlMmDispatch",
                            NumberOfBytes);

    ULONG access = Protect & ~(ULONG)(PAGE_NOCACHE | PAGE_WRITECOMBINE);

    if (access != PAGE_READWRITE && access != PAGE_READONLY)
        return NULL;
    return MmMapIoSpace(PhysicalAddress, NumberOfBytes, Protect == access ? MmCached : MmNonCached);
}

/*
 * Gives a mapping back: the address must not be used any more.
 *
 * IRQL:    <= DISPATCH_LEVEL
 * Locks:   takes IoSpaceLock
 * Context: any
 * Returns: nothing
 */
VOID MmUnmapIoSpace(PVOID BaseAddress, SIZE_T NumberOfBytes)
{
    KI_REQUIRE_IRQL_AT_MOST(DISPATCH_LEVEL, RULE_IRQL_KE_DISPATCH_LTE, "IrqlMmDispatch",
                            BaseAddress);

    PIO_SPACE space;
    BOOLEAN known;
    KIRQL oldIrql;

    KeAcquireSpinLock(&IoSpaceLock, &oldIrql);
    space = Find(BaseAddress, 0, NumberOfBytes, FALSE);
    known = space && space->Users != 0;
    if (known)
        space->Users--;
    KeReleaseSpinLock(&IoSpaceLock, oldIrql);
    KI_REQUIRE(known, DRIVER_VERIFIER_DETECTED_VIOLATION, RULE_MM_UNMAP, BaseAddress, NumberOfBytes,
               0);
    UNREFERENCED_PARAMETER(known);
}
