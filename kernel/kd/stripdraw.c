/*
 * The strip on the screen: its colours, what explains them, and the columns. Any IRQL, no lock;
 * whoever calls is alone with the canvas and the strip.
 */
#include "kd/screen.h"

#define SQUARE_GAP  6u
#define ENTRY_GAP   11u
#define TICK_HEIGHT 4u

/* By KD_STRIP_KIND. The levels' colours are those of the timeline's page. */
static const struct {
    PCSTR Name;
    ULONG Color;
} Kinds[StripKinds + 1] = {
    [StripIdle] = {"idle", KD_COLOR_IDLE},    [StripDrawing] = {"drawing this", 0x4A5564},
    [StripPassive] = {"PASSIVE", 0x3F6FA3},   [StripApc] = {"APC", 0x2F8F86},
    [StripDispatch] = {"DISPATCH", 0xD9A520}, [StripDevice] = {"device", 0xDE6F37},
    [StripClock] = {"CLOCK", 0x9A72EA},       [StripIpi] = {"IPI", 0xD765C4},
    [StripHigh] = {"HIGH", 0xFF5D7D},         [StripUnknown] = {"not known", 0x96A0AE},
};

/* In the order in which they are explained: as they stand in a column. */
static const UCHAR Order[] = {StripIdle,   StripDrawing, StripPassive, StripApc,  StripDispatch,
                              StripDevice, StripClock,   StripIpi,     StripHigh, StripUnknown};

/*
 * Draws the legend, in as many rows as it takes; a canvas without pixels is only measured.
 *
 * IRQL:    any
 * Locks:   none
 * Context: any
 * Returns: its height
 */
ULONG KdpDrawLegend(PCKD_CANVAS Canvas, ULONG Y)
{
    ULONG line = Canvas->Font->Height, square = line * 5 / 8;
    ULONG left = KD_BAND_X(Canvas->Font), x = left, y = Y;

    for (ULONG n = 0; n < ARRAYSIZE(Order); n++) {
        PCSTR name = Kinds[Order[n]].Name;
        ULONG width = square + SQUARE_GAP + (ULONG)strlen(name) * Canvas->Font->Width;

        if (x > left && x + width > Canvas->Width - KD_MARGIN) {
            x = left;
            y += line;
        }
        if (Canvas->Pixels) {
            KdpFill(Canvas, x, y + (line - square) / 2, square, square, KD_COLOR_LINE);
            KdpFill(Canvas, x + 1, y + (line - square) / 2 + 1, square - 2, square - 2,
                    Kinds[Order[n]].Color);
            KdpDrawString(Canvas, x + square + SQUARE_GAP, y, name, KD_COLOR_TEXT,
                          KD_COLOR_BACKGROUND);
        }
        x += width + ENTRY_GAP;
    }
    return y + line - Y;
}

/* The processors' numbers, in front of their bands. */
static VOID DrawLabels(const KD_LAYOUT *Layout, PCKD_CANVAS Canvas, ULONG Processors)
{
    ULONG x = Layout->BandX - KD_MARGIN - 2 * Canvas->Font->Width;

    KdpDrawString(Canvas, KD_MARGIN, Layout->LegendY, "cpu", KD_COLOR_MUTED, KD_COLOR_BACKGROUND);
    for (ULONG n = 0; n < Processors; n += Layout->LabelStep) {
        ULONG y = Layout->BandsY + n * Layout->BandPitch;

        if (Layout->BandHeight > Canvas->Font->Height)
            y += (Layout->BandHeight - Canvas->Font->Height) / 2;
        if (n >= 10)
            KdpDrawGlyph(Canvas, x, y, (UCHAR)('0' + n / 10), KD_COLOR_MUTED, KD_COLOR_BACKGROUND);
        KdpDrawGlyph(Canvas, x + Canvas->Font->Width, y, (UCHAR)('0' + n % 10), KD_COLOR_MUTED,
                     KD_COLOR_BACKGROUND);
    }
}

/* Every second second, below the bands: "8 s ago", and "now" at the right. */
static VOID DrawTimes(const KD_LAYOUT *Layout, PCKD_CANVAS Canvas)
{
    ULONG width = Layout->Columns * KD_COLUMN_WIDTH;

    for (ULONG ago = 0; ago <= KD_STRIP_SECONDS; ago += 2) {
        ULONG x = Layout->BandX + width - width * ago / KD_STRIP_SECONDS;
        CHAR text[] = "00 s ago";
        PCSTR shown = ago >= 10 ? text : ago > 0 ? &text[1] : "now";
        ULONG length = (ULONG)strlen(shown) * Canvas->Font->Width;
        ULONG start = ago == KD_STRIP_SECONDS ? x : ago == 0 ? x - length : x - length / 2;

        text[0] = (CHAR)('0' + ago / 10);
        text[1] = (CHAR)('0' + ago % 10);
        KdpFill(Canvas, ago == 0 ? x - 1 : x, Layout->AxisY - KD_MARGIN / 2, 1, TICK_HEIGHT,
                KD_COLOR_MUTED);
        KdpDrawString(Canvas, start, Layout->AxisY, shown, KD_COLOR_MUTED, KD_COLOR_BACKGROUND);
    }
}

/*
 * Draws the strip's panel with all bands idle.
 *
 * IRQL:    any
 * Locks:   none
 * Context: any
 * Returns: nothing
 */
VOID KdpDrawPanel(const KD_LAYOUT *Layout, PCKD_CANVAS Canvas, ULONG Processors)
{
    KdpFill(Canvas, 0, Layout->PanelY, Canvas->Width, Canvas->Height - Layout->PanelY,
            KD_COLOR_BACKGROUND);
    KdpFill(Canvas, 0, Layout->PanelY, Canvas->Width, 1, KD_COLOR_LINE);
    KdpDrawLegend(Canvas, Layout->LegendY);
    DrawLabels(Layout, Canvas, Processors);
    DrawTimes(Layout, Canvas);
    for (ULONG n = 0; n < Processors; n++)
        KdpFill(Canvas, Layout->BandX, Layout->BandsY + n * Layout->BandPitch,
                Layout->Columns * KD_COLUMN_WIDTH, Layout->BandHeight, KD_COLOR_IDLE);
}

/*
 * Draws the line at the bottom.
 *
 * IRQL:    any
 * Locks:   none
 * Context: any
 * Returns: nothing
 */
VOID KdpDrawNote(const KD_LAYOUT *Layout, PCKD_CANVAS Canvas, PCSTR Note, ULONG Color)
{
    ULONG end =
        KdpDrawString(Canvas, Layout->BandX, Layout->NoteY, Note, Color, KD_COLOR_BACKGROUND);

    if (end < Canvas->Width)
        KdpFill(Canvas, end, Layout->NoteY, Canvas->Width - end, Canvas->Font->Height,
                KD_COLOR_BACKGROUND);
}

/* ---- columns ---- */

static VOID DrawColumn(PCKD_CANVAS Canvas, ULONG X, ULONG Y, ULONG Height,
                       const KD_STRIP_COLUMN *Column)
{
    ULONG bottom = Y + Height;

    for (ULONG kind = 0; kind < StripKinds; kind++) {
        ULONG height = Column->Heights[kind];

        if (height == 0)
            continue;
        bottom -= height;
        KdpFill(Canvas, X, bottom, KD_COLUMN_WIDTH, height, Kinds[kind].Color);
    }
    KdpFill(Canvas, X, Y, KD_COLUMN_WIDTH, bottom - Y, KD_COLOR_IDLE);
}

static BOOLEAN SameColumn(const KD_STRIP_COLUMN *Left, const KD_STRIP_COLUMN *Right)
{
    return Left->Words[0] == Right->Words[0] && Left->Words[1] == Right->Words[1];
}

/*
 * Draws the columns where they are now: the newest complete one at the right. A place that already
 * looks so, as most do while a processor is idle, is not drawn again.
 *
 * IRQL:    any
 * Locks:   none
 * Context: any
 * Returns: nothing
 */
VOID KdpDrawStrip(PKD_STRIP Strip, const KD_LAYOUT *Layout, PCKD_CANVAS Canvas)
{
    ULONG first = (ULONG)((Strip->Next + Strip->Places - Strip->Columns) % Strip->Places);

    for (ULONG n = 0; n < Strip->Processors; n++) {
        const KD_STRIP_COLUMN *ring = &Strip->Ring[(SIZE_T)n * Strip->Places];
        PKD_STRIP_COLUMN shown = &Strip->Shown[(SIZE_T)n * Strip->Columns];
        ULONG y = Layout->BandsY + n * Layout->BandPitch;

        for (ULONG x = 0, place = first; x < Strip->Columns; x++) {
            if (!SameColumn(&ring[place], &shown[x])) {
                shown[x] = ring[place];
                DrawColumn(Canvas, Layout->BandX + x * KD_COLUMN_WIDTH, y, Strip->Height,
                           &shown[x]);
            }
            place = place + 1 == Strip->Places ? 0 : place + 1;
        }
    }
}
