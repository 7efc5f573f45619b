/*
 * The headers of a driver's file: nothing behind them is looked at before they make sense. Any
 * IRQL, no lock; allocates nothing. Offsets and sizes in a file have 32 bits and are added in 64.
 */
#include "ldr/pe.h"
#include "ntstatus.h"
#include "rtl.h"

#define DOS_HEADER_SIZE  64
#define DOS_NEW_HEADER   60 /* where the offset of PE_HEADERS stands */
#define MAX_ALIGNMENT    0x10000u
#define MIN_FILE_SECTOR  512u
#define BASE_ALIGNMENT   0x10000u
#define HEADER_ALIGNMENT 8

/* The file, and what has been found out so far. */
typedef struct _READER {
    const UCHAR *File;
    SIZE_T Size;
    const PE_HEADERS *Headers;
    const PE_SECTION_HEADER *Sections;
    PLDR_IMAGE Image;
    PLDR_PROBLEM Problem;
} READER;

#define REFUSE(...) LdrpRefuse(Reader->Problem, STATUS_INVALID_IMAGE_FORMAT, __VA_ARGS__)

/* Writes down why; returns FALSE, so that a check can say `return LdrpRefuse(...)`. */
BOOLEAN LdrpRefuse(PLDR_PROBLEM Problem, NTSTATUS Status, PCSTR Format, ...)
{
    va_list arguments;

    va_start(arguments, Format);
    RtlStringPrintV(Problem->Sentence, sizeof(Problem->Sentence), Format, arguments);
    va_end(arguments);
    Problem->Status = Status;
    return FALSE;
}

static BOOLEAN IsPowerOfTwo(ULONG Value)
{
    return Value != 0 && (Value & (Value - 1)) == 0;
}

/* The checksum of an image: the sum of its 16-bit words with end-around carry, and its length. */
ULONG LdrpCheckSum(const UCHAR *File, SIZE_T Size, SIZE_T FieldOffset)
{
    ULONG sum = 0;

    for (SIZE_T i = 0; i < Size; i += 2) {
        if (i == FieldOffset || i == FieldOffset + 2)
            continue; /* the field itself counts as zero */
        sum += File[i] + (i + 1 < Size ? (ULONG)File[i + 1] << 8 : 0);
        sum = (sum & 0xFFFF) + (sum >> 16);
    }
    return sum + (ULONG)Size;
}

static BOOLEAN FindHeaders(READER *Reader)
{
    USHORT magic;
    ULONG offset;

    if (Reader->Size < DOS_HEADER_SIZE)
        return REFUSE("is too short for an image: it has %llu bytes", (ULONG64)Reader->Size);
    memcpy(&magic, Reader->File, sizeof(magic));
    if (magic != PE_DOS_MAGIC)
        return REFUSE("is no image: it does not begin with MZ");
    memcpy(&offset, Reader->File + DOS_NEW_HEADER, sizeof(offset));
    if (offset % HEADER_ALIGNMENT != 0)
        return REFUSE("has its header at the offset 0x%x, which is no multiple of 8", offset);
    if ((ULONG64)offset + sizeof(PE_HEADERS) > Reader->Size)
        return REFUSE("is cut off: its header at the offset 0x%x lies behind its end", offset);
    Reader->Headers = (const PE_HEADERS *)(Reader->File + offset);
    if (Reader->Headers->Signature != PE_SIGNATURE)
        return REFUSE("is no image: it has no PE signature");
    return TRUE;
}

static BOOLEAN CheckMachine(const READER *Reader)
{
    USHORT machine = Reader->Headers->File.Machine;

    if (machine == PE_MACHINE_X86)
        return LdrpRefuse(Reader->Problem, STATUS_INVALID_IMAGE_WIN_32,
                          "is made for the 32-bit x86 (machine 0x%x), not for x86-64", machine);
    if (machine != PE_MACHINE_X64)
        return REFUSE("is made for another machine (0x%x), not for x86-64 (0x%x)", machine,
                      PE_MACHINE_X64);
    return TRUE;
}

static BOOLEAN CheckKind(const READER *Reader)
{
    const PE_FILE_HEADER *file = &Reader->Headers->File;
    const PE_OPTIONAL_HEADER *optional = &Reader->Headers->Optional;

    if (optional->Magic != PE_MAGIC_64)
        return REFUSE("has a header of the kind 0x%x, not PE32+ (0x%x)", optional->Magic,
                      PE_MAGIC_64);
    if (file->SizeOfOptionalHeader != sizeof(PE_OPTIONAL_HEADER) ||
        optional->NumberOfRvaAndSizes != PeDirectoryCount)
        return REFUSE("has an optional header of %u bytes with %u directories, not of 240 with 16",
                      file->SizeOfOptionalHeader, optional->NumberOfRvaAndSizes);
    if ((file->Characteristics & PE_EXECUTABLE) == 0)
        return REFUSE("was not linked completely: it is not marked as executable");
    if (file->Characteristics & PE_RELOCATIONS_STRIPPED)
        return REFUSE("was linked for one address only: its relocations were taken out");
    if (optional->Subsystem != PE_SUBSYSTEM_NATIVE)
        return REFUSE("is a program for subsystem %u, not a driver (native, 1)",
                      optional->Subsystem);
    return TRUE;
}

static BOOLEAN CheckSizes(const READER *Reader)
{
    const PE_OPTIONAL_HEADER *optional = &Reader->Headers->Optional;

    if (!IsPowerOfTwo(optional->SectionAlignment) || optional->SectionAlignment < PAGE_SIZE ||
        optional->SectionAlignment > MAX_ALIGNMENT)
        return REFUSE("aligns its sections to 0x%x bytes, not to pages",
                      optional->SectionAlignment);
    if (!IsPowerOfTwo(optional->FileAlignment) || optional->FileAlignment < MIN_FILE_SECTOR ||
        optional->FileAlignment > MAX_ALIGNMENT)
        return REFUSE("has the file alignment 0x%x, which is not allowed", optional->FileAlignment);
    if (optional->SizeOfImage == 0 || optional->SizeOfImage % optional->SectionAlignment != 0)
        return REFUSE("has the size 0x%x in memory, which is no multiple of its alignment",
                      optional->SizeOfImage);
    if (optional->SizeOfImage > LDR_MAX_IMAGE_SIZE)
        return REFUSE("is larger in memory (0x%x bytes) than this kernel takes (0x%x)",
                      optional->SizeOfImage, LDR_MAX_IMAGE_SIZE);
    if (optional->ImageBase % BASE_ALIGNMENT != 0)
        return REFUSE("has the base address 0x%llx, which is no multiple of 64 KiB",
                      optional->ImageBase);
    return TRUE;
}

/* Finds the section headers, which lie behind PE_HEADERS and inside what counts as headers. */
static BOOLEAN CheckHeaderSize(READER *Reader)
{
    const PE_OPTIONAL_HEADER *optional = &Reader->Headers->Optional;
    ULONG count = Reader->Headers->File.NumberOfSections;
    SIZE_T begin = (SIZE_T)((const UCHAR *)(Reader->Headers + 1) - Reader->File);
    SIZE_T end = begin + count * sizeof(PE_SECTION_HEADER);

    if (count == 0 || count > LDR_MAX_SECTIONS)
        return REFUSE("has %u sections; there may be 1 to %u", count, LDR_MAX_SECTIONS);
    if (end > Reader->Size || optional->SizeOfHeaders > Reader->Size)
        return REFUSE("is cut off in its headers: it has %llu bytes", (ULONG64)Reader->Size);
    if (optional->SizeOfHeaders < end || optional->SizeOfHeaders > optional->SizeOfImage)
        return REFUSE("says that its headers have 0x%x bytes, which cannot be",
                      optional->SizeOfHeaders);
    Reader->Sections = (const PE_SECTION_HEADER *)(Reader->File + begin);
    return TRUE;
}

static BOOLEAN CheckSumIsRight(const READER *Reader)
{
    const UCHAR *field = (const UCHAR *)&Reader->Headers->Optional.CheckSum;
    ULONG sum = Reader->Headers->Optional.CheckSum; /* 0: the linker has not made one */

    if (sum == 0 || sum == LdrpCheckSum(Reader->File, Reader->Size, field - Reader->File))
        return TRUE;
    return LdrpRefuse(Reader->Problem, STATUS_IMAGE_CHECKSUM_MISMATCH,
                      "is damaged: its checksum is not the 0x%x that its header says", sum);
}

/* A section's name for a sentence; names are not zero-terminated and may be anything. */
static VOID CopyName(PCHAR Name, const CHAR *Source)
{
    for (ULONG i = 0; i < 8; i++)
        Name[i] = Source[i] == 0 || (Source[i] >= ' ' && Source[i] <= '~') ? Source[i] : '?';
    Name[8] = 0;
}

/* Reads a section that begins at or behind the RVA End of the one before. */
static BOOLEAN ReadSection(const READER *Reader, const PE_SECTION_HEADER *Header, ULONG End,
                           PLDR_SECTION Section)
{
    ULONG bytes = Header->VirtualSize ? Header->VirtualSize : Header->SizeOfRawData;
    ULONG64 size = ALIGN_UP_BY((ULONG64)bytes, PAGE_SIZE);

    CopyName(Section->Name, Header->Name);
    Section->Rva = Header->VirtualAddress;
    Section->Write = (Header->Characteristics & PE_SECTION_WRITE) != 0;
    Section->Execute = (Header->Characteristics & PE_SECTION_EXECUTE) != 0;
    if (Section->Rva % Reader->Headers->Optional.SectionAlignment != 0 || Section->Rva < End)
        return REFUSE("has its section %s at 0x%x, not on pages behind the one before",
                      Section->Name, Section->Rva);
    if (size == 0 || Section->Rva + size > Reader->Headers->Optional.SizeOfImage)
        return REFUSE("has a section %s of 0x%x bytes at 0x%x, which is not inside the image",
                      Section->Name, bytes, Section->Rva);
    if (Section->Write && Section->Execute)
        return REFUSE("has a section %s that is both writable and executable", Section->Name);
    Section->Size = (ULONG)size;
    Section->FileOffset = Header->PointerToRawData;
    Section->FileSize =
        Header->SizeOfRawData < Section->Size ? Header->SizeOfRawData : Section->Size;
    if (Section->FileOffset == 0)
        Section->FileSize = 0; /* zeros alone */
    if ((ULONG64)Section->FileOffset + Section->FileSize > Reader->Size)
        return REFUSE("is cut off: its section %s ends at 0x%llx, the file at 0x%llx",
                      Section->Name, (ULONG64)Section->FileOffset + Section->FileSize,
                      (ULONG64)Reader->Size);
    return TRUE;
}

static BOOLEAN ReadSections(const READER *Reader)
{
    PLDR_IMAGE image = Reader->Image;
    ULONG end = (ULONG)ALIGN_UP_BY(Reader->Headers->Optional.SizeOfHeaders, PAGE_SIZE);

    image->SectionCount = Reader->Headers->File.NumberOfSections;
    for (ULONG i = 0; i < image->SectionCount; i++) {
        PLDR_SECTION section = &image->Sections[i];

        if (!ReadSection(Reader, &Reader->Sections[i], end, section))
            return FALSE;
        end = section->Rva + section->Size;
    }
    return TRUE;
}

static BOOLEAN CheckEntry(const READER *Reader)
{
    ULONG entry = Reader->Headers->Optional.AddressOfEntryPoint;

    for (ULONG i = 0; i < Reader->Image->SectionCount; i++) {
        const LDR_SECTION *section = &Reader->Image->Sections[i];

        if (section->Execute && entry >= section->Rva && entry - section->Rva < section->Size)
            return TRUE;
    }
    return REFUSE("has its entry point at 0x%x, where there is no code", entry);
}

/* A directory that drivers may have. */
static BOOLEAN ReadDirectory(const READER *Reader, ULONG Index, PCSTR Name, PE_DIRECTORY *Directory)
{
    *Directory = Reader->Headers->Optional.Directories[Index];
    if (Directory->Size == 0 ||
        (ULONG64)Directory->Rva + Directory->Size <= Reader->Headers->Optional.SizeOfImage)
        return TRUE;
    return REFUSE("has its %s at 0x%x, 0x%x bytes, which is not inside the image", Name,
                  Directory->Rva, Directory->Size);
}

static BOOLEAN ReadDirectories(const READER *Reader)
{
    const PE_DIRECTORY *all = Reader->Headers->Optional.Directories;
    PLDR_IMAGE image = Reader->Image;

    if (all[PeThreadStorage].Size != 0)
        return REFUSE("has thread-local storage, which no driver can have");
    if (all[PeDelayedImports].Size != 0)
        return REFUSE("has imports that are to be bound later, which no driver can have");
    if (all[PeManagedCode].Size != 0)
        return REFUSE("contains managed code, which no driver can");
    return ReadDirectory(Reader, PeImports, "import table", &image->Imports) &&
           ReadDirectory(Reader, PeRelocations, "relocations", &image->Relocations) &&
           ReadDirectory(Reader, PeExceptions, "unwind table", &image->Exceptions);
}

/* Symbols are for people: a table that does not lie in the file is left out. */
static VOID ReadSymbols(const READER *Reader)
{
    const PE_FILE_HEADER *file = &Reader->Headers->File;
    const ULONG64 recordSize = 18;
    ULONG64 size = file->NumberOfSymbols * recordSize;

    if (file->PointerToSymbolTable == 0 || file->PointerToSymbolTable + size > Reader->Size)
        return;
    Reader->Image->SymbolOffset = file->PointerToSymbolTable;
    Reader->Image->SymbolCount = file->NumberOfSymbols;
}

/* Checks a whole file, which lies at a multiple of 8, and says what it contains. */
BOOLEAN LdrpCheckFile(const VOID *File, SIZE_T Size, PLDR_IMAGE Image, PLDR_PROBLEM Problem)
{
    READER reader = {.File = File, .Size = Size, .Image = Image, .Problem = Problem};

    memset(Image, 0, sizeof(*Image));
    if (!FindHeaders(&reader) || !CheckMachine(&reader) || !CheckKind(&reader) ||
        !CheckSizes(&reader) || !CheckHeaderSize(&reader) || !ReadSections(&reader) ||
        !CheckEntry(&reader) || !ReadDirectories(&reader) || !CheckSumIsRight(&reader))
        return FALSE;
    ReadSymbols(&reader);
    Image->PreferredBase = reader.Headers->Optional.ImageBase;
    Image->Size = reader.Headers->Optional.SizeOfImage;
    Image->HeaderSize = reader.Headers->Optional.SizeOfHeaders;
    Image->Entry = reader.Headers->Optional.AddressOfEntryPoint;
    return TRUE;
}
