/* What the loader hands to the kernel: the only structure that both of them know. */
#ifndef METRONOME_BOOTINFO_H
#define METRONOME_BOOTINFO_H

#include <stdint.h>

#define BOOT_INFO_MAGIC   0x4D4F4E4F5254454DULL /* "METRONOM" */
#define BOOT_INFO_VERSION 1

/* Physical address p is readable and writable at DIRECT_MAP_BASE + p. */
#define DIRECT_MAP_BASE 0xFFFF800000000000ULL

/* The kernel is linked here; linker.ld says the same number. */
#define KERNEL_BASE 0xFFFFFFFF80000000ULL

enum BootMemoryType {
    BootMemoryFree,   /* the kernel may use it */
    BootMemoryKernel, /* the kernel's image: mapped at its link address only */
    BootMemoryLoader, /* this structure, page tables, stack, driver files: in use until released */
    BootMemoryAcpi,   /* ACPI tables: read-only to the kernel */
    BootMemoryReserved, /* firmware run-time services, NVS, unknown */
    BootMemoryDevice    /* memory-mapped devices */
};

typedef struct _BOOT_MEMORY_RANGE {
    uint64_t Base;  /* physical, in bytes, a multiple of 4096 */
    uint64_t Pages; /* of 4096 bytes */
    uint32_t Type;  /* enum BootMemoryType */
    uint32_t Reserved;
} BOOT_MEMORY_RANGE;

/* A part of the kernel's image as the loader has mapped it. */
typedef struct _BOOT_SEGMENT {
    uint64_t VirtualBase;
    uint64_t PhysicalBase;
    uint64_t Pages;
    uint32_t Flags; /* ELF's PF_X 1, PF_W 2, PF_R 4 */
    uint32_t Reserved;
} BOOT_SEGMENT;

typedef struct _BOOT_FRAMEBUFFER {
    uint64_t Base;          /* physical; 0 when there is none */
    uint32_t Width, Height; /* in pixels */
    uint32_t PixelsPerScanLine;
    uint32_t BlueFirst; /* 1: bytes are blue, green, red, unused; 0: red first */
} BOOT_FRAMEBUFFER;

/* A file that the loader has read for the kernel (a driver image). */
typedef struct _BOOT_FILE {
    uint64_t PhysicalBase;
    uint64_t Size; /* in bytes */
    char Name[64]; /* without its folder, zero-terminated */
} BOOT_FILE;

#define BOOT_MAX_RANGES   512
#define BOOT_MAX_SEGMENTS 8
#define BOOT_MAX_FILES    32
#define BOOT_MAX_COMMAND  1024

/*
 * Lives in BootMemoryLoader pages. RCX points to it, through the direct map, when the kernel's
 * entry point is called (Microsoft x64 convention, interrupts off, paging on, the kernel's
 * segments mapped with their permissions, all memory below PhysicalLimit mapped both at its own
 * address and at DIRECT_MAP_BASE, and RSP on a stack of at least 32 KiB in BootMemoryLoader pages
 * that is addressed through the direct map).
 */
typedef struct _BOOT_INFO {
    uint64_t Magic;
    uint32_t Version;
    uint32_t Size;               /* sizeof(BOOT_INFO) */
    uint64_t PhysicalLimit;      /* first physical byte that is not direct-mapped; at least 4 GiB */
    uint64_t AcpiRootPointer;    /* physical address of the RSDP, 0 when the firmware has none */
    uint64_t AcpiRevision;       /* 1: RSDP 1.0; 2: RSDP 2.0 or later */
    uint64_t ProcessorStartPage; /* below 1 MiB, for starting processors (a BootMemoryLoader page);
                                    0: none */
    int64_t FirmwareTime; /* UTC since 1601 in 100 ns when FirmwareCounter was read, 0: unknown */
    uint64_t FirmwareCounter; /* RDTSC at FirmwareTime */
    BOOT_FRAMEBUFFER Framebuffer;
    uint32_t RangeCount;
    uint32_t SegmentCount;
    uint32_t FileCount;
    uint32_t Reserved;
    BOOT_MEMORY_RANGE Ranges[BOOT_MAX_RANGES]; /* sorted by Base, without overlaps */
    BOOT_SEGMENT Segments[BOOT_MAX_SEGMENTS];
    BOOT_FILE Files[BOOT_MAX_FILES];
    char CommandLine[BOOT_MAX_COMMAND]; /* zero-terminated */
} BOOT_INFO;

#endif
