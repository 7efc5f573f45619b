/* dpc.md: what a DPC routine is called with, what it may do, DpcForIsr, flushing. */
#define SUITE "dpc"
#include "suite.h"
#include "testdriver.h"

static KT_PROBE Probe, Second;

/* S-73: this declaration and this definition must compile. */
KDEFERRED_ROUTINE MyCustomDpc;

_Use_decl_annotations_ VOID MyCustomDpc(struct _KDPC *Dpc, PVOID DeferredContext,
                                        PVOID SystemArgument1, PVOID SystemArgument2)
{
    CHECK_EQUAL(Dpc, &Probe.Dpc);
    CHECK_EQUAL(DeferredContext, &Probe);
    CHECK_EQUAL(SystemArgument1, SystemArgument2);
    Probe.Runs++;
}

TEST(T_KDEFERRED_5__S_73)
{
    KtPrepareProbe(&Probe);
    KeInitializeDpc(&Probe.Dpc, MyCustomDpc, &Probe);
    CHECK(KeInsertQueueDpc(&Probe.Dpc, &Probe, &Probe));
    CHECK_EQUAL(Probe.Runs, 1);
}

DPC_ROUTINE(FreeItself)
{
    *(volatile LONG *)Context += 1;
    memset(Dpc, POISON, sizeof(*Dpc)); /* nobody may look at it any more */
    ExFreePoolWithTag(Dpc, KT_TAG);
}

TEST(T_DPCQ_5_freed_by_its_routine)
{
    for (LONG i = 0; i < 50; i++) {
        volatile LONG runs = 0;
        PKDPC dpc = ExAllocatePoolWithTag(NonPagedPool, sizeof(*dpc), KT_TAG);

        if (!CHECK(dpc != NULL))
            return;
        KtPoison(dpc);
        KeInitializeDpc(dpc, FreeItself, (PVOID)&runs);
        CHECK(KeInsertQueueDpc(dpc, NULL, NULL));
        CHECK_EQUAL(runs, 1);
    }
}

static volatile LONG OnBoth;

/* The first run queues the object to the other processor and waits for that run. */
DPC_ROUTINE(MeetItself)
{
    if (KeGetCurrentProcessorIndex() == 0) {
        KeSetTargetProcessorDpc(Dpc, 1);
        KeSetImportanceDpc(Dpc, HighImportance);
        CHECK_EQUAL(KeInsertQueueDpc(Dpc, NULL, NULL), TRUE);
    }
    InterlockedIncrement(&OnBoth);
    CHECK(KtSpinUntil(&OnBoth, 2)); /* both are inside */
    InterlockedIncrement(&Probe.Runs);
}

TEST_ON(2, T_DPCQ_5_on_two_processors)
{
    KtPrepareProbe(&Probe);
    OnBoth = 0;
    KeInitializeDpc(&Probe.Dpc, MeetItself, NULL);
    CHECK(KeInsertQueueDpc(&Probe.Dpc, NULL, NULL));
    CHECK(KtSpinUntil(&Probe.Runs, 2));
    KeFlushQueuedDpcs();
}

static volatile LONG IsrRuns;

SERVICE_ROUTINE(CountIsr)
{
    IsrRuns++;
    return TRUE;
}

DPC_ROUTINE(InterruptedDpc)
{
    KeInsertQueueDpc(&Second.Dpc, NULL, NULL);
    CHECK_IRQL(DISPATCH_LEVEL);
    KtInterruptHere(KT_VECTOR(9, 0));
    CHECK_EQUAL(IsrRuns, 1);     /* an interrupt came in */
    CHECK_EQUAL(Second.Runs, 0); /* no other DPC did, not even on the way out of the interrupt */
    CHECK_IRQL(DISPATCH_LEVEL);
    Probe.Runs++;
}

TEST(T_DPCQ_7)
{
    PKINTERRUPT interrupt;

    KtPrepareProbe(&Probe);
    KtPrepareProbe(&Second);
    IsrRuns = 0;
    CHECK_EQUAL(KtConnect(&interrupt, KT_VECTOR(9, 0), CountIsr, NULL), STATUS_SUCCESS);
    KeInitializeDpc(&Probe.Dpc, InterruptedDpc, NULL);
    CHECK(KeInsertQueueDpc(&Probe.Dpc, NULL, NULL));
    CHECK_EQUAL(Probe.Runs, 1);
    CHECK_EQUAL(Second.Runs, 1);
    IoDisconnectInterrupt(interrupt);
}

static volatile LONG InDpc, IsrWhileInDpc;

SERVICE_ROUTINE(SeeDpcElsewhere)
{
    IsrWhileInDpc = InDpc;
    InterlockedIncrement(&IsrRuns);
    return TRUE;
}

DPC_ROUTINE(RunUntilIsrHasRun)
{
    InterlockedExchange(&InDpc, 1);
    CHECK(KtSpinUntil(&IsrRuns, 1)); /* the ISR runs elsewhere meanwhile */
    InterlockedExchange(&InDpc, 0);
    InterlockedIncrement(&Probe.Runs);
}

TEST_ON(2, T_DPCQ_14__S_55)
{
    PKINTERRUPT interrupt;

    KtPrepareProbe(&Probe);
    IsrRuns = InDpc = IsrWhileInDpc = 0;
    CHECK_EQUAL(KtConnect(&interrupt, KT_VECTOR(5, 0), SeeDpcElsewhere, NULL), STATUS_SUCCESS);
    KeInitializeDpc(&Probe.Dpc, RunUntilIsrHasRun, NULL);
    KeSetTargetProcessorDpc(&Probe.Dpc, 1);
    CHECK(KeInsertQueueDpc(&Probe.Dpc, NULL, NULL));
    CHECK(KtSpinUntil(&InDpc, 1));
    KtInterruptHere(KT_VECTOR(5, 0));
    CHECK_EQUAL(IsrWhileInDpc, 1);
    CHECK(KtSpinUntil(&Probe.Runs, 1));
    IoDisconnectInterrupt(interrupt);
}

static ULONG64 Message[8];

DPC_ROUTINE(ReadMessage)
{
    for (ULONG i = 0; i < ARRAYSIZE(Message); i++)
        CHECK_EQUAL(Message[i], (ULONG_PTR)Argument1 + i);
    InterlockedIncrement(&Probe.Runs);
}

TEST(T_DPCQ_16)
{
    KtPrepareProbe(&Probe);
    KeInitializeDpc(&Probe.Dpc, ReadMessage, NULL);
    KeSetTargetProcessorDpc(&Probe.Dpc, (CCHAR)(KtProcessors() - 1));
    KeSetImportanceDpc(&Probe.Dpc, HighImportance);
    for (ULONG_PTR round = 1; round <= 500; round++) {
        for (ULONG i = 0; i < ARRAYSIZE(Message); i++)
            Message[i] = round * 100 + i;
        CHECK(KeInsertQueueDpc(&Probe.Dpc, (PVOID)(round * 100), NULL));
        CHECK(KtSpinUntil(&Probe.Runs, (LONG)round));
    }
    KeFlushQueuedDpcs();
}

DPC_ROUTINE(DoWhatIsAllowed)
{
    KSPIN_LOCK lock;
    KLOCK_QUEUE_HANDLE handle;
    PVOID block;

    KeInitializeSpinLock(&lock);
    KeAcquireSpinLockAtDpcLevel(&lock);
    KeReleaseSpinLockFromDpcLevel(&lock);
    KeAcquireInStackQueuedSpinLockAtDpcLevel(&lock, &handle);
    KeReleaseInStackQueuedSpinLockFromDpcLevel(&handle);
    CHECK_EQUAL(KtSetProbe(&Second, KtIn(SECONDS(100)), 0), FALSE);
    CHECK_EQUAL(KeCancelTimer(&Second.Timer), TRUE);
    block = ExAllocatePoolWithTag(NonPagedPool, 100, KT_TAG);
    CHECK(block != NULL);
    ExFreePoolWithTag(block, KT_TAG);
    Probe.Runs++;
}

TEST(T_KDEFERRED_7)
{
    KtPrepareProbe(&Probe);
    KtPrepareProbe(&Second);
    KeInitializeDpc(&Probe.Dpc, DoWhatIsAllowed, NULL);
    CHECK(KeInsertQueueDpc(&Probe.Dpc, NULL, NULL));
    CHECK_EQUAL(Probe.Runs, 1);
}

TEST(T_KDEFERRED_1__T_KDEFERRED_3_timer)
{
    KtPrepareProbe(&Probe);
    KtSetProbe(&Probe, KtIn(MILLISECONDS(1)), 0);
    CHECK(KtSleepUntil(&Probe.Runs, 1));
    CHECK_EQUAL(Probe.RunDpc, &Probe.Dpc); /* Dpc is the object, the context came along */
    CHECK_EQUAL(Probe.Irql, DISPATCH_LEVEL);
    KeFlushQueuedDpcs();
}

static volatile LONG ExecutingInIsr;

SERVICE_ROUTINE(AskInIsr)
{
    ExecutingInIsr = KeIsExecutingDpc() != 0;
    return TRUE;
}

DPC_ROUTINE(AskInDpc)
{
    CHECK(KeIsExecutingDpc());
    KtInterruptHere(KT_VECTOR(6, 0));
    CHECK_EQUAL(ExecutingInIsr, 1);
    Probe.Runs++;
}

TEST(T_KeIsExecutingDpc_1)
{
    PKINTERRUPT interrupt;

    KtPrepareProbe(&Probe);
    CHECK_EQUAL(KtConnect(&interrupt, KT_VECTOR(6, 0), AskInIsr, NULL), STATUS_SUCCESS);
    for (KIRQL level = PASSIVE_LEVEL; level <= HIGH_LEVEL; level++)
        AT_IRQL(level)
        {
            CHECK(!KeIsExecutingDpc());
        }
    ExecutingInIsr = -1;
    KtInterruptHere(KT_VECTOR(6, 0));
    CHECK_EQUAL(ExecutingInIsr, 0);
    KeInitializeDpc(&Probe.Dpc, AskInDpc, NULL);
    CHECK(KeInsertQueueDpc(&Probe.Dpc, NULL, NULL));
    CHECK_EQUAL(Probe.Runs, 1);
    CHECK(!KeIsExecutingDpc());
    if (KtProcessors() > 1) { /* it is about this processor only */
        KtHold(1, DISPATCH_LEVEL);
        CHECK(!KeIsExecutingDpc());
        KtLetGo();
    }
    IoDisconnectInterrupt(interrupt);
}

/* ---- DpcForIsr ---- */

static PDEVICE_OBJECT Device;
static volatile LONG DpcForIsrRuns;
static PVOID SeenIrp, SeenContext;

static VOID DpcForIsr(PKDPC Dpc, PDEVICE_OBJECT DeviceObject, struct _IRP *Irp, PVOID Context)
{
    CHECK_IRQL(DISPATCH_LEVEL);
    CHECK_EQUAL(Dpc, &DeviceObject->Dpc);
    CHECK_EQUAL(DeviceObject, Device);
    SeenIrp = Irp;
    SeenContext = Context;
    DpcForIsrRuns++;
}

SERVICE_ROUTINE(RequestDpcLast)
{
    IoRequestDpc(Device, (struct _IRP *)0x1000, (PVOID)0x2000);
    IoRequestDpc(Device, (struct _IRP *)0x3000, (PVOID)0x4000); /* merged, silently */
    CHECK_EQUAL(DpcForIsrRuns, 0);
    return TRUE;
}

TEST(T_IoInitializeDpcRequest_1__T_IoRequestDpc_1__T_IoRequestDpc_2__T_IO_DPC_1__S_64)
{
    PKINTERRUPT interrupt;

    if (!CHECK_EQUAL(IoCreateDevice(KtDriver(), 0, NULL, FILE_DEVICE_UNKNOWN, 0, FALSE, &Device),
                     STATUS_SUCCESS))
        return;
    IoInitializeDpcRequest(Device, DpcForIsr);
    DpcForIsrRuns = 0;
    CHECK_EQUAL(KtConnect(&interrupt, KT_VECTOR(5, 0), RequestDpcLast, NULL), STATUS_SUCCESS);
    KtInterruptHere(KT_VECTOR(5, 0));
    CHECK_EQUAL(DpcForIsrRuns, 1);
    CHECK_EQUAL(SeenIrp, 0x1000);
    CHECK_EQUAL(SeenContext, 0x2000);
    IoDisconnectInterrupt(interrupt);
    IoDeleteDevice(Device);
}

/* ---- KeFlushQueuedDpcs ---- */

static KT_PROBE Spread[MAXIMUM_PROCESSORS][3];

DPC_ROUTINE(RunSlowly)
{
    PKT_PROBE probe = Context;

    KtStall(MICROSECONDS(300));
    InterlockedIncrement(&probe->Runs);
}

TEST(T_KeFlushQueuedDpcs_1)
{
    static const KDPC_IMPORTANCE importances[] = {LowImportance, MediumImportance, HighImportance};

    for (ULONG round = 0; round < 10; round++) {
        for (ULONG i = 0; i < KtProcessors(); i++)
            for (ULONG j = 0; j < 3; j++) {
                PKT_PROBE probe = &Spread[i][j];

                KtPrepareProbe(probe);
                KeInitializeDpc(&probe->Dpc, RunSlowly, probe);
                KeSetImportanceDpc(&probe->Dpc, importances[j]);
                KeSetTargetProcessorDpc(&probe->Dpc, (CCHAR)i);
                CHECK(KeInsertQueueDpc(&probe->Dpc, NULL, NULL));
            }
        KeFlushQueuedDpcs();
        for (ULONG i = 0; i < KtProcessors(); i++)
            for (ULONG j = 0; j < 3; j++)
                CHECK_EQUAL(Spread[i][j].Runs, 1);
    }
    CHECK_IRQL(PASSIVE_LEVEL);
}

TEST_ON(2, T_KeFlushQueuedDpcs_1_waits_for_running)
{
    KtPrepareProbe(&Probe);
    KeInitializeDpc(&Probe.Dpc, RunSlowly, &Probe);
    KeSetTargetProcessorDpc(&Probe.Dpc, 1);
    KeSetImportanceDpc(&Probe.Dpc, HighImportance);
    for (LONG i = 1; i <= 100; i++) {
        CHECK(KeInsertQueueDpc(&Probe.Dpc, NULL, NULL));
        KtJitter(3000);
        KeFlushQueuedDpcs();
        CHECK_EQUAL(Probe.Runs, i);
    }
}

/* A timer's DPC may have been queued just now: the flush makes it safe to free the memory. */
TEST(T_KeFlushQueuedDpcs_4)
{
    for (ULONG i = 0; i < 50; i++) {
        PKT_PROBE probe = ExAllocatePoolWithTag(NonPagedPool, sizeof(*probe), KT_TAG);

        if (!CHECK(probe != NULL))
            return;
        KtPrepareProbe(probe);
        KeSetTargetProcessorDpc(&probe->Dpc, (CCHAR)(i % KtProcessors()));
        KtSetProbe(probe, KtIn(MICROSECONDS(KtRandom(300))), (LONG)(i % 2));
        KtJitter(5000);
        KeCancelTimer(&probe->Timer);
        KeFlushQueuedDpcs();
        KtPoison(probe);
        ExFreePoolWithTag(probe, KT_TAG);
    }
    CHECK_IRQL(PASSIVE_LEVEL);
}
