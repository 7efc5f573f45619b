/* sources: kernel/kd/keys.c kernel/kd/line.c kernel/kd/history.c */
/* Editing a line of the monitor: what a terminal sends, and what becomes of the text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "kd/line.h"

static KD_LINE Line;
static KD_KEY_DECODER Decoder;

/* Types Bytes into a new line; the last key's effect. */
static KD_EDIT Type(const char *Bytes)
{
    KD_EDIT edit = KdEditNothing;

    memset(&Line, 0xA5, sizeof(Line));
    memset(&Decoder, 0, sizeof(Decoder));
    KdpInitializeLine(&Line, "> ");
    for (; *Bytes; Bytes++) {
        ULONG key = KdpDecodeKey(&Decoder, (UCHAR)*Bytes);
        if (key != KD_KEY_NONE)
            edit = KdpEditLine(&Line, key);
        assert_true(Line.Length < KD_LINE_SIZE);
        assert_true(Line.Cursor <= Line.Length);
        assert_int_equal(Line.Text[Line.Length], 0);
        assert_int_equal(strlen(Line.Text), Line.Length);
    }
    return edit;
}

static void Expect(const char *Bytes, const char *Text, ULONG Cursor)
{
    Type(Bytes);
    assert_string_equal(Line.Text, Text);
    assert_int_equal(Line.Cursor, Cursor);
}

static void CharactersAreInserted(void **State)
{
    (void)State;
    Expect("", "", 0);
    Expect("help", "help", 4);
    Expect("hlp\x1b[D\x1b[De", "help", 2);
    Expect("\x01x\x80\xFF\x1by", "x", 1); /* nothing but printable ASCII */
}

static void CursorMoves(void **State)
{
    (void)State;
    Expect("abc\x1b[D", "abc", 2);
    Expect("abc\x02\x02", "abc", 1);
    Expect("abc\x1b[D\x1b[D\x1b[D\x1b[D", "abc", 0);
    Expect("abc\x01\x06", "abc", 1);
    Expect("abc\x1b[C", "abc", 3);
    Expect("abc\x1b[H", "abc", 0);
    Expect("abc\x1b[1~", "abc", 0);
    Expect("abc\x1bOH\x1bOF", "abc", 3);
    Expect("abc\x01\x1b[4~", "abc", 3);
    Expect("abc\x01\x05", "abc", 3);
    Expect("abc\x1b[1;5D", "abc", 2); /* Ctrl-Left: the modifier is ignored */
}

static void CharactersAreDeleted(void **State)
{
    (void)State;
    Expect("abc\x7f", "ab", 2);
    Expect("abc\x08\x08\x08\x08", "", 0);
    Expect("abc\x01\x1b[3~", "bc", 0);
    Expect("abc\x01\x04\x04\x04\x04", "", 0);
    Expect("abc\x1b[3~", "abc", 3);
    Expect("abc\x1b[D\x15", "c", 0);
    Expect("abc\x01\x0b", "", 0);
    Expect("abc\x02\x0b", "ab", 2);
    Expect("one two  \x17", "one ", 4);
    Expect("one two\x02\x17", "one o", 4);
    Expect("  \x17", "", 0);
}

static void UnknownSequencesDoNothing(void **State)
{
    (void)State;
    Expect("a\x1b[5~b", "ab", 2);
    Expect("a\x1b[Zb", "ab", 2);
    Expect("a\x1b[999999;5~b", "ab", 2);
    Expect("a\x1b\x1b"
           "b",
           "a", 1);
}

static void KeysThatTheCallerServes(void **State)
{
    (void)State;
    assert_int_equal(Type("abc\r"), KdEditAccepted);
    assert_string_equal(Line.Text, "abc");
    assert_int_equal(Type("abc\n"), KdEditAccepted);
    assert_int_equal(Type("abc\x03"), KdEditAborted);
    assert_int_equal(Type("abc\t"), KdEditComplete);
    assert_int_equal(Type("abc\x0c"), KdEditClear);
    assert_int_equal(Type("abc"), KdEditChanged);
    assert_int_equal(Type("\x7f"), KdEditNothing);
}

static void LineHasALimit(void **State)
{
    char bytes[KD_LINE_SIZE + 50];

    (void)State;
    memset(bytes, 'x', sizeof(bytes));
    bytes[sizeof(bytes) - 1] = 0;
    assert_int_equal(Type(bytes), KdEditNothing);
    assert_int_equal(Line.Length, KD_LINE_SIZE - 1);
    assert_false(KdpInsertText(&Line, "y", 1));
    assert_true(KdpInsertText(&Line, "", 0));
    KdpSetLine(&Line, bytes);
    assert_int_equal(Line.Length, KD_LINE_SIZE - 1);
}

static void HistoryIsARing(void **State)
{
    (void)State;
    assert_null(KdpGetHistory(0));
    assert_null(KdpGetHistory(1));
    KdpAddHistory("");
    assert_null(KdpGetHistory(1));
    KdpAddHistory("first");
    KdpAddHistory("second");
    KdpAddHistory("second");
    assert_string_equal(KdpGetHistory(1), "second");
    assert_string_equal(KdpGetHistory(2), "first");
    assert_null(KdpGetHistory(3));
    for (int i = 0; i < 100; i++)
        KdpAddHistory(i % 2 ? "odd" : "even");
    assert_string_equal(KdpGetHistory(1), "odd");
    assert_string_equal(KdpGetHistory(32), "even");
    assert_null(KdpGetHistory(33));
}

/* After HistoryIsARing: odd, even, odd ... */
static void ArrowsRecallLines(void **State)
{
    (void)State;
    Expect("typed\x1b[A", "odd", 3);
    Expect("typed\x1b[A\x10", "even", 4);
    Expect("typed\x1b[A\x1b[A\x1b[B", "odd", 3);
    Expect("typed\x1b[A\x1b[Bx", "typedx", 6);
    Expect("typed\x0e", "typed", 5);
    Expect("typed\x1b[A!\x1b[A\x1b[B", "odd", 3);
    for (int i = 0; i < 40; i++)
        KdpEditLine(&Line, KD_KEY_UP);
    assert_int_equal(Line.HistoryIndex, 32);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(CharactersAreInserted),   cmocka_unit_test(CursorMoves),
        cmocka_unit_test(CharactersAreDeleted),    cmocka_unit_test(UnknownSequencesDoNothing),
        cmocka_unit_test(KeysThatTheCallerServes), cmocka_unit_test(LineHasALimit),
        cmocka_unit_test(HistoryIsARing),          cmocka_unit_test(ArrowsRecallLines),
    };

    return cmocka_run_group_tests_name("kd_line", tests, NULL, NULL);
}
