/*
 * GDT, IDT and TSS of each processor. The tables are written once, before the processor that
 * uses them has loaded them, and never changed.
 */
#include "descriptors.h"
#include "cpu.h"
#include "traps.h"

/* Ring 0, long mode; base and limit do not count in 64-bit mode. */
#define GDT_CODE 0x00209A0000000000ULL
#define GDT_DATA 0x0000920000000000ULL
#define GDT_TSS  0x0000890000000000ULL /* present, available 64-bit TSS */

typedef struct __attribute__((packed)) _TABLE_POINTER {
    USHORT Limit;
    ULONG64 Base;
} TABLE_POINTER;

static PROCESSOR_TABLES Tables[MAXIMUM_PROCESSORS];
static GATE Idt[256];

/* What may hit when the stack is broken. Index 0 is what a gate calls interrupt stack 1. */
static const UCHAR StackVectors[INTERRUPT_STACKS] = {NMI_VECTOR, DOUBLE_FAULT_VECTOR,
                                                     MACHINE_CHECK_VECTOR};

/*
 * IRQL:    any
 * Locks:   none
 * Context: any
 * Returns: which interrupt stack Vector's gate names, counted from 1; 0: none
 * Source:  design.md, decision 9
 */
UCHAR KiInterruptStackOf(ULONG Vector)
{
    for (UCHAR i = 0; i < INTERRUPT_STACKS; i++) {
        if (StackVectors[i] == Vector)
            return i + 1;
    }
    return 0;
}

/* Once, by processor 0, while it is alone. */
static VOID BuildIdt(VOID)
{
    for (ULONG vector = 0; vector < ARRAYSIZE(Idt); vector++) {
        ULONG64 stub = KiTrapStubs[vector];

        Idt[vector] = (GATE){.OffsetLow = (USHORT)stub,
                             .Selector = CODE_SELECTOR,
                             .InterruptStack = KiInterruptStackOf(vector),
                             .Type = GATE_INTERRUPT,
                             .OffsetMiddle = (USHORT)(stub >> 16),
                             .OffsetHigh = (ULONG)(stub >> 32)};
    }
}

static VOID BuildGdt(PROCESSOR_TABLES *Own)
{
    ULONG64 base = (ULONG64)&Own->Tss;
    ULONG64 limit = sizeof(Own->Tss) - 1;

    Own->Gdt[0] = 0;
    Own->Gdt[CODE_SELECTOR / 8] = GDT_CODE;
    Own->Gdt[DATA_SELECTOR / 8] = GDT_DATA;
    Own->Gdt[TSS_SELECTOR / 8] =
        GDT_TSS | limit | (base & 0xFFFFFF) << 16 | (base >> 24 & 0xFF) << 56;
    Own->Gdt[TSS_SELECTOR / 8 + 1] = base >> 32;
    Own->Tss.IoMapBase = sizeof(Own->Tss);
}

/* A far return is the only way to load CS. GS keeps its base, which is the processor block. */
static VOID LoadSelectors(VOID)
{
    ULONG64 processorBlock = KiReadMsr(MSR_GS_BASE);
    ULONG64 scratch;

    __asm__ volatile("pushq %1\n\t"
                     "leaq 1f(%%rip), %0\n\t"
                     "pushq %0\n\t"
                     "lretq\n"
                     "1:"
                     : "=&r"(scratch)
                     : "i"(CODE_SELECTOR)
                     : "memory");
    __asm__ volatile("movl %0, %%ss\n\t"
                     "movl %1, %%ds\n\t"
                     "movl %1, %%es\n\t"
                     "movl %1, %%fs\n\t"
                     "movl %1, %%gs"
                     :
                     : "r"(DATA_SELECTOR), "r"(0)
                     : "memory");
    KiWriteMsr(MSR_GS_BASE, processorBlock);
}

/*
 * Gives processor Number its interrupt stacks; they stay when the processor does not come up.
 *
 * IRQL:    <= DISPATCH_LEVEL, or the start (not checked)
 * Locks:   none
 * Context: the boot processor, before processor Number runs
 * Returns: FALSE if there is no memory
 * Source:  design.md, decision 9
 */
BOOLEAN KiAllocateInterruptStacks(ULONG Number)
{
    TASK_STATE *tss = &Tables[Number].Tss;

    for (ULONG i = 0; i < INTERRUPT_STACKS; i++) {
        if (tss->InterruptStack[i] == 0)
            tss->InterruptStack[i] = (ULONG64)ArchAllocateStack();
        if (tss->InterruptStack[i] == 0)
            return FALSE;
    }
    return TRUE;
}

/*
 * IRQL:    any
 * Locks:   none
 * Context: any
 * Returns: TRUE if StackTop ends one of processor Number's interrupt stacks
 * Source:  design.md, decision 9
 */
BOOLEAN KiIsInterruptStack(ULONG Number, ULONG_PTR StackTop)
{
    for (ULONG i = 0; i < INTERRUPT_STACKS; i++) {
        if (Tables[Number].Tss.InterruptStack[i] == StackTop)
            return TRUE;
    }
    return FALSE;
}

/*
 * From here on this processor's interrupts and exceptions reach the stubs.
 *
 * IRQL:    any, IF off (not checked)
 * Locks:   none
 * Context: processor Number, once
 * Returns: always
 * Source:  [arch]
 */
VOID KiLoadDescriptors(ULONG Number)
{
    PROCESSOR_TABLES *own = &Tables[Number];
    TABLE_POINTER gdt = {sizeof(own->Gdt) - 1, (ULONG64)own->Gdt};
    TABLE_POINTER idt = {sizeof(Idt) - 1, (ULONG64)Idt};

    if (Number == 0)
        BuildIdt();
    BuildGdt(own);
    __asm__ volatile("lgdt %0" : : "m"(gdt));
    LoadSelectors();
    __asm__ volatile("lidt %0" : : "m"(idt));
    __asm__ volatile("ltr %w0" : : "r"(TSS_SELECTOR));
}
