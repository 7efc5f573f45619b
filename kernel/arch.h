/*
 * What the kernel asks of a machine. A second architecture would have to offer exactly this.
 * Processors are named by their index, 0 being the one that was started by the firmware.
 */
#ifndef METRONOME_ARCH_H
#define METRONOME_ARCH_H

#include "exception.h"
#include "ntdef.h"

struct _BOOT_INFO;
struct _KPRCB;
struct _KTRAP_FRAME;

#define MAXIMUM_PROCESSORS 64

/* Tells the compiler which way is taken nearly always, so that it lies there without a jump. */
#define KI_LIKELY(condition)   __builtin_expect(!!(condition), 1)
#define KI_UNLIKELY(condition) __builtin_expect(!!(condition), 0)

/* Vectors. A vector's class, vector >> 4, is the IRQL at which its handler is entered. */
#define APC_VECTOR          0x1F
#define DISPATCH_VECTOR     0x2F
#define FIRST_DEVICE_VECTOR 0x30
#define LAST_DEVICE_VECTOR  0xBF
#define CLOCK_VECTOR        0xD1
#define IPI_VECTOR          0xE1
#define ERROR_VECTOR        0xFE
#define SPURIOUS_VECTOR     0xFF
#define RAISED_VECTOR       0x100 /* of ExRaiseStatus: the status is in the frame's Rcx */
#define VECTOR_IRQL(vector) ((KIRQL)((vector) >> 4))

#if !defined(METRONOME_HOST)
#include "arch_inline.h" /* arch/x86_64/arch_inline.h */
#else
/* The host tests bring these as ordinary functions: tests/host/support/. */
KIRQL ArchReadIrql(VOID);
VOID ArchWriteIrql(KIRQL Irql);
ULONG_PTR ArchDisableInterrupts(VOID);
VOID ArchRestoreInterrupts(ULONG_PTR Flags);
VOID ArchPause(VOID);
struct _KPRCB *KeGetCurrentPrcb(VOID);
#endif
/*
 * arch_inline.h offers, as inline functions:
 *   KIRQL ArchReadIrql(VOID)               the IRQL: CR8
 *   VOID ArchWriteIrql(KIRQL)              sets CR8; what it unmasks is taken before the next
 *                                          instruction of the caller when interrupts are on
 *   ULONG_PTR ArchDisableInterrupts(VOID)  turns the interrupt flag off, returns the old flags
 *   VOID ArchRestoreInterrupts(ULONG_PTR)
 *   BOOLEAN ArchInterruptsEnabled(VOID)
 *   VOID ArchEnableInterrupts(VOID)
 *   VOID ArchMaskInterrupts(VOID)          turns the flag off, where it is known to be on
 *   PVOID ArchThisPlace(VOID)              an address in the code that asks
 *   PVOID ArchAddressHere(Object)          an object's address, not computed before
 *   ArchCallKeepingRegisters(Function, A, B, C, D)   calls it so that no register changes
 *   ArchCallFromHere(Function, A)          the same with A and an address in the code that calls
 *   BOOLEAN ArchTestAndSetBit0(word)       sets it in one step for all processors; what it was
 *   VOID ArchPause(VOID)                   a hint inside a spin loop
 *   VOID ArchIdle(VOID)                    turns interrupts on and halts until one has been served,
 *                                          in one step: one that is pending already ends the
 *                                          halt. Called with IF off at PASSIVE_LEVEL
 *   ULONG64 ArchReadCounter(VOID)          the time counter, the same on all processors
 *   struct _KPRCB *KeGetCurrentPrcb(VOID)
 *   VOID ArchOut8/16/32(USHORT Port, value), ArchIn8/16/32(USHORT Port)
 *   VOID ArchRequestSoftwareInterrupt(KIRQL Irql)   APC_LEVEL or DISPATCH_LEVEL, on this
 *                                          processor; call it with CR8 at or above Irql
 *   VOID ArchClockInterrupt(VOID)          at the start of the clock interrupt: the clock device
 *                                          forwards it where it has to, and goes off again on this
 *                                          processor a time increment later unless it is set before
 *   VOID ArchEndInterrupt(VOID)            tells the interrupt controller that the innermost
 *                                          interrupt has been served
 */

/* ---- start ---- */

/* Time counter: units a second, known once ArchInitializeMachine has returned. */
extern ULONG64 ArchCounterFrequency;

/*
 * Own page tables, descriptor tables and interrupt stacks for processor 0, its KPCR behind GS,
 * CR8 = HIGH_LEVEL. After it, faults are reported. IF stays off.
 */
VOID ArchInitializeProcessor(const struct _BOOT_INFO *BootInfo);

/*
 * Firmware tables, interrupt controllers, counter calibration, the clock device. Stops with one
 * sentence when the machine lacks what the kernel needs. The pool works already.
 */
VOID ArchInitializeMachine(const struct _BOOT_INFO *BootInfo);

/*
 * Starts every other processor that the firmware lists, up to Limit in all (0: no limit). Each
 * one gets its KPCR, its stack, and calls KiProcessorStart(Prcb) at HIGH_LEVEL with IF off.
 * Returns the number of processors that run.
 */
ULONG ArchStartProcessors(ULONG Limit);

/* ---- interrupts ---- */

/* Sends Vector to a processor (this one too). Any IRQL. */
VOID ArchSendInterrupt(ULONG Processor, UCHAR Vector);

/* Sends Vector to all processors but this one. Any IRQL. */
VOID ArchSendInterruptToOthers(UCHAR Vector);

/* Stops all other processors for ever, whatever their IRQL; waits until they stand or 1 s. */
VOID ArchStopOtherProcessors(VOID);

/*
 * Device lines. A line is a global system interrupt (GSI). ArchIsaLine maps an ISA interrupt
 * number to its GSI, mode and polarity (MADT overrides).
 */
typedef struct _ARCH_LINE {
    ULONG Gsi;
    UCHAR Vector; /* class = IRQL = 3 + Gsi % 9 */
    BOOLEAN LevelTriggered;
    BOOLEAN ActiveLow;
} ARCH_LINE;

NTSTATUS ArchIsaLine(ULONG IsaInterrupt, ARCH_LINE *Line);
NTSTATUS ArchPciLine(ULONG Gsi, ARCH_LINE *Line); /* level-triggered, active low */

/* The line behind a device vector: STATUS_NOT_FOUND if no line can raise it. */
NTSTATUS ArchLineOfVector(UCHAR Vector, ARCH_LINE *Line);

/* Routes a line to one processor and opens it: <= DISPATCH_LEVEL. Closes it: any IRQL. */
NTSTATUS ArchOpenLine(const ARCH_LINE *Line, ULONG Processor);
VOID ArchCloseLine(const ARCH_LINE *Line);

/* What a device has to write, and where, so that a vector arrives at a processor. Any IRQL. */
typedef struct _ARCH_MESSAGE {
    ULONG64 Address;
    ULONG Data;
} ARCH_MESSAGE;

ARCH_MESSAGE ArchMessage(ULONG Processor, UCHAR Vector);

/* ---- PCI ---- */

typedef struct _ARCH_PCI_ADDRESS {
    UCHAR Bus, Device, Function;
} ARCH_PCI_ADDRESS;

/*
 * A register of 1, 2 or 4 bytes at a multiple of its size in a function's configuration space.
 * What is not there reads as all ones. Any IRQL, once the bus has been read at <= DISPATCH_LEVEL.
 */
ULONG ArchReadPciConfig(ARCH_PCI_ADDRESS Address, ULONG Offset, ULONG Bytes);
VOID ArchWritePciConfig(ARCH_PCI_ADDRESS Address, ULONG Offset, ULONG Bytes, ULONG Value);
PCSTR ArchPciAccessName(VOID);

/*
 * The line at which pin 0 to 3 (A to D) of a device on bus 0 arrives: STATUS_NOT_SUPPORTED if
 * the chipset is not known, STATUS_NOT_FOUND if it leads nowhere. Any IRQL.
 */
VOID ArchInitializePciRouting(VOID);
NTSTATUS ArchPciPinLine(ULONG Device, ULONG Pin, ARCH_LINE *Line);

/* ---- clock ---- */

/*
 * Asks for one clock interrupt (CLOCK_VECTOR) on this processor when the time counter reaches
 * Counter, or soon after; never relied on to be late enough: the receiver looks at the time.
 * Replaces the earlier request; MAXULONG64 means none. At CLOCK_LEVEL or above.
 */
VOID ArchSetClock(ULONG64 Counter);

/* "apic" or "hpet". */
PCSTR ArchClockName(VOID);

/* ---- threads ---- */

struct _KTHREAD;

/* Prepares a stack so that the first switch to it calls KiThreadStart. Returns its RSP. */
PVOID ArchPrepareStack(PVOID StackTop);

/*
 * Leaves Old, whose registers go to its stack, and goes on where New has left: returns in New.
 * DISPATCH_LEVEL, the dispatcher lock held, by both.
 */
VOID ArchSwitchThread(struct _KTHREAD *Old, struct _KTHREAD *New);

/* ---- the event trace ---- */

/*
 * Writes one event into this processor's ring, whole: nothing else is written there meanwhile.
 * Any IRQL, any context but an NMI. kernel/kd/trace.h says what the parameters are.
 */
VOID ArchWriteTraceEvent(ULONG64 Type, ULONG64 Object, ULONG64 Argument1, ULONG64 Argument2);

/* ---- memory ---- */

/* Maps a device's registers uncached; NULL when there is no room. <= DISPATCH_LEVEL. */
PVOID ArchMapDevice(ULONG64 Physical, SIZE_T Bytes);

/* The same, cached as ordinary memory is. */
PVOID ArchMapCached(ULONG64 Physical, SIZE_T Bytes);

/* A stack of KERNEL_STACK_SIZE bytes over an unmapped guard page: its upper end, or NULL. */
#define KERNEL_STACK_SIZE 0x8000u
PVOID ArchAllocateStack(VOID);
VOID ArchFreeStack(PVOID StackTop);

/*
 * Driver images. Addresses for Bytes, with unmapped pages on both sides, that nobody has had
 * before (NULL: there are none left); pages of them, each mapped to the page at Memory with the
 * rights given (FALSE: no memory for tables); and all of them unmapped again on every processor.
 * PASSIVE_LEVEL.
 */
PVOID ArchReserveImageSpace(SIZE_T Bytes);
BOOLEAN ArchMapImagePages(PVOID Virtual, PVOID Memory, SIZE_T Bytes, BOOLEAN Write,
                          BOOLEAN Execute);
VOID ArchUnmapImage(PVOID Virtual, SIZE_T Bytes);

/* Makes Physical's page readable at Virtual, for drivers to read (the time page). */
VOID ArchMapReadOnlyPage(PVOID Virtual, ULONG64 Physical);

/* The kernel's address of ordinary memory, and back. */
PVOID ArchPhysicalToVirtual(ULONG64 Physical);
ULONG64 ArchVirtualToPhysical(const VOID *Virtual);

/* TRUE when Address is mapped (a fault there is impossible for a read). Any IRQL. */
BOOLEAN ArchIsAddressMapped(const VOID *Address);

/* ---- console, end ---- */

VOID ArchConsoleInitialize(VOID); /* usable from the first instruction on */
VOID ArchConsoleWrite(PCSTR Text, SIZE_T Length);

/*
 * The console's receiver: after ArchConsoleEnableInput its line (ISA interrupt 4) is raised for
 * every character. ArchConsoleRead returns -1 when there is none. Any IRQL.
 */
#define CONSOLE_ISA_INTERRUPT 4
VOID ArchConsoleEnableInput(VOID);
LONG ArchConsoleRead(VOID);

DECLSPEC_NORETURN VOID ArchPowerOff(VOID); /* ACPI S5, else halts with a sentence */
DECLSPEC_NORETURN VOID ArchReboot(VOID);
/* Ends the emulator with a status if it offers that (isa-debug-exit), else powers off. */
DECLSPEC_NORETURN VOID ArchExit(ULONG Value);
#define EXIT_SUCCESS_VALUE  0x10
#define EXIT_FAILED_VALUE   0x11
#define EXIT_BUGCHECK_VALUE 0x12
#define EXIT_START_VALUE    0x13

/* Prints one sentence and ends with EXIT_START_VALUE: for a machine the kernel cannot use. */
DECLSPEC_NORETURN VOID ArchCannotStart(PCSTR Sentence);

/* ---- traps ---- */

/* For reports: what a trap has interrupted. */
VOID ArchPrintTrapFrame(const struct _KTRAP_FRAME *TrapFrame);

/*
 * Walks the chain of frame pointers from Frame (NULL: the caller's), inside this processor's
 * known stacks only. Fills Addresses, returns how many.
 */
ULONG ArchBacktrace(const VOID *Frame, PVOID *Addresses, ULONG Count);

/*
 * The registers of the code that caused an exception, of its caller if that is memcpy, memmove or
 * memset: then *AfterCall. *StackEnd: the upper end of its stack. FALSE: it is on no known stack.
 */
BOOLEAN ArchReadContext(const struct _KTRAP_FRAME *TrapFrame, PCONTEXT Context, PBOOLEAN AfterCall,
                        PULONG_PTR StackEnd);

/* Makes the end of an exception go on with these registers. */
VOID ArchWriteContext(struct _KTRAP_FRAME *TrapFrame, const CONTEXT *Context);

/* What the machine calls in the kernel (declared here, defined in kernel/ke):
 *   VOID KiSystemStart(BOOT_INFO *BootInfo)           from the entry point, on a kernel stack
 *   VOID KiProcessorStart(struct _KPRCB *Prcb)        on each further processor
 *   VOID KiDispatchLevelInterrupt(VOID)
 *        the dispatch interrupt: CR8 = 2, IF off; returns the same way
 *   VOID KiClockInterrupt(struct _KTRAP_FRAME *TrapFrame)
 *        the clock interrupt, IF off; returns the same way
 *   VOID KiDispatchInterrupt(ULONG Vector, struct _KTRAP_FRAME *TrapFrame)
 *        every other interrupt: CR8 = the vector's class, IF off; returns the same way
 *   VOID KiDispatchException(ULONG Vector, struct _KTRAP_FRAME *TrapFrame)
 *        every processor exception, and an NMI that does not stop the processor
 */
VOID KiSystemStart(struct _BOOT_INFO *BootInfo);
VOID KiProcessorStart(struct _KPRCB *Prcb);
VOID KiThreadStart(VOID); /* a thread's first code: DISPATCH_LEVEL, the dispatcher lock held */
VOID KiDispatchLevelInterrupt(VOID);
VOID KiClockInterrupt(struct _KTRAP_FRAME *TrapFrame);
VOID KiDispatchInterrupt(ULONG Vector, struct _KTRAP_FRAME *TrapFrame);
VOID KiDispatchException(ULONG Vector, struct _KTRAP_FRAME *TrapFrame);

#endif
