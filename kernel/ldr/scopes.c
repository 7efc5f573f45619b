/*
 * The scope table of a function with __try: which code is guarded, and by what. Every number in
 * it comes from an image and is checked. Any IRQL, no lock; allocates nothing.
 */
#include "ldr/unwind.h"
#include "ntstatus.h"
#include "rtl.h"

#define REFUSE(...) LdrpRefuse(Problem, STATUS_INVALID_IMAGE_FORMAT, __VA_ARGS__)

/* Is there code at an RVA? */
BOOLEAN LdrpIsCode(const LDR_IMAGE *Image, ULONG64 Rva)
{
    for (ULONG i = 0; i < Image->SectionCount; i++) {
        const LDR_SECTION *section = &Image->Sections[i];

        if (section->Execute && Rva >= section->Rva && Rva - section->Rva < section->Size)
            return TRUE;
    }
    return FALSE;
}

/*
 * Entry Index of the table at an RVA, which begins with the number of entries; inner scopes come
 * before those around them. FALSE behind the last entry, and for a damaged one: then
 * Problem->Sentence, which the caller has made empty, says so.
 */
BOOLEAN LdrpReadScope(const LDR_IMAGE *Image, const VOID *Memory, ULONG64 Table, ULONG Index,
                      PLDR_SCOPE Scope, PLDR_PROBLEM Problem)
{
    const UCHAR *place = LdrpAt(Image, Memory, Table, sizeof(ULONG));
    ULONG count;

    if (!place)
        return REFUSE("has a table of guarded code at 0x%llx, outside the image", Table);
    memcpy(&count, place, sizeof(count));
    if (Index >= count)
        return FALSE;
    place = LdrpAt(Image, Memory, Table + sizeof(ULONG) + Index * (ULONG64)sizeof(*Scope),
                   sizeof(*Scope));
    if (!place)
        return REFUSE("has a table of guarded code whose %u entries do not fit in the image",
                      count);
    memcpy(Scope, place, sizeof(*Scope));
    if (Scope->Target != 0 && !LdrpIsCode(Image, Scope->Target))
        return REFUSE("has a handler at 0x%x, where there is no code", Scope->Target);
    if ((Scope->Target == 0 || Scope->Handler != LDR_SCOPE_ALWAYS) &&
        !LdrpIsCode(Image, Scope->Handler))
        return REFUSE("has a filter or __finally at 0x%x, where there is no code", Scope->Handler);
    return TRUE;
}
