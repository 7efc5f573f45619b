/*
 * Drivers' files become images, and go again. An image is a block of pages that is written
 * through the direct map, where nothing can be executed, and mapped a second time at an address
 * of its own, each section with its rights: there no page is writable and executable.
 *
 * The reading functions run at any IRQL and need no lock: a file's entry never goes away, and
 * its image is announced by Base when all of it is there.
 */
#include "ldr.h"
#include "ldr/ldrp.h"
#include "ke.h"
#include "ex.h"
#include "bootinfo.h"

LDR_FILE LdrFiles[BOOT_MAX_FILES];
ULONG LdrFileCount;

/* "timer.sys" is the driver timer. */
static VOID MakeName(PCHAR Name, PCSTR FileName)
{
    SIZE_T length;

    strcpy(Name, FileName);
    length = strlen(Name);
    if (length > 4 && LdrpIsFileName(Name + length - 4, ".sys"))
        Name[length - 4] = 0;
}

/*
 * Takes over the files that the loader has read.
 *
 * IRQL:    PASSIVE_LEVEL
 * Locks:   none
 * Context: the start of the system
 * Returns: nothing
 */
VOID LdrInitialize(const struct _BOOT_INFO *BootInfo)
{
    KI_REQUIRE_IRQL_AT_MOST(PASSIVE_LEVEL, RULE_IRQL_IO_PASSIVE, "IrqlIoPassive1", BootInfo);

    for (ULONG i = 0; i < BootInfo->FileCount; i++) {
        PLDR_FILE file = &LdrFiles[i];

        MakeName(file->Name, BootInfo->Files[i].Name);
        file->Data = ArchPhysicalToVirtual(BootInfo->Files[i].PhysicalBase);
        file->Size = BootInfo->Files[i].Size;
    }
    LdrFileCount = BootInfo->FileCount;
}

/*
 * The file of a driver; the first one if there are several of one name.
 *
 * IRQL:    any
 * Locks:   none
 * Context: any
 * Returns: NULL if there is none
 */
PLDR_FILE LdrFindFile(PCSTR Name)
{
    for (ULONG i = 0; i < LdrFileCount; i++)
        if (strcmp(LdrFiles[i].Name, Name) == 0)
            return &LdrFiles[i];
    return NULL;
}

/*
 * The file whose image contains an address.
 *
 * IRQL:    any
 * Locks:   none
 * Context: any
 * Returns: NULL if there is none
 */
PLDR_FILE LdrFindByAddress(const VOID *Address)
{
    for (ULONG i = 0; i < LdrFileCount; i++) {
        PLDR_FILE file = &LdrFiles[i];
        PVOID base = __atomic_load_n(&file->Base, __ATOMIC_ACQUIRE);

        if (base && (ULONG_PTR)Address - (ULONG_PTR)base < file->Image.Size)
            return file;
    }
    return NULL;
}

/*
 * The file whose image contained an address before it was unloaded. Only the latest image of each
 * file is remembered, which is what a timer or a thread that was forgotten leads to.
 *
 * IRQL:    any
 * Locks:   none
 * Context: any
 * Returns: NULL if there is none
 */
PLDR_FILE LdrFindUnloaded(const VOID *Address)
{
    for (ULONG i = 0; i < LdrFileCount; i++) {
        PLDR_FILE file = &LdrFiles[i];
        PVOID base = file->LastBase;

        if (base && (ULONG_PTR)Address - (ULONG_PTR)base < file->Image.Size)
            return file;
    }
    return NULL;
}

/* ---- loading ---- */

static BOOLEAN RefuseMemory(PLDR_FILE File)
{
    return LdrpRefuse(&File->Problem, STATUS_INSUFFICIENT_RESOURCES,
                      "needs 0x%x bytes of memory, which there are not", File->Image.Size);
}

/* Fills in the pages for an image that is going to run at Base. */
static BOOLEAN MakeImage(PLDR_FILE File, PVOID Base)
{
    LdrpLayOut(File->Data, &File->Image, File->Memory);
    return LdrpRelocate(&File->Image, File->Memory, (ULONG_PTR)Base, &File->Problem) &&
           LdrpBindImports(&File->Image, File->Memory, &File->Problem) &&
           LdrpCheckExceptions(&File->Image, File->Memory, &File->Problem);
}

/* The headers and the sections; what lies between them stays unmapped. */
static BOOLEAN MapImage(PLDR_FILE File, PUCHAR Base)
{
    PUCHAR memory = File->Memory;

    if (!ArchMapImagePages(Base, memory, File->Image.HeaderSize, FALSE, FALSE))
        return RefuseMemory(File);
    for (ULONG i = 0; i < File->Image.SectionCount; i++) {
        const LDR_SECTION *section = &File->Image.Sections[i];

        if (!ArchMapImagePages(Base + section->Rva, memory + section->Rva, section->Size,
                               section->Write, section->Execute))
            return RefuseMemory(File);
    }
    return TRUE;
}

static BOOLEAN LoadImage(PLDR_FILE File)
{
    PVOID base;

    if (!LdrpCheckFile(File->Data, File->Size, &File->Image, &File->Problem))
        return FALSE;
    base = ArchReserveImageSpace(File->Image.Size);
    File->Memory = MmAllocatePages(File->Image.Size / PAGE_SIZE);
    if (!base || !File->Memory)
        return RefuseMemory(File);
    if (!MakeImage(File, base))
        return FALSE;
    if (!MapImage(File, base)) {
        ArchUnmapImage(base, File->Image.Size);
        return FALSE;
    }
    File->Driver.Name = File->Name;
    File->Driver.DriverEntry = (PDRIVER_INITIALIZE)(PVOID)((PUCHAR)base + File->Image.Entry);
    File->Driver.TextStart = base;
    File->Driver.TextEnd = (PUCHAR)base + File->Image.Size;
    __atomic_store_n(&File->Base, base, __ATOMIC_RELEASE);
    return TRUE;
}

/* The size of the function that begins at an RVA, from the unwind table; 0 if it is not in it. */
static ULONG SizeOfFunction(PLDR_FILE File, ULONG Rva)
{
    PUCHAR table = (PUCHAR)File->Memory + File->Image.Exceptions.Rva; /* LdrpCheckExceptions */
    const PE_FUNCTION *functions = (const PE_FUNCTION *)table;

    for (ULONG i = 0; i < File->Image.Exceptions.Size / sizeof(PE_FUNCTION); i++)
        if (functions[i].Begin == Rva)
            return functions[i].End - Rva;
    return 0;
}

/* For the readers of the trace; NameFunction gets the file. */
static VOID NameFunction(const LDR_SYMBOL *Symbol, PVOID Context)
{
    PLDR_FILE file = Context;
    CHAR name[64];

    RtlStringPrint(name, sizeof(name), "%s!%.*s", file->Name, (int)Symbol->Length, Symbol->Name);
    KdTraceName(TraceNameFunction, (PUCHAR)file->Base + Symbol->Rva,
                SizeOfFunction(file, Symbol->Rva), name);
}

static VOID NameForTrace(PLDR_FILE File)
{
    KdTraceName(TraceNameModule, File->Base, File->Image.Size, File->Name);
    LdrpVisitSymbols(File->Data, File->Size, &File->Image, NameFunction, File);
}

static VOID FreeMemory(PLDR_FILE File)
{
    if (File->Memory)
        MmFreePages(File->Memory, File->Image.Size / PAGE_SIZE);
    File->Memory = NULL;
    __atomic_store_n(&File->InUse, 0, __ATOMIC_RELEASE);
}

/*
 * Makes an image of a file: everything that can be wrong with one is found here.
 *
 * IRQL:    PASSIVE_LEVEL
 * Locks:   none; the file's InUse keeps others away
 * Context: a thread
 * Returns: STATUS_IMAGE_ALREADY_LOADED, or what File->Problem says; then nothing is left
 * Source:  DESIGN.md, Driver images
 */
NTSTATUS LdrLoadFile(PLDR_FILE File)
{
    KI_REQUIRE_IRQL_AT_MOST(PASSIVE_LEVEL, RULE_IRQL_IO_PASSIVE, "IrqlIoPassive1", File);

    if (InterlockedExchange(&File->InUse, 1) != 0)
        return STATUS_IMAGE_ALREADY_LOADED;
    File->Problem.Sentence[0] = 0;
    if (LoadImage(File)) {
        NameForTrace(File);
        return STATUS_SUCCESS;
    }
    FreeMemory(File);
    return File->Problem.Status;
}

/*
 * Takes a driver's image out of memory. The addresses are never used again, so that whoever still
 * has one faults. A driver that is linked into the kernel stays where it is.
 *
 * IRQL:    PASSIVE_LEVEL
 * Locks:   none
 * Context: the end of a driver: none of its routines runs or will be called
 * Returns: when no processor can reach the image any more
 * Source:  DESIGN.md, Driver images
 */
VOID LdrReleaseImage(const DRIVER_IMAGE *Driver)
{
    KI_REQUIRE_IRQL_AT_MOST(PASSIVE_LEVEL, RULE_IRQL_IO_PASSIVE, "IrqlIoPassive1", Driver);

    PLDR_FILE file = LdrFindByAddress(Driver->TextStart);
    PVOID base;

    if (!file || Driver != &file->Driver)
        return;
    base = file->Base;
    __atomic_store_n(&file->Base, NULL, __ATOMIC_RELEASE);
    file->LastBase = base;
    ArchUnmapImage(base, file->Image.Size);
    FreeMemory(file);
}

/*
 * The name of an address in a driver's image, also in one that was unloaded: then the file may be
 * loaded again at this moment, and File->Image is being filled in. Each field is then zero or
 * what it was before, since the file does not change, and every mixture of these stays inside the
 * file.
 *
 * IRQL:    any
 * Locks:   none
 * Context: any
 * Returns: FALSE if the address is in no image
 */
BOOLEAN LdrNameAddress(PCHAR Buffer, SIZE_T Size, const VOID *Address, ULONG_PTR Extra)
{
    PLDR_FILE loaded = LdrFindByAddress(Address);
    PLDR_FILE file = loaded ? loaded : LdrFindUnloaded(Address);
    LDR_SYMBOL symbol = {.Length = 0};
    ULONG rva, offset;

    if (!file)
        return FALSE;
    rva = (ULONG)((ULONG_PTR)Address - (ULONG_PTR)(loaded ? file->Base : file->LastBase));
    LdrpFindSymbol(file->Data, file->Size, &file->Image, rva, &symbol);
    offset = rva - (symbol.Length ? symbol.Rva : 0) + (ULONG)Extra;
    RtlStringPrint(Buffer, Size, "%s%s%s%.*s", file->Name, loaded ? "" : " (unloaded)",
                   symbol.Length ? "!" : "", (int)symbol.Length, symbol.Name);
    if (offset != 0) {
        SIZE_T length = strlen(Buffer);

        RtlStringPrint(Buffer + length, Size - length, "+0x%x", offset);
    }
    return TRUE;
}
