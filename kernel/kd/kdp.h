/* What the files of kernel/kd show to each other: the console and its edited line, the monitor. */
#ifndef METRONOME_KDP_H
#define METRONOME_KDP_H

#include "kd.h"
#include "ke.h"
#include "kd/line.h"

/* ---- the console (print.c) ---- */

/* Takes and frees the console's lock; without effect once a bug check has broken it. Any IRQL. */
KIRQL KdpAcquireConsole(VOID);
VOID KdpReleaseConsole(KIRQL OldIrql);

/*
 * The caller of these holds the console's lock.
 * KdpWrite writes a message: an edited line is erased before it and drawn again after it.
 */
VOID KdpWrite(PCSTR Text, SIZE_T Length);

/* Sends Text without any of that. */
VOID KdpPut(PCSTR Text, SIZE_T Length);

/* ---- the driver of the console's port (port.c says more) ---- */

VOID KdpOutput(PCSTR Text, SIZE_T Length, BOOLEAN MayWait);
BOOLEAN KdpTakeKick(VOID);
VOID KdpKickPort(VOID);
BOOLEAN KdpUsesPort(VOID);
VOID KdpAwaitPort(VOID);
BOOLEAN KdpTakeFromPort(PCHAR Character);

/* Disconnects the kernel's own input (console.c). */
VOID KdpStopInput(VOID);

/* ---- the screen (display.c) ---- */

/* The caller holds the console's lock. */
VOID KdpEchoText(PCSTR Characters, SIZE_T Length);

/* From here on it is the report of a bug check. */
VOID KdpBeginReport(VOID);

/* ---- the edited line ---- */

/* Shows Line with its prompt from now on, and takes it away again, leaving it on the screen. */
VOID KdpShowLine(PKD_LINE Line);
VOID KdpEndLine(VOID);

/* Draws the shown line again after an edit. */
VOID KdpDrawLine(VOID);

/* The Tab key (complete.c). The caller holds the console's lock. */
VOID KdpCompleteCommand(PKD_LINE Line);

/* ---- the monitor (monitor.c, commands/) ---- */

/* One command. The monitor checks the number of arguments before it calls Routine. */
typedef VOID KD_ROUTINE(ULONG Count, PCSTR Arguments[]);
typedef struct _KD_COMMAND {
    PCSTR Name;
    PCSTR Usage;            /* the arguments, "" for none */
    PCSTR Help;             /* one sentence */
    ULONG Minimum, Maximum; /* number of arguments */
    KD_ROUTINE *Routine;
} KD_COMMAND;

/* Ends with an entry without a name. */
extern const KD_COMMAND KdpCommands[];

KD_ROUTINE KdpHelp, KdpVersion;
KD_ROUTINE KdpCpus, KdpIrql;
KD_ROUTINE KdpTimers, KdpDpcs;
KD_ROUTINE KdpThreads, KdpWaits, KdpReady;
KD_ROUTINE KdpInterrupts, KdpDrivers, KdpDevices, KdpLoad, KdpUnload;
KD_ROUTINE KdpIrps, KdpObjects;
KD_ROUTINE KdpOpen, KdpRead, KdpWriteFile, KdpIoctl, KdpCancel, KdpClose;
KD_ROUTINE KdpPci, KdpPnp, KdpRemove;
KD_ROUTINE KdpTrace, KdpStats;
KD_ROUTINE KdpTime, KdpSetTime;
KD_ROUTINE KdpMemory, KdpBugCheck, KdpReboot, KdpPowerOff;

/* What stats prints, before the machine is left; nothing when nothing is traced. */
VOID KdpFinalStats(VOID);

/* A number, decimal or 0x hexadecimal; FALSE if Text is none. Any IRQL. */
BOOLEAN KdpParseNumber(PCSTR Text, PULONG64 Value);

/* The same where hexadecimal is usual: the 0x may be left out. */
BOOLEAN KdpParseHexadecimal(PCSTR Text, PULONG64 Value);

/* Prints an instant as "2026-11-21 06:40:03.123 UTC", an interval as "12.345678". */
VOID KdpPrintTime(LONG64 SystemTime);
PCHAR KdpFormatInterval(PCHAR Buffer, SIZE_T Size, LONG64 Units);

/* Prints a status with its name if it is one that the commands meet. */
VOID KdpPrintStatus(PCSTR What, PCSTR Name, NTSTATUS Status);

/* Input characters that were lost because nobody read them in time. */
extern volatile ULONG KdInputOverruns;

#endif
