/* The kernel's file as the loader sees it: checked once, then a short list of segments. */
#ifndef METRONOME_BOOT_ELF_H
#define METRONOME_BOOT_ELF_H

#include "bootinfo.h"

/* The first bytes of an ELF64 file. */
typedef struct _ELF_HEADER {
    uint8_t Identification[16];
    uint16_t Type;
    uint16_t Machine;
    uint32_t Version;
    uint64_t Entry;
    uint64_t ProgramHeaderOffset;
    uint64_t SectionHeaderOffset;
    uint32_t Flags;
    uint16_t HeaderSize;
    uint16_t ProgramHeaderSize;
    uint16_t ProgramHeaderCount;
    uint16_t SectionHeaderSize;
    uint16_t SectionHeaderCount;
    uint16_t SectionNameIndex;
} ELF_HEADER;

/* One entry of the program header table. */
typedef struct _ELF_PROGRAM_HEADER {
    uint32_t Type;
    uint32_t Flags;
    uint64_t FileOffset;
    uint64_t VirtualAddress;
    uint64_t PhysicalAddress;
    uint64_t FileSize;
    uint64_t MemorySize;
    uint64_t Alignment;
} ELF_PROGRAM_HEADER;

#define ELF_LOAD        1 /* program header types */
#define ELF_DYNAMIC     2
#define ELF_INTERPRETER 3

#define ELF_EXECUTE 1u /* segment flags */
#define ELF_WRITE   2u
#define ELF_READ    4u

/* A part of the file that becomes memory. Pages * 4096 >= FileSize; the rest is zeros. */
typedef struct _ELF_SEGMENT {
    uint64_t VirtualBase; /* a multiple of 4096, at KERNEL_BASE or above */
    uint64_t Pages;       /* of 4096 bytes, at least 1 */
    uint64_t FileOffset;
    uint64_t FileSize; /* in bytes */
    uint32_t Flags;    /* ELF_EXECUTE, ELF_WRITE, ELF_READ; never the first two together */
} ELF_SEGMENT;

typedef struct _ELF_IMAGE {
    uint64_t Entry; /* virtual, inside a segment with ELF_EXECUTE */
    uint32_t SegmentCount;
    ELF_SEGMENT Segments[BOOT_MAX_SEGMENTS]; /* in the file's order, no two share a page */
} ELF_IMAGE;

/*
 * Checks a whole file of Size bytes, aligned to 8, and lists its loadable segments in Image.
 *
 * Returns: NULL if the file can be loaded; else what is wrong, as the end of a sentence that
 *          begins with the file's name. Image is then undefined.
 */
const char *ElfCheck(const void *File, uint64_t Size, ELF_IMAGE *Image);

#endif
