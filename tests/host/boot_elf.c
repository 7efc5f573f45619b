/* sources: boot/elf.c */
/* The checks of the kernel's file: a good one, every field of it damaged, every length cut. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "elf.h"

#define PROGRAMS      4 /* code, constants, data, and a note that is not loaded */
#define DATA_PAGES    3 /* of which one is in the file */
#define SECTIONS      2
#define SECTION_BYTES 64

/* A small kernel as a linker would write it. */
typedef struct _SAMPLE {
    union {
        struct {
            ELF_HEADER Header;
            ELF_PROGRAM_HEADER Program[PROGRAMS];
        };
        uint8_t FirstPage[4096];
    };
    uint8_t Code[4096];
    uint8_t Constants[4096];
    uint8_t Data[4096];
    uint8_t Sections[SECTIONS][SECTION_BYTES];
} SAMPLE;

static SAMPLE Sample;
static ELF_IMAGE Image;

static void SetProgram(int Index, uint32_t Flags, uint64_t Page, uint64_t FilePage, uint64_t Size)
{
    Sample.Program[Index] = (ELF_PROGRAM_HEADER){
        .Type = ELF_LOAD,
        .Flags = Flags,
        .FileOffset = FilePage * 4096,
        .VirtualAddress = KERNEL_BASE + Page * 4096,
        .PhysicalAddress = 0x5555, /* means nothing */
        .FileSize = Size,
        .MemorySize = Size,
        .Alignment = 4096,
    };
}

static int MakeSample(void **State)
{
    static const uint8_t identification[16] = {0x7F, 'E', 'L', 'F', 2, 1, 1};

    (void)State;
    memset(&Sample, 0, sizeof(Sample));
    memcpy(Sample.Header.Identification, identification, sizeof(identification));
    Sample.Header.Type = 2;
    Sample.Header.Machine = 62;
    Sample.Header.Version = 1;
    Sample.Header.Entry = KERNEL_BASE + 16;
    Sample.Header.ProgramHeaderOffset = sizeof(ELF_HEADER);
    Sample.Header.SectionHeaderOffset = offsetof(SAMPLE, Sections);
    Sample.Header.HeaderSize = sizeof(ELF_HEADER);
    Sample.Header.ProgramHeaderSize = sizeof(ELF_PROGRAM_HEADER);
    Sample.Header.ProgramHeaderCount = PROGRAMS;
    Sample.Header.SectionHeaderSize = SECTION_BYTES;
    Sample.Header.SectionHeaderCount = SECTIONS;
    Sample.Header.SectionNameIndex = 1;
    SetProgram(0, ELF_READ | ELF_EXECUTE, 0, 1, 4000);
    SetProgram(1, ELF_READ, 1, 2, 100);
    SetProgram(2, ELF_READ | ELF_WRITE, 2, 3, 4096);
    Sample.Program[2].MemorySize = DATA_PAGES * 4096 - 1;
    Sample.Program[3] = (ELF_PROGRAM_HEADER){.Type = 4, .FileOffset = 0x7FFFFFFFFFFFFFFF};
    return 0;
}

/* Checks a copy of exactly Size bytes: the sanitizer sees any look beyond its end. */
static const char *CheckBytes(uint64_t Size)
{
    void *copy = malloc(Size);
    const char *problem;

    if (Size != 0) {
        memcpy(copy, &Sample, Size);
    }
    memset(&Image, 0xCC, sizeof(Image));
    problem = ElfCheck(copy, Size, &Image);
    free(copy);
    return problem;
}

static const char *Check(void)
{
    return CheckBytes(sizeof(Sample));
}

/* Damages one field of the sample, expects the sentence, and repairs the field. */
#define ASSERT_REFUSED(field, value, sentence)   \
    do {                                         \
        SAMPLE saved = Sample;                   \
        const char *problem_;                    \
                                                 \
        Sample.field = (value);                  \
        problem_ = Check();                      \
        assert_non_null(problem_);               \
        assert_string_equal(problem_, sentence); \
        Sample = saved;                          \
        assert_null(Check());                    \
    } while (0)

#define ASSERT_ACCEPTED(field, value) \
    do {                              \
        SAMPLE saved = Sample;        \
                                      \
        Sample.field = (value);       \
        assert_null(Check());         \
        Sample = saved;               \
    } while (0)

static void GoodFile(void **State)
{
    (void)State;
    assert_null(Check());
    assert_int_equal(Image.Entry, KERNEL_BASE + 16);
    assert_int_equal(Image.SegmentCount, 3);
    assert_int_equal(Image.Segments[0].VirtualBase, KERNEL_BASE);
    assert_int_equal(Image.Segments[0].Pages, 1);
    assert_int_equal(Image.Segments[0].FileOffset, 4096);
    assert_int_equal(Image.Segments[0].FileSize, 4000);
    assert_int_equal(Image.Segments[0].Flags, ELF_READ | ELF_EXECUTE);
    assert_int_equal(Image.Segments[1].Flags, ELF_READ);
    assert_int_equal(Image.Segments[2].VirtualBase, KERNEL_BASE + 2 * 4096);
    assert_int_equal(Image.Segments[2].Pages, DATA_PAGES);
    assert_int_equal(Image.Segments[2].FileSize, 4096);
    assert_int_equal(Image.Segments[2].Flags, ELF_READ | ELF_WRITE);
}

static void EveryLength(void **State)
{
    (void)State;
    assert_string_equal(CheckBytes(0), "is empty");
    for (uint64_t size = 1; size < sizeof(Sample); size++) {
        const char *problem = CheckBytes(size);

        if (problem == NULL || (size >= 64 && strstr(problem, "is cut short") == NULL) ||
            (size < 64 && strcmp(problem, "is too short for an ELF file") != 0)) {
            fail_msg("%u bytes: %s", (unsigned)size, problem == NULL ? "accepted" : problem);
        }
    }
}

/* Without sections the last segment ends the file. */
static void EveryLengthStripped(void **State)
{
    (void)State;
    Sample.Header.SectionHeaderOffset = 0;
    Sample.Header.SectionHeaderSize = 0;
    Sample.Header.SectionHeaderCount = 0;
    Sample.Header.SectionNameIndex = 0;
    for (uint64_t size = 0; size < offsetof(SAMPLE, Sections); size++) {
        assert_non_null(CheckBytes(size));
    }
    assert_null(CheckBytes(offsetof(SAMPLE, Sections)));
}

static void Identification(void **State)
{
    (void)State;
    for (int i = 0; i < 4; i++) {
        ASSERT_REFUSED(Header.Identification[i], 'X', "is not an ELF file");
    }
    ASSERT_REFUSED(Header.Identification[4], 1, "is not a 64-bit ELF file");
    ASSERT_REFUSED(Header.Identification[5], 2, "is not a little-endian ELF file");
    ASSERT_REFUSED(Header.Identification[6], 0, "has an unknown ELF version");
    ASSERT_REFUSED(Header.Identification[7], 9, "is an ELF file for another operating system");
    ASSERT_ACCEPTED(Header.Identification[7], 3);
}

static void Header(void **State)
{
    static const char place[] = "has its program headers at an impossible place";
    static const char cut[] = "is cut short: its program headers lie beyond the end";

    (void)State;
    ASSERT_REFUSED(Header.Type, 1,
                   "is not an executable ELF file (is it an object file or a core dump?)");
    ASSERT_REFUSED(Header.Type, 3,
                   "is position-independent; a kernel linked at a fixed address is needed");
    ASSERT_REFUSED(Header.Machine, 183, "is an ELF file for another machine than x86-64");
    ASSERT_REFUSED(Header.Version, 2, "has an unknown ELF version");
    ASSERT_REFUSED(Header.Flags, 1, "has ELF header flags that x86-64 does not define");
    ASSERT_REFUSED(Header.HeaderSize, 52, "has an ELF header of the wrong size");
    ASSERT_REFUSED(Header.ProgramHeaderSize, 32, "has program headers of the wrong size");
    ASSERT_REFUSED(Header.ProgramHeaderCount, 0, "has no program headers");
    ASSERT_REFUSED(Header.ProgramHeaderCount, 0xFFFF, cut);
    ASSERT_REFUSED(Header.ProgramHeaderOffset, 0, place);
    ASSERT_REFUSED(Header.ProgramHeaderOffset, 68, place);
    ASSERT_REFUSED(Header.ProgramHeaderOffset, sizeof(SAMPLE), cut);
    ASSERT_REFUSED(Header.ProgramHeaderOffset, 0xFFFFFFFFFFFFFFF8, cut);
}

static void SectionTable(void **State)
{
    static const char damaged[] = "has a damaged section header table";
    static const char cut[] = "is cut short: its section headers lie beyond the end";

    (void)State;
    ASSERT_REFUSED(Header.SectionHeaderCount, 0, damaged);
    ASSERT_REFUSED(Header.SectionHeaderCount, 3, cut);
    ASSERT_REFUSED(Header.SectionHeaderSize, 40, damaged);
    ASSERT_REFUSED(Header.SectionNameIndex, SECTIONS, damaged);
    ASSERT_REFUSED(Header.SectionHeaderOffset, 0, damaged);
    ASSERT_REFUSED(Header.SectionHeaderOffset, offsetof(SAMPLE, Sections) + 1, cut);
    ASSERT_REFUSED(Header.SectionHeaderOffset, UINT64_MAX, cut);
}

static void SegmentSizes(void **State)
{
    static const char cut[] = "is cut short: a segment lies beyond the end";
    static const char wraps[] = "has a segment that runs past the end of the address space";

    (void)State;
    ASSERT_REFUSED(Program[0].FileOffset, sizeof(SAMPLE), cut);
    ASSERT_REFUSED(Program[0].FileOffset, UINT64_MAX, cut);
    ASSERT_REFUSED(Program[0].FileSize, sizeof(SAMPLE), cut);
    ASSERT_REFUSED(Program[0].FileSize, UINT64_MAX, cut);
    ASSERT_REFUSED(Program[0].MemorySize, 3999,
                   "has a segment that is larger in the file than in memory");
    ASSERT_REFUSED(Program[2].MemorySize, 0,
                   "has a segment that is larger in the file than in memory");
    ASSERT_REFUSED(Program[2].MemorySize, UINT64_MAX, wraps);
    ASSERT_REFUSED(Program[2].MemorySize, 0x80000000 - 2 * 4096, wraps);
    ASSERT_REFUSED(Program[2].MemorySize, 0x80000000 - 3 * 4096 + 1, wraps);
    ASSERT_ACCEPTED(Program[2].MemorySize, 0x80000000 - 3 * 4096);
    ASSERT_REFUSED(Program[2].VirtualAddress, 0xFFFFFFFFFFFFF000, wraps);
    ASSERT_REFUSED(Program[2].VirtualAddress, 0xFFFFFFFFFFFFD000, wraps);
}

static void SegmentPlaces(void **State)
{
    static const char alignment[] = "has a segment whose alignment is no power of two from 4096 on";
    static const char match[] = "has a segment whose place in the file does not match its "
                                "alignment";

    (void)State;
    ASSERT_REFUSED(Program[1].Alignment, 0, alignment);
    ASSERT_REFUSED(Program[1].Alignment, 16, alignment);
    ASSERT_REFUSED(Program[1].Alignment, 4097, alignment);
    ASSERT_REFUSED(Program[1].Alignment, 12288, alignment);
    ASSERT_REFUSED(Program[1].Alignment, 0x200000, match);
    ASSERT_REFUSED(Program[1].FileOffset, 2 * 4096 + 8, match);
    ASSERT_REFUSED(Program[1].VirtualAddress, KERNEL_BASE + 4096 + 8,
                   "has a segment that does not begin on a page");
    ASSERT_REFUSED(Program[1].VirtualAddress, 0x100000,
                   "has a segment below the kernel's address space");
    ASSERT_REFUSED(Program[1].VirtualAddress, KERNEL_BASE - 4096,
                   "has a segment below the kernel's address space");
    ASSERT_REFUSED(Program[1].VirtualAddress, KERNEL_BASE, "has two segments in the same page");
    ASSERT_REFUSED(Program[1].VirtualAddress, KERNEL_BASE + 4 * 4096,
                   "has two segments in the same page");
    ASSERT_REFUSED(Program[0].MemorySize, 4097, "has two segments in the same page");
    ASSERT_ACCEPTED(Program[0].MemorySize, 4096);
    ASSERT_ACCEPTED(Program[1].VirtualAddress, KERNEL_BASE + 5 * 4096);
}

static void SegmentPermissions(void **State)
{
    static const char impossible[] = "has a segment with impossible permissions";

    (void)State;
    ASSERT_REFUSED(Program[0].Flags, ELF_READ | ELF_WRITE | ELF_EXECUTE,
                   "has a segment that is both writable and executable");
    ASSERT_REFUSED(Program[0].Flags, ELF_EXECUTE, impossible);
    ASSERT_REFUSED(Program[1].Flags, 0, impossible);
    ASSERT_REFUSED(Program[1].Flags, ELF_READ | 8, impossible);
    ASSERT_REFUSED(Program[1].Flags, 0x80000004, impossible);
}

static void SegmentTypes(void **State)
{
    static const char dynamic[] = "is dynamically linked; a kernel needs to be linked statically";

    (void)State;
    ASSERT_REFUSED(Program[3].Type, ELF_DYNAMIC, dynamic);
    ASSERT_REFUSED(Program[3].Type, ELF_INTERPRETER, dynamic);
    Sample.Program[1].Type = Sample.Program[2].Type = 4;
    ASSERT_REFUSED(Program[0].Type, 4, "has no loadable segments");
}

/* A segment of no bytes is legal; it is not listed. */
static void EmptySegment(void **State)
{
    (void)State;
    Sample.Program[1].FileSize = Sample.Program[1].MemorySize = 0;
    assert_null(Check());
    assert_int_equal(Image.SegmentCount, 2);
    Sample.Program[1].VirtualAddress = 0;
    assert_non_null(Check());
}

static void Entry(void **State)
{
    static const char outside[] = "has its entry point outside of its code";

    (void)State;
    ASSERT_REFUSED(Header.Entry, 0, outside);
    ASSERT_REFUSED(Header.Entry, KERNEL_BASE - 1, outside);
    ASSERT_REFUSED(Header.Entry, KERNEL_BASE + 4000, outside);
    ASSERT_REFUSED(Header.Entry, KERNEL_BASE + 4096, outside);
    ASSERT_REFUSED(Header.Entry, KERNEL_BASE + 2 * 4096, outside);
    ASSERT_REFUSED(Header.Entry, UINT64_MAX, outside);
    ASSERT_ACCEPTED(Header.Entry, KERNEL_BASE);
    ASSERT_ACCEPTED(Header.Entry, KERNEL_BASE + 3999);
}

static void SegmentCount(void **State)
{
    (void)State;
    Sample.Header.ProgramHeaderCount = BOOT_MAX_SEGMENTS;
    memset(Sample.Program, 0, sizeof(Sample.Program));
    for (int i = 0; i < BOOT_MAX_SEGMENTS; i++) {
        ELF_PROGRAM_HEADER program = {
            ELF_LOAD, i == 0 ? 5u : 4u, 4096, KERNEL_BASE + (uint64_t)i * 4096, 0, 4096, 4096,
            4096};

        memcpy(&Sample.FirstPage[64 + i * 56], &program, sizeof(program));
    }
    assert_null(Check());
    assert_int_equal(Image.SegmentCount, BOOT_MAX_SEGMENTS);
    /* One more, on a page of its own. */
    memcpy(&Sample.FirstPage[64 + BOOT_MAX_SEGMENTS * 56], &Sample.FirstPage[64], 56);
    Sample
        .FirstPage[64 + BOOT_MAX_SEGMENTS * 56 + offsetof(ELF_PROGRAM_HEADER, VirtualAddress) + 2] =
        1;
    Sample.Header.ProgramHeaderCount++;
    assert_string_equal(Check(), "has too many loadable segments");
}

/* What every accepted file promises, whatever is in it. */
static void CheckPromises(uint64_t Size)
{
    int entry = 0;

    assert_in_range(Image.SegmentCount, 1, BOOT_MAX_SEGMENTS);
    for (uint32_t i = 0; i < Image.SegmentCount; i++) {
        const ELF_SEGMENT *s = &Image.Segments[i];

        assert_true(s->Pages != 0 && s->VirtualBase >= KERNEL_BASE);
        assert_true(s->VirtualBase % 4096 == 0);
        assert_true(s->Pages <= (0 - s->VirtualBase) / 4096 - 1);
        assert_true(s->FileOffset <= Size && s->FileSize <= Size - s->FileOffset);
        assert_true(s->FileSize <= s->Pages * 4096);
        assert_true((s->Flags & ELF_READ) != 0 && s->Flags < 8 && (s->Flags & 3) != 3);
        entry |= (s->Flags & ELF_EXECUTE) != 0 && Image.Entry >= s->VirtualBase &&
                 Image.Entry - s->VirtualBase < s->FileSize;
        for (uint32_t j = 0; j < i; j++) {
            const ELF_SEGMENT *t = &Image.Segments[j];

            assert_true(s->VirtualBase >= t->VirtualBase + t->Pages * 4096 ||
                        t->VirtualBase >= s->VirtualBase + s->Pages * 4096);
        }
    }
    assert_true(entry);
}

/* Each byte of the headers with each value: refused, or the promises hold. */
static void EveryByte(void **State)
{
    uint64_t accepted = 0;

    (void)State;
    for (size_t i = 0; i < sizeof(ELF_HEADER) + sizeof(Sample.Program); i++) {
        uint8_t saved = Sample.FirstPage[i];

        for (int value = 0; value < 256; value++) {
            Sample.FirstPage[i] = (uint8_t)value;
            if (Check() == NULL) {
                accepted++;
                CheckPromises(sizeof(Sample));
            }
        }
        Sample.FirstPage[i] = saved;
    }
    assert_true(accepted > 288); /* the undamaged ones alone are 288 */
}

#define TEST(name) cmocka_unit_test_setup(name, MakeSample)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(GoodFile),       TEST(EveryLength),   TEST(EveryLengthStripped),
        TEST(Identification), TEST(Header),        TEST(SectionTable),
        TEST(SegmentSizes),   TEST(SegmentPlaces), TEST(SegmentPermissions),
        TEST(SegmentTypes),   TEST(EmptySegment),  TEST(Entry),
        TEST(SegmentCount),   TEST(EveryByte),
    };

    return cmocka_run_group_tests_name("boot_elf", tests, NULL, NULL);
}
