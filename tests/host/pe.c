/* sources: kernel/ldr/pe.c kernel/ldr/peimage.c kernel/ldr/pesymbol.c kernel/rtl/format.c kernel/rtl/formatput.c tests/host/support/exports.c */
/* A driver's image: a good one, then each field of it wrong, and each length cut. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "ldr/pe.h"
#include "ntstatus.h"

#define HEADER_OFFSET 0x80
#define SECTIONS      4
#define BASE          0xFFFFC00000100000ULL
#define FILE_BASE     0x140000000ULL

/* Where the sections lie in memory; in the file they follow each other in pages, too. */
enum { TextRva = 0x1000, DataRva = 0x2000, ImportRva = 0x3000, UnwindRva = 0x4000, End = 0x6000 };

/* The file. .text has code; .data one pointer, to itself; .idata imports; .pdata the rest. */
typedef struct _SAMPLE {
    UCHAR Dos[HEADER_OFFSET];
    PE_HEADERS Headers;
    PE_SECTION_HEADER Sections[SECTIONS];
    UCHAR Rest[0x1000 - HEADER_OFFSET - sizeof(PE_HEADERS) - SECTIONS * sizeof(PE_SECTION_HEADER)];
    UCHAR Text[0x200];
    struct {
        ULONG64 Pointer;
        UCHAR Rest[0x1F8];
    } Data;
    struct {
        PE_IMPORT Modules[3];
        ULONG64 Lookup[3], Slots[3]; /* of ntoskrnl.exe */
        ULONG64 HalSlots[2];         /* of HAL.dll, which has no lookup table */
        CHAR Kernel[16], Hal[8];
        CHAR Names[3][32];
        UCHAR Rest[0x200 - 3 * 20 - 8 * 8 - 24 - 96 - 4];
    } Imports;
    struct {
        PE_FUNCTION Functions[2];
        ULONG UnwindInfo[2];
        PE_RELOCATION_BLOCK Relocations;
        USHORT Entries[4];
        UCHAR Rest[0x200 - 48];
    } Unwind;
    struct __attribute__((packed)) {
        struct __attribute__((packed)) {
            CHAR Name[8];
            ULONG Value;
            SHORT Section;
            USHORT Type;
            UCHAR Class, Auxiliary;
        } Symbol[3];
        ULONG StringSize;
        CHAR Strings[24];
    } Symbols;
} SAMPLE;

static SAMPLE *Sample; /* on the heap, so that a read behind it is seen */
static LDR_IMAGE Image;
static LDR_PROBLEM Problem;
static UCHAR *Memory;

#define FILE_OFFSET(field) ((ULONG)offsetof(SAMPLE, field))
#define IMPORT_RVA(field)  (ImportRva + FILE_OFFSET(field) - FILE_OFFSET(Imports))
#define UNWIND_RVA(field)  (UnwindRva + FILE_OFFSET(field) - FILE_OFFSET(Unwind))

static void SetSection(ULONG Index, PCSTR Name, ULONG Rva, ULONG Offset, ULONG Flags)
{
    PE_SECTION_HEADER *section = &Sample->Sections[Index];

    memcpy(section->Name, Name, strlen(Name));
    section->VirtualSize = 0x180;
    section->VirtualAddress = Rva;
    section->SizeOfRawData = 0x200;
    section->PointerToRawData = Offset;
    section->Characteristics = 0x40000000 | Flags;
}

static void MakeHeaders(void)
{
    PE_OPTIONAL_HEADER *optional = &Sample->Headers.Optional;

    memcpy(Sample->Dos, "MZ", 2);
    Sample->Dos[60] = HEADER_OFFSET;
    Sample->Headers.Signature = PE_SIGNATURE;
    Sample->Headers.File = (PE_FILE_HEADER){.Machine = PE_MACHINE_X64,
                                            .NumberOfSections = SECTIONS,
                                            .PointerToSymbolTable = FILE_OFFSET(Symbols),
                                            .NumberOfSymbols = 3,
                                            .SizeOfOptionalHeader = sizeof(PE_OPTIONAL_HEADER),
                                            .Characteristics = PE_EXECUTABLE | 0x2000};
    optional->Magic = PE_MAGIC_64;
    optional->AddressOfEntryPoint = TextRva + 0x10;
    optional->ImageBase = FILE_BASE;
    optional->SectionAlignment = 0x1000;
    optional->FileAlignment = 0x200;
    optional->SizeOfImage = End;
    optional->SizeOfHeaders = 0x1000;
    optional->Subsystem = PE_SUBSYSTEM_NATIVE;
    optional->NumberOfRvaAndSizes = PeDirectoryCount;
    optional->Directories[PeImports] = (PE_DIRECTORY){ImportRva, sizeof(Sample->Imports)};
    optional->Directories[PeExceptions] = (PE_DIRECTORY){UNWIND_RVA(Unwind.Functions), 24};
    optional->Directories[PeRelocations] = (PE_DIRECTORY){UNWIND_RVA(Unwind.Relocations), 16};
}

static void MakeImports(void)
{
    static const PCSTR names[] = {"KeSetTimer", "DbgPrint", "KeStallExecutionProcessor"};

    Sample->Imports.Modules[0] = (PE_IMPORT){.Lookup = IMPORT_RVA(Imports.Lookup),
                                             .Name = IMPORT_RVA(Imports.Kernel),
                                             .Slots = IMPORT_RVA(Imports.Slots)};
    Sample->Imports.Modules[1] =
        (PE_IMPORT){.Name = IMPORT_RVA(Imports.Hal), .Slots = IMPORT_RVA(Imports.HalSlots)};
    strcpy(Sample->Imports.Kernel, "ntoskrnl.exe");
    strcpy(Sample->Imports.Hal, "HAL.dll");
    for (ULONG i = 0; i < 3; i++)
        strcpy(&Sample->Imports.Names[i][2], names[i]); /* behind the hint */
    for (ULONG i = 0; i < 2; i++)
        Sample->Imports.Lookup[i] = Sample->Imports.Slots[i] = IMPORT_RVA(Imports.Names) + i * 32;
    Sample->Imports.HalSlots[0] = IMPORT_RVA(Imports.Names) + 64;
}

static void MakeSymbols(void)
{
    memcpy(Sample->Symbols.Symbol[0].Name, "DrvEntry", 8); /* no room for a zero */
    Sample->Symbols.Symbol[0].Value = 0x10;
    memcpy(Sample->Symbols.Symbol[1].Name, "\0\0\0\0\4\0\0\0", 8);
    Sample->Symbols.Symbol[1].Value = 0x40;
    memcpy(Sample->Symbols.Symbol[2].Name, "variable", 8);
    Sample->Symbols.Symbol[2].Value = 0x50;
    for (ULONG i = 0; i < 3; i++) {
        Sample->Symbols.Symbol[i].Section = 1;
        Sample->Symbols.Symbol[i].Type = i < 2 ? 0x20 : 0;
    }
    Sample->Symbols.StringSize = sizeof(Sample->Symbols.Strings) + 4;
    strcpy(Sample->Symbols.Strings, "LongNameOfARoutine");
}

static int MakeSample(void **State)
{
    (void)State;
    Sample = calloc(1, sizeof(*Sample));
    MakeHeaders();
    SetSection(0, ".text", TextRva, FILE_OFFSET(Text), PE_SECTION_EXECUTE);
    SetSection(1, ".data", DataRva, FILE_OFFSET(Data), PE_SECTION_WRITE);
    SetSection(2, ".idata", ImportRva, FILE_OFFSET(Imports), PE_SECTION_WRITE);
    SetSection(3, ".pdata", UnwindRva, FILE_OFFSET(Unwind), 0);
    Sample->Text[0x10] = 0xC3;
    Sample->Data.Pointer = FILE_BASE + DataRva;
    MakeImports();
    Sample->Unwind.Functions[0] =
        (PE_FUNCTION){TextRva, TextRva + 0x10, UNWIND_RVA(Unwind.UnwindInfo)};
    Sample->Unwind.Functions[1] =
        (PE_FUNCTION){TextRva + 0x10, TextRva + 0x20, UNWIND_RVA(Unwind.UnwindInfo) + 4};
    Sample->Unwind.Relocations = (PE_RELOCATION_BLOCK){DataRva, 16};
    Sample->Unwind.Entries[0] = PeRelocation64 << 12;
    MakeSymbols();
    memset(&Problem, 0, sizeof(Problem));
    Memory = calloc(1, LDR_MAX_IMAGE_SIZE);
    return 0;
}

static int FreeSample(void **State)
{
    (void)State;
    free(Sample);
    free(Memory);
    return 0;
}

/* All steps, as the kernel takes them. */
static BOOLEAN Load(void)
{
    memset(Memory, 0, End);
    if (!LdrpCheckFile(Sample, sizeof(*Sample), &Image, &Problem))
        return FALSE;
    LdrpLayOut(Sample, &Image, Memory);
    return LdrpRelocate(&Image, Memory, BASE, &Problem) &&
           LdrpBindImports(&Image, Memory, &Problem) &&
           LdrpCheckExceptions(&Image, Memory, &Problem);
}

static void AssertRefused(NTSTATUS Status, PCSTR Part)
{
    memset(&Problem, 0, sizeof(Problem));
    assert_false(Load());
    assert_int_equal(Problem.Status, Status);
    if (!strstr(Problem.Sentence, Part))
        fail_msg("'%s' does not say '%s'", Problem.Sentence, Part);
}

/* With one field changed the image is refused, with this in the sentence; then it is good again. */
#define REFUSES_WITH(status, field, value, part)       \
    do {                                               \
        __typeof__(Sample->field) old = Sample->field; \
        Sample->field = (value);                       \
        AssertRefused((status), (part));               \
        Sample->field = old;                           \
    } while (0)
#define REFUSES(field, value, part) REFUSES_WITH(STATUS_INVALID_IMAGE_FORMAT, field, value, part)

static void GoodImageIsLoaded(void **State)
{
    ULONG64 value;

    (void)State;
    if (!Load())
        fail_msg("%s", Problem.Sentence);
    assert_int_equal(Image.Size, End);
    assert_int_equal(Image.Entry, TextRva + 0x10);
    assert_int_equal(Image.SectionCount, SECTIONS);
    assert_true(Image.Sections[0].Execute && !Image.Sections[0].Write);
    assert_true(!Image.Sections[1].Execute && Image.Sections[1].Write);
    assert_string_equal(Image.Sections[2].Name, ".idata");
    assert_int_equal(Image.Sections[1].Size, 0x1000);
    assert_int_equal(Memory[Image.Entry], 0xC3);
    assert_memory_equal(Memory, "MZ", 2);
    memcpy(&value, Memory + DataRva, 8);
    assert_int_equal(value, BASE + DataRva);
    memcpy(&value, Memory + IMPORT_RVA(Imports.Slots), 8);
    assert_int_equal(value, 0xFFFFFFFF80001000);
    memcpy(&value, Memory + IMPORT_RVA(Imports.Slots) + 8, 8);
    assert_int_equal(value, 0xFFFFFFFF80002000);
    memcpy(&value, Memory + IMPORT_RVA(Imports.HalSlots), 8);
    assert_int_equal(value, 0xFFFFFFFF80003000);
}

static void HeadersAreChecked(void **State)
{
    (void)State;
    REFUSES(Dos[0], 'X', "does not begin with MZ");
    REFUSES(Dos[60], HEADER_OFFSET + 1, "no multiple of 8");
    REFUSES(Dos[63], 0x7F, "is cut off: its header");
    REFUSES(Headers.Signature, 0x00004551, "no PE signature");
    REFUSES_WITH(STATUS_INVALID_IMAGE_WIN_32, Headers.File.Machine, PE_MACHINE_X86, "32-bit x86");
    REFUSES(Headers.File.Machine, 0xAA64, "another machine (0xaa64)");
    REFUSES(Headers.Optional.Magic, 0x10B, "0x10b, not PE32+");
    REFUSES(Headers.File.SizeOfOptionalHeader, 224, "224 bytes with 16 directories");
    REFUSES(Headers.Optional.NumberOfRvaAndSizes, 17, "240 bytes with 17 directories");
    REFUSES(Headers.File.Characteristics, 0x2000, "not linked completely");
    REFUSES(Headers.File.Characteristics, 0x2003, "for one address only");
    REFUSES(Headers.Optional.Subsystem, 3, "subsystem 3");
    REFUSES_WITH(STATUS_IMAGE_CHECKSUM_MISMATCH, Headers.Optional.CheckSum, 0x12345, "damaged");
}

static void SizesAreChecked(void **State)
{
    (void)State;
    REFUSES(Headers.Optional.SectionAlignment, 0x200, "aligns its sections to 0x200");
    REFUSES(Headers.Optional.SectionAlignment, 0x3000, "aligns its sections");
    REFUSES(Headers.Optional.SectionAlignment, 0x20000, "aligns its sections");
    REFUSES(Headers.Optional.SectionAlignment, 0, "aligns its sections");
    REFUSES(Headers.Optional.FileAlignment, 0x100, "file alignment 0x100");
    REFUSES(Headers.Optional.FileAlignment, 0x300, "file alignment 0x300");
    REFUSES(Headers.Optional.SizeOfImage, 0, "size 0x0 in memory");
    REFUSES(Headers.Optional.SizeOfImage, End + 1, "no multiple");
    REFUSES(Headers.Optional.SizeOfImage, 0xFFFFF000, "larger in memory");
    REFUSES(Headers.Optional.SizeOfImage, UnwindRva, "section .pdata");
    REFUSES(Headers.Optional.ImageBase, 0x1000, "base address");
    REFUSES(Headers.Optional.SizeOfHeaders, 0x100, "headers have 0x100");
    REFUSES(Headers.Optional.SizeOfHeaders, 0x40000000, "cut off in its headers");
    REFUSES(Headers.File.NumberOfSections, 0, "0 sections");
    REFUSES(Headers.File.NumberOfSections, 0xFFFF, "65535 sections");
    REFUSES(Headers.Optional.AddressOfEntryPoint, 0, "entry point at 0x0");
    REFUSES(Headers.Optional.AddressOfEntryPoint, DataRva, "where there is no code");
    REFUSES(Headers.Optional.AddressOfEntryPoint, 0xFFFFFFFF, "where there is no code");
}

static void SectionsAreChecked(void **State)
{
    (void)State;
    REFUSES(Sections[1].VirtualAddress, DataRva + 1, "section .data at 0x2001");
    REFUSES(Sections[1].VirtualAddress, TextRva, "section .data at 0x1000, not on pages behind");
    REFUSES(Sections[0].VirtualAddress, 0, "section .text at 0x0");
    REFUSES(Sections[3].VirtualAddress, 0xFFFFF000, "not inside the image");
    REFUSES(Sections[3].VirtualSize, 0xFFFFFFFF, "not inside the image");
    REFUSES(Sections[3].VirtualSize, 0x2001, "not inside the image");
    REFUSES(Sections[1].Characteristics, PE_SECTION_WRITE | PE_SECTION_EXECUTE,
            "both writable and");
    REFUSES(Sections[1].PointerToRawData, 0xFFFFFF00, "is cut off: its section .data");
    REFUSES(Sections[1].PointerToRawData, (ULONG)sizeof(SAMPLE) - 0x1FF, "is cut off");
}

static void SectionsMayBeOfZeros(void **State)
{
    (void)State;
    Sample->Sections[1].PointerToRawData = 0;
    Sample->Headers.Optional.Directories[PeRelocations].Size = 0;
    assert_true(Load());
    assert_int_equal(Memory[DataRva], 0);
    Sample->Sections[1].SizeOfRawData = 0xFFFFFFFF; /* of nothing */
    assert_true(Load());
    Sample->Sections[3].VirtualSize = 0; /* some linkers leave it to the other field */
    assert_true(Load());
}

static void DirectoriesAreChecked(void **State)
{
    static const ULONG indexes[] = {PeImports, PeExceptions, PeRelocations};
    PE_DIRECTORY *all = Sample->Headers.Optional.Directories;

    (void)State;
    for (ULONG i = 0; i < 3; i++) {
        PE_DIRECTORY old = all[indexes[i]];

        all[indexes[i]] = (PE_DIRECTORY){End - 4, 8};
        AssertRefused(STATUS_INVALID_IMAGE_FORMAT, "not inside the image");
        all[indexes[i]] = (PE_DIRECTORY){0xFFFFFFFF, 0xFFFFFFFF};
        AssertRefused(STATUS_INVALID_IMAGE_FORMAT, "not inside the image");
        all[indexes[i]] = (PE_DIRECTORY){0, 0};
        assert_true(Load());
        all[indexes[i]] = old;
    }
    REFUSES(Headers.Optional.Directories[PeThreadStorage].Size, 1, "thread-local storage");
    REFUSES(Headers.Optional.Directories[PeDelayedImports].Size, 1, "bound later");
    REFUSES(Headers.Optional.Directories[PeManagedCode].Size, 1, "managed code");
}

static void ImportsAreChecked(void **State)
{
    (void)State;
    REFUSES_WITH(STATUS_DLL_NOT_FOUND, Imports.Kernel[0], 'N', "imports from Ntoskrnl.exe; there");
    REFUSES_WITH(STATUS_DRIVER_ENTRYPOINT_NOT_FOUND, Imports.Names[0][2], 'X',
                 "imports XeSetTimer from ntoskrnl.exe, which this kernel does not have");
    REFUSES_WITH(STATUS_DRIVER_ENTRYPOINT_NOT_FOUND, Imports.Names[2][2], 'X',
                 "imports XeStallExecutionProcessor from HAL.dll");
    REFUSES_WITH(STATUS_DRIVER_ORDINAL_NOT_FOUND, Imports.Lookup[1], PE_IMPORT_BY_ORDINAL | 17,
                 "imports number 17 of ntoskrnl.exe");
    REFUSES(Imports.Lookup[1], End - 2, "name cannot be read");
    REFUSES(Imports.Lookup[1], 0x7FFFFFFF, "name cannot be read");
    REFUSES(Imports.Lookup[1], 0x100000000, "name cannot be read");
    REFUSES(Imports.Names[1][2], 0, "name cannot be read");
    REFUSES(Imports.Names[1][2], '\n', "name cannot be read");
    REFUSES(Imports.Kernel[0], 0, "module whose name cannot be read");
    REFUSES(Imports.Modules[0].Name, 0xFFFFFFFF, "module whose name cannot be read");
    REFUSES(Imports.Modules[0].Lookup, End - 8 + 1, "leads out of the image");
    REFUSES(Imports.Modules[0].Lookup, 0xFFFFFFFF, "leads out of the image");
    REFUSES(Imports.Modules[0].Slots, 0xFFFFFFF8, "leads out of the image");
    REFUSES(Imports.Modules[0].Slots, 0, "leads out of the image"); /* the headers */
}

static void ImportsHaveAnEnd(void **State)
{
    (void)State;
    Sample->Imports.Modules[1] = Sample->Imports.Modules[0];
    Sample->Headers.Optional.Directories[PeImports] = (PE_DIRECTORY){End - 20, 20};
    Sample->Headers.Optional.SizeOfImage = End;
    assert_true(Load()); /* zeros: no module */
    Sample->Sections[3].VirtualSize = 0x2000;
    Sample->Sections[3].SizeOfRawData = 0x200;
    Sample->Headers.Optional.Directories[PeImports] = (PE_DIRECTORY){End - 19, 19};
    AssertRefused(STATUS_INVALID_IMAGE_FORMAT, "import table without an end");
}

/* A module's slots may lie over its own name; nothing is read that is not checked again. */
static void SlotsMayOverwriteTheTables(void **State)
{
    (void)State;
    Sample->Imports.Modules[0].Slots = IMPORT_RVA(Imports.Kernel);
    AssertRefused(STATUS_INVALID_IMAGE_FORMAT, "");
    MakeImports();
    Sample->Imports.Modules[0].Slots = IMPORT_RVA(Imports.Lookup) + 8;
    AssertRefused(STATUS_DRIVER_ORDINAL_NOT_FOUND, "imports number 4096");
}

static void RelocationsAreChecked(void **State)
{
    ULONG64 value;

    (void)State;
    REFUSES(Unwind.Entries[0], 3 << 12, "relocation of the type 3");
    REFUSES(Unwind.Relocations.Page, End, "for 0x6000, which is in no section");
    REFUSES(Unwind.Relocations.Page, 0xFFFFFFFF, "in no section");
    REFUSES(Unwind.Relocations.Page, 0, "in no section"); /* the headers */
    REFUSES(Unwind.Relocations.Size, 4, "block of relocations of 0x4");
    REFUSES(Unwind.Relocations.Size, 0, "block of relocations of 0x0");
    REFUSES(Unwind.Relocations.Size, 18, "where 0x10 are left");
    REFUSES(Unwind.Relocations.Size, 15, "block of relocations");
    REFUSES(Unwind.Relocations.Size, 12, "end within a block");
    /* Eight bytes before the end there is room; one byte further there is none. */
    Sample->Unwind.Relocations.Page = End - 0x1000;
    Sample->Unwind.Entries[0] = PeRelocation64 << 12 | 0xFF8;
    assert_true(Load());
    memcpy(&value, Memory + End - 8, 8);
    assert_int_equal(value, BASE - FILE_BASE);
    Sample->Unwind.Entries[0]++;
    AssertRefused(STATUS_INVALID_IMAGE_FORMAT, "in no section");
}

static void UnwindTableIsChecked(void **State)
{
    (void)State;
    REFUSES(Headers.Optional.Directories[PeExceptions].Size, 23, "no multiple of 12");
    REFUSES(Unwind.Functions[1].Begin, TextRva + 0xF, "out of order at 0x100f");
    REFUSES(Unwind.Functions[0].End, TextRva, "out of order");
    REFUSES(Unwind.Functions[1].End, End + 1, "out of order");
    REFUSES(Unwind.Functions[1].UnwindInfo, End, "no unwind information");
    REFUSES(Unwind.Functions[1].UnwindInfo, UnwindRva + 1, "no unwind information");
}

/* Whatever is cut off is noticed, up to the last byte that any section or header needs. */
static void EveryLengthIsChecked(void **State)
{
    const SIZE_T needed = FILE_OFFSET(Unwind) + 0x200;

    (void)State;
    for (SIZE_T size = 0; size <= sizeof(*Sample); size++) {
        UCHAR *cut = malloc(size ? size : 1);

        memcpy(cut, Sample, size);
        assert_int_equal(LdrpCheckFile(cut, size, &Image, &Problem), size >= needed);
        assert_int_equal(Image.SymbolCount, size >= FILE_OFFSET(Symbols) + 3 * 18 ? 3 : 0);
        free(cut);
    }
}

/* No single wrong byte of the headers makes the library read or write where it must not. */
static void EveryByteIsTried(void **State)
{
    UCHAR *file = (UCHAR *)Sample;
    SIZE_T end = FILE_OFFSET(Rest);

    (void)State;
    for (SIZE_T i = 0; i < sizeof(*Sample); i++) {
        UCHAR old = file[i];

        if (i == end)
            i = FILE_OFFSET(Data); /* zeros and code */
        for (ULONG bit = 0; bit < 8; bit++) {
            old = file[i];
            file[i] ^= (UCHAR)(1u << bit);
            if (LdrpCheckFile(Sample, sizeof(*Sample), &Image, &Problem) && Image.Size <= 0x10000) {
                memset(Memory, 0, Image.Size);
                LdrpLayOut(Sample, &Image, Memory);
                (void)(LdrpRelocate(&Image, Memory, BASE, &Problem) &&
                       LdrpBindImports(&Image, Memory, &Problem) &&
                       LdrpCheckExceptions(&Image, Memory, &Problem));
            }
            file[i] = old;
        }
    }
}

static void AssertSymbol(ULONG Rva, PCSTR Name, ULONG SymbolRva)
{
    LDR_SYMBOL symbol;

    assert_true(LdrpFindSymbol(Sample, sizeof(*Sample), &Image, Rva, &symbol));
    assert_int_equal(symbol.Length, strlen(Name));
    assert_memory_equal(symbol.Name, Name, symbol.Length);
    assert_int_equal(symbol.Rva, SymbolRva);
}

static void SymbolsAreFound(void **State)
{
    LDR_SYMBOL symbol;

    (void)State;
    assert_true(Load());
    AssertSymbol(TextRva + 0x10, "DrvEntry", TextRva + 0x10);
    AssertSymbol(TextRva + 0x3F, "DrvEntry", TextRva + 0x10);
    AssertSymbol(TextRva + 0x60, "LongNameOfARoutine", TextRva + 0x40);
    assert_false(LdrpFindSymbol(Sample, sizeof(*Sample), &Image, TextRva + 0xF, &symbol));
    assert_false(LdrpFindSymbol(Sample, sizeof(*Sample), &Image, DataRva, &symbol));
    Sample->Symbols.Symbol[1].Name[4] = 100; /* behind the string table */
    AssertSymbol(TextRva + 0x60, "DrvEntry", TextRva + 0x10);
    /* A function without a name hides none: a fuzzer has found that it did. */
    memset(Sample->Symbols.Symbol[1].Name, 0, 8);
    memcpy(Sample->Symbols.Symbol[1].Name + 4, "\4\0\0\0", 4);
    Sample->Symbols.Strings[0] = 0;
    AssertSymbol(TextRva + 0x60, "DrvEntry", TextRva + 0x10);
    Sample->Symbols.Symbol[0].Auxiliary = 200;
    AssertSymbol(TextRva + 0x60, "DrvEntry", TextRva + 0x10);
}

static void ChecksumIsTheLinkers(void **State)
{
    (void)State;
    Sample->Headers.Optional.CheckSum = LdrpCheckSum((const UCHAR *)Sample, sizeof(*Sample),
                                                     FILE_OFFSET(Headers.Optional.CheckSum));
    assert_true(Load());
    Sample->Text[0]++;
    AssertRefused(STATUS_IMAGE_CHECKSUM_MISMATCH, "damaged");
}

#define IMAGE_TEST(name) cmocka_unit_test_setup_teardown(name, MakeSample, FreeSample)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IMAGE_TEST(GoodImageIsLoaded),
        IMAGE_TEST(HeadersAreChecked),
        IMAGE_TEST(SizesAreChecked),
        IMAGE_TEST(SectionsAreChecked),
        IMAGE_TEST(SectionsMayBeOfZeros),
        IMAGE_TEST(DirectoriesAreChecked),
        IMAGE_TEST(ImportsAreChecked),
        IMAGE_TEST(ImportsHaveAnEnd),
        IMAGE_TEST(SlotsMayOverwriteTheTables),
        IMAGE_TEST(RelocationsAreChecked),
        IMAGE_TEST(UnwindTableIsChecked),
        IMAGE_TEST(EveryLengthIsChecked),
        IMAGE_TEST(EveryByteIsTried),
        IMAGE_TEST(SymbolsAreFound),
        IMAGE_TEST(ChecksumIsTheLinkers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
