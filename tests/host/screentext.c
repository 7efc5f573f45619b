/* sources: kernel/kd/screentext.c kernel/kd/screen.c tests/host/support/support.c */
/* Text on the screen: what the console prints, escape sequences, scrolling, what is drawn. */
#include "support/support.h"
#include "kd/screen.h"

#define COLUMNS 10u
#define ROWS    4u

static KD_TEXT Text;
static UCHAR *Memory;

static int Start(void **State)
{
    (void)State;
    Memory = malloc(KD_TEXT_BYTES(COLUMNS, ROWS));
    KdpClearText(&Text, COLUMNS, ROWS, Memory);
    return 0;
}

static int End(void **State)
{
    (void)State;
    free(Memory);
    return 0;
}

static void Type(const char *Characters)
{
    KdpTypeText(&Text, Characters, strlen(Characters));
}

/* Rows without the blanks at their ends, separated by |. */
static const char *Shown(void)
{
    static char shown[(COLUMNS + 1) * ROWS + 1];
    char *end = shown;

    for (ULONG row = 0; row < ROWS; row++) {
        const UCHAR *cells = &Text.Cells[(Text.Top + row) % ROWS * COLUMNS];
        ULONG length = COLUMNS;

        while (length && cells[length - 1] == ' ')
            length--;
        end = (char *)memcpy(end, cells, length) + length;
        *end++ = '|';
    }
    end[-1] = 0;
    return shown;
}

static void Expect(const char *Characters, const char *Wanted)
{
    KdpClearText(&Text, COLUMNS, ROWS, Memory);
    Type(Characters);
    assert_string_equal(Shown(), Wanted);
}

static void LinesFollowEachOther(void **State)
{
    (void)State;
    Expect("", "|||");
    Expect("one\ntwo", "one|two||");
    Expect("one\r\ntwo\n", "one|two||");
    Expect("one\rX", "Xne|||");
    Expect("ab\bX", "aX|||");
    Expect("\b\bX", "X|||");
}

static void LongLinesAreWrapped(void **State)
{
    (void)State;
    Expect("0123456789", "0123456789|||");
    assert_int_equal(Text.Row, 0); /* the next row begins with the next character */
    Expect("0123456789\nX", "0123456789|X||");
    Expect("0123456789abc", "0123456789|abc||");
    Expect("0123456789\b\bX", "01234567X9|||");
}

static void TabsStopAtEightAndAtTheEnd(void **State)
{
    (void)State;
    Expect("a\tb", "a       b|||");
    Expect("a\t\tb", "a        b|||");
}

static void ItScrolls(void **State)
{
    (void)State;
    Expect("1\n2\n3\n4\n5\n6", "3|4|5|6");
    Type("\n7\n8\n9\nA");
    assert_string_equal(Shown(), "7|8|9|A");
    Type("\n");
    assert_string_equal(Shown(), "8|9|A|");
    Expect("1\n2\n3\n0123456789abc", "2|3|0123456789|abc");
}

/* What print.c draws for an edited line, and around a message. */
static void TheEditedLine(void **State)
{
    (void)State;
    Expect("\rkd> help\x1b[K", "kd> help|||");
    Expect("\rkd> help\x1b[K\rkd> hel\x1b[K", "kd> hel|||");
    Expect("\rkd> ab\x1b[K\x1b[2D", "kd> ab|||");
    assert_int_equal(Text.Column, 4);
    Expect("\rkd> ab\x1b[K\r\x1b[Kmessage\n\rkd> ab\x1b[K", "message|kd> ab||");
    Expect("one\ntwo\x1b[2J\x1b[H\rkd> \x1b[K", "kd>|||");
    assert_int_equal(Text.Row, 0);
}

static void CursorStaysInside(void **State)
{
    (void)State;
    Expect("ab\x1b[99DX", "Xb|||");
    Expect("ab\x1b[99CX", "ab       X|||");
    Expect("ab\x1b[CX", "ab X|||");
    Expect("0123456789\x1b[C\x1b[KX", "0123456789|X||");
}

static void OtherSequencesAreSwallowed(void **State)
{
    (void)State;
    Expect("a\x1b[31;1mb\x1b[?25lc\x1b(d", "abcd|||");
    Expect("a\x1b[99999999999999999999mb", "ab|||");
    Expect("a\a\x01"
           "b\xC3",
           "ab\x7F|||");
}

/* Any bytes: nothing is written outside of the cells, which the sanitizer watches. */
static void AnythingCanBePrinted(void **State)
{
    (void)State;
    for (ULONG n = 0; n < 200000; n++) {
        static const char likely[] = "\x1b[09;2DCHJKm\n\r\t\b";
        char character =
            HostRandomBelow(2) ? likely[HostRandomBelow(sizeof(likely))] : (char)HostRandom();

        KdpTypeText(&Text, &character, 1);
        assert_true(Text.Column <= COLUMNS && Text.Row < ROWS && Text.Top < ROWS);
    }
}

/* As a report of a bug check: what does not fit is left out at the end. */
static void AFullTextStops(void **State)
{
    (void)State;
    Text.Stops = TRUE;
    Type("1\n2\n3\n4\n5\n6");
    assert_string_equal(Shown(), "1|2|3|4");
}

/* ---- drawing: a font in which character c is c in each of its 4 x 6 pixels' bits ---- */

static UCHAR Glyphs[96 * 6];
static const KD_FONT Font = {4, 6, Glyphs};
#define WIDTH  (2 + 2 * 4 * (COLUMNS + 2))
#define HEIGHT (3 + 6 * ROWS)

static KD_CANVAS MakeCanvas(void)
{
    KD_CANVAS canvas = {.Pixels = calloc(WIDTH * HEIGHT, sizeof(ULONG)),
                        .Width = WIDTH,
                        .Height = HEIGHT,
                        .Pitch = WIDTH,
                        .Font = &Font};

    for (ULONG n = 0; n < 96; n++)
        memcpy(&Glyphs[n * 6], (UCHAR[]){0x90, (UCHAR)(n << 4), (UCHAR)n & 0xF0, 0, 0x60, 0}, 6);
    return canvas;
}

static BOOLEAN IsDrawn(const KD_CANVAS *Canvas, ULONG X, ULONG Y, CHAR Character, ULONG Color,
                       ULONG Background)
{
    const UCHAR *glyph = &Glyphs[(Character - ' ') * 6];

    for (ULONG n = 0; n < 24; n++)
        if (Canvas->Pixels[(Y + n / 4) * WIDTH + X + n % 4] !=
            (glyph[n / 4] >> (7 - n % 4) & 1 ? Color : Background))
            return FALSE;
    return TRUE;
}

static void CellsAreDrawnOnceAndTheCursorInverse(void **State)
{
    KD_CANVAS canvas = MakeCanvas();

    (void)State;
    Type("ab\nc");
    KdpDrawText(&Text, &canvas, 2, 3, ROWS, 0x99);
    assert_true(IsDrawn(&canvas, 2, 3, 'a', KD_COLOR_TEXT, 0x99));
    assert_true(IsDrawn(&canvas, 6, 3, 'b', KD_COLOR_TEXT, 0x99));
    assert_true(IsDrawn(&canvas, 2, 9, 'c', KD_COLOR_TEXT, 0x99));
    assert_true(IsDrawn(&canvas, 6, 9, ' ', 0x99, KD_COLOR_TEXT));

    memset((void *)canvas.Pixels, 0, WIDTH * HEIGHT * sizeof(ULONG));
    Type("d");
    KdpDrawText(&Text, &canvas, 2, 3, ROWS, 0x99);
    assert_true(IsDrawn(&canvas, 6, 9, 'd', KD_COLOR_TEXT, 0x99));
    assert_true(IsDrawn(&canvas, 10, 9, ' ', 0x99, KD_COLOR_TEXT));
    assert_true(IsDrawn(&canvas, 2, 3, 'a', 0, 0)); /* nothing else was touched */
    free((void *)canvas.Pixels);
}

static void ScrollingDrawsWhatIsDifferent(void **State)
{
    KD_CANVAS canvas = MakeCanvas();

    (void)State;
    Type("1\n2\n3\n4");
    KdpDrawText(&Text, &canvas, 2, 3, ROWS, 0x99);
    Type("\n5");
    KdpDrawText(&Text, &canvas, 2, 3, ROWS, 0x99);
    for (ULONG row = 0; row < ROWS; row++)
        assert_true(IsDrawn(&canvas, 2, 3 + row * 6, (CHAR)('2' + row), KD_COLOR_TEXT, 0x99));
    free((void *)canvas.Pixels);
}

/* Two pages of two rows side by side, without a cursor, which a report does not have. */
static void PagesStandSideBySide(void **State)
{
    KD_CANVAS canvas = MakeCanvas();

    (void)State;
    Text.Stops = TRUE;
    Type("1\n2\n3\n4");
    KdpDrawText(&Text, &canvas, 2, 3, 2, 0x99);
    assert_true(IsDrawn(&canvas, 2, 9, '2', KD_COLOR_TEXT, 0x99));
    assert_true(IsDrawn(&canvas, 2 + 4 * (COLUMNS + 2), 3, '3', KD_COLOR_TEXT, 0x99));
    assert_true(IsDrawn(&canvas, 2 + 4 * (COLUMNS + 2), 9, '4', KD_COLOR_TEXT, 0x99));
    assert_true(IsDrawn(&canvas, 6 + 4 * (COLUMNS + 2), 9, ' ', KD_COLOR_TEXT, 0x99));
    free((void *)canvas.Pixels);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(LinesFollowEachOther, Start, End),
        cmocka_unit_test_setup_teardown(LongLinesAreWrapped, Start, End),
        cmocka_unit_test_setup_teardown(TabsStopAtEightAndAtTheEnd, Start, End),
        cmocka_unit_test_setup_teardown(ItScrolls, Start, End),
        cmocka_unit_test_setup_teardown(TheEditedLine, Start, End),
        cmocka_unit_test_setup_teardown(CursorStaysInside, Start, End),
        cmocka_unit_test_setup_teardown(OtherSequencesAreSwallowed, Start, End),
        cmocka_unit_test_setup_teardown(AnythingCanBePrinted, Start, End),
        cmocka_unit_test_setup_teardown(AFullTextStops, Start, End),
        cmocka_unit_test_setup_teardown(CellsAreDrawnOnceAndTheCursorInverse, Start, End),
        cmocka_unit_test_setup_teardown(ScrollingDrawsWhatIsDifferent, Start, End),
        cmocka_unit_test_setup_teardown(PagesStandSideBySide, Start, End),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
