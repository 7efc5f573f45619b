/*
 * Figures of requests: down to a driver and back, and through StartIo, a device's interrupt and
 * DpcForIsr. The drivers are those of tests/bench/bench*; the IRP is made once and used again.
 */
#include "bench.h"
#include "io.h"
#include "../drivers/edu/eduioctl.h"

static PDEVICE_OBJECT Device;
static PFILE_OBJECT File;
static PIRP Irp;
static volatile ULONG Completions;
static KEVENT Event;

/* ---- one request ---- */

/* The IRP stays here. */
static IO_COMPLETION_ROUTINE Keep;
static NTSTATUS Keep(UNUSED PDEVICE_OBJECT DeviceObject, UNUSED PIRP Completed, PVOID Context)
{
    Completions++;
    if (Context)
        KeSetEvent(Context, IO_NO_INCREMENT, FALSE);
    return STATUS_MORE_PROCESSING_REQUIRED;
}

static PIO_STACK_LOCATION Prepare(UCHAR MajorFunction, PKEVENT ToSignal)
{
    PIO_STACK_LOCATION next;

    IoReuseIrp(Irp, STATUS_SUCCESS);
    next = IoGetNextIrpStackLocation(Irp);
    next->MajorFunction = MajorFunction;
    IoSetCompletionRoutine(Irp, Keep, ToSignal, TRUE, TRUE, TRUE);
    return next;
}

static BOOLEAN Open(PCSTR Driver, PCWSTR Name)
{
    UNICODE_STRING name;
    NTSTATUS status;

    BenchLoads = TRUE;
    status = IopLoadDriver(Driver);
    BenchLoads = FALSE;
    Completions = 0;
    RtlInitUnicodeString(&name, Name);
    if (NT_SUCCESS(status))
        status = IoGetDeviceObjectPointer(&name, FILE_READ_DATA, &File, &Device);
    if (!NT_SUCCESS(status)) {
        BenchError("there is no device of the driver %s: status 0x%08x", Driver, status);
        return FALSE;
    }
    Irp = IoAllocateIrp(Device->StackSize, FALSE);
    return Irp != NULL;
}

static VOID Close(PCSTR Driver)
{
    if (Irp)
        IoFreeIrp(Irp);
    ObDereferenceObject(File);
    IopUnloadDriver(Driver);
}

static VOID ReportRequests(PCSTR Name)
{
    if (Completions != BENCH_SAMPLES)
        BenchError("%s: %u of %u requests were completed", Name, Completions, BENCH_SAMPLES);
    Completions = 0;
    BenchReport(BENCH_SAMPLES, Name);
}

/* ---- drivers that complete at once, or while the IRQL falls ---- */

/* From IoCallDriver to the instruction behind it. */
#define MEASURE_REQUEST(target, majorFunction, name)   \
    do {                                               \
        for (ULONG s_ = 0; s_ < BENCH_SAMPLES; s_++) { \
            Prepare(majorFunction, NULL);              \
            BenchQuiet();                              \
            BENCH_BEGIN();                             \
            IoCallDriver(target, Irp);                 \
            BENCH_END();                               \
            BenchTake(s_, 1);                          \
        }                                              \
        ReportRequests(name);                          \
    } while (0)

/* With the IRP made before and freed after. */
static VOID WholeLife(PDEVICE_OBJECT Target)
{
    PIRP kept = Irp;

    for (ULONG i = 0; i < BENCH_SAMPLES; i++) {
        BenchQuiet();
        BENCH_BEGIN();
        Irp = IoAllocateIrp(Target->StackSize, FALSE);
        IoGetNextIrpStackLocation(Irp)->MajorFunction = IRP_MJ_READ;
        IoSetCompletionRoutine(Irp, Keep, NULL, TRUE, TRUE, TRUE);
        IoCallDriver(Target, Irp);
        IoFreeIrp(Irp);
        BENCH_END();
        BenchTake(i, 1);
    }
    Irp = kept;
    ReportRequests("irp_round_trip_allocated");
}

static VOID Layers(VOID)
{
    if (!Open("benchlayers", L"\\Device\\BenchUpper"))
        return;
    PDEVICE_OBJECT lower = Device->NextDevice; /* of the same driver, made before */

    MEASURE_REQUEST(lower, IRP_MJ_READ, "irp_round_trip");
    MEASURE_REQUEST(Device, IRP_MJ_READ, "irp_round_trip_skipped");
    MEASURE_REQUEST(Device, IRP_MJ_WRITE, "irp_round_trip_forwarded");
    WholeLife(lower);
    Close("benchlayers");
}

static VOID StartIo(VOID)
{
    if (!Open("benchedu", L"\\Device\\BenchEdu"))
        return;
    MEASURE_REQUEST(Device, IRP_MJ_READ, "startio_round_trip");
    Close("benchedu");
}

/* ---- drivers/edu: the device works in its own time, and the thread waits ---- */

static VOID Factorial(VOID)
{
    ULONG number;

    KeInitializeEvent(&Event, SynchronizationEvent, FALSE);
    if (!Open("edu", L"\\Device\\Edu0"))
        return;
    for (ULONG i = 0; i < BENCH_SAMPLES; i++) {
        PIO_STACK_LOCATION next = Prepare(IRP_MJ_DEVICE_CONTROL, &Event);

        number = 10;
        Irp->AssociatedIrp.SystemBuffer = &number;
        next->Parameters.DeviceIoControl.IoControlCode = IOCTL_EDU_FACTORIAL;
        next->Parameters.DeviceIoControl.InputBufferLength = sizeof(number);
        next->Parameters.DeviceIoControl.OutputBufferLength = sizeof(number);
        BenchQuiet();
        BENCH_BEGIN();
        IoCallDriver(Device, Irp);
        KeWaitForSingleObject(&Event, Executive, KernelMode, FALSE, NULL);
        BENCH_END();
        BenchTake(i, 1);
        if (number != 3628800)
            BenchError("the device says that 10! is %u", number);
    }
    ReportRequests("edu_factorial");
    Close("edu");
}

VOID BenchRequests(VOID)
{
    Layers();
    StartIo();
    if (!BenchCounting)
        Factorial();
}
