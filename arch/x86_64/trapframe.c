/* What a trap has interrupted: passing it on, showing it, and finding the way that led there. */
#include "traps.h"
#include "apic.h"
#include "descriptors.h"
#include "mapping.h"
#include "kd.h"

/* What [rbp] points to in every function, and in every trap frame. */
typedef struct _FRAME_LINK {
    const struct _FRAME_LINK *Next;
    PVOID ReturnAddress;
} FRAME_LINK;

_Static_assert(offsetof(KTRAP_FRAME, Rip) - offsetof(KTRAP_FRAME, Rbp) ==
                   offsetof(FRAME_LINK, ReturnAddress),
               "a trap frame is no link in the chain of frame pointers");

/*
 * Interrupts were off while the stub has read what another exception would have overwritten
 * (CR2). They are as they were from here on, but not on an interrupt stack: it holds one
 * exception, and whoever was switched away from there would come back to another one's frame.
 * A non-maskable interrupt ends here when the processors are being stopped.
 *
 * IRQL:    that of the code that caused the exception (not checked)
 * Locks:   none
 * Context: the stub of every exception
 * Returns: if the interrupted code is to go on
 * Source:  DESIGN.md, IRQL and vectors
 */
VOID KiHandleException(ULONG Vector, PKTRAP_FRAME TrapFrame)
{
    if (Vector == NMI_VECTOR)
        ApicStopIfRequested(TrapFrame);
    if (KiInterruptStackOf(Vector) == 0)
        ArchRestoreInterrupts(TrapFrame->RFlags);
    KiDispatchException(Vector, TrapFrame);
}

/* A line of three registers. */
static VOID PrintRegisters(const CHAR Names[3][4], ULONG64 A, ULONG64 B, ULONG64 C)
{
    DbgPrint("  %s=%016llx  %s=%016llx  %s=%016llx\n", Names[0], A, Names[1], B, Names[2], C);
}

/*
 * All registers of an exception; of an interrupt those that the stub has saved.
 *
 * IRQL:    any
 * Locks:   the console's, for each line
 * Context: any
 * Returns: always
 * Source:  arch.h
 */
VOID ArchPrintTrapFrame(const struct _KTRAP_FRAME *TrapFrame)
{
    const KTRAP_FRAME *frame = TrapFrame;

    DbgPrint("  rip=%016llx  ", frame->Rip);
    KdPrintAddress((const VOID *)frame->Rip);
    DbgPrint("\n");
    PrintRegisters((const CHAR[3][4]){"rsp", "rbp", "rfl"}, frame->Rsp, frame->Rbp, frame->RFlags);
    PrintRegisters((const CHAR[3][4]){"rax", "rcx", "rdx"}, frame->Rax, frame->Rcx, frame->Rdx);
    if (frame->IsException)
        PrintRegisters((const CHAR[3][4]){"rbx", "rsi", "rdi"}, frame->Rbx, frame->Rsi, frame->Rdi);
    PrintRegisters((const CHAR[3][4]){"r8 ", "r9 ", "r10"}, frame->R8, frame->R9, frame->R10);
    if (frame->IsException) {
        PrintRegisters((const CHAR[3][4]){"r11", "r12", "r13"}, frame->R11, frame->R12, frame->R13);
        PrintRegisters((const CHAR[3][4]){"r14", "r15", "cr2"}, frame->R14, frame->R15, frame->Cr2);
    } else {
        DbgPrint("  r11=%016llx\n", frame->R11);
    }
    DbgPrint("  cs=%04llx ss=%04llx mxcsr=%08x irql=%u", frame->SegCs, frame->SegSs, frame->MxCsr,
             frame->PreviousIrql);
    if (frame->IsException)
        DbgPrint(" error=%llx", frame->ErrorCode);
    DbgPrint("\n");
}

/* The bounds of the stack that Link lies in, if it can be read there. */
static BOOLEAN FindLink(const FRAME_LINK *Link, PULONG_PTR Low, PULONG_PTR High)
{
    ULONG_PTR address = (ULONG_PTR)Link;

    return address % sizeof(PVOID) == 0 && KiFindStack(address, Low, High) &&
           *High - address >= sizeof(FRAME_LINK) && ArchIsAddressMapped(Link);
}

/*
 * A frame pointer is believed only if it points upwards in the same stack. The one way out of a
 * stack is from one of this processor's interrupt stacks to the stack that was interrupted.
 *
 * IRQL:    any
 * Locks:   none
 * Context: any, exceptions and a broken stack included
 * Returns: how many addresses were found, innermost first
 * Source:  arch.h
 */
ULONG ArchBacktrace(const VOID *Frame, PVOID *Addresses, ULONG Count)
{
    const FRAME_LINK *link = Frame != NULL ? Frame : __builtin_frame_address(0);
    ULONG_PTR low, high;
    ULONG found = 0;

    if (!FindLink(link, &low, &high))
        return 0;
    while (found < Count && link->ReturnAddress != NULL) {
        const FRAME_LINK *next = link->Next;
        ULONG_PTR nextLow, nextHigh;

        Addresses[found++] = link->ReturnAddress;
        if (!FindLink(next, &nextLow, &nextHigh))
            break;
        if (nextLow == low ? next <= link : !KiIsInterruptStack(KeGetCurrentPrcb()->Number, high))
            break;
        link = next;
        low = nextLow;
        high = nextHigh;
    }
    return found;
}
