/* The kernel's command line: words of the form name or name=value. Read-only after the start. */
#include "ke.h"
#include "ke/options.h"
#include "bootinfo.h"

static CHAR Words[BOOT_MAX_COMMAND]; /* the words, each zero-terminated, then an empty one */

/*
 * Takes the command line apart.
 *
 * IRQL:    any
 * Locks:   none
 * Context: the start, processor 0 alone
 * Returns: nothing
 */
VOID KiInitializeOptions(PCSTR CommandLine)
{
    PCHAR out = Words, end = Words + sizeof(Words) - 2;

    for (; *CommandLine && out < end; CommandLine++) {
        if (*CommandLine > ' ')
            *out++ = *CommandLine;
        else if (out > Words && out[-1])
            *out++ = 0;
    }
    out[0] = out[1] = 0;
}

/*
 * The value of an option.
 *
 * IRQL:    any
 * Locks:   none
 * Context: any
 * Returns: what stands behind "Name=", "" for Name alone, NULL when the option is absent
 */
PCSTR KiGetOption(PCSTR Name)
{
    SIZE_T length = strlen(Name);

    for (PCSTR word = Words; *word; word += strlen(word) + 1) {
        if (strncmp(word, Name, length) == 0) {
            if (word[length] == '=')
                return word + length + 1;
            if (!word[length])
                return word + length;
        }
    }
    return NULL;
}

static LONG DigitValue(CHAR Character)
{
    if (Character >= '0' && Character <= '9')
        return Character - '0';
    if (Character >= 'a' && Character <= 'f')
        return Character - 'a' + 10;
    if (Character >= 'A' && Character <= 'F')
        return Character - 'A' + 10;
    return 16;
}

/*
 * Reads a number: decimal or 0x hexadecimal, with an optional minus, nothing behind it.
 *
 * IRQL:    any
 * Locks:   none
 * Context: any
 * Returns: TRUE and the number, or FALSE
 */
BOOLEAN KiParseNumber(PCSTR Text, PULONG64 Number)
{
    BOOLEAN negative = *Text == '-';
    LONG base = 10;
    ULONG64 value = 0;

    Text += negative;
    if (Text[0] == '0' && (Text[1] == 'x' || Text[1] == 'X')) {
        base = 16;
        Text += 2;
    }
    if (!*Text)
        return FALSE;
    for (; *Text; Text++) {
        LONG digit = DigitValue(*Text);
        if (digit >= base || __builtin_mul_overflow(value, (ULONG64)base, &value) ||
            __builtin_add_overflow(value, (ULONG64)digit, &value))
            return FALSE;
    }
    *Number = negative ? -value : value;
    return TRUE;
}

/*
 * The value of an option as a number.
 *
 * IRQL:    any
 * Locks:   none
 * Context: any
 * Returns: the number, or Default when the option is absent or no number
 */
ULONG64 KiGetNumberOption(PCSTR Name, ULONG64 Default)
{
    PCSTR text = KiGetOption(Name);
    ULONG64 number;

    return text && KiParseNumber(text, &number) ? number : Default;
}
