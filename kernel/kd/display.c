/*
 * The screen (option screen=on): the console's text, and below it the IRQL of each processor over
 * the last seconds. Whoever prints leaves the text in a ring, under the console's lock, and goes
 * on; a thread of low priority takes it from there, reads what the event trace has that is new, and
 * draws, at PASSIVE_LEVEL and without a lock. After a bug check the processor that reports it
 * draws.
 */
#include "kdp.h"
#include "kd/kdtrace.h"
#include "kd/screen.h"
#include "bootinfo.h"
#include "ex.h"
#include "ps.h"

#define FRAME_TIME      666666u  /* 100 ns: fifteen pictures a second */
#define SCREEN_PRIORITY 7        /* below NORMAL_PRIORITY: it disturbs nobody */
#define RING_SIZE       0x10000u /* more than any screen shows */
#define PIECE_SIZE      256u
#define LEAST_COLUMNS   72u /* of text, on a page of a bug check's report */
#define KEEP_SECONDS    30u

/* Set at the start, then constant. */
static BOOT_FRAMEBUFFER Framebuffer;
static PCSTR Refusal; /* why there is no screen though the option is there, or NULL */
static KD_CANVAS Canvas;
static KD_LAYOUT Layout;
static PUCHAR TextMemory;
static BOOLEAN Ready; /* all of it is there; set last */

/* The ring of text: under the console's lock. */
static PCHAR Ring;                  /* NULL: no screen is wanted */
static volatile ULONG64 Head, Tail; /* counts; the difference lies in the ring */
static ULONG64 ReportStart;         /* the count where a bug check's report begins, */
static ULONG64 ReportTime;          /* and when it began, by the time counter */

/* The drawing thread's own. */
static KD_TEXT Text;
static KD_STRIP Strip;
static KD_TRACE_READER Reader;
static ULONG64 LostShown;

/* ---- the ring ---- */

/*
 * Keeps what is printed for the screen. Nobody waits for the screen: text that it has not taken in
 * time is overwritten, and would have scrolled away anyway.
 *
 * IRQL:    HIGH_LEVEL (not checked)
 * Locks:   the caller holds the console's lock
 * Context: any
 * Returns: nothing
 */
VOID KdpEchoText(PCSTR Characters, SIZE_T Length)
{
    if (!Ring)
        return;
    for (SIZE_T n = 0; n < Length; n++)
        Ring[Head++ % RING_SIZE] = Characters[n];
}

/*
 * What is printed from now on is the report of a bug check.
 *
 * IRQL:    any
 * Locks:   none
 * Context: the one processor that still runs
 * Returns: nothing
 */
VOID KdpBeginReport(VOID)
{
    ReportStart = Head;
    ReportTime = ArchReadCounter();
}

/* Takes a piece out of the ring; returns its length. */
static ULONG TakePiece(CHAR Piece[PIECE_SIZE])
{
    KIRQL oldIrql = KdpAcquireConsole();
    ULONG length;

    if (Head - Tail > RING_SIZE)
        Tail = Head - RING_SIZE;
    length = Head - Tail > PIECE_SIZE ? PIECE_SIZE : (ULONG)(Head - Tail);
    for (ULONG n = 0; n < length; n++)
        Piece[n] = Ring[Tail++ % RING_SIZE];
    KdpReleaseConsole(oldIrql);
    return length;
}

/* Takes what has been printed up to now: whoever goes on printing does not keep it from drawing. */
static VOID TakeText(VOID)
{
    ULONG64 end = Head;
    CHAR piece[PIECE_SIZE];

    while (Tail < end)
        KdpTypeText(&Text, piece, TakePiece(piece));
}

/* ---- the trace ---- */

static VOID ReadRing(ULONG Processor)
{
    KTRACE_EVENT event;
    BOOLEAN more;

    do {
        ULONG64 lost = Reader.Lost;

        more = KdpReadEventOf(&Reader, Processor, &event);
        if (Reader.Lost != lost)
            KdpStripGap(&Strip, Processor);
        if (more)
            KdpStripEvent(&Strip, Processor, &event);
    } while (more);
}

/* Brings the strip up to Time. */
static VOID FollowTrace(ULONG64 Time)
{
    if (KdpTraceHeader) {
        KdpContinueReading(&Reader);
        for (ULONG n = 0; n < Strip.Processors; n++)
            ReadRing(n);
    }
    KdpAdvanceStrip(&Strip, Time);
    KdpDrawStrip(&Strip, &Layout, &Canvas);
}

/* Up to a moment ago: an event that is being written now may still come with an earlier time. */
static VOID DrawLatest(VOID)
{
    UCHAR classes = KdTraceClasses;

    Strip.Traced = (classes & KD_CLASS_FLOW) != 0;
    Strip.TellsLower = DBG && (classes & KD_CLASS_IRQL);
    FollowTrace(ArchReadCounter() - Strip.ColumnTime);
}

/* ---- pictures ---- */

static VOID ShowLost(VOID)
{
    CHAR note[80];

    if (Reader.Lost == LostShown)
        return;
    LostShown = Reader.Lost;
    RtlStringPrint(note, sizeof(note), "%llu events were overwritten before they could be drawn.",
                   LostShown);
    KdpDrawNote(&Layout, &Canvas, note, KD_COLOR_ALARM);
}

static VOID ScreenThread(PVOID Context)
{
    UNREFERENCED_PARAMETER(Context);
    Strip.DrawingThread = (ULONG64)KeGetCurrentThread();
    for (;;) {
        TakeText();
        KdpDrawText(&Text, &Canvas, Layout.TextX, Layout.TextY, Layout.TextRows,
                    KD_COLOR_BACKGROUND);
        DrawLatest();
        ShowLost();
        KiSleep(FRAME_TIME);
    }
}

/* ---- start ---- */

/*
 * Looks whether a screen is wanted and possible. From then on text is kept for it.
 *
 * IRQL:    HIGH_LEVEL (not checked)
 * Locks:   none
 * Context: the start, before anything is printed
 * Returns: nothing; KdInitializeScreen says what is wrong
 */
VOID KdPrepareScreen(const BOOT_INFO *BootInfo)
{
    PCSTR option = KiGetOption("screen");

    if (!option || strcmp(option, "off") == 0)
        return;
    Framebuffer = BootInfo->Framebuffer;
    Refusal = strcmp(option, "on") == 0 ? KdpCheckFramebuffer(&Framebuffer)
                                        : "the option screen= knows on and off";
    if (Refusal)
        return;
    Ring = MmAllocatePages(RING_SIZE / PAGE_SIZE);
    if (!Ring)
        Refusal = "there is no memory for its text";
}

/*
 * IRQL:    any
 * Locks:   none
 * Context: any
 * Returns: TRUE if a screen is wanted and possible
 */
BOOLEAN KdIsScreenWanted(VOID)
{
    return Ring != NULL;
}

static PVOID AllocateBytes(SIZE_T Bytes)
{
    return MmAllocatePages((Bytes + PAGE_SIZE - 1) / PAGE_SIZE);
}

static BOOLEAN MapFramebuffer(VOID)
{
    PHYSICAL_ADDRESS base = {.QuadPart = (LONGLONG)Framebuffer.Base};
    SIZE_T bytes = sizeof(ULONG) * Framebuffer.PixelsPerScanLine * Framebuffer.Height;

    Canvas = (KD_CANVAS){.Pixels = MmMapIoSpace(base, bytes, MmWriteCombined),
                         .Width = Framebuffer.Width,
                         .Height = Framebuffer.Height,
                         .Pitch = Framebuffer.PixelsPerScanLine,
                         .RedFirst = !Framebuffer.BlueFirst,
                         .Font = &KdFont};
    return Canvas.Pixels != NULL;
}

static BOOLEAN MakeStrip(VOID)
{
    PVOID memory;

    Strip.Processors = (ULONG)KeNumberProcessors;
    Strip.Columns = Layout.Columns;
    Strip.Height = Layout.BandHeight;
    Strip.ColumnTime = ArchCounterFrequency * KD_STRIP_SECONDS / Layout.Columns;
    memory = AllocateBytes(KD_STRIP_BYTES(Strip.Processors, Strip.Columns));
    if (!memory)
        return FALSE;
    KdpBeginStrip(&Strip, memory, ArchReadCounter());
    if (KdpTraceHeader)
        KdpBeginReading(&Reader, 0);
    return TRUE;
}

/* What never changes. */
static VOID DrawFrame(VOID)
{
    KdpFill(&Canvas, 0, 0, Canvas.Width, Canvas.Height, KD_COLOR_BACKGROUND);
    KdpDrawPanel(&Layout, &Canvas, Strip.Processors);
    KdpDrawNote(&Layout, &Canvas,
                "Height: cube root of the share of time, so 0.1 % is a tenth. "
                "The prompt reads the serial line.",
                KD_COLOR_MUTED);
}

/* Returns NULL, or what is wrong. */
static PCSTR MakeScreen(VOID)
{
    if (!MapFramebuffer())
        return "the framebuffer cannot be mapped";
    KdpMakeLayout(&Layout, &Canvas, (ULONG)KeNumberProcessors);
    TextMemory = AllocateBytes(KD_TEXT_BYTES(Layout.TextColumns, Layout.TextRows));
    if (!TextMemory || !MakeStrip())
        return "there is no memory for it";
    KdpClearText(&Text, Layout.TextColumns, Layout.TextRows, TextMemory);
    DrawFrame();
    Ready = TRUE;
    return NT_SUCCESS(PspStartThread("screen", SCREEN_PRIORITY, ScreenThread, NULL))
               ? NULL
               : "there is no memory for its thread";
}

/*
 * Starts the screen, if one is wanted, or says why there is none; the kernel runs all the same.
 *
 * IRQL:    PASSIVE_LEVEL (not checked)
 * Locks:   none
 * Context: the start; all processors run, the trace is there
 * Returns: nothing
 */
VOID KdInitializeScreen(VOID)
{
    if (Ring)
        Refusal = MakeScreen();
    if (Refusal)
        DbgPrint("There is no screen: %s.\n", Refusal);
    else if (Ready)
        DbgPrint("The screen has %u x %u pixels: %u rows of text, and the IRQL of the last "
                 "%u seconds.\n",
                 Canvas.Width, Canvas.Height, Layout.TextRows, KD_STRIP_SECONDS);
}

/* ---- bug checks ---- */

/*
 * The report alone, from its first line on, on two pages side by side where there is room. The
 * state of Text is made anew: the thread may have been stopped in the middle of a change.
 */
static VOID DrawReport(VOID)
{
    ULONG pages = Layout.TextColumns / 2 >= LEAST_COLUMNS ? 2 : 1;
    ULONG64 start = Head - ReportStart > RING_SIZE ? Head - RING_SIZE : ReportStart;

    while (start < Head && Ring[start % RING_SIZE] == '\n')
        start++;
    KdpClearText(&Text, Layout.TextColumns / pages - (pages - 1), Layout.TextRows * pages,
                 TextMemory);
    Text.Stops = TRUE;
    for (; start < Head; start++)
        KdpTypeText(&Text, &Ring[start % RING_SIZE], 1);
    KdpFill(&Canvas, 0, 0, Canvas.Width, Layout.PanelY, KD_COLOR_STOPPED);
    KdpDrawText(&Text, &Canvas, Layout.TextX, Layout.TextY, Layout.TextRows, KD_COLOR_STOPPED);
}

/*
 * Shows the report of a bug check on the screen, if there is one, and keeps it there for a while:
 * the end of the emulator would take the window away. The strip ends with the bug check; whatever
 * change of it the thread was stopped in, all that can be wrong is a column.
 *
 * IRQL:    HIGH_LEVEL (not checked)
 * Locks:   none
 * Context: the one processor that still runs, when the report has been printed
 * Returns: nothing
 */
VOID KdShowBugCheck(VOID)
{
    ULONG64 start;

    if (!Ready)
        return;
    DbgPrint("The screen stays for %u seconds, or until a key comes over the serial line.\n",
             KEEP_SECONDS);
    DrawReport();
    FollowTrace(ReportTime);
    while (ArchConsoleRead() >= 0)
        ; /* what was typed before */
    start = ArchReadCounter();
    while (ArchReadCounter() - start < KEEP_SECONDS * ArchCounterFrequency && ArchConsoleRead() < 0)
        ArchPause();
}
