/*
 * How much pool is in use with each tag. Any IRQL, no lock: a row's tag is claimed once by a
 * compare-and-exchange and never changes again, its numbers are added to in one step.
 *
 *     this processor                       another one, same tag
 *     row 17 is free
 *                                          row 17 is free
 *     row 17: 0 -> 'abcd' succeeds
 *                                          row 17: 0 -> 'abcd' fails; it is 'abcd': found
 *
 * With another tag on the other side, that one goes on to row 18. Either way a tag has one row.
 * A tag that finds none within a few steps is counted in the last row with others of its kind.
 */
#include "ex/expool.h"

#define OTHER_ROW (POOL_TAG_ROWS - 1)
#define PROBES    16

POOL_TAG_ROW ExpTagRows[POOL_TAG_ROWS];

VOID ExpInitializeTags(VOID)
{
    memset(ExpTagRows, 0, sizeof(ExpTagRows));
}

/* The row that has Tag or is free for it; the last row if there is neither. */
static ULONG Probe(ULONG Tag)
{
    for (ULONG i = 0; i < PROBES; i++) {
        ULONG row = (EXP_TAG_HASH(Tag) + i) % OTHER_ROW;

        if (ExpTagRows[row].Word == 0 || (ULONG)ExpTagRows[row].Word == Tag)
            return row;
    }
    return OTHER_ROW;
}

PPOOL_TAG_ROW ExpFindTagRow(ULONG Tag)
{
    for (;;) {
        ULONG row = Probe(Tag);
        ULONG64 word;

        if (row == OTHER_ROW)
            return &ExpTagRows[row];
        word = InterlockedCompareExchange64(&ExpTagRows[row].Word, POOL_WORD_OF_TAG(Tag, row), 0);
        if (word == 0 || (ULONG)word == Tag)
            return &ExpTagRows[row];
    }
}

static VOID AddRow(const POOL_TAG_ROW *Row, PSIZE_T Blocks, PSIZE_T Bytes)
{
    *Blocks += (SIZE_T)(Row->Blocks[0] + Row->Blocks[1]);
    *Bytes += (SIZE_T)(Row->Bytes[0] + Row->Bytes[1]);
}

/*
 * Says how many blocks and bytes are in use with Tag, or with all tags if Tag is 0. If the table
 * was full when Tag came, the numbers are those of all tags without a row.
 *
 * IRQL:    any
 * Locks:   none; blocks and bytes are each those of one moment
 * Context: any
 * Returns: nothing
 */
VOID ExQueryPoolTag(ULONG Tag, PSIZE_T Blocks, PSIZE_T Bytes)
{
    *Blocks = *Bytes = 0;
    if (Tag != 0) {
        const POOL_TAG_ROW *row = &ExpTagRows[Probe(Tag)];

        if ((ULONG)row->Word == Tag || row == &ExpTagRows[OTHER_ROW])
            AddRow(row, Blocks, Bytes);
        return;
    }
    for (ULONG i = 0; i < POOL_TAG_ROWS; i++)
        AddRow(&ExpTagRows[i], Blocks, Bytes);
}

/*
 * Says how much memory there is and what the pool has of it.
 *
 * IRQL:    any
 * Locks:   none; the numbers are those of one moment each
 * Context: any
 * Returns: nothing
 */
VOID MmQueryInformation(PMM_INFORMATION Information)
{
    memset(Information, 0, sizeof(*Information));
    MiQueryPages(Information);
    Information->PoolPages = ExpPoolPages;
    for (ULONG i = 0; i < POOL_TAG_ROWS; i++) {
        for (ULONG paged = 0; paged < 2; paged++) {
            Information->PoolBlocks[paged] += (SIZE_T)ExpTagRows[i].Blocks[paged];
            Information->PoolBytes[paged] += (SIZE_T)ExpTagRows[i].Bytes[paged];
        }
    }
}
