/*
 * The console through the driver of its serial port. Until the driver runs, and without it, the
 * console is polled: output waits for the transmitter, at HIGH_LEVEL, and input comes by a service
 * routine of the kernel's own (console.c). Once KdUseSerialDriver has handed the port over:
 *
 *     message --> Output ring --Fetch--> the driver's ISR --> transmitter
 *     receiver --> the driver's ISR, ring, DpcForIsr --> a read of the kernel's --> the edited line
 *
 * Output stays the kernel's, under the console's lock, and so does the right to touch the
 * transmitter. Who cannot wait for an interrupt (above DISPATCH_LEVEL, in a bug check, at the end)
 * first sends what lies in the ring and then its own text, by polling: the order is kept, nothing
 * is lost and nothing comes twice, because a character leaves the ring under the lock by one way or
 * by the other.
 */
#include "kdp.h"
#include "io.h"
#include "kdport.h"
#include "ntddser.h"

#define OUTPUT_SIZE 16384
#define INPUT_SIZE  64

/* Under the console's lock. */
static CHAR Output[OUTPUT_SIZE];
static ULONG OutputHead, OutputTail; /* counts; the difference is what lies in the ring */
static BOOLEAN Connected;            /* the driver fetches */
static BOOLEAN Idle = TRUE;          /* it has found nothing to fetch: it waits to be kicked */
static BOOLEAN KickWanted;

/* The reader's own. */
static PFILE_OBJECT PortFile;
static PDEVICE_OBJECT PortDevice; /* NULL: the console is polled */
static CHAR Input[INPUT_SIZE];
static ULONG InputNext, InputCount;

static KD_PORT_FETCH FetchOutput;
static KD_PORT Port = {
    .Acquire = KdpAcquireConsole, .Release = KdpReleaseConsole, .Fetch = FetchOutput};

/* ---- output; all of it under the console's lock ---- */

/* A line end becomes two characters, which stay together. */
static ULONG FetchOutput(PUCHAR Buffer, ULONG Length)
{
    ULONG count = 0;

    while (OutputTail != OutputHead) {
        CHAR character = Output[OutputTail % OUTPUT_SIZE];

        if (count + (character == '\n' ? 2u : 1u) > Length)
            break;
        if (character == '\n')
            Buffer[count++] = '\r';
        Buffer[count++] = (UCHAR)character;
        OutputTail++;
    }
    Idle = count == 0;
    return count;
}

/* Sends what lies in the ring, by polling. */
static VOID Drain(VOID)
{
    while (OutputTail != OutputHead) {
        ULONG start = OutputTail % OUTPUT_SIZE, length = OutputHead - OutputTail;

        if (length > OUTPUT_SIZE - start)
            length = OUTPUT_SIZE - start;
        ArchConsoleWrite(&Output[start], length);
        OutputTail += length;
    }
}

/*
 * Sends text, or leaves it to the driver to send. A ring without room is emptied by polling:
 * whoever prints faster than the line takes it waits for the line.
 *
 * IRQL:    HIGH_LEVEL (not checked)
 * Locks:   the caller holds the console's lock
 * Context: any; MayWait: interrupts can be taken once the lock is free
 * Returns: nothing
 */
VOID KdpOutput(PCSTR Text, SIZE_T Length, BOOLEAN MayWait)
{
    if (!Connected || !MayWait || Length > OUTPUT_SIZE) {
        Drain();
        ArchConsoleWrite(Text, Length);
        return;
    }
    if (OUTPUT_SIZE - (OutputHead - OutputTail) < Length)
        Drain();
    for (SIZE_T n = 0; n < Length; n++)
        Output[OutputHead++ % OUTPUT_SIZE] = Text[n];
    if (Idle)
        KickWanted = TRUE;
    Idle = FALSE;
}

/*
 * Is the driver to be told that there is something to send? Whoever is told TRUE calls KdpKickPort
 * when the lock is free: the driver takes its interrupt's lock, in which it takes the console's.
 *
 * IRQL:    HIGH_LEVEL (not checked)
 * Locks:   the caller holds the console's lock
 * Context: who is about to free it
 * Returns: TRUE once for each time that the driver has found nothing
 */
BOOLEAN KdpTakeKick(VOID)
{
    BOOLEAN wanted = KickWanted;

    KickWanted = FALSE;
    return wanted;
}

/*
 * IRQL:    <= DISPATCH_LEVEL (not checked)
 * Locks:   none; the driver's
 * Context: who was told so by KdpTakeKick
 * Returns: nothing
 */
VOID KdpKickPort(VOID)
{
    Port.Kick(Port.Context);
}

/*
 * Sends what has been printed, before the machine is left. From then on the console is polled.
 *
 * IRQL:    any
 * Locks:   takes the console's lock
 * Context: any
 * Returns: nothing
 */
VOID KdFlushConsole(VOID)
{
    KIRQL oldIrql = KdpAcquireConsole();

    Drain();
    Connected = KickWanted = FALSE;
    KdpReleaseConsole(oldIrql);
}

/* ---- input: the reader, at PASSIVE_LEVEL ---- */

/* A request like anybody's; waits until it has been completed. */
static NTSTATUS Send(PIRP Irp, PKEVENT Event, PIO_STATUS_BLOCK Block)
{
    NTSTATUS status;

    if (!Irp)
        return STATUS_INSUFFICIENT_RESOURCES;
    IoGetNextIrpStackLocation(Irp)->FileObject = PortFile;
    status = IoCallDriver(PortDevice, Irp);
    if (status == STATUS_PENDING) {
        KeWaitForSingleObject(Event, Executive, KernelMode, FALSE, NULL);
        status = Block->Status;
    }
    return status;
}

/*
 * Waits for characters: a read that ends with the first ones.
 *
 * IRQL:    PASSIVE_LEVEL (not checked)
 * Locks:   none
 * Context: the reader of the line, once KdpUsesPort
 * Returns: nothing
 */
VOID KdpAwaitPort(VOID)
{
    LARGE_INTEGER offset = {.QuadPart = 0};
    IO_STATUS_BLOCK block;
    KEVENT event;
    NTSTATUS status;

    KeInitializeEvent(&event, NotificationEvent, FALSE);
    status = Send(IoBuildSynchronousFsdRequest(IRP_MJ_READ, PortDevice, Input, INPUT_SIZE, &offset,
                                               &event, &block),
                  &event, &block);
    InputNext = 0;
    InputCount = status == STATUS_SUCCESS ? (ULONG)block.Information : 0;
    if (!NT_SUCCESS(status)) /* no memory, say: again in a while */
        KiSleep(10000000);
}

/*
 * The next character that a read has brought.
 *
 * IRQL:    PASSIVE_LEVEL (not checked)
 * Locks:   none
 * Context: the reader of the line
 * Returns: FALSE if there is none
 */
BOOLEAN KdpTakeFromPort(PCHAR Character)
{
    if (InputNext == InputCount)
        return FALSE;
    *Character = Input[InputNext++];
    return TRUE;
}

/*
 * IRQL:    PASSIVE_LEVEL (not checked)
 * Locks:   none
 * Context: the reader of the line
 * Returns: TRUE if input comes by the driver
 */
BOOLEAN KdpUsesPort(VOID)
{
    return PortDevice != NULL;
}

/* ---- the hand-over ---- */

static NTSTATUS Control(ULONG Code, BOOLEAN Internal, PVOID Buffer, ULONG Length)
{
    IO_STATUS_BLOCK block;
    KEVENT event;

    KeInitializeEvent(&event, NotificationEvent, FALSE);
    return Send(IoBuildDeviceIoControlRequest(Code, PortDevice, Buffer, Length, NULL, 0, Internal,
                                              &event, &block),
                &event, &block);
}

/* The port is open: reads that end with what is there, and the transmitter. */
static NTSTATUS Connect(VOID)
{
    SERIAL_TIMEOUTS timeouts = {MAXULONG, MAXULONG, MAXULONG - 1, 0, 0};
    NTSTATUS status = Control(IOCTL_SERIAL_SET_TIMEOUTS, FALSE, &timeouts, sizeof(timeouts));
    KIRQL oldIrql;

    if (NT_SUCCESS(status))
        status = Control(IOCTL_INTERNAL_CONNECT_KD_PORT, TRUE, &Port, sizeof(Port));
    if (!NT_SUCCESS(status))
        return status;
    oldIrql = KdpAcquireConsole();
    Connected = TRUE;
    KdpReleaseConsole(oldIrql);
    return STATUS_SUCCESS;
}

/*
 * Hands the console's port over to the driver serial, if that is loaded. First the kernel's own
 * service routine goes, then the driver's comes; what arrives in between stays in the receiver.
 * When something fails all is as before.
 *
 * IRQL:    PASSIVE_LEVEL (not checked)
 * Locks:   none around the driver
 * Context: the reader of the line, or the start
 * Returns: STATUS_SUCCESS also if the driver is not loaded or the option console=polled is given
 */
NTSTATUS KdUseSerialDriver(VOID)
{
    UNICODE_STRING name = RTL_CONSTANT_STRING(L"\\Device\\Serial0" KD_PORT_FILE);
    PCSTR option = KiGetOption("console");
    NTSTATUS status;

    if (PortDevice || (option && strcmp(option, "polled") == 0))
        return STATUS_SUCCESS;
    KdpStopInput();
    status =
        IoGetDeviceObjectPointer(&name, FILE_READ_DATA | FILE_WRITE_DATA, &PortFile, &PortDevice);
    if (NT_SUCCESS(status)) {
        status = Connect();
        if (NT_SUCCESS(status))
            return STATUS_SUCCESS;
        ObDereferenceObject(PortFile);
    }
    PortDevice = NULL;
    KdInitializeInput();
    if (status == STATUS_OBJECT_NAME_NOT_FOUND)
        return STATUS_SUCCESS;
    KdpPrintStatus("Cannot hand the console's port over to", "serial", status);
    return status;
}
