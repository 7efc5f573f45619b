/* What the kernel core (kernel/ke) shows to the rest of the kernel and to the machine's part. */
#ifndef METRONOME_KE_H
#define METRONOME_KE_H

#include "ntddk.h"
#include "arch.h"
#include "kd/trace.h"
#include "ke/lock.h"
#include "ke/timerqueue.h"

struct _BOOT_INFO;

/* ---- the processor block ---- */

/* What a thread is doing. The dispatcher lock. */
typedef enum _KTHREAD_STATE {
    ThreadInitialized,
    ThreadReady,   /* in the ready list of processor LastProcessor */
    ThreadStandby, /* NextThread of processor LastProcessor */
    ThreadRunning,
    ThreadWaiting,
    ThreadTerminated
} KTHREAD_STATE;

/* All fields: the dispatcher lock, unless a comment says otherwise. */
typedef struct _KTHREAD {
    DISPATCHER_HEADER Header;     /* signaled when the thread has ended */
    PVOID KernelStack;            /* RSP while it does not run; ArchSwitchThread */
    PVOID StackLimit;             /* lowest address; constant */
    PVOID StackBase;              /* first address above; constant */
    PCSTR Name;                   /* constant; NULL: named by its start routine */
    PKSTART_ROUTINE StartRoutine; /* constant */
    PVOID StartContext;           /* constant */
    LIST_ENTRY ThreadListEntry;   /* all threads */
    LIST_ENTRY ReadyListEntry;    /* a ready list, or the list of ended threads */
    KTHREAD_STATE State;
    CHAR Priority; /* 0 to 31; an idle thread: -1 */
    CHAR BasePriority;
    BOOLEAN System; /* made by kernel/ps; constant */
    LONG Quantum;   /* ticks left; its own processor, CLOCK_LEVEL */
    ULONG LastProcessor;
    KAFFINITY Affinity;       /* processors that it may run on now */
    KAFFINITY SystemAffinity; /* set by KeSetSystemAffinityThreadEx, or 0: all */
    LONG64 WaitStatus;        /* why the last wait has ended */
    KWAIT_REASON WaitReason;
    WAIT_TYPE WaitType;
    BOOLEAN Alertable;        /* an alert may end the wait under way */
    KPROCESSOR_MODE WaitMode; /* ... one of this mode, or of KernelMode */
    BOOLEAN Alerted[2];       /* by AlertMode: an alert that no wait has taken yet */
    ULONG WaitCount;          /* blocks of the wait under way, the time-out's not counted */
    PKWAIT_BLOCK WaitBlocks;  /* of the wait under way, an array and a chain; or NULL */
    KWAIT_BLOCK OwnWaitBlocks[THREAD_WAIT_OBJECTS];
    KWAIT_BLOCK TimeoutBlock; /* the last of the chain while Object is not NULL */
    KTIMER Timer;             /* the wait's time-out; its own rules */
    LIST_ENTRY MutantList;    /* mutexes that it owns */
    KIRQL WaitIrql;           /* IRQL to restore, after KeSetEvent with Wait = TRUE; the thread */
    BOOLEAN WaitNext;         /* ... which has left the IRQL raised; the thread */
    SHORT KernelApcDisable;   /* -n: n critical regions deep; the thread */
    SHORT SpecialApcDisable;  /* -n: n guarded regions deep; the thread */
    BOOLEAN InThreadedDpc;    /* runs a threaded DPC's routine; the thread */
    LIST_ENTRY IrpList;       /* requests that the thread has made and not got back; IopIrpLock */
    PKEVENT IrpListEmpty;     /* to be set when the list is empty, or NULL; IopIrpLock */
    LIST_ENTRY ApcLists[2];   /* kernel APCs that are queued: special, normal */
    BOOLEAN ApcPending;  /* one of the lists is not empty; the thread reads it without the lock */
    BOOLEAN ApcsRefused; /* the thread ends: no more APCs */
    BOOLEAN NormalApcInProgress; /* a normal routine runs, or waits; the thread */
    NTSTATUS ExitStatus;
    ULONG64 Switches; /* times it was given a processor */
} KTHREAD;

#define IDLE_PRIORITY   (-1)
#define NORMAL_PRIORITY 8
#define QUANTUM_TICKS   6 /* 60 ms */

/*
 * A processor's queue of DPCs. All fields: Lock, which is taken at HIGH_LEVEL; but
 * DispatchRequested is also set by the queue's processor without it.
 */
typedef struct _KDPC_DATA {
    KSPIN_LOCK Lock;
    LIST_ENTRY DpcList;
    ULONG64 Inserted;          /* insertions, ever */
    ULONG64 Removed;           /* taken back by KeRemoveQueueDpc, ever */
    ULONG64 Count;             /* routines started, ever */
    ULONG64 InsertedAtTick;    /* Inserted at the last tick */
    ULONG RequestRate;         /* insertions a tick, averaged */
    BOOLEAN DispatchRequested; /* a dispatch interrupt is on its way, or a drain will look again;
                                * threaded: the same of the DPC thread */
    BOOLEAN ProcessorIdle; /* ordinary: the processor halts, having seen the queue empty; cleared by
                            * it without the lock: who still sees it sends a needless interrupt */
} KDPC_DATA, *PKDPC_DATA;

/* How many DPCs are queued. The queue's lock, or as a hint without. */
FORCEINLINE ULONG KiDpcQueueDepth(const KDPC_DATA *Data)
{
    return (ULONG)(Data->Inserted - Data->Removed - Data->Count);
}

/* T-DPCQ-11: what makes a Low or a distant Medium DPC urgent. */
#define MAXIMUM_DPC_QUEUE_DEPTH 4
#define MINIMUM_DPC_RATE        3 /* insertions a tick */

/* What the dispatch interrupt has to do for timers (dpcdrain.c). */
typedef enum _KTIMER_WORK {
    NoTimerWork,
    TimersDue, /* expire what is due; set by the clock interrupt */
    ClockOwed  /* they have expired: set the clock for the next ones */
} KTIMER_WORK;

/* A processor's timers, and what the clock knows of them. */
typedef struct _KTIMER_TABLE {
    KSPIN_LOCK Lock;         /* DISPATCH_LEVEL */
    LONG64 SystemTimeOffset; /* system time - interrupt time; Lock */
    UCHAR Work;              /* KTIMER_WORK; this processor alone, its clock interrupt included */
    KTIMER_QUEUE Queue;      /* Lock; NextDue is also read without it, by the clock interrupt */
} KTIMER_TABLE, *PKTIMER_TABLE;

/* A processor's clock. Written by this processor at CLOCK_LEVEL. */
typedef struct _KCLOCK {
    ULONG64 NextTick;        /* interrupt time of the next tick, or while idle of NextLook;
                              * also read by the processor that watches this one */
    ULONG64 NextLook;        /* interrupt time at which to look after the next processor */
    ULONG64 SeenPromise;     /* that one's NextTick at the last look ... */
    ULONG BrokenLooks;       /* ... which so many looks have found unkept */
    ULONG64 NextTickCounter; /* NextTick by the time counter */
    ULONG64 Alarm;    /* interrupt time that the hardware has been set to; MAXULONG64: none; 0: it
                       * goes off a time increment after its last interrupt */
    ULONG64 Deadline; /* interrupt time that it is, or is being, set to: who sets a timer looks */
    ULONG64 LastIncrement;       /* interrupt time of the last tick, in time increments */
    ULONG64 Ticks;               /* taken by this processor */
    volatile ULONG64 Interrupts; /* clock interrupts, ticks or not */
} KCLOCK, *PKCLOCK;

typedef struct _KPRCB {
    ULONG MxCsr;
    UCHAR LegacyNumber;   /* gs:[184] */
    UCHAR ReservedNumber; /* zero: some headers read 16 bits */
    UCHAR Reserved6;
    BOOLEAN IdleHalt;       /* in the idle loop's halt: the next interrupt ends the idle period */
    PKTHREAD CurrentThread; /* gs:[188] */
    PKTHREAD NextThread;
    PKTHREAD IdleThread;
    ULONG ReservedIndex;
    ULONG Number;                        /* gs:[1A4] */
    volatile BOOLEAN QuantumEnd;         /* the current thread's time is over; set by the tick */
    volatile BOOLEAN DpcThreadRequested; /* the DPC thread is to be woken; set by insertions */
    UCHAR Reserved2A[6];

    LIST_ENTRY ReadyLists[MAXIMUM_PRIORITY]; /* by priority; the dispatcher lock */
    ULONG ReadySummary;  /* bit n: ReadyLists[n] is not empty; the dispatcher lock */
    KAFFINITY SetMember; /* 1 << Number; constant */
    ULONG64 SwitchCount; /* the dispatcher lock */

    KDPC_DATA DpcData;                      /* ordinary DPCs */
    KDPC_DATA ThreadedDpcData;              /* threaded DPCs, while there is a thread for them */
    KEVENT DpcThreadEvent;                  /* the DPC thread is to look at its queue */
    volatile PKDEFERRED_ROUTINE DpcRoutine; /* that runs now, or NULL */
    volatile BOOLEAN TimerDpc;              /* it came from a timer; checked builds only */
    ULONG DpcTimeCount;                     /* ticks that a routine (or ISR) has taken: */
    ULONG64 DpcTimed;                       /* ... the one that made DpcData.Count this */
    ULONG DpcWatchdogCount;                 /* ticks in a row at or above DISPATCH_LEVEL */
    ULONG InterruptDepth;                   /* interrupt handlers under way */
    KIRQL InterruptedIrql;                  /* of the code that the last IPI has interrupted */
    ULONG64 InterruptCount; /* interrupts but those of the next line and of the clock */
    ULONG64 DispatchCount;  /* dispatch interrupts */

    KCLOCK Clock;
    KTIMER_TABLE TimerTable;
    KTHREAD BootThread;
    PKTRACE_RING TraceRing; /* NULL: nothing is traced; set at the start */
    volatile BOOLEAN Started;
    const struct _KTRAP_FRAME *StoppedFrame; /* what a bug check's NMI has stopped, or NULL */
} KPRCB, *PKPRCB;

typedef struct _KPCR {
    ULONG64 Reserved0[3];
    struct _KPCR *Self; /* gs:[18] */
    PKPRCB CurrentPrcb; /* gs:[20] */
    ULONG64 Reserved28[2];
    KIRQL Irql; /* gs:[38] */
    UCHAR Reserved39[7];
    ULONG64 Reserved40[(0x180 - 0x40) / 8];
    KPRCB Prcb; /* gs:[180] */
} KPCR, *PKPCR;

ASSERT_OFFSET(KPCR, Self, 0x18);
ASSERT_OFFSET(KPCR, CurrentPrcb, 0x20);
ASSERT_OFFSET(KPCR, Prcb, 0x180);
ASSERT_OFFSET(KPCR, Prcb.LegacyNumber, 0x184);
ASSERT_OFFSET(KPCR, Prcb.CurrentThread, 0x188);
ASSERT_OFFSET(KPCR, Prcb.Number, 0x1A4);

/* Processor 0's block, behind GS from the first instruction on. */
extern KPCR KiBootPcr;

/* Index: processor number. Set up to KeNumberProcessors, in order. */
extern PKPRCB KiProcessorBlock[MAXIMUM_PROCESSORS];

/* A bit for each of them. */
extern KAFFINITY KiActiveProcessors;

/* Makes a processor block: empty queues, a boot thread on the stack that ends at StackTop. */
VOID KiInitializePrcb(PKPCR Pcr, ULONG Number, PVOID StackTop, SIZE_T StackSize);

/* ---- IRQL for the kernel's own use: no checks ---- */

#if defined(METRONOME_HOST)
KIRQL KiRaiseIrql(KIRQL NewIrql);
VOID KiLowerIrql(KIRQL OldIrql);
#else
FORCEINLINE VOID KiRaiseIrqlFrom(KIRQL OldIrql, KIRQL NewIrql)
{
    ArchWriteIrql(NewIrql);
    KD_TRACE_IRQL_RAISE(NewIrql, OldIrql);
    UNREFERENCED_PARAMETER(OldIrql);
}

FORCEINLINE KIRQL KiRaiseIrql(KIRQL NewIrql)
{
    KIRQL oldIrql = ArchReadIrql();

    KiRaiseIrqlFrom(oldIrql, NewIrql);
    return oldIrql;
}

FORCEINLINE VOID KiLowerIrql(KIRQL OldIrql)
{
    KD_TRACE_IRQL_LOWER(OldIrql);
    ArchWriteIrql(OldIrql);
}

/* Sends this processor the APC interrupt. APC_LEVEL or above. */
FORCEINLINE VOID KiSendApcInterrupt(VOID)
{
    KD_TRACE(KD_CLASS_FLOW, TraceInterruptRequest, 0, APC_VECTOR, KeGetCurrentPrcb()->Number);
    ArchRequestSoftwareInterrupt(APC_LEVEL);
}
#endif

/*
 * The kernel's own locks that an ISR's path may need: taken at HIGH_LEVEL, from any IRQL, so that
 * no interrupt can ask for them again on this processor. Not recursive. A lock taken so is never
 * taken by the Ke routines.
 */
FORCEINLINE KIRQL KiAcquireHighLock(PKSPIN_LOCK Lock)
{
    KIRQL oldIrql = KiRaiseIrql(HIGH_LEVEL);

    KiLock(Lock);
    return oldIrql;
}

FORCEINLINE VOID KiReleaseHighLock(PKSPIN_LOCK Lock, KIRQL OldIrql)
{
    KiUnlock(Lock);
    KiLowerIrql(OldIrql);
}

/*
 * KeAcquireSpinLockAtDpcLevel and KeReleaseSpinLockFromDpcLevel for the kernel's own use: in a
 * free build without a call.
 */
#if DBG
#define KiAcquireLockAtDpcLevel   KeAcquireSpinLockAtDpcLevel
#define KiReleaseLockFromDpcLevel KeReleaseSpinLockFromDpcLevel
#else
#define KiAcquireLockAtDpcLevel   KiLock
#define KiReleaseLockFromDpcLevel KiUnlock
#endif

/* ---- the IRQL rules, checked in a checked build ---- */

/*
 * A threaded DPC routine keeps the rules of DISPATCH_LEVEL although it runs at PASSIVE_LEVEL, for
 * it must also work at DISPATCH_LEVEL (T-TDPC-3). Checked builds only. Any IRQL.
 */
#if DBG && !defined(METRONOME_HOST)
FORCEINLINE BOOLEAN KiKeepsDispatchRules(VOID)
{
    return KeGetCurrentThread()->InThreadedDpc;
}
#else
#define KiKeepsDispatchRules() FALSE
#endif

/*
 * The first line of a public routine's body. Kind is the 0xC4 code that the contract names for
 * the routine, Rule the rule's name; the report has P1 = Kind, P2 = IRQL, P3 = object.
 */
#if DBG
#define KI_REQUIRE_IRQL_AT_MOST(Limit, Kind, Rule, Object)                                        \
    do {                                                                                          \
        if (KeGetCurrentIrql() > (Limit) || ((Limit) < DISPATCH_LEVEL && KiKeepsDispatchRules())) \
            KiReportIrqlViolation((Kind), (Rule), (ULONG_PTR)(Object));                           \
    } while (0)
#define KI_REQUIRE_IRQL_AT_LEAST(Limit, Kind, Rule, Object)             \
    do {                                                                \
        if (KeGetCurrentIrql() < (Limit))                               \
            KiReportIrqlViolation((Kind), (Rule), (ULONG_PTR)(Object)); \
    } while (0)
#define KI_REQUIRE_IRQL_EXACTLY(Level, Kind, Rule, Object)              \
    do {                                                                \
        if (KeGetCurrentIrql() != (Level))                              \
            KiReportIrqlViolation((Kind), (Rule), (ULONG_PTR)(Object)); \
    } while (0)
#define KI_REQUIRE(Condition, Code, P1, P2, P3, P4)                                 \
    do {                                                                            \
        if (!(Condition))                                                           \
            KeBugCheckEx((Code), (ULONG_PTR)(P1), (ULONG_PTR)(P2), (ULONG_PTR)(P3), \
                         (ULONG_PTR)(P4));                                          \
    } while (0)
#else
#define KI_REQUIRE_IRQL_AT_MOST(Limit, Kind, Rule, Object)  ((void)0)
#define KI_REQUIRE_IRQL_AT_LEAST(Limit, Kind, Rule, Object) ((void)0)
#define KI_REQUIRE_IRQL_EXACTLY(Level, Kind, Rule, Object)  ((void)0)
#define KI_REQUIRE(Condition, Code, P1, P2, P3, P4)         ((void)0)
#endif

/*
 * The rules for lowering to NewIrql: not above the current IRQL, and not below DISPATCH_LEVEL in
 * a DPC routine (T-KeLowerIrql-2). Checked builds only.
 */
#if DBG
VOID KiRequireLowering(KIRQL NewIrql);
#else
#define KiRequireLowering(NewIrql) ((void)0)
#endif

/* Remembers Rule for the report, then bug check 0xC4 (Kind, IRQL, Object, 0). */
DECLSPEC_NORETURN VOID KiReportIrqlViolation(ULONG Kind, PCSTR Rule, ULONG_PTR Object);

/* Kinds of 0xC4 that name a rule rather than a routine (bugcheck-verifier.md). */
#define RULE_IRQL_DISPATCH             0x20003
#define RULE_IRQL_EX_ALLOCATE_POOL     0x20004
#define RULE_IRQL_EX_APC_LTE           0x20005
#define RULE_IRQL_EX_RESOURCE          0x20007
#define RULE_IRQL_KE_APC_LTE           0x2000F
#define RULE_IRQL_KE_DISPATCH_LTE      0x20011
#define RULE_IRQL_KE_RELEASE_SPIN_LOCK 0x20015
#define RULE_IRQL_IO_APC_LTE           0x20006 /* [choice] IoDeleteDevice */
#define RULE_MM_UNMAP                  0x20009 /* [choice] MmUnmapIoSpace of what is not mapped */
#define RULE_IRQL_KE_PASSIVE           0x20010 /* [choice] KeFlushQueuedDpcs */
#define RULE_IRQL_KE_IPI               0x20012 /* [choice] KeIpiGenericCall */
#define RULE_IRQL_IO_FORWARD           0x20013 /* [choice] IoCallDriver at DISPATCH_LEVEL */
#define RULE_IRQL_IO_PASSIVE           0x20007 /* [choice] IoConnectInterrupt and other passive ones */
#define RULE_DEVICE_QUEUE_BUSY         0x2F001 /* [choice] KeRemoveDeviceQueue of an idle device */

/* ---- DPCs ---- */

/* Queues a timer's DPC; the caller may hold a timer table's lock. DISPATCH_LEVEL or above. */
BOOLEAN KiInsertTimerDpc(PKDPC Dpc);

/* Requests the dispatch interrupt on Prcb's processor, once. Any IRQL. */
VOID KiRequestDispatch(PKPRCB Prcb);

/*
 * The same for this processor, at CLOCK_LEVEL or above. Without the queue's lock: who reads FALSE
 * when another processor is about to write TRUE sends the interrupt a second time, and only this
 * processor writes FALSE, in the dispatch interrupt.
 */
#if !defined(METRONOME_HOST)
FORCEINLINE VOID KiRequestOwnDispatch(PKPRCB Prcb)
{
    if (Prcb->DpcData.DispatchRequested)
        return;
    Prcb->DpcData.DispatchRequested = TRUE;
    KD_TRACE_LEAF(KD_CLASS_FLOW, TraceInterruptRequest, 0, DISPATCH_VECTOR, Prcb->Number);
    ArchRequestSoftwareInterrupt(DISPATCH_LEVEL);
}
#endif

/* The tick's part: rates, and DPCs that have waited long enough. CLOCK_LEVEL. */
VOID KiDpcTick(PKPRCB Prcb, KIRQL InterruptedIrql, ULONG64 Elapsed);

/*
 * Threaded DPCs go to threads. FALSE until there are threads, and with the option threadeddpc=off:
 * they are treated as ordinary ones.
 */
extern volatile BOOLEAN KiThreadedDpcsEnabled;

/* Starts a DPC thread for each processor that runs. PASSIVE_LEVEL. */
VOID KiStartDpcThreads(VOID);

/* The clock watchdog's limit in ticks; 0: off. Set by the option clockwatchdog=. */
extern ULONG KiClockWatchdogLimit;

/* Looks after the next processor's clock: NextLook has come. CLOCK_LEVEL, or interrupts off. */
VOID KiWatchClock(PKPRCB Prcb, ULONG64 Now);

/* When an idle processor has to wake for that; MAXULONG64: never. Any IRQL. */
ULONG64 KiNextClockLook(PKPRCB Prcb);

/* One look at a neighbour that has promised a clock interrupt at Promised. Any IRQL. */
BOOLEAN KiIsClockOverdue(PKCLOCK Watcher, ULONG64 Promised, ULONG64 Now);

/* Is Dpc queued anywhere? For checks on freed memory. */
BOOLEAN KiIsDpcQueued(const KDPC *Dpc);

/* DPC watchdog limits in ticks; 0: off. Set by the options dpctimeout= and dpcwatchdog=. */
extern ULONG KiDpcTimeLimit;
extern ULONG KiDpcWatchdogLimit;

/* ---- timers ---- */

/* What TimerTable.Work asks for: TimersDue, and then ClockOwed. IRQL: DISPATCH_LEVEL. */
VOID KiExpireTimers(PKPRCB Prcb);
VOID KiSettleClock(PKPRCB Prcb);

/* KeInitializeTimerEx without its checks. Any IRQL. */
VOID KiInitializeTimer(PKTIMER Timer, TIMER_TYPE Type);

/* Is Timer in a timer queue? For checks on freed memory. */
BOOLEAN KiIsTimerQueued(const KTIMER *Timer);

/* ---- threads: the dispatcher lock's holders, DISPATCH_LEVEL, unless stated ---- */

/* Protects threads' states, ready lists, dispatcher objects and wait blocks. */
extern KSPIN_LOCK KiDispatcherLock;

/* Takes it. <= DISPATCH_LEVEL. */
FORCEINLINE KIRQL KiLockDispatcher(VOID)
{
    KIRQL oldIrql = KiRaiseIrql(DISPATCH_LEVEL);

    KiAcquireLockAtDpcLevel(&KiDispatcherLock);
    return oldIrql;
}

/* A better thread than this one stands by here: the switch, now or when the IRQL falls. */
VOID KiPreempt(KIRQL OldIrql);

/* Frees it. A thread that was readied meanwhile may preempt the caller here. */
FORCEINLINE VOID KiUnlockDispatcher(KIRQL OldIrql)
{
    if (KI_UNLIKELY(KeGetCurrentPrcb()->NextThread != NULL))
        KiPreempt(OldIrql);
    KiReleaseLockFromDpcLevel(&KiDispatcherLock);
    KiLowerIrql(OldIrql);
}

/* Makes a thread that will run StartRoutine(StartContext) on its own stack. No lock. */
VOID KiInitializeThread(PKTHREAD Thread, PVOID StackTop, PKSTART_ROUTINE StartRoutine,
                        PVOID StartContext);

/* Makes the code that runs on processor Prcb a thread; makes Thread its idle one. No lock. */
VOID KiAdoptThread(PKPRCB Prcb, PVOID StackTop, SIZE_T StackSize);
VOID KiMakeIdleThread(PKPRCB Prcb, PKTHREAD Thread);

/* Lets Thread run: on an idle processor, by preemption, or when its turn comes. */
VOID KiReadyThread(PKTHREAD Thread);

/* Has Prcb's processor look again who is to run there. */
VOID KiChooseAgain(PKPRCB Prcb);

/* Gives the processor to the best ready thread; returns when this thread has it again. */
VOID KiSwitchAway(VOID);

/* The end of the dispatch interrupt: preemption, end of the quantum. DISPATCH_LEVEL, no lock. */
VOID KiDispatchThreads(PKPRCB Prcb);

/* The first of it: the DPC thread, if a threaded DPC has asked for it. */
VOID KiWakeDpcThread(PKPRCB Prcb);

/* The tick's part. CLOCK_LEVEL. */
VOID KiQuantumTick(PKPRCB Prcb);

/* Ends a thread's wait with Status; its priority rises by Increment for a while. */
VOID KiEndWait(PKTHREAD Thread, LONG64 Status, KPRIORITY Increment);

/* After the signal state of an object has risen: releases the waiters that it can satisfy. */
VOID KiReleaseWaiters(PDISPATCHER_HEADER Object, KPRIORITY Increment);

/* The same for a timer that has expired. DISPATCH_LEVEL, the timer table's lock held. */
VOID KiSignalTimer(PKTIMER Timer);

/* Frees the lock, and leaves the IRQL raised for the wait to come. */
VOID KiKeepIrqlForWait(KIRQL OldIrql);

/*
 * The end of KeSetEvent and its kin. No object is touched after the lock has been freed: a released
 * waiter may free it.
 */
FORCEINLINE VOID KiFinishSignal(KIRQL OldIrql, BOOLEAN Wait)
{
    if (KI_UNLIKELY(Wait))
        KiKeepIrqlForWait(OldIrql);
    else
        KiUnlockDispatcher(OldIrql);
}

/* Changes a thread's priority, wherever it stands. */
VOID KiSetPriority(PKTHREAD Thread, CHAR Priority);

/* Ends the current thread. PASSIVE_LEVEL, no lock. */
DECLSPEC_NORETURN VOID KiEndThread(NTSTATUS ExitStatus);

/* ---- APCs and alerts ---- */

/* Has Thread an APC that its regions let through? The dispatcher lock is held. */
BOOLEAN KiMayDeliverApcs(PKTHREAD Thread);

/* Requests the APC interrupt on this processor: taken as soon as IRQL is below APC_LEVEL. */
VOID KiRequestApcInterrupt(VOID);

/* The APC interrupt: runs what the current thread's regions let through. APC_LEVEL, no lock. */
VOID KiDeliverApcs(VOID);

/* The current thread ends: no more APCs, and its rundown routines. PASSIVE_LEVEL, no lock. */
VOID KiRundownApcs(VOID);

/* Takes an alert that may end a wait of WaitMode, if there is one. The dispatcher lock is held. */
BOOLEAN KiTakeAlert(PKTHREAD Thread, KPROCESSOR_MODE WaitMode);

/* ---- time ---- */

#define KI_TIME_INCREMENT 100000u /* 100 ns: 10 ms */

/* Starts the clocks: counter, system time from the firmware, the time page. */
VOID KiInitializeTime(const struct _BOOT_INFO *BootInfo);

/* Interrupt time now, exact. Any IRQL. */
ULONG64 KiQueryInterruptTime(VOID);

/* Starts this processor's tick. CLOCK_LEVEL or above. */
VOID KiStartClock(PKPRCB Prcb);

/* Brings the time page up to Now if a tick has passed. Any IRQL. */
VOID KiUpdateTimePage(ULONG64 Now);

/* Sets this processor's clock for the earlier of its tick and its timers. Any IRQL. */
VOID KiSetClockForTimers(PKPRCB Prcb);

/* Stops the tick before a halt; takes it up again. The idle loop, IF off. */
VOID KiEnterIdle(PKPRCB Prcb);
VOID KiLeaveIdle(PKPRCB Prcb);

/* The first step of every interrupt. An idle period ends before anything else (KiLeaveIdle). */
FORCEINLINE PKPRCB KiEnterInterrupt(VOID)
{
    PKPRCB prcb = KeGetCurrentPrcb();

    if (KI_UNLIKELY(prcb->IdleHalt))
        KiLeaveIdle(prcb);
    return prcb;
}

/* Sets the system time (UTC since 1601, 100 ns). IRQL: <= DISPATCH_LEVEL. time.md, last part. */
VOID KeSetSystemTime(PLARGE_INTEGER NewTime, PLARGE_INTEGER OldTime);

/* System time - interrupt time. Any IRQL. */
LONG64 KiQuerySystemTimeOffset(VOID);

/* ---- interrupts ---- */

/* A device interrupt: walks the vector's chain. IRQL = the vector's class, interrupts off. */
VOID KiDispatchDeviceInterrupt(ULONG Vector);

/*
 * Connecting, disconnecting, switching on and off: what the Io routines of these names do once
 * they have sorted out their parameters. PASSIVE_LEVEL, PASSIVE_LEVEL, <= DISPATCH_LEVEL.
 */
NTSTATUS KiConnectInterrupt(const IO_CONNECT_INTERRUPT_FULLY_SPECIFIED_PARAMETERS *Parameters);
VOID KiDisconnectInterrupt(PKINTERRUPT Interrupt);
VOID KiSetInterruptActive(PKINTERRUPT Interrupt, BOOLEAN Active);

/* The receiving end of KeIpiGenericCall. IPI_LEVEL. */
VOID KiIpiInterrupt(VOID);

/* Spurious interrupts seen, all processors (T-INT-4). */
extern volatile ULONG64 KiSpuriousInterrupts;

/* Calls Visit for every connected interrupt object; PASSIVE_LEVEL. */
typedef struct _KINTERRUPT_INFORMATION {
    ULONG Vector;
    KIRQL Irql, SynchronizeIrql;
    KINTERRUPT_MODE Mode;
    BOOLEAN Shared, Active;
    PKSERVICE_ROUTINE ServiceRoutine;
    ULONG Processor;
    ULONG64 Count; /* ISR calls that returned TRUE */
} KINTERRUPT_INFORMATION, *PKINTERRUPT_INFORMATION;
typedef VOID KINTERRUPT_VISITOR(const KINTERRUPT_INFORMATION *Information, PVOID Context);
VOID KiVisitInterrupts(KINTERRUPT_VISITOR *Visit, PVOID Context);

/*
 * Count consecutive vectors of one IRQL for a device's messages, with Aligned at a multiple of
 * Count; 0 if there is no room. <= DISPATCH_LEVEL. kernel/ke/msgvector.c
 */
UCHAR KiAllocateMessageVectors(ULONG Count, BOOLEAN Aligned);
VOID KiFreeMessageVectors(UCHAR First, ULONG Count);

/* ---- bug checks ---- */

/* TRUE from the first KeBugCheckEx on: locks of the console are ignored. */
extern volatile LONG KiBugCheckActive;

/*
 * A test's hook: called by KeBugCheckEx first; a test that expects the bug check does not
 * return from it. NULL otherwise.
 */
typedef VOID KBUGCHECK_HOOK(ULONG Code, const ULONG_PTR Parameters[4], KIRQL Irql);
extern KBUGCHECK_HOOK *volatile KiBugCheckHook;

/* "IRQL_NOT_LESS_OR_EQUAL"; NULL when the code is unknown. */
PCSTR KiBugCheckName(ULONG Code);
/* What parameter Index (0 to 3) means for these parameters; NULL when it has no meaning. */
PCSTR KiBugCheckParameterMeaning(ULONG Code, const ULONG_PTR Parameters[4], ULONG Index);

/* ---- start, options ---- */

/*
 * The value of Name=value on the command line, "" for a bare Name, NULL when absent. The result
 * stays valid; values have no spaces.
 */
PCSTR KiGetOption(PCSTR Name);

/* The same as a number (decimal, 0x hexadecimal), Default when absent or malformed. */
ULONG64 KiGetNumberOption(PCSTR Name, ULONG64 Default);

/* The processor's idle loop: halts, drains what is left over. */
DECLSPEC_NORETURN VOID KiIdleLoop(PKPRCB Prcb);

/*
 * Waits at PASSIVE_LEVEL until Condition(Context) is TRUE, looking at every tick: for conditions
 * that nobody signals.
 */
typedef BOOLEAN KI_CONDITION(PVOID Context);
VOID KiWaitUntil(KI_CONDITION *Condition, PVOID Context);

/* Waits at PASSIVE_LEVEL for an interval in 100 ns. */
VOID KiSleep(ULONG64 Interval);

#endif
