/*
 * DbgPrint: text from any IRQL and any processor to the console. A message is formatted on the
 * caller's stack and written as a whole at HIGH_LEVEL under the console's lock.
 */
#include "kdp.h"

#define MESSAGE_SIZE 512
#define SCREEN_WIDTH 80

static KSPIN_LOCK KdpConsoleLock;
static volatile BOOLEAN KdpConsoleLockBroken;

/* All of these under the console's lock. */
static KIRQL HolderIrql;    /* of the lock's holder, before */
static PKD_LINE ShownLine;  /* the line that is being edited, or NULL */
static BOOLEAN LineDrawn;   /* it stands in the terminal's last row */
static BOOLEAN MessageOpen; /* the last message has not ended its row */

/*
 * Takes the console's lock, unless a bug check is under way: the processor that holds the lock
 * may have been stopped, and only one processor is left to print.
 *
 * IRQL:    any
 * Locks:   returns with the console's lock held
 * Context: any, interrupt service routines included
 * Returns: the IRQL before, for KdpReleaseConsole
 */
KIRQL KdpAcquireConsole(VOID)
{
    KIRQL oldIrql;

    if (KdpConsoleLockBroken)
        return KiRaiseIrql(HIGH_LEVEL);
    oldIrql = KiAcquireHighLock(&KdpConsoleLock);
    HolderIrql = oldIrql;
    return oldIrql;
}

/*
 * Frees the console's lock and restores the IRQL. Then the driver of the port hears of what is to
 * be sent, if there is one.
 *
 * IRQL:    HIGH_LEVEL (not checked)
 * Locks:   frees the console's lock
 * Context: any
 * Returns: nothing
 */
VOID KdpReleaseConsole(KIRQL OldIrql)
{
    BOOLEAN kick = KdpTakeKick();

    if (KdpConsoleLockBroken) {
        KiLowerIrql(OldIrql);
        return;
    }
    KiReleaseHighLock(&KdpConsoleLock, OldIrql);
    if (kick)
        KdpKickPort();
}

/*
 * Sends text as it is, to the screen too. Below the interrupts' levels the driver of the port may
 * send it, later.
 *
 * IRQL:    HIGH_LEVEL (not checked)
 * Locks:   the caller holds the console's lock
 * Context: any
 * Returns: nothing
 */
VOID KdpPut(PCSTR Text, SIZE_T Length)
{
    KdpEchoText(Text, Length);
    KdpOutput(Text, Length, !KdpConsoleLockBroken && HolderIrql <= DISPATCH_LEVEL);
}

/*
 * Ends the use of the console's lock, for ever.
 *
 * IRQL:    any
 * Locks:   none
 * Context: the processor that reports a bug check
 * Returns: nothing
 */
VOID KdBreakConsoleLock(VOID)
{
    ShownLine = NULL;
    KdpConsoleLockBroken = TRUE;
    KdpBeginReport();
}

/* ---- the edited line; all of it under the console's lock ---- */

/*
 * Draws prompt and line in the row where the cursor is. What does not fit into the row is left
 * out at the left side, so that the cursor is always to be seen.
 */
static VOID DrawLine(const KD_LINE *Line)
{
    CHAR row[SCREEN_WIDTH + 32];
    ULONG width = SCREEN_WIDTH - 1 - (ULONG)strlen(Line->Prompt);
    ULONG start = Line->Cursor > width ? Line->Cursor - width : 0;
    ULONG shown = Line->Length - start > width ? width : Line->Length - start;
    ULONG back = start + shown - Line->Cursor;
    int length = RtlStringPrint(row, sizeof(row), "\r%s%.*s\x1b[K", Line->Prompt, (int)shown,
                                &Line->Text[start]);

    KdpPut(row, (SIZE_T)length);
    if (back) {
        length = RtlStringPrint(row, sizeof(row), "\x1b[%uD", back);
        KdpPut(row, (SIZE_T)length);
    }
    LineDrawn = TRUE;
}

/*
 * Writes a message. A line that is being edited makes room: it is erased, and drawn again below
 * the message, or as soon as a later message ends its row.
 *
 * IRQL:    HIGH_LEVEL (not checked)
 * Locks:   the caller holds the console's lock
 * Context: any
 * Returns: nothing
 */
VOID KdpWrite(PCSTR Text, SIZE_T Length)
{
    static const CHAR erase[] = "\r\x1b[K";

    if (Length == 0)
        return;
    if (LineDrawn) {
        KdpPut(erase, sizeof(erase) - 1);
        LineDrawn = FALSE;
    }
    KdpPut(Text, Length);
    MessageOpen = Text[Length - 1] != '\n';
    if (ShownLine && !MessageOpen)
        DrawLine(ShownLine);
}

/*
 * Draws the line that is being edited, in a row of its own.
 *
 * IRQL:    HIGH_LEVEL (not checked)
 * Locks:   the caller holds the console's lock
 * Context: the reader of the line
 * Returns: nothing
 */
VOID KdpDrawLine(VOID)
{
    if (MessageOpen)
        KdpPut("\n", 1);
    MessageOpen = FALSE;
    DrawLine(ShownLine);
}

/*
 * Shows a line from now on: messages are written above it.
 *
 * IRQL:    HIGH_LEVEL (not checked)
 * Locks:   the caller holds the console's lock
 * Context: the reader of the line
 * Returns: nothing
 */
VOID KdpShowLine(PKD_LINE Line)
{
    ShownLine = Line;
    KdpDrawLine();
}

/*
 * Leaves the line on the screen as it is; from now on messages are written below it.
 *
 * IRQL:    HIGH_LEVEL (not checked)
 * Locks:   the caller holds the console's lock
 * Context: the reader of the line
 * Returns: nothing
 */
VOID KdpEndLine(VOID)
{
    ShownLine->Cursor = ShownLine->Length;
    KdpDrawLine();
    KdpPut("\n", 1);
    ShownLine = NULL;
    LineDrawn = FALSE;
}

/* ---- messages ---- */

static VOID PrintV(PCSTR Format, va_list Arguments)
{
    CHAR message[MESSAGE_SIZE];
    SIZE_T length;
    KIRQL oldIrql;

    RtlStringPrintV(message, sizeof(message), Format, Arguments);
    length = strlen(message);
    if (length == sizeof(message) - 1)
        message[length - 1] =
            '\n'; /* cut, or as long as that: the next message gets its own line */
    oldIrql = KdpAcquireConsole();
    KdpWrite(message, length);
    KdpReleaseConsole(oldIrql);
}

/*
 * Prints formatted text on the console, a whole message at a time.
 *
 * IRQL:    any
 * Locks:   takes the console's lock
 * Context: any, interrupt service routines included
 * Returns: STATUS_SUCCESS
 * Source:  project [choice]: a message longer than 511 bytes is cut
 */
ULONG DbgPrint(PCSTR Format, ...)
{
    va_list arguments;

    va_start(arguments, Format);
    PrintV(Format, arguments);
    va_end(arguments);
    return (ULONG)STATUS_SUCCESS;
}

/*
 * The same as DbgPrint; every component and every level is printed.
 *
 * IRQL:    any
 * Locks:   takes the console's lock
 * Context: any, interrupt service routines included
 * Returns: STATUS_SUCCESS
 */
ULONG DbgPrintEx(ULONG ComponentId, ULONG Level, PCSTR Format, ...)
{
    va_list arguments;

    UNREFERENCED_PARAMETER(ComponentId);
    UNREFERENCED_PARAMETER(Level);
    va_start(arguments, Format);
    PrintV(Format, arguments);
    va_end(arguments);
    return (ULONG)STATUS_SUCCESS;
}
