/*
 * Editing a line of text: keys out of a terminal's bytes, the line, the lines before it. Data
 * structures only: no console, no lock, any IRQL, so that the host tests can drive them.
 */
#ifndef METRONOME_KD_LINE_H
#define METRONOME_KD_LINE_H

#include "ntdef.h"

/* ---- keys (keys.c) ---- */

/* A key is a character (Ctrl-A is 1) or one of these. */
enum {
    KD_KEY_NONE = 0,
    KD_KEY_UP = 0x100,
    KD_KEY_DOWN,
    KD_KEY_LEFT,
    KD_KEY_RIGHT,
    KD_KEY_HOME,
    KD_KEY_END,
    KD_KEY_DELETE,
    KD_KEY_UNKNOWN /* an escape sequence that means nothing here */
};
#define KD_CTRL(letter) ((letter) - 'A' + 1)
#define KD_KEY_RUBOUT   0x7F

/* How far into an escape sequence the bytes so far have led. Zero at first. */
typedef struct _KD_KEY_DECODER {
    UCHAR State;
    UCHAR Parameter; /* the number in ESC [ 3 ~ */
} KD_KEY_DECODER, *PKD_KEY_DECODER;

/* The key that ends with this byte; KD_KEY_NONE inside a sequence. */
ULONG KdpDecodeKey(PKD_KEY_DECODER Decoder, UCHAR Byte);

/* ---- the line (line.c) ---- */

#define KD_LINE_SIZE 256 /* with the terminating zero */

typedef struct _KD_LINE {
    PCSTR Prompt;
    CHAR Text[KD_LINE_SIZE]; /* terminated */
    ULONG Length;
    ULONG Cursor;             /* 0 to Length: in front of which character */
    ULONG HistoryIndex;       /* lines back; 0: the line being typed */
    CHAR Typed[KD_LINE_SIZE]; /* the line being typed, while an older one is shown */
} KD_LINE, *PKD_LINE;

typedef enum _KD_EDIT {
    KdEditNothing,  /* the key has no effect */
    KdEditChanged,  /* text or cursor: draw it again */
    KdEditComplete, /* Tab: the caller knows the words */
    KdEditClear,    /* Ctrl-L: clear the screen and draw again */
    KdEditAccepted, /* Enter */
    KdEditAborted   /* Ctrl-C */
} KD_EDIT;

VOID KdpInitializeLine(PKD_LINE Line, PCSTR Prompt);
ULONG KdpCopyText(CHAR Destination[KD_LINE_SIZE], PCSTR Source);
VOID KdpSetLine(PKD_LINE Line, PCSTR Text);
BOOLEAN KdpInsertText(PKD_LINE Line, PCSTR Text, ULONG Length); /* FALSE: no room */
KD_EDIT KdpEditLine(PKD_LINE Line, ULONG Key);

/* ---- the lines before it (history.c) ---- */

/* Adds a line, unless it is empty or the same as the last one. */
VOID KdpAddHistory(PCSTR Text);

/* The line Back lines back, 1 being the last one; NULL if there are not so many. */
PCSTR KdpGetHistory(ULONG Back);

#endif
