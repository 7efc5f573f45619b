/* sources: arch/x86_64/acpi.c arch/x86_64/madt.c arch/x86_64/mcfg.c arch/x86_64/fadt.c arch/x86_64/sleep.c */
/* The MADT's entries, and the local APIC's mode. */
#include "acpi_tables.h"
#include "apic.h"

static void IsaLines(void **State)
{
    (void)State;
    AddAll(TRUE);
    assert_null(Parse());
    for (ULONG i = 0; i < ACPI_ISA_INTERRUPTS; i++) {
        const ACPI_ISA_LINE *line = &Machine.Isa[i];

        assert_int_equal(line->Gsi, i == 0 ? 2 : i == 5 ? 20 : i);
        assert_int_equal(line->LevelTriggered, i == 9 || i == 5);
        assert_int_equal(line->ActiveLow, i == 9 || i == 7);
        assert_int_equal(line->Overridden, i == 0 || i == 5 || i == 7 || i == 9);
    }
}

static void MadtEntries(void **State)
{
    static const struct {
        UCHAR Bytes[16];
        SIZE_T Length;
        PCSTR Part;
    } cases[] = {
        {{0, 0, 0, 0, 0, 0, 0, 0}, 8, "MADT has an entry that is too short"},
        {{0, 1, 0, 0, 0, 0, 0, 0}, 8, "MADT has an entry that is too short"},
        {{0, 7, 0, 1, 1, 0, 0}, 7, "MADT has an entry that is too short"},
        {{1, 11, 0, 1, 1, 0, 0, 0, 0, 0, 0}, 11, "MADT has an entry that is too short"},
        {{2, 9, 0, 1, 1, 0, 0, 0, 0}, 9, "MADT has an entry that is too short"},
        {{5, 4, 0, 0}, 4, "MADT has an entry that is too short"},
        {{9, 8, 0, 0, 1, 0, 0, 0}, 8, "MADT has an entry that is too short"},
        {{0, 9, 0, 1, 1, 0, 0, 0}, 8, "MADT has an entry that reaches beyond"},
        {{0x55, 255}, 2, "MADT has an entry that reaches beyond"},
        {{0x55}, 1, "MADT has an entry that reaches beyond"},
        {{0x55, 0}, 2, "MADT has an entry that is too short"},
        {{IO_APIC(0, 0)}, 12, "I/O APIC with an impossible address"},
        {{APIC_ADDRESS(0, 0)}, 12, "address of the local APIC"},
        {{APIC_ADDRESS(0xFEE00004, 0)}, 12, "address of the local APIC"},
    };

    (void)State;
    for (ULONG i = 0; i < ARRAYSIZE(cases); i++) {
        UCHAR body[8 + 16] = {PROCESSOR(0, 1)};

        memcpy(body + 8, cases[i].Bytes, cases[i].Length);
        AddOnlyMadt(body, 8 + cases[i].Length);
        ExpectDefect(cases[i].Part);
    }
}

static void LocalApicAddressOverride(void **State)
{
    static const UCHAR body[] = {PROCESSOR(0, 1), APIC_ADDRESS(0xFEE01000, 1)};

    (void)State;
    AddOnlyMadt(body, sizeof(body));
    assert_null(Parse());
    assert_int_equal(Machine.LocalApicAddress, 0x1FEE01000);
    assert_int_equal(Machine.IoApicCount, 0);
}

static void NoProcessor(void **State)
{
    static const UCHAR body[] = {PROCESSOR(0, 0), PROCESSOR(1, 2)};

    (void)State;
    AddOnlyMadt(body, sizeof(body));
    ExpectDefect("MADT lists no processor");
}

/* All 255 identifiers, each twice, in both forms; and more I/O APICs than are kept. */
static void ManyEntries(void **State)
{
    UCHAR body[256 * 8 + 300 * 16 + 20 * 12] = {0};
    SIZE_T at = 0;

    (void)State;
    for (ULONG id = 0; id < 256; id++, at += 8)
        memcpy(body + at, (const UCHAR[]){PROCESSOR((UCHAR)id, 1)}, 8);
    for (ULONG id = 0; id < 300; id++, at += 16)
        memcpy(body + at, (const UCHAR[]){PROCESSOR_X2APIC(id, 1)}, 16);
    for (ULONG n = 0; n < 20; n++, at += 12)
        memcpy(body + at, (const UCHAR[]){IO_APIC(0xFEC00000 + n * 0x1000, n * 24)}, 12);
    AddOnlyMadt(body, at);
    assert_null(Parse());
    assert_int_equal(Machine.ProcessorCount, 255);
    assert_int_equal(Machine.ProcessorsOutOfReach, 45);
    for (ULONG id = 0; id < 255; id++)
        assert_int_equal(Machine.ProcessorApicId[id], id);
    assert_int_equal(Machine.IoApicCount, ACPI_MAXIMUM_IO_APICS);
}

/* The first of two overrides and of two equal I/O APICs counts. */
static void DuplicateEntries(void **State)
{
    static const UCHAR body[] = {
        PROCESSOR(0, 1),         OVERRIDE(0, 3, 19, 0xF),
        OVERRIDE(0, 3, 18, 0x5), OVERRIDE(0, 4, 4, 0xA),  /* reserved flags: as the bus has it */
        IO_APIC(0xFEC00000, 0),  IO_APIC(0xFEC00000, 24), /* the same address */
        IO_APIC(0xFEC01000, 0),                           /* the same lines */
    };

    (void)State;
    AddOnlyMadt(body, sizeof(body));
    assert_null(Parse());
    assert_int_equal(Machine.Isa[3].Gsi, 19);
    assert_true(Machine.Isa[3].LevelTriggered && Machine.Isa[3].ActiveLow);
    assert_true(!Machine.Isa[4].LevelTriggered && !Machine.Isa[4].ActiveLow);
    assert_int_equal(Machine.IoApicCount, 1);
    assert_int_equal(Machine.IoApics[0].GsiBase, 0);
}

static void ApicBase(void **State)
{
    (void)State;
    assert_null(ApicBaseDefect(0xFEE00900));
    assert_null(ApicBaseDefect(0xFEE00800));
    CheckSentence(ApicBaseDefect(0xFEE00D00));
    assert_non_null(strstr(ApicBaseDefect(0xFEE00C00), "x2APIC"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(IsaLines),
        cmocka_unit_test(MadtEntries),
        cmocka_unit_test(LocalApicAddressOverride),
        cmocka_unit_test(NoProcessor),
        cmocka_unit_test(ManyEntries),
        cmocka_unit_test(DuplicateEntries),
        cmocka_unit_test(ApicBase),
    };

    return cmocka_run_group_tests(tests, NULL, Cleanup);
}
