/*
 * The ends of the kernel: off, restart, the emulator's exit, and the refusal to start. Each tries
 * one way after the other and never returns; none needs a lock, since nothing else matters then.
 */
#include "arch.h"
#include "acpi.h"
#include "cpu.h"
#include "platform.h"

#define PM1_ACPI_MODE        (1u << 0)
#define PM1_SLEEP_TYPE_SHIFT 10
#define PM1_SLEEP_TYPE_MASK  (7u << PM1_SLEEP_TYPE_SHIFT)
#define PM1_SLEEP_ENABLE     (1u << 13)

#define DEBUG_EXIT_PORT      0xF4
#define RESET_CONTROL_PORT   0xCF9
#define RESET_CONTROL_SYSTEM 0x02 /* what to reset: the whole system, hard */
#define RESET_CONTROL_CPU    0x04 /* its rise does it */
#define KEYBOARD_STATUS      0x64
#define KEYBOARD_BUSY        0x02
#define KEYBOARD_PULSE_RESET 0xFE
#define PCI_ADDRESS_PORT     0xCF8
#define PCI_DATA_PORT        0xCFC
#define PCI_ADDRESS_ENABLE   (1u << 31)

#define MILLISECOND    1000u
#define ACPI_MODE_WAIT 3000 /* milliseconds; the specification knows no limit */
#define EFFECT_WAIT    100  /* milliseconds until the next way is tried */

/* The reset register, if it is memory: mapped while mapping was still possible. */
static volatile UCHAR *ResetRegister;

static VOID Print(PCSTR Text)
{
    SIZE_T length = 0;

    while (Text[length] != '\0')
        length++;
    ArchConsoleWrite(Text, length);
}

static DECLSPEC_NORETURN VOID HaltForEver(VOID)
{
    for (;;) {
        ArchDisableInterrupts();
        KiHalt();
    }
}

static VOID WaitMilliseconds(ULONG Milliseconds)
{
    for (ULONG i = 0; i < Milliseconds; i++)
        MachineStall(MILLISECOND);
}

/*
 * Maps the reset register, if it is memory: ArchReboot may come at any IRQL.
 *
 * IRQL:    HIGH_LEVEL (not checked)
 * Locks:   none
 * Context: once, on the boot processor
 * Returns: nothing
 */
VOID PowerInitialize(VOID)
{
    const ACPI_REGISTER *reset = &ArchMachine.ResetRegister;

    if (reset->Space == AcpiSpaceMemory && reset->Address != 0)
        ResetRegister = ArchMapDevice(reset->Address, 1);
}

/* The firmware may still own the power management hardware: a byte to its port hands it over. */
static VOID EnterAcpiMode(VOID)
{
    if (ArchMachine.SmiCommandPort == 0 || ArchMachine.AcpiEnableValue == 0)
        return;
    if (ArchIn16(ArchMachine.Pm1aControlPort) & PM1_ACPI_MODE)
        return;
    ArchOut8(ArchMachine.SmiCommandPort, ArchMachine.AcpiEnableValue);
    for (ULONG i = 0; i < ACPI_MODE_WAIT; i++) {
        if (ArchIn16(ArchMachine.Pm1aControlPort) & PM1_ACPI_MODE)
            return;
        MachineStall(MILLISECOND);
    }
}

static USHORT SleepCommand(USHORT Port, UCHAR SleepType)
{
    ULONG control = ArchIn16(Port) & ~(PM1_SLEEP_TYPE_MASK | PM1_SLEEP_ENABLE);

    return (USHORT)(control | (ULONG)SleepType << PM1_SLEEP_TYPE_SHIFT);
}

/* The type first, the command in a second write, as the specification has it. */
static VOID EnterSoftOff(VOID)
{
    USHORT portA = ArchMachine.Pm1aControlPort;
    USHORT portB = ArchMachine.Pm1bControlPort;
    USHORT a, b = 0;

    if (ArchMachine.SleepDefect != NULL || portA == 0)
        return;
    EnterAcpiMode();
    a = SleepCommand(portA, ArchMachine.SleepTypeA);
    ArchOut16(portA, a);
    if (portB != 0) {
        b = SleepCommand(portB, ArchMachine.SleepTypeB);
        ArchOut16(portB, b);
    }
    ArchOut16(portA, (USHORT)(a | PM1_SLEEP_ENABLE));
    if (portB != 0)
        ArchOut16(portB, (USHORT)(b | PM1_SLEEP_ENABLE));
    WaitMilliseconds(EFFECT_WAIT);
}

/*
 * Switches the machine off through ACPI's soft-off state; if that is impossible, says so.
 *
 * IRQL:    any
 * Locks:   none
 * Context: any
 * Returns: never
 * Source:  ACPI 6.4, 4.8.3.2 and 7.4.2
 */
DECLSPEC_NORETURN VOID ArchPowerOff(VOID)
{
    ArchDisableInterrupts();
    EnterSoftOff();
    Print("The machine cannot switch itself off; it can be switched off now.\n");
    HaltForEver();
}

static VOID ResetByRegister(VOID)
{
    const ACPI_REGISTER *reset = &ArchMachine.ResetRegister;

    if (reset->Address == 0)
        return;
    if (reset->Space == AcpiSpaceIo && reset->Address <= 0xFFFF)
        ArchOut8((USHORT)reset->Address, ArchMachine.ResetValue);
    if (reset->Space == AcpiSpaceMemory && ResetRegister != NULL)
        *ResetRegister = ArchMachine.ResetValue;
    if (reset->Space == AcpiSpacePciConfiguration) {
        ULONG device = (ULONG)(reset->Address >> 32) & 0x1F;
        ULONG function = (ULONG)(reset->Address >> 16) & 0x7;
        ULONG offset = (ULONG)reset->Address & 0xFF;

        ArchOut32(PCI_ADDRESS_PORT,
                  PCI_ADDRESS_ENABLE | device << 11 | function << 8 | (offset & 0xFC));
        ArchOut8((USHORT)(PCI_DATA_PORT + offset % 4), ArchMachine.ResetValue);
    }
    WaitMilliseconds(EFFECT_WAIT);
}

static VOID ResetByKeyboardController(VOID)
{
    for (ULONG i = 0; i < EFFECT_WAIT && (ArchIn8(KEYBOARD_STATUS) & KEYBOARD_BUSY); i++)
        MachineStall(MILLISECOND);
    ArchOut8(KEYBOARD_STATUS, KEYBOARD_PULSE_RESET);
    WaitMilliseconds(EFFECT_WAIT);
}

/* An exception without an interrupt table is a triple fault, and that resets the processor. */
static DECLSPEC_NORETURN VOID ResetByTripleFault(VOID)
{
    static const UCHAR noTable[10];

    __asm__ volatile("lidt %0; int3" : : "m"(noTable) : "memory");
    HaltForEver();
}

/*
 * Starts the machine again: the firmware's reset register, the chip set's, the keyboard
 * controller's line, a triple fault.
 *
 * IRQL:    any
 * Locks:   none
 * Context: any
 * Returns: never
 * Source:  ACPI 6.4, 4.8.3.6
 */
DECLSPEC_NORETURN VOID ArchReboot(VOID)
{
    ArchDisableInterrupts();
    ResetByRegister();
    ArchOut8(RESET_CONTROL_PORT, RESET_CONTROL_SYSTEM);
    ArchOut8(RESET_CONTROL_PORT, RESET_CONTROL_SYSTEM | RESET_CONTROL_CPU);
    WaitMilliseconds(EFFECT_WAIT);
    ResetByKeyboardController();
    ResetByTripleFault();
}

/*
 * Ends the emulator with Value (its status is 2 * Value + 1) if it has the device for that, else
 * switches the machine off.
 *
 * IRQL:    any
 * Locks:   none
 * Context: any
 * Returns: never
 */
DECLSPEC_NORETURN VOID ArchExit(ULONG Value)
{
    ArchOut32(DEBUG_EXIT_PORT, Value);
    ArchPowerOff();
}

/*
 * Says in one sentence why this machine cannot be used, and ends.
 *
 * IRQL:    any
 * Locks:   none
 * Context: the start
 * Returns: never
 */
DECLSPEC_NORETURN VOID ArchCannotStart(PCSTR Sentence)
{
    Print("Metronome cannot start: ");
    Print(Sentence);
    Print("\n");
    ArchExit(EXIT_START_VALUE);
}
