/* sources: arch/x86_64/block.asm kernel/rtl/string.c kernel/rtl/unicode.c tests/host/support/support.c */
/* Memory and strings against the C library; counted strings by example. */
#include "support/support.h"

/* The kernel's functions under the names that string.c gives them here. */
__attribute__((ms_abi)) void *RtlpMemcpy(void *Destination, const void *Source, size_t Count);
__attribute__((ms_abi)) void *RtlpMemmove(void *Destination, const void *Source, size_t Count);
__attribute__((ms_abi)) void *RtlpMemset(void *Destination, int Value, size_t Count);
int RtlpMemcmp(const void *First, const void *Second, size_t Count);
size_t RtlpStrlen(const char *String);
int RtlpStrcmp(const char *First, const char *Second);
int RtlpStrncmp(const char *First, const char *Second, size_t Count);
char *RtlpStrcpy(char *Destination, const char *Source);
char *RtlpStrchr(const char *String, int Character);
char *RtlpStrstr(const char *String, const char *Part);
size_t RtlpWcslen(const WCHAR *String);

#define SIZE 64

static int Sign(int Value)
{
    return (Value > 0) - (Value < 0);
}

static VOID FillRandom(UCHAR *Bytes)
{
    for (ULONG i = 0; i < SIZE; i++)
        Bytes[i] = (UCHAR)HostRandom();
}

/* Every overlap of two ranges inside SIZE bytes, moved by both. */
static void MovesAreAsInC(void **State)
{
    UCHAR ours[SIZE], theirs[SIZE];

    (void)State;
    for (SIZE_T from = 0; from < SIZE; from += 3) {
        for (SIZE_T to = 0; to < SIZE; to++) {
            SIZE_T most = SIZE - (from > to ? from : to);

            for (SIZE_T count = 0; count <= most; count++) {
                FillRandom(ours);
                memcpy(theirs, ours, SIZE);
                assert_ptr_equal(RtlpMemmove(ours + to, ours + from, count), ours + to);
                memmove(theirs + to, theirs + from, count);
                assert_memory_equal(ours, theirs, SIZE);
            }
        }
    }
}

static void CopiesAndFillsAreAsInC(void **State)
{
    UCHAR source[SIZE], ours[SIZE], theirs[SIZE];

    (void)State;
    for (SIZE_T start = 0; start < 16; start++) {
        for (SIZE_T count = 0; count <= SIZE - start; count++) {
            FillRandom(source);
            FillRandom(ours);
            memcpy(theirs, ours, SIZE);
            assert_ptr_equal(RtlpMemcpy(ours + start, source, count), ours + start);
            memcpy(theirs + start, source, count);
            assert_memory_equal(ours, theirs, SIZE);
            assert_ptr_equal(RtlpMemset(ours + start, (int)count - 300, count), ours + start);
            memset(theirs + start, (int)count - 300, count);
            assert_memory_equal(ours, theirs, SIZE);
        }
    }
}

/* Short strings of few letters, so that equal parts are frequent; 0x80 and above are letters too.
 */
static VOID MakeString(char *String)
{
    static const char letters[] = "ab\x80\xFF";
    SIZE_T length = HostRandomBelow(7);

    for (SIZE_T i = 0; i < length; i++)
        String[i] = letters[HostRandomBelow(4)];
    String[length] = 0;
}

static void StringsAreAsInC(void **State)
{
    (void)State;
    for (ULONG n = 0; n < 100000; n++) {
        char a[8] = {0}, b[8] = {0}, copy[8];
        SIZE_T count = HostRandomBelow(9);

        MakeString(a);
        MakeString(b);
        assert_int_equal(RtlpStrlen(a), strlen(a));
        assert_int_equal(Sign(RtlpStrcmp(a, b)), Sign(strcmp(a, b)));
        assert_int_equal(Sign(RtlpStrncmp(a, b, count)), Sign(strncmp(a, b, count)));
        assert_int_equal(Sign(RtlpMemcmp(a, b, count % 8)), Sign(memcmp(a, b, count % 8)));
        assert_ptr_equal(RtlpStrchr(a, b[0]), strchr(a, b[0]));
        assert_ptr_equal(RtlpStrchr(a, 0), strchr(a, 0));
        assert_ptr_equal(RtlpStrstr(a, b), strstr(a, b));
        assert_ptr_equal(RtlpStrcpy(copy, a), copy);
        assert_string_equal(copy, a);
    }
}

/* ---- counted strings ---- */

static void InitializationCountsBytes(void **State)
{
    UNICODE_STRING wide;
    ANSI_STRING narrow;

    (void)State;
    RtlInitUnicodeString(&wide, u"abc");
    assert_int_equal(wide.Length, 6);
    assert_int_equal(wide.MaximumLength, 8);
    assert_int_equal(wide.Buffer[2], 'c');
    RtlInitAnsiString(&narrow, "abc");
    assert_int_equal(narrow.Length, 3);
    assert_int_equal(narrow.MaximumLength, 4);

    RtlInitUnicodeString(&wide, NULL);
    assert_int_equal(wide.Length + wide.MaximumLength, 0);
    assert_null(wide.Buffer);
    RtlInitAnsiString(&narrow, NULL);
    assert_int_equal(narrow.Length + narrow.MaximumLength, 0);
    assert_null(narrow.Buffer);
    RtlInitUnicodeString(&wide, u"");
    assert_int_equal(wide.Length, 0);
    assert_int_equal(wide.MaximumLength, 2);
}

/* Lengths have 16 bits. */
static void LongStringsAreCut(void **State)
{
    static WCHAR units[40001];
    static CHAR bytes[70001];
    UNICODE_STRING wide;
    ANSI_STRING narrow;

    (void)State;
    for (ULONG i = 0; i < ARRAYSIZE(units) - 1; i++)
        units[i] = 'w';
    memset(bytes, 'n', sizeof(bytes) - 1);
    RtlInitUnicodeString(&wide, units);
    assert_int_equal(wide.Length, 0xFFFC);
    assert_int_equal(wide.MaximumLength, 0xFFFE);
    RtlInitAnsiString(&narrow, bytes);
    assert_int_equal(narrow.Length, 0xFFFE);
    assert_int_equal(narrow.MaximumLength, 0xFFFF);
}

static LONG Compare(PCWSTR First, PCWSTR Second, BOOLEAN CaseInSensitive)
{
    UNICODE_STRING first, second;
    LONG result;

    RtlInitUnicodeString(&first, First);
    RtlInitUnicodeString(&second, Second);
    result = RtlCompareUnicodeString(&first, &second, CaseInSensitive);
    assert_int_equal(RtlEqualUnicodeString(&first, &second, CaseInSensitive), result == 0);
    return Sign(result);
}

static void ComparisonKnowsCase(void **State)
{
    (void)State;
    assert_int_equal(Compare(u"abc", u"abc", FALSE), 0);
    assert_int_equal(Compare(u"abc", u"abd", FALSE), -1);
    assert_int_equal(Compare(u"abc", u"ab", FALSE), 1);
    assert_int_equal(Compare(u"", u"a", TRUE), -1);
    assert_int_equal(Compare(u"ABC", u"abc", FALSE), -1);
    assert_int_equal(Compare(u"aBzZ", u"AbZz", TRUE), 0);
    assert_int_equal(Compare(u"\u00E4\u00FE\u00FF", u"\u00C4\u00DE\u0178", TRUE), 0);
    assert_int_equal(Compare(u"\u00F7", u"\u00D7", TRUE), 1);
    assert_int_equal(Compare(u"\uFFFF", u"\1", FALSE), 1);
    assert_int_equal(Compare(u"[", u"{", TRUE), -1);
}

static void CopyTakesWhatFits(void **State)
{
    WCHAR buffer[4];
    UNICODE_STRING source, target = {0, sizeof(buffer), buffer};

    (void)State;
    memset(buffer, 0x55, sizeof(buffer));
    RtlInitUnicodeString(&source, u"ab");
    RtlCopyUnicodeString(&target, &source);
    assert_int_equal(target.Length, 4);
    assert_memory_equal(buffer, u"ab", 6);
    assert_int_equal(buffer[3], 0x5555);

    RtlInitUnicodeString(&source, u"abc");
    RtlCopyUnicodeString(&target, &source);
    assert_memory_equal(buffer, u"abc", 8);

    RtlInitUnicodeString(&source, u"abcdef");
    RtlCopyUnicodeString(&target, &source);
    assert_int_equal(target.Length, 8);
    assert_memory_equal(buffer, u"abcd", 8);

    target.MaximumLength = 5;
    RtlCopyUnicodeString(&target, &source);
    assert_int_equal(target.Length, 4);
    assert_memory_equal(buffer, u"abcd", 8);

    RtlCopyUnicodeString(&target, NULL);
    assert_int_equal(target.Length, 0);
    assert_int_equal(buffer[0], 0);
}

static void AppendIsAllOrNothing(void **State)
{
    WCHAR buffer[6] = {0};
    UNICODE_STRING target = {0, sizeof(buffer), buffer};

    (void)State;
    buffer[3] = 0x5555;
    assert_int_equal(RtlAppendUnicodeToString(&target, u"abc"), STATUS_SUCCESS);
    assert_memory_equal(buffer, u"abc", 8);
    assert_int_equal(RtlAppendUnicodeToString(&target, u"defg"), STATUS_BUFFER_TOO_SMALL);
    assert_int_equal(target.Length, 6);
    assert_memory_equal(buffer, u"abc", 8);
    assert_int_equal(RtlAppendUnicodeToString(&target, u"def"), STATUS_SUCCESS);
    assert_int_equal(target.Length, 12);
    assert_memory_equal(buffer, u"abcdef", 12);
    assert_int_equal(RtlAppendUnicodeToString(&target, NULL), STATUS_SUCCESS);
    assert_int_equal(RtlAppendUnicodeToString(&target, u"x"), STATUS_BUFFER_TOO_SMALL);
}

static void WideStringsAreCounted(void **State)
{
    (void)State;
    assert_int_equal(RtlpWcslen(L""), 0);
    assert_int_equal(RtlpWcslen(L"\x100\x20AC z"), 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(WideStringsAreCounted),     cmocka_unit_test(MovesAreAsInC),
        cmocka_unit_test(CopiesAndFillsAreAsInC),    cmocka_unit_test(StringsAreAsInC),
        cmocka_unit_test(InitializationCountsBytes), cmocka_unit_test(LongStringsAreCut),
        cmocka_unit_test(ComparisonKnowsCase),       cmocka_unit_test(CopyTakesWhatFits),
        cmocka_unit_test(AppendIsAllOrNothing),
    };

    return cmocka_run_group_tests_name("string", tests, NULL, NULL);
}
