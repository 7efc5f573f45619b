/*
 * Finds the tests that a pattern names, runs them and counts. PASSIVE_LEVEL on processor 0;
 * the checks themselves at any IRQL on any processor, without a lock.
 */
#include "suite.h"
#include "ps.h"
#include "kd.h"

#define MAXIMUM_TESTS  1024
#define SHOWN_FAILURES 8
#define FAILURE_TEXT   240

static struct {
    const KTEST *Test;
    volatile LONG Checks, Failures;
    CHAR First[FAILURE_TEXT]; /* the text of the first failure */
    PCSTR SkipReason;
} Current;

static ULONG Passed, Failed, Skipped;

static const KTEST *const *Suites = KiTestSuites;
static const KTEST *const *SuitesEnd = KiTestSuitesEnd;

/* ---- names ---- */

/* "T_TMR_20_cancel" as "T-TMR-20-cancel"; two underscores separate items: " + ". */
static PCHAR SpellName(PCHAR Buffer, SIZE_T Size, PCSTR Identifier)
{
    SIZE_T length = 0;

    for (PCSTR c = Identifier; *c && length + 4 < Size; c++) {
        if (c[0] == '_' && c[1] == '_') {
            Buffer[length++] = '+';
            c++;
        } else {
            Buffer[length++] = (*c == '_') ? '-' : *c;
        }
    }
    Buffer[length] = 0;
    return Buffer;
}

static PCHAR SpellTest(PCHAR Buffer, SIZE_T Size, const KTEST *Test)
{
    SIZE_T length = (SIZE_T)RtlStringPrint(Buffer, Size, "%s.", Test->Suite);

    SpellName(Buffer + length, Size - length, Test->Name);
    return Buffer;
}

static PCSTR FileName(PCSTR Path)
{
    PCSTR name = Path;

    for (PCSTR c = Path; *c; c++)
        if (*c == '/')
            name = c + 1;
    return name;
}

/* Does the pattern that ends at End match all of Text? */
static BOOLEAN Matches(PCSTR Pattern, PCSTR End, PCSTR Text)
{
    while (Pattern < End) {
        if (*Pattern == '*') {
            for (;; Text++) {
                if (Matches(Pattern + 1, End, Text))
                    return TRUE;
                if (!*Text)
                    return FALSE;
            }
        }
        if (!*Text || (*Pattern != '?' && *Pattern != *Text))
            return FALSE;
        Pattern++;
        Text++;
    }
    return !*Text;
}

/* Suites that only a pattern of their own runs, not "*". */
static BOOLEAN IsApart(PCSTR Suite)
{
    return strncmp(Suite, "negative", 8) == 0 || strncmp(Suite, "stress", 6) == 0 ||
           strcmp(Suite, "soak") == 0;
}

static BOOLEAN IsWanted(const KTEST *Test, PCSTR Globs)
{
    CHAR name[160];

    SpellTest(name, sizeof(name), Test);
    for (PCSTR start = Globs; *start;) {
        PCSTR end = start;

        while (*end && *end != ',')
            end++;
        if (!(*start == '*' && IsApart(Test->Suite)) &&
            (Matches(start, end, Test->Suite) || Matches(start, end, name)))
            return TRUE;
        start = *end ? end + 1 : end;
    }
    return FALSE;
}

/* ---- checks ---- */

/* Counts a failure and shows it, unless there have been too many. Any IRQL. */
static VOID Fail(PCSTR Text, PCSTR File, ULONG Line)
{
    LONG number = InterlockedIncrement(&Current.Failures);
    KIRQL irql = KeGetCurrentIrql();

    if (number == 1)
        RtlStringPrint(Current.First, sizeof(Current.First), "%s:%u %s (processor %u, IRQL %u)",
                       FileName(File), Line, Text, KeGetCurrentProcessorIndex(), irql);
    if (number <= SHOWN_FAILURES)
        DbgPrint("     %s:%u %s (processor %u, IRQL %u)\n", FileName(File), Line, Text,
                 KeGetCurrentProcessorIndex(), irql);
}

BOOLEAN KtCheck(BOOLEAN Holds, PCSTR Text, PCSTR File, ULONG Line)
{
    InterlockedIncrement(&Current.Checks);
    if (!Holds)
        Fail(Text, File, Line);
    return Holds;
}

static BOOLEAN CheckNumbers(BOOLEAN Holds, ULONG64 Actual, ULONG64 Expected, PCSTR Text, PCSTR File,
                            ULONG Line)
{
    CHAR text[FAILURE_TEXT];

    InterlockedIncrement(&Current.Checks);
    if (!Holds) {
        RtlStringPrint(text, sizeof(text), "%s: is 0x%llX (%lld), not 0x%llX (%lld)", Text, Actual,
                       Actual, Expected, Expected);
        Fail(text, File, Line);
    }
    return Holds;
}

BOOLEAN KtCheckEqual(ULONG64 Actual, ULONG64 Expected, PCSTR Text, PCSTR File, ULONG Line)
{
    return CheckNumbers(Actual == Expected, Actual, Expected, Text, File, Line);
}

BOOLEAN KtCheckAtLeast(ULONG64 Actual, ULONG64 Least, PCSTR Text, PCSTR File, ULONG Line)
{
    return CheckNumbers(Actual >= Least, Actual, Least, Text, File, Line);
}

BOOLEAN KtCheckTrace(PCSTR Expected, PCSTR File, ULONG Line)
{
    CHAR text[FAILURE_TEXT];

    InterlockedIncrement(&Current.Checks);
    if (strcmp(KtTraceText(), Expected) == 0)
        return TRUE;
    RtlStringPrint(text, sizeof(text), "the order is \"%s\", not \"%s\"", KtTraceText(), Expected);
    Fail(text, File, Line);
    return FALSE;
}

VOID KtCheckOnTime(ULONG64 When, ULONG64 Due, ULONG64 Exact, PCSTR File, ULONG Line)
{
    ULONG64 late = KtIsExact() ? Exact : KT_LATE;

    CheckNumbers(When >= Due, When, Due, "never early", File, Line);
    CheckNumbers(When <= Due + late, When, Due + late, "not late", File, Line);
}

VOID KtSkip(PCSTR Reason)
{
    Current.SkipReason = Reason;
}

/* ---- the run ---- */

/* What every test must leave as it was. */
static VOID CheckAftermath(VOID)
{
    SIZE_T blocks = 0, bytes = 0;

    CHECK_IRQL(PASSIVE_LEVEL);
    CHECK(ArchInterruptsEnabled());
    CHECK_EQUAL(KeGetCurrentProcessorIndex(), 0);
    CHECK(!KeIsExecutingDpc());
    CHECK_EQUAL(KeGetCurrentPrcb()->InterruptDepth, 0);
    ExQueryPoolTag(KT_TAG, &blocks, &bytes);
    CHECK_EQUAL(blocks, 0);
}

static PSP_THREAD_VISITOR CountEnded;
static VOID CountEnded(PKTHREAD Thread, PVOID Context)
{
    if (Thread->State == ThreadTerminated)
        ++*(PULONG)Context;
}

/* The memory of threads that the last test has ended goes before the next one counts memory. */
static VOID AwaitReaper(VOID)
{
    ULONG ended;

    for (;;) {
        ended = 0;
        PspVisitThreads(CountEnded, &ended);
        if (ended == 0)
            return;
        KiSleep(MILLISECONDS(1));
    }
}

static VOID RunTest(const KTEST *Test)
{
    CHAR name[160];

    SpellTest(name, sizeof(name), Test);
    memset(&Current, 0, sizeof(Current));
    Current.Test = Test;
    if (KtProcessors() < Test->Processors) {
        DbgPrint("SKIP %s: needs %u processors\n", name, Test->Processors);
        Skipped++;
        return;
    }
    KtTraceReset();
    AwaitReaper();
    Test->Routine();
    if (Current.Checks == 0 && !Current.SkipReason)
        KtCheck(FALSE, "the test has checked nothing", Test->File, Test->Line);
    CheckAftermath();
    if (Current.Failures) {
        DbgPrint("FAIL %s: %s\n", name, Current.First);
        Failed++;
    } else if (Current.SkipReason) {
        DbgPrint("SKIP %s: %s\n", name, Current.SkipReason);
        Skipped++;
    } else {
        DbgPrint("PASS %s\n", name);
        Passed++;
    }
}

/* Suites in alphabetical order, a suite's tests in the order of their lines. */
static BOOLEAN ComesBefore(const KTEST *First, const KTEST *Second)
{
    int order = strcmp(First->Suite, Second->Suite);

    if (order == 0)
        order = strcmp(First->File, Second->File);
    return order ? order < 0 : First->Line < Second->Line;
}

VOID KtAddSuites(const KTEST *const *First, const KTEST *const *End)
{
    Suites = First;
    SuitesEnd = End;
}

static ULONG ChooseTests(PCSTR Globs, const KTEST **Tests)
{
    ULONG count = 0;

    for (const KTEST *const *entry = Suites; entry < SuitesEnd; entry++) {
        ULONG i;

        if (!*entry || !IsWanted(*entry, Globs) || count == MAXIMUM_TESTS)
            continue;
        for (i = count++; i > 0 && ComesBefore(*entry, Tests[i - 1]); i--)
            Tests[i] = Tests[i - 1];
        Tests[i] = *entry;
    }
    return count;
}

/*
 * Runs the tests that Glob names, and ends the emulator with a status.
 *
 * IRQL:    PASSIVE_LEVEL
 * Locks:   none
 * Context: processor 0, after all processors have been started
 * Returns: never
 */
VOID KiRunTests(PCSTR Glob)
{
    static const KTEST *tests[MAXIMUM_TESTS];
    ULONG count = ChooseTests(Glob, tests);

    DbgPrint("SUITES \"%s\": %u tests, %u processors, seed %llu, clock %s\n", Glob, count,
             KtProcessors(), KiGetNumberOption("seed", 1), ArchClockName());
    if (count == 0) {
        DbgPrint("FAIL suites: no test is named so\n");
        Failed++;
    }
    KeSetSystemAffinityThreadEx(1); /* tests run on processor 0 */
    for (ULONG i = 0; i < count; i++)
        RunTest(tests[i]);
    DbgPrint("SUITES %u passed, %u failed, %u skipped\n", Passed, Failed, Skipped);
    KdFlushConsole();
    ArchExit(Failed ? EXIT_FAILED_VALUE : EXIT_SUCCESS_VALUE);
}

/* Says which test was running: for bug checks that nobody expected. */
VOID KtNameCurrentTest(VOID)
{
    CHAR name[160];

    if (Current.Test)
        DbgPrint("FAIL %s: an unexpected bug check follows\n",
                 SpellTest(name, sizeof(name), Current.Test));
}
