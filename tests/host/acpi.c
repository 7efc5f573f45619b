/* sources: arch/x86_64/acpi.c arch/x86_64/madt.c arch/x86_64/mcfg.c arch/x86_64/fadt.c arch/x86_64/sleep.c */
/* The way to the ACPI tables: what is valid, and what is spoiled in every place. */
#include "acpi_tables.h"

static void CheckStandard(void)
{
    static const UCHAR processors[] = {0, 4, 7};

    assert_int_equal(Machine.LocalApicAddress, 0xFEE00000);
    assert_int_equal(Machine.ProcessorCount, 3);
    assert_memory_equal(Machine.ProcessorApicId, processors, 3);
    assert_int_equal(Machine.ProcessorsOutOfReach, 1);
    assert_int_equal(Machine.IoApicCount, 2);
    assert_int_equal(Machine.IoApics[0].Address, 0xFEC00000);
    assert_int_equal(Machine.IoApics[1].Address, 0xFEC10010);
    assert_int_equal(Machine.IoApics[1].GsiBase, 24);
    assert_null(Machine.HpetDefect);
    assert_int_equal(Machine.HpetAddress, 0xFED00000);
    assert_null(Machine.FadtDefect);
    assert_int_equal(Machine.PmTimerPort, 0x608);
    assert_true(Machine.PmTimerIs32Bit);
    assert_int_equal(Machine.SmiCommandPort, 0xB2);
    assert_int_equal(Machine.AcpiEnableValue, 0xF1);
    assert_int_equal(Machine.Pm1aControlPort, 0x604);
    assert_int_equal(Machine.Pm1bControlPort, 0x704);
    assert_int_equal(Machine.ResetRegister.Space, AcpiSpaceIo);
    assert_int_equal(Machine.ResetRegister.Address, 0xCF9);
    assert_int_equal(Machine.ResetValue, 0x0F);
    assert_null(Machine.SleepDefect);
    assert_int_equal(Machine.SleepTypeA, 5);
    assert_int_equal(Machine.SleepTypeB, 6);
}

static void ValidTables(void **State)
{
    (void)State;
    AddAll(FALSE);
    assert_null(Parse());
    CheckStandard();
    AddAll(TRUE);
    assert_null(Parse());
    CheckStandard();
}

/* The root table of a revision 2 RSDP without an XSDT is the RSDT. */
static void RevisionTwoWithRsdt(void **State)
{
    const ULONG64 entries[] = {MADT_AT};

    (void)State;
    FreeBlocks();
    AddRsdp(2, ROOT_AT, 0);
    AddRoot(FALSE, entries, 1);
    AddMadt(StandardEntries, sizeof(StandardEntries));
    assert_null(Parse());
    assert_int_equal(Machine.ProcessorCount, 3);
    CheckSentence(Machine.HpetDefect);
    CheckSentence(Machine.FadtDefect);
    CheckSentence(Machine.SleepDefect);
    assert_int_equal(Machine.HpetAddress, 0);
    assert_int_equal(Machine.PmTimerPort, 0);
}

static void NoTables(void **State)
{
    PCSTR sentence;

    (void)State;
    FreeBlocks();
    ExpectDefect("RSDP does not lie");
    sentence = AcpiReadMachine(ReadBlock, NULL, 0, &Machine);
    CheckSentence(sentence);
    assert_non_null(strstr(sentence, "no ACPI tables"));
}

/* Every block of the set, cut at every length: the rest of it is not there. */
static void CutBlocks(void **State)
{
    (void)State;
    for (int wide = 0; wide < 2; wide++) {
        AddAll((BOOLEAN)wide);
        for (ULONG block = 0; block < BlockCount; block++) {
            SIZE_T whole = Blocks[block].Length;

            for (SIZE_T length = 0; length < whole; length++) {
                ULONG64 at = Blocks[block].Physical;
                PCSTR fatal;

                AddAll((BOOLEAN)wide);
                ResizeBlock(at, length);
                fatal = Parse();
                if (at == RSDP_AT || at == ROOT_AT || at == MADT_AT) {
                    CheckSentence(fatal);
                    continue;
                }
                assert_null(fatal);
                if (at == HPET_AT)
                    CheckSentence(Machine.HpetDefect);
                if (at == FADT_AT)
                    CheckSentence(Machine.FadtDefect);
                CheckSentence(at == HPET_AT ? Machine.HpetDefect : Machine.SleepDefect);
            }
        }
    }
}

/* The same with the stated length and the checksum put right: a short table, well-formed. */
static void ShortTables(void **State)
{
    static const ULONG64 tables[] = {ROOT_AT, MADT_AT, HPET_AT, FADT_AT, DSDT_AT};

    (void)State;
    for (ULONG table = 0; table < ARRAYSIZE(tables); table++) {
        AddAll(TRUE);
        for (SIZE_T length = 10, whole = BlockAt(tables[table])->Length; length < whole; length++) {
            ULONG64 at = tables[table];
            PCSTR fatal;

            AddAll(TRUE);
            ResizeBlock(at, length);
            Put(BlockAt(at)->Bytes, 4, 4, length);
            FixTable(at);
            fatal = Parse();
            if (at == ROOT_AT && (length < 36 || length % 8 != 36 % 8))
                CheckSentence(fatal);
            if (at == MADT_AT && length < 52)
                CheckSentence(fatal);
            if (at == HPET_AT)
                CheckSentence(Machine.HpetDefect);
            if (at == HPET_AT && length >= 36)
                assert_non_null(strstr(Machine.HpetDefect, "impossible length"));
            if (at == FADT_AT && length < 116)
                CheckSentence(Machine.FadtDefect);
            if (at == FADT_AT && length >= 36 && length < 116)
                assert_non_null(strstr(Machine.FadtDefect, "impossible length"));
            if (at == FADT_AT && length >= 116)
                assert_null(Machine.FadtDefect);
            if (at == DSDT_AT)
                assert_int_equal(Machine.SleepDefect == NULL, length >= 36 + 21);
        }
    }
}

/* Each byte of each block, changed: the checksum finds it, or the signature does. */
static void ChangedBytes(void **State)
{
    (void)State;
    for (int wide = 0; wide < 2; wide++) {
        AddAll((BOOLEAN)wide);
        for (ULONG block = 0; block < BlockCount; block++) {
            for (SIZE_T at = 0; at < Blocks[block].Length; at++) {
                PCSTR fatal;
                ULONG64 table;

                AddAll((BOOLEAN)wide);
                table = Blocks[block].Physical;
                Blocks[block].Bytes[at] ^= 0x41;
                fatal = Parse();
                if (table == RSDP_AT || table == ROOT_AT || table == MADT_AT)
                    CheckSentence(fatal);
                else if (table == HPET_AT)
                    CheckSentence(Machine.HpetDefect);
                else
                    CheckSentence(Machine.SleepDefect);
            }
        }
    }
}

/* Whatever stands in a table, with a right checksum: no fault, no endless loop. */
static void RandomTables(void **State)
{
    static const ULONG64 tables[] = {ROOT_AT, MADT_AT, HPET_AT, FADT_AT, DSDT_AT};
    ULONG seed = 1;

    (void)State;
    for (ULONG round = 0; round < 40000; round++) {
        ULONG64 at = tables[round % ARRAYSIZE(tables)];
        BLOCK *block;
        PCSTR fatal;

        AddAll(round % 2 == 0);
        block = BlockAt(at);
        for (ULONG change = 0; change <= round % 7; change++) {
            seed = seed * 1103515245 + 12345;
            block->Bytes[10 + (seed >> 8) % (block->Length - 10)] = (UCHAR)(seed >> 24);
        }
        FixTable(at);
        fatal = Parse();
        if (fatal != NULL)
            CheckSentence(fatal);
        assert_true(Machine.ProcessorCount <= ACPI_MAXIMUM_PROCESSORS);
        assert_true(Machine.IoApicCount <= ACPI_MAXIMUM_IO_APICS);
        assert_true(fatal != NULL || Machine.SleepTypeA <= 7);
    }
}

/* A root table that points to itself, to the RSDP, to nothing, and twice to each table. */
static void CyclicAndDuplicatePointers(void **State)
{
    const ULONG64 entries[] = {ROOT_AT, RSDP_AT, 0,       ~0ull,   MADT_AT, MADT_AT,
                               FADT_AT, FADT_AT, DSDT_AT, HPET_AT, HPET_AT, ROOT_AT};

    (void)State;
    AddAll(TRUE);
    free(BlockAt(ROOT_AT)->Bytes);
    *BlockAt(ROOT_AT) = Blocks[BlockCount - 1];
    BlockCount--;
    AddRoot(TRUE, entries, ARRAYSIZE(entries));
    assert_null(Parse());
    CheckStandard();

    /* A FADT that names itself, or the root table, as its DSDT. */
    for (int i = 0; i < 2; i++) {
        AddAll(TRUE);
        Put(BlockAt(FADT_AT)->Bytes, 140, 8, i ? ROOT_AT : FADT_AT);
        FixTable(FADT_AT);
        assert_null(Parse());
        assert_non_null(strstr(Machine.SleepDefect, "DSDT has a wrong signature"));
    }
}

/* Lengths that a 32-bit field can state and no table has. */
static void ImpossibleLengths(void **State)
{
    static const ULONG lengths[] = {0, 1, 8, 35, 0x00200000, 0x7FFFFFFF, 0xFFFFFFFF};

    (void)State;
    for (ULONG i = 0; i < ARRAYSIZE(lengths); i++) {
        AddAll(TRUE);
        Put(BlockAt(ROOT_AT)->Bytes, 4, 4, lengths[i]);
        ExpectDefect("XSDT has an impossible length");
        AddAll(FALSE);
        Put(BlockAt(MADT_AT)->Bytes, 4, 4, lengths[i]);
        ExpectDefect("MADT has an impossible length");
        AddAll(TRUE);
        Put(BlockAt(RSDP_AT)->Bytes, 20, 4, lengths[i]);
        ExpectDefect("RSDP has an impossible length");
    }
    AddAll(TRUE);
    Put(BlockAt(RSDP_AT)->Bytes, 20, 4, 37);
    ExpectDefect("RSDP does not lie in readable memory");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ValidTables),       cmocka_unit_test(RevisionTwoWithRsdt),
        cmocka_unit_test(NoTables),          cmocka_unit_test(CutBlocks),
        cmocka_unit_test(ShortTables),       cmocka_unit_test(ChangedBytes),
        cmocka_unit_test(RandomTables),      cmocka_unit_test(CyclicAndDuplicatePointers),
        cmocka_unit_test(ImpossibleLengths),
    };

    return cmocka_run_group_tests(tests, NULL, Cleanup);
}
