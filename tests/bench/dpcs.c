/* Figures of the way from an interrupt or a request to a DPC routine. */
#include "bench.h"

#define DPCS             64
#define INTERRUPT_VECTOR 0x6B /* IRQL 6; no line has it */

static KDPC Dpcs[DPCS];

static VOID InsertToEntry(VOID)
{
    for (ULONG i = 0; i < BENCH_SAMPLES; i++) {
        BenchQuiet();
        BENCH_BEGIN();
        KeInsertQueueDpc(&Dpcs[0], NULL, NULL); /* BenchEnd is set in the routine */
        BenchTake(i, 1);
    }
    BenchReport(BENCH_SAMPLES, "dpc_insert_to_entry");
    MEASURE("dpc_round_trip", KeInsertQueueDpc(&Dpcs[0], NULL, NULL));
}

/* The insertions are a part of it, and so is the interrupt that all of them share. */
static VOID Many(VOID)
{
    KIRQL oldIrql;

    for (ULONG i = 0; i < BENCH_SAMPLES; i++) {
        BenchRuns = 0;
        BenchQuiet();
        BENCH_BEGIN();
        KeRaiseIrql(DISPATCH_LEVEL, &oldIrql);
        for (ULONG n = 0; n < DPCS; n++)
            KeInsertQueueDpc(&Dpcs[n], NULL, NULL);
        KeLowerIrql(oldIrql);
        BENCH_END();
        BenchTake(i, DPCS);
        if (BenchRuns != DPCS)
            BenchError("%u of 64 DPCs have run", BenchRuns);
    }
    BenchReport(BENCH_SAMPLES, "dpc_64_each");
}

/* ---- interrupts ---- */

static volatile ULONG ServiceRuns;

static BOOLEAN EmptyService(UNUSED PKINTERRUPT Interrupt, UNUSED PVOID ServiceContext)
{
    ServiceRuns++;
    return TRUE;
}

static PKINTERRUPT Connect(PKSERVICE_ROUTINE Routine)
{
    PKINTERRUPT interrupt = NULL;
    NTSTATUS status = IoConnectInterrupt(
        &interrupt, Routine, NULL, NULL, INTERRUPT_VECTOR, VECTOR_IRQL(INTERRUPT_VECTOR),
        VECTOR_IRQL(INTERRUPT_VECTOR), Latched, FALSE, KeQueryActiveProcessors(), FALSE);

    if (!NT_SUCCESS(status))
        BenchError("no interrupt can be connected: status 0x%08x", status);
    ServiceRuns = 0;
    return interrupt;
}

static VOID Disconnect(PKINTERRUPT Interrupt)
{
    IoDisconnectInterrupt(Interrupt);
    if (ServiceRuns != BENCH_SAMPLES)
        BenchError("%u interrupts instead of %u", ServiceRuns, BENCH_SAMPLES);
}

/* One store to the local APIC; CR8 is above the vector's class. */
static VOID RequestInterrupt(VOID)
{
    ArchSendInterrupt(0, INTERRUPT_VECTOR);
}

/* From the instruction that lowers the IRQL to the one behind it. */
static VOID InterruptRoundTrip(VOID)
{
    PKINTERRUPT interrupt = Connect(EmptyService);
    KIRQL oldIrql;

    if (!interrupt)
        return;
    for (ULONG i = 0; i < BENCH_SAMPLES; i++) {
        BenchQuiet();
        KeRaiseIrql(HIGH_LEVEL, &oldIrql);
        RequestInterrupt();
        BENCH_BEGIN();
        KeLowerIrql(PASSIVE_LEVEL);
        BENCH_END();
        BenchTake(i, 1);
    }
    BenchReport(BENCH_SAMPLES, "interrupt_round_trip");
    Disconnect(interrupt);
}

static BOOLEAN DpcService(UNUSED PKINTERRUPT Interrupt, UNUSED PVOID ServiceContext)
{
    ServiceRuns++;
    BENCH_BEGIN();
    KeInsertQueueDpc(&Dpcs[0], NULL, NULL); /* BenchEnd is set in the routine */
    return TRUE;
}

/* From the ISR's call of KeInsertQueueDpc to the DPC routine, out of the interrupt. */
static VOID IsrToDpc(VOID)
{
    PKINTERRUPT interrupt = Connect(DpcService);
    KIRQL oldIrql;

    if (!interrupt)
        return;
    for (ULONG i = 0; i < BENCH_SAMPLES; i++) {
        BenchQuiet();
        KeRaiseIrql(HIGH_LEVEL, &oldIrql);
        RequestInterrupt();
        KeLowerIrql(PASSIVE_LEVEL);
        BenchTake(i, 1);
    }
    BenchReport(BENCH_SAMPLES, "isr_to_dpc");
    Disconnect(interrupt);
}

VOID BenchDpcs(VOID)
{
    for (ULONG i = 0; i < DPCS; i++)
        KeInitializeDpc(&Dpcs[i], BenchEndDpc, NULL);
    InsertToEntry();
    Many();
    IsrToDpc();
    InterruptRoundTrip();
}
