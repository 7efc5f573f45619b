/*
 * Keys out of the bytes that a terminal sends: characters as they are, ESC [ A and the like for
 * the keys that have no character. No console, no lock, any IRQL.
 */
#include "kd/line.h"

#define ESCAPE 0x1B

enum { StateCharacter, StateEscape, StateSequence, StateNumber };

/* The last byte of ESC [ x and ESC O x. */
static ULONG KeyOfLetter(UCHAR Letter)
{
    switch (Letter) {
    case 'A':
        return KD_KEY_UP;
    case 'B':
        return KD_KEY_DOWN;
    case 'C':
        return KD_KEY_RIGHT;
    case 'D':
        return KD_KEY_LEFT;
    case 'H':
        return KD_KEY_HOME;
    case 'F':
        return KD_KEY_END;
    default:
        return KD_KEY_UNKNOWN;
    }
}

/* The number in ESC [ n ~. */
static ULONG KeyOfNumber(UCHAR Number)
{
    switch (Number) {
    case 1:
    case 7:
        return KD_KEY_HOME;
    case 3:
        return KD_KEY_DELETE;
    case 4:
    case 8:
        return KD_KEY_END;
    default:
        return KD_KEY_UNKNOWN;
    }
}

static ULONG DecodeSequence(PKD_KEY_DECODER Decoder, UCHAR Byte)
{
    if (Byte >= '0' && Byte <= '9') {
        Decoder->State = StateNumber;
        Decoder->Parameter = (UCHAR)(Decoder->Parameter * 10 + (Byte - '0'));
        return KD_KEY_NONE;
    }
    if (Byte == ';') { /* a modifier follows, as in Ctrl-Left: ignored */
        Decoder->Parameter = 0;
        return KD_KEY_NONE;
    }
    Decoder->State = StateCharacter;
    return Byte == '~' ? KeyOfNumber(Decoder->Parameter) : KeyOfLetter(Byte);
}

/*
 * Takes one byte from the terminal.
 *
 * IRQL:    any
 * Locks:   none
 * Context: any; one caller at a time for a decoder
 * Returns: the key that this byte completes, or KD_KEY_NONE
 */
ULONG KdpDecodeKey(PKD_KEY_DECODER Decoder, UCHAR Byte)
{
    switch (Decoder->State) {
    case StateEscape:
        if (Byte == ESCAPE) /* the key Esc itself, and then a sequence */
            return KD_KEY_NONE;
        Decoder->Parameter = 0;
        Decoder->State = Byte == '[' || Byte == 'O' ? StateSequence : StateCharacter;
        return Decoder->State == StateSequence ? KD_KEY_NONE : KD_KEY_UNKNOWN;
    case StateSequence:
    case StateNumber:
        return DecodeSequence(Decoder, Byte);
    default:
        if (Byte != ESCAPE)
            return Byte;
        Decoder->State = StateEscape;
        return KD_KEY_NONE;
    }
}
