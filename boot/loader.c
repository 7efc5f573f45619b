/*
 * The UEFI loader: reads \metronome\boot.cfg, the kernel and the drivers from the partition that
 * it came from, leaves the firmware and jumps to the kernel's entry with a BOOT_INFO.
 *
 * efi_main reads like a table of contents; whatever goes wrong ends in Stop.
 */
#include "loader.h"

#include "config.h"
#include "elf.h"
#include "memmap.h"
#include "paging.h"

#define CONFIG_PATH  "\\metronome\\boot.cfg"
#define CONFIG_LIMIT 65536 /* bytes of a boot.cfg that is one */
#define STACK_PAGES  16    /* the kernel's first stack */
#define FOUR_GIB     (1ULL << 32)

/* What the final memory map may have more than the first one: the loader allocates in between. */
#define MAP_SPARE_PAGES 4

#define EXIT_ATTEMPTS 8

_Static_assert(sizeof(FIRMWARE_RANGE) == sizeof(EFI_MEMORY_DESCRIPTOR), "memory descriptor");
_Static_assert(offsetof(FIRMWARE_RANGE, Pages) == offsetof(EFI_MEMORY_DESCRIPTOR, NumberOfPages),
               "memory descriptor");

static BOOT_CONFIG Config;

/* The buffer for the firmware's memory map; it is filled twice. */
static void *MapBuffer;
static UINT64 MapBufferSize;

static UINT64 DirectAddress(const void *Pointer)
{
    return DIRECT_MAP_BASE + (UINT64)Pointer;
}

/* The kernel's tables need the no-execute bit and four levels. */
static void CheckProcessor(void)
{
    UINT32 a = 0x80000001, b, c, d;
    UINT64 cr4;

    __asm__ volatile("cpuid" : "+a"(a), "=b"(b), "=c"(c), "=d"(d));
    if ((d & (1u << 20)) == 0) {
        Stop(L"this processor cannot protect data from execution (no NX bit)");
    }
    __asm__ volatile("mov %%cr4, %0" : "=r"(cr4));
    if ((cr4 & (1u << 12)) != 0) {
        Stop(L"the firmware uses five levels of page tables, which the kernel does not know");
    }
}

static void ReadConfig(void)
{
    LOADED_FILE file;
    const char *problem;
    uint32_t line;

    if (!VolumeRead(CONFIG_PATH, TRUE, &file)) {
        Print(L"Metronome loader: no %a, using the defaults\n", CONFIG_PATH);
        ConfigDefaults(&Config);
        return;
    }
    if (file.Size > CONFIG_LIMIT) {
        Stop(L"%a is too long: %ld KiB", CONFIG_PATH, file.Size / 1024);
    }
    problem = ConfigParse(file.Data, file.Size, &Config, &line);
    if (problem != NULL) {
        Stop(L"%a, line %d %a", CONFIG_PATH, line, problem);
    }
    BS->FreePages((EFI_PHYSICAL_ADDRESS)file.Data, file.Pages);
}

static BOOT_INFO *NewBootInfo(void)
{
    UINT64 pages = EFI_SIZE_TO_PAGES(sizeof(BOOT_INFO));
    BOOT_INFO *info = AllocateLoaderPages(pages, 0, "the boot information");

    BS->SetMem(info, pages * EFI_PAGE_SIZE, 0);
    info->Magic = BOOT_INFO_MAGIC;
    info->Version = BOOT_INFO_VERSION;
    info->Size = sizeof(*info);
    BS->CopyMem(info->CommandLine, Config.CommandLine, BOOT_MAX_COMMAND);
    return info;
}

static void LoadSegment(BOOT_INFO *Info, const ELF_SEGMENT *Segment, const LOADED_FILE *File)
{
    BOOT_SEGMENT *target = &Info->Segments[Info->SegmentCount++];
    /* The image holds page tables that a starting processor loads with 32-bit instructions. */
    UINT8 *memory = AllocateLoaderPages(Segment->Pages, FOUR_GIB, "the kernel");

    BS->CopyMem(memory, (UINT8 *)File->Data + Segment->FileOffset, Segment->FileSize);
    BS->SetMem(memory + Segment->FileSize, Segment->Pages * EFI_PAGE_SIZE - Segment->FileSize, 0);
    target->VirtualBase = Segment->VirtualBase;
    target->PhysicalBase = (UINT64)memory;
    target->Pages = Segment->Pages;
    target->Flags = Segment->Flags;
}

/* Returns the kernel's entry point. */
static UINT64 LoadKernel(BOOT_INFO *Info)
{
    LOADED_FILE file;
    ELF_IMAGE image;
    const char *problem;

    VolumeRead(Config.Kernel, FALSE, &file);
    problem = ElfCheck(file.Data, file.Size, &image);
    if (problem != NULL) {
        Stop(L"%a %a", Config.Kernel, problem);
    }
    Print(L"Metronome loader: kernel %a, %ld KiB\n", Config.Kernel, (file.Size + 1023) / 1024);
    for (uint32_t i = 0; i < image.SegmentCount; i++) {
        LoadSegment(Info, &image.Segments[i], &file);
    }
    BS->FreePages((EFI_PHYSICAL_ADDRESS)file.Data, file.Pages);
    return image.Entry;
}

static void LoadDrivers(BOOT_INFO *Info)
{
    for (uint32_t i = 0; i < Config.DriverCount; i++) {
        BOOT_FILE *target = &Info->Files[Info->FileCount++];
        const char *name = ConfigFileName(Config.Drivers[i]);
        LOADED_FILE file;

        VolumeRead(Config.Drivers[i], FALSE, &file);
        if (file.Size == 0) {
            Stop(L"%a is empty", Config.Drivers[i]);
        }
        target->PhysicalBase = (UINT64)file.Data;
        target->Size = file.Size;
        BS->CopyMem(target->Name, (void *)name, strlena((const CHAR8 *)name)); /* zeros follow */
    }
}

/* Reads the firmware's memory map into MapBuffer. */
static EFI_STATUS ReadMap(FIRMWARE_MAP *Map, UINTN *Key)
{
    UINTN size = MapBufferSize, rangeSize;
    UINT32 version;
    EFI_STATUS status = BS->GetMemoryMap(&size, MapBuffer, Key, &rangeSize, &version);

    Map->Ranges = MapBuffer;
    Map->Size = size;
    Map->RangeSize = rangeSize;
    return status;
}

/* Makes the buffer for the memory map and finds out how much the direct map has to cover. */
static void PrepareMap(BOOT_INFO *Info)
{
    FIRMWARE_MAP map;
    UINTN key;
    UINT64 pages;
    EFI_STATUS status;

    (void)ReadMap(&map, &key); /* there is no buffer yet: tells the size only */
    pages = EFI_SIZE_TO_PAGES(map.Size) + MAP_SPARE_PAGES;
    MapBuffer = AllocateLoaderPages(pages, 0, "the memory map");
    MapBufferSize = pages * EFI_PAGE_SIZE;
    status = ReadMap(&map, &key);
    if (EFI_ERROR(status)) {
        Stop(L"the firmware does not tell its memory map (%r)", status);
    }
    Info->PhysicalLimit = MemMapLimit(&map);
    if (Info->PhysicalLimit > PAGING_MAX_LIMIT) {
        Stop(L"this machine has memory at higher addresses than the kernel can map");
    }
}

/*
 * Takes the machine over from the firmware. The memory map has to be the current one when
 * ExitBootServices is called; a timer event of the firmware may change it in between, then it is
 * read again. From the first attempt on, nothing but the memory services may be called.
 */
static void LeaveFirmware(EFI_HANDLE Image, BOOT_INFO *Info)
{
    for (int attempt = 0; attempt < EXIT_ATTEMPTS; attempt++) {
        FIRMWARE_MAP map;
        UINTN key;
        EFI_STATUS status = ReadMap(&map, &key);
        const char *problem = "cannot be read";

        if (!EFI_ERROR(status)) {
            problem = MemMapConvert(&map, Info);
        }
        if (problem != NULL) {
            if (attempt == 0) {
                Stop(L"the memory map %a", problem);
            }
            StopSilently();
        }
        if (!EFI_ERROR(BS->ExitBootServices(Image, key))) {
            return;
        }
    }
    StopSilently();
}

EFI_STATUS efi_main(EFI_HANDLE Image, EFI_SYSTEM_TABLE *SystemTable)
{
    BOOT_INFO *info;
    UINT64 entry, cr3;
    UINT8 *stack;
    void *tables;

    InitializeLib(Image, SystemTable);
    StopInitialize(Image);
    CheckProcessor();
    VolumeOpen(Image);
    ReadConfig();
    info = NewBootInfo();
    entry = LoadKernel(info);
    LoadDrivers(info);
    GatherAcpi(info);
    GatherFramebuffer(info);
    GatherProcessorStartPage(info);
    PrepareMap(info);
    stack = AllocateLoaderPages(STACK_PAGES, 0, "the kernel's stack");
    tables = AllocateLoaderPages(PagingPageCount(info), FOUR_GIB, "the page tables");
    cr3 = PagingBuild(tables, info);
    GatherTime(info);
    LeaveFirmware(Image, info);
    JumpToKernel(cr3, DirectAddress(stack + STACK_PAGES * EFI_PAGE_SIZE), DirectAddress(info),
                 entry);
}
