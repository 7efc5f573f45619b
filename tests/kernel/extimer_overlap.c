/* timer.md: two callbacks of one EX_TIMER at the same time, on two processors. */
#define SUITE "extimer.overlap"
#include "suite.h"

#define PERIOD MILLISECONDS(10)

static PEX_TIMER Timer;
static volatile LONG Entered, Inside, Left, Deleted;
static volatile LONG MostInside;
static volatile LONG LetFirstGo;
static ULONG Processors[2]; /* that the first two callbacks ran on */
static volatile LONG LeftAtDelete;

static VOID DeleteCallback(PVOID Context)
{
    UNREFERENCED_PARAMETER(Context);
    LeftAtDelete = Left;
    InterlockedIncrement(&Deleted);
}

/* The first callback stays inside; the second one deletes the timer under it. */
static VOID Callback(PEX_TIMER ExTimer, PVOID Context)
{
    LONG number = InterlockedIncrement(&Entered);
    LONG inside = InterlockedIncrement(&Inside);

    CHECK(ExTimer == Timer && Context == (PVOID)&Entered);
    CHECK_IRQL(DISPATCH_LEVEL);
    if (inside > MostInside)
        MostInside = inside;
    if (number <= 2)
        Processors[number - 1] = KeGetCurrentProcessorIndex();
    if (number == 1)
        KtSpinUntil(&LetFirstGo, 1);
    if (number == 2) {
        EXT_DELETE_PARAMETERS parameters;

        ExInitializeDeleteTimerParameters(&parameters);
        parameters.DeleteCallback = DeleteCallback;
        CHECK(ExDeleteTimer(ExTimer, TRUE, FALSE, &parameters)); /* the next period was set */
    }
    CHECK(!ExCancelTimer(ExTimer, NULL)); /* the pointer is valid to the end */
    InterlockedDecrement(&Inside);
    InterlockedIncrement(&Left);
}

ROUTINE(SetTheTimer)
{
    ExSetTimer(Timer, -(LONGLONG)MILLISECONDS(1), PERIOD, NULL);
}

/*
 * The callback of a setting runs on the processor that has made it. While the first one is inside,
 * on processor 1, processor 0 sets the timer, and the second one comes there.
 */
TEST_ON(2, T_EXT_CALLBACK_2__T_EXT_CALLBACK_1_two_processors)
{
    Entered = Inside = Left = Deleted = MostInside = LetFirstGo = 0;
    Timer = ExAllocateTimer(Callback, (PVOID)&Entered, 0);
    if (!CHECK(Timer != NULL))
        return;
    KtRunOn(1, DISPATCH_LEVEL, SetTheTimer, NULL);
    CHECK(KtSpinUntil(&Entered, 1));
    SetTheTimer(NULL);
    CHECK(KtSpinUntil(&Left, 1));
    CHECK_EQUAL(Entered, 2);
    CHECK_EQUAL(MostInside, 2); /* they have met */
    CHECK_EQUAL(Processors[0], 1);
    CHECK_EQUAL(Processors[1], 0);

    KtStall(MILLISECONDS(15)); /* more than a period: the timer was cancelled */
    CHECK_EQUAL(Deleted, 0);   /* not before the first one has ended, too */
    InterlockedIncrement(&LetFirstGo);
    CHECK(KtSleepUntil(&Deleted, 1));
    CHECK_EQUAL(LeftAtDelete, 2);
    CHECK_EQUAL(Entered, 2);
}
