/*
 * What tests/gdb/dispatch_interrupt looks at: a DPC is queued at DISPATCH_LEVEL, waits in the
 * local APIC as vector 0x2F, and runs while the IRQL is lowered. Run without GDB it proves the
 * order only.
 */
#define SUITE "gdb.target"
#include "suite.h"

static KDPC TargetDpc;

/* GDB stops here: at DISPATCH_LEVEL with the DPC queued. */
__attribute__((noinline)) VOID KtGdbRaised(VOID)
{
    KtTrace('r');
}

/* And here: in the DPC, which has run before the lowering returned. */
__attribute__((noinline)) VOID KtGdbTargetDpc(UNUSED PKDPC Dpc, UNUSED PVOID Context,
                                              UNUSED PVOID Argument1, UNUSED PVOID Argument2)
{
    CHECK_IRQL(DISPATCH_LEVEL);
    KtTrace('d');
}

static VOID RaiseInsertLower(VOID)
{
    AT_IRQL(DISPATCH_LEVEL)
    {
        CHECK(KeInsertQueueDpc(&TargetDpc, NULL, NULL));
        KtGdbRaised();
    }
    KtTrace('l');
}

/* Twice: GDB steps over the first lowering quietly and with interrupts over the second one. */
TEST(T_CR8_3__T_DPCQ_9)
{
    KtPoison(&TargetDpc);
    KeInitializeDpc(&TargetDpc, KtGdbTargetDpc, NULL);
    KtTraceReset();
    RaiseInsertLower();
    RaiseInsertLower();
    CHECK_TRACE("rdlrdl");
}
