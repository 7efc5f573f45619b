/*
 * The parts of the screen: drawing, text, the strip of IRQLs, and where each of them stands. Data
 * structures only: no console, no lock, any IRQL, one caller at a time, so that the host tests can
 * drive them. kernel/kd/display.c puts them together.
 */
#ifndef METRONOME_KD_SCREEN_H
#define METRONOME_KD_SCREEN_H

#include "kd/font.h"
#include "kd/trace.h"

struct _BOOT_FRAMEBUFFER;

/* ---- drawing (screen.c): colours are 0xRRGGBB ---- */

typedef struct _KD_CANVAS {
    volatile ULONG *Pixels; /* written only: reading from a framebuffer is slow */
    ULONG Width, Height;
    ULONG Pitch;      /* pixels from one row to the next */
    BOOLEAN RedFirst; /* in memory: red, green, blue, nothing; else blue first */
    const KD_FONT *Font;
} KD_CANVAS, *PKD_CANVAS;
typedef const KD_CANVAS *PCKD_CANVAS;

/* The same as those of the timeline's page, dark: tools/trace/lib/colors.mjs. */
#define KD_COLOR_BACKGROUND 0x12161Cu
#define KD_COLOR_TEXT       0xE4E8EEu
#define KD_COLOR_MUTED      0x96A0AEu
#define KD_COLOR_LINE       0x2B323Du
#define KD_COLOR_IDLE       0x1B2028u
#define KD_COLOR_ALARM      0xFF5D7Du
#define KD_COLOR_STOPPED    0x3A1420u /* behind the report of a bug check */

/* What lies outside of the canvas is left out. */
VOID KdpFill(PCKD_CANVAS Canvas, ULONG X, ULONG Y, ULONG Width, ULONG Height, ULONG Color);
VOID KdpDrawGlyph(PCKD_CANVAS Canvas, ULONG X, ULONG Y, UCHAR Character, ULONG Color,
                  ULONG Background);

/* Returns where the next character would stand. */
ULONG KdpDrawString(PCKD_CANVAS Canvas, ULONG X, ULONG Y, PCSTR Text, ULONG Color,
                    ULONG Background);

/* ---- text (screentext.c): a terminal that knows what the kernel prints ---- */

typedef struct _KD_TEXT {
    ULONG Columns, Rows;
    ULONG Column, Row; /* of the cursor; Column == Columns: the next character begins a row */
    ULONG Top;         /* which row of Cells is the first one: scrolling moves no text */
    BOOLEAN Changed;   /* since it was drawn */
    BOOLEAN Stops;     /* what does not fit is left out, instead of scrolling */
    BOOLEAN Full;      /* so it was */
    UCHAR State;       /* inside of an escape sequence */
    ULONG Parameter;   /* its number */
    PUCHAR Cells;      /* Rows * Columns characters, and as many that are drawn already */
    PUCHAR Drawn;
} KD_TEXT, *PKD_TEXT;

#define KD_TEXT_BYTES(columns, rows) (2ull * (columns) * (rows))

VOID KdpClearText(PKD_TEXT Text, ULONG Columns, ULONG Rows, PUCHAR Memory);
VOID KdpTypeText(PKD_TEXT Text, PCSTR Characters, SIZE_T Length);

/* Draws the cells that have changed. Each Page rows stand beside the ones before. */
VOID KdpDrawText(PKD_TEXT Text, PCKD_CANVAS Canvas, ULONG X, ULONG Y, ULONG Page, ULONG Background);

/* ---- the strip (strip.c): for each processor how long it was at which IRQL, in columns ---- */

/* From the bottom of a column to its top. */
typedef enum _KD_STRIP_KIND {
    StripDrawing, /* PASSIVE_LEVEL in the thread that draws the screen */
    StripPassive,
    StripApc,
    StripDispatch,
    StripDevice,
    StripClock, /* and SYNCH_LEVEL */
    StripIpi,
    StripHigh,
    StripUnknown, /* events were overwritten before they were read, or nothing was traced */
    StripKinds,
    StripIdle = StripKinds /* what is left of a column */
} KD_STRIP_KIND;

typedef union _KD_STRIP_COLUMN {
    UCHAR Heights[16]; /* in pixels, by KD_STRIP_KIND */
    ULONG64 Words[2];
} KD_STRIP_COLUMN, *PKD_STRIP_COLUMN;

typedef struct _KD_STRIP_PROCESSOR {
    ULONG64 Last;      /* up to here its time is accounted for, by the time counter */
    ULONG64 ColumnEnd; /* of the column that is being filled */
    ULONG64 Spent[StripKinds + 1];
    KIRQL Irql; /* since Last */
    BOOLEAN Known, InIdleThread, InDrawingThread;
} KD_STRIP_PROCESSOR, *PKD_STRIP_PROCESSOR;

typedef struct _KD_STRIP {
    ULONG Processors, Columns;
    ULONG Places;           /* for columns: Columns and some that are begun too early */
    ULONG Height;           /* of a column, in pixels */
    ULONG64 ColumnTime;     /* counts of the time counter */
    ULONG64 Next;           /* number of the first column that is not complete */
    ULONG64 DrawingThread;  /* address of the thread that draws */
    BOOLEAN Traced;         /* what happens now becomes events; FALSE: nobody knows */
    BOOLEAN TellsLower;     /* each return to a lower IRQL is an event */
    PKD_STRIP_COLUMN Ring;  /* Places for each processor; column n in place n % Places */
    PKD_STRIP_COLUMN Shown; /* what stands on the screen, from left to right */
    PKD_STRIP_PROCESSOR Processor;
} KD_STRIP, *PKD_STRIP;

#define KD_STRIP_AHEAD 8

#define KD_STRIP_BYTES(processors, columns)                                         \
    (sizeof(KD_STRIP_COLUMN) * (2ull * (columns) + KD_STRIP_AHEAD) * (processors) + \
     sizeof(KD_STRIP_PROCESSOR) * (processors))

/* Memory is zeroed. All processors are idle since Now until an event says something else. */
VOID KdpBeginStrip(PKD_STRIP Strip, PVOID Memory, ULONG64 Now);

/* The next event of a processor. */
VOID KdpStripEvent(PKD_STRIP Strip, ULONG Processor, const KTRACE_EVENT *Event);

/* Events of a processor are missing behind the last one: nothing is known until the next one. */
VOID KdpStripGap(PKD_STRIP Strip, ULONG Processor);

/* No event of any processor before Time is missing any more. */
VOID KdpAdvanceStrip(PKD_STRIP Strip, ULONG64 Time);

/* The heights of a column; the height of a kind and all above it is the cube root of their share.
 */
VOID KdpMakeColumn(PKD_STRIP_COLUMN Column, const ULONG64 Spent[StripKinds], ULONG64 Whole,
                   ULONG Height);

/* ---- where everything stands (screenlayout.c), in pixels ---- */

#define KD_MARGIN        8u
#define KD_LABEL_DIGITS  3u
#define KD_COLUMN_WIDTH  2
#define KD_STRIP_SECONDS 10

/* Where the bands begin. */
#define KD_BAND_X(font) (2 * KD_MARGIN + KD_LABEL_DIGITS * (font)->Width)

typedef struct _KD_LAYOUT {
    ULONG TextX, TextY, TextColumns, TextRows;
    ULONG PanelY; /* from here on to the bottom: the strip with what explains it */
    ULONG LegendY, BandsY, AxisY, NoteY;
    ULONG BandX, BandPitch, BandHeight; /* one band for each processor */
    ULONG LabelStep;                    /* each LabelStep-th band has its number beside it */
    ULONG Columns;
} KD_LAYOUT, *PKD_LAYOUT;

/* NULL, or a sentence that says why there can be no screen. */
PCSTR KdpCheckFramebuffer(const struct _BOOT_FRAMEBUFFER *Framebuffer);

VOID KdpMakeLayout(PKD_LAYOUT Layout, PCKD_CANVAS Canvas, ULONG Processors);

/* ---- drawing the strip (stripdraw.c) ---- */

/* What never changes: names, colours, times. */
VOID KdpDrawPanel(const KD_LAYOUT *Layout, PCKD_CANVAS Canvas, ULONG Processors);

/* The note below the strip: how many events were lost, or how to read the strip. */
VOID KdpDrawNote(const KD_LAYOUT *Layout, PCKD_CANVAS Canvas, PCSTR Note, ULONG Color);

/* Moves the columns to the left and draws what has changed. */
VOID KdpDrawStrip(PKD_STRIP Strip, const KD_LAYOUT *Layout, PCKD_CANVAS Canvas);

/* Draws the legend from Y on, or nothing with Canvas->Pixels NULL; returns its height. */
ULONG KdpDrawLegend(PCKD_CANVAS Canvas, ULONG Y);

#endif
