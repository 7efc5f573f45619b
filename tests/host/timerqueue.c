/* sources: kernel/ke/timerqueue.c tests/host/support/support.c */
/* The timer queue against a model that compares all due times. */
#include "support/support.h"
#include "ke/timerqueue.h"

#define LATEST       ((ULONG64)MAXLONGLONG)
#define MODEL_TIMERS 150 /* most timers that are shifted at once */

/* A timer and what the model knows of it. */
typedef struct _MODEL_TIMER {
    KTIMER Timer;
    BOOLEAN Set;
    ULONG64 Due;
    ULONG64 Sequence; /* of settings: the order among equal due times */
} MODEL_TIMER;

static KTIMER_QUEUE Queue;
static ULONG64 Sequence, Now;

static MODEL_TIMER *ModelOf(PKTIMER Timer)
{
    return CONTAINING_RECORD(Timer, MODEL_TIMER, Timer);
}

static int Start(void **State)
{
    (void)State;
    memset(&Queue, 0x55, sizeof(Queue));
    KiInitializeTimerQueue(&Queue);
    Sequence = Now = 0;
    return 0;
}

/* Sets a timer in the queue and in the model. A due time that has gone by becomes the cursor. */
static VOID Set(MODEL_TIMER *Timer, ULONG64 Due)
{
    KiInsertTimer(&Queue, &Timer->Timer, Due);
    Timer->Set = TRUE;
    Timer->Due = Timer->Timer.DueTime.QuadPart;
    Timer->Sequence = Sequence++;
    assert_int_equal(Timer->Due, Due < Queue.Cursor ? Queue.Cursor : Due);
    assert_true(Queue.NextDue <= Timer->Due);
}

static VOID Cancel(MODEL_TIMER *Timer)
{
    KiRemoveTimer(&Queue, &Timer->Timer);
    Timer->Set = FALSE;
}

/* The timer that the model would expire next, or NULL. */
static MODEL_TIMER *First(MODEL_TIMER *Timers, ULONG Count)
{
    MODEL_TIMER *first = NULL;

    for (ULONG i = 0; i < Count; i++) {
        if (Timers[i].Set &&
            (!first || Timers[i].Due < first->Due ||
             (Timers[i].Due == first->Due && Timers[i].Sequence < first->Sequence)))
            first = &Timers[i];
    }
    return first;
}

/* Takes what is due at Now; compares with the model. Returns how many. */
static ULONG TakeAll(MODEL_TIMER *Timers, ULONG Count)
{
    MODEL_TIMER *expected;
    PKTIMER timer;
    ULONG taken = 0;

    while ((timer = KiTakeDueTimer(&Queue, Now)) != NULL) {
        expected = First(Timers, Count);
        assert_non_null(expected);
        assert_ptr_equal(ModelOf(timer), expected);
        assert_true(expected->Due <= Now);
        ModelOf(timer)->Set = FALSE;
        taken++;
    }
    expected = First(Timers, Count);
    assert_true(!expected || expected->Due > Now);
    /* Never later than the truth, never so early that the clock would come without an end. */
    assert_true(Queue.NextDue <= (expected ? expected->Due : MAXULONG64));
    assert_true(Queue.NextDue > Now);
    assert_int_equal(Queue.Cursor, Now);
    if (!expected)
        assert_int_equal(Queue.NextDue, MAXULONG64);
    return taken;
}

/* ---- order ---- */

static void NothingIsDueInAnEmptyQueue(void **State)
{
    (void)State;
    assert_int_equal(Queue.NextDue, MAXULONG64);
    for (Now = 1; Now < LATEST / 3; Now *= 3)
        assert_int_equal(TakeAll(NULL, 0), 0);
    assert_int_equal(Queue.Count, 0);
}

/* One timer at each distance: not before its time, exactly at it. */
static void NeverEarlyNeverLate(void **State)
{
    static MODEL_TIMER timer;

    (void)State;
    for (ULONG bit = 0; bit < 63; bit++) {
        for (LONG near = -1; near <= 1; near++) {
            ULONG64 due = (1ULL << bit) + (ULONG64)(LONG64)near;

            Start(NULL);
            if (due == 0)
                continue;
            Set(&timer, due);
            Now = due - 1;
            assert_int_equal(TakeAll(&timer, 1), 0);
            Now = due;
            assert_int_equal(TakeAll(&timer, 1), 1);
            assert_int_equal(Queue.Count, 0);
        }
    }
}

/* Equal due times that are far away at first: they move down together, in the order of setting. */
static void EqualOnesInOrderOfSetting(void **State)
{
    static MODEL_TIMER timers[300];

    (void)State;
    for (ULONG64 due = 40; due < LATEST / 70; due *= 65) {
        Start(NULL);
        for (ULONG i = 0; i < ARRAYSIZE(timers); i++) {
            /* Each hundred from a later cursor, so that the first ones lie higher. */
            if (i % 100 == 0) {
                Now = due / 3 * (i / 100);
                TakeAll(timers, ARRAYSIZE(timers));
            }
            Set(&timers[i], due + i % 3);
        }
        Now = due + 5;
        assert_int_equal(TakeAll(timers, ARRAYSIZE(timers)), ARRAYSIZE(timers));
    }
}

static void TheDistantFutureHasItsOrder(void **State)
{
    static MODEL_TIMER timers[200];

    (void)State;
    for (ULONG i = 0; i < ARRAYSIZE(timers); i++)
        Set(&timers[i],
            i < 100 ? (1ULL << 62) + HostRandomBelow(50) : LATEST - HostRandomBelow(50));
    Now = (1ULL << 62) + 24;
    TakeAll(timers, ARRAYSIZE(timers));
    Now = LATEST;
    TakeAll(timers, ARRAYSIZE(timers));
    assert_int_equal(Queue.Count, 0);
}

static void PastDueTimesAreDueNow(void **State)
{
    static MODEL_TIMER timers[3];

    (void)State;
    Now = 1000000;
    TakeAll(timers, 3);
    Set(&timers[0], 1000001);
    Set(&timers[1], 5);
    Set(&timers[2], 0);
    assert_int_equal(TakeAll(timers, 3), 2);
    Now++;
    assert_int_equal(TakeAll(timers, 3), 1);
}

/* ---- removal ---- */

static void RemovedTimersDoNotCome(void **State)
{
    static MODEL_TIMER timers[100];
    ULONG set = 0;

    (void)State;
    for (ULONG i = 0; i < 100; i++)
        Set(&timers[i], HostRandom() >> (1 + HostRandomBelow(60)));
    assert_int_equal(Queue.Count, 100);
    for (ULONG i = 0; i < 100; i += 2)
        Cancel(&timers[i]);
    assert_int_equal(Queue.Count, 50);
    Now = LATEST;
    assert_int_equal(TakeAll(timers, 100), 50);

    /* The last one of a queue: the next look finds the queue empty. */
    Start(NULL);
    Set(&timers[0], 700);
    Cancel(&timers[0]);
    Now = 1;
    set = TakeAll(timers, 100);
    assert_int_equal(set, 0);
}

/* ---- the clock ---- */

/* A list that was emptied is still marked: what is due after it is found, and NextDue is right. */
static void EmptiedListsAreForgotten(void **State)
{
    static MODEL_TIMER timers[4];
    static const ULONG64 due[] = {5, 6, 300, 70000};

    (void)State;
    for (ULONG i = 0; i < 4; i++)
        Set(&timers[i], due[i]);
    for (ULONG i = 0; i < 3; i++)
        Cancel(&timers[i]);
    Now = 4;
    assert_int_equal(TakeAll(timers, 4), 0);
    assert_int_equal(Queue.NextDue, 70000);
    Cancel(&timers[3]);
    Now = 80000;
    assert_int_equal(TakeAll(timers, 4), 0);
    assert_int_equal(Queue.Words, 0);
}

/* One that is alone need not move down, and several do; either way what is set next has its order.
 */
static void TheCursorGoesToWhatIsDue(void **State)
{
    static MODEL_TIMER timers[6];

    (void)State;
    Set(&timers[0], 1000);
    Set(&timers[1], 70000);
    Set(&timers[2], 70000);
    Now = 70000;
    assert_ptr_equal(KiDueTimers(&Queue, 999), NULL);
    PLIST_ENTRY due = KiDueTimers(&Queue, Now);
    assert_int_equal(Queue.Cursor, 1000);
    assert_ptr_equal(due->Flink, &timers[0].Timer.TimerListEntry);
    assert_ptr_equal(due->Blink, due->Flink);
    Cancel(&timers[0]);
    due = KiDueTimers(&Queue, Now);
    assert_int_equal(Queue.Cursor, 70000);
    assert_ptr_equal(due->Blink, &timers[2].Timer.TimerListEntry);
    Set(&timers[3], 70000);
    Set(&timers[4], 69999); /* due at once */
    Set(&timers[5], 70001);
    Now = 70001;
    assert_int_equal(TakeAll(timers, 6), 5);
}

/* A clock that is always set to NextDue finds every timer at its time, with few vain wakeups. */
static void TheClockFollowsNextDue(void **State)
{
    static MODEL_TIMER timers[1000];
    ULONG wakeups = 0, taken = 0;

    (void)State;
    for (ULONG i = 0; i < ARRAYSIZE(timers); i++)
        Set(&timers[i], HostRandom() >> (1 + HostRandomBelow(50)));
    while (Queue.NextDue != MAXULONG64) {
        MODEL_TIMER *first = First(timers, ARRAYSIZE(timers));

        Now = Queue.NextDue;
        assert_true(first && Now <= first->Due);
        taken += TakeAll(timers, ARRAYSIZE(timers));
        wakeups++;
    }
    assert_int_equal(taken, ARRAYSIZE(timers));
    assert_true(wakeups < 2 * ARRAYSIZE(timers));
}

/* ---- shifts ---- */

static VOID SetAbsolute(MODEL_TIMER *Timer, ULONG64 Due, BOOLEAN Absolute)
{
    Timer->Timer.Header.Absolute = Absolute;
    Set(Timer, Due);
}

static int CompareOrder(const void *A, const void *B)
{
    const MODEL_TIMER *a = *(MODEL_TIMER *const *)A, *b = *(MODEL_TIMER *const *)B;

    if (a->Due != b->Due)
        return a->Due < b->Due ? -1 : 1;
    return a->Sequence < b->Sequence ? -1 : a->Sequence > b->Sequence;
}

static ULONG64 ShiftedDue(const MODEL_TIMER *Timer, LONG64 By)
{
    __int128 due = (__int128)Timer->Due + (Timer->Timer.Header.Absolute ? By : 0);

    if (due < (__int128)Queue.Cursor)
        return Queue.Cursor;
    return due > (__int128)LATEST ? LATEST : (ULONG64)due;
}

/*
 * Shifts the absolute timers in queue and model. Due times that become equal by it, above all
 * because they have gone by, keep the order that they had.
 */
static VOID Shift(MODEL_TIMER *Timers, ULONG Count, LONG64 By)
{
    MODEL_TIMER *order[MODEL_TIMERS];
    ULONG set = 0;

    KiShiftAbsoluteTimers(&Queue, By);
    for (ULONG i = 0; i < Count; i++) {
        if (Timers[i].Set)
            order[set++] = &Timers[i];
    }
    qsort(order, set, sizeof(order[0]), CompareOrder);
    for (ULONG i = 0; i < set; i++) {
        order[i]->Due = ShiftedDue(order[i], By);
        order[i]->Sequence = Sequence++;
        assert_int_equal(order[i]->Timer.DueTime.QuadPart, order[i]->Due);
    }
}

static void ShiftsMoveAbsoluteTimersOnly(void **State)
{
    static MODEL_TIMER timers[6];

    (void)State;
    for (ULONG i = 0; i < 6; i++)
        SetAbsolute(&timers[i], 10000 + i / 2 * 1000, i % 2);
    Shift(timers, 6, 1000000);
    Now = 13000;
    assert_int_equal(TakeAll(timers, 6), 3);
    Shift(timers, 6, -1000000 + 5000);
    Now = 14999;
    assert_int_equal(TakeAll(timers, 6), 0);
    Now = 16000;
    assert_int_equal(TakeAll(timers, 6), 2);
    Shift(timers, 6, -2000);
    assert_int_equal(timers[5].Timer.DueTime.QuadPart, Queue.Cursor);
    assert_int_equal(TakeAll(timers, 6), 1);
    assert_int_equal(Queue.Count, 0);
}

static void ExtremeShiftsSaturate(void **State)
{
    static MODEL_TIMER timers[2];

    (void)State;
    SetAbsolute(&timers[0], LATEST - 10, TRUE);
    SetAbsolute(&timers[1], 10, TRUE);
    Shift(timers, 2, MAXLONGLONG);
    assert_int_equal(timers[0].Timer.DueTime.QuadPart, LATEST);
    assert_int_equal(timers[1].Timer.DueTime.QuadPart, LATEST);
    Shift(timers, 2, MINLONGLONG);
    assert_int_equal(TakeAll(timers, 2), 2);
}

/* Timers set in another order than they are due, all of which a shift makes due at once. */
static void WhatBecomesDueKeepsItsOrder(void **State)
{
    static MODEL_TIMER timers[MODEL_TIMERS];

    (void)State;
    for (ULONG i = 0; i < MODEL_TIMERS; i++)
        SetAbsolute(&timers[i], 1000000 + HostRandomBelow(i % 2 ? 100000 : 100), i % 10 != 0);
    Shift(timers, MODEL_TIMERS, -5000000);
    assert_int_equal(TakeAll(timers, MODEL_TIMERS), MODEL_TIMERS * 9 / 10);
    Now = 2000000;
    assert_int_equal(TakeAll(timers, MODEL_TIMERS), MODEL_TIMERS / 10);
}

/* ---- at random ---- */

/* Distances of all sizes, borders of all levels, times that others have already, and the past. */
static ULONG64 RandomDue(const MODEL_TIMER *Timers)
{
    ULONG64 due;

    switch (HostRandomBelow(8)) {
    case 0:
        due = Timers[HostRandomBelow(MODEL_TIMERS)].Due;
        break;
    case 1:
        due = Now - HostRandomBelow(Now + 1);
        break;
    case 2:
        due = (Now >> 6 * HostRandomBelow(10)) + HostRandomBelow(3);
        due <<= 6 * HostRandomBelow(3);
        break;
    default:
        due = Now + (HostRandom() >> (2 + HostRandomBelow(61)));
    }
    return due > LATEST ? LATEST : due;
}

static VOID Advance(MODEL_TIMER *Timers)
{
    MODEL_TIMER *first = First(Timers, MODEL_TIMERS);
    ULONG64 step = HostRandom() >> (10 + HostRandomBelow(54));

    if (first && first->Due > Now && HostRandomBelow(2))
        step = first->Due - Now - HostRandomBelow(2);
    Now = Now + step > LATEST / 2 ? Now : Now + step;
    TakeAll(Timers, MODEL_TIMERS);
}

static ULONG CountOfVisits;

static VOID CountVisit(PKTIMER Timer, PVOID Context)
{
    assert_true(ModelOf(Timer)->Set);
    assert_ptr_equal(Context, &Queue);
    CountOfVisits++;
}

static VOID AssertCount(const MODEL_TIMER *Timers)
{
    ULONG set = 0;

    for (ULONG i = 0; i < MODEL_TIMERS; i++)
        set += Timers[i].Set;
    CountOfVisits = 0;
    KiVisitTimers(&Queue, CountVisit, &Queue);
    assert_int_equal(CountOfVisits, set);
    assert_int_equal(Queue.Count, set);
}

static void RandomAgainstModel(void **State)
{
    static MODEL_TIMER timers[MODEL_TIMERS];

    (void)State;
    for (ULONG round = 0; round < 40; round++) {
        Start(NULL);
        memset(timers, 0, sizeof(timers));
        for (ULONG n = 0; n < 4000; n++) {
            MODEL_TIMER *timer = &timers[HostRandomBelow(MODEL_TIMERS)];
            ULONG64 choice = HostRandomBelow(100);

            if (timer->Set && choice < 60)
                Cancel(timer);
            if (!timer->Set && choice < 80)
                SetAbsolute(timer, RandomDue(timers), choice % 2);
            else if (choice == 99)
                Shift(timers, MODEL_TIMERS,
                      (LONG64)(HostRandom() >> (2 + HostRandomBelow(50))) * (n % 2 ? 1 : -1));
            else if (choice >= 80)
                Advance(timers);
        }
        AssertCount(timers);
        Now = LATEST;
        TakeAll(timers, MODEL_TIMERS);
        assert_int_equal(Queue.Count, 0);
    }
}

/* A million timers, a third of them removed again; what comes out is sorted, equals by setting. */
static void AMillionTimers(void **State)
{
    const ULONG count = 1000000;
    MODEL_TIMER *timers = calloc(count, sizeof(*timers));
    ULONG64 due = 0, sequence = 0;
    ULONG taken = 0;
    PKTIMER timer;

    (void)State;
    for (ULONG i = 0; i < count; i++)
        Set(&timers[i], HostRandomBelow(i % 4 ? 500000 : 1ULL << 40));
    for (ULONG i = 0; i < count; i += 3)
        Cancel(&timers[i]);
    while (Queue.NextDue != MAXULONG64) {
        Now = Queue.NextDue + HostRandomBelow(100000);
        while ((timer = KiTakeDueTimer(&Queue, Now)) != NULL) {
            MODEL_TIMER *model = ModelOf(timer);

            assert_true(model->Set && model->Due <= Now && model->Due >= due);
            if (model->Due == due && taken > 0)
                assert_true(model->Sequence > sequence);
            due = model->Due;
            sequence = model->Sequence;
            model->Set = FALSE;
            taken++;
        }
    }
    assert_int_equal(taken, count - (count + 2) / 3);
    free(timers);
}

#define TEST(name) cmocka_unit_test_setup(name, Start)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(NothingIsDueInAnEmptyQueue), TEST(NeverEarlyNeverLate),
        TEST(EqualOnesInOrderOfSetting),  TEST(TheDistantFutureHasItsOrder),
        TEST(PastDueTimesAreDueNow),      TEST(RemovedTimersDoNotCome),
        TEST(TheClockFollowsNextDue),     TEST(ShiftsMoveAbsoluteTimersOnly),
        TEST(ExtremeShiftsSaturate),      TEST(WhatBecomesDueKeepsItsOrder),
        TEST(RandomAgainstModel),         TEST(AMillionTimers),
        TEST(EmptiedListsAreForgotten),   TEST(TheCursorGoesToWhatIsDue),
    };

    return cmocka_run_group_tests_name("timerqueue", tests, NULL, NULL);
}
