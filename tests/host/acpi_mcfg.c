/* sources: arch/x86_64/acpi.c arch/x86_64/madt.c arch/x86_64/mcfg.c arch/x86_64/fadt.c arch/x86_64/sleep.c */
/* The MCFG: what is taken from it, and what is refused with a sentence. */
#include "acpi_tables.h"

#define MCFG_AT 0x70000ull
#define RANGE(address, segment, from, to) \
    LONG_WORD(address), LONG_WORD(0), WORD(segment), from, to, LONG_WORD(0)

/* A table with eight reserved bytes and these ranges behind them. */
static void AddMcfg(const UCHAR *Ranges, SIZE_T Length)
{
    const ULONG64 entries[] = {MADT_AT, MCFG_AT};
    UCHAR *bytes;

    FreeBlocks();
    AddRsdp(0, ROOT_AT, 0);
    AddRoot(FALSE, entries, ARRAYSIZE(entries));
    AddMadt(StandardEntries, sizeof(StandardEntries));
    bytes = AddTable(MCFG_AT, "MCFG", 44 + Length);
    if (Length)
        memcpy(bytes + 44, Ranges, Length);
    FixTable(MCFG_AT);
}

static void TheRangeOfSegment0(void **State)
{
    static const UCHAR one[] = {RANGE(0xB0000000, 0, 0, 255)};
    static const UCHAR second[] = {RANGE(0x80000000, 1, 0, 255), RANGE(0xE0000000, 0, 2, 63)};

    (void)State;
    AddMcfg(one, sizeof(one));
    assert_null(Parse());
    assert_null(Machine.PciConfigDefect);
    assert_int_equal(Machine.PciConfigAddress, 0xB0000000);
    assert_int_equal(Machine.PciFirstBus, 0);
    assert_int_equal(Machine.PciLastBus, 255);
    AddMcfg(second, sizeof(second));
    assert_null(Parse());
    assert_int_equal(Machine.PciConfigAddress, 0xE0000000);
    assert_int_equal(Machine.PciFirstBus, 2);
    assert_int_equal(Machine.PciLastBus, 63);
}

static void CheckRefused(const UCHAR *Ranges, SIZE_T Length)
{
    AddMcfg(Ranges, Length);
    assert_null(Parse());
    CheckSentence(Machine.PciConfigDefect);
    assert_int_equal(Machine.PciConfigAddress, 0);
}

static void Refused(void **State)
{
    static const UCHAR elsewhere[] = {RANGE(0xB0000000, 3, 0, 255)};
    static const UCHAR backwards[] = {RANGE(0xB0000000, 0, 8, 7)};
    static const UCHAR crooked[] = {RANGE(0xB0001000, 0, 0, 255)};
    static const UCHAR nowhere[] = {RANGE(0, 0, 0, 255)};
    static const UCHAR top[] = {0, 0, 0xF0, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 255, 0, 0, 0, 0};

    (void)State;
    CheckRefused(NULL, 0);
    CheckRefused(elsewhere, sizeof(elsewhere));
    CheckRefused(backwards, sizeof(backwards));
    CheckRefused(crooked, sizeof(crooked));
    CheckRefused(nowhere, sizeof(nowhere));
    CheckRefused(top, sizeof(top));
    AddAll(TRUE);
    assert_null(Parse());
    CheckSentence(Machine.PciConfigDefect); /* the table is missing */
}

/* Cut anywhere, with the length as stated and as it is. */
static void CutTables(void **State)
{
    static const UCHAR ranges[] = {RANGE(0x80000000, 1, 0, 255), RANGE(0xE0000000, 0, 2, 63)};

    (void)State;
    for (SIZE_T length = 10; length < 44 + sizeof(ranges); length++) {
        AddMcfg(ranges, sizeof(ranges));
        ResizeBlock(MCFG_AT, length);
        assert_null(Parse());
        CheckSentence(Machine.PciConfigDefect);
        Put(BlockAt(MCFG_AT)->Bytes, 4, 4, length);
        FixTable(MCFG_AT);
        assert_null(Parse());
        CheckSentence(Machine.PciConfigDefect);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(TheRangeOfSegment0),
        cmocka_unit_test(Refused),
        cmocka_unit_test(CutTables),
    };

    return cmocka_run_group_tests(tests, NULL, Cleanup);
}
