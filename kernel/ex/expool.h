/*
 * What the files of the pool share: pool.c and poolflags.c (the routines), poolblock.c (small
 * blocks), pooltag.c (statistics), poolcheck.c (what a checked build looks at), poolreport.c (bad
 * frees).
 *
 * A page of blocks, cut into blocks of one class's stride:
 *
 *     | header | payload ... canary | header | payload ...    | header | ...
 *     0        16                   stride
 *
 * Classes for cache-aligned requests begin at offset 48 instead, so that the payloads, and with
 * strides that are multiples of 64 all of them, begin on a cache line.
 */
#ifndef METRONOME_EXPOOL_H
#define METRONOME_EXPOOL_H

#include "ke.h"
#include "ex.h"
#include "ex/pages.h"

/* A checked build keeps at least this many bytes behind a small block's payload. */
#if DBG
#define POOL_CANARY_BYTES 8
#else
#define POOL_CANARY_BYTES 0
#endif
#define POOL_CANARY_FILL 0xFD
#define POOL_FRESH_FILL  0xCD /* allocated, not zeroed */
#define POOL_FREED_FILL  0xDD

/* POOL_HEADER.State. The low bit of an allocated block says paged. */
#define POOL_STATE_FREE      0xF0
#define POOL_STATE_ALLOCATED 0xA4
#define POOL_STATE_PAGED     1

/* In front of each block of up to POOL_MAXIMUM_BLOCK bytes; the payload follows. */
typedef struct _POOL_HEADER {
    union {
        struct {
            ULONG Tag;
            USHORT Bytes; /* requested */
            UCHAR State;
            UCHAR TagRow; /* of the statistics */
        };
        ULONG64 Word; /* the four of them */
    };
    union {
        struct _POOL_HEADER *NextFree; /* State is free; class's lock */
        ULONG64 Check;                 /* else: see ExpHeaderCheck */
    };
} POOL_HEADER, *PPOOL_HEADER;

ASSERT_SIZE(POOL_HEADER, 0x10);

/* Parts of a header's Word. */
#define POOL_WORD_BYTES_SHIFT 32
#define POOL_WORD_PAGED_SHIFT 48
#define POOL_WORD_OF_TAG(Tag, Row) \
    ((Tag) | (ULONG64)POOL_STATE_ALLOCATED << 48 | (ULONG64)(Row) << 56)

/*
 * An allocated block's Check: if somebody has written over the header, or if Header is not the
 * address of a header, the two do not agree.
 */
FORCEINLINE ULONG64 ExpHeaderCheck(const POOL_HEADER *Header)
{
    return Header->Word ^ (ULONG_PTR)Header;
}

#define POOL_MAXIMUM_BLOCK 2032 /* bytes of payload; larger blocks are whole pages */
#define POOL_CLASSES       31

typedef struct DECLSPEC_ALIGN(64) _POOL_CLASS {
    KSPIN_LOCK Lock;  /* at DISPATCH_LEVEL */
    LIST_ENTRY Pages; /* that have a free block; Lock */
    USHORT Stride;    /* of its blocks, in bytes */
    USHORT First;     /* offset of the first one in a page */
} POOL_CLASS, *PPOOL_CLASS;

/* ---- pool.c ---- */

#define POOL_CACHE_ALIGNED 4 /* in POOL_TYPE */

/* A block of any size and type, or NULL. */
PVOID ExpAllocate(POOL_TYPE PoolType, SIZE_T Bytes, ULONG Tag);

/*
 * There is no exception handling: an exception that the caller has asked for ends the system.
 */
DECLSPEC_NORETURN VOID ExpRaiseNoMemory(PVOID Caller);

/* ---- poolblock.c ---- */

extern POOL_CLASS ExpPoolClasses[POOL_CLASSES];

VOID ExpInitializeClasses(VOID);

/* By payload in units of 16 bytes, rounded up: the first class that is large enough. */
#define POOL_BLOCK_UNIT 16
extern PPOOL_CLASS ExpClassOfUnits[POOL_MAXIMUM_BLOCK / POOL_BLOCK_UNIT + 1];

/* The class for a request of at most POOL_MAXIMUM_BLOCK - POOL_CANARY_BYTES bytes. */
FORCEINLINE PPOOL_CLASS ExpClassForBytes(SIZE_T Bytes)
{
    SIZE_T units = (Bytes + POOL_CANARY_BYTES + POOL_BLOCK_UNIT - 1) / POOL_BLOCK_UNIT;

    return ExpClassOfUnits[units];
}

/* The same for a request that is to be cache-aligned; NULL: no class is large enough. */
PPOOL_CLASS ExpAlignedClassForBytes(SIZE_T Bytes);

/* The payload of a block with this header, or NULL. Takes the class's lock. */
PVOID ExpAllocateBlock(PPOOL_CLASS Class, SIZE_T Bytes, ULONG Tag, ULONG Paged);

/* Gives back an allocated block, which is no longer in the statistics. Takes the class's lock. */
VOID ExpFreeBlock(PMM_PAGE Page, PPOOL_HEADER Header);

/* Is there a header at Header, in a page of blocks? */
BOOLEAN ExpIsBlock(const MM_PAGE *Page, const POOL_HEADER *Header);

/* Pages that the pool holds. Interlocked. */
extern volatile SIZE_T ExpPoolPages;

/* ---- pooltag.c ---- */

/* What is in use with a tag, nonpaged and paged. All fields: interlocked. */
typedef struct DECLSPEC_ALIGN(64) _POOL_TAG_ROW {
    volatile ULONG64 Word; /* that headers begin with: POOL_WORD_OF_TAG; 0: the row is free */
    volatile LONG64 Blocks[2];
    volatile LONG64 Bytes[2];
} POOL_TAG_ROW, *PPOOL_TAG_ROW;

#define POOL_TAG_ROWS 256 /* the last one is for tags that find no row of their own */
extern POOL_TAG_ROW ExpTagRows[POOL_TAG_ROWS];

#define EXP_TAG_HASH(Tag) ((Tag)*0x9E3779B1u >> 24)

/* The row of Tag; it is made if there is none. Any IRQL, no lock. */
PPOOL_TAG_ROW ExpFindTagRow(ULONG Tag);

/* Adds Blocks and Bytes to a row. Any IRQL, no lock. */
FORCEINLINE VOID ExpCountTag(PPOOL_TAG_ROW Row, ULONG Paged, LONG64 Blocks, LONG64 Bytes)
{
    InterlockedExchangeAdd64(&Row->Blocks[Paged], Blocks);
    InterlockedExchangeAdd64(&Row->Bytes[Paged], Bytes);
}

VOID ExpInitializeTags(VOID);

/* ---- poolcheck.c: checked builds ---- */

#if DBG
/* A request for memory, before anything is done. */
VOID ExpCheckRequest(POOL_TYPE PoolType, SIZE_T Bytes, ULONG Tag);

/* Fills a new block and the canary behind it. */
VOID ExpFillFresh(PVOID Payload, SIZE_T Bytes);

/* A block that is about to be freed, before anything is done. */
VOID ExpCheckFree(PVOID Payload, SIZE_T Bytes, ULONG Paged);

/* Fills a block that is being freed. */
VOID ExpFillFreed(PVOID Payload, SIZE_T Bytes);
#else
#define ExpCheckRequest(PoolType, Bytes, Tag) ((void)0)
#define ExpFillFresh(Payload, Bytes)          ((void)0)
#define ExpCheckFree(Payload, Bytes, Paged)   ((void)0)
#define ExpFillFreed(Payload, Bytes)          ((void)0)
#endif

/* ---- poolreport.c ---- */

/* Stops the system for a free of what is no allocated block. */
DECLSPEC_NORETURN VOID ExpReportBadFree(PVOID Address);

/* ---- lookaside.c ---- */

/* A live lookaside list that lies in this memory, or NULL. Takes the lock of the live lists. */
PVOID ExpFindLookaside(const VOID *Start, SIZE_T Bytes);

#endif
