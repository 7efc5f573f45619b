/*
 * Names for the readers of the trace: functions, threads, drivers. A list that only grows, behind
 * the header of the trace; a name holds from the time in its record on. Under the names' lock,
 * which is taken at HIGH_LEVEL; names are rare.
 */
#include "kd/kdtrace.h"
#include "ex.h"
#include "ps.h"

#define NAMES_PAGES 192 /* 768 KB: the functions are some thousand, with room for threads */

PKTRACE_HEADER KdpTraceHeader;
static KSPIN_LOCK NamesLock;

static VOID Append(PKTRACE_HEADER Header, const KTRACE_NAME *Name, PCSTR Text)
{
    ULONG bytes = (ULONG)(sizeof(*Name) + Name->Length + 7) & ~7u;
    PUCHAR place = (PUCHAR)Header + KD_TRACE_NAMES_OFFSET + Header->NamesUsed;

    if (bytes > Header->NamesSize - Header->NamesUsed) {
        Header->NamesLost++;
        return;
    }
    memcpy(place, Name, sizeof(*Name));
    memcpy(place + sizeof(*Name), Text, Name->Length); /* the rest is zero already */
    __atomic_store_n(&Header->NamesUsed, Header->NamesUsed + bytes, __ATOMIC_RELEASE);
}

/*
 * Names an object or a range of code.
 *
 * IRQL:    any
 * Locks:   takes the names' lock
 * Context: any
 * Returns: nothing; a name without room is counted
 */
VOID KdTraceName(KTRACE_NAME_KIND Kind, const VOID *Address, SIZE_T Size, PCSTR Text)
{
    PKTRACE_HEADER header = KdpTraceHeader;
    KTRACE_NAME name = {
        .Time = ArchReadCounter(),
        .Address = (ULONG64)Address,
        .Size = (ULONG)Size,
        .Kind = (USHORT)Kind,
    };

    if (!header || !header->NamesSize)
        return;
    name.Length = (USHORT)strlen(Text);
    KIRQL oldIrql = KiAcquireHighLock(&NamesLock);
    Append(header, &name, Text);
    KiReleaseHighLock(&NamesLock, oldIrql);
}

/*
 * Names a thread: by its name, or by the routine that it begins with.
 *
 * IRQL:    any
 * Locks:   takes the names' lock
 * Context: any; nobody ends the thread meanwhile
 * Returns: nothing
 */
VOID KdTraceThread(PKTHREAD Thread)
{
    CHAR text[64];

    if (!KdpTraceHeader || !KdpTraceHeader->NamesSize)
        return;
    if (!Thread->Name)
        KdFormatAddress(text, sizeof(text), (PVOID)Thread->StartRoutine);
    KdTraceName(TraceNameThread, Thread, sizeof(*Thread), Thread->Name ? Thread->Name : text);
}

static VOID NameFunction(const VOID *Address, SIZE_T Size)
{
    CHAR text[64];

    KdTraceName(TraceNameFunction, Address, Size, KdFormatAddress(text, sizeof(text), Address));
}

static VOID NameThread(PKTHREAD Thread, PVOID Context)
{
    UNREFERENCED_PARAMETER(Context);
    KdTraceThread(Thread);
}

/* What exists already. */
static VOID NameAll(VOID)
{
    KdVisitSymbols(NameFunction);
    for (LONG n = 0; n < KeNumberProcessors; n++)
        KdTraceThread(&KiProcessorBlock[n]->BootThread);
    PspVisitThreads(NameThread, NULL);
}

/*
 * Makes the header, with room for names and the first of them, or without: what reads the trace
 * inside of the kernel needs none. Nobody knows of it before KdpTraceHeader is set.
 *
 * IRQL:    PASSIVE_LEVEL (not checked)
 * Locks:   takes the names' lock and the dispatcher lock
 * Context: the start
 * Returns: FALSE without memory
 */
BOOLEAN KdpMakeTraceHeader(ULONG64 Session, BOOLEAN Names)
{
    PKTRACE_HEADER header = MmAllocatePages(Names ? NAMES_PAGES : 1);

    if (!header)
        return FALSE;
    *header = (KTRACE_HEADER){
        .Magic = KD_TRACE_MAGIC,
        .Version = KD_TRACE_VERSION,
        .Processors = (ULONG)KeNumberProcessors,
        .Session = Session,
        .CounterFrequency = ArchCounterFrequency,
        .NamesSize = Names ? NAMES_PAGES * PAGE_SIZE - KD_TRACE_NAMES_OFFSET : 0,
        .Checked = DBG,
    };
    RtlStringPrint(header->Compiler, sizeof(header->Compiler), "%s", __VERSION__);
    KdpTraceHeader = header;
    if (Names)
        NameAll();
    header->StartCounter = ArchReadCounter();
    header->StartInterruptTime = KiQueryInterruptTime();
    header->StartSystemTime = (LONG64)header->StartInterruptTime + KiQuerySystemTimeOffset();
    return TRUE;
}
