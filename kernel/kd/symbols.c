/*
 * Names for addresses: a table of the image's functions that the build makes after the first
 * link. Constant data, so everything here runs at any IRQL and without a lock.
 */
#include "kd.h"
#include "arch.h"
#include "io.h"
#include "ldr.h"

/* One function; the build writes these in the order of their addresses. */
typedef struct _KD_SYMBOL {
    ULONG64 Address;
    ULONG NameOffset; /* in KdSymbolNames */
    ULONG Size;       /* in bytes; 0: up to the next function */
} KD_SYMBOL;

ASSERT_SIZE(KD_SYMBOL, 0x10);

extern const KD_SYMBOL KdSymbolTable[];
extern const ULONG64 KdSymbolCount;
extern const CHAR KdSymbolNames[];
extern const UCHAR KiTextEnd[]; /* linker.ld */

#define BACKTRACE_LENGTH 48

/* The last function that starts at or before Address, or NULL. */
static const KD_SYMBOL *FindSymbolBefore(ULONG64 Address)
{
    ULONG64 low = 0, high = KdSymbolCount;

    while (low < high) {
        ULONG64 middle = low + (high - low) / 2;

        if (KdSymbolTable[middle].Address <= Address)
            low = middle + 1;
        else
            high = middle;
    }
    return low == 0 ? NULL : &KdSymbolTable[low - 1];
}

/*
 * Finds the function that contains Address, and the offset into it.
 *
 * IRQL:    any
 * Locks:   none
 * Context: any
 * Returns: the function's name, or NULL if Address lies in no function
 */
PCSTR KdFindSymbol(const VOID *Address, PULONG_PTR Offset)
{
    const KD_SYMBOL *symbol = FindSymbolBefore((ULONG64)Address);
    ULONG64 offset;

    if (symbol == NULL || (const UCHAR *)Address >= KiTextEnd)
        return NULL;
    offset = (ULONG64)Address - symbol->Address;
    if (symbol->Size != 0 && offset >= symbol->Size)
        return NULL;
    if (Offset)
        *Offset = offset;
    return &KdSymbolNames[symbol->NameOffset];
}

/*
 * Finds the function with this name; the first one if several files have one.
 *
 * IRQL:    any
 * Locks:   none
 * Context: any
 * Returns: its address, or NULL
 */
PVOID KdFindAddress(PCSTR Name)
{
    for (ULONG64 i = 0; i < KdSymbolCount; i++)
        if (strcmp(&KdSymbolNames[KdSymbolTable[i].NameOffset], Name) == 0)
            return (PVOID)KdSymbolTable[i].Address;
    return NULL;
}

/*
 * Calls Visit for every function of the image, in the order of addresses.
 *
 * IRQL:    any
 * Locks:   none
 * Context: any
 * Returns: nothing
 */
VOID KdVisitSymbols(KD_SYMBOL_VISITOR *Visit)
{
    for (ULONG64 i = 0; i < KdSymbolCount; i++)
        Visit((PVOID)KdSymbolTable[i].Address, KdSymbolTable[i].Size);
}

/*
 * Writes name and offset, the latter Extra higher; a driver's function as "driver!name". FALSE if
 * Address is in no code that is known.
 */
static BOOLEAN NameAddress(PCHAR Buffer, SIZE_T Size, const VOID *Address, ULONG_PTR Extra)
{
    const DRIVER_IMAGE *driver;
    CHAR offset[24] = "";
    ULONG_PTR distance;
    PCSTR name;

    if (LdrNameAddress(Buffer, Size, Address, Extra))
        return TRUE;
    name = KdFindSymbol(Address, &distance);
    if (name == NULL)
        return FALSE;
    driver = IopFindDriverByAddress(Address);
    if (distance + Extra != 0)
        RtlStringPrint(offset, sizeof(offset), "+0x%llx", (ULONG64)(distance + Extra));
    RtlStringPrint(Buffer, Size, "%s%s%s%s", driver ? driver->Name : "", driver ? "!" : "", name,
                   offset);
    return TRUE;
}

/*
 * Writes "name+0x12" or "name" or, in a driver, "driver!name". An address right behind a function
 * belongs to it: a call that never returns has left it there.
 *
 * IRQL:    any
 * Locks:   none
 * Context: any
 * Returns: FALSE if Address is in no code that is known
 */
BOOLEAN KdNameAddress(PCHAR Buffer, SIZE_T Size, const VOID *Address)
{
    return NameAddress(Buffer, Size, Address, 0) ||
           NameAddress(Buffer, Size, (const UCHAR *)Address - 1, 1);
}

/*
 * Writes what KdNameAddress does, or the number if there is no name.
 *
 * IRQL:    any
 * Locks:   none
 * Context: any
 * Returns: Buffer
 */
PCHAR KdFormatAddress(PCHAR Buffer, SIZE_T Size, const VOID *Address)
{
    if (!KdNameAddress(Buffer, Size, Address))
        RtlStringPrint(Buffer, Size, "0x%llx", (ULONG64)Address);
    return Buffer;
}

/*
 * Prints what KdFormatAddress writes, without a line end.
 *
 * IRQL:    any
 * Locks:   takes the console's lock
 * Context: any
 * Returns: nothing
 */
VOID KdPrintAddress(const VOID *Address)
{
    CHAR buffer[64];

    DbgPrint("%s", KdFormatAddress(buffer, sizeof(buffer), Address));
}

/*
 * One line of a backtrace. A return address can lie behind its function's last instruction, when
 * that is a call which never returns: the call before it is what the line is about.
 */
static VOID PrintReturnAddress(ULONG Index, const VOID *Address)
{
    const VOID *call = (const UCHAR *)Address - 1;
    CHAR text[64] = "";

    NameAddress(text, sizeof(text), call, 1);
    DbgPrint("    %2u %016llx %s\n", Index, (ULONG64)Address, text);
}

/*
 * Prints the chain of calls that ends at Frame, or at the caller if Frame is NULL.
 *
 * IRQL:    any
 * Locks:   takes the console's lock for each line
 * Context: any
 * Returns: nothing
 */
VOID KdPrintBacktrace(const VOID *Frame)
{
    PVOID addresses[BACKTRACE_LENGTH];
    ULONG count, repeated;

    if (Frame == NULL)
        Frame = __builtin_frame_address(0);
    count = ArchBacktrace(Frame, addresses, BACKTRACE_LENGTH);
    for (ULONG i = 0; i < count; i += repeated) {
        repeated = 1;
        while (i + repeated < count && addresses[i + repeated] == addresses[i])
            repeated++;
        PrintReturnAddress(i, addresses[i]);
        if (repeated > 1)
            DbgPrint("       %u times\n", repeated);
    }
    if (count == 0)
        DbgPrint("    none: the chain of frames is broken\n");
    else if (count == BACKTRACE_LENGTH)
        DbgPrint("       and more\n");
}
