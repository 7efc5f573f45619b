/*
 * Text in cells, as a terminal would show it: what the kernel's messages and the edited line
 * print, and no more. Scrolling moves the first row, not the text; what is drawn is compared with
 * what was drawn before, so nothing is ever read back from the screen. No lock; whoever calls is
 * alone with the text.
 */
#include "kd/screen.h"

#define TAB_WIDTH 8
#define PAGE_GAP  2    /* columns between pages that stand side by side */
#define INVERSE   0x80 /* the cursor's cell, in Drawn; characters have 7 bits */
#define NOT_DRAWN 0    /* no cell is zero */

enum { StateText, StateEscape, StateSequence };

static PUCHAR CellsOf(const KD_TEXT *Text, ULONG Row)
{
    return &Text->Cells[(SIZE_T)((Text->Top + Row) % Text->Rows) * Text->Columns];
}

static VOID Blank(PKD_TEXT Text, ULONG Row, ULONG From)
{
    memset(CellsOf(Text, Row) + From, ' ', Text->Columns - From);
}

/*
 * Begins with an empty text, of which nothing is drawn.
 *
 * IRQL:    any
 * Locks:   none
 * Context: any; Memory holds KD_TEXT_BYTES
 * Returns: nothing
 */
VOID KdpClearText(PKD_TEXT Text, ULONG Columns, ULONG Rows, PUCHAR Memory)
{
    SIZE_T cells = (SIZE_T)Columns * Rows;

    *Text = (KD_TEXT){.Columns = Columns,
                      .Rows = Rows,
                      .Changed = TRUE,
                      .Cells = Memory,
                      .Drawn = Memory + cells};
    memset(Text->Cells, ' ', cells);
    memset(Text->Drawn, NOT_DRAWN, cells);
}

/* ---- characters ---- */

static VOID NewLine(PKD_TEXT Text)
{
    Text->Column = 0;
    if (Text->Row + 1 < Text->Rows) {
        Text->Row++;
    } else if (Text->Stops) {
        Text->Full = TRUE;
    } else {
        Text->Top = (Text->Top + 1) % Text->Rows;
        Blank(Text, Text->Row, 0);
    }
}

static VOID Put(PKD_TEXT Text, UCHAR Character)
{
    if (Text->Column == Text->Columns)
        NewLine(Text);
    if (!Text->Full)
        CellsOf(Text, Text->Row)[Text->Column++] = Character > '~' ? KD_FONT_OTHER : Character;
}

static VOID Control(PKD_TEXT Text, UCHAR Character)
{
    switch (Character) {
    case '\n':
        NewLine(Text);
        break;
    case '\r':
        Text->Column = 0;
        break;
    case '\b':
        Text->Column -= Text->Column > 0;
        break;
    case '\t':
        Text->Column = (Text->Column / TAB_WIDTH + 1) * TAB_WIDTH;
        if (Text->Column > Text->Columns - 1)
            Text->Column = Text->Columns - 1;
        break;
    case 0x1B:
        Text->State = StateEscape;
        break;
    default:
        break;
    }
}

/* ---- escape sequences: ESC [ n letter ---- */

static VOID EraseScreen(PKD_TEXT Text)
{
    for (ULONG row = 0; row < Text->Rows; row++)
        Blank(Text, row, 0);
}

static VOID Sequence(PKD_TEXT Text, UCHAR Letter)
{
    ULONG count = Text->Parameter ? Text->Parameter : 1;
    ULONG right = Text->Columns - 1 - (Text->Column < Text->Columns ? Text->Column : 0);

    switch (Letter) {
    case 'C':
        if (Text->Column < Text->Columns)
            Text->Column += count < right ? count : right;
        break;
    case 'D':
        Text->Column -= count < Text->Column ? count : Text->Column;
        break;
    case 'H':
        Text->Row = Text->Column = 0;
        break;
    case 'J':
        if (Text->Parameter == 2)
            EraseScreen(Text);
        break;
    case 'K':
        if (Text->Column < Text->Columns)
            Blank(Text, Text->Row, Text->Column);
        break;
    default:
        break;
    }
}

static VOID Escaped(PKD_TEXT Text, UCHAR Character)
{
    if (Text->State == StateEscape) {
        Text->State = Character == '[' ? StateSequence : StateText;
        Text->Parameter = 0;
    } else if (Character >= '0' && Character <= '9') {
        Text->Parameter = Text->Parameter % 1000 * 10 + (Character - '0');
    } else if (Character >= '@') {
        Text->State = StateText;
        Sequence(Text, Character);
    }
}

/*
 * Takes what is printed.
 *
 * IRQL:    any
 * Locks:   none
 * Context: any
 * Returns: nothing
 */
VOID KdpTypeText(PKD_TEXT Text, PCSTR Characters, SIZE_T Length)
{
    for (SIZE_T n = 0; n < Length && !Text->Full; n++) {
        UCHAR character = (UCHAR)Characters[n];

        if (Text->State != StateText)
            Escaped(Text, character);
        else if (character < ' ')
            Control(Text, character);
        else
            Put(Text, character);
    }
    Text->Changed |= Length != 0;
}

/* ---- drawing ---- */

static VOID DrawCell(PCKD_CANVAS Canvas, ULONG X, ULONG Y, UCHAR Cell, ULONG Background)
{
    UCHAR character = Cell & 0x7F;

    if (Cell & INVERSE)
        KdpDrawGlyph(Canvas, X, Y, character, Background, KD_COLOR_TEXT);
    else
        KdpDrawGlyph(Canvas, X, Y, character, KD_COLOR_TEXT, Background);
}

/*
 * Draws the cells that are not drawn yet as they are now.
 *
 * IRQL:    any
 * Locks:   none
 * Context: any
 * Returns: nothing
 */
VOID KdpDrawText(PKD_TEXT Text, PCKD_CANVAS Canvas, ULONG X, ULONG Y, ULONG Page, ULONG Background)
{
    ULONG cursor = Text->Column < Text->Columns ? Text->Column : Text->Columns - 1;

    if (!Text->Changed)
        return;
    Text->Changed = FALSE;
    for (ULONG row = 0; row < Text->Rows; row++) {
        const UCHAR *cells = CellsOf(Text, row);
        PUCHAR drawn = &Text->Drawn[(SIZE_T)row * Text->Columns];
        ULONG x = X + row / Page * (Text->Columns + PAGE_GAP) * Canvas->Font->Width;
        ULONG y = Y + row % Page * Canvas->Font->Height;

        for (ULONG n = 0; n < Text->Columns; n++, x += Canvas->Font->Width) {
            UCHAR cell = cells[n];

            if (row == Text->Row && n == cursor && !Text->Stops)
                cell |= INVERSE;
            if (cell == drawn[n])
                continue;
            drawn[n] = cell;
            DrawCell(Canvas, x, y, cell, Background);
        }
    }
}
