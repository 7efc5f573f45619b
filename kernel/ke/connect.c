/*
 * Connecting and disconnecting interrupt objects. KiConnectLock (DISPATCH_LEVEL) keeps the changes
 * to the chains and to the lines apart; the walks in interrupt.c take no lock.
 *
 * Disconnecting, and why the object may be freed at the end:
 *
 *     this processor                          another one
 *     unlinks the object                      walk A began before: may stand on the object
 *     turns it off under its lock             A tests Active under the lock: does not call
 *     KeFlushQueuedDpcs: a DPC runs there     only after A has ended, since A runs above
 *                                             DISPATCH_LEVEL; walks that began later started
 *                                             from the chain, where the object no longer is
 *     frees the object
 *
 * The unlinked object's Next is left alone, for A goes on by it. Where that leads to an object
 * that is disconnected later, A is one of the walks that this later flush waits for.
 */
#include "intobj.h"
#include "ex.h"

#define TAG_INTERRUPT ((ULONG)'tnIK')

static KSPIN_LOCK KiConnectLock;

static BOOLEAN AnyActive(const KI_VECTOR *Vector)
{
    for (PKINTERRUPT interrupt = Vector->Chain; interrupt; interrupt = interrupt->Next) {
        if (interrupt->Active)
            return TRUE;
    }
    return FALSE;
}

/* The processors that every object of the chain allows. */
static KAFFINITY CommonAffinity(const KI_VECTOR *Vector)
{
    KAFFINITY affinity = KeQueryActiveProcessors();

    for (PKINTERRUPT interrupt = Vector->Chain; interrupt; interrupt = interrupt->Next)
        affinity &= interrupt->Affinity;
    return affinity;
}

/*
 * Opens, closes or re-routes the line behind a vector: open while an object is active, routed to
 * the first processor that all allow. A vector without a line is raised by software only.
 */
static NTSTATUS UpdateLine(ULONG Number)
{
    PKI_VECTOR vector = KiVector(Number);
    ULONG processor = (ULONG)__builtin_ctzll(CommonAffinity(vector));
    BOOLEAN moved = processor != vector->Processor;
    BOOLEAN wanted = AnyActive(vector);
    NTSTATUS status = STATUS_SUCCESS;
    ARCH_LINE line;

    vector->Processor = processor;
    if (!NT_SUCCESS(ArchLineOfVector((UCHAR)Number, &line)))
        return STATUS_SUCCESS;
    if (wanted && (moved || !vector->LineOpen))
        status = ArchOpenLine(&line, processor);
    if (!wanted && vector->LineOpen)
        ArchCloseLine(&line);
    vector->LineOpen = wanted && NT_SUCCESS(status);
    return status;
}

/*
 * Opens the line again that a passive-level interrupt has masked. Somebody may have closed it on
 * purpose meanwhile; an edge-triggered one was not masked.
 *
 * IRQL:    <= DISPATCH_LEVEL (not checked)
 * Locks:   takes KiConnectLock
 * Context: any
 * Returns: nothing
 */
VOID KiReopenLine(ULONG Vector)
{
    ARCH_LINE line;
    KIRQL oldIrql;

    KeAcquireSpinLock(&KiConnectLock, &oldIrql);
    if (KiVector(Vector)->LineOpen && NT_SUCCESS(ArchLineOfVector((UCHAR)Vector, &line)) &&
        line.LevelTriggered)
        ArchOpenLine(&line, KiVector(Vector)->Processor);
    KeReleaseSpinLock(&KiConnectLock, oldIrql);
}

/* The new object goes to the end: whoever was first is asked first. */
static VOID Link(PKINTERRUPT Interrupt)
{
    PKINTERRUPT volatile *link = &KiVector(Interrupt->Vector)->Chain;

    while (*link)
        link = &(*link)->Next;
    (void)InterlockedExchangePointer(link, Interrupt);
}

static VOID Unlink(PKINTERRUPT Interrupt)
{
    PKINTERRUPT volatile *link = &KiVector(Interrupt->Vector)->Chain;

    while (*link != Interrupt)
        link = &(*link)->Next;
    (void)InterlockedExchangePointer(link, Interrupt->Next);
}

/* At passive level nobody waits for a routine that runs: the caller may be at DISPATCH_LEVEL. */
static VOID SetActive(PKINTERRUPT Interrupt, BOOLEAN Active)
{
    if (KiIsPassiveInterrupt(Interrupt)) {
        Interrupt->Active = Active;
        return;
    }

    KIRQL oldIrql = KeAcquireInterruptSpinLock(Interrupt);

    Interrupt->Active = Active;
    KeReleaseInterruptSpinLock(Interrupt, oldIrql);
}

/*
 * May the object join the chain? Exclusive ones stay alone; one mode, one common processor. One of
 * passive level stays alone, too: it could not tell a walk at DIRQL whether it is the device's.
 */
static BOOLEAN FitsChain(const KINTERRUPT *Interrupt)
{
    const KI_VECTOR *vector = KiVector(Interrupt->Vector);
    const KINTERRUPT *first = vector->Chain;

    return !first || (Interrupt->Shared && first->Shared && first->Mode == Interrupt->Mode &&
                      !KiIsPassiveInterrupt(first) && !KiIsPassiveInterrupt(Interrupt) &&
                      (CommonAffinity(vector) & Interrupt->Affinity) != 0);
}

/*
 * An edge that comes while a level-sensitive chain ends early would be lost, so such an object is
 * refused on an edge-triggered line. The reverse is harmless: the chain is only walked longer.
 */
static BOOLEAN FitsLine(const IO_CONNECT_INTERRUPT_FULLY_SPECIFIED_PARAMETERS *Parameters)
{
    ARCH_LINE line;

    return Parameters->InterruptMode == Latched ||
           !NT_SUCCESS(ArchLineOfVector((UCHAR)Parameters->Vector, &line)) || line.LevelTriggered;
}

/* Either all of passive level and without a lock, or from the vector's IRQL on upwards. */
static BOOLEAN FitsLevels(const IO_CONNECT_INTERRUPT_FULLY_SPECIFIED_PARAMETERS *Parameters)
{
    KIRQL irql = Parameters->Irql, synchronizeIrql = Parameters->SynchronizeIrql;

    if (irql == PASSIVE_LEVEL)
        return synchronizeIrql == PASSIVE_LEVEL && !Parameters->SpinLock;
    return VECTOR_IRQL(Parameters->Vector) == irql && synchronizeIrql >= irql &&
           synchronizeIrql <= SYNCH_LEVEL;
}

static NTSTATUS CheckParameters(const IO_CONNECT_INTERRUPT_FULLY_SPECIFIED_PARAMETERS *Parameters)
{
    ULONG vector = Parameters->Vector;

    if (!Parameters->InterruptObject || !Parameters->ServiceRoutine)
        return STATUS_INVALID_PARAMETER;
    if (vector < FIRST_DEVICE_VECTOR || vector > LAST_DEVICE_VECTOR || !FitsLevels(Parameters))
        return STATUS_INVALID_PARAMETER;
    if (Parameters->InterruptMode != Latched && Parameters->InterruptMode != LevelSensitive)
        return STATUS_INVALID_PARAMETER;
    if (!(Parameters->ProcessorEnableMask & KeQueryActiveProcessors()) || !FitsLine(Parameters))
        return STATUS_INVALID_PARAMETER;
    return STATUS_SUCCESS;
}

static PKINTERRUPT MakeObject(const IO_CONNECT_INTERRUPT_FULLY_SPECIFIED_PARAMETERS *Parameters)
{
    PKINTERRUPT interrupt = ExAllocatePool2(POOL_FLAG_NON_PAGED, sizeof(KINTERRUPT), TAG_INTERRUPT);

    if (!interrupt)
        return NULL;
    interrupt->ServiceRoutine = Parameters->ServiceRoutine;
    interrupt->ServiceContext = Parameters->ServiceContext;
    interrupt->ActualLock = Parameters->SpinLock ? Parameters->SpinLock : &interrupt->OwnLock;
    interrupt->Vector = Parameters->Vector;
    interrupt->Irql = Parameters->Irql;
    interrupt->SynchronizeIrql = Parameters->SynchronizeIrql;
    interrupt->Mode = Parameters->InterruptMode;
    interrupt->Shared = Parameters->ShareVector != FALSE;
    interrupt->Active = TRUE;
    interrupt->Affinity = Parameters->ProcessorEnableMask;
    if (KiIsPassiveInterrupt(interrupt) && !NT_SUCCESS(KiStartPassiveInterrupt(interrupt))) {
        ExFreePoolWithTag(interrupt, TAG_INTERRUPT);
        return NULL;
    }
    return interrupt;
}

/* Nobody else knows the object, but for its own thread. */
static VOID FreeObject(PKINTERRUPT Interrupt)
{
    if (KiIsPassiveInterrupt(Interrupt))
        KiStopPassiveInterrupt(Interrupt);
    ExFreePoolWithTag(Interrupt, TAG_INTERRUPT);
}

/*
 * Connects a service routine to a device vector; a vector with no line behind it can be raised by
 * other processors and by software. The routine can run before this returns, so the caller's
 * pointer is set first.
 *
 * IRQL:    PASSIVE_LEVEL
 * Locks:   takes KiConnectLock
 * Context: a thread that may wait
 * Returns: STATUS_INVALID_PARAMETER, STATUS_INSUFFICIENT_RESOURCES; then nothing is connected
 * Source:  contract T-IoConnectInterrupt-1..7, T-IoConnectInterruptEx-6
 */
NTSTATUS KiConnectInterrupt(const IO_CONNECT_INTERRUPT_FULLY_SPECIFIED_PARAMETERS *Parameters)
{
    KI_REQUIRE_IRQL_AT_MOST(PASSIVE_LEVEL, RULE_IRQL_IO_PASSIVE, "IrqlIoPassive2",
                            Parameters->ServiceRoutine);

    NTSTATUS status = CheckParameters(Parameters);
    PKINTERRUPT interrupt;
    KIRQL oldIrql;

    if (!NT_SUCCESS(status))
        return status;
    interrupt = MakeObject(Parameters);
    if (!interrupt)
        return STATUS_INSUFFICIENT_RESOURCES;

    KeAcquireSpinLock(&KiConnectLock, &oldIrql);
    if (!FitsChain(interrupt)) {
        KeReleaseSpinLock(&KiConnectLock, oldIrql);
        FreeObject(interrupt);
        return STATUS_INVALID_PARAMETER;
    }
    *Parameters->InterruptObject = interrupt;
    Link(interrupt);
    status = UpdateLine(interrupt->Vector);
    KeReleaseSpinLock(&KiConnectLock, oldIrql);

    if (!NT_SUCCESS(status)) {
        *Parameters->InterruptObject = NULL;
        KiDisconnectInterrupt(interrupt);
    }
    return status;
}

/*
 * Disconnects and frees an interrupt object: see the head of this file. The line is closed first,
 * unless others share it.
 *
 * IRQL:    PASSIVE_LEVEL
 * Locks:   takes KiConnectLock, in it the object's lock
 * Context: a thread that may wait
 * Returns: when the service routine is neither running nor called again
 * Source:  contract T-IoDisconnectInterrupt-1
 */
VOID KiDisconnectInterrupt(PKINTERRUPT Interrupt)
{
    KI_REQUIRE_IRQL_AT_MOST(PASSIVE_LEVEL, RULE_IRQL_IO_PASSIVE, "IrqlIoPassive4", Interrupt);

    KIRQL oldIrql;

    KeAcquireSpinLock(&KiConnectLock, &oldIrql);
    Unlink(Interrupt);
    UpdateLine(Interrupt->Vector);
    SetActive(Interrupt, FALSE);
    KeReleaseSpinLock(&KiConnectLock, oldIrql);

    KeFlushQueuedDpcs();
    FreeObject(Interrupt);
}

/*
 * Lets the service routine be called, or not; the connection stays. The line is closed while
 * nobody on it is active: a level-triggered one would interrupt for ever.
 *
 * IRQL:    <= DISPATCH_LEVEL
 * Locks:   takes KiConnectLock, in it the object's lock
 * Context: any
 * Returns: after FALSE: when the service routine is not running; one of passive level may still
 *          be under way
 * Source:  contract T-IoReportInterrupt-1
 */
VOID KiSetInterruptActive(PKINTERRUPT Interrupt, BOOLEAN Active)
{
    KI_REQUIRE_IRQL_AT_MOST(DISPATCH_LEVEL, RULE_IRQL_DISPATCH, "IrqlIoDispatch", Interrupt);

    KIRQL oldIrql;

    KeAcquireSpinLock(&KiConnectLock, &oldIrql);
    SetActive(Interrupt, Active);
    UpdateLine(Interrupt->Vector);
    KeReleaseSpinLock(&KiConnectLock, oldIrql);
}

/* Copies what the Index-th object of a vector is. FALSE if the chain is shorter. */
static BOOLEAN Describe(ULONG Vector, ULONG Index, PKINTERRUPT_INFORMATION Information)
{
    PKINTERRUPT interrupt;
    KIRQL oldIrql;

    KeAcquireSpinLock(&KiConnectLock, &oldIrql);
    interrupt = KiVector(Vector)->Chain;
    while (interrupt && Index--)
        interrupt = interrupt->Next;
    if (interrupt) {
        Information->Vector = Vector;
        Information->Irql = interrupt->Irql;
        Information->SynchronizeIrql = interrupt->SynchronizeIrql;
        Information->Mode = interrupt->Mode;
        Information->Shared = interrupt->Shared;
        Information->Active = interrupt->Active;
        Information->ServiceRoutine = interrupt->ServiceRoutine;
        Information->Processor = KiVector(Vector)->Processor;
        Information->Count = interrupt->Count;
    }
    KeReleaseSpinLock(&KiConnectLock, oldIrql);
    return interrupt != NULL;
}

/*
 * Calls Visit with a copy of every connected interrupt object's description, without a lock.
 *
 * IRQL:    PASSIVE_LEVEL
 * Locks:   takes KiConnectLock, not around Visit
 * Context: the monitor, checks at unload
 * Returns: nothing
 */
VOID KiVisitInterrupts(KINTERRUPT_VISITOR *Visit, PVOID Context)
{
    KI_REQUIRE_IRQL_AT_MOST(PASSIVE_LEVEL, RULE_IRQL_IO_PASSIVE, "IrqlVisitInterrupts", Visit);

    KINTERRUPT_INFORMATION information;

    for (ULONG vector = FIRST_DEVICE_VECTOR; vector <= LAST_DEVICE_VECTOR; vector++) {
        for (ULONG index = 0; Describe(vector, index, &information); index++)
            Visit(&information, Context);
    }
}
