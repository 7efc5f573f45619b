/* What a switch and a DPC mean to each other, seen from inside of the dispatcher lock. */
#define SUITE "thread"
#include "thread_tool.h"
#include "ke.h"

static KEVENT Event;
static KT_WAITER Waiter;
static KDPC Dpc;
static PKTHREAD DpcContext;

static KDEFERRED_ROUTINE NoteContext;
static VOID NoteContext(PKDPC Object, PVOID Context, PVOID Argument1, PVOID Argument2)
{
    UNREFERENCED_PARAMETER(Object);
    UNREFERENCED_PARAMETER(Context);
    UNREFERENCED_PARAMETER(Argument1);
    UNREFERENCED_PARAMETER(Argument2);
    DpcContext = KeGetCurrentThread();
    KtTrace('D');
}

/*
 * A DPC that comes in while a signal is under way runs before the switch that the signal asks for:
 * it finds the thread that signals still there.
 */
TEST(T_KeLowerIrql_4_dpc_before_switch)
{
    KtTraceReset();
    memset(&Waiter, 0, sizeof(Waiter));
    KeInitializeEvent(&Event, SynchronizationEvent, FALSE);
    KtStartWaiter(&Waiter, 0, HIGH_PRIORITY, &Event, FOR_EVER, 'T');
    KeInitializeDpc(&Dpc, NoteContext, NULL);
    KIRQL oldIrql = KiLockDispatcher();
    KeInsertQueueDpc(&Dpc, NULL, NULL);
    Event.Header.SignalState = 1;
    KiReleaseWaiters(&Event.Header, IO_NO_INCREMENT);
    KiUnlockDispatcher(oldIrql);
    KtTrace('m');
    CHECK_TRACE("DTm");
    CHECK_EQUAL(DpcContext, KeGetCurrentThread());
    KtEndWaiter(&Waiter);
}
