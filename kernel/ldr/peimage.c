/*
 * A driver's image in memory: filled from the file, relocated, bound to the kernel. Every RVA in
 * it comes from the file and is checked at each use, because relocations and import slots may
 * have been made to overwrite the tables themselves. Any IRQL, no lock; allocates nothing.
 */
#include "ldr/ldrp.h"
#include "ldr/pe.h"

#define LONGEST_NAME 127 /* of an import */

#define REFUSE(...) LdrpRefuse(Problem, STATUS_INVALID_IMAGE_FORMAT, __VA_ARGS__)

/* Memory: Image->Size bytes, all zero. */
VOID LdrpLayOut(const VOID *File, const LDR_IMAGE *Image, PVOID Memory)
{
    memcpy(Memory, File, Image->HeaderSize);
    for (ULONG i = 0; i < Image->SectionCount; i++) {
        const LDR_SECTION *section = &Image->Sections[i];

        memcpy((PUCHAR)Memory + section->Rva, (const UCHAR *)File + section->FileOffset,
               section->FileSize);
    }
}

/* Bytes at an RVA; NULL if not all of them are inside the image. Nothing there is aligned. */
PUCHAR LdrpAt(const LDR_IMAGE *Image, const VOID *Memory, ULONG64 Rva, SIZE_T Bytes)
{
    if (Rva >= Image->Size || Bytes > Image->Size - Rva)
        return NULL;
    return (PUCHAR)Memory + Rva;
}

/* ---- relocations ---- */

static BOOLEAN RelocateOne(const LDR_IMAGE *Image, PVOID Memory, ULONG64 Delta, ULONG64 Rva,
                           ULONG Type, PLDR_PROBLEM Problem)
{
    PUCHAR place = LdrpAt(Image, Memory, Rva, sizeof(ULONG64));
    ULONG64 value;

    if (Type == PeRelocationNone)
        return TRUE;
    if (Type != PeRelocation64)
        return REFUSE("has a relocation of the type %u, which x86-64 does not have", Type);
    if (!place || Rva < Image->HeaderSize)
        return REFUSE("has a relocation for 0x%llx, which is in no section", Rva);
    memcpy(&value, place, sizeof(value));
    value += Delta;
    memcpy(place, &value, sizeof(value));
    return TRUE;
}

static BOOLEAN RelocateBlock(const LDR_IMAGE *Image, PVOID Memory, ULONG64 Delta, ULONG Rva,
                             const PE_RELOCATION_BLOCK *Block, PLDR_PROBLEM Problem)
{
    for (ULONG offset = sizeof(*Block); offset < Block->Size; offset += sizeof(USHORT)) {
        USHORT entry;

        memcpy(&entry, LdrpAt(Image, Memory, Rva + offset, sizeof(entry)), sizeof(entry));
        if (!RelocateOne(Image, Memory, Delta, (ULONG64)Block->Page + (entry & 0xFFF), entry >> 12,
                         Problem))
            return FALSE;
    }
    return TRUE;
}

/* Makes the image in Memory one that runs at Base. */
BOOLEAN LdrpRelocate(const LDR_IMAGE *Image, PVOID Memory, ULONG64 Base, PLDR_PROBLEM Problem)
{
    ULONG rva = Image->Relocations.Rva, rest = Image->Relocations.Size;

    while (rest != 0) {
        PE_RELOCATION_BLOCK block;

        if (rest < sizeof(block))
            return REFUSE("has relocations that end within a block");
        memcpy(&block, LdrpAt(Image, Memory, rva, sizeof(block)), sizeof(block));
        if (block.Size < sizeof(block) || block.Size % sizeof(USHORT) != 0 || block.Size > rest)
            return REFUSE("has a block of relocations of 0x%x bytes where 0x%x are left",
                          block.Size, rest);
        if (!RelocateBlock(Image, Memory, Base - Image->PreferredBase, rva, &block, Problem))
            return FALSE;
        rva += block.Size;
        rest -= block.Size;
    }
    return TRUE;
}

/* ---- imports ---- */

/* The printable name at an RVA; NULL if there is none. */
static PCSTR NameAt(const LDR_IMAGE *Image, const VOID *Memory, ULONG64 Rva)
{
    for (ULONG length = 0; length <= LONGEST_NAME; length++) {
        const UCHAR *character = LdrpAt(Image, Memory, Rva + length, 1);

        if (!character)
            return NULL;
        if (*character == 0)
            return length == 0 ? NULL : (PCSTR)character - length;
        if (*character <= ' ' || *character > '~')
            return NULL;
    }
    return NULL;
}

/* Finds what an entry of the lookup table names. */
static BOOLEAN Resolve(const LDR_IMAGE *Image, const VOID *Memory, PCSTR ModuleName, ULONG64 Entry,
                       PVOID *Address, PLDR_PROBLEM Problem)
{
    const ULONG hintSize = sizeof(USHORT);
    PCSTR name;

    if (Entry & PE_IMPORT_BY_ORDINAL)
        return LdrpRefuse(Problem, STATUS_DRIVER_ORDINAL_NOT_FOUND,
                          "imports number %u of %s; this kernel knows names only",
                          (ULONG)(Entry & 0xFFFF), ModuleName);
    name = Entry > MAXLONG ? NULL : NameAt(Image, Memory, Entry + hintSize);
    if (!name)
        return REFUSE("imports something from %s whose name cannot be read", ModuleName);
    *Address = LdrpFindExport(LdrpFindModuleOfKernel(ModuleName), name);
    if (!*Address)
        return LdrpRefuse(Problem, STATUS_DRIVER_ENTRYPOINT_NOT_FOUND,
                          "imports %s from %s, which this kernel does not have", name, ModuleName);
    return TRUE;
}

/*
 * Fills in the slots of one module. The module's name is read again for each of them: a slot may
 * lie over it.
 */
static BOOLEAN BindModule(const LDR_IMAGE *Image, PVOID Memory, const PE_IMPORT *Import,
                          PLDR_PROBLEM Problem)
{
    ULONG64 lookup = Import->Lookup ? Import->Lookup : Import->Slots, slots = Import->Slots;

    for (ULONG i = 0; i < LDR_MAX_IMPORTS; i++) {
        PUCHAR from = LdrpAt(Image, Memory, lookup + i * sizeof(ULONG64), sizeof(ULONG64));
        PUCHAR to = LdrpAt(Image, Memory, slots + i * sizeof(ULONG64), sizeof(ULONG64));
        PCSTR name = NameAt(Image, Memory, Import->Name);
        ULONG64 entry;
        PVOID address;

        if (!from || !to || !name || slots < Image->HeaderSize)
            return REFUSE("has an import table that leads out of the image");
        memcpy(&entry, from, sizeof(entry));
        if (entry == 0)
            return TRUE;
        if (!Resolve(Image, Memory, name, entry, &address, Problem))
            return FALSE;
        memcpy(to, &address, sizeof(address));
    }
    return REFUSE("imports more than %u names from one module", LDR_MAX_IMPORTS);
}

/* Writes the addresses of what the image imports into its import slots. */
BOOLEAN LdrpBindImports(const LDR_IMAGE *Image, PVOID Memory, PLDR_PROBLEM Problem)
{
    if (Image->Imports.Size == 0)
        return TRUE;
    for (ULONG i = 0; i <= LDR_MAX_MODULES; i++) {
        PUCHAR place = LdrpAt(Image, Memory, Image->Imports.Rva + (ULONG64)i * sizeof(PE_IMPORT),
                              sizeof(PE_IMPORT));
        PE_IMPORT import;
        PCSTR name;

        if (!place)
            return REFUSE("has an import table without an end");
        memcpy(&import, place, sizeof(import));
        if (import.Name == 0)
            return TRUE;
        name = NameAt(Image, Memory, import.Name);
        if (!name)
            return REFUSE("imports from a module whose name cannot be read");
        if (LdrpFindModuleOfKernel(name) == LdrModuleUnknown)
            return LdrpRefuse(Problem, STATUS_DLL_NOT_FOUND,
                              "imports from %s; there are only ntoskrnl.exe and HAL.dll", name);
        if (!BindModule(Image, Memory, &import, Problem))
            return FALSE;
    }
    return REFUSE("imports from more than %u modules", LDR_MAX_MODULES);
}

/* ---- unwinding ---- */

/* The table of functions is sorted, and everything that it names is inside the image. */
BOOLEAN LdrpCheckExceptions(const LDR_IMAGE *Image, const VOID *Memory, PLDR_PROBLEM Problem)
{
    ULONG end = 0;

    if (Image->Exceptions.Size % sizeof(PE_FUNCTION) != 0)
        return REFUSE("has an unwind table of 0x%x bytes, which is no multiple of 12",
                      Image->Exceptions.Size);
    for (ULONG offset = 0; offset < Image->Exceptions.Size; offset += sizeof(PE_FUNCTION)) {
        PE_FUNCTION function;

        memcpy(&function, LdrpAt(Image, Memory, Image->Exceptions.Rva + offset, sizeof(function)),
               sizeof(function));
        if (function.Begin < end || function.End <= function.Begin || function.End > Image->Size)
            return REFUSE("has an unwind table that is out of order at 0x%x", function.Begin);
        if (function.UnwindInfo % sizeof(ULONG) != 0 ||
            !LdrpAt(Image, Memory, function.UnwindInfo, sizeof(ULONG)))
            return REFUSE("has no unwind information for the function at 0x%x", function.Begin);
        end = function.End;
    }
    return TRUE;
}
