/* Checks of the kernel's file. Nothing in it is believed before it was compared with its size. */
#include "elf.h"

#include <stddef.h>

#define PAGE_SIZE 4096ULL
#define PAGE_MASK (PAGE_SIZE - 1)

#define TYPE_EXECUTABLE 2
#define TYPE_SHARED     3
#define MACHINE_X86_64  62

_Static_assert(sizeof(ELF_HEADER) == 64, "ELF64 header");
_Static_assert(sizeof(ELF_PROGRAM_HEADER) == 56, "ELF64 program header");

/* Whether Length bytes at Offset lie inside a file of Size bytes. */
static int InsideFile(uint64_t Offset, uint64_t Length, uint64_t Size)
{
    return Offset <= Size && Length <= Size - Offset;
}

static const char *CheckIdentification(const uint8_t *Identification)
{
    static const uint8_t magic[4] = {0x7F, 'E', 'L', 'F'};

    for (int i = 0; i < 4; i++) {
        if (Identification[i] != magic[i]) {
            return "is not an ELF file";
        }
    }
    if (Identification[4] != 2) {
        return "is not a 64-bit ELF file";
    }
    if (Identification[5] != 1) {
        return "is not a little-endian ELF file";
    }
    if (Identification[6] != 1) {
        return "has an unknown ELF version";
    }
    /* 0: System V; 3: the same with GNU extensions. */
    if (Identification[7] != 0 && Identification[7] != 3) {
        return "is an ELF file for another operating system";
    }
    return NULL;
}

static const char *CheckHeader(const ELF_HEADER *Header, uint64_t Size)
{
    if (Header->Machine != MACHINE_X86_64) {
        return "is an ELF file for another machine than x86-64";
    }
    if (Header->Type == TYPE_SHARED) {
        return "is position-independent; a kernel linked at a fixed address is needed";
    }
    if (Header->Type != TYPE_EXECUTABLE) {
        return "is not an executable ELF file (is it an object file or a core dump?)";
    }
    if (Header->Version != 1) {
        return "has an unknown ELF version";
    }
    if (Header->Flags != 0) {
        return "has ELF header flags that x86-64 does not define";
    }
    if (Header->HeaderSize != sizeof(ELF_HEADER)) {
        return "has an ELF header of the wrong size";
    }
    if (Header->ProgramHeaderCount == 0) {
        return "has no program headers";
    }
    if (Header->ProgramHeaderSize != sizeof(ELF_PROGRAM_HEADER)) {
        return "has program headers of the wrong size";
    }
    if (Header->ProgramHeaderOffset % 8 != 0 || Header->ProgramHeaderOffset < sizeof(ELF_HEADER)) {
        return "has its program headers at an impossible place";
    }
    if (!InsideFile(Header->ProgramHeaderOffset,
                    (uint64_t)Header->ProgramHeaderCount * sizeof(ELF_PROGRAM_HEADER), Size)) {
        return "is cut short: its program headers lie beyond the end";
    }
    return NULL;
}

/* Sections are not loaded. Their table is the last thing in most files and shows a cut one. */
static const char *CheckSectionTable(const ELF_HEADER *Header, uint64_t Size)
{
    if (Header->SectionHeaderCount == 0) {
        return Header->SectionHeaderOffset == 0 ? NULL : "has a damaged section header table";
    }
    if (Header->SectionHeaderSize != 64 || Header->SectionHeaderOffset < sizeof(ELF_HEADER) ||
        Header->SectionNameIndex >= Header->SectionHeaderCount) {
        return "has a damaged section header table";
    }
    if (!InsideFile(Header->SectionHeaderOffset, (uint64_t)Header->SectionHeaderCount * 64, Size)) {
        return "is cut short: its section headers lie beyond the end";
    }
    return NULL;
}

static const char *CheckSegment(const ELF_PROGRAM_HEADER *Program, uint64_t Size)
{
    if (!InsideFile(Program->FileOffset, Program->FileSize, Size)) {
        return "is cut short: a segment lies beyond the end";
    }
    if (Program->FileSize > Program->MemorySize) {
        return "has a segment that is larger in the file than in memory";
    }
    if (Program->Alignment < PAGE_SIZE || (Program->Alignment & (Program->Alignment - 1)) != 0) {
        return "has a segment whose alignment is no power of two from 4096 on";
    }
    if ((Program->VirtualAddress & PAGE_MASK) != 0) {
        return "has a segment that does not begin on a page";
    }
    if (((Program->VirtualAddress - Program->FileOffset) & (Program->Alignment - 1)) != 0) {
        return "has a segment whose place in the file does not match its alignment";
    }
    if (Program->VirtualAddress < KERNEL_BASE) {
        return "has a segment below the kernel's address space";
    }
    /* The last page stays free, so that no segment's end wraps to zero. */
    if (Program->MemorySize > 0 - PAGE_SIZE - Program->VirtualAddress) {
        return "has a segment that runs past the end of the address space";
    }
    if ((Program->Flags & ELF_READ) == 0 ||
        (Program->Flags & ~(ELF_EXECUTE | ELF_WRITE | ELF_READ)) != 0) {
        return "has a segment with impossible permissions";
    }
    if ((Program->Flags & ELF_WRITE) != 0 && (Program->Flags & ELF_EXECUTE) != 0) {
        return "has a segment that is both writable and executable";
    }
    return NULL;
}

/* Adds a checked segment to the list, unless it shares a page with another one. */
static const char *AddSegment(ELF_IMAGE *Image, const ELF_PROGRAM_HEADER *Program)
{
    uint64_t base = Program->VirtualAddress;
    uint64_t pages = (Program->MemorySize + PAGE_MASK) / PAGE_SIZE;
    ELF_SEGMENT *segment;

    for (uint32_t i = 0; i < Image->SegmentCount; i++) {
        segment = &Image->Segments[i];
        if (base < segment->VirtualBase + segment->Pages * PAGE_SIZE &&
            segment->VirtualBase < base + pages * PAGE_SIZE) {
            return "has two segments in the same page";
        }
    }
    if (Image->SegmentCount == BOOT_MAX_SEGMENTS) {
        return "has too many loadable segments";
    }
    segment = &Image->Segments[Image->SegmentCount++];
    segment->VirtualBase = base;
    segment->Pages = pages;
    segment->FileOffset = Program->FileOffset;
    segment->FileSize = Program->FileSize;
    segment->Flags = Program->Flags;
    return NULL;
}

static const char *ListSegments(const ELF_HEADER *Header, uint64_t Size, ELF_IMAGE *Image)
{
    const ELF_PROGRAM_HEADER *program =
        (const ELF_PROGRAM_HEADER *)((const uint8_t *)Header + Header->ProgramHeaderOffset);
    const char *problem;

    Image->SegmentCount = 0;
    for (uint32_t i = 0; i < Header->ProgramHeaderCount; i++, program++) {
        if (program->Type == ELF_DYNAMIC || program->Type == ELF_INTERPRETER) {
            return "is dynamically linked; a kernel needs to be linked statically";
        }
        if (program->Type != ELF_LOAD) {
            continue;
        }
        problem = CheckSegment(program, Size);
        if (problem == NULL && program->MemorySize != 0) {
            problem = AddSegment(Image, program);
        }
        if (problem != NULL) {
            return problem;
        }
    }
    return Image->SegmentCount != 0 ? NULL : "has no loadable segments";
}

static const char *CheckEntry(const ELF_IMAGE *Image)
{
    for (uint32_t i = 0; i < Image->SegmentCount; i++) {
        const ELF_SEGMENT *segment = &Image->Segments[i];

        if ((segment->Flags & ELF_EXECUTE) != 0 && Image->Entry >= segment->VirtualBase &&
            Image->Entry - segment->VirtualBase < segment->FileSize) {
            return NULL;
        }
    }
    return "has its entry point outside of its code";
}

const char *ElfCheck(const void *File, uint64_t Size, ELF_IMAGE *Image)
{
    const ELF_HEADER *header = File;
    const char *problem;

    if (Size == 0) {
        return "is empty";
    }
    if (Size < sizeof(ELF_HEADER)) {
        return "is too short for an ELF file";
    }
    problem = CheckIdentification(header->Identification);
    if (problem == NULL) {
        problem = CheckHeader(header, Size);
    }
    if (problem == NULL) {
        problem = CheckSectionTable(header, Size);
    }
    if (problem == NULL) {
        problem = ListSegments(header, Size, Image);
    }
    if (problem == NULL) {
        Image->Entry = header->Entry;
        problem = CheckEntry(Image);
    }
    return problem;
}
