/*
 * Reading from the console. The ISR takes characters from the receiver into a ring and queues a
 * DPC; the DPC wakes the reader, which waits at PASSIVE_LEVEL and edits its line there. The ring
 * is the ISR's: the reader takes from it in a SynchCritSection routine.
 */
#include "kdp.h"

#define RING_SIZE 1024

/* Shared with the ISR: under the interrupt object's lock. */
static CHAR Ring[RING_SIZE];
static ULONG RingHead, RingTail; /* counts; the difference is what lies in the ring */
volatile ULONG KdInputOverruns;

static PKINTERRUPT InputInterrupt;
static KDPC InputDpc;
static KEVENT InputArrived; /* a synchronization event: the reader looks into the ring again */

/* The reader's own; one reader at a time. */
static KD_LINE EditedLine;
static KD_KEY_DECODER Decoder;

/* InterruptService: takes all that the receiver has, or its line would not fall. */
static BOOLEAN InputIsr(PKINTERRUPT Interrupt, PVOID ServiceContext)
{
    LONG character = ArchConsoleRead();
    BOOLEAN served = character >= 0;

    UNREFERENCED_PARAMETER(Interrupt);
    UNREFERENCED_PARAMETER(ServiceContext);
    for (; character >= 0; character = ArchConsoleRead()) {
        if (RingHead - RingTail == RING_SIZE)
            KdInputOverruns++;
        else
            Ring[RingHead++ % RING_SIZE] = (CHAR)character;
    }
    if (served)
        KeInsertQueueDpc(&InputDpc, NULL, NULL);
    return served;
}

/* CustomDpc: an ISR may not set an event. */
static VOID InputDpcRoutine(PKDPC Dpc, PVOID DeferredContext, PVOID SystemArgument1,
                            PVOID SystemArgument2)
{
    UNREFERENCED_PARAMETER(Dpc);
    UNREFERENCED_PARAMETER(DeferredContext);
    UNREFERENCED_PARAMETER(SystemArgument1);
    UNREFERENCED_PARAMETER(SystemArgument2);
    KeSetEvent(&InputArrived, IO_NO_INCREMENT, FALSE);
}

/* SynchCritSection: takes one character out of the ring. */
static BOOLEAN TakeCharacter(PVOID SynchronizeContext)
{
    if (RingHead == RingTail)
        return FALSE;
    *(PCHAR)SynchronizeContext = Ring[RingTail++ % RING_SIZE];
    return TRUE;
}

/* Once the port's driver brings the input, the ring holds what came before, and no ISR uses it. */
static BOOLEAN NextCharacter(PCHAR Character)
{
    if (InputInterrupt)
        return KeSynchronizeExecution(InputInterrupt, TakeCharacter, Character);
    return TakeCharacter(Character) || KdpTakeFromPort(Character);
}

/* The next key that has arrived already, or KD_KEY_NONE. */
static ULONG TakeKey(VOID)
{
    ULONG key = KD_KEY_NONE;
    CHAR character;

    while (key == KD_KEY_NONE && NextCharacter(&character))
        key = KdpDecodeKey(&Decoder, (UCHAR)character);
    return key;
}

/*
 * Connects the receiver's interrupt and opens it.
 *
 * IRQL:    PASSIVE_LEVEL (not checked)
 * Locks:   none
 * Context: the start
 * Returns: STATUS_SUCCESS; what IoConnectInterrupt says; STATUS_NO_SUCH_DEVICE without a line
 */
NTSTATUS KdInitializeInput(VOID)
{
    KAFFINITY affinity;
    KIRQL irql;
    NTSTATUS status;
    ULONG vector = HalGetInterruptVector(Isa, 0, CONSOLE_ISA_INTERRUPT, CONSOLE_ISA_INTERRUPT,
                                         &irql, &affinity);
    ARCH_LINE line;

    if (vector == 0 || !NT_SUCCESS(ArchIsaLine(CONSOLE_ISA_INTERRUPT, &line)))
        return STATUS_NO_SUCH_DEVICE;

    KeInitializeEvent(&InputArrived, SynchronizationEvent, FALSE);
    KeInitializeDpc(&InputDpc, InputDpcRoutine, NULL);
    status =
        IoConnectInterrupt(&InputInterrupt, InputIsr, NULL, NULL, vector, irql, irql,
                           line.LevelTriggered ? LevelSensitive : Latched, FALSE, affinity, FALSE);
    if (NT_SUCCESS(status))
        ArchConsoleEnableInput();
    return status;
}

/*
 * Disconnects the receiver's interrupt, for the driver of the port. What comes from now on stays in
 * the receiver.
 *
 * IRQL:    PASSIVE_LEVEL (not checked)
 * Locks:   none
 * Context: the reader of the line
 * Returns: nothing
 */
VOID KdpStopInput(VOID)
{
    if (InputInterrupt)
        IoDisconnectInterrupt(InputInterrupt);
    InputInterrupt = NULL;
}

/* Shows what the keys so far have made of the line. */
static VOID DrawLine(VOID)
{
    KIRQL oldIrql = KdpAcquireConsole();

    KdpDrawLine();
    KdpReleaseConsole(oldIrql);
}

/*
 * The next key. Before it waits it draws the line: once for all the keys that came in a row, as
 * when text is pasted. What arrives after a look into the ring sets the event, if only the wait
 * has not begun yet: then it ends at once.
 */
static ULONG ReadKey(VOID)
{
    ULONG key = TakeKey();

    if (key != KD_KEY_NONE)
        return key;
    DrawLine();
    while ((key = TakeKey()) == KD_KEY_NONE) {
        if (KdpUsesPort())
            KdpAwaitPort();
        else
            KeWaitForSingleObject(&InputArrived, Executive, KernelMode, FALSE, NULL);
    }
    return key;
}

/* Applies one key. TRUE: the line is finished. The console's lock is held. */
static BOOLEAN ApplyKey(PKD_LINE Line, ULONG Key)
{
    static const CHAR clearScreen[] = "\x1b[2J\x1b[H";

    switch (KdpEditLine(Line, Key)) {
    case KdEditClear:
        KdpPut(clearScreen, sizeof(clearScreen) - 1);
        return FALSE;
    case KdEditComplete:
        KdpCompleteCommand(Line);
        return FALSE;
    case KdEditAborted:
        KdpInsertText(Line, "^C", 2);
        KdpEndLine();
        KdpSetLine(Line, "");
        return TRUE;
    case KdEditAccepted:
        KdpEndLine();
        return TRUE;
    default:
        return FALSE;
    }
}

/*
 * Reads one line, which the user edits meanwhile. Messages that others print stand above it.
 *
 * IRQL:    PASSIVE_LEVEL (not checked)
 * Locks:   takes the console's lock for each key
 * Context: a thread; one reader at a time
 * Returns: the line's length; 0 also if the user has given it up with Ctrl-C
 */
SIZE_T KdReadLine(PCSTR Prompt, PCHAR Buffer, SIZE_T Size)
{
    PKD_LINE line = &EditedLine;
    BOOLEAN finished = FALSE;
    KIRQL oldIrql;

    KdpInitializeLine(line, Prompt);
    oldIrql = KdpAcquireConsole();
    KdpShowLine(line);
    KdpReleaseConsole(oldIrql);

    while (!finished) {
        ULONG key = ReadKey();

        oldIrql = KdpAcquireConsole();
        finished = ApplyKey(line, key);
        KdpReleaseConsole(oldIrql);
    }
    KdpAddHistory(line->Text);
    RtlStringPrint(Buffer, Size, "%s", line->Text);
    return strlen(Buffer);
}
