/*
 * The monitor: reads a line, finds the command in its table and runs it. PASSIVE_LEVEL, no lock;
 * the commands themselves are in commands/, by subject.
 */
#include "kdp.h"

#define MAXIMUM_WORDS 8 /* the command and its arguments */

/* In the order in which `help` lists them. */
const KD_COMMAND KdpCommands[] = {
    {"help", "[COMMAND]", "lists the commands, or explains one.", 0, 1, KdpHelp},
    {"version", "", "tells which kernel this is and on what it runs.", 0, 0, KdpVersion},
    {"cpus", "", "shows what each processor has done so far.", 0, 0, KdpCpus},
    {"irql", "", "shows the IRQL of each processor, and what the levels are for.", 0, 0, KdpIrql},
    {"timers", "", "lists the timers that are set: when they are due and what they call.", 0, 0,
     KdpTimers},
    {"dpcs", "", "shows the DPC queues of each processor.", 0, 0, KdpDpcs},
    {"threads", "", "lists the threads.", 0, 0, KdpThreads},
    {"waits", "", "shows what each thread waits for, and finds deadlocks.", 0, 0, KdpWaits},
    {"ready", "", "shows for each processor which threads want to run.", 0, 0, KdpReady},
    {"interrupts", "", "lists the connected interrupt service routines.", 0, 0, KdpInterrupts},
    {"drivers", "", "lists the drivers, loaded or not.", 0, 0, KdpDrivers},
    {"devices", "", "lists the devices of the loaded drivers.", 0, 0, KdpDevices},
    {"pci", "[BUS:DEV.FN]", "lists the PCI functions, or shows one with its resources.", 0, 1,
     KdpPci},
    {"objects", "", "lists the names of devices, and the links to them.", 0, 0, KdpObjects},
    {"irps", "", "lists the requests under way: where they are and for how long.", 0, 0, KdpIrps},
    {"open", "NAME", "opens a device: \\??\\NAME, or a full name.", 1, 1, KdpOpen},
    {"read", "FILE [LENGTH]", "reads up to LENGTH bytes (64) from an open file.", 1, 2, KdpRead},
    {"write", "FILE TEXT...", "writes the text to an open file.", 2, MAXIMUM_WORDS - 1,
     KdpWriteFile},
    {"ioctl", "FILE CODE [INPUT [LENGTH]]",
     "sends a control code with hexadecimal input, and prints up to LENGTH bytes (64).", 2, 4,
     KdpIoctl},
    {"cancel", "FILE", "cancels the request to an open file that has not ended.", 1, 1, KdpCancel},
    {"close", "FILE", "closes an open file.", 1, 1, KdpClose},
    {"pnp", "", "lists the plug and play devices and the drivers that have them.", 0, 0, KdpPnp},
    {"remove", "DEVICE [surprise]", "takes a device away from its driver.", 1, 2, KdpRemove},
    {"load", "DRIVER", "loads a driver.", 1, 1, KdpLoad},
    {"unload", "DRIVER", "unloads a driver.", 1, 1, KdpUnload},
    {"trace", "[on | brief | off | last]",
     "shows what is traced, changes it, or prints the last events.", 0, 1, KdpTrace},
    {"stats", "", "shows the time spent at each IRQL, in DPC routines and in interrupts.", 0, 0,
     KdpStats},
    {"time", "", "shows the clocks.", 0, 0, KdpTime},
    {"settime", "YYYY-MM-DD HH:MM:SS | +SECONDS | -SECONDS",
     "sets the system time (UTC); absolute timers follow it.", 1, 2, KdpSetTime},
    {"mem", "", "shows how much memory is in use.", 0, 0, KdpMemory},
    {"bugcheck", "[CODE [P1 [P2 [P3 [P4]]]]]",
     "stops the system with a bug check; hexadecimal, E2 by default.", 0, 5, KdpBugCheck},
    {"reboot", "", "starts the machine again.", 0, 0, KdpReboot},
    {"poweroff", "", "turns the machine off.", 0, 0, KdpPowerOff},
    {NULL, NULL, NULL, 0, 0, NULL},
};

static const KD_COMMAND *FindCommand(PCSTR Name)
{
    for (const KD_COMMAND *command = KdpCommands; command->Name; command++)
        if (strcmp(command->Name, Name) == 0)
            return command;
    return NULL;
}

/* Cuts Text into words at its blanks; returns how many there are, more than Limit included. */
static ULONG SplitWords(PCHAR Text, PCSTR Words[], ULONG Limit)
{
    ULONG count = 0;

    for (;;) {
        while (*Text == ' ' || *Text == '\t')
            *Text++ = 0;
        if (*Text == 0)
            return count;
        if (count < Limit)
            Words[count] = Text;
        count++;
        while (*Text && *Text != ' ' && *Text != '\t')
            Text++;
    }
}

static VOID PrintUsage(const KD_COMMAND *Command)
{
    DbgPrint("Usage: %s%s%s\n", Command->Name, Command->Usage[0] ? " " : "", Command->Usage);
}

/*
 * Runs one command line, as if typed.
 *
 * IRQL:    PASSIVE_LEVEL (not checked)
 * Locks:   none
 * Context: a thread
 * Returns: nothing; some commands never return
 */
VOID KdExecute(PCSTR Line)
{
    CHAR text[KD_LINE_SIZE];
    PCSTR words[MAXIMUM_WORDS];
    ULONG count;
    const KD_COMMAND *command;

    RtlStringPrint(text, sizeof(text), "%s", Line);
    count = SplitWords(text, words, MAXIMUM_WORDS);
    if (count == 0)
        return;
    command = FindCommand(words[0]);
    if (command == NULL)
        DbgPrint("There is no command '%s'; 'help' lists those that there are.\n", words[0]);
    else if (count - 1 < command->Minimum || count - 1 > command->Maximum)
        PrintUsage(command);
    else
        command->Routine(count - 1, &words[1]);
}

/*
 * Reads and runs commands for ever.
 *
 * IRQL:    PASSIVE_LEVEL (not checked)
 * Locks:   none
 * Context: a thread
 * Returns: never
 */
VOID KdMonitor(VOID)
{
    static CHAR line[KD_LINE_SIZE];

    DbgPrint("Type 'help' for the commands.\n");
    for (;;) {
        KdReadLine("kd> ", line, sizeof(line));
        KdExecute(line);
    }
}

/*
 * help: the table, or one entry of it.
 *
 * IRQL:    PASSIVE_LEVEL (not checked)
 * Locks:   none but the console's, for each line
 * Context: the monitor
 * Returns: nothing
 */
VOID KdpHelp(ULONG Count, PCSTR Arguments[])
{
    const KD_COMMAND *command;

    if (Count == 0) {
        for (command = KdpCommands; command->Name; command++)
            DbgPrint("  %-10s  %s\n", command->Name, command->Help);
        DbgPrint("Tab completes a command, the arrows recall earlier lines.\n");
        return;
    }
    command = FindCommand(Arguments[0]);
    if (command == NULL) {
        DbgPrint("There is no command '%s'.\n", Arguments[0]);
        return;
    }
    PrintUsage(command);
    DbgPrint("  %s %s\n", command->Name, command->Help);
}
