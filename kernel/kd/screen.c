/*
 * Drawing into a framebuffer of 32-bit pixels, which is never read. Any IRQL, no lock; whoever
 * calls is alone with the canvas.
 */
#include "kd/screen.h"

static ULONG PixelOf(PCKD_CANVAS Canvas, ULONG Color)
{
    if (!Canvas->RedFirst)
        return Color;
    return (Color & 0xFF) << 16 | (Color & 0xFF00) | Color >> 16;
}

/* How much of Length, from Start on, lies below End. */
static ULONG Clip(ULONG Start, ULONG Length, ULONG End)
{
    if (Start >= End)
        return 0;
    return Length < End - Start ? Length : End - Start;
}

/*
 * Fills a rectangle.
 *
 * IRQL:    any
 * Locks:   none
 * Context: any
 * Returns: nothing
 */
VOID KdpFill(PCKD_CANVAS Canvas, ULONG X, ULONG Y, ULONG Width, ULONG Height, ULONG Color)
{
    ULONG pixel = PixelOf(Canvas, Color);

    Width = Clip(X, Width, Canvas->Width);
    Height = Clip(Y, Height, Canvas->Height);
    for (ULONG row = 0; row < Height; row++) {
        volatile ULONG *place = &Canvas->Pixels[(SIZE_T)(Y + row) * Canvas->Pitch + X];

        for (ULONG n = 0; n < Width; n++)
            place[n] = pixel;
    }
}

static const UCHAR *GlyphOf(const KD_FONT *Font, UCHAR Character)
{
    ULONG glyph =
        (Character < KD_FONT_FIRST || Character > KD_FONT_OTHER ? KD_FONT_OTHER : Character) -
        KD_FONT_FIRST;

    return &Font->Glyphs[(SIZE_T)glyph * ((Font->Width + 7) / 8) * Font->Height];
}

/*
 * Draws one character, with what is behind it. One that does not fit is left out.
 *
 * IRQL:    any
 * Locks:   none
 * Context: any
 * Returns: nothing
 */
VOID KdpDrawGlyph(PCKD_CANVAS Canvas, ULONG X, ULONG Y, UCHAR Character, ULONG Color,
                  ULONG Background)
{
    const KD_FONT *font = Canvas->Font;
    const UCHAR *row = GlyphOf(font, Character);
    ULONG set = PixelOf(Canvas, Color), clear = PixelOf(Canvas, Background);

    if (Clip(X, font->Width, Canvas->Width) < font->Width ||
        Clip(Y, font->Height, Canvas->Height) < font->Height)
        return;
    for (ULONG y = 0; y < font->Height; y++, row += (font->Width + 7) / 8) {
        volatile ULONG *place = &Canvas->Pixels[(SIZE_T)(Y + y) * Canvas->Pitch + X];

        for (ULONG x = 0; x < font->Width; x++)
            place[x] = row[x / 8] & (0x80 >> x % 8) ? set : clear;
    }
}

/*
 * Draws a text in one row.
 *
 * IRQL:    any
 * Locks:   none
 * Context: any
 * Returns: where the next character would stand
 */
ULONG KdpDrawString(PCKD_CANVAS Canvas, ULONG X, ULONG Y, PCSTR Text, ULONG Color, ULONG Background)
{
    for (; *Text; Text++, X += Canvas->Font->Width)
        KdpDrawGlyph(Canvas, X, Y, (UCHAR)*Text, Color, Background);
    return X;
}
