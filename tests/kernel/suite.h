/*
 * The framework of the suites that run inside the kernel. A test is a function between TEST(...)
 * and its closing brace; its name carries the contract items that it proves. Tests run one after
 * the other at PASSIVE_LEVEL on processor 0. Checks may be made at any IRQL on any processor;
 * they are counted and never end the run.
 */
#ifndef METRONOME_TEST_SUITE_H
#define METRONOME_TEST_SUITE_H

#if defined(KT_FOREIGN)
#include "foreign.h" /* the suite is a part of a driver's image, built with other headers */
#define KT_SECTION ".kt$b"
#else
#define KT_SECTION "testsuites"
#include "ke.h"
#include "ex.h"
#endif

/* ---- tests ---- */

typedef struct _KTEST {
    PCSTR Suite;
    PCSTR Name; /* the identifier: '_' stands for '-', "__" for " + " between two items */
    VOID (*Routine)(VOID);
    PCSTR File;
    ULONG Line;
    ULONG Processors; /* fewer than these: skipped */
} KTEST;

/* The linker gathers the section KT_SECTION between these two. */
extern const KTEST *const KiTestSuites[];
extern const KTEST *const KiTestSuitesEnd[];

/* The tests of a driver's image: from then on they are chosen instead. PASSIVE_LEVEL. */
VOID KtAddSuites(const KTEST *const *First, const KTEST *const *End);

/* A file says `#define SUITE "name"` before it includes this, and then TEST(...) { ... }. */
#define TEST_ON(processors, name)                                                            \
    static VOID name(VOID);                                                                  \
    static const KTEST KtTest_##name = {SUITE, #name, name, __FILE__, __LINE__, processors}; \
    static const KTEST *const KtEntry_##name __attribute__((section(KT_SECTION), used)) =    \
        &KtTest_##name;                                                                      \
    static VOID name(VOID)
#define TEST(name) TEST_ON(1, name)

/*
 * Runs what Glob names and ends the emulator. Glob is a list, separated by commas, of patterns
 * with * and ?, each for suites ("timer", "negative.*") or for single tests
 * ("timer.T-KeSetTimer-4"). A pattern that begins with * leaves out the suites negative.*,
 * stress.* and soak. IRQL: PASSIVE_LEVEL, processor 0.
 */
DECLSPEC_NORETURN VOID KiRunTests(PCSTR Glob);

/* Breaks one rule for real: the boot ends with that bug check. IRQL: PASSIVE_LEVEL. */
DECLSPEC_NORETURN VOID KiRunBugCheck(PCSTR Name);

/* ---- checks ---- */

BOOLEAN KtCheck(BOOLEAN Holds, PCSTR Text, PCSTR File, ULONG Line);
BOOLEAN KtCheckEqual(ULONG64 Actual, ULONG64 Expected, PCSTR Text, PCSTR File, ULONG Line);
BOOLEAN KtCheckAtLeast(ULONG64 Actual, ULONG64 Least, PCSTR Text, PCSTR File, ULONG Line);
BOOLEAN KtCheckTrace(PCSTR Expected, PCSTR File, ULONG Line);

/* All of these: any IRQL, any processor; TRUE if it holds. */
#define CHECK(condition) KtCheck((condition) ? TRUE : FALSE, #condition, __FILE__, __LINE__)
#define CHECK_EQUAL(actual, expected)                                                       \
    KtCheckEqual((ULONG64)(actual), (ULONG64)(expected), #actual " = " #expected, __FILE__, \
                 __LINE__)
#define CHECK_AT_LEAST(actual, least) \
    KtCheckAtLeast((ULONG64)(actual), (ULONG64)(least), #actual " >= " #least, __FILE__, __LINE__)
#define CHECK_IRQL(level) CHECK_EQUAL(KeGetCurrentIrql(), level)

/* Ends a test that cannot run on this machine: `SKIP suite.test: Reason`. Then return. */
VOID KtSkip(PCSTR Reason);

/* ---- the order of events: one letter each ---- */

VOID KtTraceReset(VOID);
VOID KtTrace(CHAR Event); /* any IRQL, any processor */
PCSTR KtTraceText(VOID);
#define CHECK_TRACE(expected) KtCheckTrace(expected, __FILE__, __LINE__)

/* ---- expected bug checks ---- */

#define ANY 0x2A2A2A2A2A2A2A2AULL /* matches every parameter, and every code */

typedef struct _KT_BUGCHECK {
    ULONG Code;
    ULONG_PTR Parameters[4];
    KIRQL Irql;
} KT_BUGCHECK;

/*
 * EXPECT_BUGCHECK(code, p1, p2, p3, p4) { statements }: passes if the statements end in this bug
 * check on this processor. Afterwards IRQL, interrupt flag and the processor's bookkeeping are
 * those of before; what else the statements left (a lock that is held, say) the test repairs.
 * Local variables that the statements change have to be volatile.
 */
#define EXPECT_BUGCHECK(code, p1, p2, p3, p4)                                               \
    for (BOOLEAN ktArmed = KtArm((code), (ULONG_PTR)(p1), (ULONG_PTR)(p2), (ULONG_PTR)(p3), \
                                 (ULONG_PTR)(p4), __FILE__, __LINE__);                      \
         ktArmed && KtEnter(KtSetJump(KtJumpBuffer())); ktArmed = KtMissed())

/* A loop's variable does not change between the two returns; GCC cannot see that. */
#if !defined(__clang__)
#pragma GCC diagnostic ignored "-Wclobbered"
#endif

BOOLEAN KtArm(ULONG64 Code, ULONG_PTR P1, ULONG_PTR P2, ULONG_PTR P3, ULONG_PTR P4, PCSTR File,
              ULONG Line);
PVOID KtJumpBuffer(VOID);
ULONG KtSetJump(PVOID Buffer) __attribute__((returns_twice));
BOOLEAN KtEnter(ULONG Jumped);
BOOLEAN KtMissed(VOID);

/* The latest bug check that was expected on this processor. */
const KT_BUGCHECK *KtLastBugCheck(VOID);

/* One instruction each, so that a fault's instruction address is the function's address. */
UCHAR KtReadByte(const volatile VOID *Address);
VOID KtWriteByte(volatile VOID *Address, UCHAR Value);
VOID KtJumpTo(const VOID *Address);

/* ---- code on a chosen processor, at a chosen IRQL ---- */

typedef VOID KT_ROUTINE(PVOID Context);
typedef VOID KT_PARALLEL_ROUTINE(ULONG Processor, PVOID Context);

ULONG KtProcessors(VOID);
ULONG KtCountBits(ULONG64 Bits);

/*
 * AT_IRQL(level) { statements }: on this processor, at level, which is not below the current
 * one; so a test is indented by IRQL. Not to be left by return or break.
 */
#define AT_IRQL(level)                                              \
    for (KIRQL ktOldIrql = KfRaiseIrql(level), ktDone = 0; !ktDone; \
         ktDone = 1, KeLowerIrql(ktOldIrql))

/* The same for a routine. */
VOID KtRunAt(KIRQL Irql, KT_ROUTINE *Routine, PVOID Context);

/*
 * On Processor at Irql (DISPATCH_LEVEL or above); returns when it has ended. Called at
 * PASSIVE_LEVEL, or at any level for another processor.
 */
VOID KtRunOn(ULONG Processor, KIRQL Irql, KT_ROUTINE *Routine, PVOID Context);

/* On every processor at DISPATCH_LEVEL; none begins before all are there. PASSIVE_LEVEL. */
VOID KtRunOnAll(KT_PARALLEL_ROUTINE *Routine, PVOID Context);

/* On every processor but this one; KtJoin waits for them. Any IRQL. */
VOID KtStartOnOthers(KT_PARALLEL_ROUTINE *Routine, PVOID Context);
VOID KtJoin(VOID);

/* Keeps another processor busy at Irql (DISPATCH_LEVEL or above) until KtLetGo. Any IRQL. */
VOID KtHold(ULONG Processor, KIRQL Irql);
VOID KtLetGo(VOID);

/* ---- time: interrupt time, in 100 ns ---- */

#define MICROSECONDS(n) ((ULONG64)(n)*10u)
#define MILLISECONDS(n) ((ULONG64)(n)*10000u)
#define SECONDS(n)      ((ULONG64)(n)*10000000u)

/*
 * The emulator's processors share the host's, so lateness says little; but a local APIC timer of
 * 1 GHz goes off after 4.3 s at the latest, and that must not heal what nobody has woken.
 */
#define KT_PATIENCE SECONDS(10) /* how long a wait lasts before it is given up */
#define KT_LATE     SECONDS(5)  /* CHECK_ON_TIME: later than this is an error */

ULONG64 KtNow(VOID);
ULONG64 KtSystemNow(VOID);
LARGE_INTEGER KtIn(ULONG64 Interval); /* a relative due time */
LARGE_INTEGER KtAt(ULONG64 SystemTime);

/* Busy: this processor is not idle meanwhile. Any IRQL. */
VOID KtStall(ULONG64 Interval);

/* Until *Value >= Least; FALSE after KT_PATIENCE. Spinning: any IRQL; sleeping: PASSIVE_LEVEL. */
BOOLEAN KtSpinUntil(const volatile LONG *Value, LONG Least);
BOOLEAN KtSleepUntil(const volatile LONG *Value, LONG Least);

/* Until the time page's tick count has changed. PASSIVE_LEVEL or above, below CLOCK_LEVEL. */
VOID KtNextTick(VOID);

/* Until this processor has taken a clock interrupt: what was due before is known to be due. */
VOID KtAwaitClock(VOID);

/* Option `exact`: instructions are counted, lateness is the length of a path. */
BOOLEAN KtIsExact(VOID);

/*
 * Checks that an event at When was not before Due, and not later than patience allows: with exact
 * counting, for a DPC the interrupt, the dispatch interrupt and its start, well below 50 us of
 * guest time; for a thread the end of the idle period and a few switches besides.
 */
#define CHECK_ON_TIME(when, due) KtCheckOnTime((when), (due), MICROSECONDS(50), __FILE__, __LINE__)
#define CHECK_AWAKE_ON_TIME(when, due) \
    KtCheckOnTime((when), (due), MICROSECONDS(150), __FILE__, __LINE__)
VOID KtCheckOnTime(ULONG64 When, ULONG64 Due, ULONG64 Exact, PCSTR File, ULONG Line);

/* ---- chance ---- */

ULONG KtRandom(ULONG Below); /* any IRQL; each processor has its own sequence, from seed=N */
VOID KtJitter(ULONG Most);   /* up to so many turns of an empty loop */

/* ---- objects ---- */

#define KT_TAG           0x7473654Bu /* "Kest": every block must be free at the end of its test */
#define POISON           0x5A
#define KtPoison(object) memset((PVOID)(object), POISON, sizeof(*(object)))

/* A timer and a DPC that say when and how the routine ran. */
typedef struct _KT_PROBE {
    KTIMER Timer;
    KDPC Dpc;
    volatile LONG Runs;
    volatile LONG Started; /* counted on entry, Runs at the end */
    PKDPC RunDpc;          /* of the latest run, as all below */
    PVOID Argument1, Argument2;
    ULONG Processor;
    KIRQL Irql;
    BOOLEAN Interruptible, ExecutingDpc;
    ULONG64 When, SystemWhen;
    CHAR Event; /* traced by each run, unless 0 */
} KT_PROBE, *PKT_PROBE;

/* Poisons the probe, then initializes its timer, its DPC and the record. */
VOID KtPrepareProbe(PKT_PROBE Probe);
KDEFERRED_ROUTINE KtProbeRoutine;

/* Sets the probe's timer with its DPC; returns KeSetTimerEx's result. */
BOOLEAN KtSetProbe(PKT_PROBE Probe, LARGE_INTEGER DueTime, LONG Period);

#define UNUSED __attribute__((unused))
#define DPC_ROUTINE(name)                                                            \
    static VOID name(UNUSED PKDPC Dpc, UNUSED PVOID Context, UNUSED PVOID Argument1, \
                     UNUSED PVOID Argument2)
#define SERVICE_ROUTINE(name) \
    static BOOLEAN name(UNUSED PKINTERRUPT Interrupt, UNUSED PVOID Context)
#define SYNCHRONIZE_ROUTINE(name) static BOOLEAN name(UNUSED PVOID Context)
#define ROUTINE(name)             static VOID name(UNUSED PVOID Context)
#define PARALLEL_ROUTINE(name)    static VOID name(UNUSED ULONG Processor, UNUSED PVOID Context)

/* ---- device vectors without a line, raised by software ---- */

/* The n-th (0 to 3) free vector of a device IRQL (3 to 11). */
#define KT_VECTOR(irql, n) ((UCHAR)((irql)*16u + 11u + (n)))

/* Connects with everything of the simple kind: exclusive, latched, own lock, all processors. */
NTSTATUS KtConnect(PKINTERRUPT *Interrupt, UCHAR Vector, PKSERVICE_ROUTINE Routine, PVOID Context);

/* Raises Vector on this processor; it has been served on return if the IRQL lets it. */
VOID KtInterruptHere(UCHAR Vector);

#endif
