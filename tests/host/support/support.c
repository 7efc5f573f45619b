/* The machine and the kernel around a source under test, made of a thread and some memory. */
#include "support.h"
#include <sched.h>

__thread HOST_BUGCHECK HostBugCheck;
__thread jmp_buf HostBugCheckJump;
__thread BOOLEAN HostBugCheckExpected;
__thread KIRQL HostIrql;
__thread BOOLEAN HostInterruptsOff;
__thread BOOLEAN HostStarted = TRUE;
PUCHAR HostMemory;
ULONG64 HostSeed = 1;

static __thread KPRCB Prcb;

/* ---- bug checks ---- */

static DECLSPEC_NORETURN VOID BugCheck(const HOST_BUGCHECK *Report)
{
    HostBugCheck = *Report;
    HostBugCheck.Irql = HostIrql;
    if (HostBugCheckExpected)
        longjmp(HostBugCheckJump, 1);
    fprintf(stderr, "bug check 0x%X (0x%lX, 0x%lX, 0x%lX, 0x%lX) %s\n", Report->Code,
            Report->Parameters[0], Report->Parameters[1], Report->Parameters[2],
            Report->Parameters[3], Report->Rule ? Report->Rule : "");
    abort();
}

VOID KeBugCheckEx(ULONG BugCheckCode, ULONG_PTR BugCheckParameter1, ULONG_PTR BugCheckParameter2,
                  ULONG_PTR BugCheckParameter3, ULONG_PTR BugCheckParameter4)
{
    BugCheck(&(HOST_BUGCHECK){
        .Code = BugCheckCode,
        .Parameters = {BugCheckParameter1, BugCheckParameter2, BugCheckParameter3,
                       BugCheckParameter4},
    });
}

VOID KiReportIrqlViolation(ULONG Kind, PCSTR Rule, ULONG_PTR Object)
{
    BugCheck(&(HOST_BUGCHECK){
        .Code = DRIVER_VERIFIER_DETECTED_VIOLATION,
        .Parameters = {Kind, HostIrql, Object, 0},
        .Rule = Rule,
    });
}

VOID ArchCannotStart(PCSTR Sentence)
{
    BugCheck(&(HOST_BUGCHECK){.Code = HOST_CANNOT_START, .Rule = Sentence});
}

/* ---- processors ---- */

KIRQL ArchReadIrql(VOID)
{
    return HostIrql;
}

VOID ArchWriteIrql(KIRQL Irql)
{
    HostIrql = Irql;
}

KIRQL KeGetCurrentIrql(VOID)
{
    return HostIrql;
}

KIRQL KiRaiseIrql(KIRQL NewIrql)
{
    KIRQL oldIrql = HostIrql;

    HostIrql = NewIrql;
    return oldIrql;
}

VOID KiLowerIrql(KIRQL OldIrql)
{
    HostIrql = OldIrql;
}

#if DBG
VOID KiRequireLowering(KIRQL NewIrql)
{
    KI_REQUIRE(NewIrql <= HostIrql, DRIVER_VERIFIER_DETECTED_VIOLATION, 0x31, HostIrql, NewIrql, 0);
}
#endif

ULONG_PTR ArchDisableInterrupts(VOID)
{
    ULONG_PTR flags = !HostInterruptsOff;

    HostInterruptsOff = TRUE;
    return flags;
}

VOID ArchRestoreInterrupts(ULONG_PTR Flags)
{
    if (Flags)
        HostInterruptsOff = FALSE;
}

VOID ArchPause(VOID)
{
    sched_yield();
}

struct _KPRCB *KeGetCurrentPrcb(VOID)
{
    Prcb.Started = HostStarted;
    return &Prcb;
}

/* ---- memory ---- */

PVOID ArchPhysicalToVirtual(ULONG64 Physical)
{
    return HostMemory + Physical;
}

/* ---- what the pool asks of timers and DPCs: queued ones point to themselves ---- */

BOOLEAN KiIsTimerQueued(const KTIMER *Timer)
{
    return Timer->Header.Inserted == TRUE && Timer->TimerListEntry.Flink == &Timer->TimerListEntry;
}

BOOLEAN KiIsDpcQueued(const KDPC *Dpc)
{
    return Dpc->DpcData == Dpc;
}

/* ---- random numbers ---- */

ULONG64 HostRandom(VOID)
{
    HostSeed ^= HostSeed << 13;
    HostSeed ^= HostSeed >> 7;
    HostSeed ^= HostSeed << 17;
    return HostSeed * 0x2545F4914F6CDD1DULL;
}

ULONG64 HostRandomBelow(ULONG64 Limit)
{
    return (HostRandom() >> 11) % Limit;
}
