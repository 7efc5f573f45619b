/*
 * The last lines that were typed: a ring. One reader types, so there is no lock; any IRQL.
 */
#include "kd/line.h"
#include "rtl.h"

#define HISTORY_LINES 32

static CHAR Lines[HISTORY_LINES][KD_LINE_SIZE];
static ULONG LineCount; /* ever added */

/*
 * Adds a line, unless it is empty or the same as the last one.
 *
 * IRQL:    any
 * Locks:   none
 * Context: the one who reads lines
 * Returns: nothing
 */
VOID KdpAddHistory(PCSTR Text)
{
    PCSTR last = KdpGetHistory(1);

    if (Text[0] == 0 || (last && strcmp(last, Text) == 0))
        return;
    KdpCopyText(Lines[LineCount % HISTORY_LINES], Text);
    LineCount++;
}

/*
 * The line that was typed Back lines ago, 1 being the last one.
 *
 * IRQL:    any
 * Locks:   none
 * Context: the one who reads lines
 * Returns: the line, or NULL if there are not so many
 */
PCSTR KdpGetHistory(ULONG Back)
{
    if (Back == 0 || Back > LineCount || Back > HISTORY_LINES)
        return NULL;
    return Lines[(LineCount - Back) % HISTORY_LINES];
}
