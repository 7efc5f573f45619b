/* The Tab key: completing the name of a command. Runs under the console's lock. */
#include "kdp.h"

/* The length of the part that all commands beginning with the line have in common. */
static ULONG CommonLength(const KD_LINE *Line, PCSTR *First, PULONG Count)
{
    ULONG common = 0;

    *Count = 0;
    for (const KD_COMMAND *command = KdpCommands; command->Name; command++) {
        ULONG length = 0;

        if (strncmp(command->Name, Line->Text, Line->Length) != 0)
            continue;
        if ((*Count)++ == 0) {
            *First = command->Name;
            common = (ULONG)strlen(command->Name);
            continue;
        }
        while (length < common && command->Name[length] == (*First)[length])
            length++;
        common = length;
    }
    return common;
}

/* Prints the commands that begin with the line. The console's lock is held. */
static VOID PrintCandidates(const KD_LINE *Line)
{
    CHAR row[200];
    int length = 0;

    for (const KD_COMMAND *command = KdpCommands; command->Name; command++)
        if (strncmp(command->Name, Line->Text, Line->Length) == 0)
            length +=
                RtlStringPrint(&row[length], sizeof(row) - (SIZE_T)length, "%s ", command->Name);
    length += RtlStringPrint(&row[length], sizeof(row) - (SIZE_T)length, "\n");
    KdpWrite(row, (SIZE_T)length);
}

/*
 * Tab: completes the command's name as far as it is certain, or shows what is possible.
 *
 * IRQL:    HIGH_LEVEL (not checked)
 * Locks:   the caller holds the console's lock
 * Context: the reader of the line
 * Returns: nothing
 */
VOID KdpCompleteCommand(PKD_LINE Line)
{
    PCSTR first = NULL;
    ULONG count, common;

    if (Line->Cursor != Line->Length || strchr(Line->Text, ' '))
        return;
    common = CommonLength(Line, &first, &count);
    if (common > Line->Length)
        KdpInsertText(Line, &first[Line->Length], common - Line->Length);
    else if (count > 1)
        PrintCandidates(Line);
    if (count == 1)
        KdpInsertText(Line, " ", 1);
}
