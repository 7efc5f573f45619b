/*
 * Where text and strip stand on a screen of any size, and which screens will do. No lock, any IRQL.
 */
#include "kd/screen.h"
#include "bootinfo.h"

#define LEAST_WIDTH  640u
#define LEAST_HEIGHT 480u
#define MOST         16384u

#define PITCH_LIMIT   40u
#define MANY_BANDS    16u /* more of them may take half of the screen, fewer two fifths */
#define PITCH_FOR_GAP 4u  /* narrower bands touch */

/*
 * Can the framebuffer be drawn in?
 *
 * IRQL:    any
 * Locks:   none
 * Context: any
 * Returns: NULL, or a sentence that says why not
 */
PCSTR KdpCheckFramebuffer(const BOOT_FRAMEBUFFER *Framebuffer)
{
    if (Framebuffer->Base == 0)
        return "the firmware offers no framebuffer of 32-bit pixels, red, green and blue";
    if (Framebuffer->Width < LEAST_WIDTH || Framebuffer->Height < LEAST_HEIGHT)
        return "the firmware's framebuffer has fewer than 640 x 480 pixels";
    if (Framebuffer->Width > MOST || Framebuffer->Height > MOST ||
        Framebuffer->PixelsPerScanLine < Framebuffer->Width ||
        Framebuffer->PixelsPerScanLine > MOST)
        return "what the firmware says of its framebuffer cannot be true";
    return NULL;
}

static VOID PlaceBands(PKD_LAYOUT Layout, ULONG Room, ULONG Processors, ULONG FontHeight)
{
    ULONG pitch = Room / Processors;

    if (pitch > PITCH_LIMIT)
        pitch = PITCH_LIMIT;
    if (pitch == 0)
        pitch = 1;
    Layout->BandPitch = pitch;
    Layout->BandHeight = pitch - (pitch < PITCH_FOR_GAP ? 0 : pitch < 8 ? 1 : pitch / 8);
    Layout->LabelStep = 1;
    while (Layout->LabelStep * pitch < FontHeight)
        Layout->LabelStep *= 2;
}

/*
 * Divides the screen: text above, the strip below. The strip's columns end at the right margin.
 *
 * IRQL:    any
 * Locks:   none
 * Context: any
 * Returns: nothing
 */
VOID KdpMakeLayout(PKD_LAYOUT Layout, PCKD_CANVAS Canvas, ULONG Processors)
{
    KD_CANVAS measure = *Canvas;
    ULONG line = Canvas->Font->Height;
    ULONG share = Processors > MANY_BANDS ? Canvas->Height / 2 : Canvas->Height * 2 / 5;
    ULONG around; /* the rest of the panel: legend, times, note, and what is between them */

    measure.Pixels = NULL;
    around = KdpDrawLegend(&measure, 0) + 2 * line + 4 * KD_MARGIN;
    PlaceBands(Layout, share > around ? share - around : 0, Processors, line);

    Layout->PanelY = Canvas->Height - around - Layout->BandPitch * Processors;
    Layout->LegendY = Layout->PanelY + KD_MARGIN;
    Layout->NoteY = Canvas->Height - KD_MARGIN - line;
    Layout->AxisY = Layout->NoteY - line;
    Layout->BandsY = Layout->AxisY - KD_MARGIN / 2 - Layout->BandPitch * Processors;
    Layout->BandX = KD_BAND_X(Canvas->Font);
    Layout->Columns = (Canvas->Width - KD_MARGIN - Layout->BandX) / KD_COLUMN_WIDTH;

    Layout->TextX = Layout->TextY = KD_MARGIN;
    Layout->TextColumns = (Canvas->Width - 2 * KD_MARGIN) / Canvas->Font->Width;
    Layout->TextRows = (Layout->PanelY - 2 * KD_MARGIN) / line;
}
