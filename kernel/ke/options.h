/* Reading the command line, for the start and the monitor. */
#ifndef METRONOME_KE_OPTIONS_H
#define METRONOME_KE_OPTIONS_H

#include "ntdef.h"

VOID KiInitializeOptions(PCSTR CommandLine);

/* Decimal or 0x hexadecimal, optional minus; FALSE if Text is anything else. Any IRQL. */
BOOLEAN KiParseNumber(PCSTR Text, PULONG64 Number);

#endif
