/*
 * The commands open, read, write, ioctl, cancel and close: a driver's routines at work, from the
 * prompt. Files are opened asynchronously, so that the prompt comes back although a request does
 * not end. Until it has ended its file is busy, since the driver has the file's buffer.
 * PASSIVE_LEVEL; one monitor, no lock.
 */
#include "kd/kdp.h"
#include "ob.h"

#define FILES       8
#define BUFFER_SIZE 1024
#define PATIENCE    1  /* seconds until the prompt comes back without an answer */
#define ROW         16 /* bytes in a row of the dump */

/* An open file. Numbers at the prompt begin with 1. */
typedef struct _MONITOR_FILE {
    HANDLE File, Event; /* NULL: not open */
    BOOLEAN Busy;       /* the last request has not ended */
    ULONG Wanted;       /* bytes that it may bring into Output */
    IO_STATUS_BLOCK Block;
    UCHAR Input[BUFFER_SIZE], Output[BUFFER_SIZE];
} MONITOR_FILE, *PMONITOR_FILE;

static MONITOR_FILE Files[FILES];

static ULONG NumberOf(PMONITOR_FILE File)
{
    return (ULONG)(File - Files) + 1;
}

/* Rows of hexadecimal numbers and characters. */
static VOID Dump(const UCHAR *Bytes, ULONG_PTR Length)
{
    for (ULONG_PTR row = 0; row < Length; row += ROW) {
        CHAR numbers[3 * ROW + 1], text[ROW + 1];
        ULONG count = (ULONG)min(Length - row, ROW);

        for (ULONG n = 0; n < count; n++) {
            UCHAR byte = Bytes[row + n];

            RtlStringPrint(&numbers[3 * n], 4, "%02x ", byte);
            text[n] = byte >= ' ' && byte < 0x7F ? (CHAR)byte : '.';
        }
        text[count] = 0;
        DbgPrint("  %04llx  %-48s %s\n", row, numbers, text);
    }
}

/* Says how a request has ended. */
static VOID Report(PMONITOR_FILE File, NTSTATUS Status)
{
    ULONG_PTR bytes = File->Block.Information;

    if (!NT_SUCCESS(Status)) {
        KdpPrintStatus("Cannot finish", "the request", Status);
        return;
    }
    DbgPrint("%llu byte%s.\n", bytes, bytes == 1 ? "" : "s");
    Dump(File->Output, min(bytes, File->Wanted));
}

/* TRUE: the last request has ended within so many seconds, which is reported. */
static BOOLEAN HasEnded(PMONITOR_FILE File, ULONG Seconds)
{
    LARGE_INTEGER timeout = {.QuadPart = -10000000LL * Seconds};

    if (ZwWaitForSingleObject(File->Event, FALSE, &timeout) == STATUS_TIMEOUT)
        return FALSE;
    File->Busy = FALSE;
    Report(File, File->Block.Status);
    return TRUE;
}

/* What a request has answered at once; waits a while for one that is pending. */
static VOID Await(PMONITOR_FILE File, NTSTATUS Status)
{
    if (Status != STATUS_PENDING) {
        Report(File, Status);
        return;
    }
    File->Busy = TRUE;
    if (!HasEnded(File, PATIENCE))
        DbgPrint("No answer yet: irps shows where it is, cancel %u takes it back.\n",
                 NumberOf(File));
}

/* The file of that number; or a sentence and NULL. */
static PMONITOR_FILE FindFile(PCSTR Text)
{
    ULONG64 number;

    if (KdpParseNumber(Text, &number) && number >= 1 && number <= FILES && Files[number - 1].File)
        return &Files[number - 1];
    DbgPrint("No file has the number \"%s\".\n", Text);
    return NULL;
}

/* The same, if the file is ready for a request. */
static PMONITOR_FILE FindReadyFile(PCSTR Text)
{
    PMONITOR_FILE file = FindFile(Text);

    if (!file || !file->Busy || HasEnded(file, 0))
        return file;
    DbgPrint("The last request to file %u has not ended.\n", NumberOf(file));
    return NULL;
}

/* "NAME" is "\??\NAME", as programs write it; a name that begins with a backslash is whole. */
static VOID MakePath(PUNICODE_STRING Path, PWSTR Buffer, ULONG Characters, PCSTR Name)
{
    PCSTR prefix = Name[0] == '\\' ? "" : "\\??\\";
    ULONG length = 0;

    for (; *prefix; prefix++)
        Buffer[length++] = (WCHAR)(UCHAR)*prefix;
    for (; *Name && length < Characters - 1; Name++)
        Buffer[length++] = (WCHAR)(UCHAR)*Name;
    Buffer[length] = 0;
    RtlInitUnicodeString(Path, Buffer);
}

static NTSTATUS OpenPath(PMONITOR_FILE File, PCSTR Name)
{
    OBJECT_ATTRIBUTES attributes;
    UNICODE_STRING path;
    WCHAR buffer[128];
    NTSTATUS status;

    MakePath(&path, buffer, ARRAYSIZE(buffer), Name);
    InitializeObjectAttributes(&attributes, &path, OBJ_CASE_INSENSITIVE | OBJ_KERNEL_HANDLE, NULL,
                               NULL);
    status = ZwCreateEvent(&File->Event, 0, NULL, NotificationEvent, FALSE);
    if (!NT_SUCCESS(status))
        return status;
    status = ZwCreateFile(&File->File, GENERIC_READ | GENERIC_WRITE, &attributes, &File->Block,
                          NULL, FILE_ATTRIBUTE_NORMAL, FILE_SHARE_READ | FILE_SHARE_WRITE,
                          FILE_OPEN, FILE_NON_DIRECTORY_FILE, NULL, 0);
    if (!NT_SUCCESS(status)) {
        File->File = NULL;
        ZwClose(File->Event);
    }
    return status;
}

/*
 * open NAME.
 *
 * IRQL:    PASSIVE_LEVEL (not checked)
 * Locks:   none but the console's, for each line
 * Context: the monitor
 * Returns: nothing
 */
VOID KdpOpen(ULONG Count, PCSTR Arguments[])
{
    ULONG n = 0;
    NTSTATUS status;

    UNREFERENCED_PARAMETER(Count);
    while (n < FILES && (Files[n].File || Files[n].Busy))
        n++;
    if (n == FILES) {
        DbgPrint("%u files are open; close one.\n", FILES);
        return;
    }
    status = OpenPath(&Files[n], Arguments[0]);
    if (NT_SUCCESS(status))
        DbgPrint("File %u.\n", n + 1);
    else
        KdpPrintStatus("Cannot open", Arguments[0], status);
}

/*
 * cancel FILE: the last request's way back.
 *
 * IRQL:    PASSIVE_LEVEL (not checked)
 * Locks:   none but the console's, for each line
 * Context: the monitor
 * Returns: nothing
 */
VOID KdpCancel(ULONG Count, PCSTR Arguments[])
{
    PMONITOR_FILE file = FindFile(Arguments[0]);
    IO_STATUS_BLOCK block;

    UNREFERENCED_PARAMETER(Count);
    if (!file || !file->Busy) {
        if (file)
            DbgPrint("No request to file %u is under way.\n", NumberOf(file));
        return;
    }
    ZwCancelIoFile(file->File, &block);
    if (!HasEnded(file, PATIENCE))
        DbgPrint("The driver does not give it back.\n");
}

/*
 * close FILE. A driver that does not end the file's requests then keeps its place in the table.
 *
 * IRQL:    PASSIVE_LEVEL (not checked)
 * Locks:   none but the console's, for each line
 * Context: the monitor
 * Returns: nothing
 */
VOID KdpClose(ULONG Count, PCSTR Arguments[])
{
    PMONITOR_FILE file = FindFile(Arguments[0]);

    UNREFERENCED_PARAMETER(Count);
    if (!file)
        return;
    ZwClose(file->File);
    file->File = NULL;
    if (file->Busy && !HasEnded(file, PATIENCE))
        DbgPrint("The driver does not give the file's request back.\n");
    else
        ZwClose(file->Event);
}

/* A number that says how many bytes; FALSE and a sentence if it is too large or none. */
static BOOLEAN ParseLength(PCSTR Text, PULONG Length)
{
    ULONG64 number;

    if (!KdpParseNumber(Text, &number) || number > BUFFER_SIZE) {
        DbgPrint("A length is a number up to %u, not \"%s\".\n", BUFFER_SIZE, Text);
        return FALSE;
    }
    *Length = (ULONG)number;
    return TRUE;
}

/*
 * read FILE [LENGTH].
 *
 * IRQL:    PASSIVE_LEVEL (not checked)
 * Locks:   none but the console's, for each line
 * Context: the monitor
 * Returns: nothing
 */
VOID KdpRead(ULONG Count, PCSTR Arguments[])
{
    LARGE_INTEGER offset = {.QuadPart = 0};
    PMONITOR_FILE file = FindReadyFile(Arguments[0]);
    ULONG length = 64;

    if (!file || (Count > 1 && !ParseLength(Arguments[1], &length)))
        return;
    file->Wanted = length;
    Await(file, ZwReadFile(file->File, file->Event, NULL, NULL, &file->Block, file->Output, length,
                           &offset, NULL));
}

/*
 * write FILE TEXT...
 *
 * IRQL:    PASSIVE_LEVEL (not checked)
 * Locks:   none but the console's, for each line
 * Context: the monitor
 * Returns: nothing
 */
VOID KdpWriteFile(ULONG Count, PCSTR Arguments[])
{
    LARGE_INTEGER offset = {.QuadPart = 0};
    PMONITOR_FILE file = FindReadyFile(Arguments[0]);
    int length = 0;

    if (!file)
        return;
    for (ULONG n = 1; n < Count; n++)
        length += RtlStringPrint((PCHAR)file->Input + length, BUFFER_SIZE - (SIZE_T)length, "%s%s",
                                 n > 1 ? " " : "", Arguments[n]);
    file->Wanted = 0;
    Await(file, ZwWriteFile(file->File, file->Event, NULL, NULL, &file->Block, file->Input,
                            (ULONG)length, &offset, NULL));
}

/* Pairs of hexadecimal digits; FALSE and a sentence if Text is none. */
static BOOLEAN ParseBytes(PCSTR Text, UCHAR *Bytes, PULONG Length)
{
    SIZE_T digits = strlen(Text);

    for (SIZE_T n = 0; n < digits / 2 && n < BUFFER_SIZE; n++) {
        CHAR pair[] = {Text[2 * n], Text[2 * n + 1], 0};
        ULONG64 value;

        if (!KdpParseHexadecimal(pair, &value))
            digits = 1; /* no number of pairs */
        else
            Bytes[n] = (UCHAR)value;
    }
    if (digits % 2 || digits / 2 > BUFFER_SIZE) {
        DbgPrint("Input is pairs of hexadecimal digits, not \"%s\".\n", Text);
        return FALSE;
    }
    *Length = (ULONG)(digits / 2);
    return TRUE;
}

/*
 * ioctl FILE CODE [INPUT [OUTPUT-LENGTH]].
 *
 * IRQL:    PASSIVE_LEVEL (not checked)
 * Locks:   none but the console's, for each line
 * Context: the monitor
 * Returns: nothing
 */
VOID KdpIoctl(ULONG Count, PCSTR Arguments[])
{
    PMONITOR_FILE file = FindReadyFile(Arguments[0]);
    ULONG inputLength = 0, outputLength = 64;
    ULONG64 code;

    if (!file)
        return;
    if (!KdpParseHexadecimal(Arguments[1], &code) || code > MAXULONG) {
        DbgPrint("A control code is a hexadecimal number of 32 bits, not \"%s\".\n", Arguments[1]);
        return;
    }
    if ((Count > 2 && !ParseBytes(Arguments[2], file->Input, &inputLength)) ||
        (Count > 3 && !ParseLength(Arguments[3], &outputLength)))
        return;
    file->Wanted = outputLength;
    Await(file,
          ZwDeviceIoControlFile(file->File, file->Event, NULL, NULL, &file->Block, (ULONG)code,
                                file->Input, inputLength, file->Output, outputLength));
}
