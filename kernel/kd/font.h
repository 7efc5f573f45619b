/* The console's font: tools/font.sh makes it at build time of a font that the system has. */
#ifndef METRONOME_KD_FONT_H
#define METRONOME_KD_FONT_H

#include "ntdef.h"

#define KD_FONT_FIRST ' '
#define KD_FONT_OTHER 0x7F /* what every character gets that has no glyph; the last one */

typedef struct _KD_FONT {
    ULONG Width, Height; /* of a glyph, in pixels */
    const UCHAR *Glyphs; /* by rows, each in whole bytes, the leftmost pixel in the highest bit */
} KD_FONT;

extern const KD_FONT KdFont;

#endif
