/*
 * Formatted text as the C library of Windows has it: a result that does not fit is told by -1,
 * and a terminating zero is written only if there is room for it. Any IRQL when format and
 * arguments are resident.
 */
#include "format.h"

/*
 * Writes at most count bytes, the terminating zero included if it fits.
 *
 * IRQL:    any
 * Locks:   none
 * Context: any
 * Returns: the number of bytes without the zero; -1 if there would have been more than count
 */
int _vsnprintf(char *buffer, size_t count, const char *format, va_list arguments)
{
    OUTPUT output = {.Buffer = buffer, .Limit = count};

    RtlpFormat(&output, format, arguments);
    if (output.Position < count)
        buffer[output.Position] = 0;
    return output.Cut ? -1 : (int)output.Position;
}

/*
 * The same, with the arguments themselves.
 *
 * IRQL:    any
 * Locks:   none
 * Context: any
 * Returns: as _vsnprintf
 */
int _snprintf(char *buffer, size_t count, const char *format, ...)
{
    va_list arguments;
    int length;

    va_start(arguments, format);
    length = _vsnprintf(buffer, count, format, arguments);
    va_end(arguments);
    return length;
}

/*
 * The same in UTF-16: %s and %c mean wide arguments, %S and %C narrow ones.
 *
 * IRQL:    any
 * Locks:   none
 * Context: any
 * Returns: the number of characters without the zero; -1 if there would have been more than count
 */
int _vsnwprintf(WCHAR *buffer, size_t count, const WCHAR *format, va_list arguments)
{
    OUTPUT output = {.WideBuffer = buffer, .Limit = count, .Wide = TRUE};

    RtlpFormatWide(&output, format, arguments);
    if (output.Position < count)
        buffer[output.Position] = 0;
    return output.Cut ? -1 : (int)output.Position;
}

/*
 * The same, with the arguments themselves.
 *
 * IRQL:    any
 * Locks:   none
 * Context: any
 * Returns: as _vsnwprintf
 */
int _snwprintf(WCHAR *buffer, size_t count, const WCHAR *format, ...)
{
    va_list arguments;
    int length;

    va_start(arguments, format);
    length = _vsnwprintf(buffer, count, format, arguments);
    va_end(arguments);
    return length;
}
