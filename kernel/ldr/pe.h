/*
 * Images of the format PE32+: what a driver's file contains, and the library that reads it. The
 * library trusts nothing in a file and knows nothing of the kernel: bytes and a length are all
 * that it needs, so it is tested and fuzzed on the host (tests/host/pe.c, tests/fuzz/pe.c).
 *
 * A file becomes an image in five steps, each of which may refuse it with one sentence:
 *
 *     LdrpCheckFile          file                  -> LDR_IMAGE: sections, directories, entry
 *     LdrpLayOut             file, LDR_IMAGE       -> memory in which every part lies at its RVA
 *     LdrpRelocate           memory                -> the same for the address where it will run
 *     LdrpBindImports        memory                -> addresses of the kernel in the import slots
 *     LdrpCheckExceptions    memory                -> the table for unwinding may be believed
 *
 * An RVA is an address relative to the image's first byte.
 */
#ifndef METRONOME_PE_H
#define METRONOME_PE_H

#include "ntdef.h"

/* ---- the format ---- */

#define PE_DOS_MAGIC        0x5A4D     /* "MZ" */
#define PE_SIGNATURE        0x00004550 /* "PE" and two zeros */
#define PE_MAGIC_64         0x20B      /* PE32+ */
#define PE_MACHINE_X86      0x14C
#define PE_MACHINE_X64      0x8664
#define PE_SUBSYSTEM_NATIVE 1

/* PE_FILE_HEADER.Characteristics */
#define PE_RELOCATIONS_STRIPPED 0x0001
#define PE_EXECUTABLE           0x0002

/* PE_SECTION_HEADER.Characteristics */
#define PE_SECTION_EXECUTE 0x20000000u
#define PE_SECTION_WRITE   0x80000000u

typedef struct _PE_FILE_HEADER {
    USHORT Machine;
    USHORT NumberOfSections;
    ULONG TimeDateStamp;
    ULONG PointerToSymbolTable;
    ULONG NumberOfSymbols;
    USHORT SizeOfOptionalHeader;
    USHORT Characteristics;
} PE_FILE_HEADER;

typedef struct _PE_DIRECTORY {
    ULONG Rva;
    ULONG Size; /* in bytes; 0: there is none */
} PE_DIRECTORY;

/* Indexes of PE_OPTIONAL_HEADER.Directories. */
enum {
    PeImports = 1,
    PeExceptions = 3,
    PeRelocations = 5,
    PeThreadStorage = 9,
    PeDelayedImports = 13,
    PeManagedCode = 14,
    PeDirectoryCount = 16
};

typedef struct _PE_OPTIONAL_HEADER {
    USHORT Magic;
    UCHAR LinkerVersion[2];
    ULONG SizeOfCode;
    ULONG SizeOfInitializedData;
    ULONG SizeOfUninitializedData;
    ULONG AddressOfEntryPoint;
    ULONG BaseOfCode;
    ULONG64 ImageBase;
    ULONG SectionAlignment;
    ULONG FileAlignment;
    USHORT Versions[6];
    ULONG Reserved;
    ULONG SizeOfImage;
    ULONG SizeOfHeaders;
    ULONG CheckSum;
    USHORT Subsystem;
    USHORT DllCharacteristics;
    ULONG64 StackAndHeap[4];
    ULONG LoaderFlags;
    ULONG NumberOfRvaAndSizes;
    PE_DIRECTORY Directories[PeDirectoryCount];
} PE_OPTIONAL_HEADER;

typedef struct _PE_HEADERS {
    ULONG Signature;
    PE_FILE_HEADER File;
    PE_OPTIONAL_HEADER Optional;
} PE_HEADERS;

typedef struct _PE_SECTION_HEADER {
    CHAR Name[8];
    ULONG VirtualSize;
    ULONG VirtualAddress;
    ULONG SizeOfRawData;
    ULONG PointerToRawData;
    ULONG PointerToRelocations;
    ULONG PointerToLinenumbers;
    USHORT NumberOfRelocations;
    USHORT NumberOfLinenumbers;
    ULONG Characteristics;
} PE_SECTION_HEADER;

/* One module that is imported from; one with Name = 0 ends the list. */
typedef struct _PE_IMPORT {
    ULONG Lookup; /* RVA of the names' RVAs, 8 bytes each, a zero behind the last; 0: see Slots */
    ULONG TimeDateStamp;
    ULONG ForwarderChain;
    ULONG Name;  /* RVA of the module's name */
    ULONG Slots; /* RVA of what is to be filled in, at first a copy of the lookup table */
} PE_IMPORT;

#define PE_IMPORT_BY_ORDINAL (1ULL << 63)

/* Behind it: 16-bit entries, a type in the upper 4 bits and an offset into the page. */
typedef struct _PE_RELOCATION_BLOCK {
    ULONG Page; /* RVA */
    ULONG Size; /* of header and entries */
} PE_RELOCATION_BLOCK;

enum { PeRelocationNone = 0, PeRelocation64 = 10 };

/* How to unwind the frame of one function, or of a part of one. Sorted by Begin. */
typedef struct _PE_FUNCTION {
    ULONG Begin, End; /* RVAs; End is not part of it */
    ULONG UnwindInfo; /* RVA */
} PE_FUNCTION;

ASSERT_SIZE(PE_FILE_HEADER, 20);
ASSERT_SIZE(PE_OPTIONAL_HEADER, 240);
ASSERT_SIZE(PE_HEADERS, 264);
ASSERT_SIZE(PE_SECTION_HEADER, 40);
ASSERT_SIZE(PE_IMPORT, 20);
ASSERT_SIZE(PE_FUNCTION, 12);

/* ---- what is known of an image ---- */

#define LDR_MAX_SECTIONS   48
#define LDR_MAX_IMAGE_SIZE (16u << 20)
#define LDR_MAX_MODULES    16   /* that an image imports from */
#define LDR_MAX_IMPORTS    4096 /* from each */

typedef struct _LDR_SECTION {
    CHAR Name[9];
    BOOLEAN Write, Execute; /* never both */
    ULONG Rva;              /* a multiple of PAGE_SIZE */
    ULONG Size;             /* in memory, a multiple of PAGE_SIZE */
    ULONG FileOffset;
    ULONG FileSize; /* at most Size; the rest is zeros */
} LDR_SECTION, *PLDR_SECTION;

typedef struct _LDR_IMAGE {
    ULONG64 PreferredBase;
    ULONG Size;       /* in memory, a multiple of PAGE_SIZE */
    ULONG HeaderSize; /* the headers are a part of the image */
    ULONG Entry;      /* RVA, in a section with Execute */
    ULONG SectionCount;
    LDR_SECTION Sections[LDR_MAX_SECTIONS];        /* by Rva, none shares a page with another */
    PE_DIRECTORY Imports, Relocations, Exceptions; /* inside the image, or Size = 0 */
    ULONG SymbolOffset; /* of the COFF symbol table in the file; its names follow it */
    ULONG SymbolCount;  /* 0: there is none */
} LDR_IMAGE, *PLDR_IMAGE;

/* Why a file is refused: the end of a sentence that begins with its name. */
typedef struct _LDR_PROBLEM {
    NTSTATUS Status;
    CHAR Sentence[192];
} LDR_PROBLEM, *PLDR_PROBLEM;

/* ---- pe.c ---- */

BOOLEAN LdrpRefuse(PLDR_PROBLEM Problem, NTSTATUS Status, PCSTR Format, ...);
ULONG LdrpCheckSum(const UCHAR *File, SIZE_T Size, SIZE_T FieldOffset);
BOOLEAN LdrpCheckFile(const VOID *File, SIZE_T Size, PLDR_IMAGE Image, PLDR_PROBLEM Problem);

/* ---- peimage.c ---- */

PUCHAR LdrpAt(const LDR_IMAGE *Image, const VOID *Memory, ULONG64 Rva, SIZE_T Bytes);
VOID LdrpLayOut(const VOID *File, const LDR_IMAGE *Image, PVOID Memory);
BOOLEAN LdrpRelocate(const LDR_IMAGE *Image, PVOID Memory, ULONG64 Base, PLDR_PROBLEM Problem);
BOOLEAN LdrpBindImports(const LDR_IMAGE *Image, PVOID Memory, PLDR_PROBLEM Problem);
BOOLEAN LdrpCheckExceptions(const LDR_IMAGE *Image, const VOID *Memory, PLDR_PROBLEM Problem);

/* ---- pesymbol.c ---- */

/* The function at or before an RVA, by the symbol table of a file that LdrpCheckFile has passed. */
typedef struct _LDR_SYMBOL {
    PCSTR Name; /* not zero-terminated */
    ULONG Length;
    ULONG Rva;
    const LDR_SECTION *Section;
} LDR_SYMBOL;

/* Calls Visit for each function of the symbol table. */
typedef VOID LDR_SYMBOL_VISITOR(const LDR_SYMBOL *Symbol, PVOID Context);
VOID LdrpVisitSymbols(const VOID *File, SIZE_T Size, const LDR_IMAGE *Image,
                      LDR_SYMBOL_VISITOR *Visit, PVOID Context);

BOOLEAN LdrpFindSymbol(const VOID *File, SIZE_T Size, const LDR_IMAGE *Image, ULONG Rva,
                       LDR_SYMBOL *Symbol);

#endif
