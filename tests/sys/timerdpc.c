/* A periodic kernel timer and its DPC: every 10 ms, ten times, then it cancels itself. */
#include <ntddk.h>

#define ROUNDS                 10
#define UNITS_IN_A_MILLISECOND 10000

DRIVER_INITIALIZE DriverEntry;
static DRIVER_UNLOAD Unload;
static KDEFERRED_ROUTINE TimerRoutine;

static KTIMER Timer;
static KDPC Dpc;
static LONG Rounds;
static ULONGLONG DueTime;

/* Pointers in data, which the loader has to relocate; not constant, or the compiler knows better.
 */
static PCSTR Kinds[] = {"even", "odd"};

static VOID NTAPI TimerRoutine(PKDPC Object, PVOID Context, PVOID Argument1, PVOID Argument2)
{
    ULONGLONG now = KeQueryInterruptTime();
    LONG round = ++Rounds;

    UNREFERENCED_PARAMETER(Argument1);
    UNREFERENCED_PARAMETER(Argument2);
    if (Object != &Dpc || Context != &Timer || now < DueTime)
        DbgPrint("timerdpc: wrong: DPC %p, context %p, early %d\n", Object, Context, now < DueTime);
    DbgPrint("timerdpc: round %d (%s) on processor %u at IRQL %u\n", round, Kinds[round & 1],
             KeGetCurrentProcessorNumberEx(NULL), KeGetCurrentIrql());
    if (round == ROUNDS) {
        KeCancelTimer(&Timer);
        DbgPrint("timerdpc: %d rounds, timer cancelled\n", round);
    }
}

static VOID NTAPI Unload(PDRIVER_OBJECT DriverObject)
{
    UNREFERENCED_PARAMETER(DriverObject);
    KeCancelTimer(&Timer);
    KeFlushQueuedDpcs();
    DbgPrint("timerdpc: unloaded after %d rounds\n", Rounds);
}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    LARGE_INTEGER due = {.QuadPart = -10 * UNITS_IN_A_MILLISECOND};

    DbgPrint("timerdpc: loaded at %p, %u bytes, section %s, key %wZ\n", DriverObject->DriverStart,
             DriverObject->DriverSize, DriverObject->DriverSection ? "there" : "missing",
             RegistryPath);
    DriverObject->DriverUnload = Unload;
    KeInitializeTimerEx(&Timer, NotificationTimer);
    KeInitializeDpc(&Dpc, TimerRoutine, &Timer);
    DueTime = KeQueryInterruptTime();
    KeSetTimerEx(&Timer, due, 10, &Dpc);
    return STATUS_SUCCESS;
}
