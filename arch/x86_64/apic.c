/*
 * The local APIC: this processor's interrupt controller, and the way to the others. Every
 * processor sees its own registers at the same address. The registers need no lock; a sequence
 * that an interrupt must not tear apart runs with interrupts off.
 */
#include "apic.h"
#include "cpu.h"
#include "ke.h"
#include "mapping.h"
#include "platform.h"

#define ICR_NMI     (4u << 8)
#define ICR_INIT    (5u << 8)
#define ICR_STARTUP (6u << 8)
#define ICR_BUSY    (1u << 12)
#define ICR_ASSERT  (1u << 14)
#define ICR_LEVEL   (1u << 15)

/* Far longer than a message stays on its way; a stuck one must not hang a bug check. */
#define ICR_POLLS 100000u

#define STOP_WAIT_MICROSECONDS 1000000u

ULONG ArchProcessorCount;
UCHAR ArchProcessorApicId[MAXIMUM_PROCESSORS];

static ULONG64 ApicPhysical; /* 0: not mapped yet */

#define NOBODY (-1)
static volatile LONG Stopper = NOBODY; /* the processor that has stopped the others */
static volatile ULONG StoppedProcessors;

static VOID WaitForIcr(VOID)
{
    for (ULONG i = 0; i < ICR_POLLS && (ApicRead(APIC_ICR) & ICR_BUSY); i++)
        ArchPause();
}

/*
 * The command register is two registers: the destination, then the command, which sends. An
 * interrupt between the two writes may send something itself and leave its own destination
 * behind, so both are written with interrupts off. An NMI may come between them too; but whoever
 * sends something because of it stops the system, and does not come back here.
 */
static VOID SendCommand(ULONG Processor, ULONG Command)
{
    ULONG_PTR flags = ArchDisableInterrupts();

    WaitForIcr();
    ApicWrite(APIC_ICR_HIGH, (ULONG)ArchProcessorApicId[Processor] << 24);
    ApicWrite(APIC_ICR, Command);
    ArchRestoreInterrupts(flags);
}

/*
 * Sends Vector to a processor, this one included.
 *
 * IRQL:    any
 * Locks:   none
 * Context: any
 * Returns: nothing
 * Source:  Intel SDM volume 3, 11.6.1
 */
VOID ArchSendInterrupt(ULONG Processor, UCHAR Vector)
{
    KD_TRACE(KD_CLASS_FLOW, TraceInterruptRequest, 0, Vector, Processor);
    SendCommand(Processor, ICR_ASSERT | Vector);
}

/*
 * Sends Vector to all processors that run but this one. One by one rather than by the broadcast
 * shorthand: that would also reach processors which the firmware owns and nobody has started.
 *
 * IRQL:    any
 * Locks:   none
 * Context: any
 * Returns: nothing
 */
VOID ArchSendInterruptToOthers(UCHAR Vector)
{
    ULONG self = KeGetCurrentPrcb()->Number;

    for (ULONG i = 0; i < (ULONG)KeNumberProcessors; i++) {
        if (i != self)
            ArchSendInterrupt(i, Vector);
    }
}

static DECLSPEC_NORETURN VOID HaltForEver(VOID)
{
    for (;;) {
        ArchDisableInterrupts();
        KiHalt();
    }
}

/*
 * Stops all other processors for ever with an NMI, which no IRQL holds back, and waits until
 * they stand. Of several processors that call it at the same time one returns; the others are
 * stopped.
 *
 * IRQL:    any
 * Locks:   none
 * Context: any
 * Returns: nothing
 */
VOID ArchStopOtherProcessors(VOID)
{
    ULONG others = 0;
    LONG self = (LONG)KeGetCurrentPrcb()->Number;
    LONG stopper = InterlockedCompareExchange(&Stopper, self, NOBODY);

    if (stopper == self || ApicPhysical == 0)
        return;
    if (stopper != NOBODY)
        HaltForEver(); /* that one's NMI comes, and counts this processor */
    for (LONG i = 0; i < MAXIMUM_PROCESSORS; i++) {
        PKPRCB prcb = KiProcessorBlock[i];

        if (i == self || prcb == NULL || !prcb->Started)
            continue;
        SendCommand((ULONG)i, ICR_ASSERT | ICR_NMI);
        others++;
    }
    for (ULONG i = 0; i < STOP_WAIT_MICROSECONDS && StoppedProcessors < others; i++)
        MachineStall(1);
}

/*
 * Keeps this processor if another one has stopped it. An NMI that has a second cause still
 * reaches the processor that goes on.
 *
 * IRQL:    any
 * Locks:   none
 * Context: the NMI handler
 * Returns: if this processor is to go on
 */
VOID ApicStopIfRequested(const struct _KTRAP_FRAME *TrapFrame)
{
    LONG stopper = Stopper;

    if (stopper == NOBODY || stopper == (LONG)KeGetCurrentPrcb()->Number)
        return;
    KeGetCurrentPrcb()->StoppedFrame = TrapFrame; /* its stack stays as it is */
    InterlockedIncrement(&StoppedProcessors);
    HaltForEver();
}

/*
 * Resets a processor; it then waits for a start-up command. The second write ends the reset's
 * signal, which old APICs ask for and newer ones ignore.
 *
 * IRQL:    any
 * Locks:   none
 * Context: any
 * Returns: nothing
 * Source:  Intel SDM volume 3, 9.4.4
 */
VOID ApicSendInit(ULONG Processor)
{
    SendCommand(Processor, ICR_INIT | ICR_LEVEL | ICR_ASSERT);
    SendCommand(Processor, ICR_INIT | ICR_LEVEL);
}

/*
 * Starts a processor that waits after ApicSendInit in real mode at PhysicalPage, which is below
 * 1 MiB.
 *
 * IRQL:    any
 * Locks:   none
 * Context: any
 * Returns: nothing
 * Source:  Intel SDM volume 3, 9.4.4
 */
VOID ApicSendStartup(ULONG Processor, ULONG64 PhysicalPage)
{
    SendCommand(Processor, ICR_STARTUP | ICR_ASSERT | (ULONG)(PhysicalPage >> PAGE_SHIFT));
}

static VOID CheckBase(ULONG64 ApicBase)
{
    PCSTR defect;

    if (MachineOptionLists("pretend", "x2apic"))
        ApicBase |= APIC_BASE_X2APIC;
    defect = ApicBaseDefect(ApicBase);
    if (defect != NULL)
        ArchCannotStart(defect);
}

static VOID MaskLocalVectors(VOID)
{
    ULONG last = ApicRead(APIC_VERSION) >> 16 & 0xFF;

    ApicWrite(APIC_LVT_TIMER, APIC_LVT_MASKED | CLOCK_VECTOR);
    ApicWrite(APIC_LVT_LINT0, APIC_LVT_MASKED | SPURIOUS_VECTOR);
    ApicWrite(APIC_LVT_LINT1, APIC_LVT_MASKED | SPURIOUS_VECTOR);
    ApicWrite(APIC_LVT_ERROR, APIC_LVT_MASKED | ERROR_VECTOR);
    if (last >= 4)
        ApicWrite(APIC_LVT_PERFORMANCE, APIC_LVT_MASKED | SPURIOUS_VECTOR);
    if (last >= 5)
        ApicWrite(APIC_LVT_THERMAL, APIC_LVT_MASKED | SPURIOUS_VECTOR);
    if (last >= 6)
        ApicWrite(APIC_LVT_CMCI, APIC_LVT_MASKED | SPURIOUS_VECTOR);
}

/*
 * Makes the local APIC of this processor ready: on, the timer stopped, every other local source but
 * the error interrupt masked, nothing in service. The task priority (CR8) stays as it is.
 *
 * IRQL:    HIGH_LEVEL, interrupts off (not checked)
 * Locks:   none
 * Context: once on each processor
 * Returns: if the APIC can be used; ends the start if it cannot
 * Source:  Intel SDM volume 3, 11.4 and 11.5
 */
VOID ApicInitializeLocal(VOID)
{
    ULONG64 base = KiReadMsr(MSR_APIC_BASE);

    CheckBase(base);
    if (!(base & APIC_BASE_ENABLE) || (base & APIC_BASE_ADDRESS) != ApicPhysical)
        KiWriteMsr(MSR_APIC_BASE, (base & ~APIC_BASE_ADDRESS) | ApicPhysical | APIC_BASE_ENABLE);

    MaskLocalVectors();
    ApicWrite(APIC_TIMER_COUNT, 0);
    ApicWrite(APIC_TIMER_DIVIDE, APIC_TIMER_DIVIDE_BY1);
    ApicWrite(APIC_DFR, MAXULONG);
    ApicWrite(APIC_SVR, APIC_SVR_ENABLE | SPURIOUS_VECTOR);

    /* What the firmware has not finished would hold back everything of its class and below. */
    for (ULONG i = 0; i < 256; i++) {
        ULONG served = 0;

        for (ULONG word = 0; word < 8; word++)
            served |= ApicRead(APIC_ISR + word * 16);
        if (served == 0)
            break;
        ArchEndInterrupt();
    }
    ApicWrite(APIC_ESR, 0);
    ApicWrite(APIC_ESR, 0);
    ApicWrite(APIC_LVT_ERROR, ERROR_VECTOR);
    ApicWrite(APIC_LVT_TIMER, CLOCK_VECTOR); /* one-shot; it stands still until it is set */
}

/* The firmware's order, but with the processor that runs this as number 0. */
static VOID NumberProcessors(const ACPI_MACHINE *Machine)
{
    UCHAR self = (UCHAR)(ApicRead(APIC_ID) >> 24);

    ArchProcessorApicId[0] = self;
    ArchProcessorCount = 1;
    for (ULONG i = 0; i < Machine->ProcessorCount; i++) {
        if (Machine->ProcessorApicId[i] == self)
            continue;
        if (ArchProcessorCount == MAXIMUM_PROCESSORS) {
            DbgPrint("Processors: the firmware lists %u, %u of them are used.\n",
                     Machine->ProcessorCount + Machine->ProcessorsOutOfReach, MAXIMUM_PROCESSORS);
            return;
        }
        ArchProcessorApicId[ArchProcessorCount++] = Machine->ProcessorApicId[i];
    }
    if (Machine->ProcessorsOutOfReach != 0)
        DbgPrint("Processors: %u have an identifier that only x2APIC mode reaches.\n",
                 Machine->ProcessorsOutOfReach);
}

/*
 * Maps the local APIC where the processor says that it is, sets it up on this processor and
 * numbers the processors.
 *
 * IRQL:    HIGH_LEVEL, interrupts off (not checked)
 * Locks:   none
 * Context: once, on the boot processor
 * Returns: if the APIC can be used; ends the start if it cannot
 * Source:  Intel SDM volume 3, 11.4.4
 */
VOID ApicInitialize(const ACPI_MACHINE *Machine)
{
    ULONG64 base = KiReadMsr(MSR_APIC_BASE);
    ULONG64 physical = base & APIC_BASE_ADDRESS;

    CheckBase(base);
    if (!(base & APIC_BASE_ENABLE))
        physical = Machine->LocalApicAddress;
    if (!KiMapInto(KiKernelTables(), LOCAL_APIC_BASE, physical, PAGE_SIZE,
                   MAP_WRITE | MAP_UNCACHED))
        ArchCannotStart("There is not enough memory for the local APIC's page tables.");
    ApicPhysical = physical;
    ApicInitializeLocal();
    NumberProcessors(Machine);
}
