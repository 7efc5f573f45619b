/* System threads: begin, end, handles, objects. dispatcher.md, Threads. */
#define SUITE "thread"
#include "thread_tool.h"

static volatile LONG Ran;
static KEVENT Gate;
static PVOID SeenContext;
static PKTHREAD SeenThread;

ROUTINE(LookAround)
{
    SeenContext = Context;
    SeenThread = KeGetCurrentThread();
    CHECK_IRQL(PASSIVE_LEVEL);
    CHECK(ArchInterruptsEnabled());
    CHECK(KeAreApcsDisabled());
    CHECK(!KeAreAllApcsDisabled());
    CHECK(!KeIsExecutingDpc());
    CHECK(PsGetCurrentThread() == (PETHREAD)SeenThread);
    InterlockedExchange(&Ran, 1);
}

static NTSTATUS Create(PHANDLE Handle, PKSTART_ROUTINE Routine, PVOID Context)
{
    return PsCreateSystemThread(Handle, THREAD_ALL_ACCESS, NULL, NULL, NULL, Routine, Context);
}

static NTSTATUS Reference(HANDLE Handle, PVOID *Object)
{
    return ObReferenceObjectByHandle(Handle, SYNCHRONIZE, *PsThreadType, KernelMode, Object, NULL);
}

TEST(T_PsCreateSystemThread_1)
{
    HANDLE handle;
    PVOID object;

    Ran = 0;
    CHECK_EQUAL(Create(&handle, LookAround, &handle), STATUS_SUCCESS);
    CHECK_EQUAL(Reference(handle, &object), STATUS_SUCCESS);
    CHECK_EQUAL(ZwClose(handle), STATUS_SUCCESS);
    CHECK_EQUAL(KtWait(object, KT_PATIENCE), STATUS_SUCCESS);
    CHECK_EQUAL(Ran, 1);
    CHECK(SeenContext == &handle);
    CHECK(SeenThread == object);
    ObDereferenceObject(object);
}

ROUTINE(WaitForGate)
{
    CHECK_EQUAL(KtWait(&Gate, 2 * KT_PATIENCE), STATUS_SUCCESS);
    InterlockedExchange(&Ran, 1);
}

/* Closing the handle does not end the thread. */
TEST(T_PsCreateSystemThread_1_close)
{
    SIZE_T blocks = KtThreadBlocks();
    HANDLE handle;
    PVOID object;

    Ran = 0;
    KeInitializeEvent(&Gate, NotificationEvent, FALSE);
    CHECK_EQUAL(Create(&handle, WaitForGate, NULL), STATUS_SUCCESS);
    CHECK_EQUAL(Reference(handle, &object), STATUS_SUCCESS);
    ObDereferenceObject(object);
    CHECK_EQUAL(ZwClose(handle), STATUS_SUCCESS);
    KiSleep(A_WHILE);
    CHECK_EQUAL(KtThreadBlocks(), blocks + 1);
    CHECK_EQUAL(Ran, 0);
    KeSetEvent(&Gate, IO_NO_INCREMENT, FALSE);
    CHECK(KtSleepUntil(&Ran, 1));
    KtAwaitThreadBlocks(blocks);
}

TEST(T_PsCreateSystemThread_1_handles)
{
    HANDLE handle;
    PVOID object = NULL;

    KeInitializeEvent(&Gate, NotificationEvent, TRUE);
    CHECK_EQUAL(Create(&handle, WaitForGate, NULL), STATUS_SUCCESS);
    CHECK(handle != NULL);
    CHECK_EQUAL(Reference(handle, &object), STATUS_SUCCESS);
    CHECK_EQUAL(ObReferenceObjectByHandle(handle, SYNCHRONIZE, NULL, KernelMode, &object, NULL),
                STATUS_SUCCESS);
    CHECK_EQUAL(KtWait(object, KT_PATIENCE), STATUS_SUCCESS);
    CHECK_EQUAL(ZwClose(handle), STATUS_SUCCESS);
    CHECK_EQUAL(ZwClose(handle), STATUS_INVALID_HANDLE);
    CHECK_EQUAL(Reference(handle, &object), STATUS_INVALID_HANDLE);
    CHECK_EQUAL(Reference(NULL, &object), STATUS_INVALID_HANDLE);
    CHECK_EQUAL(ZwClose((HANDLE)(ULONG_PTR)0x7FFFFFF0), STATUS_INVALID_HANDLE);
    ObDereferenceObject(object);
    ObDereferenceObject(object);
}

ROUTINE(Terminate)
{
    PsTerminateSystemThread(STATUS_UNSUCCESSFUL);
    CHECK(!"a thread goes on after its end");
}

/* Signaled at the end, for all who wait, and for ever. */
TEST(T_PsTerminateSystemThread_1)
{
    static KT_WAITER waiters[2];
    HANDLE handle;
    PVOID object;

    memset(waiters, 0, sizeof(waiters));
    KeInitializeEvent(&Gate, NotificationEvent, FALSE);
    CHECK_EQUAL(Create(&handle, WaitForGate, NULL), STATUS_SUCCESS);
    CHECK_EQUAL(Reference(handle, &object), STATUS_SUCCESS);
    CHECK_EQUAL(KtWait(object, MILLISECONDS(2)), STATUS_TIMEOUT);
    for (ULONG i = 0; i < 2; i++)
        KtStartWaiter(&waiters[i], 0, KT_ABOVE, object, FOR_EVER, 0);
    KeSetEvent(&Gate, IO_NO_INCREMENT, FALSE);
    for (ULONG i = 0; i < 2; i++) {
        KtEndWaiter(&waiters[i]);
        CHECK_EQUAL(waiters[i].Status, STATUS_SUCCESS);
    }
    CHECK_EQUAL(KtTest(object), STATUS_SUCCESS);
    CHECK_EQUAL(KtTest(object), STATUS_SUCCESS);
    ObDereferenceObject(object);
    ZwClose(handle);
}

TEST(T_PsTerminateSystemThread_1_explicit)
{
    HANDLE handle;
    PVOID object;

    CHECK_EQUAL(Create(&handle, Terminate, NULL), STATUS_SUCCESS);
    CHECK_EQUAL(Reference(handle, &object), STATUS_SUCCESS);
    CHECK_EQUAL(KtWait(object, KT_PATIENCE), STATUS_SUCCESS);
    ObDereferenceObject(object);
    ZwClose(handle);
}

/* The thread that came with the machine is no system thread. */
TEST(T_PsTerminateSystemThread_1_not_system)
{
    CHECK(!NT_SUCCESS(PsTerminateSystemThread(STATUS_SUCCESS)));
}

static volatile LONG Ended;

ROUTINE(CountEnd)
{
    InterlockedIncrement(&Ended);
}

/* Memory and handles come back; what stays cached is bounded. */
TEST(no_leak)
{
    SIZE_T blocks = KtThreadBlocks();
    MM_INFORMATION before, after;
    HANDLE handle;

    for (LONG round = 0; round < 2; round++) {
        Ended = 0;
        for (LONG n = 1; n <= 64; n++) {
            CHECK_EQUAL(Create(&handle, CountEnd, NULL), STATUS_SUCCESS);
            CHECK_EQUAL(ZwClose(handle), STATUS_SUCCESS);
            if (n % 8 == 0) {
                CHECK(KtSleepUntil(&Ended, n));
                KtAwaitThreadBlocks(blocks);
            }
        }
        KtAwaitThreadBlocks(blocks);
        MmQueryInformation(round == 0 ? &before : &after);
    }
    /* Eight stacks: as many as may have been in use at a time. */
    CHECK_AT_LEAST(after.FreePages + 8 * KERNEL_STACK_SIZE / PAGE_SIZE, before.FreePages);
}

/* Without memory: a status, and nothing is left. */
TEST(T_PsCreateSystemThread_1_no_memory)
{
    SIZE_T blocks = KtThreadBlocks();
    HANDLE handle;

    ExpFailEvery = 1;
    NTSTATUS status = Create(&handle, CountEnd, NULL);
    ExpFailEvery = 0;
    CHECK_EQUAL(status, STATUS_INSUFFICIENT_RESOURCES);
    CHECK_EQUAL(KtThreadBlocks(), blocks);
}

/* ---- what a switch preserves ---- */

typedef struct _XMM_STATE {
    ULONG64 Halves[10][2];
} XMM_STATE;

#define FOR_XMM(action)                                                                            \
    action(6) action(7) action(8) action(9) action(10) action(11) action(12) action(13) action(14) \
        action(15)
#define LOAD_XMM(n)  __asm__ volatile("movups %0, %%xmm" #n ::"m"(State->Halves[n - 6]));
#define STORE_XMM(n) __asm__ volatile("movups %%xmm" #n ", %0" : "=m"(State->Halves[n - 6]));

static VOID LoadXmm(const XMM_STATE *State)
{
    FOR_XMM(LOAD_XMM)
}

static VOID StoreXmm(XMM_STATE *State)
{
    FOR_XMM(STORE_XMM)
}

static VOID MakeXmm(XMM_STATE *State, ULONG64 First)
{
    for (ULONG n = 0; n < 10; n++) {
        State->Halves[n][0] = First + n;
        State->Halves[n][1] = ~(First + n);
    }
}

static BOOLEAN HoldsXmm(const XMM_STATE *Expected)
{
    XMM_STATE state;

    StoreXmm(&state);
    return memcmp(&state, Expected, sizeof(state)) == 0;
}

static VOID SetMxCsr(ULONG Value)
{
    __asm__ volatile("ldmxcsr %0" ::"m"(Value));
}

static ULONG GetMxCsr(VOID)
{
    ULONG value;

    __asm__ volatile("stmxcsr %0" : "=m"(value));
    return value;
}

static KEVENT Turn[2];

/* Each thread has values of its own; every wait is a switch to the other one. */
ROUTINE(KeepXmm)
{
    ULONG64 me = (ULONG64)(ULONG_PTR)Context;
    XMM_STATE values;
    ULONG control = 0x1F80u | (me ? 0x6000u : 0x2000u); /* a rounding mode of its own */
    LONG wrong = 0;

    MakeXmm(&values, (me + 1) * 0x0123456789ABCDULL);
    LoadXmm(&values);
    SetMxCsr(control);
    for (ULONG i = 0; i < 200; i++) {
        KtWait(&Turn[me], KT_PATIENCE);
        wrong += !HoldsXmm(&values) || GetMxCsr() != control;
        KeSetEvent(&Turn[1 - me], IO_NO_INCREMENT, FALSE);
    }
    CHECK_EQUAL(wrong, 0);
    SetMxCsr(0x1F80);
}

TEST(T_THREAD_1_switch_preserves_xmm)
{
    KT_THREAD threads[2];

    for (ULONG i = 0; i < 2; i++)
        KeInitializeEvent(&Turn[i], SynchronizationEvent, FALSE);
    for (ULONG i = 0; i < 2; i++)
        KtStartThread(&threads[i], 0, KT_ABOVE, KeepXmm, (PVOID)(ULONG_PTR)i);
    KeSetEvent(&Turn[0], IO_NO_INCREMENT, FALSE);
    for (ULONG i = 0; i < 2; i++)
        KtEndThread(&threads[i]);
}

static volatile LONG Spinning;

/* Busy for two quanta: the switches come from the clock. */
ROUTINE(KeepXmmBusy)
{
    XMM_STATE values;
    ULONG64 start = KtNow();
    LONG wrong = 0;

    MakeXmm(&values, (ULONG64)(ULONG_PTR)Context * 0x5DEECE66DULL);
    LoadXmm(&values);
    InterlockedIncrement(&Spinning);
    while (KtNow() - start < MILLISECONDS(400))
        wrong += !HoldsXmm(&values);
    CHECK_EQUAL(wrong, 0);
    CHECK_AT_LEAST(KeGetCurrentThread()->Switches, 2);
}

TEST(T_THREAD_1_preemption_preserves_xmm)
{
    KT_THREAD threads[2];

    KeInitializeEvent(&Gate, NotificationEvent, FALSE);
    for (ULONG i = 0; i < 2; i++)
        KtStartThread(&threads[i], 0, 7, KeepXmmBusy, (PVOID)(ULONG_PTR)(i + 3));
    for (ULONG i = 0; i < 2; i++)
        KtEndThread(&threads[i]);
}
