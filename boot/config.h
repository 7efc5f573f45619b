/* What \metronome\boot.cfg says, as strings. */
#ifndef METRONOME_BOOT_CONFIG_H
#define METRONOME_BOOT_CONFIG_H

#include "bootinfo.h"

#include <stddef.h>

#define CONFIG_MAX_PATH 128  /* bytes of a path on the EFI partition, the closing zero included */
#define CONFIG_MAX_LINE 1152 /* bytes of a line, without its end */

#define CONFIG_DEFAULT_KERNEL "\\metronome\\kernel.elf"

typedef struct _BOOT_CONFIG {
    char Kernel[CONFIG_MAX_PATH];
    char CommandLine[BOOT_MAX_COMMAND];
    uint32_t DriverCount;
    char Drivers[BOOT_MAX_FILES][CONFIG_MAX_PATH];
} BOOT_CONFIG;

/* What holds when there is no boot.cfg: the default kernel, no command line, no drivers. */
void ConfigDefaults(BOOT_CONFIG *Config);

/*
 * Reads the text of boot.cfg into Config, beginning with the defaults.
 *
 * A line is `key=value`, a comment (`#` first) or blank; blanks around the key and the value do
 * not count, and a line may end with CR LF. Paths begin with a backslash; slashes become
 * backslashes. `driver` may be repeated, `kernel` and `cmdline` may not.
 *
 * Returns: NULL if every line was understood; else what is wrong with line *Line, counted from 1,
 *          as the end of a sentence that begins with the line's number
 */
const char *ConfigParse(const char *Text, size_t Size, BOOT_CONFIG *Config, uint32_t *Line);

/* The part of Path behind its last backslash. */
const char *ConfigFileName(const char *Path);

#endif
