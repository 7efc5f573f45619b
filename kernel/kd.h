/* What kernel/kd shows to the rest of the kernel: the console, symbols, the monitor. */
#ifndef METRONOME_KD_H
#define METRONOME_KD_H

#include "ntddk.h"

struct _BOOT_INFO;

/* ---- symbols (kernel/kd/symbols.c) ---- */

/* The function that contains Address and the offset into it; NULL if unknown. Any IRQL. */
PCSTR KdFindSymbol(const VOID *Address, PULONG_PTR Offset);

/* Calls Visit for each function. Any IRQL. */
typedef VOID KD_SYMBOL_VISITOR(const VOID *Address, SIZE_T Size);
VOID KdVisitSymbols(KD_SYMBOL_VISITOR *Visit);

/* The address of the function with this name, or NULL. */
PVOID KdFindAddress(PCSTR Name);

/* "name+0x12" or "driver!name+0x12"; Buffer of at least 64 bytes. FALSE if there is no name. */
BOOLEAN KdNameAddress(PCHAR Buffer, SIZE_T Size, const VOID *Address);

/* The same, or the number. Returns Buffer. */
PCHAR KdFormatAddress(PCHAR Buffer, SIZE_T Size, const VOID *Address);

/* Prints the same with DbgPrint, without a line end. */
VOID KdPrintAddress(const VOID *Address);

/* Prints a backtrace from Frame (NULL: the caller), one line a function. */
VOID KdPrintBacktrace(const VOID *Frame);

/* ---- console (kernel/kd/print.c, kernel/kd/console.c) ---- */

/* Ends the use of locks on the console: for the bug check. */
VOID KdBreakConsoleLock(VOID);

/* Connects the console's receiver; then a line of input can be waited for. PASSIVE_LEVEL. */
NTSTATUS KdInitializeInput(VOID);

/*
 * Hands the console's port over to the driver serial, if that is loaded (kernel/kd/port.c).
 * PASSIVE_LEVEL, by who reads from the console.
 */
NTSTATUS KdUseSerialDriver(VOID);

/* Sends what has been printed; before the machine is left. Any IRQL. */
VOID KdFlushConsole(VOID);

/* Reads one edited line with Prompt. PASSIVE_LEVEL. Returns its length. */
SIZE_T KdReadLine(PCSTR Prompt, PCHAR Buffer, SIZE_T Size);

/* ---- the event trace (kernel/kd/tracetext.c; the hooks are in kd/trace.h) ---- */

/* Prints what the trace has last, for a report. Any IRQL; nobody else runs. */
VOID KdPrintLastEvents(VOID);

/* ---- the screen (kernel/kd/display.c) ---- */

/* Reads the option screen=; before anything is printed. */
VOID KdPrepareScreen(const struct _BOOT_INFO *BootInfo);

/* Starts to draw; when all processors run and the trace is there. PASSIVE_LEVEL. */
VOID KdInitializeScreen(VOID);

/* Is one wanted, and possible? Any IRQL. */
BOOLEAN KdIsScreenWanted(VOID);

/* Draws the report of a bug check, which has been printed. Nobody else runs. */
VOID KdShowBugCheck(VOID);

/* ---- monitor (kernel/kd/monitor.c) ---- */

/* The kd> prompt; returns never. PASSIVE_LEVEL. */
DECLSPEC_NORETURN VOID KdMonitor(VOID);

/* Runs one command line, as if typed. */
VOID KdExecute(PCSTR Line);

/* Says in one sentence why a driver was not loaded. */
VOID KdReportNotLoaded(PCSTR Name, NTSTATUS Status);

/*
 * No terminal: runs the sample drivers, if Samples, and all drivers from files for Seconds, and
 * powers off.
 */
DECLSPEC_NORETURN VOID KdDemonstration(ULONG Seconds, BOOLEAN Samples);

#endif
