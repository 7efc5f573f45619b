/* sources: kernel/kd/screen.c kernel/kd/screenlayout.c kernel/kd/strip.c kernel/kd/stripdraw.c kernel/kd/tracestats.c tests/host/support/support.c */
/* Drawing into a framebuffer, and where text and strip stand on screens of all sizes. */
#include "support/support.h"
#include "kd/screen.h"
#include "bootinfo.h"

/* A font in which each row of each glyph is different: 12 wide, so two bytes a row. */
#define FONT_WIDTH  12
#define FONT_HEIGHT 10
static UCHAR Glyphs[96 * 2 * FONT_HEIGHT];
static const KD_FONT Font = {FONT_WIDTH, FONT_HEIGHT, Glyphs};
static const KD_FONT SmallFont = {8, 16, Glyphs}; /* for measuring */

/* A framebuffer with rows longer than the picture; the sanitizer watches its ends. */
#define WIDTH  100u
#define HEIGHT 60u
#define PITCH  112u
#define UNUSED 0xDEADBEEFu
static KD_CANVAS Canvas;

static int Start(void **State)
{
    (void)State;
    for (ULONG n = 0; n < sizeof(Glyphs); n++)
        Glyphs[n] = (UCHAR)(n * 37 + n / 20);
    Canvas = (KD_CANVAS){.Pixels = malloc(PITCH * HEIGHT * sizeof(ULONG)),
                         .Width = WIDTH,
                         .Height = HEIGHT,
                         .Pitch = PITCH,
                         .Font = &Font};
    for (ULONG n = 0; n < PITCH * HEIGHT; n++)
        Canvas.Pixels[n] = UNUSED;
    return 0;
}

static int End(void **State)
{
    (void)State;
    for (ULONG y = 0; y < HEIGHT; y++)
        for (ULONG x = WIDTH; x < PITCH; x++)
            if (Canvas.Pixels[y * PITCH + x] != UNUSED)
                return -1;
    free((void *)Canvas.Pixels);
    return 0;
}

static ULONG At(ULONG X, ULONG Y)
{
    return Canvas.Pixels[Y * PITCH + X];
}

static ULONG CountOf(ULONG Pixel)
{
    ULONG count = 0;

    for (ULONG y = 0; y < HEIGHT; y++)
        for (ULONG x = 0; x < WIDTH; x++)
            count += At(x, y) == Pixel;
    return count;
}

static void RectanglesAreFilled(void **State)
{
    (void)State;
    KdpFill(&Canvas, 3, 5, 7, 2, 0x123456);
    assert_int_equal(CountOf(0x123456), 14);
    assert_int_equal(At(3, 5), 0x123456);
    assert_int_equal(At(9, 6), 0x123456);
    KdpFill(&Canvas, 0, 0, 0, 9, 0x111111);
    KdpFill(&Canvas, 0, 0, 9, 0, 0x111111);
    assert_int_equal(CountOf(0x111111), 0);
}

static void TheOrderOfColoursIsKept(void **State)
{
    (void)State;
    Canvas.RedFirst = TRUE;
    KdpFill(&Canvas, 0, 0, 1, 1, 0x123456);
    assert_int_equal(At(0, 0), 0x563412);
}

static void WhatLiesOutsideIsLeftOut(void **State)
{
    (void)State;
    KdpFill(&Canvas, WIDTH - 2, HEIGHT - 3, 1000, 1000, 0x222222);
    assert_int_equal(CountOf(0x222222), 6);
    KdpFill(&Canvas, WIDTH, 0, 1, 1, 0x333333);
    KdpFill(&Canvas, 0, HEIGHT, 1, 1, 0x333333);
    KdpFill(&Canvas, MAXULONG, MAXULONG, MAXULONG, MAXULONG, 0x333333);
    assert_int_equal(CountOf(0x333333), 0);
    KdpDrawGlyph(&Canvas, WIDTH - FONT_WIDTH + 1, 0, 'A', 1, 2);
    KdpDrawGlyph(&Canvas, 0, HEIGHT - FONT_HEIGHT + 1, 'A', 1, 2);
    KdpDrawGlyph(&Canvas, MAXULONG, MAXULONG, 'A', 1, 2);
    assert_int_equal(CountOf(1) + CountOf(2), 0);
}

static void ExpectGlyph(ULONG X, ULONG Y, ULONG Glyph)
{
    for (ULONG y = 0; y < FONT_HEIGHT; y++)
        for (ULONG x = 0; x < FONT_WIDTH; x++) {
            UCHAR byte = Glyphs[(Glyph * FONT_HEIGHT + y) * 2 + x / 8];
            assert_int_equal(At(X + x, Y + y), byte >> (7 - x % 8) & 1 ? 0xFFFFFF : 0x10);
        }
}

static void GlyphsAreDrawn(void **State)
{
    (void)State;
    KdpDrawGlyph(&Canvas, 5, 7, 'A', 0xFFFFFF, 0x10);
    ExpectGlyph(5, 7, 'A' - ' ');
    assert_int_equal(CountOf(0xFFFFFF) + CountOf(0x10), FONT_WIDTH * FONT_HEIGHT);
    assert_int_equal(KdpDrawString(&Canvas, 10, 30, " ~", 0xFFFFFF, 0x10), 10 + 2 * FONT_WIDTH);
    ExpectGlyph(10, 30, 0);
    ExpectGlyph(10 + FONT_WIDTH, 30, '~' - ' ');
}

static void OtherCharactersGetTheLastGlyph(void **State)
{
    static const UCHAR others[] = {0, 7, 0x1F, 0x7F, 0x80, 0xFF};

    (void)State;
    for (ULONG n = 0; n < sizeof(others); n++) {
        KdpDrawGlyph(&Canvas, 0, 0, others[n], 0xFFFFFF, 0x10);
        ExpectGlyph(0, 0, 95);
        KdpDrawGlyph(&Canvas, 0, 0, 'A', 0xFFFFFF, 0x10);
    }
}

/* ---- which screens will do ---- */

static void FramebuffersAreChecked(void **State)
{
    const BOOT_FRAMEBUFFER good = {0x80000000, 1280, 800, 1280, 1};
    BOOT_FRAMEBUFFER wrong[] = {good, good, good, good, good, good};

    (void)State;
    assert_null(KdpCheckFramebuffer(&good));
    wrong[0].Base = 0;
    wrong[1].Width = 639;
    wrong[2].Height = 479;
    wrong[3].PixelsPerScanLine = 1279;
    wrong[4].Height = 100000;
    wrong[5].PixelsPerScanLine = MAXULONG;
    for (ULONG n = 0; n < ARRAYSIZE(wrong); n++)
        assert_non_null(KdpCheckFramebuffer(&wrong[n]));
}

/* ---- the layout ---- */

static void CheckLayout(ULONG Width, ULONG Height, ULONG Processors)
{
    KD_CANVAS canvas = {.Width = Width, .Height = Height, .Pitch = Width, .Font = &SmallFont};
    KD_LAYOUT layout;
    ULONG bandsEnd, legend = KdpDrawLegend(&canvas, 0);

    KdpMakeLayout(&layout, &canvas, Processors);
    bandsEnd = layout.BandsY + layout.BandPitch * Processors;
    assert_true(layout.TextRows >= 10 && layout.TextColumns >= 78);
    assert_true(layout.TextY + layout.TextRows * 16 <= layout.PanelY);
    assert_true(layout.TextX + layout.TextColumns * 8 <= Width);
    assert_true(layout.LegendY > layout.PanelY);
    assert_true(layout.LegendY + legend <= layout.BandsY);
    assert_true(bandsEnd <= layout.AxisY && layout.AxisY + 16 <= layout.NoteY);
    assert_true(layout.NoteY + 16 <= Height);
    assert_true(layout.BandHeight >= 1 && layout.BandHeight <= layout.BandPitch);
    assert_true(layout.BandPitch <= 40); /* the text gets the rest */
    assert_true(layout.LabelStep * layout.BandPitch >= 16);
    assert_true(layout.BandX + layout.Columns * KD_COLUMN_WIDTH <= Width);
    assert_true(layout.Columns >= 250);
}

static void EverythingHasItsPlace(void **State)
{
    static const ULONG sizes[][2] = {{640, 480},  {800, 600},   {1024, 768},
                                     {1280, 800}, {1920, 1080}, {3840, 2160}};

    (void)State;
    for (ULONG size = 0; size < ARRAYSIZE(sizes); size++)
        for (ULONG processors = 1; processors <= MAXIMUM_PROCESSORS; processors++)
            CheckLayout(sizes[size][0], sizes[size][1], processors);
}

/* Nothing above the panel, nothing outside of the picture, and all bands idle. */
static void ThePanelIsDrawn(void **State)
{
    static const ULONG counts[] = {1, 4, 64};
    KD_CANVAS canvas = {.Width = 640, .Height = 480, .Pitch = 640, .Font = &SmallFont};
    KD_LAYOUT layout;

    (void)State;
    canvas.Pixels = malloc(640 * 480 * sizeof(ULONG));
    for (ULONG n = 0; n < ARRAYSIZE(counts); n++) {
        memset((void *)canvas.Pixels, 0x55, 640 * 480 * sizeof(ULONG));
        KdpMakeLayout(&layout, &canvas, counts[n]);
        KdpDrawPanel(&layout, &canvas, counts[n]);
        KdpDrawNote(&layout, &canvas,
                    "A note that is longer than the row in which it should stand: what does not "
                    "fit there is left out, and nothing is written behind the end.",
                    KD_COLOR_ALARM);
        for (ULONG place = 0; place < 640 * 480; place++)
            assert_int_equal(canvas.Pixels[place] == 0x55555555, place < 640 * layout.PanelY);
        for (ULONG band = 0; band < counts[n]; band++) {
            ULONG y = layout.BandsY + band * layout.BandPitch + layout.BandHeight - 1;

            assert_int_equal(canvas.Pixels[y * 640 + layout.BandX], KD_COLOR_IDLE);
            assert_int_equal(canvas.Pixels[y * 640 + layout.BandX - 1], KD_COLOR_BACKGROUND);
        }
    }
    free((void *)canvas.Pixels);
}

/* ---- the strip's columns on the screen ---- */

/* Three columns of ten pixels, of which four show PASSIVE_LEVEL and two CLOCK_LEVEL above it. */
static void ColumnsAreDrawn(void **State)
{
    KD_LAYOUT layout = {.BandsY = 20, .BandX = 30, .BandPitch = 12, .BandHeight = 10, .Columns = 3};
    KD_STRIP strip = {.Processors = 2, .Columns = 3, .Height = 10, .ColumnTime = 100};
    KD_STRIP_COLUMN column = {.Heights = {[StripPassive] = 4, [StripClock] = 2}};
    PVOID memory = calloc(1, KD_STRIP_BYTES(2, 3));
    ULONG passive, clock;

    (void)State;
    KdpBeginStrip(&strip, memory, 1000);
    KdpAdvanceStrip(&strip, 1100); /* column 10 is complete, and the last one */
    strip.Ring[strip.Places + 10 % strip.Places] = column;
    KdpDrawStrip(&strip, &layout, &Canvas);
    passive = At(34, 32 + 9);
    clock = At(34, 32 + 5);
    assert_int_equal(CountOf(passive), 4 * KD_COLUMN_WIDTH);
    assert_int_equal(CountOf(clock), 2 * KD_COLUMN_WIDTH);
    assert_int_equal(At(35, 32 + 3), KD_COLOR_IDLE);

    KdpAdvanceStrip(&strip, 1200); /* one column to the left */
    KdpDrawStrip(&strip, &layout, &Canvas);
    assert_int_equal(At(32, 32 + 9), passive);
    assert_int_equal(At(34, 32 + 9), KD_COLOR_IDLE);
    assert_int_equal(CountOf(passive), 4 * KD_COLUMN_WIDTH);

    KdpFill(&Canvas, 0, 0, WIDTH, HEIGHT, 0x77); /* what is there already is not drawn again */
    KdpDrawStrip(&strip, &layout, &Canvas);
    assert_int_equal(CountOf(0x77), WIDTH * HEIGHT);
    free(memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(RectanglesAreFilled, Start, End),
        cmocka_unit_test_setup_teardown(TheOrderOfColoursIsKept, Start, End),
        cmocka_unit_test_setup_teardown(WhatLiesOutsideIsLeftOut, Start, End),
        cmocka_unit_test_setup_teardown(GlyphsAreDrawn, Start, End),
        cmocka_unit_test_setup_teardown(OtherCharactersGetTheLastGlyph, Start, End),
        cmocka_unit_test(FramebuffersAreChecked),
        cmocka_unit_test(EverythingHasItsPlace),
        cmocka_unit_test(ThePanelIsDrawn),
        cmocka_unit_test_setup_teardown(ColumnsAreDrawn, Start, End),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
