/*
 * Names of functions from the COFF symbol table of a driver's file, for reports. The table is
 * searched as it stands, record by record: this happens when something is printed. Any IRQL, no
 * lock.
 */
#include "ldr/pe.h"
#include "rtl.h"

/* A record; those that follow it and belong to it (Auxiliary of them) have the same size. */
typedef struct __attribute__((packed)) _COFF_SYMBOL {
    union {
        CHAR Short[8]; /* padded with zeros */
        struct {
            ULONG Zeros;  /* 0: the name stands at Offset of the string table */
            ULONG Offset; /* from the string table's first byte */
        };
    };
    ULONG Value;   /* offset into the section */
    SHORT Section; /* from 1 on */
    USHORT Type;
    UCHAR Class;
    UCHAR Auxiliary;
} COFF_SYMBOL;

ASSERT_SIZE(COFF_SYMBOL, 18);

#define TYPE_FUNCTION 0x20

/* The name of a symbol; FALSE if it has none. The string table stands behind the symbols. */
static BOOLEAN FindName(const CHAR *Strings, SIZE_T Size, const COFF_SYMBOL *Record,
                        const CHAR *RecordInFile, LDR_SYMBOL *Symbol)
{
    ULONG length = 0, limit = sizeof(Record->Short);
    PCSTR name = RecordInFile;

    if (Record->Zeros == 0) {
        if (Record->Offset >= Size)
            return FALSE;
        name = Strings + Record->Offset;
        limit = (ULONG)(Size - Record->Offset);
    }
    while (length < limit && name[length] != 0)
        length++;
    if (length == 0)
        return FALSE;
    Symbol->Name = name;
    Symbol->Length = length;
    return TRUE;
}

/* The section in which a record's function lies; NULL if the record is no function. */
static const LDR_SECTION *SectionOf(const LDR_IMAGE *Image, const COFF_SYMBOL *Record)
{
    const LDR_SECTION *section;

    if (Record->Type != TYPE_FUNCTION || Record->Section < 1 ||
        (ULONG)Record->Section > Image->SectionCount)
        return NULL;
    section = &Image->Sections[Record->Section - 1];
    return Record->Value < section->Size ? section : NULL;
}

/* Calls Visit for each function of the symbol table. */
VOID LdrpVisitSymbols(const VOID *File, SIZE_T Size, const LDR_IMAGE *Image,
                      LDR_SYMBOL_VISITOR *Visit, PVOID Context)
{
    const CHAR *table = (const CHAR *)File + Image->SymbolOffset;
    const CHAR *strings = table + (SIZE_T)Image->SymbolCount * sizeof(COFF_SYMBOL);
    SIZE_T stringSize = Image->SymbolCount ? (SIZE_T)((const CHAR *)File + Size - strings) : 0;
    COFF_SYMBOL record;

    for (ULONG64 i = 0; i < Image->SymbolCount; i += 1ULL + record.Auxiliary) {
        const CHAR *place = table + i * sizeof(COFF_SYMBOL);
        const LDR_SECTION *section;
        LDR_SYMBOL symbol;

        memcpy(&record, place, sizeof(record));
        section = SectionOf(Image, &record);
        if (!section || !FindName(strings, stringSize, &record, place, &symbol))
            continue;
        symbol.Rva = section->Rva + record.Value;
        symbol.Section = section;
        Visit(&symbol, Context);
    }
}

/* What LdrpFindSymbol looks for, and the best so far. */
typedef struct _SEARCH {
    ULONG Rva;
    BOOLEAN Found;
    LDR_SYMBOL *Symbol;
} SEARCH;

static VOID TakeNearer(const LDR_SYMBOL *Symbol, PVOID Context)
{
    SEARCH *search = Context;

    if (search->Rva - Symbol->Section->Rva >= Symbol->Section->Size || Symbol->Rva > search->Rva ||
        (search->Found && Symbol->Rva < search->Symbol->Rva))
        return;
    *search->Symbol = *Symbol;
    search->Found = TRUE;
}

/* FALSE if no function of the symbol table begins at or before Rva in the same section. */
BOOLEAN LdrpFindSymbol(const VOID *File, SIZE_T Size, const LDR_IMAGE *Image, ULONG Rva,
                       LDR_SYMBOL *Symbol)
{
    SEARCH search = {.Rva = Rva, .Symbol = Symbol};

    LdrpVisitSymbols(File, Size, Image, TakeNearer, &search);
    return search.Found;
}
