/*
 * interrupt.md, T-INT-10: drivers use SSE registers in interrupted code, in ISRs and in DPCs. The
 * kernel's C code uses none, so all of this is assembly: one block loads the registers, lets an
 * interrupt in whose routine spoils them, and stores them again.
 */
#define SUITE "interrupt.sse"
#include "suite.h"

typedef struct DECLSPEC_ALIGN(16) _SSE_STATE {
    ULONG64 Xmm[16][2];
    ULONG MxCsr;
} SSE_STATE;

static volatile LONG Spoiled;
static KT_PROBE Probe;

#define ROUND_UP_MASKED 0x5F80u /* all exceptions masked, rounding up */

static VOID SpoilRegisters(VOID)
{
    ULONG mxcsr = 0x1FC0; /* denormals are zeros */

    __asm__ volatile("pcmpeqd %%xmm0, %%xmm0\n movaps %%xmm0, %%xmm1\n movaps %%xmm0, %%xmm2\n"
                     "movaps %%xmm0, %%xmm3\n movaps %%xmm0, %%xmm4\n movaps %%xmm0, %%xmm5\n"
                     "ldmxcsr %0"
                     :
                     : "m"(mxcsr));
    InterlockedIncrement(&Spoiled);
}

SERVICE_ROUTINE(SpoilingIsr)
{
    if (Context)
        KeInsertQueueDpc(&Probe.Dpc, NULL, NULL);
    SpoilRegisters();
    return TRUE;
}

DPC_ROUTINE(SpoilingDpc)
{
    SpoilRegisters();
}

/* Loads State, stores Command into the ICR of this processor, waits for *Flag >= Least. */
static VOID InterruptedBlock(SSE_STATE *State, ULONG Command, volatile LONG *Flag, LONG Least)
{
    __asm__ volatile("ldmxcsr 256(%0)\n"
                     "movaps 0(%0), %%xmm0\n movaps 16(%0), %%xmm1\n movaps 32(%0), %%xmm2\n"
                     "movaps 48(%0), %%xmm3\n movaps 64(%0), %%xmm4\n movaps 80(%0), %%xmm5\n"
                     "movl %2, (%1)\n"
                     "1: pause\n"
                     "cmpl %4, (%3)\n"
                     "jl 1b\n"
                     "movaps %%xmm0, 0(%0)\n movaps %%xmm1, 16(%0)\n movaps %%xmm2, 32(%0)\n"
                     "movaps %%xmm3, 48(%0)\n movaps %%xmm4, 64(%0)\n movaps %%xmm5, 80(%0)\n"
                     "stmxcsr 256(%0)\n"
                     :
                     : "r"(State), "r"(&ArchLocalApic[APIC_ICR / 4]), "r"(Command), "r"(Flag),
                       "r"(Least)
                     : "memory", "cc");
}

static VOID FillState(SSE_STATE *State)
{
    for (ULONG i = 0; i < 6; i++) {
        State->Xmm[i][0] = 0x1111111111111111ULL * (i + 1);
        State->Xmm[i][1] = 0xFEDCBA9876543210ULL + i;
    }
    State->MxCsr = ROUND_UP_MASKED;
}

static VOID CheckState(const SSE_STATE *State)
{
    for (ULONG i = 0; i < 6; i++) {
        CHECK_EQUAL(State->Xmm[i][0], 0x1111111111111111ULL * (i + 1));
        CHECK_EQUAL(State->Xmm[i][1], 0xFEDCBA9876543210ULL + i);
    }
    CHECK_EQUAL(State->MxCsr, ROUND_UP_MASKED);
}

static ULONG CurrentMxCsr(VOID)
{
    ULONG mxcsr;

    __asm__ volatile("stmxcsr %0" : "=m"(mxcsr));
    return mxcsr;
}

#define TO_SELF(vector) ((1u << 18) | (vector))

/* The command of ArchRequestSoftwareInterrupt's register, for a device vector. */
static VOID RunWithVector(KIRQL Level, PVOID Context, LONG Spoilers)
{
    ULONG mxcsr = CurrentMxCsr();
    UCHAR vector = KT_VECTOR(Level, 0);
    PKINTERRUPT interrupt;
    SSE_STATE state;

    CHECK_EQUAL(KtConnect(&interrupt, vector, SpoilingIsr, Context), STATUS_SUCCESS);
    Spoiled = 0;
    FillState(&state);
    InterruptedBlock(&state, TO_SELF(vector), &Spoiled, Spoilers);
    CheckState(&state);
    __asm__ volatile("ldmxcsr %0" : : "m"(mxcsr));
    IoDisconnectInterrupt(interrupt);
}

TEST(T_INT_10)
{
    RunWithVector(3, NULL, 1);
    RunWithVector(7, NULL, 1);
    RunWithVector(11, NULL, 1);
}

/* The ISR's DPC runs before the interrupted code goes on, and spoils them once more. */
TEST(T_INT_10_dpc_at_interrupt_exit)
{
    KtPrepareProbe(&Probe);
    KeInitializeDpc(&Probe.Dpc, SpoilingDpc, NULL);
    RunWithVector(6, &Probe, 2);
}

/* A timer's DPC, through the clock interrupt and the dispatch interrupt. */
TEST(T_INT_10_timer_dpc)
{
    ULONG mxcsr = CurrentMxCsr();
    SSE_STATE state;

    KtPrepareProbe(&Probe);
    KeInitializeDpc(&Probe.Dpc, SpoilingDpc, NULL);
    Spoiled = 0;
    FillState(&state);
    KtSetProbe(&Probe, KtIn(MILLISECONDS(2)), 0);
    InterruptedBlock(&state, TO_SELF(DISPATCH_VECTOR), &Spoiled, 1);
    CheckState(&state);
    __asm__ volatile("ldmxcsr %0" : : "m"(mxcsr));
    KeFlushQueuedDpcs();
}

/* An ISR starts with the kernel's rounding, whatever the interrupted code has set (T-INT-10). */
static volatile ULONG MxCsrInIsr;

SERVICE_ROUTINE(ReadMxCsr)
{
    MxCsrInIsr = CurrentMxCsr();
    InterlockedIncrement(&Spoiled);
    return TRUE;
}

TEST(T_INT_10_exceptions_stay_masked)
{
    ULONG mxcsr = CurrentMxCsr();
    PKINTERRUPT interrupt;
    SSE_STATE state;

    CHECK_EQUAL(KtConnect(&interrupt, KT_VECTOR(6, 0), ReadMxCsr, NULL), STATUS_SUCCESS);
    Spoiled = 0;
    FillState(&state);
    InterruptedBlock(&state, TO_SELF(KT_VECTOR(6, 0)), &Spoiled, 1);
    __asm__ volatile("ldmxcsr %0" : : "m"(mxcsr));
    CHECK_EQUAL(MxCsrInIsr & 0x1F80, 0x1F80);
    CheckState(&state);
    IoDisconnectInterrupt(interrupt);
}
