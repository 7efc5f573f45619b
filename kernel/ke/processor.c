/* Processor blocks and the questions that drivers ask about processors. */
#include "ke.h"

PKPRCB KiProcessorBlock[MAXIMUM_PROCESSORS] = {&KiBootPcr.Prcb};

/*
 * Processor 0 needs its block before the first line of C, behind GS; its queues are made by
 * KiInitializePrcb before the first interrupt.
 */
KPCR KiBootPcr = {
    .Self = &KiBootPcr,
    .CurrentPrcb = &KiBootPcr.Prcb,
    .Prcb = {.CurrentThread = &KiBootPcr.Prcb.BootThread},
};

volatile CCHAR KeNumberProcessors = 1;
KAFFINITY KiActiveProcessors = 1;

static VOID InitializeQueues(PKPRCB Prcb)
{
    InitializeListHead(&Prcb->DpcData.DpcList);
    KeInitializeSpinLock(&Prcb->DpcData.Lock);
    InitializeListHead(&Prcb->ThreadedDpcData.DpcList);
    KeInitializeSpinLock(&Prcb->ThreadedDpcData.Lock);
    KeInitializeSpinLock(&Prcb->TimerTable.Lock);
    KiInitializeTimerQueue(&Prcb->TimerTable.Queue);
    for (ULONG n = 0; n < MAXIMUM_PRIORITY; n++)
        InitializeListHead(&Prcb->ReadyLists[n]);
    Prcb->Clock.NextTick = Prcb->Clock.NextTickCounter = MAXULONG64;
    Prcb->Clock.Alarm = Prcb->Clock.Deadline = MAXULONG64;
}

/*
 * Makes the block of processor Number, whose code runs on the stack that ends at StackTop.
 *
 * IRQL:    any
 * Locks:   none; nobody else knows the block yet
 * Context: the start
 * Returns: nothing
 */
VOID KiInitializePrcb(PKPCR Pcr, ULONG Number, PVOID StackTop, SIZE_T StackSize)
{
    PKPRCB prcb = &Pcr->Prcb;

    Pcr->Self = Pcr;
    Pcr->CurrentPrcb = prcb;
    prcb->MxCsr = 0x1F80;
    prcb->Number = Number;
    prcb->SetMember = (KAFFINITY)1 << Number;
    prcb->LegacyNumber = (UCHAR)Number;
    InitializeQueues(prcb);
    KiProcessorBlock[Number] = prcb;
    KiAdoptThread(prcb, StackTop, StackSize);
}

/*
 * The number of the processor that runs the caller. Below DISPATCH_LEVEL it may be stale at once.
 *
 * IRQL:    any
 * Locks:   none
 * Context: any
 * Returns: the index in the whole system; *ProcNumber, if given, gets group and number
 * Source:  contract irql.md "Processor identity"
 */
ULONG KeGetCurrentProcessorNumberEx(PPROCESSOR_NUMBER ProcNumber)
{
    ULONG number = KeGetCurrentPrcb()->Number;

    if (ProcNumber)
        *ProcNumber = (PROCESSOR_NUMBER){.Group = 0, .Number = (UCHAR)number};
    return number;
}

/* As above, without the group. IRQL: any. */
ULONG KeGetCurrentProcessorIndex(VOID)
{
    return KeGetCurrentPrcb()->Number;
}

/*
 * Processors that run, in one group or in all. There is one group.
 *
 * IRQL:    any
 * Locks:   none
 * Context: any
 * Returns: the number; 0 for a group that does not exist
 * Source:  contract irql.md "Processor identity"
 */
ULONG KeQueryActiveProcessorCountEx(USHORT GroupNumber)
{
    return GroupNumber == 0 || GroupNumber == ALL_PROCESSOR_GROUPS ? (ULONG)KeNumberProcessors : 0;
}

/* Processors that can ever run: none is added after the start. IRQL: any. */
ULONG KeQueryMaximumProcessorCountEx(USHORT GroupNumber)
{
    return KeQueryActiveProcessorCountEx(GroupNumber);
}

/*
 * A mask with one bit for each processor that runs.
 *
 * IRQL:    any
 * Locks:   none
 * Context: any
 * Returns: the mask
 * Source:  contract irql.md "Processor identity"
 */
KAFFINITY KeQueryActiveProcessors(VOID)
{
    return KiActiveProcessors;
}
