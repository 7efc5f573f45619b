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

/* FALSE if no function of the symbol table begins at or before Rva in the same section. */
BOOLEAN LdrpFindSymbol(const VOID *File, SIZE_T Size, const LDR_IMAGE *Image, ULONG Rva,
                       LDR_SYMBOL *Symbol)
{
    const CHAR *table = (const CHAR *)File + Image->SymbolOffset;
    const CHAR *strings = table + (SIZE_T)Image->SymbolCount * sizeof(COFF_SYMBOL);
    SIZE_T stringSize = Image->SymbolCount ? (SIZE_T)((const CHAR *)File + Size - strings) : 0;
    BOOLEAN found = FALSE;
    COFF_SYMBOL record;

    for (ULONG64 i = 0; i < Image->SymbolCount; i += 1ULL + record.Auxiliary) {
        const CHAR *place = table + i * sizeof(COFF_SYMBOL);
        const LDR_SECTION *section;
        ULONG begin;

        memcpy(&record, place, sizeof(record));
        if (record.Type != TYPE_FUNCTION || record.Section < 1 ||
            (ULONG)record.Section > Image->SectionCount)
            continue;
        section = &Image->Sections[record.Section - 1];
        begin = section->Rva + record.Value;
        if (record.Value >= section->Size || Rva - section->Rva >= section->Size || begin > Rva ||
            (found && begin < Symbol->Rva))
            continue;
        if (FindName(strings, stringSize, &record, place, Symbol)) {
            Symbol->Rva = begin;
            found = TRUE;
        }
    }
    return found;
}
