/*
 * Do two processors count time alike? Time is read on any processor and compared with what
 * another one has read, so it must not appear to run backwards from one to the other.
 *
 *     boot processor    before |------- asks ------->          after |
 *     the other                               reads its own |--- answers --->
 *
 * The reading lies between before and after in real time. If it does not in value, the two
 * counters are apart by more than the round trip hides, and somebody would notice. A few hundred
 * rounds find the short ones; the first rounds also warm the caches.
 */
#include "processors.h"

#define ROUNDS          300
#define LEAST_ROUNDS    3
#define ROUNDS_LIMIT_US 10000 /* an emulator may give the two processors time in turns */
#define ANSWER_LIMIT_US 2000000

/* Whose turn it is. The boot processor asks and ends; the other one answers and takes leave. */
enum { TurnNone, TurnAsked, TurnAnswered, TurnEnd };
static volatile ULONG Turn;
static volatile ULONG64 Answer;

/* The counter, read after everything before it and before everything after it. */
static ULONG64 ReadCounterInOrder(VOID)
{
    ULONG64 counter;

    __asm__ volatile("lfence" : : : "memory");
    counter = ArchReadCounter();
    __asm__ volatile("lfence" : : : "memory");
    return counter;
}

/* FALSE when Begin lies too far back. */
static BOOLEAN WaitForTurn(ULONG Wanted, ULONG64 Begin)
{
    while (__atomic_load_n(&Turn, __ATOMIC_ACQUIRE) != Wanted) {
        if (KiHasPassed(Begin, ANSWER_LIMIT_US))
            return FALSE;
        ArchPause();
    }
    return TRUE;
}

/*
 * IRQL:    any
 * Locks:   none
 * Context: any; ArchCounterFrequency is known
 * Returns: TRUE if at least Microseconds have passed since the counter stood at Begin
 * Source:  -
 */
BOOLEAN KiHasPassed(ULONG64 Begin, ULONG64 Microseconds)
{
    return ArchReadCounter() - Begin >= ArchCounterFrequency / 1000 * Microseconds / 1000;
}

/*
 * IRQL:    any
 * Locks:   none
 * Context: the boot processor; the other one is in KiAnswerCounterComparison, or gets there
 * Returns: what was found; the other processor goes on unless it was silent
 * Source:  DESIGN.md, Time
 */
COUNTER_VERDICT KiCompareCounters(VOID)
{
    COUNTER_VERDICT verdict = CountersAgree;
    ULONG64 begin = ArchReadCounter();

    for (ULONG round = 0; round < ROUNDS && verdict == CountersAgree; round++) {
        ULONG64 before = ReadCounterInOrder(), after;

        if (round >= LEAST_ROUNDS && KiHasPassed(begin, ROUNDS_LIMIT_US))
            break;
        __atomic_store_n(&Turn, TurnAsked, __ATOMIC_RELEASE);
        if (!WaitForTurn(TurnAnswered, before))
            return CountersSilent;
        after = ReadCounterInOrder();
        if (Answer < before || Answer > after)
            verdict = CountersDiffer;
    }
    __atomic_store_n(&Turn, TurnEnd, __ATOMIC_RELEASE);
    return WaitForTurn(TurnNone, ArchReadCounter()) ? verdict : CountersSilent;
}

/*
 * IRQL:    any
 * Locks:   none
 * Context: a processor that is being started
 * Returns: when the boot processor has seen enough
 * Source:  DESIGN.md, Time
 */
VOID KiAnswerCounterComparison(VOID)
{
    for (;;) {
        ULONG turn = __atomic_load_n(&Turn, __ATOMIC_ACQUIRE);

        if (turn == TurnEnd)
            break;
        if (turn == TurnAsked) {
            Answer = ReadCounterInOrder();
            __atomic_store_n(&Turn, TurnAnswered, __ATOMIC_RELEASE);
        } else {
            ArchPause();
        }
    }
    __atomic_store_n(&Turn, TurnNone, __ATOMIC_RELEASE);
}
