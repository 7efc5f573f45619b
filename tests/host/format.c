/* sources: kernel/rtl/crtprint.c kernel/rtl/format.c kernel/rtl/formatput.c tests/host/support/support.c */
/* Formatted text: what the C library also knows against the C library, the rest by example. */
#include "support/support.h"

#define GUARD 0x5A

static CHAR Text[700];

static PCSTR Print(PCSTR Format, ...)
{
    va_list arguments;
    int length;

    memset(Text, GUARD, sizeof(Text));
    va_start(arguments, Format);
    length = RtlStringPrintV(Text, sizeof(Text), Format, arguments);
    va_end(arguments);
    assert_int_equal(length, strlen(Text));
    return Text;
}

static void PlainTextIsCopied(void **State)
{
    (void)State;
    assert_string_equal(Print(""), "");
    assert_string_equal(Print("one %% two"), "one % two");
}

/* ---- against the C library ---- */

/* A conversion of one integer: flags, width and precision at random. */
static VOID MakeFormat(PCHAR Format, PCSTR Size, CHAR Type)
{
    static const char flags[] = "-+ #0";

    *Format++ = '%';
    for (ULONG n = (ULONG)HostRandomBelow(4); n > 0; n--)
        *Format++ = flags[HostRandomBelow(5)];
    if (HostRandomBelow(2))
        Format += sprintf(Format, "%u", (unsigned)HostRandomBelow(40));
    if (HostRandomBelow(2))
        Format += sprintf(Format, ".%u", (unsigned)HostRandomBelow(30));
    sprintf(Format, "%s%c", Size, Type);
}

static ULONG64 Value(VOID)
{
    ULONG bits = (ULONG)HostRandomBelow(65);
    ULONG64 value = bits == 0 ? 0 : HostRandom() >> (64 - bits);

    return HostRandomBelow(4) == 0 ? 0 - value : value;
}

static void IntegersAreAsInC(void **State)
{
    static const char types[] = "diuxXo";
    static const char *const sizes[] = {"", "h", "hh", "ll", "z", "j", "t"};
    CHAR format[32], expected[200];

    (void)State;
    for (ULONG n = 0; n < 200000; n++) {
        ULONG size = (ULONG)HostRandomBelow(ARRAYSIZE(sizes));
        CHAR type = types[HostRandomBelow(sizeof(types) - 1)];
        ULONG64 value = Value();

        MakeFormat(format, sizes[size], type);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
#pragma GCC diagnostic ignored "-Wformat"
        if (size < 3) {
            snprintf(expected, sizeof(expected), format, (int)value);
            Print(format, (int)value);
        } else {
            snprintf(expected, sizeof(expected), format, value);
            Print(format, value);
        }
#pragma GCC diagnostic pop
        if (strcmp(Text, expected) != 0)
            fail_msg("\"%s\" of %lu: \"%s\", not \"%s\"", format, value, Text, expected);
    }
}

static void StringsAreAsInC(void **State)
{
    static const char *const formats[] = {"%s",      "%10s",  "%-10s|", "%.3s",   "%10.2s",
                                          "%-8.1s|", "%.0s|", "%2s",    "%20.10s"};
    CHAR expected[100];

    (void)State;
    for (ULONG i = 0; i < ARRAYSIZE(formats); i++) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        snprintf(expected, sizeof(expected), formats[i], "abcdef");
#pragma GCC diagnostic pop
        assert_string_equal(Print(formats[i], "abcdef"), expected);
    }
    assert_string_equal(Print("%c%c|%3c|%-3c|", 'a', 'b', 'c', 'd'), "ab|  c|d  |");
    assert_string_equal(Print("%*d|%-*d|%*d|%.*d|%.*d", 4, 1, 4, 2, -4, 3, 3, 4, -1, 5),
                        "   1|2   |3   |004|5");
    assert_string_equal(Print("%*.*s|", 5, 2, "xyz"), "   xy|");
}

/* ---- the WDK's own ---- */

static void LongHas32Bits(void **State)
{
    (void)State;
    assert_string_equal(Print("%ld %lu %lx", -1, 0xFFFFFFFFu, 0x1234u), "-1 4294967295 1234");
    assert_string_equal(Print("%I64d %I64u %I64x", INT64_MIN, UINT64_MAX, UINT64_MAX),
                        "-9223372036854775808 18446744073709551615 ffffffffffffffff");
    assert_string_equal(Print("%I32d %Ix %lld", -5, UINT64_MAX, INT64_MIN),
                        "-5 ffffffffffffffff -9223372036854775808");
    assert_string_equal(Print("%016I64X", 0xFFFFF78000000008ULL), "FFFFF78000000008");
}

static void PointersHaveSixteenDigits(void **State)
{
    (void)State;
    assert_string_equal(Print("%p", (PVOID)0xFFFFF78000000008ULL), "FFFFF78000000008");
    assert_string_equal(Print("%p|%18p|%-18p|", NULL, NULL, NULL),
                        "0000000000000000|  0000000000000000|0000000000000000  |");
}

static void WideStringsBecomeUtf8(void **State)
{
    static const WCHAR mixed[] = {'a', 0xE4, 0x20AC, 0xD83D, 0xDE00, 0};
    static const WCHAR broken[] = {0xD83D, 'x', 0xDE00, 0};
    static const WCHAR half[] = {'a', 0xD83D, 0xDE00, 0};

    (void)State;
    assert_string_equal(Print("%S|%ws|%ls", mixed, mixed, mixed),
                        "a\u00E4\u20AC\U0001F600|a\u00E4\u20AC\U0001F600|a\u00E4\u20AC\U0001F600");
    assert_string_equal(Print("%S", broken), "\uFFFDx\uFFFD");
    assert_string_equal(Print("%.2S|%8S|%-8S|", half, mixed, mixed),
                        "a\uFFFD|   a\u00E4\u20AC\U0001F600|a\u00E4\u20AC\U0001F600   |");
    assert_string_equal(Print("%C%lc%wc%c", 0x20AC, 'b', 'c', 'd'), "\u20ACbcd");
    assert_string_equal(Print("%hs", "narrow"), "narrow");
}

static void CountedStringsNeedNoZero(void **State)
{
    WCHAR units[] = {'o', 'n', 'e', '!'};
    CHAR bytes[] = {'t', 'w', 'o', '!'};
    UNICODE_STRING wide = {6, 8, units};
    ANSI_STRING narrow = {3, 4, bytes};

    (void)State;
    assert_string_equal(
        Print("%wZ %Z|%5wZ|%-5Z|%.2wZ|%.9Z", &wide, &narrow, &wide, &narrow, &wide, &narrow),
        "one two|  one|two  |on|two");
}

static void NullIsNamed(void **State)
{
    UNICODE_STRING empty = {0, 0, NULL};

    (void)State;
    assert_string_equal(Print("%s %S %ws %wZ %Z", NULL, NULL, NULL, NULL, NULL),
                        "(null) (null) (null) (null) (null)");
    assert_string_equal(Print("%wZ|%.2s|%.0s|", &empty, NULL, NULL), "(null)|(n||");
}

static void UnknownConversionsStandAsTheyAre(void **State)
{
    (void)State;
    assert_string_equal(Print("%k %5.2f %"), "%k %5.2f %");
    assert_string_equal(Print("%d %", 1), "1 %");
    assert_string_equal(Print("%-08"), "%-08");
}

/* ---- the buffer ---- */

/* A buffer of every size is filled, terminated, and nothing behind it is touched. */
static void NothingIsWrittenBehindTheEnd(void **State)
{
    static const char whole[] = "value=00001234 name=ab   |";
    CHAR buffer[64];

    (void)State;
    for (SIZE_T size = 0; size <= sizeof(whole) + 2; size++) {
        SIZE_T length = size == 0 ? 0 : size <= sizeof(whole) ? size - 1 : sizeof(whole) - 1;

        memset(buffer, GUARD, sizeof(buffer));
        assert_int_equal(RtlStringPrint(buffer, size, "value=%08x name=%-5s|", 0x1234, "ab"),
                         length);
        assert_memory_equal(buffer, whole, length);
        if (size != 0)
            assert_int_equal(buffer[length], 0);
        for (SIZE_T i = size == 0 ? 0 : length + 1; i < sizeof(buffer); i++)
            assert_int_equal(buffer[i], GUARD);
    }
}

static void HugeWidthsEndAtTheBuffer(void **State)
{
    (void)State;
    Print("%999999999999d|%.999999999d|%*d", 1, 2, INT32_MIN, 3);
    assert_int_equal(strlen(Text), sizeof(Text) - 1);
    Print("%*.*s", INT32_MAX, INT32_MAX, "x");
    assert_int_equal(strlen(Text), sizeof(Text) - 1);
}

/* As in Windows: a zero if there is room for it, -1 if there is not enough for the text. */
static void SnprintfTellsWhatDidNotFit(void **State)
{
    CHAR buffer[8];

    (void)State;
    for (SIZE_T count = 0; count < sizeof(buffer); count++) {
        memset(buffer, GUARD, sizeof(buffer));
        assert_int_equal(_snprintf(buffer, count, "%d", 12345), count < 5 ? -1 : 5);
        assert_memory_equal(buffer, "12345", count < 5 ? count : 5);
        assert_int_equal(buffer[5], count > 5 ? 0 : GUARD);
        if (count < 5)
            assert_int_equal(buffer[count], GUARD);
    }
    assert_int_equal(_snprintf(buffer, sizeof(buffer), "%9d", 1), -1);
    assert_int_equal(_snprintf(buffer, sizeof(buffer), "%-9d", 1), -1);
    assert_int_equal(_snprintf(buffer, sizeof(buffer), "%S", L"\x20AC\x20AC\x20AC"), -1);
}

static VOID AssertWide(const WCHAR *Expected, const WCHAR *Format, ...)
{
    int length = 0;
    WCHAR buffer[40];
    va_list arguments;

    while (Expected[length] != 0)
        length++;
    memset(buffer, GUARD, sizeof(buffer));
    va_start(arguments, Format);
    assert_int_equal(_vsnwprintf(buffer, ARRAYSIZE(buffer), Format, arguments), length);
    va_end(arguments);
    assert_memory_equal(buffer, Expected, (SIZE_T)(length + 1) * sizeof(WCHAR));
    assert_int_equal(buffer[length + 1], GUARD << 8 | GUARD);
}

/* A wide format's own characters and wide arguments go through unchanged, and %s is wide. */
static void WideFormatsHaveTheirOwnMeanings(void **State)
{
    UNICODE_STRING name = {4, 4, (PWSTR)L"xy"};
    WCHAR buffer[4];

    (void)State;
    AssertWide(L"\x20AC 0042|ab|", L"\x20AC %04d|%s|", 42, L"ab");
    AssertWide(L" \x20AC|a|c", L"%2s|%hs|%S", L"\x20AC", "a", "c");
    AssertWide(L"a|b|c", L"%ls|%ws|%c", L"a", L"b", 'c');
    AssertWide(L"xy|%q|%", L"%wZ|%q|%", &name);
    AssertWide(L"\xD83D\xDE00 -", L"%s -", L"\xD83D\xDE00"); /* pairs are not looked at */
    assert_int_equal(_snwprintf(buffer, 4, L"%d", 1234), 4); /* no room for the zero */
    assert_memory_equal(buffer, L"1234", sizeof(buffer));
    assert_int_equal(_snwprintf(buffer, 4, L"%d", 12345), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(PlainTextIsCopied),
        cmocka_unit_test(IntegersAreAsInC),
        cmocka_unit_test(StringsAreAsInC),
        cmocka_unit_test(LongHas32Bits),
        cmocka_unit_test(PointersHaveSixteenDigits),
        cmocka_unit_test(WideStringsBecomeUtf8),
        cmocka_unit_test(CountedStringsNeedNoZero),
        cmocka_unit_test(NullIsNamed),
        cmocka_unit_test(UnknownConversionsStandAsTheyAre),
        cmocka_unit_test(NothingIsWrittenBehindTheEnd),
        cmocka_unit_test(HugeWidthsEndAtTheBuffer),
        cmocka_unit_test(SnprintfTellsWhatDidNotFit),
        cmocka_unit_test(WideFormatsHaveTheirOwnMeanings),
    };

    return cmocka_run_group_tests_name("format", tests, NULL, NULL);
}
