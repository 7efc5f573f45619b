/* sources: arch/x86_64/acpi.c arch/x86_64/madt.c arch/x86_64/mcfg.c arch/x86_64/fadt.c arch/x86_64/sleep.c */
/* HPET, FADT, and the package that switches the machine off. */
#include "acpi_tables.h"

static void HpetAddresses(void **State)
{
    (void)State;
    AddAll(TRUE);
    Put(BlockAt(HPET_AT)->Bytes, 40, 1, AcpiSpaceIo);
    FixTable(HPET_AT);
    assert_null(Parse());
    assert_non_null(strstr(Machine.HpetDefect, "HPET has an impossible address"));
    assert_int_equal(Machine.HpetAddress, 0);
    AddAll(TRUE);
    Put(BlockAt(HPET_AT)->Bytes, 44, 8, 0xFED00004);
    FixTable(HPET_AT);
    assert_null(Parse());
    CheckSentence(Machine.HpetDefect);
    AddAll(TRUE);
    Put(BlockAt(HPET_AT)->Bytes, 44, 8, 0);
    FixTable(HPET_AT);
    assert_null(Parse());
    CheckSentence(Machine.HpetDefect);
}

/* The fields that a FADT of ACPI 1.0 does not have, and the newer ones where it has. */
static void FadtFields(void **State)
{
    UCHAR *fadt;

    (void)State;
    AddAll(TRUE);
    ResizeBlock(FADT_AT, 116);
    Put(BlockAt(FADT_AT)->Bytes, 4, 4, 116);
    FixTable(FADT_AT);
    assert_null(Parse());
    assert_null(Machine.FadtDefect);
    assert_int_equal(Machine.PmTimerPort, 0x608);
    assert_int_equal(Machine.ResetRegister.Address, 0);
    assert_int_equal(Machine.SleepTypeA, 5);

    AddAll(TRUE);
    fadt = BlockAt(FADT_AT)->Bytes;
    Put(fadt, 208, 1, AcpiSpaceIo);
    Put(fadt, 212, 8, 0x808);
    Put(fadt, 172, 1, AcpiSpaceIo);
    Put(fadt, 176, 8, 0x1234567);       /* not a port */
    Put(fadt, 184, 1, AcpiSpaceMemory); /* not a port either: the old field counts */
    Put(fadt, 188, 8, 0x9999);
    Put(fadt, 112, 4, 0); /* 24 bits, no reset register */
    FixTable(FADT_AT);
    assert_null(Parse());
    assert_int_equal(Machine.PmTimerPort, 0x808);
    assert_false(Machine.PmTimerIs32Bit);
    assert_int_equal(Machine.Pm1aControlPort, 0);
    assert_int_equal(Machine.Pm1bControlPort, 0x704);
    assert_int_equal(Machine.ResetRegister.Address, 0);

    AddAll(TRUE);
    Put(BlockAt(FADT_AT)->Bytes, 91, 1, 0); /* no PM timer */
    Put(BlockAt(FADT_AT)->Bytes, 89, 1, 1); /* a control register of one byte */
    Put(BlockAt(FADT_AT)->Bytes, 40, 4, 0); /* no DSDT */
    FixTable(FADT_AT);
    assert_null(Parse());
    assert_int_equal(Machine.PmTimerPort, 0);
    assert_int_equal(Machine.Pm1aControlPort, 0);
    CheckSentence(Machine.SleepDefect);
}

typedef struct _SLEEP_CASE {
    UCHAR Code[40];
    SIZE_T Length;
    int A, B;   /* -1: a defect */
    PCSTR Part; /* of its sentence */
} SLEEP_CASE;

#define NAME '_', 'S', '5', '_'

static const SLEEP_CASE SleepCases[] = {
    /* Zero and One; bytes; words; double words; quad words; with the root's backslash */
    {{8, NAME, 0x12, 6, 4, 0, 1, 0, 0}, 12, 0, 1, NULL},
    {{8, NAME, 0x12, 6, 2, 0x0A, 5, 0x0A, 7}, 12, 5, 7, NULL},
    {{8, NAME, 0x12, 8, 2, 0x0B, 7, 0, 0x0B, 6, 0}, 14, 7, 6, NULL},
    {{8, NAME, 0x12, 12, 2, 0x0C, 3, 0, 0, 0, 0x0C, 2, 0, 0, 0}, 18, 3, 2, NULL},
    {{8, NAME, 0x12, 20, 2, 0x0E, 4, 0, 0, 0, 0, 0, 0, 0, 0x0E, 5}, 26, 4, 5, NULL},
    {{8, '\\', NAME, 0x12, 4, 2, 1, 0}, 11, 1, 0, NULL},
    /* a package length of two, three and four bytes */
    {{8, NAME, 0x12, 0x45, 0, 2, 1, 0x01}, 11, 1, 1, NULL},
    {{8, NAME, 0x12, 0x86, 0, 0, 2, 0, 1}, 12, 0, 1, NULL},
    {{8, NAME, 0x12, 0xC7, 0, 0, 0, 2, 1, 0}, 13, 1, 0, NULL},
    /* 33 bytes in a length of one byte */
    {{8, NAME, 0x12, 0x21, 5, 0x0A, 2, 0x0A, 1}, 39, 2, 1, NULL},
    /* 21 bytes, most of them for other elements */
    {{8, NAME, 0x12, 0x45, 1, 5, 0x0A, 3, 0x0A, 4}, 27, 3, 4, NULL},
    /* missing; not a package; only mentioned; a name that is not at the root */
    {{0xA3, 0xA3}, 2, -1, -1, "does not define _S5"},
    {{8, NAME, 0x0A, 5}, 7, -1, -1, "without plain numbers"},
    {{0x70, NAME, 0x12, 4, 2, 0, 0}, 10, -1, -1, "does not define _S5"},
    {{0x70, '\\', NAME, 0x12, 4, 2, 0, 0}, 11, -1, -1, "does not define _S5"},
    /* cut short: by the table's end, by the package's length, by the number of elements */
    {{8, NAME}, 5, -1, -1, "cut short"},
    {{8, NAME, 0x12}, 6, -1, -1, "cut short"},
    {{8, NAME, 0x12, 6, 4, 0}, 9, -1, -1, "cut short"},
    {{8, NAME, 0x12, 0x45}, 7, -1, -1, "cut short"},
    {{8, NAME, 0x12, 0}, 7, -1, -1, "cut short"},
    {{8, NAME, 0x12, 3, 2, 1, 1}, 10, -1, -1, "cut short"},
    {{8, NAME, 0x12, 4, 2, 0x0A, 1, 0x0A, 1}, 12, -1, -1, "cut short"},
    {{8, NAME, 0x12, 4, 1, 0x0A, 1}, 9, -1, -1, "cut short"},
    {{8, NAME, 0x12, 4, 1, 1, 1}, 10, -1, -1, "cut short"},
    {{8, NAME, 0x12, 2, 0}, 8, -1, -1, "cut short"},
    {{8, NAME, 0x12, 0xCF, 0xFF, 0xFF, 0xFF, 2, 0, 0}, 13, -1, -1, "cut short"},
    /* values out of range, and elements that are no numbers */
    {{8, NAME, 0x12, 6, 2, 0x0A, 8, 0x0A, 0}, 12, -1, -1, "above 7"},
    {{8, NAME, 0x12, 8, 2, 0x0B, 0, 1, 0x0B, 0, 0}, 14, -1, -1, "above 7"},
    {{8, NAME, 0x12, 6, 2, 0xFF, 0xFF, 0, 0}, 12, -1, -1, "without plain numbers"},
    {{8, NAME, 0x12, 8, 2, 0x0D, 'a', 0, 0, 0, 0}, 14, -1, -1, "without plain numbers"},
    /* a spoiled definition first, a good one behind it */
    {{8, NAME, 0x12, 2, 0, 8, NAME, 0x12, 4, 2, 1, 1}, 18, 1, 1, NULL},
};

static void CheckSleepCase(const SLEEP_CASE *Case)
{
    if (Case->A >= 0) {
        assert_null(Machine.SleepDefect);
        assert_int_equal(Machine.SleepTypeA, Case->A);
        assert_int_equal(Machine.SleepTypeB, Case->B);
        return;
    }
    CheckSentence(Machine.SleepDefect);
    if (strstr(Machine.SleepDefect, Case->Part) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", Machine.SleepDefect, Case->Part);
    assert_int_equal(Machine.SleepTypeA, 0);
}

static void SleepPackages(void **State)
{
    (void)State;
    for (ULONG i = 0; i < ARRAYSIZE(SleepCases); i++) {
        const SLEEP_CASE *sleep = &SleepCases[i];

        AddAll(TRUE);
        ResizeBlock(DSDT_AT, 36 + sleep->Length);
        memcpy(BlockAt(DSDT_AT)->Bytes + 36, sleep->Code, sleep->Length);
        Put(BlockAt(DSDT_AT)->Bytes, 4, 4, 36 + sleep->Length);
        FixTable(DSDT_AT);
        assert_null(Parse());
        CheckSleepCase(sleep);
    }
}

/* The definition in one of two SSDTs, the first of which is spoiled; and in neither. */
static void SleepPackageInSsdt(void **State)
{
    static const UCHAR none[] = {0xA3, 0xA3, 0xA3};
    static const UCHAR code[] = {8, NAME, 0x12, 4, 2, 1, 0};

    (void)State;
    for (int spoiled = 0; spoiled < 2; spoiled++) {
        const ULONG64 entries[] = {MADT_AT, FADT_AT, SSDT_AT, SSDT_AT + 0x1000};

        FreeBlocks();
        AddRsdp(2, 0, ROOT_AT);
        AddRoot(TRUE, entries, ARRAYSIZE(entries));
        AddMadt(StandardEntries, sizeof(StandardEntries));
        AddFadt(244);
        AddTableOf(DSDT_AT, "DSDT", none, sizeof(none));
        AddTableOf(SSDT_AT, "SSDT", code, sizeof(code));
        AddTableOf(SSDT_AT + 0x1000, "SSDT", code, sizeof(code));
        BlockAt(SSDT_AT)->Bytes[20] ^= 1;
        if (spoiled)
            BlockAt(SSDT_AT + 0x1000)->Bytes[20] ^= 1;
        assert_null(Parse());
        if (spoiled) {
            assert_non_null(strstr(Machine.SleepDefect, "DSDT does not define _S5"));
        } else {
            assert_null(Machine.SleepDefect);
            assert_int_equal(Machine.SleepTypeA, 1);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(HpetAddresses),
        cmocka_unit_test(FadtFields),
        cmocka_unit_test(SleepPackages),
        cmocka_unit_test(SleepPackageInSsdt),
    };

    return cmocka_run_group_tests(tests, NULL, Cleanup);
}
