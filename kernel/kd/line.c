/*
 * A line that is being edited: what each key does to text and cursor. No console, no lock, any
 * IRQL; the caller keeps others away.
 */
#include "kd/line.h"
#include "rtl.h"

/*
 * Makes an empty line.
 *
 * IRQL:    any
 * Locks:   none; the caller keeps others away from the line
 * Context: any
 * Returns: nothing
 */
VOID KdpInitializeLine(PKD_LINE Line, PCSTR Prompt)
{
    RtlZeroMemory(Line, sizeof(*Line));
    Line->Prompt = Prompt;
}

/*
 * Copies a line's text, cut to what a line can hold.
 *
 * IRQL:    any
 * Locks:   none
 * Context: any
 * Returns: the length of the copy
 */
ULONG KdpCopyText(CHAR Destination[KD_LINE_SIZE], PCSTR Source)
{
    SIZE_T length = strlen(Source);

    if (length > KD_LINE_SIZE - 1)
        length = KD_LINE_SIZE - 1;
    memcpy(Destination, Source, length);
    Destination[length] = 0;
    return (ULONG)length;
}

/*
 * Replaces the text; the cursor goes behind it.
 *
 * IRQL:    any
 * Locks:   none; the caller keeps others away from the line
 * Context: any
 * Returns: nothing
 */
VOID KdpSetLine(PKD_LINE Line, PCSTR Text)
{
    Line->Length = Line->Cursor = KdpCopyText(Line->Text, Text);
}

/*
 * Puts text in front of the cursor, all of it or nothing.
 *
 * IRQL:    any
 * Locks:   none; the caller keeps others away from the line
 * Context: any
 * Returns: FALSE if there is no room
 */
BOOLEAN KdpInsertText(PKD_LINE Line, PCSTR Text, ULONG Length)
{
    PCHAR cursor = &Line->Text[Line->Cursor];

    if (Line->Length + Length >= KD_LINE_SIZE)
        return FALSE;
    memmove(cursor + Length, cursor, Line->Length - Line->Cursor + 1);
    memcpy(cursor, Text, Length);
    Line->Length += Length;
    Line->Cursor += Length;
    return TRUE;
}

/* Deletes from character From up to the cursor, which goes there. */
static KD_EDIT DeleteBack(PKD_LINE Line, ULONG From)
{
    if (From == Line->Cursor)
        return KdEditNothing;
    memmove(&Line->Text[From], &Line->Text[Line->Cursor], Line->Length - Line->Cursor + 1);
    Line->Length -= Line->Cursor - From;
    Line->Cursor = From;
    return KdEditChanged;
}

static KD_EDIT DeleteUnderCursor(PKD_LINE Line)
{
    if (Line->Cursor == Line->Length)
        return KdEditNothing;
    Line->Cursor++;
    return DeleteBack(Line, Line->Cursor - 1);
}

static KD_EDIT MoveTo(PKD_LINE Line, ULONG Cursor)
{
    if (Cursor == Line->Cursor)
        return KdEditNothing;
    Line->Cursor = Cursor;
    return KdEditChanged;
}

static KD_EDIT CutBehindCursor(PKD_LINE Line)
{
    if (Line->Cursor == Line->Length)
        return KdEditNothing;
    Line->Length = Line->Cursor;
    Line->Text[Line->Length] = 0;
    return KdEditChanged;
}

/* The start of the word in front of the cursor. */
static ULONG StartOfWord(const KD_LINE *Line)
{
    ULONG start = Line->Cursor;

    while (start > 0 && Line->Text[start - 1] == ' ')
        start--;
    while (start > 0 && Line->Text[start - 1] != ' ')
        start--;
    return start;
}

/* Shows the line Index lines back; 0 is the one that was being typed. */
static KD_EDIT ShowHistory(PKD_LINE Line, ULONG Index)
{
    PCSTR text = Index == 0 ? Line->Typed : KdpGetHistory(Index);

    if (text == NULL || Index == Line->HistoryIndex)
        return KdEditNothing;
    if (Line->HistoryIndex == 0)
        memcpy(Line->Typed, Line->Text, sizeof(Line->Typed));
    Line->HistoryIndex = Index;
    KdpSetLine(Line, text);
    return KdEditChanged;
}

/* The keys that move, and those that walk through the history. */
static KD_EDIT Move(PKD_LINE Line, ULONG Key)
{
    switch (Key) {
    case KD_KEY_HOME:
    case KD_CTRL('A'):
        return MoveTo(Line, 0);
    case KD_KEY_END:
    case KD_CTRL('E'):
        return MoveTo(Line, Line->Length);
    case KD_KEY_LEFT:
    case KD_CTRL('B'):
        return MoveTo(Line, Line->Cursor > 0 ? Line->Cursor - 1 : 0);
    case KD_KEY_RIGHT:
    case KD_CTRL('F'):
        return MoveTo(Line, Line->Cursor < Line->Length ? Line->Cursor + 1 : Line->Length);
    case KD_KEY_UP:
    case KD_CTRL('P'):
        return ShowHistory(Line, Line->HistoryIndex + 1);
    case KD_KEY_DOWN:
    case KD_CTRL('N'):
        return ShowHistory(Line, Line->HistoryIndex ? Line->HistoryIndex - 1 : 0);
    default:
        return KdEditNothing;
    }
}

/*
 * Does what a key asks for.
 *
 * IRQL:    any
 * Locks:   none; the caller keeps others away from the line
 * Context: any
 * Returns: what the caller has to do now
 */
KD_EDIT KdpEditLine(PKD_LINE Line, ULONG Key)
{
    CHAR character = (CHAR)Key;

    switch (Key) {
    case '\r':
    case '\n':
        return KdEditAccepted;
    case '\t':
        return KdEditComplete;
    case KD_CTRL('C'):
        return KdEditAborted;
    case KD_CTRL('L'):
        return KdEditClear;
    case KD_KEY_RUBOUT:
    case KD_CTRL('H'):
        return DeleteBack(Line, Line->Cursor > 0 ? Line->Cursor - 1 : 0);
    case KD_KEY_DELETE:
    case KD_CTRL('D'):
        return DeleteUnderCursor(Line);
    case KD_CTRL('U'):
        return DeleteBack(Line, 0);
    case KD_CTRL('K'):
        return CutBehindCursor(Line);
    case KD_CTRL('W'):
        return DeleteBack(Line, StartOfWord(Line));
    default:
        if (Key < ' ' || Key > '~')
            return Move(Line, Key);
        return KdpInsertText(Line, &character, 1) ? KdEditChanged : KdEditNothing;
    }
}
