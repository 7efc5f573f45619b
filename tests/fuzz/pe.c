/*
 * Any bytes at all as a driver's file, through every step that would make an image of it. What is
 * accepted must be what the kernel relies on; a sanitizer sees the rest.
 *
 * clang's libFuzzer calls LLVMFuzzerTestOneInput (`make fuzz`); tests/host/pe_corpus.c calls it
 * for every file that was ever found (tests/fuzz/pe/).
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "ldr/pe.h"

int LLVMFuzzerTestOneInput(const uint8_t *Data, size_t Size);

#define BASE 0xFFFFC00000100000ULL

static void Require(int Condition)
{
    if (!Condition)
        abort();
}

/* What the mapping of an accepted image relies on. */
static void CheckImage(const LDR_IMAGE *Image, size_t Size)
{
    ULONG end = 0, executable = 0;

    Require(Image->Size != 0 && Image->Size % PAGE_SIZE == 0 && Image->Size <= LDR_MAX_IMAGE_SIZE);
    Require(Image->HeaderSize <= Size && Image->HeaderSize <= Image->Size);
    for (ULONG i = 0; i < Image->SectionCount; i++) {
        const LDR_SECTION *section = &Image->Sections[i];

        Require(section->Rva % PAGE_SIZE == 0 && section->Size % PAGE_SIZE == 0);
        Require(section->Rva >= end && section->Rva >= Image->HeaderSize);
        Require(section->Size != 0 && section->Size <= Image->Size - section->Rva);
        Require(section->FileSize <= section->Size);
        Require(section->FileOffset + (size_t)section->FileSize <= Size);
        Require(!section->Write || !section->Execute);
        executable += section->Execute && Image->Entry - section->Rva < section->Size;
        end = section->Rva + section->Size;
    }
    Require(executable == 1);
}

/* Every symbol that any address of the image can have. */
static void ReadSymbols(const uint8_t *File, size_t Size, const LDR_IMAGE *Image)
{
    for (ULONG rva = 0; rva < Image->Size; rva += Image->Size / 64 + 1) {
        LDR_SYMBOL symbol;

        if (LdrpFindSymbol(File, Size, Image, rva, &symbol)) {
            Require(symbol.Rva <= rva && symbol.Length != 0);
            Require(memchr(symbol.Name, 0, symbol.Length) == NULL);
        }
    }
}

/* The bytes lie at the end of their block, so that a read behind them is seen. */
static void TryFile(const uint8_t *File, size_t Size)
{
    LDR_PROBLEM problem;
    LDR_IMAGE image;
    void *memory;

    memset(&problem, 0, sizeof(problem));
    if (!LdrpCheckFile(File, Size, &image, &problem)) {
        Require(problem.Status < 0 && problem.Sentence[0] != 0);
        return;
    }
    CheckImage(&image, Size);
    ReadSymbols(File, Size, &image);
    memory = calloc(1, image.Size);
    LdrpLayOut(File, &image, memory);
    if (!LdrpRelocate(&image, memory, BASE, &problem) ||
        !LdrpBindImports(&image, memory, &problem) ||
        !LdrpCheckExceptions(&image, memory, &problem))
        Require(problem.Status < 0 && problem.Sentence[0] != 0);
    free(memory);
}

/* A random change spoils the checksum too, so a fuzzer would never get past it: here it is 0. */
int LLVMFuzzerTestOneInput(const uint8_t *Data, size_t Size)
{
    uint8_t *file = malloc(Size ? Size : 1);
    uint32_t header = 0;
    size_t field;

    if (Size)
        memcpy(file, Data, Size);
    if (Size >= 64)
        memcpy(&header, file + 60, sizeof(header));
    field = header + offsetof(PE_HEADERS, Optional.CheckSum);
    if (Size >= 64 && field + 4 <= Size)
        memset(file + field, 0, 4);
    TryFile(file, Size);
    free(file);
    return 0;
}
