/*
 * The I/O APICs: device lines, named by their global system interrupt (GSI), and the vectors at
 * which they arrive. A controller's registers are reached by a pair of registers, a selector and
 * a window, so IoApicLock is held at HIGH_LEVEL around every use of the pair.
 *
 * The vector of a line follows from its number alone: nine device IRQLs, sixteen vectors each.
 *
 *     GSI      0     1     2  ...  8     9    10  ...  143
 *     IRQL     3     4     5      11     3     4       11
 *     vector 0x30  0x40  0x50    0xB0  0x31  0x41     0xBF
 */
#include "ioapic.h"
#include "ke.h"
#include "apic.h"
#include "platform.h"

#define SELECTOR 0x00 /* byte offsets */
#define WINDOW   0x10

#define REGISTER_VERSION  0x01
#define REGISTER_PIN(pin) (0x10u + 2 * (pin)) /* low half; the high half is the next one */

#define PIN_ACTIVE_LOW      (1u << 13)
#define PIN_LEVEL           (1u << 15)
#define PIN_MASKED          (1u << 16)
#define PIN_PROCESSOR_SHIFT 24 /* in the high half */

#define DEVICE_IRQLS 9u
#define LAST_GSI     (DEVICE_IRQLS * 16 - 1)
#define NO_GSI       MAXULONG

typedef struct _IO_APIC {
    volatile UCHAR *Registers;
    ULONG GsiBase;
    ULONG PinCount;
} IO_APIC;

/* Constant after the start, but for the registers behind them: IoApicLock. */
static IO_APIC IoApics[ACPI_MAXIMUM_IO_APICS];
static ULONG IoApicCount;
static ULONG TakenGsi = NO_GSI; /* the clock's */
static KSPIN_LOCK IoApicLock;

static ULONG ReadRegister(const IO_APIC *IoApic, ULONG Register)
{
    *(volatile ULONG *)(IoApic->Registers + SELECTOR) = Register;
    return *(volatile ULONG *)(IoApic->Registers + WINDOW);
}

static VOID WriteRegister(const IO_APIC *IoApic, ULONG Register, ULONG Value)
{
    *(volatile ULONG *)(IoApic->Registers + SELECTOR) = Register;
    *(volatile ULONG *)(IoApic->Registers + WINDOW) = Value;
}

/* The controller that has the line, and the number of the pin there; NULL if none has it. */
static const IO_APIC *FindPin(ULONG Gsi, ULONG *Pin)
{
    for (ULONG i = 0; i < IoApicCount; i++) {
        const IO_APIC *ioApic = &IoApics[i];

        if (Gsi >= ioApic->GsiBase && Gsi - ioApic->GsiBase < ioApic->PinCount) {
            *Pin = Gsi - ioApic->GsiBase;
            return ioApic;
        }
    }
    return NULL;
}

/* The mask goes on first and off last: no message leaves with half of the new settings. */
static VOID WritePin(const IO_APIC *IoApic, ULONG Pin, ULONG Low, ULONG High)
{
    KIRQL oldIrql = KiAcquireHighLock(&IoApicLock);

    WriteRegister(IoApic, REGISTER_PIN(Pin), Low | PIN_MASKED);
    WriteRegister(IoApic, REGISTER_PIN(Pin) + 1, High);
    if (!(Low & PIN_MASKED))
        WriteRegister(IoApic, REGISTER_PIN(Pin), Low);
    KiReleaseHighLock(&IoApicLock, oldIrql);
}

static NTSTATUS SetVector(ARCH_LINE *Line)
{
    ULONG pin;

    if (Line->Gsi > LAST_GSI || FindPin(Line->Gsi, &pin) == NULL)
        return STATUS_NOT_FOUND;
    Line->Vector = (UCHAR)((3 + Line->Gsi % DEVICE_IRQLS) * 16 + Line->Gsi / DEVICE_IRQLS);
    return STATUS_SUCCESS;
}

/* The ISA interrupt that arrives at this line, or NULL. An override wins over the plain order. */
static const ACPI_ISA_LINE *IsaLineAt(ULONG Gsi)
{
    const ACPI_ISA_LINE *plain = NULL;

    for (ULONG i = 0; i < ACPI_ISA_INTERRUPTS; i++) {
        const ACPI_ISA_LINE *line = &ArchMachine.Isa[i];

        if (line->Gsi == Gsi && line->Overridden)
            return line;
        if (line->Gsi == Gsi)
            plain = line;
    }
    return plain;
}

/*
 * Maps an ISA interrupt number to its line.
 *
 * IRQL:    any
 * Locks:   none
 * Context: any
 * Returns: STATUS_INVALID_PARAMETER for a number that ISA does not have; STATUS_NOT_FOUND if it
 *          has no pin, or if its pin belongs to another interrupt (2, behind the timer's)
 */
NTSTATUS ArchIsaLine(ULONG IsaInterrupt, ARCH_LINE *Line)
{
    const ACPI_ISA_LINE *isa;

    if (IsaInterrupt >= ACPI_ISA_INTERRUPTS)
        return STATUS_INVALID_PARAMETER;
    isa = &ArchMachine.Isa[IsaInterrupt];
    if (IsaLineAt(isa->Gsi) != isa)
        return STATUS_NOT_FOUND;
    Line->Gsi = isa->Gsi;
    Line->LevelTriggered = isa->LevelTriggered;
    Line->ActiveLow = isa->ActiveLow;
    return SetVector(Line);
}

/*
 * The line of a PCI device's pin: level-triggered and active low, unless the firmware says that
 * it shares an ISA interrupt whose polarity is given.
 *
 * IRQL:    any
 * Locks:   none
 * Context: any
 * Returns: STATUS_NOT_FOUND when no I/O APIC has the line
 */
NTSTATUS ArchPciLine(ULONG Gsi, ARCH_LINE *Line)
{
    const ACPI_ISA_LINE *isa = IsaLineAt(Gsi);

    Line->Gsi = Gsi;
    Line->LevelTriggered = TRUE;
    Line->ActiveLow = isa == NULL || !isa->Overridden || isa->ActiveLow;
    return SetVector(Line);
}

/*
 * The line that arrives at a device vector: an ISA interrupt's as ISA has it, any other as PCI.
 *
 * IRQL:    any
 * Locks:   none
 * Context: any
 * Returns: STATUS_NOT_FOUND if no line can raise it
 */
NTSTATUS ArchLineOfVector(UCHAR Vector, ARCH_LINE *Line)
{
    const ACPI_ISA_LINE *isa;
    ULONG gsi;

    if (Vector < FIRST_DEVICE_VECTOR || Vector > LAST_DEVICE_VECTOR)
        return STATUS_NOT_FOUND;
    gsi = (Vector & 0xFu) * DEVICE_IRQLS + (ULONG)(Vector >> 4) - 3;
    if (gsi == TakenGsi)
        return STATUS_NOT_FOUND;
    isa = IsaLineAt(gsi);
    if (isa != NULL)
        return ArchIsaLine((ULONG)(isa - ArchMachine.Isa), Line);
    return gsi >= ACPI_ISA_INTERRUPTS ? ArchPciLine(gsi, Line) : STATUS_NOT_FOUND;
}

/* Vector, mode and polarity, as the lower half of the pin's registers has them. */
static ULONG PinSettings(const ARCH_LINE *Line)
{
    ULONG settings = Line->Vector;

    if (Line->LevelTriggered)
        settings |= PIN_LEVEL;
    if (Line->ActiveLow)
        settings |= PIN_ACTIVE_LOW;
    return settings;
}

/*
 * Routes a line to one processor and opens it.
 *
 * IRQL:    <= DISPATCH_LEVEL (not checked)
 * Locks:   takes IoApicLock
 * Context: any
 * Returns: STATUS_NOT_FOUND when no I/O APIC has the line, STATUS_DEVICE_BUSY when it is the
 *          clock's
 * Source:  82093AA I/O APIC data sheet, 3.2.4
 */
NTSTATUS ArchOpenLine(const ARCH_LINE *Line, ULONG Processor)
{
    ULONG pin;
    const IO_APIC *ioApic = FindPin(Line->Gsi, &pin);

    if (ioApic == NULL)
        return STATUS_NOT_FOUND;
    if (Line->Gsi == TakenGsi)
        return STATUS_DEVICE_BUSY;
    WritePin(ioApic, pin, PinSettings(Line),
             (ULONG)ArchProcessorApicId[Processor] << PIN_PROCESSOR_SHIFT);
    return STATUS_SUCCESS;
}

/*
 * Masks a line. An interrupt that has left the I/O APIC already still arrives. The mode stays as it
 * was: a level-triggered line that opens again is to interrupt if it is asserted then.
 *
 * IRQL:    any
 * Locks:   takes IoApicLock
 * Context: any
 * Returns: nothing
 * Source:  82093AA I/O APIC data sheet, 3.2.4
 */
VOID ArchCloseLine(const ARCH_LINE *Line)
{
    ULONG pin;
    const IO_APIC *ioApic = FindPin(Line->Gsi, &pin);

    if (ioApic != NULL && Line->Gsi != TakenGsi)
        WritePin(ioApic, pin, PIN_MASKED | PinSettings(Line), 0);
}

/*
 * Takes an edge-triggered, active high line away from the devices for good, for the clock, and
 * opens it.
 *
 * IRQL:    <= DISPATCH_LEVEL (not checked)
 * Locks:   takes IoApicLock
 * Context: the start
 * Returns: STATUS_NOT_FOUND when no I/O APIC has the line
 */
NTSTATUS IoApicTakeLine(ULONG Gsi, UCHAR Vector, ULONG Processor)
{
    ULONG pin;
    const IO_APIC *ioApic = FindPin(Gsi, &pin);

    if (ioApic == NULL)
        return STATUS_NOT_FOUND;
    TakenGsi = Gsi;
    WritePin(ioApic, pin, Vector, (ULONG)ArchProcessorApicId[Processor] << PIN_PROCESSOR_SHIFT);
    return STATUS_SUCCESS;
}

/*
 *
 * IRQL:    any
 * Locks:   none
 * Context: any
 * Returns: the line of ISA interrupt 0, at which the PIT arrives
 */
ULONG IoApicTimerGsi(VOID)
{
    return ArchMachine.Isa[0].Gsi;
}

static VOID AddIoApic(const ACPI_IO_APIC *Description)
{
    IO_APIC *ioApic = &IoApics[IoApicCount];
    ULONG64 page = Description->Address & ~(ULONG64)(PAGE_SIZE - 1);
    PUCHAR mapped = ArchMapDevice(page, PAGE_SIZE);

    if (mapped == NULL)
        ArchCannotStart("There is no room to map the I/O APIC.");
    ioApic->Registers = mapped + (Description->Address - page);
    ioApic->GsiBase = Description->GsiBase;
    ioApic->PinCount = (ReadRegister(ioApic, REGISTER_VERSION) >> 16 & 0xFF) + 1;
    for (ULONG pin = 0; pin < ioApic->PinCount; pin++)
        WritePin(ioApic, pin, PIN_MASKED | SPURIOUS_VECTOR, 0);
    IoApicCount++;
}

/*
 * Maps all I/O APICs with their pins masked, and masks the 8259 pair.
 *
 * IRQL:    HIGH_LEVEL, interrupts off (not checked)
 * Locks:   takes IoApicLock
 * Context: once, on the boot processor
 * Returns: if there is one; ends the start if there is none
 * Source:  82093AA I/O APIC data sheet, 3.1 and 3.2
 */
VOID IoApicInitialize(const ACPI_MACHINE *Machine)
{
    PicSilence();
    if (Machine->IoApicCount == 0 || MachineOptionLists("hide", "ioapic"))
        ArchCannotStart("The machine has no I/O APIC.");
    for (ULONG i = 0; i < Machine->IoApicCount; i++)
        AddIoApic(&Machine->IoApics[i]);
}
