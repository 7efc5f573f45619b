/*
 * The registers of the device, and its two units. Everything in this file that touches UNIT or the
 * registers runs as a SynchCritSection routine or in the ISR: at the interrupt's IRQL, under the
 * interrupt object's lock, hence never beside itself.
 *
 * Why an interrupt that comes late ends no wrong request: a request that was given up or cancelled
 * leaves its unit at work, and its interrupt is still to come. The next one is not begun before the
 * unit is idle. When the old interrupt comes after that,
 *
 *     unit           driver
 *     ends the old one: idle
 *                    watchdog: the unit is idle, begins the new one
 *     works          the interrupt of the old one: looks whether the unit is idle: it is not
 *
 * the unit works, and the ISR counts the interrupt as spurious. If it is idle again, the new
 * request is done as well, whichever interrupt says so.
 */
#include "edu.h"

#define REGISTER_IDENTIFICATION 0x00 /* 010000ED, with the version in the upper bytes */
#define REGISTER_LIVENESS       0x04 /* reads as the complement of what was written */
#define REGISTER_FACTORIAL      0x08
#define REGISTER_STATUS         0x20
#define REGISTER_CAUSES         0x24
#define REGISTER_RAISE          0x60
#define REGISTER_ACKNOWLEDGE    0x64
#define REGISTER_DMA_FROM       0x80 /* these four: 8 bytes */
#define REGISTER_DMA_TO         0x88
#define REGISTER_DMA_BYTES      0x90
#define REGISTER_DMA_COMMAND    0x98

#define STATUS_COMPUTING 0x01
#define STATUS_INTERRUPT 0x80 /* when a factorial is done */

#define DMA_RUN       0x01
#define DMA_TO_MEMORY 0x02
#define DMA_INTERRUPT 0x04

#define CAUSE_FACTORIAL 0x00001
#define CAUSE_DMA       0x00100
#define CAUSE_SPURIOUS  0x10000 /* the driver's own, for IOCTL_EDU_MISCHIEF */

static ULONG Read(PDEVICE_EXTENSION Extension, ULONG Register)
{
    return READ_REGISTER_ULONG((PULONG)(Extension->Registers + Register));
}

static VOID Write(PDEVICE_EXTENSION Extension, ULONG Register, ULONG Value)
{
    WRITE_REGISTER_ULONG((PULONG)(Extension->Registers + Register), Value);
}

static VOID WriteLarge(PDEVICE_EXTENSION Extension, ULONG Register, ULONG64 Value)
{
    WRITE_REGISTER_ULONG64((PULONG64)(Extension->Registers + Register), Value);
}

/* The device answers as it should. IRQL: PASSIVE_LEVEL, before it is used. */
BOOLEAN IsDevicePresent(PDEVICE_EXTENSION Extension)
{
    const ULONG pattern = 0x12345678;

    Write(Extension, REGISTER_LIVENESS, pattern);
    return (Read(Extension, REGISTER_IDENTIFICATION) & 0xFFFF) == 0x00ED &&
           Read(Extension, REGISTER_LIVENESS) == ~pattern;
}

/* ---- under the interrupt object's lock ---- */

static BOOLEAN IsWorking(PDEVICE_EXTENSION Extension, const UNIT *Unit)
{
    if (Unit == &Extension->Factorial)
        return (Read(Extension, REGISTER_STATUS) & STATUS_COMPUTING) != 0;
    return (Read(Extension, REGISTER_DMA_COMMAND) & DMA_RUN) != 0;
}

static BOOLEAN IsDone(PDEVICE_EXTENSION Extension, const UNIT *Unit)
{
    return Unit->Irp && Unit->Begun && !IsWorking(Extension, Unit);
}

static VOID BeginFactorial(PDEVICE_EXTENSION Extension, const UNIT *Unit, BOOLEAN Interrupt)
{
    Write(Extension, REGISTER_STATUS, Interrupt ? STATUS_INTERRUPT : 0);
    Write(Extension, REGISTER_FACTORIAL, Unit->Number);
}

static VOID BeginTransfer(PDEVICE_EXTENSION Extension, const UNIT *Unit, BOOLEAN Interrupt)
{
    BOOLEAN toMemory = Unit->To == Extension->BufferAddress;

    FillBuffer(Extension);
    WriteLarge(Extension, REGISTER_DMA_FROM, Unit->From);
    WriteLarge(Extension, REGISTER_DMA_TO, Unit->To);
    WriteLarge(Extension, REGISTER_DMA_BYTES, Unit->Number);
    WriteLarge(Extension, REGISTER_DMA_COMMAND,
               DMA_RUN | (toMemory ? DMA_TO_MEMORY : 0) | (Interrupt ? DMA_INTERRUPT : 0));
}

/* Tells the device, unless it still works on a request that was given up. */
static VOID TryToBegin(PDEVICE_EXTENSION Extension, PUNIT Unit)
{
    BOOLEAN interrupt = Extension->Lose == 0;

    if (IsWorking(Extension, Unit))
        return;
    Unit->Begun = TRUE;
    if (!interrupt)
        Extension->Lose--;
    if (Unit == &Extension->Factorial)
        BeginFactorial(Extension, Unit, interrupt);
    else
        BeginTransfer(Extension, Unit, interrupt);
}

static PIRP Take(PDEVICE_EXTENSION Extension, PUNIT Unit)
{
    PIRP irp = Unit->Irp;

    if (Unit == &Extension->Factorial)
        Unit->Result = Read(Extension, REGISTER_FACTORIAL);
    Unit->Irp = NULL;
    Unit->Begun = FALSE;
    return irp;
}

/*
 * InterruptService: asks the device why, tells it that this is known, and leaves the rest to the
 * DPC of the unit. One call may find both causes, and a cause may be a late one.
 */
static BOOLEAN Service(PDEVICE_EXTENSION Extension)
{
    ULONG causes = Read(Extension, REGISTER_CAUSES);
    BOOLEAN expected = FALSE;

    if (causes == 0)
        return FALSE; /* another device on the line */
    Write(Extension, REGISTER_ACKNOWLEDGE, causes);
    if ((causes & CAUSE_FACTORIAL) && IsDone(Extension, &Extension->Factorial)) {
        IoRequestDpc(Extension->Device, NULL, NULL);
        expected = TRUE;
    }
    if ((causes & CAUSE_DMA) && IsDone(Extension, &Extension->Dma)) {
        KeInsertQueueDpc(&Extension->DmaDpc, NULL, NULL);
        expected = TRUE;
    }
    if (expected)
        Extension->Statistics.Interrupts++;
    else
        Extension->Statistics.Spurious++;
    return TRUE;
}

BOOLEAN ServiceLine(PKINTERRUPT Interrupt, PVOID ServiceContext)
{
    UNREFERENCED_PARAMETER(Interrupt);
    return Service(ServiceContext);
}

BOOLEAN ServiceMessage(PKINTERRUPT Interrupt, PVOID ServiceContext, ULONG MessageId)
{
    UNREFERENCED_PARAMETER(Interrupt);
    UNREFERENCED_PARAMETER(MessageId); /* the device has one */
    return Service(ServiceContext);
}

/* ---- what the other files call: each one a SynchCritSection ---- */

typedef struct _SECTION {
    PDEVICE_EXTENSION Extension;
    PUNIT Unit;
    PIRP Irp;         /* in: the one that is meant; out: the one that was taken */
    BOOLEAN OnlyDone; /* TakeWork */
    NTSTATUS Status;  /* WatchWork */
    PEDU_STATISTICS Statistics;
    const EDU_MISCHIEF *Mischief;
} SECTION, *PSECTION;

static BOOLEAN Synchronize(PKSYNCHRONIZE_ROUTINE Routine, PSECTION Section)
{
    return KeSynchronizeExecution(Section->Extension->Interrupt, Routine, Section);
}

static KSYNCHRONIZE_ROUTINE BeginSection;
static BOOLEAN BeginSection(PVOID SynchronizeContext)
{
    PSECTION section = SynchronizeContext;

    if (section->Extension->Stopping)
        return FALSE;
    section->Unit->Irp = section->Irp;
    section->Unit->Begun = FALSE;
    section->Unit->Periods = section->Unit->DonePeriods = 0;
    TryToBegin(section->Extension, section->Unit);
    return TRUE;
}

BOOLEAN BeginWork(PDEVICE_EXTENSION Extension, PUNIT Unit, PIRP Irp)
{
    SECTION section = {.Extension = Extension, .Unit = Unit, .Irp = Irp};

    return Synchronize(BeginSection, &section);
}

static KSYNCHRONIZE_ROUTINE TakeSection;
static BOOLEAN TakeSection(PVOID SynchronizeContext)
{
    PSECTION section = SynchronizeContext;
    PUNIT unit = section->Unit;
    BOOLEAN take = unit->Irp && (!section->Irp || section->Irp == unit->Irp) &&
                   (!section->OnlyDone || IsDone(section->Extension, unit));

    section->Irp = take ? Take(section->Extension, unit) : NULL;
    return take;
}

PIRP TakeWork(PDEVICE_EXTENSION Extension, PUNIT Unit, PIRP Irp, BOOLEAN OnlyDone)
{
    SECTION section = {.Extension = Extension, .Unit = Unit, .Irp = Irp, .OnlyDone = OnlyDone};

    return Synchronize(TakeSection, &section) ? section.Irp : NULL;
}

/*
 * Another period has gone by. Looking and acting are one section: in between the interrupt could
 * come. When the work is found done for the first time, its interrupt may be on its way; the
 * second time it is lost.
 */
static KSYNCHRONIZE_ROUTINE WatchSection;
static BOOLEAN WatchSection(PVOID SynchronizeContext)
{
    PSECTION section = SynchronizeContext;
    PDEVICE_EXTENSION extension = section->Extension;
    PUNIT unit = section->Unit;

    if (!unit->Irp)
        return FALSE;
    unit->Periods++;
    if (!unit->Begun) {
        TryToBegin(extension, unit);
    } else if (IsDone(extension, unit) && unit->DonePeriods++ > 0) {
        extension->Statistics.Lost++;
        section->Status = STATUS_SUCCESS;
        section->Irp = Take(extension, unit);
        return TRUE;
    }
    if (unit->Periods < unit->Patience)
        return FALSE;
    extension->Statistics.TimeOuts++;
    section->Status = STATUS_IO_TIMEOUT;
    section->Irp = Take(extension, unit);
    return TRUE;
}

PIRP WatchWork(PDEVICE_EXTENSION Extension, PUNIT Unit, PNTSTATUS Status)
{
    SECTION section = {.Extension = Extension, .Unit = Unit};

    if (!Synchronize(WatchSection, &section))
        return NULL;
    *Status = section.Status;
    return section.Irp;
}

static KSYNCHRONIZE_ROUTINE ForbidSection;
static BOOLEAN ForbidSection(PVOID SynchronizeContext)
{
    ((PSECTION)SynchronizeContext)->Extension->Stopping = TRUE;
    return TRUE;
}

/* From now on BeginWork says no. */
VOID ForbidWork(PDEVICE_EXTENSION Extension)
{
    SECTION section = {.Extension = Extension};

    Synchronize(ForbidSection, &section);
}

/* A transfer goes on when its request has been given up. */
BOOLEAN IsDmaRunning(PDEVICE_EXTENSION Extension)
{
    return IsWorking(Extension, &Extension->Dma);
}

static KSYNCHRONIZE_ROUTINE MischiefSection;
static BOOLEAN MischiefSection(PVOID SynchronizeContext)
{
    PSECTION section = SynchronizeContext;

    section->Extension->Lose += section->Mischief->Lose;
    return TRUE;
}

VOID MakeMischief(PDEVICE_EXTENSION Extension, const EDU_MISCHIEF *Mischief)
{
    SECTION section = {.Extension = Extension, .Mischief = Mischief};

    Synchronize(MischiefSection, &section);
    for (ULONG n = 0; n < Mischief->Spurious; n++)
        Write(Extension, REGISTER_RAISE, CAUSE_SPURIOUS);
}

static KSYNCHRONIZE_ROUTINE CopySection;
static BOOLEAN CopySection(PVOID SynchronizeContext)
{
    PSECTION section = SynchronizeContext;

    *section->Statistics = section->Extension->Statistics;
    return TRUE;
}

VOID CopyStatistics(PDEVICE_EXTENSION Extension, PEDU_STATISTICS Statistics)
{
    SECTION section = {.Extension = Extension, .Statistics = Statistics};

    Synchronize(CopySection, &section);
}
