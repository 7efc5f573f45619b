/*
 * Tables for the tests of the ACPI parser. Each table is a block of memory of its own, so that
 * the sanitizer sees a read of one byte too many; the reader gives out nothing else. A test
 * builds the whole set, spoils something, and looks at what the parser says.
 */
#ifndef METRONOME_TESTS_ACPI_TABLES_H
#define METRONOME_TESTS_ACPI_TABLES_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "acpi.h"

/* ---- physical memory ---- */

#define MAXIMUM_BLOCKS 16

typedef struct _BLOCK {
    ULONG64 Physical;
    SIZE_T Length;
    UCHAR *Bytes;
} BLOCK;

static BLOCK Blocks[MAXIMUM_BLOCKS];
static ULONG BlockCount;
static ULONG64 Reads; /* an endless loop would show here */

static const UCHAR *ReadBlock(PVOID Context, ULONG64 Physical, SIZE_T Bytes)
{
    (void)Context;
    assert_true(++Reads < 1000000);
    for (ULONG i = 0; i < BlockCount; i++) {
        const BLOCK *block = &Blocks[i];

        if (Physical >= block->Physical && Physical - block->Physical <= block->Length &&
            Bytes <= block->Length - (Physical - block->Physical))
            return block->Bytes + (Physical - block->Physical);
    }
    return NULL;
}

static inline void FreeBlocks(void)
{
    for (ULONG i = 0; i < BlockCount; i++)
        free(Blocks[i].Bytes);
    BlockCount = 0;
    Reads = 0;
}

/* A block of exactly Length bytes; Source may be NULL. */
static inline BLOCK *AddBlock(ULONG64 Physical, const void *Source, SIZE_T Length)
{
    BLOCK *block = &Blocks[BlockCount++];

    assert_true(BlockCount <= MAXIMUM_BLOCKS);
    *block = (BLOCK){Physical, Length, calloc(1, Length ? Length : 1)};
    assert_non_null(block->Bytes);
    if (Source != NULL)
        memcpy(block->Bytes, Source, Length);
    return block;
}

static inline BLOCK *BlockAt(ULONG64 Physical)
{
    for (ULONG i = 0; i < BlockCount; i++) {
        if (Blocks[i].Physical == Physical)
            return &Blocks[i];
    }
    fail();
    return NULL;
}

/* Gives the block another length; what is cut off is freed memory from then on. */
static inline void ResizeBlock(ULONG64 Physical, SIZE_T Length)
{
    BLOCK *block = BlockAt(Physical);
    UCHAR *bytes = calloc(1, Length ? Length : 1);

    assert_non_null(bytes);
    memcpy(bytes, block->Bytes, Length < block->Length ? Length : block->Length);
    free(block->Bytes);
    block->Bytes = bytes;
    block->Length = Length;
}

/* ---- tables ---- */

#define RSDP_AT 0xE0000ull
#define ROOT_AT 0x10000ull
#define MADT_AT 0x20000ull
#define HPET_AT 0x30000ull
#define FADT_AT 0x40000ull
#define DSDT_AT 0x50000ull
#define SSDT_AT 0x60000ull

static inline void Put(UCHAR *Bytes, SIZE_T Offset, SIZE_T Size, ULONG64 Value)
{
    for (SIZE_T i = 0; i < Size; i++)
        Bytes[Offset + i] = (UCHAR)(Value >> (8 * i));
}

static inline void FixSum(UCHAR *Bytes, SIZE_T Length, SIZE_T At)
{
    UCHAR sum = 0;

    Bytes[At] = 0;
    for (SIZE_T i = 0; i < Length; i++)
        sum = (UCHAR)(sum + Bytes[i]);
    Bytes[At] = (UCHAR)-sum;
}

/* The checksum over the length that the table states, as far as the block has it. */
static inline void FixTable(ULONG64 Physical)
{
    BLOCK *block = BlockAt(Physical);

    FixSum(block->Bytes, block->Length, 9);
}

static inline UCHAR *AddTable(ULONG64 Physical, const char *Signature, SIZE_T Length)
{
    BLOCK *block = AddBlock(Physical, NULL, Length);

    memcpy(block->Bytes, Signature, 4);
    Put(block->Bytes, 4, 4, Length);
    return block->Bytes;
}

/* A table whose content behind the header is given. */
static inline void AddTableOf(ULONG64 Physical, const char *Signature, const UCHAR *Body,
                              SIZE_T Length)
{
    UCHAR *bytes = AddTable(Physical, Signature, 36 + Length);

    memcpy(bytes + 36, Body, Length);
    FixTable(Physical);
}

static inline void AddRsdp(UCHAR Revision, ULONG Rsdt, ULONG64 Xsdt)
{
    BLOCK *block = AddBlock(RSDP_AT, NULL, Revision >= 2 ? 36 : 20);

    memcpy(block->Bytes, "RSD PTR ", 8);
    block->Bytes[15] = Revision;
    Put(block->Bytes, 16, 4, Rsdt);
    if (Revision >= 2) {
        Put(block->Bytes, 20, 4, 36);
        Put(block->Bytes, 24, 8, Xsdt);
    }
    FixSum(block->Bytes, 20, 8);
    if (Revision >= 2)
        FixSum(block->Bytes, 36, 32);
}

static inline void AddRoot(BOOLEAN Wide, const ULONG64 *Entries, ULONG Count)
{
    SIZE_T size = Wide ? 8 : 4;
    UCHAR *bytes = AddTable(ROOT_AT, Wide ? "XSDT" : "RSDT", 36 + Count * size);

    for (ULONG i = 0; i < Count; i++)
        Put(bytes, 36 + i * size, size, Entries[i]);
    FixTable(ROOT_AT);
}

/* Entries of a MADT. */
#define WORD(value)                    (UCHAR)(value), (UCHAR)((value) >> 8)
#define LONG_WORD(value)               WORD(value), WORD((value) >> 16)
#define PROCESSOR(id, flags)           0, 8, 0, id, LONG_WORD(flags)
#define IO_APIC(address, gsi)          1, 12, 0, 0, LONG_WORD(address), LONG_WORD(gsi)
#define OVERRIDE(bus, isa, gsi, flags) 2, 10, bus, isa, LONG_WORD(gsi), WORD(flags)
#define APIC_ADDRESS(low, high)        5, 12, 0, 0, LONG_WORD(low), LONG_WORD(high)
#define NMI_SOURCE                     3, 8, 0, 0, LONG_WORD(1)
#define LOCAL_NMI                      4, 6, 0xFF, 0, 0, 1
#define UNKNOWN_ENTRY                  0x7F, 4, 0xAA, 0xBB
#define PROCESSOR_X2APIC(id, flags)    9, 16, 0, 0, LONG_WORD(id), LONG_WORD(flags), LONG_WORD(0)

static const UCHAR StandardEntries[] = {
    PROCESSOR(0, 1),
    PROCESSOR(4, 1),
    PROCESSOR(5, 0),    /* disabled */
    PROCESSOR(6, 2),    /* online capable only */
    PROCESSOR(0xFF, 1), /* a place holder */
    IO_APIC(0xFEC00000, 0),
    IO_APIC(0xFEC10010, 24),
    OVERRIDE(0, 0, 2, 0x0),   /* as the bus has it */
    OVERRIDE(0, 9, 9, 0xF),   /* level-triggered, active low */
    OVERRIDE(0, 5, 20, 0xD),  /* level-triggered, active high */
    OVERRIDE(0, 7, 7, 0x7),   /* edge-triggered, active low */
    OVERRIDE(0, 200, 8, 0xF), /* no such ISA interrupt */
    OVERRIDE(1, 3, 8, 0xF),   /* another bus */
    NMI_SOURCE,
    LOCAL_NMI,
    PROCESSOR_X2APIC(7, 1),
    PROCESSOR_X2APIC(4, 1),   /* a second time */
    PROCESSOR_X2APIC(256, 1), /* out of reach */
    PROCESSOR_X2APIC(9, 0),   /* disabled */
    UNKNOWN_ENTRY,            /* passed over */
};

static inline void AddMadt(const UCHAR *Entries, SIZE_T Length)
{
    UCHAR *bytes = AddTable(MADT_AT, "APIC", 44 + Length);

    Put(bytes, 36, 4, 0xFEE00000);
    Put(bytes, 40, 4, 1);
    memcpy(bytes + 44, Entries, Length);
    FixTable(MADT_AT);
}

static inline void AddHpet(void)
{
    UCHAR *bytes = AddTable(HPET_AT, "HPET", 56);

    Put(bytes, 44, 8, 0xFED00000);
    FixTable(HPET_AT);
}

static inline void AddFadt(SIZE_T Length)
{
    UCHAR *bytes = AddTable(FADT_AT, "FACP", Length);

    Put(bytes, 40, 4, DSDT_AT);
    Put(bytes, 48, 4, 0xB2);
    Put(bytes, 52, 1, 0xF1);
    Put(bytes, 64, 4, 0x604);
    Put(bytes, 68, 4, 0x704);
    Put(bytes, 76, 4, 0x608);
    Put(bytes, 89, 1, 2);
    Put(bytes, 91, 1, 4);
    Put(bytes, 112, 4, 1u << 8 | 1u << 10);
    if (Length >= 129) {
        Put(bytes, 116, 1, AcpiSpaceIo);
        Put(bytes, 120, 8, 0xCF9);
        Put(bytes, 128, 1, 0x0F);
    }
    FixTable(FADT_AT);
}

/* A mention of _S5_ that defines nothing, and the definition: Package (4) {5, 6, 0, 0}. */
static const UCHAR StandardCode[] = "\x10\x20_S5_\0"
                                    "\x08_S5_\x12\x08\x04\x0A\x05\x0A\x06\0\0\xA3";

static inline void AddAll(BOOLEAN Wide)
{
    const ULONG64 entries[] = {FADT_AT, 0, MADT_AT, 0x12345678, HPET_AT};

    FreeBlocks();
    AddRsdp(Wide ? 2 : 0, Wide ? 0 : ROOT_AT, Wide ? ROOT_AT : 0);
    AddRoot(Wide, entries, ARRAYSIZE(entries));
    AddMadt(StandardEntries, sizeof(StandardEntries));
    AddHpet();
    AddFadt(244);
    AddTableOf(DSDT_AT, "DSDT", StandardCode, sizeof(StandardCode));
}

/* Only a MADT with these entries. */
static inline void AddOnlyMadt(const UCHAR *Entries, SIZE_T Length)
{
    const ULONG64 entries[] = {MADT_AT};

    FreeBlocks();
    AddRsdp(0, ROOT_AT, 0);
    AddRoot(FALSE, entries, 1);
    AddMadt(Entries, Length);
}

static ACPI_MACHINE Machine;

static inline PCSTR Parse(void)
{
    Reads = 0;
    memset(&Machine, 0xA5, sizeof(Machine));
    return AcpiReadMachine(ReadBlock, NULL, RSDP_AT, &Machine);
}

/* A sentence: it names the table, begins with a capital and ends with a full stop. */
static inline void CheckSentence(PCSTR Sentence)
{
    assert_non_null(Sentence);
    assert_true(Sentence[0] >= 'A' && Sentence[0] <= 'Z');
    assert_true(Sentence[strlen(Sentence) - 1] == '.');
}

static inline void ExpectDefect(PCSTR Part)
{
    PCSTR sentence = Parse();

    CheckSentence(sentence);
    if (strstr(sentence, Part) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", sentence, Part);
}

static inline int Cleanup(void **State)
{
    (void)State;
    FreeBlocks();
    return 0;
}

#endif
