/*
 * The start of the processors: the first one, which the firmware runs, and the others, which
 * wait for INIT and two start-up interrupts. They are started one after the other by processor
 * 0, at any IRQL; each has its block, its stacks and its tables before it runs its first
 * instruction.
 */
#include "processors.h"
#include "apic.h"
#include "cpu.h"
#include "descriptors.h"
#include "mapping.h"
#include "ex.h"
#include "bootinfo.h"

#define INIT_DELAY_US    10000
#define STARTUP_DELAY_US 200
#define ARRIVAL_LIMIT_US 2000000

#define KERNEL_ENTRY 511 /* of the top table: the kernel's image */
#define FOUR_GIB     (1ULL << 32)

/* Physical address of the start page; 0: none. */
static ULONG64 StartPage;

/* The top table for the start. Its other tables come from the page allocator. */
static ULONG64 DECLSPEC_ALIGN(PAGE_SIZE) StartTables[512];

/*
 * Who may come: the APIC ID of the processor that is being started, with one of these marks. A
 * processor that was given up may still be on its way. It finds the ticket closed, or made out
 * to another one, and goes no further, so what was prepared for it can be used for the next.
 */
#define TICKET_OPEN   0x100u
#define TICKET_TAKEN  0x200u
#define TICKET_CLOSED 0x300u
static volatile ULONG Ticket;

/*
 * IRQL:    HIGH_LEVEL, IF off (not checked)
 * Locks:   none
 * Context: the start of processor 0, on the loader's page tables; the page allocator works
 * Returns: when faults are reported; ends the start if the machine is not fit for the kernel
 * Source:  arch.h
 */
VOID ArchInitializeProcessor(const struct _BOOT_INFO *BootInfo)
{
    KiInitializePrcb(&KiBootPcr, 0, KiBootStackTop, KERNEL_STACK_SIZE);
    KiCheckProcessor();
    KiInitializePaging(BootInfo);
    KiInitializeControlRegisters();
    if (!KiAllocateInterruptStacks(0))
        ArchCannotStart("There is not enough memory for the first processor's stacks.");
    KiLoadDescriptors(0);
    ArchWriteIrql(HIGH_LEVEL);
    StartPage = BootInfo->ProcessorStartPage;
}

static VOID Delay(ULONG64 Microseconds)
{
    ULONG64 begin = ArchReadCounter();

    while (!KiHasPassed(begin, Microseconds))
        ArchPause();
}

static START_BLOCK *StartBlock(VOID)
{
    return (START_BLOCK *)((PUCHAR)ArchPhysicalToVirtual(StartPage) + KiStartBlockOffset);
}

/*
 * Writes the start page and the tables for it: the kernel's image, where the way leads, and the
 * page itself at its own address. No running processor ever uses these tables, and a started
 * one has left them before its first C function; so this mapping never has to be taken back
 * from anybody. FALSE: processors cannot be started, for a reason that was printed.
 */
static BOOLEAN PrepareStartPage(VOID)
{
    ULONG64 root = ArchVirtualToPhysical(StartTables);
    PUCHAR page = ArchPhysicalToVirtual(StartPage);
    PCSTR defect = NULL;

    StartTables[KERNEL_ENTRY] = KiKernelTables()[KERNEL_ENTRY];
    if (StartPage == 0)
        defect = "the loader has found no page below 1 MiB";
    else if (root >= FOUR_GIB)
        defect = "the kernel lies above 4 GiB, out of their reach";
    else if (!KiMapInto(StartTables, StartPage, StartPage, PAGE_SIZE, MAP_EXECUTE))
        defect = "there is no memory for page tables";
    if (defect != NULL) {
        DbgPrint("The other processors are not started: %s.\n", defect);
        return FALSE;
    }
    for (SIZE_T i = 0; i < KiStartCodeBytes; i++)
        page[i] = KiStartCode[i];
    StartBlock()->StartRoot = (ULONG)root;
    StartBlock()->KernelRoot = ArchVirtualToPhysical(KiKernelTables());
    StartBlock()->Continue = (PVOID)KiContinueStart;
    return TRUE;
}

/* Waits until the processor has taken its ticket. */
static BOOLEAN WaitForArrival(ULONG64 Microseconds)
{
    ULONG64 begin = ArchReadCounter();

    while (__atomic_load_n(&Ticket, __ATOMIC_ACQUIRE) != (StartBlock()->ApicId | TICKET_TAKEN)) {
        if (KiHasPassed(begin, Microseconds))
            return FALSE;
        ArchPause();
    }
    return TRUE;
}

/* Wakes processor Number, for which the start block is ready. TRUE: it runs, and counts well. */
static BOOLEAN WakeProcessor(ULONG Number)
{
    ULONG open = StartBlock()->ApicId | TICKET_OPEN;
    BOOLEAN arrived;

    __atomic_store_n(&Ticket, open, __ATOMIC_SEQ_CST);
    ApicSendStartup(Number, StartPage);
    arrived = WaitForArrival(STARTUP_DELAY_US);
    if (!arrived) {
        ApicSendStartup(Number, StartPage);
        arrived = WaitForArrival(ARRIVAL_LIMIT_US);
    }
    if (!arrived) {
        /* It may take the ticket at this very moment: one of the two exchanges wins. */
        arrived = InterlockedCompareExchange(&Ticket, TICKET_CLOSED, open) != open;
    }
    if (!arrived)
        return FALSE;
    switch (KiCompareCounters()) {
    case CountersAgree:
        return TRUE;
    case CountersDiffer:
        ArchCannotStart("The processors' time-stamp counters differ: time would run backwards "
                        "from one processor to another.");
    default:
        return FALSE;
    }
}

/* What processor Number needs before it runs; kept for the next one if it does not come up. */
typedef struct _PROCESSOR_OUTFIT {
    PKPCR Pcr;
    PVOID StackTop;
} PROCESSOR_OUTFIT;

static BOOLEAN PrepareProcessor(ULONG Number, PROCESSOR_OUTFIT *Outfit)
{
    if (Outfit->Pcr == NULL)
        Outfit->Pcr = MmAllocatePages(ALIGN_UP_BY(sizeof(KPCR), PAGE_SIZE) / PAGE_SIZE);
    if (Outfit->StackTop == NULL)
        Outfit->StackTop = ArchAllocateStack();
    if (Outfit->Pcr == NULL || Outfit->StackTop == NULL || !KiAllocateInterruptStacks(Number))
        return FALSE;
    KiInitializePrcb(Outfit->Pcr, Number, Outfit->StackTop, KERNEL_STACK_SIZE);
    StartBlock()->ApicId = ArchProcessorApicId[Number];
    StartBlock()->Pcr = Outfit->Pcr;
    StartBlock()->StackTop = Outfit->StackTop;
    return TRUE;
}

/* Processor Number does not come up: those behind it move down by one. */
static VOID LeaveOut(ULONG Number)
{
    DbgPrint("The processor with APIC ID %u does not start; going on without it.\n",
             ArchProcessorApicId[Number]);
    ApicSendInit(Number); /* whatever it does, it stops doing it */
    ArchProcessorCount--;
    for (ULONG i = Number; i < ArchProcessorCount; i++)
        ArchProcessorApicId[i] = ArchProcessorApicId[i + 1];
}

/*
 * IRQL:    <= DISPATCH_LEVEL, or the start (not checked)
 * Locks:   none
 * Context: processor 0, once; ArchInitializeMachine has returned
 * Returns: how many processors run, this one included: those have the numbers below that
 * Source:  arch.h
 */
ULONG ArchStartProcessors(ULONG Limit)
{
    PROCESSOR_OUTFIT outfit = {NULL, NULL};
    ULONG running = 1;

    if (Limit != 0 && Limit < ArchProcessorCount)
        ArchProcessorCount = Limit;
    if (ArchProcessorCount > 1 && !PrepareStartPage())
        ArchProcessorCount = 1;
    for (ULONG i = 1; i < ArchProcessorCount; i++)
        ApicSendInit(i);
    if (ArchProcessorCount > 1)
        Delay(INIT_DELAY_US);
    while (running < ArchProcessorCount) {
        if (!PrepareProcessor(running, &outfit)) {
            DbgPrint("There is not enough memory for more than %u processors.\n", running);
            ArchProcessorCount = running;
        } else if (WakeProcessor(running)) {
            outfit = (PROCESSOR_OUTFIT){NULL, NULL};
            running++;
        } else {
            LeaveOut(running);
        }
    }
    return running;
}

/*
 * IRQL:    HIGH_LEVEL, IF off (not checked)
 * Locks:   none
 * Context: the first C function of a further processor, on its own stack
 * Returns: never
 * Source:  arch.h
 */
DECLSPEC_NORETURN VOID KiStartThisProcessor(PKPCR Pcr)
{
    ULONG apicId = KiCpuid(1).Ebx >> 24;
    ULONG open = apicId | TICKET_OPEN;

    if (InterlockedCompareExchange(&Ticket, apicId | TICKET_TAKEN, open) == open) {
        KiWriteMsr(MSR_GS_BASE, (ULONG64)Pcr);
        ArchWriteIrql(HIGH_LEVEL);
        KiInitializeControlRegisters();
        KiLoadDescriptors(Pcr->Prcb.Number);
        ApicInitializeLocal();
        KiAnswerCounterComparison();
        KiProcessorStart(&Pcr->Prcb);
    }
    for (;;)
        KiHalt();
}
